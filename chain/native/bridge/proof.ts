// The proof that a message came from a vault: a certificate of the validators of an epoch. Owns which epochs count, what it costs, and what is refused.
import { type Address, asHash, type Hash } from '../../base/bytes.ts'
import { curves } from '../../base/crypto.ts'
import { NodeError } from '../../base/errors.ts'
import { isQuorum } from '../../types/validators.ts'
import { attestPayload, bitmapMembers, SignType, signBytes } from '../../types/vote.ts'
import { AbiErrors, decodeValues } from '../kit/abi.ts'
import { params } from '../params/module.ts'
import { staking } from '../staking/module.ts'
import { epochNow, type Members, membersOf } from '../staking/sets.ts'
import { PROOF, type Proof } from './certificate.ts'
import type { BridgeCall } from './layout.ts'

/** As `slashing` prices them: one aggregate, and each key that is added up. */
const VERIFY_GAS = 80_000
const KEY_GAS = 500

const decoded = (call: BridgeCall, proof: Uint8Array): Proof => {
  try {
    return decodeValues(PROOF, proof)
  } catch (error) {
    if (!(error instanceof NodeError) || error.code !== AbiErrors.DECODE.code) throw error
    return call.revert('ProofMalformed', { reason: error.message })
  }
}

/** The set of an epoch that is running, or whose members can still be slashed. */
const setOf = (call: BridgeCall, epoch: bigint): Members => {
  const outside = (): never => call.revert('EpochOutside', { epoch })
  const held = call.within(staking)
  const now = BigInt(epochNow(held))
  if (epoch > now) outside()
  const members = membersOf(held, Number(epoch)) ?? outside()
  const windowS = call.read(params, 'get', ['staking.unbondingTime'])
  if (epoch < now && BigInt(members.startTime) + windowS < BigInt(call.block.time)) outside()
  return members
}

/** Ends the call unless more than two thirds of the power of an epoch say that the vault sent the message. */
export function mustBeAttested(
  call: BridgeCall,
  { chain, vault, id }: { readonly chain: bigint; readonly vault: Address; readonly id: Hash },
  proof: Uint8Array,
): void {
  const [epoch, signers, signature] = decoded(call, proof)
  if (signature.length !== 96) call.revert('ProofMalformed', { reason: 'a signature has 96 bytes' })
  const members = setOf(call, epoch)
  const places =
    bitmapMembers(signers, members.count) ??
    call.revert('ProofMalformed', { reason: `the signers' bitmap does not fit ${members.count} validators` })
  const signed = places.reduce((sum, place) => sum + members.powerAt(place), 0n)
  if (!isQuorum(signed, { powerTotal: members.power })) call.revert('NoQuorum', { signed, total: members.power })
  call.charge(VERIFY_GAS + KEY_GAS * places.length)
  const keys = places.map((place) => members.keyAt(place))
  const digest = asHash(signBytes(call.block.domain, SignType.attest, attestPayload(chain, vault, id)))
  if (!curves().blsVerify(keys, digest, signature)) call.revert('BadSignature', {})
}
