// The system transaction: what a block's hooks logged, in a form that every Ethereum tool reads. A block ends with one exactly where
// there are such logs. Its bytes follow from chain id and height, so that nobody has to send it; nobody signs it, so nobody can.
import { type Address, asAddress, equalBytes, hexToBytes } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'
import type { Block } from './block.ts'
import type { StoredReceipt } from './query.ts'
import { bloomOf, type Log } from './receipt.ts'
import type { Tx } from './tx.ts'

/** No key has this address; EIP-4788's system calls come from it too. */
export const SYSTEM_SENDER: Address = asAddress(hexToBytes(`0x${'ff'.repeat(19)}fe`))
/** The module whose hooks log most, staking: its address stands here, for it is in the bytes of blocks. */
export const SYSTEM_TARGET: Address = asAddress(hexToBytes('0x0000000000000000000000000000000000000801'))

const NONE = new Uint8Array(0)

/** A legacy transaction of this chain (EIP-155) whose nonce is the height, with zeros for a signature. */
export function systemTx(chainId: bigint, height: number): Tx {
  const nonce = BigInt(height)
  const v = 2n * chainId + 35n
  const raw = encodeRlp([rlpInt(nonce), NONE, NONE, SYSTEM_TARGET, NONE, NONE, rlpInt(v), NONE, NONE])
  return {
    ...{
      type: 0,
      chainId,
      nonce,
      gasLimit: 0n,
      maxFeeWei: 0n,
      maxTipWei: 0n,
      to: SYSTEM_TARGET,
      value: 0n,
      data: NONE,
    },
    ...{ accessList: [], authorizations: [], v, r: 0n, s: 0n, from: SYSTEM_SENDER, hash: keccak(raw), raw },
  }
}

/** Among the transactions of a block; no signature has an r of 0. */
export const isSystemTx = (tx: Tx): boolean => tx.r === 0n

/** A block's transactions that somebody sent. */
export function sentTxs(txs: readonly Tx[]): readonly Tx[] {
  const last = txs.at(-1)
  return last !== undefined && isSystemTx(last) ? txs.slice(0, -1) : txs
}

/** How many they are, without decoding them. */
export function sentCount({ header, txs }: Pick<Block, 'header' | 'txs'>, chainId: bigint): number {
  const last = txs.at(-1)
  return last !== undefined && equalBytes(last, systemTx(chainId, header.number).raw) ? txs.length - 1 : txs.length
}

/** `cumulativeGas` is all that the block used. */
export const systemReceipt = (logs: readonly Log[], cumulativeGas: bigint): StoredReceipt => ({
  ...{ type: 0, status: 1, cumulativeGas, bloom: bloomOf(logs), logs },
  ...{ gasUsed: 0n, gasPriceWei: 0n, created: null },
})
