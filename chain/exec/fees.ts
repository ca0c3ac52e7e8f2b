// The base fee of the next block (EIP-1559) and where each wei of a fee goes. Pure integer arithmetic; nothing is lost.
import { maxBigint, mulDivDown } from '../base/math.ts'
import type { Header } from '../types/block.ts'
import type { FeeSplit, Genesis } from '../types/genesis.ts'

/** EIP-1559 with the network's own denominator and elasticity; 8 and 2 are Ethereum's. */
export function nextBaseFee(
  parent: Pick<Header, 'baseFeeWei' | 'gasUsed' | 'gasLimit'>,
  rules: Pick<Genesis['fees'], 'baseFeeDenominator' | 'elasticity'>,
): bigint {
  const target = parent.gasLimit / BigInt(rules.elasticity)
  const denominator = BigInt(rules.baseFeeDenominator)
  if (parent.gasUsed === target) return parent.baseFeeWei
  if (parent.gasUsed > target) {
    const delta = mulDivDown(parent.baseFeeWei, parent.gasUsed - target, target) / denominator
    return parent.baseFeeWei + maxBigint(delta, 1n)
  }
  return parent.baseFeeWei - mulDivDown(parent.baseFeeWei, target - parent.gasUsed, target) / denominator
}

/** Splits what a transaction paid as base fee. The shares round down and the rest burns, so that they sum to the whole. */
export function splitBaseFee(
  feeWei: bigint,
  split: FeeSplit,
): {
  readonly recipientWei: bigint
  readonly stakersWei: bigint
  readonly treasuryWei: bigint
  readonly burntWei: bigint
} {
  const recipientWei = mulDivDown(feeWei, BigInt(split.recipientBps), 10_000n)
  const stakersWei = mulDivDown(feeWei, BigInt(split.stakersBps), 10_000n)
  const treasuryWei = mulDivDown(feeWei, BigInt(split.treasuryBps), 10_000n)
  return { recipientWei, stakersWei, treasuryWei, burntWei: feeWei - recipientWei - stakersWei - treasuryWei }
}
