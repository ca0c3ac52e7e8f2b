// The prompt on a terminal: what is typed is never written, keys that edit work, Ctrl-C leaves.
import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { prompt } from './password.ts'

/** A terminal that types these chunks once it is listened to. */
const terminal = (chunks: readonly string[]) => {
  const written: string[] = []
  const order: string[] = []
  const input = Object.assign(new EventEmitter(), {
    isTTY: true,
    setRawMode: (raw: boolean) => order.push(raw ? 'quiet' : 'loud'),
    setEncoding: () => {},
    pause: () => {},
    resume: () => {},
  })
  input.on('newListener', (event) => {
    if (event === 'data') queueMicrotask(() => chunks.forEach((chunk) => void input.emit('data', chunk)))
  })
  const write = (text: string) => {
    order.push('write')
    written.push(text)
  }
  const ports = { input: input as never, output: { write } } // what prompt uses of them
  return { ports, written, order }
}

test('a line is read and not shown, with its corrections', async () => {
  const { ports, written, order } = terminal(['wrong', '\u0015pa', 'ss\u007fs🔑\b', 'word\r'])
  expect(await prompt('Password: ', 'x', ports)).toBe('password')
  expect(written).toEqual(['Password: ', '\n'])
  expect(order).toEqual(['quiet', 'write', 'loud', 'write'])
})

test('Ctrl-C cancels, and the terminal echoes again', async () => {
  const { ports, order } = terminal(['abc', '\u0003'])
  await expect(prompt('? ', 'x', ports)).rejects.toMatchObject({ code: 'PASSWORD_CANCELLED' })
  expect(order).toEqual(['quiet', 'write', 'loud', 'write'])
})

test('without a terminal it says what to give', async () => {
  const ports = { input: { isTTY: false } as never, output: { write: () => {} } } // is refused before anything else is used
  await expect(prompt('? ', 'x', ports)).rejects.toMatchObject({ code: 'PASSWORD_NONE' })
})
