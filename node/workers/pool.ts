// Starts, feeds and kills worker threads. Owns the bound of what waits, and the time a job may take.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Hash } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Log } from '../../chain/base/ports.ts'
import type { EngineName } from '../../chain/calls.ts'
import type { CallAnswer, CallJob } from '../../chain/types/call.ts'
import type { Rules } from '../../chain/types/genesis.ts'
import { THREAD_LIMITS } from '../memory.ts'

export const WorkerErrors = defineErrors('CALL', {
  TIMEOUT: { text: (d: { ms: number }) => `execution timeout: the call ran for ${d.ms} ms, which is the most` },
  BUSY: { text: (d: { waiting: number }) => `${d.waiting} calls are waiting, which is the most; try again` },
  FAULT: { rpc: -32603, text: () => 'internal error; the node logged it' },
  STOPPED: { text: () => 'the node is stopping' },
})

export interface CallWorkerData {
  readonly dbDir: string
  readonly genesis: Rules
  readonly genesisHash: Hash
  readonly gasCap: bigint
  readonly evm: EngineName
}
/** `id` 0: the worker is ready. */
export interface CallReply {
  readonly id: number
  readonly answer?: CallAnswer
  readonly refusal?: { readonly code: string; readonly rpc: number; readonly message: string; readonly data: unknown }
  readonly fault?: string
}

export interface CallPool {
  run(job: CallJob): Promise<CallAnswer>
  close(): Promise<void>
}

interface Waiting {
  readonly job: CallJob
  readonly resolve: (answer: CallAnswer) => void
  readonly reject: (error: unknown) => void
}

/** The worker's file has this file's own extension: .ts in a checkout, .js in the package. */
const file = new URL(`./call${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export function createCallPool(
  data: CallWorkerData,
  options: { readonly timeoutMs: number; readonly waitingMax: number },
  log: Log,
): CallPool {
  return new Pool(data, options, log)
}

class Pool implements CallPool {
  readonly #data: CallWorkerData
  readonly #options: { readonly timeoutMs: number; readonly waitingMax: number }
  readonly #log: Log
  readonly #queue: Waiting[] = []
  #worker: Worker | null = null
  #ready = false
  #current: { readonly id: number; readonly of: Waiting; readonly timer: NodeJS.Timeout } | null = null
  #ids = 0
  #closed = false

  constructor(data: CallWorkerData, options: { readonly timeoutMs: number; readonly waitingMax: number }, log: Log) {
    this.#data = data
    this.#options = options
    this.#log = log
  }

  run(job: CallJob): Promise<CallAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new NodeError(WorkerErrors.STOPPED, undefined))
      if (this.#queue.length >= this.#options.waitingMax)
        return reject(new NodeError(WorkerErrors.BUSY, { waiting: this.#queue.length }))
      this.#queue.push({ job, resolve, reject })
      this.#next()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of [...this.#queue.splice(0), ...(this.#current === null ? [] : [this.#current.of])])
      waiting.reject(new NodeError(WorkerErrors.STOPPED, undefined))
    if (this.#current !== null) clearTimeout(this.#current.timer)
    const old = this.#worker
    this.#worker = null
    if (old === null) return
    const ended = once(old, 'exit')
    void old.terminate()
    await ended
  }

  #next(): void {
    if (this.#current !== null || this.#closed) return
    const of = this.#queue[0]
    if (of === undefined) return
    if (this.#worker === null) this.#start()
    if (this.#worker === null || !this.#ready) return
    this.#queue.shift()
    const id = ++this.#ids
    const timer = setTimeout(() => {
      of.reject(new NodeError(WorkerErrors.TIMEOUT, { ms: this.#options.timeoutMs }))
      this.#drop()
      this.#next()
    }, this.#options.timeoutMs)
    this.#current = { id, of, timer }
    this.#worker.postMessage({ id, job: of.job })
  }

  /** Ends the thread with whatever it is in; the next job starts another. */
  #drop(): void {
    if (this.#current !== null) clearTimeout(this.#current.timer)
    this.#current = null
    this.#ready = false
    const old = this.#worker
    this.#worker = null
    if (old === null) return
    old.removeAllListeners()
    void old.terminate()
  }

  #start(): void {
    const made = new Worker(file, { workerData: this.#data, resourceLimits: THREAD_LIMITS })
    this.#worker = made
    made.on('message', (reply: CallReply) => {
      if (reply.id === 0) this.#ready = true
      else this.#settle(reply)
      this.#next()
    })
    made.on('error', (error) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#log.error({ error: text }, 'the call worker failed')
      this.#current?.of.reject(new NodeError(WorkerErrors.FAULT, undefined))
      if (this.#current === null) this.#queue.shift()?.reject(new NodeError(WorkerErrors.FAULT, undefined))
      this.#drop()
      this.#next()
    })
  }

  #settle(reply: CallReply): void {
    if (this.#current === null || this.#current.id !== reply.id) return
    clearTimeout(this.#current.timer)
    const { of } = this.#current
    this.#current = null
    if (reply.answer !== undefined) of.resolve(reply.answer)
    else if (reply.refusal !== undefined) {
      const { code, rpc, message, data: detail } = reply.refusal
      of.reject(new NodeError({ code, rpc, text: () => message }, detail))
    } else {
      this.#log.error({ error: reply.fault }, 'a call failed inside')
      of.reject(new NodeError(WorkerErrors.FAULT, undefined))
    }
  }
}
