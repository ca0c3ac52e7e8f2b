// State of many accounts on disk: what a block of random transfers costs among 10,000 and among 1,000,000 accounts, and what
// stays in memory. Each size runs in a process of its own, so that neither's heap is the other's.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
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
const LOAD = 10_000
/** Few heights, so that every measured block also prunes one of its own size. */
const KEPT = 10

const addressOf = (n: number): Address => asAddress(keccak(bigintToFixed(BigInt(n), 32)).slice(12))
const changeOf = (n: number, balance: bigint): AccountChange => ({
  address: addressOf(n),
  account: { nonce: 1n, balance, codeHash: KECCAK_EMPTY },
  storageCleared: false,
  slots: [],
})

interface Measured {
  /** Of the thread that makes blocks. */
  readonly threadMs: number
  /** With LevelDB's own threads, which still compact what was loaded. */
  readonly processMs: number
  readonly residentMb: number
  /** Of that: table files LevelDB has mapped, which the system takes back when it needs to. */
  readonly mappedMb: number
}
const measure = async (accounts: number): Promise<Measured> => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
  const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const kv = await openKv(dir, { pause })
  try {
    const store = createStateStore(
      { kv, pause },
      { historyBlocks: KEPT, proofBlocks: KEPT, cacheBytes: 256 * 1024 * 1024 },
    )
    const write = async (changes: readonly AccountChange[]): Promise<void> => {
      const prepared = await store.prepare(store.height + 1, { accounts: changes, codes: [] })
      await kv.write(prepared.writes)
      await store.applied(prepared)
    }
    for (let from = 0; from < accounts; from += LOAD)
      await write(Array.from({ length: Math.min(LOAD, accounts - from) }, (_, i) => changeOf(from + i, 10n ** 18n)))
    // All over the tries, each account once before any comes again: both sizes have no factor in common with the step.
    let step = 0
    const block = async (height: number): Promise<void> => {
      const touched = Array.from({ length: CHANGES }, () => (step++ * 7_919) % accounts)
      const reader = store.at(store.height)
      for (const n of touched) reader.account(addressOf(n))
      await write(touched.map((n) => changeOf(n, BigInt(height))))
    }
    for (let i = 0; i < 2 * KEPT; i++) await block(i) // until what was loaded is pruned
    const [before, threadBefore] = [process.cpuUsage(), process.threadCpuUsage()]
    for (let i = 0; i < BLOCKS; i++) await block(1_000 + i)
    const [all, thread] = [process.cpuUsage(before), process.threadCpuUsage(threadBefore)]
    const perBlock = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1_000 / BLOCKS
    const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : ''
    const mappedMb = Number(/RssFile:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_000
    const residentMb = process.memoryUsage.rss() / 1e6
    return { threadMs: perBlock(thread), processMs: perBlock(all), residentMb, mappedMb }
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
    const { threadMs, processMs, residentMb, mappedMb }: Measured = JSON.parse(child.stdout.toString())
    console.log(
      `${accounts.toLocaleString('en').padStart(10)} accounts, ${CHANGES} of them changed in a block: ${threadMs.toFixed(0)} ms CPU of the thread, ` +
        `${processMs.toFixed(0)} ms with LevelDB's; ${residentMb.toFixed(0)} MB resident, ${mappedMb.toFixed(0)} of them mapped files`,
    )
    return threadMs
  })
  console.log(`  ratio ${((found[1] ?? 0) / (found[0] ?? 1)).toFixed(2)}`)
}
