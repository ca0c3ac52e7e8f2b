// eth_simulateV1: blocks of calls that build on each other over a committed height, and change nothing. Owns the blocks' defaults, the
// checks of their order, the pseudo-logs of transfers and the error codes of the execution API. The state root of a simulated block is
// not computed (it would need the whole trie): it is zero, and with it the block's hash is this node's own.
import {
  type Address,
  asAddress,
  asHash,
  bigintToFixed,
  bytesToHex,
  concat,
  type Hash,
  type Hex,
} from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { maxBigint, minBigint } from '../base/math.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'
import { orderedRoot } from '../store/ordered.ts'
import { type Header, headerHash } from '../types/block.ts'
import type {
  BlockOverride,
  CallJob,
  CallRequest,
  SimulateBlock,
  SimulatedBlock,
  SimulatedCall,
} from '../types/call.ts'
import type { BlockContext } from '../types/frame.ts'
import { bloomOf, encodeReceipt, type Log, mergeBloom, type Receipt } from '../types/receipt.ts'
import type { Reader, State } from '../types/state.ts'
import { INITCODE_MAX_BYTES, intrinsicGas, type Tx, TxErrors } from '../types/tx.ts'
import { earlierHashes, writeSystemContracts } from './block.ts'
import { applyOverrides, type CallDeps, isFree, NO_SPLIT, revertError, txOf } from './call.ts'
import type { Tracer } from './engine.ts'
import { createState } from './state.ts'
import { isPrecompile, runTx, type TxResult } from './tx.ts'

const reason = { text: (d: { reason: string }) => d.reason }
export const SimulateErrors = defineErrors('SIMULATE', {
  NONCE_LOW: { rpc: -38010, ...reason },
  NONCE_HIGH: { rpc: -38011, ...reason },
  FEE_LOW: { rpc: -38012, ...reason },
  INTRINSIC: { rpc: -38013, ...reason },
  FUNDS: { rpc: -38014, ...reason },
  BLOCK_GAS: { rpc: -38015, ...reason },
  ORDER: {
    rpc: -38020,
    text: (d: { have: number; before: number }) => `block numbers must be in order: ${d.have} <= ${d.before}`,
  },
  TIMES: {
    rpc: -38021,
    text: (d: { have: number; before: number }) => `block timestamps must be in order: ${d.have} <= ${d.before}`,
  },
  NONCE_MAX: { rpc: -32603, ...reason },
  INITCODE: { rpc: -38025, ...reason },
  MANY: { rpc: -38026, text: (d: { max: number }) => `too many blocks: at most ${d.max}` },
  NO_PRECOMPILE: { text: (d: { address: Hex }) => `account ${d.address} is not a precompile` },
  MOVE: {
    text: (d: { address: Hex }) =>
      `the precompile ${d.address} cannot be moved: movePrecompileToAddress is not available on this node`,
  },
})
/** What a transaction is refused for, by the codes of the execution API. */
const CODES = {
  TX_NONCE_TOO_LOW: SimulateErrors.NONCE_LOW,
  TX_NONCE_TOO_HIGH: SimulateErrors.NONCE_HIGH,
  TX_FEE_TOO_LOW: SimulateErrors.FEE_LOW,
  TX_GAS_TOO_LOW: SimulateErrors.INTRINSIC,
  TX_FUNDS: SimulateErrors.FUNDS,
  TX_BLOCK_GAS: SimulateErrors.BLOCK_GAS,
  TX_NONCE_MAX: SimulateErrors.NONCE_MAX,
  TX_INITCODE: SimulateErrors.INITCODE,
} as const

const BLOCKS_MAX = 256
const NONCE_MAX = 2n ** 64n - 1n // EIP-2681
const ZERO_HASH = asHash(new Uint8Array(32))

type Job = Extract<CallJob, { kind: 'simulate' }>
interface Plan {
  readonly number: number
  readonly time: number
  readonly over: BlockOverride | null
  readonly given: SimulateBlock | null
}

/** Every block with its number and time; gaps in the numbers are empty blocks. Throws SIMULATE_ORDER, _TIMES and _MANY. */
function* plan(job: Job, parent: Header, interval: number): Generator<Plan> {
  let [number, time, made] = [parent.number, parent.time, 0]
  const next = (given: SimulateBlock | null, wanted: number | null): Plan => {
    if (++made > BLOCKS_MAX) throw new NodeError(SimulateErrors.MANY, { max: BLOCKS_MAX })
    if (wanted !== null && wanted <= time) throw new NodeError(SimulateErrors.TIMES, { have: wanted, before: time })
    number++
    time = wanted ?? time + interval
    return { number, time, over: given?.block ?? null, given }
  }
  for (const given of job.blocks) {
    const wanted = given.block?.number ?? number + 1
    if (wanted <= number) throw new NodeError(SimulateErrors.ORDER, { have: wanted, before: number })
    while (number + 1 < wanted) yield next(null, null)
    yield next(given, given.block?.time ?? null)
  }
}

/** Throws SIMULATE_* where a block or a transaction cannot be, and CALL_* for malformed fees. */
export async function simulateBlocks(deps: CallDeps, job: Job): Promise<readonly SimulatedBlock[]> {
  const base = deps.header(job.height)
  assert(base !== null, `block ${job.height} is kept`)
  const hashes = new Map<number, Hash>([[base.header.number, base.hash]])
  let [reader, parent, parentHash, gasLeft] = [deps.reader(job.height), base.header, base.hash, deps.gasCap]
  const out: SimulatedBlock[] = []
  for (const planned of [...plan(job, base.header, deps.blockSeconds)]) {
    const { number, time, over, given } = planned
    const blockHash = earlierHashes(number, (wanted) => hashes.get(wanted) ?? deps.header(wanted)?.hash)
    const state = createState(applyOverrides(reader, given?.state ?? []))
    const ethereum = deps.ethereum(state, number)
    const block: BlockContext = {
      ...{
        chainId: deps.domain.chainId,
        domain: deps.domain,
        lastCommit: null,
        number,
        time,
        blockHash,
        parentBeaconBlockRoot: ZERO_HASH,
        ethereum,
      },
      coinbase: over?.coinbase ?? asAddress(new Uint8Array(20)),
      gasLimit: over?.gasLimit ?? parent.gasLimit,
      prevRandao: over?.prevRandao ?? ZERO_HASH,
      baseFeeWei: over?.baseFeeWei ?? (job.validation ? deps.nextBaseFee(parent) : 0n),
    }
    checkMoves(deps, block, given)
    state.begin()
    writeSystemContracts(state, block, parentHash)
    state.end()
    const ran = await runCalls({ deps, job, block, state, gasLeft }, given?.calls ?? [])
    gasLeft -= ran.gasUsed
    const header = headerOf(block, parentHash, ran)
    const hash = headerHash(header)
    hashes.set(number, hash)
    out.push({ header, hash, txs: ran.txs, calls: ran.calls })
    ;[reader, parent, parentHash] = [state, header, hash]
  }
  return out
}

const checkMoves = (
  deps: CallDeps,
  { number, ethereum }: Pick<BlockContext, 'number' | 'ethereum'>,
  given: SimulateBlock | null,
): void => {
  for (const { address, movePrecompileTo } of given?.state ?? []) {
    if (movePrecompileTo === null) continue
    const hex = bytesToHex(address)
    const isOne = isPrecompile(address, ethereum) || deps.natives(number).table.has(hex)
    throw new NodeError(isOne ? SimulateErrors.MOVE : SimulateErrors.NO_PRECOMPILE, { address: hex })
  }
}

interface Ran {
  readonly txs: readonly Tx[]
  readonly calls: readonly SimulatedCall[]
  readonly receipts: readonly Receipt[]
  readonly gasUsed: bigint
}

const runCalls = async (
  world: {
    readonly deps: CallDeps
    readonly job: Job
    readonly block: BlockContext
    readonly state: State
    readonly gasLeft: bigint
  },
  requests: readonly CallRequest[],
): Promise<Ran> => {
  const { deps, job, block, state } = world
  const txs: Tx[] = []
  const calls: SimulatedCall[] = []
  const receipts: Receipt[] = []
  let gasUsed = 0n
  for (const request of requests) {
    const left = minBigint(block.gasLimit - gasUsed, world.gasLeft - gasUsed)
    const tx = signedNever(request, state, left, deps.domain.chainId, job.validation, block.baseFeeWei)
    const free = !job.validation && isFree(request)
    const transfers = job.traceTransfers ? transferTracer(state) : null
    const natives = deps.natives(block.number).table
    const txDeps = { engine: deps.engine, natives, fees: NO_SPLIT, senders: 'any' as const, isPermissioned: true }
    const result = await refused(tx, async () => {
      checkTx(tx, job.validation)
      return runTx(txDeps, tx, state, free ? { ...block, baseFeeWei: 0n } : block, left, transfers?.tracer)
    })
    gasUsed += result.gasUsed
    const logs = transfers === null ? result.logs : transfers.logs
    // Pseudo-logs are shown and in no receipt.
    const bloom = bloomOf(result.logs)
    receipts.push({ type: tx.type, status: result.status, cumulativeGas: gasUsed, bloom, logs: result.logs })
    txs.push(tx)
    calls.push(callOf(result, logs))
  }
  return { txs, calls, receipts, gasUsed }
}

/** Without the bound of a transaction's gas (EIP-7825): a simulation may use what the node allows. */
const checkTx = (tx: Tx, validation: boolean): void => {
  if (validation && tx.nonce >= NONCE_MAX) throw new NodeError(TxErrors.NONCE_MAX, undefined)
  const size = tx.data.length
  if (tx.to === null && size > INITCODE_MAX_BYTES)
    throw new NodeError(TxErrors.INITCODE, { size, max: INITCODE_MAX_BYTES })
  const { gas, floor } = intrinsicGas(tx)
  const want = maxBigint(gas, floor)
  if (tx.gasLimit < want) throw new NodeError(TxErrors.GAS_TOO_LOW, { have: tx.gasLimit, want })
}

const refused = async (tx: Tx, run: () => Promise<TxResult>): Promise<TxResult> => {
  try {
    return await run()
  } catch (cause) {
    if (!(cause instanceof NodeError) || !Object.hasOwn(CODES, cause.code)) throw cause
    const def = CODES[cause.code as keyof typeof CODES] // hasOwn
    throw new NodeError(def, { reason: `err: ${cause.message} (supplied gas ${tx.gasLimit})` }, { cause })
  }
}

const callOf = (result: TxResult, logs: readonly Log[]): SimulatedCall => {
  const { outcome: status, output, gasUsed, maxUsedGas } = result
  const fault = status === 'revert' ? revertError(output).message : result.fault
  return { status, output, gasUsed, maxUsedGas, fault, logs: status === 'success' ? logs : [] }
}

/** The request as a transaction with the hash it would have if it were signed with zeros. */
const signedNever = (
  request: CallRequest,
  state: Reader,
  left: bigint,
  chainId: bigint,
  validation: boolean,
  baseFeeWei: bigint,
): Tx => {
  const draft = txOf(request, state, minBigint(request.gas ?? left, left), baseFeeWei)
  const tx: Tx = {
    ...draft,
    chainId,
    nonce: (validation ? request.nonce : null) ?? draft.nonce,
    gasLimit: request.gas ?? left,
  }
  const list = tx.accessList.map(({ address, keys }) => [address, [...keys]])
  const numbers = [chainId, tx.nonce, tx.maxTipWei, tx.maxFeeWei, tx.gasLimit].map(rlpInt)
  const signature = [0, 0, 0].map(rlpInt)
  const to = tx.to ?? new Uint8Array(0)
  const fields = [...numbers, to, rlpInt(tx.value), tx.data, list, ...(tx.type === 4 ? [[]] : []), ...signature]
  const raw = concat(Uint8Array.of(tx.type), encodeRlp(fields))
  return { ...tx, raw, hash: keccak(raw) }
}

const headerOf = (block: BlockContext, parentHash: Hash, ran: Ran): Header => {
  const bloom = new Uint8Array(256)
  for (const receipt of ran.receipts) mergeBloom(bloom, receipt.bloom)
  const rootOf = (values: readonly Uint8Array[]): Hash => {
    const steps = orderedRoot(values.length, (i) => values[i] ?? new Uint8Array(0))
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
    }
  }
  return {
    ...{ parentHash, coinbase: block.coinbase, stateRoot: ZERO_HASH, bloom, number: block.number },
    transactionsRoot: ran.txs.length === 0 ? EMPTY_ROOT : rootOf(ran.txs.map(({ raw }) => raw)),
    receiptsRoot: ran.receipts.length === 0 ? EMPTY_ROOT : rootOf(ran.receipts.map(encodeReceipt)),
    ...{ gasLimit: block.gasLimit, gasUsed: ran.gasUsed, time: block.time, extraData: new Uint8Array(0) },
    ...{ prevRandao: block.prevRandao, baseFeeWei: block.baseFeeWei, parentBeaconBlockRoot: ZERO_HASH },
  }
}

const PSEUDO = asAddress(new Uint8Array(20).fill(0xee))
const TRANSFER = keccak(new TextEncoder().encode('Transfer(address,address,uint256)'))
const word = (address: Address): Hash => concat(new Uint8Array(12), address) as Hash // 12 and 20 bytes

/** All logs in the order they happened, with one of 0xeee… for each transfer of native coin; frames that fail take theirs along. */
const transferTracer = (state: State): { readonly tracer: Tracer; readonly logs: readonly Log[] } => {
  const logs: Log[] = []
  const marks: number[] = []
  const transfer = (from: Address, to: Address, wei: bigint): void => {
    if (wei > 0n) logs.push({ address: PSEUDO, topics: [TRANSFER, word(from), word(to)], data: bigintToFixed(wei, 32) })
  }
  return {
    logs,
    tracer: {
      enter({ kind, caller, address, value }) {
        marks.push(logs.length)
        if (kind === 'call' || kind === 'create' || kind === 'create2') transfer(caller, address, value)
      },
      exit({ error }) {
        const mark = marks.pop() ?? 0
        if (error !== null) logs.length = mark
      },
      log: (entry) => logs.push(entry),
      step({ opcode, stack, address }) {
        const heir = stack.at(-1)
        if (opcode !== 0xff || heir === undefined) return
        transfer(address, asAddress(bigintToFixed(BigInt.asUintN(160, heir), 20)), state.load(address).balance)
      },
    },
  }
}
