// Who bonds in a draft: the order of founders never matters, money is conserved, and who cannot be in it is told by file.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToHex, type Hex } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { NodeError } from '../chain/base/errors.ts'
import { parseDraft, parseGenesis } from '../chain/types/genesis.ts'
import { possessionBytes } from '../chain/types/vote.ts'
import { founder } from '../test/kit/founders.ts'
import { addFounders, dropFounder, finalGenesis, fundsOf, type Offer } from './ceremony.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { installFastCurves } from './curves.ts'

const NOVA = 10n ** 18n
const FUNDS = 3_000_000n * NOVA
const BOND = 1_000_000n * NOVA
await installFastCurves(() => {})
const founders = await Promise.all([0, 1, 2, 3, 4].map((seed) => founder(seed)))

const draftOf = (change: (json: ReturnType<typeof JSON.parse>) => void = () => {}): string => {
  const json = JSON.parse(bundledGenesis())
  json.config.chainId = 4242
  json.alloc = Object.fromEntries(founders.map(({ address }) => [address, { balance: FUNDS.toString() }]))
  const governance = founders[0]?.address
  json.novachain = { ...json.novachain, development: false, validators: [] }
  json.novachain.modules = { params: { ...json.novachain.modules.params, governance, guardian: governance } }
  change(json)
  return JSON.stringify(json)
}
const offer = (i: number, change: Partial<Offer['entry']> = {}, file = `gentx-${i}.json`): Offer => {
  const { address, blsKey, peerId, p2pAddress, secrets } = founders[i] as (typeof founders)[number]
  const proofOfPossession = bytesToHex(
    curves().blsSign(secrets.validator, possessionBytes(curves().blsPublicKey(secrets.validator))),
  )
  const said = { stakeWei: BOND, commissionBps: 100, moniker: `node ${i}`, peerId, p2pAddress }
  return { entry: { operator: address, blsKey, proofOfPossession, ...said, ...change }, file }
}
const all = founders.map((_, i) => offer(i))
const refusal = (text: string, offers: readonly Offer[]): unknown => {
  try {
    return addFounders(text, 'genesis.json', offers)
  } catch (error) {
    return error instanceof NodeError ? { code: error.code, text: error.message } : error
  }
}
const money = (text: string): bigint => {
  const { accounts, founders: bonded } = parseDraft(text)
  const held = accounts.reduce((sum, { balance }) => sum + balance, 0n)
  return bonded.reduce((sum, { stakeWei }) => sum + stakeWei, held)
}

test('whatever the order and the parts in which they come, it is the same file', () => {
  const draft = draftOf()
  const whole = addFounders(draft, 'genesis.json', all)
  expect(addFounders(whole, 'genesis.json', all)).toBe(whole)
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), fc.nat(all.length), (offers, cut) => {
      const half = addFounders(draft, 'genesis.json', offers.slice(0, cut))
      expect(addFounders(half, 'genesis.json', offers)).toBe(whole)
      expect(money(half)).toBe(money(draft))
      expect(parseDraft(half).draftHash).toEqual(parseDraft(draft).draftHash)
    }),
    { numRuns: 20 },
  )
  const genesis = parseGenesis(whole)
  expect(genesis.founders.map(({ operator }) => bytesToHex(operator))).toEqual(
    founders.map(({ address }) => address).sort(),
  )
  expect(genesis.accounts.every(({ balance }) => balance === FUNDS - BOND)).toBe(true)
})

test('the draft’s name changes with each word of it, and not with spelling', () => {
  const hash = (text: string): string => bytesToHex(parseDraft(text).draftHash)
  const [first = '0x'] = founders.map(({ address }) => address)
  const draft = draftOf()
  const spelled = draftOf((json) => {
    const { [first]: entry, ...rest } = json.alloc
    json.alloc = {
      ...rest,
      [first.toUpperCase().replace('0X', '0x')]: { balance: `0x${BigInt(entry.balance).toString(16)}` },
    }
  })
  expect(hash(spelled)).toBe(hash(draft))
  const changes: ((json: ReturnType<typeof JSON.parse>) => void)[] = [
    (json) => (json.alloc[first].balance = '1'),
    (json) => (json.alloc[`0x${'12'.repeat(20)}`] = { balance: '0' }),
    (json) => (json.timestamp += 1),
    (json) => (json.config.chainId = 7),
    (json) => (json.novachain.modules.params.guardian = first.replace(/.{4}$/, '0000')),
  ]
  const others = changes.map((change) => hash(draftOf(change)))
  expect(new Set([hash(draft), ...others]).size).toBe(changes.length + 1)
})

test('funds that are spelled in capitals are those of the founder', () => {
  const [first] = founders
  const spelled = draftOf((json) => {
    json.alloc = { [(first?.address ?? '').toUpperCase().replace('0X', '0x')]: { balance: FUNDS.toString() } }
  })
  const { accounts } = parseGenesis(addFounders(spelled, 'genesis.json', [offer(0)]))
  expect(accounts.map(({ balance }) => balance)).toEqual([FUNDS - BOND])
})

test.each<[string, readonly Offer[], string, RegExp]>([
  [
    'two words of one founder',
    [offer(0), offer(0, { stakeWei: 2n * BOND }, 'other.json')],
    'CEREMONY_CONFLICT',
    /^gentx-0\.json and other\.json are of one founder, 0x.* differ/,
  ],
  [
    'only the address of its node differs',
    [offer(0), offer(0, { p2pAddress: null }, 'other.json')],
    'CEREMONY_CONFLICT',
    /other/,
  ],
  [
    'a key of another',
    [offer(0), offer(1, { blsKey: offer(0).entry.blsKey, proofOfPossession: offer(0).entry.proofOfPossession })],
    'CEREMONY_DUPLICATE',
    /gentx-[01]\.json and gentx-[01]\.json have the same BLS key, 0x/,
  ],
  [
    'a peer of another',
    [offer(0), offer(1, { peerId: offer(0).entry.peerId })],
    'CEREMONY_DUPLICATE',
    /same peer id, 12D3/,
  ],
  [
    'more than it has',
    [offer(2, { stakeWei: FUNDS + 1n })],
    'CEREMONY_FUNDS',
    /gentx-2\.json: 0x.* bonds 3000000000000000000000001 wei and has 3000/,
  ],
  ['nothing to bond', [offer(2, { operator: `0x${'12'.repeat(20)}` as Hex })], 'CEREMONY_FUNDS', /has 0 in the draft/],
  [
    'less than the least',
    [offer(3, { stakeWei: BOND - 1n })],
    'CEREMONY_BOUND',
    /gentx-3\.json: the stake .*staking\.minSelfBond/,
  ],
  [
    'more commission than the most',
    [offer(3, { commissionBps: 5_001 })],
    'CEREMONY_BOUND',
    /commission .*5000 at most/,
  ],
  [
    'another’s proof of possession',
    [offer(0, { proofOfPossession: offer(1).entry.proofOfPossession })],
    'GENESIS_INVALID',
    /proofOfPossession/,
  ],
])('refused: %s', (_, offers, code, text) => {
  const expected = { code, text: expect.stringMatching(text) }
  expect(refusal(draftOf(), offers)).toEqual(expected)
  expect(refusal(draftOf(), [...offers].reverse())).toMatchObject({ code })
})

test('the bounds are those of this network', () => {
  const values = { 'staking.minSelfBond': (5n * NOVA).toString(), 'staking.maxCommission': '200' }
  const draft = draftOf((json) => (json.novachain.modules.params.values = values))
  expect(refusal(draft, [offer(0, { stakeWei: 5n * NOVA })])).toEqual(expect.any(String))
  expect(refusal(draft, [offer(0, { stakeWei: 5n * NOVA - 1n })])).toMatchObject({ code: 'CEREMONY_BOUND' })
  expect(refusal(draft, [offer(0, { commissionBps: 201 })])).toMatchObject({ code: 'CEREMONY_BOUND' })
})

test('who is in the genesis already stays, and another word of it is a conflict with the genesis', () => {
  const half = addFounders(draftOf(), 'genesis.json', [offer(0)])
  expect(refusal(half, [offer(0, { moniker: 'new' })])).toMatchObject({
    code: 'CEREMONY_CONFLICT',
    text: expect.stringMatching(/^genesis\.json and gentx-0\.json/),
  })
  const { entry } = offer(0, { stakeWei: 2n * BOND })
  const again = addFounders(dropFounder(half, entry), 'genesis.json', [{ entry, file: 'flags' }])
  expect(again).toBe(addFounders(draftOf(), 'genesis.json', [{ entry, file: 'flags' }]))
  expect(fundsOf(parseDraft(again), entry.operator)).toBe(FUNDS)
})

test('a draft without founders is no genesis yet, and says what to do', async () => {
  await expect(finalGenesis(draftOf(), 'genesis.json')).rejects.toMatchObject({
    code: 'CEREMONY_DRAFT',
    message: expect.stringMatching(/genesis gentx --genesis genesis\.json/),
  })
  const { hash } = await finalGenesis(addFounders(draftOf(), 'genesis.json', all), 'genesis.json')
  expect(hash).toMatch(/^0x[0-9a-f]{64}$/)
})
