// What makes TypeScript behave as a contract: from a compiled interface, a layout and one handler for each function to a
// `Native` the engine can call. Owns every check that no handler should have to think of: selector, arguments, value, static
// and delegated calls, who may call, pauses, gas, logs, reverts.
import type { z } from 'zod'
import { type Address, asHash, bigintToFixed, bytesToHex, type Hash, type Hex, type Word } from '../../base/bytes.ts'
import { assert, defineErrors, NodeError } from '../../base/errors.ts'
import { BLOCK_HASHES, HASHES_KEPT } from '../../types/block.ts'
import type { BlockContext, Frame, Native, NativeResult, OpenDirect } from '../../types/frame.ts'
import type { Genesis } from '../../types/genesis.ts'
import type { Reader, Slot, State } from '../../types/state.ts'
import {
  type Abi,
  type AbiFunction,
  type AbiParam,
  type AbiType,
  type AbiValue,
  decodeValues,
  encodeError,
  encodeEvent,
  encodeNamed,
  encodePanic,
  encodeReason,
  type Named,
  type Positional,
  selectorOf,
} from './abi.ts'
import type { Left } from './carry.ts'
import {
  COLD_SLOT,
  LIST_WORD_GAS,
  logGas,
  PAUSE_GAS,
  refundOf,
  STIPEND,
  WARM_SLOT,
  WORD_GAS,
  writeGas,
} from './prices.ts'
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

/** What a module's code works with, in a call and in a block hook. */
export interface Ctx<A extends Abi, L extends Layout> {
  /** Where the module lives. */
  readonly at: Address
  readonly store: Store<L>
  /** The account's words, for what a layout is too slow for. */
  readonly words: Words
  readonly block: BlockContext
  emit<K extends keyof A['events'] & string>(event: K, args: EventArgs<A['events'][K]>): void
  /** Wei on the module's account; what came with the call is among it. */
  balance(): bigint
  /** Moves wei from the module's account. No code of the receiver runs, so nothing can re-enter. */
  pay(to: Address, wei: bigint): void
  /** Makes wei on the module's account. */
  mint(wei: bigint): void
  /** Destroys wei of the module's account. */
  burn(wei: bigint): void
  /** Another module's own functions work with this; on this call's gas, its logs under its address. */
  within<B extends Abi, M extends Layout>(module: Module<B, M>): Ctx<B, M>
  /** For work beyond the handler's own price and the storage it touches; free in a hook. */
  charge(gas: number): void
  /** Of one of the 8,191 blocks before this one, out of the state (EIP-2935); null of any other. */
  hashOf(height: number): Hash | null
  /** Whether one is let in by a list of `params`, null where the list is off. Costs nothing, as where it is off. */
  permits(list: 'validators'): ((member: Uint8Array) => boolean) | null
  /** Whether a fork of the table in `types/forks.ts` holds in this block. Costs nothing, as before the fork. */
  isActive(fork: string): boolean
  /** Epochs of the networks that this one carries on, 0 on any other. Costs nothing, as there. */
  epochsBefore(): number
  /** A view of another module, on this call's gas. */
  read<M extends Module<Abi, Layout>, K extends keyof M['abi']['functions'] & string>(
    module: M,
    name: K,
    args: Inputs<M['abi']['functions'][K]>,
  ): Output<M['abi']['functions'][K]>
}

/** What a handler works with. */
export interface Call<A extends Abi, L extends Layout> extends Ctx<A, L> {
  readonly caller: Address
  /** Wei that came with the call; 0 for a function that is not payable. */
  readonly value: bigint
  /** The transaction itself is this call; no contract runs in between. */
  readonly isByAccount: boolean
  /** Ends the call with a custom error; all it wrote is undone. */
  revert<K extends keyof A['errors'] & string>(error: K, args: ErrorArgs<A['errors'][K]>): never
  /** Ends it as Solidity's checked arithmetic does: Panic(0x11). */
  overflow(): never
  /** Gas of this call so far. */
  gasUsed(): bigint
}

export interface Handler<A extends Abi, L extends Layout, F> {
  /** Its own price, beside storage, logs and data. */
  readonly gas: number
  /** Works while the module is paused, as exits and withdrawals must. Views always do. */
  readonly unpausable?: true
  /** The fork that brings it; before, there is no such function. */
  readonly since?: string
  run(call: Call<A, L>, args: Inputs<F>): Output<F>
}
export type Handlers<A extends Abi, L extends Layout> = {
  readonly [K in keyof A['functions']]: Handler<A, L, A['functions'][K]>
}

export interface Module<A extends Abi, L extends Layout> {
  /** Its section in genesis.json. */
  readonly name: string
  /** By which it is paused; its name where it is not given. */
  readonly scope?: string
  readonly abi: A
  readonly layout: L
  readonly handlers: Handlers<A, L>
  /** What the block itself does, outside any transaction: before the first and after the last. Their failure stops the chain. */
  readonly hooks?: Hooks<A, L>
  /** For calls that need no frame, see `Native.direct`. */
  readonly direct?: OpenDirect
  /** Writes its first state from its checked section. `refuse` throws GENESIS_INVALID at a path inside the section. */
  readonly genesis: {
    parse(section: unknown): z.ZodSafeParseResult<unknown>
    seed(ctx: Ctx<A, L>, section: unknown, genesis: Genesis, refuse: (path: string, reason: string) => never): void
  }
  /** Of a module whose state knows heights, epochs or other networks. The state of any other goes on as it is. */
  readonly carry?: Carry<A, L>
}
/** How the state of one network becomes the first state of the next. */
interface Carry<A extends Abi, L extends Layout> {
  /** Whether nothing is left of its storage but what `leave` writes again. */
  readonly isFresh?: true
  /** Changes what the new network would read otherwise, and says in sentences what is done. Throws where it cannot go on. */
  leave(ctx: Ctx<A, L>, from: Left): readonly string[]
  /** Refuses a carried state that no `leave` made: somebody changed the file. */
  check(ctx: Ctx<A, L>, genesis: Genesis, refuse: (path: string, reason: string) => never): void
}
export interface Hooks<A extends Abi, L extends Layout> {
  begin?(ctx: Ctx<A, L>): void
  end?(ctx: Ctx<A, L>): void
}

/** A module from its parts; the schema's output is what `seed` receives. */
export function defineModule<const A extends Abi, L extends Layout, S extends z.ZodType>(parts: {
  readonly name: string
  readonly scope?: string
  readonly abi: A
  readonly layout: L
  readonly handlers: Handlers<A, L>
  readonly hooks?: Hooks<A, L>
  readonly direct?: OpenDirect
  readonly genesis: {
    readonly schema: S
    seed(ctx: Ctx<A, L>, section: z.output<S>, genesis: Genesis, refuse: (path: string, reason: string) => never): void
  }
  readonly carry?: Carry<A, L>
}): Module<A, L> {
  const { schema, seed } = parts.genesis
  return {
    ...parts,
    genesis: {
      parse: (section) => schema.safeParse(section),
      seed: (ctx, section, genesis, refuse) => seed(ctx, section as z.output<S>, genesis, refuse), // from parse
    },
  }
}

/** What the table knows and a module does not. */
export interface Links {
  readonly callers: 'all' | 'accounts'
  addressOf(module: unknown): Address
  /** Second until which a scope is paused, 0 if it is not. Reads through `open`, so that the call pays for it. */
  pausedUntil(scope: string, open: (address: Address) => Words): number
  /** Who is let in by a list of `params`; null where it is off. Reads through `open`, which has no price. */
  permits(list: 'validators', open: (address: Address) => Words): ((member: Uint8Array) => boolean) | null
  /** Whether a fork holds in the block of a height. Reads through `open`, which has no price. */
  isActive(fork: string, height: number, open: (address: Address) => Words): boolean
  /** Reads through `open`, which has no price. */
  epochsBefore(open: (address: Address) => Words): number
}

class Meter {
  readonly limit: bigint
  left: bigint
  constructor(limit: bigint) {
    this.limit = limit
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
      meter.charge(writeGas(original, before, value))
      if (value === before) return
      state.setRefund(state.refund() + refundOf(original, before, value))
      state.setSlot(slot, value)
    },
  }
}
/** Words without a price, for genesis and block hooks. */
export const freeWords = (state: State, address: Address): Words => {
  const account = state.load(address)
  return {
    get: (key) => state.loadSlot(account, key).value,
    set: (key, value) => state.setSlot(state.loadSlot(account, key), value),
  }
}

/** Words as a block left them, for who judges by the state without running anything. */
export const committedWords = (reader: Reader, address: Address): Words => ({
  get: (key) => reader.slot(address, key),
  set: () => assert(false, 'committed state is read'),
})

interface Running {
  readonly state: State
  readonly block: BlockContext
  /** null where nothing is paid: in block hooks and at genesis. */
  readonly meter: Meter | null
  readonly links: Links
}

const COLD_ACCOUNT = 2_600
const WARM_ACCOUNT = 100
const TRANSFER = 9_000
const NEW_ACCOUNT = 25_000

/** A module's own view of the state, at its address. */
const ctxOf = (running: Running, module: Module<Abi, Layout>, mayWrite: boolean): Ctx<Abi, Layout> => {
  const { state, block, meter, links } = running
  const at = links.addressOf(module)
  const wordsOf = (address: Address, isWritten: boolean): Words =>
    meter === null ? freeWords(state, address) : meteredWords(state, address, meter, isWritten)
  const words = wordsOf(at, mayWrite)
  const store = openStore(module.layout, words)
  const charge = (gas: number) => meter?.charge(gas)
  const own = () => state.load(at)
  const add = (wei: bigint): void => {
    assert(mayWrite && own().balance + wei >= 0n, `${module.name} has the wei that it gives away`)
    state.setBalance(own(), own().balance + wei)
  }
  return {
    ...{ at, store, words, block, charge, mint: add },
    balance: () => own().balance,
    burn: (wei) => add(-wei),
    pay(to, wei) {
      const target = state.load(to)
      charge(state.warmAccount(target) ? COLD_ACCOUNT : WARM_ACCOUNT)
      charge(TRANSFER + (target.exists ? 0 : NEW_ACCOUNT))
      add(-wei)
      state.setBalance(target, target.balance + wei)
    },
    hashOf(height) {
      if (height < 0 || height >= block.number || height < block.number - HASHES_KEPT) return null
      const hash = wordsOf(BLOCK_HASHES, false).get(BigInt(height % HASHES_KEPT))
      return hash === 0n ? null : asHash(bigintToFixed(hash, 32))
    },
    permits: (list) => links.permits(list, (address) => freeWords(state, address)),
    isActive: (fork) => links.isActive(fork, block.number, (address) => freeWords(state, address)),
    epochsBefore: () => links.epochsBefore((address) => freeWords(state, address)),
    emit(event, values) {
      const entry = module.abi.events[event]
      assert(mayWrite && entry !== undefined, `${module.name} has an event ${event}`)
      const log = encodeEvent(entry, at, values as never) // the typed signature of Ctx.emit is the check
      charge(logGas(log.topics.length, log.data.length))
      state.log(log)
    },
    within(other) {
      // A module's own types are narrower than what runs it; only its own functions see them.
      return ctxOf(running, other as unknown as Module<Abi, Layout>, mayWrite) as never
    },
    read(other, view, values) {
      const target = other.abi.functions[view]
      assert(target !== undefined && isReadOnly(target), `${other.name}.${view} is a view`)
      return runHandler(running, { caller: at, value: 0n, depth: 1 }, other, view, values as never) as never // as above
    },
  }
}

/** Runs one function of one module at its address. */
const runHandler = (
  running: Running,
  frame: Pick<Frame, 'caller' | 'value' | 'depth'>,
  module: Module<Abi, Layout>,
  name: string,
  args: readonly unknown[],
): unknown => {
  const { meter } = running
  const [fn, handler] = [module.abi.functions[name], module.handlers[name]]
  assert(fn !== undefined && handler !== undefined, `${module.name} has a function ${name}`)
  meter?.charge(handler.gas)
  const call: Call<Abi, Layout> = {
    ...ctxOf(running, module, !isReadOnly(fn)),
    caller: frame.caller,
    value: frame.value,
    isByAccount: frame.depth === 0,
    gasUsed: () => (meter === null ? 0n : meter.limit - meter.left),
    revert(error, values) {
      const entry = module.abi.errors[error]
      assert(entry !== undefined, `${module.name} has an error ${error}`)
      return revertWith(encodeError(entry, values as never)) // as above
    },
    overflow: () => revertWith(encodePanic(0x11n)),
  }
  return handler.run(call, args as never) // decoded by the same ABI entry
}

/** A module outside any call: for its hooks and its first state. */
export const hookCtx = (
  module: Module<Abi, Layout>,
  state: State,
  block: BlockContext,
  links: Links,
): Ctx<Abi, Layout> => ctxOf({ state, block, meter: null, links }, module, true)

const isList = (type: AbiType): boolean =>
  typeof type !== 'string' && ('list' in type || type.tuple.some(([, each]) => isList(each)))
const isReadOnly = (fn: AbiFunction): boolean => fn.mutability === 'view' || fn.mutability === 'pure'

/** The module as the engine calls it. */
export function toNative(module: Module<Abi, Layout>, links: Links): Native {
  const bySelector = new Map<Hex, readonly [string, AbiFunction]>(
    Object.entries(module.abi.functions).map(([name, fn]) => [fn.selector, [name, fn] as const]),
  )
  const scope = module.scope ?? module.name
  const pausedUntil = (state: State, meter: Meter): number =>
    links.pausedUntil(scope, (address) => {
      const { get } = freeWords(state, address)
      return {
        get(key) {
          meter.charge(PAUSE_GAS)
          return get(key)
        },
        set: () => assert(false, 'a door writes nothing'),
      }
    })
  const enter = (frame: Frame, state: State, block: BlockContext, meter: Meter): Uint8Array => {
    const { name: whose } = module
    meter.charge(WORD_GAS * Math.ceil(frame.input.length / 32))
    if (frame.kind === 'delegatecall' || frame.kind === 'callcode')
      refuse(`${whose}: DELEGATECALL and CALLCODE are refused`)
    if (links.callers === 'accounts' && frame.depth > 0) refuse(`${whose}: contracts may not call this module`)
    const selector = selectorOf(frame.input)
    const named = selector === null ? undefined : bySelector.get(selector)
    const since = named === undefined ? undefined : module.handlers[named[0]]?.since
    const isThere = since === undefined || links.isActive(since, block.number, (address) => freeWords(state, address))
    const found = isThere ? named : undefined
    if (found === undefined)
      return refuse(
        frame.input.length === 0
          ? `${whose}: it takes no plain transfers`
          : `${whose}: no function has selector ${bytesToHex(frame.input.subarray(0, 4))}`,
      )
    const [name, fn] = found
    if (frame.value > 0n && fn.mutability !== 'payable') refuse(`${whose}.${name} is not payable`)
    if (!isReadOnly(fn)) {
      if (frame.isStatic) refuse(`${whose}.${name} writes, and this call is static`)
      const until = module.handlers[name]?.unpausable === true ? 0 : pausedUntil(state, meter)
      if (until > block.time) refuse(`${scope} is paused until ${until}`)
    }
    if (fn.inputs.some(([, type]) => isList(type))) meter.charge(LIST_WORD_GAS * Math.ceil(frame.input.length / 32))
    const args = decodeValues(fn.inputs, frame.input.slice(4)) // a copy, for values that live on are views of it
    const result = runHandler({ state, block, meter, links }, frame, module, name, args)
    const output = encodeOutput(fn, result)
    meter.charge(WORD_GAS * (output.length / 32))
    return output
  }
  const native = (frame: Frame, state: State, block: BlockContext): NativeResult => {
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
  const { direct } = module
  if (direct === undefined) return native
  return Object.assign(native, {
    direct: (state: State) => direct(state, links.addressOf(module), pauseOf(scope, state, links)),
  })
}

/** The second until which a scope is paused, read anew only where the word that says so has changed. */
const pauseOf = (scope: string, state: State, links: Links): (() => number) => {
  let slot: Slot | null = null
  const read = (): number =>
    links.pausedUntil(scope, (address) => ({
      get(key) {
        assert(slot === null || slot.key === key, 'one word says whether a scope is paused')
        slot ??= state.loadSlot(state.load(address), key)
        return slot.value
      },
      set: () => assert(false, 'a door writes nothing'),
    }))
  let until = read()
  let seen = wordOf(slot)
  return () => {
    const value = wordOf(slot)
    if (value !== seen) {
      until = read()
      seen = value
    }
    return until
  }
}
const wordOf = (slot: Slot | null): Word => slot?.value ?? 0n

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
