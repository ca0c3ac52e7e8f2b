import { createBlockHeaderFromRLP } from '@ethereumjs/block'
import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asAddress, asHash, bigintToFixed, bytesToHex, hexToBytes } from '../base/bytes.ts'
import { curves, keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import {
  type Block,
  decodeBlock,
  decodeExtra,
  decodeHeader,
  encodeBlock,
  encodeExtra,
  encodeHeader,
  type Header,
  headerHash,
  headerTimeMs,
} from './block.ts'
import { createRotation, createValidatorSet, proposerByLot, validatorsHash } from './validators.ts'
import {
  bitmapMembers,
  bitmapOf,
  checkQc,
  decodeQc,
  encodeQc,
  type Qc,
  readyPayload,
  SignType,
  signBytes,
  votePayload,
} from './vote.ts'

const hash = () => fc.uint8Array({ minLength: 32, maxLength: 32 }).map(asHash)
const address = () => fc.uint8Array({ minLength: 20, maxLength: 20 }).map(asAddress)
const arbHeader: fc.Arbitrary<Header> = fc.record({
  parentHash: hash(),
  coinbase: address(),
  stateRoot: hash(),
  transactionsRoot: hash(),
  receiptsRoot: hash(),
  bloom: fc.uint8Array({ minLength: 256, maxLength: 256 }),
  number: fc.integer({ min: 1, max: 2 ** 40 }),
  gasLimit: fc.bigInt(5_000n, 2n ** 53n),
  gasUsed: fc.bigInt(0n, 5_000n),
  time: fc.integer({ min: 1, max: 2 ** 40 }),
  extraData: fc
    .record({ originRound: fc.integer({ min: 0, max: 2 ** 32 - 1 }), ms: fc.integer({ min: 0, max: 999 }) })
    .map(encodeExtra),
  prevRandao: hash(),
  baseFeeWei: fc.bigInt(0n, 2n ** 96n),
  parentBeaconBlockRoot: hash(),
})
const arbQc: fc.Arbitrary<Qc> = fc.record({
  type: fc.constantFrom('prepare' as const, 'commit' as const),
  height: fc.nat(),
  round: fc.nat(),
  blockHash: hash(),
  bitmap: fc.uint8Array({ maxLength: 20 }),
  signature: fc.uint8Array({ minLength: 96, maxLength: 96 }),
})
const arbBlock: fc.Arbitrary<Block> = fc
  .record({
    header: arbHeader,
    txs: fc.array(fc.uint8Array({ minLength: 1 }), { maxLength: 5 }),
    section: fc.option(
      fc.record({
        version: fc.constant(1),
        epoch: fc.nat(),
        proposerIndex: fc.nat(2_000),
        validatorsHash: hash(),
        nextValidatorsHash: fc.option(hash()),
        reveal: fc.uint8Array({ minLength: 96, maxLength: 96 }),
        lastCommit: fc.option(arbQc),
      }),
    ),
  })
  .map((draft) => ({ ...draft, hash: headerHash(draft.header) }))

test('headers hash as the library hashes Osaka headers', () => {
  const common = new Common({ chain: Mainnet, hardfork: Hardfork.Osaka })
  fc.assert(
    fc.property(arbHeader, (header) => {
      const theirs = createBlockHeaderFromRLP(encodeHeader(header), { common, skipConsensusFormatValidation: true })
      expect(bytesToHex(theirs.hash())).toBe(bytesToHex(headerHash(header)))
      expect(decodeHeader(encodeHeader(header))).toEqual(header)
    }),
  )
})

test('blocks survive their encoding; damage is refused with a typed error', () => {
  fc.assert(
    fc.property(arbBlock, fc.nat(), fc.integer({ min: 1, max: 255 }), (block, at, flip) => {
      const bytes = encodeBlock(block)
      expect(decodeBlock(bytes)).toEqual(block)
      bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ flip
      try {
        expect(encodeBlock(decodeBlock(bytes))).toEqual(bytes)
      } catch (error) {
        if (!(error instanceof NodeError)) throw error
        expect(error.code).toMatch(/^(BLOCK_MALFORMED|VOTE_CERTIFICATE|RLP_MALFORMED)$/)
      }
    }),
  )
})

test('extraData carries round and milliseconds, and nothing else passes', () => {
  expect(decodeExtra(encodeExtra({ originRound: 7, ms: 999 }))).toEqual({ originRound: 7, ms: 999 })
  for (const bad of ['0x', '0x02000000070001', '0x010000000703e8', '0x0100000007000100'])
    expect(() => decodeExtra(hexToBytes(bad))).toThrow(NodeError)
})

test('a header counts milliseconds since the epoch', () => {
  fc.assert(
    fc.property(arbHeader, (header) => {
      expect(headerTimeMs(header)).toBe(header.time * 1_000 + decodeExtra(header.extraData).ms)
    }),
  )
})

const secrets = [1, 2, 3, 4].map((i) => new Uint8Array(32).fill(i))
const set = createValidatorSet(
  secrets.map((secret, i) => ({
    address: asAddress(new Uint8Array(20).fill(9 - i)),
    blsKey: curves().blsPublicKey(secret),
    power: BigInt(10 + i),
  })),
)
const domain = { chainId: 5n, genesisHash: asHash(new Uint8Array(32).fill(7)) }
const certificate = (members: readonly number[], over: Partial<Qc> = {}): Qc => {
  const blockHash = asHash(new Uint8Array(32).fill(1))
  const message = signBytes(domain, SignType.commit, votePayload(9, 2, blockHash))
  const inOrder = [...secrets].reverse() // the set sorts by address, which falls with the secret
  const signature = curves().blsAggregate(members.map((i) => curves().blsSign(inOrder[i] as Uint8Array, message)))
  return { type: 'commit', height: 9, round: 2, blockHash, bitmap: bitmapOf(members, 4), signature, ...over }
}

test('a certificate holds with a quorum of power and fails with less, another round, type or signer', () => {
  checkQc(certificate([0, 1, 2, 3]), set, domain)
  checkQc(certificate([0, 1, 2]), set, domain) // 13 + 12 + 11 of 46
  const bad = [
    certificate([1, 2]),
    certificate([0, 1, 2], { round: 3 }),
    certificate([0, 1, 2], { type: 'prepare' }),
    certificate([0, 1, 2], { bitmap: bitmapOf([1, 2, 3], 4) }),
    certificate([0, 1, 2], { bitmap: Uint8Array.of(0b10111) }),
    certificate([0, 1, 2], { bitmap: Uint8Array.of(7, 0) }),
    certificate([0, 1, 2], { signature: new Uint8Array(96) }),
  ]
  for (const qc of bad) expect(() => checkQc(qc, set, domain)).toThrow(NodeError)
  expect(() => checkQc(certificate([0, 1, 2]), set, { ...domain, chainId: 6n })).toThrow(NodeError)
})

test('certificates and bitmaps survive their encoding', () => {
  fc.assert(
    fc.property(arbQc, (qc) => {
      expect(decodeQc(encodeQc(qc))).toEqual(qc)
    }),
  )
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(99)), (members) => {
      expect(bitmapMembers(bitmapOf(members, 100), 100)).toEqual([...members].sort((a, b) => a - b))
    }),
  )
})

test('the set commits to addresses, keys and powers, whatever order they come in', () => {
  const again = createValidatorSet([...set.members].reverse())
  expect(bytesToHex(validatorsHash(again))).toBe(bytesToHex(validatorsHash(set)))
  const more = createValidatorSet(set.members.map((m, i) => (i === 0 ? { ...m, power: m.power + 1n } : m)))
  expect(bytesToHex(validatorsHash(more))).not.toBe(bytesToHex(validatorsHash(set)))
})

/** Members of these powers, by address. */
const setOf = (powers: readonly bigint[]) =>
  createValidatorSet(
    powers.map((power, i) => ({
      address: asAddress(bigintToFixed(BigInt(i), 20)),
      blsKey: curves().blsPublicKey(secrets[0] as Uint8Array),
      power,
    })),
  )
const arbPowers = fc.array(fc.bigInt(1n, 50n), { minLength: 1, maxLength: 7 })
const arbSeed = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(asHash)

test('within an epoch every member proposes in proportion to its power, whatever the seed', () => {
  fc.assert(
    fc.property(arbPowers, arbSeed, fc.integer({ min: 1, max: 500 }), (powers, seed, steps) => {
      const drawn = setOf(powers)
      const rotation = createRotation(drawn, seed)
      const turns = powers.map(() => 0)
      for (let step = 0; step < steps; step++) (turns[rotation.proposer(step)] as number)++
      for (const [i, power] of powers.entries())
        expect(Math.abs((turns[i] as number) - (steps * Number(power)) / Number(drawn.powerTotal))).toBeLessThan(3)
    }),
  )
})

test('of 1,247 equal members and 1,200 blocks an epoch, 1,200 propose once, and over the epochs all as often', () => {
  const drawn = setOf(Array.from({ length: 1_247 }, () => 1n))
  const turns = drawn.members.map(() => 0)
  const epochs = 10
  for (let epoch = 0; epoch < epochs; epoch++) {
    const rotation = createRotation(drawn, asHash(keccak(bigintToFixed(BigInt(epoch), 32))))
    const led = new Set(Array.from({ length: 1_200 }, (_, step) => rotation.proposer(step)))
    expect(led.size).toBe(1_200)
    for (const i of led) (turns[i] as number)++
  }
  // 47 of 1,247 wait in an epoch: of 10 chances a member misses 0.4 in the mean.
  expect(Math.min(...turns)).toBeGreaterThan(epochs - 5)
})

test('the rotation is the same everywhere: drawn from seed and address, and another for another seed', () => {
  const drawn = setOf([5n, 1n, 3n, 1n])
  const turnsOf = (seed: number) => {
    const rotation = createRotation(drawn, asHash(new Uint8Array(32).fill(seed)))
    return Array.from({ length: 20 }, (_, step) => rotation.proposer(step)).join('')
  }
  expect(turnsOf(0)).toBe('02010230200201023020')
  expect(turnsOf(1)).toBe('02010203200201020320')
  const single = createRotation(setOf([7n]), asHash(new Uint8Array(32)))
  expect([single.proposer(5), single.proposer(0)]).toEqual([0, 0])
})

test('lots fall within the set, and who failed in round 0 does not lead the next', () => {
  fc.assert(
    fc.property(arbPowers, arbSeed, (powers, parentRandao) => {
      const drawn = setOf(powers)
      for (const first of drawn.members.keys()) {
        const lots = [1, 2, 3].map((round) => proposerByLot(drawn, { parentRandao, height: 5, round, first }))
        for (const lot of lots) expect(drawn.members[lot]).toBeDefined()
        if (drawn.members.length > 1) expect(lots[0]).not.toBe(first)
        expect(lots[1]).toBe(proposerByLot(drawn, { parentRandao, height: 5, round: 2, first: 0 }))
      }
    }),
    { numRuns: 30 },
  )
})

test('an attestation names height, block and operator in fixed places', () => {
  const payload = readyPayload(0x0102, asHash(new Uint8Array(32).fill(3)), asAddress(new Uint8Array(20).fill(4)))
  expect(bytesToHex(payload)).toBe(`0x${'00'.repeat(6)}0102${'03'.repeat(32)}${'04'.repeat(20)}`)
  expect(SignType.ready).toBe(8)
})
