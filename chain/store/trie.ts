// Ethereum's Merkle-Patricia trie over 32-byte keys, updated in batches: one descent over sorted changes, each touched node
// hashed once. Owns node encoding and restructuring. Only branches are stored, packed, under the path where they stand; a
// branch holds what its children need to be found and hashed. Values stay in the flat tables, which lend them by key.
import { compareBytes, concat, type Hash } from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'

/** What a parent says of a child: a leaf by its whole key, a branch by the nibbles between; and how the parent's RLP names it. */
export type Child =
  | { readonly kind: 'leaf'; readonly key: Uint8Array; readonly ref: Uint8Array }
  | { readonly kind: 'branch'; readonly extension: Uint8Array; readonly ref: Uint8Array }
  | null
type Branch = readonly Child[]

export interface LeafChange {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** What the leaf commits to (RLP); null removes it. */
  readonly value: Uint8Array | null
}

/** Where branches and unchanged leaf values come from. Paths are nibbles, one a byte. */
export interface TrieSource {
  branch(path: Uint8Array): Uint8Array
  leaf(key: Uint8Array): Uint8Array
}
/** Branches to write; null removes. Later entries of a path win. */
export type BranchWrites = Map<string, { readonly path: Uint8Array; readonly packed: Uint8Array | null }>

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

/** A node as its parent names it: itself where it is short, else its hash as an RLP string. */
const refOf = (rlp: Uint8Array): Uint8Array => (rlp.length < 32 ? rlp : concat(HASH_PREFIX, keccak(rlp)))
const HASH_PREFIX = Uint8Array.of(0xa0)

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
const EMPTY_STRING = Uint8Array.of(0x80)

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

const packBranch = (branch: Branch): Uint8Array => {
  let size = 0
  for (const child of branch) size += packedSize(child)
  const out = new Uint8Array(size)
  let at = 0
  for (const child of branch) at = packInto(out, at, child)
  return out
}
export const unpackBranch = (bytes: Uint8Array): Branch => {
  const branch: Child[] = []
  for (let at = 0; branch.length < 16; ) {
    const { child, end } = unpackChildAt(bytes, at)
    branch.push(child)
    at = end
  }
  return branch
}

/** Puts sorted, distinct changes into the trie with this root; answers the new root and records the branches to write. */
export function updateTrie(
  root: Child,
  changes: readonly LeafChange[],
  source: TrieSource,
  writes: BranchWrites,
): Child {
  for (let i = 1; i < changes.length; i++)
    assert(compareBytes((changes[i - 1] as LeafChange).key, (changes[i] as LeafChange).key) < 0, 'changes are sorted')
  return new Update(source, writes).apply(root, new Uint8Array(0), changes)
}

class Update {
  readonly #source: TrieSource
  readonly #writes: BranchWrites
  constructor(source: TrieSource, writes: BranchWrites) {
    this.#source = source
    this.#writes = writes
  }

  /** `path` is where the child hangs: after its parent's nibble. */
  apply(child: Child, path: Uint8Array, changes: readonly LeafChange[]): Child {
    if (changes.length === 0) return child
    if (child === null)
      return this.#build(
        path,
        changes.filter((change) => change.value !== null),
      )
    if (child.kind === 'leaf') return this.#build(path, this.#withLeaf(child.key, changes))
    return this.#applyBelow(child, path, changes)
  }

  #withLeaf(key: Uint8Array, changes: readonly LeafChange[]): readonly LeafChange[] {
    const live = changes.filter((change) => change.value !== null)
    if (changes.some((change) => compareBytes(change.key, key) === 0)) return live
    return [...live, { key, value: this.#source.leaf(key) }].sort((a, b) => compareBytes(a.key, b.key))
  }

  #applyBelow(child: Child & { kind: 'branch' }, path: Uint8Array, changes: readonly LeafChange[]): Child {
    const { extension } = child
    const from = path.length
    const shared = (key: Uint8Array): number => {
      let at = 0
      while (at < extension.length && nibbleAt(key, from + at) === extension[at]) at++
      return at
    }
    // Removing what is not there changes nothing.
    const real = changes.filter(({ key, value }) => value !== null || shared(key) === extension.length)
    const first = real[0]
    const last = real.at(-1)
    const place = concat(path, extension)
    if (first === undefined || last === undefined) return child
    const common = Math.min(shared(first.key), shared(last.key))
    if (common === extension.length) return this.#descend(path, extension, this.#load(place), real)
    const upper: Child[] = new Array<Child>(16).fill(null)
    upper[extension[common] as number] = branchChild(extension.subarray(common + 1), this.#load(place))
    return this.#descend(path, extension.subarray(0, common), upper, real)
  }

  /** Applies changes to the children of the branch that stands after `extension`. */
  #descend(path: Uint8Array, extension: Uint8Array, branch: Branch, changes: readonly LeafChange[]): Child {
    const place = concat(path, extension)
    const next = [...branch]
    for (let i = 0; i < changes.length; ) {
      const nibble = nibbleAt((changes[i] as LeafChange).key, place.length)
      let end = i + 1
      while (end < changes.length && nibbleAt((changes[end] as LeafChange).key, place.length) === nibble) end++
      next[nibble] = this.apply(next[nibble] ?? null, concat(place, Uint8Array.of(nibble)), changes.slice(i, end))
      i = end
    }
    return this.#settle(path, extension, next)
  }

  /** A branch of two children or more stays; one child takes its place, none leaves nothing. */
  #settle(path: Uint8Array, extension: Uint8Array, branch: Branch): Child {
    const place = concat(path, extension)
    const live = branch.flatMap((child, nibble) => (child === null ? [] : [{ child, nibble }]))
    const only = live[0]
    if (live.length > 1) {
      this.#write(place, packBranch(branch))
      return branchChild(extension, branch)
    }
    this.#write(place, null)
    if (only === undefined) return null
    const { child, nibble } = only
    if (child.kind === 'leaf') return leafChild(child.key, path.length, this.#source.leaf(child.key))
    const through = concat(extension, Uint8Array.of(nibble), child.extension)
    return branchChild(through, this.#load(concat(path, through)))
  }

  #build(path: Uint8Array, leaves: readonly LeafChange[]): Child {
    const first = leaves[0]
    const last = leaves.at(-1)
    if (first === undefined || last === undefined) return null
    if (leaves.length === 1) return leafChild(first.key, path.length, first.value ?? new Uint8Array(0))
    let end = path.length
    while (nibbleAt(first.key, end) === nibbleAt(last.key, end)) end++
    const extension = nibblesOf(first.key).subarray(path.length, end)
    return this.#descend(path, extension, new Array<Child>(16).fill(null), leaves)
  }

  #load(place: Uint8Array): Branch {
    const written = this.#writes.get(pathKey(place))
    if (written === undefined) return unpackBranch(this.#source.branch(place))
    assert(written.packed !== null, 'a removed branch is not read')
    return unpackBranch(written.packed)
  }
  #write(place: Uint8Array, packed: Uint8Array | null): void {
    this.#writes.set(pathKey(place), { path: place, packed })
  }
}

const branchChild = (extension: Uint8Array, branch: Branch): Child => {
  const own = refOf(branchRlp(branch))
  return { kind: 'branch', extension, ref: extension.length === 0 ? own : refOf(extensionRlp(extension, own)) }
}

const leafChild = (key: Uint8Array, depth: number, value: Uint8Array): Child => ({
  kind: 'leaf',
  key,
  ref: refOf(leafRlp(key, depth, value)),
})

/** `apply` takes any array-like, and is several times as fast as spreading; its type does not say so. */
const pathKey = (path: Uint8Array): string => String.fromCharCode.apply(null, path as unknown as number[])

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
  // In the order of their RLP: 1 to 127 are one byte, 0 is 0x80, and longer ones follow by length and value.
  const order = Array.from({ length: count }, (_, i) => i)
  order.splice(Math.min(127, count - 1), 0, ...order.splice(0, 1))
  const entries: Ordered[] = []
  for (const index of order) {
    entries.push({ nibbles: nibblesOf(index === 0 ? EMPTY_STRING : encodeRlp(rlpInt(index))), index })
    if (entries.length % 4_096 === 0) yield
  }
  const ref = yield* orderedRef({ entries, valueAt }, 0, 0, count)
  return ref.length === 33 ? (ref.slice(1) as Hash) : keccak(ref) // as in rootOf
}

interface Ordered {
  readonly nibbles: Uint8Array
  readonly index: number
}
interface OrderedTrie {
  readonly entries: readonly Ordered[]
  readonly valueAt: (index: number) => Uint8Array
}
const PAUSE_ENTRIES = 512

/** No index's RLP is a prefix of another's, so no value ever stands in a branch. */
function* orderedRef(trie: OrderedTrie, depth: number, from: number, to: number): Generator<void, Uint8Array> {
  const { entries } = trie
  const first = entries[from] as Ordered
  if (to - from === 1)
    return refOf(encodeRlp([hexPrefix(first.nibbles.subarray(depth), true), trie.valueAt(first.index)]))
  const last = entries[to - 1] as Ordered
  let end = depth
  while (first.nibbles[end] === last.nibbles[end]) end++
  const items: Uint8Array[] = new Array<Uint8Array>(17).fill(EMPTY_STRING)
  for (let i = from; i < to; ) {
    const nibble = (entries[i] as Ordered).nibbles[end] as number
    let stop = i + 1
    while (stop < to && (entries[stop] as Ordered).nibbles[end] === nibble) stop++
    items[nibble] = yield* orderedRef(trie, end + 1, i, stop)
    i = stop
  }
  if (to - from >= 16 && to - from <= PAUSE_ENTRIES) yield
  const own = refOf(listOf(items))
  return end === depth ? own : refOf(extensionRlp(first.nibbles.subarray(depth, end), own))
}

/** Root of a whole trie from its sorted leaves, storing nothing: for checks. */
export function rootFromLeaves(leaves: readonly LeafChange[]): Hash {
  return rootOf(updateTrie(null, leaves, NO_SOURCE, new Map()))
}
