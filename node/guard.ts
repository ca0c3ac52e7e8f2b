// May this key sign? Owns the answer wherever the signer's record cannot give it: lost, rolled back, or never written; and the watch for
// another process that signs with this key (consensus, section 5). The record itself, which forbids the rest, is the signer's.
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Evidence } from '../chain/consensus/io.ts'
import { decodeExtra } from '../chain/types/block.ts'
import { type Testimony, testimoniesOf } from '../chain/types/evidence.ts'
import {
  heightOf,
  isSignedMessage,
  type Message,
  type Signed,
  type SignRecord,
  STEPS,
  stepOf,
  validatorOf,
} from '../chain/types/message.ts'
import { isQuorum } from '../chain/types/validators.ts'
import { bitmapMembers } from '../chain/types/vote.ts'
import type { Network, PeerId } from '../p2p/network.ts'
import { decodeRun, encodeRange } from '../p2p/wire.ts'

export const GuardErrors = defineErrors('GUARD', {
  NO_RECORD: {
    text: (d: { shown: string; height: number; flags: string }) =>
      `this key signed ${d.shown} and the signer record does not show it: it is lost or older than that. Nothing is ` +
      `signed, because signing twice is slashed. Put the latest record back; if it is gone for good and no other process has this key, ` +
      d.flags,
  },
  DOPPELGANGER: {
    text: (d: { shown: string; known: string }) =>
      `another process signs with this key: ${d.shown} came from the network, and this process signed ${d.known}. The node stops ` +
      'before both are slashed: find the other process and stop it, then start again; if nobody of yours runs it, the key is stolen: ' +
      'change it with `novachain validators rotate-key`, before anything else',
  },
})

/** What the operator answers for; each names a height, so that an answer left in a file does not serve for the next loss. */
export interface SigningChoice {
  /** The record is lost as of this height: watch 20 blocks above it, then sign above all that was seen. */
  readonly recordLostAt?: number | null
  /** The key signed nothing at this height or above: sign from there at once. For a network that halted. */
  readonly signFrom?: number | null
}

export interface GuardDeps {
  readonly chain: Chain
  /** In hex, for its name. */
  readonly key: string
  /** Index of the key in the set of a height; null where it is not in it. */
  readonly indexAt: (height: number) => number | null
  readonly network: () => Network | null
  readonly log: Log
  /** Why no key may sign, whatever its record says; null while nothing is wrong. */
  readonly doubt?: () => string | null
  /** Another process has the key: stop. */
  readonly fail: (error: unknown) => void
  /** Orders that had to wait may go on. */
  readonly onOpen: () => void
}

/** Height, round and step of a signature, in the order in which a key gives them. */
export interface Place {
  readonly height: number
  readonly round: number
  readonly step: number
}

type Standing =
  /** From this height on, as far as the record lets it. Whatever was signed below is forgiven. */
  | { readonly kind: 'signs'; readonly from: number }
  /** No signature of this key is known, here or in the chain: signs where the peers' chain ends. */
  | { readonly kind: 'new' }
  /** As `new`, and peers said where that is: signs from there on, or at the height under way if the network stands still without it. */
  | { readonly kind: 'joins'; readonly from: number }
  | { readonly kind: 'observes'; readonly since: number }
  | { readonly kind: 'refuses'; readonly shown: Place }

/** Blocks watched after a lost record, of those whose set has the key: whoever else has it is in one of their certificates. */
const OBSERVED_BLOCKS = 20
/** Who signs at all is in one of the last few; below these, what was signed hurts nobody who signs above all that was seen. */
const SEARCHED_BLOCKS = 10_000
/** Blocks within a second that are no catching up: as many as the network makes, and one that was late. */
const freshBlocks = (blockTimeMs: number): number => Math.ceil(1_000 / blockTimeMs) + 1
/** Peers asked each second whether the chain goes on above the own head. */
const ASKED_MAX = 8
const REMIND_TICKS = 60
/** Seconds without a block, and without a word of this key, after which it signs the height under way: another process with it would repeat its TIMEOUT. */
const QUIET_TICKS = 15

export class Guard {
  readonly #deps: GuardDeps
  #standing: Standing = { kind: 'new' }
  /** The last signature that this process, or the record it began with, answers for. */
  #known: Place | null = null
  /** Highest height of a message that verified. */
  #seen = 0
  readonly #answers = new Map<PeerId, 'same' | 'ahead'>()
  readonly #asking = new Set<PeerId>()
  #headAtTick = -1
  #quietTicks = 0
  #ticks = 0
  #unwatch = (): void => {}

  constructor(deps: GuardDeps) {
    this.#deps = deps
  }

  /** `logged`: own signatures of the write-ahead log. Throws GUARD_NO_RECORD where following would lead nowhere. */
  open(record: SignRecord | null, logged: readonly Signed[], choice: SigningChoice): void {
    const { chain, log } = this.#deps
    this.#known = record
    const head = chain.head().header.number
    const shown = highest([...logged.map(stepOf), this.#inStore(record)])
    const isIntact = record !== null && (shown === null || compare(shown, record) <= 0)
    if (isIntact) this.#become({ kind: 'signs', from: 0 })
    else this.#become(this.#chosen(shown, choice))
    this.#unwatch = chain.watch('head', ({ block }) => this.#onHead(block.header.number))
    const standing = this.#standing
    if (standing.kind === 'refuses' && this.#isAlone) throw this.#refusal(standing.shown)
    if (standing.kind === 'new' && this.#isAlone && head === 0) this.#become({ kind: 'signs', from: 1 })
    this.#remind()
    if (isIntact && (choice.recordLostAt ?? choice.signFrom ?? null) !== null)
      log.info({}, 'the signer record is whole: record-lost-at and sign-from have no effect')
  }

  close(): void {
    this.#unwatch()
  }

  get #doubt(): string | null {
    return this.#deps.doubt?.() ?? null
  }

  /** `wait`: not known yet, for peers have not said where the chain ends. */
  at(height: number): 'yes' | 'no' | 'wait' {
    if (this.#doubt !== null) return 'no'
    const standing = this.#standing
    switch (standing.kind) {
      case 'signs':
        return height >= standing.from ? 'yes' : 'no'
      case 'joins':
        return height >= standing.from ? 'yes' : 'wait'
      case 'new':
        return 'wait'
      default:
        return 'no'
    }
  }

  /** Why nothing is signed at this height; null where the guard does not stand in the way. */
  silence(height: number): string | null {
    if (this.#doubt !== null) return this.#doubt
    const standing = this.#standing
    switch (standing.kind) {
      case 'signs':
      case 'joins':
        return height < standing.from ? `it signs from height ${standing.from} on` : null
      case 'new':
        return 'its key is new here, and its peers have not said yet where the chain ends'
      case 'observes':
        return `its signer record is lost: it watches until block ${standing.since + OBSERVED_BLOCKS}`
      case 'refuses':
        return this.#refusal(standing.shown).message
    }
  }

  /** This process signed, or its signer did and has it on record. */
  made(at: Place): void {
    this.#known = highest([this.#known, at])
  }

  /** A message that verified, whoever brought it. */
  heard(message: Message): void {
    this.#seen = Math.max(this.#seen, heightOf(message))
    const shown = this.#shownBy(message)
    if (shown !== null) this.#onShown(shown, this.#isOwn(message) ? 'message' : 'certificate')
  }

  #isOwn(message: Message): boolean {
    if (!isSignedMessage(message)) return false // certificates are passed on for long
    return validatorOf(message) === this.#deps.indexAt(heightOf(message))
  }

  /** Two signatures of one validator that exclude each other. Of this key, and not by this process: the record excludes that. */
  offended({ validator, first, second }: Evidence): void {
    const shown = highest([stepOf(first), stepOf(second)])
    const isOwn = shown !== null && validator === this.#deps.indexAt(shown.height)
    if (isOwn && shown.height >= this.#forgivenBelow) this.#stop(shown)
  }

  /** Whoever connects is asked at once: blocks of a new network may come faster than ticks. */
  met(peer: PeerId): void {
    const network = this.#deps.network()
    if (this.#standing.kind !== 'new' || network === null || this.#asking.has(peer)) return
    if (this.#asking.size < ASKED_MAX) void this.#askPeer(network, peer, this.#deps.chain.head().header.number)
  }

  /** Once a second. */
  tick(): void {
    if (this.#standing.kind === 'new') this.#askPeers()
    if (this.#standing.kind === 'joins') this.#join(this.#standing.from)
    if (++this.#ticks % REMIND_TICKS === 0) this.#remind()
  }

  #become(standing: Standing): void {
    this.#standing = standing
  }

  /** The network may have counted on this validator for the height that it lets pass. */
  #join(from: number): void {
    const head = this.#deps.chain.head().header.number
    this.#quietTicks = head === this.#headAtTick ? this.#quietTicks + 1 : 0
    this.#headAtTick = head
    if (head + 1 >= from) this.#become({ kind: 'signs', from })
    else if (this.#quietTicks >= QUIET_TICKS) {
      this.#become({ kind: 'signs', from: head + 1 })
      this.#deps.log.info(
        { from: head + 1 },
        'no block comes and nobody else has this key: it signs the height under way',
      )
      this.#deps.onOpen()
    }
  }

  #chosen(shown: Place | null, { recordLostAt, signFrom }: SigningChoice): Standing {
    const head = this.#deps.chain.head().header.number
    const signed = shown?.height ?? 0
    if (signFrom != null && signFrom > signed && signFrom > head) return { kind: 'signs', from: signFrom }
    if (recordLostAt != null && recordLostAt >= signed) return { kind: 'observes', since: Math.max(recordLostAt, head) }
    return shown === null ? { kind: 'new' } : { kind: 'refuses', shown }
  }

  /** No other has a say in what is final: without this key no block comes. */
  get #isAlone(): boolean {
    const { chain, indexAt } = this.#deps
    const set = chain.validators()
    const index = indexAt(chain.head().header.number + 1)
    return index !== null && isQuorum(set.members[index]?.power ?? 0n, set)
  }

  /** While a lost record is made up for, what the key signed around the loss may still arrive. */
  get #forgivenBelow(): number {
    const standing = this.#standing
    if (standing.kind === 'signs' || standing.kind === 'joins') return standing.from
    // The height under way when the watch began may hold the last signature before the loss.
    return standing.kind === 'observes' ? standing.since + 2 : Number.POSITIVE_INFINITY
  }

  #onShown(shown: Place, by: 'message' | 'certificate'): void {
    if (this.#known !== null && compare(shown, this.#known) <= 0) return
    const standing = this.#standing
    if (standing.kind === 'refuses') {
      if (compare(shown, standing.shown) > 0) this.#become({ kind: 'refuses', shown })
      return
    }
    const isOld = standing.kind !== 'new' && shown.height < this.#forgivenBelow
    if (isOld) {
      if (standing.kind === 'joins') this.#become({ kind: 'signs', from: standing.from }) // not new after all: it lets that height pass
      return
    }
    // What is signed now is signed by somebody now; an old certificate may speak of a record that was rolled back.
    if (standing.kind === 'observes' || (standing.kind !== 'new' && by === 'message')) {
      this.#stop(shown)
      return
    }
    this.#become({ kind: 'refuses', shown })
    this.#remind()
  }

  #stop(shown: Place): void {
    this.#become({ kind: 'refuses', shown })
    const known = this.#known === null ? 'nothing' : `nothing above ${nameOf(this.#known)}`
    this.#deps.fail(new NodeError(GuardErrors.DOPPELGANGER, { shown: nameOf(shown), known }))
  }

  #onHead(height: number): void {
    // The block names who committed to its parent.
    const shown = highest([this.#atHeight(height - 1), this.#atHeight(height)])
    if (shown !== null) this.#onShown(shown, 'certificate')
    const standing = this.#standing
    if (standing.kind !== 'observes') return
    if (height > standing.since && this.#deps.indexAt(height) === null) {
      this.#standing = { kind: 'observes', since: standing.since + 1 } // nobody could sign with it
      return
    }
    if (height < standing.since + OBSERVED_BLOCKS) return
    const from = this.#aboveAllSeen(height)
    this.#become({ kind: 'signs', from })
    this.#deps.log.warn(
      { from, key: this.#deps.key },
      'nobody else signed with this key in the blocks watched: it signs from here on',
    )
  }

  /** The height under way counts as seen. */
  #aboveAllSeen(head: number): number {
    return Math.max(head + 1, this.#seen) + 1
  }

  // What a key that nobody knows asks its peers: an empty disk looks the same on a new network and on an old one.

  #askPeers(): void {
    const { chain } = this.#deps
    const head = chain.head().header.number
    const network = this.#deps.network()
    const isCatchingUp = this.#headAtTick >= 0 && head > this.#headAtTick + freshBlocks(chain.genesis.blockTimeMs)
    this.#headAtTick = head
    if (network === null || isCatchingUp) return
    const peers = network.peers().map(({ id }) => id)
    for (const id of this.#answers.keys()) if (!peers.includes(id)) this.#answers.delete(id)
    for (const id of peers.slice(0, ASKED_MAX)) if (!this.#asking.has(id)) void this.#askPeer(network, id, head)
  }

  async #askPeer(network: Network, peer: PeerId, head: number): Promise<void> {
    const { chain, log } = this.#deps
    this.#asking.add(peer)
    try {
      const run = decodeRun(await network.request(peer, 'blocks', encodeRange({ from: head + 1, count: 1 })))
      this.#answers.set(peer, run.blocks.length > 0 || run.earliest > head + 1 ? 'ahead' : 'same')
    } catch (error) {
      log.debug({ peer, error: String(error) }, 'a peer does not say where the chain ends')
      return
    } finally {
      this.#asking.delete(peer)
    }
    const answers = [...this.#answers.values()]
    if (this.#standing.kind !== 'new' || chain.head().header.number !== head || answers.includes('ahead')) return
    const from = head === 0 ? 1 : this.#aboveAllSeen(head)
    this.#become({ kind: 'joins', from })
    log.info({ from, key: this.#deps.key }, 'this key has signed nothing yet: it signs from here on')
    this.#deps.onOpen()
  }

  #remind(): void {
    const { chain, log, key } = this.#deps
    const standing = this.#standing
    if (this.#doubt !== null) log.error({ key }, this.#doubt)
    if (standing.kind === 'refuses') log.error({ key }, this.#refusal(standing.shown).message)
    if (standing.kind === 'observes') {
      const [since, until] = [standing.since, standing.since + OBSERVED_BLOCKS]
      log.warn(
        { head: chain.head().header.number, since, until, key },
        'the signer record is lost: watching before signing',
      )
    }
  }

  #refusal(shown: Place): NodeError {
    const height = Math.max(this.#deps.chain.head().header.number, shown.height)
    const flags = this.#isAlone
      ? `start with --sign-from ${height + 1}, above everything it signed`
      : `start with --record-lost-at ${height}: the node watches ${OBSERVED_BLOCKS} blocks and signs above them; or, where the ` +
        `network halted for want of this key and it signed nothing at height ${height + 1}, with --sign-from ${height + 1}`
    return new NodeError(GuardErrors.NO_RECORD, { shown: nameOf(shown), height, flags })
  }

  // Where signatures of the own key are seen.

  #inStore(record: SignRecord | null): Place | null {
    const { chain } = this.#deps
    const head = chain.head().header.number
    const lowest = Math.max((record?.height ?? 1) - 1, chain.kept().headers - 1, head - SEARCHED_BLOCKS, 0)
    for (let height = head; height > lowest; height--) {
      const shown = this.#atHeight(height)
      if (shown !== null) return shown
    }
    return null
  }

  /** What the store has of a final block: its certificates and votes, and its proposer. */
  #atHeight(height: number): Place | null {
    const { chain, indexAt } = this.#deps
    const self = indexAt(height)
    if (self === null) return null
    const { certificates, votes } = chain.signedAt(height)
    const block = chain.outline(height)
    const proposed =
      block?.section?.proposerIndex === self
        ? { height, round: decodeExtra(block.header.extraData).originRound, step: STEPS.proposal }
        : null
    return highest([this.#ownOf([...certificates, ...votes], height), proposed])
  }

  /** `testimonies` are of this height. */
  #ownOf(testimonies: readonly Testimony[], height: number): Place | null {
    const { chain, indexAt } = this.#deps
    const self = indexAt(height)
    if (self === null) return null
    const count = chain.setOf(height)?.members.length ?? 0
    const own = testimonies.filter(({ bitmap }) => bitmapMembers(bitmap, count)?.includes(self))
    return highest(own.map(({ statement: { kind, round } }) => ({ height, round, step: STEP_OF[kind] })))
  }
  #shownBy(message: Message): Place | null {
    const height = heightOf(message)
    const count = this.#deps.chain.setOf(height)?.members.length ?? 0
    return this.#ownOf(testimoniesOf(message, count), height)
  }
}

const STEP_OF = { propose: STEPS.proposal, prepare: STEPS.prepare, commit: STEPS.commit, timeout: STEPS.timeout }
const compare = (a: Place, b: Place): number => a.height - b.height || a.round - b.round || a.step - b.step
const highest = (places: readonly (Place | null)[]): Place | null =>
  places.reduce((best, place) => (place !== null && (best === null || compare(place, best) > 0) ? place : best), null)
const STEP_NAMES: Readonly<Record<number, string>> = {
  [STEPS.proposal]: 'PROPOSE',
  [STEPS.prepare]: 'PREPARE',
  [STEPS.commit]: 'COMMIT',
  [STEPS.timeout]: 'TIMEOUT',
}
const nameOf = ({ height, round, step }: Place): string => `${STEP_NAMES[step]} of height ${height} round ${round}`
