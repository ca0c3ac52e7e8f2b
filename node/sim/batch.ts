// Many simulated networks in a row, one for each seed, and what came of them.
import { installCurves } from '../../chain/base/crypto.ts'
import { RULES } from '../../chain/consensus/rules.ts'
import { fakeCurves } from './fake-bls.ts'
import { type Outcome, reportOf, run } from './run.ts'
import { scenarioOf } from './scenario.ts'

/** The JSON of `novachain sim`. */
export interface Batch {
  readonly runs: number
  /** Heights decided, in all runs together. */
  readonly heights: number
  /** Disagreement, a double signature, a bound that did not hold: each with the smallest scenario that still shows it. */
  readonly violations: readonly string[]
  /** Networks that did not go on after everything was well again. */
  readonly stalled: readonly string[]
  /** Of the heights after that, those decided in the first round that an honest validator led. */
  readonly firstRoundShare: number
  /** How often each rule of the protocol was taken. */
  readonly coverage: Readonly<Record<string, number>>
}

/** Runs the seeds `from` to `from + runs - 1`; stops early when `signal` says so. Signatures are stand-ins in this process from here on. */
export function runBatch(from: number, runs: number, signal?: AbortSignal): Batch {
  installCurves(fakeCurves)
  const coverage: Record<string, number> = Object.fromEntries(RULES.map((rule) => [rule, 0]))
  const faults: { readonly outcome: Outcome; readonly report: string }[] = []
  let heights = 0
  let done = 0
  const rounds = { first: 0, all: 0 }
  for (let seed = from; seed < from + runs && signal?.aborted !== true; seed++) {
    const outcome = run(scenarioOf(seed))
    done++
    heights += outcome.heights
    for (const [rule, times] of outcome.taken) coverage[rule] = (coverage[rule] ?? 0) + times
    for (const [round, times] of outcome.honestRounds) {
      rounds.all += times
      if (round === 0) rounds.first += times
    }
    if (outcome.fault !== null) faults.push({ outcome, report: reportOf(seed) })
  }
  const isStall = ({ outcome }: (typeof faults)[number]): boolean => outcome.fault?.startsWith('stalled') === true
  return {
    runs: done,
    heights,
    violations: faults.filter((fault) => !isStall(fault)).map(({ report }) => report),
    stalled: faults.filter(isStall).map(({ report }) => report),
    firstRoundShare: rounds.all === 0 ? 1 : rounds.first / rounds.all,
    coverage,
  }
}
