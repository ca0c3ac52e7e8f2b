// The money of the bridge: what each route holds, and how much may come in. What is locked or minted for a chain is counted in `outstanding`, and a chain
// never gets back more than that.
import { type Address, equalBytes } from '../../base/bytes.ts'
import { assert } from '../../base/errors.ts'
import { maxBigint, minBigint } from '../../base/math.ts'
import { params } from '../params/module.ts'
import type { TokenCtx } from '../token/layout.ts'
import { move } from '../token/ledger.ts'
import { cpu, mem, net, sto } from '../token/module.ts'
import { issue, retire } from '../token/office.ts'
import { wrapped } from '../token/wrapped.ts'
import type { BridgeCall, RoutePlace } from './layout.ts'
import { isNobody } from './message.ts'

export interface Amount {
  readonly chain: bigint
  /** Here; nobody is the coin. */
  readonly token: Address
  readonly amount: bigint
}

/** A chain that is connected; whoever names another ends the call. */
export const mustKnow = ({ store, revert }: Pick<BridgeCall, 'store' | 'revert'>, chain: bigint) => {
  const place = store.chains.at(chain)
  const vault = place.vault.get()
  return isNobody(vault) ? revert('UnknownChain', { chain }) : { place, vault }
}

const HOME = [cpu, mem, sto, net]
/** Whose place a route keeps, counted from 1; 0 is the coin. */
const BOOKS = [...HOME, ...wrapped]
export const isWrapped = (route: RoutePlace): boolean => route.book.get() > BigInt(HOME.length)
/** null for the coin. */
const bookOf = ({ within }: Pick<BridgeCall, 'within'>, route: RoutePlace): TokenCtx | null => {
  const place = Number(route.book.get())
  const module = BOOKS[place - 1]
  assert(place === 0 || module !== undefined, 'a route is of a token there is')
  return module === undefined ? null : within(module)
}
/** Where all of them are. */
export const homesOf = ({ within }: Pick<BridgeCall, 'within'>): readonly Address[] =>
  BOOKS.map((module) => within(module).at)
/** Of a wrapped token by its number. */
export const placeOfWrapped = (number: number): bigint => BigInt(HOME.length + number + 1)
/** The place of a token of this chain; null for any other. */
export const homeOf = ({ within }: Pick<BridgeCall, 'within'>, token: Address): number | null => {
  if (isNobody(token)) return 0
  const found = HOME.findIndex((module) => equalBytes(within(module).at, token))
  return found < 0 ? null : found + 1
}

/** Of the limit, used up now: the rest of it came back evenly, rounded against who brings more. */
export const levelOf = (call: Pick<BridgeCall, 'block' | 'read'>, route: RoutePlace): bigint => {
  const level = route.level.get()
  if (level === 0n) return 0n
  const elapsed = maxBigint(0n, BigInt(call.block.time) - route.levelAt.get())
  return maxBigint(0n, level - (route.limit.get() * elapsed) / call.read(params, 'get', ['bridge.window']))
}
const availableOf = (call: Pick<BridgeCall, 'block' | 'read'>, route: RoutePlace): bigint =>
  maxBigint(0n, route.limit.get() - levelOf(call, route))

/** A route over which something may go now. */
const mustBeOpen = ({ store, revert }: BridgeCall, { chain, token }: Amount, named: Uint8Array): RoutePlace => {
  const route = store.routes.at(chain).at(token)
  if (!route.known.get()) revert('UnknownRoute', { chain, token: named })
  if (!route.open.get()) revert('RouteClosed', { chain, token })
  return route
}

/** Takes it from the caller: a token of another chain is burnt, any other is locked here. */
export function take(call: BridgeCall, sum: Amount, named: Uint8Array): void {
  const { chain, token, amount } = sum
  const { caller: from } = call
  const route = mustBeOpen(call, sum, named)
  const expected = isNobody(token) ? amount : 0n
  if (call.value !== expected) call.revert('WrongValue', { given: call.value, expected })
  const [outstanding, isBurnt] = [route.outstanding.get(), isWrapped(route)]
  if (isBurnt) {
    if (amount > outstanding) call.revert('NotBacked', { chain, token, amount, outstanding })
  } else {
    const cap = route.cap.get()
    if (outstanding + amount > cap) call.revert('CapExceeded', { chain, token, outstanding, cap })
  }
  route.outstanding.set(isBurnt ? outstanding - amount : outstanding + amount)
  const book = bookOf(call, route)
  if (book === null) return // it came with the call
  const refuse = (balance: bigint): never => call.revert('InsufficientBalance', { token, balance, needed: amount })
  if (isBurnt) retire(book, from, amount, refuse)
  else move(book, { from, to: call.at, value: amount }, refuse)
}

/** Pays it out of what is outstanding for that chain. */
function give(call: BridgeCall, route: RoutePlace, to: Address, { chain, token, amount }: Amount): void {
  const [outstanding, isMinted] = [route.outstanding.get(), isWrapped(route)]
  if (!isMinted && amount > outstanding) call.revert('NotBacked', { chain, token, amount, outstanding })
  route.outstanding.set(isMinted ? outstanding + amount : outstanding - amount)
  const book = bookOf(call, route)
  if (book === null) call.pay(to, amount)
  else if (isMinted) issue(book, to, amount)
  else move(book, { from: call.at, to, value: amount }, () => assert(false, 'what is outstanding is here'))
}

/** Whether what comes in may: before its proof is looked at, which costs most. */
export function mustHaveRoom(call: BridgeCall, sum: Amount, named: Uint8Array): void {
  const { chain, token, amount } = sum
  const route = mustBeOpen(call, sum, named)
  const [outstanding, cap] = [route.outstanding.get(), route.cap.get()]
  if (isWrapped(route)) {
    if (outstanding + amount > cap) call.revert('CapExceeded', { chain, token, outstanding, cap })
  } else if (amount > outstanding) call.revert('NotBacked', { chain, token, amount, outstanding })
  const available = availableOf(call, route)
  if (amount > available) call.revert('LimitExceeded', { chain, token, amount, available })
}

/** Pays what came in. It has room. */
export function bring(call: BridgeCall, to: Address, sum: Amount): void {
  const route = call.store.routes.at(sum.chain).at(sum.token)
  route.level.set(levelOf(call, route) + sum.amount)
  route.levelAt.set(BigInt(call.block.time))
  give(call, route, to, sum)
}

/** Pays back what did not arrive; no cap, limit or closed route holds it up. */
export const payBack = (call: BridgeCall, to: Address, sum: Amount): void =>
  give(call, call.store.routes.at(sum.chain).at(sum.token), to, sum)

export const routeOf = (call: BridgeCall, chain: bigint, token: Address) => {
  const route = call.store.routes.at(chain).at(token)
  const [known, limit] = [route.known.get(), route.limit.get()]
  return {
    ...{ remote: route.remote.get(), known, open: route.open.get(), wrapped: known && isWrapped(route) },
    ...{ cap: route.cap.get(), limit, available: known ? minBigint(limit, availableOf(call, route)) : 0n },
    outstanding: route.outstanding.get(),
  }
}
