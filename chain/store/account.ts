// An account as the store keeps it: fixed places, its plain address beside its values, and what is usually empty only where it is
// not. Owns this form and the leaf of the account trie, which is made from it without a number in between.
import { type Address, asAddress, asHash, type Hash } from '../base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import type { AccountRecord } from '../types/state.ts'

const AccountErrors = defineErrors('ACCOUNT', {
  MALFORMED: { text: (d: { what: string }) => `the stored account does not decode: ${d.what}` },
})

export interface StoredAccount extends AccountRecord {
  readonly storageRoot: Hash
  readonly address: Address
}

// address 20 ‖ flags ‖ length of the nonce ‖ nonce ‖ length of the balance ‖ balance ‖ code hash ‖ storage root
const FLAGS_AT = 20
const NONCE_AT = 21
const HAS_CODE = 1
const HAS_STORAGE = 2
const NONCE_MAX_BYTES = 8
const BALANCE_MAX_BYTES = 32
const SIZE_MAX_BYTES = NONCE_AT + 1 + NONCE_MAX_BYTES + 1 + BALANCE_MAX_BYTES + 64

const scratch = new Uint8Array(SIZE_MAX_BYTES)
const words = new DataView(new ArrayBuffer(BALANCE_MAX_BYTES))
const wordBytes = new Uint8Array(words.buffer)

/** Length and shortest big-endian form; answers the end. */
const writeInt = (value: bigint, maxBytes: number, at: number): number => {
  let rest = value
  for (let word = 24; word >= 0; word -= 8) {
    words.setBigUint64(word, BigInt.asUintN(64, rest))
    if (rest !== 0n) rest >>= 64n
  }
  let from = 0
  while (from < 32 && wordBytes[from] === 0) from++
  const length = 32 - from
  if (rest !== 0n || length > maxBytes)
    throw new NodeError(AccountErrors.MALFORMED, { what: `${value} is above ${maxBytes} bytes` })
  scratch[at] = length
  for (let i = 0; i < length; i++) scratch[at + 1 + i] = wordBytes[from + i] as number
  return at + 1 + length
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let i = 0; i < 32; i++) if (a[i] !== b[i]) return false
  return true
}

/** Good until the next call: the caller copies it. */
export function encodeAccount(account: StoredAccount): Uint8Array {
  scratch.set(account.address)
  const hasCode = !isSame(account.codeHash, KECCAK_EMPTY)
  const hasStorage = !isSame(account.storageRoot, EMPTY_ROOT)
  scratch[FLAGS_AT] = (hasCode ? HAS_CODE : 0) | (hasStorage ? HAS_STORAGE : 0)
  let at = writeInt(account.nonce, NONCE_MAX_BYTES, NONCE_AT)
  at = writeInt(account.balance, BALANCE_MAX_BYTES, at)
  if (hasCode) {
    scratch.set(account.codeHash, at)
    at += 32
  }
  if (hasStorage) {
    scratch.set(account.storageRoot, at)
    at += 32
  }
  return scratch.subarray(0, at)
}

/** Where the parts of a stored account end. */
const partsOf = (bytes: Uint8Array): { nonceEnd: number; balanceEnd: number; flags: number } => {
  const flags = bytes[FLAGS_AT] ?? 0
  const nonceEnd = NONCE_AT + 1 + (bytes[NONCE_AT] ?? 0)
  const balanceEnd = nonceEnd + 1 + (bytes[nonceEnd] ?? 0)
  const end = balanceEnd + (flags & HAS_CODE ? 32 : 0) + (flags & HAS_STORAGE ? 32 : 0)
  if (bytes.length !== end || flags > (HAS_CODE | HAS_STORAGE))
    throw new NodeError(AccountErrors.MALFORMED, { what: `${bytes.length} bytes, flags ${flags}` })
  return { nonceEnd, balanceEnd, flags }
}

const readInt = (bytes: Uint8Array, from: number, to: number): bigint => {
  let low = 0
  if (to - from <= 6) {
    for (let i = from; i < to; i++) low = low * 256 + (bytes[i] as number)
    return BigInt(low)
  }
  wordBytes.fill(0)
  for (let i = to - 1, at = 31; i >= from; i--, at--) wordBytes[at] = bytes[i] as number
  let out = words.getBigUint64(24)
  if (to - from > 8) out |= words.getBigUint64(16) << 64n
  if (to - from > 16) out |= ((words.getBigUint64(0) << 64n) | words.getBigUint64(8)) << 128n
  return out
}

/** Copies everything: what is stored lies in memory that is used again. */
export function decodeAccount(bytes: Uint8Array): StoredAccount {
  const { nonceEnd, balanceEnd, flags } = partsOf(bytes)
  const codeEnd = balanceEnd + (flags & HAS_CODE ? 32 : 0)
  return {
    address: asAddress(bytes.slice(0, FLAGS_AT)),
    nonce: readInt(bytes, NONCE_AT + 1, nonceEnd),
    balance: readInt(bytes, nonceEnd + 1, balanceEnd),
    codeHash: flags & HAS_CODE ? asHash(bytes.slice(balanceEnd, codeEnd)) : KECCAK_EMPTY,
    storageRoot: flags & HAS_STORAGE ? asHash(bytes.slice(codeEnd)) : EMPTY_ROOT,
  }
}

/** What execution asks for. */
export function decodeRecord(bytes: Uint8Array): AccountRecord {
  const { nonceEnd, balanceEnd, flags } = partsOf(bytes)
  return {
    nonce: readInt(bytes, NONCE_AT + 1, nonceEnd),
    balance: readInt(bytes, nonceEnd + 1, balanceEnd),
    codeHash: flags & HAS_CODE ? asHash(bytes.slice(balanceEnd, balanceEnd + 32)) : KECCAK_EMPTY,
  }
}

/** Whether bytes of a stranger's are an account as `encodeAccount` makes it. What they say is for the leaf's hash to show. */
export function isAccount(bytes: Uint8Array): boolean {
  const flags = bytes[FLAGS_AT] ?? 0
  const nonceBytes = bytes[NONCE_AT] ?? 0
  const balanceBytes = bytes[NONCE_AT + 1 + nonceBytes] ?? 0
  const end = NONCE_AT + 2 + nonceBytes + balanceBytes
  const hashes = (flags & HAS_CODE ? 32 : 0) + (flags & HAS_STORAGE ? 32 : 0)
  if (flags > (HAS_CODE | HAS_STORAGE) || nonceBytes > NONCE_MAX_BYTES || balanceBytes > BALANCE_MAX_BYTES) return false
  if (bytes.length !== end + hashes) return false
  if ((flags & HAS_CODE) !== 0 && isSame(bytes.subarray(end), KECCAK_EMPTY)) return false
  return (flags & HAS_STORAGE) === 0 || !isSame(bytes.subarray(bytes.length - 32), EMPTY_ROOT)
}

export function codeHashOf(bytes: Uint8Array): Hash {
  const { flags, balanceEnd } = partsOf(bytes)
  return flags & HAS_CODE ? asHash(bytes.slice(balanceEnd, balanceEnd + 32)) : KECCAK_EMPTY
}

export function storageRootOf(bytes: Uint8Array): Hash {
  const { flags } = partsOf(bytes)
  return flags & HAS_STORAGE ? asHash(bytes.slice(bytes.length - 32)) : EMPTY_ROOT
}

const RLP_STRING = 0x80
const RLP_LIST_LONG = 0xf7
const RLP_HASH = 0xa0

/** Longest RLP of a leaf: 9 bytes of nonce, 33 of balance, two hashes. */
export const ACCOUNT_LEAF_MAX_BYTES = 2 + 9 + 33 + 66

/** What the account trie holds (yellow paper, 4.1): RLP of nonce, balance, storage root and code hash. Written to `out` at `start`; answers the end. */
export function writeAccountLeaf(bytes: Uint8Array, out: Uint8Array, start: number): number {
  const { nonceEnd, balanceEnd, flags } = partsOf(bytes)
  let at = writeRlpInt(bytes, NONCE_AT + 1, nonceEnd, out, start + 2)
  at = writeRlpInt(bytes, nonceEnd + 1, balanceEnd, out, at)
  const codeEnd = balanceEnd + (flags & HAS_CODE ? 32 : 0)
  out[at] = RLP_HASH
  copyHash(out, at + 1, flags & HAS_STORAGE ? bytes : EMPTY_ROOT, flags & HAS_STORAGE ? codeEnd : 0)
  out[at + 33] = RLP_HASH
  copyHash(out, at + 34, flags & HAS_CODE ? bytes : KECCAK_EMPTY, flags & HAS_CODE ? balanceEnd : 0)
  out[start] = RLP_LIST_LONG + 1 // from 66 bytes on
  out[start + 1] = at + 66 - start - 2
  return at + 66
}
export function accountLeaf(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(ACCOUNT_LEAF_MAX_BYTES)
  return out.subarray(0, writeAccountLeaf(bytes, out, 0))
}

/** Of `bytes[from, to)`, which do not begin with a zero. */
const writeRlpInt = (bytes: Uint8Array, from: number, to: number, out: Uint8Array, start: number): number => {
  let at = start
  if (to - from !== 1 || (bytes[from] as number) >= RLP_STRING) out[at++] = RLP_STRING + to - from
  for (let i = from; i < to; i++) out[at++] = bytes[i] as number
  return at
}

const copyHash = (out: Uint8Array, at: number, bytes: Uint8Array, from: number): void => {
  for (let i = 0; i < 32; i++) out[at + i] = bytes[from + i] as number
}
