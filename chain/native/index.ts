// THE TABLE of native modules: which one answers at which address, from which height, and who may call it. Addresses are
// written here once and never reused. Owns what ties modules together and plants them at genesis.

import { type Address, asAddress, type Hex, hexToBytes } from '../base/bytes.ts'
import { assert, NodeError } from '../base/errors.ts'
import type { BlockContext, Native, NativeTable } from '../types/frame.ts'
import { type Genesis, GenesisErrors } from '../types/genesis.ts'
import type { State } from '../types/state.ts'
import type { Abi } from './kit/abi.ts'
import { freeWords, type Links, type Module, toNative } from './kit/module.ts'
import { type Layout, openStore } from './kit/slots.ts'
import { params, pausedUntil } from './params/module.ts'

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

export const natives: readonly NativeRow[] = [
  row('0x0000000000000000000000000000000000000803', params, { from: 0, callers: 'all' }),
]

/** What native modules bring to one height. */
export interface HeightNatives {
  readonly table: NativeTable
  begin(state: State, block: BlockContext): void
  end(state: State, block: BlockContext): void
}

/** What one table of modules makes of any height. */
export function openNatives(rows: readonly NativeRow[]): (height: number) => HeightNatives {
  const addresses = new Map<unknown, Address>(rows.map(({ at, module }) => [module, asAddress(hexToBytes(at))]))
  const addressOf = (module: unknown): Address => {
    const address = addresses.get(module)
    assert(address !== undefined, 'a module is in the table')
    return address
  }
  const links = ({ callers }: NativeRow): Links => ({
    callers,
    addressOf,
    pausedUntil: (scope, open) => (addresses.has(params) ? pausedUntil(scope, open(addressOf(params))) : 0),
  })
  const made: readonly (readonly [NativeRow, Native])[] = rows.map((each) => [each, toNative(each.module, links(each))])
  const starts = [...new Set(rows.map(({ from }) => from))].sort((a, b) => b - a)
  const byStart = new Map(
    starts.map((start): [number, HeightNatives] => [
      start,
      {
        table: new Map(made.filter(([{ from }]) => from <= start).map(([{ at }, native]) => [at, native])),
        begin: () => {},
        end: () => {},
      },
    ]),
  )
  const none: HeightNatives = { table: new Map(), begin: () => {}, end: () => {} }
  return (height) => byStart.get(starts.find((start) => start <= height) ?? -1) ?? none
}

/** The modules that are active at a height. */
export const nativesAt: (height: number) => HeightNatives = openNatives(natives)

/** PUSH1 0, PUSH1 0, REVERT: with code the account is never empty, so no clean-up takes its storage, and `extcodesize` is not 0. */
const STUB = hexToBytes('0x60006000fd')

/** Plants every module and writes its first state. Throws GENESIS_INVALID with the path of what a module refuses. */
export function seedNatives(state: State, genesis: Genesis, rows: readonly NativeRow[] = natives): void {
  const refuse = (path: string, reason: string): never => {
    throw new NodeError(GenesisErrors.INVALID, { path: `novachain.modules.${path}`, reason })
  }
  for (const name of Object.keys(genesis.modules))
    if (!rows.some(({ module }) => module.name === name)) refuse(name, 'there is no such module')
  for (const { at, module } of rows) {
    const address = asAddress(hexToBytes(at))
    const { name, layout } = module
    const account = state.load(address)
    if (account.exists) refuse(name, `alloc.${at}: this address belongs to the module`)
    state.setCode(account, STUB)
    const given = module.genesis.parse(genesis.modules[name])
    const issue = given.error?.issues[0]
    if (!given.success) refuse([name, ...(issue?.path ?? [])].join('.'), issue?.message ?? '?')
    const inside = (path: string, reason: string): never => refuse(`${name}.${path}`, reason)
    module.genesis.seed(openStore(layout, freeWords(state, address)), given.data, genesis, inside)
  }
}
