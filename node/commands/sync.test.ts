import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { checkStore } from '../../chain/calls.ts'
import type { Chain } from '../../chain/chain.ts'
import { openKv } from '../../chain/store/kv.ts'
import { run, type Said } from '../../test/kit/commands.ts'
import { cutsOf, mixedChain, type Posted, postedOf, repost, settledGenesisText } from '../../test/kit/settled.ts'
import { l1TransactionOf, SETTLEMENT, serveSettled } from '../../test/kit/settled-l1.ts'
import { sync } from './sync.ts'

let chain: Chain
beforeAll(async () => {
  chain = await mixedChain()
})
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-sync-'))
  closers.push(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(join(dir, 'genesis.json'), settledGenesisText())
  return dir
}
type Change = Parameters<typeof serveSettled>[1]
const follow = async (dir: string, posted: readonly Posted[], argv: readonly string[] = [], change?: Change) => {
  const l1 = await serveSettled(posted, change)
  closers.push(l1.close)
  const given = ['--dir', dir, '--from-l1', l1.url, '--settlement', bytesToHex(SETTLEMENT), ...argv]
  const said: Said = await run(sync, given)
  return { ...said, asked: l1.asked }
}
const batches = (): Posted[] => postedOf(chain, cutsOf(chain, 6), () => 'full')

test('a folder with the genesis alone becomes the chain, and the next time it takes what is new', async () => {
  const dir = folder()
  const head = chain.block(12)
  const first = await follow(dir, batches().slice(0, 2))
  expect(first).toMatchObject({ code: 0, json: { height: 12, batches: 2, blocks: 12, done: true } })
  expect(first.json.hash).toBe(bytesToHex(head?.hash ?? new Uint8Array(0)))
  expect(first.asked.filter((method) => method === 'eth_getLogs').length).toBeGreaterThan(3)
  const second = await follow(dir, batches())
  expect(second).toMatchObject({ code: 0, json: { height: 20, batches: 2, blocks: 8 } })
  expect(second.json.stateRoot).toBe(bytesToHex(chain.head().header.stateRoot))
  expect(second.asked.filter((method) => method === 'eth_getTransactionByHash')).toHaveLength(2)
  expect(second.text).toContain('8 blocks out of 2 batches')
  const kv = await openKv(join(dir, 'db'))
  expect(await checkStore(kv, chain.genesisHash)).toMatchObject({ height: 20, blocks: 21 })
  await kv.close()
})

test('attested batches make state and headers, beside a node’s database, and are refused for one', async () => {
  const dir = folder()
  const attested = postedOf(chain, cutsOf(chain, 6), () => 'attested')
  expect(await follow(dir, attested, ['--keep', 'state'])).toMatchObject({
    code: 0,
    json: { height: 20, hash: bytesToHex(chain.head().hash), stateRoot: bytesToHex(chain.head().header.stateRoot) },
  })
  const refused = await follow(dir, attested)
  expect(refused).toMatchObject({ code: 1, refusal: 'SETTLED_ATTESTED' })
  expect(refused.text).toContain('--keep state')
})

test('bytes that somebody supplied in place of bad ones are found', async () => {
  const posted = batches()
  const bytes = posted[1]?.bytes ?? new Uint8Array(0)
  const supplied = [
    { l1Transaction: l1TransactionOf(1), bytes: Uint8Array.of(1) },
    { l1Transaction: l1TransactionOf(2), bytes },
  ]
  const mended = repost(posted, 2, { bytes: Uint8Array.of(9, 9), supplied })
  expect(await follow(folder(), mended)).toMatchObject({ code: 0, json: { height: 20 } })
})

test('what the endpoint says wrongly is refused, with the L1 transaction in the sentence', async () => {
  const posted = batches()
  const second = posted[1]?.l1Transaction ?? ''
  const refusal = async (change: Change, argv: readonly string[] = []) => {
    const { refusal: code, text } = await follow(folder(), posted, argv, change)
    return { code, isNamed: /0x[0-9a-f]{64}/.test(text) }
  }
  const onLogs =
    (alter: (logs: Record<string, unknown>[]) => unknown): Change =>
    (method, result) =>
      method === 'eth_getLogs' && result !== null ? alter(result as Record<string, unknown>[]) : undefined
  const without = onLogs((logs) => logs.filter(({ transactionHash }) => transactionHash !== second))
  expect(await refusal(without)).toEqual({ code: 'SETTLED_GAP', isNamed: true })
  expect(await refusal(undefined, ['--l1-from-block', '15'])).toEqual({ code: 'SETTLED_GAP', isNamed: true })
  const foreign = onLogs((logs) => logs.map((log) => ({ ...log, address: `0x${'11'.repeat(20)}` })))
  expect(await refusal(foreign)).toEqual({ code: 'POSTING_LOG', isNamed: true })
  const short = onLogs((logs) => logs.map((log) => ({ ...log, data: '0x' })))
  expect(await refusal(short)).toEqual({ code: 'POSTING_LOG', isNamed: true })
  const onTx =
    (result: unknown): Change =>
    (method) =>
      method === 'eth_getTransactionByHash' ? result : undefined
  expect(await refusal(onTx({ to: `0x${'11'.repeat(20)}`, input: '0x' }))).toEqual({
    ...{ code: 'POSTING_INPUT', isNamed: true },
  })
  expect(await refusal(onTx({ to: bytesToHex(SETTLEMENT), input: '0x5ac436ae00' }))).toEqual({
    ...{ code: 'POSTING_INPUT', isNamed: true },
  })
  expect((await refusal(onTx('<html>'))).code).toBe('L1_ANSWER')
})

test('arguments are checked before anything is opened', async () => {
  const dir = folder()
  const settlement = bytesToHex(SETTLEMENT)
  const bad = [
    ['--settlement', settlement],
    ['--from-l1', 'ftp://x', '--settlement', settlement],
    ['--from-l1', 'http://127.0.0.1:1', '--settlement', '0x12'],
    ['--from-l1', 'http://127.0.0.1:1', '--settlement', settlement, '--keep', 'all'],
    ['--from-l1', 'http://127.0.0.1:1', '--settlement', settlement, '--l1-from-block', '-1'],
  ]
  for (const argv of bad) expect(await run(sync, ['--dir', dir, ...argv])).toMatchObject({ refusal: 'USAGE_ARGUMENT' })
})
