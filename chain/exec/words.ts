// Arithmetic on 256-bit words as the EVM defines it, where an operator does not do, and words in memory. Words are BigInts below
// 2^256: in JavaScript they are faster than any limbs.

export const WORD_MAX = (1n << 256n) - 1n
export const WORD_SIZE = 1n << 256n
export const ADDRESS_MAX = (1n << 160n) - 1n

const scratch = new Uint8Array(32)
const scratchView = new DataView(scratch.buffer)

const signed = (word: bigint): bigint => BigInt.asIntN(256, word)

export const sdiv = (a: bigint, b: bigint): bigint => (b === 0n ? 0n : BigInt.asUintN(256, signed(a) / signed(b)))
export const smod = (a: bigint, b: bigint): bigint => (b === 0n ? 0n : BigInt.asUintN(256, signed(a) % signed(b)))
export const slt = (a: bigint, b: bigint): boolean => signed(a) < signed(b)

export function exp(base: bigint, exponent: bigint): bigint {
  if (base === 2n) return exponent > 255n ? 0n : 1n << exponent
  let result = 1n
  let square = base
  for (let left = exponent; ; ) {
    if ((left & 1n) === 1n) result = (result * square) & WORD_MAX
    left >>= 1n
    if (left === 0n) return exponent === 0n ? 1n : result
    square = (square * square) & WORD_MAX
  }
}

/** Bytes of the exponent: what EXP costs. */
export const byteLength = (word: bigint): number =>
  word < 256n ? (word === 0n ? 0 : 1) : 32 - (Number(clz(word)) >> 3)

export function signExtend(byte: bigint, word: bigint): bigint {
  if (byte > 30n) return word
  const bits = Number(byte) * 8 + 8
  return BigInt.asUintN(256, BigInt.asIntN(bits, word))
}

export const byteAt = (place: bigint, word: bigint): bigint => (place > 31n ? 0n : (word >> (248n - place * 8n)) & 255n)
export const shl = (shift: bigint, word: bigint): bigint => (shift > 255n ? 0n : (word << shift) & WORD_MAX)
export const shr = (shift: bigint, word: bigint): bigint => (shift > 255n ? 0n : word >> shift)
export function sar(shift: bigint, word: bigint): bigint {
  const value = signed(word)
  if (shift > 255n) return value < 0n ? WORD_MAX : 0n
  return BigInt.asUintN(256, value >> shift)
}
export function clz(word: bigint): bigint {
  storeWord(scratchView, 0, word)
  for (let at = 0; at < 32; at += 4) {
    const part = scratchView.getUint32(at)
    if (part !== 0) return BigInt(8 * at + Math.clz32(part))
  }
  return 256n
}

/** 32 bytes, big-endian. Most words are short. */
export function loadWord(view: DataView, at: number): bigint {
  const low = view.getBigUint64(at + 24)
  if ((view.getInt32(at + 16) | view.getInt32(at + 20)) === 0) {
    if ((view.getInt32(at) | view.getInt32(at + 4) | view.getInt32(at + 8) | view.getInt32(at + 12)) === 0) return low
  }
  const high = (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8)
  return (high << 128n) | (view.getBigUint64(at + 16) << 64n) | low
}

export function storeWord(view: DataView, at: number, word: bigint): void {
  view.setBigUint64(at + 24, word) // takes the low 64 bits
  if (word <= 0xffff_ffff_ffff_ffffn) {
    view.setFloat64(at, 0)
    view.setFloat64(at + 8, 0)
    view.setFloat64(at + 16, 0)
    return
  }
  const second = word >> 64n
  view.setBigUint64(at + 16, second)
  const third = second >> 64n
  view.setBigUint64(at + 8, third)
  view.setBigUint64(at, third >> 64n)
}

/** Of at most 32 bytes. */
export function wordFrom(bytes: Uint8Array): bigint {
  if (bytes.length < 32) scratch.fill(0)
  scratch.set(bytes, 32 - bytes.length)
  return loadWord(scratchView, 0)
}

/** `size` bytes from `at` on, at most 32, with zeros for those behind the end. Code that is not decoded does it for 3 gas. */
export function wordIn(bytes: Uint8Array, at: number, size: number): bigint {
  if (size <= 6) {
    let value = 0
    for (let i = at; i < at + size; i++) value = value * 256 + (i < bytes.length ? (bytes[i] as number) : 0)
    return BigInt(value)
  }
  scratch.fill(0)
  const end = Math.min(at + size, bytes.length)
  for (let i = at, to = 32 - size; i < end; i++, to++) scratch[to] = bytes[i] as number
  return loadWord(scratchView, 0)
}

/** Its last `sizeBytes` bytes, at most 32. */
export function bytesFrom(word: bigint, sizeBytes: number): Uint8Array {
  storeWord(scratchView, 0, word)
  return scratch.slice(32 - sizeBytes)
}
