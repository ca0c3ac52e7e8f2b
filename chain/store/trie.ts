// Ethereum's Merkle-Patricia trie over 32-byte keys, updated in batches: one descent over sorted changes, each touched node
// hashed once. Owns node encoding and restructuring. Only branches are stored, packed, under the path where they stand; a
// branch holds what its children need to be found and hashed. Values stay in the flat tables, which lend them by key.
import { compareBytes, concat, equalBytes, type Hash } from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import { hashRoom, keccakHere } from '../base/keccak.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'

/** What a parent says of a child: a leaf by its whole key, a branch by the nibbles between; and how the parent's RLP names it. */
export type Child =
  | { readonly kind: 'leaf'; readonly key: Uint8Array; readonly ref: Uint8Array }
  | {
      readonly kind: 'branch'
      readonly extension: Uint8Array
      readonly ref: Uint8Array
      /** What was made in this update is not read. */
      readonly packed?: Uint8Array
    }
  | null
type Branch = readonly Child[]

export interface LeafChange {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** What the leaf commits to (RLP); null removes it. */
  readonly value: Uint8Array | null
}

/** Where branches and unchanged leaf values come from. Paths are nibbles, one a byte, behind the trie's own prefix where it has one. */
export interface TrieSource {
  branch(path: Uint8Array): Uint8Array
  leaf(key: Uint8Array): Uint8Array
}
/** Takes a branch, each path once; null removes it. Answers its copy, for what comes is overwritten. `was`: what the source gave there, if it did. */
export type BranchSink = (path: Uint8Array, packed: Uint8Array | null, was: Uint8Array) => Uint8Array | null

export const nibblesOf = (key: Uint8Array): Uint8Array => {
  const out = new Uint8Array(key.length * 2)
  for (let i = 0; i < key.length; i++) {
    out[2 * i] = (key[i] as number) >> 4
    out[2 * i + 1] = (key[i] as number) & 15
  }
  return out
}
const nibbleAt = (key: Uint8Array, at: number): number =>
  at & 1 ? (key[at >> 1] as number) & 15 : (key[at >> 1] as number) >> 4

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

const REF_BYTES = 33
/** Names of nodes lie side by side: an array of its own costs several times as much as a view. */
let refs = new Uint8Array(0)
let refsUsed = 0
const newRef = (sizeBytes: number): Uint8Array => {
  if (refsUsed + sizeBytes > refs.length) {
    refs = new Uint8Array(256 * REF_BYTES)
    refsUsed = 0
  }
  refsUsed += sizeBytes
  return refs.subarray(refsUsed - sizeBytes, refsUsed)
}

/** A node as its parent names it: itself where it is short, else its hash as an RLP string. Its RLP lies in `hashRoom[from, to)`. */
const refHere = (from: number, to: number): Uint8Array => {
  if (to - from < 32) {
    const out = newRef(to - from)
    for (let i = from; i < to; i++) out[i - from] = hashRoom[i] as number
    return out
  }
  const out = newRef(REF_BYTES)
  out[0] = 0xa0
  keccakHere(from, to, out, 1)
  return out
}
/** The same of any node. */
const refOf = (rlp: Uint8Array): Uint8Array => {
  if (rlp.length < 32) return rlp.slice()
  const out = newRef(REF_BYTES)
  out[0] = 0xa0
  out.set(keccak(rlp), 1)
  return out
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
 * Puts sorted, distinct changes into the trie with this root; answers the new root and hands out the branches to write. Yields where
 * a caller may pause, after some hundred leaves. Below the root where a depth is given, which all keys have the same nibbles up to.
 */
export function* updateTrie(
  root: Child,
  changes: readonly LeafChange[],
  source: TrieSource,
  sink: BranchSink,
  prefix: Uint8Array = NO_NIBBLES,
  depth = 0,
): Generator<void, Child> {
  for (let i = 1; i < changes.length; i++)
    assert(compareBytes((changes[i - 1] as LeafChange).key, (changes[i] as LeafChange).key) < 0, 'changes are sorted')
  return yield* new Update(source, sink, prefix).paced(root, depth, changes, 0, changes.length)
}

/** Leaves between two pauses: some milliseconds. */
const PAUSE_LEAVES = 512
/** Longer than any branch's RLP, 532 bytes, and than any packed one's: 16 children of 33 and 34 bytes, or of up to 64 nibbles. */
const SCRATCH_BYTES = 2_048
const NO_CHILDREN = new Uint8Array(16)
const NO_NIBBLES = new Uint8Array(0)

/** A branch whose children are changing, at one depth of the descent. */
interface Open {
  /** As it was, and where each child begins in it. */
  packed: Uint8Array
  readonly starts: Uint16Array
  /** What takes the place of children; undefined where they stay. */
  readonly next: (Child | undefined)[]
  /** What is left of the changes, all below it: those from `from` to `to`. */
  changes: readonly LeafChange[]
  from: number
  to: number
  /** Where it hangs, and how far down it stands. */
  depth: number
  place: number
  /** With the prefix; null until it is asked for. */
  path: Uint8Array | null
}

class Update {
  readonly #source: TrieSource
  readonly #sink: BranchSink
  readonly #prefix: Uint8Array
  /** By depth: the descent is in one branch of each. */
  readonly #open: Open[] = []
  readonly #scratch = new Uint8Array(SCRATCH_BYTES)
  constructor(source: TrieSource, sink: BranchSink, prefix: Uint8Array) {
    this.#source = source
    this.#sink = sink
    this.#prefix = prefix
  }

  *paced(
    child: Child,
    depth: number,
    changes: readonly LeafChange[],
    from: number,
    to: number,
  ): Generator<void, Child> {
    if (to - from <= PAUSE_LEAVES) {
      const done = this.#apply(child, depth, changes, from, to)
      yield
      return done
    }
    const open = this.#enter(child, depth, changes, from, to)
    if (open === undefined) return this.#leftOf(child, depth, changes.slice(from, to))
    for (let i = open.from; i < open.to; ) {
      const nibble = nibbleAt((open.changes[i] as LeafChange).key, open.place)
      const end = runEnd(open, i)
      open.next[nibble] = yield* this.paced(childOf(open, nibble), open.place + 1, open.changes, i, end)
      i = end
    }
    return this.#settle(open)
  }

  #apply(child: Child, depth: number, changes: readonly LeafChange[], from: number, to: number): Child {
    const only = changes[from] as LeafChange // there is a change
    if (to - from === 1 && (child === null || (child.kind === 'leaf' && equalBytes(child.key, only.key))))
      return only.value === null ? null : leafChild(only.key, depth, only.value)
    const open = this.#enter(child, depth, changes, from, to)
    return open === undefined ? this.#leftOf(child, depth, changes.slice(from, to)) : this.#applyIn(open)
  }

  #applyIn(open: Open): Child {
    const { packed, starts, place } = open
    for (let i = open.from; i < open.to; ) {
      const change = open.changes[i] as LeafChange
      const nibble = nibbleAt(change.key, place)
      const end = runEnd(open, i)
      const at = starts[nibble] as number
      // Nearly always one leaf takes the place of its older self, or a branch stands right below: neither is unpacked.
      const isAsItWas = open.next[nibble] === undefined
      if (isAsItWas && packed[at] === 1 && end - i === 1 && isKeyAt(packed, at + 1, change.key))
        open.next[nibble] = change.value === null ? null : leafChild(change.key, place + 1, change.value)
      else if (isAsItWas && packed[at] === 2 && packed[at + 1] === 0) {
        const path = this.#pathOf(change.key, place + 1, NO_NIBBLES)
        const below = this.#source.branch(path)
        open.next[nibble] = this.#applyIn(this.#openAt(place + 1, place + 1, below, open.changes, i, end, path))
      } else open.next[nibble] = this.#apply(childOf(open, nibble), place + 1, open.changes, i, end)
      i = end
    }
    return this.#settle(open)
  }

  /** Where there is no branch to change: nothing was changed, or at most one leaf is left. */
  #leftOf(child: Child, depth: number, changes: readonly LeafChange[]): Child {
    if (child !== null && child.kind === 'branch') return child
    const only = this.#leavesOf(child, changes)[0]
    return only === undefined || only.value === null ? null : leafChild(only.key, depth, only.value)
  }

  /** The branch that stands for `child` once the changes are in it; undefined where there is none to change. */
  #enter(child: Child, depth: number, changes: readonly LeafChange[], from: number, to: number): Open | undefined {
    if (child !== null && child.kind === 'branch') return this.#enterBranch(child, depth, changes, from, to)
    const leaves = this.#leavesOf(child, changes.slice(from, to))
    const [first, last] = [leaves[0], leaves[leaves.length - 1]]
    if (first === undefined || last === undefined || first === last) return undefined
    let place = depth
    while (nibbleAt(first.key, place) === nibbleAt(last.key, place)) place++
    return this.#openAt(depth, place, NO_CHILDREN, leaves, 0, leaves.length, null)
  }

  /** Leaves that stand after the changes where there was at most one. */
  #leavesOf(child: (Child & { kind: 'leaf' }) | null, changes: readonly LeafChange[]): readonly LeafChange[] {
    const live = changes.every(({ value }) => value !== null) ? changes : changes.filter(({ value }) => value !== null)
    if (child === null || changes.some(({ key }) => compareBytes(key, child.key) === 0)) return live
    return [...live, { key: child.key, value: this.#source.leaf(child.key) }].sort((a, b) => compareBytes(a.key, b.key))
  }

  #enterBranch(
    child: Child & { kind: 'branch' },
    depth: number,
    all: readonly LeafChange[],
    from: number,
    to: number,
  ): Open | undefined {
    const { extension } = child
    let [changes, start, end] = [all, from, to]
    const shared = (key: Uint8Array): number => {
      let at = 0
      while (at < extension.length && nibbleAt(key, depth + at) === extension[at]) at++
      return at
    }
    // Removing what is not there changes nothing.
    const isVain = ({ key, value }: LeafChange): boolean => value === null && shared(key) < extension.length
    if (extension.length > 0) {
      const real = all.slice(from, to).filter((change) => !isVain(change))
      ;[changes, start, end] = [real, 0, real.length]
    }
    const [first, last] = [changes[start], changes[end - 1]]
    if (start === end || first === undefined || last === undefined) return undefined
    const place = depth + extension.length
    const common = Math.min(shared(first.key), shared(last.key))
    const path = this.#pathOf(first.key, depth, extension)
    const packed = child.packed ?? this.#source.branch(path)
    if (common === extension.length) return this.#openAt(depth, place, packed, changes, start, end, path)
    const open = this.#openAt(depth, depth + common, NO_CHILDREN, changes, start, end, null)
    open.next[extension[common] as number] = this.#branchChild(extension.slice(common + 1), packed)
    return open
  }

  #openAt(
    depth: number,
    place: number,
    packed: Uint8Array,
    changes: readonly LeafChange[],
    from: number,
    to: number,
    path: Uint8Array | null,
  ): Open {
    let open = this.#open[place]
    if (open === undefined) {
      open = { packed, starts: new Uint16Array(17), next: new Array(16), changes, from, to, depth, place, path }
      this.#open[place] = open
    }
    open.packed = packed
    open.changes = changes
    open.from = from
    open.to = to
    open.depth = depth
    open.path = path
    open.next.fill(undefined)
    for (let n = 0, at = 0; n < 16; n++) {
      open.starts[n] = at
      at = childEnd(packed, at)
      open.starts[n + 1] = at
    }
    return open
  }

  /** A branch of two children or more stays; one child takes its place, none leaves nothing. */
  #settle(open: Open): Child {
    const { packed, starts, next, depth, place } = open
    let [live, last] = [0, 0]
    for (let n = 0; n < 16; n++) {
      const child = next[n]
      if (child === undefined ? packed[starts[n] as number] === 0 : child === null) continue
      live++
      last = n
    }
    const key = (open.changes[open.from] as LeafChange).key // a branch is entered with changes
    const path = open.path ?? this.#pathOf(key, place, NO_NIBBLES)
    const hangs = this.#prefix.length + depth
    if (live > 1) {
      const made = this.#sink(path, this.#pack(open), packed)
      assert(made !== null, 'a branch that was written is handed back')
      return this.#branchChild(place === depth ? NO_NIBBLES : path.subarray(hangs), made)
    }
    this.#sink(path, null, packed)
    if (live === 0) return null
    const child = childOf(open, last) as Exclude<Child, null> // it is alive
    if (child.kind === 'leaf') return leafChild(child.key.slice(), depth, this.#source.leaf(child.key))
    const through = concat(path.subarray(hangs), Uint8Array.of(last), child.extension)
    return this.#branchChild(through, child.packed ?? this.#source.branch(concat(path.subarray(0, hangs), through)))
  }

  /** In the scratch: whoever takes it copies it. */
  #pack({ packed, starts, next }: Open): Uint8Array {
    const out = this.#scratch
    let at = 0
    for (let n = 0; n < 16; n++) {
      const child = next[n]
      if (child !== undefined) at = packInto(out, at, child)
      else for (let i = starts[n] as number; i < (starts[n + 1] as number); i++) out[at++] = packed[i] as number
    }
    return out.subarray(0, at)
  }

  #branchChild(extension: Uint8Array, packed: Uint8Array): Child {
    const own = branchRef(packed)
    const ref = extension.length === 0 ? own : refOf(extensionRlp(extension, own))
    return { kind: 'branch', extension, ref, packed }
  }

  /** The prefix, the first `depth` nibbles of a key, and those that follow. */
  #pathOf(key: Uint8Array, depth: number, rest: Uint8Array): Uint8Array {
    const at = this.#prefix.length
    const out = new Uint8Array(at + depth + rest.length)
    for (let i = 0; i < at; i++) out[i] = this.#prefix[i] as number
    for (let i = 0; i < depth; i++) out[at + i] = nibbleAt(key, i)
    for (let i = 0; i < rest.length; i++) out[at + depth + i] = rest[i] as number
    return out
  }
}

const branchRef = (packed: Uint8Array): Uint8Array => {
  const out = hashRoom
  let end = 3
  for (let n = 0, at = 0; n < 16; n++) {
    const kind = packed[at] as number
    if (kind === 0) {
      out[end++] = 0x80
      at++
      continue
    }
    const refAt = kind === 1 ? at + 33 : at + 2 + (packed[at + 1] as number)
    at = refAt + 1 + (packed[refAt] as number)
    for (let i = refAt + 1; i < at; i++) out[end++] = packed[i] as number
  }
  out[end++] = 0x80
  return refHere(headerBefore(out, end), end)
}

/** Puts a list's header before its items, which begin at byte 3; answers where it begins. */
const headerBefore = (out: Uint8Array, end: number): number => {
  const size = end - 3
  const from = size < 56 ? 2 : size < 256 ? 1 : 0
  out[from] = size < 56 ? 0xc0 + size : size < 256 ? 0xf8 : 0xf9
  if (size >= 256) out[1] = size >> 8
  if (size >= 56) out[2] = size
  return from
}

const childOf = ({ packed, starts, next }: Open, nibble: number): Child => {
  const child = next[nibble]
  return child === undefined ? unpackChildAt(packed, starts[nibble] as number).child : child
}

/** The first change below the branch with another nibble than that at `from`. */
const runEnd = ({ changes, place, to }: Open, from: number): number => {
  const nibble = nibbleAt((changes[from] as LeafChange).key, place)
  let end = from + 1
  while (end < to && nibbleAt((changes[end] as LeafChange).key, place) === nibble) end++
  return end
}

const isKeyAt = (packed: Uint8Array, at: number, key: Uint8Array): boolean => {
  for (let i = 0; i < 32; i++) if (packed[at + i] !== key[i]) return false
  return true
}

const childEnd = (packed: Uint8Array, at: number): number => {
  const kind = packed[at]
  if (kind === 0) return at + 1
  const refAt = kind === 1 ? at + 33 : at + 2 + (packed[at + 1] as number)
  const end = refAt + 1 + (packed[refAt] as number)
  assert((kind === 1 || kind === 2) && end <= packed.length, 'a packed trie node is whole')
  return end
}

/** The RLP of short leaves is made where it is hashed: one of 75,000 of a full block. */
const leafChild = (key: Uint8Array, depth: number, value: Uint8Array): Child => {
  const pathBytes = 33 - ((depth + 1) >> 1)
  if (value.length > 255 || value.length === 1 || pathBytes === 1)
    return { kind: 'leaf', key, ref: refOf(leafRlp(key, depth, value)) }
  const out = hashRoom
  let at = 3
  out[at++] = 0x80 + pathBytes
  out[at++] = depth & 1 ? 0x30 | nibbleAt(key, depth) : 0x20
  for (let i = (depth + 1) >> 1; i < 32; i++) out[at++] = key[i] as number
  if (value.length < 56) out[at++] = 0x80 + value.length
  else {
    out[at++] = 0xb8
    out[at++] = value.length
  }
  for (let i = 0; i < value.length; i++) out[at++] = value[i] as number
  return { kind: 'leaf', key, ref: refHere(headerBefore(out, at), at) }
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

/**
 * Root of the trie of `count` values by RLP of their index: transactions and receipts roots. Asks for a value when it hashes
 * it, and yields where a caller may pause, after some hundred nodes.
 */
export function* orderedRoot(count: number, valueAt: (index: number) => Uint8Array): Generator<void, Hash> {
  if (count === 0) return EMPTY_ROOT
  const ref = yield* new Ordered(count, valueAt).paced(0, 0, count)
  return ref.length === 33 ? (ref.slice(1) as Hash) : keccak(ref) // as in rootOf
}

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

  *paced(depth: number, from: number, to: number): Generator<void, Uint8Array> {
    if (to - from <= PAUSE_ENTRIES) {
      const ref = this.#ref(depth, from, to)
      yield
      return ref
    }
    const place = this.#placeOf(depth, from, to)
    const branch = this.#branchAt(place)
    let [at, nibble] = [3, 0]
    for (let i = from; i < to; ) {
      const [next, end] = this.#runAt(place, i, to)
      at = writeEmpty(branch, at, next - nibble)
      at = writeRef(branch, at, yield* this.paced(place + 1, i, end))
      nibble = next + 1
      i = end
    }
    return this.#close(branch, at, nibble, { depth, place, from })
  }

  #ref(depth: number, from: number, to: number): Uint8Array {
    if (to - from === 1) return this.#leafRef(this.#indexAt(from), depth)
    const place = this.#placeOf(depth, from, to)
    const branch = this.#branchAt(place)
    let [at, nibble] = [3, 0]
    for (let i = from; i < to; ) {
      const [next, end] = this.#runAt(place, i, to)
      at = writeEmpty(branch, at, next - nibble)
      at = writeRef(branch, at, this.#ref(place + 1, i, end))
      nibble = next + 1
      i = end
    }
    return this.#close(branch, at, nibble, { depth, place, from })
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
  #runAt(place: number, from: number, to: number): readonly [number, number] {
    const nibble = indexNibble(this.#indexAt(from), place)
    let end = from + 1
    while (end < to && indexNibble(this.#indexAt(end), place) === nibble) end++
    return [nibble, end]
  }
  #close(
    branch: Uint8Array,
    at: number,
    nibble: number,
    { depth, place, from }: { readonly depth: number; readonly place: number; readonly from: number },
  ): Uint8Array {
    const end = writeEmpty(branch, at, 17 - nibble)
    const own = refOf(branch.subarray(headerBefore(branch, end), end))
    if (place === depth) return own
    const extension = Uint8Array.from({ length: place - depth }, (_, i) => indexNibble(this.#indexAt(from), depth + i))
    return refOf(extensionRlp(extension, own))
  }

  #leafRef(index: number, depth: number): Uint8Array {
    const value = this.#valueAt(index)
    const left = nibbleCount(index) - depth
    const pathBytes = (left >> 1) + 1
    if (value.length < 56 || value.length > ROOM_LEAF_BYTES) {
      const path = Uint8Array.from({ length: left }, (_, i) => indexNibble(index, depth + i))
      return refOf(encodeRlp([hexPrefix(path, true), value]))
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
    return refHere(headerBefore(out, end), end)
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
const writeRef = (out: Uint8Array, at: number, ref: Uint8Array): number => {
  out.set(ref, at)
  return at + ref.length
}

/** Root of a whole trie from its sorted leaves, storing nothing: for checks. */
export function rootFromLeaves(leaves: readonly LeafChange[]): Hash {
  const steps = updateTrie(null, leaves, NO_SOURCE, (_path, packed) => packed?.slice() ?? null)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return rootOf(step.value)
  }
}
