// Catching up with final blocks. Owns what is asked of whom, and what is believed: one certificate for the last block of a run, the
// hashes of parents for the rest. No claim of a height is believed; a peer is asked, and its blocks show.
import { equalBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log, Meter } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { type Block, encodeBlock } from '../chain/types/block.ts'
import { checkQc, type Qc } from '../chain/types/vote.ts'
import type { Network, PeerId } from '../p2p/network.ts'
import { decodeRange, decodeRun, encodeRange, encodeRun, isMalformed, type Range, type Run } from '../p2p/wire.ts'
import type { Engine } from './engine.ts'

export const SyncErrors = defineErrors('SYNC', {
  FALSE: { text: (d: { reason: string }) => `a peer's blocks are not the chain's: ${d.reason}` },
})

const RUN_BLOCKS = 64
/** A run ends with the block that passes this; the largest block still fits the answer. */
const RUN_BYTES = 8 * 1024 * 1024
const LOG_EVERY_BLOCKS = 1_000

export interface SyncDeps {
  readonly chain: Chain
  readonly engine: Pick<Engine, 'append'>
  readonly network: () => Network | null
  readonly log: Log
  readonly meter: Meter
  /** For what is not a peer's fault: a disk that fails. */
  readonly fail: (error: unknown) => void
}

export class Sync {
  readonly #deps: SyncDeps
  readonly #synced: ReturnType<Meter['counter']>
  readonly #syncing: ReturnType<Meter['gauge']>
  readonly #waiting = new Set<PeerId>()
  #running: Promise<void> | null = null
  #logged: number

  constructor(deps: SyncDeps) {
    this.#deps = deps
    this.#synced = deps.meter.counter('sync_blocks_total', 'Final blocks taken from peers')
    this.#syncing = deps.meter.gauge('consensus_block_syncing', '1 while blocks are asked of peers')
    this.#logged = deps.chain.head().header.number
  }

  /** Ask this peer, now or after those before it, whether it has more. */
  poke(peer: PeerId): void {
    this.#waiting.add(peer)
    if (this.#running !== null) return
    this.#syncing.set(1)
    this.#running = this.#askAll()
      .catch(this.#deps.fail)
      .finally(() => {
        this.#running = null
        this.#syncing.set(0)
      })
  }

  get isSyncing(): boolean {
    return this.#running !== null
  }

  /** Settles when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Answers requests of the protocol `blocks`. */
  answer(bytes: Uint8Array): Uint8Array {
    return encodeRun(runOf(this.#deps.chain, decodeRange(bytes)))
  }

  async #askAll(): Promise<void> {
    for (const peer of this.#waiting) {
      this.#waiting.delete(peer)
      await this.#follow(peer)
    }
  }

  /** As many runs as this peer has; the next is on its way while one is applied. */
  async #follow(peer: PeerId): Promise<void> {
    const { chain, engine, log } = this.#deps
    let coming = this.#ask(peer, { from: chain.head().header.number + 1, count: RUN_BLOCKS })
    for (let run = await coming; run !== null; run = await coming) {
      const last = run.blocks.at(-1)
      if (last === undefined) return
      coming = this.#ask(peer, { from: last.header.number + 1, count: RUN_BLOCKS })
      try {
        await engine.append(checkRun(chain, run))
      } catch (error) {
        if (!(error instanceof NodeError) || !/^(SYNC|BLOCK|VOTE|TX|RLP)_/.test(error.code)) throw error
        log.warn({ peer, fault: error.message }, 'a peer gave blocks that are not of this chain')
        this.#deps.network()?.blame(peer, 'false answer')
        return
      }
      this.#synced.add(run.blocks.length)
      this.#report(peer)
    }
  }

  #report(peer: PeerId): void {
    const height = this.#deps.chain.head().header.number
    if (height < this.#logged + LOG_EVERY_BLOCKS) return
    this.#logged = height
    this.#deps.log.info({ height, peer }, 'catching up')
  }

  async #ask(peer: PeerId, range: Range): Promise<Run | null> {
    const network = this.#deps.network()
    const answer = await network?.request(peer, 'blocks', encodeRange(range)).catch((error: unknown) => {
      this.#deps.log.debug({ peer, error: String(error) }, 'a peer gives no blocks')
    })
    if (answer === undefined) return null
    try {
      return decodeRun(answer)
    } catch (error) {
      if (!isMalformed(error)) throw error
      network?.blame(peer, 'malformed')
      return null
    }
  }
}

/** What this node has of the range, from its beginning. */
const runOf = (chain: Chain, { from, count }: Range): Run => {
  const blocks: Block[] = []
  let sizeBytes = 0
  const last = Math.min(from + Math.min(count, RUN_BLOCKS) - 1, chain.head().header.number)
  for (let height = Math.max(from, 1); height <= last && sizeBytes < RUN_BYTES; height++) {
    const block = chain.block(height)
    if (block === null) break
    sizeBytes += encodeBlock(block).length
    blocks.push(block)
  }
  const tip = blocks.at(-1)
  return { blocks, commit: tip === undefined ? null : chain.commitOf(tip.header.number) }
}

/** Each block with its certificate, which the next one brings. Throws SYNC_FALSE or VOTE_CERTIFICATE. */
function checkRun(chain: Chain, { blocks, commit }: Run): { readonly block: Block; readonly commit: Qc }[] {
  const fault = (reason: string) => new NodeError(SyncErrors.FALSE, { reason })
  const pairs = blocks.map((block, i) => {
    const next = blocks[i + 1]
    const qc = next === undefined ? commit : (next.section?.lastCommit ?? null)
    const { number } = block.header
    if (next !== undefined && (next.header.number !== number + 1 || !equalBytes(next.header.parentHash, block.hash)))
      throw fault(`block ${next.header.number} does not follow block ${number}`)
    if (qc === null || qc.type !== 'commit' || qc.height !== number || !equalBytes(qc.blockHash, block.hash))
      throw fault(`block ${number} has no certificate`)
    return { block, commit: qc }
  })
  const tip = pairs.at(-1)
  if (tip !== undefined)
    checkQc(tip.commit, chain.validators(), { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash })
  return pairs
}
