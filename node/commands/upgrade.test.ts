// `upgrade` before a node's door and on a stopped node's folder: what it refuses, what it shows, and what governance plans and takes back with it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { afterEach, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { PARAMS } from '../../chain/native/index.ts'
import { openKv } from '../../chain/store/kv.ts'
import { FORKS, type Fork } from '../../chain/types/forks.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { request } from '../../rpc/client/http.ts'
import type { Ctx } from '../../rpc/method.ts'
import { run } from '../../test/kit/commands.ts'
import { openDoor, openMemoryChain } from '../../test/kit/memory-chain.ts'
import { exitCode } from '../args.ts'
import { developmentAccounts } from '../development.ts'
import { ServiceErrors } from '../service.ts'
import { version } from '../version.ts'
import { upgrade } from './upgrade.ts'

const closers: (() => unknown)[] = []
afterEach(() => Promise.all(closers.splice(0).map((close) => close())))

const EPOCH = 5
const governor = developmentAccounts(1)[0]?.address ?? ''
const AS = ['--dev-account', '0']
const genesisText = (forks: Genesis['forks']): string => {
  const json = JSON.parse(readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8'))
  json.novachain.modules.params.governance = governor
  json.novachain.epochBlocks = EPOCH
  json.novachain.forks = forks
  return JSON.stringify(json)
}

/** Whose blocks come as soon as something waits. */
const openNode = async (of: {
  readonly forks: Genesis['forks']
  readonly known?: readonly Fork[]
  readonly peers?: ReturnType<NonNullable<Ctx['net']['software']>>
}) => {
  const genesis = parseGenesis(genesisText(of.forks))
  const { chain, ctx, seal } = await openMemoryChain({ genesis, ...(of.known && { forks: of.known }) })
  chain.watch('admitted', () => void setImmediate(seal))
  const door = await openDoor({ ...ctx, net: { peers: () => of.peers?.length ?? 0, software: () => of.peers ?? [] } })
  closers.push(() => door.close())
  const rpc = ['--rpc', `http://127.0.0.1:${door.port}`]
  return { chain, rpc: rpc[1] ?? '', say: (...argv: readonly string[]) => run(upgrade, [...argv, ...rpc]) }
}

test.each<readonly [readonly string[], string]>([
  [[], 'USAGE_ARGUMENT'],
  [['toString'], 'USAGE_ARGUMENT'],
  [['plan', '--epoch', '9', ...AS], 'USAGE_ARGUMENT'],
  [['plan', '--fork', 'osaka', ...AS], 'USAGE_ARGUMENT'],
  [['plan', '--fork', 'osaka', '--epoch', '0', ...AS], 'USAGE_ARGUMENT'],
  [['plan', '--fork', 'osaka', '--epoch', '4294967296', ...AS], 'USAGE_ARGUMENT'],
  [['plan', '--fork', 'osaka', '--epoch', '1e3', ...AS], 'USAGE_ARGUMENT'],
  [['plan', '--fork', 'osaka', '--epoch', '9'], 'USAGE_ARGUMENT'],
  [['plan', '--fork', 'osakka', '--epoch', '9', ...AS], 'UPGRADE_UNKNOWN'],
  [['cancel', ...AS], 'USAGE_ARGUMENT'],
  [['simulate', '--fork', 'osaka', '--blocks', '0', '--dir', '/nowhere'], 'USAGE_ARGUMENT'],
  [['simulate', '--fork', 'osakka', '--dir', '/nowhere'], 'UPGRADE_UNKNOWN'],
])('%j is refused before anybody is asked', async (argv, refusal) => {
  expect(await run(upgrade, [...argv, '--rpc', 'http://127.0.0.1:1'])).toMatchObject({ refusal })
})

test('list shows what this release knows, and a wrong name the nearest of them', async () => {
  const { json, text } = await run(upgrade, ['list'])
  expect(json).toEqual({ version, forks: FORKS.map(({ name, since, meaning }) => ({ name, since, meaning })) })
  for (const { name, meaning } of FORKS) expect(text).toContain(`  ${name}, since 0.1.0: ${meaning}`)
  expect((await run(upgrade, ['plan', '--fork', 'osakka', '--epoch', '9', ...AS])).text).toContain('did you mean osaka')
})

test('governance plans a fork, status shows it and who is ready, and it is taken back; nobody else, and not too late', async () => {
  const peers = [
    { id: 'a', version: '0.1.0', forks: FORKS.map(({ name }) => name) },
    { id: 'b', version: '0.0.9', forks: ['params-1'] },
    { id: 'c', version: null, forks: null },
  ]
  const { chain, say } = await openNode({ forks: { osaka: null }, peers })
  const plan = (epoch: number, ...as: readonly string[]) =>
    say('plan', '--fork', 'osaka', '--epoch', String(epoch), ...as)
  expect((await say('status')).json).toMatchObject({ warning: null, forks: [], height: 0, epoch: 0 })
  expect(await plan(4, '--dev-account', '1')).toMatchObject({ refusal: 'MODULE_REFUSED' })
  // One whole epoch is left before it.
  expect(await plan(1, ...AS)).toMatchObject({ refusal: 'MODULE_REFUSED' })
  const planned = await plan(4, ...AS)
  expect(planned.json).toMatchObject({
    fork: 'osaka',
    epoch: 4,
    version: '0.1.0',
    events: [{ event: 'ForkScheduled' }],
  })
  expect(planned.text).toMatch(/^osaka holds from epoch 4 on, as of block \d+: nodes older than 0\.1\.0 stop there$/)

  const { json, text, code } = await say('status')
  const height = chain.head().header.number
  const first = 4 * EPOCH + 1
  const secondsLeft = (first - 1 - height) * 3
  const fork = { name: 'osaka', epoch: 4, height: first, version: '0.1.0', active: false, known: true, secondsLeft }
  expect(json).toMatchObject({ height, epoch: 0, warning: null, forks: [fork] })
  expect(json.peers.map(({ id, ready }: { id: string; ready: boolean }) => [id, ready])).toEqual([
    ['a', true],
    ['b', false],
    ['c', null],
  ])
  expect(code).toBe(exitCode.ok)
  expect(text).toMatch(/osaka +4 +21 +in about .* known +0\.1\.0/)
  expect(text).toMatch(/^a +0\.1\.0 +ready$/m)
  expect(text).toMatch(/^b +0\.0\.9 +NOT READY$/m)
  expect(text).toMatch(/^c +does not say +unknown$/m)
  expect(text).toContain('1 of 3 peers do not know all that is scheduled')

  expect(await say('cancel', '--fork', 'params-2', ...AS)).toMatchObject({ refusal: 'MODULE_REFUSED' })
  expect(await say('cancel', '--fork', 'osaka', '--dev-account', '1')).toMatchObject({ refusal: 'MODULE_REFUSED' })
  expect((await say('cancel', '--fork', 'osaka', ...AS)).json).toMatchObject({ events: [{ event: 'ForkCancelled' }] })
  expect((await say('status')).json.forks).toEqual([])
})

test('--unsigned prints what governance signs elsewhere, and sends nothing', async () => {
  const { chain, say } = await openNode({ forks: { osaka: null } })
  const printed = await say('plan', '--fork', 'osaka', '--epoch', '4', '--unsigned', '--sender', governor)
  expect(printed.code).toBe(0)
  expect(JSON.stringify(printed.json).toLowerCase()).toContain(bytesToHex(PARAMS))
  expect(chain.head().header.number).toBe(0)
})

test('a node that does not know a fork says so, and which release does', async () => {
  const known = FORKS.filter(({ name }) => name !== 'params-2')
  const { say, rpc } = await openNode({
    forks: { 'params-2': 3 },
    known,
    peers: [{ id: 'a', version: null, forks: null }],
  })
  const { json, text } = await say('status')
  const osaka = { name: 'osaka', epoch: '0x0', height: '0x0', active: true, known: true, secondsLeft: '0x0' }
  const coming = { name: 'params-2', epoch: '0x3', height: '0x10', active: false, known: false, secondsLeft: '0x2d' }
  expect(await request(rpc, 'nova_upgrades')).toEqual({
    ...{ version: 'NovaChain/test', height: '0x0', epoch: '0x0', warning: json.warning },
    forks: [expect.objectContaining(osaka), { ...coming, version: '0.1.0' }],
    known: known.map(({ name, since, meaning }) => ({ name, since, meaning })),
    peers: [{ id: 'a', version: null, forks: null, ready: null }],
  })
  expect(json.forks).toContainEqual(expect.objectContaining({ name: 'params-2', known: false, active: false }))
  expect(json.warning).toMatch(
    /^this node stops before block 16 \(epoch 3, .* install version 0\.1\.0 or newer before$/,
  )
  expect(text).toMatch(/params-2 +3 +16 .* NOT KNOWN +0\.1\.0/)
  expect(text).toContain(`WARNING: ${json.warning}`)
})

test('simulate says what the last blocks of a stopped node would have come to; stopped, it says that alone', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-upgrade-'))
  closers.push(() => rmSync(dir, { recursive: true, force: true }))
  const text = genesisText({ osaka: null })
  writeFileSync(join(dir, 'genesis.json'), text)
  const { chain, seal } = await openMemoryChain({ kv: await openKv(join(dir, 'db')), genesis: parseGenesis(text) })
  const wallet = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
  const fees = { maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1n, gasLimit: 200_000 }
  // PUSH1 1, CLZ, POP, STOP as initcode; then a plain transfer.
  const txs = [{ data: '0x60011e5000' }, { to: governor, value: 1n }]
  const hashes: string[] = []
  for (const [nonce, tx] of txs.entries()) {
    const raw = await wallet.signTransaction({ type: 2, chainId: chain.genesis.chainId, nonce, ...fees, ...tx })
    hashes.push(bytesToHex(await chain.submit(hexToBytes(raw), 'local')))
    await seal()
  }
  const simulate = (...argv: string[]) => run(upgrade, ['simulate', '--fork', 'osaka', '--dir', dir, ...argv])
  expect(await simulate()).toMatchObject({ refusal: 'STORE_LOCKED' })
  await chain.close()
  const found = await simulate()
  expect(found.json).toMatchObject({ from: 1, to: 2, transactions: 2, differ: 1, blocksRefused: 0, statesDiffer: 0 })
  expect(found.json.blocks).toEqual([
    {
      ...{ height: 1, refused: null, state: null },
      transactions: [
        { hash: hashes[0], text: expect.stringMatching(/^it fails and would succeed, gas 200000 would be/) },
      ],
    },
  ])
  expect(found.text).toMatch(/^blocks 1 to 2 under osaka: 2 transactions, 1 differ, 0 blocks would be refused/)
  expect((await simulate('--blocks', '1')).json).toMatchObject({ from: 2, to: 2, differ: 0, blocks: [] })
  const stop = AbortSignal.abort(new NodeError(ServiceErrors.STOPPED, undefined))
  const stopped = await run(upgrade, ['simulate', '--fork', 'osaka', '--dir', dir], {}, stop)
  expect(stopped).toMatchObject({ refusal: 'SERVICE_STOPPED', code: exitCode.notSynced, json: {} })
})
