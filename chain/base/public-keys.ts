// Whether bytes are a public key of some curve. Owns the encodings; beside `crypto.ts` because a node or a browser that asks for none of
// these curves need not load them. Always the portable library: what one node takes for a key, each must.
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { babyjubjub } from '@noble/curves/misc.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToBigint } from './bytes.ts'

export type KeyCurve = 'secp256k1' | 'ed25519' | 'p256' | 'bls12381G1' | 'bls12381G2' | 'babyJubJub'

interface Point {
  is0(): boolean
  isTorsionFree(): boolean
  assertValidity(): void
}
/** Bytes of an encoding, and its point; throws where there is none. */
const CURVES: {
  readonly [K in KeyCurve]: { readonly sizeBytes: number; readonly parse: (bytes: Uint8Array) => Point }
} = {
  secp256k1: { sizeBytes: 33, parse: (bytes) => secp256k1.Point.fromBytes(bytes) },
  ed25519: { sizeBytes: 32, parse: (bytes) => ed25519.Point.fromBytes(bytes) },
  p256: { sizeBytes: 33, parse: (bytes) => p256.Point.fromBytes(bytes) },
  bls12381G1: { sizeBytes: 48, parse: (bytes) => bls12_381.G1.Point.fromBytes(bytes) },
  bls12381G2: { sizeBytes: 96, parse: (bytes) => bls12_381.G2.Point.fromBytes(bytes) },
  babyJubJub: {
    sizeBytes: 64,
    parse: (bytes) =>
      babyjubjub.Point.fromAffine({ x: bytesToBigint(bytes.subarray(0, 32)), y: bytesToBigint(bytes.subarray(32)) }),
  },
}
export const keySizeBytes = (curve: KeyCurve): number => CURVES[curve].sizeBytes

/** The one encoding of a point of the prime-order group that is not zero. Costs 0.1 to 2.5 ms. */
export function isPublicKey(curve: KeyCurve, bytes: Uint8Array): boolean {
  const { sizeBytes, parse } = CURVES[curve]
  if (bytes.length !== sizeBytes) return false
  try {
    const point = parse(bytes)
    if (point.is0()) return false
    point.assertValidity()
    return point.isTorsionFree()
  } catch {
    return false
  }
}
