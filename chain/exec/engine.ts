// The seam between the transaction rules, the state and whatever runs code. Owns the interfaces and nothing else; the
// reference engine stands behind them, a faster one may. Everything but `Engine.execute` is synchronous: a state that waits
// can never feed a fast engine.
import type { Address, Hash, Hex, Word } from '../base/bytes.ts'
import type { Log } from '../types/receipt.ts'
import type { Changes, Code, Reader } from '../types/state.ts'

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
  loadSlot(account: Account, key: Word): Slot
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
  refund(): bigint
  setRefund(gas: bigint): void
  checkpoint(): Mark
  revert(to: Mark): void
  /** Opens a transaction: forgets warm sets, originals, transient storage, created marks, refund and logs. */
  begin(): void
  /** Closes it: deletes destroyed accounts and, as EIP-161 says, touched empty ones. Returns the transaction's logs. */
  end(): readonly Log[]
  changes(): Changes
}

export interface BlockContext {
  readonly chainId: bigint
  readonly number: number
  /** Seconds. */
  readonly time: number
  readonly coinbase: Address
  readonly gasLimit: bigint
  readonly baseFeeWei: bigint
  readonly prevRandao: Hash
  readonly parentBeaconBlockRoot: Hash
  /** Hash of an earlier block, of the last 256; zero for any other. */
  blockHash(number: number): Hash
}

export type CallKind = 'call' | 'callcode' | 'delegatecall' | 'staticcall' | 'create' | 'create2'

/** One running call as a native sees it. */
export interface Frame {
  readonly kind: CallKind
  readonly depth: number
  readonly caller: Address
  /** Whose storage is in use. */
  readonly address: Address
  readonly codeAddress: Address
  readonly value: bigint
  readonly input: Uint8Array
  readonly gas: bigint
  /** True anywhere under a STATICCALL. */
  readonly isStatic: boolean
  /** The transaction's signer. */
  readonly origin: Address
}

export interface NativeResult {
  readonly gasUsed: bigint
  /** 'revert' keeps the remaining gas for the caller, 'fault' takes all of it; both undo writes and logs. */
  readonly status: 'success' | 'revert' | 'fault'
  readonly output: Uint8Array
}
export type Native = (frame: Frame, state: State, block: BlockContext) => NativeResult
/** By lower-case hex address, for one height. */
export type NativeTable = ReadonlyMap<Hex, Native>

/** A call or creation at depth 0. Gas is what is left after intrinsic gas; nonce, fees and value checks are the caller's. */
export interface Message {
  readonly origin: Address
  readonly gasPriceWei: bigint
  readonly caller: Address
  /** null creates a contract. */
  readonly to: Address | null
  readonly value: bigint
  readonly input: Uint8Array
  readonly gas: bigint
}

export interface Outcome {
  readonly status: 'success' | 'revert' | 'fault'
  readonly gasLeft: bigint
  readonly output: Uint8Array
  /** Set by a successful creation. */
  readonly created: Address | null
  /** Name of the exceptional halt, such as 'out of gas'; null unless status is 'fault'. */
  readonly fault: string | null
}

/** Sees each instruction and frame; only tracing passes one. */
export interface Tracer {
  enter?(frame: Frame): void
  exit?(result: { readonly gasUsed: bigint; readonly output: Uint8Array; readonly error: string | null }): void
  step?(step: TraceStep): void
}
export interface TraceStep {
  readonly pc: number
  readonly opcode: number
  readonly name: string
  readonly gas: bigint
  readonly gasCost: bigint
  readonly depth: number
  /** Bottom first. Valid only during the call. */
  readonly stack: readonly bigint[]
  readonly memory: Uint8Array
  readonly address: Address
  readonly refund: bigint
}

export interface Engine {
  readonly name: string
  execute(
    message: Message,
    state: State,
    block: BlockContext,
    natives: NativeTable,
    tracer?: Tracer,
  ): Outcome | Promise<Outcome>
}
