// `bridge` before nobody: what is refused before anything is asked. With chains it is in test/e2e/crossing.e2e.test.ts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { run } from '../../test/kit/commands.ts'
import { bridge } from './bridge.ts'

const ID = `0x${'11'.repeat(32)}`
const TO = `0x${'11'.repeat(20)}`
const relay = ['relay', '--dir', '/nowhere']
const folder = mkdtempSync(join(tmpdir(), 'bridge-'))
const empty = join(folder, 'empty.toml')
const [full, odd] = [join(folder, 'full.toml'), join(folder, 'odd.toml')]
writeFileSync(empty, '')
writeFileSync(
  full,
  `dir = "here"\nmetricsPort = 9600\n[chains.137]\nurl = "http://127.0.0.1:1"\nsettlement = "${TO}"\n`,
)
writeFileSync(odd, 'metrics_port = 9600\n')
afterAll(() => rmSync(folder, { recursive: true }))

test.each([
  [[]],
  [['bring', ID]],
  [['send', '137', TO]],
  [['send', '0', TO, '1']],
  [['send', '18446744073709551616', TO, '1']],
  [['status', '0x12']],
  [['claim', ID]],
  [['claim', ID, '--l1', 'http://127.0.0.1:1']],
  [['relay', '--chains', '137=http://127.0.0.1:1', '--settlements', `137=${TO}`]],
  [relay],
  [[...relay, '--config', empty]],
  [[...relay, '--chains', 'http://127.0.0.1:1']],
  [[...relay, '--chains', '137=ftp://127.0.0.1']],
  [[...relay, '--chains', '137=http://127.0.0.1:1']],
  [[...relay, '--chains', '137=http://127.0.0.1:1', '--settlements', `137=${TO}`, '--from-blocks', '137=x']],
])('%j is refused at the door', async (argv) => {
  expect((await run(bridge, argv)).refusal).toBe('USAGE_ARGUMENT')
})

test('values of flags are named with what was expected', async () => {
  const refusals = [
    ['send', '137', '0x12', '1'],
    ['send', '137', TO, '1', '--data', 'zz'],
    ['send', '137', TO, '1', '--token', 'CPU'],
  ].map(async (argv) => (await run(bridge, argv)).refusal)
  expect(await Promise.all(refusals)).toEqual(Array(3).fill('TXCMD_FIELD'))
})

test('what a file says of a relayer goes after variables, and these after flags', async () => {
  const { refusal, text } = await run(bridge, ['relay', '--config', full])
  expect([refusal, text]).toEqual(['USAGE_ARGUMENT', expect.stringMatching(/--from/)]) // the file is enough but for who signs
  const port = (argv: readonly string[], env = {}) => run(bridge, ['relay', '--config', full, ...argv], env)
  const variable = { NOVACHAIN_METRICS_PORT: 'of-a-variable' }
  expect((await port([], variable)).text).toContain('of-a-variable')
  expect((await port(['--metrics-port', 'of-a-flag'], variable)).text).toContain('of-a-flag')
  expect((await port(['--chains', '5=ftp://x'])).text).toContain('chain 5 has no http URL')
  expect(await run(bridge, ['relay', '--config', odd])).toMatchObject({
    refusal: 'RELAYER_INVALID',
    text: expect.stringMatching(/metrics_port/),
  })
  expect((await run(bridge, ['relay', '--config', join(folder, 'none.toml')])).refusal).toBe('CONFIG_TOML')
})
