// Several validators in one process: what they decide, alone and together, when some of them go and come back.
import { afterEach, expect, test } from 'vitest'
import { asAddress, bytesToHex, equalBytes, type Hash } from '../chain/base/bytes.ts'
import { curves, keccak } from '../chain/base/crypto.ts'
import { type Block, headerHash, type Section } from '../chain/types/block.ts'
import { heightOf, type Message } from '../chain/types/message.ts'
import type { Tap } from '../p2p/memory.ts'
import { decodeEnvelope, encodeEnvelope, encodeRun } from '../p2p/wire.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { developmentSecret } from './development.ts'

let cluster: Cluster
afterEach(() => cluster.close())

const startAll = (count: number): Promise<Member[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => cluster.start(i)))
const allReached = (members: readonly Member[], height: number): Promise<unknown> =>
  Promise.all(members.map((member) => reached(member, height)))
const hashAt = ({ chain }: Member, height: number): string => bytesToHex(chain.block(height)?.hash ?? new Uint8Array(0))
const agree = (members: readonly Member[], height: number): void => {
  for (let at = 1; at <= height; at++) expect(new Set(members.map((member) => hashAt(member, at))).size).toBe(1)
}

test('four validators decide the same blocks, each in round 0', async () => {
  cluster = await createCluster({ validators: 4, blockTimeMs: 200 })
  const members = await startAll(4)
  await allReached(members, 8)
  agree(members, 8)
  for (let height = 2; height <= 8; height++) expect(members[0]?.chain.commitOf(height)?.round).toBe(0)
})

test('with one of four down the others go on; it comes back and catches up; with two down nothing is decided', async () => {
  cluster = await createCluster({ validators: 4, blockTimeMs: 200, speed: 4 })
  const [a, b, c, d] = (await startAll(4)) as [Member, Member, Member, Member]
  await allReached([a, b, c, d], 3)
  await d.stop()
  const after = a.chain.head().header.number
  await allReached([a, b, c], after + 4)
  const back = await cluster.start(3)
  await allReached([a, b, c, back], a.chain.head().header.number + 2)
  agree([a, b, c, back], after + 4)
  await Promise.all([c.stop(), back.stop()])
  const halted = await Promise.all([cluster.start(2), reached(a, a.chain.head().header.number)])
  await allReached([a, b, halted[0]], a.chain.head().header.number + 2)
  expect(cluster.hub.blamed).toEqual([])
})

test('a follower gets every block', async () => {
  cluster = await createCluster({ validators: 1, blockTimeMs: 100, speed: 20 })
  const [validator] = (await startAll(1)) as [Member]
  await reached(validator, 150)
  const follower = await cluster.start(1)
  await reached(follower, 155)
  agree([validator, follower], 155)
})

test('a forged vote is blamed as forged on who brings it, published or said to one alone', async () => {
  cluster = await createCluster({ validators: 4, blockTimeMs: 60_000 })
  const { hub } = cluster
  await cluster.start(0)
  const stranger = hub.join('stranger', {
    onPublished: () => 'ignore',
    onRequest: async () => encodeRun({ blocks: [], commit: null, earliest: 0 }),
    onPeer() {},
    onPeerGone() {},
  })
  // What validator 2 would sign, under a signature of nobody's.
  const forged = (round: number): Uint8Array => {
    const place = { height: 1, round, blockHash: keccak(Uint8Array.of(1)) }
    const message: Message = {
      kind: 'vote',
      vote: { type: 'prepare', ...place, validator: 2, signature: new Uint8Array(96).fill(round) },
    }
    return encodeEnvelope({ message, sketch: null }, 0)
  }
  await expect(stranger.request('0', 'direct', forged(1))).rejects.toThrow(/is refused/)
  expect(hub.blamed).toEqual([{ peer: 'stranger', offence: 'forged' }])
  stranger.publish('consensus', forged(2))
  const deadline = Date.now() + 20_000
  while (hub.blamed.length < 2 && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve))
  expect(hub.blamed.at(1)).toEqual({ peer: 'stranger', offence: 'forged' })
})

test('what is said of heights long final is stale, and of the last ones is not', async () => {
  cluster = await createCluster({ validators: 1, blockTimeMs: 100, speed: 20 })
  const [member] = (await startAll(1)) as [Member]
  await reached(member, 6)
  const say = (height: number) =>
    member.engine.onMessage(encodeEnvelope({ message: { kind: 'status', height }, sketch: null }, 0), 'a peer')
  expect(await Promise.all([1, 3].map(say))).toEqual(['stale', 'stale'])
  expect(await say(member.chain.head().header.number)).toBe('ignore')
})

test('a flood of valid old proposals with their blocks, votes and certificates is stale, all of it', async () => {
  const heard: Uint8Array[] = []
  cluster = await createCluster({
    ...{ validators: 4, blockTimeMs: 200 },
    tap: (_, to, what, bytes) => void (to === '0' && what === 'consensus' && heard.push(bytes)),
  })
  const [first] = (await startAll(4)) as [Member]
  await reached(first, 8)
  const old = heard.filter((bytes) => heightOf(decodeEnvelope(bytes).message) < 6)
  const blocks = old.filter((bytes) => decodeEnvelope(bytes).sketch !== null)
  expect(blocks.length).toBeGreaterThan(2)
  expect(old.length).toBeGreaterThan(2 * blocks.length)
  for (const bytes of old) expect(await first.engine.onMessage(bytes, 'a peer')).toBe('stale')
})

test('a peer that comes late is told once what a validator said in this round, however often that was said', async () => {
  const told: string[] = []
  const tap: Tap = (from, to, what, bytes) => {
    const { kind } = what === 'direct' ? decodeEnvelope(bytes).message : { kind: 'status' as const }
    if (from === '0' && to === '4' && kind !== 'status') told.push(kind)
  }
  cluster = await createCluster({ validators: 4, blockTimeMs: 200, speed: 20, tap })
  await Promise.all([cluster.start(0), cluster.start(1)]) // no quorum: the round is given up every second
  const timeouts = (): number => cluster.said.filter((said) => said.kind === 'timeout').length
  const deadline = Date.now() + 20_000
  while (timeouts() < 40 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
  await cluster.start(4)
  while (!told.includes('timeout') && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setImmediate(resolve))
  expect(told.filter((kind) => kind === 'timeout')).toEqual(['timeout'])
})

test('however many blocks are proposed, none pushes out the one that is voted on', async () => {
  cluster = await createCluster({ validators: 4, blockTimeMs: 200 })
  const first = await cluster.start(0)
  const { chain } = first
  const { members } = chain.validators()
  const placeOf = (key: number): number =>
    members.findIndex(({ blsKey }) => equalBytes(blsKey, curves().blsPublicKey(developmentSecret(key))))
  const proposer = [0, 1, 2, 3].find((key) => placeOf(key) === chain.proposer(1)) ?? 0
  await cluster.start(proposer === 0 ? 1 : proposer) // no quorum: its block waits
  const deadline = Date.now() + 20_000
  const prepared = () => cluster.said.flatMap((said) => (said.kind === 'vote' ? [said.vote] : []))
  while (!prepared().some(({ validator }) => validator === placeOf(0)) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 5))
  const { blockHash } = prepared()[0] as { readonly blockHash: Hash }
  const { bodies } = first.engine
  const { header, section } = bodies.get(blockHash) as Block & { readonly section: Section }
  for (let i = 1; i <= 24; i++) {
    const other = { ...header, coinbase: asAddress(new Uint8Array(20).fill(i)) }
    bodies.hold({ header: other, hash: headerHash(other), section, txs: [new Uint8Array(2_900_000)] }, 'a peer')
  }
  expect(bodies.get(blockHash)?.hash).toEqual(blockHash)
})
