// One question and its answer over a stream of its own. Owns the frames, their bounds before anything is held, and the deadline: a
// peer that sends a byte a minute holds a stream no longer than any other.
//
// Question: length u32 ‖ bytes. Answer: 1 where it is refused, else 0 ‖ length u32 ‖ bytes.
import type { Stream } from '@libp2p/interface'
import { concat } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export const ReqrespErrors = defineErrors('REQRESP', {
  OVER: { text: (d: { size: number; max: number }) => `${d.size} bytes where at most ${d.max} are allowed` },
  SHORT: { text: (d: { have: number; want: number }) => `the stream ended after ${d.have} of ${d.want} bytes` },
  REFUSED: { text: () => 'the peer refuses to answer' },
  ABORTED: { text: (d: { reason: string }) => `the stream is given up: ${d.reason}` },
})

/** Written in pieces, so that a large answer waits for the reader and not in our memory. */
const PIECE_BYTES = 64 * 1024
const REFUSED = Uint8Array.of(1)

/** Throws REQRESP_*, and whatever the transport says where it breaks. */
export async function ask(
  stream: Stream,
  question: Uint8Array,
  answerMaxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return guarded(stream, signal, async () => {
    await send(stream, framed(question), signal)
    await stream.close({ signal }) // our side: the answer still comes
    const reader = readerOf(stream)
    const [status] = await reader.take(1)
    if (status !== 0) throw new NodeError(ReqrespErrors.REFUSED, undefined)
    return reader.frame(answerMaxBytes)
  })
}

/** Reads one question, answers it and closes. `answer` throwing refuses. */
export async function serve(
  stream: Stream,
  questionMaxBytes: number,
  signal: AbortSignal,
  answer: (question: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  await guarded(stream, signal, async () => {
    const question = await readerOf(stream).frame(questionMaxBytes)
    const reply = await answer(question).then(
      (bytes) => concat(Uint8Array.of(0), framed(bytes)),
      () => REFUSED,
    )
    await send(stream, reply, signal)
    await stream.close({ signal })
  })
}

/** Whatever goes wrong, or takes too long, ends the stream at once. */
const guarded = async <T>(stream: Stream, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  const abort = (): void => stream.abort(asError(signal.reason))
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await work()
  } catch (error) {
    stream.abort(asError(error))
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new NodeError(ReqrespErrors.ABORTED, { reason: String(reason) })

const framed = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(4 + bytes.length)
  new DataView(out.buffer).setUint32(0, bytes.length)
  out.set(bytes, 4)
  return out
}

const send = async (stream: Stream, bytes: Uint8Array, signal: AbortSignal): Promise<void> => {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    if (!stream.send(bytes.subarray(at, at + PIECE_BYTES))) await stream.onDrain({ signal })
}

const readerOf = (stream: Stream) => {
  const chunks = stream[Symbol.asyncIterator]()
  let held = new Uint8Array(0)
  const take = async (count: number): Promise<Uint8Array> => {
    const parts = [held]
    let have = held.length
    while (have < count) {
      const { value, done } = await chunks.next()
      if (done === true) throw new NodeError(ReqrespErrors.SHORT, { have, want: count })
      const bytes = value instanceof Uint8Array ? value : value.subarray()
      parts.push(new Uint8Array(bytes))
      have += bytes.length
    }
    const all = parts.length === 1 ? held : concat(...parts)
    held = all.slice(count)
    return all.subarray(0, count)
  }
  return {
    take,
    async frame(maxBytes: number): Promise<Uint8Array> {
      const head = await take(4)
      const size = new DataView(head.buffer, head.byteOffset, 4).getUint32(0)
      if (size > maxBytes) throw new NodeError(ReqrespErrors.OVER, { size, max: maxBytes })
      return take(size)
    },
  }
}
