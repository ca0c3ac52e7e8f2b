// One request in, one answer out: parse, find, decode, run, encode. Owns the only catch on the way of a request, and what each
// kind of failure is called. Never throws, never tells a stack.
import { NodeError } from '../chain/base/errors.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Json } from '../chain/types/call.ts'
import { type Ctx, type Method, RpcErrors } from './method.ts'
import { idAt, type RawBatch, readRawBatch, writeAnswers } from './raw-batch.ts'

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

export type Dispatch = (body: Buffer, caller: Caller) => Promise<string>

/** A request that was read; `ask` runs it. `id` undefined: a notification, which gets no answer. */
interface Call {
  readonly id: Id | undefined
  readonly name: unknown
  /** What its method does with others of its kind, and its own parameters. */
  readonly runAll: Method['runAll']
  readonly values: readonly unknown[]
  readonly ask: () => Json | Promise<Json>
}

export function createDispatch(ctx: Ctx, table: ReadonlyMap<string, Method>, log: Log): Dispatch {
  const refused = ({ id, name }: Pick<Call, 'id' | 'name'>, error: unknown): Answer | null => {
    if (!(error instanceof NodeError) || error.code === 'BASE_INVARIANT')
      log.error(
        { method: name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'a request failed inside',
      )
    return id === undefined ? null : failure(id, error)
  }
  const answered = (id: Id | undefined, result: Json): Answer | null =>
    id === undefined ? null : { jsonrpc: '2.0', id, result }
  const one = async (call: Call | Answer | null): Promise<Answer | null> => {
    if (call === null || 'jsonrpc' in call) return call
    try {
      return answered(call.id, await call.ask())
    } catch (error) {
      return refused(call, error)
    }
  }
  const all = async (runAll: NonNullable<Method['runAll']>, calls: readonly Call[]): Promise<(Answer | null)[]> => {
    try {
      const results = await runAll(
        ctx,
        calls.map(({ values }) => values),
      )
      return results.map((result, i) => {
        const call = calls[i] as Call
        return result instanceof NodeError ? refused(call, result) : answered(call.id, result)
      })
    } catch (error) {
      return calls.map((call) => refused(call, error))
    }
  }
  const read = (request: unknown, caller: Caller): Call | Answer | null => {
    if (typeof request !== 'object' || request === null || Array.isArray(request))
      return failure(null, new NodeError(RpcErrors.REQUEST, { reason: 'expected an object' }))
    const { id: given, method, params } = request as { id?: unknown; method?: unknown; params?: unknown } // read only
    const known: Id = typeof given === 'string' || typeof given === 'number' ? given : null
    const id = given === undefined ? undefined : known
    try {
      if (given !== undefined && given !== null && known === null)
        throw new NodeError(RpcErrors.REQUEST, { reason: 'id is neither string nor number' })
      if (typeof method !== 'string') throw new NodeError(RpcErrors.REQUEST, { reason: 'method is not a string' })
      return { id, name: method, ...callOf(ctx, table, caller, method, params) }
    } catch (error) {
      return refused({ id, name: method }, error)
    }
  }

  /** As `batch` would, without an object for each. */
  const sendAll = async (sent: RawBatch): Promise<string> => {
    const refuse = (id: Uint8Array, error: unknown): string => {
      const known: string | number = JSON.parse(Buffer.from(id).toString('latin1')) // as it was read
      return encode(refused({ id: known, name: 'eth_sendRawTransaction' }, error) as Answer) // an id has an answer
    }
    try {
      return writeAnswers(sent, await ctx.chain.submitAll(sent.raws, 'local'), refuse)
    } catch (error) {
      return `[${sent.raws.map((_, i) => refuse(idAt(sent, i), error)).join(',')}]`
    }
  }

  return async (bytes, caller) => {
    const sent = readRawBatch(bytes)
    if (sent !== null) return sendAll(sent)
    const body = bytes.toString()
    let json: unknown
    try {
      if (isDeep(body))
        throw new NodeError(RpcErrors.REQUEST, { reason: `nested deeper than ${rpcLimits.nestingDepth.value}` })
      json = JSON.parse(body)
    } catch (error) {
      return encode(failure(null, error instanceof NodeError ? error : new NodeError(RpcErrors.PARSE, undefined)))
    }
    if (!Array.isArray(json)) {
      const answer = await one(read(json, caller))
      return answer === null ? '' : encode(answer)
    }
    if (json.length === 0) return encode(failure(null, new NodeError(RpcErrors.REQUEST, { reason: 'an empty batch' })))
    if (json.length > rpcLimits.batchRequests.value) {
      const reason = `a batch of ${json.length}, at most ${rpcLimits.batchRequests.value}`
      return encode(failure(null, new NodeError(RpcErrors.REQUEST, { reason })))
    }
    return batch(json, { read: (request) => read(request, caller), one, all })
  }
}

/** In order, and stops where the answer would grow beyond its bound. */
const batch = async (
  requests: readonly unknown[],
  by: {
    readonly read: (request: unknown) => Call | Answer | null
    readonly one: (call: Call | Answer | null) => Promise<Answer | null>
    readonly all: (runAll: NonNullable<Method['runAll']>, calls: readonly Call[]) => Promise<(Answer | null)[]>
  },
): Promise<string> => {
  const parts: string[] = []
  let size = 0
  /** Whether there is room for more. */
  const add = (answer: Answer | null): boolean => {
    if (answer === null) return true
    const text = encode(answer)
    size += text.length
    const fits = size <= rpcLimits.responseBytes.value
    parts.push(fits ? text : encode(failure(answer.id, tooLarge())))
    return fits
  }
  for (let at = 0; at < requests.length; ) {
    const call = by.read(requests[at++])
    if (call === null || 'jsonrpc' in call || call.runAll === null) {
      if (!add(await by.one(call))) break
      continue
    }
    const { runAll } = call
    const calls = [call]
    let other: Call | Answer | null = null
    while (at < requests.length && other === null) {
      const next = by.read(requests[at++])
      if (next !== null && !('jsonrpc' in next) && next.runAll === runAll) calls.push(next)
      else other = next
    }
    if (!(await by.all(runAll, calls)).every(add) || !add(await by.one(other))) break
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

const callOf = (
  ctx: Ctx,
  table: ReadonlyMap<string, Method>,
  caller: Caller,
  name: string,
  given: unknown,
): Pick<Call, 'runAll' | 'values' | 'ask'> => {
  const list = given === undefined || given === null ? [] : given
  if (!Array.isArray(list)) throw new NodeError(RpcErrors.PARAMS, { name: 'params', reason: 'expected a list' })
  const own = caller.own?.get(name)
  if (own !== undefined) return { runAll: null, values: list, ask: () => own(list) }
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
  return { runAll: method.runAll, values, ask: () => method.run(ctx, values) }
}

/** JSON.parse recurses, so depth is counted first, outside strings. */
const isDeep = (body: string): boolean => {
  let depth = 0
  for (let i = 0; i < body.length; i++) {
    const code = body.charCodeAt(i)
    if (code === 34) i = closingQuote(body, i)
    else if (code === 91 || code === 123) {
      if (++depth > rpcLimits.nestingDepth.value) return true
    } else if (code === 93 || code === 125) depth--
  }
  return false
}

/** A quote ends a string unless an odd number of backslashes stands before it. */
const closingQuote = (body: string, opening: number): number => {
  for (let at = body.indexOf('"', opening + 1); at >= 0; at = body.indexOf('"', at + 1)) {
    let slashes = 0
    while (body.charCodeAt(at - 1 - slashes) === 92) slashes++
    if (slashes % 2 === 0) return at
  }
  return body.length
}
