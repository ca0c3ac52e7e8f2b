// Lines redrawn at the foot of a terminal, judged by what such a terminal then shows.
import { expect, test } from 'vitest'
import { createScreen, printable, type Terminal, wrap } from './screen.ts'

const TOKEN = /^(␛\[\?25[lh]|␛\[(\d+)A\r|␛\[J|[^␛\n]*\n)/

/** A terminal that wraps, and flows its lines anew when its width changes; no line scrolls off. */
const createTerminal = (columns: number, rows = 24) => {
  /** Logical lines; the cursor stands at the beginning of the row below the last. */
  let lines: string[] = []
  let isCursor = true
  let resized = (): void => {}
  const height = (line: string): number => Math.max(1, Math.ceil(line.length / terminal.columns))
  const terminal = {
    columns,
    rows,
    write(text: string) {
      let rest = text.replaceAll('\x1b', '␛')
      for (let token = TOKEN.exec(rest); token !== null; token = TOKEN.exec(rest)) {
        const [whole, , up] = token
        if (whole === '␛[?25l') isCursor = false
        else if (whole === '␛[?25h') isCursor = true
        else if (up !== undefined) {
          let left = Number(up)
          while (left > 0) left -= height(lines.pop() ?? '')
          expect(left).toBe(0) // it stands at the beginning of a line
        } else if (whole !== '␛[J') lines.push(whole.slice(0, -1))
        rest = rest.slice(whole.length)
      }
      expect(rest).toBe('')
    },
    on: (_: 'resize', listener: () => void) => (resized = listener),
    off: () => (resized = () => {}),
  } satisfies Terminal
  return {
    terminal,
    shows: () => lines,
    hasCursor: () => isCursor,
    resize(to: number) {
      terminal.columns = to
      resized()
    },
    clear: () => (lines = []),
  }
}

test('lines are drawn over the last ones, fewer or more, and what is printed stays above', () => {
  const { terminal, shows, hasCursor } = createTerminal(40)
  const screen = createScreen(terminal)
  screen.draw(['a', 'b', 'c'])
  screen.draw(['d'])
  screen.print('a log line')
  screen.draw(['e', 'f'])
  screen.print('two\nmore\n')
  expect(shows()).toEqual(['a log line', 'two', 'more', 'e', 'f'])
  expect(hasCursor()).toBe(false)
  screen.close()
  expect([shows(), hasCursor()]).toEqual([['a log line', 'two', 'more', 'e', 'f'], true])
})

test('a terminal that becomes narrow, wide and low shows each line once, cut', () => {
  const { terminal, shows, resize } = createTerminal(60, 4)
  const screen = createScreen(terminal)
  screen.print('above')
  screen.draw(['x'.repeat(100), 'short', 'y'.repeat(50), 'no room for this'])
  expect(shows()).toEqual(['above', 'x'.repeat(59), 'short', 'y'.repeat(50)])
  resize(20)
  expect(shows()).toEqual(['above', 'x'.repeat(19), 'short', 'y'.repeat(19)])
  resize(60)
  expect(shows()).toEqual(['above', 'x'.repeat(59), 'short', 'y'.repeat(50)])
})

test('a sentence is cut at spaces', () => {
  expect(wrap('have 61.2 % of voting power', 12, '  ')).toEqual(['have 61.2 %', '  of voting', '  power'])
})

test('a name that others chose moves no cursor and turns no text around', () => {
  expect(printable('Zoë’s node')).toBe('Zoë’s node')
  expect(printable('a\u001b[2Jb\nc\u202ed\u2028e')).toBe('a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e')
})
