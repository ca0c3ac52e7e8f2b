// Arithmetic of secp256k1 for eight signatures at a time, as WebAssembly that is put together here. A number modulo p lies in five floating
// point limbs of 52 bits each, signed, and a fused multiply-add splits each product of two limbs exactly into a high and a low part: the
// fastest exact multiplication that WebAssembly has. Owns the bounds below.
//
// A limb is at most 2^51 + 8 in size, the fifth 2^47 + 8 ("tight"); so is every result, and 0 has one form, five zeros: a tight number is below p,
// and a sum of limbs below 2^52 in size is 0 only where each is. All are integers, negative ones too, and nothing stands on signs.
//
// Products of one column are at most 2^103 + 2^57 together, so what is added to SPLIT stays above 2^104 and a multiple of 2^52. Its rounding
// error is at most 2^51, or 2^52 where the last product took it beyond 2^105, and is what the second multiply-add finds, exactly. A "unit" is
// 2^51: sums of four such rests are exact, and none has more. High parts are multiples of 2^52 below 2^105, so sums of them are exact too; over
// 2^52 and with a rest they stay below 2^53. `lanes-wasm.test.ts` proves this over the instructions themselves for all tight limbs at once.
// All that is needed beside it is that `f64x2.relaxed_madd` rounds once, which `lanes.ts` finds out.

import { type Code, END, get, i32, instantiate, named, section, TYPE, unsigned, Writer } from './wasm-code.ts'

const NO_RESULT = 0x40
const simd = (op: number): Code => [0xfd, ...unsigned(op)]
const load = (base: Code, offset: number): Code => [...base, ...simd(0), 4, ...unsigned(offset)]
const store = (base: Code, offset: number, value: Code): Code => [
  ...base,
  ...value,
  ...simd(11),
  4,
  ...unsigned(offset),
]
const add = (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf0)]
const sub = (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf1)]
const times = (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf2)]
const negated = (a: Code): Code => [...a, ...simd(0xed)]
const madd = (a: Code, b: Code, c: Code): Code => [...a, ...b, ...c, ...simd(0x107)]

/** Vectors of an element: each has two lanes, and four of them keep more of the processor busy than two. */
export const VECTORS = 4
export const LANES = 2 * VECTORS
const LIMBS = 5
const VECTOR_BYTES = 16 * LIMBS
/** Of a number for each lane: limb i of lane l at `VECTOR_BYTES * (l >> 1) + 16 * i + 8 * (l & 1)`. */
export const ELEMENT_BYTES = VECTORS * VECTOR_BYTES

const SPLIT = 3 * 2 ** 103 + 2 ** 60
/** 2^256 modulo p. */
const FOLD = 2 ** 32 + 977
const CONSTANTS = [SPLIT, -(2 ** -52), 2 ** -52, 3 * 2 ** 99, 16 * FOLD, FOLD * 2 ** -48, 1, -2, 2, 3, 4, 8]
const constantAt = (value: number): number => 16 * CONSTANTS.indexOf(value)

class LaneWriter extends Writer {
  constructor(params: number) {
    super(params, TYPE.v128)
  }
  constant(value: number): Code {
    return this.keep(load(i32(0), constantAt(value)))
  }
  sum(parts: readonly Code[]): Code {
    return parts.reduce((a, b) => this.keep(add(a, b)))
  }
}

/** Products of one column of a multiplication: their low parts, and the negated sum of the high ones, a multiple of 2^52. */
interface Column {
  readonly lows: readonly Code[]
  readonly high: Code
}
interface Carried {
  readonly rest: Code
  readonly carry: Code
}

/** Multiplication modulo p, of tight numbers. */
class Arithmetic {
  readonly #w: LaneWriter
  readonly #split: Code
  readonly #down: Code
  readonly #up: Code
  readonly #top: Code
  readonly #fold260: Code
  readonly #fold: Code
  constructor(w: LaneWriter) {
    this.#w = w
    ;[this.#split, this.#down, this.#up, this.#top, this.#fold260, this.#fold] = CONSTANTS.slice(0, 6).map((value) =>
      w.constant(value),
    ) as [Code, Code, Code, Code, Code, Code]
  }

  /** Products that may be added to each other: all of them together are below 2^103 + 2^57. */
  #column(...products: readonly (readonly [Code, Code])[]): Column {
    const w = this.#w
    let sum = this.#split
    const lows: Code[] = []
    let last: Code = sum
    for (const [a, b] of products) {
      const next = w.keep(madd(a, b, sum))
      last = w.keep(sub(sum, next))
      lows.push(w.keep(madd(a, b, last)))
      sum = next
    }
    return { lows, high: products.length === 1 ? last : w.keep(sub(this.#split, sum)) }
  }
  /** The multiple of 2^52 nearest to it, and what is left. */
  #carry(...parts: readonly Code[]): Carried {
    const w = this.#w
    const sum = w.sum(parts)
    const carry = w.keep(sub(add(sum, this.#split), this.#split))
    return { carry, rest: w.keep(sub(sum, carry)) }
  }
  /** High parts less carries, still negated. */
  #less(highs: readonly Code[], ...carried: readonly Carried[]): Code {
    return carried.reduce((sum, { carry }) => this.#w.keep(sub(sum, carry)), this.#w.sum(highs))
  }
  #next(high: Code, rest: Code): Code {
    return this.#w.keep(madd(high, this.#down, rest))
  }
  /** Columns 5 to 9 times 2^260 modulo p. */
  #folded(high4: Code, rest5: Code, high5: Code, rest6: Code, high6: Code, rest7: Code, k7: Column, k8: Column) {
    const w = this.#w
    const low8 = k8.lows[0] as Code
    const upper = [
      ...[this.#next(high4, rest5), this.#next(high5, rest6), this.#next(high6, rest7), this.#next(k7.high, low8)],
      w.keep(times(k8.high, this.#down)),
    ]
    return upper.map((value) => this.#column([value, this.#fold260])) as [Column, Column, Column, Column, Column]
  }
  /** `highs`: of columns 0 to 4, the last without what columns above took already. */
  #finish(rests: readonly Code[], highs: readonly Code[]): Code[] {
    const w = this.#w
    const [r0, r1, r2, r3, r4] = rests as [Code, Code, Code, Code, Code]
    const [h0, h1, h2, h3, h4] = highs as [Code, Code, Code, Code, Code]
    const low4 = this.#next(h3, r4)
    const over = w.keep(sub(add(low4, this.#top), this.#top))
    const folded = this.#column([w.keep(sub(over, h4)), this.#fold])
    return this.#settle([
      w.keep(add(r0, folded.lows[0] as Code)),
      this.#next(w.keep(add(h0, folded.high)), r1),
      ...[this.#next(h1, r2), this.#next(h2, r3), w.keep(sub(low4, over))],
    ])
  }
  /** Makes four limbs tight, all at once; each may be 2^53. */
  #settle(limbs: readonly Code[]): Code[] {
    const w = this.#w
    const carried = limbs.slice(0, 4).map((limb) => this.#carry(limb))
    return limbs.map((limb, i) => {
      const own = i < 4 ? (carried[i] as Carried).rest : limb
      return i === 0 ? own : w.keep(madd((carried[i - 1] as Carried).carry, this.#up, own))
    })
  }

  /** a b - c. */
  multiply(a: readonly Code[], b: readonly Code[], c: readonly Code[] | null = null): Code[] {
    const w = this.#w
    const less = (i: number): Code[] => (c === null ? [] : [w.keep(negated(c[i] as Code))])
    const p = (i: number, j: number): readonly [Code, Code] => [a[i] as Code, b[j] as Code]
    const [k8, k7] = [this.#column(p(4, 4)), this.#column(p(3, 4), p(4, 3))]
    const k6 = this.#column(p(2, 4), p(3, 3), p(4, 2))
    const [k5, k5b] = [this.#column(p(1, 4), p(2, 3)), this.#column(p(4, 1), p(3, 2))]
    const [k4, k4b, k4c] = [this.#column(p(0, 4), p(1, 3)), this.#column(p(4, 0), p(3, 1)), this.#column(p(2, 2))]
    const [y5, y6] = [this.#carry(...k5.lows, ...k5b.lows), this.#carry(...k6.lows)]
    const [high5, high6] = [this.#less([k5.high, k5b.high], y5), this.#less([k6.high], y6)]
    const high4 = w.sum([k4.high, k4b.high, k4c.high])
    const [f0, f1, f2, f3, f4] = this.#folded(high4, y5.rest, high5, y6.rest, high6, w.sum(k7.lows), k7, k8)
    const [k0, k1] = [this.#column(p(0, 0)), this.#column(p(0, 1), p(1, 0))]
    const [y0, y1] = [this.#carry(...k0.lows, ...f0.lows, ...less(0)), this.#carry(...k1.lows, ...f1.lows)]
    const [k2, k2b] = [this.#column(p(0, 2), p(2, 0)), this.#column(p(1, 1))]
    const y2 = this.#carry(...k2.lows, ...f2.lows)
    // With a number to subtract the rest is too large for what is carried to it.
    const y2b = c === null ? [] : [this.#carry(y2.rest, ...k2b.lows, ...less(2))]
    const rest2 = y2b[0]?.rest ?? w.sum([y2.rest, ...k2b.lows])
    const [k3, k3b] = [this.#column(p(0, 3), p(3, 0)), this.#column(p(1, 2), p(2, 1))]
    const y3 = this.#carry(...k3.lows, ...f3.lows)
    const y3b = this.#carry(y3.rest, ...k3b.lows)
    const y4 = this.#carry(...k4.lows, ...k4c.lows, ...f4.lows)
    const y4b = this.#carry(y4.rest, ...k4b.lows)
    return this.#finish(
      [
        ...[y0.rest, w.sum([y1.rest, ...less(1)]), rest2],
        ...[w.sum([y3b.rest, ...less(3)]), w.sum([y4b.rest, ...less(4)])],
      ],
      [
        ...[this.#less([k0.high, f0.high], y0), this.#less([k1.high, f1.high], y1)],
        ...[this.#less([k2.high, k2b.high, f2.high], y2, ...y2b), this.#less([k3.high, k3b.high, f3.high], y3, y3b)],
        this.#less([f4.high], y4, y4b),
      ],
    )
  }

  /** a a - c. */
  square(a: readonly Code[], c: readonly Code[] | null = null): Code[] {
    const w = this.#w
    const less = (i: number): Code[] => (c === null ? [] : [w.keep(negated(c[i] as Code))])
    const twice = a.map((limb) => w.keep(add(limb, limb)))
    /** A product that is there twice; with the fifth limb it is small. */
    const d = (i: number, j: number): readonly [Code, Code] => [twice[i] as Code, a[j] as Code]
    const p = (i: number): readonly [Code, Code] => [a[i] as Code, a[i] as Code]
    const [k8, k7, k6] = [this.#column(p(4)), this.#column(d(3, 4)), this.#column(p(3), d(2, 4))]
    const [k5, k5b] = [this.#column(d(2, 3)), this.#column(d(1, 4))]
    const [k4, k4b] = [this.#column(p(2), d(0, 4)), this.#column(d(1, 3))]
    const y5 = this.#carry(...k5.lows, ...k5b.lows)
    const high5 = this.#less([k5.high, k5b.high], y5)
    const high4 = w.sum([k4.high, k4b.high])
    const rest7 = k7.lows[0] as Code
    const [f0, f1, f2, f3, f4] = this.#folded(high4, y5.rest, high5, w.sum(k6.lows), k6.high, rest7, k7, k8)
    const [k0, k1] = [this.#column(p(0)), this.#column(d(0, 1))]
    const [y0, y1] = [this.#carry(...k0.lows, ...f0.lows, ...less(0)), this.#carry(...k1.lows, ...f1.lows)]
    const [k2, k2b] = [this.#column(d(0, 2)), this.#column(p(1))]
    const y2 = this.#carry(...k2.lows, ...k2b.lows, ...f2.lows)
    const [k3, k3b] = [this.#column(d(0, 3)), this.#column(d(1, 2))]
    const y3 = this.#carry(...k3.lows, ...f3.lows)
    const y3b = this.#carry(y3.rest, ...k3b.lows)
    const y4 = this.#carry(...k4.lows, ...f4.lows)
    const y4b = this.#carry(y4.rest, ...k4b.lows)
    return this.#finish(
      [
        ...[y0.rest, w.sum([y1.rest, ...less(1)]), w.sum([y2.rest, ...less(2)])],
        ...[w.sum([y3b.rest, ...less(3)]), w.sum([y4b.rest, ...less(4)])],
      ],
      [
        ...[this.#less([k0.high, f0.high], y0), this.#less([k1.high, f1.high], y1)],
        ...[this.#less([k2.high, k2b.high, f2.high], y2), this.#less([k3.high, k3b.high, f3.high], y3, y3b)],
        this.#less([f4.high], y4, y4b),
      ],
    )
  }

  /** Of limbs up to 2^54 in size, all multiples of a power of two that leaves them 53 bits, a tight number. */
  reduce(limbs: readonly Code[]): Code[] {
    const w = this.#w
    const [l0, l1, l2, l3, l4] = limbs as [Code, Code, Code, Code, Code]
    const over = w.keep(sub(add(l4, this.#top), this.#top))
    const [y0, y1, y2, y3] = [this.#carry(l0), this.#carry(l1), this.#carry(l2), this.#carry(l3)]
    const z0 = this.#carry(w.keep(madd(over, this.#fold, y0.rest)))
    const carry0 = w.keep(add(y0.carry, z0.carry))
    return [
      z0.rest,
      w.keep(madd(carry0, this.#up, y1.rest)),
      w.keep(madd(y1.carry, this.#up, y2.rest)),
      w.keep(madd(y2.carry, this.#up, y3.rest)),
      w.keep(madd(y3.carry, this.#up, w.keep(sub(l4, over)))),
    ]
  }
}

const at = (index: number): number => 256 + ELEMENT_BYTES * index
/** Where numbers lie, in bytes. */
export const PLACE = {
  x: at(0),
  y: at(1),
  z: at(2),
  /** The point that is added. */
  px: at(3),
  py: at(4),
  /** Powers of what the points of this group are scaled by: square and cube. */
  scale2: at(5),
  scale3: at(6),
  scale: at(7),
  beta: at(8),
  /** Left by an addition: what it multiplied `z` by. */
  step: at(9),
  one: at(10),
  seven: at(11),
  own: at(24),
  /** Factors of `scaled`. */
  unit: constantAt(1),
  eight: constantAt(8),
} as const
const scratch = (index: number): number => at(12 + index)

interface Func {
  readonly name: string
  readonly params: number
  readonly code: Code
}
const vectors = (name: string, params: number, work: (w: LaneWriter, offset: number) => Code[]): Func => {
  const w = new LaneWriter(params)
  for (let v = 0; v < VECTORS; v++)
    for (const [i, limb] of work(w, VECTOR_BYTES * v).entries()) w.put(store(get(0), VECTOR_BYTES * v + 16 * i, limb))
  return { name, params, code: w.body() }
}
const limbsOf = (w: LaneWriter, param: number, offset: number): Code[] =>
  Array.from({ length: LIMBS }, (_, i) => w.keep(load(get(param), offset + 16 * i)))

/** Reads the points that a record of digits names, lane by lane: address, and the sign of y. */
const picking = (name: string, stride: number): Func => {
  const w = new LaneWriter(3)
  for (let v = 0; v < VECTORS; v++) {
    const record = 32 * v
    const address = (lane: number): Code => [...get(0), 0x28, 2, ...unsigned(record + 4 * lane)]
    for (const [param, place] of [
      [1, PLACE.px],
      [2, PLACE.py],
    ] as const)
      for (let i = 0; i < LIMBS; i++) {
        const from = (lane: number): Code => [...address(lane), ...get(param), 0x6a]
        const first = [...from(0), ...simd(0x5d), 3, ...unsigned(stride * i)]
        const both = [...from(1), ...first, ...simd(0x57), 3, ...unsigned(stride * i), 1]
        const value = param === 1 ? both : [...both, ...load(get(0), record + 16), ...simd(0x51)]
        w.put(store(i32(place), VECTOR_BYTES * v + 16 * i, value))
      }
  }
  return { name, params: 3, code: w.body() }
}
/** Of one digit of all lanes: for each vector two addresses, room, and a mask of signs. */
export const DIGIT_BYTES = 32 * VECTORS

const ORDER = [
  'multiply',
  'multiplyLess',
  'square',
  'squareLess',
  'subtract',
  'lessTwice',
  'scaled',
  'squares',
  'double',
  'add',
  'pickOwn',
  'pickBase',
]
const call = (name: string, ...args: readonly Code[]): Code => [...args.flat(), 0x10, ...unsigned(ORDER.indexOf(name))]
const places = (name: string, ...args: readonly number[]): Code => call(name, ...args.map(i32))

/** a = 0: three multiplications and four squares. */
const doubling = (): Func => {
  const { x, y, z } = PLACE
  const [a, s, u, l, e] = [0, 1, 2, 3, 4].map(scratch) as [number, number, number, number, number]
  const w = new LaneWriter(0)
  w.put(
    ...[places('square', a, x), places('scaled', l, a, constantAt(3)), places('square', s, y)],
    ...[places('multiply', u, x, s), places('scaled', u, u, constantAt(4)), places('square', a, l)],
    ...[places('multiply', z, y, z), places('scaled', z, z, constantAt(2)), places('lessTwice', x, a, u)],
    ...[places('square', s, s), places('scaled', e, s, constantAt(8)), places('subtract', u, u, x)],
    places('multiplyLess', y, l, u, e),
  )
  return { name: 'double', params: 0, code: w.body() }
}
/** Adds (px, py). Where both are the same point or opposite ones z becomes 0 and stays it, whatever comes. */
const adding = (): Func => {
  const { x, y, z, px, py, step } = PLACE
  const [a, b, c, h2, h3, i] = [0, 1, 2, 3, 4, 5].map(scratch) as [number, number, number, number, number, number]
  const w = new LaneWriter(0)
  w.put(
    ...[places('square', a, z), places('multiply', b, z, a), places('multiplyLess', step, px, a, x)],
    ...[places('multiplyLess', i, py, b, y), places('square', h2, step), places('multiply', z, z, step)],
    ...[places('multiply', h3, step, h2), places('multiply', c, x, h2), places('squareLess', a, i, h3)],
    ...[places('multiply', b, y, h3), places('lessTwice', x, a, c), places('subtract', c, c, x)],
    places('multiplyLess', y, i, c, b),
  )
  return { name: 'add', params: 0, code: w.body() }
}
/** `squares(out, a, times)`. */
const squaring = (): Func => {
  const w = new LaneWriter(3)
  w.put(call('square', get(0), get(1)), [0x03, NO_RESULT], get(2), i32(1), [
    0x6b,
    0x22,
    2,
    0x45,
    0x04,
    NO_RESULT,
    0x0f,
    END,
  ])
  w.put(call('square', get(0), get(0)), [0x0c, 0, END])
  return { name: 'squares', params: 3, code: w.body() }
}

const functions = (): readonly Func[] => [
  vectors('multiply', 3, (w, o) => new Arithmetic(w).multiply(limbsOf(w, 1, o), limbsOf(w, 2, o))),
  vectors('multiplyLess', 4, (w, o) =>
    new Arithmetic(w).multiply(limbsOf(w, 1, o), limbsOf(w, 2, o), limbsOf(w, 3, o)),
  ),
  vectors('square', 2, (w, o) => new Arithmetic(w).square(limbsOf(w, 1, o))),
  vectors('squareLess', 3, (w, o) => new Arithmetic(w).square(limbsOf(w, 1, o), limbsOf(w, 2, o))),
  vectors('subtract', 3, (w, o) => {
    const [a, b] = [limbsOf(w, 1, o), limbsOf(w, 2, o)]
    return new Arithmetic(w).reduce(a.map((limb, i) => w.keep(sub(limb, b[i] as Code))))
  }),
  vectors('lessTwice', 3, (w, o) => {
    const [a, b, minusTwo] = [limbsOf(w, 1, o), limbsOf(w, 2, o), w.constant(-2)]
    return new Arithmetic(w).reduce(a.map((limb, i) => w.keep(madd(b[i] as Code, minusTwo, limb))))
  }),
  vectors('scaled', 3, (w, o) => {
    const factor = w.keep(load(get(2), 0))
    return new Arithmetic(w).reduce(limbsOf(w, 1, o).map((limb) => w.keep(times(limb, factor))))
  }),
  ...[squaring(), doubling(), adding(), picking('pickOwn', 16), picking('pickBase', 8)],
]

export interface Lanes {
  readonly memory: { readonly buffer: ArrayBuffer }
  multiply(out: number, a: number, b: number): void
  /** a b - c. */
  multiplyLess(out: number, a: number, b: number, c: number): void
  square(out: number, a: number): void
  /** a a - c. */
  squareLess(out: number, a: number, c: number): void
  subtract(out: number, a: number, b: number): void
  /** a - 2 b. */
  lessTwice(out: number, a: number, b: number): void
  /** By a factor that lies at `factor`, and with limbs made tight. */
  scaled(out: number, a: number, factor: number): void
  squares(out: number, a: number, times: number): void
  double(): void
  add(): void
  /** From a table of this group's own points, and from one that all share: records of digits, and where x and y lie from there. */
  pickOwn(digit: number, x: number, y: number): void
  pickBase(digit: number, x: number, y: number): void
}

const PAGE_BYTES = 65_536
const PARAMS = [0, 2, 3, 4]

/** What the first `at(0)` bytes of memory hold: each twice, for both lanes of a vector. */
export const LANE_CONSTANTS: readonly number[] = CONSTANTS
/** The module in binary, and the names of its functions in their order. */
export function lanesModule(sizeBytes: number): { readonly code: Uint8Array; readonly names: readonly string[] } {
  const all = functions()
  const types = PARAMS.map((params): Code => [0x60, params, ...Array<number>(params).fill(TYPE.i32), 0])
  const typeOf = ({ params }: Func): number => PARAMS.indexOf(params)
  const exports = ORDER.flatMap((name, i) => [...named(name), 0, i])
  const code = Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [types.length, ...types.flat()]),
    ...section(3, [all.length, ...all.map(typeOf)]),
    ...section(5, [1, 0, ...unsigned(Math.ceil(sizeBytes / PAGE_BYTES))]),
    ...section(7, [ORDER.length + 1, ...named('memory'), 2, 0, ...exports]),
    ...section(10, [all.length, ...all.flatMap((each) => each.code)]),
  ])
  return { code, names: ORDER }
}

/** With so much memory. Throws where the runtime knows no relaxed SIMD. */
export function createLanes(sizeBytes: number): Lanes {
  const { code } = lanesModule(sizeBytes)
  const lanes = instantiate(code) as Lanes // it exports these and nothing else
  const constants = new Float64Array(lanes.memory.buffer, 0, 2 * CONSTANTS.length)
  for (const [i, value] of CONSTANTS.entries()) constants.fill(value, 2 * i, 2 * i + 2)
  return lanes
}
