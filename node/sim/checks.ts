// What must hold in every simulated network after every event. Knows everything that honest validators signed, also before their crashes.
import { bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { BOUNDS } from '../../chain/consensus/bounds.ts'
import type { Evidence } from '../../chain/consensus/io.ts'
import { guiltyPower, offencesBetween } from '../../chain/types/evidence.ts'
import { heightOf, type Message, type Signed, STEPS, stepOf, type Unsigned } from '../../chain/types/message.ts'
import type { ValidatorSet } from '../../chain/types/validators.ts'
import { checkQc, type Qc, type Tc, timeoutPayload, votePayload } from '../../chain/types/vote.ts'
import { Court } from './court.ts'
import type { SimNode } from './node.ts'
import { type Body, DOMAIN } from './parcel.ts'
import { isMinority } from './scenario.ts'
import { Signatures } from './signatures.ts'
import { Witness } from './witness.ts'
import type { World } from './world.ts'

/** Ten repeats in silence, then a question and its answer: with a slow body and a full inbox. */
const LAG_MAX_MS = 14_000

export class Violation extends Error {}

export class Checks {
  readonly #world: World
  readonly decided = new Map<number, { readonly body: Body; readonly qc: Qc }>()
  readonly #prepared = new Map<string, Hash>()
  readonly #signatures = new Signatures()
  /** By node: the last (height, round, step) that its key signed, whatever the process remembers. */
  readonly #last = new Map<number, readonly [number, number, number]>()
  /** By height: the highest round that honest signatures open. */
  readonly #open = new Map<number, number>()
  readonly #certified = new WeakSet<object>()
  readonly #witness: Witness
  readonly #court: Court
  /** Liars have a third of the power or more: agreement is not promised, but that whoever breaks it is named. */
  readonly #isMajor: boolean
  /** By height, there: what honest nodes hold in their archives. */
  readonly #archive = new Map<number, Set<Message>>()
  /** By height: when the first honest node had decided it; by node: when it came to its height. */
  readonly #decidedMs = new Map<number, number>()
  readonly #enteredMs = new Map<number, number>()
  /** The first refusal by a signer whose record the machine knew; judged at the end, for what comes of it may be worse. */
  refusal: string | null = null
  readonly #prepareds = new Set<string>()
  /** It forked and the guilty are named: what comes after means nothing. */
  isForked = false
  /** By height: the round above which the calm is measured. */
  readonly roughRounds = new Map<number, number>()
  /** The last height that somebody had decided by then. */
  #roughHeight = 0
  /** Heights of which a body was lost by all who held it: they go on only when a liar shows it again. */
  readonly #lostAt = new Set<number>()
  /** Honest-led rounds that a decision took after the calm, by how many. */
  readonly honestRounds = new Map<number, number>()

  constructor(world: World) {
    this.#world = world
    this.#witness = new Witness(world, (what) => this.fail(what))
    this.#court = new Court(world, (what) => this.fail(what))
    const { powers, byzantine } = world.scenario
    this.#isMajor = !isMinority(powers, byzantine)
  }

  fail(what: string): never {
    throw new Violation(`at ${this.#world.nowMs} ms: ${what}`)
  }

  onSign(by: SimNode, message: Signed): void {
    const node = by.id
    this.#world.note(() => `node ${node} signs ${wordsOf(message)}`)
    if (!this.#world.isHonest(node)) return
    const fault = this.#signatures.add(node, message)
    if (fault !== null) this.fail(`node ${fault}`)
    this.#checkOrder(by, message)
  }

  /** The record only rises, through every crash; and what a vote rests on is on disk before it leaves. */
  #checkOrder(by: SimNode, message: Signed): void {
    const { height, round, step } = stepOf(message)
    const last = this.#last.get(by.id)
    if (last !== undefined && (height - last[0] || round - last[1] || step - last[2]) <= 0)
      this.fail(`node ${by.id} signed step ${step} of round ${height}/${round} after ${last.join('/')}`)
    this.#last.set(by.id, [height, round, step])
    const opened = message.kind === 'timeout' ? round + 1 : round
    if (opened > (this.#open.get(height) ?? 0)) this.#open.set(height, opened)
    if (message.kind !== 'vote' || by.height > height) return // a vote on its way when its height was stored
    const { type, blockHash } = message.vote
    if (!by.hasSynced(blockHash))
      this.fail(`node ${by.id} votes in ${height}/${round} on a body that is not on its disk`)
    if (type === 'prepare' && !this.#isMajor) this.#checkPrepare(by, height, round, blockHash)
    else if (type === 'commit' && by.record?.highQc?.round !== round && !by.hasSyncedQc(round))
      this.fail(`node ${by.id} signed COMMIT ${height}/${round} without its PrepareQC on disk`)
  }

  onRefused(node: number, message: Unsigned): void {
    const { height, round } = stepOf(message)
    this.refusal ??= `node ${node} was refused a ${message.kind} of ${height}/${round}, with its record intact and read`
  }

  /** A block is first prepared in the round that built it, in its proposer's name, and timely. */
  #checkPrepare(by: SimNode, height: number, round: number, hash: Hash): void {
    const kept = by.state?.height?.proposals.get(round)?.proposal
    const parent = by.store.at(-1)?.body
    if (kept !== undefined && parent !== undefined) {
      const leader = this.#world.proposerOf(height, round, parent.hash)
      if (kept.validator !== leader)
        this.fail(`node ${by.id} prepares a block of ${kept.validator}, not of the leader ${leader}`)
    }
    const named = kept?.tc?.groups.at(-1)?.hqcRound ?? null
    const justify = kept?.justify ?? null
    if (named !== null && (justify === null || justify.round < named || !equalBytes(justify.blockHash, hash)))
      this.fail(
        `node ${by.id} prepares in ${height}/${round} another block than that of round ${named}, which the TC names`,
      )
    const key = bytesToHex(hash)
    if (!this.#prepareds.has(key) && by.bodyOf(hash)?.originRound !== round)
      this.fail(`node ${by.id} is the first to prepare a block in round ${round}, which names another`)
    this.#prepareds.add(key)
    this.#world.checkTimely(by, hash, round)
  }

  /** Says what an honest validator must have reported by now. */
  onHeard(node: SimNode, message: Message): void {
    if (!this.#world.isHonest(node.id)) return
    this.#keep(message)
    this.#court.onHeard(message)
    this.#witness.onHeard(node, message)
  }

  #keep(message: Message): void {
    if (!this.#isMajor) return
    const height = heightOf(message)
    const kept = this.#archive.get(height) ?? new Set()
    this.#archive.set(height, kept.add(message))
  }

  /** Two blocks decided at one height: what the honest hold together names a third of the power, and nobody honest. */
  #onFork(height: number): void {
    const set = this.#world.setOf(height)
    const found = offencesBetween([...(this.#archive.get(height) ?? [])], set.members.length)
    const named = [...new Set(found.flatMap(({ members }) => members))].map((i) => this.#world.nodeOf(height, i))
    for (const node of named)
      if (this.#world.isHonest(node)) this.fail(`honest node ${node} is named for a disagreement`)
    const power = guiltyPower(found, set)
    if (3n * power < set.powerTotal)
      this.fail(`a disagreement at height ${height} names power ${power} of ${set.powerTotal} only`)
    for (const { offence } of found) this.#world.count(`disagreement shown by ${offence}`)
    this.#world.count('disagreement, the guilty named')
    this.#world.note(() => `height ${height} forks; its archives name nodes ${named.join(', ')}`)
    this.isForked = true
  }

  /** Whatever certificate an honest node holds: a quorum, and no honest validator in it who did not say just that. */
  #checkQuorum(certificate: Qc | Tc): void {
    if (this.#certified.has(certificate)) return
    this.#certified.add(certificate)
    this.#keep('type' in certificate ? { kind: 'qc', qc: certificate } : { kind: 'tc', tc: certificate })
    const { height, round } = certificate
    const set = this.#world.setOf(height)
    const isQc = 'type' in certificate
    const parts = isQc ? [{ ...certificate, hqcRound: null }] : certificate.groups
    const seen = new Set<number>()
    for (const { bitmap, hqcRound } of parts) {
      if (bitmap.length !== Math.ceil(set.members.length / 8))
        this.fail(`a bitmap of ${bitmap.length} bytes is believed`)
      const [step, payload] = isQc
        ? [STEPS[certificate.type], votePayload(height, round, certificate.blockHash)]
        : [STEPS.timeout, timeoutPayload(height, round, hqcRound)]
      for (let i = 0; i < 8 * bitmap.length; i++) {
        if ((((bitmap[i >> 3] as number) >> (i & 7)) & 1) === 0) continue
        if (seen.has(i)) this.fail(`a certificate of ${height}/${round} names validator ${i} twice`)
        seen.add(i)
        this.#checkSaid(certificate, i, step, payload)
      }
    }
    if (!isMore(seen, set)) this.fail(`a certificate of ${height}/${round} is no quorum`)
  }
  #checkSaid({ height, round }: Qc | Tc, validator: number, step: number, payload: Uint8Array): void {
    const node = this.#world.idsOf(height)[validator]
    if (node === undefined) this.fail(`a certificate of height ${height} names validator ${validator}`)
    if (!this.#world.isHonest(node)) return
    const said = this.#signatures.said(node, height, round, step)
    if (said === null || !equalBytes(said, payload))
      this.fail(`a certificate says that node ${node} signed step ${step} of ${height}/${round}`)
  }

  onDecide(node: SimNode, body: Body, qc: Qc): void {
    const world = this.#world
    world.elect(body)
    if (!world.isHonest(node.id)) return
    const { height } = body
    const parent = node.store.at(-1)?.body
    if (parent === undefined || height !== parent.height + 1 || !world.isValid(body, parent))
      this.fail(`node ${node.id} decided an invalid block at height ${height}`)
    if (!equalBytes(qc.blockHash, body.hash) || qc.height !== height || qc.type !== 'commit')
      this.fail(`node ${node.id} decided without its certificate at height ${height}`)
    checkQc(qc, world.setOf(height), DOMAIN)
    this.#checkQuorum(qc)
    if (body.lastCommit !== null) this.#checkQuorum(body.lastCommit)
    world.note(
      () => `node ${node.id} decides height ${height} in round ${qc.round}: ${bytesToHex(body.hash).slice(0, 10)}`,
    )
    const before = this.decided.get(height)
    this.#enteredMs.set(node.id, world.nowMs)
    if (before === undefined) {
      this.decided.set(height, { body, qc })
      this.#decidedMs.set(height, world.nowMs)
    } else if (!equalBytes(before.body.hash, body.hash)) {
      if (this.#isMajor) {
        this.#onFork(height)
        return
      }
      this.fail(
        `disagreement at height ${height}: ${bytesToHex(before.body.hash)} and ${bytesToHex(body.hash)} of node ${node.id}`,
      )
    }
    if (this.#isMajor) return
    if (world.isCalm && height > this.#roughHeight && !this.#lostAt.has(height)) this.#checkRound(node, height, parent)
  }

  /** After the calm: decided in the first honest-led round above the highest honest one, or in the one after it. */
  #checkRound(node: SimNode, height: number, parent: Body): void {
    const world = this.#world
    const cur = node.state?.height?.cur ?? 0
    const members = world.idsOf(height).filter((id) => world.isSigning(id))
    if (members.some((id) => (world.nodes[id]?.height ?? 0) < height)) return // one is still catching up, and may be its leader
    const from = (this.roughRounds.get(height) ?? -1) + 1
    let led = 0
    for (let round = from; round < cur; round++)
      if (world.isSigning(world.nodeOf(height, world.proposerOf(height, round, parent.hash)))) led++
    this.honestRounds.set(led, (this.honestRounds.get(led) ?? 0) + 1)
    if (led > 1)
      this.fail(
        `node ${node.id} decided height ${height} in round ${cur}, after ${led} honest leaders from round ${from}`,
      )
  }

  onCalm(): void {
    this.#roughHeight = Math.max(0, ...this.decided.keys())
    for (const node of this.#world.nodes) this.onEnter(node)
  }

  /** In the calm rounds are measured from the highest one that an honest node was in when the last honest member came to the height. */
  onEnter(node: SimNode): void {
    if (!this.#world.isCalm || !this.#world.isSigning(node.id) || !this.#world.idsOf(node.height).includes(node.id))
      return
    const { height } = node
    const present = this.#world.nodes.filter((other) => this.#world.isHonest(other.id) && other.height === height)
    const rounds = present.map((other) =>
      Math.max(other.state?.height?.cur ?? 0, other.record?.height === height ? other.record.round : 0),
    )
    if (
      rounds.some((round) => round > 0) ||
      this.roughRounds.has(height) ||
      this.#world.nowMs === this.#world.scenario.calmMs
    )
      this.roughRounds.set(height, Math.max(...rounds))
  }

  onBodyLost(height: number): void {
    this.#world.count('body lost by all')
    this.#lostAt.add(height)
  }

  onReport(by: SimNode, report: Evidence, height: number): void {
    const { offence, validator } = report
    this.#witness.onReport(by, `${offence} ${validator}`)
    const node = this.#world.nodeOf(height, validator)
    if (this.#world.isHonest(node)) this.fail(`honest node ${node} is accused of ${offence} at height ${height}`)
    this.#court.onReport(report, height)
  }

  onAlarm(node: SimNode, hash: Hash): void {
    if (this.#world.isHonest(node.id))
      this.fail(`a quorum stands behind ${bytesToHex(hash)}, invalid to node ${node.id}`)
  }

  onFault(from: number, message: Message, fault: string): void {
    this.#world.count('faulty message dropped')
    if (this.#world.isHonest(from)) this.fail(`honest node ${from} sent a faulty ${message.kind}: ${fault}`)
  }

  afterInput(node: SimNode): void {
    const h = node.state?.height
    if (h === undefined || h === null || !this.#world.isHonest(node.id)) return
    const qc = h.highQc
    for (const held of [qc, h.commitQc, h.entry]) if (held !== null) this.#checkQuorum(held)
    if (!this.#isMajor && h.cur > (this.#open.get(h.start.height) ?? 0))
      this.fail(`node ${node.id} is in round ${h.cur} of height ${h.start.height}, which no honest validator opened`)
    if (qc !== null) {
      if (qc.round > h.cur) this.fail(`node ${node.id} holds PrepareQC(${qc.round}) in round ${h.cur}`)
      const key = `${qc.height}:${qc.round}`
      const before = this.#prepared.get(key)
      if (before === undefined) this.#prepared.set(key, qc.blockHash)
      else if (!this.#isMajor && !equalBytes(before, qc.blockHash))
        this.fail(`two blocks prepared at height and round ${key}`)
    }
    this.#checkLag(node)
    if (this.#world.events % 64 === 0) this.#checkBounds(node)
  }

  /** In the calm nobody sits in a height for long that another has decided. */
  #checkLag(node: SimNode): void {
    const { nowMs, isCalm, scenario } = this.#world
    const decidedMs = this.#decidedMs.get(node.height)
    if (!isCalm || this.#isMajor || decidedMs === undefined || this.#lostAt.has(node.height)) return
    if ((node.record?.height ?? 0) > node.height) return // its store was lost: it may sign nothing here, and block sync is not simulated
    const sinceMs = Math.max(scenario.calmMs, decidedMs, this.#enteredMs.get(node.id) ?? 0)
    if (nowMs - sinceMs > LAG_MAX_MS)
      this.fail(`node ${node.id} is in height ${node.height} for ${nowMs - sinceMs} ms after another decided it`)
  }

  #checkBounds(node: SimNode): void {
    const state = node.state
    const h = state?.height
    if (!state || !h) return
    const members = h.start.set.members.length
    const rounds = 2 * BOUNDS.rounds + 1
    const sizes: readonly (readonly [string, number, number])[] = [
      ['rounds', h.book.rounds.size, rounds],
      ['proposals', h.proposals.size, rounds],
      ['highest', h.book.highest.size, members],
      ['wanted', h.wanted.size, rounds],
      ['verdicts', h.verdicts.size, rounds],
      ['late', h.late.size, this.#world.nodes.length],
      ['future heights', state.future.checked.size, BOUNDS.futureHeights],
      ['unchecked', state.future.unchecked.size, BOUNDS.uncheckedPeers],
      ['answered', state.answered.size, BOUNDS.answered],
      ['effects', state.effects.length, 0],
    ]
    for (const [what, size, max] of sizes)
      if (size > max) this.fail(`node ${node.id} keeps ${size} ${what}, bound ${max}`)
  }
}

const isMore = (members: Iterable<number>, set: ValidatorSet): boolean => {
  let power = 0n
  for (const i of members) power += set.members[i]?.power ?? 0n
  return 3n * power > 2n * set.powerTotal
}

const wordsOf = (message: Signed): string => {
  const { height, round } = stepOf(message)
  const short = (hash: Hash): string => bytesToHex(hash).slice(0, 10)
  switch (message.kind) {
    case 'proposal':
      return `PROPOSE ${height}/${round} ${short(message.proposal.blockHash)}`
    case 'vote':
      return `${message.vote.type.toUpperCase()} ${height}/${round} ${short(message.vote.blockHash)}`
    case 'timeout':
      return `TIMEOUT ${height}/${round} naming ${message.timeout.hqcRound ?? 'none'}`
  }
}
