// rollback: takes a stopped node back to an earlier block. Owns the refusals that no flag passes: what the settlement chain holds as final stays.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { asAddress, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { rollback as takeBack } from '../../chain/rollback.ts'
import { openKv } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, type CommandContext, exitCode, UsageErrors } from '../args.ts'
import { requireDatabase } from '../begin.ts'
import { type Config, loadConfig } from '../config.ts'
import { createL1 } from '../rollup/l1.ts'
import { settledByPoster } from '../rollup/service.ts'
import { createSettlement } from '../rollup/settlement.ts'
import { recordsIn } from '../signers.ts'
import { requireNodeDir } from './start.ts'
import { createLine } from './stopped.ts'

const usage = 'rollback --height <height> --yes --dir <dir>'

export const RollbackCommandErrors = defineErrors('ROLLBACK', {
  UNCONFIRMED: {
    text: (d: { height: number }) =>
      `this deletes every block above ${d.height} of this folder, and its state; add --yes if that is meant. A validator signs none of them again: ` +
      'where no other node has them, `novachain export blocks` keeps them first',
  },
  SETTLED: {
    text: (d: { height: number; settled: number }) =>
      `block ${d.settled} is final on the settlement chain, and nothing takes that back: the least is --height ${d.settled}`,
  },
  ASK: {
    text: (d: { reason: string }) =>
      `the settlement chain does not say what is final there (${d.reason}): try again once rollup.l1Url answers, or say --settled <height> if you know it`,
  },
})

export const rollback: Command = {
  usage,
  summary:
    'Take a stopped node back to an earlier block: blocks above it and what they wrote are deleted. What its validator signed stays on record, ' +
    'so it signs again only above that. Cut off, the same command finishes it.',
  argsMax: 0,
  options: {
    dir: 'folder of the node',
    height: 'block that is the head afterwards',
    settled: 'last height that is final on the settlement chain, where that chain cannot be asked',
  },
  switches: { yes: 'delete what is above' },
  async run(context) {
    const { flags, switches, out } = context
    const dir = requireNodeDir(flags.dir ?? context.env.NOVACHAIN_DIR ?? '.')
    const height = heightOf('height', flags.height)
    if (height === null) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --height', usage })
    if (!switches.has('yes')) throw new NodeError(RollbackCommandErrors.UNCONFIRMED, { height })
    const config = loadConfig(join(dir, 'config.toml'), context.env, {})
    const screen = createLine()
    // Opened first: the lock of a running node is the plainest refusal.
    const kv = await openKv(join(requireDatabase(dir), 'db'), { pause: nextTurn })
    try {
      const settled = await settledHeight(context, dir, config)
      if (height < settled) throw new NodeError(RollbackCommandErrors.SETTLED, { height, settled })
      const genesisHash = await computeGenesisHash(parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8')))
      const done = await takeBack({ kv, genesisHash, pause: nextTurn, onStep: screen.tell }, height)
      screen.end()
      const signs =
        recordsIn(dir).length > 0
          ? '. What was signed stays on record: the validator follows to there, and signs above it'
          : ''
      const text = `block ${done.to} is the head; blocks up to ${done.from} are gone${signs}`
      out(done, done.isResumed ? `finished a rollback that was cut off: ${text}` : text)
    } finally {
      await kv.close()
    }
    return exitCode.ok
  },
}

const heightOf = (flag: string, text: string | undefined): number | null => {
  if (text === undefined) return null
  if (/^\d{1,12}$/.test(text)) return Number(text)
  throw new NodeError(UsageErrors.ARGUMENT, { reason: `--${flag} takes a height, have ${text}`, usage })
}

/** 0 where nothing is settled. This node's own record of what it posted, and the contract at the L1's final block, where there is one. */
const settledHeight = async ({ flags }: CommandContext, dir: string, config: Config): Promise<number> => {
  const posted = await settledByPoster(dir)
  const given = heightOf('settled', flags.settled)
  if (given !== null) return Math.max(given, posted)
  const [url, address] = [config['rollup.l1Url'], config['rollup.settlement']]
  if (config['rollup.mode'] === 'off' || url === '' || address === '') return posted
  try {
    const l1 = createL1({ url, chainId: BigInt(config['rollup.l1ChainId']) })
    const settlement = createSettlement(asAddress(hexToBytes(address)))
    const { hash } = await l1.block('finalized')
    return Math.max(posted, settlement.position(await l1.call(settlement.address, settlement.question, hash)).height)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new NodeError(RollbackCommandErrors.ASK, { reason }, { cause })
  }
}
