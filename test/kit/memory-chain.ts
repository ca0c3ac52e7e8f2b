// A chain of one development validator in memory, with the users' door on a free port. Owns sealing by hand and the clock,
// so that tests of the door need no consensus, no disk and no waiting.
import { readFileSync } from 'node:fs'
import { asAddress } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import type { Kv, Log, Meter } from '../../chain/base/ports.ts'
import { openCalls } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { createState } from '../../chain/consensus/core.ts'
import { createReferenceEngine } from '../../chain/exec/reference.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { type Block, headerTimeMs } from '../../chain/types/block.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { bitmapOf, randaoPayload, SignType, signBytes, votePayload } from '../../chain/types/vote.ts'
import { type EvidencePool, openEvidence } from '../../node/evidence.ts'
import { Progress } from '../../node/progress.ts'
import { createFilters } from '../../rpc/filters.ts'
import { type Ctx, LIMITS } from '../../rpc/method.ts'
import { type RpcOptions, startRpc } from '../../rpc/server.ts'
import { devValidatorSecret } from './keys.ts'

export const genesis = parseGenesis(readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8'))
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
  /** Builds and commits the next block from the pool. */
  seal(): Promise<Block>
}

export async function openMemoryChain(): Promise<MemoryChain> {
  const kv = createMemoryKv()
  const clock = { nowMs: () => 1_800_000_000_000 }
  const engine = createReferenceEngine({ chainId: genesis.chainId })
  const chain = await openChain({ kv, engine, clock, pause: async () => {}, log: silent, meter }, genesis, {
    historyBlocks: null,
    proofBlocks: null,
    cacheBytes: 1_000_000,
    pool: {},
  })
  const { genesisHash } = chain
  const sign = (type: SignType, payload: Uint8Array): Uint8Array =>
    curves().blsSign(devValidatorSecret(0), signBytes({ chainId: genesis.chainId, genesisHash }, type, payload))
  const seal = async (): Promise<Block> => {
    const parent = chain.head()
    const height = parent.header.number + 1
    const block = await chain.build({
      height,
      timeMs: headerTimeMs(parent.header) + 3_000,
      round: 0,
      proposerIndex: 0,
      coinbase: asAddress(new Uint8Array(20).fill(0xcc)),
      lastCommit: chain.commitOf(height - 1),
      reveal: sign(SignType.randao, randaoPayload(height)),
      budgetMs: 1_000,
    })
    await chain.commit(block, {
      type: 'commit',
      height,
      round: 0,
      blockHash: block.hash,
      bitmap: bitmapOf([0], 1),
      signature: sign(SignType.commit, votePayload(height, 0, block.hash)),
    })
    return block
  }
  const ctx: Ctx = {
    chain,
    calls: openCalls(kv, genesis, { genesisHash, gasCap: LIMITS.callGas }),
    net: { peers: () => 0 },
    consensus: beforeStart(chain),
    evidence: await evidenceOn(chain),
    dev: null,
    version: 'NovaChain/test',
    clock,
    limits: LIMITS,
    filters: createFilters(chain, clock, LIMITS),
  }
  return { chain, kv, ctx, seal }
}

/** The evidence of a node that has no peers and says nothing again. */
export const evidenceOn = (chain: Chain): Promise<EvidencePool> =>
  openEvidence({
    ...{ chain, network: () => null, signer: null, log: silent, meter },
    ...{ clock: { nowMs: () => 1_800_000_000_000 }, timers: { after: () => () => {} } },
  })

/** What a node says of consensus before its engine takes anything. */
export const beforeStart = (chain: Chain): Ctx['consensus'] => {
  const clock = { nowMs: () => 1_800_000_000_000 }
  const parts = { clock, log: silent, meter, self: null, network: () => null, blockOf: () => null, silence: () => null }
  const progress = new Progress({ chain, ...parts })
  return { status: () => progress.status(createState()), isBehind: () => false }
}

/** The door before a chain, on a free port of this machine. */
export const openDoor = (ctx: Ctx, options: Partial<RpcOptions> = {}) =>
  startRpc(ctx, { host: '127.0.0.1', port: 0, hosts: [], origins: [], ...options }, silent)
