// JSON-RPC over HTTP for our own commands. Owns what an unreachable node is called.
import { defineErrors, NodeError } from '../../chain/base/errors.ts'

export const ClientErrors = defineErrors('CLIENT', {
  UNREACHABLE: {
    text: (d: { url: string; reason: string }) =>
      `no node answers at ${d.url} (${d.reason}): is it running? Give --rpc <url>`,
  },
  ANSWER: { text: (d: { method: string; message: string }) => `${d.method}: ${d.message}` },
})

const TIMEOUT_MS = 10_000
interface Answer {
  readonly result?: unknown
  readonly error?: { readonly message?: string }
}

/** The result. Throws CLIENT_UNREACHABLE and CLIENT_ANSWER. */
export async function request(url: string, method: string, params: readonly unknown[] = []): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    throw new NodeError(
      ClientErrors.UNREACHABLE,
      { url, reason: inner instanceof Error ? inner.message : String(inner) },
      { cause },
    )
  })
  const nothing = { error: { message: `HTTP ${response.status}, and no JSON-RPC answer` } }
  const answer = (await response.json().catch(() => nothing)) as Answer // fields are looked at before use
  if (answer.error !== undefined)
    throw new NodeError(ClientErrors.ANSWER, { method, message: answer.error.message ?? '?' })
  return answer.result
}
