// How much of its past a node keeps, and the service that lets go of the rest while the node runs. Owns the words of `prune.*`, the bounds that no
// choice passes, and when the disk is compacted; what a slice deletes is `chain/prune.ts`'s.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log, Meter, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { compactPruned, openPruner, tableSizes } from '../chain/prune.ts'
import type { DiskKv } from '../chain/store/kv.ts'
import { evidenceFrom } from '../chain/types/evidence.ts'
import { type Earliest, PRUNABLE, type Prunable } from '../chain/types/kept.ts'
import { KEEP_TEXT } from './config.ts'

export const PruneErrors = defineErrors('PRUNE', {
  CHOICE: {
    text: (d: { what: string; have: string }) =>
      `${d.what} is ${d.have}: expected all, none, a number of blocks to keep, or before:<height>`,
  },
})

/** all, none, so many blocks behind the head, or all from a height on. */
export type Keep = 'all' | 'none' | { readonly blocks: number } | { readonly before: number }
export type PruneChoice = { readonly [K in Prunable]: Keep }

/** Whatever is chosen: hashes of as many blocks are read by contracts, and subscribers and reporters look back some blocks. */
export const KEPT_BLOCKS_MIN = 256

/** Throws PRUNE_CHOICE. */
export function parseKeep(what: string, text: string): Keep {
  if (!KEEP_TEXT.test(text)) throw new NodeError(PruneErrors.CHOICE, { what, have: text })
  if (text === 'all' || text === 'none') return text
  return text.startsWith('before:') ? { before: Number(text.slice(7)) } : { blocks: Number(text) }
}

const endOf = (keep: Keep, head: number): number => {
  const most = Math.max(0, head - KEPT_BLOCKS_MIN)
  if (keep === 'all') return 0
  if (keep === 'none') return most
  return 'blocks' in keep ? Math.max(0, Math.min(most, head - keep.blocks)) : Math.min(most, keep.before)
}

/**
 * From where on each is kept at the present head. Headers, which are all that evidence is judged by, never leave its window, nor the epoch before; and
 * what a poster still needs stays.
 */
export function pruneTargets(chain: Chain, choice: PruneChoice): Earliest {
  const head = chain.head().header.number
  const at = (what: Prunable): number => Math.min(endOf(choice[what], head), chain.keptFrom)
  const windowFrom = choice.headers === 'all' ? 0 : evidenceFrom(chain.evidenceContext()) - chain.genesis.epochBlocks
  return {
    ...{ headers: Math.max(0, Math.min(at('headers'), windowFrom)), bodies: at('bodies') },
    ...{ receipts: at('receipts'), logs: at('logs') },
  }
}

/** Blocks between two looks: a slice costs a synced write, which is not to be paid with every block. */
const EVERY_BLOCKS = 64
/** Between two slices, so that a node which begins to prune a long past has most of its time for blocks. */
const PACE_MS = 50
const COMPACT_BLOCKS = 16_384
const MEASURE_MS = 60_000

export interface PruningDeps {
  readonly chain: Chain
  readonly kv: DiskKv
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

/** Looks after every 64th block, and says in the metrics how large each table is. The answer stops it. */
export function startPruning(deps: PruningDeps, choice: PruneChoice): () => Promise<void> {
  const { chain, kv, timers, log } = deps
  const pruner = openPruner({ kv, genesisHash: chain.genesisHash, pause: nextTurn })
  const meters = createMeters(deps)
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void timers.after(ms, resolve))
  let [isClosed, lookedAt, compactedAt] = [false, Number.NEGATIVE_INFINITY, prunedTo(chain)]
  let working: Promise<void> | null = null
  const work = async (): Promise<void> => {
    const before = pruner.earliest()
    while (!isClosed && (await pruner.slice(pruneTargets(chain, choice)))) await wait(PACE_MS)
    const after = pruner.earliest()
    if (PRUNABLE.some((what) => after[what] > before[what])) log.debug(after, 'the past is pruned')
    const lowest = prunedTo(chain)
    if (isClosed || lowest < compactedAt + COMPACT_BLOCKS) return
    compactedAt = lowest
    await compactPruned(kv, chain.kept(), () => !isClosed)
    log.info({ below: lowest }, 'the database is compacted')
  }
  const look = (head: number): void => {
    if (isClosed || working !== null || head < lookedAt + EVERY_BLOCKS) return
    lookedAt = head
    working = work()
      .catch((error: unknown) => {
        // The disk's fault, and blocks meet it too: nothing is lost, and the next look tries again.
        if (!isClosed) log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'pruning failed')
      })
      .finally(() => {
        working = null
      })
  }
  const measure = (): void => {
    cancel = timers.after(MEASURE_MS, measure)
    measuring = meters
      .measure()
      .catch((error: unknown) => log.warn({ error: String(error) }, 'tables are not measured'))
  }
  let cancel = (): void => {}
  let measuring: Promise<void> = Promise.resolve()
  measure()
  look(chain.head().header.number)
  const unwatch = chain.watch('head', ({ block }) => look(block.header.number))
  return async () => {
    isClosed = true
    unwatch()
    cancel()
    await Promise.all([working, measuring])
  }
}

const prunedTo = (chain: Chain): number => Math.max(chain.kept().bodies, chain.kept().state)

const createMeters = ({ chain, kv, meter }: PruningDeps) => {
  const table = meter.gauge('db_table_bytes', 'Bytes of the disk that each table takes', ['table'])
  const earliest = meter.gauge('chain_earliest_height', 'The lowest height that each is kept from', ['what'])
  return {
    async measure(): Promise<void> {
      for (const [what, height] of Object.entries(chain.kept())) earliest.set(height, { what })
      for (const [name, bytes] of await tableSizes(kv)) table.set(bytes, { table: name })
    },
  }
}
