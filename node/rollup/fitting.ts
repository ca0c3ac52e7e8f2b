// A batch made to fit into transactions: cut to fewer blocks while the L1 would not take it, and one block into parts. Owns what a transaction of
// the L1 may be; when one is sent, and for how much, is `poster.ts`'s.
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { splitBatch } from './batch.ts'
import { BatchErrors } from './columns.ts'
import type { Batch, BatchSource } from './poster.ts'
import type { BatchFacts } from './record.ts'
import type { Position, Posting, Scheme, Settlement } from './settlement.ts'

export const FittingErrors = defineErrors('FITTING', {
  TOO_LARGE: {
    text: (d: { height: number; sizeBytes: number; gas: bigint | null }) =>
      `the batch from height ${d.height} on needs a transaction of ${d.sizeBytes} bytes${d.gas === null ? '' : ` and ${d.gas} gas`}, above ${LIMITS.transactionBytes} bytes or ${LIMITS.transactionGas} gas that the L1 takes, and cannot be made smaller`,
  },
})

/** Of a transaction on Polygon, which takes less than a block does. */
export const LIMITS = { transactionGas: 16_777_216n, transactionBytes: 131_072 } as const
/** No batch is cut smaller. */
const BATCH_MIN_BYTES = 1_024

export interface FittingDeps {
  readonly source: Pick<BatchSource, 'next' | 'certify'>
  readonly settlement: Pick<Settlement, 'post'>
  /** Bytes of the signed transaction that calls the contract with this. */
  readonly sizeOf: (payload: Uint8Array) => Promise<number>
  /** What it takes on the live node, with slack; null: the contract refuses it. */
  readonly gasOf: (payload: Uint8Array, facts: BatchFacts) => Promise<bigint | null>
}

/** What is posted of a batch, and what is supplied after it. */
export interface Fitted {
  readonly first: Posting
  readonly others: readonly Uint8Array[]
  readonly facts: BatchFacts
  readonly gasLimit: bigint
}
/** The same before it has a certificate. */
interface Cut {
  readonly batch: Batch
  readonly data: Uint8Array
  readonly others: readonly Uint8Array[]
}

/**
 * As the L1 takes it: what is supplied is less of a call than what is posted. null: the contract refuses it; `unsigned`: this much of it would fit
 * and lacks signatures. Throws FITTING_TOO_LARGE, and what a source and the L1 throw.
 */
export async function fitted(
  deps: FittingDeps,
  of: { readonly batch: Batch; readonly after: Position; readonly batchBytes: number; readonly scheme: Scheme },
): Promise<Fitted | { readonly unsigned: Batch } | null> {
  const { batch, after, batchBytes, scheme } = of
  let cut: Cut = { batch, data: batch.data, others: [] }
  for (let bytes = batchBytes; ; ) {
    const { facts, checkpoint, data: whole } = cut.batch
    const certificate = await deps.source.certify(facts.lastHeight, scheme)
    if (certificate === null) return { unsigned: cut.batch }
    const first = { data: cut.data, checkpoint, certificate }
    const { payload } = deps.settlement.post(after, first)
    const sizeBytes = await deps.sizeOf(payload)
    const isShort = sizeBytes <= LIMITS.transactionBytes
    // Of what no transaction holds endpoints refuse to say the gas.
    const gasLimit = isShort ? await deps.gasOf(payload, facts) : null
    if (isShort && gasLimit === null) return null
    if (gasLimit !== null && gasLimit <= LIMITS.transactionGas) return { first, others: cut.others, facts, gasLimit }
    const isUncut = isOneBlock(facts) && cut.others.length === 0 && whole.length > bytes
    bytes = isUncut ? bytes : Math.floor(bytes / 2)
    const smaller = await cutTo(deps, cut.batch, { after, bytes })
    if (smaller === null)
      throw new NodeError(FittingErrors.TOO_LARGE, { height: facts.firstHeight, sizeBytes, gas: gasLimit })
    cut = smaller
  }
}

/** In transactions with so many bytes of the batch; null: it cannot be. */
const cutTo = async (
  { source }: FittingDeps,
  batch: Batch,
  { after, bytes }: { readonly after: Position; readonly bytes: number },
): Promise<Cut | null> => {
  if (bytes < BATCH_MIN_BYTES) return null
  if (!isOneBlock(batch.facts)) {
    const fewer = await source.next(after, bytes)
    return fewer === null ? null : { batch: fewer, data: fewer.data, others: [] }
  }
  const parts = partsIn(batch.data, bytes)
  if (parts === null) return null
  const [data = batch.data, ...others] = parts
  return { batch, data, others }
}

const isOneBlock = ({ firstHeight, lastHeight }: BatchFacts): boolean => firstHeight === lastHeight
/** null: more parts than a first one names. */
const partsIn = (data: Uint8Array, maxBytes: number): readonly Uint8Array[] | null => {
  try {
    return splitBatch(data, maxBytes)
  } catch (error) {
    if (error instanceof NodeError && error.code === BatchErrors.LIMIT.code) return null
    throw error
  }
}
