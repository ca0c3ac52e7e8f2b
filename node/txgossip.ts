// Transactions between pools: what users send to this node goes to all in batches, what peers send is admitted like a user's.
import { NodeError } from '../chain/base/errors.ts'
import type { Log, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Tx } from '../chain/types/tx.ts'
import type { Judgement, Network, PeerId } from '../p2p/network.ts'
import { decodeTxs, encodeTxs, isMalformed } from '../p2p/wire.ts'

/** A batch leaves when it is so large, or its first transaction so old: a message each would be slower than the blocks. */
const BATCH_BYTES = 256 * 1024
const BATCH_MS = 20
/** Local transactions that are said again to a peer that comes. */
const AGAIN_BYTES = 512 * 1024
/** Beyond so many those that left the pool are looked for, and again when there are twice as many. */
const SWEEP_COUNT = 1_024

export interface TxGossip {
  onPublished(bytes: Uint8Array, from: PeerId): Promise<Judgement>
  /** A new peer may lack what waits here. */
  onPeer(): void
  close(): void
}

export interface TxGossipDeps {
  readonly chain: Chain
  readonly network: () => Network | null
  readonly timers: Timers
  readonly log: Log
}

export function createTxGossip({ chain, network, timers, log }: TxGossipDeps): TxGossip {
  let batch: Uint8Array[] = []
  let sizeBytes = 0
  let unset: (() => void) | null = null
  /** Local transactions, oldest first, until they are mined or swept; the pool’s own objects, which a block it offers shares. */
  const waiting = new Set<Tx>()
  let sweepAt = SWEEP_COUNT

  const flush = (): void => {
    unset?.()
    unset = null
    if (batch.length === 0) return
    network()?.publish('txs', encodeTxs(batch))
    batch = []
    sizeBytes = 0
  }
  const isAlone = (): boolean => (network()?.peers().length ?? 0) === 0
  const say = (raw: Uint8Array): void => {
    if (batch.length === 0 && isAlone()) return // who comes is told what waits
    if (sizeBytes + raw.length > BATCH_BYTES) flush()
    batch.push(raw)
    sizeBytes += raw.length
    unset ??= timers.after(BATCH_MS, flush)
  }
  /** What was replaced or evicted is never mined, so no block takes it out. */
  const sweep = (): void => {
    for (const tx of waiting) if (chain.pool.get(tx.hash) !== tx) waiting.delete(tx)
    sweepAt = Math.max(SWEEP_COUNT, 2 * waiting.size)
  }
  const unwatch = [
    chain.watch('local', (tx) => {
      waiting.add(tx)
      if (waiting.size >= sweepAt) sweep()
      say(tx.raw)
    }),
    chain.watch('head', ({ txs }) => {
      for (const tx of txs) waiting.delete(tx)
    }),
  ]

  return {
    async onPublished(bytes, from) {
      const txs = read(bytes)
      if (txs === null) return 'reject'
      const answers = await chain.submitAll(txs, 'peer')
      // No state makes it valid, so whoever passed it on did not look. What the pool refuses is nobody's fault.
      const fault = answers.find((answer) => answer instanceof NodeError && !answer.code.startsWith('POOL_'))
      if (fault instanceof NodeError) {
        log.debug({ peer: from, fault: fault.message }, 'a batch of transactions is refused')
        return 'reject'
      }
      return answers.some((answer) => !(answer instanceof NodeError)) ? 'accept' : 'ignore'
    },
    onPeer() {
      sweep()
      let left = AGAIN_BYTES
      for (const { raw } of waiting) {
        left -= raw.length
        if (left < 0) break
        say(raw)
      }
    },
    close() {
      for (const stop of unwatch) stop()
      unset?.()
    },
  }
}

const read = (bytes: Uint8Array): Uint8Array[] | null => {
  try {
    const txs = decodeTxs(bytes)
    return txs.length === 0 ? null : txs
  } catch (error) {
    if (!isMalformed(error)) throw error
    return null
  }
}
