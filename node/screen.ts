// A few lines at the foot of a terminal that are drawn again and again, with what is printed above them. Owns the cursor, and gives it back.
import { bytesToHex } from '../chain/base/bytes.ts'

/** What is needed of `process.stdout`. */
export interface Terminal {
  readonly columns?: number
  readonly rows?: number
  write(text: string): void
  on(event: 'resize', listener: () => void): unknown
  off(event: 'resize', listener: () => void): unknown
}

export interface Screen {
  draw(lines: readonly string[]): void
  /** Whole lines, above what is drawn. */
  print(text: string): void
  /** Leaves the last picture where it is. */
  close(): void
}

const HIDE = '\x1b[?25l'
const SHOW = '\x1b[?25h'
const CLEAR_BELOW = '\x1b[J'

export function createScreen(terminal: Terminal): Screen {
  let wanted: readonly string[] = []
  /** Lengths of the lines on the terminal. */
  let drawn: readonly number[] = []
  // 0 on a terminal that does not know its size.
  const columns = (): number => Math.max(2, terminal.columns || 80)

  /** After a resize a line may take several rows, in most terminals: up to where the first one began. */
  const home = (): string => {
    const rows = drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns())), 0)
    return rows === 0 ? '' : `\x1b[${rows}A\r`
  }
  const show = (above: string): void => {
    // A line that fills the row would wrap on some; one that scrolls off is out of reach.
    const fitting = wanted.slice(0, Math.max(1, (terminal.rows || 24) - 1)).map((line) => line.slice(0, columns() - 1))
    terminal.write(`${home()}${CLEAR_BELOW}${above}${fitting.map((line) => `${line}\n`).join('')}`)
    drawn = fitting.map(({ length }) => length)
  }
  const again = (): void => show('')
  let isOpen = true
  terminal.write(HIDE)
  terminal.on('resize', again)

  return {
    draw(lines) {
      wanted = lines
      show('')
    },
    print(text) {
      const lines = text.endsWith('\n') ? text : `${text}\n`
      if (isOpen) show(lines)
      else terminal.write(lines)
    },
    close() {
      isOpen = false
      terminal.off('resize', again)
      terminal.write(SHOW)
    },
  }
}

/** What others named themselves, for a terminal: no control codes, no text that runs backwards, whatever they wrote. */
export const printable = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}')

/** Cut at spaces into lines that fit, each after the first begun with the indent. */
export function wrap(text: string, columns: number, indent: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length >= columns) {
      lines.push(line)
      line = indent + word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** Rows with their cells below each other; those of a right-hand column end below each other. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const cell = (text: string, i: number): string =>
    right.includes(i) ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n')
}

/** Bytes as hex, integers as decimal strings: how JSON and text show what a contract says. */
export type Shown = string | boolean | readonly Shown[] | { readonly [name: string]: Shown }
export const shown = (value: unknown): Shown => {
  if (value instanceof Uint8Array) return bytesToHex(value)
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shown(each)]))
  return typeof value === 'boolean' ? value : String(value)
}
