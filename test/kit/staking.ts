// A world with staking in it: founders with development keys, calls by name, what came of them in words, and what slashing may do.
import assert from 'node:assert/strict'
import {
  type Address,
  asAddress,
  asHash,
  bigintToFixed,
  bytesToHex,
  concat,
  type Hex,
  hexToBytes,
} from '../../chain/base/bytes.ts'
import { curves, installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { type NativeRow, natives } from '../../chain/native/index.ts'
import { type AbiFunction, decodeValues, encodeCall, type Named, type Positional } from '../../chain/native/kit/abi.ts'
import { hookCtx } from '../../chain/native/kit/module.ts'
import { abi } from '../../chain/native/staking/abi.ts'
import type { StakingCtx } from '../../chain/native/staking/layout.ts'
import { staking } from '../../chain/native/staking/module.ts'
import { burnPenalty, penalise } from '../../chain/native/staking/penalties.ts'
import type { Founder } from '../../chain/types/genesis.ts'
import type { Log } from '../../chain/types/receipt.ts'
import { createValidatorSet, POWER_WEI } from '../../chain/types/validators.ts'
import { type Domain, ownerPayload, readyPayload, SignType, signBytes } from '../../chain/types/vote.ts'
import { developmentSecret } from '../../node/development.ts'
import { account, blockHashOf, createWorld, type World } from './native.ts'

installCurves(nativeCurves)

export const STAKING_AT = '0x0000000000000000000000000000000000000801'
export const NOVA = 10n ** 18n
const [GOVERNANCE, GUARDIAN] = [account(0xa1), account(0xa2)]

const secrets = new Map<number, Uint8Array>()
const secretOf = (key: number): Uint8Array => {
  const known = secrets.get(key) ?? developmentSecret(key)
  secrets.set(key, known)
  return known
}
export const keyOf = (key: number): Uint8Array => curves().blsPublicKey(secretOf(key))
/** That the key is for an operator: of the network that worlds are, if it is not said. */
export const possessionOf = (key: number, operator = key, domain = DOMAIN): Uint8Array =>
  curves().blsSign(secretOf(key), signBytes(domain, SignType.pop, ownerPayload(keyOf(key), account(operator))))
const DOMAIN: Domain = { chainId: 1n, genesisHash: asHash(new Uint8Array(32)) }

interface FounderPlan {
  readonly operator: number
  /** The same as the operator's number where it is not given. */
  readonly key?: number
  readonly stake?: bigint
  readonly commissionBps?: number
  readonly peerId?: string
}
const founderOf = ({
  operator,
  key = operator,
  stake = 1_000n * NOVA,
  commissionBps = 0,
  peerId,
}: FounderPlan): Founder => ({
  ...{ operator: account(operator), blsKey: keyOf(key), stakeWei: stake, commissionBps },
  ...{ moniker: `v${operator}`, peerId: peerId ?? null },
})

type Functions = typeof abi.functions
type Name = keyof Functions & string
type Args<K extends Name> = Positional<Functions[K]['inputs']>
export interface Said {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}
export interface Done {
  readonly status: string
  /** A custom error's name with its values; the words of any other revert as `reason`. */
  readonly error: Said | null
  readonly events: readonly Said[]
  readonly values: readonly unknown[]
  readonly gasUsed: bigint
}

/** Bytes as hex, so that tests compare and print them. */
type Plain<T> = T extends Uint8Array ? Hex : T extends object ? { readonly [K in keyof T]: Plain<T[K]> } : T
export const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return bytesToHex(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
  return value
}
const named = (params: readonly (readonly [string, unknown])[], data: Uint8Array): Record<string, unknown> => {
  const values = decodeValues(params as never, data) as readonly unknown[]
  return Object.fromEntries(params.map(([name], i) => [name, plain(values[i])]))
}
const saidBy = (logs: readonly Log[]): Said[] =>
  logs.map(({ topics, data }) => {
    const found = Object.entries(abi.events).find(([, { topic }]) => topic === bytesToHex(topics[0] as Uint8Array))
    if (found === undefined) return { name: 'foreign', args: {} }
    const [name, { indexed, plain: rest }] = found
    return { name, args: { ...named(indexed, concat(...topics.slice(1))), ...named(rest, data) } }
  })
const errorIn = (output: Uint8Array): Said => {
  const selector = bytesToHex(output.subarray(0, 4))
  const found = Object.entries(abi.errors).find(([, each]) => each.selector === selector)
  if (found === undefined)
    return { name: 'Error', args: { reason: new TextDecoder().decode(output.subarray(68)).replace(/\0+$/, '') } }
  return { name: found[0], args: named(found[1].inputs, output.subarray(4)) }
}

interface StakingOptions {
  readonly founders?: readonly FounderPlan[]
  /** By the names of params. */
  readonly values?: Readonly<Record<string, string>>
  readonly epochBlocks?: number
  readonly rows?: readonly NativeRow[]
}
/** Small numbers: 100 NOVA to be a validator, 100 seconds to unbond, epochs of ten blocks of three seconds. */
const VALUES = {
  'staking.minSelfBond': (100n * NOVA).toString(),
  'staking.minDelegation': '1000',
  'staking.unbondingTime': '100',
} as const

const stakingRows: readonly NativeRow[] = natives.some(({ at }) => at === STAKING_AT)
  ? natives
  : [...natives, { at: STAKING_AT, module: staking as unknown as NativeRow['module'], from: 0, callers: 'all' }]

export interface StakingWorld extends World {
  call<K extends Name>(from: number, name: K, args: Args<K>, value?: bigint): Promise<Done>
  /** Of a function that succeeds: its values by name, bytes as hex. */
  read<K extends Name>(name: K, ...args: Args<K>): Promise<Plain<Named<Functions[K]['outputs']>>>
  create(
    operator: number,
    options?: { key?: number; value?: bigint; commissionBps?: bigint; peer?: Uint8Array; moniker?: string },
  ): Promise<Done>
  rotate(operator: number, key: number): Promise<Done>
  attest(operator: number, key?: number): Promise<Done>
  /** Ends blocks until this height begins. */
  until(height: number): readonly Said[]
  /** As another module would work within it: outside any transaction. */
  inside<T>(work: (ctx: StakingCtx) => T): { readonly value: T; readonly events: readonly Said[] }
  balanceOf(of: number | Address): bigint
  give(to: number | Address, wei: bigint): void
}

export function openStaking(options: StakingOptions = {}): StakingWorld {
  const { founders = [1, 2, 3, 4].map((operator) => ({ operator })), rows = stakingRows } = options
  const made = founders.map(founderOf)
  const members = made.map(({ operator, blsKey, stakeWei }) => ({
    address: operator,
    blsKey,
    power: stakeWei / POWER_WEI,
  }))
  const params = {
    ...{ governance: bytesToHex(GOVERNANCE), guardian: bytesToHex(GUARDIAN) },
    values: { ...VALUES, ...options.values },
  }
  const world = createWorld(
    rows,
    { params },
    {
      ...{ founders: made, validators: createValidatorSet(members), epochBlocks: options.epochBlocks ?? 10 },
      ...{ accounts: [], mixHash: asHash(new Uint8Array(32).fill(7)) },
    },
  )
  const addressOf = (of: number | Address): Address => (typeof of === 'number' ? account(of) : of)
  const links = {
    callers: 'all' as const,
    addressOf(module: unknown): Address {
      return asAddress(hexToBytes(rows.find((row) => row.module === module)?.at ?? '0x'))
    },
    pausedUntil: () => 0,
    isActive: () => false,
    epochsBefore: () => 0,
    permits: () => null,
  }
  const call: StakingWorld['call'] = async (from, name, args, value = 0n) => {
    const fn: AbiFunction = abi.functions[name]
    const answer = await world.send(from, STAKING_AT, encodeCall(fn, args as never), { value })
    const isDone = answer.status === 'success'
    return {
      status: answer.status,
      error: isDone ? null : errorIn(answer.output),
      events: saidBy(answer.logs),
      values: isDone ? (decodeValues(fn.outputs, answer.output) as readonly unknown[]).map(plain) : [],
      gasUsed: answer.gasUsed,
    }
  }
  return {
    ...world,
    get block() {
      return world.block
    },
    call,
    async read(name, ...args) {
      const { values, error } = await call(9, name, args)
      if (error !== null) throw new TypeError(`${name}: ${error.name}`)
      const { outputs } = abi.functions[name]
      return Object.fromEntries(outputs.map(([each], i) => [each, values[i]])) as never // by the same list of outputs
    },
    create(operator, { key = operator, value = 100n * NOVA, commissionBps = 0n, peer, moniker = '' } = {}) {
      const digest = peer ?? new Uint8Array(32)
      return call(
        operator,
        'createValidator',
        [keyOf(key), possessionOf(key, operator), digest, commissionBps, moniker],
        value,
      )
    },
    rotate: (operator, key) => call(operator, 'rotateBlsKey', [keyOf(key), possessionOf(key, operator)]),
    attest(operator, key = operator) {
      const height = world.block.number - 1
      const payload = readyPayload(height, blockHashOf(height), account(operator))
      const signature = curves().blsSign(secretOf(key), signBytes(world.block.domain, SignType.ready, payload))
      return call(operator, 'attestReady', [BigInt(height), blockHashOf(height), signature])
    },
    until(height) {
      const said: Said[] = []
      while (world.block.number < height)
        said.push(...saidBy(world.next(3, { prevRandao: asHash(bigintToFixed(BigInt(world.block.number), 32)) })))
      return said
    },
    inside(work) {
      world.state.begin()
      const ctx = hookCtx(staking as never, world.state, world.block, links) as never as StakingCtx // staking's own types
      const value = work(ctx)
      return { value, events: saidBy(world.state.end()) }
    },
    balanceOf: (of) => world.state.load(addressOf(of)).balance,
    give(to, wei) {
      world.state.begin()
      const target = world.state.load(addressOf(to))
      world.state.setBalance(target, target.balance + wei)
      world.state.end()
    },
  }
}

/** Of a call that should succeed. */
export async function must(done: Promise<Done>): Promise<Done> {
  const answer = await done
  assert.deepEqual(answer.error, null)
  return answer
}
/** What slashing does, but that all of it burns. */
export const slash = (
  w: StakingWorld,
  operator: Address,
  bps: bigint,
  tombstone: { readonly epoch: number } | null = null,
) =>
  w.inside((ctx) => {
    const wei = penalise(ctx, operator, { bps, offenceEpoch: tombstone?.epoch ?? 0, tombstone: tombstone !== null })
    burnPenalty(ctx, wei)
    return wei
  })
/** What the account holds is what is bonded, what unbonds, what was earned, and fees since the last payout. */
export async function conserved(w: StakingWorld, fees = 0n): Promise<void> {
  const at = asAddress(hexToBytes(STAKING_AT))
  const { bonds, rewards, minting } = w.inside(({ store }) => store).value
  const known = [bonds.bonded, bonds.unbonding, rewards.owed, rewards.pot, minting.amount].reduce(
    (sum, cell) => sum + cell.get(),
    0n,
  )
  assert.equal(known + fees, w.balanceOf(at))
  const totals = await w.read('totals')
  assert.equal(totals.bonded + totals.unbonding + totals.rewards, known + fees)
}
