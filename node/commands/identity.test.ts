// `did create` and `did resolve` against a chain whose blocks come by themselves when something waits.

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ed25519 } from '@noble/curves/ed25519.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { run as command, type Said } from '../../test/kit/commands.ts'
import { publicKey } from '../../test/kit/did.ts'
import { type RpcNode, startRpcNode } from '../../test/kit/rpc-node.ts'
import { did } from './did.ts'

const DID = 'did:novacron:polygon:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const dir = mkdtempSync(join(tmpdir(), 'novachain-did-'))
let node: RpcNode
beforeAll(async () => {
  node = await startRpcNode()
})
afterAll(async () => {
  await node.close()
  rmSync(dir, { recursive: true })
})

/** Mines whenever something is in the pool, until the command ends. */
const run = async (...argv: string[]): Promise<Said> => {
  let isDone = false
  const done = command(did, [...argv, '--rpc', node.url]).finally(() => {
    isDone = true
  })
  while (!isDone) {
    if (node.chain.pool.status().pending > 0) await node.mine()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return done
}

test('the DID of an account costs nothing and needs no key', async () => {
  const sender = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
  expect(await run('create', '--sender', sender)).toMatchObject({ code: 0, json: { did: DID }, text: DID })
  expect(await run('create', '--dev-account', '0')).toMatchObject({ code: 0, json: { did: DID } })
})

test('a new key is kept in a file, entered into the document, and resolved', async () => {
  const file = join(dir, 'issuer.key')
  const made = await run('create', '--dev-account', '0', '--key-file', file)
  expect(made).toMatchObject({ code: 0, json: { did: DID, verificationMethod: `${DID}#key-1`, height: 1 } })
  expect(made.json.events).toMatchObject([{ event: 'KeySet', id: 'key-1', purposes: '3', version: '1' }])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(made.json.publicKey).toBe(bytesToHex(ed25519.getPublicKey(Buffer.from(readFileSync(file, 'utf8'), 'hex'))))
  const resolved = await run('resolve', DID)
  expect(resolved.json.didDocument.assertionMethod).toEqual([`${DID}#controller`, `${DID}#key-1`])
  expect(await run('resolve', DID, '--version-id', '0')).toMatchObject({
    json: { didDocumentMetadata: { versionId: '0', nextVersionId: '1' } },
  })
  expect((await run('resolve', DID, '--block', '0')).json.didDocumentMetadata).toEqual({ versionId: '0' })
  const again = await run('create', '--dev-account', '0', '--key-file', file, '--id', 'key-2')
  expect(again.json.publicKey).toBe(made.json.publicKey) // the key that is there
  writeFileSync(file, 'hello')
  expect(await run('create', '--dev-account', '0', '--key-file', file)).toMatchObject({ refusal: 'DIDCMD_KEY_FILE' })
})

test('a key of another curve is brought from elsewhere', async () => {
  const key = bytesToHex(publicKey(3))
  const argv = ['--public-key', key, '--key-type', 'p256', '--id', 'agree', '--purposes', 'keyAgreement']
  expect(await run('create', '--dev-account', '1', ...argv)).toMatchObject({ code: 0, json: { publicKey: key } })
  const unsigned = await run('create', '--unsigned', '--sender', '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC', ...argv)
  expect(unsigned.json).toMatchObject({ to: '0x0000000000000000000000000000000000000810' })
})

test.each<readonly [string, readonly string[], string, RegExp]>([
  ['no verb', [], 'USAGE_ARGUMENT', /expected create, resolve/],
  ['a verb that is none', ['delete'], 'USAGE_ARGUMENT', /expected create, resolve/],
  ['nothing to resolve', ['resolve'], 'USAGE_ARGUMENT', /resolve and a DID/],
  ['what is no DID', ['resolve', 'hello'], 'DIDCMD_RESOLUTION', /invalidDid: expected did:/],
  [
    'a version to come',
    ['resolve', DID, '--version-id', '99'],
    'DIDCMD_RESOLUTION',
    /notFound: there is no version 99/,
  ],
  ['a version twice', ['resolve', DID, '--version-id', '1', '--block', '1'], 'USAGE_ARGUMENT', /expected one of/],
  ['nobody', ['create'], 'USAGE_ARGUMENT', /expected --from/],
  [
    'a purpose that is none',
    ['create', '--dev-account', '0', '--public-key', '0x00', '--purposes', 'love'],
    'USAGE_ARGUMENT',
    /--purposes love: expected authentication/,
  ],
  [
    'a type that is none',
    ['create', '--dev-account', '0', '--public-key', '0x00', '--key-type', 'rsa'],
    'USAGE_ARGUMENT',
    /--key-type rsa: expected secp256k1/,
  ],
  [
    'a key that is none',
    ['create', '--dev-account', '0', '--public-key', '0x0000'],
    'MODULE_REFUSED',
    /no public key of type 2: 2 bytes, expected 32/,
  ],
])('refuses %s', async (_, argv, refusal, text) => {
  const said = await run(...argv)
  expect([said.refusal, said.text]).toEqual([refusal, expect.stringMatching(text)])
})
