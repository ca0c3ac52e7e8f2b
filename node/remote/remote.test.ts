// A validator and its signer over TLS: what passes, who is let in, who has the lease, and what a signer that lies, stammers or dies can do
// to the validator: nothing but silence.
import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { asAddress } from '../../chain/base/bytes.ts'
import { curves, installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { offencesBetween } from '../../chain/types/evidence.ts'
import type { Signed } from '../../chain/types/message.ts'
import { peerPayload, randaoPayload, SignType, signBytes } from '../../chain/types/vote.ts'
import {
  block,
  clientDeps,
  domain,
  handClock,
  handTimers,
  identities,
  memoryRecord,
  optionsFor,
  prepare,
  serve,
} from '../../test/kit/remote.ts'
import { developmentSecret } from '../development.ts'
import { ownDigest, readyDigest } from '../holder.ts'
import { isSignedBy, RecordErrors } from '../record.ts'
import { attestDigest, keepRecord, type SignAnswer, type Signer } from '../signer.ts'
import { makeIdentity } from './certificates.ts'
import { connectSigner, type RemoteOptions, visitSigner } from './client.ts'
import { LEASE_MS } from './lease.ts'
import type { SignerServer } from './server.ts'
import {
  type Answer,
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  FRAME_MAX_BYTES,
  Frames,
  type Question,
} from './wire.ts'

beforeAll(() => installCurves(nativeCurves))
const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})
const closed = <T extends { close(): Promise<void> }>(what: T): T => {
  closing.push(() => what.close())
  return what
}
const serving = async (...args: Parameters<typeof serve>): Promise<SignerServer> => closed(await serve(...args))
const joined = async (port: number, others: Partial<RemoteOptions> = {}) => {
  const remote = closed(await connectSigner(optionsFor(port, others), clientDeps()))
  return { ...remote, key: remote.signers[0] as Signer }
}
/** Has no patience: what may pass is thrown at once. */
const attempt = (port: number, others: Partial<RemoteOptions> = {}) => {
  const clock = { nowMs: () => Date.now() * 100_000 }
  return connectSigner(optionsFor(port, others), clientDeps({ clock })).then(closed)
}
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof NodeError ? error.code : error),
  )
/** However it ends. */
const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
/** As the engine: asks again while nobody answers. */
const patient = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (;;)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== 'SIGNER_UNREACHABLE') throw error
    }
}
const publicKey = (index: number): Uint8Array => nativeCurves.blsPublicKey(developmentSecret(index))

test('everything that a node signs, and what its key says of itself, comes over the line and verifies', async () => {
  const { port } = await serving(memoryRecord())
  const { key } = await joined(port)
  const answer = await key.sign(prepare(5))
  expect(answer.kind === 'signed' && isSignedBy(answer.message, publicKey(0), domain)).toBe(true)
  expect(await key.sign(prepare(5))).toEqual(answer)
  expect(await key.sign(prepare(5, 2))).toEqual({ kind: 'refused', record: await key.record() })
  expect(await key.record()).toMatchObject({ height: 5, round: 0, step: 2 })
  const verify = (digest: Uint8Array, signature: Uint8Array) => curves().blsVerify([publicKey(0)], digest, signature)
  expect(verify(signBytes(domain, SignType.randao, randaoPayload(9)), await key.reveal(9))).toBe(true)
  expect(verify(signBytes(domain, SignType.peer, peerPayload('peer')), await key.announce('peer'))).toBe(true)
  const operator = asAddress(new Uint8Array(20).fill(1))
  const event = { chain: 5n, vault: operator, id: block(3) }
  expect(verify(attestDigest(domain, event), await key.attest(event))).toBe(true)
  await visitSigner(optionsFor(port), clientDeps(), async ([holder]) => {
    expect(verify(ownDigest(domain, publicKey(0), operator), (await holder?.own(operator)) as Uint8Array)).toBe(true)
    const ready = (await holder?.ready(4, block(4), operator)) as Uint8Array
    expect(verify(readyDigest(domain, 4, block(4), operator), ready)).toBe(true)
  })
})

test('one process has the lease: a second one is refused, also where it does not ask for it', async () => {
  const { port, holder } = await serving(memoryRecord())
  const first = await joined(port)
  await first.key.sign(prepare(5))
  expect(holder()).toMatch(/^127\.0\.0\.1:\d+$/)
  await expect(attempt(port)).rejects.toMatchObject({
    code: 'REMOTE_LEASE',
    message: expect.stringMatching(/127\.0\.0\.1:\d+ has the lease, for another 5 s.*--take-over/),
  })
  const [answer] = await raw(port, [
    { kind: 'hello', domain, instance: new Uint8Array(16), claim: 'visit' },
    { kind: 'sign', key: publicKey(0), order: prepare(6) },
  ]).then((all) => all.slice(1))
  expect(answer).toMatchObject({ kind: 'refused', fault: 'lease' })
  expect((await first.key.sign(prepare(6))).kind).toBe('signed')
  await first.close()
  expect(holder()).toBe(null)
  expect((await (await joined(port)).key.sign(prepare(7))).kind).toBe('signed')
})

test('a process that was killed is followed once its lease is over, and not before', async () => {
  const clock = handClock()
  const { port } = await serving(memoryRecord(), { clock })
  const socket = await greeted(port, 1)
  clock.ms = 1_000
  socket.write(encodeQuestion(2, { kind: 'ping' }))
  await once(socket, 'data')
  socket.destroy()
  clock.ms += LEASE_MS - 1
  expect(await codeOf(attempt(port))).toBe('REMOTE_LEASE')
  clock.ms += 1
  expect(await codeOf(attempt(port))).toBe('done')
})

test('a process whose connection broke has its lease again at once, and the broken one is of no use to it', async () => {
  const { port } = await serving(memoryRecord())
  const before = await greeted(port, 1)
  const after = await greeted(port, 1)
  await ended(before)
  after.write(encodeQuestion(2, { kind: 'sign', key: publicKey(0), order: prepare(5) }))
  const [chunk] = (await once(after, 'data')) as [Buffer]
  expect(answersIn(chunk)).toMatchObject([{ kind: 'signature' }])
})

test('two validators that share a signer never both sign, whoever takes the lease from whom', async () => {
  const seeds = Array.from({ length: Number(process.env.RUNS ?? 1) }, () => Math.floor(Math.random() * 2 ** 31))
  for (const seed of seeds) {
    // biome-ignore lint/suspicious/noConsole: so that a failure can be repeated
    console.log(`seed ${seed}`)
    let drawn = seed
    const draw = (below: number): number => {
      drawn = (Math.imul(drawn, 1_103_515_245) + 12_345) & 0x7fffffff
      return Math.floor((drawn / 2 ** 31) * below)
    }
    const { port } = await serving(memoryRecord())
    const said: Signed[] = []
    const held: (Awaited<ReturnType<typeof joined>> | undefined)[] = [undefined, undefined]
    const outcomes: unknown[] = []
    for (let step = 0; step < 24; step++) {
      const who = draw(2)
      if (held[who] === undefined || draw(8) === 0) {
        const before = held[who]
        held[who] = await joined(port, { takesOver: true })
        await before?.close()
      }
      const asked = held.map((each) =>
        each?.key.sign(prepare(1 + draw(6) + Math.floor(step / 4), draw(3) + 1)).catch((error: unknown) => error),
      )
      for (const [each, outcome] of (await Promise.all(asked)).entries()) {
        if (outcome instanceof NodeError) {
          outcomes.push(outcome.code)
          if (outcome.code !== 'REMOTE_LEASE') continue
          await held[each]?.close() // as a node: it stops
          held[each] = undefined
        } else if (outcome !== undefined && (outcome as SignAnswer).kind === 'signed')
          said.push((outcome as Extract<SignAnswer, { kind: 'signed' }>).message)
      }
    }
    for (const each of held) await each?.close()
    expect(outcomes).toContain('REMOTE_LEASE')
    expect(said.length).toBeGreaterThan(3)
    for (const [, same] of Map.groupBy(said, (message) => (message.kind === 'vote' ? message.vote.height : 0)))
      expect(offencesBetween(same, 1)).toEqual([])
  }
})

test('the validator outlives the signer’s restart: away meanwhile, then it signs where the record ended', async () => {
  const file = memoryRecord()
  const { port, close } = await serve(file)
  const { key, status } = await joined(port)
  await key.sign(prepare(5))
  await close()
  expect(await codeOf(key.sign(prepare(6)))).toBe('SIGNER_UNREACHABLE')
  expect(status()).toMatchObject({ answers: false, fault: expect.any(String) })
  await serving(file, { port })
  expect((await patient(() => key.sign(prepare(6)))).kind).toBe('signed')
  expect((await key.sign(prepare(5, 2))).kind).toBe('refused')
  expect(status()).toMatchObject({ answers: true, fault: null })
})

test('a signer that comes back with another key, or of another network, is not asked for anything', async () => {
  const first = await serve(memoryRecord())
  const { key } = await joined(first.port)
  await first.close()
  await serving(memoryRecord(), { port: first.port, key: 1 })
  expect(await codeOf(patient(() => key.sign(prepare(6))))).toBe('REMOTE_OTHER_KEY')
  const elsewhere = clientDeps({ domain: { ...domain, chainId: 2n } })
  expect(await codeOf(connectSigner(optionsFor(first.port), elsewhere))).toBe('REMOTE_NETWORK')
})

/** A signer that says what it likes: `answer` gets each question and the means to answer it. */
const liar = async (answer: (question: Question, say: (answer: Answer) => void) => void): Promise<number> => {
  const server = createServer({ key: identities.signer.key, cert: identities.signer.certificate }, (socket) => {
    const frames = new Frames()
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      for (const body of frames.add(chunk)) {
        const { id, question } = decodeQuestion(body)
        const say = (said: Answer): void => void socket.write(encodeAnswer(id, said))
        if (question.kind === 'hello') say({ kind: 'keys', keys: [publicKey(0)] })
        else if (question.kind === 'ping' || question.kind === 'release') say({ kind: 'done' })
        else answer(question, say)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return (server.address() as { port: number }).port
}
const signatureOver = (of: number, key = 0) =>
  nativeCurves.blsSign(developmentSecret(key), signBytes(domain, SignType.prepare, payloadOf(of)))
const payloadOf = (of: number): Uint8Array => {
  const payload = new Uint8Array(44)
  payload[7] = 5
  payload.set(block(of), 12)
  return payload
}

test.each<[string, Answer, string]>([
  ['with another key', { kind: 'signature', signature: signatureOver(1, 1) }, 'REMOTE_OTHER_KEY'],
  ['over another block', { kind: 'signature', signature: signatureOver(2) }, 'REMOTE_OTHER_KEY'],
  ['with junk', { kind: 'signature', signature: new Uint8Array(96) }, 'REMOTE_OTHER_KEY'],
  ['to another question', { kind: 'keys', keys: [publicKey(0)] }, 'REMOTE_REFUSED'],
  ['that it has no such key', { kind: 'refused', fault: 'question', text: 'no' }, 'REMOTE_REFUSED'],
  ['that its disk is full', { kind: 'refused', fault: 'record', text: 'no space' }, 'SIGNER_UNREACHABLE'],
  ['as it should', { kind: 'signature', signature: signatureOver(1) }, 'done'],
])('a signer that answers %s', async (_, said, code) => {
  const port = await liar((_question, say) => say(said))
  expect(await codeOf((await joined(port)).key.sign(prepare(5)))).toBe(code)
})

test('an answer that comes twice changes nothing; one that is late is dropped, and asked for again', async () => {
  const late: (() => void)[] = []
  let asked = 0
  const port = await liar((question, say) => {
    const signature = signatureOver(question.kind === 'sign' ? 1 : 2)
    if (++asked === 1) late.push(() => say({ kind: 'signature', signature }))
    else for (let i = 0; i < 2; i++) say({ kind: 'signature', signature })
  })
  const timers = handTimers()
  const remote = closed(await connectSigner(optionsFor(port), clientDeps({ timers })))
  const [key] = remote.signers as [Signer]
  const first = codeOf(key.sign(prepare(5)))
  while (late.length === 0) await new Promise<void>((resolve) => setImmediate(resolve))
  timers.fire() // its patience is over
  expect(await first).toBe('SIGNER_UNREACHABLE')
  for (const say of late) say()
  expect((await key.sign(prepare(5))).kind).toBe('signed')
  expect((await key.sign(prepare(5))).kind).toBe('signed')
})

test('no signature leaves while the record cannot be written, and the validator waits for the disk', async () => {
  const file = memoryRecord()
  const { replace } = file
  const { port } = await serving(file)
  const { key } = await joined(port)
  await key.sign(prepare(5))
  file.replace = async () => {
    throw new NodeError(RecordErrors.RECORD, { file: 'record', reason: 'cannot be written (ENOSPC)' })
  }
  await expect(key.sign(prepare(6))).rejects.toMatchObject({
    code: 'SIGNER_UNREACHABLE',
    message: expect.stringContaining('ENOSPC'),
  })
  file.replace = replace
  expect((await key.sign(prepare(6, 2))).kind).toBe('signed')
})

test('the node’s copy and the signer’s: the higher one counts, also where the signer was rolled back', async () => {
  const [there, here] = [memoryRecord(), memoryRecord()]
  const first = await serve(there)
  const remote = await joined(first.port)
  await (await keepRecord(here, remote.key, domain)).sign(prepare(7))
  expect(here.text).toBe(there.text)
  await remote.close()
  await first.close()
  there.text = null
  const { key } = await joined((await serving(there)).port)
  const guarded = await keepRecord(here, key, domain)
  expect((await guarded.sign(prepare(6))).kind).toBe('refused')
  expect((await guarded.sign(prepare(7, 2))).kind).toBe('refused')
  expect(there.text).toBe(null)
  expect((await guarded.sign(prepare(8))).kind).toBe('signed')
})

test('an answer does not wait for the copy here; where that cannot be written, nothing more is signed', async () => {
  const here = memoryRecord()
  const { key } = await joined((await serving(memoryRecord())).port)
  const guarded = await keepRecord(here, key, domain, 'copy')
  let done: () => void = () => {}
  here.replace = () => new Promise((resolve) => (done = resolve))
  expect((await guarded.sign(prepare(5))).kind).toBe('signed')
  const next = guarded.sign(prepare(6))
  done()
  here.replace = () => Promise.reject(new NodeError(RecordErrors.RECORD, { file: 'copy', reason: 'is on a full disk' }))
  expect((await next).kind).toBe('signed')
  expect(await codeOf(guarded.sign(prepare(7)))).toBe('SIGNER_RECORD')
})

// The port, to whoever finds it.

const dialed = (port: number, own: object = {}): TLSSocket => {
  const { key, certificate: cert } = identities.validator
  const ca = [identities.signer.certificate]
  const socket = connect({ host: '127.0.0.1', port, key, cert, ca, checkServerIdentity: () => undefined, ...own })
  socket.on('error', () => {})
  closing.push(() => void socket.destroy())
  return socket
}
const answersIn = (bytes: Uint8Array): Answer[] => new Frames().add(bytes).map((body) => decodeAnswer(body).answer)
const greeted = async (port: number, instance: number): Promise<TLSSocket> => {
  const socket = dialed(port)
  const hello = { kind: 'hello', domain, instance: new Uint8Array(16).fill(instance), claim: 'hold' } as const
  socket.write(encodeQuestion(1, hello))
  await once(socket, 'data')
  return socket
}
/** The answers to these questions, in order. */
const raw = async (port: number, questions: readonly Question[]): Promise<Answer[]> => {
  const socket = dialed(port)
  const frames = new Frames()
  const answers: Answer[] = []
  const done = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      answers.push(...frames.add(chunk).map((body) => decodeAnswer(body).answer))
      if (answers.length === questions.length) resolve()
    })
    socket.once('close', () => resolve())
  })
  for (const [i, question] of questions.entries()) socket.write(encodeQuestion(i, question))
  await done
  return answers
}

test.each<[string, object]>([
  ['without a certificate', { key: undefined, cert: undefined }],
  ['with one that it does not know', ((other) => ({ key: other.key, cert: other.certificate }))(makeIdentity('other'))],
  ['in an older TLS', { maxVersion: 'TLSv1.2' }],
])('a client %s gets no word', async (_, own) => {
  const { port } = await serving(memoryRecord())
  const socket = dialed(port, own)
  const heard: unknown[] = []
  socket.on('data', (chunk) => heard.push(chunk))
  socket.write(encodeQuestion(1, { kind: 'hello', domain, instance: new Uint8Array(16), claim: 'hold' }))
  await ended(socket)
  expect(heard).toEqual([])
  expect(await codeOf(attempt(port))).toBe('done')
})

test('the validator says what is wrong with a certificate, and with what listens there', async () => {
  const { port } = await serving(memoryRecord())
  const other = makeIdentity('other')
  await expect(attempt(port, { identity: other })).rejects.toMatchObject({
    code: 'SIGNER_UNREACHABLE',
    message: expect.stringMatching(/certificate/),
  })
  const { X509Certificate } = await import('node:crypto')
  await expect(attempt(port, { signer: [new X509Certificate(other.certificate)] })).rejects.toMatchObject({
    message: expect.stringContaining('another certificate than validator.signerCa'),
  })
})

test.each<[string, Uint8Array]>([
  ['bytes that are no TLS', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'.repeat(100))],
  ['nothing, and leave', new Uint8Array(0)],
])('strangers who send %s do not disturb who has the lease', async (_, bytes) => {
  const { port } = await serving(memoryRecord())
  const { key } = await joined(port)
  const strangers = Array.from({ length: 20 }, () => connectPlain(port, '127.0.0.1'))
  for (const socket of strangers) {
    socket.on('error', () => {})
    socket.end(bytes)
  }
  expect((await key.sign(prepare(5))).kind).toBe('signed')
  await Promise.all(strangers.map((socket) => ended(socket)))
  expect((await key.sign(prepare(6))).kind).toBe('signed')
})

const sized = (sizeBytes: number, sent: number): Uint8Array => {
  const frame = new Uint8Array(4 + sent)
  new DataView(frame.buffer).setUint32(0, sizeBytes)
  return frame
}
test.each<[string, Uint8Array]>([
  ['is longer than any', sized(FRAME_MAX_BYTES + 1, 4)],
  ['is no RLP', sized(4, 4)],
  ['is a question that does not exist', Uint8Array.of(0, 0, 0, 3, 0xc2, 0x01, 0x63)],
])('a client whose frame %s is sent away', async (_, frame) => {
  const { port } = await serving(memoryRecord())
  const socket = await greeted(port, 1)
  socket.write(frame)
  await ended(socket)
  expect(await codeOf(connectSigner(optionsFor(port, { takesOver: true }), clientDeps()).then(closed))).toBe('done')
})

test('who sends a byte at a time is sent away, as is who says nothing; neither holds up who has the lease', async () => {
  const timers = handTimers()
  const { port } = await serving(memoryRecord(), { timers })
  const slow = dialed(port)
  const silent = dialed(port)
  await Promise.all([once(slow, 'secureConnect'), once(silent, 'secureConnect')])
  for (const byte of encodeQuestion(1, { kind: 'ping' }).subarray(0, 4)) slow.write(Uint8Array.of(byte))
  const { key } = await joined(port)
  expect((await key.sign(prepare(5))).kind).toBe('signed')
  const ends = [ended(slow), ended(silent)]
  timers.fire()
  await Promise.all(ends)
})

test('questions recorded and sent again get the same answers and no other signature', async () => {
  const { port } = await serving(memoryRecord())
  const questions: Question[] = [
    { kind: 'hello', domain, instance: new Uint8Array(16).fill(1), claim: 'hold' },
    { kind: 'sign', key: publicKey(0), order: prepare(5) },
    { kind: 'sign', key: publicKey(0), order: prepare(5, 2) },
    { kind: 'sign', key: publicKey(1), order: prepare(6) },
    { kind: 'release' },
  ]
  const first = await raw(port, questions)
  expect(first.map(({ kind }) => kind)).toEqual(['keys', 'signature', 'record', 'refused', 'done'])
  expect(await raw(port, questions)).toEqual(first)
  expect(await raw(port, questions.slice(1))).toEqual([
    { kind: 'refused', fault: 'question', text: 'a hello comes first' },
  ])
})
