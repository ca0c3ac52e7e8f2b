// Who may have votes signed: one process at a time. Owns when that changes: when it says so, when it has been silent for long enough, or
// when another takes its place because its operator said so.
import { bytesToHex, type Hex } from '../../chain/base/bytes.ts'
import type { Clock } from '../../chain/base/ports.ts'

/** A process that was killed is followed by the next after so long; one that lives says something each second. */
export const LEASE_MS = 5_000

interface Holder {
  readonly instance: Hex
  /** Where it connects from, for people. */
  readonly from: string
  /** Ends the connection that it has now. */
  readonly close: () => void
  untilMs: number
}

export class Lease {
  readonly #clock: Clock
  #holder: Holder | null = null

  /** `clock` must not jump: not that of the wall. */
  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * A process wants it, on a new connection; null where it has it now, else who has it. A process that had it connects anew at any time, and its
   * earlier connection ends. With `takesOver` whoever has it loses it.
   */
  claim(
    instance: Uint8Array,
    connection: Pick<Holder, 'from' | 'close'>,
    takesOver: 'takesOver' | null,
  ): { readonly from: string; readonly forMs: number } | null {
    const now = this.#clock.nowMs()
    const held = this.#holder
    const id = bytesToHex(instance)
    const isFree = held === null || held.untilMs <= now || held.instance === id
    if (!isFree && takesOver === null) return { from: held.from, forMs: held.untilMs - now }
    this.#holder = { instance: id, ...connection, untilMs: now + LEASE_MS }
    held?.close()
    return null
  }

  /** It said something: the lease goes on, unless another took it meanwhile. */
  renew(close: () => void): boolean {
    if (this.#holder?.close !== close) return false
    this.#holder.untilMs = this.#clock.nowMs() + LEASE_MS
    return true
  }

  /** It asks for no more. */
  release(close: () => void): void {
    if (this.#holder?.close === close) this.#holder = null
  }

  /** Where it connects from; null where nobody has it. */
  holder(): string | null {
    return this.#holder !== null && this.#holder.untilMs > this.#clock.nowMs() ? this.#holder.from : null
  }
}
