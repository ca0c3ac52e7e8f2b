// What is signed so that it can be spoken of in zero knowledge: eight numbers about a holder whom the issuer knows by a commitment, by EdDSA
// over Poseidon on BabyJubJub; and the Merkle trees of accepted issuers and of statuses. Owns what the circuit's hashes are over.
import { babyjubjub } from '@noble/curves/misc.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { poseidon1 } from 'poseidon-lite/poseidon1'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { poseidon5 } from 'poseidon-lite/poseidon5'
import { poseidon8 } from 'poseidon-lite/poseidon8'
import { bigintToFixed, bytesToBigint, concat } from '../../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../../chain/base/errors.ts'

export const ZkErrors = defineErrors('ZK', {
  INPUT: { text: (d: { reason: string }) => `this cannot be stated: ${d.reason}` },
  UNSAFE_KEY: {
    text: () =>
      'this verifying key is for development: whoever has the source can forge proofs under it; use a ceremony’s key',
  },
  PROOF: { text: (d: { reason: string }) => `no proof of a statement: ${d.reason}` },
})
const refuse = (reason: string): NodeError => new NodeError(ZkErrors.INPUT, { reason })

/** Of the circuit. */
export const zkLimits = { issuersDepth: 10, statusDepth: 13, claims: 8, wordBits: 128 } as const
/** Of the circuit's numbers. */
export const ZK_FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const U64 = 1n << 64n

export interface ZkKey {
  readonly x: bigint
  readonly y: bigint
}
export interface ZkCredential {
  /** The holder's commitment, which is all the issuer knows of the secret. */
  readonly subject: bigint
  /** Which credential it is, and so what the claims mean. */
  readonly schema: bigint
  /** Eight, below 2^64 each. */
  readonly claims: readonly bigint[]
  /** Seconds. */
  readonly validUntil: number
  /** Its index in the issuer's status list. */
  readonly statusIndex: number
  readonly issuer: ZkKey
  readonly signature: { readonly r8: ZkKey; readonly s: bigint }
}

/** What a holder gives an issuer: nobody finds the secret from it. The secret is any number below the field's order. */
export function zkSubject(secret: bigint): bigint {
  if (secret <= 0n || secret >= ZK_FIELD) throw refuse('a secret outside the field')
  return poseidon1([secret])
}

const { Point } = babyjubjub
const ORDER = Point.Fn.ORDER
const scalarOf = (secret: Uint8Array): bigint => (bytesToBigint(sha512(secret)) % (ORDER - 1n)) + 1n
const pointOf = (scalar: bigint): ZkKey => {
  const { x, y } = Point.BASE.multiply(scalar).toAffine()
  return { x, y }
}

/** The public key of a secret of 32 bytes, as the DID's document has it under type BabyJubJub. */
export const zkPublicKey = (secret: Uint8Array): ZkKey => pointOf(scalarOf(secret))

/** Throws ZK_INPUT. */
export function signZkCredential(
  statement: Omit<ZkCredential, 'issuer' | 'signature'>,
  secret: Uint8Array,
): ZkCredential {
  const message = zkMessage(statement)
  const key = scalarOf(secret)
  const issuer = pointOf(key)
  // As in RFC 8032: the nonce follows from the secret and the message, so none is ever used for two.
  const prefix = sha512(concat(secret, Uint8Array.of(1)))
  const nonce = (bytesToBigint(sha512(concat(prefix, bigintToFixed(message, 32)))) % (ORDER - 1n)) + 1n
  const r8 = pointOf(nonce)
  // circomlib multiplies the key by the cofactor, and the signer's scalar makes up for it.
  const challenge = poseidon5([r8.x, r8.y, issuer.x, issuer.y, message])
  const s = (nonce + challenge * 8n * key) % ORDER
  return { ...statement, issuer, signature: { r8, s } }
}

/** What is signed. Throws ZK_INPUT where the circuit would have no room for it. */
export const zkMessage = ({
  subject,
  schema,
  claims,
  validUntil,
  statusIndex,
}: Omit<ZkCredential, 'issuer' | 'signature'>) => {
  if (claims.length !== zkLimits.claims || claims.some((claim) => claim < 0n || claim >= U64))
    throw refuse('expected eight claims below 2^64')
  if (schema < 0n || schema >= ZK_FIELD || subject < 0n || subject >= ZK_FIELD)
    throw refuse('a number outside the field')
  if (!Number.isSafeInteger(validUntil) || validUntil < 0) throw refuse('validUntil is no time in seconds')
  const indices = 2 ** zkLimits.statusDepth * zkLimits.wordBits
  if (!Number.isInteger(statusIndex) || statusIndex < 0 || statusIndex >= indices) throw refuse('no such status index')
  return poseidon5([subject, schema, poseidon8([...claims]), BigInt(validUntil), BigInt(statusIndex)])
}

/** A Merkle tree of Poseidon over leaves, the rest of which are zero. */
export interface ZkTree {
  readonly root: bigint
  leaf(index: number): bigint
  path(index: number): readonly bigint[]
}
function treeOf(leaves: readonly bigint[], depth: number): ZkTree {
  if (leaves.length > 2 ** depth) throw refuse(`${leaves.length} leaves, at most ${2 ** depth}`)
  const zeros: bigint[] = [0n]
  const levels: (readonly bigint[])[] = [leaves]
  for (let level = 0; level < depth; level++) {
    const [below = [], zero = 0n] = [levels[level], zeros[level]]
    // Most of a status list is zero, and so are most of its subtrees.
    const empty = poseidon2([zero, zero])
    zeros.push(empty)
    levels.push(
      Array.from({ length: Math.ceil(below.length / 2) }, (_, i) => {
        const [left = zero, right = zero] = [below[2 * i], below[2 * i + 1]]
        return left === zero && right === zero ? empty : poseidon2([left, right])
      }),
    )
  }
  return {
    root: levels[depth]?.[0] ?? zeros[depth] ?? 0n,
    leaf: (index) => leaves[index] ?? 0n,
    path: (index) =>
      Array.from({ length: depth }, (_, level) => levels[level]?.[(index >> level) ^ 1] ?? zeros[level] ?? 0n),
  }
}
/** Issuers that a verifier accepts: of one it names, a tree of one. */
export const issuersTree = (keys: readonly ZkKey[]): ZkTree =>
  treeOf(
    keys.map(({ x, y }) => poseidon2([x, y])),
    zkLimits.issuersDepth,
  )
/** The bits of a status list, as anchored on chain and published (`decodeBitstring`), in words of 16 bytes. */
export const statusTree = (bits: Uint8Array): ZkTree =>
  treeOf(
    Array.from({ length: Math.ceil(bits.length / 16) }, (_, i) => bytesToBigint(bits.slice(16 * i, 16 * i + 16))),
    zkLimits.statusDepth,
  )
