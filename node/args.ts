// The command line's shape: commands, flags, help, exit codes. Owns parsing and the nearest known name for a typing error.
import { parseArgs } from 'node:util'
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export const exitCode = { ok: 0, failed: 1, usage: 2, refused: 3, notSynced: 4 } as const
export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

export const UsageErrors = defineErrors('USAGE', {
  COMMAND: {
    text: (d: { name: string; near: string }) =>
      `there is no command ${d.name}; did you mean ${d.near}? Type novachain --help`,
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
  /** Flags with a value, and what they mean. */
  readonly options: Readonly<Record<string, string>>
  /** Flags without. */
  readonly switches?: Readonly<Record<string, string>>
  readonly run: (context: CommandContext) => Promise<ExitCode>
}

/** Throws USAGE_FLAG. */
export function parseFlags(command: Command, name: string, argv: readonly string[]) {
  const options: Record<string, { type: 'string' | 'boolean' }> = {
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  }
  for (const flag of Object.keys(command.options)) options[flag] = { type: 'string' }
  for (const flag of Object.keys(command.switches ?? {})) options[flag] = { type: 'boolean' }
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
    const flags: Record<string, string | undefined> = {}
    const switches = new Set<string>()
    for (const [flag, value] of Object.entries(values)) {
      if (typeof value === 'string') flags[flag] = value
      else if (value === true) switches.add(flag)
    }
    return { flags, switches, args: positionals }
  } catch (cause) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('. ')[0] ?? ''
    throw new NodeError(UsageErrors.FLAG, { reason, command: name }, { cause })
  }
}

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
    ...rows.map(([flag, says]) => `  ${flag.padEnd(width)}  ${says}`),
  ].join('\n')
}

/** The known name with the most letters in common at its start, for "did you mean". */
export const nearestName = (name: string, known: readonly string[]): string => {
  const shared = (other: string): number => {
    let count = 0
    for (const letter of new Set(name)) if (other.includes(letter)) count++
    return count * 10 + (other[0] === name[0] ? 5 : 0) - Math.abs(other.length - name.length)
  }
  return [...known].sort((a, b) => shared(b) - shared(a))[0] ?? ''
}
