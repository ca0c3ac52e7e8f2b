// The module `params`: governance sets numbers for the next epoch, the guardian pauses a scope for a while. Owns who may do
// which, the bounds, and what a scheduled value means.
import { z } from 'zod'
import { type Address, asAddress, equalBytes, hexToBytes } from '../../base/bytes.ts'
import { NodeError } from '../../base/errors.ts'
import { type Genesis, GenesisErrors } from '../../types/genesis.ts'
import { epochOf } from '../../types/validators.ts'
import { type Call, defineModule, type Handlers } from '../kit/module.ts'
import { openStore, type Store, type Words } from '../kit/slots.ts'
import { abi } from './abi.ts'
import { layout } from './layout.ts'
import { type GovernableValue, PAUSE_GAP, PAUSE_MAX, REASON_MAX, SCOPES, values } from './values.ts'

type ParamsCall = Call<typeof abi, typeof layout>
interface At extends Pick<ParamsCall, 'store'> {
  readonly block: { readonly number: number }
}

const NOBODY = asAddress(new Uint8Array(20))
const epochNow = ({ store, block }: At): bigint => BigInt(epochOf(block.number, Number(store.epochBlocks.get())))

const known = (call: ParamsCall, name: string): GovernableValue =>
  (Object.hasOwn(values, name) ? values[name] : undefined) ?? call.revert('UnknownName', { name })

const currentOf = ({ store, block }: At, name: string): bigint => {
  const entry = store.values.at(name)
  const from = entry.fromEpoch.get()
  return from !== 0n && epochNow({ store, block }) >= from ? entry.next.get() : entry.current.get()
}

const onlyGovernance = (call: ParamsCall): void => {
  if (!equalBytes(call.caller, call.store.governance.get())) call.revert('NotGovernance', { caller: call.caller })
}
/** True for governance, false for the guardian; whoever is neither gets no further. */
const mayPause = (call: ParamsCall): boolean => {
  if (equalBytes(call.caller, call.store.governance.get())) return true
  if (!equalBytes(call.caller, call.store.guardian.get())) call.revert('NotGuardian', { caller: call.caller })
  return false
}
const knownScope = (call: ParamsCall, scope: string): void => {
  if (!SCOPES.includes(scope)) call.revert('UnknownScope', { scope })
}

/** From which second the guardian may pause again: a scope runs as long as it was paused, and at least a day. */
const freeFrom = (since: number, until: number): number =>
  until === 0 ? 0 : until + Math.max(until - since, PAUSE_GAP)

const handlers: Handlers<typeof abi, typeof layout> = {
  get: {
    gas: 500,
    run(call, [name]) {
      known(call, name)
      return currentOf(call, name)
    },
  },
  scheduled: {
    gas: 500,
    run(call, [name]) {
      known(call, name)
      const entry = call.store.values.at(name)
      const from = entry.fromEpoch.get()
      return from > epochNow(call) ? { value: entry.next.get(), fromEpoch: from } : { value: 0n, fromEpoch: 0n }
    },
  },
  describe: { gas: 500, run: (call, [name]) => known(call, name) },
  names: { gas: 500, run: () => Object.keys(values) },
  set: {
    gas: 1_000,
    run(call, [name, value]) {
      onlyGovernance(call)
      const { minimum, maximum } = known(call, name)
      if (value < minimum || value > maximum) call.revert('OutOfBounds', { name, given: value, minimum, maximum })
      const oldValue = currentOf(call, name)
      const fromEpoch = epochNow(call) + 1n
      const entry = call.store.values.at(name)
      entry.current.set(oldValue)
      entry.next.set(value)
      entry.fromEpoch.set(fromEpoch)
      call.emit('ValueScheduled', { name, oldValue, newValue: value, fromEpoch })
    },
  },
  governance: { gas: 200, run: ({ store }) => store.governance.get() },
  guardian: { gas: 200, run: ({ store }) => store.guardian.get() },
  proposeGovernance: {
    gas: 500,
    run(call, [account]) {
      onlyGovernance(call)
      call.store.proposedGovernance.set(account)
      call.emit('GovernanceProposed', { current: call.caller, proposed: account })
    },
  },
  acceptGovernance: {
    gas: 500,
    run(call) {
      const { store, caller } = call
      const proposed = store.proposedGovernance.get()
      if (equalBytes(proposed, NOBODY) || !equalBytes(caller, proposed)) call.revert('NotProposed', { caller })
      const previous = store.governance.get()
      store.governance.set(caller)
      store.proposedGovernance.set(NOBODY)
      call.emit('GovernanceChanged', { previous, current: caller })
    },
  },
  setGuardian: {
    gas: 500,
    run(call, [account]) {
      onlyGovernance(call)
      const previous = call.store.guardian.get()
      call.store.guardian.set(account)
      call.emit('GuardianChanged', { previous, current: account })
    },
  },
  pause: {
    gas: 1_000,
    run(call, [scope, duration, reason]) {
      const isGovernance = mayPause(call)
      knownScope(call, scope)
      if (duration === 0n || duration > BigInt(PAUSE_MAX))
        call.revert('BadDuration', { given: duration, maximum: BigInt(PAUSE_MAX) })
      const reasonBytes = BigInt(new TextEncoder().encode(reason).length)
      if (reasonBytes > BigInt(REASON_MAX))
        call.revert('ReasonTooLong', { given: reasonBytes, maximum: BigInt(REASON_MAX) })
      const entry = call.store.pauses.at(scope)
      const from = freeFrom(Number(entry.since.get()), Number(entry.until.get()))
      if (!isGovernance && call.block.time < from) call.revert('CoolingDown', { scope, from: BigInt(from) })
      const until = BigInt(call.block.time) + duration
      entry.since.set(BigInt(call.block.time))
      entry.until.set(until)
      call.emit('Paused', { scope, by: call.caller, until, reason })
    },
  },
  unpause: {
    gas: 500,
    run(call, [scope]) {
      mayPause(call)
      knownScope(call, scope)
      const { until } = call.store.pauses.at(scope)
      if (until.get() <= BigInt(call.block.time)) call.revert('NotPaused', { scope })
      until.set(BigInt(call.block.time))
      call.emit('Unpaused', { scope, by: call.caller })
    },
  },
  pausedUntil: {
    gas: 200,
    run(call, [scope]) {
      knownScope(call, scope)
      const until = call.store.pauses.at(scope).until.get()
      return until > BigInt(call.block.time) ? until : 0n
    },
  },
  epoch: {
    gas: 200,
    run: (call) => ({ current: epochNow(call), blocks: call.store.epochBlocks.get() }),
  },
}

const account = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected 0x and 40 hex digits')
const section = z.strictObject({
  governance: account,
  guardian: account,
  values: z
    .record(
      z.string(),
      z.string().regex(/^(0x[0-9a-fA-F]{1,64}|[0-9]{1,77})$/, 'expected a 0x quantity or a decimal string'),
    )
    .default({}),
})

export const params = defineModule({
  name: 'params',
  abi,
  layout,
  handlers,
  genesis: {
    schema: section,
    seed({ store }, given, genesis, refuse) {
      const governance = asAddress(hexToBytes(given.governance))
      if (equalBytes(governance, NOBODY)) refuse('governance', 'somebody must be able to change the numbers')
      store.epochBlocks.set(BigInt(genesis.epochBlocks))
      store.governance.set(governance)
      store.guardian.set(asAddress(hexToBytes(given.guardian)))
      for (const name of Object.keys(given.values))
        if (!Object.hasOwn(values, name)) refuse(`values.${name}`, 'there is no such number')
      for (const [name, entry] of Object.entries(values)) seedValue(store, name, entry, given.values[name], refuse)
    },
  },
})

/** What a genesis says of governance: who, and each number as the network starts with it. Throws GENESIS_INVALID. */
export function paramsOf({ modules }: Pick<Genesis, 'modules'>): {
  readonly governance: Address
  readonly guardian: Address
  readonly numbers: ReadonlyMap<string, bigint>
} {
  const { data, error } = section.safeParse(modules.params)
  if (data === undefined) {
    const issue = error.issues[0]
    const path = ['novachain.modules.params', ...(issue?.path ?? [])].join('.')
    throw new NodeError(GenesisErrors.INVALID, { path, reason: issue?.message ?? '?' })
  }
  const numbers = Object.entries(values).map(
    ([name, { initial }]) => [name, BigInt(data.values[name] ?? initial)] as const,
  )
  return {
    governance: asAddress(hexToBytes(data.governance)),
    guardian: asAddress(hexToBytes(data.guardian)),
    numbers: new Map(numbers),
  }
}

const seedValue = (
  store: Store<typeof layout>,
  name: string,
  { initial, minimum, maximum }: GovernableValue,
  given: string | undefined,
  refuse: (path: string, reason: string) => never,
): void => {
  const value = given === undefined ? initial : BigInt(given)
  if (value < minimum || value > maximum) refuse(`values.${name}`, `${value} is outside ${minimum} to ${maximum}`)
  store.values.at(name).current.set(value)
}

/** The second until which a scope was last paused; for the door of every other module. */
export const pausedUntil = (scope: string, words: Words): number =>
  Number(openStore(layout, words).pauses.at(scope).until.get())
/** A number as it is in force in the block at a height; for who judges by the state without running anything. */
export const valueIn = (words: Words, name: string, height: number): bigint =>
  currentOf({ store: openStore(layout, words), block: { number: height } }, name)
