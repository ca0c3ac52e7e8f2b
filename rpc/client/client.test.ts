import { readFileSync } from 'node:fs'
import * as ethers from 'ethers'
import { JsonRpcProvider, VoidSigner, Wallet } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { abi } from '../../chain/native/audit/abi.ts'
import { startTestNetwork, type TestNetwork } from '../../node/testing.ts'
import { AUDIT } from './audit.ts'
import * as client from './client.ts'
import { bindContract } from './contract.ts'

const { Codec, createClient, digestOf, ownId, RESOURCES } = client
let net: TestNetwork
let provider: JsonRpcProvider
const signer = (i: number): Wallet => new Wallet(net.accounts[i]?.privateKey ?? '', provider)
beforeAll(async () => {
  net = await startTestNetwork({ validators: 4 })
  provider = new JsonRpcProvider(net.rpc[0] ?? '', undefined, { pollingInterval: 50, cacheTimeout: -1 })
})
afterAll(async () => {
  provider.destroy()
  await net.close()
})
const text = (words: string): Uint8Array => new TextEncoder().encode(words)
const refusalOf = async (promise: Promise<unknown>): Promise<{ readonly code: string; readonly data: unknown }> => {
  const { code, data } = (await promise.then(
    () => expect.fail('it is refused'),
    (error: unknown) => error,
  )) as { code: string; data: unknown } // a NodeError, or the test fails
  return { code, data }
}

test('the page’s example runs as it is printed', async () => {
  const page = readFileSync(new URL('SDK.md', import.meta.url), 'utf8')
  const code = /```js\n([\s\S]*?)```/.exec(page)?.[1] ?? expect.fail('there is an example')
  const from: Readonly<Record<string, object>> = { ethers, 'novachain/client': client }
  const names: Record<string, unknown> = { console: { log: (value: unknown) => said.push(String(value)) } }
  const said: string[] = []
  const body = code
    .replace(/^import \{ (.*) \} from '(.*)'$/gm, (_, list: string, source: string) => {
      for (const name of list.split(', ')) names[name] = (from[source] as Record<string, unknown>)[name]
      return ''
    })
    .replace('http://127.0.0.1:8545', net.rpc[0] ?? '')
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
  await new AsyncFunction(...Object.keys(names), `${body}\nprovider.destroy()`)(...Object.values(names))
  expect(said).toEqual([...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map(([, expected]) => expected))
  expect(said).toHaveLength(6)
})

test('a batch is recorded in its order; an old state is told from a forged one', async () => {
  const nova = createClient(signer(1))
  const [a, b] = [1n, 2n].map((n) => ownId(signer(1).address, n))
  if (a === undefined || b === undefined) return expect.fail()
  const states = ['a1', 'b1', 'a2'].map((words) => digestOf(text(words)))
  const [a1 = '', b1 = '', a2 = ''] = states
  await nova.recordVmStates([
    { vmId: a, contentDigest: a1 },
    { vmId: b, contentDigest: b1, codec: Codec.dagPb },
    { vmId: a, contentDigest: a2, sequence: 2 },
  ])
  expect(await nova.getVmHistory(a)).toEqual([
    { contentDigest: a1, codec: Codec.raw, sequence: 1 },
    { contentDigest: a2, codec: Codec.raw, sequence: 2 },
  ])
  expect((await nova.getVmState(b))?.codec).toBe(Codec.dagPb)
  expect(await nova.verifyStateIntegrity(a, text('a2'))).toMatchObject({ status: 'intact' })
  expect(await nova.verifyStateIntegrity(a, a1)).toMatchObject({ status: 'outdated', sequence: 1 })
  expect(await nova.verifyStateIntegrity(a, text('a3'))).toMatchObject({ status: 'tampered' })
  const nothing = digestOf(text('nothing'))
  expect(await nova.verifyStateIntegrity(nothing, a1)).toEqual({ status: 'unknown' })
  expect([await nova.getVmState(nothing), await nova.getVmHistory(nothing)]).toEqual([null, []])
})

test('the chain’s head follows from the entries', async () => {
  const nova = createClient(signer(2))
  const subject = digestOf(text('tenant 7'))
  const first = await nova.createAudit({ subject, kind: 'opened', contentDigest: digestOf(text('1')) })
  const second = await nova.createAudit({ subject, kind: digestOf(text('a long kind')), contentDigest: subject })
  const audit = bindContract({ abi, at: AUDIT, runner: provider })
  const id = ethers.getBytes(subject)
  expect([first.index, second.index]).toEqual([0, 1])
  expect((await audit.read('head', id)).map(bytesToHex)).toEqual([second.head])
  const [entry] = await audit.read('entryAt', id, 0n)
  expect(ethers.decodeBytes32String(bytesToHex(entry.kind))).toBe('opened')
})

test('what a module refuses has the name that its interface gives it', async () => {
  const [mine, theirs] = [createClient(signer(3)), createClient(signer(4))]
  const vmId = ownId(signer(3).address, 1n)
  const contentDigest = digestOf(text('x'))
  await mine.recordVmState({ vmId, contentDigest })
  const stranger = await refusalOf(theirs.recordVmState({ vmId, contentDigest }))
  expect(stranger).toMatchObject({ code: 'CONTRACT_REVERTED', data: { call: 'recordVmState', error: 'NotWriter' } })
  const twice = await refusalOf(mine.recordVmState({ vmId, contentDigest, sequence: 1 }))
  expect(twice.data).toMatchObject({ error: 'WrongSequence', args: { given: 1n, expected: 2n } })
  const many = Array.from({ length: 101 }, (_, i) => ({ vmId, contentDigest, sequence: i + 2 }))
  expect((await refusalOf(mine.recordVmStates(many))).data).toMatchObject({ error: 'BadCount', args: { given: 101n } })
})

test('bad values are refused before anything is sent', async () => {
  const nova = createClient(signer(5))
  const contentDigest = digestOf(text('x'))
  const vmId = ownId(signer(5).address, 1n)
  const codes = [
    nova.recordVmState({ vmId: '0x12', contentDigest }),
    nova.recordVmState({ vmId, contentDigest: 'g'.repeat(66) }),
    nova.recordVmState({ vmId, contentDigest, codec: 2 ** 24 }),
    nova.recordVmState({ vmId, contentDigest, sequence: 1.5 }),
    nova.createAudit({ subject: vmId, kind: 'x'.repeat(32), contentDigest }),
    nova.createAudit({ subject: vmId, kind: '', contentDigest }),
  ].map(async (promise) => (await refusalOf(promise)).code)
  expect(await Promise.all(codes)).toEqual(codes.map(() => 'SDK_BAD_VALUE'))
  expect(() => ownId(vmId, 1n)).toThrow(/owner: expected 0x and 40 hex digits/)
  expect(() => ownId(signer(5).address, 2n ** 64n)).toThrow(/number/)
  const reader = createClient(provider)
  expect((await refusalOf(reader.recordVmState({ vmId, contentDigest }))).code).toBe('CONTRACT_NO_SIGNER')
  expect((await refusalOf(reader.createDid())).code).toBe('CONTRACT_NO_SIGNER')
  const alone = createClient(new VoidSigner(signer(5).address))
  expect((await refusalOf(alone.getVmState(vmId))).code).toBe('CONTRACT_NO_PROVIDER')
})

test('what no chain takes is refused, and a message that nobody sent is null', async () => {
  const nova = createClient(signer(7))
  const [to, amount] = [signer(7).address, 1n]
  const unknown = await refusalOf(nova.initiateBridge({ chain: 137, to, amount }))
  expect(unknown.data).toMatchObject({ call: 'send', error: 'UnknownChain', args: { chain: 137n } })
  expect(await nova.getTransfer(digestOf(text('nobody’s')))).toBeNull()
  const codes = [
    nova.initiateBridge({ chain: 1.5, to, amount }),
    nova.initiateBridge({ chain: 137, to: '0x12', amount }),
    nova.initiateBridge({ chain: 137, to, amount: -1n }),
    nova.initiateBridge({ chain: 137, to, amount, data: 'zz' }),
    nova.initiateBridge({ chain: 137, to, amount, token: 'CPU' }),
    nova.getTransfer('0x12'),
  ].map(async (promise) => (await refusalOf(promise)).code)
  expect(await Promise.all(codes)).toEqual(codes.map(() => 'SDK_BAD_VALUE'))
})

test('any DID resolves, also one that nobody ever touched', async () => {
  const nova = createClient(provider)
  const did = `did:novacron:polygon:0x${'ab'.repeat(20)}`
  expect((await nova.resolveDid(did)).didDocument?.id).toBe(did)
  expect((await nova.resolveDid('did:web:x')).didResolutionMetadata.error).toBe('methodNotSupported')
  expect((await nova.resolveDid(did, { versionId: '7' })).didResolutionMetadata.error).toBe('notFound')
})

test('tokens move, are minted by minters alone, and earn while they are staked', async () => {
  const [minter, other] = [createClient(signer(0)), createClient(signer(6))]
  const { address } = signer(6)
  const before = await other.balanceOf('MEM', address)
  await minter.mint({ token: 'MEM', to: address, amount: 10n ** 20n })
  await minter.transfer({ token: 'MEM', to: address, amount: 5n })
  expect(await other.balanceOf('MEM', address)).toBe(before + 10n ** 20n + 5n)
  expect((await refusalOf(other.mint({ token: 'MEM', to: address, amount: 1n }))).data).toMatchObject({
    error: 'NotMinter',
  })

  const year = { token: 'MEM', amount: 10n ** 20n, seconds: 31_536_000 } as const
  await minter.mint({ token: 'MEM', to: RESOURCES, amount: 10n ** 19n }) // into the pool
  const { id, reward, end } = await other.stake(year)
  expect([reward, await other.getStake(address, id)]).toMatchObject([
    10n ** 19n,
    { token: 'MEM', amount: 10n ** 20n, reward: 10n ** 19n, end },
  ])
  expect((await refusalOf(other.claimReward(id))).data).toMatchObject({ error: 'StillRunning' })
  await other.unstake(id)
  expect(await other.balanceOf('MEM', address)).toBe(before + 10n ** 20n + 5n)
  expect([await other.getStake(address, id), await other.getStake(address, 99)]).toEqual([null, null])
})

test('a token that is none, and amounts that are none, are refused before anything is sent', async () => {
  const nova = createClient(signer(7))
  const to = signer(7).address
  const codes = [
    nova.transfer({ token: 'GPU' as 'CPU', to, amount: 1n }),
    nova.transfer({ token: 'CPU', to: '0x12', amount: 1n }),
    nova.transfer({ token: 'CPU', to, amount: -1n }),
    nova.transfer({ token: 'CPU', to, amount: 1 as unknown as bigint }),
    nova.mint({ token: 'CPU', to, amount: 2n ** 256n }),
    nova.stake({ token: 'CPU', amount: 1n, seconds: 0.5 }),
    nova.unstake(-1),
  ].map(async (promise) => (await refusalOf(promise)).code)
  expect(await Promise.all(codes)).toEqual(codes.map(() => 'SDK_BAD_VALUE'))
})
