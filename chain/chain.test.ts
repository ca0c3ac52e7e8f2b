import { readFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { devValidatorSecret } from '../test/kit/keys.ts'
import { asAddress, bytesToHex, hexToBytes } from './base/bytes.ts'
import { curves } from './base/crypto.ts'
import { NodeError } from './base/errors.ts'
import type { Kv, Meter } from './base/ports.ts'
import { type Chain, openChain } from './chain.ts'
import { createReferenceEngine } from './exec/reference.ts'
import { createMemoryKv } from './store/kv.ts'
import {
  BLOCK_BYTES_MAX,
  type Block,
  decodeBlock,
  encodeBlock,
  encodeEthereumBlock,
  ethereumBlockBytes,
  headerHash,
  headerTimeMs,
} from './types/block.ts'
import { parseGenesis } from './types/genesis.ts'
import { type IdentifyTxs, identifyTx } from './types/tx.ts'
import { bitmapOf, type Qc, randaoPayload, SignType, signBytes, votePayload } from './types/vote.ts'

const text = readFileSync(new URL('../genesis.json', import.meta.url), 'utf8')
const genesis = parseGenesis(text)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}
const secret = devValidatorSecret(0)
const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')

const open = async (kv: Kv, identify?: IdentifyTxs, historyBlocks = 10): Promise<Chain> =>
  openChain(
    {
      kv,
      ...(identify && { identify }),
      engine: createReferenceEngine({ chainId: genesis.chainId }),
      clock: { nowMs: () => 1_800_000_000_000 },
      pause: async () => {},
      log: silent,
      meter,
    },
    genesis,
    { historyBlocks, proofBlocks: 10, cacheBytes: 1_000_000, pool: {} },
  )
const sign = (chain: Chain, type: SignType, payload: Uint8Array): Uint8Array =>
  curves().blsSign(secret, signBytes({ chainId: genesis.chainId, genesisHash: chain.genesisHash }, type, payload))
const certify = (chain: Chain, block: Block): Qc => {
  const vote = { height: block.header.number, round: 0, blockHash: block.hash }
  return {
    type: 'commit',
    ...vote,
    bitmap: bitmapOf([0], 1),
    signature: sign(chain, SignType.commit, votePayload(vote.height, 0, vote.blockHash)),
  }
}
const build = (chain: Chain): Promise<Block> => {
  const parent = chain.head()
  const height = parent.header.number + 1
  return chain.build({
    height,
    timeMs: headerTimeMs(parent.header) + 3_000,
    round: 0,
    proposerIndex: 0,
    coinbase: asAddress(new Uint8Array(20).fill(0xcc)),
    lastCommit: chain.commitOf(height - 1),
    reveal: sign(chain, SignType.randao, randaoPayload(height)),
    budgetMs: 1_000,
  })
}
const step = async (chain: Chain): Promise<Block> => {
  const block = await build(chain)
  await chain.commit(block, certify(chain, block))
  return block
}
const signed = async (fields: object): Promise<Uint8Array> =>
  hexToBytes(
    await alice.signTransaction({
      ...{ type: 2, chainId: genesis.chainId, to: `0x${'ab'.repeat(20)}` },
      ...{ maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n },
      ...fields,
    }),
  )
const transfer = (nonce: number, value = 5n): Promise<Uint8Array> => signed({ nonce, value, gasLimit: 21_000 })
const large = (nonce: number): Promise<Uint8Array> =>
  signed({ nonce, data: `0x${'00'.repeat(120_000)}`, gasLimit: 2_000_000 })

test('a block has at most 8 MiB: the builder leaves the rest to the next, and a larger one is refused', async () => {
  const chain = await open(createMemoryKv())
  for (let nonce = 0; nonce < 75; nonce++) await chain.submit(await large(nonce), 'local')
  const block = await build(chain)
  const sizeBytes = encodeEthereumBlock(block).length
  expect(ethereumBlockBytes(block)).toBe(sizeBytes)
  expect(sizeBytes).toBeLessThanOrEqual(BLOCK_BYTES_MAX)
  expect(block.txs.length).toBe(69)
  const tooLarge = { ...block, txs: [...block.txs, await large(69)] }
  const header = { ...block.header, gasUsed: 0n }
  await expect(chain.verify({ ...tooLarge, header, hash: headerHash(header) })).rejects.toThrow(
    /8409165 bytes, at most 8388608/,
  )
  await chain.commit(block, certify(chain, block))
  expect((await step(chain)).txs.length).toBe(6)
})

test('a transfer goes from the pool into a block, its receipt and the state, and a follower agrees', async () => {
  const [chain, follower] = [await open(createMemoryKv()), await open(createMemoryKv())]
  const hash = await chain.submit(await transfer(0), 'local')
  const block = await step(chain)
  expect(block.txs.length).toBe(1)
  expect(chain.place(hash)).toEqual({ height: 1, index: 0 })
  expect(chain.receipts(1)?.[0]).toMatchObject({ status: 1, gasUsed: 21_000n })
  expect(chain.at(1).account(asAddress(hexToBytes(`0x${'ab'.repeat(20)}`)))?.balance).toBe(5n)
  expect(chain.pool.status()).toEqual({ pending: 0, queued: 0 })
  const copy = decodeBlock(encodeBlock(block))
  await follower.verify(copy)
  await follower.commit(copy, certify(follower, copy))
  expect(bytesToHex(follower.head().hash)).toBe(bytesToHex(chain.head().hash))
  const second = await step(chain)
  await follower.commit(second, certify(follower, second))
})

test('a run is taken at once where the past of no block, or of few, is kept, and each of its blocks is seen with its state', async () => {
  const chain = await open(createMemoryKv())
  const blocks: Block[] = []
  for (let i = 0; i < 40; i++) {
    await chain.submit(await transfer(i), 'local')
    blocks.push(await step(chain))
  }
  const commit = chain.commitOf(40) ?? expect.fail('a certificate')
  for (const historyBlocks of [0, 3, 10]) {
    const follower = await open(createMemoryKv(), undefined, historyBlocks)
    const seen: bigint[] = []
    const to = asAddress(hexToBytes(`0x${'ab'.repeat(20)}`))
    follower.watch('head', ({ block }) => seen.push(follower.at(block.header.number).account(to)?.balance ?? 0n))
    await follower.append({ blocks, commit })
    expect(seen).toEqual(blocks.map((_, i) => 5n * BigInt(i + 1)))
    expect(bytesToHex(follower.head().hash)).toBe(bytesToHex(chain.head().hash))
    // What a run kept meanwhile goes with the blocks after it.
    const next = await build(chain)
    await follower.append({ blocks: [next], commit: certify(chain, next) })
    expect(follower.kept().state).toBeGreaterThan(0)
  }
})

test('a chain opened again stands where it stood, and refuses another network', async () => {
  const kv = createMemoryKv()
  const chain = await open(kv)
  for (let i = 0; i < 15; i++) {
    await chain.submit(await transfer(i), 'local')
    await step(chain)
  }
  const again = await open(kv)
  expect(again.head()).toEqual(chain.head())
  expect(again.kept().state).toBe(5)
  await step(again)
  const other = parseGenesis(text.replace('"blockTimeMs": 3000', '"blockTimeMs": 3001'))
  const opened = openChain(
    {
      kv,
      engine: createReferenceEngine({ chainId: 1n }),
      clock: { nowMs: () => 0 },
      pause: async () => {},
      log: silent,
      meter,
    },
    other,
    { historyBlocks: 1, proofBlocks: 1, cacheBytes: 1, pool: {} },
  )
  await expect(opened).rejects.toMatchObject({ code: 'STORE_NETWORK' })
})

type Damage = (block: Block) => Block
const withHeader =
  (change: Partial<Block['header']>): Damage =>
  (block) => {
    const header = { ...block.header, ...change }
    return { ...block, header, hash: headerHash(header) }
  }
test.each<[string, Damage, string]>([
  ['another parent', withHeader({ parentHash: genesis.mixHash }), 'parentHash'],
  ['a wrong number', withHeader({ number: 9 }), 'number'],
  ['a timestamp of its parent', withHeader({ time: genesis.time }), 'timestamp'],
  ['a higher gas limit', withHeader({ gasLimit: genesis.gasLimit + 1n }), 'gasLimit'],
  ['another base fee', withHeader({ baseFeeWei: 7n }), 'baseFeePerGas'],
  ['another state root', withHeader({ stateRoot: genesis.mixHash }), 'stateRoot'],
  ['another receipts root', withHeader({ receiptsRoot: genesis.mixHash }), 'receiptsRoot'],
  ['another bloom', withHeader({ bloom: new Uint8Array(256).fill(1) }), 'bloom'],
  ['a randao of its own', withHeader({ prevRandao: genesis.mixHash }), 'mixHash'],
  ['no section', (block) => ({ ...block, section: null }), 'section'],
  ['a transaction less', (block) => ({ ...block, txs: [] }), 'gasUsed'],
  ['a transaction twice', (block) => ({ ...block, txs: [...block.txs, ...block.txs] }), 'transaction 1'],
])('a block with %s is invalid and the reason says where', async (_, damage, reason) => {
  const chain = await open(createMemoryKv())
  const judge = await open(createMemoryKv())
  await chain.submit(await transfer(0), 'local')
  const block = damage(await build(chain))
  const verdict = await judge.verify(block).catch((error: unknown) => error)
  expect(verdict).toBeInstanceOf(NodeError)
  expect(verdict).toMatchObject({ code: 'BLOCK_INVALID', message: expect.stringContaining(reason) })
})

test('a commit needs a certificate of that block', async () => {
  const chain = await open(createMemoryKv())
  const block = await build(chain)
  const good = certify(chain, block)
  for (const bad of [
    { ...good, round: 1 },
    { ...good, type: 'prepare' as const },
    { ...good, bitmap: Uint8Array.of(0) },
  ])
    await expect(chain.commit(block, bad)).rejects.toBeInstanceOf(NodeError)
  await chain.commit(block, good)
})

test('transactions that wait for their senders are bounded: beyond it all are busy at once, and afterwards welcome', async () => {
  let go = (): void => {}
  const held = new Promise<void>((resolve) => {
    go = resolve
  })
  const chain = await open(createMemoryKv(), async (raws) => {
    await held
    return raws.map(identifyTx)
  })
  const junk = Array.from({ length: 80 }, (_, i) => new Uint8Array(110_000).fill(i))
  const first = chain.submitAll([await transfer(0), ...junk], 'local')
  const busy = await chain.submitAll([await transfer(1)], 'local')
  expect(busy).toMatchObject([{ code: 'POOL_BUSY', rpc: -32005 }])
  await expect(chain.submit(junk[0] as Uint8Array, 'peer')).rejects.toMatchObject({ code: 'POOL_BUSY' })
  go()
  const [hash, ...others] = await first
  expect(hash).toBeInstanceOf(Uint8Array)
  for (const each of others) expect(each).toMatchObject({ code: expect.stringMatching(/^TX_/) })
  await chain.submit(await transfer(1), 'local')
  expect(chain.pool.status().pending).toBe(2)
})
