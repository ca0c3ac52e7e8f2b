// The rules of one height (consensus, section 2), each under its name there. Owns rounds, the highest PrepareQC, certificates and what
// is signed; knows nothing of other heights, clocks or disks. Messages come here checked.
import { bytesToHex, equalBytes, type Hash, type Hex } from '../base/bytes.ts'
import { assert, unreachable } from '../base/errors.ts'
import { type Entry, type Message, type Signed, type SignRecord, STEPS, type Unsigned } from '../types/message.ts'
import { isTurnOf, proposerAt } from '../types/validators.ts'
import {
  bitmapMembers,
  formQc,
  formTc,
  type Proposal,
  type Qc,
  type Tc,
  type Timeout,
  tcMaxRound,
  type Vote,
  widenQc,
} from '../types/vote.ts'
import {
  addProposal,
  addTimeout,
  addVote,
  type Book,
  type Counted,
  createBook,
  forgetRounds,
  isInWindow,
  jumpTarget,
  sharesOf,
  timeoutsOf,
} from './book.ts'
import { BOUNDS, roundTimeoutMs } from './bounds.ts'
import type { Peer, Seen, Start, Verdict } from './io.ts'
import { type Out, type Rule, take } from './rules.ts'

/** Made here or by others: who forms a certificate publishes it, who receives one that changes anything passes it on. */
type Origin = 'formed' | 'received'

interface Kept {
  readonly proposal: Proposal
  readonly seen: Seen
}

interface Wanted {
  readonly blockHash: Hash
  readonly from: readonly number[]
  requests: number
}

export interface Height {
  readonly start: Start
  /** COMMITs of the parent that its stored certificate lacks, by index in the parent's set. */
  readonly late: Map<number, Uint8Array>
  cur: number
  highQc: Qc | null
  /** TC(cur - 1), or null where the round was entered without it: `tcIn`. */
  entry: Tc | null
  /** The last (round, step) asked to be signed. */
  signed: { readonly round: number; readonly step: number }
  isDue: boolean
  /** Whether timer(cur) has fired. */
  hasFired: boolean
  readonly proposals: Map<number, Kept>
  /** Bodies by block hash: asked for, judged. */
  readonly wanted: Map<Hex, Wanted>
  readonly verdicts: Map<Hex, Verdict>
  commitQc: Qc | null
  isDecided: boolean
  /** The round whose block was asked for, and the block. */
  asked: number | null
  built: { readonly round: number; readonly blockHash: Hash } | null
  /** The own TIMEOUT of `cur`, and how often it was repeated. */
  timeout: Timeout | null
  repeats: number
  /** Ticks since the height began. */
  ticks: number
  readonly book: Book
  /** Proposer of `cur`. */
  leader: number
}

const NOT_SIGNED = { round: 0, step: 0 }
/** Above every (round, step): a record of a later height forbids this one. */
const ALL_SIGNED = { round: Number.MAX_SAFE_INTEGER, step: 0 }

export function enterHeight(start: Start, late: ReadonlyMap<number, Uint8Array>, out: Out): Height {
  take(out, 'enterHeight')
  const { height } = start
  out.effects.push({ kind: 'arm', height, round: 0, afterMs: roundTimeoutMs(0), from: 'due' })
  return {
    start,
    late: new Map(late),
    cur: 0,
    highQc: null,
    entry: null,
    signed: NOT_SIGNED,
    isDue: false,
    hasFired: false,
    proposals: new Map(),
    wanted: new Map(),
    verdicts: new Map(),
    commitQc: null,
    isDecided: false,
    asked: null,
    built: null,
    timeout: null,
    repeats: 0,
    ticks: 0,
    book: createBook(start.set),
    leader: start.proposer,
  }
}

/** What the replay ordered was performed before the crash, or never: it is ordered again. */
export function resume(h: Height, record: SignRecord | null, out: Out): void {
  h.isDecided = false
  h.asked = null
  loadRecord(h, record, out)
}

/** Signer record over the replayed state: what no record shows was never signed, what it shows was. */
export function loadRecord(h: Height, record: SignRecord | null, out: Out): void {
  h.signed = NOT_SIGNED
  const { height } = h.start
  if (record !== null && record.height > height) h.signed = ALL_SIGNED
  if (record !== null && record.height === height) {
    take(out, 'loadRecord')
    h.signed = { round: record.round, step: record.step }
    if (record.round > h.cur) moveTo(h, record.round, null)
    if (record.highQc !== null && record.highQc.round > roundOf(h.highQc)) {
      h.highQc = record.highQc
      need(h, record.highQc.blockHash, signersOf(h, record.highQc), out)
    }
    if (record.entry?.kind === 'tc' && record.entry.tc.round === h.cur - 1) h.entry = record.entry.tc
    if (record.message.kind === 'timeout' && record.round === h.cur) h.hasFired = true
    onSigned(h, record.message, out)
  }
  for (const wanted of h.wanted.values()) fetch(h, wanted, out)
  const from = h.cur === 0 && !h.isDue ? 'due' : 'now'
  if (!h.hasFired) out.effects.push({ kind: 'arm', height, round: h.cur, afterMs: roundTimeoutMs(h.cur), from })
}

const enterRound = (h: Height, round: number, entry: Tc | null, out: Out): void => {
  take(out, 'enterRound')
  moveTo(h, round, entry)
  out.effects.push({ kind: 'arm', height: h.start.height, round, afterMs: roundTimeoutMs(round), from: 'now' })
}

const moveTo = (h: Height, round: number, entry: Tc | null): void => {
  assert(round > h.cur, 'rounds only rise')
  h.cur = round
  h.entry = entry
  h.hasFired = false
  h.timeout = null
  h.repeats = 0
  h.leader = proposerOf(h, round)
  forgetRounds(h.book, round)
  for (const at of h.proposals.keys()) if (!isInWindow(at, round)) h.proposals.delete(at)
  forgetBodies(h)
}

/** A body counts while this round's proposal or a certificate names it; should another be named again, it is asked for again. */
const forgetBodies = (h: Height): void => {
  const named: readonly string[] = [h.highQc, h.commitQc, h.proposals.get(h.cur)?.proposal].flatMap((by) =>
    by ? [bytesToHex(by.blockHash)] : [],
  )
  for (const bodies of [h.wanted, h.verdicts])
    for (const key of bodies.keys()) if (!named.includes(key)) bodies.delete(key)
}

export function onMessage(h: Height, message: Message, seen: Seen | null, from: Peer, out: Out): void {
  switch (message.kind) {
    case 'proposal':
      if (seen !== null) onProposal(h, message.proposal, seen, from, out)
      return
    case 'vote':
      onVote(h, message.vote, out)
      return
    case 'timeout':
      onTimeout(h, message.timeout, out)
      return
    case 'qc':
      if (message.qc.type === 'prepare') onPrepareQc(h, message.qc, 'received', out)
      else onCommitQc(h, message.qc, 'received', out)
      return
    case 'tc':
      onTc(h, message.tc, 'received', out)
      return
    case 'status':
      return
    default:
      unreachable(message)
  }
}

function onTc(h: Height, tc: Tc, origin: Origin, out: Out): void {
  if (tc.qc !== null) onPrepareQc(h, tc.qc, origin, out)
  const entry = { kind: 'tc', tc } as const
  if (tc.round >= h.cur) {
    take(out, 'onTC enters')
    logCertificate(entry, out)
    enterRound(h, tc.round + 1, tc, out)
    forward(entry, origin, out)
  } else if (tc.round === h.cur - 1 && h.entry === null) {
    take(out, 'onTC opens') // entered without it before, so its leader could not propose
    h.entry = tc
    logCertificate(entry, out)
  }
}

/** Every PrepareQC goes through here, whatever brought it: a TIMEOUT of a round below it could justify no proposal. */
function onPrepareQc(h: Height, qc: Qc, origin: Origin, out: Out): void {
  if (qc.round > roundOf(h.highQc)) {
    take(out, 'onPrepareQC raises')
    h.highQc = qc
    logCertificate({ kind: 'qc', qc }, out)
    need(h, qc.blockHash, signersOf(h, qc), out)
    forward({ kind: 'qc', qc }, origin, out)
  }
  if (qc.round > h.cur) {
    take(out, 'onPrepareQC enters')
    enterRound(h, qc.round, null, out)
  }
}

export function onCommitQc(h: Height, qc: Qc, origin: Origin, out: Out): void {
  if (h.commitQc !== null) return
  take(out, 'onCommitQC')
  h.commitQc = qc
  logCertificate({ kind: 'qc', qc }, out)
  need(h, qc.blockHash, signersOf(h, qc), out)
  forward({ kind: 'qc', qc }, origin, out)
}

function onProposal(h: Height, proposal: Proposal, seen: Seen, from: Peer, out: Out): void {
  const { round, tc, justify } = proposal
  const isOpened = round === 0 ? tc === null : tc?.round === round - 1
  const isJustified = justify === null || justify.round < round
  if (!isOpened || !isJustified || !isTurnOf(h.start, proposal)) {
    take(out, 'onProposal drops')
    return
  }
  if (tc !== null) onTc(h, tc, 'received', out)
  if (justify !== null) onPrepareQc(h, justify, 'received', out)
  if (!isInWindow(round, h.cur)) {
    take(out, 'onProposal drops')
    return
  }
  count(addProposal(h.book, proposal), out)
  if (h.proposals.has(round)) return
  take(out, 'onProposal keeps')
  h.proposals.set(round, { proposal, seen })
  out.effects.push({ kind: 'log', input: { kind: 'message', message: { kind: 'proposal', proposal }, from, seen } })
  if (round === h.cur) need(h, proposal.blockHash, [proposal.validator], out)
  if (round === 0 && h.cur === 0 && !h.isDue && isSafe(proposal, seen) && isTimely(proposal, seen)) {
    take(out, 'onProposal pulls due') // clocks and pools differ; the round runs for all from about here
    h.isDue = true
    out.effects.push({ kind: 'arm', height: h.start.height, round: 0, afterMs: roundTimeoutMs(0), from: 'now' })
  }
}

function onVote(h: Height, vote: Vote, out: Out): void {
  if (!isInWindow(vote.round, h.cur)) {
    take(out, 'onVote drops')
    return
  }
  const counted = addVote(h.book, vote)
  count(counted, out)
  if (!counted.isQuorum) return
  const qc = formQc(vote, sharesOf(h.book, vote), h.start.set)
  if (h.start.set.members.length > BOUNDS.allToAll) sendAll({ kind: 'qc', qc }, out)
  if (qc.type === 'prepare') {
    take(out, 'quorum PREPARE')
    onPrepareQc(h, qc, 'formed', out)
  } else {
    take(out, 'quorum COMMIT')
    onCommitQc(h, qc, 'formed', out)
  }
}

function onTimeout(h: Height, timeout: Timeout, out: Out): void {
  if (timeout.qc !== null) onPrepareQc(h, timeout.qc, 'received', out)
  const counted = addTimeout(h.book, timeout, h.cur)
  count(counted, out)
  const target = timeout.round > h.cur ? jumpTarget(h.book, h.cur) : null
  if (target !== null) {
    take(out, 'onTimeout jumps') // at least one of them is honest: the round is lost, and its certificate needs this vote
    moveTo(h, target, null)
    h.hasFired = true
  }
  if (counted.isQuorum && timeout.round >= h.cur) {
    take(out, 'quorum TIMEOUT')
    const tc = formTc(timeout.round, timeoutsOf(h.book, timeout.round), h.start.set)
    sendAll({ kind: 'tc', tc }, out)
    onTc(h, tc, 'formed', out)
  }
}

export function onTimer(h: Height, round: number, out: Out): void {
  if (round !== h.cur || h.hasFired) return
  take(out, 'onTimer')
  h.hasFired = true
  out.effects.push({ kind: 'log', input: { kind: 'timer', height: h.start.height, round } })
}

export function onBody(h: Height, blockHash: Hash, verdict: Verdict, out: Out): void {
  const key = bytesToHex(blockHash)
  if (!h.wanted.has(key)) return // nobody needs it any more, and `need` asks again
  judge(h, key, verdict, out)
  out.effects.push({ kind: 'log', input: { kind: 'body', height: h.start.height, blockHash, verdict } })
  const isBacked = [h.highQc, h.commitQc].some((qc) => qc !== null && equalBytes(qc.blockHash, blockHash))
  if (verdict === 'invalid' && isBacked) alarm(h, blockHash, out)
}

const judge = (h: Height, key: Hex, verdict: Verdict, out: Out): void => {
  take(out, verdict === 'valid' ? 'body valid' : 'body invalid')
  h.wanted.delete(key)
  h.verdicts.set(key, verdict)
}

const alarm = (h: Height, blockHash: Hash, out: Out): void => {
  take(out, 'alarm')
  out.effects.push({ kind: 'alarm', height: h.start.height, blockHash })
}

export function onBuilt(h: Height, round: number, blockHash: Hash, out: Out): void {
  if (round !== h.cur || h.asked !== round) {
    take(out, 'built late')
    return
  }
  h.built = { round, blockHash }
  judge(h, bytesToHex(blockHash), 'valid', out)
}

/** The own message, signed: counts like everybody's, and leaves. */
export function onSigned(h: Height, message: Signed, out: Out): void {
  const { self } = h.start
  if (self === null) return
  switch (message.kind) {
    case 'proposal': {
      const { proposal } = message
      // What came of the own clock and building needs no second judgement.
      const seen = { originRound: proposal.round, isTimely: true, lastCommit: null }
      if (isInWindow(proposal.round, h.cur)) {
        count(addProposal(h.book, proposal), out)
        if (!h.proposals.has(proposal.round)) h.proposals.set(proposal.round, { proposal, seen })
        if (proposal.round === h.cur) need(h, proposal.blockHash, [self], out)
      }
      sendAll(message, out)
      return
    }
    case 'vote':
      out.effects.push({ kind: 'send', message, to: routeOf(h, message.vote) })
      onVote(h, message.vote, out)
      return
    case 'timeout':
      if (message.timeout.round === h.cur) h.timeout = message.timeout
      sendTimeout(h, message.timeout, out)
      onTimeout(h, message.timeout, out)
  }
}

/** The standing conditions, after every event, as long as something changes: signing changes nothing before its answer, so once is enough. */
export function settle(h: Height, out: Out): void {
  if (h.isDecided) return
  decide(h, out)
  if (h.isDecided || h.start.self === null) return
  propose(h, out)
  prepare(h, out)
  commit(h, out)
  timeOut(h, out)
}

const decide = (h: Height, out: Out): void => {
  const qc = h.commitQc
  if (qc === null || !isValid(h, qc.blockHash)) return
  take(out, 'DECIDE')
  h.isDecided = true
  out.effects.push({ kind: 'commit', height: h.start.height, blockHash: qc.blockHash, qc })
}

const propose = (h: Height, out: Out): void => {
  if (h.leader !== h.start.self || !isUnsigned(h, STEPS.proposal)) return
  if (h.cur === 0) {
    if (h.isDue) proposeFresh(h, 'PROPOSE in round 0', out)
    return
  }
  if (h.entry === null) return // came by a PrepareQC or by the jump: nothing would justify a proposal to the others
  const isBound = tcMaxRound(h.entry) !== null
  const highQc = h.highQc
  if (highQc !== null && highQc.round < h.cur && isValid(h, highQc.blockHash)) {
    take(out, isBound ? 'PROPOSE what the TC names' : 'PROPOSE highQC')
    signProposal(h, highQc.blockHash, highQc, out)
  } else if (!isBound) proposeFresh(h, 'PROPOSE after TC', out)
}

const proposeFresh = (h: Height, rule: Rule, out: Out): void => {
  if (h.built?.round === h.cur) {
    take(out, rule)
    signProposal(h, h.built.blockHash, null, out)
    return
  }
  if (h.asked === h.cur) return
  h.asked = h.cur
  const { height, parent } = h.start
  const lastCommit = parent === null ? null : widenQc(parent.qc, h.late, parent.set)
  if (lastCommit !== parent?.qc && parent !== null) take(out, 'lastCommit widened')
  out.effects.push({ kind: 'build', height, round: h.cur, lastCommit })
}

const signProposal = (h: Height, blockHash: Hash, justify: Qc | null, out: Out): void => {
  const { height, self } = h.start
  assert(self !== null, 'only a validator proposes')
  const proposal = { height, round: h.cur, blockHash, justify, tc: h.entry, validator: self }
  sign(h, STEPS.proposal, { kind: 'proposal', proposal }, out)
}

const prepare = (h: Height, out: Out): void => {
  const kept = h.proposals.get(h.cur)
  if (kept === undefined || !isUnsigned(h, STEPS.prepare)) return
  const { proposal, seen } = kept
  if (!isValid(h, proposal.blockHash)) return
  if (!isSafe(proposal, seen)) {
    take(out, 'PREPARE refused: not safe')
    return
  }
  if (!isTimely(proposal, seen)) {
    take(out, 'PREPARE refused: not timely')
    return
  }
  take(out, 'PREPARE')
  signVote(h, 'prepare', proposal.blockHash, out)
}

const commit = (h: Height, out: Out): void => {
  const qc = h.highQc
  if (qc === null || qc.round !== h.cur || !isUnsigned(h, STEPS.commit) || !isValid(h, qc.blockHash)) return
  take(out, 'COMMIT')
  signVote(h, 'commit', qc.blockHash, out)
}

const timeOut = (h: Height, out: Out): void => {
  if (!h.hasFired || !isUnsigned(h, STEPS.timeout)) return
  take(out, 'TIMEOUT')
  const { height, self } = h.start
  assert(self !== null, 'only a validator gives up a round')
  const qc = h.highQc
  const timeout = { height, round: h.cur, hqcRound: qc === null ? null : qc.round, qc, validator: self }
  sign(h, STEPS.timeout, { kind: 'timeout', timeout }, out)
}

const signVote = (h: Height, type: Vote['type'], blockHash: Hash, out: Out): void => {
  const { height, self } = h.start
  assert(self !== null, 'only a validator votes')
  sign(h, STEPS[type], { kind: 'vote', vote: { type, height, round: h.cur, blockHash, validator: self } }, out)
}

/** Asking counts as signed: the answer may take its time, and a crash in between is what the record is for. */
const sign = (h: Height, step: number, message: Unsigned, out: Out): void => {
  h.signed = { round: h.cur, step }
  const highQc = h.highQc
  const opened: Entry | null =
    h.entry !== null ? { kind: 'tc', tc: h.entry } : highQc?.round === h.cur ? { kind: 'qc', qc: highQc } : null
  out.effects.push({ kind: 'sign', message, highQc, entry: h.cur === 0 ? null : opened })
}

const isUnsigned = (h: Height, step: number): boolean =>
  h.cur > h.signed.round || (h.cur === h.signed.round && step > h.signed.step)

/** A proposal is judged by what it carries alone, so that all honest validators judge alike. */
function isSafe(p: Proposal, seen: Seen): boolean {
  const isFresh = p.justify === null && seen.originRound === p.round
  if (p.round === 0) return isFresh && p.tc === null
  if (p.tc === null) return false
  const isRepeated = p.justify !== null && equalBytes(p.blockHash, p.justify.blockHash)
  const max = tcMaxRound(p.tc)
  if (max === null) return isFresh || isRepeated
  return p.justify !== null && max <= p.justify.round && p.justify.round < p.round && isRepeated
}
/** A block that a quorum prepared was timely to one honest validator; another is judged by the own clock. */
const isTimely = (p: Proposal, seen: Seen): boolean => p.justify !== null || seen.isTimely

/** Repeats what lets others reach this round, and asks again for bodies. */
export function repeat(h: Height, out: Out): void {
  for (const wanted of h.wanted.values()) {
    wanted.requests++
    fetch(h, wanted, out)
  }
  askAfterSilence(h, out)
  if (h.timeout === null || h.isDecided) return
  take(out, 'rebroadcast')
  h.repeats++
  sendTimeout(h, h.timeout, out)
  if (h.entry !== null) sendAll({ kind: 'tc', tc: h.entry }, out)
  if (h.highQc !== null) sendAll({ kind: 'qc', qc: h.highQc }, out)
}

/**
 * Who does not vote gives no round up and is heard by nobody: where the set before this epoch decided its last block and left, all who
 * lack that block might wait in silence for each other.
 */
const askAfterSilence = (h: Height, out: Out): void => {
  h.ticks++
  if (h.start.self !== null || h.isDecided || h.ticks % BOUNDS.silentTicks !== 0) return
  take(out, 'asks')
  sendAll({ kind: 'status', height: h.start.height }, out)
}

/** To all in a small network; in a large one to the next leaders, twice as many with each repetition. */
const sendTimeout = (h: Height, timeout: Timeout, out: Out): void => {
  const count = h.start.set.members.length
  const leaders = BOUNDS.timeoutLeaders * 2 ** Math.min(h.repeats, 20)
  if (count <= BOUNDS.timeoutToAll || leaders >= count) {
    sendAll({ kind: 'timeout', timeout }, out)
    return
  }
  if (h.repeats > 0) take(out, 'rebroadcast wider')
  const next = Array.from({ length: leaders }, (_, i) => proposerOf(h, timeout.round + 1 + i))
  const to = [...new Set(next)].filter((i) => i !== h.start.self)
  out.effects.push({ kind: 'send', message: { kind: 'timeout', timeout }, to })
}

const routeOf = (h: Height, vote: Vote): 'all' | readonly number[] => {
  const { set, self, nextProposer } = h.start
  if (set.members.length <= BOUNDS.allToAll) return 'all'
  const collectors = [proposerOf(h, vote.round)]
  if (vote.type === 'commit' && nextProposer !== null) collectors.push(nextProposer)
  return [...new Set(collectors)].filter((i) => i !== self)
}

const proposerOf = (h: Height, round: number): number => proposerAt(h.start, round)

/** A block is named whose body is not here: ask those who must have it. */
const need = (h: Height, blockHash: Hash, from: readonly number[], out: Out): void => {
  const key = bytesToHex(blockHash)
  if (h.verdicts.get(key) === 'invalid') alarm(h, blockHash, out)
  if (h.verdicts.has(key) || h.wanted.has(key)) return
  const wanted = { blockHash, from, requests: 0 }
  h.wanted.set(key, wanted)
  fetch(h, wanted, out)
}
const fetch = (h: Height, { blockHash, from, requests }: Wanted, out: Out): void => {
  take(out, requests === 0 ? 'fetch' : 'fetch again')
  const { height, self } = h.start
  const others = from.filter((i) => i !== self)
  const isOpen = requests % 2 === 1 || others.length === 0
  out.effects.push({ kind: 'fetch', height, blockHash, from: isOpen ? 'anybody' : others })
}

const forward = (certificate: Entry, origin: Origin, out: Out): void => {
  if (origin === 'formed') return
  take(out, 'forward')
  sendAll(certificate, out)
}
const sendAll = (message: Message, out: Out): void => void out.effects.push({ kind: 'send', message, to: 'all' })

const logCertificate = (certificate: Entry, out: Out): void =>
  void out.effects.push({ kind: 'log', input: { kind: 'message', message: certificate, from: '', seen: null } })

const count = (counted: Counted, out: Out): void => {
  for (const evidence of counted.evidence) {
    take(out, evidence.offence)
    out.effects.push({ kind: 'report', evidence })
  }
}

const isValid = (h: Height, blockHash: Hash): boolean => h.verdicts.get(bytesToHex(blockHash)) === 'valid'
const roundOf = (qc: Qc | null): number => qc?.round ?? -1
const signersOf = (h: Height, qc: Qc): readonly number[] => bitmapMembers(qc.bitmap, h.start.set.members.length) ?? []
