// keys: the encrypted keys of a node's folder. Makes, imports, lists, shows and exports them; prints no secret, and overwrites none.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { possessionBytes } from '../../chain/types/vote.ts'
import { peerIdOf } from '../../p2p/identity.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { loadConfig } from '../config.ts'
import { identityFile, p2pKey } from '../identity.ts'
import {
  decryptKeystore,
  encryptKeystore,
  KeystoreErrors,
  type KeyType,
  nameOf,
  newSecret,
  openKeyFile,
  parseKeystore,
  readKeyFile,
  writeKeyFile,
} from '../keystore.ts'
import { askNewPassword, askPassword, type PasswordSource } from '../password.ts'

export const KeysErrors = defineErrors('KEYS', {
  NONE: {
    text: (d: { name: string; dir: string; known: string }) =>
      `there is no key ${d.name} in ${d.dir}; there is ${d.known === '' ? 'none: run novachain keys new' : d.known}`,
  },
  UNCONFIRMED: {
    text: (d: { file: string }) =>
      `refused: ${d.file} would hold the secret in the clear, for whoever reads it; add --yes if you mean it`,
  },
})

const usage = 'keys new|import|list|show|export [<name>] [--type validator|account|p2p] [--dir <dir>]'

export const keys: Command = {
  usage,
  summary: 'Make, import, list, show and export the encrypted keys of a folder.',
  argsMax: 2,
  options: {
    dir: 'folder of the node; the keys lie in keys/ below it',
    type: 'validator (BLS, EIP-2335), account (secp256k1, Web3 Secret Storage) or p2p (the node’s identity, not encrypted); default validator',
    'password-file': 'file or pipe with the password; else NOVACHAIN_PASSWORD, else a prompt',
    description: 'a note that is kept in the clear in a validator’s keystore',
    from: 'import: keystore, or file with 64 hex digits, mode 0600',
    to: 'export: file to write',
  },
  switches: {
    proof: 'show: with the proof of possession of a validator key, which needs the password',
    plain: 'export: hex in the clear instead of the keystore',
    yes: 'export: I know that --plain protects nothing',
  },
  async run(context) {
    const [verb, name] = context.args
    switch (verb) {
      case 'new':
        return create(context)
      case 'import':
        return take(context)
      case 'list':
        return list(context)
      case 'show':
        return show(context, name)
      case 'export':
        return give(context, name)
      default:
        throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no verb ${verb ?? ''}`, usage })
    }
  },
}

const folderOf = (context: CommandContext): string => join(dirOf(context), 'keys')
const sourceOf = ({ flags, env }: CommandContext): PasswordSource => ({ file: flags['password-file'], env })

const typeOf = ({ flags }: CommandContext): KeyType => {
  const type = flags.type ?? 'validator'
  if (type === 'validator' || type === 'account') return type
  throw new NodeError(UsageErrors.ARGUMENT, {
    reason: `there is no type ${type} for this; expected validator or account`,
    usage,
  })
}

/** A name is a file's name: no path leaves the folder. */
const fileOf = (context: CommandContext, name: string): string => {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/.test(name))
    throw new NodeError(UsageErrors.ARGUMENT, {
      reason: `${name} is no name of a key: letters, digits, dot, dash and underscore, at most 64`,
      usage,
    })
  return join(folderOf(context), `${name.replace(/\.json$/, '')}.json`)
}

/** `new` and `import` without a name. */
const DEFAULT_NAME: Readonly<Record<KeyType, string>> = { validator: 'validator', account: 'operator' }

const freshFile = (context: CommandContext, type: KeyType): string => {
  const file = fileOf(context, context.args[1] ?? DEFAULT_NAME[type])
  // Said before a password is asked for; the write itself refuses too.
  if (existsSync(file)) throw new NodeError(KeystoreErrors.EXISTS, { file })
  mkdirSync(folderOf(context), { recursive: true, mode: 0o700 })
  return file
}

const create = async (context: CommandContext): Promise<ExitCode> => {
  if (context.flags.type === 'p2p') return createIdentity(context)
  const type = typeOf(context)
  const file = freshFile(context, type)
  const password = await askNewPassword(sourceOf(context), file)
  const secret = newSecret(type)
  await writeKeyFile(file, await encryptKeystore(secret, password, { type, ...descriptionOf(context) }))
  return tellNew(context, 'made', { file, type, secret })
}

const dirOf = ({ flags, env }: CommandContext): string => flags.dir ?? env.NOVACHAIN_DIR ?? '.'

/** The file that `start` reads, and makes where it is missing: a peer id can be told to others before the first start. */
const createIdentity = async (context: CommandContext): Promise<ExitCode> => {
  const file = identityFile(dirOf(context))
  if (context.args[1] !== undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: `a folder has one p2p key, ${file}: it takes no name`, usage })
  if (existsSync(file)) throw new NodeError(KeystoreErrors.EXISTS, { file })
  const peerId = await peerIdOf(p2pKey(file))
  context.out({ file, type: 'p2p', peerId }, `made ${file}\n  peerId  ${peerId}`)
  return exitCode.ok
}

const descriptionOf = ({ flags }: CommandContext) =>
  flags.description === undefined ? {} : { description: flags.description }

/** A keystore keeps its password and comes as it is; plain hex is encrypted. */
const take = async (context: CommandContext): Promise<ExitCode> => {
  const from = context.flags.from
  if (from === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --from <file>', usage })
  const text = await readKeyFile(from)
  if (text.trimStart().startsWith('{')) {
    const store = parseKeystore(text, from)
    const type = context.flags.type === undefined ? store.type : typeOf(context)
    const file = freshFile(context, type)
    const secret = await openKeyFile(from, type, () => askPassword(sourceOf(context), from))
    await writeKeyFile(file, text)
    return tellNew(context, 'imported', { file, type, secret })
  }
  const type = typeOf(context)
  const file = freshFile(context, type)
  const secret = await openKeyFile(from, type, async () => '')
  const password = await askNewPassword(sourceOf(context), file)
  await writeKeyFile(file, await encryptKeystore(secret, password, { type, ...descriptionOf(context) }))
  return tellNew(context, 'imported', { file, type, secret })
}

const proofOf = (secret: Uint8Array): string =>
  bytesToHex(curves().blsSign(secret, possessionBytes(nameOf('validator', secret))))

const tellNew = (
  context: CommandContext,
  did: 'made' | 'imported',
  { file, type, secret }: { readonly file: string; readonly type: KeyType; readonly secret: Uint8Array },
): ExitCode => {
  const name = bytesToHex(nameOf(type, secret))
  if (type === 'account') {
    context.out({ file, type, address: name }, `${did} ${file}, encrypted\n  address  ${name}`)
    return exitCode.ok
  }
  const proofOfPossession = proofOf(secret)
  const dir = dirOf(context)
  const use = useOf(dir, file)
  context.out(
    { file, type, blsKey: name, proofOfPossession },
    [
      `${did} ${file}, encrypted`,
      `  blsKey             ${name}`,
      `  proofOfPossession  ${proofOfPossession}`,
      'A founder signs these two into the genesis with novachain genesis gentx.',
      ...use,
    ].join('\n'),
  )
  return exitCode.ok
}

/** What is between this key and the node that signs with it. */
const useOf = (dir: string, file: string): string[] => {
  const config = join(dir, 'config.toml')
  const isDefault = basename(file) === `${DEFAULT_NAME.validator}.json`
  if (!existsSync(config) && isDefault)
    return [`The node signs with it after novachain init ${dir} --profile validator --genesis <file|url>`]
  const has = existsSync(config) ? loadConfig(config, {}, {}) : null
  if (has !== null && has['signer.genesisHash'] !== '')
    return ['The signer of this folder signs with it from its next start on.']
  if (has !== null && resolve(dir, has['validator.keyFile']) === resolve(file))
    return ['The node of this folder signs with it.']
  return [
    'The node signs with it after',
    `  novachain config set validator.keyFile keys/${basename(file)} --dir ${dir}`,
  ]
}

interface Row {
  readonly name: string
  readonly type: KeyType | 'plain' | 'p2p'
  readonly id: string | null
  readonly description: string
  /** Why it cannot be used; null where nothing is wrong to see. */
  readonly fault: string | null
}

const rowOf = async (folder: string, file: string): Promise<Row> => {
  const name = file.replace(/\.json$/, '')
  try {
    const text = await readKeyFile(join(folder, file))
    if (!text.trimStart().startsWith('{')) return { name, type: 'plain', id: null, description: '', fault: null }
    const store = parseKeystore(text, file)
    return {
      name,
      type: store.type,
      id: store.name === null ? null : bytesToHex(store.name),
      description: store.description,
      fault: null,
    }
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    return { name, type: 'plain', id: null, description: '', fault: error.message }
  }
}

const identityRow = async (file: string): Promise<Row> => {
  const row = { name: 'p2p', type: 'p2p', description: '' } as const
  try {
    return { ...row, id: await peerIdOf(p2pKey(file)), fault: null }
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    return { ...row, id: null, fault: error.message }
  }
}

const list = async (context: CommandContext): Promise<ExitCode> => {
  const folder = folderOf(context)
  const files = existsSync(folder) ? readdirSync(folder).sort() : []
  const rows = await Promise.all(files.map((file) => rowOf(folder, file)))
  const identity = identityFile(dirOf(context))
  if (existsSync(identity)) rows.push(await identityRow(identity))
  const width = Math.max(0, ...rows.map(({ name }) => name.length))
  const text = rows.map(({ name, type, id, description, fault }) =>
    [
      name.padEnd(width),
      (fault === null ? type : 'unusable').padEnd(9),
      fault ?? id ?? (type === 'plain' ? 'not encrypted' : 'does not say its public key'),
      description,
    ]
      .join('  ')
      .trimEnd(),
  )
  context.out({ dir: folder, keys: rows }, text.join('\n') || `no keys in ${folder}: run novachain keys new`)
  return exitCode.ok
}

/** The key called so, or the only one of the folder. */
const find = async (context: CommandContext, name: string | undefined): Promise<{ file: string; text: string }> => {
  const folder = folderOf(context)
  const known = existsSync(folder) ? readdirSync(folder).sort() : []
  const only = known.length === 1 ? known[0] : undefined
  if (name === undefined && only === undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: `which key? There is ${known.join(', ') || 'none'}`, usage })
  const file = name === undefined ? join(folder, only ?? '') : fileOf(context, name)
  if (!existsSync(file))
    throw new NodeError(KeysErrors.NONE, { name: name ?? '', dir: folder, known: known.join(', ') })
  return { file, text: await readKeyFile(file) }
}

const show = async (context: CommandContext, name: string | undefined): Promise<ExitCode> => {
  const identity = identityFile(dirOf(context))
  if (name === 'p2p' && existsSync(identity)) {
    const shown = { file: identity, type: 'p2p', peerId: await peerIdOf(p2pKey(identity)) }
    context.out(shown, rowsOf(shown))
    return exitCode.ok
  }
  const { file, text } = await find(context, name)
  const store = parseKeystore(text, file)
  const wantsProof = context.switches.has('proof') && store.type === 'validator'
  const secret =
    wantsProof || store.name === null ? await decryptKeystore(store, await askPassword(sourceOf(context), file)) : null
  const id = bytesToHex(secret === null ? (store.name ?? new Uint8Array(0)) : nameOf(store.type, secret))
  const label = store.type === 'validator' ? 'blsKey' : 'address'
  const proof = wantsProof && secret !== null ? { proofOfPossession: proofOf(secret) } : {}
  const shown = {
    file,
    type: store.type,
    [label]: id,
    ...proof,
    description: store.description,
    kdf: store.kdf.function,
  }
  context.out(shown, rowsOf(shown))
  return exitCode.ok
}
const rowsOf = (shown: object): string =>
  Object.entries(shown)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key.padEnd(17)}  ${value}`)
    .join('\n')

const give = async (context: CommandContext, name: string | undefined): Promise<ExitCode> => {
  const { to } = context.flags
  if (to === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --to <file>', usage })
  const isPlain = context.switches.has('plain')
  if (isPlain && !context.switches.has('yes')) throw new NodeError(KeysErrors.UNCONFIRMED, { file: to })
  const { file, text } = await find(context, name)
  const store = parseKeystore(text, file)
  // A copy whose password nobody knows is no backup: it is tried even where the copy stays encrypted.
  const secret = await decryptKeystore(store, await askPassword(sourceOf(context), file))
  await writeKeyFile(to, isPlain ? `${bytesToHex(secret)}\n` : text)
  const how = isPlain ? 'in the clear' : 'encrypted, with the same password'
  context.out({ file: to, type: store.type, encrypted: !isPlain }, `wrote ${to}, ${how}`)
  return exitCode.ok
}
