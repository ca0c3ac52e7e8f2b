// did: identities of the chain, and credentials over them. Owns the table of its verbs; what each does is `identity.ts` and `credentials.ts`,
// which is loaded only where one of its verbs runs, because its libraries take a second.
import { NodeError } from '../../chain/base/errors.ts'
import { KeyType, Purpose } from '../../chain/native/did/document.ts'
import { type Command, type CommandContext, type ExitCode, UsageErrors } from '../args.ts'
import { create, resolve } from './identity.ts'
import { sending } from './send.ts'

const usage = 'did create|resolve|issue|verify|present|revoke … [--rpc <url>]'

interface Verb {
  readonly takes: string
  readonly max: number
  readonly run: (context: CommandContext, files: readonly [string, ...string[]]) => Promise<ExitCode>
}
const load = () => import('./credentials.ts')
const VERBS: Readonly<Record<string, Verb>> = {
  issue: { takes: '<credential.json|->', max: 1, run: async (context, [file]) => (await load()).issue(context, file) },
  verify: { takes: '<file|->', max: 1, run: async (context, [file]) => (await load()).verify(context, file) },
  present: { takes: '<credential> …', max: 32, run: async (context, files) => (await load()).present(context, files) },
  revoke: { takes: '<credential|->', max: 1, run: async (context, [file]) => (await load()).revoke(context, file) },
}

export const did: Command = {
  usage,
  summary: 'DIDs and their keys; issue, verify, present and revoke verifiable credentials.',
  verbs: [
    'did create [--key-file <file> | --public-key 0x… --key-type <type>] [--id <id>] [--purposes <list>] --from <keystore>',
    'did resolve <did> [--version-id <n> | --version-time <time> | --block <block>]',
    'did issue <credential.json|-> --key-file <file> --key-id <did#key> [--form …] [--disclose <claims>] [--out <file>]',
    'did verify <file|-> [--at <time>] [--challenge <text> --domain <text>]',
    'did present <credential> … --key-file <file> --key-id <did#key> --challenge <text> [--domain <text>]',
    'did revoke <credential|-> [--undo] --from <keystore>',
  ],
  argsMax: 33,
  options: {
    ...sending.options,
    'key-file':
      'issue, present: the signing key, 64 hex digits (Ed25519), mode 0600; create: made where it is not there',
    'public-key': 'create: another key instead, hex as IDid.sol encodes it',
    'key-type': `create: of --public-key: ${Object.keys(KeyType).join(', ')}; default ed25519`,
    id: 'create: name of the key in the document; default key-1',
    purposes: `create: some of ${Object.keys(Purpose).join(', ')}; default authentication,assertionMethod`,
    'version-id': 'resolve: number of a version',
    'version-time': 'resolve: the version that was in force at a time, such as 2026-01-31T12:00:00Z',
    block: 'resolve: as the chain knew it after this block',
    dir: 'create: folder whose keys/operator.json is the account',
    'key-id': 'issue, present: its DID URL, did:…#key, in whose DID document it stands',
    form: 'issue: data-integrity, jwt or sd-jwt; default data-integrity',
    disclose: 'issue: claims an SD-JWT’s holder may keep back; present: those to show; comma between',
    challenge: 'present: the verifier’s; verify: the file is a presentation that must answer it',
    domain: 'present, verify: whom the presentation is for',
    at: 'verify: as of this time, 2026-01-31T00:00:00Z; default now',
    out: 'issue, present: file to write to, which must not be there yet',
  },
  switches: { ...sending.switches, undo: 'revoke: end a suspension' },
  async run(context) {
    const [name = '', first, ...rest] = context.args
    if (name === 'create' && first === undefined) return create(context)
    if (name === 'resolve' && first !== undefined && rest.length === 0) return resolve(context, first)
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, {
        reason: 'expected create, resolve and a DID, issue, verify, present or revoke',
        usage,
      })
    if (first === undefined || rest.length >= verb.max)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `expected did ${name} ${verb.takes}`, usage })
    return verb.run(context, [first, ...rest])
  },
}
