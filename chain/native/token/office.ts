// What `resources` asks of a token's book, and decides in it: supply, cap and minters. Owns no check of who may.
import type { Address } from '../../base/bytes.ts'
import type { TokenCtx } from './layout.ts'

export const balanceOf = ({ store }: TokenCtx, account: Address): bigint => store.balances.at(account).get()
export const supplyOf = ({ store }: TokenCtx): bigint => store.totalSupply.get()
export const capOf = ({ store }: TokenCtx): bigint => store.cap.get()
export const setCap = ({ store }: TokenCtx, cap: bigint): void => store.cap.set(cap)
export const isMinter = ({ store }: TokenCtx, account: Address): boolean => store.minters.at(account).get()
/** False where it was so before. */
export const setMinter = ({ store }: TokenCtx, account: Address, may: boolean): boolean => {
  const minter = store.minters.at(account)
  if (minter.get() === may) return false
  minter.set(may)
  return true
}
