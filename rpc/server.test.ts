// Bad input against a listening server: each is refused by name, and the server answers the next honest request.
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { keccak256 } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { asAddress, asHash, hexToBytes } from '../chain/base/bytes.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import { alice, type RpcNode, startRpcNode } from '../test/kit/rpc-node.ts'
import { forkId } from './methods/upgrades.ts'
import { refusalOf } from './server.ts'

let node: RpcNode
beforeAll(async () => {
  node = await startRpcNode()
})
afterAll(() => node.close())

const codeOf = async (body: string): Promise<unknown> => {
  const { status, json } = await node.post(body)
  expect(status).toBe(200)
  expect(JSON.stringify(json)).not.toMatch(/ at .*\.ts|node:internal/)
  return (json as { error?: { code: number } }).error?.code
}
const request1 = (method: unknown, params: unknown): string => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
const stillAnswers = async (): Promise<void> => {
  expect((await node.call('eth_chainId')).result).toMatch(/^0x[1-9a-f]/)
}

test.each([
  ['not JSON', '{"jsonrpc":', -32700],
  ['nothing', '', -32700],
  ['nested 100,000 deep', '['.repeat(100_000), -32600],
  ['nested 100,000 deep in parameters', `{"id":1,"method":"eth_call","params":${'[{"a":'.repeat(50_000)}`, -32600],
  ['a number', '7', -32600],
  ['null', 'null', -32600],
  ['an empty batch', '[]', -32600],
  ['a batch of 100,000', `[${Array(100_000).fill('1').join(',')}]`, -32600],
  ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600],
  ['a method that is a number', request1(7, []), -32600],
  ['an unknown method', request1('eth_nothing', []), -32601],
  ['a name of every object', request1('__proto__', []), -32601],
  ['parameters by name', request1('eth_chainId', { a: 1 }), -32602],
  ['too many parameters', request1('eth_chainId', [1]), -32602],
  ['an address that is a number', request1('eth_getBalance', [1, 'latest']), -32602],
  ['an address too long', request1('eth_getBalance', [`0x${'a'.repeat(41)}`, 'latest']), -32602],
  ['a negative height', request1('eth_getBlockByNumber', ['-0x1', false]), -32602],
  ['a height with leading zeros', request1('eth_getBlockByNumber', ['0x01', false]), -32602],
  ['a height of 1 MB', request1('eth_getBlockByNumber', [`0x${'f'.repeat(1_000_000)}`, false]), -32602],
  ['half a byte of data', request1('eth_sendRawTransaction', ['0x1']), -32602],
  ['a transaction of nothing', request1('eth_sendRawTransaction', ['0x']), -32000],
  ['a transaction of noise', request1('eth_sendRawTransaction', [`0x02${'ff'.repeat(100)}`]), -32000],
  ['a reversed range', request1('eth_getLogs', [{ fromBlock: '0x5', toBlock: '0x1' }]), -32602],
  [
    'both forms of a block',
    request1('eth_getBalance', [`0x${'11'.repeat(20)}`, { blockNumber: '0x0', blockHash: `0x${'11'.repeat(32)}` }]),
    -32602,
  ],
  ['a subscription over HTTP', request1('eth_subscribe', ['newHeads']), -32601],
])('%s is refused', async (_name, body, code) => {
  expect(await codeOf(body)).toBe(code)
  await stillAnswers()
})

test('a bad parameter is named, with what was expected', async () => {
  const { error } = await node.call('eth_getBalance', '0x12', 'latest')
  expect(error?.message).toBe('invalid argument address: expected an address: 0x and 40 hex digits')
})

test('an undo is refused with the reason', async () => {
  expect((await node.call('evm_snapshot')).error?.message).toMatch(/blocks are final/)
})

test('a revert carries its data and its reason', async () => {
  const reason = `08c379a0${'20'.padStart(64, '0')}${'2'.padStart(64, '0')}${'6e6f'.padEnd(64, '0')}`
  const code = `0x7f${reason.slice(0, 64)}6000527f${reason.slice(64, 128)}6020527f${reason.slice(128, 192)}6040527f${reason.slice(192).padEnd(64, '0')}60605260646000fd`
  const { error } = await node.call('eth_call', { data: code }, 'latest')
  expect(error?.code).toBe(3)
  expect(error?.data).toBe(`0x${reason}`)
  expect(error?.message).toBe('execution reverted: no')
})

test('a body above its bound is 413, told or not', async () => {
  const big = 'x'.repeat(rpcLimits.bodyBytes.value + 1)
  for (const length of [true, false]) {
    const out = request(node.url, { method: 'POST', headers: length ? { 'content-length': big.length } : {} })
    out.on('error', () => {}) // the server may close while we still write
    const answered = once(out, 'response')
    out.end(big)
    const [reply] = await answered
    expect(reply.statusCode).toBe(413)
    reply.resume()
  }
  await stillAnswers()
})

const raw = async (text: string): Promise<string> => {
  const socket = connect(node.port, '127.0.0.1')
  socket.end(text)
  let said = ''
  socket.on('data', (chunk) => {
    said += chunk.toString()
  })
  await once(socket, 'close')
  return said
}

test('bodies that are under way are bounded together: one more request is told to come back, and is served when they are gone', async () => {
  const size = rpcLimits.bodyBytes.value
  const part = Buffer.alloc(size - 1, 32)
  const count = Math.ceil(rpcLimits.bodiesBytes.value / part.length) + 1
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(node.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(
        `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${size}\r\n\r\n`,
      )
      await new Promise((resolve) => socket.write(part, resolve))
      return socket
    }),
  )
  const statusOf = async (): Promise<{ status: number; text: string }> => {
    const body = request1('eth_chainId', [])
    const response = await fetch(node.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return { status: response.status, text: await response.text() }
  }
  let answer = await statusOf()
  while (answer.status === 200) answer = await statusOf() // what was written may still be on its way
  expect(answer.status).toBe(503)
  expect(JSON.parse(answer.text)).toMatchObject({ error: { code: -32005 } })
  for (const socket of sockets) socket.destroy()
  while (answer.status !== 200) answer = await statusOf()
})

test('what is not HTTP, and a request half sent, end without an answer of 5xx', async () => {
  expect(await raw('\x16\x03\x01hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400/)
  expect(await raw('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"json')).not.toMatch(
    /HTTP\/1.1 5/,
  )
  await stillAnswers()
})

test('a request that came too slowly is told so, and headers that are too long: neither is what was wrong with the request', async () => {
  const of = (code: string): string => refusalOf(Object.assign(new Error('it could not be read'), { code }))
  expect(of('ERR_HTTP_REQUEST_TIMEOUT')).toBe('408 Request Timeout')
  expect(of('HPE_INVALID_METHOD')).toBe('400 Bad Request')
  const long = `x: ${'y'.repeat(20_000)}`
  expect(await raw(`POST / HTTP/1.1\r\nhost: localhost\r\n${long}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/)
  await stillAnswers()
})

test('slow-loris has a bound on headers, bodies and idle connections', () => {
  expect(rpcLimits.headersMs.value).toBeLessThanOrEqual(10_000)
  expect(rpcLimits.requestMs.value).toBeLessThanOrEqual(30_000)
})

const statusOf = async (method: string, headers: Record<string, string>): Promise<number | undefined> => {
  const out = request(node.url, { method, headers })
  out.end(method === 'POST' ? request1('eth_chainId', []) : undefined)
  const [reply] = await once(out, 'response')
  reply.resume()
  return reply.statusCode
}

test('a page of another site gets nothing: by name, by plain text, by WebSocket', async () => {
  const json = { 'content-type': 'application/json' }
  expect(await statusOf('POST', { ...json, host: 'evil.example' })).toBe(403)
  expect(await statusOf('POST', { 'content-type': 'text/plain', origin: 'http://evil.example' })).toBe(415)
  expect(await statusOf('POST', { 'content-type': 'text/plain', origin: 'http://good.example' })).toBe(200)
  expect(await statusOf('GET', {})).toBe(405)
  const closed = await fetch(node.url, { method: 'OPTIONS', headers: { origin: 'http://evil.example' } })
  expect(closed.headers.get('access-control-allow-origin')).toBeNull()
  const ws = new WebSocket(node.url.replace('http', 'ws'), { origin: 'http://evil.example' })
  const [error] = await once(ws, 'error')
  expect(String(error)).toMatch(/403/)
})

test('a batch answers in order and passes over notifications', async () => {
  const body = '[{"jsonrpc":"2.0","id":"a","method":"net_version"},{"jsonrpc":"2.0","method":"net_version"},5]'
  const { json } = await node.post(body)
  expect(json).toMatchObject([{ id: 'a' }, { id: null, error: { code: -32600 } }])
})

test('transactions of a batch are admitted together and answered each in its place', async () => {
  const { chain } = node
  const sender = hexToBytes(alice.address)
  const first = Number(chain.pool.nextNonce(asAddress(sender)))
  const raws = await Promise.all([0, 1].map((i) => node.signed('transfer', first + i)))
  const send = (id: unknown, raw: unknown) => ({ jsonrpc: '2.0', id, method: 'eth_sendRawTransaction', params: [raw] })
  const { json } = await node.post(
    JSON.stringify([
      ...[send(1, raws[0]), send(2, '0x02c0'), send(undefined, '0x'), send(3, 'none'), send(4, raws[1])],
      ...[
        { jsonrpc: '2.0', id: 5, method: 'eth_getTransactionCount', params: [alice.address, 'pending'] },
        send(6, raws[0]),
      ],
    ]),
  )
  expect(json).toEqual([
    { jsonrpc: '2.0', id: 1, result: keccak256(raws[0] ?? '') },
    { jsonrpc: '2.0', id: 2, error: { code: -32000, message: expect.stringContaining('does not decode') } },
    { jsonrpc: '2.0', id: 3, error: { code: -32602, message: expect.stringContaining('transaction') } },
    { jsonrpc: '2.0', id: 4, result: keccak256(raws[1] ?? '') },
    { jsonrpc: '2.0', id: 5, result: `0x${(first + 2).toString(16)}` },
    { jsonrpc: '2.0', id: 6, error: { code: -32000, message: expect.stringContaining('already known') } },
  ])
  await node.mine()
})

const openSocket = async (): Promise<{ ws: WebSocket; next: () => Promise<Record<string, unknown>> }> => {
  const ws = new WebSocket(node.url.replace('http', 'ws'))
  const heard: Record<string, unknown>[] = []
  let wake = (): void => {}
  ws.on('message', (bytes) => {
    heard.push(JSON.parse(bytes.toString()))
    wake()
  })
  await once(ws, 'open')
  const next = async (): Promise<Record<string, unknown>> => {
    for (;;) {
      const first = heard.shift()
      if (first !== undefined) return first
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return { ws, next }
}

test('a flood of subscriptions stops at the bound, and the connection lives', async () => {
  const { ws, next } = await openSocket()
  const most = rpcLimits.subscriptions.value
  for (let i = 0; i < most + 20; i++) ws.send(request1('eth_subscribe', ['newHeads']))
  const replies = []
  for (let i = 0; i < most + 20; i++) replies.push(await next())
  expect(replies.filter((reply) => 'result' in reply).length).toBe(most)
  ws.send(request1('eth_chainId', []))
  expect(await next()).toHaveProperty('result')
  ws.close()
})

test('more requests than may wait are answered all, in order', async () => {
  const { ws, next } = await openSocket()
  const count = rpcLimits.socketWaiting.value * 5
  for (let id = 0; id < count; id++) ws.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'eth_chainId' }))
  for (let id = 0; id < count; id++) expect((await next()).id).toBe(id)
  ws.close()
})

test('subscriptions tell heads, logs, pending transactions and receipts', async () => {
  const { ws, next } = await openSocket()
  const names = new Map<unknown, string>()
  for (const kind of ['newHeads', 'logs', 'newPendingTransactions', 'transactionReceipts']) {
    ws.send(request1('eth_subscribe', [kind]))
    names.set((await next()).result, kind)
  }
  const nonce = Number((await node.call('eth_getTransactionCount', alice.address, 'latest')).result)
  const sent = await node.call('eth_sendRawTransaction', await node.signed('log', nonce))
  expect(sent.result).toMatch(/^0x/)
  await node.mine()
  const told = new Map<unknown, unknown>()
  for (let i = 0; i < 4; i++) {
    const { params } = (await next()) as { params: { subscription: string; result: unknown } }
    told.set(names.get(params.subscription), params.result)
  }
  expect(told.get('newPendingTransactions')).toBe(sent.result)
  expect(told.get('newHeads')).toHaveProperty('hash')
  expect(told.get('logs')).toMatchObject({ transactionHash: sent.result, logIndex: '0x0' })
  expect(told.get('transactionReceipts')).toMatchObject([{ transactionHash: sent.result, status: '0x1' }])
  ws.close()
})

test('the fork id is that of EIP-2124: a CRC32 of the genesis hash', () => {
  // Mainnet before its first fork.
  const mainnet = hexToBytes('0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3')
  expect(forkId(asHash(mainnet))).toBe('0xfc64ec04')
})
