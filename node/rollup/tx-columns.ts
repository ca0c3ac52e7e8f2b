// Transactions of a batch as columns, and back to the bytes they were signed as. Owns which field goes where: what repeats or is small
// into `packed`, which is compressed, and what nobody can compress (addresses, signatures) into `plain`. Calldata that looks like an ABI's is
// taken apart into words. An attested batch names senders instead of signatures, and nonces then follow from each sender's last one.
import { type Address, addressKey, asAddress, bytesToBigint, concat } from '../../chain/base/bytes.ts'
import { assert } from '../../chain/base/errors.ts'
import { encodeRlp, type Rlp, rlpInt } from '../../chain/base/rlp.ts'
import { decodeFields, TX_SIZE_MAX_BYTES, usualFields } from '../../chain/types/tx.ts'
import { checkLimit, type Reader, Writer } from './columns.ts'

export type Encoding = 'full' | 'attested'

/** Of one batch. A block of the largest size fits whatever is in it. */
export const TX_LIMITS = { txs: 200_000, calldataBytes: 32 * 1024 * 1024, listItems: 1_000_000 } as const

type Fields = NonNullable<ReturnType<typeof usualFields>>

/** What a transaction is, and how it says its chain: legacy ones may leave it out. */
const KINDS = ['legacy', 'legacy without chain', 'type 1', 'type 2', 'type 4'] as const
const [LEGACY, BARE, TYPE_1, TYPE_2, TYPE_4] = [0, 1, 2, 3, 4] as const
const kindOf = ({ type, chainId }: Fields): number =>
  type === 0 ? (chainId === null ? BARE : LEGACY) : type === 1 ? TYPE_1 : type === 2 ? TYPE_2 : TYPE_4
const typeByte = (kind: number): number => (kind === TYPE_4 ? 4 : kind - 1)
const hasTip = (kind: number): boolean => kind >= TYPE_2
const hasAccessList = (kind: number): boolean => kind >= TYPE_1

/** A word is 0, an address of the table, a number that people count, or any 32 bytes. */
const [ZERO, ADDRESS, NUMBER, RAW] = [0, 1, 2, 3] as const
const WORD_BYTES = 32
/** Above it a word that fits an address is taken for one. */
const NUMBER_BYTES = 12

class AddressTable {
  readonly plain = new Writer()
  readonly #refs = new Map<string, number>()
  get size(): number {
    return this.#refs.size
  }
  ref(address: Address): number {
    const key = addressKey(address)
    const known = this.#refs.get(key)
    if (known !== undefined) return known
    this.plain.put(address)
    this.#refs.set(key, this.size)
    return this.size - 1
  }
}

/** Words in the order they came, each kind in a column of its own. */
class WordColumns {
  readonly tags = new Writer()
  readonly addresses: number[] = []
  readonly numbers: bigint[] = []
  readonly raws = new Writer()
  readonly #table: AddressTable
  constructor(table: AddressTable) {
    this.#table = table
  }
  add(bytes: Uint8Array, at: number): void {
    const end = at + WORD_BYTES
    let start = at
    while (start < end && bytes[start] === 0) start++
    const sizeBytes = end - start
    const tag = sizeBytes === 0 ? ZERO : sizeBytes <= NUMBER_BYTES ? NUMBER : sizeBytes <= 20 ? ADDRESS : RAW
    this.tags.byte(tag)
    if (tag === NUMBER) this.numbers.push(bytesToBigint(bytes.subarray(start, end)))
    else if (tag === ADDRESS) this.addresses.push(this.#table.ref(asAddress(bytes.subarray(end - 20, end))))
    else if (tag === RAW) this.raws.put(bytes.subarray(at, end))
  }
}

const isAbi = ({ to, data }: Fields): boolean => to !== null && data.length >= 4 && data.length % WORD_BYTES === 4
/** 0: no data. Odd: so many bytes as they are. Even: a selector and so many words. */
const shapeOf = (fields: Fields): number => {
  const { length } = fields.data
  if (length === 0) return 0
  return isAbi(fields) ? 2 + 2 * Math.floor(length / WORD_BYTES) : 2 * length + 1
}
const dataBytes = (shape: number): number =>
  shape === 0 ? 0 : shape % 2 === 1 ? (shape - 1) / 2 : 4 + WORD_BYTES * wordsOf(shape)
const wordsOf = (shape: number): number => (shape === 0 || shape % 2 === 1 ? 0 : shape / 2 - 1)

/** `senders`: one for each; null where signatures stay. Throws TX_* for bytes that are no transaction of this chain, and BATCH_LIMIT. */
export function encodeTxs(
  raws: readonly Uint8Array[],
  senders: readonly Address[] | null,
  chainId: bigint,
): { readonly packed: Uint8Array; readonly plain: Uint8Array } {
  checkLimit('transactions', raws.length, TX_LIMITS.txs)
  const all = raws.map((raw): Fields => usualFields(raw) ?? decodeFields(raw))
  assert(senders === null || senders.length === all.length, 'each transaction of an attested batch has its sender')
  const kinds = all.map(kindOf)
  for (const [i, { chainId: own }] of all.entries())
    assert(own === null || own === chainId, `transaction ${i} of the batch is of this chain`)
  const [packed, table] = [new Writer(), new AddressTable()]
  packed.runs(kinds)
  if (senders === null) packed.varints(all.map(({ nonce }) => nonce))
  else {
    packed.refs(senders.map((sender) => table.ref(sender)))
    packed.varints(noncesAfter(senders, all))
  }
  packed.runs(all.map(({ gasLimit }) => gasLimit))
  packed.runs(all.map(({ maxFeeWei }) => maxFeeWei))
  packed.runs(all.filter((_, i) => hasTip(kinds[i] as number)).map(({ maxTipWei }) => maxTipWei))
  packed.runs(all.map(({ to }) => (to === null ? 0 : table.ref(to) + 1)))
  packed.decimals(all.map(({ value }) => value))
  const words = new WordColumns(table)
  encodeData(packed, words, all)
  encodeAccessLists(
    packed,
    words,
    table,
    all.filter((_, i) => hasAccessList(kinds[i] as number)),
  )
  const signatures = new Writer()
  encodeAuthorizations(
    packed,
    signatures,
    table,
    all.filter(({ type }) => type === 4),
  )
  encodeWords(packed, words)
  packed.varint(table.size)
  if (senders === null) encodeSignatures(signatures, all)
  return { packed: packed.bytes(), plain: concat(table.plain.bytes(), signatures.bytes()) }
}

/** How far each nonce lies above the one after its sender's last; the first as it is. In a chain nearly all are 0. */
const noncesAfter = (senders: readonly Address[], all: readonly Fields[]): (number | bigint)[] => {
  const next = new Map<string, bigint>()
  return all.map(({ nonce }, i) => {
    const key = addressKey(senders[i] as Address)
    const above = BigInt.asUintN(64, nonce - (next.get(key) ?? 0n))
    next.set(key, nonce + 1n)
    return above
  })
}

const encodeData = (packed: Writer, words: WordColumns, all: readonly Fields[]): void => {
  packed.runs(all.map(shapeOf))
  const [selectors, others] = [new Writer(), new Writer()]
  let sizeBytes = 0
  for (const fields of all) {
    const { data } = fields
    sizeBytes += data.length
    if (!isAbi(fields)) others.put(data)
    else {
      selectors.put(data.subarray(0, 4))
      for (let at = 4; at < data.length; at += WORD_BYTES) words.add(data, at)
    }
  }
  checkLimit('bytes of calldata', sizeBytes, TX_LIMITS.calldataBytes)
  packed.put(selectors.bytes())
  packed.put(others.bytes())
}

const encodeAccessLists = (
  packed: Writer,
  words: WordColumns,
  table: AddressTable,
  listed: readonly Fields[],
): void => {
  const entries = listed.flatMap(({ accessList }) => accessList)
  const keyCount = entries.reduce((sum, { keys }) => sum + keys.length, 0)
  checkLimit('entries of access lists', entries.length + keyCount, TX_LIMITS.listItems)
  packed.runs(listed.map(({ accessList }) => accessList.length))
  packed.refs(entries.map(({ address }) => table.ref(address)))
  packed.runs(entries.map(({ keys }) => keys.length))
  for (const { keys } of entries) for (const key of keys) words.add(key, 0)
}

const encodeAuthorizations = (
  packed: Writer,
  signatures: Writer,
  table: AddressTable,
  listed: readonly Fields[],
): void => {
  const tuples = listed.flatMap(({ authorizations }) => authorizations)
  checkLimit('authorizations', tuples.length, TX_LIMITS.listItems)
  packed.runs(listed.map(({ authorizations }) => authorizations.length))
  packed.refs(tuples.map(({ address }) => table.ref(address)))
  packed.decimals(tuples.map(({ chainId }) => chainId))
  packed.varints(tuples.map(({ nonce }) => nonce))
  packed.varints(tuples.map(({ yParity }) => yParity))
  for (const { r, s } of tuples) {
    signatures.word(r)
    signatures.word(s)
  }
}

const encodeWords = (packed: Writer, words: WordColumns): void => {
  packed.put(words.tags.bytes())
  packed.refs(words.addresses)
  packed.decimals(words.numbers)
  packed.put(words.raws.bytes())
}

const encodeSignatures = (out: Writer, all: readonly Fields[]): void => {
  const parities = new Uint8Array(Math.ceil(all.length / 8))
  for (const [i, { r, s, yParity }] of all.entries()) {
    out.word(r)
    out.word(s)
    parities[i >> 3] = (parities[i >> 3] as number) | (Number(yParity) << (i & 7))
  }
  out.put(parities)
}

export interface DecodedTxs {
  /** Signed, or with r = s = 1 in an attested batch. */
  readonly raws: readonly Uint8Array[]
  readonly senders: readonly Address[] | null
}

/** Both readers end with what belongs to the `count` transactions. Throws BATCH_MALFORMED and BATCH_LIMIT. */
export function decodeTxs(
  packed: Reader,
  plain: Reader,
  of: { readonly count: number; readonly chainId: bigint; readonly encoding: Encoding },
): DecodedTxs {
  const { count, chainId, encoding } = of
  checkLimit('transactions', count, TX_LIMITS.txs)
  const kinds = packed.runs(count, KINDS.length - 1, 'types')
  const senderRefs = encoding === 'full' ? null : packed.refs(count, ANY_REF, 'senders')
  const nonces = packed.bigVarints(count, 64, 'nonces')
  const gasLimits = packed.bigRuns(count, 64, 'gas limits')
  const fees = packed.bigRuns(count, 256, 'fees')
  const tips = packed.bigRuns(kinds.filter(hasTip).length, 256, 'tips')
  const toRefs = packed.runs(count, ANY_REF, 'receivers')
  const values = packed.decimals(count, 'values')
  const shapes = packed.runs(count, 2 * TX_SIZE_MAX_BYTES + 1, 'shapes of calldata')
  checkLimit('bytes of calldata', sum(shapes.map(dataBytes)), TX_LIMITS.calldataBytes)
  const selectors = packed.take(4 * shapes.filter((shape) => shape > 0 && shape % 2 === 0).length, 'selectors')
  const others = packed.take(sum(shapes.map((shape) => (shape % 2 === 1 ? dataBytes(shape) : 0))), 'calldata')
  const access = decodeAccess(packed, kinds.filter(hasAccessList).length)
  const tuples = decodeTuples(packed, kinds.filter((kind) => kind === TYPE_4).length)
  const words = decodeWords(packed, sum(shapes.map(wordsOf)) + access.keyTotal)
  const tableSize = packed.varint(ANY_REF, 'addresses')
  packed.end()
  const table = plain.take(20 * tableSize, 'addresses')
  const address = (ref: number): Address =>
    ref < tableSize
      ? (table.subarray(20 * ref, 20 * ref + 20) as Address) // 20 bytes
      : packed.fail(`address ${ref} of a table of ${tableSize}`)
  const tupleSignatures = plain.take(64 * tuples.total, 'signatures of authorizations')
  const signatures = encoding === 'full' ? plain.take(64 * count, 'signatures') : null
  const parities = encoding === 'full' ? plain.take(Math.ceil(count / 8), 'parities') : null

  const nextWord = wordSource(words, address)
  // Calldata comes first among the words, then the keys of access lists: two walks over one column.
  const datas = datasOf({ shapes, selectors, others }, nextWord)
  const lists = accessListsOf(access, address, nextWord)
  const authorizations = authorizationsOf(tuples, tupleSignatures, address)
  const senders = senderRefs?.map(address) ?? null
  const ownNonces = senders === null ? nonces : noncesOf(senders, nonces)
  let [tip, list, tuple] = [0, 0, 0]
  const raws = kinds.map((kind, i): Uint8Array => {
    const fee = rlpInt(fees[i] as bigint)
    const to = toRefs[i] as number
    const prices = hasTip(kind) ? [rlpInt(tips[tip++] as bigint), fee] : [fee]
    const body: Rlp[] = [
      ...[rlpInt(ownNonces[i] as bigint), ...prices, rlpInt(gasLimits[i] as bigint)],
      ...[to === 0 ? NOTHING : address(to - 1), rlpInt(values[i] as bigint), datas[i] as Uint8Array],
    ]
    if (hasAccessList(kind)) body.push(lists[list++] as Rlp)
    if (kind === TYPE_4) body.push(authorizations[tuple++] as Rlp)
    const parity = parities === null ? 0 : ((parities[i >> 3] as number) >> (i & 7)) & 1
    const [r, s] =
      signatures === null ? [ONE, ONE] : [trimmed(signatures, 64 * i), trimmed(signatures, 64 * i + WORD_BYTES)]
    if (kind === BARE) return encodeRlp([...body, rlpInt(27 + parity), r, s])
    if (kind === LEGACY) return encodeRlp([...body, rlpInt(2n * chainId + 35n + BigInt(parity)), r, s])
    return concat(Uint8Array.of(typeByte(kind)), encodeRlp([rlpInt(chainId), ...body, rlpInt(parity), r, s]))
  })
  return { raws, senders }
}

const NOTHING = new Uint8Array(0)
const ONE = Uint8Array.of(1)
/** References are checked against the table once its size is known. */
const ANY_REF = 2 ** 24 - 1
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** The shortest form of the integer in 32 bytes. */
const trimmed = (bytes: Uint8Array, at: number): Uint8Array => {
  let start = at
  while (start < at + WORD_BYTES && bytes[start] === 0) start++
  return bytes.subarray(start, at + WORD_BYTES)
}

const noncesOf = (senders: readonly Address[], above: readonly bigint[]): bigint[] => {
  const next = new Map<string, bigint>()
  return senders.map((sender, i) => {
    const key = addressKey(sender)
    const nonce = BigInt.asUintN(64, (next.get(key) ?? 0n) + (above[i] as bigint))
    next.set(key, nonce + 1n)
    return nonce
  })
}

interface Access {
  readonly entryCounts: readonly number[]
  readonly refs: readonly number[]
  readonly keyCounts: readonly number[]
  readonly keyTotal: number
}
const decodeAccess = (packed: Reader, listed: number): Access => {
  const what = 'entries of access lists'
  const entryCounts = packed.runs(listed, TX_LIMITS.listItems, what)
  const entries = sum(entryCounts)
  checkLimit(what, entries, TX_LIMITS.listItems)
  const refs = packed.refs(entries, ANY_REF, what)
  const keyCounts = packed.runs(entries, TX_LIMITS.listItems, 'keys of access lists')
  const keyTotal = sum(keyCounts)
  checkLimit(what, entries + keyTotal, TX_LIMITS.listItems)
  return { entryCounts, refs, keyCounts, keyTotal }
}

interface Tuples {
  readonly counts: readonly number[]
  readonly refs: readonly number[]
  readonly chainIds: readonly bigint[]
  readonly nonces: readonly bigint[]
  readonly parities: readonly number[]
  readonly total: number
}
const decodeTuples = (packed: Reader, listed: number): Tuples => {
  const counts = packed.runs(listed, TX_LIMITS.listItems, 'authorizations')
  const total = sum(counts)
  checkLimit('authorizations', total, TX_LIMITS.listItems)
  return {
    ...{ counts, total },
    refs: packed.refs(total, ANY_REF, 'authorizations'),
    chainIds: packed.decimals(total, 'chains of authorizations'),
    nonces: packed.bigVarints(total, 64, 'nonces of authorizations'),
    parities: packed.varints(total, 255, 'parities of authorizations'),
  }
}

interface Words {
  readonly tags: Uint8Array
  readonly refs: readonly number[]
  readonly numbers: readonly bigint[]
  readonly raws: Uint8Array
}
const decodeWords = (packed: Reader, count: number): Words => {
  const tags = packed.take(count, 'kinds of words')
  const counts = [0, 0, 0, 0]
  for (const tag of tags) counts[tag] = (counts[tag] ?? packed.fail(`a word of kind ${tag}`)) + 1
  return {
    tags,
    refs: packed.refs(counts[ADDRESS] as number, ANY_REF, 'addresses in calldata'),
    numbers: packed.decimals(counts[NUMBER] as number, 'numbers in calldata'),
    raws: packed.take(WORD_BYTES * (counts[RAW] as number), 'words'),
  }
}

/** Writes the next word of the columns at `at`, where there are 32 zero bytes. */
type NextWord = (out: Uint8Array, at: number) => void
const wordSource = ({ tags, refs, numbers, raws }: Words, address: (ref: number) => Address): NextWord => {
  let [word, ref, number, raw] = [0, 0, 0, 0]
  return (out, at) => {
    const tag = tags[word++]
    if (tag === ADDRESS) out.set(address(refs[ref++] as number), at + 12)
    else if (tag === NUMBER) {
      const bytes = rlpInt(numbers[number++] as bigint)
      out.set(bytes, at + WORD_BYTES - bytes.length)
    } else if (tag === RAW) {
      out.set(raws.subarray(raw, raw + WORD_BYTES), at)
      raw += WORD_BYTES
    }
  }
}

const datasOf = (
  of: { readonly shapes: readonly number[]; readonly selectors: Uint8Array; readonly others: Uint8Array },
  nextWord: NextWord,
): Uint8Array[] => {
  let [selector, other] = [0, 0]
  return of.shapes.map((shape) => {
    const sizeBytes = dataBytes(shape)
    if (shape === 0) return NOTHING
    if (shape % 2 === 1) {
      other += sizeBytes
      return of.others.subarray(other - sizeBytes, other)
    }
    const data = new Uint8Array(sizeBytes)
    data.set(of.selectors.subarray(selector, selector + 4))
    selector += 4
    for (let at = 4; at < sizeBytes; at += WORD_BYTES) nextWord(data, at)
    return data
  })
}

const accessListsOf = (access: Access, address: (ref: number) => Address, nextWord: NextWord): Rlp[] => {
  let entry = 0
  return access.entryCounts.map((count) =>
    Array.from({ length: count }, (): Rlp => {
      const keys = Array.from({ length: access.keyCounts[entry] as number }, () => {
        const key = new Uint8Array(WORD_BYTES)
        nextWord(key, 0)
        return key
      })
      return [address(access.refs[entry++] as number), keys]
    }),
  )
}

const authorizationsOf = (tuples: Tuples, signatures: Uint8Array, address: (ref: number) => Address): Rlp[] => {
  let at = 0
  return tuples.counts.map((count) =>
    Array.from({ length: count }, (): Rlp => {
      const i = at++
      return [
        ...[
          rlpInt(tuples.chainIds[i] as bigint),
          address(tuples.refs[i] as number),
          rlpInt(tuples.nonces[i] as bigint),
        ],
        ...[
          rlpInt(tuples.parities[i] as number),
          trimmed(signatures, 64 * i),
          trimmed(signatures, 64 * i + WORD_BYTES),
        ],
      ]
    }),
  )
}
