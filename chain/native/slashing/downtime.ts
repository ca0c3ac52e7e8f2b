// Who sleeps: every block's consensus section says who signed the block before, and whoever missed too many of the last ones is jailed.
// Owns the window, a ring of bitmaps by seat: a block touches only counters whose bit that enters differs from the one that leaves.
import {
  type Address,
  bigintToFixed,
  bytesToBigint,
  bytesToHex,
  equalBytes,
  type Hex,
  type Word,
} from '../../base/bytes.ts'
import { assert } from '../../base/errors.ts'
import { epochOf } from '../../types/validators.ts'
import type { Ctx } from '../kit/module.ts'
import { readPacked, writePacked } from '../kit/slots.ts'
import { params } from '../params/module.ts'
import { staking } from '../staking/module.ts'
import { burnPenalty, jail, penalise, statusOf } from '../staking/penalties.ts'
import { keyIdsOf, membersOf, operatorOf, placeIn } from '../staking/sets.ts'
import type { abi } from './abi.ts'
import type { layout } from './layout.ts'

export type SlashingCtx = Ctx<typeof abi, typeof layout>

const BPS = 10_000n
/** Who joins when all are taken is not counted. In use are those of the set, and of who left it within the window. */
const SEATS_MAX = 65_535
/** Seats and counters that share a slot: those of two bytes of a bitmap. */
const A_SLOT = 16

export const param = (ctx: SlashingCtx, name: string): bigint => ctx.read(params, 'get', [name])

/**
 * Before the first transaction of a block. `lastCommit` speaks of the block before, at an epoch's first block of the set before. While
 * the module is paused nobody is counted, and afterwards the window begins anew.
 */
export function onBlock(ctx: SlashingCtx): void {
  const { number, lastCommit } = ctx.block
  const epochBlocks = Number(ctx.store.rules.epochBlocks.get())
  if (ctx.read(params, 'pausedUntil', ['slashing']) > 0n) restart(ctx, number)
  else if (lastCommit !== null) count(ctx, lastCommit)
  if ((number - 1) % epochBlocks !== 0) return
  takeRules(ctx)
  takeSeats(ctx, epochOf(number, epochBlocks))
}

/** Nothing is iterated but the counters: bitmaps of heights before `since` are known to count no more. */
function restart({ store, words }: SlashingCtx, since: number): void {
  store.rules.since.set(BigInt(since))
  const slots = Math.ceil(store.missed.length() / A_SLOT)
  for (let i = 0; i < slots; i++) words.set(store.missed.start + BigInt(i), 0n)
}

/** Governance changes numbers between epochs; nobody is judged by other ones than held when it slept. */
function takeRules(ctx: SlashingCtx): void {
  const { rules } = ctx.store
  const window = param(ctx, 'slashing.window')
  const missedMax = (window * (BPS - param(ctx, 'slashing.minSigned'))) / BPS
  if (window === rules.window.get() && missedMax === rules.missedMax.get()) return
  rules.window.set(window)
  rules.missedMax.set(missedMax)
  restart(ctx, ctx.block.number)
}

function count(ctx: SlashingCtx, commit: { readonly height: number; readonly bitmap: Uint8Array }): void {
  const { rules, absent } = ctx.store
  const { height } = commit
  const [window, since] = [Number(rules.window.get()), Number(rules.since.get())]
  if (height < since) return
  const row = absent.at(BigInt(height % window))
  const before = row.get()
  const enters = absentSeats(ctx, commit.bitmap)
  if (!equalBytes(enters, before)) row.set(enters)
  const over = tally(ctx, enters, height - window < since ? new Uint8Array(0) : before)
  if (over.length > 0) punish(ctx, over)
}

/** By seat, as it is stored: no longer than it must be. */
function absentSeats({ store, words }: SlashingCtx, signed: Uint8Array): Uint8Array {
  const { places, missed } = store
  const count = places.length()
  const out = new Uint8Array(Math.ceil(missed.length() / 8))
  let length = 0
  for (let first = 0; first < count; first += A_SLOT) {
    const members = Math.min(A_SLOT, count - first)
    const absent = ~pairAt(signed, first / 8) & (2 ** members - 1)
    if (absent === 0) continue
    const seats = itemsOf(words.get(places.start + BigInt(first / A_SLOT)))
    for (let bit = 0; bit < members; bit++) {
      const seat = seats.getUint16(offsetOf(bit)) - 1
      if (((absent >> bit) & 1) === 0 || seat < 0) continue
      out[seat >> 3] = (out[seat >> 3] as number) | (1 << (seat & 7))
      length = Math.max(length, (seat >> 3) + 1)
    }
  }
  return out.subarray(0, length)
}
/** Sixteen bits of a bitmap, from a byte of it on; what it does not have is 0. */
const pairAt = (bitmap: Uint8Array, at: number): number => (bitmap[at] ?? 0) | ((bitmap[at + 1] ?? 0) << 8)
/** The items that share a slot. */
const itemsOf = (word: Word): DataView<ArrayBuffer> => new DataView(bigintToFixed(word, 32).buffer as ArrayBuffer)
const offsetOf = (item: number): number => 30 - 2 * item

/** Answers the seats that missed one more and now have more than the rules allow. */
function tally({ store, words }: SlashingCtx, enters: Uint8Array, leaves: Uint8Array): number[] {
  const { start } = store.missed
  const most = Number(store.rules.missedMax.get())
  const over: number[] = []
  for (let first = 0; first / 8 < Math.max(enters.length, leaves.length); first += A_SLOT) {
    const entering = pairAt(enters, first / 8)
    const changed = entering ^ pairAt(leaves, first / 8)
    if (changed === 0) continue
    const slot = start + BigInt(first / A_SLOT)
    const counters = itemsOf(words.get(slot))
    for (let bit = 0; bit < A_SLOT; bit++) {
      if (((changed >> bit) & 1) === 0) continue
      const isMissed = ((entering >> bit) & 1) === 1
      const count = counters.getUint16(offsetOf(bit)) + (isMissed ? 1 : -1)
      counters.setUint16(offsetOf(bit), count)
      if (isMissed && count > most) over.push(first + bit)
    }
    words.set(slot, bytesToBigint(new Uint8Array(counters.buffer)))
  }
  return over
}

function punish(ctx: SlashingCtx, seats: readonly number[]): void {
  const { store, block } = ctx
  const asleep = ctx.within(staking)
  const bps = param(ctx, 'slashing.downtime')
  const offenceEpoch = epochOf(block.number - 1, Number(store.rules.epochBlocks.get()))
  for (const seat of seats) {
    const [operator, missed] = [store.holders.item(seat).get(), store.missed.item(seat).get()]
    const slashed = bps === 0n ? 0n : penalise(asleep, operator, { bps, offenceEpoch, tombstone: false })
    if (slashed > 0n) burnPenalty(asleep, slashed)
    const jailedUntil = jailFor(ctx, operator)
    ctx.emit('Slept', { operator, missed, window: store.rules.window.get(), slashed, jailedUntil })
  }
  clear(ctx, new Set(seats))
  for (const seat of seats) leave(ctx, store.holders.item(seat).get())
}

/** Answers the second from which it can come back; one that is jailed already stays at least as long. */
export function jailFor(ctx: SlashingCtx, operator: Address): bigint {
  const { jailedUntil } = ctx.store.operators.at(operator)
  const until = BigInt(ctx.block.time) + param(ctx, 'slashing.jailTime')
  if (until > jailedUntil.get()) jailedUntil.set(until)
  jail(ctx.within(staking), operator)
  ctx.emit('Jailed', { operator, until: jailedUntil.get() })
  return jailedUntil.get()
}

/** Whoever is jailed or tombstoned in between: it is not counted any more. */
export function uncount(ctx: SlashingCtx, operator: Address): void {
  const { store, block } = ctx
  if (store.operators.at(operator).seat.get() === 0n) return
  const members = membersOf(ctx.within(staking), epochOf(block.number, Number(store.rules.epochBlocks.get())))
  assert(members !== null, 'the set of the running epoch is kept')
  const place = placeIn(members, operator)
  // Whoever is counted is in it, but where a dry run is of an epoch's first block: its beginning has not given out the seats yet.
  if (place !== null) store.places.item(place).set(0n)
  leave(ctx, operator)
}

/** Takes seats from the members that have them; their bits stay in the ring and leave in time. */
function clear({ store, words }: SlashingCtx, seats: ReadonlySet<number>): void {
  const kept = readPacked(words, store.places, 16).map((seat) => (seats.has(Number(seat) - 1) ? 0n : seat))
  writePacked(words, store.places, 16, kept)
}

function leave({ store, block }: SlashingCtx, operator: Address): void {
  const { seat, since } = store.operators.at(operator)
  const entry = store.retired.push()
  entry.seat.set(seat.get())
  entry.from.set(BigInt(block.number) + store.rules.window.get())
  seat.set(0n)
  since.set(0n)
}

/** Whoever was a member stays where it is, whoever joins or comes back from jail is counted from here on. */
function takeSeats(ctx: SlashingCtx, epoch: number): void {
  const { places } = ctx.store
  const bonded = ctx.within(staking)
  const before = readPacked(ctx.words, places, 16)
  const held = new Map(epoch === 0 ? [] : keyIdsOf(bonded, epoch - 1).map((keyId, i) => [keyId, before[i] as bigint]))
  const keyIds = keyIdsOf(bonded, epoch)
  const seats = keyIds.map((keyId) => {
    const seat = held.get(keyId)
    held.delete(keyId)
    return seat ?? 0n
  })
  // Who signed with another key, and who left.
  const left = new Map<Hex, { readonly operator: Address; readonly seat: bigint }>()
  for (const [keyId, seat] of held) {
    const operator = operatorOf(bonded, keyId)
    if (seat > 0n) left.set(bytesToHex(operator), { operator, seat })
  }
  for (const [place, keyId] of keyIds.entries()) {
    if (seats[place] !== 0n) continue
    const operator = operatorOf(bonded, keyId)
    seats[place] = left.get(bytesToHex(operator))?.seat ?? seatFor(ctx, operator)
    left.delete(bytesToHex(operator))
  }
  for (const { operator } of left.values()) leave(ctx, operator)
  writePacked(ctx.words, places, 16, seats)
}

/** Counted from 1; 0 for who is jailed, tombstoned or finds none. */
function seatFor(ctx: SlashingCtx, operator: Address): bigint {
  const { missed, holders, operators, retired, nextFree } = ctx.store
  const status = statusOf(ctx.within(staking), operator)
  if (status === null || status.jailed || status.tombstoned) return 0n
  const free = Number(nextFree.get())
  const height = BigInt(ctx.block.number)
  let seat = BigInt(missed.length() + 1)
  if (free < retired.length() && retired.item(free).from.get() <= height) {
    seat = retired.item(free).seat.get()
    retired.item(free).seat.set(0n)
    retired.item(free).from.set(0n)
    nextFree.set(BigInt(free + 1))
  } else if (seat > SEATS_MAX) return 0n
  else {
    missed.push()
    holders.push()
  }
  holders.item(Number(seat) - 1).set(operator)
  operators.at(operator).seat.set(seat)
  operators.at(operator).since.set(height)
  return seat
}
