// upgrade: the forks of a network and of this release: what is known, what is scheduled and who is ready, a fork planned or taken back by governance, and
// what the last blocks of a folder would have come to under one.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { type ForkedBlock, simulateFork } from '../../chain/calls.ts'
import { openKv } from '../../chain/store/kv.ts'
import { FORK_EPOCHS_MAX, FORKS, type Fork } from '../../chain/types/forks.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { request } from '../../rpc/client/http.ts'
import { duration } from '../amounts.ts'
import {
  type Command,
  type CommandContext,
  didYouMean,
  type ExitCode,
  exitCode,
  nearestName,
  UsageErrors,
} from '../args.ts'
import { requireDatabase } from '../begin.ts'
import { callOf, params } from '../modules.ts'
import { printable, table } from '../screen.ts'
import { version } from '../version.ts'
import { perform, senderOf, sending, urlOf } from './send.ts'
import { requireNodeDir } from './start.ts'
import { createLine } from './stopped.ts'

const UpgradeErrors = defineErrors('UPGRADE', {
  UNKNOWN: {
    text: (d: { name: string; near: string | null }) =>
      `this release, ${version}, knows no fork ${d.name}${didYouMean(d.near)}: \`novachain upgrade list\` shows those it knows; ` +
      'plan with a release that knows it, or every node of this one stops at its epoch',
  },
})

const usage = 'upgrade list|status|plan|cancel|simulate … [--rpc <url>] [--dir <dir>]'

export const upgrade: Command = {
  usage,
  summary:
    'Forks: which this release knows, which are scheduled and who is ready; plan one, take it back, try it on the last blocks.',
  verbs: [
    'upgrade list',
    'upgrade status [--rpc <url>]',
    'upgrade plan --fork <name> --epoch <n> [--from <keystore> | --unsigned --sender <address>]',
    'upgrade cancel --fork <name> [--from <keystore> | --unsigned --sender <address>]',
    'upgrade simulate --fork <name> [--blocks <n>] --dir <dir>',
  ],
  argsMax: 1,
  options: {
    ...sending.options,
    from: 'keystore of the account that governs',
    dir: 'simulate: folder of a stopped node',
    fork: 'its name',
    epoch: 'plan: the fork holds from the first block of this epoch on',
    blocks: 'simulate: how many of the last blocks; default 1000',
  },
  switches: sending.switches,
  async run(context) {
    const [verb = ''] = context.args
    const verbs: Readonly<Record<string, () => Promise<ExitCode>>> = {
      list: () => list(context),
      status: () => status(context),
      plan: () => plan(context),
      cancel: () => cancel(context),
      simulate: () => simulate(context),
    }
    const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (run === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected list, status, plan, cancel or simulate', usage })
    return run()
  },
}

const forkOf = ({ flags }: CommandContext): string => {
  if (flags.fork === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --fork <name>', usage })
  return flags.fork
}
const knownFork = (context: CommandContext): Fork => {
  const name = forkOf(context)
  const fork = FORKS.find((each) => each.name === name)
  const names = FORKS.map((each) => each.name)
  if (fork === undefined) throw new NodeError(UpgradeErrors.UNKNOWN, { name, near: nearestName(name, names) })
  return fork
}
const countOf = (context: CommandContext, flag: string, most: number): number | null => {
  const text = context.flags[flag]
  if (text === undefined) return null
  if (/^\d{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= most) return Number(text)
  throw new NodeError(UsageErrors.ARGUMENT, { reason: `--${flag} takes 1 to ${most}, have ${text}`, usage })
}

const list = async ({ out }: CommandContext): Promise<ExitCode> => {
  const forks = FORKS.map(({ name, since, meaning }) => ({ name, since, meaning }))
  out(
    { version, forks },
    [
      `release ${version} knows`,
      ...forks.map(({ name, since, meaning }) => `  ${name}, since ${since}: ${meaning}`),
    ].join('\n'),
  )
  return exitCode.ok
}

/** As `nova_upgrades` answers. */
interface Upgrades {
  readonly version: string
  readonly height: string
  readonly epoch: string
  readonly warning: string | null
  readonly forks: readonly {
    readonly name: string
    readonly epoch: string
    readonly height: string
    readonly version: string
    readonly active: boolean
    readonly known: boolean
    readonly secondsLeft: string
  }[]
  readonly peers: readonly {
    readonly id: string
    readonly version: string | null
    readonly forks: readonly string[] | null
    readonly ready: boolean | null
  }[]
}

const status = async (context: CommandContext): Promise<ExitCode> => {
  const found = (await request(urlOf(context), 'nova_upgrades')) as Upgrades // our own method
  const forks = found.forks.map((fork) => ({
    ...{ name: fork.name, epoch: Number(fork.epoch), height: Number(fork.height), version: fork.version },
    ...{ active: fork.active, known: fork.known, secondsLeft: Number(fork.secondsLeft) },
  }))
  const rows = forks.map(({ name, epoch, height, version: since, active, known, secondsLeft }) => [
    ...[printable(name), String(epoch), String(height), active ? 'holds' : `in about ${duration(secondsLeft)}`],
    ...[known ? 'known' : 'NOT KNOWN', printable(since) || '-'],
  ])
  const peers = found.peers.map(({ id, version: theirs, ready }) => [
    ...[id, printable(theirs ?? '') || 'does not say', ready === null ? 'unknown' : ready ? 'ready' : 'NOT READY'],
  ])
  const unready = found.peers.filter(({ ready }) => ready === false).length
  const lines = [
    `${found.version}, height ${Number(found.height)}, epoch ${Number(found.epoch)}`,
    table([['fork', 'epoch', 'from block', 'when', 'here', 'since'], ...rows], [1, 2]),
    ...(peers.length === 0 ? [] : ['', table([['peer', 'version', 'for what is scheduled'], ...peers], [])]),
    ...(unready === 0 ? [] : ['', `${unready} of ${peers.length} peers do not know all that is scheduled`]),
    ...(found.warning === null ? [] : ['', `WARNING: ${found.warning}`]),
  ]
  const { version: own, warning } = found
  context.out(
    { version: own, height: Number(found.height), epoch: Number(found.epoch), warning, forks, peers: found.peers },
    lines.join('\n'),
  )
  return exitCode.ok
}

const plan = async (context: CommandContext): Promise<ExitCode> => {
  const fork = knownFork(context)
  const epoch = countOf(context, 'epoch', FORK_EPOCHS_MAX)
  if (epoch === null) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --epoch <n>', usage })
  const sender = await senderOf(context, usage)
  const receipt = await perform(context, sender, callOf(params, 'scheduleFork', [fork.name, BigInt(epoch), fork.since]))
  if (receipt === null) return exitCode.ok
  const text = `${fork.name} holds from epoch ${epoch} on, as of block ${receipt.height}: nodes older than ${fork.since} stop there`
  context.out({ fork: fork.name, epoch, version: fork.since, ...receipt }, text)
  return exitCode.ok
}

/** Also of one that this release does not know: whoever planned it may have been wrong. */
const cancel = async (context: CommandContext): Promise<ExitCode> => {
  const name = forkOf(context)
  const sender = await senderOf(context, usage)
  const receipt = await perform(context, sender, callOf(params, 'cancelFork', [name]))
  if (receipt === null) return exitCode.ok
  context.out({ fork: name, ...receipt }, `${name} is taken back, as of block ${receipt.height}`)
  return exitCode.ok
}

const BLOCKS = 1_000
/** Blocks with differences that are written out; all are counted. */
const SHOWN_MAX = 50

const simulate = async (context: CommandContext): Promise<ExitCode> => {
  const { flags, env, signal, out } = context
  const fork = knownFork(context)
  const blocks = countOf(context, 'blocks', 1_000_000) ?? BLOCKS
  const dir = requireNodeDir(flags.dir ?? env.NOVACHAIN_DIR ?? '.')
  const kv = await openKv(join(requireDatabase(dir), 'db'))
  const differing: ForkedBlock[] = []
  const screen = createLine()
  let [txs, differences, refused, states] = [0, 0, 0, 0]
  try {
    const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
    const { from, to } = await simulateFork(kv, genesis, { fork: fork.name, blocks }, (block) => {
      signal.throwIfAborted()
      txs += block.txs
      differences += block.differences.length
      refused += block.refused === null ? 0 : 1
      states += block.state === null ? 0 : 1
      const isSame = block.differences.length === 0 && block.refused === null && block.state === null
      if (!isSame && differing.length < SHOWN_MAX) differing.push(block)
      screen.tell(`block ${block.height}`)
    })
    const shown = differing.map(({ height, differences: all, refused: why, state }) => ({
      ...{ height, refused: why, state },
      transactions: all.map(({ tx, text }) => ({ hash: bytesToHex(tx), text })),
    }))
    const counts = { transactions: txs, differ: differences, blocksRefused: refused, statesDiffer: states }
    out({ fork: fork.name, from, to, ...counts, blocks: shown }, page(fork.name, { from, to, ...counts }, shown))
  } finally {
    screen.end()
    await kv.close()
  }
  return exitCode.ok
}

const page = (
  fork: string,
  found: {
    from: number
    to: number
    transactions: number
    differ: number
    blocksRefused: number
    statesDiffer: number
  },
  blocks: readonly {
    height: number
    refused: string | null
    state: string | null
    transactions: readonly { hash: string; text: string }[]
  }[],
): string => {
  const { from, to, transactions, differ, blocksRefused, statesDiffer } = found
  const head =
    `blocks ${from} to ${to} under ${fork}: ${transactions} transactions, ${differ} differ, ` +
    `${blocksRefused} blocks would be refused, ${statesDiffer} write other values`
  const lines = blocks.flatMap(({ height, refused, state, transactions: txs }) => [
    ...(refused === null ? [] : [`  block ${height}: ${refused}`]),
    ...(state === null ? [] : [`  block ${height}: ${state}`]),
    ...txs.map(({ hash, text }) => `  block ${height}: ${hash}: ${text}`),
  ])
  return [head, ...lines].join('\n')
}
