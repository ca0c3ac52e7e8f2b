// A backup of a database that is being written, and what comes back from it; and each kind of file that is no whole backup.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { create, extract } from 'tar'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { openKv } from '../../chain/store/kv.ts'
import { run } from '../../test/kit/commands.ts'
import { devValidatorSecret } from '../../test/kit/keys.ts'
import { type MemoryChain, openMemoryChain } from '../../test/kit/memory-chain.ts'
import { installFastCurves } from '../curves.ts'
import { encryptKeystore, writeKeyFile } from '../keystore.ts'
import { backup, restore } from './backup.ts'
import { init } from './init.ts'

const genesisFile = fileURLToPath(new URL('../../genesis.json', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'novachain-backup-'))
const dir = join(home, 'node')
const whole = join(home, 'whole.tar')
let memory: MemoryChain
const height = (): number => memory.chain.head().header.number

beforeAll(async () => {
  await installFastCurves(() => {})
  expect(await run(init, [dir, '--genesis', genesisFile])).toMatchObject({ code: 0 })
  memory = await openMemoryChain({ kv: await openKv(join(dir, 'db')) })
  for (let i = 0; i < 3; i++) await memory.seal()
  const text = await encryptKeystore(devValidatorSecret(0), 'a password for tests', { type: 'validator' })
  await writeKeyFile(join(dir, 'keys', 'validator.json'), text)
  writeFileSync(join(dir, 'p2p.key'), `0x${'11'.repeat(32)}\n`, { mode: 0o600 })
  writeFileSync(join(dir, 'signer-0123456789abcdef.json'), '{}', { mode: 0o600 })
  writeFileSync(join(dir, 'pool.journal'), '')
})
afterAll(async () => {
  await memory.chain.close()
  rmSync(home, { recursive: true, force: true })
})

let count = 0
const place = (): string => join(home, `restored-${count++}`)
const back = (file: string, to = place()) => run(restore, [file, '--dir', to])
const filesOf = (at: string): string[] =>
  readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(at.length + 1))

test('blocks come while it is made; what comes back is one of them, without keys and never with the record', async () => {
  const before = height()
  const [said] = await Promise.all([
    run(backup, [whole, '--dir', dir]),
    (async () => {
      for (let i = 0; i < 5; i++) await memory.seal()
    })(),
  ])
  expect(said).toMatchObject({ code: 0, json: { withKeys: false } })
  expect(said.json.height).toBeGreaterThanOrEqual(before)
  expect(statSync(whole).mode & 0o777).toBe(0o600)
  expect(readdirSync(dir).filter((name) => name.startsWith('backup'))).toEqual([])
  const to = place()
  const { code, json, text } = await back(whole, to)
  expect([code, json.height, json.hash]).toEqual([0, said.json.height, said.json.hash])
  expect(json.hash).toBe(bytesToHex(memory.chain.block(json.height)?.hash ?? new Uint8Array(0)))
  expect(text).toContain(`novachain start --dir ${to}`)
  expect(
    filesOf(to)
      .filter((name) => !/^db\//.test(name))
      .sort(),
  ).toEqual(['config.toml', 'genesis.json'])
  const kv = await openKv(join(to, 'db'))
  const again = await openMemoryChain({ kv })
  expect(again.chain.head().header.number).toBe(json.height)
  await again.seal() // its state is whole: it goes on
  await again.chain.close()
})

test('with keys: encrypted ones and the name among peers; one in the clear is refused', async () => {
  const file = join(home, 'keys.tar')
  expect(await run(backup, [file, '--dir', dir, '--with-keys'])).toMatchObject({ code: 0 })
  const to = place()
  expect(await back(file, to)).toMatchObject({ code: 0 })
  for (const name of ['keys/validator.json', 'p2p.key']) {
    expect(readFileSync(join(to, name), 'utf8')).toBe(readFileSync(join(dir, name), 'utf8'))
    expect(statSync(join(to, name)).mode & 0o777).toBe(0o600)
  }
  expect(filesOf(to).some((name) => name.startsWith('signer-'))).toBe(false)
  const clear = join(dir, 'keys', 'clear.json')
  writeFileSync(clear, `0x${'22'.repeat(32)}\n`, { mode: 0o600 })
  const refused = await run(backup, [join(home, 'x.tar'), '--dir', dir, '--with-keys'])
  expect([refused.code, refused.refusal, existsSync(join(home, 'x.tar'))]).toEqual([3, 'BACKUP_PLAIN', false])
  rmSync(clear)
})

test('nothing is overwritten', async () => {
  expect(await run(backup, [whole, '--dir', dir])).toMatchObject({ code: 3, refusal: 'BACKUP_EXISTS' })
  expect(await back(whole, dir)).toMatchObject({ code: 3, refusal: 'BACKUP_OCCUPIED' })
  expect(await back(join(home, 'none.tar'))).toMatchObject({ code: 1, refusal: 'BACKUP_FILE' })
})

test('cut short, a bit turned, a file taken out, one put in: refused whole, and nothing is left behind', async () => {
  const bytes = readFileSync(whole)
  const turned = Buffer.from(bytes)
  const at = turned.indexOf('"chainId"') // within genesis.json, whose hash the list has
  turned[at + 3] = (turned[at + 3] ?? 0) ^ 1
  const unpacked = join(home, 'unpacked')
  mkdirSync(unpacked)
  await extract({ file: whole, cwd: unpacked })
  const pack = async (
    name: string,
    change: (list: { files: { path: string; bytes: number; sha256: string }[] }) => string[],
  ): Promise<string> => {
    const list = JSON.parse(readFileSync(join(unpacked, 'backup.json'), 'utf8'))
    const original = JSON.stringify(list)
    const names = change(list)
    writeFileSync(join(unpacked, 'backup.json'), JSON.stringify(list))
    await create({ file: join(home, name), cwd: unpacked }, ['backup.json', ...names])
    writeFileSync(join(unpacked, 'backup.json'), original)
    return join(home, name)
  }
  writeFileSync(join(unpacked, 'signer-0123456789abcdef.json'), '{}')
  const bad: Record<string, string> = {
    short: join(home, 'short.tar'),
    turned: join(home, 'turned.tar'),
    missing: await pack('missing.tar', ({ files }) =>
      files.map(({ path }) => path).filter((path) => path !== 'genesis.json'),
    ),
    foreign: await pack('foreign.tar', ({ files }) => {
      files.push({ path: 'signer-0123456789abcdef.json', bytes: 2, sha256: '00' })
      return files.map(({ path }) => path)
    }),
    outside: await pack('outside.tar', ({ files }) => {
      files.push({ path: 'keys/../../../etc/passwd', bytes: 2, sha256: '00' })
      return files.slice(0, -1).map(({ path }) => path)
    }),
    listless: join(home, 'listless.tar'),
    other: genesisFile,
  }
  writeFileSync(bad.short ?? '', bytes.subarray(0, bytes.length - 20_000))
  writeFileSync(bad.turned ?? '', turned)
  await create({ file: bad.listless ?? '', cwd: unpacked }, ['genesis.json'])
  const before = readdirSync(home).sort()
  for (const [name, file] of Object.entries(bad)) {
    const to = join(home, 'never')
    const { code, refusal, text } = await back(file, to)
    expect([name, code, refusal]).toEqual([name, 1, 'BACKUP_DAMAGED'])
    expect([existsSync(to), text]).toEqual([false, expect.stringContaining('nothing was restored')])
  }
  expect(readdirSync(home).sort()).toEqual(before)
})

test('what is in the archive and not in its list stays there', async () => {
  const unpacked = join(home, 'more')
  mkdirSync(unpacked)
  await extract({ file: whole, cwd: unpacked })
  writeFileSync(join(unpacked, 'signer-0123456789abcdef.json'), '{}')
  const list = JSON.parse(readFileSync(join(unpacked, 'backup.json'), 'utf8'))
  const names = list.files.map(({ path }: { path: string }) => path)
  const file = join(home, 'more.tar')
  await create({ file, cwd: unpacked }, ['backup.json', 'signer-0123456789abcdef.json', ...names])
  const to = place()
  expect(await back(file, to)).toMatchObject({ code: 0 })
  expect(filesOf(to).some((name) => name.startsWith('signer-'))).toBe(false)
})
