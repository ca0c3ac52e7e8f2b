// What a module is told when the state of its network goes on in another one.
import type { Address, Hash } from '../../base/bytes.ts'
import type { Words } from './slots.ts'

/** The network that is left, and when the next one begins. */
export interface Left {
  /** That of the next block, if there was one. */
  readonly epoch: number
  readonly epochBlocks: number
  readonly intervalMs: number
  /** A module's words as they were. */
  words(address: Address): Words
  /** Of the genesis of the next, in seconds. */
  readonly startTime: number
  readonly seed: Hash
}
