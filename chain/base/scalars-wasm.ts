// Arithmetic modulo the order of secp256k1, as WebAssembly that is put together here: products, and what the endomorphism makes of a scalar.
// Numbers lie as eight words of 32 bits, the lowest first. A step a * b + c + d of words is at most 2^64 - 1, so that nothing is lost.
import { type Code, get, instantiate, named, section, TYPE, unsigned, Writer } from './wasm-code.ts'

export const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
/** Short vectors of the lattice (a, b): a + b lambda = 0 modulo n. B1 is negative, B2 is A1; all but A2 are odd. */
const A1 = 0x3086d221a7d46bcde86c90e49284eb15n
const MINUS_B1 = 0xe4437ed6010e88286f547fa90abfe4c3n
const A2 = 0x114ca50f7a8e2f3f657c1108d9d44cfd8n
/** What a scalar is multiplied by to find the vectors nearest to it, times 2^384. */
const G1 = ((A1 << 384n) + N / 2n) / N
const G2 = ((MINUS_B1 << 384n) + N / 2n) / N

const WORDS = 8
export const SCALAR_BYTES = 4 * WORDS
/** Of a half of a scalar: at most 2^130 in size, so five words, and one that is 1 where it is negative. */
const HALF_WORDS = 5
export const HALF_BYTES = 4 * (HALF_WORDS + 1)

const wordsOf = (value: bigint, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => (value >> BigInt(32 * i)) & 0xffffffffn)
/** -1 / n modulo 2^32, by which the lowest word of a sum is made 0 with a multiple of n. */
const MINUS_INVERSE = ((): bigint => {
  let inverse = 1n
  for (let bits = 1; bits < 32; bits *= 2) inverse = BigInt.asUintN(32, inverse * (2n - N * inverse))
  return BigInt.asUintN(32, -inverse)
})()

const i64 = (value: bigint): Code => {
  let rest = BigInt.asIntN(64, value)
  const out: number[] = [0x42]
  for (; rest < -64n || rest >= 64n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
  return [...out, Number(rest & 127n)]
}
const load = (param: number, word: number): Code => [...get(param), 0x35, 2, ...unsigned(4 * word)]
const store = (param: number, word: number, value: Code): Code => [
  ...get(param),
  ...value,
  0x3e,
  2,
  ...unsigned(4 * word),
]
const binary =
  (op: number) =>
  (a: Code, b: Code): Code => [...a, ...b, op]
const [plus, minus, times, and, or, xor, shiftSigned, shift] = [0x7c, 0x7d, 0x7e, 0x83, 0x84, 0x85, 0x87, 0x88].map(
  binary,
) as [Op, Op, Op, Op, Op, Op, Op, Op]
type Op = (a: Code, b: Code) => Code
const low = (value: Code): Code => and(value, i64(0xffffffffn))
const high = (value: Code): Code => shift(value, i64(32n))
/** Of a word's carry that may be negative. */
const borrowed = (value: Code): Code => shiftSigned(value, i64(32n))
/** All ones where it is negative. */
const sign = (value: Code): Code => shiftSigned(value, i64(63n))
const ZERO = i64(0n)

class WordWriter extends Writer {
  constructor(params: number) {
    super(params, TYPE.i64)
  }
  words(param: number, count: number): Code[] {
    return Array.from({ length: count }, (_, i) => this.keep(load(param, i)))
  }
  /** a * b + c + carry: its low word, and what is carried on. */
  step(a: Code, b: Code, c: Code | null, carry: Code | null): readonly [Code, Code] {
    let sum = times(a, b)
    if (c !== null) sum = plus(sum, c)
    if (carry !== null) sum = plus(sum, carry)
    const kept = this.keep(sum)
    return [this.keep(low(kept)), this.keep(high(kept))]
  }
  /** a - b - carry, word by word; and what is carried out: 0 or -1. */
  less(a: readonly Code[], b: readonly Code[]): readonly [Code[], Code] {
    let carry = ZERO
    const out = a.map((word, i) => {
      const rest = this.keep(plus(minus(word, b[i] ?? ZERO), carry))
      carry = this.keep(borrowed(rest))
      return this.keep(low(rest))
    })
    return [out, carry]
  }
  /** `a` where the mask is ones, else `b`. */
  either(mask: Code, a: readonly Code[], b: readonly Code[]): Code[] {
    return a.map((word, i) => xor(b[i] as Code, and(xor(word, b[i] as Code), mask)))
  }
}

/** `multiply(out, a, b)`: a b / 2^256 modulo n, of any a and of b below n (Montgomery, one word after the other). */
const multiplying = (): Code => {
  const w = new WordWriter(3)
  const [a, b, n] = [w.words(1, WORDS), w.words(2, WORDS), wordsOf(N, WORDS).map(i64)]
  let sum: (Code | null)[] = new Array(WORDS + 1).fill(null)
  for (let i = 0; i < WORDS; i++) {
    let carry: Code | null = null
    for (let j = 0; j < WORDS; j++) [sum[j], carry] = w.step(a[j] as Code, b[i] as Code, sum[j] ?? null, carry)
    const top = sum[WORDS] ?? null
    sum[WORDS] = top === null ? carry : w.keep(plus(top, carry as unknown as Code))
    const factor = w.keep(low(times(sum[0] as Code, i64(MINUS_INVERSE))))
    const next: (Code | null)[] = []
    carry = null
    for (let j = 0; j < WORDS; j++) {
      const [word, on] = w.step(factor, n[j] as Code, sum[j] as Code, carry)
      if (j > 0) next.push(word)
      carry = on
    }
    const last = w.keep(plus(sum[WORDS] as Code, carry as unknown as Code))
    sum = [...next, w.keep(low(last)), w.keep(high(last))]
  }
  // Below 2 n.
  const words = sum.slice(0, WORDS) as Code[]
  const [rest, borrow] = w.less(words, n)
  const isBelow = w.keep(sign(plus(sum[WORDS] as Code, borrow)))
  for (const [i, word] of w.either(isBelow, words, rest).entries()) w.put(store(0, i, word))
  return w.body()
}

/** `negate(out, a)`: -a modulo n, of a below n. */
const negating = (): Code => {
  const w = new WordWriter(2)
  const a = w.words(1, WORDS)
  const [rest] = w.less(wordsOf(N, WORDS).map(i64), a)
  const all = w.keep(a.reduce(or))
  const mask = w.keep(sign(minus(ZERO, all)))
  for (const [i, word] of rest.entries()) w.put(store(0, i, and(word, mask)))
  return w.body()
}

/**
 * `split(out, k)`: halves k1, k2 with k1 + k2 lambda = k modulo n (Gallant, Lambert, Vanstone), made odd by vectors of the lattice: each as
 * five words of its size and one of its sign.
 */
const splitting = (): Code => {
  const w = new WordWriter(2)
  const k = w.words(1, WORDS)
  const [c1, c2] = [nearest(w, k, G1), nearest(w, k, G2)]
  const [a1, minusB1, a2] = [A1, MINUS_B1, A2].map((value) => wordsOf(value, HALF_WORDS).map(i64)) as [
    Code[],
    Code[],
    Code[],
  ]
  const subtract = (from: readonly Code[], ...products: readonly Code[][]): Code[] =>
    products.reduce<readonly Code[]>((rest, product) => w.less(rest, product)[0], from) as Code[]
  let k1 = subtract(k.slice(0, HALF_WORDS), lowProduct(w, c1, a1), lowProduct(w, c2, a2))
  let k2 = subtract(lowProduct(w, c1, minusB1), lowProduct(w, c2, a1))
  const ifEven = (half: readonly Code[], vector: readonly Code[]): Code[] => {
    const mask = w.keep(minus(and(half[0] as Code, i64(1n)), i64(1n)))
    return vector.map((word) => w.keep(and(word, mask)))
  }
  const first = ifEven(k1, [...a1, ...minusB1])
  k1 = sum(w, k1, first.slice(0, HALF_WORDS))
  k2 = subtract(k2, first.slice(HALF_WORDS))
  const second = ifEven(k2, [...a2, ...a1])
  k1 = sum(w, k1, second.slice(0, HALF_WORDS))
  k2 = sum(w, k2, second.slice(HALF_WORDS))
  for (const [half, words] of [k1, k2].entries()) {
    const isNegative = w.keep(shift(words[HALF_WORDS - 1] as Code, i64(31n)))
    const mask = w.keep(minus(ZERO, isNegative))
    const [opposite] = w.less(
      words.map(() => ZERO),
      words,
    )
    const at = half * (HALF_WORDS + 1)
    for (const [i, word] of w.either(mask, opposite, words).entries()) w.put(store(0, at + i, word))
    w.put(store(0, at + HALF_WORDS, isNegative))
  }
  return w.body()
}

/** k g / 2^384, to the nearest. */
const nearest = (w: WordWriter, k: readonly Code[], g: bigint): Code[] => {
  const factor = wordsOf(g, WORDS).map(i64)
  const out: Code[] = []
  for (let i = 0; i < WORDS; i++) {
    let carry: Code | null = null
    for (let j = 0; j < WORDS; j++)
      [out[i + j], carry] = w.step(k[j] as Code, factor[i] as Code, out[i + j] ?? null, carry)
    out[i + WORDS] = carry as unknown as Code
  }
  let carry = shift(out[11] as Code, i64(31n))
  return out.slice(12).map((word) => {
    const next = w.keep(plus(word, carry))
    carry = high(next)
    return w.keep(low(next))
  })
}

/** Of four words and five, the lowest five words. */
const lowProduct = (w: WordWriter, a: readonly Code[], b: readonly Code[]): Code[] => {
  const out: Code[] = []
  for (let i = 0; i < HALF_WORDS; i++) {
    let carry: Code | null = null
    for (let j = 0; j < a.length && i + j < HALF_WORDS; j++)
      [out[i + j], carry] = w.step(a[j] as Code, b[i] as Code, out[i + j] ?? null, carry)
    if (i + a.length < HALF_WORDS) out[i + a.length] = carry as unknown as Code
  }
  return out
}

const sum = (w: WordWriter, a: readonly Code[], b: readonly Code[]): Code[] => {
  let carry: Code = ZERO
  return a.map((word, i) => {
    const next = w.keep(plus(plus(word, b[i] as Code), carry))
    carry = high(next)
    return w.keep(low(next))
  })
}

export interface Scalars {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** a b / 2^256 modulo n, of any a and of b below n. */
  multiply(out: number, a: number, b: number): void
  /** -a modulo n, of a below n. */
  negate(out: number, a: number): void
  /** Two halves of `HALF_BYTES` each: five words of size, and 1 where it is negative. */
  split(out: number, k: number): void
}

const PAGE_BYTES = 65_536
/** With so much memory, all of it the caller's. */
export function createScalars(sizeBytes: number): Scalars {
  const functions = [
    { name: 'multiply', params: 3, code: multiplying() },
    { name: 'negate', params: 2, code: negating() },
    { name: 'split', params: 2, code: splitting() },
  ]
  const type = ({ params }: { readonly params: number }): Code => [0x60, params, ...Array(params).fill(TYPE.i32), 0]
  const code = Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [functions.length, ...functions.flatMap(type)]),
    ...section(3, [functions.length, ...functions.keys()]),
    ...section(5, [1, 0, ...unsigned(Math.ceil(sizeBytes / PAGE_BYTES))]),
    ...section(7, [
      ...[functions.length + 1, ...named('memory'), 2, 0],
      ...functions.flatMap(({ name }, i) => [...named(name), 0, i]),
    ]),
    ...section(10, [functions.length, ...functions.flatMap((each) => each.code)]),
  ])
  return instantiate(code) as Scalars // it exports these and nothing else
}
