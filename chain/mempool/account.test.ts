// An account of the pool in each form it has: empty, one pending, more, many, with a queue.
import { expect, test } from 'vitest'
import { type Address, bigintToFixed } from '../base/bytes.ts'
import { minBigint } from '../base/math.ts'
import type { Tx } from '../types/tx.ts'
import { Account, costOf, type Entry } from './account.ts'

const FROM = bigintToFixed(7n, 20) as Address
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const randomFrom = (start: number) => {
  let state = start | 1
  return (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
const entryOf = (account: Account, nonce: number, fee = 10, tip = fee, place: Entry['place'] = 'pending'): Entry => {
  const tx = {
    ...{ nonce: BigInt(nonce), gasLimit: 3n, maxFeeWei: BigInt(fee), maxTipWei: BigInt(tip), value: 1n },
    from: FROM,
  } as Tx
  return { tx, slot: -1, account, arrival: nonce, place }
}
const open = (nonce = 5n) => new Account({ nonce, balance: 1_000n })
const append = (account: Account, ...entries: Entry[]): void => {
  for (const entry of entries) account.append(entry, costOf(entry.tx))
}
const feesOf = (account: Account): readonly [bigint, bigint] | null => {
  const floor = account.floor()
  return floor === null ? null : [floor.maxFeeWei, floor.maxTipWei]
}
const shape = (account: Account) => ({
  pending: account.pending().map(({ tx }) => Number(tx.nonce)),
  queued: account.queued.map(({ tx }) => Number(tx.nonce)),
  cost: account.pendingCost,
  next: account.nextNonce,
  floor: feesOf(account),
})

test('one pending transaction, a second, and back', () => {
  const account = open()
  expect(shape(account)).toEqual({ pending: [], queued: [], cost: 0n, next: 5n, floor: null })
  expect([account.isEmpty, account.first, account.last, account.at(5n)]).toEqual([
    true,
    undefined,
    undefined,
    undefined,
  ])
  const [a, b] = [entryOf(account, 5, 10, 2), entryOf(account, 6, 8, 4)]
  append(account, a)
  expect(shape(account)).toEqual({ pending: [5], queued: [], cost: 31n, next: 6n, floor: [10n, 2n] })
  expect([account.isEmpty, account.pendingCount]).toEqual([false, 1])
  expect([account.first, account.last, account.at(5n), account.address]).toEqual([a, a, a, FROM])
  append(account, b)
  expect(shape(account)).toEqual({ pending: [5, 6], queued: [], cost: 56n, next: 7n, floor: [8n, 2n] })
  expect([account.first, account.last, account.pendingAt(6n), account.pendingAt(7n)]).toEqual([a, b, b, undefined])
  expect(account.cut(1)).toEqual([b])
  expect(shape(account)).toEqual({ pending: [5], queued: [], cost: 31n, next: 6n, floor: [10n, 2n] })
  append(account, b)
  expect(account.cut(0)).toEqual([a, b])
  expect(shape(account)).toEqual({ pending: [], queued: [], cost: 0n, next: 5n, floor: null })
  expect(account.cut(0)).toEqual([])
})

test('a replacement takes the place of the first, of a later one, and of a queued one', () => {
  const account = open()
  const [a, b, c] = [entryOf(account, 5), entryOf(account, 6), entryOf(account, 9, 10, 10, 'queued')]
  append(account, a, b)
  account.enqueue(c)
  const [a2, b2, c2] = [entryOf(account, 5, 20), entryOf(account, 6, 30), entryOf(account, 9, 40)]
  for (const [old, fresh] of [
    [a, a2],
    [b, b2],
    [c, c2],
  ] as const)
    account.swap(old, fresh)
  expect([account.first, account.last, ...account.queued]).toEqual([a2, b2, c2])
  expect(shape(account)).toMatchObject({ cost: 152n, floor: [20n, 20n] })
})

test('a block uses up one of one, one of two, and more than there are, with the queue behind', () => {
  const gone: number[] = []
  const note = ({ tx }: Entry): number => gone.push(Number(tx.nonce))
  const account = open()
  append(account, entryOf(account, 5))
  account.advance({ nonce: 6n, balance: 1n }, note)
  expect(shape(account)).toEqual({ pending: [], queued: [], cost: 0n, next: 6n, floor: null })
  append(account, entryOf(account, 6), entryOf(account, 7, 9))
  account.advance({ nonce: 7n, balance: 1n }, note)
  expect(shape(account)).toEqual({ pending: [7], queued: [], cost: 28n, next: 8n, floor: [9n, 9n] })
  for (const nonce of [12, 10, 9]) account.enqueue(entryOf(account, nonce, 1, 1, 'queued'))
  account.advance({ nonce: 7n, balance: 5n }, note)
  expect([account.balance, ...gone]).toEqual([5n, 5, 6])
  account.advance({ nonce: 10n, balance: 1n }, note)
  expect(gone).toEqual([5, 6, 7, 9])
  expect(shape(account)).toMatchObject({ pending: [], queued: [10, 12], cost: 0n, next: 10n })
})

test('what is cut off waits in front of the queue, and leaves it from both ends and between', () => {
  const account = open()
  for (const nonce of [5, 6, 7]) append(account, entryOf(account, nonce))
  account.enqueue(entryOf(account, 9))
  account.enqueueFirst([])
  account.enqueueFirst(account.cut(1))
  expect(shape(account)).toMatchObject({ pending: [5], queued: [6, 7, 9], next: 6n })
  account.unqueue(account.queued[1] as Entry)
  expect(account.takeQueued('last')?.tx.nonce).toBe(9n)
  expect(account.takeQueued('first')?.tx.nonce).toBe(6n)
  expect([account.takeQueued('first'), account.takeQueued('last'), account.queued.length]).toEqual([
    undefined,
    undefined,
    0,
  ])
  expect(account.isEmpty).toBe(false)
  account.enqueueFirst(account.cut(0))
  expect([account.isEmpty, account.address]).toEqual([false, FROM])
})

test('of many, cost and floor are those of all of them, however they come and go', () => {
  const random = randomFrom(seed)
  const account = open(0n)
  let model: Entry[] = []
  for (let step = 0; step < 300; step++) {
    const kind = random(10)
    const at = random(model.length + 1)
    if (kind < 5)
      for (let n = random(200); n > 0; n--) {
        const entry = entryOf(account, Number(account.nextNonce), 100 + random(900), random(100))
        append(account, entry)
        model.push(entry)
      }
    else if (kind < 7 && at < model.length) {
      const fresh = entryOf(account, Number((model[at] as Entry).tx.nonce), random(1_000), random(90))
      account.swap(model[at] as Entry, fresh)
      model[at] = fresh
    } else if (kind < 8) {
      const from = Math.max(0, model.length - random(400))
      expect(account.cut(from), `SEED=${seed} step ${step}`).toEqual(model.slice(from))
      model = model.slice(0, from)
    } else {
      const gone: Entry[] = []
      const used = random(300)
      account.advance({ nonce: account.nonce + BigInt(used), balance: 1n }, (entry) => gone.push(entry))
      expect(gone, `SEED=${seed} step ${step}`).toEqual(model.slice(0, used))
      model = model.slice(used)
    }
    const least = (of: (tx: Tx) => bigint): bigint => model.map(({ tx }) => of(tx)).reduce(minBigint)
    expect(account.pending(), `SEED=${seed} step ${step}`).toEqual(model)
    expect(account.pendingCost, `SEED=${seed} step ${step}`).toBe(model.reduce((sum, { tx }) => sum + costOf(tx), 0n))
    expect(feesOf(account), `SEED=${seed} step ${step}`).toEqual(
      model.length === 0 ? null : [least((tx) => tx.maxFeeWei), least((tx) => tx.maxTipWei)],
    )
  }
})
