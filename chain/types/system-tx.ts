// The system transaction: what a block's hooks logged, in a form that every Ethereum tool reads. A block ends with one exactly where
// there are such logs. Its bytes follow from chain id and height, so that nobody has to send it; nobody signs it, so nobody can.
import { type Address, asAddress, equalBytes, type Hash, hexToBytes } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { Pause } from '../base/ports.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'
import { type Block, BlockErrors } from './block.ts'
import type { StoredReceipt } from './query.ts'
import { bloomOf, type Log } from './receipt.ts'
import { decodeTx, type IdentifyTxs, type Identity, type Tx } from './tx.ts'

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

/** Transactions between two pauses: about 10 ms. */
const SLICE_TXS = 1_024

/**
 * A block's transactions with their senders; `known` has some already, `identify` finds the others out. Throws BLOCK_INVALID with the first
 * that is none.
 */
export async function decodeBlockTxs(
  { header, txs }: Pick<Block, 'header' | 'txs'>,
  deps: {
    readonly chainId: bigint
    readonly known: (hash: Hash) => Tx | null
    readonly identify?: IdentifyTxs | undefined
    readonly pause: Pause
  },
): Promise<readonly Tx[]> {
  const height = header.number
  const system = systemTx(deps.chainId, height)
  const decodeSent = (raw: Uint8Array, index: number, identity: Identity | null): Tx => {
    try {
      return decodeTx(raw, deps.chainId, identity === null ? undefined : () => identity.from, identity?.hash)
    } catch (cause) {
      if (!(cause instanceof NodeError)) throw cause
      throw new NodeError(BlockErrors.INVALID, { height, reason: `transaction ${index}: ${cause.message}` }, { cause })
    }
  }
  const out: Tx[] = []
  for (let from = 0; from < txs.length; from += SLICE_TXS) {
    const slice = txs.slice(from, from + SLICE_TXS)
    const found = slice.map((raw, i) => {
      const isSystem = from + i === txs.length - 1 && equalBytes(raw, system.raw)
      return isSystem ? system : deps.known(keccak(raw))
    })
    const unknown = slice.filter((_, i) => found[i] === null)
    const identities = deps.identify === undefined || unknown.length === 0 ? [] : await deps.identify(unknown, 'block')
    let next = 0
    for (const [i, raw] of slice.entries()) out.push(found[i] ?? decodeSent(raw, from + i, identities[next++] ?? null))
    if (out.length % SLICE_TXS === 0) await deps.pause()
  }
  return out
}
