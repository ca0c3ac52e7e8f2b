// Bytes one after the other, from a file or a URL, as many as are asked for: what is larger than memory is never in it. Owns that nothing is
// waited for longer than its time, and that where it began is told when it is not what was expected.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { concat } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { fetchFault, isUrl, openUrl, SourceErrors } from './source.ts'

export interface ByteStream {
  /** The file or URL. */
  readonly name: string
  /** How many were read. */
  readonly at: number
  /** So many, or what there is before the end. Throws SOURCE_*. */
  read(sizeBytes: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** A URL whose server says nothing for so long is given up. */
const STALL_MS = 30_000
const FILE_CHUNK_BYTES = 1024 * 1024

/** `firstBytes`: no more than these are going to be read. Throws SOURCE_*. */
export async function openBytes(
  source: string,
  options: { readonly stallMs?: number; readonly firstBytes?: number } = {},
): Promise<ByteStream> {
  return isUrl(source) ? overHttp(source, options) : fromFile(source)
}

const fromFile = async (name: string): Promise<ByteStream> => {
  const fault = (cause: unknown): NodeError => {
    const { code, message } = cause as NodeJS.ErrnoException // the file system throws nothing else
    const reason = code === 'ENOENT' ? 'there is no such file' : message
    return new NodeError(SourceErrors.FILE, { file: name, reason }, { cause })
  }
  const found = await stat(name).catch((cause: unknown) => {
    throw fault(cause)
  })
  if (!found.isFile()) throw new NodeError(SourceErrors.FILE, { file: name, reason: 'it is no file' })
  const stream = createReadStream(name, { highWaterMark: FILE_CHUNK_BYTES })
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array> // without an encoding it gives buffers
  const next = (): ReturnType<typeof chunks.next> =>
    chunks.next().catch((cause: unknown) => {
      throw fault(cause)
    })
  return new Chunks(name, next, async () => void stream.destroy())
}

const overHttp = async (
  url: string,
  { stallMs = STALL_MS, firstBytes }: { readonly stallMs?: number; readonly firstBytes?: number },
): Promise<ByteStream> => {
  const abort = new AbortController()
  /** Whatever does not come in its time ends all of it. */
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => abort.abort(), stallMs)
    try {
      return await work
    } catch (cause) {
      if (!abort.signal.aborted) throw fetchFault(url, cause)
      throw new NodeError(SourceErrors.FETCH, { url, reason: `nothing came for ${stallMs / 1_000} s` }, { cause })
    } finally {
      clearTimeout(timer)
    }
  }
  const headers = firstBytes === undefined ? {} : { range: `bytes=0-${firstBytes - 1}` }
  const { body } = await inTime(openUrl(url, { signal: abort.signal, headers }))
  const chunks = body?.[Symbol.asyncIterator]()
  const next = async () => (chunks === undefined ? { done: true as const, value: undefined } : inTime(chunks.next()))
  return new Chunks(url, next, async () => abort.abort())
}

class Chunks implements ByteStream {
  readonly name: string
  readonly #next: () => Promise<IteratorResult<Uint8Array, unknown>>
  readonly #close: () => Promise<void>
  #rest: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(name: string, next: () => Promise<IteratorResult<Uint8Array, unknown>>, close: () => Promise<void>) {
    this.name = name
    this.#next = next
    this.#close = close
  }

  get at(): number {
    return this.#at
  }

  async read(sizeBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let missing = sizeBytes
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#next()
        if (done === true) break
        this.#rest = value
      }
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    this.#at += sizeBytes - missing
    return concat(...parts)
  }

  close(): Promise<void> {
    return this.#close()
  }
}
