// What a simulated network goes through, as plain data: a seed makes one, a failing one is printed, shrunk and replayed.
import { createRandom, type Random } from './random.ts'

export interface Scenario {
  readonly seed: number
  /** Power of each node by epoch; 0: it only follows. The last row goes on. */
  readonly powers: readonly (readonly number[])[]
  readonly epochBlocks: number
  readonly byzantine: readonly number[]
  /** Whether the Byzantine also run the protocol, or only do what the adversary tells them. */
  readonly byzantineRun: boolean
  /** How often, on average, the adversary acts, in ms; and what he may do. */
  readonly adversaryMs: number
  readonly tricks: readonly Trick[]
  readonly network: Network
  readonly faults: readonly Fault[]
  /** From here nothing is lost, late, cut or down. */
  readonly calmMs: number
  /** Heights to be decided by all after that. */
  readonly heights: number
  readonly execMs: number
  readonly skewMs: number
}

export interface Network {
  readonly minMs: number
  readonly meanMs: number
  readonly loss: number
  readonly duplicates: number
  /** Extra loss of one kind of message, for instance all COMMITs. */
  readonly lossOf: Readonly<Record<string, number>>
}

export type Fault =
  /** Down at `atMs`, or `steps` effects later, so that a crash hits between any two of them. */
  | {
      readonly kind: 'crash'
      readonly node: number
      readonly atMs: number
      readonly steps: number
      readonly downMs: number
      /** What the disk keeps of the log beyond the signer's record. */
      readonly log: 'synced' | 'lost'
      /** The signer's record is not read at start (its host cannot be reached yet); it still refuses. */
      readonly isRecordUnread: boolean
    }
  | {
      readonly kind: 'cut'
      readonly atMs: number
      readonly forMs: number
      readonly group: readonly number[]
      readonly isOneWay: boolean
    }
  | { readonly kind: 'pause'; readonly node: number; readonly atMs: number; readonly forMs: number }

export const TRICKS = [
  'prepare both',
  'commit anything',
  'timeout low',
  'timeout high',
  'forge QC',
  'forge TC',
  'propose twice',
  'propose stale',
  'propose bad',
  'withhold body',
  'garbage',
  'replay',
  'flood rounds',
  'lie about heights',
] as const
export type Trick = (typeof TRICKS)[number]

/** Every power is given for nodes 0 to n - 1; at most a third of any row is Byzantine, strictly less. */
export function scenarioOf(seed: number): Scenario {
  const random = createRandom(seed, 'scenario')
  const { powers, byzantine } = drawSets(random)
  const count = powers[0]?.length ?? 0
  const calmMs = random.between(10, 60) * 1_000
  const isRough = random.chance(0.5)
  return {
    seed,
    powers,
    epochBlocks: random.between(2, 4),
    byzantine,
    byzantineRun: random.chance(0.5),
    adversaryMs: random.pick([50, 200, 1_000]),
    tricks: random.chance(0.5) ? TRICKS : random.some(TRICKS),
    network: {
      minMs: random.between(1, 50),
      meanMs: random.pick([5, 50, 300, 1_500]),
      loss: isRough ? random.next() * 0.6 : random.pick([0, 0.02, 0.1]),
      duplicates: random.pick([0, 0.05, 0.3]),
      lossOf: isRough ? { [random.pick(['proposal', 'prepare', 'commit', 'timeout', 'tc', 'qc'])]: 0.97 } : {},
    },
    faults: drawFaults(random, count, calmMs),
    calmMs,
    heights: random.between(2, 4),
    execMs: random.pick([1, 20, 400]),
    skewMs: random.pick([0, 50, 200]),
  }
}

const drawSets = (random: Random): { powers: number[][]; byzantine: number[] } => {
  const shape = random.pick(['equal', 'equal', 'weighted', 'changing', 'disjoint', 'alone', 'followers'] as const)
  const count = random.between(4, 7)
  const nodes = Array.from({ length: count }, (_, i) => i)
  const weights = (): number[] => nodes.map(() => random.between(1, 5))
  const rows: Record<typeof shape, () => number[][]> = {
    equal: () => [nodes.map(() => 1)],
    weighted: () => [weights()],
    changing: () =>
      [weights(), weights(), weights()].map((row) => row.map((power) => (random.chance(0.25) ? 0 : power))),
    // Two sets that share nobody follow each other.
    disjoint: () => [0, 1, 0].map((half) => [...nodes.map(() => 1 - half), ...nodes.map(() => half)]),
    alone: () => [[1, 0]],
    followers: () => [[...nodes.map(() => 1), 0, 0]],
  }
  const powers = rows[shape]().map((row) => (row.some((power) => power > 0) ? row : row.map(() => 1)))
  const byzantine: number[] = []
  const wanted = random.pick([0, 1, 1, 2])
  for (const node of random.shuffle((powers[0] ?? []).map((_, i) => i))) {
    if (byzantine.length >= wanted) break
    if (powers.every((row) => isMinority(row, [...byzantine, node]))) byzantine.push(node)
  }
  return { powers, byzantine: byzantine.sort((a, b) => a - b) }
}

const isMinority = (row: readonly number[], some: readonly number[]): boolean => {
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
  return 3 * sum(some.map((i) => row[i] ?? 0)) < sum(row)
}

const drawFaults = (random: Random, count: number, calmMs: number): Fault[] => {
  const faults = Array.from({ length: random.between(0, 6) }, () => drawFault(random, count, calmMs))
  // All at once, at the last moment: what counts then is what is on disk.
  if (random.chance(0.15))
    for (let node = 0; node < count; node++)
      faults.push({
        kind: 'crash',
        node,
        atMs: calmMs - 100,
        steps: random.between(0, 3),
        downMs: 1_000,
        log: 'synced',
        isRecordUnread: false,
      })
  return faults
}

const drawFault = (random: Random, count: number, calmMs: number): Fault => {
  const atMs = random.below(calmMs)
  const node = random.below(count)
  const kind = random.pick(['crash', 'crash', 'cut', 'pause'] as const)
  if (kind === 'pause') return { kind, node, atMs, forMs: random.between(500, 10_000) }
  if (kind === 'cut') {
    const group = random.some(Array.from({ length: count }, (_, i) => i))
    return { kind, atMs, forMs: random.between(1_000, 30_000), group, isOneWay: random.chance(0.3) }
  }
  return {
    kind,
    node,
    atMs,
    steps: random.between(0, 12),
    downMs: random.between(1, 20_000),
    log: random.chance(0.15) ? 'lost' : 'synced',
    isRecordUnread: random.chance(0.1),
  }
}
