// State at every height that is kept: flat tables of accounts, slots and code by hashed key, with the plain key beside the
// value; the tries over them; and their history. Owns what one block writes, reads in the past, proofs, pruning and the check
// that tables and trie agree. Blocks never reorganise, so there is one line of versions and no overlay of forks.
import {
  type Address,
  asAddress,
  asHash,
  bigintToBytes,
  bigintToFixed,
  bytesToBigint,
  bytesToHex,
  bytesToNumber,
  compareBytes,
  concat,
  equalBytes,
  type Hash,
  type Word,
} from '../base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY, keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import type { Kv, KvWrite, Pause } from '../base/ports.ts'
import { asBigint, asBytes, asList, asNumber, decodeRlp, encodeRlp, type Rlp, rlpInt } from '../base/rlp.ts'
import type { AccountProof } from '../types/query.ts'
import type { AccountChange, AccountRecord, Changes, Code, Reader } from '../types/state.ts'
import { corrupt, seal, unseal } from './seal.ts'
import {
  type BranchWrites,
  type Child,
  type LeafChange,
  packChild,
  proveKey,
  rootFromLeaves,
  rootOf,
  type TrieSource,
  unpackChild,
  updateTrie,
} from './trie.ts'
import { openVersionTable, Slabs, type Version, type VersionTable, type WriteBuffer } from './versions.ts'

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
  readonly writes: readonly KvWrite[]
  /** What is newest once it is written, by the names of the cache. */
  readonly versions: ReadonlyMap<string, Version>
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
  /** Reads everything, compares tables, tries and root; answers how much there is. Throws STORE_CORRUPT with the first fault. */
  check(): Promise<{ readonly accounts: number; readonly slots: number; readonly codes: number }>
}

const PREFIX = { accounts: 0x61, slots: 0x73, nodes: 0x6e, code: 0x63, undo: 0x75, meta: 0x6d } as const
const HISTORY = { accounts: 0x62, slots: 0x74, nodes: 0x6f } as const
const META_KEY = Uint8Array.of(PREFIX.meta)
const EMPTY_CODE: Code = { hash: KECCAK_EMPTY, bytes: new Uint8Array(0), jumps: new Uint8Array(0) }
/** Leaf changes between two pauses: about 10 ms. */
const SLICE_LEAVES = 256
/** Writes between two pauses: about 10 ms. */
const SLICE_WRITES = 2_048

interface Tables {
  readonly accounts: VersionTable
  readonly slots: VersionTable
  /** Branches by owner and path, a nibble a byte; and each trie's root child. Owner: 32 bytes, zeros for accounts. */
  readonly nodes: VersionTable
}
type TableName = keyof Tables
const TABLE_NAMES = ['accounts', 'slots', 'nodes'] as const

const openTables = (kv: Kv): Tables => {
  const open = (name: TableName): VersionTable =>
    openVersionTable(kv, { name, prefix: PREFIX[name], historyPrefix: HISTORY[name] })
  return { accounts: open('accounts'), slots: open('slots'), nodes: open('nodes') }
}

interface StoredAccount extends AccountRecord {
  readonly storageRoot: Hash
  readonly address: Address
}

const encodeAccount = (account: StoredAccount): Uint8Array =>
  encodeRlp([
    account.address,
    rlpInt(account.nonce),
    rlpInt(account.balance),
    isEmptyCode(account.codeHash) ? new Uint8Array(0) : account.codeHash,
    compareBytes(account.storageRoot, EMPTY_ROOT) === 0 ? new Uint8Array(0) : account.storageRoot,
  ])
const decodeAccount = (bytes: Uint8Array): StoredAccount => {
  const f = asList(decodeRlp(bytes), 5)
  const code = asBytes(f[3])
  const storage = asBytes(f[4])
  return {
    address: asAddress(asBytes(f[0], 20)),
    nonce: asBigint(f[1], 64),
    balance: asBigint(f[2]),
    codeHash: code.length === 0 ? KECCAK_EMPTY : asHash(code),
    storageRoot: storage.length === 0 ? EMPTY_ROOT : asHash(storage),
  }
}
const isEmptyCode = (hash: Hash): boolean => compareBytes(hash, KECCAK_EMPTY) === 0

/** What the account trie holds (yellow paper, 4.1). */
const accountLeaf = (account: StoredAccount): Uint8Array =>
  encodeRlp([rlpInt(account.nonce), rlpInt(account.balance), account.storageRoot, account.codeHash])
/** A slot is stored as its plain key (32 bytes) and its value without leading zeros. */
const encodeSlot = (key: Word, value: Word): Uint8Array => concat(bigintToFixed(key, 32), bigintToBytes(value))
const slotValue = (stored: Uint8Array): Word => bytesToBigint(stored.subarray(32))
const slotLeaf = (stored: Uint8Array): Uint8Array => encodeRlp(stored.subarray(32))

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
      return bytes === null ? undefined : decodeAccount(bytes)
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

interface Meta {
  readonly height: number
  readonly root: Hash
  readonly lowest: { readonly state: number; readonly proofs: number }
}
const readMeta = (kv: Kv): Meta | null => {
  const sealed = kv.get(META_KEY)
  if (sealed === undefined) return null
  const f = asList(decodeRlp(unseal('meta', META_KEY, sealed)), 4)
  return {
    height: bytesToNumber(asBytes(f[0])),
    root: asHash(asBytes(f[1], 32)),
    lowest: { state: bytesToNumber(asBytes(f[2])), proofs: bytesToNumber(asBytes(f[3])) },
  }
}

const slotKey = (owner: Uint8Array, key: Word): Uint8Array => concat(owner, keccak(bigintToFixed(key, 32)))

const readCode = (kv: Kv, hash: Hash): Code => {
  if (isEmptyCode(hash)) return EMPTY_CODE
  const key = concat(Uint8Array.of(PREFIX.code), hash)
  const sealed = kv.get(key)
  if (sealed === undefined) throw corrupt('code', key, 'an account has this code and it is missing')
  const content = unseal('code', key, sealed)
  const split = Math.ceil(content.length / 9)
  // jumps are ceil(n / 8) bytes for n of code, and ceil((n + ceil(n / 8)) / 9) is ceil(n / 8)
  return { hash, jumps: content.subarray(0, split), bytes: content.subarray(split) }
}
const codeWrite = (code: Code): KvWrite => {
  const key = concat(Uint8Array.of(PREFIX.code), code.hash)
  assert(code.jumps.length === Math.ceil(code.bytes.length / 8), 'one bit for each byte of code')
  return { key, value: seal(key, concat(code.jumps, code.bytes)) }
}

/**
 * Newest values by table and key, within a bound of bytes: two generations, of which the older leaves at once when the younger
 * is full. One map with its oldest entry taken out each time would be quadratic, for a Map walks over what was deleted.
 */
class Cache {
  #young = new Map<string, Version | null>()
  #old = new Map<string, Version | null>()
  readonly #halfBytes: number
  #youngBytes = 0
  constructor(limitBytes: number) {
    this.#halfBytes = limitBytes / 2
  }
  get(name: string): Version | null | undefined {
    const young = this.#young.get(name)
    if (young !== undefined) return young
    const old = this.#old.get(name)
    if (old !== undefined) this.set(name, old)
    return old
  }
  set(name: string, version: Version | null): void {
    this.#young.set(name, version)
    this.#youngBytes += 200 + name.length + (version?.value?.length ?? 0)
    if (this.#youngBytes <= this.#halfBytes) return
    this.#old = this.#young
    this.#young = new Map()
    this.#youngBytes = 0
  }
  delete(name: string): void {
    this.#young.delete(name)
    this.#old.delete(name)
  }
}
/** `apply` takes any array-like, and is several times as fast as spreading; its type does not say so. */
const cacheName = (table: TableName, key: Uint8Array): string =>
  table[0] + String.fromCharCode.apply(null, key as unknown as number[])

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
  readonly #slabs = new Slabs()
  readonly #codes = new Map<string, Code>()
  #lowest: { readonly state: number; readonly proofs: number }

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

  #expect(height: number, lowest: number, what: string): void {
    if (height > this.height) throw new NodeError(StateErrors.UNKNOWN, { height, head: this.height })
    if (height < lowest) throw new NodeError(StateErrors.PRUNED, { height, lowest, what })
  }

  at(height: number): Reader {
    this.#expect(height, this.#lowest.state, 'state')
    if (height < this.height) return readerOver(this.#kv, this.#tables, height)
    const past = readerOver(this.#kv, this.#tables, height)
    // At the head values come from the cache, until a later block is the head; the store may hold that block already.
    const newest = (table: TableName, key: Uint8Array): Version | null | undefined => {
      if (this.height !== height) return undefined
      const version = this.#newest(table, key)
      return version !== null && version.height > height ? undefined : version
    }
    return {
      account: (address) => {
        const version = newest('accounts', keccak(address))
        if (version === undefined) return past.account(address)
        return version === null || version.value === null ? undefined : decodeAccount(version.value)
      },
      slot: (address, key) => {
        const version = newest('slots', slotKey(keccak(address), key))
        if (version === undefined) return past.slot(address, key)
        return version === null || version.value === null ? 0n : slotValue(version.value)
      },
      code: (hash) => this.#code(hash),
    }
  }

  /** Code never changes under its hash; what every block runs is read from disk once. */
  #code(hash: Hash): Code {
    const name = bytesToHex(hash)
    const known = this.#codes.get(name)
    if (known !== undefined) return known
    const code = readCode(this.#kv, hash)
    if (this.#codes.size >= CODES_MAX) this.#codes.clear()
    this.#codes.set(name, code)
    return code
  }

  #newest(table: TableName, key: Uint8Array, name = cacheName(table, key)): Version | null {
    const known = this.#cache.get(name)
    if (known !== undefined) return known
    const version = this.#tables[table].newest(key)
    this.#cache.set(name, version)
    return version
  }

  async prepare(height: number, changes: Changes): Promise<Prepared> {
    assert(height === this.height + 1, 'blocks are prepared on the head')
    const block = new BlockWrites(this.#tables, height, (table, key, name) => this.#newest(table, key, name))
    const leaves: LeafChange[] = []
    // In the order of their keys, so that the same changes in any order are the same bytes.
    const owned: { readonly owner: Hash; readonly change: AccountChange }[] = []
    for (const change of changes.accounts) {
      owned.push({ owner: keccak(change.address), change })
      if (owned.length % SLICE_WRITES === 0) await this.#pause()
    }
    owned.sort((a, b) => compareBytes(a.owner, b.owner))
    if (owned.length > SLICE_WRITES) await this.#pause()
    for (const { owner, change } of owned) {
      leaves.push(await this.#applyAccount(block, owner, change))
      if (leaves.length % SLICE_LEAVES === 0) await this.#pause()
    }
    const root = await this.#applyTrie(block, ACCOUNTS, leaves, (key) => {
      const value = block.value('accounts', key)
      assert(value !== null, 'a leaf of the account trie has its account')
      return accountLeaf(decodeAccount(value))
    })
    // What is pruned comes first: where a block writes again what it prunes, the later write stands.
    const buffer: WriteBuffer = { writes: [], slabs: this.#slabs }
    const { writes } = buffer
    const lowest = await this.#prune(height, writes)
    writes.push(...changes.codes.map(codeWrite))
    const versions = await block.writes(buffer, this.#pause)
    const meta = encodeRlp([rlpInt(height), rootOf(root), rlpInt(lowest.state), rlpInt(lowest.proofs)])
    writes.push({ key: META_KEY, value: seal(META_KEY, meta) })
    return { height, root: rootOf(root), changes, writes, versions }
  }

  /** Writes one account and its slots; answers its leaf in the account trie. */
  async #applyAccount(block: BlockWrites, owner: Hash, change: AccountChange): Promise<LeafChange> {
    if (change.storageCleared) await this.#clearStorage(block, owner)
    let storageRoot = change.storageCleared ? EMPTY_ROOT : this.#storageRoot(owner)
    if (change.slots.length > 0) {
      const slots = change.slots.map((slot) => ({ ...slot, hashed: keccak(bigintToFixed(slot.key, 32)) }))
      slots.sort((a, b) => compareBytes(a.hashed, b.hashed))
      const leaves = slots.map(({ key, value, hashed }): LeafChange => {
        block.put('slots', concat(owner, hashed), value === 0n ? null : encodeSlot(key, value))
        return { key: hashed, value: value === 0n ? null : encodeRlp(bigintToBytes(value)) }
      })
      const root = await this.#applyTrie(block, owner, leaves, (key) => {
        const value = block.value('slots', concat(owner, key))
        assert(value !== null, 'a leaf of a storage trie has its slot')
        return slotLeaf(value)
      })
      storageRoot = rootOf(root)
    }
    if (change.account === null) {
      block.put('accounts', owner, null)
      return { key: owner, value: null }
    }
    const account = { ...change.account, storageRoot, address: change.address }
    block.put('accounts', owner, encodeAccount(account))
    return { key: owner, value: accountLeaf(account) }
  }

  #storageRoot(owner: Hash): Hash {
    const value = this.#newest('accounts', owner)?.value ?? null
    return value === null ? EMPTY_ROOT : decodeAccount(value).storageRoot
  }

  /** Rare since EIP-6780: only an account made anew in the block that deletes it. */
  async #clearStorage(block: BlockWrites, owner: Hash): Promise<void> {
    for (const table of ['slots', 'nodes'] as const) {
      const from = this.#tables[table].stored(owner)
      for await (const [stored] of this.#kv.entries(from, after(from))) block.put(table, stored.subarray(1), null)
    }
  }

  async #applyTrie(
    block: BlockWrites,
    owner: Uint8Array,
    leaves: readonly LeafChange[],
    leaf: (key: Uint8Array) => Uint8Array,
  ): Promise<Child> {
    const before = block.value('nodes', rootKey(owner))
    let root = before === null ? null : unpackChild(before)
    const source: TrieSource = {
      leaf,
      branch(path) {
        const packed = block.value('nodes', concat(owner, path))
        if (packed === null) throw corrupt('nodes', concat(owner, path), 'a trie node is missing')
        return packed
      },
    }
    for (let at = 0; at < leaves.length; at += SLICE_LEAVES) {
      const writes: BranchWrites = new Map()
      root = updateTrie(root, leaves.slice(at, at + SLICE_LEAVES), source, writes)
      for (const { path, packed } of writes.values()) block.put('nodes', concat(owner, path), packed)
      if (at + SLICE_LEAVES < leaves.length) await this.#pause()
    }
    block.put('nodes', rootKey(owner), root === null ? null : packChild(root))
    return root
  }

  /** Forgets versions that no kept height reads, a bounded number of heights a block; answers the new lowest heights. */
  async #prune(height: number, writes: KvWrite[]): Promise<{ readonly state: number; readonly proofs: number }> {
    const { historyBlocks, proofBlocks } = this.#options
    const state = historyBlocks === null ? 0 : Math.max(0, height - historyBlocks)
    const proofs = proofBlocks === null ? 0 : Math.max(0, height - proofBlocks)
    const next = {
      state: Math.min(Math.max(state, this.#lowest.state), this.#lowest.state + PRUNE_HEIGHTS),
      proofs: Math.min(Math.max(proofs, this.#lowest.proofs), this.#lowest.proofs + PRUNE_HEIGHTS),
    }
    for (let at = this.#lowest.state + 1; at <= next.state; at++)
      await this.#pruneHeight(at, ['accounts', 'slots'], writes)
    for (let at = this.#lowest.proofs + 1; at <= next.proofs; at++) await this.#pruneHeight(at, ['nodes'], writes)
    return next
  }

  /** Whatever the block of `height` replaced is read by nobody once `height` is the lowest. */
  async #pruneHeight(height: number, tables: readonly TableName[], writes: KvWrite[]): Promise<void> {
    for (const table of tables) {
      const key = undoKey(table, height)
      const sealed = this.#kv.get(key)
      if (sealed === undefined) continue
      for (const [i, changed] of asList(decodeRlp(unseal('undo', key, sealed))).entries()) {
        if (i % SLICE_WRITES === SLICE_WRITES - 1) await this.#pause()
        const [name, previous] = undoFrom(changed)
        writes.push(...this.#tables[table].pruneWrites(name, height, previous, this.#newest(table, name)))
      }
      writes.push({ key, value: null })
    }
  }

  async applied(prepared: Prepared): Promise<void> {
    assert(prepared.height === this.height + 1, 'prepared blocks are applied on the head they were made on')
    let seen = 0
    const breathe = async (): Promise<void> => {
      if (++seen % SLICE_WRITES === 0) await this.#pause()
    }
    for (const { key, value } of prepared.writes) {
      if (value !== null) continue
      const table = TABLE_NAMES.find((name) => PREFIX[name] === key[0])
      if (table !== undefined) this.#cache.delete(cacheName(table, key.subarray(1)))
      await breathe()
    }
    for (const [name, version] of prepared.versions) {
      this.#cache.set(name, version)
      await breathe()
    }
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
    const storage = this.#past(height, owner, (key) => this.#tables.slots.at(concat(owner, key), height), slotLeaf)
    const accounts = this.#past(
      height,
      ACCOUNTS,
      (key) => this.#tables.accounts.at(key, height),
      (value) => accountLeaf(decodeAccount(value)),
    )
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

  /** A trie as it was after block `height`. */
  #past(
    height: number,
    owner: Uint8Array,
    read: (key: Uint8Array) => Uint8Array | null,
    leafOf: (stored: Uint8Array) => Uint8Array,
  ): { readonly root: Child; readonly source: TrieSource } {
    const must = (value: Uint8Array | null, key: Uint8Array): Uint8Array => {
      if (value === null) throw corrupt('nodes', key, `the trie of block ${height} names it and it is missing`)
      return value
    }
    const root = this.#tables.nodes.at(rootKey(owner), height)
    return {
      root: root === null ? null : unpackChild(root),
      source: {
        branch: (path) => must(this.#tables.nodes.at(concat(owner, path), height), concat(owner, path)),
        leaf: (key) => leafOf(must(read(key), key)),
      },
    }
  }

  async check(): Promise<{ readonly accounts: number; readonly slots: number; readonly codes: number }> {
    const slots = this.#tables.slots
    const leaves: LeafChange[] = []
    const counts = { accounts: 0, slots: 0, codes: 0 }
    for await (const [stored, sealed] of this.#entries(PREFIX.accounts)) {
      const { value } = this.#tables.accounts.decode(stored, sealed)
      if (value === null) continue
      counts.accounts++
      const account = decodeAccount(value)
      const owner = stored.subarray(1)
      if (compareBytes(keccak(account.address), owner) !== 0)
        throw corrupt('accounts', stored, 'it holds another address')
      readCode(this.#kv, account.codeHash)
      const from = slots.stored(owner)
      const storage: LeafChange[] = []
      for await (const [slotAt, slotSealed] of this.#kv.entries(from, after(from))) {
        const slot = slots.decode(slotAt, slotSealed).value
        if (slot !== null) storage.push({ key: slotAt.subarray(33), value: slotLeaf(slot) })
      }
      counts.slots += storage.length
      if (compareBytes(rootFromLeaves(storage), account.storageRoot) !== 0)
        throw corrupt('slots', from, `the storage of ${bytesToHex(account.address)} does not have its root`)
      leaves.push({ key: owner, value: accountLeaf(account) })
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
        META_KEY,
        `all accounts make root ${bytesToHex(root)}, the head has ${bytesToHex(this.root)}`,
      )
    const trie = this.#tables.nodes.newest(rootKey(ACCOUNTS))?.value ?? null
    if (compareBytes(rootOf(trie === null ? null : unpackChild(trie)), this.root) !== 0)
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
/** The account trie's owner. No address hashes to it that anybody could find. */
const ACCOUNTS = new Uint8Array(32)

/** 16 is no nibble, so no branch stands there. */
const rootKey = (owner: Uint8Array): Uint8Array => concat(owner, Uint8Array.of(16))

/** What a block changed, and the height of what it replaced, so that forgetting that needs no look at the version in between. */
const undoOf = (key: Uint8Array, before: Version | null): Rlp =>
  before === null ? [key] : [key, rlpInt(before.height)]
const undoFrom = (item: Rlp): readonly [Uint8Array, number | null] => {
  const [key, previous] = asList(item)
  return [asBytes(key), previous === undefined ? null : asNumber(previous)]
}
const undoKey = (table: TableName, height: number): Uint8Array =>
  concat(Uint8Array.of(PREFIX.undo, PREFIX[table]), bigintToFixed(BigInt(height), 6))

/** The first key after all that begin with `prefix`. */
const after = (prefix: Uint8Array): Uint8Array => {
  const out = prefix.slice()
  for (let i = out.length - 1; i >= 0; i--) {
    out[i] = ((out[i] as number) + 1) & 255
    if (out[i] !== 0) return out.subarray(0, i + 1)
  }
  return concat(prefix, new Uint8Array(64).fill(255))
}

/** `name` is the key's in the cache. */
type Newest = (table: TableName, key: Uint8Array, name: string) => Version | null

/** What one block puts over the newest versions. Later puts of a key win; a put of what is there already is none. */
class BlockWrites {
  readonly #tables: Tables
  readonly #height: number
  readonly #newest: Newest
  readonly #puts = new Map<
    string,
    { readonly table: TableName; readonly key: Uint8Array; readonly value: Uint8Array | null }
  >()

  constructor(tables: Tables, height: number, newest: Newest) {
    this.#tables = tables
    this.#height = height
    this.#newest = newest
  }

  put(table: TableName, key: Uint8Array, value: Uint8Array | null): void {
    this.#puts.set(cacheName(table, key), { table, key, value })
  }
  value(table: TableName, key: Uint8Array): Uint8Array | null {
    const name = cacheName(table, key)
    const put = this.#puts.get(name)
    return put === undefined ? (this.#newest(table, key, name)?.value ?? null) : put.value
  }

  /** Adds every write to `out`; answers the newest versions by their names in the cache. Waits for `pause` now and then. */
  async writes(out: WriteBuffer, pause: Pause): Promise<ReadonlyMap<string, Version>> {
    const made = new Map<string, Version>()
    const changed: Record<TableName, Rlp[]> = { accounts: [], slots: [], nodes: [] }
    let seen = 0
    for (const [name, { table, key, value }] of this.#puts) {
      if (++seen % SLICE_WRITES === 0) await pause()
      const before = this.#newest(table, key, name)
      const was = before?.value ?? null
      if (value === null ? was === null : was !== null && equalBytes(was, value)) continue
      made.set(name, this.#tables[table].put(key, this.#height, value, before, out))
      changed[table].push(undoOf(key, before))
    }
    for (const table of TABLE_NAMES) {
      if (changed[table].length === 0) continue
      const key = undoKey(table, this.#height)
      out.writes.push({ key, value: seal(key, encodeRlp(changed[table])) })
      if (changed[table].length > SLICE_WRITES) await pause()
    }
    return made
  }
}
