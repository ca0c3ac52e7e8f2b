// Runs the benches one after another, each in a process of its own: `npm run bench`, `-- --smoke` for a quick look that they run.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const dir = fileURLToPath(new URL('.', import.meta.url))
const args = process.argv.slice(2)
const wanted = args.filter((arg) => !arg.startsWith('--'))
let failed = 0
for (const name of readdirSync(dir).sort()) {
  if (!name.endsWith('.bench.ts') || (wanted.length > 0 && !wanted.some((each) => name.startsWith(each)))) continue
  console.log(`== ${name}`)
  const env = args.includes('--smoke') ? { ...process.env, SENDERS: '2000', SMOKE: '1' } : process.env
  const { status } = spawnSync(process.execPath, [dir + name, ...args.filter((arg) => arg.startsWith('--'))], {
    stdio: 'inherit',
    env,
  })
  if (status !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
