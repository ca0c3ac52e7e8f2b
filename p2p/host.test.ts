// Hosts on loopback, over real sockets: who is let in, told and dropped, who finds whom, and what passes between them.
import { createSocket } from 'node:dgram'
import { afterEach, expect, test } from 'vitest'
import { bytesToHex } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { NETWORK, type Peer, Peers, peerIdOf, until } from '../test/kit/peers.ts'
import { namesOf } from './libp2p.ts'
import type { Judgement } from './network.ts'
import { BAN_MS, PENALTIES } from './peers.ts'

const peers = new Peers()
const timers: NodeJS.Timeout[] = []
afterEach(() => {
  for (const timer of timers.splice(0)) clearInterval(timer)
  return peers.close()
})

/** Their clocks run ahead, so that what waits to be dialed again waits less. */
const hurry = (...of: readonly Peer[]): void => {
  const run = (): void => {
    for (const { clock } of of) clock.ms += 100
  }
  timers.push(setInterval(run, 10))
}

const knows = (a: Peer, b: Peer): boolean => a.network.peers().some(({ id }) => id === b.id)
const meet = (a: Peer, b: Peer): Promise<void> => until(() => knows(a, b) && knows(b, a))
const saidOf = ({ said }: Peer, text: string): string[] => said.filter((line) => line.includes(text))
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('two nodes of one network meet, hear each other once and answer each other', async () => {
  const a = await peers.host({ announcement: bytes('I am a') })
  const b = await peers.host({
    persistent: [a.address],
    handlers: { onRequest: async (_, asked) => asked.toReversed() },
  })
  await meet(a, b)
  expect(b.announced.get(a.id)).toEqual(bytes('I am a'))
  a.network.publish('consensus', bytes('hello'))
  a.network.publish('consensus', bytes('hello'))
  a.network.publish('txs', bytes('more'))
  await until(() => b.heard.length === 2)
  expect(b.heard.map(({ topic, from }) => [topic, from])).toEqual([
    ['consensus', a.id],
    ['txs', a.id],
  ])
  expect(await a.network.request(b.id, 'direct', bytes('')).catch(String)).toEqual(bytes(''))
  expect(await a.network.request(b.id, 'body', bytes('abc'))).toEqual(bytes('cba'))
  expect(b.metrics.get('p2p_peers')).toBe(1)
  expect(b.metrics.get('p2p_message_receive_bytes_total consensus')).toBe(5)
  expect(b.metrics.get('p2p_peer_receive_bytes_total body')).toBe(3)
})

test.each([
  ['network', { networkId: bytesToHex(keccak(bytes('another'))) }, 'of the network 0x'],
  ['version', { version: 2 }, 'version 2 of the protocol'],
])('a node of another %s is told why and dropped, and both sides say so', async (_, given, sentence) => {
  const a = await peers.host()
  const b = await peers.host({ ...given, persistent: [a.address] })
  const isTold = ({ said }: Peer): boolean =>
    said.some(
      (line) => /told why|does not want/.test(line) && /of the network 0x|version [12] of the protocol/.test(line),
    )
  await until(() => isTold(a) && isTold(b))
  expect([...a.said, ...b.said].some((line) => line.includes(sentence))).toBe(true)
  hurry(b)
  await until(() => saidOf(b, 'told why').length + saidOf(b, 'does not want').length > 1) // dialed again, told again
  expect(a.network.peers()).toEqual([])
  expect(b.network.peers()).toEqual([])
})

test('a stranger that does not greet is dropped, and one that asks before it greets gets nothing', async () => {
  const a = await peers.host()
  const stranger = await peers.attacker()
  const stream = await stranger.open(a, 'body')
  await until(() => saidOf(a, 'does not greet').length === 1)
  await until(() => !stranger.isConnected() && stream.status !== 'open')
  expect(a.network.peers()).toEqual([])
})

test('only peers on the allow list may stay; who is not on it is told so', async () => {
  const a = await peers.host({ allow: [await peerIdOf(901)] })
  const listed = await peers.host({ seed: 901, persistent: [a.address] })
  const other = await peers.host({ seed: 902, persistent: [a.address] })
  await meet(a, listed)
  await until(() => saidOf(other, 'does not want this node: the peer refuses: not on the list').length > 0)
  expect(knows(a, other)).toBe(false)
})

test('who the network lets in no more is dropped and told why when it dials again; who is named stays; and all may come back', async () => {
  const out = new Set<string>()
  const named = await peers.host({ seed: 906 })
  const a = await peers.host({ permits: (peer) => !out.has(peer), persistent: [named.address] })
  const [b, c] = [await peers.host({ persistent: [a.address] }), await peers.host({ persistent: [a.address] })]
  for (const peer of [named, b, c]) await meet(a, peer)
  for (const { id } of [named, b]) out.add(id)
  a.network.review()
  const reason = 'not let in by the list of peers that governance keeps'
  await until(() => !knows(a, b) && !knows(b, a))
  expect(saidOf(a, `a peer is dropped: it is ${reason}`)).toHaveLength(1)
  hurry(b)
  await until(() => saidOf(b, `does not want this node: the peer refuses: ${reason}`).length > 0)
  expect([knows(a, named), knows(a, c), knows(a, b)]).toEqual([true, true, false])
  out.clear()
  await meet(a, b)
})

test('the limit of peers that dial in holds, and does not count who the operator named', async () => {
  const named = await peers.host({ seed: 911 })
  const a = await peers.host({ inboundMax: 1, persistent: [`${named.address}`] })
  const first = await peers.host({ persistent: [a.address] })
  await meet(a, first)
  await meet(a, named)
  const second = await peers.host({ persistent: [a.address] })
  await until(() => saidOf(second, 'no place left').length > 0)
  expect(knows(a, second)).toBe(false)
  hurry(second)
  await first.network.close()
  await meet(a, second)
})

test('no more peers are dialed than the limit', async () => {
  const others = await Promise.all([peers.host(), peers.host(), peers.host()])
  const a = await peers.host({ outboundMax: 1, bootstrap: others.map(({ address }) => address) })
  await until(() => a.network.peers().length === 1)
  const late = await peers.host({ persistent: [a.address] })
  await meet(a, late) // several looks later
  expect(a.network.peers().filter(({ direction }) => direction === 'outbound')).toHaveLength(1)
})

test('a peer that offends is banned, cannot come back before the ban ends, and then can', async () => {
  const a = await peers.host()
  const b = await peers.host({ persistent: [a.address] })
  await meet(a, b)
  a.network.blame(b.id, 'malformed')
  expect(knows(a, b)).toBe(true)
  expect(a.network.peers()[0]?.score).toBe(-PENALTIES.malformed.points)
  a.network.blame(b.id, 'malformed')
  await until(() => !knows(a, b) && !knows(b, a))
  const c = await peers.host({ persistent: [a.address] })
  await meet(a, c)
  expect(knows(a, b)).toBe(false)
  a.clock.ms += BAN_MS - 1
  expect(a.metrics.get('p2p_banned_total')).toBe(1)
  a.clock.ms += 1
  hurry(b) // it waits longer after each failure
  await meet(a, b)
})

test('a persistent peer that dies is dialed until it is back, and is not banned for links that fail', async () => {
  const a = await peers.host({ seed: 921 })
  const port = a.address.split('/')[4]
  const b = await peers.host({ persistent: [`/ip4/127.0.0.1/tcp/${port}`] })
  await meet(a, b)
  for (let i = 0; i < 30; i++) b.network.blame(a.id, 'timeout')
  await a.network.close()
  await until(() => !knows(b, a))
  hurry(b)
  const told = () => b.said.filter((text) => text.startsWith('a peer is not reached'))
  await until(() => told().length > 0)
  expect(told()[0]).toMatch(/ECONNREFUSED/)
  const back = await peers.host({ seed: 921, listen: [`/ip4/127.0.0.1/tcp/${port}`] })
  await meet(back, b)
  expect(told()).toHaveLength(1) // however often it was tried
})

test('an address at which somebody else answers is told with both names', async () => {
  const a = await peers.host({ seed: 922 })
  const other = await peers.host()
  const b = await peers.host({ persistent: [`${a.address.split('/p2p/')[0]}/p2p/${other.id}`] })
  await until(() =>
    b.said.some((text) => text.includes('is not reached') && text.includes(a.id) && text.includes(other.id)),
  )
})

test('nodes that know only one peer find each other through it, but for the private ones', async () => {
  const secret = await peers.host({ seed: 931, outboundMax: 0 })
  const sentry = await peers.host({ seed: 932, persistent: [secret.address], privatePeers: [await peerIdOf(931)] })
  await meet(secret, sentry)
  const b = await peers.host({ bootstrap: [sentry.address] })
  const c = await peers.host({ bootstrap: [sentry.address] })
  hurry(b, c)
  await meet(b, c)
  const answer = Buffer.from(await b.network.request(sentry.id, 'peers', new Uint8Array(0))).toString()
  expect(answer).toContain(c.id)
  expect(answer).not.toContain(secret.id)
  expect([...b.network.peers(), ...c.network.peers()].map(({ id }) => id)).not.toContain(secret.id)
})

test('what is accepted travels on, what is ignored or rejected does not, and a second rejection bans', async () => {
  const verdicts: Record<string, Judgement> = { good: 'accept', dull: 'ignore', bad: 'reject', worse: 'forged' }
  const a = await peers.host()
  const onPublished = (_: string, message: Uint8Array): Judgement =>
    verdicts[Buffer.from(message).toString()] ?? 'accept'
  const b = await peers.host({ persistent: [a.address], handlers: { onPublished } })
  const c = await peers.host({ persistent: [b.address], bootstrap: [], outboundMax: 0 })
  await Promise.all([meet(a, b), meet(b, c)])
  const hears = (text: string): boolean => c.heard.some(({ bytes: heard }) => Buffer.from(heard).toString() === text)
  a.network.publish('consensus', bytes('dull'))
  a.network.publish('consensus', bytes('bad'))
  await until(() => b.network.peers().some(({ id, score }) => id === a.id && score === -60))
  a.network.publish('consensus', bytes('good'))
  await until(() => hears('good'))
  a.network.publish('consensus', bytes('worse'))
  await until(() => !knows(b, a))
  expect(c.heard).toHaveLength(1)
  expect(knows(b, c)).toBe(true)
})

test('more than the bounds is never sent: a message, a request; and an answer over its bound is a fault of who gives it', async () => {
  const a = await peers.host({ handlers: { onRequest: async () => new Uint8Array(64 * 1024 + 1) } })
  const b = await peers.host({ persistent: [a.address] })
  await meet(a, b)
  expect(() => b.network.publish('txs', new Uint8Array(3 * 1024 * 1024 + 1))).toThrow(/would not be delivered/)
  await expect(b.network.request(a.id, 'body', new Uint8Array(65))).rejects.toThrow(/over the bound of body/)
  await expect(b.network.request(a.id, 'direct', new Uint8Array(1))).rejects.toMatchObject({ code: 'P2P_REQUEST' })
  expect(b.network.peers()[0]?.score).toBe(-60)
  b.network.publish('txs', new Uint8Array(3 * 1024 * 1024))
  await until(() => a.heard.length === 1)
})

test('peers that are blocked are gone and come back when they are not', async () => {
  const a = await peers.host()
  const b = await peers.host({ persistent: [a.address] })
  await meet(a, b)
  a.network.block([b.id])
  await until(() => !knows(a, b) && !knows(b, a))
  a.network.block([])
  b.network.block([])
  await meet(a, b)
})

test('closing ends everything that is under way', async () => {
  const asked = Promise.withResolvers<void>()
  const a = await peers.host({
    handlers: {
      onRequest: () => {
        asked.resolve()
        return new Promise(() => {})
      },
    },
  })
  const b = await peers.host({ persistent: [a.address] })
  await meet(a, b)
  const request = b.network.request(a.id, 'blocks', new Uint8Array(1))
  await asked.promise
  await Promise.all([b.network.close(), expect(request).rejects.toMatchObject({ code: 'P2P_REQUEST' })])
  await a.network.close()
})

test('an address in use is refused in a sentence, and so is one that is none', async () => {
  const a = await peers.host()
  const listen = [a.address.split('/p2p/')[0] ?? '']
  await expect(peers.host({ listen })).rejects.toMatchObject({ code: 'P2P_LISTEN' })
  for (const address of ['10.0.0.1:30333', '/ip4/10.0.0.1/tcp/30333/p2p/12D3KooWA'])
    for (const given of [{ persistent: [address] }, { bootstrap: [address] }])
      await expect(peers.host(given)).rejects.toMatchObject({ code: 'P2P_ADDRESS' })
})

/** Whether this machine hears its own multicast: not every container does. */
const hasMulticast = await new Promise<boolean>((resolve) => {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const done = (is: boolean): void => {
    clearTimeout(timer)
    socket.close()
    resolve(is)
  }
  const timer = setTimeout(() => done(false), 500)
  socket.on('error', () => done(false))
  socket.on('message', (message) => message.toString() === NETWORK && done(true))
  socket.bind(0, () => {
    try {
      socket.addMembership('224.0.0.251')
      socket.send(NETWORK, socket.address().port, '224.0.0.251')
    } catch {
      done(false)
    }
  })
})
// skipped where multicast does not work
test.skipIf(!hasMulticast)(
  'nodes of a local network find each other by mDNS where it is on, within their network',
  async () => {
    const listen = ['/ip4/0.0.0.0/tcp/0']
    const [a, b] = await Promise.all([peers.host({ mdns: true, listen }), peers.host({ mdns: true, listen })])
    const other = await peers.host({ mdns: true, listen, networkId: bytesToHex(keccak(bytes('another'))) })
    const off = await peers.host({ listen })
    await meet(a, b)
    expect([...other.network.peers(), ...off.network.peers()]).toEqual([])
  },
)
test('the name that mDNS is asked for is of the network', () => {
  expect(namesOf(NETWORK, 1).serviceTag).toBe(`novachain-${NETWORK.slice(2, 18)}`)
})

test('a validator behind sentries speaks to them alone, and nobody else learns of it', async () => {
  const ids = [await peerIdOf(971), await peerIdOf(972)]
  const sentry = (seed: number) => peers.host({ seed, privatePeers: [ids[0] ?? ''] })
  const guard = await sentry(972)
  const validator = await peers.host({ seed: 971, outboundMax: 0, allow: ids.slice(1), persistent: [guard.address] })
  await meet(validator, guard)
  const world = await peers.host({ persistent: [guard.address], bootstrap: [validator.address] })
  hurry(world)
  await meet(world, guard)
  validator.network.publish('consensus', bytes('a vote'))
  await until(() => world.heard.length === 1)
  expect(world.heard[0]?.from).toBe(guard.id)
  await until(() => world.said.some((line) => line.includes('not on the list')))
  expect(knows(world, validator)).toBe(false)
})
