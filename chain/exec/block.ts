// Runs a block: system writes and native hooks, transactions in order, hooks again, and the system transaction where hooks logged.
// Building and verifying share every line but the choice of transactions. Owns the slices: it lets timers run after every few milliseconds of work, and counts
// work in gas, never by a clock, so that what it computes cannot depend on time.
import { asAddress, asHash, bytesToBigint, type Hash, hexToBytes } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import type { Pause } from '../base/ports.ts'
import { ethereumAt, permissionsIn } from '../native/index.ts'
import { BLOCK_BYTES_MAX, BLOCK_HASHES, BlockErrors, FRAME_BYTES, HASHES_KEPT, txBytesAtMost } from '../types/block.ts'
import { FORKS, type Fork } from '../types/forks.ts'
import type { BlockContext, NativeTable } from '../types/frame.ts'
import type { FeeSplit } from '../types/genesis.ts'
import type { StoredReceipt } from '../types/query.ts'
import { bloomOf, type Log, mergeBloom } from '../types/receipt.ts'
import type { Changes, State } from '../types/state.ts'
import { sentTxs, systemReceipt, systemTx } from '../types/system-tx.ts'
import { checkTxGas, type Tx } from '../types/tx.ts'
import type { Sampler } from '../types/witness.ts'
import type { Engine } from './engine.ts'
import { createLane } from './lane.ts'
import { ExecErrors, runTx, type TxResult } from './tx.ts'
import { type Recorded, recordTx } from './witness.ts'

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

/** The builder's own time, of which no result shows but what was left out. */
export interface Budget {
  readonly limitMs: number
  /** Since building began. */
  usedMs(): number
}

export type Source =
  | { readonly mode: 'build'; readonly candidates: Candidates; readonly budget: Budget }
  | {
      readonly mode: 'verify'
      readonly txs: readonly Tx[]
      /** Asked at each pause: once it is false, running ends with EXEC_ABANDONED. */
      readonly isWanted?: (() => boolean) | undefined
    }

export interface BlockResult {
  readonly txs: readonly Tx[]
  readonly receipts: readonly StoredReceipt[]
  readonly gasUsed: bigint
  readonly bloom: Uint8Array
  readonly changes: Changes
  /** Offered transactions that can never run and should leave the pool. */
  readonly dropped: readonly Hash[]
  /** So should these, which were not done in the time that a block has for one. */
  readonly tooLong: readonly Hash[]
}

/** A block without the rules that its parent's state gives it. */
export type BlockFacts = Omit<BlockContext, 'ethereum'>

export interface Executor {
  /**
   * Runs a block on `state`, a fresh journal over its parent's state. Throws FORK_UNKNOWN before anything is run, and BLOCK_INVALID and
   * EXEC_ABANDONED when verifying.
   */
  run(state: State, facts: BlockFacts, parentHash: Hash, source: Source): Promise<BlockResult>
}

const BEACON_ROOTS = asAddress(hexToBytes('0x000f3df6d732807ef1319fb7b8bb8522d0beac02'))

/** EIP-4788 and EIP-2935: what their system calls write, written directly. */
export function writeSystemContracts(state: State, block: BlockContext, parentHash: Hash): void {
  const put = (address: typeof BEACON_ROOTS, slot: number, value: bigint): void => {
    const account = state.load(address)
    if (state.codeOf(account).bytes.length > 0) state.setSlot(state.loadSlot(account, BigInt(slot)), value)
  }
  put(BEACON_ROOTS, block.time % HASHES_KEPT, BigInt(block.time))
  put(BEACON_ROOTS, (block.time % HASHES_KEPT) + HASHES_KEPT, bytesToBigint(block.parentBeaconBlockRoot))
  if (block.number > 0) put(BLOCK_HASHES, (block.number - 1) % HASHES_KEPT, bytesToBigint(parentHash))
}

/** About 5 ms: a unit is a plain transfer with the reads of its accounts, some 10 us, or as much gas as contracts burn in that time. */
const SLICE_UNITS = 400
const GAS_PER_UNIT = 1_600

export interface ExecutorDeps {
  readonly engine: Engine
  readonly pause: Pause
  readonly natives: (height: number) => BlockNatives
  /** Default: the table of forks. */
  readonly forks?: readonly Fork[] | undefined
  /** 'off' sends plain transfers through the engine too. The result is the same. */
  readonly lane?: 'off' | undefined
  /** Picks transactions that another engine is to run again. */
  readonly sampler?: Sampler | undefined
}

export function createExecutor(deps: ExecutorDeps, rules: { readonly fees: FeeSplit }): Executor {
  return {
    async run(state, facts, parentHash, source) {
      const block = { ...facts, ethereum: ethereumAt(state, facts.number, deps.forks ?? FORKS) }
      const natives = deps.natives(block.number)
      // Where both lists are off, one that is turned on in this block counts from the next one.
      const isPermissioned = permissionsIn(state) !== null
      const run = createRun({ ...deps, natives, fees: rules.fees, isPermissioned }, state, block, source)
      state.begin()
      writeSystemContracts(state, block, parentHash)
      natives.begin(state, block)
      const begun = state.end()
      if (source.mode === 'build') await fill(run, source, systemTx(block.chainId, block.number))
      else await takeAll(run, sentTxs(source.txs), block.number)
      state.begin()
      natives.end(state, block)
      const result = run.finish(begun.concat(state.end()))
      if (source.mode === 'verify') checkLast(source.txs.length, result.txs.length, block.number)
      return result
    },
  }
}

interface Run {
  gasLeft(): bigint
  /** Throws TX_*. Null where there is nothing to wait for. */
  take(tx: Tx): Promise<void> | null
  drop(hash: Hash, why: 'invalid' | 'too long'): void
  /** With what the block's hooks logged. */
  finish(logs: readonly Log[]): BlockResult
}

const createRun = (
  deps: Omit<ExecutorDeps, 'natives'> & {
    readonly natives: BlockNatives
    readonly fees: FeeSplit
    readonly isPermissioned: boolean
  },
  state: State,
  block: BlockContext,
  source: Source,
): Run => {
  const txs: Tx[] = []
  const receipts: StoredReceipt[] = []
  const dropped: Hash[] = []
  const tooLong: Hash[] = []
  /** When the running transaction began, of the budget. */
  let beganMs = 0
  const pause = async (): Promise<void> => {
    await deps.pause()
    if (source.mode === 'verify' && source.isWanted?.() === false) throw new NodeError(ExecErrors.ABANDONED, undefined)
  }
  const pauseWithin = async (): Promise<void> => {
    await pause()
    if (source.mode === 'build') checkTime(source.budget, beganMs, txs.length === 0)
  }
  const bloom = new Uint8Array(256)
  const { engine, isPermissioned } = deps
  const txDeps = { engine, natives: deps.natives.table, fees: deps.fees, isPermissioned, pause: pauseWithin }
  const lane = deps.lane === 'off' ? null : createLane(txDeps, state, block)
  let gasUsed = 0n
  let units = 0
  const add = (tx: Tx, result: TxResult, record: Recorded | null = null): Promise<void> | null => {
    if (record !== null) deps.sampler?.take(record(result))
    gasUsed += result.gasUsed
    const receipt = receiptOf(tx, result, gasUsed)
    if (receipt.logs.length > 0) mergeBloom(bloom, receipt.bloom)
    txs.push(tx)
    receipts.push(receipt)
    units += 1 + Number(result.gasUsed - 21_000n) / GAS_PER_UNIT // no transaction uses less (EIP-7623)
    if (units < SLICE_UNITS) return null
    units = 0
    return pause()
  }
  return {
    gasLeft: () => block.gasLimit - gasUsed,
    take(tx) {
      const gas = checkTxGas(tx, block.ethereum)
      const left = block.gasLimit - gasUsed
      const record = deps.sampler?.wants(block.number) === true ? recordTx(txDeps, tx, state, block, left) : null
      if (source.mode === 'build') beganMs = source.budget.usedMs()
      const result = lane?.run(tx, gas, left) ?? runTx(txDeps, tx, state, block, left)
      if (!(result instanceof Promise)) return add(tx, result, record)
      return result.then((made) => add(tx, made, record) ?? undefined)
    },
    drop: (hash, why) => (why === 'invalid' ? dropped : tooLong).push(hash),
    finish(logs) {
      if (logs.length > 0) {
        const receipt = systemReceipt(logs, gasUsed)
        mergeBloom(bloom, receipt.bloom)
        txs.push(systemTx(block.chainId, block.number))
        receipts.push(receipt)
      }
      return { txs, receipts, gasUsed, bloom, changes: state.finish(), dropped, tooLong }
    },
  }
}

/** All of them, in order. Throws BLOCK_INVALID with the first that may not run. */
const takeAll = async (run: Run, txs: readonly Tx[], height: number): Promise<void> => {
  for (const [i, tx] of txs.entries()) {
    try {
      const wait = run.take(tx)
      if (wait !== null) await wait
    } catch (cause) {
      if (!isRefusal(cause)) throw cause
      throw new NodeError(BlockErrors.INVALID, { height, reason: `transaction ${i}: ${cause.message}` }, { cause })
    }
  }
}

/** The block has the system transaction where running it makes one, and only there. */
const checkLast = (given: number, made: number, height: number): void => {
  if (given === made) return
  const reason =
    given < made
      ? 'its hooks logged, and its last transaction is not the system transaction'
      : 'it has a system transaction, and its hooks logged nothing'
  throw new NodeError(BlockErrors.INVALID, { height, reason })
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

/**
 * What one transaction may take of the time of a block: so much of it, or as long as this where the block has less. A long one that began
 * late is left for the next block; one that had its share leaves the pool, or each block would begin it anew.
 */
const LONGEST_SHARE = 0.5
const LONGEST_LEAST_MS = 400
/** Once one had its share for nothing, a block takes none with more gas than this: at their slowest they are done in a tenth of a second. */
const LIGHT_GAS = 1_500_000n

const checkTime = ({ limitMs, usedMs }: Budget, beganMs: number, isFirst: boolean): void => {
  const now = usedMs()
  const ms = now - beganMs
  if (ms >= Math.max(limitMs * LONGEST_SHARE, LONGEST_LEAST_MS)) throw new NodeError(ExecErrors.TOO_LONG, { ms })
  if (now >= limitMs && !isFirst) throw new NodeError(ExecErrors.ABANDONED, undefined)
}

/** Takes what fits, best first, until gas, bytes, candidates or the builder's own time run out. */
const fill = async (run: Run, source: Extract<Source, { mode: 'build' }>, system: Tx): Promise<void> => {
  const { candidates, budget } = source
  let gasMax = run.gasLeft()
  let roomBytes = BLOCK_BYTES_MAX - FRAME_BYTES - txBytesAtMost(system.raw) // whether there will be one shows at the end
  while (run.gasLeft() >= 21_000n && budget.usedMs() <= budget.limitMs) {
    const tx = candidates.next()
    if (tx === null) return
    const sizeBytes = txBytesAtMost(tx.raw)
    if (tx.gasLimit > gasMax || tx.gasLimit > run.gasLeft() || sizeBytes > roomBytes) {
      candidates.skip()
      continue
    }
    try {
      const wait = run.take(tx)
      if (wait !== null) await wait
      roomBytes -= sizeBytes
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      if (error.code === 'EXEC_ABANDONED') return
      candidates.skip()
      if (error.code === 'EXEC_TOO_LONG') {
        run.drop(tx.hash, 'too long')
        gasMax = LIGHT_GAS
      } else if (!isRefusal(error)) throw error
      // What waits for a nonce, funds or a lower base fee may run later; what is malformed never will.
      else if (!WAITS.has(error.code)) run.drop(tx.hash, 'invalid')
    }
  }
}
const WAITS = new Set(['TX_NONCE_TOO_HIGH', 'TX_FEE_TOO_LOW', 'TX_BLOCK_GAS', 'TX_FUNDS'])

/** For BLOCKHASH of heights there are none of. */
export const NO_HASH = asHash(new Uint8Array(32))

/** BLOCKHASH in the block of `height`. Each hash is looked up once: reading a header costs far more than the 20 gas of the instruction. */
export function earlierHashes(height: number, hashAt: (number: number) => Hash | undefined): BlockContext['blockHash'] {
  const known = new Map<number, Hash>()
  return (number) => {
    if (number >= height || number < Math.max(0, height - 256)) return NO_HASH
    const hash = known.get(number) ?? hashAt(number) ?? NO_HASH
    known.set(number, hash)
    return hash
  }
}
