// The devnet as scripts use it: one JSON line, control from another shell, a real crash, and nothing left behind.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { freePort, startDevnet } from '../kit/devnet.ts'

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const novachain = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [main, ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('status, kill, restart and stop from another shell; garbage is refused with exit codes', async () => {
  const devnet = await startDevnet(['--block-time', '1000', '--log-level', 'error'])
  const { dir } = devnet
  expect(devnet).toMatchObject({ chainId: 662_607, pids: [expect.any(Number)] })
  expect(devnet.accounts[0]).toMatchObject({ address: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266' })
  expect(devnet.accounts).toHaveLength(10)
  const control = (...args: string[]) => novachain('devnet', ...args, '--dir', dir, '--json')
  expect(JSON.parse((await control('status')).stdout).heights[0]).toBeGreaterThan(0)
  const told = await novachain('devnet', 'status', '--dir', dir)
  expect(told.stdout).toMatch(
    /^validator 0 {2}block \d+, final {2}round 0 {2}0 peers {2}.* {2}http:\/\/127.0.0.1:\d+ {2}pid \d+\n$/,
  )
  expect(await control('kill', '7')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no validator 7'),
  })
  for (const [groups, says] of [
    ['0,1/2', 'there is no validator 1'],
    ['0/0', 'validator 0 is in it twice'],
    ['0', 'that leaves all of them together'],
  ] as const)
    expect(await control('partition', groups)).toMatchObject({ code: 1, stderr: expect.stringContaining(says) })
  expect(await control('partition', '0;1')).toMatchObject({ code: 2, stderr: expect.stringContaining('as in 0,1/2,3') })
  expect(await control('kill', '0', '1')).toMatchObject({ code: 2, stderr: expect.stringContaining('one argument') })
  expect(JSON.parse((await control('kill', '0')).stdout)).toEqual({ killed: 0 })
  expect(JSON.parse((await control('kill', '0')).stdout)).toEqual({ killed: 0 })
  expect(JSON.parse((await control('heal')).stdout)).toEqual({ healed: true })
  expect(isAlive(devnet.pids[0] ?? 0)).toBe(false)
  expect(JSON.parse((await control('status')).stdout)).toMatchObject({ pids: [null], heights: [null] })
  expect((await novachain('devnet', 'status', '--dir', dir)).stdout).toBe('validator 0  not running\n')
  await Promise.all([control('restart', '0'), control('kill', '0'), control('restart', '0')])
  const { pid } = JSON.parse((await control('restart', '0')).stdout) // of a live one
  expect(isAlive(pid)).toBe(true)
  expect(await novachain('devnet', '--dir', dir)).toMatchObject({ code: 1, stderr: expect.stringContaining('runs in') })
  expect(JSON.parse((await control('stop')).stdout)).toEqual({ stopped: true })
  expect(isAlive(pid)).toBe(false)
  expect(await devnet.stop({ keep: true })).toBe(0)
  const other = await novachain('devnet', '--dir', dir, '--chain-id', '5', '--json')
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('--reset') })
  expect(await novachain('devnet', 'dance')).toMatchObject({ code: 2 })
  expect(await novachain('devnet', '--validators', '0')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('expected 1 to 100'),
  })
})

test('in a pipe it says where it is and how to stop it; stopped while it starts it ends well', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'novachain-'))
  const ports = ['--rpc-port', String(await freePort()), '--p2p-port', String(await freePort())]
  const args = [
    main,
    'devnet',
    '--validators',
    '1',
    '--dir',
    dir,
    ...ports,
    '--block-time',
    '1000',
    '--log-level',
    'error',
  ]
  const run = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: string[] = []
  for await (const line of createInterface({ input: run.stdout })) {
    said.push(line)
    if (line.includes('Ctrl-C')) run.kill('SIGINT')
  }
  expect(said.join('\n')).toMatch(/devnet, chain id 662607.*validator 0 {2}http:.*0xf39F.*Ctrl-C stops it/s)
  const config = join(dir, 'node-0', 'config.toml') // written before the validator starts
  await rm(config)
  const again = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  const ended = once(again, 'exit')
  await expect.poll(() => existsSync(config), { timeout: 120_000 }).toBe(true)
  process.kill(-(again.pid ?? 0), 'SIGINT') // as a terminal does: to the children too
  const hurry = setInterval(() => again.kill('SIGTERM'), 1) // npm passes on what the terminal has sent already
  expect(await ended).toEqual([0, null])
  clearInterval(hurry)
  await rm(dir, { recursive: true })
})

test('a validator does not outlive a supervisor that is killed', async () => {
  const devnet = await startDevnet(['--block-time', '1000', '--log-level', 'error'])
  const pid = devnet.pids[0] ?? 0
  devnet.process.kill('SIGKILL')
  await expect.poll(() => isAlive(pid), { timeout: 120_000 }).toBe(false)
  await devnet.stop()
})
