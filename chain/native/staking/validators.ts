// Who is a validator, with which key, and whether it can be elected. Owns the power beside each validator, and what the running
// set loses when one of its members can be elected no more.
import type { Address } from '../../base/bytes.ts'
import { minBigint, mulDivDown } from '../../base/math.ts'
import { isQuorum, POWER_WEI } from '../../types/validators.ts'
import { params } from '../params/module.ts'
import type { StakingCall, StakingCtx, StakingStore } from './layout.ts'
import { entryOf, membersOf, placeIn } from './sets.ts'

export type ValidatorPlace = ReturnType<StakingStore['validators']['item']>
export interface Validator {
  readonly index: number
  readonly operator: Address
  readonly at: ValidatorPlace
}

export const find = (store: StakingStore, operator: Address): Validator | null => {
  const place = Number(store.placeOf.at(operator).get())
  return place === 0 ? null : { index: place - 1, operator, at: store.validators.item(place - 1) }
}
export const mustFind = (call: StakingCall, operator: Address): Validator =>
  find(call.store, operator) ?? call.revert('NotValidator', { operator })
export const validatorAt = (store: StakingStore, index: number): Validator => {
  const at = store.validators.item(index)
  return { index, operator: at.operator.get(), at }
}

export const param = (ctx: StakingCtx, name: string): bigint => ctx.read(params, 'get', [name])

/** Wei that shares are worth, rounded down. */
export const worthOf = (at: ValidatorPlace, shares: bigint): bigint =>
  shares === 0n ? 0n : mulDivDown(shares, at.stake.get(), at.shares.get())
export const selfBondOf = (store: StakingStore, { operator, at }: Validator): bigint =>
  worthOf(at, store.delegations.at(operator).at(operator).shares.get())

/** It gets no reward of an epoch at whose end it is so: punished, or nobody has a share in it. */
export const isSilent = (at: ValidatorPlace): boolean =>
  at.jailed.get() || at.tombstoned.get() || at.shares.get() === 0n

const electablePower = (store: StakingStore, validator: Validator): bigint => {
  const { at } = validator
  if (!at.ready.get() || at.exited.get() || isSilent(at)) return 0n
  if (selfBondOf(store, validator) < store.minSelfBond.get()) return 0n
  return minBigint(at.stake.get() / POWER_WEI, 2n ** 64n - 1n)
}

type Entry = ReturnType<typeof entryOf>
/** The sets that it is in and that still have to sign: the running one, and the next once it is elected. */
const seatsOf = ({ store }: StakingCtx, { at, operator }: Validator): { entry: Entry; power: bigint }[] => {
  const epoch = Number(store.minting.payouts.get())
  const next = membersOf({ store }, epoch + 1)
  const seats = [{ entry: entryOf(store, epoch), power: at.setPower.get() }]
  const place = next === null ? null : placeIn(next, operator)
  if (next !== null && place !== null) seats.push({ entry: entryOf(store, epoch + 1), power: next.powerAt(place) })
  return seats.filter(({ power }) => power > 0n)
}

/** After anything that its power depends on. Answers whether it could be elected before, and cannot any more. */
export function weigh(ctx: StakingCtx, validator: Validator): boolean {
  const { store } = ctx
  const cell = store.powers.item(validator.index)
  const [before, power] = [cell.get(), electablePower(store, validator)]
  if (power === before) return false
  cell.set(power)
  if (before > 0n && power > 0n) return false
  for (const seat of seatsOf(ctx, validator))
    seat.entry.gone.update((gone) => (power === 0n ? gone + seat.power : gone - seat.power))
  return power === 0n
}

/** The same where the operator wants it so: refused where who would stay holds no quorum. */
export function weighByWill(call: StakingCall, validator: Validator): void {
  if (!weigh(call, validator)) return
  for (const { entry } of seatsOf(call, validator)) {
    const total = entry.power.get()
    const remaining = total - entry.gone.get()
    if (!isQuorum(remaining, { powerTotal: total })) call.revert('LastQuorum', { remaining, total })
  }
}

/** Collected before: does what may make it silent, or end that. */
export function hush(ctx: StakingCtx, validator: Validator, change: () => void): void {
  const before = isSilent(validator.at)
  change()
  const after = isSilent(validator.at)
  if (after === before) return
  for (const { entry, power } of seatsOf(ctx, validator))
    entry.silent.update((sum) => (after ? sum + power : sum - power))
}
