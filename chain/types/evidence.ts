// Evidence: two signed statements that no honest validator makes together, or a certificate over a header that none can have found
// valid (consensus, section 4). Owns what a statement is, which two exclude each other, the bytes of a proof and its check, so that
// node, light client and slashing judge alike. Pure and total: whatever the input, `checkEvidence` answers.
import { compareBytes, equalBytes, type Hash } from '../base/bytes.ts'
import { curves, keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { asBytes, asList, asNumber, decodeSparseRlp, encodeRlp, type Rlp, rlpInt } from '../base/rlp.ts'
import {
  decodeExtra,
  decodeHeader,
  decodeSection,
  encodeHeader,
  encodeSection,
  type Header,
  headerHash,
  headerTimeMs,
  nextRandao,
  type Section,
  sectionHash,
} from './block.ts'
import type { Message } from './message.ts'
import {
  createRotation,
  createValidatorSet,
  type EpochSet,
  epochOf,
  proposerByLot,
  type Validator,
  type ValidatorSet,
  validatorsHash,
} from './validators.ts'
import {
  bitmapMembers,
  bitmapOf,
  checkQc,
  type Domain,
  decodeQc,
  encodeQc,
  powerOf,
  proposePayload,
  type Qc,
  ROUND_MAX,
  SignType,
  signBytes,
  type Tc,
  tcHash,
  timeoutPayload,
  votePayload,
} from './vote.ts'

export const EvidenceErrors = defineErrors('EVIDENCE', {
  MALFORMED: { text: (d: { reason: string }) => `the evidence does not decode: ${d.reason}` },
  REFUSED: { text: (d: { fault: string }) => `the evidence proves nothing here: ${d.fault}` },
})

/** Two testimonies, or two headers with a section and a certificate, of some thousand validators are under half of it. */
export const EVIDENCE_MAX_BYTES = 8 * 1024

/** E1 two PREPAREs, E2 two COMMITs, E3 two PROPOSEs, E4 amnesia, E5 two TIMEOUTs, E6 a COMMIT of what cannot be valid. */
export type OffenceKind = 'E1' | 'E2' | 'E3' | 'E4' | 'E5' | 'E6'

/** What a signature covers: the content of a vote, whoever signed it. */
export type Statement =
  | {
      readonly kind: 'propose'
      readonly height: number
      readonly round: number
      readonly blockHash: Hash
      readonly justifyRound: number | null
      readonly tcHash: Hash | null
    }
  | {
      readonly kind: 'prepare' | 'commit'
      readonly height: number
      readonly round: number
      readonly blockHash: Hash
    }
  | { readonly kind: 'timeout'; readonly height: number; readonly round: number; readonly hqcRound: number | null }

/** A statement with who signed it: one validator's vote has one bit, a certificate many. Keys have proofs of possession, so each bit counts. */
export interface Testimony {
  readonly statement: Statement
  /** In set order, least significant bit first, exactly ceil(n/8) bytes. */
  readonly bitmap: Uint8Array
  readonly signature: Uint8Array
}

export type Evidence =
  /** Whoever signed both; ordered by their bytes, so that (a, b) and (b, a) are one. */
  | { readonly kind: 'conflict'; readonly first: Testimony; readonly second: Testimony }
  /** Whoever signed the CommitQC. Without the parent's header nothing is judged that follows from its fields. */
  | {
      readonly kind: 'header'
      readonly header: Header
      readonly section: Section
      readonly qc: Qc
      readonly parent: Header | null
    }

/** Says which two statements exclude each other; null where an honest validator may have made both. */
export function conflictOf(
  a: Statement,
  b: Statement,
): { readonly offence: OffenceKind; readonly round: number } | null {
  if (a.height !== b.height) return null
  if (a.kind === 'commit' && b.kind === 'timeout')
    return isAmnesia(a.round, b) ? { offence: 'E4', round: a.round } : null
  if (a.kind === 'timeout' && b.kind === 'commit') return conflictOf(b, a)
  if (a.round !== b.round) return null
  if (a.kind === 'timeout' && b.kind === 'timeout')
    return a.hqcRound === b.hqcRound ? null : { offence: 'E5', round: a.round }
  if (a.kind === 'timeout' || b.kind === 'timeout') return null
  if (a.kind !== b.kind || equalBytes(a.blockHash, b.blockHash)) return null
  return { offence: a.kind === 'prepare' ? 'E1' : a.kind === 'commit' ? 'E2' : 'E3', round: a.round }
}
/** Whoever signed COMMIT of a round held its PrepareQC, and may not name a lower one when it gives up that round or a later. */
const isAmnesia = (committed: number, timeout: Extract<Statement, { readonly kind: 'timeout' }>): boolean =>
  timeout.round >= committed && (timeout.hqcRound ?? -1) < committed

/** Everything that is signed in a message, what rides along included; empty where the signer is no member of a set of this size. */
export function testimoniesOf(message: Message, memberCount: number): Testimony[] {
  switch (message.kind) {
    case 'proposal': {
      const { height, round, blockHash, justify, tc } = message.proposal
      const certificates = { justifyRound: justify?.round ?? null, tcHash: tc === null ? null : tcHash(tc) }
      const own = single({ kind: 'propose', height, round, blockHash, ...certificates }, message.proposal, memberCount)
      return [...own, ...(justify === null ? [] : [ofQc(justify)]), ...(tc === null ? [] : ofTc(tc))]
    }
    case 'vote': {
      const { type, height, round, blockHash } = message.vote
      return single({ kind: type, height, round, blockHash }, message.vote, memberCount)
    }
    case 'timeout': {
      const { height, round, hqcRound, qc } = message.timeout
      const own = single({ kind: 'timeout', height, round, hqcRound }, message.timeout, memberCount)
      return [...own, ...(qc === null ? [] : [ofQc(qc)])]
    }
    case 'qc':
      return [ofQc(message.qc)]
    case 'tc':
      return ofTc(message.tc)
    case 'status':
      return []
  }
}
const single = (
  statement: Statement,
  by: { readonly validator: number; readonly signature: Uint8Array },
  memberCount: number,
): Testimony[] =>
  by.validator < memberCount
    ? [{ statement, bitmap: bitmapOf([by.validator], memberCount), signature: by.signature }]
    : []
export const ofQc = ({ type, height, round, blockHash, bitmap, signature }: Qc): Testimony => ({
  statement: { kind: type, height, round, blockHash },
  bitmap,
  signature,
})
const ofTc = ({ height, round, groups, qc }: Tc): Testimony[] => [
  ...groups.map(({ hqcRound, bitmap, signature }): Testimony => {
    return { statement: { kind: 'timeout', height, round, hqcRound }, bitmap, signature }
  }),
  ...(qc === null ? [] : [ofQc(qc)]),
]

/** Who did what; `members` are set indices. */
export interface Accusation {
  readonly offence: OffenceKind
  readonly height: number
  /** Of an E4 the COMMIT's. */
  readonly round: number
  readonly members: readonly number[]
}
/** An offence with what shows it. */
export interface Found extends Accusation {
  readonly evidence: Evidence
}

/** What of a decided height is archived: certificates, and votes that none of them covers. */
export interface SignedAt {
  readonly height: number
  readonly certificates: readonly Testimony[]
  readonly votes: readonly Testimony[]
}

/** What the members of one height's set have signed, and the offences in it. Judges no signature. */
export interface Ledger {
  /** Takes a testimony and answers the offences that it shows with those before. Each (member, offence, round) is found once. */
  add(testimony: Testimony): { readonly isNews: boolean; readonly found: readonly Found[] }
  /** Whether it would show an offence that is not found yet: then its signature is worth a check. */
  isSuspect(testimony: Testimony): boolean
  /** Whether each of its signers is known to have said this. */
  covers(testimony: Testimony): boolean
  /** In order of arrival. */
  all(): readonly Testimony[]
}

/** Of one member at one height: an honest one makes four statements a round, a liar shall not fill the memory. */
const MEMBER_MAX = 1_024
/** Two statements of one kind and round are a proof; a third proves nothing more. */
const SLOT_MAX = 2

export function createLedger(memberCount: number): Ledger {
  const all: Testimony[] = []
  const byMember: Testimony[][] = Array.from({ length: memberCount }, () => [])
  const known = new Set<string>()

  /** The member's earlier testimony that excludes this one, by offence and round not found yet. */
  const opposed = (member: number, { statement }: Testimony): { held: Testimony; conflict: Conflict }[] =>
    (byMember[member] ?? []).flatMap((held) => {
      const conflict = conflictOf(held.statement, statement)
      return conflict === null || known.has(slotOf(member, conflict)) ? [] : [{ held, conflict }]
    })
  const take = (member: number, testimony: Testimony): boolean => {
    const held = byMember[member] ?? []
    const { kind, round } = testimony.statement
    const slot = held.filter(({ statement }) => statement.kind === kind && statement.round === round)
    if (slot.some(({ statement }) => isSame(statement, testimony.statement))) return false
    if (slot.length >= SLOT_MAX || held.length >= MEMBER_MAX) return false
    held.push(testimony)
    return true
  }
  const hasSaid = (member: number, { statement }: Testimony): boolean =>
    (byMember[member] ?? []).some((held) => isSame(held.statement, statement))
  return {
    all: () => all,
    covers: (testimony) => membersOf(testimony, memberCount).every((member) => hasSaid(member, testimony)),
    isSuspect: (testimony) => membersOf(testimony, memberCount).some((member) => opposed(member, testimony).length > 0),
    add(testimony) {
      const pairs = new Map<Testimony, { readonly conflict: Conflict; readonly members: number[] }>()
      let isNews = false
      for (const member of membersOf(testimony, memberCount)) {
        for (const { held, conflict } of opposed(member, testimony)) {
          const slot = slotOf(member, conflict)
          if (known.has(slot)) continue
          known.add(slot)
          const pair = pairs.get(held) ?? { conflict, members: [] }
          pair.members.push(member)
          pairs.set(held, pair)
        }
        if (take(member, testimony)) isNews = true
      }
      if (isNews) all.push(testimony)
      const { height } = testimony.statement
      const found = [...pairs].map(([held, { conflict, members }]): Found => {
        return { ...conflict, height, members, evidence: evidenceOf(held, testimony) }
      })
      return { isNews, found }
    },
  }
}
type Conflict = NonNullable<ReturnType<typeof conflictOf>>
const slotOf = (member: number, { offence, round }: Conflict): string => `${member}:${offence}:${round}`
const isSame = (a: Statement, b: Statement): boolean =>
  a === b || (a.kind === b.kind && a.round === b.round && equalBytes(payloadOf(a), payloadOf(b)))
const membersOf = ({ bitmap }: Testimony, memberCount: number): readonly number[] =>
  bitmapMembers(bitmap, memberCount) ?? []

/** The offences that messages of one height show: of a disagreement at least a third of the power (consensus, section 3, 6). */
export function offencesBetween(messages: readonly Message[], memberCount: number): Found[] {
  const ledger = createLedger(memberCount)
  return messages.flatMap((message) => testimoniesOf(message, memberCount).flatMap((t) => ledger.add(t).found))
}

/** The power of all who are named, each once. */
export const guiltyPower = (found: readonly Found[], set: ValidatorSet): bigint =>
  powerOf(new Set(found.flatMap(({ members }) => members)), set)

export const evidenceOf = (a: Testimony, b: Testimony): Evidence =>
  compareBytes(encodeTestimony(a), encodeTestimony(b)) <= 0
    ? { kind: 'conflict', first: a, second: b }
    : { kind: 'conflict', first: b, second: a }

// As bytes: RLP [1, testimony, testimony] or [2, header, section, CommitQC, parent's header or empty]. An optional round is round + 1, 0 for none.

const KINDS = { conflict: 1, header: 2 } as const
const NONE = new Uint8Array(0)
const optionalRound = (round: number | null): Uint8Array => rlpInt(round === null ? 0 : round + 1)

const contentOf = (s: Statement): Rlp[] => {
  const place = [rlpInt(SignType[s.kind]), rlpInt(s.height), rlpInt(s.round)]
  switch (s.kind) {
    case 'propose':
      return [...place, s.blockHash, optionalRound(s.justifyRound), s.tcHash ?? NONE]
    case 'prepare':
    case 'commit':
      return [...place, s.blockHash]
    case 'timeout':
      return [...place, optionalRound(s.hqcRound)]
  }
}
const testimonyToRlp = (t: Testimony): Rlp => [...contentOf(t.statement), t.bitmap, t.signature]
export const encodeTestimony = (t: Testimony): Uint8Array => encodeRlp(testimonyToRlp(t))
export const decodeTestimony = (bytes: Uint8Array): Testimony =>
  malformed(() => testimonyFromRlp(decodeSparseRlp(bytes)))

const testimonyFromRlp = (item: Rlp | undefined): Testimony => {
  const [type, height, round, ...rest] = asList(item)
  const place = { height: asNumber(height), round: roundFrom(asNumber(round)) }
  const kind = asNumber(type)
  const [bitmap, signature] = rest.slice(-2)
  const signed = { bitmap: asBytes(bitmap), signature: asBytes(signature, 96) }
  switch (kind) {
    case SignType.prepare:
    case SignType.commit: {
      const [hash] = asList(rest, 3)
      const name = kind === SignType.prepare ? 'prepare' : 'commit'
      return { statement: { kind: name, ...place, blockHash: hashFrom(hash) }, ...signed }
    }
    case SignType.timeout: {
      const [named] = asList(rest, 3)
      return { statement: { kind: 'timeout', ...place, hqcRound: optionalFrom(named) }, ...signed }
    }
    case SignType.propose: {
      const [hash, justify, tc] = asList(rest, 5)
      const certificates = {
        justifyRound: optionalFrom(justify),
        tcHash: asBytes(tc).length === 0 ? null : hashFrom(tc),
      }
      return { statement: { kind: 'propose', ...place, blockHash: hashFrom(hash), ...certificates }, ...signed }
    }
    default:
      throw refusal(`type ${kind} is no vote`)
  }
}
const hashFrom = (item: Rlp | undefined): Hash => asBytes(item, 32) as Hash // its length was checked
const optionalFrom = (item: Rlp | undefined): number | null => {
  const above = asNumber(item)
  return above === 0 ? null : roundFrom(above - 1)
}
/** What is signed has 32 bits for round + 1: a larger one would be signed as a small. */
const roundFrom = (round: number): number => {
  if (round > ROUND_MAX) throw refusal(`round ${round}`)
  return round
}

export const encodeEvidence = (evidence: Evidence): Uint8Array =>
  evidence.kind === 'conflict'
    ? encodeRlp([rlpInt(KINDS.conflict), testimonyToRlp(evidence.first), testimonyToRlp(evidence.second)])
    : encodeRlp([
        rlpInt(KINDS.header),
        encodeHeader(evidence.header),
        encodeSection(evidence.section),
        encodeQc(evidence.qc),
        evidence.parent === null ? NONE : encodeHeader(evidence.parent),
      ])

/** Shape and order only; `checkEvidence` says whether it holds. Throws EVIDENCE_MALFORMED. */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  if (bytes.length > EVIDENCE_MAX_BYTES) throw refusal(`${bytes.length} bytes, at most ${EVIDENCE_MAX_BYTES}`)
  return malformed(() => {
    const fields = asList(decodeSparseRlp(bytes))
    const kind = asNumber(fields[0])
    if (kind === KINDS.conflict) {
      const [, a, b] = asList(fields, 3)
      const [first, second] = [testimonyFromRlp(a), testimonyFromRlp(b)]
      if (compareBytes(encodeTestimony(first), encodeTestimony(second)) >= 0)
        throw refusal('its two parts are the same, or not in order')
      return { kind: 'conflict', first, second }
    }
    if (kind !== KINDS.header) throw refusal(`kind ${kind} is not known`)
    const [, header, section, qc, parent] = asList(fields, 5)
    return {
      kind: 'header',
      header: decodeHeader(asBytes(header)),
      section: decodeSection(asBytes(section)),
      qc: decodeQc(asBytes(qc)),
      parent: asBytes(parent).length === 0 ? null : decodeHeader(asBytes(parent)),
    }
  })
}

export const evidenceId = (evidence: Evidence): Hash => keccak(encodeEvidence(evidence))

const refusal = (reason: string) => new NodeError(EvidenceErrors.MALFORMED, { reason })
const malformed = <T>(run: () => T): T => {
  try {
    return run()
  } catch (cause) {
    if (!(cause instanceof NodeError) || !/^(RLP|BLOCK|VOTE)_/.test(cause.code)) throw cause
    throw new NodeError(EvidenceErrors.MALFORMED, { reason: cause.message }, { cause })
  }
}

// The check.

/** What evidence is judged by: the network, and the chain as far as it is final here. A block that runs has all of it in its state. */
export interface EvidenceContext {
  readonly domain: Domain
  /** Height of the last final block. */
  readonly head: number
  /** Seconds: the time of that block, or of the one that runs on it. */
  readonly nowS: number
  /** Seconds from the start of an offence's epoch in which it is punished: what was at stake in it cannot have left before. */
  readonly windowS: number
  readonly epochBlocks: number
  /** No block comes sooner after its parent. */
  readonly intervalMs: number
  /** The epoch of a height; null where it is not known here. */
  epochAt(height: number): EpochRoll | null
  /** Of the canonical block; null where it is not known here. State knows the last 8,191 (EIP-2935). */
  hashOf(height: number): Hash | null
}

/** The members of a set by their place in it: who reads them out of state pays for those alone that the evidence names. */
export interface Roll {
  readonly count: number
  at(place: number): Validator
}
export interface EpochRoll extends Roll, Omit<EpochSet, 'set'> {}
export const rollOf = ({ members }: ValidatorSet): Roll => ({
  count: members.length,
  at(place) {
    const member = members[place]
    assert(member !== undefined, `the set has a member ${place}`)
    return member
  },
})
export const rollOfEpoch = ({ set, seed, startTime }: EpochSet): EpochRoll => ({ ...rollOf(set), seed, startTime })

export type EvidenceVerdict =
  | {
      readonly kind: 'proven'
      readonly offence: OffenceKind
      readonly height: number
      readonly round: number
      readonly guilty: readonly Validator[]
    }
  /** Nobody honest makes it: the first two blame who brings it. The others are no proof here, and nobody's fault. */
  | { readonly kind: 'malformed' | 'forged' | 'outside' | 'unknown'; readonly fault: string }
type Refusal = Exclude<EvidenceVerdict, { readonly kind: 'proven' }>

export const heightOfEvidence = (evidence: Evidence): number =>
  evidence.kind === 'conflict' ? evidence.first.statement.height : evidence.qc.height

/** Costs two aggregate verifications at most. An honest validator is never found guilty, whoever made the evidence. */
export function checkEvidence(evidence: Evidence, context: EvidenceContext): EvidenceVerdict {
  const height = heightOfEvidence(evidence)
  if (height < 1) return no('malformed', `nobody signs height ${height}`)
  const epoch = height > context.head + 1 ? null : context.epochAt(height)
  if (epoch === null) return no('unknown', `the validators of height ${height} are not known here`)
  if (!isPunishable(epoch, context))
    return no('outside', `the epoch of height ${height} began at ${epoch.startTime}, over ${context.windowS} s ago`)
  const accusation = accusationOf(evidence, epoch.count)
  if (typeof accusation === 'string') return no('malformed', accusation)
  return evidence.kind === 'conflict'
    ? checkConflict(evidence, accusation, epoch, context)
    : checkAttack(evidence, accusation, epoch, context)
}

const isPunishable = ({ startTime }: EpochRoll, { nowS, windowS }: EvidenceContext): boolean =>
  nowS <= startTime + windowS

/** The lowest height whose offences are still punished: the first of the oldest such epoch, or of the present one where there is none. */
export function evidenceFrom(context: EvidenceContext): number {
  const firstOf = (epoch: number): number => epoch * context.epochBlocks + 1
  let [low, high] = [0, epochOf(context.head + 1, context.epochBlocks)]
  while (low < high) {
    const middle = (low + high) >> 1
    const epoch = context.epochAt(firstOf(middle))
    if (epoch !== null && isPunishable(epoch, context)) high = middle
    else low = middle + 1
  }
  return firstOf(low)
}

const no = (kind: Refusal['kind'], fault: string): Refusal => ({ kind, fault })

/** Whom of `count` members evidence accuses of what, before any signature is checked; or what is wrong with its shape. */
export function accusationOf(evidence: Evidence, count: number): Accusation | string {
  const height = heightOfEvidence(evidence)
  if (evidence.kind === 'header') {
    const { qc, header, section, parent } = evidence
    if (qc.type !== 'commit' || !equalBytes(qc.blockHash, headerHash(header)))
      return 'the certificate is of another block'
    if (!equalBytes(header.parentBeaconBlockRoot, sectionHash(section)))
      return 'the section is not the one of the header'
    if (parent !== null && !equalBytes(header.parentHash, headerHash(parent)))
      return 'the other header is not its parent'
    const members = bitmapMembers(qc.bitmap, count) ?? []
    return members.length === 0
      ? `a bitmap does not fit ${count} validators`
      : { offence: 'E6', height, round: qc.round, members }
  }
  const { first, second } = evidence
  for (const { statement, bitmap } of [first, second]) {
    const fault = shapeFault(statement)
    if (fault !== null) return fault
    if (bitmapMembers(bitmap, count) === null) return `a bitmap does not fit ${count} validators`
  }
  const conflict = conflictOf(first.statement, second.statement)
  if (conflict === null) return 'an honest validator may sign both'
  const both = new Set(membersOf(second, count))
  const members = membersOf(first, count).filter((member) => both.has(member))
  return members.length === 0 ? 'nobody signed both' : { ...conflict, height, members }
}

/**
 * Whoever signed both is guilty. Two PROPOSEs convict whether or not it was his turn: the signer's record lets an honest key sign one of
 * a height and round, so nobody honest is framed, and the turn would take the parent's randao, which no state keeps.
 */
const checkConflict = (
  { first, second }: Extract<Evidence, { readonly kind: 'conflict' }>,
  { offence, height, round, members }: Accusation,
  roll: Roll,
  { domain }: EvidenceContext,
): EvidenceVerdict => {
  for (const testimony of [first, second])
    if (!isSigned(testimony, roll, domain)) return no('forged', 'a signature does not verify')
  return { kind: 'proven', offence, height, round, guilty: members.map(roll.at) }
}

/** Rounds that fit what is signed, and that the rules allow: a TIMEOUT names no PrepareQC above its round. */
const shapeFault = (s: Statement): string | null => {
  const named = s.kind === 'timeout' ? s.hqcRound : s.kind === 'propose' ? s.justifyRound : null
  if (s.round > ROUND_MAX) return `round ${s.round}`
  return named !== null && named > s.round ? `round ${s.round} cannot name a certificate of round ${named}` : null
}

const payloadOf = (s: Statement): Uint8Array => {
  switch (s.kind) {
    case 'propose':
      return proposePayload(s)
    case 'prepare':
    case 'commit':
      return votePayload(s.height, s.round, s.blockHash)
    case 'timeout':
      return timeoutPayload(s.height, s.round, s.hqcRound)
  }
}
/** The 32 bytes that a BLS key signed. */
export const digestOf = (statement: Statement, domain: Domain): Hash =>
  signBytes(domain, SignType[statement.kind], payloadOf(statement))
/** Whether every listed member signed it. Costs one aggregate verification. */
export const isSigned = ({ statement, bitmap, signature }: Testimony, roll: Roll, domain: Domain): boolean => {
  const keys = (bitmapMembers(bitmap, roll.count) ?? []).map((place) => roll.at(place).blsKey)
  return curves().blsVerify(keys, digestOf(statement, domain), signature)
}

type Attack = Extract<Evidence, { readonly kind: 'header' }>

const checkAttack = (
  attack: Attack,
  { offence, height, round, members }: Accusation,
  epoch: EpochRoll,
  context: EvidenceContext,
): EvidenceVerdict => {
  const canonical = context.hashOf(height)
  if (canonical !== null && equalBytes(canonical, attack.qc.blockHash))
    return no('malformed', 'it is the block of the chain')
  const set = createValidatorSet(Array.from({ length: epoch.count }, (_, place) => epoch.at(place)))
  if (!isCertified(attack.qc, set, context.domain)) return no('forged', 'the certificate does not verify')
  if (!isInvalid(attack, { ...epoch, set }, context))
    return no('unknown', 'an honest validator may have found the header valid')
  return { kind: 'proven', offence, height, round, guilty: members.map(epoch.at) }
}

/**
 * Whether no honest validator can have found it valid. A header that is no child of the chain may lie on a fork that honest validators
 * followed, under a set that another past made: its `lastCommit` is judged only where it names this very set.
 */
const isInvalid = (attack: Attack, epoch: EpochSet, context: EvidenceContext): boolean => {
  const { header, section, qc } = attack
  const { set } = epoch
  const isOfSet = equalBytes(section.validatorsHash, validatorsHash(set))
  const parentHash = context.hashOf(qc.height - 1)
  if (
    parentHash !== null &&
    equalBytes(header.parentHash, parentHash) &&
    (!isOfSet || !isChild(attack, epoch, context))
  )
    return true
  if ((qc.height - 1) % context.epochBlocks === 0 || !isOfSet) return false
  const last = section.lastCommit
  const isOfParent =
    last?.type === 'commit' && last.height === qc.height - 1 && equalBytes(last.blockHash, header.parentHash)
  return !isOfParent || !isCertified(last, set, context.domain)
}

/** Whether a header whose parent is canonical is what that parent determines, as far as the evidence shows the parent. */
const isChild = (
  { header, section, qc: { height }, parent }: Attack,
  epoch: EpochSet,
  context: EvidenceContext,
): boolean => {
  const { epochBlocks, intervalMs } = context
  const extra = extraOf(header)
  if (header.number !== height || section.epoch !== epochOf(height, epochBlocks) || extra === null) return false
  const first = createRotation(epoch.set, epoch.seed).proposer((height - 1) % epochBlocks)
  if (parent === null) return extra.originRound > 0 || section.proposerIndex === first
  const lot = { parentRandao: parent.prevRandao, height, round: extra.originRound, first }
  return (
    section.proposerIndex === proposerByLot(epoch.set, lot) &&
    equalBytes(header.prevRandao, nextRandao(parent, section.reveal)) &&
    header.time > parent.time &&
    header.time * 1_000 + extra.ms >= headerTimeMs(parent) + intervalMs
  )
}

/** Null: round and milliseconds cannot be read, so that neither its proposer nor its time is what the parent determines. */
const extraOf = (header: Header): ReturnType<typeof decodeExtra> | null => {
  try {
    return decodeExtra(header.extraData)
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
  }
}
const isCertified = (qc: Qc, set: ValidatorSet, domain: Domain): boolean => {
  try {
    checkQc(qc, set, domain)
    return true
  } catch (error) {
    if (error instanceof NodeError && error.code === 'VOTE_CERTIFICATE') return false
    throw error
  }
}
