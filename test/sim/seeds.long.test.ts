// Thousands of seeds with every fault, and that nothing the simulator can do or a rule of the protocol stayed out of them; a hundred
// validators over a wide area; liars with a third of the power and more.
import { expect, test } from 'vitest'
import { runBatch, runWholeBatch, runWideBatch } from '../../node/sim/batch.ts'

/** What seeds do not bring about, or one in thousands; `safety.sim.test.ts` takes these rules in directed runs. */
const DIRECTED = ['alarm', 'onVote drops', 'rebroadcast wider', 'future full', 'onProposal drops', 'crash at check']

test('2,000 networks with every fault: no violation, no stall, nothing left out', async () => {
  const batch = await runBatch(100_001, 2_000)
  expect(batch.violations).toEqual([])
  expect(batch.stalled).toEqual([])
  const never = Object.entries(batch.coverage).flatMap(([name, times]) => (times === 0 ? [name] : []))
  expect(never.filter((name) => !DIRECTED.includes(name))).toEqual([])
})

test('500 networks of whole nodes: no violation, no stall, and death at every operation', async () => {
  const batch = await runWholeBatch(100_001, 500)
  expect(batch.violations).toEqual([])
  expect(batch.stalled).toEqual([])
  expect(Object.entries(batch.coverage).filter(([, times]) => times === 0)).toEqual([])
})

test('100 validators over a wide area decide at least 99 % of heights in round 0', async () => {
  const batch = await runWideBatch(1, 5, { validators: 100, heights: 100 })
  expect([...batch.violations, ...batch.stalled]).toEqual([])
  expect(batch.heights).toBe(500)
  expect(batch.firstRoundShare).toBeGreaterThanOrEqual(0.99)
})

test('where a third and more lie, every disagreement names a third of the power and nobody honest', async () => {
  const many = [
    await runBatch(1, 40, { faults: 'all', validators: 4, byzantine: 2 }),
    await runBatch(1, 40, { faults: 'all', validators: 7, byzantine: 4 }),
  ]
  expect(many.flatMap(({ violations }) => violations)).toEqual([])
  const named = many.map(({ coverage }) => coverage['disagreement, the guilty named'] ?? 0)
  expect(Math.min(...named)).toBeGreaterThan(0)
})
