// A second reader of batches, written from the format alone: no line of the product’s decoder, and ethers’ RLP for the encoding of
// transactions. Trusts its input. What it and the product read must be the same.
import { brotliDecompressSync } from 'node:zlib'
import { toBeArray as bigEndian, encodeRlp } from 'ethers'

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`

class Cursor {
  at = 0
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
  cut(size: number): Uint8Array {
    this.at += size
    return this.bytes.slice(this.at - size, this.at)
  }
  int(): bigint {
    let [value, shift] = [0n, 0n]
    for (;;) {
      const byte = BigInt(this.bytes[this.at++] as number)
      value |= (byte & 0x7fn) << shift
      if (byte < 0x80n) return value
      shift += 7n
    }
  }
  ints(count: number): bigint[] {
    return [...Array(count)].map(() => this.int())
  }
  runs(count: number): bigint[] {
    const out: bigint[] = []
    while (out.length < count) {
      const value = this.int()
      for (let left = this.int() + 1n; left > 0n; left--) out.push(value)
    }
    return out
  }
  refs(count: number): number[] {
    const low = [...this.cut(count)]
    return low.map((byte) => byte + 256 * Number(this.int()))
  }
  decimals(count: number): bigint[] {
    const exponents = [...this.cut(count)]
    const sizes = [...this.cut(count)]
    return sizes.map((size, i) => {
      const bytes = [...this.cut(size)].reverse()
      const mantissa = bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n)
      return mantissa * 10n ** BigInt(exponents[i] as number)
    })
  }
}

const total = (counts: readonly bigint[]): number => Number(counts.reduce((sum, count) => sum + count, 0n))
const isWords = (shape: bigint): boolean => shape > 0n && shape % 2n === 0n

export interface ReadBlock {
  readonly height: number
  readonly timeMs: number
  readonly round: number
  readonly coinbase: string
  readonly hasSystemTx: boolean
  readonly txs: string[]
  readonly senders: string[]
  /** Reveal, or randao, section hash and transactions root where there is one. */
  readonly proof: string[]
}

export function readBatch(bytes: Uint8Array, chainId: bigint) {
  const file = new Cursor(bytes)
  const isFull = (file.cut(2)[1] as number) === 0
  const [first, blockCount, txCount, , blockStream, , txStream] = file.ints(7).map(Number) as [
    ...[number, number, number, number, number, number, number],
  ]
  const blockColumns = new Cursor(brotliDecompressSync(file.cut(blockStream)))
  const txColumns = new Cursor(txCount === 0 ? file.cut(0) : brotliDecompressSync(file.cut(txStream)))

  const counts = blockColumns.runs(blockCount)
  const systems = blockColumns.runs(blockCount)
  const times = blockColumns.ints(blockCount)
  const rounds = blockColumns.runs(blockCount)
  const coinbaseCount = Number(blockColumns.int())
  const coinbaseRefs = blockColumns.ints(blockCount)
  const commitCount = first === 1 ? blockCount : blockCount + 1
  const commitRounds = blockColumns.runs(commitCount)
  const bitmapSizes = blockColumns.runs(commitCount)
  const bitmaps = bitmapSizes.map((size) => hex(blockColumns.cut(Number(size))))

  const coinbases = [...Array(coinbaseCount)].map(() => hex(file.cut(20)))
  const commits = bitmaps.map((bitmap, i) => {
    const signature = isFull || i === commitCount - 1 ? hex(file.cut(96)) : null
    return { round: Number(commitRounds[i]), bitmap, signature }
  })
  const proofs = counts.map((count) =>
    (isFull ? [96] : count === 0n ? [32, 32] : [32, 32, 32]).map((size) => hex(file.cut(size))),
  )
  const { txs, senders } = txCount === 0 ? { txs: [], senders: [] } : readTxs(txColumns, file, txCount, isFull, chainId)

  let [at, timeMs] = [0, 0n]
  const blocks = counts.map((count, i): ReadBlock => {
    at += Number(count)
    timeMs += times[i] as bigint
    const cut = (all: string[]): string[] => all.slice(at - Number(count), at)
    return {
      ...{ height: first + i, timeMs: Number(timeMs), round: Number(rounds[i]) },
      ...{ coinbase: coinbases[Number(coinbaseRefs[i])] as string, hasSystemTx: systems[i] === 1n },
      ...{ txs: cut(txs), senders: cut(senders), proof: proofs[i] as string[] },
    }
  })
  return { isFull, blocks, commits, rest: bytes.length - file.at }
}

function readTxs(columns: Cursor, file: Cursor, count: number, isFull: boolean, chainId: bigint) {
  const kinds = columns.runs(count).map(Number)
  const senderRefs = isFull ? [] : columns.refs(count)
  const nonces = columns.ints(count)
  const gas = columns.runs(count)
  const fees = columns.runs(count)
  const tips = columns.runs(kinds.filter((kind) => kind > 2).length)
  const receivers = columns.runs(count)
  const values = columns.decimals(count)
  const shapes = columns.runs(count)
  const selectors = shapes.filter(isWords).map(() => columns.cut(4))
  const others = shapes.filter((shape) => shape % 2n === 1n).map((shape) => columns.cut(Number((shape - 1n) / 2n)))
  const entryCounts = columns.runs(kinds.filter((kind) => kind > 1).length)
  const entryRefs = columns.refs(total(entryCounts))
  const keyCounts = columns.runs(total(entryCounts))
  const tupleCounts = columns.runs(kinds.filter((kind) => kind === 4).length)
  const tupleRefs = columns.refs(total(tupleCounts))
  const tupleChains = columns.decimals(total(tupleCounts))
  const tupleNonces = columns.ints(total(tupleCounts))
  const tupleParities = columns.ints(total(tupleCounts))
  const wordCount = total(shapes.map((shape) => (isWords(shape) ? shape / 2n - 1n : 0n))) + total(keyCounts)
  const tags = [...columns.cut(wordCount)]
  const wordRefs = columns.refs(tags.filter((tag) => tag === 1).length)
  const wordNumbers = columns.decimals(tags.filter((tag) => tag === 2).length)
  const wordBytes = tags.filter((tag) => tag === 3).map(() => hex(columns.cut(32)))
  const table = [...Array(Number(columns.int()))].map(() => hex(file.cut(20)))
  const tupleSignatures = tupleRefs.map(() => [hex(file.cut(32)), hex(file.cut(32))] as const)
  const one = `0x${'1'.padStart(64, '0')}`
  const signatures = kinds.map(() => (isFull ? [hex(file.cut(32)), hex(file.cut(32))] : [one, one]) as [string, string])
  const parities = file.cut(isFull ? Math.ceil(count / 8) : 0)

  const words = tags.map((tag) => {
    if (tag === 0) return '0'.repeat(64)
    if (tag === 1) return (table[wordRefs.shift() as number] as string).slice(2).padStart(64, '0')
    if (tag === 2) return (wordNumbers.shift() as bigint).toString(16).padStart(64, '0')
    return (wordBytes.shift() as string).slice(2)
  })
  const datas = shapes.map((shape) => {
    if (shape === 0n) return '0x'
    if (!isWords(shape)) return hex(others.shift() as Uint8Array)
    return hex(selectors.shift() as Uint8Array) + words.splice(0, Number(shape / 2n - 1n)).join('')
  })
  const senders = senderRefs.map((ref) => table[ref] as string)
  const next = new Map<string, bigint>()
  const txs = kinds.map((kind, i): string => {
    const nonce = BigInt.asUintN(64, (nonces[i] as bigint) + (next.get(senders[i] ?? '') ?? 0n))
    if (!isFull) next.set(senders[i] as string, nonce + 1n)
    const parity = ((parities[i >> 3] ?? 0) >> (i & 7)) & 1
    const accessList = [...Array(kind > 1 ? Number(entryCounts.shift()) : 0)].map(() => ({
      address: table[entryRefs.shift() as number] as string,
      storageKeys: words.splice(0, Number(keyCounts.shift())).map((word) => `0x${word}`),
    }))
    const tuples = [...Array(kind === 4 ? Number(tupleCounts.shift()) : 0)].map(() => ({
      ...{ chainId: tupleChains.shift() as bigint, address: table[tupleRefs.shift() as number] as string },
      ...{ nonce: tupleNonces.shift() as bigint, parity: tupleParities.shift() as bigint },
      signature: tupleSignatures.shift() as readonly [string, string],
    }))
    const [r, s] = signatures[i] as [string, string]
    const to = receivers[i] as bigint
    return rawOf({
      ...{ kind, chainId, nonce, tip: kind > 2 ? (tips.shift() as bigint) : 0n, fee: fees[i] as bigint },
      ...{ gas: gas[i] as bigint, to: to === 0n ? null : (table[Number(to) - 1] as string) },
      ...{ value: values[i] as bigint, data: datas[i] as string, accessList, tuples, parity, r, s },
    })
  })
  return { txs, senders }
}

interface Parts {
  readonly kind: number
  readonly chainId: bigint
  readonly nonce: bigint
  readonly tip: bigint
  readonly fee: bigint
  readonly gas: bigint
  readonly to: string | null
  readonly value: bigint
  readonly data: string
  readonly accessList: { readonly address: string; readonly storageKeys: string[] }[]
  readonly tuples: {
    readonly chainId: bigint
    readonly address: string
    readonly nonce: bigint
    readonly parity: bigint
    readonly signature: readonly [string, string]
  }[]
  readonly parity: number
  readonly r: string
  readonly s: string
}

/** With ethers' RLP: its transactions refuse numbers that ours take, a fee above 2^64 for one. */
function rawOf(of: Parts): string {
  const int = (value: bigint): string => (value === 0n ? '0x' : hex(bigEndian(value)))
  const { kind, chainId, nonce, tip, fee, gas, to, value, data, parity } = of
  const [r, s] = [int(BigInt(of.r)), int(BigInt(of.s))]
  const lists = of.accessList.map(({ address, storageKeys }) => [address, storageKeys])
  const tuples = of.tuples.map((tuple) => {
    const [tr, ts] = tuple.signature
    return [
      ...[int(tuple.chainId), tuple.address, int(tuple.nonce), int(tuple.parity)],
      int(BigInt(tr)),
      int(BigInt(ts)),
    ]
  })
  const body = [int(nonce), ...(kind > 2 ? [int(tip)] : []), int(fee), int(gas), to ?? '0x', int(value), data]
  if (kind === 0) return encodeRlp([...body, int(2n * chainId + 35n + BigInt(parity)), r, s])
  if (kind === 1) return encodeRlp([...body, int(27n + BigInt(parity)), r, s])
  const typed = [int(chainId), ...body, lists, ...(kind === 4 ? [tuples] : []), int(BigInt(parity)), r, s]
  return `0x0${kind === 4 ? 4 : kind - 1}${encodeRlp(typed).slice(2)}`
}
