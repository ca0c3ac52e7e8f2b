// kill -9 at any moment loses no final block. A few kills here; hundreds by `npm run test:crash`.
import { expect, test } from 'vitest'
import { crashRepeatedly } from '../kit/crash.ts'

test('five kills in a row lose nothing that was final, and the chain goes on', async () => {
  const seed = Date.now() % 100_000
  const { lost, heights } = await crashRepeatedly(5, seed)
  expect(lost, `seed ${seed}`).toEqual([])
  expect(heights.at(-1), `seed ${seed}`).toBeGreaterThan(heights[0] ?? 0)
})
