// Four validators, each its own process, over libp2p: what users send to one is final on all; the network outlives the death of one,
// halts without two, and goes on when one comes back.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { JsonRpcProvider, parseEther, Wallet } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { request } from '../../rpc/client/http.ts'
import { type Devnet, startDevnet } from '../kit/devnet.ts'

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
let net: Devnet
beforeAll(async () => {
  net = await startDevnet(['--validators', '4', '--block-time', '1000'])
}, 60_000)
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
  const child = spawn(process.execPath, [main, 'devnet', ...words, '--dir', net.dir], { stdio: 'ignore' })
  expect((await once(child, 'exit'))[0]).toBe(0)
}
const at = (i: number): string => net.rpc[i] ?? ''

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
}, 60_000)

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
}, 120_000)
