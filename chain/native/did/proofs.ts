// Statements in zero knowledge about credentials (Groth16 over bn254): the verifying key that the genesis pins, the roots that statements are
// checked against, and the nullifiers that were shown. Owns the public signals' order and what the chain can tell of them by itself.
import { z } from 'zod'
import { bigintToFixed, bytesToHex, concat, type Hex } from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import { bnG1, bnPairing, refusalOf, type Stretches } from '../../base/curves.ts'
import { assert } from '../../base/errors.ts'
import type { Handlers } from '../kit/module.ts'
import type { abi } from './abi.ts'
import type { DidCall, DidCtx, DidStore, layout } from './layout.ts'
import { hasRole, ROLES } from './persons.ts'
import { mustFind } from './status.ts'
import { authorise } from './versions.ts'

type All = Handlers<typeof abi, typeof layout>
type Name =
  | ('anchorProofRoots' | 'presentProof' | 'verifyProof')
  | ('proofRoots' | 'presentationOf' | 'verifyingKeyHash')

/** Order of the group, and of the circuit's numbers; and of the field that coordinates are in. */
const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
const SIGNALS = 8
/** The one of EIP-197, by which every tool sets gamma. */
const GENERATOR_2 = [
  ...[
    11559732032986387107991004021392285783925812861821192530917403151452391805634n,
    10857046999023057135944570762232829481370756359578518086990519993285655852781n,
  ],
  ...[
    4082367875863433681332203403145435568316851327593401208105741076214120093531n,
    8495653923123431417604973247489272438418190587263600148770280649306958101930n,
  ],
]
/** keccak of the words of the key that `npm run gen:circuits` deals: everybody has its secrets. */
const DEVELOPMENT_KEY: Hex = '0xb4445e9f9d74cc8c75c31a940d1870f07cee6a7618852bd4cc018a6308d894dd'

/** Four pairings, three with second points that need no judging, and one sum of nine multiples: by the millisecond what EIP-1108 takes for pairings. */
const PROOF_GAS = 150_000
/** Seconds that a proof may be on its way. A time to come only says more: that the credential will not have expired by then. */
const AGE_MAX = 600n

const words = (values: readonly bigint[]): Uint8Array => concat(...values.map((value) => bigintToFixed(value, 32)))

/** The value of work that is short enough to be done at once. */
const atOnce = <T>(stretches: Stretches<T>): T => {
  const { done, value } = stretches.next()
  assert(done === true, 'a few points are one stretch')
  return value
}

// The words of a key as they lie in state: alpha, beta, delta and then a point for 1 and for each signal; coordinates as in EIP-197.
const [ALPHA, BETA, DELTA, POINTS] = [0, 2, 6, 10]
const KEY_WORDS = POINTS + 2 * (SIGNALS + 1)

/** Whether the proof holds under the key. False for whatever is no point or no number of the circuit. */
function holds(key: readonly bigint[], signals: readonly bigint[], proof: readonly bigint[]): boolean {
  // A number and itself plus the order are one to the circuit: only the smaller is a nullifier.
  if (signals.some((signal) => signal >= R) || proof.some((coordinate) => coordinate >= Q)) return false
  const [ax = 0n, ay = 0n] = proof
  const terms = [1n, ...signals].flatMap((scalar, i) => [...key.slice(POINTS + 2 * i, POINTS + 2 * i + 2), scalar])
  try {
    const sum = atOnce(bnG1.sumOfMultiples(words(terms)))
    const pairs = concat(
      words([ax, (Q - ay) % Q, ...proof.slice(2, 6)]),
      words(key.slice(ALPHA, DELTA)), // alpha and beta
      sum,
      words([...GENERATOR_2, ...proof.slice(6), ...key.slice(DELTA, POINTS)]),
    )
    return atOnce(bnPairing.isOne(pairs, 3)) // the key's were judged when it was pinned
  } catch (error) {
    if (refusalOf(error) !== null) return false
    throw error
  }
}

const number = z.string().regex(/^(0|[1-9]\d{0,76})$/, 'expected a decimal number of at most 77 digits')
const ONE = z.literal('1')
const first = z.tuple([number, number, ONE])
const second = z.tuple([z.tuple([number, number]), z.tuple([number, number]), z.tuple([ONE, z.literal('0')])])
/** As `snarkjs zkey export verificationkey` writes it; what else it writes follows from this. */
export const verifyingKey = z.object({
  protocol: z.literal('groth16'),
  curve: z.literal('bn128'),
  nPublic: z.literal(SIGNALS),
  vk_alpha_1: first,
  vk_beta_2: second,
  vk_gamma_2: second,
  vk_delta_2: second,
  IC: z.array(first).length(SIGNALS + 1),
  unsafe: z.string().optional(),
})
const firstOf = ([x, y]: z.output<typeof first>): bigint[] => [x, y].map(BigInt)
/** The imaginary halves come first here, and last in snarkjs. */
const secondOf = ([x, y]: z.output<typeof second>): bigint[] => [x[1], x[0], y[1], y[0]].map(BigInt)

/** Pins the key. Answers why it may not be, or null. */
export function putVerifyingKey(
  { store }: DidCtx,
  given: z.output<typeof verifyingKey>,
  isDevelopment: boolean,
): string | null {
  const points = given.IC.flatMap(firstOf)
  const delta = secondOf(given.vk_delta_2)
  const key = [...firstOf(given.vk_alpha_1), ...secondOf(given.vk_beta_2), ...delta, ...points]
  if (key.some((each) => each >= Q)) return 'a coordinate outside the field'
  if (secondOf(given.vk_gamma_2).some((each, i) => each !== GENERATOR_2[i])) return 'vk_gamma_2 is not the generator'
  const pairs = [key.slice(ALPHA, DELTA), [...key.slice(ALPHA, BETA), ...delta]]
  for (let at = 0; at < points.length; at += 2) pairs.push([...points.slice(at, at + 2), ...GENERATOR_2])
  if (pairs.some((pair) => [pair.slice(0, 2), pair.slice(2)].some((point) => point.every((each) => each === 0n))))
    return 'a point at infinity'
  try {
    for (const pair of pairs) atOnce(bnPairing.isOne(words(pair)))
  } catch (error) {
    const reason = refusalOf(error)
    if (reason === null) throw error
    return 'a point outside the curve or its subgroup'
  }
  const hash = keccak(words(key))
  if (!isDevelopment && (given.unsafe !== undefined || bytesToHex(hash) === DEVELOPMENT_KEY))
    return 'everybody can forge proofs under this development key; take a ceremony’s, or say "development": true'
  store.verifyingKeyHash.set(hash)
  for (const each of key) store.verifyingKey.push().set(each)
  return null
}

const keyOf = ({ store, revert }: DidCall): readonly bigint[] => {
  if (store.verifyingKey.length() !== KEY_WORDS) revert('NoVerifyingKey', {})
  return Array.from({ length: KEY_WORDS }, (_, i) => store.verifyingKey.item(i).get())
}

type Statement = Parameters<All['verifyProof']['run']>[1][0]
type Proof = Parameters<All['verifyProof']['run']>[1][1]
/** As the circuit has them. */
const signalsOf = (s: Statement): readonly bigint[] => [
  ...[s.nullifier, s.issuersRoot, s.statusRoot, s.schema, s.claimIndex, s.threshold, s.time, s.context],
]
const coordinatesOf = ({ a, b, c }: Proof): readonly bigint[] => [
  ...[a.x, a.y, b.xImaginary, b.xReal, b.yImaginary, b.yReal, c.x, c.y],
]
const rootsOf = (store: DidStore, listId: bigint) => {
  const { issuersRoot, statusRoot } = store.proofRoots.at(listId)
  return { issuersRoot: issuersRoot.get(), statusRoot: statusRoot.get() }
}

/** What the chain knows of the statement by itself: whose list it is, which roots count now, what time it is, who was here before. */
function check(call: DidCall, listId: bigint, statement: Statement): void {
  const { store, block, revert } = call
  const issuer = mustFind(call, listId).issuer.get()
  if (!hasRole(store, issuer, ROLES.credentials))
    revert('NotIssuer', { account: issuer, role: BigInt(ROLES.credentials) })
  const roots = rootsOf(store, listId)
  const isThese = roots.issuersRoot === statement.issuersRoot && roots.statusRoot === statement.statusRoot
  if (!isThese || roots.issuersRoot === 0n) revert('OtherRoots', { listId, ...roots })
  const time = BigInt(block.time)
  if (statement.time + AGE_MAX < time) revert('StatementTooOld', { given: statement.time, time })
  const { context, nullifier } = statement
  if (store.presentations.at(context).at(nullifier).time.get() !== 0n) revert('NullifierUsed', { context, nullifier })
}

export const proofs: Pick<All, Name> = {
  anchorProofRoots: {
    gas: 1_000,
    unpausable: true,
    run(call, [listId, issuersRoot, statusRoot]) {
      authorise(call, mustFind(call, listId).issuer.get(), call.caller)
      if ([issuersRoot, statusRoot].some((root) => root === 0n || root >= R))
        call.revert('BadList', { reason: 'roots: from 1 and below the order of the field' })
      const roots = call.store.proofRoots.at(listId)
      roots.issuersRoot.set(issuersRoot)
      roots.statusRoot.set(statusRoot)
      call.emit('ProofRootsAnchored', { listId, issuersRoot, statusRoot })
    },
  },
  presentProof: {
    gas: PROOF_GAS,
    run(call, [listId, statement, proof]) {
      const key = keyOf(call)
      check(call, listId, statement)
      if (!holds(key, signalsOf(statement), coordinatesOf(proof))) call.revert('ProofInvalid', {})
      const { context, nullifier, schema, claimIndex, threshold, time } = statement
      const row = call.store.presentations.at(context).at(nullifier)
      row.by.set(call.caller)
      row.time.set(BigInt(call.block.time))
      call.emit('ProofPresented', {
        ...{ context, nullifier, by: call.caller },
        ...{ listId, schema, claimIndex, threshold, time },
      })
    },
  },
  verifyProof: {
    gas: PROOF_GAS,
    run: (call, [statement, proof]) => holds(keyOf(call), signalsOf(statement), coordinatesOf(proof)),
  },
  proofRoots: {
    gas: 300,
    run(call, [listId]) {
      mustFind(call, listId)
      return rootsOf(call.store, listId)
    },
  },
  presentationOf: {
    gas: 300,
    run({ store }, [context, nullifier]) {
      const { by, time } = store.presentations.at(context).at(nullifier)
      return { by: by.get(), time: time.get() }
    },
  },
  verifyingKeyHash: { gas: 200, run: ({ store }) => store.verifyingKeyHash.get() },
}
