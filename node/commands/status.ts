// status: height, finality, peers, pool and version of a running node.
import { request } from '../../rpc/client/http.ts'
import { type Command, exitCode } from '../args.ts'

export const status: Command = {
  usage: 'status [--rpc <url>]',
  summary: 'Height, pool, peers and version of a running node.',
  options: { rpc: 'URL of its JSON-RPC' },
  async run({ flags, env, out }) {
    const url = flags.rpc ?? env.NOVACHAIN_RPC ?? 'http://127.0.0.1:8545'
    const ask = async (method: string, params: readonly unknown[] = []): Promise<unknown> =>
      request(url, method, params)
    const [height, chainId, peers, pool, version, genesisHash, block] = await Promise.all([
      ask('eth_blockNumber'),
      ask('eth_chainId'),
      ask('net_peerCount'),
      ask('txpool_status'),
      ask('web3_clientVersion'),
      ask('nova_genesisHash'),
      ask('eth_getBlockByNumber', ['finalized', false]),
    ])
    const { pending, queued } = pool as { pending: string; queued: string } // our own method
    const { timestamp, hash } = block as { timestamp: string; hash: string }
    const found = {
      height: Number(height),
      hash,
      ageSeconds: Math.max(0, Math.floor(Date.now() / 1_000) - Number(timestamp)),
      chainId: Number(chainId),
      genesisHash,
      peers: Number(peers),
      mempool: { pending: Number(pending), queued: Number(queued) },
      version,
    }
    out(
      found,
      [
        `height   ${found.height} (final, ${found.ageSeconds} s ago)  ${hash}`,
        `network  chain ${found.chainId}, genesis ${String(genesisHash)}`,
        `mempool  ${found.mempool.pending} pending, ${found.mempool.queued} queued`,
        `peers    ${found.peers}`,
        `version  ${String(version)}`,
      ].join('\n'),
    )
    return exitCode.ok
  },
}
