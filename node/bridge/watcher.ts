// One validator's eyes on one other chain: what its vault sent in blocks that are final there, by every endpoint this node was given. It
// believes what they all say and nothing that one of them doubts: then it says nothing, raises an alarm, and looks again. Owns how far it has
// looked; signing and the rest is `votes.ts`'s.
import { type Address, asHash, bytesToHex, equalBytes, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log, Meter, Timers } from '../../chain/base/ports.ts'
import { INBOX_WINDOW, type Message, messageId } from '../../chain/native/bridge/message.ts'
import type { Endpoint, Sent } from './endpoint.ts'

/** Why it says nothing. */
export type Fault =
  /** An endpoint does not answer, or with what is no answer. */
  | 'unreachable'
  /** Its finalized block is lower than it was. */
  | 'backwards'
  /** Two endpoints have different blocks or logs. */
  | 'disagree'
  /** A block that was final is another one now. */
  | 'reorganised'
  /** A message is left out between two others. */
  | 'gap'

export interface WatcherDeps {
  readonly endpoints: readonly Endpoint[]
  /** What the bridge here says of the chain; null while it is not connected. */
  readonly route: () => { readonly vault: Address; readonly settledUpTo: bigint } | null
  readonly see: (messages: readonly Message[]) => void
  readonly place: PlaceFile
  readonly timers: Timers
  readonly log: Log
  readonly meters: WatchMeters
}
export interface WatcherOptions {
  readonly chain: bigint
  /** Where to begin without a place: the block that made the vault, or one before its first message. */
  readonly from: number
  readonly pollMs: number
}
/** Whole or as it was. */
export interface PlaceFile {
  read(): Promise<string | null>
  replace(text: string): Promise<void>
}

export const watchMeters = (m: Meter) => ({
  alarms: m.gauge(
    'bridge_watch_alarms',
    'Chains that this node does not attest because its endpoints fail or disagree',
  ),
  faults: m.counter('bridge_watch_faults_total', 'Looks at another chain that ended without a vote', [
    'chain',
    'reason',
  ]),
  messages: m.counter('bridge_watch_messages_total', 'Messages that were seen in finalized blocks', ['chain']),
})
export type WatchMeters = ReturnType<typeof watchMeters>

/** A block up to which everything was looked at, and the last message until there. */
export interface Place {
  readonly height: number
  /** null before the first look. */
  readonly hash: Hash | null
  /** null before the first: where the watch began, that need not be the first that was sent. */
  readonly sequence: bigint | null
}

/** Blocks that logs are asked of at once; fewer where an endpoint refuses so many. */
const RANGE_MAX = 1_000

class Doubt {
  readonly fault: Fault
  readonly facts: object
  constructor(fault: Fault, facts: object) {
    this.fault = fault
    this.facts = facts
  }
}

export class Watcher {
  readonly #deps: WatcherDeps
  readonly #options: WatcherOptions
  /** The first is where to begin after a restart: all messages before it are settled. The last is how far it has looked. */
  #places: readonly [Place, ...Place[]]
  #kept = ''
  /** Of what it has looked at, what the inbox has no room for yet. One look may bring thousands: whoever pays for them must not displace votes. */
  #ahead: readonly Message[] = []
  /** Of each endpoint, the highest finalized block that it had. */
  readonly #heights = new Map<Endpoint, number>()
  #range = RANGE_MAX
  #fault: Fault | null = null
  #unset: (() => void) | null = null
  #turning: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(deps: WatcherDeps, options: WatcherOptions, place: Place) {
    this.#deps = deps
    this.#options = options
    this.#places = [place]
  }

  static async open(deps: WatcherDeps, options: WatcherOptions): Promise<Watcher> {
    const start: Place = { height: Math.max(0, options.from - 1), hash: null, sequence: null }
    const kept = await deps.place.read()
    const place = kept === null ? start : readPlace(kept)
    if (place === null)
      deps.log.warn({ chain: String(options.chain) }, 'the place in another chain is unreadable: the watch begins anew')
    return new Watcher(deps, options, place ?? start)
  }

  get fault(): Fault | null {
    return this.#fault
  }

  start(): void {
    this.#unset = this.#deps.timers.after(0, () => {
      const failed = (error: unknown) =>
        this.#deps.log.error({ error: String(error) }, 'another chain cannot be watched')
      this.#turning = this.turn()
        .catch(failed)
        .then(() => {
          if (!this.#isClosed) this.#unset = this.#deps.timers.after(this.#options.pollMs, () => this.start())
        })
    })
  }
  /** Returns when no look is under way any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#unset?.()
    await this.#turning
  }

  /** One look. What is wrong is told, and looked at again the next time. */
  async turn(): Promise<void> {
    try {
      await this.#look()
      this.#told(null, {})
    } catch (error) {
      if (error instanceof Doubt) return this.#told(error.fault, error.facts)
      if (!(error instanceof NodeError) || !error.code.startsWith('L1_')) throw error
      if (error.code !== 'L1_UNREACHABLE') this.#range = Math.max(1, this.#range >> 1)
      this.#told('unreachable', { error: error.message })
    }
  }

  async #look(): Promise<void> {
    const route = this.#deps.route()
    if (route === null) return
    const last = this.#places.at(-1) ?? this.#places[0]
    const finalized = await this.#finalized()
    await this.#mustStand(last)
    const to = Math.min(finalized, last.height + this.#range)
    const room = route.settledUpTo + INBOX_WINDOW
    if (to > last.height && (last.sequence ?? 0n) < room) await this.#advance(last, to, route.vault)
    this.#show(room)
    await this.#keep(route.settledUpTo)
  }

  /** The lowest that they call final. */
  async #finalized(): Promise<number> {
    const { endpoints } = this.#deps
    const found = await Promise.all(endpoints.map(async (endpoint) => ({ endpoint, ...(await endpoint.finalized()) })))
    for (const { endpoint, number } of found) {
      const before = this.#heights.get(endpoint) ?? 0
      if (number < before) throw new Doubt('backwards', { endpoint: endpoint.name, finalized: number, before })
    }
    for (const { endpoint, number } of found) this.#heights.set(endpoint, number)
    return Math.min(...found.map(({ number }) => number))
  }

  /** What was final still is, by every endpoint. */
  async #mustStand({ height, hash }: Place): Promise<void> {
    if (hash === null) return
    const now = await this.#hashAt(height)
    if (!equalBytes(now, hash)) throw new Doubt('reorganised', { height, was: bytesToHex(hash), is: bytesToHex(now) })
  }
  async #hashAt(height: number): Promise<Hash> {
    const { endpoints } = this.#deps
    const hashes = await Promise.all(endpoints.map((endpoint) => endpoint.hashOf(height)))
    const [first] = hashes
    if (first === undefined || first === null || hashes.some((each) => each === null || !equalBytes(each, first)))
      throw new Doubt('disagree', {
        height,
        blocks: endpoints.map(({ name }, i) => `${name}: ${hashes[i] == null ? 'none' : bytesToHex(hashes[i])}`),
      })
    return first
  }

  async #advance(last: Place, to: number, vault: Address): Promise<void> {
    const { endpoints, meters } = this.#deps
    const from = last.height + 1
    // The hash after the logs: an endpoint that changed its mind in between is found out.
    const answers = await Promise.all(endpoints.map((endpoint) => endpoint.sent(vault, from, to, last.sequence)))
    const hash = await this.#hashAt(to)
    const [sent = []] = answers
    if (answers.some((each) => textOf(each) !== textOf(sent)))
      throw new Doubt('disagree', {
        ...{ from, to },
        messages: endpoints.map(({ name }, i) => `${name}: ${answers[i]?.length ?? 0}`),
      })
    let { sequence } = last
    for (const { message } of sent) {
      if (sequence !== null && message.sequence !== sequence + 1n)
        throw new Doubt('gap', { ...{ from, to }, after: String(sequence), found: String(message.sequence) })
      sequence = message.sequence
    }
    this.#range = Math.min(RANGE_MAX, this.#range * 2)
    const place = { height: to, hash, sequence }
    // Without messages the place only moves on.
    this.#places = sent.length === 0 ? moved(this.#places, place) : [...this.#places, place]
    if (sent.length === 0) return
    meters.messages.add(sent.length, { chain: String(this.#options.chain) })
    this.#ahead = [...this.#ahead, ...sent.map(({ message }) => message)]
  }

  /** What the inbox takes now. */
  #show(room: bigint): void {
    const beyond = this.#ahead.findIndex(({ sequence }) => sequence > room)
    const now = beyond < 0 ? this.#ahead : this.#ahead.slice(0, beyond)
    if (now.length === 0) return
    this.#ahead = this.#ahead.slice(now.length)
    this.#deps.see(now)
  }

  /** After a restart the votes for what is not settled are made again, so the place that is kept is before it. */
  async #keep(settledUpTo: bigint): Promise<void> {
    let [first, ...rest] = this.#places
    for (let next = rest[0]; next !== undefined && (next.sequence ?? 0n) <= settledUpTo; next = rest[0]) {
      first = next
      rest = rest.slice(1)
    }
    this.#places = [first, ...rest]
    const text = writePlace(first)
    if (first.hash === null || text === this.#kept) return
    await this.#deps.place.replace(text)
    this.#kept = text
  }

  #told(fault: Fault | null, facts: object): void {
    const { meters, log, endpoints } = this.#deps
    const chain = String(this.#options.chain)
    if (fault !== null) meters.faults.add(1, { chain, reason: fault })
    if (fault === this.#fault) return
    const had = this.#fault
    this.#fault = fault
    alarms.set(meters, (alarms.get(meters) ?? 0) + (fault === null ? -1 : had === null ? 1 : 0))
    meters.alarms.set(alarms.get(meters) ?? 0)
    if (fault === null) log.info({ chain }, 'the endpoints of this chain agree again: its messages are attested')
    else {
      const names = endpoints.map(({ name }) => name)
      log.error({ chain, ...facts, endpoints: names }, `NOTHING OF CHAIN ${chain} IS ATTESTED: ${WORDS[fault]}`)
    }
  }
}
/** Watchers of one node share its meters. */
const alarms = new WeakMap<WatchMeters, number>()

const WORDS: Readonly<Record<Fault, string>> = {
  unreachable: 'an endpoint does not answer, or not as it must',
  backwards: 'the finalized block of an endpoint went backwards',
  disagree: 'its endpoints say different things: one of them lies or is on another fork',
  reorganised: 'a block that was final is another one now',
  gap: 'the endpoints leave a message out',
}

const moved = ([first, ...rest]: readonly [Place, ...Place[]], to: Place): readonly [Place, ...Place[]] =>
  rest.length === 0 ? [to] : [first, ...rest.slice(0, -1), to]

const textOf = (sent: readonly Sent[]): string =>
  sent.map(({ height, message }) => `${height} ${bytesToHex(messageId(message))}`).join('\n')

export const writePlace = ({ height, hash, sequence }: Place): string =>
  `${JSON.stringify({ height, hash: hash === null ? null : bytesToHex(hash), sequence: sequence === null ? '' : String(sequence) })}\n`
/** null: it is unreadable. */
export const readPlace = (text: string): Place | null => {
  const found = /^\{"height":(\d{1,15}),"hash":"(0x[0-9a-f]{64})","sequence":"(\d{0,20})"\}\n$/.exec(text)
  if (found === null) return null
  const [, height, hash, sequence] = found
  return {
    height: Number(height),
    hash: asHash(hexToBytes(hash ?? '')),
    sequence: sequence === '' ? null : BigInt(sequence ?? 0),
  }
}
