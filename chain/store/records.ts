// Records of blocks as the store keeps them: a header with its section, and transactions and receipts in chunks of 256, so
// that one of 37,500 is read without the others and an ordinary block is one record of each. Owns encoding; knows no table.
import { asAddress, asHash, bigintToBytes, bytesToBigint, concat, equalBytes, type Hash } from '../base/bytes.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { asBytes, asList, decodeRlp } from '../base/rlp.ts'
import { decodeHeader, decodeSection, encodeHeader, encodeSection, type Header, type Section } from '../types/block.ts'
import type { StoredReceipt } from '../types/query.ts'
import { bloomOf, type Log, logsBytes, writeLogs } from '../types/receipt.ts'
import { SYSTEM_SENDER, systemTx } from '../types/system-tx.ts'
import { decodeTx, type Tx } from '../types/tx.ts'

export const CHUNK_COUNT = 256

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const RecordErrors = defineErrors('RECORD', {
  MALFORMED: {
    text: (d: { what: string }) =>
      `a record of the database does not decode: ${d.what}. Run \`novachain db check\`, then restore a backup or sync again into an empty --dir`,
  },
})
const demand = (condition: boolean, what: string): void => {
  if (!condition) throw new NodeError(RecordErrors.MALFORMED, { what })
}

export interface HeaderRecord {
  readonly hash: Hash
  readonly header: Header
  readonly section: Section | null
  readonly txCount: number
}

/** hash ‖ count of transactions u32 ‖ length of the header u32 ‖ header ‖ section. */
export function encodeHeaderRecord(record: HeaderRecord): Uint8Array {
  const header = encodeHeader(record.header)
  const numbers = new Uint8Array(8)
  viewOf(numbers).setUint32(0, record.txCount)
  viewOf(numbers).setUint32(4, header.length)
  const section = record.section === null ? new Uint8Array(0) : encodeSection(record.section)
  return concat(record.hash, numbers, header, section)
}

export function decodeHeaderRecord(bytes: Uint8Array): HeaderRecord {
  const { header, section, txCount } = splitHeaderRecord(bytes)
  return {
    hash: asHash(bytes.subarray(0, 32)),
    header: decodeHeader(header),
    section: section === null ? null : decodeSection(section),
    txCount,
  }
}

/** Header and section still encoded. */
export function splitHeaderRecord(bytes: Uint8Array) {
  demand(bytes.length >= 40, 'the header record is short')
  const end = 40 + viewOf(bytes).getUint32(36)
  demand(end <= bytes.length, 'the header is cut')
  return {
    header: bytes.subarray(40, end),
    section: end === bytes.length ? null : bytes.subarray(end),
    txCount: viewOf(bytes).getUint32(32),
  }
}

/** count u16 ‖ fixed part of each ‖ end of each item u32 ‖ items. */
const packItems = (items: readonly Uint8Array[], prefix: Uint8Array, fixed: readonly Uint8Array[]): Uint8Array => {
  const fixedBytes = fixed[0]?.length ?? 0
  let sizeBytes = prefix.length + 2 + items.length * (fixedBytes + 4)
  for (const item of items) sizeBytes += item.length
  const out = new Uint8Array(sizeBytes)
  const view = viewOf(out)
  out.set(prefix)
  view.setUint16(prefix.length, items.length)
  let at = prefix.length + 2
  for (const part of fixed) {
    out.set(part, at)
    at += fixedBytes
  }
  let end = at + items.length * 4
  for (const item of items) {
    out.set(item, end)
    end += item.length
    view.setUint32(at, end)
    at += 4
  }
  return out
}

/** What `packItems` made. */
class Items {
  readonly count: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #fixedAt: number
  readonly #fixedBytes: number
  readonly #endsAt: number
  constructor(bytes: Uint8Array, prefixBytes: number, fixedBytes: number) {
    demand(bytes.length >= prefixBytes + 2, 'the chunk is short')
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.count = this.#view.getUint16(prefixBytes)
    this.#fixedAt = prefixBytes + 2
    this.#fixedBytes = fixedBytes
    this.#endsAt = this.#fixedAt + this.count * fixedBytes
    const itemsAt = this.#endsAt + this.count * 4
    demand(itemsAt <= bytes.length && this.count <= CHUNK_COUNT, 'the chunk is cut')
    const last = this.count === 0 ? itemsAt : this.#view.getUint32(itemsAt - 4)
    demand(last === bytes.length, 'the chunk does not end with its last item')
  }
  fixed(index: number): Uint8Array {
    const at = this.#fixedAt + index * this.#fixedBytes
    return this.#bytes.subarray(at, at + this.#fixedBytes)
  }
  item(index: number): Uint8Array {
    demand(index < this.count, `item ${index} of ${this.count}`)
    const at = this.#endsAt + index * 4
    const start = index === 0 ? this.#endsAt + this.count * 4 : this.#view.getUint32(at - 4)
    const end = this.#view.getUint32(at)
    demand(start <= end && end <= this.#bytes.length, `item ${index} is cut`)
    return this.#bytes.subarray(start, end)
  }
}

export interface TxChunk {
  readonly count: number
  raw(index: number): Uint8Array
  /** Decoded with the stored sender: no signature is recovered. */
  tx(index: number): Tx
}

const CHAIN_ID_BYTES = 8

/** chain id u64 (0 where no transaction names one) ‖ senders ‖ signed bytes. */
export function encodeTxChunk(txs: readonly Tx[]): Uint8Array {
  const prefix = new Uint8Array(CHAIN_ID_BYTES)
  viewOf(prefix).setBigUint64(0, txs.find((tx) => tx.chainId !== null)?.chainId ?? 0n)
  return packItems(
    txs.map((tx) => tx.raw),
    prefix,
    txs.map((tx) => tx.from),
  )
}

export function decodeTxChunk(bytes: Uint8Array, height: number): TxChunk {
  const items = new Items(bytes, CHAIN_ID_BYTES, 20)
  const chainId = viewOf(bytes).getBigUint64(0)
  return {
    count: items.count,
    raw: (index) => items.item(index),
    tx(index) {
      const from = asAddress(items.fixed(index))
      if (equalBytes(from, SYSTEM_SENDER)) return systemTx(chainId, height)
      return decodeTx(items.item(index), chainId, () => from)
    },
  }
}

const EMPTY_BLOOM = new Uint8Array(256)
const STATUS = 8
const CREATED = 16
const LOGS = 32
const FIXED_BYTES = 18

/** `firstLog` counts the block's logs before this receipt. */
export interface IndexedReceipt extends StoredReceipt {
  readonly firstLog: number
}

const decodeReceiptRecord = (bytes: Uint8Array): IndexedReceipt => {
  demand(bytes.length >= FIXED_BYTES, 'the receipt is short')
  const view = viewOf(bytes)
  const flags = bytes[0] as number
  const priceEnd = FIXED_BYTES + (bytes[17] as number)
  const createdEnd = priceEnd + (flags & CREATED ? 20 : 0)
  const logsAt = createdEnd + (flags & LOGS ? 4 : 0)
  demand(flags & LOGS ? logsAt < bytes.length : logsAt === bytes.length, 'the receipt has another length')
  const logs = flags & LOGS ? logsFromRlp(bytes.subarray(logsAt)) : []
  return {
    type: flags & 7,
    status: flags & STATUS ? 1 : 0,
    cumulativeGas: view.getBigUint64(1),
    bloom: logs.length === 0 ? EMPTY_BLOOM : bloomOf(logs),
    logs,
    gasUsed: view.getBigUint64(9),
    gasPriceWei: bytesToBigint(bytes.subarray(FIXED_BYTES, priceEnd)),
    created: flags & CREATED ? asAddress(bytes.subarray(priceEnd, createdEnd)) : null,
    firstLog: flags & LOGS ? view.getUint32(createdEnd) : 0,
  }
}

const logsFromRlp = (bytes: Uint8Array): Log[] =>
  asList(decodeRlp(bytes)).map((item) => {
    const [address, topics, data] = asList(item, 3)
    return {
      address: asAddress(asBytes(address, 20)),
      topics: asList(topics).map((topic) => asHash(asBytes(topic, 32))),
      data: asBytes(data),
    }
  })

export interface ReceiptChunk {
  readonly count: number
  receipt(index: number): IndexedReceipt
  /** Adds the gas of each to that of its price; no logs are decoded. */
  addSpent(gasByPriceWei: Map<bigint, bigint>): void
}

/**
 * Items as `packItems` makes them, each of: flags, cumulative gas u64, gas u64, price length u8 ‖ price ‖ created ‖ first log u32 ‖ RLP of
 * logs. Blooms follow from logs. Written where they lie, for there is one of each transaction.
 */
export function encodeReceiptChunk(receipts: readonly StoredReceipt[], firstLog: number): Uint8Array {
  const prices = pricesOf(receipts)
  let sizeBytes = 2 + 4 * receipts.length
  for (const [i, { created, logs }] of receipts.entries()) {
    sizeBytes += FIXED_BYTES + (prices[i] as Uint8Array).length + (created === null ? 0 : 20)
    sizeBytes += logs.length === 0 ? 0 : 4 + logsBytes(logs)
  }
  const out = new Uint8Array(sizeBytes)
  const view = viewOf(out)
  view.setUint16(0, receipts.length)
  let at = 2 + 4 * receipts.length
  let next = firstLog
  const put = (bytes: Uint8Array): void => {
    out.set(bytes, at)
    at += bytes.length
  }
  for (const [i, r] of receipts.entries()) {
    const price = prices[i] as Uint8Array
    const hasLogs = r.logs.length > 0
    out[at] = r.type | (r.status * STATUS) | (r.created === null ? 0 : CREATED) | (hasLogs ? LOGS : 0)
    view.setBigUint64(at + 1, r.cumulativeGas)
    view.setBigUint64(at + 9, r.gasUsed)
    out[at + 17] = price.length
    at += FIXED_BYTES
    put(price)
    if (r.created !== null) put(r.created)
    if (hasLogs) {
      view.setUint32(at, next)
      at = writeLogs(r.logs, out, at + 4)
    }
    next += r.logs.length
    view.setUint32(2 + 4 * i, at)
  }
  return out
}

/** Nearly all of a block pay one price or another of a few. */
const pricesOf = (receipts: readonly StoredReceipt[]): Uint8Array[] => {
  const out: Uint8Array[] = []
  for (const [i, { gasPriceWei }] of receipts.entries()) {
    const isAsBefore = i > 0 && receipts[i - 1]?.gasPriceWei === gasPriceWei
    out.push(isAsBefore ? (out[i - 1] as Uint8Array) : bigintToBytes(gasPriceWei))
  }
  return out
}

export function decodeReceiptChunk(bytes: Uint8Array): ReceiptChunk {
  const items = new Items(bytes, 0, 0)
  return {
    count: items.count,
    receipt: (index) => decodeReceiptRecord(items.item(index)),
    addSpent(gasByPriceWei) {
      for (let index = 0; index < items.count; index++) {
        const bytes = items.item(index)
        demand(bytes.length >= FIXED_BYTES, 'the receipt is short')
        const priceEnd = FIXED_BYTES + (bytes[17] as number)
        demand(bytes.length >= priceEnd, 'the receipt is cut')
        const gasPriceWei = bytesToBigint(bytes.subarray(FIXED_BYTES, priceEnd))
        const gasUsed = bytesToBigint(bytes.subarray(9, 17))
        gasByPriceWei.set(gasPriceWei, (gasByPriceWei.get(gasPriceWei) ?? 0n) + gasUsed)
      }
    },
  }
}
