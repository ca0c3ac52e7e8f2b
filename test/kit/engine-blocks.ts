// Random mixed blocks: plain transfers, tokens, creations, modules, programs and what is refused, as a builder offers or a verifier gets
// them. Owns what such a block is and everything that shows of it; running is chain/exec/block.ts.
import { type Address, asAddress, asHash, bytesToHex, concat } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, NodeError } from '../../chain/base/errors.ts'
import { type BlockResult, createExecutor, type Source } from '../../chain/exec/block.ts'
import type { Engine } from '../../chain/exec/engine.ts'
import { createState } from '../../chain/exec/state.ts'
import { changesOf, firstDifference, replay } from '../../chain/exec/witness.ts'
import { nativesAt } from '../../chain/native/index.ts'
import { encodeReceipt } from '../../chain/types/receipt.ts'
import type { Tx } from '../../chain/types/tx.ts'
import type { Sampler, Witness } from '../../chain/types/witness.ts'
import { createDice, type Dice } from './dice.ts'
import { type CaseAccount, type CaseTx, drawCase, txOf } from './engine-cases.ts'
import { caseBlock, caseFees, worldOf } from './engine-runs.ts'
import { transferData, USERS } from './workloads.ts'

export interface BlockCase {
  readonly accounts: readonly CaseAccount[]
  readonly txs: readonly Tx[]
  readonly mode: Source['mode']
  readonly gasLimit: bigint
}
export interface Common {
  readonly accounts: readonly CaseAccount[]
  readonly txs: Readonly<Record<string, CaseTx>>
}

const stranger = (n: number): Address => asAddress(Uint8Array.of(0x77, ...new Uint8Array(18), n))

const drawDraft = (dice: Dice, common: Common, drawn: readonly CaseTx[]): CaseTx => {
  const usual = common.txs['a token transfer'] as CaseTx // it is there
  const from = dice.pick(USERS)
  const roll = dice.below(20)
  if (roll < 8) {
    const data = dice.chance(0.1) ? dice.bytes(20) : new Uint8Array(0)
    const gas = dice.chance(0.9) ? 0n : 50_000n
    return {
      ...usual,
      from,
      to: dice.pick([...USERS, stranger(1), stranger(2)]),
      value: BigInt(dice.below(3)),
      data,
      gas,
    }
  }
  if (roll < 12)
    return { ...usual, from, data: transferData(dice.pick([...USERS, stranger(3)]), BigInt(dice.below(50))) }
  if (roll < 15) return { ...dice.pick(Object.values(common.txs)), from }
  return { ...dice.pick(drawn), from }
}

/** What a wallet got wrong: its nonce, its funds, its fee or its gas. */
const spoil = (dice: Dice, tx: Tx): Tx => {
  if (dice.chance(0.85)) return tx
  const how: readonly Partial<Tx>[] = [
    ...[{ nonce: tx.nonce + 1n }, { nonce: tx.nonce === 0n ? 5n : tx.nonce - 1n }],
    ...[
      { value: 10n ** 25n },
      { maxFeeWei: 6n, maxTipWei: 0n },
      { gasLimit: tx.gasLimit - 1n },
      { gasLimit: 2n ** 24n + 1n },
    ],
    ...[{ gasLimit: 21_000n }, { from: stranger(9) }],
  ]
  return { ...tx, ...dice.pick(how) }
}

export function drawBlock(seed: number, common: Common): BlockCase {
  const dice = createDice(seed)
  const { accounts, txs: drawn } = drawCase(seed + 1)
  const known = new Set(common.accounts.map(({ address }) => bytesToHex(address)))
  const all = [...common.accounts, ...accounts.filter(({ address }) => !known.has(bytesToHex(address)))]
  const nonces = new Map<string, bigint>(all.map(({ address, nonce }) => [bytesToHex(address), nonce]))
  const txs = Array.from({ length: 6 + dice.below(14) }, (_, i) => {
    const draft = drawDraft(dice, common, drawn)
    const hex = bytesToHex(draft.from)
    const nonce = nonces.get(hex) ?? 0n
    const right = { ...txOf(draft, nonce), hash: keccak(Uint8Array.of(i)), raw: concat(draft.from, Uint8Array.of(i)) }
    const tx = spoil(dice, right)
    if (tx === right) nonces.set(hex, nonce + 1n)
    return tx
  })
  const mode = dice.chance(0.8) ? 'build' : 'verify'
  return { accounts: all, txs, mode, gasLimit: dice.pick([30_000_000n, 30_000_000n, 2_000_000n, 300_000n]) }
}

const sourceOf = ({ mode, txs }: BlockCase): Source => {
  if (mode === 'verify') return { mode, txs }
  const left = [...txs]
  return {
    mode,
    candidates: { next: () => left.shift() ?? null, skip: () => {} },
    budget: { limitMs: 1, usedMs: () => 0 },
  }
}

/** Everything that shows of it; with `ran`, the transactions that were no refusals. */
export async function runBlockCase(
  engine: Engine,
  lane: 'on' | 'off',
  of: BlockCase,
  sampler?: Sampler,
): Promise<{ readonly lines: readonly string[]; readonly ran: number }> {
  const executor = createExecutor(
    { engine, pause: async () => {}, natives: nativesAt, lane: lane === 'off' ? 'off' : undefined, sampler },
    { fees: caseFees },
  )
  const block = { ...caseBlock, gasLimit: of.gasLimit }
  try {
    const state = createState(worldOf(of))
    const result = await executor.run(state, block, asHash(new Uint8Array(32)), sourceOf(of))
    return { lines: linesOf(result), ran: result.txs.length }
  } catch (error) {
    if (error instanceof NodeError && error.code === 'BLOCK_INVALID') return { lines: [error.message], ran: 0 }
    throw error
  }
}

const linesOf = ({ txs, receipts, gasUsed, bloom, dropped, changes }: BlockResult): string[] => [
  `transactions ${txs.map(({ hash }) => bytesToHex(hash))}`,
  ...receipts.map((receipt, i) => {
    const { gasUsed: own, gasPriceWei, created } = receipt
    const made = created === null ? null : bytesToHex(created)
    return `receipt ${i}: ${own} at ${gasPriceWei}, made ${made}, ${bytesToHex(encodeReceipt(receipt))}`
  }),
  `gas ${gasUsed}, bloom ${bytesToHex(bloom)}, dropped ${dropped.map(bytesToHex)}`,
  ...changesOf(changes),
]

/** What is recorded of all transactions of a block, which shows nowhere in it. */
export async function witnessesOf(engine: Engine, of: BlockCase): Promise<readonly Witness[]> {
  const taken: Witness[] = []
  const { lines } = await runBlockCase(engine, 'on', of, { wants: () => true, take: (witness) => taken.push(witness) })
  assert(firstDifference(lines, (await runBlockCase(engine, 'on', of)).lines) === null, 'a sample shows nowhere')
  return taken
}
/** Runs one again, from nothing but what was recorded. */
export const replayOn = (engine: Engine, witness: Witness): Promise<string | null> =>
  replay({ engine, natives: nativesAt(witness.block.number).table, fees: caseFees }, witness)

/** The first difference between the reference with the engine for everything and each other way to run the block. */
export async function compareBlock(fast: Engine, reference: Engine, of: BlockCase): Promise<string | null> {
  const { lines } = await runBlockCase(reference, 'off', of)
  for (const [engine, lane] of [
    [fast, 'off'],
    [fast, 'on'],
    [reference, 'on'],
  ] as const) {
    const difference = firstDifference((await runBlockCase(engine, lane, of)).lines, lines)
    if (difference !== null) return `${engine.name}, the lane ${lane}: ${difference}`
  }
  return null
}
