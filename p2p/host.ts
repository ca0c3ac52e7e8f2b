// The network port over libp2p: TCP, noise, yamux, gossipsub. Owns who is let in and kept: the same network and version, not banned,
// within the limits; and whom this node dials.
import { setTimeout as delay } from 'node:timers/promises'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { type GossipSub, gossipsub, TopicValidatorResult } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Connection, PeerId as LibPeerId, Libp2p, Stream } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { assert, defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter } from '../chain/base/ports.ts'
import {
  type Handlers,
  type Judgement,
  type Network,
  type Offence,
  type PeerId,
  type PeerInfo,
  PROTOCOLS,
  type Protocol,
  PUBLISH_MAX_BYTES,
  type Topic,
} from './network.ts'
import { createScores, type Scores } from './peers.ts'
import { ask, ReqrespErrors, serve } from './reqresp.ts'
import { decodeAddresses, decodeHello, encodeAddresses, encodeHello, type Hello, isMalformed } from './wire.ts'

export const P2pErrors = defineErrors('P2P', {
  LISTEN: {
    text: (d: { addresses: string; reason: string }) =>
      `cannot hear peers on ${d.addresses}: ${d.reason}; choose another p2p.listen, or stop what uses the port`,
  },
  ADDRESS: {
    text: (d: { address: string; reason: string }) =>
      `${d.address} is no multiaddr (${d.reason}): write /ip4/<address>/tcp/<port>, with /p2p/<peer id> behind it if it is known`,
  },
  REQUEST: {
    text: (d: { peer: string; protocol: string; reason: string }) =>
      `peer ${d.peer} did not answer ${d.protocol}: ${d.reason}`,
  },
})

export interface HostOptions {
  /** Multiaddrs. */
  readonly listen: readonly string[]
  /** Told to others in place of what is found out. */
  readonly announce: readonly string[]
  readonly bootstrap: readonly string[]
  /** Dialed again whenever they are gone. */
  readonly persistent: readonly string[]
  /** Only these may connect; null: all. */
  readonly allow: readonly PeerId[] | null
  /** Others are never told of these. */
  readonly privatePeers: readonly PeerId[]
  readonly inboundMax: number
  readonly outboundMax: number
  readonly mdns: boolean
}

export interface HostDeps {
  /** 32 bytes: the ed25519 seed of the node's identity. */
  readonly keySecret: Uint8Array
  /** The genesis hash. */
  readonly networkId: Hex
  readonly version: number
  readonly handlers: Handlers
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
}

type Node = Libp2p<{ readonly pubsub: GossipSub }>

/** Spoken by every version and network, so that each can tell the other why it is not wanted. */
const HELLO = '/novachain/hello/1'
const TOPICS: readonly Topic[] = ['consensus', 'txs', 'evidence']
const SERVED: readonly Protocol[] = ['direct', 'body', 'txs', 'blocks', 'peers']
const DIAL_EVERY_MS = 1_000
const DIAL_WAIT_MAX_MS = 30_000
/** A peer of another network or version is not dialed again for so long. */
const STRANGER_MS = 600_000
const EXCHANGE_EVERY_MS = 30_000
const EXCHANGE_MAX = 50
const STREAMS_MAX = 32
/** How long a peer's subscriptions are waited for: what is published before they are known does not reach it. */
const SUBSCRIBED_MS = 1_000

const meters = (m: Meter) => ({
  peers: m.gauge('p2p_peers', 'Connected peers of this network'),
  received: m.counter('p2p_message_receive_bytes_total', 'Bytes of published messages received', ['topic']),
  sent: m.counter('p2p_message_send_bytes_total', 'Bytes of own published messages, each counted once', ['topic']),
  banned: m.counter('p2p_banned_total', 'Peers banned'),
})

/** Listens, and dials whom it is told. Throws P2P_LISTEN and P2P_ADDRESS. */
export async function createHost(deps: HostDeps, options: HostOptions): Promise<Network> {
  const persistent = options.persistent.map(addressOf)
  const bootstrap = options.bootstrap.map(addressOf)
  const host = new Host(deps, options, [...persistent, ...bootstrap], persistent)
  await host.start()
  return host
}

const addressOf = (text: string): Multiaddr => {
  try {
    return multiaddr(text)
  } catch (cause) {
    throw new NodeError(P2pErrors.ADDRESS, { address: text, reason: reasonOf(cause) }, { cause })
  }
}
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const RESULTS: Readonly<Record<Judgement, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

/** An address this node dials, and when it may again. */
interface Target {
  readonly address: Multiaddr
  peer: PeerId | null
  waitMs: number
  nextMs: number
}

class Host implements Network {
  readonly #deps: HostDeps
  readonly #options: HostOptions
  readonly #scores: Scores
  readonly #meters: ReturnType<typeof meters>
  readonly #targets: Target[]
  readonly #persistentPeers = new Set<PeerId>()
  readonly #persistent: readonly Multiaddr[]
  /** Peers whose hello fits. */
  readonly #ready = new Map<PeerId, PeerInfo['direction']>()
  readonly #strangers = new Map<PeerId, number>()
  readonly #blocked = new Set<PeerId>()
  readonly #stop = new AbortController()
  #node!: Node
  #exchangeAtMs = 0

  constructor(deps: HostDeps, options: HostOptions, targets: readonly Multiaddr[], persistent: readonly Multiaddr[]) {
    this.#deps = deps
    this.#options = options
    this.#persistent = persistent
    this.#targets = targets.map((address) => ({ address, peer: peerIn(address), waitMs: DIAL_EVERY_MS, nextMs: 0 }))
    for (const address of persistent) {
      const peer = peerIn(address)
      if (peer !== null) this.#persistentPeers.add(peer)
    }
    this.#scores = createScores(deps.clock, (peer) => this.#persistentPeers.has(peer))
    this.#meters = meters(deps.meter)
  }

  async start(): Promise<void> {
    const { listen } = this.#options
    this.#node = await this.#assemble()
    await this.#serveProtocols()
    this.#node.addEventListener('peer:connect', ({ detail }) => void this.#greet(detail))
    this.#node.addEventListener('peer:disconnect', ({ detail }) => this.#gone(detail.toString()))
    this.#node.addEventListener('peer:discovery', ({ detail }) => void this.#found(detail.id, detail.multiaddrs))
    const { pubsub } = this.#node.services
    for (const topic of TOPICS)
      pubsub.topicValidators.set(this.#topicName(topic), (peer, { data }) => this.#hear(topic, peer.toString(), data))
    try {
      await this.#node.start()
    } catch (cause) {
      const said = reasonOf(cause)
      const reason = said.includes('EADDRINUSE') ? 'a port is in use' : said
      throw new NodeError(P2pErrors.LISTEN, { addresses: listen.join(', '), reason }, { cause })
    }
    for (const topic of TOPICS) pubsub.subscribe(this.#topicName(topic))
    void this.#dialForEver()
  }

  get self(): PeerId {
    return this.#node.peerId.toString()
  }

  addresses(): readonly string[] {
    return this.#node.getMultiaddrs().map(String)
  }

  peers(): readonly PeerInfo[] {
    return [...this.#ready].flatMap(([id, direction]) => {
      const connection = this.#connectionTo(id)
      if (connection === undefined) return []
      const address = connection.remoteAddr.toString()
      return [{ id, address, direction, score: this.#scores.scoreOf(id), pingMs: connection.rtt ?? null }]
    })
  }

  publish(topic: Topic, bytes: Uint8Array): void {
    assert(bytes.length <= PUBLISH_MAX_BYTES, `a published message of ${bytes.length} bytes would not be delivered`)
    this.#meters.sent.add(bytes.length, { topic })
    this.#node.services.pubsub
      .publish(this.#topicName(topic), bytes)
      .catch((error: unknown) => this.#deps.log.debug({ topic, error: reasonOf(error) }, 'a message is not published'))
  }

  async request(peer: PeerId, protocol: Protocol, bytes: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const { requestMaxBytes, answerMaxBytes, timeoutMs } = PROTOCOLS[protocol]
    assert(bytes.length <= requestMaxBytes, `a request of ${bytes.length} bytes is over the bound of ${protocol}`)
    const connection = this.#ready.has(peer) ? this.#connectionTo(peer) : undefined
    const fail = (reason: string, cause?: unknown) =>
      new NodeError(P2pErrors.REQUEST, { peer, protocol, reason }, { cause })
    if (connection === undefined) throw fail('it is not connected')
    const deadline = AbortSignal.timeout(timeoutMs)
    const until = AbortSignal.any([deadline, this.#stop.signal, ...(signal === undefined ? [] : [signal])])
    try {
      const stream = await connection.newStream(this.#protocolName(protocol), { signal: until })
      return await ask(stream, bytes, answerMaxBytes, until)
    } catch (cause) {
      if (deadline.aborted) this.blame(peer, 'timeout')
      if (cause instanceof NodeError && cause.code === ReqrespErrors.OVER.code) this.blame(peer, 'malformed')
      throw fail(reasonOf(cause), cause)
    }
  }

  blame(peer: PeerId, offence: Offence): void {
    if (!this.#scores.blame(peer, offence)) return
    this.#meters.banned.add()
    this.#deps.log.warn({ peer, offence }, 'a peer is banned')
    void this.#drop(peer)
  }

  block(peers: readonly PeerId[]): void {
    this.#blocked.clear()
    for (const peer of peers) {
      this.#blocked.add(peer)
      void this.#drop(peer)
    }
    for (const target of this.#targets) target.nextMs = 0
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#node.stop()
  }

  #topicName(topic: Topic): string {
    return `${this.#prefix}/${topic}`
  }
  #protocolName(protocol: Protocol): string {
    return protocol === 'hello' ? HELLO : `${this.#prefix}/${protocol}`
  }
  get #prefix(): string {
    return `/novachain/${this.#deps.networkId.slice(2, 18)}/${this.#deps.version}`
  }
  #connectionTo(peer: PeerId): Connection | undefined {
    return this.#node.getConnections(peerIdFromString(peer)).find(({ status }) => status === 'open')
  }

  async #assemble(): Promise<Node> {
    const { listen, announce, inboundMax, outboundMax } = this.#options
    const allowedTopics = TOPICS.map((topic) => this.#topicName(topic))
    return createLibp2p({
      start: false,
      privateKey: await generateKeyPairFromSeed('Ed25519', this.#deps.keySecret),
      addresses: { listen: [...listen], announce: [...announce] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      peerDiscovery: this.#options.mdns ? [mdns({ serviceTag: `novachain-${this.#deps.networkId.slice(2, 18)}` })] : [],
      connectionManager: {
        maxConnections: inboundMax + outboundMax + 10,
        inboundConnectionThreshold: 50,
        maxIncomingPendingConnections: 50,
        dialTimeout: 5_000,
      },
      connectionGater: {
        denyDialMultiaddr: () => false,
        denyInboundEncryptedConnection: (peer) => this.#isUnwanted(peer, 'inbound'),
        denyOutboundEncryptedConnection: (peer) => this.#isUnwanted(peer, 'outbound'),
      },
      services: {
        identify: identify(),
        ping: ping(),
        pubsub: gossipsub({
          globalSignaturePolicy: 'StrictNoSign',
          allowPublishToZeroTopicPeers: true,
          ignoreDuplicatePublishError: true,
          floodPublish: true,
          fallbackToFloodsub: false,
          heartbeatInterval: 700,
          msgIdFn: ({ data }) => keccak(data).subarray(0, 20),
          maxInboundDataLength: PUBLISH_MAX_BYTES + 4_096,
          allowedTopics,
          // Test networks and operators behind one address are no attack.
          scoreParams: { IPColocationFactorWeight: 0 },
        }),
      },
    }) as Promise<Node>
  }

  #isUnwanted(id: LibPeerId, direction: PeerInfo['direction']): boolean {
    const peer = id.toString()
    const { allow, inboundMax } = this.#options
    if (this.#scores.isBanned(peer) || this.#blocked.has(peer)) return true
    if ((this.#strangers.get(peer) ?? 0) > this.#deps.clock.nowMs()) return true
    const isNamed = this.#persistentPeers.has(peer)
    if (allow !== null && !allow.includes(peer) && !isNamed) return true
    if (direction === 'outbound' || isNamed) return false
    const inbound = [...this.#ready.values()].filter((each) => each === 'inbound').length
    return inbound >= inboundMax
  }

  async #drop(peer: PeerId): Promise<void> {
    this.#gone(peer)
    await this.#node.hangUp(peerIdFromString(peer)).catch(() => {})
  }

  // Greeting.

  async #greet(id: LibPeerId): Promise<void> {
    const peer = id.toString()
    const { timeoutMs, answerMaxBytes } = PROTOCOLS.hello
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal])
    try {
      const stream = await this.#node.dialProtocol(id, HELLO, { signal })
      const theirs = decodeHello(await ask(stream, encodeHello(this.#hello), answerMaxBytes, signal))
      if (!this.#isFriend(peer, theirs)) return
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#deps.log.info({ peer, error: reasonOf(error) }, 'a peer that does not greet is dropped')
      await this.#drop(peer)
      return
    }
    await this.#subscribed(id, signal)
    const connection = this.#connectionTo(peer)
    if (connection === undefined || this.#ready.has(peer) || this.#stop.signal.aborted) return
    this.#ready.set(peer, connection.direction)
    this.#meters.peers.set(this.#ready.size)
    this.#deps.log.info(
      { peer, address: connection.remoteAddr.toString(), direction: connection.direction },
      'a peer is here',
    )
    this.#deps.handlers.onPeer(peer)
  }

  get #hello(): Hello {
    return { networkId: hexToBytes(this.#deps.networkId), version: this.#deps.version }
  }

  #isFriend(peer: PeerId, { networkId, version }: Hello): boolean {
    const mine = this.#hello
    const isSame = Buffer.compare(networkId, mine.networkId) === 0
    if (isSame && version === mine.version) return true
    const reason = isSame
      ? `it speaks version ${version}, this node ${mine.version}`
      : `it is of the network 0x${Buffer.from(networkId).toString('hex').slice(0, 16)}…`
    this.#deps.log.info({ peer, reason }, 'a peer is dropped')
    this.#strangers.set(peer, this.#deps.clock.nowMs() + STRANGER_MS)
    void this.#drop(peer)
    return false
  }

  #subscribed(id: LibPeerId, signal: AbortSignal): Promise<void> {
    const { pubsub } = this.#node.services
    const topic = this.#topicName('consensus')
    const isKnown = (): boolean => pubsub.getSubscribers(topic).some((each) => each.equals(id))
    return new Promise((resolve) => {
      const done = (): void => {
        pubsub.removeEventListener('subscription-change', look)
        clearTimeout(timer)
        resolve()
      }
      const look = (): void => {
        if (isKnown() || signal.aborted) done()
      }
      const timer = setTimeout(done, SUBSCRIBED_MS)
      pubsub.addEventListener('subscription-change', look)
      look()
    })
  }

  #gone(peer: PeerId): void {
    if (!this.#ready.delete(peer)) return
    this.#meters.peers.set(this.#ready.size)
    this.#deps.log.info({ peer }, 'a peer is gone')
    this.#deps.handlers.onPeerGone(peer)
  }

  // Hearing and answering.

  async #hear(topic: Topic, peer: PeerId, bytes: Uint8Array): Promise<TopicValidatorResult> {
    let judgement: Judgement = 'ignore'
    try {
      this.#meters.received.add(bytes.length, { topic })
      judgement = await this.#deps.handlers.onPublished(topic, bytes, peer)
    } catch (error) {
      this.#deps.log.error({ topic, error: reasonOf(error) }, 'a published message could not be judged')
    }
    if (judgement === 'reject') this.blame(peer, 'malformed')
    return RESULTS[judgement]
  }

  async #serveProtocols(): Promise<void> {
    const options = { maxInboundStreams: STREAMS_MAX, maxOutboundStreams: 4 * STREAMS_MAX }
    await this.#node.handle(
      HELLO,
      (stream, { remotePeer }) => this.#answerHello(stream, remotePeer.toString()),
      options,
    )
    for (const protocol of SERVED)
      await this.#node.handle(
        this.#protocolName(protocol),
        (stream, { remotePeer }) => this.#answer(protocol, stream, remotePeer.toString()),
        options,
      )
  }

  async #answerHello(stream: Stream, peer: PeerId): Promise<void> {
    const { requestMaxBytes, timeoutMs } = PROTOCOLS.hello
    await serve(stream, requestMaxBytes, AbortSignal.timeout(timeoutMs), async (bytes) => {
      const hello = decodeHello(bytes)
      queueMicrotask(() => this.#isFriend(peer, hello))
      return encodeHello(this.#hello)
    }).catch((error: unknown) => this.#deps.log.debug({ peer, error: reasonOf(error) }, 'a hello failed'))
  }

  async #answer(protocol: Protocol, stream: Stream, peer: PeerId): Promise<void> {
    const { requestMaxBytes, timeoutMs } = PROTOCOLS[protocol]
    if (!this.#scores.allows(peer)) {
      this.blame(peer, 'flood')
      stream.abort(new NodeError(ReqrespErrors.REFUSED, undefined))
      return
    }
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal])
    try {
      await serve(stream, requestMaxBytes, signal, (bytes) =>
        protocol === 'peers' ? this.#answerPeers() : this.#deps.handlers.onRequest(protocol, bytes, peer),
      )
    } catch (error) {
      this.#deps.log.debug({ peer, protocol, error: reasonOf(error) }, 'a request is not answered')
      if (error instanceof NodeError && error.code === ReqrespErrors.OVER.code) this.blame(peer, 'malformed')
    }
  }

  // Dialing.

  async #dialForEver(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await Promise.all(this.#targets.map((target) => this.#dial(target)))
      await this.#exchange()
      await delay(DIAL_EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  async #dial(target: Target): Promise<void> {
    const now = this.#deps.clock.nowMs()
    if (now < target.nextMs || (target.peer !== null && this.#connectionTo(target.peer) !== undefined)) return
    const isPersistent = this.#persistent.includes(target.address)
    if (!isPersistent && this.#ready.size >= this.#options.outboundMax) return
    const signal = AbortSignal.any([AbortSignal.timeout(5_000), this.#stop.signal])
    try {
      const connection = await this.#node.dial(target.address, { signal })
      target.peer = connection.remotePeer.toString()
      if (isPersistent) this.#persistentPeers.add(target.peer)
      target.waitMs = DIAL_EVERY_MS
    } catch (error) {
      this.#deps.log.debug({ address: target.address.toString(), error: reasonOf(error) }, 'a peer is not reached')
      target.waitMs = Math.min(DIAL_WAIT_MAX_MS, target.waitMs * 2)
    }
    target.nextMs = this.#deps.clock.nowMs() + target.waitMs
  }

  /** Asks a peer for others, while there is room. */
  async #exchange(): Promise<void> {
    const now = this.#deps.clock.nowMs()
    const [asked] = [...this.#ready.keys()].sort(() => Math.random() - 0.5)
    if (asked === undefined || now < this.#exchangeAtMs || this.#ready.size >= this.#options.outboundMax) return
    this.#exchangeAtMs = now + EXCHANGE_EVERY_MS
    const answer = await this.request(asked, 'peers', new Uint8Array(0)).catch(() => null)
    if (answer === null) return
    try {
      for (const text of decodeAddresses(answer).slice(0, EXCHANGE_MAX)) {
        const address = multiaddr(text)
        const peer = peerIn(address)
        if (peer !== null) await this.#found(peerIdFromString(peer), [address])
      }
    } catch (error) {
      if (!isMalformed(error) && !(error instanceof Error)) throw error
      this.blame(asked, 'malformed')
    }
  }

  async #found(id: LibPeerId, addresses: readonly Multiaddr[]): Promise<void> {
    const peer = id.toString()
    const isKnown = peer === this.self || this.#ready.has(peer) || this.#isUnwanted(id, 'outbound')
    if (isKnown || addresses.length === 0 || this.#ready.size >= this.#options.outboundMax) return
    const signal = AbortSignal.any([AbortSignal.timeout(5_000), this.#stop.signal])
    await this.#node.dial([...addresses], { signal }).catch((error: unknown) => {
      this.#deps.log.debug({ peer, error: reasonOf(error) }, 'a peer that was heard of is not reached')
    })
  }

  /** Where the peers of this node listen, but for those it keeps to itself. */
  async #answerPeers(): Promise<Uint8Array> {
    const told = [...this.#ready.keys()].filter((peer) => !this.#options.privatePeers.includes(peer))
    const found = await Promise.all(
      told.slice(0, EXCHANGE_MAX).map(async (peer) => {
        const known = await this.#node.peerStore.get(peerIdFromString(peer)).catch(() => null)
        const address = known?.addresses
          .find(({ multiaddr: at }) => at.toString().includes('/tcp/'))
          ?.multiaddr.toString()
        if (address === undefined) return []
        return [address.includes('/p2p/') ? address : `${address}/p2p/${peer}`]
      }),
    )
    return encodeAddresses(found.flat())
  }
}

const peerIn = (address: Multiaddr): PeerId | null =>
  address.getComponents().findLast(({ name }) => name === 'p2p')?.value ?? null
