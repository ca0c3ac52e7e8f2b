// A transaction to a chain where gas may grow dear while it waits: it bids more under its nonce until a block takes it. Owns when, up to what, and what
// is said where that is not enough. The bids are the poster's and the relayer's.
import { bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { ClientErrors, request } from '../../rpc/client/http.ts'
import { parseAmount } from '../amounts.ts'
import { type CommandContext, UsageErrors } from '../args.ts'
import { type FeeCaps, firstBid, raisedBid } from '../rollup/fees.ts'
import { type Receipt, receiptNow } from './receipt.ts'
import { fieldOf, prepare, type Sender, urlOf } from './send.ts'

const gwei = (wei: bigint): string => `${Number(wei / 10n ** 6n) / 1_000} gwei`

interface OutbidFacts {
  readonly hash: string
  readonly nonce: number
  readonly seconds: number
  readonly bidWei: bigint
  readonly isMost: boolean
  /** null: no node says. */
  readonly baseFeeWei: bigint | null
  readonly isHeard: boolean
  /** What came instead of word that a node has it. */
  readonly reason: string | null
}
const BiddingErrors = defineErrors('TXBID', {
  DEAR: {
    text: (d: { baseFeeWei: bigint; tipWei: bigint; mostWei: bigint }) =>
      `a unit of gas costs ${gwei(d.baseFeeWei)} and a tip of ${gwei(d.tipWei)} now, and at most ${gwei(d.mostWei)} may be paid: nothing was sent. Wait until it is cheaper, or say more with --max-fee`,
  },
  OUTBID: {
    text: (d: OutbidFacts) =>
      `transaction ${d.hash} is in no block after ${d.seconds} s: it bids ${gwei(d.bidWei)} for a unit of gas${d.isMost ? ', the most that may be paid,' : ''} and the base fee is ${d.baseFeeWei === null ? 'not known' : gwei(d.baseFeeWei)}. ` +
      (d.isHeard ? '' : `No node said that it has it${d.reason === null ? '' : ` (${d.reason})`}. `) +
      `It may still get into one, and the account's next transactions wait behind it: the same command with --nonce ${d.nonce} and a higher --max-fee or longer --timeout takes its place; without --nonce it is sent twice`,
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
  /** Of all that a node may have, whatever it said: the last one is the dearest. */
  const hashes: string[] = []
  let reason: string | null = null
  const bidOf = async (caps: FeeCaps): Promise<Bid> => {
    const next = made.clone()
    next.maxFeePerGas = caps.maxFeeWei
    next.maxPriorityFeePerGas = caps.maxTipWei
    const raw = (await wallet.signTransaction(next)) as Hex // as ethers writes it
    return { caps, raw, hash: bytesToHex(keccak(hexToBytes(raw))), isHeard: false }
  }
  /** From here on it may be in a pool; but for a refusal that says it is in none. */
  const give = async (bid: Bid): Promise<Bid> => {
    hashes.push(bid.hash)
    try {
      await request(urlOf(context), 'eth_sendRawTransaction', [bid.raw])
    } catch (error) {
      if (isOf(error, ClientErrors.ANSWER) && KNOWN.test(error.message)) return { ...bid, isHeard: true }
      if (!isUnsure(error)) {
        hashes.pop()
        throw error
      }
      reason = error.message
      return bid
    }
    return { ...bid, isHeard: true }
  }
  /** What waits in the pool may be dearer, where its place is asked for. */
  const taken = async (caps: FeeCaps): Promise<Bid> => {
    try {
      return await give(await bidOf(caps))
    } catch (error) {
      const next =
        isOf(error, ClientErrors.ANSWER) && /underpriced/i.test(error.message) ? raisedBid(caps, 0n, mostWei) : null
      if (next === null) throw error
      return taken(next)
    }
  }
  /** What no node said it has is given again before more is bid. */
  const again = async (bid: Bid): Promise<Bid> => {
    const { length } = hashes
    const given = await give(bid).catch(ifAnswered(() => ({ ...bid, isHeard: true })))
    hashes.length = length
    return given
  }
  const raised = async (bid: Bid): Promise<Bid> => {
    if (!bid.isHeard) return again(bid)
    const baseFeeWei = await baseFeeOf(context).catch(ifAnswered(() => null))
    const caps = baseFeeWei === null ? null : raisedBid(bid.caps, baseFeeWei, mostWei)
    return caps === null ? bid : give(await bidOf(caps)).catch(ifAnswered(() => bid))
  }
  const seconds = Number(fieldOf(context, 'timeout', /^\d{1,5}$/, 'seconds') ?? 60)
  let bid = await taken(first)
  for (let [raiseAt, until] = [Date.now() + raiseMs, Date.now() + seconds * 1_000]; ; ) {
    for (const hash of hashes.toReversed()) {
      const receipt = await receiptNow(urlOf(context), hash)
      if (receipt !== null) return receipt
    }
    if (Date.now() > until || signal.aborted) {
      const { caps, hash, isHeard } = bid
      const isMost = raisedBid(caps, 0n, mostWei) === null
      const facts = { hash, nonce: made.nonce, seconds, bidWei: caps.maxFeeWei, isMost, isHeard, reason }
      const baseFeeNow = await baseFeeOf(context).catch(ifAnswered(() => null))
      throw new NodeError(BiddingErrors.OUTBID, { ...facts, baseFeeWei: baseFeeNow })
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
    if (Date.now() < raiseAt) continue
    bid = await raised(bid)
    raiseAt = Date.now() + raiseMs
  }
}
interface Bid {
  readonly caps: FeeCaps
  readonly raw: string
  readonly hash: string
  /** A node said that it has it. */
  readonly isHeard: boolean
}

/** As nodes and gateways say that they have it. */
const KNOWN = /already known|known transaction|already imported|already exists/i
/** As they say that they will not have it, in the words of geth. Whatever else they say, such as a gateway's limit, they may have taken it. */
const REFUSED = new RegExp(
  'insufficient|nonce too|nonce has|underpriced|gas too|gas limit|gas price|per gas|fee cap|base fee|oversized|initcode|' +
    'invalid (sender|signature|chain|transaction)|not an eoa|chain ?id|does not exist|not supported',
  'i',
)

const isOf = (error: unknown, { code }: { readonly code: string }): error is NodeError =>
  error instanceof NodeError && error.code === code
const isUnsure = (error: unknown): error is NodeError =>
  isOf(error, ClientErrors.UNREACHABLE) || (isOf(error, ClientErrors.ANSWER) && !REFUSED.test(error.message))
/** What was sent is sent: it may be in a block by now, or the node away for a while. */
const ifAnswered =
  <T>(instead: () => T) =>
  (error: unknown): T => {
    if (isOf(error, ClientErrors.ANSWER) || isOf(error, ClientErrors.UNREACHABLE)) return instead()
    throw error
  }
const baseFeeOf = async (context: CommandContext): Promise<bigint> => {
  const method = 'eth_getBlockByNumber'
  const block = await request(urlOf(context), method, ['latest', false])
  const { baseFeePerGas } = (block ?? {}) as { readonly baseFeePerGas?: unknown } // looked at in the next line
  if (typeof baseFeePerGas === 'string' && /^0x[0-9a-f]+$/i.test(baseFeePerGas)) return BigInt(baseFeePerGas)
  throw new NodeError(ClientErrors.ANSWER, { method, message: 'no base fee' }) // every chain with a bridge has it
}
