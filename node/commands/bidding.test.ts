// One transaction before a node whose gas grows dear: it is bid for under its nonce, up to what may be paid, and what does not get through is told with what
// to do.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Transaction, Wallet } from 'ethers'
import { afterEach, expect, test } from 'vitest'
import { NodeError } from '../../chain/base/errors.ts'
import { parseFlags } from '../args.ts'
import { developmentAccounts } from '../development.ts'
import { sendBidding } from './bidding.ts'
import { bridge } from './bridge.ts'

const GWEI = 10n ** 9n
const [account] = developmentAccounts(1)
const wallet = new Wallet(account?.privateKey ?? expect.fail())
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A chain that takes what bids its base fee, after so many looks at it. */
const open = async (baseFees: readonly bigint[]) => {
  const given: { readonly hash: string; readonly nonce: number; readonly maxFee: bigint; readonly tip: bigint }[] = []
  let looks = 0
  const chain = {
    waiting: null as { readonly fee: bigint; readonly tip: bigint; readonly hash?: string | null } | null,
    isPoor: false,
  }
  const baseFee = (): bigint => baseFees[Math.min(looks, baseFees.length - 1)] ?? 0n
  const answers: Readonly<Record<string, (params: readonly string[]) => unknown>> = {
    eth_chainId: () => '0x89',
    eth_getTransactionCount: () => '0x7',
    eth_maxPriorityFeePerGas: () => `0x${GWEI.toString(16)}`,
    eth_getBlockByNumber: () => ({ baseFeePerGas: `0x${baseFee().toString(16)}` }),
    eth_estimateGas: () => '0x186a0',
    eth_sendRawTransaction([raw]) {
      const { hash, nonce, maxFeePerGas, maxPriorityFeePerGas } = Transaction.from(raw ?? '')
      const [fee, tip] = [maxFeePerGas ?? 0n, maxPriorityFeePerGas ?? 0n]
      if (chain.waiting?.hash === hash) throw new Error('already known')
      if (chain.isPoor) throw new Error('insufficient funds for gas * price + value')
      const had = chain.waiting
      if (had !== null && (fee * 10n < had.fee * 11n || tip * 10n < had.tip * 11n))
        throw new Error('replacement transaction underpriced')
      chain.waiting = { fee, tip, hash }
      given.push({ hash: hash ?? '', nonce, maxFee: fee, tip })
      return hash
    },
    eth_getTransactionReceipt([hash]) {
      looks++
      const last = given.at(-1)
      if (last === undefined || last.hash !== hash || last.maxFee < baseFee()) return null
      return { status: '0x1', blockNumber: '0x9', gasUsed: '0x5208', contractAddress: null, logs: [] }
    },
  }
  /** What becomes of an answer, by its method: it is lost on the way, or a gateway says that there were too many. */
  const ways = { of: (_method: string): 'lost' | 'limited' | 'told' => 'told' }
  const server = createServer(async (request, response) => {
    const { method, params } = JSON.parse(await text(request)) // our own client's
    const answer = (): object => {
      try {
        return { result: answers[method]?.(params) }
      } catch (error) {
        return { error: { code: -32_000, message: (error as Error).message } } // thrown above
      }
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, ...answer() })
    const way = ways.of(method)
    if (way === 'lost') response.destroy()
    else if (way === 'limited') response.writeHead(429).end('Too Many Requests')
    else response.end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // it listens on TCP
  const send = async (...argv: string[]) => {
    const { flags, switches } = parseFlags(bridge, 'test', [
      'claim',
      '0x',
      '--rpc',
      `http://127.0.0.1:${port}`,
      ...argv,
    ])
    const context = { args: [], flags, switches, env: {}, out: () => {}, signal: new AbortController().signal }
    const order = { to: wallet.address, value: 0n, data: '0x' }
    const options = { slackGas: 0n, mostWei: 200n * GWEI, raiseMs: 1, pollMs: 1 }
    return sendBidding(context, { address: wallet.address, wallet }, order, options).catch((error: unknown) => {
      if (error instanceof NodeError) return { code: error.code, message: error.message }
      throw error
    })
  }
  return { send, given, chain, ways }
}

test('where gas is as dear as before, one transaction is all', async () => {
  const { send, given } = await open([10n * GWEI])
  expect(await send()).toMatchObject({ height: 9, gasUsed: 21_000 })
  expect(given.map(({ nonce, maxFee }) => [nonce, maxFee])).toEqual([[7, 21n * GWEI]])
})

test('where it grows dear it bids more under its nonce, an eighth at least and as far as the base fee went', async () => {
  const { send, given } = await open([10n * GWEI, 60n * GWEI])
  expect(await send()).toMatchObject({ height: 9 })
  expect(given.length).toBeGreaterThan(1)
  expect(new Set(given.map(({ nonce }) => nonce))).toEqual(new Set([7]))
  expect(given.at(-1)?.maxFee).toBeGreaterThanOrEqual(60n * GWEI)
  for (const [i, { maxFee, tip }] of given.entries()) {
    if (i > 0) expect(maxFee * 8n).toBeGreaterThanOrEqual((given[i - 1]?.maxFee ?? 0n) * 9n)
    if (i > 0) expect(tip * 8n).toBeGreaterThanOrEqual((given[i - 1]?.tip ?? 0n) * 9n)
    expect(maxFee).toBeLessThanOrEqual(200n * GWEI)
  }
})

test('dearer than may be paid from the start, nothing is sent', async () => {
  const { send, given } = await open([300n * GWEI])
  expect(await send()).toEqual({
    code: 'TXBID_DEAR',
    message: expect.stringMatching(/300 gwei .* 200 gwei .* --max-fee/),
  })
  expect(await send('--max-fee', '250gwei')).toMatchObject({ code: 'TXBID_DEAR' })
  expect(given).toEqual([])
  expect(await send('--max-fee', '310gwei')).toMatchObject({ height: 9 })
})

test('dearer than may be paid afterwards, it says what it bid, and how its place is taken', async () => {
  const { send, given } = await open([10n * GWEI, 500n * GWEI])
  const { message, code } = (await send('--timeout', '1')) as { readonly message: string; readonly code: string }
  expect(code).toBe('TXBID_OUTBID')
  expect(message).toMatch(
    new RegExp(`^transaction ${given.at(-1)?.hash} .* the base fee is 500 gwei.* --nonce 7 and a higher --max-fee`),
  )
  expect(given.every(({ maxFee }) => maxFee <= 200n * GWEI)).toBe(true)
})

test('the place of what waits in the pool is taken by what is dearer', async () => {
  const { send, given, chain } = await open([10n * GWEI])
  chain.waiting = { fee: 90n * GWEI, tip: 3n * GWEI }
  expect(await send('--nonce', '7')).toMatchObject({ height: 9 })
  expect(given[0]?.maxFee).toBeGreaterThanOrEqual(99n * GWEI)
  chain.waiting = { fee: 190n * GWEI, tip: 3n * GWEI }
  expect(await send('--nonce', '7')).toEqual({ code: 'CLIENT_ANSWER', message: expect.stringMatching(/underpriced/) })
})

const SEND = 'eth_sendRawTransaction'
test.each(['lost', 'limited'] as const)('what a node took is found, though its answer was %s', async (way) => {
  const { send, given, ways } = await open([10n * GWEI])
  let sends = 0
  ways.of = (method) => (method === SEND && sends++ === 0 ? way : 'told')
  expect(await send()).toMatchObject({ height: 9, hash: given[0]?.hash })
  expect(given).toHaveLength(1)
})

test.each(['lost', 'limited'] as const)('a raise is found, though its answer was %s', async (way) => {
  const { send, given, ways } = await open([10n * GWEI, 60n * GWEI])
  ways.of = (method) => (method === SEND && given.length > 1 ? way : 'told')
  expect(await send()).toMatchObject({ height: 9, hash: given.at(-1)?.hash })
  expect(given.length).toBeGreaterThan(1)
})

test.each(['lost', 'limited'] as const)('where every answer is %s afterwards, it says what was sent', async (way) => {
  const { send, given, ways } = await open([10n * GWEI])
  ways.of = () => (given.length > 0 ? way : 'told')
  const { message, code } = (await send('--timeout', '1')) as { readonly message: string; readonly code: string }
  expect(code).toBe('TXBID_OUTBID')
  expect(given).toHaveLength(1)
  expect(message).toMatch(
    new RegExp(`^transaction ${given[0]?.hash} .* base fee is not known\\. No node said that it has it .* --nonce 7 `),
  )
})

test('what never arrived is given again, the same', async () => {
  const { send, given, ways, chain } = await open([10n * GWEI])
  chain.isPoor = true
  let sends = 0
  ways.of = (method) => {
    if (method !== SEND) return 'told'
    chain.isPoor = sends > 0 && given.length > 0
    return sends++ === 0 ? 'limited' : 'told'
  }
  expect(await send()).toMatchObject({ height: 9, hash: given[0]?.hash })
  expect([given.length, given[0]?.maxFee]).toEqual([1, 21n * GWEI])
})

test('a refusal of the first is told at once, and nothing was sent', async () => {
  const { send, given, chain } = await open([10n * GWEI])
  chain.isPoor = true
  expect(await send()).toEqual({ code: 'CLIENT_ANSWER', message: expect.stringMatching(/insufficient funds/) })
  expect(given).toEqual([])
})
