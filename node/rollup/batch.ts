// The bytes that are posted to a settlement chain: consecutive final blocks, columnar, versioned, brotli over what can be compressed. Owns
// the frame, the blocks' own columns and the bounds; transactions are `tx-columns.ts`'s. Pure. `full` keeps every signature, so whoever runs
// the blocks makes them again to the byte; `attested` names senders instead, which the quorum behind the last block vouches for by state root.
//
// version u8, encoding u8, then as varints: first height, blocks, transactions, and for the blocks' and the transactions' columns their size
// and how many bytes brotli made of it; both streams; then what is not compressed, blocks' first. A batch that no transaction of the
// settlement chain holds goes in parts (`splitBatch`).
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { type Address, addressKey, asAddress, asHash, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, NodeError } from '../../chain/base/errors.ts'
import { type Block, decodeExtra, headerTimeMs, type Section } from '../../chain/types/block.ts'
import { type Outline, type OutlineCommit, type OutlineRun, outlineCommitOf } from '../../chain/types/outline.ts'
import { systemTx } from '../../chain/types/system-tx.ts'
import { type Qc, ROUND_MAX } from '../../chain/types/vote.ts'
import { BatchErrors, checkLimit, Reader, Writer } from './columns.ts'
import { decodeTxs, type Encoding, encodeTxs, TX_LIMITS } from './tx-columns.ts'

export const BATCH_VERSION = 1
const ENCODINGS: readonly Encoding[] = ['full', 'attested']
/** Of 5 to 9: they differ by 0.2 % of the bytes of transfers, and 7 and above cost more (`npm run bench -- rollup`). */
export const BROTLI_QUALITY = 6

/** What a batch may hold; the encoder refuses more, and the decoder before it allocates. `columnBytes` is what one brotli stream may become. */
export const BATCH_LIMITS = { ...TX_LIMITS, blocks: 16_384, columnBytes: 32 * 1024 * 1024 } as const
/** Bytes of a bitmap of the largest set. */
const BITMAP_BYTES_MAX = 256
const HEIGHT_MAX = 2 ** 48 - 1
const HASH_BYTES = 32
const SIGNATURE_BYTES = 96

export interface BatchInput {
  /** Consecutive, above 0, with their sections. */
  readonly blocks: readonly Block[]
  /** For each block who sent each transaction, without the system transaction; read for `attested` only. */
  readonly senders: readonly (readonly Address[])[]
  /** The CommitQC of the last block. */
  readonly commit: Qc
  readonly chainId: bigint
}

export interface EncodedBatch {
  readonly bytes: Uint8Array
  /** Of `bytes`, what blocks take that hold nothing, and what transactions add. */
  readonly blockBytes: number
  readonly txBytes: number
  readonly txs: number
}

/** Throws BATCH_LIMIT where fewer blocks must be taken; one block always fits. */
export function encodeBatch(
  input: BatchInput,
  encoding: Encoding,
  options: { readonly quality?: number } = {},
): EncodedBatch {
  const { blocks, chainId } = input
  checkLimit('blocks', blocks.length, BATCH_LIMITS.blocks)
  const sent = blocks.map((block) => sentOf(block, chainId))
  const raws = sent.flatMap(({ txs }) => txs)
  const senders = encoding === 'full' ? null : input.senders.flat()
  const frame = encodeBlocks(input, sent, encoding)
  const txs = raws.length === 0 ? { packed: NOTHING, plain: NOTHING } : encodeTxs(raws, senders, chainId)
  const streams = [frame.packed, txs.packed].map((columns) => {
    checkLimit('bytes of columns', columns.length, BATCH_LIMITS.columnBytes)
    return columns.length === 0 ? NOTHING : compress(columns, options.quality ?? BROTLI_QUALITY)
  })
  const [blockStream, txStream] = streams as [Uint8Array, Uint8Array] // as many as went in
  const out = new Writer()
  out.byte(BATCH_VERSION)
  out.byte(ENCODINGS.indexOf(encoding))
  out.varints([heightOf(blocks[0]), blocks.length, raws.length])
  out.varints([frame.packed.length, blockStream.length, txs.packed.length, txStream.length])
  for (const part of [blockStream, txStream, frame.plain, txs.plain]) out.put(part)
  const txBytes = txStream.length + txs.plain.length
  return { bytes: out.bytes(), blockBytes: out.sizeBytes - txBytes, txBytes, txs: raws.length }
}

const NOTHING = new Uint8Array(0)
const heightOf = (block: Block | undefined): number => {
  assert(block !== undefined && block.header.number > 0, 'a batch has blocks, and genesis is none of them')
  return block.header.number
}

/** The window holds all columns of a batch that is posted. */
const compress = (columns: Uint8Array, quality: number): Uint8Array =>
  brotliCompressSync(columns, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_LGWIN]: 22,
      [constants.BROTLI_PARAM_SIZE_HINT]: columns.length,
    },
  })

interface Sent {
  readonly txs: readonly Uint8Array[]
  readonly hasSystemTx: boolean
}
const sentOf = ({ header, txs }: Block, chainId: bigint): Sent => {
  const last = txs.at(-1)
  const hasSystemTx = last !== undefined && equalBytes(last, systemTx(chainId, header.number).raw)
  return { txs: hasSystemTx ? txs.slice(0, -1) : txs, hasSystemTx }
}

const encodeBlocks = (
  { blocks, commit }: BatchInput,
  sent: readonly Sent[],
  encoding: Encoding,
): { readonly packed: Uint8Array; readonly plain: Uint8Array } => {
  const [packed, plain] = [new Writer(), new Writer()]
  packed.runs(sent.map(({ txs }) => txs.length))
  packed.runs(sent.map(({ hasSystemTx }) => Number(hasSystemTx)))
  const times = blocks.map(({ header }) => headerTimeMs(header))
  packed.varints(times.map((timeMs, i) => timeMs - (times[i - 1] ?? 0)))
  packed.runs(blocks.map(({ header }) => decodeExtra(header.extraData).originRound))
  encodeCoinbases(packed, plain, blocks)
  encodeCommits(packed, plain, commitsOf(blocks, commit), encoding)
  for (const [i, block] of blocks.entries()) {
    const { header } = block
    if (encoding === 'full') plain.put(sectionOf(block).reveal)
    else {
      plain.put(header.prevRandao)
      plain.put(header.parentBeaconBlockRoot)
      if (sent[i]?.txs.length !== 0) plain.put(header.transactionsRoot)
    }
  }
  return { packed: packed.bytes(), plain: plain.bytes() }
}

const sectionOf = ({ section, header }: Block): Section => {
  assert(section !== null, `block ${header.number} has a consensus section`)
  return section
}

const encodeCoinbases = (packed: Writer, plain: Writer, blocks: readonly Block[]): void => {
  const refs = new Map<string, number>()
  const all = blocks.map(({ header }) => header.coinbase)
  for (const coinbase of all) if (!refs.has(addressKey(coinbase))) refs.set(addressKey(coinbase), refs.size)
  packed.varint(refs.size)
  packed.varints(all.map((coinbase) => refs.get(addressKey(coinbase)) as number)) // each was put there
  const seen = new Set<string>()
  for (const coinbase of all) {
    if (seen.has(addressKey(coinbase))) continue
    seen.add(addressKey(coinbase))
    plain.put(coinbase)
  }
}

/** Each block's of its parent, which block 1 has none of, then the last one's own. */
const commitsOf = (blocks: readonly Block[], commit: Qc): readonly OutlineRun['commit'][] => [
  ...blocks.flatMap((block) => {
    const { lastCommit } = sectionOf(block)
    assert((lastCommit === null) === (block.header.number === 1), 'every block but the first brings a certificate')
    return lastCommit === null ? [] : [outlineCommitOf(lastCommit)]
  }),
  outlineCommitOf(commit),
]

const encodeCommits = (
  packed: Writer,
  plain: Writer,
  commits: readonly OutlineRun['commit'][],
  encoding: Encoding,
): void => {
  packed.runs(commits.map(({ round }) => round))
  packed.runs(commits.map(({ bitmap }) => bitmap.length))
  for (const { bitmap } of commits) packed.put(bitmap)
  for (const { signature } of encoding === 'full' ? commits : commits.slice(-1)) plain.put(signature)
}

/** The second byte of a batch that came in parts, where the encoding stands else. */
const IN_PARTS = ENCODINGS.length
/** Parts after the first: more than the largest batch has at 100 kB each. */
const PARTS_MAX = 255

/**
 * For a settlement chain whose transactions hold `maxBytes`: the first is posted, and says the hashes of the others, which are supplied. One where
 * all of it fits. Throws BATCH_LIMIT.
 */
export function splitBatch(bytes: Uint8Array, maxBytes: number): readonly Uint8Array[] {
  if (bytes.length <= maxBytes) return [bytes]
  const count = Math.ceil(bytes.length / maxBytes)
  const headBytes = 4 + HASH_BYTES * count // its own bytes may make one part more
  checkLimit('parts', count, PARTS_MAX)
  checkLimit('bytes of hashes in a first part', headBytes, maxBytes - 1)
  const rest: Uint8Array[] = []
  for (let at = maxBytes - headBytes; at < bytes.length; at += maxBytes) rest.push(bytes.slice(at, at + maxBytes))
  const out = new Writer()
  out.byte(BATCH_VERSION)
  out.byte(IN_PARTS)
  out.varint(rest.length)
  for (const part of rest) out.put(keccak(part))
  out.put(bytes.subarray(0, maxBytes - headBytes))
  return [out.bytes(), ...rest]
}

/** What a first part says; null for a whole batch, and for what is none. Throws BATCH_MALFORMED. */
export function partsOf(bytes: Uint8Array): { readonly first: Uint8Array; readonly others: readonly Hash[] } | null {
  if (bytes[0] !== BATCH_VERSION || bytes[1] !== IN_PARTS) return null
  const frame = new Reader(bytes, 'the batch')
  frame.take(2, 'version and encoding')
  const count = frame.varint(PARTS_MAX, 'the number of parts')
  const others = Array.from({ length: count }, () => hashIn(frame, 'hashes of parts'))
  return { first: frame.take(frame.left, 'the first part'), others }
}

export interface DecodedBatch extends OutlineRun {
  readonly encoding: Encoding
}

/**
 * Shape alone: whether it is of this chain is found by running it. Throws BATCH_VERSION, BATCH_LIMIT, and BATCH_MALFORMED with the byte where
 * it goes wrong: of the batch, or of the columns that a stream decompresses to.
 */
export function decodeBatch(bytes: Uint8Array, { chainId }: { readonly chainId: bigint }): DecodedBatch {
  const frame = new Reader(bytes, 'the batch')
  const version = frame.varint(255, 'the version')
  if (version !== BATCH_VERSION) throw new NodeError(BatchErrors.VERSION, { have: version, want: BATCH_VERSION })
  const encoding = ENCODINGS[frame.varint(ENCODINGS.length - 1, 'the encoding')] as Encoding // it is in range
  const first = frame.varint(HEIGHT_MAX, 'the first height')
  if (first === 0) frame.fail('the genesis block is in no batch')
  const blockCount = frame.varint(HEIGHT_MAX, 'the number of blocks')
  if (blockCount === 0) frame.fail('it has no blocks')
  checkLimit('blocks', blockCount, BATCH_LIMITS.blocks)
  const txCount = frame.varint(HEIGHT_MAX, 'the number of transactions')
  checkLimit('transactions', txCount, BATCH_LIMITS.txs)
  const [blockSize, blockStream] = [sizeIn(frame), streamSizeIn(frame)]
  const [txSize, txStream] = [sizeIn(frame), streamSizeIn(frame)]
  const blockColumns = decompress(frame, 'the columns of blocks', { size: blockSize, stream: blockStream })
  const txColumns = decompress(frame, 'the columns of transactions', { size: txSize, stream: txStream })
  const blocks = decodeBlocks(blockColumns, frame, { first, count: blockCount, txCount, encoding })
  const txs =
    txCount === 0
      ? { raws: [], senders: encoding === 'full' ? null : [] }
      : decodeTxs(txColumns, frame, { count: txCount, chainId, encoding })
  txColumns.end()
  frame.end()
  return { encoding, commit: blocks.commit, outlines: blocks.outlinesOf(txs) }
}

const sizeIn = (frame: Reader): number => {
  const size = frame.varint(HEIGHT_MAX, 'the size of columns')
  checkLimit('bytes of columns', size, BATCH_LIMITS.columnBytes)
  return size
}
const streamSizeIn = (frame: Reader): number => frame.varint(HEIGHT_MAX, 'the size of a stream')

/** Never more bytes than were announced, and exactly as many. */
const decompress = (
  frame: Reader,
  part: string,
  { size, stream }: { readonly size: number; readonly stream: number },
): Reader => {
  const bytes = frame.take(stream, part)
  if (size === 0 && stream === 0) return new Reader(NOTHING, part)
  let made: Uint8Array
  let used: number
  try {
    // The option `info` adds the engine, which the type does not say.
    const answer = brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, size), info: true }) as unknown as {
      readonly buffer: Uint8Array
      readonly engine: { readonly bytesWritten: number }
    }
    made = answer.buffer
    used = answer.engine.bytesWritten
  } catch (cause) {
    return frame.fail(`${part} are no brotli stream of ${size} bytes (${reasonOf(cause)})`)
  }
  if (made.length !== size || used !== stream)
    return frame.fail(`${part} have ${made.length} bytes out of ${used}, and ${size} out of ${stream} were announced`)
  return new Reader(made, part)
}
const reasonOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)

interface Blocks {
  readonly commit: OutlineRun['commit']
  outlinesOf(txs: { readonly raws: readonly Uint8Array[]; readonly senders: readonly Address[] | null }): Outline[]
}

const decodeBlocks = (
  packed: Reader,
  plain: Reader,
  of: { readonly first: number; readonly count: number; readonly txCount: number; readonly encoding: Encoding },
): Blocks => {
  const { first, count, txCount, encoding } = of
  const txCounts = packed.runs(count, txCount, 'transactions of blocks')
  if (txCounts.reduce((sum, txs) => sum + txs, 0) !== txCount) packed.fail(`blocks have not ${txCount} transactions`)
  const systemFlags = packed.runs(count, 1, 'system transactions')
  const times = timesIn(packed, count)
  const rounds = packed.runs(count, ROUND_MAX, 'rounds')
  const coinbaseAt = coinbasesIn(packed, plain, count)
  const commits = commitsIn(packed, plain, { count: first === 1 ? count : count + 1, encoding })
  packed.end()
  const proofs = txCounts.map((txs): Outline['proof'] => {
    if (encoding === 'full') return { kind: 'full', reveal: plain.take(SIGNATURE_BYTES, 'reveals') }
    const [prevRandao, parentBeaconBlockRoot] = [hashIn(plain, 'randao'), hashIn(plain, 'section hashes')]
    return {
      kind: 'attested',
      prevRandao,
      parentBeaconBlockRoot,
      transactionsRoot: txs === 0 ? null : hashIn(plain, 'transactions roots'),
    }
  })
  const parentCommits = first === 1 ? [null, ...commits] : commits
  return {
    commit: commits.at(-1) as OutlineRun['commit'], // there is one, and the last has its signature
    outlinesOf({ raws, senders }) {
      let at = 0
      return txCounts.map((txs, i): Outline => {
        at += txs
        return {
          ...{ height: first + i, timeMs: times[i] as number, round: rounds[i] as number, coinbase: coinbaseAt(i) },
          txs: raws.slice(at - txs, at),
          senders: senders === null ? null : senders.slice(at - txs, at),
          hasSystemTx: systemFlags[i] === 1,
          lastCommit: parentCommits[i] ?? null,
          proof: proofs[i] as Outline['proof'],
        }
      })
    },
  }
}

const hashIn = (plain: Reader, what: string) => asHash(plain.take(HASH_BYTES, what))

const timesIn = (packed: Reader, count: number): number[] => {
  let timeMs = 0
  return packed.varints(count, HEIGHT_MAX, 'times').map((laterMs) => {
    timeMs += laterMs
    return timeMs > HEIGHT_MAX ? packed.fail('a time that no clock shows') : timeMs
  })
}

const coinbasesIn = (packed: Reader, plain: Reader, count: number): ((i: number) => Address) => {
  const size = packed.varint(count, 'fee recipients')
  if (size === 0) packed.fail('no fee recipients')
  const refs = packed.varints(count, size - 1, 'fee recipients')
  const table = plain.take(20 * size, 'fee recipients')
  return (i) => asAddress(table.subarray(20 * (refs[i] as number), 20 * (refs[i] as number) + 20))
}

const commitsIn = (
  packed: Reader,
  plain: Reader,
  { count, encoding }: { readonly count: number; readonly encoding: Encoding },
): OutlineCommit[] => {
  const rounds = packed.runs(count, ROUND_MAX, 'rounds of certificates')
  const sizes = packed.runs(count, BITMAP_BYTES_MAX, 'bitmaps')
  const bitmaps = sizes.map((size) => packed.take(size, 'bitmaps'))
  return rounds.map((round, i) => {
    const isSigned = encoding === 'full' || i === count - 1
    const signature = isSigned ? plain.take(SIGNATURE_BYTES, 'signatures of certificates') : null
    return { round, bitmap: bitmaps[i] as Uint8Array, signature }
  })
}
