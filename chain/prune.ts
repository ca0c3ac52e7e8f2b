// Pruning: forgets bodies, receipts, logs and headers of old blocks in short atomic batches, while the chain goes on beside it. Owns the
// order of a slice's writes, the account of what it frees, and what is compacted after it; how much is kept is its caller's to say.
// State is forgotten with each block (`store/state.ts`), and here only while the node stands still.
import type { Hash } from './base/bytes.ts'
import type { Kv, KvWrite, Pause } from './base/ports.ts'
import { openBlockStore } from './store/blocks.ts'
import type { DiskKv } from './store/kv.ts'
import { createStateStore, type StateOptions } from './store/state.ts'
import { TABLES } from './store/tables.ts'
import type { Earliest } from './types/kept.ts'

export interface Freed {
  readonly records: number
  /** Of keys and values as they are stored; what the disk gives back is LevelDB's to say when it compacts. */
  readonly bytes: number
}
/** Blocks of past state and of past tries that are kept; null keeps all. */
export type HistoryKept = Omit<StateOptions, 'cacheBytes'>

export interface Pruner {
  earliest(): Earliest
  /** One slice of what lies below `to`, on disk when this returns; false when nothing is left. A power cut leaves all of it or nothing. */
  slice(to: Earliest): Promise<boolean>
  /** What all slices down to `to` would free, without freeing it. */
  measure(to: Earliest): Promise<Freed>
  /** The same two for the history of a state that no block is added to. */
  forget(kept: HistoryKept): Promise<boolean>
  measureHistory(kept: HistoryKept): Promise<Freed>
}

/** `kv` may be that of a running chain: but for `forget`, no key that is written here is one that a block writes. */
export function openPruner(deps: { readonly kv: Kv; readonly genesisHash: Hash; readonly pause: Pause }): Pruner {
  const { kv, pause } = deps
  const blocks = openBlockStore(kv, deps.genesisHash, { pause })
  const states = () => createStateStore({ kv, pause }, { historyBlocks: null, proofBlocks: null, cacheBytes: 0 })
  let history: ReturnType<typeof states> | null = null
  return {
    earliest: blocks.earliest,
    async slice(to) {
      const found = await blocks.pruneSlice(to)
      if (found === null) return false
      const drops = found.drops.map((key): KvWrite => ({ key, value: null }))
      await kv.write([...drops, blocks.earliestWrite(found.earliest)])
      return true
    },
    async measure(to) {
      let [records, bytes] = [0, 0]
      for (let at = blocks.earliest(); ; ) {
        const found = await blocks.pruneSlice(to, at)
        if (found === null) return { records, bytes }
        for (const key of found.drops) {
          const value = kv.get(key)
          if (value === undefined) continue
          records++
          bytes += key.length + value.length
        }
        at = found.earliest
        await pause()
      }
    },
    forget(kept) {
      history ??= states()
      return history.forget(kept)
    },
    async measureHistory({ historyBlocks, proofBlocks }) {
      const { height } = states()
      let [records, bytes] = [0, 0]
      for (const [table, blocksKept] of [
        ...PAST_STATE.map((table) => [table, historyBlocks] as const),
        [PAST_TRIES, proofBlocks] as const,
      ]) {
        const end = blocksKept === null ? 0 : Math.max(0, height - blocksKept)
        for await (const [key, value] of kv.entries(keyAt(table, 0), keyAt(table, end + 1))) {
          records++
          bytes += key.length + value.length
          if (records % 1_024 === 0) await pause()
        }
      }
      return { records, bytes }
    },
  }
}

/** What blocks replaced, by their height. */
const PAST_STATE = ['b', 't'] as const
const PAST_TRIES = 'o'
/** What leaves holes in which tables: at the beginning of those that lie in the order of heights, anywhere in the others. */
const HOLES: Readonly<
  Record<keyof KeptHeights, { readonly byHeight: readonly string[]; readonly hashed: readonly string[] }>
> = {
  headers: { byHeight: ['H', 'Q'], hashed: ['N'] },
  bodies: { byHeight: ['B'], hashed: ['T'] },
  receipts: { byHeight: ['R'], hashed: [] },
  logs: { byHeight: [], hashed: ['L'] },
  state: { byHeight: PAST_STATE, hashed: [] },
  proofs: { byHeight: [PAST_TRIES], hashed: [] },
}
/** As a chain says it. */
type KeptHeights = Earliest & { readonly state: number; readonly proofs: number }

const keyAt = (table: string, height: number): Uint8Array => {
  const key = new Uint8Array(7)
  key[0] = table.charCodeAt(0)
  for (let i = 6, rest = height; i > 0; i--, rest = Math.floor(rest / 256)) key[i] = rest & 255
  return key
}

/** Bytes of the disk that each table takes, by name; without what was written last. */
export async function tableSizes(kv: DiskKv): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>()
  for (const [prefix, name] of Object.entries(TABLES)) {
    const at = prefix.charCodeAt(0)
    sizes.set(name, await kv.sizeBytes(Uint8Array.of(at), Uint8Array.of(at + 1)))
  }
  return sizes
}

/** Rewrites every table, one after the other. `isWanted` false ends it between two. */
export async function compactAll(kv: DiskKv, isWanted: () => boolean): Promise<void> {
  for (const table of Object.keys(TABLES)) if (isWanted()) await kv.compact(...whole(table))
}

/** Only what pruning leaves holes in: it may be done again and again beside a running chain. */
export async function compactPruned(kv: DiskKv, kept: KeptHeights, isWanted: () => boolean): Promise<void> {
  for (const [what, { byHeight, hashed }] of Object.entries(HOLES)) {
    const height = kept[what as keyof KeptHeights] // the table's own keys
    if (height === 0) continue
    const ranges = [...byHeight.map((table) => [keyAt(table, 0), keyAt(table, height)] as const), ...hashed.map(whole)]
    for (const [from, to] of ranges) if (isWanted()) await kv.compact(from, to)
  }
}
const whole = (table: string): readonly [Uint8Array, Uint8Array] => {
  const at = table.charCodeAt(0)
  return [Uint8Array.of(at), Uint8Array.of(at + 1)]
}
