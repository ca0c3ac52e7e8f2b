import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bytesToHex, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { abi } from '../chain/native/audit/abi.ts'
import { AUDIT } from '../chain/native/index.ts'
import { type AbiFunction, encodeCall, type Positional } from '../chain/native/kit/abi.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { ipfsDeps, ipfsOptions } from '../test/kit/content.ts'
import { openDoor, openMemoryChain } from '../test/kit/memory-chain.ts'
import { createReferences } from './content-references.ts'
import { isKept, openContent } from './content-service.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nova-content-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
type Fns = typeof abi.functions
const openChain = async () => {
  const memory = await openMemoryChain()
  let nonce = 0
  const run = async <K extends keyof Fns & string>(name: K, ...args: Positional<Fns[K]['inputs']>): Promise<void> => {
    const signed = await alice.signTransaction({
      ...{ chainId: 662607, nonce: nonce++, to: bytesToHex(AUDIT), gasLimit: 1_000_000, type: 2 },
      data: bytesToHex(encodeCall(abi.functions[name] as AbiFunction, args as never)),
      ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 0n },
    })
    await memory.chain.submit(hexToBytes(signed as Hex), 'local')
    await memory.seal()
  }
  return { ...memory, run }
}
const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

test('the newest state of a VM is needed for ever, what it replaced and what an entry names for a while', async () => {
  const { chain, run, seal } = await openChain()
  const references = createReferences(chain, AUDIT, createMemoryKv())
  const needs = async (retention: number): Promise<readonly string[]> => {
    await references.update()
    return [1, 2, 3, 9].map((byte) => references.need(filled(byte), retention))
  }
  expect(await needs(10)).toEqual(['never', 'never', 'never', 'never'])
  await run('recordVmState', filled(0xaa), filled(1), 0x55n, 1n)
  await run('audit', filled(0xbb), filled(0), filled(3))
  expect(await needs(10)).toEqual(['newest', 'never', 'kept', 'never'])
  await run('recordVmState', filled(0xcc), filled(1), 0x55n, 1n)
  await run('recordVmState', filled(0xaa), filled(2), 0x55n, 2n)
  expect(await needs(10)).toEqual(['newest', 'newest', 'kept', 'never']) // another VM is still in that state
  await run('recordVmState', filled(0xcc), filled(2), 0x55n, 2n)
  await run('recordVmState', filled(0xcc), filled(2), 0x55n, 3n) // the same again
  expect(await needs(10)).toEqual(['kept', 'newest', 'kept', 'never'])
  for (let i = 0; i < 3; i++) await seal()
  expect(await needs(5)).toEqual(['kept', 'newest', 'past', 'never'])
  expect(await needs(2)).toEqual(['past', 'newest', 'past', 'never'])
  await run('recordVmState', filled(0xcc), filled(1), 0x55n, 4n) // back to an old one
  expect(await needs(0)).toEqual(['newest', 'newest', 'past', 'never'])
})

test('what the chain needs is kept, and what it has not named yet for a day', () => {
  const at = (ageMs: number) => ({ pinnedAtMs: 1_000, nowMs: 1_000 + ageMs })
  const DAY = 86_400_000
  expect(isKept('newest', at(100 * DAY))).toBe(true)
  expect(isKept('kept', at(100 * DAY))).toBe(true)
  expect(isKept('never', at(DAY - 1))).toBe(true)
  expect(isKept('never', at(DAY))).toBe(false)
  expect(isKept('past', at(0))).toBe(false)
})

test('content goes through the local port; the CID must be what the chain has, and the hour drops what nobody needs', async () => {
  const { chain, ctx, run } = await openChain()
  let [now, hour] = [1_000, () => {}]
  const timers = {
    after(_: number, wake: () => void) {
      hour = wake
      return () => {}
    },
  }
  const { dir: _, ...options } = ipfsOptions(dir, 1)
  const deps = { chain, clock: { nowMs: () => now }, timers, log: ipfsDeps.log }
  const service = await openContent(deps, dir, { ...options, retentionBlocks: 0, stallMs: 300 })
  const door = await openDoor({ ...ctx, content: service })
  const ask = async (
    method: string,
    ...params: readonly unknown[]
  ): Promise<{ result?: never; error?: { message: string } }> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'content-type': 'application/json' }
    return (await fetch(`http://127.0.0.1:${door.port}`, { method: 'POST', body, headers })).json() as never // JSON-RPC
  }
  const vmId = bytesToHex(filled(0xaa))
  const { cid, contentDigest, codec } = (await ask('nova_putContent', '0x010203')).result ?? ({} as never) // as documented
  expect(await ask('nova_getContent', cid)).toMatchObject({ result: '0x010203' })
  expect((await ask('nova_getContent', cid, vmId)).error?.message).toMatch(/no state/)
  await run('recordVmState', filled(0xaa), hexToBytes(contentDigest), BigInt(codec), 1n)
  expect(await ask('nova_getContent', cid, vmId)).toMatchObject({ result: '0x010203' })
  const other = (await ask('nova_putContent', '0x04', `0x${'11'.repeat(32)}`)).result ?? ({} as { cid: string })
  expect((await ask('nova_getContent', other.cid, vmId)).error?.message).toMatch(/is not the newest state/)
  expect(await ask('nova_getContent', other.cid, null, `0x${'11'.repeat(32)}`)).toMatchObject({ result: '0x04' })
  expect((await ask('nova_getContent', 'bafy')).error?.message).toMatch(/no CID/)
  now += 2 * 86_400_000
  const before = hour
  hour()
  while (hour === before) await new Promise((resolve) => setTimeout(resolve, 10)) // it asks for the next hour once it is done
  expect(await ask('nova_getContent', cid, vmId)).toMatchObject({ result: '0x010203' })
  expect((await ask('nova_getContent', other.cid)).error?.message).toMatch(/nobody has/)
  await door.close()
  const shut = await openDoor(ctx)
  const off = await fetch(`http://127.0.0.1:${shut.port}`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'nova_putContent', params: ['0x01'] }),
  })
  expect(await off.json()).toMatchObject({ error: { message: expect.stringMatching(/holds no content/) } })
  await shut.close()
  await service.close()
})
