// re-execute: runs stored blocks again and says whether each does what its header promises.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NodeError } from '../../chain/base/errors.ts'
import { reexecute } from '../../chain/calls.ts'
import { openKv } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, exitCode, UsageErrors } from '../args.ts'
import { requireNodeDir } from './start.ts'

const usage = 're-execute [--from <height>] [--to <height>] --dir <dir>'

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
  },
  async run({ flags, env, out, signal }) {
    const dir = requireNodeDir(flags.dir ?? env.NOVACHAIN_DIR ?? '.')
    const range = { from: heightOf('from', flags.from), to: heightOf('to', flags.to) }
    const kv = await openKv(join(dir, 'db'))
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
