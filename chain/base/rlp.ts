// RLP (Ethereum yellow paper, appendix B). Strict both ways: one encoding per value, lengths never trusted before the
// bytes are there, depth bounded. Integers are separate helpers, because RLP itself knows only strings and lists.
import { bigintToBytes, bytesToBigint, bytesToNumber } from './bytes.ts'
import { defineErrors, NodeError } from './errors.ts'

export const RlpErrors = defineErrors('RLP', {
  MALFORMED: { text: (d: { what: string; at: number }) => `rlp: ${d.what} at byte ${d.at}` },
})

export type Rlp = Uint8Array | readonly Rlp[]
/** Deepest legitimate nesting is an access list in a transaction in a block: 5. */
const DEPTH_MAX = 16
const EMPTY_LIST = Uint8Array.of(0xc0)

const lengthBytes = (size: number): number => (size < 0x100 ? 1 : size < 0x10000 ? 2 : size < 0x1000000 ? 3 : 4)
const headerSize = (payload: number): number => (payload < 56 ? 1 : 1 + lengthBytes(payload))

const encodedSize = (item: Rlp): number => {
  if (item instanceof Uint8Array) {
    return item.length === 1 && (item[0] as number) < 0x80 ? 1 : headerSize(item.length) + item.length
  }
  const payload = listPayload(item)
  return headerSize(payload) + payload
}

const listPayload = (items: readonly Rlp[]): number => {
  let size = 0
  for (const item of items) size += encodedSize(item)
  return size
}

const writeHeader = (out: Uint8Array, at: number, payload: number, base: number): number => {
  if (payload < 56) {
    out[at] = base + payload
    return at + 1
  }
  const n = lengthBytes(payload)
  out[at] = base + 55 + n
  for (let i = n, rest = payload; i > 0; i--, rest = Math.floor(rest / 256)) out[at + i] = rest & 255
  return at + 1 + n
}

const write = (out: Uint8Array, start: number, item: Rlp): number => {
  if (item instanceof Uint8Array) {
    if (item.length === 1 && (item[0] as number) < 0x80) {
      out[start] = item[0] as number
      return start + 1
    }
    const at = writeHeader(out, start, item.length, 0x80)
    out.set(item, at)
    return at + item.length
  }
  let at = writeHeader(out, start, listPayload(item), 0xc0)
  for (const child of item) at = write(out, at, child)
  return at
}

export function encodeRlp(item: Rlp): Uint8Array {
  if (!(item instanceof Uint8Array) && item.length === 0) return EMPTY_LIST.slice()
  const out = new Uint8Array(encodedSize(item))
  write(out, 0, item)
  return out
}

/** A list of items that are encoded already. */
export function joinRlp(items: readonly Uint8Array[]): Uint8Array {
  const payload = items.reduce((sum, item) => sum + item.length, 0)
  const out = new Uint8Array(headerSize(payload) + payload)
  let at = writeHeader(out, 0, payload, 0xc0)
  for (const item of items) {
    out.set(item, at)
    at += item.length
  }
  return out
}

type Header = { list: boolean; start: number; end: number }

const readHeader = (bytes: Uint8Array, at: number, limit: number): Header => {
  const fail = (what: string): never => {
    throw new NodeError(RlpErrors.MALFORMED, { what, at })
  }
  if (at >= limit) fail('input ends early')
  const first = bytes[at] as number
  if (first < 0x80) return { list: false, start: at, end: at + 1 }
  const list = first >= 0xc0
  const base = list ? 0xc0 : 0x80
  let start = at + 1
  let payload = first - base
  if (payload > 55) {
    const n = payload - 55
    if (n > 4 || start + n > limit) fail('length out of range')
    if (bytes[start] === 0) fail('length with leading zero')
    payload = bytesToNumber(bytes.subarray(start, start + n))
    if (payload < 56) fail('length not in its shortest form')
    start += n
  } else if (!list && payload === 1 && start < limit && (bytes[start] as number) < 0x80)
    fail('byte not in its shortest form')
  if (start + payload > limit) fail('payload longer than the input')
  return { list, start, end: start + payload }
}

/** Where the item at `at` has its content. Throws RLP_MALFORMED. */
export const rlpSpan = (bytes: Uint8Array, at: number): { readonly start: number; readonly end: number } =>
  readHeader(bytes, at, bytes.length)

interface Budget {
  items: number
}

const read = (
  bytes: Uint8Array,
  at: number,
  limit: number,
  depth: number,
  budget: Budget,
): { item: Rlp; end: number } => {
  const { list, start, end } = readHeader(bytes, at, limit)
  if (--budget.items < 0) throw new NodeError(RlpErrors.MALFORMED, { what: 'too many items for so few bytes', at })
  if (!list) return { item: bytes.subarray(start, end), end }
  if (depth >= DEPTH_MAX) throw new NodeError(RlpErrors.MALFORMED, { what: 'nested too deeply', at })
  const items: Rlp[] = []
  for (let next = start; next < end; ) {
    const child = read(bytes, next, end, depth + 1, budget)
    items.push(child.item)
    next = child.end
  }
  return { item: items, end }
}

/** Decodes exactly one item that fills the input. Strings are views into it. Throws RLP_MALFORMED. */
export const decodeRlp = (bytes: Uint8Array): Rlp => decodeWithin(bytes, Number.POSITIVE_INFINITY)

const SPARSE = { items: 64, bytesPerItem: 16 }
/**
 * For bytes of strangers: an item costs some hundred bytes of memory, and a byte is an item. No honest message has one in 16 bytes,
 * but for the smallest.
 */
export const decodeSparseRlp = (bytes: Uint8Array): Rlp =>
  decodeWithin(bytes, SPARSE.items + Math.floor(bytes.length / SPARSE.bytesPerItem))

const decodeWithin = (bytes: Uint8Array, items: number): Rlp => {
  const { item, end } = read(bytes, 0, bytes.length, 0, { items })
  if (end !== bytes.length) throw new NodeError(RlpErrors.MALFORMED, { what: 'bytes after the item', at: end })
  return item
}

const refuse = (what: string): never => {
  throw new NodeError(RlpErrors.MALFORMED, { what, at: 0 })
}

/** A list of exactly `count` items, or of any number when `count` is not given. */
export function asList(item: Rlp | undefined, count?: number): readonly Rlp[] {
  if (item === undefined || item instanceof Uint8Array) return refuse('expected a list')
  if (count !== undefined && item.length !== count) return refuse(`expected ${count} fields, have ${item.length}`)
  return item
}

/** A string, of exactly `sizeBytes` when given. */
export function asBytes(item: Rlp | undefined, sizeBytes?: number): Uint8Array {
  if (!(item instanceof Uint8Array)) return refuse('expected a string')
  if (sizeBytes !== undefined && item.length !== sizeBytes)
    return refuse(`expected ${sizeBytes} bytes, have ${item.length}`)
  return item
}

/** UTF-8 to the letter, so that the same text is the same bytes. */
export function asText(item: Rlp | undefined): string {
  const bytes = asBytes(item)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refuse('expected UTF-8')
  }
}

/** 0 or 1, nothing else. */
export function asFlag(item: Rlp | undefined): boolean {
  const value = asNumber(item)
  return value < 2 ? value === 1 : refuse(`expected 0 or 1, have ${value}`)
}

/** An integer without leading zeros, of at most `bits` bits. */
export function asBigint(item: Rlp | undefined, bits = 256): bigint {
  const bytes = asBytes(item)
  if (bytes.length * 8 > bits) return refuse(`integer above ${bits} bits`)
  if (bytes[0] === 0) return refuse('integer with leading zero')
  return bytesToBigint(bytes)
}

/** An integer below 2^48, exact as a number. */
export const asNumber = (item: Rlp | undefined): number => Number(asBigint(item, 48))

export const rlpInt = (value: bigint | number): Uint8Array => bigintToBytes(BigInt(value))
