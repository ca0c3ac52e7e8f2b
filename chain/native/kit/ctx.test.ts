// What a module's code works with: its account's wei, other modules, block hooks.
import { expect, test } from 'vitest'
import { z } from 'zod'
import { account, blockHashOf, createWorld } from '../../../test/kit/native.ts'
import { asAddress, bytesToBigint, bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import { NodeError } from '../../base/errors.ts'
import type { Log } from '../../types/receipt.ts'
import type { NativeRow } from '../index.ts'
import { type Abi, type AbiParam, encodeCall } from './abi.ts'
import { type Ctx, defineModule, type Module } from './module.ts'
import { defineLayout, type Layout, slot, uint } from './slots.ts'

const write = <const I extends readonly AbiParam[]>(selector: Hex, name: string, inputs: I) =>
  ({ selector, mutability: 'payable', inputs, outputs: [], source: `function ${name}` }) as const
const noted = {
  topic: `0x${'ab'.repeat(32)}`,
  source: 'event Noted(uint256 value)',
  indexed: [],
  plain: [['value', 'uint256']],
} as const
const layout = defineLayout({ count: slot(0, uint(256)), block: slot(1, uint(64)) })
const abi = {
  functions: {
    pay: write('0x00000001', 'pay', [
      ['to', 'address'],
      ['wei', 'uint256'],
    ]),
    mint: write('0x00000002', 'mint', [['wei', 'uint256']]),
    burn: write('0x00000003', 'burn', [['wei', 'uint256']]),
    cross: write('0x00000004', 'cross', [['value', 'uint256']]),
    hold: write('0x00000005', 'hold', []),
  },
  events: { Noted: noted },
  errors: {},
} satisfies Abi

type ProbeCtx = Ctx<typeof abi, typeof layout>
const [LEFT, RIGHT]: [Hex, Hex] = [`0x${'00'.repeat(18)}0aaa`, `0x${'00'.repeat(18)}0bbb`]
const NO_MONEY = 7_777n

const probe = (name: string, others: () => Module<typeof abi, typeof layout>) => {
  const note = (ctx: ProbeCtx, value: bigint): void => ctx.emit('Noted', { value })
  return defineModule({
    name,
    abi,
    layout,
    handlers: {
      pay: { gas: 0, run: (call, [to, wei]) => call.pay(to, wei) },
      mint: { gas: 0, run: (call, [wei]) => call.mint(wei) },
      burn: { gas: 0, run: (call, [wei]) => call.burn(wei) },
      cross: {
        gas: 0,
        run(call, [value]) {
          const other = call.within(others())
          other.store.count.set(value)
          other.words.set(9n, value + 1n)
          other.mint(value)
          note(other, value)
          note(call, other.balance())
        },
      },
      hold: { gas: 0, run: (call) => note(call, call.balance()) },
    },
    hooks: {
      begin(ctx) {
        ctx.store.block.set(BigInt(ctx.block.number))
        note(ctx, BigInt(ctx.block.number))
      },
      end(ctx) {
        if (ctx.store.count.get() === NO_MONEY) ctx.burn(ctx.balance() + 1n)
        ctx.mint(1n)
        ctx.words.set(8n, bytesToBigint(ctx.block.blockHash(ctx.block.number - 1)))
        note(ctx, 1_000n + BigInt(ctx.block.number))
      },
    },
    genesis: { schema: z.strictObject({}).default({}), seed: (ctx) => ctx.mint(100n) },
  })
}
const left: Module<typeof abi, typeof layout> = probe('left', () => right)
const right: Module<typeof abi, typeof layout> = probe('right', () => left)
const row = (at: Hex, module: Module<typeof abi, typeof layout>): NativeRow => ({
  ...{ at, from: 0, callers: 'all' },
  module: module as unknown as Module<Abi, Layout>, // only the kit calls its handlers
})
const open = () => {
  const world = createWorld([row(LEFT, left), row(RIGHT, right)], {})
  const load = (at: Hex) => world.state.load(asAddress(hexToBytes(at)))
  return {
    ...world,
    call: (name: keyof typeof abi.functions, args: readonly unknown[], value = 0n) =>
      world.send(1, LEFT, encodeCall(abi.functions[name], args as never), { value }),
    wei: (at: Hex) => load(at).balance,
    word: (at: Hex, key: bigint) => world.state.loadSlot(load(at), key).value,
  }
}
const notes = (logs: readonly Log[]) => logs.map(({ address, data }) => [bytesToHex(address), bytesToBigint(data)])

test('wei are made, destroyed and paid, and what came with a call is among them', async () => {
  const { call, wei, state } = open()
  expect(wei(LEFT)).toBe(100n) // made at genesis
  await call('mint', [50n])
  await call('burn', [30n])
  expect(wei(LEFT)).toBe(120n)
  expect(notes((await call('hold', [], 5n)).logs)).toEqual([[LEFT, 125n]])
  const stranger = account(0x1234)
  expect((await call('pay', [stranger, 25n])).status).toBe('success')
  expect([wei(LEFT), state.load(stranger).balance]).toEqual([100n, 25n])
  await call('pay', [asAddress(hexToBytes(LEFT)), 40n]) // to itself
  expect(wei(LEFT)).toBe(100n)
})

test('a payment costs what a call that moves wei does: the account cold, and new where it is', async () => {
  const { call } = open()
  const used = async (to: number, wei = 1n) => (await call('pay', [account(to), wei])).gasUsed
  const fresh = await used(0x5000)
  const again = await used(0x5000)
  expect(fresh - again).toBe(25_000n)
  expect(again).toBe(await used(2))
  expect(again).toBeGreaterThan(2_600n + 9_000n)
})

test('a module gives away nothing that it has not: that is our own fault, and no refusal', async () => {
  const { call } = open()
  await expect(call('burn', [101n])).rejects.toThrow(/left has the wei that it gives away/)
})

test('within another module: its storage and account, its address in logs, on this call’s gas, undone with it', async () => {
  const { call, wei, word, send } = open()
  const done = await call('cross', [5n])
  expect(notes(done.logs)).toEqual([
    [RIGHT, 5n],
    [LEFT, 105n],
  ])
  expect([word(RIGHT, 0n), word(RIGHT, 9n), word(LEFT, 0n), wei(RIGHT), wei(LEFT)]).toEqual([5n, 6n, 0n, 105n, 100n])
  expect(done.gasUsed).toBeGreaterThan(2n * 22_100n)
  const starved = await send(1, LEFT, encodeCall(abi.functions.cross, [8n] as never), { gas: 11_500n }) // for both slots, and one log
  expect([starved.status, starved.logs, word(RIGHT, 0n), wei(RIGHT)]).toEqual(['fault', [], 5n, 105n])
})

test('hooks run in the order of the table, see their block, and pay nothing', () => {
  const { next, word, wei } = open()
  expect(notes(next())).toEqual([
    [LEFT, 1_001n],
    [RIGHT, 1_001n],
    [LEFT, 2n],
    [RIGHT, 2n],
  ])
  expect([word(LEFT, 1n), word(RIGHT, 1n), wei(LEFT)]).toEqual([2n, 2n, 101n])
  next()
  expect(word(LEFT, 8n)).toBe(bytesToBigint(blockHashOf(1)))
})

test('a hook that fails stops the chain', async () => {
  const { call, next } = open()
  await call('cross', [NO_MONEY])
  expect(() => next()).toThrow(NodeError)
})

test('a module has no hooks before its height', () => {
  const world = createWorld([{ ...row(LEFT, left), from: 3 }], {})
  expect(notes(world.next())).toEqual([])
  expect(notes(world.next())).toEqual([[LEFT, 3n]])
})
