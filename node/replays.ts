// The watch over the fast engine: some transactions of every block run again on the reference engine, in the call worker, from what they read.
// Owns the choice, which nobody can foresee and no result shows, the bound of the work, and what a difference means: this node signs nothing
// any more, and keeps the proof in a file.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log, Meter, Random } from '../chain/base/ports.ts'
import type { CallAnswer, CallJob } from '../chain/types/call.ts'
import { encodeWitness, type Sampler, type Witness } from '../chain/types/witness.ts'

export const ReplayErrors = defineErrors('REPLAY', {
  DIFFERS: {
    text: (d: { tx: string; height: number; difference: string; file: string }) =>
      `the fast engine and the reference engine disagree about transaction ${d.tx} of block ${d.height}: ${d.difference}. Nothing is ` +
      `signed, because one of them is wrong: report ${d.file}, and start with --engine reference`,
  },
  UNRESOLVED: {
    text: (d: { file: string }) =>
      `${d.file} proves that the fast engine and the reference engine disagreed: report it and start with --engine reference; where ` +
      '`novachain re-execute --witness` shows that they agree by now, move the file away',
  },
})

/** A millisecond each on the reference engine: with blocks of 3 s about 2 % of a core. */
const PER_BLOCK = 64
/** The same in gas, at some 16 Mgas/s: a few transactions with much of it must not keep the call worker from its calls. */
const GAS_PER_BLOCK = 3_000_000n
/** With as many under way, as while a node catches up, none is taken. */
const WAITING_MAX = 128
const FILE = /^witness-.*\.json$/

export interface ReplaysDeps {
  readonly dir: string
  readonly random: Random
  readonly log: Log
  readonly meter: Meter
}

/** Throws REPLAY_UNRESOLVED where the folder holds a proof against the fast engine. */
export function refuseDoubted(dir: string): void {
  const file = readdirSync(dir).find((name) => FILE.test(name))
  if (file !== undefined) throw new NodeError(ReplayErrors.UNRESOLVED, { file: join(dir, file) })
}

export class Replays implements Sampler {
  readonly #deps: ReplaysDeps
  readonly #replayed: ReturnType<Meter['counter']>
  readonly #missed: ReturnType<Meter['counter']>
  #calls: { run(job: CallJob): Promise<CallAnswer> } | null = null
  #height = -1
  /** Transactions of this height, and how many pass before the next one is taken. */
  #seen = 0
  #gap = 0
  /** Mean distance of two that are taken, from how many the last height had. */
  #stride = 1
  #taken = 0
  #gas = 0n
  #waiting = 0
  #doubt: string | null = null

  constructor(deps: ReplaysDeps) {
    this.#deps = deps
    this.#replayed = deps.meter.counter('engine_replays_total', 'Transactions run again on the reference engine')
    this.#missed = deps.meter.counter('engine_replays_missed_total', 'Those of them that came to no answer')
  }

  /** From now on there is somebody to run them. */
  begin(calls: { run(job: CallJob): Promise<CallAnswer> }): void {
    this.#calls = calls
  }

  /** Why nothing may be signed; null while the engines agree. */
  doubt(): string | null {
    return this.#doubt
  }

  wants(height: number): boolean {
    if (height !== this.#height) this.#enter(height)
    this.#seen++
    if (this.#gap-- > 0) return false
    this.#gap = Math.floor(this.#deps.random() * (2 * this.#stride - 1))
    return this.#calls !== null && this.#taken < PER_BLOCK && this.#gas < GAS_PER_BLOCK && this.#waiting < WAITING_MAX
  }
  #enter(height: number): void {
    this.#stride = Math.max(1, this.#seen / PER_BLOCK)
    this.#height = height
    this.#seen = 0
    this.#taken = 0
    this.#gas = 0n
    this.#gap = Math.floor(this.#deps.random() * this.#stride)
  }

  take(witness: Witness): void {
    this.#taken++
    this.#gas += witness.gasUsed
    this.#waiting++
    void this.#replay(witness).finally(() => {
      this.#waiting--
    })
  }

  async #replay(witness: Witness): Promise<void> {
    const { log } = this.#deps
    try {
      const job = { kind: 'replay', height: witness.block.number, pending: false, witness } as const
      const answer = await this.#calls?.run(job)
      if (answer?.kind !== 'replay') return
      this.#replayed.add(1)
      if (answer.difference !== null) this.#differs(witness, answer.difference)
    } catch (error) {
      this.#missed.add(1)
      log.debug({ tx: bytesToHex(witness.tx.hash), error: String(error) }, 'a transaction was not run again')
    }
  }

  #differs(witness: Witness, difference: string): void {
    const { dir, log } = this.#deps
    const [tx, height] = [bytesToHex(witness.tx.hash), witness.block.number]
    const file = join(dir, `witness-${height}-${tx.slice(2, 18)}.json`)
    const { message } = new NodeError(ReplayErrors.DIFFERS, { tx, height, difference, file })
    this.#doubt ??= message
    try {
      writeFileSync(file, encodeWitness(witness)) // whole before anybody is told: it happens once in a node's life, if ever
    } catch (error) {
      log.error({ file, error: String(error) }, 'the proof of a difference cannot be written')
    }
    log.error({ height, tx }, message)
  }
}
