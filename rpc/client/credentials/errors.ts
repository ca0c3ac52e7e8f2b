// What can be wrong with a credential, a presentation or a status. Owns the catalogue; whoever relies on a credential compares codes.
import { defineErrors, NodeError } from '../../../chain/base/errors.ts'

export const CredentialErrors = defineErrors('CREDENTIAL', {
  TOO_LARGE: { text: (d: { sizeBytes: number; maximum: number }) => `${d.sizeBytes} bytes, at most ${d.maximum}` },
  TOO_DEEP: { text: (d: { maximum: number }) => `nested deeper than ${d.maximum} levels` },
  TOO_COMPLEX: { text: (d: { what: string }) => `${d.what}: more than a verifier should spend on one document` },
  MALFORMED: { text: (d: { reason: string }) => `not a credential or presentation as expected: ${d.reason}` },
  CONTEXT: {
    text: (d: { context: string }) =>
      `unknown @context ${d.context}: contexts are never fetched; give it to createCredentials where you trust it`,
  },
  INLINE_CONTEXT: {
    text: (d: { at: string }) => `${d.at} defines terms of its own, which could change what was signed`,
  },
  TERM: { text: (d: { reason: string }) => `a part that no signature would cover: ${d.reason}` },
  FORM: { text: (d: { reason: string }) => `wrong form: ${d.reason}` },
  UNSUPPORTED: { text: (d: { what: string }) => `not supported: ${d.what}` },
  TAMPERED: { text: (d: { keyId: string }) => `the proof does not fit: it was changed, or ${d.keyId} did not sign it` },
  EXPIRED: {
    text: (d: { untilMs: number; atMs: number }) => `expired at ${date(d.untilMs)}, and it is ${date(d.atMs)}`,
  },
  NOT_YET: { text: (d: { fromMs: number; atMs: number }) => `valid from ${date(d.fromMs)}, and it is ${date(d.atMs)}` },
  WRONG_ISSUER: { text: (d: { issuer: string; keyId: string }) => `${d.keyId} is no key of the issuer ${d.issuer}` },
  DID_UNKNOWN: { text: (d: { did: string; reason: string }) => `${d.did} does not resolve: ${d.reason}` },
  DID_DEACTIVATED: { text: (d: { did: string }) => `${d.did} was deactivated, and with it all that it signed` },
  KEY_UNKNOWN: { text: (d: { keyId: string }) => `${d.keyId} is not in its DID’s document` },
  KEY_REVOKED: {
    text: (d: { keyId: string }) => `${d.keyId} was revoked or has ended, and with it all that it signed`,
  },
  KEY_PURPOSE: { text: (d: { keyId: string; purpose: string }) => `${d.keyId} may not be used for ${d.purpose}` },
  REVOKED: { text: (d: { list: string; index: number }) => `revoked by its issuer: index ${d.index} of ${d.list}` },
  SUSPENDED: { text: (d: { list: string; index: number }) => `suspended by its issuer: index ${d.index} of ${d.list}` },
  STATUS_MALFORMED: { text: (d: { reason: string }) => `its status cannot be found out: ${d.reason}` },
  STATUS_UNAVAILABLE: {
    text: (d: { list: string; reason: string }) => `the status list ${d.list} does not answer (${d.reason}): try again`,
  },
  CHAIN_UNAVAILABLE: { text: (d: { reason: string }) => `the chain does not answer (${d.reason}): try again` },
  CHALLENGE: { text: () => 'the presentation answers another challenge: it may be a replay' },
  DOMAIN: { text: (d: { domain: string }) => `the presentation was not made for ${d.domain}` },
  HOLDER: {
    text: (d: { holder: string; subject: string }) => `${d.holder} presents a credential about ${d.subject}`,
  },
})

const date = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : String(ms))

export const malformed = (reason: string, cause?: unknown): NodeError =>
  new NodeError(CredentialErrors.MALFORMED, { reason }, { cause })

export const unreadable = (reason: string, cause?: unknown): NodeError =>
  new NodeError(CredentialErrors.STATUS_MALFORMED, { reason }, { cause })
