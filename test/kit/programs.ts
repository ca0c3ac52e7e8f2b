// EVM programs that a seed makes: instructions with labels and data behind the code, so that a program stays one when some of it is
// taken away. Owns assembling, what a random program consists of, and taking away; runs nothing.
import { type Address, bigintToBytes, concat, hexToBytes } from '../../chain/base/bytes.ts'
import type { Dice } from './dice.ts'
import { precompileCall } from './precompiles.ts'

export type Insn =
  | { readonly is: 'op'; readonly op: number }
  | { readonly is: 'push'; readonly bytes: Uint8Array }
  /** A JUMPDEST, and the push of its place. */
  | { readonly is: 'label' | 'target'; readonly id: number }
  /** The push of where a segment begins behind the code, or of its size. */
  | { readonly is: 'offset' | 'size'; readonly of: Program | Uint8Array }
export type Program = readonly Insn[]

const widthOf = (insn: Insn): number => {
  if (insn.is === 'push') return 1 + insn.bytes.length
  return insn.is === 'op' || insn.is === 'label' ? 1 : 3
}
const push2 = (value: number): readonly number[] => [0x61, (value >> 8) & 255, value & 255]

export function assemble(program: Program | Uint8Array): Uint8Array {
  if (program instanceof Uint8Array) return program
  const labels = new Map<number, number>()
  const segments = new Map<Program | Uint8Array, { offset: number; bytes: Uint8Array }>()
  let at = 0
  for (const insn of program) {
    if (insn.is === 'label') labels.set(insn.id, at)
    at += widthOf(insn)
  }
  for (const insn of program) {
    if (!('of' in insn) || segments.has(insn.of)) continue
    const bytes = assemble(insn.of)
    segments.set(insn.of, { offset: at, bytes })
    at += bytes.length
  }
  const code = program.flatMap((insn): readonly number[] => {
    if (insn.is === 'op') return [insn.op]
    if (insn.is === 'push') return [0x5f + insn.bytes.length, ...insn.bytes]
    if (insn.is === 'label') return [0x5b]
    if (insn.is === 'target') return push2(labels.get(insn.id) ?? 0xffff)
    const segment = 'of' in insn ? segments.get(insn.of) : undefined
    return push2((insn.is === 'offset' ? segment?.offset : segment?.bytes.length) ?? 0)
  })
  return concat(Uint8Array.from(code), ...[...segments.values()].map(({ bytes }) => bytes))
}

/** The program without some of its instructions, or with less in a program behind it: largest pieces first. */
export function* smaller(program: Program): Generator<Program> {
  for (let size = program.length; size >= 1; size = Math.floor(size / 2))
    for (let at = 0; at < program.length; at += size) yield [...program.slice(0, at), ...program.slice(at + size)]
  const inner = new Set(program.flatMap((insn) => ('of' in insn ? [insn.of] : [])))
  for (const segment of inner) {
    const replaced = (by: Program | Uint8Array): Program =>
      program.map((insn) => ('of' in insn && insn.of === segment ? { ...insn, of: by } : insn))
    if (segment instanceof Uint8Array) {
      if (segment.length > 0) yield replaced(segment.subarray(0, segment.length >> 1))
    } else for (const less of smaller(segment)) yield replaced(less)
  }
}

/** What a program may name. */
export interface Places {
  readonly targets: readonly Address[]
  /** Input that one of the native modules may understand. */
  nativeCall(dice: Dice): { readonly to: Address; readonly input: Uint8Array }
}

type Kind = 'word' | 'small' | 'offset' | 'size' | 'key' | 'address' | 'gas' | 'value' | 'index' | 'height'
const MAX = 2n ** 256n - 1n
const WORDS = [0n, 1n, 2n, 3n, 31n, 32n, 255n, 256n, 2n ** 64n, 2n ** 128n, 2n ** 255n, 2n ** 255n - 1n, MAX, MAX - 1n]
const HUGE = [2n ** 16n, 2n ** 24n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n, 2n ** 255n, MAX]
const LITERALS: Readonly<Record<Exclude<Kind, 'address'>, readonly bigint[]>> = {
  word: WORDS,
  small: [0n, 1n, 7n, 8n, 15n, 30n, 31n, 32n, 255n, 256n, 257n],
  offset: [0n, 0n, 1n, 31n, 32n, 33n, 64n, 100n, 128n, 1_000n],
  size: [0n, 0n, 1n, 20n, 31n, 32n, 32n, 33n, 64n, 96n, 200n, 1_025n],
  key: [0n, 1n, 2n, 3n, 4n, MAX],
  gas: [0n, 700n, 2_300n, 5_000n, 9_000n, 20_000n, 30_000n, 60_000n, 100_000n, 200_000n, MAX, MAX, MAX],
  value: [0n, 0n, 0n, 0n, 0n, 0n, 0n, 1n, 1n, 1_000n, 10n ** 30n],
  index: [0n, 1n, 4n, 31n, 32n, 100n, 300n, MAX],
  height: [0n, 43n, 44n, 44n, 45n, 299n, 300n, 301n, MAX], // at 300
}
/** How often what is on the stack already serves, so that results flow on. A size that does is mostly out of gas. */
const REUSE: Readonly<Record<Kind, number>> = {
  ...{ word: 0.35, small: 0.15, offset: 0.005, size: 0.005, key: 0.1 },
  ...{ address: 0.05, gas: 0.1, value: 0.02, index: 0.1, height: 0.05 },
}

/** Opcodes that stand for themselves: what they take, top first, and how many words they leave. */
const PLAIN: readonly (readonly [weight: number, ops: readonly number[], takes: readonly Kind[], leaves: number])[] = [
  [8, [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07], ['word', 'word'], 1],
  [3, [0x08, 0x09], ['word', 'word', 'word'], 1],
  [2, [0x0a], ['word', 'small'], 1],
  [2, [0x0b], ['small', 'word'], 1],
  [6, [0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18], ['word', 'word'], 1],
  [3, [0x15, 0x19, 0x1e], ['word'], 1],
  [4, [0x1a, 0x1b, 0x1c, 0x1d], ['small', 'word'], 1],
  [2, [0x20], ['offset', 'size'], 1],
  [4, [0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4a], [], 1],
  [3, [0x58, 0x59, 0x5a], [], 1],
  [3, [0x31, 0x3b, 0x3f], ['address'], 1],
  [2, [0x35, 0x49], ['index'], 1],
  [2, [0x40], ['height'], 1],
  [2, [0x37, 0x39, 0x3e], ['offset', 'offset', 'size'], 0],
  [1, [0x3c], ['address', 'offset', 'offset', 'size'], 0],
  [2, [0x50], ['word'], 0],
  [4, [0x51], ['offset'], 1],
  [5, [0x52, 0x53], ['offset', 'word'], 0],
  [1, [0x5e], ['offset', 'offset', 'size'], 0],
  [5, [0x54, 0x5c], ['key'], 1],
  [7, [0x55, 0x5d], ['key', 'word'], 0],
  [1, [0xa0], ['offset', 'size'], 0],
  [1, [0xa1], ['offset', 'size', 'word'], 0],
  [1, [0xa2], ['offset', 'size', 'word', 'word'], 0],
  [1, [0xa3], ['offset', 'size', 'word', 'word', 'word'], 0],
  [1, [0xa4], ['offset', 'size', 'word', 'word', 'word', 'word'], 0],
]
const plainTotal = PLAIN.reduce((sum, [weight]) => sum + weight, 0)
const CALLS = [0xf1, 0xf1, 0xf2, 0xf4, 0xfa] as const

const op = (code: number): Insn => ({ is: 'op', op: code })
const literal = (value: bigint): Insn => ({
  is: 'push',
  bytes: value === 0n ? new Uint8Array(0) : bigintToBytes(value),
})

/** Counts in slot 0 how often it was made and called, and destroys itself for whoever calls it. */
const PHOENIX = hexToBytes('0x5f54600101805f5560015d685f546001015f5533ff5f5260096017f3')

/** Writes one program, keeping count of the stack. */
class Writer {
  readonly insns: Insn[] = []
  readonly #dice: Dice
  readonly #places: Places
  readonly #nesting: number
  #depth = 0
  #labels = 0
  /** Labels to come, with the stack that a jump to them leaves. */
  readonly #pending: { readonly id: number; readonly depth: number }[] = []

  constructor(dice: Dice, places: Places, nesting: number) {
    this.#dice = dice
    this.#places = places
    this.#nesting = nesting
  }

  push(value: bigint | Uint8Array): void {
    this.insns.push(typeof value === 'bigint' ? literal(value) : { is: 'push', bytes: value })
    this.#depth++
  }
  #op(code: number, takes: number, leaves: number): void {
    this.insns.push(op(code))
    this.#depth = Math.max(0, this.#depth - takes) + leaves
  }
  #argument(kind: Kind, spare: number): void {
    const dice = this.#dice
    if (this.#depth > spare && dice.chance(REUSE[kind])) {
      this.#op(0x80 + dice.below(Math.min(16, this.#depth)), 0, 1)
      return
    }
    if (kind === 'word' && this.#depth > 0 && dice.chance(0.1))
      this.#op(0x80, 0, 1) // twice the same: comparisons have their edge there
    else this.push(this.#value(kind))
  }
  #value(kind: Kind): bigint | Uint8Array {
    const dice = this.#dice
    if (kind === 'address') return dice.pick(this.#places.targets)
    if ((kind === 'offset' || kind === 'size') && dice.chance(0.004)) return dice.pick(HUGE)
    if (kind === 'word' && dice.chance(0.3)) return dice.bytes(1 + dice.below(32))
    if (kind === 'key' && dice.chance(0.05)) return dice.bytes(32)
    // Longer pushes than a value needs are as good.
    const value = dice.pick(LITERALS[kind])
    return dice.chance(0.05) ? concat(new Uint8Array(4), bigintToBytes(value)).subarray(-32) : value
  }
  /** The arguments of an instruction, the last one first. Now and then they are not pushed at all. */
  #arguments(kinds: readonly Kind[]): void {
    if (
      this.#depth >= kinds.length &&
      this.#dice.chance(kinds.some((kind) => kind === 'size' || kind === 'offset') ? 0.005 : 0.25)
    )
      return
    if (this.#dice.chance(0.001)) return // too few
    // Nothing, from far away: costs nothing and is nowhere.
    const isNowhere = kinds.includes('size') && this.#dice.chance(0.02)
    for (const kind of [...kinds].reverse()) {
      if (isNowhere && kind === 'size') this.push(0n)
      else if (isNowhere && kind === 'offset') this.push(this.#dice.pick(HUGE))
      else this.#argument(kind, 0)
    }
  }

  /** One thing that a contract does. */
  step(): void {
    const dice = this.#dice
    const roll = dice.below(100)
    if (this.#pending.length > 0 && dice.chance(0.4)) this.#label()
    if (roll < 52) this.#plain()
    else if (roll < 58) this.#shuffle()
    else if (roll < 68) this.#observe()
    else if (roll < 78) this.#call()
    else if (roll < 82) this.#precompile()
    else if (roll < 84) this.#native()
    else if (roll < 88 && this.#nesting < 2) this.#create()
    else if (roll < 91) this.#jumpAhead()
    else if (roll < 94) this.#loop()
    else if (roll < 95 && this.#dice.chance(0.4)) this.#rare()
    else if (roll < 96) this.#phoenix()
    else if (roll < 97) this.#returned()
    else this.#argument('word', 0)
  }
  #plain(): void {
    let at = this.#dice.below(plainTotal)
    const row = PLAIN.find(([weight]) => {
      at -= weight
      return at < 0
    })
    if (row === undefined) return
    const [, ops, takes, leaves] = row
    this.#arguments(takes)
    this.#op(this.#dice.pick(ops), takes.length, leaves)
  }
  #shuffle(): void {
    const dice = this.#dice
    const reach = dice.chance(0.02) ? 16 : Math.min(16, this.#depth)
    if (this.#depth === 0) this.#argument('word', 0)
    else if (dice.chance(0.5)) this.#op(0x80 + dice.below(reach), 0, 1)
    else if (this.#depth > 1) this.#op(0x90 + dice.below(Math.min(16, dice.chance(0.02) ? 16 : this.#depth - 1)), 0, 0)
  }
  /** What is on top shows outside. */
  #observe(): void {
    if (this.#depth === 0) return
    if (this.#dice.chance(0.5)) {
      this.push(BigInt(this.#dice.below(6)))
      this.#op(0x55, 2, 0)
    } else {
      this.push(BigInt(32 * this.#dice.below(5)))
      this.#op(0x52, 2, 0)
    }
  }
  #call(): void {
    const code = this.#dice.pick(CALLS)
    const hasValue = code === 0xf1 || code === 0xf2
    const kinds: Kind[] = [
      'gas',
      'address',
      ...(hasValue ? ['value' as const] : []),
      'offset',
      'size',
      'offset',
      'size',
    ]
    this.#arguments(kinds)
    if (this.#dice.chance(0.6)) {
      // All gas but a 64th: nested programs get somewhere.
      this.insns.push(op(0x50), op(0x5a))
    }
    this.#op(code, kinds.length, 1)
  }
  /** Bytes into memory from 0 on. */
  #load(segment: Program | Uint8Array): void {
    this.insns.push({ is: 'size', of: segment }, { is: 'offset', of: segment }, literal(0n), op(0x39))
  }
  #callWith(to: Address | bigint, input: Uint8Array, code: number): void {
    const dice = this.#dice
    this.#load(input)
    const size = BigInt(dice.pick([0, 32, 32, 64, 128, 300]))
    const value = code === 0xf1 || code === 0xf2
    for (const part of [size, BigInt(dice.pick([0, 32, 64]))]) this.push(part)
    this.insns.push({ is: 'size', of: input })
    this.#depth++
    this.push(0n)
    if (value) this.push(dice.chance(0.9) ? 0n : 1n)
    this.push(to)
    if (dice.chance(0.75)) this.#op(0x5a, 0, 1)
    else this.#argument('gas', 0)
    this.#op(code, value ? 7 : 6, 1)
  }
  #precompile(): void {
    const { number, input } = precompileCall(this.#dice)
    this.#callWith(BigInt(number), input, this.#dice.pick(CALLS))
    this.#returned()
  }
  #native(): void {
    const { to, input } = this.#places.nativeCall(this.#dice)
    this.#callWith(to, input, this.#dice.chance(0.7) ? 0xf1 : this.#dice.pick(CALLS))
    this.#returned()
  }
  /** Some of the last call's answer, and how much there was. */
  #returned(): void {
    const dice = this.#dice
    if (dice.chance(0.4)) {
      this.#op(0x3d, 0, 1)
      this.#observe()
    } else if (dice.chance(0.7)) this.insns.push(op(0x3d), literal(0n), literal(64n), op(0x3e))
    else {
      for (const kind of ['size', 'offset', 'offset'] as const) this.#argument(kind, 0)
      this.#op(0x3e, 3, 0)
    }
  }
  #create(): void {
    const dice = this.#dice
    const initcode = dice.chance(0.9)
      ? writeInitcode(dice, this.#places, this.#nesting + 1)
      : dice.pick([new Uint8Array(0), Uint8Array.of(0xef), Uint8Array.of(0x60, 0xef, 0x5f, 0x53, 0x60, 1, 0x5f, 0xf3)])
    this.#load(initcode)
    const isSalted = dice.chance(0.5)
    if (isSalted) this.push(BigInt(dice.below(3)))
    this.insns.push({ is: 'size', of: initcode }, literal(0n))
    this.#depth += 2
    this.#argument('value', 0)
    this.#op(isSalted ? 0xf5 : 0xf0, isSalted ? 4 : 3, 1)
    if (!dice.chance(0.6)) return
    // And call what was made.
    for (let i = 0; i < 5; i++) this.push(0n)
    this.#op(0x85, 0, 1)
    this.#op(0x5a, 0, 1)
    this.#op(0xf1, 7, 1)
  }
  /** Makes a contract where one was in an earlier transaction, and mostly has it destroy itself. */
  #phoenix(): void {
    const dice = this.#dice
    this.#load(PHOENIX)
    this.push(0n)
    this.insns.push({ is: 'size', of: PHOENIX }, literal(0n))
    this.#depth += 2
    this.push(dice.chance(0.8) ? 0n : 1n)
    this.#op(0xf5, 4, 1)
    this.#observe()
    if (dice.chance(0.3)) return
    // Its place is known, whether or not it was made just now.
    this.#load(PHOENIX)
    this.insns.push({ is: 'size', of: PHOENIX }, literal(0n), op(0x20), literal(64n), op(0x52))
    this.insns.push(literal(0n), literal(32n), op(0x52))
    // 0xff ‖ the maker ‖ salt ‖ hash, as CREATE2 has it, from place 11 on: the maker from 12, the salt 0 from 32.
    this.insns.push(op(0x30), literal(0n), op(0x52), literal(0xffn), literal(11n), op(0x53))
    for (const part of [0n, 0n, 0n, 0n, 0n]) this.push(part)
    this.insns.push(literal(85n), literal(11n), op(0x20))
    this.#depth++
    this.#op(0x5a, 0, 1)
    this.#op(0xf1, 7, 1)
  }
  #jumpAhead(): void {
    const id = this.#labels++
    const dice = this.#dice
    if (dice.chance(0.7)) {
      this.#argument('word', 0)
      this.insns.push({ is: 'target', id }, op(0x57))
      this.#depth = Math.max(0, this.#depth - 1)
    } else this.insns.push({ is: 'target', id }, op(0x56))
    if (dice.chance(0.98)) this.#pending.push({ id, depth: this.#depth }) // else a jump to nowhere
  }
  #label(): void {
    const label = this.#pending.pop()
    if (label === undefined) return
    while (this.#depth > label.depth) this.#op(0x50, 1, 0)
    while (this.#depth < label.depth) this.push(0n)
    this.insns.push({ is: 'label', id: label.id })
  }
  /** Some rounds over a few steps with a counter in transient storage, which no step knows. */
  #loop(): void {
    const dice = this.#dice
    const id = this.#labels++
    const counter = BigInt(900 + dice.below(3))
    this.insns.push({ is: 'label', id })
    const before = this.#depth
    for (let i = 1 + dice.below(3); i > 0; i--) this.#plain()
    while (this.#depth > before) this.#op(0x50, 1, 0)
    // counter = counter + 1; again while it is below a bound
    this.insns.push(literal(counter), op(0x5c), literal(1n), op(0x01), op(0x80), literal(counter), op(0x5d))
    const rounds = dice.chance(0.04) ? 230 : 2 + dice.below(6)
    this.insns.push(literal(BigInt(rounds)), op(0x11), { is: 'target', id }, op(0x57))
  }
  #rare(): void {
    const dice = this.#dice
    const what = dice.below(6)
    if (what === 0) this.insns.push(op(dice.below(256)))
    else if (what === 1) this.insns.push(literal(BigInt(dice.below(200))), op(0x56))
    else if (what === 2) this.end()
    else if (what === 3) this.insns.push({ is: 'push', bytes: Uint8Array.of(0x5b, 0x5b) }, op(0x56))
    else if (what === 4) for (let i = 0; i < 20; i++) this.push(BigInt(i))
    else this.insns.push(...[0x4b, 0x0c, 0x21, 0xfe, 0xe0, 0x5f].map(op))
  }
  end(): void {
    while (this.#pending.length > 0 && this.#dice.chance(0.97)) this.#label()
    const roll = this.#dice.below(20)
    if (roll < 2) this.insns.push(op(0x00))
    else if (roll < 15) {
      for (let i = 0; i < 3 && this.#depth > 0; i++) {
        this.insns.push(literal(BigInt(32 * i)), op(0x52))
        this.#depth--
      }
      this.insns.push(literal(96n), literal(0n), op(roll < 13 ? 0xf3 : 0xfd))
    } else if (roll < 17) {
      this.#argument('address', 0)
      this.#op(0xff, 1, 0)
    } else if (roll === 17) this.insns.push(op(0xfe))
    else if (roll === 18) {
      this.#arguments(['offset', 'size'])
      this.#op(this.#dice.chance(0.5) ? 0xf3 : 0xfd, 2, 0)
    } // else it runs on into what lies behind
  }
}

/** A random program of some steps. */
export function writeProgram(dice: Dice, places: Places, nesting = 0): Program {
  if (dice.chance(0.01)) return [{ is: 'push', bytes: dice.bytes(dice.below(33)) }, ...[...dice.bytes(40)].map(op)]
  const writer = new Writer(dice, places, nesting)
  for (let i = 1 + dice.below(nesting === 0 ? 30 : 10); i > 0; i--) writer.step()
  writer.end()
  return writer.insns
}

/** Initcode: some steps, then mostly a program of its own as the code of what is made. */
export function writeInitcode(dice: Dice, places: Places, nesting: number): Program {
  if (dice.chance(0.25)) return writeProgram(dice, places, nesting)
  const writer = new Writer(dice, places, nesting)
  for (let i = dice.below(5); i > 0; i--) writer.step()
  const runtime = dice.chance(0.03) ? dice.bytes(24_570 + dice.below(12)) : writeProgram(dice, places, nesting + 1)
  writer.insns.push({ is: 'size', of: runtime }, { is: 'offset', of: runtime }, literal(0n), op(0x39))
  writer.insns.push({ is: 'size', of: runtime }, literal(0n), op(0xf3))
  return writer.insns
}
