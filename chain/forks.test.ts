// A fork on a running chain: the rules change with the first block of its epoch, for blocks, calls and whatever runs past heights again; and a release
// that does not know it runs nothing of it and loses nothing.
import { readFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { openMemoryChain } from '../test/kit/memory-chain.ts'
import { bytesToHex, type Hex, hexToBytes } from './base/bytes.ts'
import { openCalls, reexecute, simulateFork } from './calls.ts'
import type { Chain } from './chain.ts'
import { PARAMS } from './native/index.ts'
import { type AbiFunction, encodeCall } from './native/kit/abi.ts'
import { abi } from './native/params/abi.ts'
import type { CallJob } from './types/call.ts'
import { FORKS } from './types/forks.ts'
import { type Genesis, parseGenesis } from './types/genesis.ts'

const EPOCH = 3
const governor = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const genesisWith = (forks: Genesis['forks']): Genesis => {
  const json = JSON.parse(readFileSync(new URL('../genesis.json', import.meta.url), 'utf8'))
  json.novachain.epochBlocks = EPOCH
  json.novachain.modules.params.governance = governor.address
  if (forks !== undefined) json.novachain.forks = forks
  return parseGenesis(JSON.stringify(json))
}
type MemoryChain = Awaited<ReturnType<typeof openMemoryChain>>

let nonces = new WeakMap<Chain, number>()
const send = async ({ chain }: MemoryChain, tx: { to?: Hex; data?: Hex; value?: bigint; gasLimit?: bigint }) => {
  const nonce = nonces.get(chain) ?? 0
  nonces = nonces.set(chain, nonce + 1)
  const base = { chainId: chain.genesis.chainId, type: 2, maxFeePerGas: 2n * 10n ** 9n, maxPriorityFeePerGas: 1n }
  await chain.submit(hexToBytes(await governor.signTransaction({ ...base, nonce, gasLimit: 200_000n, ...tx })), 'local')
}
const call = <K extends keyof typeof abi.functions>(name: K, ...args: readonly unknown[]) => ({
  to: bytesToHex(PARAMS),
  data: bytesToHex(encodeCall(abi.functions[name] as AbiFunction, args as never)),
})
/** PUSH1 1, CLZ, POP, STOP as initcode. */
const CLZ: Hex = '0x60011e5000'
const P256: Hex = '0x0000000000000000000000000000000000000100'
const statusOf = ({ chain }: MemoryChain): number | undefined =>
  chain.receipts(chain.head().header.number)?.find(({ type }) => type === 2)?.status
const clzAt = async (calls: MemoryChain['ctx']['calls'], height: number): Promise<string> => {
  const nothing = {
    ...{ from: null, gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null, value: 0n },
    ...{ nonce: null, accessList: null, authorizations: null },
  }
  const request = { ...nothing, to: null, input: hexToBytes(CLZ) }
  const job: CallJob = { kind: 'call', height, pending: false, request, state: [], block: null }
  return calls.run(job).then(
    () => 'success',
    (error: Error) => error.message,
  )
}
const INVALID = 'invalid opcode'

/** Osaka and params-2, planned in block 1 for epoch 2, which begins with block 7; a CLZ in each block from 2 to 8. */
const forked = async (evm: 'fast' | 'reference') => {
  const genesis = genesisWith({ osaka: null })
  const memory = await openMemoryChain({ genesis, evm })
  await send(memory, call('scheduleFork', 'osaka', 2n, '0.1.0'))
  await send(memory, call('scheduleFork', 'params-2', 2n, '0.1.0'))
  await memory.seal()
  const statuses: (number | undefined)[] = []
  for (let height = 2; height <= 8; height++) {
    await send(memory, { data: CLZ })
    await memory.seal()
    statuses.push(statusOf(memory))
  }
  return { ...memory, genesis, statuses }
}

test.each(['fast', 'reference'] as const)('%s: the rules change with the first block of the epoch', async (evm) => {
  const { chain, kv, genesis, statuses } = await forked(evm)
  expect(statuses).toEqual([0, 0, 0, 0, 0, 1, 1])
  for (const name of ['fast', 'reference'] as const) {
    const calls = openCalls(kv, genesis, { genesisHash: chain.genesisHash, gasCap: 50_000_000n, evm: name })
    const answers = await Promise.all([2, 6, 7, 8].map((height) => clzAt(calls, height)))
    expect(answers).toEqual([INVALID, INVALID, 'success', 'success'])
  }
  expect(await reexecute(kv, genesis, { from: null, to: null }, () => {})).toMatchObject({ from: 1, to: 8, txs: 9 })
})

test('a plain transfer to an address that Osaka makes a precompile costs what it did, in the lane and without', async () => {
  const genesis = genesisWith({ osaka: 1 })
  const memory = await openMemoryChain({ genesis })
  const gas: bigint[] = []
  for (let height = 1; height <= 4; height++) {
    await send(memory, { to: P256, value: 1n })
    await memory.seal()
    gas.push(memory.chain.receipts(height)?.[0]?.gasUsed ?? 0n)
  }
  expect(gas).toEqual([21_000n, 21_000n, 21_000n, 27_900n]) // P256VERIFY takes 6,900
  await reexecute(memory.kv, genesis, { from: null, to: null }, () => {})
})

test('the last blocks under a fork: what succeeds, what costs otherwise, and nothing where nothing differs', async () => {
  const genesis = genesisWith({ osaka: null })
  const memory = await openMemoryChain({ genesis })
  for (const tx of [
    { data: CLZ },
    { to: P256, value: 0n },
    { to: '0x00000000000000000000000000000000000000b0' as Hex, value: 5n },
  ]) {
    await send(memory, tx)
    await memory.seal()
  }
  const told: string[] = []
  const range = await simulateFork(memory.kv, genesis, { fork: 'osaka', blocks: 10 }, (block) => {
    told.push(`${block.height}: ${block.refused ?? block.state ?? block.differences.map(({ text }) => text).join()}`)
  })
  expect(range).toEqual({ from: 1, to: 3 })
  expect(told).toEqual([
    expect.stringMatching(/^1: it fails and would succeed, gas 200000 would be 5\d{4}$/),
    '2: gas 21000 would be 27900',
    '3: ',
  ])
  const none: string[] = []
  await simulateFork(memory.kv, genesis, { fork: 'params-2', blocks: 2 }, ({ height, differences, refused, state }) => {
    if (differences.length > 0 || refused !== null || state !== null) none.push(`${height}`)
  })
  expect(none).toEqual([])
})

test('a release that does not know the fork runs all blocks before it and none of it; one that does goes on from there', async () => {
  const genesis = genesisWith(undefined)
  const newer = await openMemoryChain({ genesis })
  const older = await openMemoryChain({ genesis, forks: FORKS.filter(({ name }) => name === 'osaka') })
  await send(newer, call('scheduleFork', 'params-2', 2n, '7.7.7'))
  const blocks = []
  for (let height = 1; height <= 8; height++) blocks.push(await newer.seal())
  for (const block of blocks.slice(0, 6)) {
    older.chain.forks.checkNext()
    await older.chain.verify(block)
    await older.chain.commit(block, newer.certify(block))
  }
  const unknown = {
    code: 'FORK_UNKNOWN',
    message: expect.stringMatching(/block 7 .*epoch 2.* fork params-2, .*version 7\.7\.7/),
  }
  expect(() => older.chain.forks.checkNext()).toThrow(expect.objectContaining(unknown))
  await expect(older.build()).rejects.toMatchObject(unknown)
  const [seventh, eighth] = blocks.slice(6)
  if (seventh === undefined || eighth === undefined) throw new Error('eight were sealed')
  await expect(older.chain.verify(seventh)).rejects.toMatchObject(unknown)
  await expect(older.chain.append({ blocks: [seventh], commit: newer.certify(seventh) })).rejects.toMatchObject(unknown)
  expect(older.chain.head().hash).toEqual(blocks[5]?.hash)
  const replaced = await openMemoryChain({ genesis, kv: older.kv })
  await replaced.chain.append({ blocks: [seventh, eighth], commit: newer.certify(eighth) })
  expect(replaced.chain.head().hash).toEqual(newer.chain.head().hash)
})

test.each([
  [{ 'a-fork': 1 }, 'novachain.forks.a-fork'],
  [{ osaka: -1 }, 'novachain.forks.osaka'],
  [{ osaka: 2 ** 32 }, 'novachain.forks.osaka'],
  [{ osaka: 1.5 }, 'novachain.forks.osaka'],
] as const)('genesis with forks %j is refused', (forks, path) => {
  expect(() => genesisWith(forks as never)).toThrow(
    expect.objectContaining({ code: 'GENESIS_INVALID', data: expect.objectContaining({ path }) }),
  )
})
