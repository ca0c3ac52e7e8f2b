// What `start` refuses, as an operator sees it: the sentence and the exit code.
import { execFile } from 'node:child_process'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../kit/devnet.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const novachain = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [join(root, 'node/main.ts'), ...args], {
    timeout: 120_000,
    killSignal: 'SIGKILL',
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
const home = mkdtempSync(join(tmpdir(), 'novachain-start-'))
const made = join(home, 'made')
let devnet: Devnet
beforeAll(async () => {
  devnet = await startDevnet(['--block-time', '1000'])
  expect(await novachain('init', made, '--genesis', join(root, 'genesis.json'))).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await devnet?.stop()
  rmSync(home, { recursive: true, force: true })
})
const copy = (name: string): string => {
  const dir = join(home, name)
  cpSync(made, dir, { recursive: true })
  return dir
}
const refuses = async (dir: string, says: RegExp, ...flags: string[]): Promise<void> => {
  const quiet = ['--metrics-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0', '--log-level', 'error']
  const { code, stderr } = await novachain('start', '--dir', dir, ...quiet, ...flags)
  expect([code === 0, stderr]).toEqual([false, expect.stringMatching(says)])
  expect(stderr).not.toMatch(/\n\s+at /) // no stack
}

test('a folder that is no node’s, and one that is made twice', async () => {
  await refuses(home, /is no node's folder.*novachain init/)
  expect(await novachain('init', made, '--genesis', join(root, 'genesis.json'))).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('already and stays as it is'),
  })
  expect(await novachain('init', made, '--genesis', join(devnet.dir, 'node-0', 'genesis.json'))).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/is of the network 0x[0-9a-f]{64}, not 0x[0-9a-f]{64}: choose another folder/),
  })
})

test('an unknown key, and a value that does not fit, with the file and what was meant', async () => {
  const dir = copy('config')
  appendFileSync(join(dir, 'config.toml'), '\n[rcp]\nport = 1\n')
  await refuses(dir, /config\.toml: there is no key rcp\.port .did you mean rpc\.port/)
  writeFileSync(join(dir, 'config.toml'), '[rpc]\nport = 99999\n')
  await refuses(dir, /rpc\.port.*99999/)
  writeFileSync(join(dir, 'config.toml'), '[rpc\n')
  await refuses(dir, /config\.toml/)
})

test('a port in use', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await refuses(copy('port'), new RegExp(`${port}.*in use`), '--rpc-port', String(port))
  server.close()
})

test('a port for peers in use, and an address that is none', async () => {
  const [taken = ''] = devnet.p2p
  const address = taken.split('/p2p/')[0] ?? ''
  await refuses(copy('peers'), /cannot hear peers on .*in use/, '--rpc-port', '0', '--p2p-listen', address)
  await refuses(copy('multiaddr'), /nowhere:1 is no multiaddr/, '--rpc-port', '0', '--p2p-bootstrap', 'nowhere:1')
})

test('a second process on the same folder', async () => {
  await refuses(join(devnet.dir, 'node-0'), /in use/, '--rpc-port', '0')
})

test('a database of another network', async () => {
  const dir = copy('network')
  await devnet.stop({ keep: true })
  cpSync(join(devnet.dir, 'node-0', 'db'), join(dir, 'db'), { recursive: true })
  const genesis = JSON.parse(readFileSync(join(dir, 'genesis.json'), 'utf8'))
  genesis.config.chainId = 5
  writeFileSync(join(dir, 'genesis.json'), JSON.stringify(genesis))
  await refuses(dir, /belongs to another network.*genesis/, '--rpc-port', '0')
})

test('a genesis with development accounts that is no development network, or that nobody can read', async () => {
  const dir = copy('genesis')
  const genesis = JSON.parse(readFileSync(join(dir, 'genesis.json'), 'utf8'))
  genesis.novachain.development = false
  writeFileSync(join(dir, 'genesis.json'), JSON.stringify(genesis))
  await refuses(dir, /anybody holds the key.*"development": true/, '--rpc-port', '0')
  writeFileSync(join(dir, 'genesis.json'), '{')
  await refuses(dir, /genesis: not JSON/, '--rpc-port', '0')
})
