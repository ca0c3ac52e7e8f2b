// What is earned: minted block by block, put into one pot, divided by power when an epoch ends, and collected by a validator and by
// its delegators when they are next touched. Owns both running sums, per unit of power and per share. Nothing here iterates over delegators, and
// over validators only where their power in the set changes.
import { type Address, equalBytes } from '../../base/bytes.ts'
import { assert } from '../../base/errors.ts'
import { minBigint, mulDivDown, mulDivUp } from '../../base/math.ts'
import { POWER_WEI } from '../../types/validators.ts'
import { readPacked } from '../kit/slots.ts'
import type { StakingCtx, StakingStore } from './layout.ts'
import { entryOf } from './sets.ts'
import { isSilent, param, type Validator, type ValidatorPlace, validatorAt } from './validators.ts'

/** Of both sums, so that what their divisions lose is less than a wei. */
const SCALE = 2n ** 128n
const BPS = 10_000n
const YEAR_SECONDS = 31_536_000n
/** Blocks further apart are paid as if they were not: nobody earns for a chain that stands. */
const GAP_SECONDS = 60n

/** Each block: one slot. */
export function mintRewards(ctx: StakingCtx): void {
  const { amount, until, payouts } = ctx.store.minting
  const now = BigInt(ctx.block.time)
  const seconds = minBigint(now - until.get(), GAP_SECONDS)
  until.set(now)
  const bonded = entryOf(ctx.store, Number(payouts.get())).power.get() * POWER_WEI
  const wei = mulDivDown(bonded * seconds, param(ctx, 'staking.rewardRate'), BPS * YEAR_SECONDS)
  if (wei === 0n) return
  ctx.mint(wei)
  amount.update((sum) => sum + wei)
}

/**
 * The last block of an epoch: the pot, and whatever else came to the account, by power among its members. Those that are
 * silent now leave theirs in the pot.
 */
export function payOut(ctx: StakingCtx): void {
  const { bonds, rewards, supply, minting, rewardPerPower } = ctx.store
  const epoch = Number(minting.payouts.get())
  const entry = entryOf(ctx.store, epoch)
  const owed = rewards.owed.get()
  const whole = ctx.balance() - bonds.bonded.get() - bonds.unbonding.get() - owed
  assert(whole >= rewards.pot.get() + minting.amount.get(), 'staking holds what it owes')
  const power = entry.power.get()
  const perPower = mulDivDown(whole, SCALE, power)
  // Rounded up, so that whatever its parts are summed by, they never exceed it; it is at most the whole.
  const paid = mulDivUp(perPower, power - entry.silent.get(), SCALE)
  const sum = rewardPerPower.at(BigInt(epoch)).get() + perPower
  rewardPerPower.at(BigInt(epoch + 1)).set(sum)
  rewards.owed.set(owed + paid)
  rewards.pot.set(whole - paid)
  supply.minted.update((minted) => minted + minting.amount.get())
  minting.amount.set(0n)
  minting.payouts.set(BigInt(epoch + 1))
  ctx.emit('RewardsShared', { epoch: BigInt(epoch), amount: paid, carried: whole - paid })
  changePowers(ctx, epoch)
}

/** From one set to the next: who had another power books what it earned with it. */
function changePowers({ store, words }: StakingCtx, epoch: number): void {
  const powersOf = (of: number): Map<bigint, bigint> => {
    const { keyIds, powers } = entryOf(store, of)
    const power = readPacked(words, powers, 64)
    return new Map(readPacked(words, keyIds, 32).map((keyId, i) => [keyId, power[i] as bigint]))
  }
  const [before, after] = [powersOf(epoch), powersOf(epoch + 1)]
  const changed = new Map<number, bigint>()
  const note = (keyId: bigint, power: bigint): void => {
    const index = Number(store.keys.item(Number(keyId)).validator.get())
    changed.set(index, (changed.get(index) ?? 0n) + power)
  }
  for (const keyId of before.keys()) if (!after.has(keyId)) note(keyId, 0n)
  for (const [keyId, power] of after) if (before.get(keyId) !== power) note(keyId, power)
  for (const [index, power] of changed) {
    const { at } = validatorAt(store, index)
    const gained = gainedBy(store, at)
    if (gained > 0n) at.earned.update((earned) => earned + gained)
    at.setPower.set(power)
    at.paidTo.set(BigInt(epoch + 1))
  }
}

/** Of everybody, so that payouts may be counted anew: who was in the running set is in none now. */
export function closePayouts({ store }: Pick<StakingCtx, 'store'>): void {
  for (let index = 0, count = store.validators.length(); index < count; index++) {
    const { at } = validatorAt(store, index)
    const gained = gainedBy(store, at)
    if (gained > 0n) at.earned.update((earned) => earned + gained)
    at.setPower.set(0n)
    at.paidTo.set(0n)
  }
  const { payouts } = store.minting
  for (let payout = 0n; payout <= payouts.get(); payout++) store.rewardPerPower.at(payout).set(0n)
  payouts.set(0n)
}

/** What its power earned in payouts that it has not booked. */
const gainedBy = ({ minting, rewardPerPower }: StakingStore, at: ValidatorPlace): bigint => {
  const [power, from, to] = [at.setPower.get(), at.paidTo.get(), minting.payouts.get()]
  if (power === 0n || from === to || isSilent(at)) return 0n
  return mulDivDown(power, rewardPerPower.at(to).get() - rewardPerPower.at(from).get(), SCALE)
}

interface Earnings {
  readonly commission: bigint
  readonly rewardPerShare: bigint
}
/** What the validator has to give once it has collected. */
const earningsOf = (store: StakingStore, at: ValidatorPlace): Earnings => {
  const whole = at.earned.get() + gainedBy(store, at)
  const [commission, rewardPerShare] = [at.commission.get(), at.rewardPerShare.get()]
  if (whole === 0n) return { commission, rewardPerShare }
  const cut = mulDivDown(whole, at.commissionBps.get(), BPS)
  return {
    commission: commission + cut,
    rewardPerShare: rewardPerShare + mulDivDown(whole - cut, SCALE, at.shares.get()),
  }
}

/** Before anything changes that its rewards are divided by: shares, commission, whether it gets any. */
export function collect({ store }: StakingCtx, { at }: Validator): void {
  const { earned, setPower, paidTo } = at
  const payouts = store.minting.payouts.get()
  if (earned.get() === 0n && (setPower.get() === 0n || paidTo.get() === payouts)) return
  const { commission, rewardPerShare } = earningsOf(store, at)
  earned.set(0n)
  paidTo.set(payouts)
  at.commission.set(commission)
  at.rewardPerShare.set(rewardPerShare)
}

/** Collects, and pays a delegator what its shares earned, and an operator its commission. Answers the wei. */
export function payRewards(ctx: StakingCtx, delegator: Address, validator: Validator): bigint {
  collect(ctx, validator)
  const { at, operator } = validator
  const delegation = ctx.store.delegations.at(delegator).at(operator)
  const wei = dueOf(ctx.store, delegator, validator, at.commission.get(), at.rewardPerShare.get())
  if (delegation.shares.get() > 0n) delegation.rewardPerShare.set(at.rewardPerShare.get())
  if (wei === 0n) return 0n
  if (equalBytes(delegator, operator)) at.commission.set(0n)
  ctx.store.rewards.owed.update((owed) => owed - wei)
  ctx.pay(delegator, wei)
  ctx.emit('RewardsClaimed', { delegator, validator: operator, amount: wei })
  return wei
}

const dueOf = (
  store: StakingStore,
  delegator: Address,
  { operator }: Validator,
  commission: bigint,
  rewardPerShare: bigint,
): bigint => {
  const { shares, rewardPerShare: paid } = store.delegations.at(delegator).at(operator)
  const held = shares.get()
  const earned = held === 0n ? 0n : mulDivDown(held, rewardPerShare - paid.get(), SCALE)
  return earned + (equalBytes(delegator, operator) ? commission : 0n)
}

/** What `payRewards` would pay now. */
export function pendingOf(store: StakingStore, delegator: Address, validator: Validator): bigint {
  const { commission, rewardPerShare } = earningsOf(store, validator.at)
  return dueOf(store, delegator, validator, commission, rewardPerShare)
}
/** The commission that its operator could claim now. */
export const commissionOf = (store: StakingStore, { at }: Validator): bigint => earningsOf(store, at).commission
