import { expect, test } from 'vitest'
import { type DidWorld, openDid, publicKey } from '../../../test/kit/did.ts'
import { account, createWorld } from '../../../test/kit/native.ts'
import { asAddress, bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import { natives } from '../index.ts'
import { encodeCall } from '../kit/abi.ts'
import { params } from '../params/module.ts'
import { KeyType } from './document.ts'
import { NEWEST } from './uri.ts'

const NEWEST_VERSION = BigInt(NEWEST)
const hex = (n: number): Hex => bytesToHex(account(n))
const [ME, HER] = [account(1), account(2)]
const NOBODY = asAddress(new Uint8Array(20))
const ED = publicKey(KeyType.ed25519)
const T = 1_000_000n

const addKey = (w: DidWorld, id = 'key-1', from = 1) =>
  w.must(from, 'setKey', ME, id, BigInt(KeyType.ed25519), ED, 3n, 0n)
const documentOf = async (w: DidWorld, version = NEWEST_VERSION, identity = ME) =>
  (await w.read('documentOf', identity, version))[0] as Record<string, unknown> & {
    keys: readonly Record<string, unknown>[]
    services: readonly Record<string, unknown>[]
  }

test('every address has a DID that it controls, and nothing is stored for it', async () => {
  const w = openDid()
  expect(await w.read('didOf', ME)).toEqual([`did:novacron:polygon:${hex(1)}`])
  expect(await w.read('controllerOf', ME)).toEqual([hex(1)])
  expect(await w.read('versionOf', ME)).toEqual([0n, 0n, 0n, false])
  expect(await documentOf(w)).toEqual({
    ...{ controller: hex(1), version: 0n, latest: 0n, blockNumber: 0n, updated: 0n, created: 0n, nextUpdate: 0n },
    ...{ deactivated: false, keys: [], services: [] },
  })
})

test('each change makes a version, says so, and leaves the earlier ones as they were', async () => {
  const w = openDid()
  expect((await addKey(w)).events).toEqual([
    [
      'KeySet',
      {
        ...{ identity: hex(1), id: 'key-1', keyType: 2n, publicKey: bytesToHex(ED), purposes: 3n, validUntil: 0n },
        version: 1n,
      },
    ],
  ])
  w.go({ number: 5, time: 1_000_010 })
  const service = ['files', 'LinkedDomains', 'https://example.com/~me?a=1#x'] as const
  expect((await w.must(1, 'setService', ME, ...service)).events).toEqual([
    ['ServiceSet', { identity: hex(1), id: service[0], serviceType: service[1], endpoint: service[2], version: 2n }],
  ])
  w.go({ number: 6, time: 1_000_020 })
  await w.must(1, 'setKey', ME, 'key-1', BigInt(KeyType.p256), publicKey(KeyType.p256), 4n, T + 99n)
  w.go({ number: 7, time: 1_000_030 })
  expect((await w.must(1, 'revokeKey', ME, 'key-1')).events).toEqual([
    ['KeyRevoked', { identity: hex(1), id: 'key-1', version: 4n }],
  ])
  w.go({ number: 8, time: 1_000_040 })
  expect((await w.must(1, 'setController', ME, HER)).events).toEqual([
    ['ControllerChanged', { identity: hex(1), controller: hex(2), version: 5n }],
  ])
  expect((await w.must(2, 'revokeService', ME, 'files')).events).toEqual([
    ['ServiceRevoked', { identity: hex(1), id: 'files', version: 6n }],
  ])
  const row = { latest: 6n, created: T, deactivated: false, controller: hex(1) }
  const first = { id: 'key-1', keyType: 2n, purposes: 3n, validUntil: 0n, publicKey: bytesToHex(ED) }
  const second = { ...first, keyType: 3n, purposes: 4n, validUntil: T + 99n, publicKey: bytesToHex(publicKey(3)) }
  const files = { id: service[0], serviceType: service[1], endpoint: service[2] }
  expect(await Promise.all([0, 1, 2, 3, 4, 5, 6].map((version) => documentOf(w, BigInt(version))))).toEqual([
    { ...row, version: 0n, blockNumber: 0n, updated: 0n, nextUpdate: T, keys: [], services: [] },
    { ...row, version: 1n, blockNumber: 1n, updated: T, nextUpdate: T + 10n, keys: [first], services: [] },
    { ...row, version: 2n, blockNumber: 5n, updated: T + 10n, nextUpdate: T + 20n, keys: [first], services: [files] },
    { ...row, version: 3n, blockNumber: 6n, updated: T + 20n, nextUpdate: T + 30n, keys: [second], services: [files] },
    { ...row, version: 4n, blockNumber: 7n, updated: T + 30n, nextUpdate: T + 40n, keys: [], services: [files] },
    {
      ...row,
      version: 5n,
      blockNumber: 8n,
      updated: T + 40n,
      nextUpdate: T + 40n,
      keys: [],
      services: [files],
      controller: hex(2),
    },
    {
      ...row,
      version: 6n,
      blockNumber: 8n,
      updated: T + 40n,
      nextUpdate: 0n,
      keys: [],
      services: [],
      controller: hex(2),
    },
  ])
  const at = async (time: bigint) => (await w.read('versionAt', ME, time))[0]
  expect(
    await Promise.all([0n, T - 1n, T, T + 9n, T + 10n, T + 29n, T + 39n, T + 40n, 2n ** 64n - 1n].map(at)),
  ).toEqual([...[0n, 0n, 1n, 1n, 2n, 3n, 4n, 6n, 6n]])
})

test('a deactivated DID is nobody’s for ever, and stays readable', async () => {
  const w = openDid()
  await addKey(w)
  expect((await w.must(1, 'deactivate', ME)).events).toEqual([['Deactivated', { identity: hex(1), version: 2n }]])
  expect(await w.read('controllerOf', ME)).toEqual([hex(0)])
  expect(await w.read('versionOf', ME)).toEqual([2n, 1n, T, true])
  expect(await documentOf(w)).toMatchObject({ controller: hex(0), deactivated: true, keys: [] })
  expect(await documentOf(w, 1n)).toMatchObject({ controller: hex(1), deactivated: true, keys: [{ id: 'key-1' }] })
  const dead = `DidDeactivated["${hex(1)}"]`
  const tries = [
    w.call(1, 'setController', ME, ME),
    w.call(1, 'setKey', ME, 'key-2', 2n, ED, 1n, 0n),
    w.call(1, 'revokeKey', ME, 'key-1'),
    w.call(1, 'setService', ME, 'a', 'b', 'c:d'),
    w.call(1, 'revokeService', ME, 'a'),
    w.call(1, 'deactivate', ME),
    w.call(1, 'createStatusList', ME, 1n, 131_072n),
  ]
  for (const each of tries) expect((await each).error).toBe(dead)
})

test('sixteen keys and sixteen services, and one of each id', async () => {
  const w = openDid()
  for (let i = 0; i < 16; i++) {
    await addKey(w, `key-${i}`)
    await w.must(1, 'setService', ME, `service-${i}`, 'S', `https://example.com/${i}`)
  }
  expect((await w.call(1, 'setKey', ME, 'key-16', 2n, ED, 1n, 0n)).error).toBe('TooMany["16"]')
  expect((await w.call(1, 'setService', ME, 'service-16', 'S', 'a:b')).error).toBe('TooMany["16"]')
  await w.must(1, 'setKey', ME, 'key-3', 2n, ED, 1n, 0n) // in place of one that is there
  await w.must(1, 'revokeKey', ME, 'key-7')
  await addKey(w, 'key-16')
  const { keys, services } = await documentOf(w)
  expect(keys.map(({ id }) => id)).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16].map((i) => `key-${i}`),
  )
  expect(services).toHaveLength(16)
  expect((await w.call(1, 'setKey', ME, 'service-3', 2n, ED, 1n, 0n)).error).toBe('BadId["service-3"]')
  expect((await w.call(1, 'setService', ME, 'key-3', 'S', 'a:b')).error).toBe('BadId["key-3"]')
  expect((await w.call(9, 'documentOf', ME, NEWEST_VERSION)).gasUsed).toBeLessThan(700_000n)
})

test('a change costs what it stores: bounded, and the same after a hundred of them', async () => {
  const w = openDid()
  const spent: bigint[] = []
  for (let i = 0; i < 100; i++) spent.push((await addKey(w, 'key-1')).gasUsed)
  expect(Number(spent[0])).toBeLessThan(260_000)
  expect(spent.slice(2).every((gas) => gas <= (spent[1] as bigint))).toBe(true)
  const longest = [1n, 'x'.repeat(31), 'T'.repeat(64), `a:${'b'.repeat(254)}`] as const
  expect(Number((await w.must(1, 'setService', ME, longest[1], longest[2], longest[3])).gasUsed)).toBeLessThan(450_000)
  expect(Number((await w.must(1, 'setController', ME, HER)).gasUsed)).toBeLessThan(120_000)
})

// In order of precedence: who may, then what fits.
const KEY = [2n, ED, 1n, 0n] as const
const notMine = `NotController["${hex(1)}","${hex(2)}","${hex(1)}"]`
test.each<readonly [string, (w: DidWorld) => Promise<{ readonly error: string | null }>, string]>([
  ['a stranger gives it away', (w) => w.call(2, 'setController', ME, HER), notMine],
  ['a stranger adds a key', (w) => w.call(2, 'setKey', ME, '', 9n, ED, 0n, 0n), notMine],
  ['a stranger revokes a key', (w) => w.call(2, 'revokeKey', ME, 'key-1'), notMine],
  ['a stranger adds a service', (w) => w.call(2, 'setService', ME, '', '', ''), notMine],
  ['a stranger revokes a service', (w) => w.call(2, 'revokeService', ME, ''), notMine],
  ['a stranger deactivates', (w) => w.call(2, 'deactivate', ME), notMine],
  ['nobody as controller', (w) => w.call(1, 'setController', ME, NOBODY), 'ZeroAddress[]'],
  ['no id', (w) => w.call(1, 'setKey', ME, '', ...KEY), 'BadId[""]'],
  ['an id that is too long', (w) => w.call(1, 'setKey', ME, 'x'.repeat(32), ...KEY), `BadId["${'x'.repeat(32)}"]`],
  ['an id of another alphabet', (w) => w.call(1, 'setKey', ME, 'schlüssel', ...KEY), 'BadId["schlüssel"]'],
  ['an id with a hash', (w) => w.call(1, 'setService', ME, 'a#b', 'S', 'a:b'), 'BadId["a#b"]'],
  ['the id of the account', (w) => w.call(1, 'setKey', ME, 'controller', ...KEY), 'BadId["controller"]'],
  ['no type', (w) => w.call(1, 'setKey', ME, 'k', 0n, ED, 1n, 0n), 'BadPublicKey["0","there is no such type"]'],
  ['a type to come', (w) => w.call(1, 'setKey', ME, 'k', 7n, ED, 1n, 0n), 'BadPublicKey["7","there is no such type"]'],
  ['no purpose', (w) => w.call(1, 'setKey', ME, 'k', 2n, ED, 0n, 0n), 'BadPurposes["2","0"]'],
  ['a purpose that is none', (w) => w.call(1, 'setKey', ME, 'k', 2n, ED, 32n, 0n), 'BadPurposes["2","32"]'],
  ['key agreement with Ed25519', (w) => w.call(1, 'setKey', ME, 'k', 2n, ED, 4n, 0n), 'BadPurposes["2","4"]'],
  ['an end that is now', (w) => w.call(1, 'setKey', ME, 'k', 2n, ED, 1n, T), `BadValidUntil["${T}","${T}"]`],
  [
    'an end that no date names',
    (w) => w.call(1, 'setKey', ME, 'k', 2n, ED, 1n, 253_402_300_800n),
    `BadValidUntil["253402300800","${T}"]`,
  ],
  [
    'a short key',
    (w) => w.call(1, 'setKey', ME, 'k', 2n, ED.slice(1), 1n, 0n),
    'BadPublicKey["2","31 bytes, expected 32"]',
  ],
  [
    'an uncompressed key',
    (w) => w.call(1, 'setKey', ME, 'k', 1n, new Uint8Array(65).fill(4), 1n, 0n),
    'BadPublicKey["1","65 bytes, expected 33"]',
  ],
  ['a key that is not there', (w) => w.call(1, 'revokeKey', ME, 'k'), `KeyUnknown["${hex(1)}","k"]`],
  ['a service that is not there', (w) => w.call(1, 'revokeService', ME, 'k'), `ServiceUnknown["${hex(1)}","k"]`],
  [
    'a service of no type',
    (w) => w.call(1, 'setService', ME, 's', '', 'a:b'),
    'BadService["serviceType: 1 to 64 printable ASCII characters"]',
  ],
  [
    'a service of a type with a line break',
    (w) => w.call(1, 'setService', ME, 's', 'a\n', 'a:b'),
    'BadService["serviceType: 1 to 64 printable ASCII characters"]',
  ],
  ...['', 'example.com', 'https:', 'https://exa mple', 'https://a/%zz', 'javascript\n:x', `a:${'b'.repeat(255)}`].map(
    (endpoint): readonly [string, (w: DidWorld) => Promise<{ readonly error: string | null }>, string] => [
      `the endpoint ${JSON.stringify(endpoint.slice(0, 20))}`,
      (w) => w.call(1, 'setService', ME, 's', 'S', endpoint),
      'BadService["endpoint: a URI of at most 256 bytes"]',
    ],
  ),
  ['a version to come', (w) => w.call(1, 'documentOf', ME, 1n), `VersionUnknown["${hex(1)}","1","0"]`],
])('refuses %s', async (_, run, error) => {
  expect((await run(openDid())).error).toBe(error)
})

const flip = (bytes: Uint8Array, at: number, by = 1): Uint8Array => bytes.with(at, (bytes[at] as number) ^ by)
const bytes = (text: string): Uint8Array => hexToBytes(`0x${text}`)
test.each<readonly [string, number, Uint8Array]>([
  ['secp256k1: x without a point', 1, bytes(`02${'00'.repeat(31)}05`)],
  ['secp256k1: x beyond the field', 1, bytes(`02${'ff'.repeat(32)}`)],
  ['secp256k1: a wrong first byte', 1, flip(publicKey(1), 0, 4)],
  ['P-256: x without a point', 3, bytes(`02${'00'.repeat(31)}01`)],
  ['Ed25519: the neutral point', 2, bytes(`01${'00'.repeat(31)}`)],
  ['Ed25519: a point of order 8', 2, bytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')],
  ['Ed25519: y beyond the field', 2, bytes(`ee${'ff'.repeat(30)}7f`)],
  ['Ed25519: no point', 2, bytes(`02${'00'.repeat(31)}`)],
  ['BLS G1: infinity', 4, bytes(`c0${'00'.repeat(47)}`)],
  ['BLS G1: a point outside the subgroup', 4, bytes(`80${'00'.repeat(46)}04`)],
  ['BLS G1: not compressed', 4, flip(publicKey(4), 0, 0x80)],
  ['BLS G2: infinity', 5, bytes(`c0${'00'.repeat(95)}`)],
  ['BabyJubJub: the neutral point', 6, bytes(`${'00'.repeat(63)}01`)],
  ['BabyJubJub: not on the curve', 6, flip(publicKey(6), 63)],
  ['BabyJubJub: zeros', 6, new Uint8Array(64)],
  ['BabyJubJub: a coordinate beyond the field', 6, new Uint8Array(64).fill(255)],
])('no key: %s', async (_, keyType, given) => {
  const { error } = await openDid().call(1, 'setKey', ME, 'k', BigInt(keyType), given, 1n, 0n)
  expect(error).toMatch(new RegExp(`^BadPublicKey\\["${keyType}","no point of `))
})

test.each(Object.entries(KeyType))('keys of the type %s are taken', async (_, keyType) => {
  const w = openDid()
  for (const seed of [1, 2, 3]) {
    const given = publicKey(keyType, seed)
    await w.must(1, 'setKey', ME, 'k', BigInt(keyType), given, 2n, 0n)
    expect((await documentOf(w)).keys).toEqual([
      { id: 'k', keyType: BigInt(keyType), purposes: 2n, validUntil: 0n, publicKey: bytesToHex(given) },
    ])
  }
})

test('while the module is paused keys are revoked, DIDs ended, statuses set, and nothing else changes', async () => {
  const w = openDid()
  await addKey(w)
  await w.must(1, 'createStatusList', ME, 1n, 131_072n)
  const pause = encodeCall(params.abi.functions.pause, ['did', 60n, 'drill'])
  expect((await w.send(8, '0x0000000000000000000000000000000000000803', pause)).status).toBe('success')
  expect((await w.call(1, 'setController', ME, HER)).error).toMatch(/did is paused until/)
  expect((await w.call(1, 'setKey', ME, 'k', 2n, ED, 1n, 0n)).error).toMatch(/did is paused until/)
  await w.must(1, 'setStatus', 1n, 7n, true)
  await w.must(1, 'revokeKey', ME, 'key-1')
  await w.must(1, 'deactivate', ME)
})

test('genesis names the network and enters issuers', async () => {
  const w = openDid({
    network: 'testnet-1',
    issuers: [
      { address: hex(5), roles: ['credentials', 'persons'], name: 'Registry' },
      { address: hex(6), roles: ['credentials'], name: '' },
    ],
  })
  expect(await w.read('network')).toEqual(['testnet-1'])
  expect(await w.read('didOf', ME)).toEqual([`did:novacron:testnet-1:${hex(1)}`])
  expect(await w.read('issuers', 0n, 9n)).toEqual([
    [
      { account: hex(5), roles: 3n, since: T - 1n, name: 'Registry' },
      { account: hex(6), roles: 1n, since: T - 1n, name: '' },
    ],
  ])
})

test.each<readonly [string, unknown, RegExp]>([
  ['a network in capitals', { network: 'Polygon' }, /modules\.did\.network: expected 3 to 32/],
  ['a network with a colon', { network: 'a:bc' }, /modules\.did\.network/],
  ['an issuer without roles', { issuers: [{ address: hex(5), roles: [], name: '' }] }, /did\.issuers\.0\.roles/],
  ['a role that is none', { issuers: [{ address: hex(5), roles: ['king'], name: '' }] }, /did\.issuers\.0\.roles/],
  [
    'an issuer twice',
    { issuers: [5, 5].map((n) => ({ address: hex(n), roles: ['persons'], name: '' })) },
    /did\.issuers\.1\.address: it is there twice/,
  ],
  ['nobody', { issuers: [{ address: hex(0), roles: ['persons'], name: '' }] }, /issuers\.0: nobody is no issuer/],
  ['a long name', { issuers: [{ address: hex(5), roles: ['persons'], name: 'ü'.repeat(33) }] }, /name: 66 bytes/],
  ['a strange key', { owner: hex(1) }, /modules\.did: .*owner/],
])('genesis: %s', (_, did, reason) => {
  const sections = { params: { governance: hex(8), guardian: hex(8) }, did }
  expect(() => createWorld(natives, sections)).toThrow(reason)
})
