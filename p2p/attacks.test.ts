// What a peer may try that keeps to no rule, over real sockets. Each test shows what it costs the victim at most, and that the victim
// serves others meanwhile.
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, test } from 'vitest'
import { type Attacker, type Peer, Peers, peerIdOf, until } from '../test/kit/peers.ts'
import { STREAMS_MAX, STREAMS_OF } from './libp2p.ts'
import { ALLOWANCES } from './peers.ts'
import { ask } from './reqresp.ts'
import { encodeAddresses } from './wire.ts'

const peers = new Peers()
afterEach(() => peers.close())

const MIB = 1024 * 1024
const knows = (a: Peer, b: { readonly id: string }): boolean => a.network.peers().some(({ id }) => id === b.id)
const scoreOf = (victim: Peer, { id }: { readonly id: string }): number | null =>
  victim.network.peers().find((peer) => peer.id === id)?.score ?? null
const open = (streams: readonly Stream[]): number => streams.filter(({ status }) => status === 'open').length
const frame = (sizeBytes: number, body: Uint8Array): Uint8Array => {
  const out = new Uint8Array(4 + body.length)
  new DataView(out.buffer).setUint32(0, sizeBytes)
  out.set(body, 4)
  return out
}

interface Scene {
  readonly victim: Peer
  readonly friend: Peer
  readonly attacker: Attacker
}
const scene = async (given: Parameters<Peers['host']>[0] = {}, onGossip?: (stream: Stream) => void): Promise<Scene> => {
  const victim = await peers.host(given)
  const friend = await peers.host({ persistent: [victim.address] })
  const attacker = await peers.attacker(onGossip)
  await attacker.greet(victim)
  await until(() => knows(victim, friend) && knows(friend, victim))
  return { victim, friend, attacker }
}
/** The victim still answers, hears and is heard. */
const serves = async ({ victim, friend }: Scene): Promise<void> => {
  const asked = Uint8Array.of(1, 2, 3)
  expect(await friend.network.request(victim.id, 'body', asked)).toEqual(asked)
  const word = crypto.getRandomValues(new Uint8Array(16))
  const isHeard = ({ heard }: Peer): boolean => heard.some(({ bytes }) => Buffer.compare(bytes, word) === 0)
  friend.network.publish('consensus', word)
  await until(() => isHeard(victim))
}

test('of a thousand streams that say nothing a few live, and only until their deadline', async () => {
  const at = await scene({ deadlineMs: 1_500 })
  const streams: Stream[] = []
  const tries = Array.from({ length: 1_000 }, async () => {
    const stream = await at.attacker.open(at.victim, 'direct')
    streams.push(stream)
    stream.send(Uint8Array.of(0, 0))
  })
  await Promise.allSettled(tries)
  await until(() => open(streams) <= STREAMS_OF.direct)
  await serves(at)
  await until(() => open(streams) === 0)
  expect(STREAMS_OF.direct).toBeLessThan(STREAMS_MAX)
})

test('of streams that name no protocol no more live than a connection may have', async () => {
  const at = await scene()
  const [connection] = at.attacker.node.getConnections()
  const muxer = Reflect.get(connection ?? {}, 'muxer')
  const streams: Stream[] = []
  for (let i = 0; i < 1_000; i++) {
    const stream: Stream = await muxer.createStream()
    stream.send(Uint8Array.of(19))
    streams.push(stream)
  }
  await until(() => open(streams) <= STREAMS_MAX)
  await serves(at)
})

test.each<[string, Uint8Array]>([
  ['a byte and then silence', Uint8Array.of(0)],
  ['half a frame and then silence', frame(64, new Uint8Array(30))],
])('%s is given up at the deadline, and costs nothing but the stream', async (_, bytes) => {
  const at = await scene({ deadlineMs: 300 })
  const stream = await at.attacker.open(at.victim, 'body')
  stream.send(bytes)
  await until(() => stream.status !== 'open')
  expect(scoreOf(at.victim, at.attacker)).toBe(0)
  await serves(at)
})

test('a byte now and then does not move the deadline', async () => {
  const at = await scene({ deadlineMs: 1_000 })
  const stream = await at.attacker.open(at.victim, 'direct')
  stream.send(frame(100_000, new Uint8Array(0)))
  let sent = 0
  await until(() => {
    if (stream.status !== 'open') return true
    if (stream.send(Uint8Array.of(0))) sent++
    return false
  })
  expect(sent).toBeGreaterThan(1)
  expect(sent).toBeLessThan(100_000)
  await serves(at)
})

test.each<[string, Uint8Array]>([
  ['a length above the bound', frame(0xffffffff, new Uint8Array(0))],
  ['more bytes than announced', frame(1, new Uint8Array(1_000))],
])('%s ends the stream at once, and the peer the second time', async (_, bytes) => {
  const at = await scene()
  for (const score of [-60, null]) {
    const stream = await at.attacker.open(at.victim, 'body')
    stream.send(bytes)
    await until(() => stream.status !== 'open' && scoreOf(at.victim, at.attacker) === score)
  }
  await serves(at)
})

test('what follows a question while it is answered is not stored', async () => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<Uint8Array>()
  const onRequest = async (_: string, bytes: Uint8Array): Promise<Uint8Array> => {
    if (bytes.length === 3) return bytes
    asked.resolve()
    return answer.promise
  }
  const at = await scene({ handlers: { onRequest } })
  const stream = await at.attacker.open(at.victim, 'body')
  stream.send(frame(1, Uint8Array.of(9)))
  await asked.promise
  let sent = 0
  await until(() => {
    if (stream.status === 'open' && stream.send(new Uint8Array(64 * 1024))) sent += 64 * 1024
    return stream.status !== 'open'
  })
  expect(sent).toBeLessThan(8 * MIB)
  answer.resolve(new Uint8Array(1))
  await serves(at)
})

test('large answers that nobody reads are few at a time', async () => {
  let under = 0
  let most = 0
  const onRequest = async (_: string, bytes: Uint8Array): Promise<Uint8Array> => {
    if (bytes.length === 3) return bytes
    most = Math.max(most, ++under)
    return new Uint8Array(20 * MIB)
  }
  // Long enough that all 40 ask before the first of them is given up.
  const at = await scene({ handlers: { onRequest }, deadlineMs: 8_000 })
  await at.attacker.node.dial(multiaddr(at.victim.address), { force: true })
  const streams: Stream[] = []
  for (let i = 0; i < 40; i++) {
    const [connection] = at.attacker.node.getConnections().slice(i % 2)
    const stream = await connection?.newStream(at.attacker.names.protocol('blocks')).catch(() => undefined)
    if (stream === undefined) continue
    stream.pause()
    stream.send(frame(1, Uint8Array.of(1)))
    await stream.close().catch(() => {})
    streams.push(stream)
  }
  await serves(at)
  expect(most).toBeLessThanOrEqual(4)
  await until(() => open(streams) === 0)
})

test('large answers are made for a peer within its allowance, whether it reads them or not', async () => {
  let made = 0
  const onRequest = async (_: string, bytes: Uint8Array): Promise<Uint8Array> => {
    if (bytes.length === 3) return bytes
    made++
    return new Uint8Array(10 * MIB)
  }
  const at = await scene({ handlers: { onRequest } })
  const refused = (): number => at.victim.metrics.get('p2p_streams_refused_total blocks') ?? 0
  for (let i = 0; i < 40; i++) {
    const before = made + refused()
    const stream = await at.attacker.open(at.victim, 'blocks')
    stream.send(frame(1, Uint8Array.of(1)))
    await until(() => made + refused() > before)
    stream.abort(new Error('it was never wanted'))
    await until(() => stream.status !== 'open')
  }
  expect(made).toBeLessThanOrEqual(Math.ceil(ALLOWANCES.served.size / (10 * MIB)))
  at.victim.clock.ms += 60_000
  await at.attacker.open(at.victim, 'blocks').then((stream) => stream.send(frame(1, Uint8Array.of(1))))
  const before = made
  await until(() => made > before)
  await serves(at)
})

test('a peer that asks without end is banned', async () => {
  const at = await scene()
  const askOn = async (): Promise<void> => {
    while (knows(at.victim, at.attacker)) {
      const stream = await at.attacker.open(at.victim, 'direct').catch(() => null)
      if (stream !== null) await ask(stream, new Uint8Array(0), 0, AbortSignal.timeout(5_000)).catch(() => {})
    }
  }
  await Promise.all(Array.from({ length: 20 }, askOn))
  await until(() => !knows(at.victim, at.attacker))
  expect(at.victim.said).toContain('a peer is banned')
  expect(at.victim.metrics.get('p2p_streams_refused_total direct')).toBeGreaterThan(0)
  await serves(at)
})

test('yesterday’s messages are borne so often and no more; they reach nobody else', async () => {
  const onPublished = (_: string, bytes: Uint8Array) => (bytes.length === 16 ? 'accept' : 'stale')
  const at = await scene({ handlers: { onPublished } })
  const flooder = await peers.host({ persistent: [at.victim.address], outboundMax: 0 })
  await until(() => knows(at.victim, flooder) && knows(flooder, at.victim))
  for (let i = 0; i < ALLOWANCES.stale.size + 20; i++)
    flooder.network.publish('consensus', Uint8Array.of(i >> 8, i & 255))
  await until(() => !knows(at.victim, flooder))
  expect(at.friend.heard).toHaveLength(0)
  const word = new Uint8Array(16)
  at.friend.network.publish('consensus', word)
  await until(() => at.victim.said.includes('a peer is banned'))
  expect(knows(at.victim, at.friend)).toBe(true)
})

test('a flood of messages is judged up to the allowance, and its sender is banned', async () => {
  const at = await scene()
  const flooder = await peers.host({ persistent: [at.victim.address], outboundMax: 0 })
  await until(() => knows(at.victim, flooder) && knows(flooder, at.victim))
  const { size } = ALLOWANCES.messages
  for (let i = 0; i < size + 500; i++) flooder.network.publish('consensus', Uint8Array.of(i >> 8, i & 255))
  await until(() => !knows(at.victim, flooder))
  expect(at.victim.heard.length).toBeLessThanOrEqual(size)
  expect(at.victim.metrics.get('p2p_message_dropped_total consensus')).toBeGreaterThan(0)
  await serves(at)
})

test('of transactions beyond the allowance none is judged; who passes them on is not to blame, and its votes are heard', async () => {
  const at = await scene()
  const bearer = await peers.host({ persistent: [at.victim.address], outboundMax: 0 })
  await until(() => knows(at.victim, bearer) && knows(bearer, at.victim))
  const { size } = ALLOWANCES.batches
  const dropped = (): number => at.victim.metrics.get('p2p_message_dropped_total txs') ?? 0
  for (let i = 0; i < size + 500; i++) bearer.network.publish('txs', Uint8Array.of(i >> 8, i & 255))
  await until(() => dropped() >= 500)
  expect(at.victim.heard.length).toBe(size)
  bearer.network.publish('consensus', Uint8Array.of(1))
  await until(() => at.victim.heard.some(({ topic }) => topic === 'consensus'))
  expect(scoreOf(at.victim, bearer)).toBe(0)
})

test('of messages that take long to judge so many bytes wait and no more', async () => {
  const gate = Promise.withResolvers<'accept'>()
  const waiting: number[] = []
  const onPublished = (topic: string, bytes: Uint8Array) => {
    if (topic === 'consensus') return 'accept' as const
    waiting.push(bytes.length)
    return gate.promise
  }
  const victim = await peers.host({ handlers: { onPublished } })
  const flooder = await peers.host({ persistent: [victim.address] })
  await until(() => knows(victim, flooder) && knows(flooder, victim))
  const dropped = (): number => victim.metrics.get('p2p_message_dropped_total txs') ?? 0
  for (let i = 0; i < 12; i++) {
    const bytes = new Uint8Array(2 * MIB)
    bytes[0] = i
    flooder.network.publish('txs', bytes)
    await until(() => waiting.length + dropped() > i)
  }
  expect(dropped()).toBeGreaterThan(0)
  expect(waiting.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(18 * MIB)
  gate.resolve('accept')
})

test('a peer that does not read its gossip is dropped', async () => {
  const at = await scene({}, (stream) => stream.pause())
  await at.attacker.publish(at.victim, 'txs', new Uint8Array(1)) // and subscribes
  let i = 0
  await until(() => {
    const bytes = new Uint8Array(3 * MIB)
    bytes[0] = ++i
    if (i < 60 && i % 4 === 0) at.victim.network.publish('txs', bytes)
    return !knows(at.victim, at.attacker)
  })
  expect(at.victim.said).toContain('a peer that does not read what is published is dropped')
  expect(knows(at.victim, at.friend)).toBe(true)
})

test.each<[string, () => Uint8Array]>([
  ['that is none', () => Uint8Array.of(1, 2, 3)],
  ['above its bound', () => new Uint8Array(64 * 1024 + 1)],
  ['of garbage', () => encodeAddresses(Array.from({ length: 1_000 }, () => 'x'))],
  ['of sockets and circuits', () => encodeAddresses(['/unix/tmp/x', '/ip4/1.2.3.4/tcp/1/p2p-circuit'])],
])('an answer with peers %s is the fault of who gives it', async (_, answer) => {
  const victim = await peers.host()
  const liar = await peers.attacker()
  await liar.node.handle(liar.names.protocol('peers'), async (stream) => {
    const bytes = answer()
    stream.send(Uint8Array.of(0))
    stream.send(frame(bytes.length, bytes))
    await stream.close()
  })
  await liar.greet(victim)
  await until(() => {
    victim.clock.ms += 10
    return !knows(victim, liar)
  })
  expect(victim.said).toContain('a peer is banned')
})

test('addresses that lead nowhere hold up nobody', async () => {
  const victim = await peers.host({ persistent: [`/ip4/127.0.0.1/tcp/1/p2p/${await peerIdOf(941)}`] })
  const liar = await peers.attacker()
  const ids = await Promise.all(Array.from({ length: 50 }, (_, i) => peerIdOf(950 + i)))
  await liar.node.handle(liar.names.protocol('peers'), async (stream) => {
    const bytes = encodeAddresses(ids.map((id) => `/ip4/192.0.2.1/tcp/9/p2p/${id}`)) // a network that is nobody's
    stream.send(Uint8Array.of(0))
    stream.send(frame(bytes.length, bytes))
    await stream.close()
  })
  await liar.greet(victim)
  victim.clock.ms += 1_000
  await until(() => (victim.metrics.get('p2p_peer_receive_bytes_total peers') ?? 0) > 0)
  const late = await peers.host({ bootstrap: [victim.address] })
  await until(() => knows(victim, late))
  const tried = victim.said.filter((line) => line.startsWith('a peer is not reached')).length
  await until(() => {
    victim.clock.ms += 100
    return victim.said.filter((line) => line.startsWith('a peer is not reached')).length > tried
  })
})

test('a peer has two connections at most, whatever it opens', async () => {
  const at = await scene()
  const tries = Array.from({ length: 8 }, () => at.attacker.node.dial(multiaddr(at.victim.address), { force: true }))
  await Promise.allSettled(tries)
  await until(() => at.attacker.node.getConnections().filter(({ status }) => status === 'open').length <= 2)
  await serves(at)
})

test('a stranger that brings an honest message first does not make the honest copy a duplicate that nobody judged', async () => {
  const victim = await peers.host()
  const friend = await peers.host({ persistent: [victim.address] })
  await until(() => knows(victim, friend) && knows(friend, victim))
  const stranger = await peers.attacker()
  await stranger.node.handle(stranger.names.protocol('hello'), () => {}) // and says nothing
  const vote = Uint8Array.of(1, 2, 3)
  await stranger.publish(victim, 'consensus', vote)
  await until(() => victim.heard.length === 1)
  friend.network.publish('consensus', vote)
  friend.network.publish('consensus', Uint8Array.of(4))
  await until(() => victim.heard.length === 2)
  expect(victim.heard.map(({ bytes }) => bytes)).toEqual([vote, Uint8Array.of(4)])
})

test('of who is not on the allow list no gossip is read, and what it brought first is heard from others', async () => {
  const victim = await peers.host({ allow: [await peerIdOf(981)] })
  const friend = await peers.host({ seed: 981, persistent: [victim.address] })
  await until(() => knows(victim, friend) && knows(friend, victim))
  const stranger = await peers.attacker()
  await stranger.node.handle(stranger.names.protocol('hello'), () => {})
  const vote = Uint8Array.of(1, 2, 3)
  await stranger.publish(victim, 'consensus', vote)
  await until(() => victim.said.some((line) => line.startsWith('a peer that does not greet is dropped')))
  expect(victim.heard).toEqual([])
  friend.network.publish('consensus', vote)
  await until(() => victim.heard.length === 1)
  expect(victim.heard[0]?.from).toBe(friend.id)
})
