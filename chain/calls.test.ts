// What the command line asks of a stored chain: that it runs again to the same values, and what fills it.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { genesis, openMemoryChain } from '../test/kit/memory-chain.ts'
import { bytesToHex, concat, hexToBytes } from './base/bytes.ts'
import { keccak } from './base/crypto.ts'
import { checkStore, reexecute, storeStats } from './calls.ts'
import { seal, unseal } from './store/seal.ts'

const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const bob = '0x00000000000000000000000000000000000000b0'
// Stores 7 in slot 0 when created.
const INIT = '0x600760005560006000f3'

const threeBlocks = async () => {
  const { chain, kv, seal: sealBlock } = await openMemoryChain()
  const base = { chainId: genesis.chainId, type: 2, maxFeePerGas: 2n * 10n ** 9n, maxPriorityFeePerGas: 1n }
  for (const [nonce, fields] of [{ to: bob, value: 5n }, { data: INIT }, { to: bob, value: 6n }].entries()) {
    const raw = await alice.signTransaction({ ...base, nonce, gasLimit: 100_000n, ...fields })
    await chain.submit(hexToBytes(raw), 'local')
    await sealBlock()
  }
  return { chain, kv }
}
const all = { from: null, to: null }
const quiet = (): void => {}

test('stored blocks run again to what they say', async () => {
  const { kv } = await threeBlocks()
  const seen: number[] = []
  const done = await reexecute(kv, genesis, all, (height) => seen.push(height))
  expect(done).toMatchObject({ from: 1, to: 3, txs: 3 })
  expect(seen).toEqual([1, 2, 3])
  expect(await reexecute(kv, genesis, { from: 2, to: 2 }, quiet)).toMatchObject({ from: 2, to: 2, txs: 1 })
  await expect(reexecute(kv, genesis, { from: 0, to: 2 }, quiet)).rejects.toMatchObject({ code: 'REEXECUTE_RANGE' })
  await expect(reexecute(kv, genesis, { from: 2, to: 4 }, quiet)).rejects.toMatchObject({ code: 'REEXECUTE_RANGE' })
})

test('a value that is stored otherwise is named with its block, and the check of the store sees it too', async () => {
  const { kv, chain } = await threeBlocks()
  const key = concat(Uint8Array.of(0x61), keccak(hexToBytes(bob)))
  const content = unseal('accounts', key, kv.get(key) ?? new Uint8Array(0)).slice()
  const at = content.lastIndexOf(11) // bob's 5 + 6 wei
  content[at] = 12
  await kv.write([{ key, value: seal(key, content) }])
  await expect(reexecute(kv, genesis, all, quiet)).rejects.toMatchObject({
    code: 'REEXECUTE_DEVIATES',
    data: { height: 3, field: `balance of ${bob}`, stored: '12', ran: '11' },
  })
  await expect(checkStore(kv, chain.genesisHash)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
})

test('every record belongs to a named table', async () => {
  const { kv, chain } = await threeBlocks()
  const stats = await storeStats(kv)
  expect(stats.filter(({ table }) => table.startsWith('0x'))).toEqual([])
  expect(stats.find(({ table }) => table === 'headers')?.rows).toBe(4)
  expect(stats.find(({ table }) => table === 'certificates')?.rows).toBe(3)
  expect(bytesToHex(chain.head().header.stateRoot)).toMatch(/^0x/)
})

test('calls that are asked for at once run one after the other', async () => {
  const { ctx } = await openMemoryChain()
  const nothing = {
    ...{ from: null, gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null, value: 0n },
    ...{ nonce: null, accessList: null, authorizations: null },
  }
  const request = { ...nothing, to: null, input: hexToBytes(INIT) }
  const job = { kind: 'call', height: 0, pending: false, request, state: [], block: null } as const
  const answers = await Promise.all([ctx.calls.run(job), ctx.calls.run(job), ctx.calls.run(job)])
  expect(answers).toMatchObject(Array(3).fill({ kind: 'call', status: 'success' }))
})
