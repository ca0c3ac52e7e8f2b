// The cache of decoded code: what it keeps, and that it is bounded.
import { expect, test } from 'vitest'
import type { Code } from '../types/state.ts'
import { createProgramCache, decode } from './opcodes.ts'
import { codeFrom } from './state.ts'
import { wordIn } from './words.ts'

/** As large as code may be; the first instruction is STOP, so that decoding it is quick. */
const largeCode = (n: number) => {
  const bytes = new Uint8Array(24_576)
  new DataView(bytes.buffer).setUint32(24_000, n)
  return codeFrom(bytes)
}

test('code is decoded when it has jumped as often as it has bytes', () => {
  const cache = createProgramCache(true, 'earned')
  const code = codeFrom(Uint8Array.of(0x60, 1, 0x50))
  const known = cache.find(code)
  known.jumps = 2
  expect(cache.ripen(known)).toBeNull()
  known.jumps = 3
  const program = cache.ripen(known)
  expect(program?.ops.length).toBeGreaterThan(0)
  expect(cache.find(code).program).toBe(program)
  expect(cache.find({ ...code, bytes: code.bytes.slice() }).program, 'other bytes of the same hash').toBe(program)
})

test('what was not asked for lately is forgotten before decoded code takes too much, and earns it anew', () => {
  const cache = createProgramCache(true, 'earned')
  const run = (code: Code) => {
    const known = cache.find(code)
    known.jumps += code.bytes.length
    return cache.ripen(known)
  }
  const [kept, lost] = [largeCode(1), largeCode(2)]
  const first = run(kept)
  run(lost)
  for (let n = 10; n < 300; n++) {
    run(largeCode(n))
    cache.find(kept)
  }
  expect(cache.find(kept).program).toBe(first)
  expect(cache.find(lost)).toMatchObject({ program: null, jumps: 0 })
})

test('code that ran once and never again is forgotten, before it takes too much', () => {
  const cache = createProgramCache(true, 'earned')
  const first = largeCode(0)
  cache.find(first).jumps = 5
  for (let n = 1; n < 1_000; n++) cache.find(largeCode(n))
  expect(cache.find(first).jumps).toBe(5)
  for (let n = 1_000; n < 3_000; n++) cache.find(largeCode(n))
  expect(cache.find(first).jumps).toBe(0)
})

test('code that is never decoded earns nothing', () => {
  const cache = createProgramCache(true, 'never')
  const known = cache.find(largeCode(1))
  known.jumps += 1e9
  expect(cache.ripen(known)).toBeNull()
})

test('a jump into push data, past the end or to what is no JUMPDEST has no target', () => {
  const of = (...bytes: number[]) => decode(codeFrom(Uint8Array.from(bytes)), true)
  for (const to of [1, 4, 0xff]) expect([...of(0x60, to, 0x56, 0x60, 0x5b, 0x5b).data]).toContain(-1)
  expect([...of(0x60, 5, 0x56, 0x60, 0x5b, 0x5b).data]).not.toContain(-1)
})

test('what a push reads is what its hexadecimal digits say, and zeros behind the end of code', () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, i) => (i * 37 + 11) & 255)
  for (let size = 1; size <= 32; size++)
    for (const at of [0, 3, 40 - size, 41 - size, 39, 40]) {
      const digits = Array.from({ length: size }, (_, i) => (bytes[at + i] ?? 0).toString(16).padStart(2, '0'))
      expect(wordIn(bytes, at, size), `${size} bytes at ${at}`).toBe(BigInt(`0x${digits.join('')}`))
    }
})
