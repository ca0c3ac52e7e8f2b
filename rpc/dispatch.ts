// One request in, one answer out: parse, find, decode, run, encode. Owns the only catch on the way of a request, and what each
// kind of failure is called. Never throws, never tells a stack.
import { NodeError } from '../chain/base/errors.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Json } from '../chain/types/call.ts'
import { type Ctx, type Method, RpcErrors } from './method.ts'

type Id = string | number | null
type Answer = { readonly jsonrpc: '2.0'; readonly id: Id } & (
  | { readonly result: Json }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: Json } }
)

export interface Caller {
  /** From this machine: sees local methods. */
  readonly isLocal: boolean
  /** Methods that need the connection itself (subscriptions), by name. */
  readonly own?: ReadonlyMap<string, (params: readonly unknown[]) => Json>
}

export type Dispatch = (body: string, caller: Caller) => Promise<string>

export function createDispatch(ctx: Ctx, table: ReadonlyMap<string, Method>, log: Log): Dispatch {
  const one = async (request: unknown, caller: Caller): Promise<Answer | null> => {
    if (typeof request !== 'object' || request === null || Array.isArray(request))
      return failure(null, new NodeError(RpcErrors.REQUEST, { reason: 'expected an object' }))
    const { id: given, method, params } = request as { id?: unknown; method?: unknown; params?: unknown } // read only
    const id: Id = typeof given === 'string' || typeof given === 'number' ? given : null
    try {
      if (given !== undefined && given !== null && id === null)
        throw new NodeError(RpcErrors.REQUEST, { reason: 'id is neither string nor number' })
      if (typeof method !== 'string') throw new NodeError(RpcErrors.REQUEST, { reason: 'method is not a string' })
      const result = await call(ctx, table, caller, method, params)
      return given === undefined ? null : { jsonrpc: '2.0', id, result }
    } catch (error) {
      if (!(error instanceof NodeError) || error.code === 'BASE_INVARIANT')
        log.error(
          { method, error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
          'a request failed inside',
        )
      return given === undefined ? null : failure(id, error)
    }
  }

  return async (body, caller) => {
    let json: unknown
    try {
      if (isDeep(body))
        throw new NodeError(RpcErrors.REQUEST, { reason: `nested deeper than ${rpcLimits.nestingDepth.value}` })
      json = JSON.parse(body)
    } catch (error) {
      return encode(failure(null, error instanceof NodeError ? error : new NodeError(RpcErrors.PARSE, undefined)))
    }
    if (!Array.isArray(json)) {
      const answer = await one(json, caller)
      return answer === null ? '' : encode(answer)
    }
    if (json.length === 0) return encode(failure(null, new NodeError(RpcErrors.REQUEST, { reason: 'an empty batch' })))
    if (json.length > rpcLimits.batchRequests.value) {
      const reason = `a batch of ${json.length}, at most ${rpcLimits.batchRequests.value}`
      return encode(failure(null, new NodeError(RpcErrors.REQUEST, { reason })))
    }
    return batch(json, (request) => one(request, caller))
  }
}

/** In order, and stops where the answer would grow beyond its bound. */
const batch = async (
  requests: readonly unknown[],
  one: (request: unknown) => Promise<Answer | null>,
): Promise<string> => {
  const parts: string[] = []
  let size = 0
  for (const request of requests) {
    const answer = await one(request)
    if (answer === null) continue
    const text = encode(answer)
    size += text.length
    if (size > rpcLimits.responseBytes.value) {
      parts.push(encode(failure(answer.id, tooLarge())))
      break
    }
    parts.push(text)
  }
  return parts.length === 0 ? '' : `[${parts.join(',')}]`
}

const tooLarge = () =>
  new NodeError(RpcErrors.UNSUPPORTED, {
    reason: `the answer is above ${rpcLimits.responseBytes.value} bytes; ask for less`,
  })

const encode = (answer: Answer): string => {
  const text = JSON.stringify(answer)
  return text.length <= rpcLimits.responseBytes.value ? text : JSON.stringify(failure(answer.id, tooLarge()))
}

const failure = (id: Id, error: unknown): Answer => {
  const known =
    error instanceof NodeError && error.code !== 'BASE_INVARIANT' ? error : new NodeError(RpcErrors.INTERNAL, undefined)
  const shown = dataOf(known)
  const body = { code: known.rpc, message: known.message }
  return { jsonrpc: '2.0', id, error: shown === null ? body : { ...body, data: shown } }
}

/** Reverts carry what the contract said, as hex. */
const dataOf = (error: NodeError): string | null => {
  if (error.rpc !== 3 || typeof error.data !== 'object' || error.data === null || !('output' in error.data)) return null
  return typeof error.data.output === 'string' ? error.data.output : null
}

const call = async (
  ctx: Ctx,
  table: ReadonlyMap<string, Method>,
  caller: Caller,
  name: string,
  given: unknown,
): Promise<Json> => {
  const list = given === undefined || given === null ? [] : given
  if (!Array.isArray(list)) throw new NodeError(RpcErrors.PARAMS, { name: 'params', reason: 'expected a list' })
  const own = caller.own?.get(name)
  if (own !== undefined) return own(list)
  const method = table.get(name)
  if (method === undefined) throw new NodeError(RpcErrors.METHOD, { method: name.slice(0, 100) })
  if (method.access === 'local' && !caller.isLocal) throw new NodeError(RpcErrors.LOCAL, { method: name })
  if (list.length > method.params.length)
    throw new NodeError(RpcErrors.PARAMS, {
      name: 'params',
      reason: `too many arguments, want at most ${method.params.length}`,
    })
  const values = method.params.map(([param, codec], i) => {
    const decoded = codec.decode(list[i])
    if (decoded.ok) return decoded.value
    const missing = list[i] === undefined ? `missing value for required argument ${i}; ` : ''
    throw new NodeError(RpcErrors.PARAMS, { name: param, reason: `${missing}${decoded.why}` })
  })
  return method.run(ctx, values)
}

/** JSON.parse recurses, so depth is counted first, outside strings. */
const isDeep = (body: string): boolean => {
  let depth = 0
  let quoted = false
  for (let i = 0; i < body.length; i++) {
    const code = body.charCodeAt(i)
    if (quoted) {
      if (code === 92) i++
      else if (code === 34) quoted = false
    } else if (code === 34) quoted = true
    else if (code === 91 || code === 123) {
      if (++depth > rpcLimits.nestingDepth.value) return true
    } else if (code === 93 || code === 125) depth--
  }
  return false
}
