// Changes of a DID by its controller, who calls or has signed. Owns what an id, a key and a service must look like.
import type { Address } from '../../base/bytes.ts'
import { isPublicKey, type KeyCurve, keySizeBytes } from '../../base/public-keys.ts'
import type { AbiParam, Positional } from '../kit/abi.ts'
import type { Handler, Handlers } from '../kit/module.ts'
import { abi } from './abi.ts'
import { checkEnd, isUri, URI_MAX } from './checks.ts'
import { KeyType, Purpose } from './document.ts'
import type { DidCall, layout } from './layout.ts'
import { unbind } from './persons.ts'
import { signerOf } from './signed.ts'
import { addPlace, authorise, change, findPlace, isNobody, NOBODY, type Part } from './versions.ts'

type Functions = (typeof abi)['functions']
type Args<K extends keyof Functions> = Positional<Functions[K]['inputs']>

const ID = /^[A-Za-z0-9._-]{1,31}$/
/** What the document calls the controller's account. */
const RESERVED = 'controller'
const TYPE = /^[ -~]{1,64}$/

/** Gas of the check: 25 to 40 Mgas/s in the portable library. `able`: the purposes that a key of this type can serve. */
const KEYS: Readonly<Record<number, { readonly curve: KeyCurve; readonly gas: number; readonly able: number }>> = {
  [KeyType.secp256k1]: { curve: 'secp256k1', gas: 3_000, able: 31 },
  [KeyType.ed25519]: { curve: 'ed25519', gas: 25_000, able: 31 & ~Purpose.keyAgreement },
  [KeyType.p256]: { curve: 'p256', gas: 3_000, able: 31 },
  [KeyType.bls12381G1]: { curve: 'bls12381G1', gas: 30_000, able: 31 & ~Purpose.keyAgreement },
  [KeyType.bls12381G2]: { curve: 'bls12381G2', gas: 60_000, able: 31 & ~Purpose.keyAgreement },
  [KeyType.babyJubJub]: { curve: 'babyJubJub', gas: 30_000, able: 31 & ~Purpose.keyAgreement },
}

const checkId = (call: DidCall, id: string): void => {
  if (!ID.test(id) || id === RESERVED) call.revert('BadId', { id: id.slice(0, 64) })
}
const checkKey = (call: DidCall, [, id, keyType, publicKey, purposes, validUntil]: Args<'setKey'>): void => {
  checkId(call, id)
  const { curve, gas, able } =
    KEYS[Number(keyType)] ?? call.revert('BadPublicKey', { keyType, reason: 'there is no such type' })
  if (purposes === 0n || (Number(purposes) & ~able) !== 0) call.revert('BadPurposes', { keyType, purposes })
  checkEnd(call, validUntil)
  const sizeBytes = keySizeBytes(curve)
  if (publicKey.length !== sizeBytes)
    call.revert('BadPublicKey', { keyType, reason: `${publicKey.length} bytes, expected ${sizeBytes}` })
  call.charge(gas)
  if (!isPublicKey(curve, publicKey)) call.revert('BadPublicKey', { keyType, reason: `no point of ${curve}` })
}
/** An id is one for keys and services alike: both are fragments of the DID. */
const checkFree = (call: DidCall, identity: Address, other: Part, id: string): void => {
  if (findPlace(call, identity, other, id).index >= 0) call.revert('BadId', { id })
}

const setController = (call: DidCall, [identity, controller]: Args<'setController'>): void => {
  if (isNobody(controller)) call.revert('ZeroAddress', {})
  const version = change(call, identity, { controller })
  call.emit('ControllerChanged', { identity, controller, version })
  unbind(call, identity)
}
const setKey = (call: DidCall, args: Args<'setKey'>): void => {
  const [identity, id, keyType, publicKey, purposes, validUntil] = args
  checkKey(call, args)
  checkFree(call, identity, 'services', id)
  const { place, places } = addPlace(call, identity, 'keys', id)
  const key = call.store.keys.at(identity).at(place)
  key.keyType.set(keyType)
  key.purposes.set(purposes)
  key.validUntil.set(validUntil)
  key.id.set(id)
  key.publicKey.set(publicKey)
  const version = change(call, identity, { keys: places })
  call.emit('KeySet', { identity, id, keyType, publicKey, purposes, validUntil, version })
}
const setService = (call: DidCall, [identity, id, serviceType, endpoint]: Args<'setService'>): void => {
  checkId(call, id)
  if (!TYPE.test(serviceType)) call.revert('BadService', { reason: 'serviceType: 1 to 64 printable ASCII characters' })
  if (!isUri(endpoint)) call.revert('BadService', { reason: `endpoint: a URI of at most ${URI_MAX} bytes` })
  checkFree(call, identity, 'keys', id)
  const { place, places } = addPlace(call, identity, 'services', id)
  const service = call.store.services.at(identity).at(place)
  service.id.set(id)
  service.serviceType.set(serviceType)
  service.endpoint.set(endpoint)
  const version = change(call, identity, { services: places })
  call.emit('ServiceSet', { identity, id, serviceType, endpoint, version })
}
/** The newest version without it. */
const remove = (call: DidCall, identity: Address, part: Part, id: string): bigint => {
  const { places, index } = findPlace(call, identity, part, id)
  if (index < 0) call.revert(part === 'keys' ? 'KeyUnknown' : 'ServiceUnknown', { identity, id: id.slice(0, 64) })
  return change(call, identity, { [part]: places.toSpliced(index, 1) })
}
const revokeKey = (call: DidCall, [identity, id]: Args<'revokeKey'>): void => {
  call.emit('KeyRevoked', { identity, id, version: remove(call, identity, 'keys', id) })
}
const revokeService = (call: DidCall, [identity, id]: Args<'revokeService'>): void => {
  call.emit('ServiceRevoked', { identity, id, version: remove(call, identity, 'services', id) })
}
const deactivate = (call: DidCall, [identity]: Args<'deactivate'>): void => {
  const version = change(call, identity, { controller: NOBODY, keys: [], services: [] })
  call.emit('Deactivated', { identity, version })
  unbind(call, identity)
}

const made = { setController, setKey, revokeKey, setService, revokeService, deactivate } as const
type Name = keyof typeof made
/** Whoever loses a key must be able to say so, whatever else stands still. */
const UNPAUSABLE: readonly Name[] = ['revokeKey', 'deactivate']
const GAS = 1_000

/** The two functions of a change: by the caller, and by whoever signed. */
const pair = (name: Name): readonly (readonly [string, Handler<typeof abi, typeof layout, unknown>])[] => {
  const apply = made[name] as (call: DidCall, args: readonly unknown[]) => void // its own arguments, decoded by its own ABI
  const fields: readonly AbiParam[] = abi.functions[name].inputs
  const terms = { name: `${name.charAt(0).toUpperCase()}${name.slice(1)}`, fields }
  const common = { gas: GAS, ...(UNPAUSABLE.includes(name) && ({ unpausable: true } as const)) }
  const run = (call: DidCall, args: readonly unknown[]): void => {
    authorise(call, args[0] as Address, call.caller) // `identity` is the first argument of each
    apply(call, args)
  }
  const runSigned = (call: DidCall, args: readonly unknown[]): void => {
    const values = args.slice(0, fields.length)
    const [deadline, signature] = args.slice(fields.length) as [bigint, Uint8Array] // as in the interface
    const identity = values[0] as Address // as above
    const nonce = call.store.records.at(identity).version.get()
    authorise(call, identity, signerOf(call, { ...terms, values }, { nonce, deadline, signature }))
    apply(call, values)
  }
  return [
    [name, { ...common, run }],
    [`${name}Signed`, { ...common, run: runSigned }],
  ] as never // handlers of these very functions
}

/** Handlers of the functions that change a DID. */
export const changes = Object.fromEntries((Object.keys(made) as Name[]).flatMap(pair)) as unknown as Pick<
  Handlers<typeof abi, typeof layout>,
  Name | `${Name}Signed`
>
