import { expect, test } from 'vitest'
import { asAddress, asHash, bytesToBigint, concat, hexToBytes } from '../chain/base/bytes.ts'
import { curves, keccak } from '../chain/base/crypto.ts'
import type { Meter, Timers } from '../chain/base/ports.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type BuildArgs, openChain } from '../chain/chain.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { Ahead } from './ahead.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { type DevelopmentAccount, developmentAccounts } from './development.ts'

const NO_HASH = asHash(new Uint8Array(32))
const genesis = parseGenesis(bundledGenesis())
const log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
const account = developmentAccounts(1)[0] as DevelopmentAccount // one was asked for
const sender = asAddress(hexToBytes(account.address))
/** One to itself, signed. */
const transfer = (nonce: number): Uint8Array => {
  const fees = [rlpInt(1), rlpInt(10n ** 12n), rlpInt(21_000)]
  const fields = [rlpInt(genesis.chainId), rlpInt(nonce), ...fees, sender, rlpInt(1), new Uint8Array(0), []]
  const digest = keccak(concat(Uint8Array.of(2), encodeRlp(fields)))
  const { signature, recovery } = curves().sign(digest, hexToBytes(account.privateKey))
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((half) => rlpInt(bytesToBigint(half)))
  return concat(Uint8Array.of(2), encodeRlp([...fields, rlpInt(recovery), r ?? sender, s ?? sender]))
}

const open = async (txs: number) => {
  const clock = { ms: 0, nowMs: () => clock.ms }
  const chain = await openChain(
    { kv: createMemoryKv(), engine: createChainEngine(genesis), clock, pause: async () => {}, log, meter },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
  for (let nonce = 0; nonce < txs; nonce++) await chain.submit(transfer(nonce), 'peer')
  clock.ms = headerTimeMs(chain.head().header)
  const dueMs = clock.ms + genesis.blockTimeMs
  const argsOf = (timeMs: number): BuildArgs => ({
    ...{ height: 1, timeMs, round: 0, proposerIndex: 0, coinbase: sender, lastCommit: null },
    ...{ reveal: new Uint8Array(96).fill(7), budgetMs: 1_000 },
  })
  let wait: { readonly atMs: number; readonly run: () => void } | null = null
  const timers: Timers = {
    after(ms, run) {
      wait = { atMs: clock.ms + ms, run }
      return () => {
        wait = null
      }
    },
  }
  const works: Promise<void>[] = []
  let ready = 0
  const ahead = new Ahead(
    {
      ...{ chain, clock, timers },
      ready: { add: () => ready++ },
      argsAt: async (timeMs) => argsOf(timeMs),
      work: (_, run) => run(),
      background: (work) => works.push(work),
    },
    2,
  )
  /** Lets time pass until something is built, at most to `untilMs`; answers when. */
  const pass = async (untilMs: number): Promise<number | null> => {
    while (wait !== null && wait.atMs <= untilMs && works.length === 0) {
      const { atMs, run } = wait as { readonly atMs: number; readonly run: () => void }
      wait = null
      clock.ms = atMs
      run()
    }
    const at = works.length > 0 ? clock.ms : null
    await Promise.all(works.splice(0))
    return at
  }
  return { chain, ahead, argsOf, dueMs, pass, ready: () => ready }
}

test('what is left over is run shortly before the block is due, and is the block that is then asked for', async () => {
  const { ahead, argsOf, dueMs, pass, ready } = await open(3)
  ahead.plan(1)
  const at = await pass(dueMs)
  expect(at).toBeGreaterThan(dueMs - 1_000)
  expect(at).toBeLessThan(dueMs)
  const block = ahead.take(argsOf(dueMs + 20))?.block
  expect([block?.txs.length, block && headerTimeMs(block.header)]).toEqual([3, dueMs])
  expect(ready()).toBe(1)
  expect(ahead.take(argsOf(dueMs + 20))).toBeNull() // once
})

test('with little left over nothing is built before it is due', async () => {
  const { ahead, argsOf, dueMs, pass } = await open(1)
  ahead.plan(1)
  expect(await pass(dueMs)).toBeNull()
  expect(ahead.take(argsOf(dueMs))).toBeNull()
})

test.each<[string, (args: BuildArgs) => BuildArgs]>([
  ['with another reveal', (args) => ({ ...args, reveal: new Uint8Array(96).fill(8) })],
  ['in another round', (args) => ({ ...args, round: 1 })],
  ['before its time', (args) => ({ ...args, timeMs: args.timeMs - 1 })],
  ['long after its time', (args) => ({ ...args, timeMs: args.timeMs + 5_000 })],
  [
    'with another certificate of the parent',
    (args) => ({
      ...args,
      lastCommit: {
        ...{ type: 'commit', height: 0, round: 0, blockHash: NO_HASH, bitmap: Uint8Array.of(1) },
        signature: new Uint8Array(96),
      },
    }),
  ],
])('a block that is asked for %s is not the one that was made', async (_, change) => {
  const { ahead, argsOf, dueMs, pass, ready } = await open(3)
  ahead.plan(1)
  await pass(dueMs)
  expect(ahead.take(change(argsOf(dueMs)))).toBeNull()
  expect(ready()).toBe(0)
})

test('what was planned for a height that has passed is not built', async () => {
  const { ahead, argsOf, dueMs, pass } = await open(3)
  ahead.plan(1)
  ahead.stop()
  await pass(dueMs)
  expect(ahead.take(argsOf(dueMs))).toBeNull()
})
