// One of four whole nodes, or all four, dying at each operation of a height in turn: of the log, the record, the store, the network. And
// clocks of hosts that jump. Virtual time, real engine, signer, log and store; the verdict is the simulator's.
import { expect, test } from 'vitest'
import { type Blow, IDLE, type Story } from '../../node/sim/story.ts'
import { runWhole } from '../../node/sim/whole.ts'

/** Four equals in fair weather. */
const storyWith = (seed: number, blows: readonly Blow[]): Story => ({
  ...{ seed, powers: [1, 1, 1, 1], stakes: IDLE, followers: 0, twins: [], noiseMs: null, txs: 1 },
  weather: { minMs: 5, meanMs: 10, loss: 0, duplicates: 0 },
  ...{ blows, calmMs: 12_000, heights: 2 },
})
/** In the third height; back before the calm. */
const crash = (node: number, steps: number): Extract<Blow, { readonly kind: 'crash' }> => ({
  ...{ kind: 'crash', node, steps, log: 'torn', atMs: 3_500, downMs: 500 },
})
const faultsOf = async (stories: readonly Story[]): Promise<{ faults: string[]; died: Map<string, number> }> => {
  const faults: string[] = []
  const died = new Map<string, number>()
  for (const story of stories) {
    const { fault, counters } = await runWhole(story)
    if (fault !== null) faults.push(`${JSON.stringify(story.blows)}: ${fault}`)
    for (const [what, times] of counters) died.set(what, (died.get(what) ?? 0) + times)
  }
  return { faults, died }
}
const crashesIn = (died: ReadonlyMap<string, number>): number =>
  [...died].reduce((sum, [what, times]) => sum + (what.startsWith('crash at') ? times : 0), 0)
/** Before, or after, each operation of a height and some of the next: two steps apart, for after one is before the next. */
const STEPS = Array.from({ length: 24 }, (_, i) => 2 * i)

test('one of four that dies at any operation comes back, and nobody signs twice', async () => {
  const { faults, died } = await faultsOf(STEPS.map((steps) => storyWith(steps, [crash((steps / 2) % 4, steps)])))
  expect(faults).toEqual([])
  expect(crashesIn(died)).toBeGreaterThan(STEPS.length - 4)
  for (const point of ['log append', 'log sync', 'record', 'store'])
    expect(died.get(`crash at ${point}`)).toBeGreaterThan(0)
})

test('all four that die at the same operation come back and go on with what they signed', async () => {
  const stories = STEPS.filter((steps) => steps % 4 === 0).map((steps) =>
    storyWith(
      steps,
      [0, 1, 2, 3].map((node) => crash(node, steps)),
    ),
  )
  expect((await faultsOf(stories)).faults).toEqual([])
})

test.each(['lost', 'first'] as const)(
  'one of four whose record is %s after it died at any operation follows the others and signs nothing',
  async (record) => {
    const stories = STEPS.filter((steps) => steps % 6 === 0).map((steps) => {
      const blow = { ...crash((steps / 6) % 4, steps), atMs: 6_500, record }
      return storyWith(steps, [blow])
    })
    const { faults, died } = await faultsOf(stories)
    expect(faults).toEqual([])
    expect(crashesIn(died)).toBeGreaterThan(5)
    expect(died.get('silent for want of a record')).toBeGreaterThanOrEqual(crashesIn(died))
  },
)

test('one of four that lost its disk begins with a state: with its record it signs on, without one it signs nothing', async () => {
  const lost = (seed: number) => ({ ...crash(seed % 4, 8 * seed), atMs: 6_500, log: 'lost', store: 'lost' }) as const
  const kept = await faultsOf([1, 2, 3].map((seed) => storyWith(seed, [lost(seed)])))
  const gone = await faultsOf([1, 2, 3].map((seed) => storyWith(seed, [{ ...lost(seed), record: 'lost' }])))
  expect([kept.faults, gone.faults]).toEqual([[], []])
  const times = ({ died }: typeof kept, what: string): number => died.get(what) ?? 0
  expect([kept, gone].map((each) => times(each, 'begun with a state'))).toEqual([3, 3])
  expect(times(kept, 'signed by who began with a state')).toBeGreaterThan(3)
  expect(times(gone, 'signed by who began with a state')).toBe(0)
  expect(times(gone, 'silent for want of a record')).toBeGreaterThanOrEqual(3)
})

test.each([3_600_000, -3_600_000])(
  'a host’s clock that jumps by %d ms stops neither its validator nor the others',
  async (byMs) => {
    const jumps = [1, 2, 3].map((seed) => storyWith(seed, [{ kind: 'clock', node: seed, atMs: 3_000, byMs }]))
    // The wrong clock is right again: what it did in between is forgotten.
    const back = [1, 2, 3].map((seed) =>
      storyWith(seed, [
        { kind: 'clock', node: seed, atMs: 2_000, byMs },
        { kind: 'clock', node: seed, atMs: 5_000, byMs: 0 },
      ]),
    )
    expect((await faultsOf([...jumps, ...back])).faults).toEqual([])
  },
)
