// The seal of stored values: content, then CRC32C of key and content. Owns that, and the error that a broken one raises. The
// key is inside, so that a value found under another key is damage too. LevelDB itself reads tables unverified.
import { bytesToHex } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import { crc32c } from './crc32c.ts'
import { StoreErrors } from './kv.ts'

export const SEAL_BYTES = 4

/** Writes the seal into the last four bytes of `value`, which the caller left free. */
export function sealInto(key: Uint8Array, value: Uint8Array): Uint8Array {
  const at = value.length - SEAL_BYTES
  const crc = crc32c(value, 0, at, crc32c(key))
  value[at] = crc & 255
  value[at + 1] = (crc >>> 8) & 255
  value[at + 2] = (crc >>> 16) & 255
  value[at + 3] = crc >>> 24
  return value
}

export function seal(key: Uint8Array, content: Uint8Array): Uint8Array {
  const value = new Uint8Array(content.length + SEAL_BYTES)
  value.set(content)
  return sealInto(key, value)
}

/** The content. Throws STORE_CORRUPT naming table and key. */
export function unseal(table: string, key: Uint8Array, value: Uint8Array): Uint8Array {
  const at = value.length - SEAL_BYTES
  if (at < 0) throw corrupt(table, key, `${value.length} bytes are too few`)
  const crc =
    ((value[at] as number) |
      ((value[at + 1] as number) << 8) |
      ((value[at + 2] as number) << 16) |
      ((value[at + 3] as number) << 24)) >>>
    0
  if (crc32c(value, 0, at, crc32c(key)) !== crc) throw corrupt(table, key, 'its checksum is wrong')
  return value.subarray(0, at)
}

export const corrupt = (table: string, key: Uint8Array, reason: string): NodeError =>
  new NodeError(StoreErrors.CORRUPT, { where: `table ${table}, key ${bytesToHex(key)}`, reason })
