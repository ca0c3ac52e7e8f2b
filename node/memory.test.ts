import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const module = new URL('./memory.ts', import.meta.url).href
/** Says how often it has begun, counted in a file of its own, and what it was given. */
const script = `
import { appendFileSync, readFileSync } from 'node:fs'
import { beginWithAllocator } from '${module}'
appendFileSync(process.argv[3], process.pid + ' ')
beginWithAllocator()
console.log(JSON.stringify({
  pids: new Set(readFileSync(process.argv[3], 'utf8').trim().split(' ')).size,
  begun: readFileSync(process.argv[3], 'utf8').trim().split(' ').length,
  arenas: process.env.MALLOC_ARENA_MAX, tunables: process.env.GLIBC_TUNABLES, other: process.env.OTHER,
  argv: process.argv.slice(2, 3), stack: process.execArgv.includes('--stack-size=900'),
  input: readFileSync(0, 'utf8'),
}))`

const run = (own: { MALLOC_ARENA_MAX?: string; GLIBC_TUNABLES?: string }) => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-memory-'))
  try {
    const file = join(dir, 'begin.mjs')
    writeFileSync(file, script)
    const { MALLOC_ARENA_MAX: _, GLIBC_TUNABLES: __, ...others } = process.env
    const env = { ...others, OTHER: 'kept', ...own }
    const args = ['--stack-size=900', file, 'an argument', join(dir, 'count')]
    const { stdout, stderr } = spawnSync(process.execPath, args, { input: 'a line', encoding: 'utf8', env })
    expect(stderr).toBe('')
    return JSON.parse(stdout)
  } finally {
    rmSync(dir, { recursive: true })
  }
}
const same = { pids: 1, other: 'kept', argv: ['an argument'], stack: true, input: 'a line' }

test.runIf(process.platform === 'linux')(
  'a process begins anew with one arena and large pages, and is the same to who started it',
  () => {
    const tunables = 'glibc.malloc.hugetlb=1'
    expect(run({})).toEqual({ ...same, begun: 2, arenas: '1', tunables })
    expect(run({ MALLOC_ARENA_MAX: '3' })).toEqual({ ...same, begun: 2, arenas: '3', tunables })
  },
)
test('whoever says both is obeyed, and the process goes on', () => {
  const own = { MALLOC_ARENA_MAX: '3', GLIBC_TUNABLES: 'glibc.malloc.check=0' }
  expect(run(own)).toEqual({ ...same, begun: 1, arenas: '3', tunables: own.GLIBC_TUNABLES })
})

test('what a start left behind is given back to the system', () => {
  const left = `
import { giveBack } from '${module}'
const fill = () => Array.from({ length: 2_500_000 }, (_, i) => ({ n: i, next: [i] }))
const length = fill().length
const before = process.memoryUsage.rss()
await giveBack()
console.log(JSON.stringify({ length, before, after: process.memoryUsage.rss() }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', left], { encoding: 'utf8' })
  expect(stderr).toBe('')
  const { before, after } = JSON.parse(stdout)
  expect(before).toBeGreaterThan(200e6)
  expect(after).toBeLessThan(before - 100e6)
})
