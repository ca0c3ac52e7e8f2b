// What a worker opens to answer calls: the same store, read at committed heights. The chain's second door, and read only.

import { bytesToHex, equalBytes, type Hash } from './base/bytes.ts'
import { assert, defineErrors, NodeError } from './base/errors.ts'
import type { Kv } from './base/ports.ts'
import { type ChainDeps, computeGenesisHash } from './chain.ts'
import { type BlockResult, createExecutor, type Executor, earlierHashes } from './exec/block.ts'
import { runCall } from './exec/call.ts'
import type { Engine } from './exec/engine.ts'
import { nextBaseFee } from './exec/fees.ts'
import { createFastEngine } from './exec/interpreter.ts'
import { createReferenceEngine } from './exec/reference.ts'
import { simulateBlocks } from './exec/simulate.ts'
import { createState } from './exec/state.ts'
import { replay } from './exec/witness.ts'
import { ethereumAt, nativesAt, withFork } from './native/index.ts'
import { openBlockStore } from './store/blocks.ts'
import { orderedRoot } from './store/ordered.ts'
import { createStateStore, openReader } from './store/state.ts'
import { tableOf } from './store/tables.ts'
import { type Block, type Header, headerHash } from './types/block.ts'
import type { CallAnswer, CallJob } from './types/call.ts'
import type { Genesis, Rules } from './types/genesis.ts'
import { requireKept } from './types/kept.ts'
import type { StoredReceipt } from './types/query.ts'
import { encodeReceipt } from './types/receipt.ts'
import type { Changes, Reader } from './types/state.ts'
import { sentTxs } from './types/system-tx.ts'
import type { Tx } from './types/tx.ts'
import type { Domain } from './types/vote.ts'
import type { Witness } from './types/witness.ts'

export interface Calls {
  /** Throws CALL_*, TX_* and STORE_*. */
  run(job: CallJob): Promise<CallAnswer>
}

export function openCalls(
  kv: Kv,
  genesis: Rules,
  options: {
    readonly genesisHash: Hash
    readonly gasCap: bigint
    readonly natives?: ChainDeps['natives']
    /** What runs calls, the fast engine if it is not said; the answers are the same. */
    readonly evm?: EngineName
  },
): Calls {
  const blocks = openBlockStore(kv, options.genesisHash)
  const deps = {
    engine: createChainEngine(genesis, options.evm),
    reference: createChainEngine(genesis, 'reference'),
    domain: { chainId: genesis.chainId, genesisHash: options.genesisHash },
    gasCap: options.gasCap,
    natives: options.natives ?? nativesAt,
    ethereum: ethereumAt,
    reader: (height: number) => openReader(kv, height),
    fees: genesis.fees,
    header: (height: number) => blocks.record(height),
    txs: (height: number) => {
      requireKept(blocks.earliest(), 'bodies', height)
      return blocks.txs(height)
    },
    blockSeconds: Math.max(1, Math.floor(genesis.blockTimeMs / 1_000)),
    nextBaseFee: (parent: Parameters<typeof nextBaseFee>[0]) => nextBaseFee(parent, genesis.fees),
  }
  const answer = async (job: CallJob): Promise<CallAnswer> =>
    job.kind === 'simulate' ? { kind: 'simulate', blocks: await simulateBlocks(deps, job) } : runCall(deps, job)
  // The reference engine has one execution at a time.
  let last: Promise<unknown> = Promise.resolve()
  return {
    run(job) {
      const answered = last.then(() => answer(job))
      last = answered.catch(() => {})
      return answered
    },
  }
}

export type EngineName = 'reference' | 'fast'

/** The engine that runs blocks, and calls beside them: each by the rules that hold in its block. */
export function createChainEngine({ chainId }: Pick<Rules, 'chainId'>, name: EngineName = 'fast'): Engine {
  const create = name === 'fast' ? createFastEngine : createReferenceEngine
  const newest = create({ chainId })
  let prague: Engine | null = null
  return {
    name: newest.name,
    execute(message, state, block, natives, manner) {
      if (block.ethereum !== 'prague') return newest.execute(message, state, block, natives, manner)
      prague ??= create({ chainId, hardfork: 'prague' })
      return prague.execute(message, state, block, natives, manner)
    },
  }
}

/** Reads the whole store: state against its root, blocks by their hashes. Throws STORE_* with the first fault. */
export async function checkStore(
  kv: Kv,
  genesisHash: Hash,
): Promise<{
  readonly height: number
  readonly blocks: number
  readonly accounts: number
  readonly slots: number
  readonly codes: number
}> {
  const blocks = openBlockStore(kv, genesisHash)
  const states = createStateStore(
    { kv, pause: async () => {} },
    { historyBlocks: null, proofBlocks: null, cacheBytes: 0 },
  )
  const height = blocks.headHeight() ?? 0
  let count = 0
  const { headers, bodies, receipts } = blocks.earliest()
  for (let at = headers; at <= height; at++) {
    const record = blocks.record(at)
    assert(record !== null && equalBytes(headerHash(record.header), record.hash), `block ${at} has its hash`)
    assert(at < bodies || blocks.block(at) !== null, `block ${at} is stored`)
    assert(at < receipts || blocks.receipts(at) !== null, `receipts of block ${at} are stored`)
    count++
  }
  return { height, blocks: count, ...(await states.check()) }
}

/** What each engine differs in from a kept record of a transaction; null where it gives the same. */
export async function replayOnBoth(
  genesis: Genesis,
  witness: Witness,
): Promise<{ readonly [name in EngineName]: string | null }> {
  const natives = nativesAt(witness.block.number).table
  const on = (name: EngineName): Promise<string | null> =>
    replay({ engine: createChainEngine(genesis, name), natives, fees: genesis.fees }, witness)
  return { reference: await on('reference'), fast: await on('fast') }
}

export const ReexecuteErrors = defineErrors('REEXECUTE', {
  RANGE: {
    text: (d: { from: number; to: number; lowest: number; head: number }) =>
      `blocks ${d.from} to ${d.to} cannot be run again: this database can run blocks ${d.lowest} to ${d.head}`,
  },
  DEVIATES: {
    text: (d: { height: number; field: string; stored: string; ran: string }) =>
      `block ${d.height} deviates: its ${d.field} is ${d.stored}, running it again gives ${d.ran}`,
  },
})

interface StoredBlocks {
  readonly from: number
  readonly to: number
  /** Runs one again, on its parent's state as `on` shows it. */
  run(executor: Executor, height: number, on: (parent: Reader) => Reader): Promise<RanAgain>
  /** null where they are pruned. */
  receipts(height: number): readonly StoredReceipt[] | null
}
interface RanAgain {
  readonly block: Block
  readonly txs: readonly Tx[]
  readonly result: BlockResult
}
/** Throws REEXECUTE_RANGE where a block or the state before it is not kept. */
async function openStored(
  kv: Kv,
  genesis: Genesis,
  range: (kept: { readonly lowest: number; readonly receipts: number; readonly head: number }) => {
    readonly from: number
    readonly to: number
  },
): Promise<StoredBlocks> {
  const domain: Domain = { chainId: genesis.chainId, genesisHash: await computeGenesisHash(genesis) }
  const blocks = openBlockStore(kv, domain.genesisHash)
  const options = { historyBlocks: null, proofBlocks: null, cacheBytes: 0 }
  const states = createStateStore({ kv, pause: async () => {} }, options)
  const head = blocks.headHeight() ?? 0
  const { bodies, receipts } = blocks.earliest()
  const lowest = Math.max(bodies, states.lowest().state + 1, 1)
  const { from, to } = range({ lowest, receipts, head })
  if (from < lowest || to > head || from > to) throw new NodeError(ReexecuteErrors.RANGE, { from, to, lowest, head })
  return {
    ...{ from, to },
    receipts: (height) => blocks.receipts(height),
    async run(executor, height, on) {
      const [block, txs] = [blocks.block(height), blocks.txs(height)]
      assert(block !== null && txs !== null, `block ${height} is stored`)
      const { header } = block
      const blockHash = earlierHashes(height, (number) => blocks.record(number)?.hash)
      const lastCommit = block.section?.lastCommit ?? null
      const facts = { ...header, chainId: genesis.chainId, domain, lastCommit, blockHash }
      const state = createState(on(openReader(kv, height - 1)))
      const result = await executor.run(state, facts, header.parentHash, { mode: 'verify', txs })
      return { block, txs, result }
    },
  }
}

/**
 * Runs stored blocks again, each on the state that is stored for its parent, and compares gas, receipts, bloom and every value
 * it wrote. Throws REEXECUTE_DEVIATES with the first difference and REEXECUTE_RANGE where states are pruned.
 */
export async function reexecute(
  kv: Kv,
  genesis: Genesis,
  range: { readonly from: number | null; readonly to: number | null },
  onBlock: (height: number, txs: number) => void,
  natives: ChainDeps['natives'] = nativesAt,
): Promise<{ readonly from: number; readonly to: number; readonly txs: number; readonly gas: bigint }> {
  const stored = await openStored(kv, genesis, ({ lowest, head }) => ({
    from: range.from ?? lowest,
    to: range.to ?? head,
  }))
  // What the lane of plain transfers and the fast engine made, the reference engine makes again.
  const engine = createChainEngine(genesis, 'reference')
  const executor = createExecutor({ engine, pause: async () => {}, natives, lane: 'off' }, genesis)
  const { from, to } = stored
  let [txCount, gas] = [0, 0n]
  for (let height = from; height <= to; height++) {
    const { block, txs, result } = await stored.run(executor, height, (parent) => parent)
    const receiptsRoot = drain(
      orderedRoot(result.receipts.length, (i) => encodeReceipt(result.receipts[i] as StoredReceipt)),
    )
    const ran = { gasUsed: result.gasUsed, receiptsRoot, bloom: result.bloom }
    const difference = headerDifference(block, ran) ?? stateDifference(openReader(kv, height), result.changes)
    if (difference !== null) throw new NodeError(ReexecuteErrors.DEVIATES, { height, ...difference })
    const sent = sentTxs(txs).length
    txCount += sent
    gas += result.gasUsed
    onBlock(height, sent)
  }
  return { from, to, txs: txCount, gas }
}

/** What a block would have come to under a fork. */
export interface ForkedBlock {
  readonly height: number
  readonly txs: number
  /** Of the transactions whose receipts differ, a sentence each. */
  readonly differences: readonly { readonly tx: Hash; readonly text: string }[]
  /** Why the block would be none, or null: then nothing of it is compared. */
  readonly refused: string | null
  /** The first value that it would have written otherwise, where receipts are the same; else null. */
  readonly state: string | null
}

/**
 * Runs the last blocks again as if a fork held in each of them, and tells what differs. Each runs on the state that is stored for its parent, so a
 * difference does not carry over. Throws REEXECUTE_RANGE.
 */
export async function simulateFork(
  kv: Kv,
  genesis: Genesis,
  what: { readonly fork: string; readonly blocks: number },
  onBlock: (block: ForkedBlock) => void,
): Promise<{ readonly from: number; readonly to: number }> {
  const stored = await openStored(kv, genesis, ({ lowest, receipts, head }) => ({
    from: Math.max(lowest, receipts, head - what.blocks + 1),
    to: head,
  }))
  const engine = createChainEngine(genesis)
  const executor = createExecutor({ engine, pause: async () => {}, natives: nativesAt }, genesis)
  const { epochBlocks } = genesis
  for (let height = stored.from; height <= stored.to; height++) {
    try {
      const ran = await stored.run(executor, height, (parent) => withFork(parent, what.fork, { height, epochBlocks }))
      const receipts = stored.receipts(height)
      const differences = ran.txs.flatMap((tx, i) => {
        const text = receiptDifference(receipts?.[i], ran.result.receipts[i])
        return text === null ? [] : [{ tx: tx.hash, text }]
      })
      const difference = differences.length > 0 ? null : stateDifference(openReader(kv, height), ran.result.changes)
      const state = difference && `${difference.field} is ${difference.stored} and would be ${difference.ran}`
      onBlock({ height, txs: sentTxs(ran.txs).length, differences, refused: null, state })
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== 'BLOCK_INVALID') throw error
      onBlock({ height, txs: 0, differences: [], refused: error.message, state: null })
    }
  }
  return { from: stored.from, to: stored.to }
}

const receiptDifference = (had: StoredReceipt | undefined, got: StoredReceipt | undefined): string | null => {
  assert(had !== undefined && got !== undefined, 'a receipt for each transaction')
  const word = (status: number): string => (status === 1 ? 'succeeds' : 'fails')
  const parts = [
    ...(had.status === got.status ? [] : [`it ${word(had.status)} and would ${word(got.status).slice(0, -1)}`]),
    ...(had.gasUsed === got.gasUsed ? [] : [`gas ${had.gasUsed} would be ${got.gasUsed}`]),
  ]
  const logsOf = (receipt: StoredReceipt): string =>
    receipt.logs.map(({ address, topics, data }) => [address, ...topics, data].map(bytesToHex).join()).join(';')
  if (logsOf(had) !== logsOf(got)) parts.push(`${had.logs.length} logs would be ${got.logs.length} others`)
  return parts.length === 0 ? null : parts.join(', ')
}

const drain = <T>(steps: Generator<void, T>): T => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

interface Difference {
  readonly field: string
  readonly stored: string
  readonly ran: string
}
const headerDifference = (
  { header }: Block,
  ran: Pick<Header, 'gasUsed' | 'receiptsRoot' | 'bloom'>,
): Difference | null => {
  if (header.gasUsed !== ran.gasUsed) return { field: 'gasUsed', stored: `${header.gasUsed}`, ran: `${ran.gasUsed}` }
  for (const field of ['receiptsRoot', 'bloom'] as const)
    if (!equalBytes(header[field], ran[field]))
      return { field, stored: bytesToHex(header[field]), ran: bytesToHex(ran[field]) }
  return null
}

/** The first value a block wrote that is stored otherwise after it. */
const stateDifference = (after: Reader, changes: Changes): Difference | null => {
  for (const { address, account, slots } of changes.accounts) {
    const stored = after.account(address)
    for (const part of ['nonce', 'balance', 'codeHash'] as const) {
      const [is, was] = [stored?.[part], account?.[part]].map((value) =>
        value === undefined ? 'absent' : typeof value === 'bigint' ? `${value}` : bytesToHex(value),
      ) as [string, string] // as many as went in
      if (is !== was) return { field: `${part} of ${bytesToHex(address)}`, stored: is, ran: was }
    }
    for (const { key, value } of slots) {
      const is = after.slot(address, key)
      if (is !== value)
        return { field: `slot 0x${key.toString(16)} of ${bytesToHex(address)}`, stored: `${is}`, ran: `${value}` }
    }
  }
  return null
}

/** Records and bytes of each table, for people who ask what fills a disk. */
export async function storeStats(
  kv: Kv,
): Promise<readonly { readonly table: string; readonly rows: number; readonly bytes: number }[]> {
  const found = new Map<number, { rows: number; bytes: number }>()
  for await (const [key, value] of kv.entries(Uint8Array.of(0), new Uint8Array(64).fill(255))) {
    const prefix = key[0] ?? 0
    const entry = found.get(prefix) ?? { rows: 0, bytes: 0 }
    entry.rows++
    entry.bytes += key.length + value.length
    found.set(prefix, entry)
  }
  return [...found].map(([prefix, entry]) => ({ table: tableOf(prefix), ...entry })).sort((a, b) => b.bytes - a.bytes)
}
