// One simulated network from its first block to its verdict: a disturbed phase, in which nothing may go wrong, and a calm one, in which
// it must go on. And the search for the smallest scenario that still fails.
import type { Rule } from '../../chain/consensus/rules.ts'
import { Violation } from './checks.ts'
import { ALL_FAULTS, type Fault, isMinority, type Scenario, scenarioOf, type Wishes } from './scenario.ts'
import { World } from './world.ts'

export interface Outcome {
  readonly fault: string | null
  readonly heights: number
  readonly events: number
  readonly trace: number
  readonly taken: ReadonlyMap<Rule, number>
  readonly counters: ReadonlyMap<string, number>
  readonly honestRounds: ReadonlyMap<number, number>
}

/** The longest run of Byzantine leaders at the longest timeouts stays below this. */
const STALL_MS = 1_800_000
/** With a third and more against it a network may well stand still, which says nothing. */
const MAJOR_STALL_MS = 20_000

export function run(scenario: Scenario, story: string[] | null = null): Outcome {
  const world = new World(scenario, story)
  const { calmMs, byzantineRun } = scenario
  const honest = world.nodes.filter(({ id }) => world.isHonest(id))
  for (const node of world.nodes) if (world.isHonest(node.id) || byzantineRun) node.boot()
  for (const fault of scenario.faults) order(world, fault, calmMs)
  let goal = Number.POSITIVE_INFINITY
  world.at(calmMs, () => {
    world.note(() => 'the calm begins')
    for (const node of honest) node.cancelCrash()
    world.checks.onCalm()
    goal = Math.max(...honest.map(({ height }) => height)) + scenario.heights
  })
  world.at(0, () => world.adversary.start())
  let isStalled = false
  const isMajor = !isMinority(scenario.powers, scenario.byzantine)
  world.at(calmMs + (isMajor ? MAJOR_STALL_MS : STALL_MS), () => {
    isStalled = true
  })
  const outcome = (fault: string | null): Outcome => ({
    fault,
    heights: world.checks.decided.size,
    events: world.events,
    trace: world.trace,
    taken: world.taken,
    counters: world.counters,
    honestRounds: world.checks.honestRounds,
  })
  try {
    world.run(() => isStalled || world.checks.isForked || honest.every(({ height }) => height >= goal))
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    return outcome(error.message)
  }
  for (const node of world.nodes) node.leave()
  if (!isStalled || isMajor) return outcome(isMajor ? null : world.checks.refusal)
  if (world.isBodyLost()) {
    world.count('halted: every holder lost the body')
    return outcome(null)
  }
  return outcome(`stalled at heights ${honest.map((node) => `${node.height}/${node.state?.height?.cur}`).join(', ')}`)
}

const order = (world: World, fault: Fault, calmMs: number): void => {
  if (fault.kind === 'cut') return
  const node = world.nodes[fault.node]
  if (node === undefined) return
  if (fault.kind === 'crash') world.at(fault.atMs, () => node.orderCrash(fault))
  if (fault.kind === 'pause') world.at(fault.atMs, () => node.pause(Math.min(fault.atMs + fault.forMs, calmMs)))
  if (fault.kind !== 'jump') return
  const skewMs = node.skewMs
  world.at(fault.atMs, () => {
    world.count('clock jump')
    node.setClock(skewMs + fault.byMs)
  })
  world.at(calmMs, () => node.setClock(skewMs))
}

/** The smallest scenario found that still fails, by leaving out what can be left out. */
export function shrink(scenario: Scenario): Scenario {
  let best = scenario
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const candidate of smaller(best)) {
      if (run(candidate).fault === null) continue
      best = candidate
      isSmaller = true
      break
    }
  }
  return best
}

function* smaller(s: Scenario): Generator<Scenario> {
  for (const fault of s.faults) yield { ...s, faults: s.faults.filter((other) => other !== fault) }
  for (const trick of s.tricks) yield { ...s, tricks: s.tricks.filter((other) => other !== trick) }
  for (const id of s.byzantine) yield { ...s, byzantine: s.byzantine.filter((other) => other !== id) }
  const { network } = s
  if (Object.keys(network.lossOf).length > 0) yield { ...s, network: { ...network, lossOf: {} } }
  if (network.loss > 0) yield { ...s, network: { ...network, loss: 0 } }
  if (network.duplicates > 0) yield { ...s, network: { ...network, duplicates: 0 } }
  if (s.powers.length > 1) yield { ...s, powers: s.powers.slice(0, -1) }
  if (s.calmMs > 2_000) yield { ...s, calmMs: Math.floor(s.calmMs / 2) }
}

/** What went wrong, how to see it again, and the smallest scenario found that still fails. */
export function reportOf(seed: number, wishes: Wishes = ALL_FAULTS): string {
  const scenario = scenarioOf(seed, wishes)
  const small = shrink(scenario)
  return [
    `seed ${seed}: ${run(scenario).fault}`,
    `replay:   novachain sim replay ${[seed, ...flagsOf(wishes)].join(' ')}`,
    `smallest: ${run(small).fault}`,
    `replay:   novachain sim replay --scenario '${JSON.stringify(small)}'`,
  ].join('\n')
}

/** The flags that give these wishes. */
export const flagsOf = ({ validators, heights, byzantine, faults }: Wishes): string[] => [
  ...Object.entries({ validators, heights, byzantine }).flatMap(([name, n]) =>
    n === undefined ? [] : [`--${name} ${n}`],
  ),
  ...(faults === 'all' ? [] : [`--faults ${faults}`]),
]
