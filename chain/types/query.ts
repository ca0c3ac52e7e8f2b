// What is asked of committed blocks, state and the pool, as plain data. Owns shapes and nothing else.
import type { Address, Hash, Word } from '../base/bytes.ts'
import type { Evidence, OffenceKind } from './evidence.ts'
import type { Receipt } from './receipt.ts'
import type { Tx } from './tx.ts'
import type { Validator } from './validators.ts'

/** Where a transaction is. */
export interface TxPlace {
  readonly height: number
  readonly index: number
}

/** A receipt with what JSON-RPC adds and the receipts trie does not hold. */
export interface StoredReceipt extends Receipt {
  readonly gasUsed: bigint
  readonly gasPriceWei: bigint
  readonly created: Address | null
}

export interface LogFilter {
  readonly from: number
  /** Inclusive. */
  readonly to: number
  /** Empty: any. */
  readonly addresses: readonly Address[]
  /** By position; an empty position is any. */
  readonly topics: readonly (readonly Hash[])[]
  /** Stops and throws CHAIN_TOO_MANY_LOGS beyond this many. */
  readonly resultsMax: number
}

export interface FoundLog {
  readonly address: Address
  readonly topics: readonly Hash[]
  readonly data: Uint8Array
  readonly height: number
  readonly blockHash: Hash
  readonly time: number
  readonly txHash: Hash
  readonly txIndex: number
  /** Within the block. */
  readonly logIndex: number
}

export interface AccountProof {
  readonly accountProof: readonly Uint8Array[]
  readonly nonce: bigint
  readonly balance: bigint
  readonly codeHash: Hash
  readonly storageHash: Hash
  readonly slots: readonly { readonly key: Word; readonly value: Word; readonly proof: readonly Uint8Array[] }[]
}

/** One sender's part of the pool, by nonce ascending. */
export interface PoolQueue {
  readonly pending: readonly Tx[]
  readonly queued: readonly Tx[]
}

/** What a user's door may ask of the pool. */
export interface PoolView {
  /** Pending and queued counts. */
  status(): { readonly pending: number; readonly queued: number }
  get(hash: Hash): Tx | null
  of(address: Address): PoolQueue
  senders(): readonly Address[]
  /** The nonce after the account's pending transactions; the state's nonce where it has none. */
  nextNonce(address: Address): bigint
}

/** How far consensus is, and what it waits for. */
export interface ConsensusStatus {
  /** Being decided. */
  readonly height: number
  readonly round: number
  /** `wait`: the block is not due; `decide`: it is final and on its way to the disk; else what is still to come of the round. */
  readonly step: 'wait' | 'propose' | 'prepare' | 'commit' | 'timeout' | 'decide'
  /** Of this round. */
  readonly proposer: Address
  readonly powerTotal: bigint
  /** Behind the block that has most, and behind giving up the round. */
  readonly power: { readonly prepare: bigint; readonly commit: bigint; readonly timeout: bigint }
  /** Whom the step waits for. `heardMs`: since when nothing of them came, null for never. */
  readonly missing: readonly { readonly address: Address; readonly power: bigint; readonly heardMs: number | null }[]
  /** The validator that this node is at this height; null for who only follows. */
  readonly self: Address | null
  readonly lastSigned: { readonly height: number; readonly round: number; readonly step: string } | null
  /** Why this node signs nothing though it has a key; null where nothing stands in its way. */
  readonly silence: string | null
  /** The step in words. */
  readonly waitsFor: string
  /** Why no block comes; null while they do. */
  readonly halt: string | null
}

/** A proven offence, as a node keeps it. */
export interface KeptEvidence {
  readonly id: Hash
  readonly evidence: Evidence
  /** What anybody can check. */
  readonly bytes: Uint8Array
  readonly offence: OffenceKind
  readonly height: number
  readonly round: number
  readonly guilty: readonly Validator[]
}
