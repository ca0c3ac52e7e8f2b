import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { compareBytes } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import type { Kv, KvWrite } from '../base/ports.ts'
import { crc32c } from './crc32c.ts'
import { checkKvFiles, createMemoryKv, openKv } from './kv.ts'

const dirs: string[] = []
const tempDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-kv-'))
  dirs.push(dir)
  return dir
}
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string | null =>
  value === undefined ? null : new TextDecoder().decode(value)
const put = (key: string, value: string): KvWrite => ({ key: bytes(key), value: bytes(value) })
const collect = async (kv: Kv, from: string, to: string): Promise<string[]> => {
  const out: string[] = []
  for await (const [key, value] of kv.entries(bytes(from), bytes(to))) out.push(`${text(key)}=${text(value)}`)
  return out
}
const codeOf = async (run: () => unknown): Promise<string> => {
  try {
    await run()
  } catch (error) {
    return error instanceof NodeError ? error.code : String(error)
  }
  return 'no error'
}

test('crc32c gives the values of RFC 3720', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
  expect(crc32c(bytes('123456789'))).toBe(0xe3069283)
  expect(crc32c(bytes('6789'), 0, 4, crc32c(bytes('12345')))).toBe(0xe3069283)
})

describe.each([
  ['on disk', () => openKv(tempDir())],
  ['in memory', async () => createMemoryKv()],
])('a store %s', (_, open) => {
  test('reads what was written, in order, and nothing after a delete', async () => {
    const kv = await open()
    await kv.write([put('b', '2'), put('a', '1'), put('c', '3'), put('d', '')])
    await kv.write([{ key: bytes('b'), value: null }, put('e', '4'), { key: bytes('e'), value: null }])
    expect(text(kv.get(bytes('a')))).toBe('1')
    expect(kv.get(bytes('b'))).toBeUndefined()
    expect(text(kv.get(bytes('d')))).toBe('')
    expect(await collect(kv, 'a', 'z')).toEqual(['a=1', 'c=3', 'd='])
    expect(await collect(kv, 'b', 'd')).toEqual(['c=3'])
    await kv.close()
    expect(await codeOf(() => kv.get(bytes('a')))).toBe('STORE_CLOSED')
    expect(await codeOf(() => kv.write([put('a', '1')]))).toBe('STORE_CLOSED')
  })

  test('an iteration sees the store as it was when it began, and values are copies', async () => {
    const kv = await open()
    const value = bytes('1')
    await kv.write([{ key: bytes('a'), value }, put('b', '2')])
    value[0] = 0
    const first = kv.get(bytes('a')) as Uint8Array
    first[0] = 0
    const seen: string[] = []
    for await (const [key, found] of kv.entries(bytes('a'), bytes('z'))) {
      seen.push(`${text(key)}=${text(found)}`)
      await kv.write([put('c', '3'), { key: bytes('b'), value: null }])
    }
    expect(seen).toEqual(['a=1', 'b=2'])
    await kv.close()
  })

  test('orders any keys as their bytes', async () => {
    const kv = await open()
    const keys = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 6 }), { numRuns: 300, seed: 7 })
    await kv.write(keys.map((key) => ({ key, value: key })))
    const seen: Uint8Array[] = []
    for await (const [key] of kv.entries(Uint8Array.of(0), Uint8Array.of(255, 255, 255, 255, 255, 255, 255)))
      seen.push(key)
    const unique = new Map(keys.map((key) => [key.join(), key]))
    expect(seen).toEqual([...unique.values()].sort(compareBytes))
    await kv.close()
  })
})

test('a store survives being closed and opened, also by a reader beside its owner', async () => {
  const dir = join(tempDir(), 'made', 'on', 'demand')
  const first = await openKv(dir)
  await first.write([put('a', '1')])
  await first.close()
  const owner = await openKv(dir, { pause: async () => {} })
  const reader = await openKv(dir, { readOnly: true })
  expect(text(reader.get(bytes('a')))).toBe('1')
  await owner.write([put('a', '2')])
  expect(text(reader.get(bytes('a')))).toBe('2')
  expect(await codeOf(() => reader.write([put('a', '3')]))).toBe('STORE_WRITE')
  await reader.close()
  await owner.close()
})

test('one batch leaves nothing to the next, of whatever size, at once or in turn, and where it was given up', async () => {
  const dir = tempDir()
  const kv = await openKv(dir)
  const gone = { key: bytes('a'), value: null }
  const large = Array.from({ length: 500 }, (_, i) => put(`x${i}`, 'v'.repeat(1_000)))
  await kv.write([put('a', '1'), ...large])
  await kv.write([gone])
  for (let i = 0; i < 100; i++) await kv.write([put('b', String(i))])
  expect(kv.get(bytes('a'))).toBeUndefined()
  expect(text(kv.get(bytes('b')))).toBe('99')
  await Promise.all([kv.write([put('a', '2'), ...large]), kv.write([put('b', '2')]), kv.write([put('c', '2')])])
  await kv.write([gone, { key: bytes('c'), value: null }])
  await Promise.all([kv.write([put('d', '3')]), kv.write([]), kv.write([put('e', '3')])])
  expect(await collect(kv, 'a', 'f')).toEqual(['b=2', 'd=3', 'e=3'])
  const broken = function* () {
    yield put('f', '4')
    throw new Error('its maker failed')
  }
  await expect(kv.write(broken())).rejects.toThrow('its maker failed')
  await kv.write([put('g', '4')])
  await kv.close()
  const again = await openKv(dir)
  expect(await collect(again, 'a', 'h')).toEqual(['b=2', 'd=3', 'e=3', 'g=4'])
  await again.close()
})

test('a store that is closed while a batch is handed over has nothing of it; one that is written by then is whole', async () => {
  const dir = tempDir()
  let pauses = 0
  const close = async (): Promise<void> => {
    if (++pauses === 2) await kv.close()
  }
  const kv = await openKv(dir, { pause: close })
  await kv.write([put('a', '1')])
  const many = Array.from({ length: 40_000 }, (_, i) => put(`k${i}`, 'v'))
  expect(await codeOf(() => kv.write(many))).toBe('STORE_CLOSED')
  const again = await openKv(dir)
  expect(await collect(again, 'a', 'z')).toEqual(['a=1'])
  const written = again.write(many)
  await Promise.all([written, again.close()])
  const last = await openKv(dir)
  expect((await collect(last, 'k', 'l')).length).toBe(40_000)
  await last.close()
})

test('a reader does not create a database', async () => {
  expect(await codeOf(() => openKv(join(tempDir(), 'none'), { readOnly: true }))).toBe('STORE_MISSING')
  expect(await codeOf(() => openKv(tempDir(), { readOnly: true }))).toBe('STORE_MISSING')
})

test('tables without CURRENT are STORE_CORRUPT: LevelDB would begin a new database over them', async () => {
  const dir = await filledDir()
  rmSync(join(dir, 'CURRENT'))
  expect(await codeOf(() => openKv(dir))).toBe('STORE_CORRUPT')
})

const child = (script: string, shell = 'exec "$0" "$@"'): string => {
  const source = `import { openKv } from '${new URL('./kv.ts', import.meta.url)}'\n${script}`
  const run = spawnSync('bash', ['-c', shell, process.execPath, '--input-type=module', '-e', source])
  return `${run.stdout}${run.stderr}`
}

test('STORE_LOCKED for a second owner, in this process and in another', async () => {
  const dir = tempDir()
  const kv = await openKv(dir)
  expect(await codeOf(() => openKv(dir))).toBe('STORE_LOCKED')
  expect(child(`openKv('${dir}').then(() => console.log('opened'), (e) => console.log(e.code))`)).toBe('STORE_LOCKED\n')
  await kv.close()
  expect(child(`openKv('${dir}').then(() => console.log('opened'), (e) => console.log(e.code))`)).toBe('opened\n')
})

test('STORE_WRITE where the directory cannot be made, and where the disk takes no more', async () => {
  const dir = tempDir()
  writeFileSync(join(dir, 'file'), 'x')
  expect(await codeOf(() => openKv(join(dir, 'file', 'db')))).toBe('STORE_WRITE')
  const script = `const kv = await openKv('${join(dir, 'db')}')
    const value = new Uint8Array(65536)
    let code = 'none'
    for (let i = 0; i < 64 && code === 'none'; i++) await kv.write([{ key: Uint8Array.of(i), value }]).catch((e) => { code = e.code })
    console.log(code)`
  expect(child(script, 'ulimit -f 512; exec "$0" "$@"')).toBe('STORE_WRITE\n')
})

const VALUE = (i: number): string => `value ${i} ${'x'.repeat(i % 300)}`
const KEY = (i: number): string => `key ${String(i).padStart(6, '0')}`
const filledDir = async (): Promise<string> => {
  const dir = tempDir()
  for (const round of [0, 1]) {
    const kv = await openKv(dir)
    for (let i = 0; i < 20; i++)
      await kv.write(
        Array.from({ length: 10 }, (_, j) => put(KEY(round * 200 + i * 10 + j), VALUE(round * 200 + i * 10 + j))),
      )
    await kv.close()
  }
  return dir
}

/** Every key right, or the fault that was raised, or 'silent' where something is wrong and nobody said so. */
const verdict = async (dir: string): Promise<string> => {
  const faults: string[] = []
  for await (const fault of checkKvFiles(dir)) faults.push(fault)
  let wrong = 0
  try {
    const kv = await openKv(dir)
    try {
      for (let i = 0; i < 400; i++) if (text(kv.get(bytes(KEY(i)))) !== VALUE(i)) wrong++
      for await (const _ of kv.entries(bytes('a'), bytes('z')));
    } finally {
      await kv.close()
    }
  } catch (error) {
    return error instanceof NodeError ? error.code : String(error)
  }
  return wrong === 0 ? 'whole' : faults.length > 0 ? 'found by the check' : 'silent'
}

test('a flipped bit anywhere but in the last record is an error or found by the check, never a crash', async () => {
  const source = await filledDir()
  const files = readdirSync(source).filter((name) => /^(CURRENT|MANIFEST-.*|.*\.(log|ldb))$/.test(name))
  expect(files.length).toBeGreaterThanOrEqual(4)
  const seen = new Set<string>()
  for (const name of files) {
    const whole = readFileSync(join(source, name))
    for (let k = 0; k < 25; k++) {
      const dir = tempDir()
      for (const other of files) writeFileSync(join(dir, other), readFileSync(join(source, other)))
      const at = Math.floor(((k + 0.5) / 25) * whole.length * (name.endsWith('.log') ? 0.9 : 1))
      const flipped = Uint8Array.from(whole)
      flipped[at] = (flipped[at] as number) ^ (1 << (k % 8))
      writeFileSync(join(dir, name), flipped)
      const outcome = await verdict(dir)
      expect(outcome, `${name} byte ${at}`).toMatch(/^(whole|found by the check|STORE_CORRUPT|STORE_WRITE|STORE_READ)$/)
      seen.add(outcome)
      rmSync(dir, { recursive: true, force: true })
    }
  }
  expect(seen).toContain('STORE_CORRUPT')
})

test('a cut file is an error; a cut log loses whole batches from its end and nothing else', async () => {
  const source = await filledDir()
  for (const name of readdirSync(source).filter((file) => /^(CURRENT|MANIFEST-.*|.*\.(log|ldb))$/.test(file))) {
    for (const share of [0, 0.3, 0.7, 0.99]) {
      const dir = tempDir()
      for (const other of readdirSync(source)) writeFileSync(join(dir, other), readFileSync(join(source, other)))
      truncateSync(join(dir, name), Math.floor(statSync(join(dir, name)).size * share))
      if (!name.endsWith('.log')) {
        expect(await verdict(dir), `${name} cut to ${share}`).toMatch(
          /STORE_CORRUPT|STORE_READ|STORE_WRITE|whole|found/,
        )
        continue
      }
      const kv = await openKv(dir)
      let last = 0
      while (kv.get(bytes(KEY(last))) !== undefined) last++
      expect(last % 10).toBe(0)
      for (let i = last; i < 400; i++) expect(kv.get(bytes(KEY(i)))).toBeUndefined()
      await kv.close()
    }
  }
})
