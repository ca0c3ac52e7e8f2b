// How a node's process keeps memory, where what C library and V8 do by themselves costs hundreds of megabytes: what must be said before it
// begins, and what a start left behind.
import { existsSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { getHeapStatistics } from 'node:v8'

const ARENAS = 'MALLOC_ARENA_MAX'

/**
 * Of glibc; others do not read it. By default each thread of LevelDB and libuv fills an arena of its own, up to eight a core, and what it
 * frees there is of use to nobody else.
 */
export const withOneArena = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({ [ARENAS]: '1', ...env })

/** Begins this process anew with it, as the same process to all others; returns where it has it, or where there is nothing to win. */
export function beginWithOneArena(): void {
  const { platform, env, execPath, execArgv, argv } = process
  if (platform !== 'linux' || env[ARENAS] !== undefined || process.execve === undefined || !existsSync(execPath)) return
  process.execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], withOneArena(env))
}

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
