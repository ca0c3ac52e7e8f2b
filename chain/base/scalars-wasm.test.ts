import { expect, test } from 'vitest'
import { createDice } from '../../test/kit/dice.ts'
import { createScalars, HALF_BYTES, N, SCALAR_BYTES } from './scalars-wasm.ts'

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const WORD = 1n << 256n
const LAMBDA = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n
const A1 = 0x3086d221a7d46bcde86c90e49284eb15n
const B1 = -0xe4437ed6010e88286f547fa90abfe4c3n
const A2 = 0x114ca50f7a8e2f3f657c1108d9d44cfd8n

const scalars = createScalars(4 * SCALAR_BYTES + 2 * HALF_BYTES)
const words = new Uint32Array(scalars.memory.buffer)
const [A, B, OUT, HALVES] = [0, SCALAR_BYTES, 2 * SCALAR_BYTES, 4 * SCALAR_BYTES]
const put = (place: number, value: bigint): void => {
  for (let i = 0; i < 8; i++) words[place / 4 + i] = Number((value >> BigInt(32 * i)) & 0xffffffffn)
}
const read = (place: number, count = 8): bigint =>
  Array.from({ length: count }, (_, i) => BigInt(words[place / 4 + i] as number) << BigInt(32 * i)).reduce(
    (a, b) => a + b,
  )
const half = (place: number): bigint => {
  const sign = words[(place + HALF_BYTES) / 4 - 1]
  expect([0, 1]).toContain(sign)
  return sign === 1 ? -read(place, 5) : read(place, 5)
}

/** Numbers whose words are all zeros, all ones, or anything, and those about the order. */
const drawer = () => {
  const dice = createDice(seed)
  const edges = [0n, 1n, 2n, N - 1n, N - 2n, N / 2n, N / 2n + 1n, 2n ** 128n, 2n ** 128n - 1n, LAMBDA, N - LAMBDA]
  const some = (): bigint =>
    Array.from({ length: 8 }, () => BigInt(dice.pick([0, 1, 0xffffffff, 0xfffffffe, dice.below(2 ** 32)]))).reduce(
      (sum, word) => (sum << 32n) | word,
    )
  return { any: () => (dice.chance(0.2) ? dice.pick([...edges, N, N + 1n, WORD - 1n]) : some()), edges }
}

test(`products and opposites are those of large integers, SEED=${seed}`, () => {
  const { any } = drawer()
  for (let n = 0; n < 20_000; n++) {
    const [a, b] = [any(), any() % N]
    put(A, a)
    put(B, b)
    scalars.multiply(OUT, A, B)
    const product = read(OUT)
    if (product >= N || (product * WORD - a * b) % N !== 0n) throw new Error(`SEED=${seed}: ${a} * ${b}: ${product}`)
    scalars.negate(OUT, B)
    if (read(OUT) !== (N - b) % N) throw new Error(`SEED=${seed}: -${b}: ${read(OUT)}`)
    // The result may lie where an operand does.
    scalars.multiply(A, A, B)
    expect(read(A)).toBe(product)
  }
})

test(`halves of a scalar are odd, short and make it, SEED=${seed}`, () => {
  const { any, edges } = drawer()
  const nearest = (value: bigint): bigint => (2n * value + N) / (2n * N)
  const scalarsTried = [...edges, ...Array.from({ length: 20_000 }, () => any() % N)]
  for (const k of scalarsTried) {
    put(A, k)
    scalars.split(HALVES, A)
    const [k1, k2] = [half(HALVES), half(HALVES + HALF_BYTES)]
    const [c1, c2] = [nearest(k * A1), nearest(-k * B1)]
    let [w1, w2] = [k - c1 * A1 - c2 * A2, -c1 * B1 - c2 * A1]
    if (w1 % 2n === 0n) [w1, w2] = [w1 + A1, w2 + B1]
    if (w2 % 2n === 0n) [w1, w2] = [w1 + A2, w2 + A1]
    if (k1 !== w1 || k2 !== w2 || (k1 + k2 * LAMBDA - k) % N !== 0n) throw new Error(`SEED=${seed}: ${k}: ${k1}, ${k2}`)
    for (const part of [k1, k2]) expect((part & 1n) === 1n && part < 2n ** 130n && -part < 2n ** 130n).toBe(true)
  }
})
