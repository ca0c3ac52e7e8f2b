// What the two contracts of a bridge refuse, by the names that their interfaces give it.
import { type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { abi as moduleAbi } from '../../chain/native/bridge/abi.ts'
import { selectorOf } from '../../chain/native/kit/abi.ts'
import { abi as vaultAbi } from '../../contracts/bridge/INovaVault.abi.ts'
import { ClientErrors } from '../../rpc/client/http.ts'

const RefusalErrors = defineErrors('BRIDGECALL', {
  REFUSED: { text: (d: { call: string; error: string }) => `the bridge refuses ${d.call}: ${d.error}` },
})

/** Throws BRIDGECALL_REFUSED by the contract's own name for it, anything else as it is. */
export const explained =
  (call: string) =>
  (error: unknown): never => {
    const data = error instanceof NodeError && error.code === ClientErrors.ANSWER.code ? error.data : null
    const output = (data as { readonly output?: Hex } | null)?.output // ANSWER's own data
    if (output === undefined || output.length < 10) throw error
    const selector = selectorOf(hexToBytes(output))
    const all = [...Object.entries(moduleAbi.errors), ...Object.entries(vaultAbi.errors)]
    const name = all.find(([, each]) => each.selector === selector)?.[0] ?? output.slice(0, 10)
    throw new NodeError(RefusalErrors.REFUSED, { call, error: name }, { cause: error })
  }

/** Whether the contract refused by this name. */
export const isRefusal = (error: unknown, name: string): boolean =>
  error instanceof NodeError &&
  error.code === RefusalErrors.REFUSED.code &&
  (error.data as { readonly error: string }).error === name // REFUSED's own data
