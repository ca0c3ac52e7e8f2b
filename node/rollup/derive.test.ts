import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { asHash, bytesToHex, type Hash } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Kv } from '../../chain/base/ports.ts'
import { checkStore, createChainEngine } from '../../chain/calls.ts'
import type { Chain } from '../../chain/chain.ts'
import { type DeriveOptions, type Deriver, openDeriver } from '../../chain/derive.ts'
import { createMemoryKv, openKv } from '../../chain/store/kv.ts'
import { encodeBlock } from '../../chain/types/block.ts'
import type { Qc } from '../../chain/types/vote.ts'
import { openSealedChain } from '../../test/kit/sealed.ts'
import {
  batchOf,
  cutsOf,
  mixedChain,
  type Posted,
  postedOf,
  repost,
  settledGenesis,
  sourceOf,
} from '../../test/kit/settled.ts'
import { splitBatch } from './batch.ts'
import { deriveAll, type SettlementSource } from './derive.ts'
import { PostingErrors } from './postings.ts'

let chain: Chain
beforeAll(async () => {
  chain = await mixedChain()
})

const open = (kv: Kv, keep: DeriveOptions['keep']): Promise<Deriver> => {
  const genesis = settledGenesis()
  const options = { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000 }
  const deps = { kv, engine: createChainEngine(genesis), pause: async () => {} }
  return openDeriver(deps, genesis, { ...options, keep, genesisHash: chain.genesisHash })
}
const derive = (deriver: Deriver, posted: readonly Posted[], signal = new AbortController().signal) =>
  deriveAll({ source: sourceOf(posted), deriver, chainId: chain.genesis.chainId }, signal)
const hashes = (of: { hashAt(height: number): Uint8Array | null }): string[] =>
  Array.from({ length: chain.head().header.number }, (_, i) => bytesToHex(of.hashAt(i + 1) ?? new Uint8Array(0)))
const wanted = (): string[] => hashes({ hashAt: (height) => chain.block(height)?.hash ?? null })

test('the chain has every kind of transaction, blocks without any, and what hooks log', () => {
  const all = Array.from({ length: chain.head().header.number }, (_, i) => chain.txs(i + 1) ?? [])
  expect([...new Set(all.flat().map(({ type }) => type))].sort()).toEqual([0, 1, 2, 4])
  expect(all.filter((txs) => txs.length === 0).length).toBeGreaterThan(3)
  expect(all.flat().filter(({ r }) => r === 0n).length).toBeGreaterThan(1)
  expect(all.flat().some(({ to }) => to === null)).toBe(true)
  const receipts = Array.from({ length: all.length }, (_, i) => chain.receipts(i + 1) ?? []).flat()
  expect(receipts.every(({ status }) => status === 1)).toBe(true)
  expect(chain.txs(9)?.find(({ type }) => type === 4)?.authorizations[0]?.authority).toBeDefined()
})

test('a node’s database comes out of full batches, block for block, in an empty folder', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-derive-'))
  try {
    const deriver = await open(await openKv(dir), 'node')
    const posted = postedOf(chain, cutsOf(chain, 4), () => 'full')
    expect(await derive(deriver, posted)).toEqual({ batches: posted.length })
    expect(hashes(deriver)).toEqual(wanted())
    await deriver.close()
    const again = await openSealedChain(settledGenesis(), await openKv(dir))
    for (let height = 1; height <= chain.head().header.number; height++) {
      const [have, want] = [again.block(height), chain.block(height)]
      if (have === null || want === null) throw expect.fail('a block is missing')
      expect(bytesToHex(encodeBlock(have))).toBe(bytesToHex(encodeBlock(want)))
      expect(again.commitOf(height)).toEqual(chain.commitOf(height))
      expect(again.receipts(height)).toEqual(chain.receipts(height))
      expect(again.txs(height)?.map(({ from }) => from)).toEqual(chain.txs(height)?.map(({ from }) => from))
    }
    await again.close()
    const kv = await openKv(dir)
    expect(await checkStore(kv, chain.genesisHash)).toMatchObject({ height: chain.head().header.number })
    await kv.close()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('headers and state come out of attested batches, and of both kinds in turn', async () => {
  for (const encodingOf of [
    () => 'attested' as const,
    (seq: number) => (seq % 2 === 0 ? 'full' : 'attested'),
  ] as const) {
    const deriver = await open(createMemoryKv(), 'state')
    await derive(deriver, postedOf(chain, cutsOf(chain, 4), encodingOf))
    expect(hashes(deriver)).toEqual(wanted())
    expect(deriver.head().header).toEqual(chain.head().header)
  }
})

test('killed after any batch it goes on from there', async () => {
  for (const keep of ['node', 'state'] as const) {
    const posted = postedOf(chain, cutsOf(chain, 3), () => (keep === 'node' ? 'full' : 'attested'))
    const kv = createMemoryKv()
    for (let count = 1; count <= posted.length; count++)
      expect(await derive(await open(kv, keep), posted.slice(0, count))).toEqual({ batches: 1 })
    const last = await open(kv, keep)
    expect(await derive(last, posted)).toEqual({ batches: 0 })
    expect(hashes(last)).toEqual(wanted())
  }
})

test('killed within a batch it has all before it and nothing of it', async () => {
  const posted = postedOf(chain, cutsOf(chain, 6), () => 'full')
  const base = createMemoryKv()
  let left = 2 // genesis and the first batch
  const kv: Kv = {
    ...base,
    get: (key) => base.get(key),
    entries: (from, to) => base.entries(from, to),
    write: (batch) => (left-- > 0 ? base.write(batch) : Promise.reject(new Error('the machine is off'))),
  }
  await expect(derive(await open(kv, 'node'), posted)).rejects.toThrow('the machine is off')
  const again = await open(base, 'node')
  expect(again.head().header.number).toBe(6)
  expect(await derive(again, posted)).toEqual({ batches: posted.length - 1 })
  expect(hashes(again)).toEqual(wanted())
})

test('a node that had some blocks from its peers goes on in the middle of a batch', async () => {
  const kv = createMemoryKv()
  await derive(
    await open(kv, 'node'),
    postedOf(chain, [3], () => 'full'),
  )
  const deriver = await open(kv, 'node')
  expect(
    await derive(
      deriver,
      postedOf(chain, [6, 12, 18, 20], () => 'full'),
    ),
  ).toEqual({ batches: 4 })
  expect(hashes(deriver)).toEqual(wanted())
})

test('a stop is heard between two batches', async () => {
  const stop = new AbortController()
  const deriver = await open(createMemoryKv(), 'node')
  const deps = { source: sourceOf(postedOf(chain, cutsOf(chain, 6), () => 'full')), deriver }
  const onBatch = ({ seq }: { readonly seq: number }): void => {
    if (seq === 2) stop.abort()
  }
  await expect(deriveAll({ ...deps, chainId: chain.genesis.chainId, onBatch }, stop.signal)).rejects.toThrow()
  expect(deriver.head().header.number).toBe(12)
})

/** The same batches, which say when the input of one is asked for, and how it fails. */
const watched = (posted: readonly Posted[], load: (seq: number) => void): SettlementSource => ({
  async *postings() {
    for await (const posting of sourceOf(posted).postings())
      yield {
        ...posting,
        async load() {
          load(posting.seq)
          return posting.load()
        },
      }
  },
})

test('while a batch is run the next ones are asked for, each once, and none that is here', async () => {
  const posted = postedOf(chain, cutsOf(chain, 2), () => 'full')
  const kv = createMemoryKv()
  await derive(await open(kv, 'node'), posted.slice(0, 2))
  const asked: number[] = []
  const atBatch: (readonly number[])[] = []
  const source = watched(posted, (seq) => asked.push(seq))
  const onBatch = (): void => void atBatch.push([...asked])
  const deriver = await open(kv, 'node')
  await deriveAll({ source, deriver, chainId: chain.genesis.chainId, onBatch }, new AbortController().signal)
  expect(hashes(deriver)).toEqual(wanted())
  expect(atBatch[0]).toEqual([3, 4, 5, 6, 7])
  expect(atBatch[1]).toEqual([3, 4, 5, 6, 7, 8])
  expect(asked).toEqual([3, 4, 5, 6, 7, 8, 9, 10])
})

test('how a batch fails that was asked for ahead is heard once those before it are there', async () => {
  const posted = postedOf(chain, cutsOf(chain, 4), () => 'full')
  const lost = new Error('the machine is off')
  const fail = (seq: number): void => {
    if (seq === 3) throw lost
  }
  const cut: SettlementSource = {
    async *postings() {
      yield* sourceOf(posted.slice(0, 2)).postings()
      throw lost
    },
  }
  for (const source of [watched(posted, fail), cut]) {
    const kv = createMemoryKv()
    const deps = { deriver: await open(kv, 'node'), chainId: chain.genesis.chainId }
    await expect(deriveAll({ ...deps, source }, new AbortController().signal)).rejects.toThrow(lost)
    expect((await open(kv, 'node')).head().header.number).toBe(posted[1]?.height)
  }
})

/** With one bit of a byte turned. */
const turned = (bytes: Uint8Array, at: number): Uint8Array => {
  const bad = bytes.slice()
  bad[at] = (bad[at] as number) ^ 1
  return bad
}

test('a gap, another order, a false accumulator and a false batch name their L1 transaction, and leave what was before', async () => {
  const posted = postedOf(chain, cutsOf(chain, 6), () => 'full')
  const [first, second, third] = posted as [Posted, Posted, Posted]
  const after = async (some: readonly Posted[], keep: DeriveOptions['keep'] = 'node') => {
    const deriver = await open(createMemoryKv(), keep)
    const error = await derive(deriver, some).catch((cause: unknown) => cause)
    return { error, height: deriver.head().header.number }
  }
  const blamed = (code: string, { seq, l1Transaction }: Posted, height: number) => ({
    error: { code, data: { seq, l1Transaction }, message: expect.stringContaining(l1Transaction) },
    height,
  })
  expect(await after([first, third])).toMatchObject(blamed('SETTLED_GAP', third, 6))
  expect(await after([second])).toMatchObject(blamed('SETTLED_GAP', second, 0))
  expect(await after([first, { ...second, dataHash: first.dataHash }])).toMatchObject(
    blamed('SETTLED_ACCUMULATOR', second, 6),
  )
  const short = second.bytes.subarray(0, second.bytes.length - 1)
  expect(await after(repost(posted, 2, { bytes: short }))).toMatchObject(blamed('SETTLED_FALSE', second, 6))
  expect(await after(repost(posted, 2, { bytes: first.bytes }))).toMatchObject(blamed('SETTLED_FALSE', second, 6))
  expect(await after(repost(posted, 2, { bytes: batchOf(chain, 8, 12, 'full') }))).toMatchObject(
    blamed('SETTLED_FALSE', second, 6),
  )
  expect(await after(repost(posted, 2, { blockHash: first.blockHash }))).toMatchObject(
    blamed('SETTLED_FALSE', second, 6),
  )
  expect(await after(repost(posted, 2, { height: 13 }))).toMatchObject(blamed('SETTLED_FALSE', second, 6))
  expect(await after(repost(posted, 2, { height: 6 }))).toMatchObject(blamed('SETTLED_FALSE', second, 6))
  expect(await after(repost(posted, 2, { section: first.section }))).toMatchObject(blamed('SETTLED_FALSE', second, 6))
  expect(await after(repost(posted, 2, { section: Uint8Array.of(1) }))).toMatchObject(
    blamed('SETTLED_FALSE', second, 6),
  )
  const attested = postedOf(chain, cutsOf(chain, 6), (seq) => (seq === 2 ? 'attested' : 'full'))
  expect(await after(attested)).toMatchObject(blamed('SETTLED_ATTESTED', second, 6))
})

test('of a batch whose bytes are none, the first of those supplied that makes the block is taken', async () => {
  const posted = postedOf(chain, cutsOf(chain, 6), () => 'full')
  const right = posted[1]?.bytes ?? new Uint8Array(0)
  const l1Transaction = '0x77' as const
  const supply = (...all: Uint8Array[]) => all.map((bytes) => ({ l1Transaction, bytes }))
  const bad = Uint8Array.of(1, 2, 3)
  const helped = repost(posted, 2, { bytes: bad, supplied: supply(bad, turned(right, right.length - 1), right) })
  const deriver = await open(createMemoryKv(), 'node')
  await derive(deriver, helped)
  expect(hashes(deriver)).toEqual(wanted())
  const alone = await open(createMemoryKv(), 'node')
  await expect(derive(alone, repost(posted, 2, { bytes: bad, supplied: supply(bad) }))).rejects.toMatchObject({
    code: 'SETTLED_FALSE',
    data: { seq: 2, l1Transaction: posted[1]?.l1Transaction },
  })
})

test('a batch that no L1 transaction holds is posted in parts, whoever else supplies what', async () => {
  const posted = postedOf(chain, cutsOf(chain, 6), () => 'full')
  const right = posted[1]?.bytes ?? new Uint8Array(0)
  const [first, ...others] = splitBatch(right, 700) as [Uint8Array, ...Uint8Array[]]
  expect(others.length).toBeGreaterThan(1)
  expect([first, ...others].every(({ length }) => length <= 700)).toBe(true)
  const supply = (all: readonly Uint8Array[]) => all.map((bytes) => ({ l1Transaction: '0x77' as const, bytes }))
  const junk = [Uint8Array.of(1, 2, 3), turned(others[0] ?? first, 5), first.subarray(0, 40)]
  const deriver = await open(createMemoryKv(), 'node')
  await derive(deriver, repost(posted, 2, { bytes: first, supplied: supply([...junk, ...others.toReversed()]) }))
  expect(hashes(deriver)).toEqual(wanted())
  const lacking = repost(posted, 2, { bytes: first, supplied: supply([...junk, ...others.slice(1)]) })
  const alone = await open(createMemoryKv(), 'node')
  const error = await derive(alone, lacking).catch((cause: Error) => cause)
  expect(error).toMatchObject({ code: 'SETTLED_FALSE', data: { seq: 2, l1Transaction: posted[1]?.l1Transaction } })
  expect((error as Error).message).toContain(`part 2 of the batch’s ${others.length + 1} is not there`)
  const mended = repost(posted, 2, { bytes: Uint8Array.of(9), supplied: supply([first, ...others]) })
  expect(await derive(alone, mended)).toEqual({ batches: 3 })
})

test('what somebody supplied and no endpoint gives back keeps nothing up, where another supplied the same or better', async () => {
  const posted = postedOf(chain, cutsOf(chain, 6), () => 'full')
  const right = posted[1]?.bytes ?? new Uint8Array(0)
  const [first, ...others] = splitBatch(right, 700) as [Uint8Array, ...Uint8Array[]]
  const supply = (all: readonly Uint8Array[]) => all.map((bytes) => ({ l1Transaction: '0x77' as const, bytes }))
  const lost = new NodeError(PostingErrors.INPUT, { l1Transaction: '0x66', reason: 'the endpoint does not have it' })
  /** The first of what was supplied for batch 2, as often as there are hashes, cannot be read. */
  const withLost = (some: readonly Posted[], dataHashes: readonly Hash[]): SettlementSource => ({
    async *postings() {
      for await (const each of sourceOf(some).postings()) {
        const unread = dataHashes.map((dataHash) => ({
          l1Transaction: '0x66' as const,
          dataHash,
          load: () => Promise.reject(lost),
        }))
        yield each.seq === 2 ? { ...each, supplied: [...unread, ...each.supplied] } : each
      }
    },
  })
  const run = async (source: SettlementSource) => {
    const deriver = await open(createMemoryKv(), 'node')
    return deriveAll({ source, deriver, chainId: chain.genesis.chainId }, new AbortController().signal)
  }
  const inParts = repost(posted, 2, { bytes: first, supplied: supply(others) })
  expect(
    await run(
      withLost(
        inParts,
        others.map((part) => asHash(keccak(part))),
      ),
    ),
  ).toEqual({ batches: posted.length })
  const mended = repost(posted, 2, { bytes: Uint8Array.of(9), supplied: supply([right]) })
  expect(await run(withLost(mended, [chain.genesisHash]))).toEqual({ batches: posted.length })
  const bad = repost(posted, 2, { bytes: Uint8Array.of(9), supplied: [] })
  const error = await run(withLost(bad, [chain.genesisHash])).catch((cause: Error) => cause)
  expect(error).toMatchObject({
    code: 'SETTLED_FALSE',
    message: expect.stringContaining('the endpoint does not have it'),
  })
})

test('no byte of a batch may be turned: it is refused, or was not needed for the blocks', async () => {
  for (const encoding of ['full', 'attested'] as const) {
    const posted = postedOf(chain, [6], () => encoding)
    const { bytes } = posted[0] as Posted
    const step = Math.ceil(bytes.length / 24)
    let deriver = await open(createMemoryKv(), 'state')
    for (let at = 0; at < bytes.length; at += step) {
      const outcome = await derive(deriver, repost(posted, 1, { bytes: turned(bytes, at) })).catch(
        (error) => error.code,
      )
      const { header, hash } = deriver.head()
      if (outcome === 'SETTLED_FALSE') expect(header.number).toBe(0)
      else {
        expect(bytesToHex(hash)).toBe(bytesToHex(chain.block(6)?.hash ?? new Uint8Array(0)))
        deriver = await open(createMemoryKv(), 'state')
      }
    }
  }
})

test('a quorum of the set that the state has must have signed the last block, and no batch goes past the end of an epoch', async () => {
  const commit = chain.commitOf(6) as Qc
  const other = chain.commitOf(3) as Qc
  const reason = async (bytes: Uint8Array, cuts = [6]): Promise<string> => {
    const deriver = await open(createMemoryKv(), 'state')
    const posted = postedOf(chain, cuts, () => 'attested')
    const error = await derive(deriver, repost(posted, cuts.length, { bytes })).catch((cause: Error) => cause)
    expect(error).toMatchObject({ code: 'SETTLED_FALSE' })
    return (error as Error).message
  }
  const by = (certificate: Qc): Uint8Array => batchOf(chain, 1, 6, 'attested', certificate)
  expect(await reason(by({ ...commit, bitmap: Uint8Array.of(0b0011) }))).toContain('is no quorum')
  expect(await reason(by({ ...commit, bitmap: Uint8Array.of(0b10111) }))).toContain('does not fit 4 validators')
  expect(await reason(by({ ...commit, bitmap: Uint8Array.of(15, 0) }))).toContain('does not fit 4 validators')
  expect(await reason(by({ ...commit, signature: other.signature }))).toContain('the signature does not verify')
  expect(await reason(by({ ...commit, round: 1 }))).toContain('the signature does not verify')
  expect(await reason(batchOf(chain, 7, 18, 'attested'), [6, 18])).toContain('beyond the end of an epoch')
})

test('another chain’s folder is refused', async () => {
  const kv = createMemoryKv()
  const deriver = await open(kv, 'state')
  const posted = postedOf(chain, [3, 6], () => 'full')
  await derive(deriver, posted)
  const other = repost(posted, 1, { blockHash: chain.genesisHash })
  await expect(derive(await open(kv, 'state'), other)).rejects.toMatchObject({ code: 'SETTLED_OTHER_CHAIN' })
  const genesis = settledGenesis()
  const options = { historyBlocks: null, proofBlocks: null, cacheBytes: 0, keep: 'state' as const }
  const deps = { kv, engine: createChainEngine(genesis), pause: async () => {} }
  const opened = openDeriver(deps, genesis, { ...options, genesisHash: posted[0]?.blockHash ?? chain.genesisHash })
  await expect(opened).rejects.toMatchObject({ code: 'STORE_NETWORK' })
})
