// The machine's own clock, timers and chance, as the ports that everything else is given. Owns nothing; tests and the simulator
// hand in their own.
import type { Clock, Random, Timers } from '../chain/base/ports.ts'

export const systemClock: Clock = { nowMs: () => Date.now() }

/** Since some moment; it only rises, however the machine's clock is set. */
export const monotonicClock: Clock = { nowMs: () => performance.now() }

export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

export const systemRandom: Random = () => Math.random()
