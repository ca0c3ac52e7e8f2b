// A native module over ethers, typed by the ABI that the module itself is made from. Owns encoding, decoding, and what a revert is called.
import { isCallException, type Provider, type Signer, type TransactionReceipt } from 'ethers'
import { bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import {
  type Abi,
  type AbiFunction,
  type AbiValue,
  decodeNamed,
  decodeValues,
  encodeCall,
  type Positional,
} from '../../chain/native/kit/abi.ts'

export const ContractErrors = defineErrors('CONTRACT', {
  /** `error` is the module's own, by name, with its arguments; `Error` with a reason where it is none of them. */
  REVERTED: {
    text: (d: { call: string; error: string; args: Readonly<Record<string, unknown>> }) =>
      `${d.call} is refused: ${d.error}(${Object.entries(d.args)
        .map(([name, value]) => `${name}: ${shown(value)}`)
        .join(', ')})`,
  },
  NO_SIGNER: {
    text: (d: { call: string }) => `${d.call} is a transaction: give the client a signer, not only a provider`,
  },
  NO_PROVIDER: { text: () => 'there is no JSON-RPC node behind it: signer.connect(provider)' },
  NOT_MINED: { text: (d: { call: string; hash: string }) => `${d.call}: transaction ${d.hash} is in no block` },
})
const shown = (value: unknown): string => (value instanceof Uint8Array ? bytesToHex(value) : String(value))

export type Runner = Signer | Provider
type Functions<A extends Abi> = A['functions']
type Inputs<F> = F extends { readonly inputs: infer P extends readonly (readonly [string, unknown])[] }
  ? { readonly [K in keyof P]: AbiValue<P[K][1]> }
  : never
type Outputs<F> = F extends { readonly outputs: infer O extends AbiFunction['outputs'] } ? Positional<O> : never

export interface BoundContract<A extends Abi> {
  /** A view at the head: its outputs in their order. Throws CONTRACT_REVERTED. */
  read<K extends keyof Functions<A> & string>(
    name: K,
    ...args: Inputs<Functions<A>[K]>
  ): Promise<Outputs<Functions<A>[K]>>
  /** A transaction, once it is in a block, which is final. Throws CONTRACT_*. */
  send<K extends keyof Functions<A> & string>(name: K, ...args: Inputs<Functions<A>[K]>): Promise<TransactionReceipt>
  /** The same with so much of the chain's coin. */
  pay<K extends keyof Functions<A> & string>(
    valueWei: bigint,
    name: K,
    ...args: Inputs<Functions<A>[K]>
  ): Promise<TransactionReceipt>
}

/** The contract at an address, through a signer or, for reading alone, a provider. */
export function bindContract<const A extends Abi>(parts: {
  readonly abi: A
  readonly at: Hex
  readonly runner: Runner
}): BoundContract<A> {
  const { abi, at, runner } = parts
  const refusal = refusalOf(abi)
  const dataOf = (name: string, args: readonly unknown[]): { readonly fn: AbiFunction; readonly data: Hex } => {
    const fn = abi.functions[name]
    if (fn === undefined)
      throw new NodeError(ContractErrors.REVERTED, { call: name, error: 'no such function', args: {} })
    return { fn, data: bytesToHex(encodeCall(fn, args as never)) } // Inputs<F> is what its parameters say
  }
  const pay = async (value: bigint, name: string, args: readonly unknown[]): Promise<TransactionReceipt> => {
    if (!isSigner(runner)) throw new NodeError(ContractErrors.NO_SIGNER, { call: name })
    providerOf(runner)
    const { data } = dataOf(name, args)
    try {
      const sent = await runner.sendTransaction({ to: at, data, value })
      const receipt = await sent.wait()
      if (receipt === null) throw new NodeError(ContractErrors.NOT_MINED, { call: name, hash: sent.hash })
      return receipt
    } catch (error) {
      throw refusal(name, error)
    }
  }
  return {
    async read(name, ...args) {
      const { fn, data } = dataOf(name, args)
      const provider = providerOf(runner)
      const output = await provider.call({ to: at, data }).catch((error: unknown) => {
        throw refusal(name, error)
      })
      return decodeValues(fn.outputs, hexToBytes(output as Hex)) as never // Outputs<F> by the same entry
    },
    send: (name, ...args) => pay(0n, name, args),
    pay: (valueWei, name, ...args) => pay(valueWei, name, args),
  }
}

/** undefined where a module refuses with this error: that is an answer too. */
export const unlessRefused = <T>(error: string, answer: Promise<T>): Promise<T | undefined> =>
  answer.catch((cause: unknown) => {
    const isIt =
      cause instanceof NodeError &&
      cause.code === ContractErrors.REVERTED.code &&
      (cause.data as { readonly error: string }).error === error // REVERTED's own data
    if (isIt) return undefined
    throw cause
  })

const isSigner = (runner: Runner): runner is Signer => 'sendTransaction' in runner
/** Throws CONTRACT_NO_PROVIDER. */
export const providerOf = (runner: Runner): Provider => {
  const provider = isSigner(runner) ? runner.provider : runner
  if (provider === null) throw new NodeError(ContractErrors.NO_PROVIDER, undefined)
  return provider
}

const REASON = '0x08c379a0'
/** What went wrong, by the module's own errors where it said so; anything else as it came. */
const refusalOf =
  (abi: Abi) =>
  (call: string, error: unknown): unknown => {
    if (!isCallException(error)) return error
    const { data } = error
    if (data === null)
      return new NodeError(ContractErrors.REVERTED, { call, error: 'Error', args: {} }, { cause: error })
    const [found] = Object.entries(abi.errors).filter(([, { selector }]) => data.startsWith(selector))
    const body = hexToBytes(`0x${data.slice(10)}`)
    const args: Readonly<Record<string, unknown>> =
      found !== undefined
        ? decodeNamed(found[1].inputs, body)
        : data.startsWith(REASON)
          ? decodeNamed([['reason', 'string']] as const, body)
          : {}
    return new NodeError(ContractErrors.REVERTED, { call, error: found?.[0] ?? 'Error', args }, { cause: error })
  }
