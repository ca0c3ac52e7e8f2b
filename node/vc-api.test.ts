// The VC API as a program on this machine calls it, over HTTP: what it answers, what it refuses, and who may not ask at all.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JsonRpcProvider } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Address, bytesToHex, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { abi } from '../chain/native/did/abi.ts'
import { encodeCall } from '../chain/native/kit/abi.ts'
import { createChainSources } from '../rpc/client/credentials/chain.ts'
import { PLATFORM_CONTEXT } from '../rpc/client/credentials/contexts.ts'
import { createCredentials } from '../rpc/client/credentials/credentials.ts'
import { statusEntry } from '../rpc/client/credentials/status.ts'
import { DID_MODULE, type Provider } from '../rpc/client/did.ts'
import { request } from '../rpc/client/http.ts'
import { codeOf, createIdentities, documentWith, HOLDER, ISSUER, keyOf } from '../test/kit/identities.ts'
import { alice, type RpcNode, startRpcNode } from '../test/kit/rpc-node.ts'
import { readCredentialKey, statusWriter } from './issuer.ts'
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
const post = (
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  url: string = node.url,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }
    const sent = requestHttp(`${url}${path}`, options, (reply) => {
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

test('a status is set by the account that controls the issuer’s DID, and is final where it revokes', async () => {
  const mine = `did:novacron:polygon:${alice.address.toLowerCase()}`
  const provider: Provider = { send: (method, params) => request(chained.url, method, params) }
  const { dids, status } = createChainSources(provider)
  const library = createCredentials({ dids, status, clock: { nowMs: () => nowMs } })
  const setStatus = statusWriter(provider, hexToBytes(alice.privateKey as Hex))
  const routes = createVcApi({ credentials: library, log, status, setStatus }, keyOf(mine))
  const chained = await startRpcNode({ routes })
  const sender = alice.connect(new JsonRpcProvider(chained.url, undefined, { cacheTimeout: -1, staticNetwork: true }))
  const create = encodeCall(abi.functions.createStatusList, [hexToBytes(alice.address as Hex) as Address, 1n, 131_072n])
  await sender.sendTransaction({ to: DID_MODULE, data: bytesToHex(create) })
  await chained.mine()
  const entry = { ...statusEntry({ issuer: mine, list: 1n, index: 7, purpose: 'revocation' }) }
  const update = async (value: unknown, more: object = {}): Promise<Answer> => {
    const body = { credentialId: 'urn:uuid:1', credentialStatus: { ...entry, ...more }, status: value }
    let isDone = false
    const answer = post('/credentials/status', body, {}, chained.url).finally(() => {
      isDone = true
    })
    while (!isDone) {
      if (chained.chain.pool.status().pending > 0) await chained.mine()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return answer
  }
  const title = async (value: unknown, more: object = {}): Promise<unknown> => {
    const { status: code, body } = await update(value, more)
    return [code, (body.problemDetails as { title: string }[])[0]?.title]
  }
  expect((await status.status(1n, 7, null))?.isSet).toBe(false)
  expect(await update(true)).toMatchObject({ status: 200, body: { index: 7, value: true } })
  expect((await status.status(1n, 7, null))?.isSet).toBe(true)
  const wrong = [400, 'CREDENTIAL_STATUS_MALFORMED']
  expect(await title(false)).toEqual(wrong) // a revocation is final
  expect(await title(true, { statusListIndex: '131072' })).toEqual(wrong)
  expect(await title(true, { statusPurpose: 'suspension' })).toEqual(wrong)
  expect(await title(true, { statusListCredential: `${ISSUER}/status/1` })).toEqual(wrong)
  expect(await title(true, { statusListIndex: undefined })).toEqual(wrong)
  expect(await title('yes')).toEqual([400, 'CREDENTIAL_MALFORMED'])
  const [one, two] = await Promise.all([
    update(true, { type: 'BitstringStatusList', statusListIndex: '8' }),
    update(true, { statusListIndex: '9' }),
  ])
  expect([one.status, two.status]).toEqual([200, 200])
  sender.provider?.destroy()
  await chained.close()
})

test('without such an account there is no endpoint that sets statuses', () => {
  expect([...createVcApi({ credentials, log }, keyOf(ISSUER)).keys()]).not.toContain('/credentials/status')
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

test('what a proxy on this machine passes on does not reach it, nor what is for this machine alone', async () => {
  for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']) {
    const { status } = await post('/credentials/issue', { credential }, { [name]: '203.0.113.9' })
    expect([name, status]).toEqual([name, 403])
    const ask = { jsonrpc: '2.0', id: 1, method: 'nova_putContent', params: ['0x01'] }
    const { body } = await post('/', ask, { [name]: '203.0.113.9' })
    expect(body.error).toMatchObject({ code: -32601 })
  }
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
