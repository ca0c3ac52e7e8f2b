// The hot form of a request: a batch of nothing but `eth_sendRawTransaction`, as clients write it, read from its bytes to the signed bytes
// without an object or a string for each. What it does not know to the letter it leaves to `dispatch.ts`, whose answers its own equal.
import type { Hash } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { rpcLimits } from '../chain/base/limits.ts'

export interface RawBatch {
  /** Views of one buffer that holds them all. */
  readonly raws: readonly Uint8Array[]
  /** In which the ids lie as JSON. */
  readonly body: Uint8Array
  /** Where each of them begins and ends. */
  readonly idPlaces: readonly number[]
}
export const idAt = ({ body, idPlaces }: RawBatch, index: number): Uint8Array =>
  body.subarray(idPlaces[2 * index], idPlaces[2 * index + 1])

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))
const METHOD = bytesOf('"eth_sendRawTransaction"')
const VERSION = bytesOf('"2.0"')
const KEYS = {
  id: bytesOf('"id"'),
  jsonrpc: bytesOf('"jsonrpc"'),
  method: bytesOf('"method"'),
  params: bytesOf('"params"'),
}
/** Of a key in the set of those that were read. */
const BIT = { id: 1, jsonrpc: 2, method: 4, params: 8 }
/** A JSON-RPC version is not asked for; id, method and parameters are. */
const NEEDED = BIT.id | BIT.method | BIT.params
/** A whole number of so many digits is written as it was read. */
const DIGITS_MAX = 15

const [OPEN_LIST, CLOSE_LIST, OPEN, CLOSE, COMMA, COLON, QUOTE, BACKSLASH, ZERO] = bytesOf('[]{},:"\\0') as unknown as [
  number,
  ...number[],
]
const isDigit = (code: number): boolean => code >= 48 && code <= 57
const X = 120
const NO_NIBBLE = 255
const NIBBLES = new Uint8Array(256).fill(NO_NIBBLE)
for (let i = 0; i < 22; i++) NIBBLES['0123456789abcdefABCDEF'.charCodeAt(i)] = i < 16 ? i : i - 6

/** null: to be read with care. */
export function readRawBatch(body: Uint8Array): RawBatch | null {
  // Most other requests are told by their first byte.
  let at = 0
  while (isSpace(body[at])) at++
  if (body[at] !== OPEN_LIST) return null
  const scan = new Scan(body, at + 1)
  const raws: Uint8Array[] = []
  const idPlaces: number[] = []
  do {
    if (raws.length === rpcLimits.batchRequests.value || !scan.request()) return null
    raws.push(scan.raw)
    idPlaces.push(scan.idStart, scan.idEnd)
  } while (scan.skip(COMMA))
  return scan.skip(CLOSE_LIST) && scan.isAtEnd() ? { raws, body, idPlaces } : null
}

const isSpace = (code: number | undefined): boolean => code === 32 || code === 10 || code === 13 || code === 9
const NOTHING: Uint8Array = new Uint8Array(0)

class Scan {
  readonly #body: Uint8Array
  #at: number
  /** Two digits are a byte, so all fit. Made once something is known to be worth it. */
  #out = NOTHING
  #end = 0
  idStart = 0
  idEnd = 0
  raw = NOTHING

  constructor(body: Uint8Array, at: number) {
    this.#body = body
    this.#at = at
  }

  /** One that is known to the letter, into `raw` and where its id lies. */
  request(): boolean {
    if (!this.skip(OPEN)) return false
    let seen = 0
    do {
      const bit = this.#member()
      if (bit === 0 || (seen & bit) !== 0) return false
      seen |= bit
    } while (this.skip(COMMA))
    return this.skip(CLOSE) && (seen & NEEDED) === NEEDED
  }

  #member(): number {
    const key = this.#key()
    if (key === null || !this.skip(COLON)) return 0
    this.#space()
    const isKnown =
      key === 'params' ? this.#params() : key === 'id' ? this.#id() : this.#text(key === 'method' ? METHOD : VERSION)
    return isKnown ? BIT[key] : 0
  }

  #key(): keyof typeof KEYS | null {
    this.#space()
    // Told by the first letter and one look at the rest.
    const first = this.#body[this.#at + 1]
    const key = first === 105 ? 'id' : first === 106 ? 'jsonrpc' : first === 109 ? 'method' : 'params'
    return this.#text(KEYS[key]) ? key : null
  }

  #params(): boolean {
    return this.skip(OPEN_LIST) && this.#hex() && this.skip(CLOSE_LIST)
  }

  /** A whole number, or a string of letters that JSON writes as they are. */
  #id(): boolean {
    const body = this.#body
    const start = this.#at
    let at = start
    if (body[at] === QUOTE) {
      for (let code = body[++at]; code !== QUOTE; code = body[++at])
        if (code === undefined || code < 32 || code > 126 || code === BACKSLASH) return false
      at++
    } else {
      while (isDigit(body[at] ?? 0)) at++
      const digits = at - start
      if (digits === 0 || digits > DIGITS_MAX || (body[start] === ZERO && digits > 1)) return false
    }
    this.idStart = start
    this.idEnd = at
    this.#at = at
    return true
  }

  #hex(): boolean {
    this.#space()
    const body = this.#body
    let at = this.#at
    if (body[at] !== QUOTE || body[at + 1] !== ZERO || body[at + 2] !== X) return false
    at += 3
    if (this.#out.length === 0) this.#out = new Uint8Array(body.length >> 1)
    const out = this.#out
    const start = this.#end
    let end = start
    for (const last = body.length - 1; at < last; at += 2) {
      const high = NIBBLES[body[at] as number] as number
      if (high === NO_NIBBLE) break
      const low = NIBBLES[body[at + 1] as number] as number
      if (low === NO_NIBBLE) return false
      out[end++] = high * 16 + low
    }
    if (body[at] !== QUOTE) return false
    this.raw = out.subarray(start, end)
    this.#end = end
    this.#at = at + 1
    return true
  }

  #text(wanted: Uint8Array): boolean {
    const body = this.#body
    const at = this.#at
    for (let i = 0; i < wanted.length; i++) if (body[at + i] !== wanted[i]) return false
    this.#at = at + wanted.length
    return true
  }

  skip(code: number | undefined): boolean {
    this.#space()
    if (this.#body[this.#at] !== code) return false
    this.#at++
    return true
  }

  isAtEnd(): boolean {
    this.#space()
    return this.#at === this.#body.length
  }

  #space(): void {
    while (isSpace(this.#body[this.#at])) this.#at++
  }
}

const BEFORE_ID = bytesOf('{"jsonrpc":"2.0","id":')
const BEFORE_HASH = bytesOf(',"result":"0x')
const AFTER_HASH = bytesOf('"}')
const HEX_DIGITS = bytesOf('0123456789abcdef')
const HASH_BYTES = 32
const AROUND_BYTES = BEFORE_ID.length + BEFORE_HASH.length + 2 * HASH_BYTES + AFTER_HASH.length + 1

/** The answers in their places: a hash each, or what `refuse` makes of a refusal. */
export function writeAnswers(
  batch: RawBatch,
  answers: readonly (Hash | NodeError)[],
  refuse: (id: Uint8Array, error: NodeError) => string,
): string {
  // What is between two refusals is written in one go.
  let text = '['
  let from = 0
  for (const [i, answer] of answers.entries()) {
    if (!(answer instanceof NodeError)) continue
    text += writeHashes(batch, answers, from, i) + (i === 0 ? '' : ',') + refuse(idAt(batch, i), answer)
    from = i + 1
  }
  return `${text}${writeHashes(batch, answers, from, answers.length)}]`
}

/** From an index to before another, with commas between and before, as JSON; between them are hashes alone. */
const writeHashes = (
  { body, idPlaces }: RawBatch,
  answers: readonly (Hash | NodeError)[],
  from: number,
  to: number,
): string => {
  let sizeBytes = AROUND_BYTES * (to - from)
  for (let i = from; i < to; i++) sizeBytes += (idPlaces[2 * i + 1] as number) - (idPlaces[2 * i] as number)
  const out = Buffer.allocUnsafe(sizeBytes)
  let at = 0
  for (let i = from; i < to; i++) {
    if (i > 0) out[at++] = COMMA as number
    at = put(out, at, BEFORE_ID)
    for (let j = idPlaces[2 * i] as number; j < (idPlaces[2 * i + 1] as number); j++) out[at++] = body[j] as number
    at = put(out, at, BEFORE_HASH)
    const hash = answers[i] as Hash // by the contract above
    for (let j = 0; j < HASH_BYTES; j++) {
      const byte = hash[j] as number
      out[at++] = HEX_DIGITS[byte >> 4] as number
      out[at++] = HEX_DIGITS[byte & 15] as number
    }
    at = put(out, at, AFTER_HASH)
  }
  return out.toString('latin1', 0, at)
}

/** Of a few bytes: a call of `set` costs more. */
const put = (out: Uint8Array, at: number, bytes: Uint8Array): number => {
  for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i] as number
  return at + bytes.length
}
