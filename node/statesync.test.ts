// State sync from peers: honest ones, silent ones, one for each kind of lie, and a head that moves on; then blocks follow as ever.
import { beforeAll, expect, test } from 'vitest'
import { asHash, bytesToHex, type Hash } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Kv, KvWrite } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { createSnapshotSource, openRestore } from '../chain/snapshot.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { type Genesis, parseGenesis, rulesOf } from '../chain/types/genesis.ts'
import { createMemoryHub, type MemoryHub } from '../p2p/memory.ts'
import type { Network, PeerId, Protocol } from '../p2p/network.ts'
import { decodeLightAsk, decodeStateAsk, encodeLightAsk, encodeStateAsk } from '../p2p/wire.ts'
import { answering, atHeight, startFollower } from '../test/kit/follower.ts'
import { openSealedChain, seal, sealedGenesisText } from '../test/kit/sealed.ts'
import { answerLight, answerState } from './snapshots.ts'
import { StateSync, type StateSyncOptions } from './statesync.ts'
import { systemClock, systemTimers } from './system.ts'
import { noMeter, silent } from './telemetry.ts'

/** Enough accounts for pieces of several branches, one with large storage, some with code. */
const genesisWith = (chainId: number): Genesis => {
  const json = JSON.parse(sealedGenesisText({ epochBlocks: 40, chainId }))
  for (let i = 1; i <= 400; i++)
    json.alloc[`0x${(i * 7_919).toString(16).padStart(40, '0')}`] = { balance: `0x${i.toString(16)}` }
  const storage: Record<string, string> = {}
  const word = (n: number): string => `0x${n.toString(16).padStart(64, '0')}`
  for (let i = 1; i <= 400; i++) storage[word(i)] = word(i * 3)
  json.alloc[`0x${'5e'.repeat(20)}`] = { balance: '0x1', code: '0x60015b00', storage }
  return parseGenesis(JSON.stringify(json))
}
const HEIGHT = 100
const SIZES = { chunkBytes: 2_000, inlineBytes: 1_000 }
const genesis = genesisWith(4_242)
let source: Chain
let sourceKv: Kv
beforeAll(async () => {
  sourceKv = createMemoryKv()
  source = await openSealedChain(genesis, sourceKv)
  await seal(source, HEIGHT)
})

type Answering = (protocol: Protocol, bytes: Uint8Array) => Promise<Uint8Array>
const honestly = (chain: Chain = source, kv: Kv = sourceKv): Answering => {
  const [blocks, snapshots] = [answering(chain), createSnapshotSource(kv, async () => {}, SIZES)]
  return async (protocol, bytes) => {
    if (protocol === 'light') return answerLight(chain, bytes)
    return protocol === 'state' ? answerState(snapshots, bytes) : blocks(bytes)
  }
}
const joinPeer = (hub: MemoryHub, id: PeerId, answer: Answering): Network =>
  hub.join(id, {
    onPublished: () => 'ignore',
    onRequest: (protocol, bytes) => answer(protocol, bytes),
    onPeer() {},
    onPeerGone() {},
  })

/** Nobody is late on a busy machine but who never answers. */
const TIMES = { requestMs: 60_000, failedMs: 20, gatherMs: 30, logMs: 1_000 }
const syncInto = async (
  hub: MemoryHub,
  kv: Kv,
  options: Partial<StateSyncOptions> = {},
  signal: AbortSignal = new AbortController().signal,
) => {
  const restore = await openRestore(kv, genesis)
  if (restore === null) return null
  const late: { network: Network | null } = { network: null }
  const sync = new StateSync(
    {
      ...{ restore, rules: rulesOf(genesis), log: silent, meter: noMeter, clock: systemClock, timers: systemTimers },
      network: () => late.network,
    },
    { checkpoint: null, trustingPeriodMs: Number.POSITIVE_INFINITY, times: TIMES, ...options },
  )
  late.network = hub.join('new', {
    onPublished: () => 'ignore',
    onRequest: () => Promise.reject(new Error('nothing to give')),
    onPeer: (peer) => sync.onPeer(peer),
    onPeerGone: (peer) => sync.onPeerGone(peer),
  })
  try {
    return await sync.run(signal)
  } finally {
    await late.network.close()
  }
}

/** Turns of the event loop, not seconds: how busy the machine is does not matter. */
const until = async (isSo: () => boolean): Promise<void> => {
  for (let turns = 0; !isSo(); turns++) {
    expect(turns).toBeLessThan(2_000_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The same keys in every table of the state; that values make the root is `chain/store/snapshot.test.ts`'s, over every value. */
const expectWhole = async (kv: Kv): Promise<void> => {
  for (const table of ['a', 's', 'n', 'c']) {
    const [ours, theirs] = await Promise.all([keysOf(kv, table), keysOf(sourceKv, table)])
    expect(ours.length).toBeGreaterThan(0)
    expect(ours).toEqual(theirs)
  }
}
const keysOf = async (kv: Kv, table: string): Promise<string[]> => {
  const [from, found] = [table.charCodeAt(0), [] as string[]]
  for await (const [key] of kv.entries(Uint8Array.of(from), Uint8Array.of(from + 1))) found.push(bytesToHex(key))
  return found
}

test('a new node takes the state of several peers, and then the blocks after it, and knows what it has not', async () => {
  const hub = createMemoryHub()
  const asked = new Map<string, number>()
  for (const id of ['a', 'b', 'c'])
    joinPeer(hub, id, (protocol, bytes) => {
      asked.set(id, (asked.get(id) ?? 0) + (protocol === 'state' ? 1 : 0))
      return honestly()(protocol, bytes)
    })
  const kv = createMemoryKv()
  const target = await syncInto(hub, kv)
  expect(bytesToHex(target?.hash as Hash)).toBe(bytesToHex(source.head().hash))
  expect([...asked.keys()].sort()).toEqual(['a', 'b', 'c'])
  await expectWhole(kv)
  const before = source.head().header.number
  await seal(source, 3)
  const node = await startFollower(hub, genesis, kv)
  await atHeight(node, before + 3)
  const { chain } = node
  expect(bytesToHex(chain.head().hash)).toBe(bytesToHex(source.head().hash))
  const [headers, bodies] = [1, before + 1]
  expect(chain.kept()).toEqual({ headers, bodies, receipts: bodies, logs: bodies, state: before, proofs: before })
  expect(chain.block(before)).toBeNull()
  expect(chain.receipts(before)).toBeNull()
  expect(chain.outline(before)?.header).toEqual(source.outline(before)?.header)
  expect(chain.commitOf(before)).toEqual(source.commitOf(before))
  expect(chain.outline(0)?.hash).toEqual(source.genesisHash)
  expect(() => chain.at(before - 1)).toThrow(`this node has it from block ${before} on`)
  expect(chain.block(before + 1)?.hash).toEqual(source.block(before + 1)?.hash)
  expect(hub.blamed).toEqual([])
  await node.stop()
})

const spoil: Readonly<
  Record<string, (protocol: Protocol, bytes: Uint8Array, honest: Answering) => Promise<Uint8Array>>
> = {
  'flips one bit of a piece': async (protocol, bytes, honest) => {
    const out = (await honest(protocol, bytes)).slice()
    if (protocol === 'state') out[out.length >> 1] = (out[out.length >> 1] as number) ^ 4
    return out
  },
  'gives pieces of another height': async (protocol, bytes, honest) => {
    const ask = protocol === 'state' ? decodeStateAsk(bytes) : null
    return honest(protocol, ask?.kind === 'piece' ? encodeStateAsk({ ...ask, height: ask.height - 50 }) : bytes)
  },
  'gives an over-long range': async (protocol, bytes, honest) => {
    const ask = protocol === 'state' ? decodeStateAsk(bytes) : null
    if (ask?.kind !== 'piece' || ask.path.length === 0) return honest(protocol, bytes)
    return honest(protocol, encodeStateAsk({ ...ask, path: ask.path.subarray(0, -1) }))
  },
  'gives other code': async (protocol, bytes, honest) => {
    const out = (await honest(protocol, bytes)).slice()
    if (protocol === 'state') out[out.length - 1] = (out[out.length - 1] as number) ^ 1
    return out
  },
  'forges the certificate of its head': async (protocol, bytes, honest) => {
    const out = (await honest(protocol, bytes)).slice()
    if (protocol === 'light' && decodeLightAsk(bytes).kind === 'head')
      out[out.length - 10] = (out[out.length - 10] as number) ^ 1
    return out
  },
  'hands over with other words': async (protocol, bytes, honest) => {
    const out = (await honest(protocol, bytes)).slice()
    if (protocol === 'light' && decodeLightAsk(bytes).kind !== 'head') out[60] = (out[60] as number) ^ 1
    return out
  },
}
test.each(Object.keys(spoil))('who %s is dropped and blamed, and the others are not', async (how) => {
  const hub = createMemoryHub()
  joinPeer(hub, 'liar', (protocol, bytes) => (spoil[how] as (typeof spoil)[string])(protocol, bytes, honestly()))
  const abort = new AbortController()
  // Alone with the liar nothing is believed; it is over once the liar is blamed and an honest one comes.
  const kv = createMemoryKv()
  const done = syncInto(hub, kv, {}, abort.signal)
  await until(() => hub.blamed.length > 0)
  joinPeer(hub, 'honest', honestly())
  // The head, or the hand-over before it, which the liar gave as it is.
  const target = await done
  expect(bytesToHex(target?.hash as Hash)).toBe(bytesToHex(source.outline(target?.header.number ?? -1)?.hash as Hash))
  const chain = await openSealedChain(genesis, kv)
  expect(chain.head().header).toEqual(target?.header)
  expect(new Set(hub.blamed.map(({ peer }) => peer))).toEqual(new Set(['liar']))
  expect(hub.blamed[0]?.offence).toMatch(/^(false answer|forged)$/)
})

test('answers that are cut where a block more has no room do not keep it from the blocks before', async () => {
  const hub = createMemoryHub()
  const honest = honestly()
  joinPeer(hub, 'a', (protocol, bytes) => {
    const ask = protocol === 'light' ? decodeLightAsk(bytes) : null
    if (ask?.kind !== 'heights') return honest(protocol, bytes)
    return honest(protocol, encodeLightAsk({ ...ask, count: Math.min(ask.count, 20) }))
  })
  const kv = createMemoryKv()
  const target = await syncInto(hub, kv)
  const chain = await openSealedChain(genesis, kv)
  for (let height = 1; height <= (target?.header.number ?? 0); height++)
    expect(chain.outline(height)?.hash).toEqual(source.outline(height)?.hash)
  expect(hub.blamed).toEqual([])
})

test('what is asked of a peer that stalls is asked of another', async () => {
  const hub = createMemoryHub()
  const honest = honestly()
  joinPeer(hub, 'mute', (protocol, bytes) => (protocol === 'light' ? honest(protocol, bytes) : new Promise(() => {})))
  joinPeer(hub, 'honest', honest)
  const kv = createMemoryKv()
  await syncInto(hub, kv, { times: { ...TIMES, requestMs: 400 } })
  expect(hub.blamed).toContainEqual({ peer: 'mute', offence: 'timeout' })
  await expectWhole(kv)
})

test('the head moves on, the first state is forgotten by all, and a later one is fetched without what is here', async () => {
  const hub = createMemoryHub()
  const honest = honestly()
  const heights = new Map<number, number>()
  let gone = -1
  joinPeer(hub, 'a', async (protocol, bytes) => {
    if (protocol !== 'state') return honest(protocol, bytes)
    const ask = decodeStateAsk(bytes)
    if (ask.kind === 'codes') return honest(protocol, bytes)
    if (heights.size === 1 && (heights.get(ask.height) ?? 0) > 8 && gone < 0) {
      gone = ask.height
      await seal(source, 2)
    }
    if (ask.height <= gone) return new Uint8Array(0)
    heights.set(ask.height, (heights.get(ask.height) ?? 0) + 1)
    return honest(protocol, bytes)
  })
  const kv = createMemoryKv()
  const target = await syncInto(hub, kv)
  expect(gone).toBeGreaterThan(0)
  expect(target?.header.number).toBe(gone + 2)
  await expectWhole(kv)
  expect(hub.blamed).toEqual([])
})

test('killed at any write it goes on, and nothing opens what is not whole', async () => {
  const disk = createMemoryKv()
  let writes = 0
  let deaths = 0
  for (let lives = 1; ; lives++) {
    const hub = createMemoryHub()
    joinPeer(hub, 'a', honestly())
    let left = 3 * lives
    const dying: Kv = {
      ...disk,
      async write(batch: Iterable<KvWrite>) {
        if (left-- === 0) throw new Error('the power went')
        writes++
        await disk.write(batch)
      },
    }
    const ended = await syncInto(hub, dying).then(
      () => 'whole',
      (error: Error) => error.message,
    )
    if (ended === 'whole') break
    expect(ended).toBe('the power went')
    expect(await openRestore(disk, genesis)).not.toBeNull()
    deaths++
  }
  expect(deaths).toBeGreaterThan(2)
  expect(writes).toBeGreaterThan(10)
  expect(await openRestore(disk, genesis)).toBeNull()
  await expectWhole(disk)
})

test('a full disk ends it with the reason, and with room again it goes on', async () => {
  const hub = createMemoryHub()
  joinPeer(hub, 'a', honestly())
  const disk = createMemoryKv()
  let room = 4
  const full: Kv = {
    ...disk,
    async write(batch: Iterable<KvWrite>) {
      if (room-- <= 0) throw new Error('ENOSPC: no space left on device')
      await disk.write(batch)
    },
  }
  await expect(syncInto(hub, full)).rejects.toThrow('ENOSPC')
  room = Number.POSITIVE_INFINITY
  await syncInto(hub, full)
  await expectWhole(disk)
})

test('from a checkpoint: its hash must be right, and it must not be older than the trust period', async () => {
  const hub = createMemoryHub()
  joinPeer(hub, 'a', honestly())
  const checkpoint = { height: 50, hash: source.outline(50)?.hash as Hash }
  const kv = createMemoryKv()
  const target = await syncInto(hub, kv, { checkpoint })
  expect(target?.header.number).toBe(source.head().header.number)
  const old = syncInto(hub, createMemoryKv(), { checkpoint, trustingPeriodMs: 1 })
  await expect(old).rejects.toMatchObject({ code: 'LIGHT_TOO_OLD' })
  const young = syncInto(hub, createMemoryKv(), { trustingPeriodMs: 1 })
  await expect(young).rejects.toMatchObject({ code: 'LIGHT_TOO_OLD' })
  // A hash that nobody has the block of: it goes on looking, and believes nobody.
  const abort = new AbortController()
  const wrong = syncInto(
    hub,
    createMemoryKv(),
    { checkpoint: { height: 50, hash: asHash(new Uint8Array(32)) } },
    abort.signal,
  )
  await until(() => hub.blamed.some(({ offence }) => offence === 'false answer'))
  abort.abort(new NodeError({ code: 'TEST_OVER', text: () => 'over' } as never, undefined as never))
  await expect(wrong).rejects.toThrow()
})
