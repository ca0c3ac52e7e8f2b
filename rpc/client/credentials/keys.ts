// Keys that sign credentials, and the verification methods that say so of their public halves. Owns the three curves and how each is
// written; knows no DID but as a prefix.
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concat } from '../../../chain/base/bytes.ts'
import { recoverAddress } from '../../../chain/base/crypto.ts'
import { isObject, type JsonObject } from './bounds.ts'
import { decodeBase58, decodeBase64url, encodeBase58 } from './multibase.ts'

/** JOSE's names. ES256K-R is ES256K with the recovery bit behind it: the key of an Ethereum account, of which only the address is known. */
export type Algorithm = 'EdDSA' | 'ES256K' | 'ES256K-R' | 'ES256'
export const isAlgorithm = (name: unknown): name is Algorithm =>
  name === 'EdDSA' || name === 'ES256K' || name === 'ES256K-R' || name === 'ES256'

export interface SigningKey {
  /** The DID URL of the verification method, `did:…#key`. */
  readonly id: string
  readonly algorithm: Algorithm
  /** Over the bytes themselves; hashing is the key's affair. 64 bytes, 65 for ES256K-R. */
  sign(bytes: Uint8Array): Promise<Uint8Array>
}

/** A key in memory, 32 bytes. Its public half goes into the DID's document before anybody can verify. */
export function signingKey(id: string, algorithm: Algorithm, secret: Uint8Array): SigningKey {
  const sign = async (bytes: Uint8Array): Promise<Uint8Array> => {
    switch (algorithm) {
      case 'EdDSA':
        return ed25519.sign(bytes, secret)
      case 'ES256':
        return p256.sign(bytes, secret)
      case 'ES256K':
        return secp256k1.sign(bytes, secret)
      case 'ES256K-R': {
        const recovered = secp256k1.sign(bytes, secret, { format: 'recovered' }) // the bit comes first
        return concat(recovered.subarray(1), recovered.subarray(0, 1))
      }
    }
  }
  return { id, algorithm, sign }
}

/** A verification method of type Multikey for a key of `signingKey`, as a DID's document has it. */
export function multikeyOf(id: string, algorithm: Exclude<Algorithm, 'ES256K-R'>, secret: Uint8Array): JsonObject {
  const publicKey = { EdDSA: ed25519, ES256: p256, ES256K: secp256k1 }[algorithm].getPublicKey(secret)
  const publicKeyMultibase = `z${encodeBase58(concat(Uint8Array.from(PREFIX[algorithm]), publicKey))}`
  return { id, type: 'Multikey', controller: id.split('#', 1)[0], publicKeyMultibase }
}

/** Multicodec's varints of public keys. */
const PREFIX = { EdDSA: [0xed, 0x01], ES256K: [0xe7, 0x01], ES256: [0x80, 0x24] } as const
export const digest = (bytes: Uint8Array): Uint8Array => sha256(bytes)

/** Whether the method's key made the signature with this algorithm. False for any that is of another kind, or not well-formed. */
export function verifySignature(
  method: JsonObject,
  algorithm: Algorithm,
  signed: { readonly bytes: Uint8Array; readonly signature: Uint8Array },
): boolean {
  const { bytes, signature } = signed
  try {
    const account = accountOf(method)
    if (account !== null) return isEcdsaK(algorithm) && recovers(account, bytes, signature)
    const key = publicKeyOf(method)
    if (key === null || (key.algorithm !== algorithm && !(key.algorithm === 'ES256K' && algorithm === 'ES256K-R')))
      return false
    switch (key.algorithm) {
      case 'EdDSA':
        return ed25519.verify(signature, bytes, key.bytes, { zip215: false })
      case 'ES256':
        return p256.verify(signature, bytes, key.bytes, { lowS: false })
      case 'ES256K':
        return secp256k1.verify(signature.subarray(0, 64), bytes, key.bytes, { lowS: false })
    }
  } catch {
    return false // the curves throw at points and lengths that are none
  }
}
const isEcdsaK = (algorithm: Algorithm): boolean => algorithm === 'ES256K' || algorithm === 'ES256K-R'

/** The address behind `eip155:1:0x…` of a key of which no more is known. */
const accountOf = ({ blockchainAccountId }: JsonObject): string | null =>
  typeof blockchainAccountId === 'string'
    ? (/^eip155:\d+:(0x[0-9a-fA-F]{40})$/.exec(blockchainAccountId)?.[1]?.toLowerCase() ?? null)
    : null
const recovers = (account: string, bytes: Uint8Array, signature: Uint8Array): boolean => {
  const bits = signature.length === 65 ? [signature[64]] : [0, 1]
  return bits.some((bit) => {
    if (bit !== 0 && bit !== 1) return false
    const address = recoverAddress(sha256(bytes), signature.subarray(0, 32), signature.subarray(32, 64), bit)
    return address !== null && bytesToHex(address) === account
  })
}

type PublicKey = { readonly algorithm: Exclude<Algorithm, 'ES256K-R'>; readonly bytes: Uint8Array }
/** Of `publicKeyMultibase` (with its codec in front) or `publicKeyJwk`; null for kinds that sign no credentials. */
export function publicKeyOf({ publicKeyMultibase, publicKeyJwk }: JsonObject): PublicKey | null {
  if (typeof publicKeyMultibase === 'string' && publicKeyMultibase.startsWith('z')) {
    const bytes = decodeBase58(publicKeyMultibase.slice(1))
    for (const algorithm of ['EdDSA', 'ES256K', 'ES256'] as const) {
      const [first, second] = PREFIX[algorithm]
      if (bytes?.[0] === first && bytes[1] === second) return { algorithm, bytes: bytes.subarray(2) }
    }
  }
  if (!isObject(publicKeyJwk)) return null
  const { crv, x, y } = publicKeyJwk
  if (typeof x !== 'string') return null
  if (crv === 'Ed25519') return { algorithm: 'EdDSA', bytes: decodeBase64url(x) }
  if (typeof y !== 'string') return null
  const bytes = concat(Uint8Array.of(4), decodeBase64url(x), decodeBase64url(y))
  if (crv === 'secp256k1') return { algorithm: 'ES256K', bytes }
  return crv === 'P-256' ? { algorithm: 'ES256', bytes } : null
}
