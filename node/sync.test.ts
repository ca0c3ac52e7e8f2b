// Catching up from peers: honest ones, slow ones, silent ones, and one for each kind of lie.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { asHash, bytesToHex } from '../chain/base/bytes.ts'
import type { Kv } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { openPruner } from '../chain/prune.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { type Block, encodeBlock } from '../chain/types/block.ts'
import { NOTHING_PRUNED } from '../chain/types/kept.ts'
import { createMemoryHub, type MemoryHub } from '../p2p/memory.ts'
import { decodeRange, decodeRun, encodeRange, joinRun, type Run } from '../p2p/wire.ts'
import { createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { answering, atHeight, type Follower, joinPeer, startFollower } from '../test/kit/follower.ts'
import { openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { setsBy } from '../test/kit/sets.ts'

/** Three epochs and a bit, and no multiple of a run. */
const HEIGHT = 230
const genesis = sealedGenesis({ epochBlocks: 70 })
let source: Chain
let branch: Chain
let stranger: Chain
/** Has only headers below 200. */
let young: Chain
beforeAll(async () => {
  source = await openSealedChain(genesis, createMemoryKv())
  branch = await openSealedChain(genesis, createMemoryKv())
  stranger = await openSealedChain(sealedGenesis({ epochBlocks: 70, chainId: 7 }), createMemoryKv())
  await seal(source, HEIGHT)
  const kv = createMemoryKv()
  young = await openSealedChain(genesis, kv)
  const { genesisHash } = young
  await seal(young, HEIGHT)
  const pruner = openPruner({ kv, genesisHash, pause: nextTurn })
  while (await pruner.slice({ ...NOTHING_PRUNED, bodies: 200 }));
  await seal(branch, 70, { coinbase: 0xdd })
  await seal(stranger, 70)
})

let hub: MemoryHub
let follower: Follower | null = null
afterEach(async () => {
  await follower?.stop()
  follower = null
})

const follow = async (kv: Kv = createMemoryKv(), options: Parameters<typeof startFollower>[3] = {}) => {
  follower = await startFollower(hub, genesis, kv, options)
  return follower
}
const hashOf = (chain: Chain, height: number): string => bytesToHex(chain.block(height)?.hash ?? new Uint8Array(0))
const expectSame = ({ chain }: Follower, height = HEIGHT): void => {
  expect(chain.head().header.number).toBe(height)
  expect(hashOf(chain, height)).toBe(hashOf(source, height))
  expect(chain.commitOf(height - 1)).toEqual(source.commitOf(height - 1))
}
const blocked = (run: Run): Uint8Array[] => run.blocks.map(encodeBlock)

test('a new node takes all blocks from several peers, across epochs', async () => {
  hub = createMemoryHub()
  const asked = new Map<string, number>()
  for (const id of ['a', 'b', 'c']) {
    const answer = answering(source)
    joinPeer(hub, id, (request) => {
      asked.set(id, (asked.get(id) ?? 0) + 1)
      return answer(request)
    })
  }
  const node = await follow()
  await atHeight(node, HEIGHT)
  await node.sync.idle()
  expectSame(node)
  expect([...asked.keys()].sort()).toEqual(['a', 'b', 'c'])
  expect(hub.blamed).toEqual([])
})

const lies: Record<string, (run: Run, request: Uint8Array) => Promise<Uint8Array> | Uint8Array> = {
  'a forged certificate': ({ blocks, commit }) => {
    const signature = commit?.signature.map((byte, i) => (i === 90 ? byte ^ 1 : byte)) ?? new Uint8Array(96)
    return joinRun(blocks.map(encodeBlock), commit && { ...commit, signature })
  },
  'a certificate that is no quorum': ({ blocks, commit }) =>
    joinRun(blocks.map(encodeBlock), commit && { ...commit, bitmap: new Uint8Array(1) }),
  'a certificate of another block': (run) => joinRun(blocked(run), source.commitOf(1)),
  'a gap': (run) => joinRun(blocked(run).toSpliced(3, 1), run.commit),
  'blocks twice': (run) => joinRun(blocked(run).toSpliced(3, 1, ...blocked(run).slice(2, 3)), run.commit),
  'another range': async (_, request) => {
    const { from, count } = decodeRange(request)
    return answering(source)(encodeRange({ from: from + 1, count }))
  },
  'more than was asked': async (_, request) => {
    const { from } = decodeRange(request)
    const more = decodeRun(await answering(source)(encodeRange({ from: 1, count: 64 })))
    const next = decodeRun(await answering(source)(encodeRange({ from: 65, count: 64 })))
    return joinRun(from === 1 ? [...blocked(more), ...blocked(next)] : blocked(more), next.commit)
  },
  'a block of another branch': (run) => {
    const other = branch.block(5)
    return joinRun(
      run.blocks.map((block, i) => encodeBlock(i === 4 && other !== null ? other : block)),
      run.commit,
    )
  },
  'blocks of another network': (_, request) => answering(stranger)(request),
  'a transaction more': (run) => {
    const more = (block: Block): Block => ({ ...block, txs: [...block.txs, Uint8Array.of(2, 0xc0)] })
    return joinRun(
      run.blocks.map((block, i) => encodeBlock(i === 4 ? more(block) : block)),
      run.commit,
    )
  },
  'another consensus section': (run) => {
    const other = (block: Block): Block => ({
      ...block,
      section: block.section && { ...block.section, reveal: new Uint8Array(96) },
    })
    return joinRun(
      run.blocks.map((block, i) => encodeBlock(i === 4 ? other(block) : block)),
      run.commit,
    )
  },
  'bytes that do not decode': (run) => joinRun(blocked(run), run.commit).slice(0, -1),
}
for (const [lie, tell] of Object.entries(lies))
  test(`a peer that gives ${lie} is named and dropped; the others give the rest`, async () => {
    hub = createMemoryHub()
    const honest = answering(source)
    joinPeer(hub, 'liar', async (request) => tell(decodeRun(await honest(request)), request))
    joinPeer(hub, 'a', honest)
    const node = await follow()
    await atHeight(node, HEIGHT)
    await node.sync.idle()
    expectSame(node)
    expect(new Set(hub.blamed.map(({ peer }) => peer))).toEqual(new Set(['liar']))
    expect(node.warned.map(({ peer }) => peer)).toContain('liar')
  })

test('a peer that has pruned is asked once, and again for what it has; an archive node gives the rest', async () => {
  hub = createMemoryHub()
  const honest = answering(young)
  const asked: number[] = []
  joinPeer(hub, 'young', (request) => {
    asked.push(decodeRange(request).from)
    return honest(request)
  })
  joinPeer(hub, 'archive', answering(source))
  const node = await follow()
  await atHeight(node, HEIGHT)
  await node.sync.idle()
  expectSame(node)
  expect(asked.filter((from) => from < 200).length).toBeLessThanOrEqual(1)
  expect(hub.blamed).toEqual([])
})

test('where all peers have pruned the next block the node says so, and asks for nothing above it', async () => {
  hub = createMemoryHub()
  const honest = answering(young)
  const asked: number[] = []
  const peer = 'young'
  joinPeer(hub, peer, (request) => {
    asked.push(decodeRange(request).from)
    return honest(request)
  })
  const node = await follow()
  await node.sync.idle()
  for (let i = 0; i < 3; i++) {
    node.sync.poke(peer)
    await node.sync.idle()
  }
  expect(asked).toEqual([1])
  expect(node.warned).toEqual([{ next: 1, from: 200 }])
  expect(node.chain.head().header.number).toBe(0)
  expect(hub.blamed).toEqual([])
})

test('an honest peer that is itself behind is nobody to blame', async () => {
  hub = createMemoryHub()
  const empty = await openSealedChain(genesis, createMemoryKv())
  joinPeer(hub, 'new', answering(empty))
  joinPeer(hub, 'a', answering(source))
  const node = await follow()
  await atHeight(node, HEIGHT)
  await node.sync.idle()
  expectSame(node)
  expect(hub.blamed).toEqual([])
})

test('peers that never answer lose their requests to others', async () => {
  hub = createMemoryHub()
  for (const id of ['mute 1', 'mute 2']) joinPeer(hub, id, () => new Promise(() => {}))
  joinPeer(hub, 'a', answering(source))
  const node = await follow(createMemoryKv(), { times: { hedgeMs: 30, requestMs: 60_000 } })
  await atHeight(node, HEIGHT)
  expectSame(node)
})

test('who alone is there and does not answer in time is asked again later', async () => {
  hub = createMemoryHub()
  let asked = 0
  const honest = answering(source)
  joinPeer(hub, 'a', (request) => (asked++ === 0 ? new Promise(() => {}) : honest(request)))
  const node = await follow(createMemoryKv(), { times: { hedgeMs: 10, requestMs: 30, failedMs: 30 } })
  await atHeight(node, HEIGHT)
  expectSame(node)
  expect(hub.blamed[0]).toEqual({ peer: 'a', offence: 'timeout' })
})

test('a new node follows the sets through thirty epochs that each bring another', async () => {
  const epochs = sealedGenesis({ validators: 3, epochBlocks: 7 })
  const rolls = Array.from({ length: 31 }, (_, epoch) => [epoch % 9, 10 + (epoch % 4), 20, ...(epoch % 2 ? [21] : [])])
  const epochSetOf = setsBy(epochs, [[0, 1, 2], ...rolls])
  const long = await openSealedChain(epochs, createMemoryKv(), { epochSetOf })
  await seal(long, 30 * 7 + 3)
  hub = createMemoryHub()
  for (const id of ['a', 'b', 'c']) joinPeer(hub, id, answering(long))
  follower = await startFollower(hub, epochs, createMemoryKv(), { epochSetOf })
  await atHeight(follower, 30 * 7 + 3)
  expect(hashOf(follower.chain, 30 * 7 + 3)).toBe(hashOf(long, 30 * 7 + 3))
  expect([hub.blamed, follower.warned]).toEqual([[], []])
})

test('a peer that gives one block at a time is enough, and no reason to wait where others give more', async () => {
  hub = createMemoryHub()
  const honest = answering(source)
  const oneByOne = (request: Uint8Array) => honest(encodeRange({ from: decodeRange(request).from, count: 1 }))
  joinPeer(hub, 'miser', oneByOne)
  const node = await follow()
  await atHeight(node, 20)
  joinPeer(hub, 'a', honest)
  await atHeight(node, HEIGHT)
  await node.sync.idle()
  expectSame(node)
  expect(hub.blamed).toEqual([])
})

test('a node stopped in the middle goes on from its head', async () => {
  hub = createMemoryHub()
  const honest = answering(source)
  const asked: number[] = []
  joinPeer(hub, 'a', async (request) => {
    asked.push(decodeRange(request).from)
    return honest(request)
  })
  const kv = createMemoryKv()
  const first = await follow(kv)
  await atHeight(first, 70)
  await first.stop()
  const reached = first.chain.head().header.number
  asked.length = 0
  const node = await follow(kv)
  await atHeight(node, HEIGHT)
  expect(asked[0]).toBe(reached + 1)
  expectSame(node)
})

test('a disk that fails at any write leaves whole runs, and stops the node; the next start goes on', async () => {
  for (let failing = 1; failing <= 5; failing++) {
    hub = createMemoryHub()
    joinPeer(hub, 'a', answering(source))
    const disk = createMemoryKv()
    let writes = 0
    const broken: Kv = {
      ...disk,
      async write(batch) {
        // Genesis is the first.
        if (++writes === failing + 1) throw new Error('no space left')
        await disk.write(batch)
      },
    }
    const first = await follow(broken)
    await expect(atHeight(first, HEIGHT)).rejects.toThrow('no space left')
    await first.stop()
    const stored = await openSealedChain(genesis, disk)
    expect(stored.head().header.number).toBe(first.chain.head().header.number)
    const node = await follow(disk)
    await atHeight(node, HEIGHT)
    expectSame(node)
    await node.stop()
  }
})

const checkpointAt = (chain: Chain, height: number) => ({
  height,
  hash: asHash(chain.block(height)?.hash ?? new Uint8Array(32)),
})

test('below a checkpoint only peers are asked that have its block; another chain is refused before anything of it is kept', async () => {
  hub = createMemoryHub()
  joinPeer(hub, 'liar', answering(branch))
  const node = await follow(createMemoryKv(), { checkpoint: checkpointAt(source, 69) })
  await node.sync.idle()
  await new Promise((resolve) => setImmediate(resolve))
  joinPeer(hub, 'a', answering(source))
  await atHeight(node, HEIGHT)
  expectSame(node)
  expect(hub.blamed).toEqual([{ peer: 'liar', offence: 'false answer' }])
  expect(node.warned[0]?.reason).toContain('the checkpoint says')
})

test('a node whose own blocks lead elsewhere than to the checkpoint stops with a sentence', async () => {
  hub = createMemoryHub()
  joinPeer(hub, 'a', answering(source))
  const kv = createMemoryKv()
  await seal(await openSealedChain(genesis, kv), 9, { coinbase: 0xdd })
  const node = await follow(kv, { checkpoint: checkpointAt(source, 10) })
  await expect(node.failed).rejects.toMatchObject({ code: 'SYNC_OTHER_CHAIN' })
  expect(node.chain.head().header.number).toBe(9)
})

test('a store whose block is not the checkpoint’s does not open', async () => {
  const kv = createMemoryKv()
  await seal(await openSealedChain(genesis, kv), 9, { coinbase: 0xdd })
  await expect(openSealedChain(genesis, kv, { checkpoint: checkpointAt(source, 9) })).rejects.toMatchObject({
    code: 'CHAIN_CHECKPOINT',
  })
  await expect(openSealedChain(genesis, kv, { checkpoint: checkpointAt(source, 10) })).resolves.toBeDefined()
})

test('a validator that missed the first seventy blocks gets them from the others and votes with them', async () => {
  const cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, speed: 10 })
  try {
    const [a, b, c] = (await Promise.all([0, 1, 2].map((i) => cluster.start(i)))) as [Member, Member, Member]
    await reached(a, 70)
    const late = await cluster.start(3)
    await reached(late, 72)
    // Two of four are no quorum: without its vote nothing would come any more.
    await a.stop()
    const height = late.chain.head().header.number
    await Promise.all([b, c, late].map((member) => reached(member, height + 2)))
    expect(cluster.hub.blamed).toEqual([])
  } finally {
    await cluster.close()
  }
})
