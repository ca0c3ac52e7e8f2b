// `npm run bench:check`: the benches that `baseline.json` names, as it says, against it. A figure of processor time that is 1.3 times its baseline
// or more, both by the yardstick of their own run, fails; one that looks so is measured twice again first and the best counts, for machines
// are shared. Of some alone: `-- trie evm`. `-- --write`, or `-- --write trie`, makes today's figures the baseline: on a machine that does nothing else.
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Report } from './report.ts'

const dir = fileURLToPath(new URL('.', import.meta.url))
const file = `${dir}baseline.json`
const LIMIT = 1.3
const MORE_RUNS = 2

interface Entry {
  /** A file of benches, where it is not the one of this name, and what it is given. */
  readonly file?: string
  readonly args: readonly string[]
  readonly machine: string
  /** In yardsticks. None: nobody has measured them yet, and that fails. */
  readonly figures: Readonly<Record<string, number>>
}
type Baseline = Readonly<Record<string, Entry>>

const run = async (bench: string, { file: other, args }: Entry): Promise<Report> =>
  new Promise((resolve, reject) => {
    const child = fork(`${dir}${other ?? bench}.bench.ts`, [...args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
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
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const unknown = wanted.filter((name) => baseline[name] === undefined)
if (unknown.length > 0)
  throw new Error(`no such bench: ${unknown.join(', ')}; there are ${Object.keys(baseline).join(', ')}`)
const chosen = Object.entries(baseline).filter(([bench]) => wanted.length === 0 || wanted.includes(bench))

/** The least of three runs. */
const written = async (bench: string, entry: Entry): Promise<Entry> => {
  const runs = [await run(bench, entry), await run(bench, entry), await run(bench, entry)]
  const all = runs.map(measured)
  const least = (name: string): number => Math.min(...all.map((each) => each[name] ?? Number.POSITIVE_INFINITY))
  const figures = Object.keys(all[0] ?? {}).map((name) => [name, Number(least(name).toPrecision(3))])
  const at = runs[0]?.machine
  return { ...entry, machine: `${at?.processor}, Node ${at?.node}`, figures: Object.fromEntries(figures) }
}

/** How many of its figures are too much. */
const compared = async (bench: string, entry: Entry): Promise<number> => {
  const { figures } = entry
  if (Object.keys(figures).length === 0) {
    console.log(`NONE  ${bench.padEnd(10)} has no baseline: npm run bench:check -- --write ${bench}`)
    return 1
  }
  const best = measured(await run(bench, entry))
  const isWorse = (name: string): boolean => (best[name] ?? Number.NaN) / (figures[name] as number) >= LIMIT
  for (let i = 0; i < MORE_RUNS && Object.keys(figures).some(isWorse); i++)
    for (const [name, value] of Object.entries(measured(await run(bench, entry))))
      best[name] = Math.min(value, best[name] ?? value)
  let worse = 0
  for (const [name, was] of Object.entries(figures)) {
    const now = best[name]
    const isBad = now === undefined || isWorse(name)
    if (isBad) worse++
    const ratio = now === undefined ? 'gone' : (now / was).toFixed(2)
    console.log(`${isBad ? 'WORSE' : 'ok   '} ${bench.padEnd(10)} ${name.padEnd(60)} ${ratio}`)
  }
  return worse
}

if (process.argv.includes('--write')) {
  const next: Record<string, Entry> = { ...baseline }
  for (const [bench, entry] of chosen) {
    next[bench] = await written(bench, entry)
    // What a bench is given stays on one line, as the formatter has it.
    const text = JSON.stringify(next, null, 2).replace(
      /\[\s+([^\]]+?)\s+\]/g,
      (_, inside: string) => `[${inside.replace(/\s+/g, ' ')}]`,
    )
    writeFileSync(file, `${text}\n`)
  }
} else {
  let worse = 0
  for (const [bench, entry] of chosen) worse += await compared(bench, entry)
  console.log(
    worse === 0 ? 'no figure is 1.3 times its baseline' : `${worse} are 1.3 times their baseline or more, or have none`,
  )
  process.exitCode = worse === 0 ? 0 : 1
}
