// Inputs that the precompiles of Osaka accept, one or more for each, from which tests make those they refuse. Owns no expectations: one
// implementation is compared with another.
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { bn254 } from '@noble/curves/bn254.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bigintToFixed, concat } from '../../chain/base/bytes.ts'
import type { Dice } from './dice.ts'

const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)
const words = (...values: readonly bigint[]): Uint8Array => concat(...values.map(word))
const none = new Uint8Array(0)
const digest = sha256(Uint8Array.of(1, 2, 3))
const secret = new Uint8Array(32).fill(7)

const ecrecover = (): Uint8Array => {
  const signature = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' })
  return concat(digest, word(27n + BigInt(signature[0] ?? 0)), signature.subarray(1))
}
const p256Verify = (): Uint8Array => {
  const key = p256.getPublicKey(secret, false)
  return concat(digest, p256.sign(digest, secret, { prehash: false }), key.subarray(1))
}
const modexp = (dice: Dice): Uint8Array => {
  const sizes = [0, 1, 2, 8, 31, 32, 33, 40, 64, 100]
  const [base, exponent, modulus] = [dice.pick(sizes), dice.pick(sizes), dice.pick(sizes)]
  return concat(words(BigInt(base), BigInt(exponent), BigInt(modulus)), dice.bytes(base + exponent + modulus))
}
const blake2f = (dice: Dice): Uint8Array =>
  concat(Uint8Array.of(0, 0, 0, dice.below(20)), dice.bytes(208), Uint8Array.of(dice.below(2)))

const g1 = (point: typeof bn254.G1.Point.BASE): Uint8Array => {
  const { x, y } = point.toAffine()
  return words(x, y)
}
const g2 = (point: typeof bn254.G2.Point.BASE): Uint8Array => {
  const { x, y } = point.toAffine()
  return words(x.c1, x.c0, y.c1, y.c0)
}
const { BASE: G1 } = bn254.G1.Point
const { BASE: G2 } = bn254.G2.Point

const fp = (value: bigint): Uint8Array => bigintToFixed(value, 64)
const blsG1 = (point: typeof bls12_381.G1.Point.BASE): Uint8Array => {
  const { x, y } = point.toAffine()
  return concat(fp(x), fp(y))
}
const blsG2 = (point: typeof bls12_381.G2.Point.BASE): Uint8Array => {
  const { x, y } = point.toAffine()
  return concat(...[x.c0, x.c1, y.c0, y.c1].map(fp))
}
const { BASE: B1 } = bls12_381.G1.Point
const { BASE: B2 } = bls12_381.G2.Point

/** The polynomial 0: its commitment and every proof are the point at infinity. */
const pointEvaluation = (): Uint8Array => {
  const infinity = concat(Uint8Array.of(0xc0), new Uint8Array(47))
  const hash = sha256(infinity)
  hash[0] = 1
  return concat(hash, word(5n), word(0n), infinity, infinity)
}

export const GOOD: readonly (readonly [number, (dice: Dice) => Uint8Array])[] = [
  [0x01, ecrecover],
  [0x02, (dice) => dice.bytes(dice.below(100))],
  [0x03, (dice) => dice.bytes(dice.below(100))],
  [0x04, (dice) => dice.bytes(dice.below(100))],
  [0x05, modexp],
  [0x06, () => concat(g1(G1), g1(G1.double()))],
  [0x07, (dice) => concat(g1(G1), dice.bytes(32))],
  [0x08, (dice) => (dice.chance(0.2) ? none : concat(g1(G1), g2(G2), g1(G1.negate()), g2(G2)))],
  [0x09, blake2f],
  [0x0a, pointEvaluation],
  [0x0b, () => concat(blsG1(B1), blsG1(B1.double()))],
  [0x0c, (dice) => concat(blsG1(B1), dice.bytes(32), blsG1(B1.double()), dice.bytes(32))],
  [0x0d, () => concat(blsG2(B2), blsG2(B2.double()))],
  [0x0e, (dice) => concat(blsG2(B2), dice.bytes(32))],
  [0x0f, () => concat(blsG1(B1), blsG2(B2), blsG1(B1.negate()), blsG2(B2))],
  [0x10, (dice) => concat(new Uint8Array(17), dice.bytes(47))],
  [0x11, (dice) => concat(new Uint8Array(17), dice.bytes(47), new Uint8Array(17), dice.bytes(47))],
  [0x100, p256Verify],
]

/** A precompile and what it is asked: mostly something it accepts, else that with a byte turned, cut short, or with more behind it. */
export function precompileCall(dice: Dice): { readonly number: number; readonly input: Uint8Array } {
  // Pairings cost milliseconds; a sixth of the draws is enough of them.
  const drawn = dice.chance(0.7) ? GOOD.filter(([number]) => ![0x08, 0x0a, 0x0e, 0x0f].includes(number)) : GOOD
  const [number, make] = dice.pick(drawn)
  const input = make(dice)
  if (dice.chance(0.6) || input.length === 0) return { number, input }
  if (dice.chance(0.3)) return { number, input: input.subarray(0, dice.below(input.length)) }
  if (dice.chance(0.3)) return { number, input: concat(input, dice.bytes(1 + dice.below(40))) }
  const turned = input.slice()
  turned[dice.below(turned.length)] = dice.below(256)
  return { number, input: turned }
}
