// Tracers in geth's JSON: struct logger, callTracer, prestateTracer, 4byteTracer, flatCallTracer. Owns what each collects; runs
// nothing itself.
import { type Address, asAddress, bytesToHex, equalBytes } from '../base/bytes.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import type { Json, TraceOptions } from '../types/call.ts'
import type { Frame } from '../types/frame.ts'
import type { Log } from '../types/receipt.ts'
import type { Reader } from '../types/state.ts'
import type { Tx } from '../types/tx.ts'
import type { Tracer, TraceStep } from './engine.ts'
import { revertReason } from './revert.ts'
import { isPrecompile, type TxResult } from './tx.ts'

export const TraceErrors = defineErrors('TRACE', {
  STEPS: {
    text: (d: { max: number }) => `the trace is above ${d.max} steps; use callTracer, or disable stack and storage`,
  },
})

/** A tracer and what it says when its transaction is over. */
export interface Collector {
  readonly tracer: Tracer
  finish(tx: Tx, result: TxResult): Json
}
/** State before the transaction, and the running one. */
export interface TraceWorld {
  readonly before: Reader
  readonly state: Reader
  readonly coinbase: Address
}

const STEPS_MAX = 200_000 // some 100 MB of JSON without memory
const hexQuantity = (value: bigint | number): string => `0x${value.toString(16)}`
const hexWord = (value: bigint): string => `0x${value.toString(16).padStart(64, '0')}`

export function createCollector(options: TraceOptions, world: TraceWorld): Collector {
  switch (options.tracer) {
    case 'struct':
      return structLogger(options, world)
    case 'call':
      return callTracer(options)
    case 'prestate':
      return prestateTracer(options, world)
    case '4byte':
      return fourByteTracer()
    case 'flatCall':
      return flatCallTracer()
  }
}

const structLogger = (options: TraceOptions, { state }: TraceWorld): Collector => {
  const logs: Json[] = []
  const storage = new Map<string, Record<string, string>>()
  const max = options.stepsMax === 0 ? STEPS_MAX : options.stepsMax
  const storageAfter = (step: TraceStep): Record<string, string> | null => {
    const [key, value] = [step.stack.at(-1), step.stack.at(-2)]
    if (key === undefined || (step.name !== 'SLOAD' && step.name !== 'SSTORE')) return null
    const hex = bytesToHex(step.address)
    const seen = storage.get(hex) ?? {}
    storage.set(hex, seen)
    seen[hexWord(key).slice(2)] = hexWord(step.name === 'SLOAD' ? state.slot(step.address, key) : (value ?? 0n)).slice(
      2,
    )
    return { ...seen }
  }
  return {
    tracer: {
      step(step) {
        if (logs.length >= max) {
          if (options.stepsMax > 0) return
          throw new NodeError(TraceErrors.STEPS, { max })
        }
        const slots = options.disableStorage ? null : storageAfter(step)
        logs.push({
          pc: step.pc,
          op: step.name,
          gas: Number(step.gas),
          gasCost: Number(step.gasCost),
          depth: step.depth,
          ...(!options.disableStack && { stack: step.stack.map(hexQuantity) }),
          ...(options.enableMemory && { memory: words(step.memory) }),
          ...(slots !== null && { storage: slots }),
          ...(step.refund > 0n && { refund: Number(step.refund) }),
        })
      },
    },
    finish: (_tx, result) => ({
      gas: Number(result.gasUsed),
      failed: result.status === 0,
      returnValue: bytesToHex(result.output),
      structLogs: logs,
    }),
  }
}

const words = (memory: Uint8Array): string[] => {
  const out: string[] = []
  for (let at = 0; at < memory.length; at += 32) out.push(bytesToHex(memory.subarray(at, at + 32)))
  return out
}

interface CallNode {
  type: string
  readonly from: Address
  to: Address | null
  readonly value: bigint | null
  readonly gas: bigint
  gasUsed: bigint
  readonly input: Uint8Array
  output: Uint8Array
  error: string | null
  readonly calls: CallNode[]
  /** `position`: how many calls it made before. */
  logs: { readonly entry: Log; readonly position: number }[]
}

const nodeOf = (frame: Frame): CallNode => ({
  type: frame.kind.toUpperCase(),
  from: frame.kind === 'delegatecall' ? frame.address : frame.caller,
  to: frame.kind === 'create' || frame.kind === 'create2' ? null : frame.codeAddress,
  value: frame.kind === 'staticcall' || frame.kind === 'delegatecall' ? null : frame.value,
  gas: frame.gas,
  gasUsed: 0n,
  input: frame.input,
  output: new Uint8Array(0),
  error: null,
  calls: [],
  logs: [],
})

/** Follows frames into a tree; the root is the transaction's own call. */
const createTree = () => {
  const open: CallNode[] = []
  let root: CallNode | null = null
  const tracer: Tracer = {
    enter(frame) {
      const node = nodeOf(frame)
      open.at(-1)?.calls.push(node)
      root ??= node
      open.push(node)
    },
    exit({ gasUsed, output, error, created }) {
      const node = open.pop()
      if (node === undefined) return
      node.gasUsed = gasUsed
      node.output = output
      node.error = error === 'revert' ? 'execution reverted' : error
      if (created !== null) node.to = created
    },
    step({ name, stack, address }) {
      const top = stack.at(-1)
      if (name !== 'SELFDESTRUCT' || top === undefined) return
      const none = new Uint8Array(0)
      const to = addressOf(top)
      const dead = {
        type: name,
        from: address,
        to,
        value: 0n,
        gas: 0n,
        gasUsed: 0n,
        input: none,
        output: none,
        error: null,
        calls: [],
        logs: [],
      }
      open.at(-1)?.calls.push(dead)
    },
    log(entry) {
      const node = open.at(-1)
      node?.logs.push({ entry, position: node.calls.length })
    },
  }
  return { tracer, root: () => root }
}
const addressOf = (value: bigint): Address => {
  const hex = value.toString(16).padStart(64, '0').slice(24)
  return asAddress(Uint8Array.from({ length: 20 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)))
}

/** What a frame that failed had logged never happened, nor what the calls below it had. */
const callJson = (node: CallNode, options: TraceOptions, undone = false): { [key: string]: Json } => {
  const isUndone = undone || node.error !== null
  const logs = options.withLog && !isUndone ? node.logs : []
  const reason = node.error === 'execution reverted' ? revertReason(node.output) : null
  return {
    from: bytesToHex(node.from),
    gas: hexQuantity(node.gas),
    gasUsed: hexQuantity(node.gasUsed),
    ...(node.to !== null && { to: bytesToHex(node.to) }),
    input: bytesToHex(node.input),
    ...(node.output.length > 0 && { output: bytesToHex(node.output) }),
    ...(node.error !== null && { error: node.error }),
    ...(reason !== null && { revertReason: reason }),
    ...(!options.onlyTopCall &&
      node.calls.length > 0 && { calls: node.calls.map((call) => callJson(call, options, isUndone)) }),
    ...(logs.length > 0 && {
      logs: logs.map(({ entry, position }) => ({
        address: bytesToHex(entry.address),
        topics: entry.topics.map(bytesToHex),
        data: bytesToHex(entry.data),
        position: hexQuantity(position),
      })),
    }),
    ...(node.value !== null && { value: hexQuantity(node.value) }),
    type: node.type,
  }
}

/** The transaction's own numbers for its outermost call: its gas limit, and what it paid for. */
const rootOf = (tree: ReturnType<typeof createTree>, tx: Tx, result: TxResult): CallNode => ({
  ...(tree.root() ??
    nodeOf({ ...NO_FRAME, caller: tx.from, codeAddress: tx.to ?? tx.from, value: tx.value, input: tx.data })),
  gas: tx.gasLimit,
  gasUsed: result.gasUsed,
})
const ZERO = asAddress(new Uint8Array(20))
const NO_FRAME: Frame = {
  kind: 'call',
  depth: 0,
  caller: ZERO,
  address: ZERO,
  codeAddress: ZERO,
  value: 0n,
  input: new Uint8Array(0),
  gas: 0n,
  isStatic: false,
  origin: ZERO,
}

const callTracer = (options: TraceOptions): Collector => {
  const tree = createTree()
  return { tracer: tree.tracer, finish: (tx, result) => callJson(rootOf(tree, tx, result), options) }
}

const fourByteTracer = (): Collector => {
  const tree = createTree()
  return {
    tracer: tree.tracer,
    finish() {
      const counts: Record<string, number> = {}
      const visit = (node: CallNode): void => {
        if (
          node.to !== null &&
          node.input.length >= 4 &&
          !node.type.startsWith('CREATE') &&
          !isPrecompile(node.to, 'osaka')
        ) {
          const id = `${bytesToHex(node.input.subarray(0, 4))}-${node.input.length - 4}`
          counts[id] = (counts[id] ?? 0) + 1
        }
        for (const call of node.calls) visit(call)
      }
      const root = tree.root()
      if (root !== null) visit(root)
      return counts
    },
  }
}

/** Parity's flat list. */
const flatCallTracer = (): Collector => {
  const tree = createTree()
  return {
    tracer: tree.tracer,
    finish(tx, result) {
      const out: Json[] = []
      const visit = (node: CallNode, at: readonly number[]): void => {
        const isCreate = node.type.startsWith('CREATE')
        const action: Json = isCreate
          ? {
              from: bytesToHex(node.from),
              gas: hexQuantity(node.gas),
              init: bytesToHex(node.input),
              value: hexQuantity(node.value ?? 0n),
            }
          : {
              callType: node.type.toLowerCase(),
              from: bytesToHex(node.from),
              gas: hexQuantity(node.gas),
              input: bytesToHex(node.input),
              to: bytesToHex(node.to ?? ZERO),
              value: hexQuantity(node.value ?? 0n),
            }
        const done: Json = isCreate
          ? { address: bytesToHex(node.to ?? ZERO), code: bytesToHex(node.output), gasUsed: hexQuantity(node.gasUsed) }
          : { gasUsed: hexQuantity(node.gasUsed), output: bytesToHex(node.output) }
        const error = node.error === 'execution reverted' ? 'Reverted' : node.error
        out.push({
          action,
          ...(error === null ? { result: done } : { error }),
          subtraces: node.calls.length,
          traceAddress: at,
          type: isCreate ? 'create' : node.type === 'SELFDESTRUCT' ? 'suicide' : 'call',
        })
        for (const [i, call] of node.calls.entries()) visit(call, [...at, i])
      }
      visit(rootOf(tree, tx, result), [])
      return out
    },
  }
}

const prestateTracer = (options: TraceOptions, { before, state, coinbase }: TraceWorld): Collector => {
  const touched = new Map<string, { readonly address: Address; readonly keys: Set<bigint> }>()
  const touch = (address: Address): Set<bigint> => {
    const hex = bytesToHex(address)
    const entry = touched.get(hex) ?? { address, keys: new Set<bigint>() }
    touched.set(hex, entry)
    return entry.keys
  }
  const show = (reader: Reader, address: Address, keys: ReadonlySet<bigint>): { [key: string]: Json } | null => {
    const account = reader.account(address)
    if (account === undefined) return null
    const code = reader.code(account.codeHash).bytes
    const slots = [...keys].map((key) => [key, reader.slot(address, key)] as const).filter(([, value]) => value !== 0n)
    return {
      balance: hexQuantity(account.balance),
      ...(account.nonce > 0n && { nonce: Number(account.nonce) }),
      ...(code.length > 0 && { code: bytesToHex(code) }),
      ...(slots.length > 0 && {
        storage: Object.fromEntries(slots.map(([key, value]) => [hexWord(key), hexWord(value)])),
      }),
    }
  }
  return {
    tracer: {
      enter({ caller, address, codeAddress }) {
        for (const each of [caller, address, codeAddress]) if (!equalBytes(each, ZERO)) touch(each)
      },
      exit({ created }) {
        if (created !== null) touch(created)
      },
      step({ name, stack, address }) {
        const [top, second] = [stack.at(-1), stack.at(-2)]
        if ((name === 'SLOAD' || name === 'SSTORE') && top !== undefined) touch(address).add(top)
        else if (/^(EXTCODE.*|BALANCE|SELFDESTRUCT)$/.test(name) && top !== undefined) touch(addressOf(top))
        else if (/CALL(CODE)?$/.test(name) && second !== undefined) touch(addressOf(second))
      },
    },
    finish(tx) {
      for (const address of [tx.from, coinbase, ...(tx.to === null ? [] : [tx.to])]) touch(address)
      const pre: Record<string, Json> = {}
      const post: Record<string, Json> = {}
      for (const [hex, { address, keys }] of touched) {
        const [was, is] = [show(before, address, keys), show(state, address, keys)]
        const isSame = JSON.stringify(was) === JSON.stringify(is)
        if (was !== null && !(options.diffMode && isSame)) pre[hex] = was
        if (is !== null && !isSame) post[hex] = is
      }
      return options.diffMode ? { pre, post } : pre
    },
  }
}
