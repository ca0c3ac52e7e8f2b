// What a running node forgets, and what it never does; with a power cut and a full disk in between.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NodeError } from '../chain/base/errors.ts'
import type { Kv, Log, Timers } from '../chain/base/ports.ts'
import { checkStore } from '../chain/calls.ts'
import type { Chain } from '../chain/chain.ts'
import { openPruner, tableSizes } from '../chain/prune.ts'
import { type DiskKv, openKv, StoreErrors } from '../chain/store/kv.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { run } from '../test/kit/commands.ts'
import { copyOf, openSealedChain, seal, sealedGenesisText } from '../test/kit/sealed.ts'
import { exitCode } from './args.ts'
import { db } from './commands/db.ts'
import { KEPT_BLOCKS_MIN, parseKeep, pruneTargets, startPruning } from './pruning.ts'
import { noMeter, silent } from './telemetry.ts'

const HEIGHT = 400
const text = sealedGenesisText({ epochBlocks: 20 })
const genesis = parseGenesis(text)
const dir = mkdtempSync(join(tmpdir(), 'novachain-pruning-'))
let kv: DiskKv
let chain: Chain
beforeAll(async () => {
  writeFileSync(join(dir, 'genesis.json'), text)
  writeFileSync(join(dir, 'config.toml'), '[log]\nlevel = "error"\n')
  kv = await openKv(join(dir, 'db'))
  chain = await openSealedChain(genesis, kv)
  await seal(chain, HEIGHT)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const copied = (): Promise<Kv> => copyOf(kv)
const all = { headers: 'all', bodies: 'all', receipts: 'all', logs: 'all' } as const
/** Pauses are none; the next measuring never comes. */
const timers: Timers = {
  after(ms, run) {
    if (ms < 1_000) setImmediate(run)
    return () => {}
  },
}

test('choices are all, none, a number of blocks, or a height', () => {
  expect(['all', 'none', '10000', 'before:7'].map((text) => parseKeep('prune.bodies', text))).toEqual([
    ...['all', 'none', { blocks: 10_000 }, { before: 7 }],
  ])
  for (const text of ['', '-1', 'before:', 'after:7', '1e9', '9'.repeat(13), 'ALL'])
    expect(() => parseKeep('prune.bodies', text)).toThrow(expect.objectContaining({ code: 'PRUNE_CHOICE' }))
})

test('nothing passes the last blocks, the window of evidence, or what the poster needs', () => {
  const at = (choice: Partial<Parameters<typeof pruneTargets>[1]>) => pruneTargets(chain, { ...all, ...choice })
  expect(at({})).toEqual({ headers: 0, bodies: 0, receipts: 0, logs: 0 })
  expect(at({ bodies: 'none', receipts: { blocks: 300 }, logs: { before: 399 } })).toEqual({
    ...{ headers: 0, bodies: HEIGHT - KEPT_BLOCKS_MIN, receipts: 100, logs: HEIGHT - KEPT_BLOCKS_MIN },
  })
  // The unbonding time of this network is longer than it is old.
  expect(at({ headers: 'none' }).headers).toBe(0)
  chain.keepFrom(12)
  expect(at({ bodies: 'none', logs: 'none' })).toEqual({ headers: 0, bodies: 12, receipts: 0, logs: 12 })
  chain.keepFrom(Number.POSITIVE_INFINITY)
})

test('a power cut after any write of a prune leaves a whole store, from which it goes on', async () => {
  for (const writesLeft of [0, 2]) {
    const copy = await copied()
    let left = writesLeft
    const cut: Kv = {
      ...copy,
      async write(batch) {
        if (left-- <= 0) throw new NodeError(StoreErrors.WRITE, { dir: 'memory', reason: 'the power is off' })
        await copy.write(batch)
      },
    }
    const to = { headers: 0, bodies: 100, receipts: 120, logs: 140 }
    const { genesisHash } = chain
    const pruning = openPruner({ kv: cut, genesisHash, pause: nextTurn })
    const run = async (): Promise<void> => {
      while (await pruning.slice(to));
    }
    await expect(run()).rejects.toMatchObject({ code: 'STORE_WRITE' })
    expect((await checkStore(copy, genesisHash)).height).toBe(HEIGHT)
    const again = openPruner({ kv: copy, genesisHash, pause: nextTurn })
    while (await again.slice(to));
    expect(again.earliest()).toEqual(to)
  }
})

test('a running node prunes while blocks come; a full disk stops neither it nor the next try', async () => {
  const { promise: warned, resolve: warn } = Promise.withResolvers<void>()
  const { promise: pruned, resolve: done } = Promise.withResolvers<void>()
  const log: Log = { ...silent, warn: () => warn(), debug: () => done() }
  const gauges = new Map<string, number>()
  const meter = {
    ...noMeter,
    gauge: (name: string) => ({
      set: (value: number, labels = {}) => void gauges.set(`${name} ${Object.values(labels)}`, value),
    }),
  }
  let isFull = true
  const failing: DiskKv = {
    ...kv,
    async write(batch) {
      if (isFull) throw new NodeError(StoreErrors.WRITE, { dir, reason: 'No space left on device' })
      await kv.write(batch)
    },
  }
  const choice = { ...all, bodies: 'none', receipts: 'none', logs: 'none' } as const
  const stop = startPruning({ chain, kv: failing, timers, log, meter }, choice)
  await warned
  expect(chain.kept().bodies).toBe(0)
  isFull = false
  await seal(chain, 64)
  await pruned
  await stop()
  const lowest = chain.kept().bodies
  expect(lowest).toBeGreaterThan(HEIGHT - KEPT_BLOCKS_MIN)
  expect(lowest).toBeLessThanOrEqual(chain.head().header.number - KEPT_BLOCKS_MIN)
  expect([chain.kept().receipts, chain.kept().logs, chain.kept().headers]).toEqual([lowest, lowest, 0])
  expect([chain.block(lowest - 1), chain.block(lowest)?.header.number]).toEqual([null, lowest])
  expect(gauges.get('chain_earliest_height bodies')).toBe(0)
  expect([...(await tableSizes(kv)).keys()]).toContain('headers')
  expect(gauges.has('db_table_bytes headers')).toBe(true)
})

test('db prune says beforehand what it frees, frees it, and gives the disk back; a running node is left alone', async () => {
  const prune = (...more: string[]) =>
    run(db, [
      'prune',
      '--bodies',
      'none',
      '--receipts',
      '200',
      '--history',
      '50',
      '--proofs',
      '10',
      '--dir',
      dir,
      ...more,
    ])
  expect((await prune()).refusal).toBe('STORE_LOCKED')
  await seal(chain, 25) // over the end of an epoch, whose block is not empty
  const height = chain.head().header.number
  await chain.close()
  const dry = await prune('--dry-run')
  expect(dry.json).toMatchObject({ dryRun: true, from: { headers: 0, bodies: height - KEPT_BLOCKS_MIN } })
  expect([dry.json.blocks.records, dry.json.history.records].every((count) => count > 0)).toBe(true)
  expect((await prune('--dry-run')).json).toEqual(dry.json)
  const stopped = await run(db, ['prune', '--bodies', 'none', '--dir', dir], {}, AbortSignal.abort())
  expect([stopped.code, stopped.json.done]).toEqual([exitCode.notSynced, false])
  expect((await prune()).json).toMatchObject({ dryRun: false, done: true, bytes: dry.json.bytes })
  expect((await prune('--dry-run')).json).toMatchObject({ records: 0, bytes: 0 })
  // What is gone does not come back for who asks for more.
  expect((await prune('--dry-run', '--bodies', 'all')).json.from).toEqual(dry.json.from)
  expect((await run(db, ['check', '--dir', dir])).json).toMatchObject({ height, blocks: height + 1 })
  const { before, after } = (await run(db, ['compact', '--dir', dir])).json
  expect(after).toBeLessThanOrEqual(before)
  expect((await run(db, ['prune', '--bodies', 'some', '--dir', dir])).refusal).toBe('PRUNE_CHOICE')
})
