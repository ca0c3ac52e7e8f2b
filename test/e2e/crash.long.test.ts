// Hundreds of kills: `npm run test:crash`; KILLS and SEED choose how many and which.
import { expect, test } from 'vitest'
import { crashRepeatedly } from '../kit/crash.ts'

test('hundreds of kills lose nothing that was final', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 100_000)
  const { kills, lost, heights } = await crashRepeatedly(Number(process.env.KILLS ?? 200), seed)
  console.info(`${kills} kills, seed ${seed}, height ${heights.at(-1)}`)
  expect(lost, `seed ${seed}`).toEqual([])
})
