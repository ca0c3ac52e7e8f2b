// Blocks too large for one transaction of the L1: the poster posts the first part of such a batch and supplies the others, before the same L1 as
// in `poster.test.ts`. However it dies, and whatever the L1 does, all parts get there, none twice, and the next batch waits for them.
import { expect, test } from 'vitest'
import { bytesToHex, equalBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { createDice, type Dice } from '../../test/kit/dice.ts'
import { GWEI, SETTLEMENT, simAccount, simBatch } from '../../test/kit/l1.ts'
import { deaths, finalSeq, type Heavy, MINUTE, World, worldOf } from '../../test/kit/posters.ts'
import { LIMITS } from './fitting.ts'
import { L1Errors } from './l1.ts'
import type { PosterOptions } from './poster.ts'
import { createSettlement } from './settlement.ts'

/** At 4,000 gas a byte a transaction holds 3,470 of them: 2,500 and what the call has beside them. */
const BLOCK = 9_000
const PARTS = 4
const [FIRST, SECOND] = [3, 5]
const heavy: Heavy = (height) => (height === FIRST || height === SECOND ? BLOCK : null)
const narrow = (world: World): World => {
  world.l1.gas = (data) => 100_000n + 4_000n * BigInt(data.length)
  return world
}
const worldInParts = async (options: Partial<PosterOptions> = {}): Promise<World> =>
  narrow(await worldOf({ batchBytes: 10_000, ...options }, { heavy }))
const poster = (world: World, i = 0) => (world.posters[i] ?? expect.fail('one that runs')).poster
const underway = (world: World) => world.status.underway ?? expect.fail('a batch is under way')

/** Batches follow each other, and of the first so many that are final all bytes are there; what else is final is to the byte what it was. */
const checkWhole = (world: World, seq: number): void => {
  world.check()
  const wholes = world.l1.wholesAt(world.l1.final.number)
  expect(wholes.length).toBeGreaterThanOrEqual(seq)
  for (const [i, { first, last }] of world.l1.batches.slice(0, seq).entries()) {
    const { data } = simBatch(first, last, heavy(first) ?? undefined)
    expect(wholes[i] !== null && equalBytes(wholes[i] ?? data.subarray(1), data)).toBe(true)
  }
}
const untilPosted = (world: World, seq: number): Promise<void> =>
  world.until(() => (world.status.posted?.seq ?? 0) >= seq)

test('the first part is posted, each other supplied when the one before is final, and the next batch begun after all', async () => {
  const world = await worldInParts()
  const steps: (readonly [number, number])[] = []
  world.l1.onCall = (method) => {
    if (method !== 'send') return
    const { seq, part } = underway(world)
    steps.push([seq, part])
    expect(world.l1.pool.size).toBe(0)
    expect(finalSeq(world)).toBe(part === 0 ? seq - 1 : seq)
    expect(world.l1.supplied.filter((each) => each.seq === seq)).toHaveLength(Math.max(0, part - 1))
  }
  await untilPosted(world, 3)
  expect(steps.slice(0, 6)).toEqual([
    [1, 0],
    [2, 0],
    [2, 1],
    [2, 2],
    [2, 3],
    [3, 0],
  ])
  checkWhole(world, 3)
})

test('what is said of it counts all its parts: of the batch under way, and of what it cost', async () => {
  const world = await worldInParts()
  await world.until(() => world.status.underway?.part === 2)
  expect(world.status).toMatchObject({ final: { seq: 2 }, posted: { seq: 1 }, underway: { seq: 2, state: 'sent' } })
  expect(underway(world).others).toHaveLength(PARTS - 1)
  expect(underway(world).paid).toHaveLength(2)
  await untilPosted(world, 2)
  const { posted } = world.status
  const sent = world.l1.seen.slice(1, 1 + PARTS)
  expect(posted).toMatchObject({ seq: 2, parts: PARTS, facts: { firstHeight: FIRST, sizeBytes: BLOCK } })
  expect(posted?.paid).toEqual(
    sent.map(({ hash, data }) => ({
      ...{ tx: hash, callBytes: data.length, gasUsed: world.l1.gas(data), gasPriceWei: 130n * GWEI },
    })),
  )
  world.posters[0]?.disk.crash(1_000_000)
  await world.restart()
  expect(world.status.posted).toEqual(posted)
})

test('a block of 400,000 bytes, of which no transaction takes more than 128 KiB', async () => {
  const large: Heavy = (height) => (height === FIRST ? 400_000 : null)
  const world = await worldOf({ batchBytes: 100_000 }, { heavy: large })
  world.l1.onCall = (method, raw) => {
    if (method === 'send')
      expect((raw ?? expect.fail('it is sent')).length).toBeLessThanOrEqual(LIMITS.transactionBytes)
    if (method === 'estimate') expect(world.l1.head.number).toBeGreaterThan(0)
  }
  await untilPosted(world, 2)
  expect(world.status.posted).toMatchObject({ seq: 2, parts: 5 })
  const whole = world.l1.wholesAt(world.l1.final.number)[1] ?? expect.fail('all of it is there')
  expect(equalBytes(whole, simBatch(FIRST, FIRST, 400_000).data)).toBe(true)
})

test('what no transaction could hold is not asked the price of: endpoints refuse the question', async () => {
  const world = await worldOf({ batchBytes: 100_000 }, { heavy: (height) => (height === 1 ? 400_000 : null) })
  const sim = world.l1.endpoint()
  const sizes: number[] = []
  const estimate: typeof sim.estimate = async (call) => {
    sizes.push(call.data.length)
    return sim.estimate(call)
  }
  Object.assign(world.l1, { endpoint: () => ({ ...sim, estimate }) })
  await world.restart()
  await world.until(() => world.l1.seen.length === 1)
  expect(sizes.length).toBeGreaterThan(0)
  expect(Math.max(...sizes)).toBeLessThan(LIMITS.transactionBytes)
})

test.each([1, 2, 64])(
  'a reorganisation of %i blocks while a part is out, sent or included, with its transaction kept or forgotten',
  async (depth) => {
    for (const what of ['keep', 'drop'] as const)
      for (const after of ['sent', 'included'] as const) {
        const world = await worldInParts()
        world.l1.lagBlocks = 80
        await world.until(() => world.status.underway?.part === 1)
        if (after === 'included') {
          await world.until(() => underway(world).part === 1 && underway(world).state === 'included')
          await world.run((depth - 1) * 2_000)
        }
        const had = underway(world)
        world.l1.reorganise(depth, what)
        await poster(world).turn()
        expect([underway(world).state, underway(world).nonce, underway(world).part]).toEqual(['sent', had.nonce, 1])
        await untilPosted(world, 2)
        checkWhole(world, 2)
        expect([world.l1.supplied.length, world.l1.reverted]).toEqual([PARTS - 1, 0])
      }
  },
)

/** Two batches in parts, one after the other but for a small block, with a reorganisation of a part. */
const life = async (world: World): Promise<void> => {
  world.l1.lagBlocks = 6
  await world.until(() => world.l1.supplied.length >= 1)
  world.l1.reorganise(1, 'drop')
  await world.until(
    () => (world.status.posted?.seq ?? 0) >= 4 || (finalSeq(world) >= 5 && world.status.underway === null),
  )
}

test('dying at any write and around any sending: every part gets there once, and nothing is paid for twice', async () => {
  const calm = await worldInParts()
  await life(calm)
  const writes = calm.posters[0]?.disk.writes.length ?? 0
  const sends = calm.l1.seen.length // one twice, and that of the batch after
  expect([writes > 60, sends]).toEqual([true, 4 + 2 * (PARTS - 1) + 1 + 1])
  const lived = async (arm: (world: World) => void): Promise<void> => {
    const world = await worldInParts()
    arm(world)
    await life(world)
    checkWhole(world, 4)
    const supplied = world.l1.supplied.map(({ part }) => bytesToHex(keccak(part)))
    expect([supplied.length, new Set(supplied).size, world.l1.reverted]).toEqual([6, 6, 0])
    expect(world.said).not.toContain('another poster came first: its batch is final')
  }
  for (const arm of deaths(writes, sends)) await lived(arm)
})

test('no part is sent that is not on disk', async () => {
  const world = await worldInParts()
  const { disk } = world.posters[0] ?? expect.fail('one')
  world.l1.onCall = (method, raw) => {
    if (method === 'send' && raw !== undefined)
      expect(bytesToHex(disk.log.slice(0, disk.syncedBytes))).toContain(bytesToHex(raw).slice(2))
  }
  await untilPosted(world, 2)
})

/** Somebody else supplies these parts of the batch under way, by the numbers that the poster gives them. */
const supplyAs = async (world: World, parts: readonly number[]): Promise<void> => {
  const own = underway(world)
  const nonce = world.l1.head.state.nonces.get(`${bytesToHex(simAccount(2).address)}`) ?? 0n
  for (const [i, part] of parts.entries()) {
    const data = own.others[part - 1]?.payload ?? expect.fail('it is a part')
    const fees = { maxFeeWei: 500n * GWEI, maxTipWei: 30n * GWEI, gasLimit: 16_000_000n }
    const raw = await simAccount(2).sign({ chainId: 80_002n, nonce: nonce + BigInt(i), to: SETTLEMENT, data, ...fees })
    await world.l1.endpoint().send(raw)
  }
}

test.each([
  ['the next', [1], [2, 3]],
  ['the last', [3], [1, 2]],
  ['all', [1, 2, 3], []],
])('%s of its parts has been supplied by somebody else: it is not paid for again', async (_, theirs, ours) => {
  const world = await worldInParts()
  await world.until(() => world.l1.head.state.position.seq === 2)
  await supplyAs(world, theirs)
  world.l1.mine()
  world.l1.lagBlocks = 6
  await untilPosted(world, 2)
  const own = world.l1.supplied.filter(({ from }) => from === 1)
  expect(own).toHaveLength(ours.length)
  expect(world.status.posted).toMatchObject({ parts: PARTS, paid: { length: 1 + ours.length } })
  checkWhole(world, 2)
})

test('an endpoint that gives no logs, or a million of them, stops nothing: what may be there already is supplied', async () => {
  const world = await worldInParts()
  world.l1.onCall = (method) => {
    if (method === 'logs') throw new NodeError(L1Errors.ANSWER, { host: 'sim', method: 'eth_getLogs', reason: 'much' })
  }
  await untilPosted(world, 2)
  checkWhole(world, 2)
})

test('gas that grows dear between two parts: the next waits for it, and pays no more than it may', async () => {
  const world = await worldInParts({ holdMs: 600 * MINUTE })
  await world.until(() => world.l1.supplied.length === 1)
  world.l1.baseFeeWei *= 100n
  await world.run(10 * MINUTE)
  expect([world.status.waits, world.l1.supplied.length, underway(world).part]).toEqual(['fee', 1, 1])
  world.l1.baseFeeWei /= 100n
  await untilPosted(world, 2)
  checkWhole(world, 2)
  expect(world.l1.seen.every(({ maxFeeWei }) => maxFeeWei <= world.options.holdFeeWei)).toBe(true)
})

test('a part that no block takes is raised like any transaction, with its nonce', async () => {
  const world = await worldInParts()
  await world.until(() => world.l1.supplied.length === 1)
  world.l1.isOpen = false
  await world.until(() => world.status.underway?.part === 2)
  await world.run(MINUTE)
  const { attempts, nonce } = underway(world)
  expect(attempts.length).toBeGreaterThan(2)
  expect(world.l1.seen.slice(-attempts.length).map((tx) => tx.nonce)).toEqual(attempts.map(() => nonce))
  for (const [i, { maxFeeWei }] of attempts.entries())
    expect(maxFeeWei * 8n >= (attempts[i - 1]?.maxFeeWei ?? 0n) * 9n).toBe(true)
  world.l1.isOpen = true
  await untilPosted(world, 2)
  checkWhole(world, 2)
})

test('nothing of it is posted before there is money for all its parts', async () => {
  const world = await worldInParts()
  await world.until(() => world.l1.head.state.position.seq === 1)
  const sim = world.l1.endpoint()
  // A part may take 3.8 coins at first.
  const poor = { ...sim, balance: async () => 8n * 10n ** 18n }
  Object.assign(world.l1, { endpoint: () => poor })
  await world.restart()
  await world.run(5 * MINUTE)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['balance', 1])
})

test('a part whose nonce something else has used is sent with the next one', async () => {
  const world = await worldInParts()
  await world.until(() => world.l1.supplied.length === 1)
  world.l1.isOpen = false
  await world.until(() => world.status.underway?.part === 2 && underway(world).attempts.length === 1)
  world.l1.pool.clear()
  const { nonce, others } = underway(world)
  const data = createSettlement(SETTLEMENT).supply(2, Uint8Array.of(9))
  const fees = { maxFeeWei: 500n * GWEI, maxTipWei: 30n * GWEI, gasLimit: 16_000_000n }
  await world.l1.endpoint().send(await simAccount(1).sign({ chainId: 80_002n, nonce, to: SETTLEMENT, data, ...fees }))
  world.l1.isOpen = true
  await untilPosted(world, 2)
  expect(world.l1.supplied).toHaveLength(others.length + 1)
  checkWhole(world, 2)
})

test('a part that reverts in its block is begun anew, after a while', async () => {
  const world = await worldInParts()
  await world.until(() => world.l1.supplied.length === 1)
  world.l1.refusesSupply = true
  await world.until(() => world.l1.reverted === 1)
  await world.until(() => world.status.waits === 'refused')
  await world.run(10_000)
  expect([world.status.waits, underway(world).part, world.l1.supplied.length]).toEqual(['refused', 2, 1])
  world.l1.refusesSupply = false
  await untilPosted(world, 2)
  expect(world.l1.reverted).toBe(1)
  checkWhole(world, 2)
})

test('two at once: one batch of each number, and all parts of those that are there', async () => {
  const world = narrow(new World({ batchBytes: 10_000 }, { heavy }))
  await world.add(0)
  await world.add(0)
  await world.until(() => finalSeq(world) >= 5)
  checkWhole(world, 5)
})

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
test(`storms over batches in parts, SEED=${seed}`, async () => {
  const dice = createDice(seed)
  for (let i = 0; i < 5; i++) {
    const world = await worldInParts()
    world.l1.lagBlocks = 80
    for (let events = 0; events < 40; events++) {
      await world.run(dice.below(30) * 2_000)
      await storm(world, dice)
    }
    world.l1.isOpen = true
    world.l1.baseFeeWei = 100n * GWEI
    await untilPosted(world, 5)
    checkWhole(world, 5)
  }
})
const storm = async (world: World, dice: Dice): Promise<void> =>
  dice.pick<() => Promise<void> | void>([
    () => world.l1.reorganise(1 + dice.below(64), dice.pick(['keep', 'drop'])),
    () => world.l1.pool.clear(),
    () => void Object.assign(world.l1, { isOpen: !world.l1.isOpen }),
    () => void Object.assign(world.l1, { baseFeeWei: BigInt(1 + dice.below(10)) * 100n * GWEI }),
    () => world.restart(),
    () => world.posters[0]?.disk.dieAfter(1 + dice.below(8)),
  ])()
