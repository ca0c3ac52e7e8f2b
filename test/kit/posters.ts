// Posters before one simulated L1: their disks, their chain in its plainest form, and time that goes by as a test says.
import { expect } from 'vitest'
import { equalBytes } from '../../chain/base/bytes.ts'
import type { Log, Meter } from '../../chain/base/ports.ts'
import { type BatchSource, Poster, type PosterOptions } from '../../node/rollup/poster.ts'
import { openRecord } from '../../node/rollup/record.ts'
import { createSettlement } from '../../node/rollup/settlement.ts'
import { Disk, death } from './disk.ts'
import { GWEI, SETTLEMENT, SimL1, simAccount, simBatch } from './l1.ts'

const START = 1_800_000_000_000
export const MINUTE = 60_000
export const BLOCK_MS = 3_000
const BLOCK_BYTES = 100
const OPTIONS: PosterOptions = {
  ...{ chainId: 80_002n, batchBytes: 10_000, maxAgeMs: MINUTE, holdMs: 30 * MINUTE, turnMs: 2 * MINUTE },
  ...{ holdFeeWei: 500n * GWEI, maxFeeWei: 20_000n * GWEI, tipWei: 30n * GWEI, lowBalanceWei: 10n ** 18n },
}
export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }
export const meter: Meter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

/** Bytes of the batch that a large block is alone in, by its height; null: it is a small one. */
export type Heavy = (height: number) => number | null
/** What the posters' chain is like. */
export interface SimChain {
  readonly heavy?: Heavy
  /** No batch goes past the end of an epoch; none where it has no epochs. */
  readonly epochBlocks?: number
  /** Of a block by its height; without it signatures are always there. */
  readonly certify?: (height: number) => Promise<Uint8Array | null>
  /** In place of the batch of a block. */
  readonly alone?: BatchSource['alone']
}

/** A chain with a block every three seconds since the start; as many go into a batch as `maxBytes` hold, of the large ones one. */
export const sourceOf = (
  nowMs: () => number,
  rank: BatchSource['rank'],
  {
    heavy = () => null,
    epochBlocks = Number.POSITIVE_INFINITY,
    certify = async () => new Uint8Array(0),
    alone,
  }: SimChain = {},
): BatchSource => ({
  rank,
  certify,
  isAble: (scheme) => scheme === 'bls',
  isSame: equalBytes,
  async alone(block) {
    if (alone !== undefined) return alone(block)
    const { height } = block
    const bytes = heavy(height) ?? BLOCK_BYTES
    const facts = { firstHeight: height, lastHeight: height, emptyBlocks: 0, transactions: 1, sizeBytes: bytes }
    const times = { newestMs: START + height * BLOCK_MS, epoch: Math.floor((height - 1) / epochBlocks) }
    return [
      {
        ...{ facts: { ...facts, blockBytes: 0, oldestMs: times.newestMs }, isFull: false, ...times },
        ...simBatch(height, height, heavy(height) ?? undefined),
      },
    ]
  },
  async next({ height: after }, maxBytes) {
    const epoch = Math.floor(after / epochBlocks)
    const head = Math.floor((nowMs() - START) / BLOCK_MS)
    if (head <= after) return null
    const alone = heavy(after + 1)
    const limit = Math.min(head, (epoch + 1) * epochBlocks)
    const most = Math.min(limit, after + Math.max(1, Math.floor(maxBytes / BLOCK_BYTES)))
    let last = after + 1
    while (alone === null && last < most && heavy(last + 1) === null) last++
    const timeOf = (height: number): number => START + height * BLOCK_MS
    const [firstHeight, lastHeight] = [after + 1, last]
    const sizeBytes = alone ?? (last - after) * BLOCK_BYTES
    const facts = {
      firstHeight,
      lastHeight,
      emptyBlocks: 0,
      transactions: last - after,
      sizeBytes,
      blockBytes: 0,
      oldestMs: timeOf(after + 1),
    }
    return {
      facts,
      isFull: last < limit,
      newestMs: timeOf(last),
      epoch,
      ...simBatch(firstHeight, lastHeight, alone ?? undefined),
    }
  },
})

export class World {
  nowMs = START
  readonly l1: SimL1
  readonly said: string[] = []
  readonly posters: { poster: Poster; disk: Disk; readonly id: number; readonly rank: BatchSource['rank'] }[] = []
  readonly options: PosterOptions
  readonly chain: SimChain
  /** Posters, by their places, whose processes are stopped. */
  readonly down = new Set<number>()

  constructor(options: Partial<PosterOptions> = {}, chain: SimChain = {}) {
    this.chain = chain
    this.options = { ...OPTIONS, ...options }
    this.l1 = new SimL1(START - 100 * 2_000, [simAccount(1), simAccount(2)])
  }

  /** `rank`: its place in the order of each epoch. */
  async add(rank: number | BatchSource['rank'] = 0): Promise<void> {
    const rankOf = typeof rank === 'number' ? () => rank : rank
    const id = this.posters.length + 1
    const disk = new Disk()
    this.posters.push({ poster: await this.#start(disk, id, rankOf), disk, id, rank: rankOf })
  }
  async #start(disk: Disk, id: number, rank: BatchSource['rank']): Promise<Poster> {
    const note = (_: object, text: string): void => void this.said.push(text)
    const log: Log = { debug() {}, info: note, warn: note, error: note }
    const account = simAccount(id)
    const sender = { chainId: this.options.chainId, settlement: SETTLEMENT, account: account.address }
    const recorder = await openRecord(disk.open().log, sender, log)
    const clock = { nowMs: () => this.nowMs }
    const source = sourceOf(clock.nowMs, rank, this.chain)
    const ports = { l1: this.l1.endpoint(), settlement: createSettlement(SETTLEMENT), source, account, recorder }
    return new Poster({ ...ports, clock, log, meter }, this.options)
  }
  async restart(i = 0): Promise<void> {
    const own = this.posters[i] ?? expect.fail('one that runs')
    own.disk.crash()
    own.poster = await this.#start(own.disk, own.id, own.rank)
  }
  /** Its disk is lost, and it begins with an empty one. */
  async lose(i = 0): Promise<void> {
    const own = this.posters[i] ?? expect.fail('one that runs')
    own.disk = new Disk()
    own.poster = await this.#start(own.disk, own.id, own.rank)
  }

  /** Two seconds: a block of the L1, then a turn of each poster. A process that dies is started again. */
  async tick(): Promise<void> {
    this.nowMs += 2_000
    this.l1.mine()
    for (const [i, { poster }] of this.posters.entries()) {
      if (this.down.has(i)) continue
      await poster.turn().catch(async (error: unknown) => {
        if (error !== death) throw error
        await this.restart(i)
      })
    }
  }
  async run(ms: number): Promise<void> {
    for (const until = this.nowMs + ms; this.nowMs < until; ) await this.tick()
  }
  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; !condition(); i++) {
      if (i > 10_000) expect.fail('it never came to that')
      await this.tick()
    }
  }

  /** What posters read. */
  get source(): BatchSource {
    return sourceOf(
      () => this.nowMs,
      () => 0,
      this.chain,
    )
  }
  get status() {
    return (this.posters[0] ?? expect.fail('one that runs')).poster.status
  }
  /** Batches follow each other without a gap, and none is twice there. */
  check(): void {
    let height = 0
    for (const { first, last } of this.l1.batches) {
      expect({ first, isEmpty: last < first }).toEqual({ first: height + 1, isEmpty: false })
      height = last
    }
    expect(this.l1.head.state.position.height).toBe(height)
  }
}
export const worldOf = async (options: Partial<PosterOptions> = {}, chain: SimChain = {}): Promise<World> => {
  const world = new World(options, chain)
  await world.add()
  return world
}
export const finalSeq = (world: World): number => world.l1.final.state.position.seq

/** The first poster dies after each of so many writes, and before and after each of so many sendings: what arms a world for each. */
export function deaths(writes: number, sends: number): readonly ((world: World) => void)[] {
  const counted = (most: number): number[] => Array.from({ length: most }, (_, i) => i + 1)
  const atSending = (k: number, isAfter: boolean) => (world: World) => {
    let left = k
    world.l1.onCall = (method, raw) => {
      if (method !== 'send' || raw === undefined || --left !== 0) return
      world.l1.onCall = () => {}
      if (isAfter)
        void world.l1
          .endpoint()
          .send(raw)
          .catch(() => {})
      throw death
    }
  }
  return [
    ...counted(writes).map((k) => (world: World) => world.posters[0]?.disk.dieAfter(k)),
    ...counted(sends).flatMap((k) => [atSending(k, false), atSending(k, true)]),
  ]
}
