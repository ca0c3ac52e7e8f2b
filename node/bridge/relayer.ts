// The relayer: brings messages and their proofs between NovaChain and any number of other chains, refuses there what comes too late, and brings
// the notices on which it is paid back. Anybody may run one: it holds no key that matters, and the contracts are asked what is done before
// anything is sent, so that what is brought twice reverts and costs gas, nothing else. Of several relayers the one that was first goes on, and the
// others stand by. A chain has a turn of its own: one that hangs stops no other.
import { asHash, bytesToHex, type Hash } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Clock, Log } from '../../chain/base/ports.ts'
import { isNoWord, Status } from '../../chain/native/bridge/message.ts'
import type { Carrier, ChainView } from './carrier.ts'
import type { Carried, Lane } from './lane.ts'
import { type Deed, type Side, SideErrors } from './sides.ts'

/** One chain: NovaChain, or one that it has a bridge to. */
export interface Shore {
  readonly chain: bigint
  readonly side: Side
  readonly carrier: Carrier
  /** What it sends, a lane for each target. */
  readonly lanes: readonly Lane[]
}
export interface RelayerDeps {
  readonly shores: readonly Shore[]
  readonly clock: Clock
  readonly log: Log
}

/** Why nothing is sent to a chain now. */
export type RelayWaits =
  | 'messages' // none that can be brought
  | 'inclusion' // sent
  | 'fee' // gas is too dear
  | 'balance'
  | 'endpoint' // it fails, or contradicts itself

export interface ShoreStatus {
  readonly chain: bigint
  readonly waits: RelayWaits
  /** What its endpoint did wrong; null: nothing. */
  readonly fault: string | null
  /** Code of that error. */
  readonly faultCode: string | null
  readonly balanceWei: bigint | null
  readonly lanes: readonly {
    readonly target: bigint
    readonly height: number
    /** Not done with. */
    readonly messages: number
    /** For how long this process knows the oldest of them; 0 where there are none. */
    readonly oldestMs: number
    readonly isPaused: boolean
  }[]
}

const BOUNDS = {
  /** Messages that are looked at in a turn. */
  checks: 32,
  /** Of what is due within one such span each relayer begins elsewhere: two that began with the oldest would bring all of it twice. */
  spreadMs: 60_000,
  /** With fewer to bring two relayers bring the same: one of them stands by. */
  few: 4,
  /** So long, and up to twice as long by its account, a relayer that stands by leaves a message to the others. Longer than a block of any chain. */
  standByMs: 15_000,
  /** Until what has no proof yet, or is not final, is looked at again. */
  waitMs: 2_000,
  /** So many waits for a proof in a row: it may be of what never was. */
  doubtWaits: 16,
  /** After a refusal; twice as long after each more. */
  refusedMs: 15_000,
  refusedMaxMs: 3_600_000,
  /** Between two warnings of one kind. */
  quietMs: 600_000,
} as const

interface State {
  waits: RelayWaits
  fault: NodeError | null
  /** Another relayer brought there what this one could have. It leaves the next messages to that one for a while, until it brings one itself. */
  isStandingBy: boolean
}

export class Relayer {
  readonly #deps: RelayerDeps
  readonly #states = new Map<bigint, State>()
  readonly #warned = new Map<string, number>()

  constructor(deps: RelayerDeps) {
    this.#deps = deps
    for (const { chain } of deps.shores)
      this.#states.set(chain, { waits: 'endpoint', fault: null, isStandingBy: false })
  }

  get status(): readonly ShoreStatus[] {
    return this.#deps.shores.map(({ chain, carrier, lanes }) => {
      const { waits, fault } = this.#stateOf(chain)
      return {
        ...{ chain, waits, fault: fault?.message ?? null, faultCode: fault?.code ?? null },
        balanceWei: carrier.view?.balanceWei ?? null,
        lanes: lanes.map((lane) => ({
          ...{ target: lane.options.target, height: lane.height, messages: lane.pending.size },
          ...{ oldestMs: this.#oldestMs(lane), isPaused: this.#isPaused(lane) },
        })),
      }
    })
  }

  /** One look at one chain: what it sent, and what is to be brought there. A record that cannot be written is thrown. */
  async turn(chain: bigint): Promise<void> {
    const shore = this.#deps.shores.find((each) => each.chain === chain)
    if (shore === undefined) return
    const state = this.#stateOf(chain)
    try {
      const view = await shore.carrier.look()
      for (const lane of shore.lanes) await lane.scan()
      const nowMs = this.#deps.clock.nowMs()
      for (const { pending } of shore.lanes) for (const each of pending.values()) each.seenMs ??= nowMs
      for (const lane of shore.lanes) await this.#closeRefused(shore, lane, view)
      state.waits = await this.#carry(shore, view)
      state.fault = null
    } catch (error) {
      if (!(error instanceof NodeError) || !isPassing(error)) throw error
      Object.assign(state, { waits: 'endpoint', fault: error })
      this.#warn(`${chain} ${error.code}`, { chain: `${chain}`, code: error.code }, error.message)
    }
  }

  #oldestMs(lane: Lane): number {
    const nowMs = this.#deps.clock.nowMs()
    return [...lane.pending.values()].reduce((most, { seenMs }) => Math.max(most, nowMs - (seenMs ?? nowMs)), 0)
  }

  #stateOf(chain: bigint): State {
    return this.#states.get(chain) ?? { waits: 'endpoint', fault: null, isStandingBy: false }
  }

  /** Neither way while one of its chains is not what it was. */
  #isPaused(lane: Lane): boolean {
    return [lane, this.#reverse(lane)].some((each) => {
      if (each === null) return false
      return each.isReorganised || this.#stateOf(each.options.source).fault?.code === 'RELAY_REORGANISED'
    })
  }
  #reverse({ options: { source, target } }: Lane): Lane | null {
    return this.#laneOf(target, source)
  }
  #laneOf(source: bigint, target: bigint): Lane | null {
    const shore = this.#deps.shores.find(({ chain }) => chain === source)
    return shore?.lanes.find(({ options }) => options.target === target) ?? null
  }

  /** What was refused is done with once its source has paid it back, for good. */
  async #closeRefused({ side }: Shore, lane: Lane, { final }: ChainView): Promise<void> {
    const nowMs = this.#deps.clock.nowMs()
    const due = [...lane.pending.values()].filter(({ stage, nextMs }) => stage === 'refused' && nextMs <= nowMs)
    for (const each of due.slice(0, BOUNDS.checks)) {
      if ((await side.status(each.id, final.hash)) === Status.refunded) lane.done(each)
      else each.nextMs = nowMs + BOUNDS.waitMs
    }
  }

  async #carry(shore: Shore, view: ChainView): Promise<RelayWaits> {
    const { carrier } = shore
    await this.#follow(shore, view)
    const due = this.#due(shore)
    const isFew = due.filter(([, { isThere }]) => !isThere).length < BOUNDS.few
    for (const [lane, each] of due) {
      if (!carrier.hasRoom(view)) break
      const waits = await this.#bring(shore, lane, each, { ...view, isFew })
      if (waits !== null) return waits
    }
    return carrier.records.length > 0 ? 'inclusion' : 'messages'
  }

  /**
   * What waits for a chain: of each token in its turn what has been due for longest, so that nothing that comes later overtakes it for ever, and
   * thousands that are refused again and again hold up their own token alone.
   */
  #due({ chain, carrier }: Shore): readonly (readonly [Lane, Carried])[] {
    const nowMs = this.#deps.clock.nowMs()
    const waiting = this.#deps.shores
      .flatMap(({ lanes }) => lanes)
      .filter((lane) => lane.options.target === chain && !this.#isPaused(lane))
      .flatMap((lane) => [...lane.pending.values()].map((each) => [lane, each] as const))
    for (const [, each] of waiting) each.nextMs ||= nowMs
    const spanOf = ({ nextMs }: Carried): number => Math.floor(nextMs / BOUNDS.spreadMs)
    const placeOf = (each: Carried): number => lotOf(each, carrier)
    const due = waiting
      .filter(([, { id, stage, nextMs }]) => stage === 'open' && nextMs <= nowMs && !carrier.carries(id))
      .sort(([, a], [, b]) => spanOf(a) - spanOf(b) || placeOf(a) - placeOf(b))
    return inTurns(due, ([lane, { message }]) => `${lane.options.source} ${lane.pending.lineOf(message)}`).slice(
      0,
      BOUNDS.checks,
    )
  }

  /** What became of all that is under way. */
  async #follow({ chain, side, carrier }: Shore, view: ChainView): Promise<void> {
    const { latest, nonce } = view
    for (const [i, record] of carrier.records.entries()) {
      // What is not given to an endpoint yet, and what waits for long; what is behind the lowest waits for that.
      if (record.nonce < nonce || (carrier.isSent(record) && (i > 0 || !carrier.isStale))) continue
      const lane = this.#laneOf(record.source, chain)
      const each = lane?.pending.get(record.sequence)
      const isDone = (await side.status(record.id, latest.hash)) >= Status.delivered
      const isOther = each !== undefined && this.#deedOf(each, view) !== record.deed
      if (isDone || isOther || (lane !== null && this.#isPaused(lane)))
        await carrier.giveUp(record, isDone ? 'another relayer was first' : 'its time is over')
    }
    for (const { record, outcome } of await carrier.follow(view)) {
      const each = this.#laneOf(record.source, chain)?.pending.get(record.sequence)
      if (outcome === 'included') this.#stateOf(chain).isStandingBy = false
      if (each === undefined) continue
      if (outcome === 'included') each.isOwn = true
      if (outcome === 'reverted') this.#refused(each, view)
    }
  }

  #deedOf({ message }: Carried, { latest }: ChainView): Deed['kind'] {
    if (!isNoWord(message.refundOf)) return 'refund'
    return secondOf(latest.timeMs) > message.deadline ? 'refuse' : 'deliver'
  }

  /** One message, as far as it goes now. null: on to the next. */
  async #bring(
    shore: Shore,
    lane: Lane,
    each: Carried,
    view: ChainView & { isFew: boolean },
  ): Promise<RelayWaits | null> {
    const { side, carrier } = shore
    const nowMs = this.#deps.clock.nowMs()
    each.isThere = (await side.status(each.id, view.latest.hash)) >= Status.delivered
    if (each.isThere) {
      if (view.isFew && each.readyMs !== null && !each.isOwn) this.#stateOf(shore.chain).isStandingBy = true
      each.nextMs = nowMs + BOUNDS.waitMs
      this.#settle(lane, each, await side.status(each.id, view.final.hash))
      return null
    }
    const kind = this.#deedOf(each, view)
    if (each.deed !== kind) Object.assign(each, { deed: kind, tries: 0, readyMs: null })
    each.nextMs = nowMs + BOUNDS.waitMs
    const deed = await this.#deed(lane, each, kind)
    const data = deed === null ? null : await this.#call(side, each, deed, view)
    if (data === null) {
      if (++each.waits % BOUNDS.doubtWaits === 0) each.isDoubted = true
      return null
    }
    each.readyMs ??= nowMs
    if (view.isFew && this.#stateOf(shore.chain).isStandingBy && nowMs < each.readyMs + standByMs(each, carrier))
      return null
    const { sequence } = each.message
    const order = { id: each.id, source: lane.options.source, sequence, deed: kind, data }
    // What waits in a pool costs nobody anything until it is in a block: it is left to itself for so long and no longer.
    const believesPool = nowMs < each.readyMs + 2 * BOUNDS.standByMs
    const sending = await carrier.send(view, order, { explain: side.explain, believesPool })
    if (sending === 'full') return 'inclusion'
    if (sending === 'sent' || sending === 'awaited') return null
    if (typeof sending === 'string') {
      each.nextMs = nowMs
      return sending
    }
    this.#refused(each, view)
    const facts = { from: `${order.source}`, to: `${lane.options.target}`, sequence: `${sequence}`, deed: kind }
    this.#deps.log.debug({ ...facts, reason: sending.refused }, 'a message is refused for now')
    return null
  }

  /** As its target has it for good. */
  #settle(lane: Lane, each: Carried, status: bigint): void {
    if (status === Status.delivered || status === Status.noticed) lane.done(each)
    else if (status === Status.refused) each.stage = 'refused'
  }

  /** null: its original is not known. */
  async #deed(lane: Lane, { message }: Carried, kind: Deed['kind']): Promise<Deed | null> {
    if (kind !== 'refund') return { kind }
    const original = this.#reverse(lane)?.byId(message.refundOf) ?? null
    if (original !== null) return { kind, original: original.message }
    const shore = this.#deps.shores.find(({ chain }) => chain === lane.options.target)
    const at = shore?.carrier.view?.latest.hash
    if (shore === undefined || at === undefined) return null
    // Of what is not owed, or not any more, a notice is void: any message does.
    if ((await shore.side.status(asHash(message.refundOf), at)) !== Status.sent) return { kind, original: message }
    const facts = { chain: `${shore.chain}`, id: bytesToHex(message.refundOf) }
    this.#warn(`original ${facts.id}`, facts, 'a refund waits for its message: read that chain from an earlier block')
    return null
  }

  /** A message that never was is no reason to leave the others where they are. */
  async #call(side: Side, each: Carried, deed: Deed, view: ChainView): Promise<Uint8Array | null> {
    try {
      return await side.call(each.message, deed, view.final)
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== SideErrors.OTHER.code) throw error
      this.#refused(each, view)
      this.#warn(error.code, {}, error.message)
      return null
    }
  }

  /** Tried again later, and at its deadline, from which on it can be refused. */
  #refused(each: Carried, { latest }: ChainView): void {
    const nowMs = this.#deps.clock.nowMs()
    const waitMs = Math.min(BOUNDS.refusedMaxMs, BOUNDS.refusedMs * 2 ** Math.min(each.tries++, 16))
    const leftMs = (Number(each.message.deadline) + 1) * 1_000 - latest.timeMs
    each.nextMs = nowMs + (each.deed === 'deliver' && leftMs > 0 ? Math.min(waitMs, leftMs) : waitMs)
    each.isDoubted = true
  }

  #warn(about: string, facts: object, text: string): void {
    const nowMs = this.#deps.clock.nowMs()
    const last = this.#warned.get(about)
    if (last !== undefined && nowMs < last + BOUNDS.quietMs) return
    this.#warned.set(about, nowMs)
    this.#deps.log.warn(facts, text)
  }
}

/** The first of each line, then the second of each; otherwise as they come. */
const inTurns = <T>(all: readonly T[], lineOf: (one: T) => string): readonly T[] => {
  const counts = new Map<string, number>()
  const turns: T[][] = []
  for (const one of all) {
    const line = lineOf(one)
    const turn = counts.get(line) ?? 0
    counts.set(line, turn + 1)
    turns[turn] = [...(turns[turn] ?? []), one]
  }
  return turns.flat()
}
/** Of an account and a message: another for each. */
const lotOf = ({ id }: Carried, { mark }: Carrier): number => (firstWord(id) ^ firstWord(mark)) >>> 0
/** How long a message is left to others: of several that stand by one comes first. */
const standByMs = (each: Carried, carrier: Carrier): number => BOUNDS.standByMs * (1 + lotOf(each, carrier) / 2 ** 32)
const firstWord = (hash: Hash): number => new DataView(hash.buffer, hash.byteOffset).getUint32(0)
const secondOf = (ms: number): bigint => BigInt(Math.floor(ms / 1_000))
/** What time or another answer may mend. */
const isPassing = ({ code }: NodeError): boolean => /^(L1|ABI|RELAY)_/.test(code)
