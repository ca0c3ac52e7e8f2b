// start: one node in the foreground, from its folder, until SIGTERM or SIGINT.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { asAddress, bytesToHex, equalBytes, hexToBytes } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Fork } from '../../chain/types/forks.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import type { Prunable } from '../../chain/types/kept.ts'
import { parseAmount } from '../amounts.ts'
import { type Command, exitCode } from '../args.ts'
import { bridgeOptionsOf } from '../bridge/service.ts'
import { type Config, loadConfig } from '../config.ts'
import { developmentSecret } from '../development.ts'
import { p2pKey } from '../identity.ts'
import { readCredentialKey } from '../issuer.ts'
import { openKeyFile } from '../keystore.ts'
import { boundGrowth, giveBack } from '../memory.ts'
import { type NodeOptions, type RunningNode, startNode } from '../node.ts'
import { askPassword, passwordsOf } from '../password.ts'
import { type Keep, type PruneChoice, parseKeep } from '../pruning.ts'
import { remoteOf } from '../remote/files.ts'
import type { KeyChoice, ValidatorKey } from '../signers.ts'
import { createLog } from '../telemetry.ts'
import { checkpointOf } from '../trust.ts'
import { type Supervised, supervised } from './child.ts'

export const StartErrors = defineErrors('START', {
  NO_DIR: {
    text: (d: { dir: string }) =>
      `${d.dir} is no node's folder (there is no genesis.json): run \`novachain init ${d.dir} --genesis <file>\``,
  },
  NO_KEY: {
    text: (d: { file: string; dir: string }) =>
      `there is no validator key ${d.file}: run \`novachain keys new --dir ${d.dir}\`, or set validator.keyFile to where it is`,
  },
  DEVELOPMENT: {
    text: (d: { index: number }) =>
      `validator.developmentIndex ${d.index} is a key that everybody knows, and this genesis is not "development": true: set it to -1, ` +
      'and validator.keyFile to a key of your own (`novachain keys new`)',
  },
  ROLLUP: {
    text: (d: { key: string; mode: string }) =>
      `rollup.mode is ${d.mode}, and ${d.key} is empty: set it, or rollup.mode to off`,
  },
  TWO_PLACES: {
    text: (d: { key: string }) =>
      `validator.signerUrl and ${d.key} are both set: a key lies with the signer or with this node, and two places get it slashed; empty one of them`,
  },
  SAME_KEY: {
    text: (d: { blsKey: string }) =>
      `validator.nextKeyFile holds the key that signs already, ${d.blsKey}: leave it empty until there is another one to change to`,
  },
})

/** The same folder. Throws START_NO_DIR where it is no node's. */
export function requireNodeDir(dir: string): string {
  if (!existsSync(join(dir, 'genesis.json'))) throw new NodeError(StartErrors.NO_DIR, { dir })
  return dir
}

/** The command of a release that knows these forks; the table's where they are not given. */
export const startOf = (forks?: readonly Fork[]): Command => ({
  usage: 'start --dir <dir> [--rpc-port <port>] [--metrics-port <port>] [--log-level <level>]',
  summary: 'Run the node of a folder in the foreground until SIGTERM.',
  argsMax: 0,
  options: {
    dir: 'folder of the node, made by init',
    'rpc-host': 'address JSON-RPC listens on',
    'rpc-port': 'port of JSON-RPC',
    'metrics-port': 'port of /metrics and /health',
    'p2p-listen': 'multiaddrs to hear peers on, comma between',
    'p2p-persistent': 'multiaddrs of peers to stay connected with',
    'p2p-bootstrap': 'multiaddrs of peers to begin with',
    sync: 'what a node without a database takes of its peers: blocks (all since genesis) or state (after a recent block)',
    'trust-height': 'height of a block known to be of this network; a chain with another hash there is refused',
    'trust-hash': 'hash of that block',
    'record-lost-at': 'the signer record is lost as of this height: watch 20 blocks, then sign above them',
    'signer-url': 'signer on another machine that holds the keys, tls://host:port',
    'sign-from': 'the validator key signed nothing at this height or above: sign from there at once',
    engine: 'what runs contracts: reference or fast',
    'log-level': 'debug, info, warn or error',
  },
  switches: { 'take-over': 'the signer serves this node from now on, whichever it served before: that one stops' },
  async run({ flags, switches, env, signal, out }) {
    const opened = await open({ flags, switches, env, signal, forks }).catch((error: unknown) => {
      if (error === signal.reason) return null // stopped before there was a node
      throw error
    })
    if (opened === null) return exitCode.ok
    const { node, supervisor } = opened
    await giveBack()
    boundGrowth()
    const { rpcUrl: rpc, wsUrl: ws, metricsUrl: metrics, p2p } = node
    out(
      { rpc, ws, metrics, p2p, pid: process.pid },
      [`JSON-RPC ${rpc}`, ...p2p.map((at) => `peers    ${at}`)].join('\n'),
    )
    supervisor.obey(node.block)
    await node.done
    return exitCode.ok
  },
})
export const start: Command = startOf()

/** A function of its own, so that the genesis, which may have many accounts, is forgotten once the node runs. */
const open = async ({
  flags,
  switches,
  env,
  signal,
  forks,
}: Pick<Parameters<Command['run']>[0], 'flags' | 'switches' | 'env' | 'signal'> & Pick<NodeOptions, 'forks'>): Promise<{
  readonly node: RunningNode
  readonly supervisor: Supervised
}> => {
  const dir = flags.dir ?? env.NOVACHAIN_DIR ?? '.'
  const genesis = parseGenesis(readFileSync(join(requireNodeDir(dir), 'genesis.json'), 'utf8'))
  const config = loadConfig(join(dir, 'config.toml'), env, {
    'rpc.host': flags['rpc-host'],
    'rpc.port': flags['rpc-port'],
    'metrics.port': flags['metrics-port'],
    'p2p.listen': flags['p2p-listen'],
    'p2p.persistent': flags['p2p-persistent'],
    'p2p.bootstrap': flags['p2p-bootstrap'],
    'sync.mode': flags.sync,
    'sync.trustHeight': flags['trust-height'],
    'sync.trustHash': flags['trust-hash'],
    'validator.recordLostAt': flags['record-lost-at'],
    'validator.signFrom': flags['sign-from'],
    'validator.signerUrl': flags['signer-url'],
    'engine.evm': flags.engine,
    'log.level': flags['log-level'],
  })
  const validator = await validatorOf({ dir, genesis, config, env }, { takesOver: switches.has('take-over') })
  const reporter = await reporterOf({ dir, config, env })
  const issuer = await issuerOf({ dir, config, env })
  const rollup = await rollupOf({ dir, config, env })
  const operatorSecret = await operatorOf({ dir, config, env })
  const options = { ...optionsOf(config, { dir, validator, reporter, issuer, rollup, operatorSecret }), forks }
  const supervisor = supervised(env)
  return { node: await startNode(options, genesis, AbortSignal.any([signal, supervisor.gone])), supervisor }
}

const optionsOf = (
  config: Config,
  given: Pick<NodeOptions, 'dir' | 'validator' | 'reporter' | 'issuer' | 'rollup' | 'operatorSecret'>,
): NodeOptions => ({
  ...given,
  rpc: {
    host: config['rpc.host'],
    port: config['rpc.port'],
    hosts: config['rpc.hosts'],
    origins: config['rpc.origins'],
  },
  metrics: { host: config['metrics.host'], port: config['metrics.port'] },
  p2p: p2pOf(config, given.dir),
  checkpoint: checkpointOf(config['sync.trustHeight'], config['sync.trustHash']),
  sync: config['sync.mode'],
  content: contentOf(config, given.dir),
  bridge: bridgeOptionsOf(config['bridge.endpoints'], config['bridge.from'], config['bridge.pollMs']),
  evm: config['engine.evm'],
  sealing: config['engine.sealing'],
  emptyBlocksMs: config['engine.emptyBlocksMs'] === 0 ? null : config['engine.emptyBlocksMs'],
  historyBlocks: config['state.historyBlocks'] < 0 ? null : config['state.historyBlocks'],
  proofBlocks: config['state.proofBlocks'] < 0 ? null : config['state.proofBlocks'],
  prune: pruneChoiceOf(config),
  log: createLog(config['log.level']),
})

export const pruneChoiceOf = (config: Config): PruneChoice => {
  const of = (what: Prunable): Keep => parseKeep(`prune.${what}`, config[`prune.${what}`])
  return { headers: of('headers'), bodies: of('bodies'), receipts: of('receipts'), logs: of('logs') }
}

const p2pOf = (config: Config, dir: string): NodeOptions['p2p'] => {
  if (config['p2p.listen'].length === 0) return null
  return {
    keySecret: p2pKey(resolve(dir, config['p2p.keyFile'])),
    listen: config['p2p.listen'],
    announce: config['p2p.announce'],
    bootstrap: config['p2p.bootstrap'],
    persistent: config['p2p.persistent'],
    allow: config['p2p.allow'].length === 0 ? null : config['p2p.allow'],
    privatePeers: config['p2p.private'],
    inboundMax: config['p2p.inboundMax'],
    outboundMax: config['p2p.outboundMax'],
    mdns: config['p2p.mdns'] === 'on',
  }
}

const MEGABYTE = 1_048_576
export const contentOf = (config: Config, dir: string): NodeOptions['content'] => {
  if (config['content.enabled'] === 'off') return null
  return {
    swarmKey: p2pKey(resolve(dir, config['content.swarmKeyFile'])),
    keySecret: p2pKey(resolve(dir, config['content.keyFile'])),
    listen: config['content.listen'],
    peers: config['content.peers'],
    replicas: config['content.replicas'],
    contentBytesMax: config['content.maxMegabytes'] * MEGABYTE,
    cacheBytes: 64 * MEGABYTE,
    stallMs: 15_000,
    retentionBlocks: config['content.retentionBlocks'],
  }
}

/** Whether a key is in the validator set is the chain's to say, height by height. */
const validatorOf = async (folder: Folder, choice: Choice): Promise<NodeOptions['validator']> => {
  const { dir, config } = folder
  const recipient = config['validator.feeRecipient']
  const given = (height: number): number | null => (height < 0 ? null : height)
  return {
    keys: config['validator.signerUrl'] === '' ? await keysOf(folder) : await elsewhere(dir, config, choice),
    coinbase: recipient === '' ? null : asAddress(hexToBytes(recipient)),
    signing: { recordLostAt: given(config['validator.recordLostAt']), signFrom: given(config['validator.signFrom']) },
  }
}

/** Whether whoever the signer serves now is to lose it. */
type Choice = Parameters<typeof remoteOf>[2]

const elsewhere = async (dir: string, config: Config, choice: Choice): Promise<KeyChoice> => {
  for (const key of ['validator.keyFile', 'validator.nextKeyFile'] as const)
    if (config[key] !== '') throw new NodeError(StartErrors.TWO_PLACES, { key })
  if (config['validator.developmentIndex'] >= 0)
    throw new NodeError(StartErrors.TWO_PLACES, { key: 'validator.developmentIndex' })
  return { kind: 'elsewhere', at: await remoteOf(dir, config, choice) }
}

const keysOf = async ({ dir, genesis, config, env }: Folder): Promise<KeyChoice> => {
  const index = config['validator.developmentIndex']
  if (index >= 0 && !genesis.development) throw new NodeError(StartErrors.DEVELOPMENT, { index })
  const names = [index >= 0 ? '' : config['validator.keyFile'], config['validator.nextKeyFile']]
  const passwordFile = config['validator.passwordFile']
  const password = passwordsOf({ file: passwordFile === '' ? undefined : resolve(dir, passwordFile), env })
  const keys: ValidatorKey[] = index >= 0 ? [{ secret: developmentSecret(index), file: null }] : []
  for (const name of names) if (name !== '') keys.push(await keyOf(resolve(dir, name), dir, password))
  const [first, second] = keys
  if (first !== undefined && second !== undefined && equalBytes(first.secret, second.secret))
    throw new NodeError(StartErrors.SAME_KEY, { blsKey: bytesToHex(curves().blsPublicKey(second.secret)) })
  return { kind: 'here', keys }
}

interface Folder {
  readonly dir: string
  readonly genesis: Genesis
  readonly config: Config
  readonly env: Readonly<Record<string, string | undefined>>
}

const keyOf = async (file: string, dir: string, password: (file: string) => Promise<string>): Promise<ValidatorKey> => {
  if (!existsSync(file)) throw new NodeError(StartErrors.NO_KEY, { file, dir })
  return { secret: await openKeyFile(file, 'validator', () => password(file)), file }
}

const reporterOf = async ({ dir, config, env }: Omit<Folder, 'genesis'>): Promise<NodeOptions['reporter']> => {
  const [name, passwordFile] = [config['evidence.reporterKeyFile'], config['evidence.passwordFile']]
  if (name === '') return null
  const secret = await accountIn({ dir, env }, name, passwordFile)
  return { secret, maxFeeWei: parseAmount(config['evidence.maxFee']) }
}

const rollupOf = async ({ dir, config, env }: Omit<Folder, 'genesis'>): Promise<NodeOptions['rollup']> => {
  const mode = config['rollup.mode']
  if (mode === 'off') return null
  for (const key of ['rollup.l1Url', 'rollup.settlement', 'rollup.posterKeyFile'] as const)
    if (config[key] === '') throw new NodeError(StartErrors.ROLLUP, { key, mode })
  return {
    ...{ l1Url: config['rollup.l1Url'], chainId: BigInt(config['rollup.l1ChainId']), encoding: mode },
    settlement: asAddress(hexToBytes(config['rollup.settlement'])),
    secret: await accountIn({ dir, env }, config['rollup.posterKeyFile'], config['rollup.passwordFile']),
    ...{ batchBytes: config['rollup.batchBytes'], maxAgeMs: config['rollup.maxAgeMs'] },
    ...{ turnMs: config['rollup.turnMs'], holdMs: config['rollup.deadlineMs'] },
    holdFeeWei: parseAmount(config['rollup.holdFee']),
    maxFeeWei: parseAmount(config['rollup.maxFee']),
    tipWei: parseAmount(config['rollup.tip']),
    lowBalanceWei: parseAmount(`${config['rollup.lowBalance']}nova`), // the L1's coin has as many places
    ...{ coinDollars: config['rollup.coinPrice'], profile: config['rollup.gasProfile'] },
  }
}

const operatorOf = async ({ dir, config, env }: Omit<Folder, 'genesis'>): Promise<Uint8Array | null> => {
  const name = config['rollup.operatorKeyFile']
  return name === '' ? null : accountIn({ dir, env }, name, config['rollup.passwordFile'])
}

const accountIn = (
  { dir, env }: Pick<Folder, 'dir' | 'env'>,
  name: string,
  passwordFile: string,
): Promise<Uint8Array> => {
  const file = resolve(dir, name)
  const source = { file: passwordFile === '' ? undefined : resolve(dir, passwordFile), env }
  return openKeyFile(file, 'account', () => askPassword(source, file))
}

const issuerOf = async ({ dir, config, env }: Omit<Folder, 'genesis'>): Promise<NodeOptions['issuer']> => {
  const [name, account] = [config['credentials.issuerKeyFile'], config['credentials.accountKeyFile']]
  if (name === '') return null
  const key = await readCredentialKey(resolve(dir, name), config['credentials.issuerKeyId'])
  const password = config['credentials.passwordFile']
  return { key, account: account === '' ? null : await accountIn({ dir, env }, account, password) }
}
