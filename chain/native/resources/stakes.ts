// Staking of resource tokens. A stake's whole reward is set aside when it begins, out of what this module holds of the token beyond stakes and
// promises; so no order of claims and no change of the rate can leave a promise without its tokens. Who leaves early gives it back.
import { type Address, asAddress } from '../../base/bytes.ts'
import { assert } from '../../base/errors.ts'
import { minBigint, mulDivDown } from '../../base/math.ts'
import type { TokenCtx } from '../token/layout.ts'
import { isNobody, move, WORD_MAX } from '../token/ledger.ts'
import { balanceOf } from '../token/office.ts'
import type { ResourcesCall } from './layout.ts'
import { param, tokenAt } from './tokens.ts'

/** Seconds. */
const YEAR = 365n * 86_400n
const BPS = 10_000n
const NO_TOKEN = asAddress(new Uint8Array(20))

/** Rounded down, to the second. */
export const rewardOf = (call: ResourcesCall, amount: bigint, duration: bigint): bigint => {
  const reward = mulDivDown(amount * duration, param(call, 'resources.rewardRate'), BPS * YEAR)
  return reward > WORD_MAX ? call.overflow() : reward
}

export const poolOf = (call: ResourcesCall, token: TokenCtx) => {
  const pool = call.store.pools.at(token.at)
  const [staked, reserved] = [pool.staked.get(), pool.reserved.get()]
  const available = balanceOf(token, call.at) - staked - reserved
  assert(available >= 0n, 'what is staked and promised is here')
  return { available, reserved, staked }
}

const take = (call: ResourcesCall, token: TokenCtx, value: bigint): void => {
  if (value === 0n) call.revert('ZeroAmount', {})
  const { caller: from } = call
  move(token, { from, to: call.at, value }, (balance) =>
    call.revert('ERC20InsufficientBalance', { sender: from, balance, needed: value }),
  )
}
const give = (call: ResourcesCall, token: TokenCtx, value: bigint): void =>
  move(token, { from: call.at, to: call.caller, value }, () => assert(false, 'what is staked and promised is here'))

export const fund = (call: ResourcesCall, at: Address, amount: bigint): void => {
  take(call, tokenAt(call, at), amount)
  call.emit('PoolFunded', { token: at, from: call.caller, amount })
}

export const stake = (call: ResourcesCall, at: Address, amount: bigint, duration: bigint): bigint => {
  const { store, caller: owner } = call
  const token = tokenAt(call, at)
  const maximum = param(call, 'resources.maxDuration')
  if (duration === 0n || duration > maximum) call.revert('BadDuration', { given: duration, maximum })
  take(call, token, amount)
  const pool = store.pools.at(at)
  pool.staked.update((staked) => staked + amount)
  const reward = rewardOf(call, amount, duration)
  const { available } = poolOf(call, token)
  if (reward > available) call.revert('PoolTooSmall', { token: at, needed: reward, available })
  pool.reserved.update((reserved) => reserved + reward)
  const stakes = store.stakes.at(owner)
  const id = BigInt(stakes.length())
  const made = stakes.push()
  const start = BigInt(call.block.time)
  made.token.set(at)
  made.start.set(start)
  made.duration.set(duration)
  made.amount.set(amount)
  made.reward.set(reward)
  call.emit('Staked', { owner, token: at, id, amount, reward, end: start + duration })
  return id
}

const placeOf = (call: ResourcesCall, owner: Address, id: bigint) => {
  const stakes = call.store.stakes.at(owner)
  if (id >= BigInt(stakes.length())) call.revert('NoSuchStake', { owner, id })
  return stakes.item(Number(id))
}
type Place = ReturnType<typeof placeOf>
const endOf = ({ start, duration }: Place): bigint => start.get() + duration.get()

/** One of the caller's that was not taken back. */
const mustFind = (call: ResourcesCall, id: bigint): { readonly place: Place; readonly token: TokenCtx } => {
  const place = placeOf(call, call.caller, id)
  const at = place.token.get()
  if (isNobody(at)) call.revert('NoSuchStake', { owner: call.caller, id })
  return { place, token: tokenAt(call, at) }
}
/** What was set aside for a stake and is so no more: to be paid, or back in the pool. */
const release = (call: ResourcesCall, place: Place, token: TokenCtx): bigint => {
  const reward = place.reward.get()
  place.reward.set(0n)
  call.store.pools.at(token.at).reserved.update((reserved) => reserved - reward)
  return reward
}

export const claim = (call: ResourcesCall, id: bigint): bigint => {
  const { place, token } = mustFind(call, id)
  const end = endOf(place)
  if (BigInt(call.block.time) < end) call.revert('StillRunning', { id, end })
  const reward = release(call, place, token)
  if (reward === 0n) call.revert('NothingToClaim', { id })
  give(call, token, reward)
  call.emit('RewardClaimed', { owner: call.caller, token: token.at, id, reward })
  return reward
}

export const unstake = (call: ResourcesCall, id: bigint): { readonly amount: bigint; readonly reward: bigint } => {
  const { caller: owner } = call
  const { place, token } = mustFind(call, id)
  const amount = place.amount.get()
  const isOver = BigInt(call.block.time) >= endOf(place)
  const released = release(call, place, token)
  const [reward, forfeited] = isOver ? [released, 0n] : [0n, released]
  place.token.set(NO_TOKEN)
  place.start.set(0n)
  place.duration.set(0n)
  place.amount.set(0n)
  call.store.pools.at(token.at).staked.update((staked) => staked - amount)
  give(call, token, amount + reward)
  if (reward > 0n) call.emit('RewardClaimed', { owner, token: token.at, id, reward })
  call.emit('Unstaked', { owner, token: token.at, id, amount, forfeited })
  return { amount, reward }
}

const shown = ({ block }: ResourcesCall, place: Place) => {
  const [start, duration, reward] = [place.start.get(), place.duration.get(), place.reward.get()]
  const passed = minBigint(BigInt(block.time) - start, duration)
  return {
    ...{ token: place.token.get(), amount: place.amount.get(), reward },
    ...{ earned: duration === 0n ? 0n : mulDivDown(reward, passed, duration), start, end: start + duration },
  }
}
export const stakeOf = (call: ResourcesCall, owner: Address, id: bigint) => shown(call, placeOf(call, owner, id))
export const stakeCount = ({ store }: ResourcesCall, owner: Address): bigint => BigInt(store.stakes.at(owner).length())

const PAGE_MAX = 256n
export const stakesOf = (call: ResourcesCall, owner: Address, from: bigint, count: bigint) => {
  const total = stakeCount(call, owner)
  const room = from < total ? total - from : 0n
  const length = Number(minBigint(minBigint(count, room), PAGE_MAX))
  const stakes = call.store.stakes.at(owner)
  return Array.from({ length }, (_, i) => shown(call, stakes.item(Number(from) + i)))
}
