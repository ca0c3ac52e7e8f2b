import { createMerkleProof, createMPT } from '@ethereumjs/mpt'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  certifiedBlock,
  certify,
  createLightChain,
  type LightChain,
  type Signers,
  START_SECONDS,
  signersFrom,
} from '../test/kit/light-chain.ts'
import { type Address, asAddress, asHash, bigintToFixed, bytesToHex, equalBytes } from './base/bytes.ts'
import { installCurves, KECCAK_EMPTY, keccak } from './base/crypto.ts'
import { nativeCurves } from './base/crypto-native.ts'
import { NodeError } from './base/errors.ts'
import { encodeRlp, rlpInt } from './base/rlp.ts'
import {
  type Checkpoint,
  createLightClient,
  decodeLightBlock,
  type LightBlock,
  type LightClient,
  type LightConflict,
  type LightNetwork,
  provenState,
} from './light.ts'
import { encodeHeader, encodeSection, headerHash } from './types/block.ts'
import { checkEvidence, decodeEvidence, type EvidenceContext, encodeEvidence, rollOfEpoch } from './types/evidence.ts'
import { createValidatorSet, epochOf, type Validator, validatorsHash } from './types/validators.ts'
import { encodeQc } from './types/vote.ts'

installCurves(nativeCurves)

const genesisHash = asHash(new Uint8Array(32).fill(7))
const network: LightNetwork = { chainId: 5n, genesisHash, epochBlocks: 4 }
const DAY_MS = 86_400_000
const options = { trustingPeriodMs: DAY_MS }
const NOW_MS = (START_SECONDS + 3_600) * 1_000

/** Epochs: A, A, then one of four replaced, then four others, whom nobody of before knows. */
const SEEDS = [
  [1, 2, 3, 4],
  [1, 2, 3, 4],
  [2, 3, 4, 5],
  [6, 7, 8, 9],
]
const seedsOf = (epoch: number): readonly number[] => SEEDS[epoch] ?? [6, 7, 8, 9 + epoch]
const chain: LightChain = createLightChain(network, (epoch) => signersFrom(seedsOf(epoch)))
const genesis: Checkpoint = {
  kind: 'genesis',
  timeMs: START_SECONDS * 1_000,
  validators: chain.signers(0).set,
}
const fresh = (): LightClient => createLightClient(network, genesis, options, NOW_MS)
const advanced = (epochs: number): LightClient => {
  const client = fresh()
  for (let i = 0; i < epochs; i++) client.advance(chain.block(client.nextHandOver()), NOW_MS)
  return client
}
const checkpointAt = (height: number, over: Partial<Checkpoint & { kind: 'block' }> = {}): Checkpoint => {
  const { header, section } = chain.block(height)
  return {
    ...{ kind: 'block', height, hash: headerHash(header), header, section },
    validators: chain.signers(section.epoch).set.members,
    ...over,
  }
}

/** The right header, and a section and a set that it does not commit to. */
const usurped = (height: number): Checkpoint => {
  const { set, hash } = signersFrom([66])
  const section = { ...chain.block(height).section, validatorsHash: hash }
  return checkpointAt(height, { section, validators: set.members })
}

/** The code; the message where it does not hold the reason. */
const refusal = (run: () => unknown, reason = ''): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof NodeError) return error.message.includes(reason) ? error.code : error.message
    throw error
  }
  return 'accepted'
}

test('the chain of hand-overs is followed through sets that stay, change and share nobody', () => {
  const client = fresh()
  for (let epoch = 0; epoch < 7; epoch++) {
    expect(client.epoch()).toBe(epoch)
    expect(client.nextHandOver()).toBe(4 * (epoch + 1))
    const handOver = chain.block(4 * (epoch + 1))
    const verified = client.advance(handOver, NOW_MS)
    expect(bytesToHex(verified.hash)).toBe(bytesToHex(headerHash(handOver.header)))
    expect(client.validators(epoch + 1)).toEqual(chain.signers(epoch + 1).set)
  }
  expect(client.latest()?.header.number).toBe(28)
})

test('members need not be sent while the set stays, and must be when it changes', () => {
  const client = fresh()
  client.advance({ ...chain.block(4), nextValidators: null }, NOW_MS)
  expect(client.validators(1)).toBe(client.validators(0))
  expect(refusal(() => client.advance({ ...chain.block(8), nextValidators: null }, NOW_MS))).toBe('LIGHT_VALIDATORS')
  client.advance(chain.block(8), NOW_MS)
  expect(client.epoch()).toBe(2)
})

test('any block of an epoch whose set is known verifies, before and after the head', () => {
  const client = advanced(3)
  for (const height of [13, 15, 14, 1, 7, 12]) {
    expect(client.verify(chain.block(height), NOW_MS).header.number).toBe(height)
    expect(client.block(height)?.header.number).toBe(height)
  }
  expect(client.latest()?.header.number).toBe(15)
  expect(refusal(() => client.verify(chain.block(17), NOW_MS))).toBe('LIGHT_EPOCH')
})

test('a checkpoint in any epoch is a start as good as genesis', () => {
  for (const height of [5, 8, 9, 15]) {
    const client = createLightClient(network, checkpointAt(height), options, NOW_MS)
    while (client.epoch() < 5) client.advance(chain.block(client.nextHandOver()), NOW_MS)
    expect(client.verify(chain.block(21), NOW_MS).header.number).toBe(21)
    expect(refusal(() => client.verify(chain.block(1), NOW_MS))).toBe('LIGHT_EPOCH')
  }
})

test.each<[string, () => Checkpoint, string]>([
  ['of another height', () => checkpointAt(9, { height: 10 }), 'LIGHT_CHECKPOINT'],
  ['of another hash', () => checkpointAt(9, { hash: genesisHash }), 'LIGHT_CHECKPOINT'],
  [
    'with the section of another block',
    () => checkpointAt(9, { section: chain.block(10).section }),
    'LIGHT_CHECKPOINT',
  ],
  ['with another set', () => checkpointAt(9, { validators: chain.signers(0).set.members }), 'LIGHT_VALIDATORS'],
  ['without members', () => checkpointAt(9, { validators: [] }), 'LIGHT_VALIDATORS'],
  ['with a set and a section that name each other', () => usurped(9), 'LIGHT_CHECKPOINT'],
])('a checkpoint %s is refused', (_, checkpoint, code) => {
  expect(refusal(() => createLightClient(network, checkpoint(), options, NOW_MS))).toBe(code)
})

test('what is trusted ages: too old a start is refused, and so is going on after a long sleep', () => {
  const dayLater = START_SECONDS * 1_000 + DAY_MS
  createLightClient(network, genesis, options, dayLater)
  expect(refusal(() => createLightClient(network, genesis, options, dayLater + 1))).toBe('LIGHT_TOO_OLD')
  const client = advanced(1)
  const headMs = client.latest()?.timeMs ?? 0
  expect(refusal(() => client.advance(chain.block(8), headMs + DAY_MS + 1))).toBe('LIGHT_TOO_OLD')
  expect(refusal(() => client.verify(chain.block(5), headMs + DAY_MS + 1))).toBe('LIGHT_TOO_OLD')
  client.advance(chain.block(8), headMs + DAY_MS)
})

test('a block older than the trusting period is not believed, though its set is known', () => {
  const client = advanced(3)
  const timeMs = chain.block(6).header.time * 1_000
  expect(refusal(() => client.verify(chain.block(6), timeMs + DAY_MS + 1))).toBe('LIGHT_TOO_OLD')
  client.verify(chain.block(6), timeMs + DAY_MS)
})

test('a header may be ten seconds ahead of the clock and no more', () => {
  const timeMs = chain.block(4).header.time * 1_000
  expect(refusal(() => fresh().advance(chain.block(4), timeMs - 10_001))).toBe('LIGHT_FUTURE')
  fresh().advance(chain.block(4), timeMs - 10_000)
  expect(refusal(() => createLightClient(network, genesis, options, START_SECONDS * 1_000 - 10_001))).toBe(
    'LIGHT_FUTURE',
  )
})

const voteOf = ({ header }: LightBlock) => ({ height: header.number, blockHash: headerHash(header) })
const sixWith = (over: Partial<LightBlock>): LightBlock => ({ ...chain.block(6), ...over })
const sixBy = (...args: Partial<Parameters<typeof certify>>): LightBlock =>
  sixWith({
    certificate: certify(args[0] ?? network, args[1] ?? voteOf(chain.block(6)), args[2] ?? chain.signers(1), args[3]),
  })

/** A block whose parent, certified by its word, is none of the chain. */
const orphan = (height: number): LightBlock => {
  const parentHash = keccak(genesisHash)
  const lastCommit = height === 1 ? null : { ...chain.block(height - 1).certificate, blockHash: parentHash }
  return chain.fork(height, { parentHash, section: { lastCommit } })
}

// What block 6 may come as to a client that verified 4, 5 and 8.
test.each<[string, () => LightBlock, string, string]>([
  ['too few signers', () => chain.fork(6, { by: [0, 1] }), 'LIGHT_CERTIFICATE', 'no quorum'],
  [
    'no signer',
    () => sixWith({ certificate: { ...chain.block(6).certificate, bitmap: Uint8Array.of(0) } }),
    'LIGHT_CERTIFICATE',
    'no quorum',
  ],
  ['the set of another epoch', () => chain.fork(6, { signers: chain.signers(3) }), 'LIGHT_BLOCK', 'other validators'],
  [
    'signatures of another set',
    () => sixBy(undefined, undefined, chain.signers(3)),
    'LIGHT_CERTIFICATE',
    'does not verify',
  ],
  ['signatures of another chain id', () => sixBy({ ...network, chainId: 6n }), 'LIGHT_CERTIFICATE', 'does not verify'],
  [
    'signatures of another genesis',
    () => sixBy({ ...network, genesisHash: keccak(genesisHash) }),
    'LIGHT_CERTIFICATE',
    'does not verify',
  ],
  [
    'a PrepareQC',
    () => sixBy(network, { ...voteOf(chain.block(6)), type: 'prepare' }),
    'LIGHT_CERTIFICATE',
    'not a COMMIT',
  ],
  [
    'a certificate of another height',
    () => sixBy(network, { ...voteOf(chain.block(6)), height: 7 }),
    'LIGHT_CERTIFICATE',
    'not a COMMIT',
  ],
  [
    'the certificate of another block',
    () => sixWith({ certificate: chain.block(7).certificate }),
    'LIGHT_CERTIFICATE',
    'not a COMMIT',
  ],
  [
    'a certificate said to be of another round',
    () => sixWith({ certificate: { ...chain.block(6).certificate, round: 1 } }),
    'LIGHT_CERTIFICATE',
    'does not verify',
  ],
  [
    'a bitmap that is too long',
    () => sixWith({ certificate: { ...chain.block(6).certificate, bitmap: Uint8Array.of(15, 0) } }),
    'LIGHT_CERTIFICATE',
    'does not fit',
  ],
  [
    'a bit of nobody',
    () => sixWith({ certificate: { ...chain.block(6).certificate, bitmap: Uint8Array.of(31) } }),
    'LIGHT_CERTIFICATE',
    'does not fit',
  ],
  [
    'a bit of one who did not sign',
    () =>
      sixWith({
        certificate: {
          ...certify(network, voteOf(chain.block(6)), chain.signers(1), [0, 1, 2]),
          bitmap: Uint8Array.of(15),
        },
      }),
    'LIGHT_CERTIFICATE',
    'does not verify',
  ],
  [
    'a signature that is no point',
    () => sixWith({ certificate: { ...chain.block(6).certificate, signature: new Uint8Array(96) } }),
    'LIGHT_CERTIFICATE',
    'does not verify',
  ],
  [
    'a header changed after signing',
    () => sixWith({ header: { ...chain.block(6).header, stateRoot: genesisHash } }),
    'LIGHT_CERTIFICATE',
    'not a COMMIT',
  ],
  [
    'the section of another block',
    () => sixWith({ section: { ...chain.block(6).section, proposerIndex: 1 } }),
    'LIGHT_BLOCK',
    'does not commit',
  ],
  ['a section of an unknown version', () => chain.fork(6, { section: { version: 2 } }), 'LIGHT_BLOCK', 'version 2'],
  ['another epoch', () => chain.fork(6, { section: { epoch: 2 } }), 'LIGHT_BLOCK', 'epoch 2'],
  [
    'next validators in mid-epoch',
    () => chain.fork(6, { section: { nextValidatorsHash: genesisHash } }),
    'LIGHT_BLOCK',
    'the last block of an epoch',
  ],
  ['no lastCommit', () => chain.fork(6, { section: { lastCommit: null } }), 'LIGHT_BLOCK', 'lastCommit is missing'],
  [
    'the lastCommit of another block',
    () => chain.fork(6, { section: { lastCommit: { ...chain.block(5).certificate, blockHash: genesisHash } } }),
    'LIGHT_BLOCK',
    'not a COMMIT of the parent',
  ],
  [
    'a lastCommit of another height',
    () => chain.fork(6, { section: { lastCommit: { ...chain.block(5).certificate, height: 4 } } }),
    'LIGHT_BLOCK',
    'not a COMMIT of the parent',
  ],
  [
    'a lastCommit that only prepares',
    () => chain.fork(6, { section: { lastCommit: { ...chain.block(5).certificate, type: 'prepare' } } }),
    'LIGHT_BLOCK',
    'not a COMMIT of the parent',
  ],
  ['another parent', () => orphan(6), 'LIGHT_BLOCK', 'another block 5'],
  [
    'the timestamp of its parent',
    () => chain.fork(6, { header: { time: START_SECONDS + 15 } }),
    'LIGHT_BLOCK',
    'that of block 5',
  ],
  [
    'a timestamp that leaves no second for block 7',
    () => chain.fork(6, { header: { time: START_SECONDS + 23 } }),
    'LIGHT_BLOCK',
    'that of block 8',
  ],
  [
    'extraData without milliseconds',
    () => chain.fork(6, { header: { extraData: new Uint8Array(7) } }),
    'LIGHT_BLOCK',
    'milliseconds',
  ],
])('a block with %s is refused and leaves no trace', (_, block, code, reason) => {
  const client = advanced(1)
  client.advance(chain.block(8), NOW_MS)
  client.verify(chain.block(5), NOW_MS)
  expect(refusal(() => client.verify(block(), NOW_MS), reason)).toBe(code)
  expect(client.block(6)).toBeNull()
  client.verify(chain.block(6), NOW_MS)
})

test('two thirds are no quorum, one more is', () => {
  const threes = createLightChain(network, () => signersFrom([1, 2, 3]))
  const start: Checkpoint = { kind: 'genesis', timeMs: START_SECONDS * 1_000, validators: threes.signers(0).set }
  const client = createLightClient(network, start, options, NOW_MS)
  expect(refusal(() => client.verify(threes.fork(1, { by: [0, 1] }), NOW_MS), 'no quorum')).toBe('LIGHT_CERTIFICATE')
  client.verify(threes.fork(1, { by: [0, 1, 2] }), NOW_MS)
})

test('the first block stands on genesis; a block next to the checkpoint on it or under it', () => {
  const lone = orphan(1)
  expect(refusal(() => fresh().verify(lone, NOW_MS), 'another block 0')).toBe('LIGHT_BLOCK')
  const first = chain.fork(1, {
    section: { lastCommit: { ...chain.block(1).certificate, height: 0, blockHash: genesisHash } },
  })
  expect(refusal(() => fresh().verify(first, NOW_MS), 'lastCommit')).toBe('LIGHT_BLOCK')
  const client = createLightClient(network, checkpointAt(10), options, NOW_MS)
  const uncle = chain.fork(9, { header: { gasUsed: 1n } })
  expect(refusal(() => client.verify(uncle, NOW_MS), 'not the parent of block 10')).toBe('LIGHT_BLOCK')
  const twin = chain.fork(10, { header: { gasUsed: 1n } })
  expect(refusal(() => client.verify(twin, NOW_MS), 'checkpoint names another')).toBe('LIGHT_BLOCK')
  for (const height of [9, 10, 11]) client.verify(chain.block(height), NOW_MS)
  expect(
    refusal(() => fresh().verify({ ...chain.block(1), header: { ...chain.block(1).header, number: 0 } }, NOW_MS)),
  ).toBe('LIGHT_EPOCH')
})

test('an epoch is never skipped, nor handed over twice or from its middle', () => {
  const client = advanced(1)
  for (const height of [4, 7, 12, 16])
    expect(refusal(() => client.advance(chain.block(height), NOW_MS))).toBe('LIGHT_ORDER')
  client.advance(chain.block(8), NOW_MS)
  const silent = chain.fork(12, { section: { nextValidatorsHash: null } })
  expect(refusal(() => client.advance(silent, NOW_MS), 'the last block of an epoch')).toBe('LIGHT_BLOCK')
})

test('only the members that the old set certified are learnt', () => {
  const right = chain.block(8).nextValidators ?? []
  const [first, ...rest] = right
  if (first === undefined) throw new Error('block 8 hands over')
  const wrong: (readonly [string, readonly Validator[]])[] = [
    ['from 1 to 2048', []],
    ['from 1 to 2048', new Array<Validator>(2_049).fill(first)],
    ['not those', rest],
    ['not those', chain.signers(1).set.members],
    ['not those', [{ ...first, power: first.power + 1n }, ...rest]],
    ['not those', [{ ...first, address: asAddress(new Uint8Array(20)) }, ...rest]],
    ['twice', [first, ...right]],
    ['member 0', [{ ...first, power: 0n }, ...rest]],
    ['member 0', [{ ...first, power: 2n ** 64n }, ...rest]],
    ['member 0', [{ ...first, blsKey: first.blsKey.subarray(1) }, ...rest]],
    ['member 0', [{ ...first, address: first.address.subarray(1) as Address }, ...rest]],
    ['no point', [{ ...first, blsKey: new Uint8Array(48) }, ...rest]],
  ]
  const client = advanced(1)
  for (const [reason, nextValidators] of wrong)
    expect(refusal(() => client.advance({ ...chain.block(8), nextValidators }, NOW_MS), reason)).toBe(
      'LIGHT_VALIDATORS',
    )
  expect(client.epoch()).toBe(1)
  client.advance({ ...chain.block(8), nextValidators: right.toReversed() }, NOW_MS)
  expect(client.validators(2)).toEqual(chain.signers(2).set)
})

test('a witness that agrees is told so; one that shows less than a certified block is refused', () => {
  const client = advanced(3)
  expect(client.crossCheck(chain.block(12), NOW_MS)).toBeNull()
  expect(refusal(() => client.crossCheck(chain.block(11), NOW_MS))).toBe('LIGHT_UNKNOWN')
  const twin = { header: { stateRoot: genesisHash } }
  expect(refusal(() => client.crossCheck(chain.fork(12, { ...twin, by: [0, 1] }), NOW_MS))).toBe('LIGHT_CERTIFICATE')
  const parted = { ...chain.fork(12, twin), section: chain.block(11).section }
  expect(refusal(() => client.crossCheck(parted, NOW_MS))).toBe('LIGHT_BLOCK')
  client.advance(chain.block(16), NOW_MS)
})

/** As a full node judges that has the chain up to height 13. */
const judge: EvidenceContext = {
  domain: network,
  head: 13,
  nowS: NOW_MS / 1_000,
  windowS: DAY_MS / 1_000,
  epochBlocks: 4,
  intervalMs: 1_000,
  epochAt: (height) =>
    rollOfEpoch({ ...chain.signers(epochOf(height, 4)), seed: genesisHash, startTime: START_SECONDS }),
  hashOf: (height) => headerHash(chain.block(height).header),
}
const verdicts = (conflict: LightConflict | null): string[] =>
  (conflict?.evidence ?? []).map((evidence) => {
    const verdict = checkEvidence(decodeEvidence(encodeEvidence(evidence)), judge)
    return verdict.kind === 'proven' ? `${verdict.offence} of ${verdict.guilty.length}` : verdict.kind
  })

test('two certified blocks of one height are evidence that anybody can check, and end the client', () => {
  const theirs = chain.fork(12, { header: { stateRoot: genesisHash }, by: [1, 2, 3] })
  const client = advanced(3)
  const conflict = client.crossCheck(theirs, NOW_MS)
  const members = chain.signers(2).set.members
  expect(conflict?.signers).toEqual(members.slice(1).map(({ address }) => address))
  expect(verdicts(conflict)).toEqual(['E2 of 3', 'malformed', 'unknown'])
  for (const run of [
    () => client.advance(chain.block(16), NOW_MS),
    () => client.verify(chain.block(11), NOW_MS),
    () => client.crossCheck(chain.block(12), NOW_MS),
  ])
    expect(refusal(run)).toBe('LIGHT_CONFLICT')
})

test('in different rounds the certificates alone prove nothing, and only what no honest validator can find valid is condemned', () => {
  const reasonable = chain.fork(12, { header: { stateRoot: genesisHash }, round: 1 })
  expect(verdicts(advanced(3).crossCheck(reasonable, NOW_MS))).toEqual(['malformed', 'unknown'])
  const lunatic = { section: { epoch: 9, validatorsHash: genesisHash }, round: 1 }
  const conflict = advanced(3).crossCheck(chain.fork(12, lunatic), NOW_MS)
  expect([verdicts(conflict), conflict?.signers.length]).toEqual([['malformed', 'E6 of 4'], 4])
})

test('a client that has the parent shows it, so that what follows from it is judged as well', () => {
  const theirs = chain.fork(12, { header: { prevRandao: genesisHash }, round: 1 })
  expect(verdicts(advanced(3).crossCheck(theirs, NOW_MS))).toEqual(['malformed', 'unknown'])
  const client = advanced(3)
  client.verify(chain.block(11), NOW_MS)
  expect(verdicts(client.crossCheck(theirs, NOW_MS))).toEqual(['malformed', 'E6 of 4'])
})

test('a second certified block from the same source is the same conflict', () => {
  const client = advanced(3)
  const theirs = chain.fork(12, { header: { stateRoot: genesisHash } })
  expect(refusal(() => client.verify(theirs, NOW_MS))).toBe('LIGHT_CONFLICT')
  expect(refusal(() => client.advance(chain.block(16), NOW_MS))).toBe('LIGHT_CONFLICT')
})

test('memory is bounded: a thousand headers, the sets of a thousand epochs', () => {
  const every: LightNetwork = { ...network, epochBlocks: 1 }
  const one = signersFrom([1])
  const two = signersFrom([2])
  const signersOf = (epoch: number) => (epoch % 2 === 0 ? one : two)
  const start: Checkpoint = { kind: 'genesis', timeMs: START_SECONDS * 1_000, validators: one.set }
  const client = createLightClient(every, start, options, NOW_MS + DAY_MS / 2)
  let parentHash = genesisHash
  for (let epoch = 0; epoch < 1_010; epoch++) {
    const draft = { height: epoch + 1, parentHash, signers: signersOf(epoch), next: signersOf(epoch + 1) }
    parentHash = client.advance(certifiedBlock(every, draft), NOW_MS).hash
  }
  expect([client.block(10), client.block(11)?.header.number]).toEqual([null, 11])
  expect([client.validators(10), client.validators(11)]).toEqual([null, signersOf(11).set])
  const late = certifiedBlock(every, { height: 5, parentHash, signers: one, next: two })
  expect(refusal(() => client.verify(late, NOW_MS), 'epochs 11 to 1010')).toBe('LIGHT_EPOCH')
})

test('memory is bounded: distinct sets are kept up to 65,536 members, and a set that stays counts once', () => {
  const every: LightNetwork = { ...network, epochBlocks: 1 }
  const [whale, minnow] = [signersFrom([1]), signersFrom([2])]
  const small = { blsKey: (minnow.set.members[0] as Validator).blsKey, power: 1n }
  const minnows = Array.from({ length: 2_047 }, (_, i) => ({
    ...small,
    address: asAddress(bigintToFixed(BigInt(i), 20)),
  }))
  /** One member has the power to sign alone, so that only the hash of the set costs time. */
  const signersOf = (epoch: number): Signers => {
    const big = { ...(whale.set.members[0] as Validator), power: 2n ** 40n + BigInt(epoch) }
    const set = createValidatorSet([big, ...minnows])
    return { set, hash: validatorsHash(set), secrets: set.members.map(() => whale.secrets[0] as Uint8Array) }
  }
  let signers = signersOf(0)
  const at = signers.set.members.findIndex(({ power }) => power > 1n)
  const start: Checkpoint = { kind: 'genesis', timeMs: START_SECONDS * 1_000, validators: signers.set }
  const client = createLightClient(every, start, options, NOW_MS)
  let parentHash = genesisHash
  const advance = (next: Signers): void => {
    const draft = { height: client.nextHandOver(), parentHash, signers, next, by: [at] }
    parentHash = client.advance(certifiedBlock(every, draft), NOW_MS).hash
    signers = next
  }
  for (let epoch = 1; epoch <= 50; epoch++) advance(signers)
  for (let epoch = 51; epoch <= 81; epoch++) advance(signersOf(epoch))
  expect(client.validators(0)?.members).toHaveLength(2_048)
  advance(signersOf(82))
  expect([client.validators(49), client.validators(50), client.validators(51)?.members.length]).toEqual([
    null,
    null,
    2_048,
  ])
})

test('parts that do not decode, or are larger than any, are refused by name', () => {
  const { header, section, certificate } = chain.block(8)
  const parts = { header: encodeHeader(header), section: encodeSection(section), certificate: encodeQc(certificate) }
  expect(decodeLightBlock(parts)).toEqual({ header, section, certificate })
  fc.assert(
    fc.property(fc.constantFrom('header', 'section', 'certificate'), fc.nat(), fc.nat(255), (part, at, byte) => {
      const bytes = parts[part].slice()
      bytes[at % bytes.length] = byte
      const client = advanced(1)
      if (equalBytes(bytes, parts[part])) return
      const run = () => client.verify(decodeLightBlock({ ...parts, [part]: bytes }), NOW_MS)
      expect(refusal(run)).toMatch(/^LIGHT_/)
    }),
    { numRuns: 100 },
  )
  for (const part of ['header', 'section', 'certificate'] as const)
    for (const bytes of [new Uint8Array(0), parts[part].subarray(1), new Uint8Array(1_025).fill(1)])
      expect(refusal(() => decodeLightBlock({ ...parts, [part]: bytes }))).toBe('LIGHT_MALFORMED')
  const wide = { ...section, lastCommit: { ...certificate, bitmap: new Uint8Array(1_000) } }
  const sized = { ...parts, section: encodeSection(wide) }
  expect(refusal(() => decodeLightBlock(sized), 'at most 1024')).toBe('LIGHT_MALFORMED')
})

test('accounts and slots are read under a verified state root, and nothing else is believed', async () => {
  const address = asAddress(new Uint8Array(20).fill(3))
  const slotTrie = await createMPT()
  await slotTrie.put(keccak(bigintToFixed(1n, 32)), encodeRlp(rlpInt(77)))
  const trie = await createMPT()
  const leaf = [rlpInt(2), rlpInt(10n ** 18n), slotTrie.root(), KECCAK_EMPTY]
  await trie.put(keccak(address), encodeRlp(leaf))
  const client = fresh()
  const block = client.verify(chain.fork(1, { header: { stateRoot: asHash(trie.root()) } }), NOW_MS)
  const account = await createMerkleProof(trie, keccak(address))
  const slots = await Promise.all(
    [1n, 2n].map(async (key) => ({ key, nodes: await createMerkleProof(slotTrie, keccak(bigintToFixed(key, 32))) })),
  )
  const proven = provenState(block, address, { account, slots })
  expect([proven.account?.nonce, proven.account?.balance, proven.slots]).toEqual([2n, 10n ** 18n, [77n, 0n]])
  const nobody = asAddress(new Uint8Array(20).fill(4))
  const missing = await createMerkleProof(trie, keccak(nobody))
  expect(provenState(block, nobody, { account: missing, slots: [{ key: 1n, nodes: [] }] })).toEqual({
    account: null,
    slots: [0n],
  })
  const swapped = slots.map(({ key }) => ({ key, nodes: account }))
  expect(refusal(() => provenState(block, address, { account, slots: swapped }))).toBe('PROOF_HASH')
  expect(refusal(() => provenState(block, nobody, { account: missing, slots }))).toBe('PROOF_HASH')
})
