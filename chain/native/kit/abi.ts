// The contract ABI (Solidity's specification, strict as its own decoder) for native modules: types read from the generated
// `abi.ts`, decoding of hostile bytes, encoding. Owns what a Solidity value is in TypeScript.
import {
  type Address,
  asAddress,
  bigintToFixed,
  bytesToBigint,
  bytesToHex,
  concat,
  type Hash,
  type Hex,
} from '../../base/bytes.ts'
import { assert, defineErrors, NodeError } from '../../base/errors.ts'
import type { Log } from '../../types/receipt.ts'

export const AbiErrors = defineErrors('ABI', {
  DECODE: { rpc: -32602, text: (d: { reason: string }) => `malformed ABI data: ${d.reason}` },
})

/** A Solidity type: its canonical name, or what it is made of. */
export type AbiType = string | { readonly list: AbiType } | { readonly tuple: readonly AbiParam[] }
export type AbiParam = readonly [name: string, type: AbiType]

export interface AbiFunction {
  readonly selector: Hex
  /** The line ethers, viem and cast read. */
  readonly source: string
  readonly mutability: 'view' | 'pure' | 'nonpayable' | 'payable'
  readonly inputs: readonly AbiParam[]
  readonly outputs: readonly AbiParam[]
}
export interface AbiEvent {
  readonly topic: Hex
  readonly source: string
  readonly indexed: readonly AbiParam[]
  readonly plain: readonly AbiParam[]
}
export interface AbiError {
  readonly selector: Hex
  readonly source: string
  readonly inputs: readonly AbiParam[]
}
/** What `npm run gen` makes of an interface. Names are unique: there are no overloads. */
export interface Abi {
  readonly functions: Readonly<Record<string, AbiFunction>>
  readonly events: Readonly<Record<string, AbiEvent>>
  readonly errors: Readonly<Record<string, AbiError>>
}

/** Every integer is a bigint, whatever its width, so that no arithmetic is ever silently inexact. */
export type AbiValue<T> = T extends 'address'
  ? Address
  : T extends 'bool'
    ? boolean
    : T extends 'string'
      ? string
      : T extends `uint${string}` | `int${string}`
        ? bigint
        : T extends `bytes${string}`
          ? Uint8Array
          : T extends { readonly list: infer U }
            ? readonly AbiValue<U>[]
            : T extends { readonly tuple: infer P extends readonly AbiParam[] }
              ? Named<P>
              : never
export type Named<P extends readonly AbiParam[]> = { readonly [E in P[number] as E[0]]: AbiValue<E[1]> }
export type Positional<P extends readonly AbiParam[]> = { readonly [K in keyof P]: AbiValue<P[K][1]> }

const WORD = 32
const isDynamic = (type: AbiType): boolean => {
  if (typeof type === 'string') return type === 'bytes' || type === 'string'
  return 'list' in type || type.tuple.some(([, each]) => isDynamic(each))
}
/** Bytes a value takes in its parent's head. */
const headBytes = (type: AbiType): number => {
  if (isDynamic(type) || typeof type === 'string') return WORD
  assert('tuple' in type, 'a list is dynamic')
  return type.tuple.reduce((sum, [, each]) => sum + headBytes(each), 0)
}
const malformed = (reason: string): NodeError => new NodeError(AbiErrors.DECODE, { reason })

/** Reads words from hostile bytes. Each word may be read once on average: offsets that alias make no large value of a small input. */
interface Cursor {
  readonly data: Uint8Array
  wordsLeft: number
}
const wordAt = (cursor: Cursor, at: number): Uint8Array => {
  if (at + WORD > cursor.data.length) throw malformed(`ends at byte ${cursor.data.length}, a word is expected at ${at}`)
  if (cursor.wordsLeft-- <= 0) throw malformed('offsets point to the same bytes too often')
  return cursor.data.subarray(at, at + WORD)
}
/** An offset or a length: below 2^32, so that sums are exact. */
const sizeAt = (cursor: Cursor, at: number): number => {
  const value = bytesToBigint(wordAt(cursor, at))
  if (value >= 2n ** 32n) throw malformed(`an offset or length of ${value}`)
  return Number(value)
}
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const decodeWord = (type: string, word: Uint8Array): unknown => {
  const value = bytesToBigint(word)
  if (type === 'address') {
    if (value >= 2n ** 160n) throw malformed('an address of more than 20 bytes')
    return asAddress(word.slice(12))
  }
  if (type === 'bool') {
    if (value > 1n) throw malformed('a bool that is neither 0 nor 1')
    return value === 1n
  }
  if (type.startsWith('uint')) {
    if (value >= 2n ** BigInt(type.slice(4))) throw malformed(`${value} is no ${type}`)
    return value
  }
  if (type.startsWith('int')) {
    const signed = BigInt.asIntN(Number(type.slice(3)), value)
    if (BigInt.asUintN(256, signed) !== value) throw malformed(`${value} is no ${type}`)
    return signed
  }
  const size = Number(type.slice(5))
  if (word.subarray(size).some((byte) => byte !== 0)) throw malformed(`more than ${size} bytes in a ${type}`)
  return word.slice(0, size)
}

const decodeAt = (type: AbiType, cursor: Cursor, at: number): unknown => {
  if (typeof type === 'string') {
    if (!isDynamic(type)) return decodeWord(type, wordAt(cursor, at))
    const size = sizeAt(cursor, at)
    const words = Math.ceil(size / WORD)
    const start = at + WORD
    if (start + words * WORD > cursor.data.length) throw malformed(`${size} bytes do not fit in the data`)
    cursor.wordsLeft -= words
    if (cursor.wordsLeft < 0) throw malformed('offsets point to the same bytes too often')
    const bytes = cursor.data.slice(start, start + size)
    if (type === 'bytes') return bytes
    try {
      return utf8.decode(bytes)
    } catch {
      throw malformed('a string that is not UTF-8')
    }
  }
  if ('tuple' in type) return named(type.tuple, decodeList(type.tuple.map(([, each]) => each), cursor, at))
  const count = sizeAt(cursor, at)
  if (count * headBytes(type.list) > cursor.data.length - at) throw malformed(`${count} items do not fit in the data`)
  return decodeList(Array<AbiType>(count).fill(type.list), cursor, at + WORD)
}

/** Heads one after another from `base`, which is also what their offsets count from. */
const decodeList = (types: readonly AbiType[], cursor: Cursor, base: number): unknown[] => {
  let at = base
  return types.map((type) => {
    const head = at
    at += headBytes(type)
    return decodeAt(type, cursor, isDynamic(type) ? base + sizeAt(cursor, head) : head)
  })
}

const named = (params: readonly AbiParam[], values: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(params.map(([name], i) => [name, values[i]]))

/** Arguments without their selector. Bytes beyond the last value are passed over, as Solidity does. Throws ABI_DECODE. */
export function decodeValues<P extends readonly AbiParam[]>(params: P, data: Uint8Array): Positional<P> {
  const cursor: Cursor = { data, wordsLeft: Math.ceil(data.length / WORD) }
  const values = decodeList(params.map(([, type]) => type), cursor, 0)
  return values as unknown as Positional<P> // built by the same list of types
}

/** The same by name. Throws ABI_DECODE. */
export const decodeNamed = <P extends readonly AbiParam[]>(params: P, data: Uint8Array): Named<P> =>
  named(params, decodeValues(params, data) as readonly unknown[]) as Named<P> // built by the same list of types

const encodeWord = (type: string, value: unknown): Uint8Array => {
  if (typeof value === 'bigint') {
    const bits = BigInt(type.replace(/^u?int/, ''))
    const fits = type.startsWith('u') ? BigInt.asUintN(Number(bits), value) : BigInt.asIntN(Number(bits), value)
    assert(fits === value, `${value} is a ${type}`)
    return bigintToFixed(BigInt.asUintN(256, value), WORD)
  }
  if (typeof value === 'boolean') return bigintToFixed(value ? 1n : 0n, WORD)
  assert(value instanceof Uint8Array, `a ${type} is bytes`)
  const out = new Uint8Array(WORD)
  if (type === 'address') out.set(value, 12)
  else {
    assert(value.length === Number(type.slice(5)), `a ${type} has its size`)
    out.set(value)
  }
  return out
}

const encodeOne = (type: AbiType, value: unknown): Uint8Array => {
  if (typeof type === 'string') {
    if (!isDynamic(type)) return encodeWord(type, value)
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
    assert(bytes instanceof Uint8Array, `a ${type} is bytes or text`)
    const padded = new Uint8Array(Math.ceil(bytes.length / WORD) * WORD)
    padded.set(bytes)
    return concat(bigintToFixed(BigInt(bytes.length), WORD), padded)
  }
  if ('list' in type) {
    assert(Array.isArray(value), 'a list is an array')
    return concat(
      bigintToFixed(BigInt(value.length), WORD),
      encodeList(Array<AbiType>(value.length).fill(type.list), value),
    )
  }
  const fields = value as Readonly<Record<string, unknown>> // Named<P> by the types of the callers
  return encodeList(type.tuple.map(([, each]) => each), type.tuple.map(([name]) => fields[name]))
}

const encodeList = (types: readonly AbiType[], values: readonly unknown[]): Uint8Array => {
  const heads: Uint8Array[] = []
  const tails: Uint8Array[] = []
  let offset = types.reduce((sum, type) => sum + headBytes(type), 0)
  for (const [i, type] of types.entries()) {
    const encoded = encodeOne(type, values[i])
    if (!isDynamic(type)) heads.push(encoded)
    else {
      heads.push(bigintToFixed(BigInt(offset), WORD))
      tails.push(encoded)
      offset += encoded.length
    }
  }
  return concat(...heads, ...tails)
}

/** The values in their parameters' order. A value outside its type is a broken invariant: it is our own. */
export const encodeValues = <P extends readonly AbiParam[]>(params: P, values: Positional<P>): Uint8Array =>
  encodeList(
    params.map(([, type]) => type),
    values as readonly unknown[], // a mapped tuple is an array
  )

export const encodeNamed = <P extends readonly AbiParam[]>(params: P, values: Named<P>): Uint8Array =>
  encodeOne({ tuple: params }, values)

/** Custom error: selector and arguments. */
export const encodeError = <E extends AbiError>(error: E, values: Named<E['inputs']>): Uint8Array =>
  concat(selectorBytes(error.selector), encodeNamed(error.inputs, values))

const selectorBytes = (hex: Hex): Uint8Array => bigintToFixed(BigInt(hex), (hex.length - 2) / 2)

/** Calldata of a function. */
export const encodeCall = <F extends AbiFunction>(fn: F, args: Positional<F['inputs']>): Uint8Array =>
  concat(selectorBytes(fn.selector), encodeValues(fn.inputs, args))

/** `Error(string)`, which every wallet shows as words. */
export const encodeReason = (reason: string): Uint8Array =>
  concat(selectorBytes('0x08c379a0'), encodeValues([['reason', 'string']] as const, [reason]))

/** `Panic(uint256)`, which is how Solidity's own checks fail. */
export const encodePanic = (code: bigint): Uint8Array =>
  concat(selectorBytes('0x4e487b71'), encodeValues([['code', 'uint256']] as const, [code]))

/** A log as Solidity writes it. An indexed value is a single word: the generator refuses others. */
export function encodeEvent<E extends AbiEvent>(
  event: E,
  address: Address,
  values: Named<E['indexed']> & Named<E['plain']>,
): Log {
  const fields: Readonly<Record<string, unknown>> = values
  const topics = event.indexed.map(([name, type]) => encodeOne(type, fields[name]) as Hash) // one word each
  return {
    address,
    topics: [selectorBytes(event.topic) as Hash, ...topics], // 32 bytes by the generator
    data: encodeOne({ tuple: event.plain }, fields),
  }
}

/** The other way round. Throws ABI_DECODE; whose log it is its first topic says. */
export const decodeEvent = <E extends AbiEvent>(
  event: E,
  { topics, data }: Pick<Log, 'topics' | 'data'>,
): Named<E['indexed']> & Named<E['plain']> => ({
  ...decodeNamed<E['indexed']>(event.indexed, concat(...topics.slice(1))),
  ...decodeNamed<E['plain']>(event.plain, data),
})

/** The selector of calldata; null where there are less than four bytes. */
export const selectorOf = (input: Uint8Array): Hex | null =>
  input.length < 4 ? null : bytesToHex(input.subarray(0, 4))
