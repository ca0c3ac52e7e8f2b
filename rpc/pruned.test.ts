// What a node answers about what it has pruned: an error with the height it still has it from, and all else as before.
import { expect, test } from 'vitest'
import { bytesToHex } from '../chain/base/bytes.ts'
import { openPruner } from '../chain/prune.ts'
import { silent } from '../node/telemetry.ts'
import { openMemoryChain } from '../test/kit/memory-chain.ts'
import { createDispatch } from './dispatch.ts'
import { methods } from './table.ts'

test('methods name the height that a node still has it from; what is kept is answered', async () => {
  const { chain, kv, ctx, seal } = await openMemoryChain()
  for (let i = 0; i < 12; i++) await seal()
  const hashes = Array.from({ length: 13 }, (_, height) => bytesToHex(chain.outline(height)?.hash ?? new Uint8Array(0)))
  const pruner = openPruner({ kv, genesisHash: chain.genesisHash, pause: async () => {} })
  while (await pruner.slice({ headers: 3, bodies: 5, receipts: 7, logs: 9 }));
  const dispatch = createDispatch(ctx, methods, silent)
  const ask = async (method: string, ...params: unknown[]) => {
    const request = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    return JSON.parse(await dispatch(Buffer.from(request), { isLocal: true }))
  }
  const range = (fromBlock: string) => ({ fromBlock, toBlock: 'latest' })
  const refused: readonly (readonly [number, string, ...unknown[]])[] = [
    [5, 'eth_getBlockByNumber', '0x4', false],
    [5, 'eth_getBlockByHash', hashes[4], true],
    [5, 'eth_getTransactionByBlockNumberAndIndex', '0x4', '0x0'],
    [7, 'eth_getBlockReceipts', '0x6'],
    [7, 'eth_feeHistory', '0xc', 'latest', [50]],
    [3, 'eth_feeHistory', '0xc', 'latest', []],
    [9, 'eth_getLogs', range('0x8')],
    [9, 'eth_getLogs', range('earliest')],
    [3, 'eth_getBlockTransactionCountByNumber', '0x2'],
    [3, 'nova_getCommitCertificate', '0x2'],
    [3, 'nova_getLightClientUpdate', '0x2'],
    [3, 'debug_getRawHeader', '0x2'],
    [5, 'debug_getRawBlock', '0x4'],
    [7, 'debug_getRawReceipts', '0x6'],
    [5, 'debug_traceBlockByNumber', '0x4'],
  ]
  for (const [earliest, method, ...params] of refused) {
    const { error } = await ask(method, ...params)
    expect([method, error?.code]).toEqual([method, 4444])
    expect(error.message).toMatch(new RegExp(`from block ${earliest} on`))
  }
  const answered: readonly (readonly [string, ...unknown[]])[] = [
    ['eth_getBlockByNumber', '0x0', false],
    ['eth_getBlockByNumber', '0x5', true],
    ['eth_getBlockReceipts', '0x7'],
    ['eth_getLogs', range('0x9')],
    ['nova_getConsensusSection', '0x3'],
    ['eth_getBalance', `0x${'11'.repeat(20)}`, '0x1'],
  ]
  for (const [method, ...params] of answered) {
    const { error, result } = await ask(method, ...params)
    expect([method, error, result === null]).toEqual([method, undefined, false])
  }
  // Of a header that is gone the hash is unknown too.
  expect((await ask('eth_getBlockByHash', hashes[2], false)).result).toBeNull()
  const { result } = await ask('eth_capabilities')
  expect([result.blocks, result.receipts, result.logs].map(({ oldestBlock }) => oldestBlock)).toEqual([
    '0x5',
    '0x7',
    '0x9',
  ])
})
