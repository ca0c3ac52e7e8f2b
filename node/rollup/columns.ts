// Columns of a batch: bytes, integers, runs and 256-bit words, one kind after another so that each compresses like its like. Owns the
// writer and the reader, which trusts no length and names the byte where input goes wrong. Knows nothing of blocks.
import { bigintToBytes, bytesToBigint, bytesToNumber } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'

export const BatchErrors = defineErrors('BATCH', {
  VERSION: {
    text: (d: { have: number; want: number }) => `batch of version ${d.have}; this node reads version ${d.want}`,
  },
  MALFORMED: {
    text: (d: { reason: string; part: string; at: number }) =>
      `the batch does not decode: ${d.reason}, at byte ${d.at} of ${d.part}`,
  },
  PART: { text: (d: { part: number; parts: number }) => `part ${d.part} of the batch’s ${d.parts} is not there` },
  LIMIT: {
    text: (d: { what: string; have: number; max: number }) =>
      `a batch has at most ${d.max} ${d.what}, this one ${d.have}`,
  },
})

/** Throws BATCH_LIMIT. */
export function checkLimit(what: string, have: number, max: number): void {
  if (have > max) throw new NodeError(BatchErrors.LIMIT, { what, have, max })
}

export class Writer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1_024)
  #at = 0

  get sizeBytes(): number {
    return this.#at
  }
  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + count))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
  }
  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = value
  }
  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }
  /** An integer in 32 bytes, big-endian. */
  word(value: bigint): void {
    const short = bigintToBytes(value)
    this.#reserve(32)
    this.#bytes.fill(0, this.#at, this.#at + 32 - short.length)
    this.#bytes.set(short, this.#at + 32 - short.length)
    this.#at += 32
  }
  /** Seven bits a byte, the lowest first; the top bit says that more follow. */
  varint(value: number | bigint): void {
    this.#reserve(38)
    let high = value
    while (typeof high === 'bigint' && high > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#bytes[this.#at++] = Number(high & 127n) | 128
      high >>= 7n
    }
    let rest = Number(high)
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128
    this.#bytes[this.#at++] = rest
  }
  varints(values: readonly (number | bigint)[]): void {
    for (const value of values) this.varint(value)
  }
  /** Each value once for as often as it comes in a row. */
  runs(values: readonly (number | bigint)[]): void {
    for (let at = 0; at < values.length; ) {
      const value = values[at] as number | bigint
      let end = at + 1
      while (values[end] === value) end++
      this.varint(value)
      this.varint(end - at - 1)
      at = end
    }
  }
  /** The low bytes, then the rest: of a few hundred addresses the rest is nearly always the same. */
  refs(values: readonly number[]): void {
    for (const value of values) this.byte(value & 255)
    for (const value of values) this.varint(value >>> 8)
  }
  /** 256-bit integers as m x 10^e, for people count in round numbers: exponents, sizes of m, then m with the lowest byte first. */
  decimals(values: readonly bigint[]): void {
    const mantissas = new Writer()
    const sizes = new Uint8Array(values.length)
    for (const [i, value] of values.entries()) {
      const { mantissa, exponent } = decimalOf(value)
      this.byte(exponent)
      const bytes = bigintToBytes(mantissa)
      sizes[i] = bytes.length
      for (let k = bytes.length - 1; k >= 0; k--) mantissas.byte(bytes[k] as number)
    }
    this.put(sizes)
    this.put(mantissas.bytes())
  }
  /** A view. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#at)
  }
}

const BILLION = 1_000_000_000n
const decimalOf = (value: bigint): { readonly mantissa: bigint; readonly exponent: number } => {
  if (value === 0n) return { mantissa: 0n, exponent: 0 }
  let mantissa = value
  let exponent = 0
  for (; mantissa > BILLION && mantissa % BILLION === 0n; exponent += 9) mantissa /= BILLION
  for (; mantissa % 10n === 0n; exponent++) mantissa /= 10n
  return { mantissa, exponent }
}
const POWERS = Array.from({ length: 78 }, (_, exponent) => 10n ** BigInt(exponent))

/** Throws BATCH_MALFORMED with the byte of `part` where it was. */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #part: string
  readonly #base: number
  #at = 0

  /** `base`: what the first byte is counted as. */
  constructor(bytes: Uint8Array, part: string, base = 0) {
    this.#bytes = bytes
    this.#part = part
    this.#base = base
  }
  get left(): number {
    return this.#bytes.length - this.#at
  }
  get offset(): number {
    return this.#base + this.#at
  }
  fail(reason: string): never {
    throw new NodeError(BatchErrors.MALFORMED, { reason, part: this.#part, at: this.offset })
  }
  /** A view. */
  take(count: number, what: string): Uint8Array {
    if (count > this.left) this.fail(`it ends within ${what}: ${count} bytes wanted, ${this.left} left`)
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }
  end(): void {
    if (this.left > 0) this.fail(`${this.left} bytes too many`)
  }
  /** At most `max`, which is exact as a number. */
  varint(max: number, what: string): number {
    const start = this.#at
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at] ?? this.fail(`it ends within ${what}`)
      value += (byte & 127) * scale
      if (value > max) this.#refuse(start, `${what} is above ${max}`)
      this.#at++
      if (byte < 128) {
        if (byte === 0 && scale > 1) this.#refuse(start, `${what} is not in its shortest form`)
        return value
      }
      if (scale > 2 ** 49) this.#refuse(start, `${what} is above ${max}`)
    }
  }
  bigVarint(bits: number, what: string): bigint {
    const start = this.#at
    while ((this.#bytes[this.#at] ?? 0) >= 128) this.#at++
    if (this.left === 0) this.fail(`it ends within ${what}`)
    this.#at++
    if (this.#at - start > Math.ceil(bits / 7)) this.#refuse(start, `${what} has more than ${bits} bits`)
    if (this.#at - start > 1 && this.#bytes[this.#at - 1] === 0)
      this.#refuse(start, `${what} is not in its shortest form`)
    let value = 0n
    for (let i = this.#at - 1; i >= start; i--) value = (value << 7n) | BigInt((this.#bytes[i] as number) & 127)
    return value >> BigInt(bits) === 0n ? value : this.#refuse(start, `${what} has more than ${bits} bits`)
  }
  #refuse(at: number, reason: string): never {
    this.#at = at
    return this.fail(reason)
  }
  varints(count: number, max: number, what: string): number[] {
    return Array.from(this.#counted(count, what), () => this.varint(max, what))
  }
  bigVarints(count: number, bits: number, what: string): bigint[] {
    return Array.from(this.#counted(count, what), () => this.bigVarint(bits, what))
  }
  /** An item has a byte at least, so memory for them is paid for. */
  #counted(count: number, what: string): { readonly length: number } {
    if (count > this.left) this.fail(`it ends within ${what}: ${count} of them in ${this.left} bytes`)
    return { length: count }
  }
  /** `count` is bounded by who calls: a run costs two bytes however long it is. */
  runs(count: number, max: number, what: string): number[] {
    return this.#runs(count, what, () => this.varint(max, what))
  }
  bigRuns(count: number, bits: number, what: string): bigint[] {
    return this.#runs(count, what, () => this.bigVarint(bits, what))
  }
  #runs<T>(count: number, what: string, read: () => T): T[] {
    const out: T[] = []
    while (out.length < count) {
      const value = read()
      const more = this.varint(count - out.length - 1, `the run of ${what}`)
      for (let i = 0; i <= more; i++) out.push(value)
    }
    return out
  }
  /** Each below `size`. */
  refs(count: number, size: number, what: string): number[] {
    const low = this.take(count, what)
    return Array.from(low, (byte) => {
      const ref = this.varint(size >>> 8, what) * 256 + byte
      return ref < size ? ref : this.fail(`${what}: number ${ref} of ${size}`)
    })
  }
  decimals(count: number, what: string): bigint[] {
    const exponents = this.take(count, what)
    const sizes = this.take(count, what)
    return Array.from(sizes, (size, i) => {
      if (size > 32) this.fail(`${what} of ${size} bytes`)
      const mantissa = leBigint(this.take(size, what))
      const value = mantissa * (POWERS[exponents[i] as number] ?? this.fail(`${what} with exponent ${exponents[i]}`))
      return value >> 256n === 0n ? value : this.fail(`${what} above 256 bits`)
    })
  }
}

const leBigint = (bytes: Uint8Array): bigint => {
  const reversed = bytes.slice().reverse()
  return bytes.length <= 6 ? BigInt(bytesToNumber(reversed)) : bytesToBigint(reversed)
}
