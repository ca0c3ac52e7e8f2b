// A resource token as wallets and verifiers see it: ethers against the real server, a block with a transfer in the lane, and the proof of a balance.
import { Contract, Interface, JsonRpcProvider, keccak256, Wallet, zeroPadValue } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asAddress, hexToBytes } from '../chain/base/bytes.ts'
import { abi as registryAbi } from '../chain/native/resources/abi.ts'
import { abi } from '../chain/native/token/abi.ts'
import { provenAccount, provenSlot } from '../chain/types/proof.ts'
import { alice, type RpcNode, startRpcNode } from '../test/kit/rpc-node.ts'

const CPU = '0x0000000000000000000000000000000000000821'
const BOB = `0x${'0b'.repeat(20)}`
const linesOf = (of: object[]): string[] =>
  of.flatMap((group) => Object.values(group).map(({ source }: { source: string }) => source))
const token = new Interface(linesOf([abi.functions, abi.events, abi.errors]))

let node: RpcNode
let provider: JsonRpcProvider
beforeAll(async () => {
  node = await startRpcNode()
  provider = new JsonRpcProvider(node.url, undefined, { cacheTimeout: -1, staticNetwork: true })
  const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }
  const data = token.encodeFunctionData('transfer', [BOB, 10n ** 18n])
  const chainId = node.chain.genesis.chainId
  const raw = await alice.signTransaction({ ...fees, chainId, nonce: 0, to: CPU, data, gasLimit: 60_000 })
  expect((await node.call('eth_sendRawTransaction', raw)).error).toBeUndefined()
  await node.mine()
})
afterAll(async () => {
  provider.destroy()
  await node.close()
})

test('a wallet shows its name, sign, decimals and balances; an indexer an ordinary log', async () => {
  const cpu = new Contract(CPU, token, provider)
  const read = (name: string, ...args: unknown[]) => cpu.getFunction(name)(...args)
  expect([await read('name'), await read('symbol'), await read('decimals')]).toEqual(['NovaChain CPU', 'CPU', 18n])
  expect([await read('balanceOf', BOB), await read('balanceOf', alice.address)]).toEqual([
    ...[10n ** 18n, 10n ** 24n - 10n ** 18n],
  ])
  const [log] = await provider.getLogs({ address: CPU, fromBlock: 0, topics: token.encodeFilterTopics('Transfer', []) })
  const [from, to, value] = token.parseLog(log ?? { topics: [], data: '0x' })?.args ?? []
  expect([from, String(to).toLowerCase(), value]).toEqual([alice.address, BOB, 10n ** 18n])
  const receipt = await provider.getTransactionReceipt(log?.transactionHash ?? '')
  expect([receipt?.status, (receipt?.gasUsed ?? 0n) > 21_000n]).toEqual([1, true])
})

test('what a wallet estimates for a transfer, and why it refuses one', async () => {
  const known = token.encodeFunctionData('transfer', [BOB, 1n])
  expect(await provider.estimateGas({ from: alice.address, to: CPU, data: known })).toBeLessThanOrEqual(35_000n)
  const poor = Wallet.createRandom().address
  const { error } = await node.call('eth_call', { from: poor, to: CPU, data: known }, 'latest')
  expect(token.parseError(String(error?.data))?.args.toArray()).toEqual([poor, 0n, 1n])
})

test('the registry answers ethers with the tokens and their prices', async () => {
  const registry = new Contract(
    '0x0000000000000000000000000000000000000820',
    linesOf([registryAbi.functions]),
    provider,
  )
  const rows = (await registry.getFunction('tokens')()) as readonly (readonly unknown[])[]
  expect(rows.map((row) => [row[1], row[2], row[6]])).toEqual([
    ['CPU', 'vCPU-hour', 10n ** 15n],
    ['MEM', 'GB-hour', 5n * 10n ** 14n],
    ['STO', 'TB-hour', 10n ** 14n],
    ['NET', 'GB transferred', 10n ** 13n],
  ])
})

test('eth_getProof of a balance convinces who has the state root alone', async () => {
  const slot = keccak256(`${zeroPadValue(BOB, 32)}${'0'.repeat(64)}`) // balances are variable 0
  const { result } = await node.call('eth_getProof', CPU, [slot], 'latest')
  const { accountProof, storageProof } = result as {
    accountProof: `0x${string}`[]
    storageProof: { value: string; proof: `0x${string}`[] }[]
  }
  const { stateRoot } = node.chain.head().header
  const account = provenAccount(stateRoot, asAddress(hexToBytes(CPU)), accountProof.map(hexToBytes))
  const [shown] = storageProof
  expect(shown?.value).toBe('0xde0b6b3a7640000')
  const proof = (shown?.proof ?? []).map(hexToBytes)
  expect(provenSlot(account?.storageRoot ?? stateRoot, BigInt(slot), proof)).toBe(10n ** 18n)
})
