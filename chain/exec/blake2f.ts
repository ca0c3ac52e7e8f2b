// The compression function of BLAKE2b (EIP-152) as a small wasm module, written here byte by byte: a round costs one gas, and in
// JavaScript, which has no 64-bit numbers, half a microsecond. Owns its code and its memory.
import type { Stretches } from '../base/curves.ts'

// Memory: the working vector, the message, and where each round finds its words of it.
const VECTOR = 0
const MESSAGE = 128
const ORDER = 256
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
]
/** Columns, then diagonals. */
const MIXES = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const
const IV = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
]

/** Unsigned LEB128; the same as the signed one for what has its highest bit of seven clear. */
const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)])
const sized = (bytes: readonly number[]): number[] => [...leb(bytes.length), ...bytes]
const section = (id: number, bytes: readonly number[]): number[] => [id, ...sized(bytes)]

/** Parameters and locals: the round, the round to end before, this round's row of `ORDER`, and the vector. */
const [ROUND, END, ROW, FIRST] = [0, 1, 2, 3]
const get = (local: number): number[] => [0x20, local]
const set = (local: number): number[] => [0x21, local]
const word = (n: number): number => FIRST + n
/** x = rotated right by so many bits: x ^ y. */
const xorRotate = (x: number, y: number, bits: number): number[] => [
  ...[...get(x), ...get(y), 0x85, 0x42, bits, 0x8a, ...set(x)],
]
/** x += y, and the message's word that the row names at this place. */
const add = (x: number, y: number, place: number | null): number[] => {
  const ofMessage = place === null ? [] : [...get(ROW), 0x2d, 0, place, 0x29, 3, 0, 0x7c]
  return [...get(x), ...get(y), 0x7c, ...ofMessage, ...set(x)]
}
const mix = ([a, b, c, d]: readonly [number, number, number, number], i: number): number[] => [
  ...[...add(a, b, 2 * i), ...xorRotate(d, a, 32), ...add(c, d, null), ...xorRotate(b, c, 24)],
  ...[...add(a, b, 2 * i + 1), ...xorRotate(d, a, 16), ...add(c, d, null), ...xorRotate(b, c, 63)],
]
const CODE: readonly number[] = [
  ...[2, 1, 0x7f, 16, 0x7e], // locals: an i32, sixteen i64
  ...IV.concat(IV).flatMap((_, i) => [0x41, ...leb(VECTOR), 0x29, 3, ...leb(8 * i), ...set(word(i))]),
  ...[0x02, 0x40, 0x03, 0x40], // a block, and in it a loop
  ...[...get(ROUND), ...get(END), 0x4f, 0x0d, 1], // out of both once all rounds are done
  ...[...get(ROUND), 0x41, 10, 0x70, 0x41, 16, 0x6c, 0x41, ...leb(ORDER), 0x6a, ...set(ROW)],
  ...MIXES.flatMap(([a, b, c, d], i) => mix([word(a), word(b), word(c), word(d)], i)),
  ...[...get(ROUND), 0x41, 1, 0x6a, ...set(ROUND), 0x0c, 0, 0x0b, 0x0b],
  ...IV.concat(IV).flatMap((_, i) => [0x41, ...leb(VECTOR), ...get(word(i)), 0x37, 3, ...leb(8 * i)]),
  0x0b,
]
const name = (text: string): number[] => sized([...text].map((letter) => letter.charCodeAt(0)))
const MODULE = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 0]), // (i32, i32) -> ()
  ...section(3, [1, 0]),
  ...section(5, [1, 0, 1]), // a page of memory
  ...section(7, [2, ...name('memory'), 2, 0, ...name('rounds'), 0, 0]),
  ...section(10, [1, ...sized(CODE)]),
])
// What was written above.
const { memory, rounds } = new WebAssembly.Instance(new WebAssembly.Module(MODULE)).exports as {
  readonly memory: WasmMemory
  rounds(from: number, to: number): void
}
const bytes = new Uint8Array(memory.buffer)
const view = new DataView(memory.buffer)
for (const [round, row] of SIGMA.entries())
  for (const [i, n] of row.entries()) bytes[ORDER + 16 * round + i] = MESSAGE + 8 * n

const ROUNDS_AT_ONCE = 500_000

/** Input as EIP-152 has it, of 213 bytes: rounds, state, message, offset, and whether it is the last block. 64 bytes of new state. */
export function* blake2f(input: Uint8Array): Stretches<Uint8Array> {
  const given = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const count = given.getUint32(0)
  const at = (place: number): bigint => view.getBigUint64(VECTOR + 8 * place, true)
  const put = (place: number, value: bigint): void => view.setBigUint64(VECTOR + 8 * place, value, true)
  bytes.set(input.subarray(4, 68), VECTOR)
  for (const [i, each] of IV.entries()) put(8 + i, each)
  put(12, at(12) ^ given.getBigUint64(196, true))
  put(13, at(13) ^ given.getBigUint64(204, true))
  if (input[212] === 1) put(14, at(14) ^ 0xffff_ffff_ffff_ffffn)
  bytes.set(input.subarray(68, 196), MESSAGE)
  for (let from = 0; from < count; from += ROUNDS_AT_ONCE) {
    if (from > 0) {
      // Other inputs are worked on meanwhile.
      const kept = bytes.slice(VECTOR, ORDER)
      yield
      bytes.set(kept, VECTOR)
    }
    rounds(from, Math.min(count, from + ROUNDS_AT_ONCE))
  }
  const out = new Uint8Array(64)
  for (let i = 0; i < 64; i++)
    out[i] = (input[4 + i] as number) ^ (bytes[VECTOR + i] as number) ^ (bytes[VECTOR + 64 + i] as number)
  return out
}
