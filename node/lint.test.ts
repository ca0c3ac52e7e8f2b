// Each warning has a genesis that earns it, and one that does not.
import { expect, test } from 'vitest'
import { bytesToHex } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { type Genesis, parseGenesis } from '../chain/types/genesis.ts'
import { possessionBytes } from '../chain/types/vote.ts'
import { founder } from '../test/kit/founders.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { installFastCurves } from './curves.ts'
import { developmentSecret } from './development.ts'
import { lintGenesis } from './lint.ts'

await installFastCurves(() => {})
// biome-ignore lint/suspicious/noExplicitAny: tests change the parsed file at arbitrary paths
type Json = any
const NOW = Date.parse('2030-06-01T00:00:00Z')
const founders = await Promise.all([0, 1, 2, 3].map((seed) => founder(seed)))
const entryOf = (address: string, secret: Uint8Array, rest: object) => {
  const key = curves().blsPublicKey(secret)
  const proofOfPossession = bytesToHex(curves().blsSign(secret, possessionBytes(key)))
  return { ...{ address, blsKey: bytesToHex(key), proofOfPossession, stake: '1000000000000000000000000' }, ...rest }
}
const good = (change: (json: Json) => void = () => {}): Genesis => {
  const json: Json = JSON.parse(bundledGenesis())
  json.config.chainId = 4242
  json.timestamp = NOW / 1_000
  json.alloc = Object.fromEntries(founders.map(({ address }) => [address, { balance: '1' }]))
  const validators = founders.map(({ address, secrets, peerId }, i) =>
    entryOf(address, secrets.validator, { peerId, moniker: `node ${i}` }),
  )
  const [governance, guardian] = founders.map(({ address }) => address)
  const params = { governance, guardian, values: {} }
  json.novachain = { ...json.novachain, validators, development: false, modules: { params } }
  change(json)
  return parseGenesis(JSON.stringify(json))
}
const codes = (genesis: Genesis): string[] => [...new Set(lintGenesis(genesis, NOW).map(({ code }) => code))]
const DEV = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8'

test('a sound genesis has no warning', () => expect(lintGenesis(good(), NOW)).toEqual([]))

test.each<[string, (json: Json) => void]>([
  ['few-validators third-of-power', (json) => json.novachain.validators.pop()],
  ['third-of-power', (json) => (json.novachain.validators[1].stake = '1500000000000000000000000')],
  ['time-past', (json) => (json.timestamp -= 8 * 86_400)],
  ['time-future', (json) => (json.timestamp += 8 * 86_400)],
  ['peer-missing', (json) => delete json.novachain.validators[2].peerId],
  ['peer-invalid', (json) => (json.novachain.validators[2].peerId = 'node-2')],
  ['moniker', (json) => (json.novachain.validators[2].moniker = 'node 1')],
  ['moniker', (json) => (json.novachain.validators[2].moniker = '\u202e2 edon')],
  [
    'development-key',
    (json) => {
      const [first] = json.novachain.validators
      json.novachain.validators[0] = entryOf(first.address, developmentSecret(7), { peerId: first.peerId })
    },
  ],
  ['development-account operator-funds', (json) => (json.novachain.validators[0].address = DEV)],
  [
    'development-account',
    (json) => Object.assign(json.novachain.fees, { burnBps: 0, treasuryBps: 10_000, treasury: DEV }),
  ],
  ['development-account guardian', (json) => (json.novachain.modules.params.guardian = DEV)],
  ['development-chain-id', (json) => (json.config.chainId = 662_607)],
  ['governance', (json) => (json.novachain.modules.params.governance = `0x${'12'.repeat(20)}`)],
  ['guardian', (json) => (json.novachain.modules.params.guardian = `0x${'0'.repeat(40)}`)],
  ['guardian', (json) => (json.novachain.modules.params.guardian = `0x${'12'.repeat(20)}`)],
  ['operator-funds', (json) => (json.alloc[json.novachain.validators[3].address].balance = '0')],
  [
    'min-self-bond',
    (json) => (json.novachain.modules.params.values['staking.minSelfBond'] = '1000000000000000000000001'),
  ],
  ['max-commission', (json) => (json.novachain.validators[0].commissionBps = 5_001)],
  // Epochs of an hour.
  ['unbonding-time', (json) => (json.novachain.modules.params.values['staking.unbondingTime'] = '7199')],
  ['max-validators', (json) => (json.novachain.modules.params.values['staking.maxValidators'] = '3')],
])('%s', (expected, change) => expect(codes(good(change))).toEqual(expected.split(' ')))

test('a development network may have development keys, accounts and chain id', () => {
  const genesis = good((json) => {
    const [first] = json.novachain.validators
    json.novachain.validators[0] = entryOf(first.address, developmentSecret(0), { peerId: first.peerId })
    json.config.chainId = 662_607
    json.alloc[DEV] = { balance: '1' }
    Object.assign(json.novachain.modules.params, { governance: DEV })
    json.novachain.development = true
  })
  expect(codes(genesis)).toEqual([])
})

test('a contract that governs needs no funds: others pay for calling it', () => {
  const safe = `0x${'5a'.repeat(20)}`
  const genesis = good((json) => {
    json.alloc[safe] = { balance: '0', code: '0x00' }
    json.novachain.modules.params.governance = safe
  })
  expect(codes(genesis)).toEqual([])
})
