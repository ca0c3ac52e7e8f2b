// The L1 port before a server that hangs, lies, answers HTML, floods and redirects: every answer is bounded and checked, and no secret of
// its URL is ever shown.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { createL1, type L1, type L1Options } from './l1.ts'

const HASH = asHash(new Uint8Array(32).fill(7))
const ADDRESS = asAddress(new Uint8Array(20).fill(1))
type Asked = { readonly method: string; readonly params: readonly unknown[] }
type Serve = (asked: Asked, response: ServerResponse, request: IncomingMessage) => unknown

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})
/** `undefined` from `serve`: it has answered itself, or never will. */
const open = async (serve: Serve, over: Partial<L1Options> = {}): Promise<L1> => {
  const server = createServer(async (request, response) => {
    const asked = JSON.parse(await text(request)) as Asked // our own client's
    const result = asked.method === 'eth_chainId' ? '0x13882' : serve(asked, response, request)
    if (result !== undefined) response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // it listens on TCP
  return createL1({ url: `http://127.0.0.1:${port}/v2/secret-key`, chainId: 80_002n, ...over })
}
const fault = async (work: Promise<unknown>): Promise<NodeError> => {
  const error = await work.then(() => null).catch((each: unknown) => each)
  if (!(error instanceof NodeError)) expect.fail(`expected a NodeError, have ${String(error)}`)
  expect(error.message).not.toContain('secret-key')
  return error
}
const BLOCK = { number: '0x10', hash: bytesToHex(HASH), timestamp: '0x6553f100', baseFeePerGas: '0x3b9aca00' }

test('answers are read, and asked at one block by its hash', async () => {
  const asked: Asked[] = []
  const l1 = await open((each) => {
    asked.push(each)
    return each.method === 'eth_getBlockByNumber' ? BLOCK : '0x5'
  })
  expect(await l1.block('finalized')).toEqual({
    ...{ number: 16, hash: HASH, timeMs: 1_700_000_000_000, baseFeeWei: 10n ** 9n },
  })
  expect(await l1.nonce(ADDRESS, HASH)).toBe(5n)
  expect(asked.map(({ params }) => params)).toEqual([
    ['finalized', false],
    [bytesToHex(ADDRESS), { blockHash: bytesToHex(HASH) }],
  ])
})

test('a nonce that nobody can sign with is no answer', async () => {
  const l1 = await open(() => '0x20000000000000')
  expect((await fault(l1.nonce(ADDRESS, HASH))).code).toBe('L1_ANSWER')
})

test('another chain is not spoken to', async () => {
  const asked: string[] = []
  const serve: Serve = ({ method }) => void asked.push(method)
  const l1 = await open(serve, { chainId: 137n })
  expect(await fault(l1.block('latest'))).toMatchObject({ code: 'L1_CHAIN', data: { have: 80_002n, want: 137n } })
  expect((await fault(l1.send(new Uint8Array(100)))).code).toBe('L1_CHAIN')
  expect(asked).toEqual([])
})

test('a URL that is none, and a port where nobody listens', async () => {
  for (const url of ['secret-key', 'http://127.0.0.1:1/secret-key'])
    expect((await fault(createL1({ url, chainId: 1n }).block('latest'))).code).toBe('L1_UNREACHABLE')
})

test.each<readonly [string, string, Serve]>([
  ['HTML', 'L1_ANSWER', (_, response) => void response.writeHead(502).end('<html>Bad gateway</html>')],
  ['nothing', 'L1_ANSWER', (_, response) => void response.end()],
  ['half an answer', 'L1_ANSWER', (_, response) => void response.end('{"jsonrpc":"2.0","id":1,"res')],
  ['a list', 'L1_ANSWER', (_, response) => void response.end('[]')],
  ['the answer to another', 'L1_ANSWER', (_, response) => void response.end('{"jsonrpc":"2.0","id":2,"result":"0x1"}')],
  ['neither result nor error', 'L1_ANSWER', (_, response) => void response.end('{"jsonrpc":"2.0","id":1}')],
  ['null', 'L1_ANSWER', () => null],
  ['a number', 'L1_ANSWER', () => 16],
  ['a block without a base fee', 'L1_ANSWER', () => ({ ...BLOCK, baseFeePerGas: undefined })],
  ['a hash of 31 bytes', 'L1_ANSWER', () => ({ ...BLOCK, hash: '0x00' })],
  ['a height above all numbers', 'L1_ANSWER', () => ({ ...BLOCK, number: `0x${'f'.repeat(64)}` })],
  [
    'an error',
    'L1_REFUSED',
    (_, response) => void response.end('{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"header not found"}}'),
  ],
  [
    'an error of another form',
    'L1_REFUSED',
    (_, response) => void response.end('{"jsonrpc":"2.0","id":1,"error":"no"}'),
  ],
  [
    'a redirect',
    'L1_UNREACHABLE',
    (_, response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
  ],
  ['a closed connection', 'L1_UNREACHABLE', (_, response) => void response.destroy()],
  ['silence', 'L1_UNREACHABLE', () => undefined],
  ['a body that never ends', 'L1_UNREACHABLE', (_, response) => void response.write('{"jsonrpc":')],
  ['more than an answer may have', 'L1_ANSWER', (_, response) => void response.end(' '.repeat(5_000))],
])('%s is %s', async (_, code, serve) => {
  // Only those that never end are left to the deadline: a slow machine must not look like one of them.
  const l1 = await open(serve, { timeoutMs: code === 'L1_UNREACHABLE' ? 200 : 60_000, answerMaxBytes: 4_000 })
  expect((await fault(l1.block('latest'))).code).toBe(code)
})

test('who stops does not wait for an endpoint that hangs', async () => {
  const stop = new AbortController()
  const l1 = await open(() => stop.abort(), { timeoutMs: 2_000_000_000, signal: stop.signal })
  expect((await fault(l1.block('latest'))).code).toBe('L1_UNREACHABLE')
})

test('a revert carries what the contract said, and not what an endpoint makes up', async () => {
  const error =
    (data: unknown): Serve =>
    (_, response) =>
      void response.end(
        JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: 3, message: 'x'.repeat(10_000), data } }),
      )
  const call = { from: ADDRESS, to: ADDRESS, data: new Uint8Array(4) }
  const reverted = await fault((await open(error('0x08c379a0'))).estimate(call))
  expect(reverted).toMatchObject({ code: 'L1_REFUSED', data: { output: '0x08c379a0' } })
  expect(reverted.message.length).toBeLessThan(500)
  expect(await fault((await open(error('rubbish'))).estimate(call))).toMatchObject({ data: { output: null } })
})

test('a receipt of another transaction is none; null says that there is none yet', async () => {
  const receipt = {
    status: '0x1',
    blockNumber: '0x1',
    blockHash: bytesToHex(HASH),
    gasUsed: '0x5208',
    effectiveGasPrice: '0x1',
  }
  const parties = { from: bytesToHex(ADDRESS), to: bytesToHex(ADDRESS) }
  const own = await open(() => ({ ...receipt, ...parties, transactionHash: bytesToHex(HASH) }))
  expect(await own.receipt(HASH)).toMatchObject({ isSuccess: true, gasUsed: 21_000n })
  const others = await open(() => ({ ...receipt, ...parties, transactionHash: `0x${'00'.repeat(32)}` }))
  expect((await fault(others.receipt(HASH))).code).toBe('L1_ANSWER')
  expect(await (await open(() => null)).receipt(HASH)).toBeNull()
})
