// The VC API as a program on this machine calls it, over HTTP: what it answers, what it refuses, and who may not ask at all.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PLATFORM_CONTEXT } from '../rpc/client/credentials/contexts.ts'
import { createCredentials } from '../rpc/client/credentials/credentials.ts'
import { codeOf, createIdentities, documentWith, HOLDER, ISSUER, keyOf } from '../test/kit/identities.ts'
import { type RpcNode, startRpcNode } from '../test/kit/rpc-node.ts'
import { readCredentialKey } from './issuer.ts'
import { createVcApi } from './vc-api.ts'

const identities = createIdentities()
for (const did of [ISSUER, HOLDER]) identities.set(did, documentWith(did))
const nowMs = Date.parse('2026-06-01T00:00:00Z')
const credentials = createCredentials({ dids: identities, status: identities, clock: { nowMs: () => nowMs } })
const failures: unknown[] = []
const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void failures.push(fields) }

let node: RpcNode
beforeAll(async () => {
  node = await startRpcNode({ routes: createVcApi({ credentials, log }, keyOf(ISSUER)) })
})
afterAll(() => node.close())

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}
const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }
    const sent = request(`${node.url}${path}`, options, (reply) => {
      const parts: Buffer[] = []
      reply.on('data', (part) => parts.push(part))
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, body: JSON.parse(Buffer.concat(parts).toString()) }),
      )
    })
    sent.on('error', reject)
    sent.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
const credential = {
  '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT],
  type: ['VerifiableCredential', 'TenantCredential'],
  credentialSubject: { id: ISSUER, tier: 'gold' },
}
const issued = async (): Promise<Record<string, unknown>> =>
  (await post('/credentials/issue', { credential, options: {} })).body.verifiableCredential as Record<string, unknown>

test('issues with the configured key, and verifies what it issued', async () => {
  const { status, body } = await post('/credentials/issue', { credential })
  expect(status).toBe(201)
  expect(body.verifiableCredential).toMatchObject({ issuer: ISSUER, proof: { cryptosuite: 'eddsa-rdfc-2022' } })
  const verified = await post('/credentials/verify', {
    verifiableCredential: body.verifiableCredential,
    options: { checks: ['proof'] },
  })
  expect(verified).toMatchObject({ status: 200, body: { verified: true, errors: [], results: [{ issuer: ISSUER }] } })
})

test('what is wrong is a 400 with W3C’s problem and our code', async () => {
  const verifiableCredential = { ...(await issued()), validFrom: '2026-01-01T00:00:00Z' }
  const tampered = await post('/credentials/verify', { verifiableCredential })
  const problem = {
    type: 'https://www.w3.org/TR/vc-data-model#CRYPTOGRAPHIC_SECURITY_ERROR',
    title: 'CREDENTIAL_TAMPERED',
  }
  expect(tampered).toMatchObject({ status: 400, body: { verified: false, problemDetails: [problem] } })
  const titles = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await post(path, body)
    expect(answer.status).toBe(400)
    return (answer.body.problemDetails as { title: string }[])[0]?.title
  }
  expect(await titles('/credentials/issue', {})).toBe('CREDENTIAL_MALFORMED')
  expect(await titles('/credentials/issue', 'nonsense')).toBe('CREDENTIAL_MALFORMED')
  expect(await titles('/credentials/issue', { credential: { ...credential, issuer: HOLDER } })).toBe(
    'CREDENTIAL_WRONG_ISSUER',
  )
  expect(await titles('/credentials/issue', { credential: { ...credential, '@context': ['https://x.example'] } })).toBe(
    'CREDENTIAL_CONTEXT',
  )
  expect(await titles('/credentials/verify', { verifiableCredential: null })).toBe('CREDENTIAL_MALFORMED')
  expect(await titles('/presentations/prove', { presentation: {}, options: {} })).toBe('CREDENTIAL_MALFORMED')
  expect(await titles('/credentials/verify', `${'[{"a":'.repeat(50_000)}1`)).toMatch(/TOO_/)
  expect(failures).toEqual([])
})

test('proves a presentation and verifies it against challenge and domain', async () => {
  const presentation = {
    '@context': ['https://www.w3.org/ns/credentials/v2'],
    type: ['VerifiablePresentation'],
    verifiableCredential: [await issued()],
  }
  const options = { challenge: 'abc', domain: 'https://verifier.example' }
  for (const path of ['/presentations', '/presentations/prove']) {
    const { status, body } = await post(path, { presentation, options })
    expect(status).toBe(201)
    const { verifiablePresentation } = body
    const verify = (asked: object) => post('/presentations/verify', { verifiablePresentation, options: asked })
    expect(await verify(options)).toMatchObject({ status: 200, body: { verified: true, holder: ISSUER } })
    expect(await verify({})).toMatchObject({ status: 200 })
    expect(await verify({ ...options, challenge: 'other' })).toMatchObject({
      ...{ status: 400, body: { problemDetails: [{ title: 'CREDENTIAL_CHALLENGE' }] } },
    })
  }
})

test('a JWT in its envelope is verified too', async () => {
  const jwt = await credentials.issue(credential, { key: keyOf(ISSUER), form: 'jwt' })
  const type = 'EnvelopedVerifiableCredential'
  const verifiableCredential = { '@context': credential['@context'], id: `data:application/vc+jwt,${jwt}`, type }
  expect(await post('/credentials/verify', { verifiableCredential })).toMatchObject({ status: 200 })
})

test('no page reaches it, not even one of an origin that may read JSON-RPC', async () => {
  for (const headers of [{ origin: 'http://good.example' }, { origin: 'null' }, { 'content-type': 'text/plain' }]) {
    const { status } = await post('/credentials/issue', { credential }, headers as unknown as Record<string, string>)
    expect([headers, status]).toEqual([headers, 403])
  }
  const { body } = await post('/', { jsonrpc: '2.0', id: 1, method: 'eth_chainId' })
  expect(body).toMatchObject({ result: expect.stringMatching(/^0x/) })
})

test('a node without an issuer has no such endpoints', async () => {
  const plain = await startRpcNode()
  const body = JSON.stringify({ credential })
  const reply = await fetch(`${plain.url}/credentials/issue`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  expect(await reply.text()).not.toMatch(/verifiableCredential|problemDetails/)
  await plain.close()
})

test('the issuer’s key is 64 hex digits in a file for its owner alone, with the DID URL it is known by', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-issuer-'))
  const file = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(join(dir, name), text, { mode })
    return join(dir, name)
  }
  const good = file('good', `${'07'.repeat(32)}\n`)
  expect(await readCredentialKey(good, `${ISSUER}#key-1`)).toMatchObject({ id: `${ISSUER}#key-1`, algorithm: 'EdDSA' })
  expect(await codeOf(readCredentialKey(good, ISSUER))).toBe('ISSUER_KEY_ID')
  expect(await codeOf(readCredentialKey(good, ''))).toBe('ISSUER_KEY_ID')
  expect(await codeOf(readCredentialKey(file('short', '07'), `${ISSUER}#k`))).toBe('ISSUER_SECRET')
  expect(await codeOf(readCredentialKey(file('open', '07'.repeat(32), 0o644), `${ISSUER}#k`))).toBe('KEYSTORE_FILE')
  rmSync(dir, { recursive: true })
})
