// What the way into the pool asks of the thread it runs on.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { hexToBytes } from '../base/bytes.ts'
import { curves, installCurves } from '../base/crypto.ts'
import { type IdentifyTxs, identifyTx } from '../types/tx.ts'
import { Intake } from './intake.ts'
import { createPool } from './pool.ts'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const fields = { type: 2, chainId: 1, to: wallet.address, gasLimit: 21_000, maxFeePerGas: 9, maxPriorityFeePerGas: 1 }
const raws = await Promise.all(
  Array.from({ length: 200 }, async (_, nonce) => hexToBytes(await wallet.signTransaction({ ...fields, nonce }))),
)

const open = (identify: IdentifyTxs) => {
  const counts = { recovered: 0, pauses: 0 }
  const pool = createPool(
    { admit: () => ({ nonce: 0n, balance: 10n ** 18n }), clock: { nowMs: () => 0 } },
    { gasLimit: 30_000_000n },
  )
  const pause = async (): Promise<void> => {
    counts.pauses++
  }
  const intake = new Intake({ pool, chainId: 1n, identify, pause }, () => {})
  const portable = curves()
  installCurves({
    ...portable,
    recover(...args) {
      counts.recovered++
      return portable.recover(...args)
    },
  })
  return { intake, pool, counts }
}
/** As threads do, which have their own curves. */
const identities = raws.map(identifyTx)
const elsewhere: IdentifyTxs = async (asked) => asked.map((raw) => identities[raws.indexOf(raw)] ?? null)

test('whose a transaction of the pool is nobody finds out again when peers bring it', async () => {
  const { intake, pool, counts } = open(elsewhere)
  await intake.submit(raws.slice(0, 3), 'peer')
  expect(pool.status().pending).toBe(3)
  const answers = await intake.submit(raws.slice(0, 5), 'peer')
  const known = { code: 'POOL_KNOWN' }
  expect(answers).toMatchObject([known, known, known, identities[3]?.hash, identities[4]?.hash])
  expect(counts.recovered).toBe(0)
})

test('where threads failed, the loop turns while this one does their work', async () => {
  const { intake, pool, counts } = open(async (asked) => asked.map(() => null))
  await intake.submit(raws, 'local')
  expect(pool.status().pending).toBe(200)
  expect(counts).toEqual({ recovered: 200, pauses: 3 })
})
