// Runs the benches one after another, each in a process of its own: `npm run bench`, `-- --smoke` for a quick look that they run.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const dir = fileURLToPath(new URL('.', import.meta.url))
const args = process.argv.slice(2)
// Names come first; from the first option on all is the bench’s.
const first = args.findIndex((arg) => arg.startsWith('--'))
const wanted = first < 0 ? args : args.slice(0, first)
const options = first < 0 ? [] : args.slice(first)
const files = readdirSync(dir).filter((file) => file.endsWith('.bench.ts'))
/** Names of workloads of `tps` beside those of files. */
const loads = ['erc20', 'swap'].map((name) => ({ name, file: 'tps.bench.ts', own: ['--workload', name] }))
const benches = [...files.map((file) => ({ name: file, file, own: [] as string[] })), ...loads]
let failed = 0
for (const { name, file, own } of benches.sort((a, b) => (a.name < b.name ? -1 : 1))) {
  if (wanted.length > 0 && !wanted.some((each) => name.startsWith(each))) continue
  console.log(`== ${name}`)
  const env = args.includes('--smoke') ? { ...process.env, SENDERS: '2000', SMOKE: '1' } : process.env
  const { status } = spawnSync(process.execPath, [dir + file, ...own, ...options], {
    stdio: 'inherit',
    env,
  })
  if (status !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
