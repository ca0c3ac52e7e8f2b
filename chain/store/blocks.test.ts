import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Address, asAddress, asHash, bigintToFixed, bytesToHex, equalBytes, type Hash } from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { Kv } from '../base/ports.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'
import { type Block, type Header, headerHash } from '../types/block.ts'
import type { Earliest } from '../types/kept.ts'
import type { FoundLog, LogFilter, StoredReceipt } from '../types/query.ts'
import { bloomOf, type Log } from '../types/receipt.ts'
import { systemTx } from '../types/system-tx.ts'
import { decodeTx, type Tx } from '../types/tx.ts'
import type { Qc } from '../types/vote.ts'
import { type BlockStore, openBlockStore } from './blocks.ts'
import { createMemoryKv } from './kv.ts'

const CHAIN_ID = 662607n
const addressOf = (n: number): Address => asAddress(bigintToFixed(BigInt(n) + 1n, 20))
const hashOf = (n: number): Hash => keccak(bigintToFixed(BigInt(n), 32))

/** Signed by nobody: the sender is handed in, as a worker does. */
const txOf = (nonce: number, from: Address): Tx => {
  const fields = [CHAIN_ID, BigInt(nonce), 1n, 100n, 21_000n].map(rlpInt)
  const rest = [addressOf(5), rlpInt(7n), new Uint8Array(0), [], rlpInt(1n), rlpInt(3n), rlpInt(4n)]
  const raw = Uint8Array.of(2, ...encodeRlp([...fields, ...rest]))
  return decodeTx(raw, CHAIN_ID, () => from)
}

const receiptOf = (index: number, logs: readonly Log[] = [], created: Address | null = null): StoredReceipt => ({
  type: 2,
  status: index % 3 === 0 ? 0 : 1,
  cumulativeGas: BigInt(21_000 * (index + 1)),
  bloom: bloomOf(logs),
  logs,
  gasUsed: 21_000n,
  gasPriceWei: BigInt(index % 500) * 10n ** 17n,
  created,
})

const headerOf = (number: number, parentHash: Hash): Header => ({
  parentHash,
  coinbase: addressOf(9),
  stateRoot: EMPTY_ROOT,
  transactionsRoot: EMPTY_ROOT,
  receiptsRoot: EMPTY_ROOT,
  bloom: new Uint8Array(256),
  number,
  gasLimit: 30_000_000n,
  gasUsed: 0n,
  time: 1_000 + number,
  extraData: new Uint8Array(7),
  prevRandao: hashOf(number),
  baseFeeWei: 7n,
  parentBeaconBlockRoot: hashOf(number + 1),
})

const commitOf = (height: number, blockHash: Hash): Qc => ({
  type: 'commit',
  height,
  round: 0,
  blockHash,
  bitmap: Uint8Array.of(1),
  signature: new Uint8Array(96).fill(3),
})

type Made = { readonly block: Block; readonly receipts: readonly StoredReceipt[]; readonly txs: readonly Tx[] }

/** Appends a block with one transaction per list of logs. */
const append = async (
  kv: Kv,
  store: BlockStore,
  parent: Block | null,
  logs: readonly (readonly Log[])[],
): Promise<Made> => {
  const number = parent === null ? 0 : parent.header.number + 1
  const header = headerOf(number, parent === null ? asHash(new Uint8Array(32)) : parent.hash)
  const txs = logs.map((_, i) => txOf(number * 100_000 + i, addressOf(100 + i)))
  const block: Block = { header, hash: headerHash(header), txs: txs.map((tx) => tx.raw), section: null }
  const receipts = logs.map((list, i) => receiptOf(i, list, i === 1 ? addressOf(77) : null))
  const certificate = parent === null ? null : commitOf(number, block.hash)
  await kv.write(await store.blockWrites({ block, receipts, txs, certificate }))
  return { block, receipts, txs }
}

const chainOf = async (shape: readonly (readonly (readonly Log[])[])[]) => {
  const kv = createMemoryKv()
  const store = openBlockStore(kv, headerHash(headerOf(0, asHash(new Uint8Array(32)))))
  const made: Made[] = []
  for (const logs of [[], ...shape]) made.push(await append(kv, store, made.at(-1)?.block ?? null, logs))
  return { kv, store, made }
}

const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return error instanceof NodeError ? error.code : String(error)
  }
  return 'no error'
}
const log = (address: number, ...topics: readonly number[]): Log => ({
  address: addressOf(address),
  topics: topics.map(hashOf),
  data: Uint8Array.of(address),
})

test('a block reads back as it was written, in one chunk or in several', async () => {
  const { store, made } = await chainOf([
    Array.from({ length: 3 }, () => []),
    Array.from({ length: 600 }, (_, i) => (i % 7 === 0 ? [log(i % 5, 1), log(2)] : [])),
    [],
  ])
  expect(store.headHeight()).toBe(3)
  for (const { block, receipts, txs } of made) {
    const { number } = block.header
    expect(store.block(number)).toEqual(block)
    expect(store.txs(number)).toEqual(txs)
    expect(store.receipts(number)?.map(({ firstLog, ...rest }) => rest)).toEqual(receipts)
    const spent = new Map<bigint, bigint>()
    for (const { gasPriceWei, gasUsed } of receipts) spent.set(gasPriceWei, (spent.get(gasPriceWei) ?? 0n) + gasUsed)
    expect(store.spent(number)).toEqual(spent)
    expect(store.heightOf(block.hash)).toBe(number)
    expect(store.commitOf(number)).toEqual(number === 0 ? null : commitOf(number, block.hash))
    txs.forEach((tx, index) => {
      expect(store.place(tx.hash)).toEqual({ height: number, index })
    })
  }
  expect(store.tx(2, 599)).toEqual(made[2]?.txs[599])
  expect(store.receipt(2, 595)?.firstLog).toBe(170)
  expect(store.tx(2, 600)).toBeNull()
  for (const height of [4, -1])
    expect([store.block(height), store.txs(height), store.commitOf(height)]).toEqual([null, null, null])
  expect(store.place(hashOf(1))).toBeNull()
  expect(store.heightOf(hashOf(1))).toBeNull()
})

test('opening says whose database it is', async () => {
  expect(openBlockStore(createMemoryKv(), hashOf(1)).head()).toBeNull()
  const { kv, made } = await chainOf([[], []])
  const genesis = made[0]?.block.hash ?? hashOf(0)
  expect(openBlockStore(kv, genesis).head()).toEqual(made[2]?.block)
  expect(codeOf(() => openBlockStore(kv, hashOf(1)))).toBe('STORE_NETWORK')
})

test('whatever value is damaged or lost is named and never served', async () => {
  const { kv, made } = await chainOf([[[log(1, 2)], []], [[log(1, 2)]]])
  const genesis = made[0]?.block.hash ?? hashOf(0)
  const readAll = async (): Promise<void> => {
    const store = openBlockStore(kv, genesis)
    for (let height = 0; height <= 2; height++)
      void [store.block(height), store.txs(height), store.receipts(height), store.commitOf(height)]
    for (const { block, txs } of made) {
      expect(store.heightOf(block.hash)).toBe(block.header.number)
      for (const tx of txs) expect(store.place(tx.hash)).not.toBeNull()
    }
    const found = await store.logs({ from: 0, to: 2, addresses: [addressOf(1)], topics: [], resultsMax: 10 })
    expect(found.length).toBe(2)
  }
  await readAll()
  const all: (readonly [Uint8Array, Uint8Array])[] = []
  for await (const entry of kv.entries(Uint8Array.of(0), Uint8Array.of(255))) all.push(entry)
  const codes: string[] = []
  for (const [key, value] of all) {
    for (let k = 0; k < 12; k++) {
      const bad = value.slice()
      const at = Math.floor((k / 12) * bad.length)
      bad[at] = (bad[at] as number) ^ (1 << (k % 8))
      await kv.write([{ key, value: k === 11 ? value.slice(1) : bad }])
      // The topic entries of the log index are not asked here.
      if (key[0] === 0x4c && key[1] !== 1) continue
      const outcome = await readAll().then(
        () => 'served',
        (error) => (error instanceof NodeError ? error.code : `failed: ${error}`),
      )
      codes.push(outcome)
      expect(outcome, `${bytesToHex(key)} at ${at}`).toBe('STORE_CORRUPT')
    }
    await kv.write([{ key, value }])
  }
  expect(codes.length).toBeGreaterThan(150)
  for (const table of [0x48, 0x42, 0x52, 0x51]) {
    const key = all.filter(([name]) => name[0] === table).at(-1)?.[0] ?? new Uint8Array(0)
    const value = kv.get(key) ?? null
    await kv.write([{ key, value: null }])
    await expect(readAll()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    await kv.write([{ key, value }])
  }
})

/** Every log of every block against the filter, without an index. */
const naive = (made: readonly Made[], filter: LogFilter): FoundLog[] =>
  made.flatMap(({ block, receipts, txs }) => {
    const { number, time } = block.header
    if (number < filter.from || number > filter.to) return []
    let logIndex = 0
    return receipts.flatMap(({ logs }, txIndex) =>
      logs.flatMap((found) => {
        const at = logIndex++
        const any = (items: readonly Uint8Array[], item: Uint8Array | undefined): boolean =>
          items.length === 0 || items.some((wanted) => item !== undefined && equalBytes(wanted, item))
        if (!any(filter.addresses, found.address) || filter.topics.length > found.topics.length) return []
        if (!filter.topics.every((items, i) => any(items, found.topics[i]))) return []
        const txHash = txs[txIndex]?.hash ?? hashOf(0)
        return [{ ...found, height: number, blockHash: block.hash, time, txHash, txIndex, logIndex: at }]
      }),
    )
  })

const arbLog = fc
  .tuple(fc.nat(3), fc.array(fc.nat(3), { maxLength: 4 }))
  .map(([address, topics]) => log(address, ...topics))
const arbFilter = fc.record({
  from: fc.nat(5),
  to: fc.nat(7),
  addresses: fc.uniqueArray(fc.nat(3).map(addressOf), { maxLength: 2, selector: bytesToHex }),
  topics: fc.array(fc.array(fc.nat(3).map(hashOf), { maxLength: 2 }), { maxLength: 5 }),
  resultsMax: fc.constant(100_000),
})

test('the log index finds what reading every log finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.array(arbLog, { maxLength: 3 }), { maxLength: 5 }), { maxLength: 5 }),
      fc.array(arbFilter, { minLength: 1, maxLength: 10 }),
      async (shape, filters) => {
        const { store, made } = await chainOf(shape)
        for (const filter of filters) expect(await store.logs(filter)).toEqual(naive(made, filter))
      },
    ),
    { numRuns: 60 },
  )
})

test('a hot contract in a large block is found too, and CHAIN_TOO_MANY_LOGS bounds the answer', async () => {
  const { store, made } = await chainOf([Array.from({ length: 300 }, (_, i) => [log(1, 1, i), log(2, 1)])])
  const filter = { from: 0, to: 1, addresses: [addressOf(1)], topics: [[hashOf(1)]], resultsMax: 300 }
  expect(await store.logs(filter)).toEqual(naive(made, filter))
  const one = { ...filter, topics: [[hashOf(1)], [hashOf(260)]] }
  expect((await store.logs(one)).map(({ txIndex }) => txIndex)).toEqual([260])
  await expect(store.logs({ ...filter, resultsMax: 299 })).rejects.toMatchObject({ code: 'CHAIN_TOO_MANY_LOGS' })
})

test('items that share a record of the index are told apart, few or more than one record takes', async () => {
  const same = (n: number): Hash => asHash(bigintToFixed(BigInt(n) * 1_024n + 7n, 32))
  for (const count of [100, 128, 129, 400]) {
    const logs = Array.from({ length: count }, (_, n): readonly Log[] => {
      const own: Log = { address: addressOf(1), topics: [hashOf(9), same(n)], data: new Uint8Array(0) }
      return n % 7 === 0 ? [own, { ...own, topics: [hashOf(9), same(n + 1)] }] : [own]
    })
    const { kv, store, made } = await chainOf([logs, [[]], logs.slice(0, 3)])
    const filter = { from: 0, to: 3, addresses: [], resultsMax: 1_000 }
    for (const n of [0, 1, 2, 50, 99, 126, 127, 128, 129, 399, 400, 5_000])
      for (const topics of [[[], [same(n)]], [[hashOf(9)], [same(n), same(3)]], [[same(n)]]])
        expect(await store.logs({ ...filter, topics })).toEqual(naive(made, { ...filter, topics }))
    await prune(kv, store, { headers: 0, bodies: 0, receipts: 0, logs: 3 })
    const left = await keysIn(kv, 0x4c)
    const only = await chainOf([[[]], [[]], logs.slice(0, 3)])
    expect(left).toBe(await keysIn(only.kv, 0x4c))
  }
})

/** Prunes slice by slice; answers how many there were. */
const prune = async (kv: Kv, store: BlockStore, to: Earliest): Promise<number> => {
  for (let count = 0; ; count++) {
    const slice = await store.pruneSlice(to)
    if (slice === null) return count
    await kv.write([...slice.drops.map((key) => ({ key, value: null })), store.earliestWrite(slice.earliest)])
  }
}
const keysIn = async (kv: Kv, prefix: number): Promise<number> => {
  let count = 0
  for await (const _ of kv.entries(Uint8Array.of(prefix), Uint8Array.of(prefix + 1))) count++
  return count
}

test('bodies, receipts, logs and headers are pruned apart, and what is gone says so', async () => {
  const { kv, store, made } = await chainOf(Array.from({ length: 40 }, () => [[log(1, 2)], []]))
  const filter = { addresses: [addressOf(1)], topics: [], resultsMax: 100 }
  const fresh = () => openBlockStore(kv, made[0]?.block.hash ?? hashOf(0))
  await prune(kv, store, { headers: 0, bodies: 0, receipts: 0, logs: 20 })
  expect(fresh().earliest()).toEqual({ headers: 0, bodies: 0, receipts: 0, logs: 20 })
  expect(fresh().receipt(19, 0)).toEqual(store.receipt(19, 0))
  await expect(fresh().logs({ from: 19, to: 40, ...filter })).rejects.toMatchObject({
    code: 'HISTORY_PRUNED',
    rpc: 4444,
  })
  await prune(kv, store, { headers: 0, bodies: 10, receipts: 15, logs: 20 })
  expect([fresh().block(9), fresh().txs(9), fresh().tx(9, 0), fresh().encoded(9)]).toEqual([null, null, null, null])
  expect([fresh().receipts(14), fresh().receipt(14, 0)]).toEqual([null, null])
  expect(fresh().place(made[9]?.txs[0]?.hash ?? hashOf(0))).toBeNull()
  expect(fresh().record(9)?.hash).toEqual(made[9]?.block.hash)
  expect(fresh().commitOf(9)?.height).toBe(9)
  expect([fresh().block(10), fresh().receipts(15)?.length]).toEqual([made[10]?.block, 2])
  // Headers take with them what stands in them.
  await prune(kv, store, { headers: 30, bodies: 0, receipts: 0, logs: 0 })
  expect(fresh().earliest()).toEqual({ headers: 30, bodies: 30, receipts: 30, logs: 30 })
  expect([fresh().record(29), fresh().commitOf(29), fresh().heightOf(made[29]?.block.hash ?? hashOf(0))]).toEqual([
    ...[null, null, null],
  ])
  expect([fresh().block(0), fresh().block(30), fresh().head()]).toEqual([0, 30, 40].map((at) => made[at]?.block))
  const found = await fresh().logs({ from: 30, to: 40, ...filter })
  expect(found.map(({ height }) => height)).toEqual(Array.from({ length: 11 }, (_, i) => 30 + i))
  // Of 41 headers 12 are there, 11 certificates and bodies: nothing is left behind.
  expect(await Promise.all([0x48, 0x4e, 0x51, 0x42, 0x52, 0x54].map((table) => keysIn(kv, table)))).toEqual([
    ...[12, 12, 11, 11, 11, 22],
  ])
})

test('pruning never takes the head, and a power cut between slices leaves a whole store', async () => {
  const { kv, store, made } = await chainOf(Array.from({ length: 300 }, () => [[log(1, 2)]]))
  const to = { headers: 1_000, bodies: 1_000, receipts: 1_000, logs: 1_000 }
  const first = await store.pruneSlice(to)
  expect(first?.earliest).toEqual({ headers: 0, bodies: 0, receipts: 0, logs: 256 })
  expect(await prune(kv, store, to)).toBe(8)
  expect(openBlockStore(kv, made[0]?.block.hash ?? hashOf(0)).head()).toEqual(made[300]?.block)
  expect(store.earliest()).toEqual({ headers: 300, bodies: 300, receipts: 300, logs: 300 })
  // A dry run walks the same slices without writing any.
  const again = await chainOf(Array.from({ length: 300 }, () => [[log(1, 2)]]))
  let dropped = 0
  for (let at = again.store.earliest(); ; ) {
    const slice = await again.store.pruneSlice(to, at)
    if (slice === null) break
    dropped += slice.drops.length
    at = slice.earliest
  }
  expect(again.store.earliest().logs).toBe(0)
  expect(dropped).toBe(299 * (3 + 2 + 1) + 299 * 3)
})

test('the system transaction keeps its sender, also alone in the last chunk', async () => {
  const kv = createMemoryKv()
  const store = openBlockStore(kv, headerHash(headerOf(0, asHash(new Uint8Array(32)))))
  const genesis = await append(kv, store, null, [])
  const header = headerOf(1, genesis.block.hash)
  const txs = [...Array.from({ length: 256 }, (_, i) => txOf(i, addressOf(i))), systemTx(CHAIN_ID, 1)]
  const block: Block = { header, hash: headerHash(header), txs: txs.map((tx) => tx.raw), section: null }
  const receipts = txs.map((_, i) => receiptOf(i))
  await kv.write(await store.blockWrites({ block, receipts, txs, certificate: commitOf(1, block.hash) }))
  expect(store.txs(1)).toEqual(txs)
  expect(store.tx(1, 256)).toEqual(systemTx(CHAIN_ID, 1))
  expect(store.place(systemTx(CHAIN_ID, 1).hash)).toEqual({ height: 1, index: 256 })
  expect(store.block(1)).toEqual(block)
})
