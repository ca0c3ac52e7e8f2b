// The check of a message before the machine may believe it: every signature and certificate in it, against the set of its height.
// Owns what "valid" means on the wire; whether a valid message changes anything is the machine's business.

import { curves } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { Message } from '../types/message.ts'
import type { Validator, ValidatorSet } from '../types/validators.ts'
import {
  checkPrepareQc,
  checkQc,
  checkTc,
  type Domain,
  type Proposal,
  proposePayload,
  SignType,
  signBytes,
  type Timeout,
  tcHash,
  timeoutPayload,
  votePayload,
} from '../types/vote.ts'

/** The first fault of a message of a height with this set, or null. */
export function faultOf(message: Message, set: ValidatorSet, domain: Domain): string | null {
  try {
    return check(message, set, domain)
  } catch (error) {
    if (error instanceof NodeError && error.code === 'VOTE_CERTIFICATE') return error.message
    throw error
  }
}

const check = (message: Message, set: ValidatorSet, domain: Domain): string | null => {
  switch (message.kind) {
    case 'proposal':
      return checkProposal(message.proposal, set, domain)
    case 'vote': {
      const { type, height, round, blockHash } = message.vote
      return checkShare(message.vote, SignType[type], votePayload(height, round, blockHash), set, domain)
    }
    case 'timeout':
      return checkTimeout(message.timeout, set, domain)
    case 'qc':
      checkQc(message.qc, set, domain)
      return null
    case 'tc':
      checkTc(message.tc, set, domain)
      return null
    case 'status':
      return null
  }
}

const checkProposal = (p: Proposal, set: ValidatorSet, domain: Domain): string | null => {
  const { height, round, blockHash, justify, tc } = p
  if ((tc === null) !== (round === 0)) return 'a proposal carries a timeout certificate in every round but the first'
  if (tc !== null && (tc.height !== height || tc.round !== round - 1))
    return 'the timeout certificate is of another round'
  if (justify !== null && justify.round >= round) return 'the justification is not of an earlier round'
  const payload = proposePayload({
    height,
    round,
    blockHash,
    justifyRound: justify === null ? null : justify.round,
    tcHash: tc === null ? null : tcHash(tc),
  })
  const fault = checkShare(p, SignType.propose, payload, set, domain)
  if (fault !== null) return fault
  if (tc !== null) checkTc(tc, set, domain)
  if (justify !== null) checkPrepareQc(justify, height, set, domain)
  return null
}

/** With a PrepareQC of another round than it names, a TIMEOUT would poison the certificate made of it. */
const checkTimeout = (t: Timeout, set: ValidatorSet, domain: Domain): string | null => {
  const { height, round, hqcRound, qc } = t
  if (hqcRound !== (qc === null ? null : qc.round)) return 'the certificate attached is not of the round named'
  if (hqcRound !== null && hqcRound > round) return 'a certificate above the round that is given up'
  const fault = checkShare(t, SignType.timeout, timeoutPayload(height, round, hqcRound), set, domain)
  if (fault !== null) return fault
  if (qc !== null) checkPrepareQc(qc, height, set, domain)
  return null
}

const checkShare = (
  share: { readonly validator: number; readonly signature: Uint8Array },
  type: SignType,
  payload: Uint8Array,
  set: ValidatorSet,
  domain: Domain,
): string | null => {
  const member: Validator | undefined = set.members[share.validator]
  if (member === undefined) return `there is no validator ${share.validator}`
  const isSigned = curves().blsVerify([member.blsKey], signBytes(domain, type, payload), share.signature)
  return isSigned ? null : 'the signature does not verify'
}
