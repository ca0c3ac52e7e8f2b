// What others may do to a validator: slashing takes stake from it, jails it, lets it go. Owns what a penalty reaches.
import type { Address } from '../../base/bytes.ts'
import { assert } from '../../base/errors.ts'
import { minBigint, mulDivUp } from '../../base/math.ts'
import { burn } from './book.ts'
import type { StakingCtx } from './layout.ts'
import { collect } from './rewards.ts'
import { find, hush, type Validator, weigh } from './validators.ts'

const BPS = 10_000n

export interface Penalty {
  /** Of all that is bonded to the validator. */
  readonly bps: bigint
  /** Where the offender is tombstoned, what voted in this epoch and unbonds or was redelegated away since answers as well. */
  readonly offenceEpoch: number
  /** Never elected again. A validator is tombstoned once. */
  readonly tombstone: boolean
}

const mustBe = (ctx: StakingCtx, operator: Address): Validator => {
  const validator = find(ctx.store, operator)
  assert(validator !== null, 'whoever is punished is a validator')
  return validator
}

/**
 * Answers the wei that left the bonded stake, rounded up. They lie on the account and belong to nobody: the same call gives them all
 * away with `payPenalty` and `burnPenalty`. O(1), whatever the number of delegators.
 */
export function penalise(ctx: StakingCtx, operator: Address, { bps, offenceEpoch, tombstone }: Penalty): bigint {
  const validator = mustBe(ctx, operator)
  const { at } = validator
  if (tombstone) {
    assert(!at.tombstoned.get(), 'a validator is tombstoned once')
    collect(ctx, validator)
    hush(ctx, validator, () => at.tombstoned.set(true))
    at.offenceEpoch.set(BigInt(offenceEpoch + ctx.epochsBefore()))
    at.penaltyBps.set(bps)
    ctx.emit('ValidatorTombstoned', { operator, offenceEpoch: BigInt(offenceEpoch) })
  }
  return take(ctx, validator, mulDivUp(at.stake.get(), bps, BPS))
}
/** The same for an amount, as far as there is stake: costs that it caused. */
export function levy(ctx: StakingCtx, operator: Address, wei: bigint): bigint {
  const validator = mustBe(ctx, operator)
  return take(ctx, validator, minBigint(wei, validator.at.stake.get()))
}
const take = (ctx: StakingCtx, validator: Validator, wei: bigint): bigint => {
  validator.at.stake.update((stake) => stake - wei)
  weigh(ctx, validator)
  if (wei === 0n) return 0n
  ctx.store.bonds.bonded.update((sum) => sum - wei)
  ctx.emit('StakeSlashed', { validator: validator.operator, amount: wei })
  return wei
}
export const payPenalty = (ctx: StakingCtx, to: Address, wei: bigint): void => ctx.pay(to, wei)
export const burnPenalty = (ctx: StakingCtx, wei: bigint): void => burn(ctx, wei)

/**
 * Who is tombstoned has offended in an earlier epoch too: what left in between answers as well. Its stake has paid already. Otherwise a
 * small offence that it reports itself would spare what left since a larger one.
 */
export function reachBack(ctx: StakingCtx, operator: Address, offenceEpoch: number): void {
  const { at } = mustBe(ctx, operator)
  const counted = BigInt(offenceEpoch + ctx.epochsBefore())
  assert(at.tombstoned.get() && counted < at.offenceEpoch.get(), 'an earlier epoch than it answers for')
  at.offenceEpoch.set(counted)
  ctx.emit('ValidatorTombstoned', { operator, offenceEpoch: BigInt(offenceEpoch) })
}

/** It cannot be elected before `release` and a new `attestReady`. Nothing happens to who is jailed already. */
export function jail(ctx: StakingCtx, operator: Address): void {
  const validator = mustBe(ctx, operator)
  if (validator.at.jailed.get()) return
  collect(ctx, validator)
  hush(ctx, validator, () => validator.at.jailed.set(true))
  validator.at.ready.set(false)
  weigh(ctx, validator)
  ctx.emit('ValidatorJailed', { operator })
}

/** Out of jail, not yet electable. */
export function release(ctx: StakingCtx, operator: Address): void {
  const validator = mustBe(ctx, operator)
  assert(validator.at.jailed.get(), 'who is released was jailed')
  collect(ctx, validator) // while it is jailed: what others were paid meanwhile is not its own
  hush(ctx, validator, () => validator.at.jailed.set(false))
  ctx.emit('ValidatorReleased', { operator })
}

export interface Status {
  readonly ready: boolean
  readonly jailed: boolean
  readonly tombstoned: boolean
  /** Of who is tombstoned: the earliest epoch of an offence that it answers for; below 0 on a network that this one carries on. */
  readonly offenceEpoch: number | null
  readonly exited: boolean
}
/** null for who is no validator. */
export function statusOf(
  { store, epochsBefore }: Pick<StakingCtx, 'store' | 'epochsBefore'>,
  operator: Address,
): Status | null {
  const at = find(store, operator)?.at
  if (at === undefined) return null
  const tombstoned = at.tombstoned.get()
  const offenceEpoch = tombstoned ? Number(at.offenceEpoch.get()) - epochsBefore() : null
  return { ready: at.ready.get(), jailed: at.jailed.get(), tombstoned, offenceEpoch, exited: at.exited.get() }
}
