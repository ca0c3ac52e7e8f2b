// What block hooks log, as users' tools see it: ethers, viem and the libraries of Ethereum against the real server.
import { once } from 'node:events'
import { createBlockFromRPC, type JSONRPCBlock } from '@ethereumjs/block'
import { createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { createMPT } from '@ethereumjs/mpt'
import { Bloom } from '@ethereumjs/vm'
import { concat, encodeRlp, getAddress, JsonRpcProvider, toBeArray, toBeHex, Wallet } from 'ethers'
import { createPublicClient, type Hex, http, parseEventLogs } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { SYSTEM_SENDER, SYSTEM_TARGET, systemTx } from '../chain/types/system-tx.ts'
import { BEGUN, ENDED, HOOKED, hooksThatLog } from '../test/kit/hooks.ts'
import { genesis, type MemoryChain, openDoor, openMemoryChain } from '../test/kit/memory-chain.ts'

type Json = Record<string, never>
const { chainId } = genesis
const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
/** Logs the word 42 under topic 1 while it is created, and leaves no code. */
const LOGGING_INIT_CODE = '0x602a600052600160206000a100'
const SYSTEM = { from: bytesToHex(SYSTEM_SENDER), to: bytesToHex(SYSTEM_TARGET) }

let memory: MemoryChain
let door: Awaited<ReturnType<typeof openDoor>>
let url: string
const raw = async (method: string, ...params: unknown[]): Promise<{ result?: unknown; error?: unknown }> => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return (await reply.json()) as { result?: unknown; error?: unknown }
}
const call = async <T = Json>(method: string, ...params: unknown[]): Promise<T> => {
  const { result, error } = await raw(method, ...params)
  expect(error).toBeUndefined()
  return result as T
}

/** Block 1: hooks alone. 2: nothing. 3: two contracts that log, and hooks. 4: a transfer alone. */
beforeAll(async () => {
  installCurves(nativeCurves)
  const loud = [1, 3]
  const count = (logs: number) => (height: number) => (loud.includes(height) ? logs : 0)
  memory = await openMemoryChain({ natives: hooksThatLog({ begin: count(1), end: count(2) }) })
  door = await openDoor(memory.ctx)
  url = `http://127.0.0.1:${door.port}`
  const fees = { type: 2, chainId, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }
  const create = { ...fees, data: LOGGING_INIT_CODE, gasLimit: 100_000 }
  const submit = async (fields: object): Promise<unknown> =>
    memory.chain.submit(hexToBytes(await alice.signTransaction(fields)), 'local')
  await memory.seal()
  await memory.seal()
  for (const nonce of [0, 1]) await submit({ ...create, nonce })
  await memory.seal()
  await submit({ ...fees, nonce: 2, to: alice.address, gasLimit: 21_000 })
  await memory.seal()
})
afterAll(async () => {
  await door.close()
  await memory.chain.close()
})
const hashOf = (height: number): Hex => bytesToHex(systemTx(chainId, height).hash)

test('ethers reads blocks, the transaction, its receipt and its logs', async () => {
  const provider = new JsonRpcProvider(url, undefined, { staticNetwork: true })
  const ends = { ...SYSTEM, from: getAddress(SYSTEM.from) }
  const block = await provider.getBlock(3, true)
  expect(block?.transactions.length).toBe(3)
  expect(block?.prefetchedTransactions[2]).toMatchObject({
    ...ends,
    hash: hashOf(3),
    nonce: 3,
    gasPrice: 0n,
    chainId,
  })
  const tx = await provider.getTransaction(hashOf(1))
  expect(tx).toMatchObject({ type: 0, nonce: 1, gasLimit: 0n, value: 0n, data: '0x', blockNumber: 1, index: 0 })
  const receipt = await tx?.wait()
  expect(receipt).toMatchObject({ ...ends, status: 1, gasUsed: 0n, gasPrice: 0n, fee: 0n, index: 0 })
  expect(receipt?.logs.map(({ index, topics }) => [index, topics])).toEqual([
    [0, [bytesToHex(BEGUN)]],
    [1, [bytesToHex(ENDED)]],
    [2, [bytesToHex(ENDED)]],
  ])
  const logs = await provider.getLogs({ fromBlock: 0, toBlock: 4, address: bytesToHex(HOOKED) })
  expect(logs.map(({ blockNumber, index, transactionHash }) => [blockNumber, index, transactionHash])).toEqual([
    ...[0, 1, 2].map((index) => [1, index, hashOf(1)]),
    ...[2, 3, 4].map((index) => [3, index, hashOf(3)]),
  ])
  expect((await provider.getFeeData()).maxPriorityFeePerGas).toBe(1_000_000_000n)
  provider.destroy()
})

test('viem reads blocks, the transaction, its receipt, its logs and the history of fees', async () => {
  const client = createPublicClient({ transport: http(url) })
  const block = await client.getBlock({ blockNumber: 3n, includeTransactions: true })
  expect(block.transactions[2]).toMatchObject({ ...SYSTEM, hash: hashOf(3), type: 'legacy', nonce: 3, gas: 0n })
  expect(await client.getTransaction({ hash: hashOf(1) })).toMatchObject({ ...SYSTEM, gasPrice: 0n, chainId: 662_607 })
  const receipt = await client.getTransactionReceipt({ hash: hashOf(1) })
  expect(receipt).toMatchObject({ ...SYSTEM, status: 'success', type: 'legacy', gasUsed: 0n, cumulativeGasUsed: 0n })
  const abi = [{ type: 'event', name: 'Ended', inputs: [{ name: 'sum', type: 'uint256', indexed: false }] }] as const
  expect(parseEventLogs({ abi, logs: receipt.logs }).map(({ args }) => args)).toEqual([{ sum: 1n }, { sum: 1n }])
  const found = await client.getLogs({ event: abi[0], fromBlock: 3n, toBlock: 3n })
  expect(found.map(({ args, logIndex }) => [args, logIndex])).toEqual([
    [{ sum: 5n }, 3],
    [{ sum: 5n }, 4],
  ])
  const history = await client.getFeeHistory({ blockCount: 4, rewardPercentiles: [0, 50, 100] })
  const tips = [0n, 0n, 0n].fill(1_000_000_000n)
  expect(history.reward).toEqual([[0n, 0n, 0n], [0n, 0n, 0n], tips, tips])
  expect(await client.estimateMaxPriorityFeePerGas()).toBe(1_000_000_000n)
})

test('it is found by every way to a transaction', async () => {
  type Answer = { readonly hash: string; readonly transactions: readonly unknown[] }
  const block = await call<Answer>('eth_getBlockByNumber', '0x3', true)
  const whole = block.transactions[2]
  const hash = hashOf(3)
  expect(await call('eth_getTransactionByHash', hash)).toEqual(whole)
  expect(await call('eth_getTransactionByBlockNumberAndIndex', '0x3', '0x2')).toEqual(whole)
  expect(await call('eth_getTransactionByBlockHashAndIndex', block.hash, '0x2')).toEqual(whole)
  expect(await call('eth_getBlockTransactionCountByNumber', '0x3')).toBe('0x3')
  expect((await call<Answer>('eth_getBlockByHash', block.hash, false)).transactions[2]).toBe(hash)
  const bytes = bytesToHex(systemTx(chainId, 3).raw)
  expect(await call('eth_getRawTransactionByHash', hash)).toBe(bytes)
  expect(await call('debug_getRawTransaction', hash)).toBe(bytes)
  const receipts = await call<unknown[]>('eth_getBlockReceipts', '0x3')
  expect(await call('eth_getTransactionReceipt', hash)).toEqual(receipts[2])
  const byBlock = await call<Json[]>('eth_getLogs', { blockHash: block.hash, topics: [bytesToHex(BEGUN)] })
  expect(byBlock).toMatchObject([{ transactionHash: hash, transactionIndex: '0x2', logIndex: '0x2' }])
  expect(await call('eth_getTransactionCount', SYSTEM.from, 'latest')).toBe('0x0')
  expect(await raw('eth_sendRawTransaction', bytes)).toMatchObject({
    error: { code: -32_000, message: expect.stringMatching(/^invalid sender: nobody signed it .* system transaction/) },
  })
})

test.each([1, 2, 3, 4])(
  'tries made of what is answered about block %i have the roots of its header',
  async (height) => {
    const number = `0x${height}`
    const block = await call<JSONRPCBlock & Json>('eth_getBlockByNumber', number, true)
    const common = createCustomCommon({ chainId: Number(chainId) }, Mainnet, {
      hardfork: Hardfork.Osaka,
      customCrypto: { keccak256: keccak },
    })
    const library = createBlockFromRPC(block, [], { common, skipConsensusFormatValidation: true })
    expect(bytesToHex(library.hash())).toBe(block.hash)
    expect(await library.transactionsTrieIsValid()).toBe(true)

    interface Receipt {
      readonly type: string
      readonly status: string
      readonly cumulativeGasUsed: string
      readonly logsBloom: string
      readonly logs: readonly { readonly address: string; readonly topics: string[]; readonly data: string }[]
    }
    const receipts = await call<readonly Receipt[]>('eth_getBlockReceipts', number)
    const [trie, bloom] = [await createMPT(), new Bloom()]
    for (const [index, receipt] of receipts.entries()) {
      const own = new Bloom()
      for (const { address, topics } of receipt.logs) for (const item of [address, ...topics]) own.add(hexToBytes(item))
      expect(bytesToHex(own.bitvector)).toBe(receipt.logsBloom)
      bloom.or(own)
      const fields = [toBeArray(receipt.status), toBeArray(receipt.cumulativeGasUsed), receipt.logsBloom]
      const body = encodeRlp([...fields, receipt.logs.map(({ address, topics, data }) => [address, topics, data])])
      const type = receipt.type === '0x0' ? '0x' : toBeHex(receipt.type)
      await trie.put(hexToBytes(encodeRlp(toBeArray(index))), hexToBytes(concat([type, body])))
    }
    expect(bytesToHex(trie.root())).toBe(block.receiptsRoot)
    expect(bytesToHex(bloom.bitvector)).toBe(block.logsBloom)
  },
)

test('traces show it as one frame without code, with the logs of its receipt', async () => {
  const hash = hashOf(3)
  const frame = { ...SYSTEM, type: 'CALL', gas: '0x0', gasUsed: '0x0', value: '0x0', input: '0x' }
  const withLog = { tracer: 'callTracer', tracerConfig: { withLog: true } }
  const one = await call<Json>('debug_traceTransaction', hash, withLog)
  const { logs } = await call<{ logs: Json[] }>('eth_getTransactionReceipt', hash)
  expect(one).toEqual({
    ...frame,
    logs: logs.map(({ address, topics, data }) => ({ address, topics, data, position: '0x0' })),
  })
  const block = await call<{ txHash: string; result: unknown }[]>('debug_traceBlockByNumber', '0x3', withLog)
  expect(block.length).toBe(3)
  expect(block[2]).toEqual({ txHash: hash, result: one })
  expect(await call('debug_traceTransaction', hash)).toEqual({
    ...{ gas: 0, failed: false, returnValue: '0x', structLogs: [] },
  })
  expect(await call('debug_traceTransaction', hash, { tracer: '4byteTracer' })).toEqual({})
  expect(await call<Json[]>('debug_traceTransaction', hash, { tracer: 'flatCallTracer' })).toMatchObject([
    { type: 'call', action: SYSTEM, subtraces: 0, traceAddress: [] },
  ])
  const config = { tracer: 'prestateTracer', tracerConfig: { diffMode: true } }
  expect(await call('debug_traceTransaction', hash, config)).toEqual({ pre: {}, post: {} })
  expect((await call<Json[]>('debug_traceBlockByNumber', '0x1', { tracer: 'prestateTracer' })).length).toBe(1)
})

test('a simulation over such a block has no hooks, and so none', async () => {
  const blocks = await call<{ transactions: unknown[]; number: string }[]>(
    'eth_simulateV1',
    { blockStateCalls: [{}, { calls: [{ from: alice.address, to: alice.address }] }] },
    '0x1',
  )
  expect(blocks.map(({ number, transactions }) => [number, transactions.length])).toEqual([
    ['0x2', 0],
    ['0x3', 1],
  ])
})

test('subscriptions and filters tell of it', async () => {
  const hooked = await openMemoryChain({ natives: hooksThatLog({ begin: () => 0, end: () => 1 }) })
  const server = await openDoor(hooked.ctx)
  const filter = hooked.ctx.filters.add({ kind: 'logs', match: { addresses: [HOOKED], topics: [] }, from: 0, to: null })
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}`)
  await once(ws, 'open')
  const heard: { id?: number; params?: { result: unknown } }[] = []
  const ask = (id: number, params: unknown[]): void =>
    ws.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'eth_subscribe', params }))
  const until = async (count: number): Promise<void> => {
    while (heard.length < count) await once(ws, 'message')
  }
  ws.on('message', (bytes) => heard.push(JSON.parse(String(bytes))))
  ask(1, ['logs', { topics: [bytesToHex(ENDED)] }])
  ask(2, ['transactionReceipts'])
  await until(2)
  await hooked.seal()
  await until(4)
  const told = heard.slice(2).map(({ params }) => params?.result)
  expect(told).toContainEqual(expect.objectContaining({ transactionHash: hashOf(1), logIndex: '0x0' }))
  expect(told).toContainEqual([expect.objectContaining({ transactionHash: hashOf(1), ...SYSTEM, status: '0x1' })])
  expect(hooked.ctx.filters.changes(filter)).toMatchObject([{ transactionHash: hashOf(1) }])
  ws.terminate()
  await server.close()
  await hooked.chain.close()
})
