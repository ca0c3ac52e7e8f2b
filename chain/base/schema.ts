// Codecs of the JSON boundary: what a user's value must look like, and what it becomes. Owns Ethereum's conventions for hex
// (execution-apis): quantities without leading zeros, data of whole bytes. Each codec also says its JSON Schema.
import { type Address, asAddress, asHash, type Hash, hexToBytes } from './bytes.ts'

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }
export interface Codec<T> {
  /** Ends the sentence "expected …". */
  readonly expected: string
  readonly schema: object
  decode(value: unknown): Decoded<T>
}
type ValueOf<C> = C extends Codec<infer T> ? T : never

const good = <T>(value: T): Decoded<T> => ({ ok: true, value })
const bad = (why: string): { readonly ok: false; readonly why: string } => ({ ok: false, why })

/** A codec over strings that match a pattern. */
const text = <T>(expected: string, pattern: RegExp, read: (hex: string) => T): Codec<T> => ({
  expected,
  schema: { type: 'string', pattern: pattern.source },
  decode: (value) =>
    typeof value === 'string' && pattern.test(value) ? good(read(value)) : bad(`expected ${expected}`),
})

export const quantity: Codec<bigint> = text(
  'a quantity: 0x and hex digits without leading zeros, at most 256 bits',
  /^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})$/,
  BigInt,
)
/** A quantity that counts something: below 2^53. */
export const count: Codec<number> = {
  ...quantity,
  expected: 'a quantity below 2^53',
  decode(value) {
    const decoded = quantity.decode(value)
    if (!decoded.ok) return bad('expected a quantity below 2^53')
    return decoded.value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? good(Number(decoded.value))
      : bad('expected a quantity below 2^53')
  },
}
export const data: Codec<Uint8Array> = text('0x and whole bytes of hex', /^0x([0-9a-fA-F]{2})*$/, hexToBytes)
export const address: Codec<Address> = text('an address: 0x and 40 hex digits', /^0x[0-9a-fA-F]{40}$/, (hex) =>
  asAddress(hexToBytes(hex)),
)
export const hash: Codec<Hash> = text('a hash: 0x and 64 hex digits', /^0x[0-9a-fA-F]{64}$/, (hex) =>
  asHash(hexToBytes(hex)),
)
/** Storage keys come as 32 bytes or, from many clients, shorter. */
export const word: Codec<bigint> = text('a storage key: 0x and at most 64 hex digits', /^0x[0-9a-fA-F]{1,64}$/, BigInt)
export const flag: Codec<boolean> = {
  expected: 'true or false',
  schema: { type: 'boolean' },
  decode: (value) => (typeof value === 'boolean' ? good(value) : bad('expected true or false')),
}
export const string: Codec<string> = {
  expected: 'a string',
  schema: { type: 'string' },
  decode: (value) => (typeof value === 'string' ? good(value) : bad('expected a string')),
}
export const number: Codec<number> = {
  expected: 'a number',
  schema: { type: 'number' },
  decode: (value) => (typeof value === 'number' && Number.isFinite(value) ? good(value) : bad('expected a number')),
}

export function list<T>(item: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    expected: `a list of at most ${max}`,
    schema: { type: 'array', items: item.schema, maxItems: max },
    decode(value) {
      if (!Array.isArray(value)) return bad(`expected a list, each ${item.expected}`)
      if (value.length > max) return bad(`${value.length} items, at most ${max}`)
      const out: T[] = []
      for (const [i, each] of value.entries()) {
        const decoded = item.decode(each)
        if (!decoded.ok) return bad(`item ${i}: ${decoded.why}`)
        out.push(decoded.value)
      }
      return good(out)
    },
  }
}

/** Absent and null are null. */
export const optional = <T>(inner: Codec<T>): Codec<T | null> => ({
  expected: inner.expected,
  schema: { anyOf: [inner.schema, { type: 'null' }] },
  decode: (value) => (value === undefined || value === null ? good(null) : inner.decode(value)),
})

export const oneOf = <T extends string>(...names: readonly T[]): Codec<T> => ({
  expected: `one of ${names.join(', ')}`,
  schema: { enum: names },
  decode(value) {
    const found = names.find((name) => name === value)
    return found === undefined ? bad(`expected one of ${names.join(', ')}`) : good(found)
  },
})

/** The first that fits. */
export const either = <A, B>(a: Codec<A>, b: Codec<B>): Codec<A | B> => ({
  expected: `${a.expected}, or ${b.expected}`,
  schema: { anyOf: [a.schema, b.schema] },
  decode(value) {
    const first = a.decode(value)
    if (first.ok) return first
    const second = b.decode(value)
    return second.ok ? second : bad(`expected ${a.expected}, or ${b.expected}`)
  },
})

/** An object of these fields; others are passed over, as Ethereum clients send what we do not know. */
export function object<F extends Readonly<Record<string, Codec<unknown>>>>(
  fields: F,
): Codec<{ readonly [K in keyof F]: ValueOf<F[K]> }> {
  return {
    expected: 'an object',
    schema: { type: 'object', properties: Object.fromEntries(Object.entries(fields).map(([k, c]) => [k, c.schema])) },
    decode(value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('expected an object')
      const out: Record<string, unknown> = {}
      const given = new Map(Object.entries(value))
      for (const [name, codec] of Object.entries(fields)) {
        const decoded = codec.decode(given.get(name))
        if (!decoded.ok) return bad(`${name}: ${decoded.why}`)
        out[name] = decoded.value
      }
      return good(out as { readonly [K in keyof F]: ValueOf<F[K]> }) // built field by field from the same record
    },
  }
}

/** An object whose keys are data themselves, as pairs. */
export const pairs = <K, V>(key: Codec<K>, value: Codec<V>, max: number): Codec<readonly (readonly [K, V])[]> => ({
  expected: 'an object',
  schema: { type: 'object', additionalProperties: value.schema },
  decode(given) {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return bad('expected an object')
    const entries = Object.entries(given)
    if (entries.length > max) return bad(`${entries.length} entries, at most ${max}`)
    const out: (readonly [K, V])[] = []
    for (const [name, each] of entries) {
      const [k, v] = [key.decode(name), value.decode(each)]
      if (!k.ok) return bad(`${name}: ${k.why}`)
      if (!v.ok) return bad(`${name}: ${v.why}`)
      out.push([k.value, v.value])
    }
    return good(out)
  },
})

export type BlockTag = 'earliest' | 'latest' | 'safe' | 'finalized' | 'pending'
/** EIP-1898 included. */
export type BlockRef = { readonly tag: BlockTag } | { readonly height: number } | { readonly blockHash: Hash }
const TAGS: readonly string[] = ['earliest', 'latest', 'safe', 'finalized', 'pending'] satisfies BlockTag[]
const isTag = (value: unknown): value is BlockTag => typeof value === 'string' && TAGS.includes(value)

export const blockRef: Codec<BlockRef> = {
  expected: 'a block: a quantity, a tag, or an object with blockNumber or blockHash',
  schema: { anyOf: [quantity.schema, { enum: TAGS }, { type: 'object' }] },
  decode(value) {
    if (value === undefined || value === null) return good({ tag: 'latest' })
    if (isTag(value)) return good({ tag: value })
    if (typeof value === 'object') {
      const decoded = object({ blockNumber: optional(count), blockHash: optional(hash) }).decode(value)
      if (!decoded.ok) return decoded
      const { blockNumber, blockHash } = decoded.value
      if (blockHash !== null && blockNumber === null) return good({ blockHash })
      if (blockNumber !== null && blockHash === null) return good({ height: blockNumber })
      return bad('expected exactly one of blockNumber and blockHash')
    }
    const decoded = count.decode(value)
    return decoded.ok ? good({ height: decoded.value }) : bad(blockRef.expected)
  },
}

/** As `blockRef`, but the block that comes next where none is named. */
export const blockRefOrPending: Codec<BlockRef> = {
  ...blockRef,
  decode: (value) => (value === undefined || value === null ? good({ tag: 'pending' }) : blockRef.decode(value)),
}
