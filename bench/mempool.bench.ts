// Mempool: what an admission, a block's candidates and a commit cost in a pool of 100,000, and all of it together in a node under load. CPU time.
import { type Address, asAddress, asHash, bigintToFixed, concat } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { NodeError } from '../chain/base/errors.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import { Intake } from '../chain/mempool/intake.ts'
import { createPool } from '../chain/mempool/pool.ts'
import { decodeTx, type Tx } from '../chain/types/tx.ts'
import { createReport } from './report.ts'

const report = createReport('mempool')

const SENDERS = Number(process.env.SENDERS ?? 50_000)
const BLOCK = 37_500
const CHAIN_ID = 662_607n
/** It begins with its number. */
const addressOf = (n: number): Address =>
  asAddress(concat(bigintToFixed(BigInt(n), 4), keccak(bigintToFixed(BigInt(n), 32)).subarray(0, 16)))
const numberOf = (address: Address): number =>
  (((address[0] as number) * 256 + (address[1] as number)) * 256 + (address[2] as number)) * 256 +
  (address[3] as number)
const codeHash = keccak(new Uint8Array(0))
const senders = Array.from({ length: SENDERS }, (_, n) => addressOf(n))

/** Nobody here asks who signed it. */
const signature = [rlpInt(1), new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
/** To its sender: no two are the same. */
const rawOf = (from: number, nonce: number, feeGwei: number): Uint8Array => {
  const fee = BigInt(feeGwei) * 1_000_000_000n
  const ints = [CHAIN_ID, BigInt(nonce), fee / 2n, fee, 21_000n].map(rlpInt)
  const to = senders[from] as Address
  return concat(Uint8Array.of(2), encodeRlp([...ints, to, rlpInt(1n), new Uint8Array(0), [], ...signature]))
}
const txOf = (from: number, nonce: number, feeGwei: number): Tx => {
  const sender = (senders[from] as Address).slice() as Address
  return decodeTx(rawOf(from, nonce, feeGwei), CHAIN_ID, () => sender)
}

/** Repeatable spread of prices. */
const feeOf = (i: number): number => 2 + ((i * 7_919) % 1_000)
const made = (from: number, to: number): Tx[] =>
  Array.from({ length: to - from }, (_, i) =>
    txOf((from + i) % SENDERS, Math.floor((from + i) / SENDERS), feeOf(from + i)),
  )

const measure = async <T>(name: string, count: number, run: () => T | Promise<T>): Promise<T> => {
  const cpu = process.cpuUsage()
  const out = await run()
  const { user, system } = process.cpuUsage(cpu)
  report.cpu(name, (user + system) / count, 'us each')
  return out
}

const state = { nonce: 0n, balance: 10n ** 24n }
const gasLimit = 1_600_000_000n
const clock = { nowMs: () => 0 }

const waiting = async (): Promise<void> => {
  const pool = createPool({ admit: () => state, clock }, { gasLimit })
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
  await measure('add, from empty to 100,000', first.length, () => addAll(first))
  await measure('add, from 100,000 to 150,000', second.length, () => addAll(second))
  const refused = await measure('add to a full pool', more.length, () => addAll(more))
  console.log(`  ${refused} of ${more.length} refused`, pool.status())
  const block = await measure(`best ${BLOCK} of ${SENDERS} senders`, BLOCK, () => {
    const best = pool.best(1_000_000_000n)
    const out: Tx[] = []
    for (let i = 0; i < BLOCK; i++) {
      const tx = best.next()
      if (tx !== null) out.push(tx)
    }
    return out
  })
  await measure('best: the first one', 1, () => pool.best(1_000_000_000n).next())
  const after = new Map<Address, bigint>()
  for (const tx of block) after.set(tx.from, tx.nonce + 1n)
  const byKey = new Map(
    [...after].map(([address, nonce]) => [address.join(), { address, account: { ...state, nonce, codeHash } }]),
  )
  await measure(`committed, ${byKey.size} accounts`, BLOCK, () =>
    pool.committed({ txs: block, changes: { accounts: [...byKey.values()] }, baseFeeWei: 1_000_000_000n }),
  )
  console.log(' ', pool.status())
}

// A node under load: requests of 500 through the intake, 60,000 that wait, blocks of 12,000 that are held until the next one.
const REQUEST = 500
const TURN = 24 * REQUEST
const TURNS = Number(process.env.TURNS ?? 40)
const DEPTH = 5 * TURN

interface Request {
  readonly bytes: Uint8Array
  /** Where each begins, and the last ends. */
  readonly places: readonly number[]
  /** Hash and sender of each. */
  readonly identities: Uint8Array
}
const requestOf = (first: number): Request => {
  const from = (i: number): number => (first + i) % SENDERS
  const raws = Array.from({ length: REQUEST }, (_, i) => rawOf(from(i), Math.floor((first + i) / SENDERS), 2))
  const places = [0]
  for (const { length } of raws) places.push((places.at(-1) as number) + length)
  const identities = concat(...raws.flatMap((raw, i) => [keccak(raw), senders[from(i)] as Address]))
  return { bytes: concat(...raws), places, identities }
}

const load = async (): Promise<void> => {
  const nonces = new Uint32Array(SENDERS)
  const balance = 10n ** 24n
  // Made for each, as what comes out of the store is.
  const accountOf = (address: Address) => {
    const n = numberOf(address)
    return { nonce: BigInt(nonces[n] as number), balance: balance + BigInt(n) }
  }
  const pool = createPool({ admit: accountOf, clock }, { gasLimit })
  pool.rebase({ baseFeeWei: 1_000_000_000n })
  let asked = new Uint8Array(0)
  const intake = new Intake(
    {
      pool,
      chainId: CHAIN_ID,
      pause: async () => {},
      identify: async (raws) =>
        raws.map((_, i) => ({
          hash: asHash(asked.subarray(52 * i, 52 * i + 32)),
          from: asAddress(asked.subarray(52 * i + 32, 52 * i + 52)),
        })),
    },
    () => {},
  )
  const submit = async ({ bytes, places, identities }: Request): Promise<void> => {
    const body = bytes.slice()
    asked = identities.slice()
    const raws = Array.from({ length: REQUEST }, (_, i) => body.subarray(places[i], places[i + 1]))
    for (const answer of await intake.submit(raws, 'local')) if (answer instanceof NodeError) throw answer
  }
  /** What is asked of each transaction until its block is stored. */
  let held: unknown[] = []
  const block = async (): Promise<void> => {
    const best = pool.best(1_000_000_000n)
    const txs: Tx[] = []
    const numbers: number[] = []
    for (let tx = best.next(); tx !== null && txs.length < TURN; tx = best.next()) {
      txs.push(tx)
      const n = numberOf(tx.from)
      nonces[n] = (nonces[n] as number) + 1
      numbers.push(n)
    }
    held = [txs, txs.map(({ raw }) => raw)]
    for (const tx of txs) if (tx.hash.length + tx.from.length !== 52) throw new Error('it has none')
    const accounts = numbers.map((n) => {
      const address = senders[n] as Address
      return { address, account: { ...accountOf(address), codeHash } }
    })
    await pool.committed({ txs, changes: { accounts }, baseFeeWei: 1_000_000_000n })
  }
  const requests = Array.from({ length: (TURNS * TURN) / REQUEST }, (_, i) => requestOf(i * REQUEST))
  const before = process.threadCpuUsage()
  await measure('from the request to the commit, with the collector’s threads', TURNS * TURN, async () => {
    for (const [i, request] of requests.entries()) {
      await submit(request)
      if (((i + 1) * REQUEST) % TURN === 0 && pool.status().pending >= DEPTH) await block()
    }
  })
  const { user, system } = process.threadCpuUsage(before)
  report.cpu('of it the main thread', (user + system) / (TURNS * TURN), 'us each')
  console.log(' ', pool.status(), held.length)
}

if (process.argv[2] !== 'load') await waiting()
if (process.argv[2] !== 'waiting') await load()
await report.end()
