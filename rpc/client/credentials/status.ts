// W3C Bitstring Status List, anchored on chain. Owns what an entry of a credential points at, and the judgement: a bit counts as set
// where the chain's state has it, or the segment that the issuer anchored there by its digest. A list that cannot be read is never taken
// for an empty one.
import { equalBytes } from '../../../chain/base/bytes.ts'
import { NodeError } from '../../../chain/base/errors.ts'
import { bitAt, decodeBitstring, ENCODED_CHARS_MAX, encodeBitstring } from './bitstring.ts'
import { boundedJson, isObject, type JsonObject } from './bounds.ts'
import { CredentialErrors, unreadable } from './errors.ts'
import { digest } from './keys.ts'

export type StatusPurpose = 'revocation' | 'suspension'
/** What the chain knows of one index of a list. */
export interface ChainStatus {
  /** The DID whose list it is. */
  readonly issuer: string
  readonly purpose: StatusPurpose
  readonly sizeBits: number
  /** Whether the bit is set in state. */
  readonly isSet: boolean
  /** The segment of the list that the issuer published elsewhere; null where none is. */
  readonly anchor: {
    readonly digest: Uint8Array
    readonly from: number
    readonly count: number
    readonly uri: string
  } | null
}
export interface StatusSource {
  /** At `atMs`, null for now. null where there is no such list, or it has no such index. Rejects where the chain does not answer. */
  status(list: bigint, index: number, atMs: number | null): Promise<ChainStatus | null>
}
/** Fetches what is published under a URI: a status list credential as JSON, or its encoded list alone. */
export type ListFetch = (uri: string, signal: AbortSignal) => Promise<string>

/** Where none is given. */
export const noList: ListFetch = async (uri) => {
  throw new NodeError(CredentialErrors.UNSUPPORTED, { what: `fetching ${uri}: a fetchList is to be given` })
}

/** Where a credential says that its status stands: entry `index` of list `list` of `issuer`, in the words of W3C. */
export function statusEntry(entry: {
  readonly issuer: string
  readonly list: bigint
  readonly index: number
  readonly purpose: StatusPurpose
}): JsonObject {
  const list = `${entry.issuer}/status/${entry.list}`
  return {
    id: `${list}#${entry.index}`,
    type: 'BitstringStatusListEntry',
    statusPurpose: entry.purpose,
    statusListIndex: String(entry.index),
    statusListCredential: list,
  }
}

export interface Entry {
  readonly name: string
  readonly list: bigint
  readonly index: number
  readonly purpose: StatusPurpose
}
/** At most so many lists are asked for one credential: revocation, suspension, and as many again. */
const ENTRIES_MAX = 4

/** The entries of a credential of `issuer`. Throws CREDENTIAL_STATUS_MALFORMED: also for kinds of status that nobody here can look up. */
export function readEntries(issuer: string, credentialStatus: unknown): readonly Entry[] {
  if (credentialStatus === undefined) return []
  const entries: readonly unknown[] = Array.isArray(credentialStatus) ? credentialStatus : [credentialStatus]
  if (entries.length > ENTRIES_MAX) throw unreadable(`${entries.length} entries, at most ${ENTRIES_MAX}`)
  return entries.map((entry) => {
    if (!isObject(entry) || entry.type !== 'BitstringStatusListEntry')
      throw unreadable('not a BitstringStatusListEntry')
    const { statusPurpose: purpose, statusListIndex: index, statusListCredential: name, statusSize = 1 } = entry
    if (purpose !== 'revocation' && purpose !== 'suspension') throw unreadable(`purpose ${String(purpose)}`)
    if (statusSize !== 1) throw unreadable('a status of several bits')
    if (typeof index !== 'string' || !/^(0|[1-9]\d{0,9})$/.test(index)) throw unreadable('statusListIndex is no number')
    const list = typeof name === 'string' ? /^(did:[^/?#]+)\/status\/(0|[1-9]\d{0,77})$/.exec(name) : null
    if (list === null) throw unreadable('statusListCredential is no list of the chain, <did>/status/<number>')
    // Or whoever has a list of his own could say what this issuer never said.
    if (list[1] !== issuer) throw unreadable('the list is another’s')
    return { name: list[0], list: BigInt(list[2] ?? 0), index: Number(index), purpose }
  })
}

/** Throws CREDENTIAL_REVOKED, SUSPENDED, STATUS_MALFORMED and STATUS_UNAVAILABLE. */
export async function checkEntry(
  by: { readonly chain: StatusSource; readonly fetchList: ListFetch; readonly timeoutMs: number },
  entry: Entry,
  issuer: string,
  atMs: number | null,
): Promise<void> {
  const { name, list, index, purpose } = entry
  const answer = await by.chain.status(list, index, atMs).catch((cause: unknown) => {
    throw silent(name, cause)
  })
  if (answer === null || index >= answer.sizeBits) throw unreadable(`the chain has no index ${index} of ${name}`)
  if (answer.issuer !== issuer) throw unreadable(`${name} is a list of ${answer.issuer}`)
  if (answer.purpose !== purpose) throw unreadable(`${name} is a list of ${answer.purpose}s`)
  const { anchor } = answer
  const isSet = answer.isSet || (anchor !== null && bitAt(await anchoredBits(by, name, anchor), index - anchor.from))
  if (isSet)
    throw new NodeError(purpose === 'revocation' ? CredentialErrors.REVOKED : CredentialErrors.SUSPENDED, {
      list: name,
      index,
    })
}

/**
 * The bits that an issuer published and anchored, from index `anchor.from` on. Throws CREDENTIAL_STATUS_MALFORMED and STATUS_UNAVAILABLE: also where
 * what is published is something else.
 */
export async function anchoredBits(
  { fetchList, timeoutMs }: { readonly fetchList: ListFetch; readonly timeoutMs: number },
  name: string,
  anchor: Omit<NonNullable<ChainStatus['anchor']>, 'from'>,
): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(timeoutMs)
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  const text = await Promise.race([fetchList(anchor.uri, signal), late]).catch((cause: unknown) => {
    throw silent(name, cause)
  })
  const bits = await decodeBitstring(encodedList(text), Math.ceil(anchor.count / 8))
  if (!equalBytes(digest(bits), anchor.digest)) throw silent(name, 'what is published is not what is anchored')
  return bits
}

/** The list itself, or the credential around it. That it is the issuer's is known by its digest on chain, so its proof adds nothing. */
const encodedList = (text: string): string => {
  if (text.length > 2 * ENCODED_CHARS_MAX) throw unreadable(`${text.length} characters of list`)
  if (!text.trimStart().startsWith('{')) return text.trim()
  const credential = boundedJson(text)
  const subject = isObject(credential) ? credential.credentialSubject : null
  if (!isObject(subject) || typeof subject.encodedList !== 'string') throw unreadable('no encodedList')
  return subject.encodedList
}

const silent = (list: string, cause: unknown): NodeError => {
  if (cause instanceof NodeError && cause.code === CredentialErrors.STATUS_MALFORMED.code) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new NodeError(CredentialErrors.STATUS_UNAVAILABLE, { list, reason: reason.slice(0, 200) }, { cause })
}

/** What an issuer publishes under the URI that it anchors, before its proof: any verifier of W3C's reads it. */
export async function statusListCredential(list: {
  readonly id: string
  readonly issuer: string
  readonly purpose: StatusPurpose
  readonly bits: Uint8Array
  readonly validFromMs: number
}): Promise<JsonObject> {
  return {
    '@context': ['https://www.w3.org/ns/credentials/v2'],
    id: list.id,
    type: ['VerifiableCredential', 'BitstringStatusListCredential'],
    issuer: list.issuer,
    validFrom: new Date(list.validFromMs).toISOString(),
    credentialSubject: {
      id: `${list.id}#list`,
      type: 'BitstringStatusList',
      statusPurpose: list.purpose,
      encodedList: await encodeBitstring(list.bits),
    },
  }
}
