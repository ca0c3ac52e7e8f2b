// content: what a stopped node holds of VM states and audit entries, as one CAR file and back again: a node is rebuilt from another's. Owns the
// file, and the question whether all that the chain needs is there.
import { createReadStream, createWriteStream, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { type Command, type CommandContext, exitCode, UsageErrors } from '../args.ts'
import { loadConfig } from '../config.ts'
import { ContentErrors } from '../content.ts'
import { newestDigests } from '../content-references.ts'
import { type Ipfs, openIpfs } from '../ipfs.ts'
import { silent } from '../telemetry.ts'
import { contentOf, requireNodeDir } from './start.ts'

const usage = 'content backup|restore <file.car> --dir <dir>'

const ContentCommandErrors = defineErrors('CONTENTCMD', {
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
  LACKING: {
    text: (d: { digests: readonly string[]; height: number }) =>
      `restored, but ${d.digests.length} newest states that the chain had at height ${d.height} are not here: ${d.digests.slice(0, 5).join(', ')}${d.digests.length > 5 ? ', …' : ''}; restore another node's backup as well`,
  },
})

export const content: Command = {
  usage,
  summary: 'Write what a stopped node holds of content into a CAR file, or take such a file in.',
  argsMax: 2,
  options: { dir: 'folder of the node' },
  async run(context) {
    const [name = '', file, ...rest] = context.args
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined || file === undefined || rest.length > 0)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected backup or restore, and a file', usage })
    const dir = requireNodeDir(context.flags.dir ?? context.env.NOVACHAIN_DIR ?? '.')
    const options = contentOf(loadConfig(join(dir, 'config.toml'), context.env, {}), dir)
    if (options === null) throw new NodeError(ContentErrors.OFF, undefined)
    // Alone: it listens nowhere and dials nobody.
    const ipfs = await openIpfs(
      { clock: { nowMs: () => Date.now() }, log: silent },
      { ...options, dir: join(dir, 'content', 'ipfs'), listen: [], peers: [] },
    )
    try {
      await verb(context, { ipfs, file, dir })
    } finally {
      await ipfs.close()
    }
    return exitCode.ok
  },
}

interface Job {
  readonly ipfs: Ipfs
  readonly file: string
  readonly dir: string
}

const backup = async ({ out, signal }: CommandContext, { ipfs, file }: Job): Promise<void> => {
  if (existsSync(file)) throw refused(file, 'it is there already')
  const contents = (await ipfs.pinned()).length
  let bytes = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of ipfs.backup()) {
      bytes += chunk.length
      yield chunk
    }
  }
  // What is on its disk may be sealed or not: it is for its owner alone.
  await pipeline(counted, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal }).catch((error: unknown) => {
    rmSync(file, { force: true })
    throw fault(file, error)
  })
  out({ file, contents, bytes }, `${contents} contents in ${file}, ${bytes} bytes`)
}

const restore = async ({ out }: CommandContext, { ipfs, file, dir }: Job): Promise<void> => {
  if (!existsSync(file)) throw refused(file, 'there is no such file')
  const { contents, blocks, bytes } = await ipfs.restore(createReadStream(file)).catch((error: unknown) => {
    throw fault(file, error)
  })
  // What this node read of the chain before, where it read any: of a new one nothing is known yet.
  const needed = await newestDigests(join(dir, 'content'))
  const here = new Set((await ipfs.pinned()).map(({ digest }) => bytesToHex(digest)))
  const digests = (needed?.digests ?? []).map(bytesToHex).filter((digest) => !here.has(digest))
  if (needed !== null && digests.length > 0)
    throw new NodeError(ContentCommandErrors.LACKING, { digests, height: needed.height })
  const whole = needed === null ? '' : `; every VM's newest state at height ${needed.height} is here`
  out(
    { contents, blocks, bytes, height: needed?.height ?? null },
    `${contents} contents are here and whole, ${blocks} blocks, ${bytes} bytes${whole}`,
  )
}

const VERBS: Readonly<Record<string, (context: CommandContext, job: Job) => Promise<void>>> = { backup, restore }

const refused = (file: string, reason: string, cause?: unknown): NodeError =>
  new NodeError(ContentCommandErrors.FILE, { file, reason }, { cause })
/** What is said of content stays as it is; of a file the system says it. */
const fault = (file: string, error: unknown): unknown =>
  error instanceof NodeError || !(error instanceof Error) ? error : refused(file, error.message, error)
