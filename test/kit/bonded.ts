// A world of validators, for tests of staking and slashing together: accounts 1 to n are operators whose keys the test holds, blocks
// come with certificates, and whoever shall miss one misses it.
import { asAddress, bigintToFixed, bytesToBigint, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { BridgeCtx } from '../../chain/native/bridge/layout.ts'
import { bridge } from '../../chain/native/bridge/module.ts'
import { natives } from '../../chain/native/index.ts'
import {
  type Abi,
  type AbiFunction,
  decodeEvent,
  decodeNamed,
  decodeValues,
  encodeCall,
  type Positional,
  selectorOf,
} from '../../chain/native/kit/abi.ts'
import { hookCtx } from '../../chain/native/kit/module.ts'
import { params } from '../../chain/native/params/module.ts'
import type { SlashingCtx } from '../../chain/native/slashing/downtime.ts'
import { slashing } from '../../chain/native/slashing/module.ts'
import type { StakingCtx } from '../../chain/native/staking/layout.ts'
import { staking } from '../../chain/native/staking/module.ts'
import { membersOf } from '../../chain/native/staking/sets.ts'
import { find, weigh } from '../../chain/native/staking/validators.ts'
import { cpu } from '../../chain/native/token/module.ts'
import { type WrappedModule, wrapped } from '../../chain/native/token/wrapped.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import type { Log } from '../../chain/types/receipt.ts'
import { createValidatorSet, epochOf, POWER_WEI } from '../../chain/types/validators.ts'
import { bitmapOf } from '../../chain/types/vote.ts'
import { type Answer, account, createWorld } from './native.ts'

installCurves(nativeCurves)

const modules = { params, staking, slashing, bridge, cpu, wrapped: wrapped[0] as WrappedModule }
type Modules = typeof modules
const addressOf = (of: unknown): Hex => natives.find(({ module }) => module === of)?.at ?? '0x'
const AT = Object.fromEntries(Object.entries(modules).map(([name, module]) => [name, addressOf(module)])) as {
  readonly [K in keyof Modules]: Hex // the same keys
}
type Functions<M extends keyof Modules> = Modules[M]['abi']['functions']
type Args<M extends keyof Modules, K extends keyof Functions<M>> = Functions<M>[K] extends AbiFunction
  ? Positional<Functions<M>[K]['inputs']>
  : never

export const GOVERNANCE = 9
export const secretOf = (operator: number): Uint8Array => bigintToFixed(2n ** 200n + BigInt(operator), 32)
/** The account of an address. */
export const numberOf = (address: Uint8Array): number => Number(bytesToBigint(address))

export type Bonded = ReturnType<typeof createBonded>

/** `stakes` in whole NOVA, a million each where it is not given; numbers of governance from genesis on by `values`. */
export function createBonded(choice: {
  readonly stakes?: readonly bigint[]
  readonly validators?: number
  readonly epochBlocks?: number
  readonly values?: Readonly<Record<string, bigint>>
  readonly block?: Partial<BlockContext>
  /** Of other modules in the genesis. */
  readonly sections?: Readonly<Record<string, unknown>>
}) {
  const stakes = choice.stakes ?? Array.from({ length: choice.validators ?? 4 }, () => 1_000_000n)
  const founders = stakes.map((nova, i) => ({
    ...{ operator: account(i + 1), blsKey: curves().blsPublicKey(secretOf(i + 1)), stakeWei: nova * POWER_WEI },
    ...{ commissionBps: 0, moniker: '', peerId: null },
  }))
  const validators = createValidatorSet(
    founders.map(({ operator: address, blsKey }, i) => ({ address, blsKey, power: stakes[i] as bigint })),
  )
  const values = Object.fromEntries(
    Object.entries({ 'staking.minSelfBond': POWER_WEI, ...choice.values }).map(([name, value]) => [name, `${value}`]),
  )
  const who = bytesToHex(account(GOVERNANCE))
  const world = createWorld(
    natives,
    { params: { governance: who, guardian: who, values }, ...choice.sections },
    { founders, validators, epochBlocks: choice.epochBlocks ?? 10, blockTimeMs: 3_000 },
  )
  world.go({ number: 0, ...choice.block })
  world.next(0)

  const ctxOf = (module: unknown): unknown => {
    const links = {
      addressOf: (of: unknown) => asAddress(hexToBytes(addressOf(of))),
      pausedUntil: () => 0,
      isActive: () => false,
      epochsBefore: () => 0,
      permits: () => null,
    }
    return hookCtx(module as never, world.state, world.block, { callers: 'all', ...links })
  }
  /** Accounts of the members that sign a height, in set order. */
  const membersAt = (height: number): number[] => {
    const members = membersOf(ctxOf(staking) as StakingCtx, epochOf(height, choice.epochBlocks ?? 10))
    return Array.from({ length: members?.count ?? 0 }, (_, i) => numberOf(members?.at(i).operator ?? new Uint8Array(0)))
  }
  const pay = async <M extends keyof Modules, K extends keyof Functions<M> & string>(
    value: bigint,
    from: number,
    module: M,
    name: K,
    ...args: Args<M, K>
  ): Promise<Answer> => {
    const fn = (modules[module].abi as Abi).functions[name] as AbiFunction
    return world.send(from, AT[module], encodeCall(fn, args as never), { value })
  }
  const send = <M extends keyof Modules, K extends keyof Functions<M> & string>(
    ...[from, module, name, ...args]: [from: number, module: M, name: K, ...args: Args<M, K>]
  ): Promise<Answer> => pay(0n, from, module, name, ...args)
  return {
    ...{ world, send, pay, membersAt },
    /** To call what hooks call, between `state.begin` and `state.end`. */
    slashing: () => ctxOf(slashing) as SlashingCtx,
    bridge: () => ctxOf(bridge) as BridgeCtx,
    epoch: (): number => epochOf(world.block.number, choice.epochBlocks ?? 10),
    /** As by an attestation, or as if it was never made: whether the next election can take it. */
    setReady(operator: number, isReady: boolean): void {
      world.state.begin()
      const ctx = ctxOf(staking) as StakingCtx
      const validator = find(ctx.store, account(operator))
      if (validator === null) throw new Error(`account ${operator} is no operator`)
      validator.at.ready.set(isReady)
      weigh(ctx, validator)
      world.state.end()
    },
    async read<M extends keyof Modules, K extends keyof Functions<M> & string>(
      module: M,
      name: K,
      ...args: Args<M, K>
    ) {
      const { output, status } = await send(8, module, name, ...args)
      if (status !== 'success') throw new Error(`${name} ${status}`)
      const fn = (modules[module].abi as Abi).functions[name] as AbiFunction
      return decodeValues(fn.outputs, output) as Functions<M>[K] extends AbiFunction
        ? Positional<Functions<M>[K]['outputs']>
        : never
    },
    /** Ends this block and begins the next, with the certificate of all members but these. */
    seal(missing: readonly number[] = [], seconds = 3): readonly Log[] {
      const { number: height } = world.block
      const members = membersAt(height)
      const signers = members.flatMap((operator, i) => (missing.includes(operator) ? [] : [i]))
      return world.next(seconds, { lastCommit: { height, bitmap: bitmapOf(signers, members.length) } })
    },
  }
}

const textOf = (value: unknown): string =>
  value instanceof Uint8Array ? (value.length === 20 ? String(numberOf(value)) : bytesToHex(value)) : String(value)
const listOf = (values: object): string => Object.values(values).map(textOf).join(' ')

/** Each log as its event with its values; accounts as numbers. Of the named events where some are named. */
export const said = (logs: readonly Log[], ...names: readonly string[]): string[] =>
  logs.flatMap((log) => {
    for (const { abi } of Object.values(modules))
      for (const [name, event] of Object.entries((abi as Abi).events))
        if (bytesToHex(log.topics[0] as Uint8Array) === event.topic)
          return names.length > 0 && !names.includes(name) ? [] : [`${name} ${listOf(decodeEvent(event, log))}`]
    return ['?']
  })

/** The custom error that a call ended in, with its values; its plain reason, or how it ended. */
export const endOf = ({ output, status }: Answer): string => {
  if (status !== 'revert') return status
  for (const { abi } of Object.values(modules))
    for (const [name, error] of Object.entries((abi as Abi).errors))
      if (selectorOf(output) === error.selector)
        return `${name} ${listOf(decodeNamed(error.inputs, output.subarray(4)))}`.trim()
  return String(decodeValues([['reason', 'string']], output.subarray(4))[0])
}
