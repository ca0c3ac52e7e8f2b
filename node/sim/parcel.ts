// What simulated nodes send each other: messages, and blocks as far as consensus looks at them.
import type { Hash } from '../../chain/base/bytes.ts'
import { curves, keccak } from '../../chain/base/crypto.ts'
import { type Message, type Signed, signedPart, type Unsigned, withSignature } from '../../chain/types/message.ts'
import { type Domain, type Qc, signBytes } from '../../chain/types/vote.ts'

export const DOMAIN: Domain = { chainId: 1n, genesisHash: keccak(new Uint8Array(1)) }

/** A block, as far as consensus looks at it. */
export interface Body {
  readonly height: number
  readonly hash: Hash
  readonly parentHash: Hash
  readonly originRound: number
  readonly timeMs: number
  /** By the clock that nobody has. */
  readonly madeMs: number
  readonly lastCommit: Qc | null
  /** Executing it fails. */
  readonly isBad: boolean
}

export type Parcel =
  /** `isHollow`: the header came, its transactions did not. */
  | { readonly kind: 'message'; readonly message: Message; readonly body: Body | null; readonly isHollow: boolean }
  | { readonly kind: 'want'; readonly hash: Hash }
  | { readonly kind: 'body'; readonly body: Body }

/** The object that stays the same however often a message is wrapped anew. */
export const contentOf = (message: Message): object => {
  switch (message.kind) {
    case 'proposal':
      return message.proposal
    case 'vote':
      return message.vote
    case 'timeout':
      return message.timeout
    case 'qc':
      return message.qc
    case 'tc':
      return message.tc
    case 'status':
      return message
  }
}

export const signedBy = (message: Unsigned, secret: Uint8Array): Signed => {
  const { type, payload } = signedPart(message)
  return withSignature(message, curves().blsSign(secret, signBytes(DOMAIN, type, payload)))
}
