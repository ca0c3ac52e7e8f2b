// Whom this node dials: peers to keep, peers to begin with, and those it hears of. Owns when each is tried again, and what is told to
// a peer that asks for others.
import { setTimeout as delay } from 'node:timers/promises'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log } from '../chain/base/ports.ts'
import type { Admission } from './admission.ts'
import type { Node } from './libp2p.ts'
import type { PeerId } from './network.ts'
import { decodeAddresses, encodeAddresses } from './wire.ts'

export const DialErrors = defineErrors('P2P', {
  ADDRESS: {
    text: (d: { address: string; reason: string }) =>
      `${d.address} is no multiaddr (${d.reason}): write /ip4/<address>/tcp/<port>, with /p2p/<peer id> behind it if it is known`,
  },
})

export interface DialTimes {
  /** How often it is looked who is due. */
  readonly everyMs: number
  readonly waitMaxMs: number
  readonly dialMs: number
  readonly exchangeEveryMs: number
}

/** Of one answer: peers, and addresses of each. */
const TOLD_MAX = 50
const ADDRESSES_MAX = 4
/** Peers heard of and not tried yet; tried at a time. An address may be anybody's, so neither may grow. */
const HEARD_MAX = 200
const TRIES_MAX = 8

/** Throws P2P_ADDRESS. */
export const addressOf = (text: string): Multiaddr => {
  try {
    const address = multiaddr(text)
    const peer = peerIn(address)
    if (peer !== null) peerIdFromString(peer) // the library takes any word for one
    return address
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new NodeError(DialErrors.ADDRESS, { address: text, reason }, { cause })
  }
}
export const peerIn = (address: Multiaddr): PeerId | null =>
  address.getComponents().findLast(({ name }) => name === 'p2p')?.value ?? null

export interface DialDeps {
  readonly node: Node
  readonly admission: Admission
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly isConnected: (peer: PeerId) => boolean
  /** Peers of this network, each of which can be asked for others. */
  readonly peers: () => readonly PeerId[]
  readonly askForPeers: (peer: PeerId) => Promise<Uint8Array>
  readonly onGarbage: (peer: PeerId) => void
}

/** An address the operator gave. */
interface Target {
  readonly address: Multiaddr
  readonly isPersistent: boolean
  peer: PeerId | null
  isDialing: boolean
  /** That it is not reached was said since it was last here. */
  isTold: boolean
  waitMs: number
  nextMs: number
}

export class Dialing {
  readonly #deps: DialDeps
  readonly #times: DialTimes
  readonly #privatePeers: readonly PeerId[]
  readonly #outboundMax: number
  readonly #targets: Target[]
  readonly #heard = new Map<PeerId, readonly Multiaddr[]>()
  readonly #trying = new Set<PeerId>()
  #exchangeAtMs = 0

  constructor(
    deps: DialDeps,
    addresses: { readonly persistent: readonly Multiaddr[]; readonly bootstrap: readonly Multiaddr[] },
    options: { readonly privatePeers: readonly PeerId[]; readonly outboundMax: number },
    times: DialTimes,
  ) {
    this.#deps = deps
    this.#times = times
    this.#privatePeers = options.privatePeers
    this.#outboundMax = options.outboundMax
    const target = (address: Multiaddr, isPersistent: boolean): Target => ({
      ...{
        address,
        isPersistent,
        peer: peerIn(address),
        isDialing: false,
        isTold: false,
        waitMs: times.everyMs,
        nextMs: 0,
      },
    })
    this.#targets = [
      ...addresses.persistent.map((address) => target(address, true)),
      ...addresses.bootstrap.map((address) => target(address, false)),
    ]
  }

  /** Until the signal. Nothing here waits for an address that does not answer: the next is tried meanwhile. */
  async run(): Promise<void> {
    const { signal } = this.#deps
    while (!signal.aborted) {
      for (const target of this.#targets) void this.#dialTarget(target)
      this.#dialHeard()
      void this.#exchange()
      await delay(this.#times.everyMs, undefined, { signal }).catch(() => {})
    }
  }

  /** All at once again, whatever failed before. */
  retry(): void {
    for (const target of this.#targets) target.nextMs = 0
  }

  /** Somebody, an mDNS answer or a peer, says that it is there. */
  heard(peer: PeerId, addresses: readonly Multiaddr[]): void {
    if (addresses.length === 0 || !this.#isNews(peer)) return
    this.#heard.delete(peer)
    this.#heard.set(peer, addresses.slice(0, ADDRESSES_MAX))
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= HEARD_MAX) return
      this.#heard.delete(oldest)
    }
  }

  /** The answer to who asks for peers: where those of this node listen, but for the private ones. */
  async answer(asker: PeerId): Promise<Uint8Array> {
    const told = this.#deps.peers().filter((peer) => peer !== asker && !this.#privatePeers.includes(peer))
    return encodeAddresses((await Promise.all(told.slice(0, TOLD_MAX).map((peer) => this.#addressesOf(peer)))).flat())
  }

  #isNews(peer: PeerId): boolean {
    const { node, admission, isConnected } = this.#deps
    return peer !== node.peerId.toString() && !isConnected(peer) && admission.isWanted(peer)
  }

  async #dialTarget(target: Target): Promise<void> {
    const { admission, clock, log, node, isConnected } = this.#deps
    if (target.peer !== null && isConnected(target.peer)) {
      if (!admission.hasMet(target.peer)) return
      target.waitMs = this.#times.everyMs
      target.isTold = false
      return
    }
    const now = clock.nowMs()
    if (target.isDialing || now < target.nextMs || (!target.isPersistent && !this.#hasRoom())) return
    if (target.peer !== null && !target.isPersistent && !admission.isWanted(target.peer)) return
    target.nextMs = now + target.waitMs
    target.waitMs = Math.min(this.#times.waitMaxMs, target.waitMs * 2)
    target.isDialing = true
    const trying = target.peer ?? target.address.toString()
    if (!target.isPersistent) this.#trying.add(trying)
    try {
      const { remotePeer } = await node.dial(target.address, { signal: this.#deadline() })
      target.peer = remotePeer.toString()
      if (target.isPersistent) admission.named.add(target.peer)
    } catch (error) {
      const facts = { address: target.address.toString(), reason: reasonOf(error) }
      if (target.isTold || this.#deps.signal.aborted) log.debug(facts, 'a peer is not reached again')
      else log.info(facts, 'a peer is not reached; it is tried again')
      target.isTold = true
    } finally {
      target.isDialing = false
      this.#trying.delete(trying)
    }
  }

  #dialHeard(): void {
    for (const [peer, addresses] of this.#heard) {
      if (this.#trying.size >= TRIES_MAX || !this.#hasRoom()) return
      this.#heard.delete(peer)
      if (!this.#isNews(peer)) continue
      this.#trying.add(peer)
      this.#deps.node
        .dial([...addresses], { signal: this.#deadline() })
        .catch((error: unknown) => {
          this.#deps.log.debug({ peer, error: String(error) }, 'a peer that was heard of is not reached')
        })
        .finally(() => this.#trying.delete(peer))
    }
  }

  /** Counted are those that are being dialed, and those that have not greeted yet. */
  #hasRoom(): boolean {
    const { node, admission } = this.#deps
    const dialed = node.getConnections().flatMap(({ direction, remotePeer }) => {
      const peer = remotePeer.toString()
      return direction === 'outbound' && !admission.named.has(peer) ? [peer] : []
    })
    return new Set([...dialed, ...this.#trying]).size < this.#outboundMax
  }

  #deadline(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(this.#times.dialMs), this.#deps.signal])
  }

  /** Asks a peer for others, while there is room. */
  async #exchange(): Promise<void> {
    const { clock, peers, askForPeers, onGarbage } = this.#deps
    const now = clock.nowMs()
    const known = peers()
    const asked = known[Math.floor(Math.random() * known.length)]
    if (asked === undefined || now < this.#exchangeAtMs || !this.#hasRoom()) return
    this.#exchangeAtMs = now + this.#times.exchangeEveryMs
    const answer = await askForPeers(asked).catch(() => null)
    if (answer === null) return
    const found = addressesIn(answer)
    if (found === null) onGarbage(asked)
    else for (const [peer, addresses] of found) this.heard(peer, addresses)
  }

  async #addressesOf(peer: PeerId): Promise<readonly string[]> {
    const { node } = this.#deps
    const id = peerIdFromString(peer)
    const known = await node.peerStore.get(id).catch(() => null)
    const [connection] = node.getConnections(id)
    if (known === null || connection === undefined) return []
    const remote = hostOf(connection.remoteAddr)
    const found = known.addresses.map((each) => each.multiaddr).filter(isDialable)
    const near = found.filter((address) => hostOf(address) === remote)
    const far = found.filter((address) => hostOf(address) !== remote && !isLoopback(address))
    return [...near, ...far].slice(0, ADDRESSES_MAX).map((address) => {
      const text = address.toString()
      return text.includes('/p2p/') ? text : `${text}/p2p/${peer}`
    })
  }
}

/** The first cause: libraries wrap what the network said. */
const reasonOf = (error: unknown): string => {
  const inner = error instanceof AggregateError ? error.errors[0] : error instanceof Error ? error.cause : undefined
  return inner === undefined ? (error instanceof Error ? error.message : String(error)) : reasonOf(inner)
}

/** By peer; null where the answer is not what an honest node sends. */
const addressesIn = (answer: Uint8Array): ReadonlyMap<PeerId, readonly Multiaddr[]> | null => {
  try {
    const found = new Map<PeerId, Multiaddr[]>()
    for (const text of decodeAddresses(answer)) {
      const address = addressOf(text)
      const peer = peerIn(address)
      if (peer === null || !isDialable(address)) return null
      const held = found.get(peer) ?? []
      if (held.length < ADDRESSES_MAX) found.set(peer, [...held, address])
      if (found.size > TOLD_MAX) return null
    }
    return found
  } catch {
    return null // whatever the libraries find wrong with it
  }
}

const HOSTS = ['ip4', 'ip6', 'dns', 'dns4', 'dns6']
/** A host, a TCP port, and perhaps who must answer. */
export const isDialable = (address: Multiaddr): boolean => {
  const [host, port, ...rest] = address.getComponents().map(({ name }) => name)
  return HOSTS.includes(host ?? '') && port === 'tcp' && (rest.length === 0 || (rest.length === 1 && rest[0] === 'p2p'))
}
const hostOf = (address: Multiaddr): string => address.getComponents()[0]?.value ?? ''
const isLoopback = (address: Multiaddr): boolean => /^(127\.|::1$)/.test(hostOf(address))
