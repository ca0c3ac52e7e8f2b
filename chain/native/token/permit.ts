// Approvals by signature (EIP-2612) under a token's own EIP-712 domain (EIP-5267). Owns what is signed, and whose a signature is.
import { type Address, bigintToFixed, bytesToBigint, concat, equalBytes, type Hash } from '../../base/bytes.ts'
import { keccak, recoverAddress } from '../../base/crypto.ts'
import type { Positional } from '../kit/abi.ts'
import type { abi } from './abi.ts'
import type { TokenCall } from './layout.ts'
import { approve } from './ledger.ts'

/** Of the domain. */
export const VERSION = '1'

const hashOf = (text: string): Hash => keccak(new TextEncoder().encode(text))
const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)
const padded = (address: Address): Uint8Array => concat(new Uint8Array(12), address)

const DOMAIN = hashOf('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)')
const PERMIT = hashOf('Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)')
const VERSION_HASH = hashOf(VERSION)

/** Recovery and seven hashes: ECRECOVER's 3,000 and what KECCAK256 asks for as many words. */
export const PERMIT_GAS = 3_500

export const domainSeparator = ({ at, block }: Pick<TokenCall, 'at' | 'block'>, name: string): Hash =>
  keccak(concat(DOMAIN, hashOf(name), VERSION_HASH, word(block.chainId), padded(at)))

/** secp256k1's order, halved: above it each signature is another's twin. */
const S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/** Throws the errors of OpenZeppelin's ECDSA, for v other than 27 and 28 too. */
const signerOf = (call: TokenCall, digest: Hash, v: bigint, r: Uint8Array, s: Uint8Array): Address => {
  if (bytesToBigint(s) > S_MAX) call.revert('ECDSAInvalidSignatureS', { s })
  const signer = v === 27n || v === 28n ? recoverAddress(digest, r, s, v === 27n ? 0 : 1) : null
  return signer ?? call.revert('ECDSAInvalidSignature', {})
}

export const permit = (
  call: TokenCall,
  name: string,
  [owner, spender, value, deadline, v, r, s]: Positional<(typeof abi)['functions']['permit']['inputs']>,
): void => {
  if (BigInt(call.block.time) > deadline) call.revert('ERC2612ExpiredSignature', { deadline })
  const next = call.store.nonces.at(owner)
  const nonce = next.get()
  next.set(nonce + 1n)
  const terms = keccak(concat(PERMIT, padded(owner), padded(spender), word(value), word(nonce), word(deadline)))
  const digest = keccak(concat(Uint8Array.of(0x19, 0x01), domainSeparator(call, name), terms))
  const signer = signerOf(call, digest, v, r, s)
  if (!equalBytes(signer, owner)) call.revert('ERC2612InvalidSigner', { signer, owner })
  approve(call, owner, spender, value)
}
