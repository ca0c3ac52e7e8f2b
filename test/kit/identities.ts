// DIDs and status lists of a chain that a test makes up: documents by the second in which each began, lists by number. Answers as the
// chain's own sources do.
import { NodeError } from '../../chain/base/errors.ts'
import { type DidSource, didOf } from '../../rpc/client/credentials/dids.ts'
import { type Algorithm, multikeyOf, type SigningKey, signingKey } from '../../rpc/client/credentials/keys.ts'
import type { ChainStatus, StatusSource } from '../../rpc/client/credentials/status.ts'

type Document = Readonly<Record<string, unknown>>
interface Version {
  readonly fromMs: number
  /** null where it was deactivated. */
  readonly document: Document | null
}

export const ISSUER = `did:novacron:polygon:0x${'a1'.repeat(20)}`
export const HOLDER = `did:novacron:polygon:0x${'b2'.repeat(20)}`
export const STRANGER = `did:novacron:polygon:0x${'c3'.repeat(20)}`

/** A key that is the same in each run. */
export const keyOf = (did: string, name = 'key-1', algorithm: Algorithm = 'EdDSA'): SigningKey =>
  signingKey(`${did}#${name}`, algorithm, secretOf(did, name))
const secretOf = (did: string, name: string): Uint8Array => {
  const secret = new Uint8Array(32).fill(did.charCodeAt(did.length - 1))
  secret.set(new TextEncoder().encode(name.slice(0, 31)))
  return secret
}

/** A document with Ed25519 keys of these names, each for assertions and authentication. */
export const documentWith = (did: string, names: readonly string[] = ['key-1'], more: Document = {}): Document => ({
  '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'],
  id: did,
  verificationMethod: names.map((name) => multikeyOf(`${did}#${name}`, 'EdDSA', secretOf(did, name))),
  assertionMethod: names.map((name) => `${did}#${name}`),
  authentication: names.map((name) => `${did}#${name}`),
  ...more,
})
export const methodOf = (did: string, name: string, algorithm: 'ES256' | 'ES256K'): Document =>
  multikeyOf(`${did}#${name}`, algorithm, secretOf(did, name))

export interface Identities extends DidSource, StatusSource {
  set(did: string, document: Document | null, fromMs?: number): void
  setStatus(list: bigint, index: number, status: ChainStatus): void
  /** Whoever asks from now on gets no answer. */
  fail(): void
}

export function createIdentities(): Identities {
  const versions = new Map<string, Version[]>()
  const statuses = new Map<string, ChainStatus>()
  let isFailing = false
  const answering = (): void => {
    if (isFailing) throw new DOMException('no node answers', 'NetworkError')
  }
  return {
    set(did, document, fromMs = 0) {
      versions.set(did, [...(versions.get(did) ?? []), { fromMs, document }])
    },
    setStatus: (list, index, status) => void statuses.set(`${list}/${index}`, status),
    fail() {
      isFailing = true
    },
    async resolve(did, options) {
      answering()
      const atMs = options?.versionTime === undefined ? Number.POSITIVE_INFINITY : Date.parse(options.versionTime)
      const version = versions.get(didOf(did))?.findLast(({ fromMs }) => fromMs <= atMs)
      if (version === undefined)
        return { didDocument: null, didDocumentMetadata: {}, didResolutionMetadata: { error: 'notFound' } }
      const { document } = version
      return {
        didDocument: document ?? { id: did },
        // Said of the DID, whichever version is asked for.
        didDocumentMetadata: versions.get(did)?.at(-1)?.document === null ? { deactivated: true } : {},
        didResolutionMetadata: {},
      }
    },
    async status(list, index) {
      answering()
      return statuses.get(`${list}/${index}`) ?? null
    },
  }
}

/** The code a promise rejects with; null where it resolves. Anything that is not of a catalogue is thrown on. */
export const codeOf = (promise: Promise<unknown>): Promise<string | null> =>
  promise.then(
    () => null,
    (error: unknown) => {
      if (error instanceof NodeError) return error.code
      throw error
    },
  )
