// backup and restore: the folder of a validator as one file, made while its node runs or not, and put back elsewhere. Owns the file's form:
// a tar with a list of contents and their hashes in front. The signer record is never in it: it would be older than what was signed since,
// and whoever put it back would sign twice. So a restored node follows and says by itself what it needs to sign again.
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { copyFile, mkdir, open, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { create, extract, list } from 'tar'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { openChain } from '../../chain/chain.ts'
import { openKv } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { requireDatabase } from '../begin.ts'
import { loadConfig } from '../config.ts'
import { freeBytes } from '../disk.ts'
import { sizeOf } from '../doctor/machine.ts'
import { readKeyFile } from '../keystore.ts'
import { GENESIS_MAX_BYTES, readText } from '../source.ts'
import { createSteps } from '../steps.ts'
import { withCopy } from '../store-copy.ts'
import { systemClock } from '../system.ts'
import { noMeter, silent } from '../telemetry.ts'
import { version } from '../version.ts'
import { requireNodeDir } from './start.ts'

export const BackupErrors = defineErrors('BACKUP', {
  EXISTS: { text: (d: { file: string }) => `${d.file} exists, and a backup overwrites nothing: choose another name` },
  PLAIN: {
    text: (d: { file: string }) =>
      `${d.file} is not encrypted, and a backup holds encrypted keys only: \`novachain keys import --from ${d.file}\` makes a keystore of it, or leave --with-keys out and keep the key elsewhere`,
  },
  SPACE: {
    text: (d: { where: string; free: number; need: number }) =>
      `${sizeOf(d.free)} are free in ${d.where}, and it takes ${sizeOf(d.need)}: free space, or choose a place on another disk`,
  },
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
  DAMAGED: {
    text: (d: { file: string; reason: string }) =>
      `${d.file} is no whole backup: ${d.reason}; nothing was restored. Take another copy of it, or an older backup`,
  },
  OCCUPIED: {
    text: (d: { dir: string }) =>
      `${d.dir} is there and not empty: restore into a new folder, and move the old one away only when no process runs from it`,
  },
})

const FORMAT = 'novachain backup 1'
const MANIFEST = 'backup.json'
const MANIFEST_MAX_BYTES = 32 * 1024 * 1024
/** Nothing else is ever in one, and nothing else is taken out of one. */
const CONTENTS =
  /^(genesis\.json|config\.toml|p2p\.key|keys\/[a-zA-Z0-9][a-zA-Z0-9._-]{0,80}|wal\/consensus\.wal|db\/(CURRENT|MANIFEST-\d{1,20}|\d{1,20}\.(ldb|sst|log)))$/

interface Entry {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}
interface Manifest {
  readonly format: string
  readonly version: string
  readonly madeAt: string
  readonly genesisHash: string
  readonly height: number
  readonly hash: string
  readonly files: readonly Entry[]
}

export const backup: Command = {
  usage: 'backup <file> --dir <dir> [--with-keys]',
  summary:
    'The folder of a node as one file, while it runs: database, log, genesis, configuration; keys only encrypted, never the signer record.',
  argsMax: 1,
  options: { dir: 'folder of the node' },
  switches: { 'with-keys': 'with the encrypted keystores of keys/, and the node’s name among peers' },
  async run(context) {
    const [name] = context.args
    if (name === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a file', usage: backup.usage })
    return give(context, resolve(name), requireNodeDir(context.flags.dir ?? context.env.NOVACHAIN_DIR ?? '.'))
  },
}

export const restore: Command = {
  usage: 'restore <file> --dir <dir>',
  summary: 'Put a backup into a new folder; its validator signs nothing until its operator answers for the time since.',
  argsMax: 1,
  options: { dir: 'folder to make; it must not be there, or be empty' },
  async run(context) {
    const [name] = context.args
    const dir = context.flags.dir ?? context.env.NOVACHAIN_DIR
    if (name === undefined || dir === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a file and --dir', usage: restore.usage })
    return take(context, resolve(name), resolve(dir))
  },
}

const give = async ({ switches, out }: CommandContext, file: string, dir: string): Promise<ExitCode> => {
  if (existsSync(file)) throw new NodeError(BackupErrors.EXISTS, { file })
  if (!existsSync(dirname(file))) throw new NodeError(BackupErrors.FILE, { file, reason: 'there is no such folder' })
  requireDatabase(dir)
  const steps = createSteps()
  const fresh = `${file}.${randomUUID()}.new`
  steps.doing(`copies the database of ${dir}`)
  const pack = async (staged: string) => {
    await gather(dir, staged, switches.has('with-keys'))
    // Opening it writes out what was in the logs, and shows that it is whole.
    const head = await headIn(staged)
    steps.doing(`hashes block ${head.height} and below`)
    const files = await entriesOf(staged)
    const need = files.reduce((sum, { bytes }) => sum + bytes, 0) + MANIFEST_MAX_BYTES
    const free = await freeBytes(dirname(file))
    if (free !== null && free < need) throw new NodeError(BackupErrors.SPACE, { where: dirname(file), free, need })
    const manifest: Manifest = { format: FORMAT, version, madeAt: new Date().toISOString(), ...head, files }
    await writeFile(join(staged, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 })
    steps.doing(`writes ${file}`)
    await create({ file: fresh, cwd: staged, mode: 0o600, portable: true }, [
      MANIFEST,
      ...files.map(({ path }) => path),
    ])
    await synced(fresh)
    await rename(fresh, file)
    return head
  }
  try {
    const head = await withCopy(dir, pack)
    steps.close()
    const { size } = statSync(file)
    out(
      { file, bytes: size, ...head, withKeys: switches.has('with-keys') },
      `wrote ${file}: ${sizeOf(size)}, block ${head.height} ${head.hash}, ${switches.has('with-keys') ? 'keys encrypted' : 'no keys'}, no signer record`,
    )
    return exitCode.ok
  } finally {
    await rm(fresh, { force: true })
  }
}

/** The log comes after the database: what it shows to be signed is then never less than what the database shows. */
const gather = async (dir: string, staged: string, withKeys: boolean): Promise<void> => {
  await mkdir(join(staged, 'wal'), { mode: 0o700 })
  const wal = join('wal', 'consensus.wal')
  if (existsSync(join(dir, wal))) await copyFile(join(dir, wal), join(staged, wal))
  for (const name of ['genesis.json', 'config.toml'])
    if (existsSync(join(dir, name))) await copyFile(join(dir, name), join(staged, name))
  if (!withKeys) return
  const keys = join(dir, 'keys')
  await mkdir(join(staged, 'keys'), { mode: 0o700 })
  for (const name of existsSync(keys) ? readdirSync(keys).filter((each) => !each.endsWith('.lock')) : []) {
    if (!(await readKeyFile(join(keys, name))).trimStart().startsWith('{'))
      throw new NodeError(BackupErrors.PLAIN, { file: join(keys, name) })
    await copyFile(join(keys, name), join(staged, 'keys', name))
  }
  const identity = resolve(dir, loadConfig(join(dir, 'config.toml'), {}, {})['p2p.keyFile'])
  if (existsSync(identity)) await copyFile(identity, join(staged, 'p2p.key'))
}

/** Opens the chain in a folder and closes it. Throws STORE_* where it is not whole. */
const headIn = async (dir: string) => {
  const genesis = parseGenesis(readText(join(dir, 'genesis.json'), GENESIS_MAX_BYTES))
  const kv = await openKv(join(dir, 'db'))
  const pause = async (): Promise<void> => {}
  const deps = { kv, engine: createChainEngine(genesis), clock: systemClock, pause, log: silent, meter: noMeter }
  const options = { historyBlocks: null, proofBlocks: null, cacheBytes: 16 * 1024 * 1024, pool: {} }
  const chain = await openChain(deps, genesis, options).catch(async (error: unknown) => {
    await kv.close()
    throw error
  })
  const { header, hash } = chain.head()
  const found = { genesisHash: bytesToHex(chain.genesisHash), height: header.number, hash: bytesToHex(hash) }
  await chain.close()
  return found
}

const entriesOf = async (staged: string): Promise<Entry[]> => {
  const names = readdirSync(staged, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(staged.length + 1))
    .filter((path) => CONTENTS.test(path))
    .sort()
  const files: Entry[] = []
  for (const path of names) files.push({ path, ...(await digestOf(join(staged, path))) })
  return files
}
const digestOf = async (file: string): Promise<{ readonly bytes: number; readonly sha256: string }> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return { bytes: statSync(file).size, sha256: hash.digest('hex') }
}
const synced = async (file: string): Promise<void> => {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// Back.

const take = async ({ out }: CommandContext, file: string, dir: string): Promise<ExitCode> => {
  if (existsSync(dir) && readdirSync(dir).length > 0) throw new NodeError(BackupErrors.OCCUPIED, { dir })
  if (!existsSync(file)) throw new NodeError(BackupErrors.FILE, { file, reason: 'there is no such file' })
  const steps = createSteps()
  const staged = join(dirname(dir), `.${basename(dir)}.restore-${process.pid}`)
  const damaged = (reason: string, cause?: unknown) => new NodeError(BackupErrors.DAMAGED, { file, reason }, { cause })
  try {
    await mkdir(staged, { recursive: true, mode: 0o700 })
    steps.doing(`reads ${file}`)
    const manifest = await readManifest(file, damaged)
    const need = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0)
    const free = await freeBytes(staged)
    if (free !== null && free < need) throw new NodeError(BackupErrors.SPACE, { where: dirname(dir), free, need })
    const sizes = new Map(manifest.files.map(({ path, bytes }) => [path, bytes]))
    const isListed = (path: string, entry: unknown): boolean => sizes.get(path) === (entry as { size?: number }).size // of an archive it is always an entry
    await extract({ file, cwd: staged, strict: true, preserveOwner: false, filter: isListed }).catch(
      (cause: unknown) => {
        throw damaged(cause instanceof Error ? cause.message : String(cause), cause)
      },
    )
    for (const { path, bytes, sha256 } of manifest.files) {
      const at = join(staged, path)
      const found = existsSync(at) ? await digestOf(at) : null
      if (found === null || found.bytes !== bytes || found.sha256 !== sha256)
        throw damaged(found === null ? `${path} is missing` : `${path} has another hash than its list says`)
    }
    steps.doing('opens the database')
    const head = await headIn(staged)
    if (head.hash !== manifest.hash || head.genesisHash !== manifest.genesisHash)
      throw damaged(
        `its last block is ${head.height} ${head.hash}, and its list says ${manifest.height} ${manifest.hash}`,
      )
    if (existsSync(dir)) await rmdir(dir)
    await rename(staged, dir)
    steps.close()
    out({ dir, madeAt: manifest.madeAt, ...head, files: manifest.files.length }, textOf(dir, manifest))
    return exitCode.ok
  } finally {
    await rm(staged, { recursive: true, force: true })
  }
}

const textOf = (dir: string, { height, hash, madeAt }: Manifest): string =>
  [
    `restored ${dir}: block ${height} ${hash}, as of ${madeAt}`,
    'The old node must never run again with this key: two processes with one key are slashed.',
    `next: novachain start --dir ${dir}`,
    'It follows without signing. When it is at the head, `novachain status` says from where on it may sign, and with which flag.',
  ].join('\n')

const readManifest = async (
  file: string,
  damaged: (reason: string, cause?: unknown) => NodeError,
): Promise<Manifest> => {
  const chunks: Buffer[] = []
  let isFirst = true
  await list({
    file,
    strict: true,
    onReadEntry(entry) {
      const isIt = isFirst && entry.path === MANIFEST && entry.size <= MANIFEST_MAX_BYTES
      isFirst = false
      if (isIt) entry.on('data', (chunk) => chunks.push(Buffer.from(chunk)))
      else entry.resume()
    },
  }).catch((cause: unknown) => {
    throw damaged(cause instanceof Error ? cause.message : String(cause), cause)
  })
  const manifest = parsed(Buffer.concat(chunks).toString('utf8'))
  if (manifest === null) throw damaged(`it does not begin with ${MANIFEST} of the form "${FORMAT}"`)
  for (const { path } of manifest.files)
    if (!CONTENTS.test(path)) throw damaged(`it lists ${JSON.stringify(path)}, which is no part of a backup`)
  return manifest
}

const parsed = (text: string): Manifest | null => {
  try {
    const json: Partial<Manifest> = JSON.parse(text)
    const { format, height, hash, genesisHash, madeAt, files } = json
    const areTexts = [hash, genesisHash, madeAt].every((each) => typeof each === 'string')
    const isEntry = ({ path, bytes, sha256 }: Entry): boolean =>
      typeof path === 'string' && Number.isSafeInteger(bytes) && bytes >= 0 && typeof sha256 === 'string'
    const isWhole =
      format === FORMAT && Number.isSafeInteger(height) && areTexts && Array.isArray(files) && files.every(isEntry)
    return isWhole ? (json as Manifest) : null // every field that is read was looked at
  } catch {
    return null
  }
}
