// The state of a stopped node's head, account by account, for files. Owns the order (by the hash of the address, as they are stored) and their JSON.
import { bytesToBigint, bytesToHex, equalBytes, type Hex } from './base/bytes.ts'
import { KECCAK_EMPTY } from './base/crypto.ts'
import type { Kv } from './base/ports.ts'
import { decodeAccount } from './store/account.ts'
import { openTables, readMeta } from './store/layout.ts'
import { openReader } from './store/state.ts'
import { contentOf } from './store/versions.ts'

/** As geth's `alloc` has it, with the address beside. Numbers are decimal strings, words 0x and 64 digits. */
export interface ExportedAccount {
  readonly address: Hex
  readonly balance: string
  readonly nonce: string
  readonly code?: Hex
  readonly storage?: Readonly<Record<Hex, Hex>>
}

const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`

/** Holds one account at a time, with its storage. Throws STORE_CORRUPT. */
export async function* accountsOf(kv: Kv): AsyncIterable<ExportedAccount> {
  const { accounts, slots } = openTables(kv)
  const reader = openReader(kv, readMeta(kv)?.height ?? 0)
  for await (const [stored, sealed] of kv.entries(Uint8Array.of(accounts.prefix), Uint8Array.of(accounts.prefix + 1))) {
    const value = contentOf(accounts.decode(stored, sealed))
    if (value === null) continue
    const { address, balance, nonce, codeHash } = decodeAccount(value)
    const code = equalBytes(codeHash, KECCAK_EMPTY) ? null : reader.code(codeHash).bytes
    const storage: Record<Hex, Hex> = {}
    const from = slots.stored(stored.subarray(1))
    for await (const [at, slot] of kv.entries(from, next(from))) {
      const content = contentOf(slots.decode(at, slot))
      if (content === null) continue
      storage[bytesToHex(content.subarray(0, 32))] = word(bytesToBigint(content.subarray(32)))
    }
    yield {
      ...{ address: bytesToHex(address), balance: `${balance}`, nonce: `${nonce}` },
      ...(code !== null && { code: bytesToHex(code) }),
      ...(Object.keys(storage).length > 0 && { storage }),
    }
  }
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
