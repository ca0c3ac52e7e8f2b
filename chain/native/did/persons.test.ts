import { expect, test } from 'vitest'
import { addressOf, type DidWorld, GOVERNANCE, openDid, signer, signTyped } from '../../../test/kit/did.ts'
import { account } from '../../../test/kit/native.ts'
import { bytesToHex, type Hex } from '../../base/bytes.ts'

const office = signer(1)
const OFFICE = addressOf(office)
const hex = (n: number): Hex => bytesToHex(account(n))
const [ME, HER] = [account(1), account(2)]
const T = 1_000_000n
const LATER = T + 60n
const [ADA, EVE] = [new Uint8Array(32).fill(0xad), new Uint8Array(32).fill(0xee)]
const NONE = [`0x${'00'.repeat(32)}`, hex(0), 0n, 0n]

const open = (): DidWorld => openDid({ issuers: [{ address: office.address, roles: ['persons'], name: 'Office' }] })
const FIELDS = { identity: 'address', person: 'bytes32', validUntil: 'uint64' }
interface Plan {
  readonly person?: Uint8Array
  readonly validUntil?: bigint
  readonly nonce?: number
  readonly deadline?: bigint
  readonly by?: typeof office
  readonly domain?: object
}
const attest = (
  n: number,
  { person = ADA, validUntil = 0n, nonce = 0, deadline = LATER, by = office, domain = {} }: Plan = {},
) => signTyped(by, 'Person', FIELDS, { identity: account(n), person, validUntil, nonce, deadline }, domain)
const bind = async (w: DidWorld, n: number, plan: Plan = {}, issuer = OFFICE) =>
  w.call(
    n,
    'bindPerson',
    account(n),
    plan.person ?? ADA,
    plan.validUntil ?? 0n,
    issuer,
    plan.deadline ?? LATER,
    await attest(n, plan),
  )

test('a person is bound to one DID, as an issuer attests', async () => {
  const w = open()
  expect(await w.read('personOf', ME)).toEqual(NONE)
  expect((await bind(w, 1)).events).toEqual([
    ['PersonBound', { identity: hex(1), person: bytesToHex(ADA), issuer: bytesToHex(OFFICE), validUntil: 0n }],
  ])
  expect(await w.read('personOf', ME)).toEqual([bytesToHex(ADA), bytesToHex(OFFICE), T, 0n])
  expect(await w.read('identityOf', ADA)).toEqual([hex(1)])
  expect((await bind(w, 2)).error).toBe(`PersonTaken["${bytesToHex(ADA)}","${hex(1)}"]`)
  expect((await bind(w, 1, { person: EVE, nonce: 1 })).error).toBe(`PersonTaken["${bytesToHex(ADA)}","${hex(1)}"]`)
})

test('a binding is prolonged, and its beginning stays', async () => {
  const w = open()
  await bind(w, 1, { validUntil: T + 30n })
  w.go({ time: 1_000_020 })
  expect((await bind(w, 1, { validUntil: T + 50n, nonce: 1 })).error).toBeNull()
  expect(await w.read('personOf', ME)).toEqual([bytesToHex(ADA), bytesToHex(OFFICE), T, T + 50n])
  w.go({ time: 1_000_050 })
  expect(await w.read('personOf', ME)).toEqual(NONE)
  expect(await w.read('identityOf', ADA)).toEqual([hex(0)])
  expect((await bind(w, 2)).error).toBeNull() // what has ended holds nobody
  expect(await w.read('identityOf', ADA)).toEqual([hex(2)])
})

test('an attestation counts once: the person who moved is not bound back with an old one', async () => {
  const w = open()
  const old = await attest(1)
  await bind(w, 1)
  const { events } = await w.must(1, 'unbindPerson', ME)
  expect(events).toEqual([['PersonUnbound', { identity: hex(1), person: bytesToHex(ADA), by: hex(1) }]])
  expect((await w.call(1, 'bindPerson', ME, ADA, 0n, OFFICE, LATER, old)).error).toMatch(/^NotController/)
  expect(await w.read('personNonce', ME)).toEqual([1n])
  expect((await bind(w, 2)).error).toBeNull()
})

test.each<readonly [string, Plan, RegExp]>([
  ['of another chain', { domain: { chainId: 2 } }, /^NotController/],
  ['by somebody else', { by: signer(2) }, /^NotController/],
  ['of another nonce', { nonce: 1 }, /^NotController/],
  ['too late', { deadline: T - 1n }, /^SignatureExpired\["999999","1000000"\]/],
  ['that ends before now', { validUntil: T }, /^BadValidUntil/],
  ['of nobody', { person: new Uint8Array(32) }, /^BadPerson/],
])('refuses an attestation %s', async (_, plan, error) => {
  expect((await bind(open(), 1, plan)).error).toMatch(error)
})

test('only the controller binds a DID, and only by an issuer of persons', async () => {
  const w = open()
  expect((await w.call(2, 'bindPerson', ME, ADA, 0n, OFFICE, LATER, await attest(1))).error).toMatch(/^NotController/)
  expect((await bind(w, 1, {}, account(5))).error).toBe(`NotIssuer["${hex(5)}","2"]`)
  await w.must(GOVERNANCE, 'setIssuer', OFFICE, 1n, 'Office') // of credentials only
  expect((await bind(w, 1)).error).toBe(`NotIssuer["${bytesToHex(OFFICE)}","2"]`)
})

test('what ends a binding: the issuer, governance, another controller, the end of the DID', async () => {
  const issuerIs3 = async (): Promise<DidWorld> => {
    const w = openDid({ issuers: [{ address: hex(3), roles: ['persons'], name: '' }] })
    // The issuer's DID is controlled by the office's key, which signs for it.
    await w.must(3, 'setController', account(3), OFFICE)
    expect((await bind(w, 1, {}, account(3))).error).toBeNull()
    return w
  }
  let w = await issuerIs3()
  expect((await w.call(4, 'unbindPerson', ME)).error).toMatch(/^NotController/)
  expect((await w.call(3, 'unbindPerson', ME)).error).toMatch(/^NotController/) // it gave its DID away
  await w.must(GOVERNANCE, 'setIssuer', account(3), 0n, '')
  expect(await w.read('personOf', ME)).toEqual(NONE)
  w = await issuerIs3()
  expect((await w.must(1, 'setController', ME, HER)).events.map(([name]) => name)).toEqual([
    'ControllerChanged',
    'PersonUnbound',
  ])
  expect(await w.read('identityOf', ADA)).toEqual([hex(0)])
  w = await issuerIs3()
  await w.must(1, 'deactivate', ME)
  expect(await w.read('personOf', ME)).toEqual(NONE)
  expect((await w.call(1, 'unbindPerson', ME)).error).toBe(`NotBound["${hex(1)}"]`)
  w = openDid({ issuers: [{ address: hex(3), roles: ['persons'], name: '' }] })
  expect((await w.call(1, 'unbindPerson', ME)).error).toBe(`NotBound["${hex(1)}"]`)
})

test('an issuer that gets its role back brings back no binding of a person who is bound elsewhere by then', async () => {
  const second = signer(2)
  const SECOND = addressOf(second)
  const w = openDid({
    issuers: [office, second].map(({ address }) => ({ address, roles: ['persons'], name: '' })),
  })
  await bind(w, 1)
  await w.must(GOVERNANCE, 'setIssuer', OFFICE, 0n, '')
  expect((await bind(w, 2, { by: second }, SECOND)).error).toBeNull()
  await w.must(GOVERNANCE, 'setIssuer', OFFICE, 2n, '')
  expect(await w.read('personOf', ME)).toEqual(NONE)
  expect(await w.read('identityOf', ADA)).toEqual([hex(2)])
  expect((await bind(w, 1, { nonce: 1 })).error).toBe(`PersonTaken["${bytesToHex(ADA)}","${hex(2)}"]`)
  expect((await bind(w, 1, { person: EVE, nonce: 1 })).error).toBeNull() // nothing holds its DID to Ada
  await w.must(1, 'unbindPerson', ME)
  expect(await w.read('identityOf', ADA)).toEqual([hex(2)])
})

test('the issuer itself ends a binding', async () => {
  const w = open()
  await bind(w, 1)
  // Account 4 becomes the office's controller, and so acts for it.
  const values = { identity: OFFICE, controller: account(4), nonce: 0, deadline: LATER }
  const given = await signTyped(office, 'SetController', { identity: 'address', controller: 'address' }, values)
  await w.must(9, 'setControllerSigned', OFFICE, account(4), LATER, given)
  await w.must(4, 'unbindPerson', ME)
  expect(await w.read('personOf', ME)).toEqual(NONE)
})

test('governance enters issuers, changes their roles and removes them; the list keeps their order', async () => {
  const w = openDid()
  expect((await w.must(GOVERNANCE, 'setIssuer', account(5), 1n, 'One')).events).toEqual([
    ['IssuerSet', { issuer: hex(5), roles: 1n, name: 'One' }],
  ])
  w.go({ time: 1_000_010 })
  await w.must(GOVERNANCE, 'setIssuer', account(6), 2n, 'Two')
  await w.must(GOVERNANCE, 'setIssuer', account(5), 3n, 'Both')
  await w.must(GOVERNANCE, 'setIssuer', account(6), 0n, 'Gone')
  const [five, six] = [
    { account: hex(5), roles: 3n, since: T, name: 'Both' },
    { account: hex(6), roles: 0n, since: T + 10n, name: 'Gone' },
  ]
  expect(await w.read('issuers', 0n, 9n)).toEqual([[five, six]])
  expect(await w.read('issuers', 1n, 1n)).toEqual([[six]])
  expect(await w.read('issuers', 2n ** 255n, 2n ** 255n)).toEqual([[]])
  expect(await w.read('issuerOf', account(5))).toEqual([five])
  expect(await w.read('issuerOf', account(7))).toEqual([{ account: hex(7), roles: 0n, since: 0n, name: '' }])
})

test.each<readonly [string, number, number, bigint, string, string]>([
  ['a stranger', 1, 5, 1n, '', `NotGovernance["${hex(1)}"]`],
  ['nobody as issuer', GOVERNANCE, 0, 1n, '', 'BadIssuer["nobody is no issuer"]'],
  ['a role that is none', GOVERNANCE, 5, 4n, '', 'BadIssuer["roles: at most 3"]'],
  ['a long name', GOVERNANCE, 5, 1n, 'x'.repeat(65), 'BadIssuer["name: 65 bytes, at most 64"]'],
  ['to remove who never was one', GOVERNANCE, 5, 0n, '', 'BadIssuer["it is none"]'],
])('setIssuer refuses %s', async (_, from, issuer, roles, name, error) => {
  expect((await openDid().call(from, 'setIssuer', account(issuer), roles, name)).error).toBe(error)
})
