// Block store: headers, transactions, receipts, certificates, places of hashes, the log index and the head. Owns the tables and
// composes a height's writes; the caller puts them into one durable batch with the state's. Every value is sealed: a damaged
// or missing one raises STORE_CORRUPT with table and key and is never served.
import { asHash, bytesToHex, concat, equalBytes, type Hash } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import type { Kv, KvWrite, Pause } from '../base/ports.ts'
import { type Block, type Header, joinBlock, type Section } from '../types/block.ts'
import { type Earliest, inOrder, NOTHING_PRUNED, PRUNABLE, type Prunable, requireKept } from '../types/kept.ts'
import type { FoundLog, LogFilter, StoredReceipt, TxPlace } from '../types/query.ts'
import type { Tx } from '../types/tx.ts'
import { decodeQc, encodeQc, type Qc } from '../types/vote.ts'
import { Batch } from './batch.ts'
import { createLogIndexer, findLogs } from './logs.ts'
import {
  CHUNK_COUNT,
  decodeHeaderRecord,
  decodeReceiptChunk,
  decodeTxChunk,
  encodeHeaderRecord,
  encodeReceiptChunk,
  encodeTxChunk,
  type HeaderRecord,
  type IndexedReceipt,
  type ReceiptChunk,
  splitHeaderRecord,
  type TxChunk,
} from './records.ts'
import { corrupt, seal, unseal } from './seal.ts'

export const BlockStoreErrors = defineErrors('STORE', {
  NETWORK: {
    text: (d: { have: string; want: string }) =>
      `the database belongs to another network: its genesis is ${d.have}, this one's is ${d.want}; ` +
      'use the genesis.json it was made with, another --dir, or --reset to begin anew',
  },
  ROLLBACK: {
    text: (d: { to: number }) =>
      `a rollback to block ${d.to} was cut off: run \`novachain rollback --height ${d.to} --yes\`, which finishes it`,
  },
  FORMAT: {
    text: (d: { have: number; want: number }) =>
      `the database has format ${d.have}, this version reads ${d.want}: sync again into an empty --dir`,
  },
})

/** Version of everything below; a change of any layout raises it. */
const FORMAT = 3

/** First byte of each table's keys. The log index has 0x4c ('L'); the state's tables are elsewhere. */
const tables = {
  headers: 0x48,
  txs: 0x42,
  receipts: 0x52,
  hashes: 0x4e,
  places: 0x54,
  commits: 0x51,
  meta: 0x4d,
} as const
type Table = keyof typeof tables

/** 16 bytes of a transaction's hash: a collision costs 2^64 work and hides only its maker's own transaction. */
const PLACE_HASH_BYTES = 16
/** Of one slice of pruning: some 10 ms, and one short batch. A height is never cut in two. */
const PRUNE_HEIGHTS = 256
const PRUNE_WRITES = 4_096
const PRUNE_PAUSE = 32

const uint = (value: number, sizeBytes: number): Uint8Array => {
  const out = new Uint8Array(sizeBytes)
  for (let i = sizeBytes - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) out[i] = rest & 255
  return out
}
const numberAt = (bytes: Uint8Array, from: number, to: number): number => {
  let out = 0
  for (let i = from; i < to; i++) out = out * 256 + (bytes[i] as number)
  return out
}

const keyOf = (table: Table, ...parts: readonly Uint8Array[]): Uint8Array =>
  concat(Uint8Array.of(tables[table]), ...parts)
const heightKey = (table: Table, height: number): Uint8Array => keyOf(table, uint(height, 6))
const chunkKey = (table: Table, height: number, chunk: number): Uint8Array =>
  keyOf(table, uint(height, 6), uint(chunk, 2))
const META = {
  genesis: keyOf('meta', Uint8Array.of(0)),
  head: keyOf('meta', Uint8Array.of(1)),
  earliest: keyOf('meta', Uint8Array.of(2)),
  rollback: keyOf('meta', Uint8Array.of(3)),
}

export interface BlockWriteArgs {
  readonly block: Block
  readonly receipts: readonly StoredReceipt[]
  /** The block's transactions with their senders. */
  readonly txs: readonly Tx[]
  /** null for the genesis block. */
  readonly certificate: Qc | null
}

/** A final block without its body. */
export interface Outlined {
  readonly header: Header
  readonly hash: Hash
  readonly section: Section | null
  /** null for the genesis block. */
  readonly certificate: Qc | null
}

/** `whole` without a gap up to a head; `sparse`: blocks before them that are worth keeping. */
export interface Outlines {
  readonly sparse: readonly Outlined[]
  readonly whole: readonly Outlined[]
}

export interface BlockStore {
  /** null where the genesis block is yet to be written. Without its transactions where those are not kept. */
  head(): Block | null
  headHeight(): number | null
  /** From which height on each kind is kept. */
  earliest(): Earliest
  /** null above the head, and below what is kept but for some. `txCount` may be 0 where the body is not kept. */
  record(height: number): HeaderRecord | null
  /** Null above the head and below what is kept; so are the next six. */
  block(height: number): Block | null
  /** The block as `encodeBlock` makes it, from the bytes that are stored. */
  encoded(height: number): Uint8Array | null
  txs(height: number): readonly Tx[] | null
  tx(height: number, index: number): Tx | null
  receipts(height: number): readonly IndexedReceipt[] | null
  receipt(height: number, index: number): IndexedReceipt | null
  /** Gas of the block's transactions by the price they paid. */
  spent(height: number): ReadonlyMap<bigint, bigint> | null
  heightOf(blockHash: Hash): number | null
  place(txHash: Hash): TxPlace | null
  commitOf(height: number): Qc | null
  /** Throws HISTORY_PRUNED where the filter begins below what is kept, and CHAIN_TOO_MANY_LOGS. */
  logs(filter: LogFilter): Promise<readonly FoundLog[]>
  /** Everything one height adds, for one durable batch. */
  blockWrites(args: BlockWriteArgs): Promise<Batch>
  /**
   * What makes an empty store one that begins with the last of these blocks: the genesis block, hand-overs, and then without a gap up to it.
   * No body is kept of them.
   */
  beginWrites(outlined: Outlines): Batch
  /** Says from where on each kind is there, for the batch that drops what is below or brings it back. */
  earliestWrite(earliest: Earliest): KvWrite
  /**
   * The next slice of what lies below `to`, for one durable batch, going on from `from`: from what is there, or in a dry run from where
   * the last slice ended. null when nothing is left. Never above the head.
   */
  pruneSlice(to: Earliest, from?: Earliest): Promise<PruneSlice | null>
  /** The rollback that is under way. */
  rollback(): Rollback | null
  /** It begins, or with null it has ended. */
  rollbackWrite(rollback: Rollback | null): KvWrite
  headWrite(record: HeaderRecord): KvWrite
  /** Every key of a block, also of one above the head; none where it has no header. */
  dropsOf(height: number): Promise<readonly Uint8Array[]>
}

interface Rollback {
  readonly from: number
  readonly to: number
}

export interface PruneSlice {
  readonly drops: readonly Uint8Array[]
  /** What is there once all of them are gone and this is written. */
  readonly earliest: Earliest
}

const noPause: Pause = async () => {}

interface BlockStoreOptions {
  readonly pause?: Pause
  /** Whoever finishes a rollback opens the store in the middle of it. */
  readonly unfinished?: 'allowed'
}

/** Of the network with this genesis block, or empty. Throws STORE_NETWORK, STORE_FORMAT, STORE_CORRUPT, STORE_ROLLBACK. */
export function openBlockStore(kv: Kv, genesisHash: Hash, options: BlockStoreOptions = {}): BlockStore {
  const pause = options.pause ?? noPause
  const cache = createChunkCache()
  const reads = createReads(kv, cache)
  const { record, isKept, kept, txChunk, receiptChunk } = reads
  const { txAt, receiptAt, rawAt } = createItems(reads)
  checkIdentity(kv, reads, genesisHash)
  const under = reads.rollback()
  if (under !== null && options.unfinished === undefined) throw new NodeError(BlockStoreErrors.ROLLBACK, under)

  /** A whole block, chunk by chunk. */
  const each = <C extends { readonly count: number }, T>(
    height: number,
    txCount: number,
    load: (height: number, index: number) => C,
    table: 'txs' | 'receipts',
    pick: (chunk: C, at: number) => T,
  ): T[] => {
    const out: T[] = []
    while (out.length < txCount) {
      const key = chunkKey(table, height, chunkOf(out.length))
      const chunk = load(height, out.length)
      if (chunk.count !== Math.min(CHUNK_COUNT, txCount - out.length)) throw corrupt(table, key, 'wrong count')
      decoded(table, key, () => {
        for (let at = 0; at < chunk.count; at++) out.push(pick(chunk, at))
      })
    }
    return out
  }
  const one = <T>(what: Prunable, height: number, index: number, read: () => T): T | null => {
    const found = kept(what, height)
    return found === null || index < 0 || index >= found.txCount ? null : read()
  }
  const rawTxs = (height: number, txCount: number): Uint8Array[] =>
    each(height, txCount, txChunk, 'txs', (chunk, at) => chunk.raw(at))

  const block = (height: number): Block | null => {
    const found = kept('bodies', height)
    if (found === null) return null
    return { header: found.header, hash: found.hash, txs: rawTxs(height, found.txCount), section: found.section }
  }

  return {
    head: () => headOf(reads, block),
    headHeight: reads.headHeight,
    earliest: reads.earliest,
    record,
    block,
    encoded(height) {
      const found = isKept('bodies', height) ? reads.split(height) : null
      return found === null ? null : joinBlock(found.header, rawTxs(height, found.txCount), found.section)
    },
    txs(height) {
      const found = kept('bodies', height)
      return found === null ? null : each(height, found.txCount, txChunk, 'txs', (chunk, at) => chunk.tx(at))
    },
    tx: (height, index) => one('bodies', height, index, () => txAt(height, index)),
    receipts(height) {
      const found = kept('receipts', height)
      return found && each(height, found.txCount, receiptChunk, 'receipts', (chunk, at) => chunk.receipt(at))
    },
    receipt: (height, index) => one('receipts', height, index, () => receiptAt(height, index)),
    spent: (height) => spentIn(reads, kept('receipts', height)),
    heightOf: reads.heightOf,
    place: reads.place,
    commitOf: reads.commitOf,
    async logs(filter) {
      if (filter.from <= filter.to) requireKept(reads.earliest(), 'logs', Math.max(1, filter.from))
      return findLogs(kv, { record: (height) => reads.stored(height), receipt: receiptAt, raw: rawAt }, filter, pause)
    },
    blockWrites: (args) => composeBlock(args, pause),
    rollback: reads.rollback,
    beginWrites: (outlined) => composeBeginning(outlined, genesisHash),
    ...{ earliestWrite, rollbackWrite, headWrite },
    dropsOf: (height) => composeDrops({ reads, rawAt, receiptAt, pause }, height),
    pruneSlice: (to, from = reads.earliest()) => composePrune({ reads, rawAt, receiptAt, pause }, from, to),
  }
}

const headOf = (reads: Reads, block: (height: number) => Block | null): Block | null => {
  const height = reads.headHeight()
  if (height === null) return null
  const { header, hash, section } = reads.stored(height)
  return block(height) ?? { header, hash, txs: [], section }
}

const spentIn = (reads: Reads, record: HeaderRecord | null): ReadonlyMap<bigint, bigint> | null => {
  if (record === null) return null
  const out = new Map<bigint, bigint>()
  const height = record.header.number
  for (let at = 0; at < record.txCount; at += CHUNK_COUNT)
    decoded('receipts', chunkKey('receipts', height, chunkOf(at)), () => reads.receiptChunk(height, at).addSpent(out))
  return out
}

/** Single ones, of blocks that are there. */
const createItems = ({ txChunk, receiptChunk }: Reads) => {
  const txAt = (height: number, index: number): Tx =>
    decoded('txs', chunkKey('txs', height, chunkOf(index)), () => txChunk(height, index).tx(index % CHUNK_COUNT))
  const receiptAt = (height: number, index: number): IndexedReceipt =>
    decoded('receipts', chunkKey('receipts', height, chunkOf(index)), () =>
      receiptChunk(height, index).receipt(index % CHUNK_COUNT),
    )
  const rawAt = (height: number, index: number): Uint8Array => txChunk(height, index).raw(index % CHUNK_COUNT)
  return { txAt, receiptAt, rawAt }
}

const chunkOf = (index: number): number => Math.floor(index / CHUNK_COUNT)

/** A checksum that fits and content that does not decode: our bug or a forged file; either way not served. */
const decoded = <T>(table: string, key: Uint8Array, decode: () => T): T => {
  try {
    return decode()
  } catch (cause) {
    if (!(cause instanceof NodeError) || cause.code === 'STORE_CORRUPT') throw cause
    throw corrupt(table, key, cause.message)
  }
}

type Reads = ReturnType<typeof createReads>

/** Reading a table, and the few records that say what there is. */
const createMeta = (kv: Kv) => {
  const get = (table: Table, key: Uint8Array): Uint8Array | null => {
    const value = kv.get(key)
    return value === undefined ? null : unseal(table, key, value)
  }
  const meta = (key: Uint8Array, sizeBytes: number): Uint8Array | null => {
    const value = get('meta', key)
    if (value !== null && value.length !== sizeBytes) throw corrupt('meta', key, `${value.length} bytes`)
    return value
  }
  const head = (): { height: number; hash: Hash } | null => {
    const value = meta(META.head, 38)
    return value === null ? null : { height: numberAt(value, 0, 6), hash: asHash(value.subarray(6)) }
  }
  const headHeight = (): number | null => head()?.height ?? null
  const earliest = (): Earliest => {
    const value = meta(META.earliest, 6 * PRUNABLE.length)
    if (value === null) return NOTHING_PRUNED
    const [headers = 0, bodies = 0, receipts = 0, logs = 0] = PRUNABLE.map((_, i) => numberAt(value, 6 * i, 6 * i + 6))
    return { headers, bodies, receipts, logs }
  }
  const rollback = (): Rollback | null => {
    const value = meta(META.rollback, 12)
    return value === null ? null : { from: numberAt(value, 0, 6), to: numberAt(value, 6, 12) }
  }
  return { get, meta, head, headHeight, earliest, rollback }
}

const createReads = (kv: Kv, cache: ChunkCache) => {
  const of = createMeta(kv)
  const { get, headHeight, earliest } = of
  /** What is missing between the lowest header that is kept and the head was lost. */
  const required = (table: Table, key: Uint8Array, height: number): Uint8Array | null => {
    const value = get(table, key)
    const top = value === null ? headHeight() : null
    if (top === null || height < 0 || height > top) return value
    if (height === 0 || height >= earliest().headers) throw corrupt(table, key, 'it is missing')
    return null
  }
  const recordAs = <T>(height: number, decode: (bytes: Uint8Array) => T): T | null => {
    const key = heightKey('headers', height)
    const value = required('headers', key, height)
    return value === null ? null : decoded('headers', key, () => decode(value))
  }
  const record = (height: number): HeaderRecord | null => {
    const key = heightKey('headers', height)
    const found = recordAs(height, decodeHeaderRecord)
    if (found === null) return null
    if (found.header.number !== height) throw corrupt('headers', key, `it is header ${found.header.number}`)
    return found
  }
  const stored = (height: number): HeaderRecord => {
    const found = record(height)
    if (found !== null) return found
    requireKept(earliest(), 'headers', height)
    throw corrupt('headers', heightKey('headers', height), 'an index names it and it is missing')
  }
  const isKept = (what: Prunable, height: number): boolean => height === 0 || height >= earliest()[what]
  const chunk = <T>(table: 'txs' | 'receipts', height: number, index: number, decode: (bytes: Uint8Array) => T): T => {
    const key = chunkKey(table, height, chunkOf(index))
    const known = cache.get(key)
    if (known !== null) return decoded(table, key, () => decode(known))
    const bytes = get(table, key)
    if (bytes === null) {
      requireKept(earliest(), table === 'txs' ? 'bodies' : 'receipts', height) // pruned since it was looked for
      throw corrupt(table, key, 'it is missing')
    }
    cache.set(key, bytes)
    return decoded(table, key, () => decode(bytes))
  }
  return {
    ...of,
    isKept,
    /** null where that of the block is not kept. */
    kept: (what: Prunable, height: number): HeaderRecord | null => (isKept(what, height) ? record(height) : null),
    record,
    split: (height: number) => recordAs(height, splitHeaderRecord),
    stored,
    txChunk: (height: number, index: number): TxChunk =>
      chunk('txs', height, index, (bytes) => decodeTxChunk(bytes, height)),
    receiptChunk: (height: number, index: number): ReceiptChunk => chunk('receipts', height, index, decodeReceiptChunk),
    heightOf(blockHash: Hash): number | null {
      const value = get('hashes', keyOf('hashes', blockHash))
      return value === null ? null : numberAt(value, 0, 6)
    },
    place(txHash: Hash): TxPlace | null {
      const value = get('places', placeKey(txHash))
      return value === null ? null : { height: numberAt(value, 0, 6), index: numberAt(value, 6, 9) }
    },
    commitOf(height: number): Qc | null {
      if (height <= 0) return null
      const key = heightKey('commits', height)
      const value = required('commits', key, height)
      return value === null ? null : decoded('commits', key, () => decodeQc(value))
    },
  }
}

const placeKey = (txHash: Hash): Uint8Array => keyOf('places', txHash.subarray(0, PLACE_HASH_BYTES))

/** Walked at opening: as many heights as LevelDB's log may hold at most without it being a table yet, within reason. */
const TAIL_HEIGHTS = 256

const checkIdentity = (kv: Kv, reads: Reads, genesisHash: Hash): void => {
  const identity = reads.meta(META.genesis, 36)
  const head = reads.head()
  if (identity === null) {
    if (head !== null || kv.get(heightKey('headers', 0)) !== undefined)
      throw corrupt('meta', META.genesis, 'it is missing')
    return
  }
  const format = numberAt(identity, 0, 4)
  if (format !== FORMAT) throw new NodeError(BlockStoreErrors.FORMAT, { have: format, want: FORMAT })
  const have = identity.subarray(4)
  if (!equalBytes(have, genesisHash))
    throw new NodeError(BlockStoreErrors.NETWORK, { have: bytesToHex(have), want: bytesToHex(genesisHash) })
  if (head === null) throw corrupt('meta', META.head, 'it is missing')
  let child: HeaderRecord | null = null
  const lowest = Math.max(reads.earliest().headers, head.height - TAIL_HEIGHTS)
  for (let height = head.height; height >= lowest; height--) {
    const found = reads.stored(height)
    const wanted: Uint8Array = child === null ? head.hash : child.header.parentHash
    if (!equalBytes(found.hash, wanted))
      throw corrupt(
        'headers',
        heightKey('headers', height),
        `its hash is ${bytesToHex(found.hash)}, the next names ${bytesToHex(wanted)}`,
      )
    child = found
  }
}

const COMPOSE_SLICE = 2_048 // some 10 ms

/** The writes of one height. For height 0 also the network's identity. */
const composeBlock = async (args: BlockWriteArgs, pause: Pause): Promise<Batch> => {
  const { block, receipts, txs, certificate } = args
  const { header, hash, section } = block
  const height = header.number
  assert(txs.length === block.txs.length && receipts.length === txs.length, 'a receipt for each transaction')
  assert((certificate === null) === (height === 0), 'a certificate for every block but the first')
  assert(certificate === null || equalBytes(certificate.blockHash, hash), 'the certificate is of this block')
  const out = new Batch()
  if (height === 0) out.put(META.genesis, concat(uint(FORMAT, 4), hash))
  putOutline(out, { hash, header, section, certificate }, txs.length)
  const indexer = createLogIndexer(height)
  let firstLog = 0
  for (let at = 0; at < txs.length; at += CHUNK_COUNT) {
    const end = Math.min(at + CHUNK_COUNT, txs.length)
    const part = receipts.slice(at, end)
    out.put(chunkKey('txs', height, at / CHUNK_COUNT), encodeTxChunk(txs.slice(at, end)))
    out.put(chunkKey('receipts', height, at / CHUNK_COUNT), encodeReceiptChunk(part, firstLog))
    for (let index = at; index < end; index++) {
      const receipt = receipts[index] as StoredReceipt
      firstLog += receipt.logs.length
      indexer.add(index, receipt)
      putPlace(out, height, index, (txs[index] as Tx).hash)
    }
    if (end % COMPOSE_SLICE === 0) await pause()
  }
  for (const { key, content } of indexer.records()) {
    out.put(key, content)
    if (out.count % COMPOSE_SLICE === 0) await pause()
  }
  out.put(META.head, headValue(block))
  return out
}

const putOutline = (out: Batch, { header, hash, section, certificate }: Outlined, txCount: number): void => {
  const height = header.number
  out.put(heightKey('headers', height), encodeHeaderRecord({ hash, header, section, txCount }))
  out.put(keyOf('hashes', hash), uint(height, 6))
  if (certificate !== null) out.put(heightKey('commits', height), encodeQc(certificate))
}
const headValue = ({ header, hash }: Pick<Outlined, 'header' | 'hash'>): Uint8Array =>
  concat(uint(header.number, 6), hash)

/** One of 37,500 a block, so without the small arrays of the general way. */
const putPlace = (out: Batch, height: number, index: number, hash: Hash): void => {
  out.reserve(1 + PLACE_HASH_BYTES, 9)
  const { bytes, keyAt, valueAt } = out
  bytes[keyAt] = tables.places
  for (let i = 0; i < PLACE_HASH_BYTES; i++) bytes[keyAt + 1 + i] = hash[i] as number
  for (let i = 5, rest = height; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[valueAt + i] = rest & 255
  bytes[valueAt + 6] = index >>> 16
  bytes[valueAt + 7] = index >>> 8
  bytes[valueAt + 8] = index
  out.seal()
}

const encodeEarliest = (earliest: Earliest): Uint8Array => concat(...PRUNABLE.map((what) => uint(earliest[what], 6)))
/** A store that has everything has no such record. */
const earliestWrite = (earliest: Earliest): KvWrite => {
  const key = META.earliest
  const hasAll = PRUNABLE.every((what) => earliest[what] === 0)
  return { key, value: hasAll ? null : seal(key, encodeEarliest(earliest)) }
}

const rollbackWrite = (rollback: Rollback | null): KvWrite => {
  const key = META.rollback
  return { key, value: rollback && seal(key, concat(uint(rollback.from, 6), uint(rollback.to, 6))) }
}
const headWrite = (record: HeaderRecord): KvWrite => ({ key: META.head, value: seal(META.head, headValue(record)) })

const composeBeginning = ({ sparse, whole }: Outlines, genesisHash: Hash): Batch => {
  const [first, last] = [whole[0], whole.at(-1)]
  assert(first !== undefined && last !== undefined, 'a store begins with a block')
  const out = new Batch()
  for (const outlined of [...sparse, ...whole]) putOutline(out, outlined, 0)
  const above = last.header.number + 1
  out.put(META.genesis, concat(uint(FORMAT, 4), genesisHash))
  out.put(META.earliest, encodeEarliest({ headers: first.header.number, bodies: above, receipts: above, logs: above }))
  out.put(META.head, headValue(last))
  return out
}

interface PruneSource {
  readonly reads: Reads
  readonly rawAt: (height: number, index: number) => Uint8Array
  readonly receiptAt: (height: number, index: number) => IndexedReceipt
  readonly pause: Pause
}

/** What needs others goes first: the keys of an index are made from receipts, those of places from transactions. */
const composePrune = async (source: PruneSource, from: Earliest, wanted: Earliest): Promise<PruneSlice | null> => {
  const { reads, pause } = source
  const head = reads.headHeight() ?? 0
  const to = inOrder(wanted)
  for (const what of [...PRUNABLE].reverse()) {
    const end = Math.min(to[what], head, from[what] + PRUNE_HEIGHTS)
    if (end <= from[what]) continue
    const drops: Uint8Array[] = []
    let height = from[what]
    for (; height < end && drops.length < PRUNE_WRITES; height++) {
      if (height > 0) await DROPS[what](source, reads.stored(height), drops)
      if (height % PRUNE_PAUSE === 0) await pause()
    }
    return { drops, earliest: { ...from, [what]: height } }
  }
  return null
}

const composeDrops = async (source: PruneSource, height: number): Promise<readonly Uint8Array[]> => {
  const { reads } = source
  const record = reads.record(height)
  const drops: Uint8Array[] = []
  for (const what of PRUNABLE)
    if (record !== null && reads.isKept(what, height)) await DROPS[what](source, record, drops)
  return drops
}

type Drop = (source: PruneSource, record: HeaderRecord, out: Uint8Array[]) => Promise<void> | void
const dropChunks = (table: 'txs' | 'receipts', { header, txCount }: HeaderRecord, out: Uint8Array[]): void => {
  for (let chunk = 0; chunk * CHUNK_COUNT < txCount; chunk++) out.push(chunkKey(table, header.number, chunk))
}
const DROPS: { readonly [K in Prunable]: Drop } = {
  headers(_, { header, hash }, out) {
    out.push(heightKey('headers', header.number), heightKey('commits', header.number), keyOf('hashes', hash))
  },
  async bodies({ rawAt, pause }, record, out) {
    for (let index = 0; index < record.txCount; index++) {
      out.push(placeKey(asHash(keccak(rawAt(record.header.number, index)))))
      if (index % CHUNK_COUNT === CHUNK_COUNT - 1) await pause()
    }
    dropChunks('txs', record, out)
  },
  receipts: (_, record, out) => dropChunks('receipts', record, out),
  async logs({ receiptAt, pause }, { header, txCount }, out) {
    const indexer = createLogIndexer(header.number)
    for (let index = 0; index < txCount; index++) {
      indexer.add(index, receiptAt(header.number, index))
      if (index % CHUNK_COUNT === CHUNK_COUNT - 1) await pause()
    }
    for (const { key } of indexer.records()) out.push(key)
  },
}

const CACHE_BYTES = 8 * 1024 * 1024

/** Checked chunks, oldest out: who asks for one receipt soon asks for the next. They never change, so none goes stale. */
const createChunkCache = () => {
  const map = new Map<string, Uint8Array>()
  let sizeBytes = 0
  return {
    get: (key: Uint8Array): Uint8Array | null => map.get(bytesToHex(key)) ?? null,
    set(key: Uint8Array, bytes: Uint8Array): void {
      if (bytes.length > CACHE_BYTES / 4) return
      map.set(bytesToHex(key), bytes)
      sizeBytes += bytes.length
      for (const [oldest, { length }] of map) {
        if (sizeBytes <= CACHE_BYTES) break
        map.delete(oldest)
        sizeBytes -= length
      }
    },
  }
}
type ChunkCache = ReturnType<typeof createChunkCache>
