// The doctor on folders that are well and on each kind of ill one: what it finds, what it says to type, its exit code; and that it leaves no
// trace in any of them.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Wallet } from 'ethers'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { PARAMS } from '../../chain/native/index.ts'
import { encodeCall } from '../../chain/native/kit/abi.ts'
import { abi } from '../../chain/native/params/abi.ts'
import { openKv } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { createHost } from '../../p2p/host.ts'
import { run, type Said } from '../../test/kit/commands.ts'
import { devValidatorSecret } from '../../test/kit/keys.ts'
import { writeLightKeystore } from '../../test/kit/keystores.ts'
import { openMemoryChain } from '../../test/kit/memory-chain.ts'
import { clientDeps, identities, memoryRecord, optionsFor, serve } from '../../test/kit/remote.ts'
import { installFastCurves } from '../curves.ts'
import { developmentAccounts } from '../development.ts'
import { nameOf, writeKeyFile } from '../keystore.ts'
import { PROTOCOL_VERSION } from '../node.ts'
import { openRecordFile } from '../record.ts'
import { makeIdentity } from '../remote/certificates.ts'
import { connectSigner } from '../remote/client.ts'
import { openSigner } from '../signer.ts'
import { recordPath } from '../signers.ts'
import { systemClock } from '../system.ts'
import { noMeter, silent } from '../telemetry.ts'
import { config } from './config.ts'
import { doctor } from './doctor.ts'
import { init } from './init.ts'

const genesisFile = fileURLToPath(new URL('../../genesis.json', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'novachain-doctor-test-'))
const made = join(home, 'made')
const PASSWORD = 'a password for tests'
const secret = devValidatorSecret(0)
const publicKey = () => nameOf('validator', secret)
const quiet = '[p2p]\nlisten = []\n[rpc]\nport = 0\n[metrics]\nport = 0\n'

/** A folder of the development network, whose only validator signed two blocks, with its encrypted key. */
beforeAll(async () => {
  await installFastCurves(() => {})
  expect(await run(init, [made, '--genesis', genesisFile])).toMatchObject({ code: 0 })
  const kv = await openKv(join(made, 'db'))
  const { chain, seal } = await openMemoryChain({ kv, time: { clock: systemClock, pause: async () => {} } })
  await seal()
  await seal()
  await chain.close()
  await writeKeyFile(join(made, 'keys', 'validator.json'), `${bytesToHex(secret)}\n`) // in the clear: a keystore takes a second to open
  writeFileSync(join(made, 'config.toml'), `${quiet}[validator]\nkeyFile = "keys/validator.json"\n`)
  chmodSync(made, 0o755)
})
afterAll(() => rmSync(home, { recursive: true, force: true }))
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

let count = 0
const copy = (): string => {
  const dir = join(home, `copy-${count++}`)
  cpSync(made, dir, { recursive: true })
  chmodSync(join(dir, 'keys'), 0o700) // which a copy does not keep
  return dir
}
/** A record of the last signature, COMMIT or above of this height. */
const record = async (dir: string, height: number): Promise<void> => {
  const { chain } = await openMemoryChain()
  const domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
  const file = openRecordFile(recordPath(dir, publicKey()))
  const signer = await openSigner(file, secret, domain)
  const timeout = { height, round: 0, hqcRound: null, qc: null, validator: 0 }
  const answer = await signer.sign({ message: { kind: 'timeout', timeout }, highQc: null, entry: null })
  expect(answer.kind).toBe('signed')
  await chain.close()
}

const snapshot = (dir: string): object =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name)
    const { mtimeMs, size, mode } = statSync(path)
    return [path, mtimeMs, size, mode, entry.isFile() ? readFileSync(path, 'latin1') : null]
  })
/** As `run`, and the folder is what it was. */
const examine = async (
  dir: string,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = { NOVACHAIN_PASSWORD: PASSWORD },
): Promise<Said> => {
  const before = snapshot(dir)
  const said = await run(doctor, ['--dir', dir, ...flags], env)
  expect(snapshot(dir)).toEqual(before)
  return said
}
const checkOf = ({ json }: Said, id: string) => json.checks.find((each: { id: string }) => each.id === id)
const set = async (dir: string, key: string, value: string): Promise<void> =>
  expect(await run(config, ['set', key, value, '--dir', dir])).toMatchObject({ code: 0 })

test('a folder that is well: every check has a value, and nothing fails', async () => {
  const dir = copy()
  await record(dir, 3)
  const said = await examine(dir)
  expect(said.json.checks.filter(({ state }: { state: string }) => state === 'fail')).toEqual([])
  expect([said.code, said.json.failures, said.json.refused]).toEqual([0, 0, false])
  const ids = said.json.checks.map(({ id }: { id: string }) => id)
  expect(ids).toEqual(
    expect.arrayContaining(
      ...[
        ['config', 'genesis', 'permissions', 'keystore', 'lock', 'database', 'trust', 'guard', 'clock', 'disk', 'sync'],
      ],
    ),
  )
  expect(ids).toEqual(
    expect.arrayContaining(['descriptors', 'memory', 'version', 'ports', 'rpc', 'reachable', 'peers']),
  )
  for (const { found, state, next } of said.json.checks)
    expect([found !== '', (state === 'ok') === (next === null)]).toEqual([true, true])
  expect(checkOf(said, 'keystore').found).toContain(bytesToHex(publicKey()))
  expect(checkOf(said, 'database').found).toContain('block 2 ')
  expect(checkOf(said, 'guard').found).toContain('the record ends at height 3 round 0')
  // What it decrypts it never shows.
  expect(`${said.text}${JSON.stringify(said.json)}`).not.toContain(bytesToHex(secret).slice(2))
})

test('a record that is lost, or older than what the chain shows, is what a start refuses: exit code 3, with what to type', async () => {
  const lost = copy()
  const said = await examine(lost)
  expect([said.code, said.json.refused]).toEqual([3, true])
  expect(checkOf(said, 'guard')).toMatchObject({
    state: 'fail',
    found: expect.stringMatching(/signed .* of height 2 .*start with --sign-from 3/),
  })
  const old = copy()
  await record(old, 1)
  expect(checkOf(await examine(old), 'guard')).toMatchObject({
    state: 'fail',
    found: expect.stringContaining('of height 2'),
  })
  await set(old, 'validator.signFrom', '9')
  const chosen = await examine(old)
  expect([chosen.code, checkOf(chosen, 'guard').found]).toEqual([
    0,
    expect.stringContaining('it signs from height 9 on'),
  ])
  // As after a rollback.
  const ahead = copy()
  await record(ahead, 9)
  expect(checkOf(await examine(ahead), 'guard')).toMatchObject({
    ...{
      state: 'ok',
      found: expect.stringMatching(/ends at height 9 .*the next block here is 3: it signs nothing until/),
    },
  })
  const damaged = copy()
  writeFileSync(recordPath(damaged, publicKey()), '{', { mode: 0o600 })
  expect(await examine(damaged)).toMatchObject({ code: 3, json: { refused: true } })
})

test('a damaged database, and one of another network', async () => {
  const damaged = copy()
  const log = readdirSync(join(damaged, 'db')).find((name) => /\.(log|ldb)$/.test(name)) ?? ''
  const bytes = readFileSync(join(damaged, 'db', log))
  bytes[100] = (bytes[100] ?? 0) ^ 1
  writeFileSync(join(damaged, 'db', log), bytes)
  const said = await examine(damaged)
  expect([said.code, checkOf(said, 'database')]).toEqual([
    1,
    expect.objectContaining({ state: 'fail', next: expect.stringContaining('db check') }),
  ])
  const other = copy()
  const genesis = JSON.parse(readFileSync(join(other, 'genesis.json'), 'utf8'))
  genesis.config.chainId = 5
  writeFileSync(join(other, 'genesis.json'), JSON.stringify(genesis))
  expect(checkOf(await examine(other), 'database')).toMatchObject({
    state: 'fail',
    found: expect.stringContaining('another network'),
  })
})

test('a fork that this release does not know: a warning within the week before it, and what a start refuses once it is the next block', async () => {
  const dir = join(home, 'forked')
  const governor = new Wallet(developmentAccounts(1)[0]?.privateKey ?? '')
  const json = JSON.parse(readFileSync(genesisFile, 'utf8'))
  json.novachain.epochBlocks = 3
  json.novachain.modules.params.governance = governor.address
  writeFileSync(join(home, 'forked.json'), JSON.stringify(json))
  expect(await run(init, [dir, '--genesis', join(home, 'forked.json')])).toMatchObject({ code: 0 })
  writeFileSync(join(dir, 'config.toml'), quiet)
  const sealed = async (count: number, tx: Uint8Array | null): Promise<void> => {
    const kv = await openKv(join(dir, 'db'))
    const genesis = parseGenesis(JSON.stringify(json))
    const { chain, seal } = await openMemoryChain({ kv, genesis, time: { clock: systemClock, pause: async () => {} } })
    if (tx !== null) await chain.submit(tx, 'local')
    for (let i = 0; i < count; i++) await seal()
    await chain.close()
  }
  const call = encodeCall(abi.functions.scheduleFork, ['later', 2n, '9.9.9'])
  const gas = { type: 2, maxFeePerGas: 2n * 10n ** 9n, maxPriorityFeePerGas: 1n, gasLimit: 200_000n }
  const plan = { chainId: json.config.chainId, nonce: 0, to: bytesToHex(PARAMS), data: bytesToHex(call), ...gas }
  await sealed(1, null)
  expect(checkOf(await examine(dir), 'forks')).toMatchObject({ state: 'ok' })
  await sealed(1, hexToBytes((await governor.signTransaction(plan)) as Hex))
  const warned = await examine(dir)
  expect([warned.code, checkOf(warned, 'forks')]).toEqual([
    0,
    expect.objectContaining({
      state: 'warn',
      found: expect.stringMatching(/before block 7 .*later.*9\.9\.9 or newer/),
    }),
  ])
  await sealed(4, null)
  const refused = await examine(dir)
  expect([refused.code, checkOf(refused, 'forks')]).toEqual([
    3,
    expect.objectContaining({ state: 'fail', found: expect.stringMatching(/block 7 .*later.*version 9\.9\.9/) }),
  ])
})

test('keys that others can read, a key that is not there, a wrong password, none', async () => {
  const dir = copy()
  await record(dir, 3)
  const key = join(dir, 'keys', 'validator.json')
  rmSync(key)
  await writeLightKeystore(key, 'validator', PASSWORD, secret)
  expect(checkOf(await examine(dir), 'keystore')).toMatchObject({
    state: 'ok',
    found: expect.stringContaining(bytesToHex(publicKey())),
  })
  expect(checkOf(await examine(dir, [], {}), 'keystore')).toMatchObject({
    state: 'warn',
    next: expect.stringContaining('NOVACHAIN_PASSWORD'),
  })
  expect(checkOf(await examine(dir, [], { NOVACHAIN_PASSWORD: 'wrong' }), 'keystore')).toMatchObject({
    state: 'fail',
    found: expect.stringContaining('wrong password'),
  })
  chmodSync(key, 0o644)
  chmodSync(join(dir, 'keys'), 0o755)
  const said = await examine(dir)
  expect(checkOf(said, 'permissions')).toMatchObject({
    state: 'fail',
    next: `chmod 700 ${join(dir, 'keys')} && chmod 600 ${key}`,
  })
  rmSync(key)
  expect(checkOf(await examine(dir), 'keystore')).toMatchObject({ state: 'fail', found: `${key} is not there` })
})

test('a lock of another machine, and one that a dead process left', async () => {
  const dir = copy()
  await record(dir, 3)
  const lock = join(dir, 'keys', 'validator.json.lock')
  writeFileSync(lock, JSON.stringify({ host: 'elsewhere', pid: 7, started: '' }), { mode: 0o600 })
  const said = await examine(dir)
  expect([said.code, checkOf(said, 'lock').found]).toEqual([
    3,
    expect.stringContaining('process 7 of the machine elsewhere'),
  ])
  writeFileSync(lock, JSON.stringify({ host: hostname(), pid: 2 ** 22 + 1, started: '' }), { mode: 0o600 })
  expect((await examine(dir)).code).toBe(0)
})

test('a configuration with a key that does not exist, and ones that contradict each other', async () => {
  const dir = copy()
  writeFileSync(join(dir, 'config.toml'), '[rcp]\nport = 1\n')
  expect(checkOf(await examine(dir), 'config')).toMatchObject({
    state: 'fail',
    found: expect.stringContaining('did you mean rpc.port'),
  })
  const wrong = `${quiet}bootstrap = ["/ip4/127.0.0.1/tcp/1"]\n`.replace(
    '[rpc]',
    '[rpc]\nhosts = ["*"]\norigins = ["*"]',
  )
  writeFileSync(
    join(dir, 'config.toml'),
    `${wrong.replace('bootstrap', '\n[sync]\ntrustHeight = 5\n[validator]\nrecordLostAt = 1\nsignFrom = 2\n#')}`,
  )
  const { found, state } = checkOf(await examine(dir), 'config')
  expect(state).toBe('warn')
  for (const words of ['recordLostAt = 1 and validator.signFrom = 2', 'one is missing', 'any page in a browser'])
    expect(found).toContain(words)
})

test('ports that others have', async () => {
  const dir = copy()
  await record(dir, 3)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await set(dir, 'rpc.port', `${port}`)
  const said = await examine(dir)
  expect([said.code, checkOf(said, 'ports').found]).toEqual([1, `taken: rpc.port 127.0.0.1:${port} (in use)`])
})

test('a peer that is not there, one of another network, one of another version, one that is well', async () => {
  const dir = copy()
  await record(dir, 3)
  const hash = checkOf(await examine(dir), 'genesis').found.slice(0, 66)
  const peer = async (networkId: string, version: number): Promise<string> => {
    const handlers = {
      onPublished: () => 'ignore' as const,
      onRequest: async () => new Uint8Array(0),
      onPeer() {},
      onPeerGone() {},
    }
    const ports = {
      announcement: async () => new Uint8Array(0),
      handlers,
      clock: systemClock,
      log: silent,
      meter: noMeter,
    }
    const host = await createHost(
      {
        keySecret: crypto.getRandomValues(new Uint8Array(32)),
        networkId: networkId as `0x${string}`,
        version,
        ...ports,
      },
      {
        ...{
          listen: ['/ip4/127.0.0.1/tcp/0'],
          announce: [],
          bootstrap: [],
          persistent: [],
          allow: null,
          privatePeers: [],
        },
        ...{ inboundMax: 10, outboundMax: 0, mdns: false },
      },
    )
    closers.push(() => host.close())
    return host.addresses()[0] ?? ''
  }
  const well = await peer(hash, PROTOCOL_VERSION)
  const stranger = await peer(`0x${'ab'.repeat(32)}`, PROTOCOL_VERSION)
  const older = await peer(hash, PROTOCOL_VERSION - 1)
  const gone = well.replace(/tcp\/\d+\/p2p\/.*/, 'tcp/1')
  await set(dir, 'p2p.listen', '/ip4/127.0.0.1/tcp/0')
  await set(dir, 'p2p.persistent', [well, stranger].join(','))
  await set(dir, 'p2p.bootstrap', [older, gone].join(','))
  const said = await examine(dir)
  const peers = said.json.checks.filter(({ id }: { id: string }) => id === 'peer')
  expect(peers).toEqual([
    expect.objectContaining({ state: 'ok', found: `${well} answers, of this network and version` }),
    expect.objectContaining({
      state: 'fail',
      found: expect.stringMatching(/answers(: .*of the network 0x| and ends the connection)/),
    }),
    expect.objectContaining({
      state: 'fail',
      found: expect.stringMatching(/answers(: .*version \d of the protocol| and ends the connection)/),
    }),
    expect.objectContaining({ state: 'fail', found: expect.stringMatching(/tcp\/1 is not reached/) }),
  ])
})

/** A time server whose clock is off by so many milliseconds. */
const timeServer = async (offMs: number): Promise<string> => {
  const socket = createSocket('udp4')
  socket.on('message', (asked, from) => {
    const answer = Buffer.alloc(48)
    answer[0] = 0b00_100_100
    answer[1] = 2
    asked.copy(answer, 24, 40, 48)
    const seconds = (Date.now() + offMs) / 1_000 + 2_208_988_800
    for (const at of [32, 40]) {
      answer.writeUInt32BE(Math.floor(seconds), at)
      answer.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32), at + 4)
    }
    socket.send(answer, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closers.push(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

test('a clock that is right, one that is off, and a time server that does not answer', async () => {
  const dir = copy()
  await record(dir, 3)
  const clock = async (server: string) => checkOf(await examine(dir, ['--ntp', server]), 'clock')
  expect(await clock(await timeServer(0))).toMatchObject({ state: 'ok' })
  expect(await clock(await timeServer(5_000))).toMatchObject({
    state: 'fail',
    found: expect.stringMatching(/(49|50)\d\d ms behind/),
  })
  expect(await clock(await timeServer(-5_000))).toMatchObject({
    state: 'fail',
    found: expect.stringMatching(/(49|50)\d\d ms ahead of/),
  })
  const closed = await timeServer(0)
  closers.splice(0).forEach((close) => void close())
  expect(await clock(closed)).toMatchObject({ state: 'warn', found: expect.stringContaining('does not answer') })
})

test('a signer elsewhere: well and free, asked by another process, of another network, with another certificate, away', async () => {
  const { chain } = await openMemoryChain()
  const network = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
  await chain.close()
  const server = await serve(memoryRecord(), { network })
  closers.push(() => server.close())
  const dir = copy()
  mkdirSync(join(dir, 'signer'), { mode: 0o700 })
  await writeKeyFile(join(dir, 'signer', 'client.key'), identities.validator.key)
  writeFileSync(join(dir, 'signer', 'client.crt'), identities.validator.certificate)
  writeFileSync(join(dir, 'signer', 'signer.crt'), identities.signer.certificate)
  await set(dir, 'validator.keyFile', '')
  await set(dir, 'validator.signerUrl', `tls://127.0.0.1:${server.port}`)
  const well = await examine(dir)
  expect(checkOf(well, 'signer')).toMatchObject({
    state: 'ok',
    found: expect.stringMatching(/signs with 0x[0-9a-f]{96}; nobody has its lease$/),
  })
  expect(server.holder()).toBeNull()

  const node = await connectSigner(optionsFor(server.port), clientDeps({ domain: network }))
  closers.push(() => node.close())
  const held = await examine(dir)
  expect([held.code, checkOf(held, 'signer')]).toMatchObject([
    3,
    { state: 'fail', found: expect.stringMatching(/has the lease/) },
  ])
  // Whoever had it has it still.
  expect(await node.signers[0]?.record()).toBeNull()

  const other = await serve(memoryRecord())
  closers.push(() => other.close())
  await set(dir, 'validator.signerUrl', `tls://127.0.0.1:${other.port}`)
  expect(checkOf(await examine(dir), 'signer').found).toMatch(/is of another network/)
  writeFileSync(join(dir, 'signer', 'signer.crt'), makeIdentity('stranger').certificate)
  const stranger = await examine(dir)
  expect([stranger.code, checkOf(stranger, 'signer').found]).toEqual([
    1,
    expect.stringMatching(/shows another certificate/),
  ])
  await set(dir, 'validator.signerUrl', 'tls://127.0.0.1:1')
  expect(checkOf(await examine(dir), 'signer').found).toMatch(/nothing listens there/)
  rmSync(join(dir, 'signer', 'client.key'))
  expect(checkOf(await examine(dir), 'signer').state).toBe('fail')
})

test('a folder that is none is said so', async () => {
  mkdirSync(join(home, 'none'))
  expect(await run(doctor, ['--dir', join(home, 'none')])).toMatchObject({ code: 1, refusal: 'START_NO_DIR' })
})
