// query: what the chain says about a block, transaction, receipt, account, logs or proof, as JSON-RPC answers it.
import { NodeError } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { type Command, exitCode, UsageErrors } from '../args.ts'

const usage = 'query block|tx|receipt|account|logs|proof <what> [--rpc <url>]'
const tag = (text: string): string => (/^\d+$/.test(text) ? `0x${BigInt(text).toString(16)}` : text)

export const query: Command = {
  usage,
  summary: 'Ask a running node for a block, transaction, receipt, account, logs or proof.',
  argsMax: Number.POSITIVE_INFINITY,
  options: {
    rpc: 'URL of its JSON-RPC',
    block: 'height or tag the account, proof or call is asked at; default latest',
    from: 'first block of logs',
    to: 'last block of logs',
  },
  async run({ args, flags, env, out }) {
    const [kind, what] = args
    const url = flags.rpc ?? env.NOVACHAIN_RPC ?? 'http://127.0.0.1:8545'
    const at = tag(flags.block ?? 'latest')
    const ask = (method: string, params: readonly unknown[]): Promise<unknown> => request(url, method, params)
    if (what === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected what to ask for', usage })
    const isHash = /^0x[0-9a-fA-F]{64}$/.test(what)
    const answers: Readonly<Record<string, () => Promise<unknown>>> = {
      block: () => (isHash ? ask('eth_getBlockByHash', [what, true]) : ask('eth_getBlockByNumber', [tag(what), true])),
      tx: () => ask('eth_getTransactionByHash', [what]),
      receipt: () => ask('eth_getTransactionReceipt', [what]),
      account: async () => ({
        address: what,
        balance: await ask('eth_getBalance', [what, at]),
        nonce: await ask('eth_getTransactionCount', [what, at]),
        code: await ask('eth_getCode', [what, at]),
      }),
      logs: () =>
        ask('eth_getLogs', [
          { address: what, fromBlock: tag(flags.from ?? 'latest'), toBlock: tag(flags.to ?? 'latest') },
        ]),
      proof: () => ask('eth_getProof', [what, args.slice(2), at]),
    }
    const answer = answers[kind ?? '']
    if (answer === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is nothing called ${kind ?? ''}`, usage })
    const found = await answer()
    out({ result: found }, JSON.stringify(found, null, 2))
    return found === null ? exitCode.failed : exitCode.ok
  },
}
