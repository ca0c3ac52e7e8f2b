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

const nibble = (code: number): number => {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

/** Strict: 0x prefix, even number of digits. Throws BYTES_HEX. */
export function hexToBytes(hex: string): Uint8Array {
  if (hex.length < 2 || hex.length % 2 !== 0 || hex[0] !== '0' || (hex[1] !== 'x' && hex[1] !== 'X'))
    throw new NodeError(BytesErrors.HEX, { value: hex })
  const out = new Uint8Array(hex.length / 2 - 1)
  for (let i = 0; i < out.length; i++) {
    const high = nibble(hex.charCodeAt(2 * i + 2))
    const low = nibble(hex.charCodeAt(2 * i + 3))
    if (high < 0 || low < 0) throw new NodeError(BytesErrors.HEX, { value: hex })
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
  return BigInt(bytesToHex(bytes))
}

/** Unsigned big-endian, at most 6 bytes, so that the result is exact. */
export function bytesToNumber(bytes: Uint8Array): number {
  let out = 0
  for (let i = 0; i < bytes.length; i++) out = out * 256 + (bytes[i] as number)
  return out
}

/** Shortest big-endian form; 0 is the empty string, as RLP wants it. */
export function bigintToBytes(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0)
  const hex = value.toString(16)
  return hexToBytes(hex.length % 2 === 0 ? `0x${hex}` : `0x0${hex}`)
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
