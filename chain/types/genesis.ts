// genesis.json: its schema, its checks, and the hash that names the network. Geth's shape plus a `novachain` section.
// Owns what all nodes must share and may never differ in.
import { z } from 'zod'
import {
  type Address,
  asAddress,
  asHash,
  bytesToHex,
  type Hash,
  type Hex,
  hexToBytes,
  type Word,
} from '../base/bytes.ts'
import { curves, keccak } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { FORK_EPOCHS_MAX, FORKS } from './forks.ts'
import { createValidatorSet, POWER_WEI, type ValidatorSet } from './validators.ts'
import { possessionBytes } from './vote.ts'

export const GenesisErrors = defineErrors('GENESIS', {
  JSON: { text: (d: { reason: string }) => `genesis: not JSON: ${d.reason}` },
  INVALID: { text: (d: { path: string; reason: string }) => `genesis: ${d.path}: ${d.reason}` },
})

export interface GenesisAccount {
  readonly address: Address
  readonly balance: bigint
  readonly nonce: bigint
  readonly code: Uint8Array
  readonly storage: readonly (readonly [Word, Word])[]
}

/**
 * Where the base fee of each gas goes, in basis points that sum to 10,000: burnt, to the proposer's fee recipient, to the pot that validators
 * and delegators share, to the treasury. Tips go to the proposer's fee recipient whole.
 */
export interface FeeSplit {
  readonly burnBps: number
  readonly recipientBps: number
  readonly stakersBps: number
  readonly treasuryBps: number
  readonly treasury: Address
}

/** The network and the block of which the state goes on in a new network. */
export interface Carried {
  readonly chainId: bigint
  readonly genesisHash: Hash
  readonly height: number
  readonly blockHash: Hash
  readonly stateRoot: Hash
  /** All wei there were, and are. */
  readonly supplyWei: bigint
}

/** A validator of the first epoch. */
export interface Founder {
  readonly operator: Address
  readonly blsKey: Uint8Array
  readonly stakeWei: bigint
  readonly commissionBps: number
  readonly moniker: string
  /** Text of its node's libp2p peer id; null where it is not told. */
  readonly peerId: string | null
}

export interface Genesis {
  readonly chainId: bigint
  /** Seconds. */
  readonly time: number
  readonly gasLimit: bigint
  readonly baseFeeWei: bigint
  readonly extraData: Uint8Array
  readonly mixHash: Hash
  readonly coinbase: Address
  readonly accounts: readonly GenesisAccount[]
  readonly blockTimeMs: number
  readonly epochBlocks: number
  readonly fees: FeeSplit & { readonly baseFeeDenominator: number; readonly elasticity: number }
  /** Who bonded what before the first block, in the file's order. Their stake comes on top of `accounts`. */
  readonly founders: readonly Founder[]
  /** Of the first epoch. */
  readonly validators: ValidatorSet
  /** Each native module's section, as its own schema left it. */
  readonly modules: Readonly<Record<string, unknown>>
  /**
   * From which epoch on forks hold, by name; null: not yet, until governance schedules it. Osaka holds from genesis where it is not named, the
   * others do not.
   */
  readonly forks?: Readonly<Record<string, number | null>> | undefined
  /** What it carries on, where it is made from the state of another network. Stakes are among `accounts` then, and modules have no sections. */
  readonly carried?: Carried | undefined
  readonly development: boolean
  /** keccak of the rules' canonical JSON: everything but `alloc`, which the state root commits to. */
  readonly rulesHash: Hash
}

/** What holds at every height. Accounts and sections of modules, which may be many, are only for the first state. */
export type Rules = Omit<Genesis, 'accounts' | 'modules'>

/** A genesis without what its first state was made from, so that a running chain keeps none of it in memory. */
export function rulesOf(genesis: Genesis): Rules {
  const { accounts: _, modules: __, ...rules } = genesis
  return rules
}

/** A genesis on its way: what founders agree on before each of them bonds. It may still lack validators, and funds. */
export interface Draft extends Omit<Genesis, 'validators' | 'rulesHash'> {
  /**
   * Names it: keccak of the canonical JSON of the whole file, `alloc` included, as it was before anybody bonded. The stakes of those who did are
   * counted back into their accounts, so that it stays the same while founders are collected.
   */
  readonly draftHash: Hash
}

/** The ten well-known accounts of the `test … junk` mnemonic: anybody holds their keys. */
export const DEVELOPMENT_ACCOUNTS: readonly Hex[] = [
  '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266',
  '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
  '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc',
  '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
  '0x15d34aaf54267db7d7c367839aaf71a00a2c6a65',
  '0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc',
  '0x976ea74026e726554db657fa54763abd0c3a0aa9',
  '0x14dc79964da2c08b23698b3d3cc7ca32193d9955',
  '0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f',
  '0xa0ee7a142d267c1f36714e4a8f75612f20a79720',
]

const hexOf = (sizeBytes: number) =>
  z.string().regex(new RegExp(`^0x[0-9a-fA-F]{${2 * sizeBytes}}$`), `expected 0x and ${2 * sizeBytes} hex digits`)
const bytes = (max: number) =>
  z
    .string()
    .regex(/^0x([0-9a-fA-F]{2})*$/, 'expected 0x-prefixed hex of whole bytes')
    .refine((text) => text.length <= 2 + 2 * max, `at most ${max} bytes`)
/** geth's genesis takes 0x quantities and decimal strings; plain numbers where they are exact. */
const quantity = z
  .union([
    z.string().regex(/^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/, 'expected a 0x quantity or a decimal string'),
    z.int().nonnegative(),
  ])
  .transform((value) => BigInt(value))
  .refine((value) => value < 2n ** 256n, 'above 2^256 - 1')
const seconds = quantity.refine((value) => value < 2n ** 40n, 'not a time in seconds').transform(Number)
const FORKS_AT_ZERO = [
  ...['homesteadBlock', 'daoForkBlock', 'eip150Block', 'eip155Block', 'eip158Block', 'byzantiumBlock'],
  ...['constantinopleBlock', 'petersburgBlock', 'istanbulBlock', 'muirGlacierBlock', 'berlinBlock', 'londonBlock'],
  ...[
    'arrowGlacierBlock',
    'grayGlacierBlock',
    'mergeNetsplitBlock',
    'shanghaiTime',
    'cancunTime',
    'pragueTime',
    'osakaTime',
  ],
] as const
const forkAtZero = z.literal(0, 'every fork to Osaka is active from genesis: 0, or leave it out').optional()
/** Bytes of a validator's name. */
export const MONIKER_MAX = 64
const bps = z.int().min(0).max(10_000)

const schema = z.strictObject({
  config: z.strictObject({
    chainId: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
    ...(Object.fromEntries(FORKS_AT_ZERO.map((fork) => [fork, forkAtZero])) as Record<
      (typeof FORKS_AT_ZERO)[number],
      typeof forkAtZero
    >),
    terminalTotalDifficulty: forkAtZero,
    terminalTotalDifficultyPassed: z.literal(true).optional(),
  }),
  nonce: z.literal(['0x0', '0x0000000000000000'], 'there is no proof of work here: "0x0"').optional(),
  difficulty: z.literal('0x0', 'there is no proof of work here: "0x0"').optional(),
  timestamp: seconds,
  extraData: bytes(32).default('0x'),
  gasLimit: quantity.refine((gas) => gas >= 30_000_000n && gas < 2n ** 53n, 'from 30,000,000 to 2^53 - 1'),
  mixHash: hexOf(32).default(`0x${'00'.repeat(32)}`),
  coinbase: hexOf(20).default(`0x${'00'.repeat(20)}`),
  baseFeePerGas: quantity.refine((wei) => wei >= 7n && wei < 2n ** 96n, 'from 7 wei to 2^96 - 1'),
  /** Its entries are checked by hand (`entryOf`): there may be a million of them. */
  alloc: z.custom<Readonly<Record<string, unknown>>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'expected accounts by address',
  ),
  novachain: z.strictObject({
    blockTimeMs: z.int().min(100).max(600_000),
    epochBlocks: z.int().min(2).max(1_000_000),
    fees: z.strictObject({
      baseFeeDenominator: z.int().min(2).max(1_000_000),
      elasticity: z.int().min(1).max(100),
      burnBps: bps,
      recipientBps: bps,
      stakersBps: bps.default(0),
      treasuryBps: bps,
      treasury: hexOf(20),
    }),
    validators: z
      .array(
        z.strictObject({
          address: hexOf(20),
          blsKey: hexOf(48),
          proofOfPossession: hexOf(96).optional(),
          /** Its key was proven on the network that this one carries on, and whoever publishes the file vouches for that. */
          carried: z.literal(true).optional(),
          stake: quantity.refine(
            (wei) => wei >= POWER_WEI && wei < 2n ** 120n,
            'from 1 NOVA, 10^18 wei, to 2^120 - 1 wei',
          ),
          commissionBps: bps.default(0),
          moniker: z
            .string()
            .refine((text) => new TextEncoder().encode(text).length <= MONIKER_MAX, `at most ${MONIKER_MAX} bytes`)
            .default(''),
          peerId: z.string().min(1).max(128).optional(),
        }),
      )
      .max(2_048),
    modules: z.record(z.string(), z.unknown()),
    forks: z.record(z.string(), z.int().min(0).max(FORK_EPOCHS_MAX).nullable()).optional(),
    carried: z
      .strictObject({
        chainId: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
        genesisHash: hexOf(32),
        height: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
        blockHash: hexOf(32),
        stateRoot: hexOf(32),
        supply: quantity,
      })
      .optional(),
    development: z.boolean().default(false),
  }),
})
type Parsed = z.output<typeof schema>

const invalid = (path: string, reason: string) => new NodeError(GenesisErrors.INVALID, { path, reason })

/** Checks the text of a genesis.json. Throws GENESIS_JSON or GENESIS_INVALID with the path of the first fault. */
export function parseGenesis(text: string): Genesis {
  const parsed = checkedJson(text)
  const common = commonOf(parsed)
  const { founders, accounts } = common
  if (founders.length === 0) throw invalid('novachain.validators', 'at least one validator')
  if (accounts.every(({ balance }) => balance === 0n))
    throw invalid('alloc', 'nobody has funds, so nobody could ever pay for a transaction')
  const members = founders.map(({ operator, blsKey, stakeWei }) => {
    return { address: operator, blsKey, power: stakeWei / POWER_WEI }
  })
  const { alloc: _, ...rules } = parsed
  return { ...common, validators: createValidatorSet(members), rulesHash: hashOf(rules) }
}

/** The same checks of a file that may still lack validators and funds. Throws GENESIS_JSON or GENESIS_INVALID. */
export function parseDraft(text: string): Draft {
  const parsed = checkedJson(text)
  const common = commonOf(parsed)
  const { alloc, novachain, ...others } = parsed
  const before = new Map(Object.keys(alloc).map((hex) => [hex.toLowerCase(), entryOf(hex, alloc[hex])]))
  for (const { operator, stakeWei } of common.carried === undefined ? common.founders : []) {
    const held = before.get(bytesToHex(operator))
    before.set(bytesToHex(operator), { ...held, balance: (held?.balance ?? 0n) + stakeWei })
  }
  const draft = { ...others, novachain: { ...novachain, validators: [] }, alloc: Object.fromEntries(before) }
  return { ...common, draftHash: hashOf(draft) }
}

const hashOf = (value: unknown): Hash => keccak(new TextEncoder().encode(canonicalJson(value)))

const checkedJson = (text: string): Parsed => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new NodeError(GenesisErrors.JSON, { reason: cause instanceof Error ? cause.message : '?' }, { cause })
  }
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw invalid(issue?.path.map(String).join('.') || '(root)', issue?.message ?? '?')
}

const commonOf = ({ alloc, ...rules }: Parsed): Omit<Genesis, 'validators' | 'rulesHash'> => {
  checkFees(rules.novachain.fees)
  const carried = carriedOf(rules.novachain.carried)
  if (carried !== undefined && bytesToHex(carried.blockHash) !== rules.mixHash.toLowerCase())
    throw invalid('novachain.carried.blockHash', `mixHash is ${rules.mixHash}, and both are the last block’s hash`)
  const accounts = accountsOf(alloc, rules.novachain.development || carried !== undefined)
  const founders = foundersOf(rules.novachain.validators, carried)
  checkSupply(accounts, founders, carried)
  return {
    chainId: BigInt(rules.config.chainId),
    time: rules.timestamp,
    gasLimit: rules.gasLimit,
    baseFeeWei: rules.baseFeePerGas,
    extraData: hexToBytes(rules.extraData),
    mixHash: asHash(hexToBytes(rules.mixHash)),
    coinbase: addressOf(rules.coinbase),
    accounts,
    blockTimeMs: rules.novachain.blockTimeMs,
    epochBlocks: rules.novachain.epochBlocks,
    fees: { ...rules.novachain.fees, treasury: addressOf(rules.novachain.fees.treasury) },
    founders,
    modules: rules.novachain.modules,
    forks: forksOf(rules.novachain.forks),
    ...(carried !== undefined && { carried }),
    development: rules.novachain.development,
  }
}

const forksOf = (given: Parsed['novachain']['forks']): Genesis['forks'] => {
  const names = FORKS.map(({ name }) => name)
  for (const name of Object.keys(given ?? {}))
    if (!names.includes(name))
      throw invalid(`novachain.forks.${name}`, `this release knows no such fork, only ${names.join(', ')}`)
  return given
}

const addressOf = (hex: string): Address => asAddress(hexToBytes(hex))

const checkFees = (fees: Parsed['novachain']['fees']): void => {
  const sum = fees.burnBps + fees.recipientBps + fees.stakersBps + fees.treasuryBps
  if (sum !== 10_000)
    throw invalid('novachain.fees', `burnBps, recipientBps, stakersBps and treasuryBps sum to ${sum}, expected 10000`)
  if (fees.treasuryBps > 0 && /^0x0*$/.test(fees.treasury))
    throw invalid('novachain.fees.treasury', 'a share goes to the treasury, so it needs an address')
}

/** Wei are counted in 128 bits: what rewards mint has room for more than a decade at the highest rate there is. */
const SUPPLY_MAX = 2n ** 120n
const checkSupply = (
  accounts: readonly GenesisAccount[],
  founders: readonly Founder[],
  carried: Carried | undefined,
): void => {
  let total = 0n
  for (const { balance } of accounts) total += balance
  if (carried !== undefined && total !== carried.supplyWei)
    throw invalid(
      'alloc',
      `balances sum to ${total} wei, and novachain.carried.supply says ${carried.supplyWei}: an account was changed, lost or added`,
    )
  for (const { stakeWei } of carried === undefined ? founders : []) total += stakeWei
  if (total > SUPPLY_MAX)
    throw invalid('alloc', `balances and stakes sum to ${total} wei, and at most 2^120, 1.3 * 10^18 NOVA, are counted`)
}

interface Entry {
  readonly balance: bigint
  readonly nonce?: bigint
  readonly code?: string
  readonly storage?: Readonly<Record<string, string>>
}
const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const WORD = /^0x[0-9a-fA-F]{64}$/
const CODE = /^0x([0-9a-fA-F]{2})*$/
const CODE_MAX = 24_576
const QUANTITY = /^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/

const quantityIn = (path: string, value: unknown): bigint => {
  const isText = typeof value === 'string' && QUANTITY.test(value)
  if (!isText && !(Number.isSafeInteger(value) && (value as number) >= 0))
    throw invalid(path, 'expected a 0x quantity or a decimal string')
  const number = BigInt(value as string | number) // one of both, as just seen
  if (number >= 2n ** 256n) throw invalid(path, 'above 2^256 - 1')
  return number
}
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const entryOf = (hex: string, given: unknown): Entry => {
  const path = `alloc.${hex}`
  if (!ADDRESS.test(hex)) throw invalid(path, 'expected 0x and 40 hex digits')
  if (!isRecord(given)) throw invalid(path, 'expected an account')
  const { balance, nonce, code, storage, ...unknown } = given
  for (const name in unknown) throw invalid(path, `unrecognized key: "${name}"`)
  const entry: { -readonly [K in keyof Entry]: Entry[K] } = { balance: quantityIn(`${path}.balance`, balance) }
  if (nonce !== undefined) {
    entry.nonce = quantityIn(`${path}.nonce`, nonce)
    if (entry.nonce >= 2n ** 64n - 1n) throw invalid(`${path}.nonce`, 'above 2^64 - 2')
  }
  if (code !== undefined) {
    if (typeof code !== 'string' || !CODE.test(code))
      throw invalid(`${path}.code`, 'expected 0x-prefixed hex of whole bytes')
    if (code.length > 2 + 2 * CODE_MAX) throw invalid(`${path}.code`, `at most ${CODE_MAX} bytes`)
    entry.code = code
  }
  if (storage !== undefined) entry.storage = storageIn(`${path}.storage`, storage)
  return entry
}
const storageIn = (path: string, given: unknown): Readonly<Record<string, string>> => {
  if (!isRecord(given)) throw invalid(path, 'expected words by word')
  for (const key in given) {
    const value = given[key]
    if (!WORD.test(key) || typeof value !== 'string' || !WORD.test(value))
      throw invalid(`${path}.${key}`, 'expected 0x and 64 hex digits')
  }
  return given as Readonly<Record<string, string>> // each was just looked at
}

const accountsOf = (alloc: Parsed['alloc'], isAnybodyFunded: boolean): GenesisAccount[] => {
  const spelt = new Set<string>()
  return Object.keys(alloc).map((hex): GenesisAccount => {
    const entry = entryOf(hex, alloc[hex])
    const lower = hex.toLowerCase()
    if (lower !== hex) {
      if (Object.hasOwn(alloc, lower) || spelt.has(lower)) throw invalid(`alloc.${hex}`, 'the address appears twice')
      spelt.add(lower)
    }
    const hasNoCode = entry.code === undefined || entry.code === '0x'
    // Nothing can be created at an account that has a nonce: one that delegated to code (EIP-7702) and took that back has storage too.
    if (entry.storage !== undefined && hasNoCode && (entry.nonce ?? 0n) === 0n)
      throw invalid(
        `alloc.${hex}.storage`,
        'storage without code; a contract could later be created over it (EIP-7610)',
      )
    if (/^0xef(?!0100.{40}$)/i.test(entry.code ?? ''))
      throw invalid(
        `alloc.${hex}.code`,
        'it begins with 0xef, as no contract may (EIP-3541), and is no delegation (EIP-7702)',
      )
    if (!isAnybodyFunded && entry.balance > 0n && (DEVELOPMENT_ACCOUNTS as readonly string[]).includes(lower))
      throw invalid(
        `alloc.${hex}`,
        'anybody holds the key of this development account; remove it, or say "development": true in novachain',
      )
    return {
      address: addressOf(lower),
      balance: entry.balance,
      nonce: entry.nonce ?? 0n,
      code: entry.code === undefined ? NO_BYTES : hexToBytes(entry.code),
      storage:
        entry.storage === undefined
          ? NO_STORAGE
          : Object.entries(entry.storage).map(([key, value]) => [BigInt(key), BigInt(value)] as const),
    }
  })
}
const NO_BYTES = new Uint8Array(0)
const NO_STORAGE: GenesisAccount['storage'] = []

const carriedOf = (given: Parsed['novachain']['carried']): Carried | undefined =>
  given && {
    chainId: BigInt(given.chainId),
    genesisHash: asHash(hexToBytes(given.genesisHash)),
    height: given.height,
    blockHash: asHash(hexToBytes(given.blockHash)),
    stateRoot: asHash(hexToBytes(given.stateRoot)),
    supplyWei: given.supply,
  }

const foundersOf = (entries: Parsed['novachain']['validators'], from: Carried | undefined): Founder[] => {
  const path = (i: number, field: string): string => `novachain.validators.${i}.${field}`
  const addresses = new Map<string, number>()
  const keys = new Map<string, number>()
  const peers = new Map<string, number>()
  return entries.map((entry, i): Founder => {
    const [address, key] = [entry.address.toLowerCase(), entry.blsKey.toLowerCase()]
    if (/^0x0*$/.test(address)) throw invalid(path(i, 'address'), 'nobody holds the key of the zero address')
    const [sameAddress, sameKey] = [addresses.get(address), keys.get(key)]
    if (sameAddress !== undefined) throw invalid(path(i, 'address'), `the same as of validator ${sameAddress}`)
    if (sameKey !== undefined) throw invalid(path(i, 'blsKey'), `the same as of validator ${sameKey}`)
    const samePeer = entry.peerId === undefined ? undefined : peers.get(entry.peerId)
    if (samePeer !== undefined) throw invalid(path(i, 'peerId'), `the same as of validator ${samePeer}`)
    if (entry.peerId !== undefined) peers.set(entry.peerId, i)
    addresses.set(address, i)
    keys.set(key, i)
    const blsKey = hexToBytes(key)
    if (entry.carried === true) {
      if (from === undefined)
        throw invalid(path(i, 'carried'), 'nobody vouches for the key of a new network: it needs a proofOfPossession')
      if (!isKey(blsKey)) throw invalid(path(i, 'blsKey'), 'it is no public key')
    }
    const proof = entry.proofOfPossession
    if (proof === undefined && entry.carried !== true) throw invalid(path(i, 'proofOfPossession'), 'it is missing')
    if (proof !== undefined && !curves().blsVerify([blsKey], possessionBytes(blsKey), hexToBytes(proof)))
      throw invalid(path(i, 'proofOfPossession'), `it does not prove possession of blsKey ${key}`)
    const { commissionBps, moniker, peerId = null } = entry
    return { operator: addressOf(address), blsKey, stakeWei: entry.stake, commissionBps, moniker, peerId }
  })
}

const isKey = (blsKey: Uint8Array): boolean => {
  try {
    return curves().blsAggregateKeys([blsKey]).length === blsKey.length
  } catch {
    return false
  }
}

/** Keys sorted, no spaces, hex in lower case, integers as decimal strings: the same rules give the same bytes however the file is written. */
const canonicalJson = (value: unknown): string => {
  if (typeof value === 'bigint') return JSON.stringify(value.toString())
  if (typeof value === 'string') return JSON.stringify(/^0x[0-9a-fA-F]*$/.test(value) ? value.toLowerCase() : value)
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`
}

/** The well-known address in lower case, or null. For warnings. */
export const isDevelopmentAccount = (address: Address): boolean => DEVELOPMENT_ACCOUNTS.includes(bytesToHex(address))
