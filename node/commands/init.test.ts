// A validator from nothing: a key, a genesis that names it, a folder, a final block signed by the encrypted key.
import { existsSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { request } from '../../rpc/client/http.ts'
import { run as say } from '../../test/kit/commands.ts'
import { founder } from '../../test/kit/founders.ts'
import { type Command, parseFlags } from '../args.ts'
import { loadConfig } from '../config.ts'
import { developmentGenesis } from '../development.ts'
import { bundledGenesis, genesis } from './genesis.ts'
import { init } from './init.ts'
import { keys } from './keys.ts'
import { start } from './start.ts'

const ANY_PORTS = ['--rpc-port', '0', '--metrics-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0']

const run = async (
  command: Command,
  argv: readonly string[],
  options: {
    readonly env?: Record<string, string>
    readonly stop?: AbortSignal
    readonly out?: (object: object) => void
  } = {},
) => {
  let said: Record<string, unknown> = {}
  const code = await command.run({
    ...parseFlags(command, 'test', argv),
    env: { NOVACHAIN_LOG_LEVEL: 'error', ...options.env },
    signal: options.stop ?? new AbortController().signal,
    out: (object) => {
      said = { ...object }
      options.out?.(object)
    },
  })
  return { code, said }
}

test('init, keys new, genesis, start: the encrypted key signs final blocks', async () => {
  const dir = join(mkdtempSync(join(tmpdir(), 'nova-init-')), 'node')
  const source = join(dir, '..', 'genesis.json')
  writeFileSync(source, developmentGenesis(bundledGenesis(), { validators: 1, blockTimeMs: 1_000, chainId: null }))
  const made = await run(init, [dir, '--genesis', source, '--profile', 'validator'])
  expect(made.said).toMatchObject({
    next: [`next: novachain keys new --dir ${dir}`, expect.anything()],
  })
  expect(readFileSync(join(dir, 'config.toml'), 'utf8')).toContain('\nkeyFile = "keys/validator.json"\n')

  const go = (stop: AbortSignal, env: Record<string, string>, out?: (object: object) => void) =>
    run(start, ['--dir', dir, ...ANY_PORTS], { stop, env, ...(out && { out }) })
  const never = new AbortController().signal
  await expect(go(never, {})).rejects.toMatchObject({ code: 'START_NO_KEY' })

  const password = { NOVACHAIN_PASSWORD: 'a good password' }
  const { said: key } = await run(keys, ['new', '--dir', dir], { env: password })
  const json = JSON.parse(readFileSync(source, 'utf8'))
  const [member] = json.novachain.validators
  json.novachain.validators = [{ ...member, blsKey: key.blsKey, proofOfPossession: key.proofOfPossession }]
  writeFileSync(join(dir, 'genesis.json'), JSON.stringify(json))
  await expect(go(never, { NOVACHAIN_PASSWORD: 'not it' })).rejects.toMatchObject({ code: 'KEYSTORE_PASSWORD' })
  await expect(go(never, {})).rejects.toMatchObject({ code: 'PASSWORD_NONE' })

  const stop = new AbortController()
  writeFileSync(join(dir, 'password'), 'a good password\n', { mode: 0o600 })
  const { code } = await go(stop.signal, { NOVACHAIN_VALIDATOR_PASSWORD_FILE: 'password' }, (object) => {
    const { rpc } = object as { rpc: string }
    const follow = async (): Promise<void> => {
      while (Number(await request(rpc, 'eth_blockNumber')) < 1);
      expect(await request(rpc, 'nova_getCommitCertificate', ['0x1'])).toMatchObject({ height: '0x1' })
    }
    void follow().finally(() => stop.abort())
  })
  expect(code).toBe(0)
})

const genesisIn = (dir: string, chainId: number): string => {
  const file = join(dir, `genesis-${chainId}.json`)
  writeFileSync(file, developmentGenesis(bundledGenesis(), { validators: 1, blockTimeMs: null, chainId }))
  return file
}
const hashOf = async (file: string): Promise<string> => (await say(genesis, ['hash', file])).json.hash

test('a pinned hash: another genesis is refused before anything is written', async () => {
  const home = mkdtempSync(join(tmpdir(), 'nova-init-'))
  const [file, other] = [genesisIn(home, 5), genesisIn(home, 6)]
  const [hash, otherHash] = [await hashOf(file), await hashOf(other)]
  const dir = join(home, 'node')
  expect(await say(init, [dir, '--genesis', file, '--genesis-hash', otherHash])).toMatchObject({
    code: 3,
    refusal: 'INIT_OTHER_HASH',
    text: expect.stringMatching(new RegExp(`${hash}, not of ${otherHash}: nothing was written`)),
  })
  expect(existsSync(dir)).toBe(false)
  expect(await say(init, [dir, '--genesis', file, '--genesis-hash', '0x12'])).toMatchObject({ code: 2 })
  const pinned = ['--genesis', file, '--genesis-hash', hash.toUpperCase().replace('0X', '0x')]
  expect(await say(init, [dir, ...pinned])).toMatchObject({ code: 0, json: { genesisHash: hash, changed: true } })

  const before = readFileSync(join(dir, 'config.toml'), 'utf8')
  const again = { code: 0, json: { genesisHash: hash, changed: false }, text: expect.stringContaining('already') }
  expect(await say(init, [dir, ...pinned])).toMatchObject(again)
  expect(await say(init, [dir, '--genesis', file, '--profile', 'archive'])).toMatchObject(again)
  // The folder is known to be the right one: nobody asks a URL that may be gone.
  expect(await say(init, [dir, '--genesis', 'http://127.0.0.1:1', '--genesis-hash', hash])).toMatchObject(again)
  for (const flags of [
    ['--genesis', other],
    ['--genesis', other, '--genesis-hash', otherHash],
  ])
    expect(await say(init, [dir, ...flags])).toMatchObject({
      code: 3,
      refusal: 'INIT_OTHER_NETWORK',
      text: expect.stringMatching(new RegExp(`${hash}, not ${otherHash}`)),
    })
  expect(readFileSync(join(dir, 'config.toml'), 'utf8')).toBe(before)
})

test('a genesis that is none leaves no folder', async () => {
  const home = mkdtempSync(join(tmpdir(), 'nova-init-'))
  const [file, dir] = [join(home, 'genesis.json'), join(home, 'node')]
  for (const text of ['', '{', '[]', '{"alloc":{}}', '\u0000'.repeat(100)]) {
    writeFileSync(file, text)
    const { code, text: says } = await say(init, [dir, '--genesis', file])
    expect([code, says]).toEqual([1, expect.stringMatching(/^genesis: /)])
  }
  truncateSync(file, 256 * 1024 * 1024 + 1)
  expect(await say(init, [dir, '--genesis', file])).toMatchObject({ code: 1, refusal: 'SOURCE_FILE' })
  expect(await say(init, [file, '--genesis', genesisIn(home, 5)])).toMatchObject({ code: 1, refusal: 'SOURCE_FILE' })
  expect(existsSync(dir)).toBe(false)
})

test('peers from a file and from flags go into the configuration, the own address does not', async () => {
  const home = mkdtempSync(join(tmpdir(), 'nova-init-'))
  const dir = join(home, 'node')
  const { peerId } = (await say(keys, ['new', '--type', 'p2p', '--dir', dir])).json
  const [a, b] = [await founder(0), await founder(1)]
  const peers = join(home, 'peers.txt')
  writeFileSync(peers, `# founders\n\n${a.p2pAddress}\r\n/ip4/127.0.0.1/tcp/3/p2p/${peerId}\n`)
  const flags = ['--genesis', genesisIn(home, 5), '--peers', peers]
  const bad = await say(init, [dir, ...flags, '--p2p-bootstrap', 'nowhere:1'])
  expect(bad).toMatchObject({ refusal: 'P2P_ADDRESS', text: expect.stringMatching(/nowhere:1 is no multiaddr/) })
  expect(existsSync(join(dir, 'genesis.json'))).toBe(false)
  const more = ['--p2p-bootstrap', '/ip4/10.0.0.1/tcp/30333', '--p2p-persistent', b.p2pAddress]
  expect(await say(init, [dir, ...flags, ...more])).toMatchObject({ code: 0 })
  const config = loadConfig(join(dir, 'config.toml'), {}, {})
  expect(config['p2p.bootstrap']).toEqual([a.p2pAddress, '/ip4/10.0.0.1/tcp/30333'])
  expect(config['p2p.persistent']).toEqual([b.p2pAddress])
  writeFileSync(peers, 'not an address\n')
  expect(await say(init, [join(home, 'other'), ...flags])).toMatchObject({ refusal: 'P2P_PEER_ADDRESS' })
})

test('a config.toml that was prepared before keeps what it says', async () => {
  const home = mkdtempSync(join(tmpdir(), 'nova-init-'))
  const config = join(home, 'config.toml')
  writeFileSync(config, '[rpc]\nport = 1234 # mine\n')
  expect(await say(init, [home, '--genesis', genesisIn(home, 5), '--profile', 'validator'])).toMatchObject({ code: 0 })
  expect(readFileSync(config, 'utf8')).toContain('port = 1234 # mine')
  expect(loadConfig(config, {}, {})).toMatchObject({ 'rpc.port': 1234, 'validator.keyFile': 'keys/validator.json' })
})
