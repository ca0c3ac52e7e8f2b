// The transaction rules, once, for pool, builder and verifier: checks against state, gas purchase, warm sets, EIP-7702
// authorizations, refund and floor, fee split. Owns no code execution: that is behind the Engine.
import { type Address, bytesToHex, concat, type Hex, hexToBytes } from '../base/bytes.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { maxBigint, minBigint } from '../base/math.ts'
import type { Pause } from '../base/ports.ts'
import { permissionsIn, STAKING } from '../native/index.ts'
import type { EthereumFork } from '../types/forks.ts'
import type { BlockContext, NativeTable } from '../types/frame.ts'
import type { FeeSplit } from '../types/genesis.ts'
import type { Log } from '../types/receipt.ts'
import type { Account, State } from '../types/state.ts'
import { effectiveGasPrice, intrinsicGas, type Tx } from '../types/tx.ts'
import type { Engine, Message, Outcome, Tracer } from './engine.ts'
import { splitBaseFee } from './fees.ts'
import { checkDeployer, checkPermitted } from './permissions.ts'

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

/** Why running was ended from outside; nobody is at fault. */
export const ExecErrors = defineErrors('EXEC', {
  ABANDONED: { text: () => 'running this is of no use any more' },
  TOO_LONG: { text: (d: { ms: number }) => `a transaction was not done after ${d.ms} ms` },
})

/** Two ranges: 0x01 to 0x11, and from Osaka on 0x100 (P256VERIFY, EIP-7951). */
export const isPrecompile = (address: Address, ethereum: EthereumFork): boolean => {
  for (let i = 0; i < 18; i++) if (address[i] !== 0) return false
  const number = ((address[18] as number) << 8) | (address[19] as number)
  return (number >= 1 && number <= 0x11) || (number === 0x100 && ethereum !== 'prague')
}

export const DELEGATION_PREFIX = hexToBytes('0xef0100')
export const isDelegation = (code: Uint8Array): boolean =>
  code.length === 23 && code[0] === 0xef && code[1] === 0x01 && code[2] === 0x00

/** What a transaction can cost its sender at most. */
export const maxCostWei = (tx: Pick<Tx, 'gasLimit' | 'maxFeeWei' | 'value'>): bigint =>
  tx.gasLimit * tx.maxFeeWei + tx.value

/** The state's side of validity, for the next transaction of `sender`. Throws TX_*. */
export function checkSender(tx: Tx, sender: Account, code: Uint8Array, baseFeeWei: bigint): void {
  if (tx.nonce < sender.nonce)
    throw new NodeError(AdmitErrors.NONCE_TOO_LOW, { from: sender.hex, have: tx.nonce, want: sender.nonce })
  if (tx.nonce > sender.nonce)
    throw new NodeError(AdmitErrors.NONCE_TOO_HIGH, { from: sender.hex, have: tx.nonce, want: sender.nonce })
  if (code.length > 0 && !isDelegation(code)) throw new NodeError(AdmitErrors.SENDER_CODE, { from: sender.hex })
  if (tx.maxFeeWei < baseFeeWei) throw new NodeError(AdmitErrors.FEE_TOO_LOW, { maxFeeWei: tx.maxFeeWei, baseFeeWei })
  const want = maxCostWei(tx)
  if (sender.balance < want) throw new NodeError(AdmitErrors.FUNDS, { from: sender.hex, have: sender.balance, want })
}

export interface TxDeps {
  readonly engine: Engine
  readonly natives: NativeTable
  readonly fees: FeeSplit
  /** Whether a list of senders or deployers may be on: then the state is asked. Off where it is not said. */
  readonly isPermissioned?: boolean | undefined
  /** 'any' lets a call speak as a contract or as who may not send; transactions are signed by accounts (EIP-3607). */
  readonly senders?: 'any'
  /** Lets others run within a long transaction; what it throws ends it, and leaves the state as it was before. */
  readonly pause?: Pause | undefined
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
 * transaction may not run at all; a failed run is a result. `gasLeft` is what the block still has. Waits only where the engine does.
 */
export function runTx(
  deps: TxDeps,
  tx: Tx,
  state: State,
  block: BlockContext,
  gasLeft: bigint,
  tracer?: Tracer,
): TxResult | Promise<TxResult> {
  state.begin()
  const mark = deps.pause === undefined ? null : state.checkpoint()
  const sender = state.load(tx.from)
  const code = deps.senders === 'any' ? NO_CODE : state.codeOf(sender).bytes
  checkSender(tx, sender, code, block.baseFeeWei)
  const permissions = deps.isPermissioned === true ? permissionsIn(state) : null
  if (permissions !== null) (deps.senders === 'any' ? checkDeployer : checkPermitted)(tx, permissions)
  if (tx.gasLimit > gasLeft) throw new NodeError(AdmitErrors.BLOCK_GAS, { have: tx.gasLimit, left: gasLeft })
  const gasPriceWei = effectiveGasPrice(tx, block.baseFeeWei)
  const { gas: intrinsic, floor } = intrinsicGas(tx)
  state.setBalance(sender, sender.balance - tx.gasLimit * gasPriceWei)
  state.setNonce(sender, sender.nonce + 1n)
  const finish = (outcome: Outcome): TxResult => {
    const spent = tx.gasLimit - outcome.gasLeft
    const gasUsed = maxBigint(spent - minBigint(state.refund(), spent / 5n), floor) // EIP-3529, EIP-7623
    state.setBalance(sender, sender.balance + (tx.gasLimit - gasUsed) * gasPriceWei)
    new Till(state, block, deps.fees).pay(gasUsed, gasPriceWei)
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
  const forbidsCreation = permissions !== null && !permissions.mayDeploy(tx.from)
  const paid = { gas: tx.gasLimit - intrinsic, gasPriceWei, forbidsCreation }
  const outcome = execute(deps, tx, state, block, paid, tracer)
  if (!(outcome instanceof Promise)) return finish(outcome)
  return outcome.then(finish, (error: unknown) => {
    if (mark !== null) state.revert(mark)
    throw error
  })
}

const NO_CODE = new Uint8Array(0)

const execute = (
  deps: TxDeps,
  tx: Tx,
  state: State,
  block: BlockContext,
  paid: Pick<Message, 'gas' | 'gasPriceWei' | 'forbidsCreation'>,
  tracer: Tracer | undefined,
): Outcome | Promise<Outcome> => {
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
    forbidsCreation: paid.forbidsCreation,
  }
  const finish = (outcome: Outcome): Outcome => {
    if (outcome.status === 'success') return outcome
    state.revert(mark)
    state.setRefund(refundBefore) // authorizations stay, whatever the call does (EIP-7702)
    return outcome
  }
  const outcome = deps.engine.execute(message, state, block, deps.natives, { tracer, pause: deps.pause })
  return outcome instanceof Promise ? outcome.then(finish) : finish(outcome)
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

/** Where the fees of one block go: tips to its fee recipient whole, the base fee as genesis splits it. */
export class Till {
  readonly #state: State
  readonly #block: BlockContext
  readonly #fees: FeeSplit
  readonly #recipient: Account
  readonly #stakers: Account
  readonly #treasury: Account
  /** Of the last gas paid for: most transactions of a block use the same. */
  #gasUsed = -1n
  #split: ReturnType<typeof splitBaseFee> = { recipientWei: 0n, stakersWei: 0n, treasuryWei: 0n, burntWei: 0n }

  constructor(state: State, block: BlockContext, fees: FeeSplit) {
    this.#state = state
    this.#block = block
    this.#fees = fees
    this.#recipient = state.load(block.coinbase)
    this.#stakers = state.load(STAKING)
    this.#treasury = state.load(fees.treasury)
  }

  pay(gasUsed: bigint, gasPriceWei: bigint): void {
    const { baseFeeWei } = this.#block
    if (gasUsed !== this.#gasUsed) {
      this.#split = splitBaseFee(gasUsed * baseFeeWei, this.#fees)
      this.#gasUsed = gasUsed
    }
    const { recipientWei, stakersWei, treasuryWei } = this.#split
    this.#credit(this.#recipient, gasUsed * (gasPriceWei - baseFeeWei) + recipientWei)
    if (stakersWei > 0n) this.#credit(this.#stakers, stakersWei)
    if (treasuryWei > 0n) this.#credit(this.#treasury, treasuryWei)
  }

  #credit(account: Account, wei: bigint): void {
    this.#state.setBalance(account, account.balance + wei)
  }
}
