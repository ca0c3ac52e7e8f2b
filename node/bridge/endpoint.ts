// What a watcher asks of one endpoint of another chain: its finalized block, the hash of a height, and what the vault sent between two. Owns
// the reading of a vault's logs: an id is computed here, never believed.
import { type Address, bigintToFixed, bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { address, count, data, hash, list } from '../../chain/base/schema.ts'
import { abi } from '../../chain/native/bridge/abi.ts'
import { DATA_MAX, type Message, messageId, RECIPIENT_BYTES } from '../../chain/native/bridge/message.ts'
import { decodeEvent, encodeCall } from '../../chain/native/kit/abi.ts'
import { createAsker, type L1Options } from '../rollup/l1.ts'
import { as, fieldOf, Unreadable } from '../rollup/reading.ts'

export interface Sent {
  readonly height: number
  readonly message: Message
}

/** Throws L1_*. */
export interface Endpoint {
  /** For logs: the host alone. */
  readonly name: string
  finalized(): Promise<{ readonly number: number; readonly hash: Hash }>
  /** null where it has no such block. */
  hashOf(height: number): Promise<Hash | null>
  /**
   * What a vault sent to this chain from one height to another, both included, in order. Where one block alone is too much of an answer it is asked
   * for by sequences, from the one after `after` on; null where that is not known.
   */
  sent(vault: Address, from: number, to: number, after: bigint | null): Promise<readonly Sent[]>
  /** Whether a vault had sent a message to this chain by the end of a block. L1_REFUSED where the endpoint has that state no more. */
  hasSent(vault: Address, sequence: bigint, height: number): Promise<boolean>
}

/** A thousand messages with the most data there may be. */
const ANSWER_MAX_BYTES = 16 * 1024 * 1024
const LOGS_MAX = 4_096
/** Sequences that are asked for at once where a block has too many logs: with the most data there may be they are 3 MB. */
const SLICE = 256n
/** More than fit a block of NovaChain. */
const SLICED_MAX = 32_768
/** Of a log with the most in it: where the message begins, its ten fields, two lengths, the recipient in a word, the data. */
const LOG_MAX_BYTES = 14 * 32 + DATA_MAX
const MESSAGE_SENT = abi.events.MessageSent

export function createEndpoint(options: L1Options, here: bigint): Endpoint {
  const asker = createAsker({ answerMaxBytes: ANSWER_MAX_BYTES, ...options })
  return {
    name: asker.host,
    async finalized() {
      await asker.known()
      return asker.ask('eth_getBlockByNumber', ['finalized', false], blockOf)
    },
    hashOf: (height) =>
      asker.ask('eth_getBlockByNumber', [quantityOf(height), false], (value) => {
        if (value === null) return null
        const block = blockOf(value)
        if (block.number !== height) throw new Unreadable(`it is block ${block.number}`)
        return block.hash
      }),
    async sent(vault, from, to, after) {
      const range = { vault, from, to, there: options.chainId, here }
      try {
        return await sentBy(asker, range, null)
      } catch (error) {
        const isMuch = error instanceof NodeError && (error.code === 'L1_REFUSED' || error.code === 'L1_ANSWER')
        if (!isMuch || from !== to || after === null) throw error
      }
      const all: Sent[] = []
      for (let first = after + 1n; ; first += SLICE) {
        const some = await sentBy(asker, range, first)
        for (const each of some) all.push(each)
        if (some.length < Number(SLICE) || all.length >= SLICED_MAX) return all
      }
    },
    hasSent(vault, sequence, height) {
      // The same in the module and in a vault.
      const call = { to: bytesToHex(vault), data: bytesToHex(encodeCall(abi.functions.link, [here, sequence])) }
      return asker.ask('eth_call', [call, quantityOf(height)], (value) => {
        const link = as(data)(value)
        if (link.length !== 32 && link.length !== 0) throw new Unreadable('expected a word') // nothing: there was no contract yet
        return link.some((byte) => byte !== 0)
      })
    },
  }
}

const quantityOf = (height: number): string => `0x${height.toString(16)}`
const blockOf = (value: unknown) => ({
  number: fieldOf(value, 'number', count),
  hash: fieldOf(value, 'hash', hash),
})

interface Range {
  readonly vault: Address
  readonly from: number
  readonly to: number
  readonly there: bigint
  readonly here: bigint
}
/** All, or those of a slice of sequences. */
const sentBy = (
  asker: ReturnType<typeof createAsker>,
  range: Range,
  first: bigint | null,
): Promise<readonly Sent[]> => {
  const word = (value: bigint) => bytesToHex(bigintToFixed(value, 32))
  const sequences = first === null ? [] : [Array.from({ length: Number(SLICE) }, (_, i) => word(first + BigInt(i)))]
  const filter = {
    address: bytesToHex(range.vault),
    topics: [MESSAGE_SENT.topic, null, word(range.here), ...sequences],
    ...{ fromBlock: quantityOf(range.from), toBlock: quantityOf(range.to) },
  }
  return asker.ask('eth_getLogs', [filter], (value) => {
    if (!Array.isArray(value)) throw new Unreadable('expected a list')
    if (value.length > LOGS_MAX) throw new Unreadable(`more than ${LOGS_MAX} logs`)
    const found = value.map((log) => sentIn(log, range))
    if (found.some(({ height }, i) => height < (found[i - 1]?.height ?? 0))) throw new Unreadable('logs out of order')
    const isIn = ({ message: { sequence } }: Sent): boolean =>
      first === null || (sequence >= first && sequence < first + SLICE)
    if (!found.every(isIn)) throw new Unreadable('a log that was not asked for')
    return found
  })
}

const topics = list(hash, 4)
const sentIn = (log: unknown, { vault, from, to, there, here }: Range): Sent => {
  const height = fieldOf(log, 'blockNumber', count)
  if (!equalBytes(fieldOf(log, 'address', address), vault) || height < from || height > to)
    throw new Unreadable('a log that was not asked for')
  const bytes = fieldOf(log, 'data', data)
  if (bytes.length > LOG_MAX_BYTES) throw new Unreadable(`a log of ${bytes.length} bytes`)
  const said = decoded({ topics: fieldOf(log, 'topics', topics), data: bytes })
  const { message, id, chain, sequence } = said
  // Thousands are held: no contract sends more in one.
  if (message.data.length > DATA_MAX || message.recipient.length > RECIPIENT_BYTES)
    throw new Unreadable(`a message with ${message.data.length} bytes to ${message.recipient.length}`)
  const isOwn = message.sourceChain === there && message.targetChain === here
  if (!isOwn || chain !== here || sequence !== message.sequence || !equalBytes(id, messageId(message)))
    throw new Unreadable('a message that is not what its log says')
  return { height, message }
}
const decoded = (log: Parameters<typeof decodeEvent>[1]) => {
  const topic = log.topics[0]
  if (log.topics.length !== 4 || topic === undefined || bytesToHex(topic) !== MESSAGE_SENT.topic)
    throw new Unreadable('a log of another event')
  try {
    return decodeEvent(MESSAGE_SENT, log)
  } catch (error) {
    if (error instanceof NodeError && error.code === 'ABI_DECODE') throw new Unreadable(error.message)
    throw error
  }
}
