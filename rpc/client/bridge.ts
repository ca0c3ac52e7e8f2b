// What a back end does with the bridge: sends to another chain, and asks what became of it. Owns the shapes in which its users see them: chains
// as numbers, amounts in the smallest unit, times in seconds. A vault on another chain has the same two functions. Runs in a browser.
import type { TransactionReceipt } from 'ethers'
import { asHash, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { abi } from '../../chain/native/bridge/abi.ts'
import { decodeEvent } from '../../chain/native/kit/abi.ts'
import { bindContract, ContractErrors, type Runner } from './contract.ts'
import { addressOf, bytesOf, countOf, hexOf, uintOf } from './values.ts'

/** Where the module is, on every network. */
export const BRIDGE: Hex = '0x0000000000000000000000000000000000000830'
const COIN = `0x${'00'.repeat(20)}`

export interface BridgeOrder {
  /** Id of the target chain. */
  readonly chain: number
  /** There: 20 bytes as 0x text. */
  readonly to: string
  readonly amount: bigint
  /** Here: the address of a token that has a route, as `TOKENS.CPU`; the coin where it is not given. */
  readonly token?: string
  /** For the recipient; at most 4,096 bytes as 0x text. */
  readonly data?: string
}
const STATUSES = ['none', 'sent', 'refunded', 'delivered', 'refused', 'noticed'] as const
export interface BridgeTransfer {
  /** Of the chain that is asked: its own are `sent` or `refunded`, those of others `delivered`, `refused` or (of notices) `noticed`. */
  readonly status: Exclude<(typeof STATUSES)[number], 'none'>
  /** The other chain. */
  readonly chain: number
  readonly sequence: number
  /** Seconds: time of the block that last changed the status. */
  readonly changedAt: number
}
export interface BridgeClient {
  /** Sends it with what it carries; it is delivered by `deadline`, in seconds, or paid back. */
  initiateBridge(order: BridgeOrder): Promise<{
    readonly id: string
    readonly sequence: number
    readonly deadline: number
    readonly receipt: TransactionReceipt
  }>
  /** null of a message that this chain has neither sent nor settled. */
  getTransfer(id: string): Promise<BridgeTransfer | null>
}

/** The way in: `at` is the vault of another chain, and `runner` is connected to that chain. A vault takes a token by allowance. */
export function bridgeClient(runner: Runner, at: string = BRIDGE): BridgeClient {
  const bridge = bindContract({ abi, at: bytesToHex(addressOf('at', at)), runner })
  return {
    async initiateBridge({ chain, to, amount, token = COIN, data = '0x' }) {
      const [asset, sum] = [addressOf('token', token), uintOf('amount', amount)]
      const value = asset.every((byte) => byte === 0) ? sum : 0n
      const target = countOf('chain', chain, 64)
      const receipt = await bridge.pay(value, 'send', target, addressOf('to', to), asset, sum, hexOf('data', data))
      const { topic } = abi.events.MessageSent
      const log = receipt.logs.find(({ topics }) => topics[0] === topic)
      if (log === undefined) throw new NodeError(ContractErrors.NOT_MINED, { call: 'send', hash: receipt.hash })
      const topics = log.topics.map((each) => asHash(hexToBytes(each)))
      const { id, sequence, message } = decodeEvent(abi.events.MessageSent, { topics, data: hexToBytes(log.data) })
      return { id: bytesToHex(id), sequence: Number(sequence), deadline: Number(message.deadline), receipt }
    },
    async getTransfer(id) {
      const [found] = await bridge.read('transfer', bytesOf('id', id, 32))
      const status = STATUSES[Number(found.status)] ?? 'none'
      if (status === 'none') return null
      const { chain, sequence, changedAt } = found
      return { status, chain: Number(chain), sequence: Number(sequence), changedAt: Number(changedAt) }
    },
  }
}
