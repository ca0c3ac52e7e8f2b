// State of many accounts on disk: what a block of random transfers costs among 10,000 and among 1,000,000 accounts, and what
// stays in memory. Each size runs in a process of its own, so that neither's heap is the other's.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Address, asAddress, bigintToFixed } from '../chain/base/bytes.ts'
import { KECCAK_EMPTY, keccak } from '../chain/base/crypto.ts'
import { openKv } from '../chain/store/kv.ts'
import { createStateStore } from '../chain/store/state.ts'
import type { AccountChange } from '../chain/types/state.ts'

const isSmoke = process.argv.includes('--smoke')
const BLOCKS = isSmoke ? 5 : 50
const CHANGES = 2_000
const LOAD = 50_000

const addressOf = (n: number): Address => asAddress(keccak(bigintToFixed(BigInt(n), 32)).slice(12))
const changeOf = (n: number, balance: bigint): AccountChange => ({
  address: addressOf(n),
  account: { nonce: 1n, balance, codeHash: KECCAK_EMPTY },
  storageCleared: false,
  slots: [],
})

const measure = async (accounts: number): Promise<{ readonly blockMs: number; readonly residentMb: number }> => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
  const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const kv = await openKv(dir, { pause })
  try {
    const store = createStateStore(
      { kv, pause },
      { historyBlocks: 100, proofBlocks: 100, cacheBytes: 128 * 1024 * 1024 },
    )
    const write = async (changes: readonly AccountChange[]): Promise<void> => {
      const prepared = await store.prepare(store.height + 1, { accounts: changes, codes: [] })
      await kv.write(prepared.writes)
      await store.applied(prepared)
    }
    for (let from = 0; from < accounts; from += LOAD)
      await write(Array.from({ length: Math.min(LOAD, accounts - from) }, (_, i) => changeOf(from + i, 10n ** 18n)))
    let seed = 1
    const next = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed % accounts
    }
    const block = async (height: number): Promise<void> => {
      const touched = new Set<number>()
      while (touched.size < CHANGES) touched.add(next())
      const reader = store.at(store.height)
      for (const n of touched) reader.account(addressOf(n))
      await write([...touched].map((n) => changeOf(n, BigInt(height))))
    }
    for (let i = 0; i < BLOCKS / 5; i++) await block(i) // caches as they are in the long run
    const before = process.cpuUsage()
    for (let i = 0; i < BLOCKS; i++) await block(1_000 + i)
    const { user, system } = process.cpuUsage(before)
    return { blockMs: (user + system) / 1_000 / BLOCKS, residentMb: process.memoryUsage.rss() / 1e6 }
  } finally {
    await kv.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

const only = process.env.ACCOUNTS
if (only !== undefined) console.log(JSON.stringify(await measure(Number(only))))
else {
  const sizes = isSmoke ? [2_500, 10_000] : [10_000, 1_000_000]
  const found = sizes.map((accounts) => {
    const env = { ...process.env, ACCOUNTS: String(accounts) }
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { env })
    const { blockMs, residentMb } = JSON.parse(child.stdout.toString())
    console.log(
      `${accounts.toLocaleString('en').padStart(10)} accounts: ${blockMs.toFixed(1)} ms CPU for a block of ${CHANGES} changed accounts, ${residentMb.toFixed(0)} MB resident`,
    )
    return Number(blockMs)
  })
  console.log(`  ratio ${((found[1] ?? 0) / (found[0] ?? 1)).toFixed(2)}`)
}
