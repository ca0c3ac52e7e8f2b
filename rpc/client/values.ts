// What users of the SDK give, as the chain has it: 0x text, numbers and names, each checked before anything is sent.
import { type Address, asAddress, concat, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'

export const SdkErrors = defineErrors('SDK', {
  BAD_VALUE: {
    text: (d: { name: string; expected: string; given: string }) =>
      `${d.name}: expected ${d.expected}, have ${d.given}`,
  },
})

const refused = (name: string, expected: string, given: unknown): NodeError =>
  new NodeError(SdkErrors.BAD_VALUE, { name, expected, given: String(given).slice(0, 80) })
export const hexOf = (name: string, text: string): Uint8Array => {
  if (!/^0x([0-9a-fA-F]{2})*$/.test(text)) throw refused(name, '0x and hex digits', text)
  return hexToBytes(text as Hex) // by the pattern
}
/** Throws SDK_BAD_VALUE where it is not of this size. */
export const bytesOf = (name: string, text: string, size: number): Uint8Array => {
  if (text.length !== 2 + 2 * size) throw refused(name, `0x and ${2 * size} hex digits`, text)
  return hexOf(name, text)
}
export const addressOf = (name: string, text: string): Address => asAddress(bytesOf(name, text, 20))
export const countOf = (name: string, count: number, bits: number): bigint => {
  if (!Number.isSafeInteger(count) || count < 0 || count >= 2 ** bits)
    throw refused(name, `a whole number below 2^${bits}`, count)
  return BigInt(count)
}
/** Users of plain JavaScript give numbers for amounts. */
export const uintOf = (name: string, value: bigint): bigint => {
  if (typeof value !== 'bigint' || value < 0n || value >= 2n ** 256n)
    throw refused(name, 'a bigint from 0 to 2^256 - 1', value)
  return value
}
/** Text is padded to a word from the right, as `bytes32("…")` in Solidity. */
export const kindOf = (kind: string): Uint8Array => {
  if (/^0x[0-9a-fA-F]{64}$/.test(kind)) return hexOf('kind', kind)
  const text = new TextEncoder().encode(kind)
  if (text.length === 0 || text.length > 31) throw refused('kind', '1 to 31 bytes of text', kind)
  return concat(text, new Uint8Array(32 - text.length))
}
