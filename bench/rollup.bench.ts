// Batches for a settlement chain: bytes of an ERC-20 transfer and of an empty block in both encodings and at each brotli quality, and what a
// batch of a full block costs: CPU time of the whole, and of the thread that consensus runs on.
import { encodeBlock } from '../chain/types/block.ts'
import { BROTLI_QUALITY, decodeBatch, encodeBatch } from '../node/rollup/batch.ts'
import { createBatchBuilder } from '../node/workers/batches.ts'
import { blocksOf, CHAIN_ID, drawTransfers } from '../test/kit/batches.ts'
import { createDice } from '../test/kit/dice.ts'
import { createReport } from './report.ts'

const isSmoke = process.argv.includes('--smoke')
const FULL_TXS = isSmoke ? 1_000 : 37_500
const RUNS = isSmoke ? 1 : 5
const EMPTY_BLOCKS = isSmoke ? 100 : 1_000
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
report.end()
