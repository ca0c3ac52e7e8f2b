// The L1 as settlement and bridges see it: JSON-RPC over HTTP, one endpoint. Owns the bounds of every answer, their deadline, and the
// check of each field: what comes from an endpoint is hostile until it is read here. Whether an endpoint tells the truth is not known here.
import { type Address, bytesToHex, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { address, type Codec, count, data, hash, quantity } from '../../chain/base/schema.ts'
import { as, fieldOf, Unreadable } from './reading.ts'

export const L1Errors = defineErrors('L1', {
  UNREACHABLE: {
    text: (d: { host: string; method: string; reason: string }) =>
      `the L1 endpoint ${d.host} does not answer ${d.method}: ${d.reason}`,
  },
  ANSWER: {
    text: (d: { host: string; method: string; reason: string }) =>
      `the L1 endpoint ${d.host} answers ${d.method} with what is no answer: ${d.reason}`,
  },
  /** `output` is what a contract said when it reverted. */
  REFUSED: {
    text: (d: { host: string; method: string; message: string; output: Hex | null }) =>
      `the L1 endpoint ${d.host} refuses ${d.method}: ${d.message}`,
  },
  CHAIN: {
    text: (d: { host: string; have: bigint; want: bigint }) =>
      `the L1 endpoint ${d.host} serves chain ${d.have}, and chain ${d.want} is wanted: see rollup.l1Url and rollup.l1ChainId`,
  },
})

export type Tag = 'latest' | 'finalized'

export interface L1Block {
  readonly number: number
  readonly hash: Hash
  readonly timeMs: number
  readonly baseFeeWei: bigint
}
export interface L1Receipt {
  readonly isSuccess: boolean
  readonly blockNumber: number
  readonly blockHash: Hash
  readonly gasUsed: bigint
  readonly gasPriceWei: bigint
}
export interface L1Call {
  readonly from: Address
  readonly to: Address
  readonly data: Uint8Array
}

/** Everything but the tags is asked at a block's hash, so that answers which belong together are of one state. Throws L1_*. */
export interface L1 {
  block(tag: Tag): Promise<L1Block>
  nonce(of: Address, at: Hash): Promise<bigint>
  balance(of: Address, at: Hash): Promise<bigint>
  code(of: Address, at: Hash): Promise<Uint8Array>
  storage(of: Address, slot: Hash, at: Hash): Promise<Hash>
  call(to: Address, data: Uint8Array, at: Hash): Promise<Uint8Array>
  /** Gas of a call on the newest block, or after what waits in the endpoint's pool. A revert is L1_REFUSED. */
  estimate(call: L1Call, at?: 'latest' | 'pending'): Promise<bigint>
  /** null: in no block. */
  receipt(tx: Hash): Promise<L1Receipt | null>
  /** Gives the endpoint a signed transaction; that it takes it promises nothing. */
  send(raw: Uint8Array): Promise<void>
}

export interface L1Log {
  readonly address: Address
  readonly topics: readonly Hash[]
  readonly data: Uint8Array
  readonly transaction: Hash
}
interface L1Past {
  /** Of one contract, with one of these first topics, in blocks from one to another, oldest first. An endpoint may refuse a long range. Throws L1_*. */
  logs(of: {
    readonly address: Address
    readonly topics: readonly Hash[]
    readonly from: number
    readonly to: number
  }): Promise<readonly L1Log[]>
  /** Where a transaction went and with what; null: the endpoint does not have it. Throws L1_*. */
  transaction(tx: Hash): Promise<{ readonly to: Address | null; readonly input: Uint8Array } | null>
}

export interface L1Options {
  /** May hold a secret: only its host is ever shown. */
  readonly url: string
  readonly chainId: bigint
  readonly timeoutMs?: number
  readonly answerMaxBytes?: number
  /** Ends what is being asked: who stops does not wait for an endpoint that hangs. */
  readonly signal?: AbortSignal
}
const TIMEOUT_MS = 10_000
/** A transaction of 128 KiB in hex, and what stands around it; a block without bodies is smaller. */
const ANSWER_MAX_BYTES = 1024 * 1024

/** Asks one endpoint, and reads its answers. */
const asker = ({ url, timeoutMs, answerMaxBytes, signal }: Omit<L1Options, 'chainId'>) => {
  const endpoint = {
    ...{ url, host: hostOf(url), timeoutMs: timeoutMs ?? TIMEOUT_MS },
    ...{ maxBytes: answerMaxBytes ?? ANSWER_MAX_BYTES, signal: signal ?? null },
  }
  const ask = async <T>(method: string, params: readonly unknown[], read: (value: unknown) => T): Promise<T> => {
    const result = await request(endpoint, method, params)
    try {
      return read(result)
    } catch (cause) {
      if (!(cause instanceof Unreadable)) throw cause
      throw new NodeError(L1Errors.ANSWER, { host: endpoint.host, method, reason: cause.why })
    }
  }
  return { host: endpoint.host, ask }
}

/** The same of an endpoint that serves a chain: `known` returns once it is known to, before the first answer is believed. */
export function createAsker(options: L1Options) {
  const { chainId } = options
  const { host, ask } = asker(options)
  let isKnown = false
  /** Before the first answer is believed. */
  const known = async (): Promise<void> => {
    if (isKnown) return
    const have = await ask('eth_chainId', [], as(quantity))
    if (have !== chainId) throw new NodeError(L1Errors.CHAIN, { host, have, want: chainId })
    isKnown = true
  }
  return { host, ask, known }
}

export function createL1(options: L1Options): L1 & L1Past {
  const { ask, known } = createAsker(options)
  const at = (blockHash: Hash) => ({ blockHash: bytesToHex(blockHash) })
  return {
    async block(tag) {
      await known()
      return ask('eth_getBlockByNumber', [tag, false], blockOf)
    },
    // Beyond it no transaction can be signed.
    nonce: async (of, hash) => BigInt(await ask('eth_getTransactionCount', [bytesToHex(of), at(hash)], as(count))),
    balance: (of, hash) => ask('eth_getBalance', [bytesToHex(of), at(hash)], as(quantity)),
    code: (of, hash) => ask('eth_getCode', [bytesToHex(of), at(hash)], as(data)),
    storage: (of, slot, block) => ask('eth_getStorageAt', [bytesToHex(of), bytesToHex(slot), at(block)], as(hash)),
    call: (to, input, hash) => ask('eth_call', [{ to: bytesToHex(to), data: bytesToHex(input) }, at(hash)], as(data)),
    async estimate({ from, to, data: input }, state = 'latest') {
      await known()
      const call = { from: bytesToHex(from), to: bytesToHex(to), data: bytesToHex(input) }
      return ask('eth_estimateGas', [call, state], as(quantity))
    },
    receipt: (tx) =>
      ask('eth_getTransactionReceipt', [bytesToHex(tx)], (value) => (value === null ? null : receiptOf(tx, value))),
    ...pastBy(ask),
    async send(raw) {
      await known()
      await ask('eth_sendRawTransaction', [bytesToHex(raw)], as(hash))
    },
  }
}

/** What once happened on the L1, for whoever has only that. Throws L1_*. */
export interface L1History extends L1Past {
  /** Of the newest block. */
  height(): Promise<number>
}
/** Logs of many batches at once. */
const HISTORY_MAX_BYTES = 16 * 1024 * 1024
const HISTORY_TIMEOUT_MS = 30_000

export function createL1History(url: string): L1History {
  const { ask } = asker({ url, timeoutMs: HISTORY_TIMEOUT_MS, answerMaxBytes: HISTORY_MAX_BYTES })
  return {
    height: () => ask('eth_blockNumber', [], as(count)),
    ...pastBy(ask),
  }
}

type Ask = ReturnType<typeof asker>['ask']
const pastBy = (ask: Ask): L1Past => ({
  logs({ address: of, topics, from, to }) {
    const hex = (block: number): string => `0x${block.toString(16)}`
    const range = { fromBlock: hex(from), toBlock: hex(to) }
    const filter = { ...range, address: bytesToHex(of), topics: [topics.map(bytesToHex)] }
    return ask('eth_getLogs', [filter], (value) => listOf(value).map(logOf))
  },
  transaction: (tx) =>
    ask('eth_getTransactionByHash', [bytesToHex(tx)], (value) => {
      if (value === null) return null
      const isCreation = fieldOf(value, 'to', anything) === null
      return { to: isCreation ? null : fieldOf(value, 'to', address), input: fieldOf(value, 'input', data) }
    }),
})

const anything: Codec<unknown> = { expected: 'anything', schema: {}, decode: (value) => ({ ok: true, value }) }
const listOf = (value: unknown): readonly unknown[] => {
  if (!Array.isArray(value)) throw new Unreadable('expected a list')
  return value
}
const logOf = (value: unknown): L1Log => ({
  address: fieldOf(value, 'address', address),
  topics: listOf(fieldOf(value, 'topics', anything)).map(as(hash)),
  data: fieldOf(value, 'data', data),
  transaction: fieldOf(value, 'transactionHash', hash),
})

/** The host alone: the path or the query of an endpoint often is its key. */
const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'that is no URL')

const blockOf = (value: unknown): L1Block => ({
  number: fieldOf(value, 'number', count),
  hash: fieldOf(value, 'hash', hash),
  timeMs: fieldOf(value, 'timestamp', count) * 1_000,
  baseFeeWei: fieldOf(value, 'baseFeePerGas', quantity),
})
const receiptOf = (tx: Hash, value: unknown): L1Receipt => {
  if (!equalBytes(fieldOf(value, 'transactionHash', hash), tx)) throw new Unreadable('it is of another transaction')
  return {
    isSuccess: fieldOf(value, 'status', quantity) === 1n,
    blockNumber: fieldOf(value, 'blockNumber', count),
    blockHash: fieldOf(value, 'blockHash', hash),
    gasUsed: fieldOf(value, 'gasUsed', quantity),
    gasPriceWei: fieldOf(value, 'effectiveGasPrice', quantity),
  }
}

interface Endpoint {
  readonly url: string
  readonly host: string
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal: AbortSignal | null
}

/** One request with its deadline, body included. Redirects are not followed: they would carry the transaction elsewhere. */
const request = async (endpoint: Endpoint, method: string, params: readonly unknown[]): Promise<unknown> => {
  const { url, host, timeoutMs, maxBytes, signal } = endpoint
  const deadline = AbortSignal.timeout(timeoutMs)
  const unreachable = (cause: unknown): NodeError => {
    if (cause instanceof NodeError) return cause
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const reason = (inner instanceof Error ? inner.message : String(inner)).replaceAll(url, host)
    return new NodeError(L1Errors.UNREACHABLE, { host, method, reason }, { cause })
  }
  const read = async (): Promise<{ readonly status: number; readonly text: string }> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      redirect: 'error',
      signal: signal === null ? deadline : AbortSignal.any([deadline, signal]),
    })
    const text = await textOf(response, maxBytes)
    if (text !== null) return { status: response.status, text }
    throw new NodeError(L1Errors.ANSWER, { host, method, reason: `it has more than ${maxBytes} bytes` })
  }
  const { status, text } = await read().catch((cause: unknown) => {
    throw unreachable(cause)
  })
  return resultOf({ host, method, status }, text)
}

/** null where there is more of it than an answer may have; the rest is not read. */
const textOf = async (response: Response, maxBytes: number): Promise<string | null> => {
  const decoder = new TextDecoder()
  let text = ''
  let sizeBytes = 0
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes) return null
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

const MESSAGE_MAX = 300
const HEX = /^0x([0-9a-f]{2})*$/i
type Asked = { readonly host: string; readonly method: string; readonly status: number }

const resultOf = ({ host, method, status }: Asked, text: string): unknown => {
  const unreadable = (reason: string): NodeError => new NodeError(L1Errors.ANSWER, { host, method, reason })
  const answer = parsed(text)
  if (answer === null) throw unreadable(`HTTP ${status}, ${JSON.stringify(text.slice(0, 60))}`)
  const { error, result, id } = answer
  if (error !== undefined && error !== null) {
    const { message, data: output } = error as { readonly message?: unknown; readonly data?: unknown }
    const said = typeof message === 'string' ? message.slice(0, MESSAGE_MAX) : 'without a reason'
    const isHex = typeof output === 'string' && HEX.test(output)
    throw new NodeError(L1Errors.REFUSED, { host, method, message: said, output: isHex ? (output as Hex) : null })
  }
  if (id !== 1) throw unreadable('it is of another request')
  if (result === undefined) throw unreadable('it has neither result nor error')
  return result
}
const parsed = (text: string): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null // its fields are checked
  } catch {
    return null
  }
}
