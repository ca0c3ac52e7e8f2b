// Peers on loopback for tests: real hosts with a clock that the test moves, a log it reads and handlers that note what they hear; and a
// bare libp2p node that obeys nothing, for attacks.
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { bytesToHex, type Hex } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import type { Log, Meter } from '../../chain/base/ports.ts'
import { createHost, type HostDeps, type HostOptions } from '../../p2p/host.ts'
import { peerIdOf as peerIdOfKey } from '../../p2p/identity.ts'
import { namesOf } from '../../p2p/libp2p.ts'
import { type Handlers, type Network, type PeerId, PROTOCOLS, type Protocol, type Topic } from '../../p2p/network.ts'
import { ask } from '../../p2p/reqresp.ts'
import { encodeHello } from '../../p2p/wire.ts'

export const NETWORK: Hex = bytesToHex(keccak(new TextEncoder().encode('a network')))
export const VERSION = 1
const FAST = { everyMs: 50, waitMaxMs: 200, dialMs: 2_000, exchangeEveryMs: 100 }

/** Settles when `isTrue` is; the test's own deadline ends it otherwise. */
export const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5))
}

export interface Peer {
  readonly network: Network
  readonly id: PeerId
  readonly address: string
  /** "message: reason", of every level. */
  readonly said: readonly string[]
  readonly heard: readonly { readonly topic: string; readonly bytes: Uint8Array; readonly from: PeerId }[]
  /** Counters and gauges by name and label. */
  readonly metrics: ReadonlyMap<string, number>
  readonly announced: ReadonlyMap<PeerId, Uint8Array>
  readonly clock: { ms: number }
}

export type Given = Partial<HostOptions> & {
  readonly seed?: number
  readonly networkId?: Hex
  readonly version?: number
  readonly announcement?: Uint8Array
  readonly handlers?: Partial<Handlers>
  readonly software?: NonNullable<HostDeps['software']>
  readonly permits?: NonNullable<HostDeps['permits']>
  /** Of every question and answer but the greeting, which a busy machine must not miss. */
  readonly deadlineMs?: number
}

const secretOf = (seed: number): Uint8Array => keccak(Uint8Array.of(7, seed >> 8, seed & 255))
export const peerIdOf = async (seed: number): Promise<PeerId> => peerIdOfKey(secretOf(seed))

let seeds = 0

export class Peers {
  readonly #closers: (() => Promise<unknown>)[] = []

  async close(): Promise<void> {
    await Promise.all(this.#closers.splice(0).map((close) => close()))
  }

  async host(given: Given = {}): Promise<Peer> {
    const said: string[] = []
    const heard: { topic: string; bytes: Uint8Array; from: PeerId }[] = []
    const metrics = new Map<string, number>()
    const announced = new Map<PeerId, Uint8Array>()
    const clock = { ms: 1_800_000_000_000, nowMs: () => clock.ms }
    const handlers: Handlers = {
      onPublished: (topic, bytes, from) => {
        heard.push({ topic, bytes, from })
        return 'accept'
      },
      onRequest: async (_, bytes) => bytes,
      onPeerGone: () => {},
      ...given.handlers,
      onPeer: (peer, announcement) => {
        announced.set(peer, announcement)
        given.handlers?.onPeer?.(peer, announcement)
      },
    }
    const deps: HostDeps = {
      keySecret: secretOf(given.seed ?? ++seeds),
      networkId: given.networkId ?? NETWORK,
      version: given.version ?? VERSION,
      announcement: async () => given.announcement ?? new Uint8Array(0),
      ...{ handlers, clock, log: logTo(said), meter: meterTo(metrics) },
      ...(given.software && { software: given.software }),
      ...(given.permits && { permits: given.permits }),
    }
    const options: HostOptions = {
      ...{ listen: ['/ip4/127.0.0.1/tcp/0'], announce: [], bootstrap: [], persistent: [], privatePeers: [] },
      ...{ allow: null, inboundMax: 20, outboundMax: 10, mdns: false },
      ...given,
    }
    const { deadlineMs } = given
    const deadlineOf = (protocol: Protocol): number =>
      protocol === 'hello' || deadlineMs === undefined ? PROTOCOLS[protocol].timeoutMs : deadlineMs
    const times = { ...FAST, deadlineMs: deadlineOf }
    const network = await createHost(deps, options, times)
    this.#closers.push(() => network.close())
    const address = network.addresses()[0] ?? ''
    return { network, id: network.self, address, said, heard, metrics, announced, clock }
  }

  /** `onGossip` gets the stream of what the victim publishes; it is read and forgotten otherwise. */
  async attacker(onGossip = (stream: Stream) => stream.addEventListener('message', () => {})): Promise<Attacker> {
    const node = await createLibp2p({
      privateKey: await generateKeyPairFromSeed('Ed25519', secretOf(++seeds)),
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux({ maxOutboundStreams: 5_000 })],
      connectionGater: { denyDialMultiaddr: () => false },
      services: { identify: identify(), ping: ping() },
    })
    this.#closers.push(async () => node.stop())
    await node.handle('/meshsub/1.1.0', onGossip)
    return new Attacker(node)
  }
}

const logTo = (said: string[]): Log => {
  const note = (fields: object, message: string): void => {
    const { reason } = { reason: '', ...fields }
    said.push(reason === '' ? message : `${message}: ${reason}`)
  }
  return { debug: note, info: note, warn: note, error: note }
}
const meterTo = (values: Map<string, number>): Meter => {
  const nameOf = (name: string, labels: Readonly<Record<string, string>> = {}): string =>
    [name, ...Object.values(labels)].join(' ')
  return {
    counter: (name) => ({
      add: (count = 1, labels = {}) =>
        void values.set(nameOf(name, labels), (values.get(nameOf(name, labels)) ?? 0) + count),
    }),
    gauge: (name) => ({ set: (value) => void values.set(name, value) }),
    histogram: () => ({ observe() {} }),
  }
}

/** Speaks what it likes, with the library alone. */
export class Attacker {
  readonly node: Libp2p
  readonly id: PeerId
  readonly names = namesOf(NETWORK, VERSION)

  constructor(node: Libp2p) {
    this.node = node
    this.id = node.peerId.toString()
  }

  get address(): string {
    return this.node.getMultiaddrs()[0]?.toString() ?? ''
  }

  /** Greets like an honest node, and is met. */
  async greet(victim: Peer): Promise<void> {
    const hello = this.names.protocol('hello')
    await this.node.handle(hello, async (stream) => {
      const body = this.#hello()
      const head = Uint8Array.of(0, 0, 0, 0, body.length)
      stream.send(new Uint8Array([...head, ...body]))
      await stream.close()
    })
    const stream = await this.node.dialProtocol(multiaddr(victim.address), hello)
    await ask(stream, this.#hello(), 1_024, AbortSignal.timeout(5_000))
    await until(() => victim.network.peers().some(({ id }) => id === this.id))
  }

  #hello(): Uint8Array {
    const networkId = Uint8Array.from(Buffer.from(NETWORK.slice(2), 'hex'))
    return encodeHello({ networkId, version: VERSION, announcement: new Uint8Array(0), software: new Uint8Array(0) })
  }

  open(victim: Peer, protocol: Protocol): Promise<Stream> {
    return this.node.dialProtocol(multiaddr(victim.address), this.names.protocol(protocol), {
      maxOutboundStreams: 5_000,
    })
  }

  /** Publishes by hand, greeted or not. */
  async publish(victim: Peer, topic: Topic, bytes: Uint8Array): Promise<void> {
    const field = (id: number, value: Uint8Array): number[] => [(id << 3) | 2, value.length, ...value]
    const name = new TextEncoder().encode(this.names.topic(topic))
    const subscription = field(1, Uint8Array.of(8, 1, ...field(2, name)))
    const message = field(2, Uint8Array.from([...field(2, bytes), ...field(4, name)]))
    const stream = await this.node.dialProtocol(multiaddr(victim.address), '/meshsub/1.1.0')
    stream.send(lengthPrefixed([...subscription, ...message]))
  }

  /** Whether the victim still holds a connection to it. */
  isConnected(): boolean {
    return this.node.getConnections().some(({ status }) => status === 'open')
  }
}

/** As gossipsub frames what it sends: a varint before it. */
const lengthPrefixed = (rpc: readonly number[]): Uint8Array =>
  rpc.length < 128
    ? Uint8Array.of(rpc.length, ...rpc)
    : Uint8Array.of(128 | (rpc.length & 127), rpc.length >> 7, ...rpc)
