// Processor time and memory of processes as the system counts them, and the words that name a machine.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Of a process and its threads, in seconds; one that is gone used none. */
export const cpuSeconds = (pid: number | null): number => {
  if (pid === null) return 0
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}
/** The same by thread: the name the system has for it, and its number. A thread that ended is left out. */
export const threadSeconds = (pid: number | null): ReadonlyMap<string, number> => {
  const out = new Map<string, number>()
  if (pid === null) return out
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      const fields = text.split(') ')[1]?.split(' ') ?? []
      out.set(`${/\((.*)\)/.exec(text)?.[1]} ${thread}`, (Number(fields[11]) + Number(fields[12])) / 100)
    } catch {} // it ended meanwhile
  }
  return out
}
/** Of everything on the machine. */
export const machineCpuSeconds = (): number => {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] =
    /^cpu +(.*)/.exec(readFileSync('/proc/stat', 'utf8'))?.[1]?.split(' ').map(Number) ?? []
  return (user + nice + system + irq + softIrq) / 100
}
/** Begins the peak anew. */
export const resetPeak = (pid: number | null): void => {
  if (pid !== null) writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
const statusMb = (pid: number, name: string): number =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024
export const peakMb = (pid: number | null): number | null => (pid === null ? null : statusMb(pid, 'VmHWM'))
export const residentMb = (pid: number | null): number | null => (pid === null ? null : statusMb(pid, 'VmRSS'))
/** Without files that are mapped, which the system takes back when it needs room. */
export const ownMb = (pid: number | null): number | null => (pid === null ? null : statusMb(pid, 'RssAnon'))

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

export const machine = () => {
  const [first] = cpus()
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root }).toString().trim()
  return {
    processor: first?.model ?? '?',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
    commit,
  }
}
