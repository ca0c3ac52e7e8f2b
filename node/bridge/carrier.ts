// What a relayer sends to one chain: a few transactions under way at a time, on disk before anybody sees them, with the poster's bids. Owns that
// record, the account's nonces and its balance. What is in a transaction, and whether it is wanted still, is `relayer.ts`'s.
import {
  type Address,
  asAddress,
  asHash,
  bytesToHex,
  equalBytes,
  type Hash,
  hexToBytes,
} from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, NodeError } from '../../chain/base/errors.ts'
import { mulDivUp } from '../../chain/base/math.ts'
import type { Clock, Log } from '../../chain/base/ports.ts'
import { asBigint, asBytes, asList, decodeRlp, encodeRlp, type Rlp, rlpInt } from '../../chain/base/rlp.ts'
import type { LogFile } from '../../chain/store/wal.ts'
import type { ReporterAccount } from '../reporter.ts'
import { type FeeCaps, firstBid, raisedBid } from '../rollup/fees.ts'
import { type L1, type L1Block, L1Errors } from '../rollup/l1.ts'
import { LaneErrors } from './lane.ts'

export interface CarrierDeps {
  readonly l1: L1
  readonly account: ReporterAccount
  readonly file: LogFile
  readonly clock: Clock
  readonly log: Log
}
export interface CarrierOptions {
  readonly chain: bigint
  /** Of the bridge there: every transaction is a call of it. */
  readonly contract: Address
  /** Most for a unit of gas, and what is bid first for whoever includes it. */
  readonly maxFeeWei: bigint
  readonly tipWei: bigint
  /** Less than this on the account is told. */
  readonly lowBalanceWei: bigint
  /** Transactions under way at once. It begins with one, and again after one that did not do what it was to. */
  readonly inFlightMax: number
}

/** A call that brings a message; `deed` says what it does with it. */
export interface Order {
  /** Of the message. */
  readonly id: Hash
  readonly source: bigint
  readonly sequence: bigint
  readonly deed: string
  readonly data: Uint8Array
}
export interface UnderWay extends Order, FeeCaps {
  readonly nonce: bigint
  readonly gasLimit: bigint
  /** The newest attempt, and the hashes of all. */
  readonly raw: Uint8Array
  readonly hashes: readonly Hash[]
}
/** One moment of a chain, as its endpoint has it. */
export interface ChainView {
  readonly final: L1Block
  readonly latest: L1Block
  readonly nonce: bigint
  readonly balanceWei: bigint
}
/** What became of a transaction that is under way no more. */
export type Outcome = 'included' | 'reverted' | 'lost'
export interface Ended {
  readonly record: UnderWay
  readonly outcome: Outcome
}
/** `full`: the balance lasts for no more at once. `awaited`: what waits in the endpoint's pool does it already. */
export type Sending = 'sent' | 'fee' | 'balance' | 'full' | 'awaited' | { readonly refused: string }
/** How a refusal is named, and whether what others sent and is in no block yet counts. */
export interface Trial {
  readonly explain: (output: Uint8Array) => string
  readonly believesPool: boolean
}

const BOUNDS = {
  /** Between two bids. */
  raiseMs: 15_000,
  attempts: 128,
  /** Between two warnings of one kind. */
  quietMs: 600_000,
} as const
/** Over the estimate: state may change before the transaction is in a block. */
const GAS_SLACK_PERCENT = 20n
const GAS_SLACK = 50_000n

export class Carrier {
  readonly options: CarrierOptions
  /** Of the account: as good as drawn, and another one's is another. */
  readonly mark: Hash
  readonly #deps: CarrierDeps
  readonly #warned = new Map<string, number>()
  /** By nonce. */
  #records: readonly UnderWay[]
  /** By nonce, when this process gave it to the endpoint. */
  readonly #sentMs = new Map<bigint, number>()
  /** The lowest nonce that is under way, and since when it is. */
  #first = { nonce: -1n, sinceMs: 0 }
  /** By nonce, what may still wait in pools and is under way no more. */
  readonly #floors = new Map<bigint, FeeCaps>()
  /** How many may be under way now. */
  #width = 1
  #view: ChainView | null = null

  private constructor(deps: CarrierDeps, options: CarrierOptions, records: readonly UnderWay[]) {
    this.#deps = deps
    this.options = options
    this.mark = keccak(deps.account.address)
    this.#records = records
  }

  /** A record that is damaged, or of another account or chain, is put aside: the contracts know what was done. Throws WAL_*. */
  static async open(deps: CarrierDeps, options: CarrierOptions): Promise<Carrier> {
    const bytes = await deps.file.read()
    const records = bytes.length === 0 ? [] : decodeRecords(bytes, ownerOf(deps, options))
    if (records === null)
      deps.log.warn(
        { file: deps.file.name },
        'the record of transactions is damaged or another account’s, and is put aside',
      )
    return new Carrier(deps, options, records ?? [])
  }

  /** By nonce. */
  get records(): readonly UnderWay[] {
    return this.#records
  }
  carries(id: Hash): boolean {
    return this.#records.some((each) => equalBytes(each.id, id))
  }
  isSent({ nonce }: UnderWay): boolean {
    return this.#sentMs.has(nonce)
  }
  /** Whether one more may be sent. Not over a gap that this account did not leave itself: a pool may bring back what a reorganisation took away. */
  hasRoom({ nonce }: ChainView): boolean {
    const [first] = this.#records
    if (first === undefined) return true
    return this.#records.length < this.#width && (first.nonce <= nonce || this.#floors.has(nonce))
  }
  /** As it was last seen; null before that. */
  get view(): ChainView | null {
    return this.#view
  }

  /** Throws L1_*, and RELAY_BACKWARDS: an endpoint that takes back what was final is not believed. */
  async look(): Promise<ChainView> {
    const { l1, account } = this.#deps
    const { chain } = this.options
    // In this order: what is final when it is asked is no newer than what is the newest after.
    const final = await l1.block('finalized')
    const had = this.#view?.final
    if (had !== undefined && final.number < had.number)
      throw new NodeError(LaneErrors.BACKWARDS, { chain, had: had.number, have: final.number })
    if (had !== undefined && final.number === had.number && !equalBytes(final.hash, had.hash))
      throw new NodeError(LaneErrors.REORGANISED, { chain, height: final.number })
    const latest = await l1.block('latest')
    if (latest.number < final.number)
      throw new NodeError(LaneErrors.BACKWARDS, { chain, had: final.number, have: latest.number })
    const [nonce, balanceWei] = await Promise.all([
      l1.nonce(account.address, latest.hash),
      l1.balance(account.address, latest.hash),
    ])
    this.#view = { final, latest, nonce, balanceWei }
    if (balanceWei < this.options.lowBalanceWei)
      this.#warn('low', { balanceWei: `${balanceWei}` }, 'the relayer’s account runs out of gas money: send it some')
    return this.#view
  }

  /** Whether the lowest that is under way may be left, or paid more for. */
  get isStale(): boolean {
    const [first] = this.#records
    const sentMs = first && this.#sentMs.get(first.nonce)
    if (first === undefined || sentMs === undefined) return true
    const sinceMs = this.#first.nonce === first.nonce ? Math.max(sentMs, this.#first.sinceMs) : sentMs
    return this.#deps.clock.nowMs() >= sinceMs + BOUNDS.raiseMs
  }

  /** The next step of all that is under way: the lowest nonce is paid more for, the others wait behind it. Answers what is over. */
  async follow({ latest, nonce, balanceWei }: ChainView): Promise<readonly Ended[]> {
    const ended: Ended[] = []
    for (const record of this.#records)
      if (record.nonce < nonce) ended.push({ record, outcome: await this.#outcomeOf(record) })
    if (ended.length > 0) await this.#keep(this.#records.filter((each) => each.nonce >= nonce))
    for (const each of this.#floors.keys()) if (each < nonce) this.#floors.delete(each)
    for (const { outcome } of ended)
      this.#width = outcome === 'included' ? Math.min(this.options.inFlightMax, this.#width + 1) : 1
    const [first] = this.#records
    if (first === undefined) return ended
    const [isStale, wasSent] = [this.isStale, this.isSent(first)]
    if (this.#first.nonce !== first.nonce) this.#first = { nonce: first.nonce, sinceMs: this.#deps.clock.nowMs() }
    for (const record of this.#records) if (!this.isSent(record)) await this.#broadcast(record)
    if (!isStale || !wasSent) return ended
    if (first.nonce > nonce) {
      for (const record of this.#records) ended.push(await this.giveUp(record, 'nonce gap'))
      return ended
    }
    const bid = raisedBid(first, latest.baseFeeWei, this.options.maxFeeWei)
    const othersWei = this.#costWei - costOf(first)
    // A pool may have dropped it.
    if (bid === null || balanceWei < othersWei + first.gasLimit * bid.maxFeeWei) await this.#broadcast(first)
    else if (first.hashes.length >= BOUNDS.attempts) ended.push(await this.giveUp(first, 'too many attempts'))
    else await this.#broadcast(await this.#sign({ ...first, ...bid }))
    return ended
  }

  /** Its nonce is free for another, which has to pay more than it. */
  async giveUp(record: UnderWay, reason: string): Promise<Ended> {
    this.#deps.log.info({ ...this.#shown(record), reason }, 'a transaction of the relayer is left')
    this.#floors.set(record.nonce, { maxFeeWei: record.maxFeeWei, maxTipWei: record.maxTipWei })
    this.#width = 1
    await this.#keep(this.#records.filter((each) => each !== record))
    return { record, outcome: 'lost' }
  }

  async #outcomeOf(record: UnderWay): Promise<Outcome> {
    for (const hash of record.hashes.toReversed()) {
      const receipt = await this.#deps.l1.receipt(hash)
      if (receipt === null) continue
      const facts = { ...this.#shown(record), gas: `${receipt.gasUsed}` }
      if (receipt.isSuccess) this.#deps.log.info(facts, 'a message is brought')
      else this.#deps.log.warn(facts, 'a transaction of the relayer reverted in its block')
      return receipt.isSuccess ? 'included' : 'reverted'
    }
    this.#deps.log.info(this.#shown(record), 'the account sent something else with that nonce')
    return 'lost'
  }

  /** What all that is under way may cost. */
  get #costWei(): bigint {
    return this.#records.reduce((sum, each) => sum + costOf(each), 0n)
  }

  /** Signs, records and sends a call. Throws L1_*, WAL_*. */
  async send(view: ChainView, order: Order, trial: Trial): Promise<Sending> {
    assert(this.hasRoom(view), 'a few transactions are under way at a time')
    const { latest, balanceWei } = view
    const nonce = this.#freeNonce(view.nonce)
    const gas = await this.#estimate(order, trial.explain)
    if (typeof gas === 'string') return { refused: gas }
    if (trial.believesPool && (await this.#isAwaited(order))) return 'awaited'
    const { tipWei, maxFeeWei: most } = this.options
    const over = this.#floors.get(nonce) ?? null
    const prices = { baseFeeWei: latest.baseFeeWei, tipWei }
    // What was bid before may be above what can be outbid: where it waits no more this goes through, and else the pool refuses it.
    const bid = firstBid(prices, over, most) ?? firstBid(prices, null, most)
    if (bid === null) {
      this.#warn(
        'fee',
        { baseFeeWei: `${latest.baseFeeWei}`, mostWei: `${most}` },
        'gas is dearer than may be paid: messages wait',
      )
      return 'fee'
    }
    const gasLimit = mulDivUp(gas, 100n + GAS_SLACK_PERCENT, 100n) + GAS_SLACK
    if (balanceWei < this.#costWei + gasLimit * bid.maxFeeWei) {
      if (this.#records.length > 0) return 'full'
      this.#warn(
        'balance',
        { balanceWei: `${balanceWei}`, neededWei: `${gasLimit * bid.maxFeeWei}` },
        'messages wait for funds of the relayer',
      )
      return 'balance'
    }
    await this.#broadcast(await this.#sign({ ...order, ...bid, nonce, gasLimit, hashes: [] }))
    return 'sent'
  }
  #freeNonce(from: bigint): bigint {
    const taken = new Set(this.#records.map(({ nonce }) => nonce))
    let free = from
    while (taken.has(free)) free++
    return free
  }

  /** Why it would revert, where it would. */
  async #estimate({ data }: Order, explain: (output: Uint8Array) => string): Promise<bigint | string> {
    const { l1, account } = this.#deps
    try {
      return await l1.estimate({ from: account.address, to: this.options.contract, data })
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== L1Errors.REFUSED.code) throw error
      const { output } = error.data as { readonly output: string | null } // L1_REFUSED has it
      return output === null || output === '0x' ? error.message : explain(hexToBytes(output))
    }
  }

  /** Right before it is sent: whether it would revert after what waits in the pool, by an endpoint that runs that. */
  async #isAwaited({ data }: Order): Promise<boolean> {
    const { l1, account } = this.#deps
    try {
      await l1.estimate({ from: account.address, to: this.options.contract, data }, 'pending')
      return false
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== L1Errors.REFUSED.code) throw error
      const { output } = error.data as { readonly output: string | null } // L1_REFUSED has it
      return output !== null && output !== '0x' // else it is no revert: the endpoint knows no such state
    }
  }

  /** On disk before anybody sees it. */
  async #sign(next: Omit<UnderWay, 'raw'>): Promise<UnderWay> {
    const { account } = this.#deps
    const { chain: chainId, contract: to } = this.options
    const { nonce, data, gasLimit, maxFeeWei, maxTipWei } = next
    const raw = await account.sign({ chainId, nonce, to, data, gasLimit, maxFeeWei, maxTipWei })
    const record = { ...next, raw, hashes: [...next.hashes, keccak(raw)] }
    const others = this.#records.filter((each) => each.nonce !== nonce)
    await this.#keep([...others, record].sort((a, b) => Number(a.nonce - b.nonce)))
    return record
  }
  async #keep(records: readonly UnderWay[]): Promise<void> {
    await this.#deps.file.replace(
      records.length === 0 ? new Uint8Array(0) : encodeRecords(records, ownerOf(this.#deps, this.options)),
    )
    this.#records = records
    for (const nonce of this.#sentMs.keys())
      if (!records.some((each) => each.nonce === nonce)) this.#sentMs.delete(nonce)
  }

  /** What the endpoint says of it is told and no more: the next look at the contract shows what became of it. */
  async #broadcast(record: UnderWay): Promise<void> {
    const { l1, clock, log } = this.#deps
    this.#sentMs.set(record.nonce, clock.nowMs())
    await l1.send(record.raw).catch((error: unknown) => {
      if (!(error instanceof NodeError) || !error.code.startsWith('L1_')) throw error
      log.debug(
        { ...this.#shown(record), reason: error.message },
        'an endpoint does not take a transaction of the relayer',
      )
    })
    log.debug(this.#shown(record), 'a message is on its way')
  }

  #shown({ source, sequence, deed, nonce, hashes }: UnderWay): object {
    const tx = hashes.at(-1)
    return {
      ...{ from: `${source}`, to: `${this.options.chain}`, sequence: `${sequence}`, deed, nonce: `${nonce}` },
      tx: tx === undefined ? null : bytesToHex(tx),
    }
  }

  #warn(about: string, facts: object, text: string): void {
    const nowMs = this.#deps.clock.nowMs()
    const last = this.#warned.get(about)
    if (last !== undefined && nowMs < last + BOUNDS.quietMs) return
    this.#warned.set(about, nowMs)
    const account = bytesToHex(this.#deps.account.address)
    this.#deps.log.warn({ chain: `${this.options.chain}`, account, ...facts }, text)
  }
}

interface Owner {
  readonly chain: bigint
  readonly contract: Address
  readonly account: Address
}
const ownerOf = ({ account }: CarrierDeps, { chain, contract }: CarrierOptions): Owner => ({
  ...{ chain, contract, account: account.address },
})

const costOf = ({ gasLimit, maxFeeWei }: UnderWay): bigint => gasLimit * maxFeeWei

const encodeRecords = (records: readonly UnderWay[], { chain, contract, account }: Owner): Uint8Array => {
  const list = records.map(
    ({ id, source, sequence, deed, data, maxFeeWei, maxTipWei, nonce, gasLimit, raw, hashes }) => [
      ...[id, rlpInt(source), rlpInt(sequence), new TextEncoder().encode(deed), data],
      ...[rlpInt(maxFeeWei), rlpInt(maxTipWei), rlpInt(nonce), rlpInt(gasLimit), raw, hashes],
    ],
  )
  const body = encodeRlp([rlpInt(chain), contract, account, list])
  return encodeRlp([keccak(body), body])
}
/** null: not what was written, or another's. */
const decodeRecords = (bytes: Uint8Array, owner: Owner): readonly UnderWay[] | null => {
  try {
    const [sum, body] = asList(decodeRlp(bytes), 2).map((each) => asBytes(each))
    if (sum === undefined || body === undefined || !equalBytes(keccak(body), sum)) return null
    const [chain, contract, account, list] = asList(decodeRlp(body), 4)
    const isOwn =
      asBigint(chain) === owner.chain &&
      equalBytes(asAddress(asBytes(contract, 20)), owner.contract) &&
      equalBytes(asAddress(asBytes(account, 20)), owner.account)
    return isOwn ? asList(list).map(recordIn) : null
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
  }
}
const recordIn = (item: Rlp): UnderWay => {
  const [id, source, sequence, deed, data, ...rest] = asList(item, 11)
  const [maxFee, maxTip, nonce, gasLimit, raw, hashes] = rest
  return {
    ...{ id: asHash(asBytes(id, 32)), source: asBigint(source), sequence: asBigint(sequence) },
    ...{ deed: new TextDecoder().decode(asBytes(deed)), data: asBytes(data) },
    ...{ maxFeeWei: asBigint(maxFee), maxTipWei: asBigint(maxTip) },
    ...{ nonce: asBigint(nonce), gasLimit: asBigint(gasLimit), raw: asBytes(raw) },
    hashes: asList(hashes).map((each) => asHash(asBytes(each, 32))),
  }
}
