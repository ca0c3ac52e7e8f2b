// A founder's signed part: the same to the byte, and no letter of it can be another.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hexToBytes } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { SignType } from '../chain/types/vote.ts'
import { founder } from '../test/kit/founders.ts'
import { installFastCurves } from './curves.ts'
import { parseGentx, renderGentx, signGentx } from './gentx.ts'

const DRAFT = `0x${'d5'.repeat(32)}` as const
await installFastCurves(() => {})
const [alice, bob] = [await founder(0), await founder(1)]
const { peerId, p2pAddress } = alice
const part = {
  ...{ chainId: 4242, draftHash: DRAFT, stakeWei: 10n ** 24n, commissionBps: 250, moniker: 'Zoë’s node' },
  ...{ peerId, p2pAddress },
}
const made = signGentx(part, alice.secrets)
const file = renderGentx(made)
const refusal = (text: string): string | null => {
  try {
    parseGentx(text, 'gentx-alice.json')
    return null
  } catch (error) {
    if (error instanceof NodeError) return error.code
    throw error
  }
}
const altered = (change: object): string => JSON.stringify({ ...JSON.parse(file), ...change })

test('it reads what it wrote, and writes the same again', () => {
  expect(parseGentx(file, 'x')).toEqual(made)
  expect(renderGentx(signGentx(part, alice.secrets))).toBe(file)
  const hidden = signGentx({ ...part, p2pAddress: null }, alice.secrets)
  expect(parseGentx(renderGentx(hidden), 'x')).toEqual(hidden)
  expect(SignType.gentx).toBe(9)
})

test.each<[string, object, string]>([
  ['more stake', { stake: '1000000000000000000000001' }, 'GENTX_FORGED'],
  ['another commission', { commissionBps: 251 }, 'GENTX_FORGED'],
  ['another chain', { chainId: 4243 }, 'GENTX_FORGED'],
  ['another draft', { draft: `0x${'d6'.repeat(32)}` }, 'GENTX_FORGED'],
  ['another account', { operator: bob.address }, 'GENTX_FORGED'],
  ['another name', { moniker: 'Zoe' }, 'GENTX_FORGED'],
  ['another peer', { peerId: bob.peerId, p2pAddress: bob.p2pAddress }, 'GENTX_FORGED'],
  ['no address', { p2pAddress: undefined }, 'GENTX_FORGED'],
  ['an address of another peer', { p2pAddress: bob.p2pAddress }, 'GENTX_FORM'],
  ['two addresses in one', { p2pAddress: `/ip4/1.2.3.4/tcp/1,${alice.p2pAddress}` }, 'GENTX_FORM'],
  ['a peer id that is none', { peerId: 'peer' }, 'GENTX_FORM'],
  ['a stake with a point', { stake: '1.5' }, 'GENTX_FORM'],
  ['a stake below zero', { stake: '-1' }, 'GENTX_FORM'],
  ['a name that moves the cursor', { moniker: 'a\u001b[2Jb' }, 'GENTX_FORM'],
  ['a name that runs backwards', { moniker: 'a\u202eb' }, 'GENTX_FORM'],
  ['a long name', { moniker: 'é'.repeat(33) }, 'GENTX_FORM'],
  ['a field that nobody knows', { memo: 'hello' }, 'GENTX_FORM'],
  ['another format', { format: 'novachain-gentx/2' }, 'GENTX_FORM'],
  ['a signature that is none', { operatorSignature: `0x${'00'.repeat(65)}` }, 'GENTX_FORGED'],
  [
    'the signature in another spelling',
    { operatorSignature: made.operatorSignature.replace(/1(.)$/, '2$1') },
    'GENTX_FORGED',
  ],
  ['a key that is no point', { blsKey: `0x${'00'.repeat(48)}` }, 'GENTX_FORGED'],
])('refused: %s', (_, change, code) => expect(refusal(altered(change))).toBe(code))

test.each(['', '{', 'null', '[]', '"gentx"', '{"__proto__":{}}', `${'['.repeat(10_000)}`])('garbage: %.20s', (text) => {
  expect(refusal(text)).toBe('GENTX_FORM')
})

test('who copies another’s key and its proof cannot sign with it', () => {
  const stolen = signGentx({ ...part, moniker: 'mine' }, { ...bob.secrets, validator: alice.secrets.validator })
  const own = signGentx({ ...part, moniker: 'mine' }, bob.secrets)
  const { blsKey, proofOfPossession, operatorSignature } = stolen
  expect(refusal(renderGentx({ ...own, blsKey, proofOfPossession, operatorSignature }))).toBe('GENTX_FORGED')
})

test('no letter can be another', () => {
  const letters = fc.constantFrom(...'0123456789abcdefXYZ"{},: -é')
  fc.assert(
    fc.property(fc.nat(file.length - 1), letters, (at, letter) => {
      const text = file.slice(0, at) + letter + file.slice(at + 1)
      if (refusal(text) !== null) return
      // Spelled otherwise, and the same in meaning.
      expect(parseGentx(text, 'x')).toEqual(made)
    }),
    { numRuns: 300 },
  )
})

test('the addresses in it are those of the keys', () => {
  expect([made.operator, hexToBytes(made.blsKey).length]).toEqual([alice.address, 48])
})
