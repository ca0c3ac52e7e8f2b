// Many simulated networks in a row, one for each seed, and what came of them.
import { setImmediate } from 'node:timers/promises'
import { installCurves } from '../../chain/base/crypto.ts'
import { RULES } from '../../chain/consensus/rules.ts'
import { CRASH_POINTS as DISK_POINTS } from './disk.ts'
import { fakeCurves } from './fake-bls.ts'
import { CRASH_POINTS } from './node.ts'
import { type Outcome, reportOf, run } from './run.ts'
import { ALL_FAULTS, type Scenario, scenarioOf, TRICKS, type Wishes } from './scenario.ts'
import { storyOf } from './story.ts'
import { runWhole } from './whole.ts'
import { NO_COSTS, runWide, type WideOutcome } from './wide.ts'

const COUNTERS: readonly string[] = [
  ...TRICKS,
  ...[...CRASH_POINTS.map((point) => `crash at ${point}`), 'disk full', 'clock jump', 'store lost'],
  ...['log lost', 'log torn', 'log damaged at its end', 'log damaged in the middle'],
  ...['signer record damaged', 'signer record rolled back', 'faulty message dropped', 'body lost by all'],
  ...['tombstoned for E1', 'tombstoned for E2', 'tombstoned for E3', 'tombstoned for E4', 'jailed by evidence'],
]

/** Of whole nodes. */
const STAKES_COUNTERS: readonly string[] = [
  ...['joined the set', 'left the set', 'the set has another key', 'votes while jailed', 'Withdrawn', 'RewardsClaimed'],
  ...['ValidatorExited', 'Redelegated', 'Undelegated', 'Slept', 'Unjailed', 'punished: E1', 'punished: E3'],
  ...['reported: E1', 'reported: E3', 'reported: E4'],
  ...['begun with a state', 'signed by who began with a state', 'given falsely: state', 'given falsely: light'],
  ...[
    'blamed: false answer',
    'refused: LastQuorum',
    'refused: AlreadyPunished',
    'refused: EvidenceForged',
    'refused: EvidenceTooOld',
  ],
]

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
  /** How often each rule of the protocol was taken, each lie told, each fault met and each crash point hit. */
  readonly coverage: Readonly<Record<string, number>>
}

/** Runs the seeds `from` to `from + runs - 1`; stops early when `signal` says so. Signatures are stand-ins in this process from here on. */
export async function runBatch(
  from: number,
  runs: number,
  wishes: Wishes = ALL_FAULTS,
  signal?: AbortSignal,
): Promise<Batch> {
  installCurves(fakeCurves)
  const coverage: Record<string, number> = Object.fromEntries([...RULES, ...COUNTERS].map((name) => [name, 0]))
  const faults: { readonly outcome: Outcome; readonly report: string }[] = []
  let heights = 0
  let done = 0
  const rounds = { first: 0, all: 0 }
  for (let seed = from; seed < from + runs && signal?.aborted !== true; seed++) {
    await setImmediate() // lets the signal come through
    const outcome = run(scenarioOf(seed, wishes))
    done++
    heights += outcome.heights
    for (const [name, times] of [...outcome.taken, ...outcome.counters]) coverage[name] = (coverage[name] ?? 0) + times
    for (const [round, times] of outcome.honestRounds) {
      rounds.all += times
      if (round === 0) rounds.first += times
    }
    if (outcome.fault !== null) faults.push({ outcome, report: reportOf(seed, wishes) })
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

/** Above so many validators a network is a wide one: honest, over links of 30 to 100 ms that lose 1 %, votes collected. */
export const WIDE_ABOVE = 64

/** As `runBatch`, of wide networks; the share is of heights decided in round 0. */
export async function runWideBatch(
  from: number,
  runs: number,
  { validators, heights }: { readonly validators: number; readonly heights: number },
  signal?: AbortSignal,
): Promise<Batch> {
  installCurves(fakeCurves)
  const outcomes: WideOutcome[] = []
  for (let seed = from; seed < from + runs && signal?.aborted !== true; seed++) {
    await setImmediate()
    outcomes.push(runWide({ seed, validators, heights, costs: NO_COSTS }))
  }
  const firsts = outcomes.reduce((sum, { firstRoundShare }) => sum + firstRoundShare, 0)
  return {
    runs: outcomes.length,
    heights: outcomes.length * heights,
    violations: outcomes.flatMap(({ fault, isLate }, i) =>
      fault === null || isLate ? [] : [`seed ${from + i}: ${fault}`],
    ),
    stalled: outcomes.flatMap(({ fault, isLate }, i) => (isLate ? [`seed ${from + i}: ${fault}`] : [])),
    firstRoundShare: firsts / Math.max(1, outcomes.length),
    coverage: {},
  }
}

/** As `runBatch`, of whole nodes: the real engine, signer, log, chain and sync of each. The share is of heights decided in round 0. */
export async function runWholeBatch(from: number, runs: number, signal?: AbortSignal): Promise<Batch> {
  const names = [...DISK_POINTS.map((point) => `crash at ${point}`), ...STAKES_COUNTERS]
  const coverage: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]))
  const faults: string[] = []
  const rounds = { first: 0, all: 0 }
  let heights = 0
  let done = 0
  for (let seed = from; seed < from + runs && signal?.aborted !== true; seed++) {
    const outcome = await runWhole(storyOf(seed))
    done++
    heights += outcome.heights
    for (const [name, times] of outcome.counters) coverage[name] = (coverage[name] ?? 0) + times
    for (const times of outcome.rounds.values()) rounds.all += times
    rounds.first += outcome.rounds.get(0) ?? 0
    if (outcome.fault !== null)
      faults.push(`seed ${seed}: ${outcome.fault}\nreplay: novachain sim whole --seed ${seed} --runs 1`)
  }
  const isStall = (report: string): boolean => report.includes(' ms: stalled')
  return {
    runs: done,
    heights,
    violations: faults.filter((report) => !isStall(report)),
    stalled: faults.filter(isStall),
    firstRoundShare: rounds.all === 0 ? 1 : rounds.first / rounds.all,
    coverage,
  }
}

/** What the processes of one such network logged, and its verdict. */
export async function replayWhole(
  seed: number,
): Promise<{ readonly story: readonly string[]; readonly fault: string | null }> {
  const said: string[] = []
  const { fault } = await runWhole(storyOf(seed), said)
  return { story: said, fault }
}

/** One network again, with what happened in it line by line: the same for the same scenario. */
export function replay(scenario: Scenario): { readonly story: readonly string[]; readonly outcome: Outcome } {
  installCurves(fakeCurves)
  const story: string[] = []
  const outcome = run(scenario, story)
  return { story, outcome }
}
