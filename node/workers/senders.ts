// Senders and hashes of transactions, found out in threads, one for each core but one. Owns the batches: what waits goes out together as
// one buffer, and answers come back in the order of the questions, so that an account's transactions stay in order.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { asAddress, asHash } from '../../chain/base/bytes.ts'
import type { Log, Meter } from '../../chain/base/ports.ts'
import type { IdentifyTxs, Identity } from '../../chain/types/tx.ts'
import { THREAD_LIMITS } from '../memory.ts'

/** What it is (0: no transaction, 1: nobody's, 2: known), hash, sender. */
export const IDENTITY_BYTES = 1 + 32 + 20
/** Answers to a batch; or that this thread found its own fast arithmetic wrong, did the batch otherwise, and goes on so. */
export type SenderReply = Uint8Array | 'fault'
const LENGTH_BYTES = 4
/** A batch is so large, 35 ms of work, so that none waits long behind it. */
const BATCH_TXS = 500
const BATCH_BYTES = 512 * 1024
/** Batches a thread holds: one in hand, one to go on with. */
const HELD_MAX = 2

export interface SenderPool {
  readonly identify: IdentifyTxs
  close(): Promise<void>
}

export interface SenderOptions {
  readonly threads?: number
  readonly meter?: Meter
  /** The file of the thread. */
  readonly thread?: URL
}

interface Question {
  readonly raws: readonly Uint8Array[]
  readonly answers: (Identity | null)[]
  /** How many of `raws` are on their way. */
  asked: number
  /** How many were answered, in whatever order. */
  answered: number
  readonly resolve: (answers: readonly (Identity | null)[]) => void
}
interface Part {
  readonly of: Question
  readonly from: number
  readonly count: number
}
interface Thread {
  readonly worker: Worker
  readonly held: (readonly Part[])[]
}

const FAULT =
  'this machine computed the sender of a transaction wrongly: arithmetic in WebAssembly gave a point that is none or another one than the ' +
  'native library. That batch was done again without it, as is all from now on, at twice the time; a sender of a batch before may be wrong ' +
  'too, so restart the node. Test the memory and processor of this machine, and report the processor and the version of Node'

/** The worker's file has this file's own extension: .ts in a checkout, .js in the package. */
const file = new URL(`./sender${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export function createSenderPool(log: Log, options: SenderOptions = {}): SenderPool {
  const { threads = Math.max(1, availableParallelism() - 1), thread = file } = options
  const faults = options.meter?.counter(
    'senders_faults_total',
    'Threads whose fast arithmetic for senders was found wrong',
  )
  const onFault = (): void => {
    faults?.add()
    log.error({}, FAULT)
  }
  const pool = new Pool(log, threads, () => new Worker(thread, { resourceLimits: THREAD_LIMITS }), onFault)
  return { identify: (raws, of) => pool.ask(raws, of), close: () => pool.close() }
}

class Pool {
  readonly #log: Log
  readonly #max: number
  readonly #begin: () => Worker
  readonly #onFault: () => void
  readonly #threads: Thread[] = []
  /** Of blocks, and of all else: oldest first, until each is answered and so are those before it. */
  readonly #blocks: Question[] = []
  readonly #questions: Question[] = []
  #isClosed = false

  constructor(log: Log, max: number, begin: () => Worker, onFault: () => void) {
    this.#log = log
    this.#max = max
    this.#begin = begin
    this.#onFault = onFault
  }

  ask(raws: readonly Uint8Array[], of?: 'block'): Promise<readonly (Identity | null)[]> {
    return new Promise((resolve) => {
      const answers = raws.map(() => null)
      const queue = of === 'block' ? this.#blocks : this.#questions
      queue.push({ raws, answers, asked: 0, answered: this.#isClosed ? raws.length : 0, resolve })
      this.#feed()
      this.#settle()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const threads = this.#threads.splice(0)
    for (const question of this.#all()) question.answered = question.raws.length
    this.#settle()
    await Promise.all(threads.map(({ worker }) => worker.terminate()))
  }

  /** In the order they are asked in. */
  #all(): readonly Question[] {
    return [...this.#blocks, ...this.#questions]
  }

  #feed(): void {
    while (!this.#isClosed && this.#all().some(({ raws, asked }) => asked < raws.length)) {
      const thread = this.#idle()
      if (thread === null) return
      const { parts, packed } = this.#batch()
      thread.held.push(parts)
      thread.worker.postMessage(packed, [packed.buffer])
    }
  }

  #idle(): Thread | null {
    const free = this.#threads.find(({ held }) => held.length === 0)
    if (free !== undefined) return free
    if (this.#threads.length < this.#max) return this.#start()
    return this.#threads.find(({ held }) => held.length < HELD_MAX) ?? null
  }

  #batch(): { readonly parts: readonly Part[]; readonly packed: Uint8Array<ArrayBuffer> } {
    const parts: Part[] = []
    const raws: Uint8Array[] = []
    let sizeBytes = 0
    for (const of of this.#all()) {
      const from = of.asked
      for (let raw = of.raws[of.asked]; raw !== undefined; raw = of.raws[of.asked]) {
        if (raws.length === BATCH_TXS || (raws.length > 0 && sizeBytes + raw.length > BATCH_BYTES)) break
        raws.push(raw)
        sizeBytes += LENGTH_BYTES + raw.length
        of.asked++
      }
      if (of.asked > from) parts.push({ of, from, count: of.asked - from })
      if (of.asked < of.raws.length) break
    }
    return { parts, packed: pack(raws, sizeBytes) }
  }

  #start(): Thread {
    const thread: Thread = { worker: this.#begin(), held: [] }
    thread.worker.on('message', (answer: SenderReply) => {
      if (answer === 'fault') return this.#onFault()
      this.#take(thread.held.shift() ?? [], answer)
      this.#feed()
      this.#settle()
    })
    thread.worker.on('error', (error) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#log.error({ error: text }, 'a thread that finds out senders failed; it is done on the main thread')
      this.#threads.splice(this.#threads.indexOf(thread), 1)
      for (const parts of thread.held.splice(0)) this.#take(parts, null)
      this.#feed()
      this.#settle()
    })
    this.#threads.push(thread)
    return thread
  }

  /** `answer` null: whoever asked finds out by himself. */
  #take(parts: readonly Part[], answer: Uint8Array | null): void {
    let at = 0
    for (const { of, from, count } of parts) {
      for (let i = 0; i < count && answer !== null; i++, at += IDENTITY_BYTES)
        of.answers[from + i] = identityAt(answer, at)
      of.answered += count
    }
  }

  #settle(): void {
    for (const queue of [this.#blocks, this.#questions])
      for (let first = queue[0]; first !== undefined && first.answered >= first.raws.length; first = queue[0]) {
        queue.shift()
        first.resolve(first.answers)
      }
  }
}

const identityAt = (answer: Uint8Array, at: number): Identity | null => {
  const kind = answer[at]
  if (kind === 0) return null
  const hash = asHash(answer.subarray(at + 1, at + 33))
  return { hash, from: kind === 1 ? null : asAddress(answer.subarray(at + 33, at + IDENTITY_BYTES)) }
}

const pack = (raws: readonly Uint8Array[], sizeBytes: number): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(sizeBytes)
  const view = new DataView(out.buffer)
  let at = 0
  for (const raw of raws) {
    view.setUint32(at, raw.length)
    out.set(raw, at + LENGTH_BYTES)
    at += LENGTH_BYTES + raw.length
  }
  return out
}
export const eachPacked = (packed: Uint8Array): Uint8Array[] => {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  const out: Uint8Array[] = []
  for (let at = 0; at < packed.length; ) {
    const end = at + LENGTH_BYTES + view.getUint32(at)
    out.push(packed.subarray(at + LENGTH_BYTES, end))
    at = end
  }
  return out
}
