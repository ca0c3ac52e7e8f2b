// State without the blocks that made it: pieces of it for others out of a chain's store, and a chain's store out of pieces. The door to
// `store/chunks.ts` and `store/snapshot.ts`. Owns what else a store begins with; whom to believe about the state's root is the caller's.
import type { Hash } from './base/bytes.ts'
import type { Kv, Pause } from './base/ports.ts'
import { genesisBlock, genesisChanges } from './exec/genesis.ts'
import { codeFrom } from './exec/state.ts'
import { type Outlined, type Outlines, openBlockStore } from './store/blocks.ts'
import { type Checked, checkChunk, makeChunk, type Place } from './store/chunks.ts'
import { createMemoryKv } from './store/kv.ts'
import { codeKey, readCode } from './store/layout.ts'
import { openRestoring, type Restoring, type Wanted } from './store/snapshot.ts'
import { createStateStore } from './store/state.ts'
import { headerTimeMs } from './types/block.ts'
import type { Genesis } from './types/genesis.ts'

export { type Checked, checkChunk, type Outlined, type Wanted }

/** What a node gives of its state to others. */
export interface SnapshotSource {
  /** A piece of the state after a block, to be checked with `checkChunk`; null where it is not here, or not any more. */
  piece(height: number, place: Place): Promise<Uint8Array | null>
  /** Those that are here. */
  codes(hashes: readonly Hash[]): readonly Uint8Array[]
}

/** Out of a chain's store, while that goes on. Tests hand in smaller sizes. */
export const createSnapshotSource = (
  kv: Kv,
  pause: Pause,
  sizes?: Parameters<typeof makeChunk>[3],
): SnapshotSource => ({
  piece: (height, place) => makeChunk({ kv, pause }, height, place, sizes),
  codes: (hashes) => hashes.flatMap((hash) => (kv.get(codeKey(hash)) === undefined ? [] : [readCode(kv, hash).bytes])),
})

export interface Restore extends Omit<Restoring, 'finish'> {
  readonly genesisHash: Hash
  readonly genesisTimeMs: number
  /** The store is a chain's then, with the last of these blocks as its head. None of them has its body. */
  finish(blocks: Outlines): Promise<void>
}

/** In a store that nothing but this has written to; goes on where it was left. null where it is finished. Throws SNAPSHOT_NETWORK. */
export async function openRestore(kv: Kv, genesis: Genesis): Promise<Restore | null> {
  const states = createStateStore(
    { kv: createMemoryKv(), pause: async () => {} },
    { historyBlocks: 0, proofBlocks: 0, cacheBytes: 0 },
  )
  const { root } = await states.prepare(0, genesisChanges(genesis))
  const { header, hash, section } = genesisBlock(genesis, root)
  if (openBlockStore(kv, hash).headHeight() !== null) return null
  const restoring = await openRestoring(kv, hash, codeFrom)
  return {
    genesisHash: hash,
    genesisTimeMs: headerTimeMs(header),
    aim: (target) => restoring.aim(target),
    next: () => restoring.next(),
    giveBack: (wanted) => restoring.giveBack(wanted),
    take: (piece) => restoring.take(piece),
    takeCodes: (codes) => restoring.takeCodes(codes),
    isComplete: () => restoring.isComplete(),
    progress: () => restoring.progress(),
    finish({ sparse, whole }) {
      const blocks = openBlockStore(kv, hash)
      const first = { header, hash, section, certificate: null }
      return restoring.finish(blocks.beginWrites({ sparse: [first, ...sparse], whole }))
    },
  }
}
