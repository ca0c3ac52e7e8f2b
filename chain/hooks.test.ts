// What block hooks log is seen as the system transaction: built, verified, stored, found, run again.
import { createBlockFromRLP } from '@ethereumjs/block'
import { createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { Wallet } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { BEGUN, ENDED, HOOKED, hooksThatLog } from '../test/kit/hooks.ts'
import { genesis, type MemoryChain, openMemoryChain } from '../test/kit/memory-chain.ts'
import { bytesToHex, hexToBytes } from './base/bytes.ts'
import { installCurves, keccak } from './base/crypto.ts'
import { nativeCurves } from './base/crypto-native.ts'
import type { Meter } from './base/ports.ts'
import { checkStore, reexecute } from './calls.ts'
import { createMemoryKv } from './store/kv.ts'
import { type Block, decodeBlock, encodeBlock, encodeEthereumBlock } from './types/block.ts'
import { SYSTEM_SENDER, systemTx } from './types/system-tx.ts'

beforeAll(() => installCurves(nativeCurves))

const { chainId } = genesis
const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const transfer = async (nonce: number): Promise<Uint8Array> =>
  hexToBytes(
    await alice.signTransaction({
      ...{ type: 2, chainId, nonce, to: `0x${'ab'.repeat(20)}`, value: 5n, gasLimit: 21_000 },
      ...{ maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n },
    }),
  )

/** Height by height: begin hooks alone, end hooks alone, both, and none. */
const natives = hooksThatLog({
  begin: (height) => (height % 4 === 1 ? 1 : height % 4 === 3 ? 2 : 0),
  end: (height) => (height % 4 === 2 ? 1 : height % 4 === 3 ? 1 : 0),
})
const LOGS = [0, 1, 1, 3, 0, 1, 1, 3, 0] as const

const receive = async ({ chain, certify }: MemoryChain, block: Block): Promise<void> => {
  const copy = decodeBlock(encodeBlock(block))
  await chain.verify(copy)
  await chain.commit(copy, certify(copy))
}

test('blocks end with the system transaction exactly where hooks log, for builder, verifier and the library', async () => {
  const [builder, follower, late] = [
    await openMemoryChain({ natives }),
    await openMemoryChain({ natives }),
    await openMemoryChain({ natives }),
  ]
  const common = createCustomCommon({ chainId: Number(chainId) }, Mainnet, {
    hardfork: Hardfork.Osaka,
    customCrypto: { keccak256: keccak },
  })
  const blocks: Block[] = []
  for (let height = 1; height < LOGS.length; height++) {
    if (height > 4) await builder.chain.submit(await transfer(height - 5), 'local')
    const block = await builder.seal()
    await receive(follower, block)
    blocks.push(block)
    const [logs, sent] = [LOGS[height] ?? 0, height > 4 ? 1 : 0]
    const receipts = follower.chain.receipts(height) ?? []
    expect(receipts).toEqual(builder.chain.receipts(height))
    expect(block.txs.length).toBe(sent + (logs > 0 ? 1 : 0))
    expect(block.header.gasUsed).toBe(21_000n * BigInt(sent))
    expect(receipts.flatMap((receipt) => receipt.logs).length).toBe(logs)
    if (logs > 0) {
      expect(block.txs.at(-1)).toEqual(systemTx(chainId, height).raw)
      expect(follower.chain.txs(height)?.at(-1)).toEqual(systemTx(chainId, height))
      expect(receipts.at(-1)).toMatchObject({ type: 0, status: 1, gasUsed: 0n, cumulativeGas: block.header.gasUsed })
    }
    const library = createBlockFromRLP(encodeEthereumBlock(block), { common, skipConsensusFormatValidation: true })
    expect(bytesToHex(library.hash())).toBe(bytesToHex(block.hash))
    expect(await library.transactionsTrieIsValid()).toBe(true)
  }
  expect(follower.chain.receipts(3)?.[0]?.logs.map(({ topics }) => topics[0])).toEqual([BEGUN, BEGUN, ENDED])
  const last = blocks.at(-1) as Block
  await late.chain.append({ blocks, commit: builder.certify(last) })
  expect(late.chain.head().hash).toEqual(last.hash)
})

const raw = systemTx(chainId, 1).raw
const quiet = hooksThatLog({ begin: () => 0, end: () => 0 })
const loud = hooksThatLog({ begin: () => 1, end: () => 0 })
test.each<[string, typeof loud, (txs: readonly Uint8Array[]) => readonly Uint8Array[], RegExp]>([
  ['without it where hooks log', loud, (txs) => txs.slice(0, -1), /not the system transaction/],
  ['with it where no hook logs', quiet, (txs) => [...txs, raw], /hooks logged nothing/],
  ['with it twice', loud, (txs) => [...txs, raw], /transaction 1: .*nobody signed it/],
  ['with it not last', loud, (txs) => [...txs].reverse(), /transaction 0: .*nobody signed it/],
  ['with that of another height', loud, ([tx]) => [tx ?? raw, systemTx(chainId, 2).raw], /transaction 1: .*nobody/],
  ['with that of another chain', loud, ([tx]) => [tx ?? raw, systemTx(1n, 1).raw], /transaction 1: .*chain id/],
])('a block %s is invalid', async (_, hooks, damage, reason) => {
  const [builder, judge] = [await openMemoryChain({ natives: hooks }), await openMemoryChain({ natives: hooks })]
  await builder.chain.submit(await transfer(0), 'local')
  const block = await builder.build()
  await judge.chain.verify(block)
  const verdict = judge.chain.verify({ ...block, txs: damage(block.txs), hash: keccak(block.hash) })
  await expect(verdict).rejects.toMatchObject({ code: 'BLOCK_INVALID', message: expect.stringMatching(reason) })
})

test.each(['local', 'peer'] as const)('nobody can submit it (%s), and the pool goes on', async (origin) => {
  const { chain, seal } = await openMemoryChain({ natives })
  for (const height of [0, 1, 2])
    await expect(chain.submit(systemTx(chainId, height).raw, origin)).rejects.toMatchObject({
      code: 'TX_SIGNATURE',
      message: expect.stringMatching(/system transaction/),
    })
  expect(chain.pool.senders()).toEqual([])
  const hash = await chain.submit(await transfer(0), origin)
  await seal()
  expect(chain.place(hash)).toEqual({ height: 1, index: 0 })
  expect(chain.pool.status()).toEqual({ pending: 0, queued: 0 })
  expect(chain.at(1).account(SYSTEM_SENDER)).toBeUndefined()
})

test('it is found by hash and its logs by address, topic and block, after a restart too', async () => {
  const kv = createMemoryKv()
  const first = await openMemoryChain({ kv, natives })
  await first.chain.submit(await transfer(0), 'local')
  for (let height = 1; height < LOGS.length; height++) await first.seal()
  for (const chain of [first.chain, (await openMemoryChain({ kv, natives })).chain]) {
    const { hash } = systemTx(chainId, 1)
    expect(chain.place(hash)).toEqual({ height: 1, index: 1 })
    expect(chain.txs(1)?.[1]).toEqual(systemTx(chainId, 1))
    const find = (topics: readonly (typeof BEGUN)[], range = { from: 0, to: 8 }) =>
      chain.logs({ ...range, addresses: [HOOKED], topics: [topics], resultsMax: 100 })
    expect((await find([])).map(({ height }) => height)).toEqual([1, 2, 3, 3, 3, 5, 6, 7, 7, 7])
    expect((await find([ENDED])).map(({ height }) => height)).toEqual([2, 3, 6, 7])
    expect(await find([BEGUN], { from: 1, to: 1 })).toMatchObject([{ txHash: hash, txIndex: 1, logIndex: 0 }])
  }
  await checkStore(kv, first.chain.genesisHash)
})

test('stored blocks run again to what they say, and only what was sent is counted', async () => {
  let counted = 0
  const none = { set() {}, observe() {}, add() {} }
  const meter: Meter = {
    gauge: () => none,
    histogram: () => none,
    counter: (name) => ({
      add(count = 1) {
        if (name === 'chain_txs_total') counted += count
      },
    }),
  }
  const { chain, kv, seal } = await openMemoryChain({ natives, meter })
  for (let nonce = 0; nonce < 8; nonce++) {
    if (nonce % 2 === 0) await chain.submit(await transfer(nonce / 2), 'local')
    await seal()
  }
  const done = await reexecute(kv, genesis, { from: null, to: null }, () => {}, natives)
  expect(done).toEqual({ from: 1, to: 8, txs: 4, gas: 84_000n })
  expect(counted).toBe(4)
  await expect(reexecute(kv, genesis, { from: 1, to: 1 }, () => {}, quiet)).rejects.toMatchObject({
    code: 'BLOCK_INVALID',
  })
})
