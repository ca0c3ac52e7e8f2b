// DIDs from outside: nova_resolveDid, and the resolver for `did-resolver` over a URL and over ethers, which must say the same.
import { Resolver } from 'did-resolver'
import { Interface, JsonRpcProvider, keccak256, Wallet } from 'ethers'
import jsonld from 'jsonld'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { abi } from '../../chain/native/did/abi.ts'
import { didContexts } from '../../chain/native/did/contexts.ts'
import { KeyType } from '../../chain/native/did/document.ts'
import type { DidResolution } from '../../chain/native/did/resolve.ts'
import { DID_AT, publicKey } from '../../test/kit/did.ts'
import { alice, type RpcNode, startRpcNode } from '../../test/kit/rpc-node.ts'
import { createDidResolver, getResolver } from '../client/did.ts'

const did = new Interface(Object.values(abi.functions).map(({ source }) => source))
const DID = `did:novacron:polygon:${alice.address.toLowerCase()}`
const STRANGER = `did:novacron:polygon:${Wallet.createRandom().address.toLowerCase()}`

let node: RpcNode
let provider: JsonRpcProvider
let nonce = 0
const send = async (name: string, ...args: readonly unknown[]): Promise<void> => {
  const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 1_000_000 }
  const data = did.encodeFunctionData(name, args)
  const raw = await alice.signTransaction({ ...fees, chainId: 662_607, nonce: nonce++, to: DID_AT, data })
  expect((await node.call('eth_sendRawTransaction', raw)).error).toBeUndefined()
  await node.mine()
}
/** Blocks 1 to 9, each a version. */
beforeAll(async () => {
  node = await startRpcNode()
  provider = new JsonRpcProvider(node.url, 662_607, { staticNetwork: true, cacheTimeout: -1 })
  for (const [id, keyType] of Object.entries(KeyType))
    await send('setKey', alice.address, id, keyType, publicKey(keyType), id === 'p256' ? 4 : 3, 0)
  await send('setService', alice.address, 'files', 'urn:example:files', 'https://example.com/')
  await send('setKey', alice.address, 'brief', KeyType.ed25519, publicKey(KeyType.ed25519, 2), 2, 1_767_225_600 + 3 * 9)
  await send('revokeKey', alice.address, 'p256')
})
afterAll(async () => {
  provider.destroy()
  await node.close()
})

const resolve = async (text: string, block?: unknown): Promise<DidResolution> => {
  const { result, error } = await node.call('nova_resolveDid', text, ...(block === undefined ? [] : [block]))
  expect(error).toBeUndefined()
  return result as DidResolution
}
const fragments = ({ didDocument }: DidResolution): string[] =>
  (didDocument?.verificationMethod ?? []).map(({ id }) => id.split('#')[1] ?? '')

test('a DID with keys of every curve, as it is now', async () => {
  const resolution = await resolve(DID)
  expect(resolution.didResolutionMetadata).toEqual({ contentType: 'application/did+ld+json' })
  expect(resolution.didDocumentMetadata).toEqual({
    versionId: '9',
    created: '2026-01-01T00:00:03Z',
    updated: '2026-01-01T00:00:27Z',
  })
  expect(fragments(resolution)).toEqual([
    'controller',
    'secp256k1',
    'ed25519',
    'bls12381G1',
    'bls12381G2',
    'babyJubJub',
  ])
  expect(resolution.didDocument).toMatchObject({
    id: DID,
    service: [{ id: `${DID}#files`, type: 'urn:example:files', serviceEndpoint: 'https://example.com/' }],
  })
  expect(resolution.didDocument).not.toHaveProperty('keyAgreement')
})

test.each<readonly [string, string, unknown, string, string[], string | undefined]>([
  ['by its number', `${DID}?versionId=2`, undefined, '2', ['controller', 'secp256k1', 'ed25519'], '3'],
  ['by its number as an option', DID, { versionId: '2' }, '2', ['controller', 'secp256k1', 'ed25519'], '3'],
  ['by a time', `${DID}?versionTime=2026-01-01T00:00:05Z`, undefined, '1', ['controller', 'secp256k1'], '2'],
  ['by a time as an option', DID, { versionTime: '2026-01-01T00:00:05Z' }, '1', ['controller', 'secp256k1'], '2'],
  ['before anything was changed', DID, { versionId: '0' }, '0', ['controller'], '1'],
  ['as the chain knew it', DID, '0x2', '2', ['controller', 'secp256k1', 'ed25519'], undefined],
  [
    'an older one as the chain knew it',
    `${DID}?versionId=1`,
    { blockNumber: '0x2' },
    '1',
    ['controller', 'secp256k1'],
    '2',
  ],
  ['at genesis', DID, 'earliest', '0', ['controller'], undefined],
])('a version %s', async (_, text, block, versionId, ids, next) => {
  const resolution = await resolve(text, block)
  expect([resolution.didDocumentMetadata.versionId, fragments(resolution)]).toEqual([versionId, ids])
  expect(resolution.didDocumentMetadata.nextVersionId).toBe(next)
})

test('a key that has ended was there before', async () => {
  expect(fragments(await resolve(DID, '0x8'))).toContain('brief')
  expect(fragments(await resolve(DID, { versionTime: '2026-01-01T00:00:26Z' }))).toContain('brief')
  expect(fragments(await resolve(DID, { versionTime: '2026-01-01T00:00:27Z' }))).not.toContain('brief')
})

test.each<readonly [string, unknown, string]>([
  ['hello', undefined, 'invalidDid'],
  [DID.toUpperCase(), undefined, 'invalidDid'],
  ['did:example:123', undefined, 'methodNotSupported'],
  [DID.replace('polygon', 'mainnet'), undefined, 'notFound'],
  [`${DID}?versionId=10`, undefined, 'notFound'],
  [DID, { versionTime: '2027-01-01T00:00:00Z' }, 'notFound'],
  [DID, { versionTime: 'yesterday' }, 'invalidDidUrl'],
  [`${DID}/path`, undefined, 'invalidDidUrl'],
])('resolving %s %o says %#', async (text, block, error) => {
  expect(await resolve(text, block)).toMatchObject({ didDocument: null, didResolutionMetadata: { error } })
})

test.each<readonly [string, readonly unknown[], number, RegExp]>([
  ['no DID at all', [], -32602, /did: missing value/],
  ['a number', [7], -32602, /did: expected a string/],
  [
    'an object that says nothing',
    [DID, {}],
    -32602,
    /block: expected an object with versionId or versionTime, or a block/,
  ],
  ['a version that is no text', [DID, { versionId: 7 }], -32602, /block: expected/],
  ['a block to come', [DID, '0x99'], -32000, /header not found/],
])('the door refuses %s', async (_, params, code, message) => {
  const { error } = await node.call('nova_resolveDid', ...params)
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
})

test.each(['URL', 'ethers'])('did-resolver says the same over %s', async (kind) => {
  const resolver = new Resolver(getResolver(kind === 'URL' ? node.url : provider))
  const urls = [DID, STRANGER, `${DID}?versionId=2`, `${DID}?versionTime=2026-01-01T00:00:05Z`, `${DID}?versionId=10`]
  for (const url of urls) expect(await resolver.resolve(url)).toEqual(await resolve(url))
  expect(await resolver.resolve(`${DID}#ed25519`)).toEqual(await resolve(DID))
  expect(await resolver.resolve(DID, { versionId: '3' })).toEqual(await resolve(DID, { versionId: '3' }))
  expect((await resolver.resolve(DID.replace('polygon', 'mainnet'))).didResolutionMetadata.error).toBe('notFound')
  expect((await resolver.resolve('did:novacron:nothing')).didResolutionMetadata.error).toBe('invalidDid')
})

test('a document without JSON-LD, and a representation that nobody makes', async () => {
  const resolveAt = createDidResolver(node.url)
  const { didDocument, didResolutionMetadata } = await resolveAt(DID, { accept: 'application/did+json' })
  expect([didResolutionMetadata.contentType, didDocument?.['@context']]).toEqual(['application/did+json', undefined])
  expect((await resolveAt(DID, { accept: 'text/html' })).didResolutionMetadata.error).toBe('representationNotSupported')
})

test('a node that does not answer is no DID that does not exist', async () => {
  const resolver = new Resolver(getResolver('http://127.0.0.1:1'))
  const { didDocument, didResolutionMetadata } = await resolver.resolve(DID)
  expect([didDocument, didResolutionMetadata.error]).toEqual([null, 'internalError'])
  expect(didResolutionMetadata.message).toMatch(/no node answers/)
})

const documentLoader = async (url: string) => {
  const document = didContexts[url]
  if (document === undefined) throw new TypeError(`${url} is not here`)
  return { documentUrl: url, document }
}
test('as JSON-LD it is whole without a network: no term is unknown, every method and relationship is said', async () => {
  const { didDocument } = await resolve(DID, '0x8')
  const quads = await jsonld.toRDF(didDocument ?? {}, { documentLoader, safe: true, format: 'application/n-quads' })
  const count = (predicate: string): number => quads.split('\n').filter((line) => line.includes(predicate)).length
  expect(count('<https://w3id.org/security#verificationMethod>')).toBe(8)
  expect(count('<https://w3id.org/security#authenticationMethod>')).toBe(6)
  expect(count('<https://w3id.org/security#assertionMethod>')).toBe(7)
  expect(count('<https://w3id.org/security#keyAgreementMethod>')).toBe(1)
  expect(count('<https://w3id.org/security#publicKeyMultibase>')).toBe(6)
  expect(count('<https://w3id.org/security#publicKeyJwk>')).toBe(1)
  expect(count('<https://w3id.org/security#blockchainAccountId>')).toBe(1)
  expect(count('<https://w3id.org/security#expiration>')).toBe(1)
  expect(count('<https://www.w3.org/ns/did#serviceEndpoint>')).toBe(1)
  expect(quads).toContain(`<${DID}#files> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type>`)
})

test('a proof of the state convinces who asks nobody: the version a DID is at lies where solc puts it', async () => {
  const word = await provider.getStorage(DID_AT, recordSlot(alice.address))
  expect(BigInt(word) & 0xffff_ffffn).toBe(9n)
})
const recordSlot = (address: string): string => {
  const key = Buffer.from(`${address.slice(2).padStart(64, '0')}${'1'.padStart(64, '0')}`, 'hex')
  return keccak256(key)
}
