// An L1 in memory: blocks with their states, a pool, a base fee, finality, and the settlement contract in its plainest form. It
// reorganises, drops and delays as a test says. Transactions are RLP without signatures: who sends is written in them.
import {
  type Address,
  addressKey,
  asAddress,
  asHash,
  bytesToHex,
  concat,
  equalBytes,
  type Hash,
  type Hex,
} from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { minBigint } from '../../chain/base/math.ts'
import { asBigint, asBytes, asList, asNumber, decodeRlp, encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
import { decodeNamed, encodeError, encodeEvent, encodeNamed, selectorOf } from '../../chain/native/kit/abi.ts'
import { CHECKPOINT_TYPE_HASH } from '../../chain/types/checkpoint.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import type { ReporterAccount } from '../../node/reporter.ts'
import { partsOf } from '../../node/rollup/batch.ts'
import {
  type L1,
  type L1Block,
  type L1Call,
  L1Errors,
  type L1History,
  type L1Log,
  type L1Receipt,
  type Tag,
} from '../../node/rollup/l1.ts'
import { createSettlement, type Position } from '../../node/rollup/settlement.ts'

export const GWEI = 10n ** 9n
export const SETTLEMENT = asAddress(new Uint8Array(20).fill(0x5e))
const ZERO = asHash(new Uint8Array(32))
const settlement = createSettlement(SETTLEMENT)

type SimEndpoint = L1 & Pick<L1History, 'logs' | 'transaction'>
interface SimTx {
  readonly hash: Hash
  readonly from: Address
  readonly nonce: bigint
  readonly maxTipWei: bigint
  readonly maxFeeWei: bigint
  readonly gasLimit: bigint
  readonly data: Uint8Array
}
/** Everybody's in one number: a fork of the state is a fork of this. */
interface State {
  readonly position: Position
  readonly nonces: ReadonlyMap<string, bigint>
  readonly balances: ReadonlyMap<string, bigint>
}
interface SimBlock extends L1Block {
  readonly state: State
  readonly txs: readonly SimTx[]
  readonly receipts: ReadonlyMap<Hex, L1Receipt>
}

/** An account of the simulated L1. */
export const simAccount = (id: number): ReporterAccount => {
  const address = asAddress(new Uint8Array(20).fill(id))
  return {
    address,
    sign: async ({ nonce, maxTipWei, maxFeeWei, gasLimit, to, data }) =>
      encodeRlp([address, ...[nonce, maxTipWei, maxFeeWei, gasLimit].map(rlpInt), to, data]),
  }
}
const txOf = (raw: Uint8Array): SimTx => {
  const [from, nonce, tip, fee, gas, , data] = asList(decodeRlp(raw), 7)
  return {
    ...{ hash: keccak(raw), from: asAddress(asBytes(from, 20)), nonce: asBigint(nonce), maxTipWei: asBigint(tip) },
    ...{ maxFeeWei: asBigint(fee), gasLimit: asBigint(gas), data: asBytes(data) },
  }
}

/** A batch of the tests: its header says its first and last height. `bytes` of the batch differ with its height and their place. */
export const simBatch = (first: number, last: number, bytes = 4) => {
  const data = Uint8Array.from({ length: bytes }, (_, i) => (first * 31 + i * 7 + (i >> 8)) & 0xff)
  return {
    data,
    checkpoint: { header: encodeRlp([rlpInt(first), rlpInt(last)]), section: new Uint8Array(0) },
    certificate: new Uint8Array(0),
  }
}

const isPost = (payload: Uint8Array): boolean => selectorOf(payload) === abi.functions.post.selector
const postOf = (payload: Uint8Array) => decodeNamed(abi.functions.post.inputs, payload.subarray(4))
const supplyOf = (payload: Uint8Array) => decodeNamed(abi.functions.supply.inputs, payload.subarray(4))

/** Of the batch in a call that posts it. */
export const heightsOf = (payload: Uint8Array): { readonly first: number; readonly last: number } =>
  heightsIn(postOf(payload).checkpoint.header)
const heightsIn = (header: Uint8Array) => {
  const [first, last] = asList(decodeRlp(header), 2)
  return { first: asNumber(first), last: asNumber(last) }
}

const gasOf = (data: Uint8Array): bigint => 100_000n + 40n * BigInt(data.length)

export class SimL1 {
  readonly blockMs = 2_000
  #blocks: SimBlock[] = []
  /** By sender and nonce. */
  readonly pool = new Map<string, SimTx>()
  #fork = 0
  baseFeeWei = 100n * GWEI
  /** Blocks that `finalized` is behind. */
  lagBlocks = 4
  /** A block takes no transactions while it is false. */
  isOpen = true
  /** Whether the contract takes batches. */
  isPaused = false
  /** Whether its verifier reads signatures of operator keys. */
  isOfOperators = false
  /** Whether it reverts what is supplied, though an estimate says that it would not. */
  refusesSupply = false
  gas: (data: Uint8Array) => bigint = gasOf
  /** What is posted in place of a batch. */
  forge: ((batch: Uint8Array) => Uint8Array) | null = null
  /** Before each question; throws what the endpoint fails with. */
  onCall: (method: keyof SimEndpoint, raw?: Uint8Array) => void = () => {}
  /** Everything that was ever taken into the pool. */
  readonly seen: SimTx[] = []

  constructor(timeMs: number, accounts: readonly ReporterAccount[]) {
    const balances = new Map(accounts.map(({ address }) => [addressKey(address), 10n ** 24n]))
    const position = {
      seq: 0,
      height: 0,
      epoch: 0,
      accumulator: ZERO,
      blockHash: ZERO,
      stateRoot: ZERO,
      validatorsHash: ZERO,
    }
    const state = { position, nonces: new Map(), balances }
    this.#blocks = [
      { number: 0, hash: keccak(ZERO), timeMs, baseFeeWei: this.baseFeeWei, state, txs: [], receipts: new Map() },
    ]
    for (let i = 0; i < 100; i++) this.mine()
  }

  get head(): SimBlock {
    return this.#blocks.at(-1) as SimBlock // there is always the first
  }
  get final(): SimBlock {
    return this.#blocks.at(-1 - Math.min(this.lagBlocks, this.#blocks.length - 1)) as SimBlock // bounded by the length
  }
  /** Batches of the canonical chain in order, with whose transaction each is. */
  get batches(): readonly { readonly first: number; readonly last: number; readonly from: number }[] {
    return this.#done().flatMap(({ tx: { data, from } }) =>
      isPost(data) ? [{ ...heightsOf(data), from: from[0] ?? 0 }] : [],
    )
  }
  /** What was supplied on the canonical chain, in order, and by whom. */
  get supplied(): readonly { readonly seq: number; readonly part: Uint8Array; readonly from: number }[] {
    return this.#done().flatMap(({ tx: { data, from } }) => {
      if (isPost(data)) return []
      const { seq, batch } = supplyOf(data)
      return [{ seq: Number(seq), part: batch, from: from[0] ?? 0 }]
    })
  }
  /** The bytes of each batch up to a block, its parts found by their hashes as derivation does; null where some are missing. */
  wholesAt(block: number): readonly (Uint8Array | null)[] {
    const done = this.#done().filter((each) => each.block <= block)
    const parts = done.flatMap(({ tx: { data } }) => (isPost(data) ? [] : [supplyOf(data).batch]))
    return done.flatMap(({ tx: { data } }) => {
      if (!isPost(data)) return []
      const { batch } = postOf(data)
      const named = partsOf(batch)
      if (named === null) return [batch]
      const found = named.others.map((hash) => parts.find((part) => equalBytes(keccak(part), hash)))
      return [found.includes(undefined) ? null : concat(named.first, ...found.filter((part) => part !== undefined))]
    })
  }
  /** Transactions of the canonical chain that did what they say. */
  #done(): readonly { readonly tx: SimTx; readonly block: number; readonly position: Position }[] {
    return this.#blocks.flatMap(({ number, txs, receipts, state: { position } }) =>
      txs
        .filter(({ hash }) => receipts.get(bytesToHex(hash))?.isSuccess)
        .map((tx) => ({ tx, block: number, position })),
    )
  }
  /** Transactions of the canonical chain that the contract refused. */
  get reverted(): number {
    return this.#blocks.flatMap(({ receipts }) => [...receipts.values()]).filter(({ isSuccess }) => !isSuccess).length
  }

  mine(): void {
    const { state: before, timeMs, number, hash: parent } = this.head
    let state = before
    const receipts = new Map<Hex, L1Receipt>()
    const txs: SimTx[] = []
    const hash = keccak(encodeRlp([parent, rlpInt(number + 1), rlpInt(this.#fork)]))
    for (const tx of this.isOpen ? [...this.pool.values()].sort((a, b) => Number(a.nonce - b.nonce)) : []) {
      const key = addressKey(tx.from)
      if ((state.nonces.get(key) ?? 0n) !== tx.nonce || tx.maxFeeWei < this.baseFeeWei) continue
      const done = this.#run(state, tx)
      const tip = minBigint(tx.maxFeeWei - this.baseFeeWei, tx.maxTipWei)
      const gasPriceWei = this.baseFeeWei + tip
      const gasUsed = this.gas(tx.data)
      state = {
        position: done ?? state.position,
        nonces: new Map(state.nonces).set(key, tx.nonce + 1n),
        balances: new Map(state.balances).set(key, (state.balances.get(key) ?? 0n) - gasUsed * gasPriceWei),
      }
      const place = { blockNumber: number + 1, blockHash: hash }
      receipts.set(bytesToHex(tx.hash), { ...place, isSuccess: done !== null, gasUsed, gasPriceWei })
      txs.push(tx)
      this.pool.delete(poolKey(tx))
    }
    const block = { number: number + 1, hash, timeMs: timeMs + this.blockMs, baseFeeWei: this.baseFeeWei }
    this.#blocks.push({ ...block, state, txs, receipts })
  }

  /** null: it reverts. */
  #run({ position }: State, { data }: SimTx): Position | null {
    if (this.refusesSupply && !isPost(data)) return null
    return this.#refusal(position, data) === null ? this.#after(position, data) : null
  }
  #after(position: Position, data: Uint8Array): Position {
    if (!isPost(data)) return position
    const { batch, checkpoint } = postOf(data)
    const posting = { data: batch, checkpoint, certificate: new Uint8Array(0) }
    const { accumulator } = settlement.post(position, posting)
    const { last: height } = heightsIn(checkpoint.header)
    return { ...position, seq: position.seq + 1, height, accumulator, blockHash: keccak(checkpoint.header) }
  }
  #refusal(position: Position, data: Uint8Array): Uint8Array | null {
    if (!isPost(data)) {
      const { seq } = supplyOf(data)
      return Number(seq) > position.seq ? encodeError(abi.errors.NoSuchCheckpoint, { seq }) : null
    }
    const { seq, previousAccumulator, checkpoint } = postOf(data)
    if (this.isPaused) return encodeError(abi.errors.NoVerifier, {})
    if (Number(seq) !== position.seq + 1)
      return encodeError(abi.errors.WrongSequence, { given: seq, expected: BigInt(position.seq + 1) })
    if (!equalBytes(previousAccumulator, position.accumulator))
      return encodeError(abi.errors.WrongAccumulator, { given: previousAccumulator, expected: position.accumulator })
    return heightsIn(checkpoint.header).first === position.height + 1 ? null : encodeError(abi.errors.BadHeader, {})
  }

  /** The last blocks are replaced by as many empty ones and one more; their transactions wait again, or are forgotten. */
  reorganise(depth: number, what: 'keep' | 'drop'): void {
    this.#fork++
    for (const { txs } of this.#blocks.splice(-depth))
      if (what === 'keep') for (const tx of txs) this.pool.set(poolKey(tx), tx)
    const wasOpen = this.isOpen
    this.isOpen = false
    for (let i = 0; i <= depth; i++) this.mine()
    this.isOpen = wasOpen
  }

  /** A poster that lies signs other bytes. */
  #forged(tx: SimTx): SimTx {
    if (this.forge === null || !isPost(tx.data)) return tx
    const { batch, ...call } = postOf(tx.data)
    const data = encodeNamed(abi.functions.post.inputs, { ...call, batch: this.forge(batch) })
    return { ...tx, data: concat(tx.data.subarray(0, 4), data) }
  }
  #admit(raw: Uint8Array): void {
    const tx = this.#forged(txOf(raw))
    const refuse = (message: string): never => {
      throw refusedBy('eth_sendRawTransaction', message, null)
    }
    const key = addressKey(tx.from)
    if (tx.nonce < (this.head.state.nonces.get(key) ?? 0n)) refuse('nonce too low')
    if (tx.gasLimit * tx.maxFeeWei > (this.head.state.balances.get(key) ?? 0n)) refuse('insufficient funds')
    if (tx.gasLimit < this.gas(tx.data)) refuse('intrinsic gas too low')
    const before = this.pool.get(poolKey(tx))
    if (before !== undefined && equalBytes(before.hash, tx.hash)) refuse('already known')
    const isDearer = (a: bigint, b: bigint): boolean => a * 10n >= b * 11n
    if (before !== undefined && !(isDearer(tx.maxFeeWei, before.maxFeeWei) && isDearer(tx.maxTipWei, before.maxTipWei)))
      refuse('replacement transaction underpriced')
    this.pool.set(poolKey(tx), tx)
    this.seen.push(tx)
  }

  #at(hash: Hash): SimBlock {
    const block = this.#blocks.findLast((each) => equalBytes(each.hash, hash))
    if (block === undefined) throw refusedBy('eth_call', 'header not found', null)
    return block
  }

  /** What a process asks. */
  endpoint(): SimEndpoint {
    const ask = async <T>(method: keyof SimEndpoint, answer: () => T, raw?: Uint8Array): Promise<T> => {
      this.onCall(method, raw)
      return answer()
    }
    return {
      block: (tag: Tag) => ask('block', () => (tag === 'latest' ? this.head : this.final)),
      nonce: (of, at) => ask('nonce', () => this.#at(at).state.nonces.get(addressKey(of)) ?? 0n),
      balance: (of, at) => ask('balance', () => this.#at(at).state.balances.get(addressKey(of)) ?? 0n),
      code: () => ask('code', () => new Uint8Array(1)),
      storage: () => ask('storage', () => ZERO),
      call: (_to, question, at) => ask('call', () => this.#answer(question, at)),
      estimate: (call: L1Call) =>
        ask('estimate', () => {
          const refusal = this.#refusal(this.head.state.position, call.data)
          if (refusal !== null) throw refusedBy('eth_estimateGas', 'execution reverted', bytesToHex(refusal))
          return this.gas(call.data)
        }),
      receipt: (tx) => ask('receipt', () => this.#receipt(tx)),
      logs: ({ topics, from, to }) => ask('logs', () => this.#logs(topics, from, to)),
      transaction: (tx) => ask('transaction', () => this.#transaction(tx)),
      send: (raw) => ask('send', () => this.#admit(raw), raw),
    }
  }
  #answer(question: Uint8Array, at: Hash): Uint8Array {
    const { latest, verifier } = abi.functions
    const selector = selectorOf(question)
    if (selector === latest.selector) return encodeNamed(latest.outputs, { settled: settledOf(this.#at(at)) })
    if (selector === verifier.selector) return encodeNamed(verifier.outputs, { current: SETTLEMENT })
    if (this.isOfOperators) return CHECKPOINT_TYPE_HASH
    throw refusedBy('eth_call', 'execution reverted', null)
  }
  /** Of what was posted and supplied. */
  #logs(topics: readonly Hash[], from: number, to: number): readonly L1Log[] {
    return this.#done().flatMap(({ tx, block, position }) => {
      if (block < from || block > to) return []
      const log = { address: SETTLEMENT, transaction: tx.hash, ...logOf(tx.data, position) }
      return topics.some((topic) => equalBytes(topic, log.topics[0] ?? ZERO)) ? [log] : []
    })
  }
  #transaction(hash: Hash) {
    const tx = this.#blocks.flatMap(({ txs }) => txs).find((each) => equalBytes(each.hash, hash))
    return tx === undefined ? null : { to: SETTLEMENT, input: tx.data }
  }
  #receipt(tx: Hash): L1Receipt | null {
    for (const { receipts } of this.#blocks.toReversed()) {
      const receipt = receipts.get(bytesToHex(tx))
      if (receipt !== undefined) return receipt
    }
    return null
  }
}

/** What a call of it logs; of a block's batches the last is at its position, and there never are two. */
const logOf = (payload: Uint8Array, { height, accumulator, stateRoot }: Position): Pick<L1Log, 'topics' | 'data'> => {
  if (!isPost(payload)) {
    const { seq, batch } = supplyOf(payload)
    return encodeEvent(abi.events.BatchSupplied, SETTLEMENT, { seq, dataHash: keccak(batch) })
  }
  const { seq, batch, checkpoint } = postOf(payload)
  const hashes = { blockHash: keccak(checkpoint.header), dataHash: keccak(batch), accumulator, stateRoot }
  return encodeEvent(abi.events.BatchPosted, SETTLEMENT, { seq, height: BigInt(height), ...hashes })
}
const poolKey = ({ from, nonce }: SimTx): string => `${bytesToHex(from)} ${nonce}`
const settledOf = ({ state }: SimBlock) => {
  const { seq, height, epoch, ...hashes } = state.position
  return { seq: BigInt(seq), height: BigInt(height), epoch: BigInt(epoch), ...hashes }
}
export const refusedBy = (method: string, message: string, output: Hex | null): NodeError =>
  new NodeError(L1Errors.REFUSED, { host: 'sim', method, message, output })
