// Typing errors: the name that was meant, and none where nothing is near.
import { expect, test } from 'vitest'
import { type Command, exitCode, nearestName, parseFlags } from './args.ts'

test.each([
  ['strat', 'start'],
  ['stat', 'start'],
  ['statsu', 'status'],
  ['STATUS', 'status'],
  ['reexecute', 're-execute'],
  ['genesi', 'genesis'],
  ['frobnicate', null],
  ['x', null],
  ['', null],
])('%s is meant as %s', (typed, meant) => {
  expect(nearestName(typed, ['start', 'status', 'genesis', 're-execute', 'db', 'tx'])).toBe(meant)
})

test('a negative number is a value, a mistyped flag is told with the one that was meant', () => {
  const command: Command = {
    usage: 'x',
    summary: 'x',
    options: { 'rpc-port': 'port' },
    run: async () => exitCode.ok,
  }
  expect(parseFlags(command, 'x', ['a', '-1', '--rpc-port', '-2'])).toMatchObject({
    args: ['a', '-1'],
    flags: { 'rpc-port': '-2' },
  })
  expect(() => parseFlags(command, 'x', ['--rpc-prot', '1'])).toThrow(/did you mean --rpc-port/)
  expect(() => parseFlags(command, 'x', ['--verbose'])).toThrow(expect.objectContaining({ code: 'USAGE_FLAG' }))
  expect(() => parseFlags(command, 'x', ['--verbose'])).not.toThrow(/did you mean/)
})
