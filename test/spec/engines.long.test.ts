// The gate of the fast engine at length: RUNS random worlds and a tenth as many blocks, and what users do at every gas limit.
import { expect, test } from 'vitest'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { createFastEngine } from '../../chain/exec/interpreter.ts'
import { createReferenceEngine } from '../../chain/exec/reference.ts'
import { compareBlock, drawBlock } from '../kit/engine-blocks.ts'
import { CHAIN_ID } from '../kit/engine-cases.ts'
import { compareAtLimits, explain, fuzzEngines } from '../kit/engine-runs.ts'
import { openWorkloads, usedBeyond } from '../kit/workloads.ts'

installCurves(nativeCurves)
const reference = createReferenceEngine({ chainId: CHAIN_ID })
const fast = createFastEngine({ chainId: CHAIN_ID })
const RUNS = Number(process.env.RUNS ?? 3_000)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
const common = await openWorkloads()

test(`random programs, SEED=${seed} RUNS=${RUNS}`, async () => {
  const found = await fuzzEngines(fast, reference, { from: seed, count: RUNS })
  if (found !== null) expect.fail(await explain(fast, reference, found))
})

test(`random blocks, with and without the lane of plain transfers, SEED=${seed}`, async () => {
  for (let n = seed; n < seed + Math.ceil(RUNS / 10); n++)
    expect(await compareBlock(fast, reference, drawBlock(n, common)), `SEED=${n}`).toBeNull()
})

/** Above it only each eleventh limit is tried: an instruction is rarely cheaper than all of its neighbours. */
const EACH_UP_TO = 30_000n
const limitsOf = function* (used: bigint): Generator<bigint> {
  const step = used <= EACH_UP_TO ? 1n : 11n
  for (let gas = 0n; gas <= used + 1n; gas += step) yield gas
  yield used
}
test.for(Object.entries(common.txs))('%s, at every gas limit', async ([, tx]) => {
  const of = { accounts: common.accounts, txs: [tx] }
  expect(await compareAtLimits(fast, reference, of, limitsOf(await usedBeyond(reference, of)))).toBeNull()
})
