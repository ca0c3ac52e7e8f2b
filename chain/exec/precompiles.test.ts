// The precompiles of the fast engine beside the library's own, which are other code in another language of numbers: random inputs, the
// points and scalars where arithmetic goes wrong, and everything that must be refused.
import { getActivePrecompiles, NobleBLS, NobleBN254, type PrecompileInput, paramsEVM } from '@ethereumjs/evm'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { bn254 } from '@noble/curves/bn254.js'
import { p256 } from '@noble/curves/nist.js'
import { expect, test } from 'vitest'
import { createDice } from '../../test/kit/dice.ts'
import { precompileCall } from '../../test/kit/precompiles.ts'
import { bigintToFixed, bytesToHex, concat, type Hex } from '../base/bytes.ts'
import { verifyKzgProof } from '../base/crypto.ts'
import { isKzgProof } from '../base/curves.ts'
import { completed, createPrecompiles } from './precompiles.ts'
import { commonFor } from './reference.ts'

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const dice = createDice(seed)
const GAS = 1_000_000_000
const ours = createPrecompiles({ chainId: 1n })
const common = commonFor({ chainId: 1n })
common.updateParams(paramsEVM)
const theirs = getActivePrecompiles(common)
const machine = { _bls: new NobleBLS(), _bn254: new NobleBN254() } as unknown as PrecompileInput['_EVM'] // all they ask for
const addressOf = (number: number): Hex => `0x${number.toString(16).padStart(40, '0')}`

const answerOf = (number: number, input: Uint8Array): string => {
  const run = ours.get(addressOf(number))
  if (run === undefined) return 'there is none'
  const { gasUsed, output, fault } = completed(run(input, GAS))
  return `${gasUsed} ${fault} ${bytesToHex(output)}`
}
const libraryAnswerOf = async (number: number, data: Uint8Array): Promise<string> => {
  const run = theirs.get(addressOf(number).slice(2))
  const result = await run?.({ data, gasLimit: BigInt(GAS), common, _EVM: machine })
  if (result === undefined) return 'there is none'
  return `${result.executionGasUsed} ${result.exceptionError?.error ?? null} ${bytesToHex(result.returnValue)}`
}
const compare = async (number: number, inputs: readonly Uint8Array[]): Promise<readonly string[]> => {
  const answers: string[] = []
  for (const input of inputs) {
    const answer = answerOf(number, input)
    expect(answer, `0x${number.toString(16)} of ${bytesToHex(input)}`).toBe(await libraryAnswerOf(number, input))
    answers.push(answer)
  }
  return answers
}
const refusals = (answers: readonly string[]): number => answers.filter((answer) => !answer.includes('null')).length

interface Point<P> {
  add(other: P): P
  double(): P
  negate(): P
}
/** By any number, also of a point outside the subgroup. */
const times = <P extends Point<P>>(point: P, by: bigint, zero: P): P => {
  let sum = zero
  for (let left = by, power = point; left > 0n; left >>= 1n, power = power.double())
    if ((left & 1n) === 1n) sum = sum.add(power)
  return sum
}

const { G1, G2, fields } = bls12_381
const R = fields.Fr.ORDER
const P = fields.Fp.ORDER
const fp = (value: bigint): Uint8Array => bigintToFixed(value, 64)
const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)
const g1 = (point: typeof G1.Point.BASE): Uint8Array => {
  const { x, y } = point.toAffine()
  return concat(fp(x), fp(y))
}
const g2 = (point: typeof G2.Point.BASE): Uint8Array => {
  const { x, y } = point.toAffine()
  return concat(...[x.c0, x.c1, y.c0, y.c1].map(fp))
}
const scalar = (): bigint => BigInt(bytesToHex(dice.bytes(32)))
const small = (): bigint => BigInt(1 + dice.below(2 ** 30))

/** On the curve, and hardly ever in the subgroup. */
const strayG1 = (): typeof G1.Point.BASE => {
  for (;;) {
    const x = fields.Fp.create(BigInt(bytesToHex(dice.bytes(48))))
    const square = fields.Fp.add(fields.Fp.pow(x, 3n), 4n)
    try {
      return G1.Point.fromAffine({ x, y: fields.Fp.sqrt(square) })
    } catch {} // no root
  }
}
const strayG2 = (): typeof G2.Point.BASE => {
  for (;;) {
    const x = fields.Fp2.create({ c0: BigInt(dice.below(2 ** 40)), c1: BigInt(dice.below(2 ** 40)) })
    const square = fields.Fp2.add(fields.Fp2.pow(x, 3n), fields.Fp2.create({ c0: 4n, c1: 4n }))
    try {
      return G2.Point.fromAffine({ x, y: fields.Fp2.sqrt(square) })
    } catch {} // no root
  }
}
const COFACTOR_1 = 0x396c8c005555e1568c00aaab0000aaabn
const FACTORS_1 = [3n, 11n, 10_177n, 859_267n, 52_437_899n]
const COFACTOR_2 =
  0x5d543a95414e7f1091d50792876a202cd91de4547085abaa68a205b2e5a7ddfa628f1cb4d9e82ef21537e293a6691ae1616ec6e786f0c70cf1c38e31c7238e5n
const FACTORS_2 = [13n, 23n, 2_713n, 11_953n, 262_069n]
const [base1, base2] = [G1.Point.BASE, G2.Point.BASE]
/** Points whose order is a factor of the cofactor, and those next to them in the subgroup's cosets. */
const lowOrders1 = FACTORS_1.flatMap((factor) => {
  const low = times(strayG1(), (COFACTOR_1 / factor) * R, G1.Point.ZERO)
  return low.is0() ? [] : [low, low.add(base1)]
})
const lowOrders2 = FACTORS_2.flatMap((factor) => {
  const low = times(strayG2(), (COFACTOR_2 / factor) * R, G2.Point.ZERO)
  return low.is0() ? [] : [low, low.add(base2)]
})

/** What must be refused: coordinates that are too large, padding that is not zero, and a point a bit beside the curve. */
const spoilt = (point: Uint8Array): Uint8Array[] => {
  const changed = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = point.slice()
    change(bytes)
    return bytes
  }
  return Array.from({ length: point.length / 64 }, (_, i) => [
    changed((bytes) => bytes.set(fp(P), 64 * i)),
    changed((bytes) => bytes.set(fp(P + BigInt(bytesToHex(bytes.subarray(64 * i, 64 * i + 64)))), 64 * i)),
    changed((bytes) => bytes.set(fp(2n ** 384n - 1n), 64 * i)),
    changed((bytes) => bytes.set([1], 64 * i + 15)),
    changed((bytes) => bytes.set([(bytes[64 * i + 63] as number) ^ 1], 64 * i + 63)),
    changed((bytes) => bytes.fill(0, 64 * i, 64 * i + 64)),
  ]).flat()
}

const SCALARS = [0n, 1n, 2n, R - 1n, R, R + 1n, 2n * R, 2n ** 255n, 2n ** 256n - 1n]

test(`sums and multiples in G1 of BLS12-381, SEED=${seed}`, async () => {
  const good = [base1, base1.negate(), G1.Point.ZERO, base1.multiplyUnsafe(small()), base1.multiplyUnsafe(small())]
  const points = [...good, strayG1(), ...lowOrders1].map(g1)
  const sums = points.flatMap((a) => points.slice(0, 6).map((b) => concat(a, b)))
  const spoiltSums = spoilt(points[3] as Uint8Array).flatMap((bad) => [concat(bad, g1(base1)), concat(g1(base1), bad)])
  const sizes = [0, 1, 255, 257].map((size) => dice.bytes(size))
  expect(refusals(await compare(0x0b, [...sums, ...spoiltSums, ...sizes]))).toBeGreaterThanOrEqual(24)
  const item = (point: Uint8Array, by: bigint): Uint8Array => concat(point, word(by))
  const singles = points.map((point) => item(point, scalar()))
  const edges = SCALARS.flatMap((by) => good.slice(0, 4).map((point) => item(g1(point), by)))
  const many = (count: number): Uint8Array =>
    concat(...Array.from({ length: count }, () => item(g1(dice.pick(good)), scalar())))
  const wrongLast = spoilt(points[3] as Uint8Array).map((bad) => concat(many(1), item(bad, scalar())))
  const odd = [new Uint8Array(0), many(2).subarray(1), concat(many(1), Uint8Array.of(0))]
  const sizesOfMany = [2, 3, 17, 63, 64, 65, 130].map(many)
  const cancelling = concat(item(g1(base1), 5n), item(g1(base1), R - 5n))
  const answers = await compare(0x0c, [...singles, ...edges, ...wrongLast, ...odd, ...sizesOfMany, cancelling])
  expect(refusals(answers)).toBeGreaterThanOrEqual(13)
})

test(`sums and multiples in G2 of BLS12-381, SEED=${seed}`, async () => {
  const good = [base2, base2.negate(), G2.Point.ZERO, base2.multiplyUnsafe(small())]
  const points = [...good, strayG2(), ...lowOrders2].map(g2)
  const sums = points.flatMap((a) => points.slice(0, 5).map((b) => concat(a, b)))
  const spoiltSums = spoilt(points[3] as Uint8Array).flatMap((bad) => [concat(bad, g2(base2)), concat(g2(base2), bad)])
  expect(refusals(await compare(0x0d, [...sums, ...spoiltSums]))).toBeGreaterThanOrEqual(40)
  const item = (point: Uint8Array, by: bigint): Uint8Array => concat(point, word(by))
  const singles = points.map((point) => item(point, scalar()))
  const edges = SCALARS.flatMap((by) => good.map((point) => item(g2(point), by)))
  const many = (count: number): Uint8Array =>
    concat(...Array.from({ length: count }, () => item(g2(dice.pick(good)), scalar())))
  const wrongLast = spoilt(points[3] as Uint8Array).map((bad) => concat(many(1), item(bad, scalar())))
  const answers = await compare(0x0e, [...singles, ...edges, ...wrongLast, ...[2, 5, 66].map(many)])
  expect(refusals(answers)).toBeGreaterThanOrEqual(20)
})

test(`pairings on BLS12-381, SEED=${seed}`, async () => {
  const pair = (a: typeof base1, b: typeof base2): Uint8Array => concat(g1(a), g2(b))
  const [n, m] = [small(), small()]
  const [an, bm] = [base1.multiplyUnsafe(n), base2.multiplyUnsafe(m)]
  const cancelling = concat(pair(an, bm), pair(base1.multiplyUnsafe(n * m).negate(), base2))
  const infinite = [pair(G1.Point.ZERO, base2), pair(base1, G2.Point.ZERO), pair(G1.Point.ZERO, G2.Point.ZERO)]
  const long = concat(...Array.from({ length: 4 }, () => concat(cancelling, infinite[0] as Uint8Array)), cancelling)
  const whole = [pair(base1, base2), cancelling, ...infinite, concat(...infinite), long, concat(long, pair(an, bm))]
  const bad = [
    ...spoilt(g1(an)).map((point) => concat(point, g2(base2))),
    ...spoilt(g2(bm)).map((point) => concat(g1(base1), point)),
    ...[strayG1(), ...lowOrders1].map((point) => pair(point, base2)),
    ...[strayG2(), ...lowOrders2].map((point) => pair(base1, point)),
    ...[pair(strayG1(), G2.Point.ZERO), pair(G1.Point.ZERO, strayG2()), new Uint8Array(0), cancelling.subarray(1)],
  ]
  expect(refusals(await compare(0x0f, [...whole, ...bad]))).toBe(bad.length)
})

test(`field elements mapped to points, SEED=${seed}`, async () => {
  const random = (): bigint => BigInt(bytesToHex(dice.bytes(48))) % P
  // Where the map's denominator is zero: 0, and roots of -1 / Z.
  const roots = [11n].flatMap((z) => {
    const inverse = fields.Fp.neg(fields.Fp.inv(z))
    return fields.Fp.isValidNot0(inverse) && fields.Fp.pow(inverse, (P - 1n) / 2n) === 1n
      ? [fields.Fp.sqrt(inverse)]
      : []
  })
  const elements = [0n, 1n, P - 1n, P, P + 1n, 2n ** 384n - 1n, ...roots, ...Array.from({ length: 12 }, random)]
  expect(
    refusals(
      await compare(0x10, [...elements.map(fp), fp(1n).subarray(1), concat(Uint8Array.of(1), fp(1n).subarray(1))]),
    ),
  ).toBe(5)
  const pairs = [...elements.map((a) => concat(fp(a), fp(0n))), ...elements.map((a) => concat(fp(random()), fp(a)))]
  expect(refusals(await compare(0x11, pairs))).toBe(6)
})

test(`bn254, SEED=${seed}`, async () => {
  const { G1: N1, G2: N2, fields: ofBn } = bn254
  const [prime, order] = [ofBn.Fp.ORDER, ofBn.Fr.ORDER]
  const one = (point: typeof N1.Point.BASE): Uint8Array => {
    const { x, y } = point.toAffine()
    return concat(word(x), word(y))
  }
  const two = (point: typeof N2.Point.BASE): Uint8Array => {
    const { x, y } = point.toAffine()
    return concat(...[x.c1, x.c0, y.c1, y.c0].map(word))
  }
  const some = [N1.Point.BASE, N1.Point.BASE.negate(), N1.Point.ZERO, N1.Point.BASE.multiplyUnsafe(small())]
  const wrong = [
    concat(word(1n), word(3n)),
    concat(word(prime), word(0n)),
    concat(word(prime + 1n), word(2n)),
    concat(word(1n), word(prime + 2n)),
    concat(word(0n), word(1n)),
    new Uint8Array(64).fill(255),
  ]
  const points = [...some.map(one), ...wrong]
  const short = [0, 1, 63, 64, 65, 127].map((size) => concat(one(N1.Point.BASE), one(N1.Point.BASE)).subarray(0, size))
  const sums = points.flatMap((a) => points.map((b) => concat(a, b)))
  expect(
    refusals(await compare(0x06, [...sums, ...short, concat(sums[0] as Uint8Array, dice.bytes(9))])),
  ).toBeGreaterThan(80)
  const scalars = [0n, 1n, 2n, order - 1n, order, order + 1n, 2n ** 256n - 1n, scalar(), scalar(), scalar()]
  const multiples = points.flatMap((point) => scalars.map((by) => concat(point, word(by))))
  expect(refusals(await compare(0x07, [...multiples, ...short]))).toBeGreaterThanOrEqual(60)

  const stray2 = (): typeof N2.Point.BASE => {
    const b = ofBn.Fp2.sub(ofBn.Fp2.sqr(N2.Point.BASE.toAffine().y), ofBn.Fp2.pow(N2.Point.BASE.toAffine().x, 3n))
    for (;;) {
      const x = ofBn.Fp2.create({ c0: small(), c1: small() })
      try {
        return N2.Point.fromAffine({ x, y: ofBn.Fp2.sqrt(ofBn.Fp2.add(ofBn.Fp2.pow(x, 3n), b)) })
      } catch {} // no root
    }
  }
  const low = [10_069n, 5_864_401n].flatMap((factor) => {
    const cofactor = 2n * prime - order
    const point = times(stray2(), (cofactor / factor) * order, N2.Point.ZERO)
    return point.is0() ? [] : [point, point.add(N2.Point.BASE)]
  })
  const pair = (a: Uint8Array, b: Uint8Array): Uint8Array => concat(a, b)
  const base = two(N2.Point.BASE)
  const n = small()
  const cancelling = concat(
    pair(one(N1.Point.BASE.multiplyUnsafe(n)), base),
    pair(one(N1.Point.BASE.negate()), two(N2.Point.BASE.multiplyUnsafe(n))),
  )
  const infinite = [pair(new Uint8Array(64), base), pair(one(N1.Point.BASE), new Uint8Array(128))]
  const long = concat(...Array.from({ length: 4 }, () => concat(cancelling, infinite[0] as Uint8Array)), cancelling)
  const beyond = [0, 1, 2, 3].map((i) => {
    const bytes = base.slice()
    bytes.set(word(prime + BigInt(bytesToHex(base.subarray(32 * i, 32 * i + 32)))), 32 * i)
    return pair(one(N1.Point.BASE), bytes)
  })
  const bad = [
    ...beyond,
    ...wrong.map((point) => pair(point, base)),
    ...[stray2(), ...low].map((point) => pair(one(N1.Point.BASE), two(point))),
    ...[
      pair(new Uint8Array(64), two(stray2())),
      pair(wrong[0] as Uint8Array, new Uint8Array(128)),
      cancelling.subarray(1),
    ],
  ]
  const whole = [new Uint8Array(0), pair(one(N1.Point.BASE), base), cancelling, ...infinite, long]
  expect(refusals(await compare(0x08, [...whole, ...bad]))).toBe(bad.length)
})

test(`signatures on P-256, SEED=${seed}`, async () => {
  const order = p256.Point.Fn.ORDER
  const prime = p256.Point.Fp.ORDER
  const inputs: Uint8Array[] = []
  for (let i = 0; i < 12; i++) {
    const secret = dice.bytes(32)
    secret[0] = 1 // below the order
    const digest = i === 0 ? new Uint8Array(32) : i === 1 ? new Uint8Array(32).fill(255) : dice.bytes(32)
    const signature = p256.sign(digest, secret, { prehash: false, lowS: false })
    const key = p256.getPublicKey(secret, false).subarray(1)
    const good = concat(digest, signature, key)
    const other = good.slice()
    other.set(word(order - BigInt(bytesToHex(signature.subarray(32)))), 64) // s and -s are both right
    const turned = good.slice()
    const at = dice.below(160)
    turned[at] = (turned[at] as number) ^ (1 << dice.below(8))
    inputs.push(good, other, turned)
  }
  const [good] = inputs as [Uint8Array]
  for (const [at, values] of [
    [32, [0n, order, order + 1n, 2n ** 256n - 1n]],
    [64, [0n, order, order + 1n, 2n ** 256n - 1n]],
    [96, [0n, prime, 2n ** 256n - 1n]],
    [128, [0n, prime, 2n ** 256n - 1n]],
  ] as const)
    for (const value of values) {
      const bad = good.slice()
      bad.set(word(value), at)
      inputs.push(bad)
    }
  // A key that makes the sum infinite: r Q = -e G. And one that makes both terms the same.
  const r = 5n
  const e = 7n
  for (const sign of [-1n, 1n]) {
    const key = p256.Point.BASE.multiply(p256.Point.Fn.create(sign * e * p256.Point.Fn.inv(r)))
    inputs.push(concat(word(e), word(r), word(11n), key.toBytes(false).subarray(1)))
  }
  inputs.push(new Uint8Array(160), new Uint8Array(0), good.subarray(1), concat(good, Uint8Array.of(0)))
  const answers = await compare(0x100, inputs)
  expect(answers.filter((answer) => answer.endsWith('01')).length).toBeGreaterThanOrEqual(24)
})

test(`the compression function of BLAKE2b, SEED=${seed}`, async () => {
  const inputs = [0, 1, 2, 9, 10, 11, 12, 13, 20, 1_000, 65_537].map((rounds) =>
    concat(bigintToFixed(BigInt(rounds), 4), dice.bytes(208), Uint8Array.of(dice.below(2))),
  )
  const bad = [new Uint8Array(0), dice.bytes(212), dice.bytes(214), concat(dice.bytes(212), Uint8Array.of(2))]
  expect(refusals(await compare(0x09, [...inputs, ...bad]))).toBe(4)
})

// A proof that is not infinite needs the trusted setup: the official state tests have some.
test('point evaluations hold where the other implementation says so', () => {
  // The polynomial is a constant or a line, so that commitment and quotient are known without a setup: C = c G, or c G + d tau G.
  const constant = base1.multiplyUnsafe(9n)
  /** Also of a point outside the subgroup. */
  const compressed = (point: typeof base1): Uint8Array => {
    const { x, y } = point.toAffine()
    const bytes = fp(x).slice(16)
    bytes[0] = (bytes[0] as number) | (2n * y > P ? 0xa0 : 0x80)
    return bytes
  }
  const bytesOf = (point: typeof base1): Uint8Array =>
    point.is0() ? concat(Uint8Array.of(0xc0), new Uint8Array(47)) : compressed(point)
  const [good, infinity] = [bytesOf(constant), bytesOf(G1.Point.ZERO)]
  const flagged = (bits: number): Uint8Array => {
    const bytes = good.slice()
    bytes[0] = ((bytes[0] as number) & 0x1f) | bits
    return bytes
  }
  const points = [
    ...[good, infinity, bytesOf(base1), bytesOf(base1.negate()), bytesOf(strayG1()), new Uint8Array(48)],
    ...[0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0].map(flagged),
    ...[
      concat(Uint8Array.of(0xc0), new Uint8Array(46), Uint8Array.of(1)),
      concat(Uint8Array.of(0xe0), new Uint8Array(47)),
    ],
    ...[concat(Uint8Array.of(0x9a), fp(P).subarray(17)), new Uint8Array(48).fill(255)],
  ]
  const scalars = [9n, R, 2n ** 256n - 1n].map(word)
  let held = 0
  for (const commitment of points)
    for (const [proof, z, y] of [
      ...scalars.map((y) => [infinity, word(5n), y] as const),
      ...scalars.map((z) => [infinity, z, word(9n)] as const),
      [good, word(3n), word(9n)] as const,
      [bytesOf(base1.negate()), word(0n), word(8n)] as const,
    ]) {
      const is = isKzgProof(commitment, z, y, proof)
      expect(is, bytesToHex(concat(commitment, z, y, proof))).toBe(verifyKzgProof(commitment, z, y, proof))
      if (is) held++
    }
  for (const proof of points) {
    const is = isKzgProof(good, word(5n), word(9n), proof)
    expect(is, bytesToHex(proof)).toBe(verifyKzgProof(good, word(5n), word(9n), proof))
  }
  expect(held).toBeGreaterThanOrEqual(3)
})

test(`whatever is thrown at them, SEED=${seed}`, async () => {
  for (let i = 0; i < 250; i++) {
    const { number, input } = precompileCall(dice)
    if (number !== 0x0a) await compare(number, [input])
  }
})

test('one that takes long does so in stretches, and others may be asked meanwhile', () => {
  const items = (n: bigint): Uint8Array =>
    concat(
      ...Array.from({ length: 150 }, (_, i) =>
        concat(g1(base1.multiplyUnsafe(n + BigInt(i))), word(n * 77n + BigInt(i))),
      ),
    )
  const pairs = (n: bigint): Uint8Array =>
    concat(...Array.from({ length: 20 }, () => concat(g1(base1.multiplyUnsafe(n)), g2(base2))))
  const rounds = (n: bigint): Uint8Array =>
    concat(word(1_200_000n).subarray(28), word(n), new Uint8Array(176), Uint8Array.of(1))
  for (const [number, make] of [
    [0x0c, items],
    [0x0f, pairs],
    [0x09, rounds],
  ] as const) {
    const run = ours.get(addressOf(number))
    const calls = [3n, 5n].map((n) => ({ alone: answerOf(number, make(n)), pending: run?.(make(n), GAS) }))
    const left = new Set(calls)
    let turns = 0
    while (left.size > 0)
      for (const call of left) {
        const { pending } = call
        if (pending === undefined || !('resume' in pending)) throw new Error('it answers later')
        const answer = pending.resume()
        turns++
        if (answer === null) continue
        left.delete(call)
        expect(`${answer.gasUsed} ${answer.fault} ${bytesToHex(answer.output)}`).toBe(call.alone)
      }
    expect(turns).toBeGreaterThanOrEqual(4)
  }
})
