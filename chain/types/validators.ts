// The validator set of an epoch: members in order of address, power, quorum, the hash that commits to it, and whose turn it is.
import { type Address, bytesToBigint, compareBytes, concat, type Hash } from '../base/bytes.ts'
import { curves, keccak } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'
import type { Reader } from './state.ts'

/** Stake that makes one unit of voting power: 1 NOVA. */
export const POWER_WEI = 10n ** 18n

export interface Validator {
  readonly address: Address
  /** 48 bytes, compressed G1. */
  readonly blsKey: Uint8Array
  /** Above 0. */
  readonly power: bigint
}

export interface ValidatorSet {
  /** Ascending by address. */
  readonly members: readonly Validator[]
  readonly powerTotal: bigint
}

export function createValidatorSet(members: readonly Validator[]): ValidatorSet {
  assert(members.length > 0, 'a validator set has members')
  const sorted = [...members].sort((a, b) => compareBytes(a.address, b.address))
  for (const [i, member] of sorted.entries()) {
    assert(member.power > 0n, 'validator power is above 0')
    assert(
      i === 0 || compareBytes((sorted[i - 1] as Validator).address, member.address) !== 0,
      'validators are distinct',
    )
  }
  return { members: sorted, powerTotal: sorted.reduce((sum, member) => sum + member.power, 0n) }
}

/** Strictly more than two thirds. */
export const isQuorum = (power: bigint, { powerTotal }: Pick<ValidatorSet, 'powerTotal'>): boolean =>
  3n * power > 2n * powerTotal

/** keccak RLP [Merkle root of (address, key, power) in set order, aggregate key, total power]. Made once for each set. */
export function validatorsHash(set: ValidatorSet): Hash {
  const known = hashes.get(set) ?? hashOf(set)
  hashes.set(set, known)
  return known
}
const hashes = new WeakMap<ValidatorSet, Hash>()

const hashOf = (set: ValidatorSet): Hash => {
  const { root, aggregateKey } = validatorsCommitment(set)
  return keccak(encodeRlp([root, aggregateKey, rlpInt(set.powerTotal)]))
}

/** What `validatorsHash` is the hash of, beside the total power. */
export function validatorsCommitment(set: ValidatorSet): { readonly root: Hash; readonly aggregateKey: Uint8Array } {
  const root = merkleLevels(set).at(-1)?.[0]
  assert(root !== undefined, 'a validator set has members')
  return { root, aggregateKey: curves().blsAggregateKeys(set.members.map((member) => member.blsKey)) }
}

/** A neighbour on the way from a leaf to the root, and whether it stands on the left there. */
export interface MerkleStep {
  readonly side: 'left' | 'right'
  readonly hash: Hash
}

/** From the members at these places up to the root, each by itself. */
export function memberBranches(set: ValidatorSet, places: readonly number[]): readonly (readonly MerkleStep[])[] {
  const below = merkleLevels(set).slice(0, -1)
  return places.map((place) =>
    below.flatMap((level, height): readonly MerkleStep[] => {
      const i = place >> height
      const hash = level[i ^ 1]
      return hash === undefined ? [] : [{ side: i % 2 === 1 ? 'left' : 'right', hash }]
    }),
  )
}

/** Binary tree over the members; leaf and node hashes carry different first bytes, an odd node moves up as it is. Leaves first. */
function merkleLevels({ members }: ValidatorSet): readonly (readonly Hash[])[] {
  const leaves = members.map((m) => keccak(encodeRlp([m.address, m.blsKey, rlpInt(m.power)])))
  let level: readonly Hash[] = leaves.map((leaf) => keccak(concat(Uint8Array.of(0), leaf)))
  const levels = [level]
  while (level.length > 1) {
    const up: Hash[] = []
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i] as Hash, level[i + 1]]
      up.push(right === undefined ? left : keccak(concat(Uint8Array.of(1), left, right)))
    }
    level = up
    levels.push(level)
  }
  return levels
}

/** Height 0 belongs to epoch 0; epoch e holds heights e·E + 1 to (e + 1)·E. */
export const epochOf = (height: number, epochBlocks: number): number =>
  height === 0 ? 0 : Math.floor((height - 1) / epochBlocks)
export const isEpochEnd = (height: number, epochBlocks: number): boolean => height > 0 && height % epochBlocks === 0

/** The set of an epoch, with what it was drawn with when it was elected. */
export interface EpochSet {
  readonly set: ValidatorSet
  /** prevRandao of the electing block; genesis mixHash for epoch 0. */
  readonly seed: Hash
  /** Seconds: the time of the electing block; genesis time for epoch 0. */
  readonly startTime: number
}
/** Reads an epoch out of state; null where it is not elected yet, or forgotten. */
export type EpochSetOf = (reader: Reader, epoch: number) => EpochSet | null

/**
 * Weighted round robin over one epoch: every step each member gains its power, the highest priority proposes (the lower address on a
 * tie) and pays the total. It begins at drawn priorities, -(keccak(seed ‖ address) mod total): from zeros, the last of a set that is
 * larger than an epoch would never propose. Steps count from 0 at the epoch's first height and are remembered forward.
 */
export function createRotation({ members, powerTotal }: ValidatorSet, seed: Hash): { proposer(step: number): number } {
  const priorities = members.map(({ address }) => -(bytesToBigint(keccak(concat(seed, address))) % powerTotal))
  const winners: number[] = []
  const advance = (): void => {
    let best = 0
    for (const [i, { power }] of members.entries()) {
      priorities[i] = (priorities[i] as bigint) + power
      if ((priorities[i] as bigint) > (priorities[best] as bigint)) best = i
    }
    priorities[best] = (priorities[best] as bigint) - powerTotal
    winners.push(best)
  }
  return {
    proposer(step) {
      while (winners.length <= step) advance()
      return winners[step] as number
    },
  }
}

/** One draw of a height. `first` leads its round 0. */
export interface Lot {
  readonly parentRandao: Hash
  readonly height: number
  readonly round: number
  readonly first: number
}

/**
 * Proposer of a round: of rounds >= 1 by lot, the member at keccak(parent's mixHash ‖ height u64 ‖ round u32) mod power, on the line of powers in
 * set order. Round 1 leaves out who led round 0: he has just failed, so one who is down costs one round and never a second. Later
 * rounds draw from all, for where most of the others are down he is who they need.
 */
export function proposerByLot(set: ValidatorSet, { parentRandao, height, round, first }: Lot): number {
  if (round === 0) return first
  const turn = new Uint8Array(12)
  const view = new DataView(turn.buffer)
  view.setBigUint64(0, BigInt(height))
  view.setUint32(8, round)
  const isOut = (i: number): boolean => round === 1 && i === first && set.members.length > 1
  const powerOut = isOut(first) ? (set.members[first] as Validator).power : 0n
  let at = bytesToBigint(keccak(concat(parentRandao, turn))) % (set.powerTotal - powerOut)
  for (const [i, member] of set.members.entries()) {
    if (isOut(i)) continue
    if (at < member.power) return i
    at -= member.power
  }
  assert(false, 'a lot below the total power hits a member')
}

/** A height as its parent determines it, with who leads round 0. */
interface Turns extends Pick<Lot, 'parentRandao' | 'height'> {
  readonly set: ValidatorSet
  readonly proposer: number
}
export const proposerAt = ({ set, proposer, parentRandao, height }: Turns, round: number): number =>
  proposerByLot(set, { parentRandao, height, round, first: proposer })
export const isTurnOf = (turns: Turns, { round, validator }: { readonly round: number; readonly validator: number }) =>
  proposerAt(turns, round) === validator
