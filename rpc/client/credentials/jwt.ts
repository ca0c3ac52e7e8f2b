// Credentials as JWT, in the encoding of data model 1.1 that wallets around did-jwt read: `vc` or `vp` in the payload, dates and names in
// JWT's own claims. Owns how a credential of data model 2.0 is said in it, and the strict reading before the library looks.
import {
  createVerifiableCredentialJwt,
  createVerifiablePresentationJwt,
  verifyCredential,
  verifyPresentation,
} from 'did-jwt-vc'
import type { DIDDocument, Resolvable } from 'did-resolver'
import { NodeError } from '../../../chain/base/errors.ts'
import { boundedJson, boundedText, CREDENTIALS_V2, isObject, type JsonObject } from './bounds.ts'
import { type Ask, readTime } from './data-integrity.ts'
import { type AuthorizedKey, didOf } from './dids.ts'
import { CredentialErrors, malformed } from './errors.ts'
import { type Algorithm, isAlgorithm, publicKeyOf, type SigningKey } from './keys.ts'
import { decodeBase64url, encodeBase64url } from './multibase.ts'

const CREDENTIALS_V1 = 'https://www.w3.org/2018/credentials/v1'

/** Throws CREDENTIAL_MALFORMED. */
export async function signCredentialJwt(credential: JsonObject, key: SigningKey): Promise<string> {
  const { issuer, validFrom, validUntil, id, credentialSubject, '@context': context, ...rest } = credential
  if (!isObject(credentialSubject)) throw malformed('expected one credentialSubject')
  const { id: subject, ...claims } = credentialSubject
  const others = (Array.isArray(context) ? context : [context]).filter((name) => name !== CREDENTIALS_V2)
  const payload = {
    vc: {
      ...rest,
      '@context': [CREDENTIALS_V1, ...others],
      type: types(credential),
      credentialSubject: claims,
      ...(isObject(issuer) && { issuer }),
    },
    ...(validFrom !== undefined && { nbf: Math.ceil(readTime('validFrom', validFrom) / 1_000) }),
    ...(validUntil !== undefined && { exp: Math.floor(readTime('validUntil', validUntil) / 1_000) }),
    ...(typeof subject === 'string' && { sub: subject }),
    ...(typeof id === 'string' && { jti: id }),
  }
  return createVerifiableCredentialJwt(payload, issuerOf(key), { header: { kid: key.id } }).catch((cause: unknown) => {
    throw malformed(messageOf(cause), cause)
  })
}

export async function signPresentationJwt(
  credentials: readonly string[],
  by: { readonly key: SigningKey; readonly ask: Ask; readonly nowMs: number },
): Promise<string> {
  const { challenge, domain } = by.ask
  const vp = { '@context': [CREDENTIALS_V1], type: ['VerifiablePresentation'], verifiableCredential: [...credentials] }
  return createVerifiablePresentationJwt({ vp, nbf: Math.floor(by.nowMs / 1_000) }, issuerOf(by.key), {
    header: { kid: by.key.id },
    challenge,
    ...(domain !== null && { domain }),
  })
}

const issuerOf = (key: SigningKey) => ({
  did: didOf(key.id),
  alg: key.algorithm,
  signer: async (data: string | Uint8Array): Promise<string> =>
    encodeBase64url(await key.sign(typeof data === 'string' ? new TextEncoder().encode(data) : data)),
})
const types = ({ type }: JsonObject): string[] => (Array.isArray(type) ? type : [type]).map(String)

export interface Jwt {
  readonly header: JsonObject
  readonly payload: JsonObject
  readonly algorithm: Algorithm
  readonly keyId: string
  readonly signed: string
  readonly signature: Uint8Array
}

/** Reads what a JWT says, believing nothing of it yet. Throws CREDENTIAL_TOO_LARGE, TOO_DEEP, TOO_COMPLEX, MALFORMED and UNSUPPORTED. */
export function readJwt(text: string): Jwt {
  const parts = boundedText(text).split('.')
  const [header, payload] = parts.slice(0, 2).map(part)
  const [first = '', second = '', third = ''] = parts
  if (parts.length !== 3 || header === undefined || payload === undefined) throw malformed('not a JWT of three parts')
  const { alg, kid } = header
  if (!isAlgorithm(alg)) throw new NodeError(CredentialErrors.UNSUPPORTED, { what: `alg ${String(alg)}` })
  // `crit` names what must be understood, `cty` a JWT within the JWT, `b64` another way of signing: none is used here.
  for (const name of ['crit', 'cty', 'b64', 'jwk', 'x5c'])
    if (name in header) throw new NodeError(CredentialErrors.UNSUPPORTED, { what: `the header ${name}` })
  if (typeof kid !== 'string') throw malformed('a JWT without kid')
  return { header, payload, algorithm: alg, keyId: kid, signed: `${first}.${second}`, signature: bytesOf(third) }
}
const part = (text: string): JsonObject => {
  const value = boundedJson(new TextDecoder().decode(bytesOf(text)))
  if (!isObject(value)) throw malformed('a part of the JWT is no object')
  return value
}
/** One text for one value, or a signature could be written in many ways. */
const bytesOf = (text: string): Uint8Array => {
  try {
    const bytes = decodeBase64url(text)
    if (encodeBase64url(bytes) === text) return bytes
  } catch (cause) {
    throw malformed('not base64url', cause)
  }
  throw malformed('not base64url')
}

/** Seconds of a JWT's claim as milliseconds; null where there is none. Throws CREDENTIAL_MALFORMED. */
export function secondsClaim(payload: JsonObject, name: string): number | null {
  const value = payload[name]
  if (value === undefined) return null
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 1e11)
    throw malformed(`${name} is no time in seconds`)
  return value * 1_000
}

/** Throws CREDENTIAL_TAMPERED and MALFORMED. Dates are not judged. */
export async function checkCredentialJwt(text: string, jwt: Jwt, key: AuthorizedKey): Promise<void> {
  refuseAlgorithm(jwt, key)
  const policies = { now: 0, issuanceDate: false, expirationDate: false, aud: false }
  await verifyCredential(text, only(key, 'assertionMethod'), { policies, proofPurpose: 'assertionMethod' }).catch(
    (cause: unknown) => {
      throw fault(cause, key)
    },
  )
}

/** Throws CREDENTIAL_TAMPERED, CHALLENGE, DOMAIN and MALFORMED. */
export async function checkPresentationJwt(text: string, jwt: Jwt, key: AuthorizedKey, ask: Ask): Promise<void> {
  refuseAlgorithm(jwt, key)
  const { challenge, domain } = ask
  if (jwt.payload.nonce !== challenge) throw new NodeError(CredentialErrors.CHALLENGE, undefined)
  const { aud } = jwt.payload
  const audience: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (domain !== null && !audience.includes(domain)) throw new NodeError(CredentialErrors.DOMAIN, { domain })
  const policies = { now: 0, issuanceDate: false, expirationDate: false, aud: false }
  await verifyPresentation(text, only(key, 'authentication'), { policies, proofPurpose: 'authentication' }).catch(
    (cause: unknown) => {
      throw fault(cause, key)
    },
  )
}

/** A key of one curve must not be read as one of another. */
const refuseAlgorithm = ({ algorithm }: Jwt, key: AuthorizedKey): void => {
  const own = publicKeyOf(key.method)?.algorithm ?? 'ES256K'
  if (algorithm !== own && !(own === 'ES256K' && algorithm === 'ES256K-R'))
    throw new NodeError(CredentialErrors.TAMPERED, { keyId: key.method.id })
}

/** A resolver that knows one document with one key: the one that was found to count. */
const only = ({ did, method }: AuthorizedKey, purpose: 'assertionMethod' | 'authentication'): Resolvable => {
  const document: DIDDocument = {
    id: did,
    verificationMethod: [{ ...method, type: String(method.type), controller: did }],
    [purpose]: [method.id],
  }
  return {
    resolve: async () => ({ didDocument: document, didDocumentMetadata: {}, didResolutionMetadata: {} }),
  }
}
const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).slice(0, 300)
const fault = (cause: unknown, key: AuthorizedKey): NodeError => {
  const text = messageOf(cause)
  return /invalid_signature|signature|no_suitable_keys|Point|point/.test(text)
    ? new NodeError(CredentialErrors.TAMPERED, { keyId: key.method.id }, { cause })
    : malformed(text, cause)
}
