// Who has how much where: shares of a validator's stake, what unbonds, what was redelegated and still answers for where it came from.
// Owns every movement of stake. A penalty lowers `stake` alone, so it costs the same whatever the number of delegators.
import type { Address } from '../../base/bytes.ts'
import { assert } from '../../base/errors.ts'
import { minBigint, mulDivDown, mulDivUp } from '../../base/math.ts'
import type { StakingCall, StakingCtx, StakingStore } from './layout.ts'
import { isTaken } from './registry.ts'
import { payRewards } from './rewards.ts'
import { lastVoteOf } from './sets.ts'
import { find, hush, param, type Validator, weigh, weighByWill, worthOf } from './validators.ts'

const BPS = 10_000n
/** Wei of one validator: its power fits 64 bits. */
const STAKE_MAX = 2n ** 120n
/** With more of them for what is left, a price says nothing any more. */
const SHARES_MAX = 2n ** 192n
const UNBONDINGS_MAX = 7
/** Validators that one delegator unbonds from at once: withdrawing from all fits in one transaction. */
const UNBONDING_FROM_MAX = 64

/** Before its shares change: pays the delegator's rewards, and takes what a redelegation owes. */
export function settle(
  ctx: StakingCtx,
  delegator: Address,
  validator: Validator,
): { paid: bigint; penalty: bigint | null } {
  const paid = payRewards(ctx, delegator, validator)
  return { paid, penalty: takePenalty(ctx, delegator, validator) }
}

/** Who may take stake, and how much of it. */
export function checkBond(call: StakingCall, { at, operator }: Validator, wei: bigint): void {
  if (at.exited.get()) call.revert('Exited', { operator })
  if (at.tombstoned.get()) call.revert('Tombstoned', { operator })
  const [stake, shares] = [at.stake.get(), at.shares.get()]
  if (stake + wei > STAKE_MAX) call.revert('StakeTooHigh', { validator: operator, maximum: STAKE_MAX })
  const isPriced = shares === 0n || (stake > 0n && shares + mulDivDown(wei, shares, stake) <= SHARES_MAX)
  if (!isPriced) call.revert('NothingLeft', { validator: operator })
}

/** Checked and settled before, weighed after. Answers the shares. */
export function bond(ctx: StakingCtx, delegator: Address, validator: Validator, wei: bigint): bigint {
  const { at, operator } = validator
  const [stake, shares] = [at.stake.get(), at.shares.get()]
  const fresh = shares === 0n ? wei : mulDivDown(wei, shares, stake)
  at.stake.set(stake + wei)
  hush(ctx, validator, () => at.shares.set(shares + fresh))
  const delegation = ctx.store.delegations.at(delegator).at(operator)
  if (delegation.shares.update((held) => held + fresh) === fresh) delegation.rewardPerShare.set(at.rewardPerShare.get())
  ctx.store.bonds.bonded.update((sum) => sum + wei)
  return fresh
}

/** Settled before, weighed after. The wei are nobody's until the caller says whose. */
function unlock(ctx: StakingCtx, delegator: Address, validator: Validator, wei: bigint): void {
  const { at, operator } = validator
  const delegation = ctx.store.delegations.at(delegator).at(operator)
  const [held, stake, shares] = [delegation.shares.get(), at.stake.get(), at.shares.get()]
  const gone = wei === worthOf(at, held) ? held : mulDivUp(wei, shares, stake)
  delegation.shares.set(held - gone)
  if (held === gone) delegation.rewardPerShare.set(0n)
  hush(ctx, validator, () => at.shares.set(shares - gone))
  at.stake.set(stake - wei)
  ctx.store.bonds.bonded.update((sum) => sum - wei)
}
/** The same for what its owner asks for, settled before. */
export function unbond(call: StakingCall, delegator: Address, validator: Validator, wei: bigint): void {
  if (wei === 0n) call.revert('ZeroAmount', {})
  const held = call.store.delegations.at(delegator).at(validator.operator).shares.get()
  const bonded = worthOf(validator.at, held)
  if (wei > bonded) call.revert('InsufficientBond', { given: wei, bonded })
  unlock(call, delegator, validator, wei)
}

/** The owner's stake moves at once; it goes on answering for where it came from, unless that has paid for all already. */
export function redelegate(call: StakingCall, from: Validator, to: Validator, wei: bigint): bigint {
  const { store, caller } = call
  const [left, reached] = [from, to].map(({ operator }) => store.redelegations.at(caller).at(operator))
  assert(left !== undefined && reached !== undefined, 'two validators')
  for (const each of [from, to]) settle(call, caller, each)
  if (isTaken(left.from.get()))
    call.revert('RedelegationHop', { validator: from.operator, matures: left.matures.get() })
  if (isTaken(reached.from.get()))
    call.revert('RedelegationPending', { validator: to.operator, matures: reached.matures.get() })
  unbond(call, caller, from, wei)
  weighByWill(call, from)
  checkBond(call, to, wei)
  bond(call, caller, to, wei)
  weigh(call, to)
  if (from.at.tombstoned.get()) return 0n
  const matures = maturity(call)
  reached.from.set(from.operator)
  reached.epoch.set(BigInt(lastVoteOf(call)))
  reached.matures.set(matures)
  reached.amount.set(wei)
  return matures
}

/** Puts what was just unbonded in the queue. Answers the second from which it can be withdrawn. `room` beyond the bounds is for exits. */
export function enqueue(call: StakingCall, delegator: Address, validator: Validator, wei: bigint, room = 0): bigint {
  const { store } = call
  const { at, operator } = validator
  const entries = store.unbondings.at(delegator).at(operator)
  const count = entries.length()
  if (count >= UNBONDINGS_MAX + room)
    call.revert('TooManyUnbondings', { validator: operator, maximum: BigInt(UNBONDINGS_MAX) })
  if (count === 0) {
    const from = store.unbondingFrom.at(delegator)
    if (from.length() >= UNBONDING_FROM_MAX + room)
      call.revert('TooManyValidators', { maximum: BigInt(UNBONDING_FROM_MAX) })
    from.push().set(operator)
  }
  const matures = maturity(call)
  const entry = entries.push()
  entry.amount.set(wei)
  entry.matures.set(matures)
  entry.epoch.set(BigInt(lastVoteOf(call)))
  if (at.tombstoned.get()) entry.isSettled.set(true)
  const redelegation = store.redelegations.at(delegator).at(operator)
  const from = redelegation.from.get()
  if (isTaken(from)) {
    // What answers for more leaves first, so that none of it gets out of reach.
    const liable = minBigint(wei, redelegation.amount.get())
    entry.isLiable.set(true)
    entry.from.set(from)
    entry.liableEpoch.set(redelegation.epoch.get())
    entry.liable.set(liable)
    if (redelegation.amount.update((amount) => amount - liable) === 0n) forget(redelegation)
  }
  store.bonds.unbonding.update((sum) => sum + wei)
  return matures
}
const maturity = (ctx: StakingCtx): bigint => BigInt(ctx.block.time) + param(ctx, 'staking.unbondingTime')

type Redelegation = ReturnType<ReturnType<StakingStore['redelegations']['at']>['at']>
const forget = ({ from, epoch, matures, amount }: Redelegation): void => {
  from.set(NOBODY)
  epoch.set(0n)
  matures.set(0n)
  amount.set(0n)
}
const NOBODY = new Uint8Array(20) as Address

/** What is liable for `from` since `epoch` loses of each part of it, in basis points; 0 for nobody's offence. Rounded up where it is applied. */
const bpsOwed = (store: StakingStore, from: Address, epoch: bigint): bigint => {
  const at = find(store, from)?.at
  if (at === undefined || !at.tombstoned.get() || at.offenceEpoch.get() > epoch) return 0n
  return at.penaltyBps.get()
}

/** Takes and burns what a redelegation owes, and forgets one that answers for nothing any more. null where nothing was due. */
function takePenalty(ctx: StakingCtx, delegator: Address, validator: Validator): bigint | null {
  const { store } = ctx
  const redelegation = store.redelegations.at(delegator).at(validator.operator)
  const from = redelegation.from.get()
  if (!isTaken(from)) return null
  const bps = bpsOwed(store, from, redelegation.epoch.get())
  if (bps === 0n) {
    if (redelegation.matures.get() <= BigInt(ctx.block.time)) forget(redelegation)
    return null
  }
  const bonded = worthOf(validator.at, store.delegations.at(delegator).at(validator.operator).shares.get())
  const wei = minBigint(mulDivUp(redelegation.amount.get(), bps, BPS), bonded)
  forget(redelegation)
  if (wei > 0n) {
    unlock(ctx, delegator, validator, wei)
    burn(ctx, wei)
  }
  weigh(ctx, validator)
  ctx.emit('RedelegationSlashed', { delegator, from, validator: validator.operator, amount: wei })
  return wei
}

export function burn(ctx: StakingCtx, wei: bigint): void {
  ctx.burn(wei)
  ctx.store.supply.burnt.update((sum) => sum + wei)
}

type Unbonding = ReturnType<ReturnType<ReturnType<StakingStore['unbondings']['at']>['at']>['item']>
/** What would burn of an entry if it was withdrawn now. */
export function penaltyOf(store: StakingStore, operator: Address, entry: Unbonding): bigint {
  const amount = entry.amount.get()
  const own = entry.isSettled.get() ? 0n : mulDivUp(amount, bpsOwed(store, operator, entry.epoch.get()), BPS)
  if (!entry.isLiable.get()) return own
  const carried = mulDivUp(entry.liable.get(), bpsOwed(store, entry.from.get(), entry.liableEpoch.get()), BPS)
  return minBigint(own + carried, amount)
}

/** Moves an entry to another place; null clears it. */
const copy = (from: Unbonding | null, to: Unbonding): void => {
  to.amount.set(from?.amount.get() ?? 0n)
  to.matures.set(from?.matures.get() ?? 0n)
  to.epoch.set(from?.epoch.get() ?? 0n)
  to.isSettled.set(from?.isSettled.get() ?? false)
  to.isLiable.set(from?.isLiable.get() ?? false)
  to.from.set(from?.from.get() ?? NOBODY)
  to.liableEpoch.set(from?.liableEpoch.get() ?? 0n)
  to.liable.set(from?.liable.get() ?? 0n)
}

/** Pays everything of the caller that has matured. */
export function withdraw(call: StakingCall): bigint {
  const { store, caller, block } = call
  const from = store.unbondingFrom.at(caller)
  const sums = { paid: 0n, burnt: 0n, entries: 0, next: 0n }
  for (let i = from.length() - 1; i >= 0; i--) {
    const operator = from.item(i).get()
    const entries = store.unbondings.at(caller).at(operator)
    let left = entries.length()
    for (let j = left - 1; j >= 0; j--) {
      const entry = entries.item(j)
      const matures = entry.matures.get()
      if (matures > BigInt(block.time)) {
        sums.next = sums.next === 0n ? matures : minBigint(sums.next, matures)
        continue
      }
      const [amount, slashed] = [entry.amount.get(), penaltyOf(store, operator, entry)]
      call.emit('Withdrawn', { delegator: caller, validator: operator, amount: amount - slashed, slashed })
      sums.paid += amount - slashed
      sums.burnt += slashed
      sums.entries++
      left--
      copy(entries.item(left), entry)
      copy(null, entries.item(left))
    }
    entries.resize(left)
    if (left > 0) continue
    const last = from.item(from.length() - 1)
    from.item(i).set(last.get())
    last.set(NOBODY)
    from.resize(from.length() - 1)
  }
  if (sums.entries === 0) call.revert('NothingMatured', { next: sums.next })
  store.bonds.unbonding.update((sum) => sum - sums.paid - sums.burnt)
  if (sums.burnt > 0n) burn(call, sums.burnt)
  if (sums.paid > 0n) call.pay(caller, sums.paid)
  return sums.paid
}
