// The fast engine: the EVM on synchronous state, BigInt words and explicit frames. A call is pushed by the driver and never
// recurses, so that depth 1024 needs no native stack. Code runs as bytes first and decoded into blocks once it is worth it; both
// ways give the same result, gas and fault. What the reference engine does at each seam (natives, warm addresses, names of faults)
// this one does too.
import { type Address, asAddress, bytesToHex } from '../base/bytes.ts'
import { KECCAK_EMPTY } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import type { Pause } from '../base/ports.ts'
import type { BlockContext, Native, NativeTable } from '../types/frame.ts'
import type { Account, Code, Mark, Slot, State } from '../types/state.ts'
import type { Engine, Message, Outcome } from './engine.ts'
import {
  AS_BYTES,
  addressOfCreate,
  type Call,
  DECODED,
  DONE,
  ENTER,
  Frame,
  INITCODE_BYTES_MAX,
  NOTHING,
  OUT_OF_GAS,
  REVERT,
  type Result,
  Target,
  WAITING,
} from './frames.ts'
import { runBytes, runProgram } from './loops.ts'
import { createProgramCache, type Decoding, type ProgramCache, unknown } from './opcodes.ts'
import { createPrecompiles, type Pending, type Precompile, type Precompiled } from './precompiles.ts'
import { createReferenceEngine, type ReferenceOptions } from './reference.ts'
import { jumpsOf } from './state.ts'
import { isDelegation } from './tx.ts'
import { bytesFrom, WORD_MAX, wordFrom } from './words.ts'

export interface FastOptions extends ReferenceOptions {
  /** When code is decoded; 'earned' if it is not said. The results are the same. */
  readonly decoding?: Decoding
  /** Between two pauses, where it is not what nodes take. The results are the same. */
  readonly sliceGas?: number
}

/**
 * Runs messages without waiting. A tracer gets the reference engine, which sees every instruction; so does gas that no chain of ours
 * allows and no number holds.
 */
export function createFastEngine(options: FastOptions): Engine {
  const known = {
    precompiles: createPrecompiles(options),
    programs: createProgramCache(options.hardfork !== 'prague', options.decoding ?? 'earned'),
  }
  // One at a time is enough, but while an execution pauses another may begin.
  const idle: Machine[] = []
  let reference: Engine | null = null
  return {
    name: 'fast',
    execute(message, state, block, natives, manner = {}) {
      if (manner.tracer !== undefined || message.gas > Number.MAX_SAFE_INTEGER) {
        reference ??= createReferenceEngine(options)
        return reference.execute(message, state, block, natives, manner)
      }
      const machine = idle.pop() ?? new Machine(options, known)
      let outcome: Outcome | Promise<Outcome> | null = null
      try {
        outcome = machine.execute(message, state, block, natives, manner.pause ?? null)
      } finally {
        if (!(outcome instanceof Promise)) idle.push(machine)
      }
      return outcome instanceof Promise ? outcome.finally(() => idle.push(machine)) : outcome
    },
  }
}

/** What all machines of an engine share. */
interface Shared {
  readonly precompiles: ReadonlyMap<string, Precompile>
  readonly programs: ProgramCache
}

/**
 * Gas between two pauses: 30 ms of what contracts do, and a tenth of a second of the slowest there is (`npm run bench -- slow`). Counted in
 * gas, so that nothing depends on time.
 */
const SLICE_GAS = 1_500_000

const COLD_ACCOUNT_GAS = 2_600

const CODE_BYTES_MAX = 24_576

/** Entries of the small caches below. */
const NEAR = 256

/** A precompile that was called with so much gas, and what to go back to should it fail. */
interface Waiting {
  readonly pending: Pending
  readonly mark: Mark
  readonly gas: number
}

/** Runs one message at a time. */
export class Machine {
  readonly #options: FastOptions
  readonly #precompiles: ReadonlyMap<string, Precompile>
  readonly #programs: ProgramCache
  readonly hasClz: boolean
  readonly #frames: Frame[] = []
  #depth = -1
  #running = false
  /** Gas left of the slice; without end for who does not pause. */
  #left = Number.POSITIVE_INFINITY
  #waiting: Waiting | null = null
  refund = 0
  state: State
  block: BlockContext
  message: Message
  #natives: NativeTable
  /** Accounts of this state, and slots of this execution: of those whose low bits are the same, the last one. */
  readonly #targets: (Target | undefined)[] = Array.from({ length: NEAR }, () => undefined)
  readonly #slots: (Slot | undefined)[] = Array.from({ length: NEAR }, () => undefined)
  readonly #slotTurns = new Float64Array(NEAR)
  #turn = 0
  /** Of the last call that needed no frame. */
  readonly result: { fault: string | null; gas: number; output: Uint8Array } = { fault: null, gas: 0, output: NOTHING }

  constructor(options: FastOptions, known: Shared) {
    this.#options = options
    this.hasClz = options.hardfork !== 'prague'
    this.#precompiles = known.precompiles
    this.#programs = known.programs
    // Set by every execution before anything reads them.
    this.state = null as unknown as State
    this.block = null as unknown as BlockContext
    this.message = null as unknown as Message
    this.#natives = new Map()
  }
  get chainId(): bigint {
    return this.#options.chainId
  }
  get #sliceGas(): number {
    return this.#options.sliceGas ?? SLICE_GAS
  }

  execute(
    message: Message,
    state: State,
    block: BlockContext,
    natives: NativeTable,
    pause: Pause | null,
  ): Outcome | Promise<Outcome> {
    assert(!this.#running, 'one execution at a time per engine')
    this.#running = true
    if (state !== this.state || natives !== this.#natives) this.#targets.fill(undefined)
    this.state = state
    this.block = block
    this.message = message
    this.#natives = natives
    this.refund = 0
    this.#turn++
    this.#left = pause === null ? Number.POSITIVE_INFINITY : this.#sliceGas
    let outcome: Outcome | null
    try {
      outcome = this.#start() === DONE ? this.#outcome(this.result, null) : this.#drive()
    } catch (error) {
      this.#stop()
      throw error
    }
    if (outcome === null && pause !== null) return this.#later(pause)
    assert(outcome !== null, 'who does not pause is done')
    this.#stop()
    return outcome
  }
  async #later(pause: Pause): Promise<Outcome> {
    try {
      for (;;) {
        await pause()
        this.#left = this.#sliceGas
        const outcome = this.#drive()
        if (outcome !== null) return outcome
      }
    } finally {
      this.#stop()
    }
  }
  #stop(): void {
    for (; this.#depth >= 0; this.#depth--) this.#frames[this.#depth]?.release()
    this.#waiting = null
    this.#running = false
  }

  #start(): number {
    const { caller, to, value, input } = this.message
    const gas = Number(this.message.gas)
    const from = this.targetAt(caller)
    if (from.account.balance < value) return this.finish('insufficient balance', 0, NOTHING)
    // The sender's nonce has been counted up before.
    if (to === null) return this.create(from, addressOfCreate(caller, from.account.nonce - 1n), value, input, gas)
    const self = this.targetAt(to)
    const call = { kind: 'call', callee: self, self, from, value, input, gas, isStatic: false } as const
    return this.call({ ...call, caller: from.account.address, callerWord: from.word })
  }

  /** Runs the frame on top until the one at the bottom is done; null where the slice is used up before. */
  #drive(): Outcome | null {
    for (;;) {
      if (this.#waiting !== null) {
        if (!this.#resume(this.#waiting)) {
          if (this.#left === Number.POSITIVE_INFINITY) continue
          return null
        }
        if (this.#depth < 0) return this.#outcome(this.result, null)
        this.settle(this.#top(), this.result, null)
      }
      if (this.#left <= 0) return null
      const frame = this.#top()
      const { gas } = frame
      const floor = Math.max(0, gas - this.#left)
      const signal =
        frame.program === null ? runBytes(this, frame, floor) : runProgram(this, frame, frame.program, floor)
      this.#left -= gas - frame.gas
      // What the caller has paid, and nobody used.
      if (signal === ENTER) this.#left += this.#top().gas
      else if (signal === WAITING) this.#left += this.#waiting?.gas ?? 0
      else if (signal === AS_BYTES) {
        frame.pc = frame.program?.places[frame.pc] as number // the loop of a program says so
        frame.program = null
        frame.known = unknown(frame.code)
      } else if (signal === DECODED) {
        frame.program = this.#programs.ripen(frame.known)
        if (frame.program !== null) frame.pc = frame.program.entries[frame.pc] as number // at a JUMPDEST
      } else if (signal === DONE) {
        if (frame.isCreate && frame.fault === null) this.#deposit(frame)
        if (frame.fault !== null) this.#undo(frame)
        const created = frame.isCreate ? frame.self : null
        if (this.#depth === 0) return this.#outcome(frame, created)
        this.#depth--
        this.settle(this.#top(), frame, created)
        frame.release()
      }
    }
  }
  /** Whether the precompile that is waited for is done. */
  #resume({ pending, mark, gas }: Waiting): boolean {
    const answer = pending.resume()
    if (answer === null) return false
    this.#waiting = null
    this.#left -= answer.gasUsed
    this.#answered(answer, mark, gas)
    return true
  }
  #answered({ gasUsed, output, fault }: Precompiled, mark: Mark, gas: number): number {
    if (fault !== null) this.state.revert(mark)
    return this.finish(fault, gas - gasUsed, output)
  }
  #top(): Frame {
    return this.#frames[this.#depth] as Frame // pushed before it is asked for
  }

  /** Code that a creation returned becomes the account's. */
  #deposit(frame: Frame): void {
    const { output } = frame
    if (output.length > CODE_BYTES_MAX) frame.fault = 'code size to deposit exceeds maximum code size'
    else if (!frame.pay(200 * output.length)) frame.fault = OUT_OF_GAS
    else if (output[0] === 0xef) frame.fault = 'invalid bytecode deployed'
    else if (output.length > 0) this.state.setCode(frame.self.account, output)
  }
  #undo(frame: Frame): void {
    this.state.revert(frame.mark)
    this.refund = frame.refundBefore
    if (frame.fault === REVERT) return
    this.#left -= Math.max(0, frame.gas) // some of it was used
    frame.gas = 0
    frame.output = NOTHING
  }
  #outcome({ fault, gas, output }: Result, created: Target | null): Outcome {
    if (fault === REVERT) return { status: 'revert', gasLeft: BigInt(gas), output, created: null, fault: null }
    if (fault !== null) return { status: 'fault', gasLeft: 0n, output: NOTHING, created: null, fault }
    if (this.refund > 0) this.state.setRefund(this.state.refund() + BigInt(this.refund))
    const address = created === null ? null : created.account.address
    return { status: 'success', gasLeft: BigInt(gas), output, created: address, fault: null }
  }

  /** Ends a call that needed no frame. */
  finish(fault: string | null, gas: number, output: Uint8Array): number {
    this.result.fault = fault
    this.result.gas = gas
    this.result.output = output
    return DONE
  }
  /** Gives a callee's result to its caller. */
  settle(parent: Frame, { fault, gas, output }: Result, created: Target | null): void {
    parent.gas += gas
    if (fault === null) {
      parent.push(created === null ? 1n : created.word)
      parent.returned = created === null ? output : NOTHING
    } else {
      parent.push(0n)
      parent.returned = fault === REVERT ? output : NOTHING
    }
    const { returned, outBytes } = parent
    if (outBytes === 0 || returned.length === 0) return
    parent.memory.set(returned.length > outBytes ? returned.subarray(0, outBytes) : returned, parent.outAt)
  }

  target(word: bigint): Target {
    const near = this.#targets[Number(BigInt.asUintN(8, word))]
    return near !== undefined && near.word === word ? near : this.#load(word, asAddress(bytesFrom(word, 20)))
  }
  targetAt(address: Address): Target {
    const word = wordFrom(address)
    const near = this.#targets[Number(BigInt.asUintN(8, word))]
    return near !== undefined && near.word === word ? near : this.#load(word, address)
  }
  /** False where this gas cannot pay for an account that nobody has looked at yet: then nobody may, for that reads the store. */
  canLook(word: bigint, gas: number): boolean {
    if (gas >= COLD_ACCOUNT_GAS || this.#targets[Number(BigInt.asUintN(8, word))]?.word === word) return true
    const address = asAddress(bytesFrom(word, 20))
    if (this.state.isLoaded(address)) return true
    const hex = bytesToHex(address)
    return this.#natives.has(hex) || this.#precompiles.has(hex)
  }
  #load(word: bigint, address: Address): Target {
    const account = this.state.load(address)
    const { hex } = account
    const target = new Target(word, account, this.#natives.get(hex), this.#precompiles.get(hex))
    this.#targets[Number(BigInt.asUintN(8, word))] = target
    return target
  }
  slot(account: Account, key: bigint): Slot {
    const at = Number(BigInt.asUintN(8, key))
    const near = this.#slots[at]
    if (near !== undefined && this.#slotTurns[at] === this.#turn && near.key === key && near.account === account)
      return near
    const slot = this.state.loadSlot(account, key)
    this.#slots[at] = slot
    this.#slotTurns[at] = this.#turn
    return slot
  }
  /** EIP-2929: what is built in is always warm. */
  access(target: Target, warmGas: number): number {
    if (target.isBuiltIn || !this.state.warmAccount(target.account)) return warmGas
    return COLD_ACCOUNT_GAS
  }
  isDead({ account }: Target, code: Code): boolean {
    return account.nonce === 0n && account.balance === 0n && code.bytes.length === 0
  }

  /** Moves value, and touches its receiver (EIP-161). False where the sum is no word. */
  transfer(from: Account, to: Target, value: bigint): boolean {
    const { state } = this
    const { account } = to
    if (value === 0n) {
      if (account.nonce === 0n && account.balance === 0n && account.exists) state.setBalance(account, 0n)
      return true
    }
    state.setBalance(from, from.balance - value)
    const sum = account.balance + value
    if (sum > WORD_MAX) return false
    state.setBalance(account, sum)
    return true
  }

  /** ENTER with a frame for the callee, WAITING, or DONE with its result. */
  call(call: Call): number {
    const { state } = this
    const { kind, callee, gas } = call
    const mark = state.checkpoint()
    const moves = kind === 'call' || kind === 'staticcall'
    if (moves && !this.transfer(call.from.account, callee, call.value)) {
      state.revert(mark)
      return this.finish('value overflow', gas, NOTHING)
    }
    if (callee.native !== undefined) return this.#callNative(call, callee.native, mark)
    if (callee.precompile !== undefined) {
      const answer = callee.precompile(call.input, gas)
      if (!('resume' in answer)) return this.#answered(answer, mark, gas)
      this.#waiting = { pending: answer, mark, gas }
      return WAITING
    }
    let code = callee.code(state)
    if (isDelegation(code.bytes)) {
      const delegate = this.target(wordFrom(code.bytes.subarray(3)))
      if (this.#depth < 0) state.warmAccount(delegate.account)
      code = delegate.code(state)
    }
    if (code.bytes.length === 0) return this.finish(null, gas, NOTHING)
    const frame = this.#push(call.self, code, gas, mark)
    frame.callerWord = call.callerWord
    frame.caller = call.caller
    frame.value = call.value
    frame.input = call.input
    frame.isStatic = call.isStatic
    frame.isCreate = false
    frame.known = callee.known(code, this.#programs)
    frame.program = this.#programs.ripen(frame.known)
    return ENTER
  }
  #callNative(call: Call, native: Native, mark: Mark): number {
    const { gas, kind, isStatic } = call
    const isOwn = kind === 'call' || kind === 'staticcall'
    const result = native(
      {
        kind: isOwn ? (isStatic ? 'staticcall' : 'call') : kind,
        depth: this.#depth + 1,
        caller: call.caller,
        address: call.self.account.address,
        codeAddress: call.callee.account.address,
        value: call.value,
        input: call.input,
        gas: BigInt(gas),
        isStatic,
        origin: this.message.origin,
      },
      this.state,
      this.block,
    )
    const gasUsed = Number(result.gasUsed)
    assert(gasUsed <= gas, 'a native uses at most its gas')
    if (result.status === 'success') return this.finish(null, gas - gasUsed, result.output)
    this.state.revert(mark)
    if (result.status === 'revert') return this.finish(REVERT, gas - gasUsed, result.output)
    return this.finish(OUT_OF_GAS, 0, NOTHING)
  }

  /** ENTER with a frame for the initcode, or DONE with why there is none. The caller can pay the value and has counted its nonce. */
  create(from: Target, address: Address, value: bigint, initcode: Uint8Array, gas: number): number {
    const { state } = this
    const self = this.targetAt(address)
    state.warmAccount(self.account) // stays warm whatever becomes of it
    const mark = state.checkpoint()
    if (initcode.length > INITCODE_BYTES_MAX) return this.finish('initcode exceeds max initcode size', 0, NOTHING)
    if (self.account.nonce > 0n || self.code(state).bytes.length > 0) return this.finish('create collision', 0, NOTHING)
    state.markCreated(self.account)
    state.setNonce(self.account, 1n)
    if (!this.transfer(from.account, self, value)) {
      state.revert(mark)
      return this.finish('value overflow', gas, NOTHING)
    }
    const code = { bytes: initcode, jumps: jumpsOf(initcode), hash: KECCAK_EMPTY }
    const frame = this.#push(self, code, gas, mark)
    frame.callerWord = from.word
    frame.caller = from.account.address
    frame.value = value
    frame.input = NOTHING
    frame.isStatic = false
    frame.isCreate = true
    frame.program = null
    frame.known = unknown(code)
    return ENTER
  }

  #push(self: Target, code: Code, gas: number, mark: Mark): Frame {
    const depth = ++this.#depth
    const frame = this.#frames[depth] ?? new Frame(depth, self)
    this.#frames[depth] = frame
    frame.self = self
    frame.code = code
    frame.gas = gas
    frame.mark = mark
    frame.refundBefore = this.refund
    frame.sp = 0
    frame.pc = 0
    frame.fault = null
    frame.output = NOTHING
    return frame
  }
}
