// Integer money. Every division names its rounding.
import { assert } from './errors.ts'

export function mulDivDown(a: bigint, b: bigint, divisor: bigint): bigint {
  assert(a >= 0n && b >= 0n && divisor > 0n, 'mulDivDown takes no negative values')
  return (a * b) / divisor
}

export function mulDivUp(a: bigint, b: bigint, divisor: bigint): bigint {
  assert(a >= 0n && b >= 0n && divisor > 0n, 'mulDivUp takes no negative values')
  return (a * b + divisor - 1n) / divisor
}

export const minBigint = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const maxBigint = (a: bigint, b: bigint): bigint => (a > b ? a : b)
