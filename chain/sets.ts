// Who signs a height, and whose turn it is. Owns the epochs that are in use: read out of state once, with the rotation of their proposers.
// Only committed state is read, and blocks are final, so an epoch is all that names a set: no other fork's can be remembered.
import type { Hash } from './base/bytes.ts'
import { assert } from './base/errors.ts'
import type { Reader } from './types/state.ts'
import {
  createRotation,
  type EpochSet,
  type EpochSetOf,
  epochOf,
  isEpochEnd,
  proposerByLot,
  type ValidatorSet,
  validatorsHash,
} from './types/validators.ts'

export interface SetsDeps {
  /** Committed state; `height` is that of its newest. */
  readonly states: { readonly height: number; at(height: number): Reader }
  readonly epochSetOf: EpochSetOf
  readonly epochBlocks: number
}

interface Epoch extends EpochSet {
  readonly rotation: ReturnType<typeof createRotation>
}

/** The epoch of the head, those beside it, and some that evidence or a light client asks for. */
const EPOCHS_MAX = 8

export class Sets {
  readonly #deps: SetsDeps
  /** Last used last. */
  readonly #epochs = new Map<number, Epoch>()

  constructor(deps: SetsDeps) {
    this.#deps = deps
  }

  /** null for genesis, for what is not elected yet, and for what the state does not hold any more. */
  at(height: number): EpochSet | null {
    return this.#epochAt(height)
  }

  /** Of a height that can be built or run on committed state, its parent's, or the one after it: these are always known. */
  of(height: number): ValidatorSet {
    return this.#mustAt(height).set
  }

  /** What the section of a block says of the sets, as the state after its parent has them. */
  hashes(height: number): { readonly validatorsHash: Hash; readonly nextValidatorsHash: Hash | null } {
    const isLast = isEpochEnd(height, this.#deps.epochBlocks)
    return {
      validatorsHash: validatorsHash(this.of(height)),
      nextValidatorsHash: isLast ? validatorsHash(this.of(height + 1)) : null,
    }
  }

  /** Who leads round 0, as an index in the set of the height. */
  proposer(height: number): number {
    return this.#mustAt(height).rotation.proposer((height - 1) % this.#deps.epochBlocks)
  }

  /** Who leads a round; `parentRandao` is the mixHash of the parent. */
  leader(height: number, round: number, parentRandao: Hash): number {
    return proposerByLot(this.of(height), { parentRandao, height, round, first: this.proposer(height) })
  }

  #mustAt(height: number): Epoch {
    const epoch = this.#epochAt(height)
    assert(epoch !== null, `the validators of height ${height} are in the state`)
    return epoch
  }

  #epochAt(height: number): Epoch | null {
    const { epochBlocks, states, epochSetOf } = this.#deps
    const number = epochOf(height, epochBlocks)
    // The last block but one of an epoch elects the next set.
    if (height < 1 || number * epochBlocks - 1 > states.height) return null
    const found = this.#epochs.get(number) ?? open(epochSetOf(states.at(states.height), number))
    if (found === null) return null
    this.#epochs.delete(number)
    this.#epochs.set(number, found)
    for (const oldest of this.#epochs.keys()) if (this.#epochs.size > EPOCHS_MAX) this.#epochs.delete(oldest)
    return found
  }
}

const open = (read: EpochSet | null): Epoch | null =>
  read === null ? null : { ...read, rotation: createRotation(read.set, read.seed) }
