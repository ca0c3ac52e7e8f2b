// The port between a node and its peers: bytes in, bytes out. Carries and bounds them; stores nothing and knows no vote from a
// transaction. `host.ts` serves it over libp2p, `memory.ts` within one process.

/** The transport's name of a peer: a libp2p peer id as text. */
export type PeerId = string

/** What every peer hears of what one publishes. One message to all, passed on by those who accept it. */
export type Topic = 'consensus' | 'txs' | 'evidence' | 'attest' | 'operators'
/** What one peer asks another, over a stream of its own. */
export type Protocol = 'hello' | 'direct' | 'body' | 'txs' | 'blocks' | 'light' | 'state' | 'peers'

/**
 * Of a published message: `accept` passes it on, `ignore` does not and blames nobody (a duplicate, a height ahead), `stale` neither,
 * so often and no more (a height long final, which nobody passes on), `reject` blames the peer it came from for bytes that no honest
 * node sends, `forged` for a signature in them that does not verify.
 */
export type Judgement = 'accept' | 'ignore' | 'stale' | 'reject' | 'forged'

/** Why a peer is marked down; `PENALTIES` in peers.ts says how far. */
export type Offence =
  /** Bytes that no honest node of this version sends. */
  | 'malformed'
  /** A signature or certificate that does not verify. */
  | 'forged'
  /** A block that fails, or an answer that is not what was asked. */
  | 'false answer'
  /** No answer in time. */
  | 'timeout'
  /** More requests than its allowance. */
  | 'flood'

/** What a judgement blames its peer for. */
export const OFFENCES: Readonly<Record<Judgement, Offence | null>> = {
  accept: null,
  ignore: null,
  stale: null,
  reject: 'malformed',
  forged: 'forged',
}

export interface PeerInfo {
  readonly id: PeerId
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  /** 0 is unknown, below -100 is banned. */
  readonly score: number
  /** Round trip of the last ping in ms, or null. */
  readonly pingMs: number | null
  /** What it said it runs, for the node above to read; empty where it did not say. */
  readonly software: Uint8Array
}

/** What the node answers. Every function may be called at any time until `close` returns. */
export interface Handlers {
  /** Judges a published message. `from` is who passed it on. */
  onPublished(topic: Topic, bytes: Uint8Array, from: PeerId): Promise<Judgement> | Judgement
  /** Answers a request; what it throws ends the stream without an answer. */
  onRequest(protocol: Protocol, bytes: Uint8Array, from: PeerId): Promise<Uint8Array>
  /** A peer of this network and version is connected. `announcement` is what it says of itself, to be believed once checked. */
  onPeer(peer: PeerId, announcement: Uint8Array): void
  onPeerGone(peer: PeerId): void
}

/** Largest published message. A frame of 4 MiB is never delivered and nobody is told, so this is asserted before sending. */
export const PUBLISH_MAX_BYTES = 3 * 1024 * 1024

/** Bytes of a request and of its answer, checked on both sides before they are held. */
export const PROTOCOLS: Readonly<
  Record<Protocol, { readonly requestMaxBytes: number; readonly answerMaxBytes: number; readonly timeoutMs: number }>
> = {
  hello: { requestMaxBytes: 1_024, answerMaxBytes: 1_024, timeoutMs: 5_000 },
  // One consensus message to one peer; the answer is empty.
  direct: { requestMaxBytes: 256 * 1024, answerMaxBytes: 0, timeoutMs: 5_000 },
  // The block of a hash, whole.
  body: { requestMaxBytes: 64, answerMaxBytes: 12 * 1024 * 1024, timeoutMs: 10_000 },
  // Transactions that a proposal names and the pool has not.
  txs: { requestMaxBytes: 256 * 1024, answerMaxBytes: 12 * 1024 * 1024, timeoutMs: 10_000 },
  // Blocks of a range of heights, with the certificate of the last: up to 2 MB and one block more.
  blocks: { requestMaxBytes: 64, answerMaxBytes: 12 * 1024 * 1024, timeoutMs: 15_000 },
  // Blocks without their transactions, with certificates and, where they change, the validators: up to 1 MB and one of the largest sets more.
  light: { requestMaxBytes: 64, answerMaxBytes: 2 * 1024 * 1024, timeoutMs: 15_000 },
  // A piece of the state after a block, or some code.
  state: { requestMaxBytes: 1_024, answerMaxBytes: 768 * 1024, timeoutMs: 15_000 },
  peers: { requestMaxBytes: 64, answerMaxBytes: 64 * 1024, timeoutMs: 5_000 },
}

export interface Network {
  readonly self: PeerId
  /** Multiaddrs others reach this node at, with its peer id. */
  addresses(): readonly string[]
  peers(): readonly PeerInfo[]
  /**
   * To everybody, as far as the mesh carries; never fails for want of peers. The same bytes are carried once: whoever must say the
   * same again makes the bytes differ.
   */
  publish(topic: Topic, bytes: Uint8Array): void
  /** Throws P2P_REQUEST: not connected, no answer in time, an answer over its bound, or refused. */
  request(peer: PeerId, protocol: Protocol, bytes: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>
  blame(peer: PeerId, offence: Offence): void
  /** Speaks no more to these, until the next call: how a development network is cut in two. */
  block(peers: readonly PeerId[]): void
  /** Drops who is here and is not let in any more; who dials again is told why. */
  review(): void
  close(): Promise<void>
}
