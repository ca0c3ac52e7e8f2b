// Writes of one block, packed one after the other into a few large buffers. Owns that memory: some hundred thousand small arrays
// and objects cost more in garbage collection than in hashing. What is handed out are views, made when they are asked for.
import type { KvWrite, Pause } from '../base/ports.ts'
import { crc32c } from './crc32c.ts'
import { SEAL_BYTES } from './seal.ts'

interface Slab {
  readonly bytes: Uint8Array
  usedBytes: number
}

const FIRST_SLAB_BYTES = 8_192
const SLAB_MAX_BYTES = 1 << 20
/** Length of the key u16, length of the value u32. */
const HEAD_BYTES = 6
const DELETED = 0xffffffff

/** Of batches that are done with: memory that was touched before costs the system nothing, and the collector need not hear of it. */
const spare: Uint8Array[] = []
/** What a full block takes. */
const SPARE_MAX = 48

/** In the order they were added: of two writes of a key the later stands. */
export class Batch implements Iterable<KvWrite> {
  readonly #slabs: Slab[] = []
  /** Where the write that was reserved last lies. */
  bytes: Uint8Array = new Uint8Array(0)
  keyAt = 0
  valueAt = 0
  count = 0

  /** Room for a key and a sealed value, to be written at `keyAt` and `valueAt`, and then sealed. */
  reserve(keyBytes: number, contentBytes: number): void {
    this.#place(keyBytes, contentBytes + SEAL_BYTES)
  }

  /** Seals what was reserved last. */
  seal(): void {
    const { bytes, valueAt } = this
    const slab = this.#slabs[this.#slabs.length - 1] as Slab // something was reserved
    const end = slab.usedBytes - SEAL_BYTES
    const crc = crc32c(bytes, valueAt, end, crc32c(bytes, this.keyAt, valueAt))
    bytes[end] = crc & 255
    bytes[end + 1] = (crc >>> 8) & 255
    bytes[end + 2] = (crc >>> 16) & 255
    bytes[end + 3] = crc >>> 24
  }

  put(key: Uint8Array, content: Uint8Array): void {
    this.reserve(key.length, content.length)
    this.bytes.set(key, this.keyAt)
    this.bytes.set(content, this.valueAt)
    this.seal()
  }

  delete(key: Uint8Array): void {
    this.#place(key.length, null)
    this.bytes.set(key, this.keyAt)
  }

  #place(keyBytes: number, valueBytes: number | null): void {
    const sizeBytes = HEAD_BYTES + keyBytes + (valueBytes ?? 0)
    let slab = this.#slabs[this.#slabs.length - 1]
    if (slab === undefined || slab.usedBytes + sizeBytes > slab.bytes.length) {
      const grown = Math.min(SLAB_MAX_BYTES, (slab?.bytes.length ?? FIRST_SLAB_BYTES / 2) * 2)
      const known = grown === SLAB_MAX_BYTES && sizeBytes <= grown ? spare.pop() : undefined
      slab = { bytes: known ?? new Uint8Array(Math.max(grown, sizeBytes)), usedBytes: 0 }
      this.#slabs.push(slab)
    }
    const { bytes, usedBytes: at } = slab
    const stored = valueBytes ?? DELETED
    bytes[at] = keyBytes >>> 8
    bytes[at + 1] = keyBytes
    bytes[at + 2] = stored >>> 24
    bytes[at + 3] = stored >>> 16
    bytes[at + 4] = stored >>> 8
    bytes[at + 5] = stored
    this.bytes = bytes
    this.keyAt = at + HEAD_BYTES
    this.valueAt = this.keyAt + keyBytes
    slab.usedBytes = at + sizeBytes
    this.count++
  }

  /** Nobody looks at the batch, or at what it handed out, any more. */
  release(): void {
    for (const { bytes } of this.#slabs)
      if (bytes.length === SLAB_MAX_BYTES && spare.length < SPARE_MAX) spare.push(bytes)
    this.#slabs.length = 0
  }

  /** Shows where each write lies; `end` null: it deletes. Pauses after every `slice` of them. */
  async each(
    slice: number,
    pause: Pause,
    visit: (bytes: Uint8Array, keyAt: number, valueAt: number, end: number | null) => void,
  ): Promise<void> {
    let seen = 0
    for (const { bytes, usedBytes } of this.#slabs)
      for (let at = 0; at < usedBytes; ) {
        const keyAt = at + HEAD_BYTES
        const valueAt = keyAt + keyBytesAt(bytes, at)
        const stored = valueBytesAt(bytes, at)
        at = stored === DELETED ? valueAt : valueAt + stored
        visit(bytes, keyAt, valueAt, stored === DELETED ? null : at)
        if (++seen % slice === 0) await pause()
      }
  }

  [Symbol.iterator](): Iterator<KvWrite> {
    return new Writes(this.#slabs)
  }
}

/** By hand: a generator takes as long for each as handing it to the store. */
class Writes implements Iterator<KvWrite> {
  readonly #slabs: readonly Slab[]
  #slab = 0
  #at = 0
  constructor(slabs: readonly Slab[]) {
    this.#slabs = slabs
  }
  next(): IteratorResult<KvWrite, undefined> {
    let slab = this.#slabs[this.#slab]
    while (slab !== undefined && this.#at >= slab.usedBytes) {
      slab = this.#slabs[++this.#slab]
      this.#at = 0
    }
    if (slab === undefined) return { done: true, value: undefined }
    const { bytes } = slab
    const keyAt = this.#at + HEAD_BYTES
    const valueAt = keyAt + keyBytesAt(bytes, this.#at)
    const stored = valueBytesAt(bytes, this.#at)
    this.#at = stored === DELETED ? valueAt : valueAt + stored
    const value = stored === DELETED ? null : bytes.subarray(valueAt, this.#at)
    return { done: false, value: { key: bytes.subarray(keyAt, valueAt), value } }
  }
}

const keyBytesAt = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
const valueBytesAt = (bytes: Uint8Array, at: number): number =>
  (((bytes[at + 2] as number) << 24) |
    ((bytes[at + 3] as number) << 16) |
    ((bytes[at + 4] as number) << 8) |
    (bytes[at + 5] as number)) >>>
  0

/** The writes of all of them, one after the other. */
export const inTurn = (...parts: readonly Iterable<KvWrite>[]): Iterable<KvWrite> => ({
  [Symbol.iterator](): Iterator<KvWrite> {
    const iterators = parts.map((part) => part[Symbol.iterator]())
    let at = 0
    return {
      next() {
        for (let own = iterators[at]; own !== undefined; own = iterators[++at]) {
          const step = own.next()
          if (step.done !== true) return step
        }
        return { done: true, value: undefined }
      },
    }
  },
})
