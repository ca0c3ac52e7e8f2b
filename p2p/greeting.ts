// The first words between two nodes. Owns who is met: both tell their network, version and what they announce, and whoever does not
// fit is told why, in a sentence that both sides log, and dropped.
import { setTimeout as delay } from 'node:timers/promises'
import type { PeerId as LibPeerId, Stream } from '@libp2p/interface'
import { NodeError } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Admission } from './admission.ts'
import type { Names, Node } from './libp2p.ts'
import { type PeerId, type PeerInfo, PROTOCOLS } from './network.ts'
import { ask, ReqrespErrors, serve } from './reqresp.ts'
import { decodeHello, encodeHello, type Hello } from './wire.ts'

/** How long a peer's subscriptions are waited for: what is published before they are known does not reach it. */
const SUBSCRIBED_MS = 1_000

export interface GreetingDeps {
  readonly node: Node
  readonly names: Names
  readonly admission: Admission
  readonly log: Log
  readonly signal: AbortSignal
  readonly hello: () => Hello
  readonly timeoutMs: number
  readonly directionOf: (peer: PeerId) => PeerInfo['direction'] | null
  readonly drop: (peer: PeerId, how: 'politely' | 'at once') => Promise<void>
  /** It fits, and hears what is published. */
  readonly onReady: (peer: PeerId, announcement: Uint8Array) => void
}

export class Greeting {
  readonly #deps: GreetingDeps
  /** Told, or told by, and on their way out. */
  readonly #leaving = new Set<PeerId>()

  constructor(deps: GreetingDeps) {
    this.#deps = deps
  }

  /** Of a new connection, by both sides at once. */
  async greet(id: LibPeerId): Promise<void> {
    const { node, names, log, hello, drop, timeoutMs } = this.#deps
    const peer = id.toString()
    this.#leaving.delete(peer)
    const { answerMaxBytes } = PROTOCOLS.hello
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#deps.signal])
    try {
      const stream = await node.dialProtocol(id, names.protocol('hello'), { signal })
      const theirs = decodeHello(await ask(stream, encodeHello(hello()), answerMaxBytes, signal))
      if (this.#reasonAgainst(peer, theirs) !== null) {
        await delay(timeoutMs, undefined, { signal }).catch(() => {}) // it greets too, and is told the reason; that drops it
        return await drop(peer, 'politely')
      }
      await this.#subscribed(id)
      if (!this.#deps.signal.aborted) this.#deps.onReady(peer, theirs.announcement)
    } catch (error) {
      if (this.#deps.signal.aborted || this.#leaving.has(peer)) return
      const isRefused = error instanceof NodeError && error.code === ReqrespErrors.REFUSED.code
      const reason = error instanceof Error ? error.message : String(error)
      log.info({ peer, reason }, isRefused ? 'a peer does not want this node' : 'a peer that does not greet is dropped')
      await drop(peer, isRefused ? 'politely' : 'at once')
    }
  }

  async answer(stream: Stream, peer: PeerId): Promise<void> {
    const { log, hello, drop, signal, timeoutMs } = this.#deps
    const { requestMaxBytes } = PROTOCOLS.hello
    let isStaying = true
    try {
      await serve(stream, requestMaxBytes, AbortSignal.any([AbortSignal.timeout(timeoutMs), signal]), async (bytes) => {
        const reason = this.#reasonAgainst(peer, decodeHello(bytes))
        isStaying = reason === null
        return reason === null ? { bytes: encodeHello(hello()) } : { refused: reason }
      })
    } catch (error) {
      log.debug({ peer, error: String(error) }, 'a greeting is not answered')
    }
    if (!isStaying) await drop(peer, 'politely')
  }

  #reasonAgainst(peer: PeerId, hello: Hello): string | null {
    const reason = this.#deps.admission.judge(peer, hello, this.#deps.directionOf(peer) ?? 'inbound')
    if (reason === null || this.#leaving.has(peer)) return reason
    this.#leaving.add(peer)
    this.#deps.log.info({ peer, reason: `it is ${reason}` }, 'a peer is told why, and dropped')
    return reason
  }

  gone(peer: PeerId): void {
    this.#leaving.delete(peer)
  }

  #subscribed(id: LibPeerId): Promise<void> {
    const { node, names, signal } = this.#deps
    const { pubsub } = node.services
    const topic = names.topic('consensus')
    const isKnown = (): boolean => pubsub.getSubscribers(topic).some((each) => each.equals(id))
    return new Promise((resolve) => {
      const done = (): void => {
        pubsub.removeEventListener('subscription-change', look)
        signal.removeEventListener('abort', done)
        clearTimeout(timer)
        resolve()
      }
      const look = (): void => {
        if (isKnown() || signal.aborted) done()
      }
      const timer = setTimeout(done, SUBSCRIBED_MS)
      signal.addEventListener('abort', done)
      pubsub.addEventListener('subscription-change', look)
      look()
    })
  }
}
