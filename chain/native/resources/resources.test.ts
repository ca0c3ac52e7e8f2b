// Every function of the registry and every error it has; what staking pays is never more than the pool holds, whatever anybody does.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { account, type World } from '../../../test/kit/native.ts'
import {
  CPU,
  createTokenWorld,
  eventsOf,
  GOVERNANCE,
  GUARDIAN,
  MEM,
  NET,
  paramsOf,
  REGISTRY,
  refusalOf,
  registryOf,
  STO,
  tokenOf,
} from '../../../test/kit/tokens.ts'
import { asAddress, bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import { openStore } from '../kit/slots.ts'
import { layout } from './layout.ts'

const hex = (n: number): Hex => bytesToHex(account(n))
const addressOf = (at: Hex) => asAddress(hexToBytes(at))
const [cpu, mem, sto, net] = [CPU, MEM, STO, NET].map(addressOf) as [typeof ONE, typeof ONE, typeof ONE, typeof ONE]
const [ONE, TWO] = [account(1), account(2)]
const YEAR = 365 * 86_400
const WORD_MAX = 2n ** 256n - 1n
const START = 1_000_000
/** 1 has 10,000 CPU, the pool 1,000. */
const open = (section: object = {}, values: object = {}) => {
  const balances = { [hex(1)]: '10000', [REGISTRY]: '1000' }
  const world = createTokenWorld({ cpu: { balances, ...section } }, values)
  return { world, ...registryOf(world), token: tokenOf(world) }
}
const after = (world: World, seconds: number): void => world.go({ time: world.block.time + seconds })

test('all tokens, what each stands for, and what it costs', async () => {
  const { read } = open({}, { 'resources.novaPerDollar': '2000000000000000003' })
  const row = (token: typeof ONE, symbol: string, unit: string, dollars: bigint, price: bigint, totalSupply = 0n) => ({
    ...{ token, symbol, unit, totalSupply, cap: 10n ** 30n, dollars, price },
  })
  expect(await read('tokens')).toEqual([
    row(cpu, 'CPU', 'vCPU-hour', 10n ** 15n, 2n * 10n ** 15n + 1n, 11_000n), // 0.003 wei of a unit are one
    row(mem, 'MEM', 'GB-hour', 5n * 10n ** 14n, 10n ** 15n + 1n),
    row(sto, 'STO', 'TB-hour', 10n ** 14n, 2n * 10n ** 14n + 1n),
    row(net, 'NET', 'GB transferred', 10n ** 13n, 2n * 10n ** 13n + 1n),
  ])
  expect([await read('quote', cpu, 10n ** 18n), await read('quote', cpu, 1n), await read('quote', cpu, 0n)]).toEqual([
    ...[2n * 10n ** 15n + 1n, 1n, 0n],
  ])
  expect(await read('parameters')).toEqual([1_000n, BigInt(YEAR)])
})

test.each<readonly [string, number, 'grantMinter' | 'revokeMinter' | 'setCap', readonly unknown[], readonly unknown[]]>(
  [
    ['a stranger grants', 1, 'grantMinter', [cpu, ONE], ['NotGovernance', hex(1)]],
    ['a stranger revokes', 1, 'revokeMinter', [cpu, ONE], ['NotGovernance', hex(1)]],
    ['the guardian grants', GUARDIAN, 'grantMinter', [cpu, ONE], ['NotGovernance', hex(GUARDIAN)]],
    ['a stranger sets a cap, of no token', 1, 'setCap', [ONE, 1n], ['NotGovernance', hex(1)]],
    ['a minter of no token', GOVERNANCE, 'grantMinter', [ONE, ONE], ['UnknownToken', hex(1)]],
    ['the cap of no token', GOVERNANCE, 'setCap', [ONE, 1n], ['UnknownToken', hex(1)]],
    ['a cap below the supply', GOVERNANCE, 'setCap', [cpu, 10_999n], ['CapBelowSupply', 10_999n, 11_000n]],
  ],
)('%s', async (_, by, name, args, refusal) => {
  const { call } = open()
  expect(refusalOf(await call(by, name, ...(args as never)))).toEqual(refusal)
})

test('governance moves caps, and grants and revokes minters', async () => {
  const { call, read, token } = open()
  expect(eventsOf(await call(GOVERNANCE, 'setCap', cpu, 11_000n))).toEqual([
    ...[['820 CapChanged', CPU, 10n ** 30n, 11_000n]],
  ])
  await call(GOVERNANCE, 'grantMinter', cpu, TWO)
  expect([await read('isMinter', cpu, TWO), await read('isMinter', mem, TWO)]).toEqual([true, false])
  expect(refusalOf(await token.call(2, 'mint', TWO, 1n))).toEqual(['ERC20ExceededCap', 11_001n, 11_000n])
  expect(eventsOf(await call(GOVERNANCE, 'revokeMinter', cpu, TWO))).toEqual([['820 MinterRevoked', CPU, hex(2)]])
  expect(eventsOf(await call(GOVERNANCE, 'revokeMinter', cpu, TWO))).toEqual([])
})

test('a stake earns ten percent a year, to the second, and is paid from the pool', async () => {
  const { world, call, read, token } = open()
  const staked = await call(1, 'stake', cpu, 5_000n, BigInt(YEAR))
  expect(BigInt(bytesToHex(staked.output))).toBe(0n)
  expect(eventsOf(staked)).toEqual([
    ['821 Transfer', hex(1), REGISTRY, 5_000n],
    ['820 Staked', hex(1), CPU, 0n, 5_000n, 500n, BigInt(START + YEAR)],
  ])
  const pool = { available: 500n, reserved: 500n, staked: 5_000n }
  expect(await read('poolOf', cpu)).toEqual(pool)
  after(world, YEAR / 2)
  const shown = { token: cpu, amount: 5_000n, start: BigInt(START), end: BigInt(START + YEAR) }
  expect(await read('stakeOf', ONE, 0n)).toEqual({ ...shown, reward: 500n, earned: 250n })
  after(world, YEAR / 2 - 1)
  expect(await read('stakeOf', ONE, 0n)).toEqual({ ...shown, reward: 500n, earned: 499n })
  expect(refusalOf(await call(1, 'claim', 0n))).toEqual(['StillRunning', 0n, BigInt(START + YEAR)])
  after(world, 1)
  expect(eventsOf(await call(1, 'claim', 0n))).toEqual([
    ['821 Transfer', REGISTRY, hex(1), 500n],
    ['820 RewardClaimed', hex(1), CPU, 0n, 500n],
  ])
  expect(refusalOf(await call(1, 'claim', 0n))).toEqual(['NothingToClaim', 0n])
  expect(await read('stakeOf', ONE, 0n)).toEqual({ ...shown, reward: 0n, earned: 0n })
  after(world, YEAR) // what stays longer earns no more
  expect(eventsOf(await call(1, 'unstake', 0n))).toEqual([
    ['821 Transfer', REGISTRY, hex(1), 5_000n],
    ['820 Unstaked', hex(1), CPU, 0n, 5_000n, 0n],
  ])
  expect(await token.read('balanceOf', ONE)).toBe(10_500n)
  expect(await read('poolOf', cpu)).toEqual({ available: 500n, reserved: 0n, staked: 0n })
})

test('who leaves early leaves the reward, not the principal', async () => {
  const { world, call, read, token } = open()
  await call(1, 'stake', cpu, 5_000n, 1_000_000n)
  after(world, 999_999)
  expect(eventsOf(await call(1, 'unstake', 0n))).toEqual([
    ['821 Transfer', REGISTRY, hex(1), 5_000n],
    ['820 Unstaked', hex(1), CPU, 0n, 5_000n, 15n], // 500 * 1,000,000 s / a year = 15.85
  ])
  expect([await token.read('balanceOf', ONE), await read('poolOf', cpu)]).toEqual([
    ...[10_000n, { available: 1_000n, reserved: 0n, staked: 0n }],
  ])
  for (const name of ['claim', 'unstake'] as const)
    expect(refusalOf(await call(1, name, 0n))).toEqual(['NoSuchStake', hex(1), 0n])
  expect(await read('stakeOf', ONE, 0n)).toMatchObject({ amount: 0n, reward: 0n, token: addressOf(hex(0)) })
})

test('unclaimed, the reward comes with the principal', async () => {
  const { world, call } = open()
  await call(1, 'stake', cpu, 5_000n, 1_000_000n)
  after(world, 1_000_000)
  expect(eventsOf(await call(1, 'unstake', 0n))).toEqual([
    ['821 Transfer', REGISTRY, hex(1), 5_015n],
    ['820 RewardClaimed', hex(1), CPU, 0n, 15n],
    ['820 Unstaked', hex(1), CPU, 0n, 5_000n, 0n],
  ])
})

test('a stake keeps the rate it began with', async () => {
  const { world, call, read } = open()
  await call(1, 'stake', cpu, 5_000n, BigInt(YEAR))
  await paramsOf(world).call(GOVERNANCE, 'set', 'resources.rewardRate', 0n)
  world.go({ number: 11 })
  expect(await read('rewardOf', 5_000n, BigInt(YEAR))).toBe(0n)
  await call(1, 'stake', cpu, 5_000n, BigInt(YEAR))
  expect([await read('stakeOf', ONE, 0n), await read('stakeOf', ONE, 1n)]).toMatchObject([
    { reward: 500n },
    { reward: 0n },
  ])
})

test('an empty pool promises nothing, and is filled by whoever likes', async () => {
  const { call, read, token } = open({ balances: { [hex(1)]: '10000' } })
  expect(refusalOf(await call(1, 'stake', cpu, 5_000n, BigInt(YEAR)))).toEqual(['PoolTooSmall', CPU, 500n, 0n])
  expect(await token.read('balanceOf', ONE)).toBe(10_000n) // the refused stake took nothing
  expect(eventsOf(await call(1, 'fund', cpu, 499n))).toEqual([
    ['821 Transfer', hex(1), REGISTRY, 499n],
    ['820 PoolFunded', CPU, hex(1), 499n],
  ])
  expect(refusalOf(await call(1, 'stake', cpu, 5_000n, BigInt(YEAR)))).toEqual(['PoolTooSmall', CPU, 500n, 499n])
  await token.call(1, 'transfer', addressOf(REGISTRY), 1n) // counts as well
  expect((await call(1, 'stake', cpu, 5_000n, BigInt(YEAR))).status).toBe('success')
  expect(refusalOf(await call(1, 'stake', cpu, 1_000n, BigInt(YEAR)))).toEqual(['PoolTooSmall', CPU, 100n, 0n])
  expect(await read('poolOf', mem)).toEqual({ available: 0n, reserved: 0n, staked: 0n })
})

// In order of precedence.
test.each<readonly [string, 'stake' | 'fund' | 'claim' | 'unstake', readonly unknown[], readonly unknown[]]>([
  ['a stake of no token', 'stake', [ONE, 0n, 0n], ['UnknownToken', hex(1)]],
  ['a stake of no time', 'stake', [cpu, 0n, 0n], ['BadDuration', 0n, BigInt(YEAR)]],
  ['a stake of too long', 'stake', [cpu, 0n, BigInt(YEAR) + 1n], ['BadDuration', BigInt(YEAR) + 1n, BigInt(YEAR)]],
  ['a stake of nothing', 'stake', [cpu, 0n, 1n], ['ZeroAmount']],
  ['more than there is', 'stake', [cpu, WORD_MAX, 1n], ['ERC20InsufficientBalance', hex(1), 10_000n, WORD_MAX]],
  ['a gift of no token', 'fund', [ONE, 0n], ['UnknownToken', hex(1)]],
  ['a gift of nothing', 'fund', [cpu, 0n], ['ZeroAmount']],
  ['more than there is to give', 'fund', [cpu, 10_001n], ['ERC20InsufficientBalance', hex(1), 10_000n, 10_001n]],
  ['a claim of no stake', 'claim', [0n], ['NoSuchStake', hex(1), 0n]],
  ['a claim far beyond', 'claim', [WORD_MAX], ['NoSuchStake', hex(1), WORD_MAX]],
  ['no stake to take back', 'unstake', [2n ** 53n], ['NoSuchStake', hex(1), 2n ** 53n]],
])('%s', async (_, name, args, refusal) => {
  const { call } = open()
  expect(refusalOf(await call(1, name, ...(args as never)))).toEqual(refusal)
})

test('numbers beyond a word are an overflow, in views too', async () => {
  const panic = `0x4e487b71${'11'.padStart(64, '0')}`
  const values = { 'resources.rewardRate': '5000', 'resources.maxDuration': String(4 * YEAR) }
  const { call, read } = open({ cap: WORD_MAX.toString(), balances: { [hex(1)]: WORD_MAX.toString() } }, values)
  expect(bytesToHex((await call(1, 'stake', cpu, WORD_MAX, BigInt(4 * YEAR))).output)).toBe(panic)
  expect(refusalOf(await call(1, 'stake', cpu, WORD_MAX, BigInt(2 * YEAR)))).toEqual([
    'PoolTooSmall',
    CPU,
    WORD_MAX,
    0n,
  ])
  expect(await read('rewardOf', WORD_MAX, WORD_MAX)).toBe(panic)
  const dear = registryOf(createTokenWorld({}, { 'resources.novaPerDollar': (10n ** 36n).toString() }))
  expect(await dear.read('quote', cpu, WORD_MAX)).toBe(panic)
})

test('pages of stakes', async () => {
  const { call, read } = open()
  for (let i = 1; i <= 5; i++) await call(1, 'stake', cpu, BigInt(i), 1n)
  await call(1, 'unstake', 1n)
  const amounts = async (from: bigint, count: bigint) =>
    ((await read('stakes', ONE, from, count)) as { amount: bigint }[]).map(({ amount }) => amount)
  expect(await read('stakeCount', ONE)).toBe(5n)
  expect(await amounts(0n, WORD_MAX)).toEqual([1n, 0n, 3n, 4n, 5n])
  expect([await amounts(3n, 1n), await amounts(5n, 1n), await amounts(WORD_MAX, WORD_MAX)]).toEqual([[4n], [], []])
  expect(await read('stakes', TWO, 0n, 10n)).toEqual([])
})

test('paused: nobody stakes, everybody leaves; with the tokens paused as well', async () => {
  const { world, call } = open()
  await call(1, 'stake', cpu, 5_000n, 1_000_000n)
  await call(1, 'stake', cpu, 5_000n, 1_000_000n)
  after(world, 1_000_000)
  for (const scope of ['resources', 'tokens']) await paramsOf(world).call(GUARDIAN, 'pause', scope, 60n, 'why')
  const said = ['Error', `resources is paused until ${START + 1_000_060}`]
  expect(refusalOf(await call(1, 'stake', cpu, 1n, 1n))).toEqual(said)
  expect(refusalOf(await call(1, 'fund', cpu, 1n))).toEqual(said)
  expect(refusalOf(await call(GOVERNANCE, 'grantMinter', cpu, ONE))).toEqual(said)
  expect([(await call(1, 'claim', 0n)).status, (await call(1, 'unstake', 1n)).status]).toEqual(['success', 'success'])
})

test('genesis: its section has no keys', () => {
  expect(() => createTokenWorld({ resources: { pool: 1 } })).toThrow(/modules\.resources: .*pool/)
})

test('solc lays out the same variables', () => {
  const text = readFileSync(new URL('../../../contracts/test/ResourcesStorage.sol', import.meta.url), 'utf8')
  const made = compile('ResourcesStorage.sol', text).ResourcesStorage
  expect(made?.storage.map(({ label, slot }) => [label, Number(slot)])).toEqual(
    Object.entries(layout).map(([name, { slot }]) => [name, slot]),
  )
  let last = 0n
  const set = (slot: bigint): void => {
    last = slot
  }
  const store = openStore(layout, { get: () => 0n, set })
  const placesOf = (fields: Readonly<Record<string, { set(value: never): void }>>, samples: readonly unknown[]) => {
    const slots = Object.values(fields).map((field, i) => {
      field.set(samples[i] as never)
      return last
    })
    return slots.map((slot) => Number(slot - (slots[0] ?? 0n)))
  }
  const { token, start, duration, amount, reward } = store.stakes.at(ONE).item(2)
  const { staked, reserved } = store.pools.at(cpu)
  expect(placesOf({ token, start, duration, amount, reward }, [ONE, 1n, 1n, 1n, 1n])).toEqual(
    made?.structs.Stake?.map(({ slot }) => Number(slot)),
  )
  expect(placesOf({ staked, reserved }, [1n, 1n])).toEqual(made?.structs.Pool?.map(({ slot }) => Number(slot)))
})

const KINDS = [
  ...(['stake', 'stake', 'stake', 'unstake', 'unstake', 'claim', 'claim'] as const),
  ...(['fund', 'send', 'wait', 'wait', 'wait', 'rate'] as const),
]
const arbOp = fc.record({
  kind: fc.constantFrom(...KINDS),
  by: fc.constantFrom(1, 2, 3),
  amount: fc.oneof(fc.bigInt(0n, 5_000n), fc.constantFrom(10n ** 12n, WORD_MAX - 1n)),
  seconds: fc.oneof(...[YEAR, YEAR, 2 * YEAR, 100].map((max) => fc.integer({ min: 0, max }))),
  id: fc.nat(2),
})
type Op = typeof arbOp extends fc.Arbitrary<infer T> ? T : never

/** Every answer once, so that no choice of random ones leaves one out. */
const STORY: Op[] = (
  [
    ['stake', 1_000n, YEAR], // 500 of a pool of 100
    ['fund', 2_000n, 0],
    ['stake', 1_000n, YEAR],
    ['stake', 1_000n, 0],
    ['stake', 10n ** 12n, YEAR],
    ['claim', 0n, 0],
    ['wait', 0n, 2 * YEAR],
    ['claim', 0n, 0],
    ['claim', 0n, 0],
    ['unstake', 0n, 0],
    ['unstake', 0n, 0],
  ] as const
).map(([kind, amount, seconds]) => ({ kind, by: 1, amount, seconds, id: 0 }))

interface Stake {
  readonly amount: bigint
  readonly reward: bigint
  readonly end: number
}
/** The sentences of the interface as plain arithmetic. */
class Model {
  free = 100n
  rate = 5_000n
  readonly held = new Map<number, bigint>([10_000n, 3_000n, 10n].map((amount, i) => [i + 1, amount]))
  readonly stakes = new Map<number, (Stake | null)[]>([1, 2, 3].map((who) => [who, []]))

  #gain(who: number, amount: bigint): void {
    this.held.set(who, (this.held.get(who) ?? 0n) + amount)
  }
  /** The error's name, or success. */
  do({ kind, by, amount, seconds, id }: Op, now: number): string {
    const own = this.stakes.get(by) ?? []
    const isShort = amount > (this.held.get(by) ?? 0n)
    if (kind === 'stake') {
      const reward = (amount * BigInt(seconds) * this.rate) / (10_000n * BigInt(YEAR))
      if (seconds === 0 || seconds > YEAR) return 'BadDuration'
      if (amount === 0n) return 'ZeroAmount'
      if (isShort) return 'ERC20InsufficientBalance'
      if (reward > this.free) return 'PoolTooSmall'
      own.push({ amount, reward, end: now + seconds })
      this.free -= reward
      this.#gain(by, -amount)
    } else if (kind === 'fund' || kind === 'send') {
      if (kind === 'fund' && amount === 0n) return 'ZeroAmount'
      if (isShort) return 'ERC20InsufficientBalance'
      this.free += amount
      this.#gain(by, -amount)
    } else {
      const found = own[id] ?? null
      if (found === null) return 'NoSuchStake'
      const isOver = now >= found.end
      if (kind === 'claim' && !isOver) return 'StillRunning'
      if (kind === 'claim' && found.reward === 0n) return 'NothingToClaim'
      this.#gain(by, (isOver ? found.reward : 0n) + (kind === 'unstake' ? found.amount : 0n))
      if (!isOver) this.free += found.reward
      own[id] = kind === 'unstake' ? null : { ...found, reward: 0n }
    }
    return 'success'
  }
  pool() {
    const all = [...this.stakes.values()].flat().filter((each) => each !== null)
    return {
      available: this.free,
      reserved: all.reduce((sum, { reward }) => sum + reward, 0n),
      staked: all.reduce((sum, { amount }) => sum + amount, 0n),
    }
  }
}

test('supply is the sum of balances, and no more is paid than the pool holds, whatever happens', async () => {
  const counts = new Map<string, number>()
  const run = async ({ world, call, read, token }: ReturnType<typeof open>, model: Model, op: Op): Promise<void> => {
    const { kind, by, amount, seconds, id } = op
    if (kind === 'wait') after(world, seconds)
    else if (kind === 'rate') {
      model.rate = BigInt(seconds % 5_001)
      await paramsOf(world).call(GOVERNANCE, 'set', 'resources.rewardRate', model.rate)
      world.go({ number: world.block.number + 10 }) // the next epoch
    } else {
      const calls = {
        stake: () => call(by, 'stake', cpu, amount, BigInt(seconds)),
        fund: () => call(by, 'fund', cpu, amount),
        send: () => token.call(by, 'transfer', addressOf(REGISTRY), amount),
        claim: () => call(by, 'claim', BigInt(id)),
        unstake: () => call(by, 'unstake', BigInt(id)),
      }
      const refusal = refusalOf(await calls[kind]())
      const said = typeof refusal === 'string' ? refusal : refusal[0]
      expect([kind, said]).toEqual([kind, model.do(op, world.block.time)])
      counts.set(`${kind} ${said}`, (counts.get(`${kind} ${said}`) ?? 0) + 1)
    }
    const pool = model.pool()
    expect(await read('poolOf', cpu)).toEqual(pool)
    let sum = pool.available + pool.reserved + pool.staked
    expect(await token.read('balanceOf', addressOf(REGISTRY))).toBe(sum)
    for (const [who, held] of model.held) {
      expect(await token.read('balanceOf', account(who))).toBe(held)
      sum += held
    }
    expect(await token.read('totalSupply')).toBe(sum)
  }
  await fc.assert(
    fc.asyncProperty(fc.array(arbOp, { minLength: 20, maxLength: 80, size: 'max' }), async (ops) => {
      const model = new Model()
      const held = [...model.held].map(([who, amount]) => [hex(who), amount.toString()] as const)
      const balances = { ...Object.fromEntries(held), [REGISTRY]: model.free.toString() }
      const opened = open({ balances }, { 'resources.rewardRate': model.rate.toString() })
      for (const op of ops) await run(opened, model, op)
    }),
    { numRuns: Number(process.env.STAKE_RUNS ?? 25), examples: [[STORY]] },
  )
  // The sequences are worth something only while each answer is among them.
  const wanted = [
    ...['stake success', 'stake PoolTooSmall', 'stake BadDuration', 'stake ERC20InsufficientBalance', 'fund success'],
    ...['claim success', 'claim StillRunning', 'claim NothingToClaim', 'unstake success', 'unstake NoSuchStake'],
  ]
  expect(wanted.filter((name) => (counts.get(name) ?? 0) === 0)).toEqual([])
})
