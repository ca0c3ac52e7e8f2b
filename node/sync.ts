// Catching up with final blocks from many peers at once. Owns what is asked of whom, what is kept until its turn, and who is believed:
// nobody. No claim of a height is heard; a peer is asked, and its blocks show. The chain judges a run by the certificate of its
// last block; the head of the chain is all that is remembered, so stopping anywhere loses nothing.
import { bytesToHex, equalBytes, type Hash } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Block } from '../chain/types/block.ts'
import { epochOf } from '../chain/types/validators.ts'
import type { Network, PeerId } from '../p2p/network.ts'
import { decodeRange, decodeRun, encodeRange, isMalformed, joinRun, type Range, type Run } from '../p2p/wire.ts'
import type { Engine } from './engine.ts'

export const SyncErrors = defineErrors('SYNC', {
  FALSE: { text: (d: { reason: string }) => `a peer's blocks are not what was asked: ${d.reason}` },
  OTHER_CHAIN: {
    text: (d: { height: number; have: string; want: string }) =>
      `block ${d.height} of this folder is ${d.have}, and the block of the checkpoint above it names ${d.want}: what is here is ` +
      'another chain. Start again in an empty --dir with the same --trust-height and --trust-hash',
  },
})

/** What one request asks for. */
const RUN_BLOCKS = 64
/** An answer ends with the block that passes this: what a peer at the floor of 128 KB/s gives within REQUEST_MS. */
const RUN_BYTES = 15 * 128 * 1024
const REQUEST_MS = 15_000
/** The run that all others wait for is asked of a second peer after so long. */
const HEDGE_MS = 2_000
/** Requests under way over all peers, and of one, which serves no more than 8 streams. */
const FLIGHTS_MAX = 20
const PEER_FLIGHTS_MAX = 4
/** Runs that wait for their turn, with those that are on their way. */
const BUFFER_BYTES = 64 * 1024 * 1024
/** A peer that did not answer is asked again after this, one that lied after that. */
const FAILED_MS = 5_000
const LIED_MS = 600_000
const LOG_EVERY_BLOCKS = 1_000
/** Peers whose pruning is remembered. */
const BEGINS_MAX = 1_024

export interface SyncDeps {
  readonly chain: Chain
  readonly engine: Pick<Engine, 'append'>
  readonly network: () => Network | null
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
  /** For what is not a peer's fault: a disk that fails. */
  readonly fail: (error: unknown) => void
}

export interface SyncTimes {
  readonly requestMs: number
  readonly hedgeMs: number
  readonly failedMs: number
}

/** A peer of this session. */
interface Source {
  readonly id: PeerId
  /** It has nothing from this height on, as its last answer showed. */
  end: number
  /** It has nothing below this height, as it says of itself. */
  begin: number
  /** Requests it may have at once: doubles with each full answer, one again when it was slow. */
  windowCount: number
  flights: number
  /** Requests in a row that broke. */
  failures: number
  pokes: number
  /** It has the block of the checkpoint, or there is none to have. */
  isOfThisChain: boolean
}

/** A range on its way, or here and waiting for those below it. */
interface Part {
  readonly from: number
  count: number
  readonly flights: Map<PeerId, AbortController>
  /** How many of its requests were not answered within `hedgeMs`. */
  lateCount: number
  held: { readonly source: Source; readonly run: Run; readonly sizeBytes: number } | null
}

type Answer = { readonly run: Run; readonly sizeBytes: number } | 'failed' | 'false' | 'void'

const meters = (m: Meter) => ({
  blocks: m.counter('sync_blocks_total', 'Final blocks taken from peers'),
  bytes: m.counter('sync_receive_bytes_total', 'Bytes of final blocks received from peers'),
  requests: m.counter('sync_requests_total', 'Requests for runs of blocks by how they ended', ['answer']),
  liars: m.counter('sync_false_peers_total', 'Peers dropped for blocks that are not of this chain'),
  syncing: m.gauge('consensus_block_syncing', '1 while blocks are taken from peers'),
  peers: m.gauge('sync_peers', 'Peers that blocks are asked of'),
  flights: m.gauge('sync_requests_in_flight', 'Requests for runs of blocks under way'),
  held: m.gauge('sync_buffer_bytes', 'Bytes of runs that wait for those below them'),
  height: m.gauge('sync_height', 'Height up to which blocks are here or asked for'),
})

export class Sync {
  readonly #deps: SyncDeps
  readonly #times: SyncTimes
  readonly #meters: ReturnType<typeof meters>
  readonly #sources = new Map<PeerId, Source>()
  /** Whose pokes are not heard before this time. */
  readonly #barred = new Map<PeerId, number>()
  /** Ascending, without overlap. */
  #parts: Part[] = []
  /** Requests allowed at once: doubles while answers are full, so that a node near the head asks no more than it needs. */
  #window = 1
  #isApplying = false
  #isClosed = false
  /** A block with a quorum behind it fails here: at this height nothing more is asked. */
  #stuckAt: number | null = null
  /** As a peer with the block of the checkpoint showed. */
  #parentOfCheckpoint: Hash | null = null
  /** Who did not answer in this session. */
  readonly #failed = new Set<PeerId>()
  /** Where peers begin that have pruned, so that they are not asked again for what is below. */
  readonly #begins = new Map<PeerId, number>()
  #saidPrunedAt: number | null = null
  #running: { readonly done: Promise<void>; readonly end: () => void; from: number; sinceMs: number } | null = null
  #loggedAt: number
  #cancelRetry = (): void => {}

  constructor(deps: SyncDeps, times: Partial<SyncTimes> = {}) {
    this.#deps = deps
    this.#times = { requestMs: REQUEST_MS, hedgeMs: HEDGE_MS, failedMs: FAILED_MS, ...times }
    this.#meters = meters(deps.meter)
    this.#loggedAt = this.#head
  }

  /** Ask this peer, now or with the others, whether it has more. */
  poke(peer: PeerId): void {
    if (this.#isClosed || this.#stuckAt === this.#head) return
    const barredMs = this.#barred.get(peer) ?? 0
    if (barredMs > this.#deps.clock.nowMs()) return
    this.#barred.delete(peer)
    const source = this.#sources.get(peer) ?? this.#meet(peer)
    source.pokes++
    source.end = Number.POSITIVE_INFINITY
    this.#begin()
    this.#pump()
  }

  get isSyncing(): boolean {
    return this.#running !== null
  }

  /** Settles when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running?.done
  }

  /** Asks nothing any more; settles when the run that is being applied is done. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRetry()
    for (const { flights } of this.#parts) for (const flight of flights.values()) flight.abort()
    if (!this.#isApplying) this.#finish()
    await this.idle()
  }

  /** Answers requests of the protocol `blocks`. */
  answer(bytes: Uint8Array): Uint8Array {
    const { chain } = this.#deps
    const { from, count } = decodeRange(bytes)
    const blocks: Uint8Array[] = []
    let sizeBytes = 0
    const last = Math.min(from + Math.min(count, RUN_BLOCKS) - 1, this.#head)
    for (let height = Math.max(from, 1); height <= last && sizeBytes < RUN_BYTES; height++) {
      const block = chain.encoded(height)
      if (block === null) break
      sizeBytes += block.length
      blocks.push(block)
    }
    const commit = blocks.length === 0 ? null : chain.commitOf(Math.max(from, 1) + blocks.length - 1)
    return joinRun(blocks, commit, chain.kept().bodies)
  }

  get #head(): number {
    return this.#deps.chain.head().header.number
  }

  #meet(id: PeerId): Source {
    const checkpoint = this.#deps.chain.checkpoint
    const isOfThisChain = checkpoint === null || checkpoint.height <= this.#head
    const source = {
      id,
      end: Number.POSITIVE_INFINITY,
      begin: this.#begins.get(id) ?? 0,
      windowCount: 1,
      flights: 0,
      failures: 0,
      pokes: 0,
      isOfThisChain,
    }
    this.#sources.set(id, source)
    this.#meters.peers.set(this.#sources.size)
    return source
  }

  #begin(): void {
    if (this.#running !== null) return
    const { promise: done, resolve: end } = Promise.withResolvers<void>()
    this.#running = { done, end, from: this.#head, sinceMs: this.#deps.clock.nowMs() }
  }

  /** Asks whatever may be asked, applies what is next, and ends the session when there is nothing left of either. */
  #pump(): void {
    if (this.#running === null || this.#isClosed) return
    for (const part of this.#parts) if (lastOf(part) <= this.#head) giveUp(part)
    this.#parts = this.#parts.filter((part) => lastOf(part) > this.#head)
    // What a peer had not when it was asked, and the chain has now, it may have now.
    for (const source of this.#sources.values()) if (source.end <= this.#head) source.end = Number.POSITIVE_INFINITY
    while (this.#askOne());
    if (!this.#isApplying && this.#isNextHere()) {
      this.#isApplying = true
      this.#apply()
        .catch((error: unknown) => {
          this.#isClosed = true // nothing that follows could be applied
          this.#deps.fail(error)
        })
        .finally(() => {
          this.#isApplying = false
          if (this.#isClosed) this.#finish()
          else this.#pump()
        })
    }
    this.#meters.flights.set(this.#flights)
    this.#meters.held.set(this.#heldBytes)
    this.#meters.height.set(this.#nextFrom - 1)
    if (!this.#isApplying && this.#flights === 0) this.#finish()
  }

  get #flights(): number {
    let flights = 0
    for (const { flights: of } of this.#sources.values()) flights += of
    return flights
  }
  get #heldBytes(): number {
    return this.#parts.reduce((sum, { held }) => sum + (held?.sizeBytes ?? 0), 0)
  }
  get #nextFrom(): number {
    const last = this.#parts.at(-1)
    return Math.max(this.#head + 1, last === undefined ? 0 : last.from + last.count)
  }
  #isNextHere(): boolean {
    const [first] = this.#parts
    return first !== undefined && first.held !== null && first.from <= this.#head + 1
  }

  /** One request to one peer; false where nothing can be asked now. */
  #askOne(): boolean {
    if (this.#isPrunedEverywhere) return false
    for (const source of this.#sources.values())
      if (!source.isOfThisChain && source.flights === 0 && source.end === Number.POSITIVE_INFINITY) {
        this.#askForCheckpoint(source).catch(this.#deps.fail)
        return true
      }
    for (const part of this.#wanted()) {
      const source = this.#sourceFor(part)
      if (source === null) continue
      if (!this.#parts.includes(part)) this.#parts.push(part)
      this.#askFor(part, source).catch(this.#deps.fail)
      return true
    }
    return false
  }

  /** Parts nobody was asked for, the one that all wait for once it is late, and the next above them while there is room. */
  *#wanted(): Iterable<Part> {
    for (const part of this.#parts) if (part.held === null && part.flights.size === 0) yield part
    const [first] = this.#parts
    if (first !== undefined && first.held === null && first.flights.size > 0 && first.flights.size <= first.lateCount)
      yield first
    const roomBytes = BUFFER_BYTES - this.#heldBytes - this.#flights * RUN_BYTES
    if (this.#flights >= this.#window || roomBytes < RUN_BYTES) return
    const from = this.#nextFrom
    const { checkpoint, genesis } = this.#deps.chain
    const { epochBlocks } = genesis
    // Within an epoch, whose set then judges the whole run; and up to the checkpoint, or from it on.
    const epochEnd = (epochOf(from, epochBlocks) + 1) * epochBlocks
    const { height } = checkpoint ?? { height: 0 }
    const bound = height > from ? height - from : RUN_BLOCKS
    const count = Math.min(RUN_BLOCKS, epochEnd - from + 1, bound)
    yield { from, count, flights: new Map(), lateCount: 0, held: null }
  }

  /** Who has it, as far as is known, and is the least busy. */
  #sourceFor(part: Part): Source | null {
    let best: Source | null = null
    for (const source of this.#sources.values()) {
      if (!source.isOfThisChain || source.end <= part.from || part.flights.has(source.id)) continue
      if (source.begin > part.from) continue
      if (source.flights >= source.windowCount) continue
      if (best === null || source.flights / source.windowCount < best.flights / best.windowCount) best = source
    }
    return best
  }

  async #askFor(part: Part, source: Source): Promise<void> {
    const flight = new AbortController()
    part.flights.set(source.id, flight)
    const { pokes } = source
    const cancel = this.#deps.timers.after(this.#times.hedgeMs, () => {
      part.lateCount++
      this.#pump()
    })
    const answer = await this.#ask(source, part, flight)
    cancel()
    part.flights.delete(source.id)
    if (this.#isClosed) return
    const isWaitedFor = this.#parts.includes(part) && part.held === null && !this.#isBarred(source.id)
    if (typeof answer === 'object' && isWaitedFor) this.#take(part, source, answer, pokes)
    this.#pump()
  }

  #take(part: Part, source: Source, { run, sizeBytes }: Exclude<Answer, string>, pokes: number): void {
    const { blocks } = run
    if (blocks.length === 0) {
      this.#meters.requests.add(1, { answer: run.earliest > part.from ? 'pruned' : 'empty' })
      if (run.earliest > part.from) this.#beginsAt(source, run.earliest)
      else if (source.pokes === pokes) source.end = Math.min(source.end, part.from)
      return
    }
    const isFull = blocks.length === part.count || sizeBytes >= RUN_BYTES
    this.#meters.requests.add(1, { answer: isFull ? 'full' : 'short' })
    this.#meters.bytes.add(sizeBytes)
    this.#meters.syncing.set(1)
    source.windowCount = part.lateCount > 0 ? 1 : Math.min(PEER_FLIGHTS_MAX, source.windowCount * 2)
    if (isFull) this.#widen()
    part.held = { source, run, sizeBytes }
    for (const id of part.flights.keys()) (this.#sources.get(id) ?? source).windowCount = 1 // another was faster
    giveUp(part)
    const rest = part.count - blocks.length
    part.count = blocks.length
    if (rest === 0) return
    const from = part.from + part.count
    this.#parts.push({ from, count: rest, flights: new Map(), lateCount: 0, held: null })
    this.#parts.sort((a, b) => a.from - b.from)
  }

  #beginsAt(source: Source, height: number): void {
    if (this.#begins.size >= BEGINS_MAX) this.#begins.clear()
    this.#begins.set(source.id, height)
    source.begin = height
    this.#widen() // others may have it
  }

  /** Nobody has the next block any more: what they have above it is of no use here. */
  get #isPrunedEverywhere(): boolean {
    const next = this.#head + 1
    const sources = [...this.#sources.values()]
    if (sources.length === 0 || sources.some(({ begin }) => begin <= next)) return false
    if (this.#saidPrunedAt !== next) {
      this.#saidPrunedAt = next
      const from = Math.min(...sources.map(({ begin }) => begin))
      this.#deps.log.warn(
        { next, from },
        'no peer has the next block any more, they have pruned it: connect to an archive node, or begin from a snapshot in an empty --dir',
      )
    }
    return true
  }

  /** This node is far behind: more at once, and of everybody. */
  #widen(): void {
    this.#window = Math.min(FLIGHTS_MAX, this.#window * 2)
    for (const { id } of this.#deps.network()?.peers() ?? [])
      if (!this.#sources.has(id) && !this.#isBarred(id)) this.#meet(id)
  }

  /** What the peer has of the range, each block the next one's parent; `void` where the answer is wanted no more. */
  async #ask(source: Source, range: Range, flight: AbortController): Promise<Answer> {
    source.flights++
    const cancel = this.#deps.timers.after(this.#times.requestMs, () => flight.abort('late'))
    const bytes = await this.#request(source.id, range, flight.signal).catch((error: unknown) => {
      this.#deps.log.debug({ peer: source.id, error: String(error) }, 'a peer gives no blocks')
      return null
    })
    cancel()
    source.flights--
    if (this.#isClosed || (flight.signal.aborted && flight.signal.reason !== 'late')) return 'void'
    if (bytes === null) {
      this.#meters.requests.add(1, { answer: 'failed' })
      source.windowCount = 1
      // A stream may break, as one too many does; a second in a row is a peer that does not answer.
      if (++source.failures < 2 && !flight.signal.aborted) return 'failed'
      if (flight.signal.aborted) this.#deps.network()?.blame(source.id, 'timeout')
      this.#failed.add(source.id)
      this.#bar(source.id, this.#times.failedMs)
      return 'failed'
    }
    source.failures = 0
    try {
      const run = decodeRun(bytes)
      checkAnswer(run.blocks, range)
      return { run, sizeBytes: bytes.length }
    } catch (error) {
      if (!isMalformed(error) && !(error instanceof NodeError && error.code === SyncErrors.FALSE.code)) throw error
      this.#refuse(source.id, error instanceof Error ? error.message : '')
      return 'false'
    }
  }

  /** Settles when the signal is aborted, whatever the network does. */
  #request(peer: PeerId, range: Range, signal: AbortSignal): Promise<Uint8Array> {
    const network = this.#deps.network()
    const asked = network?.request(peer, 'blocks', encodeRange(range), signal)
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (asked === undefined) reject('there is no network')
      else asked.then(resolve, reject)
    })
  }

  #isBarred(peer: PeerId): boolean {
    return (this.#barred.get(peer) ?? 0) > this.#deps.clock.nowMs()
  }

  /** Nothing is asked of it for a while, and what it gave is forgotten. */
  #bar(peer: PeerId, forMs: number): void {
    this.#barred.set(peer, Math.max(this.#barred.get(peer) ?? 0, this.#deps.clock.nowMs() + forMs))
    this.#sources.delete(peer)
    this.#meters.peers.set(this.#sources.size)
    for (const part of this.#parts) {
      part.flights.get(peer)?.abort()
      if (part.held?.source.id === peer) part.held = null
    }
  }

  #refuse(peer: PeerId, reason: string): void {
    this.#deps.log.warn({ peer, reason }, 'a peer gave blocks that are not of this chain; it is dropped')
    this.#meters.requests.add(1, { answer: 'false' })
    this.#meters.liars.add()
    this.#bar(peer, LIED_MS)
    this.#deps.network()?.blame(peer, 'false answer')
  }

  // Taking what is here.

  async #apply(): Promise<void> {
    while (this.#isNextHere() && !this.#isClosed) {
      const [part] = this.#parts
      const held = part?.held
      if (part === undefined || !held) return
      this.#checkOwnChain()
      const before = this.#head
      if (!(await this.#append(held.source, held.run))) continue
      if (this.#head < lastOf(part)) {
        this.#parts = [] // the engine is stopping
        this.#sources.clear()
        return
      }
      this.#meters.blocks.add(Math.max(0, this.#head - before))
      this.#report(held.source)
      this.#pump()
    }
  }

  /** Whether the blocks are on the chain now; if not, their giver is out, or there is nothing more to ask. */
  async #append(source: Source, run: Run): Promise<boolean> {
    const { chain, engine, log } = this.#deps
    const { blocks, commit } = run
    try {
      if (commit !== null) await engine.append({ blocks, commit })
      return true
    } catch (error) {
      if (!(error instanceof NodeError) || !/^(RUN_FALSE|(BLOCK|VOTE|TX|RLP)_.*)$/.test(error.code)) throw error
      const next = blocks.find(({ header }) => header.number === this.#head + 1)
      const isOurs = error.code.startsWith('BLOCK_') && next !== undefined && (await chain.isWhole(next))
      if (!isOurs) {
        this.#refuse(source.id, error.message)
        return false
      }
      log.error(
        { height: this.#head + 1, fault: error.message },
        'a quorum stands behind a block that is invalid here: this node or they run other rules; nothing more is asked',
      )
      this.#stuckAt = this.#head
      for (const part of this.#parts) giveUp(part)
      this.#parts = []
      this.#sources.clear()
      return false
    }
  }

  #report({ id }: Source): void {
    const height = this.#head
    if (height < this.#loggedAt + LOG_EVERY_BLOCKS) return
    this.#loggedAt = height
    this.#deps.log.info({ height, peers: this.#sources.size, peer: id }, 'catching up')
  }

  #finish(): void {
    const running = this.#running
    if (running === null) return
    const blocks = this.#head - running.from
    const seconds = (this.#deps.clock.nowMs() - running.sinceMs) / 1_000
    if (blocks > RUN_BLOCKS) this.#deps.log.info({ height: this.#head, blocks, seconds }, 'caught up')
    this.#running = null
    this.#parts = []
    this.#sources.clear()
    this.#window = 1
    for (const gauge of [this.#meters.syncing, this.#meters.peers, this.#meters.flights, this.#meters.held])
      gauge.set(0)
    if (!this.#isClosed) this.#retryLater()
    running.end()
  }

  /** A quiet network pokes nobody: who did not answer is asked again, as long as it is there. */
  #retryLater(): void {
    this.#cancelRetry()
    const failed = [...this.#failed]
    this.#failed.clear()
    if (failed.length === 0) return
    this.#cancelRetry = this.#deps.timers.after(this.#times.failedMs, () => {
      const here = new Set(
        this.#deps
          .network()
          ?.peers()
          .map(({ id }) => id),
      )
      for (const peer of failed) if (here.has(peer)) this.poke(peer)
    })
  }

  // The checkpoint.

  /** Below the checkpoint only peers are asked that have its block. */
  async #askForCheckpoint(source: Source): Promise<void> {
    const { checkpoint } = this.#deps.chain
    if (checkpoint === null) return
    const answer = await this.#ask(source, { from: checkpoint.height, count: 1 }, new AbortController())
    if (this.#isClosed) return
    if (typeof answer === 'object') {
      const block = answer.run.blocks[0]
      if (block === undefined)
        source.end = 0 // until it is poked again
      else if (equalBytes(block.hash, checkpoint.hash)) {
        source.isOfThisChain = true
        this.#parentOfCheckpoint = block.header.parentHash
      } else
        this.#refuse(
          source.id,
          `its block ${checkpoint.height} is ${bytesToHex(block.hash)}, the checkpoint says ${bytesToHex(checkpoint.hash)}`,
        )
    }
    this.#pump()
  }

  /** Throws SYNC_OTHER_CHAIN: a hash of ours is not the one that the block of the checkpoint names. */
  #checkOwnChain(): void {
    const { checkpoint } = this.#deps.chain
    const want = this.#parentOfCheckpoint
    const { header, hash } = this.#deps.chain.head()
    if (checkpoint === null || want === null || header.number !== checkpoint.height - 1) return
    if (!equalBytes(hash, want))
      throw new NodeError(SyncErrors.OTHER_CHAIN, {
        height: header.number,
        have: bytesToHex(hash),
        want: bytesToHex(want),
      })
  }
}

const lastOf = ({ from, count }: Part): number => from + count - 1

const giveUp = (part: Part): void => {
  for (const flight of part.flights.values()) flight.abort()
}

/** Blocks of the range from its beginning, each the next one's parent. Throws SYNC_FALSE. */
const checkAnswer = (blocks: readonly Block[], { from, count }: Range): void => {
  const fault = (reason: string) => new NodeError(SyncErrors.FALSE, { reason })
  if (blocks.length > count) throw fault(`${blocks.length} blocks where ${count} were asked`)
  for (const [i, { header }] of blocks.entries()) {
    if (header.number !== from + i) throw fault(`block ${header.number} where ${from + i} was asked`)
    const parent = blocks[i - 1]
    if (parent !== undefined && !equalBytes(header.parentHash, parent.hash))
      throw fault(`block ${header.number} does not follow the one before it`)
  }
}
