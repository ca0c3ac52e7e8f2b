// eth_: blocks, transactions, receipts, fees, and the chain itself. What asks for one of a block's transactions decodes one.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { bytesToHex, type Hash } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { blockRef, count, data, flag, hash, list, number, optional } from '../../chain/base/schema.ts'
import type { Json } from '../../chain/types/call.ts'
import { requireKept } from '../../chain/types/kept.ts'
import { isSystemTx } from '../../chain/types/system-tx.ts'
import { effectiveGasPrice } from '../../chain/types/tx.ts'
import { blockToJson, hexQuantity, receiptsToJson, receiptToJson, txToJson } from '../format.ts'
import { type Ctx, defineMethod, heightOf, mustHeight, outlineAt, RpcErrors } from '../method.ts'

const fullBlock = ({ chain }: Ctx, height: number | null, full: boolean): Json => {
  if (height === null) return null
  requireKept(chain.kept(), 'bodies', height)
  const block = chain.block(height)
  return block === null ? null : blockToJson(block, full ? chain.txs(height) : null)
}

const txAt = ({ chain }: Ctx, height: number | null, index: number): Json => {
  if (height !== null) requireKept(chain.kept(), 'bodies', height)
  const block = height === null ? null : chain.outline(height)
  const tx = height === null ? null : chain.stored.tx(height, index)
  return block === null || tx === null ? null : txToJson(tx, { block, index })
}

const rawTxAt = ({ chain }: Ctx, height: number, index: number): Json => {
  const tx = chain.stored.tx(height, index)
  return tx === null ? null : bytesToHex(tx.raw)
}

const findReceipt = ({ chain }: Ctx, txHash: Hash): Json => {
  const place = chain.place(txHash)
  if (place === null) return null
  const { height, index } = place
  requireKept(chain.kept(), 'receipts', height)
  const [block, tx, receipt] = [
    chain.outline(height),
    chain.stored.tx(height, index),
    chain.stored.receipt(height, index),
  ]
  if (block === null || tx === null || receipt === null) return null
  return receiptToJson(block, tx, receipt, { index, firstLog: receipt.firstLog })
}

const TIP_BLOCKS = 20
const TIP_TXS = 50
/** Median tip of the last blocks' first transactions, at least a hundredth of a gwei: what a wallet offers. */
const suggestedTip = ({ chain }: Ctx): bigint => {
  const tips: bigint[] = []
  const head = chain.head().header.number
  for (let height = head; height > Math.max(0, head - TIP_BLOCKS); height--) {
    const block = chain.outline(height)
    if (block === null) continue
    const base = block.header.baseFeeWei
    for (let index = 0; index < Math.min(TIP_TXS, block.txCount); index++) {
      const tx = chain.stored.tx(height, index)
      if (tx !== null && !isSystemTx(tx)) tips.push(effectiveGasPrice(tx, base) - base)
    }
  }
  tips.sort((a, b) => (a < b ? -1 : 1))
  const median = tips[tips.length >> 1]
  return median === undefined || median < TIP_MIN_WEI ? TIP_MIN_WEI : median
}
const TIP_MIN_WEI = 10_000_000n

const feeHistory = async (
  { chain }: Ctx,
  blocks: number,
  newest: number,
  percentiles: readonly number[],
): Promise<Json> => {
  const size = Math.min(blocks, newest + 1, 1_024)
  const oldest = newest - size + 1
  requireKept(chain.kept(), percentiles.length > 0 ? 'receipts' : 'headers', Math.min(newest, Math.max(1, oldest)))
  const heights = Array.from({ length: size }, (_, i) => oldest + i)
  const headers = heights.map((height) => chain.outline(height)?.header)
  const after = chain.outline(newest + 1)?.header.baseFeeWei ?? chain.nextBaseFee()
  const baseFees = [...headers.map((header) => header?.baseFeeWei ?? 0n), after]
  const reward: Json[] = []
  for (const height of percentiles.length > 0 ? heights : []) {
    reward.push(rewardsOf(chain, height, percentiles))
    await nextTurn() // those of a full block are some 10 ms
  }
  return {
    oldestBlock: hexQuantity(oldest),
    baseFeePerGas: baseFees.map(hexQuantity),
    gasUsedRatio: headers.map((header) =>
      header === undefined ? 0 : Number(header.gasUsed) / Number(header.gasLimit),
    ),
    baseFeePerBlobGas: baseFees.map(() => '0x1'),
    blobGasUsedRatio: headers.map(() => 0),
    ...(percentiles.length > 0 && { reward }),
  }
}

/** Tips at percentiles of the block's gas. */
const rewardsOf = (chain: Ctx['chain'], height: number, percentiles: readonly number[]): Json => {
  const base = chain.outline(height)?.header.baseFeeWei ?? 0n
  // The system transaction used none, at no price.
  const spent = [...(chain.stored.spent(height) ?? [])].filter(([, gas]) => gas > 0n)
  spent.sort(([a], [b]) => (a < b ? -1 : 1))
  const total = Number(spent.reduce((sum, [, gas]) => sum + gas, 0n))
  return percentiles.map((percentile) => {
    let passed = 0
    for (const [priceWei, gas] of spent) {
      passed += Number(gas)
      if (passed >= (total * percentile) / 100) return hexQuantity(priceWei - base)
    }
    return '0x0'
  })
}

const percentileList = list(number, 100)

export const ethBlock = [
  defineMethod('eth_chainId', {
    summary: 'Chain id of this network.',
    params: [],
    run: ({ chain }) => hexQuantity(chain.genesis.chainId),
  }),
  defineMethod('eth_blockNumber', {
    summary: 'Height of the last final block.',
    params: [],
    run: ({ chain }) => hexQuantity(chain.head().header.number),
  }),
  defineMethod('eth_syncing', { summary: 'False: the node is at the head.', params: [], run: () => false }),
  defineMethod('eth_accounts', { summary: 'Empty: the node holds no accounts of users.', params: [], run: () => [] }),
  defineMethod('eth_gasPrice', {
    summary: 'Next base fee and the suggested tip, in wei.',
    params: [],
    run: (ctx) => hexQuantity(ctx.chain.nextBaseFee() + suggestedTip(ctx)),
  }),
  defineMethod('eth_maxPriorityFeePerGas', {
    summary: 'Suggested tip in wei: the median of recent blocks.',
    params: [],
    run: (ctx) => hexQuantity(suggestedTip(ctx)),
  }),
  defineMethod('eth_blobBaseFee', { summary: 'One wei: this chain carries no blobs.', params: [], run: () => '0x1' }),
  defineMethod('eth_feeHistory', {
    summary: 'Base fees, gas use and tips of past blocks.',
    params: [
      ['blockCount', count],
      ['newestBlock', blockRef],
      ['rewardPercentiles', optional(percentileList)],
    ],
    run(ctx, [blocks, newest, given]) {
      const percentiles = given ?? []
      if (percentiles.some((each, i) => each < 0 || each > 100 || each < (percentiles[i - 1] ?? 0)))
        throw new NodeError(RpcErrors.PARAMS, { name: 'rewardPercentiles', reason: 'expected 0 to 100, ascending' })
      return feeHistory(ctx, blocks, mustHeight(ctx.chain, newest), percentiles)
    },
  }),
  defineMethod('eth_getBlockByNumber', {
    summary: 'A block by height or tag.',
    params: [
      ['block', blockRef],
      ['full', flag],
    ],
    run: (ctx, [block, full]) => fullBlock(ctx, heightOf(ctx.chain, block), full),
  }),
  defineMethod('eth_getBlockByHash', {
    summary: 'A block by its hash.',
    params: [
      ['hash', hash],
      ['full', flag],
    ],
    run: (ctx, [blockHash, full]) => fullBlock(ctx, ctx.chain.heightOf(blockHash), full),
  }),
  defineMethod('eth_getBlockTransactionCountByNumber', {
    summary: 'Number of transactions in a block.',
    params: [['block', blockRef]],
    run({ chain }, [ref]) {
      const block = outlineAt(chain, ref)
      return block === null ? null : hexQuantity(block.txCount)
    },
  }),
  defineMethod('eth_getBlockTransactionCountByHash', {
    summary: 'Number of transactions in a block.',
    params: [['hash', hash]],
    run({ chain }, [blockHash]) {
      const block = outlineAt(chain, { blockHash })
      return block === null ? null : hexQuantity(block.txCount)
    },
  }),
  defineMethod('eth_getUncleCountByBlockNumber', {
    summary: 'Zero: there are no uncles.',
    params: [['block', blockRef]],
    run: ({ chain }, [ref]) => (outlineAt(chain, ref) === null ? null : '0x0'),
  }),
  defineMethod('eth_getUncleCountByBlockHash', {
    summary: 'Zero: there are no uncles.',
    params: [['hash', hash]],
    run: ({ chain }, [blockHash]) => (outlineAt(chain, { blockHash }) === null ? null : '0x0'),
  }),
  defineMethod('eth_getBlockReceipts', {
    summary: 'All receipts of a block.',
    params: [['block', blockRef]],
    run({ chain }, [ref]) {
      const height = heightOf(chain, ref)
      if (height !== null) requireKept(chain.kept(), 'receipts', height)
      return height === null ? null : receiptsToJson(chain, height)
    },
  }),
  defineMethod('eth_getTransactionByHash', {
    summary: 'A transaction, in a block or in the pool.',
    params: [['hash', hash]],
    run(ctx, [txHash]) {
      const place = ctx.chain.place(txHash)
      if (place !== null) return txAt(ctx, place.height, place.index)
      const waiting = ctx.chain.pool.get(txHash)
      return waiting === null ? null : txToJson(waiting, null)
    },
  }),
  defineMethod('eth_getTransactionByBlockNumberAndIndex', {
    summary: 'A transaction by its place.',
    params: [
      ['block', blockRef],
      ['index', count],
    ],
    run: (ctx, [ref, index]) => txAt(ctx, heightOf(ctx.chain, ref), index),
  }),
  defineMethod('eth_getTransactionByBlockHashAndIndex', {
    summary: 'A transaction by its place.',
    params: [
      ['hash', hash],
      ['index', count],
    ],
    run: (ctx, [blockHash, index]) => txAt(ctx, ctx.chain.heightOf(blockHash), index),
  }),
  defineMethod('eth_getRawTransactionByHash', {
    summary: 'The signed bytes of a transaction.',
    params: [['hash', hash]],
    run(ctx, [txHash]) {
      const place = ctx.chain.place(txHash)
      if (place !== null) return rawTxAt(ctx, place.height, place.index)
      const waiting = ctx.chain.pool.get(txHash)
      return waiting === null ? null : bytesToHex(waiting.raw)
    },
  }),
  defineMethod('eth_getTransactionReceipt', {
    summary: 'The receipt of a transaction that is in a block.',
    params: [['hash', hash]],
    run: (ctx, [txHash]) => findReceipt(ctx, txHash),
  }),
  defineMethod('eth_sendRawTransaction', {
    summary: 'Admits a signed transaction to the pool and returns its hash.',
    params: [['transaction', data]],
    run: async ({ chain }, [raw]) => bytesToHex(await chain.submit(raw, 'local')),
    async runAll({ chain }, calls) {
      const answers = await chain.submitAll(
        calls.map(([raw]) => raw),
        'local',
      )
      return answers.map((answer) => (answer instanceof NodeError ? answer : bytesToHex(answer)))
    },
  }),
] as const
