// The canary of the EVM library (what a native learns of its call) and the kit's policy, on a module made for it.
import { readFileSync } from 'node:fs'
import { Interface } from 'ethers'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { abiOf, compile } from '../../../contracts/build.ts'
import { account, createWorld } from '../../../test/kit/native.ts'
import { type Address, asAddress, bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import type { NativeRow } from '../index.ts'
import { natives } from '../index.ts'
import { params } from '../params/module.ts'
import { type Abi, type AbiFunction, encodeCall, type Positional } from './abi.ts'
import { defineModule } from './module.ts'
import { defineLayout, slot, uint } from './slots.ts'

const SOURCE = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
interface IProbe {
  event Seen(address indexed caller, uint256 value, string note);
  error TooMuch(uint256 given);
  function set(uint256 value, string calldata note) external;
  function release(uint256 value) external;
  function pay() external payable;
  function get() external view returns (uint256 value);
  function who() external view returns (address caller, uint256 governed);
  function burn(uint256 gas) external pure;
}`
// What the generator makes of it, as it would stand in a module's abi.ts.
const abi = {
  functions: {
    burn: {
      selector: '0x42966c68',
      source: 'function burn(uint256 gas) pure',
      mutability: 'pure',
      inputs: [['gas', 'uint256']],
      outputs: [],
    },
    get: {
      selector: '0x6d4ce63c',
      source: 'function get() view returns (uint256 value)',
      mutability: 'view',
      inputs: [],
      outputs: [['value', 'uint256']],
    },
    pay: { selector: '0x1b9265b8', source: 'function pay() payable', mutability: 'payable', inputs: [], outputs: [] },
    release: {
      selector: '0x37bdc99b',
      source: 'function release(uint256 value)',
      mutability: 'nonpayable',
      inputs: [['value', 'uint256']],
      outputs: [],
    },
    set: {
      selector: '0x64371977',
      source: 'function set(uint256 value, string note)',
      mutability: 'nonpayable',
      inputs: [
        ['value', 'uint256'],
        ['note', 'string'],
      ],
      outputs: [],
    },
    who: {
      selector: '0xd6d21dfd',
      source: 'function who() view returns (address caller, uint256 governed)',
      mutability: 'view',
      inputs: [],
      outputs: [
        ['caller', 'address'],
        ['governed', 'uint256'],
      ],
    },
  },
  events: {
    Seen: {
      topic: '0xb0b2aba06cf05751a2d031fe47b3822d78d28a7a4833647d6d5d693cb97d84d6',
      source: 'event Seen(address indexed caller, uint256 value, string note)',
      indexed: [['caller', 'address']],
      plain: [
        ['value', 'uint256'],
        ['note', 'string'],
      ],
    },
  },
  errors: {
    TooMuch: { selector: '0xe0f0d3cc', source: 'error TooMuch(uint256 given)', inputs: [['given', 'uint256']] },
  },
} as const satisfies Abi
const layout = defineLayout({ stored: slot(0, uint(256)) })
const AT = '0x00000000000000000000000000000000000008aa'

const probe = defineModule({
  name: 'did',
  abi,
  layout,
  handlers: {
    set: {
      gas: 1_000,
      run({ store, emit, revert, caller, value }, [given, note]) {
        if (given > 1_000n) revert('TooMuch', { given })
        store.stored.set(given)
        emit('Seen', { caller, value, note })
      },
    },
    release: { gas: 1_000, unpausable: true, run: ({ store }, [given]) => store.stored.set(given) },
    pay: { gas: 500, run: ({ emit, caller, value }) => emit('Seen', { caller, value, note: '' }) },
    get: { gas: 100, run: ({ store }) => store.stored.get() },
    who: { gas: 100, run: ({ caller, read }) => ({ caller, governed: read(params, 'get', ['slashing.jailTime']) }) },
    burn: { gas: 100, run: ({ charge }, [gas]) => charge(Number(gas)) },
  },
  genesis: { schema: z.strictObject({}).default({}), seed: () => {} },
})
const rows: readonly NativeRow[] = [
  ...natives,
  { at: AT, module: probe as unknown as NativeRow['module'], from: 0, callers: 'all' },
]
const sections = { params: { governance: bytesToHex(account(1)), guardian: bytesToHex(account(2)) } }
type Fns = typeof abi.functions
const call = <K extends keyof Fns>(name: K, ...args: Positional<Fns[K]['inputs']>): Uint8Array =>
  encodeCall<AbiFunction>(abi.functions[name], args as never) // checked by this signature

const callerSource = readFileSync(new URL('../../../contracts/test/NativeCaller.sol', import.meta.url), 'utf8')
const callerCode = compile('NativeCaller.sol', callerSource).NativeCaller
const callerAbi = new Interface(JSON.parse(JSON.stringify(callerCode?.abi)))

const open = async (table = rows) => {
  const world = createWorld(table, sections)
  const { created } = await world.send(1, null, hexToBytes(`0x${callerCode?.bytecode}`))
  const contract = created as Address
  const through = async (name: string, data: Uint8Array, ...rest: unknown[]) => {
    const input = hexToBytes(callerAbi.encodeFunctionData(name, [AT, data, ...rest]))
    const answer = await world.send(1, bytesToHex(contract), input)
    const decoded = answer.status === 'success' ? callerAbi.decodeFunctionResult(name, answer.output) : null
    return { ...answer, ok: decoded?.[0] as boolean | undefined, inner: decoded?.[1] as Hex | undefined }
  }
  const stored = async () => BigInt(bytesToHex((await world.send(9, AT, call('get'))).output))
  return { world, contract, through, stored }
}
const words = (hex: Uint8Array | Hex): string => Buffer.from(typeof hex === 'string' ? hexToBytes(hex) : hex).toString()

test('the generator reads the interface so', () => {
  expect(abiOf(compile('IProbe.sol', SOURCE).IProbe?.abi ?? [])).toEqual(abi)
})

test('CALL: the contract is the caller, writes and logs stay', async () => {
  const { through, contract, stored } = await open()
  const answer = await through('viaCall', call('set', 5n, 'hi'))
  expect(answer.ok).toBe(true)
  expect(await stored()).toBe(5n)
  expect(answer.logs.map((log) => [bytesToHex(log.address), bytesToHex(log.topics[1] as Uint8Array)])).toEqual([
    [AT, `0x${'00'.repeat(12)}${bytesToHex(contract).slice(2)}`],
  ])
})

test.each(['viaStatic', 'viaStaticThenCall'])('%s: reading works, writing is refused in words', async (name) => {
  const { through, stored } = await open()
  expect((await through(name, call('get'))).ok).toBe(true)
  const refused = await through(name, call('set', 5n, ''))
  expect(refused.ok).toBe(false)
  expect(words(refused.inner as Hex)).toContain('did.set writes, and this call is static')
  expect(await stored()).toBe(0n)
})

test.each(['viaDelegate', 'viaCallcode'])('%s: refused, and nothing lands in the caller’s storage', async (name) => {
  const { through, world, contract } = await open()
  for (const data of [call('set', 5n, ''), call('get')]) {
    const refused = await through(name, data)
    expect(refused.ok).toBe(false)
    expect(words(refused.inner as Hex)).toContain('DELEGATECALL and CALLCODE are refused')
  }
  expect(world.state.loadSlot(world.state.load(contract), 0n).value).toBe(0n)
})

test('what a caller that reverts had written goes with it, logs too', async () => {
  const { through, stored } = await open()
  const answer = await through('viaCallThenRevert', call('set', 5n, 'x'))
  expect([answer.status, words(answer.output)]).toEqual(['revert', expect.stringContaining('undone')])
  expect(answer.logs).toEqual([])
  expect(await stored()).toBe(0n)
})

test('a revert keeps the rest of the gas, running out takes what was given', async () => {
  const { through } = await open()
  const spent = async (data: Uint8Array, gas: bigint) => {
    const answer = await through('viaCallWithGas', data, gas)
    return { ok: answer.ok, spent: Number(answer.inner) }
  }
  expect(await spent(call('set', 2_000n, ''), 200_000n)).toMatchObject({
    ok: false,
    spent: expect.toSatisfy((n) => n < 10_000),
  })
  const starved = await spent(call('burn', 500_000n), 200_000n)
  expect(starved.ok).toBe(false)
  expect(starved.spent).toBeGreaterThan(200_000)
})

test('value: kept where the function is payable, given back where it is not', async () => {
  const { world } = await open()
  const paid = await world.send(3, AT, call('pay'), { value: 7n })
  expect(paid.status).toBe('success')
  expect(world.state.load(asAddress(hexToBytes(AT))).balance).toBe(7n)
  const refused = await world.send(3, AT, call('set', 1n, ''), { value: 7n })
  expect([refused.status, words(refused.output)]).toEqual(['revert', expect.stringContaining('did.set is not payable')])
  expect((await world.send(3, AT, new Uint8Array(0), { value: 7n })).status).toBe('revert')
  expect(world.state.load(asAddress(hexToBytes(AT))).balance).toBe(7n)
  expect(world.state.load(account(3)).balance).toBe(10n ** 24n - 7n)
})

test('garbage: unknown selectors, half a selector, short and hostile arguments', async () => {
  const { world } = await open()
  const cases: readonly (readonly [Uint8Array, string])[] = [
    [new Uint8Array(0), 'it takes no plain transfers'],
    [hexToBytes('0x1234'), 'no function has selector 0x1234'],
    [hexToBytes('0xdeadbeef00'), 'no function has selector 0xdeadbeef'],
    [call('set', 1n, 'x').slice(0, 40), 'malformed ABI data'],
    [hexToBytes(`${bytesToHex(call('release', 1n)).slice(0, 10)}`), 'ends at byte 0'],
  ]
  for (const [input, reason] of cases) {
    const answer = await world.send(3, AT, input)
    expect([answer.status, words(answer.output)]).toEqual(['revert', expect.stringContaining(reason)])
  }
})

test('a custom error carries its arguments', async () => {
  const { world } = await open()
  const { output } = await world.send(3, AT, call('set', 1_001n, ''))
  expect(bytesToHex(output)).toBe(`${abi.errors.TooMuch.selector}${1_001n.toString(16).padStart(64, '0')}`)
})

test('a view reads another module, and pays for it', async () => {
  const { world } = await open()
  const answer = await world.send(4, AT, call('who'))
  expect(bytesToHex(answer.output)).toBe(`0x${'0'.repeat(63)}4${600n.toString(16).padStart(64, '0')}`)
  expect(answer.gasUsed).toBeGreaterThan(4_200n)
})

test('storage costs what SSTORE costs, and clearing refunds', async () => {
  const { world } = await open()
  const used = async (value: bigint) => (await world.send(3, AT, call('release', value))).gasUsed
  const fresh = await used(1n)
  const again = await used(2n)
  const same = await used(2n)
  expect([fresh - again, again - same]).toEqual([17_100n, 2_800n])
  world.state.begin()
  const mark = world.state.refund()
  expect(mark).toBe(0n)
})

test('a paused scope refuses at the door, but for what must always work', async () => {
  const { world, stored } = await open()
  const pause = encodeCall(params.abi.functions.pause, ['did', 3_600n, 'drill'])
  expect((await world.send(2, natives[0]?.at as Hex, pause)).status).toBe('success')
  const refused = await world.send(3, AT, call('set', 1n, ''))
  expect([refused.status, words(refused.output)]).toEqual([
    'revert',
    expect.stringContaining('did is paused until 1003600'),
  ])
  expect((await world.send(3, AT, call('release', 9n))).status).toBe('success')
  expect(await stored()).toBe(9n)
  world.go({ time: 1_003_600 })
  expect((await world.send(3, AT, call('set', 1n, ''))).status).toBe('success')
})

test('a module for accounts alone refuses contracts', async () => {
  const { world, through } = await open(rows.map((each) => (each.at === AT ? { ...each, callers: 'accounts' } : each)))
  expect((await world.send(3, AT, call('set', 1n, ''))).status).toBe('success')
  const refused = await through('viaCall', call('get'))
  expect(words(refused.inner as Hex)).toContain('contracts may not call this module')
})

test('a module answers from its height on', async () => {
  const { world } = await open(rows.map((each) => (each.at === AT ? { ...each, from: 50 } : each)))
  expect((await world.send(3, AT, call('get'))).status).toBe('revert') // the stub
  world.go({ number: 50 })
  expect((await world.send(3, AT, call('get'))).status).toBe('success')
})

test.each(natives.map((each) => [each.module.name, each.at] as const))(
  '%s has code that reverts and survives',
  async (_, at) => {
    const { world, contract } = await open()
    const input = hexToBytes(callerAbi.encodeFunctionData('sizeOf', [at]))
    expect(BigInt(bytesToHex((await world.send(1, bytesToHex(contract), input)).output))).toBe(5n)
    await world.send(1, at, new Uint8Array(0)) // touches it, which would delete an empty account
    expect(bytesToHex(world.state.codeOf(world.state.load(asAddress(hexToBytes(at)))).bytes)).toBe('0x60006000fd')
  },
)
