// A real disk of a few megabytes under one folder: a file system in memory in a namespace of its own, which needs no root. Who works on it enters
// that namespace by a prefix to his command; what he leaves is gone with it.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { main, type Said } from './commands.ts'

/** Not every machine lets its users make namespaces. */
export const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['-Urm', 'true'])
    return true
  } catch {
    return false
  }
})()

export interface SmallDisk {
  /** Put before a program and its arguments. */
  readonly prefix: readonly string[]
  readonly holder: ChildProcess
  /** One line of a shell; throws where it fails. */
  shell(line: string): Promise<string>
  /** One command as a process on that disk, with --json. */
  novachain(...argv: readonly string[]): Promise<Said>
  close(): Promise<void>
}

/** What `dir` holds is hidden by the disk, which begins with a copy of `from`. */
export async function mountSmall(dir: string, megabytes: number, from: string): Promise<SmallDisk> {
  const options = `size=${megabytes}m,mode=700`
  const mount = `mount -t tmpfs -o ${options} none '${dir}' && cp -a '${from}/.' '${dir}' && echo ready && exec sleep 3600`
  const holder = spawn('unshare', ['-Urm', 'sh', '-c', mount], { stdio: ['ignore', 'pipe', 'inherit'] })
  const failed = once(holder, 'exit').then(() => Promise.reject(new Error(`${dir} could not be mounted`)))
  failed.catch(() => {})
  await Promise.race([once(holder.stdout, 'data'), failed])
  const prefix = ['nsenter', '-t', `${holder.pid}`, '-U', '-m', '--preserve-credentials']
  const enter = (...argv: readonly string[]) => promisify(execFile)(prefix[0] as string, [...prefix.slice(1), ...argv])
  return {
    ...{ prefix, holder },
    shell: async (line) => (await enter('sh', '-c', line)).stdout,
    novachain: (...argv) =>
      enter(process.execPath, main, ...argv, '--json').then(
        ({ stdout }) => ({ code: 0, json: JSON.parse(stdout), text: stdout, refusal: null }),
        ({ code, stderr }: { code: number; stderr: string }) => ({ code, json: {}, text: stderr, refusal: '' }),
      ),
    async close() {
      const ended = once(holder, 'exit')
      holder.kill('SIGKILL')
      await ended
    },
  }
}
