// One key changed in a file that people wrote: the rest stays to the letter, and what would not be read back is not written.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig, renderConfig, renderOver, setInFile } from './config.ts'

const fileOf = (text: string) => {
  const file = join(mkdtempSync(join(tmpdir(), 'nova-config-')), 'config.toml')
  writeFileSync(file, text)
  return file
}
const textOf = (file: string) => readFileSync(file, 'utf8')

test('a commented default becomes a line, a line changes, and nothing else does', () => {
  const file = fileOf(renderConfig({ 'log.level': 'warn' }))
  const before = textOf(file)
  setInFile(file, 'rpc.port', '9000')
  expect(textOf(file)).toBe(before.replace('# port = 8545', 'port = 9000'))
  setInFile(file, 'rpc.port', '9001')
  setInFile(file, 'rpc.hosts', 'a.example,b.example')
  setInFile(file, 'validator.keyFile', 'keys/a "b" \\ c.json')
  const config = loadConfig(file, {}, {})
  expect(config).toMatchObject({
    'rpc.port': 9001,
    'rpc.hosts': ['a.example', 'b.example'],
    'validator.keyFile': 'keys/a "b" \\ c.json',
    'log.level': 'warn',
    'metrics.port': 9545,
  })
})

test('a section that is missing is added, a key goes into its own section', () => {
  const file = fileOf('# mine\n[metrics]\nport = 1\n')
  setInFile(file, 'rpc.port', '2')
  setInFile(file, 'metrics.host', '::1')
  expect(textOf(file)).toBe('# mine\n[metrics]\nhost = "::1"\nport = 1\n\n[rpc]\nport = 2\n')
})

test('keys written over a file leave its others, and one without a value goes back to its default', () => {
  const file = fileOf('[rollup]\nmode = "full"\n\n[rpc]\nport = 9000\norigins = ["*"]\n')
  writeFileSync(file, renderOver(file, { 'rpc.port': undefined, 'log.level': 'warn' }))
  const config = loadConfig(file, {}, {})
  expect(config).toMatchObject({ 'rollup.mode': 'full', 'rpc.port': 8545, 'rpc.origins': ['*'], 'log.level': 'warn' })
  expect(renderOver(join(tmpdir(), 'not there', 'config.toml'), { 'rpc.port': 1 })).toBe(
    renderConfig({ 'rpc.port': 1 }),
  )
})

test('a wrong value or name is refused and the file stays', () => {
  const text = '[rpc]\nport = 1\n'
  const file = fileOf(text)
  const refused = (key: string, value: string) => {
    try {
      setInFile(file, key, value)
    } catch (error) {
      return error as { code: string; message: string }
    }
    return null
  }
  expect(refused('rpc.port', '70000')?.code).toBe('CONFIG_INVALID')
  expect(refused('rpc.prot', '1')).toMatchObject({
    code: 'CONFIG_UNKNOWN',
    message: expect.stringContaining('rpc.port'),
  })
  expect(refused('engine.sealing', 'never')?.code).toBe('CONFIG_INVALID')
  expect(refused('engine.evm', 'quick')?.code).toBe('CONFIG_INVALID')
  expect(textOf(file)).toBe(text)
})

test('a layout that one line cannot change is left to its author', () => {
  for (const text of ['rpc = { port = 1 }\n', '[rpc]\nhosts = [\n  "a",\n]\n', 'rpc.port = 1\n']) {
    const file = fileOf(text)
    expect(() => setInFile(file, text.includes('hosts') ? 'rpc.hosts' : 'rpc.port', '2')).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^CONFIG_(LAYOUT|TOML)$/) }),
    )
    expect(textOf(file)).toBe(text)
  }
})

test('a port to which no fetch speaks is none for JSON-RPC, and the others are', async () => {
  const speaks = (port: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}`, { signal: AbortSignal.timeout(1) }).then(
      () => true,
      ({ cause }: Error) => !(cause instanceof Error && cause.message === 'bad port'),
    )
  const isTaken = (port: number): boolean => {
    try {
      return loadConfig(null, {}, { 'rpc.port': `${port}` })['rpc.port'] === port
    } catch {
      return false
    }
  }
  const ports = [...Array.from({ length: 40 }, (_, i) => 6_660 + i), 1_719, 1_721, 6_000, 8_545, 10_079, 10_080]
  const differing: number[] = []
  for (const port of ports) if (isTaken(port) !== (await speaks(port))) differing.push(port)
  expect(differing).toEqual([])
  expect(isTaken(10_080)).toBe(false)
})
