// status: height, finality, peers, pool and version of a running node; once, or followed.
import { setTimeout as delay } from 'node:timers/promises'
import { NodeError } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { type Command, type CommandContext, type ExitCode, exitCode } from '../args.ts'

export const status: Command = {
  usage: 'status [--rpc <url>] [--watch]',
  summary: 'Height, pool, peers and version of a running node; exit code 4 while it is behind.',
  options: { rpc: 'URL of its JSON-RPC' },
  switches: { watch: 'follow it until Ctrl-C: redrawn on a terminal, else a line for each new head' },
  async run(context) {
    const url = context.flags.rpc ?? context.env.NOVACHAIN_RPC ?? 'http://127.0.0.1:8545'
    const found = await ask(url)
    if (context.switches.has('watch')) return watch(context, url, found)
    context.out(found, page(found).join('\n'))
    return codeOf(found)
  },
}

type Found = Awaited<ReturnType<typeof ask>>
const codeOf = ({ synced }: Found): ExitCode => (synced ? exitCode.ok : exitCode.notSynced)

const ask = async (url: string) => {
  const call = async (method: string, params: readonly unknown[] = []): Promise<unknown> => request(url, method, params)
  const [chainId, peers, pool, version, genesisHash, block, syncing] = await Promise.all([
    call('eth_chainId'),
    call('net_peerCount'),
    call('txpool_status'),
    call('web3_clientVersion'),
    call('nova_genesisHash'),
    call('eth_getBlockByNumber', ['finalized', false]),
    call('eth_syncing'),
  ])
  const { pending, queued } = pool as { pending: string; queued: string } // our own method
  const { number, timestamp, hash } = block as { number: string; timestamp: string; hash: string } // and this
  return {
    height: Number(number),
    hash,
    ageSeconds: Math.max(0, Math.floor(Date.now() / 1_000) - Number(timestamp)),
    synced: syncing === false,
    chainId: Number(chainId),
    genesisHash: String(genesisHash),
    peers: Number(peers),
    mempool: { pending: Number(pending), queued: Number(queued) },
    version: String(version),
  }
}

const behind = ({ synced }: Found): string => (synced ? '' : ', behind the network')
const page = (found: Found): string[] => [
  `height   ${found.height} (final, ${found.ageSeconds} s ago${behind(found)})  ${found.hash}`,
  `network  chain ${found.chainId}, genesis ${found.genesisHash}`,
  `mempool  ${found.mempool.pending} pending, ${found.mempool.queued} queued`,
  `peers    ${found.peers}`,
  `version  ${found.version}`,
]
const line = (found: Found): string =>
  `height ${found.height} final ${found.hash.slice(0, 10)}${behind(found)}, ${found.mempool.pending} pending, ${found.peers} peers`

const WATCH_MS = 1_000

/** Goes on while the node is away: whoever watches a restart wants to see it come back. */
const watch = async (context: CommandContext, url: string, first: Found): Promise<ExitCode> => {
  const show = process.stdout.isTTY && !context.switches.has('json') ? redraw() : lines(context)
  let last = first
  show(first, page(first))
  while (!context.signal.aborted) {
    await delay(WATCH_MS, undefined, { signal: context.signal }).catch(() => {}) // the loop's condition sees it
    if (context.signal.aborted) break
    try {
      last = await ask(url)
      show(last, page(last))
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      show(null, [error.message])
    }
  }
  return codeOf(last)
}

type Show = (found: Found | null, text: readonly string[]) => void

/** A line longer than the terminal would wrap, and the cursor would go up too little. */
const redraw = (): Show => {
  let above = 0
  return (_, text) => {
    const columns = process.stdout.columns || 80 // 0 on a terminal that does not know its size
    const drawn = text.map((each) => `\x1b[K${each.slice(0, columns - 1)}\n`).join('')
    process.stdout.write(`${above > 0 ? `\x1b[${above}A` : ''}${drawn}\x1b[J`)
    above = text.length
  }
}

const lines = ({ out }: CommandContext): Show => {
  let said = ''
  return (found, text) => {
    const next = found === null ? `away: ${text.join(' ')}` : line(found)
    if (next === said) return
    said = next
    if (found === null) console.error(next)
    else out(found, next)
  }
}
