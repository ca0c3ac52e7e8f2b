// Networks of four whole nodes in fair weather, in which one thing happens to their stakes.
import { type Blow, type Deed, IDLE, type Story } from '../../node/sim/story.ts'

const NOVA = '0'.repeat(18)

/** Four equals; a validator that misses more than five of ten blocks sleeps. */
export const storyWith = (over: Partial<Omit<Story, 'stakes'>>, stakes: Partial<Story['stakes']> = {}): Story => ({
  ...{ seed: 1, powers: [20, 20, 20, 20], followers: 0, twins: [], noiseMs: null, txs: 0, blows: [] },
  weather: { minMs: 5, meanMs: 10, loss: 0, duplicates: 0 },
  stakes: {
    ...IDLE,
    values: {
      ...{ 'staking.minSelfBond': `5${NOVA}`, 'staking.unbondingTime': '3600', 'slashing.window': '10' },
      ...{ 'slashing.jailTime': '10', 'slashing.downtime': '100', 'staking.maxValidators': '4' },
    },
    ...stakes,
  },
  ...{ calmMs: 60_000, heights: 12 },
  ...over,
})

export const down = (node: number, atMs: number, forMs: number): Extract<Blow, { readonly kind: 'crash' }> => ({
  ...{ kind: 'crash', node, atMs, steps: 0, downMs: forMs, log: 'torn' },
})

/** All want to leave at once. */
export const exodus = (): Story =>
  storyWith({}, { deeds: [0, 1, 2, 3].map((key): Deed => ({ kind: 'leave', key, atMs: 5_000 })) })

/** One is down for a while, is jailed, and comes back within the same epoch. */
export const sleeper = (): Story => storyWith({ blows: [down(3, 3_000, 26_000)] }, { epochBlocks: 10 })

/** The key of the weakest was stolen and signs on two machines. */
export const theft = (): Story => storyWith({ powers: [10, 20, 20, 20], twins: [0] })

/** The same, and two who delegated to it: one takes half of it back, one moves it away, before anybody knows. */
export const flight = (): Story => {
  const { values } = storyWith({}).stakes
  return storyWith(
    { powers: [10, 20, 20, 20], twins: [0], calmMs: 95_000 },
    {
      epochBlocks: 10,
      values: { ...values, 'staking.unbondingTime': '60', 'staking.minDelegation': '1' },
      deeds: [
        { kind: 'delegate', by: 0, to: 0, share: 3, atMs: 1_000 },
        { kind: 'delegate', by: 1, to: 0, share: 3, atMs: 1_000 },
        { kind: 'undelegate', by: 0, from: 0, share: 500, atMs: 7_000 },
        { kind: 'redelegate', by: 1, from: 0, to: 1, share: 1_000, atMs: 7_000 },
        { kind: 'penalty', by: 1, from: 0, atMs: 60_000 },
        { kind: 'withdraw', by: 0, atMs: 85_000 },
      ],
    },
  )
}

export const newKey = (): Story => storyWith({}, { deeds: [{ kind: 'rotate', key: 1, atMs: 5_000 }] })

/** One joins and one leaves while another is down. */
export const change = (): Story =>
  storyWith(
    { blows: [down(3, 4_000, 50_000)] },
    { deeds: [{ kind: 'leave', key: 2, atMs: 32_000 }], joiners: [{ atMs: 0, nova: 40 }] },
  )
