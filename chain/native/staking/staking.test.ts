import { readFileSync } from 'node:fs'
import { AbiCoder, Interface } from 'ethers'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { account, blockHashOf } from '../../../test/kit/native.ts'
import {
  conserved,
  keyOf,
  must,
  NOVA,
  openStaking,
  possessionOf,
  type Said,
  STAKING_AT,
  type StakingWorld,
  slash,
} from '../../../test/kit/staking.ts'
import { type Address, bigintToFixed, bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import { type AbiFunction, encodeCall } from '../kit/abi.ts'
import { params } from '../params/module.ts'
import { abi } from './abi.ts'
import { jail, release } from './penalties.ts'
import { enrol } from './registry.ts'
import { membersOf } from './sets.ts'
import { find } from './validators.ts'

const [A, B, C, D, E, F] = [account(1), account(2), account(3), account(4), account(5), account(6)]
const NONE = new Uint8Array(32)
const hex = (of: Address): Hex => bytesToHex(of)
const names = (events: readonly Said[]): string[] => events.map(({ name }) => name)
type Name = keyof typeof abi.functions & string

/** 5 delegates 50 NOVA to 1. */
const delegated = (w: StakingWorld) => must(w.call(5, 'delegate', [A], 50n * NOVA))
const jailedIn = (w: StakingWorld, operator: Address) => w.inside((ctx) => jail(ctx, operator))
const newcomer = [keyOf(6), possessionOf(6), NONE, 0n, '']

test('a validator is elected once it has shown that it is ready, with events for all of it', async () => {
  const w = openStaking()
  await must(w.create(6, { value: 500n * NOVA }))
  expect(names(w.until(11))).toEqual(['SetElected', 'RewardsShared'])
  expect((await must(w.attest(6))).events).toEqual([
    { name: 'ValidatorReady', args: { operator: hex(F), blsKey: bytesToHex(keyOf(6)) } },
  ])
  expect(await w.read('validator', F)).toMatchObject({ info: { power: 500n, ready: true, stake: 500n * NOVA } })
  expect(w.until(20)).toEqual([
    { name: 'SetElected', args: { epoch: 2n, validators: 5n, power: 4_500n } },
    { name: 'ValidatorJoined', args: { epoch: 2n, operator: hex(F), power: 500n } },
  ])
  expect(await w.read('setOf', 1n)).toMatchObject({ operators: { length: 4 } })
  expect(await w.read('setOf', 2n)).toEqual({
    operators: [A, B, C, D, F].map(hex),
    powers: [1_000n, 1_000n, 1_000n, 1_000n, 500n],
  })
})

test('who is jailed, exits or falls below the minimum leaves at the next election; a jailed one comes back by attesting', async () => {
  const w = openStaking({ founders: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((operator) => ({ operator })) })
  expect(jailedIn(w, B).events).toEqual([{ name: 'ValidatorJailed', args: { operator: hex(B) } }])
  expect(jailedIn(w, B).events).toEqual([])
  await must(w.call(1, 'exit', []))
  await must(w.call(3, 'undelegate', [C, 901n * NOVA]))
  expect((await w.call(4, 'exit', [])).error?.name).toBe('LastQuorum')
  expect(w.until(10)).toEqual([
    { name: 'SetElected', args: { epoch: 1n, validators: 7n, power: 7_000n } },
    ...[A, B, C].map((operator) => ({ name: 'ValidatorLeft', args: { epoch: 1n, operator: hex(operator) } })),
  ])
  expect((await w.call(2, 'attestReady', [0n, blockHashOf(0), NONE])).error?.name).toBe('Jailed')
  expect(w.inside((ctx) => release(ctx, B)).events).toEqual([{ name: 'ValidatorReleased', args: { operator: hex(B) } }])
  expect(await w.read('validator', B)).toMatchObject({ info: { power: 0n, ready: false, jailed: false } })
  await must(w.attest(2))
  await must(w.call(3, 'delegate', [C], 10n * NOVA))
  expect(names(w.until(20)).filter((name) => name === 'ValidatorJoined')).toHaveLength(2)
  expect(await w.read('setOf', 2n)).toMatchObject({
    operators: [2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => hex(account(n))),
  })
})

test('a key rotates without leaving: elected with it after the attestation, and the old epoch keeps the old key', async () => {
  const w = openStaking()
  await must(w.call(1, 'rotateBlsKey', [keyOf(20), possessionOf(20, 1)]))
  expect((await w.attest(1, 1)).error?.name).toBe('AttestationBadSignature')
  expect(w.until(11).some(({ name }) => name === 'ValidatorLeft')).toBe(false)
  expect(await w.read('validator', A)).toMatchObject({
    info: { blsKey: bytesToHex(keyOf(1)), nextBlsKey: bytesToHex(keyOf(20)) },
  })
  await must(w.attest(1, 20))
  expect(await w.read('validator', A)).toMatchObject({
    info: { blsKey: bytesToHex(keyOf(20)), nextBlsKey: '0x', power: 1_000n },
  })
  expect(names(w.until(21))).toEqual(['SetElected', 'RewardsShared'])
  const keyAt = (epoch: number) => w.inside((ctx) => bytesToHex(membersOf(ctx, epoch)?.keyAt(0) ?? NONE)).value
  expect([keyAt(0), keyAt(1), keyAt(2)]).toEqual([keyOf(1), keyOf(1), keyOf(20)].map((key) => bytesToHex(key)))
  expect(await w.read('operatorOfKey', keyOf(1))).toEqual({ operator: hex(A) })
  expect(await w.read('operatorOfKey', keyOf(20))).toEqual({ operator: hex(A) })
})

test('the whole set leaves at once: one may, the others wait, and no epoch is without validators', async () => {
  const w = openStaking()
  const leave = async () => {
    const answers = []
    for (const operator of [1, 2, 3, 4]) answers.push((await w.call(operator, 'exit', [])).error?.name ?? 'left')
    return answers
  }
  expect(await leave()).toEqual(['left', 'LastQuorum', 'LastQuorum', 'LastQuorum'])
  w.until(11)
  expect(await leave()).toEqual(['Exited', 'LastQuorum', 'LastQuorum', 'LastQuorum']) // two of three are no quorum
  w.until(101)
  expect(await w.read('setOf', 10n)).toMatchObject({ operators: [B, C, D].map(hex) })
})

test('where the last block of an epoch has elected the next, both sets keep their quorum', async () => {
  const w = openStaking()
  await must(w.create(6, { value: 10_000n * NOVA }))
  w.until(3)
  await must(w.attest(6))
  w.until(10)
  expect((await w.call(6, 'exit', [])).error).toEqual({
    name: 'LastQuorum',
    args: { remaining: 4_000n, total: 14_000n },
  })
  await must(w.call(1, 'exit', []))
  w.until(11)
  expect((await w.call(2, 'exit', [])).error).toBeNull() // 12,000 of 14,000
  expect((await w.call(6, 'exit', [])).error).toEqual({
    name: 'LastQuorum',
    args: { remaining: 2_000n, total: 14_000n },
  })
})

test('nobody can be elected: whoever signs goes on, without reward while jailed', async () => {
  const w = openStaking()
  for (const operator of [A, B, C, D]) jailedIn(w, operator)
  expect(w.until(11)).toEqual([
    { name: 'SetElected', args: { epoch: 1n, validators: 4n, power: 4_000n } },
    { name: 'RewardsShared', args: { epoch: 0n, amount: 0n, carried: expect.toSatisfy((wei) => wei > 0n) } },
  ])
  expect(await w.read('setOf', 1n)).toMatchObject({ operators: [A, B, C, D].map(hex) })
  w.inside((ctx) => release(ctx, A))
  await must(w.attest(1))
  expect(names(w.until(21)).filter((name) => name === 'ValidatorLeft')).toHaveLength(3)
  expect(await w.read('setOf', 2n)).toMatchObject({ operators: [hex(A)] })
})

test('more candidates than places: the most power, the lower address on a tie', async () => {
  const w = openStaking({
    founders: [8, 3, 5, 1].map((operator) => ({ operator, stake: 200n * NOVA })),
    values: { 'staking.maxValidators': '4' },
  })
  for (const [operator, nova] of [
    [2, 200n],
    [4, 201n],
    [6, 200n],
    [7, 199n],
  ] as const)
    await must(w.create(operator, { value: nova * NOVA }))
  w.until(3)
  for (const operator of [2, 4, 6, 7]) await must(w.attest(operator))
  w.until(11)
  expect(await w.read('setOf', 1n)).toEqual({
    operators: [1, 2, 3, 4].map((n) => hex(account(n))),
    powers: [200n, 200n, 200n, 201n],
  })
})

test('another minimum of self-bonds holds for all from the next election on', async () => {
  const w = openStaking({
    founders: [1, 2, 3, 4].map((operator) => ({ operator, stake: BigInt(operator) * 100n * NOVA })),
  })
  await must(w.call(9, 'delegate', [A], 900n * NOVA))
  const set = encodeCall(params.abi.functions.set, ['staking.minSelfBond', 250n * NOVA])
  expect((await w.send(0xa1, '0x0000000000000000000000000000000000000803', set)).status).toBe('success')
  w.until(11)
  expect(await w.read('setOf', 1n)).toMatchObject({ operators: { length: 4 } }) // not yet in force
  w.until(21)
  expect(await w.read('setOf', 2n)).toMatchObject({ operators: [C, D].map(hex) })
  expect(await w.read('validator', A)).toMatchObject({ info: { power: 0n, stake: 1_000n * NOVA } })
})

const govern = async (w: StakingWorld, name: string, value: bigint): Promise<void> => {
  const set = encodeCall(params.abi.functions.set, [name, value])
  expect((await w.send(0xa1, '0x0000000000000000000000000000000000000803', set)).status).toBe('success')
}

test('a minimum above what everybody has: the set stays, and goes on where the minimum falls again', async () => {
  const w = openStaking()
  await govern(w, 'staking.minSelfBond', 10n ** 9n * NOVA)
  w.until(31)
  expect(await w.read('validator', A)).toMatchObject({ info: { power: 0n } })
  expect(await w.read('setOf', 3n)).toMatchObject({ operators: [A, B, C, D].map(hex) })
  await govern(w, 'staking.minSelfBond', 100n * NOVA)
  await must(w.call(1, 'exit', [])) // it was not electable, so nothing is lost by it
  w.until(51)
  expect(await w.read('setOf', 5n)).toMatchObject({ operators: [B, C, D].map(hex) })
  await conserved(w)
})

test('fewer places than the running set has: the strongest stay, the others are paid for their last epoch', async () => {
  const w = openStaking({
    founders: [1, 2, 3, 4].map((operator) => ({ operator, stake: BigInt(operator) * 1_000n * NOVA })),
  })
  await govern(w, 'staking.maxValidators', 1n)
  w.until(20)
  expect(await w.read('setOf', 2n)).toMatchObject({ operators: [hex(D)] })
  const pending = async (): Promise<bigint> => BigInt((await w.read('pendingRewards', A, A)).amount)
  const first = await pending()
  w.until(21)
  const both = await pending()
  expect(both > first).toBe(true) // of epochs 0 and 1, and no more
  w.until(41)
  expect(await pending()).toBe(both)
  await must(w.call(1, 'exit', []))
  await conserved(w)
})

test('what unbonds matures when it was told to, whatever the unbonding time becomes', async () => {
  const w = openStaking()
  await delegated(w)
  await must(w.call(5, 'undelegate', [A, NOVA])) // matures 100 s later
  await govern(w, 'staking.unbondingTime', 60n)
  w.until(11) // 30 s later
  await must(w.call(5, 'undelegate', [A, 2n * NOVA])) // matures before the first
  await govern(w, 'staking.unbondingTime', 365n * 86_400n)
  w.go({ time: 1_000_091 })
  expect((await must(w.call(5, 'withdrawUnbonded', []))).values).toEqual([2n * NOVA])
  w.go({ time: 1_000_100 })
  expect((await must(w.call(5, 'withdrawUnbonded', []))).values).toEqual([NOVA])
  await conserved(w)
})

test('a penalty reaches what unbonds and what was redelegated, once, and nothing that left before the offence or came after', async () => {
  const w = openStaking()
  await must(w.call(5, 'delegate', [A], 400n * NOVA))
  await must(w.call(5, 'undelegate', [A, 100n * NOVA])) // in epoch 0
  w.until(11)
  await must(w.call(5, 'undelegate', [A, 100n * NOVA])) // in epoch 1
  await must(w.call(5, 'redelegate', [A, B, 50n * NOVA]))
  await must(w.call(5, 'undelegate', [B, 20n * NOVA])) // carries what is owed
  const { value, events } = slash(w, A, 1_000n, { epoch: 1 })
  expect([value, events]).toEqual([
    115n * NOVA,
    [
      { name: 'ValidatorTombstoned', args: { operator: hex(A), offenceEpoch: 1n } },
      { name: 'StakeSlashed', args: { validator: hex(A), amount: 115n * NOVA } },
    ],
  ])
  await must(w.call(5, 'undelegate', [A, 50n * NOVA])) // has paid already
  expect((await w.read('unbondings', E)).entries).toMatchObject([
    { validator: hex(A), amount: 100n * NOVA, penalty: 0n, epoch: 0n },
    { validator: hex(A), amount: 100n * NOVA, penalty: 10n * NOVA, epoch: 1n },
    { validator: hex(A), amount: 50n * NOVA, penalty: 0n, epoch: 1n },
    { validator: hex(B), amount: 20n * NOVA, penalty: 2n * NOVA, epoch: 1n },
  ])
  const claimed = await must(w.call(5, 'undelegate', [B, 1n * NOVA])) // touches it
  expect(claimed.events.filter(({ name }) => name === 'RedelegationSlashed')).toEqual([
    { name: 'RedelegationSlashed', args: { delegator: hex(E), from: hex(A), validator: hex(B), amount: 3n * NOVA } },
  ])
  expect(await w.read('delegation', E, B)).toEqual({ amount: 26n * NOVA, shares: 26n * NOVA })
  w.go({ time: 1_000_300 })
  const { values, events: paid } = await must(w.call(5, 'withdrawUnbonded', []))
  expect(values).toEqual([259n * NOVA])
  expect(paid.reduce((sum, { args }) => sum + BigInt(args.slashed as bigint), 0n)).toBe(12n * NOVA)
  expect(await w.read('totals')).toMatchObject({ unbonding: 0n, burnt: 130n * NOVA })
  await conserved(w)
})

test('what leaves in an epoch’s last block votes in the next one, whose set is elected, and answers for offences in it', async () => {
  const w = openStaking()
  await must(w.call(5, 'delegate', [A], 400n * NOVA))
  w.until(10)
  expect(await w.read('setOf', 1n)).toMatchObject({ powers: [1_400n, 1_000n, 1_000n, 1_000n] })
  await must(w.call(5, 'undelegate', [A, 100n * NOVA]))
  await must(w.call(5, 'redelegate', [A, B, 50n * NOVA]))
  await must(w.call(5, 'undelegate', [B, 20n * NOVA]))
  w.until(15)
  slash(w, A, 1_000n, { epoch: 1 })
  expect((await w.read('unbondings', E)).entries).toMatchObject([
    { validator: hex(A), amount: 100n * NOVA, penalty: 10n * NOVA, epoch: 1n },
    { validator: hex(B), amount: 20n * NOVA, penalty: 2n * NOVA, epoch: 1n },
  ])
  expect((await must(w.call(6, 'applyPenalty', [E, B]))).values).toEqual([3n * NOVA])
  await conserved(w)
})

test('what came by redelegation answers for its validator’s own offence too, and never for more than it is', async () => {
  const w = openStaking()
  await must(w.call(5, 'delegate', [A], 100n * NOVA))
  await must(w.call(5, 'redelegate', [A, B, 100n * NOVA]))
  await must(w.call(5, 'undelegate', [B, 100n * NOVA]))
  slash(w, A, 6_000n, { epoch: 0 })
  slash(w, B, 6_000n, { epoch: 0 })
  expect((await w.read('unbondings', E)).entries).toMatchObject([{ amount: 100n * NOVA, penalty: 100n * NOVA }])
  w.go({ time: 1_000_100 })
  expect((await must(w.call(5, 'withdrawUnbonded', []))).values).toEqual([0n])
  await conserved(w)
})

test('withdrawing all that can ever unbond at once fits in a transaction', async () => {
  const w = openStaking()
  const wei = 65n * 8n * 1_000n // an exit has room for one more of each
  w.inside((ctx) => {
    for (let n = 0; n < 65; n++) {
      const facts = { blsKey: bigintToFixed(BigInt(n + 1), 48), peerIdDigest: NONE, commissionBps: 0n, moniker: '' }
      const { at, operator } = enrol(ctx.store, { operator: account(1_000 + n), ...facts })
      at.tombstoned.set(true)
      ctx.store.unbondingFrom.at(E).push().set(operator)
      for (let i = 0; i < 8; i++) {
        const entry = ctx.store.unbondings.at(E).at(operator).push()
        entry.amount.set(1_000n)
        entry.isLiable.set(true)
        entry.from.set(operator)
        entry.liable.set(1_000n)
      }
    }
    ctx.mint(wei)
    ctx.store.bonds.unbonding.set(wei)
  })
  const all = encodeCall(abi.functions.withdrawUnbonded, [])
  const { gasUsed, status, output } = await w.send(5, STAKING_AT, all, { gas: 30_000_000n })
  expect([status, BigInt(bytesToHex(output))]).toEqual(['success', wei])
  expect(gasUsed).toBeLessThan(2n ** 24n - 100_000n) // EIP-7825
  expect((await w.read('unbondings', E)).entries).toEqual([])
  expect((await w.call(5, 'withdrawUnbonded', [])).error?.name).toBe('NothingMatured')
  await conserved(w)
})

test('exits, claims and withdrawals work while staking is paused; the rest does not', async () => {
  const w = openStaking()
  await delegated(w)
  await must(w.call(5, 'undelegate', [A, 1n]))
  w.until(11)
  const pause = encodeCall(params.abi.functions.pause, ['staking', 86_400n, 'drill'])
  expect((await w.send(0xa2, '0x0000000000000000000000000000000000000803', pause)).status).toBe('success')
  w.go({ time: 1_000_200 })
  for (const [name, args, value] of [
    ['delegate', [A], NOVA],
    ['redelegate', [A, B, 1n]],
    ['createValidator', newcomer, 100n * NOVA],
    ['editValidator', [0n, NONE, '']],
    ['attestReady', [0n, NONE, NONE]],
    ['rotateBlsKey', [keyOf(20), possessionOf(20)]],
  ] as const) {
    const { error } = await w.call(5, name, args as never, value)
    expect(error?.args.reason).toMatch(/^staking is paused until /)
  }
  await must(w.call(5, 'claimRewards', [A]))
  await must(w.call(5, 'undelegate', [A, 1n]))
  await must(w.call(5, 'withdrawUnbonded', []))
  await must(w.call(1, 'exit', []))
  expect((await w.call(5, 'applyPenalty', [E, A])).error?.name).toBe('NoPenalty')
  expect(names(w.until(21))).toContain('RewardsShared')
})

const sourceOf = (file: string): string =>
  readFileSync(new URL(`../../../contracts/test/${file}`, import.meta.url), 'utf8')
const dataOf = (name: Name, args: readonly unknown[]): Uint8Array =>
  encodeCall(abi.functions[name] as AbiFunction, args as never)

test('a contract delegates from its constructor, is paid without its code running, and cannot re-enter', async () => {
  const w = openStaking()
  const made = compile('Delegator.sol', sourceOf('Delegator.sol')).Delegator
  const first = AbiCoder.defaultAbiCoder().encode(['address', 'bytes'], [STAKING_AT, dataOf('delegate', [A])])
  const deployed = await w.send(5, null, hexToBytes(`0x${made?.bytecode}${first.slice(2)}`), { value: 100n * NOVA })
  const contract = deployed.created as Address
  expect(await w.read('delegation', contract, A)).toEqual({ amount: 100n * NOVA, shares: 100n * NOVA })
  const at = new Interface(JSON.parse(JSON.stringify(made?.abi)))
  const act = async (name: Name, args: readonly unknown[]) => {
    const answer = await w.send(5, bytesToHex(contract), hexToBytes(at.encodeFunctionData('act', [dataOf(name, args)])))
    expect(answer.status).toBe('success')
  }
  w.until(11)
  const { amount } = await w.read('pendingRewards', contract, A)
  await act('claimRewards', [A])
  expect(w.balanceOf(contract)).toBe(BigInt(amount))
  await act('undelegate', [A, 40n * NOVA])
  await act('undelegate', [A, 60n * NOVA])
  w.until(60)
  const before = w.balanceOf(contract)
  await act('withdrawUnbonded', [])
  expect(w.balanceOf(contract) - before).toBe(100n * NOVA)
  const payments = await w.send(5, bytesToHex(contract), hexToBytes(at.encodeFunctionData('payments')))
  expect(BigInt(bytesToHex(payments.output))).toBe(0n)
  await conserved(w)
})

test('by DELEGATECALL, CALLCODE and STATICCALL nothing is written; a view works by STATICCALL', async () => {
  const w = openStaking()
  const made = compile('NativeCaller.sol', sourceOf('NativeCaller.sol')).NativeCaller
  const at = new Interface(JSON.parse(JSON.stringify(made?.abi)))
  const contract = bytesToHex((await w.send(5, null, hexToBytes(`0x${made?.bytecode}`))).created as Address)
  const via = async (how: string, data: Uint8Array) => {
    const { output } = await w.send(5, contract, hexToBytes(at.encodeFunctionData(how, [STAKING_AT, data])))
    const [ok, answer] = at.decodeFunctionResult(how, output)
    return { ok, words: Buffer.from(hexToBytes(answer)).toString() }
  }
  for (const how of ['viaDelegate', 'viaCallcode'])
    expect(await via(how, dataOf('undelegate', [A, 1n]))).toMatchObject({
      ok: false,
      words: expect.stringContaining('DELEGATECALL and CALLCODE are refused'),
    })
  for (const how of ['viaStatic', 'viaStaticThenCall'])
    for (const name of ['undelegate', 'exit', 'withdrawUnbonded', 'claimRewards'] as const) {
      const args = { undelegate: [A, 1n], exit: [], withdrawUnbonded: [], claimRewards: [A] }[name]
      expect(await via(how, dataOf(name, args))).toMatchObject({
        ok: false,
        words: expect.stringContaining('this call is static'),
      })
    }
  expect(await via('viaStatic', dataOf('validatorCount', []))).toMatchObject({ ok: true })
  expect(await via('viaCallThenRevert', dataOf('delegate', [A])).catch(() => 'reverted')).toBe('reverted')
})

test('every call of a delegator costs the same gas among 10 and among 100,000 delegators', async () => {
  const used = async (delegators: number) => {
    const w = openStaking()
    await delegated(w)
    await must(w.call(5, 'delegate', [D], 50n * NOVA))
    await must(w.call(5, 'redelegate', [D, C, 10n * NOVA]))
    await must(w.call(5, 'undelegate', [A, NOVA]))
    w.inside((ctx) => {
      const at = find(ctx.store, A)?.at
      const sum = BigInt(delegators) * NOVA
      for (let n = 0; n < delegators; n++)
        ctx.store.delegations
          .at(account(1_000 + n))
          .at(A)
          .shares.set(NOVA)
      for (const cell of [at?.stake, at?.shares, ctx.store.bonds.bonded]) cell?.update((before) => before + sum)
      ctx.mint(sum)
    })
    slash(w, A, 100n)
    slash(w, D, 1_000n, { epoch: 0 })
    w.until(41) // 120 seconds
    const calls = [
      ['claimRewards', [A]],
      ['delegate', [A], 1_000n],
      ['undelegate', [A, 1_000n]],
      ['redelegate', [A, B, 1_000n]],
      ['withdrawUnbonded', []],
      ['applyPenalty', [E, C]],
    ] as const
    const gas = []
    for (const [name, args, value] of calls) gas.push((await must(w.call(5, name, args as never, value))).gasUsed)
    await conserved(w)
    return gas
  }
  expect(await used(100_000)).toEqual(await used(10))
})
