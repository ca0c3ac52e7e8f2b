// The command as a shell uses it: makes, lists, shows, exports and takes back keys, and what it refuses.
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hexToBytes } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { possessionBytes } from '../../chain/types/vote.ts'
import { parseFlags } from '../args.ts'
import { keys } from './keys.ts'

const fresh = () => mkdtempSync(join(tmpdir(), 'nova-keys-'))
/** The object that --json prints. */
const run = async (dir: string, argv: readonly string[], env: Record<string, string> = {}) => {
  let said: Record<string, unknown> = {}
  const parsed = parseFlags(keys, 'keys', [...argv, '--dir', dir])
  await keys.run({
    ...parsed,
    env: { NOVACHAIN_PASSWORD: 'a good password', ...env },
    signal: new AbortController().signal,
    out: (object) => {
      said = { ...object }
    },
  })
  return said
}

test('a validator key is made encrypted, proves its possession, and is shown without its password', async () => {
  const dir = fresh()
  const made = await run(dir, ['new', '--description', 'node 1'])
  const { file, blsKey, proofOfPossession } = made as { file: string; blsKey: string; proofOfPossession: string }
  const key = hexToBytes(blsKey)
  expect(curves().blsVerify([key], possessionBytes(key), hexToBytes(proofOfPossession))).toBe(true)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(join(dir, 'keys')).mode & 0o777).toBe(0o700)
  expect(await run(dir, ['show', 'validator'], { NOVACHAIN_PASSWORD: 'not it' })).toMatchObject({
    blsKey,
    description: 'node 1',
  })
  expect(await run(dir, ['show', '--proof'])).toMatchObject({ proofOfPossession })
  await expect(run(dir, ['new'])).rejects.toMatchObject({ code: 'KEYSTORE_EXISTS' })
  expect(await run(dir, ['list'])).toMatchObject({ keys: [{ name: 'validator', type: 'validator', id: blsKey }] })
})

test('an account key goes out in the clear only when meant, and comes back as the same', async () => {
  const dir = fresh()
  const { address } = await run(dir, ['new', 'alice', '--type', 'account'])
  const to = join(dir, 'alice.hex')
  await expect(run(dir, ['export', 'alice', '--to', to, '--plain'])).rejects.toMatchObject({ code: 'KEYS_UNCONFIRMED' })
  await run(dir, ['export', 'alice', '--to', to, '--plain', '--yes'])
  expect(readFileSync(to, 'utf8')).toMatch(/^0x[0-9a-f]{64}\n$/)
  expect(await run(dir, ['import', 'again', '--type', 'account', '--from', to])).toMatchObject({ address })

  const copy = join(dir, 'alice.json')
  await expect(run(dir, ['export', 'alice', '--to', copy], { NOVACHAIN_PASSWORD: 'not it' })).rejects.toMatchObject({
    code: 'KEYSTORE_PASSWORD',
  })
  await run(dir, ['export', 'alice', '--to', copy])
  expect(await run(dir, ['import', 'copy', '--from', copy])).toMatchObject({ address, type: 'account' })
  await expect(run(dir, ['import', 'x', '--type', 'validator', '--from', copy])).rejects.toMatchObject({
    code: 'KEYSTORE_TYPE',
  })
})

test('passwords: a file before the environment, at least eight letters, none without a terminal', async () => {
  const dir = fresh()
  const file = join(dir, 'password')
  writeFileSync(file, 'from the file\n', { mode: 0o600 })
  await run(dir, ['new', '--password-file', file])
  await run(dir, ['show', '--proof'], { NOVACHAIN_PASSWORD: 'from the file' })
  const other = ['new', 'other', '--type', 'account']
  await expect(run(dir, other, { NOVACHAIN_PASSWORD: 'seven 7' })).rejects.toMatchObject({ code: 'PASSWORD_SHORT' })
  writeFileSync(join(dir, 'open'), 'for everybody', { mode: 0o644 })
  await expect(run(dir, [...other, '--password-file', join(dir, 'open')])).rejects.toMatchObject({
    code: 'KEYSTORE_FILE',
  })
})

test('names stay in the folder, unknown ones are told', async () => {
  const dir = fresh()
  for (const name of ['../x', 'a/b', '.hidden', '', 'x'.repeat(65)])
    await expect(run(dir, ['new', name])).rejects.toMatchObject({ code: 'USAGE_ARGUMENT' })
  await expect(run(dir, ['show', 'nobody'])).rejects.toMatchObject({ code: 'KEYS_NONE' })
  await expect(run(dir, ['new', 'mine', '--type', 'p2p'])).rejects.toMatchObject({ code: 'USAGE_ARGUMENT' })
  await expect(run(dir, ['new', '--type', 'rsa'])).rejects.toMatchObject({ code: 'USAGE_ARGUMENT' })
  await expect(run(dir, ['frobnicate'])).rejects.toMatchObject({ code: 'USAGE_ARGUMENT' })
})

test('the p2p key is made before the first start, listed and shown, and never overwritten', async () => {
  const dir = fresh()
  const { file, peerId } = await run(dir, ['new', '--type', 'p2p'])
  expect([file, peerId]).toEqual([join(dir, 'p2p.key'), expect.stringMatching(/^12D3Koo/)])
  expect(statSync(join(dir, 'p2p.key')).mode & 0o777).toBe(0o600)
  expect(await run(dir, ['show', 'p2p'])).toMatchObject({ type: 'p2p', peerId })
  await expect(run(dir, ['new', '--type', 'p2p'])).rejects.toMatchObject({ code: 'KEYSTORE_EXISTS' })
  expect(await run(dir, ['list'])).toMatchObject({ keys: [{ name: 'p2p', type: 'p2p', id: peerId, fault: null }] })
  writeFileSync(join(dir, 'p2p.key'), '0x12\n')
  expect(await run(dir, ['list'])).toMatchObject({
    keys: [{ id: null, fault: expect.stringMatching(/64 hex digits/) }],
  })
  await expect(run(dir, ['show', 'p2p'])).rejects.toMatchObject({ code: 'IDENTITY_KEY' })
})
