// One transaction as it ran in a block: everything it read, and everything that came of it. Plain data, so that it crosses to a worker and
// lies in a file; `exec/witness.ts` makes one and runs it again. Owns the shape and its text.
import { type Address, bytesToHex, type Hash, hexToBytes, type Word } from '../base/bytes.ts'
import type { BlockContext } from './frame.ts'
import type { AccountRecord } from './state.ts'
import type { Tx } from './tx.ts'

export interface Witness {
  readonly tx: Tx
  /** What the block had left for it. */
  readonly gasLeft: bigint
  readonly gasUsed: bigint
  readonly block: Omit<BlockContext, 'blockHash'>
  /** Whether its block began with a list of senders or deployers that is on: where none is, one turned on within it counts from the next. */
  readonly isPermissioned: boolean
  /** As they were before it; null where nothing was. */
  readonly accounts: readonly (readonly [Address, AccountRecord | null])[]
  readonly slots: readonly (readonly [Address, Word, Word])[]
  readonly codes: readonly (readonly [Hash, Uint8Array])[]
  readonly hashes: readonly (readonly [number, Hash])[]
  /** Its receipt and what it changed, a thing a line. */
  readonly outcome: readonly string[]
}

/** Picks transactions of blocks that run, and takes what is recorded of them. What it picks never shows in a result. */
export interface Sampler {
  /** Asked of each transaction, in order. */
  wants(height: number): boolean
  take(witness: Witness): void
}

/** JSON with bytes and integers marked, for the file that is kept. */
export const encodeWitness = (witness: Witness): string =>
  JSON.stringify(
    witness,
    (_, value: unknown) => {
      if (value instanceof Uint8Array) return { bytes: bytesToHex(value) }
      return typeof value === 'bigint' ? { integer: `${value}` } : value
    },
    1,
  )
/** Of a file that `encodeWitness` made on this machine. */
export const decodeWitness = (text: string): Witness =>
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return value
    if ('bytes' in value && typeof value.bytes === 'string') return hexToBytes(value.bytes)
    return 'integer' in value && typeof value.integer === 'string' ? BigInt(value.integer) : value
  }) as Witness // as it was written
