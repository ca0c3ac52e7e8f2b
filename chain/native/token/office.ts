// What other modules ask of a token's book, and decide in it: `resources` supply, cap and minters, `bridge` what comes in and leaves. Owns no check of
// who may.
import { type Address, asAddress } from '../../base/bytes.ts'
import type { TokenCtx } from './layout.ts'

const NOBODY: Address = asAddress(new Uint8Array(20))

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

/** Makes tokens of `to`, who is somebody; the supply stays a word. */
export const issue = ({ store, emit }: TokenCtx, to: Address, value: bigint): void => {
  store.totalSupply.update((supply) => supply + value)
  store.balances.at(to).update((balance) => balance + value)
  emit('Transfer', { from: NOBODY, to, value })
}
/** Destroys them. Where `from` has less, `refuse` ends the call with what it has. */
export const retire = (
  { store, emit }: TokenCtx,
  from: Address,
  value: bigint,
  refuse: (balance: bigint) => void,
): void => {
  const own = store.balances.at(from)
  const balance = own.get()
  if (balance < value) refuse(balance)
  own.set(balance - value)
  store.totalSupply.update((supply) => supply - value)
  emit('Transfer', { from, to: NOBODY, value })
}
