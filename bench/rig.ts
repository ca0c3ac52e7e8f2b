// What benches of whole nodes share: endpoints (our node, anvil) as processes of their own, and JSON-RPC on one kept connection.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { developmentGenesis } from '../node/development.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = join(root, 'node/main.ts')

export interface Endpoint {
  readonly name: string
  readonly url: string
  /** null: not ours to watch. */
  readonly pid: number | null
  readonly metrics: string | null
  readonly flags: string
  close(): Promise<void>
}

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

const BALANCE = '1000000000000000000000'
const hexAt = (addresses: Uint8Array, i: number): string =>
  `0x${Buffer.from(addresses.subarray(20 * i, 20 * i + 20)).toString('hex')}`
const allocOf = (addresses: Uint8Array): object =>
  Object.fromEntries(
    Array.from({ length: addresses.length / 20 }, (_, i) => [hexAt(addresses, i), { balance: BALANCE }]),
  )
const bundled = () => JSON.parse(readFileSync(join(root, 'genesis.json'), 'utf8'))
export const CHAIN_ID: number = bundled().config.chainId

/** The bundled genesis with these accounts beside its own, rich in NOVA and in CPU tokens; `blockTimeMs` null: its own. */
export const genesisWith = (addresses: Uint8Array, validators: number, blockTimeMs: number | null = null): string => {
  const json = bundled()
  const { cpu } = json.novachain.modules
  const tokens = Array.from({ length: addresses.length / 20 }, (_, i) => [hexAt(addresses, i), BALANCE])
  cpu.balances = { ...cpu.balances, ...Object.fromEntries(tokens) }
  const text = JSON.stringify({ ...json, alloc: { ...json.alloc, ...allocOf(addresses) } })
  return developmentGenesis(text, { validators, blockTimeMs, chainId: null })
}

const temporary = () => mkdtempSync(join(tmpdir(), 'novachain-bench-'))
const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  await exit
}

/** One validator alone, as `novachain start` runs it; `profile`: a folder for its processor profile. */
export async function startOurs(addresses: Uint8Array, blockTimeMs: number, profile: string | null): Promise<Endpoint> {
  const dir = temporary()
  // Supervised: it ends when this process does.
  const env: NodeJS.ProcessEnv = { ...process.env, NOVACHAIN_SUPERVISED: '1' }
  if (profile !== null) {
    mkdirSync(profile, { recursive: true })
    env.NODE_OPTIONS = `${env.NODE_OPTIONS ?? ''} --cpu-prof --cpu-prof-dir=${profile}`
  }
  mkdirSync(join(dir, 'wal'))
  writeFileSync(join(dir, 'genesis.json'), genesisWith(addresses, 1, blockTimeMs))
  writeFileSync(join(dir, 'config.toml'), '[validator]\ndevelopmentIndex = 0\n\n[p2p]\nlisten = []\n')
  const ports = ['--rpc-port', String(await freePort()), '--metrics-port', String(await freePort())]
  const args = ['start', '--json', '--dir', dir, ...ports, '--log-level', 'warn']
  const child = spawn(process.execPath, [main, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const { rpc, metrics, pid } = JSON.parse(String(line))
  return {
    ...{ name: 'NovaChain', url: rpc, pid, metrics },
    flags: `start, one validator, durable commits, ${blockTimeMs / 1_000} s blocks`,
    async close() {
      await ended(child)
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** The same accounts in anvil, with the same block time and gas limit. */
export async function startAnvil(command: string, addresses: Uint8Array, blockTimeMs: number): Promise<Endpoint> {
  const dir = temporary()
  const { gasLimit, baseFeePerGas } = bundled()
  const fields = { nonce: '0x0', timestamp: '0x0', extraData: '0x', difficulty: '0x0', coinbase: `0x${'0'.repeat(40)}` }
  const hex = (value: number | string): string => `0x${BigInt(value).toString(16)}`
  const genesis = {
    ...{ config: { chainId: CHAIN_ID }, ...fields, mixHash: `0x${'0'.repeat(64)}` },
    ...{ gasLimit: hex(gasLimit), baseFeePerGas: hex(baseFeePerGas), alloc: allocOf(addresses) },
  }
  writeFileSync(join(dir, 'genesis.json'), JSON.stringify(genesis))
  const port = await freePort()
  const pace = ['--block-time', String(blockTimeMs / 1_000), '--gas-limit', String(gasLimit)]
  const shown = [...pace, '--chain-id', String(CHAIN_ID), '--quiet']
  const args = [...shown, '--no-request-size-limit', '--port', String(port), '--init', join(dir, 'genesis.json')]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const failed = once(child, 'exit').then(() => Promise.reject(new Error(`${command} ended`)))
  const url = `http://127.0.0.1:${port}`
  const client = createClient(url)
  const answers = async (): Promise<void> => {
    for (;;) {
      const number = await client.ask('eth_blockNumber', []).catch(() => null)
      if (number !== null) return
      await delay(200)
    }
  }
  await Promise.race([answers(), failed])
  failed.catch(() => {})
  client.close()
  return {
    ...{
      name: versionOf(command),
      url,
      pid: child.pid ?? null,
      metrics: null,
      flags: `${shown.join(' ')} --init <the same accounts>`,
    },
    async close() {
      await ended(child)
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
const versionOf = (command: string): string => {
  const [first = command] = execFileSync(command, ['--version']).toString().split('\n')
  return first.replace(' Version:', '')
}

export interface Client {
  /** The result; throws where it is an error. */
  ask(method: string, params: readonly unknown[]): Promise<unknown>
  askAll(calls: readonly { readonly method: string; readonly params: readonly unknown[] }[]): Promise<unknown[]>
  close(): void
}
interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}
/** One kept connection. */
export function createClient(url: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const post = (value: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const body = Buffer.from(JSON.stringify(value))
      const headers = { 'content-type': 'application/json', 'content-length': body.length }
      request(url, { method: 'POST', agent, headers }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())))
        response.on('error', reject)
      })
        .on('error', reject)
        .end(body)
    })
  const resultOf = (reply: Reply): unknown => {
    if (reply.error !== undefined) throw new Error(reply.error.message)
    return reply.result
  }
  return {
    ask: async (method, params) => resultOf((await post({ jsonrpc: '2.0', id: 1, method, params })) as Reply),
    async askAll(calls) {
      const replies = (await post(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call })))) as Reply[]
      return replies.sort((a, b) => a.id - b.id).map(resultOf)
    },
    close: () => agent.destroy(),
  }
}
