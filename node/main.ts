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
import { configVariables } from './config.ts'
import { installFastCurves } from './curves.ts'
import { beginWithAllocator } from './memory.ts'
import { ServiceErrors } from './service.ts'
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

/** Each is loaded when it is called: a validator's modules take a second and more, and `status` needs none of them. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  devnet: async () => (await import('./commands/devnet.ts')).devnet,
  init: async () => (await import('./commands/init.ts')).init,
  start: async () => (await import('./commands/start.ts')).start,
  keys: async () => (await import('./commands/keys.ts')).keys,
  signer: async () => (await import('./commands/signer.ts')).signer,
  status: async () => (await import('./commands/status.ts')).status,
  backup: async () => (await import('./commands/backup.ts')).backup,
  restore: async () => (await import('./commands/backup.ts')).restore,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  sim: async () => (await import('./commands/sim.ts')).sim,
  query: async () => (await import('./commands/query.ts')).query,
  validators: async () => (await import('./commands/validators.ts')).validators,
  stake: async () => (await import('./commands/stake.ts')).stake,
  rollup: async () => (await import('./commands/rollup.ts')).rollup,
  bridge: async () => (await import('./commands/bridge.ts')).bridge,
  did: async () => (await import('./commands/did.ts')).did,
  tx: async () => (await import('./commands/tx.ts')).tx,
  genesis: async () => (await import('./commands/genesis.ts')).genesis,
  config: async () => (await import('./commands/config.ts')).config,
  content: async () => (await import('./commands/content.ts')).content,
  db: async () => (await import('./commands/db.ts')).db,
  snapshot: async () => (await import('./commands/snapshot.ts')).snapshot,
  sync: async () => (await import('./commands/sync.ts')).sync,
  upgrade: async () => (await import('./commands/upgrade.ts')).upgrade,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  import: async () => (await import('./commands/export.ts')).importCommand,
  rollback: async () => (await import('./commands/rollback.ts')).rollback,
  permissions: async () => (await import('./commands/permissions.ts')).permissions,
  're-execute': async () => (await import('./commands/reexecute.ts')).reExecute,
  version: async () => versionCommand,
}
const allCommands = (): Promise<Command[]> => Promise.all(Object.values(commands).map((load) => load()))

const help = async (): Promise<string> => {
  const all = await allCommands()
  const rows = Object.keys(commands).map((name, i) => [name, all[i]?.summary ?? ''] as const)
  const width = Math.max(...rows.map(([name]) => name.length))
  return [
    'novachain <command>: a proof-of-stake appchain node with an embedded EVM',
    '',
    ...rows.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'novachain <command> --help says more.',
  ].join('\n')
}

/** Variables beside those of flags and keys. */
const VARIABLES = ['NOVACHAIN_PASSWORD', 'NOVACHAIN_SUPERVISED']

/** A devnet says it once, not again for each of its children. */
const warn = async (command: Command): Promise<void> => {
  if (process.env.NOVACHAIN_SUPERVISED === '1') return
  const known = [...VARIABLES, ...configVariables]
  if (unknownVariables(process.env, [command], known).length === 0) return
  // It may be another command's.
  for (const text of unknownVariables(process.env, await allCommands(), known)) console.error(`warning: ${text}`)
}

/** Ctrl-C in a terminal reaches us twice under npm, which passes on what the terminal sends to both. */
const SAME_STOP_MS = 1_000
const CTRL_C_CODE = 130

/** The first SIGINT or SIGTERM asks for a stop in good order; only a later Ctrl-C, of somebody who has waited, cuts it off. */
const stopBySignal = (): AbortSignal => {
  const stop = new AbortController()
  let askedMs = Number.POSITIVE_INFINITY
  const ask = (): void => {
    askedMs = Math.min(askedMs, performance.now())
    stop.abort(new NodeError(ServiceErrors.STOPPED, undefined))
  }
  process.on('SIGTERM', ask)
  process.on('SIGINT', () => {
    if (performance.now() - askedMs > SAME_STOP_MS) process.exit(CTRL_C_CODE)
    ask()
  })
  return stop.signal
}

const run = async (argv: readonly string[]): Promise<number> => {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === 'help') {
    console.log(await help())
    return name === undefined ? exitCode.usage : exitCode.ok
  }
  const called = name === '--version' ? 'version' : name
  const load = Object.hasOwn(commands, called) ? commands[called] : undefined
  if (load === undefined)
    throw new NodeError(UsageErrors.COMMAND, { name, near: nearestName(name, Object.keys(commands)) })
  const command = await load()
  const { flags, switches, args } = parseFlags(command, name, rest)
  if (switches.has('help')) {
    console.log(helpOf(command))
    return exitCode.ok
  }
  await warn(command)
  const stop = stopBySignal()
  const out = (object: object, text: string): void => console.log(switches.has('json') ? JSON.stringify(object) : text)
  return command.run({
    ...{ args, switches, out },
    flags: withVariables(command, flags, process.env),
    env: process.env,
    signal: stop,
  })
}

if (process.argv[2] === 'start') beginWithAllocator()
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
