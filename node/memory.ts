// How a node's process keeps memory, where what C library and V8 do by themselves costs hundreds of megabytes: what must be said before it
// begins, and what a start left behind.
import { existsSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/**
 * Of glibc; others do not read it. By default each thread of LevelDB and libuv fills an arena of its own, up to eight a core, and what it
 * frees there is of use to nobody else. And a block's batch, tens of megabytes that are taken and given back each time, is had from the
 * system page by page, which costs more than filling it: from pages of 2 MB it is had five hundred times as fast.
 */
const ALLOCATOR = { MALLOC_ARENA_MAX: '1', GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' } as const

/** What `env` says itself is left as it is. */
export const withAllocator = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({ ...ALLOCATOR, ...env })

/** Begins this process anew with it, as the same process to all others; returns where it is set, or where there is nothing to win. */
export function beginWithAllocator(): void {
  const { platform, env, execPath, execArgv, argv } = process
  const isSet = Object.keys(ALLOCATOR).every((name) => env[name] !== undefined)
  if (platform !== 'linux' || isSet || process.execve === undefined || !existsSync(execPath)) return
  process.execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], withAllocator(env))
}

/** How much a heap may grow beyond what was alive in it until it is collected whole; by itself V8 lets a small one double, and more. */
const GROWTH_PERCENT = 50

/**
 * What a full block is made of lives for seconds, and is garbage in the old generation then, hundreds of megabytes of it. Collecting more
 * often costs some microseconds a transaction. All threads of the process do, those that run already too.
 */
export function boundGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}

/**
 * Of a thread, whose objects live for one batch or one call: with V8's 48 MB those of senders and of calls held 90 MB more, for nothing that
 * could be measured in their time.
 */
export const THREAD_LIMITS = { maxYoungGenerationSizeMb: 12 } as const

/** Below it there is nothing to win: what V8 holds of a heap that has shrunk serves it when it grows again under load. */
const HEAP_BYTES = 192 * 1024 * 1024

/**
 * Collects what was needed for the start alone and gives its pages back to the system: V8 keeps them for ever while the process is busy.
 * Half a second after a genesis of 200,000 accounts, nothing after one of a few.
 */
export async function giveBack(): Promise<void> {
  if (getHeapStatistics().total_heap_size < HEAP_BYTES) return
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.collectGarbage')
  session.disconnect()
}
