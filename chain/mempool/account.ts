// One sender in the pool: its state at the head, pending transactions without a gap from the state's nonce, queued ones behind a
// gap. Owns that shape; counts and limits are the pool's.
import type { Address } from '../base/bytes.ts'
import { assert } from '../base/errors.ts'
import { minBigint } from '../base/math.ts'
import type { Tx } from '../types/tx.ts'

export interface Entry {
  readonly tx: Tx
  readonly key: string
  readonly account: Account
  readonly arrival: number
  /** The most it can take from the sender: gas limit x fee + value. */
  readonly cost: bigint
  readonly sizeBytes: number
  place: 'new' | 'pending' | 'queued' | 'gone'
  queuedSinceMs: number
}

type Fees = Pick<Tx, 'maxFeeWei' | 'maxTipWei'>

/** Pending ones that share a note of their lowest fee and tip: a replacement looks at so many, and not at all of 150,000. */
const STRETCH = 512

export class Account {
  readonly address: Address
  readonly key: string
  nonce: bigint
  balance: bigint
  /** Nonces `nonce`, `nonce + 1`, … */
  pending: Entry[] = []
  /** By nonce, all above the last pending. */
  queued: Entry[] = []
  pendingCost = 0n
  #lowest: Fees[] = []

  constructor(address: Address, key: string, state: { readonly nonce: bigint; readonly balance: bigint }) {
    this.address = address
    this.key = key
    this.nonce = state.nonce
    this.balance = state.balance
  }

  get nextNonce(): bigint {
    return this.nonce + BigInt(this.pending.length)
  }

  pendingAt(nonce: bigint): Entry | undefined {
    return this.pending[Number(nonce - this.nonce)]
  }

  at(nonce: bigint): Entry | undefined {
    return nonce < this.nextNonce ? this.pendingAt(nonce) : this.queued.find((entry) => entry.tx.nonce === nonce)
  }

  append(entry: Entry): void {
    assert(entry.tx.nonce === this.nextNonce, 'pending nonces have no gap')
    const stretch = Math.floor(this.pending.length / STRETCH)
    const lowest = this.#lowest[stretch]
    // Most accounts have one: a list that grows begins with room for seventeen.
    if (this.pending.length === 0) this.pending = [entry]
    else this.pending.push(entry)
    this.pendingCost += entry.cost
    if (stretch === 0) this.#lowest = [lowest === undefined ? entry.tx : lower(lowest, entry.tx)]
    else this.#lowest[stretch] = lowest === undefined ? entry.tx : lower(lowest, entry.tx)
  }

  /** Puts `fresh` where `old` was. */
  swap(old: Entry, fresh: Entry): void {
    if (old.place === 'queued') {
      this.queued[this.queued.indexOf(old)] = fresh
      return
    }
    const at = Number(old.tx.nonce - this.nonce)
    this.pending[at] = fresh
    this.pendingCost += fresh.cost - old.cost
    this.#note(Math.floor(at / STRETCH))
  }

  enqueue(entry: Entry): void {
    let at = this.queued.length
    while (at > 0 && (this.queued[at - 1] as Entry).tx.nonce > entry.tx.nonce) at--
    this.queued.splice(at, 0, entry)
  }

  /** Takes pending ones from this index on. */
  cut(from: number): Entry[] {
    const out = this.pending.splice(from)
    for (const entry of out) this.pendingCost -= entry.cost
    this.#lowest.length = Math.ceil(this.pending.length / STRETCH)
    if (this.#lowest.length > 0) this.#note(this.#lowest.length - 1)
    return out
  }

  /** Lowest fee and tip among pending: the last one is worth no more, for the others go first. null where there are none. */
  floor(): Fees | null {
    const [first, ...rest] = this.#lowest
    return first === undefined ? null : rest.reduce(lower, first)
  }

  /** Moves to a new state; returns pending and queued ones whose nonce is used up. */
  advance(state: { readonly nonce: bigint; readonly balance: bigint }): Entry[] {
    assert(state.nonce >= this.nonce, 'a nonce never falls, for blocks are final')
    const used = Math.min(this.pending.length, Number(state.nonce - this.nonce))
    const out = this.pending.splice(0, used)
    for (const entry of out) this.pendingCost -= entry.cost
    while (this.queued.length > 0 && (this.queued[0] as Entry).tx.nonce < state.nonce)
      out.push(this.queued.shift() as Entry)
    this.nonce = state.nonce
    this.balance = state.balance
    if (used > 0) {
      this.#lowest.length = Math.ceil(this.pending.length / STRETCH)
      for (let stretch = 0; stretch < this.#lowest.length; stretch++) this.#note(stretch)
    }
    return out
  }

  #note(stretch: number): void {
    const end = Math.min(this.pending.length, (stretch + 1) * STRETCH)
    let lowest: Fees = (this.pending[stretch * STRETCH] as Entry).tx // no stretch is empty
    for (let i = stretch * STRETCH + 1; i < end; i++) lowest = lower(lowest, (this.pending[i] as Entry).tx)
    this.#lowest[stretch] = lowest
  }
}

/** Of each the lower one. */
const lower = (a: Fees, b: Fees): Fees =>
  a.maxFeeWei <= b.maxFeeWei && a.maxTipWei <= b.maxTipWei
    ? a
    : { maxFeeWei: minBigint(a.maxFeeWei, b.maxFeeWei), maxTipWei: minBigint(a.maxTipWei, b.maxTipWei) }
