// re-execute: runs stored blocks again and says whether each does what its header promises.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { reexecute, replayOnBoth } from '../../chain/calls.ts'
import { openKv } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { decodeWitness, type Witness } from '../../chain/types/witness.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { requireDatabase } from '../begin.ts'
import { requireNodeDir } from './start.ts'

const usage = 're-execute [--from <height>] [--to <height>] [--witness <file>] --dir <dir>'

const heightOf = (flag: string, text: string | undefined): number | null => {
  if (text === undefined) return null
  if (/^\d{1,12}$/.test(text)) return Number(text)
  throw new NodeError(UsageErrors.ARGUMENT, { reason: `--${flag} takes a height, have ${text}`, usage })
}

export const reExecute: Command = {
  usage,
  summary: 'Run the blocks of a stopped node again and compare gas, receipts and every value they wrote.',
  argsMax: 0,
  options: {
    dir: 'folder of the node',
    from: 'first height; default the lowest whose parent state is kept',
    to: 'last height; default the head',
    witness: 'a witness-*.json that a node kept: run that transaction again on both engines, and nothing else',
  },
  async run({ flags, env, out, signal }) {
    const dir = requireNodeDir(flags.dir ?? env.NOVACHAIN_DIR ?? '.')
    if (flags.witness !== undefined) return compare(dir, flags.witness, out)
    const range = { from: heightOf('from', flags.from), to: heightOf('to', flags.to) }
    const kv = await openKv(join(requireDatabase(dir), 'db'))
    const started = Date.now()
    try {
      const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
      let told = started
      const done = await reexecute(kv, genesis, range, (height) => {
        signal.throwIfAborted()
        if (!process.stderr.isTTY || Date.now() - told < 1_000) return
        told = Date.now()
        process.stderr.write(`\rblock ${height}`)
      })
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
      const seconds = (Date.now() - started) / 1_000
      const found = { from: done.from, to: done.to, txs: done.txs, gas: done.gas.toString(), seconds }
      const text = `blocks ${done.from} to ${done.to} are what they say: ${done.txs} transactions, ${done.gas} gas, ${seconds.toFixed(1)} s`
      out(found, text)
    } finally {
      await kv.close()
    }
    return exitCode.ok
  },
}

const readWitness = (file: string): Witness => {
  try {
    return decodeWitness(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new NodeError(
      UsageErrors.ARGUMENT,
      { reason: `${file} is no record of a transaction: ${cause}`, usage },
      { cause },
    )
  }
}

/** Exit code 1 while the engines differ. */
const compare = async (dir: string, file: string, out: CommandContext['out']): Promise<ExitCode> => {
  const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
  const witness = readWitness(file)
  const found = await replayOnBoth(genesis, witness)
  const say = (name: keyof typeof found): string => `${name}: ${found[name] ?? 'as it was recorded'}`
  out({ tx: bytesToHex(witness.tx.hash), ...found }, [say('reference'), say('fast')].join('\n'))
  return found.reference === found.fast ? exitCode.ok : exitCode.failed
}
