// What each instruction does, but those the loops of the interpreter do themselves. Owns prices that depend on operands; what
// concerns whole calls is the machine's.
import { asHash } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import type { CallKind } from '../types/frame.ts'
import type { Slot } from '../types/state.ts'
import {
  addressOfCreate,
  addressOfCreate2,
  BAD_OPCODE,
  DEPTH_MAX,
  DONE,
  type Frame,
  INITCODE_BYTES_MAX,
  NEXT,
  NOTHING,
  OUT_OF_GAS,
  REVERT,
  STATIC,
  type Target,
  UNDERFLOW,
} from './frames.ts'
import type { Machine } from './interpreter.ts'
import { isDelegation } from './tx.ts'
import {
  ADDRESS_MAX,
  byteAt,
  byteLength,
  bytesFrom,
  clz,
  exp,
  loadWord,
  sar,
  sdiv,
  shl,
  shr,
  signExtend,
  slt,
  smod,
  storeWord,
  WORD_MAX,
  wordFrom,
  wordIn,
} from './words.ts'

const WARM_GAS = 100
const COLD_SLOT_GAS = 2_100
const VALUE_GAS = 9_000
const NEW_ACCOUNT_GAS = 25_000
const STIPEND_GAS = 2_300
const CREATE_GAS = 32_000
const NONCE_MAX = 2n ** 64n - 1n

/** Runs one instruction: NEXT, ENTER or DONE. */
export type Handler = (machine: Machine, frame: Frame) => number
export const HANDLERS: Handler[] = Array.from({ length: 256 }, () => (_machine, frame) => frame.halt(BAD_OPCODE))

type Binary = (top: bigint, second: bigint) => bigint
export const BINARY: (Binary | undefined)[] = Array.from({ length: 256 }, () => undefined)
const bool = (condition: boolean): bigint => (condition ? 1n : 0n)
BINARY[0x01] = (a, b) => (a + b) & WORD_MAX
BINARY[0x02] = (a, b) => (a * b) & WORD_MAX
BINARY[0x03] = (a, b) => BigInt.asUintN(256, a - b)
BINARY[0x04] = (a, b) => (b === 0n ? 0n : a / b)
BINARY[0x05] = sdiv
BINARY[0x06] = (a, b) => (b === 0n ? 0n : a % b)
BINARY[0x07] = smod
BINARY[0x0b] = signExtend
BINARY[0x10] = (a, b) => bool(a < b)
BINARY[0x11] = (a, b) => bool(a > b)
BINARY[0x12] = (a, b) => bool(slt(a, b))
BINARY[0x13] = (a, b) => bool(slt(b, a))
BINARY[0x14] = (a, b) => bool(a === b)
BINARY[0x16] = (a, b) => a & b
BINARY[0x17] = (a, b) => a | b
BINARY[0x18] = (a, b) => a ^ b
BINARY[0x1a] = byteAt
BINARY[0x1b] = shl
BINARY[0x1c] = shr
BINARY[0x1d] = sar

/** An instruction that turns its operand into its result. */
const unary = (op: number, run: (word: bigint, machine: Machine, frame: Frame) => bigint): void => {
  HANDLERS[op] = (machine, frame) => {
    frame.stack[frame.sp - 1] = run(frame.stack[frame.sp - 1] as bigint, machine, frame)
    return NEXT
  }
}
/** An instruction that pushes what it knows. */
const pushes = (op: number, read: (machine: Machine, frame: Frame) => bigint): void => {
  HANDLERS[op] = (machine, frame) => frame.push(read(machine, frame))
}
/** The operand at a depth below the top. */
const peek = (frame: Frame, depth: number): bigint => frame.stack[frame.sp - 1 - depth] as bigint

HANDLERS[0x00] = () => DONE
unary(0x15, (word) => bool(word === 0n))
unary(0x19, (word) => WORD_MAX - word)
HANDLERS[0x1e] = (machine, frame) => {
  if (!machine.hasClz) return frame.halt(BAD_OPCODE)
  frame.stack[frame.sp - 1] = clz(peek(frame, 0))
  return NEXT
}
const modular = (op: number, run: (a: bigint, b: bigint) => bigint): void => {
  HANDLERS[op] = (_machine, frame) => {
    const modulus = peek(frame, 2)
    const result = modulus === 0n ? 0n : run(peek(frame, 0), peek(frame, 1)) % modulus
    frame.sp -= 2
    frame.stack[frame.sp - 1] = result
    return NEXT
  }
}
modular(0x08, (a, b) => a + b)
modular(0x09, (a, b) => a * b)
HANDLERS[0x0a] = (_machine, frame) => {
  const exponent = peek(frame, 1)
  if (!frame.pay(50 * byteLength(exponent))) return frame.halt(OUT_OF_GAS)
  frame.stack[frame.sp - 2] = exp(peek(frame, 0), exponent)
  frame.sp--
  return NEXT
}

const wordsIn = (length: bigint): number => Math.ceil(Number(length) / 32)

HANDLERS[0x20] = (_machine, frame) => {
  const [at, length] = [peek(frame, 0), peek(frame, 1)]
  if (!frame.grow(at, length) || !frame.pay(6 * wordsIn(length))) return frame.halt(OUT_OF_GAS)
  frame.sp--
  const from = Number(at)
  const size = Number(length)
  frame.stack[frame.sp - 1] = size === 64 ? hashOfPair(frame.view, from) : hashOf(frame, from, size)
  return NEXT
}
const hashOf = (frame: Frame, from: number, size: number): bigint =>
  wordFrom(keccak(size === 0 ? NOTHING : frame.memory.subarray(from, from + size)))

/** Hashes of two words: places in mappings, asked for again and again. A few are kept, each where its own bits say. */
const PAIRS = 1_024
const PAIR_INTS = 16
const pairs = new Int32Array(PAIRS * PAIR_INTS)
const pairHashes: (bigint | undefined)[] = Array.from({ length: PAIRS }, () => undefined)
const pair = new Uint8Array(64)
const hashOfPair = (view: DataView, from: number): bigint => {
  let mix = 0
  for (let i = 0; i < PAIR_INTS; i++) mix = Math.imul(mix ^ view.getInt32(from + 4 * i, true), 0x9e37_79b1)
  const place = mix >>> 22
  const base = place * PAIR_INTS
  let isSame = true
  for (let i = 0; i < PAIR_INTS && isSame; i++) isSame = pairs[base + i] === view.getInt32(from + 4 * i, true)
  const known = pairHashes[place]
  if (isSame && known !== undefined) return known
  for (let i = 0; i < pair.length; i++) pair[i] = view.getUint8(from + i)
  const hash = wordFrom(keccak(pair)) // before anything is noted of a pair: the machine may fail here
  for (let i = 0; i < PAIR_INTS; i++) pairs[base + i] = view.getInt32(from + 4 * i, true)
  pairHashes[place] = hash
  return hash
}

pushes(0x30, (_machine, frame) => frame.self.word)
pushes(0x32, (machine) => wordFrom(machine.message.origin))
pushes(0x33, (_machine, frame) => frame.callerWord)
pushes(0x34, (_machine, frame) => frame.value)
unary(0x35, (at, _machine, frame) => {
  const from = Number(at)
  const { input } = frame
  if (from >= input.length) return 0n
  return from + 32 <= input.length ? loadWord(frame.inputView(), from) : wordIn(input, from, 32)
})
pushes(0x36, (_machine, frame) => BigInt(frame.input.length))
pushes(0x38, (_machine, frame) => BigInt(frame.code.bytes.length))
pushes(0x3a, (machine) => machine.message.gasPriceWei)
pushes(0x3d, (_machine, frame) => BigInt(frame.returned.length))
unary(0x40, (number, machine) => {
  const age = BigInt(machine.block.number) - number
  return age > 256n || age <= 0n ? 0n : wordFrom(machine.block.blockHash(Number(number)))
})
pushes(0x41, (machine) => wordFrom(machine.block.coinbase))
pushes(0x42, (machine) => BigInt(machine.block.time))
pushes(0x43, (machine) => BigInt(machine.block.number))
pushes(0x44, (machine) => wordFrom(machine.block.prevRandao))
pushes(0x45, (machine) => machine.block.gasLimit)
pushes(0x46, (machine) => machine.chainId)
pushes(0x47, (_machine, frame) => frame.self.account.balance)
pushes(0x48, (machine) => machine.block.baseFeeWei)
unary(0x49, () => 0n) // this chain carries no blobs: no hashes, and the price at no excess
pushes(0x4a, () => 1n)
HANDLERS[0x50] = (_machine, frame) => {
  frame.sp--
  return NEXT
}
pushes(0x59, (_machine, frame) => BigInt(frame.sizeBytes))
pushes(0x5a, (_machine, frame) => BigInt(frame.gas))

/** Copies into memory what is there of the source, and zeros behind its end. */
const copyInto = (frame: Frame, to: bigint, source: Uint8Array, from: bigint, length: bigint): void => {
  if (length === 0n) return
  const at = Number(to)
  const size = Number(length)
  const start = from >= BigInt(source.length) ? source.length : Number(from)
  const have = Math.min(size, source.length - start)
  frame.memory.set(source.subarray(start, start + have), at)
  if (have < size) frame.memory.fill(0, at + have, at + size)
}
const copies = (op: number, source: (frame: Frame) => Uint8Array): void => {
  HANDLERS[op] = (_machine, frame) => {
    const [to, from, length] = [peek(frame, 0), peek(frame, 1), peek(frame, 2)]
    // Reading past what was returned is a halt, past other ends it reads zeros.
    if (op === 0x3e && from + length > BigInt(frame.returned.length)) return frame.halt(OUT_OF_GAS)
    if (!frame.grow(to, length) || !frame.pay(3 * wordsIn(length))) return frame.halt(OUT_OF_GAS)
    copyInto(frame, to, source(frame), from, length)
    frame.sp -= 3
    return NEXT
  }
}
copies(0x37, (frame) => frame.input)
copies(0x39, (frame) => frame.code.bytes)
copies(0x3e, (frame) => frame.returned)
HANDLERS[0x5e] = (_machine, frame) => {
  const [to, from, length] = [peek(frame, 0), peek(frame, 1), peek(frame, 2)]
  if (!frame.grow(from, length) || !frame.grow(to, length) || !frame.pay(3 * wordsIn(length)))
    return frame.halt(OUT_OF_GAS)
  if (length > 0n) frame.memory.copyWithin(Number(to), Number(from), Number(from) + Number(length))
  frame.sp -= 3
  return NEXT
}

HANDLERS[0x51] = (_machine, frame) => {
  const at = peek(frame, 0)
  if (!frame.grow(at, 32n)) return frame.halt(OUT_OF_GAS)
  frame.stack[frame.sp - 1] = loadWord(frame.view, Number(at))
  return NEXT
}
HANDLERS[0x52] = (_machine, frame) => {
  const at = peek(frame, 0)
  if (!frame.grow(at, 32n)) return frame.halt(OUT_OF_GAS)
  storeWord(frame.view, Number(at), peek(frame, 1))
  frame.sp -= 2
  return NEXT
}
HANDLERS[0x53] = (_machine, frame) => {
  const at = peek(frame, 0)
  if (!frame.grow(at, 1n)) return frame.halt(OUT_OF_GAS)
  frame.memory[Number(at)] = Number(peek(frame, 1) & 0xffn)
  frame.sp -= 2
  return NEXT
}

// Instructions that look at another account.
/** null where there is no gas for it. */
const lookAt = (machine: Machine, frame: Frame, operand: bigint): Target | null => {
  const word = operand & ADDRESS_MAX
  return machine.canLook(word, frame.gas) ? machine.target(word) : null
}
HANDLERS[0x31] = (machine, frame) => {
  const target = lookAt(machine, frame, peek(frame, 0))
  if (target === null) return frame.halt(OUT_OF_GAS)
  if (!frame.pay(machine.access(target, WARM_GAS))) return frame.halt(OUT_OF_GAS)
  frame.stack[frame.sp - 1] = target.account.balance
  return NEXT
}
HANDLERS[0x3b] = (machine, frame) => {
  const target = lookAt(machine, frame, peek(frame, 0))
  if (target === null) return frame.halt(OUT_OF_GAS)
  if (!frame.pay(machine.access(target, WARM_GAS))) return frame.halt(OUT_OF_GAS)
  frame.stack[frame.sp - 1] = BigInt(target.code(machine.state).bytes.length)
  return NEXT
}
HANDLERS[0x3c] = (machine, frame) => {
  const target = lookAt(machine, frame, peek(frame, 0))
  if (target === null) return frame.halt(OUT_OF_GAS)
  const [to, from, length] = [peek(frame, 1), peek(frame, 2), peek(frame, 3)]
  if (!frame.grow(to, length) || !frame.pay(3 * wordsIn(length) + machine.access(target, WARM_GAS)))
    return frame.halt(OUT_OF_GAS)
  copyInto(frame, to, target.code(machine.state).bytes, from, length)
  frame.sp -= 4
  return NEXT
}
HANDLERS[0x3f] = (machine, frame) => {
  const target = lookAt(machine, frame, peek(frame, 0))
  if (target === null) return frame.halt(OUT_OF_GAS)
  if (!frame.pay(machine.access(target, WARM_GAS))) return frame.halt(OUT_OF_GAS)
  const isDead = machine.isDead(target, target.code(machine.state))
  frame.stack[frame.sp - 1] = isDead ? 0n : wordFrom(target.account.codeHash)
  return NEXT
}

HANDLERS[0x54] = (machine, frame) => {
  const key = peek(frame, 0)
  const { account } = frame.self
  if (frame.gas < COLD_SLOT_GAS && !machine.state.isSlotLoaded(account, key)) return frame.halt(OUT_OF_GAS)
  const slot = machine.slot(account, key)
  if (!frame.pay(machine.state.warmSlot(slot) ? COLD_SLOT_GAS : WARM_GAS)) return frame.halt(OUT_OF_GAS)
  frame.stack[frame.sp - 1] = slot.value
  return NEXT
}
HANDLERS[0x55] = (machine, frame) => {
  if (frame.isStatic) return frame.halt(STATIC)
  if (frame.sp < 2) return frame.halt(UNDERFLOW)
  if (frame.gas <= STIPEND_GAS) return frame.halt(OUT_OF_GAS) // EIP-2200
  const slot = machine.slot(frame.self.account, peek(frame, 0))
  const value = peek(frame, 1)
  const coldGas = machine.state.warmSlot(slot) ? COLD_SLOT_GAS : 0
  if (!frame.pay(coldGas + priceOfStore(machine, slot, value))) return frame.halt(OUT_OF_GAS)
  if (machine.refund < 0) return frame.halt('refund exhausted')
  machine.state.setSlot(slot, value)
  frame.sp -= 2
  return NEXT
}
const CLEAR_REFUND = 4_800
/** EIP-2200 at the prices of EIP-2929 and EIP-3529. Counts the refund. */
const priceOfStore = (machine: Machine, { value: current, original }: Slot, value: bigint): number => {
  if (current === value) return WARM_GAS
  if (original === current) {
    if (original === 0n) return 20_000
    if (value === 0n) machine.refund += CLEAR_REFUND
    return 5_000 - COLD_SLOT_GAS
  }
  if (original !== 0n) {
    if (current === 0n) machine.refund -= CLEAR_REFUND
    else if (value === 0n) machine.refund += CLEAR_REFUND
  }
  if (original === value) machine.refund += (original === 0n ? 20_000 : 5_000 - COLD_SLOT_GAS) - WARM_GAS
  return WARM_GAS
}
unary(0x5c, (key, { state }, { self }) => state.transient(self.account.address, key))
HANDLERS[0x5d] = (machine, frame) => {
  if (frame.isStatic) return frame.halt(STATIC)
  if (frame.sp < 2) return frame.halt(UNDERFLOW)
  machine.state.setTransient(frame.self.account.address, peek(frame, 0), peek(frame, 1))
  frame.sp -= 2
  return NEXT
}

for (let topics = 0; topics <= 4; topics++)
  HANDLERS[0xa0 + topics] = ({ state }, frame) => {
    if (frame.isStatic) return frame.halt(STATIC)
    if (frame.sp < 2) return frame.halt(UNDERFLOW)
    const [at, length] = [peek(frame, 0), peek(frame, 1)]
    if (!frame.grow(at, length) || !frame.pay(375 * (1 + topics) + 8 * Number(length))) return frame.halt(OUT_OF_GAS)
    if (frame.sp < 2 + topics) return frame.halt(UNDERFLOW)
    const data = length === 0n ? NOTHING : frame.memory.slice(Number(at), Number(at) + Number(length))
    const words = Array.from({ length: topics }, (_, i) => asHash(bytesFrom(peek(frame, 2 + i), 32)))
    state.log({ address: frame.self.account.address, topics: words, data })
    frame.sp -= 2 + topics
    return NEXT
  }

const ends = (op: number, fault: string | null): void => {
  HANDLERS[op] = (_machine, frame) => {
    const [at, length] = [peek(frame, 0), peek(frame, 1)]
    if (!frame.grow(at, length)) return frame.halt(OUT_OF_GAS)
    frame.output = length === 0n ? NOTHING : frame.memory.slice(Number(at), Number(at) + Number(length))
    frame.fault = fault
    return DONE
  }
}
ends(0xf3, null)
ends(0xfd, REVERT)

HANDLERS[0xff] = (machine, frame) => {
  const { state } = machine
  if (frame.isStatic) return frame.halt(STATIC)
  if (frame.sp < 1) return frame.halt(UNDERFLOW)
  const heir = lookAt(machine, frame, peek(frame, 0))
  if (heir === null) return frame.halt(OUT_OF_GAS)
  const { self } = frame
  const { balance } = self.account
  const makes = balance > 0n && machine.isDead(heir, heir.code(state))
  if (!frame.pay(5_000 + machine.access(heir, 0) + (makes ? NEW_ACCOUNT_GAS : 0))) return frame.halt(OUT_OF_GAS)
  const isOwn = heir.word === self.word
  if (!isOwn) state.setBalance(heir.account, heir.account.balance + balance)
  const isNew = state.wasCreated(self.account) // EIP-6780
  if (isNew || !isOwn) state.setBalance(self.account, 0n)
  if (isNew) state.destroy(self.account)
  return DONE
}

/** All but a 64th (EIP-150). */
const mostOf = (gas: number): number => gas - Math.floor(gas / 64)

const CALLS = [
  [0xf1, 'call'],
  [0xf2, 'callcode'],
  [0xf4, 'delegatecall'],
  [0xfa, 'staticcall'],
] as const
for (const [op, kind] of CALLS) HANDLERS[op] = (machine, frame) => callFrom(machine, frame, kind)

const callFrom = (
  machine: Machine,
  frame: Frame,
  kind: 'call' | 'callcode' | 'delegatecall' | 'staticcall',
): number => {
  const { stack, self } = frame
  const hasValue = kind === 'call' || kind === 'callcode'
  const base = frame.sp - (hasValue ? 7 : 6)
  const [outBytes, outAt] = [stack[base] as bigint, stack[base + 1] as bigint]
  const [inBytes, inAt] = [stack[base + 2] as bigint, stack[base + 3] as bigint]
  const value = hasValue ? (stack[base + 4] as bigint) : 0n
  if (kind === 'call' && frame.isStatic && value !== 0n) return frame.halt(STATIC)
  if (!frame.grow(inAt, inBytes) || !frame.grow(outAt, outBytes)) return frame.halt(OUT_OF_GAS)
  const callee = lookAt(machine, frame, peek(frame, 1))
  if (callee === null || !frame.pay(priceOfCall(machine, callee, kind, value))) return frame.halt(OUT_OF_GAS)
  const wanted = peek(frame, 0)
  const most = mostOf(frame.gas)
  const passed = wanted > BigInt(most) ? most : Number(wanted)
  const gas = passed + (value === 0n ? 0 : STIPEND_GAS)
  frame.gas -= passed
  frame.sp = base
  frame.outAt = Number(outAt)
  frame.outBytes = Number(outBytes)
  frame.returned = NOTHING
  if (frame.depth >= DEPTH_MAX || (hasValue && self.account.balance < value)) {
    frame.gas += gas
    return frame.push(0n)
  }
  const input = inBytes === 0n ? NOTHING : frame.memory.subarray(Number(inAt), Number(inAt) + Number(inBytes))
  const isDelegate = kind === 'delegatecall'
  const signal = machine.call({
    kind,
    callee,
    self: isDelegate || kind === 'callcode' ? self : callee,
    from: self,
    caller: isDelegate ? frame.caller : self.account.address,
    callerWord: isDelegate ? frame.callerWord : self.word,
    value: isDelegate ? frame.value : value,
    input,
    gas,
    isStatic: frame.isStatic || kind === 'staticcall',
  })
  if (signal !== DONE) return signal
  machine.settle(frame, machine.result, null)
  return NEXT
}
const priceOfCall = (machine: Machine, callee: Target, kind: CallKind, value: bigint): number => {
  const { state } = machine
  let gas = machine.access(callee, WARM_GAS)
  const code = callee.code(state)
  if (value !== 0n) gas += kind === 'call' && machine.isDead(callee, code) ? VALUE_GAS + NEW_ACCOUNT_GAS : VALUE_GAS
  if (isDelegation(code.bytes)) gas += machine.access(machine.target(wordFrom(code.bytes.subarray(3))), WARM_GAS)
  return gas
}

HANDLERS[0xf0] = (machine, frame) => createFrom(machine, frame, null)
HANDLERS[0xf5] = (machine, frame) => createFrom(machine, frame, peek(frame, 3))

const createFrom = (machine: Machine, frame: Frame, salt: bigint | null): number => {
  const { state } = machine
  const { self } = frame
  const [value, at, length] = [peek(frame, 0), peek(frame, 1), peek(frame, 2)]
  if (frame.isStatic) return frame.halt(STATIC)
  if (!frame.grow(at, length)) return frame.halt(OUT_OF_GAS)
  const words = wordsIn(length)
  if (!frame.pay(CREATE_GAS + (salt === null ? 2 : 8) * words)) return frame.halt(OUT_OF_GAS)
  if (length > BigInt(INITCODE_BYTES_MAX)) return frame.halt('initcode exceeds max initcode size')
  frame.sp -= salt === null ? 3 : 4
  const initcode = length === 0n ? NOTHING : frame.memory.subarray(Number(at), Number(at) + Number(length))
  frame.outBytes = 0
  frame.returned = NOTHING
  const { nonce, balance, address } = self.account
  if (frame.depth >= DEPTH_MAX || balance < value || nonce >= NONCE_MAX) return frame.push(0n)
  if (machine.message.forbidsCreation) return frame.push(0n)
  state.setNonce(self.account, nonce + 1n)
  const gas = mostOf(frame.gas)
  frame.gas -= gas
  const made = salt === null ? addressOfCreate(address, nonce) : addressOfCreate2(address, salt, initcode)
  const signal = machine.create(self, made, value, initcode, gas)
  if (signal !== DONE) return signal
  machine.settle(frame, machine.result, null)
  return NEXT
}
