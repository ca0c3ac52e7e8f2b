// What a bench says: a line for each figure as it is measured, and at its end one JSON object with the machine and all of them.
// Owns the yardstick too: fixed work, timed in the same process, by which figures of two machines or two days can be compared.
import { keccak } from '../chain/base/crypto.ts'
import { machine } from './machine.ts'

export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What is better. */
  readonly better: 'less' | 'more'
  /** Processor time, which `npm run bench:check` holds against the baseline; what clocks or memory say is only shown. */
  readonly isCpu: boolean
}
export interface Report {
  readonly bench: string
  readonly machine: ReturnType<typeof machine>
  /** Of the fixed work on this machine, now. */
  readonly yardstickMs: number
  readonly figures: readonly Figure[]
}

/** Processor time of hashing and arithmetic that never changes; the best of five, ms. */
export function yardstickMs(): number {
  const times = Array.from({ length: 5 }, () => {
    const before = process.threadCpuUsage()
    let hash: Uint8Array = new Uint8Array(32)
    for (let i = 0; i < 20_000; i++) hash = keccak(hash)
    let word = 3n
    for (let i = 0; i < 100_000; i++) word = BigInt.asUintN(256, word * word + 7n)
    const { user, system } = process.threadCpuUsage(before)
    return word === 0n || hash.length === 0 ? Number.NaN : (user + system) / 1_000
  })
  return Math.min(...times)
}

export interface Reporter {
  /** Of processor time unless it says otherwise; less of it is better. */
  cpu(name: string, value: number, unit: string): void
  add(name: string, value: number, unit: string, better: Figure['better']): void
  /** The JSON; for `npm run bench:check` it goes to the process that asked, and is there when this returns. */
  end(): Promise<void>
}

export function createReport(bench: string): Reporter {
  const figures: Figure[] = []
  const push = (figure: Figure): void => {
    figures.push(figure)
    console.log(`${figure.name.padEnd(72)} ${shown(figure.value).padStart(10)} ${figure.unit}`)
  }
  return {
    cpu: (name, value, unit) => push({ name, value, unit, better: 'less', isCpu: true }),
    add: (name, value, unit, better) => push({ name, value, unit, better, isCpu: false }),
    async end() {
      const report: Report = { bench, machine: machine(), yardstickMs: yardstickMs(), figures }
      console.log(JSON.stringify(report))
      const { send } = process
      if (send !== undefined) await new Promise((resolve) => send.call(process, report, resolve))
    },
  }
}

const shown = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(1) : value.toFixed(2)
