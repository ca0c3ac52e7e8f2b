// From an order to a signature: what may be signed now, in the order it was asked, with the log synced before. Owns the patience with a
// signer that does not answer, which must not stop a validator; a disk that fails must.
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log, Timers } from '../chain/base/ports.ts'
import type { Wal } from '../chain/store/wal.ts'
import { encodeMessage, stepOf } from '../chain/types/message.ts'
import type { Guard } from './guard.ts'
import { RECORDS } from './logged.ts'
import type { SignAnswer, Signer, SignOrder } from './signer.ts'

export const SigningErrors = defineErrors('SIGNING', {
  SILENT: { text: (d: { ms: number }) => `the signer has not answered for ${d.ms} ms` },
})

export interface SigningDeps {
  readonly signer: Signer
  readonly guard: Guard
  readonly wal: Wal
  readonly timers: Timers
  readonly log: Log
  readonly onAnswer: (answer: SignAnswer) => void
  readonly fail: (error: unknown) => void
}

/** A signer that is asked again answers the same, so that waiting longer for the first answer gains nothing. */
const PATIENCE_MS = 10_000
const RETRY_MS = 1_000
const WARN_EVERY = 60

export class Signing {
  readonly #deps: SigningDeps
  #orders: SignOrder[] = []
  #running: Promise<void> = Promise.resolve()
  #isSigning = false
  #isStopped = false
  /** Ends a pause between attempts. */
  #wake = (): void => {}
  #misses = 0

  constructor(deps: SigningDeps) {
    this.#deps = deps
  }

  /** What is still waiting of earlier rounds is of no use any more. */
  ask(order: SignOrder): void {
    const { height, round } = stepOf(order.message)
    this.#orders = this.#orders.filter(({ message }) => {
      const at = stepOf(message)
      return at.height === height && at.round === round
    })
    this.#orders.push(order)
    this.go()
  }

  /** A height begins: what waits of those below it is of no use any more, also to a key that is in no set now. */
  forget(belowHeight: number): void {
    this.#orders = this.#orders.filter(({ message }) => stepOf(message).height >= belowHeight)
  }

  /** Why nothing is signed; null while the signer answers. */
  silence(): string | null {
    return this.#misses === 0 ? null : 'its signer does not answer'
  }

  /** Goes on with what had to wait for the guard. */
  go(): void {
    if (this.#isSigning || this.#isStopped) return
    this.#isSigning = true
    this.#running = this.#signAll()
  }

  /** The reveal for a block; null where the signer does not answer: the round is lost, no more. */
  async reveal(height: number): Promise<Uint8Array | null> {
    try {
      return await this.#inTime(this.#deps.signer.reveal(height))
    } catch (error) {
      this.#tell(error)
      return null
    }
  }

  /** Returns when no record is being written any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#orders = []
    this.#wake()
    await this.#running
  }

  async #signAll(): Promise<void> {
    try {
      await this.#signWaiting()
    } catch (error) {
      this.#isStopped = true
      this.#deps.fail(error)
    }
  }

  async #signWaiting(): Promise<void> {
    const { guard, wal, onAnswer } = this.#deps
    for (let order = this.#orders[0]; order !== undefined; order = this.#orders[0]) {
      const permit = guard.at(stepOf(order.message).height)
      if (permit === 'wait') break
      if (permit === 'no') {
        this.#drop(order)
        continue
      }
      await wal.sync()
      const answer = await this.#attempt(order)
      if (this.#isStopped) return
      if (answer === null) {
        await this.#pause()
        continue
      }
      this.#drop(order)
      guard.made(answer.kind === 'signed' ? stepOf(answer.message) : answer.record)
      if (answer.kind === 'signed')
        wal.append(RECORDS.own, encodeMessage(answer.message), { sync: false }).catch(this.#deps.fail)
      onAnswer(answer)
    }
    this.#isSigning = false // in the turn of the last look at the orders: one that comes later must not wait for the next
  }

  #drop(order: SignOrder): void {
    this.#orders = this.#orders.filter((each) => each !== order)
  }

  async #attempt(order: SignOrder): Promise<SignAnswer | null> {
    try {
      const answer = await this.#inTime(this.#deps.signer.sign(order))
      if (this.#misses > 0) this.#deps.log.info({ misses: this.#misses }, 'the signer answers again')
      this.#misses = 0
      return answer
    } catch (error) {
      this.#tell(error)
      return null
    }
  }

  /** Throws what is no matter of patience. */
  #tell(error: unknown): void {
    if (!(error instanceof NodeError) || !['SIGNING_SILENT', 'SIGNER_UNREACHABLE'].includes(error.code)) throw error
    if (this.#misses++ % WARN_EVERY === 0)
      this.#deps.log.warn(
        { fault: error.message },
        'the signer cannot be reached: this validator is silent until it is',
      )
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new NodeError(SigningErrors.SILENT, { ms: PATIENCE_MS }))
      const unset = this.#deps.timers.after(PATIENCE_MS, late)
      work.then(resolve, reject).finally(unset)
    })
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const unset = this.#deps.timers.after(RETRY_MS, resolve)
      this.#wake = () => {
        unset()
        resolve()
      }
    })
  }
}
