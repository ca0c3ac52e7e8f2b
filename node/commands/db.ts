// db: what is in the database of a stopped node, and whether it is whole; what of its past it shall forget, and the disk it gives back.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { NodeError } from '../../chain/base/errors.ts'
import { checkStore, storeStats } from '../../chain/calls.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { compactAll, compactPruned, type HistoryKept, openPruner, tableSizes } from '../../chain/prune.ts'
import { checkKvFiles, type DiskKv, openKv, StoreErrors } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { inOrder, PRUNABLE, type Prunable } from '../../chain/types/kept.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { requireDatabase } from '../begin.ts'
import { type Keep, parseKeep, pruneTargets } from '../pruning.ts'
import { pruneChoiceOf, requireNodeDir } from './start.ts'
import { createLine, openStopped } from './stopped.ts'

const usage = 'db check|stats|prune|compact --dir <dir>'

export const db: Command = {
  usage,
  summary:
    'Check every record of a stopped node, count what fills its disk, forget old blocks, or give the disk back what was deleted; exit code 4 where it was stopped.',
  verbs: [
    'db check --dir <dir>',
    'db stats --dir <dir>',
    'db prune --dir <dir> [--bodies <n>] [--receipts <n>] [--logs <n>] [--headers <n>] [--history <n>] [--proofs <n>] [--dry-run]',
    'db compact --dir <dir>',
  ],
  argsMax: 1,
  options: {
    dir: 'folder of the node',
    bodies: 'prune: transactions of so many blocks are kept, or all, none, before:<height>; default prune.bodies',
    receipts: 'prune: the same of receipts; default prune.receipts',
    logs: 'prune: the same of the index of logs; default prune.logs',
    headers: 'prune: the same of headers and certificates; default prune.headers',
    history: 'prune: blocks of past state kept, or all; default state.historyBlocks',
    proofs: 'prune: blocks of past tries kept, or all; default state.proofBlocks',
  },
  switches: { 'dry-run': 'prune: say what would be freed, and free nothing' },
  async run(context) {
    const verb = VERBS[context.args[0] ?? '']
    if (verb === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected check, stats, prune or compact', usage })
    const dir = requireDatabase(requireNodeDir(context.flags.dir ?? context.env.NOVACHAIN_DIR ?? '.'))
    return verb(context, dir)
  },
}

const withStore = async (dir: string, work: (kv: DiskKv) => Promise<ExitCode>): Promise<ExitCode> => {
  const kv = await openKv(join(dir, 'db'))
  try {
    return await work(kv)
  } finally {
    await kv.close()
  }
}

const check = async ({ out }: CommandContext, dir: string): Promise<ExitCode> => {
  for await (const fault of checkKvFiles(join(dir, 'db')))
    throw new NodeError(StoreErrors.CORRUPT, { where: 'its files', reason: fault })
  return withStore(dir, async (kv) => {
    const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
    const found = await checkStore(kv, await computeGenesisHash(genesis))
    const { height, accounts, slots, codes, blocks } = found
    out(found, `whole: height ${height}, ${blocks} blocks, ${accounts} accounts, ${slots} slots, ${codes} codes`)
    return exitCode.ok
  })
}

const stats = ({ out }: CommandContext, dir: string): Promise<ExitCode> =>
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
    return exitCode.ok
  })

const sizeOf = (bytes: number): string =>
  bytes < 1e6
    ? `${(bytes / 1e3).toFixed(1)} kB`
    : bytes < 1e9
      ? `${(bytes / 1e6).toFixed(1)} MB`
      : `${(bytes / 1e9).toFixed(2)} GB`

const prune = async (context: CommandContext, dir: string): Promise<ExitCode> => {
  const { flags, switches, out, signal } = context
  const { chain, kv, config, close } = await openStopped(dir, context.env)
  try {
    const stored = pruneChoiceOf(config)
    const keep = (what: Prunable): Keep => parseKeep(`--${what}`, flags[what] ?? textOf(stored[what]))
    const choice = { headers: keep('headers'), bodies: keep('bodies'), receipts: keep('receipts'), logs: keep('logs') }
    const history: HistoryKept = {
      historyBlocks: blocksOf('history', flags.history, config['state.historyBlocks']),
      proofBlocks: blocksOf('proofs', flags.proofs, config['state.proofBlocks']),
    }
    const to = inOrder(pruneTargets(chain, choice))
    const pruner = openPruner({ kv, genesisHash: chain.genesisHash, pause: nextTurn })
    const [blocks, states] = [await pruner.measure(to), await pruner.measureHistory(history)]
    const [records, bytes] = [blocks.records + states.records, blocks.bytes + states.bytes]
    const gone = pruner.earliest()
    const later = (what: Prunable): number => Math.max(gone[what], to[what])
    const from = {
      ...{ headers: later('headers'), bodies: later('bodies'), receipts: later('receipts'), logs: later('logs') },
    }
    const found = { from, blocks, history: states, records, bytes }
    const said = `${records.toLocaleString('en')} records, ${sizeOf(bytes)}`
    const keeps = PRUNABLE.map((what) => `${what} from block ${from[what]} on`).join(', ')
    if (switches.has('dry-run')) {
      out({ ...found, dryRun: true }, `would free ${said}; would keep ${keeps}`)
      return exitCode.ok
    }
    const screen = createLine()
    const tell = (): void => {
      screen.tell(`pruned to block ${pruner.earliest().bodies} of ${to.bodies}`)
    }
    while (!signal.aborted && (await pruner.slice(to))) tell()
    while (!signal.aborted && (await pruner.forget(history))) tell()
    const { historyBlocks, proofBlocks } = history
    const height = chain.head().header.number
    const past = (blocks: number | null): number => (blocks === null ? 0 : Math.max(0, height - blocks))
    const kept = { ...chain.kept(), state: past(historyBlocks), proofs: past(proofBlocks) }
    await compactPruned(kv, kept, () => !signal.aborted)
    screen.end()
    const isDone = !signal.aborted
    const text = isDone ? `freed ${said}; keeps ${keeps}` : 'stopped between two slices; the same command goes on'
    out({ ...found, dryRun: false, done: isDone }, text)
    return isDone ? exitCode.ok : exitCode.notSynced
  } finally {
    await close()
  }
}

const textOf = (keep: Keep): string =>
  typeof keep === 'string' ? keep : 'blocks' in keep ? `${keep.blocks}` : `before:${keep.before}`
const blocksOf = (flag: string, text: string | undefined, configured: number): number | null => {
  if (text === undefined) return configured < 0 ? null : configured
  if (text === 'all') return null
  if (/^[0-9]{1,12}$/.test(text)) return Number(text)
  throw new NodeError(UsageErrors.ARGUMENT, {
    reason: `--${flag} takes a number of blocks or all, have ${text}`,
    usage,
  })
}

const compact = ({ out, signal }: CommandContext, dir: string): Promise<ExitCode> =>
  withStore(dir, async (kv) => {
    const sum = async (): Promise<number> => [...(await tableSizes(kv)).values()].reduce((a, b) => a + b, 0)
    const before = await sum()
    await compactAll(kv, () => !signal.aborted)
    const after = await sum()
    const isDone = !signal.aborted
    const text = `the tables take ${sizeOf(after)} of the disk, before it was ${sizeOf(before)}`
    out({ before, after, done: isDone }, isDone ? text : `stopped before the end: ${text}`)
    return isDone ? exitCode.ok : exitCode.notSynced
  })

const VERBS: Readonly<Record<string, (context: CommandContext, dir: string) => Promise<ExitCode>>> = {
  ...{ check, stats, prune, compact },
}
