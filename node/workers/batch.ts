// The thread that makes batches: some 200 ms of work for a full block. Owns nothing between two jobs.
import { parentPort } from 'node:worker_threads'
import { type Address, asAddress } from '../../chain/base/bytes.ts'
import { assert, NodeError } from '../../chain/base/errors.ts'
import { decodeBlock } from '../../chain/types/block.ts'
import { decodeQc } from '../../chain/types/vote.ts'
import { encodeBatch } from '../rollup/batch.ts'
import type { BatchReply, BatchRequest } from './batches.ts'

const port = parentPort
assert(port !== null, 'this file runs as a worker')

const sendersIn = (packed: Uint8Array): readonly Address[] =>
  Array.from({ length: packed.length / 20 }, (_, i) => asAddress(packed.subarray(20 * i, 20 * i + 20)))

const answer = ({ blocks, senders, commit, chainId, encoding }: BatchRequest): BatchReply => {
  const input = { blocks: blocks.map(decodeBlock), senders: senders.map(sendersIn), commit: decodeQc(commit), chainId }
  try {
    const batch = encodeBatch(input, encoding)
    return { batch: { ...batch, bytes: batch.bytes.slice() } } // without the room that the writer had
  } catch (error) {
    if (!(error instanceof NodeError) || error.code === 'BASE_INVARIANT') throw error
    return { refusal: { code: error.code, rpc: error.rpc, message: error.message, data: error.data } }
  }
}

port.on('message', (request: BatchRequest) => port.postMessage(answer(request)))
