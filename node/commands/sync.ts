// sync: a node's database, or state and headers, made from what batches hold on another chain and from nothing else.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { type Address, asAddress, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { type DeriveOptions, type Deriver, openDeriver } from '../../chain/derive.ts'
import { openKv } from '../../chain/store/kv.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, type CommandContext, exitCode, UsageErrors } from '../args.ts'
import { type Config, loadConfig } from '../config.ts'
import { deriveAll } from '../rollup/derive.ts'
import { createL1History } from '../rollup/l1.ts'
import { createPostings, type Scanned } from '../rollup/postings.ts'
import { createLog } from '../telemetry.ts'
import { createSenderPool } from '../workers/senders.ts'
import { requireNodeDir } from './start.ts'

const usage = 'sync --from-l1 <url> --settlement <address> [--l1-from-block <block>] [--keep node|state] --dir <dir>'

export const sync: Command = {
  usage,
  summary:
    'Make the chain again in the folder of a stopped node, from the batches on another chain: every block is run and compared. ' +
    'Begun again, it goes on where it stopped; exit code 4 where it was stopped.',
  argsMax: 0,
  options: {
    dir: 'folder of the node, made by init',
    'from-l1': 'JSON-RPC of the chain that holds the batches; nothing that it says is believed',
    settlement: 'address of the settlement contract there',
    'l1-from-block': 'block of that chain to begin at, not above the first batch; 0 where it is not given',
    keep: 'node (default): all that a node keeps, of batches with signatures; state: state and headers, of attested ones too',
  },
  async run(context) {
    const given = givenBy(context)
    const dir = requireNodeDir(context.flags.dir ?? context.env.NOVACHAIN_DIR ?? '.')
    const config = loadConfig(join(dir, 'config.toml'), context.env, {})
    const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
    const log = createLog(config['log.level'])
    const screen = createProgress()
    const senders = createSenderPool(log)
    const parts = { dir, config, genesis, keep: given.keep, identify: senders.identify, onBlock: screen.block }
    const deriver = await openAt(parts).catch(async (error: unknown) => {
      await senders.close()
      throw error
    })
    try {
      return await follow(context, { ...given, deriver, genesis, screen })
    } finally {
      screen.end()
      await deriver.close()
      await senders.close()
    }
  },
}

interface Given {
  readonly url: string
  readonly settlement: Address
  readonly fromBlock: number
  readonly keep: DeriveOptions['keep']
}
const givenBy = ({ flags }: CommandContext): Given => {
  const refuse = (reason: string) => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
  const { 'from-l1': url, settlement, 'l1-from-block': block = '0', keep = 'node' } = flags
  if (url === undefined || !URL.canParse(url) || !/^https?:/.test(url)) throw refuse('--from-l1 takes an http URL')
  if (settlement === undefined || !/^0x[0-9a-fA-F]{40}$/.test(settlement)) throw refuse('--settlement takes an address')
  if (!/^\d{1,12}$/.test(block)) throw refuse(`--l1-from-block takes a block number, have ${block}`)
  if (keep !== 'node' && keep !== 'state') throw refuse(`--keep takes node or state, have ${keep}`)
  return { url, settlement: asAddress(hexToBytes(settlement)), fromBlock: Number(block), keep }
}

const CACHE_BYTES = 256 * 1024 * 1024

/** What a node's own database is, or beside it what is no node's. */
const FOLDERS = { node: 'db', state: 'attested' } as const

const openAt = async (of: {
  readonly dir: string
  readonly config: Config
  readonly genesis: Genesis
  readonly keep: DeriveOptions['keep']
  readonly identify: ReturnType<typeof createSenderPool>['identify']
  readonly onBlock: (height: number) => void
}): Promise<Deriver> => {
  const { config, genesis, keep } = of
  const kept = (blocks: number): number | null => (blocks < 0 ? null : blocks)
  const folder = join(of.dir, FOLDERS[keep])
  mkdirSync(folder, { recursive: true })
  const kv = await openKv(folder, { pause: nextTurn })
  try {
    const genesisHash = await computeGenesisHash(genesis)
    const engine = createChainEngine(genesis, config['engine.evm'])
    return await openDeriver({ kv, engine, pause: nextTurn, identify: of.identify, onBlock: of.onBlock }, genesis, {
      ...{ keep, genesisHash, cacheBytes: CACHE_BYTES },
      ...{ historyBlocks: kept(config['state.historyBlocks']), proofBlocks: kept(config['state.proofBlocks']) },
    })
  } catch (error) {
    await kv.close()
    throw error
  }
}

const follow = async (
  { out, signal }: CommandContext,
  of: Given & { readonly deriver: Deriver; readonly genesis: Genesis; readonly screen: Progress },
) => {
  const { deriver, screen } = of
  const started = Date.now()
  const before = deriver.head().header.number
  const l1 = createL1History(of.url)
  const pause = async (ms: number): Promise<void> => void (await delay(ms, undefined, { signal }))
  const source = createPostings({ l1, pause, onScan: screen.scan }, of)
  let batches = 0
  const onBatch = (): void => void batches++
  const done = deriveAll({ source, deriver, chainId: of.genesis.chainId, onBatch }, signal)
  const isDone = await done.then(
    () => true,
    (error: unknown) => {
      if (!signal.aborted) throw error
      return false
    },
  )
  screen.end()
  const { header, hash } = deriver.head()
  const seconds = (Date.now() - started) / 1_000
  const found = {
    ...{ height: header.number, hash: bytesToHex(hash), stateRoot: bytesToHex(header.stateRoot) },
    ...{ batches, blocks: header.number - before, seconds, done: isDone },
  }
  const stood = `height ${found.height}, block ${found.hash}, state root ${found.stateRoot}`
  const text = `${found.blocks} blocks out of ${batches} batches in ${seconds.toFixed(1)} s: ${stood}`
  out(found, isDone ? text : `stopped: ${text}; the same command goes on`)
  return isDone ? exitCode.ok : exitCode.notSynced
}

interface Progress {
  scan(at: Scanned): void
  block(height: number): void
  end(): void
}
/** A line on a terminal, once a second. */
const createProgress = (): Progress => {
  let [toldMs, last] = [0, 0]
  const tell = (text: string): void => {
    if (!process.stderr.isTTY || Date.now() - toldMs < 1_000) return
    toldMs = Date.now()
    process.stderr.write(`\r\x1b[K${text}`)
  }
  return {
    scan({ height, head, batches, settled }) {
      last = settled
      tell(`L1 block ${height} of ${head}: ${batches} batches`)
    },
    block: (height) => tell(`block ${height} of ${last}`),
    end() {
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    },
  }
}
