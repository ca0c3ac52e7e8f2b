// A whole node that holds content, and what `content backup` and `content restore` make of its folder once it is stopped.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { abi } from '../../chain/native/audit/abi.ts'
import { AUDIT } from '../../chain/native/index.ts'
import { encodeCall } from '../../chain/native/kit/abi.ts'
import { request } from '../../rpc/client/http.ts'
import { run } from '../../test/kit/commands.ts'
import { openMemoryChain } from '../../test/kit/memory-chain.ts'
import { parseFlags } from '../args.ts'
import { openReferences } from '../content-references.ts'
import { developmentGenesis } from '../development.ts'
import { content } from './content.ts'
import { bundledGenesis } from './genesis.ts'
import { init } from './init.ts'
import { start } from './start.ts'

const home = mkdtempSync(join(tmpdir(), 'nova-content-command-'))
const folder = async (name: string): Promise<string> => {
  const dir = join(home, name)
  await run(init, [dir, '--genesis', join(home, 'genesis.json')])
  const config = join(dir, 'config.toml')
  const text = readFileSync(config, 'utf8')
  const own = 'enabled = "on"\nlisten = ["/ip4/127.0.0.1/tcp/0"]'
  writeFileSync(
    config,
    text.replace(/\[content\]/, `[content]\n${own}`) + (text.includes('[content]') ? '' : `\n[content]\n${own}\n`),
  )
  return dir
}
beforeAll(() => {
  const genesis = developmentGenesis(bundledGenesis(), { validators: 1, blockTimeMs: 200, chainId: null })
  writeFileSync(join(home, 'genesis.json'), genesis)
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** Starts the node of a folder, does something with its JSON-RPC and stops it. */
const whileItRuns = async <T>(dir: string, work: (rpc: string) => Promise<T>): Promise<T> => {
  const stop = new AbortController()
  const done = Promise.withResolvers<T>()
  const ports = ['--rpc-port', '0', '--metrics-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0']
  const ran = start.run({
    ...parseFlags(start, 'test', ['--dir', dir, ...ports]),
    ...{ env: { NOVACHAIN_LOG_LEVEL: 'error' }, signal: stop.signal },
    out: (object) => done.resolve(work((object as { rpc: string }).rpc).finally(() => stop.abort())),
  })
  const answer = await Promise.race([done.promise, ran.then(() => done.promise)])
  await ran
  return answer
}

test('a node holds content; stopped, its backup rebuilds another node’s', async () => {
  const [dir, other, car] = [await folder('a'), await folder('b'), join(home, 'a.car')]
  const put = await whileItRuns(dir, async (rpc) => {
    const stored = (await request(rpc, 'nova_putContent', ['0x01020304'])) as { cid: string; contentDigest: Hex }
    expect(await request(rpc, 'nova_getContent', [stored.cid])).toBe('0x01020304')
    expect(await run(content, ['backup', car, '--dir', dir])).toMatchObject({ code: 1, refusal: 'CONTENT_STORE' })
    return stored
  })
  expect((await run(content, ['backup', car, '--dir', dir])).json).toMatchObject({ contents: 1 })
  expect(statSync(car).mode & 0o777).toBe(0o600)
  expect((await run(content, ['backup', car, '--dir', dir])).text).toMatch(/a\.car: it is there already/)
  expect((await run(content, ['restore', car, '--dir', other])).json).toMatchObject({ contents: 1, height: null })
  expect(await whileItRuns(other, (rpc) => request(rpc, 'nova_getContent', [put.cid]))).toBe('0x01020304')
})

test('restore says which newest states are still missing', async () => {
  const [dir, car] = [await folder('c'), join(home, 'c.car')]
  const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
  const { chain, seal } = await openMemoryChain()
  const digest = new Uint8Array(32).fill(7)
  const signed = await alice.signTransaction({
    ...{ chainId: 662607, nonce: 0, to: bytesToHex(AUDIT), gasLimit: 1_000_000, type: 2 },
    data: bytesToHex(encodeCall(abi.functions.recordVmState, [new Uint8Array(32).fill(1), digest, 0x55n, 1n])),
    ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 0n },
  })
  await chain.submit(hexToBytes(signed as Hex), 'local')
  await seal()
  expect((await run(content, ['backup', car, '--dir', dir])).json).toMatchObject({ contents: 0 })
  const references = await openReferences(chain, AUDIT, join(dir, 'content'))
  await references.update()
  await references.close()
  const lacking = await run(content, ['restore', car, '--dir', dir])
  expect([lacking.refusal, lacking.text]).toEqual(['CONTENTCMD_LACKING', expect.stringContaining(bytesToHex(digest))])
})

test('what is no backup, no folder with content or no command is refused', async () => {
  const [dir, junk] = [await folder('d'), join(home, 'junk.car')]
  writeFileSync(junk, 'junk')
  const said = async (...argv: string[]) => (await run(content, [...argv, '--dir', dir])).refusal
  expect(await said('restore', junk)).toBe('CONTENT_BACKUP')
  expect(await said('restore', join(home, 'none.car'))).toBe('CONTENTCMD_FILE')
  expect(await said('backup', join(home, 'no', 'where.car'))).toBe('CONTENTCMD_FILE')
  expect(await said('backup')).toBe('USAGE_ARGUMENT')
  expect(await said('forget', junk)).toBe('USAGE_ARGUMENT')
  expect(existsSync(join(home, 'no'))).toBe(false)
  const config = join(dir, 'config.toml')
  writeFileSync(config, readFileSync(config, 'utf8').replace('enabled = "on"', 'enabled = "off"'))
  expect(await said('backup', join(home, 'd.car'))).toBe('CONTENT_OFF')
})
