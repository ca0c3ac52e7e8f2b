// Both checkpoint verifiers in our own EVM, on certificates that our own code made.
import { expect, test } from 'vitest'
import { asHash, bigintToFixed, concat, type Hash } from '../../chain/base/bytes.ts'
import { curves, installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import {
  CheckpointErrors,
  checkpointDigest,
  ECDSA_MEMBERS_MAX,
  encodeBlsCertificate,
  encodeEcdsaCertificate,
  isOperatorSignature,
} from '../../chain/types/checkpoint.ts'
import { bitmapMembers, checkQc, type Qc } from '../../chain/types/vote.ts'
import { createDice } from '../../test/kit/dice.ts'
import { createEvm, type Sent } from '../../test/kit/evm.ts'
import { certify, type Signers, signersFrom } from '../../test/kit/light-chain.ts'
import { deployVerifier, operatorCertificate, operatorsFrom } from '../../test/kit/settlement.ts'

installCurves(nativeCurves)

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))

const network = { chainId: 662_607n, genesisHash: asHash(keccak(Uint8Array.of(9))), epochBlocks: 4 }
const block = { height: 3, blockHash: asHash(keccak(Uint8Array.of(3))) }
const evm = createEvm()
const [bls, ecdsa] = [await deployVerifier(evm, 'bls', network), await deployVerifier(evm, 'ecdsa', network)]

const verify = (verifier: typeof bls, hash: Hash, certificate: Uint8Array, of = block): Promise<Sent> =>
  verifier.send('verify', [hash, of.height, of.blockHash, certificate])
const nameOf = ({ error }: Sent): string | null => error?.replace(/\(.*/s, '') ?? null
const upTo = (n: number): number[] => [...Array(n).keys()]
const changed = (bytes: Uint8Array, at: number, by = 1): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ by : byte))

const seven = signersFrom([1, 2, 3, 4, 5, 6, 7])
const blsCertificate = (signers: Signers, by: readonly number[], over: Partial<Qc> = {}): Uint8Array =>
  encodeBlsCertificate(certify(network, { ...block, round: 2, ...over }, signers, by), signers.set)
const BLS_HEAD = 436

test('a CommitQC of any quorum verifies, wherever the absentees stand', async () => {
  const dice = createDice(SEED)
  for (const size of [1, 2, 5, 13]) {
    const signers = signersFrom(upTo(size).map((n) => 100 + n))
    const most = Math.ceil(size / 3) - 1
    const absent = new Set(upTo(dice.below(most + 1)).map(() => dice.below(size)))
    const by = upTo(size).filter((i) => !absent.has(i))
    const qc = certify(network, { ...block, round: dice.below(1_000) }, signers, by)
    checkQc(qc, signers.set, network)
    expect(await verify(bls, signers.hash, encodeBlsCertificate(qc, signers.set)), `SEED=${SEED}`).toMatchObject({
      error: null,
    })
  }
})

test('a CommitQC costs less than 280,000 gas whatever the number, and less than 25,000 more for each absentee', async () => {
  const big = signersFrom(upTo(1_247).map((n) => 1_000 + n))
  const [all, less] = [upTo(1_247), upTo(1_247).filter((i) => i % 100 !== 7)]
  const whole = await verify(bls, big.hash, blsCertificate(big, all))
  const partial = await verify(bls, big.hash, blsCertificate(big, less))
  expect([whole.error, partial.error]).toEqual([null, null])
  expect(Number(whole.gas)).toBeLessThan(210_000)
  expect(Number(partial.gas - whole.gas) / (all.length - less.length)).toBeLessThan(21_000)
  expect(Number((await verify(bls, seven.hash, blsCertificate(seven, upTo(7)))).gas)).toBeLessThan(210_000)
})

test('a CommitQC of another set, block, round, network or type is refused', async () => {
  const all = upTo(7)
  const certificate = blsCertificate(seven, all)
  const other = signersFrom([1, 2, 3, 4, 5, 6, 8])
  expect(nameOf(await verify(bls, other.hash, certificate))).toBe('WrongValidators')
  const verified = async (of: Uint8Array, at = block) => nameOf(await verify(bls, seven.hash, of, at))
  expect(await verified(certificate)).toBe(null)
  expect(await verified(certificate, { ...block, height: 4 })).toBe('BadSignature')
  expect(await verified(certificate, { ...block, blockHash: asHash(keccak(block.blockHash)) })).toBe('BadSignature')
  expect(await verified(changed(certificate, 3))).toBe('BadSignature')
  const elsewhere = [{ chainId: 1n }, { genesisHash: block.blockHash }].map((over) =>
    encodeBlsCertificate(certify({ ...network, ...over }, { ...block, round: 2 }, seven, all), seven.set),
  )
  for (const each of elsewhere) expect(await verified(each)).toBe('BadSignature')
  const prepared = certify(network, { ...block, round: 2, type: 'prepare' }, seven, all)
  expect(await verified(encodeBlsCertificate({ ...prepared, type: 'commit' }, seven.set))).toBe('BadSignature')
  expect(() => encodeBlsCertificate(prepared, seven.set)).toThrow(
    expect.objectContaining({ code: CheckpointErrors.CERTIFICATE.code }),
  )
})

test('two thirds are too little, and more than two thirds enough', async () => {
  const six = signersFrom([1, 2, 3, 4, 5, 6])
  expect(nameOf(await verify(bls, six.hash, blsCertificate(six, upTo(4))))).toBe('TooLittlePower')
  expect(nameOf(await verify(bls, six.hash, blsCertificate(six, upTo(5))))).toBe(null)
  const weighed = operatorsFrom([1, 2, 3], [1n, 1n, 5n])
  const heavy = weighed.set.members.findIndex(({ power }) => power === 5n)
  const [light, other] = upTo(3).filter((i) => i !== heavy) as [number, number]
  for (const [by, error] of [
    [[heavy], null],
    [[light, other], 'TooLittlePower'],
  ] as const) {
    expect(nameOf(await verify(bls, weighed.hash, blsCertificate(weighed, by)))).toBe(error)
    expect(nameOf(await verify(ecdsa, weighed.hash, operatorCertificate(network, block, weighed, by)))).toBe(error)
  }
})

test('absentees are members, each once, in order, with their own keys, powers and branches', async () => {
  const certificate = blsCertificate(seven, [0, 2, 3, 5, 6])
  const head = certificate.subarray(0, BLS_HEAD)
  const of = (absent: number): Uint8Array =>
    blsCertificate(
      seven,
      upTo(7).filter((i) => i !== absent),
    ).subarray(BLS_HEAD)
  const [first, second] = [of(1), of(4)]
  expect(concat(head, first, second)).toEqual(certificate)
  const verified = async (...parts: readonly Uint8Array[]) =>
    nameOf(await verify(bls, seven.hash, concat(head, ...parts)))
  expect(await verified(first, second)).toBe(null)
  expect(await verified(second, first)).toBe('NotAscending')
  expect(await verified(first, first)).toBe('NotAscending')
  expect(await verified(first)).toBe('BadSignature')
  expect(await verified(first, second, of(5))).toBe('TooLittlePower')
  // His address, power, x of his key, and a neighbour in his branch.
  for (const at of [19, 27, 28 + 63, 159]) expect(await verified(changed(first, at))).toBe('NotMember')
  // Of the same sign and off the curve, which no hash sees.
  expect(await verified(changed(first, 28 + 127))).toBe('BadCertificate')
  // Another length of the branch; a side beyond it, and one within.
  expect(await verified(changed(first, 156, 4))).not.toBe(null)
  expect(await verified(changed(first, 157))).toBe('BadCertificate')
  expect(await verified(changed(first, 158))).toBe('NotMember')
  const stranger = signersFrom([1, 2, 3, 4, 5, 6, 99])
  const foreign = blsCertificate(
    stranger,
    upTo(7).filter((i) => i !== 6),
  ).subarray(BLS_HEAD)
  expect(await verified(foreign)).toBe('NotMember')
})

test('a CommitQC that is cut off anywhere, that goes on, or with points that are none is refused', async () => {
  const certificate = blsCertificate(seven, [0, 2, 3, 5, 6])
  const verified = async (of: Uint8Array) => nameOf(await verify(bls, seven.hash, of))
  for (const length of [0, 1, 51, 300, 435, BLS_HEAD, BLS_HEAD + 1, BLS_HEAD + 158, certificate.length - 1])
    expect(await verified(certificate.subarray(0, length)), `${length} bytes`).not.toBe(null)
  expect(await verified(concat(certificate, Uint8Array.of(0)))).toBe('BadCertificate')
  const withSignature = (signature: Uint8Array) =>
    concat(certificate.subarray(0, 180), signature, certificate.subarray(BLS_HEAD))
  expect(await verified(withSignature(new Uint8Array(256)))).toBe('BadSignature')
  expect(await verified(withSignature(new Uint8Array(256).fill(0xff)))).toBe('BadSignature')
  // On the curve, by a change of sign; and off it.
  for (const at of [180 + 63, 180 + 255]) expect(await verified(changed(certificate, at))).toBe('BadSignature')
  // The aggregate key is named by the hash: its x, the sign of its y, and what stands before them.
  for (const at of [52 + 63, 52, 52 + 15]) expect(await verified(changed(certificate, at))).not.toBe(null)
  // Of the same sign and off the curve: no hash sees it, the curve does.
  expect(await verified(changed(certificate, 52 + 127))).toBe('BadCertificate')
  expect(await verified(changed(blsCertificate(seven, upTo(7)), 52 + 127))).toBe('BadSignature')
})

test('no certificate with a byte changed verifies', async () => {
  const dice = createDice(SEED)
  const five = operatorsFrom([1, 2, 3, 4, 5])
  for (let i = 0; i < 30; i++) {
    const [verifier, certificate] =
      i % 3 === 0
        ? ([bls, blsCertificate(five, [0, 1, 2, 4])] as const)
        : ([ecdsa, operatorCertificate(network, block, five, [0, 1, 2, 4])] as const)
    const bad = changed(certificate, dice.below(certificate.length), 1 + dice.below(255))
    expect((await verify(verifier, five.hash, bad)).error, `SEED=${SEED}, ${i}`).not.toBe(null)
  }
})

const four = operatorsFrom([1, 2, 3, 4])
/** Where the bitmap of four is, and the signatures after it. */
const BITMAP_AT = 49 + 4 * 76
const SIGNATURES_AT = BITMAP_AT + 1

test('operator keys: every quorum verifies, for sets of 1 to 32', async () => {
  for (const size of [1, 2, 3, 4, 7, 8, 9, 21, 32]) {
    const operators = operatorsFrom(upTo(size).map((n) => 50 + n))
    const by = upTo(size).slice(0, Math.floor((2 * size) / 3) + 1)
    expect((await verify(ecdsa, operators.hash, operatorCertificate(network, block, operators, by))).error).toBe(null)
  }
  const many = operatorsFrom(upTo(ECDSA_MEMBERS_MAX + 1))
  expect(() => encodeEcdsaCertificate(3, many.set, new Map())).toThrow(
    expect.objectContaining({ code: CheckpointErrors.CERTIFICATE.code }),
  )
})

test('operator keys: a checkpoint of four validators costs less than 100,000 gas', async () => {
  const done = await verify(ecdsa, four.hash, operatorCertificate(network, block, four))
  expect(done.error).toBe(null)
  expect(Number(done.gas)).toBeLessThan(70_000)
})

test('operator keys: another set, block or network is refused', async () => {
  const certificate = operatorCertificate(network, block, four)
  expect(nameOf(await verify(ecdsa, operatorsFrom([1, 2, 3, 5]).hash, certificate))).toBe('WrongValidators')
  expect(nameOf(await verify(ecdsa, four.hash, certificate, { ...block, height: 4 }))).toBe('BadSignature')
  const other = asHash(keccak(block.blockHash))
  expect(nameOf(await verify(ecdsa, four.hash, certificate, { ...block, blockHash: other }))).toBe('BadSignature')
  for (const over of [{ chainId: 1n }, { genesisHash: other }]) {
    const foreign = operatorCertificate({ ...network, ...over }, block, four)
    expect(nameOf(await verify(ecdsa, four.hash, foreign))).toBe('BadSignature')
  }
  const member = four.set.members[0]
  const signature = curves().sign(checkpointDigest(network, block), four.operatorSecrets[0] as Uint8Array)
  expect(member !== undefined && isOperatorSignature(checkpointDigest(network, block), signature, member)).toBe(true)
  expect(member !== undefined && isOperatorSignature(other, signature, member)).toBe(false)
})

test('operator keys: a bitmap longer than the set, or a signer twice, is refused', async () => {
  const certificate = operatorCertificate(network, block, four, [0, 1, 2])
  const verified = async (of: Uint8Array) => nameOf(await verify(ecdsa, four.hash, of))
  expect(await verified(certificate)).toBe(null)
  expect(bitmapMembers(certificate.subarray(BITMAP_AT, SIGNATURES_AT), 4)).toEqual([0, 1, 2])
  const [before, signatures] = [certificate.subarray(0, BITMAP_AT), certificate.subarray(SIGNATURES_AT)]
  const signature = signatures.subarray(0, 64)
  // A fifth bit, without and with a signature; a second byte.
  expect(await verified(concat(before, Uint8Array.of(0b10111), signatures))).toBe('BadCertificate')
  expect(await verified(concat(before, Uint8Array.of(0b10111), signatures, signature))).toBe('BadCertificate')
  expect(await verified(concat(before, Uint8Array.of(0b111, 0), signatures))).not.toBe(null)
  // Somebody's signature in another's place, and once more behind.
  expect(await verified(concat(before, Uint8Array.of(0b1111), signatures, signature))).toBe('BadSignature')
  expect(await verified(concat(before, Uint8Array.of(0b111), signatures, signature))).toBe('BadCertificate')
  expect(await verified(concat(before, Uint8Array.of(0b111), signatures.subarray(64)))).toBe('BadSignature')
  expect(await verified(concat(before, Uint8Array.of(0b111), signatures.subarray(0, 128)))).toBe('BadCertificate')
  // One member twice in the list: another tree.
  const twice = concat(Uint8Array.of(5), certificate.subarray(1, 125), certificate.subarray(49))
  expect(await verified(twice)).toBe('WrongValidators')
})

test('operator keys: the other signature of the same message, and counts that are none, are refused', async () => {
  const certificate = operatorCertificate(network, block, four)
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const vs = BigInt(`0x${Buffer.from(certificate.subarray(SIGNATURES_AT + 32, SIGNATURES_AT + 64)).toString('hex')}`)
  const [flag, s] = [vs >> 255n, vs & ((1n << 255n) - 1n)]
  // n - s does not fit 255 bits, so EIP-2098 cannot even write it; what can be written and is high is refused too.
  expect(order - s).toBeGreaterThan((1n << 255n) - 1n)
  const high = concat(
    certificate.subarray(0, SIGNATURES_AT + 32),
    bigintToFixed((flag << 255n) | ((1n << 255n) - 1n), 32),
    certificate.subarray(SIGNATURES_AT + 64),
  )
  expect(nameOf(await verify(ecdsa, four.hash, high))).toBe('BadSignature')
  for (const count of [0, 3, 5, 33, 255])
    expect((await verify(ecdsa, four.hash, concat(Uint8Array.of(count), certificate.subarray(1)))).error).not.toBe(null)
  for (const length of [0, 1, 48, 49, BITMAP_AT, SIGNATURES_AT, SIGNATURES_AT + 63, certificate.length - 1])
    expect((await verify(ecdsa, four.hash, certificate.subarray(0, length))).error).not.toBe(null)
})
