// OPERATING.md, as it stands: four hosts are made from its commands, and each incident is made to happen and put right by what its page
// says. Each test goes on where the one before ended; at the end nobody has signed twice.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NodeError } from '../../chain/base/errors.ts'
import { consensusOf } from '../../node/commands/status.ts'
import { installFastCurves } from '../../node/curves.ts'
import { request } from '../../rpc/client/http.ts'
import {
  type Block,
  crash,
  createWorld,
  type Host,
  hostIn,
  readBlocks,
  stop,
  type Typed,
  type,
  type World,
} from '../kit/hosts.ts'

const NAMES = ['ada', 'barbara', 'charles', 'donald']
const home = mkdtempSync(join(tmpdir(), 'novachain-runbooks-'))
const blocks = readBlocks('OPERATING.md')
const PAGES = [...new Set(blocks.map(({ section }) => section))]
const executed = new Set<Block>()
let world: World
const host = (name: string): Host => hostIn(world, name)

beforeAll(async () => {
  await installFastCurves(() => {})
  // Blocks and epochs that a test can wait for.
  const extra = { 'genesis new': ['--block-time', '2000', '--epoch-blocks', '10'] }
  world = createWorld(home, NAMES, extra)
})
const disks: ChildProcess[] = []
afterAll(async () => {
  for (const each of world.hosts.values()) await crash(each)
  for (const disk of disks) disk.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

/** Types the next blocks of a page, so many of them, and answers what each line said. */
const follow = async (section: string, count: number): Promise<Typed[]> => {
  const next = blocks
    .filter((block) => block.section === section && !block.isOnce && !executed.has(block))
    .slice(0, count)
  expect(next.length).toBe(count)
  const said: Typed[] = []
  for (const block of next) {
    executed.add(block)
    const typed = await Promise.all(block.hosts.map((name) => (block.isRoot ? typeAll(block, name) : null)))
    said.push(...typed.flatMap((each) => each ?? []))
    // Commands in this process share its present folder.
    if (!block.isRoot) for (const name of block.hosts) said.push(...(await typeAll(block, name)))
  }
  return said
}
const typeAll = async (block: Block, name: string): Promise<Typed[]> => {
  const said: Typed[] = []
  for (const line of block.lines) said.push(await type(world, host(name), line))
  return said
}
const find = (said: readonly Typed[], start: string): Typed => {
  const found = said.find(({ line }) => line.startsWith(start))
  if (found === undefined) throw new TypeError(`nobody typed ${start}`)
  return found
}

/** A node on a busy machine may keep a question waiting. */
const patiently = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (;;)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== 'CLIENT_UNREACHABLE') throw error
      await delay(500)
    }
}
const heightOf = async (at: Host): Promise<number> => Number(await patiently(() => request(at.rpc, 'eth_blockNumber')))
const reached = async (at: Host, height: number): Promise<void> => {
  while ((await heightOf(at)) < height) await delay(500)
}
const consensusAt = (at: Host) => patiently(() => consensusOf(at.rpc))
const silenceOf = async (at: Host): Promise<string | null> => (await consensusAt(at)).signing?.silence ?? null
/** The height to go on with, as it is named at the head: one named on the way there is soon too low. */
const asked = async (at: Host, other: Host): Promise<number> => {
  for (;;) {
    const isAtHead = (await heightOf(at)) >= (await heightOf(other)) - 1
    const shown = /start with --record-lost-at (\d+)/.exec((await silenceOf(at)) ?? '')?.[1]
    if (isAtHead && shown !== undefined) return Number(shown)
    await delay(200)
  }
}
const signs = async (at: Host): Promise<void> => {
  while ((await silenceOf(at)) !== null || (await consensusAt(at)).signing?.last === null) await delay(200)
}
const empty = (at: Host): void => {
  for (const name of readdirSync(at.dir))
    if (!['safe', 'genesis-final.json', 'peers.txt'].includes(name)) rmSync(join(at.dir, name), { recursive: true })
}

test('four hosts: from keys to blocks that are final on all of them', async () => {
  const page = 'Four hosts'
  await follow(page, 2)
  for (const name of NAMES) {
    const shown = await type(world, host(name), 'novachain keys show operator')
    world.words.set(name.toUpperCase(), shown.json.address)
  }
  const founded = await follow(page, 6)
  world.words.set('HASH', find(founded, 'novachain genesis validate').json.hash)
  expect(find(founded, 'novachain genesis validate').json).toMatchObject({ valid: true, validators: 4 })
  for (const { json } of (await follow(page, 1)).filter(({ line }) => line.startsWith('novachain doctor')))
    expect(
      json.checks.filter(({ state, id }: { state: string; id: string }) => state === 'fail' && id !== 'peer'),
    ).toEqual([])
  await follow(page, 1)
  await Promise.all(NAMES.map((name) => reached(host(name), 3)))
  const well = await follow(page, 1)
  for (const { json } of well.filter(({ line }) => line === 'novachain status'))
    expect(json).toMatchObject({ synced: true, peers: 3 })
  for (const { json } of well.filter(({ line }) => line === 'novachain doctor'))
    expect(json).toMatchObject({ failures: 0, refused: false })
})

test('a stop takes less than the unit allows, and a second SIGTERM changes nothing', async () => {
  const ada = host('ada')
  const { node } = ada
  const ended = once(node as ChildProcess, 'exit')
  node?.kill('SIGTERM')
  node?.kill('SIGTERM')
  expect((await ended)[0]).toBe(0)
  await type(world, ada, 'systemctl start novachain')
  await stop(ada)
  console.log(`a stop takes ${Math.round(ada.stopMs)} ms`)
  expect(ada.stopMs).toBeLessThan(30_000)
  await type(world, ada, 'systemctl start novachain')
})

test('backup, while it runs', async () => {
  await reached(host('donald'), 8)
  const before = await heightOf(host('donald'))
  const said = find(await follow('Four hosts', 1), 'novachain backup')
  expect(said.json).toMatchObject({ withKeys: true })
  expect(said.json.height).toBeGreaterThanOrEqual(before)
  cpSync(join(host('ada').dir, 'donald.tar'), join(host('donald').dir, 'safe', 'donald.tar'))
  await reached(host('donald'), before + 3)
})

test('halted chain', async () => {
  const page = 'Halted chain'
  await Promise.all([crash(host('charles')), crash(host('donald'))])
  // What the dead said last may still decide a height after it was called halted.
  for (let seen = 0; seen < 60; await delay(200)) seen = (await consensusAt(host('ada'))).halt === null ? 0 : seen + 1
  const height = await heightOf(host('ada'))
  const said = await follow(page, 1)
  const { halt } = find(said, 'novachain status').json.consensus
  for (const name of ['CHARLES', 'DONALD']) expect(halt).toContain(world.words.get(name)?.toLowerCase())
  expect(find(said, 'novachain doctor')).toMatchObject({ code: 1, json: { refused: false } })
  expect(find(said, 'novachain doctor').json.checks).toContainEqual(
    expect.objectContaining({ id: 'blocks', state: 'fail' }),
  )
  await follow(page, 1)
  await reached(host('ada'), height + 2)
  expect(find(await follow(page, 1), 'novachain status').json.synced).toBe(true)
})

test('restored backup', async () => {
  const page = 'Restored backup'
  const donald = host('donald')
  await crash(donald)
  empty(donald)
  await follow(page, 2)
  world.words.set('SHOWN', `${await asked(donald, host('ada'))}`)
  await follow(page, 2)
  const from = await heightOf(donald)
  await signs(donald)
  expect((await consensusAt(donald)).signing?.last?.height).toBeGreaterThan(from)
  await follow(page, 1)
})

test('lost disk', async () => {
  const page = 'Lost disk'
  const charles = host('charles')
  await crash(charles)
  empty(charles)
  await follow(page, 2)
  world.words.set('SHOWN', `${await asked(charles, host('ada'))}`)
  const said = await follow(page, 1)
  expect(find(said, 'novachain status').json.consensus.signing.silence).toContain('signing twice is slashed')
  const doctor = await type(world, charles, 'novachain doctor || true')
  expect([doctor.code, doctor.json.refused]).toEqual([3, true])
  await follow(page, 1)
  await signs(charles)
  await follow(page, 1)
})

/** `page` ends with the validator under its next key, in the set. */
const rotated = async (page: string, name: string): Promise<void> => {
  // As the pages say; a busy machine puts a node a few blocks behind at any moment.
  while ((await consensusAt(host(name))).behind) await delay(200)
  const before = (await type(world, host(name), 'novachain validators show --dir .')).json.blsKey
  const refused = find(await follow(page, 1), 'novachain validators rotate-key')
  expect([refused.code, refused.text]).toEqual([4, expect.stringContaining('restart it')])
  const said = await follow(page, 2)
  expect(find(said, 'novachain validators rotate-key').json.proposed).toBeGreaterThan(0)
  const after = (await type(world, host(name), 'novachain validators show --dir .')).json
  expect(after.blsKey).not.toBe(before)
  await type(world, host(name), 'systemctl restart novachain')
  await signs(host(name))
}

test('lost key', async () => {
  const donald = host('donald')
  await stop(donald)
  rmSync(join(donald.dir, 'keys', 'validator.json'))
  await expect(type(world, donald, 'systemctl start novachain')).rejects.toThrow(/there is no validator key/)
  await follow('Lost key', 2)
  await reached(donald, await heightOf(host('ada')))
  await rotated('Lost key', 'donald')
})

test('stolen key', async () => rotated('Stolen key', 'charles'))

/** A disk of its own in a name space of its own, which needs no rights where a user may make one. */
const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['-Urm', 'true'])
    return true
  } catch {
    return false
  }
})()
const DISK_MEGABYTES = 500

// skipped where no disk can be mounted: there node/disk.test.ts and test/e2e/disk.long.test.ts stand for it
test.skipIf(!canMount)('full disk', async () => {
  const page = 'Full disk'
  const barbara = host('barbara')
  await stop(barbara)
  const aside = join(home, 'barbara-before')
  cpSync(barbara.dir, aside, { recursive: true, preserveTimestamps: true })
  const fill = `mount -t tmpfs -o size=${DISK_MEGABYTES}m,mode=700 none '${barbara.dir}' && cp -a '${aside}/.' '${barbara.dir}'`
  const mount = `${fill} && echo ready && exec sleep 3600`
  const disk = spawn('unshare', ['-Urm', 'sh', '-c', mount], { stdio: ['ignore', 'pipe', 'inherit'] })
  disks.push(disk)
  await once(disk.stdout, 'data')
  barbara.prefix = ['nsenter', '-t', `${disk.pid}`, '-U', '-m', '--preserve-credentials']
  await type(world, barbara, 'systemctl start novachain')
  const before = await heightOf(barbara)
  await reached(barbara, before + 2)
  const ended = once(barbara.node as ChildProcess, 'exit')
  await type(world, barbara, `dd if=/dev/zero of='${barbara.dir}/ballast' bs=1M count=${DISK_MEGABYTES - 200}`)
  expect((await ended)[0]).toBe(1)
  barbara.node = null
  const said = await follow(page, 1)
  expect(find(said, 'journalctl').text).toMatch(
    /error: \d+ MB are free on the disk of .*a node needs 256 MB.*nothing is lost/,
  )
  await expect(type(world, barbara, 'systemctl start novachain')).rejects.toThrow(
    /ended with 1[\s\S]*a node needs 256 MB/,
  )
  expect(find(await follow(page, 1), 'novachain doctor').text).toMatch(/fail disk/)
  await follow(page, 1)
  await reached(barbara, before + 3)
  await signs(barbara)
  await follow(page, 1)
})

test('fork refused', async () => {
  const page = 'Fork refused'
  const barbara = host('barbara')
  const height = (await heightOf(host('ada'))) - 2
  world.words.set('HEIGHT', `${height}`)
  await reached(barbara, height)
  await type(world, barbara, `novachain config set sync.trustHeight ${height}`)
  await type(world, barbara, `novachain config set sync.trustHash 0x${'ab'.repeat(32)}`)
  await stop(barbara)
  await expect(type(world, barbara, 'systemctl start novachain')).rejects.toThrow(
    /ended with 3[\s\S]*the checkpoint says 0xabab/,
  )
  const said = await follow(page, 1)
  const { hash } = find(said, 'novachain query').json.result
  await type(world, barbara, "novachain config set sync.trustHash ''")
  await type(world, barbara, 'novachain config set sync.trustHeight 0')
  await type(world, barbara, 'systemctl start novachain')
  await follow(page, 1)
  world.words.set('BLOCKHASH', hash)
  await follow(page, 2)
  await reached(barbara, await heightOf(host('ada')))
})

test('nobody signed twice, nobody was punished, and every block of commands was typed', async () => {
  for (const name of ['ada', 'charles', 'donald']) {
    expect(await request(host(name).rpc, 'nova_evidence', [{}])).toEqual([])
    const { json } = await type(world, host(name), 'novachain validators list')
    expect(json.validators.map(({ standing }: { standing: string }) => standing)).toEqual(
      Array(4).fill(json.validators[0].standing),
    )
  }
  expect(PAGES).toEqual([
    ...[
      'Four hosts',
      'Halted chain',
      'Lost disk',
      'Restored backup',
      'Lost key',
      'Stolen key',
      'Full disk',
      'Fork refused',
    ],
  ])
  expect(
    blocks.filter((block) => !block.isOnce && !executed.has(block) && (canMount || block.section !== 'Full disk')),
  ).toEqual([])
})
