import { expect, test } from 'vitest'
import { createDice } from '../../test/kit/dice.ts'
import { bigintToBytes, bytesToBigint, bytesToHex } from './bytes.ts'
import { portableCurves } from './crypto.ts'
import { nativeCurves } from './crypto-native.ts'
import { createRecoverMany, type RecoverMany } from './lanes.ts'
import { createLanes, ELEMENT_BYTES, LANES, type Lanes, PLACE } from './lanes-wasm.ts'

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const P = 2n ** 256n - 2n ** 32n - 977n
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const GX = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n
/** A signature, in numbers. */
interface SignedDigest {
  readonly digest: Uint8Array
  readonly r: bigint
  readonly s: bigint
  readonly yParity: 0 | 1
}
/** In bytes, without zeros before them, as they lie in transactions. */
const asGiven =
  (recover: RecoverMany) =>
  (signed: readonly SignedDigest[]): (Uint8Array | null)[] =>
    recover(signed.map(({ r, s, ...rest }) => ({ ...rest, r: bigintToBytes(r), s: bigintToBytes(s) })))
const recoverMany = asGiven(createRecoverMany() as RecoverMany)
const word = (value: bigint): Uint8Array => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const recoverOne = ({ digest, r, s, yParity }: SignedDigest, curves = nativeCurves) =>
  curves.recover(digest, word(r), word(s), yParity)
const hexes = (keys: readonly (Uint8Array | null)[]) => keys.map((key) => key && bytesToHex(key))

const manySigned = (count: number): SignedDigest[] => {
  const dice = createDice(seed)
  return Array.from({ length: count }, () => {
    const digest = dice.bytes(32)
    const { signature, recovery } = nativeCurves.sign(digest, dice.bytes(32))
    const [r, s] = [bytesToBigint(signature.subarray(0, 32)), bytesToBigint(signature.subarray(32))]
    return { digest, r, s, yParity: recovery }
  })
}

test('products, squares, differences and multiples are exact at the bounds of limbs and between them', () => {
  const dice = createDice(seed)
  const lanes = createLanes(65_536)
  const numbers = new Float64Array(lanes.memory.buffer)
  const [a, b, out] = [0, 1, 2].map((i) => PLACE.own + i * ELEMENT_BYTES) as [number, number, number]
  const at = (place: number, lane: number, i: number): number => place / 8 + (lane >> 1) * 10 + (lane & 1) + 2 * i
  const value = (limbs: readonly number[]): bigint => limbs.reduceRight((sum, limb) => (sum << 52n) + BigInt(limb), 0n)
  const isTight = (limbs: readonly number[]): boolean =>
    limbs.every((limb, i) => Math.abs(limb) <= (i === 4 ? 2 ** 47 : 2 ** 51) + 8)
  const draw = (): number[] => {
    const isAtBound = dice.chance(0.5)
    return Array.from({ length: 5 }, (_, i) => {
      const most = (i === 4 ? 2 ** 47 : 2 ** 51) + 8
      const size = isAtBound ? most - dice.pick([0, 0, 0, 1, 8, 9]) : Math.floor((dice.below(2 ** 32) / 2 ** 32) * most)
      return dice.chance(0.5) ? size : -size
    })
  }
  const same = (name: string, want: (x: bigint, y: bigint) => bigint, xs: number[][], ys: number[][]): void => {
    for (let lane = 0; lane < LANES; lane++) {
      const limbs = [0, 1, 2, 3, 4].map((i) => numbers[at(out, lane, i)] as number)
      const [x, y] = [xs[lane] as number[], ys[lane] as number[]]
      if (!isTight(limbs) || (value(limbs) - want(value(x), value(y))) % P !== 0n)
        throw new Error(`SEED=${seed}: ${name} of ${x} and ${y}: ${limbs}`)
    }
  }
  for (let n = 0; n < 4_000; n++) {
    const [xs, ys] = [Array.from({ length: LANES }, draw), Array.from({ length: LANES }, draw)]
    for (let lane = 0; lane < LANES; lane++)
      for (let i = 0; i < 5; i++) {
        numbers[at(a, lane, i)] = xs[lane]?.[i] ?? 0
        numbers[at(b, lane, i)] = ys[lane]?.[i] ?? 0
      }
    lanes.multiply(out, a, b)
    same('product', (x, y) => x * y, xs, ys)
    lanes.square(out, a)
    same('square', (x) => x * x, xs, ys)
    // Where the result lies in the place of the last operand.
    const keep = numbers.slice(b / 8, b / 8 + ELEMENT_BYTES / 8)
    lanes.squareLess(b, a, b)
    numbers.copyWithin(out / 8, b / 8, b / 8 + ELEMENT_BYTES / 8)
    same('square less a number', (x, y) => x * x - y, xs, ys)
    numbers.set(keep, b / 8)
    lanes.multiplyLess(out, a, b, b)
    same('product less a number', (x, y) => x * y - y, xs, ys)
    lanes.subtract(out, a, b)
    same('difference', (x, y) => x - y, xs, ys)
    lanes.scaled(out, a, PLACE.unit)
    same('tight form', (x) => x, xs, ys)
    lanes.lessTwice(out, a, b)
    same('difference from the double', (x, y) => x - 2n * y, xs, ys)
    lanes.scaled(out, a, PLACE.eight)
    same('eightfold', (x) => 8n * x, xs, ys)
  }
  expect(isTight([0, 0, 0, 0, 2 ** 47 + 9])).toBe(false)
})

test(`keys of many signatures are those of the native and of the portable curves, SEED=${seed}`, () => {
  for (const count of [1, 3, 4, 5, 700]) {
    const signed = manySigned(count)
    expect(hexes(recoverMany(signed))).toEqual(hexes(signed.map((each) => recoverOne(each))))
    expect(hexes(recoverMany(signed.slice(0, 3)))).toEqual(
      hexes(signed.slice(0, 3).map((each) => recoverOne(each, portableCurves))),
    )
  }
})

test(`whatever r and s are, an answer is the native one, and only what fits no key or is made to meet a special case has none, SEED=${seed}`, () => {
  const dice = createDice(seed)
  const edges = [1n, 2n, 3n, N - 1n, N - 2n, N / 2n, N / 2n + 1n, GX, 2n ** 255n, 2n ** 128n, 2n ** 128n - 1n]
  const scalar = (): bigint => (dice.chance(0.5) ? dice.pick(edges) : (bytesToBigint(dice.bytes(32)) % (N - 1n)) + 1n)
  const signed = Array.from({ length: 1_500 }, (): SignedDigest => {
    const digest = dice.chance(0.2) ? word(dice.pick([0n, 1n, N - 1n, N, N + 1n, 2n ** 256n - 1n, GX])) : dice.bytes(32)
    return { digest, r: scalar(), s: scalar(), yParity: dice.chance(0.5) ? 0 : 1 }
  })
  let fits = 0
  for (const [i, key] of recoverMany(signed).entries()) {
    const wanted = recoverOne(signed[i] as SignedDigest)
    if (wanted !== null) fits++
    if (key === null) {
      // u1 = 0 or multiples of G that meet each other are rare: of chance there are none.
      const { digest, r } = signed[i] as SignedDigest
      expect(wanted === null || r === GX || bytesToBigint(digest) % N === 0n, `${i}`).toBe(true)
    } else expect(bytesToHex(key), `${i}`).toBe(wanted && bytesToHex(wanted))
  }
  expect(fits).toBeGreaterThan(500)
})

test('a sum at infinity has no key, and takes none from those beside it', () => {
  // R = G: s R - z G is nothing where s = z.
  const nobody: SignedDigest = { digest: word(77n), r: GX, s: 77n, yParity: 0 }
  expect(recoverOne(nobody)).toBeNull()
  const digest = word(5n)
  const { signature, recovery } = nativeCurves.sign(digest, word(9n))
  const [r, s] = [bytesToBigint(signature.subarray(0, 32)), bytesToBigint(signature.subarray(32))]
  const somebody: SignedDigest = { digest, r, s, yParity: recovery }
  const mixed = [somebody, nobody, somebody, somebody, nobody, somebody, somebody, somebody, somebody]
  const own = bytesToHex(nativeCurves.publicKey(word(9n)))
  expect(hexes(recoverMany(mixed))).toEqual(mixed.map((each) => (each === nobody ? null : own)))
})

test('r or s out of range have no key, and take none from those beside them', () => {
  const digest = word(5n)
  const { signature, recovery } = nativeCurves.sign(digest, word(9n))
  const [r, s] = [bytesToBigint(signature.subarray(0, 32)), bytesToBigint(signature.subarray(32))]
  const good: SignedDigest = { digest, r, s, yParity: recovery }
  const own = bytesToHex(nativeCurves.publicKey(word(9n)))
  const outside = [0n, N, N + 1n, 2n ** 256n - 1n, 2n ** 256n].flatMap((x) => [
    { ...good, r: x },
    { ...good, s: x },
  ])
  const mixed = [good, ...outside.flatMap((bad) => [bad, good]), { ...good, digest: digest.subarray(1) }, good]
  expect(hexes(recoverMany(mixed))).toEqual(mixed.map((each) => (each === good ? own : null)))
})

type Erring = 'multiply' | 'square' | 'double' | 'add' | 'pickBase'
/** Arithmetic whose `name` errs when `plan` says so. */
const erring = (name: Erring, plan: { calls: number; errs: (call: number) => boolean }) => {
  return (sizeBytes: number): Lanes => {
    const lanes = createLanes(sizeBytes)
    const numbers = new Float64Array(lanes.memory.buffer)
    const right = lanes[name] as (...args: number[]) => void
    const wrong = (...args: number[]): void => {
      right(...args)
      if (!plan.errs(plan.calls++)) return
      if (name === 'pickBase') {
        // As good a point, but another one.
        for (let at = PLACE.py / 8; at < (PLACE.py + ELEMENT_BYTES) / 8; at++) numbers[at] = -(numbers[at] as number)
        return
      }
      const at = (name === 'double' ? PLACE.x : name === 'add' ? PLACE.y : (args[0] as number)) / 8
      numbers[at] = (numbers[at] as number) + 1
    }
    return { ...lanes, [name]: wrong }
  }
}

test.for(['multiply', 'square', 'double', 'add'] as const)(
  `a machine that errs once in %s gives no wrong answer, is found out and asked no more, SEED=${seed}`,
  (name) => {
    const dice = createDice(seed)
    const signed = manySigned(40)
    const right = hexes(signed.map((each) => recoverOne(each)))
    const plan = { calls: 0, errs: (_: number): boolean => false }
    let faults = 0
    const recover = asGiven(createRecoverMany(() => faults++, erring(name, plan)) as RecoverMany)
    plan.calls = 0
    expect(hexes(recover(signed))).toEqual(right)
    const calls = plan.calls
    for (let n = 0; n < 100 && faults === 0; n++) {
      const at = dice.below(calls)
      plan.errs = (call) => call === at
      plan.calls = 0
      for (const [i, key] of hexes(recover(signed)).entries()) expect([null, right[i]], `${at}`).toContain(key)
    }
    expect(faults).toBe(1)
    plan.errs = () => false
    expect(recover(signed)).toEqual(signed.map(() => null))
    expect(faults).toBe(1)
  },
)

test('answers that are points but not the right ones are found out by comparing some, and where they are so from the start there are none', () => {
  const plan = { calls: 0, errs: (_: number): boolean => false }
  let faults = 0
  const recover = asGiven(createRecoverMany(() => faults++, erring('pickBase', plan)) as RecoverMany)
  plan.errs = () => true
  const signed = manySigned(300)
  expect(recover(signed)).toEqual(signed.map(() => null))
  expect(faults).toBe(1)
  expect(createRecoverMany(() => {}, erring('pickBase', plan))).toBeNull()
})

/** The scalar split as Gallant, Lambert and Vanstone do, made odd; and its digits, odd ones with a sign. */
const LAMBDA = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n
const [A1, B1, A2] = [
  0x3086d221a7d46bcde86c90e49284eb15n,
  -0xe4437ed6010e88286f547fa90abfe4c3n,
  0x114ca50f7a8e2f3f657c1108d9d44cfd8n,
]
const nearest = (value: bigint): bigint => (2n * value + N) / (2n * N)
const split = (k: bigint): readonly [bigint, bigint] => {
  const [c1, c2] = [nearest(k * A1), nearest(-k * B1)]
  let [k1, k2] = [k - c1 * A1 - c2 * A2, -c1 * B1 - c2 * A1]
  if (k1 % 2n === 0n) [k1, k2] = [k1 + A1, k2 + B1]
  if (k2 % 2n === 0n) [k1, k2] = [k1 + A2, k2 + A1]
  return [k1, k2]
}
/** What the digits from the one at `bit` on make: its upper bits, and a 1 for the lowest. */
const from = (k: bigint, bit: bigint): bigint => (k < 0n ? -from(-k, bit) : ((k >> (bit + 1n)) << 1n) | 1n)
const mod = (value: bigint): bigint => ((value % N) + N) % N
const inverse = (value: bigint): bigint => {
  let [result, base] = [1n, mod(value)]
  for (let e = N - 2n; e > 0n; e >>= 1n, base = (base * base) % N) if (e & 1n) result = (result * base) % N
  return result
}

test(`an addition of equal or of opposite points, wherever it is, leaves the answer to others, SEED=${seed}`, () => {
  const dice = createDice(seed)
  const scalar = (): bigint => (bytesToBigint(dice.bytes(32)) % (N - 1n)) + 1n
  const signed: SignedDigest[] = []
  for (let i = 0n; i < 32n; i++)
    for (const part of i % 3n === 0n ? [0, 1, 2, 3] : [0, 1])
      for (const sign of [1n, -1n]) {
        const [u1, u2] = [scalar(), scalar()]
        const [[g1, g2], [r1, r2]] = [split(u1), split(u2)]
        const [bit, baseBit] = [4n * i, 12n * (i / 3n + (i % 3n === 0n ? 0n : 1n))]
        // Before digits at i come, the sum is `ofR` R + `ofG` G; what R has so far is doubled four times, and G's digits come last.
        const known = baseBit > 120n ? 0n : (from(g1, baseBit) + LAMBDA * from(g2, baseBit)) << (baseBit - bit)
        const digit = (k: bigint, at: bigint, bits: bigint): bigint => from(k, at) - (from(k, at + bits) << bits)
        const upper = (from(r1, bit + 4n) + LAMBDA * from(r2, bit + 4n)) << 4n
        const top = bit === 120n
        const before = top ? 0n : (from(g1, bit + 12n) + LAMBDA * from(g2, bit + 12n)) << 12n
        let [ofR, ofG, addR, addG] = [upper, i % 3n === 0n ? before : known, 0n, 0n]
        if (part === 0) addR = digit(r1, bit, 4n)
        else ofR += digit(r1, bit, 4n)
        if (part === 1) addR = LAMBDA * digit(r2, bit, 4n)
        else if (part > 1) ofR += LAMBDA * digit(r2, bit, 4n)
        if (part >= 2) {
          const base = (k: bigint): bigint => (top ? from(k, bit) : digit(k, bit, 12n))
          ofG = part === 2 ? before : before + base(g1)
          addG = part === 2 ? base(g1) : LAMBDA * base(g2)
        }
        // (ofR - sign addR) m = sign addG - ofG makes R = m G meet it.
        const right = mod(sign * addG - ofG)
        if (right === 0n) continue
        const m = mod(right * inverse(ofR - sign * addR))
        const point = nativeCurves.publicKey(word(m))
        const r = bytesToBigint(point.subarray(0, 32)) % N
        const yParity = (point[63] as number) & 1 ? 1 : 0
        signed.push({ digest: word(mod(-u1 * r)), r, s: mod(u2 * r), yParity })
      }
  expect(signed.length).toBeGreaterThan(150)
  // But for opposite points in the last addition, which make infinity, they are good signatures.
  expect(signed.filter((each) => recoverOne(each) === null)).toEqual(signed.slice(7, 8))
  const honest = manySigned(signed.length)
  const mixed = signed.flatMap((each, i) => [each, honest[i] as SignedDigest])
  const keys = hexes(recoverMany(mixed))
  expect(keys.filter((_, i) => i % 2 === 0)).toEqual(signed.map(() => null))
  expect(keys.filter((_, i) => i % 2 === 1)).toEqual(hexes(honest.map((each) => recoverOne(each))))
})

/** x of 5 G. */
const SOME = bytesToBigint(nativeCurves.publicKey(word(5n)).subarray(0, 32))

test(`scalars whose halves are as large as can be have the native answer, SEED=${seed}`, () => {
  const near = [-2n, -1n, 0n, 1n, 2n]
  const corners = [1n, -1n].flatMap((a) =>
    [1n, -1n].flatMap((b) => near.map((d) => mod((a * A1 + b * A2) / 2n + d + LAMBDA * ((a * B1 + b * A1) / 2n - d)))),
  )
  const halves = corners.flatMap(split).map((half) => (half < 0n ? -half : half))
  expect(halves.some((half) => half > (3n * (A1 + A2)) / 2n - 8n)).toBe(true)
  expect(halves.every((half) => half < 2n ** 129n)).toBe(true)
  const signed = corners.flatMap((u1) =>
    corners.map((u2): SignedDigest => ({ digest: word(mod(-u1 * SOME)), r: SOME, s: mod(u2 * SOME), yParity: 1 })),
  )
  expect(hexes(recoverMany(signed))).toEqual(hexes(signed.map((each) => recoverOne(each))))
})
