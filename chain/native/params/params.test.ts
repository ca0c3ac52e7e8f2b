import { expect, test } from 'vitest'
import { account, createWorld } from '../../../test/kit/native.ts'
import { bytesToHex, type Hex } from '../../base/bytes.ts'
import { natives } from '../index.ts'
import type { AbiFunction, Positional } from '../kit/abi.ts'
import { decodeValues, encodeCall, encodeError } from '../kit/abi.ts'
import { abi } from './abi.ts'
import { values } from './values.ts'

const AT: Hex = '0x0000000000000000000000000000000000000803'
const [GOVERNANCE, GUARDIAN, STRANGER] = [1, 2, 3]
const hexOf = (n: number): Hex => bytesToHex(account(n))
const section = { governance: hexOf(GOVERNANCE), guardian: hexOf(GUARDIAN) }
const open = (more: object = {}) => {
  const world = createWorld(natives, { params: { ...section, ...more } })
  type Fns = typeof abi.functions
  const send = <K extends keyof Fns & string>(from: number, name: K, ...args: Positional<Fns[K]['inputs']>) =>
    world.send(from, AT, encodeCall(abi.functions[name] as AbiFunction, args as never))
  const read = async <K extends keyof Fns & string>(name: K, ...args: Positional<Fns[K]['inputs']>) => {
    const { output, status } = await send(9, name, ...args)
    expect(status).toBe('success')
    return decodeValues<Fns[K]['outputs']>(abi.functions[name].outputs, output)
  }
  return { ...world, send, read }
}
const DAY = 86_400n
const NAME = 'slashing.jailTime'

test('every number starts as the table says, or as genesis does', async () => {
  const { read } = open({ values: { [NAME]: '0x20' } })
  const [names] = await read('names')
  expect(names).toEqual(Object.keys(values).filter((name) => values[name]?.since === undefined))
  for (const name of names) expect(await read('get', name)).toEqual([name === NAME ? 32n : values[name]?.initial])
  expect(await read('describe', NAME)).toEqual(['seconds', 1n, 30n * DAY, values[NAME]?.meaning])
  expect(await read('epoch')).toEqual([0n, 10n])
})

test('every initial value is inside its own bounds', () => {
  for (const { initial, minimum, maximum } of Object.values(values))
    expect(initial >= minimum && initial <= maximum).toBe(true)
})

test('a new value waits for the epoch, and the last one set wins', async () => {
  const { send, read, go } = open()
  const first = await send(GOVERNANCE, 'set', NAME, 100n)
  expect(first.logs).toHaveLength(1)
  await send(GOVERNANCE, 'set', NAME, 200n)
  expect([await read('get', NAME), await read('scheduled', NAME)]).toEqual([[600n], [200n, 1n]])
  go({ number: 10 })
  expect(await read('get', NAME)).toEqual([600n]) // the last block of epoch 0
  go({ number: 11 })
  expect([await read('get', NAME), await read('scheduled', NAME)]).toEqual([[200n], [0n, 0n]])
  await send(GOVERNANCE, 'set', NAME, 300n)
  expect([await read('get', NAME), await read('scheduled', NAME)]).toEqual([[200n], [300n, 2n]])
  go({ number: 1_000 })
  expect(await read('get', NAME)).toEqual([300n])
})

test('governance is handed over in two steps', async () => {
  const { send, read } = open()
  await send(GOVERNANCE, 'proposeGovernance', account(4))
  expect((await send(STRANGER, 'acceptGovernance')).status).toBe('revert')
  expect(await read('governance')).toEqual([account(GOVERNANCE)])
  expect((await send(4, 'acceptGovernance')).logs).toHaveLength(1)
  expect(await read('governance')).toEqual([account(4)])
  expect((await send(GOVERNANCE, 'set', NAME, 5n)).status).toBe('revert')
  expect((await send(4, 'acceptGovernance')).status).toBe('revert') // only once
})

test('the guardian pauses for a while, then must let it run; governance need not wait', async () => {
  const { send, read, go } = open()
  expect((await send(GUARDIAN, 'pause', 'bridge', 3n * DAY, 'odd withdrawals')).status).toBe('success')
  expect(await read('pausedUntil', 'bridge')).toEqual([1_000_000n + 3n * DAY])
  go({ time: 1_000_000 + 3 * 86_400 })
  expect(await read('pausedUntil', 'bridge')).toEqual([0n])
  const early = await send(GUARDIAN, 'pause', 'bridge', 1n, '')
  const from = 1_000_000n + 6n * DAY
  expect(bytesToHex(early.output)).toBe(bytesToHex(encodeError(abi.errors.CoolingDown, { scope: 'bridge', from })))
  expect((await send(GOVERNANCE, 'pause', 'bridge', 60n, '')).status).toBe('success')
  expect((await send(GUARDIAN, 'unpause', 'bridge')).logs).toHaveLength(1)
  expect(await read('pausedUntil', 'bridge')).toEqual([0n])
  go({ time: 1_000_000 + 8 * 86_400 })
  expect((await send(GUARDIAN, 'pause', 'bridge', 1n, '')).status).toBe('success')
})

// In order of precedence: who may, then what exists, then what fits.
test.each<readonly [string, number, keyof typeof abi.functions, readonly unknown[], keyof typeof abi.errors, object]>([
  ['set by a stranger', STRANGER, 'set', ['nothing', 0n], 'NotGovernance', { caller: account(STRANGER) }],
  ['set by the guardian', GUARDIAN, 'set', [NAME, 5n], 'NotGovernance', { caller: account(GUARDIAN) }],
  ['an unknown name', GOVERNANCE, 'set', ['nothing', 0n], 'UnknownName', { name: 'nothing' }],
  ['a name of Object', GOVERNANCE, 'get', ['constructor'], 'UnknownName', { name: 'constructor' }],
  [
    'too small',
    GOVERNANCE,
    'set',
    [NAME, 0n],
    'OutOfBounds',
    { name: NAME, given: 0n, minimum: 1n, maximum: 30n * DAY },
  ],
  [
    'too large',
    GOVERNANCE,
    'set',
    [NAME, 2n ** 255n],
    'OutOfBounds',
    { name: NAME, given: 2n ** 255n, minimum: 1n, maximum: 30n * DAY },
  ],
  ['a stranger proposes', STRANGER, 'proposeGovernance', [account(3)], 'NotGovernance', { caller: account(3) }],
  ['nobody was proposed', STRANGER, 'acceptGovernance', [], 'NotProposed', { caller: account(3) }],
  ['a stranger names a guardian', STRANGER, 'setGuardian', [account(3)], 'NotGovernance', { caller: account(3) }],
  ['a stranger pauses', STRANGER, 'pause', ['nowhere', 0n, ''], 'NotGuardian', { caller: account(3) }],
  ['an unknown scope', GUARDIAN, 'pause', ['params', 1n, ''], 'UnknownScope', { scope: 'params' }],
  ['a pause of no time', GUARDIAN, 'pause', ['did', 0n, ''], 'BadDuration', { given: 0n, maximum: 3n * DAY }],
  [
    'a pause too long',
    GUARDIAN,
    'pause',
    ['did', 3n * DAY + 1n, ''],
    'BadDuration',
    { given: 3n * DAY + 1n, maximum: 3n * DAY },
  ],
  ['a long reason', GUARDIAN, 'pause', ['did', 1n, 'x'.repeat(257)], 'ReasonTooLong', { given: 257n, maximum: 256n }],
  ['nothing to end', GUARDIAN, 'unpause', ['did'], 'NotPaused', { scope: 'did' }],
  ['a stranger ends a pause', STRANGER, 'unpause', ['did'], 'NotGuardian', { caller: account(3) }],
])('%s', async (_, from, name, args, error, data) => {
  const { send } = open()
  const answer = await send(from, name, ...(args as never))
  expect(answer.status).toBe('revert')
  expect(bytesToHex(answer.output)).toBe(bytesToHex(encodeError(abi.errors[error], data as never)))
})

test.each<readonly [string, unknown, RegExp]>([
  ['no section', undefined, /modules\.params: .*expected object/],
  ['no governance', { guardian: hexOf(2) }, /params\.governance/],
  ['nobody governs', { ...section, governance: hexOf(0) }, /params\.governance: somebody/],
  ['an unknown number', { ...section, values: { speed: '1' } }, /params\.values\.speed: there is no such number/],
  ['a number out of bounds', { ...section, values: { [NAME]: '0' } }, /jailTime: 0 is outside 1 to 2592000/],
  ['a fraction', { ...section, values: { [NAME]: '1.5' } }, /jailTime: expected a 0x quantity/],
  ['a strange key', { ...section, owner: 1 }, /params: .*owner/],
])('genesis: %s', (_, given, reason) => {
  expect(() => createWorld(natives, { params: given })).toThrow(reason)
})
