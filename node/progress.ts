// How far consensus is: as metrics, as a status, and in words where no block comes. Watches what goes into the machine and its state;
// decides nothing.
import { type Address, bytesToHex, type Hash, type Hex } from '../chain/base/bytes.ts'
import type { Clock, Log, Meter } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { State } from '../chain/consensus/core.ts'
import type { Height } from '../chain/consensus/height.ts'
import type { Input } from '../chain/consensus/io.ts'
import { type Block, encodeHeader, encodeSection, headerTimeMs } from '../chain/types/block.ts'
import { heightOf, isSignedMessage, type Message, type Signed, validatorOf } from '../chain/types/message.ts'
import type { ConsensusStatus } from '../chain/types/query.ts'
import { sentCount } from '../chain/types/system-tx.ts'
import { isQuorum, type Validator, type ValidatorSet } from '../chain/types/validators.ts'
import { bitmapMembers, type Qc, ROUND_MAX } from '../chain/types/vote.ts'
import type { Network } from '../p2p/network.ts'

export interface ProgressDeps {
  readonly chain: Chain
  readonly network: () => Network | null
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
  /** Own index in the set of a height; null for who only follows there. */
  readonly indexAt: (height: number) => number | null
  /** Blocks of the current height, as far as they are here. */
  readonly blockOf: (hash: Hash) => Block | null
  /** Why this validator signs nothing at this height, as a clause about it; null where nothing stands in its way, and without a key. */
  readonly silence: (height: number) => string | null
}

/** A block is late so long after it was due, which is three lost rounds, and the log says why so often. */
const HALT_MS = 10_000
const LOG_EVERY_MS = 10_000
/** Validators named in a sentence. */
const NAMED_MAX = 10
/** Requests for a body after which it is called missing. */
const ASKED_OFTEN = 3
/** In seconds, on both sides of zero: whose clock is off shows in the sign. */
const CLOCK_BUCKETS = [-1.5, -1, -0.5, -0.2, 0, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 2.5, 4, 8]

/** The names are CometBFT's where it has one, so that dashboards and alerts carry over. */
const meters = (m: Meter) => ({
  height: m.gauge('consensus_height', 'Height that is being decided'),
  latest: m.gauge('consensus_latest_block_height', 'Height of the last final block'),
  rounds: m.gauge('consensus_rounds', 'Round of the current height'),
  roundSeconds: m.histogram(
    'consensus_round_duration_seconds',
    'From a round’s beginning, for round 0 its due, to its end',
  ),
  validators: m.gauge('consensus_validators', 'Validators in the set'),
  power: m.gauge('consensus_validators_power', 'Their voting power'),
  ownPower: m.gauge('consensus_validator_power', 'Voting power of this node'),
  lastSigned: m.gauge('consensus_validator_last_signed_height', 'Height of the last signature of this node'),
  missing: m.gauge(
    'consensus_missing_validators',
    'Validators whose COMMIT the last block’s certificate of its parent lacks',
  ),
  missingPower: m.gauge('consensus_missing_validators_power', 'Their voting power'),
  interval: m.histogram('consensus_block_interval_seconds', 'Between the times of a block and its parent'),
  txs: m.gauge('consensus_num_txs', 'Transactions of the last block'),
  txsTotal: m.counter('consensus_total_txs', 'Transactions of all blocks since the start'),
  size: m.gauge('consensus_block_size_bytes', 'Header, section and transactions of the last block'),
  lateVotes: m.counter('consensus_late_votes', 'Votes of heights and rounds that are past', ['vote_type']),
  prepareDelay: m.gauge(
    'consensus_quorum_prepare_delay',
    'Seconds from the proposal’s time to a quorum of PREPAREs here',
  ),
  timeDifference: m.histogram(
    'consensus_proposal_timestamp_difference',
    'Seconds from the proposal’s time to its coming here',
    ['is_timely'],
    CLOCK_BUCKETS,
  ),
})

/** Proposals of this height that the own clock refused. */
interface Untimely {
  count: number
  lateMs: number
  readonly proposers: Set<number>
}

export class Progress {
  readonly #deps: ProgressDeps
  readonly #meters: ReturnType<typeof meters>
  /** When something signed by a validator last came, by address: places change with the set, and the key may. */
  readonly #heardAtMs = new Map<Hex, number>()
  #enteredAtMs: number
  #headTimeMs: number
  #dueAtMs: number | null = null
  #round = 0
  #roundAtMs: number | null = null
  #isPrepared = false
  #untimely: Untimely = { count: 0, lateMs: 0, proposers: new Set() }
  #lastSigned: ConsensusStatus['lastSigned'] = null
  /** When a halt was first said, and last. */
  #halted: { readonly sinceMs: number; saidAtMs: number } | null = null

  constructor(deps: ProgressDeps) {
    this.#deps = deps
    this.#meters = meters(deps.meter)
    this.#enteredAtMs = deps.clock.nowMs()
    this.#headTimeMs = headerTimeMs(deps.chain.head().header)
    this.#measureSet(deps.chain.head().header.number + 1)
    this.#meters.latest.set(deps.chain.head().header.number)
  }

  /** Another height begins. */
  entered(height: number): void {
    this.#enteredAtMs = this.#deps.clock.nowMs()
    this.#dueAtMs = null
    this.#round = 0
    this.#roundAtMs = null
    this.#isPrepared = false
    this.#untimely = { count: 0, lateMs: 0, proposers: new Set() }
    this.#meters.height.set(height)
    this.#meters.rounds.set(0)
    this.#measureSet(height)
  }

  #measureSet(height: number): void {
    const { members, powerTotal } = this.#setOf(height)
    this.#meters.validators.set(members.length)
    this.#meters.power.set(Number(powerTotal))
    this.#meters.ownPower.set(Number(this.#ownAt(height)?.power ?? 0n))
  }
  #setOf(height: number): ValidatorSet {
    return this.#deps.chain.setOf(height) ?? NOBODY
  }
  #ownAt(height: number): Validator | null {
    const index = this.#deps.indexAt(height)
    return index === null ? null : (this.#setOf(height).members[index] ?? null)
  }

  /** After the machine took an input. */
  took(input: Input, state: State): void {
    const height = state.height
    if (height === null) return
    if (input.kind === 'message') this.#heard(input.message, height)
    if (input.kind === 'signed') this.#signed(input.message)
    if (input.kind === 'resume' && input.record !== null) this.#signed(input.record.message)
    if (input.kind === 'tick') this.#tellHalt(height)
    this.#follow(height)
  }

  /** The own clock judged a proposal. `lateMs` below 0: its time is ahead. */
  judged(proposer: number, lateMs: number, isTimely: boolean): void {
    this.#meters.timeDifference.observe(lateMs / 1_000, { is_timely: String(isTimely) })
    if (isTimely) return
    this.#untimely.count++
    this.#untimely.lateMs = lateMs
    this.#untimely.proposers.add(proposer)
  }

  committed(block: Block): void {
    const { clock, log } = this.#deps
    const { header, section, txs } = block
    const now = clock.nowMs()
    this.#endRound(now)
    this.#meters.latest.set(header.number)
    const sent = sentCount(block, this.#deps.chain.genesis.chainId)
    this.#meters.txs.set(sent)
    this.#meters.txsTotal.add(sent)
    const timeMs = headerTimeMs(header)
    if (header.number > 1) this.#meters.interval.observe((timeMs - this.#headTimeMs) / 1_000)
    this.#headTimeMs = timeMs
    const own = encodeHeader(header).length + (section === null ? 0 : encodeSection(section).length)
    this.#meters.size.set(txs.reduce((sum, tx) => sum + tx.length, own))
    if (section !== null && section.lastCommit !== null) this.#countMissing(section.lastCommit)
    if (this.#halted === null) return
    log.info({ height: header.number, afterMs: now - this.#halted.sinceMs }, 'blocks come again')
    this.#halted = null
  }

  status(state: State): ConsensusStatus {
    const { chain } = this.#deps
    const h = state.height
    if (h === null) {
      const height = chain.head().header.number + 1
      const { members, powerTotal } = this.#setOf(height)
      const proposer = members[chain.proposer(height)]?.address as Address // the rotation answers places in the set
      const power = { prepare: 0n, commit: 0n, timeout: 0n }
      const rest = {
        missing: [],
        self: this.#ownAt(height)?.address ?? null,
        lastSigned: this.#lastSigned,
        waitsFor: 'its start',
        halt: null,
        silence: null,
      }
      return { height, round: 0, step: 'wait', proposer, powerTotal, power, ...rest }
    }
    const { set, height } = h.start
    const tally = tallyOf(h)
    const step = stepOf(h)
    return {
      ...{ height, round: h.cur, step, powerTotal: set.powerTotal, lastSigned: this.#lastSigned },
      self: this.#ownAt(height)?.address ?? null,
      proposer: set.members[h.leader]?.address as Address, // the same
      power: {
        prepare: powerOf(tally.prepare, set),
        commit: powerOf(tally.commit, set),
        timeout: powerOf(tally.timeout, set),
      },
      missing: this.#missing(h, step === 'wait' || step === 'decide' ? everybody(set) : awaited(h, step, tally)),
      waitsFor: this.#waitsFor(h),
      halt: this.#haltOf(h),
      silence: this.#silence(h),
    }
  }

  // Numbers.

  #heard(message: Message, { cur, start }: Height): void {
    if (!isSignedMessage(message)) return
    this.#noteOf(message)
    if (message.kind !== 'vote') return
    const { height, round, type } = message.vote
    if (height < start.height || (height === start.height && round < cur))
      this.#meters.lateVotes.add(1, { vote_type: type })
  }
  /** Its signer was here now. */
  #noteOf(message: Signed): void {
    const signer = this.#setOf(heightOf(message)).members[validatorOf(message)]
    if (signer !== undefined) this.#heardAtMs.set(bytesToHex(signer.address), this.#deps.clock.nowMs())
  }

  #signed(message: Signed): void {
    this.#noteOf(message)
    const at =
      message.kind === 'proposal'
        ? { ...message.proposal, step: 'propose' }
        : message.kind === 'vote'
          ? { ...message.vote, step: message.vote.type }
          : { ...message.timeout, step: 'timeout' }
    this.#lastSigned = { height: at.height, round: at.round, step: at.step }
    this.#meters.lastSigned.set(at.height)
  }

  #follow(h: Height): void {
    const now = this.#deps.clock.nowMs()
    if (h.isDue && this.#dueAtMs === null) {
      this.#dueAtMs = now
      this.#roundAtMs ??= now
    }
    if (h.cur !== this.#round) {
      this.#endRound(now)
      this.#round = h.cur
      this.#roundAtMs = now
      this.#isPrepared = false
      this.#meters.rounds.set(h.cur)
    }
    if (this.#isPrepared || h.highQc?.round !== h.cur) return
    this.#isPrepared = true
    const block = this.#deps.blockOf(h.highQc.blockHash)
    if (block !== null) this.#meters.prepareDelay.set((now - headerTimeMs(block.header)) / 1_000)
  }

  #endRound(now: number): void {
    if (this.#roundAtMs !== null) this.#meters.roundSeconds.observe(Math.max(0, now - this.#roundAtMs) / 1_000)
  }

  #countMissing({ height, bitmap }: Qc): void {
    const { members } = this.#setOf(height)
    const signers = new Set(bitmapMembers(bitmap, members.length) ?? [])
    const absent = members.filter((_, i) => !signers.has(i))
    this.#meters.missing.set(absent.length)
    this.#meters.missingPower.set(Number(absent.reduce((sum, { power }) => sum + power, 0n)))
  }

  // Words.

  #missing({ start: { set } }: Height, heard: ReadonlySet<number>): ConsensusStatus['missing'] {
    const now = this.#deps.clock.nowMs()
    return set.members.flatMap(({ address, power }, i) => {
      if (heard.has(i)) return []
      const at = this.#heardAtMs.get(bytesToHex(address))
      return [{ address, power, heardMs: at === undefined ? null : Math.max(0, now - at) }]
    })
  }

  #waitsFor(h: Height): string {
    const step = stepOf(h)
    const qc = h.commitQc
    if (step === 'wait') return 'the block time'
    if (step === 'decide')
      return qc === null ? 'the disk' : `block ${bytesToHex(qc.blockHash)}, which is final, and its body`
    const heard = awaited(h, step, tallyOf(h))
    const missing = this.#named(this.#missing(h, heard))
    if (step === 'propose') return `the proposal of ${missing}`
    return `${step.toUpperCase()}: have ${shareOf(heard, h.start.set)}: missing ${missing}`
  }

  /** Takes part: gave up this round, or, while it runs, spoke in it or gave up the one before. */
  #haltOf(h: Height): string | null {
    const { set, height } = h.start
    const lateMs = this.#lateMs(h)
    if (lateMs === null || lateMs < HALT_MS) return null
    const present = presentIn(h)
    const head = `height ${height} round ${h.cur}: `
    const isEnough = isQuorum(powerOf(present, set), set)
    const seconds = Math.round(lateMs / 1_000)
    const why = isEnough
      ? `no block for ${seconds} s although ${percentOf(powerOf(present, set), set)} % of voting power takes part`
      : `have ${shareOf(present, set)}: missing ${this.#named(this.#missing(h, present))}`
    return [head + why, ...this.#obstacles(h)].join('; ')
  }

  #lateMs(h: Height): number | null {
    if (!h.isDue && h.cur === 0) return null
    return this.#deps.clock.nowMs() - Math.max(this.#dueAtMs ?? 0, this.#enteredAtMs)
  }

  /** What else stands in the way, as far as this node can see it. */
  #obstacles(h: Height): string[] {
    const found: string[] = []
    const port = this.#deps.network()
    if (port !== null && port.peers().length === 0) found.push('no peer is connected')
    const silence = this.#silence(h)
    if (silence !== null && this.#ownAt(h.start.height) !== null) found.push(`this validator signs nothing: ${silence}`)
    for (const { blockHash, requests } of h.wanted.values())
      if (requests >= ASKED_OFTEN)
        found.push(`block ${bytesToHex(blockHash)} is nowhere to be had (asked ${requests} times)`)
    for (const qc of [h.highQc, h.commitQc])
      if (qc !== null && h.verdicts.get(bytesToHex(qc.blockHash)) === 'invalid')
        found.push(`a quorum stands behind block ${bytesToHex(qc.blockHash)}, which is invalid here`)
    const { count, lateMs, proposers } = this.#untimely
    if (count > 0) {
      const whose =
        proposers.size > 1 ? 'check the clock of this machine' : 'the clock of its proposer or of this machine is off'
      const side = lateMs < 0 ? 'ahead of' : 'behind'
      found.push(
        `refused ${count} proposals as not timely, the last ${Math.abs(lateMs)} ms ${side} the own clock: ${whose}`,
      )
    }
    return found
  }

  #silence(h: Height): string | null {
    const { silence, indexAt } = this.#deps
    const reason = silence(h.start.height)
    if (reason !== null || indexAt(h.start.height) === null || h.signed.round <= ROUND_MAX) return reason
    const last = this.#lastSigned?.height
    const isAlone = this.#setOf(h.start.height).members.length === 1
    return (
      `its signer record ends at height ${last}, and what is below was signed already: it follows until those blocks are here` +
      (isAlone ? ', which no other validator has: bring them with `novachain import`, or start full nodes that do' : '')
    )
  }

  #named(missing: ConsensusStatus['missing']): string {
    const names = missing.slice(0, NAMED_MAX).map(({ address, heardMs }) => {
      const heard = heardMs === null ? 'not heard since the start' : `last heard ${Math.round(heardMs / 1_000)} s ago`
      return `${bytesToHex(address)} (${heard})`
    })
    const more = missing.length - names.length
    return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ')
  }

  #tellHalt(h: Height): void {
    const text = this.#haltOf(h)
    const now = this.#deps.clock.nowMs()
    if (text === null || (this.#halted !== null && now < this.#halted.saidAtMs + LOG_EVERY_MS)) return
    this.#halted = { sinceMs: this.#halted?.sinceMs ?? now - (this.#lateMs(h) ?? 0), saidAtMs: now }
    const { height } = h.start
    this.#deps.log.warn({ height, round: h.cur, step: stepOf(h) }, text)
  }
}

interface Tally {
  readonly prepare: ReadonlySet<number>
  readonly commit: ReadonlySet<number>
  readonly timeout: ReadonlySet<number>
}

/** Who stands behind the block that has most power in this round, and who gave it up. */
const tallyOf = ({ book, cur, start: { set } }: Height): Tally => {
  const round = book.rounds.get(cur)
  const behindMost = (type: 'prepare' | 'commit'): ReadonlySet<number> => {
    const byBlock = new Map<string, Set<number>>()
    for (const { validator, blockHash } of round?.[type].votes.values() ?? []) {
      const key = bytesToHex(blockHash)
      byBlock.set(key, (byBlock.get(key) ?? new Set()).add(validator))
    }
    return [...byBlock.values()].reduce((a, b) => (powerOf(b, set) > powerOf(a, set) ? b : a), new Set<number>())
  }
  return { prepare: behindMost('prepare'), commit: behindMost('commit'), timeout: gaveUp(book, cur) }
}

const gaveUp = (book: Height['book'], from: number): Set<number> => {
  const found = new Set<number>()
  for (const [validator, { round }] of book.highest) if (round >= from) found.add(validator)
  return found
}

const presentIn = (h: Height): ReadonlySet<number> => {
  if (h.hasFired) return gaveUp(h.book, h.cur)
  const { prepare, commit } = tallyOf(h)
  const before = h.entry?.groups.flatMap(({ bitmap }) => bitmapMembers(bitmap, h.start.set.members.length) ?? []) ?? []
  return new Set([...prepare, ...commit, ...before, ...gaveUp(h.book, h.cur - 1)])
}

const stepOf = (h: Height): ConsensusStatus['step'] => {
  if (h.isDecided || h.commitQc !== null) return 'decide'
  if (h.cur === 0 && !h.isDue) return 'wait'
  if (h.hasFired) return 'timeout'
  if (h.highQc?.round === h.cur) return 'commit'
  return h.proposals.has(h.cur) ? 'prepare' : 'propose'
}

/** Who did already what the step waits for. */
const awaited = (h: Height, step: 'propose' | 'prepare' | 'commit' | 'timeout', tally: Tally): ReadonlySet<number> => {
  if (step !== 'propose') return tally[step]
  const others = everybody(h.start.set)
  others.delete(h.leader)
  return others
}

/** Of a height far away. */
const NOBODY: ValidatorSet = { members: [], powerTotal: 0n }
const everybody = (set: ValidatorSet): Set<number> => new Set(set.members.keys())
const powerOf = (members: ReadonlySet<number>, set: ValidatorSet): bigint =>
  [...members].reduce((sum, i) => sum + (set.members[i]?.power ?? 0n), 0n)

const shareOf = (members: ReadonlySet<number>, set: ValidatorSet): string =>
  `${percentOf(powerOf(members, set), set)} % of voting power, need more than 66.67 %`
/** Rounded down, so that what is short of a quorum never reads like one. */
const percentOf = (power: bigint, { powerTotal }: ValidatorSet): string => {
  const tenths = (power * 1_000n) / powerTotal
  return `${tenths / 10n}.${tenths % 10n}`
}
