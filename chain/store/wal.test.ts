import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { NodeError } from '../base/errors.ts'
import { openLogFile } from './kv.ts'
import { type LogFile, openWal, WalErrors, type WalRecord } from './wal.ts'

const dirs: string[] = []
const tempFile = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-wal-'))
  dirs.push(dir)
  return join(dir, 'wal', 'consensus.wal')
}
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
})

/** A file in memory that remembers what was synced. */
const memoryFile = (start: Uint8Array = new Uint8Array(0)) => {
  let bytes = start.slice()
  const file = { syncs: 0, fails: false, bytes: () => bytes }
  const port: LogFile = {
    name: 'memory',
    read: async () => bytes.slice(),
    async append(more) {
      if (file.fails) throw new NodeError(WalErrors.WRITE, { name: 'memory', reason: 'no space' })
      bytes = Uint8Array.of(...bytes, ...more)
    },
    async sync() {
      file.syncs++
    },
    async truncate(sizeBytes) {
      bytes = bytes.slice(0, sizeBytes)
    },
    async replace(all) {
      bytes = all.slice()
    },
    close: async () => {},
  }
  return Object.assign(file, { port })
}

const codeOf = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'no error',
    (error) => (error instanceof NodeError ? error.code : String(error)),
  )
const record = (type: number, text: string): WalRecord => ({ type, payload: new TextEncoder().encode(text) })
const SYNC = { sync: true }

/** The bytes of a log, and where each record ends. */
const written = async (records: readonly WalRecord[]): Promise<{ bytes: Uint8Array; ends: number[] }> => {
  const file = memoryFile()
  const wal = await openWal(file.port)
  const ends: number[] = []
  for (const { type, payload } of records) {
    await wal.append(type, payload, { sync: false })
    ends.push(file.bytes().length)
  }
  return { bytes: file.bytes(), ends }
}
const arbRecords = fc.array(fc.record({ type: fc.nat(254), payload: fc.uint8Array({ maxLength: 40 }) }), {
  minLength: 1,
  maxLength: 8,
})

test('records come back in order, after the last height that ended', async () => {
  const path = tempFile()
  const first = await openWal(await openLogFile(path))
  expect([first.height, first.records]).toEqual([null, []])
  await first.append(1, record(1, 'old').payload, SYNC)
  await first.endHeight(7)
  await Promise.all(['a', 'b', 'c'].map((text, i) => first.append(i, record(i, text).payload, { sync: i === 2 })))
  await first.close()
  const second = await openWal(await openLogFile(path))
  expect(second.height).toBe(7)
  expect(second.records).toEqual([record(0, 'a'), record(1, 'b'), record(2, 'c')])
  await second.append(3, new Uint8Array(0), SYNC)
  await second.close()
  const third = await openWal(await openLogFile(path))
  expect(third.records.length).toBe(4)
  await third.close()
})

test('a log cut at any byte gives the whole records before it, and goes on from there', async () => {
  await fc.assert(
    fc.asyncProperty(arbRecords, async (records) => {
      const { bytes, ends } = await written(records)
      for (let size = 0; size <= bytes.length; size++) {
        const file = memoryFile(bytes.slice(0, size))
        const wal = await openWal(file.port)
        const whole = ends.filter((end) => end <= size).length
        expect(wal.records).toEqual(records.slice(0, whole))
        expect(file.bytes().length).toBe(ends[whole - 1] ?? 0)
        await wal.append(9, Uint8Array.of(9), SYNC)
        const again = await openWal(file.port)
        expect(again.records).toEqual([...records.slice(0, whole), { type: 9, payload: Uint8Array.of(9) }])
      }
    }),
    { numRuns: 20 },
  )
})

test('a flipped bit before another record is WAL_CORRUPT; in the last record it is a torn end', async () => {
  await fc.assert(
    fc.asyncProperty(arbRecords, async (records) => {
      const { bytes, ends } = await written(records)
      const lastStart = ends.at(-2) ?? 0
      for (let at = 0; at < bytes.length; at++) {
        const bad = bytes.slice()
        bad[at] = (bad[at] as number) ^ (1 << (at % 8))
        const file = memoryFile(bad)
        if (at < lastStart) expect(await codeOf(openWal(file.port)), `byte ${at}`).toBe('WAL_CORRUPT')
        else expect((await openWal(file.port)).records).toEqual(records.slice(0, -1))
        expect(file.bytes().length).toBe(at < lastStart ? bytes.length : lastStart)
      }
    }),
    { numRuns: 20 },
  )
})

test('an end of zeros or noise, as a loss of power leaves it, is cut', async () => {
  const { bytes } = await written([record(1, 'a'), record(2, 'b')])
  for (const tail of [new Uint8Array(100), Uint8Array.from({ length: 500 }, (_, i) => (i * 89) % 251)]) {
    const file = memoryFile(Uint8Array.of(...bytes, ...tail))
    expect((await openWal(file.port)).records.length).toBe(2)
    expect(file.bytes()).toEqual(bytes)
  }
})

test('a record of a good length that holds records of its own is still one torn record', async () => {
  const inner = (await written([record(1, 'inner'), record(2, 'more')])).bytes
  const { bytes } = await written([record(1, 'a'), { type: 5, payload: inner }])
  const file = memoryFile(bytes.slice(0, -1))
  expect((await openWal(file.port)).records).toEqual([record(1, 'a')])
})

test('an ended height starts a grown file anew', async () => {
  const path = tempFile()
  const wal = await openWal(await openLogFile(path), { rotateBytes: 200 })
  for (let height = 1; height <= 20; height++) {
    for (let i = 0; i < 3; i++) await wal.append(i, new Uint8Array(20), { sync: false })
    await wal.endHeight(height)
    expect(readFileSync(path).length).toBeLessThan(400)
  }
  await wal.append(4, Uint8Array.of(1), SYNC)
  await wal.close()
  const again = await openWal(await openLogFile(path))
  expect([again.height, again.records]).toEqual([20, [{ type: 4, payload: Uint8Array.of(1) }]])
  await again.close()
})

test('records above the bound are refused, and after a failed write nothing more is written', async () => {
  const file = memoryFile()
  const wal = await openWal(file.port, { recordMaxBytes: 10 })
  expect(await codeOf(wal.append(1, new Uint8Array(11), SYNC))).toBe('WAL_TOO_LARGE')
  await wal.append(1, new Uint8Array(10), SYNC)
  expect(file.syncs).toBe(1)
  file.fails = true
  expect(await codeOf(wal.append(1, new Uint8Array(1), SYNC))).toBe('WAL_WRITE')
  file.fails = false
  expect(await codeOf(wal.append(1, new Uint8Array(1), SYNC))).toBe('WAL_WRITE')
  expect(file.bytes().length).toBe(23)
  await wal.close()
})

test('WAL_WRITE where the file cannot be made', async () => {
  const path = tempFile()
  const dir = join(path, '..', '..')
  writeFileSync(join(dir, 'wal'), 'a file where a directory is wanted')
  expect(await codeOf(openLogFile(path))).toBe('WAL_WRITE')
})
