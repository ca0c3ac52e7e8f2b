// Every answer against the schema of Ethereum's execution API, on a node as users start it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { JsonRpcProvider, Wallet, ZeroAddress, zeroPadValue } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../kit/devnet.ts'
import { conformanceDir, hasConformance } from '../kit/state-tests.ts'

interface OpenRpc {
  readonly methods: readonly { readonly name: string; readonly result?: { readonly schema: object } }[]
  readonly components?: object
}

let devnet: Devnet
let provider: JsonRpcProvider
const known = { txs: [] as string[], blockHash: '', height: '', sender: '', contract: '' }
// PUSH1 1 PUSH1 0 SSTORE, LOG1 of topic 7, and a runtime of one STOP.
const INITCODE = '0x6001600055600760006000a1600060085360016008f3'

beforeAll(async () => {
  if (!hasConformance) return
  devnet = await startDevnet(['--sealing', 'instant', '--log-level', 'error'])
  provider = new JsonRpcProvider(devnet.rpc[0], devnet.chainId, { staticNetwork: true, cacheTimeout: -1 })
  provider.pollingInterval = 50
  const wallet = new Wallet(devnet.accounts[0]?.privateKey ?? '', provider)
  known.sender = wallet.address
  for (const [i, fields] of [
    { type: 0 },
    { type: 1, accessList: [{ address: ZeroAddress, storageKeys: [zeroPadValue('0x01', 32)] }] },
    { type: 2 },
  ].entries()) {
    const sent = await wallet.sendTransaction({ to: ZeroAddress, value: 1n, nonce: i, gasLimit: 100_000, ...fields })
    await sent.wait()
    known.txs.push(sent.hash)
  }
  const made = await (await wallet.sendTransaction({ data: INITCODE, nonce: 3 })).wait()
  known.contract = made?.contractAddress ?? ''
  known.txs.push(made?.hash ?? '')
  known.blockHash = made?.blockHash ?? ''
  known.height = `0x${made?.blockNumber.toString(16)}`
})
afterAll(async () => {
  provider?.destroy()
  await devnet?.stop()
})

const filter = () => ({ fromBlock: '0x0', toBlock: 'latest' })
const call = () => ({ from: known.sender, to: known.contract, value: '0x0' })
const CALLS: readonly (readonly [string, () => unknown[]])[] = [
  ['eth_chainId', () => []],
  ['eth_blockNumber', () => []],
  ['eth_syncing', () => []],
  ['eth_accounts', () => []],
  ['eth_gasPrice', () => []],
  ['eth_maxPriorityFeePerGas', () => []],
  ['eth_blobBaseFee', () => []],
  ['eth_feeHistory', () => ['0x4', 'latest', [10, 50, 90]]],
  ['eth_getBalance', () => [known.sender, 'latest']],
  ['eth_getTransactionCount', () => [known.sender, 'pending']],
  ['eth_getCode', () => [known.contract, 'latest']],
  ['eth_getStorageAt', () => [known.contract, '0x0', 'latest']],
  ['eth_getProof', () => [known.contract, [zeroPadValue('0x00', 32)], 'latest']],
  ['eth_call', () => [call(), 'latest']],
  ['eth_estimateGas', () => [call()]],
  ['eth_config', () => []],
  ['eth_capabilities', () => []],
  ['eth_baseFee', () => []],
  ['eth_coinbase', () => []],
  ['eth_getStorageValues', () => [{ [known.contract]: [zeroPadValue('0x00', 32)] }, 'latest']],
  ['debug_getBadBlocks', () => []],
  ['eth_simulateV1', () => [{ blockStateCalls: [{ calls: [call()] }, {}], traceTransfers: true }, 'latest']],
  ['eth_simulateV1', () => [{ blockStateCalls: [{ calls: [call()] }], returnFullTransactions: true }, 'latest']],
  ['eth_createAccessList', () => [call(), 'latest']],
  ['eth_getBlockByNumber', () => [known.height, true]],
  ['eth_getBlockByNumber', () => ['earliest', false]],
  ['eth_getBlockByNumber', () => ['finalized', true]],
  ['eth_getBlockByHash', () => [known.blockHash, true]],
  ['eth_getBlockTransactionCountByNumber', () => [known.height]],
  ['eth_getBlockTransactionCountByHash', () => [known.blockHash]],
  ['eth_getUncleCountByBlockNumber', () => [known.height]],
  ['eth_getUncleCountByBlockHash', () => [known.blockHash]],
  ['eth_getBlockReceipts', () => [known.height]],
  ['eth_getTransactionByBlockNumberAndIndex', () => [known.height, '0x0']],
  ['eth_getTransactionByBlockHashAndIndex', () => [known.blockHash, '0x0']],
  ['eth_getLogs', () => [filter()]],
  ['eth_newFilter', () => [filter()]],
  ['eth_newBlockFilter', () => []],
  ['eth_newPendingTransactionFilter', () => []],
  ['net_version', () => []],
  ['debug_getRawHeader', () => [known.height]],
  ['debug_getRawBlock', () => [known.height]],
  ['debug_getRawReceipts', () => [known.height]],
  ['txpool_status', () => []],
  ['txpool_content', () => []],
  ['txpool_inspect', () => []],
  ...[0, 1, 2, 3].flatMap((i): (readonly [string, () => unknown[]])[] => [
    ['eth_getTransactionByHash', () => [known.txs[i]]],
    ['eth_getTransactionReceipt', () => [known.txs[i]]],
    ['debug_getRawTransaction', () => [known.txs[i]]],
  ]),
]

// Skipped where the conformance folder is not beside the checkout.
test.skipIf(!hasConformance).for(CALLS.map((entry, i) => [i, ...entry] as const))(
  '%i %s answers by the schema',
  async ([, method, params]) => {
    const api: OpenRpc = JSON.parse(readFileSync(join(conformanceDir, 'execution-apis', 'openrpc.json'), 'utf8'))
    const schema = api.methods.find(({ name }) => name === method)?.result?.schema
    const result = await provider.send(method, params())
    if (schema === undefined) return expect(result).toBeDefined()
    const validate = new Ajv({ strict: false, allErrors: true }).compile({ ...schema, components: api.components })
    validate(result)
    expect(
      validate.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`) ?? [],
      JSON.stringify(result),
    ).toEqual([])
  },
)

// Skipped where the conformance folder is not beside the checkout.
test.skipIf(!hasConformance)('the log of the contract is found by address and topic', async () => {
  const topic = zeroPadValue('0x07', 32)
  const logs = await provider.send('eth_getLogs', [{ ...filter(), address: known.contract, topics: [topic] }])
  expect(logs).toHaveLength(1)
  expect(await provider.send('eth_getLogs', [{ ...filter(), topics: [zeroPadValue('0x08', 32)] }])).toEqual([])
})
