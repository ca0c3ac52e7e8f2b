// The composition root: who uses whom. Reads as the table of contents of a running node.
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Address, bytesToHex, type Hash } from '../chain/base/bytes.ts'
import type { Kv, Log, Meter } from '../chain/base/ports.ts'
import { createChainEngine, type EngineName } from '../chain/calls.ts'
import { type Chain, type ChainDeps, openChain } from '../chain/chain.ts'
import { createSnapshotSource } from '../chain/snapshot.ts'
import { type DiskKv, openKv, openLogFile } from '../chain/store/kv.ts'
import { openWal } from '../chain/store/wal.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import { FORKS, type Fork } from '../chain/types/forks.ts'
import type { Genesis } from '../chain/types/genesis.ts'
import type { Checkpoint } from '../chain/types/run.ts'
import { createHost, type HostDeps, type HostOptions } from '../p2p/host.ts'
import type { Network, PeerId } from '../p2p/network.ts'
import type { SigningKey } from '../rpc/client/credentials/keys.ts'
import { createDispatch } from '../rpc/dispatch.ts'
import { createFilters } from '../rpc/filters.ts'
import { type Content, type Ctx, LIMITS } from '../rpc/method.ts'
import { type Route, startRpc } from '../rpc/server.ts'
import { methods } from '../rpc/table.ts'
import { beginWithState, hasDatabase, refusePart } from './begin.ts'
import { type BridgeOptions, startBridge } from './bridge/service.ts'
import { type Consensus, startConsensus } from './consensus.ts'
import type { ContentOptions } from './content-service.ts'
import { installFastCurves } from './curves.ts'
import { freeBytes, watchDisk } from './disk.ts'
import type { EngineDeps } from './engine.ts'
import type { SigningChoice } from './guard.ts'
import { openJournal } from './journal.ts'
import { openPeerList } from './peer-list.ts'
import { type PruneChoice, startPruning } from './pruning.ts'
import { Replays, refuseDoubted } from './replays.ts'
import { accountOf, Reporter, type ReporterDeps } from './reporter.ts'
import { type RollupDeps, type RollupOptions, type RollupService, startPoster } from './rollup/service.ts'
import { aborted } from './service.ts'
import { type KeyChoice, openSigners, type Signers } from './signers.ts'
import { disagreement, encodeSoftware, softwareOf, softwareOfPeers, watchForks } from './software.ts'
import { systemClock, systemRandom, systemTimers } from './system.ts'
import { createTelemetry, serveTelemetry } from './telemetry.ts'
import { refuseStale } from './trust.ts'
import { createVerifier } from './verifier.ts'
import { version } from './version.ts'
import { createCallPool } from './workers/pool.ts'
import { createSenderPool } from './workers/senders.ts'

export interface NodeOptions {
  readonly dir: string
  readonly validator: {
    readonly keys: KeyChoice
    /** Who earns the tips; null: the validator's operator. */
    readonly coinbase: Address | null
    /** About the first key. */
    readonly signing: SigningChoice
  }
  /** The account that pays for bringing evidence before slashing; null: others do. */
  readonly reporter: { readonly secret: Uint8Array; readonly maxFeeWei: bigint } | null
  /** Chains whose vaults this node watches; null: others do. */
  readonly bridge: BridgeOptions | null
  /** Signs for programs on this machine that ask the VC API; null: there is none. */
  /** `account` controls the issuer's DID: the secret that signs what sets statuses. */
  readonly issuer: { readonly key: SigningKey; readonly account: Uint8Array | null } | null
  readonly rpc: {
    readonly host: string
    readonly port: number
    readonly hosts: readonly string[]
    readonly origins: readonly string[]
  }
  readonly metrics: { readonly host: string; readonly port: number }
  /** `keySecret`: 32 bytes, ed25519; null stays alone. */
  readonly p2p: (HostOptions & { readonly keySecret: Uint8Array }) | null
  /** A block the operator knows to be of this network. */
  readonly checkpoint: Checkpoint | null
  /** What a node without a database takes of its peers: all blocks, or the state after a final one. */
  readonly sync: 'blocks' | 'state'
  /** What runs contracts, in blocks and calls. */
  readonly evm: EngineName
  /** Forks that it knows; default the table's. A test has a release of yesterday so. */
  readonly forks?: readonly Fork[] | undefined
  readonly sealing: 'interval' | 'instant'
  readonly emptyBlocksMs: number | null
  readonly content: ContentOptions | null
  /** Posts batches to the settlement contract; null: others do. `keys` are the validator's, added here. */
  readonly rollup: Omit<RollupOptions, 'keys'> | null
  /** secp256k1, of the account that bonded the validator of this node; null: it signs for no contract. */
  readonly operatorSecret: Uint8Array | null
  readonly historyBlocks: number | null
  readonly proofBlocks: number | null
  /** What of past blocks is kept. */
  readonly prune: PruneChoice
  readonly log: Log
}

export interface RunningNode {
  readonly chain: Chain
  readonly rpcUrl: string
  readonly wsUrl: string
  readonly metricsUrl: string
  /** Multiaddrs that peers dial; empty for a node that stays alone. */
  readonly p2p: readonly string[]
  /** Speaks no more to these peers, until the next call. */
  block(peers: readonly PeerId[]): void
  /** Settles when everything has stopped; rejects when something failed. */
  readonly done: Promise<void>
}

const CACHE_BYTES = 256 * 1024 * 1024
const CALL_TIMEOUT_MS = 5_000
const CALLS_WAITING_MAX = 10_000

/** The genesis is apart from the options, which live as long as the node: its accounts may be many, and are needed for the first state. */
export async function startNode(options: NodeOptions, genesis: Genesis, signal: AbortSignal): Promise<RunningNode> {
  const { log, dir } = options
  const { meter, registry } = createTelemetry()
  await useFastCurves({ log, meter })
  const replays = watch(options, { log, meter })
  const disk = await watchDisk({ free: freeBytes, timers: systemTimers, log, meter }, dir)
  const senders = createSenderPool(log, { meter })
  const stored = { dbDir: join(dir, 'db'), identify: senders.identify, sampler: replays, log, meter }
  const closers: (() => Promise<void>)[] = [() => senders.close(), () => disk.close()]
  const close = async (): Promise<void> => {
    for (const closer of closers.reverse()) await closer()
  }
  const stops = { full: disk.full, signal }
  const { chain, kv } = await openStored(options, genesis, stored, stops).catch(async (error: unknown) => {
    await close()
    throw error
  })
  const { genesisHash, genesis: rules } = chain
  closers.unshift(() => chain.close())
  try {
    if (options.p2p !== null) refuseStale(chain, systemClock.nowMs())
    const calls = createCallPool(
      { dbDir: stored.dbDir, genesis: rules, genesisHash, gasCap: LIMITS.callGas, evm: options.evm },
      { timeoutMs: CALL_TIMEOUT_MS, waitingMax: CALLS_WAITING_MAX },
      log,
    )
    closers.push(() => calls.close())
    replays?.begin(calls)
    const journal = await openJournal(await openLogFile(join(dir, 'pool.journal')), chain, log)
    closers.push(() => journal.close())
    const keys = await openSigners(options.validator.keys, dir, chain, { log, meter }, closers)
    const doubted = { log, meter, doubt: () => replays?.doubt() ?? null }
    const consensus = await takePart(options, { chain, kv }, keys, doubted, closers)
    report(options, { chain, calls, evidence: consensus.evidence, log, meter }, closers)
    const filters = createFilters(chain, systemClock, LIMITS)
    const ctx = {
      chain,
      calls,
      ...{ net: netOf(consensus), self: selfOf(consensus, keys) },
      consensus: { status: () => consensus.engine.status(), isBehind: () => isBehind(chain, consensus) },
      evidence: consensus.evidence,
      bridge: consensus.votes,
      content: await holdContent(options, chain, log, closers),
      rollup: await postBatches(options, keys, { chain, operators: consensus.operators, log, meter }, closers),
      // Several validators share one clock and one turn: no single one of them may move it.
      dev: rules.development && rules.validators.members.length === 1 ? consensus.engine.control : null,
      version: `NovaChain/v${version}/node-${process.version}`,
      clock: systemClock,
      limits: LIMITS,
      filters,
    }
    const rpc = await startRpc(ctx, options.rpc, log, await vcApiOf(options, ctx))
    closers.push(() => rpc.close())
    const health = { notReady: () => notReady(chain, consensus, options), ...watchForks(chain, { log, meter }) }
    const metrics = await serveTelemetry(registry, options.metrics, health)
    closers.push(() => metrics.close())
    closers.push(startPruning({ chain, kv, timers: systemTimers, log, meter }, options.prune))
    const url = `${options.rpc.host}:${rpc.port}`
    log.info(
      {
        ...{ genesis: bytesToHex(genesisHash), height: chain.head().header.number, rpc: url, engine: options.evm },
        restored: journal.restored,
      },
      'node started',
    )
    return {
      chain,
      rpcUrl: `http://${url}`,
      wsUrl: `ws://${url}`,
      metricsUrl: `http://${options.metrics.host}:${metrics.port}/metrics`,
      p2p: consensus.network?.addresses() ?? [],
      block: (peers) => consensus.network?.block(peers),
      done: Promise.race([aborted(signal), consensus.done, disk.full])
        .finally(consensus.stop)
        .finally(close)
        .then(() => log.info({ height: chain.head().header.number }, 'node stopped')),
    }
  } catch (error) {
    await close()
    throw error
  }
}

const netOf = ({ network }: Consensus): Ctx['net'] => ({
  peers: () => network?.peers().length ?? 0,
  software: () => softwareOfPeers(network?.peers() ?? []),
})

type Ports = { readonly log: Log; readonly meter: Meter }

/** Where the fast engine runs blocks, some of it is run again on the other. Throws REPLAY_UNRESOLVED. */
const watch = ({ evm, dir }: NodeOptions, ports: Ports): Replays | undefined => {
  if (evm !== 'fast') return undefined
  refuseDoubted(dir)
  return new Replays({ dir, random: systemRandom, ...ports })
}

/** What ends a node: a disk without room, by a rejection, and who started it. */
interface Stops {
  readonly full: Promise<never>
  readonly signal: AbortSignal
}

const openStored = async (
  options: NodeOptions,
  genesis: Genesis,
  { dbDir, ...ports }: Ports & Pick<ChainDeps, 'identify' | 'sampler'> & { readonly dbDir: string },
  stops: Stops,
): Promise<{ readonly chain: Chain; readonly kv: DiskKv }> => {
  await takeState(options, genesis, stops)
  const { evm, historyBlocks, proofBlocks, checkpoint, forks } = options
  const kv = await openKv(dbDir, { pause: nextTurn })
  const opening = openChain(
    { kv, engine: createChainEngine(genesis, evm), clock: systemClock, pause: nextTurn, forks, ...ports },
    genesis,
    { historyBlocks, proofBlocks, cacheBytes: CACHE_BYTES, pool: {}, checkpoint },
  )
  return opening.then(
    (chain) => ({ chain, kv }),
    async (error: unknown) => {
      await kv.close()
      throw error
    },
  )
}

const useFastCurves = async ({ log, meter }: Ports): Promise<void> => {
  const isFast = await installFastCurves((text) => log.error({}, text))
  meter.gauge('crypto_native', '1 with native signatures, 0 where they are missing').set(isFast ? 1 : 0)
}

/** In place of the blocks before; whoever asks for its health meanwhile hears how far it is. */
const takeState = async (options: NodeOptions, genesis: Genesis, { full, signal }: Stops): Promise<void> => {
  if (options.sync === 'blocks' || hasDatabase(options.dir)) return refusePart(options.dir)
  const stop = new AbortController()
  full.catch((reason: unknown) => stop.abort(reason))
  // Its own: the host of the node counts the same again.
  const { meter, registry } = createTelemetry()
  const ports = { log: options.log, meter }
  let status = (): string => 'state sync begins'
  const metrics = await serveTelemetry(registry, options.metrics, { notReady: () => status(), warning: () => null })
  try {
    const { dir, checkpoint, p2p, forks = FORKS } = options
    const software = { mine: encodeSoftware(softwareOf(version, forks)), against: () => null }
    const announcement = async (): Promise<Uint8Array> => new Uint8Array(0)
    await beginWithState(
      {
        ...{ dir, checkpoint, ...ports },
        join: (genesisHash, handlers) => joinNetwork(p2p, genesisHash, { handlers, announcement, software }, ports),
        onStatus: (says) => {
          status = says
        },
      },
      genesis,
      AbortSignal.any([signal, stop.signal]),
    )
  } finally {
    await metrics.close()
  }
}

/** The engine with its signer, its log and its peers. */
const takePart = async (
  options: NodeOptions,
  { chain, kv }: { readonly chain: Chain; readonly kv: Kv },
  { signers }: Signers,
  ports: Ports & Pick<EngineDeps, 'doubt'>,
  closers: (() => Promise<void>)[],
): Promise<Consensus> => {
  const { validator, dir } = options
  const file = await openLogFile(join(dir, 'wal', 'consensus.wal'))
  closers.push(() => file.close()) // also where what is in it is refused
  const wal = await openWal(file)
  closers.push(() => wal.close())
  const consensus = await startConsensus(
    {
      ...{ chain, signers, wal, pause: nextTurn, operatorSecret: options.operatorSecret, ...ports },
      ...{ clock: systemClock, timers: systemTimers, random: systemRandom, verifier: createVerifier(nextTurn) },
      snapshots: createSnapshotSource(kv, nextTurn),
      join: async (handlers, announcement) => {
        const list = openPeerList(chain, ports.log)
        const parts = { handlers, announcement, software: softwareIn(chain), permits: list.permits }
        const network = await joinNetwork(options.p2p, chain.genesisHash, parts, ports)
        if (network !== null) list.enforce(network)
        return network
      },
    },
    {
      coinbase: validator.coinbase,
      sealing: options.sealing,
      emptyBlocksMs: options.emptyBlocksMs,
      ...validator.signing,
    },
  )
  closers.push(() => consensus.stop())
  if (options.bridge !== null)
    closers.push(
      await startBridge({ ...ports, chain, votes: consensus.votes, timers: systemTimers }, dir, options.bridge),
    )
  return consensus
}

const selfOf = ({ network }: Consensus, { signers, remote }: Signers): Ctx['self'] => ({
  peerId: network?.self ?? null,
  addresses: network?.addresses() ?? [],
  validatorKeys: signers.map(({ publicKey }) => publicKey),
  signer: () => remote?.status() ?? null,
})

/** Brings evidence before slashing, where an account pays for it. */
const report = (
  { reporter }: NodeOptions,
  parts: Omit<ReporterDeps, 'account' | 'timers'>,
  closers: (() => Promise<void>)[],
): void => {
  if (reporter === null) return
  const account = accountOf(reporter.secret)
  const running = new Reporter({ ...parts, account, timers: systemTimers }, { maxFeeWei: reporter.maxFeeWei })
  closers.push(() => running.close())
  parts.log.info({ account: bytesToHex(account.address) }, 'this node brings evidence before slashing')
}

/** The libraries of credentials take 80 MB and a second to load, so only a node that issues has them. */
const vcApiOf = async ({ issuer, log }: NodeOptions, ctx: Ctx): Promise<ReadonlyMap<string, Route>> => {
  if (issuer === null) return new Map()
  const { openVcApi } = await import('./vc-api.ts')
  log.info({ key: issuer.key.id }, 'the VC API issues credentials with this key')
  return openVcApi({ dispatch: createDispatch(ctx, methods, log), clock: systemClock, log }, issuer)
}

const postBatches = async (
  { rollup, dir }: NodeOptions,
  { signers }: Signers,
  ports: Ports & Pick<RollupDeps, 'chain' | 'operators'>,
  closers: (() => Promise<void>)[],
): Promise<RollupService | null> => {
  if (rollup === null) return null
  const deps = { clock: systemClock, timers: systemTimers, ...ports }
  const service = await startPoster(deps, dir, { ...rollup, keys: signers.map(({ publicKey }) => publicKey) })
  closers.push(() => service.close())
  return service
}

/** Its libraries are as large as the rest of a node, so they are loaded only here. */
const holdContent = async (
  { content, dir }: NodeOptions,
  chain: Chain,
  log: Log,
  closers: (() => Promise<void>)[],
): Promise<Content | null> => {
  if (content === null) return null
  const { openContent } = await import('./content-service.ts')
  const service = await openContent(
    { chain, clock: systemClock, timers: systemTimers, log },
    join(dir, 'content'),
    content,
  )
  closers.push(() => service.close())
  return service
}

/** Raised with every change of what peers say to each other. */
export const PROTOCOL_VERSION = 4

const softwareIn = (chain: Chain): NonNullable<HostDeps['software']> => ({
  mine: encodeSoftware(softwareOf(version, chain.forks.known)),
  against: (theirs) => disagreement(chain, theirs),
})

const joinNetwork = async (
  p2p: NodeOptions['p2p'],
  genesisHash: Hash,
  parts: Pick<HostDeps, 'handlers' | 'announcement' | 'software' | 'permits'>,
  ports: Ports,
): Promise<Network | null> => {
  if (p2p === null) return null
  const { keySecret, ...options } = p2p
  const networkId = bytesToHex(genesisHash)
  return createHost(
    { keySecret, networkId, version: PROTOCOL_VERSION, clock: systemClock, ...parts, ...ports },
    options,
  )
}

/** Asking peers whether they have more is no catching up while the head is so young. */
const BEHIND_BLOCKS = 3
const headAgeMs = (chain: Chain): number => systemClock.nowMs() - headerTimeMs(chain.head().header)
const isBehind = (chain: Chain, { sync }: Consensus): boolean =>
  sync.isSyncing && headAgeMs(chain) > BEHIND_BLOCKS * chain.genesis.blockTimeMs

/** Why no load balancer should ask this node, and no operator be calm; null where all is well. */
const notReady = (chain: Chain, consensus: Consensus, options: NodeOptions): string | null => {
  const { halt, self } = consensus.engine.status()
  if (halt !== null) return halt
  const { number } = chain.head().header
  if (isBehind(chain, consensus)) return `catching up, at height ${number}`
  if (self === null || options.emptyBlocksMs !== null || options.sealing === 'instant') return null
  const behindMs = headAgeMs(chain)
  const lateMs = chain.genesis.blockTimeMs * 5 + 10_000
  return number > 0 && behindMs > lateMs ? `no block for ${Math.round(behindMs / 1_000)} s` : null
}
