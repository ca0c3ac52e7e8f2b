// The next batch out of this node's chain: which blocks, how many of them, and what vouches for the last. Owns the search for as many as fit;
// the bytes are `batch.ts`'s, made off the thread, and certificates somebody else's.
import { isDeepStrictEqual } from 'node:util'
import { type Address, bytesToHex, compareBytes, concat, equalBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Chain } from '../../chain/chain.ts'
import { encodeHeader, encodeSection, headerTimeMs } from '../../chain/types/block.ts'
import { sentTxs } from '../../chain/types/system-tx.ts'
import { epochOf, isEpochEnd } from '../../chain/types/validators.ts'
import type { Qc } from '../../chain/types/vote.ts'
import { BATCH_LIMITS, decodeBatch, type EncodedBatch } from './batch.ts'
import type { Batch, BatchSource } from './poster.ts'
import type { Position, Scheme } from './settlement.ts'
import type { Encoding } from './tx-columns.ts'

export const SourceErrors = defineErrors('SOURCE', {
  OTHER: {
    text: (d: { height: number; contract: string; own: string }) =>
      `the settlement contract holds another block ${d.height} than this chain, ${d.contract} and not ${d.own}: it is another network’s, or the chain has forked. Nothing is posted; check rollup.settlement`,
  },
  FORGOTTEN: {
    text: (d: { height: number; kept: number }) =>
      `the next batch begins at block ${d.height}, and this node keeps blocks from ${d.kept} on: another node must post them`,
  },
})

export interface ChainSourceDeps {
  readonly chain: Pick<
    Chain,
    'genesis' | 'head' | 'block' | 'outline' | 'kept' | 'encoded' | 'txs' | 'commitOf' | 'setOf'
  >
  /** Off the thread of consensus. */
  readonly builder: {
    build(job: {
      readonly blocks: readonly Uint8Array[]
      readonly senders: readonly (readonly Address[])[]
      readonly commit: Qc
      readonly chainId: bigint
      readonly encoding: Encoding
    }): Promise<EncodedBatch>
  }
  /** As the contract's verifier reads it, by whose signatures it asks for; null: not all signatures are here yet. */
  readonly certificates: Readonly<Partial<Record<Scheme, (height: number) => Promise<Uint8Array | null>>>>
}
export interface ChainSourceOptions {
  readonly encoding: Encoding
  /** BLS keys of the validator whose poster this is; none: of nobody. */
  readonly keys: readonly Uint8Array[]
}

/**
 * Of blocks as they are stored in one batch, one beside these: what anybody can fill with zeros for little gas takes no space on the L1, and would
 * come to more than a batch may hold (`BATCH_LIMITS`). The least transaction has 98 bytes.
 */
const STORED_MAX_BYTES = 8 * 1024 * 1024

/** A batch this much smaller than it may be, with blocks left, is tried once more with some of them. */
const FULL_ENOUGH = 0.9

export class ChainSource implements BatchSource {
  readonly #deps: ChainSourceDeps
  readonly #options: ChainSourceOptions
  /** Compressed bytes of a batch for a byte of its blocks: where the search begins. */
  #ratio = 0.3
  #last: { readonly key: string; readonly batch: Batch } | null = null

  constructor(deps: ChainSourceDeps, options: ChainSourceOptions) {
    this.#deps = deps
    this.#options = options
  }

  rank(epoch: number): number {
    const { chain } = this.#deps
    const { epochBlocks } = chain.genesis
    const members = chain.setOf(epoch * epochBlocks + 1)?.members ?? []
    const own = members.find(({ blsKey }) => this.#options.keys.some((key) => equalBytes(key, blsKey)))
    return rankOf(
      epoch,
      members.map(({ address }) => address),
      own?.address ?? null,
    )
  }

  /** Throws SOURCE_*. */
  async next(after: Pick<Position, 'height' | 'blockHash'>, maxBytes: number): Promise<Batch | null> {
    const { chain } = this.#deps
    const first = after.height + 1
    const epoch = epochOf(first, chain.genesis.epochBlocks)
    const limit = Math.min(
      chain.head().header.number,
      (epoch + 1) * chain.genesis.epochBlocks,
      after.height + BATCH_LIMITS.blocks,
    )
    if (limit < first) return null
    this.#refuseOther(after)
    const key = `${first} ${limit} ${maxBytes}`
    if (this.#last?.key === key || this.#isFullFrom(first, maxBytes)) return this.#last?.batch ?? null
    const { count, encoded } = await this.#fit(first, limit, maxBytes)
    const batch = this.#batchOf(first, count, encoded, first + count - 1 < limit)
    this.#last = batch === null ? null : { key, batch }
    return batch
  }

  /** Throws SOURCE_*. */
  async alone(at: Pick<Position, 'height' | 'blockHash'>): Promise<readonly Batch[]> {
    const { height } = at
    this.#refuseOther(at)
    const { kept } = this.#deps.chain
    if (height < kept().bodies || height > this.#deps.chain.head().header.number)
      throw new NodeError(SourceErrors.FORGOTTEN, { height, kept: kept().bodies })
    const made: Batch[] = []
    for (const encoding of [this.#options.encoding, otherThan(this.#options.encoding)]) {
      const batch = this.#batchOf(height, 1, await this.#encode(height, 1, encoding), false)
      if (batch !== null) made.push(batch)
    }
    return made
  }

  isSame(batch: Uint8Array, other: Uint8Array): boolean {
    const { chainId } = this.#deps.chain.genesis
    return isDeepStrictEqual(decodeBatch(batch, { chainId }), decodeBatch(other, { chainId }))
  }

  isAble(scheme: Scheme): boolean {
    return this.#deps.certificates[scheme] !== undefined
  }

  async certify(height: number, scheme: Scheme): Promise<Uint8Array | null> {
    return (await this.#deps.certificates[scheme]?.(height)) ?? null
  }

  /** What is posted must go on from what is there. */
  #refuseOther({ height, blockHash }: Pick<Position, 'height' | 'blockHash'>): void {
    const { chain } = this.#deps
    const kept = chain.kept().bodies
    if (height + 1 < kept) throw new NodeError(SourceErrors.FORGOTTEN, { height: height + 1, kept })
    const own = chain.outline(height)?.hash ?? null
    if (own !== null && !equalBytes(own, blockHash))
      throw new NodeError(SourceErrors.OTHER, { height, contract: bytesToHex(blockHash), own: bytesToHex(own) })
  }

  /** Blocks that come later change nothing of a batch that is full. */
  #isFullFrom(first: number, maxBytes: number): boolean {
    const [from, , most] = this.#last?.key.split(' ').map(Number) ?? []
    return this.#last?.batch.isFull === true && from === first && most === maxBytes
  }

  /** As many blocks from `first` on as `maxBytes` hold, one at least. Each try costs one encoding; few are needed. */
  async #fit(first: number, limit: number, maxBytes: number) {
    const sizes = new Sizes((i) => (first + i <= limit ? this.#stored(first + i).length : null))
    const guess = (): number => sizes.within(Math.min(STORED_MAX_BYTES, maxBytes / this.#ratio))
    let [count, most] = [guess(), Math.min(limit - first + 1, sizes.within(STORED_MAX_BYTES))]
    let [least, best] = [0, null as EncodedBatch | null]
    for (;;) {
      count = Math.min(most, Math.max(least + 1, count))
      const encoded = await this.#encode(first, count)
      this.#ratio = encoded.bytes.length / sizes.of(count)
      if (encoded.bytes.length <= maxBytes) {
        ;[least, best] = [count, encoded]
        if (encoded.bytes.length > FULL_ENOUGH * maxBytes) break
      } else if (count === 1) return { count, encoded }
      else most = count - 1
      if (least >= most) break
      count = guess()
    }
    assert(best !== null, 'fewer blocks fit in the end')
    return { count: least, encoded: best }
  }
  #stored(height: number): Uint8Array {
    const bytes = this.#deps.chain.encoded(height)
    assert(bytes !== null, `block ${height} is kept until it is posted`)
    return bytes
  }

  #encode(first: number, count: number, encoding = this.#options.encoding): Promise<EncodedBatch> {
    const { chain, builder } = this.#deps
    const heights = Array.from({ length: count }, (_, i) => first + i)
    const commit = chain.commitOf(first + count - 1)
    assert(commit !== null, 'a committed block has its certificate')
    const senders = encoding === 'full' ? [] : heights.map((height) => this.#senders(height))
    const blocks = heights.map((height) => this.#stored(height))
    return builder.build({ blocks, senders, commit, chainId: chain.genesis.chainId, encoding })
  }
  #senders(height: number): readonly Address[] {
    return sentTxs(this.#deps.chain.txs(height) ?? []).map(({ from }) => from)
  }

  #batchOf(first: number, count: number, encoded: EncodedBatch, isFull: boolean): Batch | null {
    const { chain } = this.#deps
    const last = first + count - 1
    const [oldest, newest] = [chain.block(first), chain.block(last)]
    if (oldest === null || newest?.section == null) return null
    const { bytes, blockBytes, txs } = encoded
    const { epochBlocks } = chain.genesis
    const sizes = { sizeBytes: bytes.length, blockBytes }
    const empty = Array.from({ length: count }, (_, i) => this.#senders(first + i)).filter(
      (senders) => senders.length === 0,
    )
    return {
      facts: {
        ...{ firstHeight: first, lastHeight: last, emptyBlocks: empty.length, transactions: txs, ...sizes },
        oldestMs: headerTimeMs(oldest.header),
      },
      isFull,
      newestMs: headerTimeMs(newest.header),
      epoch: epochOf(last, epochBlocks),
      data: bytes,
      checkpoint: {
        header: encodeHeader(newest.header),
        section: isEpochEnd(last, epochBlocks) ? encodeSection(newest.section) : new Uint8Array(0),
      },
    }
  }
}

const otherThan = (encoding: Encoding): Encoding => (encoding === 'full' ? 'attested' : 'full')

/** Bytes of consecutive blocks, each looked at once and only where it matters. */
class Sizes {
  readonly #next: (i: number) => number | null
  readonly #sums: number[] = [0]
  constructor(next: (i: number) => number | null) {
    this.#next = next
  }
  /** Of the first so many. */
  of(count: number): number {
    this.#look(() => this.#sums.length <= count)
    return this.#sums.at(Math.min(count, this.#sums.length - 1)) ?? 0
  }
  /** How many have no more than that together; one at least. */
  within(bytes: number): number {
    this.#look((sum) => sum <= bytes)
    const above = this.#sums.findIndex((sum) => sum > bytes)
    return Math.max(1, (above < 0 ? this.#sums.length : above) - 1)
  }
  #look(isWanted: (sum: number) => boolean): void {
    for (let sum = this.#sums.at(-1) ?? 0; isWanted(sum); ) {
      const size = this.#next(this.#sums.length - 1)
      if (size === null) return
      sum += size
      this.#sums.push(sum)
    }
  }
}

/**
 * The place of one validator in the order of an epoch: by a hash of the epoch and each address, so that everybody finds the same order and a
 * change of the set moves nobody else. Whoever is not in the set comes after all.
 */
export function rankOf(epoch: number, operators: readonly Address[], self: Address | null): number {
  if (self === null) return operators.length
  const lot = (operator: Address): Uint8Array => keccak(concat(new TextEncoder().encode(`post ${epoch} `), operator))
  const own = lot(self)
  if (!operators.some((operator) => equalBytes(operator, self))) return operators.length
  return operators.filter((operator) => compareBytes(lot(operator), own) < 0).length
}
