// tx: sends a signed transaction of a keystore's account, prints it unsigned, decodes raw ones, and traces mined ones. Owns amounts as
// people write them.
import { isAddress, Transaction, Wallet } from 'ethers'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { minBigint } from '../../chain/base/math.ts'
import { request } from '../../rpc/client/http.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { developmentAccounts } from '../development.ts'
import { openKeyFile } from '../keystore.ts'
import { askPassword } from '../password.ts'

const usage = 'tx send|decode|trace [<raw or hash>] [--from <keystore> --to <address> --value 1.5nova]'

export const TxCommandErrors = defineErrors('TXCMD', {
  AMOUNT: {
    text: (d: { text: string; reason: string }) =>
      `${d.text} is no amount: ${d.reason}; write 1.5nova, 30gwei, or whole wei`,
  },
  FIELD: {
    text: (d: { flag: string; value: string; expected: string }) => `--${d.flag} ${d.value}: expected ${d.expected}`,
  },
  RAW: { text: (d: { reason: string }) => `not a signed transaction: ${d.reason}` },
  FAILED: {
    text: (d: { hash: string; height: number }) =>
      `transaction ${d.hash} failed in block ${d.height}; see novachain tx trace ${d.hash}`,
  },
  WAIT: {
    text: (d: { hash: string; seconds: number }) =>
      `transaction ${d.hash} is in no block after ${d.seconds} s and may still get into one; \`novachain status\` says what the chain waits for`,
  },
})

const UNITS: Readonly<Record<string, number>> = { wei: 0, gwei: 9, nova: 18 }

/** Wei. Exact: digits are shifted, nothing is multiplied by a fraction. */
export function parseAmount(text: string): bigint {
  const refuse = (reason: string): never => {
    throw new NodeError(TxCommandErrors.AMOUNT, { text, reason })
  }
  const [, whole, fraction = '', unit = 'wei'] =
    /^(\d{1,60})(?:\.(\d{1,30}))?\s*([a-z]*)$/i.exec(text) ?? refuse('not a number')
  const places = UNITS[unit.toLowerCase() || 'wei'] ?? refuse(`there is no unit ${unit}`)
  if (fraction.length > places) refuse(`${fraction.length} digits after the point, ${unit || 'wei'} has ${places}`)
  const wei = BigInt(whole + fraction.padEnd(places, '0'))
  return wei < 2n ** 256n ? wei : refuse('it has more than 256 bits')
}

export const tx: Command = {
  usage,
  summary: 'Send a transaction, print it unsigned, decode a raw one, or trace a mined one.',
  argsMax: 2,
  options: {
    rpc: 'URL of the node’s JSON-RPC',
    from: 'keystore (Web3 Secret Storage) of the sending account',
    'dev-account': 'instead of --from: 0 to 9, a well-known account of development networks',
    sender: 'with --unsigned: the sending address, so that no key is read',
    'password-file': 'file or pipe with the keystore’s password; else NOVACHAIN_PASSWORD, else a prompt',
    to: 'recipient; without it a contract is created from --data',
    value: 'amount: 1.5nova, 30gwei, or whole wei; default 0',
    data: '0x-prefixed calldata or init code',
    gas: 'gas limit; default the node’s estimate',
    'max-fee': 'most to pay for a unit of gas; default twice the base fee, and the tip',
    tip: 'of that for the proposer; default the node’s suggestion',
    nonce: 'default the next one',
    timeout: 'seconds that --wait waits; default 60',
  },
  switches: {
    unsigned: 'print the transaction to be signed elsewhere, and send nothing',
    wait: 'wait for the receipt; exit 1 where the transaction failed',
  },
  async run(context) {
    const verbs: Readonly<Record<string, () => Promise<ExitCode>>> = {
      send: () => send(context),
      decode: async () => decode(context),
      trace: () => trace(context),
    }
    const verb = verbs[context.args[0] ?? '']
    if (verb === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `expected send, decode or trace`, usage })
    return verb()
  },
}

const urlOf = ({ flags, env }: CommandContext): string => flags.rpc ?? env.NOVACHAIN_RPC ?? 'http://127.0.0.1:8545'

const fieldOf = (context: CommandContext, flag: string, pattern: RegExp, expected: string): string | null => {
  const value = context.flags[flag]
  if (value === undefined) return null
  if (!pattern.test(value)) throw new NodeError(TxCommandErrors.FIELD, { flag, value, expected })
  return value
}

/** Mixed case is a checksum, and a wrong one is a typing error that would send money to nobody. */
const addressOf = (context: CommandContext, flag: string): string | null => {
  const value = fieldOf(context, flag, /^0x[0-9a-fA-F]{40}$/, 'an address, 0x and 40 hex digits')
  if (value === null || isAddress(value)) return value
  const expected = 'another checksum: some of its letters are mistyped (all lower case skips this check)'
  throw new NodeError(TxCommandErrors.FIELD, { flag, value, expected })
}

/** Whoever signs; a wallet only where something is signed. */
const signerOf = async (
  context: CommandContext,
): Promise<{ readonly address: string; readonly wallet: Wallet | null }> => {
  const sender = addressOf(context, 'sender')
  if (context.switches.has('unsigned') && sender !== null) return { address: sender, wallet: null }
  const { from } = context.flags
  const index = fieldOf(context, 'dev-account', /^[0-9]$/, '0 to 9')
  if (index !== null) {
    const account = developmentAccounts(10)[Number(index)]
    if (account === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'there are ten of them', usage })
    const wallet = new Wallet(account.privateKey)
    return { address: wallet.address, wallet }
  }
  if (from === undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --from <keystore> or --dev-account <n>', usage })
  const source = { file: context.flags['password-file'], env: context.env }
  const wallet = new Wallet(bytesToHex(await openKeyFile(from, 'account', () => askPassword(source, from))))
  return { address: wallet.address, wallet }
}

const send = async (context: CommandContext): Promise<ExitCode> => {
  const url = urlOf(context)
  const to = addressOf(context, 'to')
  const data = fieldOf(context, 'data', /^0x([0-9a-fA-F]{2})*$/, '0x and whole bytes of hex') ?? '0x'
  const value = parseAmount(context.flags.value ?? '0')
  if (to === null && data === '0x')
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --to, or --data to create a contract', usage })
  const { address, wallet } = await signerOf(context)
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
  const unsigned = Transaction.from({
    type: 2,
    chainId: BigInt(String(chainId)),
    nonce: Number(count),
    to,
    value,
    data,
    ...fees,
    gasLimit: BigInt(gas ?? String(await request(url, 'eth_estimateGas', [call]))),
  })
  if (context.switches.has('unsigned') || wallet === null) {
    const shown = { from: address, ...fieldsOf(unsigned), unsigned: unsigned.unsignedSerialized }
    context.out(shown, rows(shown))
    return exitCode.ok
  }
  const raw = await wallet.signTransaction(unsigned)
  const hash = String(await request(url, 'eth_sendRawTransaction', [raw]))
  if (!context.switches.has('wait')) {
    context.out({ hash }, hash)
    return exitCode.ok
  }
  return wait(context, hash)
}

/** Twice the base fee lasts for six full blocks. A tip that was only suggested gives way to the fee that was asked for. */
const feesOf = (
  { flags }: CommandContext,
  { baseFeeWei, suggestedTipWei }: { readonly baseFeeWei: bigint; readonly suggestedTipWei: bigint },
): { readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint } => {
  const fee = flags['max-fee'] === undefined ? null : parseAmount(flags['max-fee'])
  const tip = flags.tip === undefined ? null : parseAmount(flags.tip)
  if (fee !== null && tip !== null && tip > fee)
    throw new NodeError(TxCommandErrors.FIELD, {
      flag: 'tip',
      value: `${tip}`,
      expected: `at most --max-fee, ${fee} wei`,
    })
  const maxFeePerGas = fee ?? baseFeeWei * 2n + (tip ?? suggestedTipWei)
  return { maxFeePerGas, maxPriorityFeePerGas: tip ?? minBigint(suggestedTipWei, maxFeePerGas) }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`
const rows = (shown: object): string =>
  Object.entries(shown)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key.padEnd(20)} ${String(value)}`)
    .join('\n')

const fieldsOf = (made: Transaction) => ({
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

const POLL_MS = 250
const wait = async (context: CommandContext, hash: string): Promise<ExitCode> => {
  const seconds = Number(fieldOf(context, 'timeout', /^\d{1,5}$/, 'seconds') ?? 60)
  const until = Date.now() + seconds * 1_000
  for (;;) {
    const receipt = await request(urlOf(context), 'eth_getTransactionReceipt', [hash])
    if (receipt !== null) {
      const { status, blockNumber, gasUsed, contractAddress } = receipt as Readonly<Record<string, string | null>> // our own
      const height = Number(blockNumber)
      if (status !== '0x1') throw new NodeError(TxCommandErrors.FAILED, { hash, height })
      const shown = { hash, height, gasUsed: Number(gasUsed), contractAddress: contractAddress ?? null }
      context.out(shown, rows(shown))
      return exitCode.ok
    }
    if (Date.now() > until || context.signal.aborted) throw new NodeError(TxCommandErrors.WAIT, { hash, seconds })
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

const decode = ({ args, out }: CommandContext): ExitCode => {
  const raw = args[1]
  if (raw === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected the raw transaction', usage })
  try {
    const made = Transaction.from(raw)
    const shown = { hash: made.hash, from: made.from, ...fieldsOf(made) }
    out(shown, rows(shown))
    return exitCode.ok
  } catch (cause) {
    throw new NodeError(
      TxCommandErrors.RAW,
      { reason: cause instanceof Error ? cause.message.slice(0, 120) : String(cause) },
      { cause },
    )
  }
}

const trace = async (context: CommandContext): Promise<ExitCode> => {
  const hash = context.args[1]
  if (hash === undefined || !/^0x[0-9a-fA-F]{64}$/.test(hash))
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected the hash of a mined transaction', usage })
  const result = await request(urlOf(context), 'debug_traceTransaction', [hash, { tracer: 'callTracer' }])
  context.out({ result }, JSON.stringify(result, null, 2))
  return exitCode.ok
}
