// One case on one engine, everything that shows outside as lines, and the smallest case that still differs between two engines.
import { asHash, bytesToHex } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Engine } from '../../chain/exec/engine.ts'
import { createState } from '../../chain/exec/state.ts'
import { runTx, type TxResult } from '../../chain/exec/tx.ts'
import { changesOf, firstDifference, resultOf } from '../../chain/exec/witness.ts'
import { nativesAt } from '../../chain/native/index.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import type { Reader } from '../../chain/types/state.ts'
import { checkTxGas } from '../../chain/types/tx.ts'
import { createDice } from './dice.ts'
import {
  CHAIN_ID,
  COINBASE,
  drawCase,
  type EngineCase,
  genesis,
  genesisState,
  showCase,
  smallerCases,
  txOf,
} from './engine-cases.ts'
import { createMemoryState, type MemoryState } from './memory-state.ts'
import { assemble } from './programs.ts'

const NUMBER = 300
export const caseBlock: BlockContext = {
  chainId: CHAIN_ID,
  number: NUMBER,
  time: genesis.time + 3 * NUMBER,
  coinbase: COINBASE,
  gasLimit: 100_000_000n,
  baseFeeWei: 7n,
  prevRandao: keccak(Uint8Array.of(1)),
  parentBeaconBlockRoot: keccak(Uint8Array.of(2)),
  domain: { chainId: CHAIN_ID, genesisHash: asHash(new Uint8Array(32)) },
  ethereum: 'osaka',
  lastCommit: null,
  blockHash: (number) =>
    number < NUMBER && number >= NUMBER - 256
      ? keccak(new TextEncoder().encode(`${number}`))
      : asHash(new Uint8Array(32)),
}
export const caseFees = {
  burnBps: 4_000,
  recipientBps: 1_000,
  stakersBps: 2_000,
  treasuryBps: 3_000,
  treasury: genesis.coinbase,
}

interface CaseRun {
  /** What shows outside, a thing a line. */
  readonly lines: readonly string[]
  /** Of each transaction that ran. */
  readonly results: readonly TxResult[]
}

export async function runEngineCase(engine: Engine, of: EngineCase, world: Reader = worldOf(of)): Promise<CaseRun> {
  const state = createState(world)
  const natives = nativesAt(NUMBER).table
  const lines: string[] = []
  const results: TxResult[] = []
  for (const [i, draft] of of.txs.entries()) {
    const tx = txOf(draft, state.load(draft.from).nonce)
    try {
      checkTxGas(tx)
      const deps = { engine, natives, fees: caseFees, pause: async () => {} }
      const result = await runTx(deps, tx, state, caseBlock, caseBlock.gasLimit)
      results.push(result)
      lines.push(...resultOf(result).map((line) => `transaction ${i}: ${line}`), `refund ${state.refund()}`)
    } catch (error) {
      if (error instanceof NodeError && error.code.startsWith('TX_')) lines.push(`transaction ${i}: ${error.code}`)
      // What is no refusal is a fault of the engine, and as good a difference as any; no line of two engines' is the same.
      else
        return {
          lines: [...lines, `${engine.name} threw in ${i}: ${error instanceof Error ? error.stack : error}`],
          results,
        }
    }
  }
  return { lines: [...lines, ...changesOf(state.changes())], results }
}

export const worldOf = (of: Pick<EngineCase, 'accounts'>): MemoryState => {
  const memory = createMemoryState()
  memory.apply(genesisState)
  for (const { address, nonce, balance, code, slots } of of.accounts)
    memory.put(bytesToHex(address), { nonce, balance, code: assemble(code), slots })
  return memory
}

/** Runs after which an engine that looks closer at code it meets again has done so. */
const MEETINGS = 4

/** Also what the engines make of the same code when they meet it again. */
export async function compareEngines(fast: Engine, reference: Engine, of: EngineCase): Promise<string | null> {
  const world = worldOf(of)
  return compareWith(fast, of, world, (await runEngineCase(reference, of, world)).lines)
}
const compareWith = async (
  fast: Engine,
  of: EngineCase,
  world: Reader,
  lines: readonly string[],
): Promise<string | null> => {
  for (let meeting = 1; meeting <= MEETINGS; meeting++) {
    const difference = firstDifference((await runEngineCase(fast, of, world)).lines, lines)
    if (difference !== null) return `at meeting ${meeting}: ${difference}`
  }
  return null
}

/** The one transaction of a case at each of these amounts of gas. Answers the first difference. */
export async function compareAtLimits(
  fast: Engine,
  reference: Engine,
  of: EngineCase,
  limits: Iterable<bigint>,
): Promise<string | null> {
  const world = worldOf(of)
  for (const gas of limits) {
    const at = { ...of, txs: of.txs.map((tx) => ({ ...tx, gas })) }
    const { lines } = await runEngineCase(reference, at, world)
    const difference = firstDifference((await runEngineCase(fast, at, world)).lines, lines)
    if (difference !== null) return `with ${gas} gas beyond what is intrinsic: ${difference}`
  }
  return null
}

const STEPS_MAX = 3_000
/** Takes away whatever can go while the engines still differ. */
export async function minimise(fast: Engine, reference: Engine, of: EngineCase): Promise<EngineCase> {
  let [smallest, steps, hasShrunk] = [of, 0, true]
  while (hasShrunk) {
    hasShrunk = false
    for (const candidate of smallerCases(smallest)) {
      if (steps++ > STEPS_MAX) return smallest
      if ((await compareEngines(fast, reference, candidate)) === null) continue
      smallest = candidate
      hasShrunk = true
      break
    }
  }
  return smallest
}

interface Finding {
  readonly seed: number
  readonly difference: string
  readonly case: EngineCase
}
/** The cases of a range of seeds, each as drawn and again with less gas than it used. Answers the first that differs. */
export async function fuzzEngines(
  fast: Engine,
  reference: Engine,
  seeds: { readonly from: number; readonly count: number },
): Promise<Finding | null> {
  for (let seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
    const drawn = drawCase(seed)
    const world = worldOf(drawn)
    const { lines, results } = await runEngineCase(reference, drawn, world)
    const difference = await compareWith(fast, drawn, world, lines)
    if (difference !== null) return { seed, difference, case: drawn }
    const tight = tighten(drawn, results, seed)
    const later = tight === null ? null : await compareEngines(fast, reference, tight)
    if (tight !== null && later !== null) return { seed, difference: later, case: tight }
  }
  return null
}

/** Each transaction with a part of what it used, so that gas ends anywhere in it. */
const tighten = (of: EngineCase, results: readonly TxResult[], seed: number): EngineCase | null => {
  if (results.length !== of.txs.length) return null
  const dice = createDice(seed + 1)
  const txs = of.txs.map((tx, i) => {
    const { gasLimit } = txOf(tx, 0n)
    const used = (results[i]?.maxUsedGas ?? 0n) - (gasLimit - tx.gas)
    return used <= 0n ? tx : { ...tx, gas: (used * BigInt(dice.below(1_001))) / 1_000n }
  })
  return { ...of, txs }
}

/** What a failing test prints. */
export async function explain(fast: Engine, reference: Engine, found: Finding): Promise<string> {
  const smallest = await minimise(fast, reference, found.case)
  const now = await compareEngines(fast, reference, smallest)
  return `SEED=${found.seed}: ${found.difference}\ncut down to the least that still differs, with ${now}\n${showCase(smallest)}`
}
