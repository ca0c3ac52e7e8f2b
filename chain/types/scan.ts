// Bytes of a usual transaction, EIP-1559 and of less than 1 KB, read field by field without an object for each. Owns when they are not usual, which is
// no fault yet: tx.ts reads those with care.
import { bigintToFixed, bytesToBigint } from '../base/bytes.ts'

export const SECP256K1_N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const ORDER = bigintToFixed(SECP256K1_N, 32)
const UPPER_HALF = bigintToFixed(SECP256K1_N / 2n + 1n, 32)

/** A call of a few words. Places in it and lengths are packed into a number (`UsualTx`). */
export const USUAL_BYTES = 1_024

/** Reads integers and strings of a list one after another. What it does not know it gives up on: `isUsual` says so. */
export class Scan {
  readonly bytes: Uint8Array
  at: number
  /** Of what was read last. */
  start = 0
  end = 0
  isUsual = true
  yParity: 0 | 1 = 0
  rAt = 0
  rEnd = 0
  sAt = 0
  sEnd = 0
  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes
    this.at = at
  }
  /** Of an EIP-1559 transaction that is short, from its first field on. */
  static of(raw: Uint8Array): Scan | null {
    if (raw[0] !== 2 || raw.length >= USUAL_BYTES) return null
    const scan = new Scan(raw, 1)
    const first = raw[1] as number
    const size = first < 0xf8 ? first - 0xc0 : scan.#size(first - 0xf7, 2)
    const payloadAt = first < 0xf8 ? 2 : first - 0xf5
    scan.at = payloadAt
    return first < 0xc0 || !scan.isUsual || payloadAt + size !== raw.length ? null : scan
  }
  /** A length of so many bytes at a place; none that a shorter form has. */
  #size(count: number, at: number): number {
    const size = count === 1 ? (this.bytes[at] ?? 0) : ((this.bytes[at] ?? 0) << 8) | (this.bytes[at + 1] ?? 0)
    if (count > 2 || size < (count === 1 ? 56 : 256)) this.isUsual = false
    return size
  }
  #span(start: number, end: number): void {
    this.start = start
    this.end = end
    this.at = end
  }
  /** A string; none is as long as 64 KB. */
  string(): void {
    const bytes = this.bytes
    const first = bytes[this.at] ?? 0xff
    let start = this.at + 1
    let size = first - 0x80
    if (first < 0x80) {
      start = this.at
      size = 1
    } else if (first === 0xb8 || first === 0xb9) {
      const count = first - 0xb7
      size = this.#size(count, start)
      start += count
    } else if (size > 55 || (size === 1 && (bytes[start] ?? 0) < 0x80)) this.isUsual = false
    if (start + size > bytes.length) this.isUsual = false
    this.#span(start, start + size)
  }
  number(bytesMax: number): void {
    const bytes = this.bytes
    const first = bytes[this.at] ?? 0xff
    if (first < 0x80) {
      if (first === 0) this.isUsual = false
      this.#span(this.at, this.at + 1)
      return
    }
    const size = first - 0x80
    const start = this.at + 1
    const top = bytes[start] ?? 0
    if (size > bytesMax || start + size > bytes.length) this.isUsual = false
    if (size > 0 && (top === 0 || (size === 1 && top < 0x80))) this.isUsual = false
    this.#span(start, start + size)
  }
  int(bytesMax: number): bigint {
    this.number(bytesMax)
    const { bytes, start, end } = this
    if (!this.isUsual || start === end) return 0n
    let value = bytes[start] as number
    if (end - start === 1) return value < 128 ? (SMALL[value] as bigint) : BigInt(value)
    if (end - start > 6) return bytesToBigint(bytes.subarray(start, end))
    for (let i = start + 1; i < end; i++) value = value * 256 + (bytes[i] as number)
    return BigInt(value)
  }
  emptyList(): void {
    if (this.bytes[this.at++] !== 0xc0) this.isUsual = false
  }
}
const SMALL = Array.from({ length: 128 }, (_, i) => BigInt(i))

/** Reads a signature that fits somebody, into the scan; false where it is none, or where anything before it was not usual. */
export const hasSignature = (scan: Scan): boolean => {
  scan.number(1)
  const { bytes, start, end } = scan
  scan.yParity = end === start ? 0 : 1
  if (end > start && bytes[start] !== 1) return false
  scan.number(32)
  scan.rAt = scan.start
  scan.rEnd = scan.end
  scan.number(32)
  scan.sAt = scan.start
  scan.sEnd = scan.end
  if (!scan.isUsual || scan.at !== bytes.length || scan.rEnd === scan.rAt || scan.sEnd === scan.sAt) return false
  return isBelow(bytes, scan.rAt, scan.rEnd, ORDER) && isBelow(bytes, scan.sAt, scan.sEnd, UPPER_HALF)
}
/** Of 32 bytes; fewer are below, for the first is not 0. */
const isBelow = (bytes: Uint8Array, from: number, to: number, limit: Uint8Array): boolean => {
  if (to - from < 32) return true
  for (let i = 0; i < 32; i++) {
    const difference = (bytes[from + i] as number) - (limit[i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}
