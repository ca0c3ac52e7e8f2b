// The bridge as a running node has it: a watcher for each chain that its operator gave endpoints for. Owns what the configuration says of them.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Log, Meter, Timers } from '../../chain/base/ports.ts'
import type { Chain } from '../../chain/chain.ts'
import { bridgeReadsOf } from '../../chain/native/index.ts'
import { createEndpoint } from './endpoint.ts'
import type { PlaceFile } from './place.ts'
import type { Votes } from './votes.ts'
import { Watcher, watchMeters } from './watcher.ts'

export const BridgeErrors = defineErrors('BRIDGE', {
  ENDPOINT: { text: (d: { key: string; reason: string }) => `${d.key}: expected <chain id>=<what>, ${d.reason}` },
})

export interface BridgeOptions {
  readonly chains: readonly { readonly chain: bigint; readonly urls: readonly string[]; readonly from: number }[]
  readonly pollMs: number
}
export interface BridgeDeps {
  readonly chain: Pick<Chain, 'genesis' | 'head' | 'at'>
  readonly votes: Pick<Votes, 'see'>
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

const split = (key: string, entries: readonly string[]): (readonly [chain: bigint, what: string])[] =>
  entries.map((entry) => {
    const [, chain, what] = /^(\d{1,20})=(.+)$/.exec(entry) ?? []
    if (chain === undefined || what === undefined || BigInt(chain) >= 2n ** 64n)
      throw new NodeError(BridgeErrors.ENDPOINT, { key, reason: 'such as 137=https://…' }) // an entry may hold a secret
    return [BigInt(chain), what]
  })

/** Of the keys `bridge.endpoints` and `bridge.from`; null where no chain is watched. Throws BRIDGE_ENDPOINT. */
export function bridgeOptionsOf(
  endpoints: readonly string[],
  from: readonly string[],
  pollMs: number,
): BridgeOptions | null {
  const urls = new Map<bigint, string[]>()
  for (const [chain, url] of split('bridge.endpoints', endpoints)) {
    if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''))
      throw new NodeError(BridgeErrors.ENDPOINT, {
        key: 'bridge.endpoints',
        reason: `and chain ${chain} has no http URL`,
      })
    urls.set(chain, [...(urls.get(chain) ?? []), url])
  }
  const starts = new Map<bigint, number>()
  for (const [chain, height] of split('bridge.from', from)) {
    if (!/^\d{1,15}$/.test(height) || !urls.has(chain))
      throw new NodeError(BridgeErrors.ENDPOINT, {
        key: 'bridge.from',
        reason: `a height of a chain that has endpoints`,
      })
    starts.set(chain, Number(height))
  }
  if (urls.size === 0) return null
  return { chains: [...urls].map(([chain, of]) => ({ chain, urls: of, from: starts.get(chain) ?? 0 })), pollMs }
}

/** Losing it costs a look back, so the disk is not waited for. */
export const placeFile = (path: string): PlaceFile => ({
  read: () =>
    readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    }),
  async replace(text) {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  },
})

/** Endpoints that do not answer are no reason not to start. Returns what ends it. */
export async function startBridge(
  { chain, votes, timers, log, meter }: BridgeDeps,
  dir: string,
  { chains, pollMs }: BridgeOptions,
): Promise<() => Promise<void>> {
  const meters = watchMeters(meter)
  const watchers: Watcher[] = []
  for (const { chain: there, urls, from } of chains) {
    const route = () => {
      const reads = bridgeReadsOf(chain.at(chain.head().header.number))
      const vault = reads.vaultOf(there)
      return vault === null ? null : { vault, isSettled: reads.isSettled.bind(reads) }
    }
    const endpoints = urls.map((url) => createEndpoint({ url, chainId: there }, chain.genesis.chainId))
    const place = placeFile(join(dir, `bridge-${there}.json`))
    const see = votes.see.bind(votes)
    const watcher = await Watcher.open(
      { endpoints, route, see, place, timers, log, meters },
      { chain: there, from, pollMs },
    )
    watcher.start()
    watchers.push(watcher)
    const names = endpoints.map(({ name }) => name)
    log.info({ chain: String(there), endpoints: names }, 'this node watches the vault of another chain')
    if (urls.length < 2)
      log.warn({ chain: String(there) }, 'one endpoint alone: whoever runs it decides what this validator attests')
  }
  return async () => {
    await Promise.all(watchers.map((watcher) => watcher.close()))
  }
}
