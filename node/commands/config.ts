// config: what a node would run with, whether its file is right, and a change of one key that is checked before it is written.
import { join } from 'node:path'
import { NodeError } from '../../chain/base/errors.ts'
import { type Command, type CommandContext, didYouMean, exitCode, nearestName, UsageErrors } from '../args.ts'
import { configKeys, loadConfig, setInFile } from '../config.ts'
import { requireNodeDir } from './start.ts'

const usage = 'config show|validate|get <key>|set <key> <value> [--dir <dir>]'

export const config: Command = {
  usage,
  summary: 'Show, check or change the configuration of a folder.',
  argsMax: 3,
  options: { dir: 'folder of the node' },
  async run(context) {
    const verb = VERBS[context.args[0] ?? '']
    if (verb === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected show, validate, get or set', usage })
    verb(context)
    return exitCode.ok
  },
}

const dirOf = ({ flags, env }: CommandContext): string => flags.dir ?? env.NOVACHAIN_DIR ?? '.'
const load = (context: CommandContext) => loadConfig(join(dirOf(context), 'config.toml'), context.env, {})

const get = (context: CommandContext): void => {
  const name = context.args[1] ?? ''
  const key = configKeys.find((each) => each === name)
  if (key === undefined) {
    const reason = `there is no key ${name}${didYouMean(nearestName(name, configKeys))}`
    throw new NodeError(UsageErrors.ARGUMENT, { reason, usage })
  }
  const value = load(context)[key]
  context.out({ [key]: value }, String(value))
}

const set = (context: CommandContext): void => {
  const [, name, value] = context.args
  if (name === undefined || value === undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a key and a value', usage })
  const file = join(requireNodeDir(dirOf(context)), 'config.toml')
  const done = setInFile(file, name, value)
  const shown = `${done.key} = ${JSON.stringify(done.value)}`
  context.out({ file, [done.key]: done.value }, `${shown} in ${file}; a running node reads it at its next start`)
}

const VERBS: Readonly<Record<string, (context: CommandContext) => void>> = {
  validate: (context) => {
    load(context)
    context.out({ valid: true }, 'valid')
  },
  show: (context) => {
    const loaded = load(context)
    context.out(loaded, configKeys.map((key) => `${key} = ${JSON.stringify(loaded[key])}`).join('\n'))
  },
  get,
  set,
}
