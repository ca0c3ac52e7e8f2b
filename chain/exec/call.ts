// Work that reads and changes nothing: calls, estimates, access lists. Runs on its own journal over a committed height, so that
// it may run anywhere beside the chain. Owns overrides, the estimate's search and the meaning of a revert for a caller.
import { type Address, asAddress, asHash, bytesToHex, equalBytes } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { maxBigint, minBigint } from '../base/math.ts'
import { permissionsIn } from '../native/index.ts'
import type { Block } from '../types/block.ts'
import type {
  AccountOverride,
  BlockOverride,
  CallAnswer,
  CallJob,
  CallOutcome,
  CallRequest,
  Json,
} from '../types/call.ts'
import type { EthereumFork } from '../types/forks.ts'
import type { BlockContext, NativeTable } from '../types/frame.ts'
import type { FeeSplit } from '../types/genesis.ts'
import type { Log } from '../types/receipt.ts'
import type { Reader, State } from '../types/state.ts'
import { isSystemTx } from '../types/system-tx.ts'
import { type AccessEntry, intrinsicGas, TX_GAS_MAX, type Tx } from '../types/tx.ts'
import type { Domain } from '../types/vote.ts'
import { type BlockNatives, earlierHashes, writeSystemContracts } from './block.ts'
import type { Engine, Tracer } from './engine.ts'
import { revertReason } from './revert.ts'
import { createState } from './state.ts'
import { createCollector } from './trace.ts'
import { isPrecompile, runTx, type TxResult } from './tx.ts'
import { replay } from './witness.ts'

export const CallErrors = defineErrors('CALL', {
  REVERTED: {
    rpc: 3,
    text: (d: { output: string; reason: string | null }) =>
      d.reason === null ? 'execution reverted' : `execution reverted: ${d.reason}`,
  },
  FAULT: { text: (d: { fault: string }) => d.fault },
  FUNDS: {
    text: (d: { from: string; have: bigint; want: bigint }) =>
      `insufficient funds for gas * price + value: address ${d.from} have ${d.have} want ${d.want}`,
  },
  ALLOWANCE: { text: (d: { gas: bigint }) => `gas required exceeds allowance (${d.gas})` },
  INTRINSIC: { text: (d: { have: bigint; want: bigint }) => `intrinsic gas too low: have ${d.have}, want ${d.want}` },
  FEES: { rpc: -32602, text: (d: { reason: string }) => d.reason },
  UNSUPPORTED: { text: (d: { what: string }) => `${d.what} is not available yet` },
})

export interface CallDeps {
  readonly engine: Engine
  /** What runs again what another engine ran. */
  readonly reference: Engine
  readonly domain: Domain
  readonly gasCap: bigint
  readonly natives: (height: number) => BlockNatives
  /** The rules of a block of this height on a state. Throws FORK_UNKNOWN. */
  readonly ethereum: (reader: Reader, height: number) => EthereumFork
  readonly fees: FeeSplit
  reader(height: number): Reader
  header(height: number): Omit<Block, 'txs'> | null
  /** null where the block is pruned. */
  txs(height: number): readonly Tx[] | null
  nextBaseFee(parent: Block['header']): bigint
  /** Seconds between simulated blocks. */
  readonly blockSeconds: number
}

export const revertError = (output: Uint8Array): NodeError =>
  new NodeError(CallErrors.REVERTED, { output: bytesToHex(output), reason: revertReason(output) })

/** Every job but simulations of whole blocks, which `simulate.ts` runs. */
export async function runCall(deps: CallDeps, job: Exclude<CallJob, { kind: 'simulate' }>): Promise<CallAnswer> {
  switch (job.kind) {
    case 'call': {
      const world = openWorld(deps, job, job.block)
      const base = applyOverrides(world.reader, job.state)
      const outcome = await simulate(deps, world, base, job.request, gasOf(deps, world, job.request))
      throwUnlessSuccess(outcome)
      return { kind: 'call', ...outcome }
    }
    case 'estimate':
      return { kind: 'estimate', gas: await estimate(deps, job) }
    case 'accessList':
      return accessList(deps, job)
    case 'traceCall':
      return traceCall(deps, job)
    case 'traceBlock':
      return traceBlock(deps, job)
    case 'replay': {
      const { reference: engine, fees } = deps
      const natives = deps.natives(job.witness.block.number).table
      return { kind: 'replay', difference: await replay({ engine, natives, fees }, job.witness) }
    }
  }
}

const traceCall = async (deps: CallDeps, job: Extract<CallJob, { kind: 'traceCall' }>): Promise<CallAnswer> => {
  const world = openWorld(deps, job, job.block)
  const base = applyOverrides(world.reader, job.state)
  const { tx, block } = prepareCall(world, base, job.request, gasOf(deps, world, job.request))
  const state = createState(base)
  const collector = createCollector(job.trace, { before: base, state, coinbase: block.coinbase })
  const result = await runTx(depsOf(deps, world), tx, state, block, tx.gasLimit, collector.tracer)
  return { kind: 'trace', json: collector.finish(tx, result) }
}

/** Runs the block again from its parent's state, with a tracer on the wanted transactions. */
const traceBlock = async (deps: CallDeps, job: Extract<CallJob, { kind: 'traceBlock' }>): Promise<CallAnswer> => {
  const [record, txs] = [deps.header(job.height), deps.txs(job.height)]
  if (record === null || txs === null || job.height === 0)
    throw new NodeError(CallErrors.UNSUPPORTED, { what: `a trace of block ${job.height}` })
  const parent = deps.reader(job.height - 1)
  const world = openWorld(deps, { height: job.height, pending: false }, null)
  const block = { ...world.block, lastCommit: record.section?.lastCommit ?? null }
  const natives = deps.natives(job.height)
  const state = createState(parent)
  state.begin()
  writeSystemContracts(state, block, record.header.parentHash)
  natives.begin(state, block)
  const begun = state.end()
  const out: Json[] = []
  const isPermissioned = permissionsIn(state) !== null
  let gasLeft = block.gasLimit
  for (const [i, tx] of txs.entries()) {
    const isWanted = job.index === null || job.index === i
    const before = applyChanges(parent, state)
    const collector = isWanted ? createCollector(job.trace, { before, state, coinbase: block.coinbase }) : null
    const txDeps = { engine: deps.engine, natives: natives.table, fees: deps.fees, isPermissioned }
    const result = isSystemTx(tx)
      ? endHooks(natives, tx, state, block, begun, collector?.tracer)
      : await runTx(txDeps, tx, state, block, gasLeft, collector?.tracer)
    gasLeft -= result.gasUsed
    if (collector === null) continue
    const json = collector.finish(tx, result)
    if (job.index === i) return { kind: 'trace', json }
    out.push({ txHash: bytesToHex(tx.hash), result: json })
  }
  return { kind: 'trace', json: out }
}

/** The system transaction as a tracer sees it: one frame that runs no code, and logs what the hooks do. */
const endHooks = (
  natives: BlockNatives,
  tx: Tx,
  state: State,
  block: BlockContext,
  begun: readonly Log[],
  tracer: Tracer | undefined,
): TxResult => {
  state.begin()
  natives.end(state, block)
  const logs = begun.concat(state.end())
  const to = tx.to ?? ZERO
  const output = new Uint8Array(0)
  const frame = { kind: 'call', depth: 0, caller: tx.from, origin: tx.from, address: to, codeAddress: to } as const
  tracer?.enter?.({ ...frame, value: 0n, input: tx.data, gas: 0n, isStatic: false })
  for (const entry of logs) tracer?.log?.(entry)
  tracer?.exit?.({ gasUsed: 0n, output, error: null, created: null })
  const spent = { gasUsed: 0n, maxUsedGas: 0n, gasPriceWei: 0n }
  return { ...spent, status: 1, logs, created: null, output, outcome: 'success', fault: null }
}

/** What the state holds now, unmoved by what it will hold: only values that this block changed are copied. */
const applyChanges = (base: Reader, state: State): Reader => {
  const { accounts, codes } = state.changes()
  const changed = new Map(accounts.map((change) => [bytesToHex(change.address), change]))
  const made = new Map(codes.map((code) => [bytesToHex(code.hash), code]))
  return {
    account(address) {
      const change = changed.get(bytesToHex(address))
      return change === undefined ? base.account(address) : (change.account ?? undefined)
    },
    slot(address, key) {
      const change = changed.get(bytesToHex(address))
      const slot = change?.slots.find((each) => each.key === key)
      return slot?.value ?? (change?.storageCleared === true ? 0n : base.slot(address, key))
    },
    code: (hash) => made.get(bytesToHex(hash)) ?? base.code(hash),
  }
}

interface World {
  readonly reader: Reader
  readonly block: BlockContext
  readonly natives: NativeTable
}

const openWorld = (
  deps: CallDeps,
  at: { readonly height: number; readonly pending: boolean },
  over: BlockOverride | null,
): World => {
  const block = deps.header(at.height)
  assert(block !== null, `block ${at.height} is kept`)
  const { header } = block
  const number = over?.number ?? header.number + (at.pending ? 1 : 0)
  const reader = deps.reader(at.height)
  return {
    reader,
    natives: deps.natives(number).table,
    block: {
      chainId: deps.domain.chainId,
      domain: deps.domain,
      lastCommit: null,
      number,
      time: over?.time ?? header.time + (at.pending ? 1 : 0),
      coinbase: over?.coinbase ?? header.coinbase,
      gasLimit: over?.gasLimit ?? header.gasLimit,
      baseFeeWei: over?.baseFeeWei ?? (at.pending ? deps.nextBaseFee(header) : header.baseFeeWei),
      prevRandao: over?.prevRandao ?? header.prevRandao,
      parentBeaconBlockRoot: header.parentBeaconBlockRoot,
      ethereum: deps.ethereum(reader, number),
      blockHash: earlierHashes(number, (wanted) => deps.header(wanted)?.hash),
    },
  }
}

/** State with the caller's overrides on top, as a Reader of its own. */
export function applyOverrides(reader: Reader, overrides: readonly AccountOverride[]): Reader {
  if (overrides.length === 0) return reader
  const state = createState(reader)
  state.begin()
  const replaced = new Map<string, ReadonlyMap<bigint, bigint>>()
  for (const over of overrides) {
    const account = state.load(over.address)
    if (over.balance !== null) state.setBalance(account, over.balance)
    if (over.nonce !== null) state.setNonce(account, over.nonce)
    if (over.code !== null) state.setCode(account, over.code)
    for (const [key, value] of over.stateDiff ?? []) state.setSlot(state.loadSlot(account, key), value)
    if (over.state !== null) replaced.set(account.hex, new Map(over.state))
  }
  return {
    account: (address) => state.account(address),
    code: (hash) => state.code(hash),
    slot: (address, key) => {
      const whole = replaced.get(bytesToHex(address))
      return whole === undefined ? state.slot(address, key) : (whole.get(key) ?? 0n)
    },
  }
}

/** What the call may burn: what it asks for, within the cap and what its sender can pay. */
const gasOf = (deps: CallDeps, world: World, request: CallRequest): bigint =>
  minBigint(minBigint(request.gas ?? deps.gasCap, deps.gasCap), world.block.gasLimit)

const pricesOf = (
  request: CallRequest,
  baseFeeWei: bigint,
): { readonly maxFeeWei: bigint; readonly maxTipWei: bigint } => {
  const { gasPriceWei, maxFeeWei, maxTipWei } = request
  if (gasPriceWei !== null && (maxFeeWei !== null || maxTipWei !== null))
    throw new NodeError(CallErrors.FEES, {
      reason: 'both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified',
    })
  if (gasPriceWei !== null) return { maxFeeWei: gasPriceWei, maxTipWei: gasPriceWei }
  const tip = maxTipWei ?? 0n
  if (maxFeeWei !== null && maxFeeWei < tip)
    throw new NodeError(CallErrors.FEES, { reason: `maxFeePerGas (${maxFeeWei}) < maxPriorityFeePerGas (${tip})` })
  return { maxFeeWei: maxFeeWei ?? (tip === 0n ? 0n : baseFeeWei + tip), maxTipWei: tip }
}

const ZERO = asAddress(new Uint8Array(20))

/** The request as a transaction of the sender's next nonce; it is never hashed or verified. */
export const txOf = (request: CallRequest, state: Reader, gasLimit: bigint, baseFeeWei: bigint): Tx => {
  const from = request.from ?? ZERO
  const authorizations = request.authorizations ?? []
  return {
    type: authorizations.length > 0 ? 4 : 2,
    chainId: null,
    nonce: state.account(from)?.nonce ?? 0n,
    gasLimit,
    ...pricesOf(request, baseFeeWei),
    to: request.to,
    value: request.value,
    data: request.input,
    accessList: request.accessList ?? [],
    authorizations,
    v: 0n,
    r: 0n,
    s: 0n,
    from,
    hash: keccak(new Uint8Array(0)),
    raw: new Uint8Array(0),
  }
}

/** It names no price. */
export const isFree = ({ gasPriceWei, maxFeeWei, maxTipWei }: CallRequest): boolean =>
  [gasPriceWei, maxFeeWei, maxTipWei].every((wei) => wei === null || wei === 0n)

/** The request as a transaction. Without a price it costs nothing, as wallets expect of a call. */
const prepareCall = (
  world: World,
  base: Reader,
  request: CallRequest,
  gas: bigint,
): { readonly tx: Tx; readonly block: BlockContext } => {
  const block = isFree(request) ? { ...world.block, baseFeeWei: 0n } : world.block
  const tx = txOf(request, base, gas, block.baseFeeWei)
  const { gas: intrinsic, floor } = intrinsicGas(tx)
  const want = maxBigint(intrinsic, floor)
  if (gas < want) throw new NodeError(CallErrors.INTRINSIC, { have: gas, want })
  return { tx, block }
}

export const NO_SPLIT: FeeSplit = {
  ...{ burnBps: 10_000, recipientBps: 0, stakersBps: 0, treasuryBps: 0 },
  treasury: ZERO,
}
const depsOf = (deps: CallDeps, world: World) =>
  ({ engine: deps.engine, natives: world.natives, fees: NO_SPLIT, senders: 'any', isPermissioned: true }) as const

/** One run by the transaction rules. */
const simulate = async (
  deps: CallDeps,
  world: World,
  base: Reader,
  request: CallRequest,
  gas: bigint,
  tracer?: Tracer,
): Promise<CallOutcome> => {
  const { tx, block } = prepareCall(world, base, request, gas)
  const result = await runTx(depsOf(deps, world), tx, createState(base), block, gas, tracer)
  return { status: result.outcome, output: result.output, gasUsed: result.gasUsed, fault: result.fault }
}

const throwUnlessSuccess = (outcome: CallOutcome): void => {
  if (outcome.status === 'revert') throw revertError(outcome.output)
  if (outcome.status === 'fault') throw new NodeError(CallErrors.FAULT, { fault: outcome.fault ?? 'execution failed' })
}

/** The least gas with which the call succeeds, by halving, within 1.5 % of it as geth stops too. */
const estimate = async (deps: CallDeps, job: Extract<CallJob, { kind: 'estimate' }>): Promise<bigint> => {
  const world = openWorld(deps, job, job.block)
  const base = applyOverrides(world.reader, job.state)
  const { request } = job
  const tx = txOf(request, base, 0n, world.block.baseFeeWei)
  const isPlain =
    request.to !== null &&
    request.input.length === 0 &&
    !isPrecompile(request.to, world.block.ethereum) &&
    (request.authorizations?.length ?? 0) === 0
  const cap = await affordable(deps, world, base, tx, request)
  if (isPlain && request.to !== null && hasNoCode(base, world, request.to)) {
    const { gas } = intrinsicGas(tx)
    const outcome = await simulate(deps, world, base, request, maxBigint(gas, 21_000n))
    throwUnlessSuccess(outcome)
    return gas
  }
  let high = minBigint(cap, TX_GAS_MAX)
  const top = await simulate(deps, world, base, request, high)
  if (top.status === 'fault' && top.fault === 'out of gas') throw new NodeError(CallErrors.ALLOWANCE, { gas: high })
  throwUnlessSuccess(top)
  const { gas: intrinsic, floor } = intrinsicGas(tx)
  let low = maxBigint(top.gasUsed, maxBigint(intrinsic, floor)) - 1n
  // Most calls need their use, the refund, and 64/63 of it for the innermost call.
  const guess = ((top.gasUsed + 2_300n) * 64n) / 63n
  if (guess < high && guess > low) {
    if ((await simulate(deps, world, base, request, guess)).status === 'success') high = guess
    else low = guess
  }
  while (low + 1n < high && (high - low) * 1_000n > high * 15n) {
    const middle = low * 2n < (high + low) / 2n ? low * 2n : (high + low) / 2n
    if ((await simulate(deps, world, base, request, middle)).status === 'success') high = middle
    else low = middle
  }
  return high
}

const hasNoCode = (base: Reader, world: World, to: Address): boolean => {
  const account = base.account(to)
  return !world.natives.has(bytesToHex(to)) && (account === undefined || base.code(account.codeHash).bytes.length === 0)
}

/** Gas the sender can pay for at the price it names. */
const affordable = async (
  deps: CallDeps,
  world: World,
  base: Reader,
  tx: Tx,
  request: CallRequest,
): Promise<bigint> => {
  const cap = gasOf(deps, world, request)
  const have = base.account(tx.from)?.balance ?? 0n
  if (have < tx.value) throw new NodeError(CallErrors.FUNDS, { from: bytesToHex(tx.from), have, want: tx.value })
  return tx.maxFeeWei === 0n ? cap : minBigint(cap, (have - tx.value) / tx.maxFeeWei)
}

/** Runs with the list of what it touched until that list stops growing (EIP-2930). */
const accessList = async (deps: CallDeps, job: Extract<CallJob, { kind: 'accessList' }>): Promise<CallAnswer> => {
  const world = openWorld(deps, job, null)
  const base = applyOverrides(world.reader, job.state)
  let list: readonly AccessEntry[] = job.request.accessList ?? []
  for (;;) {
    const touched = new Map<
      string,
      { readonly address: Address; readonly keys: Map<bigint, ReturnType<typeof asHash>> }
    >()
    const request = { ...job.request, accessList: list }
    const note = (address: Address, key: bigint | null): void => {
      const hex = bytesToHex(address)
      const entry = touched.get(hex) ?? { address, keys: new Map() }
      touched.set(hex, entry)
      if (key !== null) entry.keys.set(key, asHash(wordBytes(key)))
    }
    const outcome = await simulate(deps, world, base, request, gasOf(deps, world, request), touchTracer(note))
    const skip = [request.from ?? ZERO, ...(request.to === null ? [] : [request.to])]
    const next = [...touched.values()]
      .filter(
        ({ address, keys }) =>
          keys.size > 0 ||
          !(skip.some((each) => equalBytes(each, address)) || isPrecompile(address, world.block.ethereum)),
      )
      .map(({ address, keys }) => ({ address, keys: [...keys.values()] }))
    const size = (entries: readonly AccessEntry[]): number =>
      entries.reduce((sum, entry) => sum + 1 + entry.keys.length, 0)
    if (size(next) <= size(list)) {
      const error =
        outcome.status === 'success'
          ? null
          : outcome.status === 'revert'
            ? revertError(outcome.output).message
            : outcome.fault
      return { kind: 'accessList', accessList: next, gasUsed: outcome.gasUsed, error }
    }
    list = next
  }
}

const wordBytes = (value: bigint): Uint8Array => {
  const hex = value.toString(16).padStart(64, '0')
  return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
}

/** Sees the operands of the instructions that touch storage and other accounts. */
const touchTracer = (note: (address: Address, key: bigint | null) => void): Tracer => ({
  step({ name, stack, address }) {
    const top = stack.at(-1)
    const second = stack.at(-2)
    if ((name === 'SLOAD' || name === 'SSTORE') && top !== undefined) note(address, top)
    else if (
      ['EXTCODECOPY', 'EXTCODEHASH', 'EXTCODESIZE', 'BALANCE', 'SELFDESTRUCT'].includes(name) &&
      top !== undefined
    )
      note(addressOf(top), null)
    else if (['CALL', 'CALLCODE', 'DELEGATECALL', 'STATICCALL'].includes(name) && second !== undefined)
      note(addressOf(second), null)
  },
})
const addressOf = (value: bigint): Address => asAddress(wordBytes(value).slice(12))
