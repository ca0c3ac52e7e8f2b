// CRC32C (Castagnoli, RFC 3720 appendix B.4): the checksum of every stored value, log frame and LevelDB block. Owns the
// table; finds accidents, not attackers. Eight bytes a step, since a full block's blobs are 10 MB.

const POLYNOMIAL = 0x82f63b78

/** Eight tables of 256: table k advances a byte over k more zero bytes. */
const TABLES = (() => {
  const out = new Int32Array(8 * 256)
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    out[i] = crc
  }
  for (let i = 256; i < out.length; i++) {
    const before = out[i - 256] as number
    out[i] = (before >>> 8) ^ (out[before & 255] as number)
  }
  return out
})()

/** One byte a step: crc' = (crc >>> 8) ^ table[(crc ^ byte) & 255], from -1, inverted at the end. */
export const CRC32C_TABLE = TABLES.subarray(0, 256)

/** Of `bytes[from, to)`. To go on over another piece, pass what the first returned as `crc`. */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length, crc = 0): number {
  const t = TABLES
  let c = ~crc
  let i = from
  for (; i + 8 <= to; i += 8) {
    const low =
      c ^
      ((bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24))
    c =
      (t[1792 + (low & 255)] as number) ^
      (t[1536 + ((low >>> 8) & 255)] as number) ^
      (t[1280 + ((low >>> 16) & 255)] as number) ^
      (t[1024 + (low >>> 24)] as number) ^
      (t[768 + (bytes[i + 4] as number)] as number) ^
      (t[512 + (bytes[i + 5] as number)] as number) ^
      (t[256 + (bytes[i + 6] as number)] as number) ^
      (t[bytes[i + 7] as number] as number)
  }
  for (; i < to; i++) c = (c >>> 8) ^ (t[(c ^ (bytes[i] as number)) & 255] as number)
  return ~c >>> 0
}
