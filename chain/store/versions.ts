// Values that remember: a key holds its newest version; what a block replaced lies in that block's history, a few large records of
// many keys each. Reads never iterate, because they may not wait: each version names the heights of some ancestors, so that one of a
// kept height is found in O(log n) single gets. Owns the layout of both tables; what a value means is its user's.
import { bytesToHex, compareBytes, concat, copyInto } from '../base/bytes.ts'
import { assert } from '../base/errors.ts'
import type { Kv } from '../base/ports.ts'
import type { Batch } from './batch.ts'
import { corrupt, unseal } from './seal.ts'

/**
 * flag ‖ height u48 ‖ ordinal u32 ‖ heights of ancestors u48 each ‖ value. The ordinal counts the versions before. Ancestors are those
 * whose ordinals are this one's with the lowest bits cleared, one bit after the other, without 0: what the next version names follows
 * from what this one does, and no read is needed to make it.
 */
export type Version = Uint8Array & { readonly __brand: 'Version' }

const HEIGHT_BYTES = 6
const ORDINAL_AT = 1 + HEIGHT_BYTES
const HEAD_BYTES = ORDINAL_AT + 4
const ORDINAL_MAX = 0xffff_ffff

/** Byte by byte: a view for each of some hundred thousand versions of a block would cost more than what it writes. */
const writeUint32 = (out: Uint8Array, at: number, value: number): void => {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}
const writeHeight = (out: Uint8Array, at: number, height: number): void => {
  const high = Math.floor(height / 2 ** 32)
  out[at] = high >>> 8
  out[at + 1] = high
  writeUint32(out, at + 2, height % 2 ** 32)
}
const readUint32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0
const readHeight = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) * 2 ** 40 + (bytes[at + 1] as number) * 2 ** 32 + readUint32(bytes, at + 2)

const bitCount = (value: number): number => {
  let count = 0
  for (let rest = value; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++
  return count
}
const ordinalOf = (version: Version): number => readUint32(version, ORDINAL_AT)
const ancestorCount = (ordinal: number): number => Math.max(0, bitCount(ordinal) - 1)
const ancestorAt = (version: Version, index: number): number => readHeight(version, HEAD_BYTES + index * HEIGHT_BYTES)

export const heightOf = (version: Version): number => readHeight(version, 1)
/** null: nothing is there from this height on. */
export const contentOf = (version: Version): Uint8Array | null =>
  version[0] === 0 ? null : version.subarray(HEAD_BYTES + ancestorCount(ordinalOf(version)) * HEIGHT_BYTES)

/** Whether that is what the version says; no version says that nothing is there. */
export const isContent = (version: Version | null, value: Uint8Array | null): boolean => {
  if (version === null || version[0] === 0) return value === null
  if (value === null) return false
  const from = HEAD_BYTES + ancestorCount(ordinalOf(version)) * HEIGHT_BYTES
  if (version.length - from !== value.length) return false
  for (let i = 0; i < value.length; i++) if (version[from + i] !== value[i]) return false
  return true
}

/** How many ancestors of `before` the next version does not name: as many as bits that counting on clears, less the one it sets. */
const droppedBy = (ordinal: number): number => {
  let ones = 0
  for (let rest = ordinal; rest > 0 && (rest & 1) === 1; rest >>>= 1) ones++
  return ones - 1 // -1: `before` itself is named
}

/** A table of versioned values under one prefix byte. */
export interface VersionTable {
  readonly prefix: number
  /** The newest version, which may say that nothing is there. */
  newest(key: Uint8Array): Version | null
  /** The value after block `height`; null where nothing was. */
  at(key: Uint8Array, height: number): Uint8Array | null
  /** The version that was the newest after block `height`; null where there was none. */
  versionAt(key: Uint8Array, height: number): Version | null
  /** The range of keys of what blocks above this height replaced. */
  historyAbove(height: number): { readonly from: Uint8Array; readonly to: Uint8Array }
  /** The stored key of the newest version, for iteration. */
  stored(key: Uint8Array): Uint8Array
  decode(stored: Uint8Array, sealed: Uint8Array): Version
  /** Adds to `out` what makes `value` the version of `height` on top of `before`, the newest one. */
  put(key: Uint8Array, height: number, value: Uint8Array | null, before: Version | null, out: Batch): void
  /** Adds what the block of `height` replaced. */
  remember(height: number, replaced: Replaced, out: Batch): void
  /** Adds what forgets all that the block of `height` replaced, and what it removed where that says nothing any more. */
  forget(height: number, newest: (key: Uint8Array) => Version | null, out: Batch): void
}

/** History of one block and table, collected: packed, for it is as much as all that the block writes. */
export class Replaced {
  bytes = new Uint8Array(0)
  usedBytes = 0
  /** Pairs: where an entry begins, and its hash. */
  places = new Uint32Array(0)
  count = 0
  /** Keys that the block removed. */
  readonly removed: Uint8Array[] = []

  get sizeBytes(): number {
    return this.bytes.length + this.places.byteLength
  }
  /** Empties it, and keeps its memory for another block. */
  clear(): void {
    this.usedBytes = 0
    this.count = 0
    this.removed.length = 0
  }

  add(key: Uint8Array, before: Version): void {
    const sizeBytes = ENTRY_BYTES + key.length + before.length
    if (this.usedBytes + sizeBytes > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.usedBytes + sizeBytes, 1_024))
      grown.set(this.bytes.subarray(0, this.usedBytes))
      this.bytes = grown
    }
    const at = this.usedBytes
    if (2 * this.count === this.places.length) {
      const places = new Uint32Array(Math.max(this.places.length * 2, 64))
      places.set(this.places)
      this.places = places
    }
    this.places[2 * this.count] = at
    this.places[2 * this.count + 1] = bucketHash(key)
    this.count++
    this.bytes[at] = key.length
    this.bytes[at + 1] = before.length >>> 8
    this.bytes[at + 2] = before.length
    this.bytes.set(key, at + ENTRY_BYTES)
    this.bytes.set(before, at + ENTRY_BYTES + key.length)
    this.usedBytes += sizeBytes
  }
}
/** Length of the key u8, of the version u16; both follow. */
const ENTRY_BYTES = 3

/** Even over all keys: of the tries', whose paths say where they are by their last bytes, too. */
const bucketHash = (key: Uint8Array): number => {
  let hash = key.length
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193)
  hash ^= hash >>> 15
  return Math.imul(hash, 0x2c1b3c6d) >>> 0
}
/** Entries of one record: few enough to be read for one of them, many enough to be cheap to write. */
const BUCKET_ENTRIES = 32

export const openVersionTable = (
  kv: Kv,
  options: { readonly name: string; readonly prefix: number; readonly historyPrefix: number },
): VersionTable => new Table(kv, options.name, options.prefix, options.historyPrefix)

class Table implements VersionTable {
  readonly #kv: Kv
  readonly #name: string
  readonly prefix: number
  readonly #historyPrefix: number
  constructor(kv: Kv, name: string, prefix: number, historyPrefix: number) {
    this.#kv = kv
    this.#name = name
    this.prefix = prefix
    this.#historyPrefix = historyPrefix
  }

  stored(key: Uint8Array): Uint8Array {
    const out = new Uint8Array(key.length + 1)
    out[0] = this.prefix
    out.set(key, 1)
    return out
  }
  decode(at: Uint8Array, sealed: Uint8Array): Version {
    return checked(this.#name, at, unseal(this.#name, at, sealed))
  }
  newest(key: Uint8Array): Version | null {
    const at = this.stored(key)
    const sealed = this.#kv.get(at)
    return sealed === undefined ? null : this.decode(at, sealed)
  }

  at(key: Uint8Array, height: number): Uint8Array | null {
    const version = this.versionAt(key, height)
    return version === null ? null : contentOf(version)
  }
  versionAt(key: Uint8Array, height: number): Version | null {
    let current = this.newest(key)
    while (current !== null && heightOf(current) > height) {
      if (ordinalOf(current) === 0) return null
      const below: Version = this.#replacedAt(key, firstAbove(current, height))
      assert(heightOf(below) < heightOf(current), 'versions go back in height')
      current = below
    }
    return current
  }
  historyAbove(height: number): { readonly from: Uint8Array; readonly to: Uint8Array } {
    return { from: this.#historyKey(height + 1, null), to: Uint8Array.of(this.#historyPrefix + 1) }
  }

  /** The record that says how many others there are, or one of these. */
  #historyKey(height: number, bucket: number | null): Uint8Array {
    const out = new Uint8Array(bucket === null ? 7 : 10)
    out[0] = this.#historyPrefix
    writeHeight(out, 1, height)
    if (bucket === null) return out
    out[7] = bucket >>> 16
    out[8] = bucket >>> 8
    out[9] = bucket
    return out
  }
  #history(height: number): { readonly bits: number; readonly removed: readonly Uint8Array[] } | null {
    const at = this.#historyKey(height, null)
    const sealed = this.#kv.get(at)
    return sealed === undefined ? null : decodeHistory(unseal(this.#name, at, sealed))
  }
  /** What the version of `height`, which is not the first, replaced. */
  #replacedAt(key: Uint8Array, height: number): Version {
    const found = this.#history(height)
    const at = this.#historyKey(height, found === null ? null : bucketOf(bucketHash(key), found.bits))
    const sealed = found === null ? undefined : this.#kv.get(at)
    const version = sealed === undefined ? null : findEntry(unseal(this.#name, at, sealed), key)
    if (version === null) throw corrupt(this.#name, at, `what ${bytesToHex(key)} was before this block is missing`)
    return checked(this.#name, at, version)
  }

  put(key: Uint8Array, height: number, value: Uint8Array | null, before: Version | null, out: Batch): void {
    const ordinal = before === null ? 0 : ordinalOf(before) + 1
    assert(before === null || heightOf(before) < height, 'one version per height')
    assert(ordinal <= ORDINAL_MAX, 'a key has at most 2^32 versions')
    const ancestors = ancestorCount(ordinal)
    const headBytes = HEAD_BYTES + ancestors * HEIGHT_BYTES
    out.reserve(key.length + 1, headBytes + (value?.length ?? 0))
    const { bytes, keyAt, valueAt: at } = out
    bytes[keyAt] = this.prefix
    bytes.set(key, keyAt + 1)
    bytes[at] = value === null ? 0 : 1
    writeHeight(bytes, at + 1, height)
    writeUint32(bytes, at + ORDINAL_AT, ordinal)
    const dropped = droppedBy(ordinal - 1)
    for (let i = 0; before !== null && i < ancestors; i++) {
      const ancestor = i + dropped < 0 ? heightOf(before) : ancestorAt(before, i + dropped)
      writeHeight(bytes, at + HEAD_BYTES + i * HEIGHT_BYTES, ancestor)
    }
    if (value !== null) bytes.set(value, at + headBytes)
    out.seal()
  }

  remember(height: number, replaced: Replaced, out: Batch): void {
    const { count, removed } = replaced
    if (count === 0) return
    const bits = Math.max(0, Math.ceil(Math.log2(count / BUCKET_ENTRIES)))
    out.put(this.#historyKey(height, null), encodeHistory(bits, removed))
    writeBuckets(replaced, bits, (bucket) => this.#historyKey(height, bucket), out)
  }

  forget(height: number, newest: (key: Uint8Array) => Version | null, out: Batch): void {
    const found = this.#history(height)
    if (found === null) return
    for (let bucket = 0; bucket < 2 ** found.bits; bucket++) out.delete(this.#historyKey(height, bucket))
    for (const key of found.removed) {
      const version = newest(key)
      if (version !== null && contentOf(version) === null && heightOf(version) === height) out.delete(this.stored(key))
    }
    out.delete(this.#historyKey(height, null))
  }
}

/** The lowest height above `height` that the version is of or names. */
const firstAbove = (version: Version, height: number): number => {
  let found = heightOf(version)
  const ancestors = ancestorCount(ordinalOf(version))
  for (let i = 0; i < ancestors; i++) {
    const above = ancestorAt(version, i)
    if (above <= height) break
    found = above
  }
  return found
}

const checked = (table: string, at: Uint8Array, bytes: Uint8Array): Version => {
  const version = bytes as Version // proven on the next lines
  const flag = bytes[0]
  const headBytes = bytes.length < HEAD_BYTES ? 0 : HEAD_BYTES + ancestorCount(ordinalOf(version)) * HEIGHT_BYTES
  if (
    headBytes === 0 ||
    flag === undefined ||
    flag > 1 ||
    bytes.length < headBytes ||
    (flag === 0 && bytes.length > headBytes)
  )
    throw corrupt(table, at, 'it is no version of a value')
  return version
}

const bucketOf = (hash: number, bits: number): number => (bits === 0 ? 0 : hash >>> (32 - bits))

/** Entries in the order they came, each in the record of its hash. */
const writeBuckets = (replaced: Replaced, bits: number, keyOf: (bucket: number) => Uint8Array, out: Batch): void => {
  const { bytes, places, count, usedBytes } = replaced
  const endOf = (i: number): number => (i + 1 < count ? (places[2 * i + 2] as number) : usedBytes)
  const sizes = new Uint32Array(2 ** bits)
  /** Where the entries of each bucket begin in `order`, and then where its next one goes. */
  const starts = new Uint32Array(2 ** bits + 1)
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(places[2 * i + 1] as number, bits)
    sizes[bucket] = (sizes[bucket] as number) + endOf(i) - (places[2 * i] as number)
    starts[bucket + 1] = (starts[bucket + 1] as number) + 1
  }
  for (let bucket = 0; bucket < sizes.length; bucket++)
    starts[bucket + 1] = (starts[bucket + 1] as number) + (starts[bucket] as number)
  const order = new Uint32Array(count)
  const next = starts.slice()
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(places[2 * i + 1] as number, bits)
    const at = next[bucket] as number
    order[at] = i
    next[bucket] = at + 1
  }
  for (let bucket = 0; bucket < sizes.length; bucket++) {
    const [first, last] = [starts[bucket] as number, starts[bucket + 1] as number]
    if (first === last) continue
    const key = keyOf(bucket)
    out.reserve(key.length, sizes[bucket] as number)
    out.bytes.set(key, out.keyAt)
    let at = out.valueAt
    for (let n = first; n < last; n++) {
      const from = places[2 * (order[n] as number)] as number
      const to = endOf(order[n] as number)
      copyInto(out.bytes, at, bytes, from, to)
      at += to - from
    }
    out.seal()
  }
}

const findEntry = (bytes: Uint8Array, key: Uint8Array): Uint8Array | null => {
  for (let at = 0; at < bytes.length; ) {
    const keyEnd = at + ENTRY_BYTES + (bytes[at] as number)
    const end = keyEnd + (((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number))
    if (compareBytes(bytes.subarray(at + ENTRY_BYTES, keyEnd), key) === 0) return bytes.subarray(keyEnd, end)
    at = end
  }
  return null
}

/** bits u8, then each removed key with its length before it. */
const encodeHistory = (bits: number, removed: readonly Uint8Array[]): Uint8Array =>
  concat(Uint8Array.of(bits), ...removed.map((key) => concat(Uint8Array.of(key.length), key)))
const decodeHistory = (bytes: Uint8Array): { bits: number; removed: readonly Uint8Array[] } => {
  const removed: Uint8Array[] = []
  for (let at = 1; at < bytes.length; ) {
    const end = at + 1 + (bytes[at] as number)
    removed.push(bytes.subarray(at + 1, end))
    at = end
  }
  return { bits: bytes[0] as number, removed }
}
