// Four validators, each its own process, over libp2p: what users send to one is final on all; the network outlives the death of one,
// halts without two and says why, and goes on when it may, with nothing lost: after kills, pauses, a partition, a total outage.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { JsonRpcProvider, parseEther, Wallet } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { request } from '../../rpc/client/http.ts'
import { novachain } from '../kit/commands.ts'
import { type Devnet, startDevnet } from '../kit/devnet.ts'

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
let net: Devnet
beforeAll(async () => {
  net = await startDevnet(['--validators', '4', '--block-time', '1000'])
})
afterAll(async () => {
  expect(await net.stop()).toBe(0)
})

const heightOf = async (url: string): Promise<number> => Number(await request(url, 'eth_blockNumber'))
const hashAt = async (url: string, height: number): Promise<unknown> => {
  const block = await request(url, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false])
  return typeof block === 'object' && block !== null && 'hash' in block ? block.hash : null
}
/** Asks until the height is there; the test's own deadline ends it. */
const reached = async (url: string, height: number): Promise<void> => {
  while ((await heightOf(url)) < height) await delay(50)
}
const order = async (...words: string[]): Promise<void> => {
  const child = spawn(process.execPath, [main, 'devnet', ...words, '--dir', net.dir], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said: Buffer[] = await child.stderr.toArray()
  expect(Buffer.concat(said).toString()).toBe('')
}
const at = (i: number): string => net.rpc[i] ?? ''
const ALL = [0, 1, 2, 3]
const allReached = (validators: readonly number[], height: number): Promise<unknown> =>
  Promise.all(validators.map((i) => reached(at(i), height)))
const heights = (): Promise<number[]> => Promise.all(ALL.map((i) => heightOf(at(i))))
/** Every block of every validator, from this height on. */
const agree = async (from: number): Promise<void> => {
  const to = Math.min(...(await heights()))
  for (let height = from; height <= to; height++)
    expect(new Set(await Promise.all(ALL.map((i) => hashAt(at(i), height)))).size).toBe(1)
}
const status = async (): Promise<{ pids: (number | null)[] }> => {
  const child = spawn(process.execPath, [main, 'devnet', 'status', '--json', '--dir', net.dir])
  const chunks: Buffer[] = await child.stdout.toArray()
  return JSON.parse(Buffer.concat(chunks).toString())
}
const halt = async (i: number): Promise<string | null> => {
  const answer = await request(at(i), 'nova_consensus')
  return typeof answer === 'object' && answer !== null && 'halt' in answer && answer.halt !== null
    ? String(answer.halt)
    : null
}
const health = (i: number): Promise<Response> => fetch((net.metrics[i] ?? '').replace('/metrics', '/health/ready'))

test('a transaction sent to one validator is final on all, in the same block', async () => {
  const provider = new JsonRpcProvider(at(2), undefined, { cacheTimeout: -1 })
  provider.pollingInterval = 100
  const wallet = new Wallet(net.accounts[1]?.privateKey ?? '', provider)
  const receipt = await (await wallet.sendTransaction({ to: wallet.address, value: parseEther('1') })).wait()
  const height = receipt?.blockNumber ?? 0
  await Promise.all(net.rpc.map((url) => reached(url, height)))
  const seen = await Promise.all(net.rpc.map((url) => request(url, 'eth_getTransactionReceipt', [receipt?.hash])))
  expect(seen).toEqual(Array(4).fill(expect.objectContaining({ blockHash: receipt?.blockHash, status: '0x1' })))
  provider.destroy()
})

test('/metrics has CometBFT’s names under our prefix, with few labels', async () => {
  const text = await (await fetch(net.metrics[2] ?? '')).text()
  const value = (name: string): number =>
    Number(new RegExp(`^novachain_${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1])
  const consensus = [
    ...['height', 'latest_block_height', 'rounds', 'validators', 'validators_power', 'validator_power', 'num_txs'],
    ...['validator_last_signed_height', 'missing_validators', 'missing_validators_power', 'total_txs'],
    ...['block_size_bytes', 'block_syncing', 'quorum_prepare_delay', 'round_duration_seconds_count'],
    ...['block_interval_seconds_count', 'proposal_timestamp_difference_count'],
  ].map((name) => `consensus_${name}`)
  const others = ['mempool_size', 'mempool_size_bytes', 'mempool_failed_txs', 'mempool_evicted_txs', 'p2p_peers']
  for (const name of [...consensus, ...others]) expect([name, value(name)]).toEqual([name, expect.any(Number)])
  for (const name of [...consensus, ...others]) expect([name, Number.isNaN(value(name))]).toEqual([name, false])
  expect(text).toContain('# TYPE novachain_consensus_late_votes counter')
  expect([value('consensus_validators'), value('p2p_peers')]).toEqual([4, 3])
  expect([value('consensus_validators_power'), value('consensus_validator_power')]).toEqual([4_000_000, 1_000_000])
  expect(value('consensus_total_txs')).toBeGreaterThanOrEqual(1)
  expect(value('consensus_latest_block_height')).toBeGreaterThanOrEqual(1)
  const series = text.split('\n').filter((line) => /^novachain_(consensus|mempool)/.test(line))
  const labels = series.flatMap((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, label]) => label ?? ''))
  for (const label of labels) expect(['le', 'is_timely', 'vote_type', 'offence']).toContain(label)
})

test('kill -9 of one: the others go on; of two: nothing is decided; one comes back: it goes on, and all agree', async () => {
  process.kill(net.pids[3] ?? 0, 'SIGKILL')
  const before = await heightOf(at(0))
  await Promise.all([0, 1, 2].map((i) => reached(at(i), before + 5)))
  await order('kill', '2')
  await delay(1_500) // what was under way is final by now
  const halted = await Promise.all([0, 1].map((i) => heightOf(at(i))))
  await delay(4_000)
  expect(await Promise.all([0, 1].map((i) => heightOf(at(i))))).toEqual(halted)
  await order('restart', '2')
  await Promise.all([0, 1, 2].map((i) => reached(at(i), Math.max(...halted) + 3)))
  await order('restart', '3')
  const head = await heightOf(at(0))
  await Promise.all([0, 1, 2, 3].map((i) => reached(at(i), head + 3)))
  for (let height = 1; height <= head; height++)
    expect(new Set(await Promise.all([0, 1, 2, 3].map((i) => hashAt(at(i), height)))).size).toBe(1)
})

test('parted two and two nothing is decided and both halves say why; healed it goes on; three of four go on alone', async () => {
  const before = await heightOf(at(0))
  await order('partition', '0,1/2,3')
  while ((await Promise.all(ALL.map(halt))).includes(null)) await delay(200)
  for (const i of ALL) {
    expect(await halt(i)).toMatch(
      /^height \d+ round \d+: have 50\.0 % of voting power, need more than 66\.67 %: missing 0x\w+ \(last heard \d+ s ago\), 0x/,
    )
    const response = await health(i)
    expect([response.status, await response.text()]).toEqual([503, expect.stringContaining('have 50.0 %')])
  }
  const told = spawn(process.execPath, [main, 'status', '--rpc', at(0)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const page = Buffer.concat(await told.stdout.toArray()).toString()
  expect(page).toMatch(/^halted {3}height \d+ round \d+: have 50\.0 %/m)
  expect(told.exitCode ?? (await once(told, 'exit'))[0]).toBe(4)
  const halted = Math.max(...(await heights()))
  await order('heal')
  await allReached(ALL, halted + 3)
  expect([await halt(0), (await health(0)).status]).toEqual([null, 200])
  await order('partition', '3')
  await allReached([0, 1, 2], halted + 6)
  const alone = await heightOf(at(3))
  await allReached([0, 1, 2], halted + 8)
  expect(await heightOf(at(3))).toBe(alone)
  await order('heal')
  await allReached(ALL, halted + 10)
  await agree(before)
})

test('validators die by kill -9 in random order and come back, and one stands still for a while', async () => {
  const seed = Math.floor(Math.random() * 2 ** 32)
  console.log(`seed ${seed}`)
  let drawn = seed
  const draw = (below: number): number => {
    drawn = (Math.imul(drawn, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((drawn / 2 ** 32) * below)
  }
  const before = await heightOf(at(0))
  for (let i = 0; i < 4; i++) {
    const victim = draw(4)
    const others = ALL.filter((other) => other !== victim)
    process.kill((await status()).pids[victim] ?? 0, 'SIGKILL')
    const head = Math.max(...(await Promise.all(others.map((other) => heightOf(at(other))))))
    await allReached(others, head + draw(3))
    await order('restart', String(victim))
  }
  const paused = (await status()).pids[draw(4)] ?? 0
  process.kill(paused, 'SIGSTOP')
  await delay(4_000) // a pause is a time
  process.kill(paused, 'SIGCONT')
  await allReached(ALL, Math.max(...(await heights())) + 2)
  await agree(before)
})

test('all die at once and come back: no final block is lost, and the next one comes', async () => {
  const final = await heights()
  const last = await Promise.all(ALL.map((i) => hashAt(at(i), final[i] ?? 0)))
  for (const pid of (await status()).pids) process.kill(pid ?? 0, 'SIGKILL')
  await Promise.all(ALL.map((i) => order('restart', String(i))))
  await allReached(ALL, Math.max(...final) + 2)
  expect(await Promise.all(ALL.map((i) => hashAt(at(i), final[i] ?? 0)))).toEqual(last)
  await agree(Math.max(1, Math.min(...final) - 20))
})

test('one is rolled back while the others go on: it follows to where its record ends, signs above it, and nobody sees it sign twice', async () => {
  const dir = join(net.dir, 'node-3')
  await order('kill', '3')
  const head = await heightOf(at(0))
  await allReached([0, 1, 2], head + 3)
  const file = readdirSync(dir).find((name) => /^signer-[0-9a-f]{16}\.json$/.test(name)) ?? ''
  const record = readFileSync(join(dir, file), 'utf8')
  const back = await novachain(['rollback', '--height', String(head - 8), '--yes', '--dir', dir])
  expect(back).toMatchObject({ code: 0, json: { to: head - 8 } })
  expect(readFileSync(join(dir, file), 'utf8')).toBe(record)
  await order('restart', '3')
  const signed = async (): Promise<number> => {
    const { lastSigned } = (await request(at(3), 'nova_consensus')) as { lastSigned: { height: string } | null }
    return Number(lastSigned?.height ?? 0)
  }
  const { h: last } = JSON.parse(record)
  while ((await signed()) <= last + 2) await delay(50)
  await allReached(ALL, Math.max(...(await heights())) + 2)
  await agree(head - 10)
  for (const i of ALL) expect([i, await request(at(i), 'nova_evidence')]).toEqual([i, []])
})
