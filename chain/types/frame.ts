// A running call as a native module sees it, and what it answers: interfaces and nothing else. They live below both rooms that
// speak them, for natives may not import the executor.
import type { Address, Hash, Hex } from '../base/bytes.ts'
import type { EthereumFork } from './forks.ts'
import type { State } from './state.ts'
import type { Domain } from './vote.ts'

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
  /** Ethereum's rules that hold in it, as the schedule in the state before it says. */
  readonly ethereum: EthereumFork
  /** What the validators of this network sign under. */
  readonly domain: Domain
  /** Whose COMMITs of the parent this block's consensus section carries, by place in that height's set; null in the first block. */
  readonly lastCommit: { readonly height: number; readonly bitmap: Uint8Array } | null
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
  /** Its caller's memory, good until the native returns: a copy before anything is paid would be free, of megabytes, as often as wanted. */
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
export interface Native {
  (frame: Frame, state: State, block: BlockContext): NativeResult
  /** Where some calls need no frame: opened once for the transactions of a block. */
  direct?(state: State): Direct
}

/**
 * What a call that is a transaction of its own comes to, nothing being warm before it and no value with it. Does it and answers what it cost, or
 * leaves the state alone and answers null: then the native itself is asked. What it does is to the byte what the native would do.
 */
export type Direct = (
  call: { readonly caller: Address; readonly input: Uint8Array; readonly gas: bigint },
  block: BlockContext,
) => { readonly gasUsed: bigint; readonly refund: bigint; readonly output: Uint8Array } | null
/** How a module at an address opens its own; `pausedUntil` is what its door would read at that moment. */
export type OpenDirect = (state: State, at: Address, pausedUntil: () => number) => Direct
/** By lower-case hex address, for one height. */
export type NativeTable = ReadonlyMap<Hex, Native>
