// What words, logs and slots cost a call of a module: SLOAD and SSTORE as EIP-2200, 2929 and 3529 have them.

export const WORD_GAS = 3
/** Of an argument that is a list, beside it: each word becomes a value of its own, some 0.5 us, before the function can look how many there are. */
export const LIST_WORD_GAS = 20
const LOG_GAS = 375
const LOG_BYTE_GAS = 8
/** Of a log with so many topics and bytes. */
export const logGas = (topics: number, bytes: number): number => LOG_GAS * (1 + topics) + LOG_BYTE_GAS * bytes

export const COLD_SLOT = 2_100
export const WARM_SLOT = 100
const SET_FROM_ZERO = 20_000
const SET_AGAIN = 2_900
const CLEAR_REFUND = 4_800n
/** Where no more than this is left nothing is written. */
export const STIPEND = 2_300n

/** The word that says whether a scope is paused: every call of the block reads it, so it is warm for all, as the fee recipient is (EIP-3651). */
export const PAUSE_GAS = WARM_SLOT

/** `original`: before this transaction. */
export const writeGas = (original: bigint, before: bigint, after: bigint): number =>
  before !== original || after === before ? WARM_SLOT : original === 0n ? SET_FROM_ZERO : SET_AGAIN

export const refundOf = (original: bigint, before: bigint, after: bigint): bigint => {
  if (before === original) return original !== 0n && after === 0n ? CLEAR_REFUND : 0n
  const cleared = original === 0n ? 0n : before === 0n ? -CLEAR_REFUND : after === 0n ? CLEAR_REFUND : 0n
  if (after !== original) return cleared
  return cleared + BigInt((original === 0n ? SET_FROM_ZERO : SET_AGAIN) - WARM_SLOT)
}
