// A whole state out of checked pieces, in a store that is no chain's yet. Owns which pieces are still wanted, what is on disk of those that
// came, and the last batch, which makes a chain's store of it; until that nothing opens it as one. Where the state that is aimed at is a
// later one, what did not change stays: a branch names all that hangs on it, and only what it names otherwise is wanted again.
import {
  type Address,
  asAddress,
  asHash,
  bytesToHex,
  concat,
  equalBytes,
  type Hash,
  type Hex,
  hexToBytes,
} from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import type { Kv, KvWrite } from '../base/ports.ts'
import { asBytes, asFlag, asList, decodeRlp, encodeRlp, rlpInt } from '../base/rlp.ts'
import type { Ref } from '../types/proof.ts'
import type { Code } from '../types/state.ts'
import { storageRootOf } from './account.ts'
import { Batch, inTurn } from './batch.ts'
import {
  type Built,
  boundsOf,
  type Checked,
  type CheckedAccount,
  type CheckedSlot,
  ChunkErrors,
  ownerKey,
  PATH_MAX,
  type Place,
  placeName,
} from './chunks.ts'
import { ACCOUNTS, after, codeKey, openTables, rootKey, type Tables, writeCode, writeMeta } from './layout.ts'
import { seal, unseal } from './seal.ts'
import { type Child, joinBranch, packChild, rootOf, unpackChild } from './trie.ts'
import { contentOf } from './versions.ts'

export const SnapshotErrors = defineErrors('SNAPSHOT', {
  NETWORK: {
    text: (d: { have: string; want: string }) =>
      `what was fetched here is of the network ${d.have}, and this is ${d.want}: remove the folder, or correct genesis.json`,
  },
  CODE: { text: (d: { hash: string }) => `code ${d.hash} was not asked for, or is other code` },
})

/** The state after a final block. */
export interface Target {
  readonly height: number
  readonly root: Hash
}

export type Wanted =
  | { readonly kind: 'chunk'; readonly place: Place }
  | { readonly kind: 'codes'; readonly hashes: readonly Hash[] }

export interface Restoring {
  /** Nothing fetched before is lost; what is wanted is that of this state from now on. */
  aim(target: Target): void
  /** One that nobody was given yet, or that was given back. null where all are under way, or here. */
  next(): Wanted | null
  giveBack(wanted: Wanted): void
  /** A piece checked against the root that is aimed at; one that is not wanted changes nothing. One call at a time. Throws CHUNK_FALSE. */
  take(piece: Checked): Promise<void>
  /** Whether code of this hash is wanted. */
  lacksCode(hash: Hash): boolean
  /** Throws SNAPSHOT_CODE where one was not wanted. One call at a time. */
  takeCodes(codes: readonly Uint8Array[]): Promise<void>
  isComplete(): boolean
  progress(): Progress
  /** The last batch: the store is a chain's then. */
  finish(rest: Iterable<KvWrite>): Promise<void>
}

export interface Progress {
  /** Pieces that were taken in this process. */
  readonly pieces: number
  readonly accounts: number
  readonly slots: number
  readonly codes: number
  /** How much of the account trie is here, from 0 to 1: hashed keys are even. */
  readonly share: number
  /** Known to be missing. */
  readonly missing: number
}

/** A table of its own: what came, which storages are apart, which code is wanted, and of what network. */
const TABLE = 0x70
const KINDS = { network: 0, piece: 1, apart: 2, code: 3 } as const
const keyOf = (kind: keyof typeof KINDS, ...parts: readonly Uint8Array[]): Uint8Array =>
  concat(Uint8Array.of(TABLE, KINDS[kind]), ...parts)
/** Codes asked for at once: at most 24 KB each. */
const CODES_MAX = 16

const nameOf = (owner: Uint8Array, path: Uint8Array): string => `${bytesToHex(owner)} ${String.fromCharCode(...path)}`

interface Apart {
  readonly address: Address
  readonly root: Hash
  readonly isDone: boolean
}
interface Split {
  readonly extension: Uint8Array
  readonly refs: readonly Ref[]
}

/** Goes on where it was left. `codeOf` finds where a contract may jump to. Throws SNAPSHOT_NETWORK. */
export async function openRestoring(
  kv: Kv,
  genesisHash: Hash,
  codeOf: (bytes: Uint8Array) => Code,
): Promise<Restoring> {
  const at = keyOf('network')
  const have = kv.get(at)
  if (have === undefined) await kv.write([{ key: at, value: seal(at, genesisHash) }])
  else if (!equalBytes(unseal('snapshot', at, have), genesisHash))
    throw new NodeError(SnapshotErrors.NETWORK, {
      have: bytesToHex(unseal('snapshot', at, have)),
      want: bytesToHex(genesisHash),
    })
  const restoration = new Restoration(kv, codeOf)
  await restoration.load()
  return restoration
}

class Restoration implements Restoring {
  readonly #kv: Kv
  readonly #codeOf: (bytes: Uint8Array) => Code
  readonly #tables: Tables
  /** What is on disk, by owner and path, as the node above names it. */
  readonly #pieces = new Map<string, Child>()
  /** By owner. */
  readonly #aparts = new Map<string, Apart>()
  /** By hash; those that were handed out are false. */
  readonly #codes = new Map<Hex, boolean>()
  /** Of the state that is aimed at, by owner and path. */
  readonly #splits = new Map<string, Split>()
  /** Wanted, whether handed out or not; and of each owner how many. */
  readonly #open = new Map<string, Place>()
  readonly #openOf = new Map<string, number>()
  #queue: Place[] = []
  #target: Target | null = null
  #phase: 'accounts' | 'storage' = 'accounts'
  #counts = { pieces: 0, accounts: 0, slots: 0, codes: 0 }
  #share = 0

  constructor(kv: Kv, codeOf: (bytes: Uint8Array) => Code) {
    this.#kv = kv
    this.#codeOf = codeOf
    this.#tables = openTables(kv)
  }

  async load(): Promise<void> {
    for await (const [key, content] of this.#records(keyOf('piece')))
      this.#pieces.set(nameOf(key.subarray(2, 34), key.subarray(34)), unpackChild(content))
    for await (const [key, content] of this.#records(keyOf('apart'))) {
      const [address, root, done] = asList(decodeRlp(content), 3)
      const apart = { address: asAddress(asBytes(address, 20)), root: asHash(asBytes(root, 32)), isDone: asFlag(done) }
      this.#aparts.set(bytesToHex(key.subarray(2)), apart)
    }
    for await (const [key] of this.#records(keyOf('code'))) this.#codes.set(bytesToHex(key.subarray(2)), true)
  }

  async *#records(prefix: Uint8Array): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    for await (const [key, value] of this.#kv.entries(prefix, after(prefix)))
      yield [key, unseal('snapshot', key, value).slice()]
  }

  aim(target: Target): void {
    this.#target = target
    this.#phase = 'accounts'
    this.#share = 0
    for (const map of [this.#splits, this.#open, this.#openOf]) map.clear()
    for (const hash of [...this.#codes.keys()]) this.#codes.set(hash, true)
    this.#queue = []
    this.#want({ owner: null, path: new Uint8Array(0) })
  }

  next(): Wanted | null {
    const place = this.#queue.pop() // depth first: few places wait, and all of a branch are near each other on a disk
    if (place !== undefined) return { kind: 'chunk', place }
    const hashes: Hex[] = []
    for (const [hash, isFree] of this.#codes) {
      if (!isFree) continue
      if (hashes.push(hash) === CODES_MAX) break
    }
    if (hashes.length === 0) return null
    for (const hash of hashes) this.#codes.set(hash, false)
    return { kind: 'codes', hashes: hashes.map((hash) => asHash(hexToBytes(hash))) }
  }

  giveBack(wanted: Wanted): void {
    if (wanted.kind === 'chunk') {
      if (this.#open.has(nameOf(ownerKey(wanted.place), wanted.place.path))) this.#queue.push(wanted.place)
    } else
      for (const hash of wanted.hashes) {
        const name = bytesToHex(hash)
        if (this.#codes.has(name)) this.#codes.set(name, true)
      }
  }

  isComplete(): boolean {
    return this.#phase === 'storage' && this.#open.size === 0 && this.#codes.size === 0
  }

  progress(): Progress {
    return { ...this.#counts, share: this.#share, missing: this.#open.size + this.#codes.size }
  }

  #want(place: Place): void {
    const owner = ownerKey(place)
    this.#open.set(nameOf(owner, place.path), place)
    const of = bytesToHex(owner)
    this.#openOf.set(of, (this.#openOf.get(of) ?? 0) + 1)
    this.#queue.push(place)
  }

  async take(piece: Checked): Promise<void> {
    const owner = ownerKey(piece)
    const name = nameOf(owner, piece.path)
    if (!this.#open.has(name)) return
    const batch = new Batch()
    if (piece.kind === 'split') await this.#divide(piece, owner, batch)
    else {
      await this.#clear(piece, owner, piece.kind === 'accounts' ? piece.accounts : [], batch)
      if (piece.kind === 'accounts') this.#putAccounts(piece.accounts, batch)
      else this.#putSlots(owner, piece.slots, batch)
      this.#putBranches(owner, piece.trie, batch)
      assert(piece.trie.child !== null, 'something hangs at a place that is wanted')
      batch.put(keyOf('piece', owner, piece.path), packChild(piece.trie.child))
      this.#pieces.set(name, piece.trie.child)
      if (piece.owner === null) this.#share += 16 ** -piece.path.length
      this.#counts.pieces++
    }
    this.#open.delete(name)
    const of = bytesToHex(owner)
    const left = (this.#openOf.get(of) ?? 1) - 1
    this.#openOf.set(of, left)
    if (left === 0 && piece.owner !== null) this.#closeStorage(piece.owner, owner, batch)
    if (batch.count > 0) await this.#kv.write(batch)
    if (left === 0 && piece.owner === null) this.#beginStorage()
  }

  /** What hangs on the branch is wanted, but for what is here and is named so. */
  async #divide(piece: Checked & { readonly kind: 'split' }, owner: Uint8Array, batch: Batch): Promise<void> {
    const { path, extension, refs } = piece
    const below = concat(path, extension)
    if (below.length + 1 > PATH_MAX)
      throw new NodeError(ChunkErrors.FALSE, { place: placeName(piece), reason: 'so little is not divided' })
    if (this.#pieces.has(nameOf(owner, path))) await this.#clear(piece, owner, [], batch)
    // Beside the branch nothing hangs any more.
    for (const [i, nibble] of extension.entries()) {
      batch.delete(this.#tables.nodes.stored(concat(owner, below.subarray(0, path.length + i))))
      for (let other = 0; other < 16; other++)
        if (other !== nibble)
          await this.#clear(
            { ...piece, path: concat(below.subarray(0, path.length + i), Uint8Array.of(other)) },
            owner,
            [],
            batch,
          )
    }
    this.#splits.set(nameOf(owner, path), { extension, refs })
    for (const [nibble, ref] of refs.entries()) {
      const place: Place = { owner: piece.owner, path: concat(below, Uint8Array.of(nibble)) }
      const here = this.#pieces.get(nameOf(owner, place.path)) ?? null
      if (ref === null) await this.#clear(place, owner, [], batch)
      else if (here === null || !equalBytes(here.ref, ref)) this.#want(place)
      if (place.owner === null && (ref === null || (here !== null && equalBytes(here.ref, ref))))
        this.#share += 16 ** -place.path.length
    }
  }

  /** Removes all that pieces at this place or below it brought; of storages those that no account of `next` goes on with. */
  async #clear(place: Place, owner: Uint8Array, next: readonly CheckedAccount[], batch: Batch): Promise<void> {
    const record = keyOf('piece', owner, place.path)
    let found = 0
    for await (const [key] of this.#kv.entries(record, after(record))) {
      batch.delete(key)
      this.#pieces.delete(nameOf(key.subarray(2, 34), key.subarray(34)))
      found++
    }
    if (found === 0) return
    const isAccounts = place.owner === null
    const table = isAccounts ? this.#tables.accounts : this.#tables.slots
    const prefix = table.stored(isAccounts ? new Uint8Array(0) : owner)
    const [from, to] = boundsOf(place.path)
    const goesOn = new Set(next.flatMap(({ key, storage }) => (storage.kind === 'apart' ? [bytesToHex(key)] : [])))
    for await (const [key, sealed] of this.#kv.entries(
      concat(prefix, from),
      to === null ? after(prefix) : concat(prefix, to),
    )) {
      batch.delete(key)
      const stored = isAccounts ? contentOf(table.decode(key, sealed)) : null
      const hasStorage = stored !== null && !equalBytes(storageRootOf(stored), EMPTY_ROOT)
      // What came whole with its account has no pieces of its own to go on with.
      const of = bytesToHex(key.subarray(1))
      if (hasStorage && !(goesOn.has(of) && this.#aparts.has(of))) await this.#clearStorage(key.slice(1), batch)
    }
    const nodes = this.#tables.nodes.stored(concat(owner, place.path))
    for await (const [key] of this.#kv.entries(nodes, after(nodes))) batch.delete(key)
  }

  async #clearStorage(owner: Uint8Array, batch: Batch): Promise<void> {
    const { slots, nodes } = this.#tables
    for (const prefix of [slots.stored(owner), nodes.stored(owner), keyOf('piece', owner)])
      for await (const [key] of this.#kv.entries(prefix, after(prefix))) {
        batch.delete(key)
        if (key[0] === TABLE) this.#pieces.delete(nameOf(owner, key.subarray(34)))
      }
    batch.delete(keyOf('apart', owner))
    this.#aparts.delete(bytesToHex(owner))
  }

  get #height(): number {
    assert(this.#target !== null, 'a state is aimed at before pieces are taken')
    return this.#target.height
  }

  #putAccounts(accounts: readonly CheckedAccount[], batch: Batch): void {
    for (const { key, stored, storage, codeHash } of accounts) {
      this.#tables.accounts.put(key, this.#height, stored, null, batch)
      if (codeHash !== null) this.#wantCode(codeHash, batch)
      if (storage.kind === 'whole') {
        this.#putSlots(key, storage.slots, batch)
        this.#putBranches(key, storage.trie, batch)
        const { child } = storage.trie
        assert(child !== null, 'storage with a root of its own has slots')
        this.#tables.nodes.put(rootKey(key), this.#height, packChild(child), null, batch)
      }
      if (storage.kind === 'apart') {
        const before = this.#aparts.get(bytesToHex(key))
        if (before === undefined || !equalBytes(before.root, storage.root))
          this.#putApart(key, { address: asAddress(stored.slice(0, 20)), root: storage.root, isDone: false }, batch)
      }
    }
    this.#counts.accounts += accounts.length
  }
  #putSlots(owner: Uint8Array, slots: readonly CheckedSlot[], batch: Batch): void {
    for (const { key, stored } of slots) this.#tables.slots.put(concat(owner, key), this.#height, stored, null, batch)
    this.#counts.slots += slots.length
  }
  #putBranches(owner: Uint8Array, { branches }: Built, batch: Batch): void {
    for (const { path, packed } of branches)
      this.#tables.nodes.put(concat(owner, path), this.#height, packed, null, batch)
  }
  #putApart(owner: Uint8Array, apart: Apart, batch: Batch): void {
    this.#aparts.set(bytesToHex(owner), apart)
    const { address, root, isDone } = apart
    batch.put(keyOf('apart', owner), encodeRlp([address, root, rlpInt(isDone ? 1 : 0)]))
  }
  #wantCode(hash: Hash, batch: Batch): void {
    const name = bytesToHex(hash)
    if (this.#codes.has(name) || this.#kv.get(codeKey(hash)) !== undefined) return
    this.#codes.set(name, true)
    batch.put(keyOf('code', hash), new Uint8Array(0))
  }

  lacksCode(hash: Hash): boolean {
    return this.#codes.has(bytesToHex(hash))
  }

  async takeCodes(codes: readonly Uint8Array[]): Promise<void> {
    const hashes = codes.map(keccak)
    for (const hash of hashes)
      if (!this.#codes.has(bytesToHex(hash))) throw new NodeError(SnapshotErrors.CODE, { hash: bytesToHex(hash) })
    const batch = new Batch()
    for (const [i, hash] of hashes.entries()) {
      writeCode(this.#codeOf((codes[i] as Uint8Array).slice()), batch)
      batch.delete(keyOf('code', hash))
    }
    await this.#kv.write(batch)
    for (const hash of hashes) this.#codes.delete(bytesToHex(hash))
    this.#counts.codes += codes.length
  }

  /** All accounts are here, so that it is known which storages are missing. */
  #beginStorage(): void {
    this.#phase = 'storage'
    for (const { address, isDone } of this.#aparts.values())
      if (!isDone) this.#want({ owner: address, path: new Uint8Array(0) })
  }

  #closeStorage(address: Address, owner: Uint8Array, batch: Batch): void {
    const apart = this.#aparts.get(bytesToHex(owner))
    const child = this.#fold(owner, new Uint8Array(0), batch)
    assert(apart !== undefined && equalBytes(rootOf(child), apart.root), 'proven pieces make the proven root')
    this.#tables.nodes.put(rootKey(owner), this.#height, packChild(child), null, batch)
    this.#putApart(owner, { address, root: apart.root, isDone: true }, batch)
  }

  /** Writes the branches above the pieces; answers what hangs at the path. */
  #fold(owner: Uint8Array, path: Uint8Array, batch: Batch): Child {
    const name = nameOf(owner, path)
    const split = this.#splits.get(name)
    if (split === undefined) return this.#pieces.get(name) ?? null
    const below = concat(path, split.extension)
    const children = split.refs.map((ref, nibble) => {
      const child = ref === null ? null : this.#fold(owner, concat(below, Uint8Array.of(nibble)), batch)
      assert(
        ref === null ? child === null : child !== null && equalBytes(child.ref, ref),
        'proven pieces make their branch',
      )
      return child
    })
    const { child, packed } = joinBranch(children, split.extension)
    this.#tables.nodes.put(concat(owner, below), this.#height, packed, null, batch)
    this.#splits.delete(name)
    return child
  }

  async finish(rest: Iterable<KvWrite>): Promise<void> {
    assert(this.isComplete() && this.#target !== null, 'all pieces are here')
    const { height, root } = this.#target
    const batch = new Batch()
    const child = this.#fold(ACCOUNTS, new Uint8Array(0), batch)
    assert(equalBytes(rootOf(child), root), 'proven pieces make the proven root')
    this.#tables.nodes.put(rootKey(ACCOUNTS), height, packChild(child), null, batch)
    writeMeta({ height, root, lowest: { state: height, proofs: height } }, batch)
    for await (const [key] of this.#kv.entries(Uint8Array.of(TABLE), Uint8Array.of(TABLE + 1))) batch.delete(key)
    await this.#kv.write(inTurn(batch, rest))
  }
}
