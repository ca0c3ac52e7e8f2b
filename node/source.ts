// A genesis from where the user says: a file or a URL, bounded in size and time. And files that are written whole or not at all.
import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export const SourceErrors = defineErrors('SOURCE', {
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
  FETCH: { text: (d: { url: string; reason: string }) => `cannot read ${d.url}: ${d.reason}` },
})

/** Two million accounts; reading one million takes 1.8 GB and most of a minute of a core. */
export const GENESIS_MAX_BYTES = 256 * 1024 * 1024
/** From a URL, which has to answer within half a minute: whoever has a larger one fetches it otherwise. */
export const FETCHED_MAX_BYTES = 64 * 1024 * 1024
const FETCH_TIMEOUT_MS = 30_000
const REDIRECTS_MAX = 5

export const isUrl = (source: string): boolean => /^https?:/i.test(source)

/** The text of a file or of what a URL answers. Throws SOURCE_FILE and SOURCE_FETCH. */
export const readGenesis = async (source: string, timeoutMs = FETCH_TIMEOUT_MS): Promise<string> =>
  isUrl(source) ? fetchText(source, timeoutMs) : readText(source, GENESIS_MAX_BYTES)

/** Throws SOURCE_FILE where it is missing, no file, above the bound, or not UTF-8. */
export function readText(file: string, maxBytes: number): string {
  const refuse = (reason: string, cause?: unknown) => new NodeError(SourceErrors.FILE, { file, reason }, { cause })
  try {
    const found = statSync(file)
    if (!found.isFile()) throw refuse('it is no file')
    if (found.size > maxBytes) throw refuse(`it has ${found.size} bytes, at most ${maxBytes}`)
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (cause) {
    if (cause instanceof NodeError) throw cause
    throw refuse(whyNot(cause), cause)
  }
}

/** What the file system says, as a sentence. */
const whyNot = (cause: unknown): string => {
  const { code, message } = cause as NodeJS.ErrnoException // it throws nothing else
  return code === 'ENOENT'
    ? 'there is no such file'
    : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
      ? 'not UTF-8'
      : message
}

/** Under its name when it is on disk, in place of what was there. Throws SOURCE_FILE. */
export function writeWhole(file: string, text: string): void {
  const fresh = `${file}.${randomUUID()}.new`
  try {
    const handle = openSync(fresh, 'wx', 0o644)
    try {
      writeFileSync(handle, text)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(fresh, file)
  } catch (cause) {
    rmSync(fresh, { force: true })
    throw new NodeError(SourceErrors.FILE, { file, reason: `cannot be written (${whyNot(cause)})` }, { cause })
  }
}

/**
 * Written beside, by whoever is given the handle and the name it has till then, and under its name once it is on disk. Throws SOURCE_FILE, and
 * nothing is left then.
 */
export async function intoFile<T>(file: string, write: (handle: FileHandle, part: string) => Promise<T>): Promise<T> {
  const part = `${file}.part`
  try {
    const handle = await open(part, 'w')
    try {
      const made = await write(handle, part)
      await handle.sync()
      await rename(part, file)
      return made
    } finally {
      await handle.close()
    }
  } catch (cause) {
    await unlink(part).catch(() => {})
    throw cause instanceof NodeError
      ? cause
      : new NodeError(SourceErrors.FILE, { file, reason: whyNot(cause) }, { cause })
  }
}

/** Redirects are followed by hand: a few, and none that leaves encryption behind. Throws SOURCE_FETCH, and whatever ended it. */
export async function openUrl(source: string, options: Pick<RequestInit, 'signal' | 'headers'>): Promise<Response> {
  const refuse = (reason: string) => new NodeError(SourceErrors.FETCH, { url: source, reason })
  let url = new URL(source)
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const response = await fetch(url, { ...options, redirect: 'manual' })
    const location = response.headers.get('location')
    if (response.status < 300 || response.status > 399 || location === null) {
      if (!response.ok) {
        await response.body?.cancel()
        throw refuse(`HTTP ${response.status}`)
      }
      return response
    }
    await response.body?.cancel()
    const next = new URL(location, url)
    if (!isUrl(next.href)) throw refuse(`it redirects to ${next.protocol}`)
    if (url.protocol === 'https:' && next.protocol === 'http:') throw refuse(`it redirects to ${next}, not encrypted`)
    url = next
  }
  throw refuse(`more than ${REDIRECTS_MAX} redirects`)
}

/** Why a request or its answer failed, as SOURCE_FETCH. */
export function fetchFault(url: string, cause: unknown): NodeError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const reason = inner instanceof Error ? inner.message : String(inner)
  return cause instanceof NodeError ? cause : new NodeError(SourceErrors.FETCH, { url, reason }, { cause })
}

const fetchText = async (source: string, timeoutMs: number): Promise<string> => {
  const refuse = (reason: string, cause?: unknown) =>
    new NodeError(SourceErrors.FETCH, { url: source, reason }, { cause })
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    return await bodyOf(await openUrl(source, { signal }), refuse)
  } catch (cause) {
    if (signal.aborted && !(cause instanceof NodeError))
      throw refuse(`no whole answer within ${timeoutMs / 1_000} s`, cause)
    throw fetchFault(source, cause)
  }
}

/** Counted while it comes: an answer may say nothing of its size, or lie, or grow when unpacked. */
const bodyOf = async (response: Response, refuse: (reason: string) => NodeError): Promise<string> => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let [text, size] = ['', 0]
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > FETCHED_MAX_BYTES) throw refuse(`more than ${FETCHED_MAX_BYTES} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
