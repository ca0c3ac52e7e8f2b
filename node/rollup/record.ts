// The poster's durable record: the batch under way with its parts, every transaction that was signed for it, and how far it came. Owns its file. What is in
// the contract counts; the record keeps the poster from paying twice and from forgetting what it let loose.
import { type Address, asAddress, asHash, bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Log } from '../../chain/base/ports.ts'
import { asBigint, asBytes, asList, asNumber, decodeRlp, encodeRlp, type Rlp, rlpInt } from '../../chain/base/rlp.ts'
import { type LogFile, openWal, type Wal, WalErrors, type WalRecord } from '../../chain/store/wal.ts'
import type { FeeCaps } from './fees.ts'

export const RecordErrors = defineErrors('POSTING', {
  UNKNOWN: {
    text: (d: { type: number }) =>
      `the poster's record holds an entry of kind ${d.type}: another version of the node wrote it; move the file away, the contract knows all that counts`,
  },
})

/** Whose transactions, and where to. */
export interface Sender {
  readonly chainId: bigint
  readonly settlement: Address
  readonly account: Address
}

/** What a batch holds, for people and the cost report. */
export interface BatchFacts {
  readonly firstHeight: number
  readonly lastHeight: number
  readonly emptyBlocks: number
  readonly transactions: number
  /** Compressed; of these, what blocks take that hold nothing. */
  readonly sizeBytes: number
  readonly blockBytes: number
  /** Of its first block, by the chain's clock. */
  readonly oldestMs: number
}

export interface Draft {
  readonly seq: number
  /** Of the contract before and after the batch. */
  readonly previous: Hash
  readonly accumulator: Hash
  readonly nonce: bigint
  readonly gasLimit: bigint
  /** What the contract is called with. */
  readonly payload: Uint8Array
  readonly facts: BatchFacts
  /** Of a batch that no transaction of the L1 holds: what is supplied after the first part is posted, in this order. */
  readonly others: readonly Part[]
  /** The L1's block that it was built on: whatever is supplied to it comes later. */
  readonly builtOn: number
  /** Nothing of it is posted: `others` are what is missing of a batch that the contract has. */
  readonly isRepair: boolean
}
interface Part {
  /** Of its bytes, as the contract logs it. */
  readonly dataHash: Hash
  /** What the contract is called with. */
  readonly payload: Uint8Array
}
export interface Attempt extends FeeCaps {
  readonly raw: Uint8Array
  readonly hash: Hash
}
/** A transaction of this poster that is final, as its receipt says. */
export interface Paid {
  readonly tx: Hash
  /** Of the whole call. */
  readonly callBytes: number
  readonly gasUsed: bigint
  readonly gasPriceWei: bigint
}
/** A batch that became final with all its parts. */
export interface Posted {
  readonly seq: number
  readonly facts: BatchFacts
  /** 1 where it went as a whole. */
  readonly parts: number
  /** Oldest first; fewer than its parts where somebody else supplied some. */
  readonly paid: readonly Paid[]
}
/** Up to this batch, which ends at this height, nothing is missing on the L1; what is logged up to this block of it has been looked at. */
interface Whole {
  readonly seq: number
  readonly height: number
  readonly block: number
}
/** The transaction that brings a part to the L1: 0 for what is posted, from 1 on for `others`. */
interface Leg {
  readonly part: number
  readonly nonce: bigint
  readonly gasLimit: bigint
}
const STATES = ['built', 'sent', 'included', 'final'] as const
type State = (typeof STATES)[number]
/** A batch under way. Nonce, gas, payload, attempts and state are of the part that is: those before it are final. */
export interface PosterRecord extends Draft, Leg {
  readonly dataHash: Hash
  readonly paid: readonly Paid[]
  readonly attempts: readonly Attempt[]
  readonly state: State
}

/** Each write returns when it is on disk. */
export interface Recorder {
  /** The batch under way; null where there is none. */
  readonly record: PosterRecord | null
  /** The last one that this poster brought through. */
  readonly posted: Posted | null
  /** As far as this poster has looked; null: it has not. */
  readonly whole: Whole | null
  looked(whole: Whole): Promise<void>
  begin(draft: Draft): Promise<void>
  attempt(attempt: Omit<Attempt, 'hash'>): Promise<void>
  mark(state: Exclude<State, 'final'>): Promise<void>
  /** A part is begun, or begun anew; `paid` is what ended the one before it, null where nothing of this poster did. */
  next(leg: Leg, paid: Paid | null): Promise<void>
  /** The batch is final, or given up (null): nothing of it is needed any more. */
  end(posted: Posted | null): Promise<void>
  close(): Promise<void>
}

/** 1 and 4 were drafts and posted batches without parts. */
const TYPES = { attempt: 2, state: 3, draft: 5, posted: 6, leg: 7, repair: 8, whole: 9 } as const

/** A record of another account, contract or chain is put aside, and so is a damaged one: neither is needed to be safe. */
export async function openRecord(file: LogFile, sender: Sender, log: Log): Promise<Recorder> {
  const wal = await openWal(file).catch(async (error: unknown) => {
    if (!(error instanceof NodeError) || error.code !== WalErrors.CORRUPT.code) throw error
    log.warn({ file: file.name }, 'the poster’s record is damaged and begins anew; the contract knows what is posted')
    await file.replace(new Uint8Array(0))
    return openWal(file)
  })
  const recorder = new FileRecorder(wal, sender)
  if (recorder.isOfAnother) {
    log.warn({ file: file.name }, 'the poster’s record was of another account or contract and is put aside')
    await recorder.end(null)
  }
  return recorder
}

/** The last height that the record says is final; closes the file. A damaged record says nothing. */
export async function postedHeight(file: LogFile): Promise<number> {
  try {
    const wal = await openWal(file)
    return fold(wal.records).posted?.facts.lastHeight ?? 0
  } catch (error) {
    if (error instanceof NodeError && error.code === WalErrors.CORRUPT.code) return 0
    throw error
  } finally {
    await file.close()
  }
}

class FileRecorder implements Recorder {
  record: PosterRecord | null
  posted: Posted | null
  whole: Whole | null
  /** Whether what the file held is somebody else's. */
  readonly isOfAnother: boolean
  readonly #wal: Wal
  readonly #sender: Sender

  constructor(wal: Wal, sender: Sender) {
    this.#wal = wal
    this.#sender = sender
    const found = fold(wal.records)
    this.record = found.record
    this.posted = found.posted
    const { whole } = found
    this.whole = whole !== null && isSame(whole.sender, sender) ? whole.whole : null
    this.isOfAnother = found.sender !== null && !isSame(found.sender, sender)
  }

  async begin(draft: Draft): Promise<void> {
    assert(this.record === null, 'one batch of the poster is under way at a time')
    await this.#wal.append(draft.isRepair ? TYPES.repair : TYPES.draft, encodeDraft(this.#sender, draft), {
      sync: true,
    })
    this.record = recordOf(draft)
  }

  async attempt(attempt: Omit<Attempt, 'hash'>): Promise<void> {
    const { record } = this
    assert(record !== null, 'an attempt is of a batch')
    const { raw, maxFeeWei, maxTipWei } = attempt
    const bytes = encodeRlp([raw, rlpInt(maxFeeWei), rlpInt(maxTipWei)])
    await this.#wal.append(TYPES.attempt, bytes, { sync: true })
    this.record = { ...record, attempts: [...record.attempts, { ...attempt, hash: keccak(raw) }] }
  }

  async mark(state: Exclude<State, 'final'>): Promise<void> {
    const { record } = this
    assert(record !== null, 'a state is of a batch')
    if (record.state === state) return
    await this.#wal.append(TYPES.state, encodeRlp(rlpInt(STATES.indexOf(state))), { sync: true })
    this.record = { ...record, state }
  }

  async next(leg: Leg, paid: Paid | null): Promise<void> {
    const { record } = this
    assert(record !== null, 'a part is of a batch')
    await this.#wal.append(TYPES.leg, encodeLeg(leg, paid), { sync: true })
    this.record = withLeg(record, leg, paid)
  }

  async end(posted: Posted | null): Promise<void> {
    const { record } = this
    assert(record !== null, 'what ends has begun')
    await this.#wal.endHeight(record.seq)
    this.record = null
    this.posted = posted ?? this.posted
    // Only shown to people: dying here loses that.
    if (this.posted !== null) await this.#wal.append(TYPES.posted, encodePosted(this.posted), { sync: false })
    if (this.whole !== null) await this.looked(this.whole)
  }

  async looked(whole: Whole): Promise<void> {
    await this.#wal.append(TYPES.whole, encodeWhole(this.#sender, whole), { sync: true })
    this.whole = whole
  }

  close(): Promise<void> {
    return this.#wal.close()
  }
}

const isSame = (a: Sender, b: Sender): boolean =>
  a.chainId === b.chainId && equalBytes(a.settlement, b.settlement) && equalBytes(a.account, b.account)

const recordOf = (draft: Draft): PosterRecord => ({
  ...draft,
  part: 0,
  dataHash: keccak(draft.payload),
  paid: [],
  attempts: [],
  state: 'built',
})
const withLeg = (record: PosterRecord, leg: Leg, paid: Paid | null): PosterRecord => {
  const payload = leg.part === 0 ? record.payload : record.others[leg.part - 1]?.payload
  assert(payload !== undefined, 'a batch has the parts that its record says')
  return {
    ...{ ...record, ...leg, payload, dataHash: keccak(payload), attempts: [], state: 'built' },
    paid: paid === null ? record.paid : [...record.paid, paid],
  }
}

interface Folded {
  readonly record: PosterRecord | null
  readonly posted: Posted | null
  readonly sender: Sender | null
  readonly whole: { readonly sender: Sender; readonly whole: Whole } | null
}
const fold = (entries: readonly WalRecord[]): Folded =>
  entries.reduce<Folded>(step, { record: null, posted: null, sender: null, whole: null })
const step = (before: Folded, { type, payload }: WalRecord): Folded => {
  const { record } = before
  if (type === TYPES.posted) return { ...before, posted: decodePosted(payload) }
  if (type === TYPES.whole) return { ...before, whole: decodeWhole(payload) }
  if (type === TYPES.draft || type === TYPES.repair) {
    const found = decodeDraft(payload, type === TYPES.repair)
    return { ...before, record: recordOf(found.draft), sender: found.sender }
  }
  if (record === null) throw new NodeError(RecordErrors.UNKNOWN, { type })
  if (type === TYPES.attempt)
    return { ...before, record: { ...record, attempts: [...record.attempts, decodeAttempt(payload)] } }
  if (type === TYPES.leg) {
    const { leg, paid } = decodeLeg(payload)
    return { ...before, record: withLeg(record, leg, paid) }
  }
  const state = type === TYPES.state ? STATES[asNumber(decodeRlp(payload))] : undefined
  if (state === undefined) throw new NodeError(RecordErrors.UNKNOWN, { type })
  return { ...before, record: { ...record, state } }
}

const encodePosted = ({ seq, facts, parts, paid }: Posted): Uint8Array =>
  encodeRlp([rlpInt(seq), factsToRlp(facts), rlpInt(parts), paid.map(paidToRlp)])
const decodePosted = (bytes: Uint8Array): Posted => {
  const [seq, facts, parts, paid] = asList(decodeRlp(bytes), 4)
  return { seq: asNumber(seq), facts: factsOf(facts), parts: asNumber(parts), paid: asList(paid).map(paidOf) }
}
const paidToRlp = ({ tx, callBytes, gasUsed, gasPriceWei }: Paid): Rlp => [
  tx,
  ...[callBytes, gasUsed, gasPriceWei].map(rlpInt),
]
const paidOf = (item: Rlp): Paid => {
  const [tx, callBytes, gasUsed, gasPrice] = asList(item, 4)
  return {
    ...{ tx: asHash(asBytes(tx, 32)), callBytes: asNumber(callBytes) },
    ...{ gasUsed: asBigint(gasUsed), gasPriceWei: asBigint(gasPrice) },
  }
}

const encodeLeg = ({ part, nonce, gasLimit }: Leg, paid: Paid | null): Uint8Array =>
  encodeRlp([...[part, nonce, gasLimit].map(rlpInt), paid === null ? [] : [paidToRlp(paid)]])
const decodeLeg = (bytes: Uint8Array): { readonly leg: Leg; readonly paid: Paid | null } => {
  const [part, nonce, gasLimit, list] = asList(decodeRlp(bytes), 4)
  const [paid] = asList(list)
  return {
    leg: { part: asNumber(part), nonce: asBigint(nonce), gasLimit: asBigint(gasLimit) },
    paid: paid === undefined ? null : paidOf(paid),
  }
}

const senderToRlp = ({ chainId, settlement, account }: Sender): Rlp => [rlpInt(chainId), settlement, account]
const senderOf = (item: Rlp | undefined): Sender => {
  const [chainId, settlement, account] = asList(item, 3)
  return {
    chainId: asBigint(chainId),
    settlement: asAddress(asBytes(settlement, 20)),
    account: asAddress(asBytes(account, 20)),
  }
}
const encodeWhole = (sender: Sender, { seq, height, block }: Whole): Uint8Array =>
  encodeRlp([senderToRlp(sender), ...[seq, height, block].map(rlpInt)])
const decodeWhole = (bytes: Uint8Array) => {
  const [sender, seq, height, block] = asList(decodeRlp(bytes), 4)
  return {
    sender: senderOf(sender),
    whole: { seq: asNumber(seq), height: asNumber(height), block: asNumber(block) },
  }
}

const encodeDraft = (sender: Sender, draft: Draft): Uint8Array => {
  return encodeRlp([
    senderToRlp(sender),
    ...[rlpInt(draft.seq), draft.previous, draft.accumulator, rlpInt(draft.nonce), rlpInt(draft.gasLimit)],
    draft.payload,
    factsToRlp(draft.facts),
    draft.others.map(({ dataHash, payload }) => [dataHash, payload]),
    rlpInt(draft.builtOn),
  ])
}
const decodeDraft = (bytes: Uint8Array, isRepair: boolean): { readonly sender: Sender; readonly draft: Draft } => {
  const [whose, ...fields] = asList(decodeRlp(bytes), 10)
  const [seq, previous, accumulator, nonce, gasLimit, payload, facts, others, builtOn] = fields
  return {
    sender: senderOf(whose),
    draft: {
      isRepair,
      seq: asNumber(seq),
      previous: asHash(asBytes(previous, 32)),
      accumulator: asHash(asBytes(accumulator, 32)),
      nonce: asBigint(nonce),
      gasLimit: asBigint(gasLimit),
      payload: asBytes(payload),
      facts: factsOf(facts),
      others: asList(others).map(partOf),
      builtOn: asNumber(builtOn),
    },
  }
}
const partOf = (item: Rlp): Part => {
  const [dataHash, payload] = asList(item, 2)
  return { dataHash: asHash(asBytes(dataHash, 32)), payload: asBytes(payload) }
}
const factsToRlp = (facts: BatchFacts): Rlp => {
  const { firstHeight, lastHeight, emptyBlocks, transactions, sizeBytes, blockBytes, oldestMs } = facts
  return [firstHeight, lastHeight, emptyBlocks, transactions, sizeBytes, blockBytes, oldestMs].map(rlpInt)
}
const factsOf = (item: Rlp | undefined): BatchFacts => {
  const [firstHeight, lastHeight, emptyBlocks, transactions, sizeBytes, blockBytes, oldestMs] = asList(item, 7)
  return {
    firstHeight: asNumber(firstHeight),
    lastHeight: asNumber(lastHeight),
    emptyBlocks: asNumber(emptyBlocks),
    transactions: asNumber(transactions),
    sizeBytes: asNumber(sizeBytes),
    blockBytes: asNumber(blockBytes),
    oldestMs: asNumber(oldestMs),
  }
}
const decodeAttempt = (bytes: Uint8Array): Attempt => {
  const [raw, maxFee, maxTip] = asList(decodeRlp(bytes), 3)
  const signed = asBytes(raw)
  return { raw: signed, hash: keccak(signed), maxFeeWei: asBigint(maxFee), maxTipWei: asBigint(maxTip) }
}

/** For logs. */
export const shown = ({ seq, part, others, dataHash, nonce, facts, attempts, isRepair }: PosterRecord) => ({
  ...(isRepair && { isRepair }),
  ...(others.length > 0 && { part: part + 1, parts: others.length + 1 }),
  ...{ seq, dataHash: bytesToHex(dataHash), nonce: Number(nonce), attempts: attempts.length },
  ...{ from: facts.firstHeight, to: facts.lastHeight, bytes: facts.sizeBytes },
})
