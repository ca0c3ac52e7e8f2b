// did create and did resolve: the DID of an account, a key entered into it, and what a DID stands for.
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type Address, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { KeyType, Purpose } from '../../chain/native/did/document.ts'
import type { DidResolution } from '../../chain/native/did/resolve.ts'
import { request } from '../../rpc/client/http.ts'
import { type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { ask, callOf, did as didModule } from '../modules.ts'
import { addressIn, headOf } from '../roll.ts'
import { fieldOf, perform, senderOf, urlOf } from './send.ts'

const DidErrors = defineErrors('DIDCMD', {
  RESOLUTION: {
    text: (d: { did: string; error: string; message: string }) => `${d.did} does not resolve, ${d.error}: ${d.message}`,
  },
  KEY_FILE: { text: (d: { file: string }) => `${d.file} holds no Ed25519 key: expected 64 hex digits` },
})

const usage = 'did create|resolve … [--rpc <url>]'

/** Of a table's names; throws USAGE_ARGUMENT for another. */
const named = <T extends Readonly<Record<string, number>>>(table: T, name: string, flag: string): number => {
  const found = Object.hasOwn(table, name) ? table[name] : undefined
  if (found === undefined) {
    const reason = `--${flag} ${name}: expected ${Object.keys(table).join(', ')}`
    throw new NodeError(UsageErrors.ARGUMENT, { reason, usage })
  }
  return found
}

/** What is to be entered; null where only the DID is asked for. */
const keyIn = (context: CommandContext): { readonly keyType: number; readonly publicKey: Uint8Array } | null => {
  const { flags } = context
  const given = fieldOf(context, 'public-key', /^0x([0-9a-fA-F]{2})+$/, '0x and whole bytes of hex')
  const file = flags['key-file']
  if (given !== null && file !== undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected one of --key-file and --public-key', usage })
  const keyType = named(KeyType, flags['key-type'] ?? 'ed25519', 'key-type')
  if (given !== null) return { keyType, publicKey: hexToBytes(given) }
  if (file === undefined) return null
  if (keyType !== KeyType.ed25519)
    throw new NodeError(UsageErrors.ARGUMENT, {
      reason: '--key-file is for Ed25519; bring other keys with --public-key',
      usage,
    })
  return { keyType, publicKey: keyOf(file) }
}
/** What `did issue` signs with: the key that is in the file, or a new one that is written to it. Answers its public key. */
const keyOf = (file: string): Uint8Array => {
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' })
  const text = readFileSync(file, 'utf8').trim()
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new NodeError(DidErrors.KEY_FILE, { file })
  const key = Buffer.concat([Buffer.from(PKCS8_ED25519, 'hex'), Buffer.from(text, 'hex')])
  const spki = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({
    ...{ type: 'spki', format: 'der' },
  })
  return new Uint8Array(spki.subarray(-32))
}
/** What RFC 8410 writes before the 32 bytes of a private key; of a public one they are the last. */
const PKCS8_ED25519 = '302e020100300506032b657004220420'

const nameOf = async (url: string, identity: Address): Promise<string> => {
  const { height } = await headOf(url)
  return (await ask(url, callOf(didModule, 'didOf', [identity]), height)).did
}

export async function create(context: CommandContext): Promise<ExitCode> {
  const { flags } = context
  const url = urlOf(context)
  const isLook = flags['key-file'] === undefined && flags['public-key'] === undefined
  const purposes = (flags.purposes ?? 'authentication,assertionMethod')
    .split(',')
    .reduce((sum, name) => sum | named(Purpose, name.trim(), 'purposes'), 0)
  const sender = await senderOf(context, usage, isLook ? 'address' : 'key')
  const identity = addressIn(sender.address)
  const name = await nameOf(url, identity) // and whether a node is there, before a key is made
  const key = keyIn(context)
  if (key === null) {
    context.out({ did: name }, name)
    return exitCode.ok
  }
  const id = flags.id ?? 'key-1'
  const args = [identity, id, BigInt(key.keyType), key.publicKey, BigInt(purposes), 0n] as const
  const receipt = await perform(context, sender, callOf(didModule, 'setKey', args))
  if (receipt === null) return exitCode.ok
  const shown = { did: name, verificationMethod: `${name}#${id}`, publicKey: bytesToHex(key.publicKey), ...receipt }
  context.out(shown, `${name}\n${shown.verificationMethod} is in its document from block ${receipt.height} on`)
  return exitCode.ok
}

export async function resolve(context: CommandContext, text: string): Promise<ExitCode> {
  const { flags } = context
  const [versionId, versionTime, block] = [flags['version-id'], flags['version-time'], flags.block]
  const given = [versionId, versionTime, block].filter((each) => each !== undefined)
  if (given.length > 1)
    throw new NodeError(UsageErrors.ARGUMENT, {
      reason: 'expected one of --version-id, --version-time and --block',
      usage,
    })
  const height = block !== undefined && /^\d+$/.test(block) ? `0x${BigInt(block).toString(16)}` : block
  const when = block === undefined ? { versionId, versionTime } : height
  const params = given.length === 0 ? [text] : [text, when]
  const resolution = (await request(urlOf(context), 'nova_resolveDid', params)) as DidResolution // our own method
  const { error, message = '' } = resolution.didResolutionMetadata
  if (error !== undefined) throw new NodeError(DidErrors.RESOLUTION, { did: text, error, message })
  context.out(resolution, JSON.stringify(resolution, null, 2))
  return exitCode.ok
}
