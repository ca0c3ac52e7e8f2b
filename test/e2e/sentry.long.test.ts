// A validator behind two sentries with its key in a signer, every one a process: it signs while a sentry dies, while its signer comes and goes and
// after its own death; never two of it at once; it moves with its history; and nobody ever finds that it signed twice.
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { bundledGenesis } from '../../node/commands/genesis.ts'
import { init } from '../../node/commands/init.ts'
import { keys } from '../../node/commands/keys.ts'
import { signer } from '../../node/commands/signer.ts'
import { validators } from '../../node/commands/validators.ts'
import { setInFile } from '../../node/config.ts'
import { developmentGenesis, developmentSecret } from '../../node/development.ts'
import { p2pKey } from '../../node/identity.ts'
import { peerIdOf } from '../../p2p/identity.ts'
import { request } from '../../rpc/client/http.ts'
import { novachain, run } from '../kit/commands.ts'
import { freePort } from '../kit/devnet.ts'
import { Processes } from '../kit/processes.ts'

installCurves(nativeCurves)
const home = mkdtempSync(join(tmpdir(), 'novachain-sentry-'))
const genesis = join(home, 'genesis.json')
const NAMES = ['v0', 's0', 's1', 'guarded'] as const
type Name = (typeof NAMES)[number]
const ports = {} as Record<Name, { rpc: number; p2p: number }>
const peers = {} as Record<Name, string>
let signerPort = 0
const dirOf = (name: string): string => join(home, name)
const addressOf = (name: Name): string => `/ip4/127.0.0.1/tcp/${ports[name].p2p}/p2p/${peers[name]}`
const url = (name: Name): string => `http://127.0.0.1:${ports[name].rpc}`

const processes = new Processes()
const startNode = (name: Name, flags: readonly string[] = [], dir = dirOf(name)): Promise<unknown> => {
  const env: Record<string, string> = name === 'v0' ? { NOVACHAIN_VALIDATOR_DEVELOPMENT_INDEX: '0' } : {}
  return processes.begin(name, ['start', '--dir', dir, '--metrics-port', '0', ...flags], { env })
}
const startSigner = (dir = dirOf('signer'), env: Readonly<Record<string, string>> = {}): Promise<unknown> =>
  processes.begin('signer', ['signer', '--dir', dir, '--metrics-port', '0'], { env })

const heightOf = async (name: Name): Promise<number> => Number(await request(url(name), 'eth_blockNumber'))
/** The test's own deadline ends it. */
const until = async (met: () => Promise<boolean>): Promise<void> => {
  while (!(await met())) await delay(100)
}
const more = async (name: Name, blocks = 4): Promise<void> => {
  const from = await heightOf(name)
  await until(async () => (await heightOf(name)) >= from + blocks)
}
const lastSigned = async (name: Name): Promise<number> => {
  const status = (await request(url(name), 'nova_consensus')) as { lastSigned: { height: string } | null }
  return Number(status.lastSigned?.height ?? 0)
}

beforeAll(async () => {
  // Epochs whose end a test can wait for.
  const rules = JSON.parse(bundledGenesis())
  rules.novachain.epochBlocks = 20
  const choice = { validators: 2, blockTimeMs: 1_000, chainId: null }
  writeFileSync(genesis, developmentGenesis(JSON.stringify(rules), choice))
  signerPort = await freePort()
  for (const name of NAMES) {
    ports[name] = { rpc: await freePort(), p2p: await freePort() }
    expect(await run(init, [dirOf(name), '--genesis', genesis, '--profile', 'full'])).toMatchObject({ code: 0 })
    peers[name] = await peerIdOf(p2pKey(join(dirOf(name), 'p2p.key')))
    const set = (key: string, value: string): void => void setInFile(join(dirOf(name), 'config.toml'), key, value)
    set('rpc.port', String(ports[name].rpc))
    set('p2p.listen', `/ip4/127.0.0.1/tcp/${ports[name].p2p}`)
  }
  const set = (name: Name, key: string, value: string): void =>
    void setInFile(join(dirOf(name), 'config.toml'), key, value)
  set('v0', 'p2p.persistent', [addressOf('s0'), addressOf('s1')].join(','))
  for (const name of ['s0', 's1'] as const) set(name, 'p2p.private', peers.guarded)
  set('guarded', 'p2p.persistent', [addressOf('s0'), addressOf('s1')].join(','))
  set('guarded', 'p2p.allow', [peers.s0, peers.s1].join(','))
  set('guarded', 'p2p.outboundMax', '0')

  const at = dirOf('signer')
  const listen = `127.0.0.1:${signerPort}`
  expect(await run(signer, ['init', '--dir', at, '--genesis', genesis, '--listen', listen])).toMatchObject({ code: 0 })
  writeFileSync(join(at, 'keys', 'validator.hex'), bytesToHex(developmentSecret(1)), { mode: 0o600 })
  await expect(startSigner()).rejects.toThrow(/client\.crt.*there is no such file.*signer pair/)
  const paired = await run(signer, [
    'pair',
    '--dir',
    dirOf('guarded'),
    '--url',
    `tls://${listen}`,
    '--cert',
    join(at, 'signer', 'signer.crt'),
  ])
  expect(paired).toMatchObject({ code: 0 })
  copyFileSync(join(dirOf('guarded'), 'signer', 'client.crt'), join(at, 'signer', 'client.crt'))
  await startSigner()
  for (const name of NAMES) await startNode(name)
})

afterAll(async () => {
  await processes.endAll()
  rmSync(home, { recursive: true, force: true })
})

test('it signs, behind its sentries, and only they know it', async () => {
  await until(async () => (await lastSigned('guarded')) >= 5)
  const count = async (name: Name): Promise<number> => Number(await request(url(name), 'net_peerCount'))
  expect(await count('guarded')).toBe(2)
  expect(await count('v0')).toBe(2)
  const { json } = await novachain(['status', '--rpc', url('guarded')])
  expect(json.signer).toMatchObject({ url: `tls://127.0.0.1:${signerPort}`, answers: true, fault: null })
  expect(json.consensus.signing).toMatchObject({ silence: null })
})

test('half of the power is its own, so every block needs it; a sentry may die', async () => {
  await processes.end('s0', 'SIGKILL')
  await more('v0')
  await startNode('s0')
  await more('v0')
  await processes.end('s1', 'SIGKILL')
  await more('v0')
  await startNode('s1')
})

test.each<NodeJS.Signals>(['SIGTERM', 'SIGKILL'])(
  'its signer ends by %s: it follows in silence, says so, and signs once it is back',
  async (how) => {
    await processes.end('signer', how)
    await until(async () => {
      const { silence } = (await request(url('guarded'), 'nova_consensus')) as { silence: string | null }
      return silence === 'its signer does not answer'
    })
    const { signer: shown } = (await request(url('guarded'), 'admin_nodeInfo')) as { signer: object }
    expect(shown).toMatchObject({ answers: false, fault: expect.stringContaining('cannot be reached') })
    const halted = await heightOf('v0')
    await startSigner()
    await until(async () => (await heightOf('v0')) >= halted + 4)
    expect(await lastSigned('guarded')).toBeGreaterThan(halted)
  },
)

test('it is killed and started again: its signer knows it is another process, and serves it within seconds', async () => {
  await processes.end('guarded', 'SIGKILL')
  const from = performance.now()
  await startNode('guarded')
  const seconds = (performance.now() - from) / 1_000
  await more('v0')
  console.log(`signing again ${seconds.toFixed(1)} s after kill -9`)
})

test('a second one with the same folder is refused; told to take over it signs, and the first one stops', async () => {
  const twin = dirOf('twin')
  for (const name of ['genesis.json', 'config.toml', 'p2p.key', 'signer'])
    cpSync(join(dirOf('guarded'), name), join(twin, name), { recursive: true })
  const others = ['--rpc-port', String(await freePort()), '--p2p-listen', `/ip4/127.0.0.1/tcp/${await freePort()}`]
  const { code, text } = await novachain(['start', '--dir', twin, '--metrics-port', '0', ...others])
  expect([code, text]).toEqual([3, expect.stringMatching(/serves another process.*has the lease.*--take-over/)])
  await more('v0')
  await processes.begin('twin', ['start', '--dir', twin, '--metrics-port', '0', '--take-over', ...others])
  expect(await processes.ended('guarded')).toBe(3)
  expect(processes.said('guarded')).toMatch(/error: the signer .* serves another process/)
  await more('v0')
  await processes.end('twin')
  await startNode('guarded')
  await more('v0')
})

test('it moves to another signer and another folder with its history, and signs there without a word about a lost record', async () => {
  await processes.end('guarded')
  await processes.end('signer')
  const [file, to, node] = [join(home, 'history.json'), dirOf('signer2'), dirOf('moved')]
  expect(await run(signer, ['export', '--dir', dirOf('signer'), '--to', file])).toMatchObject({ code: 0 })
  expect(
    await run(signer, ['init', '--dir', to, '--genesis', genesis, '--listen', `127.0.0.1:${signerPort}`]),
  ).toMatchObject({ code: 0 })
  expect(await run(signer, ['import', '--dir', to, '--from', file])).toMatchObject({ code: 0 })
  copyFileSync(join(dirOf('signer'), 'keys', 'validator.hex'), join(to, 'keys', 'validator.hex'))
  expect(await run(init, [node, '--genesis', genesis, '--profile', 'full'])).toMatchObject({ code: 0 })
  for (const name of ['config.toml', 'p2p.key']) copyFileSync(join(dirOf('guarded'), name), join(node, name))
  const certificate = join(to, 'signer', 'signer.crt')
  expect(
    await run(signer, ['pair', '--dir', node, '--url', `tls://127.0.0.1:${signerPort}`, '--cert', certificate]),
  ).toMatchObject({ code: 0 })
  copyFileSync(join(node, 'signer', 'client.crt'), join(to, 'signer', 'client.crt'))
  await startSigner(to)
  await startNode('guarded', [], node)
  await more('v0')
  expect(await lastSigned('guarded')).toBeGreaterThan(5)
  expect(readFileSync(join(node, 'config.toml'), 'utf8')).not.toMatch(/^(recordLostAt|signFrom)/m)
})

test('its key is changed: the next one is made on the signer, and neither was ever on the node', async () => {
  const [to, node, password] = [dirOf('signer2'), dirOf('moved'), { NOVACHAIN_PASSWORD: 'a password for tests' }]
  const rotate = ['rotate-key', '--dir', node, '--dev-account', '1']
  expect(await run(validators, rotate)).toMatchObject({
    ...{ refusal: 'FOLDER_SIGNER_KEYS', text: expect.stringMatching(/has 1 key, and the next one is wanted/) },
  })
  const made = await run(keys, ['new', 'validator-next', '--dir', to], password)
  expect(made).toMatchObject({ code: 0, json: { file: join(to, 'keys', 'validator-next.json') } })
  await processes.end('signer')
  await startSigner(to, password)
  await more('v0')
  // The node began with one key.
  expect(await run(validators, rotate)).toMatchObject({ refusal: 'FOLDER_NOT_LOADED', code: 4 })
  await processes.end('guarded')
  await startNode('guarded', [], node)
  const rotated = await run(validators, [...rotate, '--wait'])
  expect([rotated.refusal, rotated.text]).toEqual([null, expect.any(String)])
  expect(rotated.json).toMatchObject({ blsKey: made.json.blsKey, nextBlsKey: null })
  expect(rotated.json.proposed).toBeGreaterThanOrEqual(rotated.json.firstHeight)
  await more('v0')
  expect(await lastSigned('guarded')).toBeGreaterThan(rotated.json.firstHeight)
  await processes.end('guarded')
  const own = readdirSync(node, { recursive: true }).map(String)
  expect(own.filter((name) => /keystore|validator/.test(name))).toEqual([])
  const secret = bytesToHex(developmentSecret(1)).slice(2)
  for (const name of own.filter((each) => /\.(toml|json|key|crt|wal|hex)$/.test(each)))
    expect([name, readFileSync(join(node, name), 'latin1').includes(secret)]).toEqual([name, false])
  await startNode('guarded', [], node)
})

test('nobody has seen it sign twice', async () => {
  for (const name of NAMES) expect([name, await request(url(name), 'nova_evidence')]).toEqual([name, []])
})
