// The blocks of heights that are not final yet: proposed, built here, or fetched. Owns how a whole block is got from what a proposal
// brings, the pool and peers; and answers peers who lack one. What a block is worth is the engine's business.
import { asHash, bytesToHex, equalBytes, type Hash, type Hex } from '../chain/base/bytes.ts'
import type { Log, Random, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { BLOCK_BYTES_MAX, type Block, ethereumBlockBytes } from '../chain/types/block.ts'
import { systemTx } from '../chain/types/system-tx.ts'
import type { Network, PeerId } from '../p2p/network.ts'
import {
  decodeBodyAnswer,
  decodeBodyRequest,
  decodeTxs,
  decodeTxsRequest,
  encodeBodyAnswer,
  encodeTxs,
  encodeTxsRequest,
  HASH_BYTES,
  isMalformed,
  type Sketch,
} from '../p2p/wire.ts'

interface Held {
  readonly height: number
  readonly sizeBytes: number
  readonly sketch: Sketch | null
  readonly block: Block | null
  /** Who brought it. */
  readonly from: PeerId | null
}

/** Of what nobody counts on the oldest leaves first, and is fetched again if needed: any validator can propose without end. */
const HELD_MAX_BYTES = 64 * 1024 * 1024
/** Peers asked for one block before the machine asks again. */
const ASKED_MAX = 4
/** Of these at most so many that must have it: they may be one and the same liar's. */
const MUST_ASKED = 2
/** After so long the next is asked too: who is silent on purpose must not cost the round. */
const HEDGE_MS = 1_000

/** One way to get a block; it is given up when the signal says so. */
type Attempt = (signal: AbortSignal) => Promise<Block | null>

export interface BodiesDeps {
  readonly chain: Chain
  readonly network: () => Network | null
  readonly log: Log
  readonly timers: Timers
  /** Whom to ask first is nobody's business but this node's. */
  readonly random: Random
  /** Whether a block that is held must stay, whatever else comes. */
  readonly isNeeded: (blockHash: Hex) => boolean
}

export class Bodies {
  readonly #chain: Chain
  readonly #network: () => Network | null
  readonly #log: Log
  readonly #timers: Timers
  readonly #random: Random
  readonly #isNeeded: (blockHash: Hex) => boolean
  readonly #held = new Map<Hex, Held>()
  #heldBytes = 0

  constructor(deps: BodiesDeps) {
    this.#chain = deps.chain
    this.#network = deps.network
    this.#log = deps.log
    this.#timers = deps.timers
    this.#random = deps.random
    this.#isNeeded = deps.isNeeded
  }

  /** A block whose proposal was checked. */
  hold(sketch: Sketch, from: PeerId): void {
    if (this.#held.has(bytesToHex(sketch.hash))) return
    const height = sketch.header.number
    this.#keep(sketch.hash, { height, sizeBytes: sizeOf(sketch.txs), sketch, block: null, from })
  }

  add(block: Block): void {
    const height = block.header.number
    this.#keep(block.hash, { height, sizeBytes: sizeOf(block.txs), sketch: null, block, from: null })
  }

  get(hash: Hash): Block | null {
    const block = this.#held.get(bytesToHex(hash))?.block ?? null
    if (block !== null) return block
    const height = this.#chain.heightOf(hash)
    return height === null ? null : this.#chain.block(height)
  }

  /** From the pool and peers, first those that `must` have it; null where nobody has it now. The block of this hash, whole. */
  async obtain(hash: Hash, must: readonly PeerId[] = []): Promise<Block | null> {
    const block = this.get(hash) ?? (await this.#firstOf(this.#attemptsAt(hash, must)))
    if (block !== null) this.add(block)
    return block
  }

  forget(belowHeight: number): void {
    for (const [key, { height }] of this.#held) if (height < belowHeight) this.#drop(key)
  }

  /** Answers requests of the protocols `body` and `txs`. */
  answer(protocol: 'body' | 'txs', bytes: Uint8Array): Uint8Array {
    if (protocol === 'body') return encodeBodyAnswer(this.get(decodeBodyRequest(bytes)))
    const { blockHash, places } = decodeTxsRequest(bytes)
    const block = this.get(blockHash)
    return encodeTxs(block === null ? [] : places.flatMap((place) => block.txs[place] ?? []))
  }

  #keep(hash: Hash, entry: Held): void {
    const key = bytesToHex(hash)
    this.#drop(key)
    this.#held.set(key, entry)
    this.#heldBytes += entry.sizeBytes
    for (const oldest of this.#held.keys()) {
      if (this.#heldBytes <= HELD_MAX_BYTES || oldest === key) break
      if (!this.#isNeeded(oldest)) this.#drop(oldest)
    }
  }
  #drop(key: Hex): void {
    this.#heldBytes -= this.#held.get(key)?.sizeBytes ?? 0
    this.#held.delete(key)
  }

  /** The next begins as soon as one fails, or lets us wait; the first that gives the block ends all. */
  #firstOf(attempts: readonly Attempt[]): Promise<Block | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Block | null>()
    const end = new AbortController()
    const left = [...attempts]
    let open = 0
    let unset = (): void => {}
    const settle = (give: () => void): void => {
      unset()
      end.abort()
      give()
    }
    const begin = (): void => {
      unset()
      const attempt = left.shift()
      if (attempt === undefined) {
        if (open === 0) settle(() => resolve(null))
        return
      }
      open++
      unset = this.#timers.after(HEDGE_MS, begin)
      attempt(end.signal).then(
        (block) => {
          open--
          if (end.signal.aborted) return
          if (block === null) begin()
          else settle(() => resolve(block))
        },
        (error: unknown) => settle(() => reject(error)),
      )
    }
    begin()
    return promise
  }

  /** Who brought the proposal first of all; where that fails, others before the same again. */
  #attemptsAt(hash: Hash, must: readonly PeerId[]): readonly Attempt[] {
    const from = this.#held.get(bytesToHex(hash))?.from ?? null
    const peers = (this.#network()?.peers() ?? []).map(({ id }) => id)
    const others = shuffled(
      peers.filter((id) => id !== from),
      this.#random,
    )
    const bringer = peers.filter((id) => id === from)
    const first = others.filter((id) => must.includes(id)).slice(0, MUST_ASKED)
    const rest = others.filter((id) => !first.includes(id))
    const asked = [...first, ...rest.slice(0, 1), ...bringer, ...rest.slice(1)].slice(0, ASKED_MAX)
    return [
      (signal) => this.#assemble(hash, signal),
      ...asked.map(
        (id): Attempt =>
          (signal) =>
            this.#fetch(hash, id, signal),
      ),
    ]
  }

  async #ask<T>(
    peer: PeerId,
    what: 'body' | 'txs',
    request: Uint8Array,
    read: (bytes: Uint8Array) => T,
    signal: AbortSignal,
  ) {
    const answer = await this.#network()
      ?.request(peer, what, request, signal)
      .catch((error: unknown) => void this.#log.debug({ peer, error: String(error) }, 'a peer did not give a block'))
    if (answer === undefined) return null
    try {
      return read(answer)
    } catch (error) {
      if (!isMalformed(error)) throw error
      this.#network()?.blame(peer, 'malformed')
      return null
    }
  }

  /** The proposal's block with what it only names: out of the pool or made here, the rest from who brought it. */
  async #assemble(hash: Hash, signal: AbortSignal): Promise<Block | null> {
    const { sketch, from } = this.#held.get(bytesToHex(hash)) ?? { sketch: null, from: null }
    if (sketch === null || from === null) return null
    const system = systemTx(this.#chain.genesis.chainId, sketch.header.number)
    const known = (txHash: Hash): Uint8Array | null =>
      equalBytes(txHash, system.hash) ? system.raw : (this.#chain.pool.get(txHash)?.raw ?? null)
    const txs = sketch.txs.map((tx) => (tx.length === HASH_BYTES ? known(asHash(tx)) : tx))
    const places = txs.flatMap((tx, i) => (tx === null ? [i] : []))
    if (places.length > 0) {
      const missing = await this.#ask(from, 'txs', encodeTxsRequest(hash, places), decodeTxs, signal)
      if (missing === null || missing.length !== places.length) return null
      for (const [i, place] of places.entries()) txs[place] = missing[i] ?? null
    }
    const { header, section } = sketch
    const block = { header, hash, section, txs: txs.flatMap((tx) => (tx === null ? [] : [tx])) }
    // One transaction of the pool may be named as often as there is room for its hash: gigabytes to hash.
    if (ethereumBlockBytes(block) > BLOCK_BYTES_MAX) return null
    return (await this.#chain.isWhole(block)) ? block : null
  }

  async #fetch(hash: Hash, peer: PeerId, signal: AbortSignal): Promise<Block | null> {
    const block = await this.#ask(peer, 'body', hash, decodeBodyAnswer, signal)
    if (block === null || (equalBytes(block.hash, hash) && (await this.#chain.isWhole(block)))) return block
    this.#log.warn({ peer, hash: bytesToHex(hash) }, 'a peer answered with another block than was asked')
    this.#network()?.blame(peer, 'false answer')
    return null
  }
}

const sizeOf = (txs: readonly Uint8Array[]): number => 2_048 + txs.reduce((sum, tx) => sum + tx.length + 32, 0)
const shuffled = <T>(items: readonly T[], random: Random): T[] =>
  items
    .map((item) => ({ item, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
