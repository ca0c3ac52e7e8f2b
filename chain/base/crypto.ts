// Hashes and signatures. Owns the installed implementation: wasm and noble by default, so that it runs in a browser; the
// node installs native ones from `crypto-native.ts`, which a test compares with these.
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { createKeccak } from 'hash-wasm'
import { type Address, asAddress, concat, type Hash } from './bytes.ts'

const hasher = await createKeccak(256)

/** keccak-256, synchronous: 0.7 us for 32 bytes in wasm against 5 us in plain JavaScript. */
export function keccak(data: Uint8Array): Hash {
  hasher.init()
  hasher.update(data)
  return hasher.digest('binary') as Hash
}

export const KECCAK_EMPTY = keccak(new Uint8Array(0))
/** keccak(rlp([])): the ommers hash of every block. */
export const KECCAK_EMPTY_LIST = keccak(Uint8Array.of(0xc0))
/** keccak(rlp('')): the root of an empty trie. */
export const EMPTY_ROOT = keccak(Uint8Array.of(0x80))

/** Signature operations that have a native twin. Messages are 32-byte digests. */
export interface Curves {
  /** 64-byte uncompressed public key without its 0x04, or null where no key fits. */
  recover(digest: Uint8Array, r: Uint8Array, s: Uint8Array, recovery: 0 | 1): Uint8Array | null
  /** r ‖ s (low s, RFC 6979) and the recovery bit. */
  sign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recovery: 0 | 1 }
  publicKey(privateKey: Uint8Array): Uint8Array
  blsPublicKey(secret: Uint8Array): Uint8Array
  blsSign(secret: Uint8Array, message: Uint8Array): Uint8Array
  /** One message signed by every key: verifies against the sum of the keys. False for anything malformed. */
  blsVerify(publicKeys: readonly Uint8Array[], message: Uint8Array, signature: Uint8Array): boolean
  blsAggregate(signatures: readonly Uint8Array[]): Uint8Array
  blsAggregateKeys(publicKeys: readonly Uint8Array[]): Uint8Array
}

/** Ciphersuite of proof-of-possession BLS, signatures in G2 (draft-irtf-cfrg-bls-signature-05). */
export const BLS_DST = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'
const bls = bls12_381.longSignatures

const portable: Curves = {
  recover(digest, r, s, recovery) {
    try {
      const sig = secp256k1.Signature.fromBytes(concat(r, s)).addRecoveryBit(recovery)
      return sig.recoverPublicKey(digest).toBytes(false).slice(1)
    } catch {
      return null
    }
  },
  sign(digest, privateKey) {
    const out = secp256k1.sign(digest, privateKey, { prehash: false, format: 'recovered', lowS: true })
    return { signature: out.slice(1), recovery: out[0] === 1 ? 1 : 0 }
  },
  publicKey: (privateKey) => secp256k1.getPublicKey(privateKey, false).slice(1),
  blsPublicKey: (secret) => bls.getPublicKey(secret).toBytes(true),
  blsSign: (secret, message) => bls.Signature.toBytes(bls.sign(bls.hash(message, BLS_DST), secret)),
  blsVerify(publicKeys, message, signature) {
    try {
      const key = bls.aggregatePublicKeys(publicKeys.map((bytes) => bls12_381.G1.Point.fromBytes(bytes)))
      return bls.verify(bls.Signature.fromBytes(signature), bls.hash(message, BLS_DST), key)
    } catch {
      return false
    }
  },
  blsAggregate: (signatures) =>
    bls.Signature.toBytes(bls.aggregateSignatures(signatures.map((bytes) => bls.Signature.fromBytes(bytes)))),
  blsAggregateKeys: (publicKeys) =>
    bls.aggregatePublicKeys(publicKeys.map((bytes) => bls12_381.G1.Point.fromBytes(bytes))).toBytes(true),
}

let installed: Curves = portable
/** Called once by `node/main.ts` and by each worker. */
export function installCurves(curves: Curves): void {
  installed = curves
}
export const portableCurves = portable
export const curves = (): Curves => installed

/** Last 20 bytes of keccak of a 64-byte public key. */
export const publicKeyToAddress = (key: Uint8Array): Address => asAddress(keccak(key).subarray(12))

/** The signer's address, or null where the signature fits no key. */
export function recoverAddress(digest: Uint8Array, r: Uint8Array, s: Uint8Array, recovery: 0 | 1): Address | null {
  const key = installed.recover(digest, r, s, recovery)
  return key === null ? null : publicKeyToAddress(key)
}
