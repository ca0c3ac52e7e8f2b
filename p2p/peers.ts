// What peers are worth: marks for what they did wrong, bans, and how often each may ask. Owns the table of penalties.
import type { Clock } from '../chain/base/ports.ts'
import type { Offence, PeerId } from './network.ts'

/** Points off, and why so many. A score rises by one a second, up to 0; below BAN_SCORE the peer is out for BAN_MS. */
export const PENALTIES: Readonly<Record<Offence, { readonly points: number; readonly reason: string }>> = {
  malformed: { points: 60, reason: 'no honest node of this version sends it: a second one soon after is a ban' },
  forged: { points: 60, reason: 'who passes a message on has checked it before' },
  'false answer': { points: 60, reason: 'a block that fails cost us an execution' },
  timeout: { points: 5, reason: 'links fail; twenty in a row do not' },
  flood: { points: 10, reason: 'an honest node stays far below its allowance' },
}
export const BAN_SCORE = -100
export const BAN_MS = 600_000
const PER_SECOND = 1

/** Requests of one peer: so many at once, and so many a second. Consensus sends some tens a second at worst. */
const BUCKET = { size: 1_000, perSecond: 300 }
/** Strangers remembered at a time. */
const KNOWN_MAX = 10_000

interface Known {
  score: number
  atMs: number
  bannedUntilMs: number
  tokens: number
  tokensAtMs: number
}

export interface Scores {
  scoreOf(peer: PeerId): number
  isBanned(peer: PeerId): boolean
  /** Whether this one banned it. */
  blame(peer: PeerId, offence: Offence): boolean
  /** False where the peer asks too much. */
  allows(peer: PeerId): boolean
}

/** `isPersistent`: peers the operator named are never banned because a link fails. */
export function createScores(clock: Clock, isPersistent: (peer: PeerId) => boolean): Scores {
  const peers = new Map<PeerId, Known>()
  const known = (peer: PeerId): Known => {
    const now = clock.nowMs()
    let entry = peers.get(peer)
    if (entry === undefined) {
      entry = { score: 0, atMs: now, bannedUntilMs: 0, tokens: BUCKET.size, tokensAtMs: now }
      peers.set(peer, entry)
      for (const [oldest, { bannedUntilMs }] of peers) {
        if (peers.size <= KNOWN_MAX) break
        if (bannedUntilMs <= now) peers.delete(oldest)
      }
    }
    entry.score = Math.min(0, entry.score + (Math.max(0, now - entry.atMs) / 1_000) * PER_SECOND)
    entry.atMs = now
    return entry
  }
  return {
    scoreOf: (peer) => Math.round(known(peer).score),
    isBanned: (peer) => known(peer).bannedUntilMs > clock.nowMs(),
    blame(peer, offence) {
      const entry = known(peer)
      if (offence === 'timeout' && isPersistent(peer)) return false
      entry.score -= PENALTIES[offence].points
      if (entry.score > BAN_SCORE) return false
      entry.score = 0
      entry.bannedUntilMs = clock.nowMs() + BAN_MS
      return true
    },
    allows(peer) {
      const entry = known(peer)
      const now = clock.nowMs()
      const earned = (Math.max(0, now - entry.tokensAtMs) / 1_000) * BUCKET.perSecond
      entry.tokens = Math.min(BUCKET.size, entry.tokens + earned)
      entry.tokensAtMs = now
      if (entry.tokens < 1) return false
      entry.tokens--
      return true
    },
  }
}
