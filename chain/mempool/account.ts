// One sender in the pool: its state at the head, pending transactions without a gap from the state's nonce, queued ones behind a
// gap. Owns that shape, in which the one transaction that most have needs no list; counts and limits are the pool's.
import type { Address } from '../base/bytes.ts'
import { assert } from '../base/errors.ts'
import { minBigint } from '../base/math.ts'
import type { Tx } from '../types/tx.ts'

/** There are as many as transactions wait: what can be worked out of the transaction is no field. */
export interface Entry {
  readonly tx: Tx
  /** Where the pool has it, once it does. */
  slot: number
  readonly account: Account
  readonly arrival: number
  place: 'new' | 'pending' | 'queued' | 'gone'
}

/** The most it can take from the sender. */
export const costOf = ({ gasLimit, maxFeeWei, value }: Pick<Tx, 'gasLimit' | 'maxFeeWei' | 'value'>): bigint =>
  gasLimit * maxFeeWei + value

type Fees = Pick<Tx, 'maxFeeWei' | 'maxTipWei'>

/** Pending ones that share a note of their lowest fee and tip once there are so many: a look at all of 150,000 would be one too many. */
const STRETCH = 256

const NONE: readonly Entry[] = []
const NONE_LOWEST: readonly Fees[] = []

export class Account {
  /** Where the pool has it; negative: nowhere. */
  slot = -1
  nonce: bigint
  balance: bigint
  pendingCost = 0n
  /** Pending, of nonce `nonce`; and those of `nonce + 1`, … */
  #first: Entry | null = null
  #more: Entry[] | null = null
  /** By nonce, all above the last pending. */
  #queued: Entry[] | null = null
  /** Of each whole stretch of pending ones. */
  #lowest: Fees[] | null = null

  constructor(state: { readonly nonce: bigint; readonly balance: bigint }) {
    this.nonce = state.nonce
    this.balance = state.balance
  }

  /** Of one that is not empty. */
  get address(): Address {
    return ((this.#first ?? this.queued[0]) as Entry).tx.from
  }

  get isEmpty(): boolean {
    return this.#first === null && this.queued.length === 0
  }

  get pendingCount(): number {
    return this.#first === null ? 0 : 1 + (this.#more?.length ?? 0)
  }

  get first(): Entry | undefined {
    return this.#first ?? undefined
  }

  get last(): Entry | undefined {
    return this.#pending(this.pendingCount - 1)
  }

  get queued(): readonly Entry[] {
    return this.#queued ?? NONE
  }

  pending(): Entry[] {
    return this.#first === null ? [] : [this.#first, ...(this.#more ?? NONE)]
  }

  #pending(at: number): Entry | undefined {
    return at === 0 ? this.first : this.#more?.[at - 1]
  }

  get nextNonce(): bigint {
    return this.#first === null ? this.nonce : this.nonce + BigInt(this.pendingCount)
  }

  pendingAt(nonce: bigint): Entry | undefined {
    return this.#pending(Number(nonce - this.nonce))
  }

  at(nonce: bigint): Entry | undefined {
    return nonce < this.nextNonce ? this.pendingAt(nonce) : this.#queued?.find((entry) => entry.tx.nonce === nonce)
  }

  append(entry: Entry, cost: bigint): void {
    assert(entry.tx.nonce === this.nextNonce, 'pending nonces have no gap')
    if (this.#first === null) {
      this.#first = entry
      this.pendingCost = cost
      return
    }
    // A list that grows begins with room for seventeen.
    if (this.#more === null) this.#more = [entry]
    else this.#more.push(entry)
    this.pendingCost += cost
    const stretches = this.pendingCount / STRETCH
    if (Number.isInteger(stretches)) this.#note(stretches - 1)
  }

  /** Puts `fresh` where `old` was. */
  swap(old: Entry, fresh: Entry): void {
    if (old.place === 'queued') {
      const queued = this.#queued as Entry[] // it is there
      queued[queued.indexOf(old)] = fresh
      return
    }
    const at = Number(old.tx.nonce - this.nonce)
    if (at === 0) this.#first = fresh
    else (this.#more as Entry[])[at - 1] = fresh
    this.pendingCost += costOf(fresh.tx) - costOf(old.tx)
    const stretch = Math.floor(at / STRETCH)
    if (stretch < (this.#lowest?.length ?? 0)) this.#note(stretch)
  }

  enqueue(entry: Entry): void {
    this.#queued ??= []
    let at = this.#queued.length
    while (at > 0 && (this.#queued[at - 1] as Entry).tx.nonce > entry.tx.nonce) at--
    this.#queued.splice(at, 0, entry)
  }

  /** Puts what was cut off in front of the queue. */
  enqueueFirst(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#queued = [...entries, ...this.queued]
  }

  unqueue(entry: Entry): void {
    this.#queued = this.queued.filter((other) => other !== entry)
  }

  /** The queued ones are in order, so this is the one of the lowest or the highest nonce. */
  takeQueued(which: 'first' | 'last'): Entry | undefined {
    return which === 'first' ? this.#queued?.shift() : this.#queued?.pop()
  }

  /** Takes pending ones from this index on. */
  cut(from: number): Entry[] {
    const out = from === 0 ? this.pending() : (this.#more?.splice(from - 1) ?? [])
    if (from === 0) this.#first = null
    if (from <= 1) this.#more = null
    this.#paid(out)
    if (this.#lowest !== null) this.#lowest.length = Math.floor(this.pendingCount / STRETCH)
    return out
  }

  /** Lowest fee and tip among pending: the last one is worth no more, for the others go first. null where there are none. */
  floor(): Fees | null {
    if (this.#first === null) return null
    let { maxFeeWei, maxTipWei }: Fees = this.#first.tx
    const take = (fees: Fees): void => {
      if (fees.maxFeeWei < maxFeeWei) maxFeeWei = fees.maxFeeWei
      if (fees.maxTipWei < maxTipWei) maxTipWei = fees.maxTipWei
    }
    for (const fees of this.#lowest ?? NONE_LOWEST) take(fees)
    const count = this.pendingCount
    for (let i = count - (count % STRETCH); i < count; i++) take((this.#pending(i) as Entry).tx)
    return { maxFeeWei, maxTipWei }
  }

  /** Moves to a new state; pending and queued ones whose nonce is used up are `gone`. */
  advance(state: { readonly nonce: bigint; readonly balance: bigint }, gone: (entry: Entry) => void): void {
    assert(state.nonce >= this.nonce, 'a nonce never falls, for blocks are final')
    const used = Math.min(this.pendingCount, Number(state.nonce - this.nonce))
    this.nonce = state.nonce
    this.balance = state.balance
    if (used > 0) this.#use(used, gone)
    while (this.queued.length > 0 && (this.queued[0] as Entry).tx.nonce < state.nonce)
      gone(this.takeQueued('first') as Entry)
  }

  #use(count: number, gone: (entry: Entry) => void): void {
    const out = [this.#first as Entry, ...(this.#more?.splice(0, count - 1) ?? NONE)]
    this.#first = this.#more?.shift() ?? null
    if (this.#more?.length === 0) this.#more = null
    this.#paid(out)
    if (this.#lowest !== null) {
      this.#lowest.length = Math.floor(this.pendingCount / STRETCH)
      for (let stretch = 0; stretch < this.#lowest.length; stretch++) this.#note(stretch)
    }
    for (const entry of out) gone(entry)
  }

  /** They are pending no more. */
  #paid(entries: readonly Entry[]): void {
    if (this.#first === null) this.pendingCost = 0n
    else for (const { tx } of entries) this.pendingCost -= costOf(tx)
  }

  #note(stretch: number): void {
    const from = stretch * STRETCH
    let lowest: Fees = (this.#pending(from) as Entry).tx // the stretch is whole
    for (let i = from + 1; i < from + STRETCH; i++) lowest = lower(lowest, (this.#pending(i) as Entry).tx)
    this.#lowest ??= []
    this.#lowest[stretch] = lowest
  }
}

/** Of each the lower one. */
const lower = (a: Fees, b: Fees): Fees =>
  a.maxFeeWei <= b.maxFeeWei && a.maxTipWei <= b.maxTipWei
    ? a
    : { maxFeeWei: minBigint(a.maxFeeWei, b.maxFeeWei), maxTipWei: minBigint(a.maxTipWei, b.maxTipWei) }
