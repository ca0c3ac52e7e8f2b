// DIDs of a network for whoever is elsewhere: a resolver for `did-resolver`, over a node's URL or any provider of ethers. Owns how the
// module is asked; the document is made by what the node itself uses. Runs in a browser.
import { type Address, bytesToHex, type Hex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { type Codec, count, data, object } from '../../chain/base/schema.ts'
import { abi } from '../../chain/native/did/abi.ts'
import type { DidDocument } from '../../chain/native/did/document.ts'
import { CONTENT_TYPE, type DidReads, type DidResolution, resolveDid } from '../../chain/native/did/resolve.ts'
import { type AbiFunction, decodeNamed, encodeCall, type Positional, selectorOf } from '../../chain/native/kit/abi.ts'
import { ClientErrors, request } from './http.ts'

/** Where the module lives on every network. */
export const DID_MODULE = '0x0000000000000000000000000000000000000810'

/** What is needed of a chain: JSON-RPC as a provider of ethers sends it (`JsonRpcProvider`, `BrowserProvider`, …). */
export interface Provider {
  send(method: string, params: unknown[]): Promise<unknown>
}
export interface ResolveOptions {
  readonly versionId?: string
  readonly versionTime?: string
  /** Media type of the document. */
  readonly accept?: string
}
/** As `did-resolver` calls it: the DID, the DID URL it came in, and the options of the resolution. */
type MethodResolver = (
  did: string,
  parsed: { readonly didUrl?: string },
  resolver: unknown,
  options: ResolveOptions,
) => Promise<ResolverResult>
/** The same as `DidResolution`, in types that others may write to, as `did-resolver` has them. */
type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T
type ResolverResult = Mutable<DidResolution>

const providerOf = (node: string | Provider): Provider =>
  typeof node === 'string' ? { send: (method, params) => request(node, method, params) } : node

/**
 * For `new Resolver(getResolver('http://127.0.0.1:8545'))`. What is wrong with a DID is in the result, as the standard has it; a node that
 * does not answer makes `internalError`, with what happened in `message`.
 */
export function getResolver(node: string | Provider): { novacron: MethodResolver } {
  const resolve = createDidResolver(node)
  return {
    async novacron(did, { didUrl }, _, options = {}) {
      try {
        // The query says which version; a fragment is the caller's to look up in the document.
        return (await resolve(withoutFragment(didUrl ?? did), options)) as ResolverResult // nobody else holds it
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        return {
          didResolutionMetadata: { error: 'internalError', message },
          didDocument: null,
          didDocumentMetadata: {},
        }
      }
    },
  }
}
const withoutFragment = (url: string): string => url.split('#', 1)[0] ?? url

/** Media types under which a document is asked for; without JSON-LD it has no context. */
const ACCEPTED = [CONTENT_TYPE, 'application/did', 'application/json', '*/*']
const PLAIN = 'application/did+json'

/** Resolves by the chain of a node. Throws CLIENT_* and what the provider throws. */
export function createDidResolver(
  node: string | Provider,
): (did: string, options?: ResolveOptions) => Promise<DidResolution> {
  const provider = providerOf(node)
  return async (did, options = {}) => {
    const { accept } = options
    const isPlain = accept === PLAIN
    if (accept !== undefined && !isPlain && !ACCEPTED.includes(accept)) return unsupported(accept)
    const resolution = await resolveDid(await readsOver(provider), did, options)
    const { didDocument } = resolution
    return isPlain && didDocument !== null ? plain(resolution, didDocument) : resolution
  }
}
const unsupported = (accept: string): DidResolution => ({
  didResolutionMetadata: {
    error: 'representationNotSupported',
    message: `${accept}: ask for ${CONTENT_TYPE} or ${PLAIN}`,
  },
  didDocument: null,
  didDocumentMetadata: {},
})
const plain = (resolution: DidResolution, { '@context': _, ...didDocument }: DidDocument): DidResolution => ({
  ...resolution,
  didResolutionMetadata: { contentType: PLAIN },
  didDocument,
})

type Functions = (typeof abi)['functions']
const blockCodec = object({ number: count, timestamp: count })

/** The module's reads by calls, all at the block that is the newest now. */
async function readsOver(provider: Provider): Promise<DidReads> {
  const [block, chainId] = await Promise.all([
    provider.send('eth_getBlockByNumber', ['latest', false]),
    provider.send('eth_chainId', []),
  ])
  const { number, timestamp } = decoded('eth_getBlockByNumber', blockCodec, block)
  const at = `0x${number.toString(16)}`
  const ask = async <K extends keyof Functions & string>(name: K, args: Positional<Functions[K]['inputs']>) => {
    const fn: AbiFunction = abi.functions[name]
    const input = bytesToHex(encodeCall(fn, args as never)) // checked by this signature
    const output = await provider.send('eth_call', [{ to: DID_MODULE, data: input }, at])
    return decodeNamed(abi.functions[name].outputs as Functions[K]['outputs'], decoded('eth_call', data, output))
  }
  return {
    chainId: BigInt(decoded('eth_chainId', count, chainId)),
    network: (await ask('network', [])).name,
    time: timestamp,
    versionAt: async (identity: Address, time) => Number((await ask('versionAt', [identity, BigInt(time)])).version),
    async documentOf(identity: Address, version) {
      try {
        return (await ask('documentOf', [identity, BigInt(version)])).document
      } catch (error) {
        if (isVersionUnknown(error)) return null
        throw error
      }
    },
  }
}
/** Our own client has the revert's data as `output`, ethers as `data`. */
const isVersionUnknown = (error: unknown): boolean => {
  const output = error instanceof NodeError ? (error.data as { output?: unknown } | undefined)?.output : dataOf(error)
  return typeof output === 'string' && selectorIn(output) === abi.errors.VersionUnknown.selector
}
const dataOf = (error: unknown): unknown => {
  const { data: own, error: inner } = (error ?? {}) as { data?: unknown; error?: { data?: unknown } } // whatever was thrown
  return own ?? inner?.data
}
const selectorIn = (hex: string): Hex | null => {
  const read = data.decode(hex)
  return read.ok ? selectorOf(read.value) : null
}
const decoded = <T>(method: string, codec: Codec<T>, answer: unknown): T => {
  const read = codec.decode(answer)
  if (!read.ok) throw new NodeError(ClientErrors.ANSWER, { method, message: `an answer that is not one: ${read.why}` })
  return read.value
}
