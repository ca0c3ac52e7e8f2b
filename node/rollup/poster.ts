// The poster: brings batches to the settlement contract. The contract is the truth, the record on disk only helps. Owns when it posts, what it
// bids, and what it does when the L1 forgets, delays or contradicts itself. Each turn looks at the contract at `latest` and `finalized` and
// takes the next step; whatever fails is tried again with the next turn, and dying between any two steps loses and doubles nothing.
import { bytesToHex, equalBytes, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, defineErrors, NodeError } from '../../chain/base/errors.ts'
import { maxBigint, mulDivUp } from '../../chain/base/math.ts'
import type { Clock, Log, Meter } from '../../chain/base/ports.ts'
import type { ReporterAccount } from '../reporter.ts'
import { type FeeCaps, firstBid, raisedBid } from './fees.ts'
import { type Fitted, FittingErrors, fitted, LIMITS } from './fitting.ts'
import { type L1, type L1Block, L1Errors, type L1History } from './l1.ts'
import { foundIn, gasUsedOf, paidOf } from './receipts.ts'
import {
  type Attempt,
  type BatchFacts,
  type Draft,
  type Paid,
  type Posted,
  type PosterRecord,
  type Recorder,
  shown,
} from './record.ts'
import { firstLacking, Repairs } from './repair.ts'
import { type Position, type Posting, type Scheme, type Settlement, SettlementErrors, schemeOf } from './settlement.ts'

export const PosterErrors = defineErrors('POSTER', {
  BACKWARDS: {
    text: (d: { what: string; had: string; have: string }) =>
      `the L1 endpoint takes back what was final, ${d.what}: ${d.had} before, ${d.have} now. Nothing is posted until it comes back; compare it with another endpoint`,
  },
})

/** All that is posted but its certificate. */
export interface Batch extends Omit<Posting, 'certificate'> {
  readonly facts: BatchFacts
  /** It has as many blocks as go into one. */
  readonly isFull: boolean
  /** Time of its last block, by the chain's clock. */
  readonly newestMs: number
  /** Epoch of its last block. */
  readonly epoch: number
}
export interface BatchSource {
  /** Blocks after a position, as many as `maxBytes` hold once compressed, one at least, and none of the next epoch; null: there are none. */
  next(after: Pick<Position, 'height' | 'blockHash'>, maxBytes: number): Promise<Batch | null>
  /** A block alone, in each encoding, this poster's own first. Throws SOURCE_*: it is another than this chain's, or no longer kept. */
  alone(block: Pick<Position, 'height' | 'blockHash'>): Promise<readonly Batch[]>
  /** Whether two batches say the same blocks. Throws BATCH_*. */
  isSame(batch: Uint8Array, other: Uint8Array): boolean
  /** What vouches for a block, as the contract's verifier reads it; null: not all signatures are here yet, and asking again is how they come. */
  certify(height: number, scheme: Scheme): Promise<Uint8Array | null>
  /** Whether it ever has such certificates. */
  isAble(scheme: Scheme): boolean
  /** Whose turn: 0 for the elected poster of the epoch, 1 for the one after a missed deadline, and so on. */
  rank(epoch: number): number
}

export interface PosterDeps {
  readonly l1: L1 & Pick<L1History, 'logs' | 'transaction'>
  readonly settlement: Settlement
  readonly source: BatchSource
  readonly account: ReporterAccount
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
}
export interface PosterOptions {
  readonly chainId: bigint
  /** A batch of so many bytes is due at once. */
  readonly batchBytes: number
  /** Due too is one whose first block is so old. */
  readonly maxAgeMs: number
  /** Until its first block is so old it waits for gas below `holdFeeWei`, then it pays up to `maxFeeWei`. */
  readonly holdMs: number
  readonly holdFeeWei: bigint
  readonly maxFeeWei: bigint
  /** First bid. */
  readonly tipWei: bigint
  /** After so long due, the next in the order of the epoch posts. */
  readonly turnMs: number
  /** Less than this on the account is an alarm. */
  readonly lowBalanceWei: bigint
}

const BOUNDS = {
  /** Between two bids. */
  raiseMs: 15_000,
  /** Transactions signed for one batch, before it is begun anew. */
  attempts: 128,
  /** Wait after a batch that the contract refused; twice as long after each more. */
  refusedMs: 15_000,
  refusedMaxMs: 3_600_000,
  /** So many batches without a gap are noted together. */
  lookedBatches: 16,
  /** Between two warnings of one kind. */
  quietMs: 600_000,
} as const
/** Over the estimate, in percent: state may change before the transaction is in a block. */
const GAS_SLACK = 20n

/** Why nothing is sent now. */
export type Waits =
  | 'blocks' // none that are new
  | 'signatures' // of operators, where the contract asks for them
  | 'age' // neither large nor old enough
  | 'turn' // another validator is first
  | 'fee' // gas is too dear
  | 'balance'
  | 'inclusion' // sent
  | 'finality' // in a block that is not final
  | 'refused' // the contract reverted
  | 'l1' // the endpoint fails

export interface PosterStatus {
  readonly waits: Waits
  readonly latest: Position | null
  readonly final: Position | null
  readonly balanceWei: bigint | null
  readonly baseFeeWei: bigint | null
  readonly underway: PosterRecord | null
  /** The last one of this poster that became final. */
  readonly posted: Posted | null
  /** Batches that the contract has, and parts of which nobody has supplied yet, as far as is known. */
  readonly gaps: number
}

interface View {
  readonly block: L1Block
  readonly position: Position
}
interface OwnView extends View {
  readonly nonce: bigint
  readonly balanceWei: bigint
}
interface Views {
  readonly final: View
  readonly latest: OwnView
  readonly scheme: Scheme
}

const meters = (m: Meter) => ({
  batches: m.counter('rollup_batches_total', 'Batches of this poster by what became of them', ['result']),
  sent: m.counter('rollup_broadcasts_total', 'Transactions given to the L1', ['kind']),
  faults: m.counter('rollup_l1_faults_total', 'Turns of the poster that failed at the L1', ['code']),
  height: m.gauge('rollup_posted_height', 'Last height in the settlement contract'),
  final: m.gauge('rollup_final_height', 'Last height that is final there'),
  balance: m.gauge('rollup_balance_native', 'Whole coins of the L1 on the poster’s account'),
  baseFee: m.gauge('rollup_base_fee_gwei', 'Base fee of the L1'),
  gaps: m.gauge('rollup_batches_lacking', 'Batches in parts of which some are not there yet'),
  low: m.gauge('rollup_balance_low', '1 while the poster’s account is below rollup.lowBalance'),
})

export class Poster {
  readonly #deps: PosterDeps
  readonly #options: PosterOptions
  readonly #meters: ReturnType<typeof meters>
  readonly #repairs: Repairs
  readonly #warned = new Map<string, number>()
  /** When this process gave the L1 the newest attempt; null: it has not. */
  #sentMs: number | null = null
  /** Refusals in a row, and until when nothing is tried. */
  #refusals = 0
  #refusedUntilMs = 0
  /** What may still wait in pools with a nonce that is to be used again. */
  #floor: (FeeCaps & { readonly nonce: bigint }) | null = null
  #final: View | null = null
  #latest: OwnView | null = null
  #waits: Waits = 'l1'
  /** Whoever runs the node does not want to wait. */
  #isUrgent = false
  /** What the contract asks for; null: not known, or it refused and may ask for another by now. */
  #scheme: Scheme | null = null
  /** Was due and lacks signatures: blocks that come later are not added, or it would lack others. */
  #unsigned: Batch | null = null

  constructor(deps: PosterDeps, options: PosterOptions) {
    this.#deps = deps
    this.#options = options
    this.#meters = meters(deps.meter)
    this.#repairs = new Repairs(deps, deps.recorder.whole)
  }

  get status(): PosterStatus {
    return {
      waits: this.#waits,
      latest: this.#latest?.position ?? null,
      final: this.#final?.position ?? null,
      balanceWei: this.#latest?.balanceWei ?? null,
      baseFeeWei: this.#latest?.block.baseFeeWei ?? null,
      underway: this.#deps.recorder.record,
      posted: this.#deps.recorder.posted,
      gaps: this.#repairs.gaps,
    }
  }

  /** What waits is due now, and it is this poster's turn, once. */
  hurry(): void {
    this.#isUrgent = true
  }

  /** One step. What the L1 does wrong is told and waited out. Throws SETTLEMENT_VERIFIER, and a record that cannot be written. */
  async turn(): Promise<void> {
    try {
      this.#waits = await this.#step()
    } catch (error) {
      if (!(error instanceof NodeError) || !isPassing(error)) throw error
      this.#waits = 'l1'
      this.#meters.faults.add(1, { code: error.code })
      this.#warn(error.code, {}, error.message)
    }
  }

  async #step(): Promise<Waits> {
    // In this order: what is final when it is asked is no newer than what is the newest after.
    const final = await this.#finalView()
    const latest = await this.#ownView()
    const scheme = await this.#schemeAt(latest)
    if (latest.position.seq < final.position.seq) throw backwards('the batches of its newest block', final, latest)
    const { record } = this.#deps.recorder
    const at = { final, latest, scheme }
    if (record === null) return this.#anew(at)
    if (final.position.seq >= record.seq) {
      if (record.part > 0) return this.#followPart(record, at)
      return record.isRepair ? this.#next(record, at, { part: 1, paid: null }) : this.#settle(record, at)
    }
    // A part follows what is final: this endpoint lags.
    return record.part === 0 ? this.#follow(record, latest) : 'finality'
  }

  // What the L1 shows

  async #positionAt(block: L1Block): Promise<Position> {
    const { l1, settlement } = this.#deps
    return settlement.position(await l1.call(settlement.address, settlement.question, block.hash))
  }

  async #ownView(): Promise<OwnView> {
    const { l1, account } = this.#deps
    const block = await l1.block('latest')
    const [position, nonce, balanceWei] = await Promise.all([
      this.#positionAt(block),
      l1.nonce(account.address, block.hash),
      l1.balance(account.address, block.hash),
    ])
    this.#latest = { block, position, nonce, balanceWei }
    this.#meters.height.set(position.height)
    this.#meters.baseFee.set(Number(block.baseFeeWei) / 1e9)
    this.#watchBalance(balanceWei)
    return this.#latest
  }

  /** Throws POSTER_BACKWARDS: an endpoint that takes back what was final is not believed. */
  async #finalView(): Promise<View> {
    const block = await this.#deps.l1.block('finalized')
    const view = { block, position: await this.#positionAt(block) }
    const had = this.#final
    if (had !== null && block.number < had.block.number) throw backwards('its final blocks', had, view)
    if (had !== null && view.position.seq < had.position.seq) throw backwards('the batches that are final', had, view)
    if (had !== null && isFork(had, view)) throw backwards('what a final block holds', had, view)
    this.#final = view
    this.#meters.final.set(view.position.height)
    return view
  }

  /** Throws SETTLEMENT_VERIFIER where this node never has what the contract asks for. */
  async #schemeAt({ block }: View): Promise<Scheme> {
    const { l1, settlement, source } = this.#deps
    const scheme = this.#scheme ?? (await schemeOf(l1, settlement.address, block.hash))
    if (!source.isAble(scheme))
      throw new NodeError(SettlementErrors.VERIFIER, { settlement: bytesToHex(settlement.address) })
    this.#scheme = scheme
    return scheme
  }

  #watchBalance(balanceWei: bigint): void {
    const isLow = balanceWei < this.#options.lowBalanceWei
    this.#meters.balance.set(Number(balanceWei / 10n ** 9n) / 1e9)
    this.#meters.low.set(isLow ? 1 : 0)
    if (!isLow) return
    const account = bytesToHex(this.#deps.account.address)
    this.#warn(
      'low',
      { account, balanceWei: `${balanceWei}` },
      'the poster’s account runs out of gas money: send it some',
    )
  }

  // A batch under way

  /** Not final yet: in a block, or to be sent again. */
  async #follow(record: PosterRecord, latest: OwnView): Promise<Waits> {
    const { recorder } = this.#deps
    const { seq } = latest.position
    if (seq >= record.seq) {
      if (seq > record.seq || equalBytes(latest.position.accumulator, record.accumulator))
        await recorder.mark('included')
      return 'finality'
    }
    if (seq < record.seq - 1) return 'finality' // an endpoint that lags: the base of the batch is final
    await this.#outOfBlock(record)
    if (latest.nonce > record.nonce) return this.#spent(record, latest)
    if (latest.nonce < record.nonce && !this.#isQuiet()) return this.#giveUp(record, latest, 'nonce gap')
    return this.#push(record, latest)
  }

  async #outOfBlock(record: PosterRecord): Promise<void> {
    const { recorder, log } = this.#deps
    if (record.state !== 'included') return
    log.warn(shown(record), 'the L1 has reorganised a batch away: it is sent again')
    await recorder.mark('sent')
    this.#sentMs = null
  }

  /** Sends, sends again, or bids more. */
  async #push(record: PosterRecord, latest: OwnView): Promise<Waits> {
    const last = record.attempts.at(-1)
    if (last === undefined) return this.#firstAttempt(record, latest)
    if (this.#sentMs === null) return this.#broadcast(last, record.state === 'built' ? 'first' : 'again')
    if (this.#isQuiet()) return 'inclusion'
    const bid = raisedBid(last, latest.block.baseFeeWei, this.#mostWei(record.facts))
    const isPaid = bid !== null && latest.balanceWei >= record.gasLimit * bid.maxFeeWei
    if (!isPaid) return this.#broadcast(last, 'again') // a pool may have dropped it
    if (record.attempts.length >= BOUNDS.attempts) return this.#giveUp(record, latest, 'too many attempts')
    return this.#broadcast(await this.#sign(record, bid), 'raised')
  }

  /** Since the last sending less time has gone by than between two bids. */
  #isQuiet(): boolean {
    return this.#sentMs !== null && this.#deps.clock.nowMs() < this.#sentMs + BOUNDS.raiseMs
  }

  /** The nonce is used, and the contract is where it was: it reverted, or the account sent something else. */
  async #spent(record: PosterRecord, latest: OwnView): Promise<Waits> {
    const receipt = (await foundIn(this.#deps.l1, record))?.receipt
    if (receipt === undefined) return this.#giveUp(record, latest, 'nonce used elsewhere')
    if (receipt.isSuccess || receipt.blockNumber > latest.block.number) {
      this.#warn(
        'contradiction',
        shown(record),
        'the L1 endpoint says that a batch is posted, and shows a contract without it',
      )
      return 'inclusion' // soon over where its answers were of two moments
    }
    this.#meters.batches.add(1, { result: 'reverted' })
    this.#refused(shown(record), 'a batch reverted in its block')
    await this.#deps.recorder.end(null)
    return 'refused'
  }

  /** A batch is begun anew with whatever waits then, a part as it is. */
  async #giveUp(record: PosterRecord, latest: OwnView, result: string): Promise<Waits> {
    const { recorder, log } = this.#deps
    log.warn({ ...shown(record), reason: result }, 'a batch is begun anew')
    this.#meters.batches.add(1, { result })
    const last = record.attempts.at(-1)
    if (last !== undefined) this.#floor = { ...last, nonce: record.nonce }
    this.#sentMs = null
    const { part, gasLimit } = record
    if (part === 0) await recorder.end(null)
    else await recorder.next({ part, gasLimit, nonce: latest.nonce }, null)
    return 'inclusion'
  }

  /** Some batch of this number is final: this one, or another validator's. */
  async #settle(record: PosterRecord, at: Views): Promise<Waits> {
    const { log, recorder } = this.#deps
    const { position } = at.final
    const found = await foundIn(this.#deps.l1, record)
    const isPosted = found?.receipt.isSuccess === true
    const isOurs = position.seq === record.seq ? equalBytes(position.accumulator, record.accumulator) : isPosted
    const last = record.attempts.at(-1)
    if (last !== undefined && at.latest.nonce <= record.nonce) this.#floor = { ...last, nonce: record.nonce }
    if (isOurs) return this.#next(record, at, { part: 1, paid: isPosted ? paidOf(record, found) : null })
    this.#refusals = 0
    this.#meters.batches.add(1, { result: 'overtaken' })
    await recorder.end(null)
    log.info(shown(record), 'another poster came first: its batch is final')
    return this.#anew(at)
  }

  // The parts of a batch, after the first

  /** The contract keeps no account of parts: receipts do, and for what others supply its log. */
  async #followPart(record: PosterRecord, at: Views): Promise<Waits> {
    const { recorder, clock } = this.#deps
    const { final, latest } = at
    const { part, attempts } = record
    if (attempts.length === 0 && clock.nowMs() < this.#refusedUntilMs) return 'refused'
    const found = await foundIn(this.#deps.l1, record)
    if (found === null) return this.#sendPart(record, at)
    const { isSuccess, blockNumber } = found.receipt
    if (blockNumber > latest.block.number) return 'inclusion' // its answers are of two moments
    if (isSuccess && blockNumber <= final.block.number)
      return this.#next(record, at, { part: part + 1, paid: paidOf(record, found) })
    await recorder.mark('included')
    if (isSuccess || blockNumber > final.block.number) return 'finality'
    await this.#giveUp(record, latest, 'reverted')
    this.#refused(shown(record), 'a part of a batch reverted in its block')
    return 'refused'
  }

  async #sendPart(record: PosterRecord, at: Views): Promise<Waits> {
    const { latest } = at
    await this.#outOfBlock(record)
    if (latest.nonce < record.nonce && !this.#isQuiet()) return this.#giveUp(record, latest, 'nonce gap')
    if (latest.nonce <= record.nonce) return this.#push(record, latest)
    return this.#next(record, at, { part: record.part, paid: null }) // something else used its nonce
  }

  /** What is next of a batch whose part is final: the first from `part` on that nobody has supplied, or after the last the next batch. */
  async #next(
    record: PosterRecord,
    at: Views,
    { part: from, paid }: { readonly part: number; readonly paid: Paid | null },
  ): Promise<Waits> {
    const { recorder, clock } = this.#deps
    const { final, latest } = at
    const part = await firstLacking(this.#deps, record, { from, upTo: final.block })
    if (part === null) return this.#finish(record, at, paid === null ? record.paid : [...record.paid, paid])
    if (clock.nowMs() < this.#refusedUntilMs) return 'refused'
    const bid = this.#firstBid(record.facts, latest)
    if (bid === null) return 'fee'
    if ((await firstLacking(this.#deps, record, { from: part, upTo: latest.block })) !== part) return 'finality' // somebody else's
    const gasLimit = await this.#gasOf(record.others[part - 1]?.payload ?? record.payload, record.facts)
    if (gasLimit === null && record.isRepair) await recorder.end(null) // it is looked for again
    if (gasLimit === null) return 'refused'
    if (!this.#canPay(gasLimit * bid.maxFeeWei, latest)) return 'balance'
    await recorder.next({ part, gasLimit, nonce: latest.nonce }, paid)
    this.#sentMs = null
    this.#refusals = 0
    return this.#firstAttempt(recorder.record, latest)
  }

  async #finish(record: PosterRecord, at: Views, paid: readonly Paid[]): Promise<Waits> {
    const { recorder, log } = this.#deps
    const { seq, facts, others } = record
    this.#refusals = 0
    this.#meters.batches.add(1, { result: record.isRepair ? 'repaired' : 'final' })
    if (record.isRepair) {
      this.#repairs.done(seq)
      await recorder.end(null)
      log.info({ ...shown(record), gas: `${gasUsedOf(paid)}` }, 'a batch of which parts were missing is whole again')
      return this.#anew(at)
    }
    await recorder.end(paid.length === 0 ? null : { seq, facts, parts: others.length + 1, paid })
    log.info({ ...shown(record), gas: `${gasUsedOf(paid)}` }, 'a batch is final on the L1')
    return this.#anew(at)
  }

  // What is missing of older ones

  /** Supplied once nobody else is at it; null: nothing is due, or what is cannot be had, and posting goes on. */
  async #repair(at: Views): Promise<Waits | null> {
    const { recorder, log } = this.#deps
    const draft = await this.#missing(at).catch((error: unknown) => {
      if (!(error instanceof NodeError) || !(isPassing(error) || /^(POSTING|BATCH)_/.test(error.code))) throw error
      const text = 'what is missing of older batches cannot be looked for, or not supplied'
      this.#warn('repair', { reason: error.message }, text)
      return null
    })
    if (draft === null) return null
    log.warn({ seq: draft.seq, parts: draft.others.length }, 'parts of a batch are missing: they are supplied')
    await recorder.begin(draft)
    const { record } = recorder
    assert(record !== null, 'the repair is recorded')
    return this.#next(record, at, { part: 1, paid: null })
  }

  async #missing({ final, latest }: Views): Promise<Draft | null> {
    const { clock, source, settlement, recorder } = this.#deps
    const nowMs = clock.nowMs()
    if (nowMs < this.#refusedUntilMs) return null
    await this.#repairs.look(final, nowMs)
    this.#meters.gaps.set(this.#repairs.gaps)
    const { whole } = this.#repairs
    if (whole !== null && (recorder.whole === null || whole.seq >= recorder.whole.seq + BOUNDS.lookedBatches))
      await recorder.looked(whole)
    const waitMs = this.#isUrgent ? 0 : this.#options.turnMs * (1 + source.rank(final.position.epoch))
    const gap = this.#repairs.due(nowMs, waitMs)
    if (gap === null) return null
    this.#repairs.postpone(gap, nowMs) // whatever fails now is tried then
    const { seq, accumulator } = gap.posted
    const repair = await this.#repairs.plan(gap, (part) => this.#fits(settlement.supply(seq, part), latest))
    if (repair === null || repair.parts.length === 0) return null
    return {
      ...{ seq, previous: accumulator, accumulator, isRepair: true, facts: repair.facts, builtOn: final.block.number },
      ...{ nonce: latest.nonce, gasLimit: 0n, payload: new Uint8Array(0) }, // there is no first part
      others: repair.parts.map((part) => ({ dataHash: keccak(part), payload: settlement.supply(seq, part) })),
    }
  }

  async #fits(payload: Uint8Array, { nonce }: OwnView): Promise<boolean> {
    const { l1, settlement, account } = this.#deps
    const { maxFeeWei, tipWei: maxTipWei } = this.#options
    if ((await this.#sizeOf(nonce, payload, { maxFeeWei, maxTipWei })) > LIMITS.transactionBytes) return false
    try {
      const gas = await l1.estimate({ from: account.address, to: settlement.address, data: payload })
      return mulDivUp(gas, 100n + GAS_SLACK, 100n) <= LIMITS.transactionGas
    } catch (error) {
      if (error instanceof NodeError && error.code === L1Errors.REFUSED.code) return false
      throw error
    }
  }

  // A new batch

  /** Nothing is under way. */
  async #anew(at: Views): Promise<Waits> {
    return (await this.#repair(at)) ?? this.#begin(at)
  }

  async #begin({ final, latest, scheme }: Views): Promise<Waits> {
    const { source, clock, settlement, recorder } = this.#deps
    const nowMs = clock.nowMs()
    if (nowMs < this.#refusedUntilMs) return 'refused'
    // What builds on a batch that a reorganisation takes away would be lost with it.
    if (latest.position.seq > final.position.seq) return 'finality'
    const { height } = final.position
    const unsigned = this.#unsigned?.facts.firstHeight === height + 1 ? this.#unsigned : null
    const batch = unsigned ?? (await source.next(final.position, this.#options.batchBytes))
    if (batch === null) return 'blocks'
    const { firstHeight, lastHeight } = batch.facts
    assert(
      firstHeight === height + 1 && lastHeight >= firstHeight,
      'a batch goes on where the contract is, and is not empty',
    )
    const early = this.#isUrgent ? null : this.#early(batch, nowMs)
    if (early !== null) return early
    const bid = this.#firstBid(batch.facts, latest)
    if (bid === null) return 'fee'
    const made = await this.#fitted(batch, { latest, bid, scheme })
    if (typeof made === 'string') return made
    const { first, others, gasLimit, facts } = made
    if (!this.#canPay(gasLimit * BigInt(1 + others.length) * bid.maxFeeWei, latest)) return 'balance'
    const seq = latest.position.seq + 1
    await recorder.begin({
      ...{ seq, previous: latest.position.accumulator, ...settlement.post(latest.position, first) },
      ...{ nonce: latest.nonce, gasLimit, facts, builtOn: latest.block.number, isRepair: false },
      others: others.map((part) => ({ dataHash: keccak(part), payload: settlement.supply(seq, part) })),
    })
    this.#sentMs = null
    this.#isUrgent = false
    return this.#firstAttempt(recorder.record, latest)
  }

  /** As it can be sent now. */
  async #fitted(
    batch: Batch,
    { latest, bid, scheme }: { readonly latest: OwnView; readonly bid: FeeCaps; readonly scheme: Scheme },
  ): Promise<Fitted | Waits> {
    const { source, settlement } = this.#deps
    const deps = {
      ...{ source, settlement, sizeOf: (payload: Uint8Array) => this.#sizeOf(latest.nonce, payload, bid) },
      gasOf: (payload: Uint8Array, facts: BatchFacts) => this.#gasOf(payload, facts),
    }
    const { batchBytes } = this.#options
    const made = await fitted(deps, { batch, after: latest.position, batchBytes, scheme }).catch((error: unknown) => {
      if (!(error instanceof NodeError) || error.code !== FittingErrors.TOO_LARGE.code) throw error
      this.#refused({}, error.message)
      return null
    })
    this.#unsigned = made !== null && 'unsigned' in made ? made.unsigned : null
    if (made === null) return 'refused'
    return 'unsigned' in made ? 'signatures' : made
  }

  /** Why it is too soon for this poster; null where it is not. */
  #early({ isFull, newestMs, facts, epoch }: Batch, nowMs: number): Waits | null {
    const { maxAgeMs, turnMs } = this.#options
    const dueMs = isFull ? newestMs : facts.oldestMs + maxAgeMs
    if (nowMs < dueMs) return 'age'
    return nowMs < dueMs + this.#deps.source.rank(epoch) * turnMs ? 'turn' : null
  }

  /** Also of a batch whose first attempt the process died before. */
  async #firstAttempt(record: PosterRecord | null, latest: OwnView): Promise<Waits> {
    assert(record !== null, 'the batch is recorded')
    const bid = this.#firstBid(record.facts, latest)
    if (bid === null) return 'fee'
    return this.#broadcast(await this.#sign(record, bid), 'first')
  }

  #mostWei({ oldestMs }: BatchFacts): bigint {
    const { holdMs, holdFeeWei, maxFeeWei } = this.#options
    return this.#deps.clock.nowMs() < oldestMs + holdMs ? holdFeeWei : maxBigint(holdFeeWei, maxFeeWei)
  }
  #firstBid(facts: BatchFacts, { block, nonce }: OwnView): FeeCaps | null {
    const most = this.#mostWei(facts)
    const over = this.#floor?.nonce === nonce ? this.#floor : null
    const bid = firstBid({ baseFeeWei: block.baseFeeWei, tipWei: this.#options.tipWei }, over, most)
    if (bid !== null) return bid
    const text = 'gas of the L1 costs more than the poster may pay: batches wait'
    this.#warn('fee', { baseFeeWei: `${block.baseFeeWei}`, mostWei: `${most}` }, text)
    return null
  }

  async #gasOf(payload: Uint8Array, { firstHeight, lastHeight }: BatchFacts): Promise<bigint | null> {
    const { l1, settlement, account } = this.#deps
    try {
      const gas = await l1.estimate({ from: account.address, to: settlement.address, data: payload })
      return mulDivUp(gas, 100n + GAS_SLACK, 100n)
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== L1Errors.REFUSED.code) throw error
      const { output } = error.data as { readonly output: Hex | null } // L1_REFUSED has it
      const reason = output === null || output === '0x' ? error.message : settlement.explain(hexToBytes(output))
      this.#refused({ from: firstHeight, to: lastHeight, reason }, 'the L1 would not take a batch')
      return null
    }
  }

  /** Of the signed transaction, to the byte but for a leading zero of its signature. */
  async #sizeOf(nonce: bigint, payload: Uint8Array, bid: FeeCaps): Promise<number> {
    const { transactionGas: gasLimit } = LIMITS
    return (await this.#raw({ nonce, gasLimit, payload }, bid)).length + FIELD_SLACK_BYTES
  }

  #canPay(costWei: bigint, { balanceWei }: OwnView): boolean {
    if (balanceWei >= costWei) return true
    const account = bytesToHex(this.#deps.account.address)
    const facts = { account, balanceWei: `${balanceWei}`, neededWei: `${costWei}` }
    this.#warn('balance', facts, 'batches wait for funds of the poster')
    return false
  }

  #refused(facts: object, text: string): void {
    const waitMs = Math.min(BOUNDS.refusedMaxMs, BOUNDS.refusedMs * 2 ** this.#refusals++)
    this.#refusedUntilMs = this.#deps.clock.nowMs() + waitMs
    this.#scheme = null // its owner may have set another verifier
    this.#warn('refused', { ...facts, againInMs: waitMs }, text)
  }

  // Signing and sending

  #raw({ nonce, gasLimit, payload }: Pick<PosterRecord, 'nonce' | 'gasLimit' | 'payload'>, bid: FeeCaps) {
    const { account, settlement } = this.#deps
    const { chainId } = this.#options
    const { maxFeeWei, maxTipWei } = bid
    return account.sign({ chainId, nonce, to: settlement.address, data: payload, gasLimit, maxFeeWei, maxTipWei })
  }

  /** On disk before anybody sees it. */
  async #sign(record: PosterRecord, { maxFeeWei, maxTipWei }: FeeCaps): Promise<Attempt> {
    const raw = await this.#raw(record, { maxFeeWei, maxTipWei })
    await this.#deps.recorder.attempt({ raw, maxFeeWei, maxTipWei })
    return { raw, hash: keccak(raw), maxFeeWei, maxTipWei }
  }

  /** What the endpoint says of it is told and no more: the next look at the contract shows what became of it. */
  async #broadcast({ raw, hash, maxFeeWei, maxTipWei }: Attempt, kind: 'first' | 'again' | 'raised'): Promise<Waits> {
    const { l1, recorder, clock, log } = this.#deps
    this.#sentMs = clock.nowMs()
    this.#meters.sent.add(1, { kind })
    const facts = { tx: bytesToHex(hash), maxFeeWei: `${maxFeeWei}`, tipWei: `${maxTipWei}`, kind }
    await l1.send(raw).catch((error: unknown) => {
      if (!(error instanceof NodeError) || !isPassing(error)) throw error
      log.debug({ ...facts, reason: error.message }, 'the L1 endpoint does not take a transaction of the poster')
    })
    await recorder.mark('sent')
    log.debug(facts, 'a batch is on its way to the L1')
    return 'inclusion'
  }

  #warn(about: string, facts: object, text: string): void {
    const nowMs = this.#deps.clock.nowMs()
    const last = this.#warned.get(about)
    if (last !== undefined && nowMs < last + BOUNDS.quietMs) return
    this.#warned.set(about, nowMs)
    this.#deps.log.warn(facts, text)
  }
}

/** A raised bid and a nonce may take some bytes more. */
const FIELD_SLACK_BYTES = 64

/** What time or another answer may mend. */
const isPassing = ({ code }: NodeError): boolean =>
  /^(L1|ABI|SOURCE)_/.test(code) || code === PosterErrors.BACKWARDS.code

const backwards = (what: string, had: View, have: View): NodeError => {
  const text = ({ block, position }: View): string => `block ${block.number}, batch ${position.seq}`
  return new NodeError(PosterErrors.BACKWARDS, { what, had: text(had), have: text(have) })
}

/** Both final, and not of one history. */
const isFork = (had: View, have: View): boolean =>
  (had.block.number === have.block.number && !equalBytes(had.block.hash, have.block.hash)) ||
  (had.position.seq === have.position.seq && !equalBytes(had.position.accumulator, have.position.accumulator))
