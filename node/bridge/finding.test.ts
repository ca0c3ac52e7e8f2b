// The blocks of a second, among chains with one block a second, several, gaps, and a beginning that is gone.
import { expect, test } from 'vitest'
import { createDice } from '../../test/kit/dice.ts'
import { blocksOf } from './finding.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)

test(`found wherever they are, in few questions, SEED=${seed}`, async () => {
  const dice = createDice(seed)
  for (let run = 0; run < 500; run++) {
    const seconds = [0]
    for (let i = 0; i < 1 + dice.below(300); i++) seconds.push((seconds.at(-1) ?? 0) + dice.below(3))
    const gone = dice.below(seconds.length)
    const wanted = gone + dice.below(seconds.length - gone)
    const second = seconds[wanted] ?? 0
    let asked = 0
    const secondOf = async (height: number): Promise<number | null> => {
      asked++
      return height < gone ? null : (seconds[height] ?? null)
    }
    const { from, to } = await blocksOf(secondOf, { chain: 1n, second, head: seconds.length - 1 })
    expect([from, to]).toEqual([Math.max(gone, seconds.indexOf(second)), seconds.lastIndexOf(second)])
    expect(asked).toBeLessThan(25)
  }
})

test('a second without a block, or whose block is gone, is refused by name', async () => {
  const secondOf = async (height: number): Promise<number | null> => (height < 5 ? null : height * 10)
  const of = { chain: 137n, head: 20 }
  expect(await blocksOf(secondOf, { ...of, second: 50 })).toEqual({ from: 5, to: 5 })
  for (const second of [40, 55, 201, 1_000])
    await expect(blocksOf(secondOf, { ...of, second })).rejects.toMatchObject({ code: 'FINDING_NO_BLOCK' })
})
