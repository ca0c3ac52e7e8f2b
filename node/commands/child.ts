// A validator as the child of a supervisor, and the line between them: orders on its standard input, answers on its standard output,
// one JSON object a line each. Owns both ends; the child ends when the line is cut, so it never outlives its supervisor.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { withAllocator } from '../memory.ts'

export const ChildErrors = defineErrors('CHILD', {
  START: { text: (d: { index: number; reason: string }) => `validator ${d.index} did not start: ${d.reason}` },
  SILENT: {
    text: (d: { index: number }) =>
      `validator ${d.index} does not answer; is it stopped (kill -CONT)? It obeys as soon as it goes on`,
  },
  ENDING: { text: () => 'the devnet is stopping' },
})

/** Speak no more to these peers; an empty list: to all again. */
interface Order {
  readonly block: readonly string[]
}

/** What `start --json` says once it runs. */
export interface Ports {
  readonly rpc: string
  readonly ws: string
  readonly metrics: string
  /** Multiaddrs with the peer id. */
  readonly p2p: readonly string[]
}

const main = fileURLToPath(new URL(`../main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
const STOP_MS = 30_000
const ANSWER_MS = 5_000

export interface Child {
  /** Where it is reached, as long as it was ever up. */
  ports(): Ports | null
  pid(): number | null
  /** Returns when it answers RPC, with its peers blocked as before. Throws CHILD_START. */
  start(): Promise<void>
  /** SIGTERM, and SIGKILL when that takes too long. Returns when it is gone. */
  end(): Promise<void>
  /** SIGKILL. Returns when it is gone; nothing to do for one that is. */
  kill(): Promise<void>
  /** Counts for this life and the next ones. Throws CHILD_SILENT. */
  block(peers: readonly string[]): Promise<void>
}

/** `say` gets what it logs. */
export function createChild(index: number, args: readonly string[], say: (chunk: Buffer) => void): Child {
  let running: ChildProcess | null = null
  let ports: Ports | null = null
  let blocked: readonly string[] = []
  /** Who waits for the next line, in order. */
  let waiting: ((line: string | null) => void)[] = []

  const nextLine = (): Promise<string | null> =>
    new Promise((resolve) => {
      if (running === null) resolve(null)
      else waiting.push(resolve)
    })
  const order = async (child: ChildProcess, what: Order): Promise<void> => {
    const answered = nextLine()
    child.stdin?.write(`${JSON.stringify(what)}\n`)
    const timer = new AbortController()
    const late = delay(ANSWER_MS, 'late', { signal: timer.signal }).catch(() => null)
    const first = await Promise.race([answered, late])
    timer.abort()
    if (first === 'late') throw new NodeError(ChildErrors.SILENT, { index })
  }
  const signalled = async (signal: NodeJS.Signals): Promise<void> => {
    const child = running
    if (child === null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    child.kill('SIGCONT') // one that is stopped hears nothing but SIGKILL
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await ended
    clearTimeout(timer)
  }

  return {
    ports: () => ports,
    pid: () => running?.pid ?? null,
    end: () => signalled('SIGTERM'),
    kill: () => signalled('SIGKILL'),
    async block(peers) {
      blocked = peers
      if (running !== null) await order(running, { block: peers })
    },
    async start() {
      const child = spawn(process.execPath, [...process.execArgv, main, 'start', '--json', ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: withAllocator({ ...process.env, NOVACHAIN_SUPERVISED: '1' }),
      })
      running = child
      let said = ''
      child.stdin.on('error', () => {}) // it died while we wrote; its exit says so
      child.stderr.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4_000)
        say(chunk)
      })
      createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(line))
      const over = (): void => {
        if (running !== child) return
        running = null
        for (const answer of waiting.splice(0)) answer(null)
      }
      child.once('exit', over).once('error', over) // it ended, or was never there
      waiting = []
      const line = await nextLine()
      if (line === null) throw new NodeError(ChildErrors.START, { index, reason: lastSentence(said) })
      ports = JSON.parse(line)
      if (blocked.length > 0) await order(child, { block: blocked })
    },
  }
}

const lastSentence = (said: string): string =>
  said
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/^error: /, '') ?? ''

export interface Supervised {
  /** Aborts when the supervisor is gone. */
  readonly gone: AbortSignal
  /** Performs the orders that came and those that will. */
  obey(block: (peers: readonly string[]) => void): void
}

/** The child's end of the line. A process that nobody supervises leaves its standard input alone. */
export function supervised(env: Readonly<Record<string, string | undefined>>): Supervised {
  const gone = new AbortController()
  if (env.NOVACHAIN_SUPERVISED !== '1') return { gone: gone.signal, obey() {} }
  const early: string[] = []
  let perform = (line: string): void => void early.push(line)
  createInterface({ input: process.stdin })
    .on('line', (line) => perform(line))
    .once('close', () => gone.abort())
  return {
    gone: gone.signal,
    obey(block) {
      perform = (line) => {
        const order: Order = JSON.parse(line)
        block(order.block)
        console.log(JSON.stringify({ blocked: order.block.length }))
      }
      for (const line of early.splice(0)) perform(line)
    },
  }
}
