// The chain of a stopped node, opened by a command: nothing signs, nobody is dialed, and the database's lock keeps a running node out.
// Owns that, and the line of progress on a terminal.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createChainEngine } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { type DiskKv, openKv } from '../../chain/store/kv.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { type Config, loadConfig } from '../config.ts'
import { systemClock } from '../system.ts'
import { createLog, noMeter } from '../telemetry.ts'
import { createSenderPool } from '../workers/senders.ts'

const CACHE_BYTES = 256 * 1024 * 1024

export interface Stopped {
  readonly chain: Chain
  readonly kv: DiskKv
  readonly genesis: Genesis
  readonly config: Config
  close(): Promise<void>
}

/** `dir` is a node's folder. Throws STORE_LOCKED while its node runs; a copy of its database in `dbDir` is nobody else's. */
export async function openStopped(
  dir: string,
  env: Readonly<Record<string, string | undefined>>,
  dbDir = join(dir, 'db'),
): Promise<Stopped> {
  const config = loadConfig(join(dir, 'config.toml'), env, {})
  const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
  const log = createLog(config['log.level'])
  const kept = (blocks: number): number | null => (blocks < 0 ? null : blocks)
  const kv = await openKv(dbDir, { pause: nextTurn })
  const senders = createSenderPool(log)
  const close = async (): Promise<void> => {
    await senders.close()
    await kv.close()
  }
  try {
    const chain = await openChain(
      {
        ...{ kv, log, clock: systemClock, pause: nextTurn, meter: noMeter, identify: senders.identify },
        engine: createChainEngine(genesis, config['engine.evm']),
      },
      genesis,
      {
        ...{ historyBlocks: kept(config['state.historyBlocks']), proofBlocks: kept(config['state.proofBlocks']) },
        ...{ cacheBytes: CACHE_BYTES, pool: {} },
      },
    )
    return { chain, kv, genesis, config, close }
  } catch (error) {
    await close()
    throw error
  }
}

export interface Line {
  tell(text: string): void
  end(): void
}
/** A line on a terminal, once a second; nothing in a pipe. */
export const createLine = (): Line => {
  let toldMs = 0
  return {
    tell(text) {
      if (!process.stderr.isTTY || Date.now() - toldMs < 1_000) return
      toldMs = Date.now()
      process.stderr.write(`\r\x1b[K${text}`)
    },
    end() {
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    },
  }
}
