// State at every height that is kept: flat tables of accounts, slots and code by hashed key, with the plain key beside the
// value; the tries over them; and their history. Owns what one block writes, reads in the past, proofs, pruning and the check
// that tables and trie agree. Blocks never reorganise, so there is one line of versions and no overlay of forks.
import {
  type Address,
  bigintToFixed,
  bytesToHex,
  compareBytes,
  concat,
  equalBytes,
  type Hash,
  type Word,
  writeWord,
} from '../base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY, keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { hashRoom, keccakHere } from '../base/keccak.ts'
import type { Kv, Pause } from '../base/ports.ts'
import type { AccountProof } from '../types/query.ts'
import type { AccountChange, Changes, Code, Reader, SlotChange } from '../types/state.ts'
import {
  ACCOUNT_LEAF_MAX_BYTES,
  accountLeaf,
  decodeAccount,
  decodeRecord,
  encodeAccount,
  storageRootOf,
  writeAccountLeaf,
} from './account.ts'
import { Batch } from './batch.ts'
import { Cache } from './cache.ts'
import {
  ACCOUNTS,
  after,
  type Meta,
  openTables,
  PREFIX,
  readCode,
  readMeta,
  rootKey,
  storedRoot,
  TABLE_NAMES,
  type TableName,
  type Tables,
  trieAt,
  writeCode,
  writeMeta,
} from './layout.ts'
import { HashOrder, KEY_BYTES, Leaves } from './leaves.ts'
import { corrupt, SEAL_BYTES, unseal } from './seal.ts'
import { SLOT_LEAF_MAX_BYTES, slotHere, slotKey, slotLeaf, slotValue, writeSlotLeaf } from './slot.ts'
import {
  type BranchSink,
  type Child,
  packChild,
  proveKey,
  rootFromLeaves,
  rootOf,
  type TrieSource,
  unpackChild,
  updateTrie,
} from './trie.ts'
import { contentOf, heightOf, isContent, Replaced, type Version } from './versions.ts'

export const StateErrors = defineErrors('STATE', {
  PRUNED: {
    text: (d: { height: number; lowest: number; what: string }) =>
      `missing trie node: ${d.what} of block ${d.height} is pruned; this node has it from block ${d.lowest} on, an archive node has all`,
  },
  UNKNOWN: { text: (d: { height: number; head: number }) => `block ${d.height} is above the head at ${d.head}` },
})

export interface StateOptions {
  /** Heights of state kept behind the head; null keeps all. */
  readonly historyBlocks: number | null
  /** Heights of trie nodes kept for proofs; null keeps all. */
  readonly proofBlocks: number | null
  /** Bound of the cache of values at the head. */
  readonly cacheBytes: number
}

/** One block's effect on the store, made on the head and good for nothing else. */
export interface Prepared {
  readonly height: number
  readonly root: Hash
  readonly changes: Changes
  readonly writes: Batch
}

export interface StateStore {
  /** -1 while the store is empty. */
  readonly height: number
  readonly root: Hash
  /** State after a block. Throws STATE_PRUNED and STATE_UNKNOWN. */
  at(height: number): Reader
  prepare(height: number, changes: Changes): Promise<Prepared>
  /** The caller has written `prepared.writes` durably. Readers of the head before are right all the while. */
  applied(prepared: Prepared): Promise<void>
  proof(height: number, address: Address, keys: readonly Word[]): Promise<AccountProof>
  lowest(): { readonly state: number; readonly proofs: number }
  /** State and proofs from this height on are not forgotten, whatever the options say, until another height is given. */
  keepFrom(height: number): void
  /** By itself, and not beside blocks: forgets what these options do not keep, some heights a call; false when nothing is left. */
  forget(options: Omit<StateOptions, 'cacheBytes'>): Promise<boolean>
  /** Reads everything, compares tables, tries and root; answers how much there is. Throws STORE_CORRUPT with the first fault. */
  check(): Promise<{ readonly accounts: number; readonly slots: number; readonly codes: number }>
}

/** Accounts between two pauses: some milliseconds. */
const SLICE_ACCOUNTS = 1_024
/** Writes between two pauses: about 10 ms. */
const SLICE_WRITES = 8_192

/** First bytes of the keys of newest versions, which are cached. */
const NEWEST: ReadonlySet<number> = new Set(TABLE_NAMES.map((name) => PREFIX[name]))

/** A reader of committed state at one height; never waits, and stays right while later blocks are written. */
export function openReader(kv: Kv, height: number): Reader {
  return readerOver(kv, openTables(kv), height)
}

const readerOver = (kv: Kv, tables: Tables, height: number): Reader => {
  /** What is absent may have been pruned while this reader was held; then it must not answer. */
  const read = (table: 'accounts' | 'slots', key: Uint8Array): Uint8Array | null => {
    let value: Uint8Array | null
    try {
      value = tables[table].at(key, height)
    } catch (cause) {
      checkKept(kv, height)
      throw cause
    }
    if (value === null) checkKept(kv, height)
    return value
  }
  return {
    account(address) {
      const bytes = read('accounts', keccak(address))
      return bytes === null ? undefined : decodeRecord(bytes)
    },
    slot(address, key) {
      const stored = read('slots', slotKey(keccak(address), key))
      return stored === null ? 0n : slotValue(stored)
    },
    code: (hash) => readCode(kv, hash),
  }
}

const checkKept = (kv: Kv, height: number): void => {
  const lowest = readMeta(kv)?.lowest.state ?? 0
  if (lowest > height) throw new NodeError(StateErrors.PRUNED, { height, lowest, what: 'state' })
}

export function createStateStore(deps: { readonly kv: Kv; readonly pause: Pause }, options: StateOptions): StateStore {
  return new Store(deps.kv, deps.pause, options)
}

class Store implements StateStore {
  height: number
  root: Hash
  readonly #kv: Kv
  readonly #pause: Pause
  readonly #options: StateOptions
  readonly #tables: Tables
  readonly #cache: Cache
  readonly #codes = new Map<string, Code>()
  #head: { readonly height: number; readonly reader: Reader } | null = null
  #lowest: { readonly state: number; readonly proofs: number }
  #keptFrom = Number.POSITIVE_INFINITY
  /** Memory for what a block changes, which the last one used; null while one has it. */
  #room: Room | null = null

  constructor(kv: Kv, pause: Pause, options: StateOptions) {
    this.#kv = kv
    this.#pause = pause
    this.#options = options
    this.#tables = openTables(kv)
    this.#cache = new Cache(options.cacheBytes)
    const meta = readMeta(kv)
    this.height = meta?.height ?? -1
    this.root = meta?.root ?? EMPTY_ROOT
    this.#lowest = meta?.lowest ?? { state: 0, proofs: 0 }
  }

  lowest(): { readonly state: number; readonly proofs: number } {
    return this.#lowest
  }

  keepFrom(height: number): void {
    this.#keptFrom = height
  }

  #expect(height: number, lowest: number, what: string): void {
    if (height > this.height) throw new NodeError(StateErrors.UNKNOWN, { height, head: this.height })
    if (height < lowest) throw new NodeError(StateErrors.PRUNED, { height, lowest, what })
  }

  at(height: number): Reader {
    this.#expect(height, this.#lowest.state, 'state')
    if (height < this.height) return readerOver(this.#kv, this.#tables, height)
    // One for all who ask: each admission to the pool does.
    if (this.#head?.height !== height) this.#head = { height, reader: this.#readerOf(height) }
    return this.#head.reader
  }

  #readerOf(height: number): Reader {
    const past = readerOver(this.#kv, this.#tables, height)
    let hashed: { readonly address: Uint8Array; readonly hash: Hash } = { address: new Uint8Array(0), hash: EMPTY_ROOT }
    // At the head values come from the cache, until a later block is the head; the store may hold that block already.
    const newest = (table: TableName, key: Uint8Array): Version | null | undefined => {
      if (this.height !== height) return undefined
      const version = this.#newest(table, key)
      return version !== null && heightOf(version) > height ? undefined : version
    }
    const key = new Uint8Array(32)
    return {
      account: (address) => {
        hashRoom.set(address)
        keccakHere(0, address.length, key, 0)
        const version = newest('accounts', key)
        if (version === undefined) return past.account(address)
        const value = version === null ? null : contentOf(version)
        return value === null ? undefined : decodeRecord(value)
      },
      slot: (address, key) => {
        // A contract reads many of its slots one after the other. By its bytes: this reader serves many, and arrays are used again.
        if (!equalBytes(address, hashed.address)) hashed = { address: address.slice(), hash: keccak(address) }
        const version = newest('slots', slotKey(hashed.hash, key))
        if (version === undefined) return past.slot(address, key)
        const value = version === null ? null : contentOf(version)
        return value === null ? 0n : slotValue(value)
      },
      code: (hash) => this.#code(hash),
    }
  }

  /** Code never changes under its hash; what every block runs is read from disk once. */
  #code(hash: Hash): Code {
    if (hash === KECCAK_EMPTY) return readCode(this.#kv, hash)
    const name = bytesToHex(hash)
    const known = this.#codes.get(name)
    if (known !== undefined) return known
    const code = readCode(this.#kv, hash)
    if (this.#codes.size >= CODES_MAX) this.#codes.clear()
    this.#codes.set(name, code)
    return code
  }

  #newest(table: TableName, key: Uint8Array): Version | null {
    if (this.height < 0) return null // nothing is stored; a genesis must not fill the cache with that
    const known = this.#cache.get(PREFIX[table], key)
    if (known !== undefined) return known as Version | null // the cache holds nothing else
    const version = this.#tables[table].newest(key)
    this.#cache.set(PREFIX[table], key, version)
    return version
  }

  async prepare(height: number, changes: Changes): Promise<Prepared> {
    assert(height === this.height + 1, 'blocks are prepared on the head')
    const batch = new Batch()
    // What is pruned comes first: where a block writes again what it prunes, the later write stands.
    const lowest = await this.#prune(height, batch, this.#options)
    for (const code of changes.codes) writeCode(code, batch)
    const newest: Newest = (table, key) => this.#newest(table, key)
    const room = this.#room ?? newRoom()
    this.#room = null
    const block = new BlockWrites(this.#tables, height, newest, batch, room)
    const { leaves } = room
    const { accounts } = changes
    const order = await this.#inOrder(accounts, addressHere)
    const owner = new Uint8Array(KEY_BYTES) as Hash
    for (let i = 0; i < accounts.length; i++) {
      const change = accounts[order.at(i)] as AccountChange
      order.take(i, owner, 0)
      const before = this.#newest('accounts', owner)
      const hasStorage = change.slots.length > 0 || change.storageCleared
      const storageRoot = hasStorage ? await this.#applyStorage(block, owner, change, before) : rootBefore(before)
      putAccount(block, owner, change, before, storageRoot)
      if (leaves.count % SLICE_ACCOUNTS === 0) await this.#pause()
    }
    const root = await this.#applyTrie(block, ACCOUNTS, leaves, (key) => {
      const version = this.#newest('accounts', key)
      const value = version === null ? null : contentOf(version)
      assert(value !== null, 'a leaf of the account trie has its account')
      return accountLeaf(value)
    })
    await block.finish(this.#pause)
    this.#room = emptied(room)
    writeMeta({ height, root: rootOf(root), lowest }, batch)
    return { height, root: rootOf(root), changes, writes: batch }
  }

  /** By hash, so that the same changes in any order are the same bytes. `write` puts into the room what is hashed; answers its length. */
  async #inOrder<T>(items: readonly T[], write: (item: T) => number): Promise<HashOrder> {
    const order = new HashOrder(items.length)
    for (let i = 0; i < items.length; ) {
      order.add(write(items[i] as T))
      if (++i % SLICE_ACCOUNTS === 0) await this.#pause()
    }
    order.sort()
    if (items.length > SLICE_ACCOUNTS) await this.#pause()
    return order
  }

  /** Answers the root of the account's storage. */
  async #applyStorage(block: BlockWrites, owner: Hash, change: AccountChange, before: Version | null): Promise<Hash> {
    if (change.storageCleared) block.clear(await this.#storageOf(owner))
    const unchanged = change.storageCleared ? EMPTY_ROOT : rootBefore(before)
    const root = change.slots.length > 0 ? await this.#applySlots(block, owner, change) : unchanged
    if (change.storageCleared) block.cleared()
    return root
  }

  async #applySlots(block: BlockWrites, owner: Hash, change: AccountChange): Promise<Hash> {
    const leaves = block.room.slotLeaves
    leaves.clear()
    const place = concat(owner, owner)
    const { slots } = change
    const order = await this.#inOrder(slots, keyHere)
    for (let i = 0; i < slots.length; i++) {
      const { key, value } = slots[order.at(i)] as SlotChange
      order.take(i, place, KEY_BYTES)
      const at = leaves.reserve(SLOT_LEAF_MAX_BYTES)
      const stored = value === 0n ? null : slotHere(key, value)
      block.put('slots', place, stored)
      leaves.push(place, KEY_BYTES, stored === null ? at : writeSlotLeaf(stored, leaves.values, at))
      if (leaves.count % SLICE_ACCOUNTS === 0) await this.#pause()
    }
    const from = change.storageCleared ? 'nothing' : 'newest'
    const leaf = (key: Uint8Array): Uint8Array => {
      const version = this.#newest('slots', concat(owner, key))
      const value = version === null ? null : contentOf(version)
      assert(value !== null, 'a leaf of a storage trie has its slot')
      return slotLeaf(value)
    }
    return rootOf(await this.#applyTrie(block, owner, leaves, leaf, from))
  }

  /** Rare since EIP-6780: only an account made anew in the block that deletes it. */
  async #storageOf(owner: Hash): Promise<readonly (readonly [TableName, Uint8Array])[]> {
    const out: (readonly [TableName, Uint8Array])[] = []
    for (const table of ['slots', 'nodes'] as const) {
      const from = this.#tables[table].stored(owner)
      for await (const [stored] of this.#kv.entries(from, after(from))) out.push([table, stored.slice(1)])
    }
    return out
  }

  async #applyTrie(
    block: BlockWrites,
    owner: Uint8Array,
    leaves: Leaves,
    leaf: (key: Uint8Array) => Uint8Array,
    from: 'newest' | 'nothing' = 'newest',
  ): Promise<Child> {
    const before = from === 'nothing' ? null : this.#newest('nodes', rootKey(owner))
    const root0 = before === null ? null : contentOf(before)
    // What was read on the way down is replaced on the way up: of each depth the last.
    const reads: { readonly packed: Uint8Array; readonly version: Version }[] = []
    const source: TrieSource = {
      leaf,
      branch: (path) => {
        const version = this.#newest('nodes', path)
        const packed = version === null ? null : contentOf(version)
        if (version === null || packed === null) throw corrupt('nodes', path, 'a trie node is missing')
        reads[path.length] = { packed, version }
        return packed
      },
    }
    const sink: BranchSink = (path, packed, was) => {
      const read = reads[path.length]
      block.put('nodes', path, packed, read?.packed === was ? read.version : undefined)
    }
    const steps = updateTrie(root0 === null ? null : unpackChild(root0), leaves, source, sink, owner)
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) if (leaves.count > SLICE_ACCOUNTS) await this.#pause()
    const root = step.value
    block.put('nodes', rootKey(owner), root === null ? null : packChild(root))
    return root
  }

  /** Forgets versions that no kept height reads, a bounded number of heights a block; answers the new lowest heights. */
  async #prune(
    height: number,
    batch: Batch,
    { historyBlocks, proofBlocks }: Omit<StateOptions, 'cacheBytes'>,
  ): Promise<Meta['lowest']> {
    const behind = (blocks: number | null): number =>
      blocks === null ? 0 : Math.max(0, Math.min(height - blocks, this.#keptFrom))
    const [state, proofs] = [behind(historyBlocks), behind(proofBlocks)]
    const next = {
      state: Math.min(Math.max(state, this.#lowest.state), this.#lowest.state + PRUNE_HEIGHTS),
      proofs: Math.min(Math.max(proofs, this.#lowest.proofs), this.#lowest.proofs + PRUNE_HEIGHTS),
    }
    // Whatever the block of a height replaced is read by nobody once that height is the lowest.
    const forget = (table: TableName, at: number): void =>
      this.#tables[table].forget(at, (key) => this.#newest(table, key), batch)
    for (let at = this.#lowest.state + 1; at <= next.state; at++) {
      forget('accounts', at)
      forget('slots', at)
      await this.#pause()
    }
    for (let at = this.#lowest.proofs + 1; at <= next.proofs; at++) forget('nodes', at)
    return next
  }

  async forget(options: Omit<StateOptions, 'cacheBytes'>): Promise<boolean> {
    const batch = new Batch()
    const lowest = await this.#prune(this.height, batch, options)
    if (lowest.state === this.#lowest.state && lowest.proofs === this.#lowest.proofs) return false
    writeMeta({ height: this.height, root: this.root, lowest }, batch)
    await this.#kv.write(batch)
    this.#lowest = lowest
    return true
  }

  async applied(prepared: Prepared): Promise<void> {
    assert(prepared.height === this.height + 1, 'prepared blocks are applied on the head they were made on')
    await prepared.writes.each(SLICE_WRITES, this.#pause, (bytes, keyAt, valueAt, end) => {
      const prefix = bytes[keyAt] as number
      if (NEWEST.has(prefix))
        this.#cache.take(prefix, bytes, keyAt + 1, valueAt, end === null ? null : end - SEAL_BYTES)
    })
    this.height = prepared.height
    this.root = prepared.root
    const meta = readMeta(this.#kv)
    assert(meta !== null && meta.height === prepared.height, 'a prepared block was written before it is applied')
    this.#lowest = meta.lowest
  }

  async proof(height: number, address: Address, keys: readonly Word[]): Promise<AccountProof> {
    this.#expect(height, Math.max(this.#lowest.proofs, this.#lowest.state), 'a proof')
    const owner = keccak(address)
    const stored = this.#tables.accounts.at(owner, height)
    const account = stored === null ? null : decodeAccount(stored)
    const storage = trieAt(this.#tables, height, owner)
    const accounts = trieAt(this.#tables, height, ACCOUNTS)
    return {
      accountProof: proveKey(accounts.root, owner, accounts.source),
      nonce: account?.nonce ?? 0n,
      balance: account?.balance ?? 0n,
      codeHash: account?.codeHash ?? KECCAK_EMPTY,
      storageHash: account?.storageRoot ?? EMPTY_ROOT,
      slots: keys.map((key) => {
        const hashed = keccak(bigintToFixed(key, 32))
        const value = this.#tables.slots.at(concat(owner, hashed), height)
        const proof = account === null ? [] : proveKey(storage.root, hashed, storage.source)
        return { key, value: value === null ? 0n : slotValue(value), proof }
      }),
    }
  }

  async check(): Promise<{ readonly accounts: number; readonly slots: number; readonly codes: number }> {
    const slots = this.#tables.slots
    const leaves = new Leaves()
    const counts = { accounts: 0, slots: 0, codes: 0 }
    for await (const [stored, sealed] of this.#entries(PREFIX.accounts)) {
      const value = contentOf(this.#tables.accounts.decode(stored, sealed))
      if (value === null) continue
      counts.accounts++
      const account = decodeAccount(value)
      const owner = stored.subarray(1)
      if (compareBytes(keccak(account.address), owner) !== 0)
        throw corrupt('accounts', stored, 'it holds another address')
      readCode(this.#kv, account.codeHash)
      const from = slots.stored(owner)
      const storage = new Leaves()
      for await (const [slotAt, slotSealed] of this.#kv.entries(from, after(from))) {
        const slot = contentOf(slots.decode(slotAt, slotSealed))
        if (slot !== null) storage.add(slotAt.subarray(33), slotLeaf(slot))
      }
      counts.slots += storage.count
      if (compareBytes(rootFromLeaves(storage), account.storageRoot) !== 0)
        throw corrupt('slots', from, `the storage of ${bytesToHex(account.address)} does not have its root`)
      leaves.add(owner, accountLeaf(value))
    }
    for await (const [stored, sealed] of this.#entries(PREFIX.nodes)) this.#tables.nodes.decode(stored, sealed)
    for await (const [stored, sealed] of this.#entries(PREFIX.code)) {
      const code = unseal('code', stored, sealed)
      const bytes = code.subarray(Math.ceil(code.length / 9))
      if (compareBytes(keccak(bytes), stored.subarray(1)) !== 0) throw corrupt('code', stored, 'it is other code')
      counts.codes++
    }
    const root = rootFromLeaves(leaves)
    if (compareBytes(root, this.root) !== 0)
      throw corrupt(
        'accounts',
        Uint8Array.of(PREFIX.meta),
        `all accounts make root ${bytesToHex(root)}, the head has ${bytesToHex(this.root)}`,
      )
    if (compareBytes(storedRoot(this.#tables), this.root) !== 0)
      throw corrupt('nodes', ACCOUNTS, 'the account trie has another root')
    return counts
  }

  #entries(prefix: number): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    return this.#kv.entries(Uint8Array.of(prefix), Uint8Array.of(prefix + 1))
  }
}

/** Heights pruned per block at most, so that turning an archive into a full node does not stop the chain. */
const PRUNE_HEIGHTS = 8
/** Contracts whose code stays in memory, of at most 24 KB each. */
const CODES_MAX = 256

const rootBefore = (before: Version | null): Hash => {
  const was = before === null ? null : contentOf(before)
  return was === null ? EMPTY_ROOT : storageRootOf(was)
}
/** Its value, and its leaf in the account trie. */
const putAccount = (
  block: BlockWrites,
  owner: Hash,
  { account, address }: AccountChange,
  before: Version | null,
  storageRoot: Hash,
): void => {
  const { leaves } = block.room
  const at = leaves.reserve(ACCOUNT_LEAF_MAX_BYTES)
  if (account === null) {
    block.put('accounts', owner, null, before)
    leaves.push(owner, 0, at)
    return
  }
  const { nonce, balance, codeHash } = account
  const value = encodeAccount({ nonce, balance, codeHash, storageRoot, address })
  block.put('accounts', owner, value, before)
  leaves.push(owner, 0, writeAccountLeaf(value, leaves.values, at))
}

const addressHere = ({ address }: AccountChange): number => {
  hashRoom.set(address)
  return address.length
}
const keyHere = ({ key }: SlotChange): number => {
  writeWord(key, hashRoom, 0)
  return 32
}

type Newest = (table: TableName, key: Uint8Array) => Version | null

/** Memory of one block: leaves of its account trie, and of one contract's at a time; what it replaces. */
interface Room {
  readonly leaves: Leaves
  readonly slotLeaves: Leaves
  readonly replaced: Readonly<Record<TableName, Replaced>>
}
const newRoom = (): Room => ({
  leaves: new Leaves(),
  slotLeaves: new Leaves(),
  replaced: { accounts: new Replaced(), slots: new Replaced(), nodes: new Replaced() },
})
/** What a full block needs, and half as much again; more is not held. */
const ROOM_MAX_BYTES = 32 * 1024 * 1024
const emptied = (room: Room): Room => {
  const held = <T extends { readonly sizeBytes: number; clear(): void }>(used: T, make: () => T): T => {
    used.clear()
    return used.sizeBytes > ROOM_MAX_BYTES ? make() : used
  }
  const { accounts, slots, nodes } = room.replaced
  const made = newRoom()
  return {
    leaves: held(room.leaves, () => made.leaves),
    slotLeaves: held(room.slotLeaves, () => made.slotLeaves),
    replaced: {
      accounts: held(accounts, () => made.replaced.accounts),
      slots: held(slots, () => made.replaced.slots),
      nodes: held(nodes, () => made.replaced.nodes),
    },
  }
}

/** What one block puts over the newest versions, each key once, and what it replaces. A put of what is there already is none. */
class BlockWrites {
  readonly #tables: Tables
  readonly #height: number
  readonly #newest: Newest
  readonly #batch: Batch
  /** Of an account whose storage goes: what is not put again. */
  readonly #clearing = new Map<string, readonly [TableName, Uint8Array]>()
  readonly room: Room

  constructor(tables: Tables, height: number, newest: Newest, batch: Batch, room: Room) {
    this.room = room
    this.#tables = tables
    this.#height = height
    this.#newest = newest
    this.#batch = batch
  }

  clear(keys: readonly (readonly [TableName, Uint8Array])[]): void {
    for (const entry of keys) this.#clearing.set(`${entry[0]} ${bytesToHex(entry[1])}`, entry)
  }
  cleared(): void {
    for (const [table, key] of [...this.#clearing.values()]) this.put(table, key, null)
  }

  put(
    table: TableName,
    key: Uint8Array,
    value: Uint8Array | null,
    before: Version | null = this.#newest(table, key),
  ): void {
    if (this.#clearing.size > 0) this.#clearing.delete(`${table} ${bytesToHex(key)}`)
    if (isContent(before, value)) return
    this.#tables[table].put(key, this.#height, value, before, this.#batch)
    const replaced = this.room.replaced[table]
    if (before !== null) replaced.add(key, before)
    if (value === null) replaced.removed.push(key.slice())
  }

  /** After all puts: the history of the block. */
  async finish(pause: Pause): Promise<void> {
    for (const table of TABLE_NAMES) {
      this.#tables[table].remember(this.#height, this.room.replaced[table], this.#batch)
      await pause()
    }
  }
}
