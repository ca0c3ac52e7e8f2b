// Issue, verify, present in each form, and everything that must be refused: changed in any field, out of date, by a wrong, revoked or
// foreign key, of a deactivated DID, with terms of its own, too large, too deep.
import { expect, test } from 'vitest'
import {
  codeOf,
  createIdentities,
  documentWith,
  HOLDER,
  ISSUER,
  keyOf,
  methodOf,
  STRANGER,
} from '../../../test/kit/identities.ts'
import { credentialLimits } from './bounds.ts'
import { PLATFORM_CONTEXT } from './contexts.ts'
import { type CredentialForm, createCredentials, type Secured } from './credentials.ts'
import { signingKey } from './keys.ts'
import { decodeBase64url, encodeBase64url } from './multibase.ts'
import { statusEntry } from './status.ts'

const FORMS = ['data-integrity', 'jwt', 'sd-jwt'] as const satisfies readonly CredentialForm[]
const NOW_MS = Date.parse('2026-06-01T12:00:00Z')
const ASK = { challenge: 'c-1', domain: 'https://verifier.example' }

const credential = (more: object = {}): Record<string, unknown> => ({
  '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT],
  id: 'urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33',
  type: ['VerifiableCredential', 'OperatorCredential'],
  issuer: ISSUER,
  validFrom: '2026-01-01T00:00:00Z',
  validUntil: '2027-01-01T00:00:00Z',
  credentialSubject: { id: HOLDER, role: 'operator', region: 'eu-central', reputation: 71, tier: 'gold' },
  ...more,
})

const world = () => {
  const identities = createIdentities()
  for (const did of [ISSUER, HOLDER, STRANGER]) identities.set(did, documentWith(did))
  const credentials = createCredentials({ dids: identities, status: identities, clock: { nowMs: () => NOW_MS } })
  const issue = (form: CredentialForm, more: object = {}, key = keyOf(ISSUER)): Promise<Secured> =>
    credentials.issue(credential(more), { key, form, ...(form === 'sd-jwt' && { disclosable: ['tier', 'region'] }) })
  return { identities, credentials, issue }
}

for (const form of FORMS) {
  test(`${form}: what was issued verifies, and says who said what of whom and how long`, async () => {
    const { credentials, issue } = world()
    const verified = await credentials.verify(await issue(form))
    expect(verified).toMatchObject({
      ...{ form, issuer: ISSUER, subject: HOLDER, keyId: `${ISSUER}#key-1` },
      validFromMs: Date.parse('2026-01-01T00:00:00Z'),
      validUntilMs: Date.parse('2027-01-01T00:00:00Z'),
      claims: { role: 'operator', region: 'eu-central', reputation: 71, tier: 'gold' },
    })
    expect(verified.types).toContain('OperatorCredential')
  })

  test(`${form}: dates count at the moment of verification`, async () => {
    const { credentials, issue } = world()
    const secured = await issue(form)
    const at = (time: string) => codeOf(credentials.verify(secured, { atMs: Date.parse(time) }))
    expect(await at('2025-12-31T23:00:00Z')).toBe('CREDENTIAL_NOT_YET')
    expect(await at('2025-12-31T23:59:30Z')).toBe(null) // clocks differ
    expect(await at('2026-12-31T23:59:59Z')).toBe(null)
    expect(await at('2027-01-01T00:00:00Z')).toBe('CREDENTIAL_EXPIRED')
  })

  test(`${form}: only a key of the issuer, in its document and for assertions, counts`, async () => {
    const { identities, credentials, issue } = world()
    expect(await codeOf(issue(form, {}, keyOf(STRANGER)))).toBe('CREDENTIAL_WRONG_ISSUER')
    expect(await codeOf(credentials.verify(await issue(form, {}, keyOf(ISSUER, 'key-9'))))).toBe(
      'CREDENTIAL_KEY_UNKNOWN',
    )
    const impostor = signingKey(`${ISSUER}#key-1`, 'EdDSA', new Uint8Array(32).fill(9))
    expect(await codeOf(credentials.verify(await issue(form, {}, impostor)))).toBe('CREDENTIAL_TAMPERED')
    identities.set(ISSUER, documentWith(ISSUER, ['key-1'], { assertionMethod: [] }))
    expect(await codeOf(credentials.verify(await issue(form)))).toBe('CREDENTIAL_KEY_PURPOSE')
    const [method] = documentWith(ISSUER).verificationMethod as object[]
    identities.set(
      ISSUER,
      documentWith(ISSUER, ['key-1'], { verificationMethod: [{ ...method, controller: STRANGER }] }),
    )
    expect(await codeOf(credentials.verify(await issue(form)))).toBe('CREDENTIAL_WRONG_ISSUER')
  })

  test(`${form}: a revoked key takes all with it that it signed, a deactivated DID too; before that it was good`, async () => {
    const { identities, credentials, issue } = world()
    const secured = await issue(form)
    identities.set(ISSUER, documentWith(ISSUER, ['key-2']), NOW_MS + 60_000)
    expect(await codeOf(credentials.verify(secured))).toBe('CREDENTIAL_KEY_REVOKED')
    expect(await codeOf(credentials.verify(secured, { atMs: NOW_MS + 59_000 }))).toBe(null)
    expect(await codeOf(credentials.verify(await issue(form, {}, keyOf(ISSUER, 'key-2'))))).toBe(null)
    identities.set(ISSUER, null, NOW_MS + 120_000)
    expect(await codeOf(credentials.verify(secured))).toBe('CREDENTIAL_DID_DEACTIVATED')
    expect(await codeOf(credentials.verify(secured, { atMs: NOW_MS }))).toBe(null)
  })

  test(`${form}: an unknown DID and a chain that does not answer are told apart`, async () => {
    const { identities, credentials, issue } = world()
    const other = `did:novacron:polygon:0x${'d4'.repeat(20)}`
    const secured = await issue(form, { issuer: other }, keyOf(other))
    expect(await codeOf(credentials.verify(secured))).toBe('CREDENTIAL_DID_UNKNOWN')
    identities.fail()
    expect(await codeOf(credentials.verify(secured))).toBe('CREDENTIAL_CHAIN_UNAVAILABLE')
  })

  test(`${form}: a presentation answers one challenge, for one verifier, by the holder`, async () => {
    const { identities, credentials, issue } = world()
    const secured = await issue(form)
    const presented = await credentials.present([secured], { key: keyOf(HOLDER), ...ASK })
    const verify = (more: object = {}) => credentials.verifyPresentation(presented, { ...ASK, ...more })
    const { holder, credentials: shown } = await verify()
    expect([holder, shown.length, shown[0]?.issuer]).toEqual([HOLDER, 1, ISSUER])
    expect(await codeOf(verify({ challenge: 'c-2' }))).toBe('CREDENTIAL_CHALLENGE')
    expect(await codeOf(verify({ domain: 'https://other.example' }))).toBe('CREDENTIAL_DOMAIN')
    expect(await codeOf(verify({ atMs: Date.parse('2028-01-01T00:00:00Z') }))).toBe('CREDENTIAL_EXPIRED')
    identities.set(HOLDER, documentWith(HOLDER, ['key-1'], { authentication: [] }))
    expect(await codeOf(verify())).toMatch(/KEY_PURPOSE|TAMPERED/)
  })

  test(`${form}: what is about another cannot be presented as one’s own`, async () => {
    const { credentials, issue } = world()
    const stolen = await credentials.present([await issue(form)], { key: keyOf(STRANGER), ...ASK })
    const expected = form === 'sd-jwt' ? 'CREDENTIAL_TAMPERED' : 'CREDENTIAL_HOLDER'
    expect(await codeOf(credentials.verifyPresentation(stolen, ASK))).toBe(expected)
  })

  test(`${form}: huge and deep input is refused before it is parsed`, async () => {
    const { credentials } = world()
    const huge = `${form === 'data-integrity' ? '{"a":"' : ''}${'a'.repeat(credentialLimits.documentBytes + 1)}`
    const text = form === 'sd-jwt' ? `${huge}~` : huge
    expect(await codeOf(credentials.verify(text))).toBe('CREDENTIAL_TOO_LARGE')
    const deep = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`
    const part = encodeBase64url(new TextEncoder().encode(deep))
    const nested = { 'data-integrity': deep, jwt: `${part}.${part}.AA`, 'sd-jwt': `${part}.${part}.AA~` }[form]
    expect(await codeOf(credentials.verify(nested))).toBe('CREDENTIAL_TOO_DEEP')
  })
}

/** Each place in a document, as a path of keys. */
const pathsOf = (value: unknown, path: readonly string[] = []): (readonly string[])[] =>
  typeof value !== 'object' || value === null
    ? [path]
    : Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))
const changedAt = (document: object, path: readonly string[], change: (value: unknown) => unknown): object => {
  const copy = structuredClone(document)
  let at = copy as Record<string, unknown>
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>
  const last = path.at(-1) ?? ''
  const next = change(at[last])
  if (next === undefined) delete at[last]
  else at[last] = next
  return copy
}
const OTHER: Readonly<Record<string, string>> = {
  validFrom: '2026-01-02T00:00:00Z',
  validUntil: '2028-01-01T00:00:00Z',
  created: '2026-02-01T00:00:00Z',
}
const altered = (path: readonly string[]) => (value: unknown) =>
  typeof value === 'number' ? value + 1 : (OTHER[path.at(-1) ?? ''] ?? `${String(value)}x`)

test('data-integrity: a credential changed, or shortened, in any one field is refused', async () => {
  const { credentials, issue } = world()
  const secured = (await issue('data-integrity')) as object
  const paths = pathsOf(secured)
  expect(paths.length).toBeGreaterThan(18)
  for (const path of paths) {
    const changed = changedAt(secured, path, altered(path))
    expect([path, await codeOf(credentials.verify(changed))]).toEqual([path, expect.stringMatching(/^CREDENTIAL_/)])
    const without = changedAt(secured, path, () => undefined)
    if (Array.isArray(secured) || path[0] === '@context') continue
    expect([path, await codeOf(credentials.verify(without))]).toEqual([path, expect.stringMatching(/^CREDENTIAL_/)])
  }
  for (const path of [['credentialSubject', 'role'], ['validUntil'], ['proof', 'created'], ['name']])
    expect(await codeOf(credentials.verify(changedAt(secured, path, altered(path))))).toBe('CREDENTIAL_TAMPERED')
})

for (const form of ['jwt', 'sd-jwt'] as const)
  test(`${form}: a credential changed in any one claim, header or character of its signature is refused`, async () => {
    const { credentials, issue } = world()
    const [text = '', ...disclosures] = String(await issue(form)).split('~')
    const parts = text.split('.')
    const again = (at: number, value: object): string => {
      const changed = encodeBase64url(new TextEncoder().encode(JSON.stringify(value)))
      return [parts.with(at, changed).join('.'), ...disclosures].join('~')
    }
    for (const at of [0, 1]) {
      const value = JSON.parse(new TextDecoder().decode(decodeBase64url(parts[at] ?? '')))
      for (const path of pathsOf(value))
        for (const change of [altered(path), () => undefined]) {
          const code = await codeOf(credentials.verify(again(at, changedAt(value, path, change))))
          expect([path, code]).toEqual([path, expect.stringMatching(/^CREDENTIAL_/)])
        }
    }
    const signature = parts[2] ?? ''
    for (let at = 0; at < signature.length; at += 5) {
      const changed = signature.slice(0, at) + (signature[at] === 'A' ? 'B' : 'A') + signature.slice(at + 1)
      const whole = [parts.with(2, changed).join('.'), ...disclosures].join('~')
      expect([at, await codeOf(credentials.verify(whole))]).toEqual([at, expect.stringMatching(/TAMPERED|MALFORMED/)])
    }
  })

test('data-integrity: what no signature covers is refused, wherever it stands', async () => {
  const { credentials, issue } = world()
  const secured = (await issue('data-integrity')) as Record<string, unknown>
  const subject = secured.credentialSubject as object
  const verify = (more: object) => codeOf(credentials.verify({ ...secured, ...more }))
  const own = { '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT, { role: 'urn:other#role' }] }
  expect(await verify(own)).toBe('CREDENTIAL_INLINE_CONTEXT')
  expect(await verify({ credentialSubject: { ...subject, '@context': { role: 'urn:x' } } })).toBe(
    'CREDENTIAL_INLINE_CONTEXT',
  )
  expect(await verify({ credentialSubject: { ...subject, '@context': 'https://evil.example/v1' } })).toBe(
    'CREDENTIAL_INLINE_CONTEXT',
  )
  expect(await verify({ '@context': ['https://www.w3.org/ns/credentials/v2', 'https://evil.example/v1'] })).toBe(
    'CREDENTIAL_CONTEXT',
  )
  expect(await verify({ '@context': [PLATFORM_CONTEXT, 'https://www.w3.org/ns/credentials/v2'] })).toBe(
    'CREDENTIAL_CONTEXT',
  )
  expect(await verify({ '@context': ['https://www.w3.org/2018/credentials/v1', PLATFORM_CONTEXT] })).toBe(
    'CREDENTIAL_CONTEXT',
  )
  for (const more of [{ admin: true }, { admin: null }, { termsOfUse: [] }, { '@id': 'urn:x' }, { '@graph': [] }])
    expect([more, await verify(more)]).toEqual([more, 'CREDENTIAL_TERM'])
  for (const more of [{ suspended: 'no' }, { tier: null }, { '@reverse': {} }, { id: '_:b0' }, { region: [[]] }])
    expect([more, await verify({ credentialSubject: { ...subject, ...more } })]).toEqual([more, 'CREDENTIAL_TERM'])
  const second = { proof: [secured.proof, secured.proof] }
  expect(await verify(second)).toBe('CREDENTIAL_MALFORMED')
  expect(await verify({ proof: undefined })).toBe('CREDENTIAL_MALFORMED')
})

test('data-integrity: what is said in other words, for the same signature, is refused', async () => {
  const { credentials, issue } = world()
  const rewritten = async (change: (secured: Record<string, unknown>) => object, more: object = {}) => {
    const { proof, ...signed } = (await issue('data-integrity', more)) as Record<string, unknown>
    return codeOf(credentials.verify({ ...change(structuredClone(signed)), proof }, { atMs: NOW_MS }))
  }
  const status = statusEntry({ issuer: ISSUER, list: 1n, index: 5, purpose: 'revocation' })
  const V2 = 'https://www.w3.org/2018/credentials#'
  // An expired credential, and a revoked one, whose end and status no program would find.
  const hideEnd = ({ validUntil, ...rest }: Record<string, unknown>) => ({
    ...rest,
    [`${V2}validUntil`]: { '@value': validUntil, type: 'http://www.w3.org/2001/XMLSchema#dateTime' },
  })
  expect(await rewritten(hideEnd)).toBe('CREDENTIAL_TERM')
  const hideStatus = ({ credentialStatus, ...rest }: Record<string, unknown>) => ({
    ...rest,
    [`${V2}credentialStatus`]: credentialStatus,
  })
  expect(await rewritten(hideStatus, { credentialStatus: status })).toBe('CREDENTIAL_TERM')
  // What is said against the subject, where nobody looks.
  const subjectOf = ({ credentialSubject }: Record<string, unknown>) => credentialSubject as object
  const twice = (secured: Record<string, unknown>) => ({
    ...secured,
    credentialSubject: [{ id: HOLDER }, subjectOf(secured)],
  })
  expect(await rewritten(twice)).toBe('CREDENTIAL_TERM')
  const id = 'urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33'
  const inside = ({ validUntil, ...rest }: Record<string, unknown>) => ({
    ...rest,
    credentialSubject: { ...subjectOf(rest), operator: { id, type: ['VerifiableCredential'], validUntil } },
  })
  expect(await rewritten(inside, { credentialSubject: { id: HOLDER, operator: id } })).toBe('CREDENTIAL_TERM')
  const withClaim = (claim: string) => (secured: Record<string, unknown>) => ({
    ...secured,
    credentialSubject: { ...subjectOf(secured), ...JSON.parse(claim) },
  })
  expect(await rewritten(withClaim('{"tier":{"@value":"gold"}}'))).toBe('CREDENTIAL_TERM')
  expect(await rewritten(withClaim('{"reputation":71.00000000000001}'))).toBe('CREDENTIAL_TAMPERED')
  const halves = credential({ credentialSubject: { id: HOLDER, role: 'a\ud800' } })
  expect(await codeOf(credentials.issue(halves, { key: keyOf(ISSUER), form: 'data-integrity' }))).toBe(
    'CREDENTIAL_MALFORMED',
  )
  for (const reputation of [0.1 + 0.2 + 2e-16, 2 ** 53, 1e300])
    expect(await codeOf(issue('data-integrity', { credentialSubject: { id: HOLDER, reputation } }))).toBe(
      'CREDENTIAL_TERM',
    )
  const text = JSON.stringify(await issue('data-integrity'))
  for (const at of ['{', '"credentialSubject":{'])
    expect(await codeOf(credentials.verify(text.replace(at, `${at}"__proto__":{"admin":true},`)))).toBe(
      'CREDENTIAL_MALFORMED',
    )
})

test('data-integrity: an issuer may speak of itself, and of several subjects', async () => {
  const { credentials, issue } = world()
  const own = await issue('data-integrity', {
    issuer: { id: ISSUER },
    credentialSubject: { id: ISSUER, role: 'operator', reputation: 0.5 },
  })
  expect((await credentials.verify(own)).subject).toBe(ISSUER)
  const two = [{ id: HOLDER, role: 'operator' }, { id: STRANGER }]
  expect(await codeOf(credentials.verify(await issue('data-integrity', { credentialSubject: two })))).toBe(null)
})

test('data-integrity: a document of many parts that look alike does not hold the verifier up', async () => {
  const { issue } = world()
  const tree = (depth: number): object =>
    depth === 0 ? { role: 'x' } : { operator: [tree(depth - 1), tree(depth - 1)] }
  const started = process.cpuUsage()
  expect(await codeOf(issue('data-integrity', { credentialSubject: tree(8) }))).toBe('CREDENTIAL_TOO_COMPLEX')
  expect(process.cpuUsage(started).user).toBeLessThan(5_000_000)
})

test('a value that contains itself, and one that is no JSON, are refused', async () => {
  const { credentials } = world()
  const loop: Record<string, unknown> = {}
  loop.self = loop
  expect(await codeOf(credentials.verify(loop))).toBe('CREDENTIAL_TOO_DEEP')
  for (const value of [null, 5, [], new Date(), { a: new Map() }, { a: () => 1 }, 'x', '', '{', '~', '..'])
    expect([value, await codeOf(credentials.verify(value))]).toEqual([value, 'CREDENTIAL_MALFORMED'])
  const wide = { a: Array.from({ length: credentialLimits.values + 1 }, () => 1) }
  expect(await codeOf(credentials.verify(wide))).toBe('CREDENTIAL_TOO_COMPLEX')
})

test('a credential is checked before it is signed', async () => {
  const { issue } = world()
  for (const form of FORMS) {
    expect(await codeOf(issue(form, { validUntil: '2025-01-01T00:00:00Z' }))).toBe('CREDENTIAL_MALFORMED')
    expect(await codeOf(issue(form, { validFrom: 'yesterday' }))).toBe('CREDENTIAL_MALFORMED')
    expect(await codeOf(issue(form, { type: ['OperatorCredential'] }))).toBe('CREDENTIAL_MALFORMED')
    expect(await codeOf(issue(form, { credentialStatus: { type: 'Other' } }))).toBe('CREDENTIAL_STATUS_MALFORMED')
    expect(await codeOf(issue(form, { '@context': ['https://www.w3.org/ns/credentials/v2', { a: 'b' }] }))).toBe(
      'CREDENTIAL_INLINE_CONTEXT',
    )
  }
})

test('sd-jwt: the holder shows what it chooses, and the verifier sees no more', async () => {
  const { credentials, issue } = world()
  const secured = await issue('sd-jwt')
  const by = { key: keyOf(HOLDER), ...ASK }
  const presented = await credentials.present([secured], { ...by, disclose: ['region'] })
  const shown = await credentials.verifyPresentation(presented, ASK)
  expect(shown.credentials[0]?.claims).toEqual({ role: 'operator', reputation: 71, region: 'eu-central' })
  expect(await codeOf(credentials.present([secured], { ...by, disclose: ['salary'] }))).toBe('CREDENTIAL_MALFORMED')
  const [jwt = '', ...rest] = String(presented).split('~')
  const made = encodeBase64url(new TextEncoder().encode('["salt","tier","platinum"]'))
  const added = [jwt, made, ...rest].join('~')
  expect(await codeOf(credentials.verifyPresentation(added, ASK))).toBe('CREDENTIAL_MALFORMED')
  const hidden = [jwt, ...rest.slice(1)].join('~') // the proof of the holder is over what it showed
  expect(await codeOf(credentials.verifyPresentation(hidden, ASK))).toBe('CREDENTIAL_TAMPERED')
  const unbound = [jwt, ...rest.slice(0, -1), ''].join('~')
  expect(await codeOf(credentials.verifyPresentation(unbound, ASK))).toBe('CREDENTIAL_CHALLENGE')
})

test('jwt: keys of accounts, secp256k1 and P-256 sign as well, and none passes for another', async () => {
  const { identities, credentials, issue } = world()
  const account = { id: `${ISSUER}#controller`, type: 'EcdsaSecp256k1RecoveryMethod2020', controller: ISSUER }
  const secret = Uint8Array.from({ length: 32 }, (_, i) => i + 1)
  const methods = [
    methodOf(ISSUER, 'k1', 'ES256K'),
    methodOf(ISSUER, 'p256', 'ES256'),
    { ...account, blockchainAccountId: 'eip155:1:0x6370eF2f4Db3611D657b90667De398a2Cc2a370C' },
  ]
  const ids = methods.map(({ id }) => id)
  identities.set(ISSUER, { id: ISSUER, verificationMethod: methods, assertionMethod: ids })
  const sealed = [
    await issue('jwt', {}, keyOf(ISSUER, 'k1', 'ES256K')),
    await issue('jwt', {}, keyOf(ISSUER, 'p256', 'ES256')),
    await issue('jwt', {}, signingKey(`${ISSUER}#controller`, 'ES256K-R', secret)),
  ]
  for (const secured of sealed) expect(await codeOf(credentials.verify(secured))).toBe(null)
  const wrong = await issue(
    'jwt',
    {},
    signingKey(
      `${ISSUER}#controller`,
      'ES256K-R',
      secret.map((byte) => byte + 1),
    ),
  )
  expect(await codeOf(credentials.verify(wrong))).toBe('CREDENTIAL_TAMPERED')
  expect(await codeOf(credentials.verify(await issue('jwt', {}, keyOf(ISSUER, 'p256', 'ES256K'))))).toBe(
    'CREDENTIAL_TAMPERED',
  )
})

test('jwt: algorithms and headers that nobody asked for are refused', async () => {
  const { credentials, issue } = world()
  const [header = '', ...rest] = String(await issue('jwt')).split('.')
  const read = JSON.parse(new TextDecoder().decode(decodeBase64url(header)))
  const withHeader = (more: object) =>
    [encodeBase64url(new TextEncoder().encode(JSON.stringify({ ...read, ...more }))), ...rest].join('.')
  for (const more of [{ alg: 'none' }, { alg: 'HS256' }, { crit: ['exp'] }, { cty: 'JWT' }, { jwk: {} }])
    expect([more, await codeOf(credentials.verify(withHeader(more)))]).toEqual([more, 'CREDENTIAL_UNSUPPORTED'])
  expect(await codeOf(credentials.verify(withHeader({ alg: 'ES256K' })))).toBe('CREDENTIAL_TAMPERED')
})

test('forms are not mixed in one presentation', async () => {
  const { credentials, issue } = world()
  const by = { key: keyOf(HOLDER), ...ASK }
  const [document, jwt, sdJwt] = [await issue('data-integrity'), await issue('jwt'), await issue('sd-jwt')]
  for (const mixed of [
    [document, jwt],
    [jwt, sdJwt],
    [sdJwt, sdJwt],
  ])
    expect(await codeOf(credentials.present(mixed, by))).toBe('CREDENTIAL_FORM')
  expect(await codeOf(credentials.present([], by))).toBe('CREDENTIAL_MALFORMED')
  const many = Array.from({ length: credentialLimits.credentials + 1 }, () => jwt)
  expect(await codeOf(credentials.present(many, by))).toBe('CREDENTIAL_TOO_COMPLEX')
  const one = { '@context': ['https://www.w3.org/ns/credentials/v2'], type: 'VerifiablePresentation' }
  const single = await credentials.presentDocument({ ...one, verifiableCredential: document }, by)
  expect((await credentials.verifyPresentation(single, ASK)).credentials).toHaveLength(1)
  expect(await codeOf(credentials.presentDocument({ ...one, holder: ISSUER }, by))).toBe('CREDENTIAL_WRONG_ISSUER')
  expect(await codeOf(credentials.presentDocument(single, by))).toBe('CREDENTIAL_MALFORMED')
  const two = await credentials.present([document, document], by)
  expect((await credentials.verifyPresentation(two, ASK)).credentials).toHaveLength(2)
})
