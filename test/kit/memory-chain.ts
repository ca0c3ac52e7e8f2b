// A chain of one development validator in memory, with the users' door on a free port. Owns sealing by hand and the clock,
// so that tests of the door need no consensus, no disk and no waiting.
import { readFileSync } from 'node:fs'
import { asAddress } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import type { Kv, Log, Meter } from '../../chain/base/ports.ts'
import { createChainEngine, type EngineName, openCalls } from '../../chain/calls.ts'
import { type Chain, type ChainDeps, openChain } from '../../chain/chain.ts'
import { createState } from '../../chain/consensus/core.ts'
import type { Engine } from '../../chain/exec/engine.ts'
import { nativesAt } from '../../chain/native/index.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { type Block, headerTimeMs } from '../../chain/types/block.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { bitmapOf, type Qc, randaoPayload, SignType, signBytes, votePayload } from '../../chain/types/vote.ts'
import type { Sampler } from '../../chain/types/witness.ts'
import { type EvidencePool, openEvidence } from '../../node/evidence.ts'
import { Progress } from '../../node/progress.ts'
import { createFilters } from '../../rpc/filters.ts'
import { type Ctx, LIMITS } from '../../rpc/method.ts'
import { type RpcOptions, startRpc } from '../../rpc/server.ts'
import { devValidatorSecret } from './keys.ts'

const bundled = parseGenesis(readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8'))

export { bundled as genesis }

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

export interface MemoryChain {
  readonly chain: Chain
  readonly kv: Kv
  readonly ctx: Ctx
  /** The next block from the pool; with a budget below 0 it takes nothing from it. */
  build(budgetMs?: number): Promise<Block>
  certify(block: Block): Qc
  /** Builds it and commits it. */
  seal(budgetMs?: number): Promise<Block>
}

/** On an empty store with the modules of every node, or as it is said. */
export async function openMemoryChain(
  parts: {
    readonly kv?: Kv
    readonly meter?: Meter
    readonly natives?: ChainDeps['natives']
    readonly evm?: EngineName | Engine
    readonly sampler?: Sampler
    /** Default: that of the repository. */
    readonly genesis?: Genesis
    /** Forks that this release knows. */
    readonly forks?: ChainDeps['forks']
    /** A clock that stands still, where it is not given, and pauses that are none. */
    readonly time?: Pick<ChainDeps, 'clock' | 'pause'>
  } = {},
): Promise<MemoryChain> {
  const { kv = createMemoryKv(), natives = nativesAt, genesis = bundled, forks } = parts
  const { clock, pause } = parts.time ?? { clock: { nowMs: () => 1_800_000_000_000 }, pause: async () => {} }
  const engine = typeof parts.evm === 'object' ? parts.evm : createChainEngine(genesis, parts.evm)
  const chain = await openChain(
    {
      kv,
      engine,
      clock,
      pause,
      log: silent,
      meter: parts.meter ?? meter,
      natives,
      forks,
      sampler: parts.sampler,
    },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
  const { genesisHash } = chain
  const sign = (type: SignType, payload: Uint8Array): Uint8Array =>
    curves().blsSign(devValidatorSecret(0), signBytes({ chainId: genesis.chainId, genesisHash }, type, payload))
  const build = (budgetMs = 1_000): Promise<Block> => {
    const parent = chain.head()
    const height = parent.header.number + 1
    return chain.build({
      height,
      timeMs: headerTimeMs(parent.header) + 3_000,
      round: 0,
      proposerIndex: 0,
      coinbase: asAddress(new Uint8Array(20).fill(0xcc)),
      lastCommit: chain.commitOf(height - 1),
      reveal: sign(SignType.randao, randaoPayload(height)),
      budgetMs,
    })
  }
  const certify = ({ header: { number: height }, hash }: Block): Qc => ({
    ...{ type: 'commit', height, round: 0, blockHash: hash, bitmap: bitmapOf([0], 1) },
    signature: sign(SignType.commit, votePayload(height, 0, hash)),
  })
  const seal = async (budgetMs?: number): Promise<Block> => {
    const block = await build(budgetMs)
    await chain.commit(block, certify(block))
    return block
  }
  const ctx: Ctx = {
    chain,
    calls: openCalls(kv, genesis, { genesisHash, gasCap: LIMITS.callGas, natives }),
    net: { peers: () => 0 },
    self: { peerId: null, addresses: [], validatorKeys: [], signer: () => null },
    consensus: beforeStart(chain),
    evidence: await evidenceOn(chain),
    bridge: { certificate: () => null },
    content: null,
    rollup: null,
    dev: null,
    version: 'NovaChain/test',
    clock,
    limits: LIMITS,
    filters: createFilters(chain, clock, LIMITS),
  }
  return { chain, kv, ctx, build, certify, seal }
}

/** The evidence of a node that has no peers and says nothing again. */
export const evidenceOn = (chain: Chain): Promise<EvidencePool> =>
  openEvidence({
    ...{ chain, network: () => null, signers: [], log: silent, meter },
    ...{ clock: { nowMs: () => 1_800_000_000_000 }, timers: { after: () => () => {} } },
  })

/** What a node says of consensus before its engine takes anything. */
export const beforeStart = (chain: Chain): Ctx['consensus'] => {
  const clock = { nowMs: () => 1_800_000_000_000 }
  const parts = {
    clock,
    log: silent,
    meter,
    indexAt: () => null,
    network: () => null,
    blockOf: () => null,
    silence: () => null,
  }
  const progress = new Progress({ chain, ...parts })
  return { status: () => progress.status(createState()), isBehind: () => false }
}

/** The door before a chain, on a free port of this machine. */
export const openDoor = (ctx: Ctx, options: Partial<RpcOptions> = {}) =>
  startRpc(ctx, { host: '127.0.0.1', port: 0, hosts: [], origins: [], ...options }, silent)
