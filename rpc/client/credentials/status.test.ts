// Status lists: the encoding and its bounds, what an entry may point at, and the judgement over state and anchored segments.
import { expect, test } from 'vitest'
import {
  codeOf,
  createIdentities,
  documentWith,
  HOLDER,
  ISSUER,
  keyOf,
  STRANGER,
} from '../../../test/kit/identities.ts'
import { bitAt, decodeBitstring, encodeBitstring, STATUS_BITS_MIN, withBit } from './bitstring.ts'
import { PLATFORM_CONTEXT } from './contexts.ts'
import { createCredentials } from './credentials.ts'
import { digest } from './keys.ts'
import { encodeBase64url } from './multibase.ts'
import { type ChainStatus, type ListFetch, statusEntry, statusListCredential } from './status.ts'

const INDEX = 94_567
const NOW_MS = Date.parse('2026-06-01T12:00:00Z')
const FORMS = ['data-integrity', 'jwt', 'sd-jwt'] as const
const empty = new Uint8Array(STATUS_BITS_MIN / 8)
const listed = (more: Partial<ChainStatus> = {}): ChainStatus => ({
  ...{ issuer: ISSUER, purpose: 'revocation', sizeBits: STATUS_BITS_MIN, isSet: false, anchor: null },
  ...more,
})
const anchorOf = (bits: Uint8Array, uri = 'https://lists.example/3') => ({
  ...{ digest: digest(bits), from: 0, count: STATUS_BITS_MIN, uri },
})

const world = (fetchList?: ListFetch) => {
  const identities = createIdentities()
  for (const did of [ISSUER, HOLDER]) identities.set(did, documentWith(did))
  const deps = { dids: identities, status: identities, clock: { nowMs: () => NOW_MS } }
  const credentials = createCredentials({ ...deps, ...(fetchList && { fetchList }) }, { statusTimeoutMs: 20 })
  const issue = (status: unknown, form: (typeof FORMS)[number] = 'data-integrity') =>
    credentials.issue(
      {
        '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT],
        type: ['VerifiableCredential', 'VmCredential'],
        credentialSubject: { id: HOLDER, region: 'eu' },
        credentialStatus: status,
      },
      { key: keyOf(ISSUER), form },
    )
  const check = async (answer: ChainStatus | null, purpose: 'revocation' | 'suspension' = 'revocation') => {
    if (answer !== null) identities.setStatus(3n, INDEX, answer)
    const secured = await issue(statusEntry({ issuer: ISSUER, list: 3n, index: INDEX, purpose }))
    return codeOf(credentials.verify(secured))
  }
  return { identities, credentials, issue, check }
}

test('a list of W3C’s size goes there and back, bit by bit from the highest', async () => {
  const bits = withBit(withBit(empty, 0, true), INDEX, true)
  const encoded = await encodeBitstring(bits)
  expect(encoded.startsWith('uH4sI')).toBe(true)
  const decoded = await decodeBitstring(encoded)
  expect(decoded).toEqual(bits)
  expect([decoded[0], bitAt(decoded, INDEX), bitAt(decoded, INDEX + 1)]).toEqual([0x80, true, false])
  expect(withBit(bits, INDEX, false)[INDEX >> 3]).toBe(0)
  // The list of the specification's example, with nothing set.
  const example = 'uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA'
  expect(await decodeBitstring(example)).toEqual(empty)
})

test('a list is not unpacked beyond its bound, and what is none is refused', async () => {
  const bomb = await encodeBitstring(new Uint8Array(16 * 1024 * 1024))
  expect(bomb.length).toBeLessThan(100_000)
  const before = process.memoryUsage().arrayBuffers
  expect(await codeOf(decodeBitstring(bomb))).toBe('CREDENTIAL_STATUS_MALFORMED')
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  for (const text of ['', 'u', 'uAAAA', 'zH4sI', 'u****', `u${'A'.repeat(300_000)}`])
    expect([text.slice(0, 9), await codeOf(decodeBitstring(text))]).toEqual([
      text.slice(0, 9),
      'CREDENTIAL_STATUS_MALFORMED',
    ])
  const cut = (await encodeBitstring(empty)).slice(0, -8)
  expect(await codeOf(decodeBitstring(cut))).toBe('CREDENTIAL_STATUS_MALFORMED')
})

test('a bit in state revokes or suspends, in every form', async () => {
  expect(await world().check(listed())).toBe(null)
  expect(await world().check(listed({ isSet: true }))).toBe('CREDENTIAL_REVOKED')
  expect(await world().check(listed({ isSet: true, purpose: 'suspension' }), 'suspension')).toBe('CREDENTIAL_SUSPENDED')
  for (const form of FORMS) {
    const { identities, credentials, issue } = world()
    const entry = statusEntry({ issuer: ISSUER, list: 3n, index: INDEX, purpose: 'revocation' })
    const secured = await issue(entry, form)
    identities.setStatus(3n, INDEX, listed())
    expect([form, await codeOf(credentials.verify(secured))]).toEqual([form, null])
    const ask = { challenge: 'c', domain: 'd' }
    const presented = await credentials.present([secured], { key: keyOf(HOLDER), ...ask })
    identities.setStatus(3n, INDEX, listed({ isSet: true }))
    expect([form, await codeOf(credentials.verify(secured))]).toEqual([form, 'CREDENTIAL_REVOKED'])
    expect([form, await codeOf(credentials.verifyPresentation(presented, ask))]).toEqual([form, 'CREDENTIAL_REVOKED'])
  }
})

test('a list that the chain does not have so, or of another issuer, says nothing', async () => {
  expect(await world().check(null)).toBe('CREDENTIAL_STATUS_MALFORMED')
  expect(await world().check(listed({ issuer: STRANGER }))).toBe('CREDENTIAL_STATUS_MALFORMED')
  expect(await world().check(listed({ purpose: 'suspension' }))).toBe('CREDENTIAL_STATUS_MALFORMED')
  expect(await world().check(listed({ sizeBits: INDEX }))).toBe('CREDENTIAL_STATUS_MALFORMED')
})

test('an entry of another kind, or another’s list, is refused before anything is signed', async () => {
  const { issue } = world()
  const good = statusEntry({ issuer: ISSUER, list: 3n, index: 5, purpose: 'revocation' })
  const bad = [
    { ...good, type: 'StatusList2021Entry' },
    { ...good, statusPurpose: 'message' },
    { ...good, statusSize: 2 },
    { ...good, statusListIndex: '-1' },
    { ...good, statusListIndex: '05' },
    { ...good, statusListIndex: 5 },
    { ...good, statusListCredential: 'https://lists.example/3' },
    { ...good, statusListCredential: `${STRANGER}/status/3` },
    Array.from({ length: 5 }, (_, i) => ({ ...good, id: `${good.id}-${i}` })),
  ]
  for (const entry of bad) expect([entry, await codeOf(issue(entry))]).toEqual([entry, 'CREDENTIAL_STATUS_MALFORMED'])
  const second = statusEntry({ issuer: ISSUER, list: 4n, index: 5, purpose: 'suspension' })
  expect(await codeOf(issue([good, second]))).toBe(null)
})

test('an anchored segment counts as published: as a credential, or bare', async () => {
  const bits = withBit(empty, INDEX, true)
  const list = { id: 'https://lists.example/3', issuer: ISSUER, purpose: 'revocation', validFromMs: NOW_MS } as const
  const whole = JSON.stringify(await statusListCredential({ ...list, bits }))
  for (const text of [whole, await encodeBitstring(bits)])
    expect(await world(async () => text).check(listed({ anchor: anchorOf(bits) }))).toBe('CREDENTIAL_REVOKED')
  const clear = await encodeBitstring(empty)
  expect(await world(async () => clear).check(listed({ anchor: anchorOf(empty) }))).toBe(null)
})

test('a list that does not answer, or answers something else than was anchored, is never taken for an empty one', async () => {
  const anchor = anchorOf(withBit(empty, INDEX, true))
  const unavailable = 'CREDENTIAL_STATUS_UNAVAILABLE'
  expect(await world(() => new Promise(() => {})).check(listed({ anchor }))).toBe(unavailable)
  expect(await world(() => Promise.reject(new DOMException('refused'))).check(listed({ anchor }))).toBe(unavailable)
  expect(await world().check(listed({ anchor }))).toBe(unavailable)
  const old = await encodeBitstring(empty)
  expect(await world(async () => old).check(listed({ anchor }))).toBe(unavailable)
  const malformed = 'CREDENTIAL_STATUS_MALFORMED'
  for (const text of ['{}', '<html>', `u${encodeBase64url(new Uint8Array(50))}`, 'x'.repeat(500_000)])
    expect([text.slice(0, 9), await world(async () => text).check(listed({ anchor }))]).toEqual([
      text.slice(0, 9),
      malformed,
    ])
  const { identities, credentials, issue } = world()
  const secured = await issue(statusEntry({ issuer: ISSUER, list: 3n, index: INDEX, purpose: 'revocation' }))
  const [dids, silent] = [identities, createIdentities()]
  silent.fail()
  const deaf = createCredentials({ dids, status: silent, clock: { nowMs: () => NOW_MS } })
  expect(await codeOf(deaf.verify(secured))).toBe(unavailable)
  expect(await codeOf(credentials.verify(secured))).toBe(malformed)
})
