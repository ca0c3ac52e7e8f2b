// What peers are worth: marks for what they did wrong, bans, and how much each may ask and publish. Owns the table of penalties, which
// ARCHITECTURE.md explains.
import type { Clock } from '../chain/base/ports.ts'
import type { Offence, PeerId } from './network.ts'

/** Points off, and why so many. A score rises by one a second, up to 0; at BAN_SCORE the peer is out for BAN_MS. */
export const PENALTIES: Readonly<Record<Offence, { readonly points: number; readonly reason: string }>> = {
  malformed: { points: 60, reason: 'no honest node of this version sends it: a second one soon after is a ban' },
  forged: { points: 60, reason: 'who passes a message on has checked it before' },
  'false answer': {
    points: 120,
    reason: 'blocks carry their proof: one that is not what its hash says was made up; a ban',
  },
  timeout: { points: 5, reason: 'links fail; twenty in a row do not' },
  flood: { points: 10, reason: 'an honest node stays far below its allowance' },
}
const BAN_SCORE = -100
export const BAN_MS = 600_000
const PER_SECOND = 1

/** What a peer may spend at once, and how fast it comes back. */
export const ALLOWANCES = {
  /** Requests and greetings: consensus sends some tens a second at worst. */
  requests: { size: 1_000, perSecond: 300 },
  /** Published messages of consensus and evidence: the votes of 1,247 validators in a 3 s block, all through one peer. */
  messages: { size: 4_000, perSecond: 1_000 },
  /** Their bytes: a proposal has 3 MB at most. */
  bytes: { size: 64 * 1024 * 1024, perSecond: 8 * 1024 * 1024 },
  /** Published batches of transactions, apart: however many users send, votes still come through, and whoever passes them on is not to blame. */
  batches: { size: 4_000, perSecond: 1_000 },
  /** Their bytes: the transactions of a full block of 1.6 Ggas come at 3 MB a second. */
  batchBytes: { size: 64 * 1024 * 1024, perSecond: 8 * 1024 * 1024 },
  /** Bytes of blocks asked for, and SERVED_EACH_BYTES a request: making a megabyte takes 2 to 4 ms, whether anybody reads it or not. */
  served: { size: 256 * 1024 * 1024, perSecond: 64 * 1024 * 1024 },
  /** Messages of heights long final: who is behind speaks of them now and then, and nobody passes them on. */
  stale: { size: 1_000, perSecond: 50 },
} as const
export type Allowance = keyof typeof ALLOWANCES
/** Sixty-four empty blocks take as long as so many bytes. */
export const SERVED_EACH_BYTES = 512 * 1024

/** Peers remembered at a time. */
const KNOWN_MAX = 10_000

interface Bucket {
  tokens: number
  atMs: number
}
interface Known {
  score: number
  atMs: number
  readonly buckets: Partial<Record<Allowance, Bucket>>
}

export interface Scores {
  scoreOf(peer: PeerId): number
  isBanned(peer: PeerId): boolean
  /** Whether this one banned it. */
  blame(peer: PeerId, offence: Offence): boolean
  /** Takes `count` from its allowance; false where that is spent. */
  allows(peer: PeerId, what: Allowance, count: number): boolean
  /** Takes it in any case: of what is known only afterwards. Until it is made up for, `allows` answers false. */
  spend(peer: PeerId, what: Allowance, count: number): void
}

/** `isNamed`: peers the operator named are never banned because a link fails. */
export function createScores(clock: Clock, isNamed: (peer: PeerId) => boolean): Scores {
  const peers = new Map<PeerId, Known>()
  /** Until when. Apart from the scores, so that a crowd of new names does not push a ban out. */
  const bans = new Map<PeerId, number>()
  const known = (peer: PeerId): Known => {
    const now = clock.nowMs()
    let entry = peers.get(peer)
    if (entry === undefined) {
      entry = { score: 0, atMs: now, buckets: {} }
      peers.set(peer, entry)
      dropOldest(peers)
    }
    entry.score = Math.min(0, entry.score + (Math.max(0, now - entry.atMs) / 1_000) * PER_SECOND)
    entry.atMs = now
    return entry
  }
  const bucketOf = (peer: PeerId, what: Allowance): Bucket => {
    const { buckets } = known(peer)
    const { size, perSecond } = ALLOWANCES[what]
    const now = clock.nowMs()
    const bucket = buckets[what] ?? { tokens: size, atMs: now }
    buckets[what] = bucket
    bucket.tokens = Math.min(size, bucket.tokens + (Math.max(0, now - bucket.atMs) / 1_000) * perSecond)
    bucket.atMs = now
    return bucket
  }
  return {
    scoreOf: (peer) => Math.round(known(peer).score),
    isBanned: (peer) => (bans.get(peer) ?? 0) > clock.nowMs(),
    blame(peer, offence) {
      const entry = known(peer)
      if (offence === 'timeout' && isNamed(peer)) return false
      entry.score -= PENALTIES[offence].points
      if (entry.score > BAN_SCORE) return false
      entry.score = 0
      bans.delete(peer)
      bans.set(peer, clock.nowMs() + BAN_MS)
      dropOldest(bans)
      return true
    },
    allows(peer, what, count) {
      const bucket = bucketOf(peer, what)
      if (bucket.tokens < count) return false
      bucket.tokens -= count
      return true
    },
    spend(peer, what, count) {
      bucketOf(peer, what).tokens -= count
    },
  }
}

const dropOldest = (entries: Map<PeerId, unknown>): void => {
  for (const oldest of entries.keys()) {
    if (entries.size <= KNOWN_MAX) return
    entries.delete(oldest)
  }
}
