import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToHex } from '../base/bytes.ts'
import { Cache } from './cache.ts'

const arbKey = fc.uint8Array({ minLength: 1, maxLength: 3 })
const arbValue = fc.option(fc.uint8Array({ maxLength: 40 }))

test('what was set last is what is there, or nothing is known of it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 2 }), arbKey, arbValue), { minLength: 1, maxLength: 300 }),
      (sets) => {
        const cache = new Cache(1_000_000)
        const want = new Map<string, Uint8Array | null>()
        for (const [prefix, key, value] of sets) {
          const name = `${prefix} ${bytesToHex(key)}`
          expect(cache.get(prefix, key)).toEqual(want.get(name))
          cache.set(prefix, key, value)
          want.set(name, value)
          expect(cache.get(prefix, key)).toEqual(value)
        }
        for (const [prefix, key] of sets)
          expect(cache.get(prefix, key)).toEqual(want.get(`${prefix} ${bytesToHex(key)}`))
      },
    ),
  )
})

test('beyond its bound it forgets, never answers an older value, and keeps what is asked for', () => {
  const cache = new Cache(400_000)
  const keyOf = (n: number): Uint8Array => Uint8Array.of(n >> 16, n >> 8, n)
  const hot = keyOf(0)
  for (let n = 0; n < 50_000; n++) {
    cache.set(1, keyOf(n), new Uint8Array(30 + (n % 7)).fill(n))
    cache.set(1, keyOf(n >> 1), Uint8Array.of(n))
    if (n === 0) cache.set(2, hot, Uint8Array.of(7))
    expect(cache.get(2, hot)).toEqual(Uint8Array.of(7))
  }
  let known = 0
  for (let n = 0; n < 50_000; n++) {
    const found = cache.get(1, keyOf(n))
    if (found === undefined) continue
    known++
    expect(found).toEqual(n < 25_000 ? Uint8Array.of(2 * n + 1) : new Uint8Array(30 + (n % 7)).fill(n))
  }
  expect(known).toBeGreaterThan(1_000)
  expect(known).toBeLessThan(20_000)
})

test('what is written in turn stays known, as long as all of it is less than three quarters of the bound', () => {
  const cache = new Cache(4_000_000)
  const keyOf = (n: number): Uint8Array => Uint8Array.of(n >> 16, n >> 8, n)
  // 20,000 values of 100 bytes and what the cache adds to each: some 2.7 MB.
  for (let turn = 0; turn < 4; turn++)
    for (let n = 0; n < 20_000; n++) {
      if (turn > 0 && cache.get(1, keyOf(n)) === undefined) throw new Error(`in turn ${turn} value ${n} is forgotten`)
      cache.set(1, keyOf(n), new Uint8Array(100).fill(turn))
    }
})
