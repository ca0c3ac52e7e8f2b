// Certificates as the settlement contracts of other chains read them (`contracts/settlement`): a CommitQC with what its verifier needs of
// the set, and the same statement signed by operator keys. Owns these encodings and the digest that operators sign; the contracts own
// what is checked.
import { concat, equalBytes, type Hash } from '../base/bytes.ts'
import { curves, keccak } from '../base/crypto.ts'
import { uncompressed } from '../base/curves.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { memberBranches, type Validator, type ValidatorSet, validatorsCommitment } from './validators.ts'
import { bitmapMembers, bitmapOf, type Domain, type Qc } from './vote.ts'

export const CheckpointErrors = defineErrors('CHECKPOINT', {
  CERTIFICATE: { text: (d: { height: number; reason: string }) => `no certificate of block ${d.height}: ${d.reason}` },
})

/** Members that the verifier of operator signatures takes. */
export const ECDSA_MEMBERS_MAX = 32

const uint = (value: bigint | number, sizeBytes: number): Uint8Array => {
  const out = new Uint8Array(sizeBytes)
  let rest = BigInt(value)
  for (let i = sizeBytes - 1; i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 0xffn)
  assert(rest === 0n, `${value} fits ${sizeBytes} bytes`)
  return out
}

/** For `BlsCheckpointVerifier`. Throws CHECKPOINT_CERTIFICATE where it is no CommitQC of this set; whether it holds `checkQc` says. */
export function encodeBlsCertificate(qc: Qc, set: ValidatorSet): Uint8Array {
  const signers = bitmapMembers(qc.bitmap, set.members.length)
  if (qc.type !== 'commit' || signers === null)
    throw new NodeError(CheckpointErrors.CERTIFICATE, {
      height: qc.height,
      reason: 'it is no CommitQC of these validators',
    })
  const { root, aggregateKey } = validatorsCommitment(set)
  const signed = new Set(signers)
  const absent = [...set.members.keys()].filter((i) => !signed.has(i))
  const branches = memberBranches(set, absent)
  return concat(
    uint(qc.round, 4),
    root,
    uint(set.powerTotal, 16),
    uncompressed(aggregateKey),
    uncompressed(qc.signature),
    ...absent.flatMap((place, i) => {
      const { address, power, blsKey } = set.members[place] as Validator
      const branch = branches[i] ?? []
      const sides = branch.reduce((bits, { side }, step) => (side === 'left' ? bits | (1 << step) : bits), 0)
      const hashes = branch.map(({ hash }) => hash)
      return [address, uint(power, 8), uncompressed(blsKey), uint(branch.length, 1), uint(sides, 2), ...hashes]
    }),
  )
}

const text = (value: string): Hash => keccak(new TextEncoder().encode(value))
const DOMAIN_TYPE = text('EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)')
/** EIP-712's hash of the type; the verifier of operator keys says it as CHECKPOINT_TYPEHASH. */
export const CHECKPOINT_TYPE_HASH = text('Checkpoint(uint64 height,bytes32 blockHash)')

/** What a validator's operator key signs (EIP-712) once a block is final, for `EcdsaCheckpointVerifier` on whatever chain. */
export function checkpointDigest(domain: Domain, block: { readonly height: number; readonly blockHash: Hash }): Hash {
  const separator = keccak(
    concat(DOMAIN_TYPE, text('NovaChain'), text('1'), uint(domain.chainId, 32), domain.genesisHash),
  )
  const struct = keccak(concat(CHECKPOINT_TYPE_HASH, uint(block.height, 32), block.blockHash))
  return keccak(concat(Uint8Array.of(0x19, 0x01), separator, struct))
}

/** An operator's signature of a digest: r ‖ s and the recovery bit. */
export type OperatorSignature = ReturnType<ReturnType<typeof curves>['sign']>

/** Whether the operator of this member made it. */
export function isOperatorSignature(
  digest: Hash,
  { signature, recovery }: OperatorSignature,
  member: Validator,
): boolean {
  const key = curves().recover(digest, signature.subarray(0, 32), signature.subarray(32), recovery)
  return key !== null && equalBytes(keccak(key).subarray(12), member.address)
}

/** For `EcdsaCheckpointVerifier`: signatures by place in the set, checked before. Throws CHECKPOINT_CERTIFICATE for a set it does not take. */
export function encodeEcdsaCertificate(
  height: number,
  set: ValidatorSet,
  signatures: ReadonlyMap<number, OperatorSignature>,
): Uint8Array {
  const { members } = set
  if (members.length > ECDSA_MEMBERS_MAX) {
    const reason = `${members.length} validators, and operator keys are checked for ${ECDSA_MEMBERS_MAX} at most`
    throw new NodeError(CheckpointErrors.CERTIFICATE, { height, reason })
  }
  const places = [...signatures.keys()].sort((a, b) => a - b)
  return concat(
    uint(members.length, 1),
    validatorsCommitment(set).aggregateKey,
    ...members.flatMap(({ address, blsKey, power }) => [address, blsKey, uint(power, 8)]),
    bitmapOf(places, members.length),
    ...places.map((place) => compact(signatures.get(place) as OperatorSignature)),
  )
}

/** EIP-2098: the recovery bit in the highest bit of s, which is low. */
const compact = ({ signature, recovery }: OperatorSignature): Uint8Array => {
  const out = signature.slice()
  out[32] = (out[32] as number) | (recovery << 7)
  return out
}
