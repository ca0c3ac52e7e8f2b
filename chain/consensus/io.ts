// What goes into the consensus machine and what comes out of it. Owns no behaviour.
import type { Hash } from '../base/bytes.ts'
import type { Entry, Message, Signed, SignRecord, Unsigned } from '../types/message.ts'
import type { ValidatorSet } from '../types/validators.ts'
import type { Qc } from '../types/vote.ts'

/** A height as its parent determines it. */
export interface Start {
  readonly kind: 'start'
  readonly height: number
  readonly set: ValidatorSet
  /** Own index in the set; null for a node that only follows. */
  readonly self: number | null
  /** Proposer of round 0 by rotation. Those of later rounds are drawn from `parentRandao`. */
  readonly proposer: number
  readonly parentRandao: Hash
  /** Proposer of round 0 of the next height, as an index in this set; null where he is not in it, or there is no collecting. */
  readonly nextProposer: number | null
  /** The parent's CommitQC with its set; null at height 1. */
  readonly parent: { readonly qc: Qc; readonly set: ValidatorSet } | null
}

/** Whom a message came from; the transport's name for him, no validator's. */
export type Peer = string

/** What the engine read in the block that came with a proposal; null with any other message. */
export interface Seen {
  /** The round that first built the block. */
  readonly originRound: number
  /** Whether its time fitted the clock at first receipt (consensus, section 6). */
  readonly isTimely: boolean
  /** The parent's CommitQC out of its section, checked; null at height 1. */
  readonly lastCommit: Qc | null
}

/** A body is judged once, whatever brought it. Only `valid` may be voted for. */
export type Verdict = 'valid' | 'invalid'

/** Facts. Certificates and signatures of a message of the current height are checked before it comes here (`check.ts`). */
export type Input =
  | Start
  /** At process start, after `start` and the logged inputs, whose effects were not performed. */
  | { readonly kind: 'resume'; readonly record: SignRecord | null }
  /** The earliest moment for a block of this height. */
  | { readonly kind: 'due'; readonly height: number }
  | { readonly kind: 'timer'; readonly height: number; readonly round: number }
  /** Every TIMES.repeatMs (`bounds.ts`). */
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly message: Message; readonly from: Peer; readonly seen: Seen | null }
  /** A message that nobody here can check yet: the set of its height is not known. */
  | { readonly kind: 'unchecked'; readonly message: Message; readonly from: Peer; readonly seen: Seen | null }
  /** A vote or status of this height came, not worth a check: nothing in it is believed, its sender may need an answer. */
  | { readonly kind: 'heard'; readonly height: number; readonly from: Peer }
  | { readonly kind: 'body'; readonly height: number; readonly blockHash: Hash; readonly verdict: Verdict }
  | { readonly kind: 'built'; readonly height: number; readonly round: number; readonly blockHash: Hash }
  | { readonly kind: 'signed'; readonly message: Signed }
  /** The signer's record forbids what was asked; it comes back to be loaded. */
  | { readonly kind: 'refused'; readonly record: SignRecord }
export type MessageInput = Extract<Input, { readonly kind: 'message' }>

/** Inputs that a restart feeds to the machine again. */
export type Logged = Extract<Input, { readonly kind: 'message' | 'body' | 'timer' }>

/** Offences that two signatures of one validator prove (consensus, section 4). */
export interface Evidence {
  readonly offence: 'E1' | 'E2' | 'E3' | 'E4' | 'E5'
  readonly validator: number
  readonly first: Signed
  readonly second: Signed
}

/** Orders, to be performed in this sequence. */
export type Effect =
  /** Append to the write-ahead log. Synced no later than the next `sign` or `commit`. */
  | { readonly kind: 'log'; readonly input: Logged }
  /** Sync the log, record, sign, then answer `signed` or `refused`. In the order asked. */
  | {
      readonly kind: 'sign'
      readonly message: Unsigned
      readonly highQc: Qc | null
      readonly entry: Entry | null
    }
  /** `to`: every peer, or set indices. A proposal is sent with its body. */
  | { readonly kind: 'send'; readonly message: Message; readonly to: 'all' | readonly number[] }
  | { readonly kind: 'reply'; readonly message: Message; readonly to: Peer }
  /** Send the stored CommitQC of a past height. */
  | { readonly kind: 'serve'; readonly height: number; readonly to: Peer }
  /** The round's one timer, replacing the former: `afterMs` from now, or in round 0 from the moment the block is due. */
  | {
      readonly kind: 'arm'
      readonly height: number
      readonly round: number
      readonly afterMs: number
      readonly from: 'now' | 'due'
    }
  /** Build a block with this originRound, log its body, answer `built`. */
  | { readonly kind: 'build'; readonly height: number; readonly round: number; readonly lastCommit: Qc | null }
  /** Get this body, judge it, log it if valid, and answer `body`: again, where it was judged before. `from`: set indices, or anybody. */
  | {
      readonly kind: 'fetch'
      readonly height: number
      readonly blockHash: Hash
      readonly from: 'anybody' | readonly number[]
    }
  /** Check this message and hand it in again: the set of its height is known now. */
  | { readonly kind: 'check'; readonly message: Message; readonly from: Peer; readonly seen: Seen | null }
  /** Final. Store block, certificate and state in one synced batch, end the height in the log, then `start` the next. */
  | { readonly kind: 'commit'; readonly height: number; readonly blockHash: Hash; readonly qc: Qc }
  | { readonly kind: 'report'; readonly evidence: Evidence }
  /** A quorum stands behind a block that is invalid here: nodes diverge. */
  | { readonly kind: 'alarm'; readonly height: number; readonly blockHash: Hash }
