// Calls run on the fast engine and say what the reference says: every answer, every error with its code, words and data. Random contracts
// come by state overrides, so that these are compared too.
import { expect, test } from 'vitest'
import type { Address } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { openCalls } from '../../chain/calls.ts'
import type { AccountOverride, BlockOverride, CallJob, CallRequest } from '../../chain/types/call.ts'
import { createDice, type Dice } from '../kit/dice.ts'
import { type CaseAccount, type CaseTx, COINBASE, drawCase } from '../kit/engine-cases.ts'
import { genesis, openMemoryChain } from '../kit/memory-chain.ts'
import { assemble } from '../kit/programs.ts'

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const RUNS = 250
/** What a call takes that names no gas: enough for all that is drawn, and the reference is slow. */
const GAS_CAP = 2_000_000n

const { kv, chain } = await openMemoryChain()
const callsOn = (evm: 'fast' | 'reference') =>
  openCalls(kv, genesis, { genesisHash: chain.genesisHash, gasCap: GAS_CAP, evm })
const [fast, reference] = [callsOn('fast'), callsOn('reference')]

const overrideOf = (dice: Dice, { address, nonce, balance, code, slots }: CaseAccount): AccountOverride => ({
  address,
  balance: dice.chance(0.9) ? balance : null,
  nonce: dice.chance(0.9) ? nonce : null,
  code: assemble(code),
  ...(dice.chance(0.5) ? { state: slots, stateDiff: null } : { state: null, stateDiff: slots }),
  movePrecompileTo: null,
})
/** Seldom all that it may name, mostly what people write. */
const requestOf = (dice: Dice, tx: CaseTx): CallRequest => ({
  ...{ from: dice.chance(0.9) ? tx.from : null, to: tx.to, value: tx.value, input: assemble(tx.data) },
  gas: dice.chance(0.5) ? tx.gas + 21_000n : null,
  gasPriceWei: dice.chance(0.1) ? dice.pick([0n, 20n, 10n ** 12n]) : null,
  maxFeeWei: dice.chance(0.15) ? dice.pick([0n, tx.maxFeeWei, 10n ** 12n]) : null,
  maxTipWei: dice.chance(0.1) ? tx.maxTipWei : null,
  nonce: null,
  accessList: tx.accessList.length > 0 ? tx.accessList : null,
  authorizations: tx.authorizations.length > 0 ? tx.authorizations : null,
})
const blockOf = (dice: Dice): BlockOverride => ({
  number: dice.chance(0.5) ? 1 + dice.below(1_000) : null,
  time: dice.chance(0.5) ? genesis.time + 1 + dice.below(1_000_000) : null,
  gasLimit: dice.chance(0.3) ? dice.pick([30_000n, 500_000n]) : null,
  coinbase: dice.chance(0.3) ? COINBASE : null,
  prevRandao: null,
  baseFeeWei: dice.chance(0.3) ? dice.pick([0n, 7n]) : null,
})

const drawJob = (n: number): CallJob => {
  const dice = createDice(n)
  const { accounts, txs } = drawCase(n)
  const state = accounts.map((each) => overrideOf(dice, each))
  const requests = txs.map((tx) => requestOf(dice, tx))
  const request = dice.pick(requests)
  const at = { height: 0, pending: dice.chance(0.5) }
  const block = dice.chance(0.3) ? blockOf(dice) : null
  const kind = dice.pick(['call', 'call', 'estimate', 'simulate', 'trace'] as const)
  if (kind === 'call' || kind === 'estimate') return { ...at, kind, request, state, block }
  const flags = { validation: dice.chance(0.2), traceTransfers: dice.chance(0.2) }
  const second = { block: null, state: [], calls: requests }
  if (kind === 'simulate') return { ...at, kind, blocks: [{ block: null, state, calls: requests }, second], ...flags }
  return { ...at, kind: 'accessList', request, state }
}

/** Everything a user can see of it, and how it ended. */
const told = async (calls: typeof fast, job: CallJob): Promise<{ readonly end: string; readonly all: unknown }> => {
  try {
    const answer = await calls.run(job)
    return { end: answer.kind, all: answer }
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    const { code, rpc, message, data } = error
    return { end: code, all: { code, rpc, message, data } }
  }
}

test(`answers and errors of calls are the reference engine's, SEED=${seed}`, async () => {
  const ends = new Map<string, number>()
  for (let n = seed; n < seed + RUNS; n++) {
    const job = drawJob(n)
    const [ours, theirs] = [await told(fast, job), await told(reference, job)]
    expect(ours, `SEED=${n}, ${job.kind}`).toEqual(theirs)
    ends.set(ours.end, (ends.get(ours.end) ?? 0) + 1)
  }
  for (const end of ['call', 'estimate', 'simulate', 'accessList', 'CALL_REVERTED', 'CALL_FAULT', 'CALL_FEES'])
    expect(ends.get(end) ?? 0, `${end} of ${JSON.stringify([...ends])}`).toBeGreaterThan(0)
})

const contract = new Uint8Array(20).fill(0xc0) as Address // 20 bytes
const callOf = (code: Uint8Array, gas: bigint | null): CallJob => ({
  ...{ kind: 'call', height: 0, pending: false, block: null },
  request: {
    ...{ from: null, to: contract, gas, value: 0n, input: new Uint8Array(0), nonce: null },
    ...{ gasPriceWei: null, maxFeeWei: null, maxTipWei: null, accessList: null, authorizations: null },
  },
  state: [
    { address: contract, code, balance: null, nonce: null, state: null, stateDiff: null, movePrecompileTo: null },
  ],
})
/** Each way to halt has its words, and tools read them. */
test.for([
  ['out of gas', [0x5b, 0x5f, 0x56]],
  ['stack underflow', [0x50]],
  ['invalid JUMP', [0x60, 0x03, 0x56]],
  ['invalid opcode', [0x0c]],
  ['stack overflow', [0x5b, 0x5f, 0x5f, 0x56]],
] as const)('a call that halts with %s says so on both', async ([fault, code]) => {
  const job = callOf(Uint8Array.from(code), 100_000n)
  const [ours, theirs] = [await told(fast, job), await told(reference, job)]
  expect(ours).toEqual(theirs)
  expect(ours).toMatchObject({ end: 'CALL_FAULT', all: { message: expect.stringContaining(fault) } })
})
