// Random calls, blocks, penalties and gifts against the plain model: the same errors, the same books after each of them, nothing lost.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { account } from '../../../test/kit/native.ts'
import {
  conserved,
  type Done,
  NOVA,
  openStaking,
  STAKING_AT,
  type StakingWorld,
  slash,
} from '../../../test/kit/staking.ts'
import { type Paid, StakingModel } from '../../../test/kit/staking-model.ts'
import { asAddress, bytesToHex, hexToBytes } from '../../base/bytes.ts'
import { jail, release } from './penalties.ts'
import { membersOf } from './sets.ts'
import { find } from './validators.ts'

const AT = asAddress(hexToBytes(STAKING_AT))
const FOUNDERS = [1, 2, 3, 4].map((operator) => ({ operator, stake: BigInt(operator + 1) * 100n * NOVA }))
/** Those from 5 on may become validators. */
const PEOPLE = [1, 2, 3, 4, 5, 6, 8]
const RULES = {
  ...{ minSelfBond: 100n * NOVA, minDelegation: 1_000n, unbondingTime: 100, rewardRate: 5_000n, maxValidators: 5 },
  ...{ maxCommission: 5_000n, commissionStep: 100n, epochBlocks: 4 },
}

class Both {
  readonly world: StakingWorld = openStaking({
    ...{ founders: FOUNDERS, epochBlocks: RULES.epochBlocks },
    values: { 'staking.rewardRate': '5000', 'staking.maxValidators': '5' },
  })
  readonly model = new StakingModel(RULES, this.world.block.time - 1, this.world.block.time, FOUNDERS)
  /** Which key attests, by operator; a new one for each use. */
  readonly keys = new Map<number, number>()
  #nextKey = 100
  readonly counts = new Map<string, number>()

  freshKey(): number {
    return this.#nextKey++
  }
  async call(done: Promise<Done>, inModel: (paid: Paid) => void): Promise<void> {
    const { error, events } = await done
    const paid: Paid = (delegator, validator) =>
      events
        .filter(
          ({ name, args }) =>
            name === 'RewardsClaimed' && args.delegator === hex(delegator) && args.validator === hex(validator),
        )
        .reduce((sum, { args }) => sum + BigInt(args.amount as bigint), 0n)
    const expected = this.model.attempt(() => inModel(error === null ? paid : null))
    expect(error?.name ?? null).toBe(expected)
    const slashed = events.filter(({ args }) => BigInt((args.slashed as bigint | undefined) ?? 0n) > 0n)
    const happened = [expected ?? 'done', ...events.map(({ name }) => name), ...slashed.map(() => 'slashed')]
    for (const name of happened) this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  /** Everything that both know is the same, to the wei. */
  compare(): void {
    const { world, model } = this
    const { store } = world.inside((ctx) => ctx).value
    const { bonds, rewards, minting, supply } = store
    expect({
      ...{
        bonded: bonds.bonded.get(),
        unbonding: bonds.unbonding.get(),
        owed: rewards.owed.get(),
        pot: rewards.pot.get(),
      },
      ...{
        minting: minting.amount.get(),
        minted: supply.minted.get(),
        burnt: supply.burnt.get(),
        held: world.balanceOf(AT),
      },
    }).toEqual({
      ...{ bonded: model.bonded, unbonding: model.unbonding, owed: model.owed, pot: model.pot },
      ...{ minting: model.minting, minted: model.minted, burnt: model.burnt, held: model.held },
    })
    for (const who of PEOPLE) expect(world.balanceOf(who) - RICH).toBe(model.gains.get(who) ?? 0n)
    for (const each of model.validators) {
      const { operator, stake, shares, jailed, exited, ready } = each
      const found = find(store, account(operator))
      expect({
        ...{ stake: found?.at.stake.get(), shares: found?.at.shares.get(), ready: found?.at.ready.get() },
        ...{ jailed: found?.at.jailed.get(), exited: found?.at.exited.get(), tombstoned: found?.at.tombstoned.get() },
        power: store.powers.item(found?.index ?? -1).get(),
      }).toEqual({
        stake,
        shares,
        ready,
        jailed,
        exited,
        tombstoned: each.tombstone !== null,
        power: model.power(each),
      })
      expect(stake <= shares).toBe(true)
      for (const who of PEOPLE)
        expect(store.delegations.at(account(who)).at(account(operator)).shares.get()).toBe(
          model.delegation(who, operator).shares,
        )
    }
    for (let epoch = model.payouts; epoch < model.sets.length; epoch++) {
      const members = membersOf({ store }, epoch)
      const places = Array.from({ length: members?.count ?? 0 }, (_, i) => members?.at(i))
      expect(
        places.map((each) => ({ operator: each && Number(BigInt(bytesToHex(each.operator))), power: each?.power })),
      ).toEqual(model.sets[epoch])
    }
  }
  async compareViews(): Promise<void> {
    const { world, model } = this
    await conserved(world, model.fees)
    for (const who of PEOPLE) {
      const { entries } = await world.read('unbondings', account(who))
      const sorted = (
        list: readonly { validator: string; amount: bigint; penalty: bigint; epoch: bigint; matures: bigint }[],
      ) => list.map((each) => Object.values(each).join()).sort()
      const expected = (model.unbondings.get(who) ?? []).map((each) => ({
        ...{ validator: hex(each.validator), amount: each.amount, penalty: model.penalty(each) },
        ...{ epoch: BigInt(each.epoch), matures: BigInt(each.matures) },
      }))
      expect(sorted(entries)).toEqual(sorted(expected))
    }
  }
}
const RICH = 10n ** 24n
const hex = (who: number): string => bytesToHex(account(who))

interface Step {
  readonly says: string
  run(both: Both): Promise<unknown> | unknown
  readonly [fc.toStringMethod]: () => string
}
const step = (says: string, run: Step['run']): Step => ({ says, run, [fc.toStringMethod]: () => says })

const who = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(5, 8) },
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 3, 4, 6) },
)
const whom = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(1, 2) },
  { weight: 3, arbitrary: fc.constantFrom(3, 4, 5) },
  { weight: 1, arbitrary: fc.constantFrom(6, 9) },
)
const bps = fc.constantFrom(1n, 7n, 500n, 3_333n, 9_999n)
/** Of what there is: parts of 16, all of it, a wei less or more; or a few wei. */
const part = fc.oneof(
  { weight: 6, arbitrary: fc.record({ of16: fc.bigInt(1n, 16n), and: fc.constant(0n) }) },
  { weight: 2, arbitrary: fc.record({ of16: fc.constantFrom(0n, 16n), and: fc.bigInt(-1n, 1n) }) },
  { weight: 1, arbitrary: fc.record({ of16: fc.constant(0n), and: fc.bigInt(0n, 2_000n) }) },
)
type Part = { readonly of16: bigint; readonly and: bigint }
const amountOf = (whole: bigint, { of16, and }: Part): bigint => {
  const wei = (whole * of16) / 16n + and
  return wei < 0n ? 0n : wei
}
const said = ({ of16, and }: Part): string => `${of16}/16 + ${and}`

/** Mostly somebody who has a delegation, and where; else anybody anywhere. */
const position = fc.tuple(
  fc.oneof({ weight: 4, arbitrary: fc.nat(1_000) }, { weight: 1, arbitrary: fc.constant(null) }),
  who,
  whom,
)
type Position = readonly [number | null, number, number]
const placed = ({ model }: Both, [pick, d, v]: Position): readonly [number, number] => {
  const held = [...model.delegations].filter(([, { shares }]) => shares > 0n).map(([key]) => key.split('/').map(Number))
  const [delegator = d, operator = v] = pick === null ? [] : (held[pick % held.length] ?? [])
  return [delegator, operator]
}
const heldOf = ({ model }: Both, delegator: number, operator: number, wanted: Part): bigint => {
  const validator = model.find(operator)
  return amountOf(validator === undefined ? 0n : model.worth(delegator, validator), wanted)
}

const delegate = fc.tuple(who, whom, part).map(([d, v, p]) =>
  step(`${d} delegates ${said(p)} of 1,000 to ${v}`, (both) => {
    const wei = amountOf(1_000n * NOVA, p)
    return both.call(both.world.call(d, 'delegate', [account(v)], wei), (paid) => both.model.delegate(d, v, wei, paid))
  }),
)
const undelegate = fc.tuple(position, part).map(([at, p]) =>
  step(`undelegation ${at} ${said(p)}`, (both) => {
    const [d, v] = placed(both, at)
    const wei = heldOf(both, d, v, p)
    return both.call(both.world.call(d, 'undelegate', [account(v), wei]), (paid) =>
      both.model.undelegate(d, v, wei, paid),
    )
  }),
)
const redelegate = fc.tuple(position, whom, part).map(([at, to, p]) =>
  step(`redelegation ${at} to ${to} ${said(p)}`, (both) => {
    const [d, v] = placed(both, at)
    const wei = heldOf(both, d, v, p)
    const done = both.world.call(d, 'redelegate', [account(v), account(to), wei])
    return both.call(done, (paid) => both.model.redelegate(d, v, to, wei, paid))
  }),
)
const withdraw = who.map((d) =>
  step(`${d} withdraws`, (both) => both.call(both.world.call(d, 'withdrawUnbonded', []), () => both.model.withdraw(d))),
)
const claim = position.map((at) =>
  step(`claim ${at}`, (both) => {
    const [d, v] = placed(both, at)
    return both.call(both.world.call(d, 'claimRewards', [account(v)]), (paid) => both.model.claim(d, v, paid))
  }),
)
const applyPenalty = position.map((at) =>
  step(`penalty ${at}`, (both) => {
    const [d, v] = placed(both, at)
    const done = both.world.call(9, 'applyPenalty', [account(d), account(v)])
    return both.call(done, (paid) => both.model.applyPenalty(d, v, paid))
  }),
)
const create = fc
  .tuple(fc.constantFrom(4, 5, 6), fc.bigInt(99n, 300n), fc.constantFrom(0n, 1_000n, 5_000n, 5_001n))
  .map(([v, nova, cut]) =>
    step(`${v} bonds ${nova} and takes ${cut}`, (both) => {
      const key = both.freshKey()
      const done = both.world.create(v, { key, value: nova * NOVA, commissionBps: cut })
      return both.call(done, () => {
        both.model.create(v, nova * NOVA, cut)
        both.keys.set(v, key)
      })
    }),
  )
const attest = whom.map((v) =>
  step(`${v} attests`, (both) => both.call(both.world.attest(v, both.keys.get(v) ?? v), () => both.model.attest(v))),
)
const rotate = whom.map((v) =>
  step(`${v} rotates its key`, (both) => {
    const key = both.freshKey()
    return both.call(both.world.rotate(v, key), () => {
      both.model.rotate(v)
      both.keys.set(v, key)
    })
  }),
)
const edit = fc
  .tuple(whom, fc.bigInt(0n, 300n))
  .map(([v, cut]) =>
    step(`${v} takes ${cut}`, (both) =>
      both.call(both.world.call(v, 'editValidator', [cut, new Uint8Array(32), '']), () => both.model.edit(v, cut)),
    ),
  )
const exit = whom.map((v) =>
  step(`${v} exits`, (both) => both.call(both.world.call(v, 'exit', []), (paid) => both.model.exit(v, paid))),
)
const punish = fc
  .tuple(
    whom,
    bps,
    fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 3 }) }),
  )
  .map(([v, cut, ago]) =>
    step(`${v} loses ${cut}${ago === null ? '' : `, tombstoned for ${ago} epochs ago`}`, ({ world, model }) => {
      const epoch = ago === null ? null : Math.max(model.epoch - ago, 0)
      const validator = model.find(v)
      if (validator === undefined || (epoch !== null && validator.tombstone !== null)) return
      slash(world, account(v), cut, epoch === null ? null : { epoch })
      model.slash(v, cut, epoch)
    }),
  )
const imprison = whom.map((v) =>
  step(`${v} is jailed`, ({ world, model }) => {
    if (model.find(v) === undefined) return
    world.inside((ctx) => jail(ctx, account(v)))
    model.jail(v)
  }),
)
const free = whom.map((v) =>
  step(`${v} is released`, ({ world, model }) => {
    if (model.find(v)?.jailed !== true) return
    world.inside((ctx) => release(ctx, account(v)))
    model.release(v)
  }),
)
/** Jailed, some blocks later released, and at once back in step. */
const nap = fc.tuple(whom, fc.integer({ min: 0, max: 5 })).map(([v, count]) =>
  step(`${v} sleeps for ${count} blocks`, async (both) => {
    const { world, model } = both
    if (model.find(v) === undefined) return
    world.inside((ctx) => jail(ctx, account(v)))
    model.jail(v)
    for (let i = 0; i < count; i++) {
      world.next(3)
      model.next(3)
      both.compare()
    }
    world.inside((ctx) => release(ctx, account(v)))
    model.release(v)
    await both.call(both.world.attest(v, both.keys.get(v) ?? v), () => both.model.attest(v))
  }),
)
const fees = fc.bigInt(1n, 10n ** 20n).map((wei) =>
  step(`fees of ${wei}`, ({ world, model }) => {
    world.give(AT, wei)
    model.earnFees(wei)
  }),
)
const blocks = fc.tuple(fc.constantFrom(1, 1, 3, 3, 20, 70), fc.integer({ min: 1, max: 3 })).map(([seconds, count]) =>
  step(`${count} blocks of ${seconds} s`, ({ world, model }) => {
    for (let i = 0; i < count; i++) {
      world.next(seconds)
      model.next(seconds)
    }
  }),
)
const weighted = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary })
const steps = fc.oneof(
  ...[
    weighted(20, delegate),
    weighted(30, undelegate),
    weighted(30, redelegate),
    weighted(8, withdraw),
    weighted(8, claim),
  ],
  ...[weighted(8, applyPenalty), weighted(6, create), weighted(10, attest), weighted(3, rotate), weighted(3, edit)],
  ...[
    weighted(1, exit),
    weighted(5, punish),
    weighted(4, imprison),
    weighted(8, free),
    weighted(8, nap),
    weighted(3, fees),
    weighted(24, blocks),
  ],
)

test('thousands of random calls, blocks and penalties: the model and the module agree after each', async () => {
  const counts = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 400, size: 'max' }), async (sequence) => {
      const both = new Both()
      both.compare()
      for (const each of sequence) {
        await each.run(both)
        both.compare()
      }
      await both.compareViews()
      for (const [name, count] of both.counts) counts.set(name, (counts.get(name) ?? 0) + count)
    }),
    { numRuns: 25, unbiased: true, endOnFailure: true },
  )
  // What the sequences are for did happen.
  const wanted = ['LastQuorum', 'RedelegationHop', 'InsufficientBond', 'NothingMatured', 'RewardsClaimed', 'Withdrawn']
  expect(wanted.filter((name) => !counts.has(name))).toEqual([])
})
