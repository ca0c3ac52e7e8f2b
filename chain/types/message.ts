// Consensus messages between nodes, their encoding, and the signer's record of the last one it signed. Owns no check but of shape.
import { asHash } from '../base/bytes.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { asBytes, asList, asNumber, decodeSparseRlp, encodeRlp, type Rlp, rlpInt } from '../base/rlp.ts'
import {
  decodeQc,
  decodeTc,
  encodeQc,
  encodeTc,
  type Proposal,
  proposePayload,
  type Qc,
  ROUND_MAX,
  roundFrom,
  SignType,
  type Tc,
  type Timeout,
  tcHash,
  timeoutPayload,
  type Vote,
  votePayload,
} from './vote.ts'

export const MessageErrors = defineErrors('MESSAGE', {
  MALFORMED: { text: (d: { reason: string }) => `the consensus message does not decode: ${d.reason}` },
})

/** Between nodes. `status` says "I am at this height, what did I miss?" and needs no signature. */
export type Message =
  | { readonly kind: 'proposal'; readonly proposal: Proposal }
  | { readonly kind: 'vote'; readonly vote: Vote }
  | { readonly kind: 'timeout'; readonly timeout: Timeout }
  | { readonly kind: 'qc'; readonly qc: Qc }
  | { readonly kind: 'tc'; readonly tc: Tc }
  | { readonly kind: 'status'; readonly height: number }

export const heightOf = (message: Message): number => {
  switch (message.kind) {
    case 'proposal':
      return message.proposal.height
    case 'vote':
      return message.vote.height
    case 'timeout':
      return message.timeout.height
    case 'qc':
      return message.qc.height
    case 'tc':
      return message.tc.height
    case 'status':
      return message.height
  }
}

/** What a validator signs, in this order within a round, each at most once. */
export const STEPS = { proposal: 1, prepare: 2, commit: 3, timeout: 4 } as const
export type Step = (typeof STEPS)[keyof typeof STEPS]
/** A message before its signature: exactly what the signer completes. */
export type Unsigned =
  | { readonly kind: 'proposal'; readonly proposal: Omit<Proposal, 'signature'> }
  | { readonly kind: 'vote'; readonly vote: Omit<Vote, 'signature'> }
  | { readonly kind: 'timeout'; readonly timeout: Omit<Timeout, 'signature'> }
export type Signed = Extract<Message, { readonly kind: Unsigned['kind'] }>
/** Set index of who signed it. */
export const isSignedMessage = (message: Message): message is Signed =>
  message.kind === 'proposal' || message.kind === 'vote' || message.kind === 'timeout'
export const validatorOf = (message: Signed): number => {
  switch (message.kind) {
    case 'proposal':
      return message.proposal.validator
    case 'vote':
      return message.vote.validator
    case 'timeout':
      return message.timeout.validator
  }
}

/** What the signer keeps on disk of the last message it signed (consensus, section 5). */
export interface SignRecord {
  readonly height: number
  readonly round: number
  readonly step: Step
  readonly message: Signed
  /** The highest PrepareQC when it was signed. */
  readonly highQc: Qc | null
  /** What opened the round: TC(round - 1) or PrepareQC(round); null in round 0 and after a jump. */
  readonly entry: Entry | null
}
export type Entry = { readonly kind: 'tc'; readonly tc: Tc } | { readonly kind: 'qc'; readonly qc: Qc }

// On the wire, in the log and in the signer's record: RLP [kind, …]. Certificates are strings that hold their own encoding.

const KINDS = { proposal: 1, vote: 2, timeout: 3, qc: 4, tc: 5, status: 6 } as const
const NONE = new Uint8Array(0)

export function encodeMessage(message: Message): Uint8Array {
  const kind = rlpInt(KINDS[message.kind])
  switch (message.kind) {
    case 'proposal': {
      const { height, round, blockHash, justify, tc, validator, signature } = message.proposal
      const certificates = [justify === null ? NONE : encodeQc(justify), tc === null ? NONE : encodeTc(tc)]
      return encodeRlp([kind, rlpInt(height), rlpInt(round), blockHash, ...certificates, rlpInt(validator), signature])
    }
    case 'vote': {
      const { type, height, round, blockHash, validator, signature } = message.vote
      const place = [rlpInt(SignType[type]), rlpInt(height), rlpInt(round)]
      return encodeRlp([kind, ...place, blockHash, rlpInt(validator), signature])
    }
    case 'timeout': {
      const { height, round, hqcRound, qc, validator, signature } = message.timeout
      const named = [rlpInt(hqcRound === null ? 0 : hqcRound + 1), qc === null ? NONE : encodeQc(qc)]
      return encodeRlp([kind, rlpInt(height), rlpInt(round), ...named, rlpInt(validator), signature])
    }
    case 'qc':
      return encodeRlp([kind, encodeQc(message.qc)])
    case 'tc':
      return encodeRlp([kind, encodeTc(message.tc)])
    case 'status':
      return encodeRlp([kind, rlpInt(message.height)])
  }
}

/** Shape only; nothing in it is believed. Throws MESSAGE_MALFORMED, VOTE_CERTIFICATE or RLP_MALFORMED. */
export function decodeMessage(bytes: Uint8Array): Message {
  const fields = asList(decodeSparseRlp(bytes))
  const kind = asNumber(fields[0])
  switch (kind) {
    case KINDS.proposal: {
      const [, height, round, hash, justify, tc, validator, signature] = asList(fields, 8)
      const proposal = {
        ...placeOf(height, round),
        blockHash: asHash(asBytes(hash, 32)),
        justify: optional(justify, decodeQc),
        tc: optional(tc, decodeTc),
        ...signerOf(validator, signature),
      }
      return { kind: 'proposal', proposal }
    }
    case KINDS.vote: {
      const [, type, height, round, hash, validator, signature] = asList(fields, 7)
      const vote = {
        type: voteTypeOf(asNumber(type)),
        ...placeOf(height, round),
        blockHash: asHash(asBytes(hash, 32)),
        ...signerOf(validator, signature),
      }
      return { kind: 'vote', vote }
    }
    case KINDS.timeout: {
      const [, height, round, named, qc, validator, signature] = asList(fields, 7)
      const place = placeOf(height, round)
      const timeout = {
        ...place,
        hqcRound: roundFrom(asNumber(named), place.height),
        qc: optional(qc, decodeQc),
        ...signerOf(validator, signature),
      }
      return { kind: 'timeout', timeout }
    }
    case KINDS.qc:
      return { kind: 'qc', qc: decodeQc(asBytes(asList(fields, 2)[1])) }
    case KINDS.tc:
      return { kind: 'tc', tc: decodeTc(asBytes(asList(fields, 2)[1])) }
    case KINDS.status:
      return { kind: 'status', height: asNumber(asList(fields, 2)[1]) }
    default:
      throw malformed(`kind ${kind} is not known`)
  }
}

const malformed = (reason: string) => new NodeError(MessageErrors.MALFORMED, { reason })
const optional = <T>(item: Rlp | undefined, decode: (bytes: Uint8Array) => T): T | null => {
  const bytes = asBytes(item)
  return bytes.length === 0 ? null : decode(bytes)
}
const placeOf = (height: Rlp | undefined, round: Rlp | undefined): { height: number; round: number } => {
  const place = { height: asNumber(height), round: asNumber(round) }
  if (place.round > ROUND_MAX) throw malformed(`round ${place.round}`)
  return place
}
const signerOf = (validator: Rlp | undefined, signature: Rlp | undefined) => ({
  validator: asNumber(validator),
  signature: asBytes(signature, 96),
})
const voteTypeOf = (type: number): Vote['type'] => {
  if (type === SignType.prepare) return 'prepare'
  if (type === SignType.commit) return 'commit'
  throw malformed(`vote type ${type}`)
}

/** What its signature covers. */
export function signedPart(message: Unsigned): { readonly type: SignType; readonly payload: Uint8Array } {
  switch (message.kind) {
    case 'proposal': {
      const { justify, tc, height, round, blockHash } = message.proposal
      const certificates = {
        justifyRound: justify === null ? null : justify.round,
        tcHash: tc === null ? null : tcHash(tc),
      }
      return { type: SignType.propose, payload: proposePayload({ height, round, blockHash, ...certificates }) }
    }
    case 'vote': {
      const { type, height, round, blockHash } = message.vote
      return { type: SignType[type], payload: votePayload(height, round, blockHash) }
    }
    case 'timeout': {
      const { height, round, hqcRound } = message.timeout
      return { type: SignType.timeout, payload: timeoutPayload(height, round, hqcRound) }
    }
  }
}

export function withSignature(message: Unsigned, signature: Uint8Array): Signed {
  switch (message.kind) {
    case 'proposal':
      return { kind: 'proposal', proposal: { ...message.proposal, signature } }
    case 'vote':
      return { kind: 'vote', vote: { ...message.vote, signature } }
    case 'timeout':
      return { kind: 'timeout', timeout: { ...message.timeout, signature } }
  }
}

/** Height, round and step: what the signer's record orders by. */
export function stepOf(message: Unsigned): { readonly height: number; readonly round: number; readonly step: Step } {
  switch (message.kind) {
    case 'proposal':
      return { height: message.proposal.height, round: message.proposal.round, step: STEPS.proposal }
    case 'vote':
      return { height: message.vote.height, round: message.vote.round, step: STEPS[message.vote.type] }
    case 'timeout':
      return { height: message.timeout.height, round: message.timeout.round, step: STEPS.timeout }
  }
}
