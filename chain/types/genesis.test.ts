import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { bytesToHex } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import { DEVELOPMENT_ACCOUNTS, parseDraft, parseGenesis } from './genesis.ts'

const text = readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8')
// biome-ignore lint/suspicious/noExplicitAny: tests damage the parsed file at arbitrary paths
type Json = any
const damaged = (damage: (json: Json) => void): string => {
  const json: Json = JSON.parse(text)
  damage(json)
  return JSON.stringify(json)
}
const refusal = (source: string): unknown => {
  try {
    parseGenesis(source)
  } catch (error) {
    return error instanceof NodeError ? [error.code, error.message] : error
  }
  return 'accepted'
}

/** All there is, in wei, without what the first account has. */
const sumOf = (json: Json): bigint => {
  const [, ...others] = Object.values<Json>(json.alloc).map(({ balance }) => BigInt(balance))
  const stakes = json.novachain.validators.map(({ stake }: Json) => BigInt(stake))
  return [...others, ...stakes].reduce((sum, wei) => sum + wei, 0n)
}

test('all there is may be 2^120 wei, stakes included', () => {
  const most = damaged((json) => {
    json.alloc[DEVELOPMENT_ACCOUNTS[0] as string].balance = `${2n ** 120n - sumOf(json)}`
  })
  expect(refusal(most)).toBe('accepted')
})

test('an account that took its delegation back has storage, a nonce and no code', () => {
  const storage = { [`0x${'00'.repeat(32)}`]: `0x${'01'.repeat(32)}` }
  const left = damaged((json) => Object.assign(json.alloc[DEVELOPMENT_ACCOUNTS[0] as string], { nonce: 2, storage }))
  expect(refusal(left)).toBe('accepted')
})

test('the development network parses', () => {
  const genesis = parseGenesis(text)
  expect(genesis.chainId).toBe(662_607n)
  expect(genesis.accounts.map((account) => bytesToHex(account.address))).toEqual(DEVELOPMENT_ACCOUNTS)
  expect(genesis.validators.powerTotal).toBe(1_000_000n)
})

test('the hashes of a genesis stay what they were, whatever else a genesis may say by now', () => {
  const kept = damaged((json) => {
    json.novachain.modules = {}
    const storage = { [`0x${'0'.repeat(63)}1`]: `0x${'AB'.repeat(32)}` }
    json.alloc = {
      '0x00000000000000000000000000000000000000Aa': { balance: '0x10', nonce: 3, code: '0x60006000FD', storage },
    }
  })
  expect([bytesToHex(parseGenesis(kept).rulesHash), bytesToHex(parseDraft(kept).draftHash)]).toEqual([
    '0x5ea21e686b8ed3405f490eb07ed9a791824df47a30fa6664ee966f53b1e78d0f',
    '0xb8de6b139b88ae599d646dab69395e4becaebf4f89e864d54641c411debc207d',
  ])
})

test('the rules hash ignores spelling and changes with every rule', () => {
  const hash = (source: string): string => bytesToHex(parseGenesis(source).rulesHash)
  const same = damaged((json) => {
    json.novachain = Object.fromEntries(Object.entries(json.novachain).reverse())
    json.gasLimit = `0x${json.gasLimit.toString(16)}`
    json.novachain.validators[0].blsKey = json.novachain.validators[0].blsKey.toUpperCase().replace('0X', '0x')
  })
  expect(hash(same)).toBe(hash(text))
  const changes: ((json: Json) => void)[] = [
    (json) => (json.config.chainId = 7),
    (json) => (json.novachain.blockTimeMs = 1_000),
    (json) => (json.novachain.epochBlocks = 10),
    (json) => (json.novachain.validators[0].stake = '5000000000000000000'),
    (json) => (json.novachain.modules.params = { owner: 1 }),
  ]
  for (const change of changes) expect(hash(damaged(change))).not.toBe(hash(text))
})

test.each<[string, (json: Json) => void, string]>([
  ['a missing key', (json) => delete json.novachain.blockTimeMs, 'novachain.blockTimeMs'],
  ['an unknown key', (json) => (json.novachain.blocktime = 1), 'blocktime'],
  ['a late fork', (json) => (json.config.osakaTime = 5), 'config.osakaTime'],
  ['a wrong type', (json) => (json.gasLimit = 'much'), 'gasLimit'],
  ['a negative balance', (json) => (json.alloc[DEVELOPMENT_ACCOUNTS[0] as string].balance = -1), 'balance'],
  ['a short address', (json) => (json.alloc['0x12'] = { balance: 1 }), 'alloc.0x12'],
  [
    'an address twice in two spellings',
    (json) => (json.alloc[(DEVELOPMENT_ACCOUNTS[0] as string).toUpperCase().replace('0X', '0x')] = { balance: 1 }),
    'appears twice',
  ],
  [
    'storage without code',
    (json) =>
      (json.alloc[DEVELOPMENT_ACCOUNTS[0] as string].storage = { [`0x${'00'.repeat(32)}`]: `0x${'01'.repeat(32)}` }),
    'storage without code',
  ],
  [
    'code that no transaction could make',
    (json) => (json.alloc[DEVELOPMENT_ACCOUNTS[0] as string].code = '0xef0001'),
    'begins with 0xef',
  ],
  [
    'a wei more than 2^120 in balances',
    (json) => (json.alloc[DEVELOPMENT_ACCOUNTS[0] as string].balance = `${2n ** 120n - sumOf(json) + 1n}`),
    'alloc',
  ],
  [
    'a wei more than 2^120 in balances and stakes together',
    (json) => {
      json.novachain.validators[0].stake = `${2n ** 119n}`
      json.alloc = { [DEVELOPMENT_ACCOUNTS[0] as string]: { balance: `${2n ** 119n + 1n}` } }
    },
    'alloc',
  ],
  [
    'a validator of an address that nobody has',
    (json) => (json.novachain.validators[0].address = `0x${'00'.repeat(20)}`),
    'novachain.validators.0.address',
  ],
  ['epochs of one block', (json) => (json.novachain.epochBlocks = 1), 'novachain.epochBlocks'],
  ['no funds', (json) => (json.alloc = {}), 'nobody has funds'],
  ['no validators', (json) => (json.novachain.validators = []), 'at least one validator'],
  [
    'a bad proof of possession',
    (json) => (json.novachain.validators[0].proofOfPossession = `0x${'ab'.repeat(96)}`),
    'novachain.validators.0.proofOfPossession',
  ],
  [
    'a duplicate validator',
    (json) => json.novachain.validators.push(json.novachain.validators[0]),
    'novachain.validators.1.address',
  ],
  [
    'a duplicate key',
    (json) =>
      json.novachain.validators.push({ ...json.novachain.validators[0], address: DEVELOPMENT_ACCOUNTS[1] as string }),
    'novachain.validators.1.blsKey',
  ],
  [
    'a key at infinity, which any signature at infinity would fit',
    (json) =>
      Object.assign(json.novachain.validators[0], {
        blsKey: `0xc0${'00'.repeat(47)}`,
        proofOfPossession: `0xc0${'00'.repeat(95)}`,
      }),
    'novachain.validators.0.proofOfPossession',
  ],
  [
    'a proof of possession at infinity',
    (json) => (json.novachain.validators[0].proofOfPossession = `0xc0${'00'.repeat(95)}`),
    'novachain.validators.0.proofOfPossession',
  ],
  [
    'a key outside the subgroup',
    (json) => (json.novachain.validators[0].blsKey = `0x80${'00'.repeat(46)}04`),
    'novachain.validators.0.proofOfPossession',
  ],
  [
    "another validator's proof of possession",
    (json) =>
      json.novachain.validators.push({
        ...json.novachain.validators[0],
        address: DEVELOPMENT_ACCOUNTS[1] as string,
        blsKey: '0xa491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20fd6e10c1b77654d067c0618f6e5a7f79a',
      }),
    'novachain.validators.1.proofOfPossession',
  ],
  ['a fee split that loses wei', (json) => (json.novachain.fees.burnBps = 9_999), 'sum to 9999'],
  [
    'a treasury share without a treasury',
    (json) => Object.assign(json.novachain.fees, { burnBps: 5_000, treasuryBps: 5_000 }),
    'novachain.fees.treasury',
  ],
  ['development accounts on a real network', (json) => (json.novachain.development = false), 'anybody holds the key'],
])('%s is refused with its path', (_, damage, reason) => {
  expect(refusal(damaged(damage))).toEqual(['GENESIS_INVALID', expect.stringContaining(reason)])
})

test('what is not JSON is refused as such', () => {
  expect(refusal('{"config":')).toEqual(['GENESIS_JSON', expect.stringContaining('not JSON')])
  expect(refusal('[]')).toEqual(['GENESIS_INVALID', expect.stringContaining('(root)')])
})
