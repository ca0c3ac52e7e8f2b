// Validators of one network in one process: real chains, engines, signers, logs and sync, over the in-process bus. Owns their lives:
// one is stopped as a crash stops it, and started again over what its disk kept.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asAddress } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { Kv, Log, Meter } from '../../chain/base/ports.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { createMemoryKv, openLogFile } from '../../chain/store/kv.ts'
import { openWal } from '../../chain/store/wal.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { bundledGenesis } from '../../node/commands/genesis.ts'
import { startConsensus } from '../../node/consensus.ts'
import { developmentGenesis, developmentSecret } from '../../node/development.ts'
import type { Engine } from '../../node/engine.ts'
import type { EvidencePool } from '../../node/evidence.ts'
import { openRecordFile, openSigner } from '../../node/signer.ts'
import type { Sync } from '../../node/sync.ts'
import { systemClock, systemRandom, systemTimers } from '../../node/system.ts'
import { createVerifier } from '../../node/verifier.ts'
import { createMemoryHub, type MemoryHub } from '../../p2p/memory.ts'

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

export interface Cluster {
  readonly hub: MemoryHub
  readonly genesis: Genesis
  /** Starts validator `index`, or a follower beyond the set, over what its disk kept. */
  start(index: number): Promise<Member>
  close(): Promise<void>
}

export async function createCluster(choice: {
  readonly validators: number
  readonly blockTimeMs: number
  readonly log?: Log
}): Promise<Cluster> {
  const genesis = parseGenesis(
    developmentGenesis(bundledGenesis(), {
      validators: choice.validators,
      blockTimeMs: choice.blockTimeMs,
      chainId: null,
    }),
  )
  const dir = mkdtempSync(join(tmpdir(), 'novachain-cluster-'))
  const hub = createMemoryHub()
  const disks = new Map<number, Kv>()
  const up = new Set<Member>()
  const log = choice.log ?? silent
  const ports = { clock: systemClock, log, meter }

  const start = async (index: number): Promise<Member> => {
    const kv = disks.get(index) ?? createMemoryKv()
    disks.set(index, kv)
    const folder = join(dir, String(index))
    mkdirSync(folder, { recursive: true })
    const pause = () => new Promise<void>((resolve) => setImmediate(resolve))
    const chain = await openChain({ kv, engine: createChainEngine(genesis), pause, ...ports }, genesis, {
      ...{ historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
    })
    const domain = { chainId: genesis.chainId, genesisHash: chain.genesisHash }
    const record = openRecordFile(join(folder, 'signer.json'))
    const isValidator = index < choice.validators
    const signer = isValidator ? await openSigner(record, developmentSecret(index), domain) : null
    const wal = await openWal(await openLogFile(join(folder, 'consensus.wal')))
    const consensus = await startConsensus(
      {
        ...{ chain, signer, wal, pause, ...ports, timers: systemTimers, random: systemRandom },
        verifier: createVerifier(pause),
        join: async (handlers, announcement) => hub.join(String(index), handlers, await announcement(String(index))),
      },
      { coinbase: asAddress(new Uint8Array(20)), sealing: 'interval', emptyBlocksMs: null },
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
      },
    }
    up.add(member)
    return member
  }
  return {
    ...{ hub, genesis, start },
    async close() {
      await Promise.all([...up].map((member) => member.stop()))
      rmSync(dir, { recursive: true, force: true })
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
