// Consensus messages between nodes, and the signer's record of the last one it signed. Owns no check and no behaviour.
import type { Proposal, Qc, Tc, Timeout, Vote } from './vote.ts'

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
