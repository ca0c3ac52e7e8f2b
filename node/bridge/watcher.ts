// One validator's eyes on one other chain: what its vault sent in blocks that are final there, by every endpoint this node was given. It
// believes what they all say and nothing that one of them doubts: then it says nothing, raises an alarm, and looks again. Owns how far it has
// looked; signing and the rest is `votes.ts`'s.
import { type Address, bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log, Meter, Timers } from '../../chain/base/ports.ts'
import { type Message, messageId } from '../../chain/native/bridge/message.ts'
import { Backlog, type Held } from './backlog.ts'
import type { Endpoint, Sent } from './endpoint.ts'
import { type KeptPlace, type Place, type PlaceFile, readPlace, writePlace } from './place.ts'

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

export interface WatchedRoute {
  readonly vault: Address
  readonly isSettled: (id: Hash) => boolean
}
export interface WatcherDeps {
  readonly endpoints: readonly Endpoint[]
  /** What the bridge here says of the chain; null while it is not connected. */
  readonly route: () => WatchedRoute | null
  readonly see: (vault: Address, messages: readonly Message[]) => void
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

/** Blocks that logs are asked of at once; fewer where an endpoint refuses so many. */
const RANGE_MAX = 1_000
/** Attested at once and not settled. One look may bring thousands: whoever pays for them must not displace votes, nor what other tokens need. */
const HELD = { most: 1_024, leastOfLine: 256 } as const

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
  /** Whose messages it looks at; null before the first look. */
  #vault: Address | null
  /** How far it has looked. */
  #last: Place
  #kept = ''
  readonly #held = new Backlog<Held>(HELD)
  /** Held, and not shown yet: a look that ends in doubt shows nothing. */
  #unshown: readonly Message[] = []
  /** Of each endpoint, the highest finalized block that it had. */
  readonly #heights = new Map<Endpoint, number>()
  #range = RANGE_MAX
  /** The alarm of a gap stays until what is read again is beyond it. */
  #gapUntil = 0
  #fault: Fault | null = null
  #unset: (() => void) | null = null
  #turning: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(deps: WatcherDeps, options: WatcherOptions, kept: KeptPlace | null) {
    this.#deps = deps
    this.#options = options
    this.#vault = kept?.contract ?? null
    this.#last = kept?.place ?? startOf(options)
  }

  static async open(deps: WatcherDeps, options: WatcherOptions): Promise<Watcher> {
    const text = await deps.place.read()
    const kept = text === null ? null : readPlace(text)
    if (text !== null && kept === null)
      deps.log.warn({ chain: String(options.chain) }, 'the place in another chain is unreadable: the watch begins anew')
    return new Watcher(deps, options, kept)
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
      if (this.#last.height >= this.#gapUntil) this.#told(null, {})
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
    this.#mustBe(route.vault)
    for (const { id, message } of this.#held.values()) if (route.isSettled(id)) this.#held.delete(message.sequence)
    const finalized = await this.#finalized()
    await this.#mustStand(this.#last)
    const to = Math.min(finalized, this.#last.height + this.#range)
    if (to > this.#last.height) await this.#advance(to, route)
    await this.#readAgain(route)
    const shown = this.#unshown
    this.#unshown = []
    if (shown.length > 0) this.#deps.see(route.vault, shown)
    await this.#keep(route.vault)
  }

  /** Where another vault is connected, it counts its messages anew. */
  #mustBe(vault: Address): void {
    const had = this.#vault
    this.#vault = vault
    if (had === null || equalBytes(had, vault)) return
    const facts = { chain: String(this.#options.chain), had: bytesToHex(had), vault: bytesToHex(vault) }
    this.#deps.log.warn(facts, 'another vault is connected: the watch begins anew')
    this.#gapUntil = 0
    this.#beginAnew()
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

  async #advance(to: number, route: WatchedRoute): Promise<void> {
    const before = this.#last
    const { sent, place } = await this.#read(before, to, route.vault).catch((error) => this.#doubted(error, null))
    this.#last = place
    if (sent.length === 0) return
    this.#deps.meters.messages.add(sent.length, { chain: String(this.#options.chain) })
    this.#unshown = [
      ...this.#unshown,
      ...unsettled(sent, before, route)
        .filter((each) => this.#held.add(each))
        .map(messageOf),
    ]
  }
  /** What a line had no room for, as far as it has some by now. */
  async #readAgain(route: WatchedRoute): Promise<void> {
    const { due } = this.#held
    if (due === null) return
    const last = this.#last
    const to = Math.min(last.height, due.place.height + this.#range)
    if (to <= due.place.height) return
    const doubted = (error: unknown): never => this.#doubted(error, due.name)
    const { sent, place } = await this.#read(due.place, to, route.vault).catch(doubted)
    const isAll = to === last.height
    const [had, have] = [last.sequence ?? 0n, place.sequence ?? 0n]
    if (isAll && have !== had) {
      const doubt = new Doubt('gap', { from: due.place.height + 1, to, had: String(had), have: String(have) })
      if (have > had) doubted(doubt)
      // An endpoint behind the others of its balancer knows nothing of these blocks, and does not say so.
      this.#held.doubt(due.name)
      throw doubt
    }
    const fresh = this.#held.refill(due.name, unsettled(sent, due.place, route), place, isAll)
    this.#unshown = [...this.#unshown, ...fresh.map(messageOf)]
  }
  /** Where what was read first is contradicted, and not what was read again of a line, all is read again. */
  #doubted(error: unknown, line: string | null): never {
    const isGap = error instanceof Doubt && error.fault === 'gap'
    if (isGap && (line === null || !this.#held.doubt(line))) {
      this.#gapUntil = this.#last.height + 1
      this.#beginAnew()
    }
    throw error
  }
  #beginAnew(): void {
    this.#last = startOf(this.#options)
    this.#held.clear()
    this.#unshown = []
  }

  /** What all endpoints say was sent after a place. */
  async #read(
    last: Place,
    to: number,
    vault: Address,
  ): Promise<{ readonly sent: readonly Sent[]; readonly place: Place }> {
    const { endpoints } = this.#deps
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
    return { sent, place: { height: to, hash, sequence } }
  }

  /** After a restart the votes for what is not settled are made again, so the place that is kept is before it. */
  async #keep(vault: Address): Promise<void> {
    const place = this.#held.lowest(this.#last)
    const text = writePlace(place, vault)
    if (place.hash === null || text === this.#kept) return
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

const startOf = ({ from }: WatcherOptions): Place => ({ height: Math.max(0, from - 1), hash: null, sequence: null })
const messageOf = ({ message }: Held): Message => message
const unsettled = (sent: readonly Sent[], before: Place, { isSettled }: WatchedRoute): readonly Held[] =>
  sent.map(({ message }) => ({ message, id: messageId(message), before })).filter(({ id }) => !isSettled(id))
const textOf = (sent: readonly Sent[]): string =>
  sent.map(({ height, message }) => `${height} ${bytesToHex(messageId(message))}`).join('\n')
