// What both a DID and what is said about it must keep: ends in time, URIs.
import type { DidCall } from './layout.ts'
import { TIME_MAX } from './uri.ts'

export const URI_MAX = 256
/** RFC 3986: a scheme, and characters that may stand in a URI. */
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/
export const isUri = (text: string): boolean => text.length <= URI_MAX && URI.test(text)

/** 0 is no end. */
export const checkEnd = ({ block, revert }: DidCall, validUntil: bigint): void => {
  const time = BigInt(block.time)
  if (validUntil !== 0n && (validUntil <= time || validUntil > BigInt(TIME_MAX)))
    revert('BadValidUntil', { given: validUntil, time })
}
