// LevelDB's own files, read without LevelDB. Owns the check of their checksums, because LevelDB skips it: it drops a damaged
// stretch of its log without a word, and reads tables unverified. Pure: takes bytes, answers a fault or null.
// Formats: doc/log_format.md and doc/table_format.md of LevelDB 1.20.
import { compareBytes } from '../base/bytes.ts'
import { CRC32C_TABLE, crc32c } from './crc32c.ts'

const LOG_BLOCK_BYTES = 32_768
const LOG_HEADER_BYTES = 7
const FULL = 1
const FIRST = 2
const LAST = 4

const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0

/** LevelDB stores a CRC rotated and shifted, so that a CRC over bytes that hold CRCs stays meaningful. */
const unmask = (masked: number): number => {
  const rotated = (masked - 0xa282ead8) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}

type Fragment = { readonly type: number; readonly end: number }

/** What lies at `at`: a good fragment, one that the end of the file cuts off, or damage. */
const fragmentAt = (bytes: Uint8Array, at: number): Fragment | 'cut' | 'damaged' => {
  const blockEnd = at - (at % LOG_BLOCK_BYTES) + LOG_BLOCK_BYTES
  if (at + LOG_HEADER_BYTES > bytes.length) return 'cut'
  const end = at + LOG_HEADER_BYTES + (bytes[at + 4] as number) + (bytes[at + 5] as number) * 256
  const type = bytes[at + 6] as number
  if (end > blockEnd || type < FULL || type > LAST) return 'damaged'
  if (end > bytes.length) return 'cut'
  return crc32c(bytes, at + 6, end) === unmask(u32(bytes, at)) ? { type, end } : 'damaged'
}

/** A block's last bytes hold no header and are zero. */
const skipTrailer = (at: number): number => {
  const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES)
  return left < LOG_HEADER_BYTES ? at + left : at
}

/**
 * Fault of a write-ahead log, or null. A cut end is what a crash leaves and LevelDB rightly drops: that batch was never
 * acknowledged. Damage with good records behind it would lose acknowledged batches in the middle: that is a fault.
 */
export function checkLogBytes(bytes: Uint8Array): string | null {
  let at = 0
  let inside = false
  while (at < bytes.length) {
    at = skipTrailer(at)
    const found = at < bytes.length ? fragmentAt(bytes, at) : 'cut'
    if (found === 'cut') return null
    // A restart of LevelDB never appends to an old log, so a record that starts inside another is damage too.
    if (found === 'damaged' || inside !== found.type > FIRST) return faultBehind(bytes, at)
    inside = found.type !== FULL && found.type !== LAST
    at = found.end
  }
  return null
}

/** A damaged header has lost its length, so any later offset may start the next record. */
const faultBehind = (bytes: Uint8Array, at: number): string | null => {
  for (let probe = at + 1; probe + LOG_HEADER_BYTES < bytes.length; probe++) {
    const type = bytes[probe + 6] as number
    if (type !== FULL && type !== FIRST) continue
    const found = fragmentAt(bytes, probe)
    if (typeof found !== 'string' && found.end > probe + LOG_HEADER_BYTES)
      return `the record at byte ${at} is damaged and good ones follow at byte ${probe}`
  }
  return null
}

const FOOTER_BYTES = 48
const MAGIC = Uint8Array.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb)

/**
 * Fault of a table file, or null. Blocks lie in a row up to the footer: content, a type byte (0 plain, 1 Snappy), CRC32C of
 * both. Their lengths are in an index that may be compressed, so a block ends where its checksum fits.
 */
export function checkTableBytes(bytes: Uint8Array): string | null {
  const footer = bytes.length - FOOTER_BYTES
  if (footer < 0 || compareBytes(bytes.subarray(bytes.length - 8), MAGIC) !== 0) return 'its footer is missing'
  let start = 0
  let crc = -1
  for (let at = 0; at + 5 <= footer; at++) {
    const byte = bytes[at] as number
    crc = (crc >>> 8) ^ (CRC32C_TABLE[(crc ^ byte) & 255] as number)
    if (byte > 1 || unmask(u32(bytes, at + 1)) !== ~crc >>> 0) continue
    start = at + 5
    at += 4
    crc = -1
  }
  return start === footer ? null : `the block at byte ${start} is damaged`
}
