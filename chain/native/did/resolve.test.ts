import { expect, test } from 'vitest'
import { account } from '../../../test/kit/native.ts'
import { bytesToHex } from '../../base/bytes.ts'
import type { DidState } from './document.ts'
import { type DidReads, resolveDid } from './resolve.ts'
import { NEWEST } from './uri.ts'

const identity = account(0xabcdef)
const DID = `did:novacron:polygon:${bytesToHex(identity)}`
const implicit: DidState = {
  ...{ controller: identity, version: 0n, latest: 0n, blockNumber: 0n, updated: 0n, created: 0n, nextUpdate: 0n },
  ...{ deactivated: false, keys: [], services: [] },
}
const changed: DidState = {
  ...implicit,
  ...{ version: 3n, latest: 3n, blockNumber: 70n, updated: 1_700_000_300n, created: 1_700_000_100n },
}
const key = {
  id: 'key-1',
  keyType: 2n,
  purposes: 2n,
  validUntil: 1_700_000_150n,
  publicKey: new Uint8Array(32).fill(7),
}

const versions: readonly DidState[] = [
  { ...implicit, latest: 3n, created: 1_700_000_100n, nextUpdate: 1_700_000_100n },
  {
    ...changed,
    version: 1n,
    updated: 1_700_000_100n,
    nextUpdate: 1_700_000_200n,
    keys: [key],
  },
  { ...changed, version: 2n, updated: 1_700_000_200n, nextUpdate: 1_700_000_300n },
  changed,
]
const reads: DidReads = {
  ...{ chainId: 662_607n, network: 'polygon', time: 1_800_000_000 },
  versionAt: (_, time) => versions.findLastIndex(({ updated }) => Number(updated) <= time),
  documentOf: (_, version) => versions[version === NEWEST ? versions.length - 1 : version] ?? null,
}
const keyCount = (document: { verificationMethod?: readonly unknown[] } | null) =>
  (document?.verificationMethod?.length ?? 0) - 1

test('the newest version, with its times', async () => {
  expect(await resolveDid(reads, DID)).toMatchObject({
    didResolutionMetadata: { contentType: 'application/did+ld+json' },
    didDocumentMetadata: { versionId: '3', created: '2023-11-14T22:15:00Z', updated: '2023-11-14T22:18:20Z' },
  })
  expect((await resolveDid(reads, DID)).didDocumentMetadata).not.toHaveProperty('nextUpdate')
})

test.each<readonly [string, object, string, number]>([
  ['?versionId=1', {}, '1', 1],
  ['', { versionId: '1' }, '1', 1],
  ['?versionTime=2023-11-14T22:15:30Z', {}, '1', 1],
  ['', { versionTime: '2023-11-14T22:15:49Z' }, '1', 1],
  ['?versionTime=2023-11-14T22:15:50Z', {}, '1', 0], // the key has ended
  ['?versionTime=2023-11-14T22:14:59Z', {}, '0', 0],
  ['?versionTime=2023-11-14T22:18:20Z', {}, '3', 0],
])('an older version: %s %o', async (query, options, versionId, keys) => {
  const { didDocument, didDocumentMetadata } = await resolveDid(reads, `${DID}${query}`, options)
  expect([didDocumentMetadata.versionId, keyCount(didDocument)]).toEqual([versionId, keys])
  expect(didDocumentMetadata.nextVersionId).toBe(versionId === '3' ? undefined : String(Number(versionId) + 1))
  expect(didDocumentMetadata.nextUpdate === undefined).toBe(versionId === '3')
})

test.each<readonly [string, string, object, string]>([
  ['no DID', 'hello', {}, 'invalidDid'],
  ['another method', 'did:example:1', {}, 'methodNotSupported'],
  ['another network', DID.replace('polygon', 'mainnet'), {}, 'notFound'],
  ['a fragment', `${DID}#key-1`, {}, 'invalidDidUrl'],
  ['a version that is not there', `${DID}?versionId=4`, {}, 'notFound'],
  ['a time to come', `${DID}?versionTime=2027-01-15T08:00:01Z`, {}, 'notFound'],
  ['a version twice', `${DID}?versionId=1`, { versionId: '1' }, 'invalidDidUrl'],
  ['options that are none', DID, { versionId: 1 }, 'invalidDidUrl'],
])('refuses %s', async (_, text, options, error) => {
  expect(await resolveDid(reads, text, options)).toEqual({
    didResolutionMetadata: { error, message: expect.any(String) },
    didDocument: null,
    didDocumentMetadata: {},
  })
})
