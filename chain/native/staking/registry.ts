// What is used once and for ever: operators, keys, peers. Owns how a validator is entered.
import { type Address, bytesToBigint, equalBytes } from '../../base/bytes.ts'
import { curves, keccak } from '../../base/crypto.ts'
import { MONIKER_MAX } from '../../types/genesis.ts'
import { ownerPayload, SignType, signBytes } from '../../types/vote.ts'
import type { StakingCall, StakingStore } from './layout.ts'
import type { Validator } from './validators.ts'

/** Takes a key that nobody has used, for ever; answers its id. */
export function takeKey(store: StakingStore, index: number, operator: Address, blsKey: Uint8Array): number {
  const keyId = store.keys.length()
  const entry = store.keys.push()
  entry.head.set(blsKey.slice(0, 32))
  entry.tail.set(bytesToBigint(blsKey.subarray(32)))
  entry.validator.set(BigInt(index))
  store.keyOwners.at(keccak(blsKey)).set(operator)
  return keyId
}
const KEY_BYTES = 48
const NOBODY = new Uint8Array(20) as Address
/** Whatever has another length is nobody's, and is not hashed. */
export const ownerOfKey = (store: StakingStore, blsKey: Uint8Array): Address =>
  blsKey.length === KEY_BYTES ? store.keyOwners.at(keccak(blsKey)).get() : NOBODY
export function checkKey(call: StakingCall, blsKey: Uint8Array, proofOfPossession: Uint8Array): void {
  if (blsKey.length !== KEY_BYTES)
    call.revert('BadKey', { reason: `${blsKey.length} bytes, expected a compressed point of ${KEY_BYTES}` })
  if (isTaken(ownerOfKey(call.store, blsKey))) call.revert('KeyUsed', { blsKey })
  const said = signBytes(call.block.domain, SignType.pop, ownerPayload(blsKey, call.caller))
  if (!curves().blsVerify([blsKey], said, proofOfPossession)) call.revert('BadProofOfPossession', {})
}

/** A peer may stay untold: zero. */
export function takePeer(call: StakingCall, operator: Address, peerIdDigest: Uint8Array): void {
  if (equalBytes(peerIdDigest, NO_PEER)) return
  const owner = call.store.peerOwners.at(peerIdDigest)
  const taken = owner.get()
  if (equalBytes(taken, operator)) return
  if (isTaken(taken)) call.revert('PeerUsed', { peerIdDigest })
  owner.set(operator)
}
const NO_PEER = new Uint8Array(32)
export const isTaken = (owner: Address): boolean => owner.some((byte) => byte !== 0)

export function checkMoniker(call: StakingCall, moniker: string): void {
  const given = BigInt(new TextEncoder().encode(moniker).length)
  if (given > BigInt(MONIKER_MAX)) call.revert('MonikerTooLong', { given, maximum: BigInt(MONIKER_MAX) })
}

interface Facts {
  readonly operator: Address
  readonly blsKey: Uint8Array
  readonly peerIdDigest: Uint8Array
  readonly commissionBps: bigint
  readonly moniker: string
}
/** Everything in it was checked. It has no stake yet. */
export function enrol(store: StakingStore, facts: Facts): Validator {
  const index = store.validators.length()
  const at = store.validators.push()
  store.powers.push().set(0n)
  store.placeOf.at(facts.operator).set(BigInt(index + 1))
  at.operator.set(facts.operator)
  at.keyId.set(BigInt(takeKey(store, index, facts.operator, facts.blsKey)))
  at.commissionBps.set(facts.commissionBps)
  at.peerIdDigest.set(facts.peerIdDigest)
  at.moniker.set(facts.moniker)
  return { index, operator: facts.operator, at }
}
