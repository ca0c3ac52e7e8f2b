// The curves of the precompiles and of native modules, in wasm (mcl): the same machine-independent code on every host, ten to thirty times as fast as BigInts.
// Owns how points lie in the wasm's memory, what makes one valid, and the stretches that long work is done in. Knows no prices.
import createModule from 'mcl-wasm/dist/mcl_c.js'
import { bytesToBigint, hexToBytes } from './bytes.ts'
import { TAU_G2 } from './crypto.ts'
import { assert, defineErrors, NodeError } from './errors.ts'

/** Work in stretches of some tens of milliseconds at most: each `yield` is a place to stop at. Throws CURVE_INPUT where the input is refused. */
export type Stretches<T> = Generator<undefined, T>

// Bytes of values in the wasm's memory, of each curve: coordinates are Jacobian, field elements in Montgomery form.
const FP = 48
const FR = 32
const G1 = 3 * FP
const G2 = 6 * FP
const GT = 12 * FP
/** FR in units of 8 bytes times ten and FP in the same: what the wasm was compiled for. */
const COMPILED_FOR = 46
const IDS = { bn254: 4, bls: 5, p256: 107 } as const
/** As in RFC 9380, which EIP-2537 maps by. */
const MAP_RFC_9380 = 5

type Pointer = number
/** The functions of the wasm that are used. Answers of `is…` are 0 or 1, of everything else 0 where it went well. */
interface Mcl {
  __wasm_call_ctors(): void
  malloc(sizeBytes: number): Pointer
  mclBn_init(curve: number, compiledFor: number): number
  mclBn_setETHserialization(on: number): void
  mclBn_setMapToMode(mode: number): number
  mclBn_verifyOrderG1(on: number): void
  mclBn_verifyOrderG2(on: number): void
  mclBnFr_setBigEndianMod(to: Pointer, bytes: Pointer, sizeBytes: number): number
  mclBnFr_inv(to: Pointer, x: Pointer): void
  mclBnFr_mul(to: Pointer, x: Pointer, y: Pointer): void
  mclBnFr_neg(to: Pointer, x: Pointer): void
  mclBnFp_setBigEndianMod(to: Pointer, bytes: Pointer, sizeBytes: number): number
  /** Answers how many bytes it wrote. */
  mclBnFp_getLittleEndian(bytes: Pointer, mostBytes: number, x: Pointer): number
  mclBnFp_mapToG1(to: Pointer, x: Pointer): number
  mclBnFp2_mapToG2(to: Pointer, x: Pointer): number
  mclBnG1_deserialize(to: Pointer, bytes: Pointer, sizeBytes: number): number
  mclBnG2_deserialize(to: Pointer, bytes: Pointer, sizeBytes: number): number
  mclBnG1_getBasePoint(to: Pointer): number
  mclBnG1_isValid(p: Pointer): number
  mclBnG1_isValidOrder(p: Pointer): number
  mclBnG1_isZero(p: Pointer): number
  mclBnG1_clear(p: Pointer): void
  mclBnG1_add(to: Pointer, p: Pointer, q: Pointer): void
  mclBnG1_neg(to: Pointer, p: Pointer): void
  mclBnG1_mul(to: Pointer, p: Pointer, scalar: Pointer): void
  mclBnG1_mulVec(to: Pointer, points: Pointer, scalars: Pointer, count: number): void
  mclBnG1_normalize(to: Pointer, p: Pointer): void
  mclBnG2_isValid(p: Pointer): number
  mclBnG2_isValidOrder(p: Pointer): number
  mclBnG2_isZero(p: Pointer): number
  mclBnG2_clear(p: Pointer): void
  mclBnG2_add(to: Pointer, p: Pointer, q: Pointer): void
  mclBnG2_mulVec(to: Pointer, points: Pointer, scalars: Pointer, count: number): void
  mclBnG2_normalize(to: Pointer, p: Pointer): void
  mclBn_millerLoopVec(to: Pointer, p: Pointer, q: Pointer, count: number): void
  mclBn_finalExp(to: Pointer, x: Pointer): void
  mclBnGT_mul(to: Pointer, x: Pointer, y: Pointer): void
  mclBnGT_isOne(x: Pointer): number
}
/** In the words of the reference engine, which are the halts of its precompiles. */
const Refusals = { plain: 'revert', offCurve: 'point not on curve', beyondField: 'fp point not in field' } as const
type Refusal = (typeof Refusals)[keyof typeof Refusals]
export const CurveErrors = defineErrors('CURVE', { INPUT: { text: (d: { reason: Refusal }) => d.reason } })
const refuse = (reason: Refusal): NodeError => new NodeError(CurveErrors.INPUT, { reason })
/** Why a function here refused its input; null for an error of another kind. */
export const refusalOf = (error: unknown): Refusal | null =>
  error instanceof NodeError && error.code === CurveErrors.INPUT.code
    ? (error.data as { readonly reason: Refusal }).reason // INPUT's own data
    : null

const isZeros = (input: Uint8Array, from: number, to: number): boolean => {
  for (let i = from; i < to; i++) if (input[i] !== 0) return false
  return true
}
/** Big-endian, as long as the limit is. */
const isBelow = (input: Uint8Array, at: number, limit: Uint8Array): boolean => {
  for (let i = 0; i < limit.length; i++) {
    const difference = (input[at + i] as number) - (limit[i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** One curve: an instance of the wasm, which knows one at a time. */
class Curve {
  readonly mcl: Mcl
  readonly prime: Uint8Array
  readonly #memory: WasmMemory
  readonly #bytes: Pointer
  #heap: Uint8Array

  constructor(mcl: Mcl, memory: WasmMemory, prime: Uint8Array) {
    this.mcl = mcl
    this.prime = prime
    this.#memory = memory
    this.#heap = new Uint8Array(memory.buffer)
    this.#bytes = this.allocate(128)
  }
  /** For as long as the process lives. */
  allocate(sizeBytes: number): Pointer {
    const at = this.mcl.malloc(sizeBytes)
    assert(at !== 0, 'the wasm has memory')
    return at
  }
  get heap(): Uint8Array {
    if (this.#heap.length === 0) this.#heap = new Uint8Array(this.#memory.buffer) // it grew
    return this.#heap
  }
  /** Copies bytes to where the wasm reads them. */
  bytes(input: Uint8Array, from: number, sizeBytes: number): Pointer {
    const { heap } = this
    for (let i = 0; i < sizeBytes; i++) heap[this.#bytes + i] = input[from + i] as number
    return this.#bytes
  }
  /** A field element below the prime. */
  putElement(to: Pointer, input: Uint8Array, from: number): void {
    const size = this.prime.length
    this.mcl.mclBnFp_setBigEndianMod(to, this.bytes(input, from, size), size)
  }
  /** Big-endian, as long as the prime is. */
  takeElement(element: Pointer, out: Uint8Array, at: number): void {
    const count = this.mcl.mclBnFp_getLittleEndian(this.#bytes, FP, element)
    const { heap } = this
    const last = at + this.prime.length - 1
    for (let i = 0; i < count; i++) out[last - i] = heap[this.#bytes + i] as number
  }
  /** 32 bytes, reduced by the order. */
  putScalar(to: Pointer, input: Uint8Array, from: number): void {
    this.mcl.mclBnFr_setBigEndianMod(to, this.bytes(input, from, FR), FR)
  }
}

/** The package decodes and compiles its wasm anew for each curve, 0.1 s each; so it is taken out of its text and compiled once. */
const wasm = ((): object => {
  const base64 = /'([A-Za-z0-9+/=]{100000,})'/.exec(String(createModule))?.[1]
  assert(base64 !== undefined, 'the package carries its wasm as text')
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
  return new WebAssembly.Module(bytes)
})()
/** The wasm expects memory up to here, and grows it where it needs more. */
const MEMORY_PAGES = 32

function openCurve(name: keyof typeof IDS, prime: string): Curve {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES })
  const cryptoGetRandomValues = (): void => assert(false, 'nothing here is left to chance')
  const { exports } = new WebAssembly.Instance(wasm, { env: { memory, cryptoGetRandomValues } })
  const mcl = exports as Mcl // as the package's own types and the tests have it
  mcl.__wasm_call_ctors()
  assert(mcl.mclBn_init(IDS[name], COMPILED_FOR) === 0, `${name} is a curve of the wasm`)
  // Points are judged where they come in.
  mcl.mclBn_verifyOrderG1(0)
  mcl.mclBn_verifyOrderG2(0)
  return new Curve(mcl, memory, hexToBytes(prime))
}

/** What a group's points look like in an input, and what is said of those that are none. */
interface Form {
  /** Of a coordinate's place in the input; its element is at the end of it. */
  readonly placeBytes: number
  /** Which place holds each element of x and y as they lie in memory. */
  readonly places: readonly number[]
  readonly beyondField: Refusal
  readonly offCurve: Refusal
}
interface GroupCalls {
  isValid(p: Pointer): number
  isValidOrder(p: Pointer): number
  isZero(p: Pointer): number
  clear(p: Pointer): void
  add(to: Pointer, p: Pointer, q: Pointer): void
  mulVec(to: Pointer, points: Pointer, scalars: Pointer, count: number): void
  normalize(to: Pointer, p: Pointer): void
}
const firstGroup = (mcl: Mcl): GroupCalls => ({
  isValid: mcl.mclBnG1_isValid,
  isValidOrder: mcl.mclBnG1_isValidOrder,
  isZero: mcl.mclBnG1_isZero,
  clear: mcl.mclBnG1_clear,
  add: mcl.mclBnG1_add,
  mulVec: mcl.mclBnG1_mulVec,
  normalize: mcl.mclBnG1_normalize,
})
const secondGroup = (mcl: Mcl): GroupCalls => ({
  isValid: mcl.mclBnG2_isValid,
  isValidOrder: mcl.mclBnG2_isValidOrder,
  isZero: mcl.mclBnG2_isZero,
  clear: mcl.mclBnG2_clear,
  add: mcl.mclBnG2_add,
  mulVec: mcl.mclBnG2_mulVec,
  normalize: mcl.mclBnG2_normalize,
})

/** Points of a sum whose multiples are made together: more save time, and make a stretch longer. */
const POINTS_AT_ONCE = 64

class Group {
  readonly calls: GroupCalls
  readonly inputBytes: number
  readonly #curve: Curve
  readonly #form: Form
  readonly #pointBytes: number
  readonly #points: Pointer
  readonly #scalars: Pointer
  readonly #sum: Pointer

  constructor(curve: Curve, calls: GroupCalls, form: Form) {
    this.#curve = curve
    this.calls = calls
    this.#form = form
    this.inputBytes = form.places.length * form.placeBytes
    this.#pointBytes = form.places.length === 2 ? G1 : G2
    this.#points = curve.allocate(POINTS_AT_ONCE * this.#pointBytes)
    this.#scalars = curve.allocate(POINTS_AT_ONCE * FR)
    this.#sum = curve.allocate(this.#pointBytes)
  }

  /** Answers whether the point is finite. Throws where it is not of the curve, or the curve's subgroup. */
  read(to: Pointer, input: Uint8Array, from: number, of: 'curve' | 'subgroup'): boolean {
    const { calls } = this
    const curve = this.#curve
    const { placeBytes, places, beyondField, offCurve } = this.#form
    if (isZeros(input, from, from + this.inputBytes)) {
      calls.clear(to)
      return false
    }
    const pad = placeBytes - curve.prime.length
    for (const [i, place] of places.entries()) {
      const at = from + place * placeBytes + pad
      if (!isBelow(input, at, curve.prime)) throw refuse(beyondField)
      curve.putElement(to + i * FP, input, at)
    }
    // No curve here has a point of y = 0, and the reference engine says so in other words.
    if (
      places
        .slice(places.length / 2)
        .every((place) => isZeros(input, from + place * placeBytes + pad, from + (place + 1) * placeBytes))
    )
      throw refuse(Refusals.plain)
    const z = to + places.length * FP
    curve.heap.fill(0, z, to + this.#pointBytes)
    curve.putElement(z, ONE, ONE.length - curve.prime.length)
    if (calls.isValid(to) === 0) throw refuse(offCurve)
    if (of === 'subgroup' && calls.isValidOrder(to) === 0) throw refuse(offCurve)
    return true
  }
  write(point: Pointer): Uint8Array {
    const curve = this.#curve
    const { placeBytes, places } = this.#form
    const out = new Uint8Array(this.inputBytes)
    if (this.calls.isZero(point) === 1) return out
    this.calls.normalize(point, point)
    const pad = placeBytes - curve.prime.length
    for (const [i, place] of places.entries()) curve.takeElement(point + i * FP, out, place * placeBytes + pad)
    return out
  }
  /** Of two points of the curve. */
  sum(input: Uint8Array): Uint8Array {
    this.read(this.#points, input, 0, 'curve')
    this.read(this.#points + this.#pointBytes, input, this.inputBytes, 'curve')
    this.calls.add(this.#sum, this.#points, this.#points + this.#pointBytes)
    return this.write(this.#sum)
  }
  /** Of multiples: a point and its scalar, again and again. */
  *sumOfMultiples(input: Uint8Array): Stretches<Uint8Array> {
    const { calls } = this
    const itemBytes = this.inputBytes + FR
    const items = input.length / itemBytes
    // Other sums are made while this one waits: what it has lies here meanwhile.
    let sum: Uint8Array | null = null
    for (let first = 0; first < items; first += POINTS_AT_ONCE) {
      let count = 0
      for (let item = first; item < Math.min(items, first + POINTS_AT_ONCE); item++) {
        if (!this.read(this.#points + count * this.#pointBytes, input, item * itemBytes, 'subgroup')) continue
        this.#curve.putScalar(this.#scalars + count * FR, input, item * itemBytes + this.inputBytes)
        count++
      }
      calls.clear(this.#sum)
      if (count > 0) calls.mulVec(this.#sum, this.#points, this.#scalars, count)
      if (sum !== null) {
        this.#curve.heap.set(sum, this.#points)
        calls.add(this.#sum, this.#sum, this.#points)
      }
      if (first + POINTS_AT_ONCE >= items) break
      sum = this.#curve.heap.slice(this.#sum, this.#sum + this.#pointBytes)
      yield
    }
    return this.write(this.#sum)
  }
}
const ONE = new Uint8Array(48)
ONE[47] = 1

/** Pairs whose Miller loops run together. */
const PAIRS_AT_ONCE = 8

class Pairing {
  readonly #curve: Curve
  readonly #first: Group
  readonly #second: Group
  readonly #ps: Pointer
  readonly #qs: Pointer
  readonly #product: Pointer
  readonly #factor: Pointer

  constructor(curve: Curve, first: Group, second: Group) {
    this.#curve = curve
    this.#first = first
    this.#second = second
    this.#ps = curve.allocate(PAIRS_AT_ONCE * G1)
    this.#qs = curve.allocate(PAIRS_AT_ONCE * G2)
    this.#product = curve.allocate(GT)
    this.#factor = curve.allocate(GT)
  }
  /** Whether the product of the pairings is one. The second points of the last `known` pairs were found in the subgroup before. */
  *isOne(input: Uint8Array, known = 0): Stretches<boolean> {
    const { mcl } = this.#curve
    const pairBytes = this.#first.inputBytes + this.#second.inputBytes
    const pairs = input.length / pairBytes
    let product: Uint8Array | null = null
    for (let begin = 0; begin < pairs; begin += PAIRS_AT_ONCE) {
      if (begin > 0) yield
      let count = 0
      for (let pair = begin; pair < Math.min(pairs, begin + PAIRS_AT_ONCE); pair++) {
        const from = pair * pairBytes
        const isFirst = this.#first.read(this.#ps + count * G1, input, from, 'subgroup')
        const at = from + this.#first.inputBytes
        const isSecond = this.#second.read(
          this.#qs + count * G2,
          input,
          at,
          pair < pairs - known ? 'subgroup' : 'curve',
        )
        if (isFirst && isSecond) count++ // else its pairing is one
      }
      if (count === 0) continue
      mcl.mclBn_millerLoopVec(this.#product, this.#ps, this.#qs, count)
      if (product !== null) {
        this.#curve.heap.set(product, this.#factor)
        mcl.mclBnGT_mul(this.#product, this.#product, this.#factor)
      }
      product = this.#curve.heap.slice(this.#product, this.#product + GT)
    }
    if (product === null) return true
    this.#curve.heap.set(product, this.#product)
    mcl.mclBn_finalExp(this.#product, this.#product)
    return mcl.mclBnGT_isOne(this.#product) === 1
  }
  /** The same of points that are there already, two at most, with what is infinite left out. */
  isOneOf(points: readonly (readonly [Pointer, Pointer])[]): boolean {
    const { mcl, heap } = this.#curve
    let count = 0
    for (const [p, q] of points) {
      if (this.#first.calls.isZero(p) === 1 || this.#second.calls.isZero(q) === 1) continue
      heap.copyWithin(this.#ps + count * G1, p, p + G1)
      heap.copyWithin(this.#qs + count * G2, q, q + G2)
      count++
    }
    if (count === 0) return true
    mcl.mclBn_millerLoopVec(this.#product, this.#ps, this.#qs, count)
    mcl.mclBn_finalExp(this.#product, this.#product)
    return mcl.mclBnGT_isOne(this.#product) === 1
  }
}

const bls = openCurve(
  'bls',
  '0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab',
)
const bn = openCurve('bn254', '0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47')
const p256 = openCurve('p256', '0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff')
bls.mcl.mclBn_setMapToMode(MAP_RFC_9380)

const onBls = { placeBytes: 64, offCurve: Refusals.offCurve } as const
export const blsG1 = new Group(bls, firstGroup(bls.mcl), {
  ...{ ...onBls, places: [0, 1], beyondField: Refusals.plain },
})
export const blsG2 = new Group(bls, secondGroup(bls.mcl), {
  ...{ ...onBls, places: [0, 1, 2, 3], beyondField: Refusals.beyondField },
})
export const blsPairing = new Pairing(bls, blsG1, blsG2)

const onBn = { placeBytes: 32, offCurve: Refusals.plain } as const
/** All points of its curve are of the one subgroup: to multiply each by the order would cost more than what is done with it. */
const bnFirst: GroupCalls = { ...firstGroup(bn.mcl), isValidOrder: () => 1 }
export const bnG1 = new Group(bn, bnFirst, { ...onBn, places: [0, 1], beyondField: Refusals.plain })
/** The imaginary parts come first. */
const bnG2 = new Group(bn, secondGroup(bn.mcl), {
  ...{ ...onBn, places: [1, 0, 3, 2], beyondField: Refusals.beyondField },
})
export const bnPairing = new Pairing(bn, bnG1, bnG2)

const bnPoint = bn.allocate(G1)
const bnScalar = bn.allocate(FR)
/** A point and a scalar, 96 bytes. */
export function bnMultiple(input: Uint8Array): Uint8Array {
  bnG1.read(bnPoint, input, 0, 'curve')
  bn.putScalar(bnScalar, input, 64)
  bn.mcl.mclBnG1_mul(bnPoint, bnPoint, bnScalar)
  return bnG1.write(bnPoint)
}

const elements = bls.allocate(2 * FP)
const mapped = bls.allocate(G2)
const readElements = (input: Uint8Array, count: number): void => {
  for (let i = 0; i < count; i++) {
    if (!isBelow(input, 64 * i + 16, bls.prime)) throw refuse(Refusals.beyondField)
    bls.putElement(elements + i * FP, input, 64 * i + 16)
  }
}
/** EIP-2537: a field element to a point of the subgroup. */
export function mapToG1(input: Uint8Array): Uint8Array {
  readElements(input, 1)
  assert(bls.mcl.mclBnFp_mapToG1(mapped, elements) === 0, 'every element is mapped')
  return blsG1.write(mapped)
}
export function mapToG2(input: Uint8Array): Uint8Array {
  readElements(input, 2)
  assert(bls.mcl.mclBnFp2_mapToG2(mapped, elements) === 0, 'every element is mapped')
  return blsG2.write(mapped)
}

/** A compressed point as trusted setups and validators write it (the Zcash form); false where it is none of the subgroup. */
const readCompressed = (to: Pointer, group: Group, bytes: Uint8Array): boolean => {
  const [first = 0] = bytes
  if ((first & 0x80) === 0) return false
  if ((first & 0x40) !== 0) {
    group.calls.clear(to)
    return first === 0xc0 && isZeros(bytes, 1, bytes.length)
  }
  const { mcl } = bls
  const deserialize = bytes.length === FP ? mcl.mclBnG1_deserialize : mcl.mclBnG2_deserialize
  return deserialize(to, bls.bytes(bytes, 0, bytes.length), bytes.length) !== 0 && group.calls.isValidOrder(to) === 1
}
bls.mcl.mclBn_setETHserialization(1)

const opened = bls.allocate(G2)
/** A compressed point of 48 bytes (G1) or 96 (G2), as EIP-2537 has it: 128 bytes or 256. Throws CURVE_INPUT where it is none of the subgroup. */
export function uncompressed(bytes: Uint8Array): Uint8Array {
  const group = bytes.length === FP ? blsG1 : blsG2
  if ((bytes.length !== FP && bytes.length !== 2 * FP) || !readCompressed(opened, group, bytes))
    throw refuse(Refusals.offCurve)
  return group.write(opened)
}
const known = (group: Group, sizeBytes: number, hex: string): Pointer => {
  const to = bls.allocate(sizeBytes)
  assert(readCompressed(to, group, hexToBytes(`0x${hex}`)), 'what is written here is a point')
  return to
}
const generator1 = known(
  blsG1,
  G1,
  '97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb',
)
const generator2 = known(
  blsG2,
  G2,
  '93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e' +
    '024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8',
)
const tau2 = known(blsG2, G2, TAU_G2)
const kzg = { committed: bls.allocate(G1), proof: bls.allocate(G1), part: bls.allocate(G1), scalar: bls.allocate(FR) }
const SCALAR_ORDER = hexToBytes('0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001')

/** `verifyKzgProof` of crypto.ts: with C the commitment and Q the proof, e(C - yG + zQ, -H) e(Q, tau H) = 1. */
export function isKzgProof(commitment: Uint8Array, z: Uint8Array, y: Uint8Array, proof: Uint8Array): boolean {
  const { mcl } = bls
  const { committed, proof: quotient, part, scalar } = kzg
  if (!isBelow(z, 0, SCALAR_ORDER) || !isBelow(y, 0, SCALAR_ORDER)) return false
  if (!readCompressed(committed, blsG1, commitment) || !readCompressed(quotient, blsG1, proof)) return false
  bls.putScalar(scalar, y, 0)
  mcl.mclBnFr_neg(scalar, scalar)
  mcl.mclBnG1_mul(part, generator1, scalar)
  mcl.mclBnG1_add(committed, committed, part)
  bls.putScalar(scalar, z, 0)
  mcl.mclBnG1_mul(part, quotient, scalar)
  mcl.mclBnG1_add(committed, committed, part)
  mcl.mclBnG1_neg(committed, committed)
  return blsPairing.isOneOf([
    [committed, generator2],
    [quotient, tau2],
  ])
}

const p256G1 = new Group(p256, firstGroup(p256.mcl), {
  ...{ placeBytes: 32, places: [0, 1], beyondField: Refusals.plain, offCurve: Refusals.plain },
})
const P256_ORDER = hexToBytes('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
const p256Points = p256.allocate(2 * G1)
const p256Scalars = p256.allocate(3 * FR)
/** EIP-7951: digest, r, s and the key's x and y, 32 bytes each. */
export function isP256Signature(input: Uint8Array): boolean {
  const { mcl } = p256
  const isScalar = (at: number): boolean => isBelow(input, at, P256_ORDER) && !isZeros(input, at, at + 32)
  if (!isScalar(32) || !isScalar(64)) return false
  try {
    if (!p256G1.read(p256Points + G1, input, 96, 'curve')) return false
  } catch (error) {
    if (refusalOf(error) !== null) return false
    throw error
  }
  mcl.mclBnG1_getBasePoint(p256Points)
  const [ofBase, ofKey, inverse] = [p256Scalars, p256Scalars + FR, p256Scalars + 2 * FR]
  p256.putScalar(inverse, input, 64)
  mcl.mclBnFr_inv(inverse, inverse)
  for (const [scalar, at] of [
    [ofBase, 0],
    [ofKey, 32],
  ] as const) {
    p256.putScalar(scalar, input, at)
    mcl.mclBnFr_mul(scalar, scalar, inverse)
  }
  p256G1.calls.mulVec(p256Points, p256Points, p256Scalars, 2)
  if (p256G1.calls.isZero(p256Points) === 1) return false
  const x = p256G1.write(p256Points).subarray(0, 32)
  return bytesToBigint(x) % bytesToBigint(P256_ORDER) === bytesToBigint(input.subarray(32, 64))
}
