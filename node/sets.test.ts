// Validators that come, go, come back and change their keys while the network runs: who signs which height, and who serves whom over the
// boundary of an epoch.
import { afterEach, expect, test } from 'vitest'
import { bytesToHex, equalBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import type { Log } from '../chain/base/ports.ts'
import { offencesBetween } from '../chain/types/evidence.ts'
import { heightOf, type Signed, validatorOf } from '../chain/types/message.ts'
import { bitmapMembers } from '../chain/types/vote.ts'
import { type Cluster, createCluster, type Member } from '../test/kit/cluster.ts'
import { death } from '../test/kit/disk.ts'
import type { Seat } from '../test/kit/sets.ts'
import { developmentSecret } from './development.ts'
import { Kernel } from './sim/kernel.ts'

let cluster: Cluster
let kernel: Kernel
afterEach(() => cluster.close())

const E = 6
const create = async (...rolls: (readonly Seat[])[]): Promise<void> => {
  const validators = rolls[0]?.length ?? 0
  kernel = new Kernel()
  cluster = await createCluster({ validators, blockTimeMs: 1_000, kernel, epochs: { blocks: E, rolls } })
}
const startMany = (...indices: number[]): Promise<Member[]> => Promise.all(indices.map((index) => cluster.start(index)))
/** Runs the network; an hour of it is for ever. */
const until = async (isDone: () => boolean): Promise<void> => {
  expect(await kernel.run(kernel.nowMs + 3_600_000, isDone)).toBe(true)
}
const headOf = ({ chain }: Member): number => chain.head().header.number
const allReached = (members: readonly Member[], height: number): Promise<void> =>
  until(() => members.every((member) => headOf(member) >= height))
const listen = (): { readonly log: Log; readonly lines: string[] } => {
  const lines: string[] = []
  const note = (_: object, message: string) => void lines.push(message)
  return { log: { debug() {}, info: note, warn: note, error: note }, lines }
}

/** Set index of a development key at a height, or -1. */
const placeOf = ({ chain }: Member, key: number, height: number): number => {
  const blsKey = curves().blsPublicKey(developmentSecret(key))
  return chain.setOf(height)?.members.findIndex((member) => equalBytes(member.blsKey, blsKey)) ?? -1
}
/** What this key said, by the sets that the member knows. */
const saidBy = (by: Member, key: number): Signed[] =>
  cluster.said.filter((message) => validatorOf(message) === placeOf(by, key, heightOf(message)))
const heightsOf = (messages: readonly Signed[]): number[] => [...new Set(messages.map(heightOf))].sort((a, b) => a - b)
/** Heights whose block names the key's COMMIT in the certificate of the next block's section, or the own one. */
const committed = ({ chain }: Member, key: number, height: number): boolean => {
  const place = placeOf({ chain } as Member, key, height)
  const size = chain.setOf(height)?.members.length ?? 0
  const qcs = [chain.commitOf(height), chain.outline(height + 1)?.section?.lastCommit ?? null]
  return qcs.some((qc) => qc !== null && bitmapMembers(qc.bitmap, size)?.includes(place))
}
const agree = (members: readonly Member[], height: number): void => {
  for (let at = 1; at <= height; at++)
    expect(new Set(members.map(({ chain }) => bytesToHex(chain.block(at)?.hash ?? new Uint8Array(0)))).size).toBe(1)
}
const offences = (by: Member): unknown[] =>
  [...Map.groupBy(cluster.said, heightOf)].flatMap(([height, messages]) =>
    offencesBetween(messages, by.chain.setOf(height)?.members.length ?? 0).map(({ offence, members }) => ({
      ...{ offence, height, members },
    })),
  )

test('one that joins follows before, signs from the first height of its epoch on, and leads in its turn', async () => {
  await create([0, 1, 2, 3], [0, 1, 2, 3, 4])
  const members = await startMany(0, 1, 2, 3)
  const { log, lines } = listen()
  const late = await cluster.start(4, { log })
  await allReached([...members, late], 3 * E)
  agree([...members, late], 3 * E)
  expect(heightsOf(saidBy(late, 4))[0]).toBe(E + 1)
  expect(committed(late, 4, E + 1)).toBe(true)
  expect(late.chain.commitOf(E + 1)?.round).toBe(0)
  expect(saidBy(late, 4).some(({ kind }) => kind === 'proposal')).toBe(true)
  expect(lines.filter((line) => /this node follows and signs nothing: its key 0x.* is not in/.test(line))).toHaveLength(
    1,
  )
  expect(lines).toContain('this key is in the validator set from this height on')
  expect([offences(late), cluster.hub.blamed]).toEqual([[], []])
})

test('one that leaves signs its last height, and follows and serves from there on', async () => {
  await create([0, 1, 2, 3], [0, 1, 2])
  const members = await startMany(0, 1, 2)
  const { log, lines } = listen()
  const leaving = await cluster.start(3, { log })
  await allReached([...members, leaving], E + 4)
  agree([...members, leaving], E + 4)
  expect(heightsOf(saidBy(leaving, 3)).at(-1)).toBe(E)
  expect(leaving.engine.status()).toMatchObject({ self: null, silence: expect.stringMatching(/validators join/) })
  expect(lines).toContain('the key has left the validator set: this node follows and goes on serving')
  expect([offences(leaving), cluster.hub.blamed]).toEqual([[], []])
})

test('one that comes back signs again, with the record that it had', async () => {
  await create([0, 1, 2, 3], [0, 1, 2], [0, 1, 2, 3])
  const members = await startMany(0, 1, 2, 3)
  await allReached(members, 2 * E + 3)
  const [first] = members as [Member]
  const own = heightsOf(saidBy(first, 3))
  expect([own.includes(E), own.find((height) => height > E)]).toEqual([true, 2 * E + 1])
  expect([offences(first), cluster.hub.blamed]).toEqual([[], []])
})

test('a whole set is replaced within one epoch change, and replaced back', async () => {
  await create([0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3])
  const members = await startMany(0, 1, 2, 3, 4, 5, 6, 7)
  await allReached(members, 2 * E + 3)
  agree(members, 2 * E + 3)
  const [first] = members as [Member]
  for (const key of [0, 1, 2, 3])
    expect(heightsOf(saidBy(first, key)).filter((height) => height > E && height <= 2 * E)).toEqual([])
  for (const key of [4, 5, 6, 7]) expect(heightsOf(saidBy(first, key))[0]).toBeGreaterThan(E)
  for (const height of [E + 1, 2 * E + 1]) expect(first.chain.commitOf(height)?.round).toBe(0)
  expect([offences(first), cluster.hub.blamed]).toEqual([[], []])
})

test('a new set that was cut off from the last block of the old one gets it from who has left, and goes on', async () => {
  await create([0, 1, 2, 3], [4, 5, 6, 7])
  const old = await startMany(0, 1, 2, 3)
  const fresh = await startMany(4, 5, 6, 7)
  await allReached([...old, ...fresh], E - 2)
  cluster.hub.cut(['0', '1', '2', '3'], ['4', '5', '6', '7'])
  await allReached(old, E)
  expect(fresh.every(({ chain }) => chain.head().header.number < E)).toBe(true)
  cluster.hub.heal()
  await allReached([...old, ...fresh], E + 3)
  expect(cluster.hub.blamed).toEqual([])
})

test('a key is changed without leaving: the other one signs from the epoch that has it, no height is lost', async () => {
  const changed = { operator: 3, key: 9 }
  await create([0, 1, 2, 3], [0, 1, 2, changed], [0, 1, 2, changed])
  const members = await startMany(0, 1, 2)
  const rotating = await cluster.start(3, { nextKey: 9 })
  await allReached([...members, rotating], 2 * E + 2)
  expect(heightsOf(saidBy(rotating, 3))).toEqual(Array.from({ length: E }, (_, i) => i + 1))
  expect(heightsOf(saidBy(rotating, 9)).slice(0, E)).toEqual(Array.from({ length: E }, (_, i) => E + i + 1))
  const { chain } = rotating
  const operators = Array.from({ length: 2 * E }, (_, i) => {
    const block = chain.block(i + 1)
    const leader = chain.setOf(i + 1)?.members[block?.section?.proposerIndex ?? -1]
    return [leader?.address, block?.header.coinbase].map((address) => bytesToHex(address ?? new Uint8Array(0)))
  })
  for (const [operator, coinbase] of operators) expect(coinbase).toBe(operator) // whichever key he has
  expect(new Set(operators.map(([operator]) => operator)).size).toBe(4)
  const { record, nextRecord } = cluster.disk(3)
  expect([JSON.parse(record ?? '').h, JSON.parse(nextRecord ?? '').h >= 2 * E]).toEqual([E, true])

  // Again over what is on disk, and then with the new key alone.
  await rotating.stop()
  const again = await cluster.start(3, { nextKey: 9 })
  await allReached([...members, again], 2 * E + 5)
  expect(heightsOf(saidBy(again, 9)).at(-1)).toBeGreaterThan(2 * E + 2)
  expect([offences(again), cluster.hub.blamed]).toEqual([[], []])
})

test.each([
  ['stays', 0],
  ['leaves', 3],
  ['joins', 4],
])(
  'one that %s and dies between the last block of an epoch and the first of the next goes on where it stood',
  async (_, index) => {
    await create([0, 1, 2, 3], [0, 1, 2, 4])
    const members = await startMany(0, 1, 2, 3, 4)
    const struck = members[index] as Member
    const others = members.filter((member) => member !== struck)
    const disk = cluster.disk(index)
    disk.onWrite = () => {
      if (struck.chain.head().header.number === E) throw death
    }
    let ended: unknown = null
    struck.done.catch((error: unknown) => {
      ended = error
    })
    await until(() => ended !== null)
    expect(ended).toBe(death)
    expect(struck.chain.head().header.number).toBe(E)
    await struck.stop()
    disk.onWrite = () => {}
    disk.crash()
    const back = await cluster.start(index)
    await allReached([...others, back], 2 * E + 1)
    agree([...others, back], 2 * E + 1)
    const own = heightsOf(saidBy(back, index))
    if (index === 3) expect(own.at(-1)).toBe(E)
    if (index === 4) expect(own[0]).toBeLessThanOrEqual(E + 2) // the others may be a height on by then
    if (index === 0) expect(own.some((height) => height > E)).toBe(true)
    expect([offences(back), cluster.hub.blamed]).toEqual([[], []])
  },
)

test('whose record is lost while its key is in no set watches twenty blocks of those that could have it', async () => {
  await create([0, 1, 2, 3], [0, 1, 2], [0, 1, 2, 3])
  const members = await startMany(0, 1, 2, 3)
  await allReached(members, E + 1)
  const [first, , , out] = members as [Member, Member, Member, Member]
  await out.stop()
  cluster.disk(3).lose('record')
  const before = saidBy(first, 3).length
  const watching = await cluster.start(3, { recordLostAt: first.chain.head().header.number })
  const others = members.slice(0, 3)
  await allReached([...others, watching], 2 * E + 24)
  const own = heightsOf(saidBy(first, 3).slice(before))
  expect(own[0]).toBeGreaterThan(2 * E + 20)
  expect(own[0]).toBeLessThanOrEqual(2 * E + 23)
  expect([offences(first), cluster.hub.blamed]).toEqual([[], []])
})
