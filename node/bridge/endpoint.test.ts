// A vault's logs out of an endpoint that tells the truth, and out of one that hangs, answers HTML, serves another chain or makes things up.
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { abi } from '../../chain/native/bridge/abi.ts'
import { type Message, messageId } from '../../chain/native/bridge/message.ts'
import { encodeCall, encodeEvent } from '../../chain/native/kit/abi.ts'
import { HERE, THERE, VAULT } from '../../test/kit/bridge.ts'
import { messageFrom } from '../../test/kit/messages.ts'
import { account } from '../../test/kit/native.ts'
import { createEndpoint, type Endpoint } from './endpoint.ts'

type Asked = { readonly method: string; readonly params: readonly unknown[] }
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})
const open = async (
  serve: (asked: Asked, response: ServerResponse) => unknown,
  timeoutMs = 10_000,
): Promise<Endpoint> => {
  const server = createServer(async (request, response) => {
    const asked = JSON.parse(await text(request)) as Asked // our own client's
    const result = serve(asked, response) ?? (asked.method === 'eth_chainId' ? '0x13882' : undefined)
    if (result !== undefined) response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // it listens on TCP
  return createEndpoint({ url: `http://127.0.0.1:${port}/secret-key`, chainId: THERE, timeoutMs }, HERE)
}
const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(() => null).catch((each: unknown) => each)
  if (!(error instanceof NodeError)) expect.fail(`expected a NodeError, have ${String(error)}`)
  expect(error.message).not.toContain('secret-key')
  return error.code
}
const logOf = (message: Message, over: object = {}) => {
  const { sequence, targetChain: chain } = message
  const values = { id: messageId(message), chain, sequence, message }
  const { topics, data } = encodeEvent(abi.events.MessageSent, VAULT, values)
  return {
    ...{ address: bytesToHex(VAULT), topics: topics.map(bytesToHex), data: bytesToHex(data), blockNumber: '0x5f' },
    ...over,
  }
}
const logs = (...given: readonly unknown[]) => open(({ method }) => (method === 'eth_getLogs' ? given : undefined))
const HASH = `0x${'07'.repeat(32)}`

test('what a vault sent is read, and asked for by its address, event and target', async () => {
  const asked: Asked[] = []
  const endpoint = await open((each) => {
    asked.push(each)
    if (each.method === 'eth_getBlockByNumber') return { number: '0x64', hash: HASH }
    return each.method === 'eth_getLogs'
      ? [logOf(messageFrom(1)), logOf(messageFrom(2), { blockNumber: '0x60' })]
      : undefined
  })
  expect(await endpoint.finalized()).toEqual({ number: 100, hash: new Uint8Array(32).fill(7) })
  expect(await endpoint.sent(VAULT, 90, 100, null)).toEqual([
    { height: 95, message: messageFrom(1) },
    { height: 96, message: messageFrom(2) },
  ])
  expect(asked.at(-1)?.params).toEqual([
    {
      ...{ address: bytesToHex(VAULT), fromBlock: '0x5a', toBlock: '0x64' },
      topics: [abi.events.MessageSent.topic, null, `0x${'0'.repeat(63)}1`],
    },
  ])
  expect(endpoint.name).toMatch(/^127\.0\.0\.1:\d+$/)
})

const honest = messageFrom(1)
const most = messageFrom(1, { data: new Uint8Array(4_096).fill(7) })
test('a message with the most there may be is read', async () => {
  expect(await (await logs(logOf(most))).sent(VAULT, 90, 100, null)).toEqual([{ height: 95, message: most }])
})
const lies: readonly (readonly [string, object])[] = [
  ['of another contract', logOf(honest, { address: bytesToHex(account(7)) })],
  ['before the range', logOf(honest, { blockNumber: '0x59' })],
  ['beyond the range', logOf(honest, { blockNumber: '0x65' })],
  ['of another event', { ...logOf(honest), topics: [HASH, ...logOf(honest).topics.slice(1)] }],
  ['with too few topics', { ...logOf(honest), topics: logOf(honest).topics.slice(0, 3) }],
  ['with too many topics', { ...logOf(honest), topics: [...logOf(honest).topics, HASH] }],
  [
    'with an id that is not its message’s',
    { ...logOf(honest), topics: [logOf(honest).topics[0], HASH, ...logOf(honest).topics.slice(2)] },
  ],
  ['whose message is another', { ...logOf(honest), data: logOf(messageFrom(2)).data }],
  ['from another chain', logOf(messageFrom(1, { sourceChain: 5n }))],
  ['to another chain', logOf(messageFrom(1, { targetChain: 5n }))],
  ['with more data than there may be', logOf(messageFrom(1, { data: new Uint8Array(4_097) }))],
  ['with a longer recipient than there may be', logOf(messageFrom(1, { recipient: new Uint8Array(21) }))],
  ['with more behind it', { ...logOf(most), data: `${logOf(most).data}${'00'.repeat(32)}` }],
  ['cut off', { ...logOf(honest), data: logOf(honest).data.slice(0, -64) }],
  ['whose data is no hex', logOf(honest, { data: 'zz' })],
  ['without a block', logOf(honest, { blockNumber: null })],
]
test.each(lies)('a log %s is no answer', async (_, log) => {
  expect(await codeOf((await logs(log)).sent(VAULT, 90, 100, null))).toBe('L1_ANSWER')
})

test('logs out of order, too many of them, or none at all are no answer', async () => {
  const [first, second] = [logOf(messageFrom(1)), logOf(messageFrom(2), { blockNumber: '0x5e' })]
  expect(await codeOf((await logs(first, second)).sent(VAULT, 90, 100, null))).toBe('L1_ANSWER')
  expect(await codeOf((await open(() => ({}))).sent(VAULT, 90, 100, null))).toBe('L1_ANSWER')
  expect(await codeOf((await logs(...Array.from({ length: 4_097 }, () => 0))).sent(VAULT, 90, 100, null))).toBe(
    'L1_ANSWER',
  )
})

test('an endpoint that hangs, answers HTML or serves another chain is none', async () => {
  const silent = await open(({ method }, response) => {
    if (method === 'eth_getLogs') response.flushHeaders()
    return undefined
  }, 50)
  expect(await codeOf(silent.sent(VAULT, 1, 2, null))).toBe('L1_UNREACHABLE')
  const html = await open((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>rate limited</html>')
    return undefined
  })
  expect(await codeOf(html.sent(VAULT, 1, 2, null))).toBe('L1_ANSWER')
  const elsewhere = await open(({ method }) => (method === 'eth_chainId' ? '0x1' : undefined))
  expect(await codeOf(elsewhere.finalized())).toBe('L1_CHAIN')
})

test('a block that is not there is none, and one of another height no answer', async () => {
  const missing = await open(({ method }, response) => {
    if (method === 'eth_getBlockByNumber') response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: null }))
    return undefined
  })
  expect(await missing.hashOf(5)).toBe(null)
  const wrong = await open(({ method }) =>
    method === 'eth_getBlockByNumber' ? { number: '0x6', hash: HASH } : undefined,
  )
  expect(await codeOf(wrong.hashOf(5))).toBe('L1_ANSWER')
})

test('a block that is too much of an answer is asked for by sequences', async () => {
  const count = 600
  const slices: number[] = []
  const serve = (isStrict: boolean) =>
    open(({ method, params }) => {
      if (method !== 'eth_getLogs') return undefined
      const [{ topics }] = params as readonly [{ readonly topics: readonly (string | readonly string[] | null)[] }]
      const sequences = topics[3] as readonly string[] | undefined
      if (sequences === undefined || !isStrict) return Array.from({ length: 4_097 }, () => 0)
      slices.push(sequences.length)
      return sequences
        .map(Number)
        .filter((n) => n <= count)
        .map((n) => logOf(messageFrom(n)))
    })
  const endpoint = await serve(true)
  const found = await endpoint.sent(VAULT, 95, 95, 0n)
  expect(found.map(({ message }) => Number(message.sequence))).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  expect(slices).toEqual([256, 256, 256])
  const some = await endpoint.sent(VAULT, 95, 95, 590n)
  expect(some.map(({ message }) => Number(message.sequence))).toEqual([
    591, 592, 593, 594, 595, 596, 597, 598, 599, 600,
  ])
  expect(await codeOf(endpoint.sent(VAULT, 95, 95, null))).toBe('L1_ANSWER')
  expect(await codeOf(endpoint.sent(VAULT, 95, 96, 0n))).toBe('L1_ANSWER')
  expect(await codeOf((await serve(false)).sent(VAULT, 95, 95, 0n))).toBe('L1_ANSWER')
})

test('whether a message was sent by a block is asked of the contract at that block; before it was made nothing was', async () => {
  const asked: Asked[] = []
  const answers = ['0x', `0x${'00'.repeat(32)}`, HASH, '0x07']
  const endpoint = await open((each) => {
    if (each.method !== 'eth_call') return undefined
    asked.push(each)
    return answers[asked.length - 1]
  })
  const hasSent = () => endpoint.hasSent(VAULT, 7n, 95)
  expect([await hasSent(), await hasSent(), await hasSent()]).toEqual([false, false, true])
  expect(await codeOf(hasSent())).toBe('L1_ANSWER')
  const data = bytesToHex(encodeCall(abi.functions.link, [HERE, 7n]))
  expect(asked[0]?.params).toEqual([{ to: bytesToHex(VAULT), data }, '0x5f'])
})
