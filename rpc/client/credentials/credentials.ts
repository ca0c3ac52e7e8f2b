// Verifiable credentials over the chain's DIDs: issue, verify, present, in three forms. Owns the order of judgement: size, shape, whose key,
// proof, dates, status; the first that fails is the error. Holds no key and no clock of its own. Runs in a browser.
import { NodeError } from '../../../chain/base/errors.ts'
import type { Clock } from '../../../chain/base/ports.ts'
import { boundedJson, checkTerms, credentialLimits, isObject, type JsonObject } from './bounds.ts'
import { type Contexts, contextsWith } from './contexts.ts'
import {
  type Ask,
  checkCredentialProof,
  checkPresentationProof,
  presentationOf,
  readProof,
  readTime,
  signDocument,
  signPresentation,
} from './data-integrity.ts'
import { authorizedKey, type DidSource, didOf, keysOf } from './dids.ts'
import { CredentialErrors, malformed } from './errors.ts'
import {
  checkCredentialJwt,
  checkPresentationJwt,
  readJwt,
  secondsClaim,
  signCredentialJwt,
  signPresentationJwt,
} from './jwt.ts'
import type { SigningKey } from './keys.ts'
import { checkSdJwt, presentSdJwt, RESERVED, readSdJwt, type SdJwt, signSdJwt } from './sd-jwt.ts'
import { checkEntry, type Entry, type ListFetch, noList, readEntries, type StatusSource } from './status.ts'

/** Data Integrity (eddsa-rdfc-2022) as a JSON document; VC-JWT and SD-JWT VC as text. */
export type CredentialForm = 'data-integrity' | 'jwt' | 'sd-jwt'
export type Secured = JsonObject | string

export interface CredentialDeps {
  readonly dids: DidSource
  readonly status: StatusSource
  readonly clock: Clock
  /** For lists that are anchored on chain and published elsewhere; without it these do not answer. */
  readonly fetchList?: ListFetch
}
export interface CredentialOptions {
  /** Contexts trusted beside ours and W3C's, by name. */
  readonly contexts?: Readonly<Record<string, JsonObject>>
  /** How long a published status list is waited for. */
  readonly statusTimeoutMs?: number
}

export interface Verified {
  readonly form: CredentialForm
  readonly issuer: string
  /** Whom it is about, where it names one. */
  readonly subject: string | null
  readonly types: readonly string[]
  readonly keyId: string
  readonly validFromMs: number | null
  readonly validUntilMs: number | null
  /** What it says of the subject; of an SD-JWT, what was disclosed. */
  readonly claims: JsonObject
}
export interface VerifiedPresentation {
  readonly holder: string
  readonly credentials: readonly Verified[]
}

export interface Moment {
  /** As of this time: its documents, keys and statuses. Now where it is left out. */
  readonly atMs?: number
}
export interface Credentials {
  /** A credential of data model 2.0, without proof. `disclosable`: claims that an SD-JWT's holder may keep to itself. */
  issue(
    credential: unknown,
    by: { readonly key: SigningKey; readonly form: CredentialForm; readonly disclosable?: readonly string[] },
  ): Promise<Secured>
  verify(secured: unknown, moment?: Moment): Promise<Verified>
  /** Where its status stands, of a credential whose proof holds: also of one that has expired, or is revoked already. */
  entriesOf(secured: unknown): Promise<readonly Entry[]>
  /** Credentials of one form; an SD-JWT alone. `disclose`: the claims of it to show. */
  present(
    secured: readonly unknown[],
    by: Ask & { readonly key: SigningKey; readonly disclose?: readonly string[] },
  ): Promise<Secured>
  /** A presentation of one's own making, without proof, in Data Integrity's form. */
  presentDocument(presentation: unknown, by: Ask & { readonly key: SigningKey }): Promise<JsonObject>
  /** `binding: 'none'` lets somebody present what is about another; the default does not. */
  verifyPresentation(
    presentation: unknown,
    by: Ask & Moment & { readonly binding?: 'subject' | 'none' },
  ): Promise<VerifiedPresentation>
}

const STATUS_TIMEOUT_MS = 5_000
/** By so much the issuer's clock may be ahead of the verifier's. */
const SKEW_MS = 60_000

/** Every function throws CREDENTIAL_*: what was refused first. */
export function createCredentials(deps: CredentialDeps, options: CredentialOptions = {}): Credentials {
  const work: Work = {
    ...deps,
    contexts: contextsWith(options.contexts ?? {}),
    fetchList: deps.fetchList ?? noList,
    timeoutMs: options.statusTimeoutMs ?? STATUS_TIMEOUT_MS,
  }
  return {
    issue: (credential, by) => issue(work, credential, by),
    verify: (secured, { atMs } = {}) => verify(work, secured, atMs ?? null),
    async entriesOf(secured) {
      const { issuer, status } = await proven(work, secured, formOf(secured), null)
      return readEntries(issuer, status)
    },
    present: (secured, by) => present(work, secured, by),
    presentDocument: (presentation, by) => presentDocument(work, presentation, by),
    verifyPresentation: (presentation, { binding = 'subject', atMs, challenge, domain }) =>
      verifyPresentation(work, presentation, { ask: { challenge, domain }, atMs: atMs ?? null, binding }),
  }
}

interface Work extends Required<CredentialDeps> {
  readonly contexts: Contexts
  readonly timeoutMs: number
}
const salt = (sizeBytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(sizeBytes))

const issue = async (
  { contexts, clock }: Work,
  input: unknown,
  by: Parameters<Credentials['issue']>[1],
): Promise<Secured> => {
  const { key, form, disclosable = [] } = by
  const document = objectOf(boundedJson(input))
  const did = didOf(key.id)
  const credential = document.issuer === undefined ? { ...document, issuer: did } : document
  checkTerms(credential, (context) => contexts.has(context))
  if (issuerIn(credential) !== did)
    throw new NodeError(CredentialErrors.WRONG_ISSUER, { issuer: issuerIn(credential), keyId: key.id })
  if (!typesOf(credential).includes('VerifiableCredential')) throw malformed('its type is no VerifiableCredential')
  if ('proof' in credential) throw malformed('it has a proof already')
  readEntries(did, credential.credentialStatus)
  const [fromMs, untilMs] = datesOf(credential)
  if (fromMs !== null && untilMs !== null && untilMs < fromMs) throw malformed('validUntil is before validFrom')
  if (disclosable.length > 0 && form !== 'sd-jwt')
    throw new NodeError(CredentialErrors.FORM, { reason: 'only an SD-JWT can keep claims back' })
  const nowMs = clock.nowMs()
  switch (form) {
    case 'data-integrity':
      return signDocument(credential, { key, nowMs, contexts })
    case 'jwt':
      return signCredentialJwt(credential, key)
    case 'sd-jwt':
      return signSdJwt(credential, { key, nowMs, salt, disclosable })
  }
}

const formOf = (secured: unknown): CredentialForm => {
  if (typeof secured !== 'string' || /^\s*\{/.test(secured)) return 'data-integrity'
  return secured.includes('~') ? 'sd-jwt' : 'jwt'
}

const verify = async (work: Work, secured: unknown, atMs: number | null): Promise<Verified> => {
  const form = formOf(secured)
  return judged(work, await proven(work, secured, form, atMs), atMs)
}
const judged = async (work: Work, known: Proven, atMs: number | null): Promise<Verified> => {
  checkDates(known, atMs ?? work.clock.nowMs())
  const { status, ...verified } = known
  const by = { chain: work.status, fetchList: work.fetchList, timeoutMs: work.timeoutMs }
  for (const entry of readEntries(known.issuer, status)) await checkEntry(by, entry, known.issuer, atMs)
  return verified
}

interface Proven extends Verified {
  readonly status: unknown
}
/** Its proof holds; dates and status are open. */
const proven = async (work: Work, secured: unknown, form: CredentialForm, atMs: number | null): Promise<Proven> => {
  switch (form) {
    case 'data-integrity':
      return provenDocument(work, objectOf(boundedJson(secured)), atMs)
    case 'jwt':
      return provenJwt(work, String(secured), atMs)
    case 'sd-jwt': {
      const text = String(secured)
      return provenSdJwt(work, text, readSdJwt(text), { atMs, bound: null })
    }
  }
}

const provenDocument = async ({ dids, contexts }: Work, document: JsonObject, atMs: number | null): Promise<Proven> => {
  const proof = readProof(document, 'assertionMethod', contexts)
  const did = issuerIn(document)
  const wanted = { did, keyId: proof.keyId, purpose: 'assertionMethod' } as const
  const key = await authorizedKey(dids, wanted, { atMs, madeMs: proof.createdMs })
  await checkCredentialProof(document, key, contexts)
  const [validFromMs, validUntilMs] = datesOf(document)
  const subjects: readonly unknown[] = [document.credentialSubject].flat()
  const claims = objectOf(subjects[0])
  const subject = typeof claims.id === 'string' ? claims.id : null
  const known = { form: 'data-integrity', issuer: did, subject, types: typesOf(document), keyId: proof.keyId } as const
  return { ...known, validFromMs, validUntilMs, claims, status: document.credentialStatus }
}

const provenJwt = async ({ dids }: Work, text: string, atMs: number | null): Promise<Proven> => {
  const jwt = readJwt(text)
  const { payload, keyId } = jwt
  const { iss, sub, vc } = payload
  if (typeof iss !== 'string' || !isObject(vc)) throw malformed('a JWT without iss or vc')
  const fromMs = secondsClaim(payload, 'nbf')
  const untilMs = secondsClaim(payload, 'exp')
  const key = await authorizedKey(
    dids,
    { did: iss, keyId, purpose: 'assertionMethod' },
    { atMs, madeMs: secondsClaim(payload, 'iat') ?? fromMs },
  )
  await checkCredentialJwt(text, jwt, key)
  const own = objectOf(vc.credentialSubject)
  // What stands there twice must be the same, or two programs would read two credentials.
  if (vc.issuer !== undefined && issuerIn(vc) !== iss) throw malformed('iss and vc.issuer differ')
  if (own.id !== undefined && sub !== undefined && own.id !== sub)
    throw malformed('sub and credentialSubject.id differ')
  const subject = sub ?? own.id
  const [innerFromMs, innerUntilMs] = datesOf(vc)
  return {
    ...{ form: 'jwt', issuer: iss, types: typesOf(vc), keyId, status: vc.credentialStatus },
    subject: typeof subject === 'string' ? subject : null,
    validFromMs: chosen(Math.max, fromMs, innerFromMs),
    validUntilMs: chosen(Math.min, untilMs, innerUntilMs),
    claims: subject === undefined ? own : { ...own, id: subject },
  }
}
const chosen = (which: (a: number, b: number) => number, a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : which(a, b)

const provenSdJwt = async (
  { dids }: Work,
  text: string,
  sdJwt: SdJwt,
  by: { readonly atMs: number | null; readonly bound: Parameters<typeof checkSdJwt>[2]['bound'] },
): Promise<Proven> => {
  const { payload, keyId } = sdJwt.jwt
  const { iss, vct } = payload
  if (typeof iss !== 'string' || typeof vct !== 'string') throw malformed('an SD-JWT without iss or vct')
  const fromMs = secondsClaim(payload, 'nbf')
  const untilMs = secondsClaim(payload, 'exp')
  const time = { atMs: by.atMs, madeMs: secondsClaim(payload, 'iat') ?? fromMs }
  const key = await authorizedKey(dids, { did: iss, keyId, purpose: 'assertionMethod' }, time)
  const shown = await checkSdJwt(text, sdJwt, { key, bound: by.bound })
  const claims = Object.fromEntries(Object.entries(shown).filter(([name]) => !RESERVED.has(name)))
  return {
    ...{ form: 'sd-jwt', issuer: iss, types: [vct], keyId, validFromMs: fromMs, validUntilMs: untilMs, claims },
    subject: typeof payload.sub === 'string' ? payload.sub : null,
    status: payload.credentialStatus,
  }
}

const checkDates = (
  { validFromMs, validUntilMs }: Pick<Verified, 'validFromMs' | 'validUntilMs'>,
  nowMs: number,
): void => {
  if (validFromMs !== null && validFromMs > nowMs + SKEW_MS)
    throw new NodeError(CredentialErrors.NOT_YET, { fromMs: validFromMs, atMs: nowMs })
  if (validUntilMs !== null && validUntilMs <= nowMs)
    throw new NodeError(CredentialErrors.EXPIRED, { untilMs: validUntilMs, atMs: nowMs })
}

const presentDocument = async (
  { contexts, clock }: Work,
  input: unknown,
  { key, challenge, domain }: Parameters<Credentials['presentDocument']>[1],
): Promise<JsonObject> => {
  const document = objectOf(boundedJson(input))
  const own = didOf(key.id)
  const presentation = document.holder === undefined ? { ...document, holder: own } : document
  if (issuerOf(presentation.holder) !== own)
    throw new NodeError(CredentialErrors.WRONG_ISSUER, { issuer: issuerOf(presentation.holder), keyId: key.id })
  if (!typesOf(presentation).includes('VerifiablePresentation'))
    throw malformed('its type is no VerifiablePresentation')
  if ('proof' in presentation) throw malformed('it has a proof already')
  return signPresentation(presentation, { key, nowMs: clock.nowMs(), contexts, ask: { challenge, domain } })
}

const present = async (
  work: Work,
  secured: readonly unknown[],
  by: Parameters<Credentials['present']>[1],
): Promise<Secured> => {
  const { key, challenge, domain, disclose = [] } = by
  const ask = { challenge, domain }
  const form = formsOf(secured)
  const nowMs = work.clock.nowMs()
  if (disclose.length > 0 && form !== 'sd-jwt')
    throw new NodeError(CredentialErrors.FORM, { reason: 'only an SD-JWT can keep claims back' })
  switch (form) {
    case 'data-integrity': {
      const documents = secured.map((each) => objectOf(boundedJson(each)))
      return presentDocument(work, presentationOf(didOf(key.id), documents), { key, ...ask })
    }
    case 'jwt':
      return signPresentationJwt(secured.map(String), { key, nowMs, ask })
    case 'sd-jwt':
      return presentSdJwt(String(secured[0]), { key, nowMs, ask, disclose })
  }
}

const formsOf = (secured: readonly unknown[]): CredentialForm => {
  if (secured.length > credentialLimits.credentials)
    throw new NodeError(CredentialErrors.TOO_COMPLEX, { what: `${secured.length} credentials` })
  const [form, other] = new Set(secured.map(formOf))
  if (form === undefined) throw malformed('no credential to present')
  if (other !== undefined) throw new NodeError(CredentialErrors.FORM, { reason: `${form} and ${other} in one` })
  if (form === 'sd-jwt' && secured.length > 1)
    throw new NodeError(CredentialErrors.FORM, { reason: 'an SD-JWT is presented alone' })
  return form
}

interface Check {
  readonly ask: Ask
  readonly atMs: number | null
  readonly binding: 'subject' | 'none'
}
const verifyPresentation = async (work: Work, presentation: unknown, check: Check): Promise<VerifiedPresentation> => {
  switch (formOf(presentation)) {
    case 'data-integrity':
      return verifyDocument(work, objectOf(boundedJson(presentation)), check)
    case 'jwt':
      return verifyJwt(work, String(presentation), check)
    case 'sd-jwt':
      return verifySdJwt(work, String(presentation), check)
  }
}

const verifyDocument = async (work: Work, document: JsonObject, check: Check): Promise<VerifiedPresentation> => {
  const { challenge, domain } = check.ask
  const proof = readProof(document, 'authentication', work.contexts)
  const holder = didOf(proof.keyId)
  if (document.holder !== undefined && issuerOf(document.holder) !== holder)
    throw new NodeError(CredentialErrors.WRONG_ISSUER, { issuer: issuerOf(document.holder), keyId: proof.keyId })
  if (proof.challenge !== challenge) throw new NodeError(CredentialErrors.CHALLENGE, undefined)
  if (domain !== null && !proof.domains.includes(domain)) throw new NodeError(CredentialErrors.DOMAIN, { domain })
  const wanted = { did: holder, keyId: proof.keyId, purpose: 'authentication' } as const
  const key = await authorizedKey(work.dids, wanted, { atMs: check.atMs, madeMs: proof.createdMs })
  await checkPresentationProof(document, key, { ask: check.ask, contexts: work.contexts })
  const credentials: readonly unknown[] = [document.verifiableCredential ?? []].flat()
  return { holder, credentials: await verifyAll(work, credentials, holder, check) }
}

const verifyJwt = async (work: Work, text: string, check: Check): Promise<VerifiedPresentation> => {
  const jwt = readJwt(text)
  const { iss, vp } = jwt.payload
  if (typeof iss !== 'string' || !isObject(vp)) throw malformed('a JWT without iss or vp')
  const madeMs = secondsClaim(jwt.payload, 'nbf')
  const wanted = { did: iss, keyId: jwt.keyId, purpose: 'authentication' } as const
  const key = await authorizedKey(work.dids, wanted, { atMs: check.atMs, madeMs })
  await checkPresentationJwt(text, jwt, key, check.ask)
  const dates = { validFromMs: madeMs, validUntilMs: secondsClaim(jwt.payload, 'exp') }
  checkDates(dates, check.atMs ?? work.clock.nowMs())
  const credentials: readonly unknown[] = [vp.verifiableCredential ?? []].flat()
  if (credentials.some((each) => formOf(each) !== 'jwt'))
    throw new NodeError(CredentialErrors.FORM, { reason: 'a JWT presents JWTs' })
  return { holder: iss, credentials: await verifyAll(work, credentials, iss, check) }
}

const verifyAll = async (
  work: Work,
  credentials: readonly unknown[],
  holder: string,
  { atMs, binding }: Check,
): Promise<readonly Verified[]> => {
  if (credentials.length > 0) formsOf(credentials)
  const all: Verified[] = []
  for (const each of credentials) {
    const verified = await verify(work, each, atMs)
    if (binding === 'subject') checkHolder(holder, verified)
    all.push(verified)
  }
  return all
}
const checkHolder = (holder: string, { subject }: Verified): void => {
  if (subject !== null && subject !== holder) throw new NodeError(CredentialErrors.HOLDER, { holder, subject })
}

const verifySdJwt = async (work: Work, text: string, check: Check): Promise<VerifiedPresentation> => {
  const { ask, atMs } = check
  const sdJwt = readSdJwt(text)
  if (sdJwt.holder === null) throw malformed('it is bound to no holder')
  const holder = didOf(sdJwt.holder)
  const one = { did: holder, keyId: sdJwt.holder, purpose: 'authentication' } as const
  const keys = sdJwt.holder.includes('#')
    ? [await authorizedKey(work.dids, one, { atMs, madeMs: null })]
    : await keysOf(work.dids, holder, 'authentication', atMs)
  const known = await provenSdJwt(work, text, sdJwt, { atMs, bound: { keys, ask } })
  const verified = await judged(work, known, atMs)
  if (check.binding === 'subject') checkHolder(holder, verified)
  return { holder, credentials: [verified] }
}

const objectOf = (value: unknown): JsonObject => {
  if (!isObject(value)) throw malformed('expected an object')
  return value
}
const typesOf = ({ type }: JsonObject): readonly string[] => [type].flat().map(String)
const issuerOf = (value: unknown): string => String(isObject(value) ? value.id : value)
const issuerIn = ({ issuer }: JsonObject): string => issuerOf(issuer)
/** From and until, by either data model's name. */
const datesOf = (document: JsonObject): readonly [number | null, number | null] => {
  const { validFrom = document.issuanceDate, validUntil = document.expirationDate } = document
  return [
    validFrom === undefined ? null : readTime('validFrom', validFrom),
    validUntil === undefined ? null : readTime('validUntil', validUntil),
  ]
}
