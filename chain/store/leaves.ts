// What a batch changes in one trie: keys and values of leaves, packed one after the other, for an object and two views for each of
// some ten thousand of a block are what the collector then copies. Owns this form, and the order of hashes that it is made in.
import { copyInto } from '../base/bytes.ts'
import { assert } from '../base/errors.ts'
import { keccakHere } from '../base/keccak.ts'

export const KEY_BYTES = 32
/** What a place of a value holds. */
const ENDS_MAX = 2 ** 32 - 1
/** What a leaf of a young trie takes; more is there when it is asked for. */
const VALUE_BYTES = 80

/** Order of the key at `a` to that at `b`, as of `compareBytes`. */
export const compareKeys = (a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number => {
  for (let i = 0; i < KEY_BYTES; i++) {
    const order = (a[aAt + i] as number) - (b[bAt + i] as number)
    if (order !== 0) return order
  }
  return 0
}
export const isSameKey = (a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean =>
  compareKeys(a, aAt, b, bAt) === 0

/** Changes of leaves by ascending key. A value is what the leaf commits to (RLP); an empty one removes it. */
export class Leaves {
  count = 0
  /** 32 bytes each. */
  keys: Uint8Array
  values: Uint8Array
  #ends: Uint32Array

  constructor(capacity = 0) {
    this.keys = new Uint8Array(capacity * KEY_BYTES)
    this.#ends = new Uint32Array(capacity)
    this.values = new Uint8Array(capacity * VALUE_BYTES)
  }

  /** Of leaf `i` in `values`. */
  from(i: number): number {
    return i === 0 ? 0 : (this.#ends[i - 1] as number)
  }
  end(i: number): number {
    return this.#ends[i] as number
  }
  isRemoval(i: number): boolean {
    return this.from(i) === this.end(i)
  }

  /** Empties it, and keeps its memory. */
  clear(): void {
    this.count = 0
  }
  get sizeBytes(): number {
    return this.keys.length + this.values.length + this.#ends.byteLength
  }

  /** A copy of both; null removes. */
  add(key: Uint8Array, value: Uint8Array | null): void {
    const sizeBytes = value?.length ?? 0
    const at = this.reserve(sizeBytes)
    if (value !== null) this.values.set(value, at)
    this.push(key, 0, at + sizeBytes)
  }
  /** Room for the next value, for its maker to write at the place that this answers, and then to push. */
  reserve(valueBytes: number): number {
    const at = this.from(this.count)
    if (at + valueBytes > this.values.length) this.values = grown(this.values, at + valueBytes)
    return at
  }
  /** The key at `keyAt`, with the value up to `end`. */
  push(key: Uint8Array, keyAt: number, end: number): void {
    const i = this.count
    const at = KEY_BYTES * i
    assert(end <= ENDS_MAX, 'values of one trie take less than 4 GB')
    assert(i === 0 || compareKeys(this.keys, at - KEY_BYTES, key, keyAt) < 0, 'changes are sorted')
    if (at === this.keys.length) {
      this.keys = grown(this.keys, at + KEY_BYTES)
      const ends = new Uint32Array(this.keys.length / KEY_BYTES)
      ends.set(this.#ends)
      this.#ends = ends
    }
    for (let n = 0; n < KEY_BYTES; n++) this.keys[at + n] = key[keyAt + n] as number
    this.#ends[i] = end
    this.count = i + 1
  }
  /** That of another. */
  pushFrom(other: Leaves, i: number): void {
    const [from, end] = [other.from(i), other.end(i)]
    const at = this.reserve(end - from)
    copyInto(this.values, at, other.values, from, end)
    this.push(other.keys, KEY_BYTES * i, at + end - from)
  }

  /** Which is the key at `keyAt`; -1 where it is none. */
  find(key: Uint8Array, keyAt: number): number {
    let [low, high] = [0, this.count - 1]
    while (low <= high) {
      const middle = (low + high) >> 1
      const order = compareKeys(this.keys, KEY_BYTES * middle, key, keyAt)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return -1
  }
}

/** To a multiple of a key's size. */
const grown = (bytes: Uint8Array, atLeast: number): Uint8Array => {
  const out = new Uint8Array(Math.ceil(Math.max(bytes.length * 2, atLeast, 128) / KEY_BYTES) * KEY_BYTES)
  out.set(bytes)
  return out
}

/** Hashes of what is added, and their order: the same changes in any order are the same bytes. */
export class HashOrder {
  readonly #hashes: Uint8Array
  readonly #ranks: Float64Array
  /** The low bits of a rank say which it is of, the others are the first of its hash: nearly all are in order by these. */
  readonly #step: number
  readonly #dropped: number
  #count = 0

  constructor(capacity: number) {
    this.#hashes = new Uint8Array(capacity * KEY_BYTES)
    this.#ranks = new Float64Array(capacity)
    const bits = Math.max(EXACT_BITS - RANK_BITS, Math.ceil(Math.log2(capacity)))
    this.#step = 2 ** bits
    this.#dropped = 2 ** (bits - (EXACT_BITS - RANK_BITS))
  }

  /** Of `hashRoom[0, sizeBytes)`. */
  add(sizeBytes: number): void {
    const at = this.#count * KEY_BYTES
    keccakHere(0, sizeBytes, this.#hashes, at)
    let rank = 0
    for (let i = 0; i < RANK_BITS / 8; i++) rank = rank * 256 + (this.#hashes[at + i] as number)
    this.#ranks[this.#count] = Math.floor(rank / this.#dropped) * this.#step + this.#count
    this.#count++
  }

  /** After all were added. */
  sort(): void {
    const ranks = this.#ranks.subarray(0, this.#count)
    ranks.sort()
    for (let i = 1; i < ranks.length; i++)
      for (let n = i; n > 0 && this.#isBelow(n, n - 1); n--) {
        const rank = ranks[n] as number
        ranks[n] = ranks[n - 1] as number
        ranks[n - 1] = rank
      }
  }
  #isBelow(a: number, b: number): boolean {
    return compareKeys(this.#hashes, KEY_BYTES * this.at(a), this.#hashes, KEY_BYTES * this.at(b)) < 0
  }

  /** Which was added as what is the `i`-th now. */
  at(i: number): number {
    return (this.#ranks[i] as number) % this.#step
  }
  /** The `i`-th hash, to `out` at `outAt`. */
  take(i: number, out: Uint8Array, outAt: number): void {
    const at = KEY_BYTES * this.at(i)
    for (let n = 0; n < KEY_BYTES; n++) out[outAt + n] = this.#hashes[at + n] as number
  }
}
/** Bytes of a hash that a rank has, in bits; and what a number holds exactly. */
const RANK_BITS = 48
const EXACT_BITS = 53

/** One change by itself; null removes. */
export interface LeafChange {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}
/** Of those that are in order, each key once. */
export function leavesOf(changes: Iterable<LeafChange>): Leaves {
  const out = new Leaves()
  for (const { key, value } of changes) out.add(key, value)
  return out
}
