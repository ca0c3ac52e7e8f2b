// How the state lies in the store: flat tables of accounts and slots by hashed key, the branches of their tries, code, and what says
// of which height all that is. Owns keys and values, and no write of a block: `state.ts` makes those, `snapshot.ts` those of a whole state.
import { asHash, bytesToNumber, compareBytes, concat, type Hash } from '../base/bytes.ts'
import { KECCAK_EMPTY } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import type { Kv } from '../base/ports.ts'
import { asBytes, asList, decodeRlp, encodeRlp, rlpInt } from '../base/rlp.ts'
import type { Code } from '../types/state.ts'
import { accountLeaf } from './account.ts'
import type { Batch } from './batch.ts'
import { corrupt, unseal } from './seal.ts'
import { slotLeaf } from './slot.ts'
import { type Child, rootOf, type TrieSource, unpackChild } from './trie.ts'
import { contentOf, openVersionTable, type VersionTable } from './versions.ts'

export const PREFIX = { accounts: 0x61, slots: 0x73, nodes: 0x6e, code: 0x63, meta: 0x6d } as const
const HISTORY = { accounts: 0x62, slots: 0x74, nodes: 0x6f } as const

export interface Tables {
  readonly accounts: VersionTable
  readonly slots: VersionTable
  /** Branches by owner and path, a nibble a byte; and each trie's root child. Owner: 32 bytes, zeros for accounts. */
  readonly nodes: VersionTable
}
export type TableName = keyof Tables
export const TABLE_NAMES = ['accounts', 'slots', 'nodes'] as const

export const openTables = (kv: Kv): Tables => {
  const open = (name: TableName): VersionTable =>
    openVersionTable(kv, { name, prefix: PREFIX[name], historyPrefix: HISTORY[name] })
  return { accounts: open('accounts'), slots: open('slots'), nodes: open('nodes') }
}

/** The account trie's owner. No address hashes to it that anybody could find. */
export const ACCOUNTS = new Uint8Array(32)

/** 16 is no nibble, so no branch stands there. */
export const rootKey = (owner: Uint8Array): Uint8Array => concat(owner, Uint8Array.of(16))

/** Of the account trie as its newest versions have it. */
export const storedRoot = ({ nodes }: Tables): Hash => {
  const newest = nodes.newest(rootKey(ACCOUNTS))
  const trie = newest === null ? null : contentOf(newest)
  return rootOf(trie === null ? null : unpackChild(trie))
}

/** A trie as it was after block `height`. */
export function trieAt(
  tables: Tables,
  height: number,
  owner: Uint8Array,
): { readonly root: Child; readonly source: TrieSource } {
  const must = (value: Uint8Array | null, key: Uint8Array): Uint8Array => {
    if (value === null) throw corrupt('nodes', key, `the trie of block ${height} names it and it is missing`)
    return value
  }
  const root = tables.nodes.at(rootKey(owner), height)
  const leafAt = (key: Uint8Array): Uint8Array =>
    owner === ACCOUNTS
      ? accountLeaf(must(tables.accounts.at(key, height), key))
      : slotLeaf(must(tables.slots.at(concat(owner, key), height), key))
  return {
    root: root === null ? null : unpackChild(root),
    source: {
      branch: (path) => must(tables.nodes.at(concat(owner, path), height), concat(owner, path)),
      leaf: leafAt,
    },
  }
}

export interface Meta {
  readonly height: number
  readonly root: Hash
  readonly lowest: { readonly state: number; readonly proofs: number }
}
const META_KEY = Uint8Array.of(PREFIX.meta)
/** null in an empty store. */
export const readMeta = (kv: Kv): Meta | null => {
  const sealed = kv.get(META_KEY)
  if (sealed === undefined) return null
  const f = asList(decodeRlp(unseal('meta', META_KEY, sealed)), 4)
  return {
    height: bytesToNumber(asBytes(f[0])),
    root: asHash(asBytes(f[1], 32)),
    lowest: { state: bytesToNumber(asBytes(f[2])), proofs: bytesToNumber(asBytes(f[3])) },
  }
}
export const writeMeta = ({ height, root, lowest }: Meta, out: Batch): void =>
  out.put(META_KEY, encodeRlp([rlpInt(height), root, rlpInt(lowest.state), rlpInt(lowest.proofs)]))

const EMPTY_CODE: Code = { hash: KECCAK_EMPTY, bytes: new Uint8Array(0), jumps: new Uint8Array(0) }
const isEmptyCode = (hash: Hash): boolean => hash === KECCAK_EMPTY || compareBytes(hash, KECCAK_EMPTY) === 0

export const codeKey = (hash: Uint8Array): Uint8Array => concat(Uint8Array.of(PREFIX.code), hash)
export const readCode = (kv: Kv, hash: Hash): Code => {
  if (isEmptyCode(hash)) return EMPTY_CODE
  const key = codeKey(hash)
  const sealed = kv.get(key)
  if (sealed === undefined) throw corrupt('code', key, 'an account has this code and it is missing')
  const content = unseal('code', key, sealed)
  const split = Math.ceil(content.length / 9)
  // jumps are ceil(n / 8) bytes for n of code, and ceil((n + ceil(n / 8)) / 9) is ceil(n / 8)
  return { hash, jumps: content.subarray(0, split), bytes: content.subarray(split) }
}
export const writeCode = (code: Code, out: Batch): void => {
  assert(code.jumps.length === Math.ceil(code.bytes.length / 8), 'one bit for each byte of code')
  out.put(codeKey(code.hash), concat(code.jumps, code.bytes))
}

/** The first key after all that begin with `prefix`. */
export const after = (prefix: Uint8Array): Uint8Array => {
  const out = prefix.slice()
  for (let i = out.length - 1; i >= 0; i--) {
    out[i] = ((out[i] as number) + 1) & 255
    if (out[i] !== 0) return out.subarray(0, i + 1)
  }
  return concat(prefix, new Uint8Array(64).fill(255))
}
