import { expect, it } from 'vitest'
import { Share } from './share.ts'

const open = (): Share => new Share({ first: 0.5, least: 0.1, most: 0.9 })

it('follows what large pieces show, half of the way each', () => {
  const share = open()
  share.learn(800, 1_000, 1_000)
  expect(share.value).toBeCloseTo(0.65)
  share.learn(600, 1_000, 1_000)
  expect(share.value).toBeCloseTo(0.625)
})

it('learns nothing where the step was not what took the time', () => {
  const share = open()
  share.learn(5, 600, 1_000)
  share.learn(499, 5_000, 1_000)
  share.learn(0, 0, 0)
  expect(share.value).toBe(0.5)
})

it('comes back however small it has become, and no clock takes it out of its bounds', () => {
  const share = open()
  for (let i = 0; i < 50; i++) share.learn(1_000, 1e9, 1_000)
  expect(share.value).toBeCloseTo(0.1)
  // What it allows is used up, and so is learnt from.
  for (let i = 0; i < 50; i++) share.learn(share.value * 1_000, (share.value * 1_000) / 0.7, share.value * 1_000)
  expect(share.value).toBeCloseTo(0.7)
  share.learn(900, -100, 1_000)
  share.learn(2_000, 1, 1_000)
  expect(share.value).toBeGreaterThanOrEqual(0.1)
  expect(share.value).toBeLessThanOrEqual(0.9)
})
