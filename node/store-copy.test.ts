// Copies of a database that is being written: each is a state that there was, with everything that was acknowledged before it began.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Kv } from '../chain/base/ports.ts'
import { openKv } from '../chain/store/kv.ts'
import { copyStore, type TablesAs } from './store-copy.ts'

const home = mkdtempSync(join(tmpdir(), 'novachain-copy-'))
const dir = join(home, 'db')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const key = (i: number): Uint8Array => bytes(`row ${String(i).padStart(6, '0')}`)
const NEWEST = bytes('newest')
const ROW_BYTES = 4 * 1024 * 1024

let kv: Kv
let written = 0
/** A row and what says so, in one batch. */
const writeOne = async (): Promise<void> => {
  await kv.write([
    { key: key(written + 1), value: new Uint8Array(ROW_BYTES).fill(written) },
    { key: NEWEST, value: bytes(`${written + 1}`) },
  ])
  written++
}
beforeAll(async () => {
  kv = await openKv(dir)
})
afterAll(async () => {
  await kv.close()
  rmSync(home, { recursive: true, force: true })
})

/** What a copy holds: its newest row; all before it must be there, and none after it. */
const newestIn = async (copy: string): Promise<number> => {
  const opened = await openKv(copy)
  try {
    const newest = Number(new TextDecoder().decode(opened.get(NEWEST)))
    for (let i = 1; i <= newest; i++) expect(opened.get(key(i))?.length).toBe(ROW_BYTES)
    expect(opened.get(key(newest + 1))).toBe(undefined)
    return newest
  } finally {
    await opened.close()
  }
}

test('copies while it is written, over a change of its log', async () => {
  const copies: string[] = []
  const before: number[] = []
  // The log changes, and tables come, every 64 MiB.
  for (let i = 0; i < 3; i++) {
    for (let row = 0; row < 8; row++) await writeOne()
    const writing = writeOne()
    before.push(written)
    const copy = join(home, `copy-${i}`)
    copies.push(copy)
    await Promise.all([copyStore(dir, copy, 'links'), writing])
  }
  for (const [i, copy] of copies.entries()) expect(await newestIn(copy)).toBeGreaterThanOrEqual(before[i] ?? 0)
  expect(readdirSync(dir).filter((name) => name.endsWith('.ldb')).length).toBeGreaterThan(0)
})

test('one of pointers leaves what it points to as it is', async () => {
  const before = readdirSync(dir).sort()
  const copy = join(home, 'pointers')
  await copyStore(dir, copy, 'pointers')
  expect(await newestIn(copy)).toBe(written)
  rmSync(copy, { recursive: true })
  expect(readdirSync(dir).sort()).toEqual(before)
  expect(kv.get(key(1))?.length).toBe(ROW_BYTES)
})

test.each<TablesAs>(['links', 'pointers'])('no database, and nowhere to copy to: %s', async (as) => {
  await expect(copyStore(join(home, 'nothing'), join(home, 'x'), as)).rejects.toMatchObject({ code: 'COPY_MISSING' })
  await expect(copyStore(dir, join(dir, 'LOCK', 'x'), as)).rejects.toMatchObject({
    code: expect.stringMatching(/^COPY_/),
  })
})
