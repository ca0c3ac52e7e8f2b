// A copy of a node's database, as of one moment, of one that somebody may be writing. Owns how LevelDB's files lie in its folder: tables
// never change once they are written, the manifest says which of them count and grows with each change of that, logs hold what came since.
// So a copy is whole where the manifest and the set of logs stayed as they were while it was made; else it is made again.
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { isAlive } from './lock.ts'

export const StoreCopyErrors = defineErrors('COPY', {
  MISSING: { text: (d: { dir: string }) => `there is no database in ${d.dir}: start the node once, or correct --dir` },
  FAILED: {
    text: (d: { dir: string; to: string; reason: string }) =>
      `cannot copy the database ${d.dir} to ${d.to}: ${d.reason}`,
  },
  BUSY: {
    text: (d: { dir: string; attempts: number }) =>
      `the database ${d.dir} changed during each of ${d.attempts} attempts to copy it: try again when the node has less to do, or stop it first`,
  },
})

/**
 * `links` share the tables' bytes and keep them while the node goes on, within one file system. `pointers` only name them, anywhere, and
 * are good as long as nobody writes the database.
 */
export type TablesAs = 'links' | 'pointers'

/** Each takes milliseconds; a table is written every few seconds under full load. */
const ATTEMPTS_MAX = 50
const PAUSE_MS = 100

/** Makes the folder `to` anew. Throws COPY_MISSING, COPY_FAILED and COPY_BUSY. */
export async function copyStore(dir: string, to: string, as: TablesAs): Promise<void> {
  const from = resolve(dir)
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      if (copyOnce(from, to, as)) return
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException // the file system throws nothing else
      // A table that went out of use between two looks; where CURRENT is gone there is no database.
      if (code !== 'ENOENT') throw new NodeError(StoreCopyErrors.FAILED, { dir, to, reason: message }, { cause })
      if (!existsSync(join(from, 'CURRENT'))) throw new NodeError(StoreCopyErrors.MISSING, { dir }, { cause })
    }
    await delay(PAUSE_MS)
  }
  throw new NodeError(StoreCopyErrors.BUSY, { dir, attempts: ATTEMPTS_MAX })
}

/** Beside the database, on its disk: links need that. */
const STAGED = 'backup.tmp-'

/** A copy of a node's database in the folder `db` of a folder that is there while `work` runs, whether its node runs or not. Throws as `copyStore` does. */
export async function withCopy<T>(dir: string, work: (staged: string) => Promise<T>): Promise<T> {
  clearAway(dir)
  const staged = join(dir, `${STAGED}${process.pid}`)
  try {
    await copyStore(join(dir, 'db'), join(staged, 'db'), 'links')
    return await work(staged)
  } finally {
    rmSync(staged, { recursive: true, force: true })
  }
}
/** Links that a process which was killed left behind would keep tables on the disk for ever. */
const clearAway = (dir: string): void => {
  for (const name of readdirSync(dir).filter((each) => each.startsWith(STAGED)))
    if (!isAlive(Number(name.slice(STAGED.length)))) rmSync(join(dir, name), { recursive: true, force: true })
}
const copyOnce = (from: string, to: string, as: TablesAs): boolean => {
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to, { recursive: true, mode: 0o700 })
  const before = layoutOf(from)
  for (const name of before.tables) {
    if (as === 'links') linkSync(join(from, name), join(to, name))
    else symlinkSync(join(from, name), join(to, name))
  }
  for (const name of before.logs) copyFileSync(join(from, name), join(to, name))
  const manifest = readFileSync(join(from, before.manifest))
  const after = layoutOf(from)
  const isSame =
    manifest.length === before.manifestBytes &&
    after.manifest === before.manifest &&
    after.manifestBytes === before.manifestBytes &&
    after.logs.join() === before.logs.join()
  if (!isSame) return false
  writeFileSync(join(to, before.manifest), manifest)
  writeFileSync(join(to, 'CURRENT'), `${before.manifest}\n`)
  return true
}

const layoutOf = (dir: string) => {
  const manifest = readFileSync(join(dir, 'CURRENT'), 'utf8').trim()
  const names = readdirSync(dir).sort()
  return {
    manifest,
    manifestBytes: statSync(join(dir, manifest)).size,
    tables: names.filter((name) => /\.(ldb|sst)$/.test(name)),
    logs: names.filter((name) => name.endsWith('.log')),
  }
}
