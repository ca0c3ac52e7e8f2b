// A message between chains: its id and the hash chain it is in, as Solidity computes them. Pure; vaults, validators and relayers agree by it.
import { type Address, asAddress, asHash, bigintToFixed, concat, equalBytes, type Hash } from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import type { Named } from '../kit/abi.ts'
import type { abi } from './abi.ts'

/** As `IBridge.Message` has it. */
export type Message = Named<(typeof abi)['functions']['messageId']['inputs']>['message']

/** The most that a message carries, from this chain and to it. */
export const DATA_MAX = 4_096
/** Of every recipient; a notice has none. */
export const RECIPIENT_BYTES = 20

/** As `IBridge.Status` counts. */
export const Status = { none: 0n, sent: 1n, refunded: 2n, delivered: 3n, refused: 4n, noticed: 5n } as const

const TYPEHASH = keccak(
  new TextEncoder().encode(
    'Message(uint64 sourceChain,uint64 targetChain,uint64 sequence,uint64 deadline,bytes32 sender,bytes recipient,bytes32 token,uint256 amount,bytes32 refundOf,bytes data)',
  ),
)
const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)

/** The EIP-712 struct hash. */
export const messageId = (m: Message): Hash =>
  keccak(
    concat(
      ...[TYPEHASH, word(m.sourceChain), word(m.targetChain), word(m.sequence), word(m.deadline), m.sender],
      ...[keccak(m.recipient), m.token, word(m.amount), m.refundOf, keccak(m.data)],
    ),
  )

/** The hash chain of what goes from one chain to another; before the first there are 32 zero bytes. */
export const linkAfter = (previous: Uint8Array, id: Hash): Hash => keccak(concat(previous, id))

export const NOBODY: Address = asAddress(new Uint8Array(20))
export const NO_WORD: Hash = asHash(new Uint8Array(32))
export const isNobody = (account: Uint8Array): boolean => equalBytes(account, NOBODY)
export const isNoWord = (bytes: Uint8Array): boolean => equalBytes(bytes, NO_WORD)
export const padded = (account: Address): Uint8Array => concat(new Uint8Array(12), account)
/** Of an EVM chain's account or token in a word. */
export const addressIn = (bytes: Uint8Array): Address => asAddress(bytes.slice(12))
