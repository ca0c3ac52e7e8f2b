// Validators of one network in one process: real chains, engines, signers, logs and sync, over the in-process bus. Owns their lives:
// one is stopped as a crash stops it, and started again over what its disk kept.
import { asAddress } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { Clock, Log, Meter, Timers } from '../../chain/base/ports.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { openWal } from '../../chain/store/wal.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import type { Signed } from '../../chain/types/message.ts'
import { bundledGenesis } from '../../node/commands/genesis.ts'
import { startConsensus } from '../../node/consensus.ts'
import { developmentGenesis, developmentSecret } from '../../node/development.ts'
import type { Engine } from '../../node/engine.ts'
import type { EvidencePool } from '../../node/evidence.ts'
import type { SigningChoice } from '../../node/guard.ts'
import { openSigner, type Signer } from '../../node/signer.ts'
import type { Sync } from '../../node/sync.ts'
import { systemClock, systemRandom, systemTimers } from '../../node/system.ts'
import { createVerifier } from '../../node/verifier.ts'
import { createMemoryHub, type MemoryHub, type Tap } from '../../p2p/memory.ts'
import type { Network } from '../../p2p/network.ts'
import { decodeEnvelope } from '../../p2p/wire.ts'
import { Disk } from './disk.ts'

installCurves(nativeCurves)
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }

export interface Member {
  readonly id: string
  readonly chain: Chain
  readonly engine: Engine
  readonly sync: Sync
  readonly evidence: EvidencePool
  /** Settles when the engine stopped; rejects when it failed. */
  readonly done: Promise<void>
  stop(): Promise<void>
}

/** What a test may change about one life of a member. */
export interface Knobs extends SigningChoice {
  readonly clock?: Clock
  readonly log?: Log
  /** The key it signs with, where it is not its own index. */
  readonly key?: number
  readonly signer?: (own: Signer) => Signer
}

export interface Cluster {
  readonly hub: MemoryHub
  readonly genesis: Genesis
  /** Everything signed that ever left a member, in order. */
  readonly said: readonly Signed[]
  /** Starts validator `index`, or a follower beyond the set, over what its disk kept. */
  start(index: number, knobs?: Knobs): Promise<Member>
  disk(index: number): Disk
  close(): Promise<void>
}

export async function createCluster(choice: {
  readonly validators: number
  readonly blockTimeMs: number
  /** Of the network's clock, against this machine's; 1 where it is not given. */
  readonly speed?: number
  readonly log?: Log
  readonly tap?: Tap
}): Promise<Cluster> {
  const genesis = parseGenesis(
    developmentGenesis(bundledGenesis(), {
      validators: choice.validators,
      blockTimeMs: choice.blockTimeMs,
      chainId: null,
    }),
  )
  const hub = createMemoryHub(choice.tap)
  const disks = new Map<number, Disk>()
  const disk = (index: number): Disk => {
    const found = disks.get(index) ?? new Disk()
    disks.set(index, found)
    return found
  }
  const up = new Set<Member>()
  const said: Signed[] = []
  const time = fasterTime(choice.speed ?? 1)

  const start = async (index: number, knobs: Knobs = {}): Promise<Member> => {
    const { kv, log: file, record } = disk(index).open()
    const ports = { clock: knobs.clock ?? time.clock, log: knobs.log ?? choice.log ?? silent, meter }
    const pause = () => new Promise<void>((resolve) => setImmediate(resolve))
    const chain = await openChain({ kv, engine: createChainEngine(genesis), pause, ...ports }, genesis, {
      ...{ historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
    })
    const domain = { chainId: genesis.chainId, genesisHash: chain.genesisHash }
    const key = knobs.key ?? index
    const own = key < choice.validators ? await openSigner(record, developmentSecret(key), domain) : null
    const signer = own === null ? null : (knobs.signer?.(own) ?? own)
    const wal = await openWal(file)
    const consensus = await startConsensus(
      {
        ...{ chain, signer, wal, pause, ...ports, timers: time.timers, random: systemRandom },
        verifier: createVerifier(pause),
        join: async (handlers, announcement) =>
          overheard(hub.join(String(index), handlers, await announcement(String(index))), said),
      },
      { coinbase: asAddress(new Uint8Array(20)), sealing: 'interval', emptyBlocksMs: null, ...knobs },
    )
    consensus.done.catch(() => {})
    const member: Member = {
      ...{
        id: String(index),
        chain,
        engine: consensus.engine,
        sync: consensus.sync,
        evidence: consensus.evidence,
        done: consensus.done,
      },
      async stop() {
        up.delete(member)
        await consensus.stop()
        await wal.close()
        await chain.close()
      },
    }
    up.add(member)
    return member
  }
  return {
    ...{ hub, genesis, said, start, disk },
    async close() {
      await Promise.all([...up].map((member) => member.stop()))
    },
  }
}

/** So many seconds of the network in one of this machine: what waits for a time-out waits less. */
const fasterTime = (speed: number): { readonly clock: Clock; readonly timers: Timers } => {
  const beganMs = systemClock.nowMs()
  return {
    clock: { nowMs: () => Math.floor(beganMs + (systemClock.nowMs() - beganMs) * speed) },
    timers: { after: (ms, run) => systemTimers.after(ms / speed, run) },
  }
}

/** The same network; what is signed is noted as it leaves. */
const overheard = (network: Network, said: Signed[]): Network => {
  const note = (bytes: Uint8Array): void => {
    const { message } = decodeEnvelope(bytes)
    if (message.kind === 'proposal' || message.kind === 'vote' || message.kind === 'timeout') said.push(message)
  }
  return {
    ...network,
    publish(topic, bytes) {
      if (topic === 'consensus') note(bytes)
      network.publish(topic, bytes)
    },
    request(peer, protocol, bytes, signal) {
      if (protocol === 'direct') note(bytes)
      return network.request(peer, protocol, bytes, signal)
    },
  }
}

/** Settles when the chain has a block of this height; rejects when its engine fails before. */
export const reached = ({ chain, done }: Member, height: number): Promise<void> =>
  Promise.race([
    done.then(() => Promise.reject(new Error('the engine stopped'))),
    new Promise<void>((resolve) => {
      if (chain.head().header.number >= height) return resolve()
      const unwatch = chain.watch('head', ({ block }) => {
        if (block.header.number < height) return
        unwatch()
        resolve()
      })
    }),
  ])
