// What the configuration says of other chains, and a watch from the module's state over HTTP to a vote, with its place on disk.
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Wallet } from 'ethers'
import { afterEach, expect, test } from 'vitest'
import { type Address, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log, Meter } from '../../chain/base/ports.ts'
import { abi } from '../../chain/native/bridge/abi.ts'
import { type Message, messageId } from '../../chain/native/bridge/message.ts'
import { BRIDGE } from '../../chain/native/index.ts'
import { encodeCall, encodeEvent } from '../../chain/native/kit/abi.ts'
import { THERE, VAULT } from '../../test/kit/bridge.ts'
import { openMemoryChain } from '../../test/kit/memory-chain.ts'
import { messageFrom } from '../../test/kit/messages.ts'
import { systemTimers } from '../system.ts'
import { bridgeOptionsOf, startBridge } from './service.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

test('endpoints of several chains, each with its beginning', () => {
  const urls = ['137=https://a.example/key=1', '43114=http://b.example', '137=https://c.example']
  expect(bridgeOptionsOf(urls, ['137=55'], 500)).toEqual({
    chains: [
      { chain: 137n, urls: ['https://a.example/key=1', 'https://c.example'], from: 55 },
      { chain: 43_114n, urls: ['http://b.example'], from: 0 },
    ],
    pollMs: 500,
  })
  expect(bridgeOptionsOf([], [], 500)).toBe(null)
})
const wrong: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['no chain', ['https://a.example/secret'], []],
  ['a chain in words', ['polygon=https://a.example/secret'], []],
  ['a chain above 64 bits', [`${2n ** 64n}=https://a.example/secret`], []],
  ['no URL', ['137=secret'], []],
  ['a URL of files', ['137=file:///secret'], []],
  ['a beginning of a chain without endpoints', ['137=https://a.example/secret'], ['138=5']],
  ['a beginning that is no height', ['137=https://a.example/secret'], ['137=-5']],
]
test.each(wrong)('%s is refused, and no secret shown', (_, urls, from) => {
  const refuse = () => bridgeOptionsOf(urls, from, 500)
  expect(refuse).toThrow(NodeError)
  expect(refuse).not.toThrow(/secret/)
})

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

test('a vault that the state names is watched, and the watch goes on where it was', async () => {
  const { chain, seal } = await openMemoryChain()
  const governance = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
  const raw = await governance.signTransaction({
    ...{ chainId: chain.genesis.chainId, nonce: 0, to: bytesToHex(BRIDGE), gasLimit: 1_000_000, type: 2 },
    data: bytesToHex(encodeCall(abi.functions.setChain, [THERE, VAULT])),
    ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 0n },
  })
  await chain.submit(hexToBytes(raw as Hex), 'local')
  await seal()
  const message = messageFrom(1, { targetChain: chain.genesis.chainId })
  const values = { id: messageId(message), chain: message.targetChain, sequence: 1n, message }
  const { topics, data } = encodeEvent(abi.events.MessageSent, VAULT, values)
  const log = { address: bytesToHex(VAULT), topics: topics.map(bytesToHex), data: bytesToHex(data), blockNumber: '0x5' }
  const ranges: unknown[] = []
  const server = createServer(async (request, response) => {
    const { method, params } = JSON.parse(await text(request)) // our own client's
    if (method === 'eth_getLogs') ranges.push([params[0].fromBlock, params[0].toBlock])
    const number = params[0] === 'finalized' ? '0x8' : params[0]
    const block = { number, hash: `0x${'07'.repeat(32)}` }
    const result = method === 'eth_chainId' ? '0x13882' : method === 'eth_getLogs' ? [log] : block
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(
    () => server.close(),
    () => server.closeAllConnections(),
  )
  const dir = mkdtempSync(join(tmpdir(), 'bridge-'))
  closers.push(() => rmSync(dir, { recursive: true }))
  const options = bridgeOptionsOf([`${THERE}=http://127.0.0.1:${(server.address() as AddressInfo).port}`], [], 5)
  const watch = async (): Promise<readonly Message[]> => {
    const { promise, resolve } = Promise.withResolvers<readonly Message[]>()
    const deps = {
      chain,
      votes: { see: (_: Address, messages: readonly Message[]) => resolve(messages) },
      timers: systemTimers,
      log: silent,
      meter,
    }
    const close = await startBridge(deps, dir, options ?? expect.fail('it watches'))
    const seen = await promise
    await close()
    return seen
  }
  expect(await watch()).toEqual([message])
  // Nothing of it is settled, so the place is before it, and it is seen again.
  expect(() => readFileSync(join(dir, `bridge-${THERE}.json`))).toThrow(/ENOENT/)
  expect(await watch()).toEqual([message])
  expect(ranges).toEqual([
    ...[
      ['0x1', '0x8'],
      ['0x1', '0x8'],
    ],
  ])
})
