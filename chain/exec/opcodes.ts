// What the fast engine knows of each opcode: price, operands, and code decoded into blocks that are paid for at once. Owns the
// bounded cache of decoded code. Runs nothing.
import { bytesToHex } from '../base/bytes.ts'
import type { Code } from '../types/state.ts'
import { wordIn } from './words.ts'

export const STACK_MAX = 1024

/**
 * Static part of the price. What refuses a static frame before it looks at anything else has its price and operands in its
 * handler, and ends its block.
 */
export const GAS = new Int32Array(256)
/** Operands it looks at before it charges, and after: an instruction that lacks one halts for that reason, not for gas. */
export const PEEKS = new Int32Array(256)
export const POPS = new Int32Array(256)
/** Height above which it overflows. */
export const CEILING = new Int32Array(256).fill(STACK_MAX)
/** Change of the stack's height. */
const GROWTH = new Int32Array(256)
const VALID = new Uint8Array(256)

const define = (op: number, gas: number, pops: number, pushes: number, peeks = 0): void => {
  GAS[op] = gas
  POPS[op] = pops
  PEEKS[op] = peeks
  GROWTH[op] = pushes - pops
  CEILING[op] = STACK_MAX - Math.max(0, pushes - pops)
  VALID[op] = 1
}
/** Opcode, gas, operands, results, operands seen first. */
const TABLE: readonly (readonly [number, number, number, number, number?])[] = [
  ...([
    [0x00, 0, 0, 0],
    [0x01, 3, 2, 1],
    [0x02, 5, 2, 1],
    [0x03, 3, 2, 1],
    [0x04, 5, 2, 1],
    [0x05, 5, 2, 1],
  ] as const),
  ...([
    [0x06, 5, 2, 1],
    [0x07, 5, 2, 1],
    [0x08, 8, 3, 1],
    [0x09, 8, 3, 1],
    [0x0a, 10, 2, 1, 2],
    [0x0b, 5, 2, 1],
  ] as const),
  ...([
    [0x10, 3, 2, 1],
    [0x11, 3, 2, 1],
    [0x12, 3, 2, 1],
    [0x13, 3, 2, 1],
    [0x14, 3, 2, 1],
    [0x15, 3, 1, 1],
  ] as const),
  ...([
    [0x16, 3, 2, 1],
    [0x17, 3, 2, 1],
    [0x18, 3, 2, 1],
    [0x19, 3, 1, 1],
    [0x1a, 3, 2, 1],
    [0x1b, 3, 2, 1],
  ] as const),
  ...([
    [0x1c, 3, 2, 1],
    [0x1d, 3, 2, 1],
    [0x1e, 5, 1, 1],
    [0x20, 30, 2, 1, 2],
    [0x30, 2, 0, 1],
    [0x31, 0, 1, 1, 1],
  ] as const),
  ...([
    [0x32, 2, 0, 1],
    [0x33, 2, 0, 1],
    [0x34, 2, 0, 1],
    [0x35, 3, 1, 1],
    [0x36, 2, 0, 1],
    [0x37, 3, 3, 0, 3],
  ] as const),
  ...([
    [0x38, 2, 0, 1],
    [0x39, 3, 3, 0, 3],
    [0x3a, 2, 0, 1],
    [0x3b, 0, 1, 1, 1],
    [0x3c, 0, 4, 0, 4],
    [0x3d, 2, 0, 1],
  ] as const),
  ...([
    [0x3e, 3, 3, 0, 3],
    [0x3f, 0, 1, 1, 1],
    [0x40, 20, 1, 1],
    [0x41, 2, 0, 1],
    [0x42, 2, 0, 1],
    [0x43, 2, 0, 1],
  ] as const),
  ...([
    [0x44, 2, 0, 1],
    [0x45, 2, 0, 1],
    [0x46, 2, 0, 1],
    [0x47, 5, 0, 1],
    [0x48, 2, 0, 1],
    [0x49, 3, 1, 1],
  ] as const),
  ...([
    [0x4a, 2, 0, 1],
    [0x50, 2, 1, 0],
    [0x51, 3, 1, 1, 1],
    [0x52, 3, 2, 0, 1],
    [0x53, 3, 2, 0, 1],
    [0x54, 0, 1, 1, 1],
  ] as const),
  ...([
    [0x55, 0, 0, 0],
    [0x56, 8, 1, 0],
    [0x57, 10, 2, 0],
    [0x58, 2, 0, 1],
    [0x59, 2, 0, 1],
    [0x5a, 2, 0, 1],
  ] as const),
  ...([
    [0x5b, 1, 0, 0],
    [0x5c, 100, 1, 1],
    [0x5d, 100, 0, 0],
    [0x5e, 3, 3, 0, 3],
    [0x5f, 2, 0, 1],
  ] as const),
  ...([
    [0xf0, 0, 3, 1, 3],
    [0xf1, 0, 7, 1, 7],
    [0xf2, 0, 7, 1, 7],
    [0xf3, 0, 2, 0, 2],
    [0xf4, 0, 6, 1, 6],
  ] as const),
  ...([
    [0xf5, 0, 4, 1, 4],
    [0xfa, 0, 6, 1, 6],
    [0xfd, 0, 2, 0, 2],
    [0xff, 0, 0, 0],
  ] as const),
]
for (const [op, gas, pops, pushes, peeks] of TABLE) define(op, gas, pops, pushes, peeks)
for (let n = 1; n <= 32; n++) define(0x5f + n, 3, 0, 1)
for (let n = 1; n <= 16; n++) define(0x7f + n, 3, n, n + 1)
for (let n = 1; n <= 16; n++) define(0x8f + n, 3, n + 1, n + 1)
for (let n = 0; n <= 4; n++) define(0xa0 + n, 0, 0, 0)

/** Decoded code has its own opcodes where the EVM has none. */
export const BEGIN = 0xb0
export const JUMP_TO = 0xb1
export const JUMPI_TO = 0xb2
/** A push and what follows it, in one. Memory at a constant is in `data`. */
export const PUSH_ADD = 0xb3
export const PUSH_AND = 0xb4
export const PUSH_EQ = 0xb5
export const PUSH_SHL = 0xb6
export const PUSH_SHR = 0xb7
export const PUSH_MLOAD = 0xb8
export const PUSH_MSTORE = 0xb9
export const SWAP1_POP = 0xba
/** JUMPI to a constant if the operand is zero. */
export const JUMPZ_TO = 0xbb
export const PUSH = 0x60
export const INVALID = 0xfe

const AFTER_PUSH: Readonly<Record<number, number>> = {
  ...{ 1: PUSH_ADD, 20: PUSH_EQ, 22: PUSH_AND, 27: PUSH_SHL, 28: PUSH_SHR },
  ...{ 81: PUSH_MLOAD, 82: PUSH_MSTORE },
}
const CONSTANT_PLACE_MAX = 2n ** 30n

/** Nothing after these runs, up to the next JUMPDEST. */
const isTerminal = (op: number): boolean =>
  op === 0x00 || op === 0x56 || op === 0xf3 || op === 0xfd || op === 0xff || VALID[op] === 0
/** These look at the gas that is left, or may halt before they charge: what comes after them must not be paid for yet. */
const endsBlock = (op: number): boolean =>
  op === 0x57 || op === 0x5a || op === 0x55 || op === 0x5d || (op >= 0xa0 && op <= 0xa4) || op >= 0xf0

/** Code as instructions, for one fork. */
export interface Program {
  readonly ops: Uint8Array
  /** Of BEGIN: the block's static gas. Of a jump to a constant: where to, or -1. */
  readonly data: Int32Array
  /** Of BEGIN: operands the block needs below it. */
  readonly needs: Int32Array
  /** Of BEGIN: height at which the block overflows. */
  readonly ceilings: Int32Array
  /** Of PUSH: the word. */
  readonly words: readonly bigint[]
  /** Of each instruction: its place in the code. */
  readonly places: Int32Array
  /** Of each byte of code: the instruction of the JUMPDEST there, or -1. */
  readonly entries: Int32Array
}

export const isJumpDest = (code: Code, at: number): boolean => (((code.jumps[at >> 3] ?? 0) >> (at & 7)) & 1) === 1

class Decoder {
  readonly code: Code
  readonly #hasClz: boolean
  count = 0
  readonly ops: Uint8Array
  readonly data: Int32Array
  readonly needs: Int32Array
  readonly ceilings: Int32Array
  readonly words: bigint[] = []
  readonly places: Int32Array
  readonly entries: Int32Array
  /** The open block: its BEGIN, height relative to its start, lowest and highest. */
  #begin = -1
  #height = 0
  #need = 0
  #peak = 0
  #gas = 0

  constructor(code: Code, hasClz: boolean) {
    this.code = code
    this.#hasClz = hasClz
    const most = 2 * code.bytes.length + 1 // a block may begin at each byte
    this.ops = new Uint8Array(most)
    this.data = new Int32Array(most)
    this.needs = new Int32Array(most)
    this.ceilings = new Int32Array(most)
    this.places = new Int32Array(most)
    this.entries = new Int32Array(code.bytes.length).fill(-1)
  }
  emit(op: number, place: number, data: number, word: bigint): void {
    this.ops[this.count] = op
    this.data[this.count] = data
    this.places[this.count] = place
    this.words.push(word)
    this.count++
  }
  open(place: number): void {
    this.#begin = this.count
    this.#height = this.#need = this.#peak = this.#gas = 0
    this.emit(BEGIN, place, 0, 0n)
  }
  close(): void {
    if (this.#begin < 0) return
    this.data[this.#begin] = this.#gas
    this.needs[this.#begin] = this.#need
    this.ceilings[this.#begin] = STACK_MAX - this.#peak
    this.#begin = -1
  }
  pay(op: number): void {
    this.#gas += GAS[op] as number
    this.#need = Math.max(this.#need, (POPS[op] as number) - this.#height, (PEEKS[op] as number) - this.#height)
    this.#height += GROWTH[op] as number
    this.#peak = Math.max(this.#peak, this.#height)
  }

  /** One instruction; returns the place of the next. */
  step(at: number): number {
    const { bytes } = this.code
    const op = bytes[at] as number
    if (op === 0x5b) {
      this.close()
      this.entries[at] = this.count
      this.open(at)
    } else if (this.#begin < 0) this.open(at)
    const known = VALID[op] === 1 && (op !== 0x1e || this.#hasClz)
    if (known) this.pay(op)
    if (!known) this.emit(INVALID, at, 0, 0n)
    else if (op >= 0x60 && op <= 0x7f) return this.push(at, op - 0x5f)
    else if (op === 0x5f) this.emit(PUSH, at, 0, 0n)
    else if (op === 0x58) this.emit(PUSH, at, 0, BigInt(at))
    else if (op !== 0x5b && !this.fuse(op)) this.emit(op, at, 0, 0n)
    if (!known || endsBlock(op) || isTerminal(op)) this.close()
    return known && !isTerminal(op) ? at + 1 : this.nextEntry(at + 1)
  }
  /** Makes one of this instruction and the one before it, where that pays. */
  fuse(op: number): boolean {
    const last = this.count - 1
    if (op === 0x50 && this.ops[last] === 0x90) {
      this.ops[last] = SWAP1_POP
      return true
    }
    const fused = AFTER_PUSH[op]
    if (fused === undefined || this.ops[last] !== PUSH) return false
    const word = this.words[last] as bigint
    if (fused === PUSH_MLOAD || fused === PUSH_MSTORE) {
      if (word > CONSTANT_PLACE_MAX) return false
      this.data[last] = Number(word)
    }
    this.ops[last] = fused
    return true
  }
  /** A push right before a jump is part of it, and so is ISZERO before both. */
  push(at: number, size: number): number {
    const { bytes } = this.code
    const next = at + 1 + size
    const word = wordIn(bytes, at + 1, size)
    const jump = bytes[next]
    if (jump !== 0x56 && jump !== 0x57) {
      this.emit(PUSH, at, 0, word)
      return next
    }
    this.pay(jump)
    const target = word < BigInt(bytes.length) && isJumpDest(this.code, Number(word)) ? Number(word) : -1
    const last = this.count - 1
    if (jump === 0x57 && this.ops[last] === 0x15) {
      this.ops[last] = JUMPZ_TO
      this.data[last] = target
      this.places[last] = next
    } else this.emit(jump === 0x56 ? JUMP_TO : JUMPI_TO, next, target, word)
    this.close()
    return jump === 0x56 ? this.nextEntry(next + 1) : next + 1
  }
  nextEntry(from: number): number {
    let at = from
    while (at < this.code.bytes.length && !isJumpDest(this.code, at)) at++
    return at
  }
}

/** Decodes whole code in one pass. */
export function decode(code: Code, hasClz: boolean): Program {
  const decoder = new Decoder(code, hasClz)
  for (let at = 0; at < code.bytes.length; ) at = decoder.step(at)
  decoder.close()
  decoder.emit(0x00, code.bytes.length, 0, 0n)
  const { count, ops, entries } = decoder
  const data = decoder.data.slice(0, count)
  for (let i = 0; i < count; i++) {
    const op = ops[i]
    const isJump = op === JUMP_TO || op === JUMPI_TO || op === JUMPZ_TO
    if (isJump && (data[i] as number) >= 0) data[i] = entries[data[i] as number] as number
  }
  return {
    ops: ops.slice(0, count),
    data,
    needs: decoder.needs.slice(0, count),
    ceilings: decoder.ceilings.slice(0, count),
    words: decoder.words,
    places: decoder.places.slice(0, count),
    entries,
  }
}

/** Code that was called: what it has done as bytes, and its decoded form once that has earned it. */
export interface Known {
  readonly code: Code
  /** Taken while it ran as bytes. */
  jumps: number
  program: Program | null
  /** When it was last asked for, by count. */
  used: number
}
/** For code that is never decoded. */
export const unknown = (code: Code): Known => ({ code, jumps: Number.NEGATIVE_INFINITY, program: null, used: 0 })

export interface ProgramCache {
  find(code: Code): Known
  /** Decodes it, if it has jumped often enough. Deterministic or not, all ways to run code give the same result. */
  ripen(known: Known): Program | null
}

/** 'earned' is for nodes; tests compare all three. */
export type Decoding = 'earned' | 'at once' | 'never'

/** Decoded code takes some 40 bytes for one of code. */
const CODE_BYTES_MAX = 4_000_000
const KNOWN_MAX = 10_000
/** What is known holds its code, decoded or not: ten thousand of the largest contracts would be 270 MB. */
const KNOWN_BYTES_MAX = 32_000_000
/**
 * Jumps that earn the decoding of one byte. A jump and its landing cost 12 gas at least and a byte takes a third of a microsecond, so
 * that whoever makes us decode pays for it, again after each time that it was forgotten.
 */
const JUMPS_A_BYTE = 1

/** Least recently used, by code hash, bounded in bytes of code. */
export function createProgramCache(hasClz: boolean, decoding: Decoding): ProgramCache {
  let byHash = new Map<string, Known>()
  // The store hands out the same bytes again and again: found without hashing.
  let byBytes = new WeakMap<Uint8Array, Known>()
  let decodedBytes = 0
  let knownBytes = 0
  let asked = 0
  const sizeOf = ({ program, code }: Known): number => (program === null ? 0 : code.bytes.length)
  /** Forgets the half that was not asked for lately, and half of the bytes at least. */
  const trim = (): void => {
    const recent = [...byHash].sort(([, a], [, b]) => b.used - a.used)
    byHash = new Map()
    byBytes = new WeakMap()
    decodedBytes = 0
    knownBytes = 0
    for (const [hex, known] of recent.slice(0, KNOWN_MAX / 2)) {
      if (decodedBytes + sizeOf(known) > CODE_BYTES_MAX / 2) break
      if (knownBytes + known.code.bytes.length > KNOWN_BYTES_MAX / 2) break
      decodedBytes += sizeOf(known)
      knownBytes += known.code.bytes.length
      byHash.set(hex, known)
    }
  }
  return {
    find(code) {
      let known = byBytes.get(code.bytes)
      if (known === undefined) {
        if (byHash.size >= KNOWN_MAX || knownBytes > KNOWN_BYTES_MAX) trim()
        const hex = bytesToHex(code.hash)
        known = byHash.get(hex)
        if (known === undefined) {
          known = { code, jumps: decoding === 'never' ? Number.NEGATIVE_INFINITY : 0, program: null, used: 0 }
          byHash.set(hex, known)
          knownBytes += code.bytes.length
        }
        byBytes.set(code.bytes, known)
      }
      known.used = ++asked
      return known
    },
    ripen(known) {
      if (known.program !== null) return known.program
      const { code, jumps } = known
      const isRipe = decoding === 'at once' ? jumps >= 0 : jumps >= code.bytes.length * JUMPS_A_BYTE
      if (!isRipe) return null
      const program = decode(code, hasClz)
      known.program = program
      decodedBytes += code.bytes.length
      if (decodedBytes > CODE_BYTES_MAX) trim()
      return program
    },
  }
}
