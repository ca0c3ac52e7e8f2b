// signer: holds a validator's keys and the record of what they signed, on a machine of its own, and signs for one node at a time. Also what
// both sides need for it: a folder, certificates, and the history that moves with a key.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { asHash, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Log } from '../../chain/base/ports.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import type { Domain } from '../../chain/types/vote.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { type Config, loadConfig, renderSignerConfig, setInFile } from '../config.ts'
import { holderOf } from '../holder.ts'
import { openKeyFile, parseKeystore, readKeyFile, writeKeyFile } from '../keystore.ts'
import { lockKey } from '../lock.ts'
import { passwordsOf } from '../password.ts'
import { openRecordFile } from '../record.ts'
import { makeIdentity } from '../remote/certificates.ts'
import { placeIn, readCertificates, readIdentity } from '../remote/files.ts'
import { exportHistory, HISTORY_MAX_BYTES, HistoryErrors, importHistory } from '../remote/history.ts'
import { type ServedKey, type SignerServer, serveSigner } from '../remote/server.ts'
import { KEYS_MAX } from '../remote/wire.ts'
import { aborted } from '../service.ts'
import { openSigner } from '../signer.ts'
import { recordPath } from '../signers.ts'
import { readGenesis, writeWhole } from '../source.ts'
import { monotonicClock, systemTimers } from '../system.ts'
import { createLog, createTelemetry, serveTelemetry } from '../telemetry.ts'
import { requireNodeDir } from './start.ts'

export const SignerCommandErrors = defineErrors('SIGNERCMD', {
  NO_DIR: {
    text: (d: { dir: string }) =>
      `${d.dir} is no signer's folder: run \`novachain signer init --dir ${d.dir} --genesis <file>\``,
  },
  NETWORK: {
    text: (d: { dir: string; have: string; want: string }) =>
      `${d.dir} signs for the network ${d.have}, not ${d.want}: choose another folder, a signer has one network`,
  },
  KEYS: {
    text: (d: { dir: string; count: number }) =>
      d.count === 0
        ? `${d.dir} holds no validator key: run \`novachain keys new --dir ${d.dir}\`, or keys import`
        : `${d.dir} holds ${d.count} validator keys, and a node has at most ${KEYS_MAX}: move the others to folders of their own`,
  },
})

const usage = 'signer [init|pair|export|import] [--dir <dir>]'
const VERBS: Readonly<Record<string, (context: CommandContext) => Promise<ExitCode>>> = {
  ...{ init, pair, export: give, import: take },
}

export const signer: Command = {
  usage,
  summary: 'Hold a validator’s key on a machine of its own and sign for one node at a time, until SIGTERM.',
  verbs: [
    'signer --dir <signer’s folder>                                      serves',
    'signer init --dir <dir> --genesis <file> [--listen <host:port>]     makes its folder',
    'signer pair --dir <node’s folder> --url tls://<host:port> --cert <signer’s certificate>',
    'signer export --dir <either folder> --to <file>                     the signing history of its keys',
    'signer import --dir <either folder> --from <file>                   raises it, never lowers',
  ],
  argsMax: 1,
  options: {
    dir: 'folder of the signer; of the node for pair; of either for export and import',
    genesis: 'init: the network’s genesis.json',
    listen: 'host:port it hears its node on',
    url: 'pair: where the signer is',
    cert: 'pair: the signer’s signer/signer.crt',
    to: 'export: file to write',
    from: 'import: file to read',
    'password-file': 'file or pipe with the keystores’ password; else NOVACHAIN_PASSWORD, else a prompt',
    'metrics-port': 'port of /metrics and /health',
    'log-level': 'debug, info, warn or error',
  },
  async run(context) {
    const [verb] = context.args
    if (verb === undefined) return serve(context)
    const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined
    if (run === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no verb ${verb}`, usage })
    return run(context)
  },
}

const FILES = { key: 'signer/signer.key', certificate: 'signer/signer.crt', clients: 'signer/client.crt' }
const dirOf = ({ flags, env }: CommandContext): string => flags.dir ?? env.NOVACHAIN_DIR ?? '.'
const must = ({ flags }: CommandContext, flag: string): string => {
  const value = flags[flag]
  if (value !== undefined) return value
  throw new NodeError(UsageErrors.ARGUMENT, { reason: `expected --${flag}`, usage })
}
const silent: Log = { debug() {}, info() {}, warn() {}, error: (_, text) => console.error(text) }

async function init(context: CommandContext): Promise<ExitCode> {
  const dir = dirOf(context)
  const file = must(context, 'genesis')
  const genesis = parseGenesis(await readGenesis(file))
  const hash = bytesToHex(await computeGenesisHash(genesis))
  const config = join(dir, 'config.toml')
  const have = loadConfig(config, {}, {})['signer.genesisHash']
  if (have !== '' && have !== hash) throw new NodeError(SignerCommandErrors.NETWORK, { dir, have, want: hash })
  for (const folder of ['keys', 'signer']) mkdirSync(join(dir, folder), { recursive: true, mode: 0o700 })
  await identityIn(dir, FILES.key, FILES.certificate, 'novachain signer')
  const set = { 'signer.chainId': genesis.chainId.toString(), 'signer.genesisHash': hash }
  if (existsSync(config)) for (const [key, value] of Object.entries(set)) setInFile(config, key, value)
  else writeWhole(config, renderSignerConfig({ ...set, 'signer.chainId': Number(genesis.chainId) }))
  if (context.flags.listen !== undefined) setInFile(config, 'signer.listen', context.flags.listen)
  const certificate = join(dir, FILES.certificate)
  context.out(
    { dir, genesisHash: hash, certificate },
    [
      `${dir} signs for the network ${hash}`,
      `next: novachain keys new --dir ${dir}     or keys import: the key itself`,
      `on the node: novachain signer pair --dir <its folder> --url tls://<this host>:<port> --cert <a copy of ${certificate}>`,
      `then put the node’s signer/client.crt here as ${join(dir, FILES.clients)}, and: novachain signer --dir ${dir}`,
    ].join('\n'),
  )
  return exitCode.ok
}

/** Made where there is none; the certificate last, so that a pair is whole. */
const identityIn = async (dir: string, keyFile: string, certificateFile: string, name: string): Promise<void> => {
  const [key, certificate] = [resolve(dir, keyFile), resolve(dir, certificateFile)]
  if (existsSync(certificate)) return
  if (existsSync(key)) await readIdentity(key, certificate, `restore it, or move ${key} away for a new pair`)
  const made = makeIdentity(name)
  await writeKeyFile(key, made.key)
  writeWhole(certificate, made.certificate)
}

async function pair(context: CommandContext): Promise<ExitCode> {
  const dir = requireNodeDir(dirOf(context))
  const [url, from] = [must(context, 'url'), must(context, 'cert')]
  const found = readCertificates(from, 'copy the signer’s signer/signer.crt here')
  const config = join(dir, 'config.toml')
  const before = loadConfig(config, {}, {})
  mkdirSync(join(dir, 'signer'), { recursive: true, mode: 0o700 })
  await identityIn(dir, before['validator.signerKey'], before['validator.signerCert'], 'novachain validator')
  setInFile(config, 'validator.signerUrl', url)
  writeWhole(resolve(dir, before['validator.signerCa']), found.map(String).join(''))
  const left = (['validator.keyFile', 'validator.nextKeyFile'] as const).filter((key) => before[key] !== '')
  for (const key of left) setInFile(config, key, '')
  const files = left.map((key) => resolve(dir, before[key])).filter((file) => existsSync(file))
  const certificate = resolve(dir, before['validator.signerCert'])
  context.out(
    { dir, url, certificate, keysLeft: files },
    [
      `${dir} asks the signer ${url} from its next start on`,
      `next: put ${certificate} on the signer as ${FILES.clients} of its folder`,
      ...files.map(
        (file) => `the key ${file} is here still: move it to the signer, with its history (novachain signer export)`,
      ),
    ].join('\n'),
  )
  return exitCode.ok
}

/** Of a signer's folder or a node's. */
const domainOf = async (dir: string): Promise<Domain> => {
  const config = loadConfig(join(dir, 'config.toml'), {}, {})
  if (config['signer.genesisHash'] !== '') return domainIn(config, dir)
  const genesis = parseGenesis(readFileSync(join(requireNodeDir(dir), 'genesis.json'), 'utf8'))
  return { chainId: genesis.chainId, genesisHash: await computeGenesisHash(genesis) }
}
const domainIn = (config: Config, dir: string): Domain => {
  if (config['signer.genesisHash'] === '') throw new NodeError(SignerCommandErrors.NO_DIR, { dir })
  return { chainId: BigInt(config['signer.chainId']), genesisHash: asHash(hexToBytes(config['signer.genesisHash'])) }
}

async function give(context: CommandContext): Promise<ExitCode> {
  const dir = dirOf(context)
  const to = must(context, 'to')
  const { text, keys } = await exportHistory(dir, await domainOf(dir), silent)
  await writeKeyFile(to, text)
  const rows = keys.map(({ key, height, round, step }) => `  ${key}  height ${height} round ${round} step ${step}`)
  context.out(
    { file: to, keys },
    [
      `wrote ${to}`,
      ...rows,
      'Whoever signs with these keys from now on imports it first; this place must not sign again.',
    ].join('\n'),
  )
  return exitCode.ok
}

async function take(context: CommandContext): Promise<ExitCode> {
  const dir = dirOf(context)
  const file = must(context, 'from')
  const refuse = (reason: string) => new NodeError(HistoryErrors.FORM, { file, reason })
  if (!existsSync(file)) throw refuse('there is no such file')
  const { size } = statSync(file)
  if (size > HISTORY_MAX_BYTES) throw refuse(`${size} bytes, at most ${HISTORY_MAX_BYTES}`)
  const keys = await importHistory(dir, await domainOf(dir), { text: readFileSync(file, 'utf8'), file }, silent)
  const rows = keys.map(({ key, height, changed }) => `  ${key}  height ${height}${changed ? '' : ', as it was'}`)
  context.out({ dir, keys }, [`imported into ${dir}`, ...rows].join('\n'))
  return exitCode.ok
}

async function serve(context: CommandContext): Promise<ExitCode> {
  const { flags, env, signal, out } = context
  const dir = dirOf(context)
  const config = loadConfig(join(dir, 'config.toml'), env, {
    ...{ 'signer.listen': flags.listen, 'metrics.port': flags['metrics-port'], 'log.level': flags['log-level'] },
  })
  const domain = domainIn(config, dir)
  const log = createLog(config['log.level'])
  const closers: (() => Promise<void>)[] = []
  try {
    const { meter, registry } = createTelemetry()
    const identity = await readIdentity(
      ...([join(dir, FILES.key), join(dir, FILES.certificate), 'novachain signer init makes it'] as const),
    )
    const clients = readCertificates(
      join(dir, FILES.clients),
      'put the node’s signer/client.crt there (novachain signer pair)',
    )
    const keys = await keysOf(context, config, domain, log, closers)
    const failed = Promise.withResolvers<never>()
    const ports = { clock: monotonicClock, timers: systemTimers, log, meter }
    const server = await serveSigner(
      { keys, domain, ...ports, fail: failed.reject },
      { ...placeIn(`tls://${config['signer.listen']}`), identity, clients },
    )
    closers.push(() => server.close())
    const telemetry = { host: config['metrics.host'], port: config['metrics.port'] }
    const metrics = await serveTelemetry(registry, telemetry, {
      notReady: () => unready(server),
      warning: () => null,
    })
    closers.push(() => metrics.close())
    const names = keys.map(({ publicKey }) => bytesToHex(publicKey))
    const told = { port: server.port, keys: names, metrics: `http://${telemetry.host}:${metrics.port}/metrics` }
    out({ ...told, pid: process.pid }, `signs for ${names.join(' and ')}, on port ${server.port}`)
    log.info(told, 'the signer serves')
    await Promise.race([aborted(signal), failed.promise])
    return exitCode.ok
  } finally {
    for (const close of closers.reverse()) await close()
  }
}
const unready = (server: SignerServer): string | null => (server.holder() === null ? 'no node asks it' : null)

/** Every validator key of the folder, each under its locks and with its record. */
const keysOf = async (
  context: CommandContext,
  config: Config,
  domain: Domain,
  log: Log,
  closers: (() => Promise<void>)[],
): Promise<readonly ServedKey[]> => {
  const { flags, env } = context
  const dir = dirOf(context)
  const files = await keyFilesOf(dir)
  if (files.length === 0 || files.length > KEYS_MAX)
    throw new NodeError(SignerCommandErrors.KEYS, { dir, count: files.length })
  const own = config['validator.passwordFile']
  const password = passwordsOf({ file: flags['password-file'] ?? (own === '' ? undefined : resolve(dir, own)), env })
  const keys: ServedKey[] = []
  for (const file of files) {
    closers.push(await lockKey(file, log))
    const secret = await openKeyFile(file, 'validator', () => password(file))
    const holder = holderOf(secret, domain)
    const path = recordPath(dir, holder.publicKey)
    closers.push(await lockKey(path, log))
    keys.push({ ...(await openSigner(openRecordFile(path), secret, domain)), ...holder })
  }
  return keys
}

/** `validator` before `validator-next`: the key that signs, then the one that takes its place. */
const keyFilesOf = async (dir: string): Promise<readonly string[]> => {
  const folder = join(dir, 'keys')
  const names = existsSync(folder)
    ? readdirSync(folder).filter((name) => /^[^.].*(\.json|\.hex)$|^[^.]+$/.test(name))
    : []
  const bare = (name: string): string => name.replace(/\.[a-z]+$/, '')
  const found: string[] = []
  for (const name of names.sort((a, b) => (bare(a) < bare(b) ? -1 : 1))) {
    const file = join(folder, name)
    const text = await readKeyFile(file)
    if (!text.trimStart().startsWith('{') || parseKeystore(text, file).type === 'validator') found.push(file)
  }
  return found
}
