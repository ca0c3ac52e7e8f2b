// Finds out sender and hash of signed transactions. A thread of its own: batches in, batches out, nothing kept.
import { parentPort } from 'node:worker_threads'
import { assert } from '../../chain/base/errors.ts'
import { createRecoverMany, type RecoverMany } from '../../chain/base/lanes.ts'
import { identifyTxs } from '../../chain/types/tx.ts'
import { installFastCurves } from '../curves.ts'
import { eachPacked, IDENTITY_BYTES, type SenderReply } from './senders.ts'

const port = parentPort
assert(port !== null, 'it is started as a worker')
await installFastCurves(() => {}) // the main thread said so

/** Made when much comes for the first time: a quiet node does without. */
let recoverMany: RecoverMany | null | undefined
const MANY = 64
/** This machine computed a sender wrongly; what was asked goes to the native library, as does all that comes. */
const onFault = (): void => {
  recoverMany = null
  port.postMessage('fault' satisfies SenderReply)
}

port.on('message', (packed: Uint8Array<ArrayBuffer>) => {
  const raws = eachPacked(packed)
  const answer = new Uint8Array(raws.length * IDENTITY_BYTES)
  if (raws.length >= MANY && recoverMany === undefined) recoverMany = createRecoverMany(onFault)
  for (const [i, identity] of identifyTxs(raws, recoverMany ?? null).entries()) {
    if (identity === null) continue
    const at = i * IDENTITY_BYTES
    answer[at] = identity.from === null ? 1 : 2
    answer.set(identity.hash, at + 1)
    if (identity.from !== null) answer.set(identity.from, at + 33)
  }
  port.postMessage(answer satisfies SenderReply, [answer.buffer])
})
