// Data Integrity with eddsa-rdfc-2022: the proof lies in the document, over the statements that it makes. Owns what stands around the
// libraries of Digital Bazaar: no document is loaded but known contexts and the key that was found, and there is exactly one proof.
import { DataIntegrityProof } from '@digitalbazaar/data-integrity'
import { cryptosuite } from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite'
import * as vc from '@digitalbazaar/vc'
import jsigs from 'jsonld-signatures'
import { NodeError } from '../../../chain/base/errors.ts'
import { CREDENTIALS_V2, checkTerms, isObject, type JsonObject } from './bounds.ts'
import type { Contexts } from './contexts.ts'
import type { AuthorizedKey } from './dids.ts'
import { CredentialErrors, malformed } from './errors.ts'
import { type SigningKey, verifySignature } from './keys.ts'

/** When a challenge was answered, and for whom. */
export interface Ask {
  readonly challenge: string
  /** Whom the presentation is for; null where that is left open. */
  readonly domain: string | null
}

/** The credential with a proof. Throws CREDENTIAL_CONTEXT, INLINE_CONTEXT, TERM, MALFORMED, TOO_COMPLEX and UNSUPPORTED. */
export async function signDocument(
  document: JsonObject,
  by: { readonly key: SigningKey; readonly nowMs: number; readonly contexts: Contexts },
): Promise<JsonObject> {
  checkTerms(document, (context) => by.contexts.has(context))
  if ('proof' in document) throw malformed('it has a proof already')
  return vc
    .issue({
      credential: structuredClone(document),
      suite: suiteOf(by),
      now: momentOf(document),
      documentLoader: loaderOf(by.contexts),
    })
    .catch((error: unknown) => {
      throw fault(error, by.key.id)
    })
}

/** The presentation with a proof that answers a challenge. Throws as `signDocument`. */
export async function signPresentation(
  presentation: JsonObject,
  by: { readonly key: SigningKey; readonly nowMs: number; readonly contexts: Contexts; readonly ask: Ask },
): Promise<JsonObject> {
  checkTerms(presentation, (context) => by.contexts.has(context))
  const { challenge, domain } = by.ask
  return vc
    .signPresentation({
      ...{ presentation: structuredClone(presentation), challenge, ...(domain !== null && { domain }) },
      ...{ suite: suiteOf(by), documentLoader: loaderOf(by.contexts) },
    })
    .catch((error: unknown) => {
      throw fault(error, by.key.id)
    })
}

export interface Proof {
  readonly keyId: string
  readonly createdMs: number | null
  readonly challenge: string | null
  readonly domains: readonly string[]
}

/** What the one proof of a document says of itself. Throws CREDENTIAL_CONTEXT, INLINE_CONTEXT, TERM, MALFORMED and UNSUPPORTED. */
export function readProof(
  document: JsonObject,
  purpose: 'assertionMethod' | 'authentication',
  contexts: Contexts,
): Proof {
  checkTerms(document, (context) => contexts.has(context))
  const { proof } = document
  if (!isObject(proof)) throw malformed(proof === undefined ? 'no proof' : 'expected one proof')
  const { type, cryptosuite: suite, verificationMethod, created, challenge, domain } = proof
  if (type !== 'DataIntegrityProof' || suite !== cryptosuiteName)
    throw new NodeError(CredentialErrors.UNSUPPORTED, { what: `a proof of ${String(type)}, ${String(suite)}` })
  if (proof.proofPurpose !== purpose) throw malformed(`expected a proof for ${purpose}`)
  if (typeof verificationMethod !== 'string') throw malformed('a proof without verificationMethod')
  if ('previousProof' in proof || 'expires' in proof)
    throw new NodeError(CredentialErrors.UNSUPPORTED, { what: 'a chain of proofs, or a proof that expires' })
  const createdMs = created === undefined ? null : readTime('proof.created', created)
  const domains: readonly unknown[] = domain === undefined ? [] : Array.isArray(domain) ? domain : [domain]
  return {
    keyId: verificationMethod,
    createdMs,
    challenge: typeof challenge === 'string' ? challenge : null,
    domains: domains.map(String),
  }
}
const cryptosuiteName = 'eddsa-rdfc-2022'

/** Throws CREDENTIAL_TAMPERED, TERM, MALFORMED and TOO_COMPLEX. */
export async function checkCredentialProof(
  document: JsonObject,
  key: AuthorizedKey,
  contexts: Contexts,
): Promise<void> {
  const options = { suite: suiteFor(key), documentLoader: loaderOf(contexts, key) }
  // The library judges dates and status first, and by itself: it is asked of a moment that cannot fail, and told that all is well. Our
  // own judgement comes after the proof.
  const checkStatus = async (): Promise<object> => ({ verified: true })
  const asked = { credential: document, now: momentOf(document), checkStatus }
  const { verified, ...result } = await vc.verifyCredential({ ...options, ...asked })
  if (!verified) throw fault(result.error ?? result.results?.[0]?.error, key.method.id)
}

/** Throws as `checkCredentialProof`. The credentials inside are not judged. */
export async function checkPresentationProof(
  document: JsonObject,
  key: AuthorizedKey,
  by: { readonly ask: Ask; readonly contexts: Contexts },
): Promise<void> {
  const { challenge, domain } = by.ask
  const purpose = new jsigs.purposes.AuthenticationProofPurpose({
    challenge,
    ...(domain !== null && { domain }),
    controller: controllerOf(key),
  })
  const options = { purpose, suite: suiteFor(key), documentLoader: loaderOf(by.contexts, key) }
  const { verified, ...result } = await jsigs.verify(document, options)
  if (!verified) throw fault(result.error ?? result.results?.[0]?.error, key.method.id)
}

/** Throws CREDENTIAL_MALFORMED. Milliseconds; what XML Schema calls dateTimeStamp. */
export function readTime(name: string, value: unknown): number {
  const isStamp = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value)
  const ms = isStamp ? Date.parse(value) : Number.NaN
  if (!Number.isFinite(ms)) throw malformed(`${name} is no time with its zone`)
  return ms
}

const momentOf = ({ validFrom, validUntil }: JsonObject): Date => {
  const fromMs = validFrom === undefined ? null : readTime('validFrom', validFrom)
  const untilMs = validUntil === undefined ? null : readTime('validUntil', validUntil)
  if (fromMs !== null && untilMs !== null && untilMs < fromMs) throw malformed('validUntil is before validFrom')
  return new Date(fromMs ?? untilMs ?? 0)
}

const suiteOf = ({ key, nowMs }: { readonly key: SigningKey; readonly nowMs: number }): DataIntegrityProof => {
  if (key.algorithm !== 'EdDSA')
    throw new NodeError(CredentialErrors.UNSUPPORTED, { what: `${cryptosuiteName} with a key for ${key.algorithm}` })
  const signer = {
    id: key.id,
    algorithm: 'Ed25519',
    sign: ({ data }: { data: Uint8Array }) => key.sign(data),
  }
  return new DataIntegrityProof({ signer, cryptosuite: suite(null), date: new Date(nowMs) })
}
const suiteFor = (key: AuthorizedKey): DataIntegrityProof => new DataIntegrityProof({ cryptosuite: suite(key) })

/** The suite, with our curve in place of the package's. */
const suite = (key: AuthorizedKey | null): object => ({
  ...cryptosuite,
  createVerifier: async () => ({
    algorithm: 'Ed25519',
    verify: async ({ data, signature }: { data: Uint8Array; signature: Uint8Array }) =>
      key !== null && verifySignature(key.method, 'EdDSA', { bytes: data, signature }),
  }),
})

type Loader = (url: string) => Promise<{ documentUrl: string; document: unknown }>
/** Contexts, the key and who it speaks for. There is no network behind it. */
const loaderOf =
  (contexts: Contexts, key?: AuthorizedKey): Loader =>
  async (url) => {
    const document =
      contexts.get(url) ??
      (url === key?.method.id ? key.method : null) ??
      (key !== undefined && url === key.did ? controllerOf(key) : null)
    if (document === null) throw new NodeError(CredentialErrors.CONTEXT, { context: url })
    return { documentUrl: url, document }
  }
/** In the words of the library's check of purposes, which our own has gone before. */
const controllerOf = ({ did, method }: AuthorizedKey): object => ({
  '@context': 'https://www.w3.org/ns/did/v1',
  id: did,
  assertionMethod: [method.id],
  authentication: [method.id],
})

/** The libraries throw errors of many shapes, with causes inside; what they mean is told by what they say. */
const fault = (error: unknown, keyId: string): NodeError => {
  const causes = causesOf(error, 0)
  const known = causes.find((cause) => cause instanceof NodeError)
  if (known instanceof NodeError) return known
  const text = causes.map((cause) => (cause instanceof Error ? cause.message : String(cause))).join('; ')
  if (/deep iterations/i.test(text))
    return new NodeError(
      CredentialErrors.TOO_COMPLEX,
      { what: 'parts that can hardly be told apart' },
      { cause: error },
    )
  if (/safe mode/i.test(text))
    return new NodeError(CredentialErrors.TERM, { reason: safeReason(causes) ?? text }, { cause: error })
  if (/invalid signature|proofValue|base58|multibase/i.test(text))
    return new NodeError(CredentialErrors.TAMPERED, { keyId }, { cause: error })
  return malformed(text.slice(0, 300), error)
}
const causesOf = (error: unknown, depth: number): readonly unknown[] => {
  if (depth > 4 || error === undefined || error === null) return []
  if (Array.isArray(error)) return error.flatMap((each) => causesOf(each, depth + 1))
  if (!(error instanceof Error)) return [error]
  const inner = 'errors' in error ? error.errors : undefined
  return [error, ...causesOf(error.cause, depth + 1), ...causesOf(inner, depth + 1)]
}
const safeReason = (causes: readonly unknown[]): string | null => {
  for (const cause of causes) {
    const details = cause instanceof Error && 'details' in cause ? cause.details : null
    const event = isObject(details) && isObject(details.event) ? details.event : null
    if (event !== null) return `${String(event.message)} ${JSON.stringify(event.details)}`.slice(0, 300)
  }
  return null
}

export const presentationOf = (holder: string, credentials: readonly unknown[]): JsonObject => ({
  '@context': [CREDENTIALS_V2],
  type: ['VerifiablePresentation'],
  holder,
  verifiableCredential: credentials,
})
