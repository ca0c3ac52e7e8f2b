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
  /** Whether each Byzantine validator that runs the protocol does so twice at once, both copies honest, with one key. */
  readonly twins: boolean
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
      /** What the disk keeps of the log: what was synced and some of the rest; nothing; or all, with a bit turned somewhere. */
      readonly log: 'synced' | 'lost' | 'flipped'
      /**
       * The signer's record at start. `unread`: its host cannot be reached yet, it still refuses. `old`: the disk lied when it said that
       * the last ones were synced. `damaged`: it does not decode.
       */
      readonly record: 'kept' | 'unread' | 'old' | 'damaged'
      /** Blocks and state. */
      readonly store: 'kept' | 'lost'
    }
  | {
      readonly kind: 'cut'
      readonly atMs: number
      readonly forMs: number
      readonly group: readonly number[]
      readonly isOneWay: boolean
    }
  | { readonly kind: 'pause'; readonly node: number; readonly atMs: number; readonly forMs: number }
  /** The disk takes nothing more. */
  | { readonly kind: 'full'; readonly node: number; readonly atMs: number; readonly forMs: number }
  /** The wall clock goes wrong, until the calm. */
  | { readonly kind: 'jump'; readonly node: number; readonly atMs: number; readonly byMs: number }
  | {
      readonly kind: 'slow'
      readonly node: number
      readonly atMs: number
      readonly forMs: number
      readonly execMs: number
    }
export type Crash = Extract<Fault, { readonly kind: 'crash' }>

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
  'split',
  'timeout odd',
  'forge overlap',
  'censor',
  'push bodies',
] as const
export type Trick = (typeof TRICKS)[number]

/** What `novachain sim` may fix; the seed draws the rest. */
export interface Wishes {
  readonly validators?: number
  readonly heights?: number
  /** So many of the validators, even a third and more: then disagreement must name the guilty. */
  readonly byzantine?: number
  readonly faults: 'none' | 'network' | 'crash' | 'all'
}
export const ALL_FAULTS: Wishes = { faults: 'all' }

/** Every power is given for nodes 0 to n - 1; at most a third of any row is Byzantine, strictly less, unless wished otherwise. */
export function scenarioOf(seed: number, wishes: Wishes = ALL_FAULTS): Scenario {
  const random = createRandom(seed, 'scenario')
  const { powers, byzantine } = drawSets(random, wishes)
  const count = powers[0]?.length ?? 0
  const calmMs = random.between(10, 60) * 1_000
  const isRough = random.chance(0.5)
  const network: Network = {
    minMs: random.between(1, 50),
    meanMs: random.pick([5, 50, 300, 1_500]),
    loss: isRough ? random.next() * 0.6 : random.pick([0, 0.02, 0.1]),
    duplicates: random.pick([0, 0.05, 0.3]),
    lossOf: isRough ? { [random.pick(['proposal', 'prepare', 'commit', 'timeout', 'tc', 'qc'])]: 0.97 } : {},
  }
  const hasNetwork = wishes.faults === 'network' || wishes.faults === 'all'
  const faults = drawFaults(random, { powers, byzantine, calmMs, count })
  return {
    seed,
    powers,
    epochBlocks: random.between(2, 4),
    byzantine,
    byzantineRun: random.chance(0.5),
    twins: random.chance(0.3),
    adversaryMs: random.pick([50, 200, 1_000]),
    tricks: random.chance(0.5) ? TRICKS : random.some(TRICKS),
    network: hasNetwork ? network : { ...network, meanMs: 5, loss: 0, duplicates: 0, lossOf: {} },
    faults: faults.filter(({ kind }) => isWished(kind, wishes.faults)),
    calmMs,
    heights: wishes.heights ?? random.between(2, 4),
    execMs: random.pick([1, 20, 400]),
    skewMs: random.pick([0, 50, 200]),
  }
}

const isWished = (kind: Fault['kind'], wished: Wishes['faults']): boolean =>
  wished === 'all' || (wished !== 'none' && (kind === 'cut') === (wished === 'network'))

const drawSets = (random: Random, wishes: Wishes): { powers: number[][]; byzantine: number[] } => {
  const shape = random.pick(['equal', 'equal', 'weighted', 'changing', 'disjoint', 'alone', 'followers'] as const)
  const drawn = random.between(4, 7)
  const count = wishes.validators ?? drawn
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
  const isFixed = wishes.byzantine !== undefined || wishes.validators !== undefined
  const powers = rows[isFixed && shape !== 'weighted' ? 'equal' : shape]().map((row) =>
    row.some((power) => power > 0) ? row : row.map(() => 1),
  )
  const byzantine: number[] = []
  const drawnLiars = random.pick([0, 1, 1, 2])
  const wanted = wishes.byzantine ?? (wishes.faults === 'all' ? drawnLiars : 0)
  for (const node of random.shuffle((powers[0] ?? []).map((_, i) => i))) {
    if (byzantine.length >= wanted) break
    if (wishes.byzantine !== undefined || isMinority(powers, [...byzantine, node])) byzantine.push(node)
  }
  return { powers, byzantine: byzantine.sort((a, b) => a - b) }
}

/** Whether these nodes have less than a third of the power in every epoch. */
export const isMinority = (powers: readonly (readonly number[])[], some: readonly number[]): boolean =>
  powers.every((row) => {
    const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
    return 3 * sum(some.map((i) => row[i] ?? 0)) < sum(row)
  })

interface Ground {
  readonly powers: readonly (readonly number[])[]
  readonly byzantine: readonly number[]
  readonly calmMs: number
  readonly count: number
}

const drawFaults = (random: Random, ground: Ground): Fault[] => {
  const { powers, byzantine, calmMs, count } = ground
  // Who loses his record must not sign again by himself, so only so many may as the network can do without.
  const silent = [...byzantine]
  const faults = Array.from({ length: random.between(0, 6) }, () => {
    const fault = drawFault(random, ground)
    if (fault.kind !== 'crash' || (fault.record !== 'old' && fault.record !== 'damaged')) return fault
    if (silent.includes(fault.node) || !isMinority(powers, [...silent, fault.node]))
      return { ...fault, record: 'kept' as const }
    silent.push(fault.node)
    return fault
  })
  // All at once, at the last moment: what counts then is what is on disk.
  if (random.chance(0.15))
    for (let node = 0; node < count; node++)
      faults.push({
        ...{ kind: 'crash', node, atMs: calmMs - 100, steps: random.between(0, 3), downMs: 1_000 },
        ...{ log: 'synced', record: 'kept', store: 'kept' },
      })
  return faults
}

const drawFault = (random: Random, { calmMs, count }: Ground): Fault => {
  const atMs = random.below(calmMs)
  const node = random.below(count)
  const kind = random.pick(['crash', 'crash', 'crash', 'cut', 'cut', 'pause', 'full', 'jump', 'slow'] as const)
  switch (kind) {
    case 'pause':
    case 'full':
      return { kind, node, atMs, forMs: random.between(500, 10_000) }
    case 'jump':
      return { kind, node, atMs, byMs: random.pick([-20_000, -2_000, -600, 600, 2_000, 20_000]) }
    case 'slow':
      return { kind, node, atMs, forMs: random.between(1_000, 20_000), execMs: random.between(500, 6_000) }
    case 'cut': {
      const group = random.some(Array.from({ length: count }, (_, i) => i))
      return { kind, atMs, forMs: random.between(1_000, 30_000), group, isOneWay: random.chance(0.3) }
    }
    case 'crash':
      return {
        ...{ kind, node, atMs, steps: random.between(0, 12), downMs: random.between(1, 20_000) },
        log: random.pick(['synced', 'synced', 'synced', 'synced', 'lost', 'flipped']),
        record: random.pick(['kept', 'kept', 'kept', 'kept', 'kept', 'kept', 'unread', 'unread', 'old', 'damaged']),
        store: random.chance(0.1) ? 'lost' : 'kept',
      }
  }
}

const NODES_MAX = 2_000

/** A scenario as it was printed; or what is wrong with it. Shape and bounds only: any values that fit are a scenario. */
export function parseScenario(text: string): Scenario | string {
  const json = parseJson(text)
  if (!isRecord(json)) return 'is no JSON object'
  const pattern: Scenario = scenarioOf(1)
  for (const [name, value] of Object.entries(pattern))
    if (typeof json[name] !== typeof value || Array.isArray(json[name]) !== Array.isArray(value)) return `lacks ${name}`
  for (const name of ['minMs', 'meanMs', 'loss', 'duplicates', 'lossOf'] as const)
    if (!isRecord(json.network) || typeof json.network[name] !== typeof pattern.network[name])
      return `lacks network.${name}`
  const { powers, byzantine, faults, tricks, epochBlocks, heights } = json as unknown as Scenario // as far as checked
  const count = powers[0]?.length ?? 0
  const isIndex = (n: unknown): boolean => Number.isInteger(n) && Number(n) >= 0 && Number(n) < count
  const isRow = (row: unknown): boolean =>
    Array.isArray(row) &&
    row.length === count &&
    row.every((n) => Number.isSafeInteger(n) && n >= 0) &&
    row.some((n) => n > 0)
  if (count === 0 || count > NODES_MAX || !powers.every(isRow)) return 'has powers that are no rows of the same length'
  if (!byzantine.every(isIndex)) return 'names a liar that is no node'
  if (epochBlocks < 1 || heights < 1) return 'has no blocks'
  if (!tricks.every((trick) => TRICKS.includes(trick))) return 'has tricks that nobody knows'
  const isFault = (f: unknown): boolean =>
    isRecord(f) && typeof f.atMs === 'number' && (f.kind === 'cut' ? Array.isArray(f.group) : isIndex(f.node))
  return faults.every(isFault) ? (json as unknown as Scenario) : 'has a fault of no node or time'
}
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
