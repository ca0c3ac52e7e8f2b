import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asHash } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { developmentSecret } from './development.ts'
import { openSigner, type Signer, type SignRequest, Step } from './signer.ts'

let dir: string
let file: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'novachain-signer-'))
  file = join(dir, 'signer.json')
})
afterEach(() => rmSync(dir, { recursive: true }))

const block = (n: number) => asHash(new Uint8Array(32).fill(n))
const open = (secret = developmentSecret(0), genesis = 7): Promise<Signer> =>
  openSigner(file, secret, { chainId: 1n, genesisHash: block(genesis) })
const ask = (height: number, round: number, step: SignRequest['step'], of = 1): SignRequest => ({
  height,
  round,
  step,
  blockHash: block(of),
})
const code = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'signed',
    (error: unknown) => (error instanceof NodeError ? error.code : error),
  )

test('height, round and step only rise; the same question has the same answer, also after a restart', async () => {
  const signer = await open()
  await signer.sign(ask(5, 0, Step.propose))
  const signature = await signer.sign(ask(5, 0, Step.commit))
  expect(await signer.sign(ask(5, 0, Step.commit))).toEqual(signature)
  const again = await open()
  expect(await again.sign(ask(5, 0, Step.commit))).toEqual(signature)
  expect(await code(again.sign(ask(5, 0, Step.commit, 2)))).toBe('SIGNER_REFUSED')
  expect(await code(again.sign(ask(5, 0, Step.prepare)))).toBe('SIGNER_REFUSED')
  expect(await code(again.sign(ask(4, 9, Step.commit)))).toBe('SIGNER_REFUSED')
  expect(await code(again.sign(ask(5, 1, Step.propose, 2)))).toBe('signed')
})

test('two askers at once cannot have two blocks signed', async () => {
  const signer = await open()
  const answers = await Promise.all([
    code(signer.sign(ask(1, 0, Step.commit, 1))),
    code(signer.sign(ask(1, 0, Step.commit, 2))),
  ])
  expect(answers).toEqual(['signed', 'SIGNER_REFUSED'])
  expect(JSON.parse(readFileSync(file, 'utf8')).message).toBe(`0x${'01'.repeat(32)}`)
})

test.each<[string, (text: string) => string]>([
  ['that is empty', () => ''],
  ['that is null', () => 'null'],
  ['that is cut', (text) => text.slice(0, 40)],
  ['with a negative height', (text) => text.replace('"h":5', '"h":-5')],
  ['with bad hex', (text) => text.replace('"message":"0x0', '"message":"0xz')],
])('a record %s stops the signer', async (_, damage) => {
  await (await open()).sign(ask(5, 0, Step.propose))
  writeFileSync(file, damage(readFileSync(file, 'utf8')))
  expect(await code(open())).toBe('SIGNER_RECORD')
})

test('a record of another key or network stops the signer', async () => {
  await (await open()).sign(ask(5, 0, Step.propose))
  expect(await code(open(developmentSecret(1)))).toBe('SIGNER_RECORD')
  expect(await code(open(developmentSecret(0), 8))).toBe('SIGNER_RECORD')
})
