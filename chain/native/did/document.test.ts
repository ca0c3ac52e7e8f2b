import { encodeBase58 } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { account } from '../../../test/kit/native.ts'
import { asAddress, bytesToHex, concat } from '../../base/bytes.ts'
import { type DidKey, type DidState, documentOf, KeyType, methodOf, Purpose } from './document.ts'

const identity = account(0xabcdef)
const DID = `did:novacron:polygon:${bytesToHex(identity)}`
const did = { did: DID, network: 'polygon', identity }
const NOBODY = asAddress(new Uint8Array(20))
const at = { chainId: 662_607n, time: 1_800_000_000 }

const implicit: DidState = {
  ...{ controller: identity, version: 0n, latest: 0n, blockNumber: 0n, updated: 0n, created: 0n, nextUpdate: 0n },
  ...{ deactivated: false, keys: [], services: [] },
}
const changed: DidState = {
  ...implicit,
  ...{ version: 3n, latest: 3n, blockNumber: 70n, updated: 1_700_000_300n, created: 1_700_000_100n },
}
const key = (more: Partial<DidKey>): DidKey => ({
  ...{ id: 'key-1', keyType: 2n, purposes: 2n, validUntil: 0n, publicKey: new Uint8Array(32).fill(7) },
  ...more,
})
const account0 = {
  id: `${DID}#controller`,
  type: 'EcdsaSecp256k1RecoveryMethod2020',
  controller: DID,
  blockchainAccountId: `eip155:662607:${bytesToHex(identity)}`,
}

test('a DID that was never changed is its address', () => {
  expect(documentOf(did, implicit, at)).toEqual({
    '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/suites/secp256k1recovery-2020/v2'],
    id: DID,
    verificationMethod: [account0],
    authentication: [account0.id],
    assertionMethod: [account0.id],
    capabilityInvocation: [account0.id],
    capabilityDelegation: [account0.id],
  })
})

test('keys, their purposes and end, and services', () => {
  const keys = [
    key({ purposes: 3n }),
    key({ id: 'agree', keyType: BigInt(KeyType.p256), purposes: 4n, publicKey: new Uint8Array(33).fill(2) }),
    key({
      id: 'zk',
      keyType: BigInt(KeyType.babyJubJub),
      publicKey: new Uint8Array(64).fill(255),
      validUntil: 1_800_000_001n,
    }),
    key({ id: 'ended', validUntil: 1_800_000_000n }),
  ]
  const services = [{ id: 'files', serviceType: 'LinkedDomains', endpoint: 'https://example.com/' }]
  const document = documentOf(did, { ...changed, keys, services }, at)
  expect(document['@context']).toEqual([
    'https://www.w3.org/ns/did/v1',
    'https://w3id.org/security/suites/secp256k1recovery-2020/v2',
    'https://w3id.org/security/multikey/v1',
    'https://w3id.org/security/jwk/v1',
  ])
  expect(document.verificationMethod?.map(({ id, type }) => [id.slice(DID.length), type])).toEqual([
    ['#controller', 'EcdsaSecp256k1RecoveryMethod2020'],
    ['#key-1', 'Multikey'],
    ['#agree', 'Multikey'],
    ['#zk', 'JsonWebKey'],
  ])
  expect(document.verificationMethod?.[3]).toEqual({
    ...{ id: `${DID}#zk`, type: 'JsonWebKey', controller: DID, expires: '2027-01-15T08:00:01Z' },
    publicKeyJwk: {
      kty: 'EC',
      crv: 'BabyJubJub',
      x: '__________________________________________8',
      y: '__________________________________________8',
    },
  })
  expect(document.authentication).toEqual([`${DID}#controller`, `${DID}#key-1`])
  expect(document.assertionMethod).toEqual([`${DID}#controller`, `${DID}#key-1`, `${DID}#zk`])
  expect(document.keyAgreement).toEqual([`${DID}#agree`])
  expect(document.service).toEqual([
    { id: `${DID}#files`, type: 'LinkedDomains', serviceEndpoint: 'https://example.com/' },
  ])
})

test('a foreign controller is named, and its account is what signs', () => {
  const controller = account(0x77)
  const document = documentOf(did, { ...changed, controller }, at)
  expect(document.controller).toBe(`did:novacron:polygon:${bytesToHex(controller)}`)
  expect(document.verificationMethod).toEqual([
    { ...account0, blockchainAccountId: `eip155:662607:${bytesToHex(controller)}` },
  ])
})

test('of a deactivated DID the name is left', () => {
  expect(documentOf(did, { ...changed, controller: NOBODY, deactivated: true }, at)).toEqual({
    '@context': ['https://www.w3.org/ns/did/v1'],
    id: DID,
  })
})

// The prefixes that the Multikey tables of Controlled Identifiers and VC Data Integrity BBS name.
test.each<readonly [number, number, string, string]>([
  [KeyType.secp256k1, 33, 'e701', 'zQ3s'],
  [KeyType.ed25519, 32, 'ed01', 'z6Mk'],
  [KeyType.p256, 33, '8024', 'zDna'],
  [KeyType.bls12381G1, 48, 'ea01', 'z3tE'],
  [KeyType.bls12381G2, 96, 'eb01', 'zUC7'],
])('a key of type %i is a Multikey', (keyType, size, codec, prefix) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: size, maxLength: size }), (drawn) => {
      const publicKey =
        keyType === KeyType.ed25519
          ? drawn
          : concat(Uint8Array.of(keyType > 3 ? 0x80 | ((drawn[0] ?? 0) & 31) : 2), drawn.subarray(1))
      const { publicKeyMultibase } = methodOf(DID, key({ keyType: BigInt(keyType), publicKey }))
      expect(publicKeyMultibase).toBe(`z${encodeBase58(concat(Buffer.from(codec, 'hex'), publicKey))}`)
      if (keyType < 4) expect(publicKeyMultibase?.slice(0, 4)).toBe(prefix)
    }),
    { numRuns: 100 },
  )
})

test('purposes have the bits of the interface', () => {
  expect(Object.values(Purpose)).toEqual([1, 2, 4, 8, 16])
})
