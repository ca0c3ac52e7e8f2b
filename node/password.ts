// Where a password comes from: a file or a pipe, the environment, or a terminal that does not show it. Never argv, which every process
// of the machine can read.
import type { ReadStream } from 'node:tty'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { readKeyFile } from './keystore.ts'

export const PasswordErrors = defineErrors('PASSWORD', {
  NONE: {
    text: (d: { what: string }) =>
      `no password for ${d.what}: give --password-file <file> or NOVACHAIN_PASSWORD, or run this on a terminal`,
  },
  SHORT: {
    text: (d: { have: number; min: number }) =>
      `the password has ${d.have} characters, a new key takes ${d.min} or more`,
  },
  TWICE: { text: () => 'the two passwords differ; nothing was written' },
  CANCELLED: { text: () => 'cancelled; nothing was written' },
})

export interface PasswordSource {
  readonly file: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

/** What `--password-file`, its variable, or NOVACHAIN_PASSWORD say; null where none of them is given. */
export const givenPassword = async ({ file, env }: PasswordSource): Promise<string | null> => {
  const path = file ?? env.NOVACHAIN_PASSWORD_FILE
  // Editors end a file with a newline that is no part of the password.
  if (path !== undefined && path !== '') return (await readKeyFile(path)).replace(/\r?\n$/, '')
  return env.NOVACHAIN_PASSWORD ?? null
}

/** The password of a key that exists. */
export const askPassword = (source: PasswordSource, what: string): Promise<string> => passwordsOf(source)(what)

/** Those of several keys: what the source gives, a pipe but once, is that of all; a terminal is asked for each. */
export function passwordsOf(source: PasswordSource): (what: string) => Promise<string> {
  let known: Promise<string | null> | null = null
  return async (what) => {
    known ??= givenPassword(source)
    return (await known) ?? (await prompt(`Password of ${what}: `, what))
  }
}

/** Chinese or emoji passwords count by letter; below this a stolen file is soon guessed. */
const PASSWORD_MIN_LETTERS = 8

/** The password of a key that is made now: typed twice on a terminal. Throws PASSWORD_SHORT and PASSWORD_TWICE. */
export async function askNewPassword(source: PasswordSource, what: string): Promise<string> {
  const known = await givenPassword(source)
  const password = known ?? (await prompt(`New password for ${what}: `, what))
  const have = [...password].length
  if (have < PASSWORD_MIN_LETTERS) throw new NodeError(PasswordErrors.SHORT, { have, min: PASSWORD_MIN_LETTERS })
  if (known === null && (await prompt('The same again: ', what)) !== password)
    throw new NodeError(PasswordErrors.TWICE, undefined)
  return password
}

interface Terminal {
  readonly input: Pick<ReadStream, 'on' | 'off' | 'setRawMode' | 'resume' | 'pause' | 'setEncoding'> & {
    isTTY?: boolean
  }
  readonly output: { write(text: string): unknown }
}

/** One line, not shown. The prompt goes to standard error, because standard output may be read by a program. */
export async function prompt(
  text: string,
  what: string,
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<string> {
  if (input.isTTY !== true) throw new NodeError(PasswordErrors.NONE, { what })
  // Before the prompt: whoever answers at once would see the terminal echo it.
  input.setRawMode(true)
  output.write(text)
  input.setEncoding('utf8')
  input.resume()
  let typed: string[] = []
  let listen: (chunk: string) => void = () => {}
  try {
    return await new Promise<string>((resolve, reject) => {
      listen = (chunk) => {
        for (const key of chunk) {
          if (key === '\r' || key === '\n') return resolve(typed.join(''))
          if (key === '\u0003' || key === '\u0004') return reject(new NodeError(PasswordErrors.CANCELLED, undefined))
          if (key === '\u0015') typed = []
          else if (key === '\u007f' || key === '\b') typed.pop()
          else if (key >= ' ') typed.push(key)
        }
      }
      input.on('data', listen)
    })
  } finally {
    input.off('data', listen)
    input.setRawMode(false)
    input.pause()
    output.write('\n')
  }
}
