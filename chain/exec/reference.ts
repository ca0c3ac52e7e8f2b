// The reference engine: @ethereumjs/evm 10.1.3 behind the seam. Owns the adapter that maps the library's state manager and
// journal onto our State (no second cache), and what the library does not tell a precompile: caller, value, static flag, kind.
// One execution at a time per engine. Slow and well known: tracing, differential tests, and the first engine that runs blocks.
import { type Common, createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import {
  EVM,
  EVMError,
  type EVMOpts,
  type EVMResult,
  type Message as EvmMessage,
  type ExecResult,
  type InterpreterStep,
  NobleBN254,
  type PrecompileInput,
} from '@ethereumjs/evm'
import { Account as EvmAccount, Address as EvmAddress, type KZG } from '@ethereumjs/util'
import {
  asAddress,
  asHash,
  bigintToBytes,
  bigintToFixed,
  bytesToBigint,
  bytesToHex,
  type Hash,
  type Hex,
  hexToBytes,
} from '../base/bytes.ts'
import { curves, keccak, verifyKzgProof } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { minBigint } from '../base/math.ts'
import type { BlockContext, CallKind, Frame, Native, NativeTable } from '../types/frame.ts'
import type { Log } from '../types/receipt.ts'
import type { Mark, State } from '../types/state.ts'
import { INITCODE_MAX_BYTES } from '../types/tx.ts'
import type { Engine, Message, Outcome, Tracer } from './engine.ts'

const EngineErrors = defineErrors('EVM', {
  RECOVER: { text: () => 'the signature fits no key' },
})

type StateManager = NonNullable<EVMOpts['stateManager']>
type Journal = EVM['journal']

/** What one execution works on; swapped in before and out after. */
interface Running {
  readonly state: State
  readonly block: BlockContext
  readonly natives: NativeTable
  readonly tracer: Tracer | undefined
  readonly forbidsCreation: boolean
}

const settled = Promise.resolve()

/** The library's state manager over the running State. Values cross as the library wants them: bytes without leading zeros. */
class StateAdapter {
  running: Running | null = null
  readonly #marks: Mark[] = []

  get state(): State {
    assert(this.running !== null, 'the adapter is used while an execution runs')
    return this.running.state
  }
  reset(): void {
    this.#marks.length = 0
  }

  async getAccount(address: EvmAddress): Promise<EvmAccount | undefined> {
    const account = this.state.load(asAddress(address.bytes))
    if (!account.exists) return undefined
    return new EvmAccount(account.nonce, account.balance, undefined, account.codeHash)
  }
  async putAccount(address: EvmAddress, account?: EvmAccount): Promise<void> {
    const mine = this.state.load(asAddress(address.bytes))
    if (account === undefined) return this.state.destroy(mine)
    // Equal values still count as a touch (EIP-161), which setBalance records.
    this.state.setBalance(mine, account.balance)
    if (mine.nonce !== account.nonce) this.state.setNonce(mine, account.nonce)
  }
  async deleteAccount(address: EvmAddress): Promise<void> {
    this.state.destroy(this.state.load(asAddress(address.bytes)))
  }
  async modifyAccountFields(address: EvmAddress, fields: { nonce?: bigint; balance?: bigint }): Promise<void> {
    const mine = this.state.load(asAddress(address.bytes))
    if (fields.balance !== undefined) this.state.setBalance(mine, fields.balance)
    if (fields.nonce !== undefined) this.state.setNonce(mine, fields.nonce)
  }
  async putCode(address: EvmAddress, value: Uint8Array): Promise<void> {
    this.state.setCode(this.state.load(asAddress(address.bytes)), value)
  }
  async getCode(address: EvmAddress): Promise<Uint8Array> {
    return this.state.codeOf(this.state.load(asAddress(address.bytes))).bytes
  }
  async getCodeSize(address: EvmAddress): Promise<number> {
    return this.state.codeOf(this.state.load(asAddress(address.bytes))).bytes.length
  }
  async getStorage(address: EvmAddress, key: Uint8Array): Promise<Uint8Array> {
    return bigintToBytes(this.state.loadSlot(this.state.load(asAddress(address.bytes)), bytesToBigint(key)).value)
  }
  async putStorage(address: EvmAddress, key: Uint8Array, value: Uint8Array): Promise<void> {
    const slot = this.state.loadSlot(this.state.load(asAddress(address.bytes)), bytesToBigint(key))
    this.state.setSlot(slot, bytesToBigint(value))
  }
  /** Asked for at creation only, where the address has no storage: whoever has none of nonce and code has none of it. */
  clearStorage(): Promise<void> {
    return settled
  }
  readonly originalStorageCache = {
    get: async (address: EvmAddress, key: Uint8Array): Promise<Uint8Array> =>
      bigintToBytes(this.state.loadSlot(this.state.load(asAddress(address.bytes)), bytesToBigint(key)).original),
    clear: (): void => {},
  }
  async checkpoint(): Promise<void> {
    this.#marks.push(this.state.checkpoint())
  }
  async commit(): Promise<void> {
    this.#marks.pop()
  }
  async revert(): Promise<void> {
    const mark = this.#marks.pop()
    assert(mark !== undefined, 'a revert follows its checkpoint')
    this.state.revert(mark)
  }
  async getStateRoot(): Promise<Uint8Array> {
    return assertUnused('getStateRoot')
  }
  async setStateRoot(): Promise<void> {
    assertUnused('setStateRoot')
  }
  async hasStateRoot(): Promise<boolean> {
    return assertUnused('hasStateRoot')
  }
  clearCaches(): void {}
  shallowCopy(): StateManager {
    return assertUnused('shallowCopy')
  }
}

const assertUnused = (name: string): never => {
  assert(false, `the engine does not call ${name}`)
  throw new NodeError(EngineErrors.RECOVER, undefined) // not reached: tells the compiler so
}

/** The library's journal: warm sets live in our State, so that one undo log reverts everything. */
class JournalAdapter {
  readonly #adapter: StateAdapter
  readonly #isPrecompile: (hex: Hex) => boolean
  constructor(adapter: StateAdapter, isPrecompile: (hex: Hex) => boolean) {
    this.#adapter = adapter
    this.#isPrecompile = isPrecompile
  }
  putAccount(address: EvmAddress, account: EvmAccount | undefined): Promise<void> {
    return this.#adapter.putAccount(address, account)
  }
  deleteAccount(address: EvmAddress): Promise<void> {
    return this.#adapter.deleteAccount(address)
  }
  checkpoint(): Promise<void> {
    return this.#adapter.checkpoint()
  }
  commit(): Promise<void> {
    return this.#adapter.commit()
  }
  revert(): Promise<void> {
    return this.#adapter.revert()
  }
  cleanJournal(): void {}
  async cleanup(): Promise<void> {}
  addAlwaysWarmAddress(hex: string): void {
    this.addWarmedAddress(hexToBytes(hex.startsWith('0x') ? hex : `0x${hex}`))
  }
  isWarmedAddress(bytes: Uint8Array): boolean {
    const { state } = this.#adapter
    const account = state.load(asAddress(bytes))
    return state.isWarmAccount(account) || this.#isPrecompile(account.hex)
  }
  addWarmedAddress(bytes: Uint8Array): void {
    const { state } = this.#adapter
    state.warmAccount(state.load(asAddress(bytes)))
  }
  isWarmedStorage(address: Uint8Array, key: Uint8Array): boolean {
    const { state } = this.#adapter
    return state.isWarmSlot(state.loadSlot(state.load(asAddress(address)), bytesToBigint(key)))
  }
  addWarmedStorage(address: Uint8Array, key: Uint8Array): void {
    const { state } = this.#adapter
    state.warmSlot(state.loadSlot(state.load(asAddress(address)), bytesToBigint(key)))
  }
}

/** The library with the frame kept for precompiles. `_executeCall` is protected and pinned by the exact version. */
class FramedEvm extends EVM {
  readonly adapter: StateAdapter
  #message: EvmMessage | null = null

  constructor(opts: EVMOpts, adapter: StateAdapter) {
    super(opts)
    this.adapter = adapter
    // The class has private fields that its users never touch; ours has the methods they call.
    this.journal = new JournalAdapter(adapter, (hex) => this.getPrecompile(hex) !== undefined) as unknown as Journal
    this.#createAsCode(0xf0)
    this.#createAsCode(0xf5)
  }

  /**
   * To initcode of the abandoned object format (EIP-3540, of no fork) the library answers 0 and leaves all else as it was. By the rules
   * it is code like any other, and halts at its first byte.
   */
  #createAsCode(opcode: 0xf0 | 0xf5): void {
    const entry = this._opcodeMap[opcode]
    assert(entry !== undefined, 'the library creates contracts')
    const own = entry.opHandler
    entry.opHandler = async (runState, common) => {
      const { stack, memory, interpreter, messageGasLimit } = runState
      const [value, offset, length] = stack.peek(3) as [bigint, bigint, bigint]
      const size = Number(length)
      if (this.adapter.running?.forbidsCreation === true && length <= INITCODE_MAX_BYTES) {
        delete runState.messageGasLimit
        stack.popN(opcode === 0xf5 ? 4 : 3)
        runState.returnBytes = new Uint8Array(0)
        stack.push(0n)
        return
      }
      const initcode = size > 1 && size <= INITCODE_MAX_BYTES ? memory.read(Number(offset), size) : null
      if (initcode?.[0] !== 0xef || initcode[1] !== 0 || messageGasLimit === undefined || interpreter.isStatic())
        return own(runState, common)
      delete runState.messageGasLimit
      const [, , , salt] = stack.popN(opcode === 0xf5 ? 4 : 3)
      const made =
        salt === undefined
          ? interpreter.create(messageGasLimit, value, initcode)
          : interpreter.create2(messageGasLimit, value, initcode, bigintToFixed(salt, 32))
      stack.push(await made)
    }
  }

  protected override async _executeCall(message: Parameters<EVM['_executeCall']>[0]): Promise<EVMResult> {
    this.#message = message // a precompile runs before anything can nest, so the last message is its own
    return super._executeCall(message)
  }

  /** Natives are found per height in the running table, built-in precompiles as the library knows them. */
  override getPrecompile(address: EvmAddress | Hex): ReturnType<EVM['getPrecompile']> {
    const hex = typeof address === 'string' ? address : bytesToHex(address.bytes)
    const native = this.adapter.running?.natives.get(hex)
    if (native === undefined) return super.getPrecompile(address)
    return (input) => this.#runNative(native, input)
  }

  #runNative(native: Native, input: PrecompileInput): ExecResult {
    const { running } = this.adapter
    const message = this.#message
    assert(running !== null && message !== null && message.to !== undefined, 'a native runs inside a call')
    const frame: Frame = {
      kind: kindOf(message),
      depth: message.depth,
      caller: asAddress(message.caller.bytes),
      address: asAddress(message.to.bytes),
      codeAddress: asAddress(message.codeAddress.bytes),
      value: message.value,
      input: input.data,
      gas: input.gasLimit,
      isStatic: message.isStatic,
      origin: asAddress(this._tx?.origin.bytes ?? message.caller.bytes),
    }
    const before = running.state.logCount()
    const result = native(frame, running.state, running.block)
    assert(result.gasUsed <= frame.gas, 'a native uses at most its gas')
    const logs = running.state.takeLogs(before)
    for (const log of logs) running.tracer?.log?.(log)
    if (result.status === 'success')
      return {
        returnValue: result.output,
        executionGasUsed: result.gasUsed,
        logs: logs.map(({ address, topics, data }) => [address, [...topics], data]),
      }
    const isRevert = result.status === 'revert'
    return {
      returnValue: isRevert ? result.output : new Uint8Array(0),
      executionGasUsed: isRevert ? result.gasUsed : frame.gas,
      exceptionError: new EVMError(isRevert ? EVMError.errorMessages.REVERT : EVMError.errorMessages.OUT_OF_GAS),
    }
  }
}

/** CALLCODE is a call that keeps its own storage; a direct STATICCALL cannot be told from a CALL under one, and need not. */
const kindOf = (message: EvmMessage): CallKind => {
  if (message.delegatecall) return 'delegatecall'
  if (message.to !== undefined && bytesToHex(message.to.bytes) !== bytesToHex(message.codeAddress.bytes))
    return 'callcode'
  return message.isStatic ? 'staticcall' : 'call'
}

export interface ReferenceOptions {
  readonly chainId: bigint
  /** Osaka everywhere but in the official tests of earlier forks. */
  readonly hardfork?: 'prague' | 'osaka'
}

/** Point evaluation (0x0a) calls verifyProof and nothing else. */
const kzg = {
  verifyProof: (commitment: string, z: string, y: string, proof: string): boolean =>
    verifyKzgProof(hexToBytes(commitment), hexToBytes(z), hexToBytes(y), hexToBytes(proof)),
} as unknown as KZG

export const commonFor = (options: ReferenceOptions): Common =>
  createCustomCommon({ chainId: Number(options.chainId), name: 'novachain' }, Mainnet, {
    hardfork: options.hardfork === 'prague' ? Hardfork.Prague : Hardfork.Osaka,
    customCrypto: {
      keccak256: keccak,
      kzg,
      ecrecover(digest, v, r, s) {
        const key = curves().recover(digest, r, s, v === 28n ? 1 : 0)
        if (key === null) throw new NodeError(EngineErrors.RECOVER, undefined)
        return key
      },
    },
  })

/** One engine runs one message at a time; make another for calls beside a block. */
export function createReferenceEngine(options: ReferenceOptions): Engine {
  const adapter = new StateAdapter()
  const blockchain = {
    async getBlock(number: number) {
      const { running } = adapter
      assert(running !== null, 'BLOCKHASH runs inside a block')
      return { hash: () => running.block.blockHash(number) }
    },
    shallowCopy: () => assertUnused('shallowCopy'),
  }
  const evm = new FramedEvm(
    {
      common: commonFor(options),
      stateManager: adapter,
      blockchain: blockchain as unknown as NonNullable<EVMOpts['blockchain']>, // only getBlock().hash() is ever asked
      bn254: new NobleBN254(),
    },
    adapter,
  )
  return {
    name: 'reference',
    async execute(message, state, block, natives, { tracer } = {}) {
      assert(adapter.running === null, 'one execution at a time per engine')
      adapter.running = { state, block, natives, tracer, forbidsCreation: message.forbidsCreation }
      adapter.reset()
      if (tracer !== undefined) attach(evm, tracer)
      try {
        return finish(await evm.runCall(callOf(message, block)), message, state)
      } finally {
        adapter.running = null
        evm.events.removeAllListeners()
        evm.transientStorage.clear()
      }
    },
  }
}

const callOf = (message: Message, block: BlockContext): Parameters<EVM['runCall']>[0] => ({
  block: {
    header: {
      number: BigInt(block.number),
      coinbase: new EvmAddress(block.coinbase),
      timestamp: BigInt(block.time),
      difficulty: 0n,
      prevRandao: block.prevRandao,
      gasLimit: block.gasLimit,
      baseFeePerGas: block.baseFeeWei,
      slotNumber: 0n,
      getBlobGasPrice: () => 1n, // no blobs: excess is always 0, and the price at 0 is 1
    },
  },
  gasPrice: message.gasPriceWei,
  origin: new EvmAddress(message.origin),
  caller: new EvmAddress(message.caller),
  gasLimit: message.gas,
  ...(message.to === null ? {} : { to: new EvmAddress(message.to) }),
  value: message.value,
  data: message.input,
  skipNonceIncrement: true,
})

const finish = ({ execResult, createdAddress }: EVMResult, message: Message, state: State): Outcome => {
  const { exceptionError, executionGasUsed, returnValue } = execResult
  const gasLeft = message.gas - executionGasUsed
  if (exceptionError !== undefined) {
    const isRevert = exceptionError.error === EVMError.errorMessages.REVERT
    return {
      status: isRevert ? 'revert' : 'fault',
      gasLeft: isRevert ? gasLeft : 0n,
      output: isRevert ? returnValue : new Uint8Array(0),
      created: null,
      fault: isRevert ? null : exceptionError.error,
    }
  }
  for (const [address, topics, data] of execResult.logs ?? []) state.log(logOf(address, topics, data))
  for (const hex of execResult.selfdestruct?.keys() ?? [])
    if (execResult.createdAddresses?.has(hex) === true) state.destroy(state.load(asAddress(hexToBytes(hex))))
  if (execResult.gasRefund !== undefined && execResult.gasRefund > 0n)
    state.setRefund(state.refund() + execResult.gasRefund)
  const created = createdAddress === undefined ? null : asAddress(createdAddress.bytes)
  return { status: 'success', gasLeft, output: returnValue, created, fault: null }
}

const logOf = (address: Uint8Array, topics: readonly Uint8Array[], data: Uint8Array): Log => ({
  address: asAddress(address),
  topics: topics.map((topic): Hash => asHash(topic)),
  data,
})

/** Forwards the library's events as the seam names them. */
const attach = (evm: FramedEvm, tracer: Tracer): void => {
  const gas: bigint[] = []
  evm.events.on('beforeMessage', (message) => {
    gas.push(message.gasLimit)
    tracer.enter?.(frameOf(message))
  })
  evm.events.on('afterMessage', ({ execResult, createdAddress }) => {
    gas.pop()
    tracer.exit?.({
      gasUsed: execResult.executionGasUsed,
      output: execResult.returnValue,
      error: execResult.exceptionError?.error ?? null,
      created: createdAddress === undefined ? null : asAddress(createdAddress.bytes),
    })
  })
  evm.events.on('step', (step: InterpreterStep) => {
    const topics = step.opcode.code - 0xa0
    if (tracer.log !== undefined && topics >= 0 && topics <= 4) tracer.log(logOfStep(step, topics))
    tracer.step?.({
      pc: step.pc,
      opcode: step.opcode.code,
      name: step.opcode.name,
      gas: step.gasLeft,
      gasCost: step.opcode.dynamicFee ?? BigInt(step.opcode.fee),
      depth: step.depth + 1,
      stack: step.stack,
      memory: step.memory,
      address: asAddress(step.address.bytes),
      refund: step.gasRefund,
    })
  })
}

/** What LOG0 to LOG4 is about to write. Memory it would yet grow into is zeros. */
const logOfStep = (step: InterpreterStep, topics: number): Log => {
  const top = (depth: number): bigint => step.stack.at(-1 - depth) ?? 0n
  // One that has no gas for so much memory fails anyway.
  const [from, size] = [Number(minBigint(top(0), LOG_BYTES_MAX)), Number(minBigint(top(1), LOG_BYTES_MAX))]
  const data = new Uint8Array(size)
  data.set(step.memory.subarray(from, from + size))
  const words = Array.from({ length: topics }, (_, i) => asHash(bigintToFixed(top(2 + i), 32)))
  return { address: asAddress(step.address.bytes), topics: words, data }
}
/** 8 gas a byte: a transaction's gas buys 2 MB at most. */
const LOG_BYTES_MAX = 4_000_000n

const frameOf = (message: EvmMessage): Frame => {
  const to = message.to?.bytes ?? new Uint8Array(20)
  return {
    kind: message.to === undefined ? (message.salt === undefined ? 'create' : 'create2') : kindOf(message),
    depth: message.depth,
    caller: asAddress(message.caller.bytes),
    address: asAddress(to),
    codeAddress: asAddress(message.to === undefined ? to : message.codeAddress.bytes),
    value: message.value,
    input: message.data,
    gas: message.gasLimit,
    isStatic: message.isStatic,
    origin: asAddress(message.caller.bytes),
  }
}
