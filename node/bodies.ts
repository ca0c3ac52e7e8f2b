// The blocks of heights that are not final yet: proposed, built here, or fetched. Owns how a whole block is got from what a proposal
// brings, the pool and peers; and answers peers who lack one. What a block is worth is the engine's business.
import { bytesToHex, equalBytes, type Hash, type Hex } from '../chain/base/bytes.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Block } from '../chain/types/block.ts'
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
  block: Block | null
  /** Who brought it. */
  readonly from: PeerId | null
}

/** Whoever proposes many blocks in others' names pays with his own: the oldest leave first, and are fetched again if needed. */
const HELD_MAX_BYTES = 64 * 1024 * 1024
/** Peers asked for one block before the machine asks again. */
const ASKED_MAX = 4

export interface Bodies {
  /** A block whose proposal was checked. */
  hold(sketch: Sketch, from: PeerId): void
  add(block: Block): void
  get(hash: Hash): Block | null
  /** From the pool and peers; null where nobody has it now. The answer is the block of this hash, whole. */
  obtain(hash: Hash): Promise<Block | null>
  forget(belowHeight: number): void
  /** Answers requests of the protocols `body` and `txs`. */
  answer(protocol: 'body' | 'txs', bytes: Uint8Array): Uint8Array
}

export function createBodies(chain: Chain, network: () => Network | null, log: Log): Bodies {
  const held = new Map<Hex, Held>()
  let heldBytes = 0
  const drop = (key: Hex): void => {
    heldBytes -= held.get(key)?.sizeBytes ?? 0
    held.delete(key)
  }
  const keep = (hash: Hash, entry: Held): void => {
    const key = bytesToHex(hash)
    drop(key)
    held.set(key, entry)
    heldBytes += entry.sizeBytes
    for (const oldest of held.keys()) {
      if (heldBytes <= HELD_MAX_BYTES || oldest === key) break
      drop(oldest)
    }
  }
  const add = (block: Block): void =>
    keep(block.hash, { height: block.header.number, sizeBytes: sizeOf(block.txs), sketch: null, block, from: null })
  const get = (hash: Hash): Block | null => {
    const block = held.get(bytesToHex(hash))?.block ?? null
    if (block !== null) return block
    const height = chain.heightOf(hash)
    return height === null ? null : chain.block(height)
  }

  const ask = async <T>(peer: PeerId, what: 'body' | 'txs', request: Uint8Array, read: (bytes: Uint8Array) => T) => {
    const answer = await network()
      ?.request(peer, what, request)
      .catch((error: unknown) => void log.debug({ peer, error: String(error) }, 'no answer to a request for a block'))
    if (answer === undefined) return null
    try {
      return read(answer)
    } catch (error) {
      if (!isMalformed(error)) throw error
      network()?.blame(peer, 'malformed')
      return null
    }
  }

  /** The proposal's block with what it only names: out of the pool, the rest from who brought it. */
  const assemble = async (sketch: Sketch, from: PeerId): Promise<Block | null> => {
    const txs = sketch.txs.map((tx) => (tx.length === HASH_BYTES ? (chain.pool.get(tx as Hash)?.raw ?? null) : tx))
    const places = txs.flatMap((tx, i) => (tx === null ? [i] : []))
    if (places.length > 0) {
      const missing = await ask(from, 'txs', encodeTxsRequest(sketch.hash, places), decodeTxs)
      if (missing === null || missing.length !== places.length) return null
      for (const [i, place] of places.entries()) txs[place] = missing[i] ?? null
    }
    const block = { ...sketch, txs: txs.flatMap((tx) => (tx === null ? [] : [tx])) }
    return (await chain.isWhole(block)) ? block : null
  }

  const fetchFrom = async (peer: PeerId, hash: Hash): Promise<Block | null> => {
    const block = await ask(peer, 'body', hash, decodeBodyAnswer)
    if (block === null) return null
    if (equalBytes(block.hash, hash) && (await chain.isWhole(block))) return block
    log.warn({ peer, hash: bytesToHex(hash) }, 'a peer answered with another block than was asked')
    network()?.blame(peer, 'false answer')
    return null
  }

  return {
    hold: (sketch, from) => {
      if (!held.has(bytesToHex(sketch.hash)))
        keep(sketch.hash, { height: sketch.header.number, sizeBytes: sizeOf(sketch.txs), sketch, block: null, from })
    },
    add,
    get,
    async obtain(hash) {
      const known = get(hash)
      if (known !== null) return known
      const entry = held.get(bytesToHex(hash))
      if (entry?.sketch && entry.from !== null) {
        const block = await assemble(entry.sketch, entry.from)
        if (block !== null) {
          add(block)
          return block
        }
      }
      const peers = network()?.peers() ?? []
      const first = peers.filter(({ id }) => id === entry?.from)
      const others = shuffled(peers.filter(({ id }) => id !== entry?.from))
      for (const { id } of [...first, ...others].slice(0, ASKED_MAX)) {
        const block = await fetchFrom(id, hash)
        if (block === null) continue
        add(block)
        return block
      }
      return null
    },
    forget(belowHeight) {
      for (const [key, { height }] of held) if (height < belowHeight) drop(key)
    },
    answer(protocol, bytes) {
      if (protocol === 'body') return encodeBodyAnswer(get(decodeBodyRequest(bytes)))
      const { blockHash, places } = decodeTxsRequest(bytes)
      const block = get(blockHash)
      return block === null ? encodeTxs([]) : encodeTxs(places.flatMap((place) => block.txs[place] ?? []))
    },
  }
}

const sizeOf = (txs: readonly Uint8Array[]): number => 2_048 + txs.reduce((sum, tx) => sum + tx.length + 32, 0)
/** Whom to ask first is nobody's business but this node's. */
const shuffled = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
