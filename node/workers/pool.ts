// Starts, feeds and kills worker threads. Owns the bound of what waits, and the time a job may take.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Hash } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Log } from '../../chain/base/ports.ts'
import type { CallAnswer, CallJob } from '../../chain/types/call.ts'

export const WorkerErrors = defineErrors('CALL', {
  TIMEOUT: { text: (d: { ms: number }) => `execution timeout: the call ran for ${d.ms} ms, which is the most` },
  BUSY: { text: (d: { waiting: number }) => `${d.waiting} calls are waiting, which is the most; try again` },
  FAULT: { rpc: -32603, text: () => 'internal error; the node logged it' },
  STOPPED: { text: () => 'the node is stopping' },
})

export interface CallWorkerData {
  readonly dbDir: string
  readonly genesisText: string
  readonly genesisHash: Hash
  readonly gasCap: bigint
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
  const queue: Waiting[] = []
  let worker: Worker | null = null
  let ready = false
  let current: { readonly id: number; readonly of: Waiting; readonly timer: NodeJS.Timeout } | null = null
  let ids = 0
  let closed = false

  const next = (): void => {
    if (current !== null || closed) return
    const of = queue[0]
    if (of === undefined) return
    if (worker === null) {
      start()
      return
    }
    if (!ready) return
    queue.shift()
    const id = ++ids
    const timer = setTimeout(() => {
      of.reject(new NodeError(WorkerErrors.TIMEOUT, { ms: options.timeoutMs }))
      drop()
      next()
    }, options.timeoutMs)
    current = { id, of, timer }
    worker.postMessage({ id, job: of.job })
  }

  /** Ends the thread with whatever it is in; the next job starts another. */
  const drop = (): void => {
    if (current !== null) clearTimeout(current.timer)
    current = null
    ready = false
    const old = worker
    worker = null
    if (old !== null) {
      old.removeAllListeners()
      void old.terminate()
    }
  }

  const start = (): void => {
    const made = new Worker(file, { workerData: data })
    worker = made
    made.on('message', (reply: CallReply) => {
      if (reply.id === 0) ready = true
      else settle(reply)
      next()
    })
    made.on('error', (error) => {
      log.error(
        { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'the call worker failed',
      )
      current?.of.reject(new NodeError(WorkerErrors.FAULT, undefined))
      if (current === null) queue.shift()?.reject(new NodeError(WorkerErrors.FAULT, undefined))
      drop()
      next()
    })
  }

  const settle = (reply: CallReply): void => {
    if (current === null || current.id !== reply.id) return
    clearTimeout(current.timer)
    const { of } = current
    current = null
    if (reply.answer !== undefined) of.resolve(reply.answer)
    else if (reply.refusal !== undefined) {
      const { code, rpc, message, data: detail } = reply.refusal
      of.reject(new NodeError({ code, rpc, text: () => message }, detail))
    } else {
      log.error({ error: reply.fault }, 'a call failed inside')
      of.reject(new NodeError(WorkerErrors.FAULT, undefined))
    }
  }

  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new NodeError(WorkerErrors.STOPPED, undefined))
        if (queue.length >= options.waitingMax)
          return reject(new NodeError(WorkerErrors.BUSY, { waiting: queue.length }))
        queue.push({ job, resolve, reject })
        next()
      }),
    async close() {
      closed = true
      for (const waiting of [...queue.splice(0), ...(current === null ? [] : [current.of])])
        waiting.reject(new NodeError(WorkerErrors.STOPPED, undefined))
      const old = worker
      if (current !== null) clearTimeout(current.timer)
      worker = null
      if (old === null) return
      const ended = once(old, 'exit')
      void old.terminate()
      await ended
    },
  }
}
