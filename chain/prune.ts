// Pruning: forgets bodies, receipts, logs and headers of old blocks in short atomic batches, while the chain goes on beside it. Owns the
// order of a slice's writes and the account of what it frees; what may go is its caller's to say. State forgets in `store/state.ts`.
import type { Hash } from './base/bytes.ts'
import type { Kv, KvWrite, Pause } from './base/ports.ts'
import { type BlockStore, openBlockStore } from './store/blocks.ts'
import type { Earliest } from './types/kept.ts'

export interface Freed {
  readonly records: number
  /** Of keys and values as they are stored; what the disk gives back LevelDB decides when it compacts. */
  readonly bytes: number
}

export interface Pruner {
  earliest(): Earliest
  /** One slice of what lies below `to`, on disk when this returns; false when nothing is left. A power cut leaves all of it or nothing. */
  slice(to: Earliest): Promise<boolean>
  /** What all slices down to `to` would free, without freeing it. */
  measure(to: Earliest): Promise<Freed>
}

/** `kv` may be that of a running chain: no key of a slice is one that a block writes. */
export function openPruner(deps: { readonly kv: Kv; readonly genesisHash: Hash; readonly pause: Pause }): Pruner {
  const { kv, pause } = deps
  const blocks: BlockStore = openBlockStore(kv, deps.genesisHash, { pause })
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
  }
}
