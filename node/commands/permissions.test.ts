// `permissions` before a node's door: what it refuses, what it shows, and the transactions of governance that it sends or prints.
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { PARAMS } from '../../chain/native/index.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { run } from '../../test/kit/commands.ts'
import { openDoor, openMemoryChain } from '../../test/kit/memory-chain.ts'
import { peerIdOf } from '../../test/kit/peers.ts'
import { developmentAccounts } from '../development.ts'
import { permissions } from './permissions.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(() => Promise.all(closers.splice(0).map((close) => close())))

const governor = developmentAccounts(1)[0]?.address ?? ''
const someone = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8'

/** Whose blocks come as soon as something waits. */
const openNode = async () => {
  const json = JSON.parse(readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8'))
  json.novachain.modules.params.governance = governor
  const { chain, ctx, seal } = await openMemoryChain({ genesis: parseGenesis(JSON.stringify(json)) })
  chain.watch('admitted', () => void setImmediate(seal))
  const door = await openDoor(ctx)
  closers.push(() => door.close())
  const rpc = ['--rpc', `http://127.0.0.1:${door.port}`]
  return { chain, say: (...argv: readonly string[]) => run(permissions, [...argv, ...rpc]) }
}
const AS = ['--dev-account', '0']

test.each<readonly [readonly string[], string]>([
  [[], 'USAGE_ARGUMENT'],
  [['toString'], 'USAGE_ARGUMENT'],
  [['show', 'readers'], 'USAGE_ARGUMENT'],
  [['mode', 'senders', ...AS], 'USAGE_ARGUMENT'],
  [['mode', 'senders', 'some', ...AS], 'USAGE_ARGUMENT'],
  [['mode', 'senders', 'allow'], 'USAGE_ARGUMENT'],
  [['add', 'senders', ...AS], 'USAGE_ARGUMENT'],
  [['add', 'senders', '0x12', ...AS], 'TXCMD_FIELD'],
  [['add', 'senders', '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92267', ...AS], 'TXCMD_FIELD'],
  [['add', 'peers', someone, ...AS], 'USAGE_ARGUMENT'],
])('%j is refused before anybody is asked', async (argv, refusal) => {
  expect(await run(permissions, [...argv, '--rpc', 'http://127.0.0.1:1'])).toMatchObject({ refusal })
})

test('a list is filled, turned on, shown and turned off; what governance may not is refused in words', async () => {
  const { say } = await openNode()
  const peer = await peerIdOf(951)
  expect((await say('mode', 'peers', 'allow', ...AS)).text).toMatch(/an allow list of peers without members/)
  expect((await say('add', 'peers', peer, ...AS)).json).toMatchObject({ list: 'peers', changed: 1 })
  expect((await say('add', 'peers', peer, ...AS)).json).toMatchObject({ changed: 0 })
  expect((await say('mode', 'peers', 'allow', ...AS)).text).toMatch(
    /^peers: allow, only those on it may, as of block \d/,
  )
  expect((await say('show')).json.lists).toEqual([
    ...['senders', 'deployers', 'validators'].map((list) => ({ list, mode: 'off', members: 0 })),
    { list: 'peers', mode: 'allow', members: 1 },
  ])
  expect((await say('show', 'peers')).json).toMatchObject({ list: 'peers', mode: 'allow', members: [peer] })
  expect((await say('remove', 'peers', peer, ...AS)).text).toMatch(/an allow list of peers without members/)
  await say('mode', 'peers', 'off', ...AS)
  expect((await say('remove', 'peers', peer, ...AS)).json).toMatchObject({ changed: 1 })
  expect((await say('show', 'peers')).json).toMatchObject({ mode: 'off', members: [] })
  expect(await say('add', 'senders', someone, '--dev-account', '1')).toMatchObject({ refusal: 'MODULE_REFUSED' })
})

test('who may not send is told so by the node, and --unsigned prints what governance signs elsewhere', async () => {
  const { chain, say } = await openNode()
  await say('add', 'senders', someone, ...AS)
  await say('mode', 'senders', 'block', ...AS)
  const height = chain.head().header.number
  const printed = await say('remove', 'senders', someone, '--unsigned', '--sender', governor)
  expect(printed.code).toBe(0)
  expect(JSON.stringify(printed.json).toLowerCase()).toContain(bytesToHex(PARAMS))
  expect(chain.head().header.number).toBe(height)
  expect((await say('show', 'senders')).json.members).toEqual([someone])
})
