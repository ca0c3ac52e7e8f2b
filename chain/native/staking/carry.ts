// How the stakes of one network become those of the next: every delegation, what unbonds and what was earned stay as they are; the running
// sets end, and with them the numbers of epochs. Owns that, and what a carried state is checked for.
import { type Address, bytesToHex, equalBytes } from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import { defineErrors, NodeError } from '../../base/errors.ts'
import type { Genesis } from '../../types/genesis.ts'
import type { Left } from '../kit/carry.ts'
import { openStore, type Words } from '../kit/slots.ts'
import { chosen } from './election.ts'
import { layout, type StakingCtx, type StakingStore } from './layout.ts'
import { closePayouts } from './rewards.ts'
import { keyOf, type Members, membersOf, writeSet } from './sets.ts'
import { find, validatorAt } from './validators.ts'

export const CarryErrors = defineErrors('CARRY', {
  NOBODY: {
    text: () =>
      'no validator could be elected from this state: all are jailed, have left, are not ready or bond too little. Take an earlier --height',
  },
})

const sumOf = <T>(items: readonly T[], pick: (item: T) => bigint): bigint =>
  items.reduce((sum, item) => sum + pick(item), 0n)
const all = (store: StakingStore) =>
  Array.from({ length: store.validators.length() }, (_, index) => validatorAt(store, index))

export function leave(ctx: StakingCtx, { epoch, startTime, seed }: Left): readonly string[] {
  const { store } = ctx
  const members = chosen(ctx)
  if (members.length === 0) throw new NodeError(CarryErrors.NOBODY, undefined)
  closePayouts(ctx)
  for (const { at } of all(store)) at.commissionEpoch.set(0n)
  clearSets(ctx)
  store.clock.epochsBefore.update((before) => before + BigInt(epoch) + 1n)
  store.minting.until.set(BigInt(startTime))
  writeSet(ctx, 0, { startTime, seed }, members)
  for (const { keyId, power } of members)
    validatorAt(store, Number(store.keys.item(Number(keyId)).validator.get())).at.setPower.set(power)
  return said(ctx)
}

/** The whole ring, as if it had never been used. */
function clearSets({ store, words }: StakingCtx): void {
  for (let at = 0n, ring = store.clock.ring.get(); at < ring; at++) {
    const entry = store.epochs.at(at)
    for (const [each, perSlot] of [
      [entry.keyIds, 8],
      [entry.powers, 4],
    ] as const) {
      for (let i = 0, slots = Math.ceil(each.length() / perSlot); i < slots; i++) words.set(each.start + BigInt(i), 0n)
      each.resize(0)
    }
    for (const cell of [entry.epoch, entry.startTime, entry.power, entry.gone, entry.silent]) cell.set(0n)
    entry.seed.set(new Uint8Array(32))
  }
}

const STATES = ['tombstoned', 'exited', 'jailed', 'ready'] as const
const stateOf = (at: ReturnType<typeof validatorAt>['at']): string => {
  const found = STATES.find((name) => at[name].get())
  return found === undefined ? 'not ready' : found === 'ready' ? 'bond too little' : found
}

function said({ store }: StakingCtx): readonly string[] {
  const { bonds, rewards, minting } = store
  const isIn = new Set(membersIn(store).map(({ operator }) => bytesToHex(operator)))
  const [first, others] = [true, false].map((inside) =>
    all(store).filter(({ operator }) => isIn.has(bytesToHex(operator)) === inside),
  ) as [ReturnType<typeof all>, ReturnType<typeof all>] // one for each
  const stake = (of: ReturnType<typeof all>): bigint => sumOf(of, ({ at }) => at.stake.get())
  const kinds = [...new Set(others.map(({ at }) => stateOf(at)))].sort()
  return [
    `staking: ${first.length} validators with ${stake(first)} wei are the first set`,
    ...kinds.map((kind) => {
      const these = others.filter(({ at }) => stateOf(at) === kind)
      return `staking: ${these.length} validators with ${stake(these)} wei are not in it (${kind}) and stay what they are`
    }),
    `staking: ${bonds.unbonding.get()} wei unbond and mature at the same seconds as before`,
    `staking: ${rewards.owed.get() + rewards.pot.get() + minting.amount.get()} wei of rewards stay to be claimed or shared`,
  ]
}

const membersIn = (store: StakingStore) => {
  const members = membersOf({ store }, 0)
  return members === null ? [] : Array.from({ length: members.count }, (_, place) => members.at(place))
}

/** Epochs of the networks that this one carries on. */
export const epochsBefore = (words: Words): number => Number(openStore(layout, words).clock.epochsBefore.get())

/** A member of the first set, as a genesis names it. */
export interface CarriedValidator {
  readonly operator: Address
  readonly blsKey: Uint8Array
  readonly stakeWei: bigint
  readonly commissionBps: number
  readonly moniker: string
  readonly peerIdDigest: Uint8Array
}
export const carriedValidators = (words: Words): readonly CarriedValidator[] => {
  const store = openStore(layout, words)
  return membersIn(store).map(({ operator, keyId, index }) => {
    const { at } = validatorAt(store, index)
    return {
      ...{ operator, blsKey: keyOf(store, keyId), stakeWei: at.stake.get(), moniker: at.moniker.get() },
      ...{ commissionBps: Number(at.commissionBps.get()), peerIdDigest: at.peerIdDigest.get() },
    }
  })
}

type Refuse = (path: string, reason: string) => never

export function check(ctx: StakingCtx, genesis: Genesis, refuse: Refuse): void {
  const { store } = ctx
  const { clock, bonds, rewards, minting } = store
  if (clock.epochBlocks.get() !== BigInt(genesis.epochBlocks))
    refuse(
      'novachain.epochBlocks',
      `${genesis.epochBlocks}, and the state of staking was made for ${clock.epochBlocks.get()}`,
    )
  const bonded = sumOf(all(store), ({ at }) => at.stake.get())
  if (bonded !== bonds.bonded.get())
    refuse('', `the stakes of its validators sum to ${bonded} wei, and it counts ${bonds.bonded.get()}`)
  const owed = bonded + bonds.unbonding.get() + rewards.owed.get() + rewards.pot.get() + minting.amount.get()
  if (ctx.balance() < owed) refuse('.balance', `${ctx.balance()} wei, and stakes and rewards in it are ${owed}`)
  const members = membersOf(ctx, 0)
  if (members === null || minting.payouts.get() !== 0n || minting.until.get() !== BigInt(genesis.time))
    refuse('', `it has no set of validators that begins at ${genesis.time}, the time of this genesis`)
  else checkMembers(store, members, genesis, refuse)
}

function checkMembers(store: StakingStore, members: Members, genesis: Genesis, refuse: Refuse): void {
  const { founders } = genesis
  if (founders.length !== members.count)
    refuse('novachain.validators', `${founders.length}, and the first set in the state of staking has ${members.count}`)
  const inSet = new Map(membersIn(store).map((member) => [bytesToHex(member.operator), member]))
  for (const [i, founder] of founders.entries()) {
    const path = (field: string): string => `novachain.validators.${i}.${field}`
    const member = inSet.get(bytesToHex(founder.operator))
    const at = find(store, founder.operator)?.at
    if (member === undefined || at === undefined) {
      refuse(path('address'), 'it is not in the first set in the state of staking')
      continue
    }
    const key = keyOf(store, member.keyId)
    if (!equalBytes(key, founder.blsKey)) refuse(path('blsKey'), `the state of staking has ${bytesToHex(key)}`)
    if (!equalBytes(store.keyOwners.at(keccak(key)).get(), founder.operator))
      refuse(path('blsKey'), 'it is not the key of this validator in the state of staking')
    const stake = at.stake.get()
    if (stake !== founder.stakeWei)
      refuse(path('stake'), `${founder.stakeWei} wei, and the state of staking has ${stake}`)
    const power = genesis.validators.members.find(({ address }) => equalBytes(address, founder.operator))?.power
    if (power !== member.power) refuse(path('stake'), `power ${power}, and the state of staking has ${member.power}`)
    if (Number(at.commissionBps.get()) !== founder.commissionBps)
      refuse(path('commissionBps'), `the state of staking has ${at.commissionBps.get()}`)
    if (at.moniker.get() !== founder.moniker) refuse(path('moniker'), `the state of staking has ${at.moniker.get()}`)
    const digest = founder.peerId === null ? null : keccak(new TextEncoder().encode(founder.peerId))
    if (digest !== null && !equalBytes(digest, at.peerIdDigest.get()))
      refuse(path('peerId'), 'the state of staking has another')
  }
}
