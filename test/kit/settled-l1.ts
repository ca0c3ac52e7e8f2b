// An L1 endpoint that knows batches and nothing else, over HTTP: logs of the settlement contract, inputs of its transactions, and the bounds
// that public endpoints have. A test says how it lies.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { asAddress, asHash, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { encodeCall, encodeEvent } from '../../chain/native/kit/abi.ts'
import type { Log } from '../../chain/types/receipt.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import type { Posted } from './settled.ts'

export const SETTLEMENT = asAddress(new Uint8Array(20).fill(0x5e))
/** L1 blocks from one batch to the next, and of one question for logs. */
const [GAP, RANGE_MAX] = [10, 16]
const NOTHING = new Uint8Array(0)
const ZERO = asHash(new Uint8Array(32))

interface Entry {
  readonly block: number
  readonly log: Log
  readonly transaction: string
  readonly input: Uint8Array
}

const entriesOf = (posted: readonly Posted[]): Entry[] => [
  ...posted.map((batch): Entry => {
    const { seq, height, blockHash, dataHash, accumulator, bytes, section } = batch
    const words = { blockHash, dataHash, accumulator, stateRoot: ZERO }
    const values = { ...words, seq: BigInt(seq), height: BigInt(height) }
    const args = [BigInt(seq), ZERO, bytes, { header: NOTHING, section }, NOTHING] as const
    return {
      ...{ block: GAP * seq, transaction: batch.l1Transaction, input: encodeCall(abi.functions.post, args) },
      log: encodeEvent(abi.events.BatchPosted, SETTLEMENT, values),
    }
  }),
  ...posted.flatMap(({ seq, supplied }) =>
    supplied.map(({ bytes, l1Transaction }): Entry => {
      const values = { seq: BigInt(seq), dataHash: keccak(bytes) }
      return {
        ...{ block: GAP * (posted.length + 1), transaction: l1Transaction },
        input: encodeCall(abi.functions.supply, [BigInt(seq), bytes]),
        log: encodeEvent(abi.events.BatchSupplied, SETTLEMENT, values),
      }
    }),
  ),
]

export interface SettledL1 {
  readonly url: string
  readonly asked: readonly string[]
  close(): void
}

/** `change` gives another answer to a method than is right; undefined leaves it. */
export async function serveSettled(
  posted: readonly Posted[],
  change: (method: string, result: unknown) => unknown = () => undefined,
): Promise<SettledL1> {
  const entries = entriesOf(posted)
  const asked: string[] = []
  const answer = (method: string, params: readonly unknown[]): unknown => {
    if (method === 'eth_blockNumber') return `0x${(GAP * (posted.length + 2)).toString(16)}`
    if (method === 'eth_getLogs') {
      const { fromBlock, toBlock } = params[0] as { readonly fromBlock: string; readonly toBlock: string }
      const [from, to] = [Number(fromBlock), Number(toBlock)]
      if (to - from >= RANGE_MAX) return null
      const inside = entries.filter(({ block }) => block >= from && block <= to)
      return inside.map(({ log, transaction }) => ({
        ...{ address: bytesToHex(log.address), topics: log.topics.map(bytesToHex), data: bytesToHex(log.data) },
        transactionHash: transaction,
      }))
    }
    const found = entries.find(({ transaction }) => transaction === params[0])
    return found === undefined ? null : { to: bytesToHex(SETTLEMENT), input: bytesToHex(found.input) }
  }
  const server = createServer(async (request, response) => {
    const { method, params } = JSON.parse(await text(request)) as { method: string; params: readonly unknown[] } // our own client's
    asked.push(method)
    const right = answer(method, params)
    const result = change(method, right) ?? right
    const isRefused = method === 'eth_getLogs' && result === null
    const body = isRefused ? { error: { code: -32005, message: 'block range is too wide' } } : { result }
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    asked,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export const l1TransactionOf = (n: number): `0x${string}` =>
  bytesToHex(keccak(hexToBytes(`0x77${n.toString(16).padStart(2, '0')}`)))
