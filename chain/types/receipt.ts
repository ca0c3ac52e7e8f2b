// Receipts and logs: EIP-2718 encoding and the 2048-bit bloom. Owns no state.
import { type Address, concat, equalBytes, type Hash } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'

export interface Log {
  readonly address: Address
  readonly topics: readonly Hash[]
  readonly data: Uint8Array
}

export interface Receipt {
  readonly type: number
  readonly status: 0 | 1
  /** Gas used by the block up to and including this transaction. */
  readonly cumulativeGas: bigint
  readonly bloom: Uint8Array
  readonly logs: readonly Log[]
}

/** Of items seen last, by their last byte: contracts log the same address and signature again and again. */
const RECENT = 256
const recentItems: (Uint8Array | undefined)[] = new Array(RECENT).fill(undefined)
const recentBits = new Uint16Array(RECENT * 3)

const addToBloom = (bloom: Uint8Array, item: Uint8Array): void => {
  const place = (item[item.length - 1] as number) % RECENT
  const known = recentItems[place]
  if (known === undefined || !equalBytes(known, item)) {
    const digest = keccak(item)
    for (let i = 0; i < 3; i++)
      recentBits[3 * place + i] = (((digest[2 * i] as number) << 8) | (digest[2 * i + 1] as number)) & 2047
    recentItems[place] = item.slice()
  }
  for (let i = 3 * place; i < 3 * place + 3; i++) {
    const bit = recentBits[i] as number
    const at = 255 - (bit >> 3)
    bloom[at] = (bloom[at] as number) | (1 << (bit & 7))
  }
}

/** Yellow paper, section 4.3.1: three bits for each address and topic. */
export function bloomOf(logs: readonly Log[]): Uint8Array {
  const bloom = new Uint8Array(256)
  for (const log of logs) {
    addToBloom(bloom, log.address)
    for (const topic of log.topics) addToBloom(bloom, topic)
  }
  return bloom
}

/** Ors `bloom` into `target`, both 256 bytes. */
export function mergeBloom(target: Uint8Array, bloom: Uint8Array): void {
  for (let i = 0; i < 256; i++) target[i] = (target[i] as number) | (bloom[i] as number)
}

/** True where the bloom may hold the item; false means it certainly does not. */
export function bloomMayHold(bloom: Uint8Array, item: Uint8Array): boolean {
  const probe = new Uint8Array(256)
  addToBloom(probe, item)
  return probe.every((byte, i) => ((bloom[i] as number) & byte) === byte)
}

export const logsToRlp = (logs: readonly Log[]) => logs.map((log) => [log.address, log.topics, log.data] as const)

/** The bytes that enter the receipts trie. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  if (receipt.logs.length === 0 && receipt.cumulativeGas <= BARE_GAS_MAX) return encodeBare(receipt)
  const body = encodeRlp([
    rlpInt(receipt.status),
    rlpInt(receipt.cumulativeGas),
    receipt.bloom,
    logsToRlp(receipt.logs),
  ])
  return receipt.type === 0 ? body : concat(Uint8Array.of(receipt.type), body)
}

const BARE_GAS_MAX = 2n ** 48n - 1n
const BARE_BYTES_MAX = 1 + 3 + 1 + 7 + 3 + 256 + 1
/** Bare receipts lie side by side, each in bytes of its own: an allocation each costs four times as much as writing one. */
let slab = new Uint8Array(0)
let slabUsed = 0
const allocate = (sizeBytes: number): Uint8Array => {
  if (slabUsed + sizeBytes > slab.length) {
    slab = new Uint8Array(128 * BARE_BYTES_MAX)
    slabUsed = 0
  }
  slabUsed += sizeBytes
  return slab.subarray(slabUsed - sizeBytes, slabUsed)
}
/** A receipt without logs, written where it goes: most have none, and their fields are few and nearly all of one length. */
const encodeBare = ({ type, status, cumulativeGas, bloom }: Receipt): Uint8Array => {
  const gas = Number(cumulativeGas)
  let gasBytes = 0
  if (gas >= 0x80) for (let rest = gas; rest > 0; rest = Math.floor(rest / 256)) gasBytes++
  const payload = 1 + 1 + gasBytes + 3 + bloom.length + 1
  const start = type === 0 ? 0 : 1
  const out = allocate(start + 3 + payload)
  if (type !== 0) out[0] = type
  out[start] = 0xf9
  out[start + 1] = payload >> 8
  out[start + 2] = payload & 255
  out[start + 3] = status === 1 ? 1 : 0x80
  let at = start + 4
  if (gasBytes > 0) out[at++] = 0x80 + gasBytes
  else out[at++] = gas === 0 ? 0x80 : gas
  for (let i = gasBytes - 1, rest = gas; i >= 0; i--, rest = Math.floor(rest / 256)) out[at + i] = rest & 255
  at += gasBytes
  out[at] = 0xb9 // 256 bytes follow
  out[at + 1] = 1
  out.set(bloom, at + 3)
  out[at + 3 + bloom.length] = 0xc0
  return out
}
