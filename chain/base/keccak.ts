// Keccak-f[1600] as WebAssembly that is put together here, and keccak-256 over it. A full block hashes half a million short inputs, so
// what counts is what a call costs beside the permutation: input and digest lie in one memory, and one call does all. Runs in a browser.
import type { Hash } from './bytes.ts'

const RATE_BYTES = 136
const LANES = 25
// Memory, one page: the state, of which the first 32 bytes become the digest; constants of the rounds and their end; input.
const CONSTANTS_AT = 256
const CONSTANTS_END = CONSTANTS_AT + 24 * 8
const INPUT_AT = 512
const PAGE_BYTES = 65_536
/** Whole blocks, with one to spare for the padding. */
const INPUT_BYTES = (Math.floor((PAGE_BYTES - INPUT_AT) / RATE_BYTES) - 1) * RATE_BYTES

// The binary format (WebAssembly core specification, chapter 5), as far as it is needed.
const unsigned = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...unsigned(Math.floor(value / 128))]
const signed = (value: number): number[] =>
  value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]
const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content]
const exported = (name: string, kind: number): number[] => [
  name.length,
  ...[...name].map((letter) => letter.charCodeAt(0)),
  kind,
  0,
]
const I32 = 0x7f
const I64 = 0x7e
const NO_RESULT = 0x40
const BLOCK_END = 0x0b
const XOR = 0x85
const get = (local: number): number[] => [0x20, ...unsigned(local)]
const set = (local: number, value: readonly number[]): number[] => [...value, 0x21, ...unsigned(local)]
const i32 = (value: number): number[] => [0x41, ...signed(value)]
const load = (base: readonly number[], offset: number): number[] => [...base, 0x29, 3, ...unsigned(offset)]
const add = (local: number, value: number): number[] => set(local, [...get(local), ...i32(value), 0x6a])
const isBelow = (local: number, limit: readonly number[]): number[] => [...get(local), ...limit, 0x49]
const rotated = (value: readonly number[], by: number): number[] => [...value, 0x42, ...signed(by), 0x89]
const repeatWhile = (condition: readonly number[], body: readonly number[]): number[] => [
  ...[0x03, NO_RESULT, ...body, ...condition, 0x0d, 0, BLOCK_END],
]

/** `absorb(at, end, isFresh)`: takes blocks from `at` to `end`, at least one, into the state, which begins as zeros where it is fresh. */
const absorbCode = (): number[] => {
  const [AT, END, IS_FRESH, ROUND] = [0, 1, 2, 3]
  const [A, B, C] = [4, 4 + LANES, 4 + 2 * LANES] // lanes (x, y) at x + 5y; what pi makes of them; columns
  const code: number[] = []
  code.push(...get(IS_FRESH), 0x45, 0x04, NO_RESULT) // where it is 0, for locals are zeros
  for (let i = 0; i < LANES; i++) code.push(...set(A + i, load(i32(0), 8 * i)))
  code.push(BLOCK_END)

  const round: number[] = []
  for (let x = 0; x < 5; x++) {
    const column = [0, 5, 10, 15, 20].flatMap((y) => (y === 0 ? get(A + x) : [...get(A + x + y), XOR]))
    round.push(...set(C + x, column))
  }
  // Theta and rho on the way of pi: (x, y) goes to (y, 2x + 3y), turned by the triangular numbers along the path from (1, 0).
  const offsets = new Map<number, number>([[0, 0]])
  for (let t = 0, x = 1, y = 0; t < 24; t++) {
    offsets.set(x + 5 * y, (((t + 1) * (t + 2)) / 2) % 64)
    ;[x, y] = [y, (2 * x + 3 * y) % 5]
  }
  for (let x = 0; x < 5; x++) {
    const difference = [...get(C + ((x + 4) % 5)), ...rotated(get(C + ((x + 1) % 5)), 1), XOR]
    for (let y = 0; y < 5; y++) {
      const lane = [...get(A + x + 5 * y), ...(y === 0 ? [...difference, 0x22, ...unsigned(C + 5)] : get(C + 5)), XOR]
      round.push(...set(B + y + 5 * ((2 * x + 3 * y) % 5), rotated(lane, offsets.get(x + 5 * y) ?? 0)))
    }
  }
  for (let y = 0; y < 25; y += 5)
    for (let x = 0; x < 5; x++) {
      const [own, next, after] = [B + y + x, B + y + ((x + 1) % 5), B + y + ((x + 2) % 5)].map(get)
      const chi = [...(own ?? []), ...(next ?? []), 0x42, ...signed(-1), XOR, ...(after ?? []), 0x83, XOR]
      round.push(...set(A + x + y, x + y === 0 ? [...chi, ...load(get(ROUND), 0), XOR] : chi))
    }
  round.push(...add(ROUND, 8))

  const block: number[] = []
  for (let i = 0; i < RATE_BYTES / 8; i++) block.push(...set(A + i, [...get(A + i), ...load(get(AT), 8 * i), XOR]))
  block.push(...set(ROUND, i32(CONSTANTS_AT)), ...repeatWhile(isBelow(ROUND, i32(CONSTANTS_END)), round))
  block.push(...add(AT, RATE_BYTES))
  code.push(...repeatWhile(isBelow(AT, get(END)), block))
  for (let i = 0; i < LANES; i++) code.push(...i32(0), ...get(A + i), 0x37, 3, ...unsigned(8 * i))
  code.push(BLOCK_END)
  const locals = [2, 1, I32, 2 * LANES + 6, I64]
  return [...unsigned(locals.length + code.length), ...locals, ...code]
}

/** What every runtime has and TypeScript's library without a browser does not name. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

const wasm = new WebAssembly.Instance(
  new WebAssembly.Module(
    Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, 3, I32, I32, I32, 0]),
      ...section(3, [1, 0]),
      ...section(5, [1, 0, 1]),
      ...section(7, [2, ...exported('memory', 2), ...exported('absorb', 0)]),
      ...section(10, [1, ...absorbCode()]),
    ]),
  ),
)
/** The module exports these two and nothing else. */
const { memory, absorb } = wasm.exports as {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly absorb: (at: number, end: number, isFresh: number) => void
}
const page = new Uint8Array(memory.buffer)

/** Constants of iota: bits of a linear feedback shift register at 2^j - 1 (FIPS 202, 3.2.5). */
{
  const view = new DataView(memory.buffer)
  let register = 1
  for (let at = CONSTANTS_AT; at < CONSTANTS_END; at += 8) {
    let lane = 0n
    for (let j = 0; j < 7; j++) {
      if (register & 1) lane |= 1n << ((1n << BigInt(j)) - 1n)
      register = register & 0x80 ? ((register << 1) ^ 0x171) & 0xff : register << 1
    }
    view.setBigUint64(at, lane, true)
  }
}

/**
 * Room of 64,872 bytes for what is to be hashed: who makes it here saves a copy. The next hash of anything overwrites it, so nothing
 * may be hashed between.
 */
export const hashRoom: Uint8Array = page.subarray(INPUT_AT, INPUT_AT + INPUT_BYTES)

/** Pads what lies there, and takes it into the state. */
const finish = (from: number, to: number, isFresh: number): void => {
  const end = from + (Math.floor((to - from) / RATE_BYTES) + 1) * RATE_BYTES
  page.fill(0, to, end)
  page[to] = 1
  page[end - 1] = (page[end - 1] as number) | 0x80
  absorb(from, end, isFresh)
}

/** keccak-256 of `hashRoom[from, to)`, written to `out` at `at`. */
export function keccakHere(from: number, to: number, out: Uint8Array, at: number): void {
  finish(INPUT_AT + from, INPUT_AT + to, 1)
  for (let i = 0; i < 32; i++) out[at + i] = page[i] as number
}

/** keccak-256, synchronous. */
export function keccak(data: Uint8Array): Hash {
  let rest = data
  let isFresh = 1
  while (rest.length >= INPUT_BYTES) {
    page.set(rest.subarray(0, INPUT_BYTES), INPUT_AT)
    absorb(INPUT_AT, INPUT_AT + INPUT_BYTES, isFresh)
    rest = rest.subarray(INPUT_BYTES)
    isFresh = 0
  }
  page.set(rest, INPUT_AT)
  finish(INPUT_AT, INPUT_AT + rest.length, isFresh)
  return page.slice(0, 32) as Hash
}
