// A live network of four validators goes from yesterday's release to this one, one process at a time, and then comes to a fork that
// yesterday's release does not know. Nobody misses a round but who is stopped at his turn; a node that was not replaced says so beforehand and
// stops in time.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { roundTimeoutMs } from '../../chain/consensus/bounds.ts'
import { decodeExtra } from '../../chain/types/block.ts'
import { init } from '../../node/commands/init.ts'
import { consensusOf } from '../../node/commands/status.ts'
import { upgrade } from '../../node/commands/upgrade.ts'
import { setInFile } from '../../node/config.ts'
import { installFastCurves } from '../../node/curves.ts'
import { developmentAccounts, developmentGenesis } from '../../node/development.ts'
import { callOf, params } from '../../node/modules.ts'
import { version } from '../../node/version.ts'
import { request } from '../../rpc/client/http.ts'
import { main, run } from '../kit/commands.ts'
import { freePort } from '../kit/devnet.ts'

const oldRelease = fileURLToPath(new URL('../kit/old-release.ts', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'novachain-upgrade-'))
const BLOCK_MS = 2_000
/** A multiple of the validators, so that the order of their turns is the same in all epochs. */
const EPOCH = 8
/** Epochs from the plan to the fork: all are replaced before, also on a machine where a start takes a minute. */
const AHEAD = 7
const VALIDATORS: readonly string[] = ['v0', 'v1', 'v2', 'v3']
/** Follows, and is not replaced. */
const FULL = 'full'
const NAMES = [...VALIDATORS, FULL]
const operators = developmentAccounts(4).map(({ address }) => address.toLowerCase())
const ports = new Map<string, { readonly rpc: number; readonly p2p: number }>()
const url = (name: string): string => `http://127.0.0.1:${ports.get(name)?.rpc}`
const dirOf = (name: string): string => join(home, name)

const running = new Map<string, ChildProcess>()
const said = new Map<string, string>()
const begin = async (name: string, release: 'old' | 'new'): Promise<void> => {
  const index = VALIDATORS.indexOf(name)
  const own: Record<string, string> = index < 0 ? {} : { NOVACHAIN_VALIDATOR_DEVELOPMENT_INDEX: String(index) }
  const argv = [release === 'old' ? oldRelease : main, 'start', '--json', '--dir', dirOf(name), '--metrics-port', '0']
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...own } })
  child.stderr.on('data', (chunk: Buffer) => said.set(name, ((said.get(name) ?? '') + chunk).slice(-20_000)))
  running.set(name, child)
  const ended = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`${name} ended with ${code}: ${said.get(name)}`)),
  )
  ended.catch(() => {})
  await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
}
const end = async (name: string): Promise<number | null> => {
  const child = running.get(name)
  running.delete(name)
  if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  return (await ended)[0]
}

/** A busy machine keeps a question waiting, and a node that starts has no door yet; the test's own deadline ends it. */
const patiently = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (;;)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== 'CLIENT_UNREACHABLE') throw error
      await delay(100)
    }
}
const until = async (met: () => Promise<boolean>): Promise<void> => {
  while (!(await patiently(met))) await delay(50)
}
const heightOf = async (name: string): Promise<number> => Number(await request(url(name), 'eth_blockNumber'))
const hex = (value: number): string => `0x${value.toString(16)}`
interface Head {
  readonly hash: string
  readonly miner: string
  readonly timestamp: string
  readonly extraData: string
}
const blockAt = async (name: string, height: number): Promise<Head> =>
  (await request(url(name), 'eth_getBlockByNumber', [hex(height), false])) as Head // our own method
const timeMsOf = ({ timestamp, extraData }: Head): number =>
  Number(timestamp) * 1_000 + decodeExtra(hexToBytes(extraData)).ms
const roundOf = async (name: string, height: number): Promise<number> =>
  Number(((await request(url(name), 'nova_getCommitCertificate', [hex(height)])) as { round: string }).round)
interface Upgrades {
  readonly warning: string | null
  readonly forks: readonly { readonly name: string; readonly active: boolean; readonly height: string }[]
}
const upgradesOf = async (name: string): Promise<Upgrades> => (await request(url(name), 'nova_upgrades')) as Upgrades

/** When each height was final at the first of the validators, by the clock of this machine: each is asked apart, for one that starts answers late. */
const finalAtMs = new Map<number, number>()
const watch = new AbortController()
const watching = async (name: string): Promise<void> => {
  for (let known = 0; !watch.signal.aborted; await delay(25)) {
    const height = await heightOf(name).catch(() => 0) // it is being replaced
    const nowMs = Date.now()
    for (; known < height; known++) finalAtMs.set(known + 1, Math.min(nowMs, finalAtMs.get(known + 1) ?? nowMs))
  }
}
let watched: Promise<unknown> = Promise.resolve()

beforeAll(async () => {
  await installFastCurves(() => {})
  const json = JSON.parse(readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8'))
  json.novachain.epochBlocks = EPOCH
  json.novachain.modules.params.governance = operators[0]
  const file = join(home, 'genesis.json')
  writeFileSync(file, developmentGenesis(JSON.stringify(json), { validators: 4, blockTimeMs: BLOCK_MS, chainId: null }))
  for (const name of NAMES) ports.set(name, { rpc: await freePort(), p2p: await freePort() })
  const listen = (name: string): string => `/ip4/127.0.0.1/tcp/${ports.get(name)?.p2p}`
  for (const name of NAMES) {
    expect(await run(init, [dirOf(name), '--genesis', file, '--profile', 'full'])).toMatchObject({ code: 0 })
    const set = (key: string, value: string): void => void setInFile(join(dirOf(name), 'config.toml'), key, value)
    set('rpc.port', String(ports.get(name)?.rpc))
    set('p2p.listen', listen(name))
    set(
      'p2p.persistent',
      NAMES.filter((other) => other !== name)
        .map(listen)
        .join(','),
    )
  }
  await Promise.all(NAMES.map((name) => begin(name, 'old')))
  watched = Promise.all(VALIDATORS.map(watching))
})
afterAll(async () => {
  watch.abort()
  await watched
  for (const child of running.values()) child.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

/** First height of the fork. */
let fork = 0
/** By validator, heights that came while it was away. */
const away = new Map<string, { readonly from: number; readonly to: number }>()

test('the fork is planned, and nodes of yesterday’s release say that they will stop before it', async () => {
  await until(async () => (await heightOf('v0')) >= 2)
  const epoch = Math.floor((await heightOf('v0')) / EPOCH) + AHEAD
  const plan = ['plan', '--fork', 'params-2', '--epoch', String(epoch), '--dev-account', '0', '--rpc', url('v0')]
  const planned = await run(upgrade, plan)
  expect(planned).toMatchObject({ code: 0, json: { fork: 'params-2', epoch } })
  fork = epoch * EPOCH + 1
  for (const name of NAMES) await until(async () => (await heightOf(name)) >= planned.json.height)
  for (const name of NAMES) {
    const { warning, forks } = await upgradesOf(name)
    expect(forks).toContainEqual(expect.objectContaining({ name: 'params-2', active: false, height: hex(fork) }))
    expect(warning).toContain(`this node stops before block ${fork} `)
    expect(warning).toContain(`install version ${version} or newer before`)
  }
})

test('each is replaced after a block of its own, and signs again before the next', async () => {
  for (const [i, name] of VALIDATORS.entries()) {
    const other = VALIDATORS[(i + 1) % 4] as string
    await until(async () => (await blockAt(other, await heightOf(other))).miner === operators[i])
    const from = (await patiently(() => heightOf(other))) + 1
    expect(await end(name)).toBe(0)
    await begin(name, 'new')
    await until(async () => Number(await request(url(name), 'net_peerCount')) === NAMES.length - 1)
    await until(async () => {
      const { behind, signing, height } = await consensusOf(url(name))
      return !behind && signing?.silence === null && (signing.last?.height ?? 0) >= Math.max(from + 1, height - 1)
    })
    away.set(name, { from, to: await patiently(() => heightOf(other)) })
    expect(await upgradesOf(name)).toMatchObject({ warning: null })
  }
  expect(await heightOf('v0')).toBeLessThan(fork)
})

test('a node that was not replaced stops before the fork with exit code 3, and says which release knows it', async () => {
  const full = running.get(FULL) as ChildProcess
  if (full.exitCode === null) await once(full, 'exit')
  running.delete(FULL)
  expect(full.exitCode).toBe(3)
  expect(said.get(FULL)).toMatch(
    new RegExp(
      `from block ${fork} on .* the fork params-2, .* install version ${version.replaceAll('.', '\\.')} or newer`,
    ),
  )
})

test('the fork holds on all four, who agree on every block; no round was missed but by who was away at his turn', async () => {
  const last = fork + EPOCH
  for (const name of VALIDATORS) await until(async () => (await heightOf(name)) >= last)
  for (const name of VALIDATORS) {
    const { forks } = await upgradesOf(name)
    expect(forks).toContainEqual(expect.objectContaining({ name: 'params-2', active: true }))
  }
  // What the fork brings, asked after the last block before it and after the first one under it.
  const { to, input } = callOf(params, 'setAll', [['staking.rewardRate'], [400n]])
  const call = { from: operators[0], to: bytesToHex(to), data: bytesToHex(input) }
  await expect(request(url('v0'), 'eth_call', [call, hex(fork - 1)])).rejects.toThrow()
  expect(await request(url('v0'), 'eth_call', [call, hex(fork)])).toBe('0x')

  const blocks = [await blockAt('v0', 1)]
  for (let height = 2; height <= last; height++) {
    const all = await Promise.all(VALIDATORS.map((name) => blockAt(name, height)))
    expect([height, new Set(all.map(({ hash }) => hash)).size]).toEqual([height, 1])
    blocks.push(all[0] as Head)
  }
  const rounds: number[] = []
  for (let height = 1; height <= last; height++) rounds.push(await roundOf('v0', height))
  const first = Math.min(...[...away.values()].map(({ from }) => from))
  /** Whose turn it is in round 0, as blocks of round 0 show it. */
  const turns = new Map(blocks.flatMap(({ miner }, i) => (rounds[i] === 0 ? [[i % 4, miner] as const] : [])))
  const missed = rounds.flatMap((round, i) => (round > 0 && i + 1 >= first ? [{ height: i + 1, round }] : []))
  for (const { height, round } of missed) {
    const whose = VALIDATORS[operators.indexOf(turns.get((height - 1) % 4) ?? '')] ?? ''
    const { from, to: back } = away.get(whose) ?? { from: 0, to: -1 }
    expect([height, whose, round, height >= from && height <= back + 1]).toEqual([height, whose, 1, true])
  }
  const lateMs = blocks.flatMap((block, i) => {
    const [height, finalMs] = [i + 2, finalAtMs.get(i + 2)]
    return height < first || finalMs === undefined ? [] : [finalMs - timeMsOf(block) - BLOCK_MS]
  })
  expect(lateMs.length).toBeGreaterThan(EPOCH)
  const latest = Math.max(...lateMs)
  console.log(
    `${lateMs.length} heights from the first replacement on, ${missed.length} of them not in round 0; the latest was final ${(latest / 1_000).toFixed(2)} s after it was due (one round time-out: ${roundTimeoutMs(0) / 1_000} s)`,
  )
})

test('the node that stopped goes on with this release, and has lost nothing', async () => {
  await begin(FULL, 'new')
  const height = await heightOf('v0')
  await until(async () => (await heightOf(FULL)) >= height)
  expect((await blockAt(FULL, height)).hash).toBe((await blockAt('v0', height)).hash)
  for (const name of NAMES) expect([name, await request(url(name), 'nova_evidence')]).toEqual([name, []])
})
