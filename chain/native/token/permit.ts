// Approvals by signature (EIP-2612) under a token's own EIP-712 domain (EIP-5267). Owns what is signed, and the refusals in OpenZeppelin's words.
import { type Address, equalBytes, type Hash } from '../../base/bytes.ts'
import type { AbiParam, Positional } from '../kit/abi.ts'
import { type Domain, digestOf, domainOf, isTwin, RECOVER_GAS, signerOf as recover } from '../kit/eip712.ts'
import type { abi } from './abi.ts'
import type { TokenCall } from './layout.ts'
import { approve } from './ledger.ts'

/** Of the domain. */
export const VERSION = '1'
export const PERMIT_GAS = RECOVER_GAS

const FIELDS: readonly AbiParam[] = [
  ['owner', 'address'],
  ['spender', 'address'],
  ['value', 'uint256'],
  ['nonce', 'uint256'],
  ['deadline', 'uint256'],
]

export const tokenDomain = (call: Pick<TokenCall, 'at' | 'block'>, name: string): Domain =>
  domainOf(call, name, VERSION)

/** Throws the errors of OpenZeppelin's ECDSA, for v other than 27 and 28 too. */
const signerOf = (call: TokenCall, digest: Hash, v: bigint, r: Uint8Array, s: Uint8Array): Address => {
  if (isTwin(s)) call.revert('ECDSAInvalidSignatureS', { s })
  return recover(digest, { v, r, s }) ?? call.revert('ECDSAInvalidSignature', {})
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
  const terms = { name: 'Permit', fields: FIELDS, values: [owner, spender, value, nonce, deadline] }
  const signer = signerOf(call, digestOf(tokenDomain(call, name), terms), v, r, s)
  if (!equalBytes(signer, owner)) call.revert('ERC2612InvalidSigner', { signer, owner })
  approve(call, owner, spender, value)
}
