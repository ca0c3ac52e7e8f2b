// Blocks as a settlement layer keeps them: what running them cannot give, and nothing else. Owns no encoding (`node/rollup/batch.ts`) and no
// state; a header, a section and their hashes come out of running an outline on its parent.
import type { Address, Hash } from '../base/bytes.ts'
import type { Qc } from './vote.ts'

/** A CommitQC without what its block says: type, height and hash. */
export interface OutlineCommit {
  readonly round: number
  readonly bitmap: Uint8Array
  /** 96 bytes; null where it was left out. */
  readonly signature: Uint8Array | null
}

/** What stands for the consensus section: all that its parent does not determine, or only what header and hooks need. */
export type OutlineProof =
  | { readonly kind: 'full'; readonly reveal: Uint8Array }
  | {
      readonly kind: 'attested'
      readonly prevRandao: Hash
      readonly parentBeaconBlockRoot: Hash
      /** null where nobody sent a transaction: then it follows from the block. */
      readonly transactionsRoot: Hash | null
    }

export interface Outline {
  /** Above 0. */
  readonly height: number
  readonly timeMs: number
  /** The round the block was first proposed in. */
  readonly round: number
  readonly coinbase: Address
  /** As they were signed; of an attested block with r = s = 1 for a signature, so that no hash of them is the right one. */
  readonly txs: readonly Uint8Array[]
  /** Who sent each, as the quorum behind the batch says; null in a full block, where signatures say it. */
  readonly senders: readonly Address[] | null
  /** Its hooks logged, so it ends with the system transaction, which is not among `txs`. */
  readonly hasSystemTx: boolean
  /** The parent's; null in block 1. */
  readonly lastCommit: OutlineCommit | null
  readonly proof: OutlineProof
}

/** Consecutive outlines, all full or all attested, and the CommitQC of the last with its signature. */
export interface OutlineRun {
  readonly outlines: readonly Outline[]
  readonly commit: OutlineCommit & { readonly signature: Uint8Array }
}

export const outlineCommitOf = ({ round, bitmap, signature }: Qc): OutlineRun['commit'] => ({
  round,
  bitmap,
  signature,
})
