// The key-value engine: LevelDB on disk, a sorted map in memory. Owns the directory, its lock, and the translation of disk
// faults into STORE_* errors; knows nothing of what is stored. The only file of chain/ that touches the disk.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { defineErrors, NodeError } from '../base/errors.ts'
import type { Kv, KvWrite, Pause } from '../base/ports.ts'
import { checkLogBytes, checkTableBytes } from './kv-files.ts'
import { type LogFile, WalErrors } from './wal.ts'

export const StoreErrors = defineErrors('STORE', {
  LOCKED: {
    text: (d: { dir: string }) =>
      `the database ${d.dir} is in use by another process: stop that node, or give this one its own --dir`,
  },
  CORRUPT: {
    text: (d: { where: string; reason: string }) =>
      `the database is damaged: ${d.where}: ${d.reason}; nothing of it is served. Run \`novachain db check\`, ` +
      'then restore a snapshot or sync again into an empty --dir',
  },
  WRITE: {
    text: (d: { dir: string; reason: string }) =>
      `cannot write to the database ${d.dir}: ${d.reason}; free space or fix permissions, then start again`,
  },
  READ: {
    text: (d: { dir: string; reason: string }) =>
      `cannot read the database ${d.dir}: ${d.reason}; check the disk and who may read the folder (\`novachain doctor\`), then start again`,
  },
  MISSING: { text: (d: { dir: string }) => `no database in ${d.dir}: run \`novachain init\` or correct --dir` },
  CLOSED: { text: (d: { dir: string }) => `the database ${d.dir} is closed` },
})

export interface KvOptions {
  /** For worker threads of the process that owns the directory: never creates, never writes. */
  readonly readOnly?: boolean
  /** Lets the event loop run while a large batch is handed over. */
  readonly pause?: Pause
}

/** A store on disk, with what only a disk has. */
export interface DiskKv extends Kv {
  /** About how many bytes of the disk the keys from <= key < to take, without what was written last. */
  sizeBytes(from: Uint8Array, to: Uint8Array): Promise<number>
  /** Rewrites these keys without what was deleted or replaced, which leaves the disk then. Reads and writes go on meanwhile. */
  compact(from: Uint8Array, to: Uint8Array): Promise<void>
}

/** Directories this thread has open for writing: threads share LevelDB's handle, so its lock cannot see a second owner. */
const owned = new Set<string>()
const BATCH_SLICE = 16_384 // about 6 ms of handing over
const OPTIONS = {
  keyEncoding: 'view',
  valueEncoding: 'view',
  multithreading: true,
  cacheSize: 32 * 1024 * 1024,
  // A full block is some 40 MB in one batch, and the next writes most of its keys again. Two of these may be in memory; with a quarter
  // of it LevelDB's threads work a quarter more.
  writeBufferSize: 64 * 1024 * 1024,
  maxFileSize: 16 * 1024 * 1024,
} as const

/**
 * Opens or creates the database in `dir`. Threads of one process may open it together: the owner first, and it closes last,
 * for the block cache is its. Throws STORE_*.
 */
export async function openKv(dir: string, options: KvOptions = {}): Promise<DiskKv> {
  const readOnly = options.readOnly === true
  const path = readOnly ? existingDir(dir) : createdDir(dir)
  if (!readOnly) {
    if (owned.has(path)) throw new NodeError(StoreErrors.LOCKED, { dir: path })
    refuseDamagedLogs(path)
    owned.add(path)
  }
  const level = new ClassicLevel<Uint8Array, Uint8Array>(path, { ...OPTIONS, createIfMissing: !readOnly })
  try {
    await level.open()
  } catch (error) {
    if (!readOnly) owned.delete(path)
    throw openFault(path, error)
  }
  return levelKv(path, level, { readOnly, pause: options.pause ?? null })
}

// The resolved path is also the name under which LevelDB shares its handle between threads.
const createdDir = (dir: string): string => {
  try {
    mkdirSync(dir, { recursive: true })
    return realpathSync(dir)
  } catch (cause) {
    throw new NodeError(StoreErrors.WRITE, { dir, reason: faultOf(cause).reason }, { cause })
  }
}

const existingDir = (dir: string): string => {
  try {
    const path = realpathSync(dir)
    if (existsSync(join(path, 'CURRENT'))) return path
  } catch (cause) {
    throw new NodeError(StoreErrors.MISSING, { dir }, { cause })
  }
  throw new NodeError(StoreErrors.MISSING, { dir })
}

/** Before LevelDB opens them: it would skip what is damaged, and rewrite the log without it. */
const refuseDamagedLogs = (dir: string): void => {
  // Without CURRENT LevelDB makes a new database over the old one's files.
  const orphan = existsSync(join(dir, 'CURRENT')) ? undefined : filesOf(dir, ['.ldb', '.sst', '.log'])[0]
  if (orphan !== undefined)
    throw new NodeError(StoreErrors.CORRUPT, { where: dir, reason: `${orphan} is there and CURRENT is missing` })
  for (const name of filesOf(dir, ['.log'])) {
    const bytes = readIfThere(join(dir, name))
    const reason = bytes === null ? null : checkLogBytes(bytes)
    if (reason !== null) throw new NodeError(StoreErrors.CORRUPT, { where: join(dir, name), reason })
  }
}

/** Checks every checksum of a closed database's files; yields a sentence for each damaged file. Reads 16 MB at a time. */
export async function* checkKvFiles(dir: string): AsyncIterable<string> {
  for (const name of filesOf(dir, ['.log', '.ldb', '.sst'])) {
    const bytes = readIfThere(join(dir, name))
    const reason = bytes === null ? null : name.endsWith('.log') ? checkLogBytes(bytes) : checkTableBytes(bytes)
    if (reason !== null) yield `${join(dir, name)}: ${reason}`
  }
}

const filesOf = (dir: string, endings: readonly string[]): readonly string[] => {
  try {
    return readdirSync(dir).filter((name) => endings.some((ending) => name.endsWith(ending)))
  } catch (cause) {
    throw new NodeError(StoreErrors.READ, { dir, reason: faultOf(cause).reason }, { cause })
  }
}

/** null where it vanished: another process that holds the lock may be deleting old files, which `open` will say. */
const readIfThere = (file: string): Uint8Array | null => {
  try {
    return readFileSync(file)
  } catch (cause) {
    if (faultOf(cause).code === 'ENOENT') return null
    throw new NodeError(StoreErrors.READ, { dir: file, reason: faultOf(cause).reason }, { cause })
  }
}

type Level = ClassicLevel<Uint8Array, Uint8Array>
const levelKv = (
  dir: string,
  level: Level,
  o: { readonly readOnly: boolean; readonly pause: Pause | null },
): DiskKv => {
  let closing: Promise<void> | null = null
  const refuseClosed = (): void => {
    if (closing !== null) throw new NodeError(StoreErrors.CLOSED, { dir })
  }
  const writer = new Writer(dir, level, o.pause, refuseClosed)
  return {
    get(key) {
      refuseClosed()
      try {
        const found = level.getSync(key)
        return found === undefined ? undefined : plain(found)
      } catch (error) {
        throw readFault(dir, error)
      }
    },
    async write(batch) {
      refuseClosed()
      if (o.readOnly) throw new NodeError(StoreErrors.WRITE, { dir, reason: 'it is open for reading only' })
      await writer.write(batch)
    },
    entries(from, to) {
      refuseClosed()
      return levelEntries(dir, level, from, to)
    },
    async sizeBytes(from, to) {
      refuseClosed()
      return level.approximateSize(from, to)
    },
    async compact(from, to) {
      refuseClosed()
      try {
        await level.compactRange(from, to)
      } catch (cause) {
        throw new NodeError(StoreErrors.WRITE, { dir, reason: faultOf(cause).reason }, { cause })
      }
    },
    close() {
      closing ??= level.close().finally(() => {
        if (!o.readOnly) owned.delete(dir)
      })
      return closing
    },
  }
}

/** Not a Buffer, whose `slice` shares memory where a Uint8Array's copies. */
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * What a chained batch is beneath the checks of abstract-level, which ends one with its first write. Used again it keeps its memory: growing it
 * anew for each block, with the page faults of that, costs several times what writing into it does.
 */
interface Room {
  _put(key: Uint8Array, value: Uint8Array): void
  _del(key: Uint8Array): void
  _clear(): void
  _write(options: { readonly sync: boolean }): Promise<void>
  close(): Promise<void>
}
/** Larger ones are let go at once; one that was much too large for this many writes in a row, then. */
const ROOM_MAX_BYTES = 64 * 1024 * 1024
const ROOM_VAIN_MAX = 64

class Writer {
  readonly #dir: string
  readonly #level: Level
  readonly #pause: Pause | null
  readonly #checkOpen: () => void
  /** Between two writes: with its size, and how often it was too large. */
  #kept: { readonly room: Room; readonly sizeBytes: number; readonly vain: number } | null = null

  constructor(dir: string, level: Level, pause: Pause | null, checkOpen: () => void) {
    this.#dir = dir
    this.#level = level
    this.#pause = pause
    this.#checkOpen = checkOpen
  }

  async write(writes: Iterable<KvWrite>): Promise<void> {
    const kept = this.#kept
    this.#kept = null
    const room = kept?.room ?? (this.#level.batch() as unknown as Room) // of this version of classic-level
    let isWhole = false
    let sizeBytes = 0
    try {
      let count = 0
      for (const { key, value } of writes) {
        if (value === null) room._del(key)
        else room._put(key, value)
        sizeBytes += key.length + (value === null ? 0 : value.length)
        if (this.#pause !== null && ++count % BATCH_SLICE === 0) await this.#pause()
      }
      this.#checkOpen() // it may have closed meanwhile; closing waits for what is being written
      await room._write({ sync: true })
      isWhole = true
    } catch (error) {
      if (error instanceof NodeError) throw error
      const { code, reason } = faultOf(error)
      if (code === 'LEVEL_CORRUPTION')
        throw new NodeError(StoreErrors.CORRUPT, { where: this.#dir, reason }, { cause: error })
      throw new NodeError(StoreErrors.WRITE, { dir: this.#dir, reason }, { cause: error })
    } finally {
      const largest = Math.max(sizeBytes, kept?.sizeBytes ?? 0)
      const vain = sizeBytes * 8 < largest ? (kept?.vain ?? 0) + 1 : 0
      if (isWhole && this.#kept === null && largest <= ROOM_MAX_BYTES && vain <= ROOM_VAIN_MAX) {
        room._clear()
        this.#kept = { room, sizeBytes: largest, vain }
      } else await room.close()
    }
  }
}

const SCAN_COUNT = 1_000
const SCAN_BYTES = 256 * 1024 // blobs are megabytes: a few entries at a time, not a thousand

async function* levelEntries(dir: string, level: Level, from: Uint8Array, to: Uint8Array) {
  const iterator = level.iterator({ gte: from, lt: to, highWaterMarkBytes: SCAN_BYTES })
  try {
    while (true) {
      const entries = await iterator.nextv(SCAN_COUNT)
      if (entries.length === 0) return
      for (const [key, value] of entries) yield [plain(key), plain(value)] as const
    }
  } catch (error) {
    throw error instanceof NodeError ? error : readFault(dir, error)
  } finally {
    await iterator.close()
  }
}

/** LevelDB reports a code and a sentence; abstract-level wraps those of opening one deeper. */
const faultOf = (error: unknown): { readonly code: string; readonly reason: string } => {
  if (!(error instanceof Error)) return { code: '', reason: String(error) }
  if (error.cause instanceof Error) return faultOf(error.cause)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return { code, reason: error.message }
}

const openFault = (dir: string, cause: unknown): NodeError => {
  const { code, reason } = faultOf(cause)
  if (code === 'LEVEL_LOCKED') return new NodeError(StoreErrors.LOCKED, { dir }, { cause })
  if (code !== 'LEVEL_IO_ERROR') return new NodeError(StoreErrors.CORRUPT, { where: dir, reason }, { cause })
  // LevelDB has one code for all of the operating system; a file it expects and does not find is damage.
  const lost = reason.includes('No such file')
  return lost
    ? new NodeError(StoreErrors.CORRUPT, { where: dir, reason }, { cause })
    : new NodeError(StoreErrors.WRITE, { dir, reason }, { cause })
}

const readFault = (dir: string, cause: unknown): NodeError => {
  const { code, reason } = faultOf(cause)
  return code === 'LEVEL_CORRUPTION' || reason.includes('No such file')
    ? new NodeError(StoreErrors.CORRUPT, { where: dir, reason }, { cause })
    : new NodeError(StoreErrors.READ, { dir, reason }, { cause })
}

/** The file of a write-ahead log; makes it and its directory. Throws WAL_WRITE. */
export async function openLogFile(path: string): Promise<LogFile> {
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (cause) {
      throw new NodeError(WalErrors.WRITE, { name: path, reason: faultOf(cause).reason }, { cause })
    }
  }
  const openFile = (): Promise<FileHandle> => open(path, 'a+', 0o600)
  let file = await guard(async () => {
    mkdirSync(dirname(path), { recursive: true })
    return openFile()
  })
  return {
    name: path,
    // Not through the handle, whose position is at the end.
    read: () => guard(async () => plain(readFileSync(path))),
    append: (bytes) => guard(() => file.appendFile(bytes)),
    sync: () => guard(() => file.datasync()),
    truncate: (sizeBytes) => guard(() => file.truncate(sizeBytes)),
    replace: (bytes) =>
      guard(async () => {
        const fresh = await open(`${path}.new`, 'w', 0o600)
        try {
          await fresh.writeFile(bytes)
          await fresh.sync()
        } finally {
          await fresh.close()
        }
        await rename(`${path}.new`, path)
        await syncDir(dirname(path))
        await file.close()
        file = await openFile()
      }),
    close: () => guard(() => file.close()),
  }
}

/** A rename is durable when its directory is. */
const syncDir = async (dir: string): Promise<void> => {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The same contract without a disk, for tests and light tools. */
export function createMemoryKv(): Kv {
  // Keys as Latin-1 strings, whose order is that of the bytes.
  const map = new Map<string, readonly [Uint8Array, Uint8Array]>()
  let closed = false
  const refuseClosed = (): void => {
    if (closed) throw new NodeError(StoreErrors.CLOSED, { dir: 'in memory' })
  }
  return {
    get(key) {
      refuseClosed()
      return map.get(latin1(key))?.[1].slice()
    },
    async write(batch) {
      refuseClosed()
      for (const { key, value } of batch) {
        if (value === null) map.delete(latin1(key))
        else map.set(latin1(key), [key.slice(), value.slice()])
      }
    },
    entries(from, to) {
      refuseClosed()
      const [low, high] = [latin1(from), latin1(to)]
      const found = [...map].filter(([name]) => name >= low && name < high).sort(([a], [b]) => (a < b ? -1 : 1))
      return memoryEntries(found.map(([, entry]) => entry))
    },
    async close() {
      closed = true
    },
  }
}

/** `apply` takes any array-like, and is several times as fast as adding up; its type does not say so. */
const latin1 = (bytes: Uint8Array): string => String.fromCharCode.apply(null, bytes as unknown as number[])

async function* memoryEntries(found: readonly (readonly [Uint8Array, Uint8Array])[]) {
  for (const [key, value] of found) yield [key.slice(), value.slice()] as const
}
