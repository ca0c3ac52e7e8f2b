// When the next block is due: the block time, what waits in the pool, and what `evm_` methods ask for. Owns the network's clock,
// which development networks may lead.
import type { Clock, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { headerTimeMs } from '../chain/types/block.ts'

export interface PaceOptions {
  /** 'interval': a block every block time. 'instant': a block as soon as a transaction is there (tests). */
  readonly sealing: 'interval' | 'instant'
  /** Without transactions a block comes only after this long; null: at every block time. */
  readonly emptyBlocksMs: number | null
}

/** Blocks to seal at once, and who waits for them. */
interface MineOrder {
  left: number
  readonly done: () => void
  readonly failed: (reason: unknown) => void
}

export interface Pace {
  nowMs(): number
  /** Calls back once when a child of the head is due; a new call replaces the old. */
  wait(onDue: (lateMs: number) => void): void
  mine(count: number): Promise<void>
  /** Moves the clock forward and returns the total lead in ms. */
  lead(ms: number): number
  /** A block was committed. */
  sealed(): void
  stop(reason: unknown): void
}

/** The clock is read again at least so often: a host whose clock was an hour behind must not sleep an hour once it is set right. */
const LOOK_EVERY_MS = 1_000

export function createPace(chain: Chain, clock: Clock, timers: Timers, options: PaceOptions): Pace {
  let offsetMs = 0
  const nowMs = (): number => clock.nowMs() + offsetMs
  /** Where blocks come faster than seconds, or evm_mine ran ahead, the chain's time leads the clock; development goes on from there. */
  const follow = (): void => {
    const { development, blockTimeMs, validators } = chain.genesis
    // Several validators with whole seconds between blocks agree by their clocks, and one clock that was wrong is put right again.
    if (!development || (blockTimeMs >= 1_000 && validators.members.length > 1)) return
    const leadMs = headerTimeMs(chain.head().header) - clock.nowMs()
    offsetMs = Math.max(offsetMs, leadMs, 0)
  }
  follow()
  const orders: MineOrder[] = []
  let onDue: ((lateMs: number) => void) | null = null
  let unset = (): void => {}

  const dueMs = (): number => {
    const parentMs = headerTimeMs(chain.head().header)
    if (orders.length > 0) return 0
    const pending = chain.pool.status().pending > 0
    const interval = parentMs + chain.genesis.blockTimeMs
    if (options.sealing === 'instant') return pending ? 0 : Number.POSITIVE_INFINITY
    if (pending || options.emptyBlocksMs === null) return interval
    return Math.max(interval, parentMs + options.emptyBlocksMs)
  }
  const look = (): void => {
    unset()
    if (onDue === null) return
    const due = dueMs()
    const waitMs = due - nowMs()
    if (waitMs > 0) {
      unset = timers.after(Math.min(waitMs, LOOK_EVERY_MS), look)
      return
    }
    const call = onDue
    onDue = null
    call(due === 0 ? 0 : -waitMs)
  }
  const unwatch = chain.watch('admitted', () => {
    if (onDue !== null) look()
  })

  return {
    nowMs,
    wait(callback) {
      onDue = callback
      look()
    },
    mine: (count) =>
      new Promise<void>((done, failed) => {
        if (count === 0) return done()
        orders.push({ left: count, done, failed })
        look()
      }),
    lead(ms) {
      offsetMs += ms
      look()
      return offsetMs
    },
    sealed() {
      follow()
      const order = orders[0]
      if (order === undefined || --order.left > 0) return
      orders.shift()
      order.done()
    },
    stop(reason) {
      unwatch()
      unset()
      onDue = null
      for (const order of orders.splice(0)) order.failed(reason)
    },
  }
}
