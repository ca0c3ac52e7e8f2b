// A JSON-RPC method as a row: what it takes, gives, and may refuse, with an example that runs. Owns the shape and the context
// that methods run in.

import type { Hash } from '../chain/base/bytes.ts'
import { defineErrors, type ErrorDef, NodeError } from '../chain/base/errors.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import type { Clock } from '../chain/base/ports.ts'
import type { BlockRef, Codec } from '../chain/base/schema.ts'
import type { Chain } from '../chain/chain.ts'
import type { Block } from '../chain/types/block.ts'
import type { CallAnswer, CallJob, Json } from '../chain/types/call.ts'
import type { ConsensusStatus, KeptEvidence } from '../chain/types/query.ts'
import type { Filters } from './filters.ts'

export interface Limits {
  readonly logBlocks: number
  readonly logResults: number
  readonly callGas: bigint
  readonly filters: number
  readonly filterLifeMs: number
}

/** The bounds that methods keep, from the one table. */
export const LIMITS: Limits = {
  logBlocks: rpcLimits.logBlocks.value,
  logResults: rpcLimits.logResults.value,
  callGas: BigInt(rpcLimits.callGas.value),
  filters: rpcLimits.filters.value,
  filterLifeMs: rpcLimits.filterLifeMs.value,
}

export interface Ctx {
  readonly chain: Chain
  /** Work that runs code: off the thread that makes blocks. */
  readonly calls: { run(job: CallJob): Promise<CallAnswer> }
  readonly net: { peers(): number }
  /** `isBehind`: blocks are asked of peers, and the head is old. */
  readonly consensus: { status(): ConsensusStatus; isBehind(): boolean }
  /** `submit` throws EVIDENCE_MALFORMED and EVIDENCE_REFUSED, and returns the id. */
  readonly evidence: { list(): readonly KeptEvidence[]; submit(bytes: Uint8Array): Hash }
  /** Only in development networks of one validator. */
  readonly dev: { mine(count: number): Promise<void>; increaseTime(seconds: number): number } | null
  readonly version: string
  readonly clock: Clock
  readonly limits: Limits
  readonly filters: Filters
}

export const RpcErrors = defineErrors('RPC', {
  PARSE: { rpc: -32700, text: () => 'the request is not JSON' },
  REQUEST: { rpc: -32600, text: (d: { reason: string }) => `not a JSON-RPC request: ${d.reason}` },
  METHOD: { rpc: -32601, text: (d: { method: string }) => `the method ${d.method} does not exist/is not available` },
  PARAMS: { rpc: -32602, text: (d: { name: string; reason: string }) => `invalid argument ${d.name}: ${d.reason}` },
  LOCAL: { rpc: -32601, text: (d: { method: string }) => `the method ${d.method} is available on the local port only` },
  UNKNOWN_BLOCK: { text: () => 'header not found' },
  RANGE: { rpc: -32602, text: (d: { reason: string }) => `invalid block range params: ${d.reason}` },
  FILTER: { text: () => 'filter not found' },
  UNSUPPORTED: { text: (d: { reason: string }) => d.reason },
  INTERNAL: { rpc: -32603, text: () => 'internal error; the node logged it' },
})

/** Decoded parameters, positional. */
type Values<P extends readonly Param[]> = {
  readonly [K in keyof P]: P[K] extends readonly [string, Codec<infer T>] ? T : never
}
export type Param = readonly [string, Codec<unknown>]

export interface Method {
  readonly name: string
  readonly summary: string
  readonly params: readonly Param[]
  readonly access: 'public' | 'local'
  readonly errors: readonly ErrorDef<never>[]
  readonly run: (ctx: Ctx, params: readonly unknown[]) => Json | Promise<Json>
}

/** Ties the types of `run` to the codecs of `params`. */
export function defineMethod<const P extends readonly Param[]>(
  name: string,
  row: {
    readonly summary: string
    readonly params: P
    readonly access?: 'local'
    readonly run: (ctx: Ctx, params: Values<P>) => Json | Promise<Json>
  },
): Method {
  return {
    name,
    summary: row.summary,
    params: row.params,
    access: row.access ?? 'public',
    errors: [],
    run: (ctx, params) => row.run(ctx, params as Values<P>), // decoded with these very codecs
  }
}

/** The height a reference means; pending is the head's state. null where there is no such block. */
export function heightOf(chain: Chain, ref: BlockRef): number | null {
  const head = chain.head().header.number
  if ('blockHash' in ref) return chain.heightOf(ref.blockHash)
  if ('height' in ref) return ref.height <= head ? ref.height : null
  return ref.tag === 'earliest' ? 0 : head
}

/** As `heightOf`, for methods that need one. Throws RPC_UNKNOWN_BLOCK. */
export function mustHeight(chain: Chain, ref: BlockRef): number {
  const height = heightOf(chain, ref)
  if (height === null) throw new NodeError(RpcErrors.UNKNOWN_BLOCK, undefined)
  return height
}

export function blockAt(chain: Chain, ref: BlockRef): Block | null {
  const height = heightOf(chain, ref)
  return height === null ? null : chain.block(height)
}

/** The methods as an OpenRPC document: names, summaries and the schemas of parameters. */
export const openRpcOf = (methods: readonly Method[]) => ({
  openrpc: '1.2.6',
  info: { title: 'NovaChain JSON-RPC', version: '1' },
  methods: methods.map(({ name, summary, params }) => ({
    name,
    summary,
    params: params.map(([param, codec]) => ({ name: param, description: codec.expected, schema: codec.schema })),
    result: { name: 'result', schema: {} },
  })),
})
