// The lane of what most transactions are: value to an account without code, native module or precompile, and what native modules do without a
// frame (`Native.direct`). Runs them without an engine and without waiting, to the byte as `runTx` would; whatever else comes it leaves to that.
// Owns no rules of its own: checks, prices and the split of fees are those of tx.ts.
import { hexToBytes } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import { maxBigint, minBigint } from '../base/math.ts'
import { permissionsIn } from '../native/index.ts'
import type { BlockContext, Direct, Native } from '../types/frame.ts'
import type { Account, State } from '../types/state.ts'
import { effectiveGasPrice, type IntrinsicGas, type Tx } from '../types/tx.ts'
import { checkPermitted } from './permissions.ts'
import { AdmitErrors, checkSender, isPrecompile, Till, type TxDeps, type TxResult } from './tx.ts'

export interface Lane {
  /**
   * What `runTx` would return for this transaction, or null where it is none for the lane. `gas` is its intrinsic gas. Throws
   * what `runTx` throws, and leaves the state as it was then.
   */
  run(tx: Tx, gas: IntrinsicGas, gasLeft: bigint): TxResult | null
}

const NO_OUTPUT: Uint8Array = new Uint8Array(0)

/** For the transactions of one block. */
export function createLane(
  deps: Pick<TxDeps, 'natives' | 'fees' | 'isPermissioned'>,
  state: State,
  block: BlockContext,
): Lane {
  const natives = new Map<Account, Native>(
    [...deps.natives].map(([hex, native]) => [state.load(hexToBytes(hex) as Account['address']), native]),
  )
  const opened = new Map<Native, Direct>()
  const directOf = (native: Native): Direct | null => {
    const known = opened.get(native) ?? native.direct?.(state)
    if (known === undefined) return null
    opened.set(native, known)
    return known
  }
  const till = new Till(state, block, deps.fees)
  return {
    run(tx, { gas, floor }, gasLeft) {
      const { to, value } = tx
      if (to === null || tx.authorizations.length > 0 || isPrecompile(to, block.ethereum)) return null
      const target = state.adopt(to)
      const native = natives.get(target)
      // What an access list warms is cheaper than a module reckons here.
      const direct = native === undefined || value > 0n || tx.accessList.length > 0 ? null : directOf(native)
      if (native !== undefined ? direct === null : state.codeOf(target).bytes.length > 0) return null
      const sender = state.adopt(tx.from)
      checkSender(tx, sender, state.codeOf(sender).bytes, block.baseFeeWei)
      const permissions = deps.isPermissioned === true ? permissionsIn(state) : null
      if (permissions !== null) checkPermitted(tx, permissions)
      if (tx.gasLimit > gasLeft) throw new NodeError(AdmitErrors.BLOCK_GAS, { have: tx.gasLimit, left: gasLeft })
      const gasPriceWei = effectiveGasPrice(tx, block.baseFeeWei)
      state.begin()
      // Value alone uses what is intrinsic and has nothing back.
      let [spent, gasUsed, output] = [gas, maxBigint(gas, floor), NO_OUTPUT]
      if (direct !== null) {
        const done = direct({ caller: tx.from, input: tx.data, gas: tx.gasLimit - gas }, block)
        if (done === null) return null
        output = done.output
        spent = gas + done.gasUsed
        gasUsed = maxBigint(spent - minBigint(done.refund, spent / 5n), floor) // EIP-3529, EIP-7623
      }
      state.setNonce(sender, sender.nonce + 1n)
      state.setBalance(sender, sender.balance - gasUsed * gasPriceWei - value)
      state.setBalance(target, target.balance + value)
      till.pay(gasUsed, gasPriceWei)
      return {
        status: 1,
        gasUsed,
        maxUsedGas: maxBigint(spent, floor),
        gasPriceWei,
        logs: state.end(),
        created: null,
        output,
        outcome: 'success',
        fault: null,
      }
    },
  }
}
