// Transactions that take long: what the builder does with its time, and a verifier with a block that nobody wants any more. Time passes
// by the pauses that execution makes, and by nothing else.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { developmentAccounts } from '../node/development.ts'
import { genesis, openMemoryChain } from '../test/kit/memory-chain.ts'
import { bytesToHex, type Hash, hexToBytes } from './base/bytes.ts'

const wallets = developmentAccounts(6).map(({ privateKey }) => new Wallet(privateKey))
const nowMs = 1_800_000_000_000
/** Each pause takes so long. */
const openSlow = async (msPerPause: number) => {
  let passedMs = 0
  const time = {
    clock: { nowMs: () => nowMs + passedMs },
    async pause() {
      passedMs += msPerPause
    },
  }
  const memory = await openMemoryChain({ time })
  const send = async (i: number, tx: object): Promise<Hash> => {
    const fees = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 1n, ...tx }
    const raw = await wallets[i]?.signTransaction({ type: 2, chainId: genesis.chainId, ...fees })
    return memory.chain.submit(hexToBytes(raw ?? ''), 'local')
  }
  return { ...memory, send, passedMs: () => passedMs }
}
const to = '0x00000000000000000000000000000000000000aa'
const transfer = (tip: bigint, nonce = 0) => ({ to, nonce, gasLimit: 21_000, maxPriorityFeePerGas: tip })
/** Runs in a circle until its gas is gone: a creation whose code is JUMPDEST PUSH0 JUMP. */
const circle = (gasLimit: number, tip: bigint, nonce = 0) => ({
  ...{ to: null, nonce, data: '0x5b5f56', gasLimit, maxPriorityFeePerGas: tip },
})
const SLICE = 1_500_000

test('a transaction that alone takes half of the time leaves the pool, and the block is filled with others', async () => {
  const { chain, build, send, passedMs } = await openSlow(100)
  const heavy = await send(0, circle(16_000_000, 9n))
  const follower = await send(0, transfer(9n, 1))
  const other = await send(1, circle(9_000_000, 8n))
  const light = [await send(2, circle(1_200_000, 3n)), await send(3, transfer(2n)), await send(4, transfer(1n))]
  const block = await build(2_000) // half of it is for running
  expect(passedMs()).toBeGreaterThanOrEqual(500)
  expect(passedMs()).toBeLessThan(2_000)
  expect(block.txs).toHaveLength(light.length)
  expect(chain.pool.get(heavy)).toBeNull()
  expect([follower, other, ...light].map((hash) => chain.pool.get(hash) !== null)).toEqual([
    true,
    true,
    true,
    true,
    true,
  ])
  await expect(chain.verify(block)).resolves.toBeUndefined()
})

test('one that began late is left for the next block, and left no trace', async () => {
  const { chain, build, seal, send } = await openSlow(100)
  for (const i of [0, 1]) await send(i, circle(5 * SLICE, 9n))
  const late = await send(2, circle(8 * SLICE, 8n))
  const first = await build(2_400)
  expect(first.txs).toHaveLength(2)
  expect(chain.pool.get(late)).not.toBeNull()
  await chain.verify(first)
  const again = await openSlow(0)
  for (const i of [0, 1]) await again.send(i, circle(5 * SLICE, 9n))
  expect(bytesToHex((await again.build(2_400)).header.stateRoot)).toBe(bytesToHex(first.header.stateRoot))
  await seal(2_400)
  const { txs } = await seal(2_400)
  expect(txs).toHaveLength(1)
})

test('the first of a block has time even where blocks are short', async () => {
  const { seal, send, passedMs } = await openSlow(100)
  await send(0, circle(3 * SLICE, 9n))
  await send(1, transfer(1n))
  const { txs } = await seal(20)
  expect(txs).toHaveLength(1)
  expect(passedMs()).toBeGreaterThan(200)
})

test('a block that nobody wants any more is given up within a transaction, and can be judged later', async () => {
  const { build, certify, send } = await openSlow(0)
  await send(0, circle(16_000_000, 1n))
  const block = await build()
  const verifier = await openSlow(100)
  await expect(verifier.chain.verify(block, () => verifier.passedMs() < 300)).rejects.toMatchObject({
    code: 'EXEC_ABANDONED',
  })
  expect(verifier.passedMs()).toBeLessThanOrEqual(400) // it would take twice as long
  await verifier.chain.commit(block, certify(block))
  expect(bytesToHex(verifier.chain.head().hash)).toBe(bytesToHex(block.hash))
})
