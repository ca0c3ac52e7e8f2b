// What became of the poster's transactions, as the L1's receipts say.
import type { L1, L1Receipt } from './l1.ts'
import type { Attempt, Paid, PosterRecord } from './record.ts'

interface Found {
  readonly attempt: Attempt
  readonly receipt: L1Receipt
}

/** The attempt that is in a block, one that succeeded before one that did not; null: none is. */
export async function foundIn(l1: Pick<L1, 'receipt'>, { attempts }: PosterRecord): Promise<Found | null> {
  let reverted: Found | null = null
  for (const attempt of attempts.toReversed()) {
    const receipt = await l1.receipt(attempt.hash)
    if (receipt?.isSuccess) return { attempt, receipt }
    if (receipt !== null) reverted ??= { attempt, receipt }
  }
  return reverted
}

export const paidOf = ({ payload }: PosterRecord, { attempt, receipt }: Found): Paid => ({
  ...{ tx: attempt.hash, callBytes: payload.length },
  ...{ gasUsed: receipt.gasUsed, gasPriceWei: receipt.gasPriceWei },
})
export const gasUsedOf = (paid: readonly Paid[]): bigint => paid.reduce((sum, { gasUsed }) => sum + gasUsed, 0n)
