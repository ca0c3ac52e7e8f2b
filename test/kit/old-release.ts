// A node of yesterday's release, as a process: `start` as it is, with a table of forks that ends before the one that a test plans.
import { NodeError } from '../../chain/base/errors.ts'
import { FORKS } from '../../chain/types/forks.ts'
import { exitCodeOf, parseFlags, withVariables } from '../../node/args.ts'
import { startOf } from '../../node/commands/start.ts'
import { installFastCurves } from '../../node/curves.ts'

const command = startOf(FORKS.filter(({ name }) => name !== 'params-2'))
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
try {
  await installFastCurves((text) => console.error(`warning: ${text}`))
  const { flags, switches, args } = parseFlags(command, 'start', process.argv.slice(3))
  process.exitCode = await command.run({
    ...{ args, switches, env: process.env, signal: stop.signal },
    flags: withVariables(command, flags, process.env),
    out: (object) => console.log(JSON.stringify(object)),
  })
} catch (error) {
  if (!(error instanceof NodeError)) throw error
  console.error(`error: ${error.message}`)
  process.exitCode = exitCodeOf(error.code)
}
process.exit()
