// The validator's side: a `Signer` whose key is on another machine. Owns the connection, which it makes anew as long as it is wanted, and
// belief: a signature counts once it verifies under the key that was there at the start, over exactly what was asked.
import { randomBytes, type X509Certificate } from 'node:crypto'
import { connect, type TLSSocket } from 'node:tls'
import { bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../../chain/base/ports.ts'
import { signedPart, withSignature } from '../../chain/types/message.ts'
import { type Domain, peerPayload, randaoPayload, SignType, signBytes } from '../../chain/types/vote.ts'
import { type KeyHolder, ownDigest, readyDigest } from '../holder.ts'
import { isSignedBy } from '../record.ts'
import { attestDigest, type SignAnswer, type Signer, SignerErrors } from '../signer.ts'
import { type Identity, isPinned } from './certificates.ts'
import { type Answer, type Claim, decodeAnswer, encodeQuestion, Frames, type Question } from './wire.ts'

export const RemoteErrors = defineErrors('REMOTE', {
  LEASE: {
    text: (d: { url: string; reason: string }) =>
      `the signer ${d.url} serves another process: ${d.reason}. One validator at a time: stop that one, or start this one with ` +
      '--take-over if it is to take its place for good',
  },
  OTHER_KEY: {
    text: (d: { url: string; key: string; reason: string }) =>
      `the signer ${d.url} does not sign with ${d.key}, the key that this node began with: ${d.reason}. Give the signer its key back, or restart the node`,
  },
  NETWORK: { text: (d: { url: string; reason: string }) => `the signer ${d.url} is of another network: ${d.reason}` },
  REFUSED: { text: (d: { url: string; reason: string }) => `the signer ${d.url} does not sign that: ${d.reason}` },
})

/** Where it is, how both sides know each other, and what it signs for. */
export interface RemoteOptions {
  /** As the operator wrote it, for people. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly identity: Identity
  readonly signer: readonly X509Certificate[]
  /** Whoever has the lease loses it, once. */
  readonly takesOver: boolean
}
export interface RemoteDeps {
  readonly domain: Domain
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

export interface RemoteStatus {
  readonly url: string
  readonly answers: boolean
  /** Milliseconds that its last answer took; null before the first. */
  readonly answerMs: number | null
  /** Why it does not answer. */
  readonly fault: string | null
}

export interface RemoteSigner {
  /** In the signer's order: the key that signs, and the one that takes its place. */
  readonly signers: readonly Signer[]
  status(): RemoteStatus
  /** Gives the lease back, so that the next process need not wait for its end. */
  close(): Promise<void>
}

const CONNECT_MS = 5_000
const PING_MS = 1_000
/** Without an answer for so long the connection is given up; asking again over a new one has the same answer. */
const SILENT_MS = 6_000
/** Longer than the lease of a process that was killed. */
const OPEN_MS = 15_000

/**
 * Returns when the signer has said which keys it has and this process has its lease; waits a while for either. Throws SIGNER_UNREACHABLE, REMOTE_LEASE
 * and REMOTE_NETWORK.
 */
export async function connectSigner(options: RemoteOptions, deps: RemoteDeps): Promise<RemoteSigner> {
  const line = new Line(options, deps, options.takesOver ? 'takeOver' : 'hold')
  try {
    const keys = await opened(line, deps)
    line.watch()
    return {
      signers: keys.map((key) => signerOf(line, key, deps.domain)),
      status: () => line.status(),
      close: () => line.close(),
    }
  } catch (error) {
    await line.close()
    throw error
  }
}

/**
 * What a start would hear, once: the keys, after this process had the lease and gave it back. Throws as `connectSigner`, without waiting.
 */
export async function trySigner(options: RemoteOptions, deps: RemoteDeps): Promise<readonly Uint8Array[]> {
  const line = new Line(options, deps, 'hold')
  try {
    return await line.keys()
  } finally {
    await line.close()
  }
}

/** What a key signs about itself, beside the node that has the lease. Throws as `connectSigner`, without waiting. */
export async function visitSigner<T>(
  options: RemoteOptions,
  deps: RemoteDeps,
  visit: (keys: readonly KeyHolder[]) => Promise<T>,
): Promise<T> {
  const line = new Line(options, deps, 'visit')
  try {
    const keys = await line.keys()
    return await visit(keys.map((key) => holderOver(line, key, deps.domain)))
  } finally {
    await line.close()
  }
}

const opened = async (line: Line, { clock, timers, log }: RemoteDeps): Promise<readonly Uint8Array[]> => {
  const untilMs = clock.nowMs() + OPEN_MS
  for (;;) {
    try {
      return await line.keys()
    } catch (error) {
      const mayPass =
        error instanceof NodeError && [SignerErrors.UNREACHABLE.code, RemoteErrors.LEASE.code].includes(error.code)
      if (!mayPass || clock.nowMs() >= untilMs) throw error
      log.warn({ reason: error.message }, 'waits for the signer')
    }
    await new Promise<void>((resolve) => timers.after(PING_MS, resolve))
  }
}

const signerOf = (line: Line, publicKey: Uint8Array, domain: Domain): Signer => {
  const key = publicKey
  const believe = (digest: Hash, signature: Uint8Array): Uint8Array => line.believe(key, digest, signature)
  return {
    publicKey,
    async sign({ message, ...rest }): Promise<SignAnswer> {
      const answer = await line.ask({ kind: 'sign', key, order: { message, ...rest } })
      if (answer.kind === 'record' && answer.record !== null) {
        if (!isSignedBy(answer.record.message, key, domain))
          throw line.otherKey(key, 'its record holds another signature')
        return { kind: 'refused', record: answer.record }
      }
      const { type, payload } = signedPart(message)
      // What the signature does not cover stays as it was asked.
      const signature = believe(signBytes(domain, type, payload), line.signatureIn(answer))
      return { kind: 'signed', message: withSignature(message, signature) }
    },
    async record() {
      const answer = await line.ask({ kind: 'record', key })
      if (answer.kind !== 'record') throw line.notAsked(answer)
      if (answer.record !== null && !isSignedBy(answer.record.message, key, domain))
        throw line.otherKey(key, 'its record holds another signature')
      return answer.record
    },
    async reveal(height) {
      const signature = line.signatureIn(await line.ask({ kind: 'reveal', key, height }))
      return believe(signBytes(domain, SignType.randao, randaoPayload(height)), signature)
    },
    async announce(peerId) {
      const signature = line.signatureIn(await line.ask({ kind: 'announce', key, peerId }))
      return believe(signBytes(domain, SignType.peer, peerPayload(peerId)), signature)
    },
    async attest(event) {
      return believe(attestDigest(domain, event), line.signatureIn(await line.ask({ kind: 'attest', key, event })))
    },
  }
}

const holderOver = (line: Line, publicKey: Uint8Array, domain: Domain): KeyHolder => ({
  publicKey,
  async own(operator) {
    const signature = line.signatureIn(await line.ask({ kind: 'own', key: publicKey, operator }))
    return line.believe(publicKey, ownDigest(domain, publicKey, operator), signature)
  },
  async ready(height, blockHash, operator) {
    const answer = await line.ask({ kind: 'ready', key: publicKey, height, blockHash, operator })
    return line.believe(publicKey, readyDigest(domain, height, blockHash, operator), line.signatureIn(answer))
  },
})

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}
/** A connection that was greeted, or is being. */
interface Connection {
  readonly socket: TLSSocket
  readonly waiting: Map<number, Waiting>
}

class Line {
  readonly #options: RemoteOptions
  readonly #deps: RemoteDeps
  readonly #instance = new Uint8Array(randomBytes(16))
  readonly #meters: ReturnType<typeof meters>
  #claim: Claim
  #connection: Promise<Connection> | null = null
  #open: Connection | null = null
  /** Of the first greeting: those of the next ones must have them. */
  #keys: readonly Uint8Array[] | null = null
  #ids = 0
  #isEnding = false
  #isClosed = false
  #unset = (): void => {}
  #answerMs: number | null = null
  #fault: string | null = null

  constructor(options: RemoteOptions, deps: RemoteDeps, claim: Claim) {
    this.#options = options
    this.#deps = deps
    this.#claim = claim
    this.#meters = meters(deps.meter)
  }

  status(): RemoteStatus {
    return { url: this.#options.url, answers: this.#fault === null, answerMs: this.#answerMs, fault: this.#fault }
  }

  async keys(): Promise<readonly Uint8Array[]> {
    await this.#connected()
    return this.#keys ?? []
  }

  /** Each second it says that it is there, or makes the connection anew. */
  watch(): void {
    const again = (): void => {
      if (!this.#isEnding) this.#unset = this.#deps.timers.after(PING_MS, () => this.watch())
    }
    this.ask({ kind: 'ping' }).then(again, again) // who asks for a signature hears what is wrong
  }

  async close(): Promise<void> {
    this.#isEnding = true
    this.#unset()
    const open = this.#open
    if (open !== null && this.#claim !== 'visit') await this.ask({ kind: 'release' }).catch(() => {})
    this.#isClosed = true
    const connection = await this.#connection?.catch(() => null)
    connection?.socket.destroy()
    open?.socket.destroy()
  }

  /** Throws SIGNER_UNREACHABLE, and REMOTE_* for what waiting does not mend. */
  async ask(question: Question): Promise<Answer> {
    const beganMs = this.#deps.clock.nowMs()
    const count = (result: string) => this.#meters.requests.add(1, { kind: question.kind, result })
    try {
      const answer = await this.#put(await this.#connected(), question)
      this.#answerMs = this.#deps.clock.nowMs() - beganMs
      this.#meters.seconds.observe(this.#answerMs / 1_000, { kind: question.kind })
      count(answer.kind === 'refused' ? answer.fault : 'answered')
      if (answer.kind === 'refused') throw this.#refusal(answer)
      this.#tell(null)
      return answer
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      if (error.code === SignerErrors.UNREACHABLE.code) count('unreachable')
      this.#tell(error.message)
      throw error
    }
  }

  signatureIn(answer: Answer): Uint8Array {
    if (answer.kind !== 'signature') throw this.notAsked(answer)
    return answer.signature
  }
  believe(key: Uint8Array, digest: Hash, signature: Uint8Array): Uint8Array {
    if (curves().blsVerify([key], digest, signature)) return signature
    throw this.otherKey(key, 'it answered with a signature that this key did not make, or not over what was asked')
  }
  otherKey(key: Uint8Array, reason: string): NodeError {
    return new NodeError(RemoteErrors.OTHER_KEY, { url: this.#options.url, key: bytesToHex(key), reason })
  }
  notAsked(answer: Answer): NodeError {
    return new NodeError(RemoteErrors.REFUSED, { url: this.#options.url, reason: `it answered with ${answer.kind}` })
  }

  #tell(fault: string | null): void {
    this.#fault = fault
    this.#meters.answers.set(fault === null ? 1 : 0)
  }
  #away(reason: string, cause?: unknown): NodeError {
    return new NodeError(SignerErrors.UNREACHABLE, { reason: `${this.#options.url}: ${reason}` }, { cause })
  }
  #refusal({ fault, text }: Extract<Answer, { kind: 'refused' }>): NodeError {
    const told = { url: this.#options.url, reason: text }
    switch (fault) {
      case 'record':
        return this.#away(text) // no signature left it, and its disk may be mended
      case 'lease':
        return new NodeError(RemoteErrors.LEASE, told)
      case 'network':
        return new NodeError(RemoteErrors.NETWORK, told)
      case 'lock':
      case 'question':
        return new NodeError(RemoteErrors.REFUSED, told)
    }
  }

  #connected(): Promise<Connection> {
    if (this.#isClosed) return Promise.reject(this.#away('this node stops'))
    this.#connection ??= this.#connect().catch((error: unknown) => {
      this.#connection = null
      throw error
    })
    return this.#connection
  }

  async #connect(): Promise<Connection> {
    const connection = await this.#dial()
    try {
      const { domain } = this.#deps
      const hello = { kind: 'hello', domain, instance: this.#instance, claim: this.#claim } as const
      const answer = await this.#put(connection, hello)
      if (answer.kind === 'refused') throw this.#refusal(answer)
      if (answer.kind !== 'keys') throw this.notAsked(answer)
      const missing = this.#keys?.find((key) => !answer.keys.some((other) => equalBytes(other, key)))
      if (missing !== undefined)
        throw this.otherKey(missing, `it has ${answer.keys.map((key) => bytesToHex(key)).join(' and ')} now`)
      this.#keys ??= answer.keys
      if (this.#claim === 'takeOver') this.#claim = 'hold' // once: whoever takes it from this process keeps it
      this.#open = connection
      return connection
    } catch (error) {
      connection.socket.destroy()
      throw error
    }
  }

  #dial(): Promise<Connection> {
    const { host, port, identity, signer } = this.#options
    return new Promise((resolve, reject) => {
      const socket = connect({
        ...{ host, port, key: identity.key, cert: identity.certificate, ca: signer.map(String) },
        ...{ minVersion: 'TLSv1.3', checkServerIdentity: () => undefined }, // it is known by its certificate, not by a name
      })
      socket.setNoDelay(true)
      const connection: Connection = { socket, waiting: new Map() }
      const unset = this.#deps.timers.after(CONNECT_MS, () =>
        socket.destroy(this.#away(`no answer in ${CONNECT_MS} ms`)),
      )
      let reason: NodeError | null = null
      socket.once('secureConnect', () => {
        unset()
        if (isPinned(socket.getPeerX509Certificate(), signer)) resolve(connection)
        else socket.destroy(this.#away('it shows another certificate than validator.signerCa'))
      })
      socket.on('error', (error) => {
        reason = error instanceof NodeError ? error : this.#away(wordsFor(error), error)
      })
      socket.once('close', () => {
        unset()
        if (this.#open === connection) {
          this.#open = null
          this.#connection = null
        }
        const why =
          reason ??
          this.#away('it ended the connection; if it does so each time, it does not have this node’s certificate')
        reject(why)
        for (const waiting of connection.waiting.values()) waiting.reject(why)
      })
      this.#read(connection)
    })
  }

  #read({ socket, waiting }: Connection): void {
    const frames = new Frames()
    socket.on('data', (chunk: Uint8Array) => {
      try {
        for (const body of frames.add(chunk)) {
          const { id, answer } = decodeAnswer(body)
          const asked = waiting.get(id)
          waiting.delete(id)
          // A second answer, or one to nothing: it changes nothing.
          if (asked === undefined) this.#deps.log.warn({ id }, 'the signer answers what was not asked')
          else asked.resolve(answer)
        }
      } catch (error) {
        socket.destroy(this.#away(error instanceof Error ? error.message : String(error), error))
      }
    })
  }

  #put({ socket, waiting }: Connection, question: Question): Promise<Answer> {
    const id = ++this.#ids
    return new Promise((resolve, reject) => {
      if (!socket.writable) return reject(this.#away('the connection has ended'))
      const silent = (): void => void socket.destroy(this.#away(`no answer in ${SILENT_MS} ms`))
      const unset = this.#deps.timers.after(SILENT_MS, silent)
      waiting.set(id, {
        resolve: (answer) => {
          unset()
          resolve(answer)
        },
        reject: (error) => {
          unset()
          reject(error)
        },
      })
      socket.write(encodeQuestion(id, question))
    })
  }
}

/** What the system and OpenSSL say, as a sentence. */
const wordsFor = (error: NodeJS.ErrnoException): string => {
  const { code = '', message } = error
  if (code.includes('ALERT')) return 'it does not accept this node’s certificate'
  if (code.includes('CERT')) return 'it shows another certificate than validator.signerCa'
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (code.startsWith('ERR_SSL')) return 'what listens there is no signer'
  return message
}

const meters = (m: Meter) => ({
  requests: m.counter('signer_requests_total', 'Questions to the signer elsewhere, by kind and what came of it', [
    'kind',
    'result',
  ]),
  seconds: m.histogram('signer_latency_seconds', 'From asking the signer elsewhere to its answer', ['kind']),
  answers: m.gauge('signer_answers', '1 while the signer elsewhere answers and this process has its lease'),
})
