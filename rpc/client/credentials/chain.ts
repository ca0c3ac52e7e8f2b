// DIDs and statuses as a node's JSON-RPC tells them. Owns how a status is asked: all of one answer at one block, the newest or the last
// one of a moment in the past. Runs in a browser.
import { bytesToHex, type Hex } from '../../../chain/base/bytes.ts'
import { NodeError } from '../../../chain/base/errors.ts'
import { type Codec, count, data, object } from '../../../chain/base/schema.ts'
import { abi } from '../../../chain/native/did/abi.ts'
import { didOf } from '../../../chain/native/did/uri.ts'
import {
  type AbiFunction,
  decodeNamed,
  encodeCall,
  type Named,
  type Positional,
} from '../../../chain/native/kit/abi.ts'
import { createDidResolver, DID_MODULE, type Provider } from '../did.ts'
import { ClientErrors, request } from '../http.ts'
import type { DidSource } from './dids.ts'
import type { StatusSource } from './status.ts'

/** What `createCredentials` asks of a chain, over a node's URL or any provider of ethers. Both reject with what the provider throws. */
export function createChainSources(node: string | Provider): {
  readonly dids: DidSource
  readonly status: StatusSource
} {
  const provider: Provider =
    typeof node === 'string' ? { send: (method, params) => request(node, method, params) } : node
  const resolve = createDidResolver(provider)
  return {
    dids: { resolve: (did, options) => resolve(did, options).then((answer) => ({ ...answer }) as never) },
    status: { status: (list, index, atMs) => statusAt(provider, { list, index }, atMs) },
  }
}

const PURPOSES = [null, 'revocation', 'suspension'] as const

const statusAt = async (
  provider: Provider,
  { list, index }: { readonly list: bigint; readonly index: number },
  atMs: number | null,
): ReturnType<StatusSource['status']> => {
  const height = await heightAt(provider, atMs)
  if (height === null) return null
  const at = tagOf(height)
  const known = await ask(provider, at, 'statusList', [list]).catch(unlessUnknown)
  if (known === null) return null
  const { issuer, purpose, size } = known.list
  const kind = PURPOSES[Number(purpose)] ?? null
  if (kind === null || BigInt(index) >= size) return null
  const [{ name }, { value }, { anchor }] = await Promise.all([
    ask(provider, at, 'network', []),
    ask(provider, at, 'statusOf', [list, BigInt(index)]),
    ask(provider, at, 'anchorOf', [list, BigInt(index)]),
  ])
  const { digest, from, count: bits, uri } = anchor
  const isAnchored = digest.some((byte) => byte !== 0)
  return {
    ...{ issuer: didOf(name, issuer), purpose: kind, sizeBits: Number(size), isSet: value },
    anchor: isAnchored ? { digest, from: Number(from), count: Number(bits), uri } : null,
  }
}

type Functions = (typeof abi)['functions']
const ask = async <K extends keyof Functions & string>(
  provider: Provider,
  at: Hex,
  name: K,
  args: Positional<Functions[K]['inputs']>,
): Promise<Named<Functions[K]['outputs']>> => {
  const fn: AbiFunction = abi.functions[name]
  const input = bytesToHex(encodeCall(fn, args as never)) // checked by this signature
  const output = await provider.send('eth_call', [{ to: DID_MODULE, data: input }, at])
  return decodeNamed(abi.functions[name].outputs as Functions[K]['outputs'], decoded('eth_call', data, output))
}

const unlessUnknown = (error: unknown): null => {
  const { data: own, error: inner } = (error ?? {}) as { data?: unknown; error?: { data?: unknown } } // whatever was thrown
  const revert = error instanceof NodeError ? (own as { output?: unknown } | undefined)?.output : (own ?? inner?.data)
  if (typeof revert === 'string' && revert.startsWith(abi.errors.ListUnknown.selector)) return null
  throw error
}

const tagOf = (height: number): Hex => `0x${height.toString(16)}`
const headerCodec = object({ number: count, timestamp: count })
const headerOf = async (provider: Provider, at: string): Promise<{ number: number; timestamp: number }> => {
  const method = 'eth_getBlockByNumber'
  return decoded(method, headerCodec, await provider.send(method, [at, false]))
}
/** The last block not after the moment, by halving; null before the first. */
const heightAt = async (provider: Provider, atMs: number | null): Promise<number | null> => {
  const head = await headerOf(provider, 'latest')
  if (atMs === null || head.timestamp * 1_000 <= atMs) return head.number
  let [low, high] = [-1, head.number] // low is not after it, high is
  while (high - low > 1) {
    const middle = (low + high) >> 1
    const { timestamp } = await headerOf(provider, tagOf(middle))
    if (timestamp * 1_000 <= atMs) low = middle
    else high = middle
  }
  return low < 0 ? null : low
}
const decoded = <T>(method: string, codec: Codec<T>, answer: unknown): T => {
  const read = codec.decode(answer)
  if (!read.ok) throw new NodeError(ClientErrors.ANSWER, { method, message: `an answer that is not one: ${read.why}` })
  return read.value
}
