// What makes TypeScript behave as a contract: from a compiled interface, a layout and one handler for each function to a
// `Native` the engine can call. Owns every check that no handler should have to think of: selector, arguments, value, static
// and delegated calls, who may call, pauses, gas, logs, reverts.
import type { z } from 'zod'
import { type Address, bytesToHex, type Hex } from '../../base/bytes.ts'
import { assert, defineErrors, NodeError } from '../../base/errors.ts'
import type { BlockContext, Frame, Native, NativeResult } from '../../types/frame.ts'
import type { Genesis } from '../../types/genesis.ts'
import type { State } from '../../types/state.ts'
import {
  type Abi,
  type AbiFunction,
  type AbiParam,
  type AbiValue,
  decodeValues,
  encodeError,
  encodeEvent,
  encodeNamed,
  encodeReason,
  type Named,
  type Positional,
  selectorOf,
} from './abi.ts'
import { type Layout, openStore, type Store, type Words } from './slots.ts'

/** Signals inside one call; they end in its result and never leave this file. */
const Halts = defineErrors('NATIVE', {
  REVERT: { text: (_: { output: Uint8Array }) => 'a native call reverts' },
  OUT_OF_GAS: { text: () => 'a native call ran out of gas' },
})
const revertWith = (output: Uint8Array): never => {
  throw new NodeError(Halts.REVERT, { output })
}
const refuse = (reason: string): never => revertWith(encodeReason(reason))

type EventArgs<E> = E extends {
  readonly indexed: infer I extends readonly AbiParam[]
  readonly plain: infer P extends readonly AbiParam[]
}
  ? Named<I> & Named<P>
  : never
type ErrorArgs<E> = E extends { readonly inputs: infer P extends readonly AbiParam[] } ? Named<P> : never
type Inputs<F> = F extends { readonly inputs: infer P extends readonly AbiParam[] } ? Positional<P> : never
/** Nothing, the one value, or the values by name. */
type Output<F> = F extends { readonly outputs: infer O extends readonly AbiParam[] }
  ? O extends readonly []
    ? // biome-ignore lint/suspicious/noConfusingVoidType: it is a return type, of functions without outputs
      void
    : O extends readonly [readonly [string, infer T]]
      ? AbiValue<T>
      : Named<O>
  : never

/** What a handler works with. */
export interface Call<A extends Abi, L extends Layout> {
  readonly store: Store<L>
  readonly caller: Address
  /** Wei that came with the call; 0 for a function that is not payable. */
  readonly value: bigint
  readonly block: BlockContext
  emit<K extends keyof A['events'] & string>(event: K, args: EventArgs<A['events'][K]>): void
  /** Ends the call with a custom error; all it wrote is undone. */
  revert<K extends keyof A['errors'] & string>(error: K, args: ErrorArgs<A['errors'][K]>): never
  /** For work beyond the handler's own price and the storage it touches. */
  charge(gas: number): void
  /** A view of another module, on this call's gas. */
  read<M extends Module<Abi, Layout>, K extends keyof M['abi']['functions'] & string>(
    module: M,
    name: K,
    args: Inputs<M['abi']['functions'][K]>,
  ): Output<M['abi']['functions'][K]>
}

export interface Handler<A extends Abi, L extends Layout, F> {
  /** Its own price, beside storage, logs and data. */
  readonly gas: number
  /** Works while the module is paused, as exits and withdrawals must. Views always do. */
  readonly unpausable?: true
  run(call: Call<A, L>, args: Inputs<F>): Output<F>
}
export type Handlers<A extends Abi, L extends Layout> = {
  readonly [K in keyof A['functions']]: Handler<A, L, A['functions'][K]>
}

export interface Module<A extends Abi, L extends Layout> {
  /** Its section in genesis.json, and the scope by which it is paused. */
  readonly name: string
  readonly abi: A
  readonly layout: L
  readonly handlers: Handlers<A, L>
  /** Writes its first state from its checked section. `refuse` throws GENESIS_INVALID at a path inside the section. */
  readonly genesis: {
    parse(section: unknown): z.ZodSafeParseResult<unknown>
    seed(store: Store<L>, section: unknown, genesis: Genesis, refuse: (path: string, reason: string) => never): void
  }
}

/** A module from its parts; the schema's output is what `seed` receives. */
export function defineModule<const A extends Abi, L extends Layout, S extends z.ZodType>(parts: {
  readonly name: string
  readonly abi: A
  readonly layout: L
  readonly handlers: Handlers<A, L>
  readonly genesis: {
    readonly schema: S
    seed(store: Store<L>, section: z.output<S>, genesis: Genesis, refuse: (path: string, reason: string) => never): void
  }
}): Module<A, L> {
  const { schema, seed } = parts.genesis
  return {
    ...parts,
    genesis: {
      parse: (section) => schema.safeParse(section),
      seed: (store, section, genesis, refuse) => seed(store, section as z.output<S>, genesis, refuse), // from parse
    },
  }
}

/** What the table knows and a module does not. */
export interface Links {
  readonly callers: 'all' | 'accounts'
  addressOf(module: unknown): Address
  /** Second until which a scope is paused, 0 if it is not. Reads through `open`, so that the call pays for it. */
  pausedUntil(scope: string, open: (address: Address) => Words): number
}

const WORD_GAS = 3
const LOG_GAS = 375
const LOG_BYTE_GAS = 8

class Meter {
  left: bigint
  constructor(limit: bigint) {
    this.left = limit
  }
  charge(gas: number): void {
    const price = BigInt(gas)
    if (price > this.left) {
      this.left = 0n
      throw new NodeError(Halts.OUT_OF_GAS, undefined)
    }
    this.left -= price
  }
}

const COLD_SLOT = 2_100
const WARM_SLOT = 100
const SET_FROM_ZERO = 20_000
const SET_AGAIN = 2_900
const CLEAR_REFUND = 4_800n
const STIPEND = 2_300n

/** An account's words at the prices of SLOAD and SSTORE (EIP-2200, 2929, 3529). */
const meteredWords = (state: State, address: Address, meter: Meter, mayWrite: boolean): Words => {
  const account = state.load(address)
  return {
    get(key) {
      const slot = state.loadSlot(account, key)
      meter.charge(state.warmSlot(slot) ? COLD_SLOT : WARM_SLOT)
      return slot.value
    },
    set(key, value) {
      assert(mayWrite, 'a view writes nothing')
      if (meter.left <= STIPEND) meter.charge(Number.MAX_SAFE_INTEGER)
      const slot = state.loadSlot(account, key)
      if (state.warmSlot(slot)) meter.charge(COLD_SLOT)
      const { original, value: before } = slot
      const isFirst = before === original
      meter.charge(value !== before && isFirst ? (original === 0n ? SET_FROM_ZERO : SET_AGAIN) : WARM_SLOT)
      if (value === before) return
      state.setRefund(state.refund() + refundOf(original, before, value))
      state.setSlot(slot, value)
    },
  }
}
/** EIP-3529. */
const refundOf = (original: bigint, before: bigint, after: bigint): bigint => {
  if (before === original) return original !== 0n && after === 0n ? CLEAR_REFUND : 0n
  const cleared = original === 0n ? 0n : before === 0n ? -CLEAR_REFUND : after === 0n ? CLEAR_REFUND : 0n
  if (after !== original) return cleared
  return cleared + BigInt((original === 0n ? SET_FROM_ZERO : SET_AGAIN) - WARM_SLOT)
}

/** Words without a price, for genesis and block hooks. */
export const freeWords = (state: State, address: Address): Words => {
  const account = state.load(address)
  return {
    get: (key) => state.loadSlot(account, key).value,
    set: (key, value) => state.setSlot(state.loadSlot(account, key), value),
  }
}

interface Running {
  readonly frame: Pick<Frame, 'caller' | 'value'>
  readonly state: State
  readonly block: BlockContext
  readonly meter: Meter
  readonly links: Links
}

/** Runs one function of one module at its address. */
const runHandler = (
  { frame, state, block, meter, links }: Running,
  module: Module<Abi, Layout>,
  name: string,
  args: readonly unknown[],
): unknown => {
  const at = links.addressOf(module)
  const [fn, handler] = [module.abi.functions[name], module.handlers[name]]
  assert(fn !== undefined && handler !== undefined, `${module.name} has a function ${name}`)
  const mayWrite = !isReadOnly(fn)
  meter.charge(handler.gas)
  const call: Call<Abi, Layout> = {
    store: openStore(module.layout, meteredWords(state, at, meter, mayWrite)),
    caller: frame.caller,
    value: frame.value,
    block,
    emit(event, values) {
      const entry = module.abi.events[event]
      assert(mayWrite && entry !== undefined, `${module.name} has an event ${event}`)
      const log = encodeEvent(entry, at, values as never) // the typed signature of Call.emit is the check
      meter.charge(LOG_GAS * (1 + log.topics.length) + LOG_BYTE_GAS * log.data.length)
      state.log(log)
    },
    revert(error, values) {
      const entry = module.abi.errors[error]
      assert(entry !== undefined, `${module.name} has an error ${error}`)
      return revertWith(encodeError(entry, values as never)) // as above
    },
    charge: (gas) => meter.charge(gas),
    read(other, view, values) {
      const target = other.abi.functions[view]
      assert(target !== undefined && isReadOnly(target), `${other.name}.${view} is a view`)
      const quiet = { caller: at, value: 0n }
      return runHandler({ frame: quiet, state, block, meter, links }, other, view, values as never) as never // as above
    },
  }
  return handler.run(call, args as never) // decoded by the same ABI entry
}

const isReadOnly = (fn: AbiFunction): boolean => fn.mutability === 'view' || fn.mutability === 'pure'

/** The module as the engine calls it. */
export function toNative(module: Module<Abi, Layout>, links: Links): Native {
  const bySelector = new Map<Hex, readonly [string, AbiFunction]>(
    Object.entries(module.abi.functions).map(([name, fn]) => [fn.selector, [name, fn] as const]),
  )
  const enter = (frame: Frame, state: State, block: BlockContext, meter: Meter): Uint8Array => {
    const { name: scope } = module
    meter.charge(WORD_GAS * Math.ceil(frame.input.length / 32))
    if (frame.kind === 'delegatecall' || frame.kind === 'callcode')
      refuse(`${scope}: DELEGATECALL and CALLCODE are refused`)
    if (links.callers === 'accounts' && frame.depth > 0) refuse(`${scope}: contracts may not call this module`)
    const selector = selectorOf(frame.input)
    const found = selector === null ? undefined : bySelector.get(selector)
    if (found === undefined)
      return refuse(
        frame.input.length === 0
          ? `${scope}: it takes no plain transfers`
          : `${scope}: no function has selector ${bytesToHex(frame.input.subarray(0, 4))}`,
      )
    const [name, fn] = found
    if (frame.value > 0n && fn.mutability !== 'payable') refuse(`${scope}.${name} is not payable`)
    if (!isReadOnly(fn)) {
      if (frame.isStatic) refuse(`${scope}.${name} writes, and this call is static`)
      const open = (address: Address): Words => meteredWords(state, address, meter, false)
      const until = module.handlers[name]?.unpausable === true ? 0 : links.pausedUntil(scope, open)
      if (until > block.time) refuse(`${scope} is paused until ${until}`)
    }
    const args = decodeValues(fn.inputs, frame.input.subarray(4))
    const result = runHandler({ frame, state, block, meter, links }, module, name, args)
    const output = encodeOutput(fn, result)
    meter.charge(WORD_GAS * (output.length / 32))
    return output
  }
  return (frame, state, block): NativeResult => {
    const meter = new Meter(frame.gas)
    try {
      const output = enter(frame, state, block, meter)
      return { gasUsed: frame.gas - meter.left, status: 'success', output }
    } catch (error) {
      const reverted = revertOf(error, module.name)
      if (reverted === null) return { gasUsed: frame.gas, status: 'fault', output: new Uint8Array(0) }
      return { gasUsed: frame.gas - meter.left, status: 'revert', output: reverted }
    }
  }
}

/** What a call that ended early answers; null when its gas is gone. Throws what is no end of a call. */
const revertOf = (error: unknown, scope: string): Uint8Array | null => {
  if (!(error instanceof NodeError)) throw error
  if (error.code === Halts.OUT_OF_GAS.code) return null
  if (error.code === Halts.REVERT.code) return (error.data as { readonly output: Uint8Array }).output // REVERT's own data
  if (error.code === 'ABI_DECODE') return encodeReason(`${scope}: ${error.message}`)
  throw error
}

const encodeOutput = (fn: AbiFunction, result: unknown): Uint8Array => {
  const [first] = fn.outputs
  if (first === undefined) return new Uint8Array(0)
  const values = fn.outputs.length === 1 ? { [first[0]]: result } : result
  return encodeNamed(fn.outputs, values as never) // Output<F> by the handler's type
}
