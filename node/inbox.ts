// The door of consensus for what peers say: decoded, found relevant, then checked, in this order, so that junk costs its sender more
// than us. Owns no state; what passes becomes an input of the machine.
import { equalBytes } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { faultOf } from '../chain/consensus/check.ts'
import { relevance, type State } from '../chain/consensus/core.ts'
import type { Input, Seen } from '../chain/consensus/io.ts'
import { decodeExtra, headerTimeMs } from '../chain/types/block.ts'
import { heightOf, type Message } from '../chain/types/message.ts'
import { checkQc, type Domain, type Proposal, type Qc } from '../chain/types/vote.ts'
import type { Judgement, PeerId } from '../p2p/network.ts'
import { decodeEnvelope, type Envelope, isMalformed, type Sketch } from '../p2p/wire.ts'

/** How far a proposer's clock may be ahead of the own, and how old a block may be that it proposes (consensus, section 6). */
const PRECISION_MS = 500
/** Timestamps rise by whole seconds, so blocks that come faster (development) lead the clock by up to one more. */
const LEAD_MS = 1_000
const MESSAGE_DELAY_MS = 4_000
/** MESSAGE_DELAY_MS grows by a tenth with each round up to here. */
const DELAY_ROUNDS_MAX = 50

export interface InboxDeps {
  readonly chain: Chain
  readonly state: () => State
  /** The network's clock. */
  readonly nowMs: () => number
  readonly push: (input: Input) => void
  readonly hold: (sketch: Sketch, from: PeerId) => void
  /** A proposal's time against the own clock; `lateMs` below 0: it is ahead. */
  readonly judged: (proposer: number, lateMs: number, isTimely: boolean) => void
  /** A peer speaks of a height above the next one. */
  readonly onAhead: (height: number, from: PeerId) => void
  /** Signatures held. */
  readonly onChecked: (message: Message) => void
  /** Of no use to the machine, and not checked. */
  readonly onDropped: (message: Message) => Judgement
  readonly log: Log
}

export interface Inbox {
  onMessage(bytes: Uint8Array, from: PeerId): Judgement
  onDecoded(envelope: Envelope, from: PeerId, seen: Seen | null): Judgement
}

export function createInbox(deps: InboxDeps): Inbox {
  const { chain, log } = deps
  const domain: Domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }

  const aheadMs = PRECISION_MS + (chain.genesis.blockTimeMs < LEAD_MS ? LEAD_MS : 0)

  const refuse = (from: PeerId, fault: string): Judgement => {
    log.debug({ peer: from, fault }, 'a consensus message is refused')
    return 'reject'
  }

  const onDecoded = ({ message, sketch }: Envelope, from: PeerId, before: Seen | null): Judgement => {
    const height = heightOf(message)
    const head = chain.head().header.number
    const worth = relevance(deps.state(), message)
    if (worth !== 'drop' && height > head + 1) deps.onAhead(height, from)
    if (worth === 'heard') deps.push({ kind: 'heard', height, from })
    if (worth !== 'check') return deps.onDropped(message)
    const fault = faultOf(message, chain.validators(), domain)
    if (fault !== null) return refuse(from, fault)
    let seen: Seen | null = null
    if (message.kind === 'proposal') {
      const found = before ?? (sketch === null ? 'it has no block' : seenOf(message.proposal, sketch))
      if (typeof found === 'string') return refuse(from, found)
      seen = found
      if (sketch !== null) deps.hold(sketch, from)
    }
    deps.onChecked(message)
    deps.push({ kind: 'message', message, from, seen })
    return 'accept'
  }

  /** What the machine wants to know of the block, or what is wrong with it. */
  const seenOf = (proposal: Proposal, { header, hash, section }: Sketch): Seen | string => {
    if (!equalBytes(hash, proposal.blockHash) || header.number !== proposal.height)
      return 'the block is not the one proposed'
    const { originRound } = decodeExtra(header.extraData)
    const lateMs = deps.nowMs() - headerTimeMs(header)
    const delayMs = MESSAGE_DELAY_MS * 1.1 ** Math.min(proposal.round, DELAY_ROUNDS_MAX)
    const isTimely = lateMs >= -aheadMs && lateMs <= delayMs + PRECISION_MS
    if (proposal.justify === null) deps.judged(proposal.validator, lateMs, isTimely)
    const { lastCommit } = section
    if ((lastCommit === null) !== (header.number === 1))
      return 'its lastCommit is missing, or there is nothing to commit'
    if (lastCommit !== null && !isCommitOf(lastCommit, header.number - 1, header.parentHash))
      return 'its lastCommit is not of its parent'
    if (lastCommit !== null) checkQc(lastCommit, chain.validators(), domain)
    return { originRound, isTimely, lastCommit }
  }

  return {
    onDecoded,
    onMessage(bytes, from) {
      try {
        return onDecoded(decodeEnvelope(bytes), from, null)
      } catch (error) {
        if (isMalformed(error) && error instanceof NodeError) return refuse(from, error.message)
        throw error
      }
    },
  }
}

const isCommitOf = (qc: Qc, height: number, blockHash: Uint8Array): boolean =>
  qc.type === 'commit' && qc.height === height && equalBytes(qc.blockHash, blockHash)
