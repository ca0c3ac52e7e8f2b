// What a validator does when its disk gives back less than it took, or more than it should: what it signs, what it says, how it goes on.
import { afterEach, expect, test } from 'vitest'
import { bytesToHex, equalBytes, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import type { Log } from '../chain/base/ports.ts'
import { rollback } from '../chain/rollback.ts'
import { type LogFile, openWal } from '../chain/store/wal.ts'
import { type Block, decodeBlock } from '../chain/types/block.ts'
import { offencesBetween } from '../chain/types/evidence.ts'
import { decodeMessage, encodeMessage, heightOf, type Signed, STEPS, stepOf } from '../chain/types/message.ts'
import type { Qc } from '../chain/types/vote.ts'
import { type Cluster, createCluster, type Knobs, type Member, reached } from '../test/kit/cluster.ts'
import { death, type Files } from '../test/kit/disk.ts'
import { developmentSecret } from './development.ts'
import { decodeLogged, RECORDS } from './logged.ts'
import { isSignedBy } from './record.ts'
import { readLog } from './recovery.ts'

const clusters: Cluster[] = []
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.close()
})
const createFast = async (validators = 4): Promise<Cluster> => {
  const cluster = await createCluster({ validators, blockTimeMs: 1_000, speed: 5 })
  clusters.push(cluster)
  return cluster
}
const startMany = (cluster: Cluster, ...indices: number[]): Promise<Member[]> =>
  Promise.all(indices.map((index) => cluster.start(index)))
const allReached = (members: readonly Member[], height: number): Promise<unknown> =>
  Promise.all(members.map((member) => reached(member, height)))
const domainOf = ({ chain }: Member) => ({ chainId: chain.genesis.chainId, genesisHash: chain.genesisHash })
const headOf = ({ chain }: Member): number => chain.head().header.number

/** Place in the set of the validator with this development key. */
const placeOf = ({ chain }: Member, key: number): number =>
  chain
    .validators()
    .members.findIndex(({ blsKey }) => equalBytes(blsKey, curves().blsPublicKey(developmentSecret(key))))
const validatorOf = (message: Signed): number =>
  message.kind === 'proposal'
    ? message.proposal.validator
    : message.kind === 'vote'
      ? message.vote.validator
      : message.timeout.validator
/** Heights that a validator signed at, of what was said from here on. */
const heightsSaid = (cluster: Cluster, place: number, since = 0): number[] => [
  ...new Set(
    cluster.said
      .slice(since)
      .filter((message) => validatorOf(message) === place)
      .map(heightOf),
  ),
]
const offences = ({ said }: Cluster): unknown[] =>
  [...Map.groupBy(said, heightOf).values()].flatMap((messages) =>
    offencesBetween(messages, 4).map(({ offence, height, members }) => ({ offence, height, members })),
  )
const agree = (members: readonly Member[], height: number): void => {
  for (let at = 1; at <= height; at++)
    expect(new Set(members.map(({ chain }) => bytesToHex(chain.block(at)?.hash ?? new Uint8Array(0)))).size).toBe(1)
}
const listen = (): { readonly log: Log; readonly lines: string[] } => {
  const lines: string[] = []
  const note = (_: object, message: string) => void lines.push(message)
  return { log: { debug() {}, info: note, warn: note, error: note }, lines }
}

/** Settles when such a message leaves somebody. */
const said = (cluster: Cluster, since: number, isMeant: (message: Signed) => boolean): Promise<void> =>
  until(() => cluster.said.slice(since).some(isMeant))
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

/** Four validators some blocks on; the last one is down. */
const threeOfFour = async () => {
  const cluster = await createFast()
  const [a, b, c, d] = (await startMany(cluster, 0, 1, 2, 3)) as [Member, Member, Member, Member]
  await allReached([a, b, c, d], 4)
  await d.stop()
  return { cluster, others: [a, b, c], a, d, disk: cluster.disk(3), place: placeOf(a, 3) }
}
const restart = async ({ cluster }: { readonly cluster: Cluster }, knobs: Knobs = {}) => {
  const before = cluster.said.length
  const { log, lines } = listen()
  const member = await cluster.start(3, { log, ...knobs })
  return { member, before, lines }
}

test('a lost record: the node follows and says how to go on; told so, it watches 20 blocks and signs above them', async () => {
  const world = await threeOfFour()
  const { cluster, a, others, disk, place } = world
  disk.lose('record')
  const silent = await restart(world)
  await allReached([...others, silent.member], headOf(a) + 3)
  expect(heightsSaid(cluster, place, silent.before)).toEqual([])
  expect(silent.lines.join()).toMatch(/this key signed .* and the signer record .* --record-lost-at \d+/)
  await silent.member.stop()

  const lostAt = headOf(a)
  const watching = await restart(world, { recordLostAt: lostAt })
  await allReached([...others, watching.member], lostAt + 27)
  expect(heightsSaid(cluster, place, watching.before)[0]).toBeGreaterThan(lostAt + 21)
  expect(heightsSaid(cluster, place, watching.before)[0]).toBeLessThanOrEqual(lostAt + 27)
  await watching.member.stop()

  const whole = await restart(world, { recordLostAt: lostAt }) // left in the configuration: there is a record now
  await allReached([...others, whole.member], headOf(a) + 3)
  expect(heightsSaid(cluster, place, whole.before).length).toBeGreaterThan(1)
  expect(offences(cluster)).toEqual([])
})

test('a word about an earlier loss does not serve for a later one', async () => {
  const world = await threeOfFour()
  world.disk.lose('record')
  const { member, before, lines } = await restart(world, { recordLostAt: 1, signFrom: 2 })
  await allReached([...world.others, member], headOf(world.a) + 3)
  expect(heightsSaid(world.cluster, world.place, before)).toEqual([])
  expect(lines.join()).toMatch(/--record-lost-at/)
})

test('where the network halted for want of the key, the operator may let it sign at the halted height', async () => {
  const world = await threeOfFour()
  const { cluster } = world
  const [a, b, c] = world.others as [Member, Member, Member]
  const before = cluster.said.length
  await c.stop()
  world.disk.lose('record')
  // Two of four give up the round of a height that they cannot decide.
  await said(cluster, before, (message) => message.kind === 'timeout' && message.timeout.height === headOf(a) + 1)
  const halted = headOf(a) + 1
  const { member, before: restarted } = await restart(world, { signFrom: halted })
  await allReached([a, b, member], halted + 1)
  expect(heightsSaid(cluster, world.place, restarted)[0]).toBe(halted)
  expect(offences(cluster)).toEqual([])
})

test('a disk that lost everything: the blocks it fetches show what the key signed, and it signs nothing', async () => {
  const world = await threeOfFour()
  const { cluster, a, others } = world
  world.disk.lose('record', 'log', 'store')
  cluster.hub.cut(['3'], ['0', '1', '2'])
  const { member, before, lines } = await restart(world)
  await allReached(others, headOf(a) + 6) // longer than a round: nobody tells it that this is not a new network
  cluster.hub.heal()
  await allReached([...others, member], headOf(a) + 3)
  expect(heightsSaid(cluster, world.place, before)).toEqual([])
  expect(lines.join()).toMatch(/--record-lost-at/)
})

test('a key that never signed joins a running chain without a word of the operator', async () => {
  const cluster = await createFast()
  const others = await startMany(cluster, 0, 1, 2)
  await allReached(others, 4)
  const late = await cluster.start(3)
  const joined = headOf(late)
  await allReached([...others, late], 9)
  const place = placeOf(late, 3)
  expect(heightsSaid(cluster, place).length).toBeGreaterThan(0)
  expect(Math.min(...heightsSaid(cluster, place))).toBeGreaterThan(joined + 1)
  expect(offences(cluster)).toEqual([])
})

test.each([[['log']], [['store']], [['log', 'store']]] as const)(
  'with its record whole a validator that lost %j signs on, and nothing below',
  async (lost) => {
    const world = await threeOfFour()
    const { cluster, a, others, disk, place } = world
    const last = JSON.parse(disk.record ?? '{}')
    disk.lose(...lost)
    const { member, before } = await restart(world)
    await allReached([...others, member], headOf(a) + 6)
    const said = heightsSaid(cluster, place, before)
    expect(said.length).toBeGreaterThan(1)
    expect(Math.min(...said)).toBeGreaterThanOrEqual(last.h)
    expect(offences(cluster)).toEqual([])
    agree([...others, member], headOf(a) - 1)
  },
)

/** What `novachain rollback` does, of a member that is down. */
const rollBack = ({ chain }: Member, { kv }: Files, height: number): Promise<unknown> =>
  rollback({ kv, genesisHash: chain.genesisHash, pause: async () => {} }, height)

test('rolled back, a validator follows to where its record ends, and signs above it', async () => {
  const world = await threeOfFour()
  const { cluster, a, d, others, disk, place } = world
  const record = disk.record
  const last = JSON.parse(record ?? '{}')
  await rollBack(d, disk.open(), 1)
  expect(disk.record).toBe(record)
  const { member, before } = await restart(world)
  expect(headOf(member)).toBe(1)
  await allReached([...others, member], headOf(a) + 6)
  const own = cluster.said.slice(before).filter((message) => validatorOf(message) === place)
  const isAbove = ({ height, round, step }: ReturnType<typeof stepOf>): boolean =>
    (height - last.h || round - last.r || step - last.step) > 0
  // The last one may be said again, as it was.
  const below = own.filter((message) => !isAbove(stepOf(message)))
  for (const message of below) expect(bytesToHex(encodeMessage(message))).toBe(last.message)
  expect(Math.max(...own.map(heightOf))).toBeGreaterThan(last.h + 1)
  expect(offences(cluster)).toEqual([])
  for (const { evidence } of [...others, member]) expect(evidence.list()).toEqual([])
  agree([...others, member], headOf(a) - 1)
})

test('rolled back, a validator that is alone makes no other blocks, says what it waits for, and goes on with those it had', async () => {
  const cluster = await createFast(1)
  const first = await cluster.start(0)
  await reached(first, 6)
  await first.stop()
  const head = headOf(first)
  const kept = Array.from({ length: head - 3 }, (_, i) => first.chain.block(4 + i) as Block)
  const commit = first.chain.commitOf(head) as Qc
  const disk = cluster.disk(0)
  const last = JSON.parse(disk.record ?? '{}')
  await rollBack(first, disk.open(), 3)
  const before = cluster.said.length
  const { log, lines } = listen()
  const member = await cluster.start(0, { log })
  await until(() => lines.some((line) => line.includes('signs nothing')))
  expect(lines.join('\n')).toMatch(
    new RegExp(`height 4 round 0: .*its signer record ends at height ${last.h}, .*novachain import`),
  )
  expect(member.engine.status().silence).toContain(`ends at height ${last.h}`)
  expect([headOf(member), cluster.said.length]).toEqual([3, before])
  await member.engine.append({ blocks: kept, commit })
  await reached(member, head + 3)
  expect(Math.min(...heightsSaid(cluster, 0, before))).toBeGreaterThanOrEqual(last.h)
  expect(kept.map(({ hash }) => hash)).toEqual(kept.map(({ header }) => member.chain.block(header.number)?.hash))
  expect(offences(cluster)).toEqual([])
})

test('a record one signature behind the log is one that was rolled back', async () => {
  const cluster = await createFast()
  const members = (await startMany(cluster, 0, 1, 2, 3)) as [Member, Member, Member, Member]
  await allReached(members, 3)
  const disk = cluster.disk(3)
  // It dies when the log has its COMMIT, in a height that the store does not have.
  disk.onWrite = (write) => {
    const { h, step } = JSON.parse(disk.record ?? '{}')
    if (write === 'append' && step === STEPS.commit && h > headOf(members[3])) disk.dieAfter(1)
  }
  await expect(members[3].done).rejects.toBe(death)
  await Promise.all(members.map((member) => member.stop()))
  disk.onWrite = () => {}
  disk.crash(disk.log.length) // all of it was written
  const rolledBack = disk.records.at(-2)?.text ?? null
  disk.record = rolledBack
  const { lines } = await restart({ cluster })
  expect(lines.join()).toMatch(/this key signed COMMIT .* does not show it/)
  expect(disk.record).toBe(rolledBack)
})

test('a record older than the stored certificates is one that was rolled back', async () => {
  const world = await threeOfFour()
  const { disk } = world
  disk.record = disk.records[0]?.text ?? null
  disk.lose('log')
  const { member, before } = await restart(world)
  await allReached([...world.others, member], headOf(world.a) + 2)
  expect(heightsSaid(world.cluster, world.place, before)).toEqual([])
})

test('a folder copied whole shows its age in the blocks it fetches', async () => {
  const cluster = await createFast()
  const members = (await startMany(cluster, 0, 1, 2, 3)) as [Member, Member, Member, Member]
  await allReached(members, 3)
  await members[3].stop()
  await cluster.disk(3).copyTo(cluster.disk(4))
  const again = await cluster.start(3)
  await allReached([...members.slice(0, 3), again], headOf(members[0]) + 4)
  await again.stop()
  const { log, lines } = listen()
  const before = cluster.said.length
  const copy = await cluster.start(4, { key: 3, log })
  await allReached([...members.slice(0, 3), copy], headOf(members[0]) + 3)
  expect(offences(cluster)).toEqual([])
  expect(heightsSaid(cluster, placeOf(copy, 3), before)).toEqual([])
  expect(lines.join()).toMatch(/does not show it/)
})

test('who watches for another process with its key stops when that one signs', async () => {
  const cluster = await createFast()
  const members = (await startMany(cluster, 0, 1, 2, 3)) as [Member, Member, Member, Member]
  await allReached(members, 3)
  const second = await cluster.start(4, { key: 3, recordLostAt: headOf(members[0]) })
  await expect(second.done).rejects.toMatchObject({ code: 'GUARD_DOPPELGANGER' })
  await allReached(members, headOf(members[0]) + 2)
})

test('who signs and hears what it did not sign in its own name stops', async () => {
  const cluster = await createFast()
  const members = (await startMany(cluster, 0, 1, 2, 3)) as [Member, Member, Member, Member]
  await allReached(members, 3)
  await members[3].stop()
  await cluster.disk(3).copyTo(cluster.disk(4))
  const twins = [await cluster.start(3), await cluster.start(4, { key: 3 })]
  await expect(Promise.race(twins.map(({ done }) => done))).rejects.toMatchObject({ code: 'GUARD_DOPPELGANGER' })
})

test('a log of another network is told and ignored', async () => {
  const world = await threeOfFour()
  const height = headOf(world.d) + 1
  const elsewhere = await createCluster({ validators: 4, blockTimeMs: 1_100, speed: 5 })
  clusters.push(elsewhere)
  const [other, ...rest] = (await startMany(elsewhere, 0, 1, 2, 3)) as [Member, ...Member[]]
  await allReached([other, ...rest], height)
  // What another network's log held when the same key signed COMMIT of this height there.
  const at = elsewhere.disk(3).records.find(({ text }) => JSON.parse(text).h === height && JSON.parse(text).step === 3)
  const { records } = await openWal(memoryLog(at?.log ?? new Uint8Array(0)))
  const found = readLog(records, world.d.chain)
  expect([found.bodies, found.inputs.filter(({ kind }) => kind === 'message')]).toEqual([[], []])
  const [key, domain] = [curves().blsPublicKey(developmentSecret(3)), domainOf(world.d)]
  expect(found.own.some((message) => isSignedBy(message, key, domainOf(other)))).toBe(true)
  expect(found.own.some((message) => isSignedBy(message, key, domain))).toBe(false)
  expect(found.foreign).toBeGreaterThan(1)
  world.disk.lose('log')
  const wal = await openWal(world.disk.open().log)
  await wal.endHeight(height - 1)
  for (const { type, payload } of records) await wal.append(type, payload, { sync: true })
  const { member, lines } = await restart(world)
  await allReached([...world.others, member], headOf(world.a) + 3)
  expect(lines.join()).toMatch(/the log is of another network/)
  const foreign = elsewhere.said.flatMap((message) =>
    message.kind === 'vote' ? [bytesToHex(message.vote.blockHash)] : [],
  )
  const named = world.cluster.said.flatMap((message) =>
    message.kind === 'vote' ? [bytesToHex(message.vote.blockHash)] : [],
  )
  expect(named.filter((hash) => foreign.includes(hash))).toEqual([])
})

test('the torn end of a log is cut, and told', async () => {
  const world = await threeOfFour()
  const { disk } = world
  const torn = new Uint8Array(disk.log.length + 5)
  torn.set(disk.log)
  disk.log = torn
  disk.syncedBytes = torn.length
  const { member, lines } = await restart(world)
  await allReached([...world.others, member], headOf(world.a) + 2)
  expect(lines.join()).toMatch(/the end of the log was being written/)
  expect(offences(world.cluster)).toEqual([])
})

test('before each signature its block and its certificates are on disk', async () => {
  const cluster = await createFast()
  const members = (await startMany(cluster, 0, 1, 2, 3)) as [Member, Member, Member, Member]
  await allReached(members, 3)
  await members[0].stop() // its turn costs a round, so that later rounds are seen too
  await allReached(members.slice(1), headOf(members[1]) + 4)
  let later = 0
  for (const { text, log } of [1, 2, 3].flatMap((index) => cluster.disk(index).records)) {
    const message = decodeMessage(hexToBytes(JSON.parse(text).message)) as Signed
    const { height, round } = stepOf(message)
    const wal = await openWal(memoryLog(log))
    expect(wal.height).toBe(height - 1)
    const bodies = wal.records.flatMap(({ type, payload }) => (type === RECORDS.body ? [decodeBlock(payload)] : []))
    const inputs = wal.records.flatMap(({ type, payload }) => (type === RECORDS.input ? [decodeLogged(payload)] : []))
    const certificates = inputs.flatMap((input) => (input.kind === 'message' ? [input.message] : []))
    if (message.kind !== 'timeout') {
      const { blockHash } = message.kind === 'vote' ? message.vote : message.proposal
      expect(bodies.some(({ hash }) => equalBytes(hash, blockHash))).toBe(true)
    }
    if (message.kind === 'vote' && message.vote.type === 'commit')
      expect(certificates.some((each) => each.kind === 'qc' && each.qc.round === round)).toBe(true)
    const isOpened = certificates.some(
      (each) =>
        (each.kind === 'tc' && each.tc.round === round - 1) ||
        (each.kind === 'qc' && each.qc.type === 'prepare' && each.qc.round === round),
    )
    if (round > 0 && JSON.parse(text).entry !== null) expect(isOpened).toBe(true)
    if (round > 0) later++
  }
  expect(later).toBeGreaterThan(0)
})

test('a disk that takes no record: nothing leaves and the node stops; with room again it goes on', async () => {
  const cluster = await createFast()
  const members = (await startMany(cluster, 0, 1, 2, 3)) as [Member, Member, Member, Member]
  await allReached(members, 3)
  const disk = cluster.disk(3)
  const full = new Error('no space left on device')
  const before = cluster.said.length
  disk.onWrite = (write) => {
    if (write === 'record') throw full
  }
  await expect(members[3].done).rejects.toBe(full)
  const { h, r, step } = JSON.parse(disk.record ?? '{}')
  const own = cluster.said.slice(before).filter((message) => validatorOf(message) === placeOf(members[0], 3))
  const beyond = own.map(stepOf).filter((at) => at.height - h || at.round - r || at.step - step)
  expect(beyond.filter((at) => at.height > h)).toEqual([])
  await members[3].stop()
  disk.onWrite = () => {}
  const back = await cluster.start(3)
  await allReached([...members.slice(0, 3), back], headOf(members[0]) + 3)
  expect(offences(cluster)).toEqual([])
})

/** A log in memory that is read, and written no further than here. */
const memoryLog = (bytes: Uint8Array): LogFile => ({
  name: 'copy.wal',
  read: async () => bytes,
  append: async () => {},
  sync: async () => {},
  truncate: async () => {},
  replace: async () => {},
  close: async () => {},
})
