// The simulator's own test: consensus with one rule switched off, in the source, is caught. The quick ones; `mutants.long.test.ts` has all.
import { expect, test } from 'vitest'
import { runMutants } from './mutant-child.ts'
import { BROKEN } from './mutants.ts'

const QUICK = BROKEN.filter(({ isRare }) => isRare !== true)

test(`${QUICK.length} rules broken on purpose are each caught by a simulated network`, async () => {
  const caught = await runMutants(100, QUICK)
  expect(caught.filter(({ by }) => by === null).map(({ name }) => name)).toEqual([])
  expect(caught).toHaveLength(QUICK.length)
})
