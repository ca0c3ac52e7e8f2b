// export and import: blocks of a stopped node as a file, its state in lines of JSON, or as the genesis of another network. Owns files: a new one is
// whole or not there.
import { existsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { type Carried, carryState } from '../../chain/carry.ts'
import { accountsOf } from '../../chain/export.ts'
import { type Command, type CommandContext, exitCode, UsageErrors } from '../args.ts'
import { refusePart, requireDatabase } from '../begin.ts'
import { appendBlocks, readSpan, writeBlocks } from '../blockfile.ts'
import { finalGenesis } from '../ceremony.ts'
import { GENESIS_MAX_BYTES, intoFile, readGenesis } from '../source.ts'
import { secondsOf } from './genesis.ts'
import { requireNodeDir } from './start.ts'
import { createLine, openStopped, type Stopped } from './stopped.ts'

const exportUsage = 'export blocks|state|genesis --dir <dir>'
const importUsage = 'import <file> --dir <dir>'

export const ExportErrors = defineErrors('EXPORT', {
  EXISTS: { text: (d: { file: string }) => `${d.file} exists: choose another name, or --yes overwrites it` },
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
  HEIGHT: {
    text: (d: { height: number; head: number }) => `there is no block ${d.height}: this folder ends at ${d.head}`,
  },
  HEADER: {
    text: (d: { height: number; lowest: number }) =>
      `the header of block ${d.height} is pruned, this folder has them from ${d.lowest} on: take a later --height, or an archive node`,
  },
  SIZE: {
    text: (d: { file: string; maxBytes: number }) =>
      `${d.file} would have more than ${d.maxBytes} bytes, which no node reads: this state is too large for a genesis`,
  },
  SUM: {
    text: (d: { before: bigint; after: bigint }) =>
      `the balances of this state sum to ${d.before} wei and those of the new genesis to ${d.after}: nothing was written; run db verify`,
  },
})

export const exportCommand: Command = {
  usage: exportUsage,
  summary:
    'Write final blocks of a stopped node to a file that `import` takes, or its state, an account a line, or a genesis that starts a new network ' +
    'with the same balances, contracts and stakes.',
  verbs: [
    'export blocks <file> [--from <height>] [--to <height>] --dir <dir>',
    'export state <file> --dir <dir>',
    'export genesis --out <file> --chain-id <number> --genesis-time <time> [--height <height>] --dir <dir>',
  ],
  argsMax: 2,
  options: {
    dir: 'folder of the node',
    from: 'blocks: first height; default the lowest that is kept',
    to: 'blocks: last height; default the head',
    out: 'genesis: file to write',
    'chain-id': 'genesis: that of the new network, which no other network has',
    'genesis-time': 'genesis: seconds since 1970, or a date such as 2030-01-31T12:00:00Z, after the block',
    height: 'genesis: block of which the state goes on; default the head',
  },
  switches: {
    yes: 'overwrite the file',
    'same-chain-id': 'genesis: the new network may have the same chain id',
    'reset-bridge': 'genesis: positions of the bridge begin anew, its routes are closed',
  },
  async run(context) {
    const [verb] = context.args
    const write = verb !== undefined && Object.hasOwn(WRITERS, verb) ? WRITERS[verb] : undefined
    const file = verb === 'genesis' ? context.flags.out : context.args[1]
    const extra = verb === 'genesis' ? context.args[1] : undefined
    const refuse = (reason: string) => new NodeError(UsageErrors.ARGUMENT, { reason, usage: exportUsage })
    if (write === undefined) throw refuse('expected blocks, state or genesis')
    if (extra !== undefined) throw refuse(`genesis takes its file as --out ${extra}`)
    if (file === undefined) throw refuse(verb === 'genesis' ? 'expected --out, a file' : 'expected a file')
    if (verb === 'genesis') wishOf(context)
    if (existsSync(file) && !context.switches.has('yes')) throw new NodeError(ExportErrors.EXISTS, { file })
    const dir = requireDatabase(requireNodeDir(context.flags.dir ?? context.env.NOVACHAIN_DIR ?? '.'))
    const stopped = await openStopped(dir, context.env)
    try {
      await write(context, stopped, file)
    } finally {
      await stopped.close()
    }
    return exitCode.ok
  },
}

const heightIn = ({ flags }: CommandContext, flag: 'from' | 'to' | 'height', fallback: number): number => {
  const text = flags[flag]
  if (text === undefined) return fallback
  if (/^\d{1,12}$/.test(text)) return Number(text)
  throw new NodeError(UsageErrors.ARGUMENT, { reason: `--${flag} takes a height, have ${text}`, usage: exportUsage })
}

const exportBlocks = async (context: CommandContext, { chain }: Stopped, file: string): Promise<void> => {
  const from = heightIn(context, 'from', Math.max(1, chain.kept().bodies))
  const to = heightIn(context, 'to', chain.head().header.number)
  const screen = createLine()
  await intoFile(file, (handle) =>
    writeBlocks(handle, chain, { from, to }, (height) => screen.tell(`block ${height} of ${to}`)),
  )
  screen.end()
  context.out({ file, from, to }, `${file}: blocks ${from} to ${to}`)
}

/** Chunks of lines that are written at once. */
const TEXT_BYTES = 1024 * 1024

const exportState = async ({ out }: CommandContext, { chain, kv }: Stopped, file: string): Promise<void> => {
  const { header, hash } = chain.head()
  const facts = {
    ...{ chainId: Number(chain.genesis.chainId), genesisHash: bytesToHex(chain.genesisHash) },
    ...{ height: header.number, hash: bytesToHex(hash), stateRoot: bytesToHex(header.stateRoot) },
  }
  const screen = createLine()
  let count = 0
  await intoFile(file, async (handle) => {
    let text = `${JSON.stringify(facts)}\n`
    for await (const account of accountsOf(kv)) {
      text += `${JSON.stringify(account)}\n`
      count++
      if (text.length < TEXT_BYTES) continue
      await handle.writeFile(text)
      text = ''
      screen.tell(`${count} accounts`)
    }
    await handle.writeFile(text)
  })
  screen.end()
  out({ file, accounts: count, ...facts }, `${file}: ${count} accounts of block ${header.number}`)
}

const wishOf = ({ flags, switches }: CommandContext): Parameters<typeof carryState>[1] => {
  const refuse = (reason: string) => new NodeError(UsageErrors.ARGUMENT, { reason, usage: exportUsage })
  const [chainId, time] = [flags['chain-id'], flags['genesis-time']]
  if (chainId === undefined || !/^[1-9]\d{0,14}$/.test(chainId))
    throw refuse(`--chain-id ${chainId ?? ''}: expected the number of the new network, which no other has`)
  if (time === undefined)
    throw refuse('expected --genesis-time: the same for everybody who makes this file, after the last block')
  return {
    ...{ chainId: Number(chainId), time: secondsOf('genesis-time', time) },
    ...{ isSameChain: switches.has('same-chain-id'), isBridgeReset: switches.has('reset-bridge') },
  }
}

const exportGenesis = async (context: CommandContext, { chain, kv }: Stopped, file: string): Promise<void> => {
  const [wish, head] = [wishOf(context), chain.head().header.number]
  const height = heightIn(context, 'height', head)
  if (height > head) throw new NodeError(ExportErrors.HEIGHT, { height, head })
  const block = chain.block(height)
  if (block === null) throw new NodeError(ExportErrors.HEADER, { height, lowest: chain.kept().headers })
  chain.at(height)
  const carried = await carryState({ kv, block, rules: chain.genesis, genesisHash: chain.genesisHash }, wish)
  const screen = createLine()
  const hash = await intoFile(file, async (handle, part) => {
    await writeGenesis(handle, file, carried, (bytes) => screen.tell(`${bytes} bytes`))
    return checkGenesis(part, carried)
  })
  screen.end()
  const { notes, accounts, supplyWei } = carried
  const facts = { height, block: bytesToHex(block.hash), accounts, supply: `${supplyWei}`, notes }
  const next = [
    `everybody who validates runs the same on a node of its own, with --height ${height}, and compares the hash: a file with another is not of this state`,
    `then: novachain init <a new dir> --genesis ${file} --genesis-hash ${hash}`,
  ]
  context.out(
    { file, genesisHash: hash, chainId: wish.chainId, time: wish.time, ...facts, next },
    [
      `${file}: chain ${wish.chainId}, hash ${hash}`,
      `${accounts} accounts of block ${height} with ${supplyWei} wei, before and after`,
      ...notes,
      ...next,
    ].join('\n'),
  )
}

/** Throws EXPORT_SIZE. */
export async function writeGenesis(
  handle: FileHandle,
  file: string,
  carried: Pick<Carried, 'text'>,
  onBytes: (bytes: number) => void,
  maxBytes = GENESIS_MAX_BYTES,
): Promise<void> {
  let [text, bytes] = ['', 0]
  const flush = async (): Promise<void> => {
    bytes += Buffer.byteLength(text)
    if (bytes > maxBytes) throw new NodeError(ExportErrors.SIZE, { file, maxBytes })
    await handle.writeFile(text)
    onBytes(bytes)
    text = ''
  }
  for await (const piece of carried.text()) {
    text += piece
    if (text.length >= TEXT_BYTES) await flush()
  }
  await flush()
  await handle.sync()
}

/** Reads it as a node will, and counts its wei again. Answers its hash. */
const checkGenesis = async (file: string, { supplyWei }: Carried): Promise<string> => {
  const { genesis, hash } = await finalGenesis(await readGenesis(file), file)
  const after = genesis.accounts.reduce((sum, { balance }) => sum + balance, 0n)
  if (after !== supplyWei) throw new NodeError(ExportErrors.SUM, { before: supplyWei, after })
  return hash
}

const WRITERS: Readonly<Record<string, (context: CommandContext, stopped: Stopped, file: string) => Promise<void>>> = {
  blocks: exportBlocks,
  state: exportState,
  genesis: exportGenesis,
}

const faultOf = (file: string, cause: unknown): NodeError =>
  new NodeError(ExportErrors.FILE, { file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause })

export const importCommand: Command = {
  usage: importUsage,
  summary:
    'Take final blocks from a file into a stopped node: each is verified and run. Blocks it has are passed over, so the same command goes on ' +
    'where it was stopped; exit code 4 where it was.',
  argsMax: 1,
  options: { dir: 'folder of the node, made by init' },
  async run({ args, flags, env, out, signal }) {
    const [file] = args
    if (file === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a file', usage: importUsage })
    const dir = requireNodeDir(flags.dir ?? env.NOVACHAIN_DIR ?? '.')
    await refusePart(dir)
    const handle = await open(file, 'r').catch((cause: unknown) => {
      throw faultOf(file, cause)
    })
    const { chain, close } = await openStopped(dir, env).catch(async (error: unknown) => {
      await handle.close()
      throw error
    })
    const screen = createLine()
    const [before, started] = [chain.head().header.number, Date.now()]
    try {
      const { to } = await readSpan(handle, file, chain.genesisHash)
      const onRun = (height: number): void => screen.tell(`block ${height} of ${to}`)
      await appendBlocks(handle, file, chain, { onRun, isWanted: () => !signal.aborted })
      screen.end()
      const height = chain.head().header.number
      const [blocks, seconds, done] = [height - before, (Date.now() - started) / 1_000, height >= to]
      const text = `${blocks} blocks in ${seconds.toFixed(1)} s: height ${height}`
      out({ height, blocks, seconds, done }, done ? text : `stopped: ${text}; the same command goes on`)
      return done ? exitCode.ok : exitCode.notSynced
    } finally {
      await handle.close()
      await close()
    }
  },
}
