// State as the store keeps it, the executor reads it and one block's journal changes it: interfaces and nothing else.
import type { Address, Hash, Hex, Word } from '../base/bytes.ts'
import type { Log } from './receipt.ts'

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

/** A stable handle to an account in one `State`; fields are read freely and written only by the `State`. */
export interface Account {
  readonly address: Address
  readonly hex: Hex
  readonly nonce: bigint
  readonly balance: bigint
  readonly codeHash: Hash
  /** False for an account that is not in the trie: nothing was there and nothing was written. */
  readonly exists: boolean
}

/** A stable handle to a storage slot in one `State`. */
export interface Slot {
  readonly account: Account
  readonly key: Word
  readonly value: Word
  /** The value when the running transaction began (EIP-2200). */
  readonly original: Word
}

export type Mark = number

/** One block's journal over a `Reader`: one undo log, a checkpoint is its length. One transaction at a time. */
export interface State extends Reader {
  load(address: Address): Account
  /** The same of bytes that nobody writes to any more, as those of a transaction are: they are not copied. */
  adopt(address: Address): Account
  loadSlot(account: Account, key: Word): Slot
  /** Whether it was loaded before. What was not is cold, and loading it reads the store. */
  isLoaded(address: Address): boolean
  isSlotLoaded(account: Account, key: Word): boolean
  codeOf(account: Account): Code
  setBalance(account: Account, wei: bigint): void
  setNonce(account: Account, nonce: bigint): void
  /** Empty bytes remove the code. */
  setCode(account: Account, bytes: Uint8Array): void
  setSlot(slot: Slot, value: Word): void
  transient(address: Address, key: Word): Word
  setTransient(address: Address, key: Word, value: Word): void
  /** True when it was cold; warm from now on, unless reverted (EIP-2929). */
  warmAccount(account: Account): boolean
  warmSlot(slot: Slot): boolean
  isWarmAccount(account: Account): boolean
  isWarmSlot(slot: Slot): boolean
  /** Marks a contract made by this transaction, which alone SELFDESTRUCT may delete (EIP-6780). */
  markCreated(account: Account): void
  wasCreated(account: Account): boolean
  /** Deleted with its storage by `end()`; a revert takes it back. */
  destroy(account: Account): void
  log(entry: Log): void
  logCount(): number
  /** Takes the logs from this position on out of the journal, for an engine that keeps its own order. */
  takeLogs(from: number): readonly Log[]
  refund(): bigint
  setRefund(gas: bigint): void
  checkpoint(): Mark
  revert(to: Mark): void
  /** Opens a transaction: forgets warm sets, originals, transient storage, created marks, refund and logs. */
  begin(): void
  /** Closes it: deletes destroyed accounts and, as EIP-161 says, touched empty ones. Returns the transaction's logs. */
  end(): readonly Log[]
  changes(): Changes
  /** The same for the last time: the state is good for nothing else, and hands itself out without a copy. */
  finish(): Changes
}
