// Proves on a thread of its own, for seconds of work are too many for one that answers others. Owns the thread: it ends with the proof, the
// signal or an error. For Node; in a browser call `proveZk` in a worker of the page.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { NodeError } from '../../../chain/base/errors.ts'
import { proveZk, type ZkArtifacts, type ZkProof } from './zk.ts'
import { ZkErrors } from './zk-credential.ts'

type Input = Readonly<Record<string, unknown>>
type Message =
  | { readonly kind: 'progress'; readonly done: number }
  | { readonly kind: 'proof'; readonly proof: ZkProof }
  | { readonly kind: 'failed'; readonly reason: string }

/** `progress` hears from 0 to 1. Throws ZK_PROOF, and the signal's reason. */
export function proveInThread(
  input: Input,
  artifacts: ZkArtifacts,
  options: { readonly progress?: (done: number) => void; readonly signal?: AbortSignal } = {},
): Promise<ZkProof> {
  const { progress, signal } = options
  return new Promise<ZkProof>((resolve, reject) => {
    signal?.throwIfAborted()
    // A package below takes every thread for one of its own, and complains of one that brings it no module: it is given an empty one.
    const empty = { mod: 'data:text/javascript,', type: 'module' }
    const worker = new Worker(new URL(import.meta.url), { workerData: { input, artifacts, ...empty } })
    const end = (settle: () => void): void => {
      signal?.removeEventListener('abort', abort)
      void worker.terminate()
      settle()
    }
    const fail = (reason: string, cause?: unknown): void =>
      end(() => reject(new NodeError(ZkErrors.PROOF, { reason }, { cause })))
    const abort = (): void => end(() => reject(signal?.reason))
    signal?.addEventListener('abort', abort, { once: true })
    worker.on('message', (message: Message) => {
      if (message.kind === 'progress') progress?.(message.done)
      else if (message.kind === 'proof') end(() => resolve(message.proof))
      else fail(message.reason)
    })
    worker.on('error', (error) => fail(String(error), error))
    worker.on('exit', () => fail('the thread ended'))
  })
}

if (!isMainThread && parentPort !== null && isWork(workerData)) {
  const port = parentPort
  const say = (message: Message): void => port.postMessage(message)
  await proveZk(workerData.input, workerData.artifacts, (done) => say({ kind: 'progress', done })).then(
    (proof) => say({ kind: 'proof', proof }),
    (error: unknown) => say({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) }),
  )
}
/** Other threads may import this file too. */
function isWork(value: unknown): value is { readonly input: Input; readonly artifacts: ZkArtifacts } {
  return typeof value === 'object' && value !== null && 'artifacts' in value && 'input' in value
}
