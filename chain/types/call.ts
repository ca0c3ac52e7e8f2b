// Work that reads state and changes nothing: calls, estimates, simulations and traces. Plain data, so that it crosses to a
// worker as it is. Owns the shapes; `exec/call.ts` runs them.
import type { Address, Hash, Hex, Word } from '../base/bytes.ts'
import type { Header } from './block.ts'
import type { Log } from './receipt.ts'
import type { AccessEntry, Authorization, Tx } from './tx.ts'
import type { Witness } from './witness.ts'

/** An unsigned transaction, as `eth_call` takes it: everything optional is null. */
export interface CallRequest {
  readonly from: Address | null
  readonly to: Address | null
  readonly gas: bigint | null
  /** Legacy price; excludes the two below. */
  readonly gasPriceWei: bigint | null
  readonly maxFeeWei: bigint | null
  readonly maxTipWei: bigint | null
  readonly value: bigint
  readonly input: Uint8Array
  readonly nonce: bigint | null
  readonly accessList: readonly AccessEntry[] | null
  readonly authorizations: readonly Authorization[] | null
}

/** geth's state overrides, by account. null means: leave it. */
export interface AccountOverride {
  readonly address: Address
  readonly balance: bigint | null
  readonly nonce: bigint | null
  readonly code: Uint8Array | null
  /** Replaces the whole storage. Excludes `stateDiff`. */
  readonly state: readonly (readonly [Word, Word])[] | null
  readonly stateDiff: readonly (readonly [Word, Word])[] | null
  /** Moves the precompile of this address to another one (`eth_simulateV1`). */
  readonly movePrecompileTo: Address | null
}

export interface BlockOverride {
  readonly number: number | null
  readonly time: number | null
  readonly gasLimit: bigint | null
  readonly coinbase: Address | null
  readonly prevRandao: Hash | null
  readonly baseFeeWei: bigint | null
}

export type TracerName = 'struct' | 'call' | 'prestate' | '4byte' | 'flatCall'
export interface TraceOptions {
  readonly tracer: TracerName
  /** callTracer. */
  readonly onlyTopCall: boolean
  readonly withLog: boolean
  /** prestateTracer. */
  readonly diffMode: boolean
  /** Struct logger. */
  readonly disableStack: boolean
  readonly disableStorage: boolean
  readonly enableMemory: boolean
  readonly enableReturnData: boolean
  /** 0: no bound but the response's. */
  readonly stepsMax: number
}

export interface SimulateBlock {
  readonly block: BlockOverride | null
  readonly state: readonly AccountOverride[]
  readonly calls: readonly CallRequest[]
}

/** State is that after block `height`; for the pending block the same, with the context of the next. */
export type CallJob = { readonly height: number; readonly pending: boolean } & (
  | {
      readonly kind: 'call'
      readonly request: CallRequest
      readonly state: readonly AccountOverride[]
      readonly block: BlockOverride | null
    }
  | {
      readonly kind: 'estimate'
      readonly request: CallRequest
      readonly state: readonly AccountOverride[]
      readonly block: BlockOverride | null
    }
  | { readonly kind: 'accessList'; readonly request: CallRequest; readonly state: readonly AccountOverride[] }
  | {
      readonly kind: 'simulate'
      readonly blocks: readonly SimulateBlock[]
      readonly validation: boolean
      readonly traceTransfers: boolean
    }
  | {
      readonly kind: 'traceCall'
      readonly request: CallRequest
      readonly state: readonly AccountOverride[]
      readonly block: BlockOverride | null
      readonly trace: TraceOptions
    }
  /** Replays block `height` from its parent's state; `index` null traces every transaction. */
  | { readonly kind: 'traceBlock'; readonly index: number | null; readonly trace: TraceOptions }
  /** Needs no state but what the witness holds. */
  | { readonly kind: 'replay'; readonly witness: Witness }
)

export interface CallOutcome {
  readonly status: 'success' | 'revert' | 'fault'
  readonly output: Uint8Array
  readonly gasUsed: bigint
  /** geth's words for an exceptional halt; null otherwise. */
  readonly fault: string | null
}

/** `fault` says a revert's reason too. */
export interface SimulatedCall extends CallOutcome {
  readonly logs: readonly Log[]
  /** Before refunds. */
  readonly maxUsedGas: bigint
}
export interface SimulatedBlock {
  readonly header: Header
  readonly hash: Hash
  readonly txs: readonly Tx[]
  readonly calls: readonly SimulatedCall[]
}

/** `json` is what the JSON-RPC method answers, already in its shape: a tracer's output has no other use. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export type CallAnswer =
  | ({ readonly kind: 'call' } & CallOutcome)
  | { readonly kind: 'estimate'; readonly gas: bigint }
  | {
      readonly kind: 'accessList'
      readonly accessList: readonly AccessEntry[]
      readonly gasUsed: bigint
      readonly error: string | null
    }
  | { readonly kind: 'simulate'; readonly blocks: readonly SimulatedBlock[] }
  | { readonly kind: 'trace'; readonly json: Json }
  /** The first thing in which the reference engine differs from the witness. */
  | { readonly kind: 'replay'; readonly difference: string | null }

export interface TraceEntry {
  readonly txHash: Hex
  readonly result: Json
}
