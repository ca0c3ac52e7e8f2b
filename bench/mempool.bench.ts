// Mempool: what an admission, a block's candidates and a commit cost in a pool of 100,000. CPU time.
import { type Address, asAddress, bigintToFixed } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { NodeError } from '../chain/base/errors.ts'
import { createPool } from '../chain/mempool/pool.ts'
import type { Tx } from '../chain/types/tx.ts'
import { createReport } from './report.ts'

const report = createReport('mempool')

const SENDERS = Number(process.env.SENDERS ?? 50_000)
const BLOCK = 37_500
const addressOf = (n: number): Address => asAddress(keccak(bigintToFixed(BigInt(n), 32)).slice(12))
const codeHash = keccak(new Uint8Array(0))
const senders = Array.from({ length: SENDERS }, (_, n) => addressOf(n))

const txOf = (from: number, nonce: number, feeGwei: number): Tx => {
  const raw = new Uint8Array(112)
  new DataView(raw.buffer).setFloat64(0, from)
  new DataView(raw.buffer).setFloat64(8, nonce)
  new DataView(raw.buffer).setFloat64(16, feeGwei)
  const maxFeeWei = BigInt(feeGwei) * 1_000_000_000n
  return {
    type: 2,
    chainId: 662_607n,
    nonce: BigInt(nonce),
    gasLimit: 21_000n,
    maxFeeWei,
    maxTipWei: maxFeeWei / 2n,
    to: senders[0] as Address,
    value: 1n,
    data: new Uint8Array(0),
    accessList: [],
    authorizations: [],
    v: 0n,
    r: 1n,
    s: 1n,
    from: (senders[from] as Address).slice() as Address,
    hash: keccak(raw),
    raw,
  }
}

/** Repeatable spread of prices. */
const feeOf = (i: number): number => 2 + ((i * 7_919) % 1_000)
const made = (from: number, to: number): Tx[] =>
  Array.from({ length: to - from }, (_, i) =>
    txOf((from + i) % SENDERS, Math.floor((from + i) / SENDERS), feeOf(from + i)),
  )

const measure = <T>(name: string, count: number, run: () => T): T => {
  const cpu = process.cpuUsage()
  const out = run()
  const { user, system } = process.cpuUsage(cpu)
  report.cpu(name, (user + system) / count, 'us each')
  return out
}

const state = { nonce: 0n, balance: 10n ** 24n }
const pool = createPool({ admit: () => state, clock: { nowMs: () => 0 } }, { gasLimit: 1_600_000_000n })
pool.rebase({ baseFeeWei: 1_000_000_000n })
const addAll = (txs: readonly Tx[]): number => {
  let refused = 0
  for (const tx of txs) {
    try {
      pool.add(tx)
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      refused++
    }
  }
  return refused
}

const [first, second, more] = [made(0, 100_000), made(100_000, 150_000), made(150_000, 170_000)]
measure('add, from empty to 100,000', first.length, () => addAll(first))
measure('add, from 100,000 to 150,000', second.length, () => addAll(second))
const refused = measure('add to a full pool', more.length, () => addAll(more))
console.log(`  ${refused} of ${more.length} refused`, pool.status())
const block = measure(`best ${BLOCK} of ${SENDERS} senders`, BLOCK, () => {
  const best = pool.best(1_000_000_000n)
  const out: Tx[] = []
  for (let i = 0; i < BLOCK; i++) {
    const tx = best.next()
    if (tx !== null) out.push(tx)
  }
  return out
})
measure('best: the first one', 1, () => pool.best(1_000_000_000n).next())
const after = new Map<Address, bigint>()
for (const tx of block) after.set(tx.from, tx.nonce + 1n)
const byKey = new Map(
  [...after].map(([address, nonce]) => [address.join(), { address, account: { ...state, nonce, codeHash } }]),
)
measure(`committed, ${byKey.size} accounts`, BLOCK, () =>
  pool.committed({ txs: block, changes: { accounts: [...byKey.values()] }, baseFeeWei: 1_000_000_000n }),
)
console.log(' ', pool.status())
await report.end()
