import { Bloom, encodeReceipt as encodeTheirs } from '@ethereumjs/vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex } from '../base/bytes.ts'
import { bloomMayHold, bloomOf, encodeReceipt, type Log } from './receipt.ts'

const bytes = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes })
/** Few items, so that some come again, and some share their last byte. */
const items = fc.sample(bytes(32), { numRuns: 12, seed: 1 }).map((item, i) => item.fill(i % 4, 31))
const arbLog: fc.Arbitrary<Log> = fc.record({
  address: fc.oneof(bytes(20), fc.constantFrom(...items.map((item) => item.subarray(12)))).map(asAddress),
  topics: fc.array(fc.oneof(bytes(32), fc.constantFrom(...items)).map(asHash), { maxLength: 4 }),
  data: fc.oneof(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ minLength: 250, maxLength: 300 })),
})
/** The library has no receipt of no gas: it would write a zero byte. */
const arbGas = fc.oneof(
  fc.constantFrom(1n, 127n, 128n, 255n, 256n, 21_000n, 2n ** 48n - 1n, 2n ** 48n, 2n ** 53n),
  fc.bigInt(1n, 2n ** 64n - 1n),
)

test('receipts and blooms are the library’s to the byte', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 1, 2, 4),
      fc.constantFrom(0, 1),
      arbGas,
      fc.oneof(fc.constant([]), fc.array(arbLog, { maxLength: 5 })),
      (type, status, cumulativeGas, logs) => {
        const bloom = bloomOf(logs)
        const theirBloom = new Bloom()
        for (const { address, topics } of logs) for (const item of [address, ...topics]) theirBloom.add(item)
        expect(bytesToHex(bloom)).toBe(bytesToHex(theirBloom.bitvector))
        for (const { address, topics } of logs)
          for (const item of [address, ...topics]) expect(bloomMayHold(bloom, item)).toBe(true)
        const theirs = encodeTheirs(
          {
            status: status as 0 | 1,
            cumulativeBlockGasUsed: cumulativeGas,
            bitvector: bloom,
            logs: logs.map(({ address, topics, data }) => [address, [...topics], data]),
          },
          type as Parameters<typeof encodeTheirs>[1],
        )
        const ours = encodeReceipt({ type, status: status as 0 | 1, cumulativeGas, bloom, logs })
        expect(bytesToHex(ours)).toBe(bytesToHex(theirs))
      },
    ),
    { numRuns: 1_000 },
  )
})

test('no gas is the empty string', () => {
  const receipt = { type: 0, status: 1, cumulativeGas: 0n, bloom: new Uint8Array(256), logs: [] } as const
  expect([...encodeReceipt(receipt).subarray(0, 6)]).toEqual([0xf9, 1, 6, 1, 0x80, 0xb9])
})
