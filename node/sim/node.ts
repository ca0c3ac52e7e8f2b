// One simulated process around the real machine: its disk (log, signer's record, store), its clock and its engine. Owns the order of
// section 5 of the specification: log synced, record synced, signature sent. What a crash loses is what was not synced.
import { bytesToHex, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { faultOf } from '../../chain/consensus/check.ts'
import { createState, handle, relevance, type State } from '../../chain/consensus/core.ts'
import type { Effect, Input, Logged, Seen, Verdict } from '../../chain/consensus/io.ts'
import {
  heightOf,
  type Message,
  type SignRecord,
  signedPart,
  stepOf,
  type Unsigned,
} from '../../chain/types/message.ts'
import { bitmapMembers, type Qc } from '../../chain/types/vote.ts'
import { type Body, contentOf, DOMAIN, type Parcel, signedBy } from './parcel.ts'
import type { Random } from './random.ts'
import type { Crash } from './scenario.ts'
import type { World } from './world.ts'

interface Stored {
  readonly body: Body
  readonly qc: Qc | null
}
type Entry = { readonly height: number } & (
  | { readonly body: Body }
  | { readonly input: Logged }
  /** What the own key signed: in the log to show that the record beside it is the right one. */
  | { readonly own: { readonly round: number; readonly step: number } }
)

/** The order of effects of section 5, as places where a process can die. */
export const CRASH_POINTS = [
  ...(['log', 'sign', 'send', 'reply', 'serve', 'arm', 'build', 'fetch', 'check', 'commit', 'report'] as const),
  ...(['log synced', 'recorded', 'stored'] as const),
] as const
type CrashPoint = Effect['kind'] | (typeof CRASH_POINTS)[number]

const SYNC_MS = 2
const FULL = { kind: 'crash', steps: 0, downMs: 1_500, log: 'synced', record: 'kept', store: 'kept' } as const
/** Records that a disk which lies may lose again. */
const LIES_MAX = 6
const MIN_INTERVAL_MS = 1_000
const INTERVAL_MS = 3_000
export const PRECISION_MS = 500
export const MESSAGE_DELAY_MS = 4_000

export class SimNode {
  readonly id: number
  readonly world: World
  readonly random: Random
  /** How far the wall clock is off, and the least and most it ever was. */
  skewMs: number
  readonly skewsMs: { least: number; most: number }
  /** Blocks decided; at index 0 the genesis. Durable. */
  readonly store: Stored[]
  /** Durable up to `synced`. */
  #log: Entry[] = []
  #synced = 0
  record: SignRecord | null = null
  #lockRound: number | null = null
  /** Former records, of which a disk that lies may bring one back. */
  #formerRecords: { readonly record: SignRecord; readonly lockRound: number | null }[] = []
  /** It follows and signs nothing: its record is damaged, or older than what it is seen to have signed. */
  isMuted = false
  /** Volatile. */
  state: State | null = null
  #incarnation = 0
  #bodies = new Map<Hex, { readonly body: Body; verdict: Verdict | null }>()
  #timer = 0
  #dueMs = 0
  #diskFreeMs = 0
  #storing = false
  #pausedUntilMs = 0
  /** Effects left to perform before the crash that was ordered. */
  #crash: { steps: number; readonly fault: Crash } | null = null
  /** Whether the machine may ask for what the record forbids: it was not shown the record. */
  #isRecordUnread = false

  constructor(world: World, id: number, random: Random, skewMs: number) {
    this.world = world
    this.id = id
    this.random = random
    this.skewMs = skewMs
    this.skewsMs = { least: skewMs, most: skewMs }
    this.store = [{ body: world.genesis, qc: null }]
  }

  get height(): number {
    return this.store.length
  }
  /** What is on disk whatever happens now: who votes rests on it. */
  hasSynced(hash: Hash): boolean {
    return this.#log.slice(0, this.#synced).some((entry) => 'body' in entry && equalBytes(entry.body.hash, hash))
  }
  hasSyncedQc(round: number): boolean {
    return this.#log.slice(0, this.#synced).some((entry) => {
      if (!('input' in entry) || entry.input.kind !== 'message') return false
      const { message } = entry.input
      return message.kind === 'qc' && message.qc.type === 'prepare' && message.qc.round === round
    })
  }
  get isUp(): boolean {
    return this.state !== null
  }
  holds(hash: Hash): boolean {
    return (
      this.#bodies.get(bytesToHex(hash))?.verdict === 'valid' ||
      this.#log.some((entry) => 'body' in entry && equalBytes(entry.body.hash, hash))
    )
  }

  boot(record: Crash['record'] = 'kept'): void {
    if (this.isUp) return
    this.#incarnation++
    this.#crash = null
    this.state = createState()
    this.#bodies = new Map()
    this.#storing = false
    this.#guardRecord(record)
    // Behind its record the machine is shown it for a height that is not yet its own, and learns of it by a refusal when it gets there.
    this.#isRecordUnread = record === 'unread' || (this.record?.height ?? 0) > this.height
    this.#log = this.#log.filter(({ height }) => height === this.height)
    this.#synced = this.#log.length
    for (const entry of this.#log)
      if ('body' in entry) this.#bodies.set(bytesToHex(entry.body.hash), { body: entry.body, verdict: 'valid' })
    this.#enter() // effects of the replay were performed before the crash, or are asked for again after `resume`
    for (const entry of this.#log) if ('input' in entry) handle(this.state, entry.input)
    this.world.note(() => `node ${this.id} starts at height ${this.height}${this.isMuted ? ' and will not sign' : ''}`)
    this.#feed({ kind: 'resume', record: record === 'unread' || this.isMuted ? null : this.record })
    this.world.checks.onEnter(this)
    this.#tickLater(this.random.below(1_000))
  }

  /** A record that cannot be the last one: whoever signed on with it might sign twice. */
  #guardRecord(record: Crash['record']): void {
    if (record === 'damaged') this.#mute('signer record damaged')
    if (record !== 'old') return
    const former = this.random.pick(this.#formerRecords.length > 0 ? this.#formerRecords : [null])
    if (former === null) return
    // Where neither log nor store shows a later signature nobody can tell; disks that lie without a trace are outside of what is promised.
    if (!this.#isBehindTraces(former.record)) {
      this.world.count('record rolled back without a trace')
      return
    }
    this.record = former.record
    this.#lockRound = former.lockRound
    this.#mute('signer record rolled back')
  }
  #mute(why: string): void {
    this.isMuted = true
    this.world.count(why)
  }
  #isBehindTraces({ height, round, step }: SignRecord): boolean {
    const isLater = (h: number, r: number, s: number): boolean => (h - height || r - round || s - step) > 0
    const isLogged = this.#log.some((e) => 'own' in e && isLater(e.height, e.own.round, e.own.step))
    return (
      isLogged ||
      this.store.some(({ qc }) => {
        if (qc === null) return false
        const self = this.world.indexOf(qc.height, this.id)
        const members = bitmapMembers(qc.bitmap, this.world.setOf(qc.height).members.length) ?? []
        return self !== null && members.includes(self) && isLater(qc.height, qc.round, 3)
      })
    )
  }

  /** Hands its counts in; the machine forgets them when it dies. */
  leave(): void {
    for (const [rule, times] of this.state?.taken ?? [])
      this.world.taken.set(rule, (this.world.taken.get(rule) ?? 0) + times)
  }

  orderCrash(fault: Crash): void {
    if (this.isUp) this.#crash = { steps: fault.steps, fault }
  }
  setClock(skewMs: number): void {
    this.skewMs = skewMs
    const { least, most } = this.skewsMs
    Object.assign(this.skewsMs, { least: Math.min(least, skewMs), most: Math.max(most, skewMs) })
  }
  cancelCrash(): void {
    this.#crash = null
  }
  pause(untilMs: number): void {
    this.#pausedUntilMs = untilMs
  }

  #stop(fault: Crash, at: CrashPoint): void {
    const { world } = this
    world.count('crash')
    world.count(`crash at ${at}`)
    world.note(() => `node ${this.id} dies at ${at}, for ${fault.downMs} ms; log ${fault.log}, record ${fault.record}`)
    this.leave()
    this.state = null
    this.#incarnation++
    const bodies = this.#log.flatMap((entry) => ('body' in entry ? [entry.body.hash] : []))
    this.#log = this.#log.slice(0, this.#keptOfLog(fault.log))
    this.#bodies.clear()
    if (fault.store === 'lost') this.#loseStore()
    if (bodies.some((hash) => !world.isHeld(hash))) world.checks.onBodyLost(this.height)
    const upMs = Math.min(world.nowMs + fault.downMs, Math.max(world.nowMs, world.scenario.calmMs))
    world.at(upMs, () => this.boot(fault.record))
  }

  /** What was synced, and some of the rest in order; a torn last record is cut like one that never was. */
  #keptOfLog(log: Crash['log']): number {
    const kept = this.#synced + this.random.below(this.#log.length - this.#synced + 1)
    if (log === 'lost') {
      this.world.count('log lost')
      return 0
    }
    if (kept < this.#log.length) this.world.count('log torn')
    if (log === 'synced' || kept === 0) return kept
    const flipped = this.random.below(kept)
    if (flipped === kept - 1) {
      this.world.count('log damaged at its end')
      return flipped
    }
    // Damage in the middle stops the node; its operator moves the log away, and the record guards alone.
    this.world.count('log damaged in the middle')
    return 0
  }

  /** Only where others have these blocks: what nobody holds is lost for good. */
  #loseStore(): void {
    const isHeldElsewhere = this.world.nodes.some(
      (other) => other !== this && this.world.isHonest(other.id) && other.height >= this.height,
    )
    if (!isHeldElsewhere) return
    this.world.count('store lost')
    this.store.length = 1
    this.#log = []
  }

  /** Runs unless the process died meanwhile; a paused one runs it when it wakes. */
  #later(ms: number, work: () => void): void {
    const incarnation = this.#incarnation
    const run = (): void => {
      if (this.#incarnation !== incarnation) return
      if (this.#pausedUntilMs > this.world.nowMs) this.world.at(this.#pausedUntilMs, run)
      else work()
    }
    this.world.at(this.world.nowMs + ms, run)
  }

  #tickLater(ms: number): void {
    this.#later(ms, () => {
      this.#feed({ kind: 'tick' })
      this.#tickLater(1_000)
    })
  }

  get #tip(): Body {
    return (this.store.at(-1) as Stored).body
  }
  get #localMs(): number {
    return this.world.nowMs + this.skewMs
  }

  /** Hands the next height to the machine. The answer is performed by `#feed`, or forgotten in a replay. */
  #enter(): Effect[] {
    const start = this.world.startOf(this.height, this.id, this.store)
    this.#dueMs = Math.max(this.#localMs, this.#tip.timeMs + INTERVAL_MS) - this.skewMs
    const { height } = start
    this.#later(Math.max(0, this.#dueMs - this.world.nowMs), () => this.#feed({ kind: 'due', height }))
    return this.state === null ? [] : handle(this.state, start)
  }

  #feed(input: Input): void {
    if (this.state === null) return
    const effects = handle(this.state, input)
    this.#perform(effects)
    if (this.state === null) return
    if (input.kind === 'message') this.world.checks.onHeard(this, input.message)
    this.world.checks.afterInput(this)
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#isCrashDue(effect.kind)) return
      this.#performOne(effect)
      if (this.state === null) return
    }
  }

  #isCrashDue(at: CrashPoint): boolean {
    if (this.#crash === null || this.#crash.steps-- > 0) return false
    this.#stop(this.#crash.fault, at)
    return true
  }
  /** A write that fails ends the process: what follows it would rest on nothing. */
  #isDiskFull(at: CrashPoint): boolean {
    if (!this.world.isFull(this.id)) return false
    this.world.count('disk full')
    this.#stop({ ...FULL, node: this.id, atMs: this.world.nowMs }, at)
    return true
  }

  #performOne(effect: Effect): void {
    const { world } = this
    switch (effect.kind) {
      case 'log':
        this.#log.push({ height: this.height, input: effect.input })
        return
      case 'sign':
        this.#sign(effect)
        return
      case 'send': {
        const body = effect.message.kind === 'proposal' ? this.bodyOf(effect.message.proposal.blockHash) : null
        world.send(this.id, this.height, effect.to, { kind: 'message', message: effect.message, body, isHollow: false })
        return
      }
      case 'reply':
        world.sendTo(this.id, Number(effect.to), {
          kind: 'message',
          message: effect.message,
          body: null,
          isHollow: false,
        })
        return
      case 'serve': {
        const qc = this.store[effect.height]?.qc
        if (qc)
          world.sendTo(this.id, Number(effect.to), {
            kind: 'message',
            message: { kind: 'qc', qc },
            body: null,
            isHollow: false,
          })
        return
      }
      case 'arm':
        this.#arm(effect)
        return
      case 'build':
        this.#build(effect.round, effect.lastCommit)
        return
      case 'fetch':
        this.#fetch(effect)
        return
      case 'check':
        this.#receiveMessage(Number(effect.from), effect.message, null, effect.seen)
        return
      case 'commit':
        this.#commit(effect.blockHash, effect.qc)
        return
      case 'report':
        world.checks.onReport(this, effect.evidence, this.height)
        return
      case 'alarm':
        world.checks.onAlarm(this, effect.blockHash)
        return
    }
  }

  bodyOf(hash: Hash): Body | null {
    return (
      this.#bodies.get(bytesToHex(hash))?.body ??
      this.store.find(({ body }) => equalBytes(body.hash, hash))?.body ??
      null
    )
  }

  #arm(effect: Extract<Effect, { readonly kind: 'arm' }>): void {
    const { height, round } = effect
    const token = ++this.#timer
    const waitMs = effect.from === 'due' ? Math.max(0, this.#dueMs - this.world.nowMs) : 0
    this.#later(waitMs + effect.afterMs, () => {
      if (token === this.#timer) this.#feed({ kind: 'timer', height, round })
    })
  }

  #build(round: number, lastCommit: Qc | null): void {
    const { height } = this
    this.#later(this.world.execMs(this.id), () => {
      if (this.height !== height) return
      const timeMs = Math.max(this.#localMs, this.#tip.timeMs + MIN_INTERVAL_MS)
      const body = this.world.makeBody({
        parent: this.#tip,
        round,
        lastCommit,
        timeMs,
        salt: this.world.nowMs,
        isBad: false,
      })
      this.#bodies.set(bytesToHex(body.hash), { body, verdict: 'valid' })
      this.#log.push({ height, body })
      this.#feed({ kind: 'built', height, round, blockHash: body.hash })
    })
  }

  #fetch(effect: Extract<Effect, { readonly kind: 'fetch' }>): void {
    const { height, blockHash } = effect
    const held = this.#bodies.get(bytesToHex(blockHash))
    if (held !== undefined) {
      const { verdict } = held
      if (verdict === null) this.#judge(held.body)
      else this.#later(0, () => this.#feed({ kind: 'body', height, blockHash, verdict }))
      return
    }
    const others = this.world.nodes.filter(({ id }) => id !== this.id).map(({ id }) => id)
    const asked = effect.from === 'anybody' ? others : effect.from.map((i) => this.world.nodeOf(height, i))
    if (asked.length > 0) this.world.sendTo(this.id, this.random.pick(asked), { kind: 'want', hash: blockHash })
  }

  /** Executing takes its time and holds nothing up. A verdict is on the log before anybody votes on it. */
  #judge(body: Body): void {
    const { height } = this
    if (body.height !== height) return
    this.#later(this.world.execMs(this.id), () => {
      const held = this.#bodies.get(bytesToHex(body.hash))
      if (this.height !== height || held === undefined) return
      if (held.verdict === null) {
        held.verdict = this.world.isValid(body, this.#tip) ? 'valid' : 'invalid'
        if (held.verdict === 'valid') this.#log.push({ height, body })
      }
      this.#feed({ kind: 'body', height, blockHash: body.hash, verdict: held.verdict })
    })
  }

  #sign(effect: Extract<Effect, { readonly kind: 'sign' }>): void {
    this.#diskFreeMs = Math.max(this.world.nowMs, this.#diskFreeMs) + SYNC_MS
    this.#later(this.#diskFreeMs - this.world.nowMs, () => {
      if (this.#isDiskFull('log')) return
      this.#synced = this.#log.length
      if (this.#isCrashDue('log synced')) return
      const answer = this.#recordAndSign(effect)
      if (this.#isCrashDue('recorded')) return
      this.#later(1, () => this.#feed(answer))
    })
  }

  /** The signer of section 5, with both its refusals. */
  #recordAndSign({ message, highQc, entry }: Extract<Effect, { readonly kind: 'sign' }>): Input {
    const last = this.record
    const { height, round, step } = stepOf(message)
    const lockRound = this.#lockRound
    const order = last === null ? 1 : height - last.height || round - last.round || step - last.step
    if (last !== null && order <= 0) {
      if (order === 0 && equalBytes(signedPart(last.message).payload, signedPart(message).payload))
        return { kind: 'signed', message: last.message }
      return this.#refuse(last, message)
    }
    if (last?.height !== height) this.#lockRound = null
    if (message.kind === 'timeout' && this.#lockRound !== null && (message.timeout.hqcRound ?? -1) < this.#lockRound) {
      if (last === null || (last.highQc?.round ?? -1) < this.#lockRound)
        this.world.checks.fail(
          `the record of node ${this.id} lacks the certificate of its lock in round ${this.#lockRound}`,
        )
      return this.#refuse(last, message)
    }
    if (message.kind === 'vote' && message.vote.type === 'commit') this.#lockRound = round
    const signed = signedBy(message, this.world.secretOf(this.id))
    this.world.checks.onSign(this, signed)
    if (last !== null) this.#formerRecords = [...this.#formerRecords, { record: last, lockRound }].slice(-LIES_MAX)
    this.record = { height, round, step, message: signed, highQc, entry }
    this.#log.push({ height, own: { round, step } })
    return { kind: 'signed', message: signed }
  }

  #refuse(record: SignRecord, message: Unsigned): Input {
    if (!this.#isRecordUnread && this.world.isHonest(this.id)) this.world.checks.onRefused(this.id, message)
    return { kind: 'refused', record }
  }

  #commit(blockHash: Hash, qc: Qc): void {
    const held = this.#bodies.get(bytesToHex(blockHash))
    if (held === undefined || this.#storing)
      this.world.checks.fail(`node ${this.id} cannot commit ${bytesToHex(blockHash)}`)
    this.#storing = true
    const { height } = this
    this.#later(SYNC_MS, () => {
      if (this.#isDiskFull('commit')) return
      this.world.checks.onDecide(this, held.body, qc)
      this.world.onFinal(held.body, qc, this.#tip)
      this.store.push({ body: held.body, qc }) // one synced batch
      if (this.#isCrashDue('stored')) return
      this.#log = this.#log.filter((entry) => entry.height > height)
      this.#synced = this.#log.length
      this.#storing = false
      for (const [key, { body }] of this.#bodies) if (body.height <= height) this.#bodies.delete(key)
      this.#perform(this.#enter())
      this.world.checks.onEnter(this)
      if (this.state !== null) this.world.checks.afterInput(this)
    })
  }

  receive(from: number, parcel: Parcel): void {
    this.#later(0, () => {
      if (this.state === null) return
      switch (parcel.kind) {
        case 'message':
          if (parcel.body !== null && !parcel.isHollow) this.#receiveBodyOf(parcel.message, parcel.body)
          this.#receiveMessage(from, parcel.message, parcel.body, null)
          return
        case 'want': {
          const body = this.bodyOf(parcel.hash)
          if (body !== null) this.world.sendTo(this.id, from, { kind: 'body', body })
          return
        }
        case 'body':
          this.#receiveBody(parcel.body)
          return
      }
    })
  }

  #receiveBody(body: Body): void {
    const key = bytesToHex(body.hash)
    if (body.height !== this.height || this.#bodies.has(key)) return
    this.#bodies.set(key, { body, verdict: null })
    this.#judge(body)
  }

  #receiveMessage(from: number, message: Message, body: Body | null, before: Seen | null): void {
    if (this.state === null) return
    const height = heightOf(message)
    const relevant = relevance(this.state, message)
    if (relevant === 'drop') return
    if (relevant === 'heard') {
      this.#feed({ kind: 'heard', height, from: String(from) })
      return
    }
    const seen = message.kind === 'proposal' ? (before ?? this.#lookAt(message.proposal, body)) : null
    if (message.kind === 'proposal' && seen === null) return
    const peer = String(from)
    const set = this.world.knownSet(height, this.height)
    if (set === null) {
      this.#feed({ kind: 'unchecked', message, from: peer, seen })
      return
    }
    const fault = this.world.faultOnce(contentOf(message), () => faultOf(message, set, DOMAIN))
    if (fault !== null) {
      this.world.checks.onFault(from, message, fault)
      return
    }
    this.#feed({ kind: 'message', message, from: peer, seen })
  }

  /** A body that came with its proposal. Ahead of its height it waits unjudged; the machine asks for it when it gets there. */
  #receiveBodyOf(message: Message, body: Body): void {
    if (message.kind !== 'proposal' || !equalBytes(message.proposal.blockHash, body.hash)) return
    const key = bytesToHex(body.hash)
    if (body.height === this.height) this.#receiveBody(body)
    else if (body.height > this.height && body.height <= this.height + 2 && !this.#bodies.has(key))
      this.#bodies.set(key, { body, verdict: null })
  }

  #lookAt(
    proposal: { readonly height: number; readonly round: number; readonly blockHash: Hash },
    body: Body | null,
  ): Seen | null {
    if (body === null || !equalBytes(body.hash, proposal.blockHash) || body.height !== proposal.height) return null
    const lateMs = this.#localMs - body.timeMs
    const maxMs = MESSAGE_DELAY_MS * 1.1 ** proposal.round + PRECISION_MS
    const { lastCommit } = body
    if (lastCommit !== null && this.world.faultOfQc(lastCommit, proposal.height - 1) !== null) return null
    return { originRound: body.originRound, isTimely: lateMs >= -PRECISION_MS && lateMs <= maxMs, lastCommit }
  }
}
