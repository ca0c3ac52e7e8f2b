// The reporter: brings evidence before slashing, as ordinary transactions of an account that its operator funds for it. Owns when it
// sends, so that of many reporters hardly two pay for the same, and what it pays at most. It has one transaction under way at a time.
import { Wallet } from 'ethers'
import { type Address, bytesToHex, concat, equalBytes, type Hash, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { NodeError } from '../chain/base/errors.ts'
import { maxBigint, minBigint } from '../chain/base/math.ts'
import type { Log, Meter, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { SLASHING } from '../chain/native/index.ts'
import { decodeNamed, encodeCall, selectorOf } from '../chain/native/kit/abi.ts'
import { abi } from '../chain/native/slashing/abi.ts'
import type { CallAnswer, CallJob, CallRequest } from '../chain/types/call.ts'
import type { KeptEvidence } from '../chain/types/query.ts'
import type { Tx } from '../chain/types/tx.ts'
import { nova } from './amounts.ts'
import { MODULE_SLACK_GAS } from './modules.ts'

export interface ReporterDeps {
  readonly chain: Pick<
    Chain,
    'genesis' | 'head' | 'at' | 'watch' | 'submit' | 'pool' | 'place' | 'receipts' | 'nextBaseFee'
  >
  readonly calls: Calls
  /** What is proven, whoever found it. */
  readonly evidence: { list(): readonly KeptEvidence[] }
  readonly account: ReporterAccount
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

/** Whoever pays. `sign` gives the raw transaction. */
export interface ReporterAccount {
  readonly address: Address
  sign(fields: TxFields): Promise<Uint8Array>
}
type TxFields = Pick<Tx, 'nonce' | 'data' | 'gasLimit' | 'maxFeeWei' | 'maxTipWei'> & {
  readonly chainId: bigint
  readonly to: Address
}

export function accountOf(secret: Uint8Array): ReporterAccount {
  const wallet = new Wallet(bytesToHex(secret))
  return {
    address: hexToBytes(wallet.address) as Address, // 20 bytes by the library
    async sign({ chainId, nonce, to, data, gasLimit, maxFeeWei, maxTipWei }) {
      const fees = { maxFeePerGas: maxFeeWei, maxPriorityFeePerGas: maxTipWei, gasLimit }
      const fields = { type: 2, chainId, nonce: Number(nonce), to: bytesToHex(to), data: bytesToHex(data), ...fees }
      return hexToBytes(await wallet.signTransaction(fields))
    },
  }
}

export interface ReporterOptions {
  /** For a unit of gas, tip included. */
  readonly maxFeeWei: bigint
}

const BOUNDS = {
  /** Reporters draw their moment within so many block times. */
  spreadBlocks: 8,
  /** A transaction, of this reporter or another's, that is in no block after so many is no longer waited for. */
  patienceBlocks: 5,
  /** Between two warnings of one kind. */
  quietBlocks: 200,
  /** Evidence that is done with; older is asked again, which costs a dry run. */
  done: 4_096,
} as const
const TIP_WEI = 10n ** 9n
/** A replacement must be dearer by a tenth. */
const RAISE_PERCENT = 25n
/** Gas that the account should be able to pay for at any time. */
const RESERVE_GAS = 2_000_000n

const meters = (m: Meter) => ({
  reports: m.counter('evidence_reports_total', 'Evidence brought before slashing by this node', ['result']),
  balance: m.gauge('evidence_reporter_balance_nova', 'What the account has that pays for it'),
})

interface Sent {
  readonly kept: KeptEvidence
  readonly hash: Hash
  /** When it was last sent. */
  readonly height: number
}
type Price = Pick<Tx, 'maxFeeWei' | 'maxTipWei'>

export class Reporter {
  readonly #deps: ReporterDeps
  readonly #options: ReporterOptions
  readonly #meters: ReturnType<typeof meters>
  /** By evidence id: its moment is drawn and not there yet. */
  readonly #drawn = new Map<Hex, () => void>()
  /** Its moment has come. */
  readonly #due = new Map<Hex, KeptEvidence>()
  readonly #done = new Set<Hex>()
  /** Evidence that is on its way in somebody's transaction, and since which height. */
  readonly #onTheWay = new Map<Hex, number>()
  readonly #warned = new Map<string, number>()
  readonly #unwatch: readonly (() => void)[]
  #sent: Sent | null = null
  #working: Promise<void> | null = null
  #isCalled = false
  #isClosed = false

  constructor(deps: ReporterDeps, options: ReporterOptions) {
    this.#deps = deps
    this.#options = options
    this.#meters = meters(deps.meter)
    const { chain, account } = deps
    for (const tx of chain.pool.of(account.address).pending) this.#notice(tx)
    this.#unwatch = [chain.watch('admitted', (tx) => this.#notice(tx)), chain.watch('head', () => this.#onHead())]
    this.#onHead()
  }

  /** Settles when what it does now is done. */
  async settled(): Promise<void> {
    await this.#working
  }

  /** Returns when nothing is being sent any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const unwatch of this.#unwatch) unwatch()
    for (const unset of this.#drawn.values()) unset()
    await this.#working
  }

  #onHead(): void {
    for (const kept of this.#deps.evidence.list()) this.#draw(kept)
    this.#watchBalance()
    this.#work()
  }

  /** By lot, so that whoever comes first saves the others their fee. The lot is the reporter's own, for each evidence another. */
  #draw(kept: KeptEvidence): void {
    const id = bytesToHex(kept.id)
    if (this.#done.has(id) || this.#drawn.has(id) || this.#due.has(id)) return
    const { chain, account, timers } = this.#deps
    const lot = new DataView(keccak(concat(kept.id, account.address)).buffer).getUint32(0) / 2 ** 32
    const unset = timers.after(lot * BOUNDS.spreadBlocks * chain.genesis.blockTimeMs, () => {
      this.#drawn.delete(id)
      this.#due.set(id, kept)
      this.#work()
    })
    this.#drawn.set(id, unset)
  }

  /** Somebody's transaction, in the pool. */
  #notice(tx: Tx): void {
    const id = evidenceIn(tx)
    if (id !== null && !this.#onTheWay.has(id)) this.#onTheWay.set(id, this.#height)
  }

  get #height(): number {
    return this.#deps.chain.head().header.number
  }

  /** One turn at a time; what comes meanwhile has its own after it. What fails is told, and tried again with the next head. */
  #work(): void {
    this.#isCalled = true
    if (this.#working === null && !this.#isClosed) this.#working = this.#turns()
  }
  async #turns(): Promise<void> {
    while (this.#isCalled && !this.#isClosed) {
      this.#isCalled = false
      await this.#turn().catch((error: unknown) =>
        this.#warn('turn', { error: String(error) }, 'evidence could not be brought to slashing'),
      )
    }
    this.#working = null // in the same breath as the last look, or a call between would be lost
  }

  async #turn(): Promise<void> {
    for (const [id, since] of this.#onTheWay)
      if (this.#height >= since + BOUNDS.patienceBlocks && !this.#due.has(id)) this.#onTheWay.delete(id)
    if (this.#sent !== null) await this.#follow(this.#sent)
    if (this.#sent !== null) return
    for (const [id, kept] of this.#due) {
      const since = this.#onTheWay.get(id)
      if (since !== undefined && this.#height < since + BOUNDS.patienceBlocks) continue
      await this.#bring(kept)
      if (this.#sent !== null || this.#isClosed) return
    }
  }

  /** What became of the transaction under way. */
  async #follow(sent: Sent): Promise<void> {
    const { chain } = this.#deps
    const place = chain.place(sent.hash)
    if (place !== null) {
      this.#sent = null
      const receipt = chain.receipts(place.height)?.[place.index]
      const isPunished = receipt?.status === 1
      const facts = { ...factsOf(sent.kept), tx: bytesToHex(sent.hash), block: place.height }
      this.#meters.reports.add(1, { result: isPunished ? 'punished' : 'too late' })
      this.#deps.log.info(
        facts,
        isPunished ? 'slashing has punished what this node reported' : 'another reporter came first: the fee is lost',
      )
      return // the next turn finds it punished, or brings it again
    }
    if (this.#height < sent.height + BOUNDS.patienceBlocks) return
    this.#sent = null
    await this.#bring(sent.kept)
  }

  /** Asks once more whether it is worth it, and sends. What waits in the own pool with the same evidence is replaced. */
  async #bring(kept: KeptEvidence): Promise<void> {
    const { chain, calls, account, log } = this.#deps
    const worth = await worthOf(calls, this.#height, kept.bytes, account.address)
    if (worth.kind === 'punished') return this.#finish(kept)
    if (worth.kind === 'refused') return this.#refused(kept, worth)
    const request = reportOf(kept.bytes, account.address)
    const job = { height: this.#height, pending: true, kind: 'estimate', request, state: [], block: null } as const
    const answer = await calls.run(job)
    const gas = answer.kind === 'estimate' ? answer.gas : 0n
    const gasLimit = gas + MODULE_SLACK_GAS
    const before = chain.pool.of(account.address).pending.find((tx) => evidenceIn(tx) === bytesToHex(kept.id)) ?? null
    const price = this.#priceOver(before)
    if (price === null || !this.#canPay(gasLimit * price.maxFeeWei, kept)) {
      if (before !== null) this.#sent = { kept, hash: before.hash, height: this.#height }
      return
    }
    const nonce = before?.nonce ?? chain.pool.nextNonce(account.address)
    const { chainId } = chain.genesis
    const raw = await account.sign({ chainId, nonce, to: SLASHING, data: request.input, gasLimit, ...price })
    const hash = await chain.submit(raw, 'local')
    this.#sent = { kept, hash, height: this.#height }
    this.#meters.reports.add(1, { result: before === null ? 'sent' : 'sent again' })
    log.info(
      { ...factsOf(kept), tx: bytesToHex(hash), reward: nova(worth.rewardWei) },
      `evidence is on its way to slashing: ${worth.punished} to punish`,
    )
  }

  /** Some refusals pass: a pause, a height to come. */
  #refused(kept: KeptEvidence, { error, reason }: Extract<Worth, { readonly kind: 'refused' }>): void {
    const facts = { ...factsOf(kept), reason }
    if (error === null || error === 'EvidenceUnknown') {
      this.#warn(`refused ${bytesToHex(kept.id)}`, facts, 'slashing does not take this evidence now')
      return
    }
    this.#deps.log.warn(facts, 'slashing takes this evidence no more')
    this.#meters.reports.add(1, { result: 'refused' })
    this.#finish(kept)
  }

  #finish({ id }: KeptEvidence): void {
    const key = bytesToHex(id)
    this.#due.delete(key)
    this.#onTheWay.delete(key)
    if (this.#done.size >= BOUNDS.done) this.#done.clear()
    this.#done.add(key)
  }

  /** Above what is replaced; null where that, or the network's own fee, is above the operator's bound. */
  #priceOver(before: Price | null): Price | null {
    const { maxFeeWei: most } = this.#options
    const base = this.#deps.chain.nextBaseFee()
    const raised = (wei: bigint): bigint => (wei * (100n + RAISE_PERCENT)) / 100n
    const tip = maxBigint(TIP_WEI, raised(before?.maxTipWei ?? 0n))
    const least = maxBigint(base + tip, raised(before?.maxFeeWei ?? 0n))
    if (least <= most) return { maxFeeWei: minBigint(most, maxBigint(least, 2n * base + tip)), maxTipWei: tip }
    const facts = { baseFeeWei: `${base}`, neededWei: `${least}`, maxFeeWei: `${most}` }
    this.#warn('fee', facts, 'a unit of gas costs more than evidence.maxFee: no evidence is sent')
    return null
  }

  #balance(): bigint {
    return this.#deps.chain.at(this.#height).account(this.#deps.account.address)?.balance ?? 0n
  }
  #canPay(costWei: bigint, kept: KeptEvidence): boolean {
    const balance = this.#balance()
    if (balance >= costWei) return true
    this.#warn(
      'cost',
      { ...factsOf(kept), has: nova(balance), needs: nova(costWei) },
      `evidence waits for funds of the reporter ${bytesToHex(this.#deps.account.address)}`,
    )
    return false
  }
  #watchBalance(): void {
    const balance = this.#balance()
    this.#meters.balance.set(Number(balance / 10n ** 9n) / 1e9)
    const needs = RESERVE_GAS * (this.#deps.chain.nextBaseFee() * 2n + TIP_WEI)
    if (balance >= needs) return
    const address = bytesToHex(this.#deps.account.address)
    this.#warn(
      'balance',
      { has: nova(balance), needs: nova(needs) },
      `the reporter ${address} can hardly pay for evidence: send it ${nova(needs - balance)}`,
    )
  }

  #warn(about: string, facts: object, text: string): void {
    const last = this.#warned.get(about)
    if (last !== undefined && this.#height < last + BOUNDS.quietBlocks) return
    this.#warned.set(about, this.#height)
    this.#deps.log.warn(facts, text)
  }
}

/** The id of the evidence that a transaction brings to slashing; null for any other. */
const evidenceIn = ({ to, data }: Tx): Hex | null => {
  const { inputs, selector } = abi.functions.submitEvidence
  if (to === null || !equalBytes(to, SLASHING) || bytesToHex(data.subarray(0, 4)) !== selector) return null
  try {
    return bytesToHex(keccak(decodeNamed(inputs, data.subarray(4)).evidence))
  } catch (error) {
    if (error instanceof NodeError && error.code === 'ABI_DECODE') return null // users send what they like
    throw error
  }
}

const factsOf = ({ id, offence, height, guilty }: KeptEvidence) => ({
  ...{ evidence: bytesToHex(id), offence, height },
  validators: guilty.map(({ address }) => bytesToHex(address)),
})

// What slashing would say: a dry run of submitEvidence in the block that comes next.

type Worth =
  | { readonly kind: 'open'; readonly punished: bigint; readonly rewardWei: bigint }
  | { readonly kind: 'punished' }
  /** `error` is the name of slashing's own, else null: it is paused, or not there. */
  | { readonly kind: 'refused'; readonly error: string | null; readonly reason: string }

interface Calls {
  run(job: CallJob): Promise<CallAnswer>
}

/** The call that brings evidence, as `from` would send it. */
const reportOf = (evidence: Uint8Array, from: Address): CallRequest => ({
  ...{ from, to: SLASHING, input: encodeCall(abi.functions.submitEvidence, [evidence]), value: 0n },
  ...{ gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null, nonce: null },
  ...{ accessList: null, authorizations: null },
})

/** In the block after `height`. Throws what a call that could not run throws. */
async function worthOf(calls: Calls, height: number, evidence: Uint8Array, from: Address): Promise<Worth> {
  const request = reportOf(evidence, from)
  try {
    const answer = await calls.run({ height, pending: true, kind: 'call', request, state: [], block: null })
    const output = answer.kind === 'call' ? answer.output : new Uint8Array(0)
    if (output.length === 0) return { kind: 'refused', error: null, reason: 'this network has no slashing' }
    const { punished, reward } = decodeNamed(abi.functions.submitEvidence.outputs, output)
    return { kind: 'open', punished, rewardWei: reward }
  } catch (error) {
    if (!(error instanceof NodeError) || error.rpc !== REVERTED) throw error
    const { output } = error.data as { readonly output: string } // what a revert carries
    const selector = selectorOf(hexToBytes(output))
    const found = Object.entries(abi.errors).find(([, each]) => each.selector === selector)
    if (found?.[0] === 'AlreadyPunished') return { kind: 'punished' }
    return { kind: 'refused', error: found?.[0] ?? null, reason: found?.[0] ?? error.message }
  }
}
/** JSON-RPC's code of a revert. */
const REVERTED = 3
