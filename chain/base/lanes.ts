// Public keys of many signatures at once, over the arithmetic of `lanes-wasm.ts`: less than three fifths of what the native library takes for each. Owns
// the order of it all, and every check that makes an answer certain; what it cannot answer it leaves to whoever asks.
//
// A key is Q = u1 G + u2 R. Both scalars are split by the curve's endomorphism (Gallant, Lambert, Vanstone) into two of 130 bits, made odd by
// vectors of the lattice, so that all lanes have digits at the same places and none is 0: 33 of 4 bits for R, whose odd multiples to 15 are
// made for each signature, 11 of 12 bits for G. Additions are those without special cases: where one would be needed z is 0 from there on.
// For z times the difference of both x, which is 0 for equal and opposite points, is what z becomes; a product with 0 is 0; and 0 has one form.
import { bytesToBigint, bytesToHex, compareBytes, hexToBytes } from './bytes.ts'
import { curves } from './crypto.ts'
import { createLanes, DIGIT_BYTES, ELEMENT_BYTES, LANES, type Lanes, PLACE } from './lanes-wasm.ts'
import { createScalars, HALF_BYTES, N, SCALAR_BYTES } from './scalars-wasm.ts'

const P = 2n ** 256n - 2n ** 32n - 977n
const GX = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n
const GY = 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n
const BETA = 0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501een

const OWN_DIGITS = 33
const OWN_POINTS = 8
const BASE_DIGITS = 11
const BASE_POINTS = 2_048
const OWN_BYTES = 3 * ELEMENT_BYTES // x, y and beta x
const BASE_POINT_BYTES = 3 * 40
const DIGITS_AT = PLACE.own + OWN_POINTS * OWN_BYTES
const DIGITS = 2 * OWN_DIGITS + 2 * BASE_DIGITS
const BASE_AT = DIGITS_AT + DIGITS * DIGIT_BYTES
/** Results of groups, x, y and z each, until z of all is inverted; and products of z. */
const GROUPS_AT = BASE_AT + BASE_POINTS * BASE_POINT_BYTES
const GROUP_BYTES = 4 * ELEMENT_BYTES
const GROUPS_MAX = 64
const ROOM_AT = GROUPS_AT + GROUPS_MAX * GROUP_BYTES
const MEMORY_BYTES = ROOM_AT + 10 * ELEMENT_BYTES

const BATCH = GROUPS_MAX * LANES
/** Scalars of a batch; what r are together up to each, and then what inverts it; and one that is at work, with its halves. */
const SCALARS = {
  r: 0,
  s: BATCH * SCALAR_BYTES,
  digest: 2 * BATCH * SCALAR_BYTES,
  inverse: 3 * BATCH * SCALAR_BYTES,
  factor: 4 * BATCH * SCALAR_BYTES,
  halves: 4 * BATCH * SCALAR_BYTES + SCALAR_BYTES,
  end: 4 * BATCH * SCALAR_BYTES + SCALAR_BYTES + 2 * HALF_BYTES,
}

export interface SignedDigest {
  /** 32 bytes. */
  readonly digest: Uint8Array
  /** Big-endian, at most 32 bytes. 0 < r, s < n: with others it fits no key. */
  readonly r: Uint8Array
  readonly s: Uint8Array
  readonly yParity: 0 | 1
}
/** Public keys, 64 bytes each; null where it cannot say, which is so for signatures that fit no key. */
export type RecoverMany = (signed: readonly SignedDigest[]) => (Uint8Array | null)[]

const mod = (value: bigint, m: bigint): bigint => {
  const rest = value % m
  return rest < 0n ? rest + m : rest
}
/** Of many, for the price of one. None is 0. */
const invertAll = (values: readonly bigint[], m: bigint): bigint[] => {
  let product = 1n
  const before = values.map((value) => {
    const sofar = product
    product = (product * value) % m
    return sofar
  })
  let inverse = invert(product, m)
  const out: bigint[] = new Array(values.length)
  for (let i = values.length - 1; i >= 0; i--) {
    out[i] = (inverse * (before[i] as bigint)) % m
    inverse = (inverse * (values[i] as bigint)) % m
  }
  return out
}
const invert = (value: bigint, m: bigint): bigint => {
  let [a, b, x, y] = [mod(value, m), m, 1n, 0n]
  while (a > 1n) {
    const q = b / a
    ;[a, b, x, y] = [b - q * a, a, y - q * x, x]
  }
  return mod(x, m)
}

/** Affine odd multiples of G: G, 3G, ... A sum of two known ranges at a time, so that inversions are shared. */
const oddMultiples = (): (readonly [bigint, bigint])[] => {
  type Point = readonly [bigint, bigint]
  const plus = ([x1, y1]: Point, [x2, y2]: Point, inverse: bigint): Point => {
    const slope = x1 === x2 ? 3n * x1 * x1 * inverse : (y2 - y1) * inverse
    const x = mod(slope * slope - x1 - x2, P)
    return [x, mod(slope * (x1 - x) - y1, P)]
  }
  const twice = (a: Point): Point => plus(a, a, invert(2n * a[1], P))
  const out: Point[] = [[GX, GY]]
  let step = twice([GX, GY]) // 2 * out.length * G
  while (out.length < BASE_POINTS) {
    const inverses = invertAll(
      out.map(([x]) => mod(step[0] - x, P)),
      P,
    )
    out.push(...out.map((point, i) => plus(point, step, inverses[i] as bigint)))
    step = twice(step)
  }
  return out
}

const MASK52 = (1n << 52n) - 1n
/** Five limbs, each at most 2^51 in size, of a number below p. */
const limbsOf = (value: bigint): number[] => {
  let rest = value > P / 2n ? value - P : value
  return Array.from({ length: 5 }, () => {
    let limb = rest & MASK52
    if (limb > 1n << 51n) limb -= 1n << 52n
    rest = (rest - limb) >> 52n
    return Number(limb)
  })
}

const TWO52 = 2 ** 52

const word = (value: bigint): Uint8Array => hexToBytes(`0x${value.toString(16).padStart(64, '0')}`)
/** R is G, and so is s R: a signature as good as any, for lanes that have none. */
const HARMLESS: SignedDigest = { digest: new Uint8Array(32).fill(1), r: word(GX), s: word(1n), yParity: 0 }
const KNOWN =
  '0x6060d6c64c21826fbd27ec42561cc841ceda5f89006ea2bd8811485046c27e8c4c7e83185c2ffda616a4552de6fd20eacb4c281f3d893b872e5c790d35959636'
const ORDER = word(N)
const isScalar = (bytes: Uint8Array): boolean => {
  if (bytes.length > 32 || (bytes.length === 32 && compareBytes(bytes, ORDER) >= 0)) return false
  for (let i = bytes.length - 1; i >= 0; i--) if (bytes[i] !== 0) return true
  return false
}
const isSound = ({ digest, r, s }: SignedDigest): boolean => digest.length === 32 && isScalar(r) && isScalar(s)

/** One of so many answers is compared with that of the installed curves: half a percent of the work. */
const CHECK_EACH = 256

class Recovery {
  readonly #lanes: Lanes
  readonly #numbers: Float64Array
  readonly #ints: Uint32Array
  readonly #scalars = createScalars(SCALARS.end)
  readonly #words = new Uint32Array(this.#scalars.memory.buffer)

  #unchecked = 0

  constructor(create: (sizeBytes: number) => Lanes) {
    this.#lanes = create(MEMORY_BYTES)
    const { buffer } = this.#lanes.memory
    this.#numbers = new Float64Array(buffer)
    this.#ints = new Uint32Array(buffer)
    for (const [place, value] of [
      [PLACE.beta, BETA],
      [PLACE.one, 1n],
      [PLACE.seven, 7n],
    ] as const)
      for (let lane = 0; lane < LANES; lane++) this.#put(place, lane, limbsOf(value))
    for (const [i, [x, y]] of oddMultiples().entries())
      this.#numbers.set([x, y, (x * BETA) % P].flatMap(limbsOf), (BASE_AT + i * BASE_POINT_BYTES) / 8)
  }

  /** null: this machine or the code that it runs computed something wrong. */
  recover(signed: readonly SignedDigest[]): (Uint8Array | null)[] | null {
    const out: (Uint8Array | null)[] = []
    for (let from = 0; from < signed.length; from += BATCH) {
      const keys = this.#batch(signed.slice(from, from + BATCH))
      if (keys === null) return null
      out.push(...keys)
    }
    return this.#isAsInstalled(signed, out) ? out : null
  }
  /** Of one of them, chosen by hash, once enough have come. */
  #isAsInstalled(signed: readonly SignedDigest[], keys: readonly (Uint8Array | null)[]): boolean {
    this.#unchecked += signed.length
    if (this.#unchecked < CHECK_EACH) return true
    this.#unchecked = 0
    const [first = 0, second = 0] = signed[0]?.digest ?? []
    const i = (256 * first + second) % signed.length
    const [one, key] = [signed[i], keys[i]]
    if (one === undefined || !key) return true
    const wanted = curves().recover(one.digest, word(bytesToBigint(one.r)), word(bytesToBigint(one.s)), one.yParity)
    return wanted?.every((byte, at) => byte === key[at]) === true
  }

  #batch(given: readonly SignedDigest[]): (Uint8Array | null)[] | null {
    const isGood = given.map(isSound)
    // A 0 among what is inverted would take all others with it.
    const signed = given.map((each, i) => (isGood[i] ? each : HARMLESS))
    for (const [i, { digest, r, s }] of signed.entries()) {
      this.#loadScalar(SCALARS.r, i, r)
      this.#loadScalar(SCALARS.s, i, s)
      this.#loadScalar(SCALARS.digest, i, digest)
    }
    this.#invertScalars(signed.length)
    const groups = Math.ceil(signed.length / LANES)
    for (let group = 0; group < groups; group++) {
      for (let lane = 0; lane < LANES; lane++) {
        // The last group is filled up with the last.
        const index = Math.min(group * LANES + lane, signed.length - 1)
        this.#scale(lane, index)
      }
      const fits = this.#lift(signed, group)
      this.#multiply()
      for (let lane = 0; lane < LANES; lane++) if (!fits[lane]) isGood[group * LANES + lane] = false
      this.#keep(group, isGood)
    }
    if (!this.#invertKept(groups, isGood)) return null
    return signed.map((_, i) => (isGood[i] ? this.#key(i) : null))
  }

  #index(place: number, lane: number): number {
    return place / 8 + (lane >> 1) * 10 + (lane & 1)
  }
  #put(place: number, lane: number, limbs: readonly number[]): void {
    const at = this.#index(place, lane)
    for (let i = 0; i < 5; i++) this.#numbers[at + 2 * i] = limbs[i] as number
  }
  #isZero(place: number, lane: number): boolean {
    const at = this.#index(place, lane)
    for (let i = 0; i < 5; i++) if (this.#numbers[at + 2 * i] !== 0) return false
    return true
  }
  #copy(to: number, from: number): void {
    this.#numbers.copyWithin(to / 8, from / 8, (from + ELEMENT_BYTES) / 8)
  }

  #loadScalar(place: number, index: number, bytes: Uint8Array): void {
    const words = this.#words
    const at = place / 4 + 8 * index
    let end = bytes.length
    for (let i = 0; i < 8; i++, end -= 4) {
      let value = 0
      for (let j = Math.max(0, end - 4); j < end; j++) value = (value << 8) | (bytes[j] as number)
      words[at + i] = value
    }
  }
  /** Of each r, times 2^256, which the next product takes away. */
  #invertScalars(count: number): void {
    const scalars = this.#scalars
    const { r, inverse, factor } = SCALARS
    const at = (place: number, i: number): number => place + i * SCALAR_BYTES
    const words = this.#words
    words.copyWithin(inverse / 4, r / 4, (r + SCALAR_BYTES) / 4)
    for (let i = 1; i < count; i++) scalars.multiply(at(inverse, i), at(inverse, i - 1), at(r, i))
    let all = 0n
    for (let i = 7; i >= 0; i--) all = (all << 32n) | BigInt(words[at(inverse, count - 1) / 4 + i] as number)
    this.#loadScalar(factor, 0, word((invert(all, N) << 256n) % N))
    for (let i = count - 1; i > 0; i--) {
      scalars.multiply(at(inverse, i), factor, at(inverse, i - 1))
      scalars.multiply(factor, factor, at(r, i))
    }
    words.copyWithin(inverse / 4, factor / 4, (factor + SCALAR_BYTES) / 4)
  }

  /** Digits of what G and R are multiplied by, and x of R. */
  #scale(lane: number, index: number): void {
    const scalars = this.#scalars
    const { factor, halves } = SCALARS
    const at = (place: number): number => place + index * SCALAR_BYTES
    scalars.multiply(factor, at(SCALARS.digest), at(SCALARS.inverse))
    scalars.negate(factor, factor)
    scalars.split(halves, factor)
    this.#baseDigits(lane, 0)
    this.#baseDigits(lane, 1)
    scalars.multiply(factor, at(SCALARS.s), at(SCALARS.inverse))
    scalars.split(halves, factor)
    this.#ownDigits(lane, 0)
    this.#ownDigits(lane, 1)
    const from = at(SCALARS.r) / 4
    const word = (i: number): number => this.#words[from + i] as number
    this.#put(PLACE.px, lane, [
      word(0) + (word(1) & 0xfffff) * 2 ** 32,
      (word(1) >>> 20) + word(2) * 2 ** 12 + (word(3) & 0xff) * 2 ** 44,
      (word(3) >>> 8) + (word(4) & 0xfffffff) * 2 ** 24,
      (word(4) >>> 28) + word(5) * 2 ** 4 + (word(6) & 0xffff) * 2 ** 36,
      (word(6) >>> 16) + word(7) * 2 ** 16,
    ])
  }

  #ownDigits(lane: number, half: 0 | 1): void {
    const words = (SCALARS.halves + half * HALF_BYTES) / 4
    const isNegative = this.#words[words + HALF_BYTES / 4 - 1] === 1
    const from = PLACE.own + (lane >> 1) * 80 + (lane & 1) * 8
    for (let i = 0; i < OWN_DIGITS; i++) {
      const digit = this.#bits(words, 4 * i + 1, 4)
      const isTop = i === OWN_DIGITS - 1
      const isPositive = isTop || digit >= 8
      const point = isTop ? digit : isPositive ? digit - 8 : 7 - digit
      this.#digit(2 * i + half, lane, from + point * OWN_BYTES, isPositive === isNegative)
    }
  }
  #baseDigits(lane: number, half: 0 | 1): void {
    const words = (SCALARS.halves + half * HALF_BYTES) / 4
    const isNegative = this.#words[words + HALF_BYTES / 4 - 1] === 1
    for (let i = 0; i < BASE_DIGITS; i++) {
      const digit = this.#bits(words, 12 * i + 1, 12)
      const isTop = i === BASE_DIGITS - 1
      const isPositive = isTop || digit >= 2_048
      const point = isTop ? digit : isPositive ? digit - 2_048 : 2_047 - digit
      this.#digit(2 * OWN_DIGITS + 2 * i + half, lane, BASE_AT + point * BASE_POINT_BYTES, isPositive === isNegative)
    }
  }
  #bits(words: number, from: number, count: number): number {
    const word = words + (from >>> 5)
    const shift = from & 31
    const low = (this.#words[word] as number) >>> shift
    const high = shift + count > 32 ? (this.#words[word + 1] as number) << (32 - shift) : 0
    return (low | high) & ((1 << count) - 1)
  }
  #digit(digit: number, lane: number, address: number, isMinus: boolean): void {
    const at = (DIGITS_AT + digit * DIGIT_BYTES) / 4 + (lane >> 1) * 8
    this.#ints[at + (lane & 1)] = address
    this.#ints[at + 5 + 2 * (lane & 1)] = isMinus ? 0x80000000 : 0
  }

  /** (px, py) becomes R; says which lanes have one. */
  #lift(signed: readonly SignedDigest[], group: number): boolean[] {
    const { px, py, x, y, z, seven, step } = PLACE
    const lanes = this.#lanes
    lanes.scaled(px, px, PLACE.unit) // its limbs are not signed yet
    lanes.square(x, px)
    lanes.multiply(x, x, px)
    this.#copy(step, seven)
    this.#negate(step)
    lanes.subtract(x, x, step) // x^3 + 7
    this.#root(py, x)
    lanes.square(y, py)
    lanes.subtract(z, y, x)
    const fits: boolean[] = []
    for (let lane = 0; lane < LANES; lane++) {
      fits.push(this.#isZero(z, lane))
      const index = Math.min(group * LANES + lane, signed.length - 1)
      if (this.#parity(py, lane) !== (signed[index] as SignedDigest).yParity) this.#negateLane(py, lane)
    }
    return fits
  }
  #negate(place: number): void {
    for (let lane = 0; lane < LANES; lane++) this.#negateLane(place, lane)
  }
  #negateLane(place: number, lane: number): void {
    const at = this.#index(place, lane)
    for (let i = 0; i < 5; i++) this.#numbers[at + 2 * i] = -(this.#numbers[at + 2 * i] as number)
  }
  /** Of the number between 0 and p: p is odd. */
  #parity(place: number, lane: number): number {
    const at = this.#index(place, lane)
    let sign = 0
    for (let i = 4; i >= 0 && sign === 0; i--) sign = Math.sign(this.#numbers[at + 2 * i] as number)
    const isOdd = Math.abs(this.#numbers[at] as number) % 2 === 1
    return isOdd === sign >= 0 ? 1 : 0
  }

  /** The power 2^223 - 1 of `a`, and the smaller ones that exponents of p are made of. */
  #powers(a: number): { readonly x2: number; readonly x22: number; readonly x223: number } {
    const lanes = this.#lanes
    const room = (i: number): number => ROOM_AT + i * ELEMENT_BYTES
    const grow = (out: number, from: number, by: number, times: number): number => {
      lanes.squares(room(9), from, times)
      lanes.multiply(out, room(9), by)
      return out
    }
    const x2 = grow(room(0), a, a, 1)
    const x3 = grow(room(1), x2, a, 1)
    const x6 = grow(room(2), x3, x3, 3)
    const x9 = grow(room(2), x6, x3, 3)
    const x11 = grow(room(2), x9, x2, 2)
    const x22 = grow(room(3), x11, x11, 11)
    const x44 = grow(room(4), x22, x22, 22)
    const x88 = grow(room(5), x44, x44, 44)
    const x176 = grow(room(6), x88, x88, 88)
    const x220 = grow(room(6), x176, x44, 44)
    return { x2, x22, x223: grow(room(6), x220, x3, 3) }
  }
  /** The power (p + 1) / 4: the root, where there is one. */
  #root(out: number, a: number): void {
    const lanes = this.#lanes
    const { x2, x22, x223 } = this.#powers(a)
    lanes.squares(out, x223, 23)
    lanes.multiply(out, out, x22)
    lanes.squares(out, out, 6)
    lanes.multiply(out, out, x2)
    lanes.squares(out, out, 2)
  }
  /** The power p - 2. */
  #inverse(out: number, a: number): void {
    const lanes = this.#lanes
    const { x2, x22, x223 } = this.#powers(a)
    lanes.squares(out, x223, 23)
    lanes.multiply(out, out, x22)
    lanes.squares(out, out, 5)
    lanes.multiply(out, out, a)
    lanes.squares(out, out, 3)
    lanes.multiply(out, out, x2)
    lanes.squares(out, out, 2)
    lanes.multiply(out, out, a)
  }

  /**
   * Odd multiples of R, all scaled by one number, so that they are affine on a curve that differs from ours by it (and in no formula): first by
   * that of 2R, then by the last one's.
   */
  #table(): void {
    const { px, py, x, y, z, one, scale, scale2, scale3, beta, step } = PLACE
    const lanes = this.#lanes
    const point = (i: number): number => PLACE.own + i * OWN_BYTES
    const steps = (i: number): number => ROOM_AT + i * ELEMENT_BYTES
    this.#copy(x, px)
    this.#copy(y, py)
    this.#copy(z, one)
    lanes.double()
    this.#copy(scale, z)
    lanes.square(scale2, z)
    lanes.multiply(scale3, scale2, z)
    lanes.multiply(point(0), px, scale2)
    lanes.multiply(point(0) + ELEMENT_BYTES, py, scale3)
    this.#copy(px, x)
    this.#copy(py, y)
    this.#copy(x, point(0))
    this.#copy(y, point(0) + ELEMENT_BYTES)
    this.#copy(z, one)
    for (let i = 1; i < OWN_POINTS; i++) {
      lanes.add()
      this.#copy(point(i), x)
      this.#copy(point(i) + ELEMENT_BYTES, y)
      this.#copy(steps(i), step)
    }
    lanes.multiply(scale, scale, z)
    lanes.square(scale2, scale)
    lanes.multiply(scale3, scale2, scale)
    const ratio = steps(OWN_POINTS)
    const [square, cube] = [steps(0), px]
    this.#copy(ratio, steps(OWN_POINTS - 1))
    for (let i = OWN_POINTS - 1; i >= 0; i--) {
      if (i < OWN_POINTS - 1) {
        lanes.square(square, ratio)
        lanes.multiply(cube, square, ratio)
        lanes.multiply(point(i), point(i), square)
        lanes.multiply(point(i) + ELEMENT_BYTES, point(i) + ELEMENT_BYTES, cube)
        if (i > 0) lanes.multiply(ratio, ratio, steps(i))
      }
      lanes.multiply(point(i) + 2 * ELEMENT_BYTES, point(i), beta)
    }
  }

  #multiply(): void {
    const { px, py, x, y, z, one, scale2, scale3 } = PLACE
    const lanes = this.#lanes
    this.#table()
    for (let i = OWN_DIGITS - 1; i >= 0; i--) {
      const own = DIGITS_AT + 2 * i * DIGIT_BYTES
      lanes.pickOwn(own, 0, ELEMENT_BYTES)
      if (i === OWN_DIGITS - 1) {
        this.#copy(x, px)
        this.#copy(y, py)
        this.#copy(z, one)
      } else {
        for (let bit = 0; bit < 4; bit++) lanes.double()
        lanes.add()
      }
      lanes.pickOwn(own + DIGIT_BYTES, 2 * ELEMENT_BYTES, ELEMENT_BYTES)
      lanes.add()
      if (i % 3 !== 0) continue
      const base = DIGITS_AT + (2 * OWN_DIGITS + (2 * i) / 3) * DIGIT_BYTES
      for (const [digit, offset] of [
        [base, 0],
        [base + DIGIT_BYTES, 80],
      ] as const) {
        lanes.pickBase(digit, offset, 40)
        lanes.multiply(px, px, scale2)
        lanes.multiply(py, py, scale3)
        lanes.add()
      }
    }
    lanes.multiply(z, z, PLACE.scale)
  }

  /** Where z is 0 the answer is not known; 1 in its place leaves the product of the others theirs. */
  #keep(group: number, isGood: boolean[]): void {
    const { x, y, z, one } = PLACE
    const at = GROUPS_AT + group * GROUP_BYTES
    for (let lane = 0; lane < LANES; lane++) {
      if (!this.#isZero(z, lane)) continue
      isGood[group * LANES + lane] = false
      this.#put(z, lane, [1, 0, 0, 0, 0])
    }
    this.#copy(at, x)
    this.#copy(at + ELEMENT_BYTES, y)
    this.#copy(at + 2 * ELEMENT_BYTES, z)
    const before = group === 0 ? one : at - GROUP_BYTES + 3 * ELEMENT_BYTES
    this.#lanes.multiply(at + 3 * ELEMENT_BYTES, before, z)
  }
  /** x and y of all groups become affine. Whether what is good lies on the curve, which any error on the way here takes it off. */
  #invertKept(groups: number, isGood: readonly boolean[]): boolean {
    const { x, z, px, py, one, seven } = PLACE
    let isOnCurve = true
    const lanes = this.#lanes
    this.#inverse(z, GROUPS_AT + (groups - 1) * GROUP_BYTES + 3 * ELEMENT_BYTES)
    for (let group = groups - 1; group >= 0; group--) {
      const at = GROUPS_AT + group * GROUP_BYTES
      lanes.multiply(px, z, group === 0 ? one : at - GROUP_BYTES + 3 * ELEMENT_BYTES)
      lanes.multiply(z, z, at + 2 * ELEMENT_BYTES)
      lanes.square(py, px)
      lanes.multiply(at, at, py)
      lanes.multiply(py, py, px)
      lanes.multiply(at + ELEMENT_BYTES, at + ELEMENT_BYTES, py)
      lanes.square(x, at)
      lanes.multiply(x, x, at)
      lanes.square(py, at + ELEMENT_BYTES)
      lanes.subtract(py, py, x)
      lanes.subtract(py, py, seven)
      for (let lane = 0; lane < LANES; lane++)
        if (isGood[group * LANES + lane] && !this.#isZero(py, lane)) isOnCurve = false
    }
    return isOnCurve
  }

  #key(index: number): Uint8Array {
    const out = new Uint8Array(64)
    const at = GROUPS_AT + Math.floor(index / LANES) * GROUP_BYTES
    this.#write(out, 0, at, index % LANES)
    this.#write(out, 32, at + ELEMENT_BYTES, index % LANES)
    return out
  }
  /** Big-endian, between 0 and p. */
  #write(out: Uint8Array, to: number, place: number, lane: number): void {
    const at = this.#index(place, lane)
    const limbs = this.#numbers
    let sign = 0
    for (let i = 4; i >= 0 && sign === 0; i--) sign = Math.sign(limbs[at + 2 * i] as number)
    let carry = 0
    const [a, b, c, d, e] = [0, 1, 2, 3, 4].map((i) => {
      const limb = (limbs[at + 2 * i] as number) + carry + (sign < 0 ? (P_LIMBS[i] as number) : 0)
      carry = Math.floor(limb / TWO52)
      return limb - carry * TWO52
    }) as [number, number, number, number, number]
    const put = (word: number, value: number): void => {
      const end = to + 32 - 4 * word
      out[end - 1] = value
      out[end - 2] = value >>> 8
      out[end - 3] = value >>> 16
      out[end - 4] = value >>> 24
    }
    // Bits beyond the 32 of a word fall away.
    put(0, a >>> 0)
    put(1, (a * 2 ** -32) | (b << 20))
    put(2, (b * 2 ** -12) >>> 0)
    put(3, (b * 2 ** -44) | (c << 8))
    put(4, (c * 2 ** -24) | (d << 28))
    put(5, (d * 2 ** -4) >>> 0)
    put(6, (d * 2 ** -36) | (e << 16))
    put(7, (e * 2 ** -16) >>> 0)
  }
}
const P_LIMBS = limbsOf(0n).map((_, i) => Number((P >> BigInt(52 * i)) & MASK52))

/**
 * null where this runtime or machine cannot: arithmetic stands on a fused multiply-add that rounds once, as nearly all processors have it.
 * Where an answer turns out to be wrong later `onFault` is called, and from then on there are none. Takes some 0.1 s.
 */
export function createRecoverMany(onFault: () => void = () => {}, create = createLanes): RecoverMany | null {
  try {
    const recovery = new Recovery(create)
    const known = recovery.recover(new Array<SignedDigest>(LANES).fill(HARMLESS))
    if (known === null || known.some((key) => key === null || bytesToHex(key) !== KNOWN)) return null
    let isFaulty = false
    return (signed) => {
      const keys = isFaulty ? null : recovery.recover(signed)
      if (keys !== null) return keys
      if (!isFaulty) onFault()
      isFaulty = true
      return signed.map(() => null)
    }
  } catch {
    return null
  }
}
