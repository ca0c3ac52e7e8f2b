// A chain made again from a settlement layer's data alone. Owns the order of batches and who is blamed: every fault names the batch and the L1
// transaction that brought it. Nothing that the L1 says is believed: blocks are run, and a quorum of the set that the state has must have
// signed each batch's last one (the batch carries its CommitQC). Where it was is the head of the store, so stopping anywhere loses nothing.
import { bytesToHex, concat, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Deriver, Settled } from '../../chain/derive.ts'
import { decodeSection } from '../../chain/types/block.ts'
import type { OutlineRun } from '../../chain/types/outline.ts'
import { decodeBatch, partsOf } from './batch.ts'
import { BatchErrors } from './columns.ts'
import { accumulatorOf, NO_ACCUMULATOR } from './settlement.ts'

export const SettledErrors = defineErrors('SETTLED', {
  GAP: {
    text: (d: { seq: number; want: number; l1Transaction: Hex }) =>
      `batch ${d.want} is missing: L1 transaction ${d.l1Transaction} posts batch ${d.seq}; the endpoint leaves logs out, or scanning ` +
      'began after the first batch (--l1-from-block)',
  },
  ACCUMULATOR: {
    text: (d: { seq: number; l1Transaction: Hex }) =>
      `batch ${d.seq} of L1 transaction ${d.l1Transaction} does not follow the batches before it: its accumulator is another`,
  },
  FALSE: {
    text: (d: { seq: number; l1Transaction: Hex; reason: string }) =>
      `batch ${d.seq} of L1 transaction ${d.l1Transaction} is not what it says: ${d.reason}`,
  },
  ATTESTED: {
    text: (d: { seq: number; l1Transaction: Hex }) =>
      `batch ${d.seq} of L1 transaction ${d.l1Transaction} is attested: its transactions are there without their signatures, so no node's ` +
      'database can be made of it; --keep state makes state and headers of it',
  },
  OTHER_CHAIN: {
    text: (d: { seq: number; l1Transaction: Hex; height: number; have: string; want: string }) =>
      `block ${d.height} of this folder is ${d.have}, and batch ${d.seq} of L1 transaction ${d.l1Transaction} settles ${d.want}: what is ` +
      'here, or what is there, is another chain; begin in an empty --dir, or correct --settlement',
  },
})

/** Bytes that somebody published for a batch: all of it in place of what was posted, or a part that the posted one names. */
export interface Supplied {
  readonly l1Transaction: Hex
  readonly dataHash: Hash
  load(): Promise<Uint8Array>
}

/** A batch and its checkpoint as the settlement layer logged them. What costs is read when it is asked for. */
export interface Posting {
  /** From 1 on. */
  readonly seq: number
  readonly height: number
  readonly blockHash: Hash
  readonly dataHash: Hash
  readonly accumulator: Hash
  readonly l1Transaction: Hex
  /** The input of that transaction; `section` is empty within an epoch. */
  load(): Promise<{ readonly bytes: Uint8Array; readonly section: Uint8Array }>
  /** Oldest first. */
  readonly supplied: readonly Supplied[]
}

export interface SettlementSource {
  /** All that is posted, ascending by `seq`. */
  postings(): AsyncIterable<Posting>
}

export interface Progress {
  readonly seq: number
  /** Of the last batch known. */
  readonly height: number
}

interface ReadDeps {
  readonly source: SettlementSource
  readonly deriver: Deriver
  readonly chainId: bigint
}

/**
 * Runs every batch that lies above the head of `deriver`. Throws SETTLED_*, and what a source or a store throws; all batches before are kept then.
 * Answers how many were run.
 */
export async function deriveAll(
  deps: ReadDeps & { readonly onBatch?: (progress: Progress) => void },
  signal: AbortSignal,
): Promise<{ readonly batches: number }> {
  const { deriver } = deps
  let [seq, height, batches] = [0, 0, 0]
  let accumulator = NO_ACCUMULATOR
  for await (const coming of inTurn(deps)) {
    signal.throwIfAborted()
    const { posting } = coming
    const { l1Transaction } = posting
    const want = seq + 1
    if (posting.seq !== want) throw new NodeError(SettledErrors.GAP, { seq: posting.seq, want, l1Transaction })
    if (posting.height <= height) throw falseBatch(posting, `its checkpoint ${posting.height} is not above ${height}`)
    accumulator = accumulatorOf(accumulator, posting)
    if (!equalBytes(accumulator, posting.accumulator))
      throw new NodeError(SettledErrors.ACCUMULATOR, { seq: posting.seq, l1Transaction })
    ;({ seq, height } = posting)
    if (isKnown(deriver, posting)) continue
    await settle(coming, deps)
    batches++
    deps.onBatch?.({ seq, height })
  }
  return { batches }
}

type Blamed = Pick<Posting, 'seq' | 'l1Transaction'>
const falseBatch = ({ seq, l1Transaction }: Blamed, reason: string, cause?: unknown) =>
  new NodeError(SettledErrors.FALSE, { seq, l1Transaction, reason }, { cause })

/** It lies at or below the head, with the hash that is there. Throws SETTLED_OTHER_CHAIN. */
const isKnown = (deriver: Deriver, { seq, l1Transaction, height, blockHash }: Posting): boolean => {
  const have = deriver.hashAt(height)
  if (have === null) return false
  if (equalBytes(have, blockHash)) return true
  const hashes = { have: bytesToHex(have), want: bytesToHex(blockHash) }
  throw new NodeError(SettledErrors.OTHER_CHAIN, { seq, l1Transaction, height, ...hashes })
}

/** Inputs that are asked for beyond the batch that is run: an endpoint may be far away. */
const LOADS_AHEAD = 4

/** Batches one after another. While one is run the next is read, and those after it are asked for; how that fails is heard in its turn. */
async function* inTurn(deps: ReadDeps): AsyncGenerator<Coming> {
  const waiting: Coming[] = []
  const next = (): Coming | undefined => {
    const coming = waiting.shift()
    void waiting[0]?.read?.()
    return coming
  }
  let fault: { readonly cause: unknown } | null = null
  try {
    for await (const posting of deps.source.postings()) {
      waiting.push(comingOf(posting, deps))
      if (waiting.length > LOADS_AHEAD) yield next() as Coming // there is one
    }
  } catch (cause) {
    fault = { cause }
  }
  for (let coming = next(); coming !== undefined; coming = next()) yield coming
  if (fault !== null) throw fault.cause
}

interface Read {
  readonly input: Awaited<ReturnType<Posting['load']>> | NodeError
  /** What the posted bytes say, or why they say nothing. */
  readonly run: OutlineRun | NodeError
}

interface Coming {
  readonly posting: Posting
  /** The same each time. Not before it is nearly its turn: what a batch says is larger than its bytes. null: its blocks are here. */
  readonly read: (() => Promise<Read>) | null
}

/** Its input is asked for. */
const comingOf = (posting: Posting, { deriver, chainId }: ReadDeps): Coming => {
  if (deriver.hashAt(posting.height) !== null) return { posting, read: null }
  const { dataHash, supplied } = posting
  const read = async (input: Read['input']): Promise<Read> => {
    if (input instanceof NodeError) return { input, run: input }
    const { bytes } = input
    if (!equalBytes(keccak(bytes), dataHash)) throw falseBatch(posting, 'its bytes have another hash than was logged')
    const run = await readRun({ bytes, supplied, chainId })
    if (!(run instanceof NodeError)) deriver.expect(run)
    return { input, run }
  }
  const loading = heard(readable(posting.load()))
  let reading: Promise<Read> | null = null
  return {
    posting,
    read() {
      reading ??= heard(loading.then(read))
      return reading
    },
  }
}

/** Whoever waits for it hears how it failed; that nobody does is no fault. */
const heard = <T>(work: Promise<T>): Promise<T> => {
  work.catch(() => {})
  return work
}

/** With the bytes that were posted, or the first of those supplied since that make the block. What cannot be read of them is passed over: anybody supplies. */
const settle = async ({ posting, read }: Coming, { deriver, chainId }: ReadDeps): Promise<void> => {
  const { seq, height, blockHash, l1Transaction, supplied } = posting
  assert(read !== null, 'blocks that are here are not run')
  const { input, run } = await read()
  const section = input instanceof NodeError ? null : sectionIn(posting, input.section)
  const settled = { height, hash: blockHash, section }
  const own = await faultOf(deriver, run, settled)
  if (own === null) return
  if (own.code === 'DERIVE_ATTESTED')
    throw new NodeError(SettledErrors.ATTESTED, { seq, l1Transaction }, { cause: own })
  let unread: NodeError | null = null
  for (const each of supplied) {
    const bytes = await readable(each.load())
    if (bytes instanceof NodeError) unread ??= bytes
    else if ((await faultOf(deriver, await readRun({ bytes, supplied, chainId }), settled)) === null) return
  }
  if (own.code.startsWith(UNREAD)) throw own
  const more = unread === null ? '' : `; of what was supplied in its place not all can be read: ${unread.message}`
  throw falseBatch(posting, own.message + more, own)
}

const UNREAD = 'POSTING_'
const isUnreadable = (error: unknown): error is NodeError => error instanceof NodeError && error.code.startsWith(UNREAD)
/** Or why the endpoint does not give it. */
const readable = <T>(loading: Promise<T>): Promise<T | NodeError> =>
  loading.catch((error: unknown) => {
    if (isUnreadable(error)) return error
    throw error
  })

/** The whole of a batch in parts: each is found by the hash that the first says. Throws BATCH_PART. */
export const wholeOf = async (bytes: Uint8Array, supplied: readonly Supplied[]): Promise<Uint8Array> => {
  const parts = partsOf(bytes)
  if (parts === null) return bytes
  const whole = [parts.first]
  for (const [i, hash] of parts.others.entries()) {
    const found = await partIn(supplied.filter(({ dataHash }) => equalBytes(dataHash, hash)))
    if (found === null) throw new NodeError(BatchErrors.PART, { part: i + 2, parts: parts.others.length + 1 })
    whole.push(found)
  }
  return concat(...whole)
}
/** The first that can be read of those with one hash; null: there are none. */
const partIn = async (same: readonly Supplied[]): Promise<Uint8Array | null> => {
  let unread: NodeError | null = null
  for (const each of same) {
    const bytes = await readable(each.load())
    if (!(bytes instanceof NodeError)) return bytes
    unread = bytes
  }
  if (unread !== null) throw unread
  return null
}

const sectionIn = (posting: Posting, bytes: Uint8Array): Settled['section'] => {
  if (bytes.length === 0) return null
  try {
    return decodeSection(bytes)
  } catch (cause) {
    if (!(cause instanceof NodeError)) throw cause
    throw falseBatch(posting, `the section of its checkpoint: ${cause.message}`, cause)
  }
}

/** What these bytes say, or what is wrong with them. */
const readRun = (of: {
  readonly bytes: Uint8Array
  readonly supplied: readonly Supplied[]
  readonly chainId: bigint
}): Promise<OutlineRun | NodeError> => faultsOf(async () => decodeBatch(await wholeOf(of.bytes, of.supplied), of))

/** What is wrong with a run; null where it made the block, and it is on disk. */
const faultOf = async (deriver: Deriver, run: OutlineRun | NodeError, settled: Settled): Promise<NodeError | null> =>
  run instanceof NodeError ? run : faultsOf(async () => deriver.derive(run, settled).then(() => null))

const FAULTS = ['BATCH_', 'DERIVE_', UNREAD]
const faultsOf = async <T>(work: () => Promise<T>): Promise<T | NodeError> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof NodeError && FAULTS.some((area) => error.code.startsWith(area))) return error
    throw error
  }
}
