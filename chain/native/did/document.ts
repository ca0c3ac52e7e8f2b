// The DID document from the module's reads: one pure function that the node, the resolver and whoever asks the contract himself share.
// Owns which JSON a key, a service and a version become (contracts/did-method.md). Runs in a browser.
import { type Address, bytesToHex, concat } from '../../base/bytes.ts'
import type { Named } from '../kit/abi.ts'
import type { abi } from './abi.ts'
import { type Did, didOf, isoTime } from './uri.ts'

/** What `documentOf` answers. */
export type DidState = Named<(typeof abi)['functions']['documentOf']['outputs']>['document']
export type DidKey = DidState['keys'][number]

/** As in IDid.sol. */
export const KeyType = {
  ...{ secp256k1: 1, ed25519: 2, p256: 3 },
  ...{ bls12381G1: 4, bls12381G2: 5, babyJubJub: 6 },
} as const
/** The verification relationships, by their bit. */
export const Purpose = {
  ...{ authentication: 1, assertionMethod: 2, keyAgreement: 4 },
  ...{ capabilityInvocation: 8, capabilityDelegation: 16 },
} as const
type Relationship = keyof typeof Purpose
const RELATIONSHIPS = Object.keys(Purpose) as readonly Relationship[]

export interface VerificationMethod {
  readonly id: string
  readonly type: 'EcdsaSecp256k1RecoveryMethod2020' | 'Multikey' | 'JsonWebKey'
  readonly controller: string
  readonly expires?: string
  readonly blockchainAccountId?: string
  readonly publicKeyMultibase?: string
  readonly publicKeyJwk?: { readonly kty: string; readonly crv: string; readonly x: string; readonly y: string }
}
interface DidService {
  readonly id: string
  readonly type: string
  readonly serviceEndpoint: string
}
export interface DidDocument extends Partial<Readonly<Record<Relationship, readonly string[]>>> {
  /** In the JSON-LD representation, which is the one that is made. */
  readonly '@context'?: readonly string[]
  readonly id: string
  /** Where it is another than the DID itself. */
  readonly controller?: string
  readonly verificationMethod?: readonly VerificationMethod[]
  readonly service?: readonly DidService[]
}
export interface DidMetadata {
  readonly versionId?: string
  readonly created?: string
  readonly updated?: string
  readonly nextUpdate?: string
  readonly nextVersionId?: string
  readonly deactivated?: true
}

const CONTEXT = 'https://www.w3.org/ns/did/v1'
/** What each kind of verification method adds to it. */
const CONTEXTS = {
  EcdsaSecp256k1RecoveryMethod2020: 'https://w3id.org/security/suites/secp256k1recovery-2020/v2',
  Multikey: 'https://w3id.org/security/multikey/v1',
  JsonWebKey: 'https://w3id.org/security/jwk/v1',
} as const

/** Multicodec of a key's bytes, as a varint. */
const CODECS: Readonly<Record<number, readonly [number, number]>> = {
  [KeyType.secp256k1]: [0xe7, 0x01],
  [KeyType.ed25519]: [0xed, 0x01],
  [KeyType.p256]: [0x80, 0x24],
  [KeyType.bls12381G1]: [0xea, 0x01],
  [KeyType.bls12381G2]: [0xeb, 0x01],
}

/** The key as a verification method; BabyJubJub has no multicodec and is a JSON Web Key of its coordinates. */
export function methodOf(did: string, { id, keyType, validUntil, publicKey }: DidKey): VerificationMethod {
  const codec = CODECS[Number(keyType)]
  const head = { id: `${did}#${id}`, controller: did }
  const end = validUntil === 0n ? {} : { expires: isoTime(Number(validUntil)) }
  if (codec !== undefined)
    return {
      ...head,
      type: 'Multikey',
      ...end,
      publicKeyMultibase: `z${base58(concat(Uint8Array.from(codec), publicKey))}`,
    }
  const [x, y] = [base64url(publicKey.subarray(0, 32)), base64url(publicKey.subarray(32))]
  return { ...head, type: 'JsonWebKey', ...end, publicKeyJwk: { kty: 'EC', crv: 'BabyJubJub', x, y } }
}

/**
 * The document of one version as it is in second `time`: keys that have ended by then are left out. Of a version in which the DID is
 * deactivated nothing is left but its name.
 */
export function documentOf(
  { did, network, identity }: Did,
  state: DidState,
  at: { readonly chainId: bigint; readonly time: number },
): DidDocument {
  const owner = isZero(state.controller) && state.version === 0n ? identity : state.controller
  if (isZero(owner)) return { '@context': [CONTEXT], id: did }
  const keys = state.keys.filter(({ validUntil }) => validUntil === 0n || validUntil > BigInt(at.time))
  const account: VerificationMethod = {
    id: `${did}#controller`,
    type: 'EcdsaSecp256k1RecoveryMethod2020',
    controller: did,
    blockchainAccountId: `eip155:${at.chainId}:${bytesToHex(owner)}`,
  }
  const methods = [account, ...keys.map((key) => methodOf(did, key))]
  const relations = RELATIONSHIPS.flatMap((name) => {
    const bit = Purpose[name]
    const own = name === 'keyAgreement' ? [] : [account.id]
    const ids = keys.filter(({ purposes }) => (Number(purposes) & bit) !== 0).map(({ id }) => `${did}#${id}`)
    return own.length + ids.length === 0 ? [] : [[name, [...own, ...ids]]]
  })
  const controller = didOf(network, owner)
  return {
    '@context': [CONTEXT, ...new Set(methods.map(({ type }) => CONTEXTS[type]))],
    id: did,
    ...(controller !== did && { controller }),
    verificationMethod: methods,
    ...Object.fromEntries(relations),
    ...(state.services.length > 0 && {
      service: state.services.map(({ id, serviceType, endpoint }) => ({
        ...{ id: `${did}#${id}`, type: serviceType, serviceEndpoint: endpoint },
      })),
    }),
  }
}
const isZero = (address: Address): boolean => address.every((byte) => byte === 0)

/** What is said about the document of a version; `deactivated` is said of the DID, whichever version was asked for. */
export function metadataOf(state: DidState): DidMetadata {
  const isNewest = state.version === state.latest
  return {
    versionId: String(state.version),
    ...(state.created !== 0n && { created: isoTime(Number(state.created)) }),
    ...(state.version !== 0n && { updated: isoTime(Number(state.updated)) }),
    ...(!isNewest && { nextUpdate: isoTime(Number(state.nextUpdate)), nextVersionId: String(state.version + 1n) }),
    ...(state.deactivated && { deactivated: true }),
  }
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** Five digits at a time, so that a step stays exact: 58^5 * 256 is below 2^53. */
const LIMB = 58 ** 5
/** Of at most some hundred bytes: it is quadratic. */
const base58 = (bytes: Uint8Array): string => {
  let zeros = 0
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++
  const limbs: number[] = [] // lowest first
  for (let at = zeros; at < bytes.length; at++) {
    let carry = bytes[at] as number
    for (let i = 0; i < limbs.length; i++) {
      carry += (limbs[i] as number) * 256
      limbs[i] = carry % LIMB
      carry = Math.floor(carry / LIMB)
    }
    if (carry > 0) limbs.push(carry)
  }
  let digits = ''
  for (const limb of limbs)
    for (let rest = limb, i = 0; i < 5; i++, rest = Math.floor(rest / 58)) digits = BASE58.charAt(rest % 58) + digits
  return '1'.repeat(zeros) + digits.replace(/^1+/, '')
}
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** Without padding (RFC 7515). */
const base64url = (bytes: Uint8Array): string => {
  let out = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3)
    const group = a * 65_536 + b * 256 + c
    const symbols = [18, 12, 6, 0].map((shift) => BASE64URL[(group >> shift) & 63])
    out += symbols.slice(0, 1 + Math.min(3, bytes.length - i)).join('')
  }
  return out
}
