import { Wallet } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../base/bytes.ts'
import { type BlockTxsDeps, decodeBlockTxs, SendersAhead } from './block-txs.ts'
import { systemTx } from './system-tx.ts'
import { type IdentifyTxs, identifyTx } from './tx.ts'

const chainId = 662607n
const wallet = new Wallet(`0x${'11'.repeat(32)}`)
let raws: readonly Uint8Array[]
beforeAll(async () => {
  const fields = { type: 2, chainId, to: wallet.address, gasLimit: 21_000, maxFeePerGas: 9n, maxPriorityFeePerGas: 1n }
  raws = await Promise.all(
    Array.from({ length: 24 }, async (_, nonce) => hexToBytes(await wallet.signTransaction({ ...fields, nonce }))),
  )
})

const identified: IdentifyTxs = async (some) => some.map(identifyTx)
const depsWith = (identify?: IdentifyTxs): BlockTxsDeps => ({
  ...{ chainId, known: () => null, identify },
  pause: async () => {},
})
const block = (number: number, txs: readonly Uint8Array[]) => ({ header: { number }, txs })
/** Blocks from 5 on, of so many transactions each. */
const blocksOf = (...counts: readonly number[]) =>
  counts.map((count, i) =>
    block(
      5 + i,
      Array.from({ length: count }, (_, n) => raws[n % raws.length] as Uint8Array),
    ),
  )
/** Says how many transactions each question has, and answers when it is told to. */
const asker = () => {
  const asked: number[] = []
  const answers: (() => void)[] = []
  const identify: IdentifyTxs = (some) => {
    asked.push(some.length)
    return new Promise((resolve) => answers.push(() => resolve(some.map(identifyTx))))
  }
  return { asked, answers, identify }
}

test('senders are those of the signatures, whoever finds them, over more than one slice and to the system transaction', async () => {
  const many = Array.from({ length: 1_100 }, (_, i) => raws[i % raws.length] as Uint8Array)
  const whole = block(9, [...many, systemTx(chainId, 9).raw])
  const alone = await decodeBlockTxs(whole, depsWith())
  expect(alone.slice(0, -1).every(({ from }) => bytesToHex(from) === wallet.address.toLowerCase())).toBe(true)
  expect(alone.map(({ raw }) => raw)).toEqual(whole.txs)
  expect(alone.at(-1)).toEqual(systemTx(chainId, 9))
  expect(await decodeBlockTxs(whole, depsWith(identified))).toEqual(alone)
  const [first] = alone
  const isFirst = (hash: Uint8Array): boolean => first !== undefined && bytesToHex(hash) === bytesToHex(first.hash)
  const some = { ...depsWith(identified), known: (hash: Uint8Array) => (isFirst(hash) ? (first ?? null) : null) }
  expect((await decodeBlockTxs(whole, some)).map(({ hash }) => hash)).toEqual(alone.map(({ hash }) => hash))
})

test('a transaction that is none is named by its place, in whatever slice', async () => {
  const many = Array.from({ length: 1_100 }, (_, i) => (i === 1_050 ? Uint8Array.of(2, 0xc0) : (raws[0] as Uint8Array)))
  for (const identify of [undefined, identified])
    await expect(decodeBlockTxs(block(9, many), depsWith(identify))).rejects.toMatchObject({
      code: 'BLOCK_INVALID',
      message: expect.stringContaining('transaction 1050: '),
    })
})

test('blocks that follow are asked for before the answer for one is there, and no more than a thousand transactions of them', async () => {
  const { asked, answers, identify } = asker()
  const ahead = new SendersAhead(blocksOf(400, 0, 400, 400, 7, 7), depsWith(identify))
  expect(asked).toEqual([400, 400, 400])
  const first = ahead.txs(5)
  expect(asked).toEqual([400, 400, 400, 7, 7])
  answers[0]?.()
  expect((await first).length).toBe(400)
  expect(await ahead.txs(6)).toEqual([])
  const skipped = ahead.txs(9)
  for (const answer of answers) answer()
  expect((await skipped).length).toBe(7)
  expect((await ahead.txs(10)).map(({ nonce }) => Number(nonce))).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(asked.length).toBe(5)
})

test('a block larger than that is asked for all the same, and one in the middle first where those before it are passed over', async () => {
  const { asked, answers, identify } = asker()
  const ahead = new SendersAhead(blocksOf(1_000, 24, 24, 24), depsWith(identify))
  expect(asked).toEqual([1_000])
  const last = ahead.txs(7)
  expect(asked).toEqual([1_000, 24, 24])
  for (const answer of answers) answer()
  expect((await last).map(({ raw }) => raw)).toEqual(raws)
  expect(() => ahead.txs(99)).toThrow('block 99')
})

test('that nobody waits for what failed ahead is no fault; who does hears of it', async () => {
  const identify: IdentifyTxs = async (some) => {
    if (some.length === 3) throw new Error('the thread is gone')
    return some.map(identifyTx)
  }
  const ahead = new SendersAhead(blocksOf(2, 3, 4), depsWith(identify))
  expect((await ahead.txs(5)).length).toBe(2)
  await new Promise((resolve) => setImmediate(resolve))
  await expect(ahead.txs(6)).rejects.toThrow('the thread is gone')
  expect((await ahead.txs(7)).length).toBe(4)
})
