// One node's part in its network: the engine, catching up, the gossip of transactions, and who answers what peers say. Owns the wiring
// between them and their order at the end; a process, a test and the simulator hand in their own ports and assemble the same.
import type { Pause } from '../chain/base/ports.ts'
import type { SnapshotSource } from '../chain/snapshot.ts'
import type { Handlers, Network, PeerId } from '../p2p/network.ts'
import { Votes } from './bridge/votes.ts'
import { createEngine, type Engine, type EngineDeps, type EngineOptions } from './engine.ts'
import { type EvidencePool, openEvidence } from './evidence.ts'
import { handlersOf } from './handlers.ts'
import { Operators } from './rollup/operators.ts'
import { announcementOf, Roster } from './roster.ts'
import { Sync } from './sync.ts'
import { createTxGossip } from './txgossip.ts'

export interface ConsensusDeps extends Omit<EngineDeps, 'network' | 'peersOf' | 'evidence'> {
  readonly pause: Pause
  /** secp256k1, of the operator of a validator of this node, for contracts that ask for his signature. */
  readonly operatorSecret?: Uint8Array | null
  /** The state that others are given pieces of; not given: none. */
  readonly snapshots?: SnapshotSource
  /** null for a node that stays alone. `announcement` is what peers are told of a node with this peer id. */
  readonly join: (handlers: Handlers, announcement: (self: PeerId) => Promise<Uint8Array>) => Promise<Network | null>
}

export interface Consensus {
  readonly engine: Engine
  readonly sync: Sync
  readonly evidence: EvidencePool
  /** What validators say of other chains. */
  readonly votes: Votes
  /** What operators say of final blocks. */
  readonly operators: Operators
  readonly network: Network | null
  /** Settles when the engine stopped; rejects when something failed. */
  readonly done: Promise<void>
  /** Returns when the last write is done. */
  stop(): Promise<void>
}

/** Joins the network, and goes on where the log ended. */
export async function startConsensus(deps: ConsensusDeps, options: EngineOptions): Promise<Consensus> {
  const late: { network: Network | null } = { network: null }
  const network = (): Network | null => late.network
  const { genesis, genesisHash } = deps.chain
  const roster = new Roster({ chainId: genesis.chainId, genesisHash })
  const peersOf: EngineDeps['peersOf'] = (validator) => roster.peersOf(validator)
  const evidence = await openEvidence({ ...deps, network })
  const engine = createEngine({ ...deps, network, peersOf, evidence }, options)
  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => {}) // heard through `done`
  const sync = new Sync({ ...deps, engine, network, fail })
  engine.onAhead((_, peer) => sync.poke(peer))
  const txs = createTxGossip({ ...deps, network })
  const votes = new Votes({ ...deps, network })
  const operators = new Operators({ ...deps, network, secret: deps.operatorSecret ?? null })
  const abort = new AbortController()
  const leave = async (): Promise<void> => {
    txs.close()
    operators.close()
    await late.network?.close()
    await sync.close()
    await evidence.close()
    await votes.close()
  }
  try {
    const { chain, snapshots = null } = deps
    const handlers = handlersOf({ network, engine, sync, txs, roster, evidence, votes, operators, chain, snapshots })
    late.network = await deps.join(handlers, (self) => announcementOf(deps.signers, self))
    const { done } = await engine.start(abort.signal)
    let stopping: Promise<void> | null = null
    const stop = async (): Promise<void> => {
      abort.abort()
      await done.catch(() => {}) // a failure is on its way through `done` already
      await leave()
    }
    return {
      ...{ engine, sync, evidence, votes, operators, network: late.network, done: Promise.race([done, failed]) },
      stop: () => {
        stopping ??= stop()
        return stopping
      },
    }
  } catch (error) {
    await leave()
    throw error
  }
}
