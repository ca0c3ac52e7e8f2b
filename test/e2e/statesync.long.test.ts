// A new node with --sync state, or with a snapshot, beside a network, every one a process: killed with SIGKILL while pieces come, it goes on, reaches the
// head, and answers for accounts as the others do; a restart goes on from its own database.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { bundledGenesis } from '../../node/commands/genesis.ts'
import { init } from '../../node/commands/init.ts'
import { setInFile } from '../../node/config.ts'
import { developmentGenesis } from '../../node/development.ts'
import { p2pKey } from '../../node/identity.ts'
import { peerIdOf } from '../../p2p/identity.ts'
import { request } from '../../rpc/client/http.ts'
import { novachain, run } from '../kit/commands.ts'
import { freePort } from '../kit/devnet.ts'
import { Processes } from '../kit/processes.ts'

installCurves(nativeCurves)
const home = mkdtempSync(join(tmpdir(), 'novachain-statesync-'))
const dirOf = (name: string): string => join(home, name)
/** Some 10 MB of state, which are dozens of pieces. */
const ACCOUNTS = 60_000
const addressOf = (index: number): string => `0x${(index + 0x1_0000_0000).toString(16).padStart(40, '5')}`
const balanceOf = (index: number): bigint => 10n ** 18n + BigInt(index)

const ports: Record<string, { rpc: number; p2p: number; metrics: number }> = {}
const processes = new Processes()
const start = (name: string, flags: readonly string[] = []): void => {
  const env: Record<string, string> = name === 'v0' ? { NOVACHAIN_VALIDATOR_DEVELOPMENT_INDEX: '0' } : {}
  processes.spawn(name, ['start', '--dir', dirOf(name), ...flags], { env })
}
const isUp = async (name: string, flags: readonly string[] = []): Promise<void> => {
  start(name, flags)
  await processes.up(name)
}

const rpc = (name: string, method: string, ...params: readonly unknown[]): Promise<unknown> =>
  request(`http://127.0.0.1:${ports[name]?.rpc}`, method, params)
const heightOf = async (name: string): Promise<number> => Number(await rpc(name, 'eth_blockNumber'))
/** The test's own deadline ends it. */
const until = async (met: () => Promise<boolean>): Promise<void> => {
  while (!(await met())) await delay(5)
}
/** Of what is written of a state that is not whole yet. */
const fetchedBytes = (name: string): number => {
  const dir = join(dirOf(name), 'db.part')
  if (!existsSync(dir)) return 0
  const logs = readdirSync(dir).filter((file) => file.endsWith('.log'))
  return logs.reduce((sum, file) => sum + statSync(join(dir, file)).size, 0)
}

beforeAll(async () => {
  const rules = JSON.parse(developmentGenesis(bundledGenesis(), { validators: 1, blockTimeMs: 1_000, chainId: null }))
  for (let i = 0; i < ACCOUNTS; i++) rules.alloc[addressOf(i)] = { balance: `${balanceOf(i)}` }
  const genesis = join(home, 'genesis.json')
  writeFileSync(genesis, JSON.stringify(rules))
  for (const name of ['v0', 'full', 'new', 'restored']) {
    const at = { rpc: await freePort(), p2p: await freePort(), metrics: await freePort() }
    ports[name] = at
    expect(await run(init, [dirOf(name), '--genesis', genesis, '--profile', 'full'])).toMatchObject({ code: 0 })
    const set = (key: string, value: string): void => void setInFile(join(dirOf(name), 'config.toml'), key, value)
    set('rpc.port', String(at.rpc))
    set('metrics.port', String(at.metrics))
    set('p2p.listen', `/ip4/127.0.0.1/tcp/${at.p2p}`)
    const others = Object.keys(ports).filter((other) => other !== name)
    const addresses = others.map(async (other) => {
      const peer = await peerIdOf(p2pKey(join(dirOf(other), 'p2p.key')))
      return `/ip4/127.0.0.1/tcp/${ports[other]?.p2p}/p2p/${peer}`
    })
    set('p2p.persistent', (await Promise.all(addresses)).join(','))
  }
  for (const name of ['v0', 'full']) await isUp(name)
  await until(async () => (await heightOf('full')) >= 5)
})

afterAll(async () => {
  await processes.endAll()
  rmSync(home, { recursive: true, force: true })
})

test('killed while pieces come it goes on, reaches the head and has every balance', async () => {
  start('new', ['--sync', 'state'])
  await until(async () => fetchedBytes('new') > 500_000)
  await processes.end('new', 'SIGKILL')
  expect(existsSync(join(dirOf('new'), 'db.part', 'CURRENT'))).toBe(true)
  expect(existsSync(join(dirOf('new'), 'db', 'CURRENT'))).toBe(false)

  await isUp('new', ['--sync', 'state'])
  expect(existsSync(join(dirOf('new'), 'db.part'))).toBe(false)
  const head = await heightOf('v0')
  await until(async () => (await heightOf('new')) > head + 2)
  for (let i = 0; i < ACCOUNTS; i += 1_000)
    expect(BigInt((await rpc('new', 'eth_getBalance', addressOf(i), 'latest')) as string)).toBe(balanceOf(i))
  // No history was run: the first block is not here, and it says so.
  await expect(rpc('new', 'eth_getBlockByNumber', '0x1', false)).rejects.toThrow(/pruned history unavailable/)

  const before = await heightOf('new')
  expect(await processes.end('new', 'SIGTERM')).toBe(0)
  await isUp('new', ['--sync', 'state'])
  await until(async () => (await heightOf('new')) > before + 2)
})

test('a snapshot of a node that runs; a restore that is killed while pieces come goes on, and the node follows the chain', async () => {
  const made = await novachain(['snapshot', 'create', join(home, 'made.snapshot'), '--dir', dirOf('full')])
  expect(made).toMatchObject({ code: 0, json: { accounts: expect.any(Number) } })
  expect(made.json.accounts).toBeGreaterThan(ACCOUNTS)
  const dir = dirOf('restored')
  const trust = ['--trust-height', String(made.json.height), '--trust-hash', made.json.hash]
  const args = ['snapshot', 'restore', made.json.file, '--dir', dir, ...trust]
  processes.spawn('restored', args)
  await until(async () => fetchedBytes('restored') > 500_000)
  await processes.end('restored', 'SIGKILL')
  expect(existsSync(join(dir, 'db', 'CURRENT'))).toBe(false)
  expect(await novachain(args)).toMatchObject({ code: 0, json: { isNew: true, height: made.json.height } })
  expect(existsSync(join(dir, 'db.part'))).toBe(false)

  await isUp('restored')
  const head = await heightOf('v0')
  await until(async () => (await heightOf('restored')) > head + 2)
  for (let i = 0; i < ACCOUNTS; i += 1_000)
    expect(BigInt((await rpc('restored', 'eth_getBalance', addressOf(i), 'latest')) as string)).toBe(balanceOf(i))
  // The last block of the snapshot is here, without its transactions; the first after it is whole.
  const after = `0x${(made.json.height + 1).toString(16)}`
  expect(await rpc('restored', 'eth_getBlockByNumber', after, false)).toMatchObject({ parentHash: made.json.hash })
})
