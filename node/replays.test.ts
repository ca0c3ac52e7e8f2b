import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { afterEach, expect, test } from 'vitest'
import { asAddress, bytesToHex, equalBytes, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import type { Log, Meter } from '../chain/base/ports.ts'
import { replayOnBoth } from '../chain/calls.ts'
import type { Engine } from '../chain/exec/engine.ts'
import { createFastEngine } from '../chain/exec/interpreter.ts'
import type { CallAnswer, CallJob } from '../chain/types/call.ts'
import { heightOf, validatorOf } from '../chain/types/message.ts'
import { decodeWitness, type Witness } from '../chain/types/witness.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { genesis, openMemoryChain } from '../test/kit/memory-chain.ts'
import { tokenCode, transferData } from '../test/kit/workloads.ts'
import { developmentAccounts, developmentSecret } from './development.ts'
import { Replays, refuseDoubted } from './replays.ts'

const dirs: string[] = []
const clusters: Cluster[] = []
afterEach(async () => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
  for (const cluster of clusters.splice(0)) await cluster.close()
})
const freshDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-replays-'))
  dirs.push(dir)
  return dir
}

/** Replays over a folder, whose calls can be waited for. */
const openReplays = (random: () => number) => {
  const lines: string[] = []
  const counts: Record<string, number> = {}
  const note = (_: object, text: string): void => void lines.push(text)
  const log: Log = { debug() {}, info: note, warn: note, error: note }
  const counter: Meter['counter'] = (name) => ({
    add(n = 1) {
      counts[name] = (counts[name] ?? 0) + n
    },
  })
  const meter: Meter = { counter, gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
  const dir = freshDir()
  return { replays: new Replays({ dir, random, log, meter }), dir, lines, counts }
}

const fast = createFastEngine({ chainId: genesis.chainId })
/** Loses a unit of gas in whatever logs. */
const wrong: Engine = {
  name: 'wrong',
  execute(message, state, block, natives) {
    const outcome = fast.execute(message, state, block, natives)
    if (outcome instanceof Promise || state.logCount() === 0) return outcome
    return { ...outcome, gasLeft: outcome.gasLeft - 1n }
  },
}

/** A token is deployed and moved in three blocks by this engine; settles when all that was taken was run again. */
const runTokens = async (engine: Engine, replays: Replays) => {
  const { chain, seal, ctx } = await openMemoryChain({ evm: engine, sampler: replays })
  const running: Promise<unknown>[] = []
  replays.begin({
    run(job: CallJob): Promise<CallAnswer> {
      const answer = ctx.calls.run(structuredClone(job)) // as another thread gets it
      running.push(answer)
      return answer
    },
  })
  const wallet = new Wallet(developmentAccounts(1)[0]?.privateKey ?? '')
  const own = asAddress(hexToBytes(wallet.address))
  const send = async (nonce: number, to: string | null, data: Uint8Array, gasLimit: number): Promise<void> => {
    const tx = { type: 2, chainId: genesis.chainId, nonce, to, data: bytesToHex(data), gasLimit, value: 0n }
    const raw = await wallet.signTransaction({ ...tx, maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 1n })
    await chain.submit(hexToBytes(raw), 'local')
  }
  await send(0, null, tokenCode(own), 3_000_000)
  await seal()
  const token = bytesToHex(chain.receipts(1)?.[0]?.created ?? own)
  for (const nonce of [1, 3]) {
    await send(nonce, token, transferData(asAddress(new Uint8Array(20).fill(7)), 5n), 100_000)
    await send(nonce + 1, wallet.address, new Uint8Array(0), 21_000)
    await seal()
  }
  await Promise.allSettled(running)
  await new Promise((resolve) => setImmediate(resolve))
  return { chain, taken: running.length }
}

test('what the fast engine and the lane did is run again, and nothing comes of it', async () => {
  const { replays, dir, counts, lines } = openReplays(() => 0)
  const { taken } = await runTokens(fast, replays)
  expect(taken).toBe(5)
  expect(counts).toEqual({ engine_replays_total: 5 })
  expect([replays.doubt(), readdirSync(dir), lines]).toEqual([null, [], []])
  refuseDoubted(dir)
})

test('an engine that is wrong is doubted, and the proof is kept where the next start finds it', async () => {
  const { replays, dir, lines } = openReplays(() => 0)
  const { chain } = await runTokens(wrong, replays)
  const hash = bytesToHex(chain.txs(1)?.[0]?.hash ?? new Uint8Array(0))
  expect(replays.doubt()).toMatch(
    new RegExp(`disagree about transaction ${hash} of block 1: gas \\d+.* instead of gas \\d+`),
  )
  expect(lines[0]).toBe(replays.doubt())
  const [file] = readdirSync(dir).sort()
  expect(file).toBe(`witness-1-${hash.slice(2, 18)}.json`)
  expect(() => refuseDoubted(dir)).toThrow(expect.objectContaining({ code: 'REPLAY_UNRESOLVED' }))

  // The file alone shows it again.
  const witness = decodeWitness(readFileSync(join(dir, file ?? ''), 'utf8'))
  const { ctx } = await openMemoryChain()
  const answer = await ctx.calls.run({ kind: 'replay', height: 1, pending: false, witness })
  expect(answer).toMatchObject({ kind: 'replay', difference: expect.stringContaining('gas ') })
  const { reference, fast: mended } = await replayOnBoth(genesis, witness)
  expect(reference).toMatch(/^gas /)
  expect(mended).toBe(reference)
})

test('of many transactions a block has 64 run again, wherever they stand, few with much gas, and all of few', async () => {
  const { replays } = openReplays(Math.random)
  replays.begin({ run: () => Promise.resolve({ kind: 'replay', difference: null }) })
  const take = (height: number, gasUsed: bigint): void =>
    // Nothing else of it is read.
    replays.take({ gasUsed, block: { number: height }, tx: { hash: new Uint8Array(32) } } as unknown as Witness)
  const places: number[] = []
  for (let height = 1; height <= 20; height++) {
    for (let i = 0; i < 6_400; i++)
      if (replays.wants(height)) {
        take(height, 21_000n)
        if (height > 1) places.push(i)
      }
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(places.length / 19).toBeGreaterThan(50)
  expect(places.length / 19).toBeLessThanOrEqual(64)
  expect(places.filter((i) => i >= 3_200).length).toBeGreaterThan(places.length / 4)
  let heavy = 0
  for (let i = 0; i < 6_400; i++)
    if (replays.wants(21)) {
      take(21, 2_000_000n)
      heavy++
    }
  expect(heavy).toBe(2)
  expect([22, 23].map((height) => Array.from({ length: 10 }, () => replays.wants(height)).every(Boolean))).toEqual([
    false, // the block before had many
    true,
  ])
})

test('a validator in doubt signs nothing and says why; the others go on', async () => {
  const cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, speed: 5 })
  clusters.push(cluster)
  const why: { doubt: string | null } = { doubt: null }
  const [a, , , d] = (await Promise.all(
    [0, 1, 2, 3].map((index) => cluster.start(index, index === 3 ? { doubt: () => why.doubt } : {})),
  )) as [Member, Member, Member, Member]
  await reached(d, 3)
  why.doubt = 'the engines disagree'
  const since = d.chain.head().header.number
  await Promise.all([reached(a, since + 6), reached(d, since + 6)])
  const key = curves().blsPublicKey(developmentSecret(3))
  const place = d.chain.validators().members.findIndex(({ blsKey }) => equalBytes(blsKey, key))
  const signed = cluster.said.filter((message) => heightOf(message) > since + 2 && validatorOf(message) === place)
  expect(signed).toEqual([])
  expect(d.engine.status().silence).toBe('the engines disagree')
})
