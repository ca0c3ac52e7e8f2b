// A batch in parts whose poster has lost its record, or is gone for good: whoever posts next finds from the contract's log what is missing, and
// supplies that and no more. Before the same L1 as in `parts.test.ts`.
import { expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { createDice } from '../../test/kit/dice.ts'
import { finalSeq, type Heavy, MINUTE, type SimChain, World } from '../../test/kit/posters.ts'
import { splitBatch } from './batch.ts'
import { L1Errors } from './l1.ts'
import type { BatchSource, PosterOptions } from './poster.ts'
import { SourceErrors } from './source.ts'

/** At 4,000 gas a byte a transaction holds 3,470 of them: 2,500 and what the call has beside them. */
const BLOCK = 9_000
const PARTS = 4
const [FIRST, SECOND] = [3, 5]
const heavy: Heavy = (height) => (height === FIRST || height === SECOND ? BLOCK : null)
const TURN_MS = 2 * MINUTE

const worldInParts = async (options: Partial<PosterOptions> = {}, chain: SimChain = {}, posters = 1) => {
  const world = new World({ batchBytes: 10_000, turnMs: TURN_MS, ...options }, { heavy, ...chain })
  world.l1.gas = (data) => 100_000n + 4_000n * BigInt(data.length)
  for (let i = 0; i < posters; i++) await world.add(i)
  return world
}
/** The first batch in parts, when so many of its others are there. */
const untilSupplied = (world: World, parts: number): Promise<void> =>
  world.until(() => world.l1.batches.length >= 2 && world.l1.supplied.length === parts)
const missing = (world: World): readonly number[] =>
  world.l1.wholesAt(world.l1.final.number).flatMap((whole, i) => (whole === null ? [i + 1] : []))
const suppliedOnce = (world: World): void => {
  const hashes = world.l1.supplied.map(({ part }) => bytesToHex(keccak(part)))
  expect(new Set(hashes).size).toBe(hashes.length)
}

test('the record is lost with some parts posted: those that are missing are supplied, each once', async () => {
  for (const done of [0, 1, 2]) {
    const world = await worldInParts()
    await untilSupplied(world, done)
    await world.lose()
    await world.until(() => world.l1.supplied.length === 2 * (PARTS - 1) && missing(world).length === 0)
    await world.run(30 * MINUTE)
    world.check()
    expect([missing(world), world.l1.reverted, world.status.gaps]).toEqual([[], 0, 0])
    suppliedOnce(world)
    expect(world.l1.supplied).toHaveLength(2 * (PARTS - 1))
  }
})

test('a poster that is gone for good: the next one waits for its turn and a half, and makes its batch whole', async () => {
  const world = await worldInParts({}, {}, 2)
  await untilSupplied(world, 1)
  world.down.add(0)
  await world.run(2 * TURN_MS - 10_000)
  const suppliers = (): readonly number[] => world.l1.supplied.filter(({ seq }) => seq === 2).map(({ from }) => from)
  expect(suppliers()).toEqual([1])
  await world.until(() => missing(world).length === 0)
  world.check()
  expect(suppliers()).toEqual([1, 2, 2])
  suppliedOnce(world)
})

test('one that is slow and alive is left alone, as long as it goes on', async () => {
  const world = await worldInParts({ turnMs: 3 * MINUTE }, {}, 2)
  world.l1.lagBlocks = 60 // a part in two minutes
  await world.until(() => finalSeq(world) >= 5 && missing(world).length === 0)
  await world.run(30 * MINUTE)
  suppliedOnce(world)
  for (const { seq, from } of world.l1.supplied) expect([seq, from]).toEqual([seq, world.l1.batches[seq - 1]?.from])
})

test('who is in a hurry does not wait for whoever might be at it', async () => {
  const world = await worldInParts()
  await untilSupplied(world, 0)
  await world.lose()
  const { poster } = world.posters[0] ?? expect.fail('one')
  const before = world.nowMs
  await world.until(() => {
    poster.hurry()
    return world.l1.supplied.length === PARTS - 1
  })
  expect(world.nowMs - before).toBeLessThan(TURN_MS)
})

test('dying at any write while parts are brought back: each gets there once', async () => {
  for (let k = 1; k <= 30; k++) {
    const world = await worldInParts()
    await untilSupplied(world, 0)
    await world.lose()
    world.posters[0]?.disk.dieAfter(k)
    await world.until(() => finalSeq(world) >= 5 && missing(world).length === 0)
    world.check()
    suppliedOnce(world)
    expect(world.l1.reverted).toBe(0)
  }
})

test('batches of long before are found, in a log that is given in pieces of 64 blocks, and looked at once', async () => {
  const world = await worldInParts()
  await untilSupplied(world, 1)
  world.down.add(0)
  await world.run(60 * MINUTE)
  world.down.delete(0)
  await world.lose()
  const spans: number[] = []
  const sim = world.l1.endpoint()
  const logs: typeof sim.logs = async (range) => {
    if (range.to - range.from >= 64)
      throw new NodeError(L1Errors.REFUSED, { host: 'sim', method: 'eth_getLogs', message: 'range', output: null })
    spans.push(range.from)
    return sim.logs(range)
  }
  Object.assign(world.l1, { endpoint: () => ({ ...sim, logs }) })
  await world.restart()
  await world.until(() => missing(world).length === 0)
  expect(spans.length).toBeGreaterThan(10)
  await world.until(() => finalSeq(world) >= 6)
  spans.length = 0
  await world.restart()
  await world.run(10 * MINUTE)
  // Where it had looked it does not look again.
  expect(Math.min(...spans)).toBeGreaterThan(1_000)
  expect(world.status.gaps).toBe(0)
})

test('parts that nobody has, of a posting that lies: the batch is supplied anew, and once', async () => {
  const world = await worldInParts()
  const { data } = await worldSource(world)
  // Of other bytes: what it names cannot be made.
  const [lie] = splitBatch(
    data.map((byte) => byte ^ 1),
    2_500,
  ) as [Uint8Array]
  world.l1.forge = (batch) => (batch.length > 1_000 ? lie : batch)
  await world.until(() => world.l1.batches.length === 2)
  world.l1.forge = null
  await world.lose()
  await world.run(30 * MINUTE)
  const anew = (): readonly string[] =>
    world.l1.supplied.filter(({ seq }) => seq === 2).map(({ part }) => bytesToHex(keccak(part)))
  // The first half of a half that a transaction holds.
  const parts = splitBatch(data, BLOCK / 4).map((part) => bytesToHex(keccak(part)))
  expect([anew(), world.status.gaps]).toEqual([parts, 0])
  await world.lose()
  await world.run(30 * MINUTE)
  expect([anew(), world.status.gaps]).toEqual([parts, 0])
})
const worldSource = async (world: World) =>
  (await world.source.alone({ height: FIRST, blockHash: world.l1.head.state.position.blockHash }))[0] ??
  expect.fail('the block is there')

test('an endpoint without logs, and a node that no longer has the block, stop nothing else', async () => {
  const gone: BatchSource['alone'] = async ({ height }) => {
    throw new NodeError(SourceErrors.FORGOTTEN, { height, kept: height + 1 })
  }
  for (const alone of [undefined, gone]) {
    const world = await worldInParts({}, alone === undefined ? {} : { alone })
    await untilSupplied(world, 0)
    await world.lose()
    if (alone === undefined)
      world.l1.onCall = (method) => {
        if (method !== 'logs') return
        throw new NodeError(L1Errors.ANSWER, { host: 'sim', method: 'eth_getLogs', reason: 'much' })
      }
    await world.until(() => finalSeq(world) >= 6)
    await world.run(5 * TURN_MS)
    world.check()
    expect(missing(world)).toEqual([2])
    expect(world.said).toContain('what is missing of older batches cannot be looked for, or not supplied')
  }
})

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
test(`storms in which disks are lost, SEED=${seed}`, async () => {
  const dice = createDice(seed)
  for (let i = 0; i < 5; i++) {
    const world = await worldInParts({}, {}, 2)
    world.l1.lagBlocks = 80
    for (let events = 0; events < 30; events++) {
      await world.run(dice.below(30) * 2_000)
      await dice.pick<() => Promise<void> | void>([
        () => world.l1.reorganise(1 + dice.below(64), dice.pick(['keep', 'drop'])),
        () => world.l1.pool.clear(),
        () => world.restart(dice.below(2)),
        () => world.lose(dice.below(2)),
        () => world.posters[dice.below(2)]?.disk.dieAfter(1 + dice.below(8)),
        () => void (world.down.size > 0 ? world.down.clear() : world.down.add(dice.below(2))),
      ])()
    }
    world.down.clear()
    await world.until(() => finalSeq(world) >= 5 && missing(world).length === 0)
    world.check()
  }
})
