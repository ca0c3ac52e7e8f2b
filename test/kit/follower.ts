// A node without a vote that catches up, over the in-process bus: real chain, engine, log and sync. And peers that answer as a test says.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Kv, Log } from '../../chain/base/ports.ts'
import type { Chain } from '../../chain/chain.ts'
import { openLogFile } from '../../chain/store/kv.ts'
import { openWal } from '../../chain/store/wal.ts'
import type { Genesis } from '../../chain/types/genesis.ts'
import type { Checkpoint } from '../../chain/types/run.ts'
import type { EpochSetOf } from '../../chain/types/validators.ts'
import { createEngine } from '../../node/engine.ts'
import { openEvidence } from '../../node/evidence.ts'
import { Sync, type SyncTimes } from '../../node/sync.ts'
import { systemClock, systemRandom, systemTimers } from '../../node/system.ts'
import { noMeter, silent } from '../../node/telemetry.ts'
import { createVerifier } from '../../node/verifier.ts'
import type { MemoryHub } from '../../p2p/memory.ts'
import type { Handlers, Network, PeerId } from '../../p2p/network.ts'
import { openSealedChain } from './sealed.ts'

const NOTHING = new Uint8Array(0)

export interface Follower {
  readonly chain: Chain
  readonly sync: Sync
  /** What was warned of, with the peer it names. */
  readonly warned: readonly { readonly peer?: PeerId; readonly reason?: string }[]
  /** Rejects when something failed that is no peer's fault. */
  readonly failed: Promise<never>
  /** As a crash does it: nothing is finished but what is being applied. */
  stop(): Promise<void>
}

export async function startFollower(
  hub: MemoryHub,
  genesis: Genesis,
  kv: Kv,
  options: {
    readonly checkpoint?: Checkpoint
    readonly times?: Partial<SyncTimes>
    readonly epochSetOf?: EpochSetOf
  } = {},
): Promise<Follower> {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-follower-'))
  const { times, ...rules } = options
  const chain = await openSealedChain(genesis, kv, rules)
  const warned: { peer?: PeerId; reason?: string }[] = []
  const log: Log = {
    ...silent,
    warn: (fields) => void warned.push(fields),
    error: (fields) => void warned.push(fields),
  }
  const late: { network: Network | null } = { network: null }
  const ports = { chain, network: () => late.network, clock: systemClock, timers: systemTimers, log, meter: noMeter }
  const wal = await openWal(await openLogFile(join(dir, 'consensus.wal')))
  const evidence = await openEvidence({ ...ports, signers: [] })
  const verifier = createVerifier(nextTurn)
  const engine = createEngine(
    { ...ports, signers: [], wal, evidence, verifier, peersOf: () => [], random: systemRandom },
    { coinbase: null, sealing: 'interval', emptyBlocksMs: null },
  )
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  failed.catch(() => {})
  const sync = new Sync({ ...ports, engine, fail }, times)
  const stop = new AbortController()
  const { done } = await engine.start(stop.signal)
  late.network = hub.join('follower', {
    onPublished: () => 'ignore',
    onRequest: async (protocol, bytes) => (protocol === 'blocks' ? sync.answer(bytes) : NOTHING),
    onPeer: (peer) => sync.poke(peer),
    onPeerGone() {},
  })
  return {
    ...{ chain, sync, warned, failed },
    async stop() {
      await late.network?.close()
      await sync.close()
      stop.abort()
      await done.catch(() => {})
      await evidence.close()
      await wal.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** A peer that answers requests for blocks, and says nothing else. */
export const joinPeer = (hub: MemoryHub, id: PeerId, answer: (request: Uint8Array) => Promise<Uint8Array>): Network => {
  const handlers: Handlers = {
    onPublished: () => 'ignore',
    onRequest: async (protocol, bytes) => (protocol === 'blocks' ? answer(bytes) : NOTHING),
    onPeer() {},
    onPeerGone() {},
  }
  return hub.join(id, handlers)
}

/** As an honest node with this chain answers. */
export const answering = (chain: Chain): ((request: Uint8Array) => Promise<Uint8Array>) => {
  const unused = { append: async () => {} }
  const sync = new Sync({
    ...{ chain, engine: unused, network: () => null, clock: systemClock },
    ...{ timers: systemTimers, log: silent, meter: noMeter, fail() {} },
  })
  return async (request) => sync.answer(request)
}

/** Settles when the chain has a block of this height; rejects when the node failed before. */
export const atHeight = ({ chain, failed }: Pick<Follower, 'chain' | 'failed'>, height: number): Promise<void> =>
  Promise.race([
    failed,
    new Promise<void>((resolve) => {
      if (chain.head().header.number >= height) return resolve()
      const unwatch = chain.watch('head', ({ block }) => {
        if (block.header.number < height) return
        unwatch()
        resolve()
      })
    }),
  ])
