// A state of a stopped node, account by account, for files. Owns the order (by the hash of the address, as they are stored) and their JSON.
import { type Address, bytesToBigint, bytesToHex, equalBytes, type Hex } from './base/bytes.ts'
import { KECCAK_EMPTY } from './base/crypto.ts'
import type { Kv } from './base/ports.ts'
import { decodeAccount } from './store/account.ts'
import { openTables, readMeta } from './store/layout.ts'
import { openReader } from './store/state.ts'
import { contentOf, heightOf, type VersionTable } from './store/versions.ts'

/** As geth's `alloc` has it, with the address beside. Numbers are decimal strings, words 0x and 64 digits. */
export interface ExportedAccount {
  readonly address: Hex
  readonly balance: string
  readonly nonce: string
  readonly code?: Hex
  readonly storage?: Readonly<Record<Hex, Hex>>
}

/** An account of a state, with its storage to be read once and in turn. */
export interface WalkedAccount {
  readonly address: Address
  readonly balance: bigint
  readonly nonce: bigint
  /** null where it has none. */
  readonly code: Uint8Array | null
  /** Key and value, both of 64 digits. */
  slots(): AsyncIterable<readonly [Hex, Hex]>
}

const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`

/** The accounts after a block whose state is kept. Holds one at a time, and of its storage nothing. Throws STORE_CORRUPT. */
export async function* walkState(kv: Kv, height: number): AsyncIterable<WalkedAccount> {
  const { accounts, slots } = openTables(kv)
  const reader = openReader(kv, height)
  const from = Uint8Array.of(accounts.prefix)
  for await (const [stored, sealed] of kv.entries(from, next(from))) {
    const value = valueAt(accounts, stored, sealed, height)
    if (value === null) continue
    const { address, balance, nonce, codeHash } = decodeAccount(value)
    const owner = slots.stored(stored.subarray(1))
    yield {
      ...{ address, balance, nonce },
      code: equalBytes(codeHash, KECCAK_EMPTY) ? null : reader.code(codeHash).bytes,
      async *slots() {
        for await (const [at, slot] of kv.entries(owner, next(owner))) {
          const content = valueAt(slots, at, slot, height)
          if (content === null) continue
          yield [bytesToHex(content.subarray(0, 32)), word(bytesToBigint(content.subarray(32)))] as const
        }
      },
    }
  }
}

/** Holds one account at a time, with its storage. Throws STORE_CORRUPT. */
export async function* accountsOf(kv: Kv): AsyncIterable<ExportedAccount> {
  for await (const { address, balance, nonce, code, slots } of walkState(kv, readMeta(kv)?.height ?? 0)) {
    const storage: Record<Hex, Hex> = {}
    for await (const [key, value] of slots()) storage[key] = value
    yield {
      ...{ address: bytesToHex(address), balance: `${balance}`, nonce: `${nonce}` },
      ...(code !== null && { code: bytesToHex(code) }),
      ...(Object.keys(storage).length > 0 && { storage }),
    }
  }
}

/** Of a newest version that iteration found, or of the one before it that held at the height. */
const valueAt = (table: VersionTable, stored: Uint8Array, sealed: Uint8Array, height: number): Uint8Array | null => {
  const newest = table.decode(stored, sealed)
  return heightOf(newest) <= height ? contentOf(newest) : table.at(stored.slice(1), height)
}

/** The first key after all of one owner's. */
const next = (from: Uint8Array): Uint8Array => {
  const out = from.slice()
  for (let i = out.length - 1; i >= 0; i--) {
    out[i] = ((out[i] as number) + 1) & 255
    if (out[i] !== 0) break
  }
  return out
}
