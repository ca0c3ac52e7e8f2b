import { readFileSync } from 'node:fs'
import { AbiCoder, Interface, keccak256, Wallet } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { openMemoryChain } from '../../../test/kit/memory-chain.ts'
import { type Answer, account, createWorld } from '../../../test/kit/native.ts'
import { type Address, asAddress, bytesToHex, concat, equalBytes, type Hex, hexToBytes } from '../../base/bytes.ts'
import { provenAccount, provenSlot } from '../../types/proof.ts'
import { natives } from '../index.ts'
import type { AbiFunction, Positional } from '../kit/abi.ts'
import { decodeEvent, decodeValues, encodeCall, encodeError } from '../kit/abi.ts'
import { freeWords } from '../kit/module.ts'
import { openStore } from '../kit/slots.ts'
import { abi } from './abi.ts'
import { layout } from './layout.ts'

const AT: Hex = '0x0000000000000000000000000000000000000840'
const [OWNER, WRITER, STRANGER, GUARDIAN] = [1, 2, 3, 4]
const RAW = 0x55n
const DAG_PB = 0x70n
const hexOf = (n: number): Hex => bytesToHex(account(n))
const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const VM = filled(0x11)
const NOTHING = new Uint8Array(32)
type Fns = typeof abi.functions

const open = () => {
  const world = createWorld(natives, { params: { governance: hexOf(GUARDIAN), guardian: hexOf(GUARDIAN) } })
  const send = <K extends keyof Fns & string>(from: number, name: K, ...args: Positional<Fns[K]['inputs']>) =>
    world.send(from, AT, encodeCall(abi.functions[name] as AbiFunction, args as never))
  const read = async <K extends keyof Fns & string>(name: K, ...args: Positional<Fns[K]['inputs']>) => {
    const { output, status } = await send(9, name, ...args)
    expect([name, status]).toEqual([name, 'success'])
    return decodeValues<Fns[K]['outputs']>(abi.functions[name].outputs, output)
  }
  const must = async <K extends keyof Fns & string>(from: number, name: K, ...args: Positional<Fns[K]['inputs']>) => {
    const answer = await send(from, name, ...args)
    expect([name, answer.status, bytesToHex(answer.output)]).toEqual([name, 'success', expect.anything()])
    return answer
  }
  return { world, send, read, must }
}
type Errors = typeof abi.errors
const expectError = <E extends keyof Errors>(answer: Answer, error: E, data: object): void => {
  expect(answer.status).toBe('revert')
  expect(bytesToHex(answer.output)).toBe(bytesToHex(encodeError(abi.errors[error], data as never)))
  expect(answer.logs).toEqual([])
}
const reserved = (who: Address, n: number): Uint8Array =>
  concat(who, new Uint8Array(4).fill(0xff), new Uint8Array(7), Uint8Array.of(n))

test('whoever records first owns the VM, and each state is there afterwards', async () => {
  const { must, read } = open()
  const first = await must(OWNER, 'recordVmState', VM, filled(1), RAW, 1n)
  expect(first.logs.map((log) => bytesToHex(log.topics[0] ?? NOTHING))).toEqual([
    abi.events.OwnerChanged.topic,
    abi.events.VmStateRecorded.topic,
  ])
  const second = await must(OWNER, 'recordVmState', VM, filled(2), DAG_PB, 2n)
  expect(decodeEvent(abi.events.VmStateRecorded, second.logs[0] ?? expect.fail())).toEqual({
    ...{ vmId: VM, sequence: 2n, writer: account(OWNER), contentDigest: filled(2), codec: DAG_PB },
  })
  expect(await read('stateOf', VM)).toEqual([
    { owner: account(OWNER), contentDigest: filled(2), codec: DAG_PB, sequence: 2n, recordedAt: 1_000_000n },
  ])
  expect(await read('history', VM, 0n, 100n)).toEqual([
    [
      { sequence: 1n, contentDigest: filled(1), codec: RAW },
      { sequence: 2n, contentDigest: filled(2), codec: DAG_PB },
    ],
  ])
  expect([await read('verify', VM, filled(2)), await read('verify', VM, filled(1))]).toEqual([[true], [false]])
})

test('a past state keeps its codec however often it changes', async () => {
  const { must, read } = open()
  const codecs = [RAW, RAW, DAG_PB, RAW, RAW, RAW, DAG_PB, DAG_PB, 0n, 2n ** 24n - 1n, RAW]
  for (const [i, codec] of codecs.entries()) await must(OWNER, 'recordVmState', VM, filled(i + 1), codec, BigInt(i + 1))
  for (let from = 1; from <= codecs.length; from++)
    for (const n of [1, 3, 100]) {
      const [states] = await read('history', VM, BigInt(from), BigInt(n))
      expect(states.map(({ codec }) => codec)).toEqual(codecs.slice(from - 1, from - 1 + n))
    }
  expect(await read('history', VM, 12n, 100n)).toEqual([[]])
  expect(await read('history', VM, 2n ** 32n - 1n, 100n)).toEqual([[]])
})

test('a writer of one id writes there alone, one of all wherever its owner owns, and neither survives a hand-over', async () => {
  const { send, must, read } = open()
  const other = filled(0x22)
  await must(OWNER, 'recordVmStates', [
    { vmId: VM, contentDigest: filled(1), codec: RAW, sequence: 1n },
    { vmId: other, contentDigest: filled(1), codec: RAW, sequence: 1n },
  ])
  await must(OWNER, 'setWriter', VM, account(WRITER), true)
  await must(WRITER, 'recordVmState', VM, filled(2), RAW, 2n)
  const caller = account(WRITER)
  expectError(await send(WRITER, 'recordVmState', other, filled(2), RAW, 2n), 'NotWriter', { id: other, caller })
  await must(OWNER, 'setWriterForAll', account(WRITER), true)
  await must(WRITER, 'recordVmState', other, filled(2), RAW, 2n)
  expect(await read('mayWrite', VM, caller)).toEqual([true])
  await must(OWNER, 'handOver', VM, account(5))
  expect([await read('ownerOf', VM), await read('mayWrite', VM, caller)]).toEqual([[account(5)], [false]])
  expectError(await send(WRITER, 'audit', VM, filled(1), filled(2)), 'NotWriter', { id: VM, caller })
  expectError(await send(OWNER, 'handOver', VM, caller), 'NotOwner', { id: VM, caller: account(OWNER) })
  await must(5, 'recordVmState', VM, filled(3), RAW, 3n)
  await must(OWNER, 'setWriterForAll', account(WRITER), false)
  expectError(await send(WRITER, 'recordVmState', other, filled(3), RAW, 3n), 'NotWriter', { id: other, caller })
})

test('an id that names an address waits for it, or for a writer it let in', async () => {
  const { send, must, read } = open()
  const [mine, next] = [reserved(account(OWNER), 1), reserved(account(OWNER), 2)]
  const refused = { id: mine, owner: account(OWNER) }
  expectError(await send(STRANGER, 'recordVmState', mine, filled(1), RAW, 1n), 'ReservedId', refused)
  expectError(await send(STRANGER, 'audit', mine, filled(1), filled(1)), 'ReservedId', refused)
  expect(await read('mayWrite', mine, account(STRANGER))).toEqual([false])
  await must(OWNER, 'recordVmState', mine, filled(1), RAW, 1n)
  await must(OWNER, 'setWriterForAll', account(WRITER), true)
  await must(WRITER, 'recordVmState', next, filled(1), RAW, 1n)
  expect(await read('ownerOf', next)).toEqual([account(OWNER)])
  const nobodys = reserved(account(0), 1)
  expectError(await send(STRANGER, 'audit', nobodys, filled(1), filled(1)), 'ReservedId', {
    ...{ id: nobodys, owner: account(0) },
  })
})

// In order of precedence: who may, then the order of states, then the content.
test.each<readonly [string, number, keyof Fns, readonly unknown[], keyof Errors, object]>([
  [
    'a stranger records',
    STRANGER,
    'recordVmState',
    [VM, NOTHING, RAW, 9n],
    'NotWriter',
    { id: VM, caller: account(3) },
  ],
  [
    'a sequence used before',
    OWNER,
    'recordVmState',
    [VM, NOTHING, RAW, 1n],
    'WrongSequence',
    { vmId: VM, given: 1n, expected: 2n },
  ],
  [
    'one left out',
    OWNER,
    'recordVmState',
    [VM, NOTHING, RAW, 3n],
    'WrongSequence',
    { vmId: VM, given: 3n, expected: 2n },
  ],
  [
    'a new VM that does not begin with 1',
    OWNER,
    'recordVmState',
    [filled(9), filled(1), RAW, 0n],
    'WrongSequence',
    { vmId: filled(9), given: 0n, expected: 1n },
  ],
  ['no digest', OWNER, 'recordVmState', [VM, NOTHING, RAW, 2n], 'NoDigest', { id: VM }],
  ['an empty batch', OWNER, 'recordVmStates', [[]], 'BadCount', { given: 0n, maximum: 100n }],
  ['a stranger audits', STRANGER, 'audit', [VM, filled(1), NOTHING], 'NotWriter', { id: VM, caller: account(3) }],
  ['an entry about nothing', OWNER, 'audit', [VM, filled(1), NOTHING], 'NoDigest', { id: VM }],
  ['a stranger hands on', STRANGER, 'handOver', [VM, account(3)], 'NotOwner', { id: VM, caller: account(3) }],
  [
    'nobody hands on what nobody has',
    OWNER,
    'handOver',
    [filled(9), account(3)],
    'NotOwner',
    { id: filled(9), caller: account(1) },
  ],
  ['handed to nobody', OWNER, 'handOver', [VM, account(0)], 'NoAccount', {}],
  ['a stranger lets in', STRANGER, 'setWriter', [VM, account(3), true], 'NotOwner', { id: VM, caller: account(3) }],
  ['nobody as a writer', OWNER, 'setWriter', [VM, account(0), true], 'NoAccount', {}],
  ['nobody as a writer of all', OWNER, 'setWriterForAll', [account(0), true], 'NoAccount', {}],
  ['the state of no VM', 9, 'stateOf', [filled(9)], 'NoSuchVm', { vmId: filled(9) }],
  ['no VM verified', 9, 'verify', [filled(9), filled(1)], 'NoSuchVm', { vmId: filled(9) }],
  ['the history of no VM', 9, 'history', [filled(9), 0n, 1n], 'NoSuchVm', { vmId: filled(9) }],
  ['no states asked for', 9, 'history', [VM, 0n, 0n], 'BadCount', { given: 0n, maximum: 100n }],
  ['101 states', 9, 'history', [VM, 0n, 101n], 'BadCount', { given: 101n, maximum: 100n }],
  ['an entry that is not there', 9, 'entryAt', [VM, 0n], 'NoSuchEntry', { subject: VM, index: 0n }],
])('%s', async (_, from, name, args, error, data) => {
  const { send, must } = open()
  await must(OWNER, 'recordVmState', VM, filled(1), RAW, 1n)
  expectError(await send(from, name, ...(args as never)), error, data)
})

const batchOf = (count: number, sequence: bigint) =>
  Array.from({ length: count }, (_, i) => ({
    ...{
      vmId: hexToBytes(keccak256(Uint8Array.of(i))),
      contentDigest: hexToBytes(keccak256(Uint8Array.of(i, Number(sequence)))),
    },
    ...{ codec: RAW, sequence },
  }))

test('a batch is all or nothing, and one of 101 is refused', async () => {
  const { send, must, read } = open()
  expectError(await send(OWNER, 'recordVmStates', batchOf(101, 1n)), 'BadCount', { given: 101n, maximum: 100n })
  const [one, two] = batchOf(2, 1n)
  if (one === undefined || two === undefined) return expect.fail()
  const twice = { ...two, vmId: one.vmId }
  expectError(await send(OWNER, 'recordVmStates', [one, two, twice]), 'WrongSequence', {
    ...{ vmId: one.vmId, given: 1n, expected: 2n },
  })
  expect(await read('ownerOf', one.vmId)).toEqual([account(0)])
  await must(OWNER, 'recordVmStates', [one, { ...twice, sequence: 2n }])
  expect((await read('history', one.vmId, 1n, 9n))[0].map((state) => state.contentDigest)).toEqual([
    one.contentDigest,
    two.contentDigest,
  ])
})

test('a paused module records nothing and still answers', async () => {
  const { world, send, must, read } = open()
  await must(OWNER, 'recordVmState', VM, filled(1), RAW, 1n)
  const pause = new Interface(['function pause(string, uint256, string)'])
  const data = hexToBytes(pause.encodeFunctionData('pause', ['audit', 60, '']) as Hex)
  await world.send(GUARDIAN, '0x0000000000000000000000000000000000000803', data)
  expect((await send(OWNER, 'recordVmState', VM, filled(2), RAW, 2n)).status).toBe('revert')
  expect(await read('verify', VM, filled(1))).toEqual([true])
})

const storage = () => {
  const source = readFileSync(new URL('../../../contracts/test/AuditStorage.sol', import.meta.url), 'utf8')
  return compile('AuditStorage.sol', source).AuditStorage ?? expect.fail('it has a contract')
}

test('solc reads at the same place what the layout writes', async () => {
  const made = storage()
  expect(made.storage.map(({ label, slot }) => [label, Number(slot)])).toEqual(
    Object.entries(layout).map(([name, { slot }]) => [name, slot]),
  )
  const world = createWorld([], {})
  const { created } = await world.send(1, null, hexToBytes(`0x${made.bytecode}`))
  const at = bytesToHex(created ?? expect.fail('it deploys'))
  const ask = async (name: string, args: readonly unknown[]) => {
    const contract = new Interface(JSON.parse(JSON.stringify(made.abi)))
    const { output } = await world.send(1, at, hexToBytes(contract.encodeFunctionData(name, args) as Hex))
    return [...contract.decodeFunctionResult(name, output)].map((value) => String(value).toLowerCase())
  }
  const store = openStore(layout, freeWords(world.state, asAddress(hexToBytes(at))))
  world.state.begin()
  const vm = store.subjects.at(VM)
  vm.owner.set(account(0xabc))
  for (const [i, cell] of [vm.sequence, vm.recordedAt, vm.codec, vm.entries, vm.codecChanges].entries())
    cell.set(BigInt(i + 1))
  vm.head.set(filled(6))
  store.digests.at(VM).at(7n).set(filled(7))
  store.codecs.at(VM).at(8n).until.set(8n)
  store.codecs.at(VM).at(8n).codec.set(9n)
  const entry = store.entries.at(VM).at(10n)
  entry.kind.set(filled(10))
  entry.contentDigest.set(filled(11))
  entry.author.set(account(12))
  entry.recordedAt.set(13n)
  store.writers.at(VM).at(account(1)).at(account(2)).set(true)
  store.writersForAll.at(account(1)).at(account(2)).set(true)
  world.state.end()
  expect(await ask('subjects', [VM])).toEqual([hexOf(0xabc), ...['1', '2', '3', '4', '5', bytesToHex(filled(6))]])
  expect(await ask('digests', [VM, 7])).toEqual([bytesToHex(filled(7))])
  expect(await ask('codecs', [VM, 8])).toEqual(['8', '9'])
  expect(await ask('entries', [VM, 10])).toEqual([...[bytesToHex(filled(10)), bytesToHex(filled(11)), hexOf(12), '13']])
  expect(await ask('writers', [VM, hexOf(1), hexOf(2)])).toEqual(['true'])
  expect(await ask('writersForAll', [hexOf(1), hexOf(2)])).toEqual(['true'])
})

// A plain model decides what each call does; logs alone give back the chain, and no call changes what another wrote.
const ids = [VM, filled(0x22), reserved(account(1), 7)]
const step = fc.record({
  kind: fc.constantFrom('record', 'audit', 'handOver', 'setWriter', 'setWriterForAll'),
  from: fc.integer({ min: 1, max: 3 }),
  to: fc.integer({ min: 1, max: 3 }),
  id: fc.nat({ max: ids.length - 1 }),
  digest: fc.integer({ min: 1, max: 250 }),
  codec: fc.constantFrom(RAW, DAG_PB),
  gap: fc.constantFrom(0n, 0n, 0n, 0n, 1n, -1n),
  allowed: fc.boolean(),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const createModel = () => {
  const owners = new Map<number, number>([])
  const letIn = new Set<string>()
  const states = ids.map((): { readonly digest: number; readonly codec: bigint }[] => [])
  const may = (id: number, from: number): boolean => {
    const owner = owners.get(id) ?? (id === 2 ? 1 : from)
    return owner === from || letIn.has(`${owner} ${from}`) || letIn.has(`${id} ${owner} ${from}`)
  }
  const set = (key: string, allowed: boolean): void => void (allowed ? letIn.add(key) : letIn.delete(key))
  const apply = ({ kind, from, to, id, digest, codec, gap, allowed }: Step): boolean => {
    if (kind === 'setWriterForAll') set(`${from} ${to}`, allowed)
    else if (kind === 'setWriter' || kind === 'handOver') {
      if (owners.get(id) !== from) return false
      if (kind === 'setWriter') set(`${id} ${from} ${to}`, allowed)
      else owners.set(id, to)
    } else {
      if (!may(id, from) || (kind === 'record' && gap !== 0n)) return false
      owners.set(id, owners.get(id) ?? (id === 2 ? 1 : from))
      if (kind === 'record') states[id]?.push({ digest, codec })
    }
    return true
  }
  return { apply, states, owners }
}

test('under random calls the logs give back every chain, and what was recorded stays', async () => {
  const coder = AbiCoder.defaultAbiCoder()
  const hashed = ['bytes32', 'bytes32', 'uint64', 'bytes32', 'bytes32', 'address', 'uint40']
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const { world, send, read } = open()
      const model = createModel()
      const heads = ids.map(() => bytesToHex(NOTHING))
      const entries = ids.map((): unknown[] => [])
      for (const each of steps) {
        const id = ids[each.id] ?? VM
        world.go({ time: world.block.time + 1 })
        const to = account(each.to)
        const sequence = BigInt(model.states[each.id]?.length ?? 0) + 1n + each.gap
        const isDone = model.apply(each)
        const answer = await {
          record: () => send(each.from, 'recordVmState', id, filled(each.digest), each.codec, sequence),
          audit: () => send(each.from, 'audit', id, filled(each.from), filled(each.digest)),
          handOver: () => send(each.from, 'handOver', id, to),
          setWriter: () => send(each.from, 'setWriter', id, to, each.allowed),
          setWriterForAll: () => send(each.from, 'setWriterForAll', to, each.allowed),
        }[each.kind as 'record']()
        expect({ ...each, status: answer.status }).toEqual({ ...each, status: isDone ? 'success' : 'revert' })
        for (const log of answer.logs) {
          if (bytesToHex(log.topics[0] ?? NOTHING) !== abi.events.Audited.topic) continue
          const { subject, index, kind, contentDigest, author, recordedAt } = decodeEvent(abi.events.Audited, log)
          const place = ids.findIndex((known) => equalBytes(known, subject))
          const link = [heads[place], subject, index, kind, contentDigest, bytesToHex(author), recordedAt]
          heads[place] = keccak256(coder.encode(hashed, link)) as Hex
          entries[place]?.push({ kind, contentDigest, author, recordedAt })
        }
      }
      for (const [i, id] of ids.entries()) {
        expect((await read('head', id)).map(bytesToHex)).toEqual([heads[i]])
        expect(await read('count', id)).toEqual([BigInt(entries[i]?.length ?? 0)])
        for (const [index, entry] of entries[i]?.entries() ?? [])
          expect(await read('entryAt', id, BigInt(index))).toEqual([entry])
        expect(await read('ownerOf', id)).toEqual([account(model.owners.get(i) ?? 0)])
        const states = (model.states[i] ?? []).map(({ digest, codec }, at) => ({
          ...{ sequence: BigInt(at + 1), contentDigest: filled(digest), codec },
        }))
        if (states.length > 0) expect(await read('history', id, 0n, 100n)).toEqual([states])
      }
    }),
    { numRuns: 15 },
  )
})

// As transactions in blocks: the price that a sender pays, and what a verifier elsewhere believes.
const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const openChain = async () => {
  const memory = await openMemoryChain()
  let nonce = 0
  const run = async <K extends keyof Fns & string>(name: K, ...args: Positional<Fns[K]['inputs']>) => {
    const data = bytesToHex(encodeCall(abi.functions[name] as AbiFunction, args as never))
    const signed = await alice.signTransaction({
      ...{ chainId: 662607, nonce: nonce++, to: AT, data, gasLimit: 16_000_000, type: 2 },
      ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 0n },
    })
    await memory.chain.submit(hexToBytes(signed as Hex), 'local')
    const { header } = await memory.seal()
    return header
  }
  return { ...memory, run }
}

test('100 records cost less than 8,000,000 gas for new VMs, and 5,000,000 for known ones', async () => {
  const { run } = await openChain()
  const used: number[] = []
  for (const sequence of [1n, 2n, 3n]) used.push(Number((await run('recordVmStates', batchOf(100, sequence))).gasUsed))
  const [fresh, second, third] = used
  expect(fresh).toBeGreaterThan(4_000_000) // it was run
  expect(fresh).toBeLessThan(8_000_000)
  expect(Math.max(second ?? 0, third ?? 0)).toBeLessThan(5_000_000)
})

test('a list pays for being read, also where it is refused for its length', async () => {
  const { send } = open()
  const used = async (count: number): Promise<number> => {
    const answer = await send(OWNER, 'recordVmStates', batchOf(count, 1n))
    expect(answer.status).toBe('revert')
    return Number(answer.gasUsed)
  }
  // Four words each; 25 million gas are a second of work.
  expect(((await used(1_101)) - (await used(101))) / 4_000).toBeGreaterThan(20)
})

test('a proof of one slot convinces who has the block header alone', async () => {
  const { chain, run } = await openChain()
  await run('recordVmState', VM, filled(0xaa), RAW, 1n)
  const header = await run('recordVmState', VM, filled(0xbb), RAW, 2n)
  // What a contract elsewhere computes: keccak(sequence . keccak(vmId . 1)), and codec, time, sequence and owner at keccak(vmId . 0).
  const coder = AbiCoder.defaultAbiCoder()
  const at = (type: string, key: unknown, slot: unknown): Hex =>
    keccak256(coder.encode([type, 'uint256'], [key, slot])) as Hex
  const digest = (sequence: number): bigint => BigInt(at('uint256', sequence, at('bytes32', VM, 1)))
  const state = BigInt(at('bytes32', VM, 0))
  const keys = [digest(1), digest(2), digest(3), state]
  const module = asAddress(hexToBytes(AT))
  const proof = await chain.proof(header.number, module, keys)
  const proven = provenAccount(header.stateRoot, module, proof.accountProof)
  const words = keys.map((key, i) => provenSlot(proven?.storageRoot ?? expect.fail(), key, proof.slots[i]?.proof ?? []))
  const packed = (RAW << 232n) | (BigInt(header.time) << 192n) | (2n << 160n) | BigInt(alice.address)
  expect(words).toEqual([BigInt(bytesToHex(filled(0xaa))), BigInt(bytesToHex(filled(0xbb))), 0n, packed])
})
