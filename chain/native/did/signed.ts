// EIP-712 of the module: what a signature that somebody else brings is over, and whose it is.
import { type Address, bigintToFixed, bytesToBigint, concat, type Hash } from '../../base/bytes.ts'
import { keccak, recoverAddress } from '../../base/crypto.ts'
import type { AbiParam } from '../kit/abi.ts'
import type { DidCall } from './layout.ts'

export const DOMAIN_NAME = 'NovaChain DID'
export const DOMAIN_VERSION = '1'
/** ECRECOVER's price, the fixed hashes, and six for each word that is hashed. */
const RECOVER_GAS = 3_500
const HASH_WORD_GAS = 6

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const hashOf = (text: string): Hash => keccak(utf8(text))
const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)

const DOMAIN = hashOf('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)')
const [NAME_HASH, VERSION_HASH] = [hashOf(DOMAIN_NAME), hashOf(DOMAIN_VERSION)]

const domainSeparator = ({ at, block }: DidCall): Hash =>
  keccak(concat(DOMAIN, NAME_HASH, VERSION_HASH, word(block.chainId), word(bytesToBigint(at))))

/** A struct that is signed: its name, and its fields by the types of an ABI. */
export interface Terms {
  readonly name: string
  readonly fields: readonly AbiParam[]
  readonly values: readonly unknown[]
}
/** What every signature ends with. */
const TAIL: readonly AbiParam[] = [
  ['nonce', 'uint32'],
  ['deadline', 'uint64'],
]
const fieldOf = (value: unknown): Uint8Array => {
  if (typeof value === 'bigint') return word(value)
  if (typeof value === 'string') return hashOf(value)
  const bytes = value as Uint8Array // the only other type that the interface's arguments have
  return bytes.length === 20 ? word(bytesToBigint(bytes)) : bytes
}
const structHash = ({ name, fields, values }: Terms): Hash => {
  const type = `${name}(${fields.map(([field, kind]) => `${kind} ${field}`).join(',')})`
  const encoded = values.map(
    (value, i) => (fields[i]?.[1] === 'bytes' ? keccak(value as Uint8Array) : fieldOf(value)), // `bytes` by its type
  )
  return keccak(concat(hashOf(type), ...encoded))
}

/** secp256k1's order, halved: above it each signature is another's twin. */
const S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
const SIGNATURE_BYTES = 65

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
  const signed = structHash({ name, fields: [...fields, ...TAIL], values: [...values, nonce, deadline] })
  const digest = keccak(concat(Uint8Array.of(0x19, 0x01), domainSeparator(call), signed))
  const [r, s, v] = [signature.subarray(0, 32), signature.subarray(32, 64), signature[64]]
  if (bytesToBigint(s) > S_MAX || (v !== 27 && v !== 28)) call.revert('BadSignature', {})
  return recoverAddress(digest, r, s, v === 27 ? 0 : 1) ?? call.revert('BadSignature', {})
}
const sizeOf = (value: unknown): number =>
  typeof value === 'string' ? utf8(value).length : value instanceof Uint8Array ? value.length : 0
