// The book of one resource token: who has what, who may spend it, how much there is. Refuses what OpenZeppelin's ERC20 (5.x) refuses, in
// its order and its words. Called by the token's own functions, and by `resources` for what moves without an allowance.
import { type Address, asAddress, equalBytes } from '../../base/bytes.ts'
import type { TokenCall, TokenCtx } from './layout.ts'

const NOBODY: Address = asAddress(new Uint8Array(20))
export const isNobody = (account: Address): boolean => equalBytes(account, NOBODY)
/** The greatest number of a word; as an allowance it has no end. */
export const WORD_MAX = 2n ** 256n - 1n

/** `to` is somebody. Where `from` has less, `refuse` ends the call with what it has. */
export const move = (
  { store, emit }: TokenCtx,
  { from, to, value }: { readonly from: Address; readonly to: Address; readonly value: bigint },
  refuse: (balance: bigint) => void,
): void => {
  const own = store.balances.at(from)
  const balance = own.get()
  if (balance < value) refuse(balance)
  own.set(balance - value)
  const theirs = store.balances.at(to)
  theirs.set(theirs.get() + value) // no more than the supply, which is a word
  emit('Transfer', { from, to, value })
}

export const transfer = (call: TokenCall, from: Address, to: Address, value: bigint): true => {
  if (isNobody(from)) call.revert('ERC20InvalidSender', { sender: from })
  if (isNobody(to)) call.revert('ERC20InvalidReceiver', { receiver: to })
  move(call, { from, to, value }, (balance) =>
    call.revert('ERC20InsufficientBalance', { sender: from, balance, needed: value }),
  )
  return true
}

const setAllowance = (call: TokenCall, owner: Address, spender: Address, value: bigint): void => {
  if (isNobody(owner)) call.revert('ERC20InvalidApprover', { approver: owner })
  if (isNobody(spender)) call.revert('ERC20InvalidSpender', { spender })
  call.store.allowances.at(owner).at(spender).set(value)
}
export const approve = (call: TokenCall, owner: Address, spender: Address, value: bigint): void => {
  setAllowance(call, owner, spender, value)
  call.emit('Approval', { owner, spender, value })
}
/** Takes it out of what the caller may spend of `owner`'s. */
export const spendAllowance = (call: TokenCall, owner: Address, value: bigint): void => {
  const { caller: spender } = call
  const allowed = call.store.allowances.at(owner).at(spender).get()
  if (allowed === WORD_MAX) return
  if (allowed < value) call.revert('ERC20InsufficientAllowance', { spender, allowed, needed: value })
  setAllowance(call, owner, spender, allowed - value)
}

export const mint = (call: TokenCall, to: Address, value: bigint): void => {
  if (isNobody(to)) call.revert('ERC20InvalidReceiver', { receiver: to })
  const { totalSupply, cap } = call.store
  const increasedSupply = totalSupply.get() + value
  if (increasedSupply > WORD_MAX) call.overflow()
  const maximum = cap.get()
  if (increasedSupply > maximum) call.revert('ERC20ExceededCap', { increasedSupply, maximum })
  totalSupply.set(increasedSupply)
  call.store.balances.at(to).update((balance) => balance + value)
  call.emit('Transfer', { from: NOBODY, to, value })
}

export const burn = (call: TokenCall, from: Address, value: bigint): void => {
  if (isNobody(from)) call.revert('ERC20InvalidSender', { sender: from })
  const own = call.store.balances.at(from)
  const balance = own.get()
  if (balance < value) call.revert('ERC20InsufficientBalance', { sender: from, balance, needed: value })
  own.set(balance - value)
  call.store.totalSupply.update((supply) => supply - value)
  call.emit('Transfer', { from, to: NOBODY, value })
}
