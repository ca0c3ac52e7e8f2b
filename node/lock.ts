// One process for a validator's key: a file beside it names who has it. Owns who that is and when he is gone; the lock of a dead process
// is taken over. The database's own lock keeps two processes out of one folder; this one keeps one key out of two folders.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { bytesToHex } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'

export const LockErrors = defineErrors('LOCK', {
  HELD: {
    text: (d: { file: string; holder: string; way: string }) =>
      `the validator key is in use: ${d.file} names ${d.holder}. Two processes with one key get it slashed: ${d.way}`,
  },
  WRITE: {
    text: (d: { file: string; reason: string }) =>
      `cannot write the lock of the validator key ${d.file}: ${d.reason}; free space, or let the node’s user write the folder, then start again`,
  },
})

interface Holder {
  readonly host: string
  readonly pid: number
  /** When the process began, so that another with its number is not taken for it; empty where the system does not tell. */
  readonly started: string
}

const ATTEMPTS_MAX = 5

/** Where a key lies on a medium that takes no lock, its owner sees to it that one process has it. */
const LOCKLESS = ['EROFS', 'EACCES', 'EPERM', 'ENOTSUP']

/** Takes the lock of this key file, or of a record of signatures that may not be there yet; the answer gives it back. Throws LOCK_HELD and LOCK_WRITE. */
export async function lockKey(keyFile: string, log: Log): Promise<() => Promise<void>> {
  const file = `${placeOf(keyFile)}.lock`
  try {
    return await takeLock(file)
  } catch (error) {
    const { cause } = error instanceof Error ? error : {}
    if (!LOCKLESS.some((code) => isCode(cause, code))) throw error
    log.warn({ file }, 'the folder of the validator key takes no lock: see to it that no other process has this key')
    return async () => {}
  }
}

/** The same by whatever path it is reached. */
const placeOf = (file: string): string =>
  existsSync(file) ? realpathSync(file) : join(realpathSync(dirname(file)), basename(file))

const takeLock = async (file: string): Promise<() => Promise<void>> => {
  const own = JSON.stringify({ host: hostname(), pid: process.pid, started: startOf(process.pid) } satisfies Holder)
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (await isMade(file, own)) return () => giveBack(file, own)
    const text = await readFile(file, 'utf8').catch(() => null)
    if (text === null) continue // given back meanwhile
    refuseLiving(file, holderOf(text))
    await clear(file, text)
  }
  throw held(file, 'a process that comes and goes', 'try again')
}

/** Whole or not at all: a link fails where the name is taken. */
const isMade = async (file: string, text: string): Promise<boolean> => {
  const fresh = freshName(file)
  try {
    await writeFile(fresh, text, { mode: 0o600, flag: 'wx' })
    await link(fresh, file)
    return true
  } catch (cause) {
    if (isCode(cause, 'EEXIST')) return false
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new NodeError(LockErrors.WRITE, { file, reason }, { cause })
  } finally {
    await unlink(fresh).catch(() => {})
  }
}

/** Takes away a dead process's lock. Another may have done so first and hold it already: then his is put back. */
const clear = async (file: string, dead: string): Promise<void> => {
  const aside = freshName(file)
  try {
    await rename(file, aside)
  } catch {
    return // gone
  }
  if ((await readFile(aside, 'utf8')) !== dead) await link(aside, file).catch(() => {})
  await unlink(aside)
}

const giveBack = async (file: string, own: string): Promise<void> => {
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === own) await unlink(file).catch(() => {})
}

const refuseLiving = (file: string, holder: Holder | null): void => {
  const name = livingName(holder)
  if (name !== null) throw held(file, name, 'stop that process; if there is none, delete the file')
}

/** Who has the lock, in words; null where he is gone. */
const livingName = (holder: Holder | null): string | null => {
  if (holder === null) return 'nobody that can be read'
  const { host, pid, started } = holder
  if (host !== hostname()) return `process ${pid} of the machine ${host}`
  const isSame = started === '' || startOf(pid) === '' || startOf(pid) === started
  return isAlive(pid) && isSame ? `process ${pid}` : null
}

/** Who has the lock of this key file now; null where nobody has. `pid` is null for one of another machine. */
export function holderOfLock(
  keyFile: string,
): { readonly file: string; readonly name: string; readonly pid: number | null } | null {
  try {
    const file = `${placeOf(keyFile)}.lock`
    const holder = holderOf(readFileSync(file, 'utf8'))
    const name = livingName(holder)
    return name === null ? null : { file, name, pid: holder?.host === hostname() ? holder.pid : null }
  } catch {
    return null // no such key, or no lock
  }
}

const held = (file: string, holder: string, way: string) => new NodeError(LockErrors.HELD, { file, holder, way })

const holderOf = (text: string): Holder | null => {
  try {
    const { host, pid, started } = JSON.parse(text)
    const isHolder = typeof host === 'string' && Number.isSafeInteger(pid) && pid > 0 && typeof started === 'string'
    return isHolder ? { host, pid, started } : null
  } catch {
    return null
  }
}

/** Of any user. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

/** Linux: the machine's boot and the ticks since, field 22 of stat; the name of the program before it may hold spaces. */
const startOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${ticks}`
  } catch {
    return ''
  }
}

const freshName = (file: string): string => `${file}.${process.pid}.${bytesToHex(randomBytes(6)).slice(2)}`
const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
