// The module `audit`: states of VMs and hash chains of what happened to a subject. Owns who may write under an id, the order of
// states, and what a chain's hash is made of. Nothing in it changes or deletes what was recorded.
import { z } from 'zod'
import { type Address, asAddress, bigintToFixed, concat, equalBytes } from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import { defineModule, type Handlers } from '../kit/module.ts'
import { abi } from './abi.ts'
import { type AuditCall, layout } from './layout.ts'

const NOBODY = asAddress(new Uint8Array(20))
const isNobody = (account: Address): boolean => equalBytes(account, NOBODY)
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** Records of one call: what a block's largest transaction has gas for, with room (EIP-7825). */
const BATCH_MAX = 100
/** States that one view answers. */
const HISTORY_MAX = 100
const KECCAK_GAS = 30 + 6 * 7

/**
 * The one address that may write first under an id: its first 20 bytes, where four bytes 0xff follow, which neither text nor a small
 * number has. Null: anybody.
 */
const reservedFor = (id: Uint8Array): Address | null =>
  id.subarray(20, 24).every((byte) => byte === 0xff) ? asAddress(id.slice(0, 20)) : null

const isWriter = ({ store }: Pick<AuditCall, 'store'>, id: Uint8Array, owner: Address, account: Address): boolean =>
  equalBytes(owner, account) ||
  store.writersForAll.at(owner).at(account).get() ||
  store.writers.at(id).at(owner).at(account).get()

/** Whoever writes first under an id owns it; later only the owner and those it let in get past. Answers what is stored under it. */
const enter = (call: AuditCall, id: Uint8Array) => {
  const { caller } = call
  const subject = call.store.subjects.at(id)
  const { owner } = subject
  const present = owner.get()
  if (!isNobody(present)) {
    if (!isWriter(call, id, present, caller)) call.revert('NotWriter', { id, caller })
    return subject
  }
  const reserved = reservedFor(id)
  // A writer of that address may be the first as well; the id is the address's all the same.
  if (reserved !== null && !isWriter(call, id, reserved, caller)) call.revert('ReservedId', { id, owner: reserved })
  const first = reserved ?? caller
  if (isNobody(first)) call.revert('ReservedId', { id, owner: NOBODY })
  owner.set(first)
  call.emit('OwnerChanged', { id, previous: NOBODY, current: first })
  return subject
}
const mustOwn = (call: AuditCall, id: Uint8Array): void => {
  if (!equalBytes(call.store.subjects.at(id).owner.get(), call.caller))
    call.revert('NotOwner', { id, caller: call.caller })
}

interface VmRecord {
  readonly vmId: Uint8Array
  readonly contentDigest: Uint8Array
  readonly codec: bigint
  readonly sequence: bigint
}
const record = (call: AuditCall, { vmId, contentDigest, codec, sequence }: VmRecord): void => {
  const vm = enter(call, vmId)
  const { store, caller } = call
  const before = vm.sequence.get()
  if (sequence !== before + 1n) call.revert('WrongSequence', { vmId, given: sequence, expected: before + 1n })
  if (isZero(contentDigest)) call.revert('NoDigest', { id: vmId })
  const codecBefore = vm.codec.get()
  if (before > 0n && codec !== codecBefore) {
    const change = store.codecs.at(vmId).at(vm.codecChanges.get())
    change.until.set(before)
    change.codec.set(codecBefore)
    vm.codecChanges.update((changes) => changes + 1n)
  }
  vm.sequence.set(sequence)
  vm.codec.set(codec)
  vm.recordedAt.set(BigInt(call.block.time))
  store.digests.at(vmId).at(sequence).set(contentDigest)
  call.emit('VmStateRecorded', { vmId, sequence, writer: caller, contentDigest, codec })
}

/** The newest state's sequence; whoever has none ends the call. */
const mustHaveState = (call: AuditCall, vmId: Uint8Array): bigint => {
  const sequence = call.store.subjects.at(vmId).sequence.get()
  return sequence === 0n ? call.revert('NoSuchVm', { vmId }) : sequence
}

/** The first change of codec that came after a state, by halving; their number where none did. */
const changeAfter = ({ store }: AuditCall, vmId: Uint8Array, sequence: bigint, changes: bigint): bigint => {
  let [low, high] = [0n, changes]
  while (low < high) {
    const middle = (low + high) >> 1n
    if (store.codecs.at(vmId).at(middle).until.get() < sequence) low = middle + 1n
    else high = middle
  }
  return low
}

const history = (call: AuditCall, vmId: Uint8Array, from: bigint, n: bigint) => {
  const { store } = call
  const last = mustHaveState(call, vmId)
  if (n === 0n || n > BigInt(HISTORY_MAX)) call.revert('BadCount', { given: n, maximum: BigInt(HISTORY_MAX) })
  const vm = store.subjects.at(vmId)
  const changes = vm.codecChanges.get()
  const first = from === 0n ? 1n : from
  const states: { readonly sequence: bigint; readonly contentDigest: Uint8Array; readonly codec: bigint }[] = []
  let change = changeAfter(call, vmId, first, changes)
  for (let sequence = first; sequence <= last && sequence < first + n; sequence++) {
    if (change < changes && store.codecs.at(vmId).at(change).until.get() < sequence) change++
    const codec = change < changes ? store.codecs.at(vmId).at(change).codec.get() : vm.codec.get()
    states.push({ sequence, contentDigest: store.digests.at(vmId).at(sequence).get(), codec })
  }
  return states
}

/** What a chain's next hash is made of, as Solidity's abi.encode lays it out. */
interface Link {
  readonly head: Uint8Array
  readonly subject: Uint8Array
  readonly index: bigint
  readonly kind: Uint8Array
  readonly contentDigest: Uint8Array
  readonly author: Address
  readonly recordedAt: bigint
}
const headAfter = ({ head, subject, index, kind, contentDigest, author, recordedAt }: Link): Uint8Array => {
  const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)
  return keccak(concat(head, subject, word(index), kind, contentDigest, new Uint8Array(12), author, word(recordedAt)))
}

const append = (call: AuditCall, subject: Uint8Array, kind: Uint8Array, contentDigest: Uint8Array) => {
  const chain = enter(call, subject)
  if (isZero(contentDigest)) call.revert('NoDigest', { id: subject })
  const { store, caller: author } = call
  const [index, recordedAt] = [chain.entries.get(), BigInt(call.block.time)]
  const entry = store.entries.at(subject).at(index)
  entry.kind.set(kind)
  entry.contentDigest.set(contentDigest)
  entry.author.set(author)
  entry.recordedAt.set(recordedAt)
  chain.entries.set(index + 1n)
  call.charge(KECCAK_GAS)
  const newHead = chain.head.update((head) =>
    headAfter({ head, subject, index, kind, contentDigest, author, recordedAt }),
  )
  call.emit('Audited', { subject, kind, author, index, contentDigest, recordedAt, head: newHead })
  return { index, newHead }
}

const handlers: Handlers<typeof abi, typeof layout> = {
  recordVmState: {
    gas: 500,
    run: (call, [vmId, contentDigest, codec, sequence]) => record(call, { vmId, contentDigest, codec, sequence }),
  },
  recordVmStates: {
    gas: 500,
    run(call, [records]) {
      const given = BigInt(records.length)
      if (given === 0n || given > BigInt(BATCH_MAX)) call.revert('BadCount', { given, maximum: BigInt(BATCH_MAX) })
      for (const each of records) {
        call.charge(300)
        record(call, each)
      }
    },
  },
  audit: { gas: 500, run: (call, [subject, kind, contentDigest]) => append(call, subject, kind, contentDigest) },
  handOver: {
    gas: 500,
    run(call, [id, to]) {
      mustOwn(call, id)
      if (isNobody(to)) call.revert('NoAccount', {})
      call.store.subjects.at(id).owner.set(to)
      call.emit('OwnerChanged', { id, previous: call.caller, current: to })
    },
  },
  setWriter: {
    gas: 500,
    run(call, [id, writer, allowed]) {
      const { store, caller: owner } = call
      mustOwn(call, id)
      if (isNobody(writer)) call.revert('NoAccount', {})
      store.writers.at(id).at(owner).at(writer).set(allowed)
      call.emit('WriterSet', { id, owner, writer, allowed })
    },
  },
  setWriterForAll: {
    gas: 500,
    run(call, [writer, allowed]) {
      const { store, caller: owner } = call
      if (isNobody(writer)) call.revert('NoAccount', {})
      store.writersForAll.at(owner).at(writer).set(allowed)
      call.emit('WriterForAllSet', { owner, writer, allowed })
    },
  },
  stateOf: {
    gas: 300,
    run(call, [vmId]) {
      const { store } = call
      const sequence = mustHaveState(call, vmId)
      const { owner, codec, recordedAt } = store.subjects.at(vmId)
      const contentDigest = store.digests.at(vmId).at(sequence).get()
      return { owner: owner.get(), contentDigest, codec: codec.get(), sequence, recordedAt: recordedAt.get() }
    },
  },
  history: { gas: 500, run: (call, [vmId, from, n]) => history(call, vmId, from, n) },
  verify: {
    gas: 300,
    run(call, [vmId, contentDigest]) {
      const sequence = mustHaveState(call, vmId)
      return equalBytes(call.store.digests.at(vmId).at(sequence).get(), contentDigest)
    },
  },
  head: { gas: 200, run: ({ store }, [subject]) => store.subjects.at(subject).head.get() },
  count: { gas: 200, run: ({ store }, [subject]) => store.subjects.at(subject).entries.get() },
  entryAt: {
    gas: 300,
    run(call, [subject, index]) {
      const { store } = call
      if (index >= store.subjects.at(subject).entries.get()) call.revert('NoSuchEntry', { subject, index })
      const { kind, contentDigest, author, recordedAt } = store.entries.at(subject).at(index)
      return {
        ...{ kind: kind.get(), contentDigest: contentDigest.get() },
        ...{ author: author.get(), recordedAt: recordedAt.get() },
      }
    },
  },
  ownerOf: { gas: 200, run: ({ store }, [id]) => store.subjects.at(id).owner.get() },
  mayWrite: {
    gas: 300,
    run(call, [id, account]) {
      const owner = call.store.subjects.at(id).owner.get()
      const present = isNobody(owner) ? reservedFor(id) : owner
      return present === null ? !isNobody(account) : !isNobody(present) && isWriter(call, id, present, account)
    },
  },
}

export const audit = defineModule({
  name: 'audit',
  abi,
  layout,
  handlers,
  genesis: { schema: z.strictObject({}).default({}), seed: () => {} },
})
