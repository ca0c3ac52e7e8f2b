// What a key says of itself and of its node, once, when its operator asks. Owns these digests; beside its votes a key signs nothing else.
import type { Address, Hash } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { type Domain, ownerPayload, readyPayload, SignType, signBytes } from '../chain/types/vote.ts'

/** What a key signs about itself when its operator asks: no vote has these type bytes either. Throws SIGNER_UNREACHABLE. */
export interface KeyHolder {
  /** 48 bytes. */
  readonly publicKey: Uint8Array
  /** That it is for the validator of this account, on this network: with that it enters. */
  own(operator: Address): Promise<Uint8Array>
  /** That its node has this block. */
  ready(height: number, blockHash: Hash, operator: Address): Promise<Uint8Array>
}
export const ownDigest = (domain: Domain, publicKey: Uint8Array, operator: Address): Hash =>
  signBytes(domain, SignType.pop, ownerPayload(publicKey, operator))
export const readyDigest = (domain: Domain, height: number, blockHash: Hash, operator: Address): Hash =>
  signBytes(domain, SignType.ready, readyPayload(height, blockHash, operator))

export function holderOf(secret: Uint8Array, domain: Domain): KeyHolder {
  const publicKey = curves().blsPublicKey(secret)
  return {
    publicKey,
    own: async (operator) => curves().blsSign(secret, ownDigest(domain, publicKey, operator)),
    ready: async (...block) => curves().blsSign(secret, readyDigest(domain, ...block)),
  }
}
