// The call worker: eth_call, estimates and the like on a thread of their own, over the database the node writes. A job that
// outlives its time takes the whole thread with it, so it owns nothing.
import { parentPort, workerData } from 'node:worker_threads'
import { assert, NodeError } from '../../chain/base/errors.ts'
import { openCalls } from '../../chain/calls.ts'
import { openKv } from '../../chain/store/kv.ts'
import type { CallJob } from '../../chain/types/call.ts'
import { installFastCurves } from '../curves.ts'
import type { CallReply, CallWorkerData } from './pool.ts'

await installFastCurves(() => {}) // the node has said it
const port = parentPort
assert(port !== null, 'this file runs as a worker')
const { dbDir, genesis, genesisHash, gasCap, evm }: CallWorkerData = workerData
const kv = await openKv(dbDir, { readOnly: true })
const calls = openCalls(kv, genesis, { genesisHash, gasCap, evm })

port.on('message', ({ id, job }: { id: number; job: CallJob }) => {
  const reply = (answer: CallReply): void => port.postMessage(answer)
  calls.run(job).then(
    (answer) => reply({ id, answer }),
    (error: unknown) =>
      error instanceof NodeError && error.code !== 'BASE_INVARIANT'
        ? reply({ id, refusal: { code: error.code, rpc: error.rpc, message: error.message, data: error.data } })
        : reply({ id, fault: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
port.postMessage({ id: 0 } satisfies CallReply)
