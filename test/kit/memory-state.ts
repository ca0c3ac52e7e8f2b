// Committed state in maps, for tests of execution alone: a Reader to run on, changes to apply, and the root by the library's
// own trie.
import { createMPT, type MerklePatriciaTrie } from '@ethereumjs/mpt'
import { asAddress, bigintToBytes, bigintToFixed, bytesToHex, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY, keccak } from '../../chain/base/crypto.ts'
import { encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
import { codeFrom } from '../../chain/exec/state.ts'
import type { AccountRecord, Changes, Code, Reader } from '../../chain/types/state.ts'

interface Entry {
  record: AccountRecord
  readonly slots: Map<bigint, bigint>
}

export interface MemoryState extends Reader {
  put(
    hex: string,
    entry: { nonce: bigint; balance: bigint; code: Uint8Array; slots: readonly (readonly [bigint, bigint])[] },
  ): void
  apply(changes: Changes): void
  /** All balances. */
  total(): bigint
  root(): Promise<Hash>
}

export function createMemoryState(): MemoryState {
  const accounts = new Map<string, Entry>()
  const codes = new Map<string, Code>()
  const codeNamed = (hash: Hash): Code => codes.get(bytesToHex(hash)) ?? codeFrom(new Uint8Array(0))
  return {
    account: (address) => accounts.get(bytesToHex(address))?.record,
    slot: (address, key) => accounts.get(bytesToHex(address))?.slots.get(key) ?? 0n,
    code: codeNamed,
    put(hex, { nonce, balance, code, slots }) {
      const made = codeFrom(code)
      codes.set(bytesToHex(made.hash), made)
      const filled = slots.filter(([, value]) => value !== 0n)
      accounts.set(hex.toLowerCase(), { record: { nonce, balance, codeHash: made.hash }, slots: new Map(filled) })
    },
    apply(changes) {
      for (const code of changes.codes) codes.set(bytesToHex(code.hash), code)
      for (const change of changes.accounts) {
        const hex = bytesToHex(change.address)
        if (change.account === null) {
          accounts.delete(hex)
          continue
        }
        const entry = accounts.get(hex) ?? { record: change.account, slots: new Map<bigint, bigint>() }
        if (change.storageCleared) entry.slots.clear()
        entry.record = { ...change.account }
        for (const { key, value } of change.slots) {
          if (value === 0n) entry.slots.delete(key)
          else entry.slots.set(key, value)
        }
        accounts.set(hex, entry)
      }
    },
    total: () => [...accounts.values()].reduce((sum, { record }) => sum + record.balance, 0n),
    async root() {
      const trie = await newTrie()
      for (const [hex, { record, slots }] of accounts) {
        let storageRoot: Uint8Array = EMPTY_ROOT
        if (slots.size > 0) {
          const storage = await newTrie()
          for (const [key, value] of slots) await storage.put(bigintToFixed(key, 32), encodeRlp(bigintToBytes(value)))
          storageRoot = storage.root()
        }
        const leaf = [rlpInt(record.nonce), rlpInt(record.balance), storageRoot, record.codeHash ?? KECCAK_EMPTY]
        await trie.put(asAddress(hexToBytes(hex)), encodeRlp(leaf))
      }
      return trie.root() as Hash // 32 bytes by construction
    },
  }
}

const newTrie = (): Promise<MerklePatriciaTrie> => createMPT({ useKeyHashing: true, useKeyHashingFunction: keccak })
