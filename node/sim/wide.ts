// Hundreds of honest validators over a wide area: broadcasts hop along a mesh as gossip does, votes go straight to their collectors, and
// every signature costs its time on the one core that each node has. Owns that network, and what is measured in it.
import { curves } from '../../chain/base/crypto.ts'
import { claimsOf } from '../../chain/consensus/check.ts'
import { relevance } from '../../chain/consensus/core.ts'
import { encodeMessage, heightOf, type Message } from '../../chain/types/message.ts'
import { bitmapMembers, encodeQc, type Qc } from '../../chain/types/vote.ts'
import { Violation } from './checks.ts'
import { type Body, contentOf, DOMAIN, type Parcel } from './parcel.ts'
import { createRandom, type Random } from './random.ts'
import type { Scenario } from './scenario.ts'
import { World } from './world.ts'

/** Of signatures, in ms of one core. Zero for stand-ins. */
export interface Costs {
  readonly verifyMs: number
  /** Shares over one message, verified together: for the batch, and for each. */
  readonly batchMs: number
  readonly shareMs: number
  /** A certificate of `n` signers: for it, and for each. */
  readonly certificateMs: number
  readonly signerMs: number
  /** Adding one signature to an aggregate. */
  readonly addMs: number
}
export const NO_COSTS: Costs = { verifyMs: 0, batchMs: 0, shareMs: 0, certificateMs: 0, signerMs: 0, addMs: 0 }

export interface WideOptions {
  readonly seed: number
  readonly validators: number
  readonly heights: number
  readonly costs: Costs
}

export interface WideOutcome {
  readonly validators: number
  readonly heights: number
  /** Of the heights, decided in round 0. */
  readonly firstRoundShare: number
  /** From the moment the block was due until a node held it final, over all nodes and heights. */
  readonly finalMs: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly certificateBytes: number
  /** Sent by one validator in one height: on average, and by the one that sent most. */
  readonly traffic: {
    readonly messages: number
    readonly bytes: number
    readonly mostMessages: number
    readonly mostBytes: number
  }
  /** Something that must never be, or null. */
  readonly fault: string | null
  /** It was no more than too slow. */
  readonly isLate: boolean
}

const TOO_LATE = 'not all heights were decided within a minute each'
const DEGREE = 8
const LINK_MS = { from: 30, to: 100 } as const
const LOSS = 0.01
/** A header, its section and the rest of an empty block as sent. */
const EMPTY_BLOCK_BYTES = 1_500
const INTERVAL_MS = 3_000
/** The disturbed phase never ends: its losses are what is measured. */
const NEVER_MS = 1e12

export function runWide(options: WideOptions): WideOutcome {
  const world = new WideWorld(options)
  for (const node of world.nodes) node.boot()
  let isLate = false
  world.at(options.heights * 60_000, () => {
    isLate = true
  })
  let fault: string | null = null
  try {
    world.run(() => isLate || world.finals >= options.heights * options.validators)
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    fault = error.message
  }
  return world.outcome(isLate ? TOO_LATE : fault)
}

interface Inbox {
  waiting: { readonly from: number; readonly parcel: Parcel; readonly then: () => void }[]
  isBusy: boolean
}

class WideWorld extends World {
  readonly #options: WideOptions
  readonly #links: Random
  readonly #mesh: readonly (readonly number[])[]
  readonly #inboxes: readonly Inbox[]
  /** By content: who has it or is about to. */
  readonly #has = new WeakMap<object, Set<number>>()
  readonly #sizes = new WeakMap<object, number>()
  readonly #sentMessages: number[]
  readonly #sentBytes: number[]
  readonly #finalMs: number[] = []
  readonly #rounds = new Map<number, number>()
  #certificateBytes = 0

  constructor(options: WideOptions) {
    super(scenarioOf(options))
    const { seed, validators } = options
    this.#options = options
    this.#links = createRandom(seed, 'links')
    this.#mesh = meshOf(validators, createRandom(seed, 'mesh'))
    this.#inboxes = this.nodes.map(() => ({ waiting: [], isBusy: false }))
    this.#sentMessages = this.nodes.map(() => 0)
    this.#sentBytes = this.nodes.map(() => 0)
  }

  get finals(): number {
    return this.#finalMs.length
  }
  override onFinal(body: Body, qc: Qc, parent: Body): void {
    if (body.height > this.#options.heights) return
    this.#finalMs.push(this.nowMs - parent.timeMs - INTERVAL_MS)
    this.#rounds.set(body.height, Math.max(qc.round, this.#rounds.get(body.height) ?? 0))
    this.#certificateBytes = Math.max(this.#certificateBytes, encodeQc(qc).length)
  }

  outcome(fault: string | null): WideOutcome {
    const { validators, heights } = this.#options
    const sorted = this.#finalMs.toSorted((a, b) => a - b)
    const at = (share: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
    const mean = (all: readonly number[]): number => Math.round(all.reduce((a, b) => a + b, 0) / validators / heights)
    const first = [...this.#rounds.values()].filter((round) => round === 0).length
    return {
      isLate: fault === TOO_LATE,
      ...{ validators, heights, firstRoundShare: first / heights, certificateBytes: this.#certificateBytes, fault },
      finalMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      traffic: {
        ...{ messages: mean(this.#sentMessages), bytes: mean(this.#sentBytes) },
        mostMessages: Math.round(Math.max(...this.#sentMessages) / heights),
        mostBytes: Math.round(Math.max(...this.#sentBytes) / heights),
      },
    }
  }

  // Links.

  override send(from: number, height: number, to: 'all' | readonly number[], parcel: Parcel): void {
    const workMs = this.#formMs(parcel)
    this.at(this.nowMs + workMs, () => {
      if (to === 'all') this.#gossip(from, from, parcel)
      else for (const index of to) this.sendTo(from, this.nodeOf(height, index), parcel)
    })
  }

  override sendTo(from: number, to: number, parcel: Parcel): void {
    this.#hop(from, parcel, () => this.#arrive(from, to, parcel))
  }

  #hop(from: number, parcel: Parcel, then: () => void): void {
    this.#sentMessages[from] = (this.#sentMessages[from] ?? 0) + 1
    this.#sentBytes[from] = (this.#sentBytes[from] ?? 0) + this.#sizeOf(parcel)
    if (this.#links.chance(LOSS)) return
    this.at(this.nowMs + this.#links.between(LINK_MS.from, LINK_MS.to), then)
  }

  /** Each node passes on what it checked, once, to its neighbours but the one it has it from. */
  #gossip(by: number, source: number, parcel: Parcel): void {
    const content = parcel.kind === 'message' ? contentOf(parcel.message) : parcel
    const has = this.#has.get(content) ?? new Set<number>()
    this.#has.set(content, has)
    if (by === source) {
      if (has.has(by)) return // had it from others: it is on its way already
      has.add(by)
    }
    for (const peer of this.#mesh[by] ?? [])
      if (peer !== source)
        this.#hop(by, parcel, () => {
          if (has.has(peer)) return
          has.add(peer)
          this.#arrive(by, peer, parcel, () => this.#gossip(peer, by, parcel))
        })
  }

  // The core of each node.

  #arrive(from: number, to: number, parcel: Parcel, then: () => void = () => {}): void {
    const inbox = this.#inboxes[to] as Inbox
    inbox.waiting.push({ from, parcel, then })
    this.#work(to, inbox)
  }

  #work(id: number, inbox: Inbox): void {
    if (inbox.isBusy || inbox.waiting.length === 0) return
    inbox.isBusy = true
    const batch = inbox.waiting
    inbox.waiting = []
    this.at(this.nowMs + this.#verifyMs(id, batch), () => {
      for (const { from, parcel, then } of batch) {
        this.nodes[id]?.receive(from, parcel)
        then()
      }
      inbox.isBusy = false
      this.#work(id, inbox)
    })
  }

  /** What waits is checked together: shares over one message in one go. */
  #verifyMs(id: number, batch: Inbox['waiting']): number {
    const state = this.nodes[id]?.state
    const { costs } = this.#options
    const shares: Message[] = []
    let ms = 0
    for (const { parcel } of batch) {
      if (parcel.kind !== 'message' || !state || relevance(state, parcel.message) !== 'check') continue
      const { message } = parcel
      if (message.kind === 'vote') shares.push(message)
      else ms += this.#certificatesMs(message)
    }
    this.#verifyShares(shares)
    if (shares.length === 1) return ms + costs.verifyMs
    return shares.length === 0 ? ms : ms + costs.batchMs + shares.length * costs.shareMs
  }

  #verifyShares(shares: readonly Message[]): void {
    const fresh = shares.flatMap((message) => {
      const claims = claimsOf(message, this.setOf(heightOf(message)), DOMAIN)
      return typeof claims === 'string' ? [] : claims.flatMap(({ jobs }) => jobs)
    })
    if (fresh.length > 1 && curves().blsVerifyAll(fresh))
      for (const message of shares) this.faultOnce(contentOf(message), () => null)
  }

  #certificatesMs(message: Message): number {
    const { verifyMs, certificateMs, signerMs } = this.#options.costs
    const of = ({ bitmap }: Pick<Qc, 'bitmap'>): number =>
      certificateMs + signerMs * signersIn(bitmap, this.nodes.length)
    switch (message.kind) {
      case 'qc':
        return of(message.qc)
      case 'tc':
        return message.tc.groups.reduce((ms, group) => ms + of(group), message.tc.qc === null ? 0 : of(message.tc.qc))
      case 'timeout':
        return verifyMs + (message.timeout.qc === null ? 0 : of(message.timeout.qc))
      case 'proposal':
        return 2 * verifyMs // and the reveal in its block; the certificate of its parent is known
      case 'vote':
      case 'status':
        return 0
    }
  }

  /** Whoever forms a certificate adds up its signatures first. */
  #formMs(parcel: Parcel): number {
    if (parcel.kind !== 'message' || parcel.message.kind !== 'qc' || this.#has.has(parcel.message.qc)) return 0
    return this.#options.costs.addMs * signersIn(parcel.message.qc.bitmap, this.nodes.length)
  }

  #sizeOf(parcel: Parcel): number {
    if (parcel.kind === 'want') return 40
    if (parcel.kind === 'body') return EMPTY_BLOCK_BYTES
    const content = contentOf(parcel.message)
    const size =
      this.#sizes.get(content) ?? encodeMessage(parcel.message).length + (parcel.body === null ? 0 : EMPTY_BLOCK_BYTES)
    this.#sizes.set(content, size)
    return size
  }
}

const signersIn = (bitmap: Uint8Array, count: number): number => bitmapMembers(bitmap, count)?.length ?? 0

/** Every node knows its neighbours, both ways: a ring, so that nobody is cut off, and links by chance. */
const meshOf = (count: number, random: Random): number[][] => {
  const mesh = Array.from({ length: count }, () => new Set<number>())
  const link = (a: number, b: number): void => {
    if (a === b) return
    mesh[a]?.add(b)
    mesh[b]?.add(a)
  }
  for (let i = 0; i < count; i++) link(i, (i + 1) % count)
  for (let tries = 0; tries < 20 * count; tries++) {
    const [a, b] = [random.below(count), random.below(count)]
    if ((mesh[a]?.size ?? DEGREE) < DEGREE && (mesh[b]?.size ?? DEGREE) < DEGREE) link(a, b)
  }
  return mesh.map((peers) => [...peers])
}

const scenarioOf = ({ seed, validators, heights }: WideOptions): Scenario => ({
  ...{ seed, powers: [Array.from({ length: validators }, () => 1)], epochBlocks: 1_200, heights, calmMs: NEVER_MS },
  ...{ byzantine: [], byzantineRun: false, twins: false, adversaryMs: 1_000, tricks: [], faults: [] },
  network: { minMs: LINK_MS.from, meanMs: 0, loss: LOSS, duplicates: 0, lossOf: {} },
  ...{ execMs: 20, skewMs: 50 },
})
