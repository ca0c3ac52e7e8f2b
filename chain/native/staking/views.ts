// What can be asked of staking.
import type { Address } from '../../base/bytes.ts'
import type { Handlers } from '../kit/module.ts'
import type { abi } from './abi.ts'
import { penaltyOf } from './book.ts'
import type { layout, StakingCall, StakingStore } from './layout.ts'
import { ownerOfKey } from './registry.ts'
import { commissionOf, pendingOf } from './rewards.ts'
import { epochNow, keyOf, membersOf } from './sets.ts'
import { find, mustFind, param, selfBondOf, type Validator, validatorAt, worthOf } from './validators.ts'

type All = Handlers<typeof abi, typeof layout>
type ViewName =
  | ('validator' | 'validators' | 'validatorCount' | 'operatorOfKey' | 'operatorOfPeer' | 'setOf' | 'epoch')
  | ('delegation' | 'redelegation' | 'unbondings' | 'pendingRewards' | 'parameters' | 'totals')

const PAGE_MAX = 256n
const NO_KEY = new Uint8Array(0)

const describe = (store: StakingStore, validator: Validator) => {
  const { at, index, operator } = validator
  const next = Number(at.nextKey.get())
  return {
    operator,
    blsKey: keyOf(store, Number(at.keyId.get())),
    nextBlsKey: next === 0 ? NO_KEY : keyOf(store, next - 1),
    peerIdDigest: at.peerIdDigest.get(),
    moniker: at.moniker.get(),
    commissionBps: at.commissionBps.get(),
    stake: at.stake.get(),
    selfBond: selfBondOf(store, validator),
    shares: at.shares.get(),
    commission: commissionOf(store, validator),
    power: store.powers.item(index).get(),
    ready: at.ready.get(),
    jailed: at.jailed.get(),
    tombstoned: at.tombstoned.get(),
    exited: at.exited.get(),
  }
}

/** What is from before genesis is of epoch 0. */
const shown = ({ epochsBefore }: StakingCall, counted: bigint): bigint => {
  const before = BigInt(epochsBefore())
  return counted < before ? 0n : counted - before
}

const unbondingsOf = (call: StakingCall, delegator: Address) => {
  const { store } = call
  const from = store.unbondingFrom.at(delegator)
  return Array.from({ length: from.length() }, (_, i) => from.item(i).get()).flatMap((operator) => {
    const entries = store.unbondings.at(delegator).at(operator)
    return Array.from({ length: entries.length() }, (_, j) => {
      const entry = entries.item(j)
      return {
        validator: operator,
        amount: entry.amount.get(),
        penalty: penaltyOf(store, operator, entry),
        epoch: shown(call, entry.epoch.get()),
        matures: entry.matures.get(),
      }
    })
  })
}

export const views: Pick<All, ViewName> = {
  validator: { gas: 500, run: (call, [operator]) => describe(call.store, mustFind(call, operator)) },
  validators: {
    gas: 500,
    run({ store }, [from, count]) {
      const total = BigInt(store.validators.length())
      const room = from < total ? total - from : 0n
      const length = Number([count, room, PAGE_MAX].reduce((least, each) => (each < least ? each : least)))
      return Array.from({ length }, (_, i) => describe(store, validatorAt(store, Number(from) + i)))
    },
  },
  validatorCount: { gas: 200, run: ({ store }) => BigInt(store.validators.length()) },
  operatorOfKey: { gas: 200, run: ({ store }, [blsKey]) => ownerOfKey(store, blsKey) },
  operatorOfPeer: { gas: 200, run: ({ store }, [peerIdDigest]) => store.peerOwners.at(peerIdDigest).get() },
  setOf: {
    gas: 500,
    run(call, [epoch]) {
      const members = epoch < 2n ** 32n ? membersOf(call, Number(epoch)) : null
      if (members === null) return call.revert('EpochUnknown', { epoch })
      const places = Array.from({ length: members.count }, (_, place) => members.at(place))
      return { operators: places.map(({ operator }) => operator), powers: places.map(({ power }) => power) }
    },
  },
  epoch: {
    gas: 200,
    run(call) {
      const current = epochNow(call)
      const electedAt = BigInt(membersOf(call, current)?.startTime ?? 0)
      const firstHeight = BigInt(current) * call.store.clock.epochBlocks.get() + 1n
      return { current: BigInt(current), firstHeight, electedAt }
    },
  },
  delegation: {
    gas: 300,
    run({ store }, [delegator, operator]) {
      const shares = store.delegations.at(delegator).at(operator).shares.get()
      const validator = find(store, operator)
      return { amount: validator === null ? 0n : worthOf(validator.at, shares), shares }
    },
  },
  redelegation: {
    gas: 300,
    run(call, [delegator, operator]) {
      const { from, amount, epoch, matures } = call.store.redelegations.at(delegator).at(operator)
      return { from: from.get(), amount: amount.get(), epoch: shown(call, epoch.get()), matures: matures.get() }
    },
  },
  unbondings: { gas: 300, run: (call, [delegator]) => unbondingsOf(call, delegator) },
  pendingRewards: {
    gas: 300,
    run(call, [delegator, operator]) {
      const validator = find(call.store, operator)
      return validator === null ? 0n : pendingOf(call.store, delegator, validator)
    },
  },
  parameters: {
    gas: 500,
    run(call) {
      return {
        maxValidators: param(call, 'staking.maxValidators'),
        minSelfBond: param(call, 'staking.minSelfBond'),
        minDelegation: param(call, 'staking.minDelegation'),
        unbondingTime: param(call, 'staking.unbondingTime'),
        rewardRate: param(call, 'staking.rewardRate'),
        maxCommission: param(call, 'staking.maxCommission'),
        commissionStep: param(call, 'staking.commissionStep'),
        epochBlocks: call.store.clock.epochBlocks.get(),
      }
    },
  },
  totals: {
    gas: 500,
    run(call) {
      const { bonds, supply, minting } = call.store
      const [bonded, unbonding] = [bonds.bonded.get(), bonds.unbonding.get()]
      return {
        bonded,
        unbonding,
        rewards: call.balance() - bonded - unbonding,
        minted: supply.minted.get() + minting.amount.get(),
        burnt: supply.burnt.get(),
      }
    },
  },
}
