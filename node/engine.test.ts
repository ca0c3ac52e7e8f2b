import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { asAddress, type Hash } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Kv, Meter, Timers } from '../chain/base/ports.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type BuildArgs, type Chain, openChain } from '../chain/chain.ts'
import { createMemoryKv, openLogFile } from '../chain/store/kv.ts'
import { openWal, type Wal } from '../chain/store/wal.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { type SignRecord, STEPS, stepOf } from '../chain/types/message.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { developmentSecret } from './development.ts'
import { createEngine } from './engine.ts'
import { openEvidence } from './evidence.ts'
import { RECORDS } from './logged.ts'
import { openRecordFile } from './record.ts'
import { openSigner, type Signer } from './signer.ts'
import { systemRandom, systemTimers } from './system.ts'
import { inlineVerifier } from './verifier.ts'

const genesis = parseGenesis(bundledGenesis())
const log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
const dirs: string[] = []
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
})

/** Thrown where the process dies. */
const death = new NodeError({ code: 'TEST_DEATH', rpc: 0, text: () => 'dead' }, undefined)
type Fate = 'nothing' | 'body' | 'propose' | 'prepare' | 'commit' | 'committed'

/** A clock's hands that somebody else moves, and what happens between a block's being built and the engine's hearing of it. */
interface Slowness {
  readonly timers: Timers
  onBuilt(args: BuildArgs): void
  /** Default: the hour at which it began to live. */
  nowMs?(): number
  onCommitted?(): void
}

/** One life of a validator over the same disk. It dies right after the named step is durable. */
const live = async (kv: Kv, dir: string, fate: Fate, nowMs: number, slow: Slowness | null = null) => {
  const timers = slow?.timers ?? systemTimers
  const clock = { nowMs: () => slow?.nowMs?.() ?? nowMs }
  const real = await openChain(
    { kv, engine: createChainEngine(genesis), clock, pause: async () => {}, log, meter },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
  const signer = await openSigner(openRecordFile(join(dir, 'signer.json')), developmentSecret(0), {
    chainId: genesis.chainId,
    genesisHash: real.genesisHash,
  })
  const wal = await openWal(await openLogFile(join(dir, 'consensus.wal')))
  const dieIf = (at: Fate): void => {
    if (fate === at) throw death
  }
  const steps: Readonly<Record<number, Fate>> = {
    [STEPS.proposal]: 'propose',
    [STEPS.prepare]: 'prepare',
    [STEPS.commit]: 'commit',
  }
  const mortalSigner: Signer = {
    ...signer,
    async sign(order) {
      const answer = await signer.sign(order)
      dieIf(steps[stepOf(order.message).step] ?? 'nothing')
      return answer
    },
  }
  const mortalWal: Wal = {
    height: wal.height,
    records: wal.records,
    cutBytes: wal.cutBytes,
    sync: () => wal.sync(),
    close: () => wal.close(),
    endHeight: (height) => wal.endHeight(height),
    async append(type, payload, options) {
      await wal.append(type, payload, options)
      if (type === RECORDS.body) dieIf('body')
    },
  }
  const chain: Chain = new Proxy(real, {
    get(target, name) {
      if (name === 'commit')
        return async (...args: Parameters<Chain['commit']>) => {
          await target.commit(...args)
          slow?.onCommitted?.()
          dieIf('committed')
        }
      if (name === 'build')
        return async (args: BuildArgs) => {
          const block = await target.build(args)
          slow?.onBuilt(args)
          return block
        }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const engine = createEngine(
    {
      chain,
      signers: [mortalSigner],
      wal: mortalWal,
      network: () => null,
      peersOf: () => [],
      verifier: inlineVerifier,
      clock,
      timers,
      evidence: await openEvidence({
        chain,
        signers: [signer],
        network: () => null,
        clock,
        timers,
        log,
        meter,
      }),
      random: systemRandom,
      log,
      meter,
    },
    { coinbase: asAddress(new Uint8Array(20)), sealing: 'instant', emptyBlocksMs: null },
  )
  return { real, signer, wal, engine }
}

const blockHashOf = ({ message }: SignRecord): Hash | null =>
  message.kind === 'vote' ? message.vote.blockHash : message.kind === 'proposal' ? message.proposal.blockHash : null

const newDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-engine-'))
  dirs.push(dir)
  return dir
}

test.each<Fate>(['body', 'propose', 'prepare', 'commit', 'committed'])(
  'a validator that dies after the step %s finishes the height, with the block it signed if it signed one',
  async (fate) => {
    const [kv, dir] = [createMemoryKv(), newDir()]
    const first = await live(kv, dir, fate, 1_800_000_000_000)
    const stop = new AbortController()
    const { done } = await first.engine.start(stop.signal)
    void first.engine.control.mine(1).catch(() => {})
    await expect(done).rejects.toBe(death)
    const signed = await first.signer.record()
    await first.wal.close()

    const second = await live(kv, dir, 'nothing', 1_800_000_100_000) // later, so that a new block would be another
    const service = await second.engine.start(stop.signal)
    await second.engine.control.mine(2) // the one that is finished counts
    stop.abort()
    await service.done
    await second.wal.close()
    const block = second.real.block(1)
    expect(second.real.head().header.number).toBe(fate === 'committed' ? 3 : 2)
    if (signed !== null) expect(block?.hash).toEqual(blockHashOf(signed))
  },
)

test('a signed block that neither store nor log holds stops the validator', async () => {
  const [kv, dir] = [createMemoryKv(), newDir()]
  const first = await live(kv, dir, 'prepare', 1_800_000_000_000)
  const stop = new AbortController()
  const { done } = await first.engine.start(stop.signal)
  void first.engine.control.mine(1).catch(() => {})
  await expect(done).rejects.toBe(death)
  await first.wal.close()
  rmSync(join(dir, 'consensus.wal'))
  const second = await live(kv, dir, 'nothing', 1_800_000_100_000)
  await expect(second.engine.start(stop.signal)).rejects.toMatchObject({ code: 'ENGINE_BODY_LOST' })
  await second.wal.close()
})

test('a validator that decides alone proposes the block it began, though rounds pass while it is built', async () => {
  const waiting = new Set<() => void>()
  const timers: Timers = {
    after(_, run) {
      waiting.add(run)
      return () => waiting.delete(run)
    },
  }
  const rounds: number[] = []
  const onBuilt = ({ round }: BuildArgs): void => {
    rounds.push(round)
    if (rounds.length > 3) throw new NodeError({ code: 'TEST_ANEW', rpc: 0, text: () => 'begun anew' }, undefined)
    // Two rounds are over before the block is handed in.
    for (let i = 0; i < 2; i++)
      for (const run of [...waiting]) {
        waiting.delete(run)
        run()
      }
  }
  const { engine, real, wal } = await live(createMemoryKv(), newDir(), 'nothing', 1_800_000_000_000, {
    timers,
    onBuilt,
  })
  const stop = new AbortController()
  const service = await engine.start(stop.signal)
  await Promise.race([engine.control.mine(2), service.done])
  stop.abort()
  await service.done
  await wal.close()
  expect(rounds).toEqual([0, 0])
  expect([real.head().header.number, real.commitOf(1)?.round, real.commitOf(2)?.round]).toEqual([2, 0, 0])
})

test('a validator that decides alone leaves writing its part of the block time, as it measured it of large blocks', async () => {
  const budgets: number[] = []
  let nowMs = 1_800_000_000_000
  /** Of building and of writing. */
  let takes = [1_500, 1_500]
  const { engine, wal } = await live(createMemoryKv(), newDir(), 'nothing', nowMs, {
    timers: systemTimers,
    nowMs: () => nowMs,
    onBuilt({ budgetMs }) {
      budgets.push(budgetMs)
      nowMs += takes[0] as number
    },
    onCommitted() {
      nowMs += takes[1] as number
    },
  })
  const stop = new AbortController()
  const service = await engine.start(stop.signal)
  await engine.control.mine(2)
  takes = [10, 400] // of small blocks nothing follows
  await engine.control.mine(2)
  takes = [10, 5_000] // nor where a disk stalls
  await engine.control.mine(2)
  takes = [1_500, -4_000] // and a clock that is set is worth no more than the most
  await engine.control.mine(2)
  stop.abort()
  await service.done
  await wal.close()
  const whole = genesis.blockTimeMs * 0.97
  expect(budgets.map((ms) => ms / whole)).toEqual(
    [0.8, 0.65, 0.575, 0.575, 0.575, 0.575, 0.575, 0.4375].map((part) => expect.closeTo(part, 6)),
  )
})
