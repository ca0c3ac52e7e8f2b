// The poster before a simulated L1 that drops, delays, reorganises, grows dear, lies and goes backwards, and on a disk that dies after any
// write: each batch gets to the contract once, in order, and what is said of it is so.
import { expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log } from '../../chain/base/ports.ts'
import { createDice, type Dice } from '../../test/kit/dice.ts'
import { Disk } from '../../test/kit/disk.ts'
import { GWEI, heightsOf, SETTLEMENT, simAccount, simBatch } from '../../test/kit/l1.ts'
import { BLOCK_MS, deaths, finalSeq, MINUTE, meter, quiet, sourceOf, World, worldOf } from '../../test/kit/posters.ts'
import { L1Errors } from './l1.ts'
import { Poster } from './poster.ts'
import { openRecord } from './record.ts'
import { createSettlement } from './settlement.ts'
import { rankOf } from './source.ts'

const UNREACHABLE = { host: 'sim', method: 'any', reason: 'timeout' }

test('a batch is posted when its first block is old enough, not before, and never without blocks', async () => {
  const world = await worldOf()
  await world.run(2_000)
  expect(world.status.waits).toBe('blocks')
  await world.run(MINUTE - 4_000)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['age', 0])
  await world.run(8_000)
  expect(world.l1.seen).toHaveLength(1)
  await world.until(() => finalSeq(world) === 1)
  await world.tick()
  expect(world.status).toMatchObject({
    underway: null,
    final: { seq: 1 },
    posted: { seq: 1, facts: { firstHeight: 1 } },
  })
  world.check()
})

test('whoever runs the node may have it post at once, once; what it says of the last batch outlives a restart', async () => {
  const world = new World()
  await world.add(3)
  await world.run(6_000)
  world.posters[0]?.poster.hurry()
  await world.run(2_000)
  expect(world.l1.seen).toHaveLength(1)
  await world.until(() => finalSeq(world) === 1)
  await world.tick()
  const { posted } = world.status
  expect(posted).toMatchObject({ seq: 1, facts: { firstHeight: 1 }, parts: 1 })
  expect(posted?.paid.map(({ callBytes }) => callBytes)).toEqual([world.l1.seen[0]?.data.length])
  await world.restart()
  await world.run(10_000)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['age', 1])
  await world.until(() => finalSeq(world) === 2)
  world.posters[0]?.disk.crash(1_000_000)
  await world.restart()
  expect(world.status.posted).not.toBeNull()
})

test('a batch that is full is posted at once', async () => {
  const world = await worldOf({ batchBytes: 500 })
  await world.run(6 * BLOCK_MS + 2_000)
  expect(world.l1.seen).toHaveLength(1)
  await world.until(() => finalSeq(world) === 3)
  expect(world.l1.batches.slice(0, 3)).toEqual([1, 6, 11].map((first) => ({ first, last: first + 4, from: 1 })))
})

test('one transaction is under way at a time, and the next batch waits until the last is final', async () => {
  const world = await worldOf({ batchBytes: 300 })
  world.l1.lagBlocks = 20
  await world.until(() => world.l1.head.state.position.seq === 1)
  await world.run(30_000)
  expect([world.status.waits, world.status.underway?.state, world.l1.seen.length]).toEqual(['finality', 'included', 1])
  await world.until(() => finalSeq(world) === 5)
  world.check()
})

test('a transaction that no block takes is raised by an eighth in both caps every 15 s, with the same nonce and payload, up to the cap', async () => {
  const world = await worldOf({ holdFeeWei: 400n * GWEI })
  world.l1.isOpen = false
  await world.run(5 * MINUTE)
  const { seen } = world.l1
  expect(seen.length).toBeGreaterThan(3)
  for (const [i, { maxFeeWei, maxTipWei, nonce, data }] of seen.entries()) {
    const before = seen[i - 1]
    expect([nonce, bytesToHex(data)]).toEqual([0n, bytesToHex(seen[0]?.data ?? new Uint8Array(0))])
    expect(maxFeeWei <= 400n * GWEI).toBe(true)
    if (before === undefined) continue
    expect(maxFeeWei * 8n >= before.maxFeeWei * 9n).toBe(true)
    expect(maxTipWei * 8n >= before.maxTipWei * 9n).toBe(true)
  }
  expect(world.status.underway?.attempts.map(({ hash }) => bytesToHex(hash))).toEqual(
    seen.map(({ hash }) => bytesToHex(hash)),
  )
  world.l1.isOpen = true
  await world.until(() => finalSeq(world) === 1)
  world.check()
})

test('what pools forget is sent again', async () => {
  const world = await worldOf()
  world.l1.isOpen = false
  await world.run(2 * MINUTE)
  world.l1.pool.clear()
  world.l1.isOpen = true
  await world.until(() => finalSeq(world) === 1)
  world.check()
})

test.each([1, 2, 64])(
  'a reorganisation of %i blocks, before a batch is included and after, with its transaction kept or forgotten',
  async (depth) => {
    for (const what of ['keep', 'drop'] as const)
      for (const after of ['sent', 'included'] as const) {
        const world = await worldOf()
        world.l1.lagBlocks = 80
        if (after === 'sent') {
          world.l1.isOpen = false
          await world.until(() => world.status.underway?.state === 'sent')
          world.l1.isOpen = true
        } else await world.until(() => world.status.underway?.state === 'included')
        const had = world.status.underway ?? expect.fail('a batch is under way')
        if (after === 'included') await world.run((depth - 1) * 2_000)
        world.l1.reorganise(depth, what)
        await (world.posters[0] ?? expect.fail('one')).poster.turn()
        const has = world.status.underway ?? expect.fail('still under way')
        expect([has.state, has.nonce, has.payload]).toEqual(['sent', had.nonce, had.payload])
        await world.until(() => finalSeq(world) === 1)
        await world.tick()
        expect(world.status.posted?.seq).toBe(1)
        expect(world.l1.batches[0]).toMatchObject({ first: 1, last: had.facts.lastHeight })
        world.check()
      }
  },
)

test('a base fee a hundred times as high for an hour: the batch waits, and nothing is paid above the hold', async () => {
  const world = await worldOf({ holdMs: 120 * MINUTE })
  world.l1.baseFeeWei *= 100n
  await world.run(60 * MINUTE)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['fee', 0])
  expect(world.said).toContain('gas of the L1 costs more than the poster may pay: batches wait')
  world.l1.baseFeeWei /= 100n
  await world.until(() => finalSeq(world) === 4)
  expect(world.l1.seen.every(({ maxFeeWei }) => maxFeeWei <= world.options.holdFeeWei)).toBe(true)
  world.check()
})

test('past the hard deadline it pays up to the hard cap, and beyond that not even then', async () => {
  const world = await worldOf({ batchBytes: 100_000 })
  world.l1.baseFeeWei *= 100n
  await world.run(31 * MINUTE)
  await world.until(() => finalSeq(world) === 1)
  expect(world.l1.seen.every(({ maxFeeWei }) => maxFeeWei <= world.options.maxFeeWei)).toBe(true)
  world.l1.baseFeeWei *= 100n
  const sent = world.l1.seen.length
  await world.run(60 * MINUTE)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['fee', sent])
})

test('a fee that rises under a transaction on its way: it is raised to the hold, waits there, and passes its deadline', async () => {
  const world = await worldOf()
  world.l1.isOpen = false
  await world.until(() => world.l1.seen.length === 1)
  world.l1.isOpen = true
  world.l1.baseFeeWei *= 100n
  await world.run(25 * MINUTE)
  expect(world.l1.seen.every(({ maxFeeWei }) => maxFeeWei <= world.options.holdFeeWei)).toBe(true)
  await world.run(10 * MINUTE)
  await world.until(() => finalSeq(world) >= 1)
  world.check()
})

/** A busy life: a transaction that must be raised, a reorganisation, three batches. */
const life = async (world: World): Promise<void> => {
  world.l1.lagBlocks = 10
  world.l1.isOpen = false
  await world.until(() => world.l1.seen.length >= 2 || world.l1.pool.size === 0)
  await world.run(40_000)
  world.l1.isOpen = true
  await world.until(() => world.l1.head.state.position.seq >= 1)
  await world.tick()
  world.l1.reorganise(2, 'drop')
  await world.until(() => finalSeq(world) >= 3)
}

test('dying at any write and around any sending loses nothing, posts nothing twice, and pays for no more', async () => {
  const calm = await worldOf({ batchBytes: 2_000 })
  await life(calm)
  const writes = calm.posters[0]?.disk.writes.length ?? 0
  const sends = calm.l1.seen.length
  expect(writes).toBeGreaterThan(15)
  const lived = async (arm: (world: World) => void): Promise<void> => {
    const world = await worldOf({ batchBytes: 2_000 })
    arm(world)
    await life(world)
    world.check()
    expect(world.l1.reverted).toBe(0)
    expect(world.said).not.toContain('another poster came first: its batch is final')
  }
  for (const arm of deaths(writes, sends)) await lived(arm)
})

test('nothing is sent that is not on disk', async () => {
  const world = await worldOf()
  const { disk } = world.posters[0] ?? expect.fail('one')
  world.l1.onCall = (method, raw) => {
    if (method === 'send' && raw !== undefined)
      expect(bytesToHex(disk.log.slice(0, disk.syncedBytes))).toContain(bytesToHex(raw).slice(2))
  }
  world.l1.isOpen = false
  await world.run(4 * MINUTE)
  expect(world.l1.seen.length).toBeGreaterThan(3)
})

test('a record that is lost, or damaged, with a transaction on its way: the contract decides, nothing is posted twice', async () => {
  for (const what of ['lost', 'damaged'] as const) {
    const world = await worldOf()
    world.l1.isOpen = false
    await world.until(() => world.l1.seen.length === 2)
    const { disk } = world.posters[0] ?? expect.fail('one')
    if (what === 'lost') disk.lose('log')
    else disk.log[20] = (disk.log[20] ?? 0) ^ 1
    await world.restart()
    await world.run(MINUTE)
    world.l1.isOpen = true
    await world.until(() => finalSeq(world) >= 2)
    world.check()
  }
})

test('two posters at once: one batch of each number, the loser pays gas and goes on', async () => {
  const world = new World({ batchBytes: 2_000 })
  await world.add(0)
  await world.add(0)
  await world.until(() => finalSeq(world) >= 6)
  world.check()
  expect(world.l1.reverted).toBeGreaterThan(0)
})

test('nobody builds on a batch that is not final: a reorganisation would take both away', async () => {
  const world = await worldOf({ batchBytes: 2_000 })
  world.l1.lagBlocks = 40
  await world.until(() => world.l1.head.state.position.seq === 1)
  await world.add(0)
  await world.run(MINUTE)
  expect(world.posters[1]?.poster.status.waits).toBe('finality')
  expect(world.l1.seen.filter(({ from }) => from[0] === 2)).toEqual([])
  await world.until(() => finalSeq(world) >= 2)
  world.check()
})

test('after another poster came first, the nonce that was never used is bid for above what still waits with it', async () => {
  const world = await worldOf({ holdMs: 600 * MINUTE })
  await world.until(() => world.l1.seen.length === 1)
  world.l1.baseFeeWei = 600n * GWEI
  const { position } = world.l1.head.state
  const { payload: data } = createSettlement(SETTLEMENT).post(position, simBatch(1, 5))
  const fees = { maxFeeWei: 5_000n * GWEI, maxTipWei: 30n * GWEI, gasLimit: 1_000_000n }
  await world.l1
    .endpoint()
    .send(await simAccount(2).sign({ chainId: 80_002n, nonce: 0n, to: SETTLEMENT, data, ...fees }))
  await world.until(() => world.l1.head.state.position.seq === 1)
  world.l1.isOpen = false
  world.l1.baseFeeWei = 100n * GWEI
  await world.until(() => finalSeq(world) === 1)
  const raised = world.l1.seen.length
  await world.run(6_000)
  expect(world.said).toContain('another poster came first: its batch is final')
  expect(world.l1.seen.slice(raised).map(({ nonce, data: sent }) => [nonce, heightsOf(sent).first])).toEqual([[0n, 6]])
})

test('the next in the order posts after a missed deadline, and not before', async () => {
  const world = new World()
  await world.add(1)
  await world.run(2 * MINUTE)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['turn', 0])
  await world.until(() => finalSeq(world) === 1)
  world.check()
})

test('two posters take turns by epoch; one that is down is stood in for after its deadline, and has its turns again when it is back', async () => {
  const epochBlocks = 20
  const world = new World({}, { epochBlocks })
  const operators = [1, 2].map((id) => simAccount(id).address)
  for (const self of operators) await world.add((epoch) => rankOf(epoch, operators, self))
  const electedOf = (height: number): number =>
    rankOf(Math.floor((height - 1) / epochBlocks), operators, operators[0] ?? null) === 0 ? 1 : 2
  const untilHeight = (height: number): Promise<void> =>
    world.until(() => world.l1.final.state.position.height >= height)
  await untilHeight(10 * epochBlocks)
  const calm = world.l1.batches
  expect(calm.map(({ from }) => from)).toEqual(calm.map(({ first }) => electedOf(first)))
  expect(new Set(calm.map(({ from }) => from)).size).toBe(2)
  // The second is down, as it is: nothing of it is under way any more.
  await world.until(() => world.posters[1]?.poster.status.underway === null)
  world.down.add(1)
  const [before, downMs] = [world.l1.batches.length, world.nowMs]
  await untilHeight(20 * epochBlocks)
  const alone = world.l1.batches.slice(before)
  expect(new Set(alone.map(({ from }) => from))).toEqual(new Set([1]))
  expect(alone.some(({ first }) => electedOf(first) === 2)).toBe(true)
  expect(world.nowMs - downMs).toBeLessThan(60 * MINUTE)
  world.down.delete(1)
  await world.restart(1)
  const back = world.l1.batches.length
  await untilHeight(34 * epochBlocks)
  expect(new Set(world.l1.batches.slice(back).map(({ from }) => from)).size).toBe(2)
  expect(world.l1.reverted).toBe(0)
  world.check()
})

test('the order of an epoch is the same for all, everybody is in it once, and strangers come last', () => {
  const operators = [1, 2, 3, 4].map((id) => simAccount(id).address)
  const orders = Array.from({ length: 20 }, (_, epoch) => operators.map((self) => rankOf(epoch, operators, self)))
  for (const order of orders) expect([...order].sort()).toEqual([0, 1, 2, 3])
  expect(new Set(orders.map(([first]) => first)).size).toBe(4)
  expect([rankOf(0, operators, null), rankOf(0, operators, simAccount(9).address)]).toEqual([4, 4])
})

test('an endpoint that fails, for as long as it likes, delays and no more', async () => {
  const world = await worldOf({ batchBytes: 2_000 })
  let calls = 0
  world.l1.onCall = () => {
    if (++calls % 7 < 3) throw new NodeError(L1Errors.UNREACHABLE, UNREACHABLE)
  }
  await world.run(10 * MINUTE)
  world.l1.onCall = () => {}
  await world.until(() => finalSeq(world) >= 3)
  world.check()
})

test('an endpoint that takes back what was final is not believed; posting goes on when it comes back', async () => {
  const world = await worldOf({ batchBytes: 2_000 })
  await world.until(() => finalSeq(world) === 2)
  await world.tick()
  const sent = world.l1.seen.length
  world.l1.lagBlocks = 60
  await world.run(10 * BLOCK_MS)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['l1', sent])
  expect(world.said.some((text) => /takes back what was final, its final blocks: block/.test(text))).toBe(true)
  world.l1.lagBlocks = 4
  await world.until(() => finalSeq(world) === 4)
  world.check()
})

test.each([
  ['a contract of another kind', new Uint8Array(31)],
  ['a contract with 2^64 - 1 batches', new Uint8Array(7 * 32).fill(0xff, 24, 32)],
])('an endpoint that shows %s is not believed', async (_, answer) => {
  const world = await worldOf()
  const own = world.posters[0] ?? expect.fail('one')
  const honest = world.l1.endpoint()
  const recorder = await openRecord(
    new Disk().open().log,
    { chainId: 1n, settlement: SETTLEMENT, account: simAccount(1).address },
    quiet,
  )
  const l1 = { ...honest, call: async () => answer }
  const clock = { nowMs: () => world.nowMs }
  const ports = {
    l1,
    settlement: createSettlement(SETTLEMENT),
    source: sourceOf(clock.nowMs, () => 0),
    account: simAccount(1),
    recorder,
  }
  const said: string[] = []
  const log: Log = { debug() {}, info() {}, warn: (_, text) => void said.push(text), error() {} }
  own.poster = new Poster({ ...ports, clock, log, meter }, world.options)
  await world.run(3 * MINUTE)
  expect([world.status.waits, world.l1.seen.length, said.length > 0]).toEqual(['l1', 0, true])
})

test('a contract that asks for signatures of operator keys is refused at once: nothing is sent that would revert', async () => {
  const world = new World()
  world.l1.isOfOperators = true
  await world.add()
  let calls = 0
  world.l1.onCall = (method) => {
    if (method === 'call' && ++calls === 3) throw new NodeError(L1Errors.UNREACHABLE, UNREACHABLE)
  }
  const { poster } = world.posters[0] ?? expect.fail('one')
  await poster.turn()
  expect(poster.status.waits).toBe('l1')
  await expect(poster.turn()).rejects.toMatchObject({ code: 'SETTLEMENT_VERIFIER' })
  expect(world.l1.seen).toEqual([])
})

test('a contract that refuses is asked again, more and more seldom, and named; no gas is spent on it', async () => {
  const world = await worldOf()
  world.l1.isPaused = true
  let asked = 0
  world.l1.onCall = (method) => {
    if (method === 'estimate') asked++
  }
  await world.run(60 * MINUTE)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['refused', 0])
  expect(asked).toBeGreaterThan(3)
  expect(asked).toBeLessThan(12)
  world.l1.isPaused = false
  await world.until(() => finalSeq(world) >= 2)
  world.check()
})

test('a batch that reverts in its block, or whose nonce something else has used, is begun anew', async () => {
  const world = await worldOf()
  world.l1.isOpen = false
  await world.until(() => world.l1.seen.length === 1)
  world.l1.isOpen = true
  world.l1.isPaused = true
  await world.until(() => world.l1.reverted === 1)
  world.l1.isPaused = false
  await world.until(() => finalSeq(world) >= 1)
  world.check()
  expect(world.l1.reverted).toBe(1)
})

test('a transaction that the L1 would not take for its gas is cut smaller', async () => {
  const world = await worldOf({ batchBytes: 10_000 })
  // The more blocks the more gas: a hundred of them would be above the limit of a transaction.
  world.l1.gas = (data) => {
    const { first, last } = heightsOf(data)
    return 200_000n * BigInt(last - first + 1)
  }
  world.nowMs += 100 * BLOCK_MS
  await world.until(() => finalSeq(world) >= 2)
  const [batch] = world.l1.batches
  expect([batch?.first, batch?.last]).toEqual([1, 50])
  world.check()
})

test('a block that no transaction of the L1 holds is told, and tried again more and more seldom', async () => {
  const world = await worldOf({ batchBytes: 10_000 })
  world.l1.gas = () => 16_000_000n
  await world.run(10 * MINUTE)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['refused', 0])
  expect(
    world.said.some((said) => /from height 1 on needs .* 19200000 gas, above .* cannot be made smaller/.test(said)),
  ).toBe(true)
})

test('without the money for it nothing is begun, and the alarm says so', async () => {
  const world = await worldOf()
  world.l1.baseFeeWei = 200n * GWEI
  world.l1.gas = () => 12_000_000n
  const { poster } = world.posters[0] ?? expect.fail('one')
  const sim = world.l1.endpoint()
  const poor = { ...sim, balance: async () => 10n ** 18n }
  Object.assign(world.l1, { endpoint: () => poor })
  await world.restart()
  await world.run(2 * MINUTE)
  expect([world.status.waits, world.l1.seen.length]).toEqual(['balance', 0])
  expect(world.said).toContain('batches wait for funds of the poster')
  expect(poster).not.toBe(world.posters[0]?.poster)
})

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
test(`storms: whatever comes in whatever order, batches stay whole, SEED=${seed}`, async () => {
  const dice = createDice(seed)
  for (let i = 0; i < 20; i++) {
    const world = new World({ batchBytes: 2_000 })
    await world.add(0)
    await world.add(dice.below(2))
    world.l1.lagBlocks = 80
    for (let events = 0; events < 25; events++) {
      await world.run(dice.below(30) * 2_000)
      await storm(world, dice)
    }
    world.l1.isOpen = true
    world.l1.baseFeeWei = 100n * GWEI
    const seq = finalSeq(world)
    await world.until(() => finalSeq(world) >= seq + 2)
    world.check()
  }
})
const storm = async (world: World, dice: Dice): Promise<void> => {
  const either = dice.below(2)
  await dice.pick<() => unknown>([
    () => world.l1.reorganise(1 + dice.below(64), dice.pick(['keep', 'drop'])),
    () => world.l1.pool.clear(),
    () => Object.assign(world.l1, { isOpen: !world.l1.isOpen }),
    () => Object.assign(world.l1, { baseFeeWei: BigInt(1 + dice.below(20)) * 100n * GWEI }),
    () => world.restart(either),
    () => world.posters[either]?.disk.dieAfter(1 + dice.below(6)),
    () => {
      world.posters[either]?.disk.lose('log')
      return world.restart(either)
    },
  ])()
}

test('a batch that lacks signatures waits as it is: with blocks that come later it would lack others', async () => {
  const asked: number[] = []
  let isSigned = false
  const world = await worldOf(
    {},
    {
      async certify(height) {
        asked.push(height)
        return isSigned ? new Uint8Array(0) : null
      },
    },
  )
  await world.run(2 * MINUTE)
  expect(world.status).toMatchObject({ waits: 'signatures', underway: null })
  expect([new Set(asked).size, asked.length > 10]).toEqual([1, true])
  isSigned = true
  await world.until(() => finalSeq(world) === 1)
  expect(world.l1.batches.map(({ last }) => last)).toEqual([asked[0]])
  world.check()
})
