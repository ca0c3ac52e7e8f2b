// Rollback: takes the store of a stopped node back to the block of an earlier height. Owns the order of its writes, each of which may be the last
// before a power cut: while it is under way nothing else opens the store, and the same call goes on where it ended. It knows no signer
// record and no log of consensus: what was signed stays signed.
import { equalBytes, type Hash } from './base/bytes.ts'
import { assert, defineErrors, NodeError } from './base/errors.ts'
import type { Kv, KvWrite, Pause } from './base/ports.ts'
import { Batch } from './store/batch.ts'
import { type BlockStore, openBlockStore } from './store/blocks.ts'
import { openTables, readMeta, storedRoot, TABLE_NAMES, writeMeta } from './store/layout.ts'
import { corrupt } from './store/seal.ts'
import { heightOf } from './store/versions.ts'
import type { Earliest, Prunable } from './types/kept.ts'

export const RollbackErrors = defineErrors('ROLLBACK', {
  ABOVE: {
    text: (d: { height: number; head: number }) =>
      `block ${d.height} is not below the head at ${d.head}: nothing is to be taken back`,
  },
  HISTORY: {
    text: (d: { height: number; lowest: number; what: string }) =>
      `the store cannot go back to block ${d.height}: its ${d.what} begin at block ${d.lowest}. Go back no further, or restore a snapshot, or ` +
      `\`export blocks\` from an archive node and \`import\` them into an empty --dir`,
  },
  OTHER: {
    text: (d: { under: number; height: number }) =>
      `a rollback to block ${d.under} was cut off: finish it with \`novachain rollback --height ${d.under} --yes\` before another to ${d.height}`,
  },
})

export interface RolledBack {
  readonly from: number
  readonly to: number
  /** A rollback that was cut off was finished. */
  readonly isResumed: boolean
}

/** Writes of one batch: some megabytes, and a few hundred milliseconds of a disk. */
const SLICE_WRITES = 8_192
const SLICE_HEIGHTS = 64

/** Throws ROLLBACK_* before anything is written, and STORE_*. */
export async function rollback(
  deps: {
    readonly kv: Kv
    readonly genesisHash: Hash
    readonly pause: Pause
    readonly onStep?: (text: string) => void
  },
  height: number,
): Promise<RolledBack> {
  const { kv, pause, onStep = () => {} } = deps
  const blocks = openBlockStore(kv, deps.genesisHash, { pause, unfinished: 'allowed' })
  const under = blocks.rollback()
  if (under !== null && under.to !== height) throw new NodeError(RollbackErrors.OTHER, { under: under.to, height })
  const from = under?.from ?? blocks.headHeight() ?? 0
  if (under === null) {
    refuseOutside(kv, blocks, height, from)
    await kv.write([blocks.rollbackWrite({ from, to: height })])
  }
  if (blocks.headHeight() !== height) {
    onStep('the state goes back')
    await restoreState({ kv, pause }, height)
    await kv.write(headWrites(kv, blocks, height))
  }
  onStep('what is above goes')
  await dropBlocks(kv, blocks, height, from, onStep)
  await dropHistory({ kv, pause }, height)
  await kv.write([blocks.rollbackWrite(null), blocks.earliestWrite(upTo(blocks.earliest(), height + 1))])
  return { from, to: height, isResumed: under !== null }
}

/** What was pruned above the block comes again, and is kept then. */
const upTo = (earliest: Earliest, height: number): Earliest => {
  const at = (what: Prunable): number => Math.min(earliest[what], height)
  return { headers: at('headers'), bodies: at('bodies'), receipts: at('receipts'), logs: at('logs') }
}

const refuseOutside = (kv: Kv, blocks: BlockStore, height: number, head: number): void => {
  if (height >= head) throw new NodeError(RollbackErrors.ABOVE, { height, head })
  const { state = 0, proofs = 0 } = readMeta(kv)?.lowest ?? {}
  const least = { 'past states': state, 'past tries': proofs, blocks: blocks.earliest().bodies }
  const [what, lowest] = Object.entries(least).reduce((a, b) => (b[1] > a[1] ? b : a))
  if (height < lowest) throw new NodeError(RollbackErrors.HISTORY, { height, lowest, what })
}

/** Every value as it was after the block. A value that is back already stays, so it may be done again; nothing of the history goes yet. */
export const restoreState = async (
  { kv, pause }: { readonly kv: Kv; readonly pause: Pause },
  height: number,
): Promise<void> => {
  const tables = openTables(kv)
  let batch = new Batch()
  for (const name of TABLE_NAMES) {
    const table = tables[name]
    let seen = 0
    for await (const [stored, sealed] of kv.entries(Uint8Array.of(table.prefix), Uint8Array.of(table.prefix + 1))) {
      if (++seen % SLICE_WRITES === 0) await pause()
      if (heightOf(table.decode(stored, sealed)) <= height) continue
      const before = table.versionAt(stored.slice(1), height)
      if (before === null) batch.delete(stored)
      else batch.put(stored, before)
      if (batch.count < SLICE_WRITES) continue
      await kv.write(batch)
      batch = new Batch()
    }
  }
  if (batch.count > 0) await kv.write(batch)
}

/** From here on the store stands at that block. */
const headWrites = (kv: Kv, blocks: BlockStore, height: number): readonly KvWrite[] => {
  const record = blocks.record(height)
  assert(record !== null, 'the block that a store goes back to is there')
  const root = storedRoot(openTables(kv))
  if (!equalBytes(root, record.header.stateRoot))
    throw corrupt('nodes', new Uint8Array(0), `the state that is left has another root than block ${height}`)
  const lowest = readMeta(kv)?.lowest ?? { state: 0, proofs: 0 }
  const meta = new Batch()
  writeMeta({ height, root, lowest }, meta)
  return [blocks.headWrite(record), ...meta]
}

/** From the top down, with everything that names them; those that are gone already have no record. */
const dropBlocks = async (
  kv: Kv,
  blocks: BlockStore,
  height: number,
  from: number,
  onStep: (text: string) => void,
): Promise<void> => {
  let drops: KvWrite[] = []
  for (let at = from; at > height; at--) {
    for (const key of await blocks.dropsOf(at)) drops.push({ key, value: null })
    if (drops.length < SLICE_WRITES && at % SLICE_HEIGHTS !== 0 && at > height + 1) continue
    if (drops.length > 0) await kv.write(drops)
    drops = []
    onStep(`block ${at}`)
  }
}

export const dropHistory = async (
  { kv, pause }: { readonly kv: Kv; readonly pause: Pause },
  height: number,
): Promise<void> => {
  const tables = openTables(kv)
  for (const name of TABLE_NAMES) {
    const { from, to } = tables[name].historyAbove(height)
    let drops: KvWrite[] = []
    for await (const [key] of kv.entries(from, to)) {
      drops.push({ key, value: null })
      if (drops.length < SLICE_WRITES) continue
      await kv.write(drops)
      drops = []
      await pause()
    }
    if (drops.length > 0) await kv.write(drops)
  }
}
