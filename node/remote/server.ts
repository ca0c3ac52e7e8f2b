// The signer's side: answers a validator's process over TLS, each on the certificates of the other alone. Owns who is let in, how much is
// read of whom, and who may have votes signed; what may be signed is the rule of each key's own record (`signer.ts`).

import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { bytesToHex, equalBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../../chain/base/ports.ts'
import type { Domain } from '../../chain/types/vote.ts'
import type { KeyHolder } from '../holder.ts'
import { RecordErrors, signatureOf } from '../record.ts'
import { type Signer, SignerErrors } from '../signer.ts'
import { type Identity, isPinned } from './certificates.ts'
import { Lease } from './lease.ts'
import { type Answer, decodeQuestion, encodeAnswer, type Fault, Frames, type Question } from './wire.ts'

export const ServerErrors = defineErrors('SIGNERD', {
  LISTEN: { text: (d: { at: string; reason: string }) => `the signer cannot listen at ${d.at}: ${d.reason}` },
})

/** The next frame must be whole after so long: the other side says something each second, and nobody holds a place with a byte at a time. */
const FRAME_MS = 5_000
const CONNECTIONS_MAX = 64
/** Answers that the other side does not read. */
const UNREAD_MAX_BYTES = 1024 * 1024

/** A key with the record that it keeps on this machine. */
export type ServedKey = Signer & KeyHolder

export interface SignerServerDeps {
  readonly keys: readonly ServedKey[]
  readonly domain: Domain
  /** Of leases: it must not jump. */
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
  /** What is no fault of a client: the process must end. */
  readonly fail: (error: unknown) => void
}
export interface SignerServerOptions {
  readonly host: string
  readonly port: number
  readonly identity: Identity
  /** Who is let in. */
  readonly clients: readonly X509Certificate[]
}

export interface SignerServer {
  readonly port: number
  /** Where the process that has the lease connects from; null for none. */
  holder(): string | null
  close(): Promise<void>
}

/** Throws SIGNERD_LISTEN. */
export async function serveSigner(deps: SignerServerDeps, options: SignerServerOptions): Promise<SignerServer> {
  const { host, port, identity, clients } = options
  const door = new Door(deps)
  const server = createServer({
    ...{ key: identity.key, cert: identity.certificate, ca: clients.map(String) },
    ...{ requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', handshakeTimeout: FRAME_MS },
  })
  server.maxConnections = CONNECTIONS_MAX
  server.on('tlsClientError', (error, socket) =>
    deps.log.warn(
      { from: socket.remoteAddress, reason: error.message.trim() },
      'a client is refused before it says a word',
    ),
  )
  const sockets = new Set<TLSSocket>()
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // seen where it is read
    if (isPinned(socket.getPeerX509Certificate(), clients)) void door.serve(socket)
    else socket.destroy()
  })
  await listening(server, host, port)
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    holder: () => door.holder(),
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
      await door.idle()
    },
  }
}

const listening = async (server: Server, host: string, port: number): Promise<void> => {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException // the server emits nothing else
    const reason = code === 'EADDRINUSE' ? 'the port is in use' : message
    throw new NodeError(ServerErrors.LISTEN, { at: `${host}:${port}`, reason }, { cause })
  }
}

/** One connection of a client that was let in. */
interface Session {
  readonly from: string
  readonly close: () => void
  isGreeted: boolean
}

class Door {
  readonly #deps: SignerServerDeps
  readonly #lease: Lease
  readonly #meters: ReturnType<typeof meters>
  readonly #working = new Set<Promise<unknown>>()

  constructor(deps: SignerServerDeps) {
    this.#deps = deps
    this.#lease = new Lease(deps.clock)
    this.#meters = meters(deps.meter)
  }

  holder(): string | null {
    return this.#lease.holder()
  }

  /** Returns when no record is being written any more. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#working)
  }

  /** Until it ends. One question after another: while one is answered no more is read. */
  async serve(socket: TLSSocket): Promise<void> {
    const { log, timers } = this.#deps
    const close = (): void => void socket.destroy()
    const session: Session = { from: `${socket.remoteAddress}:${socket.remotePort}`, close, isGreeted: false }
    const frames = new Frames()
    let unset = timers.after(FRAME_MS, close)
    try {
      for await (const chunk of socket.iterator({ destroyOnReturn: false }))
        for (const body of frames.add(chunk)) {
          unset()
          if (!(await this.#answer(body, session, socket))) return
          unset = timers.after(FRAME_MS, close)
        }
    } catch (error) {
      if (error instanceof NodeError) log.warn({ from: session.from, reason: error.message }, 'a client is sent away')
      else if (!socket.destroyed) this.#deps.fail(error)
    } finally {
      unset()
      socket.destroySoon() // the last answer still goes out
    }
  }

  /** False where the connection is to end. */
  async #answer(body: Uint8Array, session: Session, socket: TLSSocket): Promise<boolean> {
    const { id, question } = decodeQuestion(body)
    const beganMs = this.#deps.clock.nowMs()
    const work = this.#answerTo(question, session)
    this.#working.add(work)
    const answer = await work.finally(() => this.#working.delete(work))
    const kind = question.kind
    this.#meters.requests.add(1, { kind, result: answer.kind === 'refused' ? answer.fault : 'answered' })
    this.#meters.seconds.observe((this.#deps.clock.nowMs() - beganMs) / 1_000, { kind })
    this.#meters.lease.set(this.#lease.holder() === null ? 0 : 1)
    if (answer.kind === 'refused' && question.kind !== 'sign')
      this.#deps.log.warn({ from: session.from, kind, reason: answer.text }, 'a question is refused')
    if (socket.destroyed) return false
    socket.write(encodeAnswer(id, answer))
    if (socket.writableLength > UNREAD_MAX_BYTES) return false
    return session.isGreeted
  }

  async #answerTo(question: Question, session: Session): Promise<Answer> {
    if (question.kind === 'hello') return this.#greet(question, session)
    if (!session.isGreeted) return refused('question', 'a hello comes first')
    const holds = this.#lease.renew(session.close)
    switch (question.kind) {
      case 'ping':
        return { kind: 'done' }
      case 'release':
        this.#lease.release(session.close)
        return { kind: 'done' }
      default: {
        const key = this.#deps.keys.find(({ publicKey }) => equalBytes(publicKey, question.key))
        if (key === undefined) return refused('question', `this signer has no key ${bytesToHex(question.key)}`)
        const isAboutItself = question.kind === 'own' || question.kind === 'ready'
        if (!holds && !isAboutItself) return refused('lease', 'this process has no lease')
        return this.#sign(key, question)
      }
    }
  }

  #greet(question: Extract<Question, { kind: 'hello' }>, session: Session): Answer {
    const { domain, keys, log } = this.#deps
    const { chainId, genesisHash } = question.domain
    if (chainId !== domain.chainId || !equalBytes(genesisHash, domain.genesisHash))
      return refused(
        'network',
        `it signs for the network ${bytesToHex(domain.genesisHash)}, not ${bytesToHex(genesisHash)}`,
      )
    if (question.claim !== 'visit') {
      const held = this.#lease.claim(question.instance, session, question.claim === 'takeOver' ? 'takesOver' : null)
      if (held !== null)
        return refused(
          'lease',
          `the process at ${held.from} has the lease, for another ${Math.ceil(held.forMs / 1_000)} s at least`,
        )
      log.info({ from: session.from, claim: question.claim }, 'this process has the lease')
    }
    session.isGreeted = true
    return { kind: 'keys', keys: keys.map(({ publicKey }) => publicKey) }
  }

  async #sign(key: ServedKey, question: Extract<Question, { key: Uint8Array }>): Promise<Answer> {
    try {
      switch (question.kind) {
        case 'record':
          return { kind: 'record', record: await key.record() }
        case 'sign': {
          const answer = await key.sign(question.order)
          if (answer.kind === 'refused') return { kind: 'record', record: answer.record }
          return { kind: 'signature', signature: signatureOf(answer.message) }
        }
        case 'reveal':
          return { kind: 'signature', signature: await key.reveal(question.height) }
        case 'announce':
          return { kind: 'signature', signature: await key.announce(question.peerId) }
        case 'attest':
          return { kind: 'signature', signature: await key.attest(question.event) }
        case 'own':
          return { kind: 'signature', signature: await key.own(question.operator) }
        case 'ready': {
          const { height, blockHash, operator } = question
          return { kind: 'signature', signature: await key.ready(height, blockHash, operator) }
        }
      }
    } catch (error) {
      const fault = error instanceof NodeError ? FAULT_OF[error.code] : undefined
      if (fault === undefined || !(error instanceof NodeError)) throw error
      this.#deps.log.error({ key: bytesToHex(key.publicKey), kind: question.kind }, error.message)
      return refused(fault, error.message)
    }
  }
}

/** A disk that fails may be mended while the validator waits; no signature has left. */
const FAULT_OF: Readonly<Record<string, Fault>> = {
  [RecordErrors.RECORD.code]: 'record',
  [SignerErrors.LOCK.code]: 'lock',
}
const refused = (fault: Fault, text: string): Answer => ({ kind: 'refused', fault, text })

const meters = (m: Meter) => ({
  requests: m.counter('signer_requests_total', 'Questions of validators, by what was asked and what came of it', [
    'kind',
    'result',
  ]),
  seconds: m.histogram('signer_latency_seconds', 'From a question being read to its answer, the record on disk', [
    'kind',
  ]),
  lease: m.gauge('signer_lease', '1 while a process has the lease'),
})
