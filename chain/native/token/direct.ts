// `transfer` and `transferFrom` where they are a transaction of their own and end well: what `ledger.ts` does and the kit charges, on slots that
// are found once a block. Whatever is not quite usual it leaves to them. Owns no rule: `exec/lane.test.ts` compares both to the byte.
import {
  type Address,
  addressKey,
  asHash,
  bigintToFixed,
  bytesToBigint,
  type Hash,
  hexToBytes,
} from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import type { OpenDirect } from '../../types/frame.ts'
import type { Account, Slot, State } from '../../types/state.ts'
import { COLD_SLOT, logGas, PAUSE_GAS, refundOf, WORD_GAS, writeGas } from '../kit/prices.ts'
import { abi } from './abi.ts'
import { layout } from './layout.ts'
import { isNobody, WORD_MAX } from './ledger.ts'

/** Beside what storage, log and data cost: some hashes. */
export const TRANSFER_GAS = 200

const WORD = 32
const TRANSFER = Number(abi.functions.transfer.selector)
const TRANSFER_FROM = Number(abi.functions.transferFrom.selector)
const TOPIC = asHash(hexToBytes(abi.events.Transfer.topic))
const TRUE = new Uint8Array(WORD)
TRUE[WORD - 1] = 1

/** An account as this block knows it. */
interface Holder {
  /** Of its balance. */
  readonly slot: Slot
  /** Its address in a word, for logs and as a key. */
  readonly topic: Hash
  /** By who may spend, where anybody did. */
  allowances: Map<Holder, Slot> | null
}

const BALANCES = bigintToFixed(BigInt(layout.balances.slot), WORD)
const ALLOWANCES = bigintToFixed(BigInt(layout.allowances.slot), WORD)
/** The slot of a mapping's value, as `kit/slots.ts` has it. */
const placeOf = (mapping: Uint8Array, key: Uint8Array): Hash => {
  const both = new Uint8Array(2 * WORD)
  both.set(key)
  both.set(mapping, WORD)
  return keccak(both)
}

/** The token's holders of one block. */
class Book {
  readonly #holders = new Map<string, Holder>()
  readonly #state: State
  readonly #account: Account

  constructor(state: State, at: Address) {
    this.#state = state
    this.#account = state.load(at)
  }
  #slotAt(place: Hash): Slot {
    return this.#state.loadSlot(this.#account, bytesToBigint(place))
  }
  of(address: Address): Holder {
    const key = addressKey(address)
    let holder = this.#holders.get(key)
    if (holder === undefined) {
      const topic = new Uint8Array(WORD)
      topic.set(address, 12)
      holder = { slot: this.#slotAt(placeOf(BALANCES, topic)), topic: asHash(topic), allowances: null }
      this.#holders.set(key, holder)
    }
    return holder
  }
  /** Null where the word is no address, or that of nobody. */
  at(input: Uint8Array, start: number): Holder | null {
    for (let i = start; i < start + 12; i++) if (input[i] !== 0) return null
    const address = input.subarray(start + 12, start + WORD) as Address // 20 bytes
    return isNobody(address) ? null : this.of(address)
  }
  allowance(owner: Holder, spender: Holder): Slot {
    owner.allowances ??= new Map()
    let slot = owner.allowances.get(spender)
    if (slot === undefined) {
      slot = this.#slotAt(placeOf(placeOf(ALLOWANCES, owner.topic), spender.topic))
      owner.allowances.set(spender, slot)
    }
    return slot
  }
}

/** Nothing else wrote the slot in this transaction. */
const written = (from: bigint, to: bigint): number => writeGas(from, from, to)
const refunded = (from: bigint, to: bigint): bigint => refundOf(from, from, to)

export const openDirect: OpenDirect = (state, at, pausedUntil) => {
  const book = new Book(state, at)
  return ({ caller, input, gas }, block) => {
    const selector = (input[0] ?? 0) * 2 ** 24 + (input[1] ?? 0) * 2 ** 16 + (input[2] ?? 0) * 2 ** 8 + (input[3] ?? 0)
    const words = selector === TRANSFER ? 2 : selector === TRANSFER_FROM ? 3 : 0
    if (words === 0 || input.length !== 4 + words * WORD || isNobody(caller)) return null
    const [spender, to] = [book.of(caller), book.at(input, 4 + (words - 2) * WORD)]
    const from = words === 2 ? spender : book.at(input, 4)
    const value = bytesToBigint(input.subarray(input.length - WORD))
    if (from === null || to === null || from === to || value === 0n || pausedUntil() > block.time) return null
    const [balance, reached] = [from.slot.value, to.slot.value]
    if (balance < value) return null
    let gasUsed = PAUSE_GAS + TRANSFER_GAS + WORD_GAS * (words + 2) + logGas(3, WORD) // arguments with selector, answer
    gasUsed += 2 * COLD_SLOT + written(balance, balance - value) + written(reached, reached + value)
    let refund = refunded(balance, balance - value)
    const allowance = words === 2 ? null : book.allowance(from, spender)
    const allowed = allowance?.value ?? WORD_MAX
    if (allowance !== null) gasUsed += COLD_SLOT
    if (allowed < value) return null
    if (allowed !== WORD_MAX) {
      gasUsed += written(allowed, allowed - value)
      refund += refunded(allowed, allowed - value)
    }
    if (gas < BigInt(gasUsed)) return null // what a write costs is more than what it must find left (EIP-2200)
    if (allowance !== null && allowed !== WORD_MAX) state.setSlot(allowance, allowed - value)
    state.setSlot(from.slot, balance - value)
    state.setSlot(to.slot, reached + value)
    state.log({ address: at, topics: [TOPIC, from.topic, to.topic], data: input.slice(input.length - WORD) })
    return { gasUsed: BigInt(gasUsed), refund, output: TRUE }
  }
}
