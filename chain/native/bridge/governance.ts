// What governance connects: chains with their vaults, routes with their bounds, and names for wrapped tokens. What something depends on is fixed.
import { type Address, equalBytes } from '../../base/bytes.ts'
import { params } from '../params/module.ts'
import { nameToken, WRAPPED_MAX, wrapped } from '../token/wrapped.ts'
import type { BridgeCall } from './layout.ts'
import { isNobody } from './message.ts'
import { homeOf, isWrapped, levelOf, mustKnow, placeOfWrapped } from './routes.ts'

/** What a genesis section has too, where nobody calls. */
export type Setting = Pick<BridgeCall, 'store' | 'revert' | 'emit' | 'within' | 'block' | 'read'>

const CHAINS_MAX = 64
const NAME_MAX = 64n
const SYMBOL_MAX = 16n

export const onlyGovernance = (call: BridgeCall): void => {
  const { caller } = call
  if (!equalBytes(caller, call.read(params, 'governance', []))) call.revert('NotGovernance', { caller })
}

export const setChain = (call: Setting, chain: bigint, vault: Address): void => {
  const { store } = call
  const place = store.chains.at(chain)
  const before = place.vault.get()
  if (isNobody(vault) || chain === 0n || chain === call.block.chainId) call.revert('UnknownChain', { chain })
  if (isNobody(before)) {
    if (store.chainIds.length() >= CHAINS_MAX)
      call.revert('TooLong', { what: 'chains', given: BigInt(CHAINS_MAX) + 1n, maximum: BigInt(CHAINS_MAX) })
    store.chainIds.push().set(chain)
  } else if (place.sent.get() > 0n || place.settled.get() > 0n) {
    call.revert('VaultFixed', { chain, vault: before })
  }
  place.vault.set(vault)
  call.emit('ChainSet', { chain, vault })
}

/** Points the token there at the token here. A wrapped token's route is made with it, and keeps its remote. */
const connect = (call: Setting, chain: bigint, token: Address, remote: Uint8Array): void => {
  const route = call.store.routes.at(chain).at(token)
  const locals = call.store.locals.at(chain)
  if (route.known.get()) {
    const before = route.remote.get()
    if (equalBytes(before, remote)) return
    if (isWrapped(route) || route.outstanding.get() > 0n) call.revert('RemoteFixed', { chain, token, remote: before })
    locals.at(before).known.set(false)
  }
  const local = locals.at(remote)
  if (local.known.get()) call.revert('RemoteFixed', { chain, token: local.token.get(), remote })
  local.token.set(token)
  local.known.set(true)
  route.remote.set(remote)
  route.known.set(true)
}

export interface RouteChoice {
  readonly chain: bigint
  readonly token: Address
  readonly remote: Uint8Array
  readonly cap: bigint
  readonly limit: bigint
  readonly open: boolean
}
export const setRoute = (call: Setting, { chain, token, remote, cap, limit, open }: RouteChoice): void => {
  mustKnow(call, chain)
  const route = call.store.routes.at(chain).at(token)
  const home = homeOf(call, token)
  if (home === null && !route.known.get()) call.revert('BadToken', { token })
  connect(call, chain, token, remote)
  if (home !== null) route.book.set(BigInt(home))
  // What was used up is measured by the limit it was used under.
  route.level.set(levelOf(call, route))
  route.levelAt.set(BigInt(call.block.time))
  route.cap.set(cap)
  route.limit.set(limit)
  route.open.set(open)
  call.emit('RouteSet', { chain, token, remote, cap, limit, open })
}

export interface Label {
  readonly name: string
  readonly symbol: string
  readonly decimals: bigint
}
export const createWrapped = (call: Setting, chain: bigint, remote: Uint8Array, label: Label): Address => {
  const { store } = call
  mustKnow(call, chain)
  const bounds = { name: NAME_MAX, symbol: SYMBOL_MAX } as const
  for (const what of ['name', 'symbol'] as const) {
    const given = BigInt(new TextEncoder().encode(label[what]).length)
    if (given === 0n || given > bounds[what]) call.revert('TooLong', { what, given, maximum: bounds[what] })
  }
  const place = Number(store.wrappedTaken.get())
  const module = wrapped[place] ?? call.revert('NoWrappedLeft', { maximum: BigInt(WRAPPED_MAX) })
  const book = call.within(module)
  const token = book.at
  connect(call, chain, token, remote)
  store.wrappedTaken.set(BigInt(place + 1))
  store.routes.at(chain).at(token).book.set(placeOfWrapped(place))
  nameToken(book, label)
  call.emit('WrappedCreated', { chain, remote, token, ...label })
  return token
}
