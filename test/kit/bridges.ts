// Chains with a bridge between them, in memory: an outbox with its hash chain and an inbox in their plainest form, blocks with their states, a
// pool, a base fee, finality. They reorganise, and their endpoints fail and lie as a test says. Transactions are those of `simAccount`.
import {
  type Address,
  addressKey,
  asAddress,
  asHash,
  bigintToFixed,
  bytesToHex,
  equalBytes,
  type Hash,
  hexToBytes,
} from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { asBigint, asBytes, asList, decodeRlp } from '../../chain/base/rlp.ts'
import { abi as moduleAbi } from '../../chain/native/bridge/abi.ts'
import { isNoWord, linkAfter, type Message, messageId, NO_WORD, Status } from '../../chain/native/bridge/message.ts'
import { BRIDGE } from '../../chain/native/index.ts'
import { decodeNamed, decodeValues, encodeError, encodeNamed, selectorOf } from '../../chain/native/kit/abi.ts'
import { abi as vaultAbi } from '../../contracts/bridge/INovaVault.abi.ts'
import { abi as settlementAbi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import type { Endpoint, Sent } from '../../node/bridge/endpoint.ts'
import { type L1, type L1Block, L1Errors, type L1Receipt } from '../../node/rollup/l1.ts'
import { GWEI } from './l1.ts'

export const NOVA = 8_888n
export const LIFETIME_S = 600n

interface State {
  /** By id. */
  readonly statuses: ReadonlyMap<string, bigint>
  /** By target and sequence. */
  readonly outbox: readonly { readonly sent: Sent; readonly link: Uint8Array }[]
  readonly nonces: ReadonlyMap<string, bigint>
  /** NovaChain's height that is settled here. */
  readonly settled: number
}
interface SimTx {
  readonly hash: Hash
  readonly from: Address
  readonly nonce: bigint
  readonly tip: bigint
  readonly maxFee: bigint
  readonly data: Uint8Array
}
interface SimBlock extends L1Block {
  readonly state: State
  readonly receipts: ReadonlyMap<string, L1Receipt>
}
const ZERO = asHash(new Uint8Array(32))
const reverted = (name: string): NodeError => {
  const output = bytesToHex(encodeError(vaultAbi.errors.IsPaused, { untilSecond: 1n }))
  return new NodeError(L1Errors.REFUSED, { host: 'sim', method: 'eth_estimateGas', message: name, output })
}

export class SimChain {
  readonly chain: bigint
  readonly contract: Address
  readonly pool = new Map<string, SimTx>()
  /** Everything an endpoint was ever given. */
  readonly given: SimTx[] = []
  /** Recipients that revert, as hex. */
  readonly reverting = new Set<string>()
  baseFeeWei = GWEI
  balanceWei = 10n ** 18n
  /** Blocks that `finalized` is behind. */
  lagBlocks: number
  isOpen = true
  /** Before each question; throws what the endpoint fails with. */
  onCall: (method: string) => void = () => {}
  /** Whether its endpoints run what waits in the pool. */
  hasPending = true
  /** Whether whatever is tried after what waits in the pool reverts. */
  onPending: () => boolean = () => false
  /** What it makes of the logs. */
  forge: (sent: readonly Sent[]) => readonly Sent[] = (sent) => sent
  /** Blocks that logs may be asked of at once. */
  rangeMax = Number.POSITIVE_INFINITY
  /** States of blocks below it are no more. */
  forgotten = 0
  /** Blocks by which it says less than it has. */
  behind = 0
  #blocks: SimBlock[]
  #fork = 0
  #others: readonly SimChain[] = []

  constructor(chain: bigint, timeMs: number) {
    this.chain = chain
    this.contract = chain === NOVA ? BRIDGE : asAddress(new Uint8Array(20).fill(Number(chain % 251n)))
    this.lagBlocks = chain === NOVA ? 0 : 4
    const state = { statuses: new Map(), outbox: [], nonces: new Map(), settled: 0 }
    this.#blocks = [{ number: 0, hash: this.#hashOf(0), timeMs, baseFeeWei: GWEI, state, receipts: new Map() }]
  }
  #hashOf(number: number): Hash {
    return keccak(new TextEncoder().encode(`${this.chain} ${this.#fork} ${number}`))
  }
  connect(others: readonly SimChain[]): void {
    this.#others = others
  }
  get nova(): SimChain {
    return this.chain === NOVA ? this : (this.#others.find(({ chain }) => chain === NOVA) ?? this)
  }
  get head(): SimBlock {
    return this.#blocks[this.#blocks.length - 1] as SimBlock // there is genesis
  }
  get finalNumber(): number {
    return Math.max(0, this.head.number - this.lagBlocks - this.behind)
  }
  at(number: number): SimBlock | null {
    return this.#blocks[number] ?? null
  }
  #byHash(hash: Hash): SimBlock {
    const found = this.#blocks.find((each) => equalBytes(each.hash, hash))
    if (found !== undefined) return found
    throw new NodeError(L1Errors.REFUSED, { host: 'sim', method: 'eth_call', message: 'unknown block', output: null })
  }
  /** Transactions that reverted in their blocks. */
  get failed(): number {
    return this.#blocks.flatMap(({ receipts }) => [...receipts.values()]).filter(({ isSuccess }) => !isSuccess).length
  }
  statusOf(id: Uint8Array, state = this.head.state): bigint {
    return state.statuses.get(bytesToHex(id)) ?? Status.none
  }
  #countTo(state: State, target: bigint): bigint {
    return BigInt(state.outbox.filter(({ sent }) => sent.message.targetChain === target).length)
  }

  /** Sends a message with the next block that is mined. */
  readonly #toSend: Message[] = []
  send(target: bigint, recipient: Uint8Array, token: Uint8Array = NO_WORD): void {
    const nothing = new Uint8Array(0)
    this.#toSend.push({
      ...{
        sourceChain: this.chain,
        targetChain: target,
        sequence: 0n,
        deadline: 1n,
        sender: new Uint8Array(32).fill(7),
      },
      ...{ recipient, token, amount: 5n, refundOf: NO_WORD, data: nothing },
    })
  }

  mine(timeMs: number): void {
    const number = this.head.number + 1
    let state: State = { ...this.head.state, settled: this.chain === NOVA ? 0 : this.nova.finalNumber }
    const block = { number, timeMs }
    for (const message of this.#toSend.splice(0)) {
      const deadline = BigInt(Math.floor(timeMs / 1_000)) + LIFETIME_S
      state = this.#appended(state, { ...message, deadline }, number)
    }
    const hash = this.#hashOf(number)
    const run = this.#included(state, block)
    for (const { tx } of run.done) this.pool.delete(keyOf(tx))
    for (const tx of this.pool.values())
      if (tx.nonce < (run.state.nonces.get(addressKey(tx.from)) ?? 0n)) this.pool.delete(keyOf(tx))
    const facts = { blockNumber: number, blockHash: hash, gasUsed: 100_000n, gasPriceWei: this.baseFeeWei }
    const receipts = new Map(run.done.map(({ tx, isSuccess }) => [bytesToHex(tx.hash), { isSuccess, ...facts }]))
    state = run.state
    this.#blocks.push({ number, hash, timeMs, baseFeeWei: this.baseFeeWei, state, receipts })
  }
  /** What a block would take of the pool, by sender and nonce. */
  #included(before: State, block: { readonly number: number; readonly timeMs: number }) {
    let state = before
    const done: { readonly tx: SimTx; readonly isSuccess: boolean }[] = []
    const txs = [...this.pool.values()].sort((a, b) => Number(a.nonce - b.nonce))
    for (const tx of this.isOpen ? txs : []) {
      const nonce = state.nonces.get(addressKey(tx.from)) ?? 0n
      if (tx.nonce !== nonce || tx.maxFee < this.baseFeeWei) continue
      const after = this.#tried(state, tx.data, block)
      state = { ...(after ?? state), nonces: new Map(state.nonces).set(addressKey(tx.from), nonce + 1n) }
      done.push({ tx, isSuccess: after !== null })
    }
    return { state, done }
  }
  /** Another history for the newest blocks: what was in them is in none; `again`: what it sent is sent again. */
  reorganise(count: number): void {
    this.#fork++
    const [parent, old] = [this.head.number - count, this.#blocks.slice(-count)]
    const kept = this.#blocks[parent] as SimBlock // not below genesis
    this.#blocks.length = parent + 1
    for (const { timeMs } of old)
      this.#blocks.push({
        ...kept,
        number: this.head.number + 1,
        hash: this.#hashOf(this.head.number + 1),
        timeMs,
        receipts: new Map(),
      })
  }

  #appended(state: State, message: Message, height: number): State {
    const target = message.targetChain
    const own = state.outbox.filter(({ sent }) => sent.message.targetChain === target)
    const numbered = { ...message, sequence: BigInt(own.length) + 1n }
    const id = messageId(numbered)
    const link = linkAfter(own.at(-1)?.link ?? ZERO, id)
    return {
      ...state,
      outbox: [...state.outbox, { sent: { height, message: numbered }, link }],
      statuses: new Map(state.statuses).set(bytesToHex(id), Status.sent),
    }
  }

  /** null: it reverts. */
  #tried(state: State, data: Uint8Array, block: { readonly number: number; readonly timeMs: number }): State | null {
    try {
      return this.#run(state, data, block)
    } catch (error) {
      if (error instanceof NodeError && error.code === L1Errors.REFUSED.code) return null
      throw error
    }
  }
  #run(
    state: State,
    data: Uint8Array,
    { number, timeMs }: { readonly number: number; readonly timeMs: number },
  ): State {
    const { functions } = this.chain === NOVA ? moduleAbi : vaultAbi
    const [name, fn] = Object.entries(functions).find(([, each]) => each.selector === selectorOf(data)) ?? []
    if (name === undefined || fn === undefined) throw reverted('selector')
    const args = decodeValues(fn.inputs, data.subarray(4)) as readonly unknown[]
    const [message, proof] = [args.at(-2) as Message, args.at(-1)] // all three end with the message and its proof
    const id = messageId(message)
    const isLate = BigInt(Math.floor(timeMs / 1_000)) > message.deadline
    if (message.targetChain !== this.chain || this.statusOf(id, state) !== Status.none) throw reverted('AlreadySettled')
    if (isNoWord(message.refundOf) === (name === 'refund')) throw reverted('WrongKind')
    if (name === 'deliver' && isLate) throw reverted('PastDeadline')
    if (name === 'refuse' && !isLate) throw reverted('BeforeDeadline')
    this.#mustBeProven(state, message, proof)
    const settled = (status: bigint, of: Uint8Array = id, from = state): State => ({
      ...from,
      statuses: new Map(from.statuses).set(bytesToHex(of), status),
    })
    if (name === 'deliver' && this.reverting.has(bytesToHex(message.recipient))) throw reverted('TransferFailed')
    if (name === 'deliver') return settled(Status.delivered)
    if (name === 'refund') {
      const isOwed = this.statusOf(message.refundOf, state) === Status.sent
      if (isOwed && !equalBytes(messageId(args[0] as Message), message.refundOf)) throw reverted('WrongOriginal')
      const noticed = settled(Status.noticed)
      return isOwed ? settled(Status.refunded, message.refundOf, noticed) : noticed
    }
    const back = { ...message, sourceChain: this.chain, targetChain: message.sourceChain, deadline: 0n, refundOf: id }
    return this.#appended(settled(Status.refused), { ...back, recipient: new Uint8Array(0), amount: 0n }, number)
  }
  #mustBeProven(state: State, message: Message, proof: unknown): void {
    const id = messageId(message)
    if (this.chain === NOVA) {
      if (!equalBytes(proof as Uint8Array, keccak(id))) throw reverted('BadSignature')
      return
    }
    const { seq, previousLink } = proof as { readonly seq: bigint; readonly previousLink: Uint8Array }
    const link = Number(seq) <= state.settled ? this.nova.linkAt(Number(seq), this.chain, message.sequence) : ZERO
    if (!equalBytes(linkAfter(previousLink, id), link)) throw reverted('NotProven')
  }
  linkAt(height: number, target: bigint, sequence: bigint): Uint8Array {
    const state = this.at(height)?.state
    const found = state?.outbox.find(
      ({ sent: { message } }) => message.targetChain === target && message.sequence === sequence,
    )
    return found?.link ?? ZERO
  }

  // What its endpoint answers

  #asked(method: string): void {
    this.onCall(method)
  }
  l1(): L1 {
    const gate = (method: string): void => this.#asked(method)
    return {
      block: async (tag) => {
        gate('block')
        return this.#blocks[tag === 'latest' ? this.head.number - this.behind : this.finalNumber] as SimBlock // not below genesis
      },
      nonce: async (of, at) => {
        gate('nonce')
        return this.#byHash(at).state.nonces.get(addressKey(of)) ?? 0n
      },
      balance: async () => {
        gate('balance')
        return this.balanceWei
      },
      code: async () => new Uint8Array(1),
      storage: async () => ZERO,
      call: async (to, input, at) => {
        gate('call')
        const { state } = this.#byHash(at)
        if (selectorOf(input) === settlementAbi.functions.latest.selector) {
          const settled = { seq: BigInt(state.settled), height: BigInt(state.settled), epoch: 0n }
          const hashes = { accumulator: ZERO, blockHash: ZERO, stateRoot: ZERO, validatorsHash: ZERO }
          return encodeNamed(settlementAbi.functions.latest.outputs, { settled: { ...settled, ...hashes } })
        }
        if (!equalBytes(to, this.contract)) throw reverted('nobody')
        const { id } = decodeNamed(vaultAbi.functions.transfer.inputs, input.subarray(4))
        const found = { status: this.statusOf(id, state), chain: 0n, sequence: 0n, changedAt: 0n }
        return encodeNamed(vaultAbi.functions.transfer.outputs, { found })
      },
      estimate: async ({ data }, at = 'latest') => {
        gate('estimate')
        const { state, number, timeMs } = this.head
        if (at === 'pending' && this.onPending()) throw reverted('AlreadySettled')
        const isPending = at === 'pending' && this.hasPending
        this.#run(isPending ? this.#included(state, { number, timeMs }).state : state, data, { number, timeMs })
        return 100_000n
      },
      receipt: async (tx) => {
        gate('receipt')
        return (
          this.#blocks.map(({ receipts }) => receipts.get(bytesToHex(tx))).find((each) => each !== undefined) ?? null
        )
      },
      send: async (raw) => {
        gate('send')
        const [from, nonce, tip, maxFee, , , data] = asList(decodeRlp(raw), 7)
        const tx = {
          ...{ hash: keccak(raw), from: asAddress(asBytes(from, 20)), nonce: asBigint(nonce) },
          ...{ tip: asBigint(tip), maxFee: asBigint(maxFee), data: asBytes(data) },
        }
        const waiting = this.pool.get(keyOf(tx))
        if (waiting !== undefined && (tx.maxFee * 8n < waiting.maxFee * 9n || tx.tip * 8n < waiting.tip * 9n))
          throw new NodeError(L1Errors.REFUSED, { host: 'sim', method: 'send', message: 'underpriced', output: null })
        this.pool.set(keyOf(tx), tx)
        this.given.push(tx)
      },
    }
  }
  endpointTo(target: bigint): Endpoint {
    return {
      name: `sim ${this.chain}`,
      finalized: async () => {
        this.#asked('finalized')
        return { number: this.finalNumber, hash: this.#blocks[this.finalNumber]?.hash ?? ZERO }
      },
      hashOf: async (height) => {
        this.#asked('hashOf')
        return this.#blocks[height]?.hash ?? null
      },
      sent: async (_, from, to) => {
        this.#asked('sent')
        if (to - from >= this.rangeMax) throw reverted('range')
        const all = (this.at(to)?.state.outbox ?? []).map(({ sent }) => sent)
        const asked = all.filter(
          ({ height, message }) => height >= from && height <= to && message.targetChain === target,
        )
        return this.forge(asked)
      },
      hasSent: async (_, sequence, height) => {
        this.#asked('hasSent')
        if (height < this.forgotten) throw reverted('missing trie node')
        const { outbox } = this.at(height)?.state ?? { outbox: [] }
        return outbox.some(({ sent: { message } }) => message.targetChain === target && message.sequence === sequence)
      },
    }
  }
  /** Of NovaChain alone: certificates of what is final elsewhere, and proofs of its outbox. */
  asker() {
    const answer = (method: string, params: readonly unknown[]): unknown => {
      this.#asked(method)
      if (method === 'nova_bridgeCertificate') {
        const [chain, id] = params as readonly [string, string]
        const source = this.#others.find((each) => each.chain === BigInt(chain))
        const state = source?.at(source.finalNumber)?.state
        const isSeen = state?.outbox.some(({ sent: { message } }) => bytesToHex(messageId(message)) === id) ?? false
        return isSeen ? { proof: bytesToHex(keccak(hexToBytes(id))) } : null
      }
      const [, slots, height] = params as readonly [string, readonly string[], string]
      const state = this.at(Number(height))?.state
      const found = (slot: string): Uint8Array =>
        state?.outbox.find(({ sent: { message } }) => slotOf(message.targetChain, message.sequence) === slot)?.link ??
        ZERO
      const value = (slot: string): string => `0x${BigInt(bytesToHex(found(slot))).toString(16)}`
      return { accountProof: [], storageProof: slots.map((key) => ({ key, value: value(key), proof: [] })) }
    }
    return {
      host: 'sim',
      known: async () => {},
      ask: async <T>(method: string, params: readonly unknown[], read: (value: unknown) => T): Promise<T> =>
        read(answer(method, params)),
    }
  }
}
const keyOf = ({ from, nonce }: SimTx): string => `${addressKey(from)} ${nonce}`
/** As Solidity places it, found apart from the code that is tested. */
const slotOf = (chain: bigint, sequence: bigint): string => {
  const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)
  const inner = keccak(Uint8Array.from([...word(chain), ...word(0n)]))
  return bytesToHex(keccak(Uint8Array.from([...word(sequence), ...inner])))
}
