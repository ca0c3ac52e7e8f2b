// Room on the disk. Owns how little is too little: a node that stops while there is room left stops between two writes, and leaves what is
// needed to prune, to compact and to make a backup.
import { statfs } from 'node:fs/promises'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log, Meter, Timers } from '../chain/base/ports.ts'

export const DiskErrors = defineErrors('DISK', {
  FULL: {
    text: (d: { dir: string; free: number; least: number }) =>
      `${megabytes(d.free)} are free on the disk of ${d.dir}, and a node needs ${megabytes(d.least)}: it stops before a write fails, and nothing is lost. ` +
      `Free space, or move ${d.dir} whole to a larger disk, then \`novachain start --dir ${d.dir}\`; \`novachain doctor --dir ${d.dir}\` says how fast it grows`,
  },
})

/** Twice what LevelDB keeps in memory, and the largest block with its state. */
export const DISK_LEAST_BYTES = 256 * 1024 * 1024
/** Warned of from here on. */
const LOW_BYTES = 4 * DISK_LEAST_BYTES
/** A full block is 40 MB of writes, and comes every second at most. */
const LOOK_EVERY_MS = 2_000
const WARN_EVERY_MS = 600_000

export interface DiskDeps {
  /** Bytes that are free for this process on the disk of a folder; null where the file system does not say. */
  readonly free: (dir: string) => Promise<number | null>
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

/** null where the file system does not say: some count nothing, and a folder may be gone for a moment. */
export const freeBytes = async (dir: string): Promise<number | null> => {
  const found = await statfs(dir).catch(() => null)
  return found === null || found.blocks === 0 ? null : found.bavail * found.bsize
}

/** Throws DISK_FULL where there is too little room to begin; else `full` rejects with it once that is so. */
export async function watchDisk(
  { free, timers, log, meter }: DiskDeps,
  dir: string,
): Promise<{ readonly full: Promise<never>; close(): Promise<void> }> {
  const gauge = meter.gauge('disk_free_bytes', 'Free on the disk of the node’s folder')
  let unset = (): void => {}
  let isClosed = false
  let untilWarnMs = 0
  let stop: (error: unknown) => void = () => {}
  const full = new Promise<never>((_, reject) => {
    stop = reject
  })
  full.catch(() => {}) // heard by who waits for it
  const look = async (): Promise<void> => {
    const have = await free(dir)
    if (have === null) return
    gauge.set(have)
    if (have < DISK_LEAST_BYTES) throw new NodeError(DiskErrors.FULL, { dir, free: have, least: DISK_LEAST_BYTES })
    untilWarnMs -= LOOK_EVERY_MS
    if (have >= LOW_BYTES || untilWarnMs > 0) return
    untilWarnMs = WARN_EVERY_MS
    log.warn(
      { dir, freeBytes: have, leastBytes: DISK_LEAST_BYTES },
      'the disk is nearly full: with less than the least the node stops',
    )
  }
  let looking: Promise<void> = look()
  await looking
  const again = (): void => {
    if (isClosed) return
    unset = timers.after(LOOK_EVERY_MS, () => {
      looking = look().then(again, stop)
    })
  }
  again()
  return {
    full,
    async close() {
      isClosed = true
      unset()
      await looking
    },
  }
}

const megabytes = (bytes: number): string => `${Math.floor(bytes / 1_048_576)} MB`
