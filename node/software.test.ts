// What nodes tell each other of their releases, the warnings before a fork, and four validators of which some are of yesterday's release.
import { afterEach, expect, test } from 'vitest'
import { concat } from '../chain/base/bytes.ts'
import { encodeRlp } from '../chain/base/rlp.ts'
import { offencesBetween } from '../chain/types/evidence.ts'
import { FORKS, type Fork, forkWarning, outlookOf } from '../chain/types/forks.ts'
import { heightOf } from '../chain/types/message.ts'
import { SOFTWARE_MAX_BYTES } from '../p2p/wire.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { death } from '../test/kit/disk.ts'
import { genesis, openMemoryChain } from '../test/kit/memory-chain.ts'
import { Peers, until } from '../test/kit/peers.ts'
import { Kernel } from './sim/kernel.ts'
import { decodeSoftware, disagreement, encodeSoftware, softwareOf, watchForks } from './software.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const OLD = FORKS.filter(({ name }) => name !== 'params-2')

test('what a node says of itself is read back; of many forks the newest are said', () => {
  const said = softwareOf('0.1.0', FORKS)
  expect(decodeSoftware(encodeSoftware(said))).toEqual(said)
  const many = Array.from({ length: 60 }, (_, i) => ({ name: `fork-number-${i}`, revision: i }))
  const bytes = encodeSoftware({ version: '9', forks: many })
  expect(bytes.length).toBeLessThanOrEqual(SOFTWARE_MAX_BYTES)
  expect(decodeSoftware(bytes)?.forks.at(-1)).toEqual(many.at(-1))
})

test.each([
  ['nothing', new Uint8Array(0)],
  ['noise', Uint8Array.of(0xf8, 1, 2)],
  ['no list', encodeRlp(text('0.1.0'))],
  ['a version with a line break', encodeRlp([text('0.1\n0'), []])],
  ['a name that is none', encodeRlp([text('0.1.0'), [[text('<b>'), Uint8Array.of(1)]]])],
  ['a negative nothing for a revision', encodeRlp([text('0.1.0'), [[text('osaka'), new Uint8Array(9).fill(1)]]])],
  ['more behind it', concat(encodeRlp([text('0.1.0'), []]), Uint8Array.of(1))],
])('%s says nothing, and parts no peers', async (_, bytes) => {
  expect(decodeSoftware(bytes)).toBeNull()
  const { chain } = await openMemoryChain()
  expect(disagreement(chain, bytes)).toBeNull()
})

test('a node warns from seven days ahead of a fork that it does not know, and of no other', () => {
  const week = 7 * 24 * 60 * 20 // blocks of three seconds
  const at = (height: number, known: readonly Fork[]) =>
    forkWarning(
      outlookOf([{ name: 'params-2', epoch: 1_000, version: '0.2.0' }], known, {
        ...{ height, epochBlocks: 1_200, blockTimeMs: 3_000 },
      }),
    )
  const last = 1_000 * 1_200
  expect(at(last - week - 1, OLD)).toBeNull()
  expect(at(last - week, OLD)).toMatch(/block 1200001 \(epoch 1000, in about 7 days\).* params-2 .* version 0\.2\.0 /)
  expect(at(last - 1, OLD)).toMatch(/in about 3 seconds/)
  expect(at(last - 1, FORKS)).toBeNull()
})

test('the log says what is planned once, and warns with each epoch', async () => {
  cluster = await createCluster({
    validators: 1,
    blockTimeMs: 100,
    speed: 20,
    epochBlocks: 3,
    forks: { 'params-2': 3 },
  })
  const said: string[] = []
  const note = (facts: object, words: string): void => void said.push(`${words} ${JSON.stringify(facts)}`)
  const log = { debug() {}, info: note, warn: note, error: note }
  const gauges: number[] = []
  const meter = {
    counter: () => ({ add() {} }),
    gauge: () => ({ set: (value: number) => void gauges.push(value) }),
    histogram: () => ({ observe() {} }),
  }
  const member = await cluster.start(0, { forks: OLD })
  const { warning } = watchForks(member.chain, { log, meter })
  await expect(member.done).rejects.toMatchObject({ code: 'FORK_UNKNOWN' })
  expect(said.filter((line) => line.startsWith('a fork is scheduled'))).toEqual([
    expect.stringContaining('"fork":"params-2","epoch":3,"height":10,"version":"0.1.0","known":false'),
  ])
  expect(said.filter((line) => line.startsWith('this node stops')).length).toBeGreaterThanOrEqual(3)
  expect(warning()).toMatch(/stops before block 10 \(epoch 3, in about 0 seconds\)/)
  expect(gauges.at(-1)).toBe(0)
  expect(() => watchForks(member.chain, { log, meter })).toThrow(expect.objectContaining({ code: 'FORK_UNKNOWN' }))
})

const peers = new Peers()
let cluster: Cluster | null = null
afterEach(async () => {
  await peers.close()
  await cluster?.close()
  cluster = null
})

test('who knows another fork under the name, or not the one that holds, is told so by words on both sides', async () => {
  const { chain } = await openMemoryChain()
  const given = (version: string, forks: readonly Fork[]) => ({
    software: {
      mine: encodeSoftware(softwareOf(version, forks)),
      against: (theirs: Uint8Array) => disagreement(chain, theirs),
    },
  })
  const other = FORKS.map((fork) => (fork.name === 'osaka' ? { ...fork, revision: 2 } : fork))
  const a = await peers.host(given('0.1.0', FORKS))
  const b = await peers.host({ ...given('0.0.9', other), persistent: [a.address] })
  await until(
    () => a.said.some((line) => /told why/.test(line)) && b.said.some((line) => /told why|not want/.test(line)),
  )
  expect([...a.said, ...b.said].join('\n')).toMatch(/of version 0\.\d\.\d, whose fork osaka is revision \d/)
  expect(a.network.peers()).toEqual([])
  const c = await peers.host({ ...given('0.2.0', FORKS), persistent: [a.address] })
  await until(() => a.network.peers().length === 1)
  expect(a.network.peers().map(({ id, software }) => [id, decodeSoftware(software)?.version])).toEqual([
    [c.id, '0.2.0'],
  ])
})

test('a fork that holds and a peer that never heard of it', async () => {
  cluster = await createCluster({
    validators: 1,
    blockTimeMs: 100,
    speed: 20,
    epochBlocks: 2,
    forks: { 'params-2': 1 },
  })
  const { chain } = await cluster.start(0).then(async (member) => reached(member, 3).then(() => member))
  expect(disagreement(chain, encodeSoftware(softwareOf('0.0.9', OLD)))).toMatch(
    /^of version 0\.0\.9, which does not know the fork params-2 that holds here since epoch 1; version 0\.1\.0 does$/,
  )
  expect(disagreement(chain, encodeSoftware(softwareOf('0.0.9', FORKS)))).toBeNull()
  expect(genesis.forks).toBeUndefined()
})

test('of a peer that knows more forks than a greeting holds, those that it leaves out part nobody', async () => {
  const many = Array.from({ length: 60 }, (_, i) => ({
    name: `fork-number-${i}`,
    since: '1.0.0',
    revision: 1,
    meaning: '',
  }))
  cluster = await createCluster({
    validators: 1,
    blockTimeMs: 100,
    speed: 20,
    epochBlocks: 2,
    forks: { 'params-2': 1 },
  })
  const both = [...FORKS, ...many]
  const { chain } = await cluster
    .start(0, { forks: both })
    .then(async (member) => reached(member, 3).then(() => member))
  const bytes = encodeSoftware(softwareOf('9.0.0', both))
  expect(decodeSoftware(bytes)?.forks.map(({ name }) => name)).not.toContain('params-2')
  expect(disagreement(chain, bytes)).toBeNull()
  // Who knows an older one than it, and not it, never heard of it.
  expect(disagreement(chain, encodeSoftware(softwareOf('0.0.9', [...OLD, ...many.slice(0, 1)])))).toMatch(
    /does not know/,
  )
  expect(disagreement(chain, encodeSoftware(softwareOf('0.0.1', [])))).toMatch(/does not know/)
})

test('three of four are replaced before the fork and go on in round 0; the fourth stops there, and resumes when it is replaced too', async () => {
  cluster = await createCluster({
    ...{ validators: 4, blockTimeMs: 200, epochBlocks: 8, forks: { 'params-2': 2 } },
  })
  const { start } = cluster
  const members = (await Promise.all([0, 1, 2, 3].map((i) => start(i, { forks: OLD })))) as [
    Member,
    Member,
    Member,
    Member,
  ]
  const late = members[3]
  for (const i of [0, 1, 2]) {
    await reached(late, late.chain.head().header.number + 1)
    await members[i]?.stop()
    members[i] = await start(i)
  }
  await expect(late.done).rejects.toMatchObject({ code: 'FORK_UNKNOWN', data: { name: 'params-2', height: 17 } })
  expect(late.chain.head().header.number).toBe(16)
  await late.stop()
  await reached(members[0], 20)
  members[3] = await start(3)
  await Promise.all(members.map((member) => reached(member, 24)))
  for (let height = 1; height <= 24; height++)
    expect(new Set(members.map(({ chain }) => chain.block(height)?.hash.join())).size).toBe(1)
  expect(cluster.hub.blamed).toEqual([])
})

const full = new Error('no space left on device')
test.each(['is switched off', 'has no room'] as const)(
  'one of four that %s at a write around the fork comes back into it, and nobody signs twice',
  async (how) => {
    for (const writes of [5, 18]) {
      const kernel = new Kernel()
      const rules = { epochBlocks: 8, forks: { 'params-2': 2 } }
      cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, kernel, ...rules })
      const { start, disk, said } = cluster
      const members = await Promise.all([0, 1, 2, 3].map((i) => start(i)))
      const allReached = (height: number): Promise<void> =>
        runs(kernel, () => members.every(({ chain }) => chain.head().header.number >= height))
      await allReached(15)
      if (how === 'is switched off') disk(3).dieAfter(writes + 1)
      let left = writes
      if (how === 'has no room')
        disk(3).onWrite = () => {
          if (left-- <= 0) throw full
        }
      const ended: unknown[] = []
      members[3]?.done.catch((error: unknown) => ended.push(error))
      await runs(kernel, () => ended.length > 0)
      expect(ended).toEqual([how === 'is switched off' ? death : full])
      await members[3]?.stop()
      disk(3).onWrite = () => {}
      disk(3).crash()
      members[3] = await start(3)
      await allReached(20)
      for (let height = 1; height <= 20; height++)
        expect(new Set(members.map(({ chain }) => chain.block(height)?.hash.join())).size).toBe(1)
      for (const messages of Map.groupBy(said, heightOf).values()) expect(offencesBetween(messages, 4)).toEqual([])
      await cluster.close()
    }
  },
)
/** Virtual time passes until it is so; an hour of it is for ever. */
const runs = async (kernel: Kernel, isSo: () => boolean): Promise<void> =>
  expect(await kernel.run(kernel.nowMs + 3_600_000, isSo)).toBe(true)
