#!/usr/bin/env node
// argv to command to exit code. Owns the table of commands, the signals, and how an error is told.
import { NodeError } from '../chain/base/errors.ts'
import {
  type Command,
  exitCode,
  exitCodeOf,
  helpOf,
  nearestName,
  parseFlags,
  UsageErrors,
  unknownVariables,
  withVariables,
} from './args.ts'
import { config } from './commands/config.ts'
import { db } from './commands/db.ts'
import { devnet } from './commands/devnet.ts'
import { genesis } from './commands/genesis.ts'
import { init } from './commands/init.ts'
import { keys } from './commands/keys.ts'
import { query } from './commands/query.ts'
import { reExecute } from './commands/reexecute.ts'
import { sim } from './commands/sim.ts'
import { start } from './commands/start.ts'
import { status } from './commands/status.ts'
import { tx } from './commands/tx.ts'
import { configVariables } from './config.ts'
import { installFastCurves } from './curves.ts'
import { version } from './version.ts'

const versionCommand: Command = {
  usage: 'version',
  summary: 'Print the version.',
  argsMax: 0,
  options: {},
  async run({ out }) {
    out({ version, node: process.version }, `novachain ${version} (node ${process.version})`)
    return exitCode.ok
  },
}

const commands: Readonly<Record<string, Command>> = {
  devnet,
  init,
  start,
  keys,
  status,
  sim,
  query,
  tx,
  genesis,
  config,
  db,
  're-execute': reExecute,
  version: versionCommand,
}

const help = (): string => {
  const rows = Object.entries(commands)
  const width = Math.max(...rows.map(([name]) => name.length))
  return [
    'novachain <command>: a proof-of-stake appchain node with an embedded EVM',
    '',
    ...rows.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'novachain <command> --help says more.',
  ].join('\n')
}

/** Variables beside those of flags and keys. */
const VARIABLES = ['NOVACHAIN_PASSWORD', 'NOVACHAIN_SUPERVISED']

/** A devnet says it once, not again for each of its children. */
const warn = (): void => {
  if (process.env.NOVACHAIN_SUPERVISED === '1') return
  const known = [...VARIABLES, ...configVariables]
  for (const text of unknownVariables(process.env, Object.values(commands), known)) console.error(`warning: ${text}`)
}

const run = async (argv: readonly string[]): Promise<number> => {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === 'help') {
    console.log(help())
    return name === undefined ? exitCode.usage : exitCode.ok
  }
  const command = commands[name === '--version' ? 'version' : name]
  if (command === undefined)
    throw new NodeError(UsageErrors.COMMAND, { name, near: nearestName(name, Object.keys(commands)) })
  const { flags, switches, args } = parseFlags(command, name, rest)
  if (switches.has('help')) {
    console.log(helpOf(command))
    return exitCode.ok
  }
  warn()
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const out = (object: object, text: string): void => console.log(switches.has('json') ? JSON.stringify(object) : text)
  return command.run({
    ...{ args, switches, out },
    flags: withVariables(command, flags, process.env),
    env: process.env,
    signal: stop.signal,
  })
}

try {
  await installFastCurves((text) => console.error(`warning: ${text}`))
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  const isOurs = error instanceof NodeError && error.code !== 'BASE_INVARIANT'
  const text = isOurs
    ? error.message
    : `this is a bug, please report it: ${error instanceof Error ? error.stack : String(error)}`
  console.error(`error: ${text}`)
  process.exitCode = isOurs ? exitCodeOf(error.code) : exitCode.failed
}
// Whatever still holds the loop open has nothing more to say.
process.exit()
