// What tests of content share: a swarm's key, options of small hosts, bytes that are the same everywhere.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { IpfsDeps, IpfsOptions } from '../../node/ipfs.ts'

export const ipfsDeps: IpfsDeps = {
  clock: { nowMs: () => 1_000 },
  log: { debug() {}, info() {}, warn() {}, error() {} },
}
export const ipfsOptions = (dir: string, seed: number): IpfsOptions => ({
  dir,
  swarmKey: new Uint8Array(32).fill(7),
  keySecret: new Uint8Array(32).fill(seed),
  listen: ['/ip4/127.0.0.1/tcp/0'],
  peers: [],
  replicas: 1,
  contentBytesMax: 256 * 1024 * 1024,
  cacheBytes: 8 * 1024 * 1024,
  stallMs: 3_000,
})

/** Bytes that no two blocks of repeat, by xorshift. */
export function contentOf(sizeBytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4))
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, sizeBytes)
}

export interface IpfsProcess {
  readonly child: ChildProcess
  readonly address: string
  order(order: object): Promise<Readonly<Record<string, unknown>>>
  end(): Promise<void>
}
/** A content host in a process of its own. */
export async function startIpfsProcess(dir: string, seed: number, peers: readonly string[] = []): Promise<IpfsProcess> {
  const file = fileURLToPath(new URL('ipfs-node.ts', import.meta.url))
  const child = spawn(process.execPath, [file, dir, `${seed}`, peers.join(',')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<Readonly<Record<string, unknown>>> => {
    const { value, done } = await lines.next()
    return done === true ? { ended: true } : JSON.parse(value)
  }
  const { address } = await next()
  return {
    child,
    address: String(address),
    async order(order) {
      child.stdin.write(`${JSON.stringify(order)}\n`)
      return next()
    },
    async end() {
      if (child.exitCode === null && child.signalCode === null) child.stdin.end()
      await ended
    },
  }
}
