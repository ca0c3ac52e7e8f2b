// What the settlement contract logged, read from an L1 by JSON-RPC: its batches in order, and in the inputs of their transactions the bytes.
// Owns the walk over the L1's blocks and who may be asked for how many. Nothing is believed here but what hashes say; `derive.ts` judges.
import { type Address, asHash, bytesToHex, concat, equalBytes, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import {
  type AbiEvent,
  type AbiFunction,
  type AbiParam,
  decodeEvent,
  decodeNamed,
  selectorOf,
} from '../../chain/native/kit/abi.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import type { Posting, SettlementSource, Supplied } from './derive.ts'
import type { L1History, L1Log } from './l1.ts'

export const PostingErrors = defineErrors('POSTING', {
  LOG: {
    text: (d: { l1Transaction: string; reason: string }) =>
      `L1 transaction ${d.l1Transaction} logged what no settlement contract logs: ${d.reason}`,
  },
  INPUT: {
    text: (d: { l1Transaction: string; reason: string }) =>
      `the input of L1 transaction ${d.l1Transaction} is not what its log says: ${d.reason}`,
  },
})

/** How far the walk is: L1 blocks, batches found, and the last block that they settle. */
export interface Scanned {
  readonly height: number
  readonly head: number
  readonly batches: number
  readonly settled: number
}

interface LoadDeps {
  readonly l1: Pick<L1History, 'transaction'>
  /** Between two tries at an endpoint that does not answer; null: one is enough. */
  readonly pause: ((ms: number) => Promise<void>) | null
}
export interface PostingsDeps extends LoadDeps {
  readonly l1: L1History
  readonly onScan?: (at: Scanned) => void
}
export interface PostingsOptions {
  readonly settlement: Address
  /** At or below the L1 block that holds the first batch. */
  readonly fromBlock: number
}

/** Blocks of one question. Endpoints allow from ten to any number: one that is refused is halved, one that is answered doubled. */
const SPAN_BLOCKS = 8_192
const SPAN_BLOCKS_MAX = 1_048_576
/** An endpoint that fails is asked again this often, a second later each time. */
const TRIES = 5
const TRY_MS = 1_000

/** A batch as its log says. */
export type PostedLog = Omit<Posting, 'load' | 'supplied'> & { readonly transaction: Hash }
interface SuppliedLog {
  readonly transaction: Hash
  readonly dataHash: Hash
}
/** Where batches are posted and supplied: what is asked of a contract's log. */
export const POSTING_TOPICS = [abi.events.BatchPosted.topic, abi.events.BatchSupplied.topic].map((topic) =>
  asHash(hexToBytes(topic)),
)
const [POSTED, SUPPLIED] = POSTING_TOPICS as [Hash, Hash] // as many as went in

/** Throws POSTING_LOG. */
export const readLog = (
  log: L1Log,
  settlement: Address,
): { readonly posted: PostedLog } | { readonly supplied: SuppliedLog; readonly seq: number } => {
  if (!equalBytes(log.address, settlement)) throw logFault(log, 'it is another contract’s')
  if (isTopic(log, POSTED)) return { posted: postedOf(log) }
  if (!isTopic(log, SUPPLIED)) throw logFault(log, 'it was not asked for')
  const { seq, dataHash } = eventOf(abi.events.BatchSupplied, log)
  return { supplied: { transaction: log.transaction, dataHash: asHash(dataHash) }, seq: Number(seq) }
}

export const createPostings = (deps: PostingsDeps, options: PostingsOptions): SettlementSource => ({
  async *postings() {
    const { posted, supplied } = await scan(deps, options)
    for (const { transaction, ...logged } of posted)
      yield {
        ...logged,
        load: () => loadPosted(deps, options.settlement, { transaction, dataHash: logged.dataHash }),
        supplied: (supplied.get(logged.seq) ?? []).map((log) => suppliedOf(deps, options.settlement, log)),
      }
  },
})

/** All logs, to the newest block. A few hundred bytes each are kept. */
const scan = async (
  deps: PostingsDeps,
  { settlement, fromBlock }: PostingsOptions,
): Promise<{
  readonly posted: readonly PostedLog[]
  readonly supplied: ReadonlyMap<number, readonly SuppliedLog[]>
}> => {
  const { l1, onScan } = deps
  const head = await tried(deps, () => l1.height())
  const posted: PostedLog[] = []
  const supplied = new Map<number, SuppliedLog[]>() // anybody adds to it, for the gas of a transaction each
  let span = SPAN_BLOCKS
  for (let from = fromBlock; from <= head; ) {
    const to = Math.min(head, from + span - 1)
    const logs = await logsIn(deps, { address: settlement, topics: POSTING_TOPICS, from, to })
    if (logs === null) {
      span = Math.max(1, span >> 1)
      continue
    }
    for (const log of logs) {
      const found = readLog(log, settlement)
      if ('posted' in found) posted.push(found.posted)
      else supplied.set(found.seq, [...(supplied.get(found.seq) ?? []), found.supplied])
    }
    onScan?.({ height: to, head, batches: posted.length, settled: posted.at(-1)?.height ?? 0 })
    span = Math.min(SPAN_BLOCKS_MAX, span * 2)
    from = to + 1
  }
  return { posted, supplied }
}

/** null: so many blocks at once are refused, or are too much of an answer. */
const logsIn = async (
  deps: PostingsDeps,
  range: Parameters<L1History['logs']>[0],
): Promise<readonly L1Log[] | null> => {
  try {
    return await tried(deps, () => deps.l1.logs(range))
  } catch (error) {
    const isRange = error instanceof NodeError && (error.code === 'L1_REFUSED' || error.code === 'L1_ANSWER')
    if (isRange && range.to > range.from) return null
    throw error
  }
}

const tried = async <T>({ pause }: LoadDeps, ask: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== 'L1_UNREACHABLE' || tries === TRIES || pause === null)
        throw error
      await pause(tries * TRY_MS)
    }
  }
}

const isTopic = ({ topics }: L1Log, topic: Hash): boolean => topics[0] !== undefined && equalBytes(topics[0], topic)
const logFault = ({ transaction }: L1Log, reason: string) =>
  new NodeError(PostingErrors.LOG, { l1Transaction: bytesToHex(transaction), reason })

const eventOf = <E extends AbiEvent>(event: E, log: L1Log): ReturnType<typeof decodeEvent<E>> => {
  try {
    return decodeEvent(event, log)
  } catch (cause) {
    throw cause instanceof NodeError ? logFault(log, cause.message) : cause
  }
}

const postedOf = (log: L1Log): PostedLog => {
  const { seq, height, blockHash, dataHash, accumulator } = eventOf(abi.events.BatchPosted, log)
  return {
    ...{ seq: Number(seq), height: Number(height), blockHash: asHash(blockHash) },
    ...{ dataHash: asHash(dataHash), accumulator: asHash(accumulator) },
    ...{ transaction: log.transaction, l1Transaction: bytesToHex(log.transaction) },
  }
}

const inputFault = (transaction: Hash, reason: string) =>
  new NodeError(PostingErrors.INPUT, { l1Transaction: bytesToHex(transaction), reason })

/** The arguments of a call of the contract: it lets nobody call it otherwise. */
const argumentsOf = async (
  deps: LoadDeps,
  settlement: Address,
  transaction: Hash,
  fn: AbiFunction,
): Promise<Uint8Array> => {
  const found = await tried(deps, () => deps.l1.transaction(transaction))
  if (found === null) throw inputFault(transaction, 'the endpoint does not have it; another one may')
  const { to, input } = found
  if (to === null || !equalBytes(to, settlement)) throw inputFault(transaction, 'it is to another address')
  if (selectorOf(input) !== fn.selector) throw inputFault(transaction, `it is no call of ${fn.source.slice(0, 40)}…`)
  return concat(input.subarray(4), new Uint8Array(BEYOND_BYTES))
}
/**
 * A contract takes `bytes` that end before their last word does, or that lie over the words before them, where our own decoder wants neither. What
 * it took must be read, or anybody could supply what stops the reader; the hash that it logged says what it was.
 */
const BEYOND_BYTES = 160
const [SEQ, PREVIOUS, BATCH] = abi.functions.post.inputs
const POST_HEAD = [SEQ, PREVIOUS, BATCH] as const

const batchIn = <P extends readonly AbiParam[]>(
  params: P,
  args: Uint8Array,
  { transaction, dataHash }: SuppliedLog,
): Uint8Array => {
  try {
    const { batch } = decodeNamed(params, args) as { readonly batch: Uint8Array } // both have it
    if (equalBytes(keccak(batch), dataHash)) return batch
  } catch (cause) {
    throw cause instanceof NodeError ? inputFault(transaction, cause.message) : cause
  }
  throw inputFault(transaction, 'its bytes have another hash')
}

/** Throws POSTING_INPUT and L1_*, as does what `suppliedOf` loads. */
export const loadPosted = async (
  deps: LoadDeps,
  settlement: Address,
  log: SuppliedLog,
): ReturnType<Posting['load']> => {
  const { post } = abi.functions
  const args = await argumentsOf(deps, settlement, log.transaction, post)
  const bytes = batchIn(POST_HEAD, args, log)
  try {
    return { bytes, section: decodeNamed(post.inputs, args).checkpoint.section }
  } catch (error) {
    // Its section the contract has looked at; here it only helps to say what is wrong.
    if (!(error instanceof NodeError)) throw error
    return { bytes, section: new Uint8Array(0) }
  }
}

export const suppliedOf = (deps: LoadDeps, settlement: Address, log: SuppliedLog): Supplied => ({
  ...{ l1Transaction: bytesToHex(log.transaction), dataHash: log.dataHash },
  async load() {
    const { supply } = abi.functions
    return batchIn(supply.inputs, await argumentsOf(deps, settlement, log.transaction, supply), log)
  },
})
