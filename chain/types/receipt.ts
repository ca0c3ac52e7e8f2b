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

const BLOOM_BYTES = 256
/** Blooms lie side by side: bytes of its own for each cost an allocation outside the heap. */
let blooms = new Uint8Array(0)
let bloomsUsed = 0
const newBloom = (): Uint8Array => {
  if (bloomsUsed === blooms.length) {
    blooms = new Uint8Array(64 * BLOOM_BYTES)
    bloomsUsed = 0
  }
  bloomsUsed += BLOOM_BYTES
  return blooms.subarray(bloomsUsed - BLOOM_BYTES, bloomsUsed)
}

/** Yellow paper, section 4.3.1: three bits for each address and topic. */
export function bloomOf(logs: readonly Log[]): Uint8Array {
  const bloom = newBloom()
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

/** Bytes in front of a string or list of so many. */
const headerBytes = (sizeBytes: number): number => {
  if (sizeBytes < 56) return 1
  let bytes = 1
  for (let rest = sizeBytes; rest > 0; rest = Math.floor(rest / 256)) bytes++
  return bytes
}
const writeHeader = (out: Uint8Array, at: number, short: 0x80 | 0xc0, sizeBytes: number): number => {
  const bytes = headerBytes(sizeBytes)
  if (bytes === 1) out[at] = short + sizeBytes
  else {
    out[at] = short + 54 + bytes
    for (let i = bytes - 1, rest = sizeBytes; i > 0; i--, rest = Math.floor(rest / 256)) out[at + i] = rest & 255
  }
  return at + bytes
}
const isByte = (data: Uint8Array): boolean => data.length === 1 && (data[0] as number) < 0x80
const dataBytes = (data: Uint8Array): number => (isByte(data) ? 1 : headerBytes(data.length) + data.length)
const TOPIC_RLP_BYTES = 33
/** Address, list of topics, data. */
const logPayload = ({ topics, data }: Log): number => {
  const topicBytes = topics.length * TOPIC_RLP_BYTES
  return 21 + headerBytes(topicBytes) + topicBytes + dataBytes(data)
}
const logsPayload = (logs: readonly Log[]): number => {
  let sizeBytes = 0
  for (const log of logs) {
    const payload = logPayload(log)
    sizeBytes += headerBytes(payload) + payload
  }
  return sizeBytes
}
const copy = (out: Uint8Array, at: number, bytes: Uint8Array): number => {
  for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i] as number
  return at + bytes.length
}

/** Of the RLP of logs. */
export const logsBytes = (logs: readonly Log[]): number => {
  const payload = logsPayload(logs)
  return headerBytes(payload) + payload
}
/** Writes the RLP of logs and answers its end. One of nearly each transaction of tokens, so written where it goes. */
export function writeLogs(logs: readonly Log[], out: Uint8Array, from: number): number {
  let at = writeHeader(out, from, 0xc0, logsPayload(logs))
  for (const log of logs) {
    at = writeHeader(out, at, 0xc0, logPayload(log))
    out[at] = 0x80 + 20
    at = copy(out, at + 1, log.address)
    at = writeHeader(out, at, 0xc0, log.topics.length * TOPIC_RLP_BYTES)
    for (const topic of log.topics) {
      out[at] = 0x80 + 32
      at = copy(out, at + 1, topic)
    }
    if (!isByte(log.data)) at = writeHeader(out, at, 0x80, log.data.length)
    if (log.data.length > COPY_BYTES) {
      out.set(log.data, at)
      at += log.data.length
    } else at = copy(out, at, log.data)
  }
  return at
}
const COPY_BYTES = 128

export const logsToRlp = (logs: readonly Log[]) => logs.map((log) => [log.address, log.topics, log.data] as const)

const GAS_MAX = 2n ** 48n - 1n
/** The bytes that enter the receipts trie. Written where they go: there is one of each transaction. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const { type, status, cumulativeGas, bloom, logs } = receipt
  if (cumulativeGas > GAS_MAX) return encodeLarge(receipt)
  const gas = Number(cumulativeGas)
  let gasBytes = 0
  if (gas >= 0x80) for (let rest = gas; rest > 0; rest = Math.floor(rest / 256)) gasBytes++
  const payload = 1 + 1 + gasBytes + 3 + bloom.length + logsBytes(logs)
  const start = type === 0 ? 0 : 1
  const out = allocate(start + headerBytes(payload) + payload)
  if (type !== 0) out[0] = type
  let at = writeHeader(out, start, 0xc0, payload)
  out[at++] = status === 1 ? 1 : 0x80
  if (gasBytes > 0) out[at++] = 0x80 + gasBytes
  else out[at++] = gas === 0 ? 0x80 : gas
  for (let i = gasBytes - 1, rest = gas; i >= 0; i--, rest = Math.floor(rest / 256)) out[at + i] = rest & 255
  at += gasBytes
  at = writeHeader(out, at, 0x80, bloom.length)
  out.set(bloom, at)
  writeLogs(logs, out, at + bloom.length)
  return out
}
const encodeLarge = ({ type, status, cumulativeGas, bloom, logs }: Receipt): Uint8Array => {
  const body = encodeRlp([rlpInt(status), rlpInt(cumulativeGas), bloom, logsToRlp(logs)])
  return type === 0 ? body : concat(Uint8Array.of(type), body)
}

/** Receipts lie side by side: an allocation each costs four times as much as writing one. */
const SLAB_BYTES = 128 * 512
const SLAB_ITEM_BYTES_MAX = 2_048
let slab = new Uint8Array(0)
let slabUsed = 0
const allocate = (sizeBytes: number): Uint8Array => {
  if (sizeBytes > SLAB_ITEM_BYTES_MAX) return new Uint8Array(sizeBytes)
  if (slabUsed + sizeBytes > slab.length) {
    slab = new Uint8Array(SLAB_BYTES)
    slabUsed = 0
  }
  slabUsed += sizeBytes
  return slab.subarray(slabUsed - sizeBytes, slabUsed)
}
