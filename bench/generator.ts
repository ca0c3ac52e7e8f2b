// The load generator, a process of its own: takes signed transactions from files, makes every request before it is told to begin, unless
// there are too many for the memory, and sends batches on a few connections. It keeps so many transactions sent and not yet in a block, never more; what is refused because a node is full is sent again.
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { unpack } from './signing.ts'

export interface Orders {
  readonly url: string
  readonly files: readonly string[]
  /** Transactions in a request. */
  readonly batch: number
  readonly connections: number
  /** Sent and in no block yet. */
  readonly window: number
  /** Transactions a second at most. */
  readonly rate: number | null
}
export type Said =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly sent: number; readonly refusals: number; readonly example: string }

const AGAIN_MS = 100
const POLL_MS = 50

/** Beyond so many files requests are made as they are sent: 1 GB of them is enough. */
const FILES_AHEAD_MAX = 3

function* bodiesOf({ files, batch }: Orders): Generator<Buffer> {
  let calls: string[] = []
  const body = (): Buffer => Buffer.from(`[${calls.join(',')}]`, 'latin1')
  for (const raw of unpack(files)) {
    const hex = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString('hex')
    calls.push(`{"jsonrpc":"2.0","id":${calls.length},"method":"eth_sendRawTransaction","params":["0x${hex}"]}`)
    if (calls.length < batch) continue
    yield body()
    calls = []
  }
  if (calls.length > 0) yield body()
}

const run = async (orders: Orders): Promise<void> => {
  const { url, batch, connections, window, rate } = orders
  const made = bodiesOf(orders)
  const bodies = orders.files.length > FILES_AHEAD_MAX ? made : [...made].values()
  const agent = new Agent({ keepAlive: true, maxSockets: connections + 1 })
  const post = (body: Buffer): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length }
      request(url, { method: 'POST', agent, headers }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => resolve(Buffer.concat(chunks).toString('latin1')))
        response.on('error', reject)
      })
        .on('error', reject)
        .end(body)
    })
  const ask = async (method: string, params: unknown[]): Promise<unknown> =>
    JSON.parse(await post(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })))).result
  let [at, sent, included, refusals, example] = [0, 0, 0, 0, '']
  let isOver = false
  let stopped = (): void => {}
  const stop = new Promise<void>((resolve) => {
    stopped = resolve
  })
  let started = 0
  process.on('message', (message: 'begin' | 'stop') => {
    if (message === 'begin') void begin()
    else {
      isOver = true
      stopped()
    }
  })
  const follow = async (): Promise<void> => {
    let seen = Number(await ask('eth_blockNumber', []))
    while (!isOver) {
      await delay(POLL_MS)
      const head = Number(await ask('eth_blockNumber', []))
      for (; seen < head; seen++)
        included += Number(await ask('eth_getBlockTransactionCountByNumber', [`0x${(seen + 1).toString(16)}`]))
    }
  }
  const mayGo = (): boolean =>
    at * batch - included + batch <= window &&
    (rate === null || at * batch <= (rate * (performance.now() - started)) / 1_000)
  const lane = async (): Promise<void> => {
    while (!isOver) {
      if (!mayGo()) {
        await delay(5)
        continue
      }
      const { value: body } = bodies.next()
      if (body === undefined) return
      at++
      for (let isAgain = false; !isOver; isAgain = true) {
        const answer = await post(body)
        const faults = answer.match(/"message":"(?:[^"\\]|\\.)*"/g) ?? []
        // A request that is sent again finds the first part of itself in the pool or in a block.
        const real = faults.filter((text) => !isAgain || !/already (known|imported)|nonce too low/i.test(text))
        if (real.length === 0) break
        refusals += real.length
        example = real[0] as string
        await delay(AGAIN_MS)
      }
      sent += batch
    }
  }
  const begin = async (): Promise<void> => {
    started = performance.now()
    const following = follow()
    await Promise.all(Array.from({ length: connections }, lane))
    isOver = true
    await following
    process.send?.({ kind: 'done', sent, refusals, example } satisfies Said)
    agent.destroy()
    await stop // until then the system counts what it used
    process.disconnect()
  }
  process.send?.({ kind: 'ready' } satisfies Said)
}

if (process.argv[2] !== undefined) await run(JSON.parse(process.argv[2]))
