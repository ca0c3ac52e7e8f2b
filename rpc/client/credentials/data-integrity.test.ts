// W3C's published vectors of eddsa-rdfc-2022, byte for byte, and bytes as text.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { codeOf } from '../../../test/kit/identities.ts'
import { contextsWith } from './contexts.ts'
import { checkCredentialProof, signDocument } from './data-integrity.ts'
import { didOf } from './dids.ts'
import { signingKey } from './keys.ts'
import { decodeBase58, decodeBase64url, encodeBase58, encodeBase64url } from './multibase.ts'

const vectors = JSON.parse(readFileSync(new URL('../../../test/fixtures/vc-di-eddsa.json', import.meta.url), 'utf8'))
const secret = decodeBase58(vectors.secretKeyMultibase.slice(1))?.subarray(2) ?? new Uint8Array()
const contexts = contextsWith({})

for (const { verificationMethod, proofHash, proofValue } of vectors.proofs)
  test(`W3C’s vector by ${verificationMethod.split('#')[0]}: what is hashed, and the signature`, async () => {
    const key = signingKey(verificationMethod, 'EdDSA', secret)
    const hashed: string[] = []
    const watched = {
      ...key,
      sign: (bytes: Uint8Array) => {
        hashed.push(Buffer.from(bytes).toString('hex'))
        return key.sign(bytes)
      },
    }
    const by = { key: watched, nowMs: Date.parse(vectors.created), contexts }
    const { proof, ...document } = await signDocument(vectors.document, by)
    expect(hashed).toEqual([`${proofHash}${vectors.documentHash}`])
    expect(document).toEqual(vectors.document)
    expect(proof).toEqual({
      type: 'DataIntegrityProof',
      cryptosuite: 'eddsa-rdfc-2022',
      created: vectors.created,
      verificationMethod,
      proofPurpose: 'assertionMethod',
      proofValue,
    })
  })

test('W3C’s vector verifies; with one statement less it does not', async () => {
  const [{ verificationMethod, proofValue }] = vectors.proofs
  const proof = {
    ...{ type: 'DataIntegrityProof', cryptosuite: 'eddsa-rdfc-2022', created: vectors.created },
    ...{ verificationMethod, proofPurpose: 'assertionMethod', proofValue },
  }
  const did = vectors.document.issuer
  const method = {
    id: verificationMethod,
    type: 'Multikey',
    controller: did,
    publicKeyMultibase: vectors.publicKeyMultibase,
  }
  const check = (document: object) => codeOf(checkCredentialProof({ ...document }, { did, method }, contexts))
  expect(await check({ ...vectors.document, proof })).toBe(null)
  const { description, ...less } = vectors.document
  expect(description).toBeDefined()
  expect(await check({ ...less, proof })).toBe('CREDENTIAL_TAMPERED')
})

test('signing leaves the caller’s document as it was', async () => {
  const before = structuredClone(vectors.document)
  const key = signingKey(vectors.proofs[0].verificationMethod, 'EdDSA', secret)
  await signDocument(vectors.document, { key, nowMs: 0, contexts })
  expect(vectors.document).toEqual(before)
})

test('base58 and base64url go there and back, and leading zeros stay', () => {
  for (const bytes of [[], [0], [0, 0, 1], [255], [0xed, 1, ...new Array(32).fill(7)]].map((all) =>
    Uint8Array.from(all),
  )) {
    expect(decodeBase58(encodeBase58(bytes))).toEqual(bytes)
    expect(decodeBase64url(encodeBase64url(bytes))).toEqual(bytes)
  }
  expect(encodeBase58(new TextEncoder().encode('Hello World!'))).toBe('2NEpo7TZRRrLZSi2U')
  expect(decodeBase58('0')).toBe(null)
  expect(decodeBase58('1'.repeat(1_000))).toBe(null)
  expect(didOf('did:a:b:0x1#k?x')).toBe('did:a:b:0x1')
})
