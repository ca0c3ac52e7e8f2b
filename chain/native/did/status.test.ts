import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DidWorld, openDid } from '../../../test/kit/did.ts'
import { account } from '../../../test/kit/native.ts'
import { bytesToHex, type Hex } from '../../base/bytes.ts'

const hex = (n: number): Hex => bytesToHex(account(n))
const [ISSUER, OTHER] = [account(1), account(2)]
const [REVOCATION, SUSPENSION] = [1n, 2n]
const SIZE = 131_072n
const DIGEST = new Uint8Array(32).fill(0xd1)
const T = 1_000_000n
const create = (w: DidWorld, purpose = REVOCATION, size = SIZE) => w.must(1, 'createStatusList', ISSUER, purpose, size)

test('a list has its number, its issuer and its purpose', async () => {
  const w = openDid()
  expect((await create(w)).events).toEqual([
    ['StatusListCreated', { listId: 1n, issuer: hex(1), purpose: REVOCATION, size: SIZE }],
  ])
  await create(w, SUSPENSION, 1_048_576n)
  expect(await w.read('statusListCount')).toEqual([2n])
  expect(await w.read('statusList', 2n)).toEqual([{ issuer: hex(1), purpose: SUSPENSION, size: 1_048_576n }])
})

test('a revocation is for ever, a suspension is not, and only what changes is told', async () => {
  const w = openDid()
  await create(w)
  await create(w, SUSPENSION)
  expect((await w.must(1, 'setStatus', 1n, 5n, true)).events).toEqual([
    ['StatusSet', { listId: 1n, index: 5n, value: true }],
  ])
  expect((await w.must(1, 'setStatus', 1n, 5n, true)).events).toEqual([])
  expect((await w.must(1, 'setStatus', 1n, 6n, false)).events).toEqual([])
  expect((await w.call(1, 'setStatus', 1n, 5n, false)).error).toBe('RevocationIsFinal["1","5"]')
  await w.must(1, 'setStatus', 2n, 5n, true)
  expect((await w.must(1, 'setStatus', 2n, 5n, false)).events).toHaveLength(1)
  expect([
    await w.read('statusOf', 1n, 5n),
    await w.read('statusOf', 1n, 6n),
    await w.read('statusOf', 2n, 5n),
  ]).toEqual([[true], [false], [false]])
})

test('the words of a list are its bytes as W3C lays them out: index 0 is the highest bit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 131_071 }), { maxLength: 12 }), async (indices) => {
      const w = openDid()
      await create(w)
      const bits = new Uint8Array(131_072 / 8)
      for (const index of indices) {
        await w.must(1, 'setStatus', 1n, BigInt(index), true)
        bits[index >> 3] = (bits[index >> 3] as number) | (0x80 >> (index & 7))
      }
      const [words] = (await w.read('statusWords', 1n, 0n, 512n)) as [Hex[]]
      expect(words.map((word) => word.slice(2)).join('')).toBe(Buffer.from(bits).toString('hex'))
      for (const index of indices) expect(await w.read('statusOf', 1n, BigInt(index))).toEqual([true])
    }),
    { numRuns: 10 },
  )
  const w = openDid()
  await create(w)
  expect(((await w.read('statusWords', 1n, 511n, 4_000_000_000n))[0] as Hex[]).length).toBe(1)
  expect(((await w.read('statusWords', 1n, 512n, 1n))[0] as Hex[]).length).toBe(0)
})

test('a segment is anchored by its digest, and again; each index finds its own', async () => {
  const w = openDid()
  await create(w, REVOCATION, SIZE + 8n)
  const none = { digest: `0x${'00'.repeat(32)}`, version: 0n, updated: 0n, uri: '' }
  expect(await w.read('anchorOf', 1n, 5n)).toEqual([{ ...none, from: 0n, count: SIZE }])
  const uri = 'https://example.com/status/1'
  expect((await w.must(1, 'anchorStatusList', 1n, 1n, DIGEST, uri)).events).toEqual([
    ['StatusListAnchored', { listId: 1n, from: SIZE, count: 8n, digest: bytesToHex(DIGEST), version: 1n, uri }],
  ])
  w.go({ time: 1_000_005 })
  await w.must(1, 'anchorStatusList', 1n, 1n, DIGEST, '')
  expect(await w.read('anchorOf', 1n, SIZE + 7n)).toEqual([
    { digest: bytesToHex(DIGEST), from: SIZE, count: 8n, version: 2n, updated: T + 5n, uri: '' },
  ])
  expect(await w.read('anchorOf', 1n, SIZE - 1n)).toEqual([{ ...none, from: 0n, count: SIZE }])
})

test('who controls the issuer’s DID now sets its statuses', async () => {
  const w = openDid()
  await create(w)
  await w.must(1, 'setController', ISSUER, OTHER)
  expect((await w.call(1, 'setStatus', 1n, 0n, true)).error).toMatch(/^NotController/)
  await w.must(2, 'setStatus', 1n, 0n, true)
  await w.must(2, 'anchorStatusList', 1n, 0n, DIGEST, '')
  await w.must(2, 'deactivate', ISSUER)
  expect((await w.call(2, 'setStatus', 1n, 1n, true)).error).toBe(`DidDeactivated["${hex(1)}"]`)
  expect(await w.read('statusOf', 1n, 0n)).toEqual([true])
})

// In order of precedence: what exists, who may, then what fits.
test.each<readonly [string, (w: DidWorld) => Promise<{ readonly error: string | null }>, RegExp]>([
  ['a list of somebody else’s', (w) => w.call(2, 'createStatusList', ISSUER, 0n, 0n), /^NotController/],
  ['a list for nothing', (w) => w.call(1, 'createStatusList', ISSUER, 0n, SIZE), /^BadList\["purpose/],
  ['a list for what is not known', (w) => w.call(1, 'createStatusList', ISSUER, 3n, SIZE), /^BadList\["purpose/],
  ['a list that hides nobody', (w) => w.call(1, 'createStatusList', ISSUER, 1n, SIZE - 8n), /^BadList\["size/],
  ['a list of half a byte', (w) => w.call(1, 'createStatusList', ISSUER, 1n, SIZE + 4n), /^BadList\["size/],
  ['a list that is too long', (w) => w.call(1, 'createStatusList', ISSUER, 1n, 1_048_584n), /^BadList\["size/],
  ['list 0', (w) => w.call(1, 'setStatus', 0n, 0n, true), /^ListUnknown\["0"\]/],
  ['a list that is not there', (w) => w.call(2, 'setStatus', 2n, 0n, true), /^ListUnknown\["2"\]/],
  ['a huge list', (w) => w.call(2, 'statusOf', 2n ** 256n - 1n, 0n), /^ListUnknown/],
  ['a stranger', (w) => w.call(2, 'setStatus', 1n, SIZE, true), /^NotController/],
  ['an index outside', (w) => w.call(1, 'setStatus', 1n, SIZE, true), /^IndexOutside\["1","131072","131072"\]/],
  ['to read outside', (w) => w.call(1, 'statusOf', 1n, 2n ** 32n - 1n), /^IndexOutside/],
  ['to find an anchor outside', (w) => w.call(1, 'anchorOf', 1n, SIZE), /^IndexOutside/],
  ['a stranger’s anchor', (w) => w.call(2, 'anchorStatusList', 1n, 9n, DIGEST, ''), /^NotController/],
  [
    'a segment outside',
    (w) => w.call(1, 'anchorStatusList', 1n, 1n, DIGEST, ''),
    /^IndexOutside\["1","131072","131072"\]/,
  ],
  ['a segment far outside', (w) => w.call(1, 'anchorStatusList', 1n, 2n ** 32n - 1n, DIGEST, ''), /^IndexOutside/],
  ['no digest', (w) => w.call(1, 'anchorStatusList', 1n, 0n, new Uint8Array(32), ''), /^BadList\["digest/],
  ['a place that is no URI', (w) => w.call(1, 'anchorStatusList', 1n, 0n, DIGEST, 'here'), /^BadList\["uri/],
])('refuses %s', async (_, run, error) => {
  const w = openDid()
  await create(w)
  expect((await run(w)).error).toMatch(error)
})

test('setting a status costs a slot, its neighbours little', async () => {
  const w = openDid()
  await create(w)
  expect(Number((await w.must(1, 'setStatus', 1n, 0n, true)).gasUsed)).toBeLessThan(45_000)
  expect(Number((await w.must(1, 'setStatus', 1n, 1n, true)).gasUsed)).toBeLessThan(28_000)
})
