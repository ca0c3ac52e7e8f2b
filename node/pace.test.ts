import { expect, test } from 'vitest'
import type { Meter, Timers } from '../chain/base/ports.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type Chain, openChain } from '../chain/chain.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { developmentGenesis } from './development.ts'
import { createPace } from './pace.ts'

const HOUR_MS = 3_600_000
const log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
const open = (validators: number, clock: { nowMs(): number }): Promise<Chain> => {
  const genesis = parseGenesis(developmentGenesis(bundledGenesis(), { validators, blockTimeMs: null, chainId: null }))
  return openChain(
    { kv: createMemoryKv(), engine: createChainEngine(genesis), clock, pause: async () => {}, log, meter },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
}
const options = { sealing: 'interval', emptyBlocksMs: null } as const

test('one of several validators whose clock was an hour behind goes by its clock again once it is right', async () => {
  const clock = { ms: 0, nowMs: () => clock.ms }
  const chain = await open(4, clock)
  clock.ms = headerTimeMs(chain.head().header) - HOUR_MS
  const pace = createPace(chain, clock, { after: () => () => {} }, options)
  clock.ms += HOUR_MS
  expect(pace.nowMs()).toBe(clock.ms)
})

test('a wait reads the clock again within seconds: it ends when a clock that was behind is set right', async () => {
  const clock = { ms: 0, nowMs: () => clock.ms }
  const waits: { readonly ms: number; readonly run: () => void }[] = []
  const timers: Timers = {
    after(ms, run) {
      waits.push({ ms, run })
      return () => {}
    },
  }
  const chain = await open(4, clock)
  clock.ms = headerTimeMs(chain.head().header) - HOUR_MS
  const due: number[] = []
  createPace(chain, clock, timers, options).wait((lateMs) => due.push(lateMs))
  expect(waits.map(({ ms }) => ms <= 5_000)).toEqual([true])
  clock.ms += HOUR_MS + chain.genesis.blockTimeMs
  waits[0]?.run()
  expect(due).toHaveLength(1)
})
