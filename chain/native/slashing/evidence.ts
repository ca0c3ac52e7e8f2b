// Evidence in a transaction: judged from state, paid for by its work, and what it costs the guilty and earns who brings it.
import type { Address } from '../../base/bytes.ts'
import { assert, NodeError } from '../../base/errors.ts'
import { minBigint } from '../../base/math.ts'
import {
  type Accusation,
  accusationOf,
  checkEvidence,
  decodeEvidence,
  type EpochRoll,
  type Evidence,
  type EvidenceContext,
  type EvidenceVerdict,
  heightOfEvidence,
} from '../../types/evidence.ts'
import { intrinsicGas } from '../../types/tx.ts'
import { epochOf, type Validator } from '../../types/validators.ts'
import { bitmapMembers } from '../../types/vote.ts'
import { encodeCall } from '../kit/abi.ts'
import type { Call } from '../kit/module.ts'
import { staking } from '../staking/module.ts'
import { burnPenalty, levy, payPenalty, penalise, reachBack, type Status, statusOf } from '../staking/penalties.ts'
import { type Members, membersOf } from '../staking/sets.ts'
import { abi } from './abi.ts'
import { jailFor, param, type SlashingCtx, uncount } from './downtime.ts'
import type { layout } from './layout.ts'

export type SlashingCall = Call<typeof abi, typeof layout>
type Offence = Pick<Accusation, 'offence' | 'height' | 'round'>
type Proven = Extract<EvidenceVerdict, { readonly kind: 'proven' }>

/** Of one call; the next call goes on. */
const PUNISHED_MAX = 64
const BPS = 10_000n

/** One aggregate verification, and each key that is added up: some 2 ms, and 45 us for one that was never seen before. */
const VERIFY_GAS = 80_000
const KEY_GAS = 500
/** For each member of a set that is hashed, and for each of its steps in a rotation. */
const LEAF_GAS = 100
const STEP_GAS = 1
/** What follows the reckoning of the refund: a payment to an account that is warm, what is burnt, one log, the answer. */
const SETTLE_GAS = 16_000n

/** Throws into the call what is wrong with the evidence, or with what it proves. Answers how many it punished and what the caller earned. */
export function submit(call: SlashingCall, bytes: Uint8Array): { readonly punished: bigint; readonly reward: bigint } {
  const evidence = decoded(call, bytes)
  const verdict = judge(call, evidence)
  const { punished, slashed } = punish(call, verdict)
  const reward = settle(call, bytes, punished, slashed)
  return { punished: BigInt(punished.length), reward }
}

const decoded = (call: SlashingCall, bytes: Uint8Array): Evidence => {
  try {
    return decodeEvidence(bytes)
  } catch (error) {
    if (!(error instanceof NodeError) || !/^(EVIDENCE|RLP)_/.test(error.code)) throw error
    return call.revert('EvidenceMalformed', { reason: error.message })
  }
}

/** The cheap refusals come before the signatures: who comes second with a proof pays little. */
function judge(call: SlashingCall, evidence: Evidence): Proven {
  const context = contextOf(call)
  const height = heightOfEvidence(evidence)
  const epoch = height < 1 || height > context.head + 1 ? null : context.epochAt(height)
  if (epoch !== null) {
    const accused = accusationOf(evidence, epoch.count)
    if (typeof accused !== 'string') {
      if (accused.members.every((place) => isPunished(call, epoch.at(place).address, accused)))
        call.revert('AlreadyPunished', {})
      call.charge(workOf(evidence, epoch, context))
    }
  }
  const verdict = checkEvidence(evidence, context)
  if (verdict.kind === 'proven') return verdict
  const { kind, fault } = verdict
  switch (kind) {
    case 'malformed':
      return call.revert('EvidenceMalformed', { reason: fault })
    case 'forged':
      return call.revert('EvidenceForged', { reason: fault })
    case 'unknown':
      return call.revert('EvidenceUnknown', { reason: fault })
    case 'outside':
      return call.revert('EvidenceTooOld', {
        height: BigInt(height),
        electedAt: BigInt(epoch?.startTime ?? 0),
        oldest: BigInt(Math.max(0, context.nowS - context.windowS)),
      })
  }
}

function contextOf(ctx: SlashingCtx): EvidenceContext {
  const { number, time, domain } = ctx.block
  const { rules } = ctx.store
  const epochBlocks = Number(rules.epochBlocks.get())
  const rolls = new Map<number, EpochRoll | null>()
  return {
    ...{ domain, head: number - 1, nowS: time, windowS: Number(param(ctx, 'staking.unbondingTime')), epochBlocks },
    intervalMs: Number(rules.intervalMs.get()),
    hashOf: ctx.hashOf,
    epochAt(height) {
      const epoch = epochOf(height, epochBlocks)
      const roll = rolls.get(epoch) ?? rollOf(ctx, epoch)
      rolls.set(epoch, roll)
      return roll
    },
  }
}

/** Each member is read, and paid for, once. */
const rollOf = (ctx: SlashingCtx, epoch: number): EpochRoll | null => {
  const members = membersOf(ctx.within(staking), epoch)
  if (members === null) return null
  const { count, seed, startTime } = members
  const known: Validator[] = []
  return {
    ...{ count, seed, startTime },
    at(place) {
      const member = known[place] ?? memberAt(members, place)
      known[place] = member
      return member
    },
  }
}

const memberAt = (members: Members, place: number): Validator => {
  const { operator: address, power } = members.at(place)
  return { address, power, blsKey: members.keyAt(place) }
}

/** Gas of the signatures, the most that the check can come to. What it reads is paid beside. */
function workOf(evidence: Evidence, { count }: EpochRoll, { epochBlocks }: EvidenceContext): number {
  const keysIn = (bitmap: Uint8Array): number => bitmapMembers(bitmap, count)?.length ?? 0
  if (evidence.kind === 'conflict')
    return 2 * VERIFY_GAS + KEY_GAS * (keysIn(evidence.first.bitmap) + keysIn(evidence.second.bitmap))
  const steps = ((heightOfEvidence(evidence) - 1) % epochBlocks) + 1
  const keys = keysIn(evidence.qc.bitmap) + keysIn(evidence.section.lastCommit?.bitmap ?? new Uint8Array(0))
  return 2 * VERIFY_GAS + KEY_GAS * keys + count * (KEY_GAS + LEAF_GAS + STEP_GAS * steps)
}

// Whoever is tombstoned has paid for double signing, whatever else it signed in the epoch of its offence or later.

/** Punished once for the height and round of two TIMEOUTs, and only who is free: else a flood of them could eat the stake in fees. */
export const timeoutsAt = ({ store }: SlashingCtx, operator: Address, height: bigint, round: bigint) =>
  store.timeouts.at(operator).at((height << 32n) | round)

const isPunished = (ctx: SlashingCtx, operator: Address, { offence, height, round }: Offence): boolean => {
  const status = statusOf(ctx.within(staking), operator)
  assert(status !== null, 'members of a set are validators')
  if (offence !== 'E5') return hasPaid(status, epochIn(ctx, height))
  return status.tombstoned || status.jailed || timeoutsAt(ctx, operator, BigInt(height), BigInt(round)).get()
}

/** Whether it is tombstoned for an offence as early as that epoch. */
export const hasPaid = ({ offenceEpoch }: Status, epoch: number): boolean =>
  offenceEpoch !== null && offenceEpoch <= epoch
export const epochIn = ({ store }: SlashingCtx, height: number): number =>
  epochOf(height, Number(store.rules.epochBlocks.get()))

interface Punished {
  readonly punished: readonly Address[]
  readonly slashed: bigint
}
function punish(call: SlashingCall, proven: Proven): Punished {
  const { offence, height, round } = proven
  const offenceEpoch = epochIn(call, height)
  const punished: Address[] = []
  let slashed = 0n
  for (const { address: operator } of proven.guilty) {
    if (punished.length === PUNISHED_MAX) break
    if (isPunished(call, operator, proven)) continue
    punished.push(operator)
    uncount(call, operator)
    let wei = 0n
    if (offence === 'E5') {
      timeoutsAt(call, operator, BigInt(height), BigInt(round)).set(true)
      jailFor(call, operator)
    } else {
      wei = tombstone(call, operator, offenceEpoch)
    }
    slashed += wei
    const place = { height: BigInt(height), round: BigInt(round) }
    call.emit('Punished', { operator, offence, ...place, slashed: wei, reporter: call.caller })
  }
  return { punished, slashed }
}

/** Answers what it costs of the stake: the first time its part, for an earlier epoch nothing more. */
function tombstone(call: SlashingCall, operator: Address, offenceEpoch: number): bigint {
  const held = call.within(staking)
  if (statusOf(held, operator)?.tombstoned === true) {
    reachBack(held, operator, offenceEpoch)
    return 0n
  }
  return penalise(held, operator, { bps: param(call, 'slashing.doubleSign'), offenceEpoch, tombstone: true })
}

/** What the transaction paid before it ran; a contract that calls did not, and could bring many in one. */
const sendingGas = ({ isByAccount, caller }: SlashingCall, evidence: Uint8Array): bigint => {
  if (!isByAccount) return 0n
  const data = encodeCall(abi.functions.submitEvidence, [evidence])
  return intrinsicGas({ to: caller, data, accessList: [], authorizations: [] }).gas
}

/**
 * A share of what was slashed at once and the fee at the base fee go to the caller, the rest burns. Where nothing was slashed the guilty
 * pay the fee out of their stakes, as far as these reach. Answers the share.
 */
function settle(call: SlashingCall, evidence: Uint8Array, guilty: readonly Address[], slashed: bigint): bigint {
  const held = call.within(staking)
  const cap = param(call, 'slashing.reporterCap')
  const reward = minBigint(cap, (slashed * param(call, 'slashing.reporterShare')) / BPS)
  const fee = (sendingGas(call, evidence) + call.gasUsed() + SETTLE_GAS) * call.block.baseFeeWei
  let left = slashed - reward
  for (const operator of guilty) if (left < fee) left += levy(held, operator, fee - left)
  const feeRefund = minBigint(fee, left)
  if (left > feeRefund) burnPenalty(held, left - feeRefund)
  if (reward + feeRefund === 0n) return 0n
  payPenalty(held, call.caller, reward + feeRefund)
  call.emit('Rewarded', { reporter: call.caller, reward, feeRefund })
  return reward
}
