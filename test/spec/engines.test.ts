// The gate of the fast engine: whatever runs on both engines ends the same, to the byte. `npm run test:engines` asks it of many more.
import { Wallet } from 'ethers'
import { describe, expect, test } from 'vitest'
import { asAddress, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { reexecute } from '../../chain/calls.ts'
import type { Engine, State } from '../../chain/exec/engine.ts'
import { createFastEngine } from '../../chain/exec/interpreter.ts'
import { createReferenceEngine } from '../../chain/exec/reference.ts'
import { createState } from '../../chain/exec/state.ts'
import { changesOf } from '../../chain/exec/witness.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import { developmentAccounts } from '../../node/development.ts'
import { createDice } from '../kit/dice.ts'
import { compareBlock, drawBlock, runBlockCase } from '../kit/engine-blocks.ts'
import { CHAIN_ID, COINBASE, drawProgram, type EngineCase, genesis } from '../kit/engine-cases.ts'
import {
  caseBlock,
  compareAtLimits,
  compareEngines,
  explain,
  fuzzEngines,
  minimise,
  runEngineCase,
  worldOf,
} from '../kit/engine-runs.ts'
import { openMemoryChain } from '../kit/memory-chain.ts'
import { assemble } from '../kit/programs.ts'
import { openWorkloads, tokenCode, transferData, usedBeyond } from '../kit/workloads.ts'

installCurves(nativeCurves)
const reference = createReferenceEngine({ chainId: CHAIN_ID })
const fast = createFastEngine({ chainId: CHAIN_ID })
const RUNS = 500

/** Code on which the engines once differed, or easily could. */
const KEPT: readonly (readonly [why: string, code: Hex])[] = [
  [
    'a store pays for its place before it misses the value',
    '0x7f10000000000000000000000000000000000000000000000000000000000000ff52',
  ],
  ['a store of a byte does too', '0x7f10000000000000000000000000000000000000000000000000000000000000ff53'],
  ['a store that can pay misses the value', '0x5f52'],
  ['a loop fills the stack', '0x5b5f5f56'],
  ['a loop empties it', '0x60015b505f5f600256'],
  ['value is sent where nothing may change', '0x3330146013575f5f5f5f3061c350fa600155005b5f5f5f5f600160aa5af100'],
  ['a new contract destroys itself for itself', '0x6130ff5f526002601e6005f031600155'],
  ['code ends in the middle of a push', '0x5f5f5560015f5561ff'],
]
const keptCase = (code: Hex): EngineCase => {
  const [from, to] = [account(0xf0), account(0xc0)]
  const rest = { nonce: 1n, balance: 10n ** 20n, slots: [] }
  const accounts = [
    { ...rest, address: from, code: new Uint8Array(0) },
    { ...rest, address: to, code: hexToBytes(code) },
  ]
  const call = {
    type: 2,
    from,
    to,
    value: 0n,
    data: new Uint8Array(0),
    gas: 150_000n,
    maxFeeWei: 20n,
    maxTipWei: 0n,
  } as const
  return { accounts, txs: [{ ...call, accessList: [], authorizations: [] }] }
}
test.for(KEPT)('%s', async ([, code]) => {
  expect(await compareEngines(fast, reference, keptCase(code))).toBeNull()
})
/** The library of the reference engine takes such initcode for something else. */
test.for([
  ['CREATE', '0x60ef5f5360025f5ff0'],
  ['CREATE2', '0x60ef5f535f60025f5ff5'],
] as const)('%s runs initcode that begins with 0xef00 as code, which uses up its gas', async ([, code]) => {
  const of = keptCase(code)
  expect(await compareEngines(fast, reference, of)).toBeNull()
  const { lines, results } = await runEngineCase(fast, of)
  expect(results[0]).toMatchObject({ status: 1 })
  expect(results[0]?.gasUsed).toBeGreaterThan(160_000n)
  expect(lines.find((line) => line.startsWith('0xc0'))).toMatch(/^0xc0\w+: 2 /) // its nonce counts the attempt
})
test('a store wants more than 2,300 gas, whatever it costs', async () => {
  const limits = Array.from({ length: 600 }, (_, i) => BigInt(4_000 + i)) // it costs 100 after a read of 2,100
  expect(await compareAtLimits(fast, reference, keptCase('0x5f545f55'), limits)).toBeNull()
})
const account = (first: number) => asAddress(Uint8Array.of(first, ...new Uint8Array(19)))

/** Calls that end at the bound of 1024 and not for want of gas: no transaction buys as much, `eth_call` may. */
const DEEP: readonly (readonly [what: string, code: Hex])[] = [
  ['calls', '0x5f546001015f555f5f5f5f5f305af1600155'],
  ['calls of the own code', '0x5f546001015f555f5f5f5f305af4600155'],
  ['creations', '0x385f5f39385f5ff05f55'],
]
test.for(DEEP)('a thousand %s deep', async ([, code]) => {
  const [from, to] = [account(0xf0), account(0xc0)]
  const rest = { nonce: 1n, balance: 10n ** 20n, slots: [] }
  const world = worldOf({ accounts: [{ ...rest, address: to, code: hexToBytes(code) }] })
  const paid = { gasPriceWei: 0n, value: 0n, gas: 10n ** 13n, forbidsCreation: false }
  const call = { origin: from, caller: from, to, input: new Uint8Array(0), ...paid }
  const [ours, theirs] = await Promise.all(
    [fast, reference].map(async (engine) => {
      const state = createState(world)
      state.begin()
      const { status, gasLeft } = await engine.execute(call, state, caseBlock, new Map())
      return [`${status} ${gasLeft}`, ...changesOf(state.changes())]
    }),
  )
  expect(ours).toEqual(theirs)
  // What was counted in slot 0, or how many were created.
  const counted = /^0xc0\w+\[0\] = (\d{4})$/m.exec((ours ?? []).join('\n'))?.[1]
  expect(counted === undefined ? ours?.length : Number(counted)).toBeGreaterThan(1_023)
})

/** The reference on a world that is wrong in one thing. */
const wrong = (name: string, change: (state: State, block: BlockContext) => Partial<State & BlockContext>): Engine => ({
  name,
  execute(message, state, block, natives) {
    const changed = change(state, block)
    const over = <T extends object>(whole: T): T =>
      new Proxy(whole, {
        get(target, key) {
          const own = Object.hasOwn(changed, key) ? Reflect.get(changed, key) : Reflect.get(target, key, target)
          return typeof own === 'function' ? own.bind(target) : own
        },
      })
    return reference.execute(message, over(state), over(block), natives)
  },
})
const WRONG: readonly Engine[] = [
  wrong('slots stay cold', () => ({ isWarmSlot: () => false })),
  wrong('what fails keeps its writes', () => ({ revert: () => {} })),
  wrong('refunds are lost', () => ({ setRefund: () => {} })),
  wrong('nobody was created just now', () => ({ destroy: () => {} })),
  wrong('one block hash too few is known', (_, { number, blockHash }) => ({
    blockHash: (n) => blockHash(n === number - 256 ? number : n),
  })),
]

describe('differential fuzzing', () => {
  test('the fast engine is the reference', async () => {
    const found = await fuzzEngines(fast, reference, { from: 1, count: RUNS })
    if (found !== null) expect.fail(await explain(fast, reference, found))
  })

  test.for(['at once', 'never'] as const)(
    'pauses change nothing, with code decoded %s',
    {
      timeout: 300_000,
    },
    async (decoding) => {
      const sliced = createFastEngine({ chainId: CHAIN_ID, decoding, sliceGas: 40 })
      const found = await fuzzEngines(sliced, reference, { from: 1_000, count: 100 })
      if (found !== null) expect.fail(await explain(sliced, reference, found))
    },
  )

  test.for(WRONG)('sees it when $name', async (engine) => {
    expect(await fuzzEngines(engine, reference, { from: 1, count: 1_000 })).not.toBeNull()
  })

  test('cuts a failure down to what it takes', async () => {
    const engine = WRONG[0] as Engine
    const found = await fuzzEngines(engine, reference, { from: 1, count: 100 })
    const smallest = found === null ? null : await minimise(engine, reference, found.case)
    const bytes = smallest?.accounts.reduce((sum, { code }) => sum + assemble(code).length, 0)
    expect(smallest?.txs).toHaveLength(1)
    expect(bytes).toBeLessThan(100)
  })
})

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const common = await openWorkloads()

test(`what users do ends the same with any amount of gas, SEED=${seed}`, async () => {
  const dice = createDice(seed)
  for (const [name, tx] of Object.entries(common.txs)) {
    const of = { accounts: common.accounts, txs: [tx] }
    const used = await usedBeyond(reference, of)
    const drawn = Array.from({ length: 40 }, () => (used * BigInt(dice.below(1_000_000))) / 1_000_000n)
    const limits = [used + 1n, used, used - 1n, used - 2n, 0n, 1n, ...drawn]
    expect(await compareAtLimits(fast, reference, of, limits), name).toBeNull()
  }
})

describe('blocks', () => {
  test(`end the same on both engines, with and without the lane of plain transfers, SEED=${seed}`, async () => {
    const kinds = { full: 0, refused: 0 }
    for (let i = 0; i < 100; i++) {
      const block = drawBlock(seed + i, common)
      expect(await compareBlock(fast, reference, block), `SEED=${seed + i}`).toBeNull()
      const { ran } = await runBlockCase(fast, 'on', block)
      if (ran > 5) kinds.full++
      if (ran < block.txs.length) kinds.refused++
    }
    expect(Math.min(...Object.values(kinds)), JSON.stringify(kinds)).toBeGreaterThan(10)
  })

  test('show it when refunds are lost', async () => {
    const engine = WRONG[2] as Engine
    const differences: (string | null)[] = []
    for (let n = 1; n <= 10; n++) differences.push(await compareBlock(engine, reference, drawBlock(n, common)))
    expect(differences.some((each) => each !== null)).toBe(true)
  })
})

test('a chain that the fast engine made is the same when the reference runs it again', async () => {
  const kv = createMemoryKv()
  const { chain, seal } = await openMemoryChain({ kv, evm: 'fast' })
  const wallets = developmentAccounts(4).map(({ privateKey }) => new Wallet(privateKey))
  const dice = createDice(seed)
  const nonces = wallets.map(() => 0)
  const send = async (i: number, tx: object): Promise<void> => {
    const signed = { type: 2, chainId: CHAIN_ID, nonce: nonces[i] ?? 0, gasLimit: 3_000_000, value: 0n, ...tx }
    const raw = await (wallets[i] as Wallet).signTransaction({ ...signed, ...PRICES })
    await chain.submit(hexToBytes(raw), 'local')
    nonces[i] = (nonces[i] ?? 0) + 1
  }
  const holder = asAddress(hexToBytes(wallets[0]?.address ?? ''))
  await send(0, { to: null, data: bytesToHex(tokenCode(holder)) })
  await seal()
  const token = chain.receipts(1)?.[0]?.created
  for (let height = 2; height < 8; height++) {
    for (const [i, { address }] of wallets.entries()) {
      if (dice.chance(0.5)) await send(i, { to: address, value: 5n, gasLimit: 21_000 })
      await send(i, { to: token && bytesToHex(token), data: bytesToHex(transferData(COINBASE, BigInt(height))) })
      await send(i, { to: null, data: bytesToHex(assemble(drawProgram(dice.below(1_000_000)))) })
    }
    await seal()
  }
  const told = await reexecute(kv, genesis, { from: null, to: null }, () => {})
  expect(told.txs).toBeGreaterThan(40)
  expect(chain.receipts(2)?.some(({ status, logs }) => status === 1 && logs.length > 0)).toBe(true)
})
const PRICES = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 1n }
