// The table of methods as documents: METHODS.md for people, openrpc.json for programs. `node rpc/docs.ts` writes them, with
// --check it compares and fails where they are old.
import { readFileSync, writeFileSync } from 'node:fs'
import { type Method, openRpcOf } from './method.ts'
import { methods } from './table.ts'

const AREAS: Readonly<Record<string, string>> = {
  eth: 'Ethereum’s own',
  net: 'The network',
  web3: 'The client',
  txpool: 'The pool (geth)',
  debug: 'Raw data and traces (geth); from this machine only',
  admin: 'This node itself; from this machine only',
  nova: 'What Ethereum does not have: validators, certificates and DIDs',
  evm: 'Development networks of one validator',
  rpc: 'This interface',
}

const line = ({ name, summary, params }: Method): string => {
  const list = params.map(([param, codec]) => `\`${param}\`: ${codec.expected}`).join('; ')
  return `| \`${name}\` | ${list === '' ? '' : list.replaceAll('|', '\\|')} | ${summary.replaceAll('|', '\\|')} |`
}

/** METHODS.md. */
export function renderMethods(): string {
  const parts = [
    '# JSON-RPC methods',
    '',
    'HTTP and WebSocket on one port. Written by `npm run gen` from `rpc/table.ts`.',
  ]
  for (const [area, says] of Object.entries(AREAS)) {
    const rows = [...methods.values()].filter(({ name }) => name.startsWith(`${area}_`))
    parts.push('', `## ${area}_`, '', says, '', '| method | parameters | |', '| --- | --- | --- |', ...rows.map(line))
  }
  parts.push(
    '',
    'Over WebSocket also `eth_subscribe` (newHeads, logs, newPendingTransactions, transactionReceipts) and `eth_unsubscribe`.',
  )
  return `${parts.join('\n')}\n`
}

/** openrpc.json: what `rpc_discover` answers. */
export const renderOpenRpc = (): string => `${JSON.stringify(openRpcOf([...methods.values()]), null, 2)}\n`

if (import.meta.main) {
  const files = { 'METHODS.md': renderMethods(), 'openrpc.json': renderOpenRpc() }
  for (const [name, text] of Object.entries(files)) {
    const file = new URL(name, import.meta.url)
    if (!process.argv.includes('--check')) writeFileSync(file, text)
    else if (readFileSync(file, 'utf8') !== text) {
      console.error(`rpc/${name} is old: run npm run gen`)
      process.exitCode = 1
    }
  }
}
