// eth_simulateV1: its parameters, and its blocks in the spelling of the execution API.
import { bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { blockRef, type Codec, flag, list, object, optional } from '../../chain/base/schema.ts'
import { ethereumBlockBytes } from '../../chain/types/block.ts'
import type { Json, SimulateBlock, SimulatedBlock } from '../../chain/types/call.ts'
import { headerToJson, hexQuantity, logToJson, txToJson } from '../format.ts'
import { defineMethod, mustHeight, RpcErrors } from '../method.ts'
import { blockOverrides, callRequest, overrideOf, stateOverrides } from './eth-state.ts'

const BLOCKS_MAX = 10_000 // how many can run is the chain's to say
const CALLS_MAX = 5_000
const blockFields = object({
  blockOverrides,
  stateOverrides: optional(stateOverrides),
  calls: optional(list(callRequest, CALLS_MAX)),
})
const payloadFields = object({
  blockStateCalls: list(blockFields, BLOCKS_MAX),
  validation: optional(flag),
  traceTransfers: optional(flag),
  returnFullTransactions: optional(flag),
})
interface Payload {
  readonly blocks: readonly SimulateBlock[]
  readonly validation: boolean
  readonly traceTransfers: boolean
  readonly full: boolean
}
const payload: Codec<Payload> = {
  expected: 'an object with blockStateCalls',
  schema: payloadFields.schema,
  decode(value) {
    const decoded = payloadFields.decode(value)
    if (!decoded.ok) return decoded
    const { blockStateCalls, validation, traceTransfers, returnFullTransactions } = decoded.value
    if (blockStateCalls.length === 0) return { ok: false, why: 'empty input' }
    const blocks = blockStateCalls.map((block) => ({
      block: overrideOf(block.blockOverrides),
      state: block.stateOverrides ?? [],
      calls: block.calls ?? [],
    }))
    return {
      ok: true,
      value: {
        blocks,
        validation: validation ?? false,
        traceTransfers: traceTransfers ?? false,
        full: returnFullTransactions ?? false,
      },
    }
  },
}

const HALTED = -32_015

const blockJson = ({ header, hash, txs, calls }: SimulatedBlock, full: boolean): Json => {
  const block = { header, hash, txs: txs.map(({ raw }) => raw), section: null }
  let logIndex = 0
  return {
    ...headerToJson(block),
    size: hexQuantity(ethereumBlockBytes(block)),
    transactions: txs.map((tx, index) => (full ? txToJson(tx, { block, index }) : bytesToHex(tx.hash))),
    uncles: [],
    withdrawals: [],
    calls: calls.map(
      (call, index): Json => ({
        returnData: call.status === 'revert' ? '0x' : bytesToHex(call.output),
        logs: call.logs.map((log) => {
          const place = { blockHash: hash, height: header.number, time: header.time, txHash: txs[index]?.hash ?? hash }
          return logToJson({ ...log, ...place, txIndex: index, logIndex: logIndex++ })
        }),
        gasUsed: hexQuantity(call.gasUsed),
        maxUsedGas: hexQuantity(call.maxUsedGas),
        status: call.status === 'success' ? '0x1' : '0x0',
        ...(call.status === 'revert' && {
          error: { message: call.fault ?? 'execution reverted', code: 3, data: bytesToHex(call.output) },
        }),
        ...(call.status === 'fault' && { error: { message: call.fault ?? 'execution failed', code: HALTED } }),
      }),
    ),
  }
}

export const simulateMethods = [
  defineMethod('eth_simulateV1', {
    summary:
      'Runs blocks of calls that build on each other, over a block, and changes nothing. The stateRoot of a simulated block is not computed and zero; block hooks of native modules do not run; precompiles cannot be moved.',
    params: [
      ['payload', payload],
      ['block', blockRef],
    ],
    async run(ctx, [given, block]) {
      const { full, ...job } = given
      const answer = await ctx.calls.run({
        kind: 'simulate',
        height: mustHeight(ctx.chain, block),
        pending: false,
        ...job,
      })
      if (answer.kind !== 'simulate') throw new NodeError(RpcErrors.INTERNAL, undefined)
      return answer.blocks.map((each) => blockJson(each, full))
    },
  }),
] as const
