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
  readonly first: Candidate | undefined
  /** The pending one of this nonce, or undefined. */
  pendingAt(nonce: bigint): Candidate | undefined
}
export interface Candidate extends Ranked {
  readonly account: RankedQueue
}

/** Candidates for a block, best first, each sender's by nonce. */
export interface Best {
  /** null: there are no more. */
  next(): Tx | null
  /** The last one did not go in: leaves out the rest of its sender's. */
  skip(): void
}

/** The tip at one base fee as a number, which orders nearly always. Many offer the same fees one after another: they share it. */
const roughAt = (baseFeeWei: bigint) => {
  let [maxFeeWei, maxTipWei, rough] = [-1n, -1n, -1]
  return (fees: Fees): number => {
    if (fees.maxFeeWei !== maxFeeWei || fees.maxTipWei !== maxTipWei) {
      maxFeeWei = fees.maxFeeWei
      maxTipWei = fees.maxTipWei
      rough = Number(tipWei(fees, baseFeeWei))
    }
    return rough
  }
}

/** A heap of the next transactions of senders, of which there may be 150,000: no object for each, but its tip in a list beside. */
class Heads {
  readonly #baseFeeWei: bigint
  readonly #roughOf: (fees: Fees) => number
  readonly #heads: Candidate[] = []
  readonly #roughs: Float64Array

  constructor(baseFeeWei: bigint, max: number) {
    this.#baseFeeWei = baseFeeWei
    this.#roughOf = roughAt(baseFeeWei)
    this.#roughs = new Float64Array(max)
  }
  /** Before the first look; `order` once all are there. */
  add(head: Candidate): void {
    const rough = this.#roughOf(head.tx)
    if (rough < 0) return
    this.#roughs[this.#heads.length] = rough
    this.#heads.push(head)
  }
  order(): void {
    for (let i = (this.#heads.length >> 1) - 1; i >= 0; i--)
      this.#sink(i, this.#heads[i] as Candidate, this.#roughs[i] as number)
  }
  peek(): Candidate | undefined {
    return this.#heads[0]
  }
  /** `head` is in the place of the first; undefined: nobody. */
  replaceFirst(head: Candidate | undefined): void {
    const rough = head === undefined ? -1 : this.#roughOf(head.tx)
    if (head !== undefined && rough >= 0) this.#sink(0, head, rough)
    else this.#pop()
  }
  #pop(): void {
    const last = this.#heads.pop()
    const left = this.#heads.length
    if (last !== undefined && left > 0) this.#sink(0, last, this.#roughs[left] as number)
  }
  #sink(start: number, head: Candidate, rough: number): void {
    const [heads, roughs, size] = [this.#heads, this.#roughs, this.#heads.length]
    let at = start
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#goesFirst(heads[child + 1] as Candidate, roughs[child + 1] as number, child))
        child++
      if (this.#goesFirst(head, rough, child)) break
      heads[at] = heads[child] as Candidate
      roughs[at] = roughs[child] as number
      at = child
    }
    heads[at] = head
    roughs[at] = rough
  }
  #goesFirst(a: Candidate, rough: number, other: number): boolean {
    const difference = rough - (this.#roughs[other] as number)
    if (difference !== 0) return difference > 0
    const b = this.#heads[other] as Candidate
    if (rough > Number.MAX_SAFE_INTEGER) return byRank(this.#baseFeeWei)(a, b) < 0
    return a.arrival === b.arrival ? compareBytes(a.tx.hash, b.tx.hash) < 0 : a.arrival < b.arrival
  }
}

/**
 * Orders senders by a heap of their next transactions: a block takes what it needs and the rest is never sorted. The pool may
 * change meanwhile; what left it is not offered. `each` says all senders, at most so many.
 */
export function bestOf(each: (say: (queue: RankedQueue) => void) => void, max: number, baseFeeWei: bigint): Best {
  const heap = new Heads(baseFeeWei, max)
  each(({ first }) => {
    if (first !== undefined) heap.add(first)
  })
  heap.order()
  let last: Candidate | null = null
  return {
    next() {
      // The sender of the last one stays on top until it is known whether its next may follow.
      if (last !== null) heap.replaceFirst(last.account.pendingAt(last.tx.nonce + 1n))
      for (let head = heap.peek(); head !== undefined; head = heap.peek()) {
        const current = head.account.pendingAt(head.tx.nonce)
        if (current === head) {
          last = head
          return head.tx
        }
        heap.replaceFirst(current)
      }
      last = null
      return null
    },
    skip() {
      if (last === null) return
      heap.replaceFirst(undefined)
      last = null
    },
  }
}
