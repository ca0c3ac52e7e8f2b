// Signatures that somebody else brings for a controller or an issuer. Owns the domain of the module, and what each of its structs ends with.
import type { Address } from '../../base/bytes.ts'
import type { AbiParam } from '../kit/abi.ts'
import { type Domain, digestOf, domainOf, RECOVER_GAS, signerOf as recover, type Terms } from '../kit/eip712.ts'
import type { DidCall } from './layout.ts'

/** Six for each word of text or bytes that is hashed. */
const HASH_WORD_GAS = 6
const SIGNATURE_BYTES = 65
const TAIL: readonly AbiParam[] = [
  ['nonce', 'uint32'],
  ['deadline', 'uint64'],
]

export const didDomain = (call: Pick<DidCall, 'at' | 'block'>): Domain => domainOf(call, 'NovaChain DID', '1')

/** Who signed the terms for this network, with this nonce, in time. */
export function signerOf(
  call: DidCall,
  terms: Terms,
  by: { readonly nonce: bigint; readonly deadline: bigint; readonly signature: Uint8Array },
): Address {
  const { nonce, deadline, signature } = by
  const time = BigInt(call.block.time)
  if (deadline < time) call.revert('SignatureExpired', { deadline, time })
  if (signature.length !== SIGNATURE_BYTES) call.revert('BadSignature', {})
  const dynamic = terms.values.reduce<number>((sum, value) => sum + sizeOf(value), 0)
  call.charge(RECOVER_GAS + HASH_WORD_GAS * Math.ceil(dynamic / 32))
  const { name, fields, values } = terms
  const signed = { name, fields: [...fields, ...TAIL], values: [...values, nonce, deadline] }
  const [r, s, v] = [signature.subarray(0, 32), signature.subarray(32, 64), BigInt(signature[64] ?? 0)]
  return recover(digestOf(didDomain(call), signed), { v, r, s }) ?? call.revert('BadSignature', {})
}
const sizeOf = (value: unknown): number =>
  typeof value === 'string' ? new TextEncoder().encode(value).length : value instanceof Uint8Array ? value.length : 0
