// init: the folder of a node: its genesis and a commented config.toml.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, exitCode, UsageErrors } from '../args.ts'
import { renderConfig } from '../config.ts'
import { readGenesis } from './genesis.ts'

const InitErrors = defineErrors('INIT', {
  EXISTS: { text: (d: { dir: string }) => `${d.dir} has a genesis.json already: choose another folder` },
  FETCH: { text: (d: { url: string; reason: string }) => `cannot read ${d.url}: ${d.reason}` },
})
const usage = 'init <dir> --genesis <file|url> [--profile validator|full|archive]'
/** Where `keys new` puts a validator's key. */
const KEY_FILE = 'keys/validator.json'
const profiles = {
  validator: { 'validator.keyFile': KEY_FILE },
  full: {},
  archive: { 'state.historyBlocks': -1, 'state.proofBlocks': -1 },
} as const

export const init: Command = {
  usage,
  summary: 'Make the folder of a node.',
  argsMax: 1,
  options: { genesis: 'file or URL of genesis.json', profile: 'validator, full or archive' },
  async run({ args, flags, out }) {
    const [dir] = args
    const source = flags.genesis
    if (dir === undefined || source === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a folder and --genesis', usage })
    const profile = flags.profile ?? 'full'
    if (profile !== 'validator' && profile !== 'full' && profile !== 'archive')
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no profile ${profile}`, usage })
    if (existsSync(join(dir, 'genesis.json'))) throw new NodeError(InitErrors.EXISTS, { dir })
    const text = /^https?:/.test(source) ? await fetchText(source) : readGenesis(source)
    const genesisHash = bytesToHex(await computeGenesisHash(parseGenesis(text)))
    for (const folder of ['keys', 'wal']) mkdirSync(join(dir, folder), { recursive: true, mode: 0o700 })
    writeFileSync(join(dir, 'config.toml'), renderConfig(profiles[profile]))
    writeFileSync(join(dir, 'genesis.json'), text)
    const next = nextOf(dir, profile)
    out({ dir, genesisHash, profile, next }, [`made ${dir} for network ${genesisHash}`, ...next].join('\n'))
    return exitCode.ok
  },
}

/** What to type now; a key may have been made in the folder before. */
const nextOf = (dir: string, profile: keyof typeof profiles): string[] => {
  const start = `novachain start --dir ${dir}`
  if (profile !== 'validator' || existsSync(join(dir, KEY_FILE))) return [`next: ${start}`]
  return [
    `next: novachain keys new --dir ${dir}`,
    `then: name its key under novachain.validators in ${join(dir, 'genesis.json')}, the same file on every node`,
    `then: ${start}`,
  ]
}

const GENESIS_MAX_BYTES = 64 * 1024 * 1024
const fetchText = async (url: string): Promise<string> => {
  const refuse = (reason: string) => new NodeError(InitErrors.FETCH, { url, reason })
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) }).catch((error: unknown) => {
    throw refuse(error instanceof Error ? error.message : String(error))
  })
  if (!response.ok) throw refuse(`HTTP ${response.status}`)
  const text = await response.text()
  if (text.length > GENESIS_MAX_BYTES) throw refuse(`above ${GENESIS_MAX_BYTES} bytes`)
  return text
}
