// The commands that send, look and check, as a shell runs them, on a development network.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../kit/devnet.ts'

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const novachain = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [main, ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
const DEAD = '0x000000000000000000000000000000000000dead'
let devnet: Devnet
const tx = (...args: string[]) => novachain('tx', ...args, '--rpc', devnet.rpc[0] ?? '')

beforeAll(async () => {
  devnet = await startDevnet(['--sealing', 'instant', '--log-level', 'error'])
})
afterAll(async () => {
  await devnet?.stop()
})

test('tx send signs, waits and says where it is; trace and query see it', async () => {
  const sent = await tx('send', '--dev-account', '0', '--to', DEAD, '--value', '1.5nova', '--wait', '--json')
  expect(sent).toMatchObject({ code: 0, stderr: '' })
  const { hash, height, gasUsed } = JSON.parse(sent.stdout)
  expect({ height, gasUsed }).toEqual({ height: 1, gasUsed: 21_000 })
  const account = await novachain('query', 'account', DEAD, '--rpc', devnet.rpc[0] ?? '', '--json')
  expect(BigInt(JSON.parse(account.stdout).result.balance)).toBe(15n * 10n ** 17n)
  expect(JSON.parse((await tx('trace', hash, '--json')).stdout).result).toMatchObject({ type: 'CALL', to: DEAD })
})

test('tx send --unsigned needs no key, and decode reads what is signed', async () => {
  const sender = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
  const shown = await tx('send', '--unsigned', '--sender', sender, '--to', DEAD, '--value', '3gwei', '--json')
  expect(JSON.parse(shown.stdout)).toMatchObject({ value: '3000000000', gasLimit: '21000', chainId: 662_607 })
  expect(await tx('decode', JSON.parse(shown.stdout).unsigned, '--json')).toMatchObject({ code: 0 })
  expect(await tx('decode', '0x1234')).toMatchObject({ code: 1, stderr: expect.stringContaining('not a signed') })
})

test.each([
  ['a bad recipient', ['send', '--dev-account', '0', '--to', '0xdead'], 1, 'expected an address'],
  ['an unknown unit', ['send', '--dev-account', '0', '--to', DEAD, '--value', '1eth'], 1, 'there is no unit eth'],
  [
    'a recipient whose checksum is wrong',
    ['send', '--dev-account', '0', '--to', '0x70997970C51812dc3A010C7d01b50e0d17dc79c8'],
    1,
    'another checksum',
  ],
  [
    'a tip above the fee',
    ['send', '--dev-account', '0', '--to', DEAD, '--tip', '5gwei', '--max-fee', '1gwei'],
    1,
    'at most --max-fee',
  ],
  [
    'more than 256 bits',
    ['send', '--dev-account', '0', '--to', DEAD, '--value', `${'9'.repeat(60)}nova`],
    1,
    '256 bits',
  ],
  ['no sender', ['send', '--to', DEAD], 2, 'expected --from'],
  ['nothing to do', ['send', '--dev-account', '0'], 2, 'expected --to'],
  ['a verb that is none', ['mint'], 2, 'expected send, decode or trace'],
  [
    'no plain transfers to a module',
    ['send', '--dev-account', '0', '--to', `0x${'0'.repeat(37)}803`, '--value', '1'],
    1,
    'params: it takes no plain transfers',
  ],
  [
    'more than there is',
    ['send', '--dev-account', '1', '--to', DEAD, '--value', '1000001nova'],
    1,
    'insufficient funds',
  ],
] as const)('tx refuses %s', async (_, args, code, says) => {
  expect(await tx(...args)).toMatchObject({ code, stderr: expect.stringContaining(says) })
})

test('status --watch says a line for each head in a pipe, and ends well', async () => {
  const child = spawn(process.execPath, [main, 'status', '--watch', '--rpc', devnet.rpc[0] ?? ''])
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  expect((await lines.next()).value).toMatch(/^height \d+ final 0x/)
  child.kill('SIGINT')
  expect((await once(child, 'exit'))[0]).toBe(0)
})

test('the doctor beside a node that runs asks that, opens nothing of its, and sees where another answers in its place', async () => {
  const dir = join(devnet.dir, 'node-0')
  const doctor = async (url: string) => {
    const { code, stdout } = await novachain('doctor', '--dir', dir, '--rpc', url, '--json')
    const { checks } = JSON.parse(stdout)
    return { code, of: (id: string) => checks.find((each: { id: string }) => each.id === id) }
  }
  const beside = await doctor(devnet.rpc[0] ?? '')
  expect(beside.of('ports')).toMatchObject({
    state: 'ok',
    found: expect.stringContaining(`the node of this folder answers at ${devnet.rpc[0]}`),
  })
  expect(beside.of('guard')).toMatchObject({
    state: 'ok',
    found: expect.stringMatching(/it signs; last commit of height \d+/),
  })
  expect(beside.of('blocks')).toMatchObject({ state: 'ok', found: expect.stringMatching(/^height \d+ is under way/) })
  expect(beside.of('version').state).toBe('ok')
  expect(beside.of('database')).toBeUndefined() // it is the node's to speak of
  const elsewhere = await startDevnet(['--sealing', 'instant', '--log-level', 'error'])
  const beyond = await doctor(elsewhere.rpc[0] ?? '')
  await elsewhere.stop()
  expect([beyond.code, beyond.of('ports')]).toEqual([
    1,
    expect.objectContaining({
      state: 'fail',
      found: expect.stringMatching(/process \d+ has the database, and at .* no node of this folder/),
    }),
  ])
  expect([beyond.of('guard'), beyond.of('blocks')]).toEqual([undefined, undefined])
})

test('a stopped node is counted, checked and run again', async () => {
  const dir = join(devnet.dir, 'node-0')
  expect(await novachain('db', 'check', '--dir', dir)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('in use'),
  })
  await devnet.stop({ keep: true })
  const stats = JSON.parse((await novachain('db', 'stats', '--dir', dir, '--json')).stdout)
  expect(stats.total.rows).toBeGreaterThan(50)
  expect(await novachain('db', 'check', '--dir', dir)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('whole: height 1'),
  })
  const again = JSON.parse((await novachain('re-execute', '--dir', dir, '--json')).stdout)
  expect(again).toMatchObject({ from: 1, to: 1, txs: 1, gas: '21000' })
  expect(await novachain('re-execute', '--dir', dir, '--to', 'x')).toMatchObject({ code: 2 })
  expect(await novachain('db', 'stats', '--dir', '/nowhere')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('novachain init'),
  })
})
