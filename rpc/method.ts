// A JSON-RPC method as a row: what it takes, gives, and may refuse, with an example that runs. Owns the shape and the context
// that methods run in.

import type { Hash } from '../chain/base/bytes.ts'
import { defineErrors, type ErrorDef, NodeError } from '../chain/base/errors.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import type { Clock } from '../chain/base/ports.ts'
import type { BlockRef, Codec } from '../chain/base/schema.ts'
import type { Chain } from '../chain/chain.ts'
import type { CallAnswer, CallJob, Json } from '../chain/types/call.ts'
import { requireKept } from '../chain/types/kept.ts'
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

/** A node's content store. Throws CONTENT_*. */
export interface Content {
  put(
    content: Uint8Array,
    key?: Uint8Array,
  ): Promise<{ readonly cid: string; readonly digest: Uint8Array; readonly codec: number; readonly replicas: number }>
  get(cid: string, key?: Uint8Array): Promise<Uint8Array>
  refOf(cid: string): { readonly digest: Uint8Array; readonly codec: number }
}
/** How far a message of another chain is attested. */
interface Attestation {
  readonly epoch: number
  readonly signed: bigint
  readonly total: bigint
  /** What the bridge takes; null: no more than two thirds of the power yet. */
  readonly proof: Uint8Array | null
}
interface RemoteSigner {
  readonly url: string
  readonly answers: boolean
  readonly answerMs: number | null
  readonly fault: string | null
}
/** What a peer of this node runs; null where it does not say. */
interface PeerSoftware {
  readonly id: string
  readonly version: string | null
  readonly forks: readonly string[] | null
}
export interface Ctx {
  readonly chain: Chain
  /** Work that runs code: off the thread that makes blocks. */
  readonly calls: { run(job: CallJob): Promise<CallAnswer> }
  /** `software`: what each of them runs, where this node asks. */
  readonly net: { peers(): number; software?(): readonly PeerSoftware[] }
  /** `addresses`: multiaddrs; empty, and no peer id, for a node that stays alone. `validatorKeys`: BLS keys it signs with. */
  readonly self: {
    readonly peerId: string | null
    readonly addresses: readonly string[]
    readonly validatorKeys: readonly Uint8Array[]
    /** The signer elsewhere, and whether it answers; null where the keys are here. */
    readonly signer: () => RemoteSigner | null
  }
  /** `isBehind`: blocks are asked of peers, and the head is old. */
  readonly consensus: { status(): ConsensusStatus; isBehind(): boolean }
  /** `submit` throws EVIDENCE_MALFORMED and EVIDENCE_REFUSED, and returns the id. */
  readonly evidence: { list(): readonly KeptEvidence[]; submit(bytes: Uint8Array): Hash }
  /** What validators attest of other chains; null where nobody has said anything of a message, or it is settled. */
  readonly bridge: { certificate(chain: bigint, id: Hash): Attestation | null }
  /** Only in development networks of one validator. */
  readonly dev: { mine(count: number): Promise<void>; increaseTime(seconds: number): number } | null
  /** null where this node holds none. */
  readonly content: Content | null
  /** The poster: as JSON-RPC shows it, and told to post what waits now; null where this node posts nothing. */
  readonly rollup: { status(): Json; hurry(): void } | null
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
  /** Calls that follow each other in a batch, all at once; an answer or a refusal for each. null: one after another. */
  readonly runAll: ((ctx: Ctx, calls: readonly (readonly unknown[])[]) => Promise<readonly (Json | NodeError)[]>) | null
}

/** Ties the types of `run` to the codecs of `params`. */
export function defineMethod<const P extends readonly Param[]>(
  name: string,
  row: {
    readonly summary: string
    readonly params: P
    readonly access?: 'local'
    readonly run: (ctx: Ctx, params: Values<P>) => Json | Promise<Json>
    readonly runAll?: (ctx: Ctx, calls: readonly Values<P>[]) => Promise<readonly (Json | NodeError)[]>
  },
): Method {
  const { runAll } = row
  return {
    name,
    summary: row.summary,
    params: row.params,
    access: row.access ?? 'public',
    errors: [],
    run: (ctx, params) => row.run(ctx, params as Values<P>), // decoded with these very codecs
    runAll: runAll === undefined ? null : (ctx, calls) => runAll(ctx, calls as readonly Values<P>[]), // as above
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

/** Throws HISTORY_PRUNED where it is not there any more. */
export function outlineAt(chain: Chain, ref: BlockRef): ReturnType<Chain['outline']> {
  const height = heightOf(chain, ref)
  if (height !== null) requireKept(chain.kept(), 'headers', height)
  return height === null ? null : chain.outline(height)
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
