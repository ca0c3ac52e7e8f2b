// Times and bounds of consensus (consensus, section 2). Owns the numbers.

export const TIMES = {
  repeatMs: 1_000,
  roundMs: 3_000,
  roundMaxMs: 30_000,
  /** Rounds below this one wait `roundMs`; from here each waits half as long again. */
  roundsFlat: 3,
} as const

/** T(r), in integers; the cap is reached at round 8, so the loop is short whatever the round. */
export function roundTimeoutMs(round: number): number {
  let ms: number = TIMES.roundMs
  for (let r = TIMES.roundsFlat; r <= round && ms < TIMES.roundMaxMs; r++) ms = Math.floor((ms * 3) / 2)
  return Math.min(ms, TIMES.roundMaxMs)
}

export const BOUNDS = {
  /** Heights above the current one whose messages are kept. */
  futureHeights: 2,
  /** Rounds above, and below, the current one whose votes and proposals are kept. Certificates know no window. */
  rounds: 64,
  /** Of messages that cannot be checked yet: per peer, and peers. */
  uncheckedPerPeer: 16,
  uncheckedPeers: 256,
  /** Repeats without a decision after which a node that does not vote asks whether it missed one. */
  silentTicks: 10,
  /** Peers remembered as answered within one repeat. */
  answered: 4_096,
  /** Up to this many validators send votes to all. */
  allToAll: 64,
  /** Up to this many send TIMEOUT to all at once. */
  timeoutToAll: 128,
  /** Above it: first to so many next leaders, each repetition to twice as many. */
  timeoutLeaders: 4,
} as const
