// Receipts and logs: EIP-2718 encoding and the 2048-bit bloom. Owns no state.
import { type Address, concat, type Hash } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { encodeRlp, rlpInt } from '../base/rlp.ts'

export interface Log {
  readonly address: Address
  readonly topics: readonly Hash[]
  readonly data: Uint8Array
}

export interface Receipt {
  readonly type: number
  readonly status: 0 | 1
  /** Gas used by the block up to and including this transaction. */
  readonly cumulativeGas: bigint
  readonly bloom: Uint8Array
  readonly logs: readonly Log[]
}

const addToBloom = (bloom: Uint8Array, item: Uint8Array): void => {
  const digest = keccak(item)
  for (let i = 0; i < 6; i += 2) {
    const bit = (((digest[i] as number) << 8) | (digest[i + 1] as number)) & 2047
    const at = 255 - (bit >> 3)
    bloom[at] = (bloom[at] as number) | (1 << (bit & 7))
  }
}

/** Yellow paper, section 4.3.1: three bits for each address and topic. */
export function bloomOf(logs: readonly Log[]): Uint8Array {
  const bloom = new Uint8Array(256)
  for (const log of logs) {
    addToBloom(bloom, log.address)
    for (const topic of log.topics) addToBloom(bloom, topic)
  }
  return bloom
}

/** Ors `bloom` into `target`, both 256 bytes. */
export function mergeBloom(target: Uint8Array, bloom: Uint8Array): void {
  for (let i = 0; i < 256; i++) target[i] = (target[i] as number) | (bloom[i] as number)
}

/** True where the bloom may hold the item; false means it certainly does not. */
export function bloomMayHold(bloom: Uint8Array, item: Uint8Array): boolean {
  const probe = new Uint8Array(256)
  addToBloom(probe, item)
  return probe.every((byte, i) => ((bloom[i] as number) & byte) === byte)
}

export const logsToRlp = (logs: readonly Log[]) => logs.map((log) => [log.address, log.topics, log.data] as const)

/** The bytes that enter the receipts trie. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const body = encodeRlp([
    rlpInt(receipt.status),
    rlpInt(receipt.cumulativeGas),
    receipt.bloom,
    logsToRlp(receipt.logs),
  ])
  return receipt.type === 0 ? body : concat(Uint8Array.of(receipt.type), body)
}
