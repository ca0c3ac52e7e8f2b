// The port over an in-process bus, for tests: messages arrive in later turns, in order of sending; links can be cut.
import { assert, defineErrors, NodeError } from '../chain/base/errors.ts'
import {
  type Handlers,
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

export const MemoryErrors = defineErrors('MEMORY', {
  REQUEST: { text: (d: { peer: string; reason: string }) => `peer ${d.peer} gives no answer: ${d.reason}` },
})

export interface MemoryHub {
  /** `announcement` is told to all. */
  join(id: PeerId, handlers: Handlers, announcement?: Uint8Array): Network
  /** No message passes between the two groups until `heal`. */
  cut(groupA: readonly PeerId[], groupB: readonly PeerId[]): void
  heal(): void
  /** What was blamed on whom, in order. */
  readonly blamed: readonly { readonly peer: PeerId; readonly offence: Offence }[]
}

interface Member {
  readonly handlers: Handlers
  readonly seen: Set<string>
  readonly announcement: Uint8Array
}
const NONE = new Uint8Array(0)

/** What passes from one to another, published or asked. */
export type Tap = (from: PeerId, to: PeerId, what: Topic | Protocol, bytes: Uint8Array) => void

/** `later` runs what is on its way. */
export function createMemoryHub(tap: Tap = () => {}, later: (run: () => void) => void = setImmediate): MemoryHub {
  const members = new Map<PeerId, Member>()
  const blamed: { readonly peer: PeerId; readonly offence: Offence }[] = []
  let cuts: (readonly [readonly PeerId[], readonly PeerId[]])[] = []
  const isLinked = (a: PeerId, b: PeerId): boolean =>
    members.has(a) &&
    members.has(b) &&
    !cuts.some(([x, y]) => (x.includes(a) && y.includes(b)) || (x.includes(b) && y.includes(a)))
  const others = (id: PeerId): PeerId[] => [...members.keys()].filter((other) => other !== id && isLinked(id, other))

  /** Each member gets the same bytes once, and passes on what it accepts. */
  const spread = (topic: Topic, bytes: Uint8Array, from: PeerId): void => {
    const key = `${topic} ${Buffer.from(bytes).toString('base64')}`
    members.get(from)?.seen.add(key)
    for (const id of others(from))
      later(async () => {
        const member = members.get(id)
        if (member === undefined || member.seen.has(key) || !isLinked(from, id)) return
        member.seen.add(key)
        tap(from, id, topic, bytes)
        const judgement = await member.handlers.onPublished(topic, bytes, from)
        if (judgement === 'accept') spread(topic, bytes, id)
        const offence = OFFENCES[judgement]
        if (offence !== null) blamed.push({ peer: from, offence })
      })
  }

  const ask = async (self: PeerId, peer: PeerId, protocol: Protocol, bytes: Uint8Array): Promise<Uint8Array> => {
    const { requestMaxBytes, answerMaxBytes } = PROTOCOLS[protocol]
    assert(bytes.length <= requestMaxBytes, 'a request is within its bound')
    const fail = (reason: string) => new NodeError(MemoryErrors.REQUEST, { peer, reason })
    await new Promise<void>((resolve) => later(resolve))
    const member = members.get(peer)
    if (member === undefined || !isLinked(self, peer)) throw fail('not connected')
    tap(self, peer, protocol, bytes)
    const answer = await member.handlers.onRequest(protocol, bytes, self).catch((error: unknown) => {
      throw fail(String(error))
    })
    if (answer.length > answerMaxBytes) throw fail('the answer is over its bound')
    return answer
  }

  return {
    blamed,
    cut: (groupA, groupB) => void cuts.push([groupA, groupB]),
    heal() {
      cuts = []
      for (const [id, { handlers }] of members)
        for (const other of others(id)) handlers.onPeer(other, members.get(other)?.announcement ?? NONE)
    },
    join(id, handlers, announcement = NONE) {
      members.set(id, { handlers, seen: new Set(), announcement })
      later(() => {
        for (const other of others(id)) {
          const theirs = members.get(other)
          handlers.onPeer(other, theirs?.announcement ?? NONE)
          theirs?.handlers.onPeer(id, announcement)
        }
      })
      return {
        self: id,
        addresses: () => [`memory:${id}`],
        peers: () => others(id).map(infoOf),
        publish(topic, bytes) {
          assert(bytes.length <= PUBLISH_MAX_BYTES, 'a published message is within its bound')
          if (members.has(id)) spread(topic, bytes, id)
        },
        request: (peer, protocol, bytes) => ask(id, peer, protocol, bytes),
        blame: (peer, offence) => void blamed.push({ peer, offence }),
        review() {},
        block: (peers) => {
          cuts = cuts.filter(([x]) => x[0] !== id)
          if (peers.length > 0) cuts.push([[id], peers])
        },
        async close() {
          const left = others(id)
          members.delete(id)
          for (const other of left) members.get(other)?.handlers.onPeerGone(id)
        },
      }
    },
  }
}

const infoOf = (id: PeerId): PeerInfo => ({
  id,
  address: `memory:${id}`,
  direction: 'outbound',
  score: 0,
  pingMs: null,
  software: NONE,
})
