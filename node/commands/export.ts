// export and import: blocks of a stopped node as a file, and its state in lines of JSON. Owns files: a new one is whole or not there.
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { accountsOf } from '../../chain/export.ts'
import { type Command, type CommandContext, exitCode, UsageErrors } from '../args.ts'
import { appendBlocks, readSpan, writeBlocks } from '../blockfile.ts'
import { intoFile } from '../source.ts'
import { requireNodeDir } from './start.ts'
import { createLine, openStopped, type Stopped } from './stopped.ts'

const exportUsage = 'export blocks|state <file> [--from <height>] [--to <height>] --dir <dir>'
const importUsage = 'import <file> --dir <dir>'

export const ExportErrors = defineErrors('EXPORT', {
  EXISTS: { text: (d: { file: string }) => `${d.file} exists: choose another name, or --yes overwrites it` },
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
})

export const exportCommand: Command = {
  usage: exportUsage,
  summary: 'Write final blocks of a stopped node to a file that `import` takes, or its state, an account a line.',
  verbs: ['export blocks <file> [--from <height>] [--to <height>] --dir <dir>', 'export state <file> --dir <dir>'],
  argsMax: 2,
  options: {
    dir: 'folder of the node',
    from: 'blocks: first height; default the lowest that is kept',
    to: 'blocks: last height; default the head',
  },
  switches: { yes: 'overwrite the file' },
  async run(context) {
    const [verb, file] = context.args
    const write = verb === 'blocks' ? exportBlocks : verb === 'state' ? exportState : null
    if (write === null || file === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected blocks or state, and a file', usage: exportUsage })
    if (existsSync(file) && !context.switches.has('yes')) throw new NodeError(ExportErrors.EXISTS, { file })
    const dir = requireNodeDir(context.flags.dir ?? context.env.NOVACHAIN_DIR ?? '.')
    const stopped = await openStopped(dir, context.env)
    try {
      await write(context, stopped, file)
    } finally {
      await stopped.close()
    }
    return exitCode.ok
  },
}

const heightIn = ({ flags }: CommandContext, flag: 'from' | 'to', fallback: number): number => {
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
