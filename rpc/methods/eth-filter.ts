// eth_: logs by range, and polled filters.
import type { Address, Hash } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { address, blockRef, type Codec, either, hash, list, object, optional, string } from '../../chain/base/schema.ts'
import type { Json } from '../../chain/types/call.ts'
import type { LogMatch } from '../filters.ts'
import { logToJson } from '../format.ts'
import { type Ctx, defineMethod, heightOf, mustHeight, RpcErrors } from '../method.ts'

const ADDRESSES_MAX = 1_000
const TOPICS_MAX = 4
const ALTERNATIVES_MAX = 1_000
const fields = object({
  fromBlock: optional(blockRef),
  toBlock: optional(blockRef),
  blockHash: optional(hash),
  address: optional(either(address, list(address, ADDRESSES_MAX))),
  topics: optional(list(optional(either(hash, list(hash, ALTERNATIVES_MAX))), TOPICS_MAX)),
})
type Fields = typeof fields extends Codec<infer T> ? T : never

const listOf = <T extends Address | Hash>(value: T | readonly T[] | null): readonly T[] =>
  value === null ? [] : value instanceof Uint8Array ? [value] : value

/** What a filter object selects, without its range. */
export const matchOf = (filter: Fields): LogMatch => ({
  addresses: listOf(filter.address),
  topics: (filter.topics ?? []).map(listOf),
})
export { fields as logFilter }

const rangeOf = ({ chain, limits }: Ctx, filter: Fields): { readonly from: number; readonly to: number } => {
  const head = chain.head().header.number
  if (filter.blockHash !== null) {
    if (filter.fromBlock !== null || filter.toBlock !== null)
      throw new NodeError(RpcErrors.RANGE, { reason: 'cannot specify both blockHash and fromBlock/toBlock' })
    const height = mustHeight(chain, { blockHash: filter.blockHash })
    return { from: height, to: height }
  }
  const height = (ref: Fields['fromBlock']): number =>
    ref === null ? head : 'height' in ref ? ref.height : mustHeight(chain, ref)
  const [from, asked] = [height(filter.fromBlock), height(filter.toBlock)]
  if (from > asked) throw new NodeError(RpcErrors.RANGE, { reason: `fromBlock ${from} is above toBlock ${asked}` })
  const to = Math.min(asked, head)
  if (to - from >= limits.logBlocks)
    throw new NodeError(RpcErrors.RANGE, { reason: `${to - from + 1} blocks, at most ${limits.logBlocks}` })
  return { from, to }
}

const findLogs = async (ctx: Ctx, filter: Fields): Promise<Json> => {
  const range = rangeOf(ctx, filter)
  if (range.from > range.to) return []
  const found = await ctx.chain.logs({ ...range, ...matchOf(filter), resultsMax: ctx.limits.logResults })
  return found.map(logToJson)
}

export const ethFilter = [
  defineMethod('eth_getLogs', {
    summary: 'Logs of a range of blocks, by address and topic.',
    params: [['filter', fields]],
    run: (ctx, [filter]) => findLogs(ctx, filter),
  }),
  defineMethod('eth_newFilter', {
    summary: 'Opens a filter of logs, polled by eth_getFilterChanges.',
    params: [['filter', fields]],
    run(ctx, [filter]) {
      const head = ctx.chain.head().header.number
      const from = filter.fromBlock === null ? head : (heightOf(ctx.chain, filter.fromBlock) ?? head)
      const to = filter.toBlock !== null && 'height' in filter.toBlock ? filter.toBlock.height : null
      return ctx.filters.add({ kind: 'logs', match: matchOf(filter), from, to })
    },
  }),
  defineMethod('eth_newBlockFilter', {
    summary: 'Opens a filter of new block hashes.',
    params: [],
    run: ({ filters }) => filters.add({ kind: 'blocks' }),
  }),
  defineMethod('eth_newPendingTransactionFilter', {
    summary: 'Opens a filter of hashes of transactions that enter the pool.',
    params: [],
    run: ({ filters }) => filters.add({ kind: 'txs' }),
  }),
  defineMethod('eth_getFilterChanges', {
    summary: 'What a filter saw since the last call.',
    params: [['id', string]],
    run: ({ filters }, [id]) => filters.changes(id),
  }),
  defineMethod('eth_getFilterLogs', {
    summary: 'All logs of a filter of logs.',
    params: [['id', string]],
    async run(ctx, [id]) {
      const kind = ctx.filters.kind(id)
      if (kind.kind !== 'logs') throw new NodeError(RpcErrors.FILTER, undefined)
      const to = Math.min(kind.to ?? Number.MAX_SAFE_INTEGER, ctx.chain.head().header.number)
      const from = Math.max(kind.from, to - ctx.limits.logBlocks + 1)
      if (from > to) return []
      const found = await ctx.chain.logs({ from, to, ...kind.match, resultsMax: ctx.limits.logResults })
      return found.map(logToJson)
    },
  }),
  defineMethod('eth_uninstallFilter', {
    summary: 'Closes a filter.',
    params: [['id', string]],
    run: ({ filters }, [id]) => filters.remove(id),
  }),
] as const
