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

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

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
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    ended.then(([code]) => Promise.reject(new Error(`devnet ended with ${String(code)}:\n${said}`))),
  ])
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
