// eth_subscribe over one WebSocket. Owns the subscriptions of a connection and their bound; a client that does not read is cut
// by the server, which sees the socket's buffer.
import { bytesToHex } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import { flag, string } from '../chain/base/schema.ts'
import type { Json } from '../chain/types/call.ts'
import { logsOfBlock } from './filters.ts'
import { headerToJson, logToJson, receiptsToJson, txToJson } from './format.ts'
import { type Ctx, RpcErrors } from './method.ts'
import { logFilter, matchOf } from './methods/eth-filter.ts'

const SUBSCRIPTIONS_MAX = rpcLimits.subscriptions.value

export interface Subscriptions {
  readonly methods: ReadonlyMap<string, (params: readonly unknown[]) => Json>
  close(): void
}

export function createSubscriptions({ chain }: Ctx, push: (text: string) => void): Subscriptions {
  const open = new Map<string, () => void>()
  let next = 1

  const subscribe = (params: readonly unknown[]): Json => {
    if (open.size >= SUBSCRIPTIONS_MAX)
      throw new NodeError(RpcErrors.UNSUPPORTED, {
        reason: `${SUBSCRIPTIONS_MAX} subscriptions are open, which is the most`,
      })
    const id = `0x${(next++).toString(16).padStart(32, '0')}`
    const notify = (result: Json): void =>
      push(JSON.stringify({ jsonrpc: '2.0', method: 'eth_subscription', params: { subscription: id, result } }))
    open.set(id, start(params, notify))
    return id
  }

  const start = ([kind, options]: readonly unknown[], notify: (result: Json) => void): (() => void) => {
    switch (kind) {
      case 'newHeads':
        return chain.watch('head', ({ block }) => notify(headerToJson(block)))
      case 'logs': {
        const decoded = logFilter.decode(options ?? {})
        if (!decoded.ok) throw new NodeError(RpcErrors.PARAMS, { name: 'filter', reason: decoded.why })
        const match = matchOf(decoded.value)
        return chain.watch('head', ({ block }) => {
          for (const log of logsOfBlock(chain, block.header.number, match)) notify(logToJson(log))
        })
      }
      case 'newPendingTransactions': {
        const full = flag.decode(options ?? false)
        if (!full.ok) throw new NodeError(RpcErrors.PARAMS, { name: 'full', reason: full.why })
        return chain.watch('admitted', (tx) => notify(full.value ? txToJson(tx, null) : bytesToHex(tx.hash)))
      }
      case 'transactionReceipts':
        return chain.watch('head', ({ block }) => {
          const receipts = receiptsToJson(chain, block.header.number) ?? []
          if (receipts.length > 0) notify(receipts)
        })
      default:
        throw new NodeError(RpcErrors.PARAMS, {
          name: 'subscription',
          reason: 'expected newHeads, logs, newPendingTransactions or transactionReceipts',
        })
    }
  }

  const unsubscribe = ([given]: readonly unknown[]): Json => {
    const id = string.decode(given)
    const stop = id.ok ? open.get(id.value) : undefined
    if (!id.ok || stop === undefined) throw new NodeError(RpcErrors.UNSUPPORTED, { reason: 'subscription not found' })
    stop()
    return open.delete(id.value)
  }

  return {
    methods: new Map([
      ['eth_subscribe', subscribe],
      ['eth_unsubscribe', unsubscribe],
    ]),
    close() {
      for (const stop of open.values()) stop()
      open.clear()
    },
  }
}
