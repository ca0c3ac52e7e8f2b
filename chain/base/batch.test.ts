import fc from 'fast-check'
import { expect, test } from 'vitest'
import { verdictsOf } from './batch.ts'

/** Items are whether they hold. */
const counted = async (items: readonly boolean[]): Promise<{ verdicts: boolean[]; checks: number }> => {
  let checks = 0
  const verdicts = await verdictsOf(items, (part) => {
    checks++
    return part.every(Boolean)
  })
  return { verdicts, checks }
}
const withBad = (size: number, bad: readonly number[]): boolean[] =>
  Array.from({ length: size }, (_, i) => !bad.includes(i))

test('the bad ones are found, and exactly those', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 70 }), async (items) => {
      expect((await counted(items)).verdicts).toEqual(items)
    }),
  )
})

test('all good costs one check, nothing to check none', async () => {
  expect((await counted(withBad(128, []))).checks).toBe(1)
  expect((await counted([])).checks).toBe(0)
})

test('one bad among 1,024 costs at most 21 checks, wherever it is', async () => {
  for (let at = 0; at < 1_024; at += 31) {
    const { verdicts, checks } = await counted(withBad(1_024, [at]))
    expect(verdicts.indexOf(false)).toBe(at)
    expect(checks).toBeLessThanOrEqual(21) // the whole, and up to two for each of ten halvings
  }
})

test('k bad ones among n cost O(k log n) checks, and all bad no more than twice one by one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(511), { minLength: 1, maxLength: 40 }), async (bad) => {
      const { checks } = await counted(withBad(512, bad))
      expect(checks).toBeLessThanOrEqual(1 + 2 * bad.length * 9)
    }),
  )
  expect((await counted(withBad(512, [...Array(512).keys()]))).checks).toBeLessThan(1_024)
})
