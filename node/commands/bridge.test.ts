// `bridge` before nobody: what is refused before anything is asked. With chains it is in test/e2e/crossing.e2e.test.ts.
import { expect, test } from 'vitest'
import { run } from '../../test/kit/commands.ts'
import { bridge } from './bridge.ts'

const ID = `0x${'11'.repeat(32)}`
const TO = `0x${'11'.repeat(20)}`
const relay = ['relay', '--dir', '/nowhere']

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
