// A state instead of a history: which block is final the light client says, out of what peers give and of what the operator trusts; then
// pieces of the state after it, of many peers at once, each checked before it is kept. Owns whom what is asked, whom nothing more, and that
// a later state is aimed at where nobody has the first one any more. What is on disk is `chain/snapshot.ts`'s; a stop loses what is under way.
import { bytesToHex, equalBytes, type Hash } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../chain/base/ports.ts'
import {
  type Checkpoint as Anchor,
  createLightClient,
  type LightClient,
  LightErrors,
  type LightNetwork,
  type VerifiedBlock,
} from '../chain/light.ts'
import {
  type Checked,
  checkChunk,
  type Outlined,
  parentOf,
  type Restore,
  TAIL_BLOCKS,
  type Wanted,
} from '../chain/snapshot.ts'
import type { Rules } from '../chain/types/genesis.ts'
import type { Checkpoint } from '../chain/types/run.ts'
import { epochOf } from '../chain/types/validators.ts'
import type { Network, PeerId } from '../p2p/network.ts'
import {
  decodeCodes,
  decodeLit,
  encodeLightAsk,
  encodeStateAsk,
  isMalformed,
  type LightAsk,
  type Lit,
} from '../p2p/wire.ts'

export const StateSyncErrors = defineErrors('STATESYNC', {
  FALSE: { text: (d: { reason: string }) => `what a peer gave is not of this chain: ${d.reason}` },
  SILENT: { text: (d: { peer: string }) => `peer ${d.peer} did not answer in time` },
})

/** Requests under way: of one peer, which serves no more than 4 large answers at a time, and of all. */
const PEER_FLIGHTS_MAX = 3
const FLIGHTS_MAX = 16
/** Peers asked for their head before a state is aimed at. */
const HEADS_MAX = 8
/** Hand-overs asked for at once. */
const EPOCHS_ASKED = 64
/** Blocks asked for at once where all of them are needed: their answer has room for 64 KB of each. */
const BLOCKS_ASKED = 16

export interface StateSyncTimes {
  readonly requestMs: number
  /** A peer that did not answer, or has not what was asked for, is asked again after so long. */
  readonly failedMs: number
  /** For others to be there too, once the first is. */
  readonly gatherMs: number
  readonly logMs: number
}
const TIMES: StateSyncTimes = { requestMs: 15_000, failedMs: 5_000, gatherMs: 2_000, logMs: 10_000 }

export interface StateSyncDeps {
  readonly restore: Restore
  readonly rules: Rules
  readonly network: () => Network | null
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

export interface StateSyncOptions {
  readonly checkpoint: Checkpoint | null
  /** How long a block is trusted for what follows it. */
  readonly trustingPeriodMs: number
  readonly times?: Partial<StateSyncTimes>
}

const meters = (m: Meter) => ({
  share: m.gauge('statesync_share', 'Part of the accounts that is here, from 0 to 1'),
  height: m.gauge('statesync_height', 'Height whose state is fetched'),
  bytes: m.counter('statesync_receive_bytes_total', 'Bytes of state received from peers'),
  requests: m.counter('statesync_requests_total', 'Requests for state by how they ended', ['answer']),
})

/** A peer, while it is connected. */
interface Source {
  readonly id: PeerId
  flights: number
  failures: number
  /** Nothing is asked of it before that. */
  notBeforeMs: number
  /** The height that it has no state of. */
  lacks: number
}

type Answer = { readonly bytes: Uint8Array } | 'failed'

export class StateSync {
  readonly #deps: StateSyncDeps
  readonly #options: StateSyncOptions
  readonly #times: StateSyncTimes
  readonly #meters: ReturnType<typeof meters>
  readonly #sources = new Map<PeerId, Source>()
  readonly #liars = new Set<PeerId>()
  /** Answers that wait to be taken, one after the other. */
  #taking: Promise<void> = Promise.resolve()
  #wake: () => void = () => {}
  #client: LightClient | null = null
  #target: VerifiedBlock | null = null
  /** What is still on its way is not taken. */
  #isOver = false

  constructor(deps: StateSyncDeps, options: StateSyncOptions) {
    this.#deps = deps
    this.#options = options
    this.#times = { ...TIMES, ...options.times }
    this.#meters = meters(deps.meter)
  }

  onPeer(id: PeerId): void {
    if (!this.#liars.has(id)) this.#sources.set(id, { id, flights: 0, failures: 0, notBeforeMs: 0, lacks: -1 })
    this.#wake()
  }
  onPeerGone(id: PeerId): void {
    this.#sources.delete(id)
    this.#wake()
  }

  /** What it is about, for people. */
  get status(): string {
    const { share, missing } = this.#deps.restore.progress()
    const height = this.#target?.header.number
    if (height === undefined) return `state sync: looks for a final block, ${this.#sources.size} peers`
    return `state sync: ${(100 * share).toFixed(1)} % of the accounts of block ${height}, ${missing} pieces asked for or to ask`
  }

  /**
   * Returns the block whose state is on disk then, as a chain's store. Throws LIGHT_TOO_OLD and LIGHT_CHECKPOINT where the operator's trust
   * does not do, LIGHT_CONFLICT where two final blocks of one height were shown, and whatever the signal's reason is.
   */
  async run(signal: AbortSignal): Promise<VerifiedBlock> {
    const { log, restore, timers } = this.#deps
    let stopTelling = (): void => {}
    const tell = (): void => {
      log.info(
        { ...restore.progress(), height: this.#target?.header.number ?? null, peers: this.#sources.size },
        this.status,
      )
      stopTelling = timers.after(this.#times.logMs, tell)
    }
    stopTelling = timers.after(this.#times.logMs, tell)
    const woken = (): void => this.#wake()
    signal.addEventListener('abort', woken)
    try {
      await this.#until(() => this.#usable().length > 0, signal)
      await this.#sleep(this.#times.gatherMs, signal)
      for (;;) {
        const target = await this.#aim(signal)
        if (await this.#fetch(target, signal)) {
          const whole = await this.#tail(target, signal)
          await restore.finish({ sparse: this.#handOvers(target), whole })
          log.info(
            { ...restore.progress(), height: target.header.number, hash: bytesToHex(target.hash) },
            'the state is here',
          )
          return target
        }
      }
    } finally {
      stopTelling()
      signal.removeEventListener('abort', woken)
      this.#isOver = true
      await this.#taking.catch(() => {})
    }
  }

  // Waiting.

  #usable(): Source[] {
    const nowMs = this.#deps.clock.nowMs()
    return [...this.#sources.values()].filter(({ notBeforeMs }) => notBeforeMs <= nowMs)
  }

  async #until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isSo()) await this.#sleep(1_000, signal)
  }
  /** Or until something happens. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.timers.after(ms, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    signal.throwIfAborted()
  }

  // Asking.

  async #ask(source: Source, protocol: 'light' | 'state', question: Uint8Array): Promise<Answer> {
    source.flights++
    const { network, timers, log } = this.#deps
    const abort = new AbortController()
    let cancel = (): void => {}
    try {
      const late = new Promise<never>((_, reject) => {
        cancel = timers.after(this.#times.requestMs, () => {
          abort.abort()
          this.#blame(source, 'timeout')
          reject(new NodeError(StateSyncErrors.SILENT, { peer: source.id }))
        })
      })
      const asked = network()?.request(source.id, protocol, question, abort.signal)
      if (asked === undefined) return 'failed'
      const bytes = await Promise.race([asked, late])
      source.failures = 0
      this.#meters.bytes.add(bytes.length)
      return { bytes }
    } catch (error) {
      log.debug({ peer: source.id, error: String(error) }, 'a peer does not answer')
      // One stream too many is refused, and says nothing of the next.
      if (++source.failures > 1 || abort.signal.aborted)
        source.notBeforeMs = this.#deps.clock.nowMs() + this.#times.failedMs
      this.#meters.requests.add(1, { answer: 'failed' })
      return 'failed'
    } finally {
      cancel()
      source.flights--
      this.#wake()
    }
  }

  #blame({ id }: Source, offence: 'timeout' | 'false answer' | 'forged'): void {
    this.#deps.network()?.blame(id, offence)
  }
  /** Nothing more is asked of it, whatever it is called. */
  #refuse(source: Source, error: unknown, offence: 'false answer' | 'forged' = 'false answer'): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#deps.log.warn({ peer: source.id, reason }, 'a peer gave what is not of this chain; it is dropped')
    this.#meters.requests.add(1, { answer: 'false' })
    this.#liars.add(source.id)
    this.#sources.delete(source.id)
    this.#blame(source, offence)
  }

  /** null where it did not answer, or not what it should. */
  async #lit(source: Source, ask: LightAsk): Promise<Lit[] | null> {
    const answer = await this.#ask(source, 'light', encodeLightAsk(ask))
    if (answer === 'failed') return null
    try {
      return decodeLit(answer.bytes)
    } catch (error) {
      if (!isMalformed(error)) throw error
      this.#refuse(source, error)
      return null
    }
  }

  // Which block.

  async #aim(signal: AbortSignal): Promise<VerifiedBlock> {
    const { log, restore } = this.#deps
    for (;;) {
      const before = this.#target?.header.number ?? 0
      const newest = await this.#newest(signal)
      if (newest !== null && (newest.header.number > before || this.#usable().some(({ lacks }) => lacks !== before))) {
        this.#target = newest
        const { number: height, stateRoot: root } = newest.header
        this.#meters.height.set(height)
        log.info({ height, hash: bytesToHex(newest.hash) }, 'the state after this block is fetched')
        restore.aim({ height, root })
        return newest
      }
      await this.#sleep(this.#times.failedMs, signal)
    }
  }

  /** The highest final block that a peer shows; null where none does. */
  async #newest(signal: AbortSignal): Promise<VerifiedBlock | null> {
    const client = await this.#trusted(signal)
    const shown = await Promise.all(
      this.#usable()
        .slice(0, HEADS_MAX)
        .map(async (source) => ({ source, head: (await this.#lit(source, { kind: 'head' }))?.[0] ?? null })),
    )
    signal.throwIfAborted()
    shown.sort((a, b) => (b.head?.header.number ?? 0) - (a.head?.header.number ?? 0))
    const top = client.latest()?.header.number ?? 0
    for (const { source, head } of shown) {
      if (head === null || head.header.number <= top) continue
      try {
        await this.#handOver(client, source, epochOf(head.header.number, this.#deps.rules.epochBlocks), signal)
        return client.verify(head, this.#deps.clock.nowMs())
      } catch (error) {
        this.#judge(source, error)
      }
    }
    return client.latest()
  }

  /** Throws what is no peer's fault, and a conflict, which is more than one peer's. */
  #judge(source: Source, error: unknown): void {
    if (!(error instanceof NodeError) || error.code === LightErrors.CONFLICT.code) throw error
    if (error.code === StateSyncErrors.SILENT.code) return
    if (error.code === LightErrors.TOO_OLD.code || error.code === LightErrors.FUTURE.code) {
      this.#deps.log.warn({ peer: source.id, reason: error.message }, 'a peer has no block that can be trusted now')
      return
    }
    if (!error.code.startsWith('LIGHT_') && error.code !== StateSyncErrors.FALSE.code && !isMalformed(error))
      throw error
    this.#refuse(source, error, error.code === LightErrors.CERTIFICATE.code ? 'forged' : 'false answer')
  }

  async #handOver(client: LightClient, source: Source, epoch: number, signal: AbortSignal): Promise<void> {
    while (client.epoch() < epoch) {
      const from = client.epoch()
      const given = await this.#lit(source, { kind: 'epochs', from, count: Math.min(EPOCHS_ASKED, epoch - from) })
      signal.throwIfAborted()
      // It may have forgotten them, and another not.
      if (given === null || given.length === 0) throw new NodeError(StateSyncErrors.SILENT, { peer: source.id })
      for (const lit of given) client.advance(lit, this.#deps.clock.nowMs())
    }
  }

  async #trusted(signal: AbortSignal): Promise<LightClient> {
    if (this.#client !== null) return this.#client
    const { rules, restore } = this.#deps
    const network = { chainId: rules.chainId, genesisHash: restore.genesisHash, epochBlocks: rules.epochBlocks }
    const { checkpoint } = this.#options
    const open = (anchor: Anchor): LightClient => {
      this.#client = this.#clientOf(network, anchor)
      return this.#client
    }
    if (checkpoint === null)
      return open({ kind: 'genesis', timeMs: restore.genesisTimeMs, validators: rules.validators })
    for (;;) {
      for (const source of this.#usable()) {
        const ask = { kind: 'checkpoint', from: checkpoint.height, count: 1 } as const
        const lit = (await this.#lit(source, ask))?.[0]
        signal.throwIfAborted()
        if (lit === undefined || lit.validators === null) continue
        try {
          return open({ kind: 'block', ...checkpoint, ...lit, validators: lit.validators })
        } catch (error) {
          const isOurs =
            error instanceof NodeError && [LightErrors.TOO_OLD.code, LightErrors.FUTURE.code].includes(error.code)
          if (isOurs || !(error instanceof NodeError)) throw error
          this.#refuse(source, error)
        }
      }
      await this.#sleep(this.#times.failedMs, signal)
    }
  }
  #clientOf(network: LightNetwork, anchor: Anchor): LightClient {
    const { trustingPeriodMs } = this.#options
    return createLightClient(network, anchor, { trustingPeriodMs }, this.#deps.clock.nowMs())
  }

  // The state.

  /** False where nobody has the state of this block any more. */
  async #fetch(target: VerifiedBlock, signal: AbortSignal): Promise<boolean> {
    const { restore } = this.#deps
    const height = target.header.number
    const failures: unknown[] = []
    let flights = 0
    while (!restore.isComplete()) {
      if (failures.length > 0) throw failures[0]
      const source = flights < FLIGHTS_MAX ? this.#sourceFor(height) : null
      const wanted = source === null ? null : restore.next()
      if (source !== null && wanted !== null) {
        flights++
        this.#get(source, wanted, target)
          .catch((error: unknown) => void failures.push(error))
          .finally(() => {
            flights--
            this.#wake()
          })
        continue
      }
      const isAnyLeft = [...this.#sources.values()].some(({ lacks }) => lacks !== height)
      if (flights === 0 && !isAnyLeft && this.#sources.size > 0) return false
      await this.#sleep(1_000, signal)
      this.#meters.share.set(restore.progress().share)
    }
    return true
  }

  #sourceFor(height: number): Source | null {
    const free = this.#usable().filter(({ flights, lacks }) => flights < PEER_FLIGHTS_MAX && lacks !== height)
    return free.reduce<Source | null>(
      (best, each) => (best === null || each.flights < best.flights ? each : best),
      null,
    )
  }

  async #get(source: Source, wanted: Wanted, target: VerifiedBlock): Promise<void> {
    const { restore } = this.#deps
    const { number: height, stateRoot } = target.header
    const question = wanted.kind === 'chunk' ? { kind: 'piece' as const, height, ...wanted.place } : wanted
    const answer = await this.#ask(source, 'state', encodeStateAsk(question))
    if (this.#target !== target || this.#isOver) return
    if (answer === 'failed') return restore.giveBack(wanted)
    if (wanted.kind === 'chunk' && answer.bytes.length === 0) {
      this.#meters.requests.add(1, { answer: 'none' })
      source.lacks = height
      return restore.giveBack(wanted)
    }
    const taken = this.#taking.then(() => this.#take(wanted, answer.bytes, stateRoot))
    this.#taking = taken.catch(() => {})
    try {
      await taken
      this.#meters.requests.add(1, { answer: 'good' })
    } catch (error) {
      restore.giveBack(wanted)
      if (!(error instanceof NodeError) || !isFalse(error.code)) throw error
      this.#refuse(source, error)
    }
  }

  async #take(wanted: Wanted, bytes: Uint8Array, stateRoot: Hash): Promise<void> {
    const { restore } = this.#deps
    if (wanted.kind === 'codes') {
      const codes = decodeCodes(bytes)
      if (codes.length === 0) throw new NodeError(StateSyncErrors.FALSE, { reason: 'code of its own state is missing' })
      await restore.takeCodes(codes)
      restore.giveBack(wanted) // those that had no room
      return
    }
    const piece = checkChunk(stateRoot, bytes)
    if (!isAt(piece, wanted.place)) throw new NodeError(StateSyncErrors.FALSE, { reason: 'a piece of another place' })
    await restore.take(piece)
  }

  // What else a chain begins with.

  /** The blocks up to the target, each named by the next: their certificates are in the sections after them. */
  async #tail(target: VerifiedBlock, signal: AbortSignal): Promise<Outlined[]> {
    const out: Outlined[] = [target]
    let next: Outlined = target
    const lowest = Math.max(1, target.header.number - TAIL_BLOCKS + 1)
    while (next.header.number > lowest) {
      const from = Math.max(lowest, next.header.number - BLOCKS_ASKED)
      const source = this.#usable().find(({ flights }) => flights < PEER_FLIGHTS_MAX)
      const given = source && (await this.#lit(source, { kind: 'heights', from, count: next.header.number - from }))
      signal.throwIfAborted()
      if (source === undefined || !given || given.length < next.header.number - from) {
        if (source !== undefined && given) source.notBeforeMs = this.#deps.clock.nowMs() + this.#times.failedMs
        await this.#sleep(this.#times.failedMs, signal)
        continue
      }
      for (const lit of given.reverse()) {
        const parent = parentOf(next, lit)
        if (parent === null) {
          const reason = `block ${lit.header.number} is no parent`
          this.#refuse(source, new NodeError(StateSyncErrors.FALSE, { reason }))
          break
        }
        next = parent
        out.push(next)
      }
    }
    return out.reverse()
  }

  /** So that others can come by this node: the last block of each epoch. */
  #handOvers(target: VerifiedBlock): Outlined[] {
    const client = this.#client
    const heights = client?.heights().filter((height) => height < target.header.number - TAIL_BLOCKS) ?? []
    return heights.flatMap((height) => client?.block(height) ?? [])
  }
}

const isAt = (
  { owner, path }: Checked,
  place: { readonly owner: Uint8Array | null; readonly path: Uint8Array },
): boolean => equalBytes(path, place.path) && equalBytes(owner ?? NOBODY, place.owner ?? NOBODY)
const NOBODY = new Uint8Array(0)

/** What no honest peer gives. */
const isFalse = (code: string): boolean =>
  /^(CHUNK_FALSE|SNAPSHOT_CODE|STATESYNC_FALSE|(PROOF|RLP|WIRE)_.*)$/.test(code)
