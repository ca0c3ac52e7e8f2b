// Who sleeps, against a plain reference model: an array of missed heights for each operator.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Bonded, createBonded, GOVERNANCE, said } from '../../../test/kit/bonded.ts'
import { account } from '../../../test/kit/native.ts'
import type { Log } from '../../types/receipt.ts'
import { values } from '../params/values.ts'
import { jailFor, uncount } from './downtime.ts'

const EPOCH = 10
const JAIL_S = 60

/** What the rules of the module say, counted as plainly as can be. */
class Model {
  readonly operators: number[]
  window = 0
  missedMax = 0
  since = 0
  /** Heights missed since it was counted; null for who is not. */
  readonly missed = new Map<number, { readonly since: number; heights: number[] } | null>()
  readonly jailedUntil = new Map<number, number>()
  readonly tombstoned = new Set<number>()

  constructor(operators: readonly number[]) {
    this.operators = [...operators]
    for (const operator of operators) this.missed.set(operator, null)
  }
  jail(operator: number, time: number): void {
    this.missed.set(operator, null)
    this.jailedUntil.set(operator, Math.max(this.jailedUntil.get(operator) ?? 0, time + JAIL_S))
  }
  /** The begin of block `number`: who is in the set of the height before and missed it; where an epoch begins, its members and rules. */
  begin(of: {
    readonly number: number
    readonly time: number
    readonly isPaused: boolean
    readonly members: readonly number[]
    readonly missing: readonly number[]
    readonly next: { readonly members: readonly number[]; readonly window: number; readonly minSigned: number } | null
  }): string[] {
    const height = of.number - 1
    const slept: string[] = []
    if (of.isPaused) this.restart(of.number)
    for (const operator of of.isPaused ? [] : of.members) {
      const entry = this.missed.get(operator) ?? null
      if (entry === null || height < this.since) continue
      const isMissed = of.missing.includes(operator)
      if (isMissed) entry.heights.push(height)
      entry.heights = entry.heights.filter((each) => each > height - this.window)
      if (!isMissed || entry.heights.length <= this.missedMax) continue
      slept.push(`${operator} ${entry.heights.length}`)
      this.jail(operator, of.time)
    }
    if (of.next === null) return slept
    const missedMax = Math.floor((of.next.window * (10_000 - of.next.minSigned)) / 10_000)
    if (this.window !== of.next.window || this.missedMax !== missedMax) {
      this.window = of.next.window
      this.missedMax = missedMax
      this.restart(of.number)
    }
    for (const operator of this.operators) {
      const isMember = of.next.members.includes(operator)
      const isOut = this.jailedUntil.has(operator) || this.tombstoned.has(operator)
      if (!isMember) this.missed.set(operator, null)
      else if (!isOut && this.missed.get(operator) === null)
        this.missed.set(operator, { since: of.number, heights: [] })
    }
    return slept
  }
  restart(since: number): void {
    this.since = since
    for (const entry of this.missed.values()) if (entry !== null) entry.heights = []
  }
  info(operator: number): string {
    const entry = this.missed.get(operator) ?? null
    const since = entry === null ? 0 : Math.max(entry.since, this.since)
    return `${entry?.heights.length ?? 0} ${since} ${this.jailedUntil.get(operator) ?? 0}`
  }
}

const infoOf = async (bonded: Bonded, operator: number): Promise<string> => {
  const [{ missed, since, jailedUntil }] = await bonded.read('slashing', 'signingInfo', account(operator))
  return `${missed} ${since} ${jailedUntil}`
}
const sleptIn = (logs: readonly Log[]): string[] =>
  said(logs, 'Slept').map((line) => line.split(' ').slice(1, 3).join(' '))

test('whoever missed more than half of the window is jailed, loses a little, and is counted anew when it is back', async () => {
  const bonded = createBonded({ values: { 'slashing.window': 10n, 'slashing.jailTime': 60n } })
  const { world, seal, send, read } = bonded
  expect(await read('slashing', 'window')).toEqual([10n, 1n, 5n])
  for (let i = 0; i < 5; i++) expect(sleptIn(seal([2]))).toEqual([])
  expect(await infoOf(bonded, 2)).toBe('5 1 0')
  expect(await infoOf(bonded, 1)).toBe('0 1 0')
  const supply = (await read('staking', 'totals'))[4]
  const logs = seal([2])
  const until = world.block.time + 60
  const lost = 100n * 10n ** 18n
  expect(said(logs, 'Slept', 'Jailed', 'StakeSlashed', 'ValidatorJailed')).toEqual([
    `StakeSlashed 2 ${lost}`,
    'ValidatorJailed 2',
    `Jailed 2 ${until}`,
    `Slept 2 6 10 ${lost} ${until}`,
  ])
  expect((await read('staking', 'totals'))[4] - supply).toBe(lost)
  expect(await infoOf(bonded, 2)).toBe(`0 0 ${until}`)
  for (let i = 0; i < 13; i++) expect(sleptIn(seal([2]))).toEqual([]) // not twice, whatever it misses in the set it is still in
  expect(bonded.membersAt(world.block.number)).toEqual([1, 3, 4]) // the epoch after
  while (world.block.time < until) seal()
  expect((await send(2, 'slashing', 'unjail')).status).toBe('success')
  expect(await infoOf(bonded, 2)).toBe('0 0 0')
  bonded.setReady(2, true)
  while (!bonded.membersAt(world.block.number).includes(2)) seal()
  expect(await infoOf(bonded, 2)).toBe(`0 ${world.block.number} 0`)
  for (let i = 0; i < 5; i++) expect(sleptIn(seal([2]))).toEqual([])
  expect(sleptIn(seal([2]))).toEqual(['2 6'])
})

test('misses that the window has passed do not count, and a steady half is no sleep', async () => {
  const bonded = createBonded({ values: { 'slashing.window': 10n } })
  for (let i = 0; i < 60; i++) expect(sleptIn(bonded.seal(i % 2 === 0 ? [1, 3] : [2]))).toEqual([])
  expect(await infoOf(bonded, 1)).toBe('5 1 0')
})

test('a penalty of nothing jails all the same', () => {
  const { seal } = createBonded({ values: { 'slashing.window': 10n, 'slashing.downtime': 0n } })
  for (let i = 0; i < 5; i++) seal([2])
  expect(said(seal([2]), 'Slept', 'StakeSlashed')).toEqual(['Slept 2 6 10 0 1000618'])
})

interface Turn {
  /** Operators that miss the block, as bits. */
  readonly missing: bigint
  readonly seconds: number
  readonly act: number
  readonly who: number
}
const turn: fc.Arbitrary<Turn> = fc.record({
  missing: fc.oneof(fc.constant(0n), fc.bigInt(0n, 2n ** 41n - 1n)),
  seconds: fc.integer({ min: 1, max: 20 }),
  act: fc.nat({ max: 29 }),
  who: fc.integer({ min: 1, max: 40 }),
})
const WINDOWS = [10n, 13n, 25n, 40n]
const MIN_SIGNED = [2_000n, 5_000n, 9_500n]

const playAll = async (count: number, turns: readonly Turn[]): Promise<Record<string, number>> => {
  const bonded = createBonded({
    stakes: Array.from({ length: count }, (_, i) => 1_000n + BigInt(i)),
    values: { 'slashing.window': 10n, 'slashing.jailTime': BigInt(JAIL_S) },
  })
  const { world, send, seal, membersAt } = bonded
  const model = new Model(Array.from({ length: count }, (_, i) => i + 1))
  const rules = { window: 10, minSigned: Number(values['slashing.minSigned']?.initial) }
  let pausedUntil = 0
  const seen: Record<string, number> = { slept: 0, left: 0, restarted: 0, returned: 0 }
  model.begin({ ...world.block, isPaused: false, members: [], missing: [], next: { ...rules, members: membersAt(1) } })
  for (const { missing: bits, seconds, act, who: drawn } of turns) {
    const who = ((drawn - 1) % count) + 1
    const { number, time } = world.block
    if (act === 0) {
      bonded.setReady(who, false)
      seen.left = (seen.left ?? 0) + 1
    } else if (act === 1 && !model.jailedUntil.has(who) && !model.tombstoned.has(who)) bonded.setReady(who, true)
    else if (act === 2) {
      rules.window = Number(WINDOWS[drawn % WINDOWS.length])
      await send(GOVERNANCE, 'params', 'set', 'slashing.window', BigInt(rules.window))
    } else if (act === 3) {
      rules.minSigned = Number(MIN_SIGNED[drawn % MIN_SIGNED.length])
      await send(GOVERNANCE, 'params', 'set', 'slashing.minSigned', BigInt(rules.minSigned))
    } else if (act === 4 && !model.tombstoned.has(who)) {
      world.state.begin()
      uncount(bonded.slashing(), account(who))
      jailFor(bonded.slashing(), account(who))
      world.state.end()
      model.jail(who, time)
    } else if (act === 5 && drawn % 6 === 0 && pausedUntil < time) {
      pausedUntil = time + 10
      await send(GOVERNANCE, 'params', 'pause', 'slashing', 10n, 'drill')
      seen.restarted = (seen.restarted ?? 0) + 1
    } else if (act > 25) {
      for (const [jailed, until] of model.jailedUntil) {
        const isOpen = until <= time && pausedUntil <= time
        expect((await send(jailed, 'slashing', 'unjail')).status).toBe(isOpen ? 'success' : 'revert')
        if (!isOpen) continue
        model.jailedUntil.delete(jailed)
        bonded.setReady(jailed, true)
        seen.returned = (seen.returned ?? 0) + 1
      }
    }
    const members = membersAt(number)
    const missing = members.filter((operator) => ((bits >> BigInt(operator)) & 1n) === 1n)
    const logs = seal(missing, seconds)
    const now = world.block
    const isFirst = (now.number - 1) % EPOCH === 0
    const expected = model.begin({
      ...{ number: now.number, time: now.time, isPaused: pausedUntil > now.time, members, missing },
      next: isFirst ? { ...rules, members: membersAt(now.number) } : null,
    })
    expect(sleptIn(logs).sort()).toEqual(expected.sort())
    seen.slept = (seen.slept ?? 0) + expected.length
    for (const operator of model.operators)
      expect(`${operator}: ${await infoOf(bonded, operator)}`).toBe(`${operator}: ${model.info(operator)}`)
  }
  return seen
}

test('under any bitmaps, joins, leaves, jails, pauses and new windows it counts as the reference model does', async () => {
  const total: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(2, 5, 12, 17, 40),
      fc.array(turn, { minLength: 60, maxLength: 250 }),
      async (count, turns) => {
        for (const [what, times] of Object.entries(await playAll(count, turns)))
          total[what] = (total[what] ?? 0) + times
      },
    ),
    { numRuns: 25 },
  )
  for (const times of Object.values(total)) expect(times).toBeGreaterThan(0) // it has seen each of them
})
