// BLS signatures as both implementations see them: every case here runs on blst and on its portable twin, and they must agree.
import { PublicKey, Signature } from '@chainsafe/blst'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from './bytes.ts'
import { type BlsJob, type Curves, createKeyCache, keccak, portableCurves } from './crypto.ts'
import { nativeCurves } from './crypto-native.ts'

const secrets = Array.from({ length: 6 }, (_, i) => Uint8Array.of(0, ...keccak(Uint8Array.of(i)).subarray(1)))
const keys = secrets.map((secret) => nativeCurves.blsPublicKey(secret))
const messages = Array.from({ length: 3 }, (_, i) => keccak(Uint8Array.of(100, i)))
const message = messages[0] as Uint8Array
const sign = (signer: number, text = message): Uint8Array => nativeCurves.blsSign(secrets[signer] as Uint8Array, text)
const key = (signer: number): Uint8Array => keys[signer] as Uint8Array
const job = (signer: number, text = message): BlsJob => ({
  keys: [key(signer)],
  message: text,
  signature: sign(signer, text),
})
const sum = (signers: readonly number[], text = message): BlsJob => ({
  keys: signers.map(key),
  message: text,
  signature: nativeCurves.blsAggregate(signers.map((signer) => sign(signer, text))),
})

const INFINITE_KEY = Uint8Array.of(0xc0, ...new Uint8Array(47))
const INFINITE_SIGNATURE = Uint8Array.of(0xc0, ...new Uint8Array(95))
/** The first x with a point on the curve; hardly any of those lie in the subgroup, and these do not. */
const strayPoint = (sizeBytes: number, parse: (bytes: Uint8Array, isChecked: boolean) => unknown): Uint8Array => {
  for (let x = 1; ; x++) {
    const bytes = Uint8Array.of(0x80, ...new Uint8Array(sizeBytes - 2), x)
    try {
      parse(bytes, false)
    } catch {
      continue
    }
    expect(() => parse(bytes, true)).toThrow()
    return bytes
  }
}
const STRAY_KEY = strayPoint(48, (bytes, isChecked) => PublicKey.fromBytes(bytes, isChecked))
const STRAY_SIGNATURE = strayPoint(96, (bytes, isChecked) => Signature.fromBytes(bytes, isChecked))
const NEGATED_KEY = bls12_381.G1.Point.fromBytes(key(0)).negate().toBytes(true)
/** Another ciphersuite: without the proof of possession. */
const FOREIGN_SIGNATURE = (() => {
  const bls = bls12_381.longSignatures
  const hashed = bls.hash(message, 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_')
  return bls.Signature.toBytes(bls.sign(hashed, secrets[0] as Uint8Array))
})()

const BAD: readonly (readonly [string, BlsJob])[] = [
  ['no keys', { ...job(0), keys: [] }],
  ['no keys and an infinite signature', { keys: [], message, signature: INFINITE_SIGNATURE }],
  ['another key', { ...job(0), keys: [key(1)] }],
  ['another message', { ...job(0), message: messages[1] as Uint8Array }],
  ['one signer too few', { ...sum([0, 1, 2]), keys: [key(0), key(1)] }],
  ['one signer twice', { ...sum([0, 1]), keys: [key(0), key(1), key(1)] }],
  ['an empty signature', { ...job(0), signature: new Uint8Array(0) }],
  ['zeros', { ...job(0), signature: new Uint8Array(96) }],
  ['ones', { ...job(0), signature: new Uint8Array(96).fill(0xff) }],
  ['a cut signature', { ...job(0), signature: sign(0).subarray(0, 95) }],
  ['a long signature', { ...job(0), signature: Uint8Array.of(...sign(0), 0) }],
  ['an infinite signature', { ...job(0), signature: INFINITE_SIGNATURE }],
  ['a signature outside the subgroup', { ...job(0), signature: STRAY_SIGNATURE }],
  ['another ciphersuite', { ...job(0), signature: FOREIGN_SIGNATURE }],
  ['an infinite key', { ...job(0), keys: [INFINITE_KEY] }],
  ['an infinite key with an infinite signature', { keys: [INFINITE_KEY], message, signature: INFINITE_SIGNATURE }],
  ['an infinite key among good ones', { ...sum([0, 1]), keys: [key(0), key(1), INFINITE_KEY] }],
  ['keys that cancel out', { keys: [key(0), NEGATED_KEY], message, signature: INFINITE_SIGNATURE }],
  ['keys that cancel out, signed', { ...job(0), keys: [key(0), NEGATED_KEY] }],
  ['a key outside the subgroup', { ...job(0), keys: [STRAY_KEY] }],
  ['a cut key', { ...job(0), keys: [key(0).subarray(0, 47)] }],
  ['a key of zeros', { ...job(0), keys: [new Uint8Array(48)] }],
]
const GOOD: readonly (readonly [string, BlsJob])[] = [
  ['one signer', job(0)],
  ['three signers', sum([0, 1, 2])],
  ['one signer who signed twice', { ...sum([0, 0]), keys: [key(0), key(0)] }],
]

const single = (curves: Curves, each: BlsJob): boolean => curves.blsVerify(each.keys, each.message, each.signature)
const company = [job(3), sum([4, 5], messages[1]), job(5, messages[2]), job(4)]

for (const [name, curves] of [
  ['blst', nativeCurves],
  ['portable', portableCurves],
] as const) {
  test.each(GOOD)(`${name}: %s verifies, alone and among others`, async (_, good) => {
    expect(single(curves, good)).toBe(true)
    expect(curves.blsVerifyAll([good])).toBe(true)
    expect(curves.blsVerifyAll([...company, good])).toBe(true)
    expect(await curves.blsVerifyAllAsync([good])).toBe(true)
    expect(await curves.blsVerifyAllAsync([...company, good])).toBe(true)
  })

  test.each(BAD)(`${name}: %s does not verify, alone or among others, and nothing is thrown`, async (_, bad) => {
    expect(single(curves, bad)).toBe(false)
    expect(curves.blsVerifyAll([bad])).toBe(false)
    expect(curves.blsVerifyAll([...company, bad])).toBe(false)
    expect(await curves.blsVerifyAllAsync([bad])).toBe(false)
    expect(await curves.blsVerifyAllAsync([bad, ...company])).toBe(false)
  })

  test(`${name}: faults that cancel out in a plain sum do not in a batch`, async () => {
    // Each holds the other's signature: their sum is right, neither is.
    const swapped = [
      { ...job(0), signature: sign(1) },
      { ...job(1), signature: sign(0) },
    ]
    expect(single(curves, sum([0, 1]))).toBe(true)
    expect(curves.blsVerifyAll(swapped)).toBe(false)
    expect(await curves.blsVerifyAllAsync(swapped)).toBe(false)
  })

  test(`${name}: nor do faults that cancel out over different messages`, async () => {
    const { Point } = bls12_381.G2
    const [a, b] = [job(0), job(1, messages[1])]
    const shifted = [
      { ...a, signature: Point.fromBytes(a.signature).add(Point.BASE).toBytes(true) },
      { ...b, signature: Point.fromBytes(b.signature).subtract(Point.BASE).toBytes(true) },
    ]
    expect(curves.blsVerifyAll([a, b])).toBe(true)
    expect(curves.blsVerifyAll(shifted)).toBe(false)
    expect(await curves.blsVerifyAllAsync(shifted)).toBe(false)
  })

  test(`${name}: nothing to verify holds`, async () => {
    expect(curves.blsVerifyAll([])).toBe(true)
    expect(await curves.blsVerifyAllAsync([])).toBe(true)
  })

  test(`${name}: more messages than are paired in one go`, async () => {
    const many = Array.from({ length: 11 }, (_, i) => job(i % 6, keccak(Uint8Array.of(200, i))))
    expect(await curves.blsVerifyAllAsync(many)).toBe(true)
    expect(await curves.blsVerifyAllAsync([...many.slice(0, 10), { ...job(0), signature: sign(1) }])).toBe(false)
  })

  // From the consensus specification tests of Ethereum (bls12-381-tests): sign_case and fast_aggregate_verify.
  test(`${name}: known answers`, () => {
    const secret = hexToBytes('0x263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3')
    const zeros = new Uint8Array(32)
    const publicKey = curves.blsPublicKey(secret)
    const signature = curves.blsSign(secret, zeros)
    expect(bytesToHex(publicKey)).toBe(
      '0xa491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20fd6e10c1b77654d067c0618f6e5a7f79a',
    )
    expect(bytesToHex(signature)).toBe(
      '0xb6ed936746e01f8ecf281f020953fbf1f01debd5657c4a383940b020b26507f6076334f91e2366c96e9ab279fb5158090352ea1c5b0c9274504f4f0e7053af24802e51e4568d164fe986834f41e55c8e850ce1f98458c0cfc9ab380b55285a55',
    )
    expect(curves.blsVerify([publicKey], zeros, signature)).toBe(true)
  })
}

test('blst and its twin agree on random bytes in place of keys and signatures', async () => {
  // Valid encodings with one bit turned as well as noise, so that what is asked goes beyond the first look at the bytes.
  const turned = (bytes: Uint8Array) =>
    fc.nat(bytes.length * 8 - 1).map((bit) => {
      const out = bytes.slice()
      out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7))
      return out
    })
  const noise = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(turned(key(0)), noise(48)),
      fc.oneof(turned(sign(0)), noise(96)),
      async (oddKey, oddSignature) => {
        for (const each of [
          { ...job(0), keys: [oddKey] },
          { ...job(0), signature: oddSignature },
        ]) {
          const verdict = single(nativeCurves, each)
          expect(single(portableCurves, each)).toBe(verdict)
          expect(nativeCurves.blsVerifyAll([each, job(1)])).toBe(verdict)
          expect(portableCurves.blsVerifyAll([each, job(1)])).toBe(verdict)
          expect(await nativeCurves.blsVerifyAllAsync([each, job(1)])).toBe(verdict)
        }
      },
    ),
    { numRuns: 25 },
  )
})

test('a key is parsed once, by its array and by its bytes; the oldest of 4,096 goes first; a bad one is asked again', () => {
  const parsed: string[] = []
  const cached = createKeyCache((bytes) => {
    parsed.push(bytesToHex(bytes))
    if (bytes[0] === 9) throw new RangeError('no point')
    return { bytes }
  })
  const numbered = (i: number): Uint8Array => Uint8Array.of(1, i >> 8, i & 255)
  const first = numbered(0)
  expect(cached(first)).toBe(cached(numbered(0)))
  expect(parsed).toHaveLength(1)
  for (let i = 1; i < 4_096; i++) cached(numbered(i))
  cached(numbered(0)) // used again, so it outlives number 1
  cached(numbered(4_096))
  cached(numbered(0))
  expect(parsed).toHaveLength(4_097)
  cached(numbered(1))
  expect(parsed).toHaveLength(4_098)
  for (const _ of [1, 2]) expect(() => cached(Uint8Array.of(9))).toThrow('no point')
  expect(parsed).toHaveLength(4_100)
})
