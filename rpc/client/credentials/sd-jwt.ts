// Credentials whose holder shows one claim and keeps another (SD-JWT VC). Owns how a credential is said in its claims, and which of them
// may never be hidden; the disclosures are the library's.
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc'
import { NodeError } from '../../../chain/base/errors.ts'
import { boundedJson, boundedText, isObject, type JsonObject } from './bounds.ts'
import { type Ask, readTime } from './data-integrity.ts'
import { type AuthorizedKey, didOf } from './dids.ts'
import { CredentialErrors, malformed } from './errors.ts'
import { type Jwt, readJwt } from './jwt.ts'
import { type Algorithm, digest, isAlgorithm, type SigningKey, verifySignature } from './keys.ts'
import { decodeBase64url, encodeBase64url } from './multibase.ts'

/** Random bytes for salts: who can guess one can guess what it hides. */
export type Salt = (sizeBytes: number) => Uint8Array

/**
 * `disclosable` are the claims of the subject, by name, that the holder may keep to itself. Every other stays visible, dates, status and
 * holder always: a verifier must not be kept from them. `vct` is the credential's last type. Throws CREDENTIAL_MALFORMED.
 */
export async function signSdJwt(
  credential: JsonObject,
  by: {
    readonly key: SigningKey
    readonly nowMs: number
    readonly salt: Salt
    readonly disclosable: readonly string[]
  },
): Promise<string> {
  const { credentialSubject, type, validFrom, validUntil, credentialStatus, id } = credential
  if (!isObject(credentialSubject)) throw malformed('expected one credentialSubject')
  const { id: subject, ...claims } = credentialSubject
  for (const name of by.disclosable) if (!(name in claims)) throw malformed(`there is no claim ${name} to disclose`)
  for (const name of Object.keys(claims))
    if (RESERVED.has(name) || name.startsWith('_')) throw malformed(`a claim may not be called ${name}`)
  const payload = {
    ...claims,
    iss: didOf(by.key.id),
    iat: Math.floor(by.nowMs / 1_000),
    vct: String(Array.isArray(type) ? type.at(-1) : type),
    ...(validFrom !== undefined && { nbf: Math.ceil(readTime('validFrom', validFrom) / 1_000) }),
    ...(validUntil !== undefined && { exp: Math.floor(readTime('validUntil', validUntil) / 1_000) }),
    ...(typeof id === 'string' && { jti: id }),
    ...(typeof subject === 'string' && { sub: subject, cnf: { kid: subject } }),
    ...(credentialStatus !== undefined && { credentialStatus }),
  }
  const frame = { _sd: [...by.disclosable] as never[] } // the library types a frame by the payload's literal keys
  const saltGenerator = (sizeBytes: number): string => encodeBase64url(by.salt(sizeBytes))
  const signer = signerOf(by.key)
  const library = new SDJwtVcInstance({ hasher, hashAlg: 'sha-256', saltGenerator, signer, signAlg: by.key.algorithm })
  return library.issue(payload, frame, { header: { kid: by.key.id } })
}
/** Claims of the credential itself, which are always visible. */
export const RESERVED: ReadonlySet<string> = new Set([
  'iss',
  'iat',
  'nbf',
  'exp',
  'vct',
  'jti',
  'sub',
  'cnf',
  'status',
  'credentialStatus',
  'aud',
  'nonce',
])

/** What is shown of it: the claims named, and a proof by the holder's key that answers the challenge. Throws CREDENTIAL_MALFORMED. */
export async function presentSdJwt(
  text: string,
  by: { readonly key: SigningKey; readonly ask: Ask; readonly nowMs: number; readonly disclose: readonly string[] },
): Promise<string> {
  const { names } = readSdJwt(text)
  const missing = by.disclose.find((name) => !names.includes(name))
  if (missing !== undefined) throw malformed(`there is no claim ${missing} to disclose`)
  const { challenge, domain } = by.ask
  if (domain === null) throw malformed('a key binding names whom it is for: give a domain')
  const frame = Object.fromEntries(by.disclose.map((name) => [name, true]))
  const payload = { iat: Math.floor(by.nowMs / 1_000), aud: domain, nonce: challenge }
  const kbSigner = signerOf(by.key)
  const library = new SDJwtVcInstance({ hasher, kbSigner, kbSignAlg: by.key.algorithm })
  return library.present(text, frame, { kb: { payload } }).catch((cause: unknown) => {
    throw malformed(messageOf(cause), cause)
  })
}

export interface SdJwt {
  readonly jwt: Jwt
  /** The claims of the top level that are disclosed, by name. */
  readonly names: readonly string[]
  /** The holder's DID, or one key of it; null where the credential is bound to nobody. */
  readonly holder: string | null
  /** The holder's proof; null where there is none. */
  readonly binding: { readonly payload: JsonObject; readonly algorithm: Algorithm } | null
}

/** Reads it, believing nothing. Throws CREDENTIAL_TOO_LARGE, TOO_DEEP, TOO_COMPLEX, MALFORMED and UNSUPPORTED. */
export function readSdJwt(text: string): SdJwt {
  const [first = '', ...rest] = boundedText(text).split('~')
  const last = rest.pop()
  if (last === undefined) throw malformed('not an SD-JWT')
  if (rest.length > DISCLOSURES_MAX)
    throw new NodeError(CredentialErrors.TOO_COMPLEX, { what: `${rest.length} disclosures` })
  const jwt = readJwt(first)
  const { _sd_alg: hash = 'sha-256', status, cnf } = jwt.payload
  if (hash !== 'sha-256') throw new NodeError(CredentialErrors.UNSUPPORTED, { what: `_sd_alg ${String(hash)}` })
  if (status !== undefined) throw new NodeError(CredentialErrors.UNSUPPORTED, { what: 'a token status list' })
  return {
    jwt,
    names: disclosed(jwt.payload, rest),
    holder: isObject(cnf) && typeof cnf.kid === 'string' ? cnf.kid : null,
    binding: last === '' ? null : readBinding(last),
  }
}
const DISCLOSURES_MAX = 256

/**
 * The library ignores a disclosure that fits no digest, and lets one take the place of a claim that is signed in the open; the standard
 * (RFC 9901, 7.1) refuses both. Answers the names of the top level.
 */
const disclosed = (payload: JsonObject, texts: readonly string[]): readonly string[] => {
  const values = new Map(
    texts.map((text) => [encodeBase64url(digest(new TextEncoder().encode(text))), boundedJson(textOf(text))]),
  )
  if (values.size !== texts.length) throw malformed('a disclosure stands there twice')
  const seen = new Set<string>()
  const names: string[] = []
  const open: { readonly value: unknown; readonly isTop: boolean }[] = [{ value: payload, isTop: true }]
  const take = (hash: unknown): unknown => {
    if (typeof hash !== 'string') throw malformed('a digest that is none')
    if (seen.has(hash)) throw malformed('a digest stands there twice')
    seen.add(hash)
    return values.get(hash)
  }
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, isTop } = next
    if (Array.isArray(value)) {
      for (const inner of value) {
        const one = isObject(inner) && '...' in inner ? take(inner['...']) : undefined
        if (one === undefined) open.push({ value: inner, isTop: false })
        else if (!Array.isArray(one) || one.length !== 2) throw malformed('a disclosure of an element that is none')
        else open.push({ value: one[1], isTop: false })
      }
    } else if (isObject(value)) {
      const hashes = value._sd ?? []
      if (!Array.isArray(hashes)) throw malformed('_sd is no list')
      for (const hash of hashes) {
        const one = take(hash)
        if (one === undefined) continue // kept to itself, or a decoy
        if (!Array.isArray(one) || one.length !== 3) throw malformed('a disclosure of a claim that is none')
        const name = String(one[1])
        if (name in value || name === '_sd' || name === '...' || (isTop && RESERVED.has(name)))
          throw malformed(`a disclosure may not say what ${name} is`)
        if (isTop) names.push(name)
        open.push({ value: one[2], isTop: false })
      }
      for (const [name, inner] of Object.entries(value)) if (name !== '_sd') open.push({ value: inner, isTop: false })
    }
  }
  if ([...values.keys()].some((hash) => !seen.has(hash))) throw malformed('a disclosure that nobody signed')
  return names
}

const readBinding = (text: string): SdJwt['binding'] => {
  const [header, payload] = text
    .split('.', 2)
    .map((part) => boundedJson(textOf(part)))
    .filter(isObject)
  if (header === undefined || payload === undefined || !isAlgorithm(header.alg)) throw malformed('not a key binding')
  return { payload, algorithm: header.alg }
}
const textOf = (part: string): string => {
  try {
    return new TextDecoder().decode(decodeBase64url(part))
  } catch (cause) {
    throw malformed('not base64url', cause)
  }
}

/** Whose keys may have bound it, and what was asked. */
export interface Binding {
  readonly keys: readonly AuthorizedKey[]
  readonly ask: Ask
}

/** The claims that are shown, once signatures hold. Throws CREDENTIAL_TAMPERED, CHALLENGE, DOMAIN and MALFORMED. Dates are not judged. */
export async function checkSdJwt(
  text: string,
  { jwt, binding }: SdJwt,
  by: { readonly key: AuthorizedKey; readonly bound: Binding | null },
): Promise<JsonObject> {
  const { key, bound } = by
  if (bound !== null) {
    if (binding?.payload.nonce !== bound.ask.challenge) throw new NodeError(CredentialErrors.CHALLENGE, undefined)
    const { domain } = bound.ask
    if (domain !== null && binding.payload.aud !== domain) throw new NodeError(CredentialErrors.DOMAIN, { domain })
  }
  const holds = (one: AuthorizedKey, algorithm: Algorithm, signed: string, signature: string): boolean =>
    verifySignature(one.method, algorithm, {
      bytes: new TextEncoder().encode(signed),
      signature: decodeBase64url(signature),
    })
  const library = new SDJwtVcInstance({
    hasher,
    verifier: (signed, signature) => holds(key, jwt.algorithm, signed, signature),
    kbVerifier: (signed, signature) =>
      binding !== null && (bound?.keys.some((one) => holds(one, binding.algorithm, signed, signature)) ?? false),
  })
  // Dates are judged by our own check, after the signature: here none may fail.
  const dates = { currentDate: 0, skewSeconds: 2 ** 40 }
  const options = { ...dates, ...(bound !== null && { keyBindingNonce: bound.ask.challenge }) }
  const { payload } = await library.verify(text, options).catch((cause: unknown) => {
    const reason = messageOf(cause)
    throw /signature|sd_hash/i.test(reason)
      ? new NodeError(CredentialErrors.TAMPERED, { keyId: key.method.id }, { cause })
      : malformed(reason, cause)
  })
  return { ...payload }
}

const hasher = (data: string | ArrayBuffer): Uint8Array =>
  digest(typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data))
const signerOf =
  (key: SigningKey) =>
  async (data: string): Promise<string> =>
    encodeBase64url(await key.sign(new TextEncoder().encode(data)))
const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).slice(0, 300)
