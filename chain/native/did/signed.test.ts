// What somebody else brings: the controller's signature instead of the controller.
import { expect, test } from 'vitest'
import { addressOf, DID_AT, type DidWorld, openDid, publicKey, signer, signTyped } from '../../../test/kit/did.ts'
import { account } from '../../../test/kit/native.ts'
import { type Address, bytesToHex } from '../../base/bytes.ts'
import { KeyType } from './document.ts'
import { NEWEST } from './uri.ts'

const alice = signer(1)
const bob = signer(2)
const ME = addressOf(alice)
const PAYER = 5
const T = 1_000_000n
const LATER = T + 60n
const ED = publicKey(KeyType.ed25519)

/** Each change as it is signed: its EIP-712 struct, and the values of it. */
const CHANGES = {
  setController: { fields: { identity: 'address', controller: 'address' }, values: [ME, addressOf(bob)] },
  setKey: {
    fields: {
      identity: 'address',
      id: 'string',
      keyType: 'uint8',
      publicKey: 'bytes',
      purposes: 'uint8',
      validUntil: 'uint64',
    },
    values: [ME, 'key-1', 2n, ED, 3n, 0n],
  },
  revokeKey: { fields: { identity: 'address', id: 'string' }, values: [ME, 'there'] },
  setService: {
    fields: { identity: 'address', id: 'string', serviceType: 'string', endpoint: 'string' },
    values: [ME, 'files', 'LinkedDomains', 'https://example.com/'],
  },
  revokeService: { fields: { identity: 'address', id: 'string' }, values: [ME, 'served'] },
  deactivate: { fields: { identity: 'address' }, values: [ME] },
} as const
type Name = keyof typeof CHANGES
const NAMES = Object.keys(CHANGES) as Name[]

const capital = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1)}`
const sign = (
  name: Name,
  nonce: number,
  more: { by?: typeof alice; deadline?: bigint; domain?: object; bend?: object } = {},
) => {
  const { fields, values } = CHANGES[name]
  const named = Object.fromEntries(Object.keys(fields).map((field, i) => [field, values[i]]))
  const all = { ...named, nonce, deadline: more.deadline ?? LATER, ...more.bend }
  return signTyped(more.by ?? alice, capital(name), fields, all, more.domain)
}
const bring = (w: DidWorld, name: Name, signature: Uint8Array, deadline = LATER) =>
  w.call(PAYER, `${name}Signed`, ...([...CHANGES[name].values, deadline, signature] as never))

/** A world in which the DID has a key and a service already: version 2. */
const open = async (): Promise<DidWorld> => {
  const w = openDid()
  const key = { identity: ME, id: 'there', keyType: 2n, publicKey: ED, purposes: 1n, validUntil: 0n }
  const keySigned = await signTyped(alice, 'SetKey', CHANGES.setKey.fields, { ...key, nonce: 0, deadline: LATER })
  await w.must(PAYER, 'setKeySigned', ME, 'there', 2n, ED, 1n, 0n, LATER, keySigned)
  const service = { identity: ME, id: 'served', serviceType: 'S', endpoint: 'a:b' }
  const signed = await signTyped(alice, 'SetService', CHANGES.setService.fields, {
    ...service,
    nonce: 1,
    deadline: LATER,
  })
  await w.must(PAYER, 'setServiceSigned', ME, 'served', 'S', 'a:b', LATER, signed)
  return w
}
const versionOf = async (w: DidWorld, identity: Address = ME) => Number((await w.read('versionOf', identity))[0])
/** To whoever else the signature seems to belong. */
const notController = expect.stringMatching(
  new RegExp(`^NotController\\["${bytesToHex(ME)}","0x[0-9a-f]{40}","${bytesToHex(ME)}"\\]$`),
)

test.each(NAMES)('%s: as ethers signs it, brought by another, and a second time refused', async (name) => {
  const w = await open()
  const signature = await sign(name, 2)
  const done = await bring(w, name, signature)
  expect([done.error, done.events.length]).toEqual([null, 1])
  expect(await versionOf(w)).toBe(3)
  const again = await bring(w, name, signature)
  if (name === 'deactivate') expect(again.error).toBe(`DidDeactivated["${bytesToHex(ME)}"]`)
  else expect(again.error).toMatch(/^NotController/)
  expect(await versionOf(w)).toBe(3)
})

test.each(NAMES)('%s: what is not signed for this change, here and now, is refused', async (name) => {
  const w = await open()
  const tries: readonly (readonly [string, Promise<Uint8Array>])[] = [
    ['another nonce', sign(name, 3)],
    ['an old nonce', sign(name, 1)],
    ['somebody else', sign(name, 2, { by: bob })],
    ['another chain', sign(name, 2, { domain: { chainId: 2 } })],
    ['another contract', sign(name, 2, { domain: { verifyingContract: DID_AT.replace('10', '11') } })],
    ['another version of it', sign(name, 2, { domain: { version: '2' } })],
    ['another deadline', sign(name, 2, { deadline: LATER + 1n })],
    ['another DID', sign(name, 2, { bend: { identity: bytesToHex(account(7)) } })],
    ['another change', sign(name === 'deactivate' ? 'revokeKey' : 'deactivate', 2)],
  ]
  for (const [what, signature] of tries)
    expect([what, (await bring(w, name, await signature)).error]).toEqual([what, notController])
  expect(await versionOf(w)).toBe(2)
})

test('each field is signed for', async () => {
  const w = await open()
  const bends: readonly (readonly [Name, object])[] = [
    ['setController', { controller: bytesToHex(ME) }],
    ...['id', 'publicKey', 'keyType', 'purposes', 'validUntil'].map((field): [Name, object] => [
      'setKey',
      { [field]: { id: 'key-2', publicKey: '0x', keyType: 1, purposes: 1, validUntil: 1 }[field] },
    ]),
    ...['id', 'serviceType', 'endpoint'].map((field): [Name, object] => ['setService', { [field]: 'x:y' }]),
    ['revokeKey', { id: 'served' }],
  ]
  for (const [name, bend] of bends)
    expect([bend, (await bring(w, name, await sign(name, 2, { bend }))).error]).toEqual([bend, notController])
})

test('a deadline counts to its last second', async () => {
  const w = await open()
  const signature = await sign('setService', 2, { deadline: LATER })
  w.go({ time: Number(LATER) + 1 })
  expect((await bring(w, 'setService', signature)).error).toBe(`SignatureExpired["${LATER}","${LATER + 1n}"]`)
  w.go({ time: Number(LATER) })
  expect((await bring(w, 'setService', signature)).error).toBeNull()
})

test('a signature has one form', async () => {
  const w = await open()
  const signature = await sign('deactivate', 2)
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const s = BigInt(bytesToHex(signature.subarray(32, 64)))
  const twin = Uint8Array.from(Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex'))
  const high = signature.slice()
  high.set(twin, 32)
  high[64] = (signature[64] as number) ^ 7 // 27 and 28 change places
  const v = (value: number): Uint8Array => signature.with(64, value)
  for (const bad of [
    high,
    v(0),
    v(1),
    v(29),
    signature.subarray(0, 64),
    new Uint8Array(65),
    new Uint8Array(0),
    new Uint8Array(66),
  ])
    expect((await bring(w, 'deactivate', bad)).error).toBe('BadSignature[]')
  expect((await bring(w, 'deactivate', signature)).error).toBeNull()
})

test('whoever was controller signs no more, and the new one does', async () => {
  const w = await open()
  const old = await sign('deactivate', 3)
  await bring(w, 'setController', await sign('setController', 2))
  expect((await bring(w, 'deactivate', old)).error).toBe(
    `NotController["${bytesToHex(ME)}","${bytesToHex(ME)}","${bytesToHex(addressOf(bob))}"]`,
  )
  expect((await bring(w, 'deactivate', await sign('deactivate', 3, { by: bob }))).error).toBeNull()
})

test('the checks are those of who calls himself', async () => {
  const w = await open()
  const fields = CHANGES.setKey.fields
  const values = { identity: ME, id: 'k', keyType: 2n, publicKey: ED, purposes: 4n, validUntil: 0n }
  const signature = await signTyped(alice, 'SetKey', fields, { ...values, nonce: 2, deadline: LATER })
  const { error } = await w.call(PAYER, 'setKeySigned', ME, 'k', 2n, ED, 4n, 0n, LATER, signature)
  expect(error).toBe('BadPurposes["2","4"]')
})

test('the domain is told as EIP-5267 has it', async () => {
  expect(await openDid().read('eip712Domain')).toEqual([
    ...['0x0f', 'NovaChain DID', '1', 1n, DID_AT, `0x${'00'.repeat(32)}`, []],
  ])
})

test('many signatures at once, each for the version before it', async () => {
  const w = await open()
  const signatures = await Promise.all([2, 3, 4].map((nonce) => sign('setService', nonce)))
  for (const signature of signatures) expect((await bring(w, 'setService', signature)).error).toBeNull()
  expect((await w.read('documentOf', ME, BigInt(NEWEST)))[0]).toMatchObject({ version: 5n })
})
