// Validators of one network in one process: real chains, engines, signers, logs and sync, over the in-process bus. Owns their lives:
// one is stopped as a crash stops it, and started again over what its disk kept.
import { hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { Clock, Log, Meter, Timers } from '../../chain/base/ports.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { type BuildArgs, type Chain, type ChainDeps, openChain } from '../../chain/chain.ts'
import { openWal } from '../../chain/store/wal.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import type { Signed } from '../../chain/types/message.ts'
import type { Votes } from '../../node/bridge/votes.ts'
import { bundledGenesis } from '../../node/commands/genesis.ts'
import { startConsensus } from '../../node/consensus.ts'
import { developmentAccounts, developmentGenesis, developmentSecret } from '../../node/development.ts'
import type { Engine } from '../../node/engine.ts'
import type { EvidencePool } from '../../node/evidence.ts'
import type { SigningChoice } from '../../node/guard.ts'
import type { Operators } from '../../node/rollup/operators.ts'
import { openSigner, type Signer } from '../../node/signer.ts'
import type { Kernel } from '../../node/sim/kernel.ts'
import type { Sync } from '../../node/sync.ts'
import { systemClock, systemRandom, systemTimers } from '../../node/system.ts'
import { createVerifier, inlineVerifier } from '../../node/verifier.ts'
import { createMemoryHub, type MemoryHub, type Tap } from '../../p2p/memory.ts'
import type { Network } from '../../p2p/network.ts'
import { decodeEnvelope } from '../../p2p/wire.ts'
import { Disk } from './disk.ts'
import { type Seat, setsBy } from './sets.ts'

installCurves(nativeCurves)
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }

export interface Member {
  readonly id: string
  readonly chain: Chain
  readonly engine: Engine
  readonly sync: Sync
  readonly evidence: EvidencePool
  readonly votes: Votes
  readonly operators: Operators
  /** Settles when the engine stopped; rejects when it failed. */
  readonly done: Promise<void>
  stop(): Promise<void>
}

/** What a test may change about one life of a member. */
export interface Knobs extends SigningChoice {
  readonly clock?: Clock
  readonly log?: Log
  /** The development key it signs with, where it is not its own index; null follows. */
  readonly key?: number | null
  /** One to take its place, with a record of its own. */
  readonly nextKey?: number
  readonly signer?: (own: Signer) => Signer
  /** Of its operator; null: it has none. */
  readonly operatorSecret?: Uint8Array | null
  /** Time that it takes for a block, where that is not what the others take. */
  readonly budgetMs?: number
  /** Forks that its release knows. */
  readonly forks?: ChainDeps['forks']
  /** Why it may sign nothing. */
  readonly doubt?: () => string | null
}

export interface Cluster {
  readonly hub: MemoryHub
  readonly genesis: Genesis
  /** Everything signed that ever left a member, in order. */
  readonly said: readonly Signed[]
  /** Starts validator `index`, or a follower beyond those that ever are in a set, over what its disk kept. */
  start(index: number, knobs?: Knobs): Promise<Member>
  disk(index: number): Disk
  close(): Promise<void>
}

export async function createCluster(choice: {
  readonly validators: number
  readonly blockTimeMs: number
  /** Of the network's clock, against this machine's; 1 where it is not given. */
  readonly speed?: number
  /** Its clock is this one, which stands still but while it is run: nothing then depends on how busy the machine is. */
  readonly kernel?: Kernel
  readonly log?: Log
  readonly tap?: Tap
  /** Sections of modules in the genesis, beside those of a development network. */
  readonly modules?: Readonly<Record<string, unknown>>
  /** Blocks of an epoch, and forks of the genesis. */
  readonly epochBlocks?: number
  readonly forks?: Genesis['forks']
  /** Sets that change: who is in that of each epoch, from genesis on. */
  readonly epochs?: { readonly blocks: number; readonly rolls: readonly (readonly Seat[])[] }
}): Promise<Cluster> {
  const { validators, blockTimeMs, epochs } = choice
  const json = JSON.parse(developmentGenesis(bundledGenesis(), { validators, blockTimeMs, chainId: null }))
  Object.assign(json.novachain.modules, choice.modules)
  if (choice.epochBlocks !== undefined) json.novachain.epochBlocks = choice.epochBlocks
  if (choice.forks !== undefined) json.novachain.forks = choice.forks
  if (epochs !== undefined) json.novachain.epochBlocks = epochs.blocks
  const genesis = parseGenesis(JSON.stringify(json))
  const epochSetOf = epochs === undefined ? {} : { epochSetOf: setsBy(genesis, epochs.rolls) }
  const keysMax = epochs === undefined ? validators : Math.max(...epochs.rolls.flat().map(operatorOf)) + 1
  const { kernel } = choice
  const hub = createMemoryHub(choice.tap, kernel && ((run) => void kernel.after(LINK_MS, run)))
  const disks = new Map<number, Disk>()
  const disk = (index: number): Disk => {
    const found = disks.get(index) ?? new Disk()
    disks.set(index, found)
    return found
  }
  const up = new Set<Member>()
  const said: Signed[] = []
  const time = kernel === undefined ? fasterTime(choice.speed ?? 1) : timeOf(kernel)

  const start = async (index: number, knobs: Knobs = {}): Promise<Member> => {
    const { kv, log: file, record, nextRecord } = disk(index).open()
    const ports = { clock: knobs.clock ?? time.clock, log: knobs.log ?? choice.log ?? silent, meter }
    const pause = async (): Promise<void> => {
      if (kernel === undefined) await new Promise((resolve) => setImmediate(resolve))
    }
    const engine = createChainEngine(genesis)
    const { forks } = knobs
    const chain = await openChain({ kv, engine, pause, forks, ...ports, ...epochSetOf }, genesis, {
      ...{ historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
    })
    const { budgetMs } = knobs
    if (budgetMs !== undefined) {
      const build = chain.build.bind(chain)
      Object.assign(chain, { build: (args: BuildArgs) => build({ ...args, budgetMs }) })
    }
    const domain = { chainId: genesis.chainId, genesisHash: chain.genesisHash }
    const key = knobs.key === undefined && index < keysMax ? index : (knobs.key ?? null)
    const own = key === null ? null : await openSigner(record, developmentSecret(key), domain)
    const signers = own === null ? [] : [knobs.signer?.(own) ?? own]
    if (knobs.nextKey !== undefined)
      signers.push(await openSigner(nextRecord, developmentSecret(knobs.nextKey), domain))
    const wal = await openWal(file)
    const consensus = await startConsensus(
      {
        ...{ chain, signers, wal, pause, ...ports, timers: time.timers, random: systemRandom },
        operatorSecret: knobs.operatorSecret === undefined ? operatorSecretAt(index) : knobs.operatorSecret,
        doubt: () => knobs.doubt?.() ?? null,
        verifier: kernel === undefined ? createVerifier(pause) : inlineVerifier,
        join: async (handlers, announcement) =>
          overheard(hub.join(String(index), handlers, await announcement(String(index))), said),
      },
      { coinbase: null, sealing: 'interval', emptyBlocksMs: null, ...knobs },
    )
    consensus.done.catch(() => {})
    const member: Member = {
      ...{
        id: String(index),
        chain,
        engine: consensus.engine,
        sync: consensus.sync,
        evidence: consensus.evidence,
        votes: consensus.votes,
        operators: consensus.operators,
        content: null,
        rollup: null,
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

const operatorSecretAt = (index: number): Uint8Array =>
  hexToBytes(developmentAccounts(index + 1)[index]?.privateKey ?? '0x')
const operatorOf = (seat: Seat): number => (typeof seat === 'number' ? seat : seat.operator)

/** From one member to the next. */
const LINK_MS = 5
const timeOf = (kernel: Kernel): { readonly clock: Clock; readonly timers: Timers } => ({
  clock: { nowMs: () => START_MS + kernel.nowMs },
  timers: { after: (ms, run) => kernel.after(ms, run) },
})
/** The bundled genesis is older. */
const START_MS = 1_800_000_000_000

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
