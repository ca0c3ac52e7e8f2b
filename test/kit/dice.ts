// Chance that a seed repeats, for tests that generate more than fast-check's shrinking could follow. Owns Mulberry32 and the questions one asks it.

export interface Dice {
  /** 0 <= answer < n. */
  below(n: number): number
  /** True once in about 1 / p. */
  chance(p: number): boolean
  pick<T>(from: readonly T[]): T
  bytes(size: number): Uint8Array
}

export function createDice(seed: number): Dice {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (n: number): number => Math.floor(next() * n)
  return {
    below,
    chance: (p) => next() < p,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T, // never asked of an empty list
    bytes: (size) => Uint8Array.from({ length: size }, () => below(256)),
  }
}
