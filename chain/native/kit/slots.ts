// Typed storage on the slots Solidity would use, so that eth_getProof, storage viewers and verifiers elsewhere read a module as
// they read a contract. Owns the layout rules of the Solidity documentation ("Layout of State Variables in Storage"):
// struct fields packed from the right, mappings and lists by keccak, short and long bytes. A variable at the top takes
// whole slots: two small ones never share one.
import { type Address, asAddress, bigintToFixed, bytesToBigint, concat, type Word } from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import { assert } from '../../base/errors.ts'

/** Words of one account; `pay` is what a read or a write costs, and may throw. */
export interface Words {
  get(key: Word): Word
  set(key: Word, value: Word): void
}

/** A kind of variable: its size, and what reaches it at a place. */
export interface Kind<A> {
  /** Whole slots, or the bytes of one where it can share it. */
  readonly size: { readonly slots: number } | { readonly bytes: number }
  at(words: Words, slot: Word, offset: number): A
}
export type AccessorOf<K> = K extends Kind<infer A> ? A : never

export interface Cell<T> {
  get(): T
  set(value: T): void
  /** Writes what `change` makes of the present value, and answers it. */
  update(change: (value: T) => T): T
}

const cellOf = <T>(get: () => T, set: (value: T) => void): Cell<T> => ({
  get,
  set,
  update(change) {
    const value = change(get())
    set(value)
    return value
  },
})

/** A value of at most 32 bytes. */
const small = <T>(bytes: number, read: (word: Word) => T, write: (value: T) => Word): Kind<Cell<T>> => {
  const bits = BigInt(bytes * 8)
  const mask = (1n << bits) - 1n
  return {
    size: { bytes },
    at(words, slot, offset) {
      const shift = BigInt(offset * 8)
      return cellOf(
        () => read((words.get(slot) >> shift) & mask),
        (value) => {
          const word = write(value)
          assert(word >= 0n && word <= mask, `${word} fits in ${bytes} bytes`)
          if (bytes === 32) words.set(slot, word)
          else words.set(slot, (words.get(slot) & ~(mask << shift)) | (word << shift))
        },
      )
    },
  }
}

const same = (value: bigint): bigint => value
export const uint = (bits: 8 | 16 | 24 | 32 | 40 | 64 | 128 | 256): Kind<Cell<bigint>> => small(bits / 8, same, same)
export const bool: Kind<Cell<boolean>> = small(
  1,
  (word) => word !== 0n,
  (value) => (value ? 1n : 0n),
)
export const address: Kind<Cell<Address>> = small(
  20,
  (word) => asAddress(bigintToFixed(word, 20)),
  (value) => bytesToBigint(value),
)
export const bytes32: Kind<Cell<Uint8Array>> = small(
  32,
  (word) => bigintToFixed(word, 32),
  (value) => bytesToBigint(value),
)

const hashWord = (...parts: readonly Uint8Array[]): Word => bytesToBigint(keccak(concat(...parts)))
const wordBytes = (word: Word): Uint8Array => bigintToFixed(word, 32)

/** `bytes`: up to 31 in the slot itself, longer ones from keccak(slot) on. Writing clears what a longer value left. */
export const bytes: Kind<Cell<Uint8Array>> = {
  size: { slots: 1 },
  at(words, slot) {
    const start = () => hashWord(wordBytes(slot))
    const lengthOf = (head: Word): number => Number(head & 1n ? (head - 1n) / 2n : (head & 0xffn) / 2n)
    const chunks = (length: number): number => (length < 32 ? 0 : Math.ceil(length / 32))
    return cellOf(
      () => {
        const head = words.get(slot)
        const length = lengthOf(head)
        if (length < 32) return wordBytes(head).slice(0, length)
        const out = new Uint8Array(chunks(length) * 32)
        for (let i = 0; i < chunks(length); i++) out.set(wordBytes(words.get(start() + BigInt(i))), i * 32)
        return out.slice(0, length)
      },
      (value) => {
        const before = chunks(lengthOf(words.get(slot)))
        const after = chunks(value.length)
        const padded = new Uint8Array(Math.max(after, 1) * 32)
        padded.set(value)
        const isLong = value.length > 31
        words.set(slot, isLong ? BigInt(value.length * 2 + 1) : bytesToBigint(padded) | BigInt(value.length * 2))
        for (let i = 0; i < after; i++)
          words.set(start() + BigInt(i), bytesToBigint(padded.subarray(i * 32, i * 32 + 32)))
        for (let i = after; i < before; i++) words.set(start() + BigInt(i), 0n)
      },
    )
  },
}
export const string: Kind<Cell<string>> = {
  size: bytes.size,
  at(words, slot, offset) {
    const inner = bytes.at(words, slot, offset)
    return cellOf(
      () => new TextDecoder('utf-8', { ignoreBOM: true }).decode(inner.get()),
      (text) => inner.set(new TextEncoder().encode(text)),
    )
  },
}

/** How a mapping's key enters the hash: padded to a word, but text and bytes as they are. */
type KeyKind = 'address' | 'uint' | 'bytes32' | 'string'
type KeyValue = { address: Address; uint: bigint; bytes32: Uint8Array; string: string }
const keyBytes: { readonly [K in KeyKind]: (key: KeyValue[K]) => Uint8Array } = {
  address: (key) => wordBytes(bytesToBigint(key)),
  uint: wordBytes,
  bytes32: (key) => key,
  string: (key) => new TextEncoder().encode(key),
}

export interface Mapping<K, A> {
  at(key: K): A
}
export const map = <K extends KeyKind, A>(key: K, inner: Kind<A>): Kind<Mapping<KeyValue[K], A>> => ({
  size: { slots: 1 },
  at: (words, slot) => ({ at: (value) => inner.at(words, hashWord(keyBytes[key](value), wordBytes(slot)), 0) }),
})

const slotsOf = (kind: Kind<unknown>): number => ('slots' in kind.size ? kind.size.slots : 1)

/** A dynamic array. Items of at most half a slot share one, from its right end, as in Solidity. */
export interface List<A> {
  /** The slot of the first item, for who reads a long list as plain words. */
  readonly start: Word
  length(): number
  /** Throws a broken invariant outside the list. */
  at(index: number): A
  /** The same without a read of the length, for an index that was stored. */
  item(index: number): A
  /** Lengthens by one; what the caller writes there is the value. */
  push(): A
  /** What lies beyond the new length is left as it is: the caller clears it, or writes it before it counts again. */
  resize(count: number): void
}
export const list = <A>(inner: Kind<A>): Kind<List<A>> => {
  const perSlot = 'bytes' in inner.size ? Math.floor(32 / inner.size.bytes) : 1
  return {
    size: { slots: 1 },
    at(words, slot) {
      let first: Word | null = null
      const start = (): Word => {
        first ??= hashWord(wordBytes(slot))
        return first
      }
      const item = (index: number): A =>
        'bytes' in inner.size
          ? inner.at(words, start() + BigInt(Math.floor(index / perSlot)), (index % perSlot) * inner.size.bytes)
          : inner.at(words, start() + BigInt(index * slotsOf(inner)), 0)
      const length = (): number => Number(words.get(slot))
      return {
        get start() {
          return start()
        },
        length,
        at(index) {
          assert(index >= 0 && index < length(), `item ${index} is in the list`)
          return item(index)
        },
        item,
        push() {
          const index = length()
          words.set(slot, BigInt(index + 1))
          return item(index)
        },
        resize: (count) => words.set(slot, BigInt(count)),
      }
    },
  }
}

/** Numbers of a list that share slots, each slot read once. */
export const readPacked = (words: Words, from: List<Cell<bigint>>, bits: 16 | 32 | 64): bigint[] => {
  const [count, perSlot, width] = [from.length(), 256 / bits, BigInt(bits)]
  const out: bigint[] = []
  for (let slot = from.start; out.length < count; slot++) {
    let word = words.get(slot)
    for (let i = 0; i < perSlot && out.length < count; i++) {
      out.push(BigInt.asUintN(bits, word))
      word >>= width
    }
  }
  return out
}
/** Replaces a list; what it had beyond stays where it is. */
export const writePacked = (
  words: Words,
  to: List<Cell<bigint>>,
  bits: 16 | 32 | 64,
  values: readonly bigint[],
): void => {
  const [perSlot, width] = [256 / bits, BigInt(bits)]
  to.resize(values.length)
  for (let first = 0, slot = to.start; first < values.length; first += perSlot, slot++) {
    let word = 0n
    for (let i = Math.min(first + perSlot, values.length) - 1; i >= first; i--)
      word = (word << width) | (values[i] as bigint)
    words.set(slot, word)
  }
}

type Fields = Readonly<Record<string, Kind<unknown>>>
export type Struct<F extends Fields> = { readonly [K in keyof F]: AccessorOf<F[K]> }

/** Fields in order, small ones packed into a slot from its right end while they fit. */
export const struct = <F extends Fields>(fields: F): Kind<Struct<F>> => {
  const places: {
    readonly name: string
    readonly kind: Kind<unknown>
    readonly slot: number
    readonly offset: number
  }[] = []
  let [slot, offset] = [0, 0]
  for (const [name, kind] of Object.entries(fields)) {
    const sizeBytes = 'bytes' in kind.size ? kind.size.bytes : 32
    if (offset > 0 && ('slots' in kind.size || offset + sizeBytes > 32)) [slot, offset] = [slot + 1, 0]
    places.push({ name, kind, slot, offset })
    if ('slots' in kind.size) slot += kind.size.slots
    else offset += sizeBytes
  }
  // Each accessor is made when it is asked for: of twenty fields a call needs three.
  class Place {
    readonly [WORDS]: Words
    readonly [BASE]: Word
    constructor(words: Words, base: Word) {
      this[WORDS] = words
      this[BASE] = base
    }
  }
  for (const { name, kind, ...at } of places)
    Object.defineProperty(Place.prototype, name, {
      enumerable: true,
      get(this: Place) {
        return kind.at(this[WORDS], this[BASE] + BigInt(at.slot), at.offset)
      },
    })
  return {
    size: { slots: slot + (offset > 0 ? 1 : 0) },
    at: (words, base) => new Place(words, base) as unknown as Struct<F>, // one accessor for each field
  }
}
const WORDS = Symbol('words')
const BASE = Symbol('base')

/** One variable at the top: where it starts and what it is. */
export interface Variable<A> {
  readonly slot: number
  readonly kind: Kind<A>
}
export const slot = <A>(at: number, kind: Kind<A>): Variable<A> => ({ slot: at, kind })
export type Layout = Readonly<Record<string, Variable<unknown>>>
export type Store<L extends Layout> = { readonly [K in keyof L]: L[K] extends Variable<infer A> ? A : never }

/** Checks that no two variables share a slot. */
export function defineLayout<const L extends Layout>(layout: L): L {
  const taken = new Set<number>()
  for (const [name, { slot: first, kind }] of Object.entries(layout))
    for (let at = first; at < first + slotsOf(kind); at++) {
      assert(!taken.has(at), `slot ${at} of ${name} is free`)
      taken.add(at)
    }
  return layout
}

/** The variables over one account's words. */
export function openStore<L extends Layout>(layout: L, words: Words): Store<L> {
  const out: Record<string, unknown> = {}
  for (const [name, { slot: at, kind }] of Object.entries(layout)) out[name] = kind.at(words, BigInt(at), 0)
  return out as Store<L> // one accessor for each variable
}
