// What a network of whole nodes goes through, as plain data: a seed makes one.

import type { Weather } from './links.ts'
import { createRandom, type Random } from './random.ts'

export type Blow =
  /** Down at its next operation but `steps` after `atMs`: between any two of them. */
  | {
      readonly kind: 'crash'
      readonly node: number
      readonly atMs: number
      readonly steps: number
      readonly downMs: number
      /** Not before this one has been stored. */
      readonly fromHeight?: number
      readonly log: 'torn' | 'lost'
      /** The signer's record is gone, or the first that was written is back: then the node must be silent. */
      readonly record?: 'lost' | 'first'
      /** The store is gone, and it begins with the state of its peers. */
      readonly store?: 'lost'
    }
  | {
      readonly kind: 'cut'
      readonly atMs: number
      readonly forMs: number
      readonly group: readonly number[]
      readonly isOneWay: boolean
    }
  /** The host's clock is off by so much from then on, until the calm. */
  | { readonly kind: 'clock'; readonly node: number; readonly atMs: number; readonly byMs: number }
  | { readonly kind: 'full'; readonly node: number; readonly atMs: number; readonly forMs: number }
  /** Each sync takes up to so long. */
  | { readonly kind: 'slow disk'; readonly node: number; readonly syncMs: number }

/**
 * What somebody does with stake, at his next chance after `atMs`. Amounts are in thousandths of what there is; above 1,000 is too much.
 * `from` counts the validators that he has delegated to.
 */
export type Deed = { readonly atMs: number } & (
  | { readonly kind: 'delegate'; readonly by: number; readonly to: number; readonly share: number }
  | { readonly kind: 'undelegate'; readonly by: number; readonly from: number; readonly share: number }
  | {
      readonly kind: 'redelegate'
      readonly by: number
      readonly from: number
      readonly to: number
      readonly share: number
    }
  | { readonly kind: 'withdraw'; readonly by: number }
  | { readonly kind: 'claim' | 'penalty'; readonly by: number; readonly from: number }
  /** An operator's own bond. */
  | { readonly kind: 'bond' | 'unbond'; readonly key: number; readonly share: number }
  /** These two until they are done. */
  | { readonly kind: 'leave'; readonly key: number }
  | { readonly kind: 'rotate'; readonly key: number }
  | { readonly kind: 'edit'; readonly key: number }
  | { readonly kind: 'govern'; readonly name: string; readonly value: string }
  /** Bytes that are no call; evidence with a byte changed, of who did nothing, too old, or said before. */
  | { readonly kind: 'junk' | 'forged' | 'innocent' | 'again' }
)

/** What is at stake. */
export interface Stakes {
  readonly epochBlocks: number
  /** Of `params`. */
  readonly values: Readonly<Record<string, string>>
  /** Validators that come later, with keys above those of genesis: when their nodes start, and what they bond, in NOVA. */
  readonly joiners: readonly { readonly atMs: number; readonly nova: number }[]
  /** Accounts that may delegate. */
  readonly users: number
  readonly deeds: readonly Deed[]
}

export interface Story {
  readonly seed: number
  /** What each validator of genesis has bonded, in NOVA. */
  readonly powers: readonly number[]
  readonly stakes: Stakes
  readonly followers: number
  /** Nodes that come later, with an empty disk, and begin with the state of their peers: followers, and validators of genesis or joiners. */
  readonly latecomers?: readonly { readonly node: number; readonly atMs: number }[]
  /** Followers that give who asks for a state what is not of this chain. */
  readonly falsifiers?: readonly number[]
  /** Validators that run twice, each time honestly: together they sign what nobody may. */
  readonly twins: readonly number[]
  /** How often somebody without a key publishes garbage, or what was said before, in ms; null: never. */
  readonly noiseMs: number | null
  readonly weather: Weather
  readonly blows: readonly Blow[]
  readonly txs: number
  /** From here nothing is lost, late, cut or down. */
  readonly calmMs: number
  /** Heights to be decided by all after that. */
  readonly heights: number
}

/** One seed in so many is about stakes: longer, with few faults of other kinds. */
export const STAKES_EVERY = 8
/** And in one of as many, half way between, some begin with a state. */
const isLate = (seed: number): boolean => seed % STAKES_EVERY === STAKES_EVERY / 2

export const storyOf = (seed: number): Story => {
  if (seed % STAKES_EVERY === 0) return stakedOf(seed)
  return isLate(seed) ? lateOf(seed) : plainOf(seed)
}

/** Nobody does anything. */
export const IDLE: Stakes = {
  ...{ epochBlocks: 5, joiners: [], users: 4, deeds: [] },
  values: { 'staking.minSelfBond': `1${'0'.repeat(18)}` },
}

const plainOf = (seed: number): Story => {
  const random = createRandom(seed, 'story')
  const count = random.pick([1, 4, 4, 4, 5, 7])
  const powers = Array.from({ length: count }, () => (random.chance(0.5) ? 2 : random.between(1, 3)))
  const total = powers.reduce((a, b) => a + b, 0)
  const weakest = powers.indexOf(Math.min(...powers))
  const hasTwin = random.chance(0.3) && 3 * (powers[weakest] ?? 0) < total
  const calmMs = random.between(8, 40) * 1_000
  const isRough = random.chance(0.4)
  return {
    seed,
    powers,
    stakes: IDLE,
    followers: random.pick([0, 0, 1]),
    twins: hasTwin ? [weakest] : [],
    noiseMs: random.pick([null, 500, 5_000]),
    weather: {
      minMs: random.between(1, 40),
      meanMs: random.pick([5, 50, 400]),
      loss: isRough ? random.next() * 0.5 : random.pick([0, 0.02]),
      duplicates: random.pick([0, 0.1]),
    },
    blows: drawBlows(random, count, calmMs),
    txs: random.between(0, 3),
    calmMs,
    heights: random.between(2, 4),
  }
}

/** A plain one that takes longer, in which a follower comes late, perhaps a validator too, and dies on its way; and one gives what is false. */
const lateOf = (seed: number): Story => {
  const plain = plainOf(seed)
  const random = createRandom(seed, 'late')
  const { powers, followers, twins } = plain
  const calmMs = plain.calmMs + 40_000
  const weakest = powers.indexOf(Math.min(...powers))
  const isSpared = 3 * (powers[weakest] ?? 0) < powers.reduce((a, b) => a + b, 0) && twins.length === 0
  const falsifiers = random.chance(0.7) ? [powers.length + followers + 1] : []
  const nodes = [powers.length + followers, ...(isSpared && random.chance(0.5) ? [weakest] : [])]
  const latecomers = nodes.map((node) => ({ node, atMs: random.between(15_000, calmMs - 5_000) }))
  const blows = latecomers.flatMap(({ node, atMs }): Blow[] => {
    const died: Blow = {
      ...{ kind: 'crash', node, atMs, log: 'torn' },
      ...{ steps: random.between(0, 60), downMs: random.between(1, 8_000) },
    }
    const full: Blow = { kind: 'full', node, atMs: atMs + random.below(3_000), forMs: random.between(100, 10_000) }
    return [...(random.chance(0.6) ? [died] : []), ...(random.chance(0.2) ? [full] : [])]
  })
  const all = { latecomers, falsifiers, followers: followers + 1 + falsifiers.length }
  return { ...plain, ...all, blows: [...plain.blows, ...blows], calmMs }
}

const drawBlows = (random: Random, count: number, calmMs: number): Blow[] => {
  const blows = Array.from({ length: random.between(0, 5) }, () => drawBlow(random, count, calmMs))
  if (random.chance(0.1)) blows.push({ kind: 'slow disk', node: random.below(count), syncMs: random.pick([50, 500]) })
  // Everybody at once, at the last moment: what counts then is what is on disk.
  if (random.chance(0.2))
    for (let node = 0; node < count; node++)
      blows.push({
        ...{ kind: 'crash', node, log: 'torn' },
        ...{ atMs: calmMs - 2_000, steps: random.between(0, 12), downMs: 1_000 },
      })
  // The bodies of prepared blocks are nowhere else: who loses his log is one of at least two.
  const lost = blows.find((blow) => blow.kind === 'crash' && blow.log === 'lost')
  return blows.map((blow) => (blow.kind === 'crash' && blow !== lost ? { ...blow, log: 'torn' } : blow))
}

const drawBlow = (random: Random, count: number, calmMs: number): Blow => {
  const atMs = random.below(calmMs)
  const node = random.below(count)
  const kind = random.pick(['crash', 'crash', 'crash', 'cut', 'clock', 'full'] as const)
  switch (kind) {
    case 'crash':
      return {
        ...{ kind, node, atMs, steps: random.between(0, 40), downMs: random.between(1, 15_000) },
        log: count >= 4 && random.chance(0.15) ? 'lost' : 'torn',
      }
    case 'cut': {
      const group = random.some(Array.from({ length: count }, (_, i) => i))
      return { kind, atMs, forMs: random.between(1_000, 20_000), group, isOneWay: random.chance(0.3) }
    }
    case 'clock':
      // Who is alone would put the jump into a block, and wait for the hour to pass.
      return { kind, node, atMs, byMs: random.pick([-3_600_000, -5_000, 700, 5_000, count > 1 ? 3_600_000 : 60_000]) }
    case 'full':
      return { kind, node, atMs, forMs: random.between(100, 10_000) }
  }
}

const stakedOf = (seed: number): Story => {
  const random = createRandom(seed, 'stakes')
  const founders = random.between(4, 6)
  const hasTwin = random.chance(0.5)
  const powers = Array.from({ length: founders }, () => random.between(20, 40))
  const weakest = powers.indexOf(Math.min(...powers))
  const calmMs = random.between(90, 150) * 1_000
  const joiners = Array.from({ length: random.between(0, 2) }, () => {
    return { atMs: random.below(calmMs / 2), nova: random.between(10, 40) }
  })
  const epochBlocks = random.between(4, 10)
  const count = founders + joiners.length
  const late = createRandom(seed, 'late')
  const latecomers = joiners.flatMap(({ atMs }, i) => (late.chance(0.5) ? [{ node: founders + i, atMs }] : []))
  return {
    seed,
    powers,
    latecomers,
    stakes: {
      ...{ epochBlocks, joiners, users: 4, values: drawValues(random, founders) },
      deeds: Array.from({ length: random.between(10, 40) }, () => drawDeed(random, count, calmMs)),
    },
    followers: random.pick([0, 0, 1]),
    twins: hasTwin ? [weakest] : [],
    noiseMs: random.pick([null, null, 5_000]),
    weather: {
      ...{ minMs: random.between(1, 40), meanMs: random.pick([5, 50]) },
      ...{ loss: random.pick([0, 0, 0.05]), duplicates: random.pick([0, 0.1]) },
    },
    blows: drawStakedBlows(random, { count, founders, epochBlocks, calmMs }),
    txs: 0,
    calmMs,
    heights: 2 * epochBlocks + 2,
  }
}

const nova = (amount: number): string => `${amount}${'0'.repeat(18)}`
const drawValues = (random: Random, founders: number): Record<string, string> => ({
  'staking.maxValidators': String(random.pick([founders, founders, 100])),
  'staking.minSelfBond': nova(5),
  'staking.minDelegation': '1',
  'staking.unbondingTime': String(random.pick([60, 90, 3_600])),
  'staking.rewardRate': '5000',
  'slashing.window': String(random.between(10, 15)),
  'slashing.jailTime': String(random.pick([1, 10, 30])),
  'slashing.downtime': '100',
})

const drawDeed = (random: Random, count: number, calmMs: number): Deed => {
  const atMs = random.below(calmMs)
  const by = random.below(4)
  const share = random.pick([1, 10, 100, 500, 999, 1_000, 1_001, random.between(1, 1_000)])
  const [from, to, key] = [random.below(count), random.below(count), random.below(count)]
  const kind = random.pick([
    ...(['delegate', 'delegate', 'delegate', 'delegate', 'undelegate', 'undelegate', 'redelegate'] as const),
    ...(['redelegate', 'withdraw', 'claim', 'claim', 'penalty', 'bond', 'unbond', 'leave', 'rotate'] as const),
    ...(['edit', 'govern', 'junk', 'forged', 'innocent', 'again'] as const),
  ])
  switch (kind) {
    case 'delegate':
      return { kind, atMs, by, to, share: Math.min(share, 5) }
    case 'undelegate':
      return { kind, atMs, by, from, share }
    case 'redelegate':
      return { kind, atMs, by, from, to, share }
    case 'withdraw':
      return { kind, atMs, by }
    case 'claim':
    case 'penalty':
      return { kind, atMs, by, from }
    case 'bond':
    case 'unbond':
      return { kind, atMs, key, share: kind === 'bond' ? Math.min(share, 5) : share }
    case 'leave':
    case 'rotate':
    case 'edit':
      return { kind, atMs, key }
    case 'govern':
      return { kind, atMs, name: 'staking.maxValidators', value: String(random.between(2, 6)) }
    default:
      return { kind, atMs }
  }
}

interface Ground {
  readonly count: number
  readonly founders: number
  readonly epochBlocks: number
  readonly calmMs: number
}

/** Some of those that any network has; long sleeps; and deaths where one epoch ends and the next begins. */
const drawStakedBlows = (random: Random, { count, founders, epochBlocks, calmMs }: Ground): Blow[] => {
  const blows = Array.from({ length: random.between(0, 3) }, () => drawBlow(random, count, calmMs))
  for (let i = random.between(0, 2); i > 0; i--)
    blows.push({
      ...{ kind: 'crash', node: random.below(founders), atMs: random.below(calmMs / 3), steps: 0 },
      ...{ downMs: random.between(25, 80) * 1_000, log: 'torn' },
    })
  for (let i = random.between(0, 3); i > 0; i--) {
    const fromHeight = random.between(1, 5) * epochBlocks + random.between(-2, 1)
    blows.push({
      ...{ kind: 'crash', node: random.below(count), atMs: 0, fromHeight, steps: random.between(0, 30) },
      ...{ downMs: random.between(1, 15_000), log: 'torn' },
    })
  }
  // While one epoch ends and the next begins, at some three seconds a block.
  if (random.chance(0.3)) {
    const atMs = Math.max(0, 3_000 * epochBlocks * random.between(1, 4) - random.between(0, 6_000))
    const group = random.some(Array.from({ length: count }, (_, i) => i))
    blows.push({ kind: 'cut', atMs, forMs: random.between(2_000, 15_000), group, isOneWay: random.chance(0.3) })
  }
  return blows.map((blow) => (blow.kind === 'crash' ? { ...blow, log: 'torn' } : blow))
}
