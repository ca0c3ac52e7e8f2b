// config: what a node would run with, and whether its file is right.
import { join } from 'node:path'
import { NodeError } from '../../chain/base/errors.ts'
import { type Command, exitCode, UsageErrors } from '../args.ts'
import { configKeys, loadConfig } from '../config.ts'

const usage = 'config show|validate|get <key> [--dir <dir>]'

export const config: Command = {
  usage,
  summary: 'Show or check the configuration of a folder.',
  options: { dir: 'folder of the node' },
  async run({ args, flags, env, out }) {
    const [verb, name] = args
    const loaded = loadConfig(join(flags.dir ?? env.NOVACHAIN_DIR ?? '.', 'config.toml'), env, {})
    if (verb === 'validate') out({ valid: true }, 'valid')
    else if (verb === 'show') out(loaded, configKeys.map((key) => `${key} = ${JSON.stringify(loaded[key])}`).join('\n'))
    else if (verb === 'get') {
      const key = configKeys.find((each) => each === name)
      if (key === undefined)
        throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no key ${name ?? ''}`, usage })
      out({ [key]: loaded[key] }, String(loaded[key]))
    } else throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected show, validate or get', usage })
    return exitCode.ok
  },
}
