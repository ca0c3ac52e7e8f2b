import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { hexToBytes } from '../../chain/base/bytes.ts'
import type { Meter } from '../../chain/base/ports.ts'
import { identifyTx } from '../../chain/types/tx.ts'
import { createSenderPool } from './senders.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const fields = { chainId: 1, to: wallet.address, gasLimit: 21_000, gasPrice: 1, type: 0 }

test('threads find out what the main thread would, and answer in the order they were asked', async () => {
  const raws = await Promise.all(
    Array.from({ length: 40 }, async (_, nonce) => hexToBytes(await wallet.signTransaction({ ...fields, nonce }))),
  )
  const many = Array.from({ length: 1_200 }, (_, i) => raws[i % 40] as Uint8Array)
  many[700] = Uint8Array.of(2, 0xc0)
  many[701] = new Uint8Array(0)
  const pool = createSenderPool(silent, { threads: 2 })
  const order: string[] = []
  const ask = async (name: string, some: readonly Uint8Array[]) => {
    const answers = await pool.identify(some)
    order.push(name)
    return answers
  }
  const [all, one, none] = await Promise.all([ask('many', many), ask('one', raws.slice(0, 1)), ask('none', [])])
  const wanted = raws.map(identifyTx)
  expect(all).toEqual(many.map((_, i) => (i === 700 || i === 701 ? null : wanted[i % 40])))
  expect(one).toEqual(wanted.slice(0, 1))
  expect(none).toEqual([])
  expect(order).toEqual(['many', 'one', 'none'])
  const late = pool.identify(many)
  await pool.close()
  expect((await late).every((each) => each === null)).toBe(true)
  expect(await pool.identify(raws.slice(0, 2))).toEqual([null, null])
})

test('a block does not wait behind what users send', async () => {
  const raws = await Promise.all(
    Array.from({ length: 40 }, async (_, nonce) => hexToBytes(await wallet.signTransaction({ ...fields, nonce }))),
  )
  const pool = createSenderPool(silent, { threads: 1 })
  const order: string[] = []
  const flood = Array.from({ length: 4_000 }, (_, i) => raws[i % 40] as Uint8Array)
  await Promise.all([
    pool.identify(flood).then(() => order.push('users')),
    pool
      .identify(raws, 'block')
      .then((found) => order.push(`block of ${found.filter((each) => each !== null).length}`)),
  ])
  expect(order).toEqual(['block of 40', 'users'])
  await pool.close()
})

test('a thread that found its arithmetic wrong is told of once, and what it answers is taken', async () => {
  const thread = new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort } from 'node:worker_threads'
      parentPort.on('message', (packed) => {
        parentPort.postMessage('fault')
        parentPort.postMessage(new Uint8Array(53).fill(2))
      })`)}`,
  )
  const told: string[] = []
  const counted: string[] = []
  const log = { ...silent, error: (_: object, text: string) => told.push(text) }
  const meter: Meter = {
    counter: (name) => ({ add: () => void counted.push(name) }),
    gauge: () => ({ set() {} }),
    histogram: () => ({ observe() {} }),
  }
  const pool = createSenderPool(log, { threads: 1, thread, meter })
  expect(await pool.identify([Uint8Array.of(1)])).toEqual([
    { hash: new Uint8Array(32).fill(2), from: new Uint8Array(20).fill(2) },
  ])
  expect(told).toEqual([expect.stringContaining('computed the sender of a transaction wrongly')])
  expect(counted).toEqual(['senders_faults_total'])
  await pool.close()
})
