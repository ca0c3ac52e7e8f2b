// One question and its answer over a stream of its own. Owns the frames, their bounds before anything is held, and the deadline: a
// peer that sends a byte a minute holds a stream no longer than any other.
//
// Question: length u32 ‖ bytes. Answer: 0 ‖ length u32 ‖ bytes, or 1 ‖ length u32 ‖ the reason in words where it is refused.
import type { Stream } from '@libp2p/interface'
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export const ReqrespErrors = defineErrors('REQRESP', {
  OVER: { text: (d: { size: number; max: number }) => `${d.size} bytes where at most ${d.max} are allowed` },
  SHORT: { text: (d: { have: number; want: number }) => `the stream ended after ${d.have} of ${d.want} bytes` },
  MALFORMED: { text: (d: { status: number }) => `an answer begins with 0 or 1, not ${d.status}` },
  REFUSED: { text: (d: { reason: string }) => `the peer refuses: ${d.reason}` },
  ABORTED: { text: (d: { reason: string }) => `the stream is given up: ${d.reason}` },
})

/** Written in pieces, so that a large answer waits for the reader and not in our memory. */
const PIECE_BYTES = 64 * 1024
/** What is set aside before a peer has sent anything, whatever length it announces. */
const AHEAD_BYTES = 16 * 1024
const REASON_MAX_BYTES = 200
const STATUS = { answered: 0, refused: 1 } as const

/** Throws REQRESP_*, and whatever the transport says where it breaks. */
export async function ask(
  stream: Stream,
  question: Uint8Array,
  answerMaxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return guarded(stream, signal, async () => {
    const answer = read(stream, 1, (status) => (status === STATUS.refused ? REASON_MAX_BYTES : answerMaxBytes))
    answer.catch(() => {}) // looked at below, once the question is out
    await send(stream, framed(null, question), signal)
    await stream.close({ signal }) // our side: the answer still comes
    const { status, bytes } = await answer
    if (status === STATUS.answered) return bytes
    if (status !== STATUS.refused) throw new NodeError(ReqrespErrors.MALFORMED, { status })
    throw new NodeError(ReqrespErrors.REFUSED, { reason: printable(bytes) })
  })
}

/** What `serve` answers with. */
export type Reply = { readonly bytes: Uint8Array } | { readonly refused: string }

/** Reads one question, answers it and closes. Returns the bytes that went each way. */
export async function serve(
  stream: Stream,
  questionMaxBytes: number,
  signal: AbortSignal,
  answer: (question: Uint8Array) => Promise<Reply>,
): Promise<{ readonly received: number; readonly sent: number }> {
  return guarded(stream, signal, async () => {
    const { bytes: question } = await read(stream, 0, () => questionMaxBytes)
    const reply = await answer(question)
    const out =
      'bytes' in reply
        ? framed(STATUS.answered, reply.bytes)
        : framed(STATUS.refused, new TextEncoder().encode(reply.refused).subarray(0, REASON_MAX_BYTES))
    await send(stream, out, signal)
    await stream.close({ signal })
    return { received: question.length, sent: out.length }
  })
}

/** Whatever goes wrong, or takes too long, ends the stream at once. */
const guarded = async <T>(stream: Stream, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  const abort = (): void => {
    const reason = asError(signal.reason)
    stream.abort(reason)
    ended.reject(reason)
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work(), ended.promise])
  } catch (error) {
    stream.abort(asError(error))
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new NodeError(ReqrespErrors.ABORTED, { reason: String(reason) })

/** A stranger's words go into a log: letters, digits and common marks alone. */
const printable = (bytes: Uint8Array): string =>
  new TextDecoder().decode(bytes).replaceAll(/[^\p{L}\p{N} .,:;'…()/-]/gu, '?')

const framed = (status: number | null, bytes: Uint8Array): Uint8Array => {
  const head = status === null ? 0 : 1
  const out = new Uint8Array(head + 4 + bytes.length)
  if (status !== null) out[0] = status
  new DataView(out.buffer).setUint32(head, bytes.length)
  out.set(bytes, head + 4)
  return out
}

const send = async (stream: Stream, bytes: Uint8Array, signal: AbortSignal): Promise<void> => {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    if (!stream.send(bytes.subarray(at, at + PIECE_BYTES))) await stream.onDrain({ signal })
}

/**
 * One frame with `statusBytes` (0 or 1) before it. Listens for as long as the stream lives, so that what comes beyond the frame is
 * seen and refused, where the stream's own iterator would store it without a bound.
 */
const read = (
  stream: Stream,
  statusBytes: 0 | 1,
  maxBytesOf: (status: number) => number,
): Promise<{ readonly status: number; readonly bytes: Uint8Array }> =>
  new Promise((resolve, reject) => {
    const headBytes = statusBytes + 4
    let held = new Uint8Array(AHEAD_BYTES)
    let have = 0
    /** Of the whole frame; known once its head is here. */
    let want: number | null = null
    const take = (chunk: Uint8Array): void => {
      const end = have + chunk.length
      if (end > held.length) {
        const grown = new Uint8Array(Math.max(end, Math.min(want ?? 0, 2 * held.length)))
        grown.set(held.subarray(0, have))
        held = grown
      }
      held.set(chunk, have)
      have = end
    }
    const fail = (error: Error): void => {
      reject(error) // before the abort, whose own events would say that the stream ended early
      stream.abort(error)
    }
    const look = (): void => {
      if (want === null && have >= headBytes) {
        const size = new DataView(held.buffer).getUint32(statusBytes)
        const max = maxBytesOf(held[0] ?? 0)
        if (size > max) fail(new NodeError(ReqrespErrors.OVER, { size, max }))
        else want = headBytes + size
      }
      if (want === null || have < want) return
      if (have > want) fail(new NodeError(ReqrespErrors.OVER, { size: have, max: want }))
      else resolve({ status: statusBytes === 0 ? 0 : (held[0] ?? 0), bytes: held.slice(headBytes, want) })
    }
    const end = (error?: Error): void => {
      if (want === null || have < want)
        reject(error ?? new NodeError(ReqrespErrors.SHORT, { have, want: want ?? headBytes }))
    }
    // What came with the negotiation of the protocol is put back after `end`, which is said once.
    const isOver = (): boolean => stream.readableEnded && stream.readBufferLength === 0
    stream.addEventListener('message', ({ data }) => {
      if (want !== null && have + data.byteLength > want) {
        fail(new NodeError(ReqrespErrors.OVER, { size: have + data.byteLength, max: want }))
        return
      }
      take(data instanceof Uint8Array ? data : data.subarray())
      look()
      if (isOver()) end()
    })
    stream.addEventListener('end', () => {
      if (isOver()) end()
    })
    stream.addEventListener('close', ({ error }) => {
      if (error !== undefined || stream.readBufferLength === 0) end(error) // else what is held still comes, then `end`
    })
    if (isOver()) end()
  })
