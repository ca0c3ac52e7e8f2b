// The functions of slashing: what each call answers, logs, pays and refuses. Downtime has a test of its own.
import { readFileSync } from 'node:fs'
import { Interface } from 'ethers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { type Bonded, createBonded, endOf, GOVERNANCE, said, secretOf } from '../../../test/kit/bonded.ts'
import { type Answer, account } from '../../../test/kit/native.ts'
import { asHash, bytesToHex, concat, type Hash, hexToBytes } from '../../base/bytes.ts'
import { curves } from '../../base/crypto.ts'
import {
  BLOCK_HASHES,
  encodeExtra,
  HASHES_KEPT,
  type Header,
  headerHash,
  nextRandao,
  type Section,
  sectionHash,
} from '../../types/block.ts'
import {
  digestOf,
  EVIDENCE_MAX_BYTES,
  type Evidence,
  encodeEvidence,
  evidenceOf,
  type Statement,
  type Testimony,
} from '../../types/evidence.ts'
import { intrinsicGas } from '../../types/tx.ts'
import { createRotation, createValidatorSet, epochOf, validatorsHash } from '../../types/validators.ts'
import { bitmapOf, type Domain, type Qc } from '../../types/vote.ts'
import { encodeCall } from '../kit/abi.ts'
import { freeWords } from '../kit/module.ts'
import { abi } from './abi.ts'

const NOVA = 10n ** 18n
const REPORTER = 8
const [A, B] = [0xaa, 0xbb].map((byte) => asHash(new Uint8Array(32).fill(byte))) as [Hash, Hash]
const AT = '0x0000000000000000000000000000000000000802'

/** What these operators sign together, as members of the set of the height. */
const signed = (
  bonded: Bonded,
  statement: Statement,
  by: readonly number[],
  domain: Domain = bonded.world.block.domain,
): Testimony => {
  const members = bonded.membersAt(statement.height)
  const shares = by.map((operator) => curves().blsSign(secretOf(operator), digestOf(statement, domain)))
  return {
    statement,
    bitmap: bitmapOf(
      by.map((operator) => members.indexOf(operator)),
      members.length,
    ),
    signature: curves().blsAggregate(shares),
  }
}
const vote = (kind: 'prepare' | 'commit', height: number, blockHash: Hash, round = 0): Statement => {
  return { kind, height, round, blockHash }
}
const propose = (height: number, blockHash: Hash): Statement => {
  return { kind: 'propose', height, round: 0, blockHash, justifyRound: null, tcHash: null }
}
const timeout = (height: number, hqcRound: number | null, round = 1): Statement => {
  return { kind: 'timeout', height, round, hqcRound }
}
const two = (bonded: Bonded, a: Statement, b: Statement, by: readonly number[]): Evidence =>
  evidenceOf(signed(bonded, a, by), signed(bonded, b, by))
const doubleSign = (bonded: Bonded, by: readonly number[], height = 1): Evidence =>
  two(bonded, vote('prepare', height, A), vote('prepare', height, B), by)
const submit = (bonded: Bonded, evidence: Evidence | Uint8Array, from = REPORTER): Promise<Answer> =>
  bonded.send(from, 'slashing', 'submitEvidence', evidence instanceof Uint8Array ? evidence : encodeEvidence(evidence))
const balance = ({ world }: Bonded, who: number): bigint => world.state.load(account(who)).balance
const open = (choice: Parameters<typeof createBonded>[0] = {}): Bonded => {
  const bonded = createBonded({ ...choice, block: { baseFeeWei: 10n ** 9n } })
  for (let i = 0; i < 4; i++) bonded.seal()
  return bonded
}
/** All that is his is there: bonded, unbonding, rewards. */
const isConserved = async (bonded: Bonded): Promise<void> => {
  const [bond, unbonding, rewards] = await bonded.read('staking', 'totals')
  expect(bonded.world.state.load(account(0x801)).balance).toBe(bond + unbonding + rewards)
}

/** A header at the height of the head + 1 whose parent is one that state knows, signed by three of four. */
const attack = (bonded: Bonded, of: { header?: Partial<Header>; section?: Partial<Section> } = {}): Evidence => {
  const { world, membersAt } = bonded
  const zero = asHash(new Uint8Array(32))
  const base: Header = {
    ...{ parentHash: zero, stateRoot: zero, transactionsRoot: zero, receiptsRoot: zero, prevRandao: zero },
    ...{ coinbase: account(1), bloom: new Uint8Array(256), number: 2, gasLimit: 1n, gasUsed: 0n, time: 1_000_000 },
    ...{ extraData: encodeExtra({ originRound: 0, ms: 0 }), baseFeeWei: 1n, parentBeaconBlockRoot: zero },
  }
  const parentHash = headerHash(base)
  world.state.begin()
  freeWords(world.state, BLOCK_HASHES).set(BigInt(base.number % HASHES_KEPT), BigInt(bytesToHex(parentHash)))
  world.state.end()
  const members = membersAt(3)
  const set = createValidatorSet(
    members.map((operator) => {
      return { address: account(operator), blsKey: curves().blsPublicKey(secretOf(operator)), power: 1_000_000n }
    }),
  )
  const qcOf = (height: number, blockHash: Hash): Qc => {
    const { bitmap, signature } = signed(bonded, vote('commit', height, blockHash), [1, 2, 3])
    return { type: 'commit', height, round: 0, blockHash, bitmap, signature }
  }
  const reveal = new Uint8Array(96)
  const section: Section = {
    ...{
      version: 1,
      epoch: 0,
      proposerIndex: createRotation(set, zero).proposer(2),
      nextValidatorsHash: null,
      reveal,
      lastCommit: qcOf(2, parentHash),
    },
    ...{ validatorsHash: validatorsHash(set), ...of.section },
  }
  const header: Header = {
    ...{ ...base, parentHash, number: 3, time: base.time + 3, prevRandao: nextRandao(base, reveal) },
    ...{ parentBeaconBlockRoot: sectionHash(section), ...of.header },
  }
  return { kind: 'header', header, section, qc: qcOf(3, headerHash(header)), parent: base }
}

describe('evidence of one offender', () => {
  const offences: readonly (readonly [string, (bonded: Bonded) => Evidence])[] = [
    ['E1', (bonded) => doubleSign(bonded, [2])],
    ['E2', (bonded) => two(bonded, vote('commit', 1, A), vote('commit', 1, B), [2])],
    ['E3', (bonded) => two(bonded, propose(1, A), propose(1, B), [2])],
    ['E4', (bonded) => two(bonded, vote('commit', 1, A), timeout(1, null), [2])],
  ]
  test.each(offences)('%s slashes a tenth, tombstones, pays the reporter and burns the rest', async (offence, make) => {
    const bonded = open()
    const before = balance(bonded, REPORTER)
    const burnt = (await bonded.read('staking', 'totals'))[4]
    const answer = await submit(bonded, make(bonded))
    expect(endOf(answer)).toBe('success')
    const slashed = 100_000n * NOVA
    const reward = 1_000n * NOVA // a twentieth would be 5,000
    const [, refund] = said(answer.logs, 'Rewarded')[0]?.split(' ').slice(2).map(BigInt) ?? []
    expect(said(answer.logs)).toEqual([
      'ValidatorTombstoned 2 0',
      `StakeSlashed 2 ${slashed}`,
      `Punished 2 8 ${offence} 1 0 ${slashed}`,
      `Rewarded 8 ${reward} ${refund}`,
    ])
    expect(balance(bonded, REPORTER) - before).toBe(reward + (refund ?? 0n))
    expect((await bonded.read('staking', 'totals'))[4] - burnt).toBe(slashed - reward - (refund ?? 0n))
    expect((await bonded.read('slashing', 'signingInfo', account(2)))[0]).toMatchObject({
      ...{ jailed: false, tombstoned: true, since: 0n, missed: 0n },
    })
    expect(await bonded.read('slashing', 'isPunished', account(2), 1n, 0n)).toEqual([true])
    await isConserved(bonded)
    expect(endOf(await submit(bonded, make(bonded)))).toBe('AlreadyPunished')
    expect(endOf(await submit(bonded, doubleSign(bonded, [2], 3)))).toBe('AlreadyPunished') // of another height
  })

  test('the refund is the fee at the base fee, to within a hundredth, and all of it is under 500,000 gas among 1,247', async () => {
    const bonded = open({ validators: 1_247, values: { 'staking.maxValidators': 2_048n } })
    await submit(bonded, doubleSign(bonded, [7])) // so that this burn is not the network's first
    while (bonded.world.block.number < 10) bonded.seal() // the dearest: two sets have it as a member
    const evidence = encodeEvidence(doubleSign(bonded, [850]))
    const answer = await submit(bonded, evidence)
    const data = encodeCall(abi.functions.submitEvidence, [evidence])
    const { gas } = intrinsicGas({ to: account(0x802), data, accessList: [], authorizations: [] })
    const spent = gas + answer.gasUsed
    expect(Number(spent)).toBeLessThan(500_000)
    const refund = BigInt(said(answer.logs, 'Rewarded')[0]?.split(' ')[3] ?? 0)
    const difference = Number(refund / 10n ** 9n - spent)
    expect(Math.abs(difference)).toBeLessThan(Number(spent) / 100)
    const again = await submit(bonded, evidence)
    expect(Number(again.gasUsed)).toBeLessThan(60_000) // who comes second pays no signatures
  })

  test('where nothing of the stake is left, nobody earns and the offender is tombstoned all the same', async () => {
    const bonded = open({ values: { 'slashing.reporterCap': 10n ** 27n, 'slashing.doubleSign': 10_000n } })
    const before = balance(bonded, REPORTER)
    const first = await submit(bonded, doubleSign(bonded, [2]))
    expect(said(first.logs, 'Rewarded')[0]).toMatch(`Rewarded 8 ${50_000n * NOVA} `)
    expect((await bonded.read('staking', 'validator', account(2)))[0].stake).toBe(0n)
    expect(balance(bonded, REPORTER)).toBeGreaterThan(before + 50_000n * NOVA)
    await isConserved(bonded)
  })

  test('where nobody shares and gas is free, all of it burns', async () => {
    const bonded = createBonded({ values: { 'slashing.reporterShare': 0n } })
    bonded.seal()
    const answer = await submit(bonded, doubleSign(bonded, [2]))
    expect(said(answer.logs, 'Punished', 'Rewarded')).toEqual([`Punished 2 8 E1 1 0 ${100_000n * NOVA}`])
    expect((await bonded.read('staking', 'totals'))[4]).toBe(100_000n * NOVA)
    await isConserved(bonded)
  })

  test('E5 jails once for each height and round, and costs the fee alone', async () => {
    const bonded = open()
    const { world, send, read } = bonded
    const evidence = two(bonded, timeout(1, null), timeout(1, 0), [3])
    const answer = await submit(bonded, evidence)
    const until = world.block.time + 600
    const fee = said(answer.logs, 'Rewarded')[0]?.split(' ')[3]
    expect(said(answer.logs)).toEqual([
      ...['ValidatorJailed 3', `Jailed 3 ${until}`, 'Punished 3 8 E5 1 1 0'],
      ...[`StakeSlashed 3 ${fee}`, `Rewarded 8 0 ${fee}`],
    ])
    const spent = answer.gasUsed + 26_000n
    expect(Math.abs(Number(BigInt(fee ?? 0) / 10n ** 9n - spent))).toBeLessThan(Number(spent) / 20)
    await isConserved(bonded)
    expect(endOf(await submit(bonded, evidence))).toBe('AlreadyPunished')
    expect(await read('slashing', 'isPunished', account(3), 1n, 1n)).toEqual([true])
    expect(await read('slashing', 'isPunished', account(3), 1n, 2n)).toEqual([false])
    expect(endOf(await send(3, 'slashing', 'unjail'))).toBe(`StillJailed 3 ${until}`)
    world.go({ time: until })
    const freed = await send(3, 'slashing', 'unjail')
    expect(said(freed.logs)).toEqual(['ValidatorReleased 3', 'Unjailed 3'])
    expect(endOf(await submit(bonded, evidence))).toBe('AlreadyPunished')
    const second = await submit(bonded, two(bonded, timeout(1, null, 2), timeout(1, 0, 2), [3]))
    expect(said(second.logs, 'Punished')).toEqual(['Punished 3 8 E5 1 2 0'])
    await submit(bonded, doubleSign(bonded, [3]))
    expect(endOf(await submit(bonded, two(bonded, timeout(2, null), timeout(2, 0), [3])))).toBe('AlreadyPunished')
    expect(endOf(await send(3, 'slashing', 'unjail'))).toBe('Tombstoned 3')
  })

  test('two TIMEOUTs of who is in jail are punished with it: no flood of reports eats what others delegated', async () => {
    const bonded = open()
    const jailed = (round: number): Evidence => two(bonded, timeout(1, null, round), timeout(1, 0, round), [3])
    await submit(bonded, jailed(1))
    bonded.world.go({ time: bonded.world.block.time + 10 })
    const before = await bonded.read('staking', 'totals')
    expect(endOf(await submit(bonded, jailed(2)))).toBe('AlreadyPunished')
    expect(await bonded.read('staking', 'totals')).toEqual(before)
    bonded.world.go({ time: bonded.world.block.time + 600 })
    expect((await bonded.send(3, 'slashing', 'unjail')).status).toBe('success')
    expect(said((await submit(bonded, jailed(3))).logs, 'StakeSlashed')).toHaveLength(1)
  })

  test('E6 convicts who committed what the parent forbids, and nobody for another state root', async () => {
    const bonded = open()
    const bad = attack(bonded, { section: { epoch: 3 } })
    const answer = await submit(bonded, bad)
    expect(said(answer.logs, 'Punished').map((line) => line.split(' ').slice(0, 6).join(' '))).toEqual(
      [1, 2, 3].map((operator) => `Punished ${operator} 8 E6 3 0`),
    )
    const other = open()
    expect(endOf(await submit(other, attack(other, { header: { stateRoot: B } })))).toMatch(/^EvidenceUnknown .*valid/)
    const early = attack(other, { header: { time: 1_000_000 } })
    expect(endOf(await submit(other, early))).toBe('success')
    const unseen = attack(other)
    const without = unseen.kind === 'header' ? { ...unseen, parent: null } : expect.fail('a header')
    expect(endOf(await submit(other, without))).toBe('AlreadyPunished')
  })
})

describe('evidence of many', () => {
  test('64 are punished at a time, the others by the next call; the caller earns once for each', async () => {
    const bonded = open({ validators: 70, values: { 'slashing.reporterCap': 5n * NOVA } })
    const all = Array.from({ length: 70 }, (_, i) => i + 1)
    const evidence = doubleSign(bonded, all)
    const first = await submit(bonded, evidence)
    expect(said(first.logs, 'Punished')).toHaveLength(64)
    expect(said(first.logs, 'Rewarded')[0]).toMatch(`Rewarded 8 ${5n * NOVA} `)
    const second = await submit(bonded, evidence)
    expect(said(second.logs, 'Punished').map((line) => line.split(' ')[1])).toEqual([
      '65',
      '66',
      '67',
      '68',
      '69',
      '70',
    ])
    expect(endOf(await submit(bonded, evidence))).toBe('AlreadyPunished')
    await isConserved(bonded)
  })

  test('whoever was punished before is passed over', async () => {
    const bonded = open()
    await submit(bonded, doubleSign(bonded, [1]))
    const answer = await submit(bonded, two(bonded, vote('commit', 2, A), vote('commit', 2, B), [1, 2]))
    expect(said(answer.logs, 'Punished', 'ValidatorTombstoned')).toEqual([
      'ValidatorTombstoned 2 0',
      `Punished 2 8 E2 2 0 ${100_000n * NOVA}`,
    ])
  })
})

describe('refused, with what is wrong', () => {
  const good = (bonded: Bonded): { first: Testimony; second: Testimony } => {
    const evidence = doubleSign(bonded, [2])
    return evidence.kind === 'conflict' ? evidence : expect.fail('a conflict')
  }
  const cases: readonly (readonly [string, (bonded: Bonded) => Evidence | Uint8Array, RegExp])[] = [
    ['nothing', () => new Uint8Array(0), /^EvidenceMalformed/],
    ['garbage', () => Uint8Array.of(1, 2, 3), /^EvidenceMalformed/],
    ['more bytes than any proof has', () => new Uint8Array(EVIDENCE_MAX_BYTES + 1), /^EvidenceMalformed .*8193 bytes/],
    [
      'the two parts in the wrong order',
      (bonded) => {
        const { first, second } = good(bonded)
        return encodeEvidence({ kind: 'conflict', first: second, second: first })
      },
      /^EvidenceMalformed .*not in order/,
    ],
    [
      'a forged signature',
      (bonded) => {
        const { first, second } = good(bonded)
        return { kind: 'conflict', first, second: { ...second, signature: first.signature } }
      },
      /^EvidenceForged .*verify/,
    ],
    [
      'a signature of another network',
      (bonded) => {
        const elsewhere = { ...bonded.world.block.domain, chainId: 2n }
        return evidenceOf(
          signed(bonded, vote('prepare', 1, A), [2]),
          signed(bonded, vote('prepare', 1, B), [2], elsewhere),
        )
      },
      /^EvidenceForged/,
    ],
    [
      'two votes of one network of the same name',
      (bonded) => {
        const elsewhere = { ...bonded.world.block.domain, genesisHash: A }
        const [a, b] = [A, B].map((hash) => signed(bonded, vote('prepare', 1, hash), [2], elsewhere))
        return evidenceOf(a as Testimony, b as Testimony)
      },
      /^EvidenceForged/,
    ],
    [
      'a stranger',
      (bonded) => {
        const { first, second } = good(bonded)
        const bitmap = Uint8Array.of(0x10)
        return evidenceOf({ ...first, bitmap }, { ...second, bitmap })
      },
      /^EvidenceMalformed .*does not fit 4 validators/,
    ],
    [
      'a valid pair',
      (bonded) => two(bonded, vote('prepare', 1, A), vote('commit', 1, A), [2]),
      /honest validator may sign both/,
    ],
    [
      'two of different validators',
      (bonded) => {
        const { first } = good(bonded)
        return evidenceOf(first, signed(bonded, vote('prepare', 1, B), [3]))
      },
      /^EvidenceMalformed .*nobody signed both/,
    ],
    ['a height to come', (bonded) => doubleSign(bonded, [2], 9), /^EvidenceUnknown .*height 9/],
    ['height 0', (bonded) => doubleSign(bonded, [2], 0), /^EvidenceMalformed .*height 0/],
  ]
  test.each(cases)('%s', async (_, make, end) => {
    const bonded = open()
    const before = await bonded.read('staking', 'totals')
    const answer = await submit(bonded, make(bonded))
    expect(endOf(answer)).toMatch(end)
    expect(answer.logs).toEqual([])
    expect(await bonded.read('staking', 'totals')).toEqual(before)
    for (const operator of [1, 2, 3, 4])
      expect((await bonded.read('slashing', 'signingInfo', account(operator)))[0].tombstoned).toBe(false)
  })

  test('what began more than the unbonding time ago', async () => {
    const bonded = open({ values: { 'staking.unbondingTime': 60n } })
    const evidence = doubleSign(bonded, [2])
    const [, , electedAt] = await bonded.read('staking', 'epoch')
    bonded.world.go({ time: Number(electedAt) + 61 })
    expect(endOf(await submit(bonded, evidence))).toBe(`EvidenceTooOld 1 ${electedAt} ${electedAt + 1n}`)
    bonded.world.go({ time: Number(electedAt) + 60 })
    expect(endOf(await submit(bonded, evidence))).toBe('success')
  })

  test('an epoch that is forgotten', async () => {
    const bonded = open({ values: { 'staking.unbondingTime': 60n }, epochBlocks: 10 })
    const evidence = doubleSign(bonded, [2])
    for (let i = 0; i < 80; i++) bonded.seal([], 1)
    expect(endOf(await submit(bonded, evidence))).toMatch(/^EvidenceUnknown .*height 1/)
  })

  test('while the module is paused; views go on', async () => {
    const bonded = open()
    const evidence = doubleSign(bonded, [2])
    await bonded.send(GOVERNANCE, 'params', 'pause', 'slashing', 60n, '')
    expect(endOf(await submit(bonded, evidence))).toMatch(/slashing is paused until/)
    expect(endOf(await bonded.send(1, 'slashing', 'unjail'))).toMatch(/slashing is paused until/)
    expect((await bonded.read('slashing', 'window'))[0]).toBe(10_000n)
  })

  test('unjail of a stranger, of who is free, of who was tombstoned', async () => {
    const bonded = open()
    expect(endOf(await bonded.send(7, 'slashing', 'unjail'))).toBe('NotValidator 7')
    expect(endOf(await bonded.send(1, 'slashing', 'unjail'))).toBe('NotJailed 1')
    await submit(bonded, doubleSign(bonded, [2]))
    expect(endOf(await bonded.send(2, 'slashing', 'unjail'))).toBe('Tombstoned 2')
    const [nobody] = await bonded.read('slashing', 'signingInfo', account(7))
    expect(Object.values(nobody)).toEqual([0n, 0n, 0n, false, false])
    expect(await bonded.read('slashing', 'isPunished', account(7), 1n, 1n)).toEqual([false])
  })
})

test('the set of an old epoch judges an old offence, also of who has left since', async () => {
  const bonded = createBonded({ validators: 5 })
  const { world, seal, setReady, membersAt } = bonded
  setReady(1, false)
  while (epochOf(world.block.number, 10) < 2) seal()
  expect(membersAt(world.block.number)).toEqual([2, 3, 4, 5])
  const old = doubleSign(bonded, [1, 3], 4) // places 0 and 2 of five
  const answer = await submit(bonded, old)
  expect(said(answer.logs, 'Punished').map((line) => line.split(' ')[1])).toEqual(['1', '3'])
  expect(said(answer.logs, 'ValidatorTombstoned')).toEqual(['ValidatorTombstoned 1 0', 'ValidatorTombstoned 3 0'])
  while (epochOf(world.block.number, 10) < 3) seal([3]) // whoever is tombstoned is not counted any more
  expect(membersAt(world.block.number)).toEqual([2, 4, 5])
})

test('a double sign in one epoch counts once, though it was signed with more heights and kinds', async () => {
  const bonded = open()
  const pairs = [
    doubleSign(bonded, [2], 1),
    doubleSign(bonded, [2], 2),
    two(bonded, propose(3, A), propose(3, B), [2]),
    two(bonded, vote('commit', 4, A), timeout(4, null), [2]),
  ]
  const ends = []
  for (const evidence of pairs) ends.push(endOf(await submit(bonded, evidence)))
  expect(ends).toEqual(['success', 'AlreadyPunished', 'AlreadyPunished', 'AlreadyPunished'])
  expect((await bonded.read('staking', 'validator', account(2)))[0].stake).toBe(900_000n * NOVA)
})

test('an offence of an earlier epoch takes nothing again, but reaches what left in between: who reports himself saves nothing', async () => {
  const bonded = open()
  const { world, seal, send } = bonded
  const until = (height: number): void => {
    while (world.block.number < height) seal()
  }
  const penalty = async () => (await bonded.read('staking', 'unbondings', account(2)))[0].map((each) => each.penalty)
  await send(2, 'staking', 'undelegate', account(2), 100_000n * NOVA) // in epoch 0
  until(15)
  await send(2, 'staking', 'undelegate', account(2), 800_000n * NOVA) // in epoch 1
  until(25)
  const later = await submit(bonded, doubleSign(bonded, [2], 22))
  expect(said(later.logs, 'Punished')).toEqual([`Punished 2 8 E1 22 0 ${10_000n * NOVA}`])
  expect(await penalty()).toEqual([0n, 0n])
  expect(await bonded.read('slashing', 'isPunished', account(2), 12n, 0n)).toEqual([false])
  const burnt = (await bonded.read('staking', 'totals'))[4]
  const earlier = await submit(bonded, doubleSign(bonded, [2], 12))
  const fee = said(earlier.logs, 'Rewarded')[0]?.split(' ')[3]
  expect(said(earlier.logs)).toEqual([
    ...['ValidatorTombstoned 2 1', 'Punished 2 8 E1 12 0 0'],
    ...[`StakeSlashed 2 ${fee}`, `Rewarded 8 0 ${fee}`],
  ])
  expect((await bonded.read('staking', 'totals'))[4]).toBe(burnt)
  expect(await penalty()).toEqual([0n, 80_000n * NOVA])
  expect(await bonded.read('slashing', 'isPunished', account(2), 12n, 0n)).toEqual([true])
  for (const height of [12, 13, 23])
    expect(endOf(await submit(bonded, doubleSign(bonded, [2], height)))).toBe('AlreadyPunished')
  const timeouts = two(bonded, timeout(1, null), timeout(1, 0), [2])
  expect(endOf(await submit(bonded, timeouts))).toBe('AlreadyPunished')
  await isConserved(bonded)
})

test('a dry run in an epoch’s first block, whose beginning has not run, judges who has left the set', async () => {
  const bonded = open()
  const evidence = doubleSign(bonded, [2])
  bonded.setReady(2, false)
  while (bonded.world.block.number < 10) bonded.seal()
  expect(bonded.membersAt(11)).toEqual([1, 3, 4])
  bonded.world.go({ number: 11 })
  expect(endOf(await submit(bonded, evidence))).toBe('success')
})

describe('from inside contracts', () => {
  const source = readFileSync(new URL('../../../contracts/test/NativeCaller.sol', import.meta.url), 'utf8')
  const made = compile('NativeCaller.sol', source).NativeCaller
  if (made === undefined) throw new TypeError('NativeCaller.sol has a contract NativeCaller')
  const caller = new Interface(JSON.parse(JSON.stringify(made.abi)))
  const deploy = async (bonded: Bonded) => {
    const { created } = await bonded.world.send(1, null, hexToBytes(`0x${made.bytecode}`))
    if (created === null) throw new TypeError('it deploys')
    return async (name: string, data: Uint8Array) => {
      const input = hexToBytes(caller.encodeFunctionData(name, [AT, data]) as `0x${string}`)
      const answer = await bonded.world.send(8, bytesToHex(created), input)
      const [ok] = answer.status === 'success' ? caller.decodeFunctionResult(name, answer.output) : [false]
      return { ok, answer, created }
    }
  }
  test.each(['viaDelegate', 'viaCallcode', 'viaStatic', 'viaStaticThenCall'])('%s: refused', async (name) => {
    const bonded = open()
    const through = await deploy(bonded)
    const data = encodeCall(abi.functions.submitEvidence, [encodeEvidence(doubleSign(bonded, [2]))])
    expect((await through(name, data)).ok).toBe(false)
    expect((await bonded.read('slashing', 'signingInfo', account(2)))[0].tombstoned).toBe(false)
  })
  test('a contract that calls is the reporter, and one whose caller reverts has done nothing', async () => {
    const bonded = open()
    const through = await deploy(bonded)
    const data = encodeCall(abi.functions.submitEvidence, [encodeEvidence(doubleSign(bonded, [2]))])
    await through('viaCallThenRevert', data)
    expect((await bonded.read('slashing', 'signingInfo', account(2)))[0].tombstoned).toBe(false)
    const { ok, created } = await through('viaCall', data)
    expect(ok).toBe(true)
    expect(bonded.world.state.load(created).balance).toBeGreaterThan(1_000n * NOVA)
    await isConserved(bonded)
  })
  test('to a contract the gas of its call is paid back, not once more that of the transaction', async () => {
    const bonded = open()
    const through = await deploy(bonded)
    const evidence = two(bonded, timeout(1, null), timeout(1, 0), [3])
    const data = encodeCall(abi.functions.submitEvidence, [encodeEvidence(evidence)])
    const { answer } = await through('viaCall', data)
    const refund = BigInt(said(answer.logs, 'Rewarded')[0]?.split(' ')[3] ?? 0)
    expect(refund).toBeGreaterThan(0n)
    expect(refund).toBeLessThanOrEqual(answer.gasUsed * 10n ** 9n) // what it ran, without what it was sent in
  })
  test('from a constructor: it is the reporter before it has code', async () => {
    const bonded = open()
    const data = encodeCall(abi.functions.submitEvidence, [encodeEvidence(doubleSign(bonded, [2]))])
    const [size, code] = [data.length.toString(16).padStart(4, '0'), 0x21]
    const copy = `61${size}61${code.toString(16).padStart(4, '0')}600039`
    const call = `6000600061${size}600060006108025af150`
    const init = hexToBytes(`0x${copy}${call}60006000f3`)
    const padded = concat(init, new Uint8Array(code - init.length), data)
    const { created, logs } = await bonded.world.send(7, null, padded)
    expect(said(logs, 'Punished')).toHaveLength(1)
    expect(bonded.world.state.load(created ?? account(0)).balance).toBeGreaterThan(1_000n * NOVA)
  })
})

test('whatever bytes come: they end in a named refusal and change nothing', async () => {
  const bonded = open()
  const before = await bonded.read('staking', 'totals')
  const names = /^(EvidenceMalformed|EvidenceForged|EvidenceUnknown|EvidenceTooOld)/
  const refused = async (bytes: Uint8Array): Promise<void> => {
    const answer = await submit(bonded, bytes)
    expect(endOf(answer)).toMatch(names)
    expect(answer.logs).toEqual([])
  }
  const good = encodeEvidence(doubleSign(bonded, [2]))
  const header = encodeEvidence(attack(bonded, { section: { epoch: 3 } }))
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), refused), { numRuns: 300 })
  const changed = fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 255 }), cut: fc.nat(), of: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(changed, async ({ at, by, cut, of }) => {
      const bytes = (of ? good : header).slice()
      bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ by
      await refused(bytes)
      await refused(good.slice(0, cut % good.length))
      await refused(Uint8Array.of(...good, by))
    }),
    { numRuns: 200 },
  )
  expect(await bonded.read('staking', 'totals')).toEqual(before)
  expect(endOf(await submit(bonded, good))).toBe('success')
})

test('calldata that is no encoding of the arguments, and value sent along, are refused at the door', async () => {
  const { world } = open()
  const { selector } = abi.functions.submitEvidence
  const huge = concat(hexToBytes(selector), new Uint8Array(31), Uint8Array.of(32), new Uint8Array(32).fill(0xff))
  expect(endOf(await world.send(8, AT, huge))).toMatch(/^slashing: /)
  expect(endOf(await world.send(8, AT, hexToBytes(selector)))).toMatch(/^slashing: /)
  expect(endOf(await world.send(8, AT, hexToBytes('0x12345678')))).toMatch(/no function has selector/)
  const paid = await world.send(8, AT, encodeCall(abi.functions.unjail, []), { value: 1n })
  expect(endOf(paid)).toMatch(/not payable/)
})
