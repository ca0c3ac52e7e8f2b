// Log index. Owns one small entry per block and distinct address or topic, found by item and then height, so that a query
// reads what it hits and not the blocks between. A transfer without logs leaves nothing here. Items are cut to 48 bits: the
// index only proposes receipts, and every log is compared with the whole filter before it is served.
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

const keyOf = (kind: number, tail: number, height: number): Uint8Array => {
  const key = new Uint8Array(14)
  key[0] = TABLE
  key[1] = kind
  for (let i = 7, rest = tail; i > 1; i--, rest = Math.floor(rest / 256)) key[i] = rest & 255
  for (let i = 13, rest = height; i > 7; i--, rest = Math.floor(rest / 256)) key[i] = rest & 255
  return key
}

const heightOfKey = (key: Uint8Array): number => {
  let out = 0
  for (let i = 8; i < 14; i++) out = out * 256 + (key[i] as number)
  return out
}

const KIND_STEP = 2 ** 48
/** Collects the postings of one block, receipt by receipt, so that a caller can pause between. */
export function createLogIndexer(height: number) {
  const postings = new Map<number, number[]>()
  const note = (kind: number, tail: number, index: number): void => {
    const id = kind * KIND_STEP + tail
    const known = postings.get(id)
    if (known === undefined) postings.set(id, [index])
    else if (known[known.length - 1] !== index && known.length <= LISTED_MAX) known.push(index)
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
      for (const [id, indices] of postings)
        yield { key: keyOf(Math.floor(id / KIND_STEP), id % KIND_STEP, height), content: encodeIndices(indices) }
    },
  }
}

/** Indices as varints of their distances; nothing at all means many. */
const encodeIndices = (indices: readonly number[]): Uint8Array => {
  if (indices.length > LISTED_MAX) return new Uint8Array(0)
  const out: number[] = []
  let before = 0
  for (const index of indices) {
    let rest = index - before
    before = index
    for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest & 127) | 128)
    out.push(rest)
  }
  return Uint8Array.from(out)
}

/** null: many. */
const decodeIndices = (bytes: Uint8Array): number[] | null => {
  if (bytes.length === 0) return null
  const out: number[] = []
  let before = 0
  for (let i = 0; i < bytes.length; i++) {
    let value = 0
    let scale = 1
    for (; i < bytes.length && (bytes[i] as number) > 127; i++, scale *= 128)
      value += ((bytes[i] as number) & 127) * scale
    before += value + ((bytes[i] as number) & 127) * scale
    out.push(before)
  }
  return out
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
  const note = (height: number, key: Uint8Array, value: Uint8Array): void => {
    const indices = decodeIndices(unseal('logs', key, value))
    const known = here.get(height)
    here.set(height, known === undefined ? indices : unite(known, indices))
  }
  const few = before !== null && before.size * tails.length <= GETS_MAX
  for (const tail of tails) {
    if (few) {
      for (const height of before.keys()) {
        const key = keyOf(kind, tail, height)
        const value = kv.get(key)
        if (value !== undefined) note(height, key, value)
      }
      continue
    }
    for await (const [key, value] of kv.entries(keyOf(kind, tail, range.from), keyOf(kind, tail, range.to + 1)))
      note(heightOfKey(key), key, value)
  }
  return before === null ? here : intersect(before, here)
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
