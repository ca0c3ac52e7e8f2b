// Everything that keys signed in a simulated network, also before their owners' crashes: whether some key said two things of which
// an honest one says only one.
import { equalBytes } from '../../chain/base/bytes.ts'
import { type Signed, signedPart, stepOf } from '../../chain/types/message.ts'
import type { Timeout, Vote } from '../../chain/types/vote.ts'

interface AtHeight {
  readonly first: Map<string, Uint8Array>
  readonly commits: Vote[]
  readonly timeouts: Timeout[]
}

export class Signatures {
  readonly #of = new Map<string, AtHeight>()

  /** What is wrong with signing this after all before it, or null. */
  add(key: number, message: Signed): string | null {
    const { height, round, step } = stepOf(message)
    const place = `${key}:${height}`
    const at: AtHeight = this.#of.get(place) ?? { first: new Map(), commits: [], timeouts: [] }
    this.#of.set(place, at)
    const slot = `${round}:${step}`
    const { payload } = signedPart(message)
    const before = at.first.get(slot)
    if (before !== undefined)
      return equalBytes(before, payload)
        ? null
        : `${key} signed ${message.kind} of height ${height} round ${round} twice`
    at.first.set(slot, payload)
    if (message.kind === 'vote' && message.vote.type === 'commit') at.commits.push(message.vote)
    if (message.kind === 'timeout') at.timeouts.push(message.timeout)
    for (const commit of at.commits)
      for (const timeout of at.timeouts)
        if (timeout.round >= commit.round && (timeout.hqcRound ?? -1) < commit.round)
          return `${key} forgot its lock: COMMIT ${commit.round}, TIMEOUT ${timeout.round} with ${timeout.hqcRound}`
    return null
  }

  /** What this key signed there, or null. */
  said(key: number, height: number, round: number, step: number): Uint8Array | null {
    return this.#of.get(`${key}:${height}`)?.first.get(`${round}:${step}`) ?? null
  }
}
