// Every function of the interface against every error it has: who calls, with what, after what.
import { expect, test } from 'vitest'
import { account, blockHashOf } from '../../../test/kit/native.ts'
import {
  conserved,
  keyOf,
  must,
  NOVA,
  openStaking,
  plain,
  possessionOf,
  type StakingWorld,
  slash,
} from '../../../test/kit/staking.ts'
import type { Address } from '../../base/bytes.ts'
import { abi } from './abi.ts'
import { jail } from './penalties.ts'

const [A, B, C, E, F] = [account(1), account(2), account(3), account(5), account(6)]
const NONE = new Uint8Array(32)
type Name = keyof typeof abi.functions & string
type Before = (w: StakingWorld) => unknown
/** The name of an error or event, with its values. */
type Word = readonly [name: string, args: Record<string, unknown>]

interface Case {
  readonly name: Name
  readonly says: string
  readonly by: number
  readonly args: readonly unknown[]
  readonly error?: Word
  readonly events?: readonly Word[]
  readonly value: bigint
  readonly before: Before
}
const nothing: Before = () => {}
const ok = (
  name: Name,
  says: string,
  by: number,
  args: readonly unknown[],
  events: readonly Word[],
  value = 0n,
  before = nothing,
): Case => ({ name, says, by, args, events, value, before })
const no = (
  name: Name,
  says: string,
  by: number,
  args: readonly unknown[],
  error: Word,
  value = 0n,
  before = nothing,
): Case => ({ name, says, by, args, error, value, before })

/** 5 delegates 50 NOVA to 1. */
const delegated = (w: StakingWorld) => must(w.call(5, 'delegate', [A], 50n * NOVA))
const left =
  (operator: number): Before =>
  (w) =>
    must(w.call(operator, 'exit', []))
const created: Before = (w) => must(w.create(6))
const tombstone = (w: StakingWorld, operator: Address) => slash(w, operator, 1_000n, { epoch: 0 })
const ended: Before = (w) => tombstone(w, A)
const jailed: Before = (w) => w.inside((ctx) => jail(ctx, A))
const moved: Before = async (w) => {
  await delegated(w)
  await must(w.call(5, 'redelegate', [A, B, 20n * NOVA]))
}
const unbondingFromMany =
  (delegator: Address) =>
  (w: StakingWorld): void => {
    w.inside(({ store }) => {
      const from = store.unbondingFrom.at(delegator)
      for (let i = 0; i < 64; i++) from.push().set(account(1_000 + i))
    })
  }
const belowMinimum: Before = (w) => must(w.call(2, 'undelegate', [B, 900n * NOVA + 1n]))

const newcomer = (
  changes: { key?: Uint8Array; proof?: Uint8Array; peer?: Uint8Array; bps?: bigint; moniker?: string } = {},
) => {
  const { key = keyOf(6), proof = possessionOf(6), peer = NONE, bps = 0n, moniker = 'new' } = changes
  return [key, proof, peer, bps, moniker]
}
const peer = new Uint8Array(32).fill(9)
/** Compressed, of either group. */
const infinity = (sizeBytes: number): Uint8Array => Uint8Array.of(0xc0, ...new Uint8Array(sizeBytes - 1))
const MIN = 100n * NOVA
const MATURES = 1_000_100n // the time of the first block, and 100 s of unbonding
const own = { delegator: E, validator: A }

const unproven: readonly (readonly [string, Parameters<typeof newcomer>[0]])[] = [
  ['the proof of another key', { proof: possessionOf(5, 6) }],
  ['a point that is none', { key: new Uint8Array(48).fill(0xff) }],
  ['a key and its proof, as somebody else has sent them', { key: keyOf(5), proof: possessionOf(5) }],
  ['a proof for another network', { proof: possessionOf(6, 6, { chainId: 2n, genesisHash: blockHashOf(0) }) }],
  ['the key at infinity, whose every signature is the point at infinity', { key: infinity(48), proof: infinity(96) }],
]

const cases: readonly Case[] = [
  ok(
    'createValidator',
    'createValidator bonds what came with it',
    6,
    newcomer({ peer, bps: 300n }),
    [
      [
        'ValidatorCreated',
        {
          operator: F,
          blsKey: keyOf(6),
          peerIdDigest: peer,
          commissionBps: 300n,
          moniker: 'new',
        },
      ],
      ['Delegated', { delegator: F, validator: F, amount: MIN, shares: MIN }],
    ],
    MIN,
  ),
  no('createValidator', 'an operator is one for ever', 1, newcomer(), ['AlreadyValidator', { operator: A }], MIN),
  no(
    'createValidator',
    'who left does not come back',
    1,
    newcomer(),
    ['AlreadyValidator', { operator: A }],
    MIN,
    left(1),
  ),
  no(
    'createValidator',
    'a wei too little',
    6,
    newcomer(),
    ['BelowMinimum', { given: MIN - 1n, minimum: MIN }],
    MIN - 1n,
  ),
  no(
    'createValidator',
    'commission above its maximum',
    6,
    newcomer({ bps: 5_001n }),
    ['CommissionTooHigh', { given: 5_001n, maximum: 5_000n }],
    MIN,
  ),
  no(
    'createValidator',
    'a name of 65 bytes',
    6,
    newcomer({ moniker: `${'ä'.repeat(32)}x` }),
    ['MonikerTooLong', { given: 65n, maximum: 64n }],
    MIN,
  ),
  no(
    'createValidator',
    'a key of 47 bytes',
    6,
    newcomer({ key: new Uint8Array(47) }),
    ['BadKey', { reason: '47 bytes, expected a compressed point of 48' }],
    MIN,
  ),
  no(
    'createValidator',
    'a founder’s key',
    6,
    newcomer({ key: keyOf(1), proof: possessionOf(1, 6) }),
    ['KeyUsed', { blsKey: keyOf(1) }],
    MIN,
  ),
  no(
    'createValidator',
    'a key that is tombstoned',
    6,
    newcomer({ key: keyOf(2), proof: possessionOf(2, 6) }),
    ['KeyUsed', { blsKey: keyOf(2) }],
    MIN,
    (w) => tombstone(w, B),
  ),
  no(
    'createValidator',
    'a peer of somebody else',
    6,
    newcomer({ peer }),
    ['PeerUsed', { peerIdDigest: peer }],
    MIN,
    (w) => must(w.create(5, { peer })),
  ),
  no(
    'createValidator',
    'a peer that somebody else had before',
    6,
    newcomer({ peer }),
    ['PeerUsed', { peerIdDigest: peer }],
    MIN,
    async (w) => {
      await must(w.create(5, { peer }))
      await must(w.call(5, 'editValidator', [0n, new Uint8Array(32).fill(8), 'moved']))
    },
  ),
  ...unproven.map(([says, changes]) =>
    no('createValidator', says, 6, newcomer(changes), ['BadProofOfPossession', {}], MIN),
  ),
  no(
    'createValidator',
    'more than any validator may hold',
    6,
    newcomer(),
    ['StakeTooHigh', { validator: F, maximum: 2n ** 120n }],
    2n ** 120n + 1n,
    (w) => w.give(6, 2n ** 121n),
  ),

  ok(
    'editValidator',
    'editValidator changes what is said',
    1,
    [100n, peer, 'other'],
    [['ValidatorEdited', { operator: A, peerIdDigest: peer, commissionBps: 100n, moniker: 'other' }]],
  ),
  no('editValidator', 'editing nobody', 6, [0n, NONE, ''], ['NotValidator', { operator: F }]),
  no(
    'editValidator',
    'a step too far',
    1,
    [101n, NONE, ''],
    ['CommissionStep', { given: 101n, present: 0n, step: 100n }],
  ),
  no(
    'editValidator',
    'a step that ends above the maximum',
    6,
    [5_001n, NONE, ''],
    ['CommissionTooHigh', { given: 5_001n, maximum: 5_000n }],
    0n,
    (w) => must(w.create(6, { commissionBps: 5_000n })),
  ),
  no(
    'editValidator',
    'a second step in one epoch',
    1,
    [51n, NONE, ''],
    ['CommissionChangedAlready', { epoch: 0n }],
    0n,
    (w) => must(w.call(1, 'editValidator', [50n, NONE, ''])),
  ),
  ok(
    'editValidator',
    'a step in each of two epochs',
    1,
    [200n, NONE, ''],
    [['ValidatorEdited', { operator: A, peerIdDigest: NONE, commissionBps: 200n, moniker: '' }]],
    0n,
    async (w) => {
      await must(w.call(1, 'editValidator', [100n, NONE, '']))
      w.until(11)
    },
  ),
  no('editValidator', 'a peer that is taken', 1, [0n, peer, ''], ['PeerUsed', { peerIdDigest: peer }], 0n, (w) =>
    must(w.call(2, 'editValidator', [0n, peer, ''])),
  ),
  no('editValidator', 'a long name', 1, [0n, NONE, 'x'.repeat(65)], ['MonikerTooLong', { given: 65n, maximum: 64n }]),
  no('editValidator', 'who left edits nothing', 1, [0n, NONE, ''], ['Exited', { operator: A }], 0n, left(1)),
  no('editValidator', 'who is tombstoned edits nothing', 1, [0n, NONE, ''], ['Tombstoned', { operator: A }], 0n, ended),

  no('attestReady', 'attesting for nobody', 6, [0n, NONE, NONE], ['NotValidator', { operator: F }]),
  no('attestReady', 'attesting again', 1, [0n, NONE, NONE], ['AlreadyReady', { operator: A }]),
  no('attestReady', 'attesting from jail', 1, [0n, NONE, NONE], ['Jailed', { operator: A }], 0n, jailed),
  no('attestReady', 'attesting after the end', 1, [0n, NONE, NONE], ['Tombstoned', { operator: A }], 0n, ended),
  no('attestReady', 'attesting after leaving', 1, [0n, NONE, NONE], ['Exited', { operator: A }], 0n, left(1)),
  no(
    'attestReady',
    'a block of long ago',
    6,
    [99n, blockHashOf(99), NONE],
    ['AttestationTooOld', { height: 99n, oldest: 100n }],
    0n,
    async (w) => {
      await must(w.create(6))
      w.go({ number: 200 })
    },
  ),
  no(
    'attestReady',
    'a block to come',
    6,
    [1n, blockHashOf(1), NONE],
    ['AttestationWrongBlock', { height: 1n, given: blockHashOf(1) }],
    0n,
    created,
  ),
  no(
    'attestReady',
    'a height that no number holds',
    6,
    [2n ** 64n - 1n, NONE, NONE],
    ['AttestationWrongBlock', { height: 2n ** 64n - 1n, given: NONE }],
    0n,
    created,
  ),
  no(
    'attestReady',
    'a block of another chain',
    6,
    [0n, blockHashOf(7), NONE],
    ['AttestationWrongBlock', { height: 0n, given: blockHashOf(7) }],
    0n,
    created,
  ),
  no(
    'attestReady',
    'a signature that is none',
    6,
    [0n, blockHashOf(0), new Uint8Array(96)],
    ['AttestationBadSignature', {}],
    0n,
    created,
  ),

  ok(
    'rotateBlsKey',
    'rotateBlsKey names the key that waits',
    1,
    [keyOf(20), possessionOf(20, 1)],
    [['KeyRotationBegun', { operator: A, nextBlsKey: keyOf(20) }]],
  ),
  no('rotateBlsKey', 'rotating for nobody', 6, [keyOf(20), possessionOf(20, 1)], ['NotValidator', { operator: F }]),
  no('rotateBlsKey', 'rotating to the present key', 1, [keyOf(1), possessionOf(1)], ['KeyUsed', { blsKey: keyOf(1) }]),
  no(
    'rotateBlsKey',
    'rotating to a key that waited once',
    1,
    [keyOf(20), possessionOf(20, 1)],
    ['KeyUsed', { blsKey: keyOf(20) }],
    0n,
    async (w) => {
      await must(w.call(1, 'rotateBlsKey', [keyOf(20), possessionOf(20, 1)]))
      await must(w.call(1, 'rotateBlsKey', [keyOf(21), possessionOf(21, 1)]))
    },
  ),
  no(
    'rotateBlsKey',
    'rotating to the key of somebody who is about to join',
    1,
    [keyOf(6), possessionOf(6)],
    ['BadProofOfPossession', {}],
  ),
  no('rotateBlsKey', 'rotating without proof', 1, [keyOf(20), possessionOf(21, 1)], ['BadProofOfPossession', {}]),
  no(
    'rotateBlsKey',
    'rotating to half a key',
    1,
    [new Uint8Array(0), NONE],
    ['BadKey', { reason: '0 bytes, expected a compressed point of 48' }],
  ),
  no(
    'rotateBlsKey',
    'rotating after leaving',
    1,
    [keyOf(20), possessionOf(20, 1)],
    ['Exited', { operator: A }],
    0n,
    left(1),
  ),
  no(
    'rotateBlsKey',
    'rotating after the end',
    1,
    [keyOf(20), possessionOf(20, 1)],
    ['Tombstoned', { operator: A }],
    0n,
    ended,
  ),

  ok(
    'exit',
    'exit unbonds the operator’s own',
    1,
    [],
    [
      ['ValidatorExited', { operator: A }],
      ['Undelegated', { delegator: A, validator: A, amount: 1_000n * NOVA, matures: MATURES }],
    ],
    0n,
    delegated,
  ),
  no('exit', 'leaving twice', 1, [], ['Exited', { operator: A }], 0n, left(1)),
  no('exit', 'a stranger leaves', 6, [], ['NotValidator', { operator: F }]),
  no(
    'exit',
    'the second of four in one epoch',
    2,
    [],
    ['LastQuorum', { remaining: 2_000n, total: 4_000n }],
    0n,
    left(1),
  ),
  ok('exit', 'leaving with nothing left', 1, [], [['ValidatorExited', { operator: A }]], 0n, (w) =>
    slash(w, A, 10_000n, { epoch: 0 }),
  ),
  ok(
    'exit',
    'exit, with seven entries',
    1,
    [],
    [
      ['ValidatorExited', { operator: A }],
      ['Undelegated', { delegator: A, validator: A, amount: 1_000n * NOVA - 7n, matures: MATURES }],
    ],
    0n,
    async (w) => {
      for (let i = 0; i < 7; i++) await must(w.call(1, 'undelegate', [A, 1n]))
    },
  ),

  ok(
    'exit',
    'exit, while amounts of sixty-four others unbond',
    1,
    [],
    [
      ['ValidatorExited', { operator: A }],
      ['Undelegated', { delegator: A, validator: A, amount: 1_000n * NOVA, matures: MATURES }],
    ],
    0n,
    unbondingFromMany(A),
  ),

  ok('delegate', 'delegate', 5, [A], [['Delegated', { ...own, amount: 1_000n, shares: 1_000n }]], 1_000n),
  ok(
    'delegate',
    'delegate to who is jailed',
    5,
    [A],
    [['Delegated', { ...own, amount: 1_000n, shares: 1_000n }]],
    1_000n,
    jailed,
  ),
  ok(
    'delegate',
    'delegate where a share is worth less than a wei',
    5,
    [A],
    [['Delegated', { ...own, amount: 1_001n, shares: 2_002n }]],
    1_001n,
    (w) => slash(w, A, 5_000n),
  ),
  no('delegate', 'delegate to nobody', 5, [F], ['NotValidator', { operator: F }], 1_000n),
  no('delegate', 'delegate too little', 5, [A], ['BelowMinimum', { given: 999n, minimum: 1_000n }], 999n),
  no('delegate', 'delegate to who left', 5, [A], ['Exited', { operator: A }], 1_000n, left(1)),
  no('delegate', 'delegate to who is tombstoned', 5, [A], ['Tombstoned', { operator: A }], 1_000n, ended),
  no('delegate', 'delegate where nothing is left', 5, [A], ['NothingLeft', { validator: A }], 1_000n, (w) =>
    slash(w, A, 10_000n),
  ),
  no(
    'delegate',
    'delegate where a wei buys more shares than can be counted',
    5,
    [A],
    ['NothingLeft', { validator: A }],
    10n ** 24n,
    (w) => {
      for (let i = 0; i < 9; i++) slash(w, A, 9_990n)
    },
  ),
  no('delegate', 'delegate 2^120', 5, [A], ['StakeTooHigh', { validator: A, maximum: 2n ** 120n }], 2n ** 120n, (w) =>
    w.give(5, 2n ** 128n),
  ),

  ok(
    'undelegate',
    'undelegate a wei',
    5,
    [A, 1n],
    [['Undelegated', { ...own, amount: 1n, matures: MATURES }]],
    0n,
    delegated,
  ),
  no(
    'undelegate',
    'undelegate a wei more than bonded',
    5,
    [A, 50n * NOVA + 1n],
    ['InsufficientBond', { given: 50n * NOVA + 1n, bonded: 50n * NOVA }],
    0n,
    delegated,
  ),
  no(
    'undelegate',
    'undelegate all there could ever be',
    5,
    [A, 2n ** 256n - 1n],
    ['InsufficientBond', { given: 2n ** 256n - 1n, bonded: 50n * NOVA }],
    0n,
    delegated,
  ),
  no('undelegate', 'undelegate without a delegation', 5, [A, 1n], ['InsufficientBond', { given: 1n, bonded: 0n }]),
  no('undelegate', 'undelegate nothing', 5, [A, 0n], ['ZeroAmount', {}], 0n, delegated),
  no('undelegate', 'undelegate from nobody', 5, [F, 1n], ['NotValidator', { operator: F }]),
  no(
    'undelegate',
    'an eighth entry',
    5,
    [A, 1n],
    ['TooManyUnbondings', { validator: A, maximum: 7n }],
    0n,
    async (w) => {
      await delegated(w)
      for (let i = 0; i < 7; i++) await must(w.call(5, 'undelegate', [A, 1n]))
    },
  ),
  no(
    'undelegate',
    'unbonding from a sixty-fifth validator',
    5,
    [A, 1n],
    ['TooManyValidators', { maximum: 64n }],
    0n,
    async (w) => {
      await delegated(w)
      unbondingFromMany(E)(w)
    },
  ),
  no(
    'undelegate',
    'self-bond below the minimum, where nobody else may leave',
    1,
    [A, 900n * NOVA + 1n],
    ['LastQuorum', { remaining: 2_000n, total: 4_000n }],
    0n,
    belowMinimum,
  ),
  ok(
    'undelegate',
    'self-bond down to the minimum',
    1,
    [A, 900n * NOVA],
    [['Undelegated', { delegator: A, validator: A, amount: 900n * NOVA, matures: MATURES }]],
    0n,
    belowMinimum,
  ),

  ok(
    'redelegate',
    'redelegate',
    5,
    [A, B, 20n * NOVA],
    [['Redelegated', { delegator: E, from: A, to: B, amount: 20n * NOVA, matures: MATURES }]],
    0n,
    delegated,
  ),
  no('redelegate', 'redelegate to the same', 5, [A, A, 1n], ['SameValidator', { validator: A }], 0n, delegated),
  no('redelegate', 'redelegate from nobody', 5, [F, A, 1n], ['NotValidator', { operator: F }]),
  no('redelegate', 'redelegate to nobody', 5, [A, F, 1n], ['NotValidator', { operator: F }], 0n, delegated),
  no('redelegate', 'redelegate nothing', 5, [A, B, 0n], ['ZeroAmount', {}], 0n, delegated),
  no(
    'redelegate',
    'redelegate too much',
    5,
    [A, B, 51n * NOVA],
    ['InsufficientBond', { given: 51n * NOVA, bonded: 50n * NOVA }],
    0n,
    delegated,
  ),
  no('redelegate', 'a hop', 5, [B, C, 1n], ['RedelegationHop', { validator: B, matures: MATURES }], 0n, moved),
  no(
    'redelegate',
    'a second redelegation to one validator',
    5,
    [A, B, 1n],
    ['RedelegationPending', { validator: B, matures: MATURES }],
    0n,
    moved,
  ),
  ok(
    'redelegate',
    'onwards, once it has matured',
    5,
    [B, C, 1n],
    [['Redelegated', { delegator: E, from: B, to: C, amount: 1n, matures: MATURES + 100n }]],
    0n,
    async (w) => {
      await delegated(w)
      await must(w.call(5, 'redelegate', [A, B, 20n * NOVA]))
      w.go({ time: 1_000_100 })
    },
  ),
  no('redelegate', 'redelegate to who left', 5, [A, B, 1n], ['Exited', { operator: B }], 0n, async (w) => {
    await delegated(w)
    await must(w.call(2, 'exit', []))
  }),
  no('redelegate', 'redelegate to who is tombstoned', 5, [A, B, 1n], ['Tombstoned', { operator: B }], 0n, async (w) => {
    await delegated(w)
    tombstone(w, B)
  }),
  ok(
    'redelegate',
    'redelegate away from who is tombstoned: it has paid, nothing more is owed',
    5,
    [A, B, 45n * NOVA],
    [['Redelegated', { delegator: E, from: A, to: B, amount: 45n * NOVA, matures: 0n }]],
    0n,
    async (w) => {
      await delegated(w)
      tombstone(w, A)
    },
  ),
  no(
    'redelegate',
    'an operator takes its bond elsewhere, where nobody may leave',
    1,
    [A, C, 1_000n * NOVA],
    ['LastQuorum', { remaining: 2_000n, total: 4_000n }],
    0n,
    left(2),
  ),

  ok(
    'withdrawUnbonded',
    'withdrawUnbonded pays what has matured, from all',
    5,
    [],
    [
      ['Withdrawn', { delegator: E, validator: B, amount: 3n, slashed: 0n }],
      ['Withdrawn', { ...own, amount: 2n, slashed: 0n }],
    ],
    0n,
    async (w) => {
      await delegated(w)
      await must(w.call(5, 'delegate', [B], 1_000n))
      await must(w.call(5, 'undelegate', [A, 2n]))
      await must(w.call(5, 'undelegate', [B, 3n]))
      w.go({ time: 1_000_099 })
      await must(w.call(5, 'undelegate', [A, 4n]))
      w.go({ time: 1_000_100 })
    },
  ),
  no('withdrawUnbonded', 'nothing unbonds', 5, [], ['NothingMatured', { next: 0n }]),
  no('withdrawUnbonded', 'a second too early', 5, [], ['NothingMatured', { next: MATURES }], 0n, async (w) => {
    await delegated(w)
    await must(w.call(5, 'undelegate', [A, 2n]))
    w.go({ time: 1_000_099 })
  }),

  no('claimRewards', 'nothing was earned', 5, [A], ['NothingToClaim', {}], 0n, delegated),
  no('claimRewards', 'claim of nobody', 5, [F], ['NotValidator', { operator: F }]),

  no('applyPenalty', 'no penalty is due', 6, [E, B], ['NoPenalty', { delegator: E, validator: B }], 0n, moved),
  no('applyPenalty', 'a penalty of nobody', 6, [E, F], ['NotValidator', { operator: F }]),
  ok(
    'applyPenalty',
    'applyPenalty, by anybody',
    6,
    [E, B],
    [['RedelegationSlashed', { delegator: E, from: A, validator: B, amount: 2n * NOVA }]],
    0n,
    async (w) => {
      await delegated(w)
      await must(w.call(5, 'redelegate', [A, B, 20n * NOVA]))
      tombstone(w, A)
    },
  ),

  no('setOf', 'an epoch to come', 6, [1n], ['EpochUnknown', { epoch: 1n }]),
  no('setOf', 'an epoch that no number holds', 6, [2n ** 64n - 1n], ['EpochUnknown', { epoch: 2n ** 64n - 1n }]),

  no('validator', 'a view of nobody', 6, [F], ['NotValidator', { operator: F }]),
]

test.each(cases.map((each) => [`${each.name}: ${each.says}`, each] as const))('%s', async (_, each) => {
  const w = openStaking()
  await each.before(w)
  const before = w.balanceOf(each.by)
  const { status, error, events } = await w.call(each.by, each.name, each.args as never, each.value)
  if (each.error !== undefined) {
    expect([status, error]).toEqual(['revert', { name: each.error[0], args: plain(each.error[1]) }])
    expect(w.balanceOf(each.by)).toBe(before)
    expect(events).toEqual([])
  } else {
    expect([status, error]).toEqual(['success', null])
    expect(events).toEqual(each.events?.map(([name, args]) => ({ name, args: plain(args) })))
  }
  await conserved(w)
})

test('every error of the interface is in the table', () => {
  const seen = new Set(cases.map(({ error }) => error?.[0]))
  // The list that it speaks of is another module's: params/permissions.test.ts.
  expect(Object.keys(abi.errors).filter((name) => !seen.has(name))).toEqual(['NotPermitted'])
})
