// The users' door: what a transaction costs the main thread from the socket into the pool, in batches, and what a request alone costs. The client
// is a thread of its own; counted is the processor time of the thread that serves.
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { Intake } from '../chain/mempool/intake.ts'
import { createPool } from '../chain/mempool/pool.ts'
import { identifyTx } from '../chain/types/tx.ts'
import type { Ctx } from '../rpc/method.ts'
import { startRpc } from '../rpc/server.ts'
import { createReport } from './report.ts'
import { CHAIN_ID } from './rig.ts'
import { signTransfers, unpack } from './signing.ts'

const isSmoke = process.argv.includes('--smoke')
const COUNT = isSmoke ? 2_000 : 60_000
const BATCH = 500
const ALONE = isSmoke ? 200 : 5_000
const IN_FLIGHT = 4

const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
const post = (url: string, body: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    request(url, { method: 'POST', agent, headers }, (response) => response.resume().on('end', resolve))
      .on('error', reject)
      .end(body)
  })

/** The client's thread: sends every body, so many at a time. */
const send = async ({ url, bodies }: { url: string; bodies: readonly string[] }): Promise<void> => {
  const made = bodies.map((body) => Buffer.from(body))
  let at = 0
  const lane = async (): Promise<void> => {
    for (let body = made[at++]; body !== undefined; body = made[at++]) await post(url, body)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  agent.destroy()
}
const serveAll = async (url: string, bodies: readonly string[]): Promise<number> => {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { url, bodies } })
  await new Promise((resolve) => worker.once('message', resolve)) // it has made them
  const before = process.threadCpuUsage()
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  worker.postMessage('go')
  await ended
  const { user, system } = process.threadCpuUsage(before)
  return user + system
}

const measure = async (): Promise<void> => {
  installCurves(nativeCurves)
  const report = createReport('rpc')
  const fees = { maxFeeWei: 100_000_000_000n, tipWei: 1_000_000_000n }
  const plan = {
    chainId: CHAIN_ID,
    accounts: COUNT / 2,
    senders: COUNT / 2,
    count: COUNT,
    ...fees,
    firstNonces: null,
    recipients: 'turns' as const,
  }
  const raws = [...unpack(await signTransfers(plan))]
  const identities = new Map(raws.map((raw) => [Buffer.from(raw).toString('latin1'), identifyTx(raw)]))
  const before = process.threadCpuUsage()
  for (const raw of raws) identities.get(Buffer.from(raw).toString('latin1'))
  const lookUp = process.threadCpuUsage(before).user
  const clock = { nowMs: () => 0 }
  const admit = () => ({ nonce: 0n, balance: 10n ** 24n })
  const intakeOf = () =>
    new Intake(
      {
        pool: createPool({ admit, clock }, { gasLimit: 1_600_000_000n }),
        chainId: BigInt(CHAIN_ID),
        identify: async (some) => some.map((raw) => identities.get(Buffer.from(raw).toString('latin1')) ?? null),
        pause: async () => {},
      },
      () => {},
    )
  const alone = intakeOf()
  const started = process.threadCpuUsage()
  for (let from = 0; from < raws.length; from += BATCH) await alone.submit(raws.slice(from, from + BATCH), 'local')
  const { user, system } = process.threadCpuUsage(started)
  report.cpu('decode and admit, sender and hash known', (user + system - lookUp) / COUNT, 'us a transaction')

  const head = { header: { number: 1 } }
  const reader = { account: () => ({ nonce: 0n, balance: 1n }) }
  const chain = { submitAll: intakeOf().submit.bind(intakeOf()), head: () => head, at: () => reader }
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  // Of what a method may ask for, these two ask for no more.
  const ctx = { chain, clock } as unknown as Ctx
  const server = await startRpc(ctx, { host: '127.0.0.1', port: 0, hosts: [], origins: [] }, silent)
  const url = `http://127.0.0.1:${server.port}`
  const calls = raws.map(
    (raw, id) =>
      `{"jsonrpc":"2.0","id":${id},"method":"eth_sendRawTransaction","params":["0x${Buffer.from(raw).toString('hex')}"]}`,
  )
  const batches = Array.from(
    { length: COUNT / BATCH },
    (_, i) => `[${calls.slice(i * BATCH, (i + 1) * BATCH).join(',')}]`,
  )
  const whole = await serveAll(url, batches)
  report.cpu(`eth_sendRawTransaction, ${BATCH} a request, with that`, (whole - lookUp) / COUNT, 'us a transaction')
  const balance =
    '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x0000000000000000000000000000000000000001","latest"]}'
  report.cpu(
    'eth_getBalance, one a request',
    (await serveAll(
      url,
      Array.from({ length: ALONE }, () => balance),
    )) / ALONE,
    'us a request',
  )
  await server.close()
  await report.end()
}

if (isMainThread) await measure()
else {
  parentPort?.postMessage('ready')
  await new Promise((resolve) => parentPort?.once('message', resolve))
  await send(workerData)
  parentPort?.close()
}
