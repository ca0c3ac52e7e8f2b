// The commands around a signer, as an operator types them: folders, pairs, and every reason why one is not served.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { run } from '../../test/kit/commands.ts'
import { loadConfig } from '../config.ts'
import { developmentSecret } from '../development.ts'
import { recordPath } from '../signers.ts'
import { bundledGenesis } from './genesis.ts'
import { init } from './init.ts'
import { signer } from './signer.ts'
import { start } from './start.ts'

beforeAll(() => installCurves(nativeCurves))
const home = mkdtempSync(join(tmpdir(), 'novachain-signer-'))
const genesis = join(home, 'genesis.json')
writeFileSync(genesis, bundledGenesis())
afterAll(() => rmSync(home, { recursive: true }))
let made = 0
let [at, node] = ['', '']
beforeAll(async () => {
  expect(await run(init, [join(home, 'node'), '--genesis', genesis, '--profile', 'validator'])).toMatchObject({
    code: 0,
  })
  expect(await run(signer, ['init', '--dir', join(home, 'signer'), '--genesis', genesis])).toMatchObject({ code: 0 })
})
beforeEach(() => {
  made++
  ;[at, node] = [join(home, `signer${made}`), join(home, `node${made}`)]
  cpSync(join(home, 'signer'), at, { recursive: true })
  cpSync(join(home, 'node'), node, { recursive: true })
})
const url = 'tls://127.0.0.1:1'
const certificate = (): string => join(at, 'signer', 'signer.crt')
const pair = () => run(signer, ['pair', '--dir', node, '--url', url, '--cert', certificate()])
const keyFile = (): string => {
  const file = join(at, 'keys', 'validator.hex')
  writeFileSync(file, bytesToHex(developmentSecret(0)), { mode: 0o600 })
  return file
}
const serve = (...flags: string[]) =>
  run(signer, ['--dir', at, '--metrics-port', '0', '--listen', '127.0.0.1:0', ...flags])

test('a pair is made once, each key for its owner alone, and the node’s folder names the signer instead of a key file', async () => {
  expect(await pair()).toMatchObject({ code: 0, json: { url } })
  for (const file of [join(at, 'signer', 'signer.key'), join(node, 'signer', 'client.key')])
    expect(statSync(file).mode & 0o777).toBe(0o600)
  const config = loadConfig(join(node, 'config.toml'), {}, {})
  expect(config).toMatchObject({ 'validator.signerUrl': url, 'validator.keyFile': '' })
  expect(readFileSync(join(node, 'config.toml'), 'utf8')).not.toContain('[signer]')
  expect(readFileSync(join(node, 'signer', 'signer.crt'), 'utf8')).toBe(readFileSync(certificate(), 'utf8'))
  const before = readFileSync(join(node, 'signer', 'client.crt'), 'utf8')
  expect(await pair()).toMatchObject({ code: 0 })
  expect(await run(signer, ['init', '--dir', at, '--genesis', genesis])).toMatchObject({ code: 0 })
  expect(readFileSync(join(node, 'signer', 'client.crt'), 'utf8')).toBe(before)
})

test('a signer of one network is not made one of another', async () => {
  const other = join(home, 'other.json')
  const json = JSON.parse(bundledGenesis())
  json.config.chainId = 5
  writeFileSync(other, JSON.stringify(json))
  expect(await run(signer, ['init', '--dir', at, '--genesis', other])).toMatchObject({ refusal: 'SIGNERCMD_NETWORK' })
})

test('nothing is served without a folder, a client’s certificate, a key; with a key that others read, or a damaged record', async () => {
  expect(await run(signer, ['--dir', node])).toMatchObject({ refusal: 'SIGNERCMD_NO_DIR' })
  expect(await serve()).toMatchObject({ refusal: 'CERTIFICATE_FILE', text: expect.stringContaining('signer pair') })
  await pair()
  copyFileSync(join(node, 'signer', 'client.crt'), join(at, 'signer', 'client.crt'))
  expect(await serve()).toMatchObject({ refusal: 'SIGNERCMD_KEYS', text: expect.stringContaining('keys new') })
  const file = keyFile()
  chmodSync(file, 0o644)
  expect(await serve()).toMatchObject({ refusal: 'KEYSTORE_FILE', text: expect.stringContaining('chmod 600') })
  chmodSync(file, 0o600)
  const record = recordPath(at, nativeCurves.blsPublicKey(developmentSecret(0)))
  writeFileSync(record, '{')
  expect(await serve()).toMatchObject({ code: 3, refusal: 'SIGNER_RECORD' })
  expect(existsSync(`${file}.lock`)).toBe(false)
  writeFileSync(join(at, 'signer', 'client.crt'), 'no certificate')
  expect(await serve()).toMatchObject({ refusal: 'CERTIFICATE_FILE' })
})

test('a node with a key of its own beside a signer does not start, nor one whose certificate is another’s', async () => {
  await pair()
  const flags = ['--dir', node, '--rpc-port', '0', '--metrics-port', '0', '--log-level', 'error']
  const both = { NOVACHAIN_VALIDATOR_KEY_FILE: 'keys/validator.json' }
  expect(await run(start, flags, both)).toMatchObject({ refusal: 'START_TWO_PLACES' })
  copyFileSync(certificate(), join(node, 'signer', 'client.crt'))
  expect(await run(start, flags)).toMatchObject({
    refusal: 'CERTIFICATE_FILE',
    text: expect.stringContaining('not of the key'),
  })
  for (const bad of ['http://127.0.0.1:1', 'tls://127.0.0.1', 'tls://127.0.0.1:99999'])
    expect(await run(start, [...flags, '--signer-url', bad])).toMatchObject({ refusal: 'CONFIG_INVALID' })
})

test('a history of a folder without records is empty, and what is no history is refused by name', async () => {
  const file = join(home, `history${made}.json`)
  expect(await run(signer, ['export', '--dir', at, '--to', file])).toMatchObject({ code: 0, json: { keys: [] } })
  expect(await run(signer, ['import', '--dir', node, '--from', file])).toMatchObject({ code: 0, json: { keys: [] } })
  expect(await run(signer, ['export', '--dir', at, '--to', file])).toMatchObject({
    code: 3,
    refusal: 'KEYSTORE_EXISTS',
  })
  expect(await run(signer, ['import', '--dir', node, '--from', genesis])).toMatchObject({ refusal: 'HISTORY_FORM' })
})
