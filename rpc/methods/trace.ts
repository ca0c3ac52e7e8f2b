// debug_trace*: blocks and calls run again with geth's tracers.
import { NodeError } from '../../chain/base/errors.ts'
import {
  type BlockRef,
  blockRef,
  type Codec,
  flag,
  hash,
  number,
  object,
  oneOf,
  optional,
} from '../../chain/base/schema.ts'
import type { CallAnswer, Json, TraceOptions } from '../../chain/types/call.ts'
import { type Ctx, defineMethod, mustHeight, RpcErrors } from '../method.ts'
import { callRequest, stateOverrides } from './eth-state.ts'

const TRACERS = {
  callTracer: 'call',
  prestateTracer: 'prestate',
  '4byteTracer': '4byte',
  flatCallTracer: 'flatCall',
} as const
const fields = object({
  tracer: optional(oneOf('callTracer', 'prestateTracer', '4byteTracer', 'flatCallTracer')),
  tracerConfig: optional(object({ onlyTopCall: optional(flag), withLog: optional(flag), diffMode: optional(flag) })),
  disableStack: optional(flag),
  disableStorage: optional(flag),
  enableMemory: optional(flag),
  enableReturnData: optional(flag),
  limit: optional(number),
  stateOverrides: optional(stateOverrides),
})
type Fields = typeof fields extends Codec<infer T> ? T : never

const optionsOf = (given: Fields | null): TraceOptions => ({
  tracer: given === null || given.tracer === null ? 'struct' : TRACERS[given.tracer],
  onlyTopCall: given?.tracerConfig?.onlyTopCall ?? false,
  withLog: given?.tracerConfig?.withLog ?? false,
  diffMode: given?.tracerConfig?.diffMode ?? false,
  disableStack: given?.disableStack ?? false,
  disableStorage: given?.disableStorage ?? false,
  enableMemory: given?.enableMemory ?? false,
  enableReturnData: given?.enableReturnData ?? false,
  stepsMax: given?.limit ?? 0,
})

const jsonOf = (answer: CallAnswer): Json => {
  if (answer.kind !== 'trace') throw new NodeError(RpcErrors.INTERNAL, undefined)
  return answer.json
}

const traceBlock = async (ctx: Ctx, ref: BlockRef, given: Fields | null): Promise<Json> => {
  const height = mustHeight(ctx.chain, ref)
  return jsonOf(
    await ctx.calls.run({ kind: 'traceBlock', height, pending: false, index: null, trace: optionsOf(given) }),
  )
}

const options = optional(fields)

export const traces = [
  defineMethod('debug_traceTransaction', {
    summary:
      'Runs a transaction again with a tracer: the struct logger, or callTracer, prestateTracer, 4byteTracer, flatCallTracer.',
    params: [
      ['hash', hash],
      ['options', options],
    ],
    access: 'local',
    async run(ctx, [txHash, given]) {
      const place = ctx.chain.place(txHash)
      if (place === null) throw new NodeError(RpcErrors.UNSUPPORTED, { reason: 'transaction not found' })
      const job = {
        kind: 'traceBlock',
        height: place.height,
        pending: false,
        index: place.index,
        trace: optionsOf(given),
      } as const
      return jsonOf(await ctx.calls.run(job))
    },
  }),
  defineMethod('debug_traceBlockByNumber', {
    summary: 'Traces of all transactions of a block.',
    params: [
      ['block', blockRef],
      ['options', options],
    ],
    access: 'local',
    run: (ctx, [ref, given]) => traceBlock(ctx, ref, given),
  }),
  defineMethod('debug_traceBlockByHash', {
    summary: 'Traces of all transactions of a block.',
    params: [
      ['hash', hash],
      ['options', options],
    ],
    access: 'local',
    run: (ctx, [blockHash, given]) => traceBlock(ctx, { blockHash }, given),
  }),
  defineMethod('debug_traceCall', {
    summary: 'Runs a call with a tracer.',
    params: [
      ['transaction', callRequest],
      ['block', blockRef],
      ['options', options],
    ],
    access: 'local',
    async run(ctx, [request, ref, given]) {
      const at = { height: mustHeight(ctx.chain, ref), pending: false }
      const state = given?.stateOverrides ?? []
      return jsonOf(
        await ctx.calls.run({ ...at, kind: 'traceCall', request, state, block: null, trace: optionsOf(given) }),
      )
    },
  }),
] as const
