// A whole node, the only validator of its network: time from the command to the first final block, memory after idle blocks, balance requests a second. Wall time for
// the first, the node's own CPU for the rest.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const isSmoke = process.argv.includes('--smoke')
const BLOCKS = isSmoke ? 20 : 1_000
const REQUESTS = isSmoke ? 1_000 : 30_000
const IN_FLIGHT = 64

const main = fileURLToPath(new URL('../node/main.ts', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
const started = performance.now()
const port = 20_000 + (process.pid % 20_000)
const child = spawn(
  process.execPath,
  [main, 'devnet', '--json', '--validators', '1', '--dir', dir, '--rpc-port', String(port), '--log-level', 'error'],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
const [line] = await once(createInterface({ input: child.stdout }), 'line')
const net: { rpc: string[]; pids: number[]; accounts: { address: string }[] } = JSON.parse(String(line))
console.log(`devnet to its first final block: ${((performance.now() - started) / 1_000).toFixed(2)} s`)

const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
const ask = (method: string, params: unknown[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    request(net.rpc[0] ?? '', { method: 'POST', agent, headers }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end(body)
  })
/** Seconds of CPU the validator has used. */
const cpuSeconds = (): number => {
  const fields = readFileSync(`/proc/${net.pids[0]}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}
const residentMb = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${net.pids[0]}/status`, 'utf8'))?.[1] ?? 0) / 1_024

for (let mined = 0; mined < BLOCKS; mined += 100)
  await ask('evm_mine', [`0x${Math.min(100, BLOCKS - mined).toString(16)}`])
console.log(`resident after ${BLOCKS} empty blocks: ${residentMb().toFixed(0)} MB`)

const address = net.accounts[0]?.address ?? ''
const [wall, cpu] = [performance.now(), cpuSeconds()]
let sent = 0
await Promise.all(
  Array.from({ length: IN_FLIGHT }, async () => {
    while (sent < REQUESTS) {
      sent++
      await ask('eth_getBalance', [address, 'latest'])
    }
  }),
)
const seconds = (performance.now() - wall) / 1_000
console.log(
  `eth_getBalance, one a request: ${(REQUESTS / seconds).toFixed(0)} a second, ${(((cpuSeconds() - cpu) * 1e6) / REQUESTS).toFixed(0)} us of the node's CPU each`,
)
agent.destroy()
child.kill('SIGTERM')
await once(child, 'exit')
rmSync(dir, { recursive: true, force: true })
