// All modules together, with numbers of governance thrown from one bound to the other, epochs as short as they can be, and everybody doing
// whatever he may: a hook that throws halts the network, a sum that is off halts it later.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Bonded, createBonded, endOf, GOVERNANCE, said, secretOf } from '../../test/kit/bonded.ts'
import { createBridge, OTHER, THERE } from '../../test/kit/bridge.ts'
import { account } from '../../test/kit/native.ts'
import { asHash, bigintToFixed, type Hex } from '../base/bytes.ts'
import { curves } from '../base/crypto.ts'
import { digestOf, encodeEvidence, evidenceOf, type Statement } from '../types/evidence.ts'
import { bitmapOf, ownerPayload, SignType, signBytes } from '../types/vote.ts'
import { abi as bridgeAbi } from './bridge/abi.ts'
import { PROOF } from './bridge/certificate.ts'
import { type AbiFunction, type AbiParam, encodeCall, encodeValues } from './kit/abi.ts'
import { abi as paramsAbi } from './params/abi.ts'
import { values } from './params/values.ts'
import { abi as slashingAbi } from './slashing/abi.ts'
import { abi } from './staking/abi.ts'
import { staking } from './staking/module.ts'
import { entryOf, membersOf } from './staking/sets.ts'
import { find, isSilent } from './staking/validators.ts'
import { cpu } from './token/module.ts'
import { balanceOf, supplyOf } from './token/office.ts'
import { wrapped } from './token/wrapped.ts'

const AT: Hex = '0x0000000000000000000000000000000000000801'
const SLASHING: Hex = '0x0000000000000000000000000000000000000802'
const PARAMS: Hex = '0x0000000000000000000000000000000000000803'
const BRIDGE: Hex = '0x0000000000000000000000000000000000000830'
const NOVA = 10n ** 18n
const NAMES = Object.keys(values)

/** What the running set and the next one are said to lose by members that cannot be elected, or earn nothing, is what they lose. */
const recount = (bonded: Bonded): void => {
  const ctx = bonded.slashing().within(staking)
  const { store } = ctx
  const now = Number(store.minting.payouts.get())
  for (const epoch of [now, now + 1]) {
    const members = membersOf(ctx, epoch)
    if (members === null) continue
    const lost = { gone: 0n, silent: 0n, power: 0n }
    for (let place = 0; place < members.count; place++) {
      const { operator, power, index } = members.at(place)
      const at = find(store, operator)?.at ?? expect.fail('a member is a validator')
      lost.power += power
      if (store.powers.item(index).get() === 0n) lost.gone += power
      if (isSilent(at)) lost.silent += power
    }
    const { gone, silent, power } = entryOf(store, epoch)
    expect({ epoch, gone: gone.get(), silent: silent.get(), power: power.get() }).toEqual({ epoch, ...lost })
  }
  const { bonds, rewards, minting } = store
  const owed = [bonds.bonded, bonds.unbonding, rewards.owed, rewards.pot, minting.amount]
  expect(owed.reduce((sum, cell) => sum + cell.get(), 0n)).toBe(ctx.balance())
}

/** What is locked for other chains is here; what was minted is no less than there is. */
const recountBridge = (bonded: Bonded): void => {
  const ctx = bonded.bridge()
  const outstanding = (chain: bigint, token: number) => ctx.store.routes.at(chain).at(account(token)).outstanding.get()
  expect(ctx.balance()).toBe(outstanding(THERE, 0) + outstanding(OTHER, 0))
  expect(balanceOf(ctx.within(cpu), ctx.at)).toBe(outstanding(THERE, 0x821))
  for (const [i, module] of wrapped.slice(0, 2).entries())
    expect(supplyOf(ctx.within(module))).toBeLessThanOrEqual(outstanding(THERE, 0x831 + i))
}

const doubleSign = (bonded: Bonded, drawn: number): Uint8Array | null => {
  const height = bonded.world.block.number - 1
  if (height < 1) return null
  const members = bonded.membersAt(height)
  const place = drawn % members.length
  const key = secretOf(members[place] ?? 0)
  const [a, b] = [1, 2].map((byte) => {
    const blockHash = asHash(new Uint8Array(32).fill(byte))
    const statement: Statement =
      drawn % 3 === 0
        ? { kind: 'timeout', height, round: 1, hqcRound: byte === 1 ? null : 0 }
        : { kind: 'commit', height, round: 0, blockHash }
    const signature = curves().blsSign(key, digestOf(statement, bonded.world.block.domain))
    return { statement, bitmap: bitmapOf([place], members.length), signature }
  })
  return a === undefined || b === undefined ? null : encodeEvidence(evidenceOf(a, b))
}

/** Of each type its ends, and what is almost something. */
const EXTREMES: Readonly<Record<string, readonly unknown[]>> = {
  address: [0, 1, 2, 7, 8, 9, 0x801, 0x802, 0x821, 0x831].map((n) => account(n)),
  bytes32: [0, 1, 255].map((byte) => new Uint8Array(32).fill(byte)),
  string: [
    '',
    'staking.minSelfBond',
    'slashing',
    'x'.repeat(64),
    'x'.repeat(65),
    '\u{10ffff}'.repeat(300),
    '__proto__',
  ],
  bytes: [
    ...[0, 1, 47, 48, 49, 96, 97, 8_192, 8_193].map((size) => new Uint8Array(size).fill(0xc0, 0, 1)),
    ...[1, 2].map((n) => curves().blsPublicKey(secretOf(n))),
    curves().blsSign(secretOf(1), new Uint8Array(32)),
    account(0x2001),
    encodeValues(PROOF, [0n, Uint8Array.of(15), curves().blsSign(secretOf(1), new Uint8Array(32))]),
    encodeValues(PROOF, [2n ** 64n - 1n, Uint8Array.of(15, 1), new Uint8Array(0)]),
  ],
}
const extremeOf = (type: unknown): fc.Arbitrary<unknown> => {
  if (typeof type !== 'string') {
    const { tuple, list } = type as { readonly tuple?: readonly AbiParam[]; readonly list?: unknown }
    if (tuple === undefined) return fc.array(extremeOf(list), { maxLength: 3 })
    return fc.record(Object.fromEntries(tuple.map(([name, each]) => [name, extremeOf(each)])))
  }
  if (type === 'bool') return fc.boolean()
  if (!type.startsWith('uint')) return fc.constantFrom(...(EXTREMES[type] ?? []))
  const most = 2n ** BigInt(type.slice(4)) - 1n
  const some = [0n, 1n, 2n, most - 1n, most, 2n ** 120n, NOVA, 2n ** 53n, 2n ** 32n, 2n ** 32n - 1n, THERE]
  return fc.constantFrom(...some.filter((value) => value <= most))
}
const anyCall = fc
  .constantFrom(
    ...([AT, SLASHING, PARAMS, BRIDGE] as const).flatMap((at, i) =>
      Object.values(([abi, slashingAbi, paramsAbi, bridgeAbi] as const)[i]?.functions ?? {}).map((fn) => ({ at, fn })),
    ),
  )
  .chain(({ at, fn }) =>
    fc.record({
      ...{ at: fc.constant(at), fn: fc.constant(fn), from: fc.integer({ min: 1, max: 9 }) },
      args: fc.tuple(...(fn as AbiFunction).inputs.map(([, type]) => extremeOf(type))),
      value: fc.constantFrom(0n, 0n, 1n, NOVA, 10n ** 24n, 2n ** 120n, 2n ** 120n + 1n),
      gas: fc.constantFrom(10_000_000n, 10_000_000n, 200_000n, 30_000n),
    }),
  )

test('whatever arguments come, with whatever value and gas: a call ends, no node does, and every sum is right', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(anyCall, { minLength: 30, maxLength: 120, size: 'max' }), async (calls) => {
      const bonded = createBridge({ epochBlocks: 3 })
      const { state } = bonded.world
      state.begin()
      for (let n = 1; n < 10; n++) state.setBalance(state.load(account(n)), 2n ** 121n)
      state.end()
      for (const { at, fn, from, args, value, gas } of calls) {
        const data = encodeCall(fn as AbiFunction, args as never)
        const { status } = await bonded.world.send(
          from,
          at,
          data,
          fn.mutability === 'payable' ? { value, gas } : { gas },
        )
        seen.add(`${status} ${fn.source}`)
        bonded.seal()
        recount(bonded)
        recountBridge(bonded)
      }
    }),
    { numRuns: 25, endOnFailure: true },
  )
  expect(seen.size).toBeGreaterThan(60)
})

interface Turn {
  readonly act: number
  readonly who: number
  readonly whom: number
  readonly nova: bigint
  readonly drawn: number
}
/** Answers the error that it ended in, or 'success'. */
const act = async (bonded: Bonded, { act: what, who, whom, nova, drawn }: Turn): Promise<string> => {
  const { world, send } = bonded
  const wei = nova * NOVA
  const stake = async <K extends keyof typeof abi.functions & string>(name: K, args: readonly unknown[], value = 0n) =>
    endOf(await world.send(who, AT, encodeCall(abi.functions[name], args as never), { value }))
  switch (what) {
    case 0: {
      const name = NAMES[drawn % NAMES.length] ?? ''
      const { minimum = 0n, maximum = 0n, initial = 0n } = values[name] ?? {}
      const value = [minimum, maximum, initial, minimum][Math.floor(drawn / NAMES.length) % 4] ?? initial
      return endOf(await send(GOVERNANCE, 'params', 'set', name, value))
    }
    case 1:
      return stake('delegate', [account(whom)], wei)
    case 2: {
      const [held] = await bonded.read('staking', 'delegation', account(who), account(whom))
      return stake('undelegate', [account(whom), drawn % 2 === 0 ? held : held / 3n])
    }
    case 3: {
      const [held] = await bonded.read('staking', 'delegation', account(who), account(whom))
      return stake('redelegate', [account(whom), account((drawn % 7) + 1), drawn % 2 === 0 ? held : held / 2n])
    }
    case 4: {
      const evidence = doubleSign(bonded, drawn)
      return evidence === null ? 'none' : endOf(await send(8, 'slashing', 'submitEvidence', evidence))
    }
    case 5:
      return endOf(await send(who, 'slashing', 'unjail'))
    case 6: {
      const ctx = bonded.slashing().within(staking)
      const at = find(ctx.store, account(who))?.at
      if (at === undefined || at.jailed.get() || at.tombstoned.get() || at.exited.get()) return 'none'
      bonded.setReady(who, true)
      return 'ready'
    }
    case 7: {
      const blsKey = curves().blsPublicKey(secretOf(who))
      const said = signBytes(world.block.domain, SignType.pop, ownerPayload(blsKey, account(who)))
      const proof = curves().blsSign(secretOf(who), said)
      return stake('createValidator', [blsKey, proof, new Uint8Array(32), 0n, ''], wei)
    }
    case 8:
      return drawn % 3 === 0 ? stake('exit', []) : stake('withdrawUnbonded', [])
    case 9:
      return stake('claimRewards', [account(whom)])
    default:
      return drawn % 8 === 0 ? endOf(await send(GOVERNANCE, 'params', 'pause', 'slashing', 5n, '')) : 'none'
  }
}

const turn: fc.Arbitrary<Turn> = fc.record({
  act: fc.integer({ min: 0, max: 10 }),
  who: fc.integer({ min: 1, max: 7 }),
  whom: fc.integer({ min: 1, max: 7 }),
  nova: fc.oneof(fc.constant(1n), fc.bigInt(1n, 900_000n)),
  drawn: fc.nat({ max: 1_000 }),
})
const block = fc.record({
  turns: fc.array(turn, { maxLength: 4 }),
  missing: fc.oneof(fc.constant([]), fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 4 })),
  seconds: fc.constantFrom(1, 1, 3, 70),
})

test('whatever numbers hold, in epochs of two blocks and more: no hook throws, and every sum is right after each step', async () => {
  const ends = new Map<string, number>()
  // Chance alone brings a sleeper in most of so few runs, not in all.
  const asleep = Array.from({ length: 30 }, () => ({ turns: [], missing: [1], seconds: 1 as const }))
  const play = async (
    epochBlocks: number,
    blocks: readonly (typeof block extends fc.Arbitrary<infer B> ? B : never)[],
  ) => {
    const bonded = createBonded({
      ...{ epochBlocks, stakes: [1_000n, 1_000n, 900_000n, 1n] },
      values: { 'staking.unbondingTime': 60n, 'slashing.window': 10n, 'slashing.jailTime': 1n },
    })
    for (const { turns, missing, seconds } of blocks) {
      for (const each of turns) {
        const end = (await act(bonded, each)).split(' ')[0] ?? ''
        ends.set(end, (ends.get(end) ?? 0) + 1)
        recount(bonded)
      }
      bonded.world.go({ prevRandao: asHash(bigintToFixed(BigInt(bonded.world.block.number), 32)) })
      for (const name of said(bonded.seal(missing, seconds)).map((line) => line.split(' ')[0] ?? ''))
        ends.set(name, (ends.get(name) ?? 0) + 1)
      recount(bonded)
      expect(bonded.membersAt(bonded.world.block.number).length).toBeGreaterThan(0)
    }
  }
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(2, 3, 7), fc.array(block, { minLength: 20, maxLength: 120, size: 'max' }), play),
    { numRuns: 25, endOnFailure: true, examples: [[7, asleep]] },
  )
  const wanted = [
    'success',
    'ready',
    'LastQuorum',
    'AlreadyPunished',
    'NothingMatured',
    'Slept',
    'ValidatorJoined',
    'ValidatorLeft',
  ]
  expect(wanted.filter((name) => !ends.has(name))).toEqual([])
})
