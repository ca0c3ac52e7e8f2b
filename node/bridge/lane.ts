// One direction between two chains, as a relayer reads it: what its source sent in final blocks and is not done with. Owns how far it has looked,
// on disk, and what it does when the source's endpoint contradicts itself. Nothing it read is believed for long: what is refused is read again.
import { type Address, bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { maxBigint, minBigint } from '../../chain/base/math.ts'
import type { Log } from '../../chain/base/ports.ts'
import { messageId } from '../../chain/native/bridge/message.ts'
import { L1Errors } from '../rollup/l1.ts'
import { Backlog, type Held } from './backlog.ts'
import type { Endpoint, Sent } from './endpoint.ts'
import { type Place, type PlaceFile, readPlace, writePlace } from './place.ts'

export const LaneErrors = defineErrors('RELAY', {
  BACKWARDS: {
    text: (d: { chain: bigint; had: number; have: number }) =>
      `the endpoint of chain ${d.chain} went backwards: block ${d.had} was final, now ${d.have} is`,
  },
  REORGANISED: {
    text: (d: { chain: bigint; height: number }) =>
      `block ${d.height} of chain ${d.chain} was final and is another one now: its routes are paused. Compare its endpoint with others; a restart goes on from what the chain says then`,
  },
  GAP: {
    text: (d: { chain: bigint; after: bigint; found: bigint }) =>
      `the endpoint of chain ${d.chain} leaves out what is between messages ${d.after} and ${d.found}: it is read again`,
  },
  BEGINNING: {
    text: (d: { chain: bigint; height: number; found: bigint }) =>
      `whether message ${d.found} is the first that chain ${d.chain} sent after block ${d.height} is not known, for its endpoint does not have the state of that block any more: begin at the block ` +
      'that made the contract there, or at 0, or take an endpoint that keeps old states',
  },
})

/** A message on its way. */
export interface Carried extends Held {
  /** Block of the source that sent it. */
  readonly height: number
  /** `open`: to be brought. `refused`: its target refused it for good, and its source has not paid it back yet. */
  stage: 'open' | 'refused'
  /** Refusals in a row of the deed that was last tried. */
  tries: number
  deed: string
  /** Looks that found no proof of it. */
  waits: number
  /** When this process first looked at it; null: it has not yet. */
  seenMs: number | null
  /** Not to be looked at before. */
  nextMs: number
  /** Since when it could be brought; null: not yet. */
  readyMs: number | null
  /** Whether it was settled in the newest block when it was last looked at, and whether by this relayer. */
  isThere: boolean
  isOwn: boolean
  /** A target refused it, or has no proof of it for long: it is compared with its source again. */
  isDoubted: boolean
}

export interface LaneDeps {
  readonly endpoint: Endpoint
  /** Of the source: who sends. */
  readonly contract: Address
  readonly place: PlaceFile
  readonly log: Log
}
export interface LaneOptions {
  readonly source: bigint
  readonly target: bigint
  /**
   * Block of the source to begin at: what was sent before is left out. From 0 or 1 on it begins with the first message; later, the contract is asked
   * how many there were.
   */
  readonly from: number
}

/** Blocks that logs are asked of at once; fewer where an endpoint refuses so many. */
const RANGE_MAX = 10_000
/** No contract counts further. */
const SEQUENCE_MAX = 2n ** 64n
/** Messages that wait. Those of one token may fill it; of each other there is room all the same. */
const PENDING = { most: 16_384, leastOfLine: 1_024 } as const

export class Lane {
  readonly options: LaneOptions
  readonly pending = new Backlog<Carried>(PENDING)
  isReorganised = false
  readonly #deps: LaneDeps
  #last: Place
  #kept: string
  /** Highest final block that the endpoint had. */
  #height = 0
  #range = RANGE_MAX

  private constructor(deps: LaneDeps, options: LaneOptions, last: Place, kept: string) {
    this.options = options
    this.#deps = deps
    this.#last = last
    this.#kept = kept
  }

  /** A place that is unreadable, or of another contract, costs a look back. */
  static async open(deps: LaneDeps, options: LaneOptions): Promise<Lane> {
    const kept = await deps.place.read()
    const found = kept === null ? null : readPlace(kept)
    const isOwn = found !== null && equalBytes(found.contract, deps.contract)
    if (kept !== null && !isOwn) {
      const why = found === null ? 'unreadable' : 'of another contract'
      deps.log.warn({ chain: String(options.source) }, `the place in a chain is ${why}: it is read from the start`)
    }
    return new Lane(deps, options, isOwn ? found.place : startOf(options), kept ?? '')
  }

  /** Block of the source up to which it has looked. */
  get height(): number {
    return this.#last.height
  }

  byId(id: Uint8Array): Carried | null {
    for (const each of this.pending.values()) if (equalBytes(each.id, id)) return each
    return null
  }

  /** Nothing of it is left to do. */
  done({ message }: Carried): void {
    this.pending.delete(message.sequence)
  }

  /** Looks once at the source. Throws L1_*, RELAY_*. */
  async scan(): Promise<void> {
    const { endpoint } = this.#deps
    const { number } = await endpoint.finalized()
    const { source: chain } = this.options
    if (number < this.#height) throw new NodeError(LaneErrors.BACKWARDS, { chain, had: this.#height, have: number })
    this.#height = number
    await this.#mustStand()
    await this.#readAgain()
    if (number > this.#last.height) await this.#advance(number)
    await this.#catchUp()
    await this.#keep()
  }

  async #mustStand(): Promise<void> {
    const { height, hash } = this.#last
    if (hash === null) return
    const now = await this.#hashAt(height)
    this.isReorganised = !equalBytes(now, hash)
    if (this.isReorganised) throw new NodeError(LaneErrors.REORGANISED, { chain: this.options.source, height })
  }
  async #hashAt(height: number): Promise<Hash> {
    const hash = await this.#deps.endpoint.hashOf(height)
    if (hash !== null) return hash
    throw new NodeError(LaneErrors.BACKWARDS, { chain: this.options.source, had: height, have: height - 1 })
  }

  async #advance(final: number): Promise<void> {
    const { height, hash, sequence } = this.#last
    // Whatever an endpoint said before: a limit of its gateway is no lack of a state, and of a later block it may have it.
    const before = sequence === null ? { height, hash, sequence: await this.#sentBy(height) } : this.#last
    const { sent, place } = await this.#read(before, final).catch((error) => this.#doubted(error, null))
    for (const each of sent) this.#add(each, before)
    this.#last = place
  }
  /** What a line had no room for, as far as it has some by now. */
  async #catchUp(): Promise<void> {
    const { due } = this.pending
    if (due === null || due.place.height >= this.#last.height) return
    const last = this.#last
    const { sent, place } = await this.#read(due.place, last.height).catch((error) => this.#doubted(error, due.name))
    const isAll = place.height === last.height
    const [had, have] = [last.sequence ?? 0n, place.sequence ?? 0n]
    if (isAll && have !== had) {
      const error = this.#gap(minBigint(had, have), maxBigint(had, have))
      if (have > had) this.#doubted(error, due.name)
      // An endpoint behind the others of its balancer knows nothing of these blocks, and does not say so.
      this.pending.doubt(due.name)
      throw error
    }
    const read = sent.map((each) => carriedOf(each, due.place))
    this.pending.refill(due.name, read, place, isAll)
  }
  /** Where what was read first is contradicted, and not what was read again of a line, all is read again. */
  #doubted(error: unknown, line: string | null): never {
    const isGap = error instanceof NodeError && error.code === LaneErrors.GAP.code
    if (isGap && (line === null || !this.pending.doubt(line))) {
      this.#last = startOf(this.options)
      this.pending.clear()
    }
    throw error
  }
  #gap(after: bigint, found: bigint): NodeError {
    return new NodeError(LaneErrors.GAP, { chain: this.options.source, after, found })
  }
  /** What was sent after a place, as far as the endpoint answers at once. */
  async #read(before: Place, until: number): Promise<{ readonly sent: readonly Sent[]; readonly place: Place }> {
    const { to, sent } = await this.#next(before, until)
    // The hash after the logs: an endpoint that changed its mind in between is found out by the next look.
    const hash = await this.#hashAt(to)
    let { sequence } = before
    const first = sent[0]?.message.sequence ?? 1n
    const { source: chain, from } = this.options
    if (sequence === null && first !== 1n)
      throw new NodeError(LaneErrors.BEGINNING, { chain, height: from - 1, found: first })
    for (const { message } of sent) {
      if (sequence !== null && message.sequence !== sequence + 1n) throw this.#gap(sequence, message.sequence)
      sequence = message.sequence
    }
    this.#range = Math.min(RANGE_MAX, this.#range * 2)
    return { sent, place: { height: to, hash, sequence } }
  }
  /** How many messages the contract had sent by the end of a block. null: the endpoint does not have that state, or does not say now. */
  async #sentBy(height: number): Promise<bigint | null> {
    const { endpoint, contract } = this.#deps
    const hasSent = (sequence: bigint): Promise<boolean> => endpoint.hasSent(contract, sequence, height)
    let [low, high] = [0n, 1n]
    try {
      while (high < SEQUENCE_MAX && (await hasSent(high))) [low, high] = [high, 2n * high]
      while (high - low > 1n) {
        const middle = (low + high) / 2n
        if (await hasSent(middle)) low = middle
        else high = middle
      }
      return low
    } catch (error) {
      if (error instanceof NodeError && error.code === L1Errors.REFUSED.code) return null
      throw error
    }
  }
  /** As many blocks as the endpoint takes at once. */
  async #next(before: Place, final: number): Promise<{ readonly to: number; readonly sent: readonly Sent[] }> {
    const from = before.height + 1
    for (;;) {
      const to = Math.min(final, from + this.#range - 1)
      try {
        return { to, sent: await this.#sent(from, to, before.sequence) }
      } catch (error) {
        const isRange = error instanceof NodeError && (error.code === 'L1_REFUSED' || error.code === 'L1_ANSWER')
        if (!isRange || to === from) throw error
        this.#range = (to - from + 1) >> 1
      }
    }
  }
  #sent(from: number, to: number, after: bigint | null): Promise<readonly Sent[]> {
    const { endpoint, contract } = this.#deps
    return endpoint.sent(contract, from, to, after)
  }

  #add(sent: Sent, before: Place): void {
    const one = carriedOf(sent, before)
    const known = this.pending.get(one.message.sequence)
    if (known === undefined || !equalBytes(known.id, one.id)) this.pending.add(one)
  }

  /** What a target refused may be what the source never sent. */
  async #readAgain(): Promise<void> {
    for (const each of this.pending.values()) {
      if (!each.isDoubted) continue
      each.isDoubted = false
      const sent = await this.#sent(each.height, each.height, each.message.sequence - 1n)
      if (sent.some(({ message }) => equalBytes(messageId(message), each.id))) continue
      const { source, target } = this.options
      const facts = { from: String(source), to: String(target), sequence: String(each.message.sequence) }
      this.#deps.log.warn(
        { ...facts, id: bytesToHex(each.id) },
        'a message is not there any more: its chain is read again',
      )
      this.pending.delete(each.message.sequence)
      if (each.before.height < this.#last.height) this.#last = each.before
    }
  }

  /** Before the first message that is not done: after a restart it is read again, and its target asked what became of it. */
  async #keep(): Promise<void> {
    const kept = this.pending.lowest(this.#last)
    if (kept.hash === null || kept.sequence === null) return
    const text = writePlace(kept, this.#deps.contract)
    if (text === this.#kept) return
    await this.#deps.place.replace(text)
    this.#kept = text
  }
}

const carriedOf = ({ height, message }: Sent, before: Place): Carried => ({
  ...{ message, id: messageId(message), height, before, stage: 'open' as const, tries: 0, waits: 0, deed: '' },
  ...{ seenMs: null, nextMs: 0, readyMs: null, isThere: false, isOwn: false, isDoubted: false },
})
const startOf = ({ from }: LaneOptions): Place => ({
  ...{ height: Math.max(0, from - 1), hash: null, sequence: from <= 1 ? 0n : null },
})
