// Transaction pool with geth's rules: nonce queues per account, pending and queued, replacement, limits, eviction of the
// cheapest, expiry, revalidation of touched accounts. Owns which transactions a proposer may offer; checks no signature and
// reads state only by `admit`. Its content differs between honest nodes and reaches state through a block alone.
import { ByteMap } from '../base/bytemap.ts'
import { type Address, bytesToHex, type Hash } from '../base/bytes.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { minBigint } from '../base/math.ts'
import type { Clock, Meter, Pause } from '../base/ports.ts'
import type { PoolQueue, PoolView } from '../types/query.ts'
import type { AccountChange } from '../types/state.ts'
import type { Identity, Tx } from '../types/tx.ts'
import { Account, costOf, type Entry } from './account.ts'
import { type Best, bestOf, Heap, isDearer, tipWei } from './rank.ts'

export const PoolErrors = defineErrors('POOL', {
  KNOWN: { text: (d: { hash: string }) => `already known: ${d.hash}` },
  NONCE_TOO_LOW: {
    text: (d: { have: bigint; want: bigint }) => `nonce too low: next nonce ${d.want}, tx nonce ${d.have}`,
  },
  UNDERPRICED: {
    text: (d: { what: 'transaction' | 'replacement transaction'; why: string }) => `${d.what} underpriced: ${d.why}`,
  },
  FUNDS: {
    text: (d: { balance: bigint; pendingCost: bigint; cost: bigint }) =>
      `insufficient funds for gas * price + value: balance ${d.balance}, tx cost ${d.cost}` +
      (d.pendingCost > 0n ? `, pending transactions cost ${d.pendingCost}` : ''),
  },
  FULL: { text: (d: { what: string; limit: number }) => `txpool is full: ${d.limit} ${d.what}; try again later` },
  GAS_LIMIT: {
    text: (d: { have: bigint; max: bigint }) => `exceeds block gas limit: have ${d.have}, limit ${d.max}`,
  },
  TOO_LARGE: {
    text: (d: { size: number; max: number }) => `oversized data: transaction size ${d.size}, limit ${d.max}`,
  },
  ACCOUNT_LIMIT: {
    text: (d: { have: number; next: bigint }) =>
      `account limit exceeded: ${d.have} queued transactions wait for nonce ${d.next}; send that one first`,
  },
  BUSY: {
    rpc: -32005,
    text: (d: { waitingBytes: number }) =>
      `the node is busy: ${d.waitingBytes} bytes of transactions wait to be looked at; send this one again in a second`,
  },
  NOT_EOA: { text: (d: { address: string }) => `sender not an eoa: ${d.address} has code (EIP-3607)` },
})

export interface PoolLimits {
  readonly pendingMax: number
  readonly queuedMax: number
  readonly bytesMax: number
  readonly txBytesMax: number
  readonly queuedPerAccountMax: number
  /** Pending ones of an account that others' transactions push out only by price. */
  readonly pendingPerAccount: number
  readonly queuedLifeMs: number
}

/** The names are CometBFT's where it has one. */
const meters = (m: Meter) => ({
  size: m.gauge('mempool_size', 'Transactions in the pool'),
  pending: m.gauge('mempool_pending_txs', 'Of these, transactions that the next block may hold'),
  sizeBytes: m.gauge('mempool_size_bytes', 'Memory they take, by the pool’s own count'),
  failed: m.counter('mempool_failed_txs', 'Transactions refused, those that are known already aside'),
  evicted: m.counter('mempool_evicted_txs', 'Transactions pushed out or expired'),
})

/** A few blocks of 37,500; the rest is geth's. */
export const POOL_LIMITS: PoolLimits = {
  pendingMax: 150_000,
  queuedMax: 10_000,
  bytesMax: 96 * 1024 * 1024,
  txBytesMax: 128 * 1024,
  queuedPerAccountMax: 64,
  pendingPerAccount: 16,
  queuedLifeMs: 3 * 60 * 60 * 1_000,
}

export interface PoolDeps {
  /** The account at the head. Code is looked at where given: contracts sign nothing (EIP-3607). */
  readonly admit: (address: Address) => {
    readonly nonce: bigint
    readonly balance: bigint
    readonly code?: Uint8Array
  }
  readonly clock: Clock
  readonly meter?: Meter
  /** Between parts of what a block changed. */
  readonly pause?: Pause
}

export interface Committed {
  /** The block's transactions. */
  readonly txs: readonly Tx[]
  readonly changes: { readonly accounts: readonly Pick<AccountChange, 'address' | 'account'>[] }
  /** Of the next block. */
  readonly baseFeeWei: bigint
}

export interface Pool extends PoolView {
  /** `known`, which may be gone afterwards, spares asking the transaction. Throws POOL_*. */
  add(tx: Tx, known?: Identity): void
  /** Candidates at this base fee, in order, lazily. */
  best(baseFeeWei: bigint): Best
  /**
   * After each block: drops what is mined or unpayable, moves between queues, expires. Once `admit` answers for the new head. Until it is done
   * `best` may offer what is mined; what is added meanwhile is judged by the one state or the other, and looked at again with its account.
   */
  committed(block: Committed): Promise<void>
  /** Removes one that fails when it runs; its followers wait in the queue. */
  drop(hash: Hash): void
  /** The base fee by which the pool judges prices, until the next `committed`. */
  rebase(args: { readonly baseFeeWei: bigint }): void
  sizeBytes(): number
}

export function createPool(deps: PoolDeps, options: Partial<PoolLimits> & { readonly gasLimit: bigint }): Pool {
  return new TxPool(deps, { ...POOL_LIMITS, ...options })
}

type Place = 'pending' | 'queued'
/** What a newcomer is found by, which whoever brings it has at hand. */
type Name = Pick<Tx, 'hash' | 'from'>
/** A pending one that could leave: the last of its account, as it was when this was made. */
type Tail = { readonly entry: Entry; readonly overShare: boolean; readonly floorWei: bigint }
type Spare = { readonly entry: Entry; readonly tip: bigint }

const tailLeavesFirst = (a: Tail, b: Tail): boolean => {
  if (a.overShare !== b.overShare) return a.overShare
  return a.floorWei === b.floorWei ? a.entry.arrival > b.entry.arrival : a.floorWei < b.floorWei
}
const spareLeavesFirst = (a: Spare, b: Spare): boolean =>
  a.tip === b.tip ? a.entry.arrival > b.entry.arrival : a.tip < b.tip

const HEAP_SLACK = 1_024
/** Changed accounts between two pauses: some 2 ms. A full block changes 75,000, and 60 ms in one go were the longest that others waited. */
const SLICE_ACCOUNTS = 2_048
const DELEGATION_PREFIX = Uint8Array.of(0xef, 0x01, 0x00)
const isContract = (code: Uint8Array): boolean =>
  code.length > 0 && !(code.length === 23 && DELEGATION_PREFIX.every((byte, i) => code[i] === byte))

class TxPool implements Pool {
  readonly #deps: PoolDeps
  readonly #limits: PoolLimits & { readonly gasLimit: bigint }
  readonly #entries = new ByteMap<Entry>(32)
  readonly #accounts = new ByteMap<Account>(20)
  /** Queued ones and since when, oldest first. */
  readonly #aging = new Map<Entry, number>()
  /** Whose queue could go on and found no room. */
  readonly #stalled = new Set<Account>()
  readonly #count = { pending: 0, queued: 0 }
  readonly #meters: ReturnType<typeof meters> | null
  #bytes = 0
  #willMeasure = false
  #arrivals = 0
  #baseFeeWei = 0n
  /** Who leaves first. Made when the pool is full, stale items are skipped, forgotten when prices change. */
  #tails: Heap<Tail> | null = null
  #spares: Heap<Spare> | null = null

  constructor(deps: PoolDeps, limits: PoolLimits & { readonly gasLimit: bigint }) {
    this.#deps = deps
    this.#limits = limits
    this.#meters = deps.meter === undefined ? null : meters(deps.meter)
  }

  add(tx: Tx, { hash, from }: Identity = tx): void {
    // A peer says what we know already: that is no failure.
    if (this.#entries.get(hash) !== undefined) throw new NodeError(PoolErrors.KNOWN, { hash: bytesToHex(hash) })
    try {
      this.#admit(tx, { hash, from: from ?? tx.from })
    } catch (error) {
      this.#meters?.failed.add()
      throw error
    } finally {
      this.#measure()
    }
  }

  #admit(tx: Tx, name: Name): void {
    const { txBytesMax, gasLimit } = this.#limits
    if (tx.raw.length > txBytesMax) throw new NodeError(PoolErrors.TOO_LARGE, { size: tx.raw.length, max: txBytesMax })
    if (tx.gasLimit > gasLimit) throw new NodeError(PoolErrors.GAS_LIMIT, { have: tx.gasLimit, max: gasLimit })
    const account = this.#accountOf(name.from)
    if (tx.nonce < account.nonce) throw new NodeError(PoolErrors.NONCE_TOO_LOW, { have: tx.nonce, want: account.nonce })
    const old = account.at(tx.nonce)
    const entry: Entry = { tx, slot: -1, account, arrival: this.#arrivals++, place: 'new' }
    const cost = costOf(tx)
    checkFunds(account, cost, old)
    if (old !== undefined) this.#replace(old, entry, name)
    else if (tx.nonce === account.nextNonce) this.#addPending(entry, cost, name)
    else this.#addQueued(entry, name)
  }

  #accountOf(address: Address): Account {
    const known = this.#accounts.get(address)
    if (known !== undefined) return known
    const state = this.#deps.admit(address)
    if (state.code !== undefined && isContract(state.code))
      throw new NodeError(PoolErrors.NOT_EOA, { address: bytesToHex(address) })
    return new Account(state)
  }

  #replace(old: Entry, entry: Entry, name: Name): void {
    if (!isDearer(entry.tx, old.tx)) {
      const { maxFeeWei: fee, maxTipWei: tip } = old.tx
      const why = `it needs 10 % more than fee ${fee} and tip ${tip} of the transaction it replaces`
      throw new NodeError(PoolErrors.UNDERPRICED, { what: 'replacement transaction', why })
    }
    const place = old.place === 'queued' ? 'queued' : 'pending'
    const fault = this.#makeRoom(entry, place, old)
    if (fault !== null) throw this.#refused(entry, fault)
    old.account.swap(old, entry)
    this.#leave(old)
    this.#enter(entry, place, name)
    this.#promote(entry.account)
    this.#noteTail(entry.account)
  }

  #addPending(entry: Entry, cost: bigint, name: Name): void {
    const fault = this.#makeRoom(entry, 'pending', null)
    if (fault !== null) throw this.#refused(entry, fault)
    entry.account.append(entry, cost)
    this.#enter(entry, 'pending', name)
    this.#promote(entry.account)
    this.#noteTail(entry.account)
  }

  #addQueued(entry: Entry, name: Name): void {
    const { account } = entry
    const have = account.queued.length
    if (have >= this.#limits.queuedPerAccountMax)
      throw new NodeError(PoolErrors.ACCOUNT_LIMIT, { have, next: account.nextNonce })
    const fault = this.#makeRoom(entry, 'queued', null)
    if (fault !== null) throw this.#refused(entry, fault)
    account.enqueue(entry)
    this.#enter(entry, 'queued', name)
  }

  /** Making room may have emptied the newcomer's own account. */
  #refused(entry: Entry, fault: NodeError): NodeError {
    this.#forgetIfEmpty(entry.account)
    return fault
  }

  #enter(entry: Entry, place: Place, { hash, from }: Name): void {
    entry.place = place
    entry.slot = this.#entries.set(hash, entry)
    if (entry.account.slot < 0) entry.account.slot = this.#accounts.set(from, entry.account)
    this.#count[place]++
    this.#bytes += entry.tx.raw.length
    if (place === 'queued') this.#startAging(entry)
  }

  #startAging(entry: Entry): void {
    this.#aging.set(entry, this.#deps.clock.nowMs())
    this.#spares?.push({ entry, tip: tipWei(entry.tx, this.#baseFeeWei) })
  }

  /** Takes an entry out of the books; its account's list is the caller's. */
  readonly #leave = (entry: Entry): void => {
    assert(entry.place === 'pending' || entry.place === 'queued', 'what leaves was in the pool')
    this.#count[entry.place]--
    this.#bytes -= entry.tx.raw.length
    if (entry.place === 'queued') this.#aging.delete(entry)
    entry.place = 'gone'
    this.#entries.remove(entry.slot)
  }

  #forgetIfEmpty(account: Account): void {
    if (account.slot < 0 || !account.isEmpty) return
    this.#accounts.remove(account.slot)
    account.slot = -1
    this.#stalled.delete(account)
  }

  /** Moves what follows without a gap and can be paid from queued to pending. */
  #promote(account: Account): void {
    this.#stalled.delete(account)
    for (let entry = account.queued[0]; entry !== undefined; entry = account.queued[0]) {
      if (entry.tx.nonce !== account.nextNonce) return
      const cost = costOf(entry.tx)
      if (account.pendingCost + cost > account.balance) return
      // Room is made of others' transactions only: an account's own are never pushed out for its later ones.
      if (this.#makeRoom(entry, 'pending', entry) !== null) {
        this.#stalled.add(account)
        return
      }
      account.takeQueued('first')
      account.append(entry, cost)
      this.#aging.delete(entry)
      this.#count.queued--
      this.#count.pending++
      entry.place = 'pending'
    }
  }

  /** Moves pending ones from an index on into the queue, as far as that has room; the rest, of the highest nonces, leaves. */
  #demote(account: Account, from: number): void {
    const moved = account.cut(from)
    for (const entry of moved) {
      this.#count.pending--
      this.#count.queued++
      entry.place = 'queued'
      this.#startAging(entry)
    }
    account.enqueueFirst(moved)
    const { queuedPerAccountMax, queuedMax } = this.#limits
    while (account.queued.length > 0 && (account.queued.length > queuedPerAccountMax || this.#count.queued > queuedMax))
      this.#evict(account.takeQueued('last') as Entry)
  }

  #evict(entry: Entry): void {
    this.#leave(entry)
    this.#meters?.evicted.add()
  }

  /**
   * Pushes out what is worth less until `entry` fits into `place`; `from` is the entry whose space it takes over. Returns the
   * refusal where that is not allowed.
   */
  #makeRoom(entry: Entry, place: Place, from: Entry | null): NodeError | null {
    const { pendingMax, queuedMax, bytesMax } = this.#limits
    const grows = from === null || from.place !== place ? 1 : 0
    const max = place === 'pending' ? pendingMax : queuedMax
    const bytes = entry.tx.raw.length - (from?.tx.raw.length ?? 0)
    while (this.#count[place] + grows > max || this.#bytes + bytes > bytesMax) {
      const byCount = this.#count[place] + grows > max
      const full = byCount
        ? new NodeError(PoolErrors.FULL, { what: `${place} transactions`, limit: max })
        : new NodeError(PoolErrors.FULL, { what: 'bytes', limit: bytesMax })
      const fault = byCount
        ? this.#evictFrom(place, entry, place, full)
        : this.#count.queued > 0 && this.#evictFrom('queued', entry, place, full) === null
          ? null
          : place === 'queued'
            ? full
            : this.#evictFrom('pending', entry, place, full)
      if (fault !== null) return fault
    }
    return null
  }

  #evictFrom(place: Place, entry: Entry, goal: Place, full: NodeError): NodeError | null {
    return place === 'pending' ? this.#evictTail(entry, full) : this.#evictSpare(entry, goal, full)
  }

  /** The cheapest queued one, if `entry` will be pending or pays more. */
  #evictSpare(entry: Entry, goal: Place, full: NodeError): NodeError | null {
    this.#spares ??= new Heap(
      [...this.#aging.keys()].map((spare) => ({ entry: spare, tip: tipWei(spare.tx, this.#baseFeeWei) })),
      spareLeavesFirst,
    )
    let spare = this.#spares.peek()
    while (spare !== undefined && spare.entry.place !== 'queued') {
      this.#spares.pop()
      spare = this.#spares.peek()
    }
    if (spare === undefined) return full
    const { account } = spare.entry
    if (goal === 'queued' && spare.tip >= tipWei(entry.tx, this.#baseFeeWei)) return full
    // The one that `entry` replaces gives up its space anyway.
    if (account === entry.account && spare.entry.tx.nonce === entry.tx.nonce) return full
    this.#spares.pop()
    account.unqueue(spare.entry)
    this.#evict(spare.entry)
    if (account !== entry.account) this.#forgetIfEmpty(account)
    return null
  }

  /** The last of an account above its share, cheapest first; else the cheapest last of all, if `entry` pays more. */
  #evictTail(entry: Entry, full: NodeError): NodeError | null {
    this.#tails ??= this.#allTails()
    const tails = this.#tails
    let own: Tail | null = null
    let tail = tails.peek()
    while (tail !== undefined && (tail.entry.account === entry.account || !this.#isCurrent(tail))) {
      const popped = tails.pop() as Tail
      if (popped.entry.account === entry.account && this.#isCurrent(popped)) own = popped
      tail = tails.peek()
    }
    if (own !== null) tails.push(own)
    if (tail === undefined) return full
    const underShare = entry.account.pendingCount < this.#limits.pendingPerAccount
    const isEntitled = underShare && tail.overShare
    if (!isEntitled) {
      if (!underShare && !tail.overShare) return full
      const floorWei = this.#floorFor(entry)
      if (tail.floorWei >= floorWei) {
        const why = `the pool is full and takes only tips above ${tail.floorWei}, this one offers ${floorWei}`
        return new NodeError(PoolErrors.UNDERPRICED, { what: 'transaction', why })
      }
    }
    const { account } = tail.entry
    account.cut(account.pendingCount - 1)
    this.#evict(tail.entry)
    this.#noteTail(account)
    this.#forgetIfEmpty(account)
    return null
  }

  /** What `entry` is worth behind the pending ones of its account. */
  #floorFor(entry: Entry): bigint {
    const own = tipWei(entry.tx, this.#baseFeeWei)
    const before = entry.account.floor()
    if (before === null || entry.tx.nonce < entry.account.nextNonce) return own
    return minBigint(tipWei(before, this.#baseFeeWei), own)
  }

  #allTails(): Heap<Tail> {
    const tails: Tail[] = []
    this.#accounts.each((account) => {
      const tail = this.#tailOf(account)
      if (tail !== null) tails.push(tail)
    })
    return new Heap(tails, tailLeavesFirst)
  }

  #tailOf(account: Account): Tail | null {
    const entry = account.last
    const floor = account.floor()
    if (entry === undefined || floor === null) return null
    const overShare = account.pendingCount > this.#limits.pendingPerAccount
    return { entry, overShare, floorWei: tipWei(floor, this.#baseFeeWei) }
  }

  #isCurrent(tail: Tail): boolean {
    const now = this.#tailOf(tail.entry.account)
    return (
      now !== null && now.entry === tail.entry && now.overShare === tail.overShare && now.floorWei === tail.floorWei
    )
  }

  #noteTail(account: Account): void {
    if (this.#tails === null) return
    const tail = this.#tailOf(account)
    if (tail !== null) this.#tails.push(tail)
    if (this.#tails.size > 2 * this.#accounts.size + HEAP_SLACK) this.#tails = null
  }

  rebase({ baseFeeWei }: { readonly baseFeeWei: bigint }): void {
    this.#baseFeeWei = baseFeeWei
    this.#tails = null
    this.#spares = null
  }

  async committed({ txs, changes, baseFeeWei }: Committed): Promise<void> {
    this.rebase({ baseFeeWei })
    for (const [i, { address, account: state }] of changes.accounts.entries()) {
      const account = this.#accounts.get(address)
      if (account !== undefined) this.#revalidate(account, state ?? { nonce: 0n, balance: 0n })
      if (i % SLICE_ACCOUNTS === SLICE_ACCOUNTS - 1) await this.#deps.pause?.()
    }
    // A spot check that the changes are this block's: all 37,500 would cost 20 ms.
    for (let i = 0; i < txs.length; i += Math.ceil(txs.length / 16))
      assert(this.get((txs[i] as Tx).hash) === null, 'a mined transaction has used its nonce')
    this.#expire()
    for (const account of [...this.#stalled]) {
      this.#promote(account)
      this.#noteTail(account)
    }
    this.#measure()
  }

  /** Once for all that happens in one go: an admission costs little more than three gauges. */
  #measure(): void {
    if (this.#meters === null || this.#willMeasure) return
    this.#willMeasure = true
    queueMicrotask(() => {
      this.#willMeasure = false
      this.#meters?.size.set(this.#entries.size)
      this.#meters?.pending.set(this.#count.pending)
      this.#meters?.sizeBytes.set(this.#bytes)
    })
  }

  #revalidate(account: Account, state: { readonly nonce: bigint; readonly balance: bigint }): void {
    account.advance(state, this.#leave)
    if (account.pendingCost > account.balance) this.#cutUnpayable(account)
    for (const entry of account.queued.filter(({ tx }) => costOf(tx) > account.balance)) {
      account.unqueue(entry)
      this.#evict(entry)
    }
    this.#promote(account)
    this.#noteTail(account)
    this.#forgetIfEmpty(account)
  }

  /** What the balance does not cover waits in the queue; what it could never cover leaves. */
  #cutUnpayable(account: Account): void {
    let cost = 0n
    const at = account.pending().findIndex(({ tx }) => {
      cost += costOf(tx)
      return cost > account.balance
    })
    assert(at >= 0, 'the costs sum to more than the balance')
    this.#demote(account, at)
  }

  #expire(): void {
    const bornBefore = this.#deps.clock.nowMs() - this.#limits.queuedLifeMs
    for (const [entry, sinceMs] of this.#aging) {
      if (sinceMs > bornBefore) return
      const { account } = entry
      account.unqueue(entry)
      this.#evict(entry)
      this.#forgetIfEmpty(account)
    }
  }

  drop(hash: Hash): void {
    const entry = this.#entries.get(hash)
    if (entry === undefined) return
    const { account } = entry
    if (entry.place === 'pending') {
      const at = Number(entry.tx.nonce - account.nonce)
      this.#demote(account, at + 1)
      account.cut(at)
    } else account.unqueue(entry)
    this.#evict(entry)
    this.#noteTail(account)
    this.#forgetIfEmpty(account)
    this.#measure()
  }

  best(baseFeeWei: bigint): Best {
    return bestOf((say) => this.#accounts.each(say), this.#accounts.size, baseFeeWei)
  }

  status(): { readonly pending: number; readonly queued: number } {
    return { ...this.#count }
  }

  get(hash: Hash): Tx | null {
    return this.#entries.get(hash)?.tx ?? null
  }

  of(address: Address): PoolQueue {
    const account = this.#accounts.get(address)
    const txsOf = (entries: readonly Entry[]): Tx[] => entries.map(({ tx }) => tx)
    return { pending: txsOf(account?.pending() ?? []), queued: txsOf(account?.queued ?? []) }
  }

  senders(): readonly Address[] {
    const out: Address[] = []
    this.#accounts.each(({ address }) => out.push(address))
    return out
  }

  nextNonce(address: Address): bigint {
    return this.#accounts.get(address)?.nextNonce ?? this.#deps.admit(address).nonce
  }

  sizeBytes(): number {
    return this.#bytes
  }
}

/** geth's rule: the balance covers this one and all pending ones, less the one it replaces. */
const checkFunds = ({ balance, pendingCost: all }: Account, cost: bigint, old: Entry | undefined): void => {
  const pendingCost = old?.place === 'pending' ? all - costOf(old.tx) : all
  if (cost + pendingCost > balance) throw new NodeError(PoolErrors.FUNDS, { balance, pendingCost, cost })
}
