// Two hundred networks with every fault at once; that every rule of the protocol was taken; and that a seed is one run.
import { expect, test } from 'vitest'
import { asAddress, asHash } from '../../chain/base/bytes.ts'
import { createState, handle, type State } from '../../chain/consensus/core.ts'
import type { Effect, Input, Seen, Start } from '../../chain/consensus/io.ts'
import { RULES } from '../../chain/consensus/rules.ts'
import type { SignRecord } from '../../chain/types/message.ts'
import { createValidatorSet } from '../../chain/types/validators.ts'
import type { Qc, Vote } from '../../chain/types/vote.ts'
import { replay, runBatch } from '../../node/sim/batch.ts'
import { run } from '../../node/sim/run.ts'
import { parseScenario, type Scenario, scenarioOf } from '../../node/sim/scenario.ts'
import kept from './kept.json' with { type: 'json' }

/** Scenarios that once failed stay, with what was wrong. */
const KEPT: readonly { readonly what: string; readonly scenario: unknown }[] = kept

const scenarioFrom = (json: unknown): Scenario => {
  const scenario = parseScenario(JSON.stringify(json))
  if (typeof scenario === 'string') throw new TypeError(scenario)
  return scenario
}
const batch = await runBatch(1, 200)

test('200 networks: nobody disagrees, nobody signs twice, all go on', () => {
  expect(batch.violations).toEqual([])
  expect(batch.stalled).toEqual([])
  expect(batch.runs).toBe(200)
  expect(batch.heights).toBeGreaterThan(1_000)
})

test.each(KEPT)('once it failed: $what', ({ scenario }) => {
  expect(replay(scenarioFrom(scenario)).outcome.fault).toBeNull()
})

test('a scenario is read back as it was printed, and refused where it does not fit', () => {
  const scenario = scenarioOf(7)
  expect(scenarioFrom(scenario)).toEqual(scenario)
  for (const odd of [null, {}, { ...scenario, powers: [[1, 1], [1]] }, { ...scenario, byzantine: [99] }])
    expect(typeof parseScenario(JSON.stringify(odd))).toBe('string')
})

test('what a replay tells is the same each time, and no part of the run', () => {
  const first = replay(scenarioOf(5))
  expect(first.story.length).toBeGreaterThan(20)
  expect(replay(scenarioOf(5))).toEqual(first)
  expect(run(scenarioOf(5))).toEqual(first.outcome)
})

test('liars are convicted, by each kind of evidence that two statements make', () => {
  for (const what of ['tombstoned for E1', 'tombstoned for E3', 'tombstoned for E4', 'jailed by evidence'])
    expect(batch.coverage[what]).toBeGreaterThan(0)
})

test('where a third and more lie, a disagreement names them', async () => {
  const { violations, coverage } = await runBatch(1, 12, { faults: 'none', validators: 4, byzantine: 2 })
  expect(violations).toEqual([])
  expect(coverage['disagreement, the guilty named']).toBeGreaterThan(0)
})

test('the same seed is the same run', () => {
  for (const seed of [3, 77, 150]) expect(run(scenarioOf(seed))).toEqual(run(scenarioOf(seed)))
  expect(run(scenarioOf(3)).trace).not.toBe(run(scenarioOf(4)).trace)
})

// What honest simulations never bring about, or only with more validators than a quick one has.

const hash = (n: number) => asHash(new Uint8Array(32).fill(n))
const setOf = (count: number) =>
  createValidatorSet(
    Array.from({ length: count }, (_, i) => ({
      address: asAddress(Uint8Array.of(...new Uint8Array(18), i >> 8, i & 255)),
      blsKey: new Uint8Array(48),
      power: 1n,
    })),
  )
const startOf = (count: number, self = 0, proposer = 1): Start => ({
  ...{ kind: 'start', height: 5, set: setOf(count), self, proposer, nextProposer: 2 },
  ...{ parentRandao: hash(9), parent: null },
})
const signature = new Uint8Array(96)
const seen: Seen = { originRound: 0, isTimely: true, lastCommit: null }
const vote = (over: Partial<Vote>): Input => {
  const said: Vote = { type: 'prepare', height: 5, round: 0, blockHash: hash(1), validator: 3, signature, ...over }
  return { kind: 'message', message: { kind: 'vote', vote: said }, from: 'a', seen: null }
}
const proposal = (validator: number, height = 5): Input => {
  const said = { height, round: 0, blockHash: hash(1), justify: null, tc: null, validator, signature }
  return { kind: 'message', message: { kind: 'proposal', proposal: said }, from: 'a', seen }
}
const feed = (state: State, ...inputs: Input[]): Effect[] => inputs.flatMap((input) => handle(state, input))

// Seed 7530, where a store was lost and its owner was refused while it decided again.
test('a refusal while a decision is being stored does not order it twice', () => {
  const state = createState()
  feed(state, startOf(4), proposal(1), { kind: 'body', height: 5, blockHash: hash(1), verdict: 'valid' })
  const qc: Qc = { type: 'commit', height: 5, round: 0, blockHash: hash(1), bitmap: Uint8Array.of(7), signature }
  const kinds = (effects: readonly Effect[]): string[] => effects.map(({ kind }) => kind)
  expect(kinds(feed(state, { kind: 'message', message: { kind: 'qc', qc }, from: 'a', seen: null }))).toContain(
    'commit',
  )
  const vote: Vote = { type: 'prepare', height: 5, round: 0, blockHash: hash(1), validator: 0, signature }
  const record: SignRecord = {
    height: 5,
    round: 0,
    step: 2,
    message: { kind: 'vote', vote },
    highQc: null,
    entry: null,
  }
  expect(kinds(feed(state, { kind: 'refused', record }))).not.toContain('commit')
})

test('directed runs take the rules that seeds leave out, and together they take every one', () => {
  const directed: State[] = []
  const begin = (start: Start): State => {
    const state = createState()
    directed.push(state)
    feed(state, start)
    return state
  }
  // A proposal of somebody whose turn it is not; a vote of a round too far away to be kept.
  const stranger = begin(startOf(4))
  expect(feed(stranger, proposal(2))).toEqual([])
  expect(feed(stranger, vote({ round: 1_000 }))).toEqual([])
  // The same message of a later height twice: its slot is taken.
  feed(stranger, proposal(1, 6), proposal(1, 6))
  // A quorum behind a block that failed here: no decision, an alarm.
  const lonely = begin(startOf(4))
  feed(lonely, proposal(1), { kind: 'body', height: 5, blockHash: hash(1), verdict: 'invalid' })
  const qc: Qc = { type: 'commit', height: 5, round: 0, blockHash: hash(1), bitmap: Uint8Array.of(7), signature }
  const effects = feed(lonely, { kind: 'message', message: { kind: 'qc', qc }, from: 'a', seen: null })
  expect(effects.map(({ kind }) => kind)).toContain('alarm')
  expect(effects.map(({ kind }) => kind)).not.toContain('commit')
  // Among many, a TIMEOUT goes to a few leaders first, and to more with each repetition.
  const crowd = begin(startOf(200))
  const asked = feed(crowd, { kind: 'timer', height: 5, round: 0 }).find(({ kind }) => kind === 'sign')
  if (asked?.kind !== 'sign' || asked.message.kind !== 'timeout') throw new TypeError('no TIMEOUT was asked for')
  const reach = (sent: readonly Effect[]): number =>
    sent.flatMap((effect) => (effect.kind === 'send' && effect.to !== 'all' ? [effect.to.length] : []))[0] ?? 0
  const first = reach(
    feed(crowd, { kind: 'signed', message: { kind: 'timeout', timeout: { ...asked.message.timeout, signature } } }),
  )
  feed(crowd, { kind: 'tick' })
  const third = reach(feed(crowd, { kind: 'tick' }))
  expect(first).toBeGreaterThan(0)
  expect(third).toBeGreaterThan(first)

  const never = RULES.filter((rule) => batch.coverage[rule] === 0 && !directed.some(({ taken }) => taken.has(rule)))
  expect(never).toEqual([])
})
