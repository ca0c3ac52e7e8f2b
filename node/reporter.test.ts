// The reporter on a real chain of one validator that signed twice: what it sends, when, for how much, and when it lets others.
import { expect, test } from 'vitest'
import { asHash, bytesToHex } from '../chain/base/bytes.ts'
import { curves, installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import type { Log, Meter, Timers } from '../chain/base/ports.ts'
import { decodeNamed } from '../chain/native/kit/abi.ts'
import { abi } from '../chain/native/slashing/abi.ts'
import { encodeEvidence, evidenceOf, testimoniesOf } from '../chain/types/evidence.ts'
import { SignType, signBytes, votePayload } from '../chain/types/vote.ts'
import { devValidatorSecret } from '../test/kit/keys.ts'
import { type MemoryChain, openMemoryChain } from '../test/kit/memory-chain.ts'
import { developmentAccounts } from './development.ts'
import { callOf, slashing } from './modules.ts'
import { accountOf, Reporter, type ReporterDeps } from './reporter.ts'

installCurves(nativeCurves)
const GWEI = 10n ** 9n

/** Two PREPAREs of height 1 by the validator. */
const proof = ({ chain }: MemoryChain): Uint8Array => {
  const { genesis, genesisHash } = chain
  const domain = { chainId: genesis.chainId, genesisHash }
  const [a, b] = [1, 2].map((byte) => {
    const vote = { type: 'prepare', height: 1, round: 0, blockHash: asHash(new Uint8Array(32).fill(byte)) } as const
    const message = signBytes(domain, SignType.prepare, votePayload(1, 0, vote.blockHash))
    const signature = curves().blsSign(devValidatorSecret(0), message)
    return testimoniesOf({ kind: 'vote', vote: { ...vote, validator: 0, signature } }, 1)[0]
  })
  if (a === undefined || b === undefined) expect.fail('two testimonies')
  return encodeEvidence(evidenceOf(a, b))
}

/** Timers that fire when the test says so, each with its delay. */
const createTimers = () => {
  const set: { readonly ms: number; readonly run: () => void }[] = []
  const timers: Timers = {
    after(ms, run) {
      const entry = { ms, run }
      set.push(entry)
      return () => void set.splice(set.indexOf(entry), 1)
    },
  }
  return { timers, set, fire: () => set.splice(0).map(({ run }) => run()) }
}

const open = async (net: MemoryChain, account: number, over: Partial<ReporterDeps> = {}, maxFeeWei = 500n * GWEI) => {
  const clock = createTimers()
  const said: string[] = []
  const note = (_: object, text: string): void => void said.push(text)
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const counted: string[] = []
  const meter: Meter = {
    counter: () => ({ add: (_, labels) => void counted.push(labels?.result ?? '') }),
    gauge: () => ({ set() {} }),
    histogram: () => ({ observe() {} }),
  }
  const { privateKey } = developmentAccounts(10)[account] ?? expect.fail('one of ten')
  const from = accountOf(Uint8Array.from(Buffer.from(privateKey.slice(2), 'hex')))
  const { chain, ctx } = net
  const deps = { chain, calls: ctx.calls, evidence: ctx.evidence, account: from, timers: clock.timers, log, meter }
  const reporter = new Reporter({ ...deps, ...over }, { maxFeeWei })
  const fire = async (): Promise<void> => {
    clock.fire()
    await reporter.settled()
  }
  return { reporter, ...clock, fire, said, counted, sent: () => chain.pool.of(from.address).pending }
}

const setUp = async () => {
  const net = await openMemoryChain()
  await net.seal()
  await net.seal()
  net.ctx.evidence.submit(proof(net))
  return net
}
const isTombstoned = async ({ chain, ctx }: MemoryChain): Promise<boolean> => {
  const { operator } = chain.genesis.founders[0] ?? expect.fail('one validator')
  const { to, input, decode } = callOf(slashing, 'signingInfo', [operator])
  const request = {
    ...{ from: null, to, input, value: 0n, gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null },
    ...{ nonce: null, accessList: null, authorizations: null },
  }
  const at = { height: chain.head().header.number, pending: false }
  const answer = await ctx.calls.run({ ...at, kind: 'call', request, state: [], block: null })
  return answer.kind === 'call' && decode(answer.output).info.tombstoned
}

test('it draws a moment within eight block times, sends once, and the guilty is punished; who comes later sends nothing', async () => {
  const net = await setUp()
  const [first, second] = [await open(net, 1), await open(net, 2)]
  const [a, b] = [first.set[0]?.ms ?? -1, second.set[0]?.ms ?? -1]
  for (const ms of [a, b]) expect(ms).toBeGreaterThanOrEqual(0)
  for (const ms of [a, b]) expect(ms).toBeLessThan(8 * net.chain.genesis.blockTimeMs)
  expect(a).not.toBe(b)
  expect(first.sent()).toHaveLength(0)
  await first.fire()
  const [tx] = first.sent()
  const { evidence } = decodeNamed(abi.functions.submitEvidence.inputs, tx?.data.subarray(4) ?? new Uint8Array(0))
  expect(bytesToHex(evidence)).toBe(bytesToHex(proof(net)))
  await second.fire()
  expect(second.sent()).toHaveLength(0) // the first one's is in the pool
  expect(await isTombstoned(net)).toBe(false)
  await net.seal()
  expect(await isTombstoned(net)).toBe(true)
  for (let i = 0; i < 8; i++) {
    await Promise.all([first.reporter.settled(), second.reporter.settled()])
    await net.seal()
  }
  expect([first.counted, second.counted]).toEqual([['sent', 'punished'], []])
  expect(net.chain.pool.status()).toEqual({ pending: 0, queued: 0 })
  await first.reporter.close()
  await second.reporter.close()
})

const EMPTY = -1
/** Blocks of a proposer that takes no transactions. */
const passOver = async (net: MemoryChain, node: Awaited<ReturnType<typeof open>>, blocks: number): Promise<void> => {
  for (let i = 0; i < blocks; i++) {
    await net.seal(EMPTY)
    await node.reporter.settled()
  }
}

test('what is in no block for five is replaced by a dearer one; at the bound it stays as it is; a restart goes on with it', async () => {
  const net = await setUp()
  const base = net.chain.nextBaseFee()
  const node = await open(net, 3, {}, 2n * base + 2n * GWEI)
  await node.fire()
  const [before] = node.sent()
  expect([before?.nonce, before?.maxTipWei, before?.maxFeeWei]).toEqual([0n, GWEI, 2n * base + GWEI])
  await passOver(net, node, 4)
  expect(node.sent()).toEqual([before])
  await passOver(net, node, 1)
  const [after, ...others] = node.sent()
  expect([after?.nonce, after?.maxTipWei, others]).toEqual([0n, (GWEI * 125n) / 100n, []])
  expect(after?.hash).not.toEqual(before?.hash)
  await passOver(net, node, 20) // by a quarter each time, up to the bound
  const [last] = node.sent()
  expect(last?.maxFeeWei).toBeLessThanOrEqual(2n * base + 2n * GWEI)
  expect(node.said).toContain('a unit of gas costs more than evidence.maxFee: no evidence is sent')
  await node.reporter.close()

  const again = await open(net, 3)
  await again.fire()
  await passOver(net, again, 5)
  await again.fire()
  expect(again.sent().map(({ nonce }) => nonce)).toEqual([0n]) // dearer, in the place of the old one
  expect(again.sent()[0]?.maxTipWei).toBeGreaterThan(last?.maxTipWei ?? 0n)
  await net.seal()
  expect(await isTombstoned(net)).toBe(true)
  await again.reporter.close()
})

test('an account without funds, and a base fee above the bound, are told and send nothing', async () => {
  const net = await setUp()
  const stranger = accountOf(new Uint8Array(32).fill(7))
  const poor = await open(net, 0, { account: stranger })
  await poor.fire()
  expect(poor.said.join()).toMatch(/can hardly pay for evidence: send it .* NOVA/)
  expect(poor.said.join()).toMatch(/evidence waits for funds of the reporter 0x/)
  const mean = await open(net, 4, {}, 1n)
  await mean.fire()
  expect(mean.said).toEqual(['a unit of gas costs more than evidence.maxFee: no evidence is sent'])
  expect(net.chain.pool.status()).toEqual({ pending: 0, queued: 0 })
  await poor.reporter.close()
  await mean.reporter.close()
})

test('a transaction of somebody else with the same evidence is waited for, but not for ever', async () => {
  const net = await setUp()
  const [liar, node] = [await open(net, 5), await open(net, 6)]
  await liar.fire()
  await liar.reporter.close()
  await node.fire()
  await passOver(net, node, 4)
  expect(node.sent()).toHaveLength(0)
  await passOver(net, node, 1)
  expect(node.sent()).toHaveLength(1)
  await node.reporter.close()
})
