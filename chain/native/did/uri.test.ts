import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asAddress, bytesToHex } from '../../base/bytes.ts'
import { didOf, isoTime, NEWEST, parseDid, secondsOf, TIME_MAX, versionRef } from './uri.ts'

const ADDRESS = 'f39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const DID = `did:novacron:polygon:0x${ADDRESS}`

test.each<readonly [string, string, object]>([
  ['a DID', DID, { version: { kind: 'newest' }, fragment: null }],
  ['of another network', DID.replace('polygon', 'polygon-amoy'), { version: { kind: 'newest' } }],
  ['of a version', `${DID}?versionId=3`, { version: { kind: 'id', version: 3 } }],
  ['of version 0', `${DID}?versionId=0`, { version: { kind: 'id', version: 0 } }],
  ['at a time', `${DID}?versionTime=1970-01-02T00:00:01Z`, { version: { kind: 'time', time: 86_401 } }],
  ['at a time, escaped', `${DID}?versionTime=1970-01-02T00%3A00%3a01Z`, { version: { kind: 'time', time: 86_401 } }],
  ['with a parameter that nobody knows', `${DID}?hl=zQm&versionId=1`, { version: { kind: 'id', version: 1 } }],
  ['a key of it', `${DID}#key-1`, { fragment: 'key-1', version: { kind: 'newest' } }],
  ['a key of a version', `${DID}?versionId=3#key-1`, { fragment: 'key-1', version: { kind: 'id', version: 3 } }],
  ['with an empty query', `${DID}?`, { version: { kind: 'newest' } }],
])('reads a DID URL: %s', (_, text, expected) => {
  const parsed = parseDid(text)
  expect(parsed).toMatchObject({ ok: true, ...expected })
  if (parsed.ok) expect(bytesToHex(parsed.did.identity)).toBe(`0x${ADDRESS}`)
})

test.each<readonly [string, string, string]>([
  ['nothing', '', 'invalidDid'],
  ['no method', 'did:', 'invalidDid'],
  ['no identifier', 'did:novacron:', 'invalidDid'],
  ['a method in capitals', DID.replace('novacron', 'Novacron'), 'invalidDid'],
  ['a scheme in capitals', DID.replace('did', 'DID'), 'invalidDid'],
  ['another method', 'did:example:123456789abcdefghi', 'methodNotSupported'],
  ['another method with an escape', 'did:web:example.com%3A3000', 'methodNotSupported'],
  ['no network', `did:novacron:0x${ADDRESS}`, 'invalidDid'],
  ['an empty network', `did:novacron::0x${ADDRESS}`, 'invalidDid'],
  ['a short network', `did:novacron:ab:0x${ADDRESS}`, 'invalidDid'],
  ['a network in capitals', `did:novacron:Polygon:0x${ADDRESS}`, 'invalidDid'],
  ['a long network', `did:novacron:${'a'.repeat(33)}:0x${ADDRESS}`, 'invalidDid'],
  ['one part too many', `${DID}:1`, 'invalidDid'],
  ['no address', 'did:novacron:polygon:', 'invalidDid'],
  ['an address without 0x', `did:novacron:polygon:${ADDRESS}`, 'invalidDid'],
  ['a short address', DID.slice(0, -1), 'invalidDid'],
  ['a long address', `${DID}0`, 'invalidDid'],
  ['capitals in the address: each DID has one spelling', DID.replace('f39f', 'F39F'), 'invalidDid'],
  ['a letter that is no digit', DID.replace('f39f', 'g39f'), 'invalidDid'],
  ['a space before', ` ${DID}`, 'invalidDid'],
  ['a line after', `${DID}\n`, 'invalidDid'],
  ['a path', `${DID}/path`, 'invalidDidUrl'],
  ['a version that is no number', `${DID}?versionId=one`, 'invalidDidUrl'],
  ['a version with zeros before it', `${DID}?versionId=01`, 'invalidDidUrl'],
  ['a negative version', `${DID}?versionId=-1`, 'invalidDidUrl'],
  ['a version that stands for something else', `${DID}?versionId=${NEWEST}`, 'invalidDidUrl'],
  ['a huge version', `${DID}?versionId=${'9'.repeat(100)}`, 'invalidDidUrl'],
  ['a version twice', `${DID}?versionId=1&versionId=1`, 'invalidDidUrl'],
  ['a version and a time', `${DID}?versionId=1&versionTime=2026-01-01T00:00:00Z`, 'invalidDidUrl'],
  ['a time without a zone', `${DID}?versionTime=2026-01-01T00:00:00`, 'invalidDidUrl'],
  ['a time elsewhere', `${DID}?versionTime=2026-01-01T00:00:00+02:00`, 'invalidDidUrl'],
  ['a day that is none', `${DID}?versionTime=2026-02-29T00:00:00Z`, 'invalidDidUrl'],
  ['a query that is no URL', `${DID}?a=<b>`, 'invalidDidUrl'],
  ['a fragment that is no URL', `${DID}#a b`, 'invalidDidUrl'],
  ['too much of it', `${DID}?${'a'.repeat(3_000)}`, 'invalidDid'],
])('refuses %s', (_, text, error) => {
  expect(parseDid(text)).toMatchObject({ ok: false, error })
})

test('what is written is read, and no bent text is both accepted and written otherwise', () => {
  const bend = fc.record({ at: fc.nat(90), to: fc.string({ unit: 'binary', maxLength: 3 }), cut: fc.nat(3) })
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.stringMatching(/^[-a-z0-9]{3,32}$/),
      fc.array(bend, { maxLength: 3 }),
      (bytes, network, bends) => {
        const did = didOf(network, asAddress(bytes))
        expect(parseDid(did)).toMatchObject({ ok: true, did: { did, network, identity: bytes } })
        const bent = bends.reduce((text, { at, to, cut }) => text.slice(0, at) + to + text.slice(at + cut), did)
        const parsed = parseDid(bent)
        if (parsed.ok) expect(bent.split(/[?#]/)[0]).toBe(didOf(parsed.did.network, parsed.did.identity))
      },
    ),
    { numRuns: 800 },
  )
})

test('any text at all ends in an answer', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string().map((tail) => `did:novacron:${tail}`),
      ),
      (text) => {
        expect(parseDid(text)).toHaveProperty('ok')
      },
    ),
    { numRuns: 3_000 },
  )
})

test('times are those of the platform, both ways', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.nat({ max: TIME_MAX }), fc.constantFrom(0, 951_782_400, 951_868_800, TIME_MAX)),
      (seconds) => {
        const text = new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z')
        expect(isoTime(seconds)).toBe(text)
        expect(secondsOf(text)).toBe(seconds)
        expect(secondsOf(text.replace('Z', '.999Z'))).toBe(seconds)
      },
    ),
    { numRuns: 2_000 },
  )
})

test.each([
  '2026-13-01T00:00:00Z',
  '2026-00-01T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '1969-12-31T23:59:59Z',
  '2026-04-31T00:00:00Z',
  'now',
])('%s is no time', (text) => expect(secondsOf(text)).toBeNull())

test('options say a version as the query does', () => {
  expect(versionRef({})).toEqual({ kind: 'newest' })
  expect(versionRef({ versionId: '7' })).toEqual({ kind: 'id', version: 7 })
  for (const wrong of [{ versionId: 7 }, { versionTime: 7 }, { versionId: '1', versionTime: '2026-01-01T00:00:00Z' }])
    expect(versionRef(wrong)).toBeTypeOf('string')
})
