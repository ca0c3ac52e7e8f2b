// Issuers whom governance lets attest, and the persons they bind to DIDs: one DID for one person. Owns when a binding holds.
import { type Address, equalBytes } from '../../base/bytes.ts'
import type { Handlers } from '../kit/module.ts'
import { params } from '../params/module.ts'
import type { abi } from './abi.ts'
import { checkEnd } from './checks.ts'
import type { DidCall, DidCtx, DidStore, layout } from './layout.ts'
import { signerOf } from './signed.ts'
import { authorise, controllerOf, isNobody, NOBODY } from './versions.ts'

type All = Handlers<typeof abi, typeof layout>
type Name =
  | ('setIssuer' | 'issuerOf' | 'issuers')
  | ('bindPerson' | 'unbindPerson' | 'personOf' | 'identityOf' | 'personNonce')

/** As in IDid.sol. */
export const ROLES = { credentials: 1, persons: 2 } as const
const ROLES_MAX = 3n
const NAME_BYTES_MAX = 64
const PAGE_MAX = 256n
const NO_PERSON = new Uint8Array(32)

/** Enters an issuer or changes one. Answers why it may not, or null. */
export function putIssuer(
  { store, block, emit }: DidCtx,
  issuer: { readonly account: Address; readonly roles: bigint; readonly name: string },
): string | null {
  const { account, roles, name } = issuer
  if (isNobody(account)) return 'nobody is no issuer'
  if (roles > ROLES_MAX) return `roles: at most ${ROLES_MAX}`
  const sizeBytes = new TextEncoder().encode(name).length
  if (sizeBytes > NAME_BYTES_MAX) return `name: ${sizeBytes} bytes, at most ${NAME_BYTES_MAX}`
  const entry = store.issuers.at(account)
  const place = entry.place.get()
  if (place === 0n) {
    if (roles === 0n) return 'it is none'
    store.issuerList.push().set(account)
    entry.place.set(BigInt(store.issuerList.length()))
  }
  if (entry.roles.get() === 0n) entry.since.set(BigInt(block.time))
  entry.roles.set(roles)
  entry.name.set(name)
  emit('IssuerSet', { issuer: account, roles, name })
  return null
}
export const hasRole = (store: DidStore, account: Address, role: number): boolean =>
  (Number(store.issuers.at(account).roles.get()) & role) !== 0
const describe = (store: DidStore, account: Address) => {
  const { roles, since, name } = store.issuers.at(account)
  return { account, roles: roles.get(), since: since.get(), name: name.get() }
}

const bindingOf = (store: DidStore, identity: Address) => store.bindings.at(identity)
/** Whether the binding of an identity holds; only then what it says counts. */
const holds = ({ store, block }: Pick<DidCall, 'store' | 'block'>, identity: Address): boolean => {
  const { issuer, validUntil, person } = bindingOf(store, identity)
  const by = issuer.get()
  if (isNobody(by) || !hasRole(store, by, ROLES.persons)) return false
  if (validUntil.get() !== 0n && validUntil.get() <= BigInt(block.time)) return false
  // While an issuer has no role the person may be bound elsewhere, by another; when it has it again, the old binding must not count too.
  return equalBytes(store.persons.at(person.get()).get(), identity)
}
/** Whom a person is bound to now; nobody where to none. */
const holderOf = (call: Pick<DidCall, 'store' | 'block'>, person: Uint8Array): Address => {
  const identity = call.store.persons.at(person).get()
  const isHis = equalBytes(bindingOf(call.store, identity).person.get(), person)
  return isHis && holds(call, identity) ? identity : NOBODY
}

/** Where somebody is bound, nobody is any more. */
export function unbind(call: DidCall, identity: Address): boolean {
  const { issuer, person, since, validUntil } = bindingOf(call.store, identity)
  if (isNobody(issuer.get())) return false
  const was = person.get()
  issuer.set(NOBODY)
  since.set(0n)
  validUntil.set(0n)
  person.set(NO_PERSON)
  call.store.persons.at(was).update((holder) => (equalBytes(holder, identity) ? NOBODY : holder))
  call.emit('PersonUnbound', { identity, person: was, by: call.caller })
  return true
}

const TERMS = {
  name: 'Person',
  fields: [
    ['identity', 'address'],
    ['person', 'bytes32'],
    ['validUntil', 'uint64'],
  ],
} as const

export const persons: Pick<All, Name> = {
  setIssuer: {
    gas: 1_000,
    run(call, [account, roles, name]) {
      const governance = call.read(params, 'governance', [])
      if (!equalBytes(governance, call.caller)) call.revert('NotGovernance', { caller: call.caller })
      const reason = putIssuer(call, { account, roles, name })
      if (reason !== null) call.revert('BadIssuer', { reason })
    },
  },
  issuerOf: { gas: 300, run: ({ store }, [account]) => describe(store, account) },
  issuers: {
    gas: 300,
    run({ store }, [from, count]) {
      const total = BigInt(store.issuerList.length())
      const room = from < total ? total - from : 0n
      const length = Number([count, room, PAGE_MAX].reduce((least, each) => (each < least ? each : least)))
      return Array.from({ length }, (_, i) => describe(store, store.issuerList.item(Number(from) + i).get()))
    },
  },
  bindPerson: {
    gas: 2_000,
    run(call, [identity, person, validUntil, issuer, deadline, signature]) {
      const { store, block } = call
      authorise(call, identity, call.caller)
      if (equalBytes(person, NO_PERSON)) call.revert('BadPerson', { person })
      checkEnd(call, validUntil)
      if (!hasRole(store, issuer, ROLES.persons))
        call.revert('NotIssuer', { account: issuer, role: BigInt(ROLES.persons) })
      const binding = bindingOf(store, identity)
      const nonce = binding.nonce.get()
      const values = [identity, person, validUntil]
      authorise(call, issuer, signerOf(call, { ...TERMS, values }, { nonce, deadline, signature }))
      const holder = holderOf(call, person)
      if (!isNobody(holder) && !equalBytes(holder, identity)) call.revert('PersonTaken', { person, identity: holder })
      const isBound = holds(call, identity)
      const present = binding.person.get()
      if (isBound && !equalBytes(present, person)) call.revert('PersonTaken', { person: present, identity })
      binding.issuer.set(issuer)
      binding.nonce.set(nonce + 1n)
      if (!isBound) binding.since.set(BigInt(block.time))
      binding.validUntil.set(validUntil)
      binding.person.set(person)
      store.persons.at(person).set(identity)
      call.emit('PersonBound', { identity, person, issuer, validUntil })
    },
  },
  unbindPerson: {
    gas: 1_000,
    unpausable: true,
    run(call, [identity]) {
      const issuer = bindingOf(call.store, identity).issuer.get()
      if (isNobody(issuer)) call.revert('NotBound', { identity })
      const isIssuer = equalBytes(controllerOf(call.store, issuer), call.caller)
      if (!isIssuer) authorise(call, identity, call.caller)
      unbind(call, identity)
    },
  },
  personOf: {
    gas: 500,
    run(call, [identity]) {
      if (!holds(call, identity)) return { person: NO_PERSON, issuer: NOBODY, since: 0n, validUntil: 0n }
      const { person, issuer, since, validUntil } = bindingOf(call.store, identity)
      return { person: person.get(), issuer: issuer.get(), since: since.get(), validUntil: validUntil.get() }
    },
  },
  identityOf: { gas: 500, run: (call, [person]) => holderOf(call, person) },
  personNonce: { gas: 200, run: ({ store }, [identity]) => bindingOf(store, identity).nonce.get() },
}
