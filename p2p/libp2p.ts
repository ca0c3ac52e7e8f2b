// What of libp2p a node is made of, and its bounds: TCP, noise, yamux, identify, ping, gossipsub. Owns options and the names that keep
// networks and versions apart; no behaviour.
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { ConnectionGater, Libp2p } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { Hex } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { type PeerId, type Protocol, PUBLISH_MAX_BYTES, type Topic } from './network.ts'

export type Node = Libp2p<{ readonly pubsub: GossipSub }>

export const TOPICS: readonly Topic[] = ['consensus', 'txs', 'evidence', 'attest', 'operators']

/** Streams of one connection, whatever their protocol: 1,000 that say nothing are 1,000 buffers and timers. */
export const STREAMS_MAX = 128
/** Inbound streams of one connection at a time, by protocol. The large answers are few, so that memory is. */
export const STREAMS_OF: Readonly<Record<Protocol, number>> = {
  hello: 2,
  direct: 32,
  body: 4,
  txs: 4,
  // Twice what one peer asks at once: a stream that is answered takes a moment to be gone. An answer is some 2 MB.
  blocks: 8,
  light: 4,
  state: 8,
  peers: 2,
}
/** What waits for a peer that reads its gossip too slowly, before it is dropped: five of the largest messages. */
const UNREAD_MAX_BYTES = 16 * 1024 * 1024
/** Connections that have not greeted yet, at a time; a greeting takes milliseconds. */
export const HALL_MAX = 32

export interface Names {
  topic(topic: Topic): string
  protocol(protocol: Protocol): string
  /** Of mDNS: only nodes of this network answer to it. */
  readonly serviceTag: string
}

/** The genesis hash is in every name but one: `hello` is spoken by every version and network, so that each can tell the other why not. */
export function namesOf(networkId: Hex, version: number): Names {
  const network = networkId.slice(2, 18)
  const prefix = `/novachain/${network}/${version}`
  return {
    topic: (topic) => `${prefix}/${topic}`,
    protocol: (protocol) => (protocol === 'hello' ? '/novachain/hello/1' : `${prefix}/${protocol}`),
    serviceTag: `novachain-${network}`,
  }
}

export interface NodeOptions {
  /** 32 bytes: the ed25519 seed of the node's identity. */
  readonly keySecret: Uint8Array
  readonly names: Names
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  readonly peersMax: number
  readonly mdns: boolean
  readonly gater: ConnectionGater
  /** Of who is not, gossip is not even read; and it gets none. */
  readonly isAllowed: (peer: PeerId) => boolean
}
/** Below every threshold of gossipsub's. */
const SHUNNED = -1_000_000

/** Not started yet. */
export async function createNode({ names, listen, announce, ...options }: NodeOptions): Promise<Node> {
  return createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.keySecret),
    addresses: { listen: [...listen], announce: [...announce] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: STREAMS_MAX,
        streamOptions: { maxStreamWindowSize: 4 * 1024 * 1024 },
      }),
    ],
    peerDiscovery: options.mdns ? [mdns({ serviceTag: names.serviceTag })] : [],
    connectionManager: {
      maxConnections: options.peersMax + HALL_MAX,
      inboundConnectionThreshold: 50,
      maxIncomingPendingConnections: HALL_MAX,
      dialTimeout: 5_000,
    },
    connectionGater: { denyDialMultiaddr: () => false, ...options.gater },
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
        maxOutboundBufferSize: UNREAD_MAX_BYTES,
        allowedTopics: TOPICS.map((topic) => names.topic(topic)),
        // Test networks and operators behind one address are no attack.
        scoreParams: {
          IPColocationFactorWeight: 0,
          appSpecificWeight: 1,
          appSpecificScore: (peer) => (options.isAllowed(peer) ? 0 : SHUNNED),
        },
      }),
    },
  }) as Promise<Node>
}
