// Every mutant: rules broken on purpose are caught, rules left out let the network stand still, and what is no fault is none.
import { expect, test } from 'vitest'
import { runMutants } from './mutant-child.ts'
import { BROKEN, CONTROLS, LEFT_OUT, SLOWER } from './mutants.ts'
import { STAKES } from './stakes-mutants.ts'

const BUDGET = 1_000

test('each rule broken on purpose is caught', async () => {
  const caught = await runMutants(BUDGET, BROKEN)
  expect(caught.filter(({ by }) => by === null).map(({ name }) => name)).toEqual([])
  expect(caught).toHaveLength(BROKEN.length)
})

test('each rule left out is missed: the network stands still', async () => {
  const caught = await runMutants(BUDGET, LEFT_OUT)
  expect(caught.filter(({ by }) => by === null).map(({ name }) => name)).toEqual([])
})

test('a rule that saves rounds is missed: rounds are lost', async () => {
  const caught = await runMutants(BUDGET, SLOWER)
  expect(caught.filter(({ by }) => by === null).map(({ name }) => name)).toEqual([])
})

test('each rule of stakes, sets and penalties that is switched off is caught by whole nodes', async () => {
  const caught = await runMutants(0, STAKES)
  expect(caught.filter(({ by }) => by === null).map(({ name }) => name)).toEqual([])
  expect(caught).toHaveLength(STAKES.length)
})

test('what is no fault is not caught', async () => {
  const caught = await runMutants(60, CONTROLS)
  expect(caught.map(({ by }) => by)).toEqual(CONTROLS.map(() => null))
})
