// Things by bytes that name them, without a key object or an entry each for the collector of garbage to copy, as a Map has. Owns where they
// lie: open addressing, each at the first free place from that of its tag on.
import { equalBytes } from '../base/bytes.ts'

export interface Tagged {
  /** `tagOf` its name. */
  readonly tag: number
}

/** At most two of three places are taken. */
const FIRST_PLACES = 64

export class Table<T extends Tagged> {
  readonly #nameOf: (item: T) => Uint8Array
  readonly #factor: number
  #items: (T | null)[] = new Array(FIRST_PLACES).fill(null)
  /** 0: nobody is here. */
  #tags = new Int32Array(FIRST_PLACES)
  #size = 0

  /** Names are whole words of four bytes. Who does not know the seed cannot choose names whose tags meet. */
  constructor(nameOf: (item: T) => Uint8Array, seed: number) {
    this.#nameOf = nameOf
    this.#factor = mixed(seed) | 1
  }

  get size(): number {
    return this.#size
  }

  tagOf(name: Uint8Array): number {
    const factor = this.#factor
    let tag = factor
    for (let at = 0; at < name.length; at += 4) {
      tag = Math.imul(tag ^ wordAt(name, at), factor)
      tag ^= tag >>> 15
    }
    return mixed(tag) || 1
  }

  find(name: Uint8Array, tag = this.tagOf(name)): T | null {
    const tags = this.#tags
    const mask = tags.length - 1
    for (let at = tag & mask; tags[at] !== 0; at = (at + 1) & mask) {
      if (tags[at] !== tag) continue
      const item = this.#items[at] as T
      if (equalBytes(this.#nameOf(item), name)) return item
    }
    return null
  }

  /** One whose name is not there yet. */
  add(item: T): void {
    if (3 * ++this.#size > 2 * this.#tags.length) this.#grow()
    this.#put(item, item.tag)
  }

  #put(item: T, tag: number): void {
    const tags = this.#tags
    const mask = tags.length - 1
    let at = tag & mask
    while (tags[at] !== 0) at = (at + 1) & mask
    tags[at] = tag
    this.#items[at] = item
  }

  #grow(): void {
    const [items, tags] = [this.#items, this.#tags]
    this.#items = new Array(2 * tags.length).fill(null)
    this.#tags = new Int32Array(2 * tags.length)
    for (let i = 0; i < tags.length; i++) if (tags[i] !== 0) this.#put(items[i] as T, tags[i] as number)
  }

  /** One that is there. */
  delete(item: T): void {
    const [items, tags] = [this.#items, this.#tags]
    const mask = tags.length - 1
    let hole = item.tag & mask
    while (items[hole] !== item) hole = (hole + 1) & mask
    // Whoever lies behind without a gap moves up, unless that is before its own place.
    for (let at = (hole + 1) & mask; tags[at] !== 0; at = (at + 1) & mask) {
      const tag = tags[at] as number
      if (((at - tag) & mask) < ((at - hole) & mask)) continue
      tags[hole] = tag
      items[hole] = items[at] as T
      hole = at
    }
    tags[hole] = 0
    items[hole] = null
    this.#size--
  }

  /** In no order. */
  each(run: (item: T) => void): void {
    for (const item of this.#items) if (item !== null) run(item)
  }
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) |
  ((bytes[at + 1] as number) << 8) |
  ((bytes[at + 2] as number) << 16) |
  ((bytes[at + 3] as number) << 24)

/** The end of MurmurHash3. */
const mixed = (seed: number): number => {
  let out = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b)
  out = Math.imul(out ^ (out >>> 13), 0xc2b2ae35)
  return out ^ (out >>> 16)
}
