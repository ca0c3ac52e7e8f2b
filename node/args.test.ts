// Typing errors: the name that was meant, and none where nothing is near.
import { expect, test } from 'vitest'
import { type Command, exitCode, exitCodeOf, nearestName, parseFlags, unknownVariables, withVariables } from './args.ts'

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

const command: Command = {
  usage: 'x',
  argsMax: 2,
  summary: 'x',
  options: { 'rpc-port': 'port' },
  switches: { yes: 'really' },
  run: async () => exitCode.ok,
}

test('a negative number is a value, a mistyped flag is told with the one that was meant', () => {
  expect(parseFlags(command, 'x', ['a', '-1', '--rpc-port', '-2'])).toMatchObject({
    args: ['a', '-1'],
    flags: { 'rpc-port': '-2' },
  })
  expect(() => parseFlags(command, 'x', ['--rpc-prot', '1'])).toThrow(/did you mean --rpc-port/)
  expect(() => parseFlags(command, 'x', ['--verbose'])).toThrow(expect.objectContaining({ code: 'USAGE_FLAG' }))
  expect(() => parseFlags(command, 'x', ['--verbose'])).not.toThrow(/did you mean/)
})

test('an argument that nothing reads is refused, not passed over', () => {
  expect(() => parseFlags(command, 'x', ['a', 'b', 'c', '--yes'])).toThrow(
    /c is one argument too many; usage: novachain x/,
  )
  expect(() => parseFlags({ ...command, argsMax: 0 }, 'x', ['my-node'])).toThrow(/my-node is one argument too many/)
})

test('a variable stands in for a flag that is not given, never for a switch', () => {
  const env = { NOVACHAIN_RPC_PORT: '1', NOVACHAIN_YES: '1' }
  expect(withVariables(command, {}, env)).toEqual({ 'rpc-port': '1' })
  expect(withVariables(command, { 'rpc-port': '2' }, env)).toEqual({ 'rpc-port': '2' })
  expect(withVariables(command, {}, { NOVACHAIN_RPC_PORT: '' })).toEqual({})
})

test('a variable that nothing reads is told', () => {
  const env = { NOVACHAIN_RPC_PORT: '1', NOVACHAIN_RPC_PROT: '1', NOVACHAIN_PASSWORD: 'x', PATH: '/bin' }
  expect(unknownVariables(env, [command], ['NOVACHAIN_PASSWORD'])).toEqual([
    'nothing reads NOVACHAIN_RPC_PROT (did you mean NOVACHAIN_RPC_PORT?)',
  ])
})

test('exit codes tell misuse, a refusal and a failure apart', () => {
  expect(exitCodeOf('USAGE_FLAG')).toBe(2)
  expect(exitCodeOf('SIGNER_LOCK')).toBe(3)
  expect(exitCodeOf('KEYSTORE_EXISTS')).toBe(3)
  expect(exitCodeOf('CLIENT_UNREACHABLE')).toBe(1)
})
