import { expect, it } from 'vitest'
import { createDice } from '../../test/kit/dice.ts'
import { ByteMap } from './bytemap.ts'
import { bytesToHex } from './bytes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)

it(`answers as a Map does, through growth and deletions (SEED=${seed})`, () => {
  const dice = createDice(seed)
  for (const keyBytes of [2, 20, 32, 40]) {
    const own = new ByteMap<{ n: number }>(keyBytes)
    const model = new Map<string, { n: number }>()
    const places = new Map<string, number>()
    // Few different ones, so that they come again; of the shortest more than the first table holds.
    const keys = Array.from({ length: 700 }, () => dice.bytes(keyBytes))
    for (let i = 0; i < 3_000; i++) {
      const key = dice.pick(keys)
      const name = bytesToHex(key)
      if (dice.chance(i % 1_000 < 500 ? 0.7 : 0.3)) {
        const value = { n: i }
        places.set(name, own.set(key, value))
        model.set(name, value)
      } else if (model.delete(name)) own.remove(places.get(name) as number)
      expect(own.size).toBe(model.size)
      const asked = dice.chance(0.1) ? dice.bytes(keyBytes) : dice.pick(keys)
      expect(own.get(asked)).toBe(model.get(bytesToHex(asked)))
    }
    for (const key of keys) expect(own.get(key)).toBe(model.get(bytesToHex(key)))
    const seen: { n: number }[] = []
    own.each((value) => seen.push(value))
    expect(new Set(seen)).toEqual(new Set(model.values()))
  }
})

it('keeps the order of insertion where nothing is deleted, and what a key was when it was set', () => {
  const own = new ByteMap<{ n: number }>(20)
  const key = new Uint8Array(20)
  const number = new DataView(key.buffer)
  for (let n = 0; n < 5_000; n++) {
    number.setUint32(8, n)
    own.set(key, { n })
  }
  const seen: number[] = []
  own.each(({ n }) => seen.push(n))
  expect(seen).toEqual(Array.from({ length: 5_000 }, (_, n) => n))
  number.setUint32(8, 4)
  expect(own.get(key)).toEqual({ n: 4 })
})

it('removes nothing twice', () => {
  const own = new ByteMap<{ n: number }>(20)
  const place = own.set(new Uint8Array(20), { n: 1 })
  own.remove(place)
  expect(() => own.remove(place)).toThrow(/is there/)
  expect(own.size).toBe(0)
})

it('knows no key of another length', () => {
  const own = new ByteMap<{ n: number }>(20)
  own.set(new Uint8Array(20), { n: 1 })
  expect(own.get(new Uint8Array(21))).toBeUndefined()
  expect(own.get(new Uint8Array(18))).toBeUndefined()
  expect(() => own.set(new Uint8Array(18), { n: 2 })).toThrow(/as many bytes/)
})

it('spreads keys that are made to be alike', () => {
  // Those that differ in the upper bits of a few places alone, which a hash of one multiplication without a secret would put together.
  const own = new ByteMap<{ n: number }>(20)
  const keys: Uint8Array[] = []
  for (let n = 0; n < 1 << 14; n++) {
    const key = new Uint8Array(20)
    for (let bit = 0; bit < 14; bit++) if ((n >> bit) & 1) key[1 + bit] = 0x80
    keys.push(key)
  }
  for (const [n, key] of keys.entries()) own.set(key, { n })
  expect(own.longestRun()).toBeLessThan(2_000) // some 20 as a rule; 122 at most of 400 choices of the secret
  for (const [n, key] of keys.entries()) expect(own.get(key)).toEqual({ n })
})
