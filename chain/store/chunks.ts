// Pieces of the state after one block: all that hangs at one place of a trie, which is a range of hashed keys, with the trie's nodes on the
// way there. Owns how one is made out of a store, while later blocks are written, and how it is checked by itself against the state root;
// where too much hangs at a place, the piece shows the branch that stands there, whose places are pieces of their own. Code is by its hash.
import { type Address, asAddress, bytesToHex, compareBytes, concat, equalBytes, type Hash } from '../base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY, keccak } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import type { Kv, Pause } from '../base/ports.ts'
import { asBytes, asList, asNumber, decodeSparseRlp, encodeRlp, type Rlp, rlpInt } from '../base/rlp.ts'
import { provenAccount, provenPlace, type Ref } from '../types/proof.ts'
import { accountLeaf, codeHashOf, isAccount, storageRootOf } from './account.ts'
import { ACCOUNTS, after, openTables, readMeta, type Tables, trieAt } from './layout.ts'
import { type LeafChange, leavesOf } from './leaves.ts'
import { slotLeaf } from './slot.ts'
import {
  branchRlp,
  type Child,
  extensionRlp,
  joinBranch,
  proveKey,
  rootOf,
  type TrieSource,
  unpackBranch,
  updateTrie,
} from './trie.ts'
import { contentOf, heightOf } from './versions.ts'

export const ChunkErrors = defineErrors('CHUNK', {
  FALSE: {
    text: (d: { place: string; reason: string }) =>
      `the piece of the state at ${d.place} is not what its root says: ${d.reason}`,
  },
})

/** Where a piece hangs: in the account trie, or in the trie of an account's storage, at these nibbles. */
export interface Place {
  readonly owner: Address | null
  readonly path: Uint8Array
}

interface ChunkSizes {
  /** What has more accounts and slots is divided. */
  readonly chunkBytes: number
  /** Storage up to here goes with its account; what is more has pieces of its own. */
  readonly inlineBytes: number
}
/** Some 30 ms of checking, and little to fetch again when it was in vain. */
const SIZES: ChunkSizes = { chunkBytes: 256 * 1024, inlineBytes: 8 * 1024 }
/** What encodes to more is refused: what fits, with the slots of one account more, the way there and what RLP adds. */
const CHUNK_MAX_BYTES = 512 * 1024
/** Nobody's state has a place deeper than that which needs to be divided: 16^10 of them. */
export const PATH_MAX = 12

/** The hashed key that the trie has an owner's nodes under. */
export const ownerKey = ({ owner }: Pick<Place, 'owner'>): Uint8Array => (owner === null ? ACCOUNTS : keccak(owner))

export const placeName = ({ owner, path }: Place): string =>
  `${owner === null ? 'accounts' : `storage of ${bytesToHex(owner)}`}/${[...path].map((n) => n.toString(16)).join('')}`

// Making one.

const KINDS = { split: 0, accounts: 1, slots: 2 } as const

/** As RLP; null where this store has not all that is needed for this height and place. */
export async function makeChunk(
  { kv, pause }: { readonly kv: Kv; readonly pause: Pause },
  height: number,
  place: Place,
  sizes: ChunkSizes = SIZES,
): Promise<Uint8Array | null> {
  if (!isKept(kv, height)) return null
  try {
    const made = await new Maker({ kv, pause }, height, place, sizes).make()
    // What was forgotten meanwhile is missing in it.
    return isKept(kv, height) ? made : null
  } catch (error) {
    if (isKept(kv, height)) throw error
    return null
  }
}

const isKept = (kv: Kv, height: number): boolean => {
  const meta = readMeta(kv)
  return meta !== null && height <= meta.height && height >= Math.max(meta.lowest.state, meta.lowest.proofs)
}

/** Entries between two pauses. */
const SLICE = 512

class Maker {
  readonly #kv: Kv
  readonly #height: number
  readonly #place: Place
  readonly #pause: Pause
  readonly #sizes: ChunkSizes
  readonly #tables: Tables
  #seen = 0

  constructor(
    { kv, pause }: { readonly kv: Kv; readonly pause: Pause },
    height: number,
    place: Place,
    sizes: ChunkSizes,
  ) {
    this.#kv = kv
    this.#height = height
    this.#place = place
    this.#pause = pause
    this.#sizes = sizes
    this.#tables = openTables(kv)
  }

  async make(): Promise<Uint8Array | null> {
    const { owner, path } = this.#place
    const key = ownerKey(this.#place)
    const accounts = trieAt(this.#tables, this.#height, ACCOUNTS)
    const trie = owner === null ? accounts : trieAt(this.#tables, this.#height, key)
    const way = walk(trie, path)
    if (way === null) return null
    const ownerProof = owner === null ? [] : proveKey(accounts.root, key, accounts.source)
    const head = [owner ?? new Uint8Array(0), path, ownerProof] as const
    const items = owner === null ? await this.#accounts(path) : await this.#slots(key, path, this.#sizes.chunkBytes)
    if (items !== null)
      return encodeRlp([...head, way.nodes, rlpInt(owner === null ? KINDS.accounts : KINDS.slots), items])
    const branch = walk(trie, path, 'with the branch')
    return branch === null ? null : encodeRlp([...head, branch.nodes, rlpInt(KINDS.split), []])
  }

  async *#range(table: 'accounts' | 'slots', owner: Uint8Array, path: Uint8Array) {
    const stored = this.#tables[table]
    const [from, to] = boundsOf(path)
    const [low, high] = [
      stored.stored(concat(owner, from)),
      to === null ? after(stored.stored(owner)) : stored.stored(concat(owner, to)),
    ]
    for await (const [at, sealed] of this.#kv.entries(low, high)) {
      if (++this.#seen % SLICE === 0) await this.#pause()
      const version = stored.decode(at, sealed)
      const value = heightOf(version) <= this.#height ? contentOf(version) : stored.at(at.subarray(1), this.#height)
      if (value !== null) yield value
    }
  }

  /** null where they are too many. */
  async #accounts(path: Uint8Array): Promise<Rlp[] | null> {
    const items: Rlp[] = []
    let sizeBytes = 0
    for await (const stored of this.#range('accounts', new Uint8Array(0), path)) {
      sizeBytes += stored.length + 2
      if (equalBytes(storageRootOf(stored), EMPTY_ROOT)) items.push(stored)
      else {
        const slots = await this.#slots(keccak(stored.subarray(0, 20)), new Uint8Array(0), this.#sizes.inlineBytes)
        sizeBytes += slots?.reduce((sum, slot) => sum + slot.length + 2, 4) ?? 4
        items.push(slots === null ? [stored] : [stored, slots])
      }
      if (sizeBytes > this.#sizes.chunkBytes && items.length > 1) return null
    }
    return items
  }
  async #slots(owner: Uint8Array, path: Uint8Array, maxBytes: number): Promise<Uint8Array[] | null> {
    const items: Uint8Array[] = []
    let sizeBytes = 0
    for await (const stored of this.#range('slots', owner, path)) {
      sizeBytes += stored.length + 2
      if (sizeBytes > maxBytes && items.length > 0) return null
      items.push(stored)
    }
    return items
  }
}

/** The keys below a path: from the first up to, without it, the second; null where that is the end of all. */
export const boundsOf = (path: Uint8Array): readonly [Uint8Array, Uint8Array | null] => {
  const bytesOf = (nibbles: Uint8Array): Uint8Array => {
    const out = new Uint8Array((nibbles.length + 1) >> 1)
    for (const [i, nibble] of nibbles.entries()) out[i >> 1] = (out[i >> 1] as number) | (nibble << (i & 1 ? 0 : 4))
    return out
  }
  const next = path.slice()
  let at = next.length - 1
  while (at >= 0 && next[at] === 15) next[at--] = 0
  if (at < 0) return [bytesOf(path), null]
  next[at] = (next[at] as number) + 1
  return [bytesOf(path), bytesOf(next)]
}

/** The nodes on the way to a place; null where there is no such place. */
const walk = (
  { root, source }: { readonly root: Child; readonly source: TrieSource },
  path: Uint8Array,
  how: 'to it' | 'with the branch' = 'to it',
): { readonly nodes: readonly Uint8Array[] } | null => {
  const nodes: Uint8Array[] = []
  let child = root
  for (let depth = 0; depth < path.length || how === 'with the branch'; ) {
    if (child === null || child.kind === 'leaf') return null
    const { extension } = child
    const isLast = depth === path.length
    const end = depth + extension.length
    if (!isLast && (end >= path.length || !equalBytes(extension, path.subarray(depth, end)))) return null
    const branch = unpackBranch(source.branch(concat(path.subarray(0, depth), extension)))
    const rlp = branchRlp(branch)
    const add = (node: Uint8Array): void => {
      if (nodes.length === 0 || node.length >= 32) nodes.push(node)
    }
    if (extension.length > 0) add(extensionRlp(extension, joinBranch(branch, new Uint8Array(0)).child.ref))
    add(rlp)
    if (isLast) return { nodes }
    child = branch[path[end] as number] ?? null
    depth = end + 1
  }
  return child === null && path.length > 0 ? null : { nodes }
}

// Checking one.

/** An account with what it has in storage: nothing, all of it, or a root that pieces of its own are for. */
export interface CheckedAccount {
  readonly key: Uint8Array
  readonly stored: Uint8Array
  readonly storage:
    | { readonly kind: 'none' }
    | { readonly kind: 'apart'; readonly root: Hash }
    | { readonly kind: 'whole'; readonly slots: readonly CheckedSlot[]; readonly trie: Built }
  readonly codeHash: Hash | null
}
export interface CheckedSlot {
  readonly key: Uint8Array
  readonly stored: Uint8Array
}
/** What a trie's node above says of what hangs there, and all branches below, each with its path. */
export interface Built {
  readonly child: Child
  readonly branches: readonly { readonly path: Uint8Array; readonly packed: Uint8Array }[]
}
export type Checked = Place & { readonly ref: Ref } & (
    | { readonly kind: 'split'; readonly extension: Uint8Array; readonly refs: readonly Ref[] }
    | { readonly kind: 'accounts'; readonly accounts: readonly CheckedAccount[]; readonly trie: Built }
    | { readonly kind: 'slots'; readonly slots: readonly CheckedSlot[]; readonly trie: Built }
  )

const partsOf = (bytes: Uint8Array) => {
  if (bytes.length > CHUNK_MAX_BYTES) throw falseAt('?', `${bytes.length} bytes, at most ${CHUNK_MAX_BYTES}`)
  const [owner, path, ownerProof, proof, kind, items] = asList(decodeSparseRlp(bytes), 6)
  const [ownerBytes, nibbles] = [asBytes(owner), asBytes(path).slice()]
  if (ownerBytes.length !== 0 && ownerBytes.length !== 20) throw falseAt('?', 'its owner is no address')
  if (nibbles.length > PATH_MAX || nibbles.some((nibble) => nibble > 15)) throw falseAt('?', 'its place is none')
  const place: Place = { owner: ownerBytes.length === 0 ? null : asAddress(ownerBytes.slice()), path: nibbles }
  const nodesOf = (item: Rlp | undefined) => asList(item).map((node) => asBytes(node))
  return { place, ownerProof: nodesOf(ownerProof), proof: nodesOf(proof), kind: asNumber(kind), items: asList(items) }
}

const falseAt = (place: string, reason: string) => new NodeError(ChunkErrors.FALSE, { place, reason })

/** Throws CHUNK_FALSE, PROOF_* or RLP_MALFORMED: whoever made it did not make it of a state with this root. */
export function checkChunk(stateRoot: Hash, bytes: Uint8Array): Checked {
  const { place, ownerProof, proof, kind, items } = partsOf(bytes)
  const refuse = (reason: string) => falseAt(placeName(place), reason)
  const { owner, path } = place
  const account = owner === null ? null : provenAccount(stateRoot, owner, ownerProof)
  if (owner !== null && account === null) throw refuse('there is no such account')
  if (owner === null && ownerProof.length > 0) throw refuse('it proves an account that it is not of')
  const root = account === null ? stateRoot : account.storageRoot
  const { ref, branch } = provenPlace(root, path, proof)
  if (ref === null) throw refuse('nothing hangs there')
  if (kind === KINDS.split) {
    if (branch === null || items.length > 0) throw refuse('it shows no branch')
    return { ...place, ref, kind: 'split', ...branch }
  }
  if (branch !== null) throw refuse('it shows a branch that it does not divide')
  if (kind !== (owner === null ? KINDS.accounts : KINDS.slots)) throw refuse(`its kind ${kind} is none`)
  if (owner === null) {
    const accounts = items.map((item) => accountFrom(item, refuse))
    const leaves = accounts.map(({ key, stored }) => ({ key, value: accountLeaf(stored) }))
    const trie = buildTrie(leaves, path, refuse)
    refuseOther(trie, { root, ref, path }, refuse)
    return { ...place, ref, kind: 'accounts', accounts, trie }
  }
  const slots = items.map((item) => slotFrom(item, refuse))
  const trie = buildTrie(slots.map(leafOf), path, refuse)
  refuseOther(trie, { root, ref, path }, refuse)
  return { ...place, ref, kind: 'slots', slots, trie }
}

const refuseOther = (
  { child }: Built,
  { root, ref, path }: { readonly root: Hash; readonly ref: Uint8Array; readonly path: Uint8Array },
  refuse: (reason: string) => NodeError,
): void => {
  const isSame = path.length === 0 ? equalBytes(rootOf(child), root) : child !== null && equalBytes(child.ref, ref)
  if (!isSame) throw refuse('its accounts or slots are others, more, or less')
}

const accountFrom = (item: Rlp, refuse: (reason: string) => NodeError): CheckedAccount => {
  const [bytes, listed] = item instanceof Uint8Array ? [item, undefined] : [asBytes(item[0]), item[1]]
  if (!isAccount(bytes)) throw refuse('an account in it is none')
  const stored = bytes
  const key = keccak(stored.subarray(0, 20))
  const root = storageRootOf(stored)
  const hash = codeHashOf(stored)
  const common = { key, stored, codeHash: equalBytes(hash, KECCAK_EMPTY) ? null : hash }
  const hasStorage = !equalBytes(root, EMPTY_ROOT)
  if (hasStorage !== !(item instanceof Uint8Array) || (!(item instanceof Uint8Array) && item.length > 2))
    throw refuse('an account in it has storage and does not say where, or has none')
  if (!hasStorage) return { ...common, storage: { kind: 'none' } }
  if (listed === undefined) return { ...common, storage: { kind: 'apart', root } }
  const slots = asList(listed).map((slot) => slotFrom(slot, refuse))
  const trie = buildTrie(slots.map(leafOf), new Uint8Array(0), refuse)
  if (!equalBytes(rootOf(trie.child), root)) throw refuse('the storage of an account in it has another root')
  return { ...common, storage: { kind: 'whole', slots, trie } }
}

const slotFrom = (item: Rlp, refuse: (reason: string) => NodeError): CheckedSlot => {
  const stored = asBytes(item)
  if (stored.length <= 32 || stored.length > 64 || stored[32] === 0) throw refuse('a slot in it is none')
  return { key: keccak(stored.subarray(0, 32)), stored }
}
const leafOf = ({ key, stored }: CheckedSlot): LeafChange => ({ key, value: slotLeaf(stored) })

const NO_SOURCE: TrieSource = {
  branch: () => new Uint8Array(0), // nothing was there before: it is not asked
  leaf: () => new Uint8Array(0),
}

/** All leaves that hang at a path, in order. */
const buildTrie = (leaves: readonly LeafChange[], path: Uint8Array, refuse: (reason: string) => NodeError): Built => {
  const [from, to] = boundsOf(path)
  let last: Uint8Array | null = null
  for (const { key } of leaves) {
    if (last !== null && compareBytes(last, key) >= 0) throw refuse('its keys do not ascend')
    last = key
  }
  const [first] = leaves
  const isBelow = (key: Uint8Array): boolean =>
    compareBytes(key, from) >= 0 && (to === null || compareBytes(key, to) < 0)
  if (first !== undefined && last !== null && (!isBelow(first.key) || !isBelow(last)))
    throw refuse('its keys lie beyond its place')
  const branches: { path: Uint8Array; packed: Uint8Array }[] = []
  const sink = (at: Uint8Array, packed: Uint8Array | null): void => {
    if (packed !== null) branches.push({ path: at, packed: packed.slice() })
  }
  const steps = updateTrie(null, leavesOf(leaves), NO_SOURCE, sink, new Uint8Array(0), path.length)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return { child: step.value, branches }
}
