// What the fast engine works on: frames with their pooled memory, accounts as instructions name them, and the words its parts
// exchange. Owns no dispatch.
import { type Address, asAddress, concat, type Hash } from '../base/bytes.ts'
import { KECCAK_EMPTY, keccak } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'
import type { CallKind, Native } from '../types/frame.ts'
import type { Account, Code, Mark, State } from '../types/state.ts'
import { type Known, type Program, type ProgramCache, STACK_MAX, unknown } from './opcodes.ts'
import type { Precompile } from './precompiles.ts'
import { bytesFrom } from './words.ts'

export const NOTHING = new Uint8Array(0)
export const NO_CODE: Code = { hash: KECCAK_EMPTY, bytes: NOTHING, jumps: NOTHING }

/** What a handler or a loop says: go on, run the frame just entered, this frame is done, go on as bytes, go on decoded … */
export const NEXT = 0
export const ENTER = 1
export const DONE = 2
export const AS_BYTES = 3
export const DECODED = 4
/** The slice is used up; and the precompile that was called has more to do. */
export const PAUSED = 5
export const WAITING = 6

export const OUT_OF_GAS = 'out of gas'
export const UNDERFLOW = 'stack underflow'
export const OVERFLOW = 'stack overflow'
export const BAD_OPCODE = 'invalid opcode'
export const STATIC = 'static state change'
export const REVERT = 'revert'

export const DEPTH_MAX = 1024
export const INITCODE_BYTES_MAX = 49_152
/** Memory beyond costs 2^45 gas and more. */
const MEMORY_MAX = 2 ** 32
const MEMORY_MAX_GAS = 2 ** 45
/** Memory that a depth keeps for the next frame there. */
const KEPT_BYTES = 65_536

/** An account as instructions name it: by word. */
export class Target {
  readonly word: bigint
  readonly account: Account
  readonly native: Native | undefined
  readonly precompile: Precompile | undefined
  #hash: Hash = KECCAK_EMPTY
  #code: Code = NO_CODE
  #known: Known | null = null
  constructor(word: bigint, account: Account, native: Native | undefined, precompile: Precompile | undefined) {
    this.word = word
    this.account = account
    this.native = native
    this.precompile = precompile
  }
  get isBuiltIn(): boolean {
    return this.native !== undefined || this.precompile !== undefined
  }
  code(state: State): Code {
    const { codeHash } = this.account
    if (codeHash !== this.#hash) {
      this.#code = state.codeOf(this.account)
      this.#hash = codeHash
    }
    return this.#code
  }
  /** The code to run when this account is called, which may be another's by delegation. */
  known(code: Code, programs: ProgramCache): Known {
    if (this.#known?.code.bytes !== code.bytes) this.#known = programs.find(code)
    return this.#known
  }
}

const UNKNOWN = unknown(NO_CODE)

/** One call or creation in progress. Frames live as long as the engine, one for each depth. */
export class Frame {
  readonly depth: number
  readonly stack: bigint[] = []
  sp = 0
  /** The next instruction: of the bytes, or of the program. */
  pc = 0
  gas = 0
  memory = new Uint8Array(1_024)
  view = new DataView(this.memory.buffer)
  sizeBytes = 0
  memoryGas = 0
  code: Code = NO_CODE
  /** What runs; null is the bytes. */
  program: Program | null = null
  known: Known = UNKNOWN
  self: Target
  callerWord = 0n
  caller: Address
  value = 0n
  input: Uint8Array = NOTHING
  #inputView: DataView | null = null
  isStatic = false
  isCreate = false
  mark: Mark = 0
  refundBefore = 0
  /** What the last callee returned. */
  returned: Uint8Array = NOTHING
  /** Where the running callee's output goes. */
  outAt = 0
  outBytes = 0
  output: Uint8Array = NOTHING
  /** Name of the halt; null after success, 'revert' after REVERT. */
  fault: string | null = null

  constructor(depth: number, self: Target) {
    this.depth = depth
    this.self = self
    this.caller = self.account.address
    for (let i = 0; i < STACK_MAX; i++) this.stack.push(0n)
  }
  inputView(): DataView {
    this.#inputView ??= new DataView(this.input.buffer, this.input.byteOffset)
    return this.#inputView
  }
  halt(fault: string): number {
    this.fault = fault
    return DONE
  }
  push(word: bigint): number {
    this.stack[this.sp++] = word
    return NEXT
  }
  /** Takes gas; false when there is not enough. */
  pay(gas: number): boolean {
    this.gas -= gas
    return this.gas >= 0
  }
  /** Pays for memory up to the end of the range and makes it. */
  grow(offset: bigint, length: bigint): boolean {
    const size = Number(length)
    if (size === 0) return true
    const end = Number(offset) + size
    return end <= this.sizeBytes || this.growTo(end)
  }
  growTo(end: number): boolean {
    if (end > MEMORY_MAX) {
      assert(this.gas < MEMORY_MAX_GAS, 'no message pays for 4 GB of memory')
      return false
    }
    const words = Math.ceil(end / 32)
    const cost = 3 * words + Math.floor((words * words) / 512)
    this.gas -= cost - this.memoryGas
    if (this.gas < 0) return false
    this.memoryGas = cost
    this.sizeBytes = words * 32
    if (this.sizeBytes > this.memory.length) {
      const larger = new Uint8Array(Math.max(this.sizeBytes, this.memory.length * 2))
      larger.set(this.memory)
      this.memory = larger
      this.view = new DataView(larger.buffer)
    }
    return true
  }
  /** Leaves memory as the next frame wants it. */
  release(): void {
    if (this.memory.length > KEPT_BYTES) {
      this.memory = new Uint8Array(1_024)
      this.view = new DataView(this.memory.buffer)
    } else if (this.sizeBytes > 0) this.memory.fill(0, 0, this.sizeBytes)
    this.sizeBytes = 0
    this.memoryGas = 0
    this.program = null
    this.known = UNKNOWN
    this.code = NO_CODE
    this.input = NOTHING
    this.#inputView = null
    this.returned = NOTHING
    this.output = NOTHING
  }
}

/** What became of a call: of a frame, or without one. */
export interface Result {
  readonly fault: string | null
  readonly gas: number
  readonly output: Uint8Array
}

/** What is wanted: `callee` has the code, `self` the storage. */
export interface Call {
  readonly kind: CallKind
  readonly callee: Target
  readonly self: Target
  /** Pays the value. */
  readonly from: Target
  readonly caller: Address
  readonly callerWord: bigint
  readonly value: bigint
  readonly input: Uint8Array
  readonly gas: number
  readonly isStatic: boolean
}

export const addressOfCreate = (sender: Address, nonce: bigint): Address =>
  asAddress(keccak(encodeRlp([sender, rlpInt(nonce)])).slice(12))
export const addressOfCreate2 = (sender: Address, salt: bigint, initcode: Uint8Array): Address =>
  asAddress(keccak(concat(Uint8Array.of(0xff), sender, bytesFrom(salt, 32), keccak(initcode))).slice(12))
