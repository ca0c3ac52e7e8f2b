// Bytes, hex and big-endian integers. Owns the branded Address and Hash types. Runs in a browser.
import { defineErrors, NodeError } from './errors.ts'

export const BytesErrors = defineErrors('BYTES', {
  HEX: { rpc: -32602, text: (d: { value: string }) => `not 0x-prefixed hex of whole bytes: ${d.value.slice(0, 80)}` },
  LENGTH: { rpc: -32602, text: (d: { have: number; want: number }) => `expected ${d.want} bytes, have ${d.have}` },
})

/** 20 bytes. */
export type Address = Uint8Array & { readonly __brand: 'Address' }
/** 32 bytes: a keccak-256 digest or a trie root. */
export type Hash = Uint8Array & { readonly __brand: 'Hash' }
/** A 256-bit word: 0 <= word < 2^256. */
export type Word = bigint
export type Hex = `0x${string}`

const HEX_OF_BYTE = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/** Lower-case hex with 0x. */
export function bytesToHex(bytes: Uint8Array): Hex {
  let out = '0x'
  for (let i = 0; i < bytes.length; i++) out += HEX_OF_BYTE[bytes[i] as number]
  return out as Hex
}

/** An address as a key of maps, a character a byte: a tenth of the cost of hex. */
export function addressKey(a: Address): string {
  // biome-ignore format: one call; spreading or `apply` takes three times as long
  return String.fromCharCode(
    a[0] as number, a[1] as number, a[2] as number, a[3] as number, a[4] as number, a[5] as number, a[6] as number,
    a[7] as number, a[8] as number, a[9] as number, a[10] as number, a[11] as number, a[12] as number, a[13] as number,
    a[14] as number, a[15] as number, a[16] as number, a[17] as number, a[18] as number, a[19] as number,
  )
}

/** 255 for what is no hex digit. */
const NIBBLES = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase())
  return digit < 0 ? 255 : digit
})

/** Strict: 0x prefix, even number of digits. Throws BYTES_HEX. */
export function hexToBytes(hex: string): Uint8Array {
  if (hex.length < 2 || hex.length % 2 !== 0 || hex[0] !== '0' || (hex[1] !== 'x' && hex[1] !== 'X'))
    throw new NodeError(BytesErrors.HEX, { value: hex })
  const out = new Uint8Array(hex.length / 2 - 1)
  for (let i = 0; i < out.length; i++) {
    const high = NIBBLES[hex.charCodeAt(2 * i + 2)] ?? 255
    const low = NIBBLES[hex.charCodeAt(2 * i + 3)] ?? 255
    if ((high | low) > 15) throw new NodeError(BytesErrors.HEX, { value: hex })
    out[i] = high * 16 + low
  }
  return out
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let sizeBytes = 0
  for (const part of parts) sizeBytes += part.length
  const out = new Uint8Array(sizeBytes)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Copies `bytes[from, to)` to `out` at `at`: one after the other where they are few, for a view costs more than it saves. */
export function copyInto(out: Uint8Array, at: number, bytes: Uint8Array, from: number, to: number): void {
  if (to - from > SHORT_BYTES) out.set(bytes.subarray(from, to), at)
  else for (let i = from; i < to; i++) out[at + i - from] = bytes[i] as number
}
const SHORT_BYTES = 128

/** Lexicographic, as LevelDB orders keys. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number)
    if (d !== 0) return d
  }
  return a.length - b.length
}

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && compareBytes(a, b) === 0

/** Unsigned big-endian, any length; empty is 0. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  if (bytes.length <= 6) return BigInt(bytesToNumber(bytes))
  if (bytes.length === 32) return wordToBigint(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = bytes.length % 8
  let out = BigInt(bytesToNumber(bytes.subarray(0, Math.min(at, 6))))
  if (at === 7) out = (out << 8n) | BigInt(bytes[6] as number)
  for (; at < bytes.length; at += 8) out = (out << 64n) | view.getBigUint64(at)
  return out
}

/** The words of slots and calls: without a view of each, and without large numbers for those that are small. */
const wordToBigint = (bytes: Uint8Array): bigint => {
  let start = 0
  while (start < 32 && bytes[start] === 0) start++
  if (start >= 26) {
    let out = 0
    for (let i = start; i < 32; i++) out = out * 256 + (bytes[i] as number)
    return BigInt(out)
  }
  for (let i = 0; i < 32; i++) WORD_BYTES[i] = bytes[i] as number
  const low = (WORD.getBigUint64(16) << 64n) | WORD.getBigUint64(24)
  return start >= 16 ? low : (((WORD.getBigUint64(0) << 64n) | WORD.getBigUint64(8)) << 128n) | low
}

/** Unsigned big-endian, at most 6 bytes, so that the result is exact. */
export function bytesToNumber(bytes: Uint8Array): number {
  let out = 0
  for (let i = 0; i < bytes.length; i++) out = out * 256 + (bytes[i] as number)
  return out
}

const WORD = new DataView(new ArrayBuffer(32))
const WORD_BYTES = new Uint8Array(WORD.buffer)
/** Shortest big-endian form; 0 is the empty string, as RLP wants it. */
export function bigintToBytes(value: bigint): Uint8Array {
  if (value >= 0n && value < 1n << 48n) {
    let rest = Number(value)
    let sizeBytes = 0
    for (let left = rest; left > 0; left = Math.floor(left / 256)) sizeBytes++
    const out = new Uint8Array(sizeBytes)
    for (let i = sizeBytes - 1; i >= 0; i--, rest = Math.floor(rest / 256)) out[i] = rest & 255
    return out
  }
  if (value > 0n && value < 1n << 256n) {
    for (let at = 24, rest = value; at >= 0; at -= 8, rest >>= 64n) WORD.setBigUint64(at, BigInt.asUintN(64, rest))
    let start = 0
    while (WORD_BYTES[start] === 0) start++
    return WORD_BYTES.slice(start)
  }
  const hex = value.toString(16)
  return hexToBytes(hex.length % 2 === 0 ? `0x${hex}` : `0x0${hex}`)
}

/** A word as 32 bytes of `out` from `at` on; of a larger number the lowest 256 bits. */
export function writeWord(word: Word, out: Uint8Array, at: number): void {
  for (let i = 24, rest = word; i >= 0; i -= 8, rest >>= 64n) WORD.setBigUint64(i, BigInt.asUintN(64, rest))
  for (let i = 0; i < 32; i++) out[at + i] = WORD_BYTES[i] as number
}

/** Big-endian, left-padded to `sizeBytes`; throws BYTES_LENGTH where it does not fit. */
export function bigintToFixed(value: bigint, sizeBytes: number): Uint8Array {
  const short = bigintToBytes(value)
  if (short.length > sizeBytes) throw new NodeError(BytesErrors.LENGTH, { have: short.length, want: sizeBytes })
  const out = new Uint8Array(sizeBytes)
  out.set(short, sizeBytes - short.length)
  return out
}

export function asAddress(bytes: Uint8Array): Address {
  if (bytes.length !== 20) throw new NodeError(BytesErrors.LENGTH, { have: bytes.length, want: 20 })
  return bytes as Address
}

export function asHash(bytes: Uint8Array): Hash {
  if (bytes.length !== 32) throw new NodeError(BytesErrors.LENGTH, { have: bytes.length, want: 32 })
  return bytes as Hash
}
