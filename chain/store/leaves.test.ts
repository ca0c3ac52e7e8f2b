import { describe, expect, test } from 'vitest'
import { bigintToFixed, bytesToHex, compareBytes } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { hashRoom } from '../base/keccak.ts'
import { HashOrder, KEY_BYTES, Leaves, leavesOf } from './leaves.ts'

const keyOf = (n: number): Uint8Array => bigintToFixed(BigInt(n), KEY_BYTES)
const inputOf = (n: number): Uint8Array => bigintToFixed(BigInt(n), 8)
const orderOf = (count: number): HashOrder => {
  const order = new HashOrder(count)
  for (let n = 0; n < count; n++) {
    hashRoom.set(inputOf(n))
    order.add(8)
  }
  order.sort()
  return order
}

describe('leaves', () => {
  test('they hold what was added, also after their memory has grown', () => {
    const leaves = new Leaves()
    const values = Array.from({ length: 500 }, (_, n) => (n % 3 === 0 ? null : new Uint8Array(n % 120).fill(n)))
    for (const [n, value] of values.entries()) leaves.add(keyOf(2 * n), value)
    expect(leaves.count).toBe(500)
    for (const [n, value] of values.entries()) {
      expect(leaves.find(keyOf(2 * n), 0)).toBe(n)
      expect(leaves.find(keyOf(2 * n + 1), 0)).toBe(-1)
      expect(leaves.isRemoval(n)).toBe(value === null || value.length === 0)
      expect(leaves.values.slice(leaves.from(n), leaves.end(n))).toEqual(value ?? new Uint8Array(0))
    }
  })

  test('cleared, they begin anew', () => {
    const leaves = leavesOf([{ key: keyOf(9), value: keyOf(1) }])
    leaves.clear()
    leaves.add(keyOf(3), null)
    expect([leaves.count, leaves.find(keyOf(3), 0), leaves.find(keyOf(9), 0)]).toEqual([1, 0, -1])
    expect(leaves.isRemoval(0)).toBe(true)
  })

  test('a key that does not ascend is refused', () => {
    const leaves = leavesOf([{ key: keyOf(2), value: keyOf(1) }])
    expect(() => leaves.add(keyOf(2), null)).toThrow('changes are sorted')
    expect(() => leaves.add(keyOf(1), null)).toThrow('changes are sorted')
  })
})

describe('order of hashes', () => {
  test.each([0, 1, 2, 33, 1_000])('of %i is that of their bytes', (count) => {
    const expected = Array.from({ length: count }, (_, n) => n).sort((a, b) =>
      compareBytes(keccak(inputOf(a)), keccak(inputOf(b))),
    )
    const order = orderOf(count)
    expect(expected.map((_, i) => order.at(i))).toEqual(expected)
    const out = new Uint8Array(3 + KEY_BYTES)
    for (const [i, n] of expected.entries()) {
      order.take(i, out, 3)
      expect(bytesToHex(out.subarray(3))).toBe(bytesToHex(keccak(inputOf(n))))
    }
  })

  test('where there is room for so many that two have the same rank', () => {
    // Of 2^19, 34 bits of a hash are left to sort by, and these are the same of both; the first that is added is the later one.
    const order = new HashOrder(2 ** 19)
    const [a, b] = [inputOf(15_420), inputOf(442_862)]
    const [rankA, rankB] = [keccak(a), keccak(b)].map((hash) => BigInt(bytesToHex(hash)) >> 222n)
    expect(rankA).toBe(rankB)
    for (const input of [a, b]) {
      hashRoom.set(input)
      order.add(8)
    }
    order.sort()
    expect([order.at(0), order.at(1)]).toEqual([1, 0])
    expect(compareBytes(keccak(b), keccak(a))).toBeLessThan(0)
  })
})
