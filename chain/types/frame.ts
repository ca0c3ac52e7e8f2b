// A running call as a native module sees it, and what it answers: interfaces and nothing else. They live below both rooms that
// speak them, for natives may not import the executor.
import type { Address, Hash, Hex } from '../base/bytes.ts'
import type { State } from './state.ts'

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
