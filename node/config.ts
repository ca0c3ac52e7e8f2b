// What one machine may choose: one table of keys with unit, default and sentence. Owns the order flag > NOVACHAIN_* > file >
// default, the commented config.toml, and the refusal of keys that do not exist.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parse } from 'smol-toml'
import { z } from 'zod'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { AMOUNT } from './amounts.ts'
import { didYouMean, nearestName } from './args.ts'
import { COIN_PRICE, gasProfiles } from './rollup/costs.ts'

export const ConfigErrors = defineErrors('CONFIG', {
  UNKNOWN: {
    text: (d: { key: string; where: string; near: string | null }) =>
      `${d.where}: there is no key ${d.key}${didYouMean(d.near)}; see \`novachain config show\``,
  },
  INVALID: { text: (d: { key: string; where: string; reason: string }) => `${d.where}: ${d.key}: ${d.reason}` },
  LAYOUT: {
    text: (d: { file: string; key: string; line: string }) =>
      `${d.file} sets ${d.key} in a way that one line cannot change: write ${d.line} there by hand`,
  },
  TOML: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
})

const port = z.coerce.number().int().min(0).max(65_535)
/** Ports of other protocols to which no browser speaks, and no `fetch`, ours among them (Fetch standard, "bad port"; those that need no rights). */
const BAD_PORTS: readonly number[] = [
  ...[1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566],
  ...[6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080],
]
const rpcPort = port.refine((value) => !BAD_PORTS.includes(value), 'no browser and no fetch speaks to it: take another')
const height = z.coerce.number().int().min(-1).max(Number.MAX_SAFE_INTEGER)
const amount = z.string().regex(AMOUNT, 'expected an amount as 30gwei')
const coins = z.string().regex(COIN_PRICE, 'expected a decimal as 0.09')
const milliseconds = z.coerce
  .number()
  .int()
  .min(1_000)
  .max(30 * 86_400_000)
/** What is kept of the past, as `prune.*` says it. */
export const KEEP_TEXT = /^(all|none|[0-9]{1,12}|before:[0-9]{1,12})$/
const keep = z
  .union([z.string(), z.number().int().min(0)])
  .transform(String)
  .refine((text) => KEEP_TEXT.test(text), 'expected all, none, a number of blocks, or before:<height>')
const names = z.union([
  z.array(z.string()),
  z.string().transform((text) => text.split(',').filter((name) => name !== '')),
])

const isPlace = (url: string): boolean => /^tls:\/\/[^\s/@]+:\d+$/.test(url) && URL.canParse(url)

interface Key {
  readonly schema: z.ZodType
  readonly fallback: unknown
  readonly says: string
}
const KEYS = {
  'rpc.host': { schema: z.string(), fallback: '127.0.0.1', says: 'address JSON-RPC listens on' },
  'rpc.port': { schema: rpcPort, fallback: 8545, says: 'port of JSON-RPC, HTTP and WebSocket' },
  'rpc.hosts': { schema: names, fallback: [], says: 'host names browsers may call it by, beside addresses; * for all' },
  'rpc.origins': { schema: names, fallback: [], says: 'origins of pages that may read answers (CORS); * for all' },
  'metrics.host': { schema: z.string(), fallback: '127.0.0.1', says: 'address of /metrics and /health' },
  'metrics.port': { schema: port, fallback: 9545, says: 'their port; the next free one is taken' },
  'validator.keyFile': {
    schema: z.string(),
    fallback: '',
    says: 'the validator’s BLS key, from this folder on: a keystore (novachain keys), or hex, mode 0600; empty: none',
  },
  'validator.nextKeyFile': {
    schema: z.string(),
    fallback: '',
    says: 'the key that is to take its place: it signs from the first height that has it in the set; empty: none',
  },
  'validator.passwordFile': {
    schema: z.string(),
    fallback: '',
    says: 'file or pipe with the keystores’ password, mode 0600; empty: NOVACHAIN_PASSWORD, or a prompt',
  },
  'validator.signerUrl': {
    schema: z.string().refine((text) => text === '' || isPlace(text), 'expected tls://host:port'),
    fallback: '',
    says: 'a signer on another machine that holds the keys instead of keyFile and nextKeyFile, tls://host:port (novachain signer); empty: none',
  },
  'validator.signerCert': {
    schema: z.string(),
    fallback: 'signer/client.crt',
    says: 'certificate by which the signer knows this node, from this folder on; made by novachain signer pair',
  },
  'validator.signerKey': {
    schema: z.string(),
    fallback: 'signer/client.key',
    says: 'its key, mode 0600',
  },
  'validator.signerCa': {
    schema: z.string(),
    fallback: 'signer/signer.crt',
    says: 'certificate by which this node knows the signer, and no other',
  },
  'validator.developmentIndex': {
    schema: z.coerce.number().int().min(-1).max(2_047),
    fallback: -1,
    says: 'index of a well-known key, for development networks only; -1: none',
  },
  'validator.feeRecipient': {
    schema: z.string().regex(/^(0x[0-9a-fA-F]{40})?$/, 'expected an address'),
    fallback: '',
    says: 'address that earns the tips; empty: the validator’s own',
  },
  'validator.recordLostAt': {
    schema: height,
    fallback: -1,
    says: 'the signer record is lost as of this height: watch 20 blocks above it, then sign; has no effect on a whole record; -1: not given',
  },
  'validator.signFrom': {
    schema: height,
    fallback: -1,
    says: 'the key signed nothing at this height or above: sign from there at once; has no effect on a whole record; -1: not given',
  },
  'signer.listen': {
    schema: z.string().refine((text) => isPlace(`tls://${text}`), 'expected host:port'),
    fallback: '127.0.0.1:30340',
    says: 'where a signer (novachain signer) hears its node',
  },
  'signer.chainId': {
    schema: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
    fallback: 1,
    says: 'the network it signs for: its chain id',
  },
  'signer.genesisHash': {
    schema: z.string().regex(/^(0x[0-9a-f]{64})?$/, 'expected 0x and 64 hex digits'),
    fallback: '',
    says: 'and its genesis hash; made by novachain signer init',
  },
  'p2p.listen': {
    schema: names,
    fallback: ['/ip4/0.0.0.0/tcp/30333'],
    says: 'multiaddrs this node hears peers on; empty: it stays alone',
  },
  'p2p.announce': { schema: names, fallback: [], says: 'multiaddrs others are told to dial; empty: those found out' },
  'p2p.bootstrap': { schema: names, fallback: [], says: 'multiaddrs of peers to begin with' },
  'p2p.persistent': { schema: names, fallback: [], says: 'multiaddrs of peers to stay connected with' },
  'p2p.allow': { schema: names, fallback: [], says: 'peer ids that may connect; empty: all' },
  'p2p.private': { schema: names, fallback: [], says: 'peer ids that others are never told (behind a sentry)' },
  'p2p.inboundMax': { schema: z.coerce.number().int().min(0).max(500), fallback: 60, says: 'peers that may dial in' },
  'p2p.outboundMax': { schema: z.coerce.number().int().min(0).max(500), fallback: 20, says: 'peers this node dials' },
  'p2p.mdns': { schema: z.enum(['on', 'off']), fallback: 'off', says: 'find peers of the local network' },
  'p2p.keyFile': { schema: z.string(), fallback: 'p2p.key', says: 'this node’s identity; made at the first start' },
  'engine.sealing': {
    schema: z.enum(['interval', 'instant']),
    fallback: 'interval',
    says: 'interval: a block every block time; instant: as soon as a transaction is there (development)',
  },
  'engine.evm': {
    schema: z.enum(['reference', 'fast']),
    fallback: 'fast',
    says: 'what runs contracts: the fast engine, or the reference engine, which gives the same results at a fortieth of the speed',
  },
  'engine.emptyBlocksMs': {
    schema: z.coerce.number().int().min(0).max(86_400_000),
    fallback: 0,
    says: 'milliseconds between blocks without transactions; 0: the block time',
  },
  'evidence.reporterKeyFile': {
    schema: z.string(),
    fallback: '',
    says: 'account that brings evidence before slashing and pays for it, from this folder on: a keystore, or hex, mode 0600; empty: none',
  },
  'evidence.passwordFile': {
    schema: z.string(),
    fallback: '',
    says: 'file or pipe with that keystore’s password, mode 0600; empty: NOVACHAIN_PASSWORD, or a prompt',
  },
  'evidence.maxFee': {
    schema: z.string().regex(AMOUNT, 'expected an amount as 30gwei'),
    fallback: '500gwei',
    says: 'the most it pays for a unit of gas',
  },
  'bridge.endpoints': {
    schema: names,
    fallback: [],
    says: 'JSON-RPC endpoints of other chains, each <chain id>=<url>; all of a chain must agree before this validator attests; may hold secrets; empty: it attests nothing',
  },
  'bridge.from': {
    schema: names,
    fallback: [],
    says: 'where to begin on them, each <chain id>=<height>: the block of the vault’s first message, or before',
  },
  'bridge.pollMs': {
    schema: z.coerce.number().int().min(100).max(3_600_000),
    fallback: 5_000,
    says: 'milliseconds between two looks at them',
  },
  'credentials.issuerKeyFile': {
    schema: z.string(),
    fallback: '',
    says: 'key that the VC API on the JSON-RPC port signs credentials with, for programs on this machine: 64 hex digits (Ed25519), mode 0600, from this folder on; empty: there is no such API',
  },
  'credentials.issuerKeyId': {
    schema: z.string().regex(/^(did:.+#.+)?$/, 'expected did:…#key'),
    fallback: '',
    says: 'DID URL of that key, in whose DID document it stands',
  },
  'credentials.accountKeyFile': {
    schema: z.string(),
    fallback: '',
    says: 'account that controls the issuer’s DID and pays for the statuses that the VC API sets: a keystore, or hex, mode 0600; empty: it sets none',
  },
  'credentials.passwordFile': {
    schema: z.string(),
    fallback: '',
    says: 'file or pipe with that keystore’s password, mode 0600; empty: NOVACHAIN_PASSWORD, or a prompt',
  },
  'content.enabled': {
    schema: z.enum(['on', 'off']),
    fallback: 'off',
    says: 'hold content that the audit module names, on a host and a private swarm of its own',
  },
  'content.listen': {
    schema: names,
    fallback: ['/ip4/0.0.0.0/tcp/30334'],
    says: 'multiaddrs its host hears the swarm on',
  },
  'content.peers': {
    schema: names,
    fallback: [],
    says: 'multiaddrs, with peer ids, of the other nodes’ content hosts',
  },
  'content.swarmKeyFile': {
    schema: z.string(),
    fallback: 'content-swarm.key',
    says: 'the swarm’s key, the same on all its nodes; made at the first start: copy it to the others',
  },
  'content.keyFile': {
    schema: z.string(),
    fallback: 'content.key',
    says: 'its host’s identity; made at the first start',
  },
  'content.replicas': {
    schema: z.coerce.number().int().min(1).max(100),
    fallback: 2,
    says: 'nodes that pin what is put here, this one included',
  },
  'content.maxMegabytes': {
    schema: z.coerce.number().int().min(1).max(1_024),
    fallback: 64,
    says: 'the most that one content may have',
  },
  'content.retentionBlocks': {
    schema: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    fallback: 1_000_000,
    says: 'blocks for which content is kept after the chain needed it last; a VM’s newest state always is',
  },
  'rollup.mode': {
    schema: z.enum(['off', 'full', 'attested']),
    fallback: 'off',
    says: 'what this node posts to the settlement contract: full batches, with all signatures; attested ones, without; or nothing',
  },
  'rollup.l1Url': {
    schema: z.string(),
    fallback: '',
    says: 'JSON-RPC of the chain that the contract is on; what it says is checked as far as one endpoint can be',
  },
  'rollup.l1ChainId': {
    schema: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
    fallback: 137,
    says: 'its chain id: 137 is Polygon, 80002 its test network',
  },
  'rollup.settlement': {
    schema: z.string().regex(/^(0x[0-9a-fA-F]{40})?$/, 'expected an address'),
    fallback: '',
    says: 'the contract’s address, as rollup deploy says it',
  },
  'rollup.posterKeyFile': {
    schema: z.string(),
    fallback: '',
    says: 'account that posts and pays for it there, from this folder on: a keystore, or hex, mode 0600',
  },
  'rollup.passwordFile': {
    schema: z.string(),
    fallback: '',
    says: 'file or pipe with the password of these keystores, mode 0600; empty: NOVACHAIN_PASSWORD, or a prompt',
  },
  'rollup.operatorKeyFile': {
    schema: z.string(),
    fallback: '',
    says: 'account that bonded this validator, for a contract that asks for signatures of operators (rollup deploy --verifier ecdsa): a keystore, or hex, mode 0600; empty: it signs none, and posts to no such contract',
  },
  'rollup.batchBytes': {
    schema: z.coerce.number().int().min(1_024).max(120_000),
    fallback: 100_000,
    says: 'a batch of so many bytes is posted at once',
  },
  'rollup.maxAgeMs': {
    schema: milliseconds,
    fallback: 600_000,
    says: 'milliseconds after which a smaller one is posted, counted from its first block',
  },
  'rollup.turnMs': {
    schema: milliseconds,
    fallback: 300_000,
    says: 'milliseconds that the validator whose turn it is has to post, before the next one does',
  },
  'rollup.holdFee': {
    schema: amount,
    fallback: '500gwei',
    says: 'the most paid for a unit of gas there while a batch may wait',
  },
  'rollup.deadlineMs': {
    schema: milliseconds,
    fallback: 14_400_000,
    says: 'milliseconds it may wait for that, counted from its first block; then it pays up to maxFee',
  },
  'rollup.maxFee': { schema: amount, fallback: '5000gwei', says: 'the most ever paid for a unit of gas there' },
  'rollup.tip': {
    schema: amount,
    fallback: '30gwei',
    says: 'of that for the proposer, at first; Polygon takes no less than 25gwei',
  },
  'rollup.lowBalance': {
    schema: coins,
    fallback: '10',
    says: 'coins of that chain, POL on Polygon; with less on the poster’s account it warns',
  },
  'rollup.coinPrice': {
    schema: coins,
    fallback: '0.09',
    says: 'dollars for one of them, for the report of costs; nothing asks for it elsewhere',
  },
  'rollup.gasProfile': {
    schema: z.enum(gasProfiles),
    fallback: 'polygon',
    says: 'what gas is counted by there: polygon, or polygon-chicago, whose new prices are not all known',
  },
  'sync.mode': {
    schema: z.enum(['blocks', 'state']),
    fallback: 'blocks',
    says: 'what a node without a database takes of its peers: all blocks since genesis, or the state after a recent one, without history',
  },
  'sync.trustHeight': {
    schema: z.coerce.number().int().min(0),
    fallback: 0,
    says: 'height of a block known to be of this network, with its hash below: a chain with another is refused; 0: none',
  },
  'sync.trustHash': {
    schema: z.string().regex(/^(0x[0-9a-f]{64})?$/, 'expected 0x and 64 hex digits'),
    fallback: '',
    says: 'its hash',
  },
  'state.historyBlocks': {
    schema: z.coerce.number().int().min(-1),
    fallback: 10_000,
    says: 'blocks of past state kept; -1: all (archive)',
  },
  'state.proofBlocks': {
    schema: z.coerce.number().int().min(-1),
    fallback: 256,
    says: 'blocks of past tries kept for eth_getProof; -1: all (archive)',
  },
  'prune.bodies': {
    schema: keep,
    fallback: 'all',
    says: 'transactions of past blocks that are kept: all, none (the last 256 blocks), a number of blocks, or before:<height> to drop what is older',
  },
  'prune.receipts': {
    schema: keep,
    fallback: 'all',
    says: 'their receipts, the same way; never kept longer than the transactions',
  },
  'prune.logs': {
    schema: keep,
    fallback: 'all',
    says: 'the index that eth_getLogs needs, the same way; never kept longer than the receipts',
  },
  'prune.headers': {
    schema: keep,
    fallback: 'all',
    says: 'headers and certificates, the same way; never dropped within the time in which offences are punished',
  },
  'log.level': {
    schema: z.enum(['debug', 'info', 'warn', 'error']),
    fallback: 'info',
    says: 'least level that is logged',
  },
} as const satisfies Record<string, Key>

type Keys = typeof KEYS
export type Config = { readonly [K in keyof Keys]: z.output<Keys[K]['schema']> }
export type ConfigKey = keyof Keys
export const configKeys = Object.keys(KEYS) as ConfigKey[] // the record's own keys
const isKey = (name: string): name is ConfigKey => Object.hasOwn(KEYS, name)

/** `rpc.emptyBlocksMs` is NOVACHAIN_RPC_EMPTY_BLOCKS_MS. */
const envName = (key: string): string =>
  `NOVACHAIN_${key
    .replace(/([A-Z])/g, '_$1')
    .replace('.', '_')
    .toUpperCase()}`

export const configVariables = configKeys.map(envName)

/** Throws CONFIG_* naming where the fault is. */
export function loadConfig(
  file: string | null,
  env: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Partial<Record<ConfigKey, string | undefined>>>,
): Config {
  const given = new Map<string, { readonly value: unknown; readonly where: string }>()
  if (file !== null && existsSync(file))
    for (const [key, value] of readToml(file)) given.set(key, { value, where: file })
  for (const key of configKeys) {
    const value = env[envName(key)]
    if (value !== undefined && value !== '') given.set(key, { value, where: envName(key) })
  }
  for (const [key, value] of Object.entries(flags)) if (value !== undefined) given.set(key, { value, where: 'flags' })
  for (const [key, { where }] of given)
    if (!isKey(key)) throw new NodeError(ConfigErrors.UNKNOWN, { key, where, near: nearestName(key, configKeys) })
  const entries = configKeys.map((key) => {
    const found = given.get(key)
    return [key, found === undefined ? KEYS[key].fallback : checked(key, found.value, found.where)]
  })
  return Object.freeze(Object.fromEntries(entries)) as Config // every key went through its schema
}

const checked = (key: ConfigKey, value: unknown, where: string): unknown => {
  const result = KEYS[key].schema.safeParse(value)
  if (result.success) return result.data
  const reason = `${result.error.issues[0]?.message ?? '?'}, have ${JSON.stringify(value)}`
  throw new NodeError(ConfigErrors.INVALID, { key, where, reason })
}

const readToml = (file: string): [string, unknown][] => parseToml(readFileSync(file, 'utf8'), file)
const parseToml = (text: string, file: string): [string, unknown][] =>
  Object.entries(treeOf(text, file)).flatMap(([section, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([name, inner]) => [`${section}.${name}`, inner])
      : [[section, value]],
  )
/** A TOML file as it is; whoever reads it checks what is in it. Throws CONFIG_TOML. */
export const readTables = (file: string): Readonly<Record<string, unknown>> => {
  if (!existsSync(file)) throw new NodeError(ConfigErrors.TOML, { file, reason: 'there is no such file' })
  return treeOf(readFileSync(file, 'utf8'), file)
}
const treeOf = (text: string, file: string): Readonly<Record<string, unknown>> => {
  try {
    return parse(text)
  } catch (cause) {
    throw new NodeError(
      ConfigErrors.TOML,
      { file, reason: cause instanceof Error ? cause.message : String(cause) },
      { cause },
    )
  }
}

const isOfSigner = (key: ConfigKey): boolean => key.startsWith('signer.')

/** config.toml of a node with a comment for each key; keys at their default are commented out. */
export const renderConfig = (set: Settings): string =>
  render(
    'node',
    configKeys.filter((key) => !isOfSigner(key)),
    set,
  )
/** The same of a signer. */
export const renderSignerConfig = (set: Settings): string =>
  render('signer', [...configKeys.filter(isOfSigner), ...SIGNER_TOO], set)
const SIGNER_TOO: readonly ConfigKey[] = ['validator.passwordFile', 'metrics.host', 'metrics.port', 'log.level']

type Settings = Readonly<Partial<Record<ConfigKey, unknown>>>
const render = (what: string, keys: readonly ConfigKey[], set: Settings): string => {
  const lines = [`# NovaChain ${what}. A flag or a NOVACHAIN_* variable overrides what is here.`]
  let section = ''
  for (const key of keys) {
    const [of, name] = key.split('.')
    if (of !== section) lines.push('', `[${of}]`)
    section = of ?? ''
    const value = set[key]
    lines.push(`# ${KEYS[key].says}`)
    lines.push(value === undefined ? `# ${name} = ${toToml(KEYS[key].fallback)}` : `${name} = ${toToml(value)}`)
  }
  return `${lines.join('\n')}\n`
}
const toToml = (value: unknown): string => JSON.stringify(value)

/** The text of a file with these keys, or at their default where they are undefined, and with all others as it has them. Throws CONFIG_TOML. */
export const renderOver = (file: string, set: Readonly<Partial<Record<ConfigKey, unknown>>>): string =>
  renderConfig({ ...(existsSync(file) ? Object.fromEntries(readToml(file)) : {}), ...set })

/**
 * Sets one key in a file, whose comments and order stay, and answers the value as it will be read. Throws CONFIG_* before anything is
 * written: also where the file is laid out so that changing one line would not do exactly that.
 */
export function setInFile(
  file: string,
  name: string,
  value: string,
): { readonly key: ConfigKey; readonly value: unknown } {
  if (!isKey(name))
    throw new NodeError(ConfigErrors.UNKNOWN, { key: name, where: 'config set', near: nearestName(name, configKeys) })
  const wanted = checked(name, value, 'config set')
  const text = existsSync(file) ? readFileSync(file, 'utf8') : renderConfig({})
  const next = withLine(text, name, toToml(wanted))
  const before = parseToml(text, file).filter(([key]) => key !== name)
  const after = parseToml(next, file)
  if (JSON.stringify([...after].sort()) !== JSON.stringify([...before, [name, wanted]].sort()))
    throw new NodeError(ConfigErrors.LAYOUT, { file, key: name, line: `${name} = ${toToml(wanted)}` })
  const fresh = `${file}.new`
  writeFileSync(fresh, next)
  renameSync(fresh, file)
  return { key: name, value: wanted }
}

/** The key's own line, else in place of its commented default, else below its section's heading, else in a new section. */
const withLine = (text: string, key: ConfigKey, value: string): string => {
  const [section = '', name = ''] = key.split('.')
  const lines = text.split('\n')
  const heading = lines.findIndex((line) => new RegExp(`^\\s*\\[\\s*${section}\\s*\\]\\s*(#.*)?$`).test(line))
  const line = `${name} = ${value}`
  if (heading < 0) return `${text.replace(/\n*$/, '')}\n\n[${section}]\n${line}\n`
  const length = lines.slice(heading + 1).findIndex((each) => /^\s*\[/.test(each))
  const end = length < 0 ? lines.length : heading + 1 + length
  const at = (pattern: RegExp): number => lines.findIndex((each, i) => i > heading && i < end && pattern.test(each))
  const own = at(new RegExp(`^\\s*${name}\\s*=`))
  const commented = at(new RegExp(`^\\s*#\\s*${name}\\s*=`))
  if (own >= 0) lines[own] = line
  else if (commented >= 0) lines[commented] = line
  else lines.splice(heading + 1, 0, line)
  return lines.join('\n')
}
