// Block store on disk: composing and writing a full block, and a log query that hits 100 of 10,000 blocks.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Address, asAddress, asHash, bigintToFixed } from '../chain/base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../chain/base/crypto.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import { openBlockStore } from '../chain/store/blocks.ts'
import { openKv } from '../chain/store/kv.ts'
import { type Block, type Header, headerHash } from '../chain/types/block.ts'
import type { StoredReceipt } from '../chain/types/query.ts'
import { bloomOf, type Log } from '../chain/types/receipt.ts'
import { decodeTx, type Tx } from '../chain/types/tx.ts'

const TXS = Number(process.env.TXS ?? 37_500)
const BLOCKS = Number(process.env.BLOCKS ?? 10_000)
const addressOf = (n: number): Address => asAddress(bigintToFixed(BigInt(n), 20))
const wordOf = (n: number) => asHash(bigintToFixed(BigInt(n), 32))

const txOf = (nonce: number): Tx => {
  const fields = [662_607n, BigInt(nonce), 1n, 100n, 21_000n].map(rlpInt)
  const [r, s] = [keccak(wordOf(nonce)), new Uint8Array(32).fill(9)]
  r[0] = 9
  const rest = [addressOf(5), rlpInt(7n), new Uint8Array(0), [], rlpInt(1n), r, s]
  return decodeTx(Uint8Array.of(2, ...encodeRlp([...fields, ...rest])), 662_607n, () => addressOf(1_000 + nonce))
}
const receiptOf = (index: number, logs: readonly Log[]): StoredReceipt => ({
  type: 2,
  status: 1,
  cumulativeGas: BigInt(21_000 * (index + 1)),
  bloom: bloomOf(logs),
  logs,
  gasUsed: 21_000n,
  gasPriceWei: 10n ** 9n,
  created: null,
})
const headerOf = (number: number): Header => ({
  parentHash: wordOf(number),
  coinbase: addressOf(9),
  stateRoot: EMPTY_ROOT,
  transactionsRoot: EMPTY_ROOT,
  receiptsRoot: EMPTY_ROOT,
  bloom: new Uint8Array(256),
  number,
  gasLimit: 1_600_000_000n,
  gasUsed: 0n,
  time: number,
  extraData: new Uint8Array(7),
  prevRandao: wordOf(number),
  baseFeeWei: 7n,
  parentBeaconBlockRoot: wordOf(number),
})

const cpuMs = async <T>(name: string, run: () => T | Promise<T>): Promise<T> => {
  const cpu = process.cpuUsage()
  const wall = performance.now()
  const out = await run()
  const { user, system } = process.cpuUsage(cpu)
  console.log(
    `${name.padEnd(52)} ${((user + system) / 1_000).toFixed(1)} ms CPU, ${(performance.now() - wall).toFixed(1)} ms`,
  )
  return out
}

const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
try {
  const kv = await openKv(join(dir, 'db'))
  const store = openBlockStore(kv, headerHash(headerOf(0)))
  const made = (number: number, txs: readonly Tx[], logs: (i: number) => readonly Log[]) => {
    const header = headerOf(number)
    const block: Block = { header, hash: headerHash(header), txs: txs.map((tx) => tx.raw), section: null }
    const qc = { type: 'commit', height: number, round: 0, blockHash: block.hash, bitmap: Uint8Array.of(1) } as const
    const certificate = number === 0 ? null : { ...qc, signature: new Uint8Array(96) }
    return { block, txs, receipts: txs.map((_, i) => receiptOf(i, logs(i))), certificate }
  }
  const event = keccak(wordOf(1))
  const transfer = (i: number): Log => ({
    address: addressOf(77),
    topics: [event, wordOf(500_000 + i), wordOf(700_000 + i)],
    data: wordOf(i),
  })
  const txs = Array.from({ length: TXS }, (_, i) => txOf(i))
  for (const [kind, logs] of [
    ['transfers', () => []],
    ['token transfers', (i: number) => [transfer(i)]],
  ] as const) {
    const args = made(0, txs, logs)
    const writes = await cpuMs(`${TXS} ${kind}: compose`, () => store.blockWrites(args))
    let sizeBytes = 0
    for (const { key, value } of writes) sizeBytes += key.length + (value?.length ?? 0)
    console.log(`  ${writes.count} writes, ${(sizeBytes / 1e6).toFixed(1)} MB`)
    await cpuMs(`${TXS} ${kind}: write durably`, () => kv.write(writes))
    await cpuMs(`${TXS} ${kind}: read transactions`, () => store.txs(0))
    await cpuMs(`${TXS} ${kind}: read receipts`, () => store.receipts(0))
  }
  const few = txs.slice(0, 10)
  for (let height = 1; height <= BLOCKS; height++) {
    const rare: Log = { address: addressOf(88), topics: [event, wordOf(42)], data: wordOf(height) }
    const busy = (i: number): Log => ({
      address: addressOf(77),
      topics: [event, wordOf(height * 10 + i)],
      data: wordOf(i),
    })
    await kv.write(
      await store.blockWrites(
        made(height, few, (i) => (i === 3 && height % (BLOCKS / 100) === 0 ? [rare] : [busy(i)])),
      ),
    )
  }
  const range = { from: 1, to: BLOCKS, resultsMax: 10_000 }
  for (const round of ['first', 'again']) {
    for (const [kind, addresses, topics] of [
      ['address', [addressOf(88)], []],
      ['address and event', [addressOf(88)], [[event]]],
      ['event and topic', [], [[event], [wordOf(42)]]],
      ['busy address and rare topic', [addressOf(77)], [[event], [wordOf(50_000)]]],
    ] as const) {
      const found = await cpuMs(`logs of ${BLOCKS} blocks, ${kind}, ${round}`, () =>
        store.logs({ ...range, addresses, topics }),
      )
      console.log(`  ${found.length} hits`)
    }
  }
  await kv.close()
} finally {
  rmSync(dir, { recursive: true, force: true })
}
