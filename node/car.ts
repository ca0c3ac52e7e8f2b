// A CAR file (version 1) as it comes from somewhere: a header and then blocks, each with its length before it. Owns how long each may claim to be, for
// the library's reader holds a part until all of it has come.
import { NodeError } from '../chain/base/errors.ts'
import { ContentErrors } from './content.ts'

/** Roots of a million contents. */
const HEADER_MAX = 48 * 1024 * 1024
const CID_MAX = 128

/** The same bytes, as long as no part of them claims to be larger than a block of `blockMax` bytes. Throws CONTENT_BACKUP. */
export async function* boundedCar(car: AsyncIterable<Uint8Array>, blockMax: number): AsyncGenerator<Uint8Array> {
  let [left, length, scale, max] = [0, 0, 1, HEADER_MAX]
  for await (const chunk of car) {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at)
        at += taken
        left -= taken
        continue
      }
      const byte = chunk[at++] ?? 0
      length += (byte & 0x7f) * scale
      if (length > max)
        throw new NodeError(ContentErrors.BACKUP, { reason: `a part of ${length} bytes, or no CAR file` })
      scale = byte < 0x80 ? 1 : scale * 0x80
      if (byte < 0x80) [left, length, max] = [length, 0, blockMax + CID_MAX]
    }
    yield chunk
  }
}
