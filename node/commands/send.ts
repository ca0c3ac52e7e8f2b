// From flags to a receipt: who signs, what it pays, how long it waits. Owns the flags that every command with a transaction has, and the
// shape in which one is shown. Secrets come from keystores; a transaction that is signed elsewhere is printed instead.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { getAddress, isAddress, Transaction, Wallet } from 'ethers'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { minBigint } from '../../chain/base/math.ts'
import { request } from '../../rpc/client/http.ts'
import { parseAmount } from '../amounts.ts'
import { type CommandContext, UsageErrors } from '../args.ts'
import { developmentAccounts } from '../development.ts'
import { keystoreName, openKeyFile } from '../keystore.ts'
import { explain, MODULE_SLACK_GAS, type ModuleCall } from '../modules.ts'
import { askPassword } from '../password.ts'
import { type Receipt, receiptNow } from './receipt.ts'

const SendErrors = defineErrors('TXCMD', {
  FIELD: {
    text: (d: { flag: string; value: string; expected: string }) => `--${d.flag} ${d.value}: expected ${d.expected}`,
  },
  WAIT: {
    text: (d: { hash: string; seconds: number }) =>
      `transaction ${d.hash} is in no block after ${d.seconds} s and may still get into one; \`novachain status\` says what the chain waits for`,
  },
})

const options = {
  rpc: 'URL of the node’s JSON-RPC',
  from: 'keystore (Web3 Secret Storage) of the sending account',
  'dev-account': 'instead of --from: 0 to 9, a well-known account of development networks',
  sender: 'with --unsigned: the sending address, so that no key is read',
  'password-file': 'file or pipe with the keystore’s password; else NOVACHAIN_PASSWORD, else a prompt',
  gas: 'gas limit; default the node’s estimate',
  'max-fee': 'most to pay for a unit of gas; default twice the base fee, and the tip',
  tip: 'of that for the proposer; default the node’s suggestion',
  nonce: 'default the next one',
  timeout: 'seconds to wait for the receipt; default 60',
} as const
/** Of every command that sends. */
export const sending = {
  options,
  switches: { unsigned: 'print the transaction to be signed elsewhere, and send nothing' },
} as const

export const urlOf = ({ flags, env }: CommandContext): string =>
  flags.rpc ?? env.NOVACHAIN_RPC ?? 'http://127.0.0.1:8545'

/** The flag's text where it fits; null where it is not given. Throws TXCMD_FIELD. */
export const fieldOf = (context: CommandContext, flag: string, pattern: RegExp, expected: string): string | null => {
  const value = context.flags[flag]
  if (value === undefined) return null
  if (!pattern.test(value)) throw new NodeError(SendErrors.FIELD, { flag, value, expected })
  return value
}

/** Mixed case is a checksum, and a wrong one is a typing error that would send money to nobody. Throws TXCMD_FIELD. */
export const checkedAddress = (value: string, flag: string): string => {
  const refuse = (expected: string) => new NodeError(SendErrors.FIELD, { flag, value, expected })
  if (!/^0x[0-9a-fA-F]{40}$/.test(value)) throw refuse('an address, 0x and 40 hex digits')
  if (!isAddress(value))
    throw refuse('another checksum: some of its letters are mistyped (all lower case skips this check)')
  return value
}

/** Whoever signs; a wallet only where something is signed. */
export interface Sender {
  readonly address: string
  readonly wallet: Wallet | null
}

/**
 * The account of --from, --dev-account, or the operator's of --dir. Its key stays closed where nothing is signed: with --unsigned, and where
 * only its address matters. Throws USAGE_ARGUMENT, TXCMD_FIELD and KEYSTORE_*.
 */
export async function senderOf(
  context: CommandContext,
  usage: string,
  need: 'key' | 'address' = 'key',
): Promise<Sender> {
  const { flags } = context
  const isLook = need === 'address' || context.switches.has('unsigned')
  if (isLook && flags.sender !== undefined) return { address: checkedAddress(flags.sender, 'sender'), wallet: null }
  const index = fieldOf(context, 'dev-account', /^[0-9]$/, '0 to 9')
  if (index !== null) {
    const account = developmentAccounts(10)[Number(index)]
    if (account === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'there are ten of them', usage })
    const wallet = new Wallet(account.privateKey)
    return { address: wallet.address, wallet }
  }
  const file = flags.from ?? operatorOf(flags.dir)
  if (file === null)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --from <keystore> or --dev-account <n>', usage })
  const address = isLook ? await keystoreAddress(file) : null
  if (address !== null) return { address, wallet: null }
  const source = { file: flags['password-file'], env: context.env }
  const wallet = new Wallet(bytesToHex(await openKeyFile(file, 'account', () => askPassword(source, file))))
  return { address: wallet.address, wallet }
}

/** Where `keys new --type account` puts it; null where it is not there. */
const operatorOf = (dir: string | undefined): string | null => {
  const file = dir === undefined ? null : join(dir, 'keys', 'operator.json')
  return file !== null && existsSync(file) ? file : null
}
/** What a keystore says of itself; null where it does not. */
const keystoreAddress = async (file: string): Promise<string | null> => {
  const name = await keystoreName(file, 'account')
  return name === null ? null : getAddress(bytesToHex(name))
}

/** A transaction but for who pays and how much. */
interface Order {
  /** null creates a contract. */
  readonly to: string | null
  readonly value: bigint
  readonly data: string
}

const hex = (value: bigint): string => `0x${value.toString(16)}`

/** Asks the node for what the flags leave open. `slackGas` goes on top of the estimate. */
export async function prepare(
  context: CommandContext,
  { address }: Sender,
  { to, value, data }: Order,
  slackGas = 0n,
): Promise<Transaction> {
  const url = urlOf(context)
  const nonce = fieldOf(context, 'nonce', /^\d{1,15}$/, 'a whole number')
  const gas = fieldOf(context, 'gas', /^\d{1,9}$/, 'a whole number')
  const call = { from: address, ...(to === null ? {} : { to }), value: hex(value), input: data }
  const [chainId, count, tip, block] = await Promise.all([
    request(url, 'eth_chainId'),
    nonce ?? request(url, 'eth_getTransactionCount', [address, 'pending']),
    request(url, 'eth_maxPriorityFeePerGas'),
    request(url, 'eth_getBlockByNumber', ['latest', false]),
  ])
  const { baseFeePerGas } = block as { readonly baseFeePerGas: string } // our own method
  const fees = feesOf(context, { baseFeeWei: BigInt(baseFeePerGas), suggestedTipWei: BigInt(String(tip)) })
  const estimate = async (): Promise<bigint> =>
    BigInt(String(await request(url, 'eth_estimateGas', [call]).catch(explain))) + slackGas
  return Transaction.from({
    type: 2,
    chainId: BigInt(String(chainId)),
    nonce: Number(count),
    to,
    value,
    data,
    ...fees,
    gasLimit: gas === null ? await estimate() : BigInt(gas),
  })
}

/** Twice the base fee lasts for six full blocks. A tip that was only suggested gives way to the fee that was asked for. */
const feesOf = (
  { flags }: CommandContext,
  { baseFeeWei, suggestedTipWei }: { readonly baseFeeWei: bigint; readonly suggestedTipWei: bigint },
): { readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint } => {
  const fee = flags['max-fee'] === undefined ? null : parseAmount(flags['max-fee'])
  const tip = flags.tip === undefined ? null : parseAmount(flags.tip)
  if (fee !== null && tip !== null && tip > fee)
    throw new NodeError(SendErrors.FIELD, { flag: 'tip', value: `${tip}`, expected: `at most --max-fee, ${fee} wei` })
  const maxFeePerGas = fee ?? baseFeeWei * 2n + (tip ?? suggestedTipWei)
  return { maxFeePerGas, maxPriorityFeePerGas: tip ?? minBigint(suggestedTipWei, maxFeePerGas) }
}

/** Signs and sends; the hash. null where it was printed to be signed elsewhere. Throws MODULE_*, TXCMD_FIELD and CLIENT_*. */
export async function dispatch(
  context: CommandContext,
  sender: Sender,
  order: Order,
  slackGas = 0n,
): Promise<string | null> {
  const made = await prepare(context, sender, order, slackGas)
  if (context.switches.has('unsigned') || sender.wallet === null) {
    const shown = { from: sender.address, ...fieldsOf(made), unsigned: made.unsignedSerialized }
    context.out(shown, rows(shown))
    return null
  }
  const raw = await sender.wallet.signTransaction(made)
  return String(await request(urlOf(context), 'eth_sendRawTransaction', [raw]))
}

export const fieldsOf = (made: Transaction) => ({
  type: made.type,
  chainId: Number(made.chainId),
  nonce: made.nonce,
  to: made.to,
  value: made.value.toString(),
  data: made.data,
  gasLimit: made.gasLimit.toString(),
  gasPrice: made.gasPrice?.toString() ?? null,
  maxFeePerGas: made.maxFeePerGas?.toString() ?? null,
  maxPriorityFeePerGas: made.maxPriorityFeePerGas?.toString() ?? null,
})
export const rows = (shown: object): string =>
  Object.entries(shown)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key.padEnd(20)} ${String(value)}`)
    .join('\n')

const POLL_MS = 250
/** Throws TXCMD_FAILED and TXCMD_WAIT. */
export async function receiptOf(context: CommandContext, hash: string): Promise<Receipt> {
  const seconds = Number(fieldOf(context, 'timeout', /^\d{1,5}$/, 'seconds') ?? 60)
  const until = Date.now() + seconds * 1_000
  for (;;) {
    const receipt = await receiptNow(urlOf(context), hash)
    if (receipt !== null) return receipt
    if (Date.now() > until || context.signal.aborted) throw new NodeError(SendErrors.WAIT, { hash, seconds })
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
/**
 * A call of a module from its first try, which changes nothing and tells a refusal in words, to its receipt. null where it was printed to be
 * signed elsewhere. Throws MODULE_*, TXCMD_*, CLIENT_*.
 */
export async function perform(
  context: CommandContext,
  sender: Sender,
  { to, input }: ModuleCall,
  value = 0n,
): Promise<Receipt | null> {
  const order: Order = { to: bytesToHex(to), value, data: bytesToHex(input) }
  const call = { from: sender.address, to: order.to, value: hex(value), input: order.data }
  await request(urlOf(context), 'eth_call', [call, 'pending']).catch(explain)
  const hash = await dispatch(context, sender, order, MODULE_SLACK_GAS)
  return hash === null ? null : receiptOf(context, hash)
}
