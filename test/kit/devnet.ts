// A development network as users start it: the command as a process of its own, in a folder that goes away with it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Devnet {
  readonly chainId: number
  readonly rpc: readonly string[]
  readonly ws: readonly string[]
  readonly pids: readonly number[]
  readonly dir: string
  readonly metrics: readonly string[]
  readonly p2p: readonly string[]
  readonly accounts: readonly { readonly address: string; readonly privateKey: string }[]
  readonly process: ChildProcess
  /** The end of what it logged. */
  said(): string
  /** Ends it with SIGTERM and answers its exit code; removes the folder unless `keep`. */
  stop(options?: { keep?: boolean }): Promise<number | null>
}

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))

/**
 * A port with nine free ones after it, and as many a thousand above for metrics. Files of tests run beside each other: each worker has a range
 * of its own, below those that the system gives to outgoing connections, and above 10080, to which `fetch` does not speak. Suites that run
 * beside each other say so (`PORT_RANGE`, 0 to 9): a node that one ends and starts again must find its port free.
 */
export async function freePort(): Promise<number> {
  const range = Number(process.env.PORT_RANGE ?? 0) + Number(process.env.VITEST_POOL_ID ?? 1) - 1
  const first = 10_100 + (range % 10) * 2_000
  for (let tries = 0; tries < SLOTS; tries++) {
    const port = first + (slot++ % SLOTS) * PORTS
    const wanted = [0, 1_000].flatMap((above) => Array.from({ length: PORTS }, (_, i) => port + above + i))
    if ((await Promise.all(wanted.map(isFree))).every(Boolean)) return port
  }
  throw new Error(`no ten ports from ${first} on are free, or none can be opened`)
}
const PORTS = 10
const SLOTS = 100
let slot = process.pid % SLOTS

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1')
  const isListening = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return isListening
}

/** Below the bound of tests and hooks, which end a start that hangs without a word of what it said. */
const START_MS = 200_000

/** Starts `devnet --json`, of one validator unless told otherwise, and returns when its one line is there. */
export async function startDevnet(args: readonly string[] = [], options: { dir?: string } = {}): Promise<Devnet> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'novachain-')))
  const port = await freePort()
  const alone = args.includes('--validators') ? [] : ['--validators', '1']
  // Not the usual ports: those of a validator that is killed must still be free when it comes back.
  const ports = ['--rpc-port', String(port), '--p2p-port', String(await freePort())]
  const flags = ['--json', '--dir', dir, ...ports, ...alone, ...args]
  const child = spawn(process.execPath, [main, 'devnet', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-10_000)
  })
  const ended = once(child, 'exit')
  const bound = setTimeout(() => child.kill('SIGKILL'), START_MS)
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    ended.then(([code]) => Promise.reject(new Error(`devnet ended with ${code ?? 'no line in time'}:\n${said}`))),
  ]).finally(() => clearTimeout(bound))
  return {
    ...JSON.parse(line),
    process: child,
    said: () => said,
    async stop({ keep = false } = {}) {
      child.kill('SIGTERM')
      const [code] = child.exitCode === null ? await ended : [child.exitCode]
      if (!keep) await rm(dir, { recursive: true, force: true })
      return code
    },
  }
}
