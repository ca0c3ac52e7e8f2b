// What posting costs, from its inputs alone: bytes, gas price, price of the L1's coin, gas profile. Pure, in integers; dollars are for people
// and come last, as decimal strings. Where a profile does not know a price, what it says is the least and it says so.
import { minBigint, mulDivUp } from '../../chain/base/math.ts'

export type GasProfileName = 'polygon' | 'polygon-chicago'

interface GasProfile {
  readonly txBaseGas: bigint
  /** Of a token of calldata beside execution, and what all of them cost at least (EIP-7623). A zero byte is one token, another four. */
  readonly tokenGas: bigint
  readonly floorTokenGas: bigint
  /** What it makes dearer by a factor that is not known here. */
  readonly unknown: readonly string[]
}
const PROFILES: Readonly<Record<GasProfileName, GasProfile>> = {
  polygon: { txBaseGas: 21_000n, tokenGas: 4n, floorTokenGas: 10n, unknown: [] },
  // PIP-88 is a draft: its factors may change before its fork, so none is written here.
  'polygon-chicago': {
    ...{ txBaseGas: 21_000n, tokenGas: 4n, floorTokenGas: 10n },
    unknown: ['BLS12-381 precompiles (PIP-88)', 'BN254 precompiles (PIP-88)', 'cold storage (PIP-88)'],
  },
}
export const gasProfiles = Object.keys(PROFILES) as [GasProfileName, ...GasProfileName[]] // the record's own keys
/** Compressed bytes are zero once in 256; that much is not worth counting. */
const TOKENS_OF_BYTE = 4n

export interface PostedSizes {
  /** Transactions of the L1 that it took: one, and one more for each part that is supplied. */
  readonly calls: number
  /** Of the batch, what its blocks take that hold nothing, and what transactions add. */
  readonly blockBytes: number
  readonly txBytes: number
  /** Of the call beside the batch: checkpoint, certificate, words of the ABI. */
  readonly overheadBytes: number
  readonly blocks: number
  readonly emptyBlocks: number
  readonly transactions: number
  /** Of the contract, its check of the certificate included. */
  readonly executionGas: bigint
}
export interface Prices {
  readonly gasPriceWei: bigint
  /** Dollars for a coin, as a decimal. */
  readonly coinDollars: string
  readonly profile: GasProfileName
}

export interface Cost {
  readonly gas: bigint
  readonly wei: bigint
  readonly dollars: string
}
export interface CostReport {
  readonly batch: Cost
  /** All of the batch, shared among its transactions, rounded up; null where it has none. */
  readonly perTransaction: Cost | null
  /** The bytes that a transaction added, and no more. */
  readonly ownOfTransaction: Cost | null
  /** What a block takes before it holds anything. */
  readonly perBlock: Cost
  /** Of the batch, what its empty blocks took. */
  readonly emptyBlocks: Cost
  /** Checkpoint, certificate, and what every transaction of the L1 costs. */
  readonly overhead: Cost
  /** Execution may cost so much more before the batch does: the floor of its bytes pays for it. */
  readonly freeExecutionGas: bigint
  /** Prices that the profile does not know: with any of them the report says the least. */
  readonly unknown: readonly string[]
}

export function costOf(sizes: PostedSizes, prices: Prices): CostReport {
  const profile = PROFILES[prices.profile]
  const { calls, blockBytes, txBytes, overheadBytes, blocks, emptyBlocks, transactions, executionGas } = sizes
  const tokensOf = (bytes: number): bigint => BigInt(bytes) * TOKENS_OF_BYTE
  const tokens = tokensOf(blockBytes + txBytes + overheadBytes)
  const floor = tokens * profile.floorTokenGas
  const plain = tokens * profile.tokenGas + executionGas
  const isFloor = floor >= plain
  const gas = profile.txBaseGas * BigInt(calls) + (isFloor ? floor : plain)
  /** Where execution is paid for it is overhead, and bytes cost the less. */
  const byteGas = isFloor ? profile.floorTokenGas : profile.tokenGas
  const [blockGas, txGas] = [tokensOf(blockBytes) * byteGas, tokensOf(txBytes) * byteGas]
  const cost = (each: bigint): Cost => priced(each, prices)
  const share = (of: bigint, among: number): bigint => (among === 0 ? 0n : mulDivUp(of, 1n, BigInt(among)))
  return {
    batch: cost(gas),
    perTransaction: transactions === 0 ? null : cost(share(gas, transactions)),
    ownOfTransaction: transactions === 0 ? null : cost(share(txGas, transactions)),
    perBlock: cost(share(blockGas, blocks)),
    emptyBlocks: cost(minBigint(blockGas, share(blockGas, blocks) * BigInt(emptyBlocks))),
    overhead: cost(gas - blockGas - txGas),
    freeExecutionGas: isFloor ? floor - plain : 0n,
    unknown: profile.unknown,
  }
}

/** What calls of the L1 used beyond their bytes, by their receipts, all together; 0 where the floor hides it. */
export function executionGasOf(
  { gasUsed, callBytes, calls }: { readonly gasUsed: bigint; readonly callBytes: number; readonly calls: number },
  name: GasProfileName,
): bigint {
  const { txBaseGas, tokenGas, floorTokenGas } = PROFILES[name]
  const tokens = BigInt(callBytes) * TOKENS_OF_BYTE
  const baseGas = txBaseGas * BigInt(calls)
  const isFloor = gasUsed <= baseGas + tokens * floorTokenGas
  return isFloor ? 0n : gasUsed - baseGas - tokens * tokenGas
}

const priced = (gas: bigint, { gasPriceWei, coinDollars }: Prices): Cost => {
  const wei = gas * gasPriceWei
  return { gas, wei, dollars: dollarsOf(wei, coinDollars) }
}

const WEI_DIGITS = 18
/** Smallest part of a dollar that is shown: 10^-9. */
const DOLLAR_DIGITS = 9
/** A price that people give: up to nine digits before the point and after it. */
export const COIN_PRICE = /^\d{1,9}(\.\d{1,9})?$/

/** Rounded up, without zeros at its end. `coinDollars` has the form of COIN_PRICE. */
export function dollarsOf(wei: bigint, coinDollars: string): string {
  const [whole = '0', fraction = ''] = coinDollars.split('.')
  const price = BigInt(whole + fraction)
  const nano = mulDivUp(wei * price, 10n ** BigInt(DOLLAR_DIGITS), 10n ** BigInt(WEI_DIGITS + fraction.length))
  const digits = nano.toString().padStart(DOLLAR_DIGITS + 1, '0')
  const cents = digits.slice(-DOLLAR_DIGITS).replace(/0+$/, '')
  return `${digits.slice(0, -DOLLAR_DIGITS)}${cents === '' ? '' : `.${cents}`}`
}
