// The settlement contract's words: what is asked of it, how a batch is posted to it, and what its refusals mean. Owns the accumulator, which
// the contract and everybody else find alike.
import { type Address, asAddress, asHash, bytesToHex, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { AbiErrors, decodeNamed, encodeCall, encodeValues, selectorOf } from '../../chain/native/kit/abi.ts'
import { CHECKPOINT_TYPE_HASH } from '../../chain/types/checkpoint.ts'
import { abi as verifierAbi } from '../../contracts/settlement/ICheckpointVerifier.abi.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import { type L1, L1Errors } from './l1.ts'

export const SettlementErrors = defineErrors('SETTLEMENT', {
  VERIFIER: {
    text: (d: { settlement: Hex }) =>
      `the settlement contract ${d.settlement} asks for signatures of operators, and this node has no operator’s key to ask the others with: nothing is posted. Set rollup.operatorKeyFile to the account that bonded this validator`,
  },
})

/** The newest checkpoint that the contract holds. */
export interface Position {
  /** Of its batch; batches count from 1, 0 is genesis. */
  readonly seq: number
  readonly height: number
  readonly epoch: number
  readonly accumulator: Hash
  readonly blockHash: Hash
  readonly stateRoot: Hash
  readonly validatorsHash: Hash
}

/** What goes up with a batch. */
export interface Posting {
  readonly data: Uint8Array
  readonly checkpoint: { readonly header: Uint8Array; readonly section: Uint8Array }
  readonly certificate: Uint8Array
}

export interface Settlement {
  readonly address: Address
  /** The call whose answer is a position. */
  readonly question: Uint8Array
  /** Throws ABI_*: what no such contract answers. */
  position(answer: Uint8Array): Position
  /** The call that posts, and the accumulator that it leaves. */
  post(before: Position, posting: Posting): { readonly payload: Uint8Array; readonly accumulator: Hash }
  /** The call that supplies a part of a batch that is posted. */
  supply(seq: number, part: Uint8Array): Uint8Array
  /** A revert by its name and values. */
  explain(output: Uint8Array): string
}

export const createSettlement = (address: Address): Settlement => ({
  address,
  question: encodeCall(abi.functions.latest, []),
  position(answer) {
    const { settled } = decodeNamed(abi.functions.latest.outputs, answer)
    const { seq, height, epoch, accumulator, blockHash, stateRoot, validatorsHash } = settled
    return {
      ...{ seq: counted(seq), height: counted(height), epoch: counted(epoch) },
      ...{ accumulator: asHash(accumulator), blockHash: asHash(blockHash) },
      ...{ stateRoot: asHash(stateRoot), validatorsHash: asHash(validatorsHash) },
    }
  },
  post(before, { data, checkpoint, certificate }) {
    const seq = before.seq + 1
    const args = [BigInt(seq), before.accumulator, data, checkpoint, certificate] as const
    const accumulator = accumulatorOf(before.accumulator, {
      ...{ seq, dataHash: keccak(data), blockHash: keccak(checkpoint.header) },
    })
    return { payload: encodeCall(abi.functions.post, args), accumulator }
  },
  supply: (seq, part) => encodeCall(abi.functions.supply, [BigInt(seq), part]),
  explain(output) {
    const selector = selectorOf(output)
    const [name, error] =
      Object.entries({ ...verifierAbi.errors, ...abi.errors }).find(([, each]) => each.selector === selector) ?? []
    if (name === undefined || error === undefined) return `an unknown error ${bytesToHex(output.subarray(0, 4))}`
    const values = Object.entries(decodeNamed(error.inputs, output.subarray(4)))
    return `${name}(${values.map(([key, value]) => `${key} ${plain(value)}`).join(', ')})`
  },
})

/** No contract comes to more; what an endpoint makes up must not come as far as an assertion. */
const counted = (value: bigint): number => {
  if (value < BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
  throw new NodeError(AbiErrors.DECODE, { reason: `${value} batches, blocks or epochs` })
}

const ACCUMULATED = [
  ['previous', 'bytes32'],
  ['seq', 'uint64'],
  ['dataHash', 'bytes32'],
  ['blockHash', 'bytes32'],
] as const
/** Of genesis, before the first batch. */
export const NO_ACCUMULATOR: Hash = asHash(new Uint8Array(32))
/** After a batch, from the one before it. */
export const accumulatorOf = (
  previous: Hash,
  { seq, dataHash, blockHash }: { readonly seq: number; readonly dataHash: Hash; readonly blockHash: Hash },
): Hash => keccak(encodeValues(ACCUMULATED, [previous, BigInt(seq), dataHash, blockHash]))

const plain = (value: unknown): string => (value instanceof Uint8Array ? bytesToHex(value) : String(value))

const TYPE_QUESTION = keccak(new TextEncoder().encode('CHECKPOINT_TYPEHASH()')).subarray(0, 4)
/** Whose signatures a contract's verifier reads: those of consensus keys, or of operators. */
export type Scheme = 'bls' | 'ecdsa'
/** What a contract asks for at a block. Throws L1_* and ABI_* where it is not answered. */
export async function schemeOf(l1: Pick<L1, 'call'>, settlement: Address, at: Hash): Promise<Scheme> {
  const answer = await l1.call(settlement, encodeCall(abi.functions.verifier, []), at)
  const verifier = asAddress(decodeNamed(abi.functions.verifier.outputs, answer).current)
  const type = await l1.call(verifier, TYPE_QUESTION, at).catch((error: unknown) => {
    // Others have no such function, and revert.
    if (error instanceof NodeError && error.code === L1Errors.REFUSED.code) return null
    throw error
  })
  return type !== null && equalBytes(type, CHECKPOINT_TYPE_HASH) ? 'ecdsa' : 'bls'
}
