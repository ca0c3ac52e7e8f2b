// A transaction to a chain where gas may grow dear while it waits: it bids more under its nonce until a block takes it. Owns when, up to what, and what
// is said where that is not enough. The bids are the poster's and the relayer's.
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { ClientErrors, request } from '../../rpc/client/http.ts'
import { parseAmount } from '../amounts.ts'
import { type CommandContext, UsageErrors } from '../args.ts'
import { type FeeCaps, firstBid, raisedBid } from '../rollup/fees.ts'
import { type Receipt, receiptNow } from './receipt.ts'
import { fieldOf, prepare, type Sender, urlOf } from './send.ts'

const gwei = (wei: bigint): string => `${Number(wei / 10n ** 6n) / 1_000} gwei`

const BiddingErrors = defineErrors('TXBID', {
  DEAR: {
    text: (d: { baseFeeWei: bigint; tipWei: bigint; mostWei: bigint }) =>
      `a unit of gas costs ${gwei(d.baseFeeWei)} and a tip of ${gwei(d.tipWei)} now, and at most ${gwei(d.mostWei)} may be paid: nothing was sent. Wait until it is cheaper, or say more with --max-fee`,
  },
  OUTBID: {
    text: (d: { hash: string; nonce: number; seconds: number; bidWei: bigint; baseFeeWei: bigint; isMost: boolean }) =>
      `transaction ${d.hash} is in no block after ${d.seconds} s: it bids ${gwei(d.bidWei)} for a unit of gas${d.isMost ? ', the most that may be paid,' : ''} and the base fee is ${gwei(d.baseFeeWei)}. ` +
      `It may still get into one, and the account's next transactions wait behind it: the same command with --nonce ${d.nonce} and a higher --max-fee or longer --timeout takes its place`,
  },
})

export interface BiddingOptions {
  /** On top of the estimate. */
  readonly slackGas: bigint
  /** For a unit of gas, tip included, where --max-fee does not say so. */
  readonly mostWei: bigint
  readonly raiseMs?: number
  readonly pollMs?: number
}
/** Between two bids, and two looks. */
const [RAISE_MS, POLL_MS] = [15_000, 250]

/** From the first bid to the receipt. Throws TXBID_*, TXCMD_FAILED, TXCMD_FIELD and CLIENT_*. */
export async function sendBidding(
  context: CommandContext,
  { wallet }: Sender,
  order: Parameters<typeof prepare>[2],
  { slackGas, mostWei: usual, raiseMs = RAISE_MS, pollMs = POLL_MS }: BiddingOptions,
): Promise<Receipt> {
  const { flags, signal } = context
  if (wallet === null) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a key that signs', usage: '' })
  const mostWei = flags['max-fee'] === undefined ? usual : parseAmount(flags['max-fee'])
  const made = await prepare(context, { address: wallet.address, wallet }, order, slackGas)
  const tipWei = made.maxPriorityFeePerGas ?? 0n
  const baseFeeWei = await baseFeeOf(context)
  const first = firstBid({ baseFeeWei, tipWei }, null, mostWei)
  if (first === null) throw new NodeError(BiddingErrors.DEAR, { baseFeeWei, tipWei, mostWei })
  const hashes: string[] = []
  const give = async (caps: FeeCaps): Promise<FeeCaps> => {
    const next = made.clone()
    next.maxFeePerGas = caps.maxFeeWei
    next.maxPriorityFeePerGas = caps.maxTipWei
    const raw = await wallet.signTransaction(next)
    hashes.push(String(await request(urlOf(context), 'eth_sendRawTransaction', [raw])))
    return caps
  }
  /** What waits in the pool may be dearer, where its place is asked for. */
  const taken = async (caps: FeeCaps): Promise<FeeCaps> => {
    try {
      return await give(caps)
    } catch (error) {
      const next =
        isOf(error, ClientErrors.ANSWER) && /underpriced/i.test(error.message) ? raisedBid(caps, 0n, mostWei) : null
      if (next === null) throw error
      return taken(next)
    }
  }
  const raised = async (caps: FeeCaps): Promise<FeeCaps> => {
    try {
      const next = raisedBid(caps, await baseFeeOf(context), mostWei)
      return next === null ? caps : await give(next)
    } catch (error) {
      // What was sent is sent: it may be in a block by now, or the node away for a while.
      if (isOf(error, ClientErrors.ANSWER) || isOf(error, ClientErrors.UNREACHABLE)) return caps
      throw error
    }
  }
  const seconds = Number(fieldOf(context, 'timeout', /^\d{1,5}$/, 'seconds') ?? 60)
  let bid = await taken(first)
  for (let [raiseAt, until] = [Date.now() + raiseMs, Date.now() + seconds * 1_000]; ; ) {
    for (const hash of hashes.toReversed()) {
      const receipt = await receiptNow(urlOf(context), hash)
      if (receipt !== null) return receipt
    }
    if (Date.now() > until || signal.aborted) {
      const isMost = raisedBid(bid, 0n, mostWei) === null
      const facts = { hash: hashes.at(-1) ?? '', nonce: made.nonce, seconds, bidWei: bid.maxFeeWei, isMost }
      throw new NodeError(BiddingErrors.OUTBID, { ...facts, baseFeeWei: await baseFeeOf(context) })
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
    if (Date.now() < raiseAt) continue
    bid = await raised(bid)
    raiseAt = Date.now() + raiseMs
  }
}
const isOf = (error: unknown, { code }: { readonly code: string }): error is NodeError =>
  error instanceof NodeError && error.code === code
const baseFeeOf = async (context: CommandContext): Promise<bigint> => {
  const block = await request(urlOf(context), 'eth_getBlockByNumber', ['latest', false])
  return BigInt((block as { readonly baseFeePerGas: string }).baseFeePerGas) // every chain with a bridge has it
}
