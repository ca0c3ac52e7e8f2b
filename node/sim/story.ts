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
      readonly log: 'torn' | 'lost'
      /** The signer's record is gone, or the first that was written is back: then the node must be silent. */
      readonly record?: 'lost' | 'first'
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

export interface Story {
  readonly seed: number
  /** Power of each validator. */
  readonly powers: readonly number[]
  readonly followers: number
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

export function storyOf(seed: number): Story {
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
