// What a revert says. Owns the two errors every Solidity contract knows.
import { bytesToHex } from '../base/bytes.ts'

/** The words of Error(string) and Panic(uint256); null for anything else. */
export function revertReason(output: Uint8Array): string | null {
  const selector = bytesToHex(output.subarray(0, 4))
  const wordAt = (at: number): bigint => BigInt(bytesToHex(output.subarray(4 + at, 36 + at)))
  if (selector === '0x4e487b71' && output.length === 36) return `panic code 0x${wordAt(0).toString(16)}`
  if (selector !== '0x08c379a0' || output.length < 68 || wordAt(0) !== 32n) return null
  const size = wordAt(32)
  if (size > BigInt(output.length - 68)) return null
  return new TextDecoder().decode(output.subarray(68, 68 + Number(size)))
}
