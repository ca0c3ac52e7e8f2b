// Consensus driver: takes one input, gives it to the machine, performs what it orders. Owns the order in which things reach the
// disk (consensus, section 5: the log synced, the record synced, then the signature leaves) and everything the machine may not
// know: the clock, the chain, the keys, peers. One validator or a thousand: the same loop.
import { type Address, bytesToHex, equalBytes, type Hash, type Hex } from '../chain/base/bytes.ts'
import { assert, defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter, Random, Timers } from '../chain/base/ports.ts'
import { Share } from '../chain/base/share.ts'
import type { BuildArgs, Chain } from '../chain/chain.ts'
import { TIMES } from '../chain/consensus/bounds.ts'
import { createState, handle, type State } from '../chain/consensus/core.ts'
import type { Effect, Input, Start, Verdict } from '../chain/consensus/io.ts'
import type { Wal } from '../chain/store/wal.ts'
import { type Block, encodeBlock, headerTimeMs } from '../chain/types/block.ts'
import {
  heightOf,
  isSignedMessage,
  type Message,
  type Signed,
  type SignRecord,
  stepOf,
} from '../chain/types/message.ts'
import type { ConsensusStatus } from '../chain/types/query.ts'
import type { FinalRun } from '../chain/types/run.ts'
import type { Validator, ValidatorSet } from '../chain/types/validators.ts'
import { bitmapMembers, widenQc } from '../chain/types/vote.ts'
import type { Judgement, Network, PeerId } from '../p2p/network.ts'
import { encodeEnvelope, sketchOf } from '../p2p/wire.ts'
import { AHEAD_TXS, Ahead } from './ahead.ts'
import { Bodies } from './bodies.ts'
import type { EvidencePool } from './evidence.ts'
import type { Guard, GuardDeps, SigningChoice } from './guard.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { encodeLogged, RECORDS } from './logged.ts'
import { createPace, type Pace, type PaceOptions } from './pace.ts'
import { Progress } from './progress.ts'
import { readLog } from './recovery.ts'
import type { StartService } from './service.ts'
import type { SignAnswer, Signer } from './signer.ts'
import type { Verifier } from './verifier.ts'
import { Voices } from './voices.ts'

export const EngineErrors = defineErrors('ENGINE', {
  BODY_LOST: {
    text: (d: { height: number; hash: string }) =>
      `this key signed block ${d.hash} at height ${d.height}, and neither the store nor the log (wal/) holds it, and there is ` +
      'no other validator to ask: restore wal/ of this validator from before the loss; signing another block would be a double sign',
  },
  STOPPED: { text: () => 'the engine is stopping' },
})

export interface EngineDeps {
  readonly chain: Chain
  /** Of each height the one that is in its set signs; without any this node follows. */
  readonly signers: readonly Signer[]
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
  /** Why no key may sign, whatever its record says; null while nothing is wrong. */
  readonly doubt?: () => string | null
  /** The simulator's liars have one that looks away. */
  readonly createGuard?: (deps: GuardDeps) => Guard
  readonly log: Log
  readonly meter: Meter
}

export interface EngineOptions extends PaceOptions, SigningChoice {
  /** Who earns the tips of blocks built here; null: the member that proposes. */
  readonly coinbase: Address | null
  /** With so many transactions left over the next block is made before it is due; the simulator asks for fewer. */
  readonly aheadTxs?: number
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

/**
 * Milliseconds of a block time that building may take: others must run the block too. Where there are none, building and writing have nearly all
 * of it, so that the next block can be there when it is due; which part of that is building shows with the first large blocks.
 */
const BUILD_SHARE = { alone: 0.97, shared: 0.35 }

const meters = (m: Meter) => ({
  blockSeconds: m.histogram('consensus_block_seconds', 'From the moment a block was due to its being final here'),
  lateSeconds: m.histogram('consensus_late_seconds', 'From the moment a block was due to the machine hearing of it'),
  roundsLost: m.counter('consensus_rounds_lost_total', 'Rounds above 0 that heights were decided in'),
  ahead: m.counter('consensus_blocks_ahead_total', 'Own blocks that were begun before they were due'),
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
  readonly #progress: Progress
  readonly #voices: Voices
  readonly bodies: Bodies
  readonly #ahead: Ahead
  #state: State = createState()
  readonly #inputs: Input[] = []
  #isTaking = false
  #isReplaying = false
  /** The round timer; in round 0 it waits for the block to be due. */
  #unsetTimer = (): void => {}
  #buildsAlone = false
  /** Of the time that building and writing a large block takes, what building does. */
  readonly #building = new Share({ first: 0.8, least: 0.3, most: 0.95 })
  #built: { readonly height: number; readonly ms: number; readonly atMs: number; readonly budgetMs: number } | null =
    null
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
    const fail = (error: unknown) => this.#fail(error)
    this.#ahead = new Ahead(
      {
        ...deps,
        clock: this.#pace,
        ready: this.#meters.ahead,
        argsAt: (timeMs) => this.#argsAhead(timeMs),
        work: (height, run) => this.#chainWork(async () => (height === this.#next ? run() : undefined)),
        background: (work) => this.#inBackground(work),
      },
      options.aheadTxs ?? AHEAD_TXS,
    )
    this.#voices = new Voices({ ...deps, fail, onAnswer: (answer) => this.#onAnswer(answer) })
    this.#progress = new Progress({
      ...deps,
      indexAt: (height) => this.#voices.indexAt(height),
      blockOf: (hash) => this.bodies.get(hash),
      silence: (height) => this.#voices.silence(height),
    })
    this.#inbox = createInbox({
      ...deps,
      state: () => this.#state,
      nowMs: () => this.#pace.nowMs(),
      push: (input) => this.#push(input),
      hold: (sketch, from) => this.bodies.hold(sketch, from),
      judged: (proposer, lateMs, isTimely) => this.#progress.judged(proposer, lateMs, isTimely),
      onAhead: (height, from) => this.#onAhead(height, from),
      onChecked: (message) => {
        this.#voices.heard(message)
        deps.evidence.onChecked(message)
      },
      onDropped: (message) => deps.evidence.onDropped(message),
      fail,
    })
  }

  #onAnswer(answer: SignAnswer): void {
    if (answer.kind === 'signed') this.#deps.evidence.onChecked(answer.message)
    this.#push(answer)
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
      this.#ahead.stop()
      this.#pace.stop(new NodeError(EngineErrors.STOPPED, undefined))
      await Promise.allSettled([this.#work, this.#voices.close()])
    }
    return { name: 'engine', done: done.finally(end) }
  }

  #tickLater(): void {
    this.#unsetTick = this.#deps.timers.after(TIMES.repeatMs, () => {
      this.#push({ kind: 'tick' })
      this.#voices.tick()
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
    this.#voices.met(peer)
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

  /** Throws FORK_UNKNOWN: under rules that this release does not know it neither builds nor votes. */
  #enterNext(): void {
    const { chain } = this.#deps
    chain.forks.checkNext()
    const head = chain.head()
    const height = this.#next
    this.#said = []
    this.#judging.clear()
    this.bodies.forget(head.header.number)
    this.#voices.entered(height)
    this.#progress.entered(height)
    this.#armed = null
    this.#unsetTimer()
    this.#push(this.#startOf(height))
    this.#ahead.stop()
    const leads = this.#voices.speakerAt(height) === chain.proposer(height)
    if (leads && this.#options.sealing === 'interval') this.#ahead.plan(height)
    this.#pace.wait((lateMs) => this.#onDue(height, lateMs))
  }

  #startOf(height: number): Start {
    const { chain } = this.#deps
    const qc = chain.commitOf(height - 1)
    const next = this.#setOf(height + 1).members[chain.proposer(height + 1)] as Validator // the rotation answers places in the set
    // Who leads the first height of an epoch collects the COMMITs of the last one before it, if he is in that set too.
    const nextProposer = this.#setOf(height).members.findIndex(({ address }) => equalBytes(address, next.address))
    return {
      kind: 'start',
      height,
      set: this.#setOf(height),
      self: this.#voices.speakerAt(height),
      proposer: chain.proposer(height),
      parentRandao: chain.head().header.prevRandao,
      nextProposer: nextProposer < 0 ? null : nextProposer,
      parent: qc === null ? null : { qc, set: this.#setOf(height - 1) },
    }
  }
  /** Of a height that the machine speaks of. */
  #setOf(height: number): ValidatorSet {
    const set = this.#deps.chain.setOf(height)
    assert(set !== null, 'the sets of the height under way, of its parent and of the next one are known')
    return set
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
    this.#unsetTimer = this.#deps.timers.after(afterMs, () => {
      // Who decides alone waits for nobody but himself: another round would only begin the same work anew.
      if (this.#buildsAlone) this.#startTimer({ height, round, afterMs })
      else this.#push({ kind: 'timer', height, round })
    })
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
        this.#voices.ask(effect)
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
        this.#voices.offended(effect.evidence)
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
    if (isSignedMessage(message)) this.#remember(message)
    // Whoever comes is told what was said; alone, a full block's hashes would be made for nobody.
    if (message.kind === 'proposal' && (this.#deps.network()?.peers().length ?? 0) === 0) return
    const bytes = this.#encode(message, salt)
    if (bytes === null) return
    const publish = (): void => this.#deps.network()?.publish('consensus', bytes)
    const peers = to === 'all' ? null : this.#peersAt(heightOf(message), to)
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
  #peersAt(height: number, places: readonly number[]): readonly PeerId[] | null {
    const found = places.map((at) => this.#peersOf(height, at))
    return found.some((peers) => peers.length === 0) ? null : found.flat()
  }
  #peersOf(height: number, place: number): readonly PeerId[] {
    const validator = this.#setOf(height).members[place]
    return validator === undefined ? [] : this.#deps.peersOf(validator)
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
    const build = async (reveal: Uint8Array): Promise<void> => {
      // What waited its turn while rounds passed would be of no use.
      if (height !== this.#next || this.#state.height?.cur !== round) return
      const timeMs = Math.max(this.#pace.nowMs(), headerTimeMs(chain.head().header))
      const args = this.#argsOf({ height, round, lastCommit, reveal, timeMs })
      const { block, ms } = this.#ahead.take(args) ?? (await this.#ahead.build(args))
      this.#built = { height, ms, atMs: this.#deps.clock.nowMs(), budgetMs: args.budgetMs }
      await wal.append(RECORDS.body, encodeBlock(block), { sync: false })
      this.bodies.add(block)
      this.#push({ kind: 'built', height, round, blockHash: block.hash })
    }
    const work = async (): Promise<void> => {
      this.#buildsAlone = this.#setOf(height).members.length === 1
      const reveal = await this.#voices.reveal(height)
      if (reveal !== null) await this.#chainWork(() => build(reveal))
      this.#buildsAlone = false
    }
    this.#inBackground(work())
  }

  #argsOf(given: Pick<BuildArgs, 'height' | 'round' | 'lastCommit' | 'reveal' | 'timeMs'>): BuildArgs {
    const { chain } = this.#deps
    const proposerIndex = this.#voices.indexAt(given.height)
    const { members } = this.#setOf(given.height)
    const own = members[proposerIndex ?? members.length]
    assert(proposerIndex !== null && own !== undefined, 'only a member of the set is asked to build')
    const share = members.length === 1 ? BUILD_SHARE.alone * this.#building.value : BUILD_SHARE.shared
    const coinbase = this.#options.coinbase ?? own.address
    return { ...given, proposerIndex, coinbase, budgetMs: chain.genesis.blockTimeMs * share }
  }

  /** Of the first round, once every COMMIT of the parent is there: a block that is begun early must leave nobody out who came in time. */
  async #argsAhead(timeMs: number): Promise<BuildArgs | null> {
    const { height } = this.#state
    const parent = height?.start.parent
    if (height === null || parent === null || parent === undefined || height.cur > 0) return null
    const { members } = parent.set
    const lastCommit = widenQc(parent.qc, height.late, parent.set) // as the machine does when it orders the block
    if (bitmapMembers(lastCommit.bitmap, members.length)?.length !== members.length) return null
    const at = height.start.height
    const reveal = await this.#voices.reveal(at)
    return reveal === null ? null : this.#argsOf({ height: at, round: 0, lastCommit, reveal, timeMs })
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
      const must = from === 'anybody' ? [] : from.flatMap((at) => this.#peersOf(height, at))
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
    const key = bytesToHex(block.hash)
    const fault = await this.#faultOf(height, block)
    if (fault === 'abandoned') {
      this.#judging.delete(key)
      return
    }
    if (fault === null) await this.#deps.wal.append(RECORDS.body, encodeBlock(block), { sync: false })
    else this.#deps.log.warn({ height, hash: key, fault: fault.message }, 'a proposed block is invalid')
    const verdict = fault === null ? 'valid' : 'invalid'
    this.#judging.set(key, verdict)
    this.#push({ kind: 'body', height, blockHash: block.hash, verdict })
  }

  /**
   * 'abandoned' once its round is over and no certificate names it: it holds up the block of the next round, and should it be named again,
   * the machine asks again.
   */
  async #faultOf(height: number, block: Block): Promise<{ readonly message: string } | 'abandoned' | null> {
    if (block.header.number !== height) return { message: 'it is of another height' }
    const key = bytesToHex(block.hash)
    try {
      await this.#deps.chain.verify(block, () => this.#countsOn(key))
      return null
    } catch (error) {
      if (error instanceof NodeError && error.code === 'EXEC_ABANDONED') return 'abandoned'
      // Ours to answer for: a disk that fails, a broken invariant. Everything else the block did.
      if (error instanceof NodeError && /^(BLOCK|TX|VOTE|RLP)_/.test(error.code)) return error
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
      this.#noteWriting(height)
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

  #noteWriting(height: number): void {
    const built = this.#built
    this.#built = null
    if (built?.height === height)
      this.#building.learn(built.ms, built.ms + this.#deps.clock.nowMs() - built.atMs, built.budgetMs)
  }

  // Coming back.

  /** Replays the log of an unfinished height into the machine, without performing anything; then the signer's record over it. */
  async #recover(): Promise<void> {
    const { chain, wal, log, evidence } = this.#deps
    const height = this.#next
    if (wal.cutBytes > 0)
      log.warn({ bytes: wal.cutBytes }, 'the end of the log was being written when the node died: cut')
    const { bodies, inputs, own, foreign } = readLog(wal.records, chain)
    if (foreign > 0)
      log.warn({ height, records: foreign }, 'the log is of another network: what does not verify is ignored')
    await this.#voices.open(own, this.#options)
    const record = this.#voices.recordAt(height)
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
    this.#voices.tick()
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
