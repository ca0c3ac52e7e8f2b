// The votes of one height: what each validator said in each round, and when that is enough. Owns tallies and the offences that two
// votes prove; memory is bounded by a window of rounds, one vote per (validator, type, round) and one highest TIMEOUT each.
import { bytesToHex, equalBytes } from '../base/bytes.ts'
import { type Signed, validatorOf } from '../types/message.ts'
import { isQuorum, type Validator, type ValidatorSet } from '../types/validators.ts'
import type { Proposal, Shares, Timeout, Vote } from '../types/vote.ts'
import { BOUNDS } from './bounds.ts'
import type { Evidence } from './io.ts'

interface Round {
  proposal: Proposal | null
  readonly prepare: Ballot
  readonly commit: Ballot
  readonly timeouts: Map<number, Timeout>
  timeoutPower: bigint
  /** Offences already reported, so that a liar is reported once for each. */
  readonly reported: Set<string>
}
interface Ballot {
  readonly votes: Map<number, Vote>
  /** Power by block. */
  readonly power: Map<string, bigint>
}

export interface Book {
  readonly set: ValidatorSet
  readonly rounds: Map<number, Round>
  /** Each validator's highest TIMEOUT, however far. */
  readonly highest: Map<number, Timeout>
}

export interface Counted {
  /** True once: when this vote made the quorum. */
  readonly isQuorum: boolean
  readonly evidence: readonly Evidence[]
}
const NOTHING: Counted = { isQuorum: false, evidence: [] }

export const createBook = (set: ValidatorSet): Book => ({ set, rounds: new Map(), highest: new Map() })

/** Forgets the rounds that fell out of the window below `current`. */
export function forgetRounds(book: Book, current: number): void {
  for (const round of book.rounds.keys()) if (round < current - BOUNDS.rounds) book.rounds.delete(round)
}

export const isInWindow = (round: number, current: number): boolean => Math.abs(round - current) <= BOUNDS.rounds

/** The first proposal of a round; a second one for another block is an offence. */
export function addProposal(book: Book, proposal: Proposal): Counted {
  const round = roundOf(book, proposal.round)
  const first = round.proposal
  if (first === null) round.proposal = proposal
  else if (!equalBytes(first.blockHash, proposal.blockHash))
    return { isQuorum: false, evidence: report(round, 'E3', asSigned(first), asSigned(proposal)) }
  return NOTHING
}

/** The first vote of (validator, type, round) counts; a second one for another block only becomes evidence. */
export function addVote(book: Book, vote: Vote): Counted {
  const round = roundOf(book, vote.round)
  const ballot = round[vote.type]
  const first = ballot.votes.get(vote.validator)
  if (first !== undefined) {
    if (equalBytes(first.blockHash, vote.blockHash)) return NOTHING
    const offence = OFFENCE[vote.type]
    return { isQuorum: false, evidence: report(round, offence, asSigned(first), asSigned(vote)) }
  }
  ballot.votes.set(vote.validator, vote)
  const block = bytesToHex(vote.blockHash)
  const before = ballot.power.get(block) ?? 0n
  const power = before + powerOf(book, vote.validator)
  ballot.power.set(block, power)
  return {
    isQuorum: isQuorum(power, book.set) && !isQuorum(before, book.set),
    evidence: vote.type === 'commit' ? amnesiaOfCommit(book, vote) : [],
  }
}

/** Outside the window of rounds a TIMEOUT counts for the jump alone. */
export function addTimeout(book: Book, timeout: Timeout, current: number): Counted {
  const highest = book.highest.get(timeout.validator)
  if (highest === undefined || timeout.round > highest.round) book.highest.set(timeout.validator, timeout)
  if (!isInWindow(timeout.round, current)) return NOTHING
  const round = roundOf(book, timeout.round)
  const first = round.timeouts.get(timeout.validator)
  if (first !== undefined) {
    if (first.hqcRound === timeout.hqcRound) return NOTHING
    return { isQuorum: false, evidence: report(round, 'E5', asSigned(first), asSigned(timeout)) }
  }
  round.timeouts.set(timeout.validator, timeout)
  const before = round.timeoutPower
  round.timeoutPower += powerOf(book, timeout.validator)
  return {
    isQuorum: isQuorum(round.timeoutPower, book.set) && !isQuorum(before, book.set),
    evidence: amnesiaOfTimeout(book, timeout),
  }
}

/** The signatures behind a block. */
export function sharesOf(book: Book, vote: Pick<Vote, 'type' | 'round' | 'blockHash'>): Shares {
  const votes = book.rounds.get(vote.round)?.[vote.type].votes.values() ?? []
  return new Map(
    [...votes].filter((v) => equalBytes(v.blockHash, vote.blockHash)).map((v) => [v.validator, v.signature]),
  )
}

export const timeoutsOf = (book: Book, round: number): readonly Timeout[] => [
  ...(book.rounds.get(round)?.timeouts.values() ?? []),
]

/** The largest round above `current` that validators with more than a third of the power have given up or passed, or null. */
export function jumpTarget(book: Book, current: number): number | null {
  const ahead = [...book.highest.values()].filter(({ round }) => round > current).sort((a, b) => b.round - a.round)
  let power = 0n
  for (const { round, validator } of ahead) {
    power += powerOf(book, validator)
    if (3n * power > book.set.powerTotal) return round
  }
  return null
}

/**
 * Whether this vote can add nothing, so that its signature need not be checked, nor the vote passed on: it is counted already, or a
 * third one where two prove the offence. A liar may sign as many as he likes, and who passed them all on would be blamed for a flood.
 */
export function isCounted(book: Book, message: Signed, current: number): boolean {
  switch (message.kind) {
    case 'proposal': {
      const { round: at, blockHash, validator } = message.proposal
      const round = book.rounds.get(at)
      const first = round?.proposal
      return first != null && (equalBytes(first.blockHash, blockHash) || isReported(round, 'E3', validator))
    }
    case 'vote': {
      const { type, round: at, validator, blockHash } = message.vote
      const round = book.rounds.get(at)
      const first = round?.[type].votes.get(validator)
      return (
        first !== undefined && (equalBytes(first.blockHash, blockHash) || isReported(round, OFFENCE[type], validator))
      )
    }
    case 'timeout': {
      const { round: at, validator, hqcRound } = message.timeout
      if (!isInWindow(at, current)) return isNoLeap(at, book.highest.get(validator)?.round ?? -1, current)
      const round = book.rounds.get(at)
      const first = round?.timeouts.get(validator)
      return first !== undefined && (first.hqcRound === hqcRound || isReported(round, 'E5', validator))
    }
  }
}

const OFFENCE = { prepare: 'E1', commit: 'E2' } as const
const isReported = (round: Round | undefined, offence: Evidence['offence'], validator: number): boolean =>
  round?.reported.has(`${offence}:${validator}`) === true
/** Outside the window each TIMEOUT of a validator leads twice as far as the one before: a handful reaches any round. */
const isNoLeap = (round: number, highest: number, current: number): boolean =>
  round <= highest || (!isInWindow(highest, current) && round - current < 2 * (highest - current))

const ballot = (): Ballot => ({ votes: new Map(), power: new Map() })
const roundOf = (book: Book, at: number): Round => {
  let round = book.rounds.get(at)
  if (round === undefined) {
    round = {
      proposal: null,
      prepare: ballot(),
      commit: ballot(),
      timeouts: new Map(),
      timeoutPower: 0n,
      reported: new Set(),
    }
    book.rounds.set(at, round)
  }
  return round
}
const powerOf = (book: Book, validator: number): bigint => (book.set.members[validator] as Validator).power

const asSigned = (said: Proposal | Vote | Timeout): Signed =>
  'hqcRound' in said
    ? { kind: 'timeout', timeout: said }
    : 'type' in said
      ? { kind: 'vote', vote: said }
      : { kind: 'proposal', proposal: said }

const report = (round: Round, offence: Evidence['offence'], first: Signed, second: Signed): Evidence[] => {
  const validator = validatorOf(first)
  const key = `${offence}:${validator}`
  if (round.reported.has(key)) return []
  round.reported.add(key)
  return [{ offence, validator, first, second }]
}

/** E4: whoever signed COMMIT of a round held its PrepareQC, and may not name a lower one when it gives up that round or a later. */
const isAmnesia = (commit: Vote, timeout: Timeout): boolean =>
  timeout.round >= commit.round && (timeout.hqcRound ?? -1) < commit.round

const amnesiaOfCommit = (book: Book, commit: Vote): Evidence[] => {
  for (const round of book.rounds.values()) {
    const timeout = round.timeouts.get(commit.validator)
    if (timeout !== undefined && isAmnesia(commit, timeout))
      return report(round, 'E4', asSigned(commit), asSigned(timeout))
  }
  return []
}
const amnesiaOfTimeout = (book: Book, timeout: Timeout): Evidence[] => {
  for (const round of book.rounds.values()) {
    const commit = round.commit.votes.get(timeout.validator)
    if (commit !== undefined && isAmnesia(commit, timeout))
      return report(round, 'E4', asSigned(commit), asSigned(timeout))
  }
  return []
}
