// The folder of a node as the commands about its validator read it: its network, its identity, its keys, and the node that runs from it.
// Owns whether that node is in step; a command speaks for a validator only where its own node can do what it says.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { asHash, bytesToHex, equalBytes, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { peerIdOf } from '../../p2p/identity.ts'
import { ClientErrors, request } from '../../rpc/client/http.ts'
import type { CommandContext } from '../args.ts'
import { type Config, loadConfig, setInFile } from '../config.ts'
import { developmentSecret } from '../development.ts'
import { holderOf, type KeyHolder } from '../holder.ts'
import { p2pKey } from '../identity.ts'
import { encryptKeystore, keystoreName, newSecret, openKeyFile, writeKeyFile } from '../keystore.ts'
import { askNewPassword, askPassword, type PasswordSource } from '../password.ts'
import { visitSigner } from '../remote/client.ts'
import { remoteOf } from '../remote/files.ts'
import { headOf } from '../roll.ts'
import type { Steps } from '../steps.ts'
import { monotonicClock, systemTimers } from '../system.ts'
import { noMeter, silent } from '../telemetry.ts'
import { requireNodeDir } from './start.ts'
import { consensusOf } from './status.ts'

export const FolderErrors = defineErrors('FOLDER', {
  NETWORK: {
    text: (d: { dir: string; have: string; url: string; want: string }) =>
      `${d.dir} is of the network ${d.have}, and at ${d.url} answers the network ${d.want}: give the --dir and the --rpc of one network. Nothing was sent`,
  },
  NO_NODE: {
    text: (d: { dir: string; urls: string; peerId: string }) =>
      `the node of ${d.dir} (peer ${d.peerId}) does not answer at ${d.urls}: start it with \`novachain start --dir ${d.dir}\`, and give --rpc where it listens elsewhere`,
  },
  BEHIND: { text: (d: { dir: string; reason: string }) => `the node of ${d.dir} is not in step: ${d.reason}` },
  NOT_LOADED: {
    text: (d: { dir: string; blsKey: string }) =>
      `the node of ${d.dir} runs without the key ${d.blsKey}: restart it, with \`novachain start --dir ${d.dir}\`, and type this again`,
  },
  NO_KEY: {
    text: (d: { dir: string; blsKey: string }) =>
      `${d.dir} does not hold the key ${d.blsKey} that is to sign: set validator.keyFile or validator.nextKeyFile to its file`,
  },
  SIGNER_KEYS: {
    text: (d: { url: string; has: number }) =>
      `the signer ${d.url} has ${d.has} key, and the next one is wanted: run \`novachain keys new validator-next --dir <its folder>\` there, restart it, then this node`,
  },
})

export interface Folder {
  readonly dir: string
  readonly config: Config
  readonly genesis: Genesis
  readonly genesisHash: Hex
  readonly peerId: string
}

export async function openFolder({ flags, env }: CommandContext): Promise<Folder> {
  const dir = requireNodeDir(flags.dir ?? env.NOVACHAIN_DIR ?? '.')
  const config = loadConfig(join(dir, 'config.toml'), env, {})
  const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json'), 'utf8'))
  const genesisHash = bytesToHex(await computeGenesisHash(genesis))
  return { dir, config, genesis, genesisHash, peerId: await peerIdOf(p2pKey(resolve(dir, config['p2p.keyFile']))) }
}

// Keys.

type KeySlot = 'validator.keyFile' | 'validator.nextKeyFile'
/** `holder` has the secret, or asks who has it. */
export interface FolderKey {
  readonly blsKey: Uint8Array
  readonly holder: Omit<KeyHolder, 'publicKey'>
}

const sourceOf = ({ dir, config }: Folder, { flags, env }: CommandContext): PasswordSource => {
  const own = config['validator.passwordFile']
  return { file: own === '' ? flags['password-file'] : resolve(dir, own), env }
}
const domainOf = ({ genesis, genesisHash }: Folder) => ({
  chainId: genesis.chainId,
  genesisHash: asHash(hexToBytes(genesisHash)),
})
const keyOf = (folder: Folder, secret: Uint8Array): FolderKey => {
  const holder = holderOf(secret, domainOf(folder))
  return { blsKey: holder.publicKey, holder }
}

/** Those of the signer elsewhere, in its order; null where keys are in this folder. The node has its lease; a visit needs none. */
const keysElsewhere = async (folder: Folder): Promise<readonly FolderKey[] | null> => {
  const { dir, config } = folder
  if (config['validator.signerUrl'] === '') return null
  const at = await remoteOf(dir, config, { takesOver: false })
  const deps = { domain: domainOf(folder), clock: monotonicClock, timers: systemTimers, log: silent, meter: noMeter }
  const names = await visitSigner(at, deps, async (keys) => keys.map(({ publicKey }) => publicKey))
  return names.map((blsKey) => {
    const visit = (ask: (holder: KeyHolder) => Promise<Uint8Array>): Promise<Uint8Array> =>
      visitSigner(at, deps, async (keys) => {
        const holder = keys.find(({ publicKey }) => equalBytes(publicKey, blsKey))
        if (holder === undefined) throw new NodeError(FolderErrors.NO_KEY, { dir, blsKey: bytesToHex(blsKey) })
        return ask(holder)
      })
    const holder: FolderKey['holder'] = {
      own: (operator) => visit((each) => each.own(operator)),
      ready: (...block) => visit((each) => each.ready(...block)),
    }
    return { blsKey, holder }
  })
}

/** The key in this place of the configuration; made there, encrypted, where there is none. */
export async function ensureKey(
  folder: Folder,
  slot: KeySlot,
  fallback: string,
  context: CommandContext,
): Promise<FolderKey> {
  const { dir, config } = folder
  const elsewhere = await keysElsewhere(folder)
  if (elsewhere !== null) {
    const key = elsewhere[slot === 'validator.keyFile' ? 0 : 1]
    if (key !== undefined) return key
    throw new NodeError(FolderErrors.SIGNER_KEYS, { url: config['validator.signerUrl'], has: elsewhere.length })
  }
  const index = config['validator.developmentIndex']
  if (slot === 'validator.keyFile' && index >= 0) return keyOf(folder, developmentSecret(index))
  const file = resolve(dir, config[slot] === '' ? fallback : config[slot])
  const source = sourceOf(folder, context)
  const isThere = existsSync(file)
  const secret = isThere
    ? await openKeyFile(file, 'validator', () => askPassword(source, file))
    : newSecret('validator')
  if (!isThere) {
    const text = await encryptKeystore(secret, await askNewPassword(source, file), { type: 'validator' })
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    await writeKeyFile(file, text)
  }
  if (config[slot] === '') setInFile(join(dir, 'config.toml'), slot, relative(dir, file))
  return keyOf(folder, secret)
}

/** The key that others know by this name. Only its own file is decrypted. Throws FOLDER_NO_KEY. */
export async function findKey(folder: Folder, blsKey: Uint8Array, context: CommandContext): Promise<FolderKey> {
  const { dir, config } = folder
  const elsewhere = await keysElsewhere(folder)
  if (elsewhere !== null) {
    const key = elsewhere.find((each) => equalBytes(each.blsKey, blsKey))
    if (key !== undefined) return key
    throw new NodeError(FolderErrors.NO_KEY, { dir, blsKey: bytesToHex(blsKey) })
  }
  const index = config['validator.developmentIndex']
  const development = index < 0 ? null : keyOf(folder, developmentSecret(index))
  if (development !== null && equalBytes(development.blsKey, blsKey)) return development
  for (const slot of ['validator.keyFile', 'validator.nextKeyFile'] as const) {
    const file = resolve(dir, config[slot])
    if (config[slot] === '' || !existsSync(file)) continue
    const name = await keystoreName(file, 'validator')
    if (name !== null && !equalBytes(name, blsKey)) continue
    const secret = await openKeyFile(file, 'validator', () => askPassword(sourceOf(folder, context), file))
    const found = keyOf(folder, secret)
    if (equalBytes(found.blsKey, blsKey)) return found
  }
  throw new NodeError(FolderErrors.NO_KEY, { dir, blsKey: bytesToHex(blsKey) })
}
// The node that runs from the folder.

const POLL_MS = 500

export interface Place {
  /** Where the network is asked and transactions are sent. */
  readonly url: string
  /** The folder's own node; often the same. */
  readonly own: string
}

/** Where a node's own JSON-RPC is asked from its machine. */
export const ownUrlOf = (config: Config): string => {
  const host = config['rpc.host']
  return `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${config['rpc.port']}`
}

interface NodeInfo {
  readonly id: string | null
  readonly validatorKeys: readonly Hex[]
}
/** null where no node answers, or says so to others only. */
const infoAt = async (url: string): Promise<NodeInfo | null> =>
  request(url, 'admin_nodeInfo').then(
    (info) => info as NodeInfo, // our own method
    (error: unknown) => {
      const codes: readonly string[] = [ClientErrors.UNREACHABLE.code, ClientErrors.ANSWER.code]
      if (error instanceof NodeError && codes.includes(error.code)) return null
      throw error
    },
  )

/** With --wait a node that is away for a while is asked again. */
export async function patiently<T>(context: CommandContext, steps: Steps, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const isAway = error instanceof NodeError && error.code === ClientErrors.UNREACHABLE.code
      if (!isAway || !context.switches.has('wait') || context.signal.aborted) throw error
      steps.doing(error.message)
    }
    await delay(POLL_MS, undefined, { signal: context.signal }).catch(() => {}) // the loop ends at the next failure
  }
}

/**
 * Both of the folder's network, and the second one run from it; with --wait it waits for that. Throws FOLDER_NETWORK before anything else
 * is asked, and FOLDER_NO_NODE.
 */
export async function placeOf(folder: Folder, context: CommandContext, steps: Steps): Promise<Place> {
  const { dir, genesisHash, peerId } = folder
  const own = ownUrlOf(folder.config)
  const url = context.flags.rpc ?? own
  const urls = [...new Set([url, own])]
  for (;;) {
    // Where the network is asked of somebody else, nobody there is a fault of its own.
    const want = await request(url, 'nova_genesisHash').catch((error: unknown) => {
      if (url === own && error instanceof NodeError && error.code === ClientErrors.UNREACHABLE.code) return null
      throw error
    })
    if (want !== null && want !== genesisHash)
      throw new NodeError(FolderErrors.NETWORK, { dir, have: genesisHash, url, want: String(want) })
    for (const each of urls) if ((await infoAt(each))?.id === peerId) return { url, own: each }
    if (!context.switches.has('wait') || context.signal.aborted)
      throw new NodeError(FolderErrors.NO_NODE, { dir, peerId, urls: urls.join(' and ') })
    steps.doing(`waits for the node of ${dir}: novachain start --dir ${dir}`)
    await delay(POLL_MS, undefined, { signal: context.signal }).catch(() => {}) // the loop's condition sees it
  }
}

/** Heights that a node may differ by from another and still be in step. */
const SLACK_BLOCKS = 3

/** A busy machine puts a node a few blocks behind at any moment: so long it is waited for in any case. */
const LAG_MS = 10_000

/** Returns once the folder's node is at the head; with --wait it waits for that as long as it takes. Throws FOLDER_BEHIND. */
export async function inStep(folder: Folder, place: Place, context: CommandContext, steps: Steps): Promise<void> {
  const untilMs = Date.now() + LAG_MS
  for (;;) {
    const reason = await patiently(context, steps, () => lagOf(folder, place))
    if (reason === null) return
    if (context.signal.aborted || (!context.switches.has('wait') && Date.now() >= untilMs))
      throw new NodeError(FolderErrors.BEHIND, { dir: folder.dir, reason })
    steps.doing(`the node catches up: ${reason}`)
    await delay(POLL_MS, undefined, { signal: context.signal }).catch(() => {}) // the loop's condition sees it
  }
}

/** How far the node is from the head, in words; null where it is there. */
const lagOf = async ({ genesis }: Folder, { url, own }: Place): Promise<string | null> => {
  const [head, consensus, network] = await Promise.all([headOf(own), consensusOf(own), headOf(url)])
  if (network.height > head.height + SLACK_BLOCKS)
    return `it is at height ${head.height}, the network at ${network.height}: ${network.height - head.height} blocks to go`
  const ageMs = Date.now() - head.time * 1_000
  if (consensus.behind)
    return `it is at height ${head.height}, whose block is ${Math.round(ageMs / 1_000)} s old: about ${Math.ceil(ageMs / genesis.blockTimeMs)} blocks to go`
  return consensus.halt === null ? null : `no block comes: ${consensus.halt}`
}

/** Returns once the folder's node has the key; with --wait it waits for its restart. Throws FOLDER_NOT_LOADED. */
export async function loaded(
  folder: Folder,
  { own }: Place,
  blsKey: Uint8Array,
  context: CommandContext,
  steps: Steps,
): Promise<void> {
  const key = bytesToHex(blsKey)
  for (;;) {
    const info = await infoAt(own)
    if (info !== null && info.id === folder.peerId && info.validatorKeys.includes(key)) return
    const { dir } = folder
    if (!context.switches.has('wait') || context.signal.aborted)
      throw new NodeError(FolderErrors.NOT_LOADED, { dir, blsKey: key })
    steps.doing(`waits for a restart of the node, so that it has the key ${key}: novachain start --dir ${dir}`)
    await delay(POLL_MS, undefined, { signal: context.signal }).catch(() => {}) // the loop's condition sees it
  }
}
