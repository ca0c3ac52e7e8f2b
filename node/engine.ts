// Consensus driver of a lone validator: when to build, in what order things reach the disk, and what is signed. Owns the pace
// and the recovery of an unfinished height. The order for each height: body in the log (synced), PROPOSE, PREPARE, COMMIT (each
// recorded by the signer before its signature exists outside), the chain's one batch, end of height in the log. Whatever step
// a crash hits, the height is finished with the same block.
import { type Address, bytesToHex, equalBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Wal } from '../chain/store/wal.ts'
import { type Block, decodeBlock, decodeExtra, encodeBlock, headerTimeMs } from '../chain/types/block.ts'
import { bitmapOf, type Qc } from '../chain/types/vote.ts'
import type { StartService } from './service.ts'
import { type Signer, Step } from './signer.ts'

export const EngineErrors = defineErrors('ENGINE', {
  NOT_VALIDATOR: {
    text: (d: { key: string }) =>
      `the validator key ${d.key} is not in the set of this network; start without --validator to follow it as a full node`,
  },
  SEVERAL: {
    text: (d: { count: number }) => `this network has ${d.count} validators; this version runs networks of one`,
  },
  BODY_LOST: {
    text: (d: { height: number; hash: string }) =>
      `this key signed block ${d.hash} at height ${d.height}, and neither the store nor the log (wal/) holds it: ` +
      'restore wal/ of this validator from before the loss; signing another block would be a double sign',
  },
  STOPPED: { text: () => 'the engine is stopping' },
})

/** The log's record of a body. */
const BODY = 1

export interface EngineDeps {
  readonly chain: Chain
  readonly signer: Signer
  readonly wal: Wal
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
}

export interface EngineOptions {
  readonly coinbase: Address
  /** 'interval': a block every block time. 'instant': a block as soon as a transaction is there (tests). */
  readonly sealing: 'interval' | 'instant'
  /** Without transactions a block comes only after this long; null: at every block time. */
  readonly emptyBlocksMs: number | null
}

export interface EngineControl {
  /** Seals `count` blocks now, each at least a second after its parent, and returns when they are final. */
  mine(count: number): Promise<void>
  /** Moves the network's clock forward and returns the total offset in seconds. */
  increaseTime(seconds: number): number
}

/** A lone validator makes nobody else execute its block. */
const BUILD_SHARE = 0.9

const meters = (m: Meter) => ({
  blockSeconds: m.histogram('engine_block_seconds', 'From the start of building to the block stored'),
  lateSeconds: m.histogram('engine_late_seconds', 'From the moment a block was due to the start of building'),
})

type Order = { left: number; readonly done: () => void; readonly failed: (reason: unknown) => void }

/** When the next block is due: the interval, what waits in the pool, and what `evm_` methods ask for. */
interface Pace {
  /** Blocks to seal at once, with who waits for them. */
  readonly orders: Order[]
  nowMs(): number
  untilDue(signal: AbortSignal): Promise<number>
  wake(): void
  /** Development networks may lead the clock. Answers the total in milliseconds. */
  lead(ms: number): number
}

const createPace = ({ chain, clock }: EngineDeps, options: EngineOptions): Pace => {
  // Where blocks come faster than seconds, or evm_mine ran ahead, the chain's time leads the clock; development goes on from there.
  const leadMs = headerTimeMs(chain.head().header) - chain.genesis.blockTimeMs - clock.nowMs()
  let offsetMs = chain.genesis.development ? Math.max(0, leadMs) : 0
  let wake = (): void => {}
  const orders: Order[] = []
  const nowMs = (): number => clock.nowMs() + offsetMs
  const dueMs = (): number => {
    const parentMs = headerTimeMs(chain.head().header)
    if (orders.length > 0) return 0
    const pending = chain.pool.status().pending > 0
    const interval = parentMs + chain.genesis.blockTimeMs
    if (options.sealing === 'instant') return pending ? 0 : Number.POSITIVE_INFINITY
    if (pending || options.emptyBlocksMs === null) return interval
    return Math.max(interval, parentMs + options.emptyBlocksMs)
  }
  return {
    orders,
    nowMs,
    wake: () => wake(),
    lead(ms) {
      offsetMs = ms
      wake()
      return offsetMs
    },
    async untilDue(signal) {
      for (;;) {
        signal.throwIfAborted()
        const due = dueMs()
        const waitMs = due - nowMs()
        if (waitMs <= 0) return due
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.min(waitMs, 2 ** 30))
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    },
  }
}

/** Signs what is not signed yet of the three steps, and commits. */
const finish = async ({ chain, signer, wal }: EngineDeps, block: Block): Promise<void> => {
  const { originRound } = decodeExtra(block.header.extraData)
  const vote = { height: block.header.number, round: originRound, blockHash: block.hash }
  const signed = signer.last()
  const isResumed = signed !== null && signed.height === vote.height && equalBytes(signed.blockHash, vote.blockHash)
  const done = isResumed ? signed.step : 0
  if (done < Step.propose) await signer.sign({ step: Step.propose, ...vote })
  const highQc =
    done < Step.commit
      ? { highQc: certificateOf('prepare', vote, await signer.sign({ step: Step.prepare, ...vote })) }
      : {}
  const signature = await signer.sign({ step: Step.commit, ...vote, ...highQc })
  await chain.commit(block, certificateOf('commit', vote, signature))
  await wal.endHeight(vote.height)
}

/** Finishes the height a crash left open, from the log; refuses to go on where its body is lost. */
const recover = async (deps: EngineDeps): Promise<void> => {
  const { chain, signer, wal, log } = deps
  const height = chain.head().header.number + 1
  const bodies = wal.records
    .filter((record) => record.type === BODY)
    .map((record) => decodeBlock(record.payload))
    .filter((block) => block.header.number === height)
  const signed = signer.last()
  if (signed !== null && signed.height === height) {
    const block = bodies.find((body) => equalBytes(body.hash, signed.blockHash))
    if (block === undefined) throw new NodeError(EngineErrors.BODY_LOST, { height, hash: bytesToHex(signed.blockHash) })
    await chain.verify(block)
    await finish(deps, block)
    log.info({ height, hash: bytesToHex(block.hash) }, 'block committed from the log')
  } else if (bodies.length > 0) log.info({ height }, 'an unsigned block in the log is dropped')
  await wal.endHeight(chain.head().header.number)
}

/** This validator's place in the set. Throws ENGINE_NOT_VALIDATOR and ENGINE_SEVERAL. */
const placeOf = ({ chain, signer }: EngineDeps): number => {
  const { members } = chain.validators()
  const index = members.findIndex((member) => equalBytes(member.blsKey, signer.publicKey))
  if (index < 0) throw new NodeError(EngineErrors.NOT_VALIDATOR, { key: bytesToHex(signer.publicKey) })
  if (members.length > 1) throw new NodeError(EngineErrors.SEVERAL, { count: members.length })
  return index
}

export function createEngine(
  deps: EngineDeps,
  options: EngineOptions,
): { start: StartService; control: EngineControl } {
  const { chain, clock, log } = deps
  const metered = meters(deps.meter)
  const proposerIndex = placeOf(deps)
  const pace = createPace(deps, options)

  const sealOne = async (startMs: number): Promise<void> => {
    const head = chain.head()
    const height = head.header.number + 1
    const block = await chain.build({
      height,
      timeMs: Math.max(pace.nowMs(), headerTimeMs(head.header)),
      round: 0,
      proposerIndex,
      coinbase: options.coinbase,
      lastCommit: chain.commitOf(head.header.number),
      reveal: deps.signer.reveal(height),
      budgetMs: chain.genesis.blockTimeMs * BUILD_SHARE,
    })
    await deps.wal.append(BODY, encodeBlock(block), { sync: true })
    await finish(deps, block)
    const ms = clock.nowMs() - startMs
    metered.blockSeconds.observe(ms / 1_000)
    const gasUsed = Number(block.header.gasUsed)
    log.info({ height, hash: bytesToHex(block.hash), txs: block.txs.length, gasUsed, ms }, 'block committed')
    const leadMs = headerTimeMs(block.header) - chain.genesis.blockTimeMs - clock.nowMs()
    if (chain.genesis.development) pace.lead(Math.max(pace.nowMs() - clock.nowMs(), leadMs))
  }

  const loop = async (signal: AbortSignal): Promise<void> => {
    signal.addEventListener('abort', () => pace.wake(), { once: true })
    const unwatch = chain.watch('admitted', () => pace.wake())
    try {
      while (!signal.aborted) {
        const due = await pace.untilDue(signal).catch(() => null)
        if (due === null) return
        if (due > 0) metered.lateSeconds.observe((pace.nowMs() - due) / 1_000)
        await sealOne(clock.nowMs())
        const order = pace.orders[0]
        if (order !== undefined && --order.left === 0) {
          pace.orders.shift()
          order.done()
        }
      }
    } finally {
      unwatch()
      for (const order of pace.orders.splice(0)) order.failed(new NodeError(EngineErrors.STOPPED, undefined))
    }
  }

  return {
    start: async (signal) => {
      await recover(deps)
      return { name: 'engine', done: loop(signal) }
    },
    control: {
      mine: (count) =>
        new Promise<void>((done, failed) => {
          if (count === 0) return done()
          pace.orders.push({ left: count, done, failed })
          pace.wake()
        }),
      increaseTime: (seconds) => Math.floor(pace.lead(pace.nowMs() - clock.nowMs() + seconds * 1_000) / 1_000),
    },
  }
}

const certificateOf = (
  type: Qc['type'],
  vote: { readonly height: number; readonly round: number; readonly blockHash: Block['hash'] },
  signature: Uint8Array,
): Qc => ({ type, ...vote, bitmap: bitmapOf([0], 1), signature: curves().blsAggregate([signature]) })
