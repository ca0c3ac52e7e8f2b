// What is allowed in a genesis and unwise: a table of looks at it, each of which warns in sentences. Refuses nothing.
import { type Address, bytesToHex, equalBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { paramsOf } from '../chain/native/params/module.ts'
import { type Genesis, isDevelopmentAccount } from '../chain/types/genesis.ts'
import { isPeerId } from '../p2p/identity.ts'
import { developmentSecret } from './development.ts'
import { isMoniker } from './gentx.ts'

export interface Warning {
  /** Stable, for scripts. */
  readonly code: string
  readonly text: string
}

type Look = (genesis: Genesis, nowMs: number) => readonly string[]

const DAY_MS = 86_400_000
/** Half of the time after which `start` wants a checkpoint. */
const FAR_DAYS = 7
/** As many as `devnet` starts. */
const DEVELOPMENT_KEYS = 100
/** Of the bundled development network. */
const DEVELOPMENT_CHAIN_ID = 662_607n

/** Half a second of work. */
let developmentKeys: readonly Uint8Array[] | null = null

const nameOf = (address: Address): string => bytesToHex(address)
const far = (genesis: Genesis, nowMs: number): number => (genesis.time * 1_000 - nowMs) / DAY_MS
const dateOf = (genesis: Genesis): string => new Date(genesis.time * 1_000).toISOString()

const canPay = ({ accounts }: Genesis, address: Address): boolean =>
  accounts.some((each) => equalBytes(each.address, address) && (each.balance > 0n || each.code.length > 0))
const isNobody = (address: Address): boolean => address.every((byte) => byte === 0)

/** Sentences about each value that occurs more than once or not as it should. */
const twice = (values: readonly string[]): string[] => [
  ...new Set(values.filter((value, i) => value !== '' && values.indexOf(value) !== i)),
]

const LOOKS: Readonly<Record<string, Look>> = {
  'few-validators': ({ founders }) =>
    founders.length >= 4
      ? []
      : [
          `${founders.length} ${founders.length === 1 ? 'validator' : 'validators'}: with fewer than four, one that is away stops the chain`,
        ],
  'third-of-power': ({ validators }) =>
    validators.members
      .filter(({ power }) => 3n * power >= validators.powerTotal)
      .map(
        ({ address }) => `validator ${nameOf(address)} holds a third of the power or more: alone it can stop the chain`,
      ),
  'time-past': (genesis, nowMs) =>
    far(genesis, nowMs) >= -FAR_DAYS
      ? []
      : [
          `the genesis time, ${dateOf(genesis)}, is long past: after 14 days nodes refuse to start without a checkpoint`,
        ],
  'time-future': (genesis, nowMs) =>
    far(genesis, nowMs) <= FAR_DAYS
      ? []
      : [
          `the genesis time, ${dateOf(genesis)}, is ${Math.floor(far(genesis, nowMs))} days away: no block comes before it`,
        ],
  'peer-missing': ({ founders }) =>
    founders.flatMap(({ operator, peerId }) =>
      peerId === null ? [`validator ${nameOf(operator)} names no peer id`] : [],
    ),
  'peer-invalid': ({ founders }) =>
    founders.flatMap(({ operator, peerId }) =>
      peerId === null || isPeerId(peerId)
        ? []
        : [
            `validator ${nameOf(operator)} names ${JSON.stringify(peerId)}, which is no peer id: novachain keys show p2p prints its own`,
          ],
    ),
  carried: ({ carried }) =>
    carried === undefined
      ? []
      : [
          `it carries on block ${carried.height} of chain ${carried.chainId}, and vouches for its validators' keys: make the file yourself from a node of that network (export genesis) and compare the hash`,
        ],
  moniker: ({ founders }) => [
    ...twice(founders.map(({ moniker }) => moniker)).map(
      (name) => `two validators call themselves ${JSON.stringify(name)}`,
    ),
    ...founders
      .filter(({ moniker }) => !isMoniker(moniker))
      .map(({ operator }) => `the moniker of validator ${nameOf(operator)} has letters that cannot be seen`),
  ],
  'development-key': ({ development, founders }) => {
    if (development) return []
    developmentKeys ??= Array.from({ length: DEVELOPMENT_KEYS }, (_, i) => curves().blsPublicKey(developmentSecret(i)))
    const known = developmentKeys
    return founders
      .filter(({ blsKey }) => known.some((key) => equalBytes(key, blsKey)))
      .map(({ operator }) => `validator ${nameOf(operator)} signs with a development key, which everybody has`)
  },
  'development-account': (genesis) => {
    const { governance, guardian } = paramsOf(genesis)
    const named = [
      ...genesis.founders.map(({ operator }) => ['an operator', operator] as const),
      ...([
        ['governance', governance],
        ['the guardian', guardian],
        ['the treasury', genesis.fees.treasury],
      ] as const),
    ]
    return named
      .filter(([, address]) => !genesis.development && isDevelopmentAccount(address))
      .map(([role, address]) => `${role}, ${nameOf(address)}, is a development account, whose key everybody has`)
  },
  'development-chain-id': ({ development, chainId }) =>
    development || chainId !== DEVELOPMENT_CHAIN_ID
      ? []
      : [`chain id ${chainId} is that of every devnet: transactions signed there count here`],
  governance: (genesis) => {
    const { governance } = paramsOf(genesis)
    return canPay(genesis, governance)
      ? []
      : [`governance, ${nameOf(governance)}, has no funds, so it cannot pay for a change of a number`]
  },
  guardian: (genesis) => {
    const { guardian } = paramsOf(genesis)
    if (isNobody(guardian)) return ['there is no guardian: nobody can pause a module in an emergency but governance']
    return canPay(genesis, guardian)
      ? []
      : [`the guardian, ${nameOf(guardian)}, has no funds, so it cannot pay for a pause`]
  },
  'operator-funds': (genesis) =>
    genesis.founders
      .filter(({ operator }) => !canPay(genesis, operator))
      .map(
        ({ operator }) =>
          `operator ${nameOf(operator)} has nothing beside its bond, so it cannot pay for a transaction`,
      ),
  'min-self-bond': (genesis) => {
    const least = paramsOf(genesis).numbers.get('staking.minSelfBond') ?? 0n
    return genesis.founders
      .filter(({ stakeWei }) => stakeWei < least)
      .map(
        ({ operator, stakeWei }) =>
          `validator ${nameOf(operator)} bonds ${stakeWei} wei, staking.minSelfBond is ${least}: it is not elected again`,
      )
  },
  'max-commission': (genesis) => {
    const most = paramsOf(genesis).numbers.get('staking.maxCommission') ?? 10_000n
    return genesis.founders
      .filter(({ commissionBps }) => BigInt(commissionBps) > most)
      .map(
        ({ operator, commissionBps }) =>
          `validator ${nameOf(operator)} takes ${commissionBps} basis points, staking.maxCommission is ${most}`,
      )
  },
  'unbonding-time': (genesis) => {
    const unbondingS = Number(paramsOf(genesis).numbers.get('staking.unbondingTime') ?? 0n)
    const epochS = (genesis.epochBlocks * genesis.blockTimeMs) / 1_000
    return unbondingS >= 2 * epochS
      ? []
      : [
          `staking.unbondingTime is ${unbondingS} s and an epoch takes ${epochS} s: evidence counts so long from an epoch's beginning, so what is signed late in one goes unpunished`,
        ]
  },
  'max-validators': (genesis) => {
    const most = paramsOf(genesis).numbers.get('staking.maxValidators') ?? 0n
    const count = BigInt(genesis.founders.length)
    return count <= most
      ? []
      : [`${count} validators, staking.maxValidators is ${most}: the last ones are not elected again`]
  },
}

/** They look into a section that a genesis which carries on a state has not: governance and numbers are in that state. */
const OF_PARAMS: ReadonlySet<string> = new Set([
  ...['development-account', 'governance', 'guardian', 'min-self-bond', 'max-commission', 'unbonding-time'],
  'max-validators',
])

/** In the order of the table. Throws GENESIS_INVALID where the section of params is none. */
export const lintGenesis = (genesis: Genesis, nowMs: number): Warning[] =>
  Object.entries(LOOKS)
    .filter(([code]) => genesis.carried === undefined || !OF_PARAMS.has(code))
    .flatMap(([code, look]) => look(genesis, nowMs).map((text) => ({ code, text })))
