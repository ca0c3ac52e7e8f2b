// W3C's VC API over the credentials library, for programs on this machine: issue, verify, prove, set a status. Owns the shapes of its requests
// and answers, and which problem each of our codes is in W3C's words. Signs with the one key it was given, and its account where it has one; keeps
// nothing.
import type { Hex } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Clock, Log } from '../chain/base/ports.ts'
import type { Json } from '../chain/types/call.ts'
import { boundedJson, isObject, type JsonObject } from '../rpc/client/credentials/bounds.ts'
import { createChainSources } from '../rpc/client/credentials/chain.ts'
import { type Credentials, createCredentials, type Verified } from '../rpc/client/credentials/credentials.ts'
import { didOf } from '../rpc/client/credentials/dids.ts'
import { malformed, unreadable } from '../rpc/client/credentials/errors.ts'
import type { SigningKey } from '../rpc/client/credentials/keys.ts'
import { fetchList } from '../rpc/client/credentials/lists.ts'
import { readEntries, type StatusSource } from '../rpc/client/credentials/status.ts'
import type { Provider } from '../rpc/client/did.ts'
import { ClientErrors } from '../rpc/client/http.ts'
import type { Dispatch } from '../rpc/dispatch.ts'
import type { Route, RouteAnswer } from '../rpc/server.ts'
import { type StatusWriter, statusWriter } from './issuer.ts'

/** Over the chain of this process. */
export function openVcApi(
  { dispatch, clock, log }: { readonly dispatch: Dispatch; readonly clock: Clock; readonly log: Log },
  { key, account }: { readonly key: SigningKey; readonly account: Uint8Array | null },
): ReadonlyMap<string, Route> {
  const provider = providerOver(dispatch)
  const sources = createChainSources(provider)
  const setStatus = account === null ? undefined : statusWriter(provider, account)
  const credentials = createCredentials({ ...sources, clock, fetchList })
  return createVcApi({ credentials, log, status: sources.status, ...(setStatus && { setStatus }) }, key)
}

/** What the API needs to set statuses: what there is, and who sets it. Without `setStatus` there is no such endpoint. */
interface Statuses {
  readonly status?: StatusSource
  readonly setStatus?: StatusWriter
}

/** By path. Each answers 200 or 201, or 400 with what is wrong: never more, and it never throws. */
export function createVcApi(
  { credentials, log, status, setStatus }: Statuses & { readonly credentials: Credentials; readonly log: Log },
  key: SigningKey,
): ReadonlyMap<string, Route> {
  const route =
    (run: (body: JsonObject, options: JsonObject) => Promise<RouteAnswer>): Route =>
    async (text) => {
      try {
        const body = boundedJson(text)
        if (!isObject(body)) throw malformed('expected an object')
        return await run(body, isObject(body.options) ? body.options : {})
      } catch (error) {
        return refusal(error, log)
      }
    }
  const prove = route(async ({ presentation }, options) => {
    const ask = { challenge: textOf(options, 'challenge'), domain: optional(options, 'domain') }
    const verifiablePresentation = await credentials.presentDocument(presentation, { key, ...ask })
    return { status: 201, body: asJson({ verifiablePresentation }) }
  })
  return new Map([
    ...(status === undefined || setStatus === undefined
      ? []
      : ([['/credentials/status', route((body) => update({ status, setStatus }, didOf(key.id), body))]] as const)),
    [
      '/credentials/issue',
      route(async ({ credential }) => {
        const verifiableCredential = await credentials.issue(credential, { key, form: 'data-integrity' })
        return { status: 201, body: asJson({ verifiableCredential }) }
      }),
    ],
    [
      '/credentials/verify',
      route(async (body) => {
        const secured = unwrapped(body.verifiableCredential ?? body.credential)
        return { status: 200, body: passed([await credentials.verify(secured)]) }
      }),
    ],
    ['/presentations', prove],
    ['/presentations/prove', prove],
    [
      '/presentations/verify',
      route(async (body, options) => {
        const presentation = unwrapped(body.verifiablePresentation ?? body.presentation)
        const challenge = optional(options, 'challenge') ?? ownChallenge(presentation)
        const ask = { challenge, domain: optional(options, 'domain') }
        const verified = await credentials.verifyPresentation(presentation, { ...ask, binding: 'none' })
        return { status: 200, body: { ...passed(verified.credentials), holder: verified.holder } }
      }),
    ],
  ])
}

/**
 * The entry names list and index itself: nothing is kept by which `credentialId` could be found. Answers once it is in a block, which is final.
 */
const update = async (
  { status, setStatus }: Required<Statuses>,
  issuer: string,
  body: JsonObject,
): Promise<RouteAnswer> => {
  const { credentialStatus, status: value } = body
  if (!isObject(credentialStatus) || typeof value !== 'boolean')
    throw malformed('expected credentialStatus, and status')
  // W3C's own example has the list's type in place of the entry's.
  const { type } = credentialStatus
  const named = { ...credentialStatus, type: type === 'BitstringStatusList' ? 'BitstringStatusListEntry' : type }
  const [entry] = readEntries(issuer, named)
  if (entry === undefined) throw malformed('expected one entry')
  const known = await status.status(entry.list, entry.index, null)
  if (known === null || known.issuer !== issuer)
    throw unreadable(`${issuer} has no index ${entry.index} of ${entry.name}`)
  if (known.purpose !== entry.purpose) throw unreadable(`${entry.name} is a list of ${known.purpose}s`)
  await setStatus(entry, value).catch((cause: unknown) => {
    throw cause instanceof NodeError ? unreadable(`it is not set: ${cause.message}`, cause) : cause
  })
  return { status: 200, body: { list: entry.name, index: entry.index, purpose: entry.purpose, value } }
}

/** The chain of this process, as ethers would ask it. */
const providerOver = (dispatch: Dispatch): Provider => ({
  async send(method, params) {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
    const text = await dispatch(body, { isLocal: true })
    const { result, error } = JSON.parse(text) as { result?: unknown; error?: { message: string; data?: Hex } } // our own dispatch
    if (error === undefined) return result
    const output = error.data === undefined ? {} : { output: error.data }
    throw new NodeError(ClientErrors.ANSWER, { method, message: error.message, ...output })
  },
})

/** JWTs travel in an envelope, as a data URL. */
const unwrapped = (secured: unknown): unknown => {
  if (!isObject(secured) || typeof secured.id !== 'string') return secured
  const [, text] = /^data:application\/(?:(?:vc|vp)\+jwt|(?:dc|vc)\+sd-jwt),(.+)$/.exec(secured.id) ?? []
  return text ?? secured
}
/** Who sets no challenge does not ask whether it is a replay. */
const ownChallenge = (presentation: unknown): string => {
  const proof = isObject(presentation) ? presentation.proof : null
  return isObject(proof) ? String(proof.challenge) : ''
}
const optional = (options: JsonObject, name: string): string | null => {
  const value = options[name]
  if (value === undefined) return null
  if (typeof value !== 'string') throw malformed(`options.${name} is no text`)
  return value
}
const textOf = (options: JsonObject, name: string): string => {
  const value = optional(options, name)
  if (value === null) throw malformed(`options.${name} is missing`)
  return value
}

const passed = (verified: readonly Verified[]): { readonly [key: string]: Json } => ({
  verified: true,
  checks: ['proof', 'credentialStatus'],
  warnings: [],
  errors: [],
  results: asJson(verified),
})
const asJson = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json // what comes out is JSON

const DATA_MODEL = 'https://www.w3.org/TR/vc-data-model#'
const STATUS_LIST = 'https://www.w3.org/ns/credentials/status-list#'
const PROBLEMS: readonly (readonly [code: RegExp, problem: string])[] = [
  [/TAMPERED|WRONG_ISSUER|DID_|KEY_|CHALLENGE|DOMAIN|HOLDER/, `${DATA_MODEL}CRYPTOGRAPHIC_SECURITY_ERROR`],
  [/EXPIRED|NOT_YET/, `${DATA_MODEL}RANGE_ERROR`],
  [/STATUS_UNAVAILABLE|CHAIN_UNAVAILABLE/, `${STATUS_LIST}STATUS_RETRIEVAL_ERROR`],
  [/STATUS_MALFORMED|REVOKED|SUSPENDED/, `${STATUS_LIST}STATUS_VERIFICATION_ERROR`],
  [/TOO_|UNSUPPORTED|FORM$/, `${DATA_MODEL}PARSING_ERROR`],
]
const refusal = (error: unknown, log: Log): RouteAnswer => {
  const isKnown = error instanceof NodeError && error.code.startsWith('CREDENTIAL_')
  if (!isKnown)
    log.error(
      { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
      'vc-api failed inside',
    )
  const [code, detail] = isKnown ? [error.code, error.message] : ['INTERNAL', 'internal error; the node logged it']
  const type = PROBLEMS.find(([pattern]) => pattern.test(code))?.[1] ?? `${DATA_MODEL}MALFORMED_VALUE_ERROR`
  const problem = { type, title: code, detail }
  return { status: 400, body: { verified: false, errors: [detail], problemDetails: [problem] } }
}
