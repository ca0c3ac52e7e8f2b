// What `staking` stores where. Wei fit in 128 bits: no chain has 3 * 10^20 NOVA. Epochs, validators and keys are counted in 32.
import type { Call, Ctx } from '../kit/module.ts'
import {
  address,
  bool,
  bytes32,
  defineLayout,
  list,
  map,
  type Store,
  slot,
  string,
  struct,
  uint,
} from '../kit/slots.ts'
import type { abi } from './abi.ts'

/** `operator` and `keyId` share its first word. */
const validator = struct({
  operator: address,
  /** In `keys`; of the key that waits counted from 1, 0 where none does. */
  keyId: uint(32),
  nextKey: uint(32),
  ready: bool,
  jailed: bool,
  exited: bool,
  tombstoned: bool,
  /** Rewards of its power in sets before the present one, not yet shared with its delegators. */
  earned: uint(128),
  /** Its power in the set of epoch `payouts`; what came since it was last `paidTo` payouts is not in `earned`. */
  setPower: uint(64),
  paidTo: uint(32),
  commissionBps: uint(16),
  stake: uint(128),
  /** Epoch of the last change, counted from 1. */
  commissionEpoch: uint(32),
  /** Of who is tombstoned: the epoch of the offence, those before genesis counted too, and what it costs of all that was bonded then. */
  offenceEpoch: uint(32),
  penaltyBps: uint(16),
  /** Never fewer than wei in `stake`: a share starts as a wei, and a penalty makes it less. */
  shares: uint(256),
  /** Rewards of one share since the beginning, times 2^128. */
  rewardPerShare: uint(256),
  /** What the operator can claim of it. */
  commission: uint(128),
  peerIdDigest: bytes32,
  moniker: string,
})
export const VALIDATOR_SLOTS = 'slots' in validator.size ? validator.size.slots : 1

const epoch = struct({
  epoch: uint(64),
  /** Seconds: when it was elected. */
  startTime: uint(64),
  power: uint(128),
  seed: bytes32,
  /** Power of those members that could not be elected again, and of those that get no reward now. */
  gone: uint(128),
  silent: uint(128),
  /** Ascending by operator: with which key, and with what power. */
  keyIds: list(uint(32)),
  powers: list(uint(64)),
})

const unbonding = struct({
  amount: uint(128),
  /** Second. */
  matures: uint(64),
  /** In which it voted last; those before genesis counted too, as in `liableEpoch` and of a redelegation. */
  epoch: uint(32),
  /** Its validator was tombstoned before: this has paid for it. */
  isSettled: bool,
  /** `liable` of it came by redelegation from `from` in `liableEpoch`, and answers for that one too. */
  isLiable: bool,
  from: address,
  liableEpoch: uint(32),
  liable: uint(128),
})

export const layout = defineLayout({
  /** Fixed at genesis. `ring` is how many epochs are kept, `epochsBefore` how many the networks had that this one carries on. */
  clock: slot(0, struct({ epochBlocks: uint(64), ring: uint(64), epochsBefore: uint(64) })),
  bonds: slot(1, struct({ bonded: uint(128), unbonding: uint(128) })),
  /** `owed` can be claimed, dust of divisions included; `pot` waits for the next payout. */
  rewards: slot(2, struct({ owed: uint(128), pot: uint(128) })),
  supply: slot(3, struct({ minted: uint(128), burnt: uint(128) })),
  /** Minted since the last payout, not in `pot` and `minted` yet, until which second; and how many payouts there were. */
  minting: slot(4, struct({ amount: uint(128), until: uint(64), payouts: uint(32) })),
  /** What self-bonds are measured by, since the last election. */
  minSelfBond: slot(5, uint(256)),
  /** By epoch modulo `ring`. */
  epochs: slot(6, map('uint', epoch)),
  /** By number of payouts: rewards of one unit of power until then, times 2^128. */
  rewardPerPower: slot(7, map('uint', uint(256))),
  /** In the order of their creation, never removed. */
  validators: slot(8, list(validator)),
  /** Beside each validator: whole NOVA it would be elected with, 0 while it cannot be. */
  powers: slot(9, list(uint(64))),
  /** In `validators`, counted from 1; 0 for who is no operator. */
  placeOf: slot(10, map('address', uint(32))),
  /** 48 bytes each, never removed. */
  keys: slot(11, list(struct({ head: bytes32, tail: uint(128), validator: uint(32) }))),
  /** By keccak of the key. */
  keyOwners: slot(12, map('bytes32', address)),
  peerOwners: slot(13, map('bytes32', address)),
  /** By delegator, then operator. `rewardPerShare` is the validator's when this was last paid. */
  delegations: slot(14, map('address', map('address', struct({ shares: uint(256), rewardPerShare: uint(256) })))),
  /** By delegator, then the operator it came to. */
  redelegations: slot(
    15,
    map('address', map('address', struct({ from: address, epoch: uint(32), matures: uint(64), amount: uint(128) }))),
  ),
  /** By delegator, then operator. */
  unbondings: slot(16, map('address', map('address', list(unbonding)))),
  /** By delegator: whom it has unbondings of. */
  unbondingFrom: slot(17, map('address', list(address))),
})

export type StakingStore = Store<typeof layout>
export type StakingCtx = Ctx<typeof abi, typeof layout>
export type StakingCall = Call<typeof abi, typeof layout>
