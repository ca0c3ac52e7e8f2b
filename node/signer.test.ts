import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asHash, hexToBytes } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { decodeMessage, type Unsigned } from '../chain/types/message.ts'
import type { Qc } from '../chain/types/vote.ts'
import { developmentSecret } from './development.ts'
import { openRecordFile } from './record.ts'
import { openSigner, type Signer, type SignOrder } from './signer.ts'

let dir: string
let file: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'novachain-signer-'))
  file = join(dir, 'signer.json')
})
afterEach(() => rmSync(dir, { recursive: true }))

const block = (n: number) => asHash(new Uint8Array(32).fill(n))
const open = (secret = developmentSecret(0), genesis = 7): Promise<Signer> =>
  openSigner(openRecordFile(file), secret, { chainId: 1n, genesisHash: block(genesis) })
const order = (message: Unsigned, highQc: Qc | null = null): SignOrder => ({ message, highQc, entry: null })
const propose = (height: number, round: number, of = 1): SignOrder => {
  const proposal = { height, round, blockHash: block(of), justify: null, tc: null, validator: 0 }
  return order({ kind: 'proposal', proposal })
}
const vote = (type: 'prepare' | 'commit', height: number, round: number, of = 1, highQc: Qc | null = null): SignOrder =>
  order({ kind: 'vote', vote: { type, height, round, blockHash: block(of), validator: 0 } }, highQc)
const prepareQc = (height: number, round: number): Qc => ({
  ...{ type: 'prepare', height, round, blockHash: block(1) },
  ...{ bitmap: Uint8Array.of(1), signature: new Uint8Array(96).fill(3) },
})
const timeout = (height: number, round: number, hqcRound: number | null): SignOrder => {
  const qc = hqcRound === null ? null : prepareQc(height, hqcRound)
  return order({ kind: 'timeout', timeout: { height, round, hqcRound, qc, validator: 0 } }, qc)
}
/** What came of it: the kind of the answer, or the code of the error. */
const outcome = async (work: Promise<{ readonly kind: string } | Signer>): Promise<unknown> =>
  work.then(
    (answer) => ('kind' in answer ? answer.kind : 'opened'),
    (error: unknown) => (error instanceof NodeError ? error.code : error),
  )

test('height, round and step only rise; the same question has the same answer, also after a restart', async () => {
  const signer = await open()
  await signer.sign(propose(5, 0))
  const answer = await signer.sign(vote('commit', 5, 0, 1, prepareQc(5, 0)))
  expect(await signer.sign(vote('commit', 5, 0))).toEqual(answer)
  const again = await open()
  expect(await again.sign(vote('commit', 5, 0))).toEqual(answer)
  expect(await outcome(again.sign(vote('commit', 5, 0, 2)))).toBe('refused')
  expect(await outcome(again.sign(vote('prepare', 5, 0)))).toBe('refused')
  expect(await outcome(again.sign(vote('commit', 4, 9)))).toBe('refused')
  expect(await outcome(again.sign(propose(5, 1, 2)))).toBe('signed')
})

test('the record carries the message and its certificates through a restart, and a refusal brings it along', async () => {
  const signer = await open()
  const tc = { height: 5, round: 2, groups: [], qc: null }
  await signer.sign({ ...vote('prepare', 5, 3), highQc: prepareQc(5, 2), entry: { kind: 'tc', tc } })
  const again = await open()
  const record = await again.record()
  expect(record).toEqual(await signer.record())
  expect(record).toMatchObject({ height: 5, round: 3, step: 2, highQc: prepareQc(5, 2), entry: { kind: 'tc', tc } })
  expect(await again.sign(vote('prepare', 5, 1))).toEqual({ kind: 'refused', record })
})

test('a TIMEOUT below the own COMMIT, or naming a certificate above its round, is never signed', async () => {
  const signer = await open()
  await signer.sign(vote('commit', 5, 2))
  expect(await outcome(signer.sign(timeout(5, 3, null)))).toBe('SIGNER_LOCK') // a record without a certificate helps nobody
  expect(await outcome(signer.sign(timeout(5, 3, 4)))).toBe('SIGNER_LOCK')
  const again = await open()
  expect(await outcome(again.sign(timeout(5, 3, 1)))).toBe('SIGNER_LOCK')
  expect(await outcome(again.sign(timeout(5, 3, 4)))).toBe('SIGNER_LOCK')
  expect(await outcome(again.sign(timeout(5, 3, 2)))).toBe('signed')
  expect(await outcome(again.sign(timeout(5, 4, 1)))).toBe('refused') // the record names what it must name
  expect(await outcome(again.sign(timeout(5, 4, 5)))).toBe('SIGNER_LOCK')
  expect(await outcome(again.sign(timeout(6, 0, null)))).toBe('signed')
})

test('who asks for a TIMEOUT below the lock without knowing the record gets the record', async () => {
  const signer = await open()
  await signer.sign(vote('commit', 5, 2, 1, prepareQc(5, 2)))
  expect(await signer.sign(timeout(5, 3, null))).toEqual({ kind: 'refused', record: await signer.record() })
  expect(await outcome(signer.sign(timeout(5, 3, 2)))).toBe('signed')
})

test('two askers at once cannot have two blocks signed', async () => {
  const signer = await open()
  const asked = [1, 2].map((of) => outcome(signer.sign(vote('commit', 1, 0, of))))
  expect(await Promise.all(asked)).toEqual(['signed', 'refused'])
  const message = decodeMessage(hexToBytes(JSON.parse(readFileSync(file, 'utf8')).message))
  expect(message).toMatchObject({ kind: 'vote', vote: { blockHash: block(1) } })
})

test.each<[string, (text: string) => string]>([
  ['that is empty', () => ''],
  ['that is null', () => 'null'],
  ['that is cut', (text) => text.slice(0, 40)],
  ['of another height than its message', (text) => text.replace('"h":5', '"h":4')],
  ['of another block than was signed', (text) => text.replace('0101', '0201')],
  ['with bad hex', (text) => text.replace('"message":"0x', '"message":"0xz')],
  ['with a bad lock', (text) => text.replace('"lockRound":null', '"lockRound":-1')],
  ['with a bad certificate', (text) => text.replace('"highQC":null', '"highQC":"0x00"')],
  ['with a bad entry', (text) => text.replace('"entry":null', '"entry":"0xc106"')],
])('a record %s stops the signer', async (_, damage) => {
  await (await open()).sign(propose(5, 0))
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, damage(text))
  expect(damage(text)).not.toBe(text)
  expect(await outcome(open())).toBe('SIGNER_RECORD')
})

test('a record of another key or network stops the signer', async () => {
  await (await open()).sign(propose(5, 0))
  expect(await outcome(open(developmentSecret(1)))).toBe('SIGNER_RECORD')
  expect(await outcome(open(developmentSecret(0), 8))).toBe('SIGNER_RECORD')
})
