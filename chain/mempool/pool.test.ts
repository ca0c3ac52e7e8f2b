import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Address, asAddress, bigintToFixed, bytesToHex, type Hash } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { Tx } from '../types/tx.ts'
import { createPool, POOL_LIMITS, type Pool, type PoolLimits } from './pool.ts'
import { type Best, byRank, isDearer, tipWei } from './rank.ts'

const addressOf = (n: number): Address => asAddress(bigintToFixed(BigInt(n) + 1n, 20))
const GAS = 10n
const FROM_NONE = new Uint8Array(20)
type Draft = { from: number; nonce: number; fee?: number; tip?: number; value?: number; gas?: bigint; size?: number }

/** Nothing of the pool looks into the signed bytes but their length and hash. */
const txOf = ({ from, nonce, fee = 100, tip = fee, value = 0, gas = GAS, size = 100 }: Draft): Tx => {
  const raw = new Uint8Array(size)
  raw.set(new TextEncoder().encode(`${from}/${nonce}/${fee}/${tip}/${value}/${gas}`))
  return {
    type: 2,
    chainId: 1n,
    nonce: BigInt(nonce),
    gasLimit: gas,
    maxFeeWei: BigInt(fee),
    maxTipWei: BigInt(tip),
    to: addressOf(0),
    value: BigInt(value),
    data: new Uint8Array(0),
    accessList: [],
    authorizations: [],
    v: 0n,
    r: 1n,
    s: 1n,
    from: addressOf(from),
    hash: keccak(raw),
    raw,
  }
}

type Ledger = Map<string, { nonce: bigint; balance: bigint; code?: Uint8Array }>
const RICH = 10n ** 12n

const world = (limits: Partial<PoolLimits> = {}) => {
  const ledger: Ledger = new Map()
  const clock = { ms: 0, nowMs: () => clock.ms }
  const admit = (address: Address) => ledger.get(bytesToHex(address)) ?? { nonce: 0n, balance: RICH }
  const pool = createPool({ admit, clock }, { ...limits, gasLimit: 1_000n })
  /** Moves accounts as a block would, and tells the pool. */
  const commit = (states: readonly { n: number; nonce: bigint; balance?: bigint }[], baseFeeWei = 0n): void => {
    const accounts = states.map(({ n, nonce, balance = RICH }) => {
      ledger.set(bytesToHex(addressOf(n)), { nonce, balance })
      return { address: addressOf(n), account: { nonce, balance, codeHash: keccak(new Uint8Array(0)) } }
    })
    pool.committed({ txs: [], changes: { accounts }, baseFeeWei })
  }
  return { ledger, clock, pool, commit }
}

const refusal = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return error instanceof NodeError ? error.code : String(error)
  }
  return 'no error'
}
const nonces = (txs: readonly Tx[]): number[] => txs.map((tx) => Number(tx.nonce))

test('transactions after a gap wait in the queue until it is filled', () => {
  const { pool } = world()
  pool.add(txOf({ from: 1, nonce: 0 }))
  pool.add(txOf({ from: 1, nonce: 3 }))
  pool.add(txOf({ from: 1, nonce: 2 }))
  expect(pool.status()).toEqual({ pending: 1, queued: 2 })
  expect(pool.nextNonce(addressOf(1))).toBe(1n)
  pool.add(txOf({ from: 1, nonce: 1 }))
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([0, 1, 2, 3])
  expect(pool.nextNonce(addressOf(1))).toBe(4n)
  expect(pool.senders()).toEqual([addressOf(1)])
})

test('each refusal has its code', () => {
  const { pool, ledger } = world({ queuedPerAccountMax: 2 })
  ledger.set(bytesToHex(addressOf(2)), { nonce: 5n, balance: 1_000n })
  ledger.set(bytesToHex(addressOf(3)), { nonce: 0n, balance: RICH, code: Uint8Array.of(0x60) })
  ledger.set(bytesToHex(addressOf(4)), { nonce: 0n, balance: RICH, code: Uint8Array.of(0xef, 1, 0, ...addressOf(9)) })
  const add = (draft: Draft): string => refusal(() => pool.add(txOf(draft)))
  expect(add({ from: 1, nonce: 0 })).toBe('no error')
  expect(add({ from: 1, nonce: 0 })).toBe('POOL_KNOWN')
  expect(add({ from: 1, nonce: 0, fee: 109 })).toBe('POOL_UNDERPRICED')
  expect(add({ from: 1, nonce: 0, fee: 200, tip: 109 })).toBe('POOL_UNDERPRICED')
  expect(add({ from: 1, nonce: 0, fee: 110 })).toBe('no error')
  expect(add({ from: 2, nonce: 4 })).toBe('POOL_NONCE_TOO_LOW')
  expect(add({ from: 2, nonce: 5, value: 1 })).toBe('POOL_FUNDS')
  expect(add({ from: 2, nonce: 5, fee: 60 })).toBe('no error')
  expect(add({ from: 2, nonce: 6, fee: 41 })).toBe('POOL_FUNDS')
  expect(add({ from: 2, nonce: 6, fee: 40 })).toBe('no error')
  expect(add({ from: 3, nonce: 0 })).toBe('POOL_NOT_EOA')
  expect(add({ from: 4, nonce: 0 })).toBe('no error')
  expect(add({ from: 1, nonce: 1, gas: 1_001n })).toBe('POOL_GAS_LIMIT')
  expect(add({ from: 1, nonce: 1, size: POOL_LIMITS.txBytesMax + 1 })).toBe('POOL_TOO_LARGE')
  for (const nonce of [3, 5]) expect(add({ from: 1, nonce })).toBe('no error')
  expect(add({ from: 1, nonce: 4 })).toBe('POOL_ACCOUNT_LIMIT')
})

test('the messages hold the texts that wallets look for', () => {
  const { pool, ledger } = world()
  ledger.set(bytesToHex(addressOf(2)), { nonce: 1n, balance: 1n })
  const message = (draft: Draft): string => {
    try {
      pool.add(txOf(draft))
    } catch (error) {
      return error instanceof NodeError ? error.message : ''
    }
    return ''
  }
  message({ from: 1, nonce: 0 })
  expect(message({ from: 1, nonce: 0 })).toContain('already known')
  expect(message({ from: 1, nonce: 0, fee: 101 })).toContain('replacement transaction underpriced')
  expect(message({ from: 2, nonce: 0 })).toContain('nonce too low')
  expect(message({ from: 2, nonce: 1 })).toContain('insufficient funds for gas * price + value')
  expect(message({ from: 1, nonce: 0, gas: 2_000n })).toContain('exceeds block gas limit')
})

test('a block removes what it used, promotes what follows, and cuts what can no longer be paid', () => {
  const { pool, commit } = world()
  for (const nonce of [0, 1, 2, 3, 5]) pool.add(txOf({ from: 1, nonce }))
  commit([{ n: 1, nonce: 2n, balance: 1_500n }])
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([2])
  expect(nonces(pool.of(addressOf(1)).queued)).toEqual([3, 5])
  commit([{ n: 1, nonce: 3n }])
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([3])
  commit([{ n: 1, nonce: 5n }])
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([5])
  commit([{ n: 1, nonce: 5n, balance: 999n }])
  expect(pool.status()).toEqual({ pending: 0, queued: 0 })
  expect(pool.senders()).toEqual([])
  expect(pool.sizeBytes()).toBe(0)
})

test('queued transactions expire after three hours', () => {
  const { pool, clock, commit } = world()
  pool.add(txOf({ from: 1, nonce: 1 }))
  clock.ms = 3_600_000
  pool.add(txOf({ from: 1, nonce: 2 }))
  clock.ms = POOL_LIMITS.queuedLifeMs
  commit([])
  expect(nonces(pool.of(addressOf(1)).queued)).toEqual([2])
})

test('a transaction that fails in building leaves, and its followers wait', () => {
  const { pool } = world()
  const txs = [0, 1, 2].map((nonce) => txOf({ from: 1, nonce }))
  for (const tx of txs) pool.add(tx)
  pool.drop((txs[1] as Tx).hash)
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([0])
  expect(nonces(pool.of(addressOf(1)).queued)).toEqual([2])
  pool.drop((txs[1] as Tx).hash)
})

test('a full pool takes from accounts above their share first, then from the cheapest', () => {
  const { pool } = world({ pendingMax: 6, pendingPerAccount: 2 })
  for (const nonce of [0, 1, 2, 3]) pool.add(txOf({ from: 1, nonce, fee: 500 }))
  for (const nonce of [0, 1]) pool.add(txOf({ from: 2, nonce, fee: 5 }))
  const add = (draft: Draft): string => refusal(() => pool.add(txOf(draft)))
  expect(add({ from: 3, nonce: 0, fee: 1 })).toBe('no error')
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([0, 1, 2])
  expect(add({ from: 3, nonce: 1, fee: 1 })).toBe('no error')
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([0, 1])
  expect(add({ from: 1, nonce: 2, fee: 900 })).toBe('POOL_FULL')
  expect(add({ from: 4, nonce: 0, fee: 1 })).toBe('POOL_UNDERPRICED')
  expect(add({ from: 4, nonce: 0, fee: 2 })).toBe('no error')
  expect(nonces(pool.of(addressOf(3)).pending)).toEqual([0])
  expect(pool.status()).toEqual({ pending: 6, queued: 0 })
})

test('a dear last transaction does not protect the cheap ones before it', () => {
  const { pool } = world({ pendingMax: 4, pendingPerAccount: 2 })
  pool.add(txOf({ from: 1, nonce: 0, fee: 1 }))
  pool.add(txOf({ from: 1, nonce: 1, fee: 900 }))
  for (const nonce of [0, 1]) pool.add(txOf({ from: 2, nonce, fee: 50 }))
  pool.add(txOf({ from: 3, nonce: 0, fee: 10 }))
  expect(nonces(pool.of(addressOf(1)).pending)).toEqual([0])
})

test('the rest of what one sender offers can be skipped, and what leaves the pool meanwhile is not offered', () => {
  const { pool, commit } = world()
  for (const from of [1, 2, 3]) for (const nonce of [0, 1]) pool.add(txOf({ from, nonce, fee: 100 - from }))
  const best = pool.best(0n)
  const take = (): string => {
    const tx = best.next()
    return tx === null ? 'end' : `${Number(BigInt(bytesToHex(tx.from))) - 1}/${tx.nonce}`
  }
  expect(take()).toBe('1/0')
  best.skip()
  best.skip()
  expect(take()).toBe('2/0')
  commit([{ n: 2, nonce: 2n }])
  expect([take(), take(), take(), take()]).toEqual(['3/0', '3/1', 'end', 'end'])
})

test('tips beyond what a number holds exactly are told apart by their last wei', () => {
  const { pool } = world()
  const huge = 2n ** 60n
  for (const [from, more] of [
    [1, 0n],
    [2, 2n],
    [3, 1n],
    [4, 2n],
  ] as const) {
    const tx = txOf({ from, nonce: 0, gas: 0n })
    pool.add({ ...tx, maxFeeWei: huge + more, maxTipWei: huge + more })
  }
  const best = pool.best(1n)
  const order = [best.next(), best.next(), best.next(), best.next()].map(
    (tx) => Number(BigInt(bytesToHex(tx?.from ?? FROM_NONE))) - 1,
  )
  expect(order).toEqual([2, 4, 3, 1])
})

// One random story of a pool, with a model that only knows the rules.
type Step =
  | { readonly kind: 'add'; readonly draft: Draft }
  | {
      readonly kind: 'block'
      readonly n: number
      readonly used: number
      readonly balance: number
      readonly fee: number
    }
  | { readonly kind: 'drop'; readonly pick: number }
  | { readonly kind: 'wait'; readonly ms: number }
const arbStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      draft: fc.record({
        from: fc.nat(5),
        nonce: fc.nat(9),
        fee: fc.integer({ min: 1, max: 60 }),
        value: fc.nat(50),
        size: fc.integer({ min: 40, max: 200 }),
      }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('block' as const),
      n: fc.nat(5),
      used: fc.nat(3),
      balance: fc.integer({ min: 0, max: 4_000 }),
      fee: fc.nat(40),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), pick: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(2_000) }) },
)
const LIMITS: PoolLimits = {
  pendingMax: 12,
  queuedMax: 6,
  bytesMax: 1_800,
  txBytesMax: 180,
  queuedPerAccountMax: 3,
  pendingPerAccount: 2,
  queuedLifeMs: 3_000,
}

const everything = (pool: Pool): Tx[] =>
  pool.senders().flatMap((sender) => [...pool.of(sender).pending, ...pool.of(sender).queued])

const checkInvariants = (pool: Pool, stateOf: (address: Address) => { nonce: bigint; balance: bigint }): void => {
  let [pending, queued, bytes] = [0, 0, 0]
  const seen = new Set<string>()
  for (const sender of pool.senders()) {
    const queue = pool.of(sender)
    const { nonce, balance } = stateOf(sender)
    expect(queue.pending.map((tx) => tx.nonce)).toEqual(queue.pending.map((_, i) => nonce + BigInt(i)))
    const end = nonce + BigInt(queue.pending.length)
    expect(pool.nextNonce(sender)).toBe(end)
    const waiting = queue.queued.map((tx) => tx.nonce)
    expect(waiting).toEqual([...new Set(waiting)].sort((a, b) => Number(a - b)))
    for (const at of waiting) expect(at >= end).toBe(true)
    expect(queue.pending.reduce((sum, tx) => sum + tx.gasLimit * tx.maxFeeWei + tx.value, 0n) <= balance).toBe(true)
    expect(queue.queued.length).toBeLessThanOrEqual(LIMITS.queuedPerAccountMax)
    expect(queue.pending.length + queue.queued.length).toBeGreaterThan(0)
    pending += queue.pending.length
    queued += queue.queued.length
    for (const tx of [...queue.pending, ...queue.queued]) {
      bytes += tx.raw.length
      seen.add(bytesToHex(tx.hash))
      expect(pool.get(tx.hash)).toBe(tx)
    }
  }
  expect(pool.status()).toEqual({ pending, queued })
  expect(seen.size).toBe(pending + queued)
  expect(pool.sizeBytes()).toBe(bytes)
  expect(pending).toBeLessThanOrEqual(LIMITS.pendingMax)
  expect(queued).toBeLessThanOrEqual(LIMITS.queuedMax)
  expect(bytes).toBeLessThanOrEqual(LIMITS.bytesMax)
}

const hashesOf = (best: Best): Hash[] => {
  const out: Hash[] = []
  for (let tx = best.next(); tx !== null; tx = best.next()) out.push(tx.hash)
  return out
}

/** Best of all heads, again and again. */
const naiveBest = (pool: Pool, arrivals: Map<string, number>, baseFeeWei: bigint): Hash[] => {
  const queues = pool.senders().map((sender) => [...pool.of(sender).pending])
  const out: Hash[] = []
  const rank = byRank(baseFeeWei)
  for (;;) {
    const heads = queues.flatMap((queue) => {
      const tx = queue[0]
      return tx === undefined || tipWei(tx, baseFeeWei) < 0n
        ? []
        : [{ tx, arrival: arrivals.get(bytesToHex(tx.hash)) ?? -1, queue }]
    })
    const first = heads.sort(rank)[0]
    if (first === undefined) return out
    out.push(first.tx.hash)
    first.queue.shift()
  }
}

const stepOf = (at: ReturnType<typeof world>, step: Step, arrivals: Map<string, number>): void => {
  const { pool, ledger, clock, commit } = at
  switch (step.kind) {
    case 'add': {
      const tx = txOf(step.draft)
      const before = everything(pool)
      const old = before.find(({ nonce, from }) => nonce === tx.nonce && bytesToHex(from) === bytesToHex(tx.from))
      const code = refusal(() => pool.add(tx))
      expect(code).toMatch(/^(no error|POOL_[A-Z_]+)$/)
      if (code === 'no error') {
        expect(pool.get(tx.hash)).toBe(tx)
        arrivals.delete(bytesToHex(tx.hash))
        arrivals.set(bytesToHex(tx.hash), Math.max(-1, ...arrivals.values()) + 1)
        if (old !== undefined) expect([isDearer(tx, old), pool.get(old.hash)]).toEqual([true, null])
      } else if (code !== 'POOL_KNOWN') expect(pool.get(tx.hash)).toBeNull()
      return
    }
    case 'block': {
      const { nonce } = ledger.get(bytesToHex(addressOf(step.n))) ?? { nonce: 0n }
      commit([{ n: step.n, nonce: nonce + BigInt(step.used), balance: BigInt(step.balance) }], BigInt(step.fee))
      return
    }
    case 'drop': {
      const all = everything(pool)
      const tx = all[step.pick % Math.max(1, all.length)]
      if (tx === undefined) return
      pool.drop(tx.hash)
      expect(pool.get(tx.hash)).toBeNull()
      return
    }
    case 'wait':
      clock.ms += step.ms
  }
}

test('in any story the books are right, no limit is exceeded, and candidates come in order', () => {
  fc.assert(
    fc.property(fc.array(arbStep, { minLength: 20, maxLength: 150, size: 'max' }), (steps) => {
      const at = world(LIMITS)
      const arrivals = new Map<string, number>()
      const stateOf = (address: Address) => at.ledger.get(bytesToHex(address)) ?? { nonce: 0n, balance: RICH }
      for (const step of steps) {
        stepOf(at, step, arrivals)
        checkInvariants(at.pool, stateOf)
      }
      for (const baseFeeWei of [0n, 20n])
        expect(hashesOf(at.pool.best(baseFeeWei))).toEqual(naiveBest(at.pool, arrivals, baseFeeWei))
    }),
    { numRuns: 150 },
  )
})

test('without a limit in the way no transaction is lost', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ from: fc.nat(3), nonce: fc.nat(20), fee: fc.integer({ min: 1, max: 9 }) }), { size: '+1' }),
      (drafts) => {
        const { pool } = world()
        const added = new Map<string, string>()
        for (const draft of drafts)
          if (refusal(() => pool.add(txOf(draft))) === 'no error')
            added.set(`${draft.from}/${draft.nonce}`, bytesToHex(txOf(draft).hash))
        expect(
          everything(pool)
            .map((tx) => bytesToHex(tx.hash))
            .sort(),
        ).toEqual([...added.values()].sort())
      },
    ),
    { numRuns: 100 },
  )
})

test('a replacement looks at a few of the transactions behind it, however many its account has', () => {
  const { pool } = world({ pendingMax: 3_000 })
  let looks = 0
  const watched = (draft: Draft): Tx => {
    const tx = txOf(draft)
    return Object.defineProperty(tx, 'maxFeeWei', {
      get() {
        looks++
        return BigInt(draft.fee ?? 100)
      },
    })
  }
  for (let nonce = 0; nonce < 3_000; nonce++) pool.add(watched({ from: 0, nonce, fee: nonce === 7 ? 50 : 1_000 }))
  // The pool is full, so that it knows what the last one of each account is worth.
  expect(refusal(() => pool.add(txOf({ from: 0, nonce: 3_000, fee: 2_000 })))).toBe('POOL_FULL')
  pool.add(txOf({ from: 1, nonce: 0, fee: 1 })) // one of few goes before the last of many
  looks = 0
  pool.add(watched({ from: 0, nonce: 7, fee: 60 }))
  expect(looks).toBeLessThan(1_500)
})

test('what a large block changed is taken in by parts, and what comes between them is right in the end', async () => {
  const COUNT = 5_000
  const mined = (n: number): Draft => ({ from: n, nonce: 0 })
  const ledger: Ledger = new Map()
  let pauses = 0
  let between = (): void => {}
  const pool: Pool = createPool(
    {
      admit: (address) => ledger.get(bytesToHex(address)) ?? { nonce: 0n, balance: RICH },
      clock: { nowMs: () => 0 },
      pause: async () => {
        if (pauses++ === 0) between()
      },
    },
    { gasLimit: 1_000n },
  )
  const numbers = Array.from({ length: COUNT }, (_, n) => n)
  for (const n of numbers) pool.add(txOf(mined(n)))
  pool.add(txOf({ from: COUNT - 2, nonce: 1 }))
  const answers: string[] = []
  const add = (draft: Draft): number => answers.push(refusal(() => pool.add(txOf(draft))))
  between = () => {
    add(mined(0)) // its account was looked at
    add({ from: 0, nonce: 1 })
    add(mined(COUNT - 1)) // and this one's not
    add({ from: COUNT - 1, nonce: 1 })
    add({ ...mined(COUNT - 2), fee: 200 }) // takes the place of one that is mined
  }
  const accounts = numbers.map((n) => {
    ledger.set(bytesToHex(addressOf(n)), { nonce: 1n, balance: RICH })
    return { address: addressOf(n), account: { nonce: 1n, balance: RICH, codeHash: keccak(new Uint8Array(0)) } }
  })
  await pool.committed({ txs: numbers.map((n) => txOf(mined(n))), changes: { accounts }, baseFeeWei: 0n })
  expect(answers).toEqual(['POOL_NONCE_TOO_LOW', 'no error', 'POOL_KNOWN', 'no error', 'no error'])
  expect(pauses).toBe(2)
  expect(pool.status()).toEqual({ pending: 3, queued: 0 })
  for (const n of [0, COUNT - 1, COUNT - 2]) expect(nonces(pool.of(addressOf(n)).pending)).toEqual([1])
})
