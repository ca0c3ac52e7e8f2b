import { keccak_256 } from '@noble/hashes/sha3.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bigintToBytes, bigintToFixed, bytesToBigint, bytesToHex, hexToBytes } from './bytes.ts'
import { keccak, portableCurves } from './crypto.ts'
import { nativeCurves } from './crypto-native.ts'
import { NodeError } from './errors.ts'
import { hashRoom, keccakHere } from './keccak.ts'
import { decodeRlp, encodeRlp, type Rlp } from './rlp.ts'

const arbRlp = fc.letrec<{ item: Rlp }>((tie) => ({
  item: fc.oneof({ depthSize: 'small' }, fc.uint8Array({ maxLength: 80 }), fc.array(tie('item'), { maxLength: 6 })),
})).item
const plain = (item: Rlp): unknown => (item instanceof Uint8Array ? bytesToHex(item) : item.map(plain))

test('RLP: decode undoes encode', () => {
  fc.assert(
    fc.property(arbRlp, (item) => {
      expect(plain(decodeRlp(encodeRlp(item)))).toEqual(plain(item))
    }),
  )
})

test('RLP: whatever decodes is the one encoding of its value, and nothing but a typed error is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        expect(bytesToHex(encodeRlp(decodeRlp(bytes)))).toBe(bytesToHex(bytes))
      } catch (error) {
        if (!(error instanceof NodeError)) throw error
        expect(error.code).toBe('RLP_MALFORMED')
      }
    }),
    { numRuns: 2_000 },
  )
})

test('RLP: a claimed length of 4 GB and 100,000 nested lists are refused without work', () => {
  expect(() => decodeRlp(hexToBytes('0xbbffffffff'))).toThrow(NodeError)
  expect(() => decodeRlp(new Uint8Array(100_000).fill(0xc1))).toThrow(NodeError)
})

test('bytes of any length are the integer that their hex is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), fc.nat({ max: 9 }), (bytes, skip) => {
      const part = bytes.subarray(Math.min(skip, bytes.length - 1)) // a view into a longer buffer
      expect(bytesToBigint(part)).toBe(BigInt(bytesToHex(part)))
    }),
    { numRuns: 500 },
  )
  expect(bytesToBigint(new Uint8Array(0))).toBe(0n)
})

test('integers are the shortest bytes of their hex', () => {
  const edges = Array.from({ length: 36 }, (_, i) => 256n ** BigInt(i)).flatMap((power) => [
    power - 1n,
    power,
    power + 1n,
  ])
  const check = (value: bigint): void => {
    const hex = value === 0n ? '' : value.toString(16)
    expect(bytesToHex(bigintToBytes(value))).toBe(`0x${hex.length % 2 === 0 ? hex : `0${hex}`}`)
  }
  for (const value of edges) check(value)
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 270n), fc.nat(270), (value, shift) => check(value >> BigInt(shift))))
  expect(() => bigintToBytes(-1n)).toThrow()
})

test('integers keep their value through fixed-width bytes', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 256n - 1n), (n) => {
      expect(bytesToBigint(bigintToFixed(n, 32))).toBe(n)
    }),
  )
})

test('native curves answer exactly as the portable ones', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 31, maxLength: 31 }), fc.uint8Array(), (secret, text) => {
      fc.pre(secret.some((byte) => byte !== 0))
      const key = Uint8Array.of(0, ...secret)
      const digest = keccak(text)
      const [a, b] = [nativeCurves, portableCurves].map((c) => {
        const { signature, recovery } = c.sign(digest, key)
        const recovered = c.recover(digest, signature.subarray(0, 32), signature.subarray(32), recovery)
        const bls = c.blsSign(key, digest)
        const publicKey = c.blsPublicKey(key)
        const twice = c.blsAggregate([bls, bls])
        const sum = c.blsAggregateKeys([publicKey, publicKey])
        return {
          bytes: [signature, recovered, c.publicKey(key), bls, publicKey, twice, sum].map((x) => x && bytesToHex(x)),
          verdicts: [
            c.blsVerify([publicKey], digest, bls),
            c.blsVerify([publicKey, publicKey], digest, twice),
            c.blsVerify([publicKey], digest, twice),
            c.blsVerify([publicKey], digest, new Uint8Array(96)),
          ],
        }
      })
      expect(a).toEqual(b)
      expect(a?.bytes[1]).toBe(a?.bytes[2])
      expect(a?.verdicts).toEqual([true, true, false, false])
    }),
    { numRuns: 5 },
  )
})

test('keccak-256 is what @noble/hashes computes, at every length about a block and about the room, from wherever the input lies', () => {
  const text = Uint8Array.from({ length: 3 * hashRoom.length }, (_, i) => (i * 31 + (i >> 8)) & 255)
  const around = (length: number): number[] => [length - 1, length, length + 1]
  const lengths = [...Array(300).keys(), ...around(hashRoom.length), ...around(2 * hashRoom.length), text.length]
  for (const length of lengths) {
    const want = bytesToHex(keccak_256(text.subarray(0, length)))
    expect(bytesToHex(keccak(text.subarray(0, length))), `${length} bytes`).toBe(want)
    if (length > 300) continue
    const from = length % 7
    hashRoom.set(text.subarray(0, length), from)
    const out = new Uint8Array(40)
    keccakHere(from, from + length, out, 3)
    expect(bytesToHex(out.subarray(3, 35)), `${length} bytes where they are hashed`).toBe(want)
    expect([...out.subarray(0, 3), ...out.subarray(35)], 'nothing else is written').toEqual(Array(8).fill(0))
  }
})
