// A state as a file: written, listed, verified and restored by the commands; and every way in which a file, a URL, a disk or an operator's trust can
// be wrong, each refused in words, with nothing that opens as a chain left behind.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asHash, bytesToHex, concat, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Kv, KvWrite } from '../../chain/base/ports.ts'
import { checkStore } from '../../chain/calls.ts'
import { createSnapshotSource, type FirstBlock, firstBlock, openRestore } from '../../chain/snapshot.ts'
import { createMemoryKv, openKv } from '../../chain/store/kv.ts'
import { parseGenesis, rulesOf } from '../../chain/types/genesis.ts'
import { run } from '../../test/kit/commands.ts'
import { createDice } from '../../test/kit/dice.ts'
import { openSealedChain, seal, sealedGenesisText } from '../../test/kit/sealed.ts'
import { type Command, parseFlags } from '../args.ts'
import { openBytes } from '../bytes.ts'
import {
  encodeSnapshotHead,
  openSnapshot,
  SNAPSHOT_HEAD_BYTES,
  type SnapshotHead,
  type SnapshotTrust,
  writeSnapshot,
} from '../snapshotfile.ts'
import { backup } from './backup.ts'
import { db } from './db.ts'
import { doctor } from './doctor.ts'
import { exportCommand, importCommand } from './export.ts'
import { reExecute } from './reexecute.ts'
import { rollback } from './rollback.ts'
import { snapshot } from './snapshot.ts'
import { start } from './start.ts'
import { upgrade } from './upgrade.ts'

/** Beyond the blocks that a store begins with, over several epochs. */
const HEIGHT = 300
const EPOCH = 40
/** So that there are many pieces. */
const SIZES = { chunkBytes: 2_000, inlineBytes: 1_000 }
const DAY_MS = 86_400_000

/** Enough accounts for pieces of several branches, one with large storage, some with code. */
const textOf = (chainId: number): string => {
  const json = JSON.parse(sealedGenesisText({ epochBlocks: EPOCH, chainId }))
  for (let i = 1; i <= 400; i++)
    json.alloc[`0x${(i * 7_919).toString(16).padStart(40, '0')}`] = { balance: `0x${i.toString(16)}` }
  const word = (n: number): string => `0x${n.toString(16).padStart(64, '0')}`
  const storage = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [word(i + 1), word(3 * i + 3)]))
  json.alloc[`0x${'5e'.repeat(20)}`] = { balance: '0x1', code: '0x60015b00', storage }
  json.alloc[`0x${'5f'.repeat(20)}`] = { balance: '0x1', code: '0x60025b00' }
  return JSON.stringify(json)
}
const text = textOf(4_242)
const genesis = parseGenesis(text)
const rules = rulesOf(genesis)
let first: FirstBlock

const home = mkdtempSync(join(tmpdir(), 'novachain-snapshot-'))
let folders = 0
const folder = (of = text): string => {
  const dir = join(home, `node-${folders++}`)
  mkdirSync(dir)
  writeFileSync(join(dir, 'genesis.json'), of)
  writeFileSync(join(dir, 'config.toml'), '[log]\nlevel = "error"\n')
  return dir
}

const source = folder()
/** As the command makes it, and with small pieces. */
const file = join(home, 'files', 'whole.snapshot')
const small = join(home, 'small.snapshot')
let head: SnapshotHead
let bytes: Uint8Array
const hashes = new Map<number, string>()
const stateOf = async (kv: Kv): Promise<string[]> => {
  const rows: string[] = []
  for (const table of ['a', 's', 'n', 'c']) {
    const from = table.charCodeAt(0)
    // The height of a value differs: which one changed it is not in a state.
    for await (const [key] of kv.entries(Uint8Array.of(from), Uint8Array.of(from + 1))) rows.push(bytesToHex(key))
  }
  return rows
}
let whole: string[]
beforeAll(async () => {
  first = await firstBlock(genesis)
  mkdirSync(join(home, 'files'))
  const kv = await openKv(join(source, 'db'))
  const chain = await openSealedChain(genesis, kv)
  await seal(chain, HEIGHT)
  for (let height = 1; height <= HEIGHT; height++)
    hashes.set(height, bytesToHex(chain.outline(height)?.hash as Uint8Array))
  whole = await stateOf(kv)
  const handle = await open(small, 'w')
  head = await writeSnapshot(handle, { chain, source: createSnapshotSource(kv, async () => {}, SIZES) }, () => {})
  await handle.close()
  await chain.close()
  bytes = new Uint8Array(readFileSync(small)) // slices of a buffer are no copies
  const said = await run(snapshot, ['create', join(home, 'files', 'whole.snapshot'), '--dir', source])
  expect([said.text, said.code]).toEqual([expect.stringContaining('whoever trusts that block'), 0])
  expect(said.json).toMatchObject({ height: HEIGHT, hash: hashes.get(HEIGHT), codes: head.codes })
})

const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/files/index.txt': (response) => response.end('# of the operator\nwhole.snapshot\n\nnowhere.snapshot\n'),
  '/files/whole.snapshot': (response) => response.end(readFileSync(file)),
  '/moved': (response) => response.writeHead(302, { location: '/files/whole.snapshot' }).end(),
  '/html': (response) => response.end('<!doctype html><title>Not here, log in first</title>'),
  '/upwards': (response) => response.end('../files/whole.snapshot\n'),
  '/elsewhere': (response) => response.end('http://169.254.169.254/latest\n'),
  '/long': (response) => response.end('a.snapshot\n'.repeat(10_000)),
  '/silent': () => {},
  '/stalls': (response) => void response.write(bytes.subarray(0, bytes.length >> 1)),
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': String(bytes.length) }).write(bytes.subarray(0, 5_000))
    response.socket?.destroySoon()
  },
  '/endless': (response) => {
    response.write(bytes)
    const more = (): void => {
      while (response.write(Buffer.alloc(1_000_000, 32)));
      response.once('drain', more)
    }
    more()
  },
}
const server = createServer((request, response) => {
  const answer = ANSWERS[request.url ?? '']
  if (answer === undefined) response.writeHead(404).end('no')
  else answer(response)
})
let base = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(home, { recursive: true, force: true })
})

const trustIn = (height: number): string[] => [
  ...['--trust-height', String(height), '--trust-hash', hashes.get(height) as string],
]

test('a folder restored from a file, or a URL, has the state and goes on from there', async () => {
  for (const [place, trust] of [
    [file, []],
    [small, trustIn(HEIGHT)],
    [`${base}/moved`, trustIn(EPOCH)],
  ] as const) {
    const dir = folder()
    expect(await run(snapshot, ['verify', place, '--dir', dir, ...trust])).toMatchObject({ code: 0 })
    expect(readdirSync(dir).sort()).toEqual(['config.toml', 'genesis.json'])
    const said = await run(snapshot, ['restore', place, '--dir', dir, ...trust])
    expect([said.text, said.code]).toEqual([expect.stringContaining('next: novachain start'), 0])
    const kv = await openKv(join(dir, 'db'))
    expect(await stateOf(kv)).toEqual(whole)
    const chain = await openSealedChain(genesis, kv)
    expect(await checkStore(kv, chain.genesisHash)).toMatchObject({ height: HEIGHT })
    expect(bytesToHex(chain.head().hash)).toBe(hashes.get(HEIGHT))
    expect(chain.kept()).toMatchObject({ headers: HEIGHT - 255, bodies: HEIGHT + 1, state: HEIGHT })
    // Light clients and whoever syncs from it find the last block of each epoch that the file led over.
    for (const height of [EPOCH, HEIGHT - 255, HEIGHT]) {
      if (height === EPOCH && trust.length > 0 && place === small) continue // it began above
      expect(bytesToHex(chain.outline(height)?.hash as Uint8Array)).toBe(hashes.get(height))
      expect(chain.commitOf(height)).not.toBeNull()
    }
    await seal(chain, 2)
    await chain.close()
    // And its own snapshot can be made, and a second restore is none.
    expect(await run(snapshot, ['create', join(dir, 'again'), '--dir', dir])).toMatchObject({ code: 0 })
    expect(await run(snapshot, ['verify', join(dir, 'again'), '--dir', dir, ...trust])).toMatchObject({ code: 0 })
    expect((await run(snapshot, ['restore', file, '--dir', dir])).refusal).toBe('BEGIN_EXISTS')
  }
})

test('whatever a file holds of blocks may be the checkpoint, and nothing else', async () => {
  for (const height of [EPOCH, HEIGHT - 255, HEIGHT - 100, HEIGHT - 1, HEIGHT])
    expect([height, (await run(snapshot, ['verify', file, '--dir', source, ...trustIn(height)])).code]).toEqual([
      height,
      0,
    ])
  for (const height of [3, EPOCH - 1, EPOCH + 1])
    expect(await run(snapshot, ['verify', file, '--dir', source, ...trustIn(height)])).toMatchObject({
      ...{ refusal: 'SNAPFILE_UNKNOWN', code: 3 },
      text: expect.stringContaining(
        `from ${HEIGHT - 255} to ${HEIGHT}, or of the last one of an epoch (a multiple of ${EPOCH})`,
      ),
    })
  const wrong = ['--trust-height', String(HEIGHT), '--trust-hash', hashes.get(HEIGHT - 1) as string]
  expect(await run(snapshot, ['restore', file, '--dir', folder(), ...wrong])).toMatchObject({
    ...{ refusal: 'LIGHT_CHECKPOINT', code: 3 },
  })
  const ahead = ['--trust-height', String(HEIGHT + 1), '--trust-hash', hashes.get(HEIGHT) as string]
  expect(await run(snapshot, ['restore', file, '--dir', folder(), ...ahead])).toMatchObject({
    refusal: 'SNAPFILE_AHEAD',
  })
  expect((await run(snapshot, ['verify', file, '--dir', source, '--trust-height', '5'])).refusal).toBe('TRUST_HALF')
})

test('a folder with a restore that was cut off: whoever needs a database says so, makes none, and leaves what came', async () => {
  const dir = folder()
  writeFileSync(join(dir, 'config.toml'), '[log]\nlevel = "error"\n[p2p]\nlisten = []\n')
  const kv = await openKv(join(dir, 'db.part'))
  await expect(into(failing(kv, 5, 'the power went'))).rejects.toThrow('the power went')
  await kv.close()
  const before = readdirSync(dir).sort()
  const commands: readonly (readonly [Command, ...string[]])[] = [
    ...['check', 'stats', 'prune', 'compact'].map((verb) => [db, verb] as const),
    ...[[backup, join(home, 'none.tar')] as const, [snapshot, 'create', join(home, 'none')] as const],
    ...[[exportCommand, 'state', join(home, 'none')] as const, [rollback, '--height', '1', '--yes'] as const],
    ...[[reExecute] as const, [upgrade, 'simulate', '--fork', 'osaka'] as const],
    ...[[importCommand, join(home, 'none')] as const, [start, '--rpc-port', '0', '--metrics-port', '0'] as const],
  ]
  for (const [command, ...args] of commands) {
    const said = await run(command, [...args, '--dir', dir])
    expect([command.usage, said.refusal]).toEqual([command.usage, 'BEGIN_PART'])
    expect(said.text).toMatch(/--sync state.*snapshot restore/)
  }
  const found = (await run(doctor, ['--dir', dir])).json.checks.find((each: { id: string }) => each.id === 'database')
  expect(found).toMatchObject({ state: 'warn', next: expect.stringContaining('snapshot restore') })
  expect(readdirSync(dir).sort()).toEqual(before)
  expect(await run(snapshot, ['restore', file, '--dir', dir])).toMatchObject({ code: 0 })
  expect(await run(db, ['check', '--dir', dir])).toMatchObject({ code: 0, json: { height: HEIGHT } })
  expect((await run(db, ['check', '--dir', folder()])).refusal).toBe('BEGIN_NONE')

  // Beside a database such a folder is of no use: it goes with the next start, but not from under whoever writes to it.
  const left = await openKv(join(dir, 'db.part'))
  expect((await run(importCommand, [join(home, 'none'), '--dir', dir])).refusal).toBe('STORE_LOCKED')
  await left.close()
  expect((await run(importCommand, [join(home, 'none'), '--dir', dir])).refusal).toBe('EXPORT_FILE')
  expect(readdirSync(dir)).not.toContain('db.part')
})

test('a snapshot of another network, a folder without a database, a node that runs, a file that is there', async () => {
  const stranger = folder(textOf(7))
  for (const verb of ['verify', 'restore'])
    expect(await run(snapshot, [verb, file, '--dir', stranger])).toMatchObject({ refusal: 'SNAPFILE_NETWORK', code: 3 })
  expect(readdirSync(stranger).sort()).toEqual(['config.toml', 'genesis.json'])
  expect((await run(snapshot, ['create', join(home, 'none'), '--dir', stranger])).refusal).toBe('BEGIN_NONE')
  expect((await run(snapshot, ['create', file, '--dir', source])).refusal).toBe('SNAPSHOTCMD_EXISTS')
  expect(await run(snapshot, ['create', file, '--dir', source, '--yes'])).toMatchObject({ code: 0 })
  const running = await openKv(join(source, 'db'))
  expect(await run(snapshot, ['create', file, '--dir', source, '--yes'])).toMatchObject({ code: 0 })
  await running.close()
  expect(readdirSync(source).sort()).toEqual(['config.toml', 'db', 'genesis.json'])
  expect(existsSync(join(home, 'none'))).toBe(false)
  expect((await run(snapshot, ['create', join(home, 'no', 'where'), '--dir', source])).refusal).toBe('SOURCE_FILE')
  expect(await run(snapshot, ['frobnicate', file])).toMatchObject({ code: 2 })
  expect(await run(snapshot, ['create', '--dir', source])).toMatchObject({ code: 2 })
})

test('files are listed with height, network and size: in a folder, by a list at a URL, one alone', async () => {
  const named = await run(snapshot, ['create', join(home, 'files'), '--dir', source])
  expect(named.json.file).toBe(join(home, 'files', `4242-${HEIGHT}.snapshot`))
  writeFileSync(join(home, 'files', 'readme.txt'), 'no snapshot')
  writeFileSync(join(home, 'files', 'torn.snapshot'), bytes.subarray(0, 100))
  const { json, text: told } = await run(snapshot, ['list', join(home, 'files')])
  expect(json.snapshots).toEqual([
    expect.objectContaining({ place: join(home, 'files', `4242-${HEIGHT}.snapshot`), chainId: 4_242 }),
    expect.objectContaining({
      place: join(home, 'files', 'torn.snapshot'),
      fault: expect.stringContaining('ends within its head'),
    }),
    expect.objectContaining({
      ...{ place: file, height: HEIGHT, hash: hashes.get(HEIGHT), sizeBytes: readFileSync(file).length },
      network: bytesToHex(first.hash),
    }),
  ])
  expect(told).toContain(`height ${HEIGHT}`)
  const listed = await run(snapshot, ['list', `${base}/files/index.txt`])
  expect(listed.json.snapshots).toEqual([
    expect.objectContaining({ place: `${base}/files/whole.snapshot`, height: HEIGHT }),
    expect.objectContaining({ fault: expect.stringContaining('HTTP 404') }),
  ])
  expect((await run(snapshot, ['list', `${base}/files/whole.snapshot`])).json.snapshots).toHaveLength(1)
  expect((await run(snapshot, ['list', small])).json.snapshots).toMatchObject([{ height: HEIGHT }])
  for (const path of ['/html', '/upwards', '/elsewhere', '/long'])
    expect([path, (await run(snapshot, ['list', `${base}${path}`])).refusal]).toEqual([path, 'SNAPSHOTCMD_INDEX'])
  expect((await run(snapshot, ['list', `${base}/gone`])).refusal).toBe('SOURCE_FETCH')
  expect((await run(snapshot, ['list', join(home, 'gone')])).refusal).toBe('SOURCE_FILE')
})

const trust = (of: Partial<SnapshotTrust> = {}): SnapshotTrust => ({
  ...{ rules, first, checkpoint: null, nowMs: Date.now() },
  ...of,
})
/** null where it is whole, else why not. */
const faultOf = async (place: string, of: SnapshotTrust = trust(), stallMs = 60_000): Promise<string | null> => {
  const stream = await openBytes(place, { stallMs })
  try {
    const { state } = await openSnapshot(stream, of)
    await state({ piece: async () => {}, code: async () => {} })
    return null
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    return `${error.code}: ${error.message}`
  } finally {
    await stream.close()
  }
}
const bad = join(home, 'bad')
const faultIn = (content: Uint8Array): Promise<string | null> => {
  writeFileSync(bad, content)
  return faultOf(bad)
}
const headed = (changes: Partial<SnapshotHead>, body = bytes.subarray(SNAPSHOT_HEAD_BYTES)): Uint8Array =>
  concat(encodeSnapshotHead({ ...head, ...changes }), body)
/** Where the parts begin, their lengths included. */
const partsIn = (): number[] => {
  const out: number[] = []
  for (let at = SNAPSHOT_HEAD_BYTES; at < bytes.length; at += 4 + Buffer.from(bytes).readUInt32BE(at)) out.push(at)
  return out
}

test('one flipped bit anywhere is found (SEED)', async () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const dice = createDice(seed)
  expect(await faultIn(bytes)).toBeNull()
  const parts = partsIn()
  // In each kind of part, in lengths, in the head, and anywhere.
  const places = [0, 9, 60, ...[0, 1, -1, 260, 300].map((i) => parts.at(i) as number)]
  for (let i = 0; i < 30; i++) places.push(dice.below(bytes.length))
  for (const at of places) {
    const copy = bytes.slice()
    copy[at] = (copy[at] as number) ^ (1 << dice.below(8))
    const fault = await faultIn(copy)
    expect([seed, at, fault]).toEqual([seed, at, expect.stringMatching(/^SNAPFILE_(DAMAGED|OTHER|VERSION)/)])
  }
})

test('a file that is cut, longer, or says other than it holds', async () => {
  const parts = partsIn()
  for (const end of [
    0,
    7,
    9,
    100,
    SNAPSHOT_HEAD_BYTES,
    parts[1],
    (parts[1] as number) + 2,
    parts.at(-1),
    bytes.length - 1,
  ]) {
    const fault = await faultIn(bytes.subarray(0, end))
    expect([end, fault]).toEqual([end, expect.stringMatching(/^SNAPFILE_(DAMAGED.*ends|OTHER)/)])
  }
  expect(await faultIn(concat(bytes, Uint8Array.of(0)))).toMatch(/more follow/)
  const body = bytes.subarray(SNAPSHOT_HEAD_BYTES)
  const spare = concat(body, body.subarray((parts[3] as number) - SNAPSHOT_HEAD_BYTES))
  expect(await faultIn(headed({ sizeBytes: spare.length }, spare))).toMatch(/the state ends here/)
  // A length of 4 GB is refused before it is believed.
  const long = bytes.slice()
  long.set([255, 255, 255, 255], parts[2])
  expect(await faultIn(long)).toMatch(/a part of 4294967295 bytes, at most \d+\. /)
  expect(await faultIn(headed({ blocks: 2 ** 31 }))).toMatch(/said to hold 2147483648 blocks/)
  expect(await faultIn(headed({ height: HEIGHT - 1 }))).toMatch(/its head says block 299, and it ends with block 300/)
  expect(await faultIn(headed({ hash: asHash(keccak(Uint8Array.of(1))) }))).toMatch(/names another block 300/)
  expect(await faultIn(headed({ accounts: head.accounts + 1 }))).toMatch(/accounts, and it holds/)
  expect(await faultIn(headed({ digest: new Uint8Array(32) }))).toMatch(/does not have its digest/)
  expect(await faultIn(headed({ lowest: 39 }))).toMatch(/block 40 is out of order/)
  const version = bytes.slice()
  version[9] = 2
  expect(await faultIn(version)).toMatch(/has format 2, and this release reads 1/)
})

/** A snapshot of the same chain so many blocks later, and its state. */
const later = async (blocks: number) => {
  const [dir, name] = [folder(), join(home, `later-${blocks}.snapshot`)]
  cpSync(join(source, 'db'), join(dir, 'db'), { recursive: true })
  const kv = await openKv(join(dir, 'db'))
  const chain = await openSealedChain(genesis, kv)
  await seal(chain, blocks)
  const handle = await open(name, 'w')
  const made = await writeSnapshot(handle, { chain, source: createSnapshotSource(kv, async () => {}, SIZES) }, () => {})
  await handle.close()
  const state = await stateOf(kv)
  await chain.close()
  return { name, made, state }
}

test('pieces of the state after another block, in another order, or of other code', async () => {
  const { name, made: ahead } = await later(20)
  const [ours, theirs] = [partsIn(), readFileSync(name)]
  let at = SNAPSHOT_HEAD_BYTES
  for (let i = 0; i < ahead.blocks; i++) at += 4 + theirs.readUInt32BE(at)
  const mixed = concat(bytes.subarray(0, ours[head.blocks] as number), theirs.subarray(at))
  const sizeBytes = mixed.length - SNAPSHOT_HEAD_BYTES
  expect(await faultIn(headed({ sizeBytes }, mixed.subarray(SNAPSHOT_HEAD_BYTES)))).toMatch(/not the one that the root/)
  const part = (i: number): Uint8Array => bytes.subarray(ours[i], ours[i + 1])
  const swapped = (i: number): Uint8Array =>
    concat(bytes.subarray(0, ours[i]), part(i + 1), part(i), bytes.subarray(ours[i + 2]))
  expect(await faultIn(swapped(head.blocks + 2))).toMatch(/a piece of another place than comes next/)
  expect(await faultIn(swapped(ours.length - 2))).toMatch(/it should be the code 0x/)
  expect(await faultIn(swapped(3))).toMatch(/out of order/)
})

test('what the README has people type is what the command takes', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const typed = [...readme.matchAll(/^npm run -s novachain -- snapshot ([^#\n]*)/gm)].map(([, rest = '']) =>
    parseFlags(snapshot, 'snapshot', rest.trim().split(/\s+/)),
  )
  expect(typed.map(({ args }) => args[0])).toEqual(['create', 'list', 'verify', 'restore'])
})

test('a checkpoint, a genesis or a snapshot that is older than the trust period', async () => {
  const strict = { ...rules, development: false }
  const checkpoint = { height: HEIGHT, hash: asHash(hexToBytes(hashes.get(HEIGHT) as string)) }
  const nowMs = head.timeMs + 15 * DAY_MS
  for (const each of [checkpoint, { height: EPOCH, hash: asHash(hexToBytes(hashes.get(EPOCH) as string)) }, null])
    expect(await faultOf(small, trust({ rules: strict, checkpoint: each, nowMs }))).toMatch(/^LIGHT_TOO_OLD/)
  const young = { rules: strict, nowMs: head.timeMs + DAY_MS }
  expect(await faultOf(small, trust({ ...young, checkpoint }))).toBeNull()
})

test('a URL that says nothing, stops, is cut, never ends, or answers a page', async () => {
  expect(await faultOf(`${base}/stalls`, trust(), 500)).toMatch(/nothing came for 0.5 s/)
  await expect(openBytes(`${base}/silent`, { stallMs: 200 })).rejects.toMatchObject({ code: 'SOURCE_FETCH' })
  expect(await faultOf(`${base}/cut`)).toMatch(/^SOURCE_FETCH/)
  expect(await faultOf(`${base}/endless`)).toMatch(/more follow/)
  expect(await faultOf(`${base}/html`)).toMatch(/^SNAPFILE_OTHER: .* begins with "<!doctype html>/)
  for (const [path, refusal] of [
    ['/html', 'SNAPFILE_OTHER'],
    ['/cut', 'SOURCE_FETCH'],
    ['/gone', 'SOURCE_FETCH'],
    ['/endless', 'SNAPFILE_DAMAGED'],
  ] as const) {
    const dir = folder()
    expect([path, (await run(snapshot, ['restore', `${base}${path}`, '--dir', dir])).refusal]).toEqual([path, refusal])
    expect(existsSync(join(dir, 'db'))).toBe(false)
    // A whole file goes on with what came.
    expect(await run(snapshot, ['restore', file, '--dir', dir])).toMatchObject({ code: 0 })
  }
})

const into = async (kv: Kv, name = small): Promise<void> => {
  const restore = await openRestore(kv, genesis, first)
  if (restore === null) return
  const stream = await openBytes(name)
  try {
    const { target, begin, state } = await openSnapshot(stream, trust())
    restore.aim({ height: target.header.number, root: target.header.stateRoot })
    await state({
      piece: (piece) => restore.take(piece),
      code: async (code, hash) => (restore.lacksCode(hash) ? restore.takeCodes([code]) : undefined),
    })
    await restore.finish(begin)
  } finally {
    await stream.close()
  }
}
const failing = (disk: Kv, writes: number, reason: string): Kv => {
  let left = writes
  return {
    ...disk,
    async write(batch: Iterable<KvWrite>) {
      if (left-- <= 0) throw new Error(reason)
      await disk.write(batch)
    },
  }
}

test('killed, or without room, at every write of a restore: nothing opens as a chain, and the next one goes on', async () => {
  const disk = createMemoryKv()
  let deaths = 0
  for (let writes = 1; ; writes += 3) {
    const ended = await into(failing(disk, writes, 'ENOSPC: no space left on device')).then(
      () => 'whole',
      (error: Error) => error.message,
    )
    if (ended === 'whole') break
    expect(ended).toMatch(/ENOSPC/)
    expect(await openRestore(disk, genesis, first)).not.toBeNull()
    deaths++
  }
  expect(deaths).toBeGreaterThan(5)
  expect(await stateOf(disk)).toEqual(whole)
  expect(await openRestore(disk, genesis, first)).toBeNull()
})

test('what a restore has begun a second snapshot goes on with, and what changed meanwhile is replaced', async () => {
  const disk = createMemoryKv()
  await expect(into(failing(disk, 40, 'the power went'))).rejects.toThrow('the power went')
  const { name, state: there } = await later(3)
  await into(disk, name)
  expect(await stateOf(disk)).toEqual(there)
  expect((await openSealedChain(genesis, disk)).head().header.number).toBe(HEIGHT + 3)
})
