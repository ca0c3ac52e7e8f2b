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
  readonly local: boolean
  /** The most it can take from the sender: gas limit x fee + value. */
  readonly cost: bigint
  readonly sizeBytes: number
  place: 'new' | 'pending' | 'queued' | 'gone'
  queuedSinceMs: number
  /** Lowest fee and tip among the account's pending up to here: this one is worth no more, for they go first. */
  feeFloorWei: bigint
  tipFloorWei: bigint
}

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
    const before = this.pending[this.pending.length - 1]
    setFloor(entry, before)
    this.pending.push(entry)
    this.pendingCost += entry.cost
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
    this.refloor(at)
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
    return out
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
    if (used > 0) this.refloor(0)
    return out
  }

  private refloor(from: number): void {
    for (let i = from; i < this.pending.length; i++) setFloor(this.pending[i] as Entry, this.pending[i - 1])
  }
}

const setFloor = (entry: Entry, before: Entry | undefined): void => {
  const { maxFeeWei, maxTipWei } = entry.tx
  entry.feeFloorWei = before === undefined ? maxFeeWei : minBigint(before.feeFloorWei, maxFeeWei)
  entry.tipFloorWei = before === undefined ? maxTipWei : minBigint(before.tipFloorWei, maxTipWei)
}
