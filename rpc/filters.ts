// Polled filters: what happened since the last question. Owns their number and life; matching is here too, for subscriptions.
import { bytesToHex, equalBytes } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Clock } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Json } from '../chain/types/call.ts'
import type { FoundLog, LogFilter } from '../chain/types/query.ts'
import type { Log } from '../chain/types/receipt.ts'
import { logToJson } from './format.ts'
import { type Limits, RpcErrors } from './method.ts'

/** Addresses and topics; the range is the caller's. */
export type LogMatch = Pick<LogFilter, 'addresses' | 'topics'>

export const matches = (match: LogMatch, log: Log): boolean =>
  (match.addresses.length === 0 || match.addresses.some((address) => equalBytes(address, log.address))) &&
  match.topics.every((wanted, i) => {
    const topic = log.topics[i]
    if (topic === undefined) return false
    return wanted.length === 0 || wanted.some((each) => equalBytes(each, topic))
  })

/** A block's logs that match, with their places. */
export function logsOfBlock(chain: Chain, height: number, match: LogMatch): FoundLog[] {
  const [block, receipts, txs] = [chain.block(height), chain.receipts(height), chain.txs(height)]
  if (block === null || receipts === null || txs === null) return []
  const found: FoundLog[] = []
  let logIndex = 0
  for (const [txIndex, receipt] of receipts.entries())
    for (const log of receipt.logs) {
      const tx = txs[txIndex]
      if (tx !== undefined && matches(match, log))
        found.push({
          ...log,
          height,
          blockHash: block.hash,
          time: block.header.time,
          txHash: tx.hash,
          txIndex,
          logIndex,
        })
      logIndex++
    }
  return found
}

type Kind =
  | { readonly kind: 'logs'; readonly match: LogMatch; readonly from: number; readonly to: number | null }
  | { readonly kind: 'blocks' }
  | { readonly kind: 'txs' }

type Filter = { readonly of: Kind; seen: number; usedMs: number; pending: string[] }

export interface Filters {
  add(kind: Kind): string
  /** Since the last call. Throws RPC_FILTER. */
  changes(id: string): Json
  kind(id: string): Kind
  remove(id: string): boolean
  close(): void
}

const PENDING_MAX = 10_000

export function createFilters(chain: Chain, clock: Clock, limits: Pick<Limits, 'filters' | 'filterLifeMs'>): Filters {
  const filters = new Map<string, Filter>()
  let next = 1
  const unwatch = chain.watch('admitted', (tx) => {
    for (const filter of filters.values())
      if (filter.of.kind === 'txs' && filter.pending.length < PENDING_MAX) filter.pending.push(bytesToHex(tx.hash))
  })
  const expire = (): void => {
    for (const [id, filter] of filters) if (clock.nowMs() - filter.usedMs > limits.filterLifeMs) filters.delete(id)
  }
  const must = (id: string): Filter => {
    expire()
    const filter = filters.get(id)
    if (filter === undefined) throw new NodeError(RpcErrors.FILTER, undefined)
    filter.usedMs = clock.nowMs()
    return filter
  }
  return {
    add(kind) {
      expire()
      if (filters.size >= limits.filters)
        throw new NodeError(RpcErrors.UNSUPPORTED, { reason: `${limits.filters} filters are open, which is the most` })
      const id = `0x${(next++).toString(16)}`
      filters.set(id, { of: kind, seen: chain.head().header.number, usedMs: clock.nowMs(), pending: [] })
      return id
    },
    changes(id) {
      const filter = must(id)
      const head = chain.head().header.number
      const from = filter.seen + 1
      filter.seen = head
      const { of } = filter
      if (of.kind === 'txs') return filter.pending.splice(0)
      const out: Json[] = []
      for (let height = from; height <= head; height++) {
        const block = chain.outline(height)
        if (of.kind === 'blocks') {
          if (block !== null) out.push(bytesToHex(block.hash))
        } else if (height >= of.from && (of.to === null || height <= of.to))
          out.push(...logsOfBlock(chain, height, of.match).map(logToJson))
      }
      return out
    },
    kind: (id) => must(id).of,
    remove: (id) => filters.delete(id),
    close: unwatch,
  }
}
