// A map by keys of so many bytes. Owns their memory: keys lie packed in one buffer, so that a hundred thousand of them are nothing to the
// collector of garbage, and no string is made to look one up.
import { assert } from './errors.ts'

/**
 * Whoever can choose keys must not make them collide, so the multipliers are secret. What a map answers does not depend on them. Of sums of
 * 16-bit parts times random 32-bit numbers the upper 17 bits are universal (Dietzfelbinger, 1996).
 */
const MULTIPLIERS = crypto.getRandomValues(new Uint32Array(16))
/** Of a longer key the rest would be a hash anyway. */
const HASHED_BYTES = 2 * MULTIPLIERS.length

const hashOf = (key: Uint8Array, bytes: number): number => {
  let hash = 0
  for (let i = 0; i < bytes; i += 2)
    hash = (hash + Math.imul((key[i] as number) | ((key[i + 1] as number) << 8), MULTIPLIERS[i >> 1] as number)) | 0
  return hash >>> 0
}

const FIRST_BITS = 6

/** In the order of insertion; what comes after something was removed takes its place. */
export class ByteMap<T extends object> {
  readonly #keyBytes: number
  readonly #hashedBytes: number
  #bits = FIRST_BITS
  /** Pairs: the hash, and the number of the entry and one; 0: free. Half of it at most is used. */
  #table = new Uint32Array(2 << FIRST_BITS)
  #keys: Uint8Array
  readonly #values: (T | undefined)[] = []
  /** Numbers of deleted entries. */
  readonly #free: number[] = []

  /** Of keys with an even number of bytes. */
  constructor(keyBytes: number) {
    assert(keyBytes % 2 === 0, 'keys are hashed by two bytes')
    this.#keyBytes = keyBytes
    this.#hashedBytes = Math.min(keyBytes, HASHED_BYTES)
    this.#keys = new Uint8Array(keyBytes << (FIRST_BITS - 1))
  }

  get size(): number {
    return this.#values.length - this.#free.length
  }

  get(key: Uint8Array): T | undefined {
    const at = this.#find(key, hashOf(key, this.#hashedBytes))
    const entry = this.#table[at + 1] as number
    return entry === 0 ? undefined : this.#values[entry - 1]
  }

  /** The key is copied. Answers the number by which `remove` finds it, as long as it is there. */
  set(key: Uint8Array, value: T): number {
    assert(key.length === this.#keyBytes, 'all keys have as many bytes')
    const hash = hashOf(key, this.#hashedBytes)
    let at = this.#find(key, hash)
    const known = this.#table[at + 1] as number
    if (known !== 0) {
      this.#values[known - 1] = value
      return known - 1
    }
    if (this.size >= 1 << (this.#bits - 1)) {
      this.#grow()
      at = this.#find(key, hash)
    }
    const entry = this.#free.pop() ?? this.#values.length
    this.#values[entry] = value
    this.#keys.set(key, entry * this.#keyBytes)
    this.#table[at] = hash
    this.#table[at + 1] = entry + 1
    return entry
  }

  /** What `set` answered this number for, and what has not been removed since. */
  remove(entry: number): void {
    const table = this.#table
    const from = entry * this.#keyBytes
    const key = this.#keys.subarray(from, from + this.#keyBytes)
    let at = this.#find(key, hashOf(key, this.#hashedBytes))
    assert(table[at + 1] === entry + 1, 'what is removed is there')
    this.#values[entry] = undefined
    this.#free.push(entry)
    // What stands behind it moves up, unless that were before its own place.
    const mask = table.length - 1
    for (let next = (at + 2) & mask; table[next + 1] !== 0; next = (next + 2) & mask) {
      const home = this.#home(table[next] as number)
      if (((next - home) & mask) < ((next - at) & mask)) continue
      table[at] = table[next] as number
      table[at + 1] = table[next + 1] as number
      at = next
    }
    table[at + 1] = 0
  }

  each(say: (value: T) => void): void {
    for (const value of this.#values) if (value !== undefined) say(value)
  }

  /** Most places in a row that are taken, by which a look-up is bounded. */
  longestRun(): number {
    let [longest, run] = [0, 0]
    for (let at = 1; at < this.#table.length; at += 2) {
      run = this.#table[at] === 0 ? 0 : run + 1
      longest = Math.max(longest, run)
    }
    return longest
  }

  #home(hash: number): number {
    return (hash >>> (32 - this.#bits)) << 1
  }

  /** Where the key is in the table, or the free place for it. */
  #find(key: Uint8Array, hash: number): number {
    const table = this.#table
    const mask = table.length - 1
    for (let at = this.#home(hash); ; at = (at + 2) & mask) {
      const entry = table[at + 1] as number
      if (entry === 0 || (table[at] === hash && this.#isKey(key, entry - 1))) return at
    }
  }
  #isKey(key: Uint8Array, entry: number): boolean {
    const keys = this.#keys
    const from = entry * this.#keyBytes
    for (let i = 0; i < this.#keyBytes; i++) if (keys[from + i] !== key[i]) return false
    return key.length === this.#keyBytes
  }

  #grow(): void {
    const before = this.#table
    this.#bits++
    const table = new Uint32Array(before.length * 2)
    const mask = table.length - 1
    for (let from = 0; from < before.length; from += 2) {
      if (before[from + 1] === 0) continue
      let at = this.#home(before[from] as number)
      while (table[at + 1] !== 0) at = (at + 2) & mask
      table[at] = before[from] as number
      table[at + 1] = before[from + 1] as number
    }
    this.#table = table
    const keys = new Uint8Array(this.#keyBytes << (this.#bits - 1))
    keys.set(this.#keys)
    this.#keys = keys
  }
}
