// The network between simulated processes: bytes with delay, loss, doubles and cuts, gossip that passes on what was accepted, requests
// with their time-outs. Owns the links; who is honest, and what it means that somebody is blamed, is judged elsewhere.
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { type Handlers, type Network, type Offence, type PeerId, PROTOCOLS, type Topic } from '../../p2p/network.ts'
import type { Life } from './disk.ts'
import type { Kernel } from './kernel.ts'
import type { Random } from './random.ts'

export const LinkErrors = defineErrors('LINK', {
  REQUEST: { text: (d: { peer: string; reason: string }) => `peer ${d.peer} gives no answer: ${d.reason}` },
})

export interface Weather {
  readonly minMs: number
  readonly meanMs: number
  readonly loss: number
  readonly duplicates: number
}
/** What is true of a link at a moment. */
export interface LinkRules {
  weather(): Weather
  isCut(from: PeerId, to: PeerId): boolean
  /** `of` was judged at fault by `by`. */
  onBlame(by: PeerId, of: PeerId, offence: Offence | 'reject'): void
}

interface Member {
  readonly handlers: Handlers
  readonly life: Life
  /** Published messages that came here, by content: gossip brings each once. */
  readonly seen: Set<string>
}

export class Links {
  readonly #kernel: Kernel
  readonly #random: Random
  readonly #rules: LinkRules
  readonly #members = new Map<PeerId, Member>()
  /** Published messages of late, for who replays them. */
  readonly overheard: { readonly topic: Topic; readonly bytes: Uint8Array }[] = []

  constructor(kernel: Kernel, random: Random, rules: LinkRules) {
    this.#kernel = kernel
    this.#random = random
    this.#rules = rules
  }

  join(id: PeerId, life: Life, handlers: Handlers): Network {
    this.#members.set(id, { handlers, life, seen: new Set() })
    this.#kernel.after(0, () => this.meet(id))
    return {
      self: id,
      addresses: () => [`sim:${id}`],
      peers: () => this.#linked(id).map((peer) => ({ ...HERE, id: peer, address: `sim:${peer}` })),
      publish: (topic, bytes) => {
        if (life.isDead) return
        life.step('publish')
        if (life.isDead) return
        this.overheard.push({ topic, bytes })
        if (this.overheard.length > OVERHEARD_MAX) this.overheard.shift()
        this.publish(id, topic, bytes)
      },
      request: async (peer, protocol, bytes) => {
        if (!life.isDead) life.step('request')
        if (life.isDead) return new Promise<never>(() => {})
        return this.#request(id, peer, protocol, bytes)
      },
      blame: (peer, offence) => this.#rules.onBlame(id, peer, offence),
      block() {},
      review() {},
      close: async () => this.leave(id),
    }
  }

  leave(id: PeerId): void {
    if (!this.#members.delete(id)) return
    for (const peer of this.#linked(id)) this.#members.get(peer)?.handlers.onPeerGone(id)
  }

  /** Both sides of every link of this one learn that the other is there. */
  meet(id: PeerId): void {
    const me = this.#members.get(id)
    if (me === undefined || me.life.isDead) return
    for (const peer of this.#linked(id)) {
      me.handlers.onPeer(peer, SAID)
      this.#members.get(peer)?.handlers.onPeer(id, SAID)
    }
  }

  publish(from: PeerId, topic: Topic, bytes: Uint8Array): void {
    const key = keyOf(topic, bytes)
    this.#members.get(from)?.seen.add(key)
    for (const to of this.#members.keys()) if (to !== from) this.#carry(from, to, topic, bytes, key)
  }

  #linked(id: PeerId): PeerId[] {
    return [...this.#members].flatMap(([peer, { life }]) =>
      peer !== id && !life.isDead && !this.#rules.isCut(id, peer) && !this.#rules.isCut(peer, id) ? [peer] : [],
    )
  }

  #carry(from: PeerId, to: PeerId, topic: Topic, bytes: Uint8Array, key: string): void {
    const { loss, duplicates } = this.#rules.weather()
    if (this.#rules.isCut(from, to) || this.#random.chance(loss)) return
    const copies = this.#random.chance(duplicates) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      this.#kernel.after(this.#delayMs(), async () => {
        const member = this.#members.get(to)
        if (member === undefined || member.life.isDead || member.seen.has(key)) return
        member.seen.add(key)
        this.#kernel.note(this.#kernel.nowMs * 1_024 + hashOf(bytes) + hashOf(key.slice(-8)) + to.length)
        const judgement = await member.handlers.onPublished(topic, bytes, from)
        if (member.life.isDead) return
        if (judgement === 'reject') this.#rules.onBlame(to, from, 'reject')
        if (judgement === 'accept') this.publish(to, topic, bytes)
      })
    }
  }

  #request(from: PeerId, to: PeerId, protocol: keyof typeof PROTOCOLS, bytes: Uint8Array): Promise<Uint8Array> {
    const { timeoutMs, answerMaxBytes } = PROTOCOLS[protocol]
    const { loss } = this.#rules.weather()
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void => reject(new NodeError(LinkErrors.REQUEST, { peer: to, reason }))
      if (!this.#linked(from).includes(to)) return fail('not connected')
      this.#kernel.after(timeoutMs, () => fail('time-out'))
      // A stream repeats what is lost; it breaks where the link does.
      if (this.#random.chance(loss / 4)) return
      this.#kernel.after(this.#delayMs(), async () => {
        const member = this.#members.get(to)
        if (member === undefined || member.life.isDead || this.#rules.isCut(from, to)) return
        const answer = await member.handlers.onRequest(protocol, bytes, from).catch(() => null)
        if (member.life.isDead) return
        this.#kernel.after(this.#delayMs(), () => {
          if (this.#rules.isCut(to, from)) return
          if (answer === null) fail('refused')
          else if (answer.length > answerMaxBytes) fail('the answer is over its bound')
          else resolve(answer)
        })
      })
    })
  }

  #delayMs(): number {
    const { minMs, meanMs } = this.#rules.weather()
    return Math.round(minMs - meanMs * Math.log(1 - this.#random.next()))
  }
}

/** Up to 64 validators all votes go to all: nobody needs to know who is who. */
const SAID = new Uint8Array(0)
const OVERHEARD_MAX = 256
const HERE = { direction: 'outbound', score: 0, pingMs: null, software: new Uint8Array(0) } as const
const keyOf = (topic: Topic, bytes: Uint8Array): string => `${topic} ${Buffer.from(bytes).toString('latin1')}`
const hashOf = (data: Uint8Array | string): number => {
  let hash = 0
  for (let i = 0; i < data.length; i++)
    hash = (Math.imul(hash, 31) + (typeof data === 'string' ? data.charCodeAt(i) : (data[i] as number))) | 0
  return hash
}
