// Who may be a peer: the operator's list and the network's, bans, strangers of other networks, the limits of either direction. Owns the reasons, which are
// told to whom they concern.
import type { Clock } from '../chain/base/ports.ts'
import { HALL_MAX } from './libp2p.ts'
import type { PeerId, PeerInfo } from './network.ts'
import type { Scores } from './peers.ts'
import type { Hello } from './wire.ts'

/** A peer of another network or version is not dialed for so long. Who dials in is told again: he may have been upgraded since. */
const STRANGER_MS = 600_000
const STRANGERS_MAX = 10_000
/** Both dial each other at once, so two; the third is of somebody who collects them. */
const CONNECTIONS_OF_ONE_MAX = 2

/** Why what a peer runs does not fit, or null. */
export type Against = (software: Uint8Array) => string | null

export interface Judges {
  readonly against: Against
  /** Whether the network lets a peer in. */
  readonly permits: (peer: PeerId) => boolean
}

export interface AdmissionOptions {
  /** Only these may connect; null: all. */
  readonly allow: readonly PeerId[] | null
  readonly inboundMax: number
}

export class Admission {
  readonly #options: AdmissionOptions
  readonly #clock: Clock
  readonly #scores: Scores
  readonly #mine: Hello
  /** Peers whose hello fits, and who dialed. */
  readonly #met = new Map<PeerId, { readonly direction: PeerInfo['direction']; readonly software: Uint8Array }>()
  readonly #judges: Judges
  readonly #strangers = new Map<PeerId, number>()
  readonly #blocked = new Set<PeerId>()
  /** Whom the operator named: beside every limit and list, and never banned because a link fails. */
  readonly named = new Set<PeerId>()

  constructor(clock: Clock, scores: Scores, mine: Hello, judges: Judges, options: AdmissionOptions) {
    this.#clock = clock
    this.#scores = scores
    this.#mine = mine
    this.#judges = judges
    this.#options = options
  }

  /** Whether a connection ends before anything is said: who is banned, or one of too many, is not even told why. */
  isShut(peer: PeerId, direction: PeerInfo['direction'], open: readonly PeerId[]): boolean {
    if (this.#isUnwelcome(peer)) return true
    if (direction === 'outbound' || this.named.has(peer)) return false
    if (open.filter((each) => each === peer).length >= CONNECTIONS_OF_ONE_MAX) return true
    return open.filter((each) => !this.#met.has(each)).length >= HALL_MAX
  }

  /**
   * Why a list keeps it out, the operator's or the network's, or null. Who is named stays whatever lists say, so that no list cuts a network
   * whose operators name each other.
   */
  unlisted(peer: PeerId): string | null {
    const { allow } = this.#options
    if (this.named.has(peer)) return null
    if (allow !== null && !allow.includes(peer)) return 'not on the list of peers that may connect'
    return this.#judges.permits(peer) ? null : 'not let in by the list of peers that governance keeps for this network'
  }

  /** Whether it makes sense to dial it. */
  isWanted(peer: PeerId): boolean {
    if (this.#isUnwelcome(peer) || this.unlisted(peer) !== null) return false
    return this.named.has(peer) || (this.#strangers.get(peer) ?? 0) <= this.#clock.nowMs()
  }

  /** Why a peer that greets may not stay, in words for both sides, or null; then it is met. */
  judge(peer: PeerId, { networkId, version, software }: Hello, direction: PeerInfo['direction']): string | null {
    const mine = this.#mine
    const isSame = Buffer.compare(networkId, mine.networkId) === 0
    if (!isSame || version !== mine.version) {
      this.#remember(peer)
      return isSame
        ? `version ${version} of the protocol, where version ${mine.version} is spoken`
        : `of the network ${short(networkId)}, where this is ${short(mine.networkId)}`
    }
    const reason = this.#judges.against(software) ?? this.unlisted(peer)
    if (reason !== null) return reason
    if (this.#isUnwelcome(peer)) return 'not wanted for now'
    const isNew = !this.#met.has(peer)
    if (isNew && direction === 'inbound' && !this.named.has(peer) && this.#inbound() >= this.#options.inboundMax)
      return 'no place left for peers that dial in'
    if (isNew) this.#met.set(peer, { direction, software })
    return null
  }

  hasMet(peer: PeerId): boolean {
    return this.#met.has(peer)
  }
  softwareOf(peer: PeerId): Uint8Array {
    return this.#met.get(peer)?.software ?? new Uint8Array(0)
  }
  forget(peer: PeerId): void {
    this.#met.delete(peer)
  }
  block(peers: readonly PeerId[]): void {
    this.#blocked.clear()
    for (const peer of peers) this.#blocked.add(peer)
  }

  /** Those the operator named are not counted. */
  #inbound(): number {
    let count = 0
    for (const [peer, { direction }] of this.#met) if (direction === 'inbound' && !this.named.has(peer)) count++
    return count
  }
  #isUnwelcome(peer: PeerId): boolean {
    return this.#scores.isBanned(peer) || this.#blocked.has(peer)
  }
  #remember(stranger: PeerId): void {
    this.#strangers.delete(stranger)
    this.#strangers.set(stranger, this.#clock.nowMs() + STRANGER_MS)
    for (const oldest of this.#strangers.keys()) {
      if (this.#strangers.size <= STRANGERS_MAX) break
      this.#strangers.delete(oldest)
    }
  }
}

const short = (networkId: Uint8Array): string => `0x${Buffer.from(networkId).toString('hex').slice(0, 16)}…`
