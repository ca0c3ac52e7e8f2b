// DID resolution, as W3C's DID Resolution has it, over the module's reads wherever they come from. Owns which version is meant and what a
// refusal is called. Runs in a browser.
import type { Address } from '../../base/bytes.ts'
import { type DidDocument, type DidMetadata, type DidState, documentOf, metadataOf } from './document.ts'
import { type Did, type DidError, isoTime, NEWEST, parseDid, TIME_MAX, type VersionRef, versionRef } from './uri.ts'

export interface DidResolution {
  readonly didResolutionMetadata: {
    readonly contentType?: string
    readonly error?: DidError
    readonly message?: string
  }
  readonly didDocument: DidDocument | null
  readonly didDocumentMetadata: DidMetadata
}

export const CONTENT_TYPE = 'application/did+ld+json'

/** The module's reads, at one block. `documentOf` answers null where there is no such version; NEWEST is the newest. */
export interface DidReads {
  readonly chainId: bigint
  readonly network: string
  /** Of the block, seconds. */
  readonly time: number
  versionAt(identity: Address, time: number): number | Promise<number>
  documentOf(identity: Address, version: number): DidState | null | Promise<DidState | null>
}

/**
 * A DID, or a DID URL with versionId or versionTime, which may also come as options, to its document. What is
 * wrong with either is in the result's metadata; only what the reads throw is thrown.
 */
export async function resolveDid(
  reads: DidReads,
  text: string,
  options: { readonly versionId?: unknown; readonly versionTime?: unknown } = {},
): Promise<DidResolution> {
  const parsed = parseDid(text)
  if (!parsed.ok) return failed(parsed.error, parsed.why)
  const { did, version, fragment } = parsed
  if (fragment !== null) return failed('invalidDidUrl', 'a DID is resolved without its fragment')
  const asked = versionRef(options)
  if (typeof asked === 'string') return failed('invalidDidUrl', asked)
  if (asked.kind !== 'newest' && version.kind !== 'newest') return failed('invalidDidUrl', 'the version is given twice')
  if (did.network !== reads.network) return failed('notFound', `this is the network ${reads.network}`)
  const wanted = asked.kind === 'newest' ? version : asked
  if (wanted.kind === 'time' && wanted.time > reads.time)
    return failed('notFound', `versionTime is after ${isoTime(reads.time)}, the time of the block`)
  const number = await numberOf(reads, did, wanted)
  const state = await reads.documentOf(did.identity, number)
  if (state === null) return failed('notFound', `there is no version ${number}`)
  return {
    didResolutionMetadata: { contentType: CONTENT_TYPE },
    didDocument: documentOf(did, state, { chainId: reads.chainId, time: momentOf(state, wanted, reads.time) }),
    didDocumentMetadata: metadataOf(state),
  }
}

const numberOf = async (reads: DidReads, { identity }: Did, wanted: VersionRef): Promise<number> => {
  if (wanted.kind === 'newest') return NEWEST
  return wanted.kind === 'id' ? wanted.version : reads.versionAt(identity, wanted.time)
}
/** When keys must not have ended: now; at the time asked for; of an older version by its number, when it began. */
const momentOf = (state: DidState, wanted: VersionRef, now: number): number => {
  if (wanted.kind === 'time') return wanted.time
  return state.version === state.latest ? now : Math.min(Number(state.updated), TIME_MAX)
}
const failed = (error: DidError, message: string): DidResolution => ({
  didResolutionMetadata: { error, message },
  didDocument: null,
  didDocumentMetadata: {},
})
