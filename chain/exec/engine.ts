// The seam between the transaction rules, the state and whatever runs code. Owns the interfaces and nothing else; the
// reference engine stands behind them, a faster one may. Everything but `Engine.execute` is synchronous: a state that waits
// can never feed a fast engine.
import type { Address } from '../base/bytes.ts'
import type { Pause } from '../base/ports.ts'
import type { BlockContext, Frame, NativeTable } from '../types/frame.ts'
import type { Log } from '../types/receipt.ts'
import type { State } from '../types/state.ts'

export type { BlockContext, CallKind, Frame, Native, NativeResult, NativeTable } from '../types/frame.ts'
export type { Account, Mark, Slot, State } from '../types/state.ts'

/** A call or creation at depth 0. Gas is what is left after intrinsic gas; nonce, fees and value checks are the caller's. */
export interface Message {
  readonly origin: Address
  readonly gasPriceWei: bigint
  readonly caller: Address
  /** null creates a contract. */
  readonly to: Address | null
  readonly value: bigint
  readonly input: Uint8Array
  readonly gas: bigint
  /** CREATE and CREATE2 answer 0, as where the depth is used up: the signer may not deploy here. */
  readonly forbidsCreation: boolean
}

export interface Outcome {
  readonly status: 'success' | 'revert' | 'fault'
  readonly gasLeft: bigint
  readonly output: Uint8Array
  /** Set by a successful creation. */
  readonly created: Address | null
  /** Name of the exceptional halt, such as 'out of gas'; null unless status is 'fault'. */
  readonly fault: string | null
}

/** Sees each instruction and frame; only tracing passes one. */
export interface Tracer {
  enter?(frame: Frame): void
  exit?(result: {
    readonly gasUsed: bigint
    readonly output: Uint8Array
    /** 'revert', or the name of the exceptional halt. */
    readonly error: string | null
    readonly created: Address | null
  }): void
  step?(step: TraceStep): void
  /** A log as it is written, before anybody knows whether its frame succeeds. */
  log?(entry: Log): void
}
export interface TraceStep {
  readonly pc: number
  readonly opcode: number
  readonly name: string
  readonly gas: bigint
  readonly gasCost: bigint
  readonly depth: number
  /** Bottom first. Valid only during the call. */
  readonly stack: readonly bigint[]
  readonly memory: Uint8Array
  readonly address: Address
  readonly refund: bigint
}

/** How a message is run; the result is the same. */
export interface Manner {
  /** Sees each instruction and frame. */
  readonly tracer?: Tracer | undefined
  /**
   * Waited for within long work, after a fixed amount of gas or a stretch of a precompile. What it throws ends the execution, and leaves
   * `state` in the midst of it.
   */
  readonly pause?: Pause | undefined
}

export interface Engine {
  readonly name: string
  /** Waits only where it must, or where it pauses. */
  execute(
    message: Message,
    state: State,
    block: BlockContext,
    natives: NativeTable,
    manner?: Manner,
  ): Outcome | Promise<Outcome>
}
