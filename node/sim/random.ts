// Chance for the simulator: one seed, named streams, so that a draw added in one does not shift the others.

export interface Random {
  /** 0 <= x < 1. */
  next(): number
  /** Integer, 0 <= x < below. */
  below(below: number): number
  between(from: number, to: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
  shuffle<T>(list: readonly T[]): T[]
  /** Each element with probability one half. */
  some<T>(list: readonly T[]): T[]
}

export function createRandom(seed: number, name: string): Random {
  let hash = seed >>> 0
  for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0
  let state = hash
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x100000000
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  return {
    next,
    below,
    between: (from, to) => from + below(to - from + 1),
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
    shuffle(list) {
      const out = [...list]
      for (let i = out.length - 1; i > 0; i--) {
        const j = below(i + 1)
        const [a, b] = [out[i], out[j]] as [(typeof list)[number], (typeof list)[number]]
        out[i] = b
        out[j] = a
      }
      return out
    },
    some: (list) => list.filter(() => next() < 0.5),
  }
}
