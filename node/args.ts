// The command line's shape: commands, flags, help, exit codes. Owns parsing and the nearest known name for a typing error.
import { parseArgs } from 'node:util'
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export const exitCode = { ok: 0, failed: 1, usage: 2, refused: 3, notSynced: 4 } as const
export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/**
 * Errors that are no failure of the machine: a guard refused what would be unsafe, so that a script must not simply try again.
 */
const REFUSALS: readonly string[] = [
  ...[
    'SIGNER_LOCK',
    'SIGNER_RECORD',
    'GUARD_NO_RECORD',
    'GUARD_DOPPELGANGER',
    'LOCK_HELD',
    ...['REMOTE_LEASE', 'REMOTE_OTHER_KEY', 'REMOTE_NETWORK', 'REMOTE_REFUSED', 'HISTORY_NETWORK', 'HISTORY_CONFLICT'],
    'SIGNERCMD_NETWORK',
    'START_DEVELOPMENT',
    'TRUST_STALE',
    ...['LIGHT_TOO_OLD', 'LIGHT_CHECKPOINT', 'LIGHT_CONFLICT'],
    'CHAIN_CHECKPOINT',
    'SYNC_OTHER_CHAIN',
    'FORK_UNKNOWN',
    'KEYSTORE_EXISTS',
    'KEYSTORE_OTHER_KEY',
    'KEYS_UNCONFIRMED',
    ...['BACKUP_EXISTS', 'BACKUP_OCCUPIED', 'BACKUP_PLAIN'],
    'FOLDER_NETWORK',
    'MODULE_UNSAFE',
    'REPLAY_UNRESOLVED',
    'VALIDATORS_UNCONFIRMED',
    'ROLLUPCMD_OTHER',
    ...['GENESIS_EXISTS', 'GENESIS_ACCOUNT', 'GENESIS_VALIDATOR', 'GENTX_EXISTS'],
    ...['INIT_OTHER_NETWORK', 'INIT_OTHER_HASH'],
    ...['ROLLBACK_UNCONFIRMED', 'ROLLBACK_SETTLED', 'ROLLBACK_ASK', 'EXPORT_EXISTS'],
    ...['SNAPSHOTCMD_EXISTS', 'SNAPFILE_NETWORK', 'SNAPFILE_UNKNOWN', 'SNAPFILE_AHEAD', 'BEGIN_EXISTS'],
  ],
]
/** The node has to catch up, start, or restart first, or the command was stopped; the same command serves then. */
const NOT_SYNCED: readonly string[] = ['FOLDER_NO_NODE', 'FOLDER_BEHIND', 'FOLDER_NOT_LOADED', 'SERVICE_STOPPED']
export const exitCodeOf = (code: string): ExitCode => {
  if (code.startsWith('USAGE_')) return exitCode.usage
  if (REFUSALS.includes(code)) return exitCode.refused
  return NOT_SYNCED.includes(code) ? exitCode.notSynced : exitCode.failed
}

export const UsageErrors = defineErrors('USAGE', {
  COMMAND: {
    text: (d: { name: string; near: string | null }) =>
      `there is no command ${d.name}${didYouMean(d.near)}; type novachain --help`,
  },
  FLAG: { text: (d: { reason: string; command: string }) => `${d.reason}; type novachain ${d.command} --help` },
  ARGUMENT: { text: (d: { reason: string; usage: string }) => `${d.reason}; usage: novachain ${d.usage}` },
})

export interface CommandContext {
  /** What follows the command's name, flags taken out. */
  readonly args: readonly string[]
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly switches: ReadonlySet<string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** One line: the object with --json, else the text. */
  readonly out: (object: object, text: string) => void
}

export interface Command {
  readonly usage: string
  readonly summary: string
  /** Each verb with what it takes, where the usage is too short for them. */
  readonly verbs?: readonly string[]
  /** Arguments after its name, at most. */
  readonly argsMax: number
  /** Flags with a value, and what they mean. */
  readonly options: Readonly<Record<string, string>>
  /** Flags without. */
  readonly switches?: Readonly<Record<string, string>>
  readonly run: (context: CommandContext) => Promise<ExitCode>
}

/** Throws USAGE_FLAG and USAGE_ARGUMENT. */
export function parseFlags(command: Command, name: string, argv: readonly string[]) {
  const { flags, switches, args } = split(command, name, argv)
  const extra = args[command.argsMax]
  if (extra !== undefined && !switches.has('help'))
    throw new NodeError(UsageErrors.ARGUMENT, { reason: `${extra} is one argument too many`, usage: command.usage })
  return { flags, switches, args }
}

const split = (command: Command, name: string, argv: readonly string[]) => {
  const options: Record<string, { type: 'string' | 'boolean' }> = {
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  }
  for (const flag of Object.keys(command.options)) options[flag] = { type: 'string' }
  for (const flag of Object.keys(command.switches ?? {})) options[flag] = { type: 'boolean' }
  try {
    const { values, positionals } = parseArgs({ args: argv.map(shield), options, allowPositionals: true })
    const flags: Record<string, string | undefined> = {}
    const switches = new Set<string>()
    for (const [flag, value] of Object.entries(values)) {
      if (typeof value === 'string') flags[flag] = unshield(value)
      else if (value === true) switches.add(flag)
    }
    return { flags, switches, args: positionals.map(unshield) }
  } catch (cause) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('. ')[0] ?? ''
    const unknown = /^Unknown option '--([^']+)'/.exec(reason)?.[1]
    const near = unknown === undefined ? null : nearestName(unknown, Object.keys(options))
    const text = `${reason}${didYouMean(near === null ? null : `--${near}`)}`
    throw new NodeError(UsageErrors.FLAG, { reason: text, command: name }, { cause })
  }
}

/** `--password-file` is NOVACHAIN_PASSWORD_FILE. */
const flagVariable = (flag: string): string => `NOVACHAIN_${flag.replaceAll('-', '_').toUpperCase()}`

/** The flags, and where one is not given what its variable says. Switches have none: a forgotten --yes must not confirm. */
export const withVariables = (
  command: Command,
  flags: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> => {
  const all: Record<string, string | undefined> = { ...flags }
  for (const flag of Object.keys(command.options)) {
    const value = env[flagVariable(flag)]
    if (all[flag] === undefined && value !== undefined && value !== '') all[flag] = value
  }
  return all
}

/** Sentences about variables that are set and that nothing reads: most are typing errors, which would else stay silent. */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  commands: readonly Command[],
  others: readonly string[],
): string[] {
  const known = [...others, ...commands.flatMap(({ options }) => Object.keys(options).map(flagVariable))]
  return Object.keys(env)
    .filter((name) => name.startsWith('NOVACHAIN_') && !known.includes(name))
    .map((name) => `nothing reads ${name}${didYouMean(nearestName(name, known))}`)
}

/** A negative number is a value; the parser would take it for a flag. No argument of a process holds a zero byte. */
const shield = (arg: string): string => (/^-\d/.test(arg) ? `\0${arg}` : arg)
const unshield = (arg: string): string => arg.replace(/^\0/, '')

export const helpOf = (command: Command): string => {
  const rows = [
    ...Object.entries(command.options).map(([flag, says]) => [`--${flag} <value>`, says] as const),
    ...Object.entries({ ...command.switches, json: 'one JSON object on stdout' }).map(
      ([flag, says]) => [`--${flag}`, says] as const,
    ),
  ]
  const width = Math.max(...rows.map(([flag]) => flag.length))
  return [
    `novachain ${command.usage}`,
    '',
    command.summary,
    '',
    ...(command.verbs === undefined ? [] : [...command.verbs.map((verb) => `  novachain ${verb}`), '']),
    ...rows.map(([flag, says]) => `  ${flag.padEnd(width)}  ${says}`),
  ].join('\n')
}

/**
 * The known name that the fewest edits make of a mistyped one: a letter put in, left out, replaced, or two swapped. Null where nothing
 * is near enough to be what was meant.
 */
export const nearestName = (name: string, known: readonly string[]): string | null => {
  const most = Math.max(2, Math.floor(name.length / 3))
  const found = known
    .map((other) => ({ other, edits: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)[0]
  return found === undefined || found.edits > most || found.edits >= name.length ? null : found.other
}

export const didYouMean = (near: string | null): string => (near === null ? '' : ` (did you mean ${near}?)`)

const editDistance = (a: string, b: string): number => {
  let [before, row] = [[] as number[], Array.from({ length: b.length + 1 }, (_, i) => i)]
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced, swapped))
    }
    ;[before, row] = [row, next]
  }
  return row[b.length] ?? 0
}
