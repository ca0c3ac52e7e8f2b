// What is bid for a unit of gas on an L1, first and again: pure, and shared by whoever sends there. Owns the step by which a
// transaction is replaced; what may be paid at most is the caller's.
import { maxBigint, minBigint, mulDivUp } from '../../chain/base/math.ts'

/** For a unit of gas. */
export interface FeeCaps {
  /** Tip included. */
  readonly maxFeeWei: bigint
  readonly maxTipWei: bigint
}

/** The least by which pools take a replacement everywhere: an eighth, rounded up. Some want a tenth. */
const raised = (wei: bigint): bigint => mulDivUp(wei, 9n, 8n)

/**
 * A first bid: twice the base fee, which lasts for six full blocks, and the tip. `over` is what may still wait with the same nonce. null where
 * that is above `mostWei`, or a block would not take what is.
 */
export function firstBid(
  { baseFeeWei, tipWei }: { readonly baseFeeWei: bigint; readonly tipWei: bigint },
  over: FeeCaps | null,
  mostWei: bigint,
): FeeCaps | null {
  const least = { fee: raised(over?.maxFeeWei ?? 0n), tip: raised(over?.maxTipWei ?? 0n) }
  const maxTipWei = maxBigint(tipWei, least.tip)
  if (baseFeeWei + maxTipWei > mostWei || least.fee > mostWei) return null
  return { maxFeeWei: minBigint(mostWei, maxBigint(2n * baseFeeWei + maxTipWei, least.fee)), maxTipWei }
}

/** Both caps raised by an eighth at least, and as far as the base fee went; null where that is above `mostWei`. */
export function raisedBid(before: FeeCaps, baseFeeWei: bigint, mostWei: bigint): FeeCaps | null {
  const maxTipWei = raised(before.maxTipWei)
  const least = maxBigint(raised(before.maxFeeWei), maxTipWei)
  if (least > mostWei) return null
  return { maxFeeWei: minBigint(mostWei, maxBigint(least, 2n * baseFeeWei + maxTipWei)), maxTipWei }
}
