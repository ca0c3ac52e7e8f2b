// Batches out of a chain that is real: as many blocks as fit, none of the next epoch, none without what vouches for the last.
import { Wallet } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { bytesToBigint, bytesToHex, concat, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
import type { Chain } from '../../chain/chain.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { decodeBlock, decodeHeader, decodeSection, headerTimeMs } from '../../chain/types/block.ts'
import { openSealedChain, seal, sealedGenesis } from '../../test/kit/sealed.ts'
import { developmentAccounts } from '../development.ts'
import { decodeBatch, encodeBatch } from './batch.ts'
import { ChainSource, type ChainSourceDeps } from './source.ts'

installCurves(nativeCurves)
const EPOCH = 20
const CERTIFICATE = Uint8Array.of(1, 2, 3)
let chain: Chain
/** Encodings asked for. */
let built = 0
const builder: ChainSourceDeps['builder'] = {
  async build({ blocks, ...job }) {
    built++
    return encodeBatch({ ...job, blocks: blocks.map(decodeBlock) }, job.encoding)
  },
}
const sourceOf = (keys: readonly Uint8Array[] = []) =>
  new ChainSource({ chain, builder, certificates: { bls: async () => CERTIFICATE } }, { encoding: 'attested', keys })

/** What a contract holds that has this chain up to a height. */
const at = (height: number) => ({ height, blockHash: chain.block(height)?.hash ?? expect.fail('it is kept') })

/** Thirty blocks: one to ten and the last five are empty, each other one has a transfer. */
beforeAll(async () => {
  const genesis = sealedGenesis({ validators: 4, epochBlocks: EPOCH })
  chain = await openSealedChain(genesis, createMemoryKv())
  const wallet = new Wallet(developmentAccounts(1)[0]?.privateKey ?? '')
  let nonce = 0
  const transfer = async (): Promise<void> => {
    const fees = { type: 2, maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n, gasLimit: 21_000 }
    const fields = { ...fees, chainId: genesis.chainId, nonce: nonce++, to: wallet.address, value: 1n }
    await chain.submit(hexToBytes(await wallet.signTransaction(fields)), 'local')
  }
  await seal(chain, 10)
  await seal(chain, 15, { fill: transfer })
  await seal(chain, 5)
})

test('everything of the epoch where it fits, with its facts, checkpoint and bytes that decode', async () => {
  const batch = (await sourceOf().next(at(0), 100_000)) ?? expect.fail('there are blocks')
  const last = chain.block(EPOCH) ?? expect.fail('it is kept')
  expect(batch.facts).toMatchObject({ firstHeight: 1, lastHeight: EPOCH, emptyBlocks: 10, transactions: 10 })
  expect(batch.facts.sizeBytes).toBe(batch.data.length)
  expect(batch.facts.blockBytes).toBeLessThan(batch.data.length)
  expect([batch.isFull, batch.epoch, batch.newestMs]).toEqual([false, 0, headerTimeMs(last.header)])
  expect(decodeBatch(batch.data, { chainId: chain.genesis.chainId }).outlines.map(({ height }) => height)).toHaveLength(
    EPOCH,
  )
  expect(bytesToHex(keccak(batch.checkpoint.header))).toBe(bytesToHex(last.hash))
  expect(decodeHeader(batch.checkpoint.header).number).toBe(EPOCH)
  expect(decodeSection(batch.checkpoint.section)).toEqual(last.section)
  expect(await sourceOf().certify(EPOCH, 'bls')).toEqual(CERTIFICATE)
})

test('the rest of the next epoch, without a section where it does not end', async () => {
  const batch = (await sourceOf().next(at(EPOCH), 100_000)) ?? expect.fail('there are blocks')
  expect(batch.facts).toMatchObject({ firstHeight: 21, lastHeight: 30, emptyBlocks: 5, transactions: 5 })
  expect([batch.epoch, batch.checkpoint.section.length, batch.isFull]).toEqual([1, 0, false])
  expect(await sourceOf().next(at(30), 100_000)).toBeNull()
})

test.each([600, 1_000, 1_700, 2_500])('as many blocks as %i bytes hold, and not one more would', async (maxBytes) => {
  const { facts, isFull } = (await sourceOf().next(at(0), maxBytes)) ?? expect.fail('there are blocks')
  expect(facts.sizeBytes).toBeLessThanOrEqual(maxBytes)
  expect(isFull).toBe(facts.lastHeight < EPOCH)
  if (!isFull) return
  const job = { encoding: 'attested', chainId: chain.genesis.chainId } as const
  const heights = Array.from({ length: facts.lastHeight + 1 }, (_, i) => i + 1)
  const blocks = heights.map((height) => chain.encoded(height) ?? expect.fail('it is kept'))
  const senders = heights.map((height) => (chain.txs(height) ?? []).filter(({ r }) => r !== 0n).map(({ from }) => from))
  const commit = chain.commitOf(facts.lastHeight + 1) ?? expect.fail('it is committed')
  const { bytes } = await builder.build({ ...job, blocks, senders, commit })
  expect(bytes.length).toBeGreaterThan(0.9 * maxBytes)
})

test('one block at least, however little it may take', async () => {
  const { facts, isFull } = (await sourceOf().next(at(0), 10)) ?? expect.fail('there are blocks')
  expect([facts.firstHeight, facts.lastHeight, isFull]).toEqual([1, 1, true])
})

test('a contract that holds another block is not posted to', async () => {
  const other = { height: 3, blockHash: at(4).blockHash }
  await expect(sourceOf().next(other, 2_000)).rejects.toMatchObject({ code: 'SOURCE_OTHER' })
})

test('what was made is not made again while no block comes', async () => {
  const source = sourceOf()
  const first = await source.next(at(0), 2_000)
  const before = built
  expect(await source.next(at(0), 2_000)).toBe(first)
  expect(built).toBe(before)
})

test('the order of an epoch is that of its set', () => {
  const members = chain.setOf(1)?.members ?? []
  const ranks = members.map(({ blsKey }) => sourceOf([blsKey]).rank(0))
  expect([...ranks].sort()).toEqual([0, 1, 2, 3])
  expect(sourceOf().rank(0)).toBe(4)
})

test('of blocks that compress to nothing a batch has no more than it may hold', async () => {
  const genesis = sealedGenesis({ validators: 1 })
  const full = await openSealedChain(genesis, createMemoryKv())
  const secret = hexToBytes((developmentAccounts(1)[0]?.privateKey ?? '0x') as Hex)
  const to = new Uint8Array(20).fill(7)
  let nonce = 0
  const zeros = (): Uint8Array => {
    const prices = [rlpInt(1n), rlpInt(10n ** 11n), rlpInt(1_400_000n)]
    const fields = [rlpInt(genesis.chainId), rlpInt(nonce++), ...prices, to, rlpInt(0n), new Uint8Array(130_000), []]
    const { signature, recovery } = curves().sign(keccak(concat(Uint8Array.of(2), encodeRlp(fields))), secret)
    const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((half) => rlpInt(bytesToBigint(half)))
    return concat(Uint8Array.of(2), encodeRlp([...fields, rlpInt(recovery), r ?? to, s ?? to]))
  }
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 62; i++) await full.submit(zeros(), 'local')
  }
  await seal(full, 2, { fill })
  const source = new ChainSource(
    { chain: full, builder, certificates: { bls: async () => CERTIFICATE } },
    { encoding: 'attested', keys: [] },
  )
  // Five of them would be BATCH_LIMIT, and both together a hundredth of the bytes that a batch may have.
  for (const height of [0, 1]) {
    const before = { height, blockHash: full.block(height)?.hash ?? expect.fail('it is kept') }
    const { facts, isFull } = (await source.next(before, 100_000)) ?? expect.fail('there are blocks')
    expect([facts.firstHeight, facts.lastHeight, isFull]).toEqual([height + 1, height + 1, height === 0])
    expect(facts.sizeBytes).toBeLessThan(1_000)
  }
})
