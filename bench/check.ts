// `npm run bench:check`: the benches that `baseline.json` names, against it. A figure of processor time that is 1.3 times its baseline or
// more, both by the yardstick of their own run, fails; one that looks so is measured twice again first and the best counts, for machines
// are shared. `-- --write` makes today's figures the baseline.
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Report } from './report.ts'

const dir = fileURLToPath(new URL('.', import.meta.url))
const file = `${dir}baseline.json`
const LIMIT = 1.3
const MORE_RUNS = 2

type Baseline = Readonly<
  Record<string, { readonly machine: string; readonly figures: Readonly<Record<string, number>> }>
>

const run = async (bench: string): Promise<Report> =>
  new Promise((resolve, reject) => {
    const child = fork(`${dir}${bench}.bench.ts`, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    let report: Report | null = null
    child.on('message', (message) => {
      report = message as Report
    })
    child.on('exit', (code) => {
      if (report === null || code !== 0) reject(new Error(`bench ${bench} ended with ${code} and no report`))
      else resolve(report)
    })
  })
/** In yardsticks, by name. */
const measured = ({ figures, yardstickMs }: Report): Record<string, number> =>
  Object.fromEntries(figures.flatMap(({ name, value, isCpu }) => (isCpu ? [[name, value / yardstickMs]] : [])))

const baseline: Baseline = JSON.parse(readFileSync(file, 'utf8'))
if (process.argv.includes('--write')) {
  const written: Record<string, Baseline[string]> = {}
  for (const bench of Object.keys(baseline)) {
    const runs = [await run(bench), await run(bench), await run(bench)]
    const all = runs.map(measured)
    const least = (name: string): number => Math.min(...all.map((each) => each[name] ?? Number.POSITIVE_INFINITY))
    const names = Object.keys(all[0] ?? {})
    const figures = Object.fromEntries(names.map((name) => [name, Number(least(name).toPrecision(3))]))
    written[bench] = { machine: runs[0]?.machine.processor ?? '', figures }
  }
  writeFileSync(file, `${JSON.stringify(written, null, 2)}\n`)
} else {
  let worse = 0
  for (const [bench, { figures }] of Object.entries(baseline)) {
    const best = measured(await run(bench))
    const isWorse = (name: string): boolean => (best[name] ?? Number.NaN) / (figures[name] as number) >= LIMIT
    for (let i = 0; i < MORE_RUNS && Object.keys(figures).some(isWorse); i++)
      for (const [name, value] of Object.entries(measured(await run(bench))))
        best[name] = Math.min(value, best[name] ?? value)
    for (const [name, was] of Object.entries(figures)) {
      const now = best[name]
      const isBad = now === undefined || isWorse(name)
      if (isBad) worse++
      const ratio = now === undefined ? 'gone' : (now / was).toFixed(2)
      console.log(`${isBad ? 'WORSE' : 'ok   '} ${bench.padEnd(10)} ${name.padEnd(60)} ${ratio}`)
    }
  }
  console.log(
    worse === 0 ? 'no figure is 1.3 times its baseline' : `${worse} figures are 1.3 times their baseline or more`,
  )
  process.exitCode = worse === 0 ? 0 : 1
}
