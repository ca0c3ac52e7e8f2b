// What a long command has done and is doing, on a terminal; in a pipe nothing is shown. Standard error, because standard output is read
// by programs.
import { createScreen, type Screen, type Terminal, wrap } from './screen.ts'

export interface Steps {
  /** What it waits for now; in place of what it waited for before. */
  doing(text: string): void
  /** A line that stays. */
  done(text: string): void
  /** Leaves what is shown where it is; what comes next begins below, as after a question to the user. */
  close(): void
}

const nothing: Steps = { doing() {}, done() {}, close() {} }

export function createSteps(terminal: Terminal & { readonly isTTY?: boolean } = process.stderr): Steps {
  if (terminal.isTTY !== true) return nothing
  let screen: Screen | null = null
  const shown = (): Screen => {
    screen ??= createScreen(terminal)
    return screen
  }
  const linesOf = (mark: string, text: string): string[] => wrap(`${mark} ${text}`, terminal.columns || 80, '  ')
  return {
    doing: (text) => shown().draw(linesOf('…', text)),
    done(text) {
      shown().draw([])
      shown().print(linesOf('✓', text).join('\n'))
    },
    close() {
      screen?.close()
      screen = null
    },
  }
}
