// Roots of tries by RLP of an index, made at once and not kept: of a block's transactions and receipts, and whatever else is listed by
// number. Owns that order and the nodes' RLP, which is made where it is hashed.
import type { Hash } from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { hashRoom } from '../base/keccak.ts'
import { encodeRlp } from '../base/rlp.ts'
import { extensionRlp, headerBefore, hexPrefix, refHere, refInto, refOf } from './trie.ts'

/**
 * Root of the trie of `count` values by RLP of their index: transactions and receipts roots. Asks for a value when it hashes
 * it, and yields where a caller may pause, after some hundred nodes.
 */
export function* orderedRoot(count: number, valueAt: (index: number) => Uint8Array): Generator<void, Hash> {
  if (count === 0) return EMPTY_ROOT
  const room = new Uint8Array(REF_MAX_BYTES)
  const ref = room.subarray(0, yield* new Ordered(count, valueAt).paced(0, 0, count, room, 0))
  return ref.length === 33 ? (ref.slice(1) as Hash) : keccak(ref) // as in rootOf
}

const REF_MAX_BYTES = 33
const PAUSE_ENTRIES = 512
/** With a path of at most six bytes it fits into the room. */
const ROOM_LEAF_BYTES = 60_000

/** No index's RLP is a prefix of another's, so no value ever stands in a branch. */
class Ordered {
  readonly #valueAt: (index: number) => Uint8Array
  readonly #zeroAt: number
  /** By depth: the descent is in one branch of each. */
  readonly #branches: Uint8Array[] = []
  constructor(count: number, valueAt: (index: number) => Uint8Array) {
    this.#valueAt = valueAt
    this.#zeroAt = Math.min(127, count - 1)
  }

  /** In the order of their RLP: 1 to 127 are one byte, 0 is 0x80, and longer ones follow by length and value. */
  #indexAt(place: number): number {
    return place < this.#zeroAt ? place + 1 : place === this.#zeroAt ? 0 : place
  }

  /** Writes what the parent names the node by to `out` at `outAt`; answers the end. */
  *paced(depth: number, from: number, to: number, out: Uint8Array, outAt: number): Generator<void, number> {
    if (to - from <= PAUSE_ENTRIES) {
      const end = this.#put(depth, from, to, out, outAt)
      yield
      return end
    }
    const place = this.#placeOf(depth, from, to)
    const branch = this.#branchAt(place)
    let [at, nibble] = [3, 0]
    for (let i = from; i < to; ) {
      const next = indexNibble(this.#indexAt(i), place)
      const end = this.#runEnd(place, i, to)
      at = yield* this.paced(place + 1, i, end, branch, writeEmpty(branch, at, next - nibble))
      nibble = next + 1
      i = end
    }
    return this.#close(branch, writeEmpty(branch, at, 17 - nibble), depth, place, from, out, outAt)
  }

  #put(depth: number, from: number, to: number, out: Uint8Array, outAt: number): number {
    if (to - from === 1) return this.#putLeaf(this.#indexAt(from), depth, out, outAt)
    const place = this.#placeOf(depth, from, to)
    const branch = this.#branchAt(place)
    let [at, nibble] = [3, 0]
    for (let i = from; i < to; ) {
      const next = indexNibble(this.#indexAt(i), place)
      const end = this.#runEnd(place, i, to)
      at = this.#put(place + 1, i, end, branch, writeEmpty(branch, at, next - nibble))
      nibble = next + 1
      i = end
    }
    return this.#close(branch, writeEmpty(branch, at, 17 - nibble), depth, place, from, out, outAt)
  }

  #placeOf(depth: number, from: number, to: number): number {
    const [first, last] = [this.#indexAt(from), this.#indexAt(to - 1)]
    let place = depth
    while (indexNibble(first, place) === indexNibble(last, place)) place++
    return place
  }
  #branchAt(place: number): Uint8Array {
    const known = this.#branches[place]
    if (known !== undefined) return known
    const made = new Uint8Array(3 + 16 * 33 + 1)
    this.#branches[place] = made
    return made
  }
  #runEnd(place: number, from: number, to: number): number {
    const nibble = indexNibble(this.#indexAt(from), place)
    let end = from + 1
    while (end < to && indexNibble(this.#indexAt(end), place) === nibble) end++
    return end
  }
  #close(
    branch: Uint8Array,
    end: number,
    depth: number,
    place: number,
    from: number,
    out: Uint8Array,
    outAt: number,
  ): number {
    const rlp = branch.subarray(headerBefore(branch, end), end)
    if (place === depth) return refInto(rlp, out, outAt)
    const extension = Uint8Array.from({ length: place - depth }, (_, i) => indexNibble(this.#indexAt(from), depth + i))
    return refInto(extensionRlp(extension, refOf(rlp)), out, outAt)
  }

  #putLeaf(index: number, depth: number, to: Uint8Array, toAt: number): number {
    const value = this.#valueAt(index)
    const left = nibbleCount(index) - depth
    const pathBytes = (left >> 1) + 1
    if (value.length < 56 || value.length > ROOM_LEAF_BYTES) {
      const path = Uint8Array.from({ length: left }, (_, i) => indexNibble(index, depth + i))
      return refInto(encodeRlp([hexPrefix(path, true), value]), to, toAt)
    }
    const out = hashRoom
    let at = 3
    if (pathBytes > 1) out[at++] = 0x80 + pathBytes
    const odd = left & 1
    out[at++] = odd ? 0x30 | indexNibble(index, depth) : 0x20
    for (let i = depth + odd; i < depth + left; i += 2)
      out[at++] = (indexNibble(index, i) << 4) | indexNibble(index, i + 1)
    if (value.length > 255) {
      out[at++] = 0xb9
      out[at++] = value.length >> 8
    } else out[at++] = 0xb8
    out[at++] = value.length
    out.set(value, at)
    const end = at + value.length
    return refHere(headerBefore(out, end), end, to, toAt)
  }
}

/** Nibbles of an index's RLP. */
const nibbleCount = (index: number): number => (index < 0x80 ? 2 : 2 + 2 * byteCount(index))
const byteCount = (index: number): number => (index < 0x100 ? 1 : index < 0x10000 ? 2 : index < 0x1000000 ? 3 : 4)
const indexNibble = (index: number, at: number): number => {
  if (index === 0) return at === 0 ? 8 : 0
  if (index < 0x80) return at === 0 ? index >> 4 : index & 15
  if (at === 0) return 8
  const bytes = byteCount(index)
  return at === 1 ? bytes : (index >>> (4 * (2 * bytes + 1 - at))) & 15
}

const writeEmpty = (out: Uint8Array, from: number, count: number): number => {
  out.fill(0x80, from, from + count)
  return from + count
}
