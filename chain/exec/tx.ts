// The transaction rules, once, for pool, builder and verifier: checks against state, gas purchase, warm sets, EIP-7702
// authorizations, refund and floor, fee split. Owns no code execution: that is behind the Engine.
import { type Address, bytesToHex, concat, type Hex, hexToBytes } from '../base/bytes.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { maxBigint, minBigint } from '../base/math.ts'
import type { BlockContext, NativeTable } from '../types/frame.ts'
import type { FeeSplit } from '../types/genesis.ts'
import type { Log } from '../types/receipt.ts'
import type { Account, State } from '../types/state.ts'
import { effectiveGasPrice, intrinsicGas, type Tx } from '../types/tx.ts'
import type { Engine, Outcome, Tracer } from './engine.ts'
import { splitBaseFee } from './fees.ts'

export const AdmitErrors = defineErrors('TX', {
  NONCE_TOO_LOW: {
    text: (d: { from: Hex; have: bigint; want: bigint }) =>
      `nonce too low: address ${d.from}, tx: ${d.have} state: ${d.want}`,
  },
  NONCE_TOO_HIGH: {
    text: (d: { from: Hex; have: bigint; want: bigint }) =>
      `nonce too high: address ${d.from}, tx: ${d.have} state: ${d.want}`,
  },
  SENDER_CODE: { text: (d: { from: Hex }) => `sender not an eoa: address ${d.from} has code (EIP-3607)` },
  FEE_TOO_LOW: {
    text: (d: { maxFeeWei: bigint; baseFeeWei: bigint }) =>
      `max fee per gas less than block base fee: maxFeePerGas: ${d.maxFeeWei}, baseFee: ${d.baseFeeWei}`,
  },
  FUNDS: {
    text: (d: { from: Hex; have: bigint; want: bigint }) =>
      `insufficient funds for gas * price + value: address ${d.from} have ${d.have} want ${d.want}`,
  },
  BLOCK_GAS: {
    text: (d: { have: bigint; left: bigint }) => `gas limit reached: transaction ${d.have}, block has ${d.left}`,
  },
})

/** Two precompile ranges of Osaka: 0x01 to 0x11, and 0x100 (P256VERIFY, EIP-7951). */
export const isPrecompile = (address: Address): boolean => {
  for (let i = 0; i < 18; i++) if (address[i] !== 0) return false
  const number = ((address[18] as number) << 8) | (address[19] as number)
  return (number >= 1 && number <= 0x11) || number === 0x100
}

export const DELEGATION_PREFIX = hexToBytes('0xef0100')
export const isDelegation = (code: Uint8Array): boolean =>
  code.length === 23 && code[0] === 0xef && code[1] === 0x01 && code[2] === 0x00

/** What a transaction can cost its sender at most. */
export const maxCostWei = (tx: Pick<Tx, 'gasLimit' | 'maxFeeWei' | 'value'>): bigint =>
  tx.gasLimit * tx.maxFeeWei + tx.value

/** The state's side of validity, for the next transaction of `sender`. Throws TX_*. */
export function checkSender(tx: Tx, sender: Account, code: Uint8Array, baseFeeWei: bigint): void {
  const from = sender.hex
  if (tx.nonce < sender.nonce)
    throw new NodeError(AdmitErrors.NONCE_TOO_LOW, { from, have: tx.nonce, want: sender.nonce })
  if (tx.nonce > sender.nonce)
    throw new NodeError(AdmitErrors.NONCE_TOO_HIGH, { from, have: tx.nonce, want: sender.nonce })
  if (code.length > 0 && !isDelegation(code)) throw new NodeError(AdmitErrors.SENDER_CODE, { from })
  if (tx.maxFeeWei < baseFeeWei) throw new NodeError(AdmitErrors.FEE_TOO_LOW, { maxFeeWei: tx.maxFeeWei, baseFeeWei })
  const want = maxCostWei(tx)
  if (sender.balance < want) throw new NodeError(AdmitErrors.FUNDS, { from, have: sender.balance, want })
}

export interface TxDeps {
  readonly engine: Engine
  readonly natives: NativeTable
  readonly fees: FeeSplit
  /** 'any' lets a call speak as a contract; transactions are signed by accounts (EIP-3607). */
  readonly senders?: 'any'
}

export interface TxResult {
  readonly status: 0 | 1
  readonly gasUsed: bigint
  /** Before refunds. */
  readonly maxUsedGas: bigint
  readonly gasPriceWei: bigint
  readonly logs: readonly Log[]
  readonly created: Address | null
  readonly output: Uint8Array
  readonly outcome: Outcome['status']
  readonly fault: string | null
}

/**
 * Runs one transaction whose stateless gas rules hold (`checkTxGas`). Throws TX_* and leaves `state` as it was when the
 * transaction may not run at all; a failed run is a result. `gasLeft` is what the block still has.
 */
export async function runTx(
  deps: TxDeps,
  tx: Tx,
  state: State,
  block: BlockContext,
  gasLeft: bigint,
  tracer?: Tracer,
): Promise<TxResult> {
  state.begin()
  const sender = state.load(tx.from)
  const code = deps.senders === 'any' ? NO_CODE : state.codeOf(sender).bytes
  checkSender(tx, sender, code, block.baseFeeWei)
  if (tx.gasLimit > gasLeft) throw new NodeError(AdmitErrors.BLOCK_GAS, { have: tx.gasLimit, left: gasLeft })
  const gasPriceWei = effectiveGasPrice(tx, block.baseFeeWei)
  const { gas: intrinsic, floor } = intrinsicGas(tx)
  state.setBalance(sender, sender.balance - tx.gasLimit * gasPriceWei)
  state.setNonce(sender, sender.nonce + 1n)
  const outcome =
    tracer === undefined && isPlainTransfer(tx, state, deps.natives)
      ? transfer(tx, state, sender, tx.gasLimit - intrinsic)
      : await execute(deps, tx, state, block, { gas: tx.gasLimit - intrinsic, gasPriceWei }, tracer)
  const spent = tx.gasLimit - outcome.gasLeft
  const gasUsed = maxBigint(spent - minBigint(state.refund(), spent / 5n), floor) // EIP-3529, EIP-7623
  state.setBalance(sender, sender.balance + (tx.gasLimit - gasUsed) * gasPriceWei)
  payFees(state, block, deps.fees, gasUsed, gasPriceWei)
  return {
    status: outcome.status === 'success' ? 1 : 0,
    gasUsed,
    maxUsedGas: maxBigint(spent, floor),
    gasPriceWei,
    logs: state.end(),
    created: tx.to === null ? (outcome.status === 'success' ? outcome.created : null) : null,
    output: outcome.output,
    outcome: outcome.status,
    fault: outcome.fault,
  }
}

const NO_CODE = new Uint8Array(0)

/** Value to an account without code, native or precompile: the engine would do the same and nothing else. */
const isPlainTransfer = (tx: Tx, state: State, natives: NativeTable): boolean => {
  if (tx.to === null || tx.authorizations.length > 0 || isPrecompile(tx.to)) return false
  const target = state.load(tx.to)
  return !natives.has(target.hex) && state.codeOf(target).bytes.length === 0
}

const transfer = (tx: Tx, state: State, sender: Account, gasLeft: bigint): Outcome => {
  if (tx.to !== null) {
    state.setBalance(sender, sender.balance - tx.value)
    const target = state.load(tx.to)
    state.setBalance(target, target.balance + tx.value)
  }
  return { status: 'success', gasLeft, output: new Uint8Array(0), created: null, fault: null }
}

const execute = async (
  deps: TxDeps,
  tx: Tx,
  state: State,
  block: BlockContext,
  paid: { readonly gas: bigint; readonly gasPriceWei: bigint },
  tracer: Tracer | undefined,
): Promise<Outcome> => {
  state.warmAccount(state.load(tx.from))
  if (tx.to !== null) state.warmAccount(state.load(tx.to))
  state.warmAccount(state.load(block.coinbase)) // EIP-3651
  for (const { address, keys } of tx.accessList) {
    const account = state.load(address)
    state.warmAccount(account)
    for (const key of keys) state.warmSlot(state.loadSlot(account, BigInt(bytesToHex(key))))
  }
  authorize(tx, state, block.chainId)
  const refundBefore = state.refund()
  const mark = state.checkpoint()
  const message = {
    origin: tx.from,
    gasPriceWei: paid.gasPriceWei,
    caller: tx.from,
    to: tx.to,
    value: tx.value,
    input: tx.data,
    gas: paid.gas,
  }
  const outcome = await deps.engine.execute(message, state, block, deps.natives, tracer)
  if (outcome.status !== 'success') {
    state.revert(mark)
    state.setRefund(refundBefore) // authorizations stay, whatever the call does (EIP-7702)
  }
  return outcome
}

const NEW_ACCOUNT_REFUND = 12_500n // PER_EMPTY_ACCOUNT_COST - PER_AUTH_BASE_COST
const NONCE_MAX = 2n ** 64n - 1n

/** EIP-7702, the list of a type 4 transaction. An entry that does not hold is skipped. */
const authorize = (tx: Tx, state: State, chainId: bigint): void => {
  for (const entry of tx.authorizations) {
    if (entry.chainId !== 0n && entry.chainId !== chainId) continue
    if (entry.nonce >= NONCE_MAX || entry.authority === null) continue
    const authority = state.load(entry.authority)
    state.warmAccount(authority)
    const code = state.codeOf(authority).bytes
    if (code.length > 0 && !isDelegation(code)) continue
    if (authority.nonce !== entry.nonce) continue
    if (authority.exists) state.setRefund(state.refund() + NEW_ACCOUNT_REFUND)
    const clears = entry.address.every((byte) => byte === 0)
    state.setCode(authority, clears ? new Uint8Array(0) : concat(DELEGATION_PREFIX, entry.address))
    state.setNonce(authority, authority.nonce + 1n)
  }
}

/** Tips go to the block's fee recipient whole; the base fee is split as genesis says. */
const payFees = (state: State, block: BlockContext, fees: FeeSplit, gasUsed: bigint, gasPriceWei: bigint): void => {
  const { recipientWei, treasuryWei } = splitBaseFee(gasUsed * block.baseFeeWei, fees)
  const earned = gasUsed * (gasPriceWei - block.baseFeeWei) + recipientWei
  const recipient = state.load(block.coinbase)
  state.setBalance(recipient, recipient.balance + earned)
  if (treasuryWei === 0n) return
  const treasury = state.load(fees.treasury)
  state.setBalance(treasury, treasury.balance + treasuryWei)
}
