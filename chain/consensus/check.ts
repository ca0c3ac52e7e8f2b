// The check of a message before the machine may believe it: every signature and certificate in it, against the set of its height.
// Owns what "valid" means on the wire; whether a valid message changes anything is the machine's business.

import { NodeError } from '../base/errors.ts'
import { type Message, type Signed, signedPart } from '../types/message.ts'
import type { Validator, ValidatorSet } from '../types/validators.ts'
import {
  areVerified,
  type Claim,
  type Domain,
  type Proposal,
  prepareQcClaim,
  qcClaim,
  signBytes,
  type Timeout,
  tcClaims,
  VoteErrors,
} from '../types/vote.ts'

/** The signatures that must verify, or what is wrong with the message whether they do or not. */
export function claimsOf(message: Message, set: ValidatorSet, domain: Domain): readonly Claim[] | string {
  try {
    const share = shareOf(message)
    if (share !== null && set.members[share.validator] === undefined) return `there is no validator ${share.validator}`
    const fault = shapeFaultOf(message)
    if (fault !== null) return fault
    return [...(share === null ? [] : [shareClaim(share, set, domain)]), ...certificateClaims(message, set, domain)]
  } catch (error) {
    if (error instanceof NodeError && error.code === VoteErrors.CERTIFICATE.code) return error.message
    throw error
  }
}

/** The first fault of a message of a height with this set, or null: all of it at once, on this thread. */
export function faultOf(message: Message, set: ValidatorSet, domain: Domain): string | null {
  const claims = claimsOf(message, set, domain)
  if (typeof claims === 'string') return claims
  return claims.every(areVerified) ? null : FORGED
}
export const FORGED = 'a signature does not verify'

const shapeFaultOf = (message: Message): string | null => {
  if (message.kind === 'proposal') return proposalFault(message.proposal)
  return message.kind === 'timeout' ? timeoutFault(message.timeout) : null
}

const proposalFault = ({ height, round, justify, tc }: Proposal): string | null => {
  if ((tc === null) !== (round === 0)) return 'a proposal carries a timeout certificate in every round but the first'
  if (tc !== null && (tc.height !== height || tc.round !== round - 1))
    return 'the timeout certificate is of another round'
  if (justify !== null && justify.round >= round) return 'the justification is not of an earlier round'
  return null
}

/** With a PrepareQC of another round than it names, a TIMEOUT would poison the certificate made of it. */
const timeoutFault = ({ round, hqcRound, qc }: Timeout): string | null => {
  if (hqcRound !== (qc === null ? null : qc.round)) return 'the certificate attached is not of the round named'
  if (hqcRound !== null && hqcRound > round) return 'a certificate above the round that is given up'
  return null
}

interface Share {
  readonly of: Signed
  readonly validator: number
  readonly signature: Uint8Array
}
const shareOf = (message: Message): Share | null => {
  switch (message.kind) {
    case 'proposal':
      return { of: message, ...message.proposal }
    case 'vote':
      return { of: message, ...message.vote }
    case 'timeout':
      return { of: message, ...message.timeout }
    default:
      return null
  }
}

const shareClaim = ({ of, validator, signature }: Share, set: ValidatorSet, domain: Domain): Claim => {
  const { type, payload } = signedPart(of)
  const { blsKey } = set.members[validator] as Validator
  return { id: null, jobs: [{ keys: [blsKey], message: signBytes(domain, type, payload), signature }] }
}

const certificateClaims = (message: Message, set: ValidatorSet, domain: Domain): readonly Claim[] => {
  switch (message.kind) {
    case 'proposal': {
      const { height, justify, tc } = message.proposal
      const claims = tc === null ? [] : tcClaims(tc, set, domain)
      return justify === null ? claims : [...claims, prepareQcClaim(justify, height, set, domain)]
    }
    case 'timeout': {
      const { height, qc } = message.timeout
      return qc === null ? [] : [prepareQcClaim(qc, height, set, domain)]
    }
    case 'qc':
      return [qcClaim(message.qc, set, domain)]
    case 'tc':
      return tcClaims(message.tc, set, domain)
    default:
      return []
  }
}
