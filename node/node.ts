// The composition root: who uses whom. Reads as the table of contents of a running node.
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Address, bytesToHex } from '../chain/base/bytes.ts'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { defineErrors } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type Chain, openChain } from '../chain/chain.ts'
import { openKv, openLogFile } from '../chain/store/kv.ts'
import { openWal } from '../chain/store/wal.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { createFilters } from '../rpc/filters.ts'
import { LIMITS } from '../rpc/method.ts'
import { startRpc } from '../rpc/server.ts'
import { createEngine, type EngineControl } from './engine.ts'
import { openJournal } from './journal.ts'
import { aborted } from './service.ts'
import { openSigner } from './signer.ts'
import { createTelemetry, serveTelemetry } from './telemetry.ts'
import { version } from './version.ts'
import { createCallPool } from './workers/pool.ts'

export const NodeErrors = defineErrors('NODE', {
  NETWORK: {
    text: (d: { have: string; want: string }) =>
      `this folder belongs to the network ${d.have}, not ${d.want}: use another --dir, or --reset to begin anew`,
  },
})

export interface NodeOptions {
  readonly dir: string
  readonly genesisText: string
  /** The BLS secret of a validator; null follows the chain without signing. */
  readonly validator: { readonly secret: Uint8Array; readonly coinbase: Address } | null
  readonly rpc: {
    readonly host: string
    readonly port: number
    readonly hosts: readonly string[]
    readonly origins: readonly string[]
  }
  readonly metrics: { readonly host: string; readonly port: number }
  readonly sealing: 'interval' | 'instant'
  readonly emptyBlocksMs: number | null
  readonly historyBlocks: number | null
  readonly proofBlocks: number | null
  readonly log: Log
}

export interface RunningNode {
  readonly chain: Chain
  readonly rpcUrl: string
  readonly wsUrl: string
  readonly metricsUrl: string
  /** Settles when everything has stopped; rejects when something failed. */
  readonly done: Promise<void>
}

const CACHE_BYTES = 256 * 1024 * 1024
const CALL_TIMEOUT_MS = 5_000
const CALLS_WAITING_MAX = 10_000
const clock = { nowMs: (): number => Date.now() }

export async function startNode(options: NodeOptions, signal: AbortSignal): Promise<RunningNode> {
  installCurves(nativeCurves)
  const { log, dir } = options
  const genesis = parseGenesis(options.genesisText)
  const { meter, registry } = createTelemetry()
  const dbDir = join(dir, 'db')
  const kv = await openKv(dbDir, { pause: nextTurn })
  const chain = await openChain(
    { kv, engine: createChainEngine(genesis), clock, pause: nextTurn, log, meter },
    genesis,
    { historyBlocks: options.historyBlocks, proofBlocks: options.proofBlocks, cacheBytes: CACHE_BYTES, pool: {} },
  ).catch(async (error: unknown) => {
    await kv.close()
    throw error
  })
  const { genesisHash } = chain
  const closers: (() => Promise<void>)[] = [() => chain.close()]
  const close = async (): Promise<void> => {
    for (const closer of closers.reverse()) await closer()
  }
  try {
    const calls = createCallPool(
      { dbDir, genesisText: options.genesisText, genesisHash, gasCap: LIMITS.callGas },
      { timeoutMs: CALL_TIMEOUT_MS, waitingMax: CALLS_WAITING_MAX },
      log,
    )
    closers.push(() => calls.close())
    const journal = await openJournal(await openLogFile(join(dir, 'pool.journal')), chain, log)
    closers.push(() => journal.close())
    const consensus = await startConsensus(options, chain, { log, meter }, closers)
    const filters = createFilters(chain, clock, LIMITS)
    const ctx = {
      chain,
      calls,
      net: { peers: () => 0 },
      dev: genesis.development ? (consensus?.control ?? null) : null,
      version: `NovaChain/v${version}/node-${process.version}`,
      clock,
      limits: LIMITS,
      filters,
    }
    const rpc = await startRpc(ctx, options.rpc, log)
    closers.push(() => rpc.close())
    const metrics = await serveTelemetry(registry, options.metrics, () => notReady(chain, options))
    closers.push(() => metrics.close())
    const url = `${options.rpc.host}:${rpc.port}`
    log.info(
      { genesis: bytesToHex(genesisHash), height: chain.head().header.number, rpc: url, restored: journal.restored },
      'node started',
    )
    return {
      chain,
      rpcUrl: `http://${url}`,
      wsUrl: `ws://${url}`,
      metricsUrl: `http://${options.metrics.host}:${metrics.port}/metrics`,
      done: Promise.race([aborted(signal), consensus?.done ?? new Promise<never>(() => {})])
        .finally(consensus?.stop)
        .finally(close)
        .then(() => log.info({ height: chain.head().header.number }, 'node stopped')),
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** A validator's engine with its signer and log; null for a node that only serves. */
const startConsensus = async (
  options: NodeOptions,
  chain: Chain,
  ports: { readonly log: Log; readonly meter: ReturnType<typeof createTelemetry>['meter'] },
  closers: (() => Promise<void>)[],
): Promise<{ readonly control: EngineControl; readonly done: Promise<void>; stop(): Promise<void> } | null> => {
  if (options.validator === null) return null
  const domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
  const signer = await openSigner(join(options.dir, 'signer.json'), options.validator.secret, domain)
  const wal = await openWal(await openLogFile(join(options.dir, 'wal', 'consensus.wal')))
  closers.push(() => wal.close())
  const engine = createEngine(
    { chain, signer, wal, network: () => null, clock, ...ports },
    { coinbase: options.validator.coinbase, sealing: options.sealing, emptyBlocksMs: options.emptyBlocksMs },
  )
  const stop = new AbortController()
  const { done } = await engine.start(stop.signal)
  return {
    control: engine.control,
    done,
    async stop() {
      stop.abort()
      await done.catch(() => {}) // a failure is on its way through `done` already
    },
  }
}

/** A validator is ready while blocks come. */
const notReady = (chain: Chain, options: NodeOptions): string | null => {
  if (options.validator === null || options.emptyBlocksMs !== null || options.sealing === 'instant') return null
  const behindMs = clock.nowMs() - headerTimeMs(chain.head().header)
  const lateMs = chain.genesis.blockTimeMs * 5 + 10_000
  return chain.head().header.number > 0 && behindMs > lateMs ? `no block for ${Math.round(behindMs / 1_000)} s` : null
}
