// Who answers what peers say and ask. Owns the table and nothing else.
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Chain } from '../chain/chain.ts'
import type { SnapshotSource } from '../chain/snapshot.ts'
import { type Handlers, type Network, OFFENCES } from '../p2p/network.ts'
import type { Votes } from './bridge/votes.ts'
import type { Engine } from './engine.ts'
import type { EvidencePool } from './evidence.ts'
import type { Operators } from './rollup/operators.ts'
import type { Roster } from './roster.ts'
import { answerLight, answerState } from './snapshots.ts'
import type { Sync } from './sync.ts'
import type { TxGossip } from './txgossip.ts'

export const HandlerErrors = defineErrors('HANDLER', {
  REFUSED: { text: (d: { peer: string }) => `a message of peer ${d.peer} is refused` },
})

export interface Answering {
  readonly network: () => Network | null
  readonly engine: Engine
  readonly sync: Sync
  readonly txs: TxGossip
  readonly roster: Roster
  readonly evidence: EvidencePool
  readonly votes: Votes
  readonly operators: Operators
  readonly chain: Chain
  /** null gives no state to others. */
  readonly snapshots: SnapshotSource | null
}

export const handlersOf = (parts: Answering): Handlers => ({
  onPublished(topic, bytes, from) {
    const { engine, txs, evidence, votes, operators } = parts
    switch (topic) {
      case 'consensus':
        return engine.onMessage(bytes, from)
      case 'txs':
        return txs.onPublished(bytes, from)
      case 'evidence':
        return evidence.onPublished(bytes, from)
      case 'attest':
        return votes.onPublished(bytes)
      case 'operators':
        return operators.onPublished(bytes)
    }
  },
  async onRequest(protocol, bytes, from) {
    const { network, engine, sync, chain, snapshots } = parts
    switch (protocol) {
      case 'direct': {
        const offence = OFFENCES[await engine.onMessage(bytes, from)]
        if (offence === null) return new Uint8Array(0)
        network()?.blame(from, offence)
        throw new NodeError(HandlerErrors.REFUSED, { peer: from })
      }
      case 'body':
      case 'txs':
        return engine.bodies.answer(protocol, bytes)
      case 'blocks':
        return sync.answer(bytes)
      case 'light':
        return answerLight(chain, bytes)
      case 'state':
        if (snapshots === null) throw new NodeError(HandlerErrors.REFUSED, { peer: from })
        return answerState(snapshots, bytes)
      default:
        return new Uint8Array(0) // `hello` and `peers` are the host's own
    }
  },
  onPeer(peer, announcement) {
    const { engine, sync, txs, roster, evidence } = parts
    roster.add(peer, announcement)
    engine.onPeer(peer)
    txs.onPeer()
    evidence.onPeer()
    sync.poke(peer)
  },
  onPeerGone: (peer) => parts.roster.remove(peer),
})
