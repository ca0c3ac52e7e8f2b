// Our programs as processes of their own, by name: begun and waited for, listened to, ended by a signal. Owns that what one said is told where it
// ends too early, and that none is left behind.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { main } from './commands.ts'

export interface Beginning {
  readonly env?: Readonly<Record<string, string>>
  /** Of another release. */
  readonly program?: string
}

/** Of what a process said: the end. */
const SAID_CHARS = 20_000

export class Processes {
  readonly #running = new Map<string, { readonly child: ChildProcess; readonly isUp: Promise<string> }>()
  readonly #said = new Map<string, string>()

  /** Starts it with --json; who wants to know that it is up waits for that (`up`). */
  spawn(name: string, args: readonly string[], { env = {}, program = main }: Beginning = {}): ChildProcess {
    const child = spawn(process.execPath, [program, ...args, '--json'], {
      ...{ stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
    })
    child.stderr.on('data', (chunk: Buffer) => this.#said.set(name, (this.said(name) + chunk).slice(-SAID_CHARS)))
    const ended = once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`${name} ended with ${code}: ${this.said(name)}`)),
    )
    const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text))
    const isUp = Promise.race([line, ended])
    isUp.catch(() => {}) // nobody may wait for it
    ended.catch(() => {})
    this.#running.set(name, { child, isUp })
    return child
  }

  /** The one line that it prints once it is up, parsed. Rejects with what it said where it ends before. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into what commands print
  async up(name: string): Promise<any> {
    return JSON.parse((await this.#running.get(name)?.isUp) ?? 'null')
  }

  /** Both. */
  // biome-ignore lint/suspicious/noExplicitAny: the same
  async begin(name: string, args: readonly string[], beginning: Beginning = {}): Promise<any> {
    this.spawn(name, args, beginning)
    return this.up(name)
  }

  /** The end of what all of this name wrote to stderr. */
  said(name: string): string {
    return this.#said.get(name) ?? ''
  }

  /** Ended by itself; its exit code. */
  async ended(name: string): Promise<number | null> {
    const child = this.#running.get(name)?.child
    this.#running.delete(name)
    if (child === undefined) return null
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return child.exitCode
  }

  async end(name: string, how: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#running.get(name)?.child.kill(how)
    return this.ended(name)
  }

  /** Whatever still runs. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.end(name, 'SIGKILL')))
  }
}
