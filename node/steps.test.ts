import { expect, test } from 'vitest'
import { createSteps } from './steps.ts'

const terminal = (isTTY: boolean) => {
  let text = ''
  return {
    ...{ isTTY, columns: 60, rows: 24, on() {}, off() {} },
    write(part: string) {
      text += part
    },
    said: () => text,
  }
}

test('on a terminal what is done stays and what it waits for goes; the cursor comes back', () => {
  const to = terminal(true)
  const steps = createSteps(to)
  steps.doing('asking')
  steps.done('asked')
  steps.close()
  steps.close()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is spoken to in them
  expect(to.said().replace(/\x1b\[(\?25l|J)/g, '')).toBe('… asking\n\x1b[1A\r✓ asked\n\x1b[?25h')
})

test('in a pipe nothing is said', () => {
  const to = terminal(false)
  const steps = createSteps(to)
  steps.doing('asking')
  steps.done('asked')
  steps.close()
  expect(to.said()).toBe('')
})
