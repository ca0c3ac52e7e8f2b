// The way of signed bytes into the pool: what waits there is its own, whatever becomes of the buffers it came in.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { concat, hexToBytes } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import { type Identity, identifyTx, SHELVED_BYTES } from '../types/tx.ts'
import { Intake } from './intake.ts'
import { createPool } from './pool.ts'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const CHAIN_ID = 7n
const sign = async (nonce: number, data: string): Promise<Uint8Array> =>
  hexToBytes(
    await wallet.signTransaction({
      ...{ type: 2, chainId: CHAIN_ID, nonce, gasLimit: 100_000, to: wallet.address, value: 5n, data },
      ...{ maxFeePerGas: 100n, maxPriorityFeePerGas: 3n },
    }),
  )

/** Identities as a worker gives them: views of one buffer, which this hands out to be spoilt. */
const world = () => {
  const buffers: Uint8Array[] = []
  const pool = createPool(
    { admit: () => ({ nonce: 0n, balance: 10n ** 20n }), clock: { nowMs: () => 0 } },
    { gasLimit: 30_000_000n },
  )
  const identify = async (raws: readonly Uint8Array[]): Promise<(Identity | null)[]> =>
    raws.map((raw) => {
      const found = identifyTx(raw)
      if (found === null || found.from === null) return found
      const shared = concat(found.hash, found.from)
      buffers.push(shared)
      return { hash: shared.subarray(0, 32) as Identity['hash'], from: shared.subarray(32) as Identity['from'] }
    })
  return { pool, buffers, intake: new Intake({ pool, chainId: CHAIN_ID, identify, pause: async () => {} }, () => {}) }
}

test('what is admitted keeps nothing of the request, and refused ones between take no place from it', async () => {
  const { pool, buffers, intake } = world()
  const raws: Uint8Array[] = []
  for (let nonce = 0; nonce < 60; nonce++)
    raws.push(await sign(nonce, nonce % 7 === 0 ? `0x${'cd'.repeat(nonce * 20)}` : '0x'))
  const wanted = raws.map((raw) => ({ raw: raw.slice(), ...(identifyTx(raw) as Identity) }))
  // Each is followed by itself, which is known then, and by what is none.
  const request = concat(...raws.flatMap((raw) => [raw, raw]))
  let at = 0
  const sent = raws.flatMap(({ length }) => {
    const twice = [request.subarray(at, at + length), request.subarray(at + length, at + 2 * length)]
    at += 2 * length
    return [...twice, Uint8Array.of(2, 0xc0)]
  })
  const answers = await intake.submit(sent, 'local')
  expect(answers.map((answer) => (answer instanceof NodeError ? answer.code : 'hash'))).toEqual(
    raws.flatMap(() => ['hash', 'POOL_KNOWN', 'TX_MALFORMED']),
  )
  request.fill(0xee)
  for (const buffer of buffers) buffer.fill(0xee)
  const [first] = wanted
  const { pending } = pool.of(first?.from ?? (wallet.address as never))
  expect(pending.map(({ raw, hash, from }) => ({ raw, hash, from }))).toEqual(wanted)
  expect(pending.every(({ raw }) => raw.buffer.byteLength <= Math.max(2_048, raw.length + SHELVED_BYTES))).toBe(true)
})
