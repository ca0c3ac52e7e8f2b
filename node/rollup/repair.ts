// Batches in parts of which some are missing: their poster's record is lost, or the poster is gone. The contract's log says what is there, and this
// node's own chain what the rest is. Owns the walk over that log, what of it counts as whole, and the parts that are still to be supplied; when, and
// with what transaction, is `poster.ts`'s. A batch of one block is looked at, for no other is ever split (`fitting.ts`).
import { bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, NodeError } from '../../chain/base/errors.ts'
import { partsOf, splitBatch } from './batch.ts'
import { BatchErrors } from './columns.ts'
import { type Supplied, wholeOf } from './derive.ts'
import type { L1, L1Block, L1History, L1Log } from './l1.ts'
import type { Batch, BatchSource } from './poster.ts'
import { loadPosted, POSTING_TOPICS, type PostedLog, readLog, suppliedOf } from './postings.ts'
import type { BatchFacts, PosterRecord, Recorder } from './record.ts'
import type { Position, Settlement } from './settlement.ts'

export interface RepairDeps {
  readonly l1: L1 & Pick<L1History, 'logs' | 'transaction'>
  readonly settlement: Settlement
  readonly source: Pick<BatchSource, 'alone' | 'isSame'>
}

type Whole = NonNullable<Recorder['whole']>
/** A batch that cannot be read from the L1. */
export interface Gap {
  readonly posted: PostedLog
  /** Its bytes as they were posted, and what these say of the others; null: they say nothing that can be read. */
  readonly first: Uint8Array
  readonly others: readonly Hash[] | null
  /** Since when it is as it is, by this process's clock. */
  readonly sinceMs: number
}
/** What makes it whole. */
export interface Repair {
  readonly facts: BatchFacts
  readonly parts: readonly Uint8Array[]
}

/** Blocks of one question: one that is refused is halved, one that is answered doubled. */
const SPAN_BLOCKS = 8_192
const SPAN_BLOCKS_MAX = 1_048_576
/** What is read of what others supplied to one batch: anybody may add to it, and what it costs to look at all is his to say. */
const SUPPLIED_MAX = 256
/** No part is made smaller. */
const PART_MIN_BYTES = 1_024

export class Repairs {
  readonly #deps: RepairDeps
  /** All blocks of the L1 from one to another have been looked at; null before the first look. */
  #seen: { readonly low: number; readonly high: number } | null = null
  /** The oldest batch seen while the beginning is not reached. */
  #above: PostedLog | null = null
  /** Where the newest seen ends. */
  #newest: Pick<Position, 'seq' | 'height'>
  #isAtStart: boolean
  #spanBlocks = SPAN_BLOCKS
  /** Of one block each, and their transactions not read yet. */
  #unread: PostedLog[] = []
  readonly #gaps = new Map<number, Gap>()
  readonly #supplied = new Map<number, Supplied[]>()

  /** `whole`: up to where another process has looked and found nothing missing. */
  constructor(deps: RepairDeps, whole: Whole | null) {
    this.#deps = deps
    this.#newest = whole ?? { seq: 0, height: 0 }
    this.#isAtStart = whole !== null
    if (whole !== null) this.#seen = { low: 0, high: whole.block }
  }

  /** Batches known to miss parts. */
  get gaps(): number {
    return this.#gaps.size
  }
  /** Up to where nothing is missing; null: not known yet, or something is. */
  get whole(): Whole | null {
    if (!this.#isAtStart || this.#seen === null || this.#unread.length > 0 || this.#gaps.size > 0) return null
    const { seq, height } = this.#newest
    return { seq, height, block: this.#seen.high }
  }

  /** One question of the log and one of a transaction at most. Throws L1_* and POSTING_*, and is then where it was. */
  async look({ block, position }: { readonly block: L1Block; readonly position: Position }, nowMs: number) {
    await this.#walk(block, position, nowMs)
    await this.#read(nowMs)
    for (const [seq, gap] of this.#gaps) if (this.#isNamedWhole(gap)) this.#forget(seq)
  }

  /** The oldest that has been as it is for so long; null: there is none. */
  due(nowMs: number, waitMs: number): Gap | null {
    const due = [...this.#gaps.values()].filter(({ sinceMs }) => nowMs >= sinceMs + waitMs)
    return due.sort((a, b) => a.posted.seq - b.posted.seq)[0] ?? null
  }
  /** It is whole. */
  done(seq: number): void {
    this.#forget(seq)
  }
  /** It is not due before the same time has passed again. */
  postpone({ posted: { seq } }: Pick<Gap, 'posted'>, nowMs: number): void {
    const gap = this.#gaps.get(seq)
    if (gap !== undefined) this.#gaps.set(seq, { ...gap, sinceMs: nowMs })
  }

  /** What is to be supplied: what the posted part names, or where this chain has other bytes all of it anew; null: nothing, it is whole. Throws SOURCE_*. */
  async plan(gap: Gap, fits: (part: Uint8Array) => Promise<boolean>): Promise<Repair | null> {
    const { seq, height, blockHash } = gap.posted
    const made = await this.#deps.source.alone({ height, blockHash })
    const [own] = made
    assert(own !== undefined, 'a block has a batch')
    const { facts } = own
    const supplied = this.#supplied.get(seq) ?? []
    const isThere = (part: Uint8Array): boolean => supplied.some(({ dataHash }) => equalBytes(dataHash, keccak(part)))
    const named = namedParts(gap, made)
    if (named !== null) return { facts, parts: named.filter((part) => !isThere(part)) }
    if (await this.#isAnewWhole(supplied, made)) {
      this.#forget(seq)
      return null
    }
    const parts = await fitting(own.data, fits)
    return { facts, parts: parts.filter((part) => !isThere(part)) }
  }

  // The walk

  /** Backwards from where it began to the first batch, then with the chain. */
  async #walk({ number: final }: L1Block, { seq, height }: Position, nowMs: number): Promise<void> {
    if (this.#seen === null) {
      this.#seen = { low: final + 1, high: final }
      this.#newest = { seq, height }
      this.#isAtStart = seq === 0
    }
    const { low, high } = this.#seen
    if (!this.#isAtStart) {
      const from = Math.max(0, low - this.#spanBlocks)
      const logs = await this.#logs(from, low - 1)
      for (const found of logs.toReversed())
        if ('posted' in found) this.#descend(found.posted)
        else this.#note(found.seq, found.supplied, nowMs)
      this.#seen = { low: from, high }
      if (from === 0) this.#isAtStart = true
      return
    }
    if (final <= high) return
    const to = Math.min(final, high + this.#spanBlocks)
    for (const found of await this.#logs(high + 1, to))
      if ('posted' in found) this.#ascend(found.posted)
      else if (this.#isOpen(found.seq)) this.#note(found.seq, found.supplied, nowMs)
    this.#seen = { low, high: to }
  }

  async #logs(from: number, to: number) {
    const { l1, settlement } = this.#deps
    try {
      const logs = await l1.logs({ address: settlement.address, topics: POSTING_TOPICS, from, to })
      this.#spanBlocks = Math.min(SPAN_BLOCKS_MAX, this.#spanBlocks * 2)
      return logs.map((log) => this.#heard(log))
    } catch (error) {
      this.#spanBlocks = Math.max(1, this.#spanBlocks >> 1)
      throw error
    }
  }
  #heard(log: L1Log) {
    const { l1, settlement } = this.#deps
    const found = readLog(log, settlement.address)
    if ('posted' in found) return found
    return { seq: found.seq, supplied: suppliedOf({ l1, pause: null }, settlement.address, found.supplied) }
  }

  /** What it is above of says how many blocks a batch has; whatever was supplied to it came later, and is noted already. */
  #descend(posted: PostedLog): void {
    if (this.#above !== null) this.#judge(this.#above, posted.height)
    this.#above = posted
    if (posted.seq > 1) return
    this.#judge(posted, 0)
    this.#isAtStart = true
  }
  #ascend(posted: PostedLog): void {
    this.#judge(posted, this.#newest.height)
    this.#newest = posted
  }
  #judge(posted: PostedLog, after: number): void {
    if (posted.height === after + 1) this.#unread.push(posted)
    else this.#forget(posted.seq)
  }

  #note(seq: number, supplied: Supplied, nowMs: number): void {
    const list = this.#supplied.get(seq) ?? []
    if (list.length === 0) this.#supplied.set(seq, list)
    list.push(supplied)
    const gap = this.#gaps.get(seq)
    // Somebody is at it.
    if (gap?.others?.some((hash) => equalBytes(hash, supplied.dataHash))) this.postpone(gap, nowMs)
  }
  #isOpen(seq: number): boolean {
    return this.#gaps.has(seq) || this.#unread.some((each) => each.seq === seq)
  }
  #forget(seq: number): void {
    this.#gaps.delete(seq)
    this.#supplied.delete(seq)
  }

  // What is whole

  /** One that is not read yet. */
  async #read(nowMs: number): Promise<void> {
    const [posted] = this.#unread
    if (posted === undefined) return
    const { l1, settlement } = this.#deps
    const { bytes } = await loadPosted({ l1, pause: null }, settlement.address, posted)
    this.#unread.shift()
    const others = othersIn(bytes)
    if (others?.length === 0) this.#forget(posted.seq)
    else this.#gaps.set(posted.seq, { posted, first: bytes, others, sinceMs: nowMs })
  }

  #isNamedWhole({ posted: { seq }, others }: Gap): boolean {
    if (others === null) return false
    const there = new Set((this.#supplied.get(seq) ?? []).map(({ dataHash }) => bytesToHex(dataHash)))
    return others.every((hash) => there.has(bytesToHex(hash)))
  }

  /** Whether something that was supplied in place of all of it makes the block, as whoever derives finds it. */
  async #isAnewWhole(supplied: readonly Supplied[], made: readonly Batch[]): Promise<boolean> {
    for (const each of supplied.slice(0, SUPPLIED_MAX))
      try {
        const whole = await wholeOf(await each.load(), supplied)
        if (made.some(({ data }) => this.#deps.source.isSame(whole, data))) return true
      } catch (error) {
        // What cannot be read helps nobody.
        if (!(error instanceof NodeError) || !/^(POSTING|BATCH)_/.test(error.code)) throw error
      }
    return false
  }
}

/** Hashes that a posted part names, none where it is a whole batch; null: it cannot be read. */
const othersIn = (bytes: Uint8Array): readonly Hash[] | null => {
  try {
    return partsOf(bytes)?.others ?? []
  } catch (error) {
    if (!(error instanceof NodeError) || !error.code.startsWith('BATCH_')) throw error
    return null
  }
}

/** The parts that a posted one names, where they are of a batch that this node makes too; null: they are not. */
const namedParts = ({ posted: { dataHash }, first, others }: Gap, made: readonly Batch[]) => {
  if (others === null) return null
  // The first is as long as parts were to be, or less where its list of hashes was reckoned to be longer: by a hash, and a byte of their number.
  const sizes = [0, 1, 32, 33].map((more) => first.length + more)
  for (const { data } of made)
    for (const bytes of sizes) {
      const [head, ...rest] = parted(data, bytes) ?? []
      if (head !== undefined && equalBytes(keccak(head), dataHash)) return rest
    }
  return null
}
/** null: more parts than a first one names. */
const parted = (data: Uint8Array, maxBytes: number): readonly Uint8Array[] | null => {
  try {
    return splitBatch(data, maxBytes)
  } catch (error) {
    if (error instanceof NodeError && error.code === BatchErrors.LIMIT.code) return null
    throw error
  }
}
/** Supplied as transactions of the L1 hold it. */
const fitting = async (
  data: Uint8Array,
  fits: (part: Uint8Array) => Promise<boolean>,
): Promise<readonly Uint8Array[]> => {
  for (let bytes = data.length; bytes >= PART_MIN_BYTES; bytes = Math.floor(bytes / 2)) {
    const parts = parted(data, bytes)
    const [largest] = parts ?? []
    if (parts !== null && largest !== undefined && (await fits(largest))) return parts
  }
  return []
}

/** The first part of a batch under way, from `from` on, that is not there up to a block; null: all are. */
export async function firstLacking(
  { l1, settlement }: Pick<RepairDeps, 'l1' | 'settlement'>,
  record: PosterRecord,
  { from, upTo }: { readonly from: number; readonly upTo: L1Block },
): Promise<number | null> {
  if (from > record.others.length) return null
  const { address } = settlement
  const there = new Set<string>()
  try {
    const logs = await l1.logs({ address, topics: POSTING_TOPICS, from: record.builtOn, to: upTo.number })
    for (const log of logs) {
      const found = readLog(log, address)
      if ('supplied' in found && found.seq === record.seq) there.add(bytesToHex(found.supplied.dataHash))
    }
  } catch (error) {
    // Logs save gas and no more: an endpoint without them, or with so many that somebody must have put them there, stops nothing.
    if (!(error instanceof NodeError) || !/^(L1|POSTING)_/.test(error.code)) throw error
  }
  const i = record.others.findIndex((each, j) => j + 1 >= from && !there.has(bytesToHex(each.dataHash)))
  return i < 0 ? null : i + 1
}
