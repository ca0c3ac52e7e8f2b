// db: read the whole database of a stopped node and say whether it is whole.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NodeError } from '../../chain/base/errors.ts'
import { checkStore } from '../../chain/calls.ts'
import { checkKvFiles, openKv, StoreErrors } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, exitCode, UsageErrors } from '../args.ts'
import { StartErrors } from './start.ts'

const usage = 'db check --dir <dir>'

export const db: Command = {
  usage,
  summary: 'Check the database of a stopped node: every record, every trie, every block.',
  options: { dir: 'folder of the node' },
  async run({ args, flags, env, out }) {
    if (args[0] !== 'check') throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected check', usage })
    const dir = flags.dir ?? env.NOVACHAIN_DIR ?? '.'
    if (!existsSync(join(dir, 'genesis.json'))) throw new NodeError(StartErrors.NO_DIR, { dir })
    for await (const fault of checkKvFiles(join(dir, 'db')))
      throw new NodeError(StoreErrors.CORRUPT, { where: 'its files', reason: fault })
    const kv = await openKv(join(dir, 'db'))
    try {
      const found = await checkStore(kv, parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8')))
      const { height, accounts, slots, codes, blocks } = found
      out(found, `whole: height ${height}, ${blocks} blocks, ${accounts} accounts, ${slots} slots, ${codes} codes`)
    } finally {
      await kv.close()
    }
    return exitCode.ok
  },
}
