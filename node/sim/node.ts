// One simulated process around the real machine: its disk (log, signer's record, store), its clock and its engine. Owns the order of
// section 5 of the specification: log synced, record synced, signature sent. What a crash loses is what was not synced.
import { bytesToHex, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { faultOf } from '../../chain/consensus/check.ts'
import { createState, handle, relevance, type State } from '../../chain/consensus/core.ts'
import type { Effect, Input, Logged, Seen, Verdict } from '../../chain/consensus/io.ts'
import { heightOf, type Message, type SignRecord, signedPart, stepOf } from '../../chain/types/message.ts'
import type { Qc } from '../../chain/types/vote.ts'
import { type Body, contentOf, DOMAIN, type Parcel, signedBy } from './parcel.ts'
import type { Random } from './random.ts'
import type { Fault } from './scenario.ts'
import type { World } from './world.ts'

interface Stored {
  readonly body: Body
  readonly qc: Qc | null
}
type Entry = { readonly height: number } & ({ readonly body: Body } | { readonly input: Logged })

const SYNC_MS = 2
const MIN_INTERVAL_MS = 1_000
const INTERVAL_MS = 3_000
const PRECISION_MS = 500
const MESSAGE_DELAY_MS = 4_000

export class SimNode {
  readonly id: number
  readonly world: World
  readonly random: Random
  readonly skewMs: number
  /** Blocks decided; at index 0 the genesis. Durable. */
  readonly store: Stored[]
  /** Durable up to `synced`. */
  #log: Entry[] = []
  #synced = 0
  record: SignRecord | null = null
  #lockRound: number | null = null
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
  #crash: { steps: number; readonly fault: Extract<Fault, { readonly kind: 'crash' }> } | null = null
  refusals = 0

  constructor(world: World, id: number, random: Random, skewMs: number) {
    this.world = world
    this.id = id
    this.random = random
    this.skewMs = skewMs
    this.store = [{ body: world.genesis, qc: null }]
  }

  get height(): number {
    return this.store.length
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

  boot(isRecordUnread = false): void {
    if (this.isUp) return
    this.#incarnation++
    this.#crash = null
    this.state = createState()
    this.#bodies = new Map()
    this.#storing = false
    this.#log = this.#log.filter(({ height }) => height === this.height)
    this.#synced = this.#log.length
    for (const entry of this.#log)
      if ('body' in entry) this.#bodies.set(bytesToHex(entry.body.hash), { body: entry.body, verdict: 'valid' })
    this.#enter() // effects of the replay were performed before the crash, or are asked for again after `resume`
    for (const entry of this.#log) if ('input' in entry) handle(this.state, entry.input)
    this.#feed({ kind: 'resume', record: isRecordUnread ? null : this.record })
    this.world.checks.onEnter(this)
    this.#tickLater(this.random.below(1_000))
  }

  /** Hands its counts in; the machine forgets them when it dies. */
  leave(): void {
    for (const [rule, times] of this.state?.taken ?? [])
      this.world.taken.set(rule, (this.world.taken.get(rule) ?? 0) + times)
  }

  orderCrash(fault: Extract<Fault, { readonly kind: 'crash' }>): void {
    if (this.isUp) this.#crash = { steps: fault.steps, fault }
  }
  cancelCrash(): void {
    this.#crash = null
  }
  pause(untilMs: number): void {
    this.#pausedUntilMs = untilMs
  }

  #stop(fault: Extract<Fault, { readonly kind: 'crash' }>): void {
    this.world.count('crash')
    this.leave()
    this.state = null
    this.#incarnation++
    const kept = this.#synced + this.random.below(this.#log.length - this.#synced + 1)
    const bodies = this.#log.flatMap((entry) => ('body' in entry ? [entry.body.hash] : []))
    this.#log = fault.log === 'lost' ? [] : this.#log.slice(0, kept)
    this.#bodies.clear()
    if (fault.log === 'lost') {
      this.world.count('log lost')
      if (bodies.some((hash) => !this.world.isHeld(hash))) this.world.checks.onBodyLost(this.height)
    }
    const upMs = Math.min(this.world.nowMs + fault.downMs, Math.max(this.world.nowMs, this.world.scenario.calmMs))
    this.world.at(upMs, () => this.boot(fault.isRecordUnread))
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
    this.#perform(handle(this.state, input))
    if (this.state !== null) this.world.checks.afterInput(this)
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#isCrashDue()) return
      this.#performOne(effect)
      if (this.state === null) return
    }
  }

  #isCrashDue(): boolean {
    if (this.#crash === null || this.#crash.steps-- > 0) return false
    this.#stop(this.#crash.fault)
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
        const body = effect.message.kind === 'proposal' ? this.#bodyOf(effect.message.proposal.blockHash) : null
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
        world.checks.onReport(effect.evidence, this.height)
        return
      case 'alarm':
        world.checks.onAlarm(this, effect.blockHash)
        return
    }
  }

  #bodyOf(hash: Hash): Body | null {
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
    this.#later(this.world.scenario.execMs, () => {
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
    this.#later(this.world.scenario.execMs, () => {
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
      this.#synced = this.#log.length
      if (this.#isCrashDue()) return
      const answer = this.#recordAndSign(effect)
      this.#later(1, () => this.#feed(answer))
    })
  }

  /** The signer of section 5, with both its refusals. */
  #recordAndSign({ message, highQc, entry }: Extract<Effect, { readonly kind: 'sign' }>): Input {
    const last = this.record
    const { height, round, step } = stepOf(message)
    const order = last === null ? 1 : height - last.height || round - last.round || step - last.step
    if (last !== null && order <= 0) {
      if (order === 0 && equalBytes(signedPart(last.message).payload, signedPart(message).payload))
        return { kind: 'signed', message: last.message }
      this.refusals++
      return { kind: 'refused', record: last }
    }
    if (last?.height !== height) this.#lockRound = null
    if (message.kind === 'timeout' && this.#lockRound !== null && (message.timeout.hqcRound ?? -1) < this.#lockRound) {
      if (last === null || (last.highQc?.round ?? -1) < this.#lockRound)
        this.world.checks.fail(
          `the record of node ${this.id} lacks the certificate of its lock in round ${this.#lockRound}`,
        )
      this.refusals++
      return { kind: 'refused', record: last }
    }
    if (message.kind === 'vote' && message.vote.type === 'commit') this.#lockRound = round
    const signed = signedBy(message, this.world.secretOf(this.id))
    this.world.checks.onSign(this.id, signed)
    this.record = { height, round, step, message: signed, highQc, entry }
    return { kind: 'signed', message: signed }
  }

  #commit(blockHash: Hash, qc: Qc): void {
    const held = this.#bodies.get(bytesToHex(blockHash))
    if (held === undefined || this.#storing)
      this.world.checks.fail(`node ${this.id} cannot commit ${bytesToHex(blockHash)}`)
    this.#storing = true
    const { height } = this
    this.#later(SYNC_MS, () => {
      this.world.checks.onDecide(this, held.body, qc)
      this.store.push({ body: held.body, qc }) // one synced batch
      if (this.#isCrashDue()) return
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
          this.#receiveMessage(from, parcel.message, parcel.body, null)
          if (parcel.body !== null && !parcel.isHollow) this.#receiveBodyOf(parcel.message, parcel.body)
          return
        case 'want': {
          const body = this.#bodyOf(parcel.hash)
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
