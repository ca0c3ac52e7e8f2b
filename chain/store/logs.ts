// Log index. Owns, per block, which receipts hold a log of an address or topic: records of many items each, chosen by the items' last
// bits and found by these and then height, so that a query reads a thousandth of the index of the blocks between its hits, and no block.
// A transfer without logs leaves nothing here. Items are cut to 48 bits: the index only proposes receipts, and every log is compared
// with the whole filter before it is served.
import { equalBytes } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import type { Kv, Pause } from '../base/ports.ts'
import type { FoundLog, LogFilter } from '../types/query.ts'
import type { Log, Receipt } from '../types/receipt.ts'
import type { HeaderRecord, IndexedReceipt } from './records.ts'
import { unseal } from './seal.ts'

export const LogErrors = defineErrors('CHAIN', {
  TOO_MANY_LOGS: {
    text: (d: { max: number }) => `query returned more than ${d.max} results: ask for fewer blocks or narrower topics`,
  },
})

const TABLE = 0x4c
const ANY = 0
const ADDRESS = 1
const TOPIC = 2 // and 3, 4, 5 for the later positions
const TOPICS_MAX = 4
/** Beyond this many receipts an entry only says "many" and the block is read through: a hot contract costs 20 bytes a block. */
const LISTED_MAX = 32

/** Last six bytes: addresses in topics are padded in front, and hashes are even anywhere. */
const tailOf = (item: Uint8Array): number => {
  let out = 0
  for (let i = item.length - 6; i < item.length; i++) out = out * 256 + (item[i] as number)
  return out
}

/** A full block of token transfers has some 37 items of each kind in each. */
const BUCKETS = 1_024
/** What has more items than that, as whoever chooses topics can make it, has a record for each of them. */
const BUCKET_ITEMS_MAX = 128
/** Added to the kind in the keys of such records. */
const OWN = 16

const writeUint = (out: Uint8Array, from: number, to: number, value: number): void => {
  for (let i = to - 1, rest = value; i >= from; i--, rest = Math.floor(rest / 256)) out[i] = rest & 255
}
const readUint = (bytes: Uint8Array, from: number, to: number): number => {
  let out = 0
  for (let i = from; i < to; i++) out = out * 256 + (bytes[i] as number)
  return out
}

/** table u8 ‖ kind u8 ‖ bucket u16 ‖ height u48. */
const bucketKey = (kind: number, bucket: number, height: number): Uint8Array => {
  const key = new Uint8Array(10)
  key[0] = TABLE
  key[1] = kind
  writeUint(key, 2, 4, bucket)
  writeUint(key, 4, 10, height)
  return key
}
const heightOfKey = (key: Uint8Array): number => readUint(key, 4, 10)
/** table u8 ‖ kind u8 ‖ tail u48 ‖ height u48. */
const ownKey = (kind: number, tail: number, height: number): Uint8Array => {
  const key = new Uint8Array(14)
  key[0] = TABLE
  key[1] = kind + OWN
  writeUint(key, 2, 8, tail)
  writeUint(key, 8, 14, height)
  return key
}
const bucketOf = (tail: number): number => tail % BUCKETS

/** Items in the order they came, and where each was: one receipt, or some of them, more than `LISTED_MAX` for many. */
interface Bucket {
  readonly tails: number[]
  readonly places: (number | number[])[]
  /** Where each item is, once they are too many to be looked through. */
  byTail: Map<number, number> | null
}

const indexIn = ({ tails, byTail }: Bucket, tail: number): number =>
  byTail === null ? tails.indexOf(tail) : (byTail.get(tail) ?? -1)

/** Collects the postings of one block, receipt by receipt, so that a caller can pause between. */
export function createLogIndexer(height: number) {
  /** By kind and then number. */
  const buckets = new Map<number, Bucket>()
  const note = (kind: number, tail: number, index: number): void => {
    const id = kind * BUCKETS + bucketOf(tail)
    let bucket = buckets.get(id)
    if (bucket === undefined) {
      bucket = { tails: [], places: [], byTail: null }
      buckets.set(id, bucket)
    }
    const at = indexIn(bucket, tail)
    const known = bucket.places[at]
    if (known === undefined) {
      bucket.byTail?.set(tail, bucket.tails.length)
      bucket.tails.push(tail)
      bucket.places.push(index)
      if (bucket.tails.length === BUCKET_ITEMS_MAX) bucket.byTail = new Map(bucket.tails.map((each, i) => [each, i]))
    } else if (typeof known === 'number') {
      if (known !== index) bucket.places[at] = [known, index]
    } else if (known[known.length - 1] !== index && known.length <= LISTED_MAX) known.push(index)
  }
  return {
    add(index: number, { logs }: Pick<Receipt, 'logs'>): void {
      if (logs.length > 0) note(ANY, 0, index)
      for (const log of logs) {
        note(ADDRESS, tailOf(log.address), index)
        for (let i = 0; i < log.topics.length; i++) note(TOPIC + i, tailOf(log.topics[i] as Uint8Array), index)
      }
    },
    /** Not sealed yet. */
    *records(): Iterable<{ readonly key: Uint8Array; readonly content: Uint8Array }> {
      for (const [id, { tails, places }] of buckets) {
        const kind = Math.floor(id / BUCKETS)
        const isSplit = tails.length > BUCKET_ITEMS_MAX
        const content = isSplit ? new Uint8Array(0) : encodeBucket(tails, places)
        yield { key: bucketKey(kind, id % BUCKETS, height), content }
        for (let i = 0; isSplit && i < tails.length; i++) {
          const [tail, place] = [tails[i] as number, places[i] as number | number[]]
          yield { key: ownKey(kind, tail, height), content: encodeBucket([tail], [place]) }
        }
      }
    },
  }
}

/** An item's longest form: its tail, how many receipts follow, and these. */
const ITEM_BYTES_MAX = 6 + 1 + LISTED_MAX * 5
const scratch = new Uint8Array(BUCKET_ITEMS_MAX * ITEM_BYTES_MAX)
/** Each item: tail u48 ‖ count of receipts u8, 0 for many ‖ these as varints of their distances. Nothing at all: each has its own record. */
const encodeBucket = (tails: readonly number[], places: readonly (number | readonly number[])[]): Uint8Array => {
  let end = 0
  const varint = (value: number): void => {
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) scratch[end++] = (rest & 127) | 128
    scratch[end++] = rest
  }
  for (let i = 0; i < tails.length; i++) {
    writeUint(scratch, end, end + 6, tails[i] as number)
    end += 6
    const place = places[i] as number | readonly number[]
    if (typeof place === 'number') {
      scratch[end++] = 1
      varint(place)
      continue
    }
    const isMany = place.length > LISTED_MAX
    scratch[end++] = isMany ? 0 : place.length
    if (isMany) continue
    let before = 0
    for (const index of place) {
      varint(index - before)
      before = index
    }
  }
  return scratch.slice(0, end)
}

/** Receipts of an item; null: many; undefined: it is not there. */
const findItem = (bytes: Uint8Array, tail: number): number[] | null | undefined => {
  for (let at = 0; at < bytes.length; ) {
    const isIt = readUint(bytes, at, at + 6) === tail
    const count = bytes[at + 6] as number
    at += 7
    if (!isIt) {
      for (let left = count; left > 0 && at < bytes.length; at++) if ((bytes[at] as number) < 128) left--
      continue
    }
    if (count === 0) return null
    const out: number[] = []
    for (let before = 0; out.length < count && at < bytes.length; ) {
      let scale = 1
      for (; (bytes[at] as number) > 127; at++, scale *= 128) before += ((bytes[at] as number) & 127) * scale
      before += (bytes[at++] as number) * scale
      out.push(before)
    }
    return out
  }
  return undefined
}

/** What the search reads of blocks. Heights it asks for are stored: the index says so. */
export interface LogSource {
  record(height: number): HeaderRecord
  receipt(height: number, index: number): IndexedReceipt
  raw(height: number, index: number): Uint8Array
}

type Found = Map<number, readonly number[] | null>
type Dimension = { readonly kind: number; readonly tails: readonly number[] }

/** Logs in order of the chain. Throws CHAIN_TOO_MANY_LOGS beyond `filter.resultsMax`. */
export async function findLogs(kv: Kv, source: LogSource, filter: LogFilter, pause: Pause): Promise<FoundLog[]> {
  const out: FoundLog[] = []
  if (filter.topics.length > TOPICS_MAX || filter.from > filter.to) return out
  let found: Found | null = null
  for (const dimension of dimensionsOf(filter)) {
    found = await narrow(kv, filter, dimension, found)
    if (found.size === 0) return out
  }
  const heights = [...(found as Found)].sort(([a], [b]) => a - b)
  for (let i = 0; i < heights.length; i++) {
    const [height, indices] = heights[i] as [number, readonly number[] | null]
    await collect(out, source, filter, height, indices, pause)
    if (i % 32 === 31) await pause()
  }
  return out
}

/** The rarest kind first, so that the others are looked up only at its heights: later topics, address, event. */
const dimensionsOf = (filter: LogFilter): Dimension[] => {
  const out: Dimension[] = []
  const add = (kind: number, items: readonly Uint8Array[]): void => {
    if (items.length > 0) out.push({ kind, tails: [...new Set(items.map(tailOf))] })
  }
  for (let position = filter.topics.length - 1; position > 0; position--)
    add(TOPIC + position, filter.topics[position] ?? [])
  add(ADDRESS, filter.addresses)
  add(TOPIC, filter.topics[0] ?? [])
  if (out.length === 0) out.push({ kind: ANY, tails: [0] })
  return out
}

const GETS_MAX = 2_000 // 9 us each; a scan of a range costs about as much as 50

const narrow = async (kv: Kv, range: LogFilter, { kind, tails }: Dimension, before: Found | null): Promise<Found> => {
  const here: Found = new Map()
  const note = (tail: number, height: number, key: Uint8Array, value: Uint8Array): void => {
    const record = unseal('logs', key, value)
    const indices = record.length === 0 ? findOwn(kv, kind, tail, height) : findItem(record, tail)
    if (indices === undefined) return
    const known = here.get(height)
    here.set(height, known === undefined ? indices : unite(known, indices))
  }
  const few = before !== null && before.size * tails.length <= GETS_MAX
  for (const tail of tails) {
    const bucket = bucketOf(tail)
    if (few) {
      for (const height of before.keys()) {
        const key = bucketKey(kind, bucket, height)
        const value = kv.get(key)
        if (value !== undefined) note(tail, height, key, value)
      }
      continue
    }
    const [from, to] = [bucketKey(kind, bucket, range.from), bucketKey(kind, bucket, range.to + 1)]
    for await (const [key, value] of kv.entries(from, to)) note(tail, heightOfKey(key), key, value)
  }
  return before === null ? here : intersect(before, here)
}

const findOwn = (kv: Kv, kind: number, tail: number, height: number): number[] | null | undefined => {
  const key = ownKey(kind, tail, height)
  const value = kv.get(key)
  return value === undefined ? undefined : findItem(unseal('logs', key, value), tail)
}

const unite = (a: readonly number[] | null, b: readonly number[] | null): readonly number[] | null =>
  a === null || b === null ? null : [...new Set([...a, ...b])]

const intersect = (a: Found, b: Found): Found => {
  const out: Found = new Map()
  for (const [height, indices] of a) {
    const other = b.get(height)
    if (other === undefined) continue
    const both = indices === null ? other : other === null ? indices : indices.filter((index) => other.includes(index))
    if (both === null || both.length > 0) out.set(height, both)
  }
  return out
}

const READ_SLICE = 1_024

const collect = async (
  out: FoundLog[],
  source: LogSource,
  filter: LogFilter,
  height: number,
  indices: readonly number[] | null,
  pause: Pause,
): Promise<void> => {
  const record = source.record(height)
  const count = indices === null ? record.txCount : indices.length
  const ordered = indices === null ? null : [...indices].sort((a, b) => a - b)
  for (let i = 0; i < count; i++) {
    const index = ordered === null ? i : (ordered[i] as number)
    collectReceipt(out, source, filter, record, index)
    if (out.length > filter.resultsMax) throw new NodeError(LogErrors.TOO_MANY_LOGS, { max: filter.resultsMax })
    if (i % READ_SLICE === READ_SLICE - 1) await pause()
  }
}

const collectReceipt = (
  out: FoundLog[],
  source: LogSource,
  filter: LogFilter,
  { hash: blockHash, header }: HeaderRecord,
  txIndex: number,
): void => {
  const { logs, firstLog } = source.receipt(header.number, txIndex)
  const matching = logs.filter((log) => matches(filter, log))
  if (matching.length === 0) return
  const txHash = keccak(source.raw(header.number, txIndex))
  logs.forEach(({ address, topics, data }, i) => {
    if (!matching.includes(logs[i] as Log)) return
    const logIndex = firstLog + i
    out.push({ address, topics, data, height: header.number, blockHash, time: header.time, txHash, txIndex, logIndex })
  })
}

const matches = (filter: LogFilter, log: Log): boolean => {
  const isIn = (items: readonly Uint8Array[], item: Uint8Array): boolean =>
    items.length === 0 || items.some((wanted) => equalBytes(wanted, item))
  // As geth: a filter of more positions than the log has topics does not match, even where they are empty.
  if (filter.topics.length > log.topics.length || !isIn(filter.addresses, log.address)) return false
  return filter.topics.every((items, position) => isIn(items, log.topics[position] as Uint8Array))
}
