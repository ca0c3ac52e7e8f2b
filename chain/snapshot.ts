// State without the blocks that made it: pieces of it for others out of a chain's store, and a chain's store out of pieces. The door to
// `store/chunks.ts` and `store/snapshot.ts`. Owns what else a store begins with; whom to believe about the state's root is the caller's.
import { equalBytes, type Hash } from './base/bytes.ts'
import type { Kv, Pause } from './base/ports.ts'
import { genesisBlock, genesisChanges } from './exec/genesis.ts'
import { codeFrom } from './exec/state.ts'
import { type Outlined, type Outlines, openBlockStore } from './store/blocks.ts'
import { type Checked, checkChunk, makeChunk, type Place } from './store/chunks.ts'
import { createMemoryKv } from './store/kv.ts'
import { codeKey, readCode } from './store/layout.ts'
import { openRestoring, type Restoring, type Wanted } from './store/snapshot.ts'
import { createStateStore } from './store/state.ts'
import { StateWalk } from './store/walk.ts'
import { type Header, headerHash, headerTimeMs, type Section, sectionHash } from './types/block.ts'
import type { Genesis } from './types/genesis.ts'

export { type Checked, checkChunk, type Outlined, type Outlines, StateWalk, type Wanted }

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

/** A store begins with so many blocks up to its head: contracts may read their hashes. */
export const TAIL_BLOCKS = 256

/** The block before `next`, which vouches for its hash and has its certificate; null where this is another. */
export function parentOf(
  next: Outlined,
  { header, section }: { readonly header: Header; readonly section: Section },
): Outlined | null {
  const [hash, certificate] = [headerHash(header), next.section?.lastCommit ?? null]
  const isParent =
    equalBytes(hash, next.header.parentHash) && equalBytes(header.parentBeaconBlockRoot, sectionHash(section))
  return isParent && certificate !== null ? { header, hash, section, certificate } : null
}

/** The first block of a network, which its accounts make. */
export async function firstBlock(genesis: Genesis): Promise<FirstBlock> {
  const states = createStateStore(
    { kv: createMemoryKv(), pause: async () => {} },
    { historyBlocks: 0, proofBlocks: 0, cacheBytes: 0 },
  )
  const { root } = await states.prepare(0, genesisChanges(genesis))
  const { header, hash, section } = genesisBlock(genesis, root)
  return { header, hash, section, certificate: null, timeMs: headerTimeMs(header) }
}
export interface FirstBlock extends Outlined {
  readonly timeMs: number
}

/** In a store that nothing but this has written to; goes on where it was left. null where it is finished. Throws SNAPSHOT_NETWORK. */
export async function openRestore(kv: Kv, genesis: Genesis, given: FirstBlock | null = null): Promise<Restore | null> {
  const first = given ?? (await firstBlock(genesis))
  const { hash } = first
  if (openBlockStore(kv, hash).headHeight() !== null) return null
  const restoring = await openRestoring(kv, hash, codeFrom)
  return {
    genesisHash: hash,
    genesisTimeMs: first.timeMs,
    aim: (target) => restoring.aim(target),
    next: () => restoring.next(),
    giveBack: (wanted) => restoring.giveBack(wanted),
    take: (piece) => restoring.take(piece),
    lacksCode: (code) => restoring.lacksCode(code),
    takeCodes: (codes) => restoring.takeCodes(codes),
    isComplete: () => restoring.isComplete(),
    progress: () => restoring.progress(),
    finish: ({ sparse, whole }) =>
      restoring.finish(openBlockStore(kv, hash).beginWrites({ sparse: [first, ...sparse], whole })),
  }
}
