// JSON-RPC over HTTP for our own commands and the light client. Owns what an unreachable node is called, and how much of an answer is
// read. Runs in a browser.
import type { Hex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { rpcLimits } from '../../chain/base/limits.ts'

export const ClientErrors = defineErrors('CLIENT', {
  UNREACHABLE: {
    text: (d: { url: string; reason: string }) =>
      `no node answers at ${d.url} (${d.reason}): is it running? Give --rpc <url>`,
  },
  /** `output` is what a contract said when it reverted. */
  ANSWER: { text: (d: { method: string; message: string; output?: Hex }) => `${d.method}: ${d.message}` },
})

/** A call may take five seconds and wait behind others, or for a worker that a busy machine is still starting. */
const TIMEOUT_MS = 30_000
/** What our own servers send at most, and the frame around it. */
const ANSWER_BYTES_MAX = rpcLimits.responseBytes.value + 64 * 1024

export interface Call {
  readonly method: string
  readonly params: readonly unknown[]
}

/** The result. Throws CLIENT_UNREACHABLE and CLIENT_ANSWER. */
export async function request(url: string, method: string, params: readonly unknown[] = []): Promise<unknown> {
  return resultOf(method, await post(url, method, { jsonrpc: '2.0', id: 1, method, params }))
}

/** The results of some calls in one request, in the order of the calls. Throws CLIENT_UNREACHABLE and CLIENT_ANSWER. */
export async function requestAll(url: string, calls: readonly Call[]): Promise<readonly unknown[]> {
  const [first] = calls
  if (first === undefined) return []
  const body = calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call }))
  const answer = await post(url, first.method, body)
  if (!Array.isArray(answer)) return calls.map(({ method }) => resultOf(method, answer)) // an error for all of them
  const byId = new Map(answers(answer).map((each) => [each.id, each]))
  return calls.map(({ method }, id) => resultOf(method, byId.get(id)))
}

interface Answer {
  readonly id?: unknown
  readonly result?: unknown
  readonly error?: { readonly message?: unknown; readonly data?: unknown } | null
}
const isAnswer = (value: unknown): value is Answer => typeof value === 'object' && value !== null
const answers = (list: readonly unknown[]): readonly Answer[] => list.filter(isAnswer)

const resultOf = (method: string, answer: unknown): unknown => {
  const { result, error } = isAnswer(answer) ? answer : { error: { message: 'no answer' } }
  if (error === undefined || error === null) return result
  const message = typeof error.message === 'string' ? error.message : '?'
  throw new NodeError(ClientErrors.ANSWER, { method, message, ...(isHex(error.data) && { output: error.data }) })
}

const isHex = (value: unknown): value is Hex => typeof value === 'string' && /^0x([0-9a-f]{2})*$/i.test(value)

const post = async (url: string, method: string, body: unknown): Promise<unknown> => {
  const unreachable = (cause: unknown): NodeError => {
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const reason = inner instanceof Error ? inner.message : String(inner)
    return new NodeError(ClientErrors.UNREACHABLE, { url, reason }, { cause })
  }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw unreachable(cause)
  })
  const text = await textOf(response).catch((cause: unknown) => {
    throw unreachable(cause)
  })
  if (text === null)
    throw new NodeError(ClientErrors.ANSWER, { method, message: `an answer over ${ANSWER_BYTES_MAX} bytes` })
  try {
    return JSON.parse(text)
  } catch {
    return { error: { message: `HTTP ${response.status}, and no JSON-RPC answer` } }
  }
}

/** null where there is more of it than an answer may be. */
const textOf = async (response: Response): Promise<string | null> => {
  const decoder = new TextDecoder()
  let text = ''
  let sizeBytes = 0
  const reader = response.body?.getReader() // not `for await`, which Safari learnt late
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done) return text + decoder.decode()
    sizeBytes += value.length
    if (sizeBytes > ANSWER_BYTES_MAX) {
      await reader?.cancel()
      return null
    }
    text += decoder.decode(value, { stream: true })
  }
}
