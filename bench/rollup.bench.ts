// Batches for a settlement chain: bytes of an ERC-20 transfer and of an empty block in both encodings and at each brotli quality, and what a
// batch of a full block costs: CPU time of the whole, and of the thread that consensus runs on. Then a chain out of its batches, beside block sync.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { bytesToBigint, concat, hexToBytes } from '../chain/base/bytes.ts'
import { curves, installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import { createChainEngine } from '../chain/calls.ts'
import type { Chain } from '../chain/chain.ts'
import { openDeriver } from '../chain/derive.ts'
import { createMemoryKv, openKv } from '../chain/store/kv.ts'
import { decodeBlock, encodeBlock } from '../chain/types/block.ts'
import type { Genesis } from '../chain/types/genesis.ts'
import type { Qc } from '../chain/types/vote.ts'
import { developmentAccounts } from '../node/development.ts'
import { BROTLI_QUALITY, decodeBatch, encodeBatch } from '../node/rollup/batch.ts'
import { createBatchBuilder } from '../node/workers/batches.ts'
import { blocksOf, CHAIN_ID, drawTransfers } from '../test/kit/batches.ts'
import { createDice } from '../test/kit/dice.ts'
import { openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { batchOf } from '../test/kit/settled.ts'
import { createReport } from './report.ts'

const isSmoke = process.argv.includes('--smoke')
const FULL_TXS = isSmoke ? 1_000 : 37_500
const RUNS = isSmoke ? 1 : 5
const EMPTY_BLOCKS = isSmoke ? 100 : 1_000
const [PAID_BLOCKS, QUIET_BLOCKS] = isSmoke ? [4, 20] : [64, 1_000]
const QUALITIES = isSmoke ? [BROTLI_QUALITY] : [5, 6, 7, 8, 9]
const ENCODINGS = ['attested', 'full'] as const
const report = createReport('rollup')
const dice = createDice(1)

const cpuMs = async <T>(run: () => T | Promise<T>): Promise<{ readonly result: T; readonly ms: number }> => {
  const before = process.cpuUsage()
  const result = await run()
  const { user, system } = process.cpuUsage(before)
  return { result, ms: (user + system) / 1_000 }
}
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const transfers = drawTransfers(dice, { txs: 2_000, users: 500 })
const tenBlocks = blocksOf(
  dice,
  Array.from({ length: 10 }, (_, i) => transfers.slice(200 * i, 200 * i + 200)),
)
const empty = blocksOf(
  dice,
  Array.from({ length: EMPTY_BLOCKS }, () => []),
)
for (const encoding of ENCODINGS) {
  for (const quality of QUALITIES) {
    const { txBytes, txs } = encodeBatch(tenBlocks, encoding, { quality })
    report.add(
      `${encoding}, brotli ${quality}: an ERC-20 transfer of 2,000 by 500 users`,
      txBytes / txs,
      'bytes',
      'less',
    )
  }
  const { blockBytes } = encodeBatch(empty, encoding)
  report.add(`${encoding}: an empty block, 4 validators`, blockBytes / EMPTY_BLOCKS, 'bytes', 'less')
}

const full = blocksOf(dice, [drawTransfers(dice, { txs: FULL_TXS, users: 5_000 })])
const job = { ...full, blocks: full.blocks.map(encodeBlock) }
const builder = createBatchBuilder()
for (const encoding of ENCODINGS) {
  await builder.build({ ...job, encoding })
  const [all, here, back]: [number[], number[], number[]] = [[], [], []]
  let bytes: Uint8Array = new Uint8Array(0)
  for (let i = 0; i < RUNS; i++) {
    const thread = process.threadCpuUsage()
    const { result, ms } = await cpuMs(() => builder.build({ ...job, encoding }))
    const { user, system } = process.threadCpuUsage(thread)
    bytes = result.bytes
    all.push(ms)
    here.push((user + system) / 1_000)
    back.push((await cpuMs(() => decodeBatch(bytes, { chainId: CHAIN_ID }))).ms)
  }
  const what = `${encoding}, ${FULL_TXS.toLocaleString('en')} transfers`
  report.cpu(`${what}: building a batch`, median(all), 'ms CPU')
  report.cpu(`${what}: of it on the thread that asks`, median(here), 'ms CPU')
  report.cpu(`${what}: decoding it`, median(back), 'ms CPU')
  report.add(`${what}: the batch`, bytes.length / 1_000, 'kB', 'less')
}
await builder.close()
await derivation()
await report.end()

/** The same blocks into an empty folder: out of full batches of 100 kB, and out of runs of 64 as block sync takes them, without its network. */
async function derivation(): Promise<void> {
  installCurves(nativeCurves)
  const genesis = sealedGenesis({ validators: 4, epochBlocks: 10_000 })
  const source = await openSealedChain(genesis, createMemoryKv(), { pause: async () => {} })
  const secrets = developmentAccounts(10).map(({ privateKey }) => hexToBytes(privateKey))
  let nonce = 0
  for (let i = 0; i < PAID_BLOCKS; i++) {
    for (let k = 0; k < 16; k++, nonce++)
      for (const secret of secrets) await source.submit(payment(genesis.chainId, nonce, secret), 'local')
    await seal(source, 1)
  }
  await seal(source, QUIET_BLOCKS)
  const ranges = [
    { what: `${PAID_BLOCKS} blocks of 160 transfers`, from: 1, to: PAID_BLOCKS },
    { what: `${QUIET_BLOCKS} empty blocks`, from: PAID_BLOCKS + 1, to: PAID_BLOCKS + QUIET_BLOCKS },
  ]
  const [derived, synced]: [number[][], number[][]] = [[], []]
  // The first round warms both up.
  for (let round = 0; round <= RUNS; round++) {
    const times = [await deriving(genesis, source, ranges), await syncing(genesis, source, ranges)] as const
    if (round === 0) continue
    derived.push(times[0])
    synced.push(times[1])
  }
  for (const [i, { what }] of ranges.entries()) {
    report.cpu(`${what}: derived`, median(derived.map((times) => times[i] as number)), 'ms CPU')
    report.cpu(`${what}: by block sync with bodies`, median(synced.map((times) => times[i] as number)), 'ms CPU')
  }
}

interface Range {
  readonly what: string
  readonly from: number
  readonly to: number
}

async function deriving(genesis: Genesis, source: Chain, ranges: readonly Range[]): Promise<number[]> {
  const { genesisHash } = source
  const root = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
  const options = { historyBlocks: 10_000, proofBlocks: 256, cacheBytes: 64 * 1024 * 1024, keep: 'node' } as const
  const deps = { engine: createChainEngine(genesis), pause: nextTurn, kv: await openKv(root) }
  const deriver = await openDeriver(deps, genesis, { ...options, genesisHash })
  const times: number[] = []
  for (const { from, to } of ranges) {
    const batches = spans(from, to, from === 1 ? 8 : 500).map(([first, last]) => ({
      ...{ bytes: batchOf(source, first, last, 'full'), height: last },
      hash: source.block(last)?.hash ?? genesisHash,
    }))
    const { ms } = await cpuMs(async () => {
      for (const { bytes, height, hash } of batches)
        await deriver.derive(decodeBatch(bytes, { chainId: genesis.chainId }), { height, hash, section: null })
    })
    times.push(ms)
  }
  await deriver.close()
  rmSync(root, { recursive: true, force: true })
  return times
}

async function syncing(genesis: Genesis, source: Chain, ranges: readonly Range[]): Promise<number[]> {
  const root = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
  const synced = await openSealedChain(genesis, await openKv(root), { pause: nextTurn })
  const times: number[] = []
  for (const { from, to } of ranges) {
    const runs = spans(from, to, 64).map(([first, last]) => ({
      blocks: Array.from({ length: last - first + 1 }, (_, i) => source.encoded(first + i) ?? new Uint8Array(0)),
      commit: source.commitOf(last) as Qc,
    }))
    const { ms } = await cpuMs(async () => {
      for (const { blocks, commit } of runs) await synced.append({ blocks: blocks.map(decodeBlock), commit })
    })
    times.push(ms)
  }
  await synced.close()
  rmSync(root, { recursive: true, force: true })
  return times
}

function spans(from: number, to: number, size: number): (readonly [number, number])[] {
  const count = Math.ceil((to - from + 1) / size)
  return Array.from({ length: count }, (_, i) => [from + i * size, Math.min(to, from + (i + 1) * size - 1)] as const)
}

function payment(chainId: bigint, nonce: number, secret: Uint8Array): Uint8Array {
  const numbers = [chainId, BigInt(nonce), 10n ** 9n, 10n ** 11n, 21_000n].map(rlpInt)
  const body = [...numbers, new Uint8Array(20).fill(7), rlpInt(1n), new Uint8Array(0), []]
  const { signature, recovery } = curves().sign(keccak(concat(Uint8Array.of(2), encodeRlp(body))), secret)
  const words = [signature.subarray(0, 32), signature.subarray(32)].map((word) => rlpInt(bytesToBigint(word)))
  return concat(Uint8Array.of(2), encodeRlp([...body, rlpInt(recovery), ...words]))
}
