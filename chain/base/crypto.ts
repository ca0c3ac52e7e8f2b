// Hashes and signatures. Owns the installed implementation: wasm and noble by default, so that it runs in a browser; the
// node installs native ones from `crypto-native.ts`, which a test compares with these.
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { createKeccak } from 'hash-wasm'
import { type Address, asAddress, bytesToHex, concat, type Hash } from './bytes.ts'

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

/** tau in G2: element 1 of the second group's powers in Ethereum's trusted setup (EIP-4844). */
const TAU_G2 =
  'b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2'

/**
 * The point evaluation of EIP-4844: the polynomial of `commitment` is `y` at `z`. False for whatever is malformed. Two pairings
 * need one point of the trusted setup; the wasm library loads all 8,192, which takes it 13 s.
 */
export function verifyKzgProof(commitment: Uint8Array, z: Uint8Array, y: Uint8Array, proof: Uint8Array): boolean {
  const { G1, G2 } = bls12_381
  const scalars = [z, y].map((bytes) => BigInt(bytesToHex(bytes)))
  const [atZ, atY] = scalars
  if (atZ === undefined || atY === undefined || scalars.some((scalar) => scalar >= bls12_381.fields.Fr.ORDER))
    return false
  try {
    const points = [commitment, proof].map((bytes) => {
      const point = G1.Point.fromBytes(bytes)
      if (!point.is0()) point.assertValidity()
      return point
    })
    const [committed, quotient] = points
    if (committed === undefined || quotient === undefined) return false
    const left = committed.subtract(G1.Point.BASE.multiplyUnsafe(atY))
    const right = G2.Point.fromHex(TAU_G2).subtract(G2.Point.BASE.multiplyUnsafe(atZ))
    const pairs = [
      { g1: left, g2: G2.Point.BASE.negate() },
      { g1: quotient, g2: right },
    ].filter(({ g1, g2 }) => !g1.is0() && !g2.is0())
    const { Fp12 } = bls12_381.fields
    return pairs.length === 0 || Fp12.eql(bls12_381.pairingBatch(pairs), Fp12.ONE)
  } catch {
    return false
  }
}
