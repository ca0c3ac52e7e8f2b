// Ordering rules of the pool: who goes first into a block, and who leaves first when it is full. Owns a heap and the lazy order
// of candidates; changes nothing in the pool.
import { compareBytes } from '../base/bytes.ts'
import { minBigint } from '../base/math.ts'
import type { Tx } from '../types/tx.ts'

type Fees = Pick<Tx, 'maxFeeWei' | 'maxTipWei'>

/** Tip a block builder earns per gas at this base fee; negative means not includable now. */
export const tipWei = (fees: Fees, baseFeeWei: bigint): bigint => minBigint(fees.maxFeeWei - baseFeeWei, fees.maxTipWei)

/** geth's price bump: a replacement offers at least 10 % more, and more at all, in both fee and tip. */
export const isDearer = (fresh: Fees, old: Fees): boolean => {
  const outbids = (a: bigint, b: bigint): boolean => a > b && a * 100n >= b * 110n
  return outbids(fresh.maxFeeWei, old.maxFeeWei) && outbids(fresh.maxTipWei, old.maxTipWei)
}

export interface Ranked {
  readonly tx: Tx
  readonly arrival: number
}

/** Higher tip first; then earlier arrival; then hash, so that the order is total. Arrival is local: it never reaches state. */
export const byRank =
  (baseFeeWei: bigint) =>
  (a: Ranked, b: Ranked): number => {
    const [x, y] = [tipWei(a.tx, baseFeeWei), tipWei(b.tx, baseFeeWei)]
    return x === y ? a.arrival - b.arrival || compareBytes(a.tx.hash, b.tx.hash) : x > y ? -1 : 1
  }

/** Binary heap; `before` says whether `a` leaves first. */
export class Heap<T> {
  readonly #items: T[]
  readonly #before: (a: T, b: T) => boolean
  constructor(items: T[], before: (a: T, b: T) => boolean) {
    this.#items = items
    this.#before = before
    for (let i = (items.length >> 1) - 1; i >= 0; i--) this.#sink(i)
  }
  get size(): number {
    return this.#items.length
  }
  push(item: T): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(item, items[parent] as T)) break
      items[at] = items[parent] as T
      at = parent
    }
    items[at] = item
  }
  pop(): T | undefined {
    const first = this.#items[0]
    const last = this.#items.pop()
    if (last !== undefined && this.#items.length > 0) this.replaceFirst(last)
    return first
  }
  peek(): T | undefined {
    return this.#items[0]
  }
  /** Cheaper than pop and push. */
  replaceFirst(item: T): void {
    this.#items[0] = item
    this.#sink(0)
  }
  #sink(start: number): void {
    const items = this.#items
    const item = items[start] as T
    let at = start
    for (let child = 2 * at + 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && this.#before(items[child + 1] as T, items[child] as T)) child++
      if (!this.#before(items[child] as T, item)) break
      items[at] = items[child] as T
      at = child
    }
    items[at] = item
  }
}

/** One sender's pending transactions, as the order of candidates sees them. */
export interface RankedQueue {
  /** The pending one of this nonce, or undefined. */
  pendingAt(nonce: bigint): Ranked | undefined
  readonly pending: readonly Ranked[]
}

/** Candidates for a block, best first, each sender's by nonce. */
export interface Best {
  /** null: there are no more. */
  next(): Tx | null
  /** The last one did not go in: leaves out the rest of its sender's. */
  skip(): void
}

/** `rough` orders almost always; the exact wei decide where it is equal. */
type Head = { readonly queue: RankedQueue; readonly ranked: Ranked; readonly rough: number; readonly tip: bigint }

/** Heads at one base fee. Many offer the same fees one after another: they share the numbers that are made of them. */
const headsAt = (baseFeeWei: bigint) => {
  let last: Fees = { maxFeeWei: -1n, maxTipWei: -1n }
  let [tip, rough] = [0n, 0]
  return (queue: RankedQueue, ranked: Ranked | undefined): Head | null => {
    if (ranked === undefined) return null
    const { maxFeeWei, maxTipWei } = ranked.tx
    if (maxFeeWei !== last.maxFeeWei || maxTipWei !== last.maxTipWei) {
      last = { maxFeeWei, maxTipWei }
      tip = tipWei(last, baseFeeWei)
      rough = Number(tip)
    }
    return tip < 0n ? null : { queue, ranked, rough, tip }
  }
}

const goesFirst = (a: Head, b: Head): boolean => {
  if (a.rough !== b.rough) return a.rough > b.rough
  if (a.tip !== b.tip) return a.tip > b.tip
  const [x, y] = [a.ranked, b.ranked]
  return x.arrival === y.arrival ? compareBytes(x.tx.hash, y.tx.hash) < 0 : x.arrival < y.arrival
}

/**
 * Orders senders by a heap of their next transactions: a block takes what it needs and the rest is never sorted. The pool may
 * change meanwhile; what left it is not offered.
 */
export function bestOf(queues: Iterable<RankedQueue>, baseFeeWei: bigint): Best {
  const heads: Head[] = []
  const headOf = headsAt(baseFeeWei)
  for (const queue of queues) {
    const head = headOf(queue, queue.pending[0])
    if (head !== null) heads.push(head)
  }
  const heap = new Heap(heads, goesFirst)
  let last: Head | null = null
  const follow = ({ queue }: Head, ranked: Ranked | undefined): void => {
    const next = headOf(queue, ranked)
    if (next === null) heap.pop()
    else heap.replaceFirst(next)
  }
  return {
    next() {
      // The sender of the last one stays on top until it is known whether its next may follow.
      if (last !== null) follow(last, last.queue.pendingAt(last.ranked.tx.nonce + 1n))
      for (let head = heap.peek(); head !== undefined; head = heap.peek()) {
        const current = head.queue.pendingAt(head.ranked.tx.nonce)
        if (current === head.ranked) {
          last = head
          return head.ranked.tx
        }
        follow(head, current)
      }
      last = null
      return null
    },
    skip() {
      if (last === null) return
      heap.pop()
      last = null
    },
  }
}
