// What became of a transaction, as a node has it.
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { ClientErrors, request } from '../../rpc/client/http.ts'
import { eventsOf } from '../modules.ts'

const ReceiptErrors = defineErrors('TXCMD', {
  FAILED: {
    text: (d: { hash: string; height: number }) =>
      `transaction ${d.hash} failed in block ${d.height}; see novachain tx trace ${d.hash}`,
  },
})

export interface Receipt {
  readonly hash: string
  readonly height: number
  readonly gasUsed: number
  readonly contractAddress: string | null
  readonly events: ReturnType<typeof eventsOf>
}

/** null: it is in no block yet, or the node is away for a while or answers with something else: what was sent is sent. Throws TXCMD_FAILED. */
export async function receiptNow(url: string, hash: string): Promise<Receipt | null> {
  const receipt = await request(url, 'eth_getTransactionReceipt', [hash]).catch((error: unknown) => {
    const codes: readonly string[] = [ClientErrors.UNREACHABLE.code, ClientErrors.ANSWER.code]
    if (error instanceof NodeError && codes.includes(error.code)) return null
    throw error
  })
  if (receipt === null || receipt === undefined) return null
  const { status, blockNumber, gasUsed, contractAddress, logs } = receipt as RpcReceipt // our own method
  const height = Number(blockNumber)
  if (status !== '0x1') throw new NodeError(ReceiptErrors.FAILED, { hash, height })
  return { hash, height, gasUsed: Number(gasUsed), contractAddress, events: eventsOf(logs) }
}
interface RpcReceipt {
  readonly status: string
  readonly blockNumber: string
  readonly gasUsed: string
  readonly contractAddress: string | null
  readonly logs: Parameters<typeof eventsOf>[0]
}
