// Domain to JSON, to the letter of Ethereum's execution API. Owns the spelling of blocks, transactions, receipts and logs.
import { bytesToHex, type Hash } from '../chain/base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY_LIST, keccak } from '../chain/base/crypto.ts'
import type { Chain } from '../chain/chain.ts'
import { type Block, ethereumBlockBytes } from '../chain/types/block.ts'
import type { Json } from '../chain/types/call.ts'
import type { ConsensusStatus, FoundLog, StoredReceipt } from '../chain/types/query.ts'
import { effectiveGasPrice, type Tx } from '../chain/types/tx.ts'
import type { Validator } from '../chain/types/validators.ts'
import type { Qc } from '../chain/types/vote.ts'

export const hexQuantity = (value: bigint | number): string => `0x${value.toString(16)}`
const hex = bytesToHex

const REQUESTS_HASH = '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export function headerToJson({ header, hash }: Block): { [key: string]: Json } {
  return {
    number: hexQuantity(header.number),
    hash: hex(hash),
    parentHash: hex(header.parentHash),
    nonce: '0x0000000000000000',
    sha3Uncles: hex(KECCAK_EMPTY_LIST),
    logsBloom: hex(header.bloom),
    transactionsRoot: hex(header.transactionsRoot),
    stateRoot: hex(header.stateRoot),
    receiptsRoot: hex(header.receiptsRoot),
    miner: hex(header.coinbase),
    difficulty: '0x0',
    extraData: hex(header.extraData),
    gasLimit: hexQuantity(header.gasLimit),
    gasUsed: hexQuantity(header.gasUsed),
    timestamp: hexQuantity(header.time),
    mixHash: hex(header.prevRandao),
    baseFeePerGas: hexQuantity(header.baseFeeWei),
    withdrawalsRoot: hex(EMPTY_ROOT),
    blobGasUsed: '0x0',
    excessBlobGas: '0x0',
    parentBeaconBlockRoot: hex(header.parentBeaconBlockRoot),
    requestsHash: REQUESTS_HASH,
  }
}

export const txHash = (raw: Uint8Array): Hash => keccak(raw)

/** `txs` for whole transactions, null for their hashes. */
export function blockToJson(block: Block, txs: readonly Tx[] | null): { [key: string]: Json } {
  return {
    ...headerToJson(block),
    size: hexQuantity(ethereumBlockBytes(block)),
    transactions:
      txs === null ? block.txs.map((raw) => hex(txHash(raw))) : txs.map((tx, index) => txToJson(tx, { block, index })),
    uncles: [],
    withdrawals: [],
  }
}

/** `place` null: not in a block yet. */
export function txToJson(
  tx: Tx,
  place: { readonly block: Pick<Block, 'header' | 'hash'>; readonly index: number } | null,
): { [key: string]: Json } {
  const typed = tx.type !== 0
  const dynamic = tx.type === 2 || tx.type === 4
  const baseFee = place?.block.header.baseFeeWei
  return {
    blockHash: place === null ? null : hex(place.block.hash),
    blockNumber: place === null ? null : hexQuantity(place.block.header.number),
    blockTimestamp: place === null ? null : hexQuantity(place.block.header.time),
    transactionIndex: place === null ? null : hexQuantity(place.index),
    from: hex(tx.from),
    gas: hexQuantity(tx.gasLimit),
    gasPrice: hexQuantity(baseFee === undefined ? tx.maxFeeWei : effectiveGasPrice(tx, baseFee)),
    ...(dynamic && {
      maxFeePerGas: hexQuantity(tx.maxFeeWei),
      maxPriorityFeePerGas: hexQuantity(tx.maxTipWei),
    }),
    hash: hex(tx.hash),
    input: hex(tx.data),
    nonce: hexQuantity(tx.nonce),
    to: tx.to === null ? null : hex(tx.to),
    value: hexQuantity(tx.value),
    type: hexQuantity(tx.type),
    ...(tx.chainId !== null && { chainId: hexQuantity(tx.chainId) }),
    ...(typed && {
      accessList: tx.accessList.map(({ address, keys }) => ({ address: hex(address), storageKeys: keys.map(hex) })),
    }),
    ...(tx.type === 4 && {
      authorizationList: tx.authorizations.map((entry) => ({
        chainId: hexQuantity(entry.chainId),
        address: hex(entry.address),
        nonce: hexQuantity(entry.nonce),
        yParity: hexQuantity(entry.yParity),
        r: hexQuantity(entry.r),
        s: hexQuantity(entry.s),
      })),
    }),
    v: hexQuantity(tx.v),
    r: hexQuantity(tx.r),
    s: hexQuantity(tx.s),
    ...(typed && { yParity: hexQuantity(tx.v) }),
  }
}

/** The receipt of transaction `index`; `firstLog` counts the block's logs before it. */
export function receiptToJson(
  block: Pick<Block, 'header' | 'hash'>,
  tx: Tx,
  receipt: StoredReceipt,
  at: { readonly index: number; readonly firstLog: number },
): { [key: string]: Json } {
  const place = { block, txHash: tx.hash, index: at.index }
  return {
    type: hexQuantity(receipt.type),
    status: hexQuantity(receipt.status),
    cumulativeGasUsed: hexQuantity(receipt.cumulativeGas),
    logsBloom: hex(receipt.bloom),
    logs: receipt.logs.map((log, i) =>
      logToJson({
        ...log,
        height: block.header.number,
        blockHash: block.hash,
        time: block.header.time,
        txHash: place.txHash,
        txIndex: at.index,
        logIndex: at.firstLog + i,
      }),
    ),
    transactionHash: hex(tx.hash),
    transactionIndex: hexQuantity(at.index),
    blockHash: hex(block.hash),
    blockNumber: hexQuantity(block.header.number),
    from: hex(tx.from),
    to: tx.to === null ? null : hex(tx.to),
    gasUsed: hexQuantity(receipt.gasUsed),
    effectiveGasPrice: hexQuantity(receipt.gasPriceWei),
    contractAddress: receipt.created === null ? null : hex(receipt.created),
  }
}

/** All receipts of a block; null where it is unknown or pruned. */
export function receiptsToJson(chain: Chain, height: number): { [key: string]: Json }[] | null {
  const [block, txs, receipts] = [chain.block(height), chain.txs(height), chain.receipts(height)]
  if (block === null || txs === null || receipts === null) return null
  let firstLog = 0
  return receipts.flatMap((receipt, index) => {
    const tx = txs[index]
    if (tx === undefined) return []
    const json = receiptToJson(block, tx, receipt, { index, firstLog })
    firstLog += receipt.logs.length
    return [json]
  })
}

export const logToJson = (log: FoundLog): { [key: string]: Json } => ({
  address: hex(log.address),
  topics: log.topics.map(hex),
  data: hex(log.data),
  blockNumber: hexQuantity(log.height),
  transactionHash: hex(log.txHash),
  transactionIndex: hexQuantity(log.txIndex),
  blockHash: hex(log.blockHash),
  blockTimestamp: hexQuantity(log.time),
  logIndex: hexQuantity(log.logIndex),
  removed: false,
})

export const certificateToJson = (qc: Qc): { [key: string]: Json } => ({
  type: qc.type,
  height: hexQuantity(qc.height),
  round: hexQuantity(qc.round),
  blockHash: hex(qc.blockHash),
  bitmap: hex(qc.bitmap),
  signature: hex(qc.signature),
})

export const validatorToJson = (validator: Validator): { [key: string]: Json } => ({
  address: hex(validator.address),
  blsKey: hex(validator.blsKey),
  power: hexQuantity(validator.power),
})

/** Of the validators that are waited for so many are named. */
const MISSING_MAX = 100

export function consensusToJson(status: ConsensusStatus): { [key: string]: Json } {
  const { height, round, step, proposer, powerTotal, power, missing, self, lastSigned, silence, waitsFor, halt } =
    status
  return {
    height: hexQuantity(height),
    round: hexQuantity(round),
    step,
    proposer: hex(proposer),
    powerTotal: hexQuantity(powerTotal),
    power: {
      prepare: hexQuantity(power.prepare),
      commit: hexQuantity(power.commit),
      timeout: hexQuantity(power.timeout),
    },
    missingCount: hexQuantity(missing.length),
    missing: missing.slice(0, MISSING_MAX).map((each) => ({
      address: hex(each.address),
      power: hexQuantity(each.power),
      heardMs: each.heardMs === null ? null : hexQuantity(each.heardMs),
    })),
    validator: self === null ? null : hex(self),
    lastSigned:
      lastSigned === null
        ? null
        : { ...lastSigned, height: hexQuantity(lastSigned.height), round: hexQuantity(lastSigned.round) },
    silence,
    waitsFor,
    halt,
  }
}

/** A storage word as 32 bytes of hex. */
export const hexWord = (value: bigint): string => `0x${value.toString(16).padStart(64, '0')}`
