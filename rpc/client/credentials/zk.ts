// Statements in zero knowledge about credentials: proving and verifying (Groth16). Owns what goes into the circuit,
// `contracts/circuits/credential.circom`, in which order; what is signed is `zk-credential.ts`.
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { curves, type Groth16Proof, groth16 } from 'snarkjs'
import { NodeError } from '../../../chain/base/errors.ts'
import { ZK_FIELD, type ZkCredential, ZkErrors, type ZkTree, zkLimits, zkMessage, zkSubject } from './zk-credential.ts'

const refuse = (reason: string): NodeError => new NodeError(ZkErrors.INPUT, { reason })

/** What the verifier asks, all of it public. */
export interface ZkQuestion {
  readonly issuersRoot: bigint
  readonly statusRoot: bigint
  readonly schema: bigint
  /** Which of the eight claims, and at least how much of it. */
  readonly claimIndex: number
  readonly threshold: bigint
  /** Seconds. */
  readonly now: number
  /** For what: one holder has one nullifier in each context. */
  readonly context: bigint
}
export interface ZkProof {
  readonly proof: Groth16Proof
  readonly nullifier: bigint
}
/** The compiled circuit and a proving key, as files or bytes. */
export interface ZkArtifacts {
  readonly wasm: string | Uint8Array
  readonly zkey: string | Uint8Array
}

/** The circuit's public signals, in its order. */
export const zkSignals = (question: ZkQuestion, nullifier: bigint): readonly string[] =>
  [
    nullifier,
    ...[question.issuersRoot, question.statusRoot, question.schema, question.claimIndex],
    ...[question.threshold, question.now, question.context],
  ].map(String)

/**
 * The statement and the proof as `verifyProof` and `presentProof` of the did module take them. Throws ZK_INPUT where a coordinate is no number.
 */
export function zkArguments({ now, claimIndex, ...rest }: ZkQuestion, { proof, nullifier }: ZkProof) {
  const numberOf = (text: string | undefined): bigint => {
    if (text === undefined || !DECIMAL.test(text)) throw refuse('a coordinate of the proof is no number')
    return BigInt(text)
  }
  const first = ([x, y]: readonly string[]) => ({ x: numberOf(x), y: numberOf(y) })
  const [x = [], y = []] = proof.pi_b
  return [
    { ...rest, nullifier, claimIndex: BigInt(claimIndex), time: BigInt(now) },
    {
      a: first(proof.pi_a),
      b: { xImaginary: numberOf(x[1]), xReal: numberOf(x[0]), yImaginary: numberOf(y[1]), yReal: numberOf(y[0]) },
      c: first(proof.pi_c),
    },
  ] as const
}

/** The circuit's inputs. Throws ZK_INPUT where the statement is not true, so that nobody waits for a proof that cannot be. */
export function zkInput(
  question: ZkQuestion,
  held: {
    readonly secret: bigint
    readonly credential: ZkCredential
    readonly issuers: { readonly tree: ZkTree; readonly index: number }
    readonly statuses: ZkTree
  },
): Readonly<Record<string, unknown>> {
  const { secret, credential, issuers, statuses } = held
  const { claims, validUntil, statusIndex, issuer, signature } = credential
  if (zkSubject(secret) !== credential.subject) throw refuse('the credential is about another')
  if (question.schema !== credential.schema) throw refuse('the credential is of another schema')
  const claim = claims[question.claimIndex]
  if (claim === undefined || claim < question.threshold) throw refuse('the claim is below the threshold')
  if (question.now >= validUntil) throw refuse('the credential has expired')
  if (
    issuers.tree.root !== question.issuersRoot ||
    issuers.tree.leaf(issuers.index) !== poseidon2([issuer.x, issuer.y])
  )
    throw refuse('the issuer is not accepted')
  if (statuses.root !== question.statusRoot) throw refuse('another status list is asked for')
  const word = statusIndex >> 7
  const bit = BigInt(zkLimits.wordBits - 1 - (statusIndex & 127))
  if ((statuses.leaf(word) >> bit) & 1n) throw refuse('the credential is revoked')
  zkMessage(credential)
  return {
    ...question,
    ...{ secret, claims, validUntil, statusIndex, issuerIndex: issuers.index, statusWord: statuses.leaf(word) },
    issuerKey: [issuer.x, issuer.y],
    signature: [signature.r8.x, signature.r8.y, signature.s],
    issuerSiblings: issuers.tree.path(issuers.index),
    statusSiblings: statuses.path(word),
  }
}

/** `progress` hears from 0 to 1. Seconds of work on this thread: `zk-worker.ts` does it on another. Throws ZK_PROOF. */
export async function proveZk(
  input: Readonly<Record<string, unknown>>,
  artifacts: ZkArtifacts,
  progress: (done: number) => void = () => {},
): Promise<ZkProof> {
  let steps = 0
  const debug = (): void => progress(Math.min(++steps / STEPS, 0.99))
  const logger = { debug, info: debug, warn: debug, error: debug }
  const plain = JSON.parse(
    JSON.stringify(input, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  )
  const { wasm, zkey } = artifacts
  const made = await groth16
    .fullProve(plain, wasm, zkey, logger, undefined, { singleThread: true })
    .catch((cause: unknown) => {
      const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
      throw new NodeError(ZkErrors.PROOF, { reason }, { cause })
    })
  progress(1)
  return { proof: made.proof, nullifier: BigInt(made.publicSignals[0] ?? 0) }
}
/** As long as a number of 256 bits at most: what is longer is no number here. */
const DECIMAL = /^\d{1,78}$/
/** What coordinates of points are in. */
const ZK_BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
/** What the prover says on its way, about as often for each proof. */
const STEPS = 60

/**
 * Whether the proof answers the question, under this verifying key. False for whatever is malformed. Whoever relies on it remembers the
 * nullifier of each context, or one proof would count often. Throws ZK_UNSAFE_KEY for a development key in any other network.
 */
export async function verifyZk(
  key: Readonly<Record<string, unknown>>,
  question: ZkQuestion,
  { proof, nullifier }: ZkProof,
  { network = 'live' }: { readonly network?: 'live' | 'development' } = {},
): Promise<boolean> {
  if ('unsafe' in key && network !== 'development') throw new NodeError(ZkErrors.UNSAFE_KEY, undefined)
  const signals = zkSignals(question, nullifier)
  // A number and itself plus the order are one to the circuit: only one of them is a nullifier.
  if (signals.some((signal) => !/^\d+$/.test(signal) || BigInt(signal) >= ZK_FIELD)) return false
  // The library reduces coordinates, so that one proof could be written in many ways; on chain there is one.
  if (
    [proof.pi_a, ...proof.pi_b, proof.pi_c].flat().some((each) => !DECIMAL.test(each) || BigInt(each) >= ZK_BASE_FIELD)
  )
    return false
  await quiet()
  return groth16.verify(key, signals, proof).catch(() => false)
}

/**
 * The library starts a thread for each core to verify one proof, and they keep a process from ending. It takes the curve that lies here
 * instead, if there is one.
 */
const quiet = async (): Promise<void> => {
  const shared = globalThis as { curve_bn128?: unknown }
  shared.curve_bn128 ??= await curves.getCurveFromName('bn128', { singleThread: true })
}
