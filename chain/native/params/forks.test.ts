// The schedule of forks as governance keeps it, the second version of the module, and what a genesis says of forks.
import { expect, test } from 'vitest'
import { account, createWorld } from '../../../test/kit/native.ts'
import { bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import type { Genesis } from '../../types/genesis.ts'
import { natives } from '../index.ts'
import type { AbiFunction, Positional } from '../kit/abi.ts'
import { decodeNamed, decodeValues, encodeCall, encodeError } from '../kit/abi.ts'
import { abi } from './abi.ts'
import { FORKS_MAX } from './forks.ts'
import { values } from './values.ts'

const AT: Hex = '0x0000000000000000000000000000000000000803'
const [GOVERNANCE, GUARDIAN, STRANGER] = [1, 2, 3]
const open = (forks?: Genesis['forks']) => {
  const section = { governance: bytesToHex(account(GOVERNANCE)), guardian: bytesToHex(account(GUARDIAN)) }
  const world = createWorld(natives, { params: section }, { forks })
  type Fns = typeof abi.functions
  const send = <K extends keyof Fns & string>(from: number, name: K, ...args: Positional<Fns[K]['inputs']>) =>
    world.send(from, AT, encodeCall(abi.functions[name] as AbiFunction, args as never))
  const read = async <K extends keyof Fns & string>(name: K, ...args: Positional<Fns[K]['inputs']>) => {
    const { output, status } = await send(9, name, ...args)
    expect(status).toBe('success')
    return decodeValues<Fns[K]['outputs']>(abi.functions[name].outputs, output)
  }
  const forksNow = async () => (await read('forks'))[0].map(({ name, epoch }) => `${name}@${epoch}`)
  return { ...world, raw: world.send, send, read, forksNow }
}
/** Epochs of 10 blocks. */
const firstOf = (epoch: number): { number: number } => ({ number: epoch * 10 + 1 })

test('a network without a word of forks has Osaka from genesis, and not a word in state', async () => {
  const { state, forksNow } = open()
  expect(await forksNow()).toEqual(['osaka@0'])
  for (const slot of [6n, 7n]) expect(state.slot(account(0x803), slot)).toBe(0n)
})

test('governance schedules, moves by taking back, and what holds stays', async () => {
  const { send, go, forksNow } = open({ osaka: null })
  expect(await forksNow()).toEqual([])
  const { logs, status } = await send(GOVERNANCE, 'scheduleFork', 'osaka', 2n, '0.1.0')
  expect([status, logs.length]).toEqual(['success', 1])
  await send(GOVERNANCE, 'scheduleFork', 'later', 9n, '9.9.9')
  await send(GOVERNANCE, 'scheduleFork', 'params-2', 3n, '0.1.0')
  expect(await forksNow()).toEqual(['osaka@2', 'params-2@3', 'later@9'])
  expect((await send(GOVERNANCE, 'cancelFork', 'osaka')).status).toBe('success')
  expect(await forksNow()).toEqual(['params-2@3', 'later@9'])
  await send(GOVERNANCE, 'scheduleFork', 'osaka', 4n, '0.1.0')
  go({ number: 30 }) // the last block of epoch 2
  expect((await send(GOVERNANCE, 'cancelFork', 'params-2')).status).toBe('success')
  await send(GOVERNANCE, 'scheduleFork', 'params-2', 4n, '0.1.0')
  go(firstOf(4))
  expect((await send(GOVERNANCE, 'cancelFork', 'params-2')).status).toBe('revert')
  expect(await forksNow()).toEqual(['osaka@4', 'params-2@4', 'later@9'])
})

// In order of precedence: who may, then what it is called, then when.
test.each<readonly [string, number, keyof typeof abi.functions, readonly unknown[], keyof typeof abi.errors, object]>([
  ['a stranger plans', STRANGER, 'scheduleFork', ['x', 9n, '1'], 'NotGovernance', { caller: account(STRANGER) }],
  ['the guardian plans', GUARDIAN, 'scheduleFork', ['x', 9n, '1'], 'NotGovernance', { caller: account(GUARDIAN) }],
  ['no name', GOVERNANCE, 'scheduleFork', ['', 0n, ''], 'BadForkName', { name: '' }],
  ['a long name', GOVERNANCE, 'scheduleFork', ['x'.repeat(32), 9n, '1'], 'BadForkName', { name: 'x'.repeat(32) }],
  ['a name of two words', GOVERNANCE, 'scheduleFork', ['a b', 9n, '1'], 'BadForkName', { name: 'a b' }],
  ['no version', GOVERNANCE, 'scheduleFork', ['x', 9n, ''], 'BadVersion', { version: '' }],
  ['a strange version', GOVERNANCE, 'scheduleFork', ['x', 9n, '1\n2'], 'BadVersion', { version: '1\n2' }],
  ...[0n, 4n, 5n, 6n].map(
    (epoch) =>
      [
        ...[`epoch ${epoch}, in epoch 5`, GOVERNANCE, 'scheduleFork', ['x', epoch, '1'], 'BadForkEpoch'],
        { name: 'x', given: epoch, minimum: 7n, maximum: 2n ** 32n - 1n },
      ] as never,
  ),
  [
    ...(['too far', GOVERNANCE, 'scheduleFork', ['x', 2n ** 32n, '1'], 'BadForkEpoch'] as const),
    { name: 'x', given: 2n ** 32n, minimum: 7n, maximum: 2n ** 32n - 1n },
  ],
  ['what holds', GOVERNANCE, 'scheduleFork', ['osaka', 9n, '1'], 'ForkExists', { name: 'osaka', epoch: 0n }],
  ['twice', GOVERNANCE, 'scheduleFork', ['planned', 9n, '1'], 'ForkExists', { name: 'planned', epoch: 8n }],
  ['a stranger cancels', STRANGER, 'cancelFork', ['planned'], 'NotGovernance', { caller: account(STRANGER) }],
  ['nothing to cancel', GOVERNANCE, 'cancelFork', ['x'], 'NoSuchFork', { name: 'x' }],
  ['to cancel what holds', GOVERNANCE, 'cancelFork', ['osaka'], 'ForkHolds', { name: 'osaka', epoch: 0n }],
])('refused: %s', async (_, from, name, args, error, data) => {
  const { send, go } = open()
  await send(GOVERNANCE, 'scheduleFork', 'planned', 8n, '1')
  go(firstOf(5))
  const answer = await send(from, name, ...(args as never))
  expect(answer.status).toBe('revert')
  expect(bytesToHex(answer.output)).toBe(bytesToHex(encodeError(abi.errors[error], data as never)))
})

test('there is an end to forks', async () => {
  const { send } = open()
  for (let i = 1; i < FORKS_MAX; i++)
    expect((await send(GOVERNANCE, 'scheduleFork', `f${i}`, 9n, '1')).status).toBe('success')
  const last = await send(GOVERNANCE, 'scheduleFork', 'one-more', 9n, '1')
  expect(decodeNamed(abi.errors.TooManyForks.inputs, last.output.subarray(4))).toEqual({ maximum: BigInt(FORKS_MAX) })
})

test('before its fork a function is as unknown as one that nobody wrote, gas included', async () => {
  const { send, raw } = open({ 'params-2': 2 })
  const data = encodeCall(abi.functions.setAll as AbiFunction, [[], []] as never)
  const nonsense = data.slice()
  nonsense.set(hexToBytes('0xdeadbeef'))
  const [known, unknown] = [await raw(GOVERNANCE, AT, data), await raw(GOVERNANCE, AT, nonsense)]
  expect([known.status, known.gasUsed]).toEqual(['revert', unknown.gasUsed])
  expect((await send(GOVERNANCE, 'get', 'governance.notice')).status).toBe('revert')
})

test('params-2: several numbers at once or none, so many epochs ahead as governance.notice says', async () => {
  const { send, read, go } = open({ 'params-2': 1 })
  go(firstOf(1))
  expect((await read('names'))[0]).toEqual(Object.keys(values))
  expect(await read('get', 'governance.notice')).toEqual([1n]) // nobody has written it
  const names = ['governance.notice', 'slashing.jailTime']
  expect((await send(GOVERNANCE, 'setAll', names, [3n, 100n])).logs).toHaveLength(2)
  expect((await send(GOVERNANCE, 'setAll', names, [4n, 0n])).status).toBe('revert') // jailTime is at least 1
  expect(await read('scheduled', 'governance.notice')).toEqual([3n, 2n])
  const odd = await send(GOVERNANCE, 'setAll', names, [1n])
  expect(decodeNamed(abi.errors.LengthMismatch.inputs, odd.output.subarray(4))).toEqual({ names: 2n, values: 1n })
  expect((await send(STRANGER, 'setAll', [], [])).status).toBe('revert')
  go(firstOf(2))
  await send(GOVERNANCE, 'set', 'slashing.jailTime', 200n)
  expect([await read('get', 'slashing.jailTime'), await read('scheduled', 'slashing.jailTime')]).toEqual([
    [100n],
    [200n, 5n],
  ])
  go(firstOf(5))
  expect(await read('get', 'slashing.jailTime')).toEqual([200n])
})

test('no word of a number that a fork brings is in state, so 0 is none of its values', () => {
  for (const { since, minimum } of Object.values(values)) expect(since === undefined || minimum > 0n).toBe(true)
})
