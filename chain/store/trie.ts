// Ethereum's Merkle-Patricia trie over 32-byte keys, updated in batches: one descent over sorted changes, each touched node
// hashed once. Owns node encoding and restructuring. Only branches are stored, packed, under the path where they stand; a
// branch holds what its children need to be found and hashed. Values stay in the flat tables, which lend them by key.
import { compareBytes, concat, copyInto, equalBytes, type Hash } from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import { hashRoom, keccakHere } from '../base/keccak.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'
import { compareKeys, isSameKey, KEY_BYTES, Leaves } from './leaves.ts'

/** What a parent says of a child: a leaf by its whole key, a branch by the nibbles between; and how the parent's RLP names it. */
export type Child =
  | { readonly kind: 'leaf'; readonly key: Uint8Array; readonly ref: Uint8Array }
  | {
      readonly kind: 'branch'
      readonly extension: Uint8Array
      readonly ref: Uint8Array
    }
  | null
type Branch = readonly Child[]

/** Where branches and unchanged leaf values come from. Paths are nibbles, one a byte, behind the trie's own prefix where it has one. */
export interface TrieSource {
  branch(path: Uint8Array): Uint8Array
  leaf(key: Uint8Array): Uint8Array
}
/** Takes a branch, each path once; null removes it. What comes is overwritten: who keeps it copies it. `was`: what the source gave there, if it did. */
export type BranchSink = (path: Uint8Array, packed: Uint8Array | null, was: Uint8Array) => void

export const nibblesOf = (key: Uint8Array): Uint8Array => {
  const out = new Uint8Array(key.length * 2)
  for (let i = 0; i < key.length; i++) {
    out[2 * i] = (key[i] as number) >> 4
    out[2 * i + 1] = (key[i] as number) & 15
  }
  return out
}
/** Of the key that begins at `keyAt`. */
const nibbleOf = (keys: Uint8Array, keyAt: number, at: number): number =>
  at & 1 ? (keys[keyAt + (at >> 1)] as number) & 15 : (keys[keyAt + (at >> 1)] as number) >> 4

/** Hex-prefix encoding of nibbles (yellow paper, appendix C). */
export const hexPrefix = (nibbles: Uint8Array, isLeaf: boolean): Uint8Array => {
  const odd = nibbles.length & 1
  const out = new Uint8Array((nibbles.length >> 1) + 1)
  out[0] = ((isLeaf ? 2 : 0) + odd) << 4
  if (odd) out[0] |= nibbles[0] as number
  for (let i = odd, at = 1; i < nibbles.length; i += 2, at++)
    out[at] = ((nibbles[i] as number) << 4) | (nibbles[i + 1] as number)
  return out
}

const REF_MAX_BYTES = 33
/**
 * Writes a node as its parent names it to `out` at `at`: itself where it is short, else its hash as an RLP string. Its RLP lies in
 * `hashRoom[from, to)`. Answers the end.
 */
export const refHere = (from: number, to: number, out: Uint8Array, at: number): number => {
  if (to - from < 32) {
    for (let i = from; i < to; i++) out[at + i - from] = hashRoom[i] as number
    return at + to - from
  }
  out[at] = 0xa0
  keccakHere(from, to, out, at + 1)
  return at + REF_MAX_BYTES
}
/** The same of any node. */
export const refInto = (rlp: Uint8Array, out: Uint8Array, at: number): number => {
  if (rlp.length > hashRoom.length) {
    out[at] = 0xa0
    out.set(keccak(rlp), at + 1)
    return at + REF_MAX_BYTES
  }
  hashRoom.set(rlp)
  return refHere(0, rlp.length, out, at)
}
export const refOf = (rlp: Uint8Array): Uint8Array => {
  const out = new Uint8Array(REF_MAX_BYTES)
  const end = refInto(rlp, out, 0)
  return end === REF_MAX_BYTES ? out : out.slice(0, end)
}

export const leafRlp = (key: Uint8Array, depth: number, value: Uint8Array): Uint8Array =>
  encodeRlp([hexPrefix(nibblesOf(key).subarray(depth), true), value])
export const extensionRlp = (extension: Uint8Array, branchRef: Uint8Array): Uint8Array =>
  listOf([encodeRlp(hexPrefix(extension, false)), branchRef])
/** In one buffer: some ten thousand branches are hashed for a full block. */
export const branchRlp = (branch: Branch): Uint8Array => {
  let size = 1
  for (const child of branch) size += child === null ? 1 : child.ref.length
  const header = size < 56 ? 1 : size < 256 ? 2 : 3 // 16 refs of at most 33 bytes
  const out = new Uint8Array(header + size)
  if (header === 1) out[0] = 0xc0 + size
  else {
    out[0] = 0xf6 + header
    if (header === 3) out[1] = size >> 8
    out[header - 1] = size & 255
  }
  let at = header
  for (const child of branch) {
    if (child === null) out[at++] = 0x80
    else {
      out.set(child.ref, at)
      at += child.ref.length
    }
  }
  out[at] = 0x80
  return out
}

/** An RLP list of items that are encoded already. */
const listOf = (items: readonly Uint8Array[]): Uint8Array => {
  let size = 0
  for (const item of items) size += item.length
  if (size < 56) return concat(Uint8Array.of(0xc0 + size), ...items)
  const length = rlpInt(size)
  return concat(Uint8Array.of(0xf7 + length.length), length, ...items)
}

/** The root hash of a trie whose root is this child. */
export const rootOf = (root: Child): Hash => {
  if (root === null) return EMPTY_ROOT
  return root.ref.length === 33 ? (root.ref.slice(1) as Hash) : keccak(root.ref) // 33 bytes are 0xa0 and a hash
}

/** A branch of these sixteen as its parent names it, and as it is stored. */
export function joinBranch(children: Branch, extension: Uint8Array) {
  const [packed, own] = [concat(...children.map(packChild)), refOf(branchRlp(children))]
  const ref = extension.length === 0 ? own : refOf(extensionRlp(extension, own))
  return { child: { kind: 'branch', extension, ref } as const, packed }
}

const packedSize = (child: Child): number => {
  if (child === null) return 1
  return (child.kind === 'leaf' ? 33 : 2 + child.extension.length) + 1 + child.ref.length
}
/** child: kind, then a leaf's key or an extension's length and nibbles, then the ref's length and bytes. */
const packInto = (out: Uint8Array, from: number, child: Child): number => {
  if (child === null) {
    out[from] = 0
    return from + 1
  }
  let at = from
  out[at++] = child.kind === 'leaf' ? 1 : 2
  if (child.kind === 'branch') out[at++] = child.extension.length
  const middle = child.kind === 'leaf' ? child.key : child.extension
  out.set(middle, at)
  at += middle.length
  out[at++] = child.ref.length
  out.set(child.ref, at)
  return at + child.ref.length
}
export const packChild = (child: Child): Uint8Array => {
  const out = new Uint8Array(packedSize(child))
  packInto(out, 0, child)
  return out
}

const unpackChildAt = (bytes: Uint8Array, from: number): { readonly child: Child; readonly end: number } => {
  const kind = bytes[from]
  if (kind === 0) return { child: null, end: from + 1 }
  const middle = kind === 1 ? from + 1 : from + 2
  const middleEnd = kind === 1 ? middle + 32 : middle + (bytes[from + 1] as number)
  const refEnd = middleEnd + 1 + (bytes[middleEnd] as number)
  assert((kind === 1 || kind === 2) && refEnd <= bytes.length, 'a packed trie node is whole')
  const ref = bytes.subarray(middleEnd + 1, refEnd)
  const part = bytes.subarray(middle, middleEnd)
  return {
    child: kind === 1 ? { kind: 'leaf', key: part, ref } : { kind: 'branch', extension: part, ref },
    end: refEnd,
  }
}
export const unpackChild = (bytes: Uint8Array): Child => unpackChildAt(bytes, 0).child

export const unpackBranch = (bytes: Uint8Array): Branch => {
  const branch: Child[] = []
  for (let at = 0; branch.length < 16; ) {
    const { child, end } = unpackChildAt(bytes, at)
    branch.push(child)
    at = end
  }
  return branch
}

/**
 * Puts changes into the trie with this root; answers the new root and hands out the branches to write. Yields where a caller may
 * pause, after some hundred leaves. Below the root where a depth is given, which all keys have the same nibbles up to.
 */
export function* updateTrie(
  root: Child,
  changes: Leaves,
  source: TrieSource,
  sink: BranchSink,
  prefix: Uint8Array = NO_NIBBLES,
  depth = 0,
): Generator<void, Child> {
  const opened = spare.pop() ?? []
  const out = new Uint8Array(CHILD_MAX_BYTES)
  const update = new Update(opened, changes, source, sink, prefix)
  const end = yield* update.paced(packChild(root), 0, depth, changes, 0, changes.count, out, 0)
  for (const open of opened) open?.letGo()
  if (spare.length < SPARE_MAX) spare.push(opened)
  return unpackChild(out.slice(0, end))
}

/** Leaves between two pauses: some milliseconds. */
const PAUSE_LEAVES = 512
/** An extension of 64 nibbles, with its kind and length, and a ref with its length. */
const CHILD_MAX_BYTES = 2 + 64 + 1 + REF_MAX_BYTES
const NO_CHILDREN = new Uint8Array(16)
const NO_NIBBLES = new Uint8Array(0)
const NO_LEAVES = new Leaves()

/** A branch whose children are changing, at one depth of the descent: it is read and written from its first child to its last. */
class Open {
  /** As it was, and where in it the child begins that is next. */
  packed: Uint8Array = NO_CHILDREN
  readAt = 0
  nibble = 0
  /** As it becomes, and its end so far. */
  readonly out = new Uint8Array(16 * CHILD_MAX_BYTES)
  end = 0
  /** Children in it, and which the last of them is, and where. */
  live = 0
  last = 0
  lastAt = 0
  /** What is to change below it: those from `from` to `to`. */
  changes = NO_LEAVES
  from = 0
  to = 0
  /** Where it hangs, and how far down it stands. */
  depth = 0
  readonly place: number
  /** With the prefix; null until it is asked for. */
  path: Uint8Array | null = null
  /** Of the last branch at this depth that came to hang below an extension: the ref of the branch itself. */
  made: { readonly path: Uint8Array; readonly ref: Uint8Array } | null = null
  constructor(place: number) {
    this.place = place
  }

  /** What it does not own. */
  letGo(): void {
    this.packed = NO_CHILDREN
    this.changes = NO_LEAVES
    this.path = null
    this.made = null
  }
}
/** By depth, of updates that are done: a block with many contracts has an update for each, and two blocks may be made at a time. */
const spare: (Open | undefined)[][] = []
const SPARE_MAX = 4

/** Children are read and written packed, where they lie, and answer where they end: what a block changes is some ten thousand of them. */
class Update {
  readonly #all: Leaves
  readonly #source: TrieSource
  readonly #sink: BranchSink
  readonly #prefix: Uint8Array
  /** By depth: the descent is in one branch of each. */
  readonly #open: (Open | undefined)[]
  constructor(open: (Open | undefined)[], all: Leaves, source: TrieSource, sink: BranchSink, prefix: Uint8Array) {
    this.#open = open
    this.#all = all
    this.#source = source
    this.#sink = sink
    this.#prefix = prefix
  }

  /** What becomes of the child at `bytes[at]` goes to `out` at `outAt`. */
  *paced(
    bytes: Uint8Array,
    at: number,
    depth: number,
    changes: Leaves,
    from: number,
    to: number,
    out: Uint8Array,
    outAt: number,
  ): Generator<void, number> {
    if (to - from <= PAUSE_LEAVES) {
      const end = this.#apply(bytes, at, depth, changes, from, to, out, outAt)
      yield
      return end
    }
    const open = this.#enter(bytes, at, depth, changes, from, to)
    if (open === null) return this.#putLeft(bytes, at, depth, changes, from, to, out, outAt)
    const { place } = open
    for (let i = open.from; i < open.to; ) {
      const end = runEnd(open, i)
      keepUpTo(open, nibbleOf(open.changes.keys, KEY_BYTES * i, place))
      taken(open, yield* this.paced(open.packed, open.readAt, place + 1, open.changes, i, end, open.out, open.end))
      i = end
    }
    return this.#settle(open, out, outAt)
  }

  #apply(
    bytes: Uint8Array,
    at: number,
    depth: number,
    changes: Leaves,
    from: number,
    to: number,
    out: Uint8Array,
    outAt: number,
  ): number {
    // Nearly always one leaf takes the place of its older self.
    if (
      to - from === 1 &&
      (bytes[at] === 0 || (bytes[at] === 1 && isSameKey(bytes, at + 1, changes.keys, KEY_BYTES * from)))
    )
      return putLeafOf(changes, from, depth, out, outAt)
    const open = this.#enter(bytes, at, depth, changes, from, to)
    if (open === null) return this.#putLeft(bytes, at, depth, changes, from, to, out, outAt)
    const { place } = open
    for (let i = open.from; i < open.to; ) {
      const end = runEnd(open, i)
      keepUpTo(open, nibbleOf(open.changes.keys, KEY_BYTES * i, place))
      taken(open, this.#apply(open.packed, open.readAt, place + 1, open.changes, i, end, open.out, open.end))
      i = end
    }
    return this.#settle(open, out, outAt)
  }

  /** Where there is no branch to change: nothing was changed, or at most one leaf is left. */
  #putLeft(
    bytes: Uint8Array,
    at: number,
    depth: number,
    changes: Leaves,
    from: number,
    to: number,
    out: Uint8Array,
    outAt: number,
  ): number {
    if (bytes[at] === 2) {
      const end = childEnd(bytes, at)
      copyInto(out, outAt, bytes, at, end)
      return outAt + end - at
    }
    const left = this.#leavesOf(bytes, at, changes, from, to)
    if (left.count > 0) return putLeafOf(left, 0, depth, out, outAt)
    out[outAt] = 0
    return outAt + 1
  }

  /** The branch that stands for the child once the changes are in it; null where there is none to change. */
  #enter(bytes: Uint8Array, at: number, depth: number, changes: Leaves, from: number, to: number): Open | null {
    if (bytes[at] === 2) {
      if (bytes[at + 1] !== 0) return this.#enterExtension(bytes, at, depth, changes, from, to)
      if (from === to) return null
      const path = this.#pathOf(changes.keys, KEY_BYTES * from, depth, NO_NIBBLES)
      return this.#openAt(depth, depth, this.#source.branch(path), changes, from, to, path)
    }
    const isPlain = bytes[at] === 0 && firstRemoval(changes, from, to) === to
    const leaves = isPlain ? changes : this.#leavesOf(bytes, at, changes, from, to)
    const [start, end] = isPlain ? [from, to] : [0, leaves.count]
    if (end - start < 2) return null
    const place = depth + sharedNibbles(leaves, start, end - 1, depth)
    return this.#openAt(depth, place, NO_CHILDREN, leaves, start, end, null)
  }

  /** Leaves that stand after the changes where there was at most one. */
  #leavesOf(bytes: Uint8Array, at: number, changes: Leaves, from: number, to: number): Leaves {
    const out = new Leaves(to - from + 1)
    let isLeft = bytes[at] === 1
    for (let i = from; i < to; i++) {
      const order = isLeft ? compareKeys(bytes, at + 1, changes.keys, KEY_BYTES * i) : 1
      if (order < 0) this.#addOld(out, bytes, at + 1)
      if (order <= 0) isLeft = false
      if (!changes.isRemoval(i)) out.pushFrom(changes, i)
    }
    if (isLeft) this.#addOld(out, bytes, at + 1)
    return out
  }
  #addOld(out: Leaves, bytes: Uint8Array, keyAt: number): void {
    const key = bytes.subarray(keyAt, keyAt + KEY_BYTES)
    out.add(key, this.#source.leaf(key))
  }

  #enterExtension(bytes: Uint8Array, at: number, depth: number, all: Leaves, start: number, end: number): Open | null {
    const extension = bytes.subarray(at + 2, at + 2 + (bytes[at + 1] as number))
    const shared = (changes: Leaves, i: number): number => {
      let n = 0
      while (n < extension.length && nibbleOf(changes.keys, KEY_BYTES * i, depth + n) === extension[n]) n++
      return n
    }
    // Removing what is not there changes nothing.
    const changes = new Leaves(end - start)
    for (let i = start; i < end; i++)
      if (!all.isRemoval(i) || shared(all, i) === extension.length) changes.pushFrom(all, i)
    if (changes.count === 0) return null
    const place = depth + extension.length
    const common = Math.min(shared(changes, 0), shared(changes, changes.count - 1))
    const path = this.#pathOf(changes.keys, 0, depth, extension)
    const packed = this.#source.branch(path)
    if (common === extension.length) return this.#openAt(depth, place, packed, changes, 0, changes.count, path)
    // A branch stands in the extension now, and what is left of it hangs there.
    const nibble = extension[common] as number
    const split = new Uint8Array(16 + CHILD_MAX_BYTES)
    const splitEnd = putBranch(extension.subarray(common + 1), refOfBranch(packed), split, nibble)
    const children = split.subarray(0, splitEnd + 15 - nibble)
    return this.#openAt(depth, depth + common, children, changes, 0, changes.count, null)
  }

  #openAt(
    depth: number,
    place: number,
    packed: Uint8Array,
    changes: Leaves,
    from: number,
    to: number,
    path: Uint8Array | null,
  ): Open {
    let open = this.#open[place]
    if (open === undefined) {
      open = new Open(place)
      this.#open[place] = open
    }
    open.packed = packed
    open.readAt = 0
    open.nibble = 0
    open.end = 0
    open.live = 0
    open.changes = changes
    open.from = from
    open.to = to
    open.depth = depth
    open.path = path
    return open
  }

  /** A branch of two children or more stays; one child takes its place, none leaves nothing. */
  #settle(open: Open, out: Uint8Array, outAt: number): number {
    const { packed, changes, from, depth, place } = open
    keepUpTo(open, 16)
    const path = open.path ?? this.#pathOf(changes.keys, KEY_BYTES * from, place, NO_NIBBLES)
    const hangs = this.#prefix.length + depth
    if (open.live > 1) {
      this.#sink(path, open.out.subarray(0, open.end), packed)
      if (place > depth) {
        const ref = refOfBranch(open.out)
        open.made = { path, ref }
        return putBranch(path.subarray(hangs), ref, out, outAt)
      }
      out[outAt] = 2
      out[outAt + 1] = 0
      const end = putBranchRef(open.out, out, outAt + 3)
      out[outAt + 2] = end - outAt - 3
      return end
    }
    this.#sink(path, null, packed)
    if (open.live === 0) {
      out[outAt] = 0
      return outAt + 1
    }
    if (open.out[open.lastAt] === 1) return this.#putLastLeaf(open, out, outAt)
    const child = unpackChildAt(open.out, open.lastAt).child as Child & { kind: 'branch' } // it is alive, and no leaf
    const through = concat(path.subarray(hangs), Uint8Array.of(open.last), child.extension)
    const below = concat(path.subarray(0, hangs), through)
    const there = this.#open[place + 1 + child.extension.length]
    const known = there?.made ?? null
    let ref: Uint8Array = child.ref.slice()
    if (child.extension.length > 0)
      ref = known !== null && equalBytes(known.path, below) ? known.ref : refOfBranch(this.#source.branch(below))
    if (there !== undefined) there.made = { path: below, ref }
    return putBranch(through, ref, out, outAt)
  }

  #putLastLeaf(open: Open, out: Uint8Array, outAt: number): number {
    const key = open.out.slice(open.lastAt + 1, open.lastAt + 1 + KEY_BYTES)
    const known = this.#all.find(key, 0)
    if (known >= 0 && !this.#all.isRemoval(known)) return putLeafOf(this.#all, known, open.depth, out, outAt)
    const value = this.#source.leaf(key)
    return putLeaf(key, 0, open.depth, value, 0, value.length, out, outAt)
  }

  /** The prefix, the first `depth` nibbles of a key, and those that follow. */
  #pathOf(keys: Uint8Array, keyAt: number, depth: number, rest: Uint8Array): Uint8Array {
    const at = this.#prefix.length
    const out = new Uint8Array(at + depth + rest.length)
    for (let i = 0; i < at; i++) out[i] = this.#prefix[i] as number
    for (let i = 0; i < depth; i++) out[at + i] = nibbleOf(keys, keyAt, i)
    for (let i = 0; i < rest.length; i++) out[at + depth + i] = rest[i] as number
    return out
  }
}

/** Children stay as they were up to that nibble. */
const keepUpTo = (open: Open, nibble: number): void => {
  const { packed, readAt: from, end } = open
  let at = from
  for (let n = open.nibble; n < nibble; n++) {
    if (packed[at] !== 0) {
      open.live++
      open.last = n
      open.lastAt = end + at - from
    }
    at = childEnd(packed, at)
  }
  copyInto(open.out, end, packed, from, at)
  open.end = end + at - from
  open.readAt = at
  open.nibble = nibble
}
/** Something was written in place of the next child, up to `end`. */
const taken = (open: Open, end: number): void => {
  if (open.out[open.end] !== 0) {
    open.live++
    open.last = open.nibble
    open.lastAt = open.end
  }
  open.end = end
  open.readAt = childEnd(open.packed, open.readAt)
  open.nibble++
}

/** Writes a branch's ref to `out` at `at`; answers the end. */
const putBranchRef = (packed: Uint8Array, out: Uint8Array, outAt: number): number => {
  const room = hashRoom
  let end = 3
  for (let n = 0, at = 0; n < 16; n++) {
    const kind = packed[at] as number
    if (kind === 0) {
      room[end++] = 0x80
      at++
      continue
    }
    const refAt = kind === 1 ? at + 1 + KEY_BYTES : at + 2 + (packed[at + 1] as number)
    at = refAt + 1 + (packed[refAt] as number)
    for (let i = refAt + 1; i < at; i++) room[end++] = packed[i] as number
  }
  room[end++] = 0x80
  return refHere(headerBefore(room, end), end, out, outAt)
}
const refOfBranch = (packed: Uint8Array): Uint8Array => {
  const out = new Uint8Array(REF_MAX_BYTES)
  return out.subarray(0, putBranchRef(packed, out, 0))
}

/** Puts a list's header before its items, which begin at byte 3; answers where it begins. */
export const headerBefore = (out: Uint8Array, end: number): number => {
  const size = end - 3
  const from = size < 56 ? 2 : size < 256 ? 1 : 0
  out[from] = size < 56 ? 0xc0 + size : size < 256 ? 0xf8 : 0xf9
  if (size >= 256) out[1] = size >> 8
  if (size >= 56) out[2] = size
  return from
}

/** The first change below the branch with another nibble than that at `from`. */
const runEnd = ({ changes: { keys }, place, to }: Open, from: number): number => {
  const nibble = nibbleOf(keys, KEY_BYTES * from, place)
  let end = from + 1
  while (end < to && nibbleOf(keys, KEY_BYTES * end, place) === nibble) end++
  return end
}
const firstRemoval = (changes: Leaves, from: number, to: number): number => {
  let at = from
  while (at < to && !changes.isRemoval(at)) at++
  return at
}
/** Of two keys, behind the first `depth`. */
const sharedNibbles = ({ keys }: Leaves, a: number, b: number, depth: number): number => {
  let n = 0
  while (nibbleOf(keys, KEY_BYTES * a, depth + n) === nibbleOf(keys, KEY_BYTES * b, depth + n)) n++
  return n
}

const childEnd = (packed: Uint8Array, at: number): number => {
  const kind = packed[at]
  if (kind === 0) return at + 1
  const refAt = kind === 1 ? at + 1 + KEY_BYTES : at + 2 + (packed[at + 1] as number)
  const end = refAt + 1 + (packed[refAt] as number)
  assert((kind === 1 || kind === 2) && end <= packed.length, 'a packed trie node is whole')
  return end
}

/** A branch that hangs by these nibbles, packed. */
const putBranch = (extension: Uint8Array, ref: Uint8Array, out: Uint8Array, at: number): number =>
  packInto(out, at, {
    kind: 'branch',
    extension,
    ref: extension.length === 0 ? ref : refOf(extensionRlp(extension, ref)),
  })

/** A changed leaf, packed; nothing where it is removed. */
const putLeafOf = (changes: Leaves, i: number, depth: number, out: Uint8Array, at: number): number => {
  if (!changes.isRemoval(i))
    return putLeaf(changes.keys, KEY_BYTES * i, depth, changes.values, changes.from(i), changes.end(i), out, at)
  out[at] = 0
  return at + 1
}
/** The RLP of short leaves is made where it is hashed: one of 75,000 of a full block. The value lies at `values[from, to)`. */
const putLeaf = (
  keys: Uint8Array,
  keyAt: number,
  depth: number,
  values: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  outAt: number,
): number => {
  out[outAt] = 1
  for (let i = 0; i < KEY_BYTES; i++) out[outAt + 1 + i] = keys[keyAt + i] as number
  const refAt = outAt + 2 + KEY_BYTES
  const valueBytes = to - from
  const pathBytes = 33 - ((depth + 1) >> 1)
  let end: number
  if (valueBytes > 255 || valueBytes === 1 || pathBytes === 1) {
    const rlp = leafRlp(keys.subarray(keyAt, keyAt + KEY_BYTES), depth, values.subarray(from, to))
    end = refInto(rlp, out, refAt)
  } else {
    const room = hashRoom
    let at = 3
    room[at++] = 0x80 + pathBytes
    room[at++] = depth & 1 ? 0x30 | nibbleOf(keys, keyAt, depth) : 0x20
    for (let i = (depth + 1) >> 1; i < KEY_BYTES; i++) room[at++] = keys[keyAt + i] as number
    if (valueBytes < 56) room[at++] = 0x80 + valueBytes
    else {
      room[at++] = 0xb8
      room[at++] = valueBytes
    }
    for (let i = from; i < to; i++) room[at++] = values[i] as number
    end = refHere(headerBefore(room, at), at, out, refAt)
  }
  out[refAt - 1] = end - refAt
  return end
}

/** Proof nodes from the root to `key`: the path Ethereum's `eth_getProof` shows, whether or not the key is there. */
export function proveKey(root: Child, key: Uint8Array, source: TrieSource): readonly Uint8Array[] {
  const nodes: Uint8Array[] = []
  const add = (rlp: Uint8Array, depth: number): void => {
    if (depth === 0 || rlp.length >= 32) nodes.push(rlp)
  }
  const nibbles = nibblesOf(key)
  let child = root
  let depth = 0
  while (child !== null) {
    if (child.kind === 'leaf') {
      add(leafRlp(child.key, depth, source.leaf(child.key)), depth)
      break
    }
    const { extension } = child
    const branch = unpackBranch(source.branch(concat(nibbles.subarray(0, depth), extension)))
    const rlp = branchRlp(branch)
    if (extension.length > 0) add(extensionRlp(extension, refOf(rlp)), depth)
    if (compareBytes(extension, nibbles.subarray(depth, depth + extension.length)) !== 0) break
    depth += extension.length
    add(rlp, depth)
    child = branch[nibbles[depth] as number] ?? null
    depth++
  }
  return nodes
}

const nothing = (): Uint8Array => {
  assert(false, 'a trie made at once reads nothing')
}
const NO_SOURCE: TrieSource = { branch: nothing, leaf: nothing }

/** Root of a whole trie from its leaves, storing nothing: for checks. */
export function rootFromLeaves(leaves: Leaves): Hash {
  const steps = updateTrie(null, leaves, NO_SOURCE, () => {})
  for (;;) {
    const step = steps.next()
    if (step.done === true) return rootOf(step.value)
  }
}
