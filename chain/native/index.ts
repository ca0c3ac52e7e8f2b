// THE TABLE of native modules: which one answers at which address, from which height, and who may call it. Addresses are
// written here once and never reused. Owns what ties modules together and plants them at genesis.

import {
  type Address,
  asAddress,
  asHash,
  bytesToHex,
  equalBytes,
  type Hex,
  hexToBytes,
  type Word,
} from '../base/bytes.ts'
import { assert, NodeError } from '../base/errors.ts'
import { type EthereumFork, ethereumIn, FORKS, type Fork, type ForkOutlook, outlookOf } from '../types/forks.ts'
import type { BlockContext, Native, NativeTable } from '../types/frame.ts'
import { type Genesis, GenesisErrors } from '../types/genesis.ts'
import type { Changes, Reader, State } from '../types/state.ts'
import { SYSTEM_TARGET } from '../types/system-tx.ts'
import { type EpochSetOf, epochOf } from '../types/validators.ts'
import { audit } from './audit/module.ts'
import { bridge } from './bridge/module.ts'
import { type BridgeReads, bridgeReads } from './bridge/reads.ts'
import { did, didReads } from './did/module.ts'
import type { DidReads } from './did/resolve.ts'
import type { Abi } from './kit/abi.ts'
import type { Left } from './kit/carry.ts'
import { committedWords, hookCtx, type Links, type Module, toNative } from './kit/module.ts'
import type { Layout } from './kit/slots.ts'
import { enactFork, isForkActive, scheduleIn } from './params/forks.ts'
import { layout as paramsLayout } from './params/layout.ts'
import { params, pausedUntil, valueIn } from './params/module.ts'
import { type ListName, type Permissions, permissionsOf, permits } from './params/permissions.ts'
import { resources } from './resources/module.ts'
import { slashing } from './slashing/module.ts'
import { type CarriedValidator, carriedValidators, epochsBefore } from './staking/carry.ts'
import { staking } from './staking/module.ts'
import { epochSetAt } from './staking/sets.ts'
import { cpu, mem, net, sto } from './token/module.ts'
import { wrapped } from './token/wrapped.ts'

export interface NativeRow {
  readonly at: Hex
  readonly module: Module<Abi, Layout>
  /** First height. */
  readonly from: number
  /** 'accounts': not from inside another contract. */
  readonly callers: 'all' | 'accounts'
}

// A module's own types are narrower than what the table needs: its handlers take its own layout, and only the kit calls them.
const row = (at: Hex, module: unknown, rest: Pick<NativeRow, 'from' | 'callers'>): NativeRow => ({
  at,
  module: module as Module<Abi, Layout>,
  ...rest,
})

/** …0831 to …083f. */
const wrappedRows = wrapped.map((module, i): NativeRow => {
  return row(`0x00000000000000000000000000000000000008${(0x31 + i).toString(16)}`, module, { from: 0, callers: 'all' })
})

/** In the order in which they are seeded and their hooks run: all others read `params`. */
export const natives: readonly NativeRow[] = [
  row('0x0000000000000000000000000000000000000803', params, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000801', staking, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000802', slashing, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000810', did, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000820', resources, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000821', cpu, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000822', mem, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000823', sto, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000824', net, { from: 0, callers: 'all' }),
  ...wrappedRows,
  row('0x0000000000000000000000000000000000000830', bridge, { from: 0, callers: 'all' }),
  row('0x0000000000000000000000000000000000000840', audit, { from: 0, callers: 'all' }),
]

/** Where governance sets numbers and schedules forks. */
export const PARAMS: Address = asAddress(hexToBytes('0x0000000000000000000000000000000000000803'))
/** Where `staking` lives: what it earns is credited there while transactions run. */
export const STAKING: Address = SYSTEM_TARGET
/** Where DIDs are. */
export const DID: Address = asAddress(hexToBytes('0x0000000000000000000000000000000000000810'))
/** Where messages leave and come in. */
export const BRIDGE: Address = asAddress(hexToBytes('0x0000000000000000000000000000000000000830'))
/** Where states of VMs are recorded. */
export const AUDIT: Address = asAddress(hexToBytes('0x0000000000000000000000000000000000000840'))
/** Where evidence goes. */
export const SLASHING: Address = asAddress(hexToBytes('0x0000000000000000000000000000000000000802'))

/** What native modules bring to one height. */
export interface HeightNatives {
  readonly table: NativeTable
  begin(state: State, block: BlockContext): void
  end(state: State, block: BlockContext): void
}

const linksOf = (callers: NativeRow['callers'], addresses: ReadonlyMap<unknown, Address>): Links => {
  const addressOf = (module: unknown): Address => {
    const address = addresses.get(module)
    assert(address !== undefined, 'a module is in the table')
    return address
  }
  return {
    callers,
    addressOf,
    pausedUntil: (scope, open) => (addresses.has(params) ? pausedUntil(scope, open(addressOf(params))) : 0),
    permits: (list, open) => (addresses.has(params) ? permits(open(addressOf(params)), list) : null),
    isActive: (fork, height, open) =>
      addresses.has(params) &&
      isForkActive(open(addressOf(params)), fork, (epochBlocks) => epochOf(height, epochBlocks)),
    epochsBefore: (open) => (addresses.has(staking) ? epochsBefore(open(addressOf(staking))) : 0),
  }
}
const addressesOf = (rows: readonly NativeRow[]): ReadonlyMap<unknown, Address> =>
  new Map(rows.map(({ at, module }) => [module, asAddress(hexToBytes(at))]))

/** What one table of modules makes of any height. */
export function openNatives(rows: readonly NativeRow[]): (height: number) => HeightNatives {
  const addresses = addressesOf(rows)
  const links = ({ callers }: Pick<NativeRow, 'callers'>): Links => linksOf(callers, addresses)
  const made: readonly (readonly [NativeRow, Native])[] = rows.map((each) => [each, toNative(each.module, links(each))])
  const hooksOf = (when: 'begin' | 'end', height: number): HeightNatives['begin'] => {
    const active = rows.filter(({ from, module }) => from <= height && module.hooks?.[when] !== undefined)
    return (state, block) => {
      for (const each of active) each.module.hooks?.[when]?.(hookCtx(each.module, state, block, links(each)))
    }
  }
  const starts = [...new Set(rows.map(({ from }) => from))].sort((a, b) => b - a)
  const byStart = new Map(
    starts.map((start): [number, HeightNatives] => [
      start,
      {
        table: new Map(made.filter(([{ from }]) => from <= start).map(([{ at }, native]) => [at, native])),
        begin: hooksOf('begin', start),
        end: hooksOf('end', start),
      },
    ]),
  )
  const none: HeightNatives = { table: new Map(), begin: () => {}, end: () => {} }
  return (height) => byStart.get(starts.find((start) => start <= height) ?? -1) ?? none
}

/** The modules that are active at a height. */
export const nativesAt: (height: number) => HeightNatives = openNatives(natives)

/** How an epoch is read out of state. */
export const epochSetOf: EpochSetOf = (reader, epoch) => epochSetAt(reader, STAKING, epoch)
/** Seconds from the start of an offence's epoch in which it is punished, in the block at a height on this state. */
export const evidenceWindowS = (reader: Reader, height: number): number =>
  Number(valueIn(committedWords(reader, PARAMS), 'staking.unbondingTime', height))

/**
 * Ethereum's rules in the block of a height on this state; a state without `params`, of a test, has the newest. Throws FORK_UNKNOWN where a
 * fork holds that is not among `known`.
 */
export function ethereumAt(reader: Reader, height: number, known: readonly Fork[] = FORKS): EthereumFork {
  const words = committedWords(reader, PARAMS)
  if (words.get(BigInt(paramsLayout.rules.slot)) === 0n) return 'osaka'
  const epochBlocks = Number(words.get(BigInt(paramsLayout.epochBlocks.slot)))
  return ethereumIn(scheduleIn(words), { height, epoch: epochOf(height, epochBlocks) }, known)
}

/** Who may send and deploy on this state; null where everybody may. */
export const permissionsIn = (reader: Reader): Permissions | null => permissionsOf(committedWords(reader, PARAMS))
/** Whether a block changed what governance keeps: numbers, forks, lists. */
export const changesRules = ({ accounts }: Changes): boolean =>
  accounts.some(({ address }) => equalBytes(address, PARAMS))
/** Who is let in by a list on this state; null where it is off. */
export const permitsIn = (reader: Reader, list: ListName): ((member: Uint8Array) => boolean) | null =>
  permits(committedWords(reader, PARAMS), list)

/** The state as it would be if a fork held in the block of this height: what of it is written stays in the view. */
export function withFork(reader: Reader, name: string, at: { height: number; epochBlocks: number }): Reader {
  const changed = new Map<Word, Word>()
  const get = (key: Word): Word => changed.get(key) ?? reader.slot(PARAMS, key)
  enactFork({ get, set: (key, value) => void changed.set(key, value) }, name, epochOf(at.height, at.epochBlocks))
  return {
    account: (address) => reader.account(address),
    code: (hash) => reader.code(hash),
    slot: (address, key) => (equalBytes(address, PARAMS) ? get(key) : reader.slot(address, key)),
  }
}

/** The schedule of forks at the head of a chain, against those that its node knows. */
export interface ForkView {
  readonly known: readonly Fork[]
  /** Those that hold and those that will, by epoch. */
  outlook(): readonly ForkOutlook[]
  /** Throws FORK_UNKNOWN where the rules of the next block are not known here: it is neither built nor run. */
  checkNext(): void
}
export const viewForks = (
  states: { readonly height: number; at(height: number): Reader },
  known: readonly Fork[],
  { epochBlocks, blockTimeMs }: Pick<Genesis, 'epochBlocks' | 'blockTimeMs'>,
): ForkView => ({
  known,
  outlook() {
    const { height } = states
    return outlookOf(scheduleIn(committedWords(states.at(height), PARAMS)), known, { height, epochBlocks, blockTimeMs })
  },
  checkNext() {
    ethereumAt(states.at(states.height), states.height + 1, known)
  },
})

/** What the bridge says, as a block left it. */
export const bridgeReadsOf = (reader: Reader): BridgeReads => bridgeReads(committedWords(reader, BRIDGE))

/** What resolving a DID reads, as a block left it. */
export const didReadsOf = (reader: Reader, block: { readonly chainId: bigint; readonly time: number }): DidReads =>
  didReads(committedWords(reader, DID), block)

/** PUSH1 0, PUSH1 0, REVERT: with code the account is never empty, so no clean-up takes its storage, and `extcodesize` is not 0. */
const STUB = hexToBytes('0x60006000fd')

const NO_HASH = asHash(new Uint8Array(32))
/** The block that seeds see: height 0. Its hash is made from what they write, so nothing is signed under it yet. */
const genesisContext = (
  genesis: Pick<Genesis, 'chainId' | 'time' | 'gasLimit' | 'baseFeeWei' | 'coinbase' | 'mixHash' | 'rulesHash'>,
): BlockContext => ({
  chainId: genesis.chainId,
  number: 0,
  time: genesis.time,
  coinbase: genesis.coinbase,
  gasLimit: genesis.gasLimit,
  baseFeeWei: genesis.baseFeeWei,
  prevRandao: genesis.mixHash,
  parentBeaconBlockRoot: genesis.rulesHash,
  ethereum: 'osaka', // no code runs
  domain: { chainId: genesis.chainId, genesisHash: NO_HASH },
  lastCommit: null,
  blockHash: () => NO_HASH,
})

const refuseAt = (path: string, reason: string): never => {
  throw new NodeError(GenesisErrors.INVALID, { path, reason })
}

/** Plants every module and writes its first state, or checks the one it goes on with. Throws GENESIS_INVALID with the path of what a module refuses. */
export function seedNatives(state: State, genesis: Genesis, rows: readonly NativeRow[] = natives): void {
  const refuse = (path: string, reason: string): never => refuseAt(`novachain.modules.${path}`, reason)
  for (const name of Object.keys(genesis.modules))
    if (!rows.some(({ module }) => module.name === name)) refuse(name, 'there is no such module')
  if (genesis.carried !== undefined) checkPlaces(genesis, rows)
  const addresses = addressesOf(rows)
  for (const { at, module, callers } of rows) {
    const account = state.load(asAddress(hexToBytes(at)))
    const { name } = module
    const ctx = hookCtx(module, state, genesisContext(genesis), linksOf(callers, addresses))
    if (genesis.carried !== undefined && equalBytes(state.codeOf(account).bytes, STUB)) {
      if (genesis.modules[name] !== undefined) refuse(name, `it goes on with its state in alloc.${at}: no section`)
      module.carry?.check(ctx, genesis, (path, reason) => refuseAt(path === '' ? `alloc.${at}` : path, reason))
      continue
    }
    if (account.exists && genesis.carried === undefined) refuse(name, `alloc.${at}: this address belongs to the module`)
    if (genesis.carried !== undefined && module.carry !== undefined)
      refuseAt(`alloc.${at}`, `the state of ${name} is missing, which this genesis carries on`)
    state.setCode(account, STUB)
    const given = module.genesis.parse(genesis.modules[name])
    const issue = given.error?.issues[0]
    if (!given.success) refuse([name, ...(issue?.path ?? [])].join('.'), issue?.message ?? '?')
    const inside = (path: string, reason: string): never => refuse(`${name}.${path}`, reason)
    module.genesis.seed(ctx, given.data, genesis, inside)
  }
}

/** Where modules are, and will be. */
const isPlace = (address: Address): boolean => address.every((byte, i) => byte === (i === 18 ? 8 : 0) || i === 19)

/** What stands where modules do is a module of this release. */
const checkPlaces = ({ accounts }: Genesis, rows: readonly NativeRow[]): void => {
  for (const { address, code, storage } of accounts) {
    if (!isPlace(address) || (code.length === 0 && storage.length === 0)) continue
    const at = bytesToHex(address)
    if (!rows.some((each) => each.at === at))
      refuseAt(`alloc.${at}`, 'the state of a module that this release does not have: take the release that has it')
    if (!equalBytes(code, STUB)) refuseAt(`alloc.${at}.code`, `a module has the code ${bytesToHex(STUB)}`)
  }
}

/** Changes what modules know of heights, epochs and other networks, so that a new network begins with the rest. Says what is done. */
export function leaveNatives(
  state: State,
  genesis: Pick<Genesis, 'chainId' | 'time' | 'gasLimit' | 'baseFeeWei' | 'coinbase' | 'mixHash' | 'rulesHash'>,
  from: Left,
): readonly string[] {
  const addresses = addressesOf(natives)
  return natives.flatMap(({ module, callers }) => {
    const ctx = hookCtx(module, state, genesisContext(genesis), linksOf(callers, addresses))
    return module.carry?.leave(ctx, from) ?? []
  })
}
/** Whose storage `leaveNatives` begins anew. */
export const freshNatives: readonly Address[] = natives
  .filter(({ module }) => module.carry?.isFresh === true)
  .map(({ at }) => asAddress(hexToBytes(at)))
/** The members of the first set, as state names them. */
export const carriedMembers = (reader: Reader): readonly CarriedValidator[] =>
  carriedValidators(committedWords(reader, STAKING))
