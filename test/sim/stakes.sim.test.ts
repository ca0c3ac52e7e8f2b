// Networks of whole nodes whose validators join, leave, sleep, change their keys and lie, by ordinary transactions: the sets, the money
// and the penalties that come of it, as `node/sim/audit.ts` accounts for them.
import { expect, test } from 'vitest'
import type { Blow } from '../../node/sim/story.ts'
import { runWhole, type WholeOutcome } from '../../node/sim/whole.ts'
import { change, down, exodus, flight, newKey, sleeper, storyWith, theft } from './stories.ts'

const times = ({ counters }: WholeOutcome, what: string): number => counters.get(what) ?? 0

test('when the whole set wants to leave at once, a quorum stays', async () => {
  const outcome = await runWhole(exodus())
  expect(outcome.fault).toBeNull()
  // Three of four hold more than two thirds; two of the three who are left would not.
  expect(times(outcome, 'ValidatorExited')).toBe(1)
  expect(times(outcome, 'left the set')).toBe(1)
  expect(times(outcome, 'refused: LastQuorum')).toBeGreaterThan(3)
})

test('one joins and one leaves while a quarter is down, and the network goes on', async () => {
  const outcome = await runWhole(change())
  expect(outcome.fault).toBeNull()
  expect(times(outcome, 'ValidatorJoined')).toBeGreaterThan(0)
  expect(times(outcome, 'ValidatorExited')).toBe(1)
})

test('who sleeps through the window is jailed, its votes count to the end of its epoch, and it comes back', async () => {
  const outcome = await runWhole(sleeper())
  expect(outcome.fault).toBeNull()
  expect(times(outcome, 'Slept')).toBe(1)
  expect(times(outcome, 'votes while jailed')).toBeGreaterThan(0)
  expect(times(outcome, 'left the set')).toBe(1)
  expect(times(outcome, 'Unjailed')).toBe(1)
  expect(times(outcome, 'joined the set')).toBe(1)
})

test('a stolen key that runs on two machines is punished once, and elected no more', async () => {
  const outcome = await runWhole(theft())
  expect(outcome.fault).toBeNull()
  const punished = ['E1', 'E2', 'E3', 'E4'].reduce((sum, offence) => sum + times(outcome, `punished: ${offence}`), 0)
  expect(punished).toBe(1)
  expect(times(outcome, 'ValidatorTombstoned')).toBe(1)
  expect(times(outcome, 'left the set')).toBe(1)
})

test('who takes his stake away from an offender before it is known pays as those who stay', async () => {
  const outcome = await runWhole(flight())
  expect(outcome.fault).toBeNull()
  expect(times(outcome, 'StakeSlashed')).toBe(1)
  expect(times(outcome, 'RedelegationSlashed')).toBe(1)
  expect(times(outcome, 'slashed while unbonding')).toBe(1)
})

test('a key is changed without leaving: the new one signs from an epoch on', async () => {
  const outcome = await runWhole(newKey())
  expect(outcome.fault).toBeNull()
  expect(times(outcome, 'ValidatorReady')).toBe(1)
  expect(times(outcome, 'the set has another key')).toBe(1)
  expect(times(outcome, 'left the set') + times(outcome, 'joined the set')).toBe(0)
})

test.each([4, 5])(
  'all four that die after block %i, where an epoch ends, come back into the next',
  async (fromHeight) => {
    const faults: string[] = []
    for (let steps = 0; steps < 30; steps += 10) {
      const blows = [0, 1, 2, 3].map((node): Blow => ({ ...down(node, 0, 500 * node), steps, fromHeight }))
      const story = storyWith({ seed: steps + 1, blows, calmMs: 20_000 }, { joiners: [{ atMs: 0, nova: 40 }] })
      const { fault } = await runWhole(story)
      if (fault !== null) faults.push(`${steps}: ${fault}`)
    }
    expect(faults).toEqual([])
  },
)
