import { AbiCoder } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../../base/bytes.ts'
import { type AbiParam, type AbiType, decodeValues, encodeValues } from './abi.ts'

const coder = AbiCoder.defaultAbiCoder()
const human = (type: AbiType): string => {
  if (typeof type === 'string') return type
  return 'list' in type
    ? `${human(type.list)}[]`
    : `tuple(${type.tuple.map(([name, t]) => `${human(t)} ${name}`).join(',')})`
}

/** A type with a value of it, as we and as ethers write it. */
interface Sample {
  readonly type: AbiType
  readonly ours: unknown
  readonly theirs: unknown
}
const bytesOf = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max })
const leaf: fc.Arbitrary<Sample> = fc.oneof(
  fc
    .constantFrom(8, 64, 160, 256)
    .chain((bits) =>
      fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }).map((n) => ({ type: `uint${bits}`, ours: n, theirs: n })),
    ),
  fc.bigInt({ min: -(2n ** 127n), max: 2n ** 127n - 1n }).map((n) => ({ type: 'int128', ours: n, theirs: n })),
  fc.boolean().map((flag) => ({ type: 'bool', ours: flag, theirs: flag })),
  bytesOf(20, 20).map((b) => ({ type: 'address', ours: b, theirs: bytesToHex(b) })),
  fc
    .constantFrom(1, 4, 32)
    .chain((n) => bytesOf(n, n).map((b) => ({ type: `bytes${n}`, ours: b, theirs: bytesToHex(b) }))),
  bytesOf(0, 70).map((b) => ({ type: 'bytes', ours: b, theirs: bytesToHex(b) })),
  fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => ({ type: 'string', ours: text, theirs: text })),
)
const tuple = (items: readonly Sample[]): Sample => ({
  type: { tuple: items.map((item, i): AbiParam => [`f${i}`, item.type]) },
  ours: Object.fromEntries(items.map((item, i) => [`f${i}`, item.ours])),
  theirs: items.map((item) => item.theirs),
})
/** All items of one type: the same value a few times is enough to place offsets. */
const listOf = (item: Sample, n: number): Sample => ({
  type: { list: item.type },
  ours: Array(n).fill(item.ours),
  theirs: Array(n).fill(item.theirs),
})
const { sample } = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.array(tie('sample'), { minLength: 1, maxLength: 3 }).map(tuple),
    fc.tuple(tie('sample'), fc.nat(3)).map(([item, n]) => listOf(item, n)),
  ),
}))

test('encodes as ethers does, and decodes what it encodes', () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 4 }), (samples) => {
      const params = samples.map(({ type }, i): AbiParam => [`a${i}`, type])
      const ours = encodeValues(params, samples.map((each) => each.ours) as never)
      expect(bytesToHex(ours)).toBe(
        coder.encode(
          samples.map(({ type }) => human(type)),
          samples.map(({ theirs }) => theirs),
        ),
      )
      expect(decodeValues(params, ours)).toEqual(samples.map((each) => each.ours))
    }),
    { numRuns: 400 },
  )
})

test('random bytes either decode or are refused, and what decodes encodes to the same values', () => {
  const params = [
    [
      'a',
      {
        list: {
          tuple: [
            ['x', 'bytes'],
            ['y', { list: 'uint256' }],
          ],
        },
      },
    ],
    ['b', 'string'],
  ] as const
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.nat(9).map((n) => n * 32),
          fc.nat(6),
        ),
        { maxLength: 40 },
      ),
      (words) => {
        const data = new Uint8Array(words.length * 32)
        for (const [i, word] of words.entries()) new DataView(data.buffer).setUint32(i * 32 + 28, word)
        let values: ReturnType<typeof decodeValues<typeof params>>
        try {
          values = decodeValues(params, data)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ABI_DECODE' })
          return
        }
        expect(decodeValues(params, encodeValues(params, values))).toEqual(values)
      },
    ),
    { numRuns: 2_000 },
  )
})

const word = (n: bigint): string => n.toString(16).padStart(64, '0')
test.each<readonly [string, AbiType, readonly bigint[], RegExp]>([
  ['a short word', 'uint8', [], /ends at byte 0/],
  ['a wide uint8', 'uint8', [256n], /256 is no uint8/],
  ['a wide int8', 'int8', [200n], /no int8/],
  ['a dirty address', 'address', [2n ** 160n], /more than 20 bytes/],
  ['a bool of 2', 'bool', [2n], /neither 0 nor 1/],
  ['a dirty bytes4', 'bytes4', [1n], /more than 4 bytes/],
  ['an offset past the end', 'bytes', [64n], /a word is expected at 64/],
  ['a huge offset', 'bytes', [2n ** 255n], /an offset or length/],
  ['a length past the end', 'bytes', [32n, 33n], /do not fit/],
  ['more items than bytes', { list: 'uint8' }, [32n, 2n ** 31n], /items do not fit/],
  ['a string that is not UTF-8', 'string', [32n, 1n, 0xffn << 248n], /not UTF-8/],
])('refuses %s', (_, type, words, reason) => {
  expect(() => decodeValues([['a', type]], hexToBytes(`0x${words.map(word).join('')}`))).toThrow(reason)
})

test('a small input cannot name a large value: lists whose items all point to one list', () => {
  const items = 60
  const words = [
    32n,
    BigInt(items),
    ...Array<bigint>(items).fill(BigInt(items * 32)),
    60n,
    ...Array<bigint>(60).fill(1n),
  ]
  const data = hexToBytes(`0x${words.map(word).join('')}`)
  expect(() => decodeValues([['a', { list: { list: 'uint256' } }]], data)).toThrow(/too often/)
})
