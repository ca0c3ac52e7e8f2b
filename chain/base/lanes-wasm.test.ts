// Proves the bounds that `lanes-wasm.ts` states, for all tight limbs at once: runs the module's own instructions over polynomials in the input's
// limbs. Each operation is exact, or adds a rounding error of known size as a new variable; what the arithmetic stands on is that these cancel.
import { expect, test } from 'vitest'
import { LANE_CONSTANTS, lanesModule, VECTORS } from './lanes-wasm.ts'
import { maxBigint } from './math.ts'

const P = 2n ** 256n - 2n ** 32n - 977n
/** Coefficients are multiples of 2^-SCALE. */
const SCALE = 400
const ONE = 1n << BigInt(SCALE)
const abs = (x: bigint): bigint => (x < 0n ? -x : x)
const log2 = (x: bigint): number => x.toString(2).length - 1 - SCALE
const power = (exponent: number): bigint => 1n << BigInt(SCALE + exponent)
const scaled = (x: number): bigint => {
  let [shift, mantissa] = [0, x]
  for (; !Number.isInteger(mantissa); shift++) mantissa *= 2
  return BigInt(mantissa) << BigInt(SCALE - shift)
}

/** A sum of terms: variables by name, joined by `*`, and their coefficient; and the power of two that it is a multiple of. */
interface Poly {
  readonly terms: ReadonlyMap<string, bigint>
  readonly grain: number
}

class Proof {
  /** How large a variable may be. */
  readonly #most = new Map<string, bigint>()
  #errors = 0

  variable(name: string, most: bigint): Poly {
    this.#most.set(name, most)
    return { terms: new Map([[name, ONE]]), grain: 0 }
  }
  constant(x: number): Poly {
    let grain = -200
    const value = scaled(x)
    while (value % power(grain + 1) === 0n) grain++
    return { terms: new Map([['', value]]), grain }
  }
  plus(a: Poly, b: Poly, sign = 1n): Poly {
    const terms = new Map(a.terms)
    for (const [name, factor] of b.terms) {
      const sum = (terms.get(name) ?? 0n) + sign * factor
      if (sum === 0n) terms.delete(name)
      else terms.set(name, sum)
    }
    return { terms, grain: Math.min(a.grain, b.grain) }
  }
  times(a: Poly, b: Poly): Poly {
    const terms = new Map<string, bigint>()
    for (const [left, x] of a.terms)
      for (const [right, y] of b.terms) {
        const name = [...left.split('*'), ...right.split('*')]
          .filter((part) => part !== '')
          .sort()
          .join('*')
        expect((x * y) % ONE).toBe(0n)
        terms.set(name, (terms.get(name) ?? 0n) + (x * y) / ONE)
      }
    return { terms, grain: a.grain + b.grain }
  }
  /** Lowest and highest. */
  range({ terms }: Poly): readonly [bigint, bigint] {
    let [middle, reach] = [0n, 0n]
    for (const [name, factor] of terms)
      if (name === '') middle = factor
      else reach += name.split('*').reduce((size, part) => size * (this.#most.get(part) as bigint), abs(factor))
    return [middle - reach, middle + reach]
  }
  /** As a double: itself where 53 bits hold it, else with an error of half of its last bit. */
  rounded(exact: Poly): Poly {
    const [low, high] = this.range(exact)
    const most = maxBigint(abs(low), abs(high))
    if (most <= power(53 + exact.grain)) return exact
    const name = `e${this.#errors++}`
    this.#most.set(name, power(log2(most) - 53) / ONE)
    const { terms } = this.plus(exact, { terms: new Map([[name, ONE]]), grain: 0 })
    const least = low > 0n ? low : high < 0n ? -high : 0n
    return { terms, grain: least === 0n ? exact.grain : Math.max(exact.grain, log2(least) - 52) }
  }
}

const { code, names } = lanesModule(65_536)
class Reader {
  at: number
  constructor(at: number) {
    this.at = at
  }
  byte(): number {
    return code[this.at++] as number
  }
  unsigned(): number {
    const byte = this.byte()
    return byte < 128 ? byte : byte - 128 + 128 * this.unsigned()
  }
}
/** Where the instructions of each function are, and their end. */
const bodies = (): ReadonlyMap<string, readonly [number, number]> => {
  const reader = new Reader(8)
  while (reader.byte() !== 10) {
    const size = reader.unsigned()
    reader.at += size
  }
  reader.unsigned()
  expect(reader.unsigned()).toBe(names.length)
  return new Map(
    names.map((name) => {
      const size = reader.unsigned()
      const end = reader.at + size
      const body = new Reader(reader.at)
      for (let groups = body.unsigned(); groups > 0; groups--) {
        body.unsigned()
        expect(body.byte()).toBe(0x7b)
      }
      reader.at = end
      return [name, [body.at, end]] as const
    }),
  )
}
const BODIES = bodies()

/** Limbs of the first vector's result, and those of the second, where parameters name these numbers. */
const run = (proof: Proof, name: string, args: readonly (readonly Poly[])[]): (readonly Poly[])[] => {
  const [from, end] = BODIES.get(name) as readonly [number, number]
  const reader = new Reader(from)
  const stack: (Poly | number)[] = [] // a number: an address, of a parameter or of 0
  const locals = new Map<number, Poly>()
  const out = Array.from({ length: VECTORS }, (): Poly[] => [])
  const poly = (): Poly => stack.pop() as Poly
  const base = -1
  while (reader.at < end) {
    const op = reader.byte()
    if (op === 0x20) {
      const local = reader.unsigned()
      const value = locals.get(local)
      if (value === undefined) expect(local).toBeLessThanOrEqual(args.length) // it is a parameter
      stack.push(value ?? local)
    } else if (op === 0x21) locals.set(reader.unsigned(), poly())
    else if (op === 0x41) {
      expect(reader.byte()).toBe(0)
      stack.push(base)
    } else if (op === 0x0b) expect(reader.at).toBe(end)
    else {
      expect(op).toBe(0xfd)
      const simd = reader.unsigned()
      if (simd === 0 || simd === 11) {
        reader.unsigned()
        const offset = reader.unsigned()
        const value = simd === 11 ? poly() : null
        const address = stack.pop() as number
        const [vector, limb] = [Math.floor(offset / 80), (offset % 80) / 16]
        if (value !== null) {
          expect([address, limb]).toEqual([0, out[vector]?.length])
          out[vector]?.push(value)
        } else if (address === base) stack.push(proof.constant(LANE_CONSTANTS[offset / 16] as number))
        else {
          const number = args[address - 1] as readonly Poly[]
          // The result may lie where an operand does: nothing is read of a vector once its result is being written.
          expect(out[number.length === 1 ? 0 : vector]?.length === 0 || number.length === 1).toBe(true)
          stack.push((number.length === 1 ? number[0] : number[limb]) as Poly)
        }
      } else if (simd === 0xf0 || simd === 0xf1) {
        const [b, a] = [poly(), poly()]
        stack.push(proof.rounded(proof.plus(a, b, simd === 0xf0 ? 1n : -1n)))
      } else if (simd === 0xed) stack.push(proof.times(proof.constant(-1), poly()))
      else if (simd === 0xf2) stack.push(proof.rounded(proof.times(poly(), poly())))
      else {
        expect(simd).toBe(0x107)
        const [c, b, a] = [poly(), poly(), poly()]
        stack.push(proof.rounded(proof.plus(proof.times(a, b), c)))
      }
    }
  }
  expect([stack.length, ...out.map(({ length }) => length)]).toEqual([0, ...out.map(() => 5)])
  return out
}

const TIGHT = [2n ** 51n + 8n, 2n ** 51n + 8n, 2n ** 51n + 8n, 2n ** 51n + 8n, 2n ** 47n + 8n]
const UNSIGNED = [2n ** 52n, 2n ** 52n, 2n ** 52n, 2n ** 52n, 2n ** 48n]

interface Claim {
  readonly what: string
  readonly name: string
  readonly want: (proof: Proof, a: Poly, b: Poly, c: Poly) => Poly
  /** Of the operands' limbs. */
  readonly bounds?: readonly bigint[]
  /** In place of a second operand. */
  readonly factor?: number
}
const scaledBy = (factor: number): Claim => ({
  ...{ what: `multiple by ${factor}`, name: 'scaled', factor },
  want: (proof, a) => proof.times(proof.constant(factor), a),
})
const product: Claim = { what: 'product', name: 'multiply', want: (proof, a, b) => proof.times(a, b) }
const CLAIMS: readonly Claim[] = [
  product,
  {
    ...{ what: 'product less a number', name: 'multiplyLess' },
    want: (proof, a, b, c) => proof.plus(proof.times(a, b), c, -1n),
  },
  { what: 'square', name: 'square', want: (proof, a) => proof.times(a, a) },
  {
    ...{ what: 'square less a number', name: 'squareLess' },
    want: (proof, a, b) => proof.plus(proof.times(a, a), b, -1n),
  },
  { what: 'difference', name: 'subtract', want: (proof, a, b) => proof.plus(a, b, -1n) },
  { what: 'difference from the double', name: 'lessTwice', want: (proof, a, b) => proof.plus(a, b, -2n) },
  ...[1, 2, 3, 4, 8].map(scaledBy),
  { ...scaledBy(1), what: 'tight form of unsigned limbs', bounds: UNSIGNED },
]

const prove = ({ name, want, bounds = TIGHT, factor }: Claim, vector: number): void => {
  const proof = new Proof()
  const number = (letter: string): Poly[] => bounds.map((most, i) => proof.variable(`${letter}${i}`, most))
  const value = (limbs: readonly Poly[]): Poly =>
    limbs
      .map((limb, i) => proof.times(proof.constant(2 ** (52 * i)), limb))
      .reduce((sum, limb) => proof.plus(sum, limb))
  const [a, b, c] = [number('a'), factor === undefined ? number('b') : [proof.constant(factor)], number('c')]
  const limbs = run(proof, name, [a, b, c])[vector] as readonly Poly[]
  for (const [i, limb] of limbs.entries()) {
    expect(limb.grain).toBeGreaterThanOrEqual(0)
    const [low, high] = proof.range(limb)
    expect(low).toBeGreaterThanOrEqual(-(TIGHT[i] as bigint) * ONE)
    expect(high).toBeLessThanOrEqual((TIGHT[i] as bigint) * ONE)
  }
  // All values are integers: where coefficients are multiples of p over powers of two the difference is one of p.
  const rest = proof.plus(value(limbs), want(proof, value(a), value(b), value(c)), -1n)
  for (const [term, coefficient] of rest.terms) expect(coefficient % P, term).toBe(0n)
}

test.for(CLAIMS)('$what: congruent and tight whatever the limbs are', (claim) => {
  for (let vector = 0; vector < VECTORS; vector++) prove(claim, vector)
})

test('a proof of what does not hold fails', () => {
  expect(() => prove({ ...product, bounds: UNSIGNED }, 0)).toThrow()
  expect(() => prove({ ...product, want: (proof, a) => proof.times(a, a) }, 0)).toThrow()
  expect(() => prove(scaledBy(16), 0)).toThrow()
})

test('a tight number is 0 modulo p only as five zeros', () => {
  const most = TIGHT.reduce((sum, limb, i) => sum + (limb << BigInt(52 * i)), 0n)
  expect(most).toBeLessThan(P)
  // Limb by limb from the lowest: where the sum is 0 each is a multiple of 2^52.
  for (const limb of TIGHT) expect(limb).toBeLessThan(2n ** 52n)
})
