// What the native modules say after a block, as `eth_call` would have it: their views, run on committed state without an engine.
import { type Address, asAddress, asHash, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { assert } from '../../chain/base/errors.ts'
import type { Chain } from '../../chain/chain.ts'
import { createState } from '../../chain/exec/state.ts'
import { ethereumAt, nativesAt, SLASHING, STAKING } from '../../chain/native/index.ts'
import {
  type Abi,
  decodeEvent,
  decodeNamed,
  encodeCall,
  type Named,
  type Positional,
} from '../../chain/native/kit/abi.ts'
import { abi as paramsAbi } from '../../chain/native/params/abi.ts'
import { abi as slashingAbi } from '../../chain/native/slashing/abi.ts'
import { abi as stakingAbi } from '../../chain/native/staking/abi.ts'
import type { BlockContext, Native } from '../../chain/types/frame.ts'
import type { Log } from '../../chain/types/receipt.ts'

interface Module<A extends Abi> {
  readonly at: Address
  readonly abi: A
}
export const STAKES: Module<typeof stakingAbi> = { at: STAKING, abi: stakingAbi }
export const COURT: Module<typeof slashingAbi> = { at: SLASHING, abi: slashingAbi }
export const PARAMS: Module<typeof paramsAbi> = {
  at: asAddress(hexToBytes('0x0000000000000000000000000000000000000803')),
  abi: paramsAbi,
}

type NameOf<A extends Abi> = keyof A['functions'] & string
type ArgsOf<A extends Abi, K extends NameOf<A>> = Positional<NonNullable<A['functions'][K]>['inputs']>
type AnswerOf<A extends Abi, K extends NameOf<A>> = Named<NonNullable<A['functions'][K]>['outputs']>

const fnOf = <A extends Abi, K extends NameOf<A>>({ abi }: Module<A>, name: K): NonNullable<A['functions'][K]> =>
  abi.functions[name] as NonNullable<A['functions'][K]> // the name is one of them

export const callTo = <A extends Abi, K extends NameOf<A>>(module: Module<A>, name: K, args: ArgsOf<A, K>) => ({
  to: module.at,
  input: encodeCall(fnOf(module, name), args as never),
})

/** Asked as from within the block itself; null where the view refuses. */
export type Ask = <A extends Abi, K extends NameOf<A>>(
  module: Module<A>,
  name: K,
  args: ArgsOf<A, K>,
) => AnswerOf<A, K> | null

/** After the block of a height that state is kept for. */
export function booksAt(chain: Chain, height: number): Ask {
  const header = chain.outline(height)?.header
  assert(header !== undefined, `block ${height} is there`)
  const state = createState(chain.at(height))
  const block: BlockContext = {
    ...header,
    chainId: chain.genesis.chainId,
    domain: { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash },
    lastCommit: null,
    ethereum: ethereumAt(state, height),
    blockHash: () => NO_HASH,
  }
  const { table } = nativesAt(Math.max(1, height))
  return (module, name, args) => {
    const native = table.get(bytesToHex(module.at))
    assert(native !== undefined, `module ${bytesToHex(module.at)} is in the table`)
    const { input } = callTo(module, name, args)
    const frame = {
      kind: 'staticcall' as const,
      ...{ depth: 0, caller: NOBODY, origin: NOBODY, address: module.at, codeAddress: module.at },
      ...{ value: 0n, input, gas: 10n ** 12n, isStatic: true },
    }
    state.begin()
    const { status, output } = native(frame, state, block)
    state.end()
    return status === 'success' ? (decodeNamed(fnOf(module, name).outputs, output) as never) : null // as its interface says
  }
}
const NOBODY = asAddress(new Uint8Array(20))
const NO_HASH = asHash(new Uint8Array(32))

type Events<A extends Abi> = {
  [K in keyof A['events'] & string]: {
    readonly name: K
    readonly values: Named<NonNullable<A['events'][K]>['indexed']> & Named<NonNullable<A['events'][K]>['plain']>
  }
}[keyof A['events'] & string]
export type ModuleEvent = Events<typeof stakingAbi> | Events<typeof slashingAbi>

/** What the modules logged; others' logs are left out. */
export const eventsIn = (logs: readonly Log[]): ModuleEvent[] =>
  logs.flatMap((log) => {
    const module = [STAKES, COURT].find(({ at }) => bytesToHex(at) === bytesToHex(log.address))
    const topic = bytesToHex(log.topics[0] ?? new Uint8Array(0))
    const found = Object.entries(module?.abi.events ?? {}).find(([, event]) => event.topic === topic)
    if (found === undefined) return []
    return [{ name: found[0], values: decodeEvent(found[1], log) } as ModuleEvent] // the table of its own events
  })

/** The modules as they are, and `onRefused` with the name of each custom error that a call ends with. */
export const watched =
  (onRefused: (error: string) => void): typeof nativesAt =>
  (height) => {
    const natives = nativesAt(height)
    const watch =
      (native: Native): Native =>
      (...args) => {
        const result = native(...args)
        if (result.status === 'revert') onRefused(errors.get(bytesToHex(result.output.subarray(0, 4))) ?? 'in words')
        return result
      }
    return { ...natives, table: new Map([...natives.table].map(([at, native]) => [at, watch(native)])) }
  }
const errors = new Map<Hex, string>(
  [stakingAbi, slashingAbi, paramsAbi].flatMap(({ errors: all }) =>
    Object.entries(all).map(([name, error]): [Hex, string] => [error.selector, name]),
  ),
)
