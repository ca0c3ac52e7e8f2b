// Has batches made in a thread, one after another, so that consensus does not wait for them. Owns the thread, which is started for the first
// batch and again after it failed.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type Address, concat } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { encodeQc, type Qc } from '../../chain/types/vote.ts'
import type { EncodedBatch } from '../rollup/batch.ts'
import type { Encoding } from '../rollup/tx-columns.ts'

export const BatchThreadErrors = defineErrors('BATCH_THREAD', {
  FAILED: { text: (d: { reason: string }) => `the thread that makes batches failed: ${d.reason}` },
  STOPPED: { text: () => 'the node is stopping' },
})

export interface BatchJob {
  /** Consecutive, as `Chain.encoded` gives them. */
  readonly blocks: readonly Uint8Array[]
  /** Of each block; read for `attested` only. */
  readonly senders: readonly (readonly Address[])[]
  /** Of the last block. */
  readonly commit: Qc
  readonly chainId: bigint
  readonly encoding: Encoding
}
/** The same, packed: a clone of a view would take the whole buffer beneath it along. */
export interface BatchRequest {
  readonly blocks: readonly Uint8Array<ArrayBuffer>[]
  readonly senders: readonly Uint8Array<ArrayBuffer>[]
  readonly commit: Uint8Array
  readonly chainId: bigint
  readonly encoding: Encoding
}
export interface BatchReply {
  readonly batch?: EncodedBatch
  readonly refusal?: { readonly code: string; readonly rpc: number; readonly message: string; readonly data: unknown }
}

export interface BatchBuilder {
  /** Throws BATCH_LIMIT, TX_* and BATCH_THREAD_*. */
  build(job: BatchJob): Promise<EncodedBatch>
  close(): Promise<void>
}

/** The worker's file has this file's own extension: .ts in a checkout, .js in the package. */
const file = new URL(`./batch${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export function createBatchBuilder(): BatchBuilder {
  let worker: Worker | null = null
  let isClosed = false
  let last: Promise<unknown> = Promise.resolve()
  const build = async (job: BatchJob): Promise<EncodedBatch> => {
    if (isClosed) throw new NodeError(BatchThreadErrors.STOPPED, undefined)
    worker ??= new Worker(file)
    const thread = worker
    const request = requestOf(job)
    thread.postMessage(
      request,
      [...request.blocks, ...request.senders].map(({ buffer }) => buffer),
    )
    const { batch, refusal } = await replyOf(thread).catch((error: unknown) => {
      worker = null
      throw error
    })
    if (batch !== undefined) return batch
    const { code, rpc, message, data } = refusal ?? {
      code: 'BATCH_THREAD_FAILED',
      rpc: -32000,
      message: '?',
      data: null,
    }
    throw new NodeError({ code, rpc, text: () => message }, data)
  }
  return {
    build(job) {
      const built = last.then(() => build(job))
      last = built.catch(() => {})
      return built
    },
    async close() {
      isClosed = true
      await worker?.terminate()
      await last
    },
  }
}

const requestOf = ({ blocks, senders, commit, chainId, encoding }: BatchJob): BatchRequest => ({
  blocks: blocks.map((block) => new Uint8Array(block)),
  senders: encoding === 'full' ? [] : senders.map((of) => concat(...of) as Uint8Array<ArrayBuffer>), // it is made there
  ...{ commit: encodeQc(commit), chainId, encoding },
})

const replyOf = async (thread: Worker): Promise<BatchReply> => {
  const ended = new AbortController()
  const failed = (reason: string) => new NodeError(BatchThreadErrors.FAILED, { reason })
  try {
    return await Promise.race([
      once(thread, 'message', { signal: ended.signal }).then(([reply]) => reply as BatchReply),
      once(thread, 'exit', { signal: ended.signal }).then(() => {
        throw failed('it ended')
      }),
    ])
  } catch (error) {
    if (error instanceof NodeError) throw error
    throw failed(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    ended.abort()
  }
}
