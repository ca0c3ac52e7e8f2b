// Who may send, deploy, validate and be a peer, for networks of a consortium: lists that governance keeps, each off unless it says otherwise. Owns the words,
// and the question whether somebody is let in.
import { type Address, equalBytes } from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import { assert } from '../../base/errors.ts'
import { openStore, type Store, type Words } from '../kit/slots.ts'
import { layout } from './layout.ts'

export const LISTS = ['senders', 'deployers', 'validators', 'peers'] as const
export type ListName = (typeof LISTS)[number]
export const MODES = ['off', 'allow', 'block'] as const
type Mode = (typeof MODES)[number]
/** Of one list. */
export const MEMBERS_MAX = 65_536
/** Bytes of a peer id as text. */
const PEER_MAX = 128

type ListStore = Pick<Store<typeof layout>, 'rules' | 'members' | 'places' | 'governance'>

/** An address of 20 bytes, or the text of a peer id. */
export const isMember = (name: ListName, member: Uint8Array): boolean =>
  name === 'peers' ? member.length > 0 && member.length <= PEER_MAX : member.length === 20
export const modeOf = (store: ListStore, name: ListName): Mode => MODES[Number(store.rules[name].get())] ?? 'off'
const isListed = (store: ListStore, name: ListName, member: Uint8Array): boolean =>
  store.places.at(name).at(keccak(member)).get() > 0n

/** Whoever governs may always send and deploy: a list must not shut out who can change it. */
export function isPermitted(store: ListStore, name: ListName, member: Uint8Array): boolean {
  const mode = modeOf(store, name)
  if (mode === 'off' || isListed(store, name, member) === (mode === 'allow')) return true
  return (name === 'senders' || name === 'deployers') && equalBytes(store.governance.get(), member)
}

/** False where it is a member already. */
export function addMember(store: ListStore, name: ListName, member: Uint8Array): boolean {
  const place = store.places.at(name).at(keccak(member))
  if (place.get() > 0n) return false
  const members = store.members.at(name)
  assert(members.length() < MEMBERS_MAX, 'there is room in a list')
  members.push().set(member)
  place.set(BigInt(members.length()))
  return true
}
/** False where it is none. The last one takes its place. */
export function removeMember(store: ListStore, name: ListName, member: Uint8Array): boolean {
  const places = store.places.at(name)
  const place = places.at(keccak(member))
  const at = Number(place.get())
  if (at === 0) return false
  const members = store.members.at(name)
  const last = members.at(members.length() - 1)
  const moved = last.get()
  members.at(at - 1).set(moved)
  places.at(keccak(moved)).set(BigInt(at))
  place.set(0n)
  last.set(new Uint8Array(0))
  members.resize(members.length() - 1)
  return true
}

/** What transactions are judged by. */
export interface Permissions {
  maySend(account: Address): boolean
  /** As the signer of a transaction within which a contract is made. */
  mayDeploy(account: Address): boolean
}
/** null where both lists are off. */
export function permissionsOf(words: Words): Permissions | null {
  const store = openStore(layout, words)
  if (modeOf(store, 'senders') === 'off' && modeOf(store, 'deployers') === 'off') return null
  return {
    maySend: (account) => isPermitted(store, 'senders', account),
    mayDeploy: (account) => isPermitted(store, 'deployers', account),
  }
}
/** Whether one is let in; null where the list is off. */
export function permits(words: Words, name: ListName): ((member: Uint8Array) => boolean) | null {
  const store = openStore(layout, words)
  return modeOf(store, name) === 'off' ? null : (member) => isPermitted(store, name, member)
}
