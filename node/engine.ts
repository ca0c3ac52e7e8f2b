// Consensus driver: takes one input, gives it to the machine, performs what it orders. Owns the order in which things reach the
// disk (consensus, section 5: the log synced, the record synced, then the signature leaves) and everything the machine may not
// know: the clock, the chain, the keys, peers. One validator or a thousand: the same loop.
import { type Address, bytesToHex, equalBytes, type Hash, type Hex } from '../chain/base/bytes.ts'
import { assert, defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter, Random, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { TIMES } from '../chain/consensus/bounds.ts'
import { createState, handle, type State } from '../chain/consensus/core.ts'
import type { Effect, Input, Start, Verdict } from '../chain/consensus/io.ts'
import type { Wal } from '../chain/store/wal.ts'
import { type Block, encodeBlock, headerTimeMs } from '../chain/types/block.ts'
import { type Message, type Signed, type SignRecord, stepOf } from '../chain/types/message.ts'
import type { ConsensusStatus } from '../chain/types/query.ts'
import type { FinalRun } from '../chain/types/run.ts'
import type { Validator } from '../chain/types/validators.ts'
import type { Judgement, Network, PeerId } from '../p2p/network.ts'
import { encodeEnvelope, sketchOf } from '../p2p/wire.ts'
import { Bodies } from './bodies.ts'
import type { EvidencePool } from './evidence.ts'
import { Guard, type GuardDeps, type SigningChoice } from './guard.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { encodeLogged, RECORDS } from './logged.ts'
import { createPace, type Pace, type PaceOptions } from './pace.ts'
import { Progress } from './progress.ts'
import { readLog } from './recovery.ts'
import type { StartService } from './service.ts'
import type { SignAnswer, Signer } from './signer.ts'
import { Signing } from './signing.ts'
import type { Verifier } from './verifier.ts'

export const EngineErrors = defineErrors('ENGINE', {
  NOT_VALIDATOR: {
    text: (d: { key: string }) =>
      `the validator key ${d.key} is not in the set of this network; start without --validator to follow it as a full node`,
  },
  BODY_LOST: {
    text: (d: { height: number; hash: string }) =>
      `this key signed block ${d.hash} at height ${d.height}, and neither the store nor the log (wal/) holds it, and there is ` +
      'no other validator to ask: restore wal/ of this validator from before the loss; signing another block would be a double sign',
  },
  STOPPED: { text: () => 'the engine is stopping' },
})

export interface EngineDeps {
  readonly chain: Chain
  /** null follows without signing. */
  readonly signer: Signer | null
  readonly wal: Wal
  readonly evidence: EvidencePool
  /** Known once it is up; null until then, and for a validator that is alone. */
  readonly network: () => Network | null
  /** Peers that speak for a validator, as far as they are connected. */
  readonly peersOf: (validator: Validator) => readonly PeerId[]
  readonly verifier: Verifier
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** The simulator's liars have one that looks away. */
  readonly createGuard?: (deps: GuardDeps) => Guard
  readonly log: Log
  readonly meter: Meter
}

export interface EngineOptions extends PaceOptions, SigningChoice {
  readonly coinbase: Address
}

export interface EngineControl {
  /** Seals `count` blocks now, each at least a second after its parent, and returns when they are final. */
  mine(count: number): Promise<void>
  /** Moves the network's clock forward and returns the total offset in seconds. */
  increaseTime(seconds: number): number
}

export interface Engine {
  readonly start: StartService
  readonly control: EngineControl
  readonly bodies: Bodies
  /** A message of consensus, published or sent to this node alone. */
  onMessage(bytes: Uint8Array, from: PeerId): Judgement | Promise<Judgement>
  /** A peer came: what this node said at the current height is news to it. */
  onPeer(peer: PeerId): void
  /** Commits final blocks that peers gave; what consensus committed meanwhile is passed over. Throws as `Chain.append` does. */
  append(run: FinalRun): Promise<void>
  /** Called with the peer that speaks of a height above the next. */
  onAhead(listener: (height: number, peer: PeerId) => void): void
  status(): ConsensusStatus
}

/** Milliseconds of a block time that building may take: others must run the block too, unless there are none. */
const BUILD_SHARE = { alone: 0.9, shared: 0.35 }

const meters = (m: Meter) => ({
  blockSeconds: m.histogram('consensus_block_seconds', 'From the moment a block was due to its being final here'),
  lateSeconds: m.histogram('consensus_late_seconds', 'From the moment a block was due to the machine hearing of it'),
  roundsLost: m.counter('consensus_rounds_lost_total', 'Rounds above 0 that heights were decided in'),
  alarms: m.counter('consensus_alarms_total', 'Blocks with a quorum behind them that are invalid here'),
})

export function createEngine(deps: EngineDeps, options: EngineOptions): Engine {
  return new Driver(deps, options)
}

class Driver implements Engine {
  readonly #deps: EngineDeps
  readonly #options: EngineOptions
  readonly #pace: Pace
  readonly #inbox: Inbox
  readonly #meters: ReturnType<typeof meters>
  readonly #self: number | null
  readonly #progress: Progress
  /** What signs; null for a follower. */
  readonly #voice: { readonly guard: Guard; readonly signing: Signing } | null
  readonly bodies: Bodies
  #state: State = createState()
  readonly #inputs: Input[] = []
  #isTaking = false
  #isReplaying = false
  /** The round timer; in round 0 it waits for the block to be due. */
  #unsetTimer = (): void => {}
  #unsetTick = (): void => {}
  #armed: { readonly height: number; readonly round: number; readonly afterMs: number } | null = null
  #dueAtMs = 0
  readonly #startedAtMs: number
  /** Own messages of this height's current round, for peers that come later. */
  #said: readonly Signed[] = []
  readonly #judging = new Map<Hex, Verdict | null>()
  /** Runs, one after another: what builds, verifies and commits. */
  #work: Promise<void> = Promise.resolve()
  #fail: (error: unknown) => void = () => {}
  #isStopped = false
  #onAhead: (height: number, peer: PeerId) => void = () => {}

  constructor(deps: EngineDeps, options: EngineOptions) {
    this.#deps = deps
    this.#options = options
    this.#startedAtMs = deps.clock.nowMs()
    this.#pace = createPace(deps.chain, deps.clock, deps.timers, options)
    this.#meters = meters(deps.meter)
    this.bodies = new Bodies({ ...deps, isNeeded: (blockHash) => this.#countsOn(blockHash) })
    this.#self = placeOf(deps)
    this.#progress = new Progress({
      ...deps,
      self: this.#self,
      blockOf: (hash) => this.bodies.get(hash),
      silence: (height) => this.#voice?.guard.silence(height) ?? this.#voice?.signing.silence() ?? null,
    })
    this.#voice = deps.signer === null || this.#self === null ? null : this.#createVoice(deps.signer, this.#self)
    this.#inbox = createInbox({
      ...deps,
      state: () => this.#state,
      nowMs: () => this.#pace.nowMs(),
      push: (input) => this.#push(input),
      hold: (sketch, from) => this.bodies.hold(sketch, from),
      judged: (proposer, lateMs, isTimely) => this.#progress.judged(proposer, lateMs, isTimely),
      onAhead: (height, from) => this.#onAhead(height, from),
      onChecked: (message) => {
        this.#voice?.guard.heard(message)
        deps.evidence.onChecked(message)
      },
      onDropped: (message) => deps.evidence.onDropped(message),
      fail: (error) => this.#fail(error),
    })
  }

  #createVoice(signer: Signer, self: number): { readonly guard: Guard; readonly signing: Signing } {
    const { wal } = this.#deps
    const fail = (error: unknown) => this.#fail(error)
    const createGuard = this.#deps.createGuard ?? ((deps) => new Guard(deps))
    const guard = createGuard({ ...this.#deps, self, fail, onOpen: () => signing.go() })
    const onAnswer = (answer: SignAnswer): void => {
      if (answer.kind === 'signed') this.#deps.evidence.onChecked(answer.message)
      this.#push(answer)
    }
    const signing = new Signing({ ...this.#deps, signer, guard, wal, fail, onAnswer })
    return { guard, signing }
  }

  readonly start: StartService = async (signal) => {
    const done = new Promise<void>((resolve, reject) => {
      this.#fail = reject
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await this.#recover()
    this.#tickLater()
    const end = async (): Promise<void> => {
      this.#isStopped = true
      this.#inbox.close()
      this.#unsetTick()
      this.#unsetTimer()
      this.#pace.stop(new NodeError(EngineErrors.STOPPED, undefined))
      this.#voice?.guard.close()
      await Promise.allSettled([this.#work, this.#voice?.signing.stop()])
    }
    return { name: 'engine', done: done.finally(end) }
  }

  #tickLater(): void {
    this.#unsetTick = this.#deps.timers.after(TIMES.repeatMs, () => {
      this.#push({ kind: 'tick' })
      this.#voice?.guard.tick()
      this.#inBackground(this.#deps.wal.sync()) // what no signature waited for; free where all is on disk
      this.#tickLater()
    })
  }

  readonly control: EngineControl = {
    mine: (count) => this.#pace.mine(count),
    increaseTime: (seconds) => Math.floor(this.#pace.lead(seconds * 1_000) / 1_000),
  }

  onMessage(bytes: Uint8Array, from: PeerId): Judgement | Promise<Judgement> {
    return this.#isStopped ? 'ignore' : this.#inbox.onMessage(bytes, from)
  }

  onPeer(peer: PeerId): void {
    for (const message of this.#said) this.#sendTo(peer, message)
  }

  onAhead(listener: (height: number, peer: PeerId) => void): void {
    this.#onAhead = listener
  }

  async append({ blocks, commit }: FinalRun): Promise<void> {
    const { chain, wal, evidence } = this.#deps
    await this.#chainWork(async () => {
      const before = chain.head().header.number
      const fresh = blocks.filter(({ header }) => header.number > before)
      if (fresh.length === 0) return
      await evidence.archive()
      try {
        await chain.append({ blocks: fresh, commit })
      } finally {
        const { number } = chain.head().header
        if (number > before) {
          for (const block of fresh) if (block.header.number <= number) this.#progress.committed(block)
          await wal.endHeight(number)
          this.#enterNext()
        }
      }
    })
  }

  status(): ConsensusStatus {
    return this.#progress.status(this.#state)
  }

  get #next(): number {
    return this.#deps.chain.head().header.number + 1
  }

  /** The machine named it and may commit it; before the machine knows its height, all that the log holds. */
  #countsOn(blockHash: Hex): boolean {
    const { height } = this.#state
    return height === null || height.verdicts.has(blockHash) || height.wanted.has(blockHash)
  }

  // Taking inputs.

  #push(input: Input): void {
    if (this.#isStopped) return
    this.#inputs.push(input)
    if (this.#isTaking) return
    this.#isTaking = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) this.#take(next)
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isTaking = false
    }
  }

  #take(input: Input): void {
    // What is said again must differ in its bytes, or the mesh would not carry it; all nodes say it the same way in one second.
    const isAgain = input.kind === 'tick' || input.kind === 'resume'
    const salt = isAgain ? Math.floor(this.#deps.clock.nowMs() / 1_000) : 0
    const effects = handle(this.#state, input)
    if (this.#isReplaying) return // performed before the crash, or asked for again after it
    for (const effect of effects) this.#perform(effect, salt)
    this.#progress.took(input, this.#state)
  }

  /** Work whose failure nobody else hears of stops the engine. */
  #chainWork(run: () => Promise<void>): Promise<void> {
    const done = this.#work.then(() => (this.#isStopped ? undefined : run()))
    this.#work = done.catch(() => {})
    return done
  }
  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => this.#fail(error))
  }

  #enterNext(): void {
    const { chain } = this.#deps
    const head = chain.head()
    const height = this.#next
    this.#said = []
    this.#judging.clear()
    this.bodies.forget(head.header.number)
    this.#progress.entered(height)
    this.#armed = null
    this.#unsetTimer()
    this.#push(this.#startOf(height))
    this.#pace.wait((lateMs) => this.#onDue(height, lateMs))
  }

  #startOf(height: number): Start {
    const { chain } = this.#deps
    const head = chain.head()
    const set = chain.validators()
    const qc = chain.commitOf(height - 1)
    return {
      kind: 'start',
      height,
      set,
      self: this.#voice === null || this.#voice.guard.at(height) === 'no' ? null : this.#self,
      proposer: chain.proposer(height),
      parentRandao: head.header.prevRandao,
      nextProposer: chain.proposer(height + 1),
      parent: qc === null ? null : { qc, set },
    }
  }

  #onDue(height: number, sinceMs: number): void {
    const now = this.#deps.clock.nowMs()
    const lateMs = Math.min(sinceMs, now - this.#startedAtMs) // of an outage nobody measures the length here
    this.#dueAtMs = now - lateMs
    this.#meters.lateSeconds.observe(lateMs / 1_000)
    const armed = this.#armed
    this.#armed = null
    if (armed?.height === height) this.#startTimer(armed)
    this.#push({ kind: 'due', height })
  }

  #startTimer({ height, round, afterMs }: { height: number; round: number; afterMs: number }): void {
    this.#unsetTimer()
    this.#unsetTimer = this.#deps.timers.after(afterMs, () => this.#push({ kind: 'timer', height, round }))
  }

  // Performing orders.

  #perform(effect: Effect, salt: number): void {
    const { chain, wal, evidence } = this.#deps
    switch (effect.kind) {
      case 'log':
        if (effect.input.kind === 'message') evidence.onLogged(effect.input.message)
        this.#inBackground(wal.append(RECORDS.input, encodeLogged(effect.input), { sync: false }))
        return
      case 'sign':
        this.#voice?.signing.ask(effect)
        return
      case 'send':
        this.#send(effect.message, effect.to, salt)
        return
      case 'reply':
        this.#sendTo(effect.to, effect.message)
        return
      case 'serve': {
        const qc = chain.commitOf(effect.height)
        if (qc !== null) this.#sendTo(effect.to, { kind: 'qc', qc })
        return
      }
      case 'arm':
        this.#armed = null
        if (effect.from === 'due' && !this.#isDue()) this.#armed = effect
        else this.#startTimer(effect)
        return
      case 'build':
        this.#build(effect)
        return
      case 'fetch':
        this.#judge(effect.height, effect.blockHash, effect.from)
        return
      case 'check':
        void this.#inbox.onDecoded({ message: effect.message, sketch: null }, effect.from, effect.seen)
        return
      case 'commit':
        this.#commit(effect)
        return
      case 'report':
        this.#voice?.guard.offended(effect.evidence)
        evidence.onReport(effect.evidence)
        return
      case 'alarm':
        this.#alarm(effect)
        return
    }
  }

  #alarm({ height, blockHash }: Extract<Effect, { readonly kind: 'alarm' }>): void {
    const { log, evidence } = this.#deps
    this.#meters.alarms.add()
    log.error(
      { height, hash: bytesToHex(blockHash) },
      'a quorum stands behind a block that is invalid here: this node or they run other rules; do not restart before you know which',
    )
    const qc = this.#state.height?.commitQc ?? null
    const block = this.bodies.get(blockHash)
    if (qc !== null && block !== null && equalBytes(qc.blockHash, blockHash)) evidence.onAlarm(block, qc)
  }

  #isDue(): boolean {
    return this.#state.height?.isDue === true
  }

  #send(message: Message, to: 'all' | readonly number[], salt: number): void {
    if (message.kind === 'proposal' || message.kind === 'vote' || message.kind === 'timeout') this.#remember(message)
    const bytes = this.#encode(message, salt)
    if (bytes === null) return
    const publish = (): void => this.#deps.network()?.publish('consensus', bytes)
    const peers = to === 'all' ? null : this.#peersAt(to)
    if (peers === null) publish()
    else Promise.all(peers.map((peer) => this.#ask(peer, bytes))).then((all) => all.includes(false) && publish())
  }
  /** What is said again takes the place of the same; what was said in earlier rounds is of no use any more. */
  #remember(message: Signed): void {
    const { round, step } = stepOf(message)
    const others = this.#said.filter((said) => stepOf(said).round === round && stepOf(said).step !== step)
    this.#said = [...others, message]
  }
  /** null where one of them is not connected, behind a sentry or gone: then all hear it, for routing only saves traffic. */
  #peersAt(places: readonly number[]): readonly PeerId[] | null {
    const { members } = this.#deps.chain.validators()
    const found = places.map((at) => (members[at] === undefined ? [] : this.#deps.peersOf(members[at])))
    return found.some((peers) => peers.length === 0) ? null : found.flat()
  }
  #sendTo(peer: PeerId, message: Message): void {
    const bytes = this.#encode(message, 0)
    if (bytes !== null) void this.#ask(peer, bytes)
  }
  /** Whether it arrived. */
  async #ask(peer: PeerId, bytes: Uint8Array): Promise<boolean> {
    const { log, network } = this.#deps
    try {
      await network()?.request(peer, 'direct', bytes)
      return true
    } catch (error) {
      log.debug({ peer, error: String(error) }, 'a message to a peer is lost')
      return false
    }
  }
  /** null where its block is gone: the height was decided meanwhile. */
  #encode(message: Message, salt: number): Uint8Array | null {
    if (message.kind !== 'proposal') return encodeEnvelope({ message, sketch: null }, salt)
    const block = this.bodies.get(message.proposal.blockHash)
    return block === null ? null : encodeEnvelope({ message, sketch: sketchOf(block) }, salt)
  }

  #build({ height, round, lastCommit }: Extract<Effect, { readonly kind: 'build' }>): void {
    const { chain, wal } = this.#deps
    const proposerIndex = this.#self
    const voice = this.#voice
    assert(voice !== null && proposerIndex !== null, 'only a validator is asked to build')
    const build = async (reveal: Uint8Array): Promise<void> => {
      if (height !== this.#next) return
      const share = chain.validators().members.length === 1 ? BUILD_SHARE.alone : BUILD_SHARE.shared
      const block = await chain.build({
        height,
        timeMs: Math.max(this.#pace.nowMs(), headerTimeMs(chain.head().header)),
        round,
        proposerIndex,
        coinbase: this.#options.coinbase,
        lastCommit,
        reveal,
        budgetMs: chain.genesis.blockTimeMs * share,
      })
      await wal.append(RECORDS.body, encodeBlock(block), { sync: false })
      this.bodies.add(block)
      this.#push({ kind: 'built', height, round, blockHash: block.hash })
    }
    const work = async (): Promise<void> => {
      const reveal = await voice.signing.reveal(height)
      if (reveal !== null) await this.#chainWork(() => build(reveal))
    }
    this.#inBackground(work())
  }

  /** Gets a block and runs it, once; holds nothing up meanwhile. */
  #judge(height: number, blockHash: Hash, from: 'anybody' | readonly number[]): void {
    const key = bytesToHex(blockHash)
    const known = this.#judging.get(key)
    if (known === null) return
    if (known !== undefined) {
      this.#push({ kind: 'body', height, blockHash, verdict: known })
      return
    }
    this.#judging.set(key, null)
    const judge = async (): Promise<void> => {
      const { members } = this.#deps.chain.validators()
      const must = from === 'anybody' ? [] : from.flatMap((at) => (members[at] ? this.#deps.peersOf(members[at]) : []))
      const block = await this.bodies.obtain(blockHash, must)
      if (block === null) {
        this.#judging.delete(key) // the machine asks again
        return
      }
      await this.#chainWork(() => this.#verify(height, block))
    }
    this.#inBackground(judge())
  }

  async #verify(height: number, block: Block): Promise<void> {
    if (height !== this.#next) return
    const fault = block.header.number === height ? await this.#faultOf(block) : 'it is of another height'
    if (fault === null) await this.#deps.wal.append(RECORDS.body, encodeBlock(block), { sync: false })
    else this.#deps.log.warn({ height, hash: bytesToHex(block.hash), fault }, 'a proposed block is invalid')
    const verdict = fault === null ? 'valid' : 'invalid'
    this.#judging.set(bytesToHex(block.hash), verdict)
    this.#push({ kind: 'body', height, blockHash: block.hash, verdict })
  }

  async #faultOf(block: Block): Promise<string | null> {
    try {
      await this.#deps.chain.verify(block)
      return null
    } catch (error) {
      // Ours to answer for: a disk that fails, a broken invariant. Everything else the block did.
      if (error instanceof NodeError && /^(BLOCK|TX|VOTE|RLP)_/.test(error.code)) return error.message
      throw error
    }
  }

  #commit({ height, blockHash, qc }: Extract<Effect, { readonly kind: 'commit' }>): void {
    const { chain, wal, log, clock, evidence } = this.#deps
    const work = this.#chainWork(async () => {
      if (height !== this.#next) return
      const block = this.bodies.get(blockHash)
      assert(block !== null, 'a block that was judged valid is held until its height is final')
      await chain.commit(block, qc, evidence.signedUpTo(height, qc))
      this.#progress.committed(block)
      await wal.endHeight(height)
      const ms = Math.max(0, clock.nowMs() - this.#dueAtMs)
      this.#meters.blockSeconds.observe(ms / 1_000)
      if (qc.round > 0) this.#meters.roundsLost.add(qc.round)
      const { txs, header } = block
      const facts = { height, hash: bytesToHex(blockHash), txs: txs.length, gasUsed: Number(header.gasUsed) }
      log.info({ ...facts, round: qc.round, ms }, 'block committed')
      this.#pace.sealed()
      this.#enterNext()
    })
    this.#inBackground(work)
  }

  // Coming back.

  /** Replays the log of an unfinished height into the machine, without performing anything; then the signer's record over it. */
  async #recover(): Promise<void> {
    const { chain, signer, wal, log, evidence } = this.#deps
    const height = this.#next
    if (wal.cutBytes > 0)
      log.warn({ bytes: wal.cutBytes }, 'the end of the log was being written when the node died: cut')
    const { bodies, inputs, own, foreign } = readLog(wal.records, chain, this.#self)
    if (foreign > 0)
      log.warn({ height, records: foreign }, 'the log is of another network: what does not verify is ignored')
    const record = (await signer?.record()) ?? null
    this.#voice?.guard.open(record, own, this.#options)
    for (const block of bodies) this.bodies.add(block)
    this.#refuseLostBody(record, height)
    if (wal.height !== height - 1) await wal.endHeight(height - 1) // a crash between the store's batch and the log
    this.#isReplaying = true
    this.#enterNext()
    for (const { hash } of bodies) this.#judging.set(bytesToHex(hash), 'valid')
    for (const input of inputs) {
      if (input.kind === 'message') evidence.onLogged(input.message)
      this.#push(input)
    }
    this.#isReplaying = false
    if (inputs.length > 0) log.info({ height, records: inputs.length }, 'the unfinished height is resumed')
    this.#push({ kind: 'resume', record })
    this.#voice?.guard.tick()
  }

  /** Who is alone has nobody to fetch from: it would wait for ever. */
  #refuseLostBody(record: SignRecord | null, height: number): void {
    const message = record?.message
    if (record?.height !== height || this.#deps.chain.validators().members.length > 1) return
    const signed =
      message?.kind === 'vote'
        ? message.vote
        : message?.kind === 'proposal'
          ? message.proposal
          : (record.highQc ?? null)
    if (signed === null || this.bodies.get(signed.blockHash) !== null) return
    throw new NodeError(EngineErrors.BODY_LOST, { height, hash: bytesToHex(signed.blockHash) })
  }
}

/** This validator's place in the set; null for a follower. Throws ENGINE_NOT_VALIDATOR. */
const placeOf = ({ chain, signer }: EngineDeps): number | null => {
  if (signer === null) return null
  const index = chain.validators().members.findIndex((member) => equalBytes(member.blsKey, signer.publicKey))
  if (index < 0) throw new NodeError(EngineErrors.NOT_VALIDATOR, { key: bytesToHex(signer.publicKey) })
  return index
}
