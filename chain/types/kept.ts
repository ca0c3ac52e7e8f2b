// What a node still has of its chain's past: from which height on, kind by kind. Owns their order and the error of what is gone.
import { defineErrors, NodeError } from '../base/errors.ts'

/**
 * Each needs those before it and is kept no longer: a receipt is shown with its transaction, logs are found in receipts, and all of them
 * stand in a block. A header comes with its certificate.
 */
export const PRUNABLE = ['headers', 'bodies', 'receipts', 'logs'] as const
export type Prunable = (typeof PRUNABLE)[number]
/** The lowest height that each is there from. The genesis block, which has nothing but a header, always is. */
export type Earliest = { readonly [K in Prunable]: number }

export const NOTHING_PRUNED: Earliest = { headers: 0, bodies: 0, receipts: 0, logs: 0 }

export const KeptErrors = defineErrors('HISTORY', {
  PRUNED: {
    rpc: 4444, // as execution-apis has it
    text: (d: { what: Prunable; height: number; earliest: number }) =>
      `pruned history unavailable: the ${d.what} of block ${d.height} are pruned; this node has them from block ${d.earliest} on, an archive node has all`,
  },
})

/** Throws HISTORY_PRUNED. */
export function requireKept(kept: Earliest, what: Prunable, height: number): void {
  if (height > 0 && height < kept[what]) throw new NodeError(KeptErrors.PRUNED, { what, height, earliest: kept[what] })
}

/** Nothing is kept longer than what it needs. */
export function inOrder(wanted: Earliest): Earliest {
  const bodies = Math.max(wanted.headers, wanted.bodies)
  const receipts = Math.max(bodies, wanted.receipts)
  return { headers: wanted.headers, bodies, receipts, logs: Math.max(receipts, wanted.logs) }
}
