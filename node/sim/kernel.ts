// Virtual time for whole nodes, whose code waits for promises: one event at a time, and the next only when nothing is left to run. Owns
// the clock, the queue and the trace; the same events in the same order give the same trace.
import { setImmediate as idle } from 'node:timers/promises'
import { Queue } from './queue.ts'

export class Kernel {
  nowMs = 0
  events = 0
  /** Of everything that was noted, in order. */
  trace = 0
  readonly #queue = new Queue()
  #order = 0

  after(ms: number, run: () => void): () => void {
    let isOff = false
    const event = {
      atMs: this.nowMs + Math.max(0, Math.ceil(ms)),
      order: this.#order++,
      run: () => void (isOff || run()),
    }
    this.#queue.push(event)
    return () => {
      isOff = true
    }
  }

  note(value: number): void {
    this.trace = (Math.imul(this.trace, 31) + value) | 0
  }

  /** Until `isDone` after some event, or the time is over. True where it was done. */
  async run(untilMs: number, isDone: () => boolean): Promise<boolean> {
    await idle() // whoever began before the first event gets as far as he can
    for (;;) {
      const event = this.#queue.pop()
      if (event === null || event.atMs > untilMs) return isDone()
      this.nowMs = event.atMs
      this.events++
      event.run()
      await idle() // no disk and no socket is real: all that can run has run by then
      if (isDone()) return true
    }
  }
}
