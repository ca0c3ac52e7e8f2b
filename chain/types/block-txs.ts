// The transactions of blocks out of their bytes. Owns the order of that: who sent them is found out in threads, while this one does
// something else: of the blocks that follow, it runs those before.
import { equalBytes, type Hash } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { assert, NodeError } from '../base/errors.ts'
import type { Pause } from '../base/ports.ts'
import { type Block, BlockErrors } from './block.ts'
import { systemTx } from './system-tx.ts'
import { decodeTx, type IdentifyTxs, type Identity, type Tx } from './tx.ts'

/** Transactions between two pauses: about 10 ms. */
const SLICE_TXS = 1_024

export interface BlockTxsDeps {
  readonly chainId: bigint
  /** Has some already. */
  readonly known: (hash: Hash) => Tx | null
  /** Finds the others out; where it is not given they are found on the spot. */
  readonly identify?: IdentifyTxs | undefined
  readonly pause: Pause
}
/** Of a block, all that its transactions are read with. */
export type NumberedTxs = { readonly header: Pick<Block['header'], 'number'>; readonly txs: Block['txs'] }

interface Slice {
  readonly raws: readonly Uint8Array[]
  readonly found: readonly (Tx | null)[]
  /** Of those that were not found, in their order. */
  readonly identities: Promise<readonly (Identity | null)[]>
}
/** Senders that are being found out. */
export type Identifying = readonly Promise<Slice>[]

const NO_IDENTITIES: Slice['identities'] = Promise.resolve([])

/** Begins, and waits for nothing. */
export function identifyBlockTxs({ header, txs }: NumberedTxs, deps: BlockTxsDeps): Identifying {
  const { chainId, known, identify, pause } = deps
  const system = systemTx(chainId, header.number)
  const sliceAt = (from: number): Slice => {
    const raws = txs.slice(from, from + SLICE_TXS)
    const found = raws.map((raw, i) => {
      const isSystem = from + i === txs.length - 1 && equalBytes(raw, system.raw)
      return isSystem ? system : known(keccak(raw))
    })
    const unknown = raws.filter((_, i) => found[i] === null)
    const identities = identify === undefined || unknown.length === 0 ? NO_IDENTITIES : identify(unknown, 'block')
    return { raws, found, identities: heard(identities) }
  }
  const slices: Promise<Slice>[] = []
  for (let from = 0, before: Promise<Slice> | null = null; from < txs.length; from += SLICE_TXS) {
    const slice: Promise<Slice> = before?.then(pause).then(() => sliceAt(from)) ?? Promise.resolve(sliceAt(from))
    slices.push(heard(slice))
    before = slice
  }
  return slices
}

/** Whoever waits for it hears how it failed; that nobody does is no fault. */
const heard = <T>(work: Promise<T>): Promise<T> => {
  work.catch(() => {})
  return work
}

/** A block's transactions with their senders. Throws BLOCK_INVALID with the first that is none. */
export async function decodeBlockTxs(
  block: NumberedTxs,
  deps: BlockTxsDeps,
  identifying: Identifying = identifyBlockTxs(block, deps),
): Promise<readonly Tx[]> {
  const height = block.header.number
  const decodeSent = (raw: Uint8Array, index: number, identity: Identity | null): Tx => {
    try {
      return decodeTx(raw, deps.chainId, identity === null ? undefined : () => identity.from, identity?.hash)
    } catch (cause) {
      if (!(cause instanceof NodeError)) throw cause
      throw new NodeError(BlockErrors.INVALID, { height, reason: `transaction ${index}: ${cause.message}` }, { cause })
    }
  }
  const out: Tx[] = []
  for (const slice of identifying) {
    const { raws, found, identities: identifiedLater } = await slice
    const identities = await identifiedLater
    let next = 0
    for (const [i, raw] of raws.entries()) out.push(found[i] ?? decodeSent(raw, out.length, identities[next++] ?? null))
    if (out.length % SLICE_TXS === 0) await deps.pause()
  }
  return out
}

/** About so many transactions lie between the block that is run and the last whose senders are asked for: 40 ms of a thread. */
const AHEAD_TXS = 1_000

/** Of consecutive blocks, which are run in their order. */
export class SendersAhead {
  readonly #blocks: readonly NumberedTxs[]
  readonly #deps: BlockTxsDeps
  /** By place: of blocks that were begun, until they are asked for. */
  readonly #begun = new Map<number, Identifying>()
  #next = 0
  #ahead = 0

  /** Begins with the first of them. */
  constructor(blocks: readonly NumberedTxs[], deps: BlockTxsDeps) {
    this.#blocks = blocks
    this.#deps = deps
    this.#fill()
  }

  #fill(): void {
    for (let block = this.#blocks[this.#next]; block !== undefined && this.#ahead < AHEAD_TXS; ) {
      this.#begun.set(this.#next++, identifyBlockTxs(block, this.#deps))
      this.#ahead += block.txs.length
      block = this.#blocks[this.#next]
    }
  }

  /** Of a block above those that were asked for; some that follow are begun with. Throws BLOCK_INVALID with the first that is none. */
  txs(height: number): Promise<readonly Tx[]> {
    const at = height - (this.#blocks[0]?.header.number ?? 0)
    const block = this.#blocks[at]
    assert(block !== undefined, `block ${height} is one of them`)
    const identifying = this.#begun.get(at) ?? identifyBlockTxs(block, this.#deps)
    for (const place of this.#begun.keys()) {
      if (place > at) break
      this.#begun.delete(place)
      this.#ahead -= this.#blocks[place]?.txs.length ?? 0
    }
    this.#next = Math.max(this.#next, at + 1)
    this.#fill()
    return decodeBlockTxs(block, this.#deps, identifying)
  }
}
