// The door of consensus for what peers say: decoded, found relevant, queued, then verified in batches, in this order, so that junk
// costs its sender more than us. Owns the queues, one for each peer and bounded; what passes becomes an input of the machine.
import { equalBytes, type Hex } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Log, Meter } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { claimsOf, FORGED } from '../chain/consensus/check.ts'
import { relevance, type State } from '../chain/consensus/core.ts'
import type { Input, Seen } from '../chain/consensus/io.ts'
import { decodeExtra, headerTimeMs } from '../chain/types/block.ts'
import { heightOf, type Message } from '../chain/types/message.ts'
import { type Claim, type Domain, type Proposal, type Qc, qcClaim } from '../chain/types/vote.ts'
import type { Judgement, PeerId } from '../p2p/network.ts'
import { decodeEnvelope, type Envelope, isMalformed, type Sketch } from '../p2p/wire.ts'
import type { Verifier } from './verifier.ts'

/** How far a proposer's clock may be ahead of the own, and how old a block may be that it proposes (consensus, section 6). */
const PRECISION_MS = 500
/** Timestamps rise by whole seconds, so blocks that come faster (development) lead the clock by up to one more. */
const LEAD_MS = 1_000
/** Below the head by more than so many heights a message is yesterday's. */
const STALE_HEIGHTS = 2
const MESSAGE_DELAY_MS = 4_000
/** MESSAGE_DELAY_MS grows by a tenth with each round up to here. */
const DELAY_ROUNDS_MAX = 50

export const INBOX_BOUNDS = {
  /** Waiting messages of one peer: a round of votes of the largest sets, through one peer. */
  peerMessages: 2_048,
  /** Waiting bytes of one peer: the largest published message, and votes beside it. */
  peerBytes: 4 * 1024 * 1024,
  /** Of all peers together; above it a peer keeps no more than `shareBytes`. */
  totalBytes: 32 * 1024 * 1024,
  shareBytes: 256 * 1024,
  /** Signatures in a batch: of more, each would cost hardly less. */
  batchJobs: 128,
  /** Messages of one peer in a batch, which is what its junk can spoil. */
  batchPeerMessages: 32,
  /** Forged messages of a peer after which the rest of its queue is not looked at: they are a ban. */
  forged: 2,
  /** Certificates remembered as verified; each comes from many peers and in many messages. */
  certificates: 4_096,
} as const

export interface InboxDeps {
  readonly chain: Pick<Chain, 'genesis' | 'genesisHash' | 'head' | 'setOf'>
  readonly verifier: Verifier
  readonly state: () => State
  /** The network's clock. */
  readonly nowMs: () => number
  readonly push: (input: Input) => void
  readonly hold: (sketch: Sketch, from: PeerId) => void
  /** A proposal's time against the own clock; `lateMs` below 0: it is ahead. */
  readonly judged: (proposer: number, lateMs: number, isTimely: boolean) => void
  /** A peer speaks of a height above the next one. */
  readonly onAhead: (height: number, from: PeerId) => void
  /** Signatures held. */
  readonly onChecked: (message: Message) => void
  /** Of no use to the machine, and not checked. */
  readonly onDropped: (message: Message) => Judgement
  /** What is nobody's fault but ours. */
  readonly fail: (error: unknown) => void
  readonly log: Log
  readonly meter: Meter
}

/** Judgements come when signatures are verified. None of these promises rejects. */
export interface Inbox {
  onMessage(bytes: Uint8Array, from: PeerId): Judgement | Promise<Judgement>
  /** A message kept unchecked by the machine, with what was seen when it came. */
  onDecoded(envelope: Envelope, from: PeerId, seen: Seen | null): Judgement | Promise<Judgement>
  /** Whatever waits is ignored. */
  close(): void
}

/** What the machine wants to know of a proposal's block, and the age of its time where it has just come. */
interface Look {
  readonly seen: Seen | null
  readonly lateMs: number | null
}
const NOT_SEEN: Look = { seen: null, lateMs: null }
interface Waiting {
  readonly message: Message
  readonly sketch: Sketch | null
  readonly seen: Seen | null
  readonly lateMs: number | null
  readonly from: PeerId
  readonly sizeBytes: number
  readonly claims: readonly Claim[]
  readonly settle: (judgement: Judgement) => void
}
interface Queue {
  readonly waiting: Waiting[]
  sizeBytes: number
  forged: number
}

export function createInbox(deps: InboxDeps): Inbox {
  return new Door(deps)
}

class Door implements Inbox {
  readonly #deps: InboxDeps
  readonly #domain: Domain
  readonly #aheadMs: number
  readonly #dropped: ReturnType<Meter['counter']>
  /** Who was served longest ago comes first. */
  readonly #queues = new Map<PeerId, Queue>()
  #sizeBytes = 0
  /** Certificates that verified, oldest first. */
  readonly #verified = new Set<Hex>()
  #isDraining = false
  #isClosed = false

  constructor(deps: InboxDeps) {
    const { chain, meter } = deps
    this.#deps = deps
    this.#domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
    this.#aheadMs = PRECISION_MS + (chain.genesis.blockTimeMs < LEAD_MS ? LEAD_MS : 0)
    this.#dropped = meter.counter(
      'consensus_inbox_dropped_total',
      'Messages dropped because their peer has too many waiting',
    )
  }

  onMessage(bytes: Uint8Array, from: PeerId): Judgement | Promise<Judgement> {
    return this.#judge(from, () => this.#admit(decodeEnvelope(bytes), from, null, bytes.length))
  }

  onDecoded(envelope: Envelope, from: PeerId, seen: Seen | null): Judgement | Promise<Judgement> {
    return this.#judge(from, () => this.#admit(envelope, from, seen, 0))
  }

  close(): void {
    this.#isClosed = true
    for (const queue of this.#queues.values()) for (const { settle } of queue.waiting) settle('ignore')
    this.#queues.clear()
  }

  #judge(from: PeerId, admit: () => Judgement | Promise<Judgement>): Judgement | Promise<Judgement> {
    try {
      return admit()
    } catch (error) {
      if (isMalformed(error) && error instanceof NodeError) return this.#refuse(from, error.message, 'reject')
      throw error
    }
  }
  #refuse(peer: PeerId, fault: string, judgement: 'reject' | 'forged'): Judgement {
    this.#deps.log.debug({ peer, fault }, 'a consensus message is refused')
    return judgement
  }

  /** Throws what the certificates in a message throw when they do not fit the set. */
  #admit(
    { message, sketch }: Envelope,
    from: PeerId,
    before: Seen | null,
    sizeBytes: number,
  ): Judgement | Promise<Judgement> {
    const { chain, onAhead } = this.#deps
    const height = heightOf(message)
    const worth = this.#worthOf(message, from)
    if (worth !== 'drop' && height > chain.head().header.number + 1) onAhead(height, from)
    if (this.#isClosed) return 'ignore'
    if (worth !== 'check') {
      const judgement = this.#deps.onDropped(message)
      return judgement === 'ignore' && height < chain.head().header.number - STALE_HEIGHTS ? 'stale' : judgement
    }
    if (!this.#hasRoom(from, sizeBytes)) {
      this.#dropped.add()
      return 'ignore'
    }
    const look = message.kind === 'proposal' ? this.#lookAt(message.proposal, sketch, before) : NOT_SEEN
    if (typeof look === 'string') return this.#refuse(from, look, 'reject')
    const set = chain.setOf(height)
    if (set === null) {
      // Two heights ahead another epoch may begin, whose set is yet to be elected.
      this.#deps.push({ kind: 'unchecked', message, from, seen: look.seen })
      return 'ignore'
    }
    const claims = claimsOf(message, set, this.#domain)
    if (typeof claims === 'string') return this.#refuse(from, claims, 'reject')
    const parent = look.seen?.lastCommit ?? null
    const parents = parent === null ? null : chain.setOf(parent.height)
    const all = parent === null || parents === null ? claims : [...claims, qcClaim(parent, parents, this.#domain)]
    return this.#enqueue({ message, sketch, from, sizeBytes, claims: all, ...look })
  }

  /** Whether its signatures are worth their check. If not, the machine may still want to answer its sender. */
  #worthOf(message: Message, from: PeerId): ReturnType<typeof relevance> {
    const { state, push } = this.#deps
    const worth = relevance(state(), message)
    if (worth === 'heard') push({ kind: 'heard', height: heightOf(message), from })
    return worth
  }

  /** What the machine wants to know of the block, or what is wrong with it. Its lastCommit is to be verified. */
  #lookAt(proposal: Proposal, sketch: Sketch | null, before: Seen | null): Look | string {
    if (before !== null) return { seen: before, lateMs: null }
    if (sketch === null) return 'it has no block'
    const { header, hash, section } = sketch
    if (!equalBytes(hash, proposal.blockHash) || header.number !== proposal.height)
      return 'the block is not the one proposed'
    const { originRound } = decodeExtra(header.extraData)
    const lateMs = this.#deps.nowMs() - headerTimeMs(header)
    const delayMs = MESSAGE_DELAY_MS * 1.1 ** Math.min(proposal.round, DELAY_ROUNDS_MAX)
    const isTimely = lateMs >= -this.#aheadMs && lateMs <= delayMs + PRECISION_MS
    const { lastCommit } = section
    if ((lastCommit === null) !== (header.number === 1))
      return 'its lastCommit is missing, or there is nothing to commit'
    if (lastCommit !== null && !isCommitOf(lastCommit, header.number - 1, header.parentHash))
      return 'its lastCommit is not of its parent'
    return { seen: { originRound, isTimely, lastCommit }, lateMs }
  }

  // Queues.

  #hasRoom(from: PeerId, sizeBytes: number): boolean {
    const { peerMessages, peerBytes, shareBytes, totalBytes } = INBOX_BOUNDS
    const roomBytes = this.#sizeBytes + sizeBytes > totalBytes ? shareBytes : peerBytes
    const queue = this.#queues.get(from)
    return sizeBytes <= roomBytes - (queue?.sizeBytes ?? 0) && (queue?.waiting.length ?? 0) < peerMessages
  }

  #enqueue(item: Omit<Waiting, 'settle'>): Promise<Judgement> {
    const { from, sizeBytes } = item
    const queue = this.#queues.get(from) ?? { waiting: [], sizeBytes: 0, forged: 0 }
    this.#queues.set(from, queue)
    this.#resize(queue, sizeBytes)
    return new Promise((settle) => {
      queue.waiting.push({ ...item, settle })
      if (this.#isDraining) return
      this.#isDraining = true
      this.#drain().catch(this.#deps.fail)
    })
  }

  #resize(queue: Queue, bytes: number): void {
    queue.sizeBytes += bytes
    this.#sizeBytes += bytes
  }

  /** While one batch is verified the next collects. */
  async #drain(): Promise<void> {
    const { verifier } = this.#deps
    await verifier.gather()
    while (this.#queues.size > 0) {
      const batch = this.#take()
      const open = new Map<Hex | Claim, Claim>()
      for (const { claims } of batch)
        for (const claim of claims)
          if (claim.id === null || !this.#verified.has(claim.id)) open.set(claim.id ?? claim, claim)
      const verdicts = open.size === 0 ? [] : await verifier.verify([...open.values()].map(({ jobs }) => jobs))
      const forged = new Set<Hex | Claim>()
      for (const [i, [key, { id }]] of [...open].entries())
        if (verdicts[i] !== true) forged.add(key)
        else if (id !== null) this.#remember(id)
      for (const item of batch) this.#finish(item, !item.claims.some((claim) => forged.has(claim.id ?? claim)))
    }
    this.#isDraining = false
  }

  /** From every peer in turn, each in its own order. Who has forged is served when nobody else waits. */
  #take(): readonly Waiting[] {
    const clean = [...this.#queues].filter(([, { forged }]) => forged === 0)
    const served = clean.length > 0 ? clean : [...this.#queues]
    const batch: Waiting[] = []
    let jobs = 0
    const isFull = (): boolean => jobs >= INBOX_BOUNDS.batchJobs
    for (let turn = 0; turn < INBOX_BOUNDS.batchPeerMessages && !isFull(); turn++)
      for (const [peer, queue] of served) {
        const item = isFull() ? null : this.#next(queue)
        if (item === null) continue
        batch.push(item)
        jobs += item.claims.reduce((sum, claim) => sum + claim.jobs.length, 0)
        this.#queues.delete(peer)
        this.#queues.set(peer, queue)
      }
    for (const [peer, { waiting }] of this.#queues) if (waiting.length === 0) this.#queues.delete(peer)
    return batch
  }

  /** The same may have come by another way since, or the height have ended: then it is not verified. */
  #next(queue: Queue): Waiting | null {
    for (let item = queue.waiting.shift(); item !== undefined; item = queue.waiting.shift()) {
      this.#resize(queue, -item.sizeBytes)
      if (this.#worthOf(item.message, item.from) === 'check') return item
      item.settle(this.#deps.onDropped(item.message))
    }
    return null
  }

  #remember(id: Hex): void {
    this.#verified.add(id)
    const [oldest] = this.#verified
    if (this.#verified.size > INBOX_BOUNDS.certificates && oldest !== undefined) this.#verified.delete(oldest)
  }

  /** The height may have ended meanwhile, or the same vote stood twice in the batch. */
  #finish({ message, sketch, seen, lateMs, from, settle }: Waiting, isVerified: boolean): void {
    const { hold, judged, onChecked, push } = this.#deps
    if (this.#isClosed) {
      settle('ignore')
      return
    }
    if (!isVerified) {
      this.#blame(from)
      settle(this.#refuse(from, FORGED, 'forged'))
      return
    }
    onChecked(message)
    if (this.#worthOf(message, from) === 'check') {
      if (message.kind === 'proposal' && message.proposal.justify === null && seen !== null && lateMs !== null)
        judged(message.proposal.validator, lateMs, seen.isTimely)
      if (sketch !== null) hold(sketch, from)
      push({ kind: 'message', message, from, seen })
      settle('accept')
    } else {
      settle('ignore')
    }
  }

  #blame(peer: PeerId): void {
    const queue = this.#queues.get(peer)
    if (queue === undefined) return
    queue.forged++
    if (queue.forged < INBOX_BOUNDS.forged) return
    this.#queues.delete(peer)
    this.#sizeBytes -= queue.sizeBytes
    for (const { settle } of queue.waiting) settle('ignore')
  }
}

const isCommitOf = (qc: Qc, height: number, blockHash: Uint8Array): boolean =>
  qc.type === 'commit' && qc.height === height && equalBytes(qc.blockHash, blockHash)
