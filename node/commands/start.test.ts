// What `start` says of a validator's files that are lost, damaged or in use, and how it goes on where the operator answers for it.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { exitCodeOf, parseFlags } from '../args.ts'
import { setInFile } from '../config.ts'
import { developmentAccounts, developmentGenesis, developmentSecret } from '../development.ts'
import { lockKey } from '../lock.ts'
import { bundledGenesis } from './genesis.ts'
import { init } from './init.ts'
import { start } from './start.ts'

const home = mkdtempSync(join(tmpdir(), 'nova-start-'))
const made = join(home, 'made')
const genesisText = developmentGenesis(bundledGenesis(), { validators: 1, blockTimeMs: 200, chainId: null })
const log = { debug() {}, info() {}, warn() {}, error() {} }
const context = (
  command: typeof start,
  argv: readonly string[],
  signal: AbortSignal,
  out: (object: object) => void,
) => ({
  ...parseFlags(command, 'test', argv),
  ...{ env: { NOVACHAIN_LOG_LEVEL: 'error' }, signal, out },
})

/** Runs the node until it has a block of this height; answers its head. */
const live = async (dir: string, height: number, ...flags: string[]): Promise<number> => {
  const stop = new AbortController()
  let head = 0
  const follow = async (rpc: string): Promise<void> => {
    while (head < height) head = Number(await request(rpc, 'eth_blockNumber'))
  }
  const ports = ['--rpc-port', '0', '--metrics-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0']
  await start.run(
    context(start, ['--dir', dir, ...ports, ...flags], stop.signal, (object) => {
      void follow((object as { rpc: string }).rpc).finally(() => stop.abort())
    }),
  )
  return head
}
/** What a node answers once it is up. */
const ask = async (dir: string, method: string): Promise<unknown> => {
  const stop = new AbortController()
  let answer: Promise<unknown> = Promise.resolve(null)
  const ports = ['--rpc-port', '0', '--metrics-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0']
  await start.run(
    context(start, ['--dir', dir, ...ports], stop.signal, (object) => {
      answer = request((object as { rpc: string }).rpc, method).finally(() => stop.abort())
    }),
  )
  return answer
}
/** The sentence that ends the start, and the exit code. */
const refused = async (dir: string, ...flags: string[]): Promise<{ readonly code: number; readonly text: string }> => {
  const error: unknown = await live(dir, Number.POSITIVE_INFINITY, ...flags).then(
    () => null,
    (cause: unknown) => cause,
  )
  if (!(error instanceof NodeError)) throw error
  return { code: exitCodeOf(error.code), text: error.message }
}
const copy = (name: string): string => {
  const dir = join(home, name)
  cpSync(made, dir, { recursive: true })
  return dir
}

/** It is named by its key. */
const recordIn = (dir: string): string => {
  const names = readdirSync(dir).filter((name) => /^signer-[0-9a-f]{16}\.json$/.test(name))
  expect(names).toHaveLength(1)
  return join(dir, names[0] ?? '')
}

beforeAll(async () => {
  writeFileSync(join(home, 'genesis.json'), genesisText)
  const never = new AbortController().signal
  await init.run(
    context(init, [made, '--genesis', join(home, 'genesis.json'), '--profile', 'validator'], never, () => {}),
  )
  writeFileSync(join(made, 'keys', 'validator.json'), `${bytesToHex(developmentSecret(0))}\n`, { mode: 0o600 })
  await live(made, 3)
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

test('a lost record stops a validator that is alone; the flag that the sentence names starts it again', async () => {
  const dir = copy('lost')
  rmSync(recordIn(dir))
  const { code, text } = await refused(dir)
  expect(code).toBe(3)
  const [, height] = /start with --sign-from (\d+)/.exec(text) ?? []
  expect(await refused(dir, '--sign-from', '2')).toMatchObject({ code: 3 }) // it signed there
  expect(await live(dir, Number(height) + 1, '--sign-from', String(height))).toBeGreaterThan(Number(height))
  expect(await live(dir, Number(height) + 3, '--sign-from', String(height))).toBeGreaterThan(Number(height) + 2)
})

test('a damaged record, and one of another key, are refused with what to do', async () => {
  const dir = copy('damaged')
  const file = recordIn(dir)
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.slice(0, 100))
  expect(await refused(dir)).toMatchObject({
    code: 3,
    text: expect.stringMatching(/no JSON object.*put the latest copy back/),
  })
  writeFileSync(file, text.replace(/"publicKey":"0x..../, '"publicKey":"0x0000'))
  expect(await refused(dir)).toMatchObject({ code: 3, text: expect.stringMatching(/is of the key 0x0000/) })
})

test('a poster without what it needs is refused by name; one whose L1 is away does not hold the node up', async () => {
  const dir = copy('poster')
  const file = join(dir, 'config.toml')
  setInFile(file, 'rollup.mode', 'full')
  const needed = [
    ['rollup.l1Url', 'http://127.0.0.1:1'],
    ['rollup.settlement', `0x${'5e'.repeat(20)}`],
    ['rollup.posterKeyFile', 'keys/poster.hex'],
  ] as const
  for (const [key, value] of needed) {
    expect((await refused(dir)).text).toBe(`rollup.mode is full, and ${key} is empty: set it, or rollup.mode to off`)
    setInFile(file, key, value)
  }
  writeFileSync(join(dir, 'keys', 'poster.hex'), `${developmentAccounts(1)[0]?.privateKey}\n`, { mode: 0o600 })
  expect(await ask(dir, 'nova_rollup')).toMatchObject({ stopped: null, waitsFor: 'l1', latest: null, underway: null })
  expect(await live(dir, 6)).toBeGreaterThan(5)
})

test('a log damaged in the middle stops the node and says what to do', async () => {
  const dir = copy('log')
  const file = join(dir, 'wal', 'consensus.wal')
  const bytes = readFileSync(file)
  bytes[30] = (bytes[30] ?? 0) ^ 1
  writeFileSync(file, bytes)
  const { text } = await refused(dir)
  expect(text).toMatch(
    /consensus\.wal is damaged at byte .* Check the disk; to go on from committed blocks, move the file away/,
  )
  rmSync(file)
  expect(await live(dir, 5)).toBeGreaterThan(4)
})

test('two folders with one key file: the second is refused', async () => {
  const key = join(copy('first'), 'keys', 'validator.json')
  const second = copy('second')
  const config = join(second, 'config.toml')
  writeFileSync(config, readFileSync(config, 'utf8').replace(/keyFile = "keys.*"/, `keyFile = "${key}"`))
  const giveBack = await lockKey(key, log)
  expect(await refused(second)).toMatchObject({
    code: 3,
    text: expect.stringMatching(/the validator key is in use.*stop that process/),
  })
  await giveBack()
  expect(await live(second, 4)).toBeGreaterThan(3)
})

test('a key that is in no set follows, and status says how it gets in', async () => {
  const dir = copy('outside')
  writeFileSync(join(dir, 'keys', 'validator.json'), `${bytesToHex(developmentSecret(5))}\n`, { mode: 0o600 })
  const key = bytesToHex(curves().blsPublicKey(developmentSecret(5)))
  const found = await ask(dir, 'nova_consensus')
  expect(found).toMatchObject({
    validator: null,
    silence: expect.stringMatching(
      new RegExp(
        `^its key ${key} is not in the validator set of height \\d+; .novachain validators join. brings it in$`,
      ),
    ),
  })
})

test('a key and one that is to take its place: each has its record, both are locked, and the same twice is refused', async () => {
  const dir = copy('two')
  const next = join(dir, 'keys', 'next.json')
  const config = join(dir, 'config.toml')
  const one = readFileSync(config, 'utf8')
  writeFileSync(next, `${bytesToHex(developmentSecret(0))}\n`, { mode: 0o600 })
  writeFileSync(config, one.replace(/^keyFile = "keys.*"$/m, '$&\nnextKeyFile = "keys/next.json"'))
  expect(await refused(dir)).toMatchObject({ text: expect.stringMatching(/holds the key that signs already, 0x/) })
  writeFileSync(next, `${bytesToHex(developmentSecret(1))}\n`, { mode: 0o600 })
  const giveBack = await lockKey(next, log)
  expect(await refused(dir)).toMatchObject({ code: 3, text: expect.stringMatching(/the validator key is in use/) })
  await giveBack()
  expect(await live(dir, 5)).toBeGreaterThan(4)
  // Changed over by hand: the record goes with its key, whichever place that has.
  writeFileSync(
    config,
    one.replace(/^keyFile = "keys.*"$/m, 'keyFile = "keys/next.json"\nnextKeyFile = "keys/validator.json"'),
  )
  expect(await live(dir, 8)).toBeGreaterThan(7)
})
