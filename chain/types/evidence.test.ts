// What proves an offence and what does not: every pair of statements, every refusal, headers that cannot be valid and headers that can,
// the bytes, and that an honest validator signs nothing of it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex, type Hash } from '../base/bytes.ts'
import { curves, installCurves } from '../base/crypto.ts'
import { nativeCurves } from '../base/crypto-native.ts'
import { NodeError } from '../base/errors.ts'
import { type Block, encodeExtra, type Header, headerHash, nextRandao, type Section, sectionHash } from './block.ts'
import {
  checkEvidence,
  conflictOf,
  createLedger,
  decodeEvidence,
  decodeTestimony,
  EVIDENCE_MAX_BYTES,
  type Evidence,
  type EvidenceContext,
  encodeEvidence,
  encodeTestimony,
  evidenceFrom,
  evidenceId,
  evidenceOf,
  guiltyPower,
  offencesBetween,
  rollOfEpoch,
  type Statement,
  type Testimony,
  testimoniesOf,
} from './evidence.ts'
import { type Message, type Signed, signedPart, type Unsigned, withSignature } from './message.ts'
import {
  createRotation,
  createValidatorSet,
  epochOf,
  proposerByLot,
  type Validator,
  validatorsHash,
} from './validators.ts'
import { bitmapOf, type Domain, formQc, formTc, type Qc, signBytes, type Timeout, type Vote } from './vote.ts'

installCurves(nativeCurves)

const secretOf = (i: number): Uint8Array => new Uint8Array(32).fill(i + 1)
const set = createValidatorSet(
  [0, 1, 2, 3].map((i) => ({
    address: asAddress(new Uint8Array(20).fill(i + 1)),
    blsKey: curves().blsPublicKey(secretOf(i)),
    power: 1n,
  })),
)
const member = (i: number): Validator => set.members[i] as Validator
const COUNT = set.members.length
const EPOCH = 10
const domain: Domain = { chainId: 7n, genesisHash: asHash(new Uint8Array(32).fill(1)) }
const [A, B] = [0xaa, 0xbb].map((byte) => asHash(new Uint8Array(32).fill(byte))) as [Hash, Hash]

const signed = (message: Unsigned, by: number, where = domain): Signed => {
  const { type, payload } = signedPart(message)
  return withSignature(message, curves().blsSign(secretOf(by), signBytes(where, type, payload)))
}
interface At {
  readonly height?: number
  readonly round?: number
  readonly domain?: Domain
}
const vote = (type: Vote['type'], blockHash: Hash, validator: number, at: At = {}): Vote => {
  const place = { type, height: at.height ?? 5, round: at.round ?? 0, blockHash, validator }
  const message = signed({ kind: 'vote', vote: place }, validator, at.domain)
  return message.kind === 'vote' ? message.vote : expect.fail('a vote')
}
const timeout = (hqcRound: number | null, validator: number, at: At = {}): Timeout => {
  const qc = hqcRound === null ? null : qcOf('prepare', A, [0, 1, 2], { ...at, round: hqcRound })
  const place = { height: at.height ?? 5, round: at.round ?? 0, hqcRound, qc, validator }
  const message = signed({ kind: 'timeout', timeout: place }, validator, at.domain)
  return message.kind === 'timeout' ? message.timeout : expect.fail('a timeout')
}
const propose = (blockHash: Hash, validator: number, at: At = {}): Message => {
  const place = { height: at.height ?? 5, round: at.round ?? 0, blockHash, justify: null, tc: null, validator }
  return signed({ kind: 'proposal', proposal: place }, validator, at.domain)
}
const qcOf = (type: Qc['type'], blockHash: Hash, members: readonly number[], at: At = {}): Qc => {
  const votes = members.map((i) => vote(type, blockHash, i, at))
  const shares = new Map(votes.map(({ validator, signature }) => [validator, signature]))
  return formQc(votes[0] as Vote, shares, set)
}
const tcOf = (hqc: readonly (number | null)[], members: readonly number[], at: At) =>
  formTc(
    at.round ?? 0,
    members.map((i, n) => timeout(hqc[n] ?? null, i, at)),
    set,
  )
const one = (message: Message): Testimony => testimoniesOf(message, COUNT)[0] as Testimony
const ofVote = (it: Vote): Testimony => one({ kind: 'vote', vote: it })
const ofTimeout = (it: Timeout): Testimony => one({ kind: 'timeout', timeout: it })
const ofQc = (qc: Qc): Testimony => one({ kind: 'qc', qc })

const seed = asHash(new Uint8Array(32).fill(3))
/** Each epoch begins 30 s after the one before. */
const context: EvidenceContext = {
  ...{ domain, head: 5, nowS: 1_060, windowS: 60, epochBlocks: EPOCH, intervalMs: 1_000 },
  epochAt: (height) => rollOfEpoch({ set, seed, startTime: 1_000 + 30 * epochOf(height, EPOCH) }),
  hashOf: () => null,
}
const guiltyOf = (evidence: Evidence, where = context): string => {
  const verdict = checkEvidence(evidence, where)
  if (verdict.kind !== 'proven') return verdict.kind
  const who = verdict.guilty.map(({ address }) => address[0] ?? 0).map((byte) => byte - 1)
  return `${verdict.offence} ${verdict.height}/${verdict.round} ${who.join(',')}`
}
const both = (a: Testimony, b: Testimony): string => {
  expect(encodeEvidence(evidenceOf(a, b))).toEqual(encodeEvidence(evidenceOf(b, a)))
  expect(evidenceId(evidenceOf(a, b))).toEqual(evidenceId(evidenceOf(b, a)))
  expect(decodeEvidence(encodeEvidence(evidenceOf(a, b)))).toEqual(evidenceOf(a, b))
  return guiltyOf(evidenceOf(a, b))
}

describe('two statements that exclude each other', () => {
  test('E1: two PREPAREs of one round, as votes, as certificates, as one of each', () => {
    expect(both(ofVote(vote('prepare', A, 2)), ofVote(vote('prepare', B, 2)))).toBe('E1 5/0 2')
    expect(both(ofQc(qcOf('prepare', A, [0, 1, 2])), ofQc(qcOf('prepare', B, [1, 2, 3])))).toBe('E1 5/0 1,2')
    expect(both(ofQc(qcOf('prepare', A, [0, 1, 2])), ofVote(vote('prepare', B, 1)))).toBe('E1 5/0 1')
  })
  test('E2: two COMMITs of one round', () => {
    expect(both(ofVote(vote('commit', A, 3)), ofVote(vote('commit', B, 3)))).toBe('E2 5/0 3')
    expect(both(ofQc(qcOf('commit', A, [0, 1, 2])), ofQc(qcOf('commit', B, [0, 2, 3])))).toBe('E2 5/0 0,2')
  })
  test('E3: two PROPOSEs, whoever’s turn it is', () => {
    for (const who of [0, 1, 2, 3]) expect(both(one(propose(A, who)), one(propose(B, who)))).toBe(`E3 5/0 ${who}`)
  })
  test('E4: a COMMIT, and a TIMEOUT of its round or a later one that names a lower certificate', () => {
    const commit = vote('commit', A, 2, { round: 1 })
    expect(both(ofVote(commit), ofTimeout(timeout(0, 2, { round: 1 })))).toBe('E4 5/1 2')
    expect(both(ofVote(commit), ofTimeout(timeout(null, 2, { round: 9 })))).toBe('E4 5/1 2')
    const tc = tcOf([null, null, 0], [0, 2, 3], { round: 2 })
    const [none] = testimoniesOf({ kind: 'tc', tc }, COUNT)
    const qc = ofQc(qcOf('commit', A, [1, 2, 3], { round: 1 }))
    expect(both(qc, none as Testimony)).toBe('E4 5/1 2')
    expect(both(ofVote(commit), none as Testimony)).toBe('E4 5/1 2')
  })
  test('E5: two TIMEOUTs of one round that name different certificates; none is not round 0', () => {
    expect(both(ofTimeout(timeout(null, 0, { round: 1 })), ofTimeout(timeout(0, 0, { round: 1 })))).toBe('E5 5/1 0')
  })
})

describe('no proof', () => {
  const a = ofVote(vote('prepare', A, 2))
  const b = ofVote(vote('prepare', B, 2))
  const others: readonly (readonly [string, Evidence, string])[] = [
    ['the same vote twice', { kind: 'conflict', first: a, second: a }, 'malformed'],
    ['votes of two validators', evidenceOf(a, ofVote(vote('prepare', B, 3))), 'malformed'],
    ['votes of two heights', evidenceOf(a, ofVote(vote('prepare', B, 2, { height: 4 }))), 'malformed'],
    ['votes of two rounds', evidenceOf(a, ofVote(vote('prepare', B, 2, { round: 1 }))), 'malformed'],
    ['PREPARE and COMMIT of two blocks', evidenceOf(a, ofVote(vote('commit', B, 2))), 'malformed'],
    ['a PREPARE and a TIMEOUT', evidenceOf(a, ofTimeout(timeout(null, 2))), 'malformed'],
    [
      'a COMMIT and an earlier TIMEOUT',
      evidenceOf(ofVote(vote('commit', A, 2, { round: 2 })), ofTimeout(timeout(null, 2, { round: 1 }))),
      'malformed',
    ],
    [
      'a COMMIT and a TIMEOUT that names its certificate',
      evidenceOf(ofVote(vote('commit', A, 2)), ofTimeout(timeout(0, 2, { round: 3 }))),
      'malformed',
    ],
    ['a PROPOSE of two rounds', evidenceOf(one(propose(A, 2)), one(propose(B, 2, { round: 1 }))), 'malformed'],
    ['a forged signature', evidenceOf(a, { ...b, signature: a.signature }), 'forged'],
    ['a signature of another', evidenceOf(a, { ...b, signature: vote('prepare', B, 3).signature }), 'forged'],
    [
      'a bit added to a certificate',
      evidenceOf(
        { ...ofQc(qcOf('prepare', A, [0, 1, 2])), bitmap: bitmapOf([0, 1, 2, 3], 4) },
        ofVote(vote('prepare', B, 3)),
      ),
      'forged',
    ],
    [
      'a vote of another chain',
      evidenceOf(a, ofVote(vote('prepare', B, 2, { domain: { ...domain, chainId: 8n } }))),
      'forged',
    ],
    [
      'a stranger',
      evidenceOf({ ...a, bitmap: Uint8Array.of(0x10) }, { ...b, bitmap: Uint8Array.of(0x10) }),
      'malformed',
    ],
    ['nobody', evidenceOf({ ...a, bitmap: Uint8Array.of(0) }, { ...b, bitmap: Uint8Array.of(0) }), 'malformed'],
    ['a bitmap of another length', evidenceOf({ ...a, bitmap: Uint8Array.of(4, 0) }, b), 'malformed'],
  ]
  test.each(others)('%s', (_, evidence, verdict) => {
    expect(guiltyOf(evidence)).toBe(verdict)
  })
  test('a round too large for what is signed, where it would be signed as another', () => {
    const of = (hqcRound: number): Testimony => ({
      ...ofTimeout(timeout(null, 2, { round: 3 })),
      statement: { kind: 'timeout', height: 5, round: 3, hqcRound },
    })
    const evidence = evidenceOf(ofTimeout(timeout(null, 2, { round: 3 })), of(2 ** 32 - 1))
    expect(guiltyOf(evidence)).toBe('malformed')
    expect(() => decodeEvidence(encodeEvidence(evidence))).toThrowError(
      expect.objectContaining({ code: 'EVIDENCE_MALFORMED' }),
    )
  })
  test('what began before the window is outside, what is above the next height is not known', () => {
    const at = (of: Partial<EvidenceContext>): string => guiltyOf(evidenceOf(a, b), { ...context, head: 50, ...of })
    expect(at({ nowS: 1_060 })).toBe('E1 5/0 2')
    expect(at({ nowS: 1_061 })).toBe('outside')
    expect(at({ head: 4 })).toBe('E1 5/0 2')
    expect(at({ head: 3 })).toBe('unknown')
    expect(at({ epochAt: () => null })).toBe('unknown')
    const none = { height: 0 }
    const nothing = evidenceOf(ofVote(vote('prepare', A, 2, none)), ofVote(vote('prepare', B, 2, none)))
    expect(guiltyOf(nothing)).toBe('malformed')
  })
  test('the window begins with an epoch, the oldest that is known and young enough', () => {
    const at = (nowS: number, of: Partial<EvidenceContext> = {}): number =>
      evidenceFrom({ ...context, head: 50, nowS, ...of })
    expect(at(1_060)).toBe(1)
    expect(at(1_061)).toBe(11)
    expect(at(1_180)).toBe(41)
    expect(at(9_999)).toBe(51) // the present epoch, however old
    const epochAt: EvidenceContext['epochAt'] = (height) => (height < 31 ? null : context.epochAt(height))
    expect(at(1_060, { epochAt })).toBe(31)
    expect(at(1_000, { head: 0 })).toBe(1)
  })
})

const leads = (height: number): number => createRotation(set, seed).proposer((height - 1) % EPOCH)
const other = (height: number): number => (leads(height) + 1) % COUNT

/** A chain of headers that are what their parents determine: who leads round 0 proposes, the first three commit. */
const createHeaders = () => {
  const zero = asHash(new Uint8Array(32))
  const base: Header = {
    ...{ parentHash: zero, stateRoot: zero, transactionsRoot: zero, receiptsRoot: zero, prevRandao: zero },
    ...{ coinbase: asAddress(new Uint8Array(20)), bloom: new Uint8Array(256), number: 0, gasLimit: 1n, gasUsed: 0n },
    ...{ time: 1_000, extraData: new Uint8Array(0), baseFeeWei: 1n, parentBeaconBlockRoot: zero },
  }
  const blocks: Block[] = [{ header: base, hash: headerHash(base), txs: [], section: null }]
  const child = (parent: Block, of: { header?: Partial<Header>; section?: Partial<Section> } = {}): Block => {
    const height = parent.header.number + 1
    const reveal = new Uint8Array(96).fill(height)
    const lastCommit = height === 1 ? null : qcOf('commit', parent.hash, [0, 1, 2], { height: height - 1 })
    const section: Section = {
      ...{
        version: 1,
        epoch: epochOf(height, EPOCH),
        proposerIndex: leads(height),
        nextValidatorsHash: null,
        reveal,
        lastCommit,
      },
      ...{ validatorsHash: validatorsHash(set), ...of.section },
    }
    const header: Header = {
      ...{ ...base, parentHash: parent.hash, number: height, time: parent.header.time + 3 },
      ...{ extraData: encodeExtra({ originRound: 0, ms: 5 }), prevRandao: nextRandao(parent.header, section.reveal) },
      ...{ parentBeaconBlockRoot: sectionHash(section), ...of.header },
    }
    return { header, hash: headerHash(header), txs: [], section }
  }
  for (let i = 0; i < 12; i++) blocks.push(child(blocks.at(-1) as Block))
  const at = (height: number): Block => blocks[height] as Block
  const where: EvidenceContext = {
    ...context,
    head: blocks.length - 1,
    hashOf: (height) => blocks[height]?.hash ?? null,
  }
  return { at, child, where }
}

describe('E6: a COMMIT certificate over a header that no honest validator can have found valid', () => {
  const { at, child, where } = createHeaders()
  const parent = at(6)
  const drawnAt = (height: number, round: number): number => {
    const parentRandao = at(height - 1).header.prevRandao
    return proposerByLot(set, { parentRandao, height, round, first: leads(height) })
  }
  const attack = (block: Block, height = block.header.number, of: Partial<Qc> = {}): Evidence & { kind: 'header' } => ({
    kind: 'header',
    header: block.header,
    section: block.section as Section,
    qc: { ...qcOf('commit', block.hash, [1, 2, 3], { height, round: 2 }), ...of },
    parent: bytesToHex(block.header.parentHash) === bytesToHex(parent.hash) ? parent.header : null,
  })
  const stale = qcOf('commit', parent.hash, [0, 1, 2], { height: 5 })
  const wrong: readonly (readonly [string, Block])[] = [
    ['another number', child(parent, { header: { number: 9 } })],
    ['another epoch', child(parent, { section: { epoch: 3 } })],
    ['another set', child(parent, { section: { validatorsHash: A } })],
    ['another proposer', child(parent, { section: { proposerIndex: other(7) } })],
    [
      'another proposer than its round draws',
      child(parent, {
        header: { extraData: encodeExtra({ originRound: 3, ms: 5 }) },
        section: { proposerIndex: (drawnAt(7, 3) + 1) % COUNT },
      }),
    ],
    ['another mixHash', child(parent, { header: { prevRandao: A } })],
    ['no milliseconds that can be read', child(parent, { header: { extraData: new Uint8Array(7) } })],
    ['the second of its parent', child(parent, { header: { time: parent.header.time } })],
    [
      'too little time',
      child(parent, { header: { time: parent.header.time + 1, extraData: encodeExtra({ originRound: 0, ms: 4 }) } }),
    ],
    ['no lastCommit', child(parent, { section: { lastCommit: null } })],
    [
      'a lastCommit of too few',
      child(parent, { section: { lastCommit: qcOf('commit', parent.hash, [0, 1], { height: 6 }) } }),
    ],
    ['a lastCommit of another height', child(parent, { section: { lastCommit: stale } })],
    [
      'a lastCommit of PREPAREs',
      child(parent, { section: { lastCommit: qcOf('prepare', parent.hash, [0, 1, 2], { height: 6 }) } }),
    ],
    [
      'a lastCommit over another block',
      child(parent, { section: { lastCommit: qcOf('commit', A, [0, 1, 2], { height: 6 }) } }),
    ],
    [
      'a lastCommit that is not signed',
      child(parent, {
        section: {
          lastCommit: { ...qcOf('commit', parent.hash, [0, 1, 2], { height: 6 }), signature: stale.signature },
        },
      }),
    ],
    [
      'a parent outside the chain and no lastCommit',
      child(child(at(5), { header: { stateRoot: B } }), { section: { lastCommit: null } }),
    ],
  ]
  test.each(wrong)('%s', (_, block) => {
    const evidence = attack(block, 7)
    expect(guiltyOf(evidence, where)).toBe('E6 7/2 1,2,3')
    expect(decodeEvidence(encodeEvidence(evidence))).toEqual(evidence)
  })
  const bad = child(parent, { section: { epoch: 3 } })
  test('a block of its parent’s second where blocks may come faster than seconds', () => {
    const block = child(parent, {
      header: { time: parent.header.time, extraData: encodeExtra({ originRound: 0, ms: 900 }) },
    })
    expect(guiltyOf(attack(block), { ...where, intervalMs: 100 })).toBe('E6 7/2 1,2,3')
  })
  test('what does not follow from the parent’s fields convicts without them, the rest does not', () => {
    const without = (block: Block): string => guiltyOf({ ...attack(block, 7), parent: null }, where)
    for (const of of [{ epoch: 3 }, { validatorsHash: A }, { proposerIndex: other(7) }, { lastCommit: null }])
      expect(without(child(parent, { section: of }))).toBe('E6 7/2 1,2,3')
    expect(without(child(parent, { header: { prevRandao: A } }))).toBe('unknown')
    expect(without(child(parent, { header: { time: parent.header.time } }))).toBe('unknown')
    const extraData = encodeExtra({ originRound: 3, ms: 5 })
    const later = child(parent, { header: { extraData }, section: { proposerIndex: drawnAt(7, 3) } })
    expect([without(later), guiltyOf(attack(later), where)]).toEqual(['unknown', 'unknown'])
  })
  test('where the hashes of its time are forgotten only what its own section lacks convicts', () => {
    const old: EvidenceContext = { ...where, hashOf: () => null }
    expect(guiltyOf(attack(bad), old)).toBe('unknown')
    expect(guiltyOf(attack(at(7)), old)).toBe('unknown')
    expect(guiltyOf(attack(child(parent, { section: { lastCommit: null } })), old)).toBe('E6 7/2 1,2,3')
  })
  const fork = child(at(5), { header: { stateRoot: B } })
  const first = child(at(9), { header: { stateRoot: B } })
  const right: readonly (readonly [string, Evidence, string])[] = [
    ['the block of the chain', attack(at(7), 7), 'malformed'],
    ['another state root', attack(child(parent, { header: { stateRoot: B } })), 'unknown'],
    ['a parent on a fork', attack(child(fork)), 'unknown'],
    [
      'the first of its epoch, under another lastCommit on a fork',
      attack(child(first, { section: { lastCommit: null } })),
      'unknown',
    ],
    [
      'a set that another past made',
      attack(child(fork, { section: { validatorsHash: A, lastCommit: null } })),
      'unknown',
    ],
    ['too few that signed', attack(bad, 7, qcOf('commit', bad.hash, [1, 2], { height: 7, round: 2 })), 'forged'],
    ['a header beside it that is not the parent', { ...attack(bad, 7), parent: at(5).header }, 'malformed'],
    ['a certificate over another block', attack(bad, 7, qcOf('commit', A, [1, 2, 3], { height: 7 })), 'malformed'],
    ['a certificate of PREPAREs', attack(bad, 7, qcOf('prepare', bad.hash, [1, 2, 3], { height: 7 })), 'malformed'],
    [
      'a section that the header does not commit to',
      {
        ...attack(child(parent, { header: { stateRoot: B } })),
        section: { ...(at(7).section as Section), epoch: 3 },
      } as Evidence,
      'malformed',
    ],
  ]
  test.each(right)('not: %s', (_, evidence, verdict) => {
    expect(guiltyOf(evidence, where)).toBe(verdict)
  })
})

describe('who broke an agreement', () => {
  const disagreement = (more: readonly Message[]): string => {
    const found = offencesBetween(more, COUNT)
    for (const { evidence, offence, members } of found) {
      const verdict = checkEvidence(evidence, context)
      expect(verdict.kind === 'proven' && verdict.offence).toBe(offence)
      expect(verdict.kind === 'proven' && verdict.guilty).toEqual(members.map(member))
    }
    expect(3n * guiltyPower(found, set) >= set.powerTotal).toBe(true)
    return found.map(({ offence, members }) => `${offence} ${members.join(',')}`).join('; ')
  }
  const qc = (it: Qc): Message => ({ kind: 'qc', qc: it })
  test('two certificates of one round', () => {
    const messages = [qc(qcOf('commit', A, [0, 1, 2])), qc(qcOf('commit', B, [1, 2, 3]))]
    expect(disagreement(messages)).toBe('E2 1,2')
  })
  test('two rounds: the timeout certificate that hid the first', () => {
    const tc = tcOf([null, null, null], [1, 2, 3], { round: 0 })
    const messages = [
      qc(qcOf('commit', A, [0, 1, 2])),
      qc(qcOf('commit', B, [1, 2, 3], { round: 1 })),
      { kind: 'tc', tc } as const,
    ]
    expect(disagreement(messages)).toBe('E4 1,2')
  })
  test('two rounds: two PrepareQCs of the first, one of them as a justification', () => {
    const justify = qcOf('prepare', B, [1, 2, 3])
    const tc = formTc(
      0,
      [1, 2, 3].map((i) => ({ ...timeout(0, i), qc: justify })),
      set,
    )
    const place = { height: 5, round: 1, blockHash: B, justify, tc, validator: 1 }
    const messages = [
      qc(qcOf('commit', A, [0, 1, 2])),
      qc(qcOf('commit', B, [1, 2, 3], { round: 1 })),
      signed({ kind: 'proposal', proposal: place }, 1),
      qc(qcOf('prepare', A, [0, 1, 2])),
    ]
    expect(disagreement(messages)).toBe('E1 1,2')
  })
})

describe('a ledger', () => {
  test('finds each offence of each member once, and knows a suspect before it is checked', () => {
    const ledger = createLedger(COUNT)
    expect(ledger.add(ofQc(qcOf('prepare', A, [0, 1, 2]))).isNews).toBe(true)
    expect(ledger.add(ofVote(vote('prepare', A, 1))).isNews).toBe(false)
    expect(ledger.covers(ofQc(qcOf('prepare', A, [0, 1, 2])))).toBe(true)
    expect(ledger.covers(ofQc(qcOf('prepare', A, [0, 1, 3])))).toBe(false)
    const second = ofVote(vote('prepare', B, 1))
    expect(ledger.isSuspect(second)).toBe(true)
    expect(ledger.add(second).found).toMatchObject([{ offence: 'E1', members: [1], height: 5, round: 0 }])
    expect(ledger.isSuspect(second)).toBe(false)
    expect(ledger.add(ofQc(qcOf('prepare', B, [1, 2, 3]))).found).toMatchObject([{ offence: 'E1', members: [2] }])
  })
  test('keeps a bounded number of statements of a member, whatever he signs', () => {
    const ledger = createLedger(COUNT)
    const statement = (round: number, byte: number): Statement => {
      const blockHash = asHash(new Uint8Array(32).fill(byte))
      return { kind: 'prepare', height: 5, round, blockHash }
    }
    const signature = new Uint8Array(96)
    for (let round = 0; round < 1_000; round++)
      for (let byte = 0; byte < 5; byte++)
        ledger.add({ statement: statement(round, byte), bitmap: bitmapOf([2], COUNT), signature })
    expect(ledger.all().length).toBe(1_024)
    expect(ledger.all().filter((said) => said.statement.round === 7).length).toBe(2)
  })
})

test('an honest validator, whatever it sees and in whatever order its votes arrive, is never found guilty', () => {
  // Signs by the record alone: (round, step) only rises; a TIMEOUT names no certificate below the last COMMIT, and none above its round.
  const step = fc.record({
    jump: fc.nat({ max: 2 }),
    kind: fc.constantFrom('propose', 'prepare', 'commit', 'timeout'),
    block: fc.constantFrom(A, B),
    named: fc.nat({ max: 8 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.infiniteStream(fc.nat()), (steps, order) => {
      const ranks = ['propose', 'prepare', 'commit', 'timeout']
      let [round, rank, lock] = [0, -1, -1]
      const said: Statement[] = []
      for (const { jump, kind, block, named } of steps) {
        round += jump
        if (jump > 0) rank = -1
        if (ranks.indexOf(kind) <= rank) continue
        rank = ranks.indexOf(kind)
        const place = { height: 5, round }
        if (kind === 'propose') said.push({ ...place, kind, blockHash: block, justifyRound: null, tcHash: null })
        if (kind === 'prepare' || kind === 'commit') said.push({ ...place, kind, blockHash: block })
        if (kind === 'commit') lock = round
        const hqc = Math.min(Math.max(named - 1, lock), round)
        if (kind === 'timeout') said.push({ ...place, kind, hqcRound: hqc < 0 ? null : hqc })
      }
      const ledger = createLedger(1)
      const keys = said.map((statement) => ({ statement, at: order.next().value ?? 0 })).sort((a, b) => a.at - b.at)
      for (const { statement } of keys)
        expect(ledger.add({ statement, bitmap: Uint8Array.of(1), signature: new Uint8Array(96) }).found).toEqual([])
    }),
    { numRuns: 2_000 },
  )
})

describe('bytes', () => {
  const sized = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
  const place = { height: fc.nat(), round: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 0xfffffffe })) }
  const blockHash = sized(32).map(asHash)
  const none = fc.option(fc.nat({ max: 0xfffffffe }), { nil: null })
  const statement: fc.Arbitrary<Statement> = fc.oneof(
    fc.record({ kind: fc.constantFrom('prepare' as const, 'commit' as const), ...place, blockHash }),
    fc.record({ kind: fc.constant('timeout' as const), ...place, hqcRound: none }),
    fc.record({
      ...{ kind: fc.constant('propose' as const), ...place, blockHash, justifyRound: none },
      tcHash: fc.option(blockHash, { nil: null }),
    }),
  )
  const testimony = fc.record({ statement, bitmap: fc.uint8Array({ maxLength: 160 }), signature: sized(96) })
  const { at } = createHeaders()
  const pair = fc.tuple(testimony, testimony).map(([a, b]): Evidence => evidenceOf(a, b))
  const header = fc.tuple(fc.nat({ max: 11 }), fc.boolean()).map(([height, isWhole]): Evidence => {
    const { header: head, hash, section } = at(height + 1)
    return {
      kind: 'header',
      header: head,
      section: section as Section,
      qc: qcOf('commit', hash, [0, 1, 2], { height }),
      parent: isWhole ? at(height).header : null,
    }
  })
  const any = fc.oneof({ arbitrary: pair, weight: 9 }, header)

  /** What a peer's bytes may end in: one encoding for each evidence, a named refusal, and a verdict whatever it says. */
  const survives = (bytes: Uint8Array): void => {
    try {
      const evidence = decodeEvidence(bytes)
      expect(encodeEvidence(evidence)).toEqual(bytes)
      expect(checkEvidence(evidence, context).kind).not.toBe('proven')
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      expect(error.code).toBe('EVIDENCE_MALFORMED')
    }
  }
  test('decode to what was encoded; a part alone too', () => {
    fc.assert(
      fc.property(any, testimony, (evidence, part) => {
        expect(decodeEvidence(encodeEvidence(evidence))).toEqual(evidence)
        expect(decodeTestimony(encodeTestimony(part))).toEqual(part)
      }),
      { numRuns: 300 },
    )
  })
  test('garbage is refused by name', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), survives), { numRuns: 2_000 })
  })
  test('evidence with a byte changed, cut or added is refused, or is other evidence and proves nothing', () => {
    const proven = encodeEvidence(evidenceOf(ofVote(vote('prepare', A, 2)), ofVote(vote('prepare', B, 2))))
    expect(guiltyOf(decodeEvidence(proven))).toBe('E1 5/0 2')
    const change = (bytes: Uint8Array, i: number, by: number, cut: number): void => {
      const changed = bytes.slice()
      changed[i % bytes.length] = (changed[i % bytes.length] as number) ^ by
      survives(changed)
      survives(bytes.slice(0, cut % bytes.length))
      survives(Uint8Array.of(...bytes, by))
    }
    const [byte, more] = [fc.nat(), fc.integer({ min: 1, max: 255 })]
    fc.assert(
      fc.property(any, byte, more, byte, (evidence, i, by, cut) => change(encodeEvidence(evidence), i, by, cut)),
    )
    fc.assert(fc.property(byte, more, byte, (i, by, cut) => change(proven, i, by, cut)))
  })
  test('more bytes than any proof has are refused unread; so are two parts in the wrong order', () => {
    const refused = (bytes: Uint8Array): void =>
      expect(() => decodeEvidence(bytes)).toThrowError(expect.objectContaining({ code: 'EVIDENCE_MALFORMED' }))
    const wide = (blockHash: Hash): Testimony => ({
      ...ofVote(vote('prepare', blockHash, 2)),
      bitmap: new Uint8Array(EVIDENCE_MAX_BYTES / 2),
    })
    refused(encodeEvidence(evidenceOf(wide(A), wide(B))))
    const right = evidenceOf(ofVote(vote('prepare', A, 2)), ofVote(vote('prepare', B, 2)))
    if (right.kind !== 'conflict') expect.fail('a conflict')
    refused(encodeEvidence({ kind: 'conflict', first: right.second, second: right.first }))
    refused(encodeEvidence({ kind: 'conflict', first: right.first, second: right.first }))
  })
})

test('statements of two kinds or two heights exclude each other only as amnesia does', () => {
  const commit: Statement = { kind: 'commit', height: 5, round: 1, blockHash: A }
  expect(conflictOf(commit, { kind: 'timeout', height: 6, round: 1, hqcRound: null })).toBeNull()
  expect(conflictOf(commit, { kind: 'prepare', height: 5, round: 1, blockHash: B })).toBeNull()
  expect(bytesToHex(A)).not.toBe(bytesToHex(B))
})
