// Where one block did not hold all that waited, the next is built while its time has not come: whoever leads its first round runs it so
// early that it is ready when it is due. Owns when that begins and whether what was made is still what consensus asks for. Signs
// nothing, logs nothing and tells nobody: a block that is not asked for is forgotten.
import { equalBytes, type Hash } from '../chain/base/bytes.ts'
import type { Clock, Counter, Timers } from '../chain/base/ports.ts'
import type { BuildArgs, Chain } from '../chain/chain.ts'
import { type Block, headerTimeMs } from '../chain/types/block.ts'
import { encodeQc, type Qc } from '../chain/types/vote.ts'

/**
 * So many must be left over when a height begins. With less, what is won by being ready is lost by all that comes while the block is
 * made: a block that begins when it is due takes them along.
 */
export const AHEAD_TXS = 2_000
/** The pool is looked at so often, and a block begun at least so early. */
const LOOK_MS = 100
/** Of a transaction, until it was measured here. */
const FIRST_MS_PER_TX = 0.06
/** Ready too early by a part is better than too late. */
const MARGIN = 1.25
/** A block whose time is longer ago is built anew; those who judge it allow 4 s. */
const STALE_MS = 3_000

export interface AheadDeps {
  readonly chain: Chain
  /** The network's time. */
  readonly clock: Clock
  readonly timers: Timers
  readonly ready: Counter
  /** What a block of the height under way would be built from, by now; null where not all is there. Its time is the due one. */
  readonly argsAt: (timeMs: number) => Promise<BuildArgs | null>
  /** One after another with all other work on the chain; nothing where the height has passed. */
  readonly work: (height: number, run: () => Promise<void>) => Promise<void>
  /** Hears of what fails. */
  readonly background: (work: Promise<void>) => void
}

/** A block, and how long it was being built. */
export interface Built {
  readonly block: Block
  readonly ms: number
}

export class Ahead {
  readonly #deps: AheadDeps
  readonly #fromTxs: number
  #unset = (): void => {}
  /** Counts plans: what belongs to an older one ends where it is. */
  #turn = 0
  #made: { readonly args: BuildArgs; readonly built: Built; readonly parent: Hash } | null = null
  #msPerTx = FIRST_MS_PER_TX

  constructor(deps: AheadDeps, fromTxs: number) {
    this.#deps = deps
    this.#fromTxs = fromTxs
  }

  /** The height that follows the head begins, the pool knows its head, and this node leads its first round. */
  plan(height: number): void {
    this.stop()
    const turn = this.#turn
    const { chain, clock, timers, background } = this.#deps
    if (chain.pool.status().pending < this.#fromTxs) return
    const dueMs = headerTimeMs(chain.head().header) + chain.genesis.blockTimeMs
    const look = (): void => {
      const leftMs = dueMs - clock.nowMs()
      if (leftMs <= 0 || turn !== this.#turn) return
      const { pending } = chain.pool.status()
      const leadMs = Math.max(LOOK_MS, pending * this.#msPerTx * MARGIN)
      if (leftMs <= leadMs) background(begin())
      else this.#unset = timers.after(Math.min(LOOK_MS, leftMs), look)
    }
    // The reveal is waited for outside the queue of work: a signer may be away.
    const begin = async (): Promise<void> => {
      const args = await this.#deps.argsAt(dueMs)
      if (turn !== this.#turn) return
      if (args === null) this.#unset = timers.after(LOOK_MS, look)
      else await this.#deps.work(height, () => this.#make(args, turn))
    }
    look()
  }

  stop(): void {
    this.#unset()
    this.#unset = () => {}
    this.#turn++
    this.#made = null
  }

  async #make(args: BuildArgs, turn: number): Promise<void> {
    if (turn !== this.#turn) return
    const parent = this.#deps.chain.head().hash
    const built = await this.build(args)
    if (turn === this.#turn) this.#made = { args, built, parent }
  }

  /** Builds, and measures what it takes. */
  async build(args: BuildArgs): Promise<Built> {
    const { chain, clock } = this.#deps
    const startMs = clock.nowMs()
    const block = await chain.build(args)
    const ms = clock.nowMs() - startMs
    if (block.txs.length > 0) this.#msPerTx = (this.#msPerTx + ms / block.txs.length) / 2
    return { block, ms }
  }

  /** The block that was made, where it is the one that would be built now. */
  take(args: BuildArgs): Built | null {
    const made = this.#made
    this.#made = null
    if (made === null || !equalBytes(made.parent, this.#deps.chain.head().hash)) return null
    const isSame =
      made.args.height === args.height &&
      made.args.round === args.round &&
      made.args.proposerIndex === args.proposerIndex &&
      equalBytes(made.args.coinbase, args.coinbase) &&
      equalBytes(made.args.reveal, args.reveal) &&
      isSameQc(made.args.lastCommit, args.lastCommit)
    const lateMs = args.timeMs - headerTimeMs(made.built.block.header)
    if (!isSame || lateMs < 0 || lateMs > STALE_MS) return null
    this.#deps.ready.add()
    return made.built
  }
}

const isSameQc = (a: Qc | null, b: Qc | null): boolean =>
  a === null || b === null ? a === b : equalBytes(encodeQc(a), encodeQc(b))
