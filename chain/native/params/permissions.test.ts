// Lists by calls of governance, what they refuse, what a genesis may say of them, and validators that one shuts out.
import { expect, test } from 'vitest'
import { account, createWorld } from '../../../test/kit/native.ts'
import { must, NOVA, openStaking } from '../../../test/kit/staking.ts'
import { bytesToHex, type Hex } from '../../base/bytes.ts'
import { natives } from '../index.ts'
import { type AbiFunction, decodeValues, encodeCall, encodeError, type Positional } from '../kit/abi.ts'
import { abi } from './abi.ts'

const AT: Hex = '0x0000000000000000000000000000000000000803'
const [GOVERNANCE, GUARDIAN, STRANGER] = [1, 2, 3]
const hexOf = (n: number): Hex => bytesToHex(account(n))
const section = { governance: hexOf(GOVERNANCE), guardian: hexOf(GUARDIAN) }
const [OFF, ALLOW, BLOCK] = [0n, 1n, 2n]
type Fns = typeof abi.functions
type Name = keyof Fns & string
const encoded = (name: Name, args: readonly unknown[]) => encodeCall(abi.functions[name] as AbiFunction, args as never)
const open = (permissions?: object) => {
  const world = createWorld(natives, { params: { ...section, ...(permissions && { permissions }) } })
  const send = <K extends Name>(from: number, name: K, ...args: Positional<Fns[K]['inputs']>) =>
    world.send(from, AT, encoded(name, args))
  const read = async <K extends Name>(name: K, ...args: Positional<Fns[K]['inputs']>) => {
    const { output, status } = await send(9, name, ...args)
    expect(status).toBe('success')
    return decodeValues<Fns[K]['outputs']>(abi.functions[name].outputs, output)
  }
  return { ...world, send, read }
}
const text = (peer: string) => new TextEncoder().encode(peer)

test('members come and go in any order, and each is there once', async () => {
  const { send, read } = open()
  await send(GOVERNANCE, 'addToList', 'senders', [account(4), account(5), account(6), account(5)])
  expect(await read('listMode', 'senders')).toEqual([OFF, 3n])
  expect(await read('isPermitted', 'senders', account(7))).toEqual([true]) // it is off
  const again = await send(GOVERNANCE, 'removeFromList', 'senders', [account(4), account(4), account(7)])
  expect(again.logs).toHaveLength(1)
  await send(GOVERNANCE, 'addToList', 'senders', [account(7)])
  await send(GOVERNANCE, 'removeFromList', 'senders', [account(6)])
  const [members] = await read('listMembers', 'senders', 0n, 2n ** 255n)
  expect(members.map(bytesToHex).sort()).toEqual([hexOf(5), hexOf(7)])
  expect((await read('listMembers', 'senders', 1n, 1n))[0]).toHaveLength(1)
  expect((await read('listMembers', 'senders', 9n, 9n))[0]).toEqual([])
  const may = async () => {
    const answers = []
    for (const n of [GOVERNANCE, 4, 5, 6, 7]) answers.push((await read('isPermitted', 'senders', account(n)))[0])
    return answers
  }
  await send(GOVERNANCE, 'setListMode', 'senders', ALLOW)
  expect(await may()).toEqual([true, false, true, false, true])
  await send(GOVERNANCE, 'setListMode', 'senders', BLOCK)
  expect(await may()).toEqual([true, true, false, true, false])
  await send(GOVERNANCE, 'setListMode', 'senders', OFF)
  expect(await may()).toEqual([true, true, true, true, true])
})

test('who governs may always send and deploy, on a list or off it; as a validator or a peer it is one like any other', async () => {
  const { send, read } = open()
  for (const list of ['senders', 'deployers', 'validators']) {
    await send(GOVERNANCE, 'addToList', list, [account(GOVERNANCE)])
    await send(GOVERNANCE, 'setListMode', list, BLOCK)
    expect(await read('isPermitted', list, account(GOVERNANCE))).toEqual([list !== 'validators'])
  }
})

type ErrorName = keyof typeof abi.errors & string
const long = text('1'.repeat(129))
test.each<readonly [string, number, Name, readonly unknown[], ErrorName, object]>([
  [
    'a stranger turns one on',
    STRANGER,
    'setListMode',
    ['senders', BLOCK],
    'NotGovernance',
    { caller: account(STRANGER) },
  ],
  [
    'the guardian adds',
    GUARDIAN,
    'addToList',
    ['senders', [account(4)]],
    'NotGovernance',
    { caller: account(GUARDIAN) },
  ],
  [
    'a stranger removes',
    STRANGER,
    'removeFromList',
    ['senders', [account(4)]],
    'NotGovernance',
    { caller: account(STRANGER) },
  ],
  ['no such list', GOVERNANCE, 'addToList', ['readers', []], 'UnknownList', { list: 'readers' }],
  ['no such list is shown', STRANGER, 'listMode', ['constructor'], 'UnknownList', { list: 'constructor' }],
  ['no such mode', GOVERNANCE, 'setListMode', ['senders', 3n], 'BadMode', { given: 3n }],
  ['an empty allow list', GOVERNANCE, 'setListMode', ['peers', ALLOW], 'EmptyList', { list: 'peers' }],
  [
    ...(['a member of 19 bytes', GOVERNANCE, 'addToList', ['senders', [new Uint8Array(19)]]] as const),
    ...(['BadMember', { list: 'senders', member: new Uint8Array(19) }] as const),
  ],
  ['a long peer', GOVERNANCE, 'addToList', ['peers', [long]], 'BadMember', { list: 'peers', member: long }],
])('refused: %s', async (_, from, name, args, error, data) => {
  const { send } = open()
  const answer = await send(from, name, ...(args as never))
  expect(answer.status).toBe('revert')
  expect(bytesToHex(answer.output)).toBe(bytesToHex(encodeError(abi.errors[error], data as never)))
})

test('the last member of an allow list stays', async () => {
  const { send, read } = open()
  await send(GOVERNANCE, 'addToList', 'peers', [text('a'), text('b')])
  await send(GOVERNANCE, 'setListMode', 'peers', ALLOW)
  const answer = await send(GOVERNANCE, 'removeFromList', 'peers', [text('a'), text('b')])
  expect(bytesToHex(answer.output)).toBe(bytesToHex(encodeError(abi.errors.EmptyList, { list: 'peers' })))
  expect(await read('listMode', 'peers')).toEqual([ALLOW, 2n])
})

test.each<readonly [string, unknown, RegExp]>([
  ['an allow list of nobody', { senders: { mode: 'allow', members: [] } }, /permissions\.senders: .*nobody in/],
  ['another mode', { senders: { mode: 'off', members: [] } }, /permissions\.senders\.mode/],
  ['no address', { deployers: { mode: 'block', members: ['0x12'] } }, /permissions\.deployers: 0x12 is no address/],
  ['no peer id', { peers: { mode: 'block', members: [''] } }, /permissions\.peers: .*is no peer id/],
  [
    'one twice',
    { senders: { mode: 'allow', members: [hexOf(4), hexOf(4)] } },
    /permissions\.senders: .*is there twice/,
  ],
  ['another list', { readers: { mode: 'allow', members: [hexOf(4)] } }, /permissions.*readers/],
])('genesis: %s', (_, given, reason) => {
  expect(() => open(given as object)).toThrow(reason)
})

/** Four validators of 1,000 each, and lists by their governance. */
const openValidators = () => {
  const w = openStaking()
  const govern = async (name: Name, ...args: readonly unknown[]) =>
    expect((await w.send(0xa1, AT, encoded(name, args))).status).toBe('success')
  const setIn = async (epoch: bigint) => (await w.read('setOf', epoch)).operators
  return {
    ...w,
    get block() {
      return w.block
    },
    govern,
    setIn,
  }
}

test('a validator that is shut out keeps its seat until the epoch ends and its stake for ever; let in again, it is elected again', async () => {
  const w = openValidators()
  await w.govern('addToList', 'validators', [account(2)])
  await w.govern('setListMode', 'validators', BLOCK)
  expect(await w.setIn(0n)).toEqual([1, 2, 3, 4].map(hexOf))
  expect(w.until(10)).toContainEqual({ name: 'ValidatorLeft', args: { epoch: 1n, operator: hexOf(2) } })
  expect(await w.setIn(1n)).toEqual([1, 3, 4].map(hexOf))
  expect(await w.read('validator', account(2))).toMatchObject({ info: { stake: 1_000n * NOVA } })
  await w.govern('removeFromList', 'validators', [account(2)])
  w.until(20)
  expect(await w.setIn(2n)).toEqual([1, 2, 3, 4].map(hexOf))
})

test('nobody becomes a validator whom the list does not let in, and whom it does may', async () => {
  const w = openValidators()
  await w.govern('addToList', 'validators', [1, 2, 3, 4, 7].map(account))
  await w.govern('setListMode', 'validators', ALLOW)
  const { error } = await w.create(6, { value: 500n * NOVA })
  expect(error).toEqual({ name: 'NotPermitted', args: { operator: hexOf(6) } })
  await must(w.create(7, { value: 500n * NOVA }))
  w.until(11)
  await must(w.attest(7))
  w.until(20)
  expect(await w.setIn(2n)).toEqual([1, 2, 3, 4, 7].map(hexOf))
})

test('a list that lets no validator in leaves the set as it is, and one more than a third smaller is no reason to refuse', async () => {
  const w = openValidators()
  await w.govern('addToList', 'validators', [account(9)])
  await w.govern('setListMode', 'validators', ALLOW)
  w.until(10)
  expect(await w.setIn(1n)).toEqual([1, 2, 3, 4].map(hexOf))
  await w.govern('addToList', 'validators', [account(3), account(4)])
  w.until(20)
  expect(await w.setIn(2n)).toEqual([3, 4].map(hexOf))
})
