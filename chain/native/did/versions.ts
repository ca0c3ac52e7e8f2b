// Versions of a DID: what the newest is, who may make the next, and what each consists of. Owns the numbers by which a version names its
// keys and services.
import { type Address, asAddress, equalBytes } from '../../base/bytes.ts'
import type { DidState } from './document.ts'
import type { DidCall, DidStore } from './layout.ts'
import { NEWEST } from './uri.ts'

export const NOBODY = asAddress(new Uint8Array(20))
export const isNobody = (address: Address): boolean => equalBytes(address, NOBODY)

/** Keys, and services, of a document at a time: what one slot names. */
const LIVE_MAX = 16
/** And ever: what 16 bits count. */
const HISTORY_MAX = 65_535
const PLACE_BITS = 16n
const placesIn = (word: bigint): number[] => {
  const places: number[] = []
  for (let rest = word; rest > 0n; rest >>= PLACE_BITS) places.push(Number(BigInt.asUintN(16, rest)))
  return places
}
const wordOf = (places: readonly number[]): bigint =>
  places.reduceRight((word, place) => (word << PLACE_BITS) | BigInt(place), 0n)

/** What names its keys or services in a version. */
export type Part = 'keys' | 'services'

const newest = (store: DidStore, identity: Address): number => Number(store.records.at(identity).version.get())
const rowOf = (store: DidStore, identity: Address, version: number) => store.versions.at(identity).at(BigInt(version))

/** Nobody, where the version is the end of the DID. */
const controllerAt = (store: DidStore, identity: Address, version: number): Address =>
  version === 0 ? identity : rowOf(store, identity, version).controller.get()
export const controllerOf = (store: DidStore, identity: Address): Address =>
  controllerAt(store, identity, newest(store, identity))

/** Ends the call for whoever is not the controller. */
export function authorise(call: DidCall, identity: Address, given: Address): void {
  const controller = controllerOf(call.store, identity)
  if (isNobody(controller)) call.revert('DidDeactivated', { identity })
  if (!equalBytes(controller, given)) call.revert('NotController', { identity, given, controller })
}

interface Change {
  readonly controller?: Address
  readonly keys?: readonly number[]
  readonly services?: readonly number[]
}
/** Makes the next version: the newest with a change. Answers its number. */
export function change({ store, block, revert }: DidCall, identity: Address, to: Change): bigint {
  const record = store.records.at(identity)
  const before = Number(record.version.get())
  const version = before + 1
  if (version === NEWEST) revert('HistoryFull', { maximum: BigInt(NEWEST - 1) })
  const [old, row] = [rowOf(store, identity, before), rowOf(store, identity, version)]
  const kept = (part: Part): bigint => (before === 0 ? 0n : old[part].get())
  const [keys, services] = [
    to.keys === undefined ? kept('keys') : wordOf(to.keys),
    to.services === undefined ? kept('services') : wordOf(to.services),
  ]
  row.blockNumber.set(BigInt(block.number))
  row.updated.set(BigInt(block.time))
  row.controller.set(to.controller ?? controllerAt(store, identity, before))
  if (keys !== 0n) row.keys.set(keys)
  if (services !== 0n) row.services.set(services)
  record.version.set(BigInt(version))
  return BigInt(version)
}

/** Numbers of what is in the newest version. */
const placesNow = (store: DidStore, identity: Address, part: Part): readonly number[] => {
  const version = newest(store, identity)
  return version === 0 ? [] : placesIn(rowOf(store, identity, version)[part].get())
}
const idOf = (store: DidStore, identity: Address, part: Part, place: number): string =>
  store[part].at(identity).at(BigInt(place)).id.get()

/** Where something of this id is among the newest version's, or -1; and all of them. */
export function findPlace(
  { store }: DidCall,
  identity: Address,
  part: Part,
  id: string,
): { readonly places: readonly number[]; readonly index: number } {
  const places = placesNow(store, identity, part)
  return { places, index: places.findIndex((place) => idOf(store, identity, part, place) === id) }
}

/** A number for a new key or service, and the list with it, in place of what has its id. */
export function addPlace(
  call: DidCall,
  identity: Address,
  part: Part,
  id: string,
): { readonly place: bigint; readonly places: readonly number[] } {
  const { places, index } = findPlace(call, identity, part, id)
  if (index < 0 && places.length >= LIVE_MAX) call.revert('TooMany', { maximum: BigInt(LIVE_MAX) })
  const count = call.store.records.at(identity)[part]
  const place = Number(count.get()) + 1
  if (place > HISTORY_MAX) call.revert('HistoryFull', { maximum: BigInt(HISTORY_MAX) })
  count.set(BigInt(place))
  return { place: BigInt(place), places: index < 0 ? [...places, place] : places.with(index, place) }
}

/** The version in force at the end of a second; 0 before the first. */
export function versionAt(store: DidStore, identity: Address, time: bigint): number {
  let [low, high] = [0, newest(store, identity)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (rowOf(store, identity, middle).updated.get() <= time) low = middle
    else high = middle - 1
  }
  return low
}

/** What a document is made of; null where there is no such version. */
export function stateOf(store: DidStore, identity: Address, asked: number): DidState | null {
  const latest = newest(store, identity)
  const version = asked === NEWEST ? latest : asked
  if (version > latest) return null
  // Each way to a row costs a hash or two, so it is gone once.
  const rows = store.versions.at(identity)
  const rowAt = (at: number) => (at === 0 ? null : rows.at(BigInt(at)))
  const row = rowAt(version)
  const last = version === latest ? row : rowAt(latest)
  const first = latest === 0 ? null : version === 1 ? row : rowAt(1)
  const [keys, services] = [store.keys.at(identity), store.services.at(identity)]
  const entries = (part: Part): readonly bigint[] => (row === null ? [] : placesIn(row[part].get()).map(BigInt))
  return {
    controller: row === null ? identity : row.controller.get(),
    version: BigInt(version),
    latest: BigInt(latest),
    blockNumber: row === null ? 0n : row.blockNumber.get(),
    updated: row === null ? 0n : row.updated.get(),
    created: first === null ? 0n : first.updated.get(),
    nextUpdate: version === latest ? 0n : (rowAt(version + 1)?.updated.get() ?? 0n),
    deactivated: last !== null && isNobody(last.controller.get()),
    keys: entries('keys').map((place) => {
      const { id, keyType, purposes, validUntil, publicKey } = keys.at(place)
      return {
        ...{ id: id.get(), keyType: keyType.get(), purposes: purposes.get(), validUntil: validUntil.get() },
        publicKey: publicKey.get(),
      }
    }),
    services: entries('services').map((place) => {
      const { id, serviceType, endpoint } = services.at(place)
      return { id: id.get(), serviceType: serviceType.get(), endpoint: endpoint.get() }
    }),
  }
}

export function versionOf(store: DidStore, identity: Address) {
  const version = newest(store, identity)
  if (version === 0) return { version: 0n, blockNumber: 0n, updated: 0n, deactivated: false }
  const { blockNumber, updated, controller } = rowOf(store, identity, version)
  const deactivated = isNobody(controller.get())
  return { version: BigInt(version), blockNumber: blockNumber.get(), updated: updated.get(), deactivated }
}
