// Hashes and signatures. Owns the installed implementation: wasm and noble by default, so that it runs in a browser; the
// node installs native ones from `crypto-native.ts`, which a test compares with these.
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Address, asAddress, bytesToBigint, bytesToHex, concat } from './bytes.ts'
import { assert } from './errors.ts'
import { keccak } from './keccak.ts'

export { keccak }

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
  /**
   * One message signed by every key: verifies against the sum of the keys. False for anything malformed, outside the subgroup or
   * infinite, and for no keys.
   */
  blsVerify(publicKeys: readonly Uint8Array[], message: Uint8Array, signature: Uint8Array): boolean
  /**
   * Whether `blsVerify` holds for every job, as one batch: sums weighted by chance, so that each is proven alone and faults cannot
   * cancel out. A false "yes" has a chance of 2^-64, a false "no" none. Costs a pairing for each distinct message and one more.
   */
  blsVerifyAll(jobs: readonly BlsJob[]): boolean
  /** The same; where the implementation can, most of the work leaves the thread, and no stretch on it is longer than some ms. */
  blsVerifyAllAsync(jobs: readonly BlsJob[]): Promise<boolean>
  /** Their signatures were verified before. */
  blsAggregate(signatures: readonly Uint8Array[]): Uint8Array
  blsAggregateKeys(publicKeys: readonly Uint8Array[]): Uint8Array
}

/** "All these keys signed this message": the signature is the sum of theirs. */
export interface BlsJob {
  readonly keys: readonly Uint8Array[]
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Jobs by message, in order of first appearance. */
export const jobsByMessage = (jobs: readonly BlsJob[]): readonly (readonly BlsJob[])[] => [
  ...Map.groupBy(jobs, ({ message }) => bytesToHex(message)).values(),
]

/** Validator keys whose curve points are kept: several of the largest sets. */
const KEYS_MAX = 4_096

/**
 * Public keys as points, parsed and checked once. Keys of a set are always the same arrays, so those are found without hashing;
 * nobody changes their bytes. What `parse` throws is not kept.
 */
export function createKeyCache<Point extends object>(parse: (key: Uint8Array) => Point): (key: Uint8Array) => Point {
  const byArray = new WeakMap<Uint8Array, Point>()
  const byBytes = new Map<string, Point>()
  return (key) => {
    const known = byArray.get(key)
    if (known !== undefined) return known
    const name = bytesToHex(key)
    const point = byBytes.get(name) ?? parse(key)
    byBytes.delete(name)
    byBytes.set(name, point)
    const [oldest] = byBytes.keys()
    if (byBytes.size > KEYS_MAX && oldest !== undefined) byBytes.delete(oldest)
    byArray.set(key, point)
    return point
  }
}

/** Ciphersuite of proof-of-possession BLS, signatures in G2 (draft-irtf-cfrg-bls-signature-05). */
export const BLS_DST = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'
const bls = bls12_381.longSignatures

const { G1, G2 } = bls12_381
type G1Point = typeof G1.Point.BASE
type G2Point = typeof G2.Point.BASE
const keyOf = createKeyCache((bytes) => {
  const point = G1.Point.fromBytes(bytes) // checks the subgroup
  assert(!point.is0(), 'a key is not infinity')
  return point
})
const keySum = (keys: readonly Uint8Array[]): G1Point => {
  const sum = bls.aggregatePublicKeys(keys.map(keyOf)) // throws where there are none
  assert(!sum.is0(), 'keys do not cancel out')
  return sum
}
const signatureOf = (bytes: Uint8Array): G2Point => {
  const point = G2.Point.fromBytes(bytes)
  assert(!point.is0(), 'a signature is not infinity')
  return point
}

/**
 * Weights of a batch: 128 bits each, drawn by hash from all there is to verify (Fiat-Shamir), so that whoever makes a signature
 * cannot know its weight before, and this file needs no source of chance.
 */
const weightsOf = (jobs: readonly BlsJob[]): bigint[] => {
  const seed = keccak(
    concat(...jobs.flatMap(({ keys, message, signature }) => [keccak(concat(...keys)), message, signature])),
  )
  return jobs.map((_, i) => {
    const place = new Uint8Array(4)
    new DataView(place.buffer).setUint32(0, i)
    return bytesToBigint(keccak(concat(seed, place)).subarray(0, 16)) | 1n
  })
}

const verifyAll = (jobs: readonly BlsJob[]): boolean => {
  try {
    const weights = new Map(weightsOf(jobs).map((weight, i) => [jobs[i], weight]))
    const weigh = <P extends { multiplyUnsafe(scalar: bigint): P }>(point: P, job: BlsJob): P =>
      point.multiplyUnsafe(weights.get(job) ?? 1n)
    let sum = G2.Point.ZERO
    for (const job of jobs) sum = sum.add(weigh(signatureOf(job.signature), job))
    const pairs = jobsByMessage(jobs).map((group) => ({
      g1: group.reduce((keys, job) => keys.add(weigh(keySum(job.keys), job)), G1.Point.ZERO),
      g2: bls.hash((group[0] as BlsJob).message, BLS_DST),
    }))
    const { Fp12 } = bls12_381.fields
    return Fp12.eql(bls12_381.pairingBatch([...pairs, { g1: G1.Point.BASE.negate(), g2: sum }]), Fp12.ONE)
  } catch {
    return false
  }
}

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
      return bls.verify(signatureOf(signature), bls.hash(message, BLS_DST), keySum(publicKeys))
    } catch {
      return false
    }
  },
  blsVerifyAll: (jobs) => jobs.length === 0 || verifyAll(jobs),
  blsVerifyAllAsync: async (jobs) => jobs.length === 0 || verifyAll(jobs),
  blsAggregate: (signatures) =>
    bls.Signature.toBytes(bls.aggregateSignatures(signatures.map((bytes) => bls.Signature.fromBytes(bytes)))),
  blsAggregateKeys: (publicKeys) => bls.aggregatePublicKeys(publicKeys.map(keyOf)).toBytes(true),
}

let installed: Curves = portable
/** Called once by each process and by each worker, through `node/curves.ts`. */
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
export const TAU_G2 =
  'b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2'

/**
 * The point evaluation of EIP-4844: the polynomial of `commitment` is `y` at `z`. False for whatever is malformed. Two pairings
 * need one point of the trusted setup; the wasm library loads all 8,192, which takes it 13 s.
 */
export function verifyKzgProof(commitment: Uint8Array, z: Uint8Array, y: Uint8Array, proof: Uint8Array): boolean {
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
