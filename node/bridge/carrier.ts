// What a relayer sends to one chain: one transaction under way at a time, on disk before anybody sees it, with the poster's bids. Owns that
// record, the account's nonce and its balance. What is in a transaction, and whether it is wanted still, is `relayer.ts`'s.
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
import { asBigint, asBytes, asList, decodeRlp, encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
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
/** What became of the transaction under way: it is, or it is over. */
export type Outcome = 'waits' | 'included' | 'reverted' | 'lost'
/** `awaited`: what waits in the endpoint's pool does it already. */
export type Sending = 'sent' | 'fee' | 'balance' | 'awaited' | { readonly refused: string }
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
  #record: UnderWay | null
  /** When this process gave it to the endpoint; null: it has not. */
  #sentMs: number | null = null
  /** What may still wait in pools with a nonce that is to be used again. */
  #floor: (FeeCaps & { readonly nonce: bigint }) | null = null
  #view: ChainView | null = null

  private constructor(deps: CarrierDeps, options: CarrierOptions, record: UnderWay | null) {
    this.#deps = deps
    this.options = options
    this.mark = keccak(deps.account.address)
    this.#record = record
  }

  /** A record that is damaged, or of another account or chain, is put aside: the contracts know what was done. Throws WAL_*. */
  static async open(deps: CarrierDeps, options: CarrierOptions): Promise<Carrier> {
    const bytes = await deps.file.read()
    const record = bytes.length === 0 ? null : decodeRecord(bytes, ownerOf(deps, options))
    if (bytes.length > 0 && record === null)
      deps.log.warn(
        { file: deps.file.name },
        'the record of a transaction is damaged or another account’s, and is put aside',
      )
    return new Carrier(deps, options, record)
  }

  get record(): UnderWay | null {
    return this.#record
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

  /** Whether the transaction under way may be left, or paid more for. */
  get isStale(): boolean {
    return this.#sentMs === null || this.#deps.clock.nowMs() >= this.#sentMs + BOUNDS.raiseMs
  }

  /** The next step of what is under way. */
  async follow({ latest, nonce, balanceWei }: ChainView): Promise<Outcome> {
    const record = this.#record
    assert(record !== null, 'something is under way')
    if (nonce > record.nonce) return this.#spent(record)
    if (nonce < record.nonce) return this.isStale ? this.giveUp('nonce gap') : 'waits'
    if (this.#sentMs !== null && !this.isStale) return 'waits'
    if (this.#sentMs === null) return this.#broadcast(record)
    const bid = raisedBid(record, latest.baseFeeWei, this.options.maxFeeWei)
    // A pool may have dropped it.
    if (bid === null || balanceWei < record.gasLimit * bid.maxFeeWei) return this.#broadcast(record)
    if (record.hashes.length >= BOUNDS.attempts) return this.giveUp('too many attempts')
    await this.#sign({ ...record, ...bid })
    return this.#broadcast(this.#record ?? record)
  }

  /** Its nonce is free for another, which has to pay more than it. */
  async giveUp(reason: string): Promise<Outcome> {
    const record = this.#record
    assert(record !== null, 'something is under way')
    this.#deps.log.info({ ...this.#shown(record), reason }, 'a transaction of the relayer is left')
    this.#floor = { maxFeeWei: record.maxFeeWei, maxTipWei: record.maxTipWei, nonce: record.nonce }
    await this.#clear()
    return 'lost'
  }

  async #spent(record: UnderWay): Promise<Outcome> {
    for (const hash of record.hashes.toReversed()) {
      const receipt = await this.#deps.l1.receipt(hash)
      if (receipt === null) continue
      await this.#clear()
      const facts = { ...this.#shown(record), gas: `${receipt.gasUsed}` }
      if (receipt.isSuccess) this.#deps.log.info(facts, 'a message is brought')
      else this.#deps.log.warn(facts, 'a transaction of the relayer reverted in its block')
      return receipt.isSuccess ? 'included' : 'reverted'
    }
    this.#deps.log.info(this.#shown(record), 'the account sent something else with that nonce')
    await this.#clear()
    return 'lost'
  }

  /** Signs, records and sends a call. Throws L1_*, WAL_*. */
  async send(view: ChainView, order: Order, trial: Trial): Promise<Sending> {
    assert(this.#record === null, 'one transaction is under way at a time')
    const { nonce, latest, balanceWei } = view
    const gas = await this.#estimate(order, trial.explain)
    if (typeof gas === 'string') return { refused: gas }
    if (trial.believesPool && (await this.#isAwaited(order))) return 'awaited'
    const { tipWei, maxFeeWei: most } = this.options
    const over = this.#floor?.nonce === nonce ? this.#floor : null
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
    if (balanceWei < gasLimit * bid.maxFeeWei) {
      this.#warn(
        'balance',
        { balanceWei: `${balanceWei}`, neededWei: `${gasLimit * bid.maxFeeWei}` },
        'messages wait for funds of the relayer',
      )
      return 'balance'
    }
    this.#sentMs = null
    await this.#sign({ ...order, ...bid, nonce, gasLimit, hashes: [] })
    assert(this.#record !== null, 'what is signed is recorded')
    await this.#broadcast(this.#record)
    return 'sent'
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
  async #sign(next: Omit<UnderWay, 'raw'>): Promise<void> {
    const { account, file } = this.#deps
    const { chain: chainId, contract: to } = this.options
    const { nonce, data, gasLimit, maxFeeWei, maxTipWei } = next
    const raw = await account.sign({ chainId, nonce, to, data, gasLimit, maxFeeWei, maxTipWei })
    const record = { ...next, raw, hashes: [...next.hashes, keccak(raw)] }
    await file.replace(encodeRecord(record, ownerOf(this.#deps, this.options)))
    this.#record = record
  }

  /** What the endpoint says of it is told and no more: the next look at the contract shows what became of it. */
  async #broadcast(record: UnderWay): Promise<Outcome> {
    const { l1, clock, log } = this.#deps
    this.#sentMs = clock.nowMs()
    await l1.send(record.raw).catch((error: unknown) => {
      if (!(error instanceof NodeError) || !error.code.startsWith('L1_')) throw error
      log.debug(
        { ...this.#shown(record), reason: error.message },
        'an endpoint does not take a transaction of the relayer',
      )
    })
    log.debug(this.#shown(record), 'a message is on its way')
    return 'waits'
  }

  async #clear(): Promise<void> {
    await this.#deps.file.replace(new Uint8Array(0))
    this.#record = null
    this.#sentMs = null
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

const encodeRecord = (record: UnderWay, { chain, contract, account }: Owner): Uint8Array => {
  const { id, source, sequence, deed, data, maxFeeWei, maxTipWei, nonce, gasLimit, raw, hashes } = record
  const body = encodeRlp([
    ...[rlpInt(chain), contract, account, id, rlpInt(source), rlpInt(sequence), new TextEncoder().encode(deed), data],
    ...[rlpInt(maxFeeWei), rlpInt(maxTipWei), rlpInt(nonce), rlpInt(gasLimit), raw, hashes],
  ])
  return encodeRlp([keccak(body), body])
}
/** null: not what was written, or another's. */
const decodeRecord = (bytes: Uint8Array, owner: Owner): UnderWay | null => {
  try {
    const [sum, body] = asList(decodeRlp(bytes), 2).map((each) => asBytes(each))
    if (sum === undefined || body === undefined || !equalBytes(keccak(body), sum)) return null
    const [chain, contract, account, id, source, sequence, deed, data, ...rest] = asList(decodeRlp(body), 14)
    const [maxFee, maxTip, nonce, gasLimit, raw, hashes] = rest
    const isOwn =
      asBigint(chain) === owner.chain &&
      equalBytes(asAddress(asBytes(contract, 20)), owner.contract) &&
      equalBytes(asAddress(asBytes(account, 20)), owner.account)
    if (!isOwn) return null
    return {
      ...{ id: asHash(asBytes(id, 32)), source: asBigint(source), sequence: asBigint(sequence) },
      ...{ deed: new TextDecoder().decode(asBytes(deed)), data: asBytes(data) },
      ...{ maxFeeWei: asBigint(maxFee), maxTipWei: asBigint(maxTip) },
      ...{ nonce: asBigint(nonce), gasLimit: asBigint(gasLimit), raw: asBytes(raw) },
      hashes: asList(hashes).map((each) => asHash(asBytes(each, 32))),
    }
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
  }
}
