// The facade: the only export of `chain/` that doors and services use. Owns the order of things: submit, build, verify,
// commit; and hands out what is committed. Everything below it is deterministic but the pool, which shapes only what one
// proposer offers.
import type { Address, Hash, Word } from './base/bytes.ts'
import type { Block } from './types/block.ts'
import type { Genesis } from './types/genesis.ts'
import type { AccountProof, FoundLog, LogFilter, PoolView, StoredReceipt, TxPlace } from './types/query.ts'
import type { Reader } from './types/state.ts'
import type { Tx } from './types/tx.ts'
import type { ValidatorSet } from './types/validators.ts'
import type { Qc } from './types/vote.ts'

export interface BuildArgs {
  readonly height: number
  readonly timeMs: number
  readonly round: number
  /** Index in the set. */
  readonly proposerIndex: number
  readonly coinbase: Address
  readonly lastCommit: Qc | null
  readonly reveal: Uint8Array
  /** Milliseconds of execution; a local choice that no verifier sees. */
  readonly budgetMs: number
}

/** Facts after a commit or an admission; a listener never throws and never waits. */
export interface ChainEvents {
  readonly head: { readonly block: Block; readonly receipts: readonly StoredReceipt[]; readonly txs: readonly Tx[] }
  readonly admitted: Tx
}

export interface Chain {
  readonly genesis: Genesis
  readonly genesisHash: Hash
  /** The last committed block. */
  head(): Block
  /** null above the head and below what is kept. */
  block(height: number): Block | null
  heightOf(blockHash: Hash): number | null
  /** The block's transactions, decoded, with senders as stored. */
  txs(height: number): readonly Tx[] | null
  receipts(height: number): readonly StoredReceipt[] | null
  place(txHash: Hash): TxPlace | null
  /** The CommitQC of a height; null for genesis and above the head. */
  commitOf(height: number): Qc | null
  validators(): ValidatorSet
  logs(filter: LogFilter): Promise<readonly FoundLog[]>
  /** State after a block. Throws CHAIN_PRUNED with the heights it still has. */
  at(height: number): Reader
  proof(height: number, address: Address, keys: readonly Word[]): Promise<AccountProof>
  /** Lowest heights that blocks and state are still kept for. */
  kept(): { readonly blocks: number; readonly state: number; readonly proofs: number }
  /** Base fee of the next block. */
  nextBaseFee(): bigint
  readonly pool: PoolView
  /** Admits to the pool and returns the hash. Throws TX_* and POOL_*. `local` ones are kept in the journal. */
  submit(raw: Uint8Array, origin: 'local' | 'peer'): Promise<Hash>
  build(args: BuildArgs): Promise<Block>
  /** Runs the block on the head. Throws BLOCK_INVALID with the first difference. */
  verify(block: Block): Promise<void>
  /** One durable batch; returns the validator set of the next height. */
  commit(block: Block, certificate: Qc): Promise<ValidatorSet>
  watch<K extends keyof ChainEvents>(kind: K, listener: (event: ChainEvents[K]) => void): () => void
  close(): Promise<void>
}
