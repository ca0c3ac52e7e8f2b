// The cost model against numbers worked out by hand, and the targets of the settlement design with the bytes that its codec is measured at.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { costOf, dollarsOf, executionGasOf, type PostedSizes, type Prices } from './costs.ts'

const GWEI = 10n ** 9n
/** Certificate of four validators by ECDSA, checkpoint, and the words of the call. */
const OVERHEAD = { calls: 1, overheadBytes: 1_600, executionGas: 93_000n }
const USUAL: Prices = { gasPriceWei: 280n * GWEI, coinDollars: '0.09', profile: 'polygon' }
const DEAR: Prices = { gasPriceWei: 1_000n * GWEI, coinDollars: '0.50', profile: 'polygon' }
const sizes = (transactions: number, bytesEach: number, blocks: number, bytesOfBlock: number): PostedSizes => ({
  ...{ txBytes: transactions * bytesEach, blockBytes: blocks * bytesOfBlock, blocks, emptyBlocks: 0, transactions },
  ...OVERHEAD,
})

test('a batch by hand: the floor of its bytes where that is more, and every part of it', () => {
  const batch = { ...sizes(1_000, 12, 10, 100), emptyBlocks: 4 }
  const bytes = 12_000 + 1_000 + 1_600
  expect(costOf(batch, USUAL)).toEqual({
    batch: { gas: 21_000n + 40n * BigInt(bytes), wei: 605_000n * 280n * GWEI, dollars: '0.015246' },
    perTransaction: { gas: 605n, wei: 605n * 280n * GWEI, dollars: '0.000015246' },
    ownOfTransaction: { gas: 480n, wei: 480n * 280n * GWEI, dollars: '0.000012096' },
    perBlock: { gas: 4_000n, wei: 4_000n * 280n * GWEI, dollars: '0.0001008' },
    emptyBlocks: { gas: 16_000n, wei: 16_000n * 280n * GWEI, dollars: '0.0004032' },
    overhead: { gas: 21_000n + 64_000n, wei: 85_000n * 280n * GWEI, dollars: '0.002142' },
    freeExecutionGas: 40n * BigInt(bytes) - 16n * BigInt(bytes) - 93_000n,
    unknown: [],
  })
})

test('a small batch pays for its execution', () => {
  const { batch, freeExecutionGas } = costOf(sizes(10, 12, 1, 110), USUAL)
  expect([batch.gas, freeExecutionGas]).toEqual([21_000n + 16n * 1_830n + 93_000n, 0n])
})

test('the targets: under $0.0001 in usual weather with ten blocks, under $0.008 at 1,000 gwei and $0.50', () => {
  const perTx = (of: PostedSizes, prices: Prices): number => Number(costOf(of, prices).perTransaction?.dollars)
  expect(perTx(sizes(1_000, 12.5, 10, 120), USUAL)).toBeLessThan(0.0001)
  expect(perTx(sizes(1_000, 78, 10, 360), USUAL)).toBeLessThan(0.0001)
  expect(perTx(sizes(25, 20, 1, 120), DEAR)).toBeLessThan(0.008)
  expect(perTx(sizes(30, 90, 1, 360), DEAR)).toBeLessThan(0.008)
})

test('an idle chain pays for its blocks, and a batch without transactions has no cost of one', () => {
  const report = costOf({ ...sizes(0, 0, 1_000, 110), emptyBlocks: 1_000 }, USUAL)
  expect([report.perTransaction, report.ownOfTransaction]).toEqual([null, null])
  expect(report.emptyBlocks.gas).toBe(4_400_000n)
})

test('what a profile does not know is named, and its figures are the least', () => {
  const chicago = costOf(sizes(1_000, 12, 10, 110), { ...USUAL, profile: 'polygon-chicago' })
  expect(chicago.unknown).toHaveLength(3)
  expect(chicago.batch).toEqual(costOf(sizes(1_000, 12, 10, 110), USUAL).batch)
})

test('a batch in parts pays the base of a transaction for each of them', () => {
  const whole = sizes(5_000, 75, 1, 200)
  const [one, four] = [1, 4].map((calls) => costOf({ ...whole, calls }, USUAL))
  expect((four?.batch.gas ?? 0n) - (one?.batch.gas ?? 0n)).toBe(3n * 21_000n)
  expect((four?.overhead.gas ?? 0n) - (one?.overhead.gas ?? 0n)).toBe(3n * 21_000n)
  expect(four?.perBlock).toEqual(one?.perBlock)
  const gasUsed = 4n * 21_000n + 16n * 1_000n + 300_000n
  expect(executionGasOf({ gasUsed, callBytes: 1_000, calls: 4 }, 'polygon')).toBe(300_000n)
})

test('execution is read back from what a receipt says', () => {
  expect(executionGasOf({ gasUsed: 21_000n + 16n * 1_000n + 93_000n, callBytes: 1_000, calls: 1 }, 'polygon')).toBe(
    93_000n,
  )
  expect(executionGasOf({ gasUsed: 21_000n + 40n * 10_000n, callBytes: 10_000, calls: 1 }, 'polygon')).toBe(0n)
})

test('parts add up to the whole, whatever the sizes', () => {
  const count = fc.integer({ min: 0, max: 100_000 })
  fc.assert(
    fc.property(
      count,
      count,
      count,
      fc.bigInt({ min: 0n, max: 10n ** 7n }),
      (txBytes, blockBytes, overheadBytes, executionGas) => {
        const bytes = { txBytes, blockBytes, overheadBytes }
        const all = { calls: 1, ...bytes, executionGas, blocks: 1, emptyBlocks: 0, transactions: 1 }
        const { batch, perBlock, ownOfTransaction, overhead } = costOf(all, USUAL)
        expect(perBlock.gas + (ownOfTransaction?.gas ?? 0n) + overhead.gas).toBe(batch.gas)
      },
    ),
  )
})

test('dollars are exact, rounded up at the ninth digit, and have no zeros at their end', () => {
  expect(dollarsOf(10n ** 18n, '0.09')).toBe('0.09')
  expect(dollarsOf(3n * 10n ** 18n, '1')).toBe('3')
  expect(dollarsOf(1n, '0.000000001')).toBe('0.000000001')
  expect(dollarsOf(0n, '999999999.999999999')).toBe('0')
  expect(dollarsOf(123_456_789n * 10n ** 18n, '1000')).toBe('123456789000')
})
