// The module `params`: governance sets numbers for the next epoch, the guardian pauses a scope for a while. Owns who may do
// which, the bounds, and what a scheduled value means.
import { z } from 'zod'
import { type Address, asAddress, equalBytes, hexToBytes } from '../../base/bytes.ts'
import { NodeError } from '../../base/errors.ts'
import { FORK_EPOCHS_MAX, FORKS, isForkName, isForkVersion } from '../../types/forks.ts'
import { type Genesis, GenesisErrors } from '../../types/genesis.ts'
import { epochOf } from '../../types/validators.ts'
import { type Call, defineModule, type Handlers } from '../kit/module.ts'
import { openStore, type Store, type Words } from '../kit/slots.ts'
import { abi } from './abi.ts'
import { check, leave } from './carry.ts'
import { addFork, FORK_NOTICE, FORKS_MAX, removeFork, scheduleOf } from './forks.ts'
import { layout } from './layout.ts'
import {
  addMember,
  isMember,
  isPermitted,
  LISTS,
  type ListName,
  MEMBERS_MAX,
  MODES,
  modeOf,
  removeMember,
} from './permissions.ts'
import { type GovernableValue, PAUSE_GAP, PAUSE_MAX, REASON_MAX, SCOPES, values } from './values.ts'

type ParamsCall = Call<typeof abi, typeof layout>
interface At extends Pick<ParamsCall, 'store'> {
  readonly block: { readonly number: number }
}

const NOBODY = asAddress(new Uint8Array(20))
const epochNow = ({ store, block }: At): bigint => BigInt(epochOf(block.number, Number(store.epochBlocks.get())))

/** What a later fork brings is unknown before it, as it is to a release that has never heard of it. */
const isThere = (call: ParamsCall, { since }: GovernableValue): boolean => since === undefined || call.isActive(since)
const known = (call: ParamsCall, name: string): GovernableValue => {
  const found = Object.hasOwn(values, name) ? values[name] : undefined
  return found !== undefined && isThere(call, found) ? found : call.revert('UnknownName', { name })
}

const currentOf = ({ store, block }: At, name: string): bigint => {
  const entry = store.values.at(name)
  const from = entry.fromEpoch.get()
  const value = from !== 0n && epochNow({ store, block }) >= from ? entry.next.get() : entry.current.get()
  return value === 0n && values[name]?.since !== undefined ? values[name].initial : value
}

/** Of epochs until a number that is set counts. */
const noticeOf = (call: ParamsCall): bigint => (call.isActive('params-2') ? currentOf(call, 'governance.notice') : 1n)

/** One number, for the epoch that is told. */
const schedule = (call: ParamsCall, name: string, value: bigint, fromEpoch: bigint): void => {
  const { minimum, maximum } = known(call, name)
  if (value < minimum || value > maximum) call.revert('OutOfBounds', { name, given: value, minimum, maximum })
  const oldValue = currentOf(call, name)
  const entry = call.store.values.at(name)
  entry.current.set(oldValue)
  entry.next.set(value)
  entry.fromEpoch.set(fromEpoch)
  call.emit('ValueScheduled', { name, oldValue, newValue: value, fromEpoch })
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

const knownList = (call: ParamsCall, list: string): ListName =>
  LISTS.find((each) => each === list) ?? call.revert('UnknownList', { list })
const checkMembers = (call: ParamsCall, list: ListName, members: readonly Uint8Array[]): void => {
  const bad = members.find((member) => !isMember(list, member))
  if (bad !== undefined) call.revert('BadMember', { list, member: bad })
}
const MEMBERS_SHOWN_MAX = 1_000

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
  names: {
    gas: 500,
    run: (call) => Object.keys(values).filter((name) => isThere(call, values[name] as GovernableValue)), // their own names
  },
  set: {
    gas: 1_000,
    run(call, [name, value]) {
      onlyGovernance(call)
      schedule(call, name, value, epochNow(call) + noticeOf(call))
    },
  },
  setAll: {
    gas: 1_000,
    since: 'params-2',
    run(call, [names, newValues]) {
      onlyGovernance(call)
      if (names.length !== newValues.length)
        call.revert('LengthMismatch', { names: BigInt(names.length), values: BigInt(newValues.length) })
      const fromEpoch = epochNow(call) + noticeOf(call)
      for (const [i, name] of names.entries()) schedule(call, name, newValues[i] as bigint, fromEpoch) // as many as names
    },
  },
  scheduleFork: {
    gas: 1_000,
    run(call, [name, epoch, version]) {
      onlyGovernance(call)
      if (!isForkName(name)) call.revert('BadForkName', { name })
      if (!isForkVersion(version)) call.revert('BadVersion', { version })
      const [minimum, maximum] = [epochNow(call) + BigInt(FORK_NOTICE), BigInt(FORK_EPOCHS_MAX)]
      if (epoch < minimum || epoch > maximum) call.revert('BadForkEpoch', { name, given: epoch, minimum, maximum })
      const schedule = scheduleOf(call.store)
      const found = schedule.find((each) => each.name === name)
      if (found !== undefined) call.revert('ForkExists', { name, epoch: BigInt(found.epoch) })
      if (schedule.length >= FORKS_MAX) call.revert('TooManyForks', { maximum: BigInt(FORKS_MAX) })
      addFork(call.store, { name, epoch: Number(epoch), version })
      call.emit('ForkScheduled', { name, epoch, version })
    },
  },
  cancelFork: {
    gas: 1_000,
    run(call, [name]) {
      onlyGovernance(call)
      const found = scheduleOf(call.store).find((each) => each.name === name)
      if (found === undefined) return call.revert('NoSuchFork', { name })
      const epoch = BigInt(found.epoch)
      if (epoch <= epochNow(call)) call.revert('ForkHolds', { name, epoch })
      removeFork(call.store, name)
      call.emit('ForkCancelled', { name, epoch })
    },
  },
  forks: {
    gas: 500,
    run: ({ store }) => scheduleOf(store).map(({ name, epoch, version }) => ({ name, epoch: BigInt(epoch), version })),
  },
  listMode: {
    gas: 500,
    run(call, [name]) {
      const list = knownList(call, name)
      return { mode: call.store.rules[list].get(), count: BigInt(call.store.members.at(list).length()) }
    },
  },
  listMembers: {
    gas: 500,
    run(call, [name, from, count]) {
      const members = call.store.members.at(knownList(call, name))
      const first = from > BigInt(members.length()) ? members.length() : Number(from)
      const most = count > BigInt(MEMBERS_SHOWN_MAX) ? MEMBERS_SHOWN_MAX : Number(count)
      const shown = Math.min(most, members.length() - first)
      return Array.from({ length: shown }, (_, i) => members.at(first + i).get())
    },
  },
  isPermitted: {
    gas: 500,
    run(call, [name, member]) {
      const list = knownList(call, name)
      checkMembers(call, list, [member])
      return isPermitted(call.store, list, member)
    },
  },
  setListMode: {
    gas: 1_000,
    run(call, [name, mode]) {
      onlyGovernance(call)
      const list = knownList(call, name)
      const found = MODES[Number(mode)]
      if (found === undefined) return call.revert('BadMode', { given: mode })
      if (found === 'allow' && call.store.members.at(list).length() === 0) call.revert('EmptyList', { list })
      call.store.rules[list].set(mode)
      call.emit('ListModeSet', { list, mode })
    },
  },
  addToList: {
    gas: 1_000,
    run(call, [name, members]) {
      onlyGovernance(call)
      const list = knownList(call, name)
      checkMembers(call, list, members)
      for (const member of members) {
        if (call.store.members.at(list).length() >= MEMBERS_MAX)
          call.revert('ListFull', { list, maximum: BigInt(MEMBERS_MAX) })
        if (addMember(call.store, list, member)) call.emit('MemberListed', { list, member })
      }
    },
  },
  removeFromList: {
    gas: 1_000,
    run(call, [name, members]) {
      onlyGovernance(call)
      const list = knownList(call, name)
      for (const member of members)
        if (removeMember(call.store, list, member)) call.emit('MemberUnlisted', { list, member })
      if (modeOf(call.store, list) === 'allow' && call.store.members.at(list).length() === 0)
        call.revert('EmptyList', { list })
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
const listed = z.strictObject({ mode: z.enum(['allow', 'block']), members: z.array(z.string()).max(10_000) })
const section = z.strictObject({
  governance: account,
  guardian: account,
  values: z
    .record(
      z.string(),
      z.string().regex(/^(0x[0-9a-fA-F]{1,64}|[0-9]{1,77})$/, 'expected a 0x quantity or a decimal string'),
    )
    .default({}),
  /** Lists that are on from genesis; those that are not named are off. */
  permissions: z
    .strictObject({
      senders: listed.optional(),
      deployers: listed.optional(),
      validators: listed.optional(),
      peers: listed.optional(),
    })
    .optional(),
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
      for (const [name, entry] of Object.entries(values))
        if (entry.since === undefined || given.values[name] !== undefined)
          seedValue(store, name, entry, given.values[name], refuse)
      for (const [name, epoch] of Object.entries(genesis.forks ?? {})) seedFork(store, name, epoch)
      for (const name of LISTS) {
        const list = given.permissions?.[name]
        if (list !== undefined) seedList(store, name, list, (reason) => refuse(`permissions.${name}`, reason))
      }
    },
  },
  carry: { leave, check },
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

const seedList = (
  store: Store<typeof layout>,
  name: ListName,
  { mode, members }: z.output<typeof listed>,
  refuse: (reason: string) => never,
): void => {
  if (mode === 'allow' && members.length === 0) refuse('an allow list without members would let nobody in')
  for (const member of members) {
    const bytes =
      name === 'peers'
        ? new TextEncoder().encode(member)
        : account.safeParse(member).success
          ? hexToBytes(member.toLowerCase())
          : null
    if (bytes === null || !isMember(name, bytes)) refuse(`${member} is no ${name === 'peers' ? 'peer id' : 'address'}`)
    else if (!addMember(store, name, bytes)) refuse(`${member} is there twice`)
  }
  store.rules[name].set(mode === 'allow' ? 1n : 2n)
}

/** Osaka from genesis on is what a network without a word about it has. */
const seedFork = (store: Store<typeof layout>, name: string, epoch: number | null): void => {
  if (name === 'osaka' && epoch === 0) return
  if (name === 'osaka') store.rules.isPrague.set(true)
  const version = FORKS.find((fork) => fork.name === name)?.since ?? ''
  if (epoch !== null) addFork(store, { name, epoch, version })
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
