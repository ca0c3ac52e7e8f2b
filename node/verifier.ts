// The port through which the inbox has signatures verified: off the thread in a node, at once in a simulation. Owns how a batch is
// split when not all of it holds.
import { verdictsOf } from '../chain/base/batch.ts'
import { bytesToHex } from '../chain/base/bytes.ts'
import { type BlsJob, curves } from '../chain/base/crypto.ts'
import type { Pause } from '../chain/base/ports.ts'

export interface Verifier {
  /** Returns when what arrives together has arrived: what is verified together costs little more than one of it. */
  gather(): Promise<void>
  /** A verdict for each group, in this order; the jobs of a group stand or fall as one. */
  verify(groups: readonly (readonly BlsJob[])[]): Promise<readonly boolean[]>
}

/** So few are done on the thread: handing them over and coming back would take as long. */
const JOBS_AT_ONCE = 2

/** Batches weighted by chance, halved where they fail. */
export const createVerifier = (pause: Pause): Verifier => ({
  gather: pause,
  async verify(groups) {
    // The same messages side by side: then halves have fewer of them, and pairings go by messages.
    const order = groups
      .map((jobs, i) => ({ jobs, i, by: jobs[0] === undefined ? '' : bytesToHex(jobs[0].message) }))
      .sort((a, b) => (a.by < b.by ? -1 : a.by > b.by ? 1 : a.i - b.i))
    const found = await verdictsOf(order, (part) => {
      const jobs = part.flatMap((group) => group.jobs)
      return jobs.length <= JOBS_AT_ONCE ? curves().blsVerifyAll(jobs) : curves().blsVerifyAllAsync(jobs)
    })
    const verdicts = groups.map(() => false)
    for (const [at, { i }] of order.entries()) verdicts[i] = found[at] === true
    return verdicts
  },
})

/** One by one and on the spot: nothing between question and answer but microtasks, and nothing by chance. */
export const inlineVerifier: Verifier = {
  async gather() {},
  async verify(groups) {
    return groups.map((jobs) =>
      jobs.every(({ keys, message, signature }) => curves().blsVerify(keys, message, signature)),
    )
  },
}
