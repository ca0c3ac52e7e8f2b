// The sets of epochs: a ring in state that overwrites the oldest. Owns how a set is written, and who reads it and how.
import { type Address, asHash, bigintToFixed, compareBytes, concat, type Hash } from '../../base/bytes.ts'
import { assert } from '../../base/errors.ts'
import type { Reader } from '../../types/state.ts'
import { createValidatorSet, type EpochSet, epochOf } from '../../types/validators.ts'
import { committedWords } from '../kit/module.ts'
import { openStore, readPacked, writePacked } from '../kit/slots.ts'
import { layout, type StakingCtx, type StakingStore } from './layout.ts'

export interface Member {
  readonly operator: Address
  readonly power: bigint
  readonly keyId: number
  /** Place among all validators, in the order of their creation. */
  readonly index: number
}
/** An epoch's set, read member by member. */
export interface Members {
  readonly count: number
  readonly power: bigint
  readonly seed: Hash
  /** Seconds. */
  readonly startTime: number
  /** By place in the set: four slots, of which eight members share one and four another. */
  at(place: number): Member
  /** The power alone: a quarter of a slot. */
  powerAt(place: number): bigint
  /** 48 bytes: two slots, and the eighth of one. */
  keyAt(place: number): Uint8Array
}

/** null where the epoch is not elected yet, or overwritten. */
export const membersOf = ({ store }: Pick<StakingCtx, 'store'>, epoch: number): Members | null =>
  membersIn(store, epoch)

export const entryOf = (store: StakingStore, epoch: number) => store.epochs.at(BigInt(epoch) % store.clock.ring.get())

const membersIn = (store: StakingStore, epoch: number): Members | null => {
  if (store.clock.ring.get() === 0n) return null // no genesis yet
  const entry = entryOf(store, epoch)
  const { keyIds, powers } = entry
  const count = keyIds.length()
  if (count === 0 || entry.epoch.get() !== BigInt(epoch)) return null
  const inside = (place: number): number => {
    assert(place >= 0 && place < count, `place ${place} is in the set of epoch ${epoch}`)
    return place
  }
  const powerAt = (place: number): bigint => powers.item(inside(place)).get()
  const keyIdAt = (place: number): number => Number(keyIds.item(inside(place)).get())
  return {
    count,
    power: entry.power.get(),
    seed: asHash(entry.seed.get()),
    startTime: Number(entry.startTime.get()),
    at(place) {
      const keyId = keyIdAt(place)
      const index = Number(store.keys.item(keyId).validator.get())
      return { operator: store.validators.item(index).operator.get(), power: powerAt(place), keyId, index }
    },
    powerAt,
    keyAt: (place) => keyOf(store, keyIdAt(place)),
  }
}

export const keyOf = (store: StakingStore, keyId: number): Uint8Array => {
  const { head, tail } = store.keys.item(keyId)
  return concat(head.get(), bigintToFixed(tail.get(), 16))
}

/** null for who is no member. Reads as many members as the set's size has bits. */
export function placeIn(members: Members, operator: Address): number | null {
  let [low, high] = [0, members.count]
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareBytes(members.at(middle).operator, operator)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle
  }
  return null
}

/** The keys that members sign with, in set order; of an epoch that is kept. A key is one operator's for ever. */
export const keyIdsOf = ({ store, words }: Pick<StakingCtx, 'store' | 'words'>, epoch: number): bigint[] =>
  readPacked(words, entryOf(store, epoch).keyIds, 32)
export const operatorOf = ({ store }: Pick<StakingCtx, 'store'>, keyId: bigint): Address =>
  store.validators.item(Number(store.keys.item(Number(keyId)).validator.get())).operator.get()

/** Members in set order. */
export function writeSet(
  { store, words }: Pick<StakingCtx, 'store' | 'words'>,
  epoch: number,
  made: { readonly startTime: number; readonly seed: Hash },
  members: readonly { readonly keyId: bigint; readonly power: bigint }[],
): void {
  const entry = entryOf(store, epoch)
  entry.epoch.set(BigInt(epoch))
  entry.startTime.set(BigInt(made.startTime))
  entry.seed.set(made.seed)
  entry.power.set(members.reduce((sum, { power }) => sum + power, 0n))
  entry.gone.set(0n)
  entry.silent.set(0n)
  writePacked(
    words,
    entry.keyIds,
    32,
    members.map(({ keyId }) => keyId),
  )
  writePacked(
    words,
    entry.powers,
    64,
    members.map(({ power }) => power),
  )
}

/** The epoch of the block that runs. */
export const epochNow = ({ store, block }: Pick<StakingCtx, 'store' | 'block'>): number =>
  epochOf(block.number, Number(store.clock.epochBlocks.get()))
/**
 * The last epoch in which stake that leaves in this block still votes: in an epoch's last block the next set is elected already. Counted from
 * the first network that this one carries on, so that nothing answers for an offence that came after it had left.
 */
export const lastVoteOf = ({
  store,
  block,
  epochsBefore,
}: Pick<StakingCtx, 'store' | 'block' | 'epochsBefore'>): number =>
  epochOf(block.number + 1, Number(store.clock.epochBlocks.get())) + epochsBefore()

/** The set of an epoch in committed state, at the address of the module. */
export function epochSetAt(reader: Reader, at: Address, epoch: number): EpochSet | null {
  const members = membersIn(openStore(layout, committedWords(reader, at)), epoch)
  if (members === null) return null
  const { count, seed, startTime } = members
  const set = createValidatorSet(
    Array.from({ length: count }, (_, place) => {
      const { operator, power } = members.at(place)
      return { address: operator, power, blsKey: members.keyAt(place) }
    }),
  )
  return { set, seed, startTime }
}
