// `rollup` before a node that posts, one that does not, and an L1 that agrees with it or not.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex, concat, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { encodeNamed } from '../../chain/native/kit/abi.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import { run, type Said } from '../../test/kit/commands.ts'
import { type MemoryChain, openDoor, openMemoryChain } from '../../test/kit/memory-chain.ts'
import { rollup } from './rollup.ts'

installCurves(nativeCurves)
const [ACCOUNT, SETTLEMENT] = [`0x${'11'.repeat(20)}`, `0x${'5e'.repeat(20)}`]
const STATUS = {
  ...{ account: ACCOUNT, settlement: SETTLEMENT, stopped: null, chainId: '0x89', tip: '0x6fc23ac00' },
  ...{ coinDollars: '0.09', gasProfile: 'polygon', waitsFor: 'age', underway: null },
  ...{
    latest: { seq: '0x2', height: '0x1', blockHash: '0x' },
    finalized: { seq: '0x1', height: '0x0', blockHash: '0x' },
  },
  ...{ balance: '0xde0b6b3a7640000', baseFee: '0x3a35294400' },
  posted: {
    ...{
      seq: '0x1',
      parts: '0x1',
      transactionHashes: ['0x00'],
      firstHeight: '0x1',
      lastHeight: '0xa',
      transactions: '0x3e8',
    },
    ...{ emptyBlocks: '0x2', bytes: '0x32c8', blockBytes: '0x3e8', oldestMs: '0x0', callBytes: '0x3908' },
    ...{ gasUsed: '0x93b48', gasPrice: '0x4190ab00', paid: `0x${(0x93b48n * 0x4190ab00n).toString(16)}` },
  },
}
let net: MemoryChain
let hurried = 0
const closers: (() => Promise<void>)[] = []
const doorOf = async (status: object | null): Promise<string> => {
  const own = status === null ? null : { status: () => status as never, hurry: () => void hurried++ } // JSON as the node gives it
  const door = await openDoor({ ...net.ctx, rollup: own })
  closers.push(() => door.close())
  return `http://127.0.0.1:${door.port}`
}
beforeAll(async () => {
  net = await openMemoryChain()
  await net.seal()
})
afterAll(async () => {
  for (const close of closers) await close()
})

/** An L1 whose contract holds this, and whose proxy calls that code. */
const l1Of = async (position: object, code: string): Promise<string> => {
  const block = { number: '0x1', hash: `0x${'07'.repeat(32)}`, timestamp: '0x1', baseFeePerGas: '0x1' }
  const settled = {
    ...position,
    seq: 2n,
    epoch: 0n,
    accumulator: new Uint8Array(32),
    validatorsHash: new Uint8Array(32),
  }
  const answers: Readonly<Record<string, unknown>> = {
    ...{ eth_chainId: '0x89', eth_getBlockByNumber: block },
    eth_call: bytesToHex(encodeNamed(abi.functions.latest.outputs, { settled } as never)), // of the ABI's own names
    eth_getStorageAt: bytesToHex(concat(new Uint8Array(12), hexToBytes(code))),
  }
  const server = createServer(async (request, response) => {
    const { method } = JSON.parse(await text(request)) as { readonly method: string } // our own client's
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: answers[method] }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
}
const verified = async (position: object, code: string): Promise<Said> =>
  run(rollup, ['verify', '--rpc', await doorOf(STATUS), '--l1', await l1Of(position, code), '--settlement', SETTLEMENT])

test('status says what is posted, what it costs and from which inputs', async () => {
  const { code, json, text: said } = await run(rollup, ['status', '--rpc', await doorOf(STATUS)])
  expect(code).toBe(0)
  expect(json).toMatchObject({ height: 1, waitsFor: 'age' })
  // 13,000 bytes and 1,600 beside them at 40 gas each, 280 gwei and $0.09.
  expect(json.costs).toMatchObject({
    gasPriceWei: `${280n * 10n ** 9n}`,
    coinDollars: '0.09',
    profile: 'polygon',
    unknown: [],
  })
  expect(json.costs.batch).toEqual({ gas: '605000', wei: `${605_000n * 280n * 10n ** 9n}`, dollars: '0.015246' })
  expect(json.costs.perTransaction.dollars).toBe('0.000015246')
  for (const line of [
    /posted, latest +batch 2, height 1/,
    /this chain +height 1, 0 blocks not posted/,
    /waits +until the batch is large or old enough/,
    /last final +batch 1: blocks 1 to 10 \(2 empty\), 1000 transactions, 13000 bytes/,
    /costs now at +280 gwei, \$0.09 a coin, profile polygon/,
    /transaction +\$0.000015246 \(605 gas\)/,
  ])
    expect(said).toMatch(line)
})

test('a batch in parts: which of them is under way, and what all of them cost', async () => {
  const gasUsed = 3n * (21_000n + 40n * 100_000n)
  const posted = {
    ...{
      ...STATUS.posted,
      parts: '0x3',
      transactionHashes: ['0x00', '0x01', '0x02'],
      gasUsed: `0x${gasUsed.toString(16)}`,
    },
    ...{ bytes: '0x48d28', callBytes: '0x493e0', paid: '0x2386f26fc10000' },
  }
  const underway = { ...posted, seq: '0x2', part: '0x2', state: 'sent', attempts: [{}] }
  const { json, text: said } = await run(rollup, ['status', '--rpc', await doorOf({ ...STATUS, posted, underway })])
  expect(json.costs.batch.gas).toBe(`${gasUsed}`)
  expect(said).not.toMatch(/parts missing/)
  const lacking = await run(rollup, ['status', '--rpc', await doorOf({ ...STATUS, lacking: '0x2' })])
  expect(lacking.text).toMatch(/parts missing +of 2 batches that are posted/)
  expect(said).toMatch(/under way +batch 2, part 2 of 3, sent, 1 transactions signed/)
  expect(said).toMatch(/last final +batch 1 in 3 parts: blocks 1 to 10/)
  expect(said).toMatch(/it paid +12063000 gas at .*, 0\.01 coins, \$0\.0009/)
})

test('a profile whose prices are not all known says the least, and which', async () => {
  const { text: said } = await run(rollup, [
    'status',
    '--rpc',
    await doorOf({ ...STATUS, gasProfile: 'polygon-chicago' }),
  ])
  expect(said).toMatch(/transaction +at least \$0.000015246/)
  expect(said).toMatch(/not known +BLS12-381 precompiles \(PIP-88\), BN254/)
})

test('a poster that has stopped is a failure with its reason, one that has posted nothing has no costs', async () => {
  const stopped = await run(rollup, ['status', '--rpc', await doorOf({ ...STATUS, stopped: 'no space', posted: null })])
  expect([stopped.code, stopped.json.costs]).toEqual([1, null])
  expect(stopped.text).toMatch(/it has stopped: no space/)
})

test('post asks the node, and a node that posts nothing says what to set', async () => {
  expect(await run(rollup, ['post', '--rpc', await doorOf(STATUS)])).toMatchObject({ code: 0, json: { asked: true } })
  expect(hurried).toBe(1)
  for (const verb of ['post', 'status'])
    expect((await run(rollup, [verb, '--rpc', await doorOf(null)])).text).toMatch(/set rollup.mode/)
})

test('verify finds the contract and the chain the same, or says in what they differ', async () => {
  const { hash, header } = net.chain.head()
  const own = { height: 1n, blockHash: hash, stateRoot: header.stateRoot }
  const other = await verified(own, ACCOUNT)
  expect([other.code, other.json.isOwn, other.json.latest.height]).toEqual([3, false, 1])
  const code = /not (0x[0-9a-f]{40}), which these sources compile to/.exec(other.text)?.[1] ?? expect.fail(other.text)
  expect(await verified(own, code)).toMatchObject({ code: 0, json: { isOwn: true, implementation: code } })
  const forked = await verified({ ...own, stateRoot: new Uint8Array(32) }, code)
  expect([forked.code, forked.refusal]).toEqual([3, 'ROLLUPCMD_OTHER'])
  expect(forked.text).toMatch(/the state root of block 1: 0x0+ there, 0x/)
})

test.each([
  [[], /expected status, post, verify or deploy/],
  [['burn'], /expected status, post, verify or deploy/],
  [['verify'], /expected --l1/],
  [['verify', '--l1', 'http://127.0.0.1:1'], /expected --settlement/],
  [['verify', '--l1', 'http://127.0.0.1:1', '--settlement', '0x5'], /an address/],
  [['verify', '--l1', 'http://127.0.0.1:1', '--l1-chain-id', 'polygon'], /a whole number/],
  [['deploy', '--l1', 'http://127.0.0.1:1', '--verifier', 'groth16', '--rpc', 'http://127.0.0.1:1'], /.+/],
])('%j is refused', async (argv, why) => {
  const { code, text: said } = await run(rollup, argv)
  expect(code).not.toBe(0)
  expect(said).toMatch(why)
})
