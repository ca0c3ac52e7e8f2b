// Runs a block: system writes and native hooks, transactions in order, hooks again, roots. Building and verifying share every
// line but the choice of transactions. Owns the slices: it lets timers run after every few milliseconds of work, and counts
// work in gas, never by a clock, so that what it computes cannot depend on time.
import { asAddress, asHash, bytesToBigint, type Hash, hexToBytes } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import type { Pause } from '../base/ports.ts'
import { BLOCK_BYTES_MAX, BlockErrors, FRAME_BYTES, txBytesAtMost } from '../types/block.ts'
import type { BlockContext, NativeTable } from '../types/frame.ts'
import type { FeeSplit } from '../types/genesis.ts'
import type { StoredReceipt } from '../types/query.ts'
import { bloomOf, mergeBloom } from '../types/receipt.ts'
import type { Changes, State } from '../types/state.ts'
import { checkTxGas, type Tx } from '../types/tx.ts'
import type { Engine } from './engine.ts'
import { runTx, type TxResult } from './tx.ts'

/** What native modules bring to one height. */
export interface BlockNatives {
  readonly table: NativeTable
  begin(state: State, block: BlockContext): void
  end(state: State, block: BlockContext): void
}

/** Offered transactions, best first. `skip` passes over the sender of the last one: it cannot run now. */
export interface Candidates {
  next(): Tx | null
  skip(): void
}

export type Source =
  | { readonly mode: 'build'; readonly candidates: Candidates; readonly overBudget: () => boolean }
  | { readonly mode: 'verify'; readonly txs: readonly Tx[] }

export interface BlockResult {
  readonly txs: readonly Tx[]
  readonly receipts: readonly StoredReceipt[]
  readonly gasUsed: bigint
  readonly bloom: Uint8Array
  readonly changes: Changes
  /** Offered transactions that can never run and should leave the pool. */
  readonly dropped: readonly Hash[]
}

export interface Executor {
  /** Runs a block on `state`, a fresh journal over its parent's state. Throws BLOCK_INVALID when verifying. */
  run(state: State, block: BlockContext, parentHash: Hash, source: Source): Promise<BlockResult>
}

const BEACON_ROOTS = asAddress(hexToBytes('0x000f3df6d732807ef1319fb7b8bb8522d0beac02'))
const BLOCK_HASHES = asAddress(hexToBytes('0x0000f90827f1c53a10cb7a02335b175320002935'))
const RING = 8_191

/** EIP-4788 and EIP-2935: what their system calls write, written directly. */
export function writeSystemContracts(state: State, block: BlockContext, parentHash: Hash): void {
  const put = (address: typeof BEACON_ROOTS, slot: number, value: bigint): void => {
    const account = state.load(address)
    if (state.codeOf(account).bytes.length > 0) state.setSlot(state.loadSlot(account, BigInt(slot)), value)
  }
  put(BEACON_ROOTS, block.time % RING, BigInt(block.time))
  put(BEACON_ROOTS, (block.time % RING) + RING, bytesToBigint(block.parentBeaconBlockRoot))
  if (block.number > 0) put(BLOCK_HASHES, (block.number - 1) % RING, bytesToBigint(parentHash))
}

/** About 5 ms: a plain transfer is one unit of some 10 us, engine gas runs at some 16 Mgas/s. */
const SLICE_UNITS = 400
const GAS_PER_UNIT = 160

export function createExecutor(
  deps: { readonly engine: Engine; readonly pause: Pause; readonly natives: (height: number) => BlockNatives },
  rules: { readonly fees: FeeSplit },
): Executor {
  return {
    async run(state, block, parentHash, source) {
      const natives = deps.natives(block.number)
      const run = createRun({ ...deps, natives, fees: rules.fees }, state, block)
      state.begin()
      writeSystemContracts(state, block, parentHash)
      natives.begin(state, block)
      state.end()
      if (source.mode === 'build') await fill(run, source)
      else for (const [i, tx] of source.txs.entries()) await run.mustTake(tx, i)
      state.begin()
      natives.end(state, block)
      state.end()
      return run.result()
    },
  }
}

interface Run {
  gasLeft(): bigint
  take(tx: Tx): Promise<void>
  mustTake(tx: Tx, index: number): Promise<void>
  drop(hash: Hash): void
  result(): BlockResult
}

const createRun = (
  deps: { readonly engine: Engine; readonly pause: Pause; readonly natives: BlockNatives; readonly fees: FeeSplit },
  state: State,
  block: BlockContext,
): Run => {
  const txs: Tx[] = []
  const receipts: StoredReceipt[] = []
  const dropped: Hash[] = []
  const bloom = new Uint8Array(256)
  const txDeps = { engine: deps.engine, natives: deps.natives.table, fees: deps.fees }
  let gasUsed = 0n
  let units = 0
  const take = async (tx: Tx): Promise<void> => {
    checkTxGas(tx)
    const result = await runTx(txDeps, tx, state, block, block.gasLimit - gasUsed)
    gasUsed += result.gasUsed
    const receipt = receiptOf(tx, result, gasUsed)
    if (receipt.logs.length > 0) mergeBloom(bloom, receipt.bloom)
    txs.push(tx)
    receipts.push(receipt)
    units += tx.data.length === 0 && result.gasUsed === 21_000n ? 1 : 1 + Number(result.gasUsed) / GAS_PER_UNIT / 10
    if (units < SLICE_UNITS) return
    units = 0
    await deps.pause()
  }
  return {
    gasLeft: () => block.gasLimit - gasUsed,
    take,
    async mustTake(tx, index) {
      try {
        await take(tx)
      } catch (cause) {
        if (!isRefusal(cause)) throw cause
        const reason = `transaction ${index}: ${cause.message}`
        throw new NodeError(BlockErrors.INVALID, { height: block.number, reason }, { cause })
      }
    },
    drop: (hash) => dropped.push(hash),
    result: () => ({ txs, receipts, gasUsed, bloom, changes: state.changes(), dropped }),
  }
}

const isRefusal = (error: unknown): error is NodeError => error instanceof NodeError && error.code.startsWith('TX_')

const EMPTY_BLOOM = new Uint8Array(256)
const receiptOf = (tx: Tx, result: TxResult, cumulativeGas: bigint): StoredReceipt => ({
  type: tx.type,
  status: result.status,
  cumulativeGas,
  bloom: result.logs.length === 0 ? EMPTY_BLOOM : bloomOf(result.logs),
  logs: result.logs,
  gasUsed: result.gasUsed,
  gasPriceWei: result.gasPriceWei,
  created: result.created,
})

/** Takes what fits, best first, until gas, bytes, candidates or the builder's own time run out. */
const fill = async (run: Run, source: Extract<Source, { mode: 'build' }>): Promise<void> => {
  const { candidates } = source
  let roomBytes = BLOCK_BYTES_MAX - FRAME_BYTES
  while (run.gasLeft() >= 21_000n && !source.overBudget()) {
    const tx = candidates.next()
    if (tx === null) return
    const sizeBytes = txBytesAtMost(tx.raw)
    if (tx.gasLimit > run.gasLeft() || sizeBytes > roomBytes) {
      candidates.skip()
      continue
    }
    try {
      await run.take(tx)
      roomBytes -= sizeBytes
    } catch (error) {
      if (!isRefusal(error)) throw error
      // What waits for a nonce, funds or a lower base fee may run later; what is malformed never will.
      if (!WAITS.has(error.code)) run.drop(tx.hash)
      candidates.skip()
    }
  }
}
const WAITS = new Set(['TX_NONCE_TOO_HIGH', 'TX_FEE_TOO_LOW', 'TX_BLOCK_GAS', 'TX_FUNDS'])

/** For BLOCKHASH of heights there are none of. */
export const NO_HASH = asHash(new Uint8Array(32))
