// Staking over a store on disk: what blocks pay for elections, payouts and nothing, what calls cost among few and among a million
// delegators, and a penalty among a hundred thousand.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Address, asAddress, asHash, bigintToFixed, bytesToHex } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { createState } from '../chain/exec/state.ts'
import { nativesAt, STAKING, seedNatives } from '../chain/native/index.ts'
import { encodeCall } from '../chain/native/kit/abi.ts'
import { hookCtx } from '../chain/native/kit/module.ts'
import { abi } from '../chain/native/staking/abi.ts'
import { bond } from '../chain/native/staking/book.ts'
import type { StakingCtx } from '../chain/native/staking/layout.ts'
import { staking } from '../chain/native/staking/module.ts'
import { penalise } from '../chain/native/staking/penalties.ts'
import { enrol } from '../chain/native/staking/registry.ts'
import { find, type Validator, weigh } from '../chain/native/staking/validators.ts'
import { openKv } from '../chain/store/kv.ts'
import { createStateStore, type StateStore } from '../chain/store/state.ts'
import type { BlockContext } from '../chain/types/frame.ts'
import type { Genesis } from '../chain/types/genesis.ts'
import type { Reader, State } from '../chain/types/state.ts'
import { createValidatorSet } from '../chain/types/validators.ts'

const isSmoke = process.argv.includes('--smoke')
const [CANDIDATES, PLACES, FEW, CROWD, MILLION] = isSmoke
  ? [500, 100, 10, 1_000, 5_000]
  : [10_000, 1_247, 10, 100_000, 1_000_000]
const ROUNDS = isSmoke ? 2 : 20
const E = 1_200
const NOVA = 10n ** 18n
const addressOf = (kind: number, n: number): Address =>
  asAddress(keccak(bigintToFixed(BigInt(kind * 2 ** 32 + n), 32)).slice(12))
const operatorOf = (n: number): Address => addressOf(1, n)
const keyOf = (n: number): Uint8Array => bigintToFixed(BigInt(n + 1), 48)

const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
let kv = await openKv(dir, { pause })
const openStore = (): StateStore =>
  createStateStore({ kv, pause }, { historyBlocks: 100, proofBlocks: 100, cacheBytes: 256 * 1024 * 1024 })
let store = openStore()
const nothing: Reader = {
  account: () => undefined,
  slot: () => 0n,
  code: () => ({ hash: keccak(new Uint8Array(0)), bytes: new Uint8Array(0), jumps: new Uint8Array(0) }),
}

const blockAt = (number: number): BlockContext => ({
  ...{
    chainId: 1n,
    number,
    time: 1_000_000 + 3 * number,
    coinbase: addressOf(3, 0),
    gasLimit: 1_600_000_000n,
    baseFeeWei: 7n,
  },
  ...{ prevRandao: keccak(bigintToFixed(BigInt(number), 32)), parentBeaconBlockRoot: asHash(new Uint8Array(32)) },
  domain: { chainId: 1n, genesisHash: asHash(new Uint8Array(32)) },
  ethereum: 'osaka',
  lastCommit: null,
  blockHash: () => asHash(new Uint8Array(32)),
})
const links = {
  callers: 'all',
  addressOf: () => STAKING,
  pausedUntil: () => 0,
  isActive: () => false,
  epochsBefore: () => 0,
  permits: () => null,
} as const
const ctxOn = (state: State, number: number): StakingCtx =>
  hookCtx(staking as never, state, blockAt(number), links) as never as StakingCtx // staking's own types
const begun = (): State => {
  const state = createState(store.height < 0 ? nothing : store.at(store.height))
  state.begin()
  return state
}
const commit = async (state: State): Promise<void> => {
  state.end()
  const prepared = await store.prepare(store.height + 1, state.changes())
  await kv.write(prepared.writes)
  await store.applied(prepared)
}
const reopen = async (): Promise<void> => {
  await kv.close()
  kv = await openKv(dir, { pause })
  store = openStore()
}

interface Times {
  readonly cpuMs: number
  readonly bestMs: number
}
/** Mean CPU of the thread, best time of the clock. */
const timed = async (
  rounds: number,
  prepare: () => Promise<unknown> | unknown,
  run: (input: never) => unknown,
): Promise<Times> => {
  let [cpuMs, bestMs] = [0, Number.POSITIVE_INFINITY]
  for (let i = 0; i < rounds; i++) {
    const input = (await prepare()) as never
    const [cpu, wall] = [process.threadCpuUsage(), performance.now()]
    await run(input)
    bestMs = Math.min(bestMs, performance.now() - wall)
    const { user, system } = process.threadCpuUsage(cpu)
    cpuMs += (user + system) / 1_000 / rounds
  }
  return { cpuMs, bestMs }
}
const say = (what: string, { cpuMs, bestMs }: Times): void =>
  console.log(`${what.padEnd(74)} ${cpuMs.toFixed(2).padStart(8)} ms CPU, best ${bestMs.toFixed(2)} ms`)

/** `stakeOf` a candidate, in NOVA. */
const seedCandidates = async (stakeOf: (n: number) => number): Promise<void> => {
  const founders = [0, 1, 2, 3].map((n) => ({
    ...{ operator: operatorOf(n), blsKey: keyOf(n), stakeWei: BigInt(stakeOf(n)) * NOVA, commissionBps: 500 },
    ...{ moniker: '', peerId: null },
  }))
  const members = founders.map(({ operator, blsKey, stakeWei }) => ({
    address: operator,
    blsKey,
    power: stakeWei / NOVA,
  }))
  const state = begun()
  const values = { 'staking.maxValidators': String(PLACES), 'staking.minDelegation': '1' }
  const genesis = {
    ...{ chainId: 1n, time: 1_000_000, gasLimit: 1_600_000_000n, baseFeeWei: 7n, mixHash: asHash(new Uint8Array(32)) },
    ...{
      coinbase: addressOf(3, 0),
      rulesHash: asHash(new Uint8Array(32)),
      epochBlocks: E,
      blockTimeMs: 3_000,
      founders,
    },
    ...{ validators: createValidatorSet(members), accounts: [] },
    modules: { params: { governance: bytesToHex(addressOf(3, 1)), guardian: bytesToHex(addressOf(3, 2)), values } },
  }
  seedNatives(state, genesis as Partial<Genesis> as Genesis) // seeding reads no more of it
  const ctx = ctxOn(state, 1)
  for (let n = founders.length; n < CANDIDATES; n++) {
    const facts = { peerIdDigest: new Uint8Array(32), commissionBps: 500n, moniker: `validator ${n}` }
    const validator = enrol(ctx.store, { operator: operatorOf(n), blsKey: keyOf(n), ...facts })
    validator.at.ready.set(true)
    deposit(ctx, operatorOf(n), validator, BigInt(stakeOf(n)) * NOVA)
  }
  await commit(state)
}
const deposit = (ctx: StakingCtx, delegator: Address, validator: Validator, wei: bigint): void => {
  ctx.mint(wei)
  bond(ctx, delegator, validator, wei)
  weigh(ctx, validator)
}
const end =
  (number: number) =>
  (state: State): void => {
    nativesAt(number).end(state, blockAt(number))
    state.end()
  }

const run = async (number: number): Promise<void> => {
  const state = begun()
  nativesAt(number).begin(state, blockAt(number))
  nativesAt(number).end(state, blockAt(number))
  await commit(state)
}

const elections = async (name: string): Promise<void> => {
  const election = 2 * E - 1
  const cold = async (): Promise<State> => {
    await reopen()
    return begun()
  }
  say(
    `election among ${CANDIDATES}, ${PLACES} elected, ${name}: cold`,
    await timed(Math.ceil(ROUNDS / 4), cold, end(election)),
  )
  say('  the same, values in the store’s cache', await timed(ROUNDS, begun, end(election)))
  const written = (): State => {
    const state = begun()
    end(election)(state)
    return state
  }
  say(
    '  its writes, with tries and roots',
    await timed(ROUNDS, written, (state: State) => store.prepare(store.height + 1, state.changes())),
  )
}

const boundary = async (): Promise<void> => {
  await elections('each with another stake')
  for (const [name, count] of [
    ['nobody’s power changes', 0],
    ['everybody’s power changes', CANDIDATES],
  ] as const) {
    const before = begun()
    const ctx = ctxOn(before, E + 1)
    for (let n = 0; n < count; n++) {
      const validator = find(ctx.store, operatorOf(n))
      if (validator !== null) deposit(ctx, operatorOf(n), validator, NOVA)
    }
    end(2 * E - 1)(before)
    await commit(before)
    say(`payout to ${PLACES}, ${name}`, await timed(ROUNDS, begun, end(2 * E)))
    const paid = (): State => {
      const state = begun()
      end(2 * E)(state)
      return state
    }
    say(
      '  its writes, with tries and roots',
      await timed(ROUNDS, paid, (state: State) => store.prepare(store.height + 1, state.changes())),
    )
  }
}

/** Of every validator, as when all are awake. */
const fullBitmap = (height: number): BlockContext['lastCommit'] => {
  const bitmap = new Uint8Array(Math.ceil(PLACES / 8)).fill(255)
  if (PLACES % 8 > 0) bitmap[bitmap.length - 1] = 2 ** (PLACES % 8) - 1
  return { height, bitmap }
}
const otherBlock = async (): Promise<void> => {
  const number = 2 * E + 5
  const hooks = (state: State): void => {
    const block = { ...blockAt(number), lastCommit: fullBitmap(number - 1) }
    nativesAt(number).begin(state, block)
    nativesAt(number).end(state, block)
    state.end()
  }
  say('any other block: hooks of all modules', await timed(ROUNDS * 10, begun, hooks))
}

/** Through the module's door, as a transaction calls it. */
const call = (
  state: State,
  from: Address,
  name: 'delegate' | 'undelegate' | 'claimRewards',
  args: readonly unknown[],
  value = 0n,
): bigint => {
  const native = nativesAt(1).table.get(bytesToHex(STAKING))
  if (native === undefined) throw new TypeError('staking is in the table')
  if (value > 0n) state.setBalance(state.load(STAKING), state.load(STAKING).balance + value)
  const frame = {
    ...({
      kind: 'call',
      depth: 0,
      caller: from,
      address: STAKING,
      codeAddress: STAKING,
      value,
      gas: 10_000_000n,
    } as const),
    ...{ input: encodeCall(abi.functions[name], args as never), isStatic: false, origin: from },
  }
  const { status, gasUsed, output } = native(frame, state, blockAt(2 * E + 5))
  if (status !== 'success') throw new TypeError(`${name}: ${status} ${bytesToHex(output)}`)
  return gasUsed
}
const crowd = async (from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n += 10_000) {
    const state = begun()
    const ctx = ctxOn(state, 2 * E + 5)
    const validator = find(ctx.store, operatorOf(0))
    if (validator === null) throw new TypeError('there is one')
    for (let i = n; i < Math.min(n + 10_000, to); i++) {
      ctx.mint(NOVA)
      bond(ctx, addressOf(2, i), validator, NOVA)
    }
    weigh(ctx, validator)
    await commit(state)
  }
}
const calls = async (delegators: number): Promise<void> => {
  const gas = new Map<string, bigint>()
  const measure = async (
    name: 'delegate' | 'undelegate' | 'claimRewards',
    args: readonly unknown[],
    value = 0n,
  ): Promise<void> => {
    let who = 0
    const times = await timed(ROUNDS * 5, begun, (state: State) =>
      gas.set(name, call(state, addressOf(2, who++ % Math.min(delegators, 10)), name, args, value)),
    )
    say(`${name} among ${delegators.toLocaleString('en')} delegators: ${gas.get(name)} gas`, times)
  }
  await measure('delegate', [operatorOf(0)], NOVA)
  await measure('undelegate', [operatorOf(0), NOVA / 2n])
  await measure('claimRewards', [operatorOf(0)])
  const punished = await timed(ROUNDS * 5, begun, (state: State) => {
    const ctx = ctxOn(state, 2 * E + 5)
    return penalise(ctx, operatorOf(0), { bps: 1_000n, offenceEpoch: 1, tombstone: true })
  })
  say(`a penalty among ${delegators.toLocaleString('en')} delegators`, punished)
}

try {
  await seedCandidates((n) => 1_000_000 + ((n * 7_919) % CANDIDATES) * 7)
  for (const number of [1, E - 1, E, E + 1]) await run(number)
  await boundary()
  for (const number of [2 * E, 2 * E + 1]) await run(number)
  await otherBlock()
  let have = 0
  for (const delegators of [FEW, CROWD, MILLION]) {
    await crowd(have, delegators)
    have = delegators
    // What they claim: a payout while they hold shares.
    const ctx = begun()
    const { store: slots } = ctxOn(ctx, 2 * E + 5)
    find(slots, operatorOf(0))?.at.rewardPerShare.update((sum) => sum + 2n ** 120n)
    slots.rewards.owed.update((owed) => owed + 10n ** 24n)
    ctxOn(ctx, 2 * E + 5).mint(10n ** 24n)
    await commit(ctx)
    await calls(delegators)
  }
} finally {
  await kv.close()
  rmSync(dir, { recursive: true, force: true })
}
