// EIP-712 as native modules use it: what a signature that somebody else brings is over, and whose it is. Owns the domain of a module, how a
// struct is hashed, and which of a signature's spellings counts.
import { type Address, bigintToFixed, bytesToBigint, concat, type Hash } from '../../base/bytes.ts'
import { keccak, recoverAddress } from '../../base/crypto.ts'
import type { BlockContext } from '../../types/frame.ts'
import type { AbiParam } from './abi.ts'

/** ECRECOVER's price and what the hashes of domain and struct ask beside it; what a struct has of no fixed size pays for itself. */
export const RECOVER_GAS = 3_500

const hashOf = (text: string): Hash => keccak(new TextEncoder().encode(text))
const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)

const DOMAIN = hashOf('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)')

/** Where a signature counts: one module of one chain, and no other. */
export interface Domain {
  readonly name: string
  readonly version: string
  readonly chainId: bigint
  readonly at: Address
}
export const domainOf = (
  { at, block }: { readonly at: Address; readonly block: Pick<BlockContext, 'chainId'> },
  name: string,
  version: string,
): Domain => ({ name, version, chainId: block.chainId, at })
export const domainSeparator = ({ name, version, chainId, at }: Domain): Hash =>
  keccak(concat(DOMAIN, hashOf(name), hashOf(version), word(chainId), word(bytesToBigint(at))))
/** The domain as EIP-5267 answers it: all but salt and extensions. */
export const describeDomain = ({ name, version, chainId, at }: Domain) => ({
  fields: Uint8Array.of(0x0f),
  ...{ name, version, chainId, verifyingContract: at, salt: new Uint8Array(32), extensions: [] },
})

/** A struct that is signed: its name, and its fields by the types of an ABI, of which none is a list or a struct. */
export interface Terms {
  readonly name: string
  readonly fields: readonly AbiParam[]
  readonly values: readonly unknown[]
}
const fieldOf = (type: unknown, value: unknown): Uint8Array => {
  if (typeof value === 'bigint') return word(value)
  if (typeof value === 'string') return hashOf(value)
  const bytes = value as Uint8Array // the only other type that such fields have
  if (type === 'bytes') return keccak(bytes)
  return type === 'address' ? word(bytesToBigint(bytes)) : bytes
}
const structHash = ({ name, fields, values }: Terms): Hash => {
  const type = `${name}(${fields.map(([field, kind]) => `${kind} ${field}`).join(',')})`
  return keccak(concat(hashOf(type), ...values.map((value, i) => fieldOf(fields[i]?.[1], value))))
}
/** What is signed. */
export const digestOf = (domain: Domain, terms: Terms): Hash =>
  keccak(concat(Uint8Array.of(0x19, 0x01), domainSeparator(domain), structHash(terms)))

/** secp256k1's order, halved: above it each signature is another's twin. */
const S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
export const isTwin = (s: Uint8Array): boolean => bytesToBigint(s) > S_MAX

/** Who signed; null where nobody did. `v` is 27 or 28, and nothing else; `s` is no twin. */
export const signerOf = (
  digest: Hash,
  { v, r, s }: { readonly v: bigint; readonly r: Uint8Array; readonly s: Uint8Array },
): Address | null => {
  if (isTwin(s) || (v !== 27n && v !== 28n)) return null
  return recoverAddress(digest, r, s, v === 27n ? 0 : 1)
}
