// snapshot: the state of a node as a file, for nodes that begin with it; what is in such files, whether they are whole and of the chain, and a
// new folder out of one. Owns where the reader's trust comes from: flags, config.toml or the genesis, as `start --sync state` has it.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { createSnapshotSource, type FirstBlock, firstBlock, type Restore } from '../../chain/snapshot.ts'
import { type Genesis, parseGenesis, rulesOf } from '../../chain/types/genesis.ts'
import type { Checkpoint } from '../../chain/types/run.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { BeginErrors, hasDatabase, intoDatabase, requireDatabase } from '../begin.ts'
import { type ByteStream, openBytes } from '../bytes.ts'
import { loadConfig } from '../config.ts'
import { DISK_LEAST_BYTES, freeBytes } from '../disk.ts'
import { sizeOf } from '../doctor/machine.ts'
import {
  type OpenSnapshot,
  openSnapshot,
  readSnapshotHead,
  SNAPSHOT_HEAD_BYTES,
  type SnapshotHead,
  type SnapshotSink,
  writeSnapshot,
} from '../snapshotfile.ts'
import { intoFile, isUrl, readGenesis } from '../source.ts'
import { withCopy } from '../store-copy.ts'
import { systemClock } from '../system.ts'
import { checkpointOf } from '../trust.ts'
import { requireNodeDir } from './start.ts'
import { createLine, openStopped } from './stopped.ts'

const usage = 'snapshot create|list|verify|restore <file|folder|url> [--dir <dir>]'

export const SnapshotCommandErrors = defineErrors('SNAPSHOTCMD', {
  EXISTS: { text: (d: { file: string }) => `${d.file} exists: choose another name, or --yes overwrites it` },
  FULL: {
    text: (d: { dir: string; free: number; need: number }) =>
      `${Math.floor(d.free / 1_048_576)} MB are free on the disk of ${d.dir}, at least ${Math.floor(d.need / 1_048_576)} MB are to stay so: ` +
      'free space, and give the same command again, which goes on',
  },
  INDEX: {
    text: (d: { url: string; reason: string }) =>
      `${d.url} is neither a snapshot nor a list of some: ${d.reason}. A list is a text with a file's name a line, up to ${INDEX_NAMES_MAX}`,
  },
})

const INDEX_NAMES_MAX = 256
const INDEX_BYTES_MAX = 64 * 1024

export const snapshot: Command = {
  usage,
  summary:
    'Write the state of a node to a file, while it runs or not; list and verify such files, and make a node’s database of one.',
  verbs: [
    'snapshot create <file|folder> --dir <dir>',
    'snapshot list <folder|file|url>',
    'snapshot verify <file|url> --dir <dir>|--genesis <file|url> [--trust-height <height> --trust-hash <hash>]',
    'snapshot restore <file|url> --dir <dir> [--trust-height <height> --trust-hash <hash>]',
  ],
  argsMax: 2,
  options: {
    dir: 'folder of the node; verify and restore: made by init',
    genesis: 'verify: genesis.json of the network, where there is no folder',
    'trust-height':
      'verify and restore: height of a block known to be of this network; default sync.trustHeight, else the genesis',
    'trust-hash': 'hash of that block',
  },
  switches: { yes: 'create: overwrite the file' },
  async run(context) {
    const [name = '', place] = context.args
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined || place === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, {
        reason: 'expected create, list, verify or restore, and a file, folder or URL',
        usage,
      })
    return verb(context, place)
  },
}

const dirOf = ({ flags, env }: CommandContext): string => requireNodeDir(flags.dir ?? env.NOVACHAIN_DIR ?? '.')

/** As `--json` has it. */
const factsOf = (head: SnapshotHead) => ({
  ...{ network: bytesToHex(head.genesisHash), chainId: Number(head.chainId) },
  ...{ height: head.height, hash: bytesToHex(head.hash), time: new Date(head.timeMs).toISOString() },
  ...{ trustFrom: head.lowest, pieces: head.pieces, accounts: head.accounts, slots: head.slots, codes: head.codes },
  ...{ sizeBytes: SNAPSHOT_HEAD_BYTES + head.sizeBytes, sha256: Buffer.from(head.digest).toString('hex') },
})
const trustOf = ({ height, hash }: SnapshotHead): string => `--trust-height ${height} --trust-hash ${bytesToHex(hash)}`

// create

const create = async (context: CommandContext, place: string): Promise<ExitCode> => {
  const { out } = context
  const dir = requireDatabase(dirOf(context))
  const isFolder = existsSync(place) && statSync(place).isDirectory()
  if (!isFolder) refuseExisting(context, place)
  const { file, head } = await withCopy(dir, (staged) =>
    createFrom(context, (name) => (isFolder ? join(place, name) : place), { dir, staged }),
  )
  const { sizeBytes, accounts, height } = factsOf(head)
  out(
    { file, ...factsOf(head) },
    [
      `${file}: ${accounts} accounts after block ${height}, ${sizeOf(sizeBytes)}`,
      `whoever trusts that block: novachain snapshot restore ${file} --dir <dir> ${trustOf(head)}`,
    ].join('\n'),
  )
  return exitCode.ok
}
const refuseExisting = ({ switches }: CommandContext, file: string): void => {
  if (existsSync(file) && !switches.has('yes')) throw new NodeError(SnapshotCommandErrors.EXISTS, { file })
}

const createFrom = async (
  context: CommandContext,
  fileOf: (name: string) => string,
  { dir, staged }: { readonly dir: string; readonly staged: string },
): Promise<{ readonly file: string; readonly head: SnapshotHead }> => {
  const { env, signal } = context
  const { chain, kv, close } = await openStopped(dir, env, join(staged, 'db'))
  const screen = createLine()
  try {
    const file = fileOf(`${chain.genesis.chainId}-${chain.head().header.number}.snapshot`)
    refuseExisting(context, file)
    const parts = { chain, source: createSnapshotSource(kv, nextTurn) }
    const head = await intoFile(file, (handle) =>
      writeSnapshot(handle, parts, (accounts) => {
        signal.throwIfAborted()
        screen.tell(`${accounts} accounts`)
      }),
    )
    return { file, head }
  } finally {
    screen.end()
    await close()
  }
}

// list

const list = async ({ out }: CommandContext, place: string): Promise<ExitCode> => {
  const isFolder = !isUrl(place) && existsSync(place) && statSync(place).isDirectory()
  const places = isFolder ? filesIn(place) : isUrl(place) ? await placesAt(place) : [place]
  const found: object[] = []
  const lines: string[] = []
  for (const each of places) {
    const head = await headOf(each).catch((error: unknown) => {
      if (!(error instanceof NodeError) || places.length === 1) throw error
      return error
    })
    if (head instanceof NodeError) {
      // Beside snapshots a folder may hold anything.
      if (isFolder && head.code === 'SNAPFILE_OTHER') continue
      found.push({ place: each, fault: head.message })
      lines.push(head.message)
      continue
    }
    const facts = factsOf(head)
    found.push({ place: each, ...facts })
    const { network, chainId, height, time, accounts, sizeBytes } = facts
    lines.push(
      `${each}  height ${height} of ${time}, network ${network} (chain ${chainId}), ${accounts} accounts, ${sizeOf(sizeBytes)}`,
    )
  }
  out({ snapshots: found }, lines.length === 0 ? `no snapshots in ${place}` : lines.join('\n'))
  return exitCode.ok
}

const filesIn = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) => (entry.isFile() ? [join(dir, entry.name)] : []))
    .sort()

const headOf = async (place: string): Promise<SnapshotHead> =>
  within(await openBytes(place, { firstBytes: SNAPSHOT_HEAD_BYTES }), readSnapshotHead)

const within = async <T>(stream: ByteStream, work: (stream: ByteStream) => Promise<T>): Promise<T> => {
  try {
    return await work(stream)
  } finally {
    await stream.close()
  }
}

/** Of a list, names beneath its own URL; of a snapshot, itself. */
const placesAt = async (url: string): Promise<string[]> => {
  const bytes = await within(await openBytes(url), (stream) => stream.read(INDEX_BYTES_MAX + 1))
  if (new TextDecoder('latin1').decode(bytes.subarray(0, 8)) === 'NOVASNAP') return [url]
  const refuse = (reason: string) => new NodeError(SnapshotCommandErrors.INDEX, { url, reason })
  if (bytes.length > INDEX_BYTES_MAX) throw refuse(`more than ${INDEX_BYTES_MAX} bytes`)
  const names = new TextDecoder('latin1')
    .decode(bytes)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (names.length > INDEX_NAMES_MAX) throw refuse(`${names.length} lines`)
  return names.map((name) => {
    if (!/^[A-Za-z0-9._-]{1,200}$/.test(name) || name.startsWith('.'))
      throw refuse(`a line is ${JSON.stringify(name.slice(0, 40))}`)
    return new URL(name, url).href
  })
}

// verify and restore

interface Network {
  readonly genesis: Genesis
  readonly first: FirstBlock
  readonly checkpoint: Checkpoint | null
}
const networkOf = async ({ flags, env }: CommandContext, dir: string | null, text: string): Promise<Network> => {
  const config = loadConfig(dir === null ? null : join(dir, 'config.toml'), env, {
    'sync.trustHeight': flags['trust-height'],
    'sync.trustHash': flags['trust-hash'],
  })
  const checkpoint = checkpointOf(config['sync.trustHeight'], config['sync.trustHash'])
  const genesis = parseGenesis(text)
  return { genesis, checkpoint, first: await firstBlock(genesis) }
}

const opened = (stream: ByteStream, { genesis, ...trust }: Network): Promise<OpenSnapshot> =>
  openSnapshot(stream, { rules: rulesOf(genesis), ...trust, nowMs: systemClock.nowMs() })

/** What stops it between two pieces, and the line that says how far it is. */
const watched = (
  { signal }: CommandContext,
  { accounts: all }: SnapshotHead,
  sink: SnapshotSink,
): SnapshotSink & { end(): void } => {
  const screen = createLine()
  let accounts = 0
  return {
    async piece(piece) {
      signal.throwIfAborted()
      await sink.piece(piece)
      if (piece.kind === 'accounts') accounts += piece.accounts.length
      screen.tell(`${accounts} of ${all} accounts`)
      await nextTurn()
    },
    async code(bytes, hash) {
      signal.throwIfAborted()
      await sink.code(bytes, hash)
    },
    end: () => screen.end(),
  }
}

const verify = async (context: CommandContext, place: string): Promise<ExitCode> => {
  const { flags, out } = context
  const dir = flags.genesis === undefined ? dirOf(context) : null
  const text = await readGenesis(flags.genesis ?? join(dir ?? '', 'genesis.json'))
  const network = await networkOf(context, dir, text)
  return within(await openBytes(place), async (stream) => {
    const { head, state } = await opened(stream, network)
    const sink = watched(context, head, { piece: async () => {}, code: async () => {} })
    await state(sink).finally(() => sink.end())
    const by =
      network.checkpoint === null ? 'the genesis' : `block ${network.checkpoint.height}, which you say is right`
    const { accounts, slots, codes } = head
    out(
      { file: place, ...factsOf(head) },
      `whole: ${accounts} accounts, ${slots} slots, ${codes} codes; block ${head.height} (${bytesToHex(head.hash)}) is final by ${by}`,
    )
    return exitCode.ok
  })
}

/** Looks for room every so many pieces of a quarter of a megabyte. */
const LOOK_EVERY_PIECES = 64

const restore = async (context: CommandContext, place: string): Promise<ExitCode> => {
  const { out } = context
  const dir = dirOf(context)
  if (hasDatabase(dir)) throw new NodeError(BeginErrors.EXISTS, { dir })
  const network = await networkOf(context, dir, readFileSync(join(dir, 'genesis.json'), 'utf8'))
  return within(await openBytes(place), async (stream) => {
    // What cannot be trusted leaves the folder as it is.
    const { head, target, begin, state } = await opened(stream, network)
    let isNew = false
    const fetch = async (into: Restore): Promise<void> => {
      isNew = true
      into.aim({ height: head.height, root: target.header.stateRoot })
      const sink = watched(context, head, sinkOf(into, dir))
      await state(sink).finally(() => sink.end())
      await into.finish(begin)
    }
    await intoDatabase(dir, network.genesis, fetch, network.first)
    const told = isNew
      ? `${dir} has the state after block ${head.height}: ${head.accounts} accounts`
      : `${dir} had a whole state already, which was only to be put in its place`
    const next = `novachain start --dir ${dir}`
    out({ dir, isNew, ...factsOf(head), next }, `${told}\nnext: ${next}`)
    return exitCode.ok
  })
}

const sinkOf = (restore: Restore, dir: string): SnapshotSink => {
  let pieces = 0
  return {
    async piece(piece) {
      if (pieces++ % LOOK_EVERY_PIECES === 0) {
        const free = await freeBytes(dir)
        if (free !== null && free < DISK_LEAST_BYTES)
          throw new NodeError(SnapshotCommandErrors.FULL, { dir, free, need: DISK_LEAST_BYTES })
      }
      await restore.take(piece)
    },
    async code(bytes, hash) {
      if (restore.lacksCode(hash)) await restore.takeCodes([bytes])
    },
  }
}

const VERBS: Readonly<Record<string, (context: CommandContext, place: string) => Promise<ExitCode>>> = {
  ...{ create, list, verify, restore },
}
