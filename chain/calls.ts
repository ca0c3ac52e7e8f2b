// What a worker opens to answer calls: the same store, read at committed heights. The chain's second door, and read only.

import { bytesToHex, equalBytes, type Hash } from './base/bytes.ts'
import { assert, defineErrors, NodeError } from './base/errors.ts'
import type { Kv } from './base/ports.ts'
import { type ChainDeps, computeGenesisHash } from './chain.ts'
import { createExecutor, earlierHashes } from './exec/block.ts'
import { runCall } from './exec/call.ts'
import type { Engine } from './exec/engine.ts'
import { nextBaseFee } from './exec/fees.ts'
import { createFastEngine } from './exec/interpreter.ts'
import { createReferenceEngine } from './exec/reference.ts'
import { simulateBlocks } from './exec/simulate.ts'
import { createState } from './exec/state.ts'
import { replay } from './exec/witness.ts'
import { nativesAt } from './native/index.ts'
import { openBlockStore } from './store/blocks.ts'
import { createStateStore, openReader } from './store/state.ts'
import { tableOf } from './store/tables.ts'
import { orderedRoot } from './store/trie.ts'
import { type Block, type Header, headerHash } from './types/block.ts'
import type { CallAnswer, CallJob } from './types/call.ts'
import type { Genesis, Rules } from './types/genesis.ts'
import { requireKept } from './types/kept.ts'
import { encodeReceipt } from './types/receipt.ts'
import type { Changes, Reader } from './types/state.ts'
import { sentTxs } from './types/system-tx.ts'
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

/** The engine that runs blocks, and calls beside them. */
export const createChainEngine = ({ chainId }: Rules, name: EngineName = 'fast'): Engine =>
  name === 'fast' ? createFastEngine({ chainId }) : createReferenceEngine({ chainId })

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
  const pause = async (): Promise<void> => {}
  const domain: Domain = { chainId: genesis.chainId, genesisHash: await computeGenesisHash(genesis) }
  const blocks = openBlockStore(kv, domain.genesisHash)
  const states = createStateStore({ kv, pause }, { historyBlocks: null, proofBlocks: null, cacheBytes: 0 })
  const head = blocks.headHeight() ?? 0
  const lowest = Math.max(blocks.earliest().bodies, states.lowest().state + 1, 1)
  const [from, to] = [range.from ?? lowest, range.to ?? head]
  if (from < lowest || to > head || from > to) throw new NodeError(ReexecuteErrors.RANGE, { from, to, lowest, head })
  // What the lane of plain transfers and the fast engine made, the reference engine makes again.
  const engine = createChainEngine(genesis, 'reference')
  const executor = createExecutor({ engine, pause, natives, lane: 'off' }, genesis)
  let [txCount, gas] = [0, 0n]
  for (let height = from; height <= to; height++) {
    const [block, txs] = [blocks.block(height), blocks.txs(height)]
    assert(block !== null && txs !== null, `block ${height} is stored`)
    const { header } = block
    const blockHash = earlierHashes(height, (number) => blocks.record(number)?.hash)
    const lastCommit = block.section?.lastCommit ?? null
    const context = { ...header, chainId: genesis.chainId, domain, lastCommit, blockHash }
    const state = createState(openReader(kv, height - 1))
    const result = await executor.run(state, context, header.parentHash, { mode: 'verify', txs })
    const receiptsRoot = drain(
      orderedRoot(result.receipts.length, (i) => encodeReceipt(result.receipts[i] as (typeof result.receipts)[number])),
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
