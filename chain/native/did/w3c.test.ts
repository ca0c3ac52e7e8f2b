// W3C's own examples and rules: DID syntax of its test suite, Multikeys that its specifications print, and what DID Core asks of any document.
import { decodeBase58 } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { account } from '../../../test/kit/native.ts'
import { asAddress, bigintToBytes, bytesToHex } from '../../base/bytes.ts'
import { isPublicKey, type KeyCurve } from '../../base/public-keys.ts'
import { type DidState, documentOf, KeyType, methodOf } from './document.ts'
import { isoTime, parseDid } from './uri.ts'

// w3c/did-test-suite, scenarios did-syntax and did-parameters, and the examples of DID Core 3.1 and 3.2: DIDs, if of another method.
test.each([
  'did:example:123',
  'did:example:sub:123',
  'did:example:123456789abcdefghi',
  'did:example:123456/path',
  'did:example:123456?versionId=1',
  'did:example:123#public-key-0',
  'did:example:123#agent',
  'did:example:123?service=agent&relativeRef=/credentials#degree',
  'did:example:123?versionTime=2021-05-10T17:00:00Z',
  'did:example:123?service=files&relativeRef=/resume.pdf',
  'did:example:123?hl=zQmWvQxTqbG2Z9HPJgG57jjwR154cKhbtJenbyYTWkjgF3e',
  'did:example:123?versionId=0.1.0',
])('%s is a DID', (text) => expect(parseDid(text)).toMatchObject({ ok: false, error: 'methodNotSupported' }))
test.each([
  '',
  'urn:uuid:1c1a2a58-aadd-472e-a719-971b8d3fe1d8',
  'https://example.com/',
  'did:EXAMPLE:123',
  'did:00ABC:123',
  'did::123',
])('%j is none', (text) => expect(parseDid(text)).toMatchObject({ ok: false, error: 'invalidDid' }))

test('times look as DID Core prints them', () => {
  expect(isoTime(1_608_491_867)).toBe('2020-12-20T19:17:47Z')
})

// did:key, VC Data Integrity ECDSA and BBS.
test.each<readonly [KeyCurve, number, string]>([
  ['ed25519', KeyType.ed25519, 'z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp'],
  ['ed25519', KeyType.ed25519, 'z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK'],
  ['secp256k1', KeyType.secp256k1, 'zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme'],
  ['p256', KeyType.p256, 'zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv'],
  [
    'bls12381G2',
    KeyType.bls12381G2,
    'zUC7EK3ZakmukHhuncwkbySmomv3FmrkmS36E4Ks5rsb6VQSRpoCrx6Hb8e2Nk6UvJFSdyw9NK1scFXJp21gNNYFjVWNgaqyGnkyhtagagCpQb5B7tagJu3HDbjQ8h5ypoHjwBb',
  ],
])('%s: a published Multikey is the key that we take and print', (curve, keyType, multibase) => {
  const publicKey = bigintToBytes(decodeBase58(multibase.slice(1))).slice(2)
  expect(isPublicKey(curve, publicKey)).toBe(true)
  const key = { id: 'k', keyType: BigInt(keyType), purposes: 1n, validUntil: 0n, publicKey }
  expect(methodOf('did:x:y', key).publicKeyMultibase).toBe(multibase)
})

const TIME = 1_800_000_000
const id = fc.stringMatching(/^[A-Za-z0-9._-]{1,31}$/).filter((text) => text !== 'controller')
const key = fc
  .constantFrom(
    ...([
      [1, 33],
      [2, 32],
      [3, 33],
      [4, 48],
      [5, 96],
      [6, 64],
    ] as const),
  )
  .chain(([keyType, size]) =>
    fc.record({
      ...{ id, keyType: fc.constant(BigInt(keyType)), purposes: fc.bigInt(1n, 31n) },
      validUntil: fc.constantFrom(0n, BigInt(TIME), BigInt(TIME) + 1n, 253_402_300_799n),
      publicKey: fc.uint8Array({ minLength: size, maxLength: size }),
    }),
  )
const service = fc.record({ id, serviceType: fc.stringMatching(/^[!-~]{1,64}$/), endpoint: fc.webUrl() })
const state = fc
  .record({
    keys: fc.uniqueArray(key, { maxLength: 16, selector: ({ id: each }) => each }),
    services: fc.uniqueArray(service, { maxLength: 16, selector: ({ id: each }) => `s${each}` }),
    controller: fc.constantFrom(account(1), account(2), asAddress(new Uint8Array(20))),
  })
  .map(({ keys, services, controller }): DidState => {
    const taken = new Set(keys.map(({ id: each }) => each))
    const end = controller.every((byte) => byte === 0)
    const rest = services.filter(({ id: each }) => !taken.has(each))
    return {
      ...{ controller, version: 1n, latest: 1n, blockNumber: 1n, updated: 5n, created: 5n, nextUpdate: 0n },
      ...{ deactivated: end, keys: end ? [] : keys, services: end ? [] : rest },
    }
  })
const identity = account(1)
const did = { did: `did:novacron:polygon:${bytesToHex(identity)}`, network: 'polygon', identity }
const DID_URL = /^did:novacron:polygon:0x[0-9a-f]{40}#[A-Za-z0-9._-]+$/

test('any document keeps the rules of DID Core', () => {
  fc.assert(
    fc.property(state, (given) => {
      const document = documentOf(did, given, { chainId: 1n, time: TIME })
      expect(JSON.parse(JSON.stringify(document))).toEqual(document) // plain JSON, no undefined
      expect(document['@context']?.[0]).toBe('https://www.w3.org/ns/did/v1')
      expect(parseDid(document.id)).toMatchObject({ ok: true })
      if (document.controller !== undefined) expect(parseDid(document.controller)).toMatchObject({ ok: true })
      const methods = document.verificationMethod ?? []
      for (const method of methods) {
        expect(method.id).toMatch(DID_URL)
        expect(method.controller).toBe(document.id)
        const material = [method.publicKeyJwk, method.publicKeyMultibase, method.blockchainAccountId]
        expect(material.filter((each) => each !== undefined)).toHaveLength(1)
        expect(method.publicKeyJwk ?? {}).not.toHaveProperty('d')
      }
      const names = [...methods, ...(document.service ?? [])].map(({ id: each }) => each)
      expect(new Set(names).size).toBe(names.length)
      const { authentication, assertionMethod, keyAgreement, capabilityInvocation, capabilityDelegation } = document
      const known = new Set(methods.map(({ id: each }) => each))
      for (const list of [authentication, assertionMethod, keyAgreement, capabilityInvocation, capabilityDelegation]) {
        expect(list).not.toEqual([])
        expect((list ?? []).filter((each) => !known.has(each))).toEqual([])
        expect(new Set(list).size).toBe(list?.length ?? 0)
      }
      for (const each of document.service ?? []) {
        expect(each.id).toMatch(DID_URL)
        expect(URL.canParse(each.serviceEndpoint)).toBe(true)
      }
    }),
    { numRuns: 150 },
  )
})
