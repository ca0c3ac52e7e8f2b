// State as the store keeps it and the executor reads it: interfaces and nothing else.
import type { Address, Hash, Word } from '../base/bytes.ts'

/** What the account trie commits to, without the storage root. An account of no nonce, balance and code is absent (EIP-161). */
export interface AccountRecord {
  readonly nonce: bigint
  readonly balance: bigint
  readonly codeHash: Hash
}

export interface Code {
  readonly hash: Hash
  readonly bytes: Uint8Array
  /** One bit per byte of code, least significant first: set where a JUMPDEST is an instruction. */
  readonly jumps: Uint8Array
}

/** Committed state at one height. Never waits. */
export interface Reader {
  account(address: Address): AccountRecord | undefined
  /** 0 where nothing is stored. */
  slot(address: Address, key: Word): Word
  /** The code must exist: asking for another hash is a broken invariant. */
  code(hash: Hash): Code
}

export interface SlotChange {
  readonly key: Word
  readonly value: Word
}
export interface AccountChange {
  readonly address: Address
  /** null deletes the account; all its slots go with it. */
  readonly account: AccountRecord | null
  /** True when storage before this block must be dropped first: the account was deleted, and maybe made again. */
  readonly storageCleared: boolean
  readonly slots: readonly SlotChange[]
}
/** What one block changed: each account once, only where something differs from before. Order carries no meaning. */
export interface Changes {
  readonly accounts: readonly AccountChange[]
  readonly codes: readonly Code[]
}
