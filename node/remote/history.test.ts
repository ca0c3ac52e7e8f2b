// Moving what a key signed: an export says all of it, an import only ever raises, and whatever is not whole, not of this network or not of
// one and the same key leaves everything as it was.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { block, domain, prepare } from '../../test/kit/remote.ts'
import { developmentSecret } from '../development.ts'
import { lockKey } from '../lock.ts'
import { openRecordFile } from '../record.ts'
import { openSigner, type Signer, type SignOrder } from '../signer.ts'
import { recordPath } from '../signers.ts'
import { silent } from '../telemetry.ts'
import { exportHistory, importHistory } from './history.ts'

beforeAll(() => installCurves(nativeCurves))
let [here, there] = ['', '']
beforeEach(() => {
  ;[here, there] = ['here', 'there'].map((name) => mkdtempSync(join(tmpdir(), `novachain-${name}-`))) as [
    string,
    string,
  ]
})
afterEach(() => {
  for (const dir of [here, there]) rmSync(dir, { recursive: true })
})
const keyOf = (index: number): Uint8Array => nativeCurves.blsPublicKey(developmentSecret(index))
const signerIn = (dir: string, index = 0): Promise<Signer> =>
  openSigner(openRecordFile(recordPath(dir, keyOf(index))), developmentSecret(index), domain)
const commit = (height: number, round: number): SignOrder => ({
  ...{ highQc: null, entry: null },
  message: { kind: 'vote', vote: { type: 'commit', height, round, blockHash: block(1), validator: 0 } },
})
const exported = async (dir = here): Promise<string> => (await exportHistory(dir, domain, silent)).text
const into = (dir: string, text: string, of = domain) => importHistory(dir, of, { text, file: 'history.json' }, silent)
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof NodeError ? error.code : error),
  )

test('a history has EIP-3076’s shape, and at the new place the key goes on above it and nowhere below', async () => {
  await (await signerIn(here)).sign(commit(9, 2))
  await (await signerIn(here, 1)).sign(prepare(4))
  const text = await exported()
  const json = JSON.parse(text)
  expect(json.metadata).toEqual({
    ...{ interchange_format: 'novachain', interchange_format_version: '1' },
    ...{ chain_id: '1', genesis_hash: bytesToHex(domain.genesisHash) },
  })
  expect(json.data.map(({ pubkey }: { pubkey: string }) => pubkey).sort()).toEqual(
    [0, 1].map((i) => bytesToHex(keyOf(i))).sort(),
  )
  expect(await into(there, text)).toMatchObject([{ changed: true }, { changed: true }])
  expect(await into(there, text)).toMatchObject([{ changed: false }, { changed: false }])
  for (const index of [0, 1])
    expect(readFileSync(recordPath(there, keyOf(index)), 'utf8')).toBe(
      readFileSync(recordPath(here, keyOf(index)), 'utf8'),
    )
  const moved = await signerIn(there)
  expect((await moved.sign(prepare(9))).kind).toBe('refused')
  // The lock comes with it: this TIMEOUT beside that COMMIT would be slashed.
  const timeout = { height: 9, round: 3, hqcRound: null, qc: null, validator: 0 }
  expect(await codeOf(moved.sign({ message: { kind: 'timeout', timeout }, highQc: null, entry: null }))).toBe(
    'SIGNER_LOCK',
  )
  expect((await moved.sign(prepare(10))).kind).toBe('signed')
})

test('an import of something older lowers nothing, but keeps the higher lock of the height', async () => {
  const first = await signerIn(here)
  await first.sign(commit(9, 2))
  const old = await exported()
  await (await signerIn(there)).sign(prepare(9, 1, 5))
  expect(await into(there, old)).toMatchObject([{ height: 9, round: 5, changed: true }])
  expect(JSON.parse(readFileSync(recordPath(there, keyOf(0)), 'utf8'))).toMatchObject({ h: 9, r: 5, lockRound: 2 })
  await (await signerIn(there)).sign(prepare(12))
  expect(await into(there, old)).toMatchObject([{ height: 12, changed: false }])
})

test('a key that signed two things at one place is not moved', async () => {
  await (await signerIn(here)).sign(prepare(9, 1))
  await (await signerIn(there)).sign(prepare(9, 2))
  const before = readFileSync(recordPath(there, keyOf(0)), 'utf8')
  expect(await codeOf(into(there, await exported()))).toBe('HISTORY_CONFLICT')
  expect(readFileSync(recordPath(there, keyOf(0)), 'utf8')).toBe(before)
})

test('while a process signs with a key its history neither leaves nor changes', async () => {
  await (await signerIn(here)).sign(prepare(9))
  const text = await exported()
  const giveBack = await lockKey(recordPath(here, keyOf(0)), silent)
  expect(await codeOf(exported())).toBe('LOCK_HELD')
  expect(await codeOf(into(here, text))).toBe('LOCK_HELD')
  await giveBack()
  expect(await codeOf(into(here, text))).toBe('done')
})

test.each<[string, string, (text: string) => string]>([
  ['that is no JSON', 'HISTORY_FORM', (text) => text.slice(1)],
  ['that is Ethereum’s', 'HISTORY_FORM', () => '{"metadata":{"interchange_format_version":"5"},"data":[]}'],
  ['of a later version', 'HISTORY_FORM', (text) => text.replace('_version": "1"', '_version": "2"')],
  ['of another network', 'HISTORY_NETWORK', (text) => text.replace('"0x0707', '"0x0807')],
  ['of another chain id', 'HISTORY_NETWORK', (text) => text.replace('"chain_id": "1"', '"chain_id": "2"')],
  ['without its list', 'HISTORY_FORM', (text) => text.replace('"data"', '"date"')],
  ['with a bad key', 'HISTORY_FORM', (text) => text.replace('"pubkey": "0x', '"pubkey": "0y')],
  ['of another key than signed', 'HISTORY_FORM', (text) => text.replace(bytesToHex(keyOf(0)), bytesToHex(keyOf(2)))],
  ['with a height that was not signed', 'HISTORY_FORM', (text) => text.replace('"h": 9', '"h": 8')],
  ['with a message that was altered', 'HISTORY_FORM', (text) => text.replace('0101010101', '0101010102')],
])('a history %s is refused, and nothing of it is taken', async (_, code, damage) => {
  await (await signerIn(here)).sign(prepare(9))
  const text = await exported()
  expect(damage(text)).not.toBe(text)
  expect(await codeOf(into(there, damage(text)))).toBe(code)
  expect(readdirSync(there)).toEqual([])
})

test('of several keys none is raised where one is refused, and a damaged record is not exported', async () => {
  await (await signerIn(here)).sign(prepare(9))
  await (await signerIn(here, 1)).sign(prepare(9))
  const json = JSON.parse(await exported())
  json.data[1].last_signed.message = json.data[0].last_signed.message
  expect(await codeOf(into(there, JSON.stringify(json)))).toBe('HISTORY_FORM')
  expect(existsSync(recordPath(there, keyOf(0)))).toBe(false)
  writeFileSync(recordPath(here, keyOf(0)), '{')
  expect(await codeOf(exported())).toBe('SIGNER_RECORD')
})
