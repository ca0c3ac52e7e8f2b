// Which keys a DID's document lets speak for it. Owns the question whether a key counts: in the document as it is at the moment of
// verification, for the purpose, and its DID not deactivated. A key that has left the document counts no more for what it signed before
// either: the date of a signature is the signer's own word.
import { NodeError } from '../../../chain/base/errors.ts'
import { isObject, type JsonObject } from './bounds.ts'
import { CredentialErrors } from './errors.ts'

/** The DID of a DID URL. */
export const didOf = (url: string): string => url.split(/[#?/;]/, 1)[0] ?? ''

/** What DID resolution answers (W3C DID Resolution), as `did-resolver` and `nova_resolveDid` shape it. */
export interface DidResolution {
  readonly didDocument: JsonObject | null
  readonly didDocumentMetadata: JsonObject
  readonly didResolutionMetadata: JsonObject
}
export interface DidSource {
  /** The newest document, or the one that was in force at `versionTime` (ISO 8601). Rejects where the chain does not answer. */
  resolve(did: string, options?: { readonly versionTime?: string }): Promise<DidResolution>
}

export type Purpose = 'assertionMethod' | 'authentication'
export interface AuthorizedKey {
  readonly did: string
  readonly method: JsonObject & { readonly id: string }
}

/**
 * The verification method, if it may speak for `did` at `atMs` (null: now). `madeMs` is when it claims to have signed, which only tells
 * a revoked key from one that never was. Throws CREDENTIAL_WRONG_ISSUER, DID_*, KEY_* and CHAIN_UNAVAILABLE.
 */
export async function authorizedKey(
  source: DidSource,
  wanted: { readonly did: string; readonly keyId: string; readonly purpose: Purpose },
  time: { readonly atMs: number | null; readonly madeMs: number | null },
): Promise<AuthorizedKey> {
  const { did, keyId, purpose } = wanted
  if (didOf(keyId) !== did || !keyId.includes('#'))
    throw new NodeError(CredentialErrors.WRONG_ISSUER, { issuer: did, keyId })
  const document = await documentOf(source, did, time.atMs)
  const method = methodIn(document, keyId)
  if (method === null) {
    const { atMs, madeMs } = time
    const isBefore = madeMs !== null && (atMs === null || madeMs <= atMs)
    const before = isBefore ? await documentOf(source, did, madeMs).catch(() => null) : null
    const wasThere = before !== null && methodIn(before, keyId) !== null
    throw new NodeError(wasThere ? CredentialErrors.KEY_REVOKED : CredentialErrors.KEY_UNKNOWN, { keyId })
  }
  if (method.controller !== undefined && method.controller !== did)
    throw new NodeError(CredentialErrors.WRONG_ISSUER, { issuer: did, keyId })
  if (!idsOf(document, purpose).includes(keyId)) throw new NodeError(CredentialErrors.KEY_PURPOSE, { keyId, purpose })
  return { did, method: { ...method, id: keyId } }
}

/** All keys that may speak for `did` so. Throws CREDENTIAL_DID_* and CHAIN_UNAVAILABLE. */
export async function keysOf(
  source: DidSource,
  did: string,
  purpose: Purpose,
  atMs: number | null,
): Promise<readonly AuthorizedKey[]> {
  const document = await documentOf(source, did, atMs)
  return idsOf(document, purpose).flatMap((id) => {
    const method = methodIn(document, id)
    return method === null || (method.controller !== undefined && method.controller !== did)
      ? []
      : [{ did, method: { ...method, id } }]
  })
}

const documentOf = async (source: DidSource, did: string, atMs: number | null): Promise<JsonObject> => {
  const options = atMs === null ? undefined : { versionTime: new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z') }
  const answer = await source.resolve(did, options).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new NodeError(CredentialErrors.CHAIN_UNAVAILABLE, { reason }, { cause })
  })
  const { didDocument, didDocumentMetadata, didResolutionMetadata } = answer
  // It is said of the DID, whichever of its versions was asked for; of the time before there are keys.
  if (didDocumentMetadata.deactivated === true && (atMs === null || didDocument?.verificationMethod === undefined))
    throw new NodeError(CredentialErrors.DID_DEACTIVATED, { did })
  const { error } = didResolutionMetadata
  const reason = isObject(error) ? String(error.title ?? error.type) : error === undefined ? null : String(error)
  if (reason !== null || didDocument === null)
    throw new NodeError(CredentialErrors.DID_UNKNOWN, { did, reason: reason ?? 'no document' })
  if (didDocument.id !== did) throw new NodeError(CredentialErrors.DID_UNKNOWN, { did, reason: 'another’s document' })
  return didDocument
}

const RELATIONS = ['verificationMethod', 'assertionMethod', 'authentication']
const listIn = (document: JsonObject, name: string): readonly unknown[] => {
  const list = document[name]
  return Array.isArray(list) ? list : []
}
const absolute = (id: unknown, document: JsonObject): string =>
  typeof id === 'string' && id.startsWith('#') ? `${String(document.id)}${id}` : String(id)
const methodIn = (document: JsonObject, keyId: string): JsonObject | null =>
  RELATIONS.flatMap((name) => listIn(document, name))
    .filter(isObject)
    .find((method) => absolute(method.id, document) === keyId) ?? null
const idsOf = (document: JsonObject, purpose: Purpose): readonly string[] =>
  listIn(document, purpose).map((entry) => absolute(isObject(entry) ? entry.id : entry, document))
