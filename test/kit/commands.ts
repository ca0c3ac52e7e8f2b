// Commands as a shell runs them: in this process, where a process of its own adds nothing but its start, or as one.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { NodeError } from '../../chain/base/errors.ts'
import { type Command, exitCodeOf, parseFlags, withVariables } from '../../node/args.ts'

export const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))

export interface Said {
  /** The exit code. */
  readonly code: number
  /** What --json prints; empty where it was refused. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into what commands print
  readonly json: any
  /** What a person reads: the answer, or why not. */
  readonly text: string
  /** The error's code, null where there was none. */
  readonly refusal: string | null
}

/** One command in this process. */
export async function run(
  command: Command,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Said> {
  let [json, text]: [object, string] = [{}, '']
  try {
    const { flags, switches, args } = parseFlags(command, 'test', argv)
    const out = (object: object, words: string): void => {
      ;[json, text] = [object, words]
    }
    const code = await command.run({ args, switches, out, env, signal, flags: withVariables(command, flags, env) })
    return { code, json: JSON.parse(JSON.stringify(json)), text, refusal: null }
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    return { code: exitCodeOf(error.code), json: {}, text: error.message, refusal: error.code }
  }
}

/** One command as a process, with --json. */
export const novachain = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> =>
  promisify(execFile)(process.execPath, [main, ...argv, '--json'], { env: { ...process.env, ...env } }).then(
    ({ stdout }) => ({ code: 0, json: JSON.parse(stdout), text: stdout, refusal: null }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, json: {}, text: stderr, refusal: '' }),
  )
