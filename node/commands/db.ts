// db: what is in the database of a stopped node, and whether it is whole.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NodeError } from '../../chain/base/errors.ts'
import type { Kv } from '../../chain/base/ports.ts'
import { checkStore, storeStats } from '../../chain/calls.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { checkKvFiles, openKv, StoreErrors } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, type CommandContext, exitCode, UsageErrors } from '../args.ts'
import { requireNodeDir } from './start.ts'

const usage = 'db check|stats --dir <dir>'

export const db: Command = {
  usage,
  summary: 'Check every record of a stopped node, or count what fills its disk.',
  argsMax: 1,
  options: { dir: 'folder of the node' },
  async run(context) {
    const verb = VERBS[context.args[0] ?? '']
    if (verb === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected check or stats', usage })
    const dir = requireNodeDir(context.flags.dir ?? context.env.NOVACHAIN_DIR ?? '.')
    await verb(context, dir)
    return exitCode.ok
  },
}

const withStore = async (dir: string, work: (kv: Kv) => Promise<void>): Promise<void> => {
  const kv = await openKv(join(dir, 'db'))
  try {
    await work(kv)
  } finally {
    await kv.close()
  }
}

const check = async ({ out }: CommandContext, dir: string): Promise<void> => {
  for await (const fault of checkKvFiles(join(dir, 'db')))
    throw new NodeError(StoreErrors.CORRUPT, { where: 'its files', reason: fault })
  await withStore(dir, async (kv) => {
    const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
    const found = await checkStore(kv, await computeGenesisHash(genesis))
    const { height, accounts, slots, codes, blocks } = found
    out(found, `whole: height ${height}, ${blocks} blocks, ${accounts} accounts, ${slots} slots, ${codes} codes`)
  })
}

const stats = ({ out }: CommandContext, dir: string): Promise<void> =>
  withStore(dir, async (kv) => {
    const tables = await storeStats(kv)
    const total = tables.reduce((sum, { rows, bytes }) => ({ rows: sum.rows + rows, bytes: sum.bytes + bytes }), {
      rows: 0,
      bytes: 0,
    })
    const line = (name: string, rows: number, bytes: number): string =>
      `${name.padEnd(18)} ${rows.toLocaleString('en').padStart(14)} rows ${sizeOf(bytes).padStart(12)}`
    out(
      { tables, total },
      [
        ...tables.map(({ table, rows, bytes }) => line(table, rows, bytes)),
        line('all', total.rows, total.bytes),
        'Keys and values before compression: LevelDB takes less on the disk.',
      ].join('\n'),
    )
  })

const sizeOf = (bytes: number): string =>
  bytes < 1e6
    ? `${(bytes / 1e3).toFixed(1)} kB`
    : bytes < 1e9
      ? `${(bytes / 1e6).toFixed(1)} MB`
      : `${(bytes / 1e9).toFixed(2)} GB`

const VERBS: Readonly<Record<string, (context: CommandContext, dir: string) => Promise<void>>> = { check, stats }
