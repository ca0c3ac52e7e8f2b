// init: the folder of a node: its genesis, which may be pinned to a hash, and a commented config.toml.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { addressOf } from '../../p2p/dialing.ts'
import { peerIdOf } from '../../p2p/identity.ts'
import { type Command, type CommandContext, exitCode, UsageErrors } from '../args.ts'
import { finalGenesis } from '../ceremony.ts'
import { type ConfigKey, renderConfig, setInFile } from '../config.ts'
import { identityFile, p2pKey } from '../identity.ts'
import { readPeers } from '../peers.ts'
import { isUrl, readGenesis, SourceErrors, writeWhole } from '../source.ts'

export const InitErrors = defineErrors('INIT', {
  OTHER_NETWORK: {
    text: (d: { dir: string; have: string; want: string }) =>
      `${d.dir} is of the network ${d.have}, not ${d.want}: choose another folder`,
  },
  OTHER_HASH: {
    text: (d: { source: string; have: string; want: string }) =>
      `${d.source} is the genesis of the network ${d.have}, not of ${d.want}: nothing was written; ask for the right file, or for the right hash`,
  },
})
const usage = 'init <dir> --genesis <file|url> [--genesis-hash <hash>] [--profile validator|full|archive]'
/** Where `keys new` puts a validator's key. */
const KEY_FILE = 'keys/validator.json'
/** At three seconds a block: a validator keeps a week, a full node, which others sync from, five weeks; an archive all of it. */
const keptOf = (blocks: number) => ({ 'prune.bodies': blocks, 'prune.receipts': blocks, 'prune.logs': blocks })
const profiles = {
  validator: { 'validator.keyFile': KEY_FILE, ...keptOf(200_000) },
  full: keptOf(1_000_000),
  archive: { 'state.historyBlocks': -1, 'state.proofBlocks': -1 },
} as const
type Profile = keyof typeof profiles

export const init: Command = {
  usage,
  summary: 'Make the folder of a node.',
  argsMax: 1,
  options: {
    genesis: 'file or URL of genesis.json',
    'genesis-hash': 'hash that its genesis must have, from somebody you trust; another file is refused',
    profile: 'validator, full or archive; default full',
    peers: 'file with addresses of peers to begin with, a line each, as genesis collect writes it',
    'p2p-bootstrap': 'multiaddrs of peers to begin with, comma between',
    'p2p-persistent': 'multiaddrs of peers to stay connected with, comma between',
  },
  async run(context) {
    const { args, flags, out } = context
    const [dir] = args
    const source = flags.genesis
    if (dir === undefined || source === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a folder and --genesis', usage })
    const profile = profileOf(flags.profile ?? 'full')
    const pinned = pinnedOf(flags['genesis-hash'])
    const file = join(dir, 'genesis.json')
    const have = existsSync(file) ? (await finalGenesis(await readGenesis(file), file)).hash : null
    if (have !== null && pinned !== null && have !== pinned)
      throw new NodeError(InitErrors.OTHER_NETWORK, { dir, have, want: pinned })
    // A folder that is of the pinned network needs no second look at a URL that may be gone.
    const text = have !== null && have === pinned ? null : await readGenesis(source)
    const hash = text === null ? pinned : (await finalGenesis(text, source)).hash
    if (pinned !== null && hash !== pinned)
      throw new NodeError(InitErrors.OTHER_HASH, { source, have: String(hash), want: pinned })
    if (have !== null && have !== hash) throw new NodeError(InitErrors.OTHER_NETWORK, { dir, have, want: String(hash) })
    const isNew = have === null && text !== null
    if (isNew) await make(context, { dir, text, settings: profiles[profile] })
    const next = nextOf(dir, profile)
    const told = isNew
      ? `made ${dir} for network ${hash}`
      : `${dir} is of network ${hash} already and stays as it is; novachain config set changes its config.toml`
    out(
      { dir, genesisHash: hash, profile, changed: isNew, next },
      [told, ...unpinned(source, pinned), ...next].join('\n'),
    )
    return exitCode.ok
  },
}

const profileOf = (name: string): Profile => {
  if (name === 'validator' || name === 'full' || name === 'archive') return name
  throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no profile ${name}`, usage })
}

const pinnedOf = (value: string | undefined): string | null => {
  if (value === undefined) return null
  if (!/^0x[0-9a-fA-F]{64}$/.test(value))
    throw new NodeError(UsageErrors.ARGUMENT, {
      reason: `--genesis-hash ${value}: expected 0x and 64 hex digits`,
      usage,
    })
  return value.toLowerCase()
}

const unpinned = (source: string, pinned: string | null): string[] =>
  isUrl(source) && pinned === null
    ? [
        'warning: whoever serves that URL chose this network; compare the hash with somebody you trust, or give --genesis-hash',
      ]
    : []

/** genesis.json comes last: a folder that has it is whole. */
const make = async (
  context: CommandContext,
  { dir, text, settings }: { readonly dir: string; readonly text: string; readonly settings: Settings },
): Promise<void> => {
  const all = { ...settings, ...(await peersOf(context, dir)) }
  try {
    for (const folder of ['keys', 'wal']) mkdirSync(join(dir, folder), { recursive: true, mode: 0o700 })
  } catch (cause) {
    const reason = `cannot be made (${cause instanceof Error ? cause.message : String(cause)})`
    throw new NodeError(SourceErrors.FILE, { file: dir, reason }, { cause })
  }
  const config = join(dir, 'config.toml')
  // Somebody prepared it, or an earlier init was cut off.
  if (existsSync(config)) for (const [key, value] of Object.entries(all)) setInFile(config, key, String(value))
  else writeWhole(config, renderConfig(all))
  writeWhole(join(dir, 'genesis.json'), text)
}
type Settings = Readonly<Partial<Record<ConfigKey, unknown>>>

/** A node among those that it shall begin with does not dial itself. */
const peersOf = async ({ flags }: CommandContext, dir: string): Promise<Settings> => {
  const listed = (text: string | undefined): string[] => (text ?? '').split(',').filter((each) => each !== '')
  const keyFile = identityFile(dir)
  const self = existsSync(keyFile) ? await peerIdOf(p2pKey(keyFile)) : null
  const others = (addresses: readonly string[]): string[] =>
    [...new Set(addresses)].filter((text) => self === null || !text.endsWith(`/p2p/${self}`))
  const fromFile = flags.peers === undefined ? [] : readPeers(flags.peers)
  const bootstrap = others([...fromFile, ...listed(flags['p2p-bootstrap'])])
  const persistent = others(listed(flags['p2p-persistent']))
  for (const text of [...bootstrap, ...persistent]) addressOf(text)
  return {
    ...(bootstrap.length === 0 ? {} : { 'p2p.bootstrap': bootstrap }),
    ...(persistent.length === 0 ? {} : { 'p2p.persistent': persistent }),
  }
}

/** What to type now; a key may have been made in the folder before. */
const nextOf = (dir: string, profile: Profile): string[] => {
  const start = `novachain start --dir ${dir}`
  if (profile !== 'validator' || existsSync(join(dir, KEY_FILE))) return [`next: ${start}`]
  return [`next: novachain keys new --dir ${dir}`, `then: ${start}`]
}
