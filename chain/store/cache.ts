// Newest values by stored key, in memory, within a bound of bytes. Owns the memory: values lie packed in large buffers under an open
// hash table of numbers, so that a million of them are nothing to the garbage collector. A few generations, of which the oldest leaves
// at once when the youngest is full.
import { concat, copyInto } from '../base/bytes.ts'
import { assert } from '../base/errors.ts'

const SLAB_BYTES = 1 << 20
const SLAB_BITS = 20
/** The first is small, for a young network is; each takes the numbers of a large one. */
const FIRST_SLAB_BYTES = 1 << 14
/** Prefix u8, length of the key u8, room for the value u16, its length u16. */
const HEAD_BYTES = 6
const ABSENT = 0xffff
/** Above it a value is not kept; none of a state's is as long. */
const VALUE_MAX_BYTES = 4_096
const ALIGN_BITS = 3
const FIRST_SLOTS = 1_024

/** Not a hash against attackers: what is stored lies under hashes, and a chain of equal ones costs their maker work for each. */
const hashOf = (prefix: number, key: Uint8Array, from: number, to: number): number => {
  let hash = prefix
  let i = from
  for (; i + 4 <= to; i += 4) {
    const word =
      (key[i] as number) |
      ((key[i + 1] as number) << 8) |
      ((key[i + 2] as number) << 16) |
      ((key[i + 3] as number) << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (; i < to; i++) hash = Math.imul(hash ^ (key[i] as number), 0x85ebca6b)
  hash ^= hash >>> 13
  return (hash | 1) >>> 0 // 0 is an empty slot
}

/** Keys and values lie in `bytes`: the key from `keyAt` to `valueAt`, the value from there to `end`, or nothing where that is null. */
class Generation {
  readonly #slabs: Uint8Array[] = []
  #usedBytes = 0
  /** Pairs: hash, and where the entry lies in steps of 8 bytes. */
  #table = new Uint32Array(FIRST_SLOTS * 2)
  #count = 0
  sizeBytes = this.#table.byteLength

  /** Place of an entry in the table, or of the free slot where it belongs. */
  #slotOf(hash: number, prefix: number, bytes: Uint8Array, keyAt: number, keyEnd: number): number {
    const table = this.#table
    const mask = table.length - 1
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const found = table[at] as number
      if (found === 0) return at
      if (found === hash && this.#isAt(table[at + 1] as number, prefix, bytes, keyAt, keyEnd)) return at
    }
  }
  #isAt(place: number, prefix: number, bytes: Uint8Array, keyAt: number, keyEnd: number): boolean {
    const slab = this.#slabs[place >>> (SLAB_BITS - ALIGN_BITS)] as Uint8Array
    const at = (place << ALIGN_BITS) & (SLAB_BYTES - 1)
    if (slab[at] !== prefix || slab[at + 1] !== keyEnd - keyAt) return false
    const shift = at + HEAD_BYTES - keyAt
    for (let i = keyAt; i < keyEnd; i++) if (slab[shift + i] !== bytes[i]) return false
    return true
  }

  /** The value; into `younger`, where one is given, goes what was found. */
  get(hash: number, prefix: number, key: Uint8Array, younger: Generation | null): Uint8Array | null | undefined {
    const slot = this.#slotOf(hash, prefix, key, 0, key.length)
    if (this.#table[slot] === 0) return undefined
    const place = this.#table[slot + 1] as number
    const slab = this.#slabs[place >>> (SLAB_BITS - ALIGN_BITS)] as Uint8Array
    const at = (place << ALIGN_BITS) & (SLAB_BYTES - 1)
    const length = ((slab[at + 4] as number) << 8) | (slab[at + 5] as number)
    const from = at + HEAD_BYTES + key.length
    const end = length === ABSENT ? null : from + length
    younger?.set(hash, prefix, slab, at + HEAD_BYTES, from, end)
    return end === null ? null : slab.subarray(from, end)
  }

  set(hash: number, prefix: number, bytes: Uint8Array, keyAt: number, valueAt: number, end: number | null): void {
    const slot = this.#slotOf(hash, prefix, bytes, keyAt, valueAt)
    const isKnown = this.#table[slot] !== 0
    if (isKnown && this.#overwrite(this.#table[slot + 1] as number, bytes, keyAt, valueAt, end)) return
    this.#table[slot] = hash
    this.#table[slot + 1] = this.#append(prefix, bytes, keyAt, valueAt, end)
    if (!isKnown) this.#count++
    if (this.#count * 4 > this.#table.length) this.#grow()
  }

  #overwrite(place: number, bytes: Uint8Array, keyAt: number, valueAt: number, end: number | null): boolean {
    const slab = this.#slabs[place >>> (SLAB_BITS - ALIGN_BITS)] as Uint8Array
    const at = (place << ALIGN_BITS) & (SLAB_BYTES - 1)
    const room = ((slab[at + 2] as number) << 8) | (slab[at + 3] as number)
    if (end !== null && end - valueAt > room) return false
    const length = end === null ? ABSENT : end - valueAt
    slab[at + 4] = length >>> 8
    slab[at + 5] = length
    if (end !== null) copyInto(slab, at + HEAD_BYTES + valueAt - keyAt, bytes, valueAt, end)
    return true
  }

  /** Values grow by a few bytes when they change, so there is room for that. */
  #append(prefix: number, bytes: Uint8Array, keyAt: number, valueAt: number, end: number | null): number {
    const keyBytes = valueAt - keyAt
    const length = end === null ? 0 : end - valueAt
    const sizeBytes = (HEAD_BYTES + keyBytes + length + 15) & ~7
    let slab = this.#slabs[this.#slabs.length - 1]
    if (slab === undefined || this.#usedBytes + sizeBytes > slab.length) {
      slab = new Uint8Array(Math.min(SLAB_BYTES, FIRST_SLAB_BYTES << Math.min(this.#slabs.length, 6)))
      this.#slabs.push(slab)
      this.#usedBytes = 0
    }
    const at = this.#usedBytes
    this.#usedBytes += sizeBytes
    this.sizeBytes += sizeBytes
    const room = sizeBytes - HEAD_BYTES - keyBytes
    const stored = end === null ? ABSENT : length
    slab[at] = prefix
    slab[at + 1] = keyBytes
    slab[at + 2] = room >>> 8
    slab[at + 3] = room
    slab[at + 4] = stored >>> 8
    slab[at + 5] = stored
    copyInto(slab, at + HEAD_BYTES, bytes, keyAt, valueAt)
    if (end !== null) copyInto(slab, at + HEAD_BYTES + keyBytes, bytes, valueAt, end)
    return ((this.#slabs.length - 1) << (SLAB_BITS - ALIGN_BITS)) | (at >>> ALIGN_BITS)
  }

  #grow(): void {
    const before = this.#table
    const table = new Uint32Array(before.length * 2)
    const mask = table.length - 1
    for (let i = 0; i < before.length; i += 2) {
      const hash = before[i] as number
      if (hash === 0) continue
      let at = (hash << 1) & mask
      while (table[at] !== 0) at = (at + 2) & mask
      table[at] = hash
      table[at + 1] = before[i + 1] as number
    }
    this.#table = table
    this.sizeBytes += table.byteLength - before.byteLength
  }
}

/** Beyond it a place would not fit into 32 bits. */
const LIMIT_MAX_BYTES = 16 * 2 ** 30

/**
 * What is asked for again in turn, as the accounts of a busy network are, is found until as much as all generations but one hold came after it:
 * with two that were half of the memory. Each costs another look for what is nowhere.
 */
const GENERATIONS = 4
/** Below it generations would do nothing but begin. */
const GENERATION_MIN_BYTES = 1 << 16

export class Cache {
  /** The youngest first. */
  readonly #generations = [new Generation()]
  #young = this.#generations[0] as Generation
  readonly #eachBytes: number
  constructor(limitBytes: number) {
    assert(limitBytes <= LIMIT_MAX_BYTES, 'a cache has at most 16 GB')
    this.#eachBytes = Math.max(limitBytes / GENERATIONS, GENERATION_MIN_BYTES)
  }

  /** null: known to be absent. A view that is good until its key is set again. */
  get(prefix: number, key: Uint8Array): Uint8Array | null | undefined {
    const hash = hashOf(prefix, key, 0, key.length)
    const young = this.#young.get(hash, prefix, key, null)
    if (young !== undefined) return young
    for (let i = 1; i < this.#generations.length; i++) {
      const found = (this.#generations[i] as Generation).get(hash, prefix, key, this.#young)
      if (found === undefined) continue
      this.#age()
      return found
    }
    return undefined
  }
  set(prefix: number, key: Uint8Array, value: Uint8Array | null): void {
    this.take(prefix, joined(key, value), 0, key.length, value && key.length + value.length)
  }
  /** The same where both lie in `bytes`: the key from `keyAt` to `valueAt`, the value from there to `end`; absent where that is null. */
  take(prefix: number, bytes: Uint8Array, keyAt: number, valueAt: number, end: number | null): void {
    assert(end === null || end - valueAt <= VALUE_MAX_BYTES, 'a value of the state is short')
    this.#young.set(hashOf(prefix, bytes, keyAt, valueAt), prefix, bytes, keyAt, valueAt, end)
    this.#age()
  }
  #age(): void {
    if (this.#young.sizeBytes <= this.#eachBytes) return
    this.#young = new Generation()
    this.#generations.unshift(this.#young)
    if (this.#generations.length > GENERATIONS) this.#generations.pop()
  }
}

const joined = (key: Uint8Array, value: Uint8Array | null): Uint8Array => (value === null ? key : concat(key, value))
