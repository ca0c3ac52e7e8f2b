// A storage slot as the store keeps it: its plain key (32 bytes), and its value without leading zeros. Owns this form, the key it lies under,
// and its leaf in the account's trie.
import { bytesToBigint, type Word, writeWord } from '../base/bytes.ts'
import { hashRoom, keccakHere } from '../base/keccak.ts'
import { encodeRlp } from '../base/rlp.ts'

const room = new Uint8Array(64)
/** In the same room each time: the next one overwrites it. */
export const slotHere = (key: Word, value: Word): Uint8Array => {
  writeWord(key, room, 0)
  writeWord(value, room, 32)
  let zeros = 0
  while (zeros < 32 && room[32 + zeros] === 0) zeros++
  if (zeros > 0) room.copyWithin(32, 32 + zeros, 64)
  return room.subarray(0, 64 - zeros)
}
export const slotValue = (stored: Uint8Array): Word => bytesToBigint(stored.subarray(32))
export const slotLeaf = (stored: Uint8Array): Uint8Array => encodeRlp(stored.subarray(32))
export const SLOT_LEAF_MAX_BYTES = 33
/** The same, written to `out` at `start`; answers the end. */
export const writeSlotLeaf = (stored: Uint8Array, out: Uint8Array, start: number): number => {
  let at = start
  if (stored.length !== 33 || (stored[32] as number) >= 0x80) out[at++] = 0x80 + stored.length - 32
  for (let i = 32; i < stored.length; i++) out[at++] = stored[i] as number
  return at
}

/** Hash of the account's address ‖ hash of the key. */
export const slotKey = (owner: Uint8Array, key: Word): Uint8Array => {
  const out = new Uint8Array(64)
  out.set(owner)
  writeWord(key, hashRoom, 0)
  keccakHere(0, 32, out, 32)
  return out
}
