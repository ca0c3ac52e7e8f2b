// Records what a transaction reads and does while it runs on a copy of the journal's present, and runs such a record again on another engine.
// Owns what two runs are compared by. The transaction's own run neither waits for this nor sees it.
import { asHash, bytesToHex, type Hash, type Hex, type Word } from '../base/bytes.ts'
import { assert, NodeError } from '../base/errors.ts'
import type { BlockContext } from '../types/frame.ts'
import type { AccountRecord, Changes, Code, Reader, State } from '../types/state.ts'
import { plainTx, type Tx } from '../types/tx.ts'
import type { Witness } from '../types/witness.ts'
import { codeFrom, createState } from './state.ts'
import { ExecErrors, runTx, type TxDeps, type TxResult } from './tx.ts'

type Reads = Pick<Witness, 'accounts' | 'slots' | 'codes' | 'hashes'>

/** A reader that notes what is asked of it, as it is at that moment. */
class Recorder implements Reader {
  readonly #source: Reader
  readonly #blockHash: BlockContext['blockHash']
  readonly #accounts = new Map<Hex, Reads['accounts'][number]>()
  readonly #slots = new Map<string, Reads['slots'][number]>()
  readonly #codes = new Map<Hex, Reads['codes'][number]>()
  readonly #hashes = new Map<number, Hash>()

  constructor(source: Reader, blockHash: BlockContext['blockHash']) {
    this.#source = source
    this.#blockHash = blockHash
  }
  account(address: Parameters<Reader['account']>[0]): AccountRecord | undefined {
    const found = this.#source.account(address)
    // The journal answers with its own handle, which goes on changing.
    const record = found && { nonce: found.nonce, balance: found.balance, codeHash: found.codeHash }
    this.#accounts.set(bytesToHex(address), [address, record ?? null])
    if (record !== undefined) this.code(record.codeHash) // another engine may look at it
    return record
  }
  slot(address: Parameters<Reader['slot']>[0], key: Word): Word {
    const value = this.#source.slot(address, key)
    this.#slots.set(`${bytesToHex(address)} ${key}`, [address, key, value])
    return value
  }
  code(hash: Hash): Code {
    const code = this.#source.code(hash)
    this.#codes.set(bytesToHex(hash), [hash, code.bytes])
    return code
  }
  blockHash(number: number): Hash {
    const hash = this.#blockHash(number)
    this.#hashes.set(number, hash)
    return hash
  }
  reads(): Reads {
    const [accounts, slots, codes] = [
      [...this.#accounts.values()],
      [...this.#slots.values()],
      [...this.#codes.values()],
    ]
    return { accounts, slots, codes, hashes: [...this.#hashes] }
  }
}

const giveUp = (): Promise<never> => Promise.reject(new NodeError(ExecErrors.ABANDONED, undefined))

/** Made whole by what the transaction came to in its block. */
export type Recorded = (made: TxResult) => Witness

/**
 * Runs a transaction beside its block: `state` is between two transactions, is read, and does not change. Answers null where it is
 * refused, and where the engine would pause: what is long enough for that would keep the block's own run, and then who runs it again, for
 * too long. What the block makes of it completes the record.
 */
export function recordTx(deps: TxDeps, tx: Tx, state: State, block: BlockContext, gasLeft: bigint): Recorded | null {
  const recorder = new Recorder(state, block.blockHash)
  const beside = createState(recorder)
  try {
    const watched = { ...block, blockHash: (number: number) => recorder.blockHash(number) }
    const result = runTx({ ...deps, pause: giveUp }, tx, beside, watched, gasLeft)
    if (result instanceof Promise) {
      result.catch(() => {}) // given up
      return null
    }
    const changes = changesOf(beside.changes())
    return (made) => ({
      ...{ tx: plainTx(tx), gasLeft, gasUsed: made.gasUsed, block: plain(block) },
      isPermissioned: deps.isPermissioned === true,
      ...recorder.reads(),
      outcome: [...resultOf(made), ...changes],
    })
  } catch (error) {
    if (error instanceof NodeError && error.code.startsWith('TX_')) return null
    throw error
  }
}
const plain = ({ blockHash: _, ...block }: BlockContext): Witness['block'] => block

/**
 * Runs it again. Answers the first thing that differs, or null. What was not read is nothing: an engine that the value could matter to
 * would differ from the recorded run on a state without it, which is a state like any other.
 */
export async function replay(deps: Omit<TxDeps, 'isPermissioned'>, witness: Witness): Promise<string | null> {
  const state = createState(readerOf(witness))
  const hashes = new Map(witness.hashes)
  const blockHash = (number: number): Hash => hashes.get(number) ?? asHash(new Uint8Array(32))
  const { tx, block, gasLeft, isPermissioned, outcome } = witness
  try {
    const result = await runTx({ ...deps, isPermissioned }, tx, state, { ...block, blockHash }, gasLeft)
    return firstDifference(outcome, [...resultOf(result), ...changesOf(state.changes())])
  } catch (error) {
    if (error instanceof NodeError && error.code.startsWith('TX_')) return `${cut(outcome[0])} instead of ${error.code}`
    throw error
  }
}

const readerOf = (witness: Witness): Reader => {
  const accounts = new Map(witness.accounts.map(([address, record]) => [bytesToHex(address), record ?? undefined]))
  const slots = new Map(witness.slots.map(([address, key, value]) => [`${bytesToHex(address)} ${key}`, value]))
  const codes = new Map(witness.codes.map(([hash, bytes]) => [bytesToHex(hash), codeFrom(bytes)]))
  return {
    account: (address) => accounts.get(bytesToHex(address)),
    slot: (address, key) => slots.get(`${bytesToHex(address)} ${key}`) ?? 0n,
    code(hash) {
      const code = codes.get(bytesToHex(hash))
      assert(code !== undefined, 'the code of every account in a record is there')
      return code
    },
  }
}

/** Everything that shows of a transaction, a thing a line. */
export const resultOf = (result: TxResult): string[] => [
  `${result.outcome}, status ${result.status}, fault ${result.fault}`,
  `gas ${result.gasUsed}, before refunds ${result.maxUsedGas}, at ${result.gasPriceWei}`,
  `created ${result.created === null ? null : bytesToHex(result.created)}`,
  `output ${bytesToHex(result.output)}`,
  ...result.logs.map(
    ({ address, topics, data }) => `log ${bytesToHex(address)} [${topics.map(bytesToHex)}] ${bytesToHex(data)}`,
  ),
]

/** Sorted, for the order of changes means nothing. */
export const changesOf = ({ accounts, codes }: Changes): string[] =>
  [
    ...accounts.flatMap(({ address, account, storageCleared, slots }) => {
      const at = bytesToHex(address)
      const is = account === null ? 'gone' : `${account.nonce} ${account.balance} ${bytesToHex(account.codeHash)}`
      const values = slots.map(({ key, value }) => `${at}[${key}] = ${value}`)
      return [`${at}: ${is}${storageCleared ? ', cleared' : ''}`, ...values]
    }),
    ...codes.map(({ hash, bytes, jumps }) => `code ${bytesToHex(hash)}: ${bytesToHex(bytes)} ${bytesToHex(jumps)}`),
  ].sort()

/** The first line that is not the same, as a sentence; null where all are. */
export function firstDifference(had: readonly string[], got: readonly string[]): string | null {
  for (let i = 0; i < Math.max(had.length, got.length); i++)
    if (had[i] !== got[i]) return `${cut(had[i])} instead of ${cut(got[i])}`
  return null
}
const cut = (line: string | undefined): string => (line === undefined ? 'nothing' : line.slice(0, 1_000))
