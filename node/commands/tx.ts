// tx: sends a signed transaction of a keystore's account, prints it unsigned, decodes raw ones, and traces mined ones.
import { Transaction } from 'ethers'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { parseAmount } from '../amounts.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { checkedAddress, dispatch, fieldOf, fieldsOf, receiptOf, rows, senderOf, sending, urlOf } from './send.ts'

const usage = 'tx send|decode|trace [<raw or hash>] [--from <keystore> --to <address> --value 1.5nova]'

const TxCommandErrors = defineErrors('TXCMD', {
  RAW: { text: (d: { reason: string }) => `not a signed transaction: ${d.reason}` },
})

export const tx: Command = {
  usage,
  summary: 'Send a transaction, print it unsigned, decode a raw one, or trace a mined one.',
  argsMax: 2,
  options: {
    ...sending.options,
    to: 'recipient; without it a contract is created from --data',
    value: 'amount: 1.5nova, 30gwei, or whole wei; default 0',
    data: '0x-prefixed calldata or init code',
  },
  switches: { ...sending.switches, wait: 'wait for the receipt; exit 1 where the transaction failed' },
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

const send = async (context: CommandContext): Promise<ExitCode> => {
  const to = context.flags.to === undefined ? null : checkedAddress(context.flags.to, 'to')
  const data = fieldOf(context, 'data', /^0x([0-9a-fA-F]{2})*$/, '0x and whole bytes of hex') ?? '0x'
  const value = parseAmount(context.flags.value ?? '0')
  if (to === null && data === '0x')
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --to, or --data to create a contract', usage })
  const sender = await senderOf(context, usage)
  const hash = await dispatch(context, sender, { to, value, data })
  if (hash === null) return exitCode.ok
  if (!context.switches.has('wait')) {
    context.out({ hash }, hash)
    return exitCode.ok
  }
  const { events: _, ...shown } = await receiptOf(context, hash)
  context.out(shown, rows(shown))
  return exitCode.ok
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
