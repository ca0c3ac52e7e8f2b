import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from '../chain/base/ports.ts'
import { lockKey } from './lock.ts'

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
let dir: string
let key: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'novachain-lock-'))
  key = join(dir, 'validator.json')
  writeFileSync(key, '{}')
})
afterEach(() => rmSync(dir, { recursive: true }))

test('one process at a time has a key, by whatever path it reaches it', async () => {
  const giveBack = await lockKey(key, log)
  symlinkSync(key, join(dir, 'other.json'))
  await expect(lockKey(join(dir, 'other.json'), log)).rejects.toMatchObject({ code: 'LOCK_HELD' })
  await giveBack()
  const again = await lockKey(key, log)
  await again()
  expect(existsSync(`${key}.lock`)).toBe(false)
})

test('the lock of a process that died is taken over, also where another process has its number', async () => {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  for (const holder of [
    { host: hostname(), pid: child.pid, started: 'a boot 1' },
    { host: hostname(), pid: process.pid, started: 'an earlier boot 1' },
  ]) {
    writeFileSync(`${key}.lock`, JSON.stringify(holder))
    const giveBack = await lockKey(key, log)
    expect(JSON.parse(readFileSync(`${key}.lock`, 'utf8')).pid).toBe(process.pid)
    await giveBack()
  }
})

test.each([
  ['of another machine', JSON.stringify({ host: `not-${hostname()}`, pid: 1, started: '' })],
  ['that cannot be read', '{"pid":'],
])('a lock %s is not taken over', async (_, text) => {
  writeFileSync(`${key}.lock`, text)
  await expect(lockKey(key, log)).rejects.toMatchObject({ code: 'LOCK_HELD' })
  expect(readFileSync(`${key}.lock`, 'utf8')).toBe(text)
})

test('of many who find a dead process’s lock one gets it', async () => {
  writeFileSync(`${key}.lock`, JSON.stringify({ host: hostname(), pid: process.pid, started: 'an earlier boot 1' }))
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => lockKey(key, log)))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})
