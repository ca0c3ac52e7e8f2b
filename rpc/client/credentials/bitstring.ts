// The encoding of W3C's Bitstring Status List: gzip, then multibase. Owns its bounds. Runs in a browser.
import { NodeError } from '../../../chain/base/errors.ts'
import { unreadable } from './errors.ts'
import { decodeBase64url, encodeBase64url } from './multibase.ts'

/** So many bits a list has at least, so that an index says little of whom it belongs to (W3C), and at most (the did module). */
export const STATUS_BITS_MIN = 131_072
const STATUS_BITS_MAX = 1_048_576
/** Gzip of a megabit that is all chance, in base64url, is 175 KB. */
export const ENCODED_CHARS_MAX = 200_000

/** `u`, then base64url of the gzip of the bits; index 0 is the highest bit of the first byte. */
export async function encodeBitstring(bits: Uint8Array): Promise<string> {
  return `u${encodeBase64url(await through(bits, new CompressionStream('gzip'), Number.POSITIVE_INFINITY))}`
}

/** Reads no byte beyond `bytesMax`, whatever a few compressed bytes promise. Throws CREDENTIAL_STATUS_MALFORMED. */
export async function decodeBitstring(encoded: string, bytesMax = STATUS_BITS_MAX / 8): Promise<Uint8Array> {
  if (encoded.length > ENCODED_CHARS_MAX) throw unreadable(`${encoded.length} characters of list`)
  if (!encoded.startsWith('u')) throw unreadable('the list is no base64url of multibase')
  try {
    return await through(decodeBase64url(encoded.slice(1)), new DecompressionStream('gzip'), bytesMax)
  } catch (cause) {
    if (cause instanceof NodeError) throw cause
    throw unreadable('the list is no gzip', cause)
  }
}

export const bitAt = (bits: Uint8Array, index: number): boolean =>
  (((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1

/** A copy with one bit set or unset. */
export function withBit(bits: Uint8Array, index: number, value: boolean): Uint8Array {
  const next = bits.slice()
  const mask = 0x80 >> (index & 7)
  next[index >> 3] = value ? (next[index >> 3] ?? 0) | mask : (next[index >> 3] ?? 0) & ~mask
  return next
}

const through = async (
  bytes: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  bytesMax: number,
): Promise<Uint8Array> => {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  const reader = new Blob([bytes.slice()]).stream().pipeThrough(stream).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    sizeBytes += value.length
    if (sizeBytes > bytesMax) {
      await reader.cancel()
      throw unreadable(`the list has over ${bytesMax} bytes`)
    }
    parts.push(value)
  }
  const all = new Uint8Array(sizeBytes)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
