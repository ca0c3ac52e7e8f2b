// The network port over libp2p. Owns what passes through it: what peers publish and ask, each within its allowance, and what this node
// publishes and asks. Who is let in is `admission.ts`, who is dialed `dialing.ts`.
import type { TopicValidatorResult as Result } from '@libp2p/gossipsub'
import { TopicValidatorResult } from '@libp2p/gossipsub'
import type { Connection, PeerId as LibPeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { assert, defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter } from '../chain/base/ports.ts'
import { Admission, type AdmissionOptions, type Against } from './admission.ts'
import { addressOf, Dialing, type DialTimes, peerIn } from './dialing.ts'
import { Greeting } from './greeting.ts'
import { createNode, type Names, type Node, namesOf, STREAMS_MAX, STREAMS_OF, TOPICS } from './libp2p.ts'
import {
  type Handlers,
  type Judgement,
  type Network,
  OFFENCES,
  type Offence,
  type PeerId,
  type PeerInfo,
  PROTOCOLS,
  type Protocol,
  PUBLISH_MAX_BYTES,
  type Topic,
} from './network.ts'
import { type Allowance, createScores, type Scores, SERVED_EACH_BYTES } from './peers.ts'
import { ask, ReqrespErrors, serve } from './reqresp.ts'
import type { Hello } from './wire.ts'

export const P2pErrors = defineErrors('P2P', {
  LISTEN: {
    text: (d: { addresses: string; reason: string }) =>
      `cannot hear peers on ${d.addresses}: ${d.reason}; choose another p2p.listen, or stop what uses the port`,
  },
  REQUEST: {
    text: (d: { peer: string; protocol: string; reason: string }) =>
      `peer ${d.peer} did not answer ${d.protocol}: ${d.reason}`,
  },
  BANNED: { text: (d: { peer: string }) => `peer ${d.peer} is banned` },
})

export interface HostOptions extends AdmissionOptions {
  /** Multiaddrs. */
  readonly listen: readonly string[]
  /** Told to others in place of what is found out. */
  readonly announce: readonly string[]
  readonly bootstrap: readonly string[]
  /** Dialed again whenever they are gone. */
  readonly persistent: readonly string[]
  /** Peers this node dials beside the persistent ones. */
  readonly outboundMax: number
  /** Others are never told of these. */
  readonly privatePeers: readonly PeerId[]
  readonly mdns: boolean
}

export interface HostDeps {
  /** 32 bytes: the ed25519 seed of the node's identity. */
  readonly keySecret: Uint8Array
  /** The genesis hash. */
  readonly networkId: Hex
  readonly version: number
  /** What this node tells each peer of itself, made for its own peer id. */
  readonly announcement: (self: PeerId) => Promise<Uint8Array>
  /** What this node runs, and why what a peer runs does not fit it, if that is so. Nothing is said and all fit where it is not given. */
  readonly software?: { readonly mine: Uint8Array; readonly against: Against }
  /** Whether the network lets a peer in, as of now; `review` is called where that may have changed. All where it is not given. */
  readonly permits?: (peer: PeerId) => boolean
  readonly handlers: Handlers
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
}

const SERVED: readonly Exclude<Protocol, 'hello'>[] = ['direct', 'body', 'txs', 'blocks', 'light', 'state', 'peers']
/** Answers of megabytes: so many are under way for one peer, and for all. */
const LARGE: readonly Protocol[] = ['body', 'txs', 'blocks', 'light', 'state']
const LARGE_OF_ONE_MAX = 4
const LARGE_MAX = 16
/** Transactions that are being judged, in bytes: of one peer, and of all. What comes beyond is not looked at; a block brings it again. */
const JUDGED_OF_ONE_MAX_BYTES = 16 * 1024 * 1024
const JUDGED_MAX_BYTES = 64 * 1024 * 1024
/** What a published message is counted against. */
const FLOOD = ['messages', 'bytes'] as const
const TX_FLOOD = ['batches', 'batchBytes'] as const
/** A ready peer without a stream for its gossip, because it does not read: dropped after so many looks. */
const DEAF_LOOKS = 10

const meters = (m: Meter) => ({
  peers: m.gauge('p2p_peers', 'Connected peers of this network'),
  peerReceived: m.counter('p2p_peer_receive_bytes_total', 'Bytes of requests and answers received', ['protocol']),
  peerSent: m.counter('p2p_peer_send_bytes_total', 'Bytes of requests and answers sent', ['protocol']),
  received: m.counter('p2p_message_receive_bytes_total', 'Bytes of published messages received', ['topic']),
  sent: m.counter('p2p_message_send_bytes_total', 'Bytes of own published messages, each counted once', ['topic']),
  banned: m.counter('p2p_banned_total', 'Peers banned'),
  refused: m.counter('p2p_streams_refused_total', 'Requests of peers beyond their allowance', ['protocol']),
  unread: m.counter('p2p_message_dropped_total', 'Published messages beyond the allowance of who sent them', ['topic']),
})

export interface HostTimes extends DialTimes {
  /** A question and its answer, whatever they are made of. */
  readonly deadlineMs: (protocol: Protocol) => number
}
const TIMES: HostTimes = {
  ...{ everyMs: 1_000, waitMaxMs: 30_000, dialMs: 5_000, exchangeEveryMs: 30_000 },
  deadlineMs: (protocol) => PROTOCOLS[protocol].timeoutMs,
}

/** Listens, and dials whom it is told; tests hand in shorter times. Throws P2P_LISTEN and P2P_ADDRESS. */
export async function createHost(deps: HostDeps, options: HostOptions, times: HostTimes = TIMES): Promise<Network> {
  const host = new Host(deps, options, times)
  await host.start()
  return host
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const RESULTS: Readonly<Record<Judgement, Result>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  stale: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
  forged: TopicValidatorResult.Reject,
}

class Host implements Network {
  readonly #deps: HostDeps
  readonly #options: HostOptions
  readonly #times: HostTimes
  readonly #names: Names
  readonly #hello: { networkId: Uint8Array; version: number; announcement: Uint8Array; software: Uint8Array }
  readonly #scores: Scores
  readonly #admission: Admission
  readonly #meters: ReturnType<typeof meters>
  /** Peers that the node above knows of. */
  readonly #ready = new Set<PeerId>()
  readonly #deaf = new Map<PeerId, number>()
  readonly #judging = new Map<PeerId, number>()
  #judgingBytes = 0
  readonly #large = new Map<PeerId, number>()
  readonly #stop = new AbortController()
  #node!: Node
  #greeting!: Greeting
  #dialing!: Dialing
  #looking: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(deps: HostDeps, options: HostOptions, times: HostTimes) {
    this.#deps = deps
    this.#options = options
    this.#times = times
    this.#names = namesOf(deps.networkId, deps.version)
    const announcement = new Uint8Array(0)
    const { mine, against } = deps.software ?? { mine: new Uint8Array(0), against: () => null }
    this.#hello = { networkId: hexToBytes(deps.networkId), version: deps.version, announcement, software: mine }
    const judges = { against, permits: deps.permits ?? (() => true) }
    this.#scores = createScores(deps.clock, (peer) => this.#admission.named.has(peer))
    this.#admission = new Admission(deps.clock, this.#scores, this.#hello, judges, options)
    this.#meters = meters(deps.meter)
  }

  async start(): Promise<void> {
    const { clock, log } = this.#deps
    const { listen, announce, mdns, inboundMax, outboundMax } = this.#options
    const addresses = {
      persistent: this.#options.persistent.map(addressOf),
      bootstrap: this.#options.bootstrap.map(addressOf),
    }
    for (const peer of addresses.persistent.map(peerIn)) if (peer !== null) this.#admission.named.add(peer)
    const peersMax = 2 * (inboundMax + outboundMax + addresses.persistent.length) // two connections where both dial
    const gater = {
      denyInboundEncryptedConnection: (peer: LibPeerId) => this.#isShut(peer, 'inbound'),
      denyOutboundEncryptedConnection: (peer: LibPeerId) => this.#isShut(peer, 'outbound'),
    }
    const node = await createNode({
      ...{ keySecret: this.#deps.keySecret, names: this.#names, listen, announce, peersMax, mdns, gater },
      isAllowed: (peer) => this.#admission.unlisted(peer) === null,
    })
    this.#node = node
    this.#hello.announcement = await this.#deps.announcement(this.self)
    const shared = { node, admission: this.#admission, log, signal: this.#stop.signal }
    this.#greeting = new Greeting({
      ...shared,
      names: this.#names,
      hello: (): Hello => this.#hello,
      timeoutMs: this.#times.deadlineMs('hello'),
      directionOf: (peer) => this.#connectionTo(peer)?.direction ?? null,
      drop: (peer, how) => this.#drop(peer, how),
      onReady: (peer, announcement) => this.#onReady(peer, announcement),
    })
    const dialDeps = {
      ...{ ...shared, clock },
      isConnected: (peer: PeerId) => this.#connectionTo(peer) !== undefined,
      peers: () => [...this.#ready],
      askForPeers: (peer: PeerId) => this.request(peer, 'peers', new Uint8Array(0)),
      onGarbage: (peer: PeerId) => this.blame(peer, 'malformed'),
    }
    this.#dialing = new Dialing(dialDeps, addresses, this.#options, this.#times)
    await this.#listen()
    this.#running = this.#dialing.run()
    this.#looking = setInterval(() => this.#dropDeaf(), this.#times.everyMs)
  }

  async #listen(): Promise<void> {
    const node = this.#node
    const { pubsub } = node.services
    await this.#serveProtocols()
    node.addEventListener('peer:connect', ({ detail }) => void this.#greeting.greet(detail))
    node.addEventListener('peer:disconnect', ({ detail }) => this.#gone(detail))
    node.addEventListener('peer:discovery', ({ detail }) =>
      this.#dialing.heard(detail.id.toString(), detail.multiaddrs),
    )
    for (const topic of TOPICS)
      pubsub.topicValidators.set(this.#names.topic(topic), (peer, { data }) => this.#hear(topic, peer.toString(), data))
    try {
      await node.start()
    } catch (cause) {
      const said = reasonOf(cause)
      const reason = said.includes('EADDRINUSE') ? 'a port is in use' : said
      throw new NodeError(P2pErrors.LISTEN, { addresses: this.#options.listen.join(', '), reason }, { cause })
    }
    for (const topic of TOPICS) pubsub.subscribe(this.#names.topic(topic))
  }

  get self(): PeerId {
    return this.#node.peerId.toString()
  }

  addresses(): readonly string[] {
    return this.#node.getMultiaddrs().map(String)
  }

  peers(): readonly PeerInfo[] {
    return [...this.#ready].flatMap((id) => {
      const connection = this.#connectionTo(id)
      if (connection === undefined) return []
      const { direction, remoteAddr, rtt } = connection
      const said = { score: this.#scores.scoreOf(id), software: this.#admission.softwareOf(id) }
      return [{ id, address: remoteAddr.toString(), direction, pingMs: rtt ?? null, ...said }]
    })
  }

  publish(topic: Topic, bytes: Uint8Array): void {
    assert(bytes.length <= PUBLISH_MAX_BYTES, `a published message of ${bytes.length} bytes would not be delivered`)
    if (this.#stop.signal.aborted) return
    this.#meters.sent.add(bytes.length, { topic })
    this.#node.services.pubsub
      .publish(this.#names.topic(topic), bytes)
      .catch((error: unknown) => this.#deps.log.debug({ topic, error: reasonOf(error) }, 'a message is not published'))
  }

  async request(peer: PeerId, protocol: Protocol, bytes: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const { requestMaxBytes, answerMaxBytes } = PROTOCOLS[protocol]
    assert(bytes.length <= requestMaxBytes, `a request of ${bytes.length} bytes is over the bound of ${protocol}`)
    const connection = this.#ready.has(peer) ? this.#connectionTo(peer) : undefined
    const fail = (reason: string, cause?: unknown) =>
      new NodeError(P2pErrors.REQUEST, { peer, protocol, reason }, { cause })
    if (connection === undefined) throw fail('it is not connected')
    const deadline = AbortSignal.timeout(this.#times.deadlineMs(protocol))
    const until = AbortSignal.any([deadline, this.#stop.signal, ...(signal === undefined ? [] : [signal])])
    try {
      const stream = await connection.newStream(this.#names.protocol(protocol), { signal: until })
      this.#meters.peerSent.add(bytes.length, { protocol })
      const answer = await ask(stream, bytes, answerMaxBytes, until)
      this.#meters.peerReceived.add(answer.length, { protocol })
      return answer
    } catch (cause) {
      if (deadline.aborted) this.blame(peer, 'timeout')
      const isLie = [ReqrespErrors.OVER.code, ReqrespErrors.MALFORMED.code].some((code) => isCode(cause, code))
      if (isLie) this.blame(peer, 'malformed')
      throw fail(reasonOf(cause), cause)
    }
  }

  blame(peer: PeerId, offence: Offence): void {
    if (!this.#scores.blame(peer, offence)) return
    this.#meters.banned.add()
    this.#deps.log.warn({ peer, offence }, 'a peer is banned')
    void this.#drop(peer, 'at once')
  }

  block(peers: readonly PeerId[]): void {
    this.#admission.block(peers)
    for (const peer of peers) void this.#drop(peer, 'at once')
    this.#dialing.retry()
  }

  review(): void {
    if (this.#stop.signal.aborted) return
    for (const peer of [...this.#ready]) {
      const reason = this.#admission.unlisted(peer)
      if (reason === null) continue
      this.#deps.log.info({ peer, reason: `it is ${reason}` }, 'a peer is dropped')
      void this.#drop(peer, 'politely')
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new NodeError(ReqrespErrors.ABORTED, { reason: 'this node stops' }))
    clearInterval(this.#looking)
    await this.#running
    await this.#node.stop()
  }

  #connectionTo(peer: PeerId): Connection | undefined {
    return this.#node.getConnections(peerIdFromString(peer)).find(({ status }) => status === 'open')
  }

  // Coming and going.

  #isShut(id: LibPeerId, direction: PeerInfo['direction']): boolean {
    const open = this.#node.getConnections().map(({ remotePeer }) => remotePeer.toString())
    return this.#admission.isShut(id.toString(), direction, open)
  }

  #onReady(peer: PeerId, announcement: Uint8Array): void {
    const connection = this.#connectionTo(peer)
    if (connection === undefined || this.#ready.has(peer)) return
    this.#ready.add(peer)
    this.#meters.peers.set(this.#ready.size)
    const { direction, remoteAddr } = connection
    this.#deps.log.info({ peer, address: remoteAddr.toString(), direction }, 'a peer is here')
    this.#deps.handlers.onPeer(peer, announcement)
  }

  /** Politely: what was said last still arrives. */
  async #drop(peer: PeerId, how: 'politely' | 'at once'): Promise<void> {
    const id = peerIdFromString(peer)
    if (how === 'at once')
      for (const connection of this.#node.getConnections(id))
        connection.abort(new NodeError(P2pErrors.BANNED, { peer }))
    else await this.#node.hangUp(id).catch(() => {})
    this.#gone(id)
  }

  #gone(id: LibPeerId): void {
    const peer = id.toString()
    this.#admission.forget(peer)
    this.#greeting.gone(peer)
    this.#deaf.delete(peer)
    // Where it listens is worth nothing without it, and a crowd of strangers would be remembered for hours.
    if (!this.#stop.signal.aborted) void this.#node.peerStore.delete(id).catch(() => {})
    if (!this.#ready.delete(peer)) return
    this.#meters.peers.set(this.#ready.size)
    this.#deps.log.info({ peer }, 'a peer is gone')
    this.#deps.handlers.onPeerGone(peer)
  }

  /** Who does not read what is published loses the stream for it (UNREAD_MAX_BYTES), and would stay for ever without hearing a word. */
  #dropDeaf(): void {
    for (const peer of this.#ready) {
      const streams = this.#node.getConnections(peerIdFromString(peer)).flatMap((connection) => connection.streams)
      const isHeard = streams.some(({ protocol, direction }) => direction === 'outbound' && isGossip(protocol))
      const looks = isHeard ? 0 : (this.#deaf.get(peer) ?? 0) + 1
      this.#deaf.set(peer, looks)
      if (looks < DEAF_LOOKS) continue
      this.#deps.log.info({ peer }, 'a peer that does not read what is published is dropped')
      void this.#drop(peer, 'at once')
    }
  }

  // Hearing and answering.

  async #hear(topic: Topic, peer: PeerId, bytes: Uint8Array): Promise<Result> {
    this.#meters.received.add(bytes.length, { topic })
    // Also of who has not greeted yet: were it ignored, its copies of honest votes would make the honest copies duplicates.
    const isFlood = topic === 'txs' ? this.#isOver(peer, TX_FLOOD, bytes) : this.#isOver(peer, FLOOD, bytes)
    if (isFlood && topic !== 'txs') this.blame(peer, 'flood')
    if (isFlood || (topic === 'txs' && this.#isMuch(peer))) {
      this.#meters.unread.add(1, { topic })
      return RESULTS.ignore
    }
    if (topic === 'txs') this.#count(peer, bytes.length)
    let judgement: Judgement = 'ignore'
    try {
      judgement = await this.#deps.handlers.onPublished(topic, ownBytes(bytes), peer)
    } catch (error) {
      this.#deps.log.error({ topic, error: reasonOf(error) }, 'a published message could not be judged')
    } finally {
      if (topic === 'txs') this.#count(peer, -bytes.length)
    }
    const offence = OFFENCES[judgement]
    if (offence !== null) this.blame(peer, offence)
    if (judgement === 'stale' && !this.#scores.allows(peer, 'stale', 1)) this.blame(peer, 'flood')
    return RESULTS[judgement]
  }

  #isOver(peer: PeerId, [count, size]: readonly [Allowance, Allowance], bytes: Uint8Array): boolean {
    return !this.#scores.allows(peer, count, 1) || !this.#scores.allows(peer, size, bytes.length)
  }
  #isMuch(peer: PeerId): boolean {
    return (this.#judging.get(peer) ?? 0) > JUDGED_OF_ONE_MAX_BYTES || this.#judgingBytes > JUDGED_MAX_BYTES
  }
  #count(peer: PeerId, bytes: number): void {
    this.#judgingBytes += bytes
    const now = (this.#judging.get(peer) ?? 0) + bytes
    if (now === 0) this.#judging.delete(peer)
    else this.#judging.set(peer, now)
  }

  async #serveProtocols(): Promise<void> {
    const limits = (protocol: Protocol) => ({
      maxInboundStreams: STREAMS_OF[protocol],
      maxOutboundStreams: STREAMS_MAX,
    })
    const handle = (protocol: Protocol, answer: (stream: Stream, peer: PeerId) => Promise<void>) =>
      this.#node.handle(
        this.#names.protocol(protocol),
        (stream, { remotePeer }) => {
          const peer = remotePeer.toString()
          if (this.#scores.allows(peer, 'requests', 1)) return answer(stream, peer)
          this.#meters.refused.add(1, { protocol })
          stream.abort(new NodeError(ReqrespErrors.ABORTED, { reason: 'the peer asks too much' }))
          this.blame(peer, 'flood')
        },
        limits(protocol),
      )
    await handle('hello', (stream, peer) => this.#greeting.answer(stream, peer))
    for (const protocol of SERVED) await handle(protocol, (stream, peer) => this.#answer(protocol, stream, peer))
  }

  async #answer(protocol: Exclude<Protocol, 'hello'>, stream: Stream, peer: PeerId): Promise<void> {
    const { requestMaxBytes } = PROTOCOLS[protocol]
    const { handlers, log } = this.#deps
    const signal = AbortSignal.any([AbortSignal.timeout(this.#times.deadlineMs(protocol)), this.#stop.signal])
    const isLarge = LARGE.includes(protocol)
    const under = this.#large.get(peer) ?? 0
    const all = [...this.#large.values()].reduce((sum, count) => sum + count, 0)
    const isSpent = isLarge && !this.#scores.allows(peer, 'served', 0)
    const isBusy = isSpent || (isLarge && (under >= LARGE_OF_ONE_MAX || all >= LARGE_MAX))
    if (isBusy) this.#meters.refused.add(1, { protocol })
    else if (isLarge) this.#large.set(peer, under + 1)
    try {
      const { received, sent } = await serve(stream, requestMaxBytes, signal, async (bytes) => {
        if (!this.#admission.hasMet(peer)) return { refused: 'greet first' }
        if (isBusy) return { refused: 'busy' }
        try {
          const made = await (protocol === 'peers'
            ? this.#dialing.answer(peer)
            : handlers.onRequest(protocol, bytes, peer))
          if (isLarge) this.#scores.spend(peer, 'served', SERVED_EACH_BYTES + made.length)
          return { bytes: made }
        } catch (error) {
          log.debug({ peer, protocol, error: reasonOf(error) }, 'a request is refused')
          return { refused: 'the request cannot be answered' }
        }
      })
      this.#meters.peerReceived.add(received, { protocol })
      this.#meters.peerSent.add(sent, { protocol })
    } catch (error) {
      log.debug({ peer, protocol, error: reasonOf(error) }, 'a request is not answered')
      if (isCode(error, ReqrespErrors.OVER.code)) this.blame(peer, 'malformed')
    } finally {
      if (isLarge && !isBusy) {
        const left = (this.#large.get(peer) ?? 1) - 1
        if (left === 0) this.#large.delete(peer)
        else this.#large.set(peer, left)
      }
    }
  }
}

/** A vote that is kept must not keep the frame it came in, into which its bearer may have put three megabytes more. */
const ownBytes = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes) // a Buffer's own `slice` would not copy
const isGossip = (protocol: string): boolean => protocol.startsWith('/meshsub/')
const isCode = (error: unknown, code: string): boolean => error instanceof NodeError && error.code === code
