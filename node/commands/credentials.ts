// did issue, verify, present and revoke: credentials at the command line. Owns which file is read, which key signs, and what is said of a
// credential; what makes it good is the library's, over a node's JSON-RPC.
import { readFile, writeFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { abi } from '../../chain/native/did/abi.ts'
import { DID } from '../../chain/native/index.ts'
import { createChainSources } from '../../rpc/client/credentials/chain.ts'
import {
  type CredentialForm,
  type Credentials,
  createCredentials,
  type Secured,
  type Verified,
} from '../../rpc/client/credentials/credentials.ts'
import { fetchList } from '../../rpc/client/credentials/lists.ts'
import { type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { readCredentialKey } from '../issuer.ts'
import { callOf } from '../modules.ts'
import { systemClock } from '../system.ts'
import { perform, rows, senderOf, urlOf } from './send.ts'

const CredentialCommandErrors = defineErrors('DIDCMD', {
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
  NO_STATUS: {
    text: (d: { wanted: string }) =>
      `the credential names no ${d.wanted} list, so nothing can be set there: it ends with its validUntil, or with its key`,
  },
})

const fileErrors = (file: string) => (cause: unknown) => {
  const reason = cause instanceof Error ? cause.message : String(cause)
  throw new NodeError(CredentialCommandErrors.FILE, { file, reason }, { cause })
}
/** `-` is standard input. */
const read = (file: string): Promise<string> =>
  (file === '-' ? textOf(process.stdin) : readFile(file, 'utf8')).then((text) => text.trim(), fileErrors(file))

const argument = (reason: string, usage: string): NodeError => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
const FORMS: readonly CredentialForm[] = ['data-integrity', 'jwt', 'sd-jwt']
const listed = (text: string | undefined): readonly string[] => (text ?? '').split(',').filter((name) => name !== '')

const libraryOf = (context: CommandContext): Credentials =>
  createCredentials({ ...createChainSources(urlOf(context)), clock: systemClock, fetchList })
const keyOf = ({ flags }: CommandContext, usage: string) => {
  const { 'key-file': file, 'key-id': keyId } = flags
  if (file === undefined || keyId === undefined) throw argument('expected --key-file <file> --key-id <did#key>', usage)
  return readCredentialKey(file, keyId)
}

/** The credential or presentation as it is, to a file or to the terminal. */
const give = async (context: CommandContext, name: string, secured: Secured): Promise<ExitCode> => {
  const text = typeof secured === 'string' ? secured : JSON.stringify(secured, null, 2)
  const file = context.flags.out
  if (file === undefined) context.out({ [name]: secured }, text)
  else {
    await writeFile(file, `${text}\n`, { flag: 'wx', mode: 0o600 }).catch(fileErrors(file))
    context.out({ [name]: secured, file }, `written to ${file}`)
  }
  return exitCode.ok
}

export const issueUsage =
  'did issue <credential.json|-> --key-file <file> --key-id <did#key> [--form data-integrity|jwt|sd-jwt] [--disclose <claims>] [--out <file>]'
export async function issue(context: CommandContext, file: string): Promise<ExitCode> {
  const form = FORMS.find((each) => each === (context.flags.form ?? 'data-integrity'))
  if (form === undefined) throw argument('--form is one of data-integrity, jwt, sd-jwt', issueUsage)
  const key = await keyOf(context, issueUsage)
  const by = { key, form, disclosable: listed(context.flags.disclose) }
  return give(context, 'verifiableCredential', await libraryOf(context).issue(await read(file), by))
}

export const verifyUsage =
  'did verify <file|-> [--at <time>] [--challenge <text> --domain <text>] (a presentation, where there is a challenge)'
/** Ends with an error that says what is wrong; what is good is shown. */
export async function verify(context: CommandContext, file: string): Promise<ExitCode> {
  const { at, challenge, domain = null } = context.flags
  const atMs = at === undefined ? undefined : Date.parse(at)
  if (atMs !== undefined && !Number.isFinite(atMs))
    throw argument('--at is no time, as 2026-01-31T00:00:00Z', verifyUsage)
  const moment = atMs === undefined ? {} : { atMs }
  const [library, text] = [libraryOf(context), await read(file)]
  if (challenge === undefined) {
    const verified = await library.verify(text, moment)
    context.out({ verified: true, ...verified }, rows(shown(verified)))
    return exitCode.ok
  }
  const { holder, credentials } = await library.verifyPresentation(text, { challenge, domain, ...moment })
  context.out(
    { verified: true, holder, credentials },
    [rows({ holder }), ...credentials.map((each) => rows(shown(each)))].join('\n\n'),
  )
  return exitCode.ok
}
const dateOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
const shown = ({ form, issuer, subject, types, keyId, validFromMs, validUntilMs, claims }: Verified): object => ({
  ...{ verified: 'yes', types: types.join(', '), issuer, subject, form, key: keyId },
  ...{ validFrom: dateOf(validFromMs), validUntil: dateOf(validUntilMs), claims: JSON.stringify(claims) },
})

export const presentUsage =
  'did present <credential> … --key-file <file> --key-id <did#key> --challenge <text> [--domain <text>] [--disclose <claims>] [--out <file>]'
export async function present(context: CommandContext, files: readonly string[]): Promise<ExitCode> {
  const { challenge, domain = null, disclose } = context.flags
  if (challenge === undefined) throw argument('expected --challenge, which the verifier chose', presentUsage)
  const key = await keyOf(context, presentUsage)
  const secured = await Promise.all(files.map(read))
  const by = { key, challenge, domain, disclose: listed(disclose) }
  return give(context, 'verifiablePresentation', await libraryOf(context).present(secured, by))
}

export const revokeUsage = 'did revoke <credential|-> [--undo] --from <keystore> [--rpc <url>] [--unsigned]'
/** Sets its bits, as the controller of the issuer's DID may: of the revocation list, or of none but the suspension list with --undo. */
export async function revoke(context: CommandContext, file: string): Promise<ExitCode> {
  const undo = context.switches.has('undo')
  const entries = await libraryOf(context).entriesOf(await read(file))
  const wanted = undo
    ? 'suspension'
    : (entries.find(({ purpose }) => purpose === 'revocation')?.purpose ?? 'suspension')
  const entry = entries.find(({ purpose }) => purpose === wanted)
  if (entry === undefined)
    throw new NodeError(CredentialCommandErrors.NO_STATUS, { wanted: undo ? 'suspension' : 'status' })
  const sender = await senderOf(context, revokeUsage)
  const { list, index, name, purpose } = entry
  const set = callOf({ name: 'did', at: DID, abi }, 'setStatus', [list, BigInt(index), !undo])
  const receipt = await perform(context, sender, set)
  if (receipt === null) return exitCode.ok
  const { hash, height } = receipt
  const what = `${purpose} ${undo ? 'ended' : 'set'}: index ${index} of ${name}`
  context.out({ list: name, index, purpose, value: !undo, hash, height }, `${what}, block ${height}`)
  return exitCode.ok
}
